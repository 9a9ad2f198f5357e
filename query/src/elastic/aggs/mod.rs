//! Which aggregations are asked? The tree by name, and the dispatch by type.

mod bucket;
mod dates;
mod keys;
mod metric;
mod more;
mod names;
mod pipeline;
mod samples;

use serde_json::{Map, Value as Json};

use super::Reader;
use super::json::{bad, boolean, float, integer, kind};
use crate::error::QueryError;
use crate::request::{Agg, AggKind};

/// Reads an `aggs` object at a depth of nesting.
pub(super) fn aggs(
    reader: &mut Reader,
    json: &Json,
    depth: usize,
) -> Result<Vec<(String, Agg)>, QueryError> {
    reader.budget.nest(depth)?;
    let Json::Object(map) = json else {
        return Err(QueryError::parsing(format!(
            "[aggregations] must be an object of aggregations by name, got {}",
            kind(json)
        )));
    };
    let mut out = Vec::with_capacity(map.len());
    for (name, body) in map {
        reader.budget.spend(1)?;
        if name.contains(['[', ']', '>']) {
            return Err(QueryError::parsing(format!(
                "Invalid aggregation name [{name}]. Aggregation names can contain any character \
                 except '[', ']', and '>'"
            )));
        }
        let Json::Object(body) = body else {
            return Err(QueryError::parsing(format!(
                "Aggregation definition for [{name}] must be an object, got {}",
                kind(body)
            )));
        };
        out.push((name.clone(), agg(reader, name, body, depth)?));
    }
    Ok(out)
}

fn agg(
    reader: &mut Reader,
    name: &str,
    body: &Map<String, Json>,
    depth: usize,
) -> Result<Agg, QueryError> {
    let mut definition: Option<(&str, &Json)> = None;
    let mut inner = Vec::new();
    let mut meta = None;
    for (key, value) in body {
        match key.as_str() {
            "aggs" | "aggregations" => inner.extend(aggs(reader, value, depth + 1)?),
            "meta" => match value {
                Json::Object(map) => meta = Some(map.clone()),
                Json::Null => {}
                other => return Err(bad("meta", other, "an object")),
            },
            key => {
                if let Some((first, _)) = definition {
                    return Err(QueryError::parsing(format!(
                        "Found two aggregation type definitions in [{name}]: [{first}] and [{key}]"
                    )));
                }
                definition = Some((key, value));
            }
        }
    }
    let Some((ty, options)) = definition else {
        return Err(QueryError::parsing(format!("Missing definition for aggregation [{name}]")));
    };
    let options = Options::new(name, ty, options)?;
    let kind = read(reader, &options, depth)?;
    check_nesting(&options, &kind, &inner)?;
    Ok(Agg { kind, aggs: inner, meta })
}

fn read(reader: &mut Reader, o: &Options<'_>, depth: usize) -> Result<AggKind, QueryError> {
    match o.ty {
        "terms" => keys::terms(o).map(AggKind::Terms),
        "date_histogram" => dates::date_histogram(reader, o).map(AggKind::DateHistogram),
        "histogram" => bucket::histogram(o).map(AggKind::Histogram),
        "range" => bucket::range(o).map(AggKind::Range),
        "date_range" => dates::date_range(reader, o).map(AggKind::Range),
        "filter" => super::query::query(reader, o.json, depth + 1).map(AggKind::Filter),
        "filters" => bucket::filters(reader, o, depth).map(AggKind::Filters),
        "missing" => bucket::missing(o).map(AggKind::Missing),
        ty => match metric::read(o)? {
            Some(metric) => Ok(metric),
            None => match pipeline::read(o)? {
                Some(pipeline) => Ok(AggKind::Pipeline(pipeline)),
                None => match more::read(reader, o, depth)? {
                    Some(agg) => Ok(AggKind::Bucket(agg)),
                    None => samples::read(reader, o, depth)?
                        .map(AggKind::Bucket)
                        .ok_or_else(|| names::unknown(ty)),
                },
            },
        },
    }
}

