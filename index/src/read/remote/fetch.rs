//! How does a range come from the store? Bounded, with a deadline, and hedged: a request that is
//! slower than most is sent a second time, and the first answer counts.
//!
//! Does not know what is cached. Failures that may pass are tried again by the store itself
//! (`platform::object_store::retrying`).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use platform::clock::seconds_since;
use platform::object_store::{ObjectStore, StoreError, StoreFuture};
use platform::telemetry::{self, Metric};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::spans::Span;
use crate::settings::RemoteSettings;

/// Times of requests of one class of lengths that are remembered.
const TIMES_MAX: usize = 128;
/// So many must be known before a request is called slow.
const TIMES_MIN: usize = 20;
/// Upper bounds of the classes of lengths, in bytes; the last class has none.
const CLASS_BYTES: [u64; 3] = [128 << 10, 512 << 10, 2 << 20];
/// Second requests that can be saved up.
const SAVED_MAX: u64 = 10;
/// One second request, in the unit of [`Hedges::saved`].
const HEDGE_COST: u64 = 100;

/// Sends range requests.
#[derive(Debug)]
pub(super) struct Fetcher {
    store: Arc<dyn ObjectStore>,
    permits: Semaphore,
    timeout: Duration,
    hedges: Hedges,
}

impl Fetcher {
    pub(super) fn new(store: Arc<dyn ObjectStore>, settings: &RemoteSettings) -> Self {
        Self {
            store,
            permits: Semaphore::new(settings.concurrent_max.clamp(1, Semaphore::MAX_PERMITS)),
            timeout: Duration::from_millis(settings.timeout_ms),
            hedges: Hedges::new(settings.hedge_percent_max),
        }
    }

    pub(super) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Waits for a turn; the request and what is done with its bytes belong to it.
    pub(super) async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        // Fails only when the semaphore is closed, which nobody does.
        self.permits.acquire().await.ok()
    }

    /// The bytes of a range, all of them.
    ///
    /// # Errors
    /// The store's; `Transient` when the answer took too long or has another length.
    pub(super) async fn get(&self, key: &str, span: &Span) -> Result<Bytes, StoreError> {
        let transient = |reason: String| StoreError::Transient {
            operation: "get",
            key: key.to_owned(),
            reason,
        };
        let half = self.timeout / 2;
        let answer = match tokio::time::timeout(half, self.hedged(key, span)).await {
            Ok(answer) => answer,
            // A connection that stalls says nothing about the next one.
            Err(_) => {
                tracing::warn!(key, ?half, "no answer to a range request: it is sent anew");
                let anew = tokio::time::timeout(self.timeout - half, self.hedged(key, span)).await;
                anew.unwrap_or_else(|_| {
                    let waited = self.timeout.as_millis();
                    Err(transient(format!("no answer within `index.remote.timeout_ms` = {waited}")))
                })
            }
        };
        let bytes = answer?;
        let wanted = span.end - span.start;
        if bytes.len() as u64 != wanted {
            let (from, to, came) = (span.start, span.end, bytes.len());
            let reason = format!("{came} bytes came instead of the {wanted} of {from}..{to}");
            return Err(transient(reason));
        }
        Ok(bytes)
    }

    fn send<'a>(&'a self, key: &'a str, span: &Span) -> StoreFuture<'a, Bytes> {
        telemetry::count(Metric::ReadGets, 1);
        self.store.get(key, Some(span.clone()))
    }

    async fn hedged(&self, key: &str, span: &Span) -> Result<Bytes, StoreError> {
        let started = Instant::now();
        let length = span.end - span.start;
        self.hedges.earn();
        let mut first = self.send(key, span);
        let answer = match self.hedges.slow_after(length) {
            None => first.await,
            Some(slow) => match tokio::time::timeout(slow, &mut first).await {
                Ok(answer) => answer,
                Err(_) if self.hedges.spend() => race(first, self.send(key, span)).await,
                Err(_) => first.await,
            },
        };
        telemetry::observe(Metric::ReadGetSeconds, seconds_since(started));
        if let Ok(bytes) = &answer {
            self.hedges.note(length, started.elapsed());
            telemetry::count(Metric::ReadBytes, bytes.len() as u64);
        }
        answer
    }
}

