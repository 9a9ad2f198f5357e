//! How is a test answered for the texts of a column? What is known of each template, and what to
//! look for in slots.
//!
//! Planned once for a column and a test; knows no rows.

use model::record::Value;
use model::token::{fold, is_token_char, spans};

use super::templates::{Known, Template, cut, folded_tokens, has_digit, is_folded_token};
use crate::ast::{Literal, TermTest};
use crate::test::address::Addresses;
use crate::test::compare::literal_text;
use crate::test::fuzzy::Fuzzy;
use crate::test::{Kind, Pattern, Piece, ValueTest, View};

/// The most constants that are looked for one by one.
const TERMS_MAX: usize = 64;
/// A longer piece of a pattern may lie over the border of a token that was cut.
const PIECE_BYTES_MAX: usize = 200;

/// Something that stands in slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// A folded token.
    Token(String),
    /// A fragment of token characters; the flag: whatever the case of ASCII letters.
    Fragment(String, bool),
}

impl Look {
    /// The token or fragment.
    pub(crate) fn text(&self) -> &str {
        match self {
            Look::Token(text) | Look::Fragment(text, _) => text,
        }
    }

    /// Whether static text cannot hold it.
    pub(crate) fn is_in_slots_only(&self) -> bool {
        has_digit(self.text())
    }
}

/// How a test is answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct TextPlan {
    /// What is known of each template.
    pub(crate) known: Vec<Known>,
    /// What texts of [`Known::Slots`] have in a slot.
    pub(crate) look: Option<Look>,
    /// What every passing text of [`Known::Read`] has as static text or in a slot.
    pub(crate) narrow: Vec<Look>,
    /// Every passing text of [`Known::Read`] has one of these in a slot, if there are any.
    pub(crate) some: Vec<Look>,
    /// Tests of which at least `minimum` must pass for one text, where there are any.
    pub(crate) parts: Vec<TextPlan>,
    /// How many.
    pub(crate) minimum: usize,
}

impl TextPlan {
    /// Plans a test. Templates that are `None` are known not to have what [`needs`] says.
    pub(crate) fn new(templates: &[Option<Template<'_>>], test: &ValueTest, view: View) -> Self {
        let planner = Planner { templates, view };
        match test.kind() {
            Kind::Exists => planner.each(|_| Known::All),
            Kind::Words { words, minimum } if view == View::Keyword => {
                match words.len() >= *minimum {
                    true => planner.exactly(&words.concat(), false),
                    false => planner.each(|_| Known::None),
                }
            }
            Kind::Words { words, minimum } => {
                let parts = words.iter().map(|w| planner.phrase(w, false, 0)).collect();
                planner.at_least(parts, *minimum)
            }
            Kind::Phrase { tokens, prefix, .. } if view == View::Keyword => {
                planner.exactly(tokens, *prefix)
            }
            Kind::Phrase { tokens, prefix, slop } => planner.phrase(tokens, *prefix, *slop),
            Kind::Terms(terms) if terms.len() <= TERMS_MAX => {
                let parts = terms.iter().map(|t| planner.term(t, test)).collect();
                planner.at_least(parts, 1)
            }
            Kind::Terms(_) | Kind::Range { .. } => planner.plain(test),
            Kind::Substring(pattern) => Pieces::new(pattern, None).plan(&planner, test),
            Kind::Pattern(pattern) => Pieces::new(pattern, Some(view)).plan(&planner, test),
            Kind::Addresses(_) => planner.each(|t| {
                let may = t.is_raw() || t.pieces().iter().all(|p| Addresses::may_hold(p));
                let read = if may { Known::Read } else { Known::None };
                whole(t, test, view).unwrap_or(read)
            }),
            Kind::Fuzzy(fuzzy) => planner.fuzzy(fuzzy, test),
        }
    }
}

/// What texts that pass have as static text or in a slot: all of one of these lists. `None` when
/// that is not known. With patterns, what lies over a border of tokens that touch is not told.
pub(crate) fn needs(test: &ValueTest) -> Option<Vec<Vec<Look>>> {
    let pieces = |pattern: &Pattern| Some(vec![pattern.pieces.iter().flat_map(needed).collect()]);
    match test.kind() {
        Kind::Exists | Kind::Range { .. } | Kind::Addresses(_) | Kind::Fuzzy(_) => None,
        Kind::Words { words, .. } => Some(words.iter().map(|w| tokens_needed(w, false)).collect()),
        Kind::Phrase { tokens, prefix, .. } => Some(vec![tokens_needed(tokens, *prefix)]),
        Kind::Terms(terms) if terms.len() <= TERMS_MAX => terms
            .iter()
            .map(|term| {
                let want = literal_text(&term.value);
                let plain = is_plain(term, &want);
                (!plain).then(|| tokens_needed(&folded_tokens(&want), false))
            })
            .collect(),
        Kind::Terms(_) => None,
        Kind::Substring(pattern) | Kind::Pattern(pattern) => pieces(pattern),
    }
}

/// Whether texts must be read to compare them.
fn is_plain(term: &TermTest, want: &str) -> bool {
    matches!(term.value, Literal::Time(..)) || term.fold && !want.is_ascii()
}

struct Planner<'a, 't> {
    templates: &'a [Option<Template<'t>>],
    view: View,
}

