//! Which words? The full text queries: the match family and the query strings.

use serde_json::Value as Json;

use super::json::{bad, boolean, integer, kind, scalar, strings};
use super::query::{object, one_field, unknown, unsupported};
use super::{Reader, path};
use crate::ast::{Query, Target};
use crate::clause::{Clauses, Mismatch, Needed, target};
use crate::error::QueryError;
use crate::syntax::{self, Operator, Options};

/// Whether the last word of a phrase is only the beginning of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefixed {
    No,
    Last,
}

/// The options that the queries of this family share.
#[derive(Default)]
struct TextOptions {
    text: Option<String>,
    operator: Option<Operator>,
    minimum: Option<String>,
    zero_terms: ZeroTerms,
    slop: u32,
    lenient: bool,
    fields: Vec<Target>,
    kind: Option<String>,
}

/// What text without words matches.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum ZeroTerms {
    #[default]
    None,
    All,
}

fn operator(key: &str, value: &Json) -> Result<Operator, QueryError> {
    match value.as_str().map(str::to_ascii_lowercase).as_deref() {
        Some("or") => Ok(Operator::Or),
        Some("and") => Ok(Operator::And),
        _ => Err(bad(key, value, "`or` or `and`")),
    }
}

fn flag(key: &str, value: &Json) -> Result<bool, QueryError> {
    boolean(value).ok_or_else(|| bad(key, value, "true or false"))
}

fn slop(key: &str, value: &Json) -> Result<u32, QueryError> {
    integer(value)
        .and_then(|n| u32::try_from(n).ok())
        .ok_or_else(|| bad(key, value, "a whole number, 0 or more"))
}

fn fields(value: &Json) -> Result<Vec<Target>, QueryError> {
    Ok(strings("fields", value)?.iter().map(|f| target(f)).collect())
}

