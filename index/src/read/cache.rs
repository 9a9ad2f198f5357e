//! Which splits are open, and where does a reader get an object? Mapped from the local store, or by
//! ranges from a remote one.
//!
//! Open readers are kept up to a number, the least recently used go first. What is kept of remote
//! objects, and how it is fetched, is in [`super::remote`].

use std::collections::{HashSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use model::id::{NodeId, SplitId};
use platform::disk::Mapped;
use platform::object_store::{ObjectStore, StoreError};

use super::chunks::ChunkCache;
use super::remote::Remote;
use super::{MappedObject, ObjectBytes, ReadError, RowSet, SplitMeta, SplitReader};
use crate::settings::Settings;
use crate::split::object_key;

/// A published split.
#[derive(Debug)]
pub struct Split {
    meta: SplitMeta,
    cache: Arc<ReaderCache>,
    /// Held while the split is being opened, so that it is fetched once.
    opening: Mutex<()>,
    /// The rows that no deletion takes, once somebody has looked.
    kept: OnceLock<Arc<RowSet>>,
}

impl Split {
    /// A split of the catalog, read through `cache`.
    pub fn new(meta: SplitMeta, cache: Arc<ReaderCache>) -> Self {
        Self { meta, cache, opening: Mutex::new(()), kept: OnceLock::new() }
    }

    /// What the catalog knows.
    pub fn meta(&self) -> &SplitMeta {
        &self.meta
    }

    /// The same split while it waits for these deletions.
    pub(crate) fn waiting_for(&self, deletions: Vec<u64>) -> Self {
        Self::new(SplitMeta { deletions, ..self.meta.clone() }, self.cache.clone())
    }

    /// The rows that no deletion takes, or `None` where that is all; found once by `find`.
    ///
    /// # Errors
    /// What `find` says.
    pub fn kept_rows<E>(
        &self,
        find: impl FnOnce() -> Result<RowSet, E>,
    ) -> Result<Option<Arc<RowSet>>, E> {
        if self.meta.deletions.is_empty() {
            return Ok(None);
        }
        if let Some(kept) = self.kept.get() {
            return Ok(Some(kept.clone()));
        }
        let kept = Arc::new(find()?);
        Ok(Some(self.kept.get_or_init(|| kept).clone()))
    }

    /// Opens it for reading, or gives the open reader; blocks on the object store. Not for the
    /// async runtime.
    ///
    /// # Errors
    /// The object cannot be had, or is damaged.
    pub fn open(&self) -> Result<Arc<SplitReader>, ReadError> {
        if let Some(reader) = self.cache.open_reader(&self.meta.id) {
            return Ok(reader);
        }
        let _opening = lock(&self.opening);
        if let Some(reader) = self.cache.open_reader(&self.meta.id) {
            return Ok(reader);
        }
        let reader = match self.open_new() {
            // Cached bytes may be wrong where the object is not: once more from the store.
            Err(ReadError::Damaged { reason, .. }) if !self.cache.is_local(&self.meta.id) => {
                tracing::warn!(split = %self.meta.id, reason, "read anew");
                self.cache.forget(&self.meta.id);
                self.open_new()?
            }
            opened => opened?,
        };
        self.cache.keep(&self.meta.id, reader.clone());
        Ok(reader)
    }

    fn open_new(&self) -> Result<Arc<SplitReader>, ReadError> {
        self.open_with(self.cache.chunks.clone())
    }

    /// Opens it apart from all other readers, with decoded parts of its own: what a merge reads
    /// once must not push out what searches read often.
    ///
    /// # Errors
    /// The object cannot be had, or is damaged.
    pub fn open_with(&self, chunks: Arc<ChunkCache>) -> Result<Arc<SplitReader>, ReadError> {
        let object = self.cache.object(&self.meta)?;
        let reader = SplitReader::open(self.meta.id.clone(), self.cache.node, object, chunks)?;
        Ok(Arc::new(reader))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Open readers, and the objects behind them.
#[derive(Debug)]
pub struct ReaderCache {
    remote: Arc<Remote>,
    node: NodeId,
    open_max: usize,
    /// What is decoded of the open splits.
    chunks: Arc<ChunkCache>,
    /// Most recently used last.
    open: Mutex<VecDeque<(SplitId, Arc<SplitReader>)>>,
}

impl ReaderCache {
    /// A cache with files in `dir`, which exists and belongs to it: what lies there already is
    /// used, and what cannot be trusted is removed. `runtime` must be driven by its own threads.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn new(
        store: Arc<dyn ObjectStore>,
        runtime: tokio::runtime::Handle,
        node: NodeId,
        dir: &Path,
        settings: &Settings,
    ) -> std::io::Result<Self> {
        let remote = Remote::open(store, runtime, dir, settings)?;
        Ok(Self {
            remote,
            node,
            open_max: settings.open_splits_max,
            chunks: Arc::new(ChunkCache::new(settings.column_cache_bytes_max).shown()),
            open: Mutex::default(),
        })
    }

    fn open_reader(&self, id: &SplitId) -> Option<Arc<SplitReader>> {
        let mut open = lock(&self.open);
        let at = open.iter().rposition(|(other, _)| other == id)?;
        let entry = open.remove(at)?;
        let reader = entry.1.clone();
        open.push_back(entry);
        Some(reader)
    }

    fn keep(&self, id: &SplitId, reader: Arc<SplitReader>) {
        let mut open = lock(&self.open);
        open.push_back((id.clone(), reader));
        while open.len() > self.open_max {
            open.pop_front();
        }
    }

    fn is_local(&self, id: &SplitId) -> bool {
        self.remote.store().local_path(&object_key(id)).is_some()
    }

    /// The object of a split; blocks on the object store for its tail. Not for the async runtime.
    ///
    /// # Errors
    /// The object, or its tail, cannot be had.
    pub fn object(&self, meta: &SplitMeta) -> Result<Arc<dyn ObjectBytes>, ReadError> {
        match self.local(meta)? {
            Some(mapped) => Ok(Arc::new(MappedObject::new(meta.id.clone(), mapped))),
            None => Ok(Arc::new(self.remote.object(meta)?)),
        }
    }

    /// The object's file, if the store is local.
    fn local(&self, meta: &SplitMeta) -> Result<Option<Mapped>, ReadError> {
        let key = object_key(&meta.id);
        let Some(path) = self.remote.store().local_path(&key) else { return Ok(None) };
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => StoreError::NotFound { key: key.clone() },
            _ => StoreError::Transient {
                operation: "get",
                key: key.clone(),
                reason: error.to_string(),
            },
        };
        let mapped = Mapped::open(&path).map_err(failed);
        match mapped {
            Ok(mapped) => Ok(Some(mapped)),
            Err(source) => Err(ReadError::Store { split: meta.id.clone(), source }),
        }
    }

    /// Takes over a file that was just built, if the store is remote; otherwise removes it.
    ///
    /// # Errors
    /// The file system's.
    pub fn adopt(&self, meta: &SplitMeta, built: &Path) -> std::io::Result<()> {
        if self.is_local(&meta.id) {
            return std::fs::remove_file(built);
        }
        self.remote.adopt(meta, built)
    }

    /// Forgets a split that is gone, or whose cached bytes turned out wrong: it is read from the
    /// store again. Readers that are in use keep what they hold.
    pub fn forget(&self, id: &SplitId) {
        lock(&self.open).retain(|(other, _)| other != id);
        self.remote.discard(id);
    }

    /// Forgets all splits but the known ones.
    pub fn retain(&self, known: &HashSet<SplitId>) {
        lock(&self.open).retain(|(id, _)| known.contains(id));
        self.remote.retain(&|id| known.contains(id));
    }
}
