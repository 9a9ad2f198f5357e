//! Where in a document did the query match? The marked pieces of the fields of a hit.
//!
//! Looks at the documents of one page only, after they are chosen. Knows no splits and no JSON of
//! responses. Every highlighter of Elasticsearch is answered by this one.

mod fragments;
mod spans;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use model::record::TIMESTAMP_FIELD;
use serde_json::{Map, Value as Json};

use crate::answer::Hit;
use crate::ast::{Query, Target, Test};
use crate::error::QueryError;
use crate::leaf::{LeafError, Run};
use crate::plan::glob;
use crate::search::document::Document;
use crate::test::View;
use fragments::{Mark, Value, merged, pieces};
use spans::Leaf;

/// So much of a value is looked at, in bytes, unless the request says less.
const ANALYZED_BYTES_MAX: usize = 1_000_000;

/// So many marks of one value are gathered before those that overlap become one.
const MARKS_MAX: usize = 100_000;

/// What of the hits is marked.
#[derive(Clone, Debug, Default)]
pub struct Highlight {
    /// The fields, in the order of the request.
    pub fields: Vec<HighlightField>,
}

/// A field that is marked.
#[derive(Clone, Debug)]
pub struct HighlightField {
    /// Path or pattern.
    pub pattern: String,
    /// How.
    pub options: Options,
}

/// How a field is marked.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// What comes before a match; of several the first, or one for each term with [`Kind::Fvh`].
    pub pre_tags: Vec<String>,
    /// What comes after a match.
    pub post_tags: Vec<String>,
    /// About how long a piece is, in characters; `i32::MAX` for the whole value.
    pub fragment_size: usize,
    /// How many pieces at most; 0 for the whole value.
    pub fragments: usize,
    /// Only what the query asks of this very field is marked.
    pub require_field_match: bool,
    /// The best piece comes first, not the first one.
    pub by_score: bool,
    /// So much of the field is returned when nothing is marked, in characters.
    pub no_match_size: usize,
    /// Mark what this query finds, instead of the search's.
    pub query: Option<Arc<Query>>,
    /// The text is escaped as HTML.
    pub html: bool,
    /// Which of Elasticsearch's highlighters was asked for.
    pub kind: Kind,
    /// Where pieces begin and end.
    pub boundary: Boundary,
    /// Only so many bytes of a value are looked at.
    pub analyzed_max: Option<usize>,
    /// Fields whose tests count for this one.
    pub matched_fields: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            pre_tags: vec!["<em>".to_owned()],
            post_tags: vec!["</em>".to_owned()],
            fragment_size: 100,
            fragments: 5,
            require_field_match: true,
            by_score: false,
            no_match_size: 0,
            query: None,
            html: false,
            kind: Kind::Unified,
            boundary: Boundary::Sentence,
            analyzed_max: None,
            matched_fields: Vec::new(),
        }
    }
}

/// Elasticsearch's highlighters; they differ in how phrases are marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `unified`: a phrase is one mark.
    Unified,
    /// `plain`: each word of a phrase is a mark.
    Plain,
    /// `fvh`: as unified, with a tag for each term.
    Fvh,
}

/// Where pieces of a text begin and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// At sentences, or at words where those are too long.
    Sentence,
    /// At words.
    Word,
}

/// Marks hits.
#[derive(Debug)]
pub struct Highlighter {
    fields: Vec<(HighlightField, Arc<Vec<Leaf>>)>,
}

impl Highlighter {
    /// Of a request; `query` is what the search asks.
    ///
    /// # Errors
    /// A pattern of a query is none.
    pub fn new(highlight: &Highlight, query: &Query) -> Result<Self, QueryError> {
        let own = Arc::new(leaves(query)?);
        // Fields that share a query share what is made of it.
        let mut made: Vec<(&Arc<Query>, Arc<Vec<Leaf>>)> = Vec::new();
        let mut fields = Vec::with_capacity(highlight.fields.len());
        for field in &highlight.fields {
            let leaves = match &field.options.query {
                None => own.clone(),
                Some(query) => match made.iter().find(|(other, _)| Arc::ptr_eq(other, query)) {
                    Some((_, leaves)) => leaves.clone(),
                    None => {
                        let leaves = Arc::new(leaves(query)?);
                        made.push((query, leaves.clone()));
                        leaves
                    }
                },
            };
            fields.push((field.clone(), leaves));
        }
        Ok(Self { fields })
    }