impl Planner<'_, '_> {
    fn each(&self, mut known: impl FnMut(&Template<'_>) -> Known) -> TextPlan {
        let known = |t: &Option<Template<'_>>| t.as_ref().map_or(Known::None, &mut known);
        TextPlan {
            known: self.templates.iter().map(known).collect(),
            minimum: 1,
            ..TextPlan::default()
        }
    }

    /// Whole texts without slots are tested, all others read.
    fn plain(&self, test: &ValueTest) -> TextPlan {
        self.each(|t| whole(t, test, self.view).unwrap_or(Known::Read))
    }

    fn phrase(&self, tokens: &[String], prefix: bool, slop: u32) -> TextPlan {
        if let ([token], false) = (tokens, prefix) {
            let look = Some(Look::Token(token.clone()));
            return TextPlan { look, ..self.each(|t| t.token(token)) };
        }
        let known = |t: &Template<'_>| match slop {
            0 => t.phrase(tokens, prefix),
            slop => t.sloppy(tokens, prefix, slop),
        };
        TextPlan { narrow: tokens_needed(tokens, prefix), ..self.each(known) }
    }

    fn exactly(&self, tokens: &[String], prefix: bool) -> TextPlan {
        TextPlan {
            narrow: tokens_needed(tokens, prefix),
            ..self.each(|t| t.exactly(tokens, prefix))
        }
    }

