//! Which fields are there, and of what type? For mappings, field lists, and sort checks.
//!
//! Types are per value here; what is told is the widest type that an index has under a name. A
//! split never changes, so its list of fields is kept, in a few bytes a field.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use index::read::{FieldInfo, Snapshot, Split};
use model::id::SplitId;
use model::record::TIMESTAMP_FIELD;

use super::error::ApiError;

/// Elasticsearch's names of the types of values, the narrowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FieldType {
    Boolean,
    Long,
    Double,
    Keyword,
    Text,
    Date,
}

const TYPES: [FieldType; 6] = [
    FieldType::Boolean,
    FieldType::Long,
    FieldType::Double,
    FieldType::Keyword,
    FieldType::Text,
    FieldType::Date,
];

impl FieldType {
    pub(super) fn name(self) -> &'static str {
        match self {
            FieldType::Boolean => "boolean",
            FieldType::Long => "long",
            FieldType::Double => "double",
            FieldType::Keyword => "keyword",
            FieldType::Text => "text",
            FieldType::Date => "date",
        }
    }

    /// The widest type of a field's values; `None` when all are null.
    fn of(field: &FieldInfo, text_fields: &[String]) -> Option<Self> {
        let text = text_fields.contains(&field.path);
        if field.path == TIMESTAMP_FIELD {
            return Some(FieldType::Date);
        }
        [
            (field.strings > 0 && text, FieldType::Text),
            (field.strings > 0, FieldType::Keyword),
            (field.floats > 0, FieldType::Double),
            (field.ints > 0, FieldType::Long),
            (field.bools > 0, FieldType::Boolean),
        ]
        .into_iter()
        .find_map(|(has, ty)| has.then_some(ty))
    }
}

/// Indexes by their number, one bit each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    pub(super) fn new(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    pub(super) fn set(&mut self, at: usize) {
        self.0[at / 64] |= 1 << (at % 64);
    }

    pub(super) fn has(&self, at: usize) -> bool {
        self.0.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(super) fn add(&mut self, other: &Bits) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a |= b);
    }

    pub(super) fn take_out(&mut self, other: &Bits) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a &= !b);
    }

    pub(super) fn each(&self, count: usize) -> impl Iterator<Item = usize> + '_ {
        (0..count).filter(|at| self.has(*at))
    }
}

/// The fields of a split.
#[derive(Debug)]
struct SplitFields {
    /// Number of the path, type, and number of the set of indexes.
    fields: Vec<(u32, FieldType, u32)>,
    /// Sets of positions in the split's list of indexes.
    sets: Vec<Vec<u32>>,
}

#[derive(Debug, Default)]
struct Kept {
    numbers: HashMap<Arc<str>, u32>,
    paths: Vec<Arc<str>>,
    splits: HashMap<SplitId, Arc<SplitFields>>,
    bytes: usize,
}

