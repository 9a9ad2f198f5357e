//! What is searchable now? The published splits and the live batches, changed together.
//!
//! One lock holds both lists, so a snapshot sees every record exactly once. Taking a batch in
//! blocks while the memory for live records is full: that is the back-pressure on the log.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::id::{NodeId, RecordSeq, SplitId, Tenant, WalSeq};
use model::live::{Sequenced, Sink};
use model::time::{TimeRange, Timestamp};
use platform::telemetry::{self, Metric};

use crate::catalog::Checkpoint;
use crate::read::{Deletion, FieldInfo, LiveBatch, Snapshot, Split};

/// How many batches a follower of new records may fall behind.
const FOLLOWER_BATCHES_MAX: usize = 16;

/// Splits and live batches.
pub struct Live {
    state: Mutex<State>,
    /// Something that the roller waits for has changed.
    work: Condvar,
    /// Memory was freed.
    room: Condvar,
    limits: Limits,
    node: NodeId,
    text_fields: Arc<[String]>,
    published: tokio::sync::watch::Sender<WalSeq>,
    news: tokio::sync::broadcast::Sender<Sequenced>,
}

/// When to roll, and when to wait.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Roll at so many bytes of documents.
    pub roll_raw_bytes: u64,
    /// Roll when the oldest batch came in so long ago, nanoseconds.
    pub roll_age_ns: i64,
    /// Make ingest wait at so much memory.
    pub memory_bytes_max: u64,
}

#[derive(Default)]
struct State {
    /// Newest first.
    splits: Vec<Arc<Split>>,
    batches: VecDeque<Arc<LiveBatch>>,
    /// Those that splits wait for.
    deletions: Arc<[Arc<Deletion>]>,
    raw_bytes: u64,
    memory_bytes: u64,
    records: u64,
    flush: bool,
    stopping: bool,
}

/// When the next roll comes.
enum Due {
    Now(Roll),
    In(Duration),
    /// There are no batches.
    Nothing,
}

/// A run of batches, from the oldest on, to be published together.
pub struct Roll {
    /// The batches.
    pub batches: Vec<Arc<LiveBatch>>,
    /// The log is published up to here when they are.
    pub checkpoint: Checkpoint,
}

