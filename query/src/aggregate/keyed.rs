//! Which buckets by value? `terms` and `histogram`, and the table of keys that `date_histogram`
//! shares with them.

use hashbrown::HashMap;

use super::collect::{Block, BlockValues, Buckets, Collector};
use super::key::Key;
use super::partial::Partial;
use super::source::{FieldValues, Raw};
use crate::error::{ErrorKind, QueryError};
use crate::leaf::{LeafError, Run};
use crate::request::{HistogramAgg, TermsAgg};

/// A key while strings are ordinals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RawKey {
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// The bits of any other number.
    Float(u64),
    /// The ordinal of a string.
    Ord(u64),
    /// A time, nanoseconds.
    Time(i64),
    /// The key that stands for no value.
    Missing,
}

impl From<Raw> for RawKey {
    fn from(raw: Raw) -> Self {
        match raw {
            Raw::Bool(v) => RawKey::Bool(v),
            Raw::Int(v) => RawKey::Int(v),
            Raw::Float(v) => match Key::float(v) {
                Key::Int(v) => RawKey::Int(v),
                _ => RawKey::Float(v.to_bits()),
            },
            Raw::Ord(v) => RawKey::Ord(v),
            // Buckets of single times are buckets of milliseconds.
            Raw::Time(ns) => RawKey::Time(ns - ns.rem_euclid(model::time::NS_PER_MS)),
        }
    }
}

/// The largest dictionary that gets a table by ordinal, in terms.
const TABLE_TERMS_MAX: usize = 1 << 20;

/// Buckets by key, for every bucket of the aggregation above.
pub struct KeyTable<'a> {
    ids: HashMap<(u32, RawKey), u32>,
    /// Bucket + 1 by ordinal, for the first bucket above only.
    by_ord: Vec<u32>,
    keys: Vec<(u32, RawKey)>,
    /// The buckets.
    pub buckets: Buckets<'a>,
    run: &'a Run,
}

impl<'a> KeyTable<'a> {
    /// An empty table.
    pub fn new(buckets: Buckets<'a>, run: &'a Run) -> Self {
        Self { ids: HashMap::new(), by_ord: Vec::new(), keys: Vec::new(), buckets, run }
    }

    fn with_ords(mut self, terms: Option<usize>) -> Result<Self, LeafError> {
        if let Some(terms) = terms.filter(|t| *t <= TABLE_TERMS_MAX) {
            self.run.charge(terms * 4)?;
            self.by_ord = vec![0; terms];
        }
        Ok(self)
    }

    /// The bucket of a key in a bucket above.
    ///
    /// # Errors
    /// The memory limit is reached.
    pub fn bucket(&mut self, parent: u32, key: RawKey) -> Result<u32, LeafError> {
        if let (0, RawKey::Ord(ord)) = (parent, key)
            && let Some(id) = self.by_ord.get(ord as usize)
        {
            if *id > 0 {
                return Ok(*id - 1);
            }
            let id = self.new_bucket(parent, key)?;
            self.by_ord[ord as usize] = id + 1;
            return Ok(id);
        }
        if let Some(id) = self.ids.get(&(parent, key)) {
            return Ok(*id);
        }
        let id = self.new_bucket(parent, key)?;
        self.ids.insert((parent, key), id);
        Ok(id)
    }

    fn new_bucket(&mut self, parent: u32, key: RawKey) -> Result<u32, LeafError> {
        let id = self.keys.len() as u32;
        self.keys.push((parent, key));
        self.buckets.grow(self.keys.len())?;
        Ok(id)
    }

    /// Fails when one bucket above has certainly more than `buckets_max` in it.
    ///
    /// # Errors
    /// `TooManyBuckets`.
    pub fn check_count(&self, parents: u32) -> Result<(), LeafError> {
        let most = self.run.buckets_max.saturating_mul(parents as usize + 1);
        if self.keys.len() > most {
            return Err(LeafError::Query(too_many_buckets(self.run.buckets_max)));
        }
        Ok(())
    }