    /// Tokens of static text are tested; of slots those are read that hold a fragment.
    fn fuzzy(&self, fuzzy: &Fuzzy, test: &ValueTest) -> TextPlan {
        let tokens = fuzzy.test.token || self.view == View::Text;
        let mut some = fuzzy.fragments().unwrap_or_default();
        if !some.is_empty() {
            some.push(fuzzy.test.text.to_ascii_lowercase());
        }
        let mut seen = hashbrown::HashMap::new();
        let mut passes = |piece: &str| {
            spans(piece).any(|(from, to)| {
                let token = fold(&piece[from..to]);
                match seen.get(&*token) {
                    Some(passes) => *passes,
                    None => {
                        let passes = fuzzy.matches(&token);
                        seen.insert(token.into_owned(), passes);
                        passes
                    }
                }
            })
        };
        let keyword = self.view == View::Keyword;
        let known = |t: &Template<'_>| match whole(t, test, self.view) {
            Some(known) => known,
            None if t.is_raw() => Known::Read,
            None if tokens && !keyword && t.pieces().iter().any(|p| passes(p)) => Known::All,
            // A whole text can be near that has fragments across its slots.
            None if !tokens || keyword || !fuzzy.test.token => Known::Read,
            None if some.is_empty() || some.iter().any(|f| t.a_slot_may_hold([f.as_str()])) => {
                Known::Read
            }
            None => Known::None,
        };
        let plan = self.each(known);
        let only_tokens = fuzzy.test.token && !keyword;
        let some = some.into_iter().filter(|_| only_tokens).map(|f| Look::Fragment(f, true));
        TextPlan { some: some.collect(), ..plan }
    }

    /// Texts for which so many of the parts pass.
    fn at_least(&self, mut parts: Vec<TextPlan>, minimum: usize) -> TextPlan {
        if parts.len() == 1 && minimum == 1 {
            return parts.swap_remove(0);
        }
        let known = (0..self.templates.len()).map(|at| {
            let how = |known| parts.iter().filter(|p| p.known[at] == known).count();
            let (all, none) = (how(Known::All), how(Known::None));
            match () {
                () if all >= minimum => Known::All,
                () if parts.len() - none < minimum => Known::None,
                () => Known::Read,
            }
        });
        TextPlan { known: known.collect(), parts, minimum, ..TextPlan::default() }
    }

    /// One constant.
    fn term(&self, term: &TermTest, test: &ValueTest) -> TextPlan {
        let want = literal_text(&term.value);
        if is_plain(term, &want) {
            return self.plain(test);
        }
        let token = if term.fold { fold(&want) } else { (&*want).into() };
        if self.view == View::Text && is_folded_token(&token) {
            return self.phrase(&[token.into_owned()], false, 0);
        }
        let pieces = cut(&want);
        let equal = |a: &str, b: &str| match term.fold {
            true => a.eq_ignore_ascii_case(b),
            false => a == b,
        };
        let known = |t: &Template<'_>| {
            let same = t.pieces().len() == pieces.len()
                && t.pieces().iter().zip(&pieces).all(|(a, b)| equal(a, b));
            match (t.is_raw(), same) {
                (true, _) => Known::Read,
                (false, true) if t.text().is_some() => Known::All,
                (false, true) => Known::Read,
                (false, false) => Known::None,
            }
        };
        let tokens = folded_tokens(&want);
        TextPlan { narrow: tokens_needed(&tokens, false), ..self.each(known) }
    }
}

/// What the test says of a template without slots.
fn whole(template: &Template<'_>, test: &ValueTest, view: View) -> Option<Known> {
    let text = template.text()?;
    let passes = test.matches(Value::Str(text), view);
    Some(if passes { Known::All } else { Known::None })
}

/// What a text with these tokens has.
fn tokens_needed(tokens: &[String], prefix: bool) -> Vec<Look> {
    let whole = tokens.len() - usize::from(prefix && !tokens.is_empty());
    let mut out: Vec<Look> = tokens[..whole].iter().map(|t| Look::Token(t.clone())).collect();
    if let (true, Some(last)) = (prefix, tokens.last())
        && last.is_ascii()
        && !last.is_empty()
    {
        out.push(Look::Fragment(last.clone(), true));
    }
    out
}

/// A pattern over templates.
struct Pieces<'p> {
    pattern: &'p Pattern,
    /// Lone folded tokens pass as well as whole texts.
    tokens: bool,
    /// A token can hold all pieces.
    in_a_token: bool,
    /// What stands in a slot of every passing text that does not have it as static text.
    look: Option<Look>,
    /// A raw text with it may yet not pass.
    look_is_wide: bool,
    /// Static text, which has no digits, passes nowhere.
    in_slots_only: bool,
}

