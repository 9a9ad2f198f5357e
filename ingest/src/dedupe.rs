//! Is this batch known? The client's batch ids, in a window of time and number.
//!
//! A batch id is *running* from the first request until the batch is durable or refused, then
//! *done*. A second request under a running id waits for the first one's outcome. Running ids are
//! bounded by the requests in flight, done ids by the settings. Knows nothing of the batches'
//! content: the same id is the same batch.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;
use model::id::{BatchId, RecordSeq, WalSeq};
use model::time::{NS_PER_S, Timestamp};
use tokio::sync::watch;

use crate::error::Refusal;

/// A batch that was taken before this start, as the catalog remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownBatch {
    /// The client's name of it.
    pub id: BatchId,
    /// Documents that were kept.
    pub accepted: u64,
    /// When it came in.
    pub at: Timestamp,
}

/// Where a batch lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Its frame; 0 when it was published before this start.
    pub(crate) seq: WalSeq,
    pub(crate) first_record: RecordSeq,
    pub(crate) accepted: u64,
}

type Outcome = Result<Placed, Refusal>;

/// What is known of a batch id.
#[derive(Debug)]
pub(crate) enum Begin {
    /// Nothing: the caller writes the batch and settles the claim.
    Fresh(Option<Claim>),
    /// Another request is writing it.
    Running(watch::Receiver<Option<Outcome>>),
    /// It is durable.
    Done(Placed),
}

#[derive(Debug)]
enum Entry {
    Running(watch::Receiver<Option<Outcome>>),
    Done { placed: Placed, at: i64 },
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<BatchId, Entry>,
    /// Done ids, oldest first.
    order: VecDeque<(i64, BatchId)>,
}

/// The window of known batch ids.
#[derive(Debug)]
pub(crate) struct Dedupe {
    state: Mutex<State>,
    ids_max: usize,
    window_ns: i64,
}

impl Dedupe {
    pub(crate) fn new(ids_max: usize, window_s: u64) -> Arc<Self> {
        let window_ns = i64::try_from(window_s).unwrap_or(i64::MAX).saturating_mul(NS_PER_S);
        Arc::new(Self { state: Mutex::default(), ids_max, window_ns })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for an id, and claims it when it is not known. Batches without an id are always new.
    pub(crate) fn begin(self: &Arc<Self>, id: Option<&BatchId>, now: i64) -> Begin {
        let Some(id) = id else { return Begin::Fresh(None) };
        let mut state = self.state();
        match state.entries.get(id) {
            Some(Entry::Running(outcome)) => return Begin::Running(outcome.clone()),
            Some(Entry::Done { placed, at }) if now.saturating_sub(*at) <= self.window_ns => {
                return Begin::Done(*placed);
            }
            _ => {}
        }
        let (tell, outcome) = watch::channel(None);
        state.entries.insert(id.clone(), Entry::Running(outcome));
        Begin::Fresh(Some(Claim { dedupe: self.clone(), id: id.clone(), tell: Some(tell) }))
    }

    /// Whether an id is done, whatever its age: at replay the window is what the log holds.
    pub(crate) fn is_done(&self, id: &BatchId) -> bool {
        matches!(self.state().entries.get(id), Some(Entry::Done { .. }))
    }

    /// Remembers an id, and forgets the oldest beyond the window.
    pub(crate) fn insert(&self, id: &BatchId, placed: Placed, at: i64) {
        let mut state = self.state();
        state.entries.insert(id.clone(), Entry::Done { placed, at });
        state.order.push_back((at, id.clone()));
        while let Some((oldest, _)) = state.order.front() {
            let old = at.saturating_sub(*oldest) > self.window_ns;
            if !old && state.order.len() <= self.ids_max {
                break;
            }
            let Some((oldest, id)) = state.order.pop_front() else { break };
            // The id may have been taken anew since; then this place in the order is stale.
            if matches!(state.entries.get(&id), Some(Entry::Done { at, .. }) if *at == oldest) {
                state.entries.remove(&id);
            }
        }
    }
}

/// The right to write the batch of one id; whoever waits for it hears how it ends.
#[derive(Debug)]
pub(crate) struct Claim {
    dedupe: Arc<Dedupe>,
    id: BatchId,
    tell: Option<watch::Sender<Option<Outcome>>>,
}

impl Claim {
    /// The batch is durable.
    pub(crate) fn done(mut self, placed: Placed, at: Timestamp) {
        self.dedupe.insert(&self.id, placed, at.0);
        if let Some(tell) = self.tell.take() {
            tell.send_replace(Some(Ok(placed)));
        }
    }

