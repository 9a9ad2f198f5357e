use model::record::Value;
use model::time::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::ast::TextTest;

fn text(text: &str, fold: bool) -> TextTest {
    TextTest { text: text.to_owned(), fold }
}

fn strings(words: &str) -> Vec<String> {
    words.split_whitespace().map(str::to_owned).collect()
}

fn term(value: Literal) -> Test {
    Test::Term(TermTest { value, fold: false })
}

fn word(text: &str) -> Literal {
    Literal::Text(text.to_owned())
}

fn phrase(words: &str, prefix: bool, slop: u32) -> Test {
    Test::Phrase { tokens: strings(words), prefix, slop }
}

fn words(list: &[&str], minimum: usize) -> Test {
    Test::Words { words: list.iter().map(|w| strings(w)).collect(), minimum }
}

fn range(lower: Bound, upper: Bound) -> Test {
    Test::Range { lower, upper }
}

fn check(cases: &[(Test, Value<'_>, View, bool)]) {
    for (test, value, view, want) in cases {
        let compiled = ValueTest::new(test).unwrap();
        assert_eq!(compiled.matches(*value, *view), *want, "{test:?} on {value:?} as {view:?}");
    }
}

#[test]
fn whole_values() {
    use View::{Column, Keyword, Text};
    let refused = Value::Str("Connection refused");
    check(&[
        (Test::Exists, Value::Null, Column, false),
        (Test::Exists, Value::Str(""), Text, true),
        (term(word("Connection refused")), refused, Column, true),
        (term(word("Connection refused")), refused, Text, true),
        (term(word("connection")), refused, Column, false),
        (term(word("connection")), refused, Text, true),
        (term(word("Connection")), refused, Text, false),
        (term(word("connection")), refused, Keyword, false),
        (Test::Term(TermTest { value: word("Refused"), fold: true }), refused, Text, true),
        (
            Test::Term(TermTest { value: word("connection REFUSED"), fold: true }),
            refused,
            Column,
            true,
        ),
        (term(word("503")), Value::Int(503), Column, true),
        (term(word("503")), Value::Float(503.0), Column, true),
        (term(word("503.5")), Value::Float(503.5), Column, true),
        (term(Literal::Int(503)), Value::Str("503"), Column, true),
        (term(word("inf")), Value::Float(f64::MAX), Column, false),
        (term(word("true")), Value::Bool(true), Column, true),
        (term(Literal::Bool(true)), Value::Str("true"), Column, true),
        (term(Literal::Bool(true)), Value::Int(1), Column, false),
        (Test::Terms(vec![word("a"), Literal::Int(7)]), Value::Int(7), Column, true),
        (Test::Terms(vec![]), Value::Int(7), Column, false),
        (
            term(Literal::Time(Timestamp(0), "1970-01-01".into())),
            Value::Str("1970-01-01T01:00:00+01:00"),
            Column,
            true,
        ),
        (term(Literal::Int(i64::MAX)), Value::Float(9_223_372_036_854_775_808.0), Column, false),
    ]);
}

#[test]
fn words_and_phrases() {
    use View::{Column, Keyword, Text};
    let line = Value::Str("GET /api/v1 from 10.20.3.4 failed, failed again");
    check(&[
        (words(&["failed"], 1), line, Text, true),
        (words(&["get", "nothing"], 1), line, Column, true),
        (words(&["get", "nothing"], 2), line, Column, false),
        (words(&["get", "10 20 3 4"], 2), line, Text, true),
        (words(&["10 3"], 1), line, Text, false),
        (words(&["get"], 2), line, Text, false),
        (words(&["get", "api"], 2), Value::Str("Get API"), Keyword, true),
        (words(&["get"], 1), Value::Str("Get API"), Keyword, false),
        (words(&["10 5"], 1), Value::Float(10.5), Column, true),
        (words(&["10"], 1), Value::Float(10.5), Column, false),
        (words(&["true"], 1), Value::Bool(true), Column, true),
        (phrase("api v1 from", false, 0), line, Text, true),
        (phrase("v1 api", false, 0), line, Text, false),
        (phrase("v1 api", false, 2), line, Text, true),
        (phrase("api from", false, 0), line, Text, false),
        (phrase("api from", false, 1), line, Text, true),
        (phrase("api fr", true, 0), line, Text, false),
        (phrase("v1 fr", true, 0), line, Text, true),
        (phrase("failed failed", false, 0), line, Text, true),
        (phrase("again again", false, 3), line, Text, false),
        (phrase("", false, 0), line, Text, false),
        (phrase("größe", false, 0), Value::Str("GRÖSSE Größe"), Column, true),
        (phrase("50", true, 0), Value::Int(503), Column, true),
        (phrase("503", false, 0), Value::Int(-503), Column, true),
    ]);
}

#[test]
fn ranges() {
    use View::Column;
    let time = |ns| Literal::Time(Timestamp(ns), Timestamp(ns).rfc3339());
    let ge = |l| range(Bound::Included(l), Bound::Open);
    let lt = |l| range(Bound::Open, Bound::Excluded(l));
    check(&[
        (ge(Literal::Int(5)), Value::Int(5), Column, true),
        (ge(Literal::Float(5.5)), Value::Int(5), Column, false),
        (lt(word("10")), Value::Int(9), Column, true),
        (lt(word("10")), Value::Str("9"), Column, true),
        (ge(word("500")), Value::Str("ok"), Column, false),
        (ge(Literal::Int(500)), Value::Str("503"), Column, true),
        (lt(word("b")), Value::Str("a"), Column, true),
        (ge(time(0)), Value::Str("1970-01-01T00:00:00+01:00"), Column, false),
        (ge(time(0)), Value::Str("1970-01-01T00:00:00-01:00"), Column, true),
        (lt(time(10_000_000_000)), Value::Int(9), Column, true),
        (range(Bound::Open, Bound::Open), Value::Bool(false), Column, true),
        (range(Bound::Open, Bound::Open), Value::Null, Column, false),
        (ge(Literal::Bool(true)), Value::Bool(false), Column, false),
    ]);
}

#[test]
fn patterns() {
    use View::{Column, Text};
    let line = Value::Str("GET /api/v1\nfailed");
    check(&[
        (Test::Prefix(text("GET", false)), line, Column, true),
        (Test::Prefix(text("get", false)), line, Column, false),
        (Test::Prefix(text("get", true)), line, Column, true),
        (Test::Prefix(text("fai", false)), line, Text, true),
        (Test::Prefix(text("fai", false)), line, Column, false),
        (Test::Wildcard(text("*v1?fail*", false)), line, Column, true),
        (Test::Wildcard(text("v?", false)), line, Text, true),
        (Test::Wildcard(text("v?", false)), line, Column, false),
        (Test::Wildcard(text(r"a\*b", false)), Value::Str("a*b"), Column, true),
        (Test::Wildcard(text(r"a\*b", false)), Value::Str("axb"), Column, false),
        (Test::Wildcard(text("*", false)), Value::Str(""), Column, true),
        (Test::Wildcard(text("5*", false)), Value::Int(503), Column, true),
        (Test::Regex(text("GET.*failed", false)), line, Column, true),
        (Test::Regex(text("GET", false)), line, Column, false),
        (Test::Regex(text("api|v[0-9]", false)), line, Text, true),
        (Test::Regex(text(".*api.*", false)), line, Column, true),
        (Test::Regex(text("a|b", false)), Value::Str("ab"), Column, false),
        (Test::Regex(text("a+?", false)), Value::Str(""), Column, true),
        (Test::Regex(text("^a$", false)), Value::Str("^a$"), Column, true),
        (Test::Regex(text("\"a.b\"*", false)), Value::Str("a.ba.b"), Column, true),
        (Test::Regex(text(r"\d{2,3}@", false)), Value::Str("123x"), Column, true),
        (Test::Regex(text("[^-a]", false)), Value::Str("b"), Column, true),
        (Test::Regex(text("[a&&b]", false)), Value::Str("&"), Column, true),
        (Test::Regex(text("v<1-20>", false)), Value::Str("v12"), Column, true),
        (Test::Regex(text("v<1-20>", false)), Value::Str("v0012"), Column, true),
        (Test::Regex(text("v<01-20>", false)), Value::Str("v012"), Column, false),
        (Test::Regex(text("<9-1234>", false)), Value::Str("1234"), Column, true),
        (Test::Regex(text("<9-1234>", false)), Value::Str("1235"), Column, false),
        (Test::Regex(text("<9-1234>", false)), Value::Str("8"), Column, false),
        (Test::Regex(text("<000-999>", false)), Value::Str("007"), Column, true),
        (Test::Regex(text("a#|b", false)), Value::Str("a"), Column, false),
        (Test::Regex(text("v.*&~(v1)", false)), Value::Str("v2"), Column, true),
        (Test::Regex(text("v.*&~(V1)", true)), Value::Str("v1"), Column, false),
        (Test::Substring(text("v1\nFAIL", true)), line, Text, true),
        (Test::Substring(text("v1\nFAIL", false)), line, Text, false),
    ]);
}

#[test]
fn what_is_no_pattern_is_named() {
    let cases = [
        ("(", "invalid regular expression `(`: `(` is not closed"),
        ("a)", "invalid regular expression `a)`: `)` closes nothing"),
        ("*a", "invalid regular expression `*a`: `*` has nothing to repeat"),
        ("[a", "invalid regular expression `[a`: `[` is not closed"),
        (
            "a{1000}{1000}",
            "invalid regular expression `a{1000}{1000}`: it is too complex; make its repetitions \
             smaller",
        ),
        ("a~", "invalid regular expression `a~`: the expression ends too early"),
        (
            "a<b",
            "invalid regular expression `a<b`: `<` must be `<n-m>`; for the character write `\\<`",
        ),
        ("<-5>", "invalid regular expression `<-5>`: an interval must be `<n-m>` of two numbers"),
    ];
    for (pattern, want) in cases {
        let error = ValueTest::new(&Test::Regex(text(pattern, false))).unwrap_err();
        assert_eq!(error.reason, want);
    }
    let long = "x".repeat(20_000);
    assert!(ValueTest::new(&Test::Wildcard(text(&long, false))).is_err());
}

/// `*` and `?` the simple way.
fn wildcard(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('*', rest)) => (0..=text.len()).any(|at| wildcard(rest, &text[at..])),
        Some(('?', rest)) => !text.is_empty() && wildcard(rest, &text[1..]),
        Some((c, rest)) => text.first() == Some(c) && wildcard(rest, &text[1..]),
    }
}

