//! How do objects lie in memory? A store for tests and for trying things out.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::key::within;
use super::{Body, ObjectInfo, ObjectStore, StoreError, StoreFuture, check_key, check_prefix};

/// Objects in a map, gone with the last clone.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    objects: Arc<Mutex<BTreeMap<String, Bytes>>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(operation: &'static str, key: &str, body: Body) -> Result<Bytes, StoreError> {
    match body {
        Body::Bytes(bytes) => Ok(bytes),
        Body::File(path) => std::fs::read(&path).map(Bytes::from).map_err(|error| {
            StoreError::refused(
                operation,
                key,
                format!("cannot read `{}`: {error}", path.display()),
            )
        }),
    }
}

impl ObjectStore for MemoryStore {
    fn get<'a>(&'a self, key: &'a str, range: Option<Range<u64>>) -> StoreFuture<'a, Bytes> {
        Box::pin(async move {
            check_key("get", key)?;
            let object = self.objects().get(key).cloned();
            let object = object.ok_or_else(|| StoreError::NotFound { key: key.to_owned() })?;
            let range = within(key, range, object.len() as u64)?;
            Ok(object.slice(range.start as usize..range.end as usize))
        })
    }

    fn put<'a>(&'a self, key: &'a str, body: Body) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            check_key("put", key)?;
            let bytes = read("put", key, body)?;
            self.objects().insert(key.to_owned(), bytes);
            Ok(())
        })
    }

    fn put_if_absent<'a>(&'a self, key: &'a str, body: Body) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            check_key("put", key)?;
            let bytes = read("put", key, body)?;
            let mut objects = self.objects();
            if objects.contains_key(key) {
                return Err(StoreError::Exists { key: key.to_owned() });
            }
            objects.insert(key.to_owned(), bytes);
            Ok(())
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> StoreFuture<'a, Vec<ObjectInfo>> {
        Box::pin(async move {
            check_prefix("list", prefix)?;
            let objects = self.objects();
            let found = objects
                .range(prefix.to_owned()..)
                .take_while(|(key, _)| key.starts_with(prefix))
                .map(|(key, o)| ObjectInfo { key: key.clone(), bytes: o.len() as u64 });
            Ok(found.collect())
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            check_key("delete", key)?;
            self.objects().remove(key);
            Ok(())
        })
    }

    fn local_path(&self, _key: &str) -> Option<PathBuf> {
        None
    }

    fn describe(&self) -> String {
        "memory".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object_store::conformance;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn conforms() {
        conformance::check(&MemoryStore::new()).await;
        conformance::check_race(&MemoryStore::new()).await;
    }
}
