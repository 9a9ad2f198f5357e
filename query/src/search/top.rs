//! Which records of one segment are among the first? Sort values per row, and the best of them.

use std::collections::HashMap;

use index::read::{RowSet, SplitReader};
use model::time::{TimeRange, Timestamp};

use super::order::{Candidate, Group, KeyPlan, Order, Place, Position, SortValue};
use crate::aggregate::source::{FieldValues, Raw, Segment};
use crate::error::QueryError;
use crate::leaf::LeafError;
use crate::leaf::scan::{BLOCK_ROWS, for_each_block};
use crate::request::{SortBy, SortMode};
use crate::score::Scores;
use crate::score::bm25::printed;
use crate::test::compare::Number;

/// Memory of a candidate, about, in bytes.
pub const CANDIDATE_BYTES: usize = 96;

/// The best `wanted` candidates so far, in no order.
pub struct Best<'o> {
    order: &'o Order,
    wanted: usize,
    list: Vec<Candidate>,
    /// The value of the first key that none of the best may come after, once it is known.
    worst: Option<SortValue>,
    /// Where in the list each group is.
    groups: HashMap<Box<Group>, usize>,
}

impl<'o> Best<'o> {
    /// None yet.
    pub fn new(order: &'o Order, wanted: usize) -> Self {
        Self { order, wanted, list: Vec::new(), worst: None, groups: HashMap::new() }
    }

    /// Adds a candidate.
    pub fn push(&mut self, candidate: Candidate) {
        if let Some(group) = &candidate.group {
            if let Some(at) = self.groups.get(group) {
                let known = &mut self.list[*at];
                if self.order.compare(&candidate, known).is_lt() {
                    *known = candidate;
                }
                return;
            }
            self.groups.insert(group.clone(), self.list.len());
        }
        self.list.push(candidate);
        if self.list.len() >= (self.wanted * 2).max(1024) {
            self.cut();
        }
    }

    /// Whether a candidate with this value of the first key can be among the best.
    fn may_take(&self, first: &SortValue) -> bool {
        self.worst.as_ref().is_none_or(|worst| self.order.keys[0].compare(first, worst).is_le())
    }

    /// Keeps no more than are wanted.
    pub fn settle(&mut self) {
        self.cut();
    }

    fn cut(&mut self) {
        if self.list.len() > self.wanted {
            let (order, last) = (self.order, self.wanted.saturating_sub(1));
            let (_, worst, _) = self.list.select_nth_unstable_by(last, |a, b| order.compare(a, b));
            self.worst = Some(worst.first.clone());
            self.list.truncate(self.wanted);
            if !self.groups.is_empty() {
                // Whoever is left out may come again, with a better hit.
                let places = self.list.iter().enumerate();
                self.groups = places.filter_map(|(at, c)| Some((c.group.clone()?, at))).collect();
            }
        }
    }

    /// The best, in order.
    pub fn finish(mut self) -> Vec<Candidate> {
        self.cut();
        let order = self.order;
        self.list.sort_by(|a, b| order.compare(a, b));
        self.list
    }
}

/// Reads sort values of a segment's rows.
pub struct SortReader<'a> {
    segment: Segment<'a>,
    order: &'a Order,
    position: u32,
    /// For each key that is a field, its values.
    fields: Vec<Option<FieldValues<'a>>>,
    /// The field that collapses hits.
    group: Option<FieldValues<'a>>,
    after: Option<Position>,
    /// The scores of the rows, where they differ.
    scores: Option<&'a Scores>,
}

/// The first `wanted` of the rows, in order, with texts for places.
///
/// # Errors
/// The split cannot be read, a limit is reached, or the search was stopped.
pub fn top<'a>(
    segment: Segment<'a>,
    position: u32,
    rows: &RowSet,
    (order, wanted): (&'a Order, usize),
    scores: Option<&'a Scores>,
) -> Result<Vec<Candidate>, LeafError> {
    if wanted == 0 || rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut reader = SortReader::open(segment, order, position)?;
    reader.scores = scores;
    let mut best = Best::new(order, wanted);
    match (order.by_time(), &segment) {
        (Some(descending), Segment::Split(eval)) => {
            let mut rows = rows.clone();
            if let Some((from, to)) = order.time_after() {
                let range = TimeRange { from: Timestamp(from), to: Timestamp(to) };
                rows.clip(eval.reader.rows_in(range)?);
            }
            if let Some(seen) = order.seen() {
                let seen = rows_up_to(eval.reader, seen)?;
                rows.clip(if descending { 0..seen.start } else { seen.end..eval.reader.docs() });
            }
            if descending {
                reader.take_ordered(rows.iter_rev(), wanted, &mut best)?;
            } else {
                reader.take_ordered(rows.iter(), wanted, &mut best)?;
            }
        }
        _ => {
            for_each_block(rows, segment.run(), |block| reader.take(block, &mut best).map(|_| ()))?
        }
    }
    let mut out = best.finish();
    segment.run().charge(out.len() * CANDIDATE_BYTES)?;
    reader.resolve(&mut out);
    Ok(out)
}

