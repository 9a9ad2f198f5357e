//! Which combinations of values come next? `composite`, page by page in the order of keys.
//!
//! Holds no more than a few pages of a segment's combinations: those that cannot be on the page any
//! more are forgotten while rows come.

use std::cmp::Ordering;

use hashbrown::HashMap;
use model::time::Timestamp;
use serde_json::{Map, Value as Json};

use super::Planned;
use super::answer::Writer;
use super::choice::KeyFormat;
use super::collect::Block;
use super::key::Key;
use super::keyed::RawKey;
use super::more::{At, More};
use super::partial::{Bucket, Partial};
use super::rounding::Rounding;
use super::tuples::{By, Part, Tuples};
use crate::dates::{Dates, Formats, Rounding as Round, time_zone};
use crate::error::QueryError;
use crate::leaf::LeafError;
use crate::leaf::scan::for_each_block;
use crate::plan::Node;
use crate::request::{CompositeAgg, CompositeBy, CompositeSource};
use crate::tree::{Object, Tree};

/// Combinations beyond a page that are held before they are looked through.
const TUPLES_MIN: usize = 1 << 15;

/// A planned `composite`.
#[derive(Debug)]
pub(super) struct Composite {
    names: Vec<String>,
    parts: Vec<Part>,
    orders: Vec<KeyOrder>,
    formats: Vec<KeyFormat>,
    size: usize,
    after: Option<Key>,
}

/// In what direction the keys of a part come.
#[derive(Clone, Copy, Debug)]
struct KeyOrder {
    descending: bool,
    null_first: bool,
}

impl Composite {
    /// Of a request.
    ///
    /// # Errors
    /// A zone, format or key makes no sense.
    pub(super) fn new(agg: &CompositeAgg) -> Result<Self, QueryError> {
        let mut out = Self {
            names: agg.sources.iter().map(|(name, _)| name.clone()).collect(),
            parts: Vec::new(),
            orders: Vec::new(),
            formats: Vec::new(),
            size: agg.size,
            after: None,
        };
        for (_, source) in &agg.sources {
            let (by, format) = planned(source)?;
            let (field, missing) = (source.field.clone(), source.missing_bucket);
            out.parts.push(Part { field, by, missing });
            out.orders.push(KeyOrder {
                descending: source.descending,
                null_first: source.missing_first.unwrap_or(!source.descending),
            });
            out.formats.push(format);
        }
        if let Some(after) = &agg.after {
            out.after = Some(out.after_of(&agg.sources, after)?);
        }
        Ok(out)
    }

    fn after_of(
        &self,
        sources: &[(String, CompositeSource)],
        after: &[(String, Json)],
    ) -> Result<Key, QueryError> {
        if after.len() != sources.len() {
            return Err(QueryError::illegal(format!(
                "[after] has {} value(s) but [sources] has {}",
                after.len(),
                sources.len()
            )));
        }
        let mut keys = Vec::with_capacity(sources.len());
        for ((name, source), part) in sources.iter().zip(&self.parts) {
            let value = after
                .iter()
                .find(|(other, _)| other == name)
                .ok_or_else(|| QueryError::illegal(format!("Missing value for [after.{name}]")))?;
            keys.push(after_key((source, part), &value.1).ok_or_else(|| {
                QueryError::illegal(format!(
                    "invalid value, [after.{name}] cannot be [{}]",
                    value.1
                ))
            })?);
        }
        Ok(Key::Tuple(keys.into()))
    }

    fn compare(&self, a: &Key, b: &Key) -> Ordering {
        let (Key::Tuple(a), Key::Tuple(b)) = (a, b) else { return Ordering::Equal };
        let mut pairs = a.iter().zip(b).zip(&self.orders).map(|((a, b), order)| {
            let null = if order.null_first { Ordering::Less } else { Ordering::Greater };
            match (a, b) {
                (Key::Null, Key::Null) => Ordering::Equal,
                (Key::Null, _) => null,
                (_, Key::Null) => null.reverse(),
                _ if order.descending => b.cmp(a),
                _ => a.cmp(b),
            }
        });
        pairs.find(|order| *order != Ordering::Equal).unwrap_or(Ordering::Equal)
    }

