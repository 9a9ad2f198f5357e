//! Which buckets of time give about so many? `auto_date_histogram`.
//!
//! Units lie in one another: second, minute, hour, day, month, year. A segment counts in the
//! narrowest unit that its times allow; the answer is in the narrowest that all times allow, and
//! some units in a row make one bucket.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use jiff::tz::TimeZone;

use super::Planned;
use super::answer::Writer;
use super::choice::KeyFormat;
use super::collect::{Block, BlockValues, Collector};
use super::date::Times;
use super::key::Key;
use super::keyed::{KeyTable, RawKey};
use super::more::{At, More};
use super::partial::{Bucket, Partial};
use super::rounding::Rounding;
use super::source::Raw;
use crate::dates::time_zone;
use crate::error::QueryError;
use crate::leaf::{LeafError, Run};
use crate::plan::Node;
use crate::request::{AutoDateAgg, CalendarUnit, Interval};
use crate::tree::{Object, Tree};

/// A unit of time, and how many in a row may be a bucket.
#[derive(Debug)]
struct Unit {
    rounding: Rounding,
    /// The mean width, nanoseconds.
    width: f64,
    short: &'static str,
    runs: &'static [usize],
}

/// Unit, mean seconds, short name, runs.
type Row = (CalendarUnit, f64, &'static str, &'static [usize]);

const UNITS: [Row; 6] = [
    (CalendarUnit::Second, 1.0, "s", &[1, 5, 10, 30]),
    (CalendarUnit::Minute, 60.0, "m", &[1, 5, 10, 30]),
    (CalendarUnit::Hour, 3600.0, "h", &[1, 3, 12]),
    (CalendarUnit::Day, 86_400.0, "d", &[1, 7]),
    (CalendarUnit::Month, 2_629_746.0, "M", &[1, 3]),
    (CalendarUnit::Year, 31_556_952.0, "y", &[1, 5, 10, 20, 50, 100]),
];

impl Unit {
    fn start(&self, ns: i64) -> i64 {
        self.rounding.bucket(ns).0
    }

    /// How many units there are between two instants, theirs included.
    fn count(&self, from: i64, to: i64) -> f64 {
        let apart = i128::from(self.start(to)) - i128::from(self.start(from));
        (apart as f64 / self.width).round() + 1.0
    }

    fn run_max(&self) -> usize {
        self.runs.last().copied().unwrap_or(1)
    }
}

/// A planned `auto_date_histogram`.
#[derive(Debug)]
pub(super) struct AutoDate {
    agg: AutoDateAgg,
    units: Vec<Unit>,
    format: KeyFormat,
}

impl AutoDate {
    /// Of a request.
    ///
    /// # Errors
    /// A zone or format makes no sense.
    pub(super) fn new(agg: &AutoDateAgg) -> Result<Self, QueryError> {
        let zone = agg.time_zone.as_deref().map_or(Ok(TimeZone::UTC), time_zone)?;
        let first = agg.minimum.and_then(|least| UNITS.iter().position(|(u, ..)| *u == least));
        let unit = |(unit, seconds, short, runs): &Row| Unit {
            rounding: Rounding::in_zone(Interval::Calendar(*unit), 0, zone.clone()),
            width: seconds * 1e9,
            short,
            runs,
        };
        Ok(Self {
            units: UNITS.iter().skip(first.unwrap_or(0)).map(unit).collect(),
            format: KeyFormat::new(agg.format.as_deref())?.with_zone(zone),
            agg: agg.clone(),
        })
    }

    /// The narrowest unit, from one on, in which times between two are not too many.
    fn level(&self, from: usize, (least, most): (i64, i64)) -> usize {
        let fits = |unit: &Unit| {
            unit.count(least, most) <= self.agg.buckets.saturating_mul(unit.run_max()) as f64
        };
        let found = self.units.iter().enumerate().skip(from).find(|(_, unit)| fits(unit));
        found.map_or(self.units.len() - 1, |(at, _)| at)
    }

    /// The buckets of all parts by start, in one unit.
    fn settled(&self, map: HashMap<Key, Bucket>) -> (usize, BTreeMap<i64, Bucket>) {
        let mut all = Vec::with_capacity(map.len());
        let (mut level, mut span) = (0, None);
        for (key, bucket) in map {
            let Key::Tuple(parts) = key else { continue };
            let [Key::Int(of), Key::Time(start)] = &*parts else { continue };
            level = level.max((*of).clamp(0, self.units.len() as i64 - 1) as usize);
            let (least, most) = span.unwrap_or((*start, *start));
            span = Some((least.min(*start), most.max(*start)));
            all.push((*start, bucket));
        }
        if let Some(span) = span {
            level = self.level(level, span);
        }
        let mut out: BTreeMap<i64, Bucket> = BTreeMap::new();
        for (start, bucket) in all {
            out.entry(self.units[level].start(start)).or_default().merge(bucket);
        }
        (level, out)
    }
}

