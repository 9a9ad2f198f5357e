//! Who runs the index? One handle: takes batches in, gives snapshots out, and owns the threads
//! that publish, merge, expire and collect garbage.

mod erase;
mod keep;
mod recent;
mod roll;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use model::id::{NodeId, Tenant, WalSeq};
use model::live::{Sequenced, Sink};
use model::time::Timestamp;
use platform::clock::Clock;
use platform::object_store::{ObjectStore, StoreError};
use platform::rng::Rng;
use thiserror::Error;

pub use self::erase::DeleteRequest;
use self::erase::Erasing;
use self::keep::Keeping;
pub use self::recent::RecentDocument;
use self::roll::Rolling;
use crate::build::BuildError;
use crate::catalog::{Catalog, CatalogError, Checkpoint, PublishedBatch};
use crate::live::{Limits, Live};
use crate::merge::MergeError;
use crate::read::cache::ReaderCache;
use crate::read::{DeletedRows, Deletion, ReadError, Snapshot, Split};
use crate::settings::Settings;

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
    /// Says what deletions mean.
    pub deleted_rows: Arc<dyn DeletedRows>,
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
    /// What a deletion takes of a split cannot be said.
    #[error("deletion {id}: {reason}")]
    Deletion {
        /// Its number.
        id: u64,
        /// Why.
        reason: String,
    },
    /// Too many deletions are not finished.
    #[error(
        "{waiting} deletions are being carried out already (setting `index.deletions_max`); wait \
         until some are finished"
    )]
    TooManyDeletions {
        /// How many.
        waiting: usize,
    },
    /// What was accepted before a deletion could not be published in time.
    #[error(
        "the newest records could not be published within `index.deletion_wait_ms` = {waited_ms}; \
         nothing was deleted, see the server's log for the reason"
    )]
    NotPublished {
        /// Milliseconds.
        waited_ms: u64,
    },
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
            IndexError::Deletion { .. } => "deletion",
            IndexError::TooManyDeletions { .. } => "too_many_deletions",
            IndexError::NotPublished { .. } => "not_published",
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
    /// The roll that is being published, kept from one try to the next.
    rolling: Mutex<Option<Rolling>>,
    keeping: Mutex<Keeping>,
    erasing: Mutex<Erasing>,
    /// Held while splits are replaced or marked; taken before the two above.
    changing: Mutex<()>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

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
        let erasing = Erasing::new(env.catalog.deletions(&[])?);
        live.change_deletions(erasing.waited_for(), Vec::new());
        let inner = Inner {
            settings,
            env,
            node,
            live,
            cache,
            checkpoint,
            batches,
            rolling: Mutex::default(),
            keeping: Mutex::new(Keeping::new(garbage)),
            erasing: Mutex::new(erasing),
            changing: Mutex::default(),
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

    /// One step of publishing, for callers without [`Index::start`]: builds, stores and publishes
    /// what is due, or tries again what failed. Gives whether something was published.
    ///
    /// # Errors
    /// The step failed; the next one goes on with the same records.
    pub fn publish_once(&self) -> Result<bool, IndexError> {
        self.inner.publish_once()
    }

    /// One merge, if one is due; gives whether there was one.
    ///
    /// # Errors
    /// The merge failed; the splits stay as they are.
    pub fn merge_once(&self) -> Result<bool, IndexError> {
        self.inner.merge_once()
    }

    /// Takes out the splits whose time is over; gives how many.
    ///
    /// # Errors
    /// The catalog fails; they stay.
    pub fn expire_once(&self) -> Result<usize, IndexError> {
        self.inner.expire_once()
    }

    /// Deletes records: no later snapshot has them, and they are erased from the store afterwards.
    /// Records that are accepted meanwhile may be deleted too. Blocks on publishing and reading: not
    /// for the async runtime.
    ///
    /// # Errors
    /// Nothing is deleted, or, when the catalog gave no answer, it is not known yet.
    pub fn delete(&self, request: DeleteRequest) -> Result<Arc<Deletion>, IndexError> {
        self.inner.delete(request)
    }

    /// Calls `visit` with the documents that have an `_id` of their own in splits made since then,
    /// the newest split first, until there are so many (the last split's part may be over it).
    /// Blocks on the object store.
    ///
    /// # Errors
    /// A split cannot be read; those before it were visited.
    pub fn recent_documents(
        &self,
        since: Timestamp,
        documents_max: usize,
        visit: &mut dyn FnMut(RecentDocument),
    ) -> Result<(), IndexError> {
        self.inner.recent_documents(since, documents_max, visit)
    }

    /// A number for [`DeleteRequest::id`].
    pub fn reserve_deletion(&self) -> u64 {
        lock(&self.inner.erasing).reserve()
    }

    /// Deletions that are not finished, and the newest finished ones, by rising number.
    pub fn deletions(&self) -> Vec<Arc<Deletion>> {
        lock(&self.inner.erasing).known.clone()
    }

    /// Writes one split anew that holds deleted records, if there is one; gives whether there was.
    ///
    /// # Errors
    /// The step failed; the records stay hidden.
    pub fn erase_once(&self) -> Result<bool, IndexError> {
        self.inner.erase_once()
    }

    /// Deletes objects that nobody needs; gives how many.
    ///
    /// # Errors
    /// Store or catalog fail; what is left is tried again.
    pub fn collect_garbage_once(&self) -> Result<usize, IndexError> {
        self.inner.collect_garbage_once()
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
        let mut threads = lock(&self.inner.threads);
        threads.extend([publisher, keeper]);
        for _ in 1..self.inner.merge_threads() {
            threads.push(spawn("merge", Inner::merge_loop)?);
        }
        Ok(())
    }

    /// Publishes what is left and ends the threads; blocks. What cannot be published (the store
    /// is down) stays in the log.
    pub fn stop(&self) {
        self.inner.live.stop();
        let mut threads = lock(&self.inner.threads);
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
}

#[cfg(test)]
mod tests;
