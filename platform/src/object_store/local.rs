//! How do objects lie in a directory? One file an object, whole or not at all.
//!
//! On disk: `root/<key>`, and `root/.tmp/` with what is being written. A write goes to a new file
//! in `.tmp`, is synced, gets its name (by rename, or by a hard link where none may be replaced),
//! and the directory is synced: after a crash an object is there whole or not there. What a crash
//! leaves in `.tmp` is removed by the next process that opens the store alone.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::key::within;
use super::{Body, ObjectInfo, ObjectStore, StoreError, StoreFuture, check_key, check_prefix};
use crate::disk::{DirLock, Disk, RealDisk};

const TEMPORARY: &str = ".tmp";

/// Objects in a directory of their own.
#[derive(Clone, Debug)]
pub struct LocalStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    next_temporary: AtomicU64,
    /// Held by the first that opens the directory: while it is, nobody clears `.tmp`.
    _lock: Option<DirLock>,
}

impl LocalStore {
    /// Opens the store in `root`, which is made when it is missing.
    ///
    /// # Errors
    /// `Refused` when the directory cannot be made or written to.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let refused = |error: io::Error| {
            let reason = format!("{error}; check that the directory can be written to");
            StoreError::refused("open", root.display().to_string(), reason)
        };
        let temporary = root.join(TEMPORARY);
        fs::create_dir_all(&temporary).map_err(refused)?;
        let root = root.canonicalize().map_err(refused)?;
        let lock = match DirLock::take(&temporary) {
            Ok(lock) => Some(lock),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => return Err(refused(error)),
        };
        if lock.is_some() {
            clear(&temporary).map_err(refused)?;
        }
        let inner = Inner { root, next_temporary: AtomicU64::new(0), _lock: lock };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Runs blocking file work away from the async runtime's own threads.
    async fn blocking<T: Send + 'static>(
        &self,
        operation: &'static str,
        key: &str,
        work: impl FnOnce(&Inner, &str) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (inner, name) = (Arc::clone(&self.inner), key.to_owned());
        let done = tokio::task::spawn_blocking(move || work(&inner, &name)).await;
        match done {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(Failure::Store(error))) => Err(error),
            Ok(Err(Failure::Io(error))) => Err(explain(operation, key, &error)),
            Err(stopped) => Err(StoreError::transient(operation, key, stopped.to_string())),
        }
    }
}

enum Failure {
    Io(io::Error),
    Store(StoreError),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Io(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Failure::Store(error)
    }
}

fn explain(operation: &'static str, key: &str, error: &io::Error) -> StoreError {
    let remedy = match error.kind() {
        ErrorKind::NotFound => return StoreError::NotFound { key: key.to_owned() },
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room on the file system",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "check who owns the directory and how it is mounted"
        }
        ErrorKind::NotADirectory | ErrorKind::IsADirectory => {
            "an object cannot lie below another object in a directory"
        }
        ErrorKind::InvalidFilename => "the file system does not take so long a name",
        _ => return StoreError::transient(operation, key, error.to_string()),
    };
    StoreError::refused(operation, key, format!("{error}; {remedy}"))
}

