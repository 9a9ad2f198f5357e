//! What can be counted without handing rows on? The outermost buckets of a split, as sets and runs
//! of rows and as counts by ordinal.
//!
//! Gives the same as the collectors, or nothing where they are needed.

use std::ops::Range;

use hashbrown::HashMap;
use index::read::{Column, RowSet, Values};
use model::time::{TimeRange, Timestamp};

use super::cardinality::{Distinct, hash_text};
use super::key::Key;
use super::keyed::too_many_buckets;
use super::partial::{Bucket, Partial};
use super::sinks::{Sink, spread};
use super::source::{Dict, FieldValues, Segment};
use super::terms::TermsPlan;
use super::{DatePlan, Kind, Planned, collect, is_time_field};
use crate::leaf::scan::{BLOCK_ROWS, for_each_block};
use crate::leaf::{LeafError, SplitEval};
use crate::plan::Node;

/// The largest dictionary that is counted anew for each bucket of time, in strings.
const TERMS_MAX: usize = 4096;
/// Memory of a bucket, about, in bytes.
const BUCKET_BYTES: usize = 128;

/// One aggregation over rows of a split; `None` when it has to be collected.
///
/// # Errors
/// The split cannot be read, a limit is reached, or the search was stopped.
pub(super) fn direct(
    planned: &Planned,
    eval: SplitEval<'_>,
    rows: &RowSet,
) -> Result<Option<Partial>, LeafError> {
    let of = Of { eval, rows };
    match &planned.kind {
        Kind::Filter(node) => of.slots(planned, std::slice::from_ref(node), false).map(Some),
        Kind::Filters(agg, nodes) => of.slots(planned, nodes, agg.other.is_some()).map(Some),
        Kind::Terms(plan) if planned.subs.is_empty() => {
            let Some(dict) = of.dict(&plan.agg.field)? else { return Ok(None) };
            let mut counts = vec![0; dict.dictionary.len()];
            eval.run.charge(counts.len() * size_of::<u64>())?;
            of.count_ords(&dict.column, rows.span(), &mut counts)?;
            of.terms((&dict, plan), &counts, u64::from(rows.count())).map(Some)
        }
        Kind::Terms(plan) => of.terms_of_numbers(plan, &planned.subs),
        Kind::Metric(_) | Kind::Percentiles(_) => of.numbers(planned),
        Kind::Cardinality(agg) if agg.missing.is_none() => of.cardinality(&agg.field),
        Kind::Date(plan) => of.date(plan, &planned.subs),
        _ => Ok(None),
    }
}

struct Of<'a> {
    eval: SplitEval<'a>,
    rows: &'a RowSet,
}

