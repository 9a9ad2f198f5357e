//! Which values? The queries that look at whole values: term, terms, range, exists, patterns.

use serde_json::Value as Json;

use super::json::{bad, boolean, integer, kind, list, literal, scalar};
use super::query::{object, one_field, unknown, unsupported};
use super::{Reader, path};
use crate::ast::{BoolQuery, Literal, Query, TextTest};
use crate::clause::{self, Edits, Ends, Mismatch, Pattern, minimum, target};
use crate::error::QueryError;

fn flag(key: &str, value: &Json) -> Result<bool, QueryError> {
    boolean(value).ok_or_else(|| bad(key, value, "true or false"))
}

fn value_of(query: &str, value: &Json) -> Result<Literal, QueryError> {
    literal(value).ok_or_else(|| match value {
        Json::Array(_) => {
            QueryError::parsing(format!("[{query}] query does not support array of values"))
        }
        Json::Null => QueryError::illegal(format!("value cannot be null in [{query}] query")),
        _ => bad(query, value, "a string, a number or a boolean"),
    })
}

pub(super) fn term(reader: &mut Reader, body: &Json) -> Result<Query, QueryError> {
    let (field, value) = one_field("term", body)?;
    let mut fold = false;
    let mut found = None;
    match value {
        Json::Object(options) => {
            for (key, value) in options {
                match key.as_str() {
                    "value" | "term" => found = Some(value_of("term", value)?),
                    "case_insensitive" => fold = flag(key, value)?,
                    "boost" | "_name" => {}
                    _ => return Err(unknown("term", key)),
                }
            }
        }
        value => found = Some(value_of("term", value)?),
    }
    let value = found.ok_or_else(|| {
        QueryError::illegal(format!("value cannot be null: [term] query on [{field}] has no value"))
    })?;
    reader.with(|c| c.term(path(field), value, fold))
}

pub(super) fn terms(reader: &mut Reader, body: &Json) -> Result<Query, QueryError> {
    let (field, value) = one_field("terms", body)?;
    let Json::Array(values) = value else {
        return Err(match value {
            Json::Object(_) => unsupported("terms", "terms lookup"),
            _ => QueryError::parsing(format!(
                "[terms] query requires an array of values for [{field}], got {}",
                kind(value)
            )),
        });
    };
    let values = values.iter().map(|v| value_of("terms", v)).collect::<Result<Vec<_>, _>>()?;
    Ok(reader.with(|c| c.terms(path(field), values))?.constant(1.0))
}

pub(super) fn range(reader: &mut Reader, body: &Json) -> Result<Query, QueryError> {
    let (field, options) = one_field("range", body)?;
    let mut ends = Ends::default();
    let (mut include_lower, mut include_upper) = (None, None);
    let (mut format, mut zone) = (None, None);
    for (key, value) in object("range", options)? {
        let end = || match value {
            Json::Null => Ok(None),
            value => value_of("range", value).map(Some),
        };
        match key.as_str() {
            "gte" | "ge" => ends.lower = end()?.map(|v| (v, true)),
            "gt" => ends.lower = end()?.map(|v| (v, false)),
            "lte" | "le" => ends.upper = end()?.map(|v| (v, true)),
            "lt" => ends.upper = end()?.map(|v| (v, false)),
            "from" => ends.lower = end()?.map(|v| (v, true)),
            "to" => ends.upper = end()?.map(|v| (v, true)),
            "include_lower" => include_lower = Some(flag(key, value)?),
            "include_upper" => include_upper = Some(flag(key, value)?),
            "format" => format = value.as_str(),
            "time_zone" => zone = value.as_str(),
            "relation" => match value.as_str().map(str::to_ascii_lowercase).as_deref() {
                Some("intersects" | "contains" | "within") => {}
                _ => return Err(bad(key, value, "`INTERSECTS`, `CONTAINS` or `WITHIN`")),
            },
            "boost" | "_name" => {}
            _ => return Err(unknown("range", key)),
        }
    }
    for (end, include) in [(&mut ends.lower, include_lower), (&mut ends.upper, include_upper)] {
        if let (Some((_, included)), Some(include)) = (end, include) {
            *included = include;
        }
    }
    let dates = reader.dates.clone().with(format, zone)?;
    reader.clauses(&dates, Mismatch::Fail).range(path(field), &ends)
}

pub(super) fn exists(reader: &mut Reader, body: &Json) -> Result<Query, QueryError> {
    let mut field = None;
    for (key, value) in object("exists", body)? {
        match key.as_str() {
            "field" => {
                field = Some(value.as_str().ok_or_else(|| bad("field", value, "a string"))?);
            }
            "boost" | "_name" => {}
            _ => return Err(unknown("exists", key)),
        }
    }
    let field =
        field.ok_or_else(|| QueryError::parsing("[exists] must be provided with a [field]"))?;
    reader.with(|c| c.exists(target(field)))
}

