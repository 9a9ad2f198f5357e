//! What happens to published splits? They are merged, expire, and their objects are collected.
//!
//! Every change is one step that may be tried again; none of them waits.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use model::id::{SplitId, Tenant};
use model::time::Timestamp;
use platform::clock::seconds_since;
use platform::telemetry::{self, Metric};

use super::{IndexError, Inner, lock};
use crate::build::BuiltSplit;
use crate::merge::{self, MergeError};
use crate::read::chunks::ChunkCache;
use crate::read::{ReadError, Split, SplitMeta};
use crate::settings::Settings;
use crate::split::object_key;

/// What the steps remember.
pub(super) struct Keeping {
    /// Objects that nobody needs once no query holds their split.
    retired: Vec<(SplitId, Weak<Split>)>,
    /// Splits that cannot be read.
    unmergeable: Vec<SplitId>,
    /// Splits that are being replaced: no other step may.
    claimed: Vec<SplitId>,
    /// Changes of the catalog to which no answer came; their splits stay claimed.
    unsettled: Vec<Replacement>,
    /// Splits that were renewed under their own names: queries may hold the old ones.
    pub(super) renewed: Vec<(SplitId, Weak<Split>)>,
}

/// Splits that take the place of others.
pub(super) struct Replacement {
    pub(super) old: Vec<SplitId>,
    pub(super) new: Vec<BuiltSplit>,
    /// The deletions whose records are not in the new ones; other marks of the old are inherited.
    pub(super) applied: Vec<u64>,
}

impl Keeping {
    /// `garbage`: objects that the last run left behind, which no query holds.
    pub(super) fn new(garbage: Vec<SplitId>) -> Self {
        let retired = garbage.into_iter().map(|id| (id, Weak::new())).collect();
        let (unmergeable, claimed, unsettled) = (Vec::new(), Vec::new(), Vec::new());
        Self { retired, unmergeable, claimed, unsettled, renewed: Vec::new() }
    }

    pub(super) fn is_unmergeable(&self, id: &SplitId) -> bool {
        self.unmergeable.contains(id)
    }
}

impl Inner {
    /// Merges, expires and collects until the index stops.
    pub(super) fn keep_loop(&self) {
        while !self.live.is_stopping() {
            let erased = self.erase_once();
            let busy = matches!(erased, Ok(true));
            note("erasing deleted records failed", erased);
            let busy = self.merge_and_note() || busy;
            note("expiring failed", self.expire_once());
            note("collecting garbage failed", self.collect_garbage_once());
            self.pause(busy);
        }
    }

    /// Merges until the index stops, beside [`Inner::keep_loop`].
    pub(super) fn merge_loop(&self) {
        while !self.live.is_stopping() {
            let busy = self.merge_and_note();
            self.pause(busy);
        }
    }

    /// One merge, if one is due; whether there was one.
    fn merge_and_note(&self) -> bool {
        let merged = self.merge_once();
        let busy = matches!(merged, Ok(true));
        note("a merge failed", merged);
        busy
    }

    /// Waits for the next look, unless there was something to do.
    fn pause(&self, busy: bool) {
        if !busy {
            self.live.wait(Duration::from_millis(self.settings.merge.interval_ms.max(10)));
        }
    }

    /// Merges before more is published, while too many splits wait for it: ingest then goes at the
    /// speed of merging. A merge that fails holds nothing up.
    pub(super) fn keep_up(&self) {
        let backlog_max = self.settings.merge.backlog_max;
        if backlog_max == 0 {
            return;
        }
        let behind = || {
            let splits = self.live.splits();
            let metas: Vec<&SplitMeta> = splits.iter().map(|s| s.meta()).collect();
            merge::waiting(&metas, &self.settings) > backlog_max
        };
        while !self.live.is_stopping() && behind() {
            match self.merge_once() {
                Ok(true) => telemetry::count(Metric::MergesAwaited, 1),
                // Others merge what there is.
                Ok(false) => self.live.wait(Duration::from_millis(50)),
                Err(error) => return note("a merge failed", Err::<(), _>(error)),
            }
        }
    }

    /// Merges at once.
    pub(super) fn merge_threads(&self) -> usize {
        match self.settings.merge.threads {
            0 => (self.env.threads / 4).max(1),
            threads => threads,
        }
    }