/// The fields of splits, kept within a number of bytes.
#[derive(Debug, Default)]
pub struct FieldCache(Mutex<Arc<Mutex<Kept>>>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FieldCache {
    /// What is kept, for one request. When it is too much, or much of it is of splits that are
    /// gone, all is forgotten; requests that run go on with what they hold.
    fn current(&self, snapshot: &Snapshot) -> Arc<Mutex<Kept>> {
        let mut current = lock(&self.0);
        let full = {
            let kept = lock(&current);
            kept.bytes > BYTES_MAX || kept.splits.len() > 2 * snapshot.splits.len() + 64
        };
        if full {
            *current = Arc::default();
        }
        current.clone()
    }
}

/// The fields of a split; opens it, without holding a lock, if they are not known.
fn of_split(
    kept: &Mutex<Kept>,
    split: &Split,
    text_fields: &[String],
) -> Result<Arc<SplitFields>, String> {
    let id = &split.meta().id;
    if let Some(known) = lock(kept).splits.get(id) {
        return Ok(known.clone());
    }
    let reader = split.open().map_err(|error| error.to_string())?;
    let mut kept = lock(kept);
    let summary = Arc::new(kept.summary(reader.fields(), text_fields));
    let sets: usize = summary.sets.iter().map(|set| 32 + set.len() * 4).sum();
    kept.bytes += 128 + summary.fields.len() * size_of::<(u32, FieldType, u32)>() + sets;
    kept.splits.insert(id.clone(), summary.clone());
    Ok(summary)
}

/// When so many bytes are kept, all is forgotten and read again.
const BYTES_MAX: usize = 32 << 20;
/// Most bytes that the bits of one request may take.
const REQUEST_BYTES_MAX: usize = 256 << 20;

impl Kept {
    fn number(&mut self, path: &str) -> u32 {
        if let Some(number) = self.numbers.get(path) {
            return *number;
        }
        let (number, path): (u32, Arc<str>) = (self.paths.len() as u32, path.into());
        self.bytes += path.len() + 64;
        self.paths.push(path.clone());
        self.numbers.insert(path, number);
        number
    }

    fn summary(&mut self, fields: &[FieldInfo], text_fields: &[String]) -> SplitFields {
        let mut sets: Vec<Vec<u32>> = Vec::new();
        let mut known: HashMap<&[u32], u32> = HashMap::new();
        let mut out = Vec::with_capacity(fields.len());
        for field in fields {
            let Some(ty) = FieldType::of(field, text_fields) else { continue };
            let set = *known.entry(&field.indexes).or_insert_with(|| {
                sets.push(field.indexes.clone());
                sets.len() as u32 - 1
            });
            out.push((self.number(&field.path), ty, set));
        }
        SplitFields { fields: out, sets }
    }
}

/// A path, and the indexes that have it with values of each type.
pub(super) type Field = (Arc<str>, Vec<(FieldType, Bits)>);

/// Fields by path, with the indexes that have them by type.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    /// The indexes, sorted; bits are their positions.
    pub(super) names: Vec<String>,
    /// Sorted by path; an index is in one type at most.
    pub(super) paths: Vec<Field>,
}

impl Fields {
    /// The fields of one index.
    pub(super) fn of_index<'a>(
        &'a self,
        name: &str,
    ) -> impl Iterator<Item = (&'a str, FieldType)> + 'a {
        let at = self.names.binary_search_by(|n| n.as_str().cmp(name)).ok();
        self.paths.iter().filter_map(move |(path, types)| {
            let ty = types.iter().find(|(_, bits)| at.is_some_and(|at| bits.has(at)))?;
            Some((&**path, ty.0))
        })
    }
}

/// What is gathered for one request.
struct Gathered<'a> {
    names: Vec<&'a str>,
    /// Bits by number of the path and type.
    types: Vec<[Option<Bits>; TYPES.len()]>,
    bytes: usize,
}

impl Gathered<'_> {
    /// Bits of the wanted indexes among those at some positions of a list.
    fn bits(&self, positions: &[u32], list: &[&str]) -> Bits {
        let mut out = Bits::new(self.names.len());
        for position in positions {
            let name = list.get(*position as usize);
            if let Some(at) = name.and_then(|name| self.names.binary_search(name).ok()) {
                out.set(at);
            }
        }
        out
    }

    fn add(&mut self, path: u32, ty: FieldType, bits: &Bits) {
        let path = path as usize;
        if self.types.len() <= path {
            self.types.resize(path + 1, Default::default());
        }
        match &mut self.types[path][ty as usize] {
            Some(known) => known.add(bits),
            empty => {
                self.bytes += bits.0.len() * 8 + 24;
                *empty = Some(bits.clone());
            }
        }
    }

    fn add_all(&mut self, summary: &SplitFields, list: &[&str]) -> Result<(), ApiError> {
        let sets: Vec<Bits> = summary.sets.iter().map(|set| self.bits(set, list)).collect();
        for (path, ty, set) in &summary.fields {
            let bits = &sets[*set as usize];
            if !bits.is_empty() {
                self.add(*path, *ty, bits);
            }
        }
        if self.bytes > REQUEST_BYTES_MAX {
            return Err(ApiError::new(
                429,
                "circuit_breaking_exception",
                format!(
                    "the fields of {} indexes take more than {REQUEST_BYTES_MAX} bytes; name fewer \
                     indexes",
                    self.names.len()
                ),
            ));
        }
        Ok(())
    }
}