/// Removes what an earlier process left half written.
fn clear(temporary: &Path) -> io::Result<()> {
    for entry in fs::read_dir(temporary)? {
        let entry = entry?;
        if entry.file_name() != "lock" {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

impl Inner {
    fn path(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    fn read(&self, key: &str, range: Option<Range<u64>>) -> Result<Bytes, Failure> {
        let file = File::open(self.path(key))?;
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(StoreError::NotFound { key: key.to_owned() }.into());
        }
        let range = within(key, range, meta.len())?;
        let mut bytes = vec![0; (range.end - range.start) as usize];
        file.read_exact_at(&mut bytes, range.start)?;
        Ok(Bytes::from(bytes))
    }

    /// A complete, synced file in `.tmp`.
    fn stage(&self, body: &Body) -> io::Result<PathBuf> {
        let n = self.next_temporary.fetch_add(1, Ordering::Relaxed);
        let path = self.root.join(TEMPORARY).join(format!("{}-{n}", std::process::id()));
        let staged = match body {
            Body::Bytes(bytes) => File::create_new(&path).and_then(|mut file| {
                file.write_all(bytes)?;
                file.sync_all()
            }),
            Body::File(source) => {
                // A second name for the finished file where the file system allows it, else a copy.
                let linked = fs::hard_link(source, &path);
                let staged = linked.or_else(|_| fs::copy(source, &path).map(drop));
                staged.and_then(|()| File::open(&path)?.sync_all())
            }
        };
        match staged {
            Ok(()) => Ok(path),
            Err(error) => {
                let _ = fs::remove_file(&path);
                // A missing source must not look like a missing object.
                Err(match (body, error.kind()) {
                    (Body::File(source), ErrorKind::NotFound) => {
                        io::Error::other(format!("cannot read `{}`: {error}", source.display()))
                    }
                    _ => error,
                })
            }
        }
    }

    fn write(&self, key: &str, body: &Body, replace: Replace) -> Result<(), Failure> {
        let staged = self.stage(body)?;
        let path = self.path(key);
        let dir = path.parent().unwrap_or(&self.root);
        let named = self.make_dirs(dir).and_then(|()| match replace {
            Replace::Yes => fs::rename(&staged, &path),
            Replace::No => fs::hard_link(&staged, &path),
        });
        // Also after a rename: it does nothing when both names are of one file.
        let _ = fs::remove_file(&staged);
        match named {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                Err(StoreError::Exists { key: key.to_owned() }.into())
            }
            Err(error) => Err(error.into()),
            Ok(()) => Ok(RealDisk.sync_dir(dir)?),
        }
    }

    /// Makes `dir` below the root, durably.
    fn make_dirs(&self, dir: &Path) -> io::Result<()> {
        if dir.is_dir() || dir == self.root {
            return Ok(());
        }
        let parent = dir.parent().unwrap_or(&self.root);
        self.make_dirs(parent)?;
        match fs::create_dir(dir) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                Err(ErrorKind::NotADirectory.into())
            }
            Err(error) => Err(error),
            Ok(()) => RealDisk.sync_dir(parent),
        }
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<ObjectInfo>> {
        let dir = prefix.rsplit_once('/').map_or("", |(dir, _)| dir);
        let mut found = Vec::new();
        let mut todo = vec![dir.to_owned()];
        while let Some(dir) = todo.pop() {
            let entries = match fs::read_dir(self.root.join(&dir)) {
                Ok(entries) => entries,
                Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                    continue;
                }
                Err(error) => return Err(error),
            };
            for entry in entries {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let key = if dir.is_empty() { name } else { format!("{dir}/{name}") };
                if check_key("list", &key).is_err() {
                    continue;
                }
                match entry.metadata() {
                    Ok(meta) if meta.is_dir() => todo.push(key),
                    Ok(meta) if key.starts_with(prefix) => {
                        found.push(ObjectInfo { key, bytes: meta.len() });
                    }
                    Ok(_) => {}
                    // Deleted since the directory was read.
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }

    fn delete(&self, key: &str) -> Result<(), Failure> {
        let path = self.path(key);
        match fs::remove_file(&path) {
            Ok(()) => Ok(RealDisk.sync_dir(path.parent().unwrap_or(&self.root))?),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
                    || path.is_dir() =>
            {
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

#[derive(Clone, Copy)]
enum Replace {
    Yes,
    No,
}

impl ObjectStore for LocalStore {
    fn get<'a>(&'a self, key: &'a str, range: Option<Range<u64>>) -> StoreFuture<'a, Bytes> {
        Box::pin(async move {
            check_key("get", key)?;
            self.blocking("get", key, move |inner, key| inner.read(key, range)).await
        })
    }

    fn put<'a>(&'a self, key: &'a str, body: Body) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            check_key("put", key)?;
            self.blocking("put", key, move |inner, key| inner.write(key, &body, Replace::Yes)).await
        })
    }

    fn put_if_absent<'a>(&'a self, key: &'a str, body: Body) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            check_key("put", key)?;
            self.blocking("put", key, move |inner, key| inner.write(key, &body, Replace::No)).await
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> StoreFuture<'a, Vec<ObjectInfo>> {
        Box::pin(async move {
            check_prefix("list", prefix)?;
            self.blocking("list", prefix, |inner, prefix| Ok(inner.list(prefix)?)).await
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            check_key("delete", key)?;
            self.blocking("delete", key, Inner::delete).await
        })
    }

    fn local_path(&self, key: &str) -> Option<PathBuf> {
        check_key("get", key).ok()?;
        Some(self.inner.path(key))
    }

    fn describe(&self) -> String {
        self.inner.root.display().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object_store::conformance;

    fn store() -> (tempfile::TempDir, LocalStore) {
        let dir = tempfile::tempdir().unwrap();
        let store = LocalStore::open(&dir.path().join("objects")).unwrap();
        (dir, store)
    }

    fn left_over(store: &LocalStore) -> Vec<String> {
        let dir = store.inner.root.join(TEMPORARY);
        let names = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name());
        names.map(|n| n.to_string_lossy().into_owned()).filter(|n| n != "lock").collect()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn conforms() {
        let (_dir, store) = store();
        conformance::check(&store).await;
        conformance::check_race(&store).await;
        assert_eq!(left_over(&store), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_crash_leaves_nothing_behind() {
        let (dir, store) = store();
        let torn = store.inner.root.join(TEMPORARY).join("1-1");
        fs::write(&torn, "half").unwrap();
        let second = LocalStore::open(&dir.path().join("objects")).unwrap();
        assert!(torn.exists(), "a second opener must not clear the first one's work");
        assert_eq!(second.list("").await.unwrap(), vec![]);
        drop((store, second));
        LocalStore::open(&dir.path().join("objects")).unwrap();
        assert!(!torn.exists());
    }

    #[tokio::test]
    async fn the_same_file_twice_is_one_object() {
        let (dir, store) = store();
        let source = dir.path().join("source");
        fs::write(&source, "abc").unwrap();
        for _ in 0..2 {
            store.put("a/b", Body::File(source.clone())).await.unwrap();
        }
        assert_eq!(left_over(&store), Vec::<String>::new());
        fs::remove_file(&source).unwrap();
        assert_eq!(store.get("a/b", None).await.unwrap(), "abc");
        assert_eq!(fs::read(store.local_path("a/b").unwrap()).unwrap(), b"abc");
    }

    #[tokio::test]
    async fn errors_say_what_to_do() {
        let (dir, store) = store();
        store.put("a", Body::Bytes("x".into())).await.unwrap();
        let below = store.put("a/b", Body::Bytes("x".into())).await.unwrap_err();
        assert!(below.to_string().contains("below another object"), "{below}");
        let missing = store.put("c", Body::File(dir.path().join("none"))).await.unwrap_err();
        assert!(missing.to_string().contains("none`"), "{missing}");
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let open = LocalStore::open(&file).unwrap_err();
        assert!(open.to_string().contains("can be written to"), "{open}");
    }
}