proptest! {
    #[test]
    fn wildcards_are_what_they_say(pattern in "[ab.*?]{0,8}", value in "[ab.\n]{0,8}") {
        let compiled = ValueTest::new(&Test::Wildcard(text(&pattern, false))).unwrap();
        let want = wildcard(
            &pattern.chars().collect::<Vec<_>>(),
            &value.chars().collect::<Vec<_>>(),
        );
        prop_assert_eq!(compiled.matches(Value::Str(&value), View::Column), want);
    }

    #[test]
    fn every_match_holds_the_pieces(pattern in "[ab.*?+|()x{2}\\[\\]]{0,10}", value in "[abx]{0,8}") {
        for test in [Test::Wildcard(text(&pattern, false)), Test::Regex(text(&pattern, false))] {
            let Ok(compiled) = ValueTest::new(&test) else { continue };
            let Kind::Pattern(inner) = compiled.kind() else { unreachable!() };
            if compiled.matches(Value::Str(&value), View::Column) {
                for piece in &inner.pieces {
                    prop_assert!(value.contains(&piece.text), "{pattern} {value} {piece:?}");
                    prop_assert!(piece.open_left || value.starts_with(&piece.text));
                    prop_assert!(piece.open_right || value.ends_with(&piece.text));
                }
            }
        }
    }

    #[test]
    fn lucene_agrees_with_the_plain_syntax(pattern in "[ab]([ab.][*+?]?){0,5}", value in "[ab]{0,6}") {
        let ours = ValueTest::new(&Test::Regex(text(&pattern, false))).unwrap();
        let plain = regex::Regex::new(&format!("^(?:{pattern})$")).unwrap();
        prop_assert_eq!(ours.matches(Value::Str(&value), View::Column), plain.is_match(&value));
    }

    #[test]
    fn numbers_are_in_one_total_order(a in any::<i64>(), b in any::<f64>(), c in any::<i64>()) {
        use compare::Number::{Float, Int};
        prop_assume!(b.is_finite());
        let mut list = [Int(a), Float(b), Int(c), Float(a as f64)];
        list.sort();
        for pair in list.windows(2) {
            prop_assert!(pair[0] <= pair[1]);
            prop_assert!(pair[0].as_f64() <= pair[1].as_f64());
        }
    }
}

