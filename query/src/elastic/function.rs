//! Which functions make the score? `function_score`.

use serde_json::{Map, Value as Json};

use super::Reader;
use super::json::{bad, float, integer, kind, list, scalar};
use super::query::{boost_of, object, query, unknown, unsupported};
use crate::ast::{FieldFactor, Function, Functions, Join, Query, Scoring};
use crate::error::QueryError;

const NAME: &str = "function_score";

pub(super) fn function_score(
    reader: &mut Reader,
    body: &Json,
    depth: usize,
) -> Result<Query, QueryError> {
    let map = object(NAME, body)?;
    let mut inner = Query::All;
    let mut functions =
        Functions { list: Vec::new(), join: Join::Multiply, boost: Join::Multiply, most: f32::MAX };
    let mut lone = Map::new();
    for (key, value) in map {
        match key.as_str() {
            "query" => inner = query(reader, value, depth + 1)?,
            "functions" => {
                for one in list(value) {
                    functions.list.push(function(reader, object(NAME, one)?, depth)?);
                }
            }
            "score_mode" => functions.join = join(key, value, false)?,
            "boost_mode" => functions.boost = join(key, value, true)?,
            "max_boost" => {
                let most = float(value).ok_or_else(|| bad(key, value, "a number"))?;
                functions.most = most as f32;
            }
            "boost" | "_name" => {}
            "min_score" if value.is_null() => {}
            "min_score" => {
                let reason = "[function_score] query: [min_score] is not supported here, give it \
                              beside [query] in the body of the search";
                return Err(QueryError::parsing(reason));
            }
            key if is_function(key) => drop(lone.insert(key.to_owned(), value.clone())),
            _ => return Err(unknown(NAME, key)),
        }
    }
    if !lone.is_empty() {
        if !functions.list.is_empty() {
            return Err(QueryError::parsing(
                "failed to parse [function_score] query. already found [functions] array, now \
                 encountering a single function",
            ));
        }
        functions.list.push(function(reader, &lone, depth)?);
    }
    Ok(match functions.list.is_empty() {
        true => inner,
        false => inner.counted(Scoring::Functions(functions)),
    })
}

fn is_function(key: &str) -> bool {
    matches!(
        key,
        "weight"
            | "field_value_factor"
            | "random_score"
            | "script_score"
            | "gauss"
            | "exp"
            | "linear"
    )
}

fn function(
    reader: &mut Reader,
    map: &Map<String, Json>,
    depth: usize,
) -> Result<(Query, Function), QueryError> {
    reader.budget.spend(1)?;
    let (mut filter, mut weight, mut found) = (Query::All, None, None);
    for (key, value) in map {
        match key.as_str() {
            "filter" => filter = query(reader, value, depth + 1)?,
            "weight" => weight = Some(boost_of(NAME, value)?),
            "field_value_factor" => {
                found = Some(Function::Field(factor(object(key, value)?)?, 1.0));
            }
            "random_score" => found = Some(Function::Random(seed(object(key, value)?)?, 1.0)),
            key if is_function(key) => return Err(unsupported(NAME, key)),
            _ => return Err(unknown(NAME, key)),
        }
    }
    let weight_or_one = weight.unwrap_or(1.0);
    let function = match (found, weight) {
        (Some(Function::Field(factor, _)), _) => Function::Field(factor, weight_or_one),
        (Some(Function::Random(seed, _)), _) => Function::Random(seed, weight_or_one),
        (_, Some(weight)) => Function::Weight(weight),
        _ => {
            return Err(QueryError::parsing(
                "failed to parse [function_score] query. an entry in functions list is missing a \
                 function.",
            ));
        }
    };
    Ok((filter, function))
}

fn join(key: &str, value: &Json, boost: bool) -> Result<Join, QueryError> {
    Ok(match value.as_str() {
        Some("multiply") => Join::Multiply,
        Some("sum") => Join::Sum,
        Some("avg") => Join::Average,
        Some("max") => Join::Max,
        Some("min") => Join::Min,
        Some("first") if !boost => Join::First,
        Some("replace") if boost => Join::Replace,
        _ => return Err(bad(key, value, "a way to join numbers, such as `multiply` or `sum`")),
    })
}

fn factor(map: &Map<String, Json>) -> Result<FieldFactor, QueryError> {
    let name = "field_value_factor";
    let mut out = FieldFactor {
        field: String::new(),
        factor: 1.0,
        modifier: "none".to_owned(),
        missing: None,
    };
    for (key, value) in map {
        let number = || float(value).ok_or_else(|| bad(key, value, "a number"));
        match key.as_str() {
            "field" => {
                let field = value.as_str().ok_or_else(|| bad(key, value, "a string"))?;
                out.field = field.to_owned();
            }
            "factor" => out.factor = number()?,
            "missing" => out.missing = Some(number()?),
            "modifier" => {
                let known = [
                    "none",
                    "log",
                    "log1p",
                    "log2p",
                    "ln",
                    "ln1p",
                    "ln2p",
                    "square",
                    "sqrt",
                    "reciprocal",
                ];
                let text = scalar(value).map(|text| text.to_ascii_lowercase());
                let text = text.filter(|text| known.contains(&text.as_str()));
                out.modifier = text.ok_or_else(|| bad(key, value, "a modifier such as `log1p`"))?;
            }
            _ => return Err(unknown(name, key)),
        }
    }
    match out.field.is_empty() {
        true => Err(QueryError::parsing("[field_value_factor] required field 'field' missing")),
        false => Ok(out),
    }
}

fn seed(map: &Map<String, Json>) -> Result<u64, QueryError> {
    let mut seed = 0;
    for (key, value) in map {
        match (key.as_str(), value) {
            ("seed", Json::Null) => {}
            ("seed", value) => {
                seed = match (integer(value), value) {
                    (Some(number), _) => number as u64,
                    (None, Json::String(text)) => xxhash_rust::xxh3::xxh3_64(text.as_bytes()),
                    _ => return Err(bad(key, value, "a number or a string")),
                };
            }
            ("field", Json::String(field)) if field == "_seq_no" || field == "_id" => {}
            ("field", value) => {
                return Err(QueryError::parsing(format!(
                    "[random_score] must be by `_seq_no`, got {}",
                    scalar(value).unwrap_or_else(|| kind(value).to_owned())
                )));
            }
            _ => return Err(unknown("random_score", key)),
        }
    }
    Ok(seed)
}