pub(super) fn pattern(
    reader: &mut Reader,
    body: &Json,
    kind: Pattern,
) -> Result<Query, QueryError> {
    let name = kind.name();
    let (field, value) = one_field(name, body)?;
    let mut fold = false;
    let mut text = None;
    let mut flags = ALL_FLAGS;
    match value {
        Json::Object(options) => {
            for (key, value) in options {
                match (key.as_str(), kind) {
                    ("value", _) | ("wildcard", Pattern::Wildcard) => text = scalar(value),
                    ("prefix", Pattern::Prefix) => text = scalar(value),
                    ("case_insensitive", _) => fold = flag(key, value)?,
                    ("regexp", Pattern::Regexp) => text = scalar(value),
                    ("flags", Pattern::Regexp) => flags = flags_of(value)?,
                    ("flags_value", Pattern::Regexp) => {
                        let bits = integer(value).ok_or_else(|| bad(key, value, "a number"))?;
                        flags = (bits & i64::from(ALL_FLAGS)) as u8;
                    }
                    // How much work Lucene may do; there is a limit of our own.
                    ("max_determinized_states", Pattern::Regexp) => {
                        integer(value).ok_or_else(|| bad(key, value, "a number"))?;
                    }
                    ("boost" | "_name" | "rewrite", _) => {}
                    _ => return Err(unknown(name, key)),
                }
            }
        }
        value => text = scalar(value),
    }
    let text = text.ok_or_else(|| {
        QueryError::illegal(format!(
            "value cannot be null: [{name}] query on [{field}] has no text"
        ))
    })?;
    let text = if flags == ALL_FLAGS { text } else { with_flags(&text, flags) };
    reader.with(|c| c.pattern(path(field), kind, TextTest { text, fold }))
}

/// All optional operators of regular expressions.
const ALL_FLAGS: u8 = 0xff;

/// The operators that a list such as `INTERVAL|COMPLEMENT` allows.
fn flags_of(value: &Json) -> Result<u8, QueryError> {
    let text = value.as_str().ok_or_else(|| bad("flags", value, "a string"))?;
    let mut out = 0;
    for name in text.split('|').filter(|name| !name.is_empty()) {
        out |= match name.to_ascii_uppercase().as_str() {
            "INTERSECTION" => 1,
            "COMPLEMENT" => 2,
            "EMPTY" => 4,
            "ANYSTRING" => 8,
            "AUTOMATON" => 16,
            "INTERVAL" => 32,
            "NONE" => 0,
            "ALL" => ALL_FLAGS,
            _ => {
                return Err(QueryError::illegal(format!("Unknown regexp flag [{name}]")));
            }
        };
    }
    Ok(out)
}

/// The expression with `\` before the operators that are not allowed.
fn with_flags(text: &str, flags: u8) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let (mut chars, mut quoted, mut class) = (text.chars(), false, false);
    while let Some(c) = chars.next() {
        let operator = match c {
            '&' => 1,
            '~' => 2,
            '#' => 4,
            '@' => 8,
            '<' => 16 | 32,
            _ => 0,
        };
        if operator != 0 && flags & operator == 0 && !quoted && !class {
            out.push('\\');
        }
        out.push(c);
        match c {
            '\\' => out.extend(chars.next()),
            '"' if !class => quoted = !quoted,
            '[' if !quoted => class = true,
            ']' => class = false,
            _ => {}
        }
    }
    out
}

pub(super) fn fuzzy(reader: &mut Reader, body: &Json) -> Result<Query, QueryError> {
    let (field, value) = one_field("fuzzy", body)?;
    let mut text = None;
    let mut edits = Edits::auto();
    let (mut prefix, mut transpositions) = (0, true);
    match value {
        Json::Object(options) => {
            for (key, value) in options {
                match key.as_str() {
                    "value" | "term" => text = scalar(value),
                    "fuzziness" => edits = fuzziness(value)?,
                    "prefix_length" => prefix = count(key, value)?,
                    "transpositions" => transpositions = flag(key, value)?,
                    // How much work Lucene may do.
                    "max_expansions" => drop(count(key, value)?),
                    "boost" | "_name" | "rewrite" => {}
                    _ => return Err(unknown("fuzzy", key)),
                }
            }
        }
        value => text = scalar(value),
    }
    let text = text.ok_or_else(|| QueryError::illegal("query value cannot be null"))?;
    let edits = edits.with(prefix, transpositions);
    reader.with(|c| c.fuzzy(path(field), &text, &edits))
}

/// `fuzziness`: text or a number.
pub(super) fn fuzziness(value: &Json) -> Result<Edits, QueryError> {
    let text = scalar(value).filter(|_| !value.is_boolean());
    Edits::parse(&text.ok_or_else(|| bad("fuzziness", value, "`AUTO`, 0, 1 or 2"))?)
}

