//! Which values have the records that come first? `top_metrics`.

use std::cmp::Ordering;

use serde_json::{Value as Json, json};

use super::collect::{Block, Collector, distinct};
use super::partial::Partial;
use super::print::Printer;
use super::source::{FieldValues, Raw, Segment};
use super::values::at;
use crate::leaf::LeafError;
use crate::request::{SortBy, TopMetricsAgg};
use crate::test::compare::Number;
use crate::tree::{Object, Tree};

/// A record among the first.
#[derive(Clone, Debug)]
struct Leader {
    place: Number,
    /// Among equals the newest comes first: time and number.
    newest: (i64, u64),
    /// The row, until the values are read.
    row: u32,
    values: Vec<Json>,
}

/// The first records so far, in order.
#[derive(Clone, Debug, Default)]
pub struct Leaders {
    size: usize,
    descending: bool,
    list: Vec<Leader>,
}

impl Leaders {
    fn compare(&self, a: &Leader, b: &Leader) -> Ordering {
        let order = a.place.cmp(&b.place);
        let order = if self.descending { order.reverse() } else { order };
        order.then_with(|| b.newest.cmp(&a.newest))
    }

    fn add(&mut self, leader: Leader) {
        let at = self.list.partition_point(|other| self.compare(other, &leader).is_lt());
        if at < self.size {
            self.list.insert(at, leader);
            self.list.truncate(self.size);
        }
    }

    /// Adds another part.
    pub fn merge(&mut self, other: Leaders) {
        if self.size == 0 {
            *self = other;
        } else {
            other.list.into_iter().for_each(|leader| self.add(leader));
        }
    }

    /// Bytes in memory, about.
    pub fn memory_bytes(&self) -> usize {
        let values = |leader: &Leader| leader.values.len() * 64 + size_of::<Leader>();
        self.list.iter().map(values).sum()
    }

    /// The number of the first record by the position of its metric.
    pub fn number(&self, metric: usize) -> Option<f64> {
        self.list.first()?.values.get(metric)?.as_f64()
    }

    /// Writes the answer; `sorts` writes what records are ordered by where it is a time.
    pub fn write(&self, agg: &TopMetricsAgg, sorts: Option<&Printer>, out: &mut Object) {
        let mut top = Vec::with_capacity(self.list.len());
        for leader in &self.list {
            let sort = match (leader.place, sorts) {
                (place, Some(printer)) => json!(printer.print(place.as_f64())),
                (Number::Int(v), None) => json!(v),
                (Number::Float(v), None) => json!(v),
            };
            let mut metrics = Object::with_capacity(agg.metrics.len());
            for (name, value) in agg.metrics.iter().zip(&leader.values) {
                if metrics.get(name).is_none() {
                    metrics.push(name.clone(), value.clone());
                }
            }
            let mut entry = Object::with_capacity(2);
            entry.push("sort", Tree::List(vec![sort.into()]));
            entry.push("metrics", metrics);
            top.push(Tree::Object(entry));
        }
        out.push("top", Tree::List(top));
    }
}

/// `top_metrics`.
pub struct TopMetrics<'a> {
    segment: Segment<'a>,
    agg: &'a TopMetricsAgg,
    /// What records are ordered by, if it is a field.
    by: Option<FieldValues<'a>>,
    rows: Vec<u32>,
    leaders: Vec<Leaders>,
}

impl<'a> TopMetrics<'a> {
    /// Over one segment.
    ///
    /// # Errors
    /// A column cannot be read.
    pub fn open(segment: Segment<'a>, agg: &'a TopMetricsAgg) -> Result<Self, LeafError> {
        let by = match &agg.by {
            SortBy::Field(path) => Some(FieldValues::open(segment, path)?),
            _ => None,
        };
        Ok(Self { segment, agg, by, rows: Vec::new(), leaders: Vec::new() })
    }

    fn seq(&self, row: u32) -> Result<u64, LeafError> {
        Ok(match &self.segment {
            Segment::Split(eval) => eval.reader.seq(row)?.0,
            Segment::Live(view, _) => view.seq(row).0,
        })
    }

