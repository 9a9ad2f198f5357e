//! May the work go on? Cancelling, the deadline, and the memory of one search.
//!
//! Knows nothing of what is searched.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use index::read::ReadError;
use platform::clock::Clock;
use thiserror::Error;

use crate::error::{ErrorKind, QueryError};

/// Why the work on a split or batch ended early.
#[derive(Debug, Error)]
pub enum LeafError {
    /// The client has left.
    #[error("the search was cancelled")]
    Cancelled,
    /// The search's time is over.
    #[error("the search's time is over")]
    TimedOut,
    /// The split cannot be read; the search goes on without it.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The search itself fails.
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// Memory of all running searches, in bytes.
#[derive(Debug)]
pub struct Memory {
    used: AtomicU64,
    bytes_max: u64,
}

impl Memory {
    /// At most so many bytes.
    pub fn new(bytes_max: u64) -> Self {
        Self { used: AtomicU64::new(0), bytes_max }
    }

    /// What is in use now, in bytes.
    pub fn used_bytes(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

/// One running search.
#[derive(Debug)]
pub struct Run {
    cancelled: Arc<AtomicBool>,
    clock: Arc<dyn Clock>,
    deadline_ns: i64,
    memory: Arc<Memory>,
    charged: AtomicU64,
    /// The most buckets of its aggregations.
    pub buckets_max: usize,
}

impl Run {
    /// A search that ends when `cancelled` is set or the clock passes `deadline_ns`.
    pub fn new(
        cancelled: Arc<AtomicBool>,
        clock: Arc<dyn Clock>,
        deadline_ns: i64,
        memory: Arc<Memory>,
        buckets_max: usize,
    ) -> Self {
        Self { cancelled, clock, deadline_ns, memory, charged: AtomicU64::new(0), buckets_max }
    }

    /// What time it is, for those who measure.
    pub fn now_ns(&self) -> i64 {
        self.clock.now_ns()
    }

    /// Asked every few thousand rows.
    ///
    /// # Errors
    /// The client has left, or the time is over.
    pub fn check(&self) -> Result<(), LeafError> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(LeafError::Cancelled);
        }
        if self.clock.now_ns() > self.deadline_ns {
            return Err(LeafError::TimedOut);
        }
        Ok(())
    }

    /// Notes memory that is held until the search ends.
    ///
    /// # Errors
    /// All searches together would hold more than `query.memory_bytes_max`.
    pub fn charge(&self, bytes: usize) -> Result<(), LeafError> {
        let bytes = bytes as u64;
        self.charged.fetch_add(bytes, Ordering::Relaxed);
        let used = self.memory.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if used > self.memory.bytes_max {
            return Err(LeafError::Query(QueryError::of(
                ErrorKind::Overloaded,
                format!(
                    "the searches would hold {used} bytes of memory, more than \
                     `query.memory_bytes_max` of {}; ask for fewer buckets or hits, or a shorter \
                     time",
                    self.memory.bytes_max
                ),
            )));
        }
        Ok(())
    }

    /// Gives back memory that was noted.
    pub fn release(&self, bytes: usize) {
        self.charged.fetch_sub(bytes as u64, Ordering::Relaxed);
        self.memory.used.fetch_sub(bytes as u64, Ordering::Relaxed);
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.charged.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}
