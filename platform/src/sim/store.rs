//! How does an object store fail? Before or after the effect, with what real ones say; for a
//! whole while, when it is down.
//!
//! What it keeps survives a power cut: it is another machine's.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::{Fate, World};
use crate::object_store::memory::MemoryStore;
use crate::object_store::{Body, ObjectInfo, ObjectStore, StoreError, StoreFuture};

/// What failing stores say.
const REASONS: [&str; 5] = [
    "503 SlowDown: reduce your request rate",
    "connection reset by peer",
    "no answer within 30 s",
    "500 InternalError",
    "the credentials have expired",
];

/// A store in memory that fails as the world says.
#[derive(Debug)]
pub struct SimStore {
    world: World,
    inner: MemoryStore,
    down: AtomicBool,
    reads: Mutex<HashMap<String, u64>>,
}

impl SimStore {
    /// An empty store.
    pub fn new(world: World) -> Self {
        let (inner, reads) = (MemoryStore::new(), Mutex::default());
        Self { world, inner, down: AtomicBool::new(false), reads }
    }

    /// Whether every operation fails; gives what it was.
    pub fn set_down(&self, down: bool) -> bool {
        self.down.swap(down, Ordering::SeqCst)
    }

    /// What it holds, past all faults.
    pub fn objects(&self) -> &MemoryStore {
        &self.inner
    }

    fn fate(&self, operation: &str, key: &str) -> Fate {
        match self.world.fate(operation, key) {
            Fate::Works | Fate::FailsAfter if self.is_down() => Fate::FailsBefore,
            fate => fate,
        }
    }

    fn is_down(&self) -> bool {
        self.down.load(Ordering::SeqCst)
    }

    fn failed(&self, operation: &'static str, key: &str) -> StoreError {
        let reason = REASONS[self.world.operations() as usize % REASONS.len()].to_owned();
        let key = key.to_owned();
        match reason.starts_with("the cred") {
            true => StoreError::Refused { operation, key, reason },
            false => StoreError::Transient { operation, key, reason },
        }
    }

    /// Gives the operation its fate.
    fn change<'a>(
        &'a self,
        operation: &'static str,
        key: &'a str,
        effect: StoreFuture<'a, ()>,
    ) -> StoreFuture<'a, ()> {
        let fate = self.fate(operation, key);
        Box::pin(async move {
            match fate {
                Fate::Works => effect.await,
                Fate::FailsAfter => {
                    effect.await?;
                    Err(self.failed(operation, key))
                }
                Fate::FailsBefore | Fate::PowerOff => Err(self.failed(operation, key)),
            }
        })
    }
}

impl ObjectStore for SimStore {
    fn get<'a>(&'a self, key: &'a str, range: Option<Range<u64>>) -> StoreFuture<'a, Bytes> {
        let count = {
            let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
            let count = reads.entry(format!("{key} {range:?}")).or_insert(0);
            *count += 1;
            *count
        };
        let fate = self.world.reading_fate(&format!("get {key} {range:?}"), count);
        let missing = fate == Fate::FailsBefore && count.is_multiple_of(3);
        if fate == Fate::Works && !self.is_down() {
            return self.inner.get(key, range);
        }
        Box::pin(async move {
            match missing {
                true => Err(StoreError::NotFound { key: key.to_owned() }),
                false => Err(self.failed("get", key)),
            }
        })
    }

    fn put<'a>(&'a self, key: &'a str, body: Body) -> StoreFuture<'a, ()> {
        let effect = self.inner.put(key, body);
        self.change("put", key, effect)
    }

    fn put_if_absent<'a>(&'a self, key: &'a str, body: Body) -> StoreFuture<'a, ()> {
        let effect = self.inner.put_if_absent(key, body);
        self.change("put", key, effect)
    }

    fn list<'a>(&'a self, prefix: &'a str) -> StoreFuture<'a, Vec<ObjectInfo>> {
        if self.fate("list", prefix) == Fate::Works {
            return self.inner.list(prefix);
        }
        Box::pin(async move { Err(self.failed("list", prefix)) })
    }

    fn delete<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        let effect = self.inner.delete(key);
        self.change("delete", key, effect)
    }

    fn local_path(&self, _key: &str) -> Option<PathBuf> {
        None
    }

    fn describe(&self) -> String {
        "simulated".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "conformance")]
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn conforms_while_nothing_fails() {
        crate::object_store::conformance::check(&SimStore::new(World::new(1))).await;
    }

    #[test]
    fn a_failure_after_the_effect_has_its_effect_and_one_before_has_not() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let world = World::new(7);
        let store = SimStore::new(world.clone());
        world.set_faults(1000);
        let (mut with, mut without) = (0, 0);
        for n in 0..100 {
            let key = format!("k/{n}");
            let body = Body::Bytes(Bytes::from_static(b"x"));
            runtime.block_on(store.put(&key, body)).unwrap_err();
            match runtime.block_on(store.objects().get(&key, None)) {
                Ok(_) => with += 1,
                Err(_) => without += 1,
            }
        }
        assert!(with > 20 && without > 20, "{with} {without}");
    }
}
