//! How does a roll become published splits? Cut, built, stored, and made visible in one step.
//!
//! Order: build the files; note their names in the catalog; store the objects; publish splits and
//! checkpoint in one transaction; swap them for the live batches. A crash before the transaction
//! leaves garbage and the log; a crash after it leaves a log that is skipped up to the checkpoint.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use model::id::{NodeId, RecordSeq, SplitId, Tenant};
use model::time::Timestamp;
use platform::clock::Clock;
use platform::rng::{Rng, ulid};

use crate::build::{BuildError, BuiltSplit, Row, SplitBuilder, SplitSpec};
use crate::live::Roll;
use crate::read::{LiveBatch, Origin};
use crate::settings::{Retention, Settings};

/// A row of a roll: where its record is.
#[derive(Clone, Copy, Debug)]
struct RowPlace {
    timestamp: Timestamp,
    seq: RecordSeq,
    batch: u32,
    record: u32,
}

/// Records of one roll that belong into one split.
struct Part {
    tenant: Tenant,
    bucket: Timestamp,
    rows: Vec<RowPlace>,
}

/// What builds splits.
pub struct Builder<'a> {
    /// Settings of the index.
    pub settings: &'a Settings,
    /// Directory for unfinished files.
    pub staging: &'a Path,
    /// How many splits are built at once.
    pub threads: usize,
    /// Number of this node.
    pub node: NodeId,
    /// Time.
    pub clock: &'a dyn Clock,
    /// Chance for names.
    pub rng: &'a dyn Rng,
}

/// A part is divided among the threads when it holds at least so many bytes for each.
const PART_BYTES_MIN: u64 = 32 << 20;

impl Builder<'_> {
    /// Builds all splits of a roll.
    ///
    /// # Errors
    /// A file cannot be written; unfinished files are removed.
    pub fn build(&self, roll: &Roll) -> Result<Vec<BuiltSplit>, BuildError> {
        let parts = self.cut(roll);
        let id = SplitId::new(ulid(self.clock.now_ns(), self.rng));
        let origin = Origin {
            node: self.node,
            checkpoint: roll.checkpoint,
            roll: Some((id, parts.len() as u32)),
        };
        let next = std::sync::atomic::AtomicUsize::new(0);
        let mut results: Vec<Result<BuiltSplit, BuildError>> = Vec::new();
        std::thread::scope(|scope| {
            let work = || {
                let mut done = Vec::new();
                loop {
                    let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(part) = parts.get(at) else { return done };
                    done.push(self.build_part(roll, part, &origin));
                }
            };
            let others: Vec<_> =
                (1..self.threads.min(parts.len())).map(|_| scope.spawn(work)).collect();
            results.extend(work());
            for other in others {
                match other.join() {
                    Ok(done) => results.extend(done),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
        let failed = results.iter().position(Result::is_err);
        let Some(failed) = failed else { return results.into_iter().collect() };
        for built in results.iter().flatten() {
            let _ = std::fs::remove_file(&built.path);
        }
        results.swap_remove(failed).map(|_| Vec::new())
    }

    /// (tenant, retention, time bucket) → rows in order, divided among the threads.
    fn cut(&self, roll: &Roll) -> Vec<Part> {
        let width = self.bucket_width(roll);
        let mut groups: BTreeMap<(Tenant, Retention, i64), Vec<RowPlace>> = BTreeMap::new();
        for (at, live) in roll.batches.iter().enumerate() {
            let batch = &live.batch.batch;
            let kept: Vec<Retention> =
                batch.indexes().iter().map(|i| self.settings.retention.of(i)).collect();
            for (number, record) in batch.records().iter().enumerate() {
                let bucket = record.timestamp.0.div_euclid(width).saturating_mul(width);
                let key = (batch.tenant.clone(), kept[record.index as usize], bucket);
                groups.entry(key).or_default().push(RowPlace {
                    timestamp: record.timestamp,
                    seq: RecordSeq(live.batch.first_record.0 + number as u64),
                    batch: at as u32,
                    record: number as u32,
                });
            }
        }
        let total: usize = groups.values().map(Vec::len).sum();
        let raw: u64 = roll.batches.iter().map(|b| b.batch.batch.raw_bytes()).sum();
        let mut parts = Vec::new();
        for ((tenant, _, bucket), mut rows) in groups {
            rows.sort_unstable_by_key(|r| (r.timestamp, r.seq));
            let bytes = raw / total.max(1) as u64 * rows.len() as u64;
            let pieces = ((bytes / PART_BYTES_MIN) as usize).clamp(1, self.threads);
            for piece in rows.chunks(rows.len().div_ceil(pieces)) {
                parts.push(Part {
                    tenant: tenant.clone(),
                    bucket: Timestamp(bucket),
                    rows: piece.to_vec(),
                });
            }
        }
        parts
    }

    /// The bucket width, widened until the roll has few enough buckets.
    fn bucket_width(&self, roll: &Roll) -> i64 {
        let mut width = (self.settings.bucket_ms as i64).saturating_mul(1_000_000).max(1);
        loop {
            let mut buckets = std::collections::BTreeSet::new();
            for live in &roll.batches {
                for record in live.batch.batch.records() {
                    buckets.insert(record.timestamp.0.div_euclid(width));
                }
            }
            if buckets.len() <= self.settings.buckets_per_roll_max.max(2) || width > i64::MAX / 8 {
                return width;
            }
            width *= 8;
        }
    }

    fn build_part(
        &self,
        roll: &Roll,
        part: &Part,
        origin: &Origin,
    ) -> Result<BuiltSplit, BuildError> {
        let spec = self.spec(part.tenant.clone(), part.bucket, origin.clone());
        let batches: Vec<&Arc<LiveBatch>> = roll.batches.iter().collect();
        self.write(spec, |builder| {
            let maps: Vec<_> = batches.iter().map(|b| builder.map(&b.batch.batch)).collect();
            for place in &part.rows {
                let batch = &batches[place.batch as usize].batch.batch;
                let record = place.record as usize;
                builder.push(&Row {
                    batch,
                    record,
                    timestamp: place.timestamp,
                    seq: place.seq,
                    id: batch.records()[record].id.as_deref(),
                    map: &maps[place.batch as usize],
                })?;
            }
            Ok(())
        })
    }

    /// A new split's description.
    pub fn spec(&self, tenant: Tenant, bucket: Timestamp, origin: Origin) -> SplitSpec {
        let now = self.clock.now_ns();
        SplitSpec {
            id: SplitId::new(ulid(now, self.rng)),
            tenant,
            bucket,
            created: Timestamp(now),
            merges: 0,
            origin,
        }
    }

    /// Builds one file with the rows that `fill` pushes; removes it when that fails.
    ///
    /// # Errors
    /// What `fill` or the file system says.
    pub fn write(
        &self,
        spec: SplitSpec,
        fill: impl FnOnce(&mut SplitBuilder) -> Result<(), BuildError>,
    ) -> Result<BuiltSplit, BuildError> {
        let path = self.staging.join(format!("{}.split", spec.id));
        let build = || {
            let mut builder = SplitBuilder::create(spec, self.staging, self.settings)?;
            fill(&mut builder)?;
            builder.finish()
        };
        let built = build();
        if built.is_err() {
            let _ = std::fs::remove_file(path);
        }
        built
    }
}
