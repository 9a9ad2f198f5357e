//! What is kept between requests? Scrolls, points in time and asynchronous searches, by id, each
//! until its time is over.
//!
//! Bounded by number; what is over is forgotten when anybody searches. A context holds a snapshot,
//! so that its records are there as long as it lives.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use index::read::Snapshot;
use model::time::{NS_PER_MS, Timestamp};
use platform::rng::{Rng, SystemRng};
use platform::telemetry::{self, Metric};

use super::background::Background;
use super::contexts::Scroll;
use crate::request::SearchRequest;

/// All that is kept.
#[derive(Clone, Debug)]
pub struct Kept {
    pub(super) contexts: Arc<Registry<Context>>,
    pub(super) answers: Arc<Registry<Background>>,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            contexts: Arc::new(Registry::new(Metric::SearchContexts)),
            answers: Arc::new(Registry::new(Metric::AsyncSearches)),
        }
    }
}

impl Kept {
    /// Forgets what is over.
    pub(super) fn sweep(&self, now: Timestamp) {
        self.contexts.sweep(now);
        self.answers.sweep(now);
    }
}

/// Records that are searched again and again.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) snapshot: Snapshot,
    /// A search for all that a point in time was opened over.
    pub(super) within: SearchRequest,
    /// Bytes of its request.
    pub(super) bytes: usize,
    /// Where a scroll is; none for a point in time.
    pub(super) scroll: Option<tokio::sync::Mutex<Scroll>>,
}

#[derive(Debug)]
struct Entry<T> {
    value: Arc<T>,
    expires: Timestamp,
}

/// Things by id, each until its time is over.
#[derive(Debug)]
pub(super) struct Registry<T> {
    entries: Mutex<HashMap<String, Entry<T>>>,
    /// No entry is over before this.
    sweep_at: AtomicI64,
    metric: Metric,
}

/// Bytes of an id as it is written.
const ID_CHARS: usize = 32;

impl<T> Registry<T> {
    fn new(metric: Metric) -> Self {
        Self { entries: Mutex::default(), sweep_at: AtomicI64::new(i64::MAX), metric }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry<T>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a value that may live for so long unasked; `None` when there are `max` already.
    pub(super) fn keep(
        &self,
        value: Arc<T>,
        (now, keep_ms): (Timestamp, u64),
        max: usize,
    ) -> Option<String> {
        self.sweep(now);
        let id = format!("{:016x}{:016x}", SystemRng.next_u64(), SystemRng.next_u64());
        let mut entries = self.lock();
        if entries.len() >= max {
            return None;
        }
        let expires = later(now, keep_ms);
        self.sweep_at.fetch_min(expires.0, Ordering::Relaxed);
        entries.insert(id.clone(), Entry { value, expires });
        telemetry::set(self.metric, entries.len() as i64);
        Some(id)
    }

    /// What has this id; it lives `keep_ms` longer from now on, if that is said.
    pub(super) fn get(&self, id: &str, now: Timestamp, keep_ms: Option<u64>) -> Option<Arc<T>> {
        self.sweep(now);
        let mut entries = self.lock();
        let entry = entries.get_mut(id)?;
        if let Some(keep_ms) = keep_ms {
            entry.expires = later(now, keep_ms);
            self.sweep_at.fetch_min(entry.expires.0, Ordering::Relaxed);
        }
        Some(entry.value.clone())
    }

    /// When it is over.
    pub(super) fn expires(&self, id: &str) -> Option<Timestamp> {
        self.lock().get(id).map(|entry| entry.expires)
    }

    /// Forgets what has this id; tells whether there was one.
    pub(super) fn forget(&self, id: &str) -> Option<Arc<T>> {
        let mut entries = self.lock();
        let found = entries.remove(id);
        telemetry::set(self.metric, entries.len() as i64);
        drop(entries);
        found.map(|entry| entry.value)
    }

    /// Forgets what is wanted no more; tells how many there were.
    pub(super) fn forget_where(&self, is: impl Fn(&T) -> bool) -> usize {
        let mut entries = self.lock();
        let gone: Vec<_> = entries.extract_if(|_, entry| is(&entry.value)).collect();
        telemetry::set(self.metric, entries.len() as i64);
        drop(entries);
        // What they hold is let go without the lock.
        gone.len()
    }

    /// The sum of something over all.
    pub(super) fn sum(&self, of: impl Fn(&T) -> usize) -> usize {
        self.lock().values().map(|entry| of(&entry.value)).sum()
    }

    fn sweep(&self, now: Timestamp) {
        if now.0 < self.sweep_at.load(Ordering::Relaxed) {
            return;
        }
        let mut entries = self.lock();
        let gone: Vec<_> = entries.extract_if(|_, entry| entry.expires <= now).collect();
        let next = entries.values().map(|entry| entry.expires.0).min().unwrap_or(i64::MAX);
        self.sweep_at.store(next, Ordering::Relaxed);
        telemetry::set(self.metric, entries.len() as i64);
        drop(entries);
        drop(gone);
    }
}

fn later(now: Timestamp, ms: u64) -> Timestamp {
    let ns = i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(NS_PER_MS);
    Timestamp(now.0.saturating_add(ns))
}

/// Whether a text can be an id at all.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == ID_CHARS && text.bytes().all(|b| b.is_ascii_hexdigit())
}
