//! What numbers do the matching records make? Planned once, collected per split or live batch,
//! merged, and written as Elasticsearch writes it.

mod addresses;
mod adjacency;
mod answer;
mod auto_date;
mod buckets;
pub mod cardinality;
mod categorize;
mod choice;
mod collect;
mod composite;
mod date;
mod direct;
pub mod key;
mod keyed;
pub mod leading;
pub mod letters;
mod metric;
mod more;
mod multi;
mod numbers;
mod others;
pub mod partial;
pub mod percentiles;
mod pipeline;
mod print;
mod rare;
mod rate;
mod rounding;
mod sampler;
mod scope;
mod scores;
mod significant;
mod sinks;
mod slots;
pub mod source;
pub mod stats;
mod terms;
mod top_hits;
mod tuples;
mod values;
mod variable;
pub mod weighted;
mod words;

use std::ops::Deref;

use hashbrown::HashMap;
use index::read::RowSet;
use model::record::TIMESTAMP_FIELD;
use model::time::Timestamp;
use serde_json::{Map, Value as Json};

use crate::ast::{Query, Test};
use crate::dates::{Formats, time_zone};
use crate::error::QueryError;
use crate::leaf::LeafError;
use crate::leaf::scan::for_each_block;
use crate::plan::Node;
use crate::request::{
    Agg, AggKind, CardinalityAgg, DateHistogramAgg, FiltersAgg, HistogramAgg, MetricAgg,
    PercentilesAgg, RangeAgg, StringStatsAgg, TopMetricsAgg, WeightedAvgAgg,
};
pub use addresses::number as ip_number;
pub use answer::{answer, answer_with_hits};
use choice::KeyFormat;
use collect::{Block, Buckets, Collector};
use more::{At, More, Role};
use partial::{Bucket, Partial};
use pipeline::Stage;
use print::Printer;
use rate::RatePlan;
use rounding::Rounding;
use slots::Passing;
use source::{FieldValues, Segment};
use terms::TermsPlan;
pub use top_hits::{Pending, place_hits};

/// The deepest nesting of aggregations.
const DEPTH_MAX: usize = 32;

/// A planned aggregation.
#[derive(Debug)]
pub struct Planned {
    name: String,
    kind: Kind,
    subs: Plan,
    meta: Option<Map<String, Json>>,
    /// How the numbers of a metric are printed, if not as they are.
    printer: Option<Printer>,
}

/// The aggregations of a level: those that look at records, and the pipelines over their answers.
#[derive(Debug, Default)]
pub struct Plan {
    list: Vec<Planned>,
    /// In the order in which they are computed.
    stages: Vec<Stage>,
}

impl Plan {
    /// One aggregation.
    fn of(planned: Planned) -> Self {
        Self { list: vec![planned], stages: Vec::new() }
    }

    /// Whether there are pipelines, here or further inside.
    fn has_stages(&self) -> bool {
        !self.stages.is_empty() || self.list.iter().any(|planned| planned.subs.has_stages())
    }
}

impl Deref for Plan {
    type Target = [Planned];

    fn deref(&self) -> &[Planned] {
        &self.list
    }
}

#[derive(Debug)]
enum Kind {
    Terms(Box<TermsPlan>),
    Date(Box<DatePlan>),
    Histogram(HistogramAgg, KeyFormat),
    Range(RangeAgg, KeyFormat),
    /// One bucket, without a list around it.
    Filter(Node),
    Filters(FiltersAgg, Vec<Node>),
    Metric(MetricAgg),
    Percentiles(PercentilesAgg),
    Cardinality(CardinalityAgg),
    More(Box<dyn More>),
    WeightedAvg(WeightedAvgAgg),
    TopMetrics(TopMetricsAgg),
    StringStats(StringStatsAgg),
    Rate(RatePlan),
}

#[derive(Debug)]
struct DatePlan {
    agg: DateHistogramAgg,
    rounding: Rounding,
    formats: Formats,
}

impl DatePlan {
    fn print(&self, ns: i64) -> String {
        self.formats.print(Timestamp(ns), &self.rounding.zone)
    }
}

/// Plans the aggregations of a request.
///
/// # Errors
/// An interval, zone, format, order or nested query makes no sense, or the nesting is too deep.
pub fn plan(aggs: &[(String, Agg)]) -> Result<Plan, QueryError> {
    let mut planned = plan_level(aggs, Above::default())?;
    more::add_backgrounds(&mut planned.list)?;
    Ok(planned)
}

