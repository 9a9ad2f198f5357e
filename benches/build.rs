//! How fast do rolls become splits, texts templates, and small splits large ones?

mod shared;

use std::path::Path;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use index::build::BuiltSplit;
use index::merge::merge;
use index::publish::Builder;
use index::read::chunks::ChunkCache;
use index::read::object::MappedObject;
use index::read::{SplitMeta, SplitReader};
use index::settings::test_settings;
use model::batch::Batch;
use platform::disk::Mapped;
use shared::{NODE, access, batch, roll, with_builder};

const DOCS: u64 = 20_000;

fn build_all(dir: &Path, seed: u64, batch: &Arc<Batch>) -> Vec<BuiltSplit> {
    with_builder(&test_settings(), dir, seed, |b| b.build(&roll(batch)).expect("splits"))
}

/// One roll of a batch to splits, which are removed again.
fn build_of(c: &mut Criterion, name: &str, batch: &Arc<Batch>) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut group = c.benchmark_group("build");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(batch.raw_bytes()));
    group.bench_function(name, |b| {
        b.iter(|| {
            let built = build_all(dir.path(), 1, batch);
            built.iter().for_each(|b| std::fs::remove_file(&b.path).expect("the file"));
            built.len()
        });
    });
    group.finish();
}

fn build(c: &mut Criterion) {
    build_of(c, "roll to split", &batch(0, DOCS, access));
}

fn template(c: &mut Criterion) {
    let line = |n: u64| {
        let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let verb = ["accepted", "refused", "closed", "retried"][(mixed % 4) as usize];
        format!(
            r#"{{"message":"connection {n} from 10.2.{}.{} {verb} after {} ms, user=user-{} session={mixed:08x}"}}"#,
            mixed % 256,
            n % 256,
            mixed % 5000,
            n % 997,
        )
    };
    build_of(c, "texts to templates and slots", &batch(0, DOCS, line));
}

fn open(built: &BuiltSplit) -> (SplitMeta, Arc<SplitReader>) {
    let id = built.meta.id.clone();
    let object = MappedObject::new(id.clone(), Mapped::open(&built.path).expect("the file"));
    let chunks = Arc::new(ChunkCache::new(48 << 20));
    let reader = SplitReader::open(id, NODE, Arc::new(object), chunks).expect("a split");
    (built.meta.clone(), Arc::new(reader))
}

fn merging(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let batches: Vec<Arc<Batch>> = (0..8).map(|n| batch(n * DOCS, DOCS, access)).collect();
    let raw: u64 = batches.iter().map(|b| b.raw_bytes()).sum();
    let built: Vec<BuiltSplit> =
        (2u64..).zip(&batches).flat_map(|(seed, b)| build_all(dir.path(), seed, b)).collect();
    let settings = test_settings();
    let mut group = c.benchmark_group("merge");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(raw));
    group.bench_function("8 splits to 1", |b| {
        b.iter_batched(
            || built.iter().map(open).collect::<Vec<_>>(),
            |inputs| {
                let merge = |b: &Builder<'_>| merge(b, &inputs, &|| false).expect("a split");
                let merged = with_builder(&settings, dir.path(), 99, merge);
                std::fs::remove_file(&merged.path).expect("the file");
                merged.meta.object_bytes
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, build, template, merging);
criterion_main!(benches);
