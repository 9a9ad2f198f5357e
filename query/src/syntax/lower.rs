//! What does a word or phrase of a query string test? Words, patterns, parts of words.

use model::token;

use super::Dialect;
use super::parser::Parser;
use super::scan::Word;
use crate::ast::{Literal, Query, Target, TextTest};
use crate::clause::{Clauses, Ends, Needed, Pattern};
use crate::error::QueryError;

/// One of the fields matches.
fn any(
    clauses: &mut Clauses<'_>,
    fields: &[Target],
    mut make: impl FnMut(&mut Clauses<'_>, Target) -> Result<Query, QueryError>,
) -> Result<Query, QueryError> {
    let each: Result<Vec<_>, _> = fields.iter().map(|f| make(clauses, f.clone())).collect();
    each.map(Query::any_of)
}

fn has_tokens(text: &str) -> bool {
    token::spans(text).next().is_some()
}

/// A word without quotes; `None` when it has no tokens and so says nothing.
pub(super) fn word(
    parser: &mut Parser<'_, '_, '_>,
    fields: &[Target],
    word: &Word,
) -> Result<Option<Query>, QueryError> {
    let ours = parser.options.dialect == Dialect::Logdrive;
    let clauses = &mut *parser.clauses;
    if word.wildcards > 0 {
        return wildcard(clauses, fields, word, ours).map(Some);
    }
    if !has_tokens(&word.text) {
        return match ours {
            true => any(clauses, fields, |c, f| c.substring(f, &word.text)).map(Some),
            false => Ok(None),
        };
    }
    // A space can only be an escaped one: the words belong together.
    if word.text.contains(char::is_whitespace) {
        return any(clauses, fields, |c, f| c.phrase(f, &word.text, (0, false))).map(Some);
    }
    any(clauses, fields, |c, f| c.words(f, &word.text, &Needed::All)).map(Some)
}

fn wildcard(
    clauses: &mut Clauses<'_>,
    fields: &[Target],
    word: &Word,
    ours: bool,
) -> Result<Query, QueryError> {
    if word.pattern.bytes().all(|b| b == b'*') {
        return any(clauses, fields, |c, f| match f {
            Target::Any => Ok(Query::All),
            f => c.exists(f),
        });
    }
    let starred = |text: &str| text.starts_with('*') && word.pattern.starts_with('*');
    let leading = usize::from(starred(&word.text));
    let trailing = usize::from(word.pattern.ends_with('*') && !word.pattern.ends_with("\\*"));
    if word.wildcards == leading + trailing {
        let inner = &word.text[leading..word.text.len() - trailing];
        if leading == 0 && !ours {
            let text = TextTest { text: inner.to_owned(), fold: true };
            return any(clauses, fields, |c, f| c.pattern(f, Pattern::Prefix, text.clone()));
        }
        if ours {
            return affix(clauses, fields, inner, (leading == 1, trailing == 1));
        }
    }
    let text = TextTest { text: word.pattern.clone(), fold: true };
    any(clauses, fields, |c, f| c.pattern(f, Pattern::Wildcard, text.clone()))
}

/// Our `*text*`, `text*` and `*text`: across words where the text is.
fn affix(
    clauses: &mut Clauses<'_>,
    fields: &[Target],
    inner: &str,
    (leading, trailing): (bool, bool),
) -> Result<Query, QueryError> {
    let crosses = !inner.chars().all(token::is_token_char);
    if leading && trailing {
        return any(clauses, fields, |c, f| c.substring(f, inner));
    }
    if crosses && trailing {
        return match inner.ends_with(token::is_token_char) {
            true => any(clauses, fields, |c, f| c.phrase(f, inner, (0, true))),
            false => any(clauses, fields, |c, f| c.substring(f, inner)),
        };
    }
    if crosses {
        return any(clauses, fields, |c, f| c.substring(f, inner));
    }
    let (kind, text) = match trailing {
        true => (Pattern::Prefix, inner.to_owned()),
        false => (Pattern::Wildcard, format!("*{inner}")),
    };
    let text = TextTest { text, fold: true };
    any(clauses, fields, |c, f| c.pattern(f, kind, text.clone()))
}

/// A quoted phrase; `None` when it has no tokens and so says nothing.
pub(super) fn phrase(
    parser: &mut Parser<'_, '_, '_>,
    fields: &[Target],
    word: &Word,
    slop: u32,
) -> Result<Option<Query>, QueryError> {
    let ours = parser.options.dialect == Dialect::Logdrive;
    let clauses = &mut *parser.clauses;
    if has_tokens(&word.text) {
        return any(clauses, fields, |c, f| c.phrase(f, &word.text, (slop, false))).map(Some);
    }
    if word.text.is_empty() {
        // Only a field can equal nothing.
        let empty = || Literal::Text(String::new());
        return match fields {
            [Target::Any] => Ok(None),
            fields => any(clauses, fields, |c, f| c.term(f, empty(), false)).map(Some),
        };
    }
    match ours {
        true => any(clauses, fields, |c, f| c.substring(f, &word.text)).map(Some),
        false => Ok(None),
    }
}

/// `field=value`: the whole value, in its own case.
pub(super) fn exact(
    parser: &mut Parser<'_, '_, '_>,
    field: Target,
    word: &Word,
) -> Result<Query, QueryError> {
    let made = if word.wildcards > 0 {
        let text = TextTest { text: word.pattern.clone(), fold: false };
        parser.clauses.pattern(field, Pattern::Wildcard, text)
    } else {
        parser.clauses.term(field, Literal::Text(word.text.clone()), false)
    };
    made.map_err(|e| if e.span.is_some() { e } else { e.at(word.span.0, word.span.1) })
}

/// Between two ends.
pub(super) fn range(
    parser: &mut Parser<'_, '_, '_>,
    fields: &[Target],
    ends: &Ends,
) -> Result<Query, QueryError> {
    any(parser.clauses, fields, |c, f| c.range(f, ends))
}

/// A regular expression.
pub(super) fn regex(
    parser: &mut Parser<'_, '_, '_>,
    fields: &[Target],
    word: &Word,
) -> Result<Query, QueryError> {
    let text = TextTest { text: word.text.clone(), fold: true };
    any(parser.clauses, fields, |c, f| c.pattern(f, Pattern::Regexp, text.clone()))
}
