//! Who fetches a range that several threads want? The first; the others wait for its answer.
//!
//! Knows neither store nor disk.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use model::id::SplitId;
use platform::object_store::StoreError;

use super::spans::Span;

/// A range on its way.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) span: Span,
    outcome: Mutex<Option<Outcome>>,
    landed: Condvar,
}

/// How a flight ended.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// With the bytes.
    Done(Bytes),
    /// The store failed.
    Failed(StoreError),
    /// Nobody asked the store, because another range of the same wave had failed.
    Abandoned,
}

impl Flight {
    /// Waits for the end; blocks.
    pub(super) fn wait(&self) -> Outcome {
        let mut outcome = self.outcome();
        loop {
            if let Some(outcome) = &*outcome {
                return outcome.clone();
            }
            outcome = self.landed.wait(outcome).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn outcome(&self) -> MutexGuard<'_, Option<Outcome>> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All ranges on their way, by split.
#[derive(Debug, Default)]
pub(super) struct Flights {
    table: Mutex<HashMap<SplitId, Vec<Arc<Flight>>>>,
}

/// The flights of one split while a wave is planned: nothing lands or starts meanwhile.
pub(super) struct Board<'a> {
    flights: &'a Arc<Flights>,
    table: MutexGuard<'a, HashMap<SplitId, Vec<Arc<Flight>>>>,
    split: &'a SplitId,
}

impl Flights {
    /// Plans for `split`.
    pub(super) fn board<'a>(self: &'a Arc<Self>, split: &'a SplitId) -> Board<'a> {
        Board { flights: self, table: self.table(), split }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<SplitId, Vec<Arc<Flight>>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Board<'_> {
    /// Flights that bring some of `wanted`.
    pub(super) fn with(&self, wanted: &[Span]) -> Vec<Arc<Flight>> {
        let brings =
            |f: &Flight| wanted.iter().any(|w| w.start < f.span.end && f.span.start < w.end);
        let flights = self.table.get(self.split).map_or(&[][..], Vec::as_slice);
        flights.iter().filter(|f| brings(f)).cloned().collect()
    }

    /// Notes a new flight of this wave.
    pub(super) fn start(&mut self, span: Span, failed: &Arc<AtomicBool>) -> Pilot {
        let flight =
            Arc::new(Flight { span, outcome: Mutex::default(), landed: Condvar::default() });
        self.table.entry(self.split.clone()).or_default().push(flight.clone());
        let (flights, split) = (self.flights.clone(), self.split.clone());
        Pilot { flights, split, flight, failed: failed.clone() }
    }
}

/// Whoever fetches; without an answer when dropped, the flight has failed.
#[derive(Debug)]
pub(super) struct Pilot {
    flights: Arc<Flights>,
    split: SplitId,
    flight: Arc<Flight>,
    /// Shared by the wave.
    failed: Arc<AtomicBool>,
}

impl Pilot {
    pub(super) fn flight(&self) -> &Arc<Flight> {
        &self.flight
    }

    /// Whether another flight of the wave has failed.
    pub(super) fn is_pointless(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Tells all that wait.
    pub(super) fn land(self, outcome: Outcome) {
        self.end(outcome);
    }

    fn end(&self, outcome: Outcome) {
        if matches!(outcome, Outcome::Failed(_)) {
            self.failed.store(true, Ordering::Relaxed);
        }
        let mut table = self.flights.table();
        if let Some(flights) = table.get_mut(&self.split) {
            flights.retain(|f| !Arc::ptr_eq(f, &self.flight));
            if flights.is_empty() {
                table.remove(&self.split);
            }
        }
        drop(table);
        self.flight.outcome().get_or_insert(outcome);
        self.flight.landed.notify_all();
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        if self.flight.outcome().is_none() {
            self.end(Outcome::Failed(StoreError::Transient {
                operation: "get",
                key: crate::split::object_key(&self.split),
                reason: "the fetch ended without an answer: the process stops".to_owned(),
            }));
        }
    }
}