    /// The key as the answer has it.
    fn json(&self, key: &Key) -> Json {
        let Key::Tuple(keys) = key else { return Json::Null };
        let each = keys.iter().zip(&self.names).zip(self.parts.iter().zip(&self.formats));
        let members = each.map(|((key, name), (part, format))| {
            let value = match (key, &part.by) {
                (Key::Int(step), By::Steps(width)) => Json::from(*step as f64 * width),
                (key, _) => format.value(key, false),
            };
            (name.clone(), value)
        });
        Json::Object(members.collect::<Map<String, Json>>())
    }
}

/// How a source's values become keys, and how those are written.
fn planned(source: &CompositeSource) -> Result<(By, KeyFormat), QueryError> {
    let format = KeyFormat::new(source.format.as_deref())?;
    Ok(match &source.by {
        CompositeBy::Terms => (By::Values, format),
        CompositeBy::Histogram(width) => (By::Steps(*width), format),
        CompositeBy::Date { interval, offset_ns, time_zone: zone } => {
            let zone = zone.as_deref().map_or(Ok(jiff::tz::TimeZone::UTC), time_zone)?;
            let rounding = Rounding::in_zone(*interval, *offset_ns, zone.clone());
            (By::Times(rounding), format.with_zone(zone))
        }
    })
}

/// The key that a value of `after` names.
fn after_key((source, part): (&CompositeSource, &Part), value: &Json) -> Option<Key> {
    let formats = || source.format.as_deref().map_or(Ok(Formats::default()), Formats::parse);
    let time = |value: &Json, zone: Option<&Rounding>| match value {
        Json::Number(ms) => Some(Key::Time(Timestamp::from_millis(ms.as_i64()?).0)),
        Json::String(text) => {
            let zone = zone.map_or(jiff::tz::TimeZone::UTC, |rounding| rounding.zone.clone());
            let dates = Dates { now: Timestamp(0), formats: formats().ok()?, zone };
            dates.read(text, Round::Down).ok().map(|at| Key::Time(at.0))
        }
        _ => None,
    };
    match (&part.by, value) {
        (_, Json::Null) => part.missing.then_some(Key::Null),
        (By::Steps(width), value) => {
            let text = value.as_str().and_then(|text| text.trim().parse::<f64>().ok());
            let number = value.as_f64().or(text)?;
            Some(Key::Int((number / width).round() as i64))
        }
        (By::Times(rounding), value) => time(value, Some(rounding)),
        (By::Values, value) if super::is_time_field(&part.field) => time(value, None),
        (By::Values, Json::Array(_) | Json::Object(_)) => None,
        (By::Values, value) => Some(Key::of_json(value)),
    }
}

/// A combination that may be on the page.
struct Found {
    key: Key,
    raw: Vec<RawKey>,
    docs: u64,
}

/// The combinations of one segment while rows come.
struct Page<'a> {
    plan: &'a Composite,
    tuples: Tuples<'a>,
    /// By number: how many records, `None` when it cannot be on the page.
    docs: Vec<Option<u64>>,
    /// Nothing after this can be on the page.
    worst: Option<Key>,
}

impl<'a> Page<'a> {
    fn take(&mut self, block: &Block) -> Result<(), LeafError> {
        self.tuples.load(block)?;
        for at in 0..block.rows.len() {
            let found = self.tuples.ids(at, 0)?.len();
            self.judge()?;
            for id in 0..found {
                if let Some(Some(docs)) = self.docs.get_mut(self.tuples.found(id) as usize) {
                    *docs += 1;
                }
            }
        }
        if self.tuples.len() > TUPLES_MIN.max(self.plan.size.saturating_mul(4)) {
            self.forget()?;
        }
        Ok(())
    }

    /// Decides on combinations that are new.
    fn judge(&mut self) -> Result<(), LeafError> {
        let (from, to) = (self.docs.len(), self.tuples.len());
        if from == to {
            return Ok(());
        }
        for (_, key) in self.tuples.keys(from as u32..to as u32, &[])? {
            let plan = self.plan;
            let later = plan.after.as_ref().is_none_or(|after| plan.compare(&key, after).is_gt());
            let fits = self.worst.as_ref().is_none_or(|worst| plan.compare(&key, worst).is_le());
            self.docs.push((later && fits).then_some(0));
        }
        Ok(())
    }

