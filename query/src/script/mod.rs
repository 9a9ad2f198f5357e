//! What does a script compute? The expressions of painless and of Lucene's `expression` that
//! aggregations are written with: read once, checked once, run for each bucket or record.
//!
//! ```text
//! script     = { statement [";"] }
//! statement  = "return" expr | type name "=" expr | expr
//!            | "if" "(" expr ")" block [ "else" block ]
//! block      = "{" script "}" | statement
//! expr       = or [ "?" expr ":" expr | "?:" expr ]
//! or         = and { "||" and }            and      = equality { "&&" equality }
//! equality   = relation { ("==" | "!=" | "===" | "!==") relation }
//! relation   = sum { ("<" | "<=" | ">" | ">=") sum }
//! sum        = product { ("+" | "-") product }
//! product    = unary { ("*" | "/" | "%") unary }
//! unary      = ("-" | "+" | "!") unary | "(" type ")" unary | primary { member }
//! member     = "." name [ "(" args ")" ] | "[" expr "]"
//! primary    = number | string | "true" | "false" | "null" | name [ "(" args ")" ] | "(" expr ")"
//! ```
//!
//! There are no loops and no assignments, so that a script ends; what it does at most is counted.
//! Knows neither buckets nor records: values come through an [`Env`].

mod ast;
mod eval;
mod functions;
mod lex;
pub mod moving;
mod parse;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value as Json};

use crate::error::{ErrorKind, QueryError};
use ast::Statement;
pub use eval::{Env, Value};

/// The longest source, in bytes, as Elasticsearch has it.
const SOURCE_BYTES_MAX: usize = 65_535;

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lang {
    /// Numbers are whole or not, variables are `params.name`.
    Painless,
    /// Every number is a double, variables are bare names.
    Expression,
}

impl Lang {
    fn name(self) -> &'static str {
        match self {
            Lang::Painless => "painless",
            Lang::Expression => "expression",
        }
    }
}

/// What a script can look at beside its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// Numbers of a bucket, as parameters.
    Bucket,
    /// The numbers of a window: `values`.
    Window,
    /// A record: `doc['field']`, and the value `_value`.
    Record,
}

/// A script that was read.
#[derive(Clone, Debug)]
pub struct Script {
    source: String,
    lang: Lang,
    params: Vec<(String, Value)>,
    statements: Vec<Statement>,
    /// The fields that it looks at; expressions name them by position.
    fields: Vec<String>,
}

impl Script {
    /// Reads a source, or an object with `source`, `lang` and `params`. `names` are the variables
    /// that are given when the script is run.
    ///
    /// # Errors
    /// It cannot be read, or uses what is not supported.
    pub fn read(json: &Json, context: Context, names: &[&str]) -> Result<Self, QueryError> {
        let none = Map::new();
        let (source, lang, params) = match json {
            Json::String(source) => (source.as_str(), "painless", &none),
            Json::Object(map) => parts(map, &none)?,
            _ => {
                return Err(QueryError::parsing(
                    "[script] must be a string, or an object with [source]",
                ));
            }
        };
        let lang = match lang {
            "painless" => Lang::Painless,
            "expression" => Lang::Expression,
            "mustache" => return Err(QueryError::illegal("cannot use mustache as a script here")),
            other => {
                return Err(QueryError::illegal(format!("script_lang not supported [{other}]")));
            }
        };
        if source.len() > SOURCE_BYTES_MAX {
            return Err(QueryError::illegal(format!(
                "exceeded max allowed inline script size in bytes [{SOURCE_BYTES_MAX}] with size \
                 [{}]",
                source.len()
            )));
        }
        let params: Vec<(String, Value)> =
            params.iter().map(|(name, value)| (name.clone(), Value::of_json(value))).collect();
        let known = names.iter().copied().chain(params.iter().map(|(name, _)| name.as_str()));
        let parser = parse::Parser::new(source, lang, context, known.collect());
        let (statements, fields) = parser.and_then(parse::Parser::script).map_err(|error| {
            let QueryError { reason, span, .. } = error;
            let mut error = compile_error(source, lang, &reason);
            error.span = span;
            error
        })?;
        Ok(Self { source: source.to_owned(), lang, params, statements, fields })
    }

