//! What are metrics to the others? What they read, their collectors, their numbers by name, and
//! their answers.

use hashbrown::{HashMap, HashSet};
use model::record::TIMESTAMP_FIELD;
use serde_json::{Value as Json, json};

use super::collect::Collector;
use super::numbers::{BlockNumbers, From};
use super::partial::Partial;
use super::percentiles::Sketch;
use super::print::Printer;
use super::source::{FieldValues, Segment};
use super::stats::Stats;
use super::{Kind, Planned, is_time_field, leading, letters, rate, values, weighted};
use crate::error::QueryError;
use crate::leaf::LeafError;
use crate::request::{AggKind, Metric, MetricAgg, PercentilesAgg, Shape, SortBy};
use crate::script::Script;
use crate::tree::{Object, Tree};

/// Whether it is a metric.
pub(super) fn is_one(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Metric(_)
            | Kind::Percentiles(_)
            | Kind::Cardinality(_)
            | Kind::WeightedAvg(_)
            | Kind::TopMetrics(_)
            | Kind::StringStats(_)
            | Kind::Rate(_)
    )
}

/// How the numbers of a metric are printed, if not as they are.
pub(super) fn printer(kind: &AggKind) -> Result<Option<Printer>, QueryError> {
    let (format, field) = match kind {
        AggKind::Metric(agg) => (&agg.format, agg.field.as_str()),
        AggKind::Percentiles(agg) => (&agg.format, agg.field.as_str()),
        AggKind::WeightedAvg(agg) => (&agg.format, agg.value.field.as_str()),
        AggKind::TopMetrics(agg) => match &agg.by {
            SortBy::Time => (&agg.format, TIMESTAMP_FIELD),
            _ => return Ok(None),
        },
        AggKind::StringStats(agg) => (&agg.format, ""),
        AggKind::Rate(agg) => (&agg.format, ""),
        _ => return Ok(None),
    };
    Printer::new(format.as_deref(), is_time_field(field))
}

/// What is known when no record was looked at.
pub(super) fn empty(kind: &Kind) -> Partial {
    match kind {
        Kind::Percentiles(_) => Partial::Percentiles(Sketch::default()),
        Kind::Cardinality(_) => Partial::Distinct(super::cardinality::Distinct::default()),
        Kind::WeightedAvg(_) => Partial::Weighted(weighted::Weighted::default()),
        Kind::TopMetrics(_) => Partial::Leaders(leading::Leaders::default()),
        Kind::StringStats(_) => Partial::Letters(letters::Letters::default()),
        Kind::Metric(_) | Kind::Rate(_) => Partial::Stats(Stats::default()),
        // Those with buckets are made elsewhere.
        _ => Partial::Keyed(HashMap::new()),
    }
}

/// Adds the fields that a metric reads.
pub(super) fn reads<'p>(kind: &'p Kind, fields: &mut Vec<&'p str>) {
    let mut numbers = |field: &'p str, script: Option<&'p Script>| {
        if !field.is_empty() {
            fields.push(field);
        }
        fields.extend(script.iter().flat_map(|script| script.fields()).map(String::as_str));
    };
    match kind {
        Kind::Metric(agg) => numbers(&agg.field, agg.script.as_ref()),
        Kind::Percentiles(agg) => numbers(&agg.field, agg.script.as_ref()),
        Kind::Cardinality(agg) => numbers(&agg.field, None),
        Kind::WeightedAvg(agg) => {
            numbers(&agg.value.field, agg.value.script.as_ref());
            numbers(&agg.weight.field, agg.weight.script.as_ref());
        }
        Kind::TopMetrics(agg) => {
            agg.metrics.iter().for_each(|metric| numbers(metric, None));
            if let SortBy::Field(path) = &agg.by {
                numbers(path, None);
            }
        }
        Kind::StringStats(agg) => numbers(&agg.field, None),
        Kind::Rate(plan) => {
            if let Some(of) = &plan.agg.numbers {
                numbers(&of.field, of.script.as_ref());
            }
        }
        // Those with buckets tell themselves.
        _ => {}
    }
}

