//! What number do a field's values make? Metrics, distributions and cardinality.

use hashbrown::HashSet;
use index::read::{Column, Values};
use serde_json::Value as Json;

use super::cardinality::{Distinct, hash_text};
use super::collect::{Block, BlockValues, Collector, distinct, each_pair};
use super::key::Key;
use super::keyed::RawKey;
use super::numbers::BlockNumbers;
use super::partial::Partial;
use super::percentiles::Sketch;
use super::source::{Dict, FieldValues};
use super::stats::Stats;
use crate::leaf::{LeafError, Run};

/// The most bits of a table of ordinals.
const TABLE_BITS_MAX: usize = 1 << 26;

/// Makes room for a bucket above.
pub(super) fn at<'v, T: Default + Clone>(
    list: &'v mut Vec<T>,
    parent: u32,
    run: &Run,
) -> Result<&'v mut T, LeafError> {
    let wanted = parent as usize + 1;
    if list.len() < wanted {
        run.charge((wanted - list.len()) * size_of::<T>())?;
        list.resize(wanted, T::default());
    }
    Ok(&mut list[parent as usize])
}

/// `min`, `max`, `avg`, `sum`, `stats`, `extended_stats`.
pub struct Metrics<'a> {
    values: BlockNumbers<'a>,
    stats: Vec<Stats>,
    run: &'a Run,
}

impl<'a> Metrics<'a> {
    /// Over one segment.
    pub fn new(values: BlockNumbers<'a>, run: &'a Run) -> Self {
        Self { values, stats: Vec::new(), run }
    }
}

impl Collector for Metrics<'_> {
    fn collect(&mut self, block: &Block) -> Result<(), LeafError> {
        let (stats, run) = (&mut self.stats, self.run);
        each_pair(block, self.values.load(block)?, |_, parent, numbers| {
            let stats = at(stats, parent, run)?;
            numbers.iter().for_each(|number| stats.add(*number));
            Ok(())
        })
    }

    fn finish(&mut self, parents: usize) -> Result<Vec<Partial>, LeafError> {
        self.stats.resize(parents, Stats::default());
        Ok(std::mem::take(&mut self.stats).into_iter().map(Partial::Stats).collect())
    }
}

/// `value_count`: values of every kind.
pub struct ValueCount<'a> {
    values: BlockValues<'a>,
    stats: Vec<Stats>,
    missing: Option<f64>,
    run: &'a Run,
}

impl<'a> ValueCount<'a> {
    /// Over one segment.
    pub fn new(field: FieldValues<'a>, missing: Option<f64>, run: &'a Run) -> Self {
        let values = BlockValues::new(field);
        Self { values, stats: Vec::new(), missing, run }
    }
}

impl Collector for ValueCount<'_> {
    fn collect(&mut self, block: &Block) -> Result<(), LeafError> {
        self.values.load(block)?;
        for (_, parent, values) in self.values.of_pairs(block) {
            let stats = at(&mut self.stats, parent, self.run)?;
            stats.count += values.len() as u64;
            if let (true, Some(missing)) = (values.is_empty(), self.missing) {
                stats.add(missing);
            }
        }
        Ok(())
    }

    fn finish(&mut self, parents: usize) -> Result<Vec<Partial>, LeafError> {
        self.stats.resize(parents, Stats::default());
        Ok(std::mem::take(&mut self.stats).into_iter().map(Partial::Stats).collect())
    }
}

/// `percentiles` and what else needs a distribution.
pub struct Percentiles<'a> {
    values: BlockNumbers<'a>,
    sketches: Vec<Sketch>,
    run: &'a Run,
}

impl<'a> Percentiles<'a> {
    /// Over one segment.
    pub fn new(values: BlockNumbers<'a>, run: &'a Run) -> Self {
        Self { values, sketches: Vec::new(), run }
    }
}

impl Collector for Percentiles<'_> {
    fn collect(&mut self, block: &Block) -> Result<(), LeafError> {
        let (sketches, run) = (&mut self.sketches, self.run);
        let mut grown = 0;
        each_pair(block, self.values.load(block)?, |_, parent, numbers| {
            let sketch = at(sketches, parent, run)?;
            numbers.iter().for_each(|number| grown += sketch.add(*number));
            Ok(())
        })?;
        self.run.charge(grown)
    }

    fn finish(&mut self, parents: usize) -> Result<Vec<Partial>, LeafError> {
        self.sketches.resize(parents, Sketch::default());
        Ok(std::mem::take(&mut self.sketches).into_iter().map(Partial::Percentiles).collect())
    }
}

/// `cardinality`.
pub struct Cardinality<'a> {
    field: FieldValues<'a>,
    rows: Vec<u32>,
    hashes: Vec<(u32, u64)>,
    values: Values<u64>,
    distinct: Vec<Distinct>,
    /// The hash of what stands for no value.
    missing: Option<u64>,
    run: &'a Run,
}

