//! Which rows of a text field pass a test? By tokens where they are enough, else by the texts.
//!
//! Knows neither columns nor combinations of queries.

use index::read::{RowSet, TokenClass};
use model::record::Value;
use model::token::{fold, is_token_char};

use super::column::is_exact;
use super::rows::SplitEval;
use super::run::LeafError;
use super::scan::BLOCK_ROWS;
use crate::test::compare::literal_text;
use crate::test::{Kind, Pattern, ValueTest, View};

/// Below this many rows the texts are read at once.
const FEW_ROWS: u32 = 256;

/// What the tokens tell of a test.
struct Known {
    /// These rows pass.
    sure: Option<RowSet>,
    /// No others can; `None` means any can.
    maybe: Option<RowSet>,
}

impl SplitEval<'_> {
    /// The rows of `within` in which one text of the field passes.
    pub(crate) fn text_rows(
        &self,
        text_field: usize,
        (test, view): (&ValueTest, View),
        within: &RowSet,
    ) -> Result<RowSet, LeafError> {
        if within.is_empty() {
            return Ok(within.clone());
        }
        let class = TokenClass::Text(text_field);
        let known = self.known(class, (test.kind(), view), within)?;
        let mut out = known.sure.unwrap_or_else(|| RowSet::none(within.docs()));
        out.and(within);
        let mut open = known.maybe.unwrap_or_else(|| within.clone());
        open.and(within);
        open.and_not(&out);
        if !open.is_empty() {
            let passing =
                self.read_texts(text_field, &open, |text| test.matches(Value::Str(text), view))?;
            out.or(&passing);
        }
        Ok(out)
    }

    /// The rows with a text that passes, by reading the texts.
    pub(crate) fn read_texts(
        &self,
        text_field: usize,
        rows: &RowSet,
        passes: impl Fn(&str) -> bool,
    ) -> Result<RowSet, LeafError> {
        let mut out = RowSet::none(rows.docs());
        let mut seen = 0usize;
        let mut stopped = Ok(());
        self.reader.for_each_text(text_field, rows, &mut |row, text| {
            seen += 1;
            if seen.is_multiple_of(BLOCK_ROWS) {
                stopped = self.run.check();
            }
            if !out.contains(row) && passes(text) {
                out.insert(row);
            }
            stopped.is_ok()
        })?;
        stopped?;
        Ok(out)
    }

    fn known(
        &self,
        class: TokenClass,
        (kind, view): (&Kind, View),
        within: &RowSet,
    ) -> Result<Known, LeafError> {
        if let Some(rows) = self.exact(class, (kind, view), within)? {
            return Ok(Known { maybe: Some(rows.clone()), sure: Some(rows) });
        }
        if within.count() < FEW_ROWS {
            return Ok(Known { sure: None, maybe: None });
        }
        match kind {
            Kind::Pattern(pattern) if view == View::Text => {
                self.pattern(class, kind, pattern, within)
            }
            _ => Ok(Known { sure: None, maybe: self.candidates(class, kind, within)? }),
        }
    }

    /// The rows that pass, where the tokens alone decide.
    pub(crate) fn exact(
        &self,
        class: TokenClass,
        (kind, view): (&Kind, View),
        within: &RowSet,
    ) -> Result<Option<RowSet>, LeafError> {
        let one = |token: &String| -> Result<RowSet, LeafError> {
            let mut rows = self.reader.token_rows(class, token)?;
            rows.and(within);
            Ok(rows)
        };
        match kind {
            _ if view == View::Keyword => Ok(None),
            Kind::Words { words, minimum: 1 } if words.iter().all(|w| w.len() == 1) => {
                let mut out = RowSet::none(within.docs());
                for word in words.iter().flatten() {
                    out.or(&one(word)?);
                }
                Ok(Some(out))
            }
            Kind::Phrase { tokens, prefix, .. } if tokens.len() == 1 => {
                if *prefix {
                    self.prefix_rows(class, &tokens[0])
                } else {
                    one(&tokens[0]).map(Some)
                }
            }
            Kind::Phrase { tokens, .. } if tokens.is_empty() => {
                Ok(Some(RowSet::none(within.docs())))
            }
            // A text that is equal to a lone folded token also holds it.
            Kind::Terms(terms) if view == View::Text => {
                let mut out = RowSet::none(within.docs());
                for term in terms {
                    let text = literal_text(&term.value);
                    let alone = is_exact(term) && is_one_token(&text) && fold(&text) == text;
                    if !alone {
                        return Ok(None);
                    }
                    out.or(&one(&text.into_owned())?);
                }
                Ok(Some(out))
            }
            _ => Ok(None),
        }
    }

    /// Tokens that match are sure; whole texts that can match hold the pattern's pieces.
    fn pattern(
        &self,
        class: TokenClass,
        kind: &Kind,
        pattern: &Pattern,
        within: &RowSet,
    ) -> Result<Known, LeafError> {
        let in_a_token = pattern.pieces.iter().all(|p| p.text.chars().all(is_token_char));
        let mut sure = None;
        if in_a_token {
            let prefix = match pattern.pieces.first() {
                Some(p) if !p.open_left && p.text.is_ascii() => fold(&p.text).into_owned(),
                _ => String::new(),
            };
            match self.expand(class, &prefix, &|t| pattern.matches(t), usize::MAX)? {
                Some(found) => {
                    debug_assert!(found.sure);
                    sure = Some(found.rows);
                }
                None => return Ok(Known { sure: None, maybe: None }),
            }
        }
        Ok(Known { sure, maybe: self.candidates(class, kind, within)? })
    }
}

fn is_one_token(text: &str) -> bool {
    let mut spans = model::token::spans(text);
    spans.next() == Some((0, text.len())) && spans.next().is_none()
}
