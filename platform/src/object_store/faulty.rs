//! What if a store fails, and how? Injects scripted faults, call by call, for tests.
//!
//! A fault comes as the S3 store reports it after its own checks and time limits, except `Stall`,
//! `ShortBody` and `WrongRange`, which are what a store without such checks would let through.

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::watch;

use super::{Body, ObjectInfo, ObjectStore, StoreError, StoreFuture};

/// What is asked of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Number of the call, from 0, over all operations.
    pub number: u64,
    /// `get`, `put`, `put_if_absent`, `list` or `delete`.
    pub operation: &'static str,
    /// The key, or the prefix of a listing.
    pub key: String,
    /// The range of a `get`.
    pub range: Option<Range<u64>>,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: the call is done.
    None,
    /// 503: the server asks for fewer requests.
    SlowDown,
    /// 429: the same from a gateway.
    Throttled,
    /// The connection breaks before the call is done.
    Reset,
    /// The call is done, but its answer is lost with the connection.
    LostAnswer,
    /// No answer until [`Faulty::release`]; then the call is done.
    Stall,
    /// The first half of the bytes comes; for anything but a `get` the same as `Reset`.
    ShortBody,
    /// As many bytes come, from one place further; for anything but a `get` the same as `Reset`.
    WrongRange,
    /// 400: the credentials are no longer good.
    ExpiredCredentials,
    /// 403: the credentials may not do this.
    Forbidden,
    /// 404: no such object.
    Missing,
}

type Script = dyn Fn(&Call) -> Fault + Send + Sync;

/// A store that fails by a script.
pub struct Faulty {
    inner: Arc<dyn ObjectStore>,
    script: Box<Script>,
    calls: AtomicU64,
    /// How often [`Faulty::release`] was called.
    released: watch::Sender<u64>,
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faulty({:?}, {} calls)", self.inner, self.calls())
    }
}