impl Of<'_> {
    /// The dictionary of a field whose values are single strings of it.
    fn dict(&self, path: &str) -> Result<Option<Dict>, LeafError> {
        let field = FieldValues::open(Segment::Split(self.eval), path)?;
        Ok(field.dict().filter(|dict| dict.column.is_single()).cloned())
    }

    fn slots(&self, planned: &Planned, nodes: &[Node], other: bool) -> Result<Partial, LeafError> {
        let mut rest = other.then(|| self.rows.clone());
        let mut out = Vec::with_capacity(nodes.len() + 1);
        let bucket = |rows: &RowSet| -> Result<Bucket, LeafError> {
            let subs = match planned.subs.is_empty() {
                true => Vec::new(),
                false => collect(&planned.subs, Segment::Split(self.eval), rows)?,
            };
            Ok(Bucket { docs: u64::from(rows.count()), subs })
        };
        for node in nodes {
            let passing = self.eval.rows(node, self.rows)?;
            rest.iter_mut().for_each(|rest| rest.and_not(&passing));
            out.push(bucket(&passing)?);
        }
        if let Some(rest) = rest {
            out.push(bucket(&rest)?);
        }
        Ok(Partial::Slots(out))
    }

    /// Counts the ordinals of the rows in a run.
    fn count_ords(
        &self,
        column: &Column,
        run: Range<u32>,
        counts: &mut [u64],
    ) -> Result<(), LeafError> {
        self.eval.run.check()?;
        if self.rows.count_in(run.clone()) as usize == run.len() {
            return Ok(column.count_ords(run, counts)?);
        }
        let (mut block, mut ords) = (Vec::new(), Values::default());
        let mut from = run.start;
        while from < run.end {
            let to = from.saturating_add(BLOCK_ROWS as u32).min(run.end);
            block.clear();
            self.rows.extend_into(from..to, &mut block);
            if !block.is_empty() {
                self.eval.run.check()?;
                ords.rows.clear();
                ords.values.clear();
                column.ords(&block, &mut ords)?;
                for ord in &ords.values {
                    if let Some(count) = counts.get_mut(*ord as usize) {
                        *count += 1;
                    }
                }
            }
            from = to;
        }
        Ok(())
    }

    /// Buckets of counts by ordinal, and of the rows that have no value.
    fn terms(
        &self,
        (dict, plan): (&Dict, &TermsPlan),
        counts: &[u64],
        docs: u64,
    ) -> Result<Partial, LeafError> {
        let mut out: HashMap<Key, Bucket> = HashMap::new();
        let mut bytes = 0;
        for (ord, docs) in (0u32..).zip(counts).filter(|(_, docs)| **docs > 0) {
            let key = Key::Str(dict.dictionary.get(ord).into());
            if plan.takes(&key) {
                bytes += BUCKET_BYTES + key.heap_bytes();
                out.insert(key, Bucket { docs: *docs, subs: Vec::new() });
            }
        }
        self.eval.run.charge(bytes)?;
        let without = docs - counts.iter().sum::<u64>().min(docs);
        if let (Some(missing), true) = (plan.missing_key(), without > 0) {
            // The stand-in for no value can be a value as well.
            out.entry(missing.clone()).or_default().docs += without;
        }
        Ok(Partial::Keyed(out))
    }

    fn cardinality(&self, path: &str) -> Result<Option<Partial>, LeafError> {
        let run = self.eval.run;
        let mut out = Distinct::default();
        let mut grown = 0;
        let field = FieldValues::open(Segment::Split(self.eval), path)?;
        if let Some(column) = field.text() {
            let (mut seen, mut stopped) = (0usize, Ok(()));
            column.for_texts(self.rows, &mut |text| {
                seen += 1;
                grown += out.add(hash_text(text));
                if seen.is_multiple_of(BLOCK_ROWS) {
                    stopped = run.check().and_then(|()| run.charge(std::mem::take(&mut grown)));
                }
                stopped.is_ok()
            })?;
            stopped?;
        } else if let Some(dict) = field.dict().filter(|dict| dict.column.is_single()) {
            let mut counts = vec![0; dict.dictionary.len()];
            run.charge(counts.len() * size_of::<u64>())?;
            self.count_ords(&dict.column, self.rows.span(), &mut counts)?;
            for (ord, _) in (0u32..).zip(&counts).filter(|(_, count)| **count > 0) {
                grown += out.add(hash_text(dict.dictionary.get(ord)));
            }
        } else {
            return Ok(None);
        }
        run.charge(grown)?;
        out.settle();
        Ok(Some(Partial::Distinct(out)))
    }

    /// Numbers of all rows.
    fn numbers(&self, planned: &Planned) -> Result<Option<Partial>, LeafError> {
        let Some(mut sink) = Sink::of(planned, self.eval, 1)? else { return Ok(None) };
        let mut buckets = Vec::new();
        for_each_block(self.rows, self.eval.run, |rows| {
            buckets.resize(rows.len(), 0);
            sink.add(rows, &buckets)
        })?;
        Ok(sink.finish().pop())
    }

    /// Buckets by ordinal, with numbers in each.
    fn terms_of_numbers(
        &self,
        plan: &TermsPlan,
        subs: &[Planned],
    ) -> Result<Option<Partial>, LeafError> {
        let dict = self.dict(&plan.agg.field)?;
        let Some(dict) = dict.filter(|d| d.dictionary.len() <= TERMS_MAX) else { return Ok(None) };
        // The last bucket is of the rows without a value.
        let without = dict.dictionary.len();
        let Some(mut sinks) = self.sinks(subs, without + 1)? else { return Ok(None) };
        let run = self.eval.run;
        let mut docs = vec![0u64; without + 1];
        let (mut ords, mut of_rows) = (Values::default(), Vec::new());
        for_each_block(self.rows, run, |rows| {
            ords.clear();
            dict.column.ords(rows, &mut ords)?;
            spread(rows, &ords, &mut of_rows);
            for ord in &mut of_rows {
                *ord = (*ord).min(without as u32);
                docs[*ord as usize] += 1;
            }
            sinks.iter_mut().try_for_each(|sink| sink.add(rows, &of_rows))
        })?;
        let mut subs: Vec<_> = sinks.into_iter().map(|s| s.finish().into_iter()).collect();
        let mut out: HashMap<Key, Bucket> = HashMap::new();
        for (ord, docs) in docs.into_iter().enumerate() {
            let subs = subs.iter_mut().filter_map(Iterator::next).collect();
            let key = match ord == without {
                true => plan.missing_key().cloned(),
                false => {
                    Some(Key::Str(dict.dictionary.get(ord as u32).into())).filter(|k| plan.takes(k))
                }
            };
            if let Some(key) = key.filter(|_| docs > 0) {
                run.charge(BUCKET_BYTES)?;
                // The stand-in for no value can be a value as well.
                out.entry(key).or_default().merge(Bucket { docs, subs });
            }
        }
        Ok(Some(Partial::Keyed(out)))
    }

    /// Sinks for aggregations of numbers; `None` when one is of another kind.
    fn sinks<'s>(
        &'s self,
        subs: &[Planned],
        buckets: usize,
    ) -> Result<Option<Vec<Sink<'s>>>, LeafError> {
        subs.iter().map(|sub| Sink::of(sub, self.eval, buckets)).collect()
    }

    /// Buckets of the records' own time: runs of rows, with nothing in them, `terms` of strings
    /// with dictionaries, or numbers.
    fn date(&self, plan: &DatePlan, subs: &[Planned]) -> Result<Option<Partial>, LeafError> {
        if !is_time_field(&plan.agg.field) || plan.agg.hard_bounds.is_some() {
            return Ok(None);
        }
        let Some(mut inner) = self.inner(subs)? else { return Ok(None) };
        let (reader, run) = (self.eval.reader, self.eval.run);
        let mut runs: Vec<(i64, Range<u32>)> = Vec::new();
        let mut next = self.rows.first_from(0);
        // Where the bucket before ended: most begin there, and need no look at a record's time.
        let mut border = None;
        while let Some(row) = next {
            run.check()?;
            let at = match border.take() {
                Some(border) => border,
                None => reader.timestamp(row)?.0,
            };
            let (from, to) = plan.rounding.bucket(at);
            let rows = reader.rows_in(TimeRange { from: Timestamp(at), to: Timestamp(to) })?;
            if rows.end <= row && to < i64::MAX {
                // None in this bucket: go on where the next record is.
                continue;
            }
            let end = rows.end.max(row + 1);
            run.charge(BUCKET_BYTES)?;
            runs.push((from, row..end));
            if runs.len() > run.buckets_max {
                return Err(LeafError::Query(too_many_buckets(run.buckets_max)));
            }
            next = self.rows.first_from(end);
            border = Some(to);
        }
        let mut nested = Vec::with_capacity(inner.len());
        for inner in &mut inner {
            nested.push(
                match inner {
                    Inner::Terms(dict, plan, counts) => {
                        self.terms_of_runs(&runs, (dict, plan), counts)?
                    }
                    Inner::Numbers(sub) => self.numbers_of_runs(&runs, sub)?,
                }
                .into_iter(),
            );
        }
        let mut out: HashMap<Key, Bucket> = HashMap::with_capacity(runs.len());
        for (from, rows) in runs {
            let docs = u64::from(self.rows.count_in(rows));
            let subs = nested.iter_mut().filter_map(Iterator::next).collect();
            // Where the clock was moved, two runs can begin at the same time.
            out.entry(Key::Time(from)).or_default().merge(Bucket { docs, subs });
        }
        Ok(Some(Partial::Keyed(out)))
    }

    /// How each of the nested aggregations is counted; `None` when one has to be collected.
    fn inner<'s>(&self, subs: &'s [Planned]) -> Result<Option<Vec<Inner<'s>>>, LeafError> {
        let mut out = Vec::with_capacity(subs.len());
        for sub in subs {
            let Kind::Terms(plan) = &sub.kind else {
                if !Sink::takes(sub) {
                    return Ok(None);
                }
                out.push(Inner::Numbers(sub));
                continue;
            };
            let dict = if sub.subs.is_empty() { self.dict(&plan.agg.field)? } else { None };
            let Some(dict) = dict.filter(|d| d.dictionary.len() <= TERMS_MAX) else {
                return Ok(None);
            };
            let counts = vec![0; dict.dictionary.len()];
            out.push(Inner::Terms(dict, plan, counts));
        }
        Ok(Some(out))
    }

    fn terms_of_runs(
        &self,
        runs: &[(i64, Range<u32>)],
        (dict, plan): (&Dict, &TermsPlan),
        counts: &mut [u64],
    ) -> Result<Vec<Partial>, LeafError> {
        let mut out = Vec::with_capacity(runs.len());
        for (_, rows) in runs {
            let docs = u64::from(self.rows.count_in(rows.clone()));
            counts.fill(0);
            self.count_ords(&dict.column, rows.clone(), counts)?;
            out.push(self.terms((dict, plan), counts, docs)?);
        }
        Ok(out)
    }

    fn numbers_of_runs(
        &self,
        runs: &[(i64, Range<u32>)],
        sub: &Planned,
    ) -> Result<Vec<Partial>, LeafError> {
        let Some(mut sink) = Sink::of(sub, self.eval, runs.len())? else { return Ok(Vec::new()) };
        let (mut bucket, mut buckets) = (0, Vec::new());
        for_each_block(self.rows, self.eval.run, |rows| {
            buckets.clear();
            for row in rows {
                while runs.get(bucket).is_some_and(|(_, rows)| rows.end <= *row) {
                    bucket += 1;
                }
                buckets.push(bucket as u32);
            }
            sink.add(rows, &buckets)
        })?;
        Ok(sink.finish())
    }
}

/// What is nested in buckets of time.
enum Inner<'a> {
    /// Strings with a dictionary: it, the plan, and its counts.
    Terms(Dict, &'a TermsPlan, Vec<u64>),
    /// Numbers.
    Numbers(&'a Planned),
}