/// Collects a metric over one segment.
pub(super) fn collector<'a>(
    planned: &'a Planned,
    segment: Segment<'a>,
) -> Result<Box<dyn Collector + 'a>, LeafError> {
    let run = segment.run();
    let field = |path: &str| FieldValues::open(segment, path);
    let numbers = |from: From<'a>| BlockNumbers::open(segment, from);
    Ok(match &planned.kind {
        Kind::Metric(agg) if agg.metric == Metric::ValueCount && agg.script.is_none() => {
            Box::new(values::ValueCount::new(field(&agg.field)?, agg.missing, run))
        }
        Kind::Metric(MetricAgg { field, missing, script, .. }) => {
            let from = From { field, missing: *missing, script: script.as_ref() };
            Box::new(values::Metrics::new(numbers(from)?, run))
        }
        Kind::Percentiles(PercentilesAgg { field, missing, script, .. }) => {
            let from = From { field, missing: *missing, script: script.as_ref() };
            Box::new(values::Percentiles::new(numbers(from)?, run))
        }
        Kind::Cardinality(agg) => {
            let field = field(&agg.field)?;
            match field.dict().filter(|_| agg.missing.is_none()).cloned() {
                Some(dict) => Box::new(values::OrdCardinality::new(dict, run)),
                None => Box::new(values::Cardinality::new(field, agg.missing.as_ref(), run)),
            }
        }
        Kind::WeightedAvg(agg) => {
            let (value, weight) = (numbers((&agg.value).into())?, numbers((&agg.weight).into())?);
            Box::new(weighted::WeightedAvg::new(value, weight, run))
        }
        Kind::TopMetrics(agg) => Box::new(leading::TopMetrics::open(segment, agg)?),
        Kind::StringStats(agg) => {
            let missing = agg.missing.as_deref();
            Box::new(letters::StringStats::new(field(&agg.field)?, missing, run))
        }
        Kind::Rate(plan) => match &plan.agg.numbers {
            Some(from) if plan.agg.counts_values && from.script.is_none() => {
                Box::new(values::ValueCount::new(field(&from.field)?, from.missing, run))
            }
            Some(from) => Box::new(values::Metrics::new(numbers(from.into())?, run)),
            None => Box::new(rate::Records::new(run)),
        },
        // Those with buckets are made elsewhere.
        _ => Box::new(rate::Records::new(run)),
    })
}

/// Whether the rest of an order's path names a number of the metric.
pub(super) fn has_number(kind: &Kind, rest: &str) -> bool {
    let name = rest.strip_prefix('.').or_else(|| rest.strip_prefix('[')?.strip_suffix(']'));
    match kind {
        Kind::Metric(agg) => match agg.metric {
            Metric::Stats => {
                name.is_some_and(|n| ["count", "min", "max", "avg", "sum"].contains(&n))
            }
            Metric::ExtendedStats => {
                let mut two = Stats::default();
                two.add(0.0);
                two.add(1.0);
                name.is_some_and(|n| two.extended_property(n, agg.sigma).is_some())
            }
            _ => is_value(rest),
        },
        Kind::Percentiles(agg) => match agg.shape {
            Shape::Percentiles | Shape::Ranks => name.is_some_and(|n| n.parse::<f64>().is_ok()),
            Shape::Deviation => is_value(rest),
            Shape::Boxplot => name.is_some_and(|n| BOXPLOT.contains(&n)),
        },
        Kind::Cardinality(_) | Kind::WeightedAvg(_) | Kind::Rate(_) => is_value(rest),
        Kind::StringStats(_) => {
            let names = ["count", "min_length", "max_length", "avg_length", "entropy"];
            name.is_some_and(|n| names.contains(&n))
        }
        Kind::TopMetrics(agg) => name.is_some_and(|n| agg.metrics.iter().any(|m| m == n)),
        _ => false,
    }
}

fn is_value(rest: &str) -> bool {
    rest.is_empty() || rest == ".value"
}

/// The number that the rest of an order's path names.
pub(super) fn number(planned: &Planned, partial: &mut Partial, rest: &str) -> Option<f64> {
    let name = rest.strip_prefix('.').or_else(|| rest.strip_prefix('[')?.strip_suffix(']'));
    match (&planned.kind, partial) {
        (Kind::Metric(agg), Partial::Stats(stats)) => match name {
            Some(name) if name != "value" => stats.extended_property(name, agg.sigma),
            _ => stats.value(agg.metric),
        },
        (Kind::Percentiles(agg), Partial::Percentiles(sketch)) => {
            sketch.finish();
            match agg.shape {
                Shape::Percentiles => sketch.percentile(name?.parse().ok()?),
                Shape::Ranks => sketch.rank(name?.parse().ok()?),
                Shape::Deviation => sketch.deviation(),
                Shape::Boxplot => {
                    let at = BOXPLOT.iter().position(|other| Some(*other) == name)?;
                    Some(boxplot(sketch)?[at])
                }
            }
        }
        (Kind::Cardinality(_), Partial::Distinct(distinct)) => Some(distinct.count() as f64),
        (Kind::WeightedAvg(_), Partial::Weighted(weighted)) => weighted.mean(),
        (Kind::StringStats(_), Partial::Letters(letters)) => letters.property(name?),
        (Kind::TopMetrics(agg), Partial::Leaders(leaders)) => {
            leaders.number(agg.metrics.iter().position(|metric| Some(metric.as_str()) == name)?)
        }
        (Kind::Rate(plan), Partial::Stats(stats)) => Some(plan.of(stats, 0)),
        _ => None,
    }
}