/// What a level of aggregations is nested in.
#[derive(Clone, Copy, Default)]
struct Above<'a> {
    depth: usize,
    parent: Option<&'a AggKind>,
    /// The nearest date histogram.
    date: Option<&'a DateHistogramAgg>,
}

impl<'a> Above<'a> {
    fn below(self, kind: &'a AggKind) -> Self {
        let date = match kind {
            AggKind::DateHistogram(date) => Some(date),
            _ => self.date,
        };
        Self { depth: self.depth + 1, parent: Some(kind), date }
    }
}

fn plan_level(aggs: &[(String, Agg)], above: Above<'_>) -> Result<Plan, QueryError> {
    if above.depth > DEPTH_MAX {
        return Err(QueryError::illegal(format!(
            "the aggregations are nested more than {DEPTH_MAX} levels deep"
        )));
    }
    let mut list = Vec::with_capacity(aggs.len());
    for (name, agg) in aggs {
        if !matches!(agg.kind, AggKind::Pipeline(_)) {
            list.push(plan_one(name, agg, above)?);
        }
    }
    Ok(Plan { list, stages: pipeline::stages(aggs, above.parent)? })
}

fn plan_one(name: &str, agg: &Agg, above: Above<'_>) -> Result<Planned, QueryError> {
    let subs = plan_level(&agg.aggs, above.below(&agg.kind))?;
    let formats = |format: &Option<String>| match format {
        Some(format) => Formats::parse(format),
        None => Ok(Formats::default()),
    };
    let kind = match &agg.kind {
        AggKind::Terms(terms) => Kind::Terms(Box::new(TermsPlan::new(terms, &subs)?)),
        AggKind::DateHistogram(date) => {
            terms::check_order(&date.order, &subs)?;
            Kind::Date(Box::new(DatePlan {
                rounding: Rounding::new(date)?,
                formats: formats(&date.format)?,
                agg: date.clone(),
            }))
        }
        AggKind::Histogram(histogram) => {
            if !(histogram.interval > 0.0 && histogram.interval.is_finite()) {
                return Err(QueryError::illegal(format!(
                    "aggregation `{name}`: the interval of a `histogram` must be above 0, got `{}`",
                    histogram.interval
                )));
            }
            terms::check_order(&histogram.order, &subs)?;
            Kind::Histogram(histogram.clone(), KeyFormat::new(histogram.format.as_deref())?)
        }
        AggKind::Range(range) => Kind::Range(range.clone(), range_format(range)?),
        AggKind::Filter(query) => Kind::Filter(Node::of(query)?),
        AggKind::Filters(filters) => {
            let nodes = filters.filters.iter().map(|(_, q)| Node::of(q));
            Kind::Filters(filters.clone(), nodes.collect::<Result<_, _>>()?)
        }
        AggKind::Missing(field) => {
            Kind::Filter(Node::of(&Query::field(field.clone(), Test::Exists).negate())?)
        }
        AggKind::Metric(metric) => Kind::Metric(metric.clone()),
        AggKind::Percentiles(percentiles) => Kind::Percentiles(percentiles.clone()),
        AggKind::Cardinality(cardinality) => Kind::Cardinality(cardinality.clone()),
        AggKind::Bucket(of) => {
            let planned = others::plan_bucket((name, above.depth), of, subs)?;
            return Ok(Planned { meta: agg.meta.clone(), ..planned });
        }
        AggKind::WeightedAvg(weighted) => Kind::WeightedAvg(weighted.clone()),
        AggKind::TopMetrics(top) => Kind::TopMetrics(top.clone()),
        AggKind::StringStats(strings) => Kind::StringStats(strings.clone()),
        AggKind::Rate(rate) => Kind::Rate(RatePlan::new(rate, above.date)?),
        AggKind::Pipeline(_) => {
            let reason = format!("aggregation `{name}` looks at no records");
            return Err(QueryError::illegal(reason));
        }
    };
    let printer = metric::printer(&agg.kind)?;
    let planned = Planned { name: name.to_owned(), kind, subs, meta: agg.meta.clone(), printer };
    if !planned.subs.is_empty() && !planned.has_buckets() {
        return Err(QueryError::illegal(format!(
            "aggregation `{name}` makes no buckets and cannot hold sub-aggregations"
        )));
    }
    Ok(planned)
}

