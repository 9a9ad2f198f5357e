//! Which combinations of values do rows have? Chains of numbers of keys, one for each part of a
//! combination.

use hashbrown::HashMap;

use super::collect::{Block, BlockValues};
use super::date::Times;
use super::key::Key;
use super::keyed::{Ids, RawKey, texts_of};
use super::rounding::Rounding;
use super::source::{FieldValues, Segment};
use crate::error::QueryError;
use crate::leaf::{LeafError, Run};

/// How the values of a field become keys.
#[derive(Debug)]
pub(super) enum By {
    /// As they are.
    Values,
    /// The numbers of the buckets of this width.
    Steps(f64),
    /// The starts of buckets of time.
    Times(Rounding),
}

/// One part of a combination.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) field: String,
    pub(super) by: By,
    /// Rows without a value have a key as well.
    pub(super) missing: bool,
}

/// The most combinations of one row.
const ROW_TUPLES_MAX: usize = 1 << 16;
/// Memory of a combination, about, in bytes.
const TUPLE_BYTES: usize = 64;

/// The keys of one part for a block of rows.
struct PartKeys<'a> {
    values: BlockValues<'a>,
    part: &'a Part,
    times: Times,
    /// The last bucket of time: most values lie in the same.
    last: (i64, i64),
    keys: Vec<RawKey>,
    /// Where the keys of each row end.
    ends: Vec<usize>,
}

impl<'a> PartKeys<'a> {
    fn load(&mut self, block: &Block, run: &Run) -> Result<(), LeafError> {
        self.values.load(block)?;
        if let By::Times(_) = self.part.by {
            self.times.parse_new(&self.values, block, run)?;
        }
        self.keys.clear();
        self.ends.clear();
        for (_, _, values) in self.values.of_pairs(block) {
            let from = self.keys.len();
            for (_, value) in values {
                let key = match &self.part.by {
                    By::Values => Some(RawKey::from(*value)),
                    By::Steps(width) => {
                        value.number().map(|v| RawKey::Int((v / width).floor() as i64))
                    }
                    By::Times(rounding) => self.times.of(*value).map(|ns| {
                        if ns < self.last.0 || ns >= self.last.1 {
                            self.last = rounding.bucket(ns);
                        }
                        RawKey::Time(self.last.0)
                    }),
                };
                if let Some(key) = key
                    && !self.keys[from..].contains(&key)
                {
                    self.keys.push(key);
                }
            }
            if self.keys.len() == from && self.part.missing {
                self.keys.push(RawKey::Missing);
            }
            self.ends.push(self.keys.len());
        }
        Ok(())
    }

    fn of(&self, at: usize) -> &[RawKey] {
        let from = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.keys[from..self.ends[at]]
    }
}

/// Numbers of combinations.
pub(super) struct Tuples<'a> {
    parts: Vec<PartKeys<'a>>,
    levels: Vec<Ids<'a>>,
    run: &'a Run,
    charged: usize,
    found: Vec<u32>,
    next: Vec<u32>,
}