#[test]
fn ascii_letters_match_only_ascii_letters() {
    let long_s = Value::Str("Te\u{17f}t 5\u{212a}");
    let column = View::Column;
    let substring = |t: &str| Test::Substring(text(t, true));
    let wildcard = |t: &str| Test::Wildcard(text(t, true));
    let regex = |t: &str| Test::Regex(text(t, true));
    check(&[
        (substring("TEST"), Value::Str("a test"), column, true),
        (substring("k"), Value::Str("K"), column, true),
        (substring("test"), long_s, column, false),
        (substring("5k"), long_s, column, false),
        (substring("te\u{17f}"), long_s, column, true),
        (wildcard("*5K*"), long_s, View::Text, false),
        (wildcard("*TASK?S"), Value::Str("taskis"), column, true),
        (regex(".*5k.*"), long_s, View::Text, false),
        (regex("tas+k*s"), Value::Str("TASSS"), column, true),
        (words(&["5k"], 1), long_s, View::Text, false),
    ]);
    for (test, fragment, only_pieces) in [
        (wildcard("*ask*"), true, true),
        (wildcard("*a?k*"), false, false),
        (wildcard("ask*"), false, true),
        (wildcard("*a*k*"), false, true),
        (wildcard("a**k"), false, true),
        (wildcard("*a\\*k*"), true, true),
        (wildcard("a\\."), false, true),
        (wildcard("*"), false, false),
        (regex(".*a\\.sk.*"), true, true),
        (regex("a.*sk"), false, true),
        (regex(".*as*k.*"), false, false),
        (regex(".*ask.?"), false, false),
        (regex(".*a(s)k.*"), false, false),
        (regex(".*ask.*|b"), false, false),
        (Test::Prefix(text("a.b", true)), false, true),
    ] {
        let compiled = ValueTest::new(&test).unwrap();
        let Kind::Pattern(pattern) = compiled.kind() else { panic!("{test:?}") };
        let got = (pattern.is_fragment(), pattern.only_pieces);
        assert_eq!(got, (fragment, only_pieces), "{test:?}");
    }
}
