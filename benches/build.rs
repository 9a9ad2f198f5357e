//! How fast, and how small, does a roll become a split?

use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use index::build::{Row, SplitBuilder, SplitSpec};
use index::settings::test_settings;
use model::batch::{Batch, BatchBuilder};
use model::id::{IndexName, RecordSeq, SplitId, Tenant};
use model::time::Timestamp;

const DOCS: u64 = 20_000;

/// Access lines and application lines in the shape that a shipper sends.
fn batch() -> Arc<Batch> {
    let mut builder = BatchBuilder::new(Tenant::default(), None, Timestamp(0));
    let index = IndexName::new("logs");
    let mut state = 1u64;
    let mut dice = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for n in 0..DOCS {
        let (status, bytes, ms) =
            ([200, 201, 404, 503][dice(4) as usize], dice(60_000), dice(5000));
        let (a, b, pod, trace) = (dice(256), dice(256), dice(40), dice(u64::MAX));
        let time = Timestamp::from_millis(1_795_262_400_000 + n as i64).rfc3339();
        let source = format!(
            r#"{{"@timestamp":"{time}","message":"10.1.{a}.{b} - - \"GET /api/v1/orders/{bytes} HTTP/1.1\" {status} {bytes} took {ms} ms","service":{{"name":"orders"}},"http":{{"response":{{"status_code":{status},"body":{{"bytes":{bytes}}}}}}},"log":{{"level":"info"}},"kubernetes":{{"namespace":"prod","pod":{{"name":"orders-{pod}"}}}},"trace":{{"id":"{trace:016x}{n:016x}"}}}}"#
        );
        builder.push(&index, None, source.as_bytes()).expect("a document");
    }
    Arc::new(builder.finish())
}

fn build(c: &mut Criterion) {
    let batch = batch();
    let settings = test_settings();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut number = 0;
    let mut group = c.benchmark_group("build");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(batch.raw_bytes()));
    group.bench_function("roll to split", |b| {
        b.iter(|| {
            number += 1;
            let spec = SplitSpec {
                id: SplitId::new(format!("B{number}")),
                tenant: Tenant::default(),
                bucket: Timestamp(0),
                created: Timestamp(0),
                merges: 0,
                origin: index::read::Origin::default(),
            };
            let mut builder =
                SplitBuilder::create(spec, dir.path(), &settings).expect("a new file");
            let map = builder.map(&batch);
            for record in 0..batch.records().len() {
                let timestamp = batch.records()[record].timestamp;
                let seq = RecordSeq(record as u64);
                let row = Row { batch: &batch, record, timestamp, seq, id: None, map: &map };
                builder.push(&row).expect("a row");
            }
            let built = builder.finish().expect("a split");
            std::fs::remove_file(&built.path).expect("the file");
            built.meta.object_bytes
        });
    });
    group.finish();
}

criterion_group!(benches, build);
criterion_main!(benches);