    /// Takes splits for a replacement; until they are released or gone no other step sees them.
    pub(super) fn claim(
        &self,
        choose: impl FnOnce(&Keeping, &[&SplitMeta]) -> Vec<SplitId>,
    ) -> Vec<Arc<Split>> {
        let mut keeping = lock(&self.keeping);
        // Read under the lock: what was replaced meanwhile is either not there or still claimed.
        let mut splits = self.live.splits();
        splits.retain(|split| !keeping.claimed.contains(&split.meta().id));
        let metas: Vec<&SplitMeta> = splits.iter().map(|s| s.meta()).collect();
        let chosen = choose(&keeping, &metas);
        splits.retain(|split| chosen.contains(&split.meta().id));
        keeping.claimed.extend(chosen);
        splits
    }

    pub(super) fn release(&self, ids: &[SplitId]) {
        lock(&self.keeping).claimed.retain(|id| !ids.contains(id));
    }

    pub(super) fn merge_once(&self) -> Result<bool, IndexError> {
        self.settle_all()?;
        let inputs = self.claim(|keeping, metas| {
            let metas = metas.iter().filter(|m| !keeping.unmergeable.contains(&m.id));
            let metas: Vec<&SplitMeta> = metas.copied().collect();
            let chosen = merge::next_merge(&metas, &self.settings).unwrap_or_default();
            chosen.iter().map(|m| m.id.clone()).collect()
        });
        if inputs.is_empty() {
            return Ok(false);
        }
        let ids: Vec<SplitId> = inputs.iter().map(|s| s.meta().id.clone()).collect();
        let started = Instant::now();
        let merged = self.merge(&inputs);
        drop(inputs);
        let new = match merged {
            Ok(new) => vec![new],
            Err(error) => {
                self.release(&ids);
                if matches!(error, IndexError::Merge(MergeError::Stopped)) {
                    return Ok(false);
                }
                self.note_unreadable(&error);
                return Err(error);
            }
        };
        let count = ids.len() as u64;
        self.replace(Replacement { old: ids, new, applied: Vec::new() })?;
        telemetry::count(Metric::MergedSplits, count);
        telemetry::observe(Metric::MergeSeconds, seconds_since(started));
        Ok(true)
    }

    /// A split that cannot be read must not stop the others for ever.
    pub(super) fn note_unreadable(&self, error: &IndexError) {
        if let Some(damaged) = damaged_split(error) {
            lock(&self.keeping).unmergeable.push(damaged.clone());
        }
    }

    /// Builds and stores the split that takes the place of others.
    fn merge(&self, splits: &[Arc<Split>]) -> Result<BuiltSplit, IndexError> {
        let mut inputs = Vec::new();
        let memory = self.settings.merge.memory_bytes_max / self.merge_threads() as u64;
        let chunks = Arc::new(ChunkCache::new(memory));
        for split in splits {
            let reader = split.open_with(chunks.clone())?;
            reader.prefetch_all()?;
            inputs.push((split.meta().clone(), reader));
        }
        let staging = self.env.dir.join("staging");
        let stopped = || self.live.is_stopping();
        let file = merge::merge(&self.builder(&staging), &inputs, &stopped)?;
        if let Err(error) = self.store(std::slice::from_ref(&file)) {
            self.discard(std::slice::from_ref(&file));
            return Err(error);
        }
        Ok(file)
    }

    /// Replaces claimed splits in the catalog, then for queries.
    pub(super) fn replace(&self, mut replacement: Replacement) -> Result<(), IndexError> {
        // No deletion marks the old ones meanwhile.
        let _changing = lock(&self.changing);
        let held = self.live.splits();
        let old = held.iter().filter(|split| replacement.old.contains(&split.meta().id));
        let mut marks: Vec<u64> = old.flat_map(|s| s.meta().deletions.iter().copied()).collect();
        marks.retain(|mark| !replacement.applied.contains(mark));
        marks.sort_unstable();
        marks.dedup();
        replacement.new.iter_mut().for_each(|file| file.meta.deletions.clone_from(&marks));
        let metas: Vec<SplitMeta> = replacement.new.iter().map(|f| f.meta.clone()).collect();
        match self.env.catalog.replace(&replacement.old, &metas) {
            Ok(()) => {
                self.swap(replacement);
                Ok(())
            }
            Err(error) => {
                lock(&self.keeping).unsettled.push(replacement);
                Err(error.into())
            }
        }
    }

