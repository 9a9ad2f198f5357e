//! What does a word or phrase of a query string test? Words, patterns, parts of words.

use model::token;

use super::parser::{Parser, Weighted};
use super::scan::Word;
use super::{Dialect, Fields};
use crate::ast::{Literal, Query, Target, TextTest};
use crate::clause::{Clauses, Edits, Ends, Needed, Pattern};
use crate::error::QueryError;

/// One of the fields matches; the best counts.
fn any(
    clauses: &mut Clauses<'_>,
    fields: &[Weighted],
    mut make: impl FnMut(&mut Clauses<'_>, Target) -> Result<Query, QueryError>,
) -> Result<Query, QueryError> {
    each(clauses, fields, &mut make).map(|each| Query::best_of(each, 0.0))
}

fn each(
    clauses: &mut Clauses<'_>,
    fields: &[Weighted],
    make: &mut impl FnMut(&mut Clauses<'_>, Target) -> Result<Query, QueryError>,
) -> Result<Vec<Query>, QueryError> {
    fields
        .iter()
        .map(|(field, boost)| make(clauses, field.clone()).map(|query| query.times(*boost)))
        .collect()
}

/// One of the fields matches, and counts as the options say.
fn by_kind(
    parser: &mut Parser<'_, '_, '_>,
    fields: &[Weighted],
    mut make: impl FnMut(&mut Clauses<'_>, Target) -> Result<Query, QueryError>,
) -> Result<Query, QueryError> {
    let each = each(parser.clauses, fields, &mut make)?;
    Ok(match parser.options.kind {
        Fields::Most | Fields::BoolPrefix => Query::any_of(each),
        _ => Query::best_of(each, parser.options.tie),
    })
}

/// How near a word must be: `~` alone is as the options say, `~0.8` an old way to say it.
pub(super) fn edits(number: &str, word: &str, default: &Edits) -> Result<Edits, QueryError> {
    let most = match number {
        "" => return Ok(default.clone()),
        "0" | "1" | "2" => number.to_owned(),
        number => match number.parse::<f64>() {
            Ok(share) if share < 1.0 => {
                let most = (1.0 - share) * word.chars().count() as f64;
                most.min(2.0).trunc().to_string()
            }
            Ok(edits) if edits.fract() == 0.0 => edits.min(2.0).to_string(),
            _ => {
                return Err(QueryError::parsing(
                    "expected 0, 1 or 2 after `~`: how many characters may differ",
                ));
            }
        },
    };
    let edits = Edits::parse(&most)?;
    Ok(edits.with(default.prefix, default.transpositions))
}

/// A word with `~`.
pub(super) fn fuzzy(
    parser: &mut Parser<'_, '_, '_>,
    fields: &[Weighted],
    word: &Word,
    edits: &Edits,
) -> Result<Query, QueryError> {
    let how = (Some(edits), false);
    by_kind(parser, fields, |c, f| c.loose_words(f, &word.text, &Needed::All, how))
}

fn has_tokens(text: &str) -> bool {
    token::spans(text).next().is_some()
}

/// A word without quotes; `None` when it has no tokens and so says nothing.
pub(super) fn word(
    parser: &mut Parser<'_, '_, '_>,
    fields: &[Weighted],
    word: &Word,
) -> Result<Option<Query>, QueryError> {
    let ours = parser.options.dialect == Dialect::Logdrive;
    if word.wildcards > 0 {
        if !parser.options.leading_wildcard
            && word.pattern.starts_with(['*', '?'])
            && word.pattern.bytes().any(|b| b != b'*')
        {
            let reason = "'*' or '?' not allowed as first character in WildcardQuery";
            return Err(QueryError::parsing(reason).at(word.span.0, word.span.1));
        }
        return wildcard(parser.clauses, fields, word, ours).map(Some);
    }
    if !has_tokens(&word.text) {
        return match ours {
            true => any(parser.clauses, fields, |c, f| c.substring(f, &word.text)).map(Some),
            false => Ok(None),
        };
    }
    let text = word.text.as_str();
    match parser.options.kind {
        Fields::Phrase => {
            return by_kind(parser, fields, |c, f| c.phrase(f, text, (0, false))).map(Some);
        }
        Fields::PhrasePrefix => {
            return by_kind(parser, fields, |c, f| c.phrase(f, text, (0, true))).map(Some);
        }
        Fields::BoolPrefix => {
            let loose = |c: &mut Clauses<'_>, f| c.loose_words(f, text, &Needed::All, (None, true));
            return by_kind(parser, fields, loose).map(Some);
        }
        Fields::Best | Fields::Most => {}
    }
    // A space can only be an escaped one: the words belong together.
    if text.contains(char::is_whitespace) {
        return by_kind(parser, fields, |c, f| c.phrase(f, text, (0, false))).map(Some);
    }
    by_kind(parser, fields, |c, f| c.words(f, text, &Needed::All)).map(Some)
}

fn wildcard(
    clauses: &mut Clauses<'_>,
    fields: &[Weighted],
    word: &Word,
    ours: bool,
) -> Result<Query, QueryError> {
    if word.pattern.bytes().all(|b| b == b'*') {
        return any(clauses, fields, |c, f| match f {
            Target::Any => Ok(Query::All),
            f => c.exists(f).map(|query| query.constant(1.0)),
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
    fields: &[Weighted],
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
    fields: &[Weighted],
    word: &Word,
    slop: u32,
) -> Result<Option<Query>, QueryError> {
    let ours = parser.options.dialect == Dialect::Logdrive;
    if has_tokens(&word.text) {
        let suffix = parser.options.quote_suffix.clone();
        let how = (slop, parser.options.kind == Fields::PhrasePrefix);
        return by_kind(parser, fields, |c, f| {
            c.phrase(quoted(f, suffix.as_deref()), &word.text, how)
        })
        .map(Some);
    }
    let clauses = &mut *parser.clauses;
    if word.text.is_empty() {
        // Only a field can equal nothing.
        let empty = || Literal::Text(String::new());
        return match fields {
            [(Target::Any, _)] => Ok(None),
            fields => any(clauses, fields, |c, f| c.term(f, empty(), false)).map(Some),
        };
    }
    match ours {
        true => any(clauses, fields, |c, f| c.substring(f, &word.text)).map(Some),
        false => Ok(None),
    }
}

/// The field that a phrase asks. Of the fields inside of fields there is only `.keyword`; where
/// there is none of the name, the field itself is asked.
pub(super) fn quoted(field: Target, suffix: Option<&str>) -> Target {
    match field {
        Target::Path(path) if suffix == Some(".keyword") && !path.ends_with(".keyword") => {
            Target::Path(format!("{path}.keyword"))
        }
        field => field,
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
    fields: &[Weighted],
    ends: &Ends,
) -> Result<Query, QueryError> {
    any(parser.clauses, fields, |c, f| c.range(f, ends))
}

/// A regular expression.
pub(super) fn regex(
    parser: &mut Parser<'_, '_, '_>,
    fields: &[Weighted],
    word: &Word,
) -> Result<Query, QueryError> {
    let text = TextTest { text: word.text.clone(), fold: true };
    any(parser.clauses, fields, |c, f| c.pattern(f, Pattern::Regexp, text.clone()))
}
