//! How does a roll get from memory into the store and the catalog? Step by step, as often as it
//! takes.
//!
//! A failed try keeps the built files; the next one stores and publishes the same splits, so a
//! try whose outcome nobody heard is harmless.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::id::SplitId;
use model::time::Timestamp;
use platform::clock::seconds_since;
use platform::object_store::Body;
use platform::telemetry::{self, Metric};

use super::{IndexError, Inner, lock};
use crate::build::BuiltSplit;
use crate::catalog::{Publication, PublishedBatch};
use crate::live::Roll;
use crate::publish::Builder;
use crate::read::Split;
use crate::split::object_key;

/// The pause after a failed try to publish grows from …
const RETRY_MIN: Duration = Duration::from_millis(100);
/// … to this.
const RETRY_MAX: Duration = Duration::from_secs(10);

/// A roll on its way.
pub(super) struct Rolling {
    roll: Roll,
    built: Option<Vec<BuiltSplit>>,
}

impl Inner {
    pub(super) fn builder<'a>(&'a self, staging: &'a Path) -> Builder<'a> {
        Builder {
            settings: &self.settings,
            staging,
            threads: self.env.threads.max(1),
            node: self.node,
            clock: &*self.env.clock,
            rng: &*self.env.rng,
        }
    }

    pub(super) fn publish_loop(&self) {
        while let Some(roll) = self.live.next_roll(&|| self.now()) {
            self.keep_up();
            *lock(&self.rolling) = Some(Rolling { roll, built: None });
            let mut pause = RETRY_MIN;
            while let Err(error) = self.publish_once() {
                telemetry::count_by(Metric::PublishErrors, "reason", error.reason(), 1);
                tracing::warn!(%error, retry_in = ?pause, "publishing failed");
                if self.live.is_stopping() {
                    return;
                }
                self.live.wait(pause);
                pause = (pause * 2).min(RETRY_MAX);
            }
        }
    }

    pub(super) fn publish_once(&self) -> Result<bool, IndexError> {
        let mut slot = lock(&self.rolling);
        if slot.is_none() {
            *slot = self.live.roll_now(self.now()).map(|roll| Rolling { roll, built: None });
        }
        let Some(rolling) = &mut *slot else { return Ok(false) };
        self.publish(rolling)?;
        *slot = None;
        Ok(true)
    }

    fn publish(&self, rolling: &mut Rolling) -> Result<(), IndexError> {
        let Rolling { roll, built } = rolling;
        let started = Instant::now();
        if built.is_none() {
            let staging = self.env.dir.join("staging");
            *built = Some(self.builder(&staging).build(roll)?);
            telemetry::observe(Metric::BuildSeconds, seconds_since(started));
        }
        let files = built.as_deref().unwrap_or_default();
        self.store(files)?;
        let window = (self.env.batch_id_window_ms as i64).saturating_mul(1_000_000);
        let batches = roll.batches.iter().map(|b| &b.batch.batch);
        let batches = batches.filter_map(|b| {
            let accepted = b.records().len() as u64;
            b.id.clone().map(|id| PublishedBatch { id, accepted, at: b.received })
        });
        self.env.catalog.publish(&Publication {
            splits: files.iter().map(|f| f.meta.clone()).collect(),
            checkpoint: roll.checkpoint,
            batches: batches.collect(),
            forget_before: Timestamp(self.now().0.saturating_sub(window)),
        })?;
        let records: u64 = files.iter().map(|f| f.meta.docs).sum();
        let splits = self.adopt(files);
        self.live.published_roll(roll, splits);
        telemetry::count(Metric::PublishedRecords, records);
        telemetry::observe(Metric::PublishSeconds, seconds_since(started));
        Ok(())
    }

    /// Notes the names in the catalog, then writes the objects.
    pub(super) fn store(&self, files: &[BuiltSplit]) -> Result<(), IndexError> {
        let ids: Vec<SplitId> = files.iter().map(|f| f.meta.id.clone()).collect();
        self.env.catalog.stage(&ids)?;
        for file in files {
            let key = object_key(&file.meta.id);
            self.env.runtime.block_on(self.env.store.put(&key, Body::File(file.path.clone())))?;
        }
        Ok(())
    }

    /// Makes readable splits of published files; the files become cache copies or go.
    pub(super) fn adopt(&self, files: &[BuiltSplit]) -> Vec<Arc<Split>> {
        let take = |file: &BuiltSplit| {
            if let Err(error) = self.cache.adopt(&file.meta, &file.path) {
                tracing::warn!(%error, path = %file.path.display(), "cannot keep a built file");
            }
            Arc::new(Split::new(file.meta.clone(), self.cache.clone()))
        };
        files.iter().map(take).collect()
    }
}
