//! How does tantivy read its files inside an object? A directory over the sections.
//!
//! Read-only: every writing call is an error. The document store is not in the object; tantivy
//! asks for the file when it opens a segment but reads no more than its footer, so only that is
//! kept ([`bundled_bytes`]).

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tantivy::Directory;
use tantivy::directory::error::{DeleteError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    DirectoryLock, FileHandle, FileSlice, Lock, OwnedBytes, WatchCallback, WatchHandle, WritePtr,
};

/// tantivy's files of one split.
#[derive(Clone, Debug)]
pub struct Bundle {
    files: Arc<HashMap<PathBuf, FileSlice>>,
}

impl Bundle {
    /// A directory of these files.
    pub fn new(files: HashMap<PathBuf, FileSlice>) -> Self {
        Self { files: Arc::new(files) }
    }
}

fn read_only() -> io::Error {
    io::Error::new(io::ErrorKind::ReadOnlyFilesystem, "a split is immutable")
}

impl Directory for Bundle {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        match self.files.get(path) {
            Some(slice) => Ok(Arc::new(slice.clone())),
            None => Err(OpenReadError::FileDoesNotExist(path.to_owned())),
        }
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        Err(DeleteError::IoError { io_error: Arc::new(read_only()), filepath: path.to_owned() })
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        Ok(self.files.contains_key(path))
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        Err(OpenWriteError::wrap_io_error(read_only(), path.to_owned()))
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let slice =
            self.files.get(path).ok_or_else(|| OpenReadError::FileDoesNotExist(path.to_owned()))?;
        let bytes: OwnedBytes =
            slice.read_bytes().map_err(|e| OpenReadError::wrap_io_error(e, path.to_owned()))?;
        Ok(bytes.as_slice().to_vec())
    }

    fn atomic_write(&self, _path: &Path, _data: &[u8]) -> io::Result<()> {
        Err(read_only())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn acquire_lock(
        &self,
        _lock: &Lock,
    ) -> Result<DirectoryLock, tantivy::directory::error::LockError> {
        Ok(DirectoryLock::from(Box::new(())))
    }

    fn watch(&self, _watch_callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        Ok(WatchHandle::empty())
    }
}

/// What of a file of tantivy's goes into the object: of the document store only tantivy's footer
/// (JSON, its length u32, a magic number u32).
pub fn bundled_bytes<'a>(path: &Path, bytes: &'a [u8]) -> &'a [u8] {
    if path.extension().is_none_or(|e| e != "store") {
        return bytes;
    }
    let Some(tail) = bytes.len().checked_sub(8).map(|at| &bytes[at..]) else { return bytes };
    let footer = u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]) as usize + 8;
    &bytes[bytes.len().saturating_sub(footer)..]
}