impl<'a> SortReader<'a> {
    /// Of a segment at a position.
    ///
    /// # Errors
    /// A column cannot be read.
    pub fn open(segment: Segment<'a>, order: &'a Order, position: u32) -> Result<Self, LeafError> {
        let mut fields = Vec::with_capacity(order.keys.len());
        for key in &order.keys {
            fields.push(match &key.by {
                SortBy::Field(path) => Some(FieldValues::open(segment, path)?),
                _ => None,
            });
        }
        let mut after = order.after.clone();
        let values = after.iter_mut().flat_map(|after| &mut after.values);
        for (value, field) in values.zip(&fields) {
            if let (SortValue::Text(text), Some(field)) = (&*value, field)
                && let Some((ord, there)) = field.place(text)
            {
                *value = place(ord, if there { TERM } else { GAP });
            }
        }
        let group = match &order.collapse {
            Some(path) => Some(FieldValues::open(segment, path)?),
            None => None,
        };
        Ok(Self { segment, order, position, fields, group, after, scores: None })
    }

    /// Takes rows that come in the order of time until enough are sure to be the first.
    fn take_ordered(
        &mut self,
        rows: impl Iterator<Item = u32>,
        wanted: usize,
        best: &mut Best<'_>,
    ) -> Result<(), LeafError> {
        let single = self.order.keys.len() == 1;
        let mut rows = rows.peekable();
        let (mut taken, mut block) = (0usize, Vec::new());
        while rows.peek().is_some() {
            self.segment.run().check()?;
            let left = wanted.saturating_sub(taken).clamp(16, BLOCK_ROWS);
            block.clear();
            block.extend(rows.by_ref().take(left));
            let last = block.last().copied();
            // Columns are read by rising rows.
            block.sort_unstable();
            taken += self.take(&block, best)?;
            if self.group.is_some() {
                taken = best.list.len();
            }
            let Some((last, next)) = last.zip(rows.peek()) else { break };
            if taken >= wanted && (single || self.key_time(last)? != self.key_time(*next)?) {
                break;
            }
        }
        Ok(())
    }

    fn key_time(&self, row: u32) -> Result<SortValue, LeafError> {
        let mut times = Vec::with_capacity(1);
        self.segment.times(&[row], &mut times)?;
        Ok(times.first().map_or(SortValue::Missing, |ns| self.order.keys[0].time(*ns)))
    }

    /// Takes rows, rising; tells how many come after `search_after`.
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn take(&mut self, rows: &[u32], best: &mut Best<'_>) -> Result<usize, LeafError> {
        let mut firsts = self.values(0, rows)?;
        let mut rows = std::borrow::Cow::Borrowed(rows);
        if best.worst.is_some() && self.order.by_time().is_none() {
            let kept: Vec<bool> = firsts.iter().map(|first| best.may_take(first)).collect();
            let mut keep = kept.iter();
            firsts.retain(|_| keep.next() == Some(&true));
            let mut keep = kept.iter();
            rows.to_mut().retain(|_| keep.next() == Some(&true));
        }
        let mut times = Vec::with_capacity(rows.len());
        self.segment.times(&rows, &mut times)?;
        let mut columns = Vec::with_capacity(self.fields.len());
        for at in 1..self.fields.len() {
            columns.push(self.values(at, &rows)?.into_iter());
        }
        let mut groups = self.groups(&rows)?.into_iter();
        let mut taken = 0;
        for ((row, first), time) in rows.iter().zip(firsts).zip(times) {
            let rest = columns.iter_mut().map(|c| c.next().unwrap_or(SortValue::Missing));
            let candidate = Candidate {
                first,
                rest: rest.collect(),
                time,
                seq: self.seq(*row)?,
                place: match self.segment {
                    Segment::Split(_) => Place::Split(self.position, *row),
                    Segment::Live(..) => Place::Live(self.position, *row),
                },
                group: groups.next().map(Box::new),
            };
            let after = self.after.as_ref();
            if after.is_none_or(|after| self.order.is_after(&candidate, after)) {
                taken += 1;
                best.push(candidate);
            }
        }
        Ok(taken)
    }

    fn seq(&self, row: u32) -> Result<u64, LeafError> {
        Ok(match &self.segment {
            Segment::Split(eval) => eval.reader.seq(row)?.0,
            Segment::Live(view, _) => view.seq(row).0,
        })
    }