/// All fields of the wanted indexes. Blocks: not for the async runtime.
///
/// # Errors
/// No split can be read.
pub(super) fn fields(
    cache: &FieldCache,
    snapshot: &Snapshot,
    wanted: &BTreeSet<String>,
) -> Result<Fields, ApiError> {
    let names: Vec<&str> = wanted.iter().map(String::as_str).collect();
    let mut gathered = Gathered { names, types: Vec::new(), bytes: 0 };
    let (mut read, mut failed) = (0_usize, None);
    let kept = cache.current(snapshot);
    for live in &snapshot.live {
        let list: Vec<&str> = live.batch.batch.indexes().iter().map(|n| n.as_str()).collect();
        if list.iter().any(|name| wanted.contains(*name)) {
            let summary = lock(&kept).summary(&live.fields, &snapshot.text_fields);
            gathered.add_all(&summary, &list)?;
            read += 1;
        }
    }
    for split in &snapshot.splits {
        let list = split.meta().indexes.iter().map(|(name, _)| {
            let gone = snapshot.is_index_deleted(split, name.as_str());
            if gone { "" } else { name.as_str() }
        });
        let list: Vec<&str> = list.collect();
        if !list.iter().any(|name| wanted.contains(*name)) {
            continue;
        }
        match of_split(&kept, split, &snapshot.text_fields) {
            Ok(summary) => {
                gathered.add_all(&summary, &list)?;
                read += 1;
            }
            Err(error) => {
                tracing::warn!(%error, "a split is left out of a list of fields");
                failed = Some(error);
            }
        }
    }
    if let Some(reason) = failed.filter(|_| read == 0) {
        return Err(ApiError::new(503, "search_phase_execution_exception", reason));
    }
    let kept = lock(&kept);
    Ok(finish(gathered, &kept.paths))
}

fn finish(gathered: Gathered<'_>, known: &[Arc<str>]) -> Fields {
    let count = gathered.names.len();
    let mut paths: Vec<Field> = Vec::new();
    for (path, types) in known.iter().zip(gathered.types) {
        if **path == *TIMESTAMP_FIELD {
            continue;
        }
        // An index with values of several types has the widest.
        let mut wider = Bits::new(count);
        let mut out = Vec::new();
        for (ty, bits) in TYPES.into_iter().zip(types).rev() {
            let Some(mut bits) = bits else { continue };
            bits.take_out(&wider);
            if !bits.is_empty() {
                wider.add(&bits);
                out.push((ty, bits));
            }
        }
        if !out.is_empty() {
            paths.push((path.clone(), out));
        }
    }
    if count > 0 {
        // Every record has a time.
        let mut all = Bits::new(count);
        (0..count).for_each(|at| all.set(at));
        paths.push((TIMESTAMP_FIELD.into(), vec![(FieldType::Date, all)]));
    }
    paths.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    Fields { names: gathered.names.into_iter().map(str::to_owned).collect(), paths }
}

/// The first of `paths` that no record of the wanted indexes has. Blocks: not for the async
/// runtime. Where a split cannot be read, nothing is said to be missing.
pub(super) fn missing_field(
    cache: &FieldCache,
    snapshot: &Snapshot,
    wanted: &BTreeSet<String>,
    paths: &[String],
) -> Option<String> {
    if wanted.is_empty() {
        return None;
    }
    let mut missing: Vec<&String> = paths.iter().collect();
    let base = |path: &str| path.strip_suffix(".keyword").map(str::to_owned);
    for live in &snapshot.live {
        if live.batch.batch.indexes().iter().any(|n| wanted.contains(n.as_str())) {
            let has = |path: &str| live.fields.iter().any(|f| f.path == path);
            missing.retain(|path| !(has(path) || base(path).is_some_and(|base| has(&base))));
        }
    }
    let kept = cache.current(snapshot);
    for split in &snapshot.splits {
        if missing.is_empty() {
            return None;
        }
        if !split.meta().indexes.iter().any(|(n, _)| wanted.contains(n.as_str())) {
            continue;
        }
        let summary = of_split(&kept, split, &snapshot.text_fields).ok()?;
        let has = |path: &str| {
            let number = lock(&kept).numbers.get(path).copied();
            number.is_some_and(|number| summary.fields.iter().any(|(p, _, _)| *p == number))
        };
        missing.retain(|path| !(has(path) || base(path).is_some_and(|base| has(&base))));
    }
    missing.first().map(|path| (*path).clone())
}
