//! How are new records followed? Each new batch is asked the query; a slow client loses some.
//!
//! Knows no splits: only what comes in after the client has come.

use std::sync::Arc;

use model::id::{NodeId, Tenant};
use model::live::Sequenced;
use platform::telemetry::{self, Metric};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc::Sender;

use crate::answer::{Hit, TailEvent};
use crate::leaf::{LiveView, Run};
use crate::plan::{IndexPatterns, Node};

/// One client that follows.
pub struct Tail {
    /// Whose records.
    pub tenant: Tenant,
    /// The query.
    pub node: Node,
    /// The indexes.
    pub indexes: IndexPatterns,
    /// Names the generated `_id`s.
    pub ids: NodeId,
    /// Paths of the text fields.
    pub text_fields: Arc<[String]>,
    /// Never over, until the client is gone.
    pub run: Run,
}

/// Sends what matches until the client or the source is gone.
pub async fn follow(tail: Tail, mut news: Receiver<Sequenced>, to: Sender<TailEvent>) {
    telemetry::shift(Metric::TailClients, 1);
    let tail = Arc::new(tail);
    let mut dropped = 0u64;
    loop {
        let batch = tokio::select! {
            () = to.closed() => break,
            room = to.reserve(), if dropped > 0 => match room {
                Ok(room) => {
                    room.send(TailEvent::Dropped(dropped));
                    dropped = 0;
                    continue;
                }
                Err(_) => break,
            },
            batch = news.recv() => batch,
        };
        let batch = match batch {
            Ok(batch) => batch,
            // At least one record was in each batch that was missed.
            Err(RecvError::Lagged(batches)) => {
                note_dropped(&mut dropped, batches);
                continue;
            }
            Err(RecvError::Closed) => break,
        };
        if batch.batch.tenant != tail.tenant {
            continue;
        }
        let asked = tail.clone();
        let Ok(hits) = tokio::task::spawn_blocking(move || matching(&asked, &batch)).await else {
            break;
        };
        for hit in hits {
            if dropped > 0 && to.try_send(TailEvent::Dropped(dropped)).is_ok() {
                dropped = 0;
            }
            if dropped > 0 || to.try_send(TailEvent::Hit(hit)).is_err() {
                note_dropped(&mut dropped, 1);
            }
        }
    }
    telemetry::shift(Metric::TailClients, -1);
}

fn note_dropped(dropped: &mut u64, count: u64) {
    *dropped += count;
    telemetry::count(Metric::TailDropped, count);
}

/// The records of a batch that match, in the order of acceptance.
fn matching(tail: &Tail, batch: &Sequenced) -> Vec<Hit> {
    let view = LiveView {
        batch: &batch.batch,
        first: batch.first_record,
        node: tail.ids,
        text_fields: &tail.text_fields,
    };
    let all = (model::time::TimeRange::ALL, &tail.indexes);
    let rows = view.matching(&tail.node, all, &tail.run).unwrap_or_default();
    rows.into_iter()
        .map(|row| {
            let record = &view.batch.records()[row as usize];
            Hit {
                index: view.batch.index_of(record).clone(),
                id: view.id(row),
                seq: view.seq(row),
                timestamp: record.timestamp,
                source: Some(view.batch.source(record).to_owned()),
                sort: Vec::new(),
                fields: None,
                highlight: None,
                said: Default::default(),
            }
        })
        .collect()
}
