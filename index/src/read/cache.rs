//! Where does a reader get a split's object? Mapped from the local store, or from a local copy.
//!
//! A remote object is fetched whole, once, into the cache directory; the least recently used
//! copies go when the directory is over its budget. Open readers are kept up to a number.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::id::{NodeId, SplitId};
use platform::disk::Mapped;
use platform::object_store::{ObjectStore, StoreError};

use super::chunks::ChunkCache;
use super::object::MappedObject;
use super::{ReadError, SplitMeta, SplitReader};
use crate::split::object_key;

/// A published split.
#[derive(Debug)]
pub struct Split {
    meta: SplitMeta,
    cache: Arc<ReaderCache>,
    /// Held while the split is being opened, so that it is fetched once.
    opening: Mutex<()>,
}

impl Split {
    /// A split of the catalog, read through `cache`.
    pub fn new(meta: SplitMeta, cache: Arc<ReaderCache>) -> Self {
        Self { meta, cache, opening: Mutex::new(()) }
    }

    /// What the catalog knows.
    pub fn meta(&self) -> &SplitMeta {
        &self.meta
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
        let object = self.cache.object(&self.meta.id)?;
        let id = self.meta.id.clone();
        let object = Arc::new(MappedObject::new(id.clone(), object));
        let reader = SplitReader::open(id, self.cache.node, object, self.cache.chunks.clone())?;
        let reader = Arc::new(reader);
        self.cache.keep(&self.meta.id, reader.clone());
        Ok(reader)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Open readers and local copies.
#[derive(Debug)]
pub struct ReaderCache {
    store: Arc<dyn ObjectStore>,
    runtime: tokio::runtime::Handle,
    node: NodeId,
    dir: PathBuf,
    bytes_max: u64,
    open_max: usize,
    /// What is decoded.
    chunks: Arc<ChunkCache>,
    /// Most recently used last.
    open: Mutex<VecDeque<(SplitId, Arc<SplitReader>)>>,
    /// Local copies with their lengths, most recently used last.
    copies: Mutex<VecDeque<(SplitId, u64)>>,
}

impl ReaderCache {
    /// A cache in `dir`, which exists; copies that lie there already are used.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn new(
        store: Arc<dyn ObjectStore>,
        runtime: tokio::runtime::Handle,
        node: NodeId,
        dir: &Path,
        limits: (u64, usize, u64),
    ) -> std::io::Result<Self> {
        let mut copies = VecDeque::new();
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            match name.strip_suffix(".split") {
                Some(id) => copies.push_back((SplitId::new(id), entry.metadata()?.len())),
                // What a crash left of an unfinished copy.
                None => std::fs::remove_file(entry.path())?,
            }
        }
        Ok(Self {
            store,
            runtime,
            node,
            dir: dir.to_owned(),
            bytes_max: limits.0,
            open_max: limits.1,
            chunks: Arc::new(ChunkCache::new(limits.2)),
            open: Mutex::default(),
            copies: Mutex::new(copies),
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

    fn object(&self, id: &SplitId) -> Result<Mapped, ReadError> {
        let failed = |source: StoreError| ReadError::Store { split: id.clone(), source };
        let key = object_key(id);
        let io = |e: std::io::Error| {
            failed(StoreError::Transient {
                operation: "get",
                key: key.clone(),
                reason: e.to_string(),
            })
        };
        if let Some(path) = self.store.local_path(&key) {
            return Mapped::open(&path).map_err(|e| match e.kind() {
                std::io::ErrorKind::NotFound => failed(StoreError::NotFound { key: key.clone() }),
                _ => io(e),
            });
        }
        let path = self.copy_path(id);
        if !path.exists() {
            let bytes = self.runtime.block_on(self.store.get(&key, None)).map_err(failed)?;
            let temporary = path.with_extension("part");
            std::fs::write(&temporary, &bytes).map_err(io)?;
            std::fs::rename(&temporary, &path).map_err(io)?;
        }
        let object = Mapped::open(&path).map_err(io)?;
        self.note_copy(id, object.len() as u64);
        Ok(object)
    }

    fn copy_path(&self, id: &SplitId) -> PathBuf {
        self.dir.join(format!("{id}.split"))
    }

    /// Takes over a file that was just built, if the store is remote; otherwise removes it.
    pub fn adopt(&self, id: &SplitId, built: &Path) -> std::io::Result<()> {
        if self.store.local_path(&object_key(id)).is_some() {
            return std::fs::remove_file(built);
        }
        let bytes = std::fs::metadata(built)?.len();
        std::fs::rename(built, self.copy_path(id))?;
        self.note_copy(id, bytes);
        Ok(())
    }

    /// Notes the use of a copy, and drops the oldest ones over the budget.
    fn note_copy(&self, id: &SplitId, bytes: u64) {
        let mut copies = lock(&self.copies);
        copies.retain(|(other, _)| other != id);
        copies.push_back((id.clone(), bytes));
        let mut total: u64 = copies.iter().map(|(_, bytes)| bytes).sum();
        while total > self.bytes_max && copies.len() > 1 {
            if let Some((oldest, bytes)) = copies.pop_front() {
                // A map that is still open keeps its bytes until it is closed.
                let _ = std::fs::remove_file(self.copy_path(&oldest));
                total -= bytes;
            }
        }
    }

    /// Forgets a split that is gone.
    pub fn forget(&self, id: &SplitId) {
        lock(&self.open).retain(|(other, _)| other != id);
        lock(&self.copies).retain(|(other, _)| other != id);
        let _ = std::fs::remove_file(self.copy_path(id));
    }
}