impl More for AutoDate {
    fn reads<'p>(&'p self, fields: &mut Vec<&'p str>, _: &mut Vec<&'p Node>) {
        fields.push(&self.agg.field);
    }

    fn collector<'a>(
        &'a self,
        at: &At<'a, '_>,
    ) -> Result<Option<Box<dyn Collector + 'a>>, LeafError> {
        let values = BlockValues::new(at.field(&self.agg.field)?);
        Ok(Some(Box::new(Adaptive {
            values: values.or(self.agg.missing.map(Raw::Time)),
            times: Times::default(),
            table: KeyTable::new(at.nested()?, None, at.run()),
            spans: Spans { plan: self, list: Vec::new(), run: at.run() },
            chosen: Vec::new(),
        })))
    }

    fn write(
        &self,
        writer: &mut Writer,
        planned: &Planned,
        partial: Partial,
        out: &mut Object,
    ) -> Result<(), QueryError> {
        let Partial::Keyed(map) = partial else { return Ok(()) };
        let (level, mut found) = self.settled(map);
        let unit = &self.units[level];
        let mut all: Vec<(i64, Bucket)> = Vec::new();
        if let (Some(first), Some(last)) = (found.keys().next(), found.keys().next_back()) {
            let (mut at, last) = (*first, *last);
            while at <= last {
                all.push((at, found.remove(&at).unwrap_or_default()));
                let next = unit.rounding.bucket(at).1;
                if next <= at {
                    break;
                }
                at = next;
            }
        }
        let fits = |run: &&usize| all.len().div_ceil(**run) <= self.agg.buckets;
        let run = unit.runs.iter().find(fits).copied().unwrap_or(unit.run_max());
        let mut list = Vec::with_capacity(all.len() / run + 1);
        let mut all = all.into_iter().peekable();
        while all.peek().is_some() {
            let mut parts = all.by_ref().take(run);
            let Some((start, mut bucket)) = parts.next() else { break };
            parts.for_each(|(_, part)| bucket.merge(part));
            let mut head = Object::with_capacity(3 + planned.subs.len());
            head.push("key_as_string", self.format.time(start));
            head.push("key", model::time::Timestamp(start).millis());
            writer.bucket(&mut head, &planned.subs, bucket)?;
            list.push(Tree::Object(head));
        }
        out.push("buckets", Tree::List(list));
        out.push("interval", format!("{run}{}", unit.short));
        Ok(())
    }
}

/// The times of a bucket above, and the unit that they allow.
#[derive(Clone, Copy)]
struct Span {
    least: i64,
    most: i64,
    level: usize,
}

/// Buckets in a unit that widens while times come.
struct Adaptive<'a> {
    values: BlockValues<'a>,
    times: Times,
    table: KeyTable<'a>,
    spans: Spans<'a>,
    chosen: Vec<u32>,
}

/// The times of the buckets above.
struct Spans<'a> {
    plan: &'a AutoDate,
    list: Vec<Option<Span>>,
    run: &'a Run,
}

impl Spans<'_> {
    /// The start of the bucket of a time in the unit of its bucket above.
    fn start(&mut self, parent: u32, ns: i64) -> Result<i64, LeafError> {
        let parent = parent as usize;
        if parent >= self.list.len() {
            self.run.charge((parent + 1 - self.list.len()) * size_of::<Option<Span>>())?;
            self.list.resize(parent + 1, None);
        }
        let old = self.list[parent];
        let mut span = old.unwrap_or(Span { least: ns, most: ns, level: 0 });
        if old.is_none() || ns < span.least || ns > span.most {
            span.least = span.least.min(ns);
            span.most = span.most.max(ns);
            span.level = self.plan.level(span.level, (span.least, span.most));
            self.list[parent] = Some(span);
        }
        Ok(self.plan.units[span.level].start(ns))
    }
}

impl Collector for Adaptive<'_> {
    fn collect(&mut self, block: &Block) -> Result<(), LeafError> {
        self.values.load(block)?;
        self.times.parse_new(&self.values, block, self.spans.run)?;
        for (row, parent, values) in self.values.of_pairs(block) {
            self.chosen.clear();
            for (_, value) in values {
                let Some(ns) = self.times.of(*value) else { continue };
                let start = self.spans.start(parent, ns)?;
                let bucket = self.table.bucket(parent, RawKey::Time(start))?;
                if !self.chosen.contains(&bucket) {
                    self.chosen.push(bucket);
                }
            }
            let buckets = &mut self.table.buckets;
            self.chosen.iter().try_for_each(|bucket| buckets.add(row, *bucket))?;
        }
        self.table.buckets.flush()
    }

    fn finish(&mut self, parents: usize) -> Result<Vec<Partial>, LeafError> {
        let mut out: Vec<HashMap<Key, Bucket>> = (0..parents).map(|_| HashMap::new()).collect();
        for (parent, key, bucket) in self.table.finish_list(None, None)? {
            let Key::Time(start) = key else { continue };
            let level =
                self.spans.list.get(parent as usize).copied().flatten().map_or(0, |s| s.level);
            // Buckets that were made while the unit was narrower lie in one of the wider.
            let start = self.spans.plan.units[level].start(start);
            let key = Key::Tuple([Key::Int(level as i64), Key::Time(start)].into());
            out[parent as usize].entry(key).or_default().merge(bucket);
        }
        Ok(out.into_iter().map(Partial::Keyed).collect())
    }
}
