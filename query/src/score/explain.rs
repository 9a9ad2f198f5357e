//! Why has a record its score? The tree of what was added up, as Elasticsearch tells it.
//!
//! Every number is made by the same steps as the score itself.

use index::read::{ColumnKind, RowSet};
use serde_json::{Value as Json, json};

use super::bm25::{B, K1, Weight, kept_length, printed};
use super::count::{self, Counts};
use super::plan::{ScoreNode, TextScore};
use super::segment::{Chosen, Scoring, added, best, word, words};
use super::stats::is_text;
use crate::aggregate::source::Segment;
use crate::leaf::LeafError;
use crate::test::View;

/// A number of a score and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The number.
    pub value: f32,
    /// What it is.
    pub description: String,
    /// What it is made of.
    pub details: Vec<Explanation>,
    /// The number is a count.
    whole: bool,
}

impl Explanation {
    fn new(value: f32, description: impl Into<String>, details: Vec<Explanation>) -> Self {
        Self { value, description: description.into(), details, whole: false }
    }

    fn count(value: u64, description: &str) -> Self {
        Self { whole: true, ..Self::new(value as f32, description, Vec::new()) }
    }

    /// As Elasticsearch writes it.
    pub fn json(&self) -> Json {
        let value = if self.whole { json!(self.value as u64) } else { json!(printed(self.value)) };
        let details: Vec<Json> = self.details.iter().map(Explanation::json).collect();
        json!({ "value": value, "description": self.description, "details": details })
    }
}

