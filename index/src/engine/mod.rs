//! Who runs the index? One handle: takes batches in, gives snapshots out, and owns the threads
//! that publish, merge, expire and collect garbage.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use model::id::{NodeId, SplitId, Tenant, WalSeq};
use model::live::{Sequenced, Sink};
use model::time::Timestamp;
use platform::clock::{Clock, seconds_since};
use platform::object_store::{Body, ObjectStore, StoreError};
use platform::rng::Rng;
use platform::telemetry::{self, Metric};
use thiserror::Error;

use crate::build::{BuildError, BuiltSplit};
use crate::catalog::{Catalog, CatalogError, Checkpoint, Publication, PublishedBatch};
use crate::live::{Limits, Live, Roll};
use crate::merge::{self, MergeError};
use crate::publish::Builder;
use crate::read::cache::ReaderCache;
use crate::read::chunks::ChunkCache;
use crate::read::{ReadError, Snapshot, Split, SplitMeta};
use crate::settings::Settings;
use crate::split::object_key;

/// What the index stands on.
pub struct Environment {
    /// A directory of its own: `staging/` and `cache/` are made in it.
    pub dir: PathBuf,
    /// The list of splits.
    pub catalog: Arc<dyn Catalog>,
    /// Where objects lie.
    pub store: Arc<dyn ObjectStore>,
    /// Runs the object store's futures.
    pub runtime: tokio::runtime::Handle,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance for names.
    pub rng: Arc<dyn Rng>,
    /// How many splits are built at once.
    pub threads: usize,
    /// How long published batch ids are remembered.
    pub batch_id_window_ms: u64,
}

/// Why the index failed.
#[derive(Debug, Error)]
pub enum IndexError {
    /// The catalog.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The object store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Building a split.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Merging splits.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// Reading a split.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file system.
    #[error("`{path}`: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
}

impl IndexError {
    /// The label of the metric.
    fn reason(&self) -> &'static str {
        match self {
            IndexError::Catalog(_) => "catalog",
            IndexError::Store(_) => "object_store",
            IndexError::Build(_) => "build",
            IndexError::Merge(_) => "merge",
            IndexError::Read(_) => "read",
            IndexError::Io { .. } => "disk",
        }
    }
}

/// The index. Cheap to clone.
#[derive(Clone)]
pub struct Index {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    env: Environment,
    node: NodeId,
    live: Arc<Live>,
    cache: Arc<ReaderCache>,
    checkpoint: Checkpoint,
    batches: Vec<PublishedBatch>,
    /// Objects that the last run left behind.
    garbage: Vec<SplitId>,
    /// Splits that were replaced, until no query holds them.
    retired: Mutex<Vec<(SplitId, Weak<Split>)>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// The pause after a failed try to publish grows from …
const RETRY_MIN: Duration = Duration::from_millis(100);
/// … to this.
const RETRY_MAX: Duration = Duration::from_secs(10);

fn make_dir(path: PathBuf) -> Result<PathBuf, IndexError> {
    match std::fs::create_dir_all(&path) {
        Ok(()) => Ok(path),
        Err(source) => Err(IndexError::Io { path, source }),
    }
}

impl Index {
    /// Opens the index: reads the catalog, removes what a crash left unfinished. Threads start
    /// with [`Index::start`].
    ///
    /// # Errors
    /// Catalog or directory cannot be read.
    pub fn open(settings: Settings, env: Environment) -> Result<Self, IndexError> {
        let staging = make_dir(env.dir.join("staging"))?;
        let cache_dir = make_dir(env.dir.join("cache"))?;
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| IndexError::Io { path, source }
        };
        for entry in std::fs::read_dir(&staging).map_err(io(&staging))? {
            let path = entry.map_err(io(&staging))?.path();
            std::fs::remove_file(&path).map_err(io(&path))?;
        }
        let (node, _) = env.catalog.identity()?;
        let (checkpoint, batches) = env.catalog.checkpoint()?;
        let (store, runtime) = (env.store.clone(), env.runtime.clone());
        let cache = ReaderCache::new(store, runtime, node, &cache_dir, &settings);
        let cache = Arc::new(cache.map_err(io(&cache_dir))?);
        // Read before any thread can stage new names: all of it is of the last run.
        let garbage = env.catalog.garbage(&[])?;
        let splits = env.catalog.splits()?;
        cache.retain(&splits.iter().map(|meta| meta.id.clone()).collect());
        let splits = splits.into_iter().map(|m| Arc::new(Split::new(m, cache.clone()))).collect();
        let limits = Limits {
            roll_raw_bytes: settings.roll_raw_bytes,
            roll_age_ns: (settings.roll_age_ms as i64).saturating_mul(1_000_000),
            memory_bytes_max: settings.live_memory_bytes_max,
        };
        let text_fields = settings.text_fields.clone().into();
        let live = Arc::new(Live::new(splits, checkpoint.wal, limits, node, text_fields));
        let inner = Inner {
            settings,
            env,
            node,
            live,
            cache,
            checkpoint,
            batches,
            garbage,
            retired: Mutex::default(),
            threads: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Number of this node.
    pub fn node(&self) -> NodeId {
        self.inner.node
    }

    /// How far the log was published when the index was opened.
    pub fn checkpoint(&self) -> Checkpoint {
        self.inner.checkpoint
    }

    /// The batch ids that were remembered when the index was opened.
    pub fn known_batches(&self) -> &[PublishedBatch] {
        &self.inner.batches
    }

    /// Receiver of durable batches.
    pub fn sink(&self) -> Arc<dyn Sink> {
        self.inner.live.clone()
    }

    /// What a query of the tenant sees.
    pub fn snapshot(&self, tenant: &Tenant) -> Snapshot {
        self.inner.live.snapshot(tenant)
    }

    /// Follows new batches.
    pub fn subscribe(&self) -> tokio::sync::broadcast::Receiver<Sequenced> {
        self.inner.live.subscribe()
    }

    /// Follows the published position of the log.
    pub fn published(&self) -> tokio::sync::watch::Receiver<WalSeq> {
        self.inner.live.published()
    }

    /// How many splits are published.
    pub fn split_count(&self) -> usize {
        self.inner.live.splits().len()
    }

    /// Publishes what is live now without waiting for age or size.
    pub fn flush(&self) {
        self.inner.live.flush();
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(&self) -> Result<(), IndexError> {
        let spawn = |name: &str, work: fn(&Inner)| {
            let inner = self.inner.clone();
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || work(&inner))
                .map_err(|source| IndexError::Io { path: PathBuf::from(name), source })
        };
        let publisher = spawn("publish", Inner::publish_loop)?;
        let keeper = spawn("merge", Inner::keep_loop)?;
        let mut threads = self.inner.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.extend([publisher, keeper]);
        Ok(())
    }

    /// Publishes what is left and ends the threads; blocks. What cannot be published (the store
    /// is down) stays in the log.
    pub fn stop(&self) {
        self.inner.live.stop();
        let mut threads = self.inner.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the index had panicked");
            }
        }
    }
}

