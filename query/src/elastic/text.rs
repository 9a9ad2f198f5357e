//! Which words? The match family.

use serde_json::Value as Json;

use super::json::{bad, boolean, integer, kind, scalar, strings};
use super::query::{object, one_field, unknown};
use super::{Reader, compound, path, term};
use crate::ast::{Query, Target};
use crate::clause::{Clauses, Edits, Mismatch, Needed, combined, weighted};
use crate::error::QueryError;
use crate::syntax::Operator;

pub(super) use super::strings::{query_string, simple_query_string};

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
    fields: Vec<(Target, f32)>,
    kind: Option<String>,
    edits: Option<Edits>,
    prefix_length: usize,
    transpositions: Option<bool>,
    tie: Option<f32>,
}

/// What text without words matches.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum ZeroTerms {
    #[default]
    None,
    All,
}

pub(super) fn operator(key: &str, value: &Json) -> Result<Operator, QueryError> {
    match value.as_str().map(str::to_ascii_lowercase).as_deref() {
        Some("or") => Ok(Operator::Or),
        Some("and") => Ok(Operator::And),
        _ => Err(bad(key, value, "`or` or `and`")),
    }
}

pub(super) fn flag(key: &str, value: &Json) -> Result<bool, QueryError> {
    boolean(value).ok_or_else(|| bad(key, value, "true or false"))
}

pub(super) fn slop(key: &str, value: &Json) -> Result<u32, QueryError> {
    integer(value)
        .and_then(|n| u32::try_from(n).ok())
        .ok_or_else(|| bad(key, value, "a whole number, 0 or more"))
}

pub(super) fn fields(value: &Json) -> Result<Vec<(Target, f32)>, QueryError> {
    Ok(strings("fields", value)?.iter().map(|f| weighted(f)).collect())
}

/// There is one way to cut words: another analyzer would find something else.
pub(super) fn analyzer(query: &str, value: &Json) -> Result<(), QueryError> {
    match value {
        Json::Null => Ok(()),
        Json::String(name) if matches!(name.as_str(), "standard" | "default" | "") => Ok(()),
        other => Err(QueryError::illegal(format!(
            "[{query}] analyzer [{}] not found: there is only [standard]",
            scalar(other).unwrap_or_else(|| kind(other).to_owned())
        ))),
    }
}

