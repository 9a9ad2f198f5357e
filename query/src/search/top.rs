//! Which records of one segment are among the first? Sort values per row, and the best of them.

use index::read::RowSet;
use model::time::{TimeRange, Timestamp};

use super::order::{Candidate, Order, Place, SortValue};
use crate::aggregate::source::{FieldValues, Raw, Segment};
use crate::leaf::LeafError;
use crate::leaf::scan::{BLOCK_ROWS, for_each_block};
use crate::request::SortBy;
use crate::test::compare::Number;

/// Memory of a candidate, about, in bytes.
const CANDIDATE_BYTES: usize = 96;

/// The best `wanted` candidates so far, in no order.
pub struct Best<'o> {
    order: &'o Order,
    wanted: usize,
    list: Vec<Candidate>,
    /// The value of the first key that none of the best may come after, once it is known.
    worst: Option<SortValue>,
}

impl<'o> Best<'o> {
    /// None yet.
    pub fn new(order: &'o Order, wanted: usize) -> Self {
        Self { order, wanted, list: Vec::new(), worst: None }
    }

    /// Adds a candidate.
    pub fn push(&mut self, candidate: Candidate) {
        self.list.push(candidate);
        if self.list.len() >= (self.wanted * 2).max(1024) {
            self.cut();
        }
    }

    /// Whether a candidate with this value of the first key can be among the best.
    fn may_take(&self, first: &SortValue) -> bool {
        self.worst.as_ref().is_none_or(|worst| self.order.keys[0].compare(first, worst).is_le())
    }

    fn cut(&mut self) {
        if self.list.len() > self.wanted {
            let (order, last) = (self.order, self.wanted.saturating_sub(1));
            let (_, worst, _) = self.list.select_nth_unstable_by(last, |a, b| order.compare(a, b));
            self.worst = Some(worst.first.clone());
            self.list.truncate(self.wanted);
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
struct SortReader<'a> {
    segment: Segment<'a>,
    order: &'a Order,
    position: u32,
    /// For each key that is a field, its values.
    fields: Vec<Option<FieldValues<'a>>>,
    after: Option<Vec<SortValue>>,
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
) -> Result<Vec<Candidate>, LeafError> {
    if wanted == 0 || rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut reader = SortReader::open(segment, order, position)?;
    let mut best = Best::new(order, wanted);
    match (order.by_time(), &segment) {
        (Some(descending), Segment::Split(eval)) => {
            let mut rows = rows.clone();
            if let Some((from, to)) = order.time_after() {
                let range = TimeRange { from: Timestamp(from), to: Timestamp(to) };
                rows.clip(eval.reader.rows_in(range)?);
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
    fn open(segment: Segment<'a>, order: &'a Order, position: u32) -> Result<Self, LeafError> {
        let mut fields = Vec::with_capacity(order.keys.len());
        for key in &order.keys {
            fields.push(match &key.by {
                SortBy::Field(path) => Some(FieldValues::open(segment, path)?),
                _ => None,
            });
        }
        let mut after = order.after.clone();
        for (value, field) in after.iter_mut().flatten().zip(&fields) {
            if let (SortValue::Text(text), Some(field)) = (&*value, field)
                && let Some((ord, there)) = field.place(text)
            {
                *value = place(ord, there);
            }
        }
        Ok(Self { segment, order, position, fields, after })
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
    fn take(&mut self, rows: &[u32], best: &mut Best<'_>) -> Result<usize, LeafError> {
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
            };
            let after = self.after.as_deref();
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
            SortBy::Score => Ok(rows.iter().map(|_| int(1)).collect()),
            SortBy::Field(_) => {
                let Some(field) = &mut self.fields[at] else { return Ok(Vec::new()) };
                let mut loaded = Vec::new();
                field.load(rows, &mut loaded)?;
                let mut loaded = loaded.into_iter().peekable();
                let mut out = Vec::with_capacity(rows.len());
                for row in rows {
                    let mut chosen = SortValue::Missing;
                    while let Some((_, raw)) = loaded.next_if(|v| v.0 == *row) {
                        let value = sort_value(raw, field);
                        // In the key's direction the wanted value is the one that comes first.
                        if chosen == SortValue::Missing
                            || key.compare(&value, &chosen) == std::cmp::Ordering::Less
                        {
                            chosen = value;
                        }
                    }
                    out.push(chosen);
                }
                Ok(out)
            }
        }
    }

    /// Gives places in dictionaries their texts, so that segments can be compared.
    fn resolve(&self, candidates: &mut [Candidate]) {
        for (at, field) in self.fields.iter().enumerate() {
            let Some(field) = field else { continue };
            let value = |c: &Candidate| match at {
                0 => c.first.clone(),
                _ => c.rest[at - 1].clone(),
            };
            let ord = |v: &SortValue| if let SortValue::Place(p) = v { Some(p / 2) } else { None };
            let mut ords: Vec<u64> = candidates.iter().filter_map(|c| ord(&value(c))).collect();
            ords.sort_unstable();
            ords.dedup();
            let mut texts = std::collections::HashMap::with_capacity(ords.len());
            field.texts(&ords, |ord, text| {
                texts.insert(ord, Box::<str>::from(text));
            });
            for candidate in candidates.iter_mut() {
                if let Some(text) = ord(&value(candidate)).and_then(|ord| texts.get(&ord)) {
                    let text = SortValue::Text(text.clone());
                    match at {
                        0 => candidate.first = text,
                        _ => candidate.rest[at - 1] = text,
                    }
                }
            }
        }
    }
}

/// Odd places are those of terms, even ones lie before them.
fn place(ord: u64, there: bool) -> SortValue {
    SortValue::Place(ord.saturating_mul(2).saturating_add(u64::from(there)))
}

fn sort_value(raw: Raw, field: &FieldValues<'_>) -> SortValue {
    match raw {
        Raw::Bool(v) => SortValue::Number(Number::Int(i64::from(v))),
        Raw::Int(v) => SortValue::Number(Number::Int(v)),
        Raw::Float(v) => SortValue::Number(Number::Float(v)),
        Raw::Time(ns) => SortValue::Number(Number::Int(Timestamp(ns).millis())),
        Raw::Ord(ord) if field.terms().is_some() => place(ord, true),
        Raw::Ord(ord) => {
            let mut out = SortValue::Missing;
            field.texts(&[ord], |_, text| out = SortValue::Text(text.into()));
            out
        }
    }
}
