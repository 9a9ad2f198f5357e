//! Which records stand for all? `sampler` and `diversified_sampler`: some of each segment, the newest
//! first; `random_sampler`: a share of all, the same share whatever the segments are.

use hashbrown::HashMap;
use index::read::RowSet;

use super::Planned;
use super::answer::Writer;
use super::keyed::RawKey;
use super::more::{At, More, Role};
use super::partial::Partial;
use super::rare::inner_of_single;
use crate::error::QueryError;
use crate::leaf::LeafError;
use crate::leaf::scan::{BLOCK_ROWS, for_each_block};
use crate::plan::Node;
use crate::request::{RandomSamplerAgg, SamplerAgg};
use crate::tree::Object;

/// Memory of a value that was seen, about, in bytes.
const SEEN_BYTES: usize = 48;

/// A planned `sampler` or `diversified_sampler`.
#[derive(Debug)]
pub(super) struct Sampler(pub(super) SamplerAgg);

impl Sampler {
    /// At most so many rows with the same value of a field.
    fn diverse(&self, at: &At<'_, '_>, (path, most): (&str, usize)) -> Result<RowSet, LeafError> {
        let mut field = at.field(path)?;
        let mut seen: HashMap<RawKey, usize> = HashMap::new();
        let mut out = RowSet::none(at.rows.docs());
        let mut left = self.0.shard_size;
        let mut newest = at.rows.iter_rev().peekable();
        let (mut block, mut values) = (Vec::new(), Vec::new());
        while newest.peek().is_some() && left > 0 {
            at.run().check()?;
            block.clear();
            block.extend(newest.by_ref().take(BLOCK_ROWS));
            block.sort_unstable();
            field.load(&block, &mut values)?;
            let mut values = values.iter().rev().peekable();
            for row in block.iter().rev() {
                let mut key = RawKey::Missing;
                while let Some((_, raw)) = values.next_if(|(of, _)| of >= row) {
                    key = RawKey::from(*raw);
                }
                let count = match seen.get_mut(&key) {
                    Some(count) => count,
                    None => {
                        at.run().charge(SEEN_BYTES)?;
                        seen.entry(key).or_default()
                    }
                };
                if *count < most && left > 0 {
                    *count += 1;
                    left -= 1;
                    out.insert(*row);
                }
            }
        }
        Ok(out)
    }
}

impl More for Sampler {
    fn role(&self) -> Role {
        Role::Single
    }

    fn reads<'p>(&'p self, fields: &mut Vec<&'p str>, _: &mut Vec<&'p Node>) {
        fields.extend(self.0.diverse.iter().map(|(path, _)| path.as_str()));
    }

    fn over(&self, at: &At<'_, '_>) -> Result<Option<Partial>, LeafError> {
        let rows = match &self.0.diverse {
            Some((path, most)) => self.diverse(at, (path, *most))?,
            None => {
                let mut rows = RowSet::none(at.rows.docs());
                at.rows.iter_rev().take(self.0.shard_size).for_each(|row| rows.insert(row));
                rows
            }
        };
        at.bucket_of(&rows).map(Some)
    }

    fn write(
        &self,
        writer: &mut Writer,
        planned: &Planned,
        partial: Partial,
        out: &mut Object,
    ) -> Result<(), QueryError> {
        writer.single(planned, partial, out)
    }
}

/// A planned `random_sampler`.
#[derive(Debug)]
pub(super) struct RandomSampler(pub(super) RandomSamplerAgg);

impl RandomSampler {
    /// Whether a record is in the sample.
    fn takes(&self, seq: u64) -> bool {
        let share = (self.0.probability * u64::MAX as f64) as u64;
        self.0.probability >= 1.0 || mixed(seq ^ mixed(self.0.seed as u64)) < share
    }
}

/// The output function of SplitMix64.
fn mixed(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

impl More for RandomSampler {
    fn role(&self) -> Role {
        Role::Single
    }

    fn reads<'p>(&'p self, _: &mut Vec<&'p str>, _: &mut Vec<&'p Node>) {}

    fn over(&self, at: &At<'_, '_>) -> Result<Option<Partial>, LeafError> {
        let mut sample = RowSet::none(at.rows.docs());
        for_each_block(at.rows, at.run(), |rows| {
            for row in rows {
                if self.takes(at.segment.seq(*row)?) {
                    sample.insert(*row);
                }
            }
            Ok(())
        })?;
        at.bucket_of(&sample).map(Some)
    }

    fn write(
        &self,
        writer: &mut Writer,
        planned: &Planned,
        partial: Partial,
        out: &mut Object,
    ) -> Result<(), QueryError> {
        let bucket = inner_of_single(partial);
        out.push("seed", self.0.seed);
        out.push("probability", self.0.probability);
        out.push("doc_count", bucket.docs);
        let scale = std::mem::replace(&mut writer.scale, 1.0 / self.0.probability);
        let written = writer.nested(&planned.subs, bucket, out);
        writer.scale = scale;
        written
    }
}