impl<'p> Pieces<'p> {
    /// `view`: how a pattern looks at texts, `None` for a substring.
    fn new(pattern: &'p Pattern, view: Option<View>) -> Self {
        let tokens = view == Some(View::Text);
        let in_a_token = pattern.pieces.iter().all(|p| p.text.chars().all(is_token_char));
        let in_slots_only = pattern.pieces.iter().any(|p| has_digit(&p.text));
        let (look, look_is_wide) = (None, false);
        let mut out = Self { pattern, tokens, in_a_token, look, look_is_wide, in_slots_only };
        if let ([piece], true, true) =
            (pattern.pieces.as_slice(), pattern.is_fragment(), in_a_token)
            && !piece.text.is_empty()
        {
            let ascii = piece.text.is_ascii();
            let upper = piece.text.bytes().any(|b| b.is_ascii_uppercase());
            // Tokens are folded: one that holds lower case may stand there in upper case.
            out.look_is_wide = tokens && !pattern.folds && !upper;
            if ascii || !pattern.folds && !tokens {
                let folds = pattern.folds || out.look_is_wide;
                let text = if folds { piece.text.to_ascii_lowercase() } else { piece.text.clone() };
                out.look = Some(Look::Fragment(text, folds));
            }
        }
        out
    }

    fn plan(&self, planner: &Planner<'_, '_>, test: &ValueTest) -> TextPlan {
        let mut seen = hashbrown::HashMap::new();
        let mut abuts = false;
        let plan = planner.each(|t| {
            let known = whole(t, test, planner.view).unwrap_or_else(|| self.known(t, &mut seen));
            abuts |= known == Known::Read && t.abuts();
            known
        });
        let mut narrow: Vec<Look> = self.pattern.pieces.iter().flat_map(needed).collect();
        // A fragment can lie over a border of such a template.
        narrow.retain(|look| !abuts || matches!(look, Look::Token(_)));
        TextPlan { look: self.look.clone(), narrow, ..plan }
    }

    fn known(&self, template: &Template<'_>, seen: &mut hashbrown::HashMap<String, bool>) -> Known {
        let pattern = self.pattern;
        if template.is_raw() {
            return match self.look.is_some() && !self.look_is_wide {
                true => Known::Slots,
                false => Known::Read,
            };
        }
        let pieces = template.pieces();
        if !self.in_slots_only
            && (self.tokens && pieces.iter().any(|p| self.a_token_passes(p, seen))
                || self.text_passes(template))
        {
            return Known::All;
        }
        let holds = |p: &Piece| template.can_hold(p, pattern.folds);
        let in_a_slot = self.tokens
            && self.in_a_token
            && template.a_slot_may_hold(pattern.pieces.iter().map(|p| p.text.as_str()));
        let possible = in_a_slot || pattern.pieces.iter().all(holds);
        if !possible {
            return Known::None;
        }
        match self.look.is_some() && !template.abuts() {
            true => Known::Slots,
            false => Known::Read,
        }
    }

    /// Whether the pieces stand in the static text, in their order.
    fn text_passes(&self, template: &Template<'_>) -> bool {
        // No piece lies over a slot if none has the character that stands for it here.
        let slot = "\0";
        self.pattern.only_pieces
            && !self.pattern.pieces.iter().any(|p| p.text.contains(slot))
            && self.pattern.matches(&template.pieces().join(slot))
    }

    /// Whether a token of static text passes.
    fn a_token_passes(&self, text: &str, seen: &mut hashbrown::HashMap<String, bool>) -> bool {
        self.in_a_token
            && spans(text).any(|(from, to)| {
                let token = fold(&text[from..to]);
                match seen.get(&*token) {
                    Some(passes) => *passes,
                    None => {
                        let passes = self.pattern.matches(&token);
                        seen.insert(token.into_owned(), passes);
                        passes
                    }
                }
            })
    }
}

/// What every text with a piece of a pattern has.
fn needed(piece: &Piece) -> Vec<Look> {
    let text = piece.text.as_str();
    if text.len() > PIECE_BYTES_MAX {
        return Vec::new();
    }
    let ascii = spans(text).filter(|(from, to)| text[*from..*to].is_ascii());
    ascii
        .map(|(from, to)| {
            let whole = (from > 0 || !piece.open_left) && (to < text.len() || !piece.open_right);
            let token = text[from..to].to_ascii_lowercase();
            if whole { Look::Token(token) } else { Look::Fragment(token, true) }
        })
        .collect()
}
