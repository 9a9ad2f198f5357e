//! How fast do bytes become a batch? Bulk and native bodies of generated lines, bytes a second.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ingest::parse::{self, Limits};
use model::batch::BatchBuilder;
use model::id::{IndexName, Tenant};
use model::time::Timestamp;

const DOCUMENTS: u64 = 10_000;
const LIMITS: Limits = Limits { document_bytes_max: 1 << 20, documents_max: 1 << 20 };

/// A line of a small shop: ids that never repeat, words that do, a nested object.
fn document(n: u64) -> String {
    let chance = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let service = ["cart", "checkout", "payment", "search"][(chance >> 62) as usize];
    format!(
        "{{\"@timestamp\":\"2025-11-20T10:{:02}:{:02}.{:03}Z\",\"log.level\":\"info\",\
         \"service\":{{\"name\":\"{service}\",\"version\":\"1.{}\"}},\"trace.id\":\"{chance:016x}\",\
         \"http\":{{\"status\":200,\"bytes\":{}}},\
         \"message\":\"order {} accepted for \\\"user-{}\\\" in {} ms\"}}",
        n / 600_000 % 60,
        n / 1000 % 60,
        n % 1000,
        chance % 7,
        chance % 100_000,
        n,
        chance % 5000,
        chance % 300,
    )
}

fn builder() -> BatchBuilder {
    BatchBuilder::new(Tenant::default(), None, Timestamp(0))
}

fn bodies(c: &mut Criterion) {
    let documents: Vec<String> = (0..DOCUMENTS).map(document).collect();
    let native = documents.join("\n");
    let action = "{\"create\":{\"_index\":\"logs\"}}\n";
    let bulk: String = documents.iter().map(|d| format!("{action}{d}\n")).collect();
    let mut group = c.benchmark_group("parse");
    group.throughput(Throughput::Bytes(bulk.len() as u64));
    group.bench_function("bulk", |b| {
        b.iter(|| parse::bulk(black_box(bulk.as_bytes()), None, &LIMITS, builder()));
    });
    let index = IndexName::new("logs");
    group.throughput(Throughput::Bytes(native.len() as u64));
    group.bench_function("native", |b| {
        b.iter(|| parse::lines(black_box(native.as_bytes()), &index, &LIMITS, builder()));
    });
    group.finish();
}

criterion_group!(benches, bodies);
criterion_main!(benches);