fn range_format(range: &RangeAgg) -> Result<KeyFormat, QueryError> {
    let format = KeyFormat::new(range.format.as_deref())?;
    Ok(match &range.time_zone {
        Some(zone) => format.with_zone(time_zone(zone)?),
        None => format,
    })
}

impl Planned {
    fn has_buckets(&self) -> bool {
        match &self.kind {
            Kind::More(more) => more.role() != Role::Leaf,
            kind => !metric::is_one(kind),
        }
    }

    /// Whether it makes one bucket, without a list around it.
    fn is_single(&self) -> bool {
        match &self.kind {
            Kind::More(more) => matches!(more.role(), Role::Single | Role::Whole),
            kind => matches!(kind, Kind::Filter(_)),
        }
    }

    /// The aggregations in the buckets of its answer.
    fn answered(&self) -> &Plan {
        match (&self.kind, self.subs.first()) {
            (Kind::More(more), Some(inner)) if more.role() == Role::Around => &inner.subs,
            _ => &self.subs,
        }
    }

    /// Whether it counts all records, whatever the query.
    fn is_of_all(&self) -> bool {
        match &self.kind {
            Kind::More(more) => matches!(more.role(), Role::Whole | Role::Hidden),
            _ => false,
        }
    }

    fn is_hidden(&self) -> bool {
        matches!(&self.kind, Kind::More(more) if more.role() == Role::Hidden)
    }

    /// For another aggregation, over all records.
    fn hidden(plan: Planned) -> Self {
        Self::plain(Kind::More(Box::new(scope::Hidden(None))), Plan::of(plan))
    }

    /// Without a name.
    fn plain(kind: Kind, subs: Plan) -> Self {
        Planned { name: String::new(), kind, subs, meta: None, printer: None }
    }

    /// What is known when no record was looked at.
    fn empty(&self) -> Partial {
        let slots = |count: usize| {
            Partial::Slots(
                (0..count).map(|_| Bucket { docs: 0, subs: empty(&self.subs) }).collect(),
            )
        };
        match &self.kind {
            Kind::Terms(_) | Kind::Date(_) | Kind::Histogram(..) => Partial::Keyed(HashMap::new()),
            Kind::Range(range, _) => slots(range.ranges.len()),
            Kind::Filter(_) => slots(1),
            Kind::Filters(filters, nodes) => {
                slots(nodes.len() + usize::from(filters.other.is_some()))
            }
            Kind::More(more) => more.empty(&self.subs),
            kind => metric::empty(kind),
        }
    }
}

/// What is known of all when no record was looked at.
pub fn empty(planned: &[Planned]) -> Vec<Partial> {
    planned.iter().map(Planned::empty).collect()
}

/// Whether a field holds the records' times, so that its numbers are printed as times.
fn is_time_field(field: &str) -> bool {
    field == TIMESTAMP_FIELD
}

/// Whether an aggregation counts all records, whatever the query.
pub fn looks_at_all(planned: &[Planned]) -> bool {
    planned.iter().any(Planned::is_of_all)
}

/// Collects the aggregations over rows of a segment that match, and where they count all records
/// over all its rows.
///
/// # Errors
/// As [`collect`].
pub fn collect_all(
    planned: &[Planned],
    segment: Segment<'_>,
    (rows, all): (&RowSet, &RowSet),
) -> Result<Vec<Partial>, LeafError> {
    let (of_all, rest): (Vec<_>, Vec<_>) = planned.iter().partition(|plan| plan.is_of_all());
    let mut of_all = collect_over(&of_all, segment, all)?.into_iter();
    let mut rest = collect_over(&rest, segment, rows)?.into_iter();
    let next = |plan: &Planned| if plan.is_of_all() { of_all.next() } else { rest.next() };
    Ok(planned.iter().filter_map(next).collect())
}

/// Collects the aggregations over rows of a segment.
///
/// # Errors
/// The split cannot be read, a limit is reached, or the search was stopped.
pub fn collect(
    planned: &[Planned],
    segment: Segment<'_>,
    rows: &RowSet,
) -> Result<Vec<Partial>, LeafError> {
    collect_over(&planned.iter().collect::<Vec<_>>(), segment, rows)
}