impl TextOptions {
    /// Takes an option that all of the family know; `false` when this is none of them.
    fn take(&mut self, query: &str, key: &str, value: &Json) -> Result<bool, QueryError> {
        match key {
            "query" => self.text = text(query, value)?,
            "zero_terms_query" => {
                let name = value.as_str().map(str::to_ascii_lowercase);
                self.zero_terms = match name.as_deref() {
                    Some("none") => ZeroTerms::None,
                    Some("all") => ZeroTerms::All,
                    _ => return Err(bad(key, value, "`none` or `all`")),
                };
            }
            "analyzer" => analyzer(query, value)?,
            "boost" | "_name" => {}
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
            "fuzziness" if value.is_null() => {}
            "fuzziness" => self.edits = Some(term::fuzziness(value)?),
            "prefix_length" => self.prefix_length = term::count(key, value)?,
            "fuzzy_transpositions" => self.transpositions = Some(flag(key, value)?),
            // How much work Lucene may do.
            "max_expansions" => drop(term::count(key, value)?),
            "fuzzy_rewrite" | "cutoff_frequency" | "auto_generate_synonyms_phrase_query" => {}
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

    fn edits(&self) -> Option<Edits> {
        let edits = self.edits.clone()?;
        Some(edits.with(self.prefix_length, self.transpositions.unwrap_or(true)))
    }

    fn mismatch(&self) -> Mismatch {
        if self.lenient { Mismatch::NoMatch } else { Mismatch::Fail }
    }

    fn zero(&self, text: &str, query: Query) -> Query {
        let words = model::token::spans(text).next().is_some();
        if self.zero_terms == ZeroTerms::All && !words { Query::All } else { query }
    }
}

pub(super) fn text(query: &str, value: &Json) -> Result<Option<String>, QueryError> {
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

/// Makes one clause per field, each with its boost.
fn each_field(
    reader: &mut Reader,
    options: &TextOptions,
    make: impl Fn(&mut Clauses<'_>, Target) -> Result<Query, QueryError>,
) -> Result<Vec<Query>, QueryError> {
    let dates = reader.dates.clone();
    let mut clauses = reader.clauses(&dates, options.mismatch());
    let each = options
        .fields
        .iter()
        .map(|(field, boost)| make(&mut clauses, field.clone()).map(|query| query.times(*boost)));
    each.collect()
}

pub(super) fn match_query(reader: &mut Reader, body: &Json) -> Result<Query, QueryError> {
    words_query(reader, body, "match")
}

pub(super) fn match_bool_prefix(reader: &mut Reader, body: &Json) -> Result<Query, QueryError> {
    words_query(reader, body, "match_bool_prefix")
}

fn words_query(reader: &mut Reader, body: &Json, name: &str) -> Result<Query, QueryError> {
    let prefix = name == "match_bool_prefix";
    let (field, value) = one_field(name, body)?;
    let mut options = TextOptions { fields: vec![(path(field), 1.0)], ..TextOptions::default() };
    match value {
        Json::Object(map) => {
            for (key, value) in map {
                if prefix && matches!(key.as_str(), "zero_terms_query" | "lenient") {
                    return Err(unknown(name, key));
                }
                if !options.take(name, key, value)? {
                    options.take_match(name, key, value)?;
                }
            }
        }
        value => options.text = text(name, value)?,
    }
    let text = options.text.clone().ok_or_else(|| no_text(name))?;
    let (needed, edits) = (options.needed(), options.edits());
    let how = (edits.as_ref(), prefix);
    let each = each_field(reader, &options, |c, f| c.loose_words(f, &text, &needed, how))?;
    Ok(options.zero(&text, Query::any_of(each)))
}

pub(super) fn match_phrase(
    reader: &mut Reader,
    body: &Json,
    prefixed: Prefixed,
) -> Result<Query, QueryError> {
    let prefix = prefixed == Prefixed::Last;
    let name = if prefix { "match_phrase_prefix" } else { "match_phrase" };
    let (field, value) = one_field(name, body)?;
    let mut options = TextOptions { fields: vec![(path(field), 1.0)], ..TextOptions::default() };
    match value {
        Json::Object(map) => {
            for (key, value) in map {
                match key.as_str() {
                    "slop" => options.slop = slop(key, value)?,
                    "max_expansions" if prefix => drop(term::count(key, value)?),
                    _ if options.take(name, key, value)? => {}
                    _ => return Err(unknown(name, key)),
                }
            }
        }
        value => options.text = text(name, value)?,
    }
    let text = options.text.clone().ok_or_else(|| no_text(name))?;
    let how = (options.slop, prefix);
    let each = each_field(reader, &options, |c, f| c.phrase(f, &text, how))?;
    Ok(options.zero(&text, Query::any_of(each)))
}

pub(super) fn multi_match(reader: &mut Reader, body: &Json) -> Result<Query, QueryError> {
    let name = "multi_match";
    let mut options = TextOptions::default();
    for (key, value) in object(name, body)? {
        match key.as_str() {
            "fields" => options.fields = fields(value)?,
            "type" => options.kind = scalar(value).map(|kind| kind.to_ascii_lowercase()),
            "slop" => options.slop = slop(key, value)?,
            "tie_breaker" if value.is_null() => {}
            "tie_breaker" => options.tie = Some(compound::tie_breaker(value)?),
            _ if options.take(name, key, value)? => {}
            _ => options.take_match(name, key, value)?,
        }
    }
    if options.fields.is_empty() {
        options.fields.push((Target::Any, 1.0));
    }
    let text = options.text.clone().ok_or_else(|| no_text(name))?;
    let (needed, edits) = (options.needed(), options.edits());
    let slop = options.slop;
    let kind = options.kind.clone();
    let loose = |reader: &mut Reader, prefix: bool| {
        let how = (edits.as_ref(), prefix);
        each_field(reader, &options, |c, f| c.loose_words(f, &text, &needed, how))
    };
    let tie = options.tie.unwrap_or(0.0);
    let query = match kind.as_deref() {
        None | Some("best_fields") => Query::best_of(loose(reader, false)?, tie),
        Some("most_fields") => sum_or_best(loose(reader, false)?, options.tie),
        Some("bool_prefix") => sum_or_best(loose(reader, true)?, options.tie),
        Some("cross_fields") if edits.is_some() => {
            return Err(QueryError::illegal("Fuzziness not allowed for type [cross_fields]"));
        }
        Some("cross_fields") => across(reader, &options, &needed)?,
        Some(kind @ ("phrase" | "phrase_prefix")) => {
            if edits.is_some() {
                return Err(QueryError::illegal(format!(
                    "Fuzziness not allowed for type [{kind}]"
                )));
            }
            let how = (slop, kind == "phrase_prefix");
            Query::best_of(each_field(reader, &options, |c, f| c.phrase(f, &text, how))?, tie)
        }
        Some(other) => {
            return Err(QueryError::parsing(format!(
                "failed to parse [{name}] query type [{other}]. unknown type."
            )));
        }
    };
    Ok(options.zero(&text, query))
}

/// The fields add up, unless the request says how much the lesser count.
fn sum_or_best(each: Vec<Query>, tie: Option<f32>) -> Query {
    match tie {
        None => Query::any_of(each),
        Some(tie) => Query::best_of(each, tie),
    }
}

/// Each word in one of the fields.
fn across(
    reader: &mut Reader,
    options: &TextOptions,
    needed: &Needed,
) -> Result<Query, QueryError> {
    let text = options.text.as_deref().unwrap_or_default();
    let mut words = Vec::new();
    for word in text.split_whitespace() {
        if model::token::spans(word).next().is_some() {
            let each = each_field(reader, options, |c, f| c.words(f, word, &Needed::All))?;
            words.push(Query::best_of(each, options.tie.unwrap_or(0.0)));
        }
    }
    combined(words, needed)
}

pub(super) fn combined_fields(reader: &mut Reader, body: &Json) -> Result<Query, QueryError> {
    let name = "combined_fields";
    let mut options = TextOptions::default();
    for (key, value) in object(name, body)? {
        match key.as_str() {
            "fields" => options.fields = fields(value)?,
            "operator" | "minimum_should_match" | "auto_generate_synonyms_phrase_query" => {
                options.take_match(name, key, value)?;
            }
            _ if key != "analyzer" && options.take(name, key, value)? => {}
            _ => return Err(unknown(name, key)),
        }
    }
    if options.fields.is_empty() {
        return Err(QueryError::illegal("[combined_fields] requires at least one field"));
    }
    if options.fields.iter().any(|(_, boost)| *boost < 1.0) {
        return Err(QueryError::illegal("[combined_fields] requires field boosts to be >= 1.0"));
    }
    let text = options.text.clone().ok_or_else(|| no_text(name))?;
    let needed = options.needed();
    let query = across(reader, &options, &needed)?;
    Ok(options.zero(&text, query))
}
