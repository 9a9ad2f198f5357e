//! Which rows can hold what a test asks for, by the split's tokens alone?
//!
//! Answers are supersets ("candidates") unless said otherwise; the values decide.

use index::read::{RowSet, TokenClass};

use super::column::{piece_tokens, term_tokens};
use super::rows::SplitEval;
use super::run::LeafError;
use super::scan::BLOCK_ROWS;
use crate::test::{Kind, Piece};

/// The most tokens that a fragment is expanded to before it is looked for in the values.
const EXPANSION_TOKENS_MAX: usize = 512;
/// Tokens of this length may be the cut piece of a longer run: they hold any fragment.
const MAYBE_CUT_BYTES: usize = 80;
/// Fragments shorter than this stand in too many tokens.
const FRAGMENT_BYTES_MIN: usize = 3;

/// Rows that hold one of several tokens.
pub(crate) struct Expanded {
    /// The rows.
    pub(crate) rows: RowSet,
    /// No token was taken only because it may be cut.
    pub(crate) sure: bool,
}

impl SplitEval<'_> {
    /// The rows of `within` that hold all the tokens.
    pub(crate) fn all_tokens<'t>(
        &self,
        class: TokenClass,
        tokens: impl Iterator<Item = &'t String>,
        within: &RowSet,
    ) -> Result<RowSet, LeafError> {
        let mut counted = Vec::new();
        for token in tokens {
            let docs = self.reader.token_docs(class, token)?;
            if docs == 0 {
                return Ok(RowSet::none(within.docs()));
            }
            counted.push((docs, token));
        }
        counted.sort();
        counted.dedup();
        let mut out = within.clone();
        for (_, token) in counted {
            self.run.check()?;
            out.and(&self.reader.token_rows(class, token)?);
            if out.is_empty() {
                break;
            }
        }
        Ok(out)
    }

    /// The rows that hold a token that passes; `None` when there are too many such tokens.
    pub(crate) fn expand(
        &self,
        class: TokenClass,
        prefix: &str,
        passes: &dyn Fn(&str) -> bool,
        cut_bytes_min: usize,
    ) -> Result<Option<Expanded>, LeafError> {
        let mut found: Vec<String> = Vec::new();
        let mut sure = true;
        let mut seen = 0usize;
        let mut stopped = Ok(());
        self.reader.for_each_token(class, prefix, &mut |token| {
            seen += 1;
            if seen.is_multiple_of(BLOCK_ROWS) {
                stopped = self.run.check();
            }
            let passing = passes(token);
            if passing || token.len() >= cut_bytes_min {
                sure &= passing;
                found.push(token.to_owned());
            }
            stopped.is_ok() && found.len() <= EXPANSION_TOKENS_MAX
        })?;
        stopped?;
        if found.len() > EXPANSION_TOKENS_MAX {
            return Ok(None);
        }
        let mut rows = RowSet::none(self.reader.docs());
        for token in &found {
            self.run.check()?;
            rows.or(&self.reader.token_rows(class, token)?);
        }
        Ok(Some(Expanded { rows, sure }))
    }

    /// The rows of `within` that hold a token beginning so; `None` when there are too many.
    pub(crate) fn prefix_rows(
        &self,
        class: TokenClass,
        prefix: &str,
    ) -> Result<Option<RowSet>, LeafError> {
        let found = self.expand(class, prefix, &|_| true, usize::MAX)?;
        Ok(found.map(|e| e.rows))
    }

    /// The rows of `within` whose strings can pass; `None` when the tokens do not tell.
    pub(crate) fn candidates(
        &self,
        class: TokenClass,
        kind: &Kind,
        within: &RowSet,
    ) -> Result<Option<RowSet>, LeafError> {
        match kind {
            Kind::Words { words, minimum } => {
                self.word_rows(class, words, *minimum, within).map(Some)
            }
            Kind::Phrase { tokens, prefix, .. } => {
                let whole = tokens.len().saturating_sub(usize::from(*prefix));
                let mut out = self.all_tokens(class, tokens[..whole].iter(), within)?;
                if let (true, Some(last)) = (*prefix && !out.is_empty(), tokens.last())
                    && let Some(rows) = self.prefix_rows(class, last)?
                {
                    out.and(&rows);
                }
                Ok(Some(out))
            }
            Kind::Terms(terms) => {
                let mut out = RowSet::none(within.docs());
                for term in terms {
                    match term_tokens(term) {
                        Some(tokens) if !tokens.is_empty() => {
                            out.or(&self.all_tokens(class, tokens.iter(), within)?);
                        }
                        _ => return Ok(None),
                    }
                }
                Ok(Some(out))
            }
            Kind::Pattern(pattern) | Kind::Substring(pattern) => {
                self.piece_rows(class, &pattern.pieces, within)
            }
            Kind::Exists | Kind::Range { .. } => Ok(None),
        }
    }

    /// The rows of `within` that hold enough of the words, as far as the tokens tell.
    fn word_rows(
        &self,
        class: TokenClass,
        words: &[Vec<String>],
        minimum: usize,
        within: &RowSet,
    ) -> Result<RowSet, LeafError> {
        if minimum == words.len() {
            return self.all_tokens(class, words.iter().flatten(), within);
        }
        let mut counter = super::rows::AtLeast::new(minimum, within.docs());
        for word in words.iter().filter(|w| !w.is_empty()) {
            counter.add(&self.all_tokens(class, word.iter(), within)?);
        }
        Ok(counter.finish())
    }

    /// The rows of `within` that hold all pieces, as far as the tokens tell.
    fn piece_rows(
        &self,
        class: TokenClass,
        pieces: &[Piece],
        within: &RowSet,
    ) -> Result<Option<RowSet>, LeafError> {
        let tokens: Vec<_> = pieces.iter().flat_map(piece_tokens).collect();
        let whole = tokens.iter().filter(|t| t.1 && t.2).map(|t| &t.0);
        let mut out = None;
        if whole.clone().next().is_some() {
            out = Some(self.all_tokens(class, whole, within)?);
        }
        for (token, left, right) in tokens.iter().filter(|t| !(t.1 && t.2)) {
            let left_over = out.as_ref().map_or_else(|| within.count(), RowSet::count);
            if (left_over as usize) < BLOCK_ROWS || token.len() < FRAGMENT_BYTES_MIN {
                continue;
            }
            let found = if *left {
                self.expand(class, token, &|_| true, usize::MAX)?
            } else if *right {
                self.expand(class, "", &|t| t.ends_with(token.as_str()), MAYBE_CUT_BYTES)?
            } else {
                self.expand(class, "", &|t| t.contains(token.as_str()), MAYBE_CUT_BYTES)?
            };
            if let Some(found) = found {
                out.get_or_insert_with(|| within.clone()).and(&found.rows);
            }
        }
        Ok(out)
    }
}