impl Inner {
    fn now(&self) -> Timestamp {
        Timestamp(self.env.clock.now_ns())
    }

    fn builder<'a>(&'a self, staging: &'a Path) -> Builder<'a> {
        Builder {
            settings: &self.settings,
            staging,
            threads: self.env.threads.max(1),
            clock: &*self.env.clock,
            rng: &*self.env.rng,
        }
    }

    fn publish_loop(&self) {
        while let Some(roll) = self.live.next_roll(&|| self.now()) {
            let mut pause = RETRY_MIN;
            let mut built: Option<Vec<BuiltSplit>> = None;
            loop {
                match self.publish(&roll, &mut built) {
                    Ok(()) => break,
                    Err(error) => {
                        telemetry::count_by(Metric::PublishErrors, "reason", error.reason(), 1);
                        tracing::warn!(%error, retry_in = ?pause, "publishing failed");
                        if self.live.is_stopping() {
                            return;
                        }
                    }
                }
                self.live.wait(pause);
                pause = (pause * 2).min(RETRY_MAX);
            }
        }
    }

    fn publish(&self, roll: &Roll, built: &mut Option<Vec<BuiltSplit>>) -> Result<(), IndexError> {
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
    fn store(&self, files: &[BuiltSplit]) -> Result<(), IndexError> {
        let ids: Vec<SplitId> = files.iter().map(|f| f.meta.id.clone()).collect();
        self.env.catalog.stage(&ids)?;
        for file in files {
            let key = object_key(&file.meta.id);
            self.env.runtime.block_on(self.env.store.put(&key, Body::File(file.path.clone())))?;
        }
        Ok(())
    }

    /// Makes readable splits of published files; the files become cache copies or go.
    fn adopt(&self, files: &[BuiltSplit]) -> Vec<Arc<Split>> {
        let take = |file: &BuiltSplit| {
            if let Err(error) = self.cache.adopt(&file.meta, &file.path) {
                tracing::warn!(%error, path = %file.path.display(), "cannot keep a built file");
            }
            Arc::new(Split::new(file.meta.clone(), self.cache.clone()))
        };
        files.iter().map(take).collect()
    }

    /// Merges, expires and collects until the index stops.
    fn keep_loop(&self) {
        self.collect_garbage_of_crashes();
        let mut unmergeable: Vec<SplitId> = Vec::new();
        while !self.live.is_stopping() {
            let mut busy = false;
            match self.merge_once(&unmergeable) {
                Ok(merged) => busy = merged,
                Err((error, inputs)) => {
                    telemetry::count_by(Metric::PublishErrors, "reason", error.reason(), 1);
                    tracing::warn!(%error, "a merge failed");
                    // A damaged split must not stop the others for ever.
                    if matches!(error, IndexError::Merge(_)) {
                        unmergeable.extend(inputs);
                    }
                }
            }
            let kept = self.expire().and_then(|()| self.collect_garbage());
            if let Err(error) = kept {
                telemetry::count_by(Metric::PublishErrors, "reason", error.reason(), 1);
                tracing::warn!(%error, "housekeeping failed");
            }
            if !busy {
                self.live.wait(Duration::from_millis(self.settings.merge.interval_ms.max(10)));
            }
        }
    }

    fn merge_once(&self, unmergeable: &[SplitId]) -> Result<bool, (IndexError, Vec<SplitId>)> {
        let splits = self.live.splits();
        let metas: Vec<&SplitMeta> =
            splits.iter().map(|s| s.meta()).filter(|m| !unmergeable.contains(&m.id)).collect();
        let Some(chosen) = merge::next_merge(&metas, &self.settings) else { return Ok(false) };
        let ids: Vec<SplitId> = chosen.iter().map(|m| m.id.clone()).collect();
        let started = Instant::now();
        let run = || -> Result<(), IndexError> {
            let mut inputs = Vec::new();
            let chunks = Arc::new(ChunkCache::new(self.settings.merge.memory_bytes_max));
            for split in splits.iter().filter(|s| ids.contains(&s.meta().id)) {
                let reader = split.open_with(chunks.clone())?;
                reader.prefetch_all()?;
                inputs.push((split.meta().clone(), reader));
            }
            let staging = self.env.dir.join("staging");
            let file = merge::merge(&self.builder(&staging), &inputs)?;
            let files = [file];
            let swapped = self.store(&files).and_then(|()| {
                self.env.catalog.replace(&ids, &[files[0].meta.clone()])?;
                Ok(())
            });
            if let Err(error) = swapped {
                let _ = std::fs::remove_file(&files[0].path);
                return Err(error);
            }
            let new = self.adopt(&files);
            self.retire(&ids, new);
            Ok(())
        };
        run().map_err(|error| (error, ids.clone()))?;
        telemetry::count(Metric::MergedSplits, ids.len() as u64);
        telemetry::observe(Metric::MergeSeconds, seconds_since(started));
        Ok(true)
    }

    /// Swaps splits for queries; the old objects go when no query holds them.
    fn retire(&self, old: &[SplitId], new: Vec<Arc<Split>>) {
        let held = self.live.splits();
        let held = held.iter().filter(|s| old.contains(&s.meta().id));
        let held: Vec<_> = held.map(|s| (s.meta().id.clone(), Arc::downgrade(s))).collect();
        self.live.change_splits(old, new);
        self.retired.lock().unwrap_or_else(PoisonError::into_inner).extend(held);
    }

    fn expire(&self) -> Result<(), IndexError> {
        let now = self.now().0;
        let splits = self.live.splits();
        let expired = splits.iter().map(|s| s.meta()).filter(|meta| {
            let days = i64::from(merge::split_days(meta, &self.settings));
            let age = days.saturating_mul(86_400_000_000_000);
            days > 0 && meta.time.to.0 < now.saturating_sub(age)
        });
        let expired: Vec<SplitId> = expired.map(|m| m.id.clone()).collect();
        if expired.is_empty() {
            return Ok(());
        }
        self.env.catalog.replace(&expired, &[])?;
        telemetry::count(Metric::ExpiredSplits, expired.len() as u64);
        tracing::info!(splits = expired.len(), "expired");
        self.retire(&expired, Vec::new());
        Ok(())
    }

    fn collect_garbage(&self) -> Result<(), IndexError> {
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        let free: Vec<SplitId> = retired
            .iter()
            .filter(|(_, split)| split.strong_count() == 0)
            .map(|(id, _)| id.clone())
            .collect();
        for id in &free {
            self.cache.forget(id);
            self.env.runtime.block_on(self.env.store.delete(&object_key(id)))?;
        }
        if !free.is_empty() {
            self.env.catalog.garbage(&free)?;
            retired.retain(|(id, _)| !free.contains(id));
        }
        Ok(())
    }

    /// At the start no query holds anything: all garbage of the last run goes.
    fn collect_garbage_of_crashes(&self) {
        let collect = || -> Result<usize, IndexError> {
            for id in &self.garbage {
                self.env.runtime.block_on(self.env.store.delete(&object_key(id)))?;
                self.cache.forget(id);
            }
            self.env.catalog.garbage(&self.garbage)?;
            Ok(self.garbage.len())
        };
        match collect() {
            Ok(0) => {}
            Ok(objects) => tracing::info!(objects, "collected garbage of the last run"),
            Err(error) => tracing::warn!(%error, "collecting garbage failed"),
        }
    }
}

#[cfg(test)]
mod tests;