impl Faulty {
    /// Asks `script` before every call to `inner`.
    pub fn new(
        inner: Arc<dyn ObjectStore>,
        script: impl Fn(&Call) -> Fault + Send + Sync + 'static,
    ) -> Self {
        let (script, released) = (Box::new(script), watch::Sender::new(0));
        Self { inner, script, calls: AtomicU64::new(0), released }
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Lets all calls go on that stall now.
    pub fn release(&self) {
        self.released.send_modify(|n| *n += 1);
    }

    fn fault(&self, operation: &'static str, key: &str, range: Option<&Range<u64>>) -> Fault {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        (self.script)(&Call { number, operation, key: key.to_owned(), range: range.cloned() })
    }

    /// The call with its fault, for faults that do not change the answer's bytes.
    async fn with<T>(
        &self,
        fault: Fault,
        (operation, key): (&'static str, &str),
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let transient = |reason: &str| Err(StoreError::transient(operation, key, reason));
        let refused = |reason: &str| Err(StoreError::refused(operation, key, reason));
        match fault {
            Fault::None => call.await,
            Fault::SlowDown => transient("status 503, SlowDown: please reduce your request rate"),
            Fault::Throttled => transient("status 429, TooManyRequests: slow down"),
            Fault::Reset | Fault::ShortBody | Fault::WrongRange => {
                transient("connection reset by peer")
            }
            Fault::LostAnswer => {
                let _ = call.await;
                transient("connection reset by peer")
            }
            Fault::Stall => {
                let mut released = self.released.subscribe();
                released.mark_unchanged();
                // Fails only when the store is gone, and the call with it.
                let _ = released.changed().await;
                call.await
            }
            Fault::ExpiredCredentials => {
                refused("status 400, ExpiredToken: the provided token has expired")
            }
            Fault::Forbidden => refused("status 403, AccessDenied: access denied"),
            Fault::Missing => Err(StoreError::NotFound { key: key.to_owned() }),
        }
    }

    /// As many bytes as `range` has, from somewhere else.
    async fn elsewhere(&self, key: &str, range: Option<Range<u64>>) -> Result<Bytes, StoreError> {
        let whole = self.inner.get(key, None).await?;
        let range = range.unwrap_or(0..whole.len() as u64);
        let length = (range.end - range.start) as usize;
        let further = range.start as usize + 1;
        let turned = whole.iter().cycle().skip(further).take(length).copied();
        Ok(turned.collect::<Vec<u8>>().into())
    }
}

impl ObjectStore for Faulty {
    fn get<'a>(&'a self, key: &'a str, range: Option<Range<u64>>) -> StoreFuture<'a, Bytes> {
        let fault = self.fault("get", key, range.as_ref());
        match fault {
            Fault::ShortBody => Box::pin(async move {
                let bytes = self.inner.get(key, range).await?;
                Ok(bytes.slice(..bytes.len() / 2))
            }),
            Fault::WrongRange => Box::pin(self.elsewhere(key, range)),
            _ => Box::pin(self.with(fault, ("get", key), self.inner.get(key, range))),
        }
    }

    fn put<'a>(&'a self, key: &'a str, body: Body) -> StoreFuture<'a, ()> {
        let fault = self.fault("put", key, None);
        Box::pin(self.with(fault, ("put", key), self.inner.put(key, body)))
    }

    fn put_if_absent<'a>(&'a self, key: &'a str, body: Body) -> StoreFuture<'a, ()> {
        let fault = self.fault("put_if_absent", key, None);
        let call = self.inner.put_if_absent(key, body);
        Box::pin(self.with(fault, ("put_if_absent", key), call))
    }

    fn list<'a>(&'a self, prefix: &'a str) -> StoreFuture<'a, Vec<ObjectInfo>> {
        let fault = self.fault("list", prefix, None);
        Box::pin(self.with(fault, ("list", prefix), self.inner.list(prefix)))
    }

    fn delete<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        let fault = self.fault("delete", key, None);
        Box::pin(self.with(fault, ("delete", key), self.inner.delete(key)))
    }

    fn local_path(&self, _key: &str) -> Option<PathBuf> {
        // A file would be read past the faults.
        None
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::object_store::conformance;
    use crate::object_store::memory::MemoryStore;
    use crate::object_store::retrying::{Policy, Retrying};

    /// Every fault, and whether trying again helps.
    const FAULTS: [(Fault, bool); 9] = [
        (Fault::SlowDown, true),
        (Fault::Throttled, true),
        (Fault::Reset, true),
        (Fault::LostAnswer, true),
        (Fault::ShortBody, true),
        (Fault::None, true),
        (Fault::ExpiredCredentials, false),
        (Fault::Forbidden, false),
        (Fault::Missing, false),
    ];

    async fn store(script: impl Fn(&Call) -> Fault + Send + Sync + 'static) -> Arc<Faulty> {
        let inner = MemoryStore::new();
        inner.put("a", Body::Bytes("0123456789".into())).await.unwrap();
        Arc::new(Faulty::new(Arc::new(inner), script))
    }

    fn retrying(faulty: &Arc<Faulty>) -> Retrying {
        let ms = Duration::from_millis;
        let policy = Policy { retries_max: 3, pause_first: ms(1), pause_max: ms(2) };
        Retrying::new(faulty.clone(), policy)
    }

    #[tokio::test]
    async fn faults_that_pass_are_survived_and_the_others_are_told() {
        for (fault, passes) in FAULTS {
            // Three times, then no more.
            let faulty = store(move |c| if c.number < 3 { fault } else { Fault::None }).await;
            let got = retrying(&faulty).get("a", Some(2..6)).await;
            match passes {
                true => assert_eq!(got.unwrap(), "2345", "{fault:?}"),
                false => {
                    let error = got.unwrap_err();
                    assert!(!error.is_transient() && error.to_string().contains("`a`"), "{error}");
                    assert_eq!(faulty.calls(), 1, "{fault:?} is not tried again");
                }
            }
            // For ever.
            let faulty = store(move |_| fault).await;
            if fault != Fault::None {
                retrying(&faulty).get("a", Some(2..6)).await.unwrap_err();
                assert_eq!(faulty.calls(), if passes { 4 } else { 1 }, "{fault:?}");
                retrying(&faulty).put("b", Body::Bytes("x".into())).await.unwrap_err();
                retrying(&faulty).list("").await.unwrap_err();
            }
        }
    }

    #[tokio::test]
    async fn short_and_wrong_answers() {
        let faulty = store(|_| Fault::ShortBody).await;
        assert_eq!(faulty.get("a", Some(2..6)).await.unwrap(), "23");
        assert_eq!(faulty.get("a", None).await.unwrap(), "01234");
        let error = retrying(&faulty).get("a", Some(2..6)).await.unwrap_err();
        let words = "2 bytes came instead of the 4 of 2..6";
        assert!(error.is_transient() && error.to_string().contains(words), "{error}");
        let faulty = store(|_| Fault::WrongRange).await;
        assert_eq!(faulty.get("a", Some(2..6)).await.unwrap(), "3456");
        assert_eq!(faulty.get("a", Some(7..10)).await.unwrap(), "890");
        assert_eq!(faulty.get("a", None).await.unwrap(), "1234567890");
    }

    #[tokio::test]
    async fn a_stalled_call_goes_on_when_released() {
        let faulty = store(|call| if call.number == 0 { Fault::Stall } else { Fault::None }).await;
        let stalled = tokio::spawn({
            let faulty = faulty.clone();
            async move { faulty.get("a", None).await }
        });
        while faulty.calls() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(faulty.get("a", Some(0..1)).await.unwrap(), "0", "others are not held");
        assert!(!stalled.is_finished());
        // Until it listens: the call is counted a moment before.
        while !stalled.is_finished() {
            faulty.release();
            tokio::task::yield_now().await;
        }
        assert_eq!(stalled.await.unwrap().unwrap(), "0123456789");
    }

    #[tokio::test]
    async fn conforms_without_faults_and_with_retries_between_them() {
        conformance::check(&*store_without().await).await;
        let now_and_then =
            |call: &Call| if call.number % 3 == 1 { Fault::SlowDown } else { Fault::None };
        let faulty = Faulty::new(Arc::new(MemoryStore::new()), now_and_then);
        conformance::check(&retrying(&Arc::new(faulty))).await;
    }

    async fn store_without() -> Arc<Faulty> {
        Arc::new(Faulty::new(Arc::new(MemoryStore::new()), |_| Fault::None))
    }
}