    /// Marks the hits, which must have their sources.
    ///
    /// # Errors
    /// The search was stopped: the hits from there on are not marked.
    pub fn apply(
        &self,
        hits: &mut [Hit],
        text_fields: &[String],
        run: &Run,
    ) -> Result<(), LeafError> {
        for hit in hits {
            run.check()?;
            let document = Document::parse(hit.source.as_deref().unwrap_or("{}"));
            let marked = self.document(&document, text_fields, run)?;
            hit.highlight = (!marked.is_empty()).then(|| Box::new(marked));
        }
        Ok(())
    }

    fn document(
        &self,
        document: &Document,
        text_fields: &[String],
        run: &Run,
    ) -> Result<Map<String, Json>, LeafError> {
        let mut out = Map::new();
        for (field, leaves) in &self.fields {
            let mut mark = |name: &str, values: &[Json], view: View| {
                let texts: Vec<&str> = values.iter().filter_map(Json::as_str).collect();
                if texts.is_empty() || out.contains_key(name) {
                    return Ok(());
                }
                let found = marked(&texts, (name, view), (&field.options, leaves), run)?;
                if !found.is_empty() {
                    out.insert(name.to_owned(), found.into());
                }
                Ok::<(), LeafError>(())
            };
            for (path, values) in document.fields() {
                run.check()?;
                if path == TIMESTAMP_FIELD {
                    continue;
                }
                if glob(&field.pattern, path) {
                    let text = text_fields.iter().any(|f| f == path);
                    mark(path, values, if text { View::Text } else { View::Column })?;
                }
                // The whole values of a field have a name of their own only where it is named.
                let whole = format!("{path}.keyword");
                let named = field.pattern == whole
                    || glob(&field.pattern, &whole) && leaves.iter().any(|l| l.is_of(&whole));
                if named && document.get(&whole).is_none() {
                    mark(&whole, values, View::Keyword)?;
                }
            }
        }
        Ok(out)
    }
}

/// The marked pieces of a field's values.
fn marked(
    texts: &[&str],
    (name, view): (&str, View),
    (options, leaves): (&Options, &[Leaf]),
    run: &Run,
) -> Result<Vec<String>, LeafError> {
    let joined = options.kind != Kind::Plain && options.require_field_match;
    let analyzed = options.analyzed_max.unwrap_or(ANALYZED_BYTES_MAX);
    let asked: Vec<(usize, &Leaf)> = leaves
        .iter()
        .enumerate()
        .filter(|(_, leaf)| {
            !options.require_field_match
                || leaf.is_for(name)
                || options.matched_fields.iter().any(|f| f != name && leaf.is_for(f))
        })
        .collect();
    let mut values = Vec::with_capacity(texts.len());
    for text in texts {
        let cut = cut_at(text, analyzed);
        let mut marks = Vec::new();
        for (number, leaf) in &asked {
            run.check()?;
            leaf.spans(&text[..cut], (view, joined), &mut |from, to| {
                marks.push(Mark { from, to, term: *number });
            });
            if marks.len() > MARKS_MAX {
                marks = merged(marks);
            }
        }
        let marks = merged(marks);
        run.charge(marks.len() * std::mem::size_of::<Mark>())?;
        values.push(Value { text, marks });
    }
    pieces(&values, options, run)
}

/// The last place up to `at` where a character begins.
fn cut_at(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The tests that can be marked: those that records must pass or may pass, of strings.
fn leaves(query: &Query) -> Result<Vec<Leaf>, QueryError> {
    let mut out = Vec::new();
    let mut open = vec![query];
    while let Some(query) = open.pop() {
        match query {
            Query::Bool(b) => open.extend(b.must.iter().chain(&b.should).rev()),
            Query::Scored(scored) => open.push(&scored.query),
            Query::Field(field) => {
                let special = matches!(&field.target, Target::Path(p) if is_special(p));
                if !special && !matches!(field.test, Test::Exists | Test::Range { .. }) {
                    out.push(Leaf::new(field)?);
                }
            }
            _ => {}
        }
    }
    Ok(out)
}

fn is_special(path: &str) -> bool {
    matches!(path, TIMESTAMP_FIELD | "_id" | "_index" | "_seq_no" | "_source")
}
