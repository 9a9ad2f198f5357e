//! Texts that are queries, and texts that are not.

use proptest::prelude::*;

use crate::esql::parse::{Params, parse};

fn error(text: &str) -> String {
    match parse(text, &Params::default()) {
        Err(error) => error.reason,
        Ok(commands) => panic!("{text}: {commands:?}"),
    }
}

#[test]
fn errors_name_the_place() {
    let cases = [
        ("FROM", "line 1:5: mismatched input '<EOF>' expecting {QUOTED_STRING, UNQUOTED_SOURCE}"),
        ("frm x", "line 1:1: mismatched input 'frm' expecting {'explain', 'from', 'row', 'show'}"),
        ("FROM x | foo", "line 1:10: mismatched input 'foo' expecting {'dissect', 'drop'"),
        ("FROM x\n| LIMIT a", "line 2:9: value of [limit a] must be a non negative integer"),
        ("ROW a = \"b", "line 1:9: token recognition error at: '\"b'"),
        ("ROW a = ?", "line 1:9: Not enough actual parameters 0"),
        ("ROW a = ?x", "line 1:9: Unknown query parameter [x]"),
        ("ROW a = 1::foo", "line 1:12: Unknown data type named [foo]"),
        ("FROM x | WHERE a == ", "line 1:21: mismatched input '<EOF>' expecting {QUOTED_STRING"),
        ("FROM x | ENRICH p", "line 1:10: [ENRICH] is not supported here"),
        ("FROM x | LOOKUP JOIN y ON z", "line 1:10: [LOOKUP] is not supported here"),
        ("ROW a = 1 b", "line 1:11: mismatched input 'b' expecting {<EOF>, '|'}"),
    ];
    for (text, want) in cases {
        let got = error(text);
        assert!(got.starts_with(want), "{text}: {got}");
    }
}

#[test]
fn deep_nesting_is_refused() {
    let deep = format!("ROW a = {}1{}", "(".repeat(5000), ")".repeat(5000));
    assert!(error(&deep).contains("nested more than"), "{}", error(&deep));
    let long = format!("ROW a = 1{}", " + 1".repeat(5000));
    assert!(error(&long).contains("nested more than"));
    let not = format!("ROW a = {}true", "NOT ".repeat(5000));
    assert!(error(&not).contains("too many times NOT"));
    let minus = format!("ROW a = {}1", "- ".repeat(5000));
    assert!(error(&minus).contains("too many signs"));
    let wide = format!("ROW a = true{}", " AND true".repeat(5000));
    assert!(parse(&wide, &Params::default()).is_ok());
}

const PIECES: &[&str] = &[
    "FROM",
    "x",
    "|",
    "WHERE",
    "a",
    "==",
    "1",
    "\"t\"",
    "(",
    ")",
    "STATS",
    "COUNT(*)",
    "BY",
    ",",
    "EVAL",
    "b",
    "=",
    "LIMIT",
    "KEEP",
    "a*",
    "`q`",
    "NOT",
    "AND",
    "IN",
    "LIKE",
    "IS",
    "NULL",
    "::",
    "keyword",
    "?",
    "[",
    "]",
    "-",
    "1 day",
    "RENAME",
    "AS",
    "DISSECT",
    "\"%{a}\"",
    "GROK",
    ".",
    ":",
    "\"\"\"",
    "MV_EXPAND",
    "//",
    "/*",
    "SORT",
    "DESC",
    "NULLS",
    "FIRST",
    "METADATA",
    "_id",
    "1.5e3",
    "'",
    "ß",
    "\\",
];

proptest! {
    #[test]
    fn the_parser_never_panics(text in ".{0,80}") {
        let _ = parse(&text, &Params::default());
        let _ = parse(&format!("FROM x | WHERE {text}"), &Params::default());
    }

    #[test]
    fn the_parser_never_panics_on_pieces(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 0..20),
        spaces in any::<bool>(),
    ) {
        let text = pieces.join(if spaces { " " } else { "" });
        let _ = parse(&text, &Params::default());
        let _ = parse(&format!("FROM x | {text}"), &Params::default());
        let _ = parse(&format!("ROW a = {text}"), &Params::default());
    }
}