impl Scoring<'_> {
    /// Why a row has its score; `None` when it does not match.
    pub(super) fn explain(
        &self,
        node: &ScoreNode,
        rows: Chosen<'_>,
    ) -> Result<Option<Explanation>, LeafError> {
        let value = self.part(node, rows, false)?.first().copied().unwrap_or(f32::NAN);
        if value.is_nan() {
            return Ok(None);
        }
        let parts = |list: &[ScoreNode]| -> Result<Vec<Explanation>, LeafError> {
            let each = list.iter().map(|part| self.explain(part, rows));
            Ok(each.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
        };
        let scores = |list: &[Explanation]| list.iter().map(|e| e.value).collect::<Vec<_>>();
        Ok(Some(match node {
            ScoreNode::Constant(constant) => {
                let label = match constant.label.as_str() {
                    "*:*" => constant.label.clone(),
                    label => format!("ConstantScore({label})"),
                };
                match constant.score {
                    0.0 => Explanation::new(
                        0.0,
                        "match on required clause, product of:",
                        vec![
                            Explanation::new(0.0, "# clause", Vec::new()),
                            Explanation::new(1.0, constant.label.clone(), Vec::new()),
                        ],
                    ),
                    _ => Explanation::new(value, label, Vec::new()),
                }
            }
            ScoreNode::Text(text) => self.explain_text(text, rows)?,
            ScoreNode::Sum(sum) => {
                let (must, should) = (parts(&sum.must)?, parts(&sum.should)?);
                let value = added(&scores(&must), &scores(&should));
                Explanation::new(value, "sum of:", must.into_iter().chain(should).collect())
            }
            ScoreNode::Best(list, tie) => {
                let each = parts(list)?;
                let value = best(each.iter().map(|e| e.value), *tie);
                let what = match tie {
                    0.0 => "max of:".to_owned(),
                    tie => format!("max plus {tie} times others of:"),
                };
                Explanation::new(value, what, each)
            }
            ScoreNode::Less(inner, negative, times) => {
                let inner = self.explain(inner, rows)?;
                let denied = !self.matching(negative, rows)?.is_empty();
                let times = Explanation::new(
                    if denied { *times } else { 1.0 },
                    if denied { "negative_boost" } else { "the negative query does not match" },
                    Vec::new(),
                );
                Explanation::new(value, "product of:", inner.into_iter().chain([times]).collect())
            }
            ScoreNode::Functions(inner, ..) => {
                let inner = self.explain(inner, rows)?;
                Explanation::new(value, "function score, of:", inner.into_iter().collect())
            }
        }))
    }

    fn explain_text(&self, text: &TextScore, rows: Chosen<'_>) -> Result<Explanation, LeafError> {
        let mut fields = Vec::new();
        for (path, counts) in self.counted(text, rows)? {
            fields.push(match counts {
                Some(counts) => self.explain_words(text, &path, &counts),
                None => {
                    let label: Vec<&str> = text.terms.iter().map(|t| t.label.as_str()).collect();
                    let what = format!("ConstantScore({path}:{})", label.join(" "));
                    Explanation::new(text.boost, what, Vec::new())
                }
            });
        }
        if fields.len() == 1 {
            return Ok(fields.swap_remove(0));
        }
        let value = best(fields.iter().map(|field| field.value), 0.0);
        Ok(Explanation::new(value, "max of:", fields))
    }

    /// The fields of the row in which the text passes, and what they hold; `None`: no words.
    fn counted(
        &self,
        text: &TextScore,
        rows: Chosen<'_>,
    ) -> Result<Vec<(String, Option<Counts>)>, LeafError> {
        let mut out = Vec::new();
        match &self.segment {
            Segment::Split(eval) => {
                for (info, column, view) in eval.columns_of(&text.field)? {
                    let asked = ((info, &*column), (&text.field.test, view));
                    let found: RowSet = eval.column_rows(asked.0, asked.1, rows.set)?;
                    if found.is_empty() {
                        continue;
                    }
                    let string = matches!(column.kind(), ColumnKind::Dict | ColumnKind::Text);
                    if !string || !is_text(&column, view) {
                        out.push((info.path.clone(), None));
                        continue;
                    }
                    let visit = &mut |_: u32, counts: &Counts| {
                        out.push((info.path.clone(), Some(counts.clone())));
                    };
                    count::for_each_row(&column, &text.terms, (&found, eval.run), visit)?;
                }
            }
            Segment::Live(view, _) => {
                let Some(row) = rows.list.first() else { return Ok(out) };
                let any = text.field.target == crate::ast::Target::Any;
                for (path, how) in view.paths_of(&text.field.target) {
                    let record = &view.batch.records()[*row as usize];
                    let test = &text.field.test;
                    let passes =
                        |v| if any { test.matches_any(v, how) } else { test.matches(v, how) };
                    let mut passing = view.batch.values(record, path).filter(|v| passes(*v));
                    let Some(first) = passing.next() else { continue };
                    let name = view.batch.paths()[path as usize].to_string();
                    let words =
                        matches!(first, model::record::Value::Str(_)) && how != View::Keyword;
                    let counts = match words {
                        true => count::of_record(view, (*row, path), &text.terms),
                        false => None,
                    };
                    out.push((name, counts));
                }
            }
        }
        Ok(out)
    }

    fn explain_words(&self, text: &TextScore, path: &str, counts: &Counts) -> Explanation {
        let weights = self.weights(text, path);
        let mut each = Vec::new();
        for (at, term) in text.terms.iter().enumerate() {
            let Some((weight, score)) = word(&weights, counts, at) else { continue };
            let what =
                format!("weight({path}:{} in 0) [PerFieldSimilarity], result of:", term.label);
            let frequency = counts.frequency[at];
            let inner = vec![
                Explanation::new(weight.boost, "boost", Vec::new()),
                self.explain_idf(&term.tokens, path, weight),
                explain_frequency(weight, frequency, counts.length),
            ];
            let how = format!("score(freq={frequency:?}), computed as boost * idf * tf from:");
            each.push(Explanation::new(score, what, vec![Explanation::new(score, how, inner)]));
        }
        match each.len() {
            1 => each.swap_remove(0),
            _ => Explanation::new(words(&weights, counts), "sum of:", each),
        }
    }

    fn explain_idf(&self, tokens: &[usize], path: &str, weight: Weight) -> Explanation {
        let docs = self.stats.field(path).docs;
        let one = |value: f32, token: usize| {
            let n = self.stats.found(token, path);
            let what = "idf, computed as log(1 + (N - n + 0.5) / (n + 0.5)) from:";
            let details = vec![
                Explanation::count(n, "n, number of documents containing term"),
                Explanation::count(docs, "N, total number of documents with field"),
            ];
            Explanation::new(value, what, details)
        };
        match tokens {
            [token] => one(weight.idf, *token),
            tokens => {
                let each = tokens.iter().map(|token| {
                    let n = self.stats.found(*token, path);
                    one(super::bm25::idf(n, docs) as f32, *token)
                });
                Explanation::new(weight.idf, "idf, sum of:", each.collect())
            }
        }
    }
}

fn explain_frequency(weight: Weight, frequency: f32, length: u32) -> Explanation {
    let plain = |value: f32, what: &str| Explanation::new(value, what, Vec::new());
    Explanation::new(
        weight.share(frequency, length),
        "tf, computed as freq / (freq + k1 * (1 - b + b * dl / avgdl)) from:",
        vec![
            plain(frequency, "freq, occurrences of term within document"),
            plain(K1, "k1, term saturation parameter"),
            plain(B, "b, length normalization parameter"),
            plain(kept_length(length) as f32, "dl, length of field"),
            plain(weight.average, "avgdl, average length of field"),
        ],
    )
}