/// Metrics hold no aggregations.
fn check_nesting(
    o: &Options<'_>,
    kind: &AggKind,
    inner: &[(String, Agg)],
) -> Result<(), QueryError> {
    match kind {
        AggKind::Pipeline(_) if !inner.is_empty() => Err(QueryError::parsing(format!(
            "Aggregation [{}] cannot define sub-aggregations",
            o.name
        ))),
        kind if kind.is_metric() => {
            if inner.is_empty() {
                return Ok(());
            }
            Err(QueryError::illegal(format!(
                "Aggregator [{}] of type [{}] cannot accept sub-aggregations",
                o.name, o.ty
            )))
        }
        _ => Ok(()),
    }
}

/// The options of one aggregation.
struct Options<'a> {
    /// Its name in the request.
    name: &'a str,
    /// Its type.
    ty: &'a str,
    json: &'a Json,
    map: &'a Map<String, Json>,
}

impl<'a> Options<'a> {
    fn new(name: &'a str, ty: &'a str, json: &'a Json) -> Result<Self, QueryError> {
        match json {
            Json::Object(map) => Ok(Self { name, ty, json, map }),
            other => Err(QueryError::parsing(format!(
                "[{ty}] of the aggregation [{name}] must be an object, got {}",
                kind(other)
            ))),
        }
    }

    /// Fails on options that are neither in `known` nor in `ignored`; those in `unsupported` may
    /// be null.
    fn only(&self, known: &[&str], ignored: &[&str]) -> Result<(), QueryError> {
        const UNSUPPORTED: [&str; 9] = [
            "script",
            "missing",
            "format",
            "include",
            "exclude",
            "hard_bounds",
            "order",
            "hdr",
            "params",
        ];
        for (key, value) in self.map {
            let key = key.as_str();
            if known.contains(&key) || ignored.contains(&key) {
                continue;
            }
            if UNSUPPORTED.contains(&key) {
                if value.is_null() {
                    continue;
                }
                return Err(QueryError::parsing(format!(
                    "[{}] of the aggregation [{}]: [{key}] is not supported in this version",
                    self.ty, self.name
                )));
            }
            return Err(QueryError::parsing(format!("[{}] unknown field [{key}]", self.ty)));
        }
        Ok(())
    }

    fn get(&self, key: &str) -> Option<&'a Json> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    fn what(&self, key: &str) -> String {
        format!("{key}] of [{}] in [{}", self.ty, self.name)
    }

    fn bad(&self, key: &str, value: &Json, expected: &str) -> QueryError {
        bad(&self.what(key), value, expected)
    }

    fn field(&self) -> Result<String, QueryError> {
        match self.get("field") {
            Some(Json::String(field)) => Ok(field.clone()),
            Some(other) => Err(self.bad("field", other, "a string")),
            None => Err(QueryError::illegal(format!(
                "Required one of fields [field, script], but none were specified: [{}] \
                 aggregation [{}] needs a [field]",
                self.ty, self.name
            ))),
        }
    }

    fn float(&self, key: &str) -> Result<Option<f64>, QueryError> {
        self.get(key)
            .map(|value| float(value).ok_or_else(|| self.bad(key, value, "a number")))
            .transpose()
    }

    /// A whole number of `min` or more.
    fn count(&self, key: &str, min: u64) -> Result<Option<u64>, QueryError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let number = integer(value).ok_or_else(|| self.bad(key, value, "a whole number"))?;
        match u64::try_from(number).ok().filter(|n| *n >= min) {
            Some(number) => Ok(Some(number)),
            None if min > 0 => Err(QueryError::illegal(format!(
                "[{key}] must be greater than 0. Found [{number}] in [{}]",
                self.name
            ))),
            None => Err(QueryError::illegal(format!(
                "[{key}] must be greater than or equal to 0. Found [{number}] in [{}]",
                self.name
            ))),
        }
    }

    fn flag(&self, key: &str, default: bool) -> Result<bool, QueryError> {
        match self.get(key) {
            Some(value) => boolean(value).ok_or_else(|| self.bad(key, value, "true or false")),
            None => Ok(default),
        }
    }

    /// A whole number of any sign.
    fn whole(&self, key: &str) -> Result<Option<i64>, QueryError> {
        self.get(key)
            .map(|value| integer(value).ok_or_else(|| self.bad(key, value, "a whole number")))
            .transpose()
    }

    fn text(&self, key: &str) -> Result<Option<&'a str>, QueryError> {
        self.get(key)
            .map(|value| value.as_str().ok_or_else(|| self.bad(key, value, "a string")))
            .transpose()
    }
}
