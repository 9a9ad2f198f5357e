//! How does a simulation drive the log with one thread? The same replay, dedupe and writer as
//! [`crate::Ingest`], one group at a time, without the writer's thread.
//!
//! Knows no requests: batches come in as they are.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use model::batch::Batch;
use platform::clock::Clock;
use tokio::sync::Semaphore;
use tokio::sync::oneshot::{self, Receiver};

use crate::dedupe::{Begin, Dedupe, Placed};
use crate::error::{IngestError, Refusal};
use crate::service::{Environment, Recovery, Submitted, recover, submitted};
use crate::settings::Settings;
use crate::wal::{self, Queued, Recovered, Writer};

type Outcome = Result<Submitted, Refusal>;

/// Ingest in the caller's thread.
pub struct SteppedIngest {
    clock: Arc<dyn Clock>,
    dedupe: Arc<Dedupe>,
    writer: Writer,
}

impl SteppedIngest {
    /// Replays the write-ahead log into the sink.
    ///
    /// # Errors
    /// As [`crate::Ingest::start`].
    pub fn start(
        settings: &Settings,
        environment: Environment,
    ) -> Result<(Self, Recovered), IngestError> {
        settings.check()?;
        let clock = environment.clock.clone();
        let Recovery { dedupe, writer, mut replayed, .. } = recover(settings, environment)?;
        let report = std::mem::take(&mut replayed.report);
        let (_, queue) = crossbeam_channel::bounded(1);
        let coming = Arc::new(AtomicUsize::new(0));
        let writer = Writer::new(&settings.wal, writer, replayed, (queue, coming));
        Ok((Self { clock, dedupe, writer }, report))
    }

    /// Commits batches as one group, and removes what is published; gives each one's outcome.
    pub fn submit(&mut self, batches: Vec<Batch>) -> Vec<Outcome> {
        let slots = Arc::new(Semaphore::new(batches.len()));
        let mut group = Vec::new();
        let mut outcomes = Vec::new();
        for batch in batches {
            let claim = match self.dedupe.begin(batch.id.as_ref(), self.clock.now_ns()) {
                Begin::Fresh(claim) => claim,
                Begin::Done(placed) => {
                    outcomes.push(Ok(Ok(submitted(placed, true))));
                    continue;
                }
                Begin::Running(_) => {
                    let detail = "the same batch id twice in one group".to_owned();
                    outcomes.push(Ok(Err(Refusal::Internal { detail })));
                    continue;
                }
            };
            let slot = slots.clone().try_acquire_owned().expect("as many slots as batches");
            let batch = Arc::new(batch);
            let encoded = match wal::encode(&batch) {
                Ok(encoded) => encoded,
                Err(refusal) => {
                    outcomes.push(Ok(Err(refusal)));
                    continue;
                }
            };
            let (answer, outcome) = oneshot::channel();
            group.push(Queued { batch, encoded, claim, answer, slot });
            outcomes.push(Err(outcome));
        }
        self.writer.step(group);
        let settle = |outcome: Result<Outcome, Receiver<Result<Placed, Refusal>>>| match outcome {
            Ok(known) => known,
            Err(mut answer) => match answer.try_recv() {
                Ok(outcome) => outcome.map(|placed| submitted(placed, false)),
                Err(_) => Err(wal::Wal::gone()),
            },
        };
        outcomes.into_iter().map(settle).collect()
    }
}
