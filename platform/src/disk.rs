//! How do bytes reach a disk? Files, syncs, free space, locks and memory maps.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file that only grows at its end, or is cut there.
pub trait DiskFile: Send + fmt::Debug {
    /// Appends all of `bytes`. On an error an unknown part of them may be in the file.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes what was appended durable (`fdatasync`).
    fn sync_data(&mut self) -> io::Result<()>;
    /// Cuts the file to `len` bytes.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

/// A directory tree that holds files.
pub trait Disk: Send + Sync + fmt::Debug {
    /// A new, empty file; an error when it exists.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// An existing file, to be appended to.
    fn open_append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// The whole content.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Names and lengths of the files directly in `dir`, sorted by name.
    fn list(&self, dir: &Path) -> io::Result<Vec<(String, u64)>>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Bytes that can still be written on the file system of `path`.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
}

/// The operating system's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
}

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().append(true).open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<(String, u64)>> {
        let mut out = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            if meta.is_file() {
                out.push((entry.file_name().to_string_lossy().into_owned(), meta.len()));
            }
        }
        out.sort();
        Ok(out)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// Replaces `path` by `bytes`, whole or not at all: a temporary file beside it, synced, renamed,
/// the directory synced.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or_else(|| Path::new("."));
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(&temporary, path)?;
    RealDisk.sync_dir(dir)
}

/// A lock on a directory, held as long as the value lives; gone with the process, however it ends.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
}

impl DirLock {
    /// Takes the lock `dir/lock`.
    ///
    /// # Errors
    /// `WouldBlock` when another process holds it; otherwise what the file system says.
    pub fn take(dir: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join("lock"))?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
        file.set_len(0)?;
        let _ = writeln!(&file, "{}", std::process::id());
        Ok(Self { _file: file })
    }

    /// The process id that the holder wrote into the lock file.
    pub fn holder(dir: &Path) -> Option<u32> {
        fs::read_to_string(dir.join("lock")).ok()?.trim().parse().ok()
    }
}

/// The bytes of an immutable file, mapped into memory; cheap to clone.
#[derive(Clone)]
pub struct Mapped(Arc<memmap2::Mmap>);

impl Mapped {
    /// Maps a file that nobody changes or cuts while it is mapped.
    #[expect(unsafe_code, reason = "mmap; only objects that are never rewritten are mapped")]
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        // SAFETY: the callers map published objects and cache files, which are written under a
        // temporary name, renamed, and from then on only ever unlinked.
        let map = unsafe { memmap2::Mmap::map(&file)? };
        Ok(Self(Arc::new(map)))
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

#[expect(unsafe_code, reason = "lets readers keep slices of the map beside the map itself")]
// SAFETY: the bytes lie in the mapping, which neither moves nor changes while an `Arc` holds it.
unsafe impl stable_deref_trait::StableDeref for Mapped {}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Mapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mapped({} bytes)", self.0.len())
    }
}
