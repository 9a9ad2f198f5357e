//! How often is a store asked, and for how much? Counts requests, bytes, errors and time.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;

use super::{Body, ObjectInfo, ObjectStore, StoreError, StoreFuture};
use crate::clock::seconds_since;
use crate::telemetry::{self, Metric};

/// A store whose every request is counted, here and in [`telemetry`].
#[derive(Debug)]
pub struct Counting {
    inner: Arc<dyn ObjectStore>,
    counts: Arc<Counts>,
}

/// What one [`Counting`] store has counted.
#[derive(Debug, Default)]
pub struct Counts {
    gets: AtomicU64,
    puts: AtomicU64,
    lists: AtomicU64,
    deletes: AtomicU64,
    errors: AtomicU64,
    read_bytes: AtomicU64,
    written_bytes: AtomicU64,
}

/// [`Counts`] at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct CountsNow {
    pub gets: u64,
    pub puts: u64,
    pub lists: u64,
    pub deletes: u64,
    /// Requests that failed, whatever the reason.
    pub errors: u64,
    pub read_bytes: u64,
    pub written_bytes: u64,
}

impl Counts {
    /// The counts at this moment.
    pub fn now(&self) -> CountsNow {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CountsNow {
            gets: of(&self.gets),
            puts: of(&self.puts),
            lists: of(&self.lists),
            deletes: of(&self.deletes),
            errors: of(&self.errors),
            read_bytes: of(&self.read_bytes),
            written_bytes: of(&self.written_bytes),
        }
    }
}

impl Counting {
    /// Counts what goes to `inner`.
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, counts: Arc::default() }
    }

    /// The counters, which stay readable while the store is in use.
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    async fn counted<T>(
        &self,
        operation: &'static str,
        counter: &AtomicU64,
        request: StoreFuture<'_, T>,
    ) -> Result<T, StoreError> {
        let start = Instant::now();
        counter.fetch_add(1, Ordering::Relaxed);
        telemetry::count_by(Metric::StoreRequests, "operation", operation, 1);
        let answer = request.await;
        telemetry::observe(Metric::StoreSeconds, seconds_since(start));
        if answer.is_err() {
            self.counts.errors.fetch_add(1, Ordering::Relaxed);
            telemetry::count_by(Metric::StoreErrors, "operation", operation, 1);
        }
        answer
    }

    async fn write(
        &self,
        bytes: u64,
        operation: &'static str,
        request: StoreFuture<'_, ()>,
    ) -> Result<(), StoreError> {
        self.counted(operation, &self.counts.puts, request).await?;
        self.counts.written_bytes.fetch_add(bytes, Ordering::Relaxed);
        telemetry::count(Metric::StoreWrittenBytes, bytes);
        Ok(())
    }
}

impl Body {
    /// How long it is; 0 for a file that cannot be looked at.
    pub fn bytes(&self) -> u64 {
        match self {
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::File(path) => std::fs::metadata(path).map_or(0, |meta| meta.len()),
        }
    }
}

impl ObjectStore for Counting {
    fn get<'a>(&'a self, key: &'a str, range: Option<Range<u64>>) -> StoreFuture<'a, Bytes> {
        Box::pin(async move {
            let bytes = self.counted("get", &self.counts.gets, self.inner.get(key, range)).await?;
            self.counts.read_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            telemetry::count(Metric::StoreReadBytes, bytes.len() as u64);
            Ok(bytes)
        })
    }

    fn put<'a>(&'a self, key: &'a str, body: Body) -> StoreFuture<'a, ()> {
        Box::pin(async move { self.write(body.bytes(), "put", self.inner.put(key, body)).await })
    }

    fn put_if_absent<'a>(&'a self, key: &'a str, body: Body) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.write(body.bytes(), "put_if_absent", self.inner.put_if_absent(key, body)).await
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> StoreFuture<'a, Vec<ObjectInfo>> {
        Box::pin(self.counted("list", &self.counts.lists, self.inner.list(prefix)))
    }

    fn delete<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(self.counted("delete", &self.counts.deletes, self.inner.delete(key)))
    }

    fn local_path(&self, key: &str) -> Option<PathBuf> {
        self.inner.local_path(key)
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object_store::conformance;
    use crate::object_store::memory::MemoryStore;

    #[tokio::test]
    async fn counts_requests_bytes_and_errors() {
        let store = Counting::new(Arc::new(MemoryStore::new()));
        store.put("a", Body::Bytes("hello".into())).await.unwrap();
        store.put_if_absent("a", Body::Bytes("x".into())).await.unwrap_err();
        store.get("a", Some(1..3)).await.unwrap();
        store.get("b", None).await.unwrap_err();
        store.list("").await.unwrap();
        store.delete("a").await.unwrap();
        let counted = store.counts().now();
        let expected = CountsNow {
            gets: 2,
            puts: 2,
            lists: 1,
            deletes: 1,
            errors: 2,
            read_bytes: 2,
            written_bytes: 5,
        };
        assert_eq!(counted, expected);
        let metrics = telemetry::render("logdrive_object_store");
        assert!(metrics.contains("requests_total{operation=\"put_if_absent\"}"), "{metrics}");
    }

    #[tokio::test]
    async fn conforms() {
        conformance::check(&Counting::new(Arc::new(MemoryStore::new()))).await;
    }
}