    /// The values of one key for the rows.
    fn values(&mut self, at: usize, rows: &[u32]) -> Result<Vec<SortValue>, LeafError> {
        let key = &self.order.keys[at];
        let int = |v: i64| SortValue::Number(Number::Int(v));
        match &key.by {
            SortBy::Time => {
                let mut times = Vec::with_capacity(rows.len());
                self.segment.times(rows, &mut times)?;
                Ok(times.into_iter().map(|ns| key.time(ns)).collect())
            }
            SortBy::Sequence => rows.iter().map(|row| Ok(int(self.seq(*row)? as i64))).collect(),
            SortBy::Score => {
                let same = self.order.score;
                let score = |row: &u32| self.scores.map_or(same, |scores| scores.of(*row));
                let value = |row| SortValue::Number(Number::Float(printed(score(row))));
                Ok(rows.iter().map(value).collect())
            }
            SortBy::Id => {
                rows.iter().map(|row| Ok(SortValue::Text(self.id(*row)?.into()))).collect()
            }
            SortBy::Scan => Ok(rows.iter().map(|_| SortValue::Missing).collect()),
            SortBy::Field(_) => {
                let Some(field) = &mut self.fields[at] else { return Ok(Vec::new()) };
                let after = self.order.after.as_ref().map(|after| &after.values[at]);
                let missing = key.missing.as_ref();
                let missing = missing.map_or(SortValue::Missing, |m| placed(m, field, after));
                let mut loaded = Vec::new();
                field.load(rows, &mut loaded)?;
                let mut loaded = loaded.as_slice();
                let mut out = Vec::with_capacity(rows.len());
                for row in rows {
                    let (own, rest) =
                        loaded.split_at(loaded.iter().take_while(|v| v.0 == *row).count());
                    loaded = rest;
                    out.push(match own.is_empty() {
                        true => missing.clone(),
                        false => chosen(key, own, field, &missing),
                    });
                }
                Ok(out)
            }
        }
    }

    fn id(&self, row: u32) -> Result<String, LeafError> {
        Ok(match &self.segment {
            Segment::Split(eval) => eval.reader.id(row)?,
            Segment::Live(view, _) => view.id(row),
        })
    }

    /// The groups of rising rows, none when hits are not collapsed.
    fn groups(&mut self, rows: &[u32]) -> Result<Vec<Group>, LeafError> {
        let Some(field) = &mut self.group else { return Ok(Vec::new()) };
        let mut loaded = Vec::new();
        field.load(rows, &mut loaded)?;
        let mut out = Vec::with_capacity(rows.len());
        let mut loaded = loaded.as_slice();
        for row in rows {
            let (own, rest) = loaded.split_at(loaded.iter().take_while(|v| v.0 == *row).count());
            loaded = rest;
            out.push(match own {
                [] => Group::Missing,
                [(_, Raw::Bool(v))] => Group::Bool(*v),
                [(_, Raw::Int(v))] => Group::Int(*v),
                [(_, Raw::Float(v))] => Group::Float((*v + 0.0).to_bits()),
                [(_, Raw::Time(ns))] => Group::Time(*ns),
                [(_, Raw::Ord(ord))] => Group::Ord(*ord),
                _ => {
                    let path = self.order.collapse.as_deref().unwrap_or_default();
                    return Err(LeafError::Query(QueryError::illegal(format!(
                        "failed to collapse on [{path}], the collapse field must be single valued"
                    ))));
                }
            });
        }
        Ok(out)
    }

    /// Gives places in dictionaries their texts, so that segments can be compared.
    pub fn resolve(&self, candidates: &mut [Candidate]) {
        for (at, field) in self.fields.iter().enumerate() {
            let Some(field) = field else { continue };
            let value = |c: &Candidate| match at {
                0 => c.first.clone(),
                _ => c.rest[at - 1].clone(),
            };
            // Any other place is that of a missing value that is no term of the segment.
            let ord = |v: &SortValue| match v {
                SortValue::Place(p) if p % 4 == TERM => Some(p / 4),
                _ => None,
            };
            let missing = self.order.keys[at].missing.as_ref();
            let mut ords: Vec<u64> = candidates.iter().filter_map(|c| ord(&value(c))).collect();
            ords.sort_unstable();
            ords.dedup();
            let mut texts = std::collections::HashMap::with_capacity(ords.len());
            field.texts(&ords, |ord, text| {
                texts.insert(ord, Box::<str>::from(text));
            });
            for candidate in candidates.iter_mut() {
                let old = value(candidate);
                let text = match ord(&old).and_then(|ord| texts.get(&ord)) {
                    Some(text) => Some(SortValue::Text(text.clone())),
                    None => missing.filter(|_| matches!(old, SortValue::Place(_))).cloned(),
                };
                if let Some(text) = text {
                    match at {
                        0 => candidate.first = text,
                        _ => candidate.rest[at - 1] = text,
                    }
                }
            }
        }
        self.resolve_groups(candidates);
    }

