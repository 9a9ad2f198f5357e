//! Which buckets by value? `terms` and `histogram`, and the table of keys that `date_histogram`
//! shares with them.

use hashbrown::HashMap;
use index::read::{Column, Values};

use super::cardinality::hash;
use super::choice::{Chooser, Chosen};
use super::collect::{Block, BlockValues, Buckets, Collector, distinct, each_pair};
use super::key::Key;
use super::partial::{Bucket, Partial};
use super::source::{FieldValues, Raw};
use crate::error::{ErrorKind, QueryError};
use crate::leaf::{LeafError, Run};
use crate::request::HistogramAgg;

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

impl RawKey {
    /// A hash that is the same for the same value everywhere; strings are hashed by their text.
    pub fn hash(self) -> Option<u64> {
        match self {
            RawKey::Bool(v) => Some(hash(1, &[u8::from(v)])),
            RawKey::Int(v) => Some(hash(2, &v.to_le_bytes())),
            RawKey::Float(bits) => Some(hash(3, &bits.to_le_bytes())),
            RawKey::Time(ns) => Some(hash(4, &ns.to_le_bytes())),
            RawKey::Ord(_) | RawKey::Missing => None,
        }
    }

    /// The key, where it does not take a text to know it; `missing` is that of no value.
    pub fn plain(self, missing: Option<&Key>) -> Option<Key> {
        Some(match self {
            RawKey::Bool(v) => Key::Bool(v),
            RawKey::Int(v) => Key::Int(v),
            RawKey::Float(bits) => Key::Float(bits),
            RawKey::Time(ns) => Key::Time(ns),
            RawKey::Missing => missing.cloned().unwrap_or(Key::Null),
            RawKey::Ord(_) => return None,
        })
    }
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

/// The most entries of a table by ordinal.
const TABLE_ENTRIES_MAX: usize = 1 << 22;

/// Numbers of keys, for every bucket of the aggregation above.
pub struct Ids<'a> {
    ids: HashMap<(u32, RawKey), u32>,
    /// Strings of the dictionary, 0 without one.
    terms: usize,
    /// Number + 1 by bucket above and ordinal, as far as it goes.
    by_ord: Vec<u32>,
    /// The bucket above and the key of each.
    pub keys: Vec<(u32, RawKey)>,
    run: &'a Run,
}

impl<'a> Ids<'a> {
    /// None yet; `terms` of a dictionary give ordinals places of their own.
    pub fn new(terms: Option<usize>, run: &'a Run) -> Self {
        let (ids, terms) = (HashMap::new(), terms.unwrap_or(0));
        Self { ids, terms, by_ord: Vec::new(), keys: Vec::new(), run }
    }

    /// The number of a key in a bucket above, a new one if it has none.
    ///
    /// # Errors
    /// The memory limit is reached.
    pub fn id(&mut self, parent: u32, key: RawKey) -> Result<u32, LeafError> {
        if let RawKey::Ord(ord) = key
            && let Some(place) = self.place(parent, ord)?
        {
            let id = self.by_ord[place];
            if id > 0 {
                return Ok(id - 1);
            }
            let id = self.push(parent, key);
            self.by_ord[place] = id + 1;
            return Ok(id);
        }
        if let Some(id) = self.ids.get(&(parent, key)) {
            return Ok(*id);
        }
        let id = self.push(parent, key);
        self.ids.insert((parent, key), id);
        Ok(id)
    }

    /// The number of a key in a bucket above, if it has one.
    pub fn find(&self, parent: u32, key: RawKey) -> Option<u32> {
        if let RawKey::Ord(ord) = key
            && (ord as usize) < self.terms
            && self.terms.saturating_mul(parent as usize + 1) <= TABLE_ENTRIES_MAX
        {
            let id = *self.by_ord.get(parent as usize * self.terms + ord as usize)?;
            return id.checked_sub(1);
        }
        self.ids.get(&(parent, key)).copied()
    }

    /// The place of an ordinal in the table, unless it is beyond.
    fn place(&mut self, parent: u32, ord: u64) -> Result<Option<usize>, LeafError> {
        let (parent, ord) = (parent as usize, ord as usize);
        let end = self.terms.saturating_mul(parent + 1);
        if ord >= self.terms || end > TABLE_ENTRIES_MAX {
            return Ok(None);
        }
        if end > self.by_ord.len() {
            self.run.charge((end - self.by_ord.len()) * size_of::<u32>())?;
            self.by_ord.resize(end, 0);
        }
        Ok(Some(parent * self.terms + ord))
    }

    fn push(&mut self, parent: u32, key: RawKey) -> u32 {
        let id = self.keys.len() as u32;
        self.keys.push((parent, key));
        id
    }
}

/// Where the texts of ordinals are.
pub trait Texts {
    /// Calls `visit` with the text of each ordinal.
    fn each(&self, ords: &[u64], visit: &mut dyn FnMut(u64, &str));
}

