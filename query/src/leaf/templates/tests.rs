use model::record::Value;
use model::token::{fold, spans, tokens};
use proptest::prelude::*;

use super::super::plan::{Look, TextPlan};
use super::*;
use crate::ast::{Bound, Literal, TermTest, Test, TextTest};
use crate::test::{ValueTest, View};

/// A text as a column keeps it.
struct Kept<'t> {
    text: &'t str,
    slots: Vec<&'t str>,
    raw: bool,
}

impl<'t> Kept<'t> {
    fn new(text: &'t str, raw: bool) -> Self {
        let slots = match raw {
            true => vec![text],
            false => spans(text).map(|(a, b)| &text[a..b]).filter(|t| has_digit(t)).collect(),
        };
        Self { text, slots, raw }
    }

    fn has(&self, look: &Look) -> bool {
        self.slots.iter().any(|slot| match look {
            Look::Token(token) if self.raw => tokens(slot).any(|t| t == *token),
            Look::Token(token) => fold(slot) == *token,
            Look::Fragment(text, false) => slot.contains(text.as_str()),
            Look::Fragment(text, true) => {
                slot.to_ascii_lowercase().contains(&text.to_ascii_lowercase())
            }
        })
    }

    /// What the plan says, in the way that rows are found by it.
    fn passes(&self, plan: &TextPlan, (test, view): (&ValueTest, View)) -> bool {
        let known = plan.known[usize::from(!self.raw)];
        let truly = test.matches(Value::Str(self.text), view);
        match known {
            Known::None => false,
            Known::All => true,
            Known::Slots => self.has(plan.look.as_ref().unwrap()),
            Known::Read if plan.parts.is_empty() => {
                let needed = plan.narrow.iter().filter(|l| self.raw || l.is_in_slots_only());
                truly && needed.into_iter().all(|look| self.has(look))
            }
            Known::Read => {
                let found = plan.parts.iter().filter(|p| self.passes(p, (test, view))).count();
                found >= plan.minimum
            }
        }
    }
}

/// The letters of a text's slots.
fn letters(text: &str) -> Vec<Letters> {
    let spans = model::token::spans(text).map(|(from, to)| &text[from..to]);
    spans.filter(|token| has_digit(token)).map(|token| Letters::of(token.as_bytes())).collect()
}

fn check(text: &str, test: &Test) {
    let compiled = ValueTest::new(test).unwrap();
    let list = [Some(Template::raw()), Some(Template::new(cut(text).into_iter(), letters(text)))];
    for view in [View::Text, View::Column, View::Keyword] {
        let plan = TextPlan::new(&list, &compiled, view);
        let want = compiled.matches(Value::Str(text), view);
        for raw in [true, false] {
            let kept = Kept::new(text, raw);
            let got = kept.passes(&plan, (&compiled, view));
            assert_eq!(got, want, "raw {raw} {view:?} {test:?} on {text:?}: {plan:?}");
        }
    }
}

/// Texts of words, numbers, what stands between them, and what is awkward.
fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        8 => prop::sample::select(vec![
            "a", "b", "ab", "AB", "k", "S", "1", "12", "a1", "1b", "Ab12", "x_1", "_", "ba2ab",
        ])
        .prop_map(str::to_owned),
        8 => prop::sample::select(vec![" ", "-", ".", ": ", "  ", "\n", "\0", "/"])
            .prop_map(str::to_owned),
        2 => prop::sample::select(vec![
            "ä", "Ä", "ä1", "ÄB2", "ſ", "\u{212a}", "\u{212a}1", "İ2", "ß", "ΟΔΟΣ", "ΟΔΟΣ1", "日本",
            "½", "٣", "٣a",
        ])
        .prop_map(str::to_owned),
        1 => (prop::sample::select(vec!["a", "B", "1", "ä"]), 250usize..260)
            .prop_map(|(c, n)| c.repeat(n / c.len())),
    ];
    prop::collection::vec(part, 0..9).prop_map(|parts| parts.concat())
}

/// A part of a text, in its case or another.
fn piece_of(text: &str) -> BoxedStrategy<String> {
    let chars: Vec<char> = text.chars().collect();
    let other = self::text();
    (0..=chars.len(), 0usize..8, 0u8..4, other)
        .prop_map(move |(from, len, case, other)| {
            let piece: String = chars.iter().skip(from).take(len).collect();
            match case {
                0 => piece.to_uppercase(),
                1 => piece.to_lowercase(),
                2 if other.len() < 12 => other,
                _ => piece,
            }
        })
        .boxed()
}

fn words_of(text: &str) -> BoxedStrategy<Vec<String>> {
    let all: Vec<String> = folded_tokens(text);
    let near = (0..=all.len(), 0usize..4)
        .prop_map(move |(from, len)| all.iter().skip(from).take(len).cloned().collect());
    let any = piece_of(text).prop_map(|piece| folded_tokens(&piece));
    prop_oneof![near, any].boxed()
}

