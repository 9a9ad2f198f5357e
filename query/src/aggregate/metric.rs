//! What do metrics say? Their numbers by name, and their answers.

use hashbrown::HashSet;
use serde_json::{Value as Json, json};

use super::partial::Partial;
use super::percentiles::Sketch;
use super::print::Printer;
use super::stats::Stats;
use super::{Kind, Planned};
use crate::request::{Metric, PercentilesAgg, Shape};
use crate::tree::{Object, Tree};

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