    fn resolve_groups(&self, candidates: &mut [Candidate]) {
        let Some(field) = &self.group else { return };
        for group in candidates.iter_mut().filter_map(|c| c.group.as_deref_mut()) {
            if let Group::Ord(ord) = *group {
                field.texts(&[ord], |_, text| *group = Group::Text(text.into()));
            }
        }
    }
}

/// The rows whose time and number are those of a record that was seen: none, or one. Rows lie by
/// time, then by number.
fn rows_up_to(
    reader: &SplitReader,
    (time, seq): (i64, u64),
) -> Result<std::ops::Range<u32>, LeafError> {
    let same = TimeRange { from: Timestamp(time), to: Timestamp(time.saturating_add(1)) };
    let same = reader.rows_in(same)?;
    let (mut low, mut high) = (same.start, same.end);
    while low < high {
        let middle = low + (high - low) / 2;
        if reader.seq(middle)?.0 < seq { low = middle + 1 } else { high = middle }
    }
    let is_there = low < same.end && reader.seq(low)?.0 == seq;
    Ok(low..low + u32::from(is_there))
}

/// The value that counts of those of one row, of which there is one at least.
fn chosen(
    key: &KeyPlan,
    own: &[(u32, Raw)],
    field: &FieldValues<'_>,
    missing: &SortValue,
) -> SortValue {
    if matches!(key.mode, SortMode::Avg | SortMode::Sum | SortMode::Median) {
        return calculated(key, own).unwrap_or_else(|| missing.clone());
    }
    let mut best = sort_value(own[0].1, field);
    for (_, raw) in &own[1..] {
        let value = sort_value(*raw, field);
        if key.counts_before(&best, &value) {
            best = value;
        }
    }
    if key.is_plain() { best } else { key.cast(best) }
}

/// The mean, sum or median of numbers; whole when all of them are.
fn calculated(key: &KeyPlan, own: &[(u32, Raw)]) -> Option<SortValue> {
    let mut numbers: Vec<f64> = own.iter().filter_map(|v| v.1.number()).collect();
    let count = numbers.len();
    if count == 0 {
        return None;
    }
    let value = match key.mode {
        SortMode::Median => {
            numbers.sort_by(f64::total_cmp);
            let (low, high) = (numbers[(count - 1) / 2], numbers[count / 2]);
            low + (high - low) / 2.0
        }
        SortMode::Avg => numbers.iter().sum::<f64>() / count as f64,
        _ => numbers.iter().sum(),
    };
    let whole = own.iter().all(|v| !matches!(v.1, Raw::Float(_)));
    Some(key.cast(SortValue::Number(match whole {
        // Halves go up, as in Java.
        true => Number::Int((value + 0.5).floor() as i64),
        false => Number::Float(value),
    })))
}

/// A missing value among those of the segment, and beside the value that hits come after.
fn placed(missing: &SortValue, field: &FieldValues<'_>, after: Option<&SortValue>) -> SortValue {
    let SortValue::Text(text) = missing else { return missing.clone() };
    match field.place(text) {
        Some((ord, true)) => place(ord, TERM),
        Some((ord, false)) => {
            let lies = match after {
                Some(SortValue::Text(after)) => text.cmp(after),
                _ => std::cmp::Ordering::Equal,
            };
            // Both may lie between the same two terms.
            place(ord, (GAP as i64 + lies as i64) as u64)
        }
        None => missing.clone(),
    }
}

/// Of the four places of an ordinal, that of the term itself.
const TERM: u64 = 3;
/// The middle one of the three before the term.
const GAP: u64 = 1;

fn place(ord: u64, which: u64) -> SortValue {
    SortValue::Place(ord.saturating_mul(4).saturating_add(which))
}

fn sort_value(raw: Raw, field: &FieldValues<'_>) -> SortValue {
    match raw {
        Raw::Bool(v) => SortValue::Number(Number::Int(i64::from(v))),
        Raw::Int(v) => SortValue::Number(Number::Int(v)),
        Raw::Float(v) => SortValue::Number(Number::Float(v)),
        Raw::Time(ns) => SortValue::Number(Number::Int(Timestamp(ns).millis())),
        Raw::Ord(ord) if field.terms().is_some() => place(ord, TERM),
        Raw::Ord(ord) => {
            let mut out = SortValue::Missing;
            field.texts(&[ord], |_, text| out = SortValue::Text(text.into()));
            out
        }
    }
}
