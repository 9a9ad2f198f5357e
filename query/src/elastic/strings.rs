//! What do the query strings of a body ask? `query_string` and `simple_query_string`.

use serde_json::Value as Json;

use super::json::{bad, float, integer, scalar};
use super::query::{object, unknown};
use super::text::{analyzer, fields, flag, operator, slop, text};
use super::{Reader, compound, term};
use crate::ast::Query;
use crate::clause::{Mismatch, weighted};
use crate::error::QueryError;
use crate::syntax::{self, Fields, Flags, Options};

/// Options of both query strings that change nothing here.
fn harmless(key: &str) -> bool {
    matches!(
        key,
        "analyze_wildcard"
            | "boost"
            | "_name"
            | "rewrite"
            | "enable_position_increments"
            | "auto_generate_synonyms_phrase_query"
            | "fuzzy_max_expansions"
            | "fuzzy_rewrite"
            | "max_determinized_states"
    )
}

/// Takes an option that both know; `false` when this is none of them.
fn take(
    options: &mut Options,
    query: &str,
    (key, value): (&str, &Json),
) -> Result<bool, QueryError> {
    match key {
        "fields" => {
            let fields = fields(value)?;
            if !fields.is_empty() {
                options.fields = fields;
            }
        }
        "default_operator" => options.default_operator = operator(key, value)?,
        "minimum_should_match" => options.minimum_should = scalar(value),
        "quote_field_suffix" => options.quote_suffix = scalar(value),
        "analyzer" | "quote_analyzer" => analyzer(query, value)?,
        "fuzzy_prefix_length" => options.edits.prefix = term::count(key, value)?,
        "fuzzy_transpositions" => options.edits.transpositions = flag(key, value)?,
        key if harmless(key) => {}
        _ => return Ok(false),
    }
    Ok(true)
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_punctuation() {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

pub(super) fn query_string(
    reader: &mut Reader,
    body: &Json,
    depth: usize,
) -> Result<Query, QueryError> {
    let name = "query_string";
    let mut options = Options::lucene();
    let mut query = None;
    let mut mismatch = Mismatch::Fail;
    let mut zone = None;
    let mut escape = false;
    for (key, value) in object(name, body)? {
        match key.as_str() {
            "query" => query = text(name, value)?,
            "default_field" if !value.is_null() => {
                let field = value.as_str().ok_or_else(|| bad(key, value, "a string"))?;
                options.fields = vec![weighted(field)];
            }
            "lenient" if flag(key, value)? => mismatch = Mismatch::NoMatch,
            "phrase_slop" => options.phrase_slop = slop(key, value)?,
            "time_zone" => zone = value.as_str(),
            "escape" => escape = flag(key, value)?,
            "allow_leading_wildcard" => options.leading_wildcard = flag(key, value)?,
            "tie_breaker" => options.tie = compound::tie_breaker(value)?,
            "fuzziness" => {
                let edits = term::fuzziness(value)?;
                options.edits = edits.with(options.edits.prefix, options.edits.transpositions);
            }
            "type" => {
                options.kind = match value.as_str() {
                    Some("best_fields") => Fields::Best,
                    Some("most_fields") => Fields::Most,
                    Some("cross_fields") => Fields::Best,
                    Some("phrase") => Fields::Phrase,
                    Some("phrase_prefix") => Fields::PhrasePrefix,
                    Some("bool_prefix") => Fields::BoolPrefix,
                    _ => {
                        return Err(QueryError::parsing(format!(
                            "failed to parse [multi_match] query type [{}]. unknown type.",
                            scalar(value).unwrap_or_default()
                        )));
                    }
                };
            }
            "lenient" | "default_field" => {}
            _ if take(&mut options, name, (key, value))? => {}
            _ => return Err(unknown(name, key)),
        }
    }
    let query = query
        .ok_or_else(|| QueryError::parsing("[query_string] must be provided with a [query]"))?;
    let query = if escape { escaped(&query) } else { query };
    let dates = reader.dates.clone().with(None, zone)?;
    let mut clauses = reader.clauses(&dates, mismatch);
    syntax::parse(&query, &options, &mut clauses, depth).map_err(|e| named(e, &query))
}

pub(super) fn simple_query_string(
    reader: &mut Reader,
    body: &Json,
    depth: usize,
) -> Result<Query, QueryError> {
    let name = "simple_query_string";
    let mut options = Options::lucene();
    let mut query = None;
    for (key, value) in object(name, body)? {
        match key.as_str() {
            "query" => query = text(name, value)?,
            "flags" => options.flags = flags(value)?,
            // Nothing of this language fails on a field of another type.
            "lenient" => drop(flag(key, value)?),
            _ if take(&mut options, name, (key, value))? => {}
            _ => return Err(unknown(name, key)),
        }
    }
    let query = query.ok_or_else(|| {
        QueryError::parsing("[simple_query_string] query text missing: [query] is required")
    })?;
    let dates = reader.dates.clone();
    let mut clauses = reader.clauses(&dates, Mismatch::NoMatch);
    syntax::parse_simple(&query, &options, &mut clauses, depth).map_err(|e| named(e, &query))
}

/// The operators that a list such as `AND|PREFIX`, or a number, allows.
fn flags(value: &Json) -> Result<Flags, QueryError> {
    if let Some(bits) = integer(value).or_else(|| float(value).map(|f| f as i64)) {
        return Ok(if bits < 0 { Flags::ALL } else { Flags((bits & 0xffff) as u16) });
    }
    let Json::String(text) = value else {
        return Err(bad("flags", value, "names of operators, such as `AND|PREFIX`"));
    };
    let mut out = Flags(0);
    for name in text.split('|').map(str::trim).filter(|name| !name.is_empty()) {
        out.0 |= match name.to_ascii_uppercase().as_str() {
            "ALL" => Flags::ALL.0,
            "NONE" => 0,
            "AND" => Flags::AND.0,
            "NOT" => Flags::NOT.0,
            "OR" => Flags::OR.0,
            "PREFIX" => Flags::PREFIX.0,
            "PHRASE" => Flags::PHRASE.0,
            "PRECEDENCE" => Flags::PRECEDENCE.0,
            "ESCAPE" => Flags::ESCAPE.0,
            "WHITESPACE" => Flags::WHITESPACE.0,
            "FUZZY" => Flags::FUZZY.0,
            "NEAR" | "SLOP" => Flags::NEAR.0,
            _ => {
                return Err(QueryError::illegal(format!(
                    "Unknown simple_query_string flag [{name}]"
                )));
            }
        };
    }
    Ok(out)
}

/// The error with the query string that it is about.
fn named(mut error: QueryError, query: &str) -> QueryError {
    let shown: String = query.chars().take(200).collect();
    error.reason = format!("Failed to parse query [{shown}]: {}", error.reason);
    error
}
