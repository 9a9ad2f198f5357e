//! What happens to published splits? They are merged, expire, and their objects are collected.
//!
//! Every change is one step that may be tried again; none of them waits.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use model::id::SplitId;
use platform::clock::seconds_since;
use platform::telemetry::{self, Metric};

use super::{IndexError, Inner, lock};
use crate::build::BuiltSplit;
use crate::merge::{self, MergeError};
use crate::read::chunks::ChunkCache;
use crate::read::{ReadError, Split, SplitMeta};
use crate::split::object_key;

/// What the steps remember.
pub(super) struct Keeping {
    /// Objects that nobody needs once no query holds their split.
    retired: Vec<(SplitId, Weak<Split>)>,
    /// Splits that cannot be read.
    unmergeable: Vec<SplitId>,
    /// A change of the catalog to which no answer came.
    unsettled: Option<Replacement>,
}

/// Splits that take the place of others.
struct Replacement {
    old: Vec<SplitId>,
    new: Vec<BuiltSplit>,
}

impl Keeping {
    /// `garbage`: objects that the last run left behind, which no query holds.
    pub(super) fn new(garbage: Vec<SplitId>) -> Self {
        let retired = garbage.into_iter().map(|id| (id, Weak::new())).collect();
        Self { retired, unmergeable: Vec::new(), unsettled: None }
    }
}

impl Inner {
    /// Merges, expires and collects until the index stops.
    pub(super) fn keep_loop(&self) {
        while !self.live.is_stopping() {
            let merged = self.merge_once();
            let busy = matches!(merged, Ok(true));
            note("a merge failed", merged);
            note("expiring failed", self.expire_once());
            note("collecting garbage failed", self.collect_garbage_once());
            if !busy {
                self.live.wait(Duration::from_millis(self.settings.merge.interval_ms.max(10)));
            }
        }
    }

    pub(super) fn merge_once(&self) -> Result<bool, IndexError> {
        self.settle()?;
        let splits = self.live.splits();
        let ids: Vec<SplitId> = {
            let keeping = lock(&self.keeping);
            let metas = splits.iter().map(|s| s.meta());
            let metas: Vec<&SplitMeta> =
                metas.filter(|m| !keeping.unmergeable.contains(&m.id)).collect();
            let Some(chosen) = merge::next_merge(&metas, &self.settings) else { return Ok(false) };
            chosen.iter().map(|m| m.id.clone()).collect()
        };
        let started = Instant::now();
        let merged = self.merge(&splits, &ids);
        if let Err(error) = merged {
            if let Some(damaged) = damaged_split(&error) {
                // It must not stop the others for ever.
                lock(&self.keeping).unmergeable.push(damaged.clone());
            }
            return Err(error);
        }
        telemetry::count(Metric::MergedSplits, ids.len() as u64);
        telemetry::observe(Metric::MergeSeconds, seconds_since(started));
        Ok(true)
    }

    fn merge(&self, splits: &[Arc<Split>], ids: &[SplitId]) -> Result<(), IndexError> {
        let mut inputs = Vec::new();
        let chunks = Arc::new(ChunkCache::new(self.settings.merge.memory_bytes_max));
        for split in splits.iter().filter(|s| ids.contains(&s.meta().id)) {
            let reader = split.open_with(chunks.clone())?;
            reader.prefetch_all()?;
            inputs.push((split.meta().clone(), reader));
        }
        let staging = self.env.dir.join("staging");
        let file = merge::merge(&self.builder(&staging), &inputs)?;
        let new = vec![file];
        if let Err(error) = self.store(&new) {
            self.discard(&new);
            return Err(error);
        }
        self.replace(Replacement { old: ids.to_vec(), new })
    }