impl Live {
    /// No batches yet; `splits` as the catalog has them.
    pub fn new(
        splits: Vec<Arc<Split>>,
        checkpoint: WalSeq,
        limits: Limits,
        node: NodeId,
        text_fields: Arc<[String]>,
    ) -> Self {
        let live = Self {
            state: Mutex::default(),
            work: Condvar::new(),
            room: Condvar::new(),
            limits,
            node,
            text_fields,
            published: tokio::sync::watch::Sender::new(checkpoint),
            news: tokio::sync::broadcast::Sender::new(FOLLOWER_BATCHES_MAX),
        };
        live.change_splits(&[], splits);
        live
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a query of the tenant sees.
    pub fn snapshot(&self, tenant: &Tenant) -> Snapshot {
        let state = self.state();
        Snapshot {
            splits: state.splits.iter().filter(|s| s.meta().tenant == *tenant).cloned().collect(),
            live: state
                .batches
                .iter()
                .filter(|b| b.batch.batch.tenant == *tenant)
                .cloned()
                .collect(),
            deletions: state.deletions.clone(),
            node: self.node,
            text_fields: self.text_fields.clone(),
        }
    }

    /// All splits.
    pub fn splits(&self) -> Vec<Arc<Split>> {
        self.state().splits.clone()
    }

    /// Follows new batches.
    pub fn subscribe(&self) -> tokio::sync::broadcast::Receiver<Sequenced> {
        self.news.subscribe()
    }

    /// Follows the checkpoint.
    pub fn published(&self) -> tokio::sync::watch::Receiver<WalSeq> {
        self.published.subscribe()
    }

    /// Waits for a reason to roll; `None` when stopping and nothing is left.
    pub fn next_roll(&self, now: &dyn Fn() -> Timestamp) -> Option<Roll> {
        let mut state = self.state();
        loop {
            let due = self.due(&mut state, now());
            let wait = match due {
                Due::Now(roll) => return Some(roll),
                Due::Nothing if state.stopping => return None,
                Due::Nothing => None,
                Due::In(left) => Some(left),
            };
            state = match wait {
                None => self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let waited = self.work.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// What there is a reason to roll now, if any.
    pub fn roll_now(&self, now: Timestamp) -> Option<Roll> {
        match self.due(&mut self.state(), now) {
            Due::Now(roll) => Some(roll),
            Due::Nothing | Due::In(_) => None,
        }
    }

    fn due(&self, state: &mut State, now: Timestamp) -> Due {
        let Some(oldest) = state.batches.front().map(|b| b.batch.batch.received) else {
            state.flush = false;
            return Due::Nothing;
        };
        let age = now.0.saturating_sub(oldest.0);
        let due = state.flush
            || state.stopping
            || state.raw_bytes >= self.limits.roll_raw_bytes
            || age >= self.limits.roll_age_ns
            // A clock that jumped back must not hold records for ever.
            || age < 0;
        if !due {
            let left = self.limits.roll_age_ns - age;
            return Due::In(Duration::from_nanos(left.max(1) as u64));
        }
        let roll = self.cut(state);
        state.flush &= roll.batches.len() < state.batches.len();
        Due::Now(roll)
    }

    fn cut(&self, state: &State) -> Roll {
        let mut batches = Vec::new();
        let mut raw = 0;
        for batch in &state.batches {
            if raw >= self.limits.roll_raw_bytes {
                break;
            }
            raw += batch.batch.batch.raw_bytes();
            batches.push(batch.clone());
        }
        let checkpoint = batches.last().map_or(Checkpoint::default(), |b| Checkpoint {
            wal: b.batch.seq,
            next_record: RecordSeq(b.batch.first_record.0 + b.batch.batch.records().len() as u64),
        });
        Roll { batches, checkpoint }
    }

    /// Takes the roll's batches out and its splits in, in one step.
    pub fn published_roll(&self, roll: &Roll, splits: Vec<Arc<Split>>) {
        {
            let mut state = self.state();
            for batch in &roll.batches {
                debug_assert!(state.batches.front().is_some_and(|b| Arc::ptr_eq(b, batch)));
                state.batches.pop_front();
                state.raw_bytes -= batch.batch.batch.raw_bytes();
                state.memory_bytes -= batch.batch.batch.memory_bytes();
                state.records -= batch.batch.batch.records().len() as u64;
            }
            insert_splits(&mut state, &[], splits);
            note_gauges(&state);
        }
        self.room.notify_all();
        self.published.send_replace(roll.checkpoint.wal);
    }

    /// Replaces splits by others.
    pub fn change_splits(&self, old: &[SplitId], new: Vec<Arc<Split>>) {
        let mut state = self.state();
        insert_splits(&mut state, old, new);
        note_gauges(&state);
    }

    /// The deletions that splits wait for.
    pub fn deletions(&self) -> Arc<[Arc<Deletion>]> {
        self.state().deletions.clone()
    }

    /// Replaces the deletions, and splits by themselves with what they wait for, in one step.
    pub fn change_deletions(&self, deletions: Vec<Arc<Deletion>>, splits: Vec<Arc<Split>>) {
        let mut state = self.state();
        state.deletions = deletions.into();
        let old: Vec<SplitId> = splits.iter().map(|split| split.meta().id.clone()).collect();
        insert_splits(&mut state, &old, splits);
    }

    /// The position of the newest batch that is not published, of any tenant.
    pub fn newest_batch(&self) -> Option<WalSeq> {
        self.state().batches.back().map(|batch| batch.batch.seq)
    }

    /// Publishes all that is there now, without waiting for age or size.
    pub fn flush(&self) {
        self.state().flush = true;
        self.work.notify_all();
    }

    /// Ends [`Live::next_roll`] when nothing is left.
    pub fn stop(&self) {
        self.state().stopping = true;
        self.work.notify_all();
        self.room.notify_all();
    }

    /// Whether [`Live::stop`] was called.
    pub fn is_stopping(&self) -> bool {
        self.state().stopping
    }

    /// Waits until something changes, at most so long: the pause between two tries.
    pub fn wait(&self, at_most: Duration) {
        let state = self.state();
        if !state.stopping {
            let _ = self.work.wait_timeout(state, at_most);
        }
    }
}

fn insert_splits(state: &mut State, old: &[SplitId], new: Vec<Arc<Split>>) {
    state.splits.retain(|s| !old.contains(&s.meta().id));
    state.splits.extend(new);
    state.splits.sort_by(|a, b| {
        let key = |s: &Split| (s.meta().time.to, s.meta().id.clone());
        key(b).cmp(&key(a))
    });
}

fn note_gauges(state: &State) {
    telemetry::set(Metric::LiveRecords, state.records as i64);
    telemetry::set(Metric::LiveBytes, state.memory_bytes as i64);
    telemetry::set(Metric::Splits, state.splits.len() as i64);
    let bytes: u64 = state.splits.iter().map(|s| s.meta().object_bytes).sum();
    telemetry::set(Metric::SplitBytes, bytes as i64);
}

impl Sink for Live {
    fn apply(&self, batch: Sequenced) {
        let live = Arc::new(summarise(batch));
        let memory = live.batch.batch.memory_bytes();
        let mut state = self.state();
        while state.memory_bytes > 0
            && state.memory_bytes + memory > self.limits.memory_bytes_max
            && !state.stopping
        {
            // Whatever the roll's size: memory is short, so what is there is published.
            state.flush = true;
            self.work.notify_all();
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.raw_bytes += live.batch.batch.raw_bytes();
        state.memory_bytes += memory;
        state.records += live.batch.batch.records().len() as u64;
        let due = state.raw_bytes >= self.limits.roll_raw_bytes || state.batches.is_empty();
        state.batches.push_back(live.clone());
        telemetry::set(Metric::LiveRecords, state.records as i64);
        telemetry::set(Metric::LiveBytes, state.memory_bytes as i64);
        drop(state);
        if due {
            self.work.notify_all();
        }
        if self.news.receiver_count() > 0 {
            // Fails only when the last follower has just gone.
            let _ = self.news.send(live.batch.clone());
        }
    }
}

/// Time range, fields and index counts of a batch.
pub(crate) fn summarise(batch: Sequenced) -> LiveBatch {
    let inner = &batch.batch;
    let mut fields: Vec<FieldInfo> = inner
        .paths()
        .iter()
        .map(|path| FieldInfo { path: path.to_string(), ..FieldInfo::default() })
        .collect();
    let mut last_index = vec![u32::MAX; fields.len()];
    let mut index_docs = vec![0; inner.indexes().len()];
    let (mut from, mut last) = (Timestamp(i64::MAX), Timestamp(i64::MIN));
    for record in inner.records() {
        (from, last) = (from.min(record.timestamp), last.max(record.timestamp));
        index_docs[record.index as usize] += 1;
        for (path, value) in inner.fields(record) {
            let field = &mut fields[path as usize];
            field.note(&value);
            if last_index[path as usize] != record.index {
                last_index[path as usize] = record.index;
                if let Err(at) = field.indexes.binary_search(&record.index) {
                    field.indexes.insert(at, record.index);
                }
            }
        }
    }
    let time = TimeRange { from, to: Timestamp(last.0.saturating_add(1)) };
    LiveBatch { batch, time, fields, index_docs }
}
