//! What if a store fails for a moment? Tries again, with growing pauses, so often and no more.
//!
//! Only `Transient` errors are tried again, and answers to a range that have another length. The pause before try n is drawn from the upper half of
//! `first · 2ⁿ⁻¹`, capped, so that many clients do not come back at once.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Body, ObjectInfo, ObjectStore, StoreError, StoreFuture};
use crate::rng::{Rng, SystemRng};

/// How often and how fast to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Tries after the first; 0 means no second try.
    pub retries_max: u32,
    /// The first pause.
    pub pause_first: Duration,
    /// No pause is longer.
    pub pause_max: Duration,
}

impl Policy {
    /// The pause before try `retry` (from 1).
    fn pause(&self, retry: u32, rng: &dyn Rng) -> Duration {
        let factor = 1_u32.checked_shl(retry - 1).unwrap_or(u32::MAX);
        let whole = self.pause_first.saturating_mul(factor).min(self.pause_max);
        let half = (whole / 2).as_nanos().min(u128::from(u64::MAX)) as u64;
        whole - Duration::from_nanos(rng.next_u64() % (half + 1))
    }
}

/// A store that forgives moments of weakness.
#[derive(Debug)]
pub struct Retrying {
    inner: Arc<dyn ObjectStore>,
    policy: Policy,
    rng: Arc<dyn Rng>,
}

impl Retrying {
    /// Asks `inner` again as `policy` says.
    pub fn new(inner: Arc<dyn ObjectStore>, policy: Policy) -> Self {
        Self { inner, policy, rng: Arc::new(SystemRng) }
    }

    async fn retried<'a, T>(
        &self,
        mut request: impl FnMut() -> StoreFuture<'a, T>,
    ) -> Result<T, StoreError> {
        let mut retry = 0;
        loop {
            match request().await {
                Err(error) if error.is_transient() && retry < self.policy.retries_max => {
                    retry += 1;
                    let pause = self.policy.pause(retry, &*self.rng);
                    tracing::warn!(%error, retry, ?pause, "object store request is tried again");
                    tokio::time::sleep(pause).await;
                }
                answer => return answer,
            }
        }
    }

    /// Whether the object is what this body would have made of it.
    async fn is_ours(&self, key: &str, body: &Body) -> Result<bool, StoreError> {
        let wanted = match body {
            Body::Bytes(bytes) => bytes.clone(),
            Body::File(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
                let read = read.map_err(std::io::Error::other).and_then(|r| r);
                read.map_err(|e| StoreError::refused("put", key, e.to_string()))?.into()
            }
        };
        Ok(self.get(key, None).await? == wanted)
    }
}

/// A short or long answer to a range is a broken one, whatever the store thinks of it.
fn check_length(key: &str, range: &Range<u64>, came: usize) -> Result<(), StoreError> {
    let wanted = range.end.saturating_sub(range.start);
    if came as u64 == wanted {
        return Ok(());
    }
    let (from, to) = (range.start, range.end);
    let reason = format!("{came} bytes came instead of the {wanted} of {from}..{to}");
    Err(StoreError::transient("get", key, reason))
}

impl ObjectStore for Retrying {
    fn get<'a>(&'a self, key: &'a str, range: Option<Range<u64>>) -> StoreFuture<'a, Bytes> {
        Box::pin(async move {
            self.retried(|| {
                let range = range.clone();
                Box::pin(async {
                    let wanted = range.clone();
                    let bytes = self.inner.get(key, range).await?;
                    wanted.map_or(Ok(()), |range| check_length(key, &range, bytes.len()))?;
                    Ok(bytes)
                })
            })
            .await
        })
    }

    fn put<'a>(&'a self, key: &'a str, body: Body) -> StoreFuture<'a, ()> {
        Box::pin(async move { self.retried(|| self.inner.put(key, body.clone())).await })
    }