/// What can be known of all rows at once, and the rest in blocks.
fn collect_over(
    planned: &[&Planned],
    segment: Segment<'_>,
    rows: &RowSet,
) -> Result<Vec<Partial>, LeafError> {
    let mut out = Vec::with_capacity(planned.len());
    let mut rest = Vec::new();
    for plan in planned {
        let found = match (&plan.kind, segment) {
            (Kind::More(more), _) => more.over(&At { planned: plan, segment, rows })?,
            (_, Segment::Split(eval)) => direct::direct(plan, eval, rows)?,
            (_, Segment::Live(..)) => None,
        };
        if found.is_none() {
            rest.push(*plan);
        }
        out.push(found);
    }
    let mut collected = collect_blocks(&rest, segment, rows)?.into_iter();
    Ok(out.into_iter().filter_map(|found| found.or_else(|| collected.next())).collect())
}

/// Collects aggregations by handing rows on in blocks.
fn collect_blocks(
    planned: &[&Planned],
    segment: Segment<'_>,
    rows: &RowSet,
) -> Result<Vec<Partial>, LeafError> {
    if planned.is_empty() {
        return Ok(Vec::new());
    }
    let collectors = planned.iter().map(|p| collector(p, segment, rows));
    let mut collectors = collectors.collect::<Result<Vec<_>, _>>()?;
    let mut block = Block::default();
    for_each_block(rows, segment.run(), |rows| {
        block.rows.clear();
        block.rows.extend_from_slice(rows);
        block.buckets.clear();
        block.buckets.resize(rows.len(), 0);
        collectors.iter_mut().try_for_each(|c| c.collect(&block))
    })?;
    let mut out = Vec::with_capacity(collectors.len());
    for collector in &mut collectors {
        out.append(&mut collector.finish(1)?);
    }
    Ok(out)
}

/// The fields and the queries of aggregations.
pub fn reads<'p>(planned: &'p [Planned], fields: &mut Vec<&'p str>, nodes: &mut Vec<&'p Node>) {
    for plan in planned {
        match &plan.kind {
            Kind::Terms(terms) => fields.push(&terms.agg.field),
            Kind::Date(date) => fields.push(&date.agg.field),
            Kind::Histogram(agg, _) => fields.push(&agg.field),
            Kind::Range(agg, _) => fields.push(&agg.field),
            Kind::Filter(node) => nodes.push(node),
            Kind::Filters(_, list) => nodes.extend(list),
            Kind::More(more) => more.reads(fields, nodes),
            kind => metric::reads(kind, fields),
        }
        reads(&plan.subs, fields, nodes);
    }
}

fn collectors<'a>(
    planned: &'a [Planned],
    segment: Segment<'a>,
    rows: &RowSet,
) -> Result<Vec<Box<dyn Collector + 'a>>, LeafError> {
    planned.iter().map(|p| collector(p, segment, rows)).collect()
}

fn collector<'a>(
    planned: &'a Planned,
    segment: Segment<'a>,
    rows: &RowSet,
) -> Result<Box<dyn Collector + 'a>, LeafError> {
    let run = segment.run();
    let field = |path: &str| FieldValues::open(segment, path);
    let nested = || -> Result<Buckets<'a>, LeafError> {
        Ok(Buckets::new(collectors(&planned.subs, segment, rows)?, run))
    };
    Ok(match &planned.kind {
        Kind::Terms(terms) => Box::new(keyed::Terms::new(
            (terms.choice.as_ref(), terms.missing.clone()),
            field(&terms.agg.field)?,
            nested()?,
            run,
        )),
        Kind::Histogram(agg, _) => {
            Box::new(keyed::Histogram::new(agg, field(&agg.field)?, nested()?, run))
        }
        Kind::Date(plan) => Box::new(date::DateHistogram::new(
            segment,
            field(&plan.agg.field)?,
            nested()?,
            (&plan.rounding, &plan.agg),
        )),
        Kind::Range(agg, _) => Box::new(slots::Ranges::new(agg, field(&agg.field)?, nested()?)),
        Kind::Filter(node) => {
            let passing = vec![Passing::of(&segment, node, rows)?];
            Box::new(slots::Filters::new(passing, false, nested()?))
        }
        Kind::Filters(agg, nodes) => {
            let passing = nodes.iter().map(|node| Passing::of(&segment, node, rows));
            let passing = passing.collect::<Result<_, _>>()?;
            Box::new(slots::Filters::new(passing, agg.other.is_some(), nested()?))
        }
        Kind::More(more) => At { planned, segment, rows }.collector(&**more)?,
        _ => return metric::collector(planned, segment),
    })
}