/// Writes the answer of a metric; `start_ns` is the start of the date histogram's bucket that it is
/// in.
pub(super) fn write(planned: &Planned, partial: Partial, start_ns: i64, out: &mut Object) {
    let printer = planned.printer.as_ref();
    match (&planned.kind, partial) {
        (Kind::Metric(agg), Partial::Stats(stats)) => {
            let print = printer.map(|printer| |v: f64| printer.print(v));
            let print = print.as_ref().map(|print| print as &dyn Fn(f64) -> String);
            stats.write(agg.metric, (print, agg.sigma), out);
        }
        (Kind::Percentiles(agg), Partial::Percentiles(mut sketch)) => {
            sketch.finish();
            distribution(agg, printer, &sketch, out);
        }
        (Kind::Cardinality(_), Partial::Distinct(distinct)) => out.push("value", distinct.count()),
        (Kind::WeightedAvg(_), Partial::Weighted(weighted)) => one(weighted.mean(), printer, out),
        (Kind::StringStats(agg), Partial::Letters(letters)) => {
            letters.write(agg.distribution, printer, out);
        }
        (Kind::TopMetrics(agg), Partial::Leaders(leaders)) => leaders.write(agg, printer, out),
        (Kind::Rate(plan), Partial::Stats(stats)) => {
            one(Some(plan.of(&stats, start_ns)), printer, out);
        }
        // Partials are made from the plan, so their kinds agree.
        _ => {}
    }
}

fn one(value: Option<f64>, printer: Option<&Printer>, out: &mut Object) {
    out.push("value", json!(value));
    if let (Some(printer), Some(value)) = (printer, value) {
        out.push("value_as_string", printer.print(value));
    }
}

fn distribution(
    agg: &PercentilesAgg,
    printer: Option<&Printer>,
    sketch: &Sketch,
    out: &mut Object,
) {
    match agg.shape {
        Shape::Percentiles => {
            let value = |percent| sketch.percentile(percent);
            out.push("values", percentiles(agg, printer, value));
        }
        Shape::Ranks => {
            // Ranks are percents, also of times.
            let printer = printer.filter(|printer| matches!(printer, Printer::Decimal(_)));
            out.push("values", percentiles(agg, printer, |value| sketch.rank(value)));
        }
        Shape::Deviation => {
            let printer = printer.filter(|printer| matches!(printer, Printer::Decimal(_)));
            one(sketch.deviation(), printer, out);
        }
        Shape::Boxplot => {
            // As Elasticsearch writes what it has not.
            let none = ["Infinity", "-Infinity", "NaN", "NaN", "NaN", "NaN", "NaN"];
            let values = boxplot(sketch);
            for (at, name) in BOXPLOT.into_iter().enumerate() {
                out.push(name, values.map_or_else(|| json!(none[at]), |values| json!(values[at])));
            }
            if let (Some(printer), Some(values)) = (printer, values) {
                for (name, value) in BOXPLOT.into_iter().zip(values) {
                    out.push(format!("{name}_as_string"), printer.print(value));
                }
            }
        }
    }
}

const BOXPLOT: [&str; 7] = ["min", "max", "q1", "q2", "q3", "lower", "upper"];

/// The numbers of a boxplot, by [`BOXPLOT`]: whiskers end at values that lie within one and a half
/// of the distance between the quartiles.
fn boxplot(sketch: &Sketch) -> Option<[f64; 7]> {
    let at = |percent| sketch.percentile(percent);
    let (min, q1, q2, q3, max) = (at(0.0)?, at(25.0)?, at(50.0)?, at(75.0)?, at(100.0)?);
    let reach = 1.5 * (q3 - q1);
    let (lower, upper) = sketch.within(q1 - reach, q3 + reach).unwrap_or((min, max));
    Some([min, max, q1, q2, q3, lower, upper])
}

/// The value of each percent, by name or as a list.
fn percentiles(
    agg: &PercentilesAgg,
    printer: Option<&Printer>,
    value: impl Fn(f64) -> Option<f64>,
) -> Tree {
    let mut object = Object::with_capacity(agg.percents.len());
    let (mut list, mut named) = (Vec::new(), HashSet::new());
    for percent in &agg.percents {
        let value = value(*percent);
        let text = value.zip(printer).map(|(v, printer)| printer.print(v));
        if agg.keyed {
            let name = json!(percent).to_string();
            if !named.insert(name.clone()) {
                continue;
            }
            object.push(name.clone(), json!(value));
            if let Some(text) = text {
                object.push(format!("{name}_as_string"), text);
            }
        } else {
            let mut entry = Object::with_capacity(3);
            entry.push("key", json!(percent));
            entry.push("value", json!(value));
            if let Some(text) = text {
                entry.push("value_as_string", Json::String(text));
            }
            list.push(Tree::Object(entry));
        }
    }
    if agg.keyed { Tree::Object(object) } else { Tree::List(list) }
}