    /// Replaces splits in the catalog, then for queries.
    fn replace(&self, replacement: Replacement) -> Result<(), IndexError> {
        let metas: Vec<SplitMeta> = replacement.new.iter().map(|f| f.meta.clone()).collect();
        match self.env.catalog.replace(&replacement.old, &metas) {
            Ok(()) => {
                self.swap(replacement);
                Ok(())
            }
            Err(error) => {
                lock(&self.keeping).unsettled = Some(replacement);
                Err(error.into())
            }
        }
    }

    /// Learns what became of the replacement to which no answer came: nothing may be merged or
    /// expire before, or the catalog and the queries would part.
    fn settle(&self) -> Result<(), IndexError> {
        let mut keeping = lock(&self.keeping);
        if keeping.unsettled.is_none() {
            return Ok(());
        }
        let published = self.env.catalog.splits()?;
        let Some(replacement) = keeping.unsettled.take() else { return Ok(()) };
        drop(keeping);
        if published.iter().any(|meta| replacement.old.contains(&meta.id)) {
            self.discard(&replacement.new);
        } else {
            self.swap(replacement);
        }
        Ok(())
    }

    /// Gives up files that will not be published.
    fn discard(&self, files: &[BuiltSplit]) {
        for file in files {
            let _ = std::fs::remove_file(&file.path);
        }
        let objects = files.iter().map(|f| (f.meta.id.clone(), Weak::new()));
        lock(&self.keeping).retired.extend(objects);
    }

    fn swap(&self, Replacement { old, new }: Replacement) {
        let new = self.adopt(&new);
        self.retire(&old, new);
    }

    /// Swaps splits for queries; the old objects go when no query holds them.
    fn retire(&self, old: &[SplitId], new: Vec<Arc<Split>>) {
        let held = self.live.splits();
        let held = held.iter().filter(|s| old.contains(&s.meta().id));
        let held: Vec<_> = held.map(|s| (s.meta().id.clone(), Arc::downgrade(s))).collect();
        self.live.change_splits(old, new);
        lock(&self.keeping).retired.extend(held);
    }

    pub(super) fn expire_once(&self) -> Result<usize, IndexError> {
        self.settle()?;
        let now = self.now().0;
        let splits = self.live.splits();
        let expired = splits.iter().map(|s| s.meta()).filter(|meta| {
            let days = i64::from(merge::split_days(meta, &self.settings));
            let age = days.saturating_mul(86_400_000_000_000);
            days > 0 && meta.time.to.0 < now.saturating_sub(age)
        });
        let expired: Vec<SplitId> = expired.map(|m| m.id.clone()).collect();
        if expired.is_empty() {
            return Ok(0);
        }
        let count = expired.len();
        self.replace(Replacement { old: expired, new: Vec::new() })?;
        telemetry::count(Metric::ExpiredSplits, count as u64);
        tracing::info!(splits = count, "expired");
        Ok(count)
    }

    pub(super) fn collect_garbage_once(&self) -> Result<usize, IndexError> {
        let free: Vec<SplitId> = {
            let keeping = lock(&self.keeping);
            let unheld = keeping.retired.iter().filter(|(_, split)| split.strong_count() == 0);
            unheld.map(|(id, _)| id.clone()).collect()
        };
        if free.is_empty() {
            return Ok(0);
        }
        for id in &free {
            self.cache.forget(id);
            self.env.runtime.block_on(self.env.store.delete(&object_key(id)))?;
        }
        self.env.catalog.garbage(&free)?;
        lock(&self.keeping).retired.retain(|(id, _)| !free.contains(id));
        Ok(free.len())
    }
}

/// The split that a merge cannot read, now or later.
fn damaged_split(error: &IndexError) -> Option<&SplitId> {
    match error {
        IndexError::Read(ReadError::Damaged { split, .. })
        | IndexError::Merge(MergeError::Read(ReadError::Damaged { split, .. })) => Some(split),
        _ => None,
    }
}

fn note<T>(what: &str, outcome: Result<T, IndexError>) {
    if let Err(error) = outcome {
        telemetry::count_by(Metric::PublishErrors, "reason", error.reason(), 1);
        tracing::warn!(%error, "{what}");
    }
}