    fn put_if_absent<'a>(&'a self, key: &'a str, body: Body) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let mut tries = 0;
            let answer = self
                .retried(|| {
                    tries += 1;
                    self.inner.put_if_absent(key, body.clone())
                })
                .await;
            match answer {
                // An earlier try may have arrived although its answer did not.
                Err(StoreError::Exists { .. }) if tries > 1 && self.is_ours(key, &body).await? => {
                    Ok(())
                }
                answer => answer,
            }
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> StoreFuture<'a, Vec<ObjectInfo>> {
        Box::pin(async move { self.retried(|| self.inner.list(prefix)).await })
    }

    fn delete<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move { self.retried(|| self.inner.delete(key)).await })
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
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::object_store::conformance;
    use crate::object_store::memory::MemoryStore;
    use crate::rng::SeededRng;

    /// Fails the first `fail` requests, after doing them when `lose_answer`.
    #[derive(Debug)]
    struct Flaky {
        inner: MemoryStore,
        fail: AtomicU32,
        lose_answer: bool,
        asked: AtomicU32,
    }

    impl Flaky {
        fn new(fail: u32, lose_answer: bool) -> Arc<Self> {
            let (fail, asked) = (AtomicU32::new(fail), AtomicU32::new(0));
            Arc::new(Self { inner: MemoryStore::new(), fail, lose_answer, asked })
        }

        async fn asked<T>(&self, request: StoreFuture<'_, T>) -> Result<T, StoreError> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let fails = self
                .fail
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
                .is_ok();
            if !fails {
                return request.await;
            }
            if self.lose_answer {
                let _ = request.await;
            }
            Err(StoreError::transient("test", "", "connection reset"))
        }
    }

    impl ObjectStore for Flaky {
        fn get<'a>(&'a self, key: &'a str, range: Option<Range<u64>>) -> StoreFuture<'a, Bytes> {
            Box::pin(self.asked(self.inner.get(key, range)))
        }
        fn put<'a>(&'a self, key: &'a str, body: Body) -> StoreFuture<'a, ()> {
            Box::pin(self.asked(self.inner.put(key, body)))
        }
        fn put_if_absent<'a>(&'a self, key: &'a str, body: Body) -> StoreFuture<'a, ()> {
            Box::pin(self.asked(self.inner.put_if_absent(key, body)))
        }
        fn list<'a>(&'a self, prefix: &'a str) -> StoreFuture<'a, Vec<ObjectInfo>> {
            Box::pin(self.asked(self.inner.list(prefix)))
        }
        fn delete<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
            Box::pin(self.asked(self.inner.delete(key)))
        }
        fn local_path(&self, _key: &str) -> Option<PathBuf> {
            None
        }
        fn describe(&self) -> String {
            "flaky".to_owned()
        }
    }

    fn policy(retries_max: u32) -> Policy {
        let ms = Duration::from_millis;
        Policy { retries_max, pause_first: ms(1), pause_max: ms(4) }
    }

    fn body(text: &'static str) -> Body {
        Body::Bytes(text.into())
    }

    #[tokio::test]
    async fn transient_errors_are_tried_again_so_often_and_no_more() {
        for (failures, retries, succeeds, asked) in
            [(0, 3, true, 1), (3, 3, true, 4), (4, 3, false, 4), (1, 0, false, 1)]
        {
            let flaky = Flaky::new(failures, false);
            let store = Retrying::new(flaky.clone(), policy(retries));
            let answer = store.put("a", body("x")).await;
            assert_eq!(answer.is_ok(), succeeds, "{failures} failures, {retries} retries");
            assert_eq!(flaky.asked.load(Ordering::SeqCst), asked);
        }
        let flaky = Flaky::new(0, false);
        let store = Retrying::new(flaky.clone(), policy(3));
        assert!(matches!(store.get("a", None).await, Err(StoreError::NotFound { .. })));
        assert_eq!(flaky.asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_lost_answer_to_put_if_absent_is_no_conflict() {
        let store = Retrying::new(Flaky::new(1, true), policy(2));
        store.put_if_absent("a", body("ours")).await.unwrap();
        assert!(matches!(
            store.put_if_absent("a", body("ours")).await,
            Err(StoreError::Exists { .. })
        ));
        // Somebody else's object stays a conflict, also after a failed try.
        let flaky = Flaky::new(0, false);
        flaky.put("a", body("theirs")).await.unwrap();
        flaky.fail.store(1, Ordering::SeqCst);
        let store = Retrying::new(flaky, policy(2));
        let conflict = store.put_if_absent("a", body("ours")).await;
        assert!(matches!(conflict, Err(StoreError::Exists { .. })));
    }

    #[test]
    fn pauses_grow_to_the_cap_and_scatter() {
        let ms = Duration::from_millis;
        let policy = Policy { retries_max: 100, pause_first: ms(100), pause_max: ms(1000) };
        let rng = SeededRng::new(1);
        for (retry, most) in [(1, 100), (2, 200), (4, 800), (5, 1000), (90, 1000)] {
            let drawn: Vec<_> = (0..50).map(|_| policy.pause(retry, &rng)).collect();
            assert!(drawn.iter().all(|p| *p >= ms(most / 2) && *p <= ms(most)), "{drawn:?}");
            assert!(drawn.iter().any(|p| *p != drawn[0]));
        }
    }

    #[tokio::test]
    async fn conforms() {
        conformance::check(&Retrying::new(Flaky::new(2, false), policy(3))).await;
    }
}
