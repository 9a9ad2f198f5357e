//! What do the benches of the engine read? Generated lines of a small shop, and rolls of them.

use std::path::Path;
use std::sync::Arc;

use index::Settings;
use index::catalog::Checkpoint;
use index::live::Roll;
use index::publish::Builder;
use index::read::LiveBatch;
use model::batch::{Batch, BatchBuilder};
use model::id::{IndexName, NodeId, RecordSeq, Tenant, WalSeq};
use model::live::Sequenced;
use model::time::{TimeRange, Timestamp};
use platform::clock::ManualClock;
use platform::rng::SeededRng;

/// The first document's time, milliseconds.
pub const START_MS: i64 = 1_795_262_400_000;

/// A batch of documents with numbers from `first` on, one a millisecond.
pub fn batch(first: u64, docs: u64, document: impl Fn(u64) -> String) -> Arc<Batch> {
    let mut builder = BatchBuilder::new(Tenant::default(), None, Timestamp(0));
    let index = IndexName::new("logs");
    for n in first..first + docs {
        builder.push(&index, None, document(n).as_bytes()).expect("a document");
    }
    Arc::new(builder.finish())
}

/// Access lines in the shape that a shipper sends.
pub fn access(n: u64) -> String {
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut dice = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let (status, bytes, ms) = ([200, 201, 404, 503][dice(4) as usize], dice(60_000), dice(5000));
    let (a, b, pod, trace) = (dice(256), dice(256), dice(40), dice(u64::MAX));
    let time = Timestamp::from_millis(START_MS + n as i64).rfc3339();
    format!(
        r#"{{"@timestamp":"{time}","message":"10.1.{a}.{b} - - \"GET /api/v1/orders/{bytes} HTTP/1.1\" {status} {bytes} took {ms} ms","client":{{"ip":"10.1.{a}.{b}"}},"event":{{"duration":{ms}}},"service":{{"name":"orders"}},"http":{{"response":{{"status_code":{status},"body":{{"bytes":{bytes}}}}}}},"log":{{"level":"info"}},"kubernetes":{{"namespace":"prod","pod":{{"name":"orders-{pod}"}}}},"trace":{{"id":"{trace:016x}{n:016x}"}}}}"#
    )
}

/// The node that builds and reads.
pub const NODE: NodeId = NodeId(1);

/// Builds with these settings in a directory; `seed` makes the names of splits.
pub fn with_builder<T>(
    settings: &Settings,
    dir: &Path,
    seed: u64,
    build: impl FnOnce(&Builder<'_>) -> T,
) -> T {
    let (clock, rng) = (ManualClock::at(0), SeededRng::new(seed));
    build(&Builder { settings, staging: dir, threads: 1, node: NODE, clock: &clock, rng: &rng })
}

/// A roll of one batch.
pub fn roll(batch: &Arc<Batch>) -> Roll {
    let times = batch.records().iter().map(|r| r.timestamp);
    let (from, last) = (times.clone().min(), times.max());
    let to = Timestamp(last.unwrap_or_default().0 + 1);
    let live = LiveBatch {
        batch: Sequenced { seq: WalSeq(1), first_record: RecordSeq(1), batch: batch.clone() },
        time: TimeRange { from: from.unwrap_or_default(), to },
        fields: Vec::new(),
        index_docs: vec![batch.records().len() as u64],
    };
    Roll { batches: vec![Arc::new(live)], checkpoint: Checkpoint::default() }
}