fn test_of(text: &str) -> BoxedStrategy<Test> {
    let piece = || piece_of(text);
    let text_test = || (piece(), any::<bool>()).prop_map(|(text, fold)| TextTest { text, fold });
    let literal = || {
        let whole = text.to_owned();
        prop_oneof![
            Just(whole.clone()),
            Just(whole.to_uppercase()),
            Just(whole.to_lowercase()),
            piece()
        ]
        .prop_map(Literal::Text)
    };
    let patterns = (prop::collection::vec(piece(), 1..3), 0u8..16, any::<bool>());
    prop_oneof![
        Just(Test::Exists),
        (literal(), any::<bool>()).prop_map(|(value, fold)| Test::Term(TermTest { value, fold })),
        prop::collection::vec(literal(), 0..3).prop_map(Test::Terms),
        (prop::collection::vec(words_of(text), 0..4), 1usize..4)
            .prop_map(|(words, minimum)| Test::Words { words, minimum }),
        (words_of(text), any::<bool>(), 0u32..3).prop_map(|(mut tokens, prefix, slop)| {
            if let (true, Some(last)) = (prefix, tokens.last_mut()) {
                let kept: String = last.chars().take(2).collect();
                *last = kept;
            }
            let prefix = prefix && !tokens.is_empty();
            Test::Phrase { tokens, prefix, slop }
        }),
        (literal(), literal()).prop_map(|(lower, upper)| Test::Range {
            lower: Bound::Included(lower),
            upper: Bound::Excluded(upper),
        }),
        text_test().prop_map(Test::Prefix),
        text_test().prop_map(Test::Substring),
        patterns.clone().prop_map(|(parts, how, fold)| {
            let escaped: Vec<String> =
                parts.iter().map(|p| p.replace('\\', "\\\\").replace('*', "\\*")).collect();
            let mut text = escaped.join(if how & 1 == 0 { "*" } else { "?" });
            if how & 2 == 0 {
                text.insert(0, '*');
            }
            if how & 4 == 0 {
                text.push('*');
            }
            Test::Wildcard(TextTest { text, fold })
        }),
        patterns.prop_map(|(parts, how, fold)| {
            let escaped: Vec<String> = parts.iter().map(|p| regex::escape(p)).collect();
            let mut text = escaped.join(match how & 9 {
                0 => ".*",
                1 => "|",
                8 => "[0-9a-b]+",
                _ => ".",
            });
            if how & 2 == 0 {
                text.insert_str(0, ".*");
            }
            if how & 4 == 0 {
                text.push_str(".*");
            }
            Test::Regex(TextTest { text, fold })
        }),
    ]
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn what_templates_tell_is_what_the_test_says(
        (text, test) in text().prop_flat_map(|t| { let test = test_of(&t); (Just(t), test) }),
    ) {
        check(&text, &test);
    }
}

fn known(pieces: &[&str], test: &Test, view: View) -> Known {
    let compiled = ValueTest::new(test).unwrap();
    let any = Letters::of("abcdefghijklmnopqrstuvwxyz_ä".as_bytes());
    let list = [Some(Template::new(pieces.iter().copied(), vec![any; pieces.len() - 1]))];
    TextPlan::new(&list, &compiled, view).known[0]
}

/// What must be decided without reading texts.
#[test]
fn verdicts_are_sharp() {
    use Known::{All, None, Read, Slots};
    let words = |list: &[&str]| Test::Words {
        words: list.iter().map(|w| folded_tokens(w)).collect(),
        minimum: list.len(),
    };
    let phrase = |text: &str| Test::Phrase { tokens: folded_tokens(text), prefix: false, slop: 0 };
    let begins = |text: &str| Test::Phrase { tokens: folded_tokens(text), prefix: true, slop: 0 };
    let near = |text: &str| Test::Phrase { tokens: folded_tokens(text), prefix: false, slop: 2 };
    let of = |text: &str| TextTest { text: text.to_owned(), fold: true };
    let substring = |text: &str| Test::Substring(of(text));
    let wildcard = |text: &str| Test::Wildcard(of(text));
    let regex = |text: &str| Test::Regex(of(text));
    let term =
        |text: &str| Test::Term(TermTest { value: Literal::Text(text.to_owned()), fold: false });
    let took = &["GET /cart took ", " ms, status ", ""][..];
    let cases: Vec<(Test, Known)> = vec![
        (words(&["cart"]), All),
        (words(&["car"]), None),
        (words(&["15"]), Slots),
        (words(&["cart", "ms"]), All),
        (words(&["cart", "error"]), None),
        (words(&["cart", "15"]), Read),
        (words(&["10.2"]), None),
        (phrase("cart took"), All),
        (phrase("took cart"), None),
        (phrase("took 15 ms"), Read),
        (phrase("took fifteen ms"), None),
        (phrase("status 200 more"), None),
        (begins("cart to"), All),
        (begins("took a"), Read),
        (begins("status ms"), Read),
        (begins("ms err"), None),
        (near("status cart"), None),
        (near("took ms"), All),
        (near("took ms 15"), Read),
        (near("ms took 15"), None),
        (substring("/cart t"), All),
        (substring("/carts"), None),
        (substring("427"), Slots),
        (substring("ab"), Slots),
        (substring("took 15 ms"), Read),
        (substring("took ab ms"), None),
        (substring("took 15ms"), Read),
        (substring("took 15ms,"), None),
        (substring("us 5"), Read),
        (substring("s, status 200,"), None),
        (wildcard("GET*"), All),
        (wildcard("POST /*"), None),
        (wildcard("*took*ms*"), All),
        (wildcard("*ms*took*"), Read),
        (wildcard("*took*5*ms*"), Read),
        (wildcard("*car?*"), All),
        (regex(".*took [0-9]+ ms.*"), Read),
        (regex(".*took [0-9]+ seconds .*"), None),
        (term("GET /cart took 15 ms, status 200"), Read),
        (term("GET /cart took 15 ms, status ok"), None),
        (term("cart"), All),
        (term("15"), Slots),
        (term("GET /cart"), None),
    ];
    for (test, want) in cases {
        assert_eq!(known(took, &test, View::Text), want, "{test:?}");
    }
    let bare = &["Connection refused"][..];
    for (test, want) in [
        (substring("ion ref"), All),
        (substring("5"), None),
        (wildcard("conn*used"), All),
        (regex(".*[0-9].*"), None),
        (words(&["refused"]), All),
        (words(&["5"]), None),
        (term("Connection refused"), All),
    ] {
        assert_eq!(known(bare, &test, View::Column), want, "{test:?}");
    }
}