    /// The first combinations, in order.
    fn best(&self) -> Result<Vec<Found>, LeafError> {
        let ids = || (0u32..).zip(&self.docs).filter_map(|(id, docs)| Some((id, (*docs)?)));
        let keys = self.tuples.keys(ids().map(|(id, _)| id), &[])?;
        let mut out: Vec<Found> = ids()
            .zip(keys)
            .map(|((id, docs), (_, key))| Found { key, raw: self.tuples.raw(id).1, docs })
            .collect();
        out.sort_by(|a, b| self.plan.compare(&a.key, &b.key));
        out.truncate(self.plan.size);
        Ok(out)
    }

    /// Forgets what cannot be on the page any more.
    fn forget(&mut self) -> Result<(), LeafError> {
        let best = self.best()?;
        self.tuples.clear();
        self.docs.clear();
        for found in &best {
            self.tuples.insert(&found.raw)?;
            self.docs.push(Some(found.docs));
        }
        if best.len() == self.plan.size {
            self.worst = best.into_iter().next_back().map(|found| found.key);
        }
        Ok(())
    }
}

impl More for Composite {
    fn reads<'p>(&'p self, fields: &mut Vec<&'p str>, _: &mut Vec<&'p Node>) {
        fields.extend(self.parts.iter().map(|part| part.field.as_str()));
    }

    fn over(&self, at: &At<'_, '_>) -> Result<Option<Partial>, LeafError> {
        let run = at.run();
        let tuples = Tuples::open(&self.parts, at.segment)?;
        let mut page = Page { plan: self, tuples, docs: Vec::new(), worst: None };
        let mut block = Block::default();
        let fill = |block: &mut Block, rows: &[u32]| {
            block.rows.clear();
            block.rows.extend_from_slice(rows);
            block.buckets.clear();
            block.buckets.resize(rows.len(), 0);
        };
        for_each_block(at.rows, run, |rows| {
            fill(&mut block, rows);
            page.take(&block)
        })?;
        let best = page.best()?;
        let bytes: usize = best.iter().map(|found| 128 + found.key.heap_bytes()).sum();
        run.charge(bytes)?;
        if at.planned.subs.is_empty() {
            let bucket = |found: Found| (found.key, Bucket { docs: found.docs, subs: Vec::new() });
            return Ok(Some(Partial::Keyed(best.into_iter().map(bucket).collect())));
        }
        // The rows once more, for what is nested in the combinations of the page.
        let mut tuples = page.tuples;
        tuples.clear();
        for found in &best {
            tuples.insert(&found.raw)?;
        }
        let mut buckets = at.nested()?;
        buckets.grow(best.len())?;
        for_each_block(at.rows, run, |rows| {
            fill(&mut block, rows);
            tuples.load(&block)?;
            for (at, row) in rows.iter().enumerate() {
                for id in tuples.find(at, 0) {
                    buckets.add(*row, *id)?;
                }
            }
            buckets.flush()
        })?;
        let keys = best.into_iter().map(|found| found.key);
        let out: HashMap<Key, Bucket> = keys.zip(buckets.finish()?).collect();
        Ok(Some(Partial::Keyed(out)))
    }

    fn write(
        &self,
        writer: &mut Writer,
        planned: &Planned,
        partial: Partial,
        out: &mut Object,
    ) -> Result<(), QueryError> {
        let Partial::Keyed(map) = partial else { return Ok(()) };
        let mut all: Vec<(Key, Bucket)> = map.into_iter().collect();
        all.sort_by(|(a, _), (b, _)| self.compare(a, b));
        all.truncate(self.size);
        if let Some((last, _)) = all.last() {
            out.push("after_key", self.json(last));
        }
        let mut list = Vec::with_capacity(all.len());
        for (key, bucket) in all {
            let mut head = Object::with_capacity(2 + planned.subs.len());
            head.push("key", self.json(&key));
            writer.bucket(&mut head, &planned.subs, bucket)?;
            list.push(Tree::Object(head));
        }
        out.push("buckets", Tree::List(list));
        Ok(())
    }
}