    /// The fields that it looks at, in the order of [`Env::doc`].
    pub fn fields(&self) -> &[String] {
        &self.fields
    }

    /// Runs it.
    ///
    /// # Errors
    /// A value is of the wrong type, is missing, or the script does too much.
    pub fn run(&self, env: &Env<'_>) -> Result<Value, QueryError> {
        eval::Run { env, params: &self.params, lang: self.lang }
            .script(&self.statements)
            .map_err(|reason| self.runtime_error(&reason))
    }

    /// Runs it for a number: nothing when it gives `null`.
    ///
    /// # Errors
    /// As [`Script::run`], or it gives no number.
    pub fn number(&self, env: &Env<'_>) -> Result<Option<f64>, QueryError> {
        match self.run(env)? {
            Value::Null => Ok(None),
            value => match value.number() {
                Some(number) => Ok(Some(number)),
                None if self.lang == Lang::Expression => {
                    Ok(Some(f64::from(u8::from(value == Value::Bool(true)))))
                }
                None => Err(self.runtime_error(&format!(
                    "the script gives {}, where a number is needed",
                    value.kind()
                ))),
            },
        }
    }

    /// Runs it for a decision.
    ///
    /// # Errors
    /// As [`Script::run`], or it gives no boolean.
    pub fn decides(&self, env: &Env<'_>) -> Result<bool, QueryError> {
        match self.run(env)? {
            Value::Bool(decided) => Ok(decided),
            value => match value.number() {
                Some(number) if self.lang == Lang::Expression => Ok(number != 0.0),
                _ => Err(self.runtime_error(&format!(
                    "the script gives {}, where a boolean is needed",
                    value.kind()
                ))),
            },
        }
    }

    fn runtime_error(&self, reason: &str) -> QueryError {
        let (lang, source) = (self.lang.name(), brief(&self.source));
        QueryError::of(
            ErrorKind::Script,
            format!("runtime error in the {lang} script [{source}]: {reason}"),
        )
    }
}

fn compile_error(source: &str, lang: Lang, reason: &str) -> QueryError {
    let (lang, source) = (lang.name(), brief(source));
    QueryError::of(
        ErrorKind::Script,
        format!("compile error in the {lang} script [{source}]: {reason}"),
    )
}

/// The source, or its beginning.
fn brief(source: &str) -> String {
    const CHARS_MAX: usize = 200;
    match source.char_indices().nth(CHARS_MAX) {
        Some((at, _)) => format!("{}…", &source[..at]),
        None => source.to_owned(),
    }
}

fn parts<'j>(
    map: &'j Map<String, Json>,
    none: &'j Map<String, Json>,
) -> Result<(&'j str, &'j str, &'j Map<String, Json>), QueryError> {
    let (mut source, mut lang, mut params) = (None, "painless", none);
    for (key, value) in map {
        match (key.as_str(), value) {
            ("source" | "inline", Json::String(text)) => source = Some(text.as_str()),
            ("lang", Json::String(text)) => lang = text,
            ("params", Json::Object(map)) => params = map,
            ("lang" | "params" | "options", Json::Null) => {}
            ("options", Json::Object(map)) if map.is_empty() => {}
            ("id" | "stored", _) => {
                return Err(QueryError::illegal(
                    "stored scripts are not supported in this version: give the [source]",
                ));
            }
            ("source" | "inline" | "lang" | "params" | "options", _) => {
                return Err(QueryError::parsing(format!("[script] cannot read [{key}]")));
            }
            _ => return Err(QueryError::parsing(format!("[script] unknown field [{key}]"))),
        }
    }
    match source {
        Some(source) => Ok((source, lang, params)),
        None => Err(QueryError::illegal("must specify either [source] for an inline script")),
    }
}