    /// The batch was refused; the id is free again.
    pub(crate) fn refused(mut self, refusal: Refusal) {
        self.settle(refusal);
    }

    fn settle(&mut self, refusal: Refusal) {
        if let Some(tell) = self.tell.take() {
            self.dedupe.state().entries.remove(&self.id);
            tell.send_replace(Some(Err(refusal)));
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.settle(Refusal::WalFailed {
            detail: format!("the first request with batch id `{}` was given up", self.id),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(seq: u64) -> Placed {
        Placed { seq: WalSeq(seq), first_record: RecordSeq(seq * 10), accepted: 3 }
    }

    fn fresh(dedupe: &Arc<Dedupe>, id: &str, now: i64) -> Claim {
        match dedupe.begin(Some(&BatchId::new(id)), now) {
            Begin::Fresh(Some(claim)) => claim,
            other => panic!("`{id}` is not fresh: {other:?}"),
        }
    }

    fn is_known(dedupe: &Arc<Dedupe>, id: &str, now: i64) -> bool {
        matches!(dedupe.begin(Some(&BatchId::new(id)), now), Begin::Done(_))
    }

    #[tokio::test]
    async fn the_second_request_hears_the_first_ones_outcome() {
        let dedupe = Dedupe::new(10, 60);
        let outcomes: [fn(Claim) -> Outcome; 3] = [
            |claim| {
                claim.done(placed(4), Timestamp(1));
                Ok(placed(4))
            },
            |claim| {
                claim.refused(Refusal::ShuttingDown);
                Err(Refusal::ShuttingDown)
            },
            |claim| {
                drop(claim);
                Err(Refusal::WalFailed {
                    detail: "the first request with batch id `2` was given up".into(),
                })
            },
        ];
        for (n, outcome) in outcomes.into_iter().enumerate() {
            let id = n.to_string();
            let claim = fresh(&dedupe, &id, 1);
            let Begin::Running(mut wait) = dedupe.begin(Some(&BatchId::new(&*id)), 1) else {
                panic!("the id is running");
            };
            let want = outcome(claim);
            let got = wait.wait_for(Option::is_some).await.unwrap().clone();
            assert_eq!(got, Some(want.clone()));
            assert_eq!(is_known(&dedupe, &id, 1), want.is_ok());
        }
    }

    #[test]
    fn the_window_is_bounded_by_number_and_by_time() {
        let dedupe = Dedupe::new(2, 10);
        for n in 1..=3 {
            fresh(&dedupe, &n.to_string(), n).done(placed(n as u64), Timestamp(n));
        }
        assert!(is_known(&dedupe, "2", 4) && is_known(&dedupe, "3", 4));
        assert_eq!(dedupe.state().entries.len(), 2);
        assert!(!dedupe.is_done(&BatchId::new("1")));
        let late = 11 * NS_PER_S;
        fresh(&dedupe, "2", late).done(placed(9), Timestamp(late));
        assert!(is_known(&dedupe, "2", late));
        assert_eq!(dedupe.state().order.len(), 1);
        assert_eq!(dedupe.state().entries.len(), 1);
    }

    #[test]
    fn batches_without_an_id_are_always_new() {
        let dedupe = Dedupe::new(2, 10);
        assert!(matches!(dedupe.begin(None, 0), Begin::Fresh(None)));
        assert_eq!(dedupe.state().entries.len(), 0);
    }
}