impl Texts for FieldValues<'_> {
    fn each(&self, ords: &[u64], visit: &mut dyn FnMut(u64, &str)) {
        self.texts(ords, visit);
    }
}

/// Buckets by key, for every bucket of the aggregation above.
pub struct KeyTable<'a> {
    ids: Ids<'a>,
    /// The buckets.
    pub buckets: Buckets<'a>,
    run: &'a Run,
}

impl<'a> KeyTable<'a> {
    /// An empty table; `terms` of a dictionary give ordinals places of their own.
    pub fn new(buckets: Buckets<'a>, terms: Option<usize>, run: &'a Run) -> Self {
        Self { ids: Ids::new(terms, run), buckets, run }
    }

    /// The bucket of a key in a bucket above.
    ///
    /// # Errors
    /// The memory limit is reached.
    pub fn bucket(&mut self, parent: u32, key: RawKey) -> Result<u32, LeafError> {
        let id = self.ids.id(parent, key)?;
        self.buckets.grow(self.ids.keys.len())?;
        Ok(id)
    }

    /// Fails when one bucket above has certainly more than `buckets_max` in it.
    ///
    /// # Errors
    /// `TooManyBuckets`.
    pub fn check_count(&self, parents: u32) -> Result<(), LeafError> {
        let most = self.run.buckets_max.saturating_mul(parents as usize + 1);
        if self.ids.keys.len() > most {
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
        texts: Option<&dyn Texts>,
        missing: Option<&Key>,
    ) -> Result<Vec<Partial>, LeafError> {
        let mut out: Vec<HashMap<Key, Bucket>> = (0..parents).map(|_| HashMap::new()).collect();
        for (parent, key, bucket) in self.finish_list(texts, missing)? {
            // The stand-in for no value can be a value as well.
            out[parent as usize].entry(key).or_default().merge(bucket);
        }
        Ok(out.into_iter().map(Partial::Keyed).collect())
    }

    /// The finished buckets, each with the bucket above it and its key.
    ///
    /// # Errors
    /// The split cannot be read, or a limit is reached.
    pub fn finish_list(
        &mut self,
        texts: Option<&dyn Texts>,
        missing: Option<&Key>,
    ) -> Result<Vec<(u32, Key, Bucket)>, LeafError> {
        let buckets = self.buckets.finish()?;
        let keys = std::mem::take(&mut self.ids.keys);
        let named = texts_of(keys.iter().map(|(_, key)| *key), texts, self.run)?;
        let key = |key: RawKey| match key {
            RawKey::Ord(ord) => Key::Str(named.get(&ord).cloned().unwrap_or_default()),
            key => key.plain(missing).unwrap_or(Key::Null),
        };
        let list = keys.into_iter().zip(buckets);
        Ok(list.map(|((parent, raw), bucket)| (parent, key(raw), bucket)).collect())
    }
}

/// The texts of the ordinals among keys.
///
/// # Errors
/// The memory limit is reached.
pub fn texts_of(
    keys: impl Iterator<Item = RawKey>,
    texts: Option<&dyn Texts>,
    run: &Run,
) -> Result<HashMap<u64, Box<str>>, LeafError> {
    let ord = |key: RawKey| if let RawKey::Ord(ord) = key { Some(ord) } else { None };
    let mut ords: Vec<u64> = keys.filter_map(ord).collect();
    ords.sort_unstable();
    ords.dedup();
    let mut out: HashMap<u64, Box<str>> = HashMap::with_capacity(ords.len());
    if let Some(texts) = texts {
        let mut bytes = 0;
        texts.each(&ords, &mut |ord, text| {
            bytes += text.len() + 48;
            out.insert(ord, text.into());
        });
        run.charge(bytes)?;
    }
    Ok(out)
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
    choice: Option<Chosen<'a>>,
    chosen: Vec<u32>,
    rows: Vec<u32>,
    ords: Values<u32>,
}

impl<'a> Terms<'a> {
    /// Over one segment.
    pub fn new(
        (choice, missing): (Option<&'a Chooser>, Option<Key>),
        field: FieldValues<'a>,
        buckets: Buckets<'a>,
        run: &'a Run,
    ) -> Self {
        Self {
            table: KeyTable::new(buckets, field.terms(), run),
            values: BlockValues::new(field),
            missing,
            choice: choice.map(|chooser| Chosen::new(chooser, run)),
            chosen: Vec::new(),
            rows: Vec::new(),
            ords: Values::default(),
        }
    }

    fn collect_ords(&mut self, block: &Block, column: &Column) -> Result<(), LeafError> {
        distinct(&block.rows, &mut self.rows);
        self.ords.rows.clear();
        self.ords.values.clear();
        column.ords(&self.rows, &mut self.ords)?;
        let (table, chosen) = (&mut self.table, &mut self.chosen);
        let missing = self.missing.is_some();
        each_pair(block, &self.ords, |row, parent, ords| {
            if let [ord] = ords {
                let bucket = table.bucket(parent, RawKey::Ord(u64::from(*ord)))?;
                return table.buckets.add(row, bucket);
            }
            let keys = ords.iter().map(|ord| RawKey::Ord(u64::from(*ord)));
            add_once(table, chosen, (row, parent), keys, missing)
        })
    }

    fn collect_values(&mut self, block: &Block) -> Result<(), LeafError> {
        self.values.load(block)?;
        let (table, chosen) = (&mut self.table, &mut self.chosen);
        let (field, missing) = (&self.values.field, self.missing.as_ref());
        for (row, parent, values) in self.values.of_pairs(block) {
            let keys = values.iter().map(|(_, value)| RawKey::from(*value));
            let Some(choice) = &mut self.choice else {
                add_once(table, chosen, (row, parent), keys, missing.is_some())?;
                continue;
            };
            let none = values.is_empty() && missing.is_some();
            let mut taken = Vec::new();
            for key in keys.chain(none.then_some(RawKey::Missing)) {
                if choice.takes(key, (field, missing))? {
                    taken.push(key);
                }
            }
            add_once(table, chosen, (row, parent), taken.into_iter(), false)?;
        }
        Ok(())
    }
}

/// Puts a row into the bucket of each key, once however often it has the key; without a key into
/// that of no value, where it is `missing`.
fn add_once(
    table: &mut KeyTable<'_>,
    chosen: &mut Vec<u32>,
    (row, parent): (u32, u32),
    keys: impl Iterator<Item = RawKey>,
    missing: bool,
) -> Result<(), LeafError> {
    chosen.clear();
    let mut none = true;
    for key in keys {
        none = false;
        let bucket = table.bucket(parent, key)?;
        if !chosen.contains(&bucket) {
            chosen.push(bucket);
        }
    }
    if none && missing {
        chosen.push(table.bucket(parent, RawKey::Missing)?);
    }
    chosen.iter().try_for_each(|bucket| table.buckets.add(row, *bucket))
}

impl Collector for Terms<'_> {
    fn collect(&mut self, block: &Block) -> Result<(), LeafError> {
        match self.values.field.dict().map(|dict| dict.column.clone()) {
            Some(column) if self.choice.is_none() => self.collect_ords(block, &column)?,
            _ => self.collect_values(block)?,
        }
        self.table.buckets.flush()
    }