impl TextOptions {
    /// Takes an option that all of the family know; `false` when this is none of them.
    fn take(&mut self, query: &str, key: &str, value: &Json) -> Result<bool, QueryError> {
        match key {
            "query" => self.text = text(query, value)?,
            "zero_terms_query" => {
                self.zero_terms = match value.as_str() {
                    Some("none") => ZeroTerms::None,
                    Some("all") => ZeroTerms::All,
                    _ => return Err(bad(key, value, "`none` or `all`")),
                };
            }
            // They choose how words are cut or scored; there is one way here.
            "analyzer" | "boost" | "_name" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The options of `match` and `multi_match`.
    fn take_match(&mut self, query: &str, key: &str, value: &Json) -> Result<(), QueryError> {
        match key {
            "operator" => self.operator = Some(operator(key, value)?),
            "minimum_should_match" => self.minimum = scalar(value),
            "lenient" => self.lenient = flag(key, value)?,
            "fuzziness" => {
                if !value.is_null() && scalar(value).as_deref() != Some("0") {
                    return Err(unsupported(query, key));
                }
            }
            "prefix_length"
            | "max_expansions"
            | "fuzzy_transpositions"
            | "fuzzy_rewrite"
            | "cutoff_frequency"
            | "auto_generate_synonyms_phrase_query" => {}
            _ => return Err(unknown(query, key)),
        }
        Ok(())
    }

    fn needed(&self) -> Needed {
        match (&self.minimum, self.operator) {
            (_, Some(Operator::And)) => Needed::All,
            (Some(spec), _) => Needed::Spec(spec.clone()),
            _ => Needed::Any,
        }
    }

    fn mismatch(&self) -> Mismatch {
        if self.lenient { Mismatch::NoMatch } else { Mismatch::Fail }
    }

    fn zero(&self, text: &str, query: Query) -> Query {
        let words = model::token::spans(text).next().is_some();
        if self.zero_terms == ZeroTerms::All && !words { Query::All } else { query }
    }
}

fn text(query: &str, value: &Json) -> Result<Option<String>, QueryError> {
    match value {
        Json::Object(_) | Json::Array(_) => Err(QueryError::parsing(format!(
            "[{query}] query: expected text as [query], got {}",
            kind(value)
        ))),
        value => Ok(scalar(value)),
    }
}

fn no_text(query: &str) -> QueryError {
    QueryError::parsing(format!("No text specified for text query: [{query}] needs [query]"))
}

/// Makes one clause per field; one that matches is enough.
fn each_field(
    reader: &mut Reader,
    options: &TextOptions,
    make: impl Fn(&mut Clauses<'_>, Target) -> Result<Query, QueryError>,
) -> Result<Query, QueryError> {
    let dates = reader.dates.clone();
    let mut clauses = reader.clauses(&dates, options.mismatch());
    let each: Result<Vec<_>, _> =
        options.fields.iter().map(|f| make(&mut clauses, f.clone())).collect();
    each.map(Query::any_of)
}

pub(super) fn match_query(reader: &mut Reader, body: &Json) -> Result<Query, QueryError> {
    let (field, value) = one_field("match", body)?;
    let mut options = TextOptions { fields: vec![path(field)], ..TextOptions::default() };
    match value {
        Json::Object(map) => {
            for (key, value) in map {
                if !options.take("match", key, value)? {
                    options.take_match("match", key, value)?;
                }
            }
        }
        value => options.text = text("match", value)?,
    }
    let text = options.text.clone().ok_or_else(|| no_text("match"))?;
    let needed = options.needed();
    let query = each_field(reader, &options, |c, f| c.words(f, &text, &needed))?;
    Ok(options.zero(&text, query))
}

pub(super) fn match_phrase(
    reader: &mut Reader,
    body: &Json,
    prefixed: Prefixed,
) -> Result<Query, QueryError> {
    let prefix = prefixed == Prefixed::Last;
    let name = if prefix { "match_phrase_prefix" } else { "match_phrase" };
    let (field, value) = one_field(name, body)?;
    let mut options = TextOptions { fields: vec![path(field)], ..TextOptions::default() };
    match value {
        Json::Object(map) => {
            for (key, value) in map {
                match key.as_str() {
                    "slop" => options.slop = slop(key, value)?,
                    "max_expansions" if prefix => {}
                    _ if options.take(name, key, value)? => {}
                    _ => return Err(unknown(name, key)),
                }
            }
        }
        value => options.text = text(name, value)?,
    }
    let text = options.text.clone().ok_or_else(|| no_text(name))?;
    let how = (options.slop, prefix);
    let query = each_field(reader, &options, |c, f| c.phrase(f, &text, how))?;
    Ok(options.zero(&text, query))
}

pub(super) fn multi_match(reader: &mut Reader, body: &Json) -> Result<Query, QueryError> {
    let name = "multi_match";
    let mut options = TextOptions::default();
    for (key, value) in object(name, body)? {
        match key.as_str() {
            "fields" => options.fields = fields(value)?,
            "type" => options.kind = scalar(value),
            "slop" => options.slop = slop(key, value)?,
            "tie_breaker" => {}
            _ if options.take(name, key, value)? => {}
            _ => options.take_match(name, key, value)?,
        }
    }
    if options.fields.is_empty() {
        options.fields.push(Target::Any);
    }
    let text = options.text.clone().ok_or_else(|| no_text(name))?;
    let needed = options.needed();
    let slop = options.slop;
    let query = match options.kind.as_deref() {
        None | Some("best_fields" | "most_fields") => {
            each_field(reader, &options, |c, f| c.words(f, &text, &needed))?
        }
        Some("cross_fields") if needed == Needed::All => {
            // Each word in one of the fields.
            let each = text
                .split_whitespace()
                .map(|word| each_field(reader, &options, |c, f| c.words(f, word, &Needed::All)));
            Query::all_of(each.collect::<Result<_, _>>()?)
        }
        Some("cross_fields") => each_field(reader, &options, |c, f| c.words(f, &text, &needed))?,
        Some("phrase") => each_field(reader, &options, |c, f| c.phrase(f, &text, (slop, false)))?,
        Some("phrase_prefix") => {
            each_field(reader, &options, |c, f| c.phrase(f, &text, (slop, true)))?
        }
        Some("bool_prefix") => return Err(unsupported(name, "type: bool_prefix")),
        Some(other) => {
            return Err(QueryError::parsing(format!(
                "failed to parse [{name}] query type [{other}]. unknown type."
            )));
        }
    };
    Ok(options.zero(&text, query))
}

/// Options of both query strings that change nothing here.
fn harmless(key: &str) -> bool {
    matches!(
        key,
        "analyze_wildcard"
            | "analyzer"
            | "quote_analyzer"
            | "boost"
            | "_name"
            | "tie_breaker"
            | "rewrite"
            | "enable_position_increments"
            | "auto_generate_synonyms_phrase_query"
            | "fuzzy_max_expansions"
            | "fuzzy_prefix_length"
            | "fuzzy_transpositions"
            | "fuzzy_rewrite"
            | "fuzziness"
            | "max_determinized_states"
            | "allow_leading_wildcard"
    )
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
                options.fields = vec![target(field)];
            }
            "fields" => {
                let fields = fields(value)?;
                if !fields.is_empty() {
                    options.fields = fields;
                }
            }
            "default_operator" => options.default_operator = operator(key, value)?,
            "lenient" if flag(key, value)? => mismatch = Mismatch::NoMatch,
            "phrase_slop" => options.phrase_slop = slop(key, value)?,
            "minimum_should_match" => options.minimum_should = scalar(value),
            "time_zone" => zone = value.as_str(),
            "escape" => escape = flag(key, value)?,
            "type" => match value.as_str() {
                Some("best_fields" | "most_fields" | "cross_fields" | "phrase") => {}
                _ => return Err(unsupported(name, "type")),
            },
            "lenient" | "default_field" => {}
            key if harmless(key) => {}
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
            "fields" => {
                let fields = fields(value)?;
                if !fields.is_empty() {
                    options.fields = fields;
                }
            }
            "default_operator" => options.default_operator = operator(key, value)?,
            "minimum_should_match" => options.minimum_should = scalar(value),
            "flags" => match scalar(value).as_deref() {
                Some("ALL" | "-1") => {}
                _ => return Err(unsupported(name, key)),
            },
            "lenient" | "quote_field_suffix" if super::json::is_nothing(value) => {}
            "lenient" if flag(key, value)? => {}
            key if harmless(key) => {}
            "quote_field_suffix" => return Err(unsupported(name, key)),
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

/// The error with the query string that it is about.
fn named(mut error: QueryError, query: &str) -> QueryError {
    let shown: String = query.chars().take(200).collect();
    error.reason = format!("Failed to parse query [{shown}]: {}", error.reason);
    error
}