impl<'a> Tuples<'a> {
    /// None yet.
    ///
    /// # Errors
    /// A column cannot be read.
    pub(super) fn open(parts: &'a [Part], segment: Segment<'a>) -> Result<Self, LeafError> {
        let run = segment.run();
        let open = |part: &'a Part| {
            let values = BlockValues::new(FieldValues::open(segment, &part.field)?);
            let (keys, ends) = (Vec::new(), Vec::new());
            Ok(PartKeys { values, part, times: Times::default(), last: (0, 0), keys, ends })
        };
        let parts = parts.iter().map(open).collect::<Result<Vec<_>, LeafError>>()?;
        let (found, next) = (Vec::new(), Vec::new());
        let mut out = Self { parts, levels: Vec::new(), run, charged: 0, found, next };
        out.clear();
        Ok(out)
    }

    /// Forgets all combinations.
    pub(super) fn clear(&mut self) {
        let level = |part: &PartKeys<'a>| Ids::new(part.values.field.terms(), self.run);
        self.levels = self.parts.iter().map(level).collect();
        self.run.release(std::mem::take(&mut self.charged));
    }

    /// Loads the values of a block.
    ///
    /// # Errors
    /// The split cannot be read, or a limit is reached.
    pub(super) fn load(&mut self, block: &Block) -> Result<(), LeafError> {
        self.parts.iter_mut().try_for_each(|part| part.load(block, self.run))
    }

    /// How many combinations there are.
    pub(super) fn len(&self) -> usize {
        self.levels.last().map_or(0, |level| level.keys.len())
    }

    /// The numbers of the combinations of the row at a position of the block, new ones too.
    ///
    /// # Errors
    /// A row has too many combinations, or the memory limit is reached.
    pub(super) fn ids(&mut self, at: usize, parent: u32) -> Result<&[u32], LeafError> {
        self.found.clear();
        self.found.push(parent);
        let before: usize = self.levels.iter().map(|level| level.keys.len()).sum();
        for (level, part) in self.levels.iter_mut().zip(&self.parts) {
            let keys = part.of(at);
            self.next.clear();
            if self.found.len().saturating_mul(keys.len()) > ROW_TUPLES_MAX {
                return Err(LeafError::Query(QueryError::illegal(format!(
                    "a document has more than {ROW_TUPLES_MAX} combinations of the values of \
                     these fields"
                ))));
            }
            for above in &self.found {
                for key in keys {
                    self.next.push(level.id(*above, *key)?);
                }
            }
            std::mem::swap(&mut self.found, &mut self.next);
        }
        let after: usize = self.levels.iter().map(|level| level.keys.len()).sum();
        if after > before {
            self.charged += (after - before) * TUPLE_BYTES;
            self.run.charge((after - before) * TUPLE_BYTES)?;
        }
        Ok(&self.found)
    }

    /// One of the numbers that were found last.
    pub(super) fn found(&self, at: usize) -> u32 {
        self.found[at]
    }

    /// The numbers of the combinations of the row at a position of the block that have one.
    pub(super) fn find(&mut self, at: usize, parent: u32) -> &[u32] {
        self.found.clear();
        self.found.push(parent);
        for (level, part) in self.levels.iter().zip(&self.parts) {
            self.next.clear();
            for above in &self.found {
                self.next.extend(part.of(at).iter().filter_map(|key| level.find(*above, *key)));
            }
            std::mem::swap(&mut self.found, &mut self.next);
        }
        &self.found
    }

    /// Gives a combination a number.
    ///
    /// # Errors
    /// The memory limit is reached.
    pub(super) fn insert(&mut self, keys: &[RawKey]) -> Result<u32, LeafError> {
        let mut id = 0;
        for (level, key) in self.levels.iter_mut().zip(keys) {
            id = level.id(id, *key)?;
        }
        Ok(id)
    }

    /// The bucket above of a combination, and its keys.
    pub(super) fn raw(&self, id: u32) -> (u32, Vec<RawKey>) {
        let mut at = id;
        let mut keys = Vec::with_capacity(self.levels.len());
        for level in self.levels.iter().rev() {
            let Some((above, key)) = level.keys.get(at as usize) else { break };
            keys.push(*key);
            at = *above;
        }
        keys.reverse();
        (at, keys)
    }

    /// The bucket above of each of some combinations, and its key; `missing` are the keys of no
    /// value.
    ///
    /// # Errors
    /// The memory limit is reached.
    pub(super) fn keys(
        &self,
        ids: impl Iterator<Item = u32>,
        missing: &[Option<Key>],
    ) -> Result<Vec<(u32, Key)>, LeafError> {
        let raw: Vec<(u32, Vec<RawKey>)> = ids.map(|id| self.raw(id)).collect();
        let mut texts: Vec<HashMap<u64, Box<str>>> = Vec::with_capacity(self.parts.len());
        for (at, part) in self.parts.iter().enumerate() {
            let keys = raw.iter().filter_map(|(_, keys)| keys.get(at).copied());
            texts.push(texts_of(keys, Some(&part.values.field), self.run)?);
        }
        let key = |(at, raw): (usize, &RawKey)| match raw {
            RawKey::Ord(ord) => Key::Str(texts[at].get(ord).cloned().unwrap_or_default()),
            raw => raw.plain(missing.get(at).and_then(Option::as_ref)).unwrap_or(Key::Null),
        };
        Ok(raw
            .iter()
            .map(|(parent, keys)| (*parent, Key::Tuple(keys.iter().enumerate().map(key).collect())))
            .collect())
    }
}