    /// The finished buckets of each bucket above.
    ///
    /// # Errors
    /// The split cannot be read, or a limit is reached.
    pub fn finish(
        &mut self,
        parents: usize,
        field: Option<&FieldValues<'_>>,
        missing: Option<&Key>,
    ) -> Result<Vec<Partial>, LeafError> {
        let buckets = self.buckets.finish()?;
        let keys = std::mem::take(&mut self.keys);
        let mut ords: Vec<u64> = keys
            .iter()
            .filter_map(|(_, key)| if let RawKey::Ord(ord) = key { Some(*ord) } else { None })
            .collect();
        ords.sort_unstable();
        ords.dedup();
        let mut texts: HashMap<u64, Box<str>> = HashMap::with_capacity(ords.len());
        if let Some(field) = field {
            let mut bytes = 0;
            field.texts(&ords, |ord, text| {
                bytes += text.len() + 48;
                texts.insert(ord, text.into());
            })?;
            self.run.charge(bytes)?;
        }
        let mut out: Vec<HashMap<Key, super::partial::Bucket>> =
            (0..parents).map(|_| HashMap::new()).collect();
        for ((parent, key), bucket) in keys.into_iter().zip(buckets) {
            let key = match key {
                RawKey::Bool(v) => Key::Bool(v),
                RawKey::Int(v) => Key::Int(v),
                RawKey::Float(bits) => Key::Float(bits),
                RawKey::Time(ns) => Key::Time(ns),
                RawKey::Ord(ord) => Key::Str(texts.get(&ord).cloned().unwrap_or_default()),
                RawKey::Missing => missing.cloned().unwrap_or(Key::Str("".into())),
            };
            // The stand-in for no value can be a value as well.
            out[parent as usize].entry(key).or_default().merge(bucket);
        }
        Ok(out.into_iter().map(Partial::Keyed).collect())
    }
}

/// The error of too many buckets.
pub fn too_many_buckets(buckets_max: usize) -> QueryError {
    QueryError::of(
        ErrorKind::TooManyBuckets,
        format!(
            "the aggregations would make more than {buckets_max} buckets (`query.buckets_max`); \
             use a wider interval or a shorter time"
        ),
    )
}

/// `terms`.
pub struct Terms<'a> {
    values: BlockValues<'a>,
    table: KeyTable<'a>,
    missing: Option<Key>,
    chosen: Vec<u32>,
}

impl<'a> Terms<'a> {
    /// Over one segment.
    ///
    /// # Errors
    /// The memory limit is reached.
    pub fn new(
        agg: &TermsAgg,
        field: FieldValues<'a>,
        buckets: Buckets<'a>,
        run: &'a Run,
    ) -> Result<Self, LeafError> {
        let table = KeyTable::new(buckets, run).with_ords(field.terms())?;
        Ok(Self {
            values: BlockValues::new(field),
            table,
            missing: agg.missing.as_ref().map(Key::of_json),
            chosen: Vec::new(),
        })
    }
}

impl Collector for Terms<'_> {
    fn collect(&mut self, block: &Block) -> Result<(), LeafError> {
        self.values.load(block)?;
        for (row, parent, values) in self.values.of_pairs(block) {
            if let [(_, value)] = values {
                let bucket = self.table.bucket(parent, (*value).into())?;
                self.table.buckets.add(row, bucket)?;
                continue;
            }
            self.chosen.clear();
            if values.is_empty() && self.missing.is_some() {
                self.chosen.push(self.table.bucket(parent, RawKey::Missing)?);
            }
            for (_, value) in values {
                let bucket = self.table.bucket(parent, (*value).into())?;
                // A record counts once in a bucket, however often it has the value.
                if !self.chosen.contains(&bucket) {
                    self.chosen.push(bucket);
                }
            }
            for bucket in &self.chosen {
                self.table.buckets.add(row, *bucket)?;
            }
        }
        self.table.buckets.flush()
    }

    fn finish(&mut self, parents: usize) -> Result<Vec<Partial>, LeafError> {
        self.table.finish(parents, Some(&self.values.field), self.missing.as_ref())
    }
}

/// `histogram`: keys are the numbers of the buckets, counted from the offset.
pub struct Histogram<'a> {
    values: BlockValues<'a>,
    table: KeyTable<'a>,
    interval: f64,
    offset: f64,
    chosen: Vec<u32>,
}

impl<'a> Histogram<'a> {
    /// Over one segment.
    pub fn new(
        agg: &HistogramAgg,
        field: FieldValues<'a>,
        buckets: Buckets<'a>,
        run: &'a Run,
    ) -> Self {
        Self {
            values: BlockValues::new(field),
            table: KeyTable::new(buckets, run),
            interval: agg.interval,
            offset: agg.offset,
            chosen: Vec::new(),
        }
    }
}

impl Collector for Histogram<'_> {
    fn collect(&mut self, block: &Block) -> Result<(), LeafError> {
        self.values.load(block)?;
        let mut parents = 0;
        for (row, parent, values) in self.values.of_pairs(block) {
            parents = parents.max(parent);
            self.chosen.clear();
            for (_, value) in values {
                let Some(number) = value.number() else { continue };
                let at = ((number - self.offset) / self.interval).floor();
                let bucket = self.table.bucket(parent, RawKey::Int(at as i64))?;
                if !self.chosen.contains(&bucket) {
                    self.chosen.push(bucket);
                }
            }
            for bucket in &self.chosen {
                self.table.buckets.add(row, *bucket)?;
            }
        }
        self.table.check_count(parents)?;
        self.table.buckets.flush()
    }

    fn finish(&mut self, parents: usize) -> Result<Vec<Partial>, LeafError> {
        self.table.finish(parents, None, None)
    }
}