    /// Learns what became of changes to which no answer came, before the next one.
    pub(super) fn settle_all(&self) -> Result<(), IndexError> {
        let _changing = lock(&self.changing);
        self.settle()
    }

    /// Learns what became of replacements to which no answer came: their splits may not be merged
    /// or expire before, or the catalog and the queries would part. The caller holds `changing`.
    pub(super) fn settle(&self) -> Result<(), IndexError> {
        self.settle_deletions()?;
        let unsettled = std::mem::take(&mut lock(&self.keeping).unsettled);
        if unsettled.is_empty() {
            return Ok(());
        }
        let published = match self.env.catalog.splits() {
            Ok(published) => published,
            Err(error) => {
                lock(&self.keeping).unsettled.extend(unsettled);
                return Err(error.into());
            }
        };
        for replacement in unsettled {
            if published.iter().any(|meta| replacement.old.contains(&meta.id)) {
                self.discard(&replacement.new);
                self.release(&replacement.old);
            } else {
                self.swap(replacement);
            }
        }
        Ok(())
    }

    /// Gives up files that will not be published.
    pub(super) fn discard(&self, files: &[BuiltSplit]) {
        for file in files {
            let _ = std::fs::remove_file(&file.path);
        }
        let objects = files.iter().map(|f| (f.meta.id.clone(), Weak::new()));
        lock(&self.keeping).retired.extend(objects);
    }

    /// Swaps splits for queries; the old objects go when no query holds them.
    fn swap(&self, Replacement { old, new, .. }: Replacement) {
        let new = self.adopt(&new);
        let held = self.live.splits();
        let held = held.iter().filter(|s| old.contains(&s.meta().id));
        let held: Vec<_> = held.map(|s| (s.meta().id.clone(), Arc::downgrade(s))).collect();
        self.live.change_splits(&old, new);
        lock(&self.keeping).retired.extend(held);
        self.release(&old);
    }

    pub(super) fn expire_once(&self) -> Result<usize, IndexError> {
        self.settle_all()?;
        let now = self.now();
        let expired = self.claim(|_, metas| expired(metas, &self.settings, now));
        let old: Vec<SplitId> = expired.iter().map(|s| s.meta().id.clone()).collect();
        drop(expired);
        if old.is_empty() {
            return Ok(0);
        }
        let count = old.len();
        self.replace(Replacement { old, new: Vec::new(), applied: Vec::new() })?;
        {
            let _changing = lock(&self.changing);
            self.finish_deletions(&[])?;
        }
        telemetry::count(Metric::ExpiredSplits, count as u64);
        tracing::info!(splits = count, "expired");
        Ok(count)
    }

    pub(super) fn collect_garbage_once(&self) -> Result<usize, IndexError> {
        let free: Vec<SplitId> = {
            let mut keeping = lock(&self.keeping);
            keeping.renewed.retain(|(_, split)| split.strong_count() > 0);
            let renewed = |id: &SplitId| keeping.renewed.iter().any(|(other, _)| other == id);
            let unheld = keeping.retired.iter().filter(|(_, split)| split.strong_count() == 0);
            unheld.map(|(id, _)| id.clone()).filter(|id| !renewed(id)).collect()
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

/// The splits whose time is over, and the oldest of those that have too many bytes.
fn expired(metas: &[&SplitMeta], settings: &Settings, now: Timestamp) -> Vec<SplitId> {
    const DAY_NS: i64 = 86_400_000_000_000;
    let mut newest_first = metas.to_vec();
    newest_first.sort_by(|a, b| (b.time.to, &b.id).cmp(&(a.time.to, &a.id)));
    let mut bytes: HashMap<(&Tenant, u32), u64> = HashMap::new();
    let mut out = Vec::new();
    for meta in newest_first {
        let kept = merge::retention_of(meta, settings);
        let age = i64::from(kept.days).saturating_mul(DAY_NS);
        let mut over = kept.days > 0 && meta.time.to.0 < now.0.saturating_sub(age);
        let rule =
            kept.bounded_by.and_then(|n| Some((n, settings.retention.rules.get(n as usize)?)));
        if let Some((number, rule)) = rule {
            let newer = bytes.entry((&meta.tenant, number)).or_default();
            over |= *newer >= rule.bytes_max;
            *newer += meta.object_bytes;
        }
        if over {
            out.push(meta.id.clone());
        }
    }
    out
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