    fn finish(&mut self, parents: usize) -> Result<Vec<Partial>, LeafError> {
        self.table.finish(parents, Some(&self.values.field as &dyn Texts), self.missing.as_ref())
    }
}

/// `histogram`: keys are the numbers of the buckets, counted from the offset.
pub struct Histogram<'a> {
    values: FieldValues<'a>,
    rows: Vec<u32>,
    numbers: Values<f64>,
    table: KeyTable<'a>,
    agg: &'a HistogramAgg,
    chosen: Vec<u32>,
}

impl<'a> Histogram<'a> {
    /// Over one segment.
    pub fn new(
        agg: &'a HistogramAgg,
        field: FieldValues<'a>,
        buckets: Buckets<'a>,
        run: &'a Run,
    ) -> Self {
        Self {
            values: field,
            rows: Vec::new(),
            numbers: Values::default(),
            table: KeyTable::new(buckets, None, run),
            agg,
            chosen: Vec::new(),
        }
    }
}

impl Collector for Histogram<'_> {
    fn collect(&mut self, block: &Block) -> Result<(), LeafError> {
        distinct(&block.rows, &mut self.rows);
        self.values.load_numbers(&self.rows, &mut self.numbers)?;
        let mut parents = 0;
        let (table, chosen) = (&mut self.table, &mut self.chosen);
        let (interval, offset) = (self.agg.interval, self.agg.offset);
        let (bounds, missing) = (self.agg.hard_bounds, self.agg.missing);
        each_pair(block, &self.numbers, |row, parent, numbers| {
            parents = parents.max(parent);
            let step = |number: &f64| ((number - offset) / interval).floor() as i64;
            let inside = |step: &i64| {
                let key = *step as f64 * interval;
                bounds.is_none_or(|(from, to)| from <= key && key <= to)
            };
            let missing = missing.filter(|_| numbers.is_empty());
            let keys = numbers.iter().chain(&missing).map(step).filter(inside).map(RawKey::Int);
            add_once(table, chosen, (row, parent), keys, false)
        })?;
        self.table.check_count(parents)?;
        self.table.buckets.flush()
    }

    fn finish(&mut self, parents: usize) -> Result<Vec<Partial>, LeafError> {
        self.table.finish(parents, None, None)
    }
}
