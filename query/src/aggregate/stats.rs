//! How many, how much, between what? Count, sum, extremes and squares of numbers.

use serde_json::json;

use crate::request::Metric;
use crate::tree::Object;

/// How a number is printed, if it is.
pub type Print<'p> = Option<&'p dyn Fn(f64) -> String>;

/// A sum that carries what doubles round away, so that the order of adding does not show.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sum {
    high: f64,
    low: f64,
}

impl Sum {
    /// Adds a number.
    pub fn add(&mut self, v: f64) {
        let total = self.high + v;
        let part = total - self.high;
        self.low += (self.high - (total - part)) + (v - part);
        self.high = total;
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Sum) {
        self.add(other.high);
        self.low += other.low;
    }

    /// The sum as a double.
    pub fn value(&self) -> f64 {
        let total = self.high + self.low;
        if total.is_nan() { self.high } else { total }
    }
}

/// Count, sum, extremes and squares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stats {
    /// How many values, numbers or not (`value_count` counts every kind).
    pub count: u64,
    sum: Sum,
    squares: Sum,
    min: f64,
    max: f64,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            count: 0,
            sum: Sum::default(),
            squares: Sum::default(),
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        }
    }
}

impl Stats {
    /// Adds a number.
    pub fn add(&mut self, v: f64) {
        self.count += 1;
        self.sum.add(v);
        self.squares.add(v * v);
        self.min = self.min.min(v);
        self.max = self.max.max(v);
    }

    /// Adds another part.
    pub fn merge(&mut self, other: &Stats) {
        self.count += other.count;
        self.sum.merge(&other.sum);
        self.squares.merge(&other.squares);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// The numbers of so many times as many records: of all, when these are of a sample.
    pub fn times(mut self, scale: f64) -> Self {
        if scale != 1.0 {
            self.count = (self.count as f64 * scale).round() as u64;
            for sum in [&mut self.sum, &mut self.squares] {
                *sum = Sum { high: sum.value() * scale, low: 0.0 };
            }
        }
        self
    }

    fn some(&self, v: f64) -> Option<f64> {
        (self.count > 0).then_some(v)
    }

    fn variance(&self, sampling: bool) -> Option<f64> {
        let n = self.count as f64;
        let divisor = if sampling { n - 1.0 } else { n };
        if self.count == 0 || divisor <= 0.0 {
            return None;
        }
        let (sum, squares) = (self.sum.value(), self.squares.value());
        Some(((squares - sum * sum / n) / divisor).max(0.0))
    }

    /// A number by the name that Elasticsearch gives it.
    pub fn property(&self, name: &str) -> Option<f64> {
        match name {
            "count" => Some(self.count as f64),
            "sum" => Some(self.sum.value()),
            "min" => self.some(self.min),
            "max" => self.some(self.max),
            "avg" => self.some(self.sum.value() / self.count as f64),
            "sum_of_squares" => self.some(self.squares.value()),
            "variance" | "variance_population" => self.variance(false),
            "variance_sampling" => self.variance(true),
            "std_deviation" | "std_deviation_population" => self.variance(false).map(f64::sqrt),
            "std_deviation_sampling" => self.variance(true).map(f64::sqrt),
            _ => None,
        }
    }

    fn bound(&self, sigma: f64, sampling: bool) -> Option<f64> {
        let mean = self.property("avg")?;
        Some(mean + sigma * self.variance(sampling)?.sqrt())
    }

    /// A number of `extended_stats` by name, with bounds so many deviations off the mean.
    pub fn extended_property(&self, name: &str, sigma: f64) -> Option<f64> {
        let (side, rest) = match name.strip_prefix("std_").and_then(|rest| rest.split_at_checked(5))
        {
            Some(("upper", rest)) => (sigma, rest),
            Some(("lower", rest)) => (-sigma, rest),
            _ => return self.property(name),
        };
        match rest {
            "" | "_population" => self.bound(side, false),
            "_sampling" => self.bound(side, true),
            _ => None,
        }
    }

    /// The single value of a metric.
    pub fn value(&self, metric: Metric) -> Option<f64> {
        self.property(match metric {
            Metric::Min => "min",
            Metric::Max => "max",
            Metric::Avg => "avg",
            Metric::Sum => "sum",
            Metric::ValueCount | Metric::Stats | Metric::ExtendedStats => "count",
        })
    }

    /// Writes the answer; `print` writes a number where there is a format, or the field is a time.
    pub fn write(&self, metric: Metric, (print, sigma): (Print<'_>, f64), out: &mut Object) {
        match metric {
            Metric::ValueCount => {
                out.push("value", self.count);
            }
            Metric::Min | Metric::Max | Metric::Avg | Metric::Sum => {
                let value = self.value(metric);
                out.push("value", json!(value));
                if let (Some(print), Some(value)) = (print, value) {
                    out.push("value_as_string", print(value));
                }
            }
            Metric::Stats | Metric::ExtendedStats => {
                out.push("count", self.count);
                for name in ["min", "max", "avg", "sum"] {
                    out.push(name, json!(self.property(name)));
                }
                if let (Some(print), 1..) = (print, self.count) {
                    for name in ["min", "max", "avg", "sum"] {
                        let text = print(self.property(name).unwrap_or(0.0));
                        out.push(format!("{name}_as_string"), text);
                    }
                }
                if metric == Metric::ExtendedStats {
                    self.extended((print, sigma), out);
                }
            }
        }
    }

    fn extended(&self, (print, sigma): (Print<'_>, f64), out: &mut Object) {
        const NAMES: [&str; 7] = [
            "sum_of_squares",
            "variance",
            "variance_population",
            "variance_sampling",
            "std_deviation",
            "std_deviation_population",
            "std_deviation_sampling",
        ];
        // Of one value alone there is no sampling: Elasticsearch writes that as a text.
        let json = |value: Option<f64>| match value {
            None if self.count > 0 => json!("NaN"),
            value => json!(value),
        };
        for name in NAMES {
            out.push(name, json(self.property(name)));
        }
        let bounds = || {
            let kinds = [("", false), ("_population", false), ("_sampling", true)];
            kinds.into_iter().flat_map(move |(kind, sampling)| {
                [("upper", sigma), ("lower", -sigma)]
                    .map(|(side, sigma)| (format!("{side}{kind}"), self.bound(sigma, sampling)))
            })
        };
        let mut object = Object::with_capacity(6);
        bounds().for_each(|(name, value)| object.push(name, json(value)));
        out.push("std_deviation_bounds", object);
        let (Some(print), 1..) = (print, self.count) else { return };
        let text = |value: Option<f64>| value.map_or_else(|| "NaN".to_owned(), print);
        for name in NAMES {
            out.push(format!("{name}_as_string"), text(self.property(name)));
        }
        let mut object = Object::with_capacity(6);
        bounds().for_each(|(name, value)| object.push(name, text(value)));
        out.push("std_deviation_bounds_as_string", object);
    }
}