impl<'a> Cardinality<'a> {
    /// Over one segment.
    pub fn new(field: FieldValues<'a>, missing: Option<&Json>, run: &'a Run) -> Self {
        let (rows, hashes, values) = (Vec::new(), Vec::new(), Values::default());
        let missing = missing.map(|value| match Key::of_json(value) {
            Key::Bool(v) => RawKey::Bool(v).hash(),
            Key::Int(v) => RawKey::Int(v).hash(),
            Key::Float(bits) => RawKey::Float(bits).hash(),
            Key::Time(ns) => RawKey::Time(ns).hash(),
            Key::Str(text) => Some(hash_text(text.as_bytes())),
            Key::Null | Key::Tuple(_) => None,
        });
        let missing = missing.flatten();
        Self { field, rows, hashes, values, distinct: Vec::new(), missing, run }
    }
}

impl Collector for Cardinality<'_> {
    fn collect(&mut self, block: &Block) -> Result<(), LeafError> {
        distinct(&block.rows, &mut self.rows);
        self.field.load_hashes(&self.rows, &mut self.hashes)?;
        self.values.rows.clear();
        self.values.values.clear();
        self.values.rows.extend(self.hashes.iter().map(|h| h.0));
        self.values.values.extend(self.hashes.iter().map(|h| h.1));
        let (sets, run, missing) = (&mut self.distinct, self.run, self.missing);
        let mut grown = 0;
        each_pair(block, &self.values, |_, parent, hashes| {
            let set = at(sets, parent, run)?;
            hashes.iter().for_each(|hash| grown += set.add(*hash));
            if let (true, Some(missing)) = (hashes.is_empty(), missing) {
                grown += set.add(missing);
            }
            Ok(())
        })?;
        self.run.charge(grown)
    }

    fn finish(&mut self, parents: usize) -> Result<Vec<Partial>, LeafError> {
        self.distinct.resize(parents, Distinct::default());
        Ok(std::mem::take(&mut self.distinct).into_iter().map(Partial::Distinct).collect())
    }
}

/// `cardinality` of strings with a dictionary: the ordinals are noted, their texts hashed once.
pub struct OrdCardinality<'a> {
    dict: Dict,
    rows: Vec<u32>,
    ords: Values<u32>,
    /// A bit for each bucket above and ordinal, as far as it goes.
    seen: Vec<u64>,
    /// Ordinals and buckets above beyond that.
    more: HashSet<(u32, u32)>,
    run: &'a Run,
}

impl<'a> OrdCardinality<'a> {
    /// Over one split.
    pub fn new(dict: Dict, run: &'a Run) -> Self {
        let (rows, ords) = (Vec::new(), Values::default());
        Self { dict, rows, ords, seen: Vec::new(), more: HashSet::new(), run }
    }

    fn words(&self) -> usize {
        self.dict.dictionary.len().div_ceil(64)
    }

    fn note(&mut self, parent: u32, ord: u32) -> Result<(), LeafError> {
        let words = self.words();
        let end = words.saturating_mul(parent as usize + 1);
        if end > TABLE_BITS_MAX / 64 {
            if self.more.insert((ord, parent)) {
                self.run.charge(12)?;
            }
            return Ok(());
        }
        if end > self.seen.len() {
            self.run.charge((end - self.seen.len()) * 8)?;
            self.seen.resize(end, 0);
        }
        if let Some(word) = self.seen.get_mut(parent as usize * words + ord as usize / 64) {
            *word |= 1 << (ord % 64);
        }
        Ok(())
    }
}

impl Collector for OrdCardinality<'_> {
    fn collect(&mut self, block: &Block) -> Result<(), LeafError> {
        distinct(&block.rows, &mut self.rows);
        let mut ords = std::mem::take(&mut self.ords);
        ords.rows.clear();
        ords.values.clear();
        Column::ords(&self.dict.column, &self.rows, &mut ords)?;
        let done = each_pair(block, &ords, |_, parent, ords| {
            ords.iter().try_for_each(|ord| self.note(parent, *ord))
        });
        self.ords = ords;
        done
    }

    fn finish(&mut self, parents: usize) -> Result<Vec<Partial>, LeafError> {
        let dictionary = &self.dict.dictionary;
        self.run.charge(dictionary.len() * 8)?;
        // 0 stands for a text that was not hashed yet.
        let mut hashes = vec![0u64; dictionary.len()];
        let mut hash = |ord: u32| match hashes.get_mut(ord as usize) {
            Some(hash) if *hash != 0 => *hash,
            Some(hash) => {
                *hash = hash_text(dictionary.get(ord));
                *hash
            }
            None => hash_text(dictionary.get(ord)),
        };
        let mut out = vec![Distinct::default(); parents];
        let mut grown = 0;
        let words = self.words().max(1);
        for (at, word) in self.seen.iter().enumerate().filter(|(_, word)| **word != 0) {
            let Some(set) = out.get_mut(at / words) else { continue };
            for bit in (0..64).filter(|bit| word >> bit & 1 == 1) {
                grown += set.add(hash((at % words * 64) as u32 + bit));
            }
        }
        for (ord, parent) in &self.more {
            if let Some(set) = out.get_mut(*parent as usize) {
                grown += set.add(hash(*ord));
            }
        }
        self.run.charge(grown)?;
        Ok(out.into_iter().map(Partial::Distinct).collect())
    }
}
