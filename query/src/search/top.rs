//! Which records of one segment are among the first? Sort values per row, and the best of them.

use index::read::RowSet;
use model::time::{TimeRange, Timestamp};

use super::order::{Candidate, Order, Place, SortValue};
use crate::aggregate::source::{FieldValues, Raw, Segment};
use crate::leaf::LeafError;
use crate::leaf::scan::for_each_block;
use crate::request::SortBy;
use crate::test::compare::Number;

/// Memory of a candidate, about, in bytes.
const CANDIDATE_BYTES: usize = 96;

/// The best `wanted` candidates so far, in no order.
pub struct Best<'o> {
    order: &'o Order,
    wanted: usize,
    list: Vec<Candidate>,
}

impl<'o> Best<'o> {
    /// None yet.
    pub fn new(order: &'o Order, wanted: usize) -> Self {
        Self { order, wanted, list: Vec::new() }
    }

    /// Adds a candidate.
    pub fn push(&mut self, candidate: Candidate) {
        self.list.push(candidate);
        if self.list.len() >= (self.wanted * 2).max(1024) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.list.len() > self.wanted {
            let order = self.order;
            self.list.select_nth_unstable_by(self.wanted, |a, b| order.compare(a, b));
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
                rows.clip(eval.reader.rows_in(range));
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
    reader.resolve(&mut out)?;
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
                && let Some((ord, there)) = field.place(text)?
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
        let mut taken = 0usize;
        let mut last = None;
        for (seen, row) in rows.enumerate() {
            if seen.is_multiple_of(4096) {
                self.segment.run().check()?;
            }
            let at = self.order.keys[0].time(self.segment.timestamp(row).0);
            if taken >= wanted && (single || last.as_ref() != Some(&at)) {
                break;
            }
            last = Some(at);
            taken += self.take(&[row], best)?;
        }
        Ok(())
    }

    /// Takes rows, rising; tells how many come after `search_after`.
    fn take(&mut self, rows: &[u32], best: &mut Best<'_>) -> Result<usize, LeafError> {
        let mut columns: Vec<Vec<SortValue>> = Vec::with_capacity(self.fields.len());
        for at in 0..self.fields.len() {
            columns.push(self.values(at, rows)?);
        }
        let mut taken = 0;
        let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
        for row in rows {
            let mut values = columns.iter_mut().map(|c| c.next().unwrap_or(SortValue::Missing));
            let candidate = Candidate {
                first: values.next().unwrap_or(SortValue::Missing),
                rest: values.collect(),
                time: self.segment.timestamp(*row).0,
                seq: self.seq(*row),
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

    fn seq(&self, row: u32) -> u64 {
        match &self.segment {
            Segment::Split(eval) => eval.reader.seq(row).0,
            Segment::Live(view, _) => view.seq(row).0,
        }
    }

    /// The values of one key for the rows.
    fn values(&mut self, at: usize, rows: &[u32]) -> Result<Vec<SortValue>, LeafError> {
        let key = &self.order.keys[at];
        let int = |v: i64| SortValue::Number(Number::Int(v));
        match &key.by {
            SortBy::Time => {
                Ok(rows.iter().map(|row| key.time(self.segment.timestamp(*row).0)).collect())
            }
            SortBy::Sequence => Ok(rows.iter().map(|row| int(self.seq(*row) as i64)).collect()),
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
                        let value = sort_value(raw, field)?;
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
    fn resolve(&self, candidates: &mut [Candidate]) -> Result<(), LeafError> {
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
            })?;
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
        Ok(())
    }
}

/// Odd places are those of terms, even ones lie before them.
fn place(ord: u64, there: bool) -> SortValue {
    SortValue::Place(ord.saturating_mul(2).saturating_add(u64::from(there)))
}

fn sort_value(raw: Raw, field: &FieldValues<'_>) -> Result<SortValue, LeafError> {
    Ok(match raw {
        Raw::Bool(v) => SortValue::Number(Number::Int(i64::from(v))),
        Raw::Int(v) => SortValue::Number(Number::Int(v)),
        Raw::Float(v) => SortValue::Number(Number::Float(v)),
        Raw::Time(ns) => SortValue::Number(Number::Int(Timestamp(ns).millis())),
        Raw::Ord(ord) if field.terms().is_some() => place(ord, true),
        Raw::Ord(ord) => {
            let mut out = SortValue::Missing;
            field.texts(&[ord], |_, text| out = SortValue::Text(text.into()))?;
            out
        }
    })
}