    /// The place of each row in the order, if it has one.
    fn places(&mut self, times: &[i64]) -> Result<Vec<Option<Number>>, LeafError> {
        let descending = self.agg.descending;
        let rows = &self.rows;
        Ok(match (&self.agg.by, &mut self.by) {
            (SortBy::Field(_), Some(field)) => {
                let mut loaded = Vec::new();
                field.load(rows, &mut loaded)?;
                let mut loaded = loaded.into_iter().peekable();
                let best = |row: &u32| {
                    let mut best: Option<Number> = None;
                    while let Some((_, raw)) = loaded.next_if(|(other, _)| other == row) {
                        let Some(number) = number(raw) else { continue };
                        best = Some(match best {
                            Some(best) if (number > best) != descending => best,
                            _ => number,
                        });
                    }
                    best
                };
                rows.iter().map(best).collect()
            }
            (SortBy::Sequence, _) => {
                let place = |row: &u32| Ok(Some(Number::Int(self.seq(*row)? as i64)));
                rows.iter().map(place).collect::<Result<_, LeafError>>()?
            }
            (SortBy::Time, _) => {
                let millis = |ns: &i64| Some(Number::Int(model::time::Timestamp(*ns).millis()));
                times.iter().map(millis).collect()
            }
            _ => vec![Some(Number::Float(1.0)); rows.len()],
        })
    }
}

fn number(raw: Raw) -> Option<Number> {
    match raw {
        Raw::Int(v) => Some(Number::Int(v)),
        Raw::Float(v) => Some(Number::Float(v)),
        Raw::Bool(v) => Some(Number::Int(i64::from(v))),
        Raw::Time(ns) => Some(Number::Int(model::time::Timestamp(ns).millis())),
        Raw::Ord(_) => None,
    }
}

impl Collector for TopMetrics<'_> {
    fn collect(&mut self, block: &Block) -> Result<(), LeafError> {
        distinct(&block.rows, &mut self.rows);
        let mut times = Vec::with_capacity(self.rows.len());
        self.segment.times(&self.rows, &mut times)?;
        let places = self.places(&times)?;
        let (size, descending) = (self.agg.size, self.agg.descending);
        let mut at_row = 0;
        for (row, parent) in block.rows.iter().zip(&block.buckets) {
            while self.rows[at_row] < *row {
                at_row += 1;
            }
            let Some(place) = places[at_row] else { continue };
            let newest = (times[at_row], self.seq(*row)?);
            let leaders = at(&mut self.leaders, *parent, self.segment.run())?;
            (leaders.size, leaders.descending) = (size, descending);
            leaders.add(Leader { place, newest, row: *row, values: Vec::new() });
        }
        Ok(())
    }

    fn finish(&mut self, parents: usize) -> Result<Vec<Partial>, LeafError> {
        let mut leaders = std::mem::take(&mut self.leaders);
        leaders.resize(parents, Leaders::default());
        let mut rows: Vec<u32> =
            leaders.iter().flat_map(|l| l.list.iter().map(|leader| leader.row)).collect();
        rows.sort_unstable();
        rows.dedup();
        let bytes = rows.len() * self.agg.metrics.len() * 64;
        self.segment.run().charge(bytes)?;
        for metric in &self.agg.metrics {
            let mut field = FieldValues::open(self.segment, metric)?;
            let mut loaded = Vec::new();
            field.load(&rows, &mut loaded)?;
            for leader in leaders.iter_mut().flat_map(|l| &mut l.list) {
                let from = loaded.partition_point(|(row, _)| *row < leader.row);
                let to = loaded.partition_point(|(row, _)| *row <= leader.row);
                leader.values.push(shown(&field, &loaded[from..to]));
            }
        }
        Ok(leaders.into_iter().map(Partial::Leaders).collect())
    }
}

/// The value that is shown: of several numbers the mean, of several texts the first.
fn shown(field: &FieldValues<'_>, values: &[(u32, Raw)]) -> Json {
    let texts = values.iter().filter_map(|(_, raw)| match raw {
        Raw::Ord(ord) => Some(*ord),
        _ => None,
    });
    let mut least: Option<String> = None;
    field.texts(&texts.collect::<Vec<_>>(), |_, text| {
        if least.as_deref().is_none_or(|least| text < least) {
            least = Some(text.to_owned());
        }
    });
    match values {
        [(_, Raw::Int(v))] => json!(v),
        [(_, Raw::Float(v))] => json!(v),
        [(_, Raw::Bool(v))] => json!(v),
        [(_, Raw::Time(ns))] => json!(model::time::Timestamp(*ns).rfc3339_millis()),
        _ => {
            let numbers = || values.iter().filter_map(|(_, raw)| raw.number());
            match (numbers().count(), least) {
                (0, least) => json!(least),
                (count, _) => json!(numbers().sum::<f64>() / count as f64),
            }
        }
    }
}