/// The first good answer of two; the other request is dropped. The first error when both fail.
async fn race(
    mut first: StoreFuture<'_, Bytes>,
    mut second: StoreFuture<'_, Bytes>,
) -> Result<Bytes, StoreError> {
    let won = |won: &'static str| telemetry::count_by(Metric::ReadHedges, "won", won, 1);
    tokio::select! {
        biased;
        answer = &mut first => match answer {
            Ok(bytes) => {
                won("first");
                Ok(bytes)
            }
            Err(error) => {
                let other = second.await;
                won(if other.is_ok() { "second" } else { "none" });
                other.map_err(|_| error)
            }
        },
        answer = &mut second => match answer {
            Ok(bytes) => {
                won("second");
                Ok(bytes)
            }
            Err(_) => {
                let other = first.await;
                won(if other.is_ok() { "first" } else { "none" });
                other
            }
        },
    }
}

/// When is a request slow, and may it be sent again?
#[derive(Debug)]
struct Hedges {
    percent_max: u64,
    /// Second requests that may be sent, in hundredths.
    saved: AtomicU64,
    times: Mutex<[Times; CLASS_BYTES.len() + 1]>,
}

/// The newest times of requests, in a ring.
#[derive(Debug, Default)]
struct Times {
    ring: Vec<Duration>,
    next: usize,
}

impl Hedges {
    fn new(percent_max: u64) -> Self {
        Self { percent_max, saved: AtomicU64::new(0), times: Mutex::default() }
    }

    /// Every request earns a part of a second one.
    fn earn(&self) {
        let most = SAVED_MAX * HEDGE_COST;
        let _ = self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |saved| {
            Some(saved.saturating_add(self.percent_max).min(most))
        });
    }

    fn spend(&self) -> bool {
        let spend = |saved: u64| saved.checked_sub(HEDGE_COST);
        self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend).is_ok()
    }

    fn class(length: u64) -> usize {
        CLASS_BYTES.iter().position(|most| length <= *most).unwrap_or(CLASS_BYTES.len())
    }

    fn note(&self, length: u64, took: Duration) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let times = &mut times[Self::class(length)];
        if times.ring.len() < TIMES_MAX {
            times.ring.push(took);
        } else {
            times.ring[times.next] = took;
            times.next = (times.next + 1) % TIMES_MAX;
        }
    }

    /// The time that 95 % of the newest requests of that length took at most.
    fn slow_after(&self, length: u64) -> Option<Duration> {
        if self.percent_max == 0 {
            return None;
        }
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ring = times[Self::class(length)].ring.clone();
        drop(times);
        if ring.len() < TIMES_MIN {
            return None;
        }
        let at = ring.len() * 95 / 100;
        Some(*ring.select_nth_unstable(at).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_is_what_nineteen_of_twenty_are_not() {
        let hedges = Hedges::new(5);
        let ms = Duration::from_millis;
        for n in 1..20 {
            hedges.note(1000, ms(n));
            assert_eq!(hedges.slow_after(1000), None, "{n} times are too few");
        }
        hedges.note(1000, ms(500));
        assert_eq!(hedges.slow_after(1000), Some(ms(500)));
        assert_eq!(hedges.slow_after(10 << 20), None, "large ones are another class");
        for n in 0..TIMES_MAX as u64 {
            hedges.note(1000, ms(n + 1));
        }
        assert_eq!(hedges.slow_after(1), Some(ms(122)), "the old ones are forgotten");
        assert_eq!(Hedges::new(0).slow_after(1), None);
    }

    #[test]
    fn second_requests_are_at_most_a_share_of_all() {
        let hedges = Hedges::new(5);
        let sent = (0..1000).filter(|_| {
            hedges.earn();
            hedges.spend()
        });
        assert_eq!(sent.count(), 50);
        for _ in 0..100_000 {
            hedges.earn();
        }
        let saved = std::iter::from_fn(|| hedges.spend().then_some(())).count() as u64;
        assert_eq!(saved, SAVED_MAX, "quiet times do not allow a storm");
    }
}
