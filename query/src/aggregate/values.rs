//! What number do a field's values make? Metrics, percentiles and cardinality.

use hashbrown::HashMap;

use super::cardinality::{Distinct, hash};
use super::collect::{Block, BlockValues, Collector};
use super::keyed::RawKey;
use super::partial::Partial;
use super::percentiles::Sketch;
use super::source::FieldValues;
use super::stats::Stats;
use crate::leaf::scan::OrdSet;
use crate::leaf::{LeafError, Run};
use crate::request::{Metric, MetricAgg};

/// `min`, `max`, `avg`, `sum`, `stats`, `extended_stats`, `value_count`.
pub struct Metrics<'a> {
    values: BlockValues<'a>,
    stats: Vec<Stats>,
    counts_all: bool,
    missing: Option<f64>,
    run: &'a Run,
}

impl<'a> Metrics<'a> {
    /// Over one segment.
    pub fn new(agg: &MetricAgg, field: FieldValues<'a>, run: &'a Run) -> Self {
        Self {
            values: BlockValues::new(field),
            stats: Vec::new(),
            counts_all: agg.metric == Metric::ValueCount,
            missing: agg.missing,
            run,
        }
    }
}

/// Makes room for a bucket above.
fn at<'v, T: Default + Clone>(
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

impl Collector for Metrics<'_> {
    fn collect(&mut self, block: &Block) -> Result<(), LeafError> {
        self.values.load(block)?;
        for (_, parent, values) in self.values.of_pairs(block) {
            let stats = at(&mut self.stats, parent, self.run)?;
            let before = stats.count;
            for (_, value) in values {
                match value.number() {
                    Some(number) => stats.add(number),
                    None if self.counts_all => stats.count += 1,
                    None => {}
                }
            }
            if let (true, Some(missing)) = (stats.count == before, self.missing) {
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

/// `percentiles`.
pub struct Percentiles<'a> {
    values: BlockValues<'a>,
    sketches: Vec<Sketch>,
    run: &'a Run,
}

impl<'a> Percentiles<'a> {
    /// Over one segment.
    pub fn new(field: FieldValues<'a>, run: &'a Run) -> Self {
        Self { values: BlockValues::new(field), sketches: Vec::new(), run }
    }
}

impl Collector for Percentiles<'_> {
    fn collect(&mut self, block: &Block) -> Result<(), LeafError> {
        self.values.load(block)?;
        let mut kept = 0;
        for (_, parent, values) in self.values.of_pairs(block) {
            let sketch = at(&mut self.sketches, parent, self.run)?;
            for number in values.iter().filter_map(|(_, v)| v.number()) {
                kept += usize::from(matches!(sketch, Sketch::Exact(_)));
                sketch.add(number);
            }
        }
        self.run.charge(kept * size_of::<f64>())
    }

    fn finish(&mut self, parents: usize) -> Result<Vec<Partial>, LeafError> {
        self.sketches.resize(parents, Sketch::default());
        Ok(std::mem::take(&mut self.sketches).into_iter().map(Partial::Percentiles).collect())
    }
}

/// `cardinality`.
pub struct Cardinality<'a> {
    values: BlockValues<'a>,
    distinct: Vec<Distinct>,
    /// The ordinals of the first bucket above, where strings have a dictionary.
    first: Option<OrdSet>,
    /// Buckets above by ordinal, otherwise.
    ords: HashMap<(u64, u32), ()>,
    run: &'a Run,
}

impl<'a> Cardinality<'a> {
    /// Over one segment.
    ///
    /// # Errors
    /// The memory limit is reached.
    pub fn new(field: FieldValues<'a>, run: &'a Run) -> Result<Self, LeafError> {
        run.charge(field.terms().unwrap_or(0) / 8)?;
        Ok(Self {
            first: field.ord_set(),
            values: BlockValues::new(field),
            distinct: Vec::new(),
            ords: HashMap::new(),
            run,
        })
    }
}

impl Collector for Cardinality<'_> {
    fn collect(&mut self, block: &Block) -> Result<(), LeafError> {
        self.values.load(block)?;
        let mut grown = 0;
        for (_, parent, values) in self.values.of_pairs(block) {
            for (_, value) in values {
                let hash = match (RawKey::from(*value), &mut self.first) {
                    (RawKey::Ord(ord), Some(first)) if parent == 0 => {
                        first.insert(ord);
                        continue;
                    }
                    (RawKey::Ord(ord), _) => {
                        grown += 24 * usize::from(self.ords.insert((ord, parent), ()).is_none());
                        continue;
                    }
                    (RawKey::Bool(v), _) => hash(1, &[u8::from(v)]),
                    (RawKey::Int(v), _) => hash(2, &v.to_le_bytes()),
                    (RawKey::Float(bits), _) => hash(3, &bits.to_le_bytes()),
                    (RawKey::Time(ns), _) => hash(4, &ns.to_le_bytes()),
                    (RawKey::Missing, _) => continue,
                };
                grown += 12 * usize::from(at(&mut self.distinct, parent, self.run)?.add(hash));
            }
        }
        self.run.charge(grown)
    }

    fn finish(&mut self, parents: usize) -> Result<Vec<Partial>, LeafError> {
        self.distinct.resize(parents, Distinct::default());
        let mut pairs: Vec<(u64, u32)> = self.ords.drain().map(|(pair, ())| pair).collect();
        if let Some(first) = &self.first {
            pairs.extend(first.iter().map(|ord| (ord, 0)));
        }
        self.run.charge(pairs.len() * 40)?;
        pairs.sort_unstable();
        let mut ords: Vec<u64> = pairs.iter().map(|p| p.0).collect();
        ords.dedup();
        let mut pairs = pairs.into_iter().peekable();
        let distinct = &mut self.distinct;
        self.values.field.texts(&ords, |ord, text| {
            let hash = hash(5, text.as_bytes());
            while let Some((_, parent)) = pairs.next_if(|p| p.0 == ord) {
                distinct[parent as usize].add(hash);
            }
        })?;
        Ok(std::mem::take(distinct).into_iter().map(Partial::Distinct).collect())
    }
}
