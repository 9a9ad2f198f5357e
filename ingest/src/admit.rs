//! May a request come in? A byte budget, the disk's reserve, the size of the write-ahead log.
//!
//! Does not know what is in the request.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use model::time::NS_PER_S;
use platform::clock::Clock;
use platform::disk::Disk;
use platform::telemetry::{self, Metric};

use crate::error::Refusal;

/// Bytes of requests that are being taken in.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicU64,
    limit: u64,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { used: AtomicU64::new(0), limit })
    }

    /// A permit without bytes; it grows as the bytes come.
    pub(crate) fn permit(self: &Arc<Self>) -> Permit {
        Permit { budget: self.clone(), bytes: 0 }
    }

    /// Whether a body of the announced length would fit now. Nothing is reserved: bytes that a
    /// client only announces must not keep out those of others.
    pub(crate) fn check(&self, announced: u64) -> Result<(), Refusal> {
        let used = self.used.load(Ordering::Relaxed);
        if used > 0 && used.saturating_add(announced) > self.limit {
            return Err(self.refusal(used));
        }
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn is_free(&self) -> bool {
        self.used.load(Ordering::Relaxed) == 0
    }

    fn refusal(&self, used: u64) -> Refusal {
        Refusal::InFlightFull { used_bytes: used, limit_bytes: self.limit }
    }
}

/// A request's share of the budget, given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Permit {
    /// Takes more bytes. Whoever is alone may pass the limit, so that no request is refused for
    /// ever; the limits of a single request still hold.
    pub(crate) fn grow(&mut self, by: u64) -> Result<(), Refusal> {
        let mine = self.bytes;
        let limit = self.budget.limit;
        let taken = self.budget.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            let after = used.saturating_add(by);
            (after <= limit || used == mine).then_some(after)
        });
        match taken {
            Ok(_) => {
                self.bytes += by;
                telemetry::shift(Metric::IngestInFlightBytes, by as i64);
                Ok(())
            }
            Err(used) => Err(self.budget.refusal(used)),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
        telemetry::shift(Metric::IngestInFlightBytes, -(self.bytes as i64));
    }
}

/// How long the answer about free space is believed.
const FREE_SPACE_AGE_MAX_NS: i64 = NS_PER_S;

/// What is checked before a body is read, and again before a batch is queued.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) wal_dir: PathBuf,
    /// Free space below which nothing is taken.
    pub(crate) reserve_bytes: u64,
    /// Bytes of the write-ahead log, kept by its writer.
    pub(crate) wal_bytes: Arc<AtomicU64>,
    pub(crate) wal_bytes_max: u64,
    /// When free space was last asked for, and how much there was.
    pub(crate) free: Mutex<Option<(i64, u64)>>,
}

impl Door {
    /// Refuses when the log is too long or the disk too full.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let bytes = self.wal_bytes.load(Ordering::Relaxed);
        if bytes >= self.wal_bytes_max {
            return Err(Refusal::WalFull { bytes, limit_bytes: self.wal_bytes_max });
        }
        match self.free_bytes() {
            Some(free) if free < self.reserve_bytes => Err(Refusal::NoSpace {
                detail: format!(
                    "{free} bytes are free in `{}`, `disk_reserve_bytes` = {}",
                    self.wal_dir.display(),
                    self.reserve_bytes
                ),
            }),
            _ => Ok(()),
        }
    }

    /// `None` when the file system does not say; the write itself will then tell.
    fn free_bytes(&self) -> Option<u64> {
        let now = self.clock.now_ns();
        let mut cached = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, free)) = *cached
            && (0..FREE_SPACE_AGE_MAX_NS).contains(&now.saturating_sub(at))
        {
            return Some(free);
        }
        *cached = match self.disk.free_bytes(&self.wal_dir) {
            Ok(free) => Some((now, free)),
            Err(error) => {
                tracing::warn!(%error, dir = %self.wal_dir.display(), "free space is unknown");
                None
            }
        };
        cached.map(|(_, free)| free)
    }
}

#[cfg(test)]
mod tests {
    use platform::clock::ManualClock;
    use platform::disk::RealDisk;

    use super::*;

    #[test]
    fn the_budget_is_kept_and_given_back() {
        let budget = Budget::new(100);
        let mut first = budget.permit();
        first.grow(60).unwrap();
        assert!(budget.check(40).is_ok());
        assert!(budget.check(41).is_err());
        let mut second = budget.permit();
        second.grow(40).unwrap();
        assert_eq!(
            second.grow(1),
            Err(Refusal::InFlightFull { used_bytes: 100, limit_bytes: 100 })
        );
        drop(first);
        second.grow(60).unwrap();
        drop(second);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_request_over_the_budget_passes_when_it_is_alone() {
        let budget = Budget::new(100);
        assert!(budget.check(1000).is_ok());
        let mut alone = budget.permit();
        alone.grow(70).unwrap();
        alone.grow(70).unwrap();
        assert!(budget.permit().grow(1).is_err());
        assert!(budget.check(1).is_err());
    }

    #[test]
    fn the_door_names_what_is_short_and_opens_again() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(5));
        let wal_bytes = Arc::new(AtomicU64::new(9));
        let mut door = Door {
            disk: Arc::new(RealDisk),
            clock: clock.clone(),
            wal_dir: dir.path().to_owned(),
            reserve_bytes: u64::MAX,
            wal_bytes: wal_bytes.clone(),
            wal_bytes_max: 10,
            free: Mutex::new(None),
        };
        let refusal = door.check().unwrap_err();
        assert_eq!(refusal.status(), 507);
        assert!(refusal.to_string().contains("disk_reserve_bytes"), "{refusal}");
        door.reserve_bytes = 0;
        assert_eq!(door.check(), Ok(()));
        wal_bytes.store(10, Ordering::Relaxed);
        assert_eq!(door.check(), Err(Refusal::WalFull { bytes: 10, limit_bytes: 10 }));
        // A clock that runs backwards does not freeze the old answer.
        wal_bytes.store(0, Ordering::Relaxed);
        *door.free.lock().unwrap() = Some((clock.now_ns() + 10 * NS_PER_S, 0));
        door.reserve_bytes = 1;
        assert_eq!(door.check(), Ok(()));
    }
}