/// A number of things, 0 or more.
pub(super) fn count(key: &str, value: &Json) -> Result<usize, QueryError> {
    integer(value)
        .and_then(|n| usize::try_from(n).ok())
        .ok_or_else(|| bad(key, value, "a whole number, 0 or more"))
}

/// Of several terms as many as a number, or a field of the record, says.
pub(super) fn terms_set(reader: &mut Reader, body: &Json) -> Result<Query, QueryError> {
    let name = "terms_set";
    let (field, options) = one_field(name, body)?;
    let mut terms = None;
    let mut needed = None;
    for (key, value) in object(name, options)? {
        match key.as_str() {
            "terms" => {
                let each = list(value).iter().map(|v| value_of(name, v));
                terms = Some(each.collect::<Result<Vec<_>, _>>()?);
            }
            "minimum_should_match_field" => {
                let field = value.as_str().ok_or_else(|| bad(key, value, "a string"))?;
                needed = Some(SetMinimum::Field(field.to_owned(), false));
            }
            "minimum_should_match_script" => needed = Some(set_script(value)?),
            "minimum_should_match" => {
                let spec = scalar(value).ok_or_else(|| bad(key, value, "`2`, `-1`, `75%`"))?;
                needed = Some(SetMinimum::Spec(spec));
            }
            "boost" | "_name" => {}
            _ => return Err(unknown(name, key)),
        }
    }
    let terms =
        terms.ok_or_else(|| QueryError::parsing("No terms specified for terms set query"))?;
    let needed = needed.ok_or_else(|| {
        QueryError::parsing("No minimum should match has been specified for terms set query")
    })?;
    reader.with(|c| {
        let each = terms.into_iter().map(|value| c.term(path(field), value, false));
        let each = each.collect::<Result<Vec<_>, _>>()?;
        let at_least = |minimum_should: usize| {
            let query = BoolQuery { should: each.clone(), minimum_should, ..BoolQuery::default() };
            clause::boolean(query)
        };
        let (field, capped) = match needed {
            SetMinimum::Spec(spec) => return Ok(at_least(minimum(&spec, each.len())?.max(1))),
            SetMinimum::Field(field, capped) => (field, capped),
        };
        // For each number that the field can have, so many of the terms.
        c.budget.spend(each.len().saturating_mul(each.len()))?;
        let mut out = Vec::with_capacity(each.len());
        for number in 1..=each.len() {
            let end = Some((Literal::Int(number as i64), true));
            let ends = Ends {
                lower: if number == 1 { None } else { end.clone() },
                upper: if capped && number == each.len() { None } else { end },
            };
            let has = c.range(path(&field), &ends)?.constant(0.0);
            let must = vec![has, at_least(number)];
            out.push(clause::boolean(BoolQuery { must, ..BoolQuery::default() }));
        }
        Ok(Query::any_of(out))
    })
}

/// How many terms of a set must be there.
enum SetMinimum {
    Spec(String),
    /// As many as a field says; the flag: all are enough where it says more.
    Field(String, bool),
}

/// `params.num_terms`, a parameter, or the lesser of the terms and a field.
fn set_script(value: &Json) -> Result<SetMinimum, QueryError> {
    let source = value.as_str().or_else(|| value.get("source").and_then(Json::as_str));
    let source: String =
        source.unwrap_or_default().chars().filter(|c| !c.is_whitespace() && *c != ';').collect();
    let field = source
        .strip_prefix("Math.min(params.num_terms,doc['")
        .and_then(|rest| rest.strip_suffix("'].value)"));
    if let Some(field) = field {
        return Ok(SetMinimum::Field(field.to_owned(), true));
    }
    if source == "params.num_terms" {
        return Ok(SetMinimum::Spec("100%".to_owned()));
    }
    let number = source.strip_prefix("params.").and_then(|name| value.get("params")?.get(name));
    match number.and_then(integer).or_else(|| source.parse().ok()) {
        Some(number) => Ok(SetMinimum::Spec(number.max(1).to_string())),
        None => Err(QueryError::parsing(
            "[terms_set] query: [minimum_should_match_script] must be `params.num_terms`, a \
             parameter, or `Math.min(params.num_terms, doc['field'].value)`",
        )),
    }
}

pub(super) fn ids(reader: &mut Reader, body: &Json) -> Result<Query, QueryError> {
    let mut found = None;
    for (key, value) in object("ids", body)? {
        match key.as_str() {
            "values" => {
                let each = list(value).iter().map(|v| {
                    scalar(v).ok_or_else(|| bad("values", v, "a string")).map(Literal::Text)
                });
                found = Some(each.collect::<Result<Vec<_>, _>>()?);
            }
            "type" | "boost" | "_name" => {}
            _ => return Err(unknown("ids", key)),
        }
    }
    let values = found.ok_or_else(|| QueryError::parsing("[ids] requires providing [values]"))?;
    reader.with(|c| c.terms(path("_id"), values))
}
