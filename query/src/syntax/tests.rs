//! Query strings and the queries that they mean, in both dialects, and the spans of errors.

use model::time::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::clause::show::show;

const LIMITS: Limits = Limits { depth_max: 20, clauses_max: 100, regex_bytes_max: 1000 };

fn read(text: &str, options: &Options, simple: bool) -> Result<Query, QueryError> {
    let dates = Dates::at(Timestamp::parse("2026-11-20T14:00:00Z").unwrap());
    let mut budget = Budget::new(LIMITS);
    let mut clauses = Clauses { dates: &dates, mismatch: Mismatch::Fail, budget: &mut budget };
    match simple {
        true => parse_simple(text, options, &mut clauses, 0),
        false => parse(text, options, &mut clauses, 0),
    }
}

fn check(options: &Options, simple: bool, cases: &[(&str, &str)]) {
    for (text, want) in cases {
        let got = match read(text, options, simple) {
            Ok(query) => show(&query),
            Err(error) => {
                let (from, to) = error.span.unwrap_or((999, 999));
                format!("{from}..{to} {}", error.reason)
            }
        };
        assert_eq!(got, *want, "{text}");
    }
}

#[test]
fn both_dialects_read_the_same_clauses() {
    let cases = [
        ("error", "*:error"),
        ("level:ERROR", "level:error"),
        ("level: ERROR", "level:error"),
        ("ip:10.0.0.1", "ip:10_0_0_1"),
        ("message:\"connection refused\"", "message:\"connection refused\""),
        ("\"connection refused\"~3", "*:\"connection refused\"~3"),
        ("status:500^2", "status:500"),
        ("status:[500 TO 599]", "status:[='500' ='599']"),
        ("status:{500 TO *}", "status:['500' *]"),
        ("status:[* TO 5}", "status:[* '5']"),
        ("status:>=500", "status:[='500' *]"),
        ("status:< 500", "status:[* '500']"),
        ("a:[\"x y\" TO z]", "a:[='x y' ='z']"),
        ("took:-1.5", "(took:1_5 took:=-1.5)"),
        ("_exists_:user.id", "(user.id:exists <user.id.*>:exists)"),
        ("user.id:*", "(user.id:exists <user.id.*>:exists)"),
        ("*", "ALL"),
        ("*:*", "ALL"),
        ("path:/var/log/x.log", "path:var_log_x_log"),
        ("message:/time(d )?out/", "message:regex time(d )?out/i"),
        ("message:/a\\/b/", "message:regex a/b/i"),
        ("level:(warn OR error)", "(level:warn level:error)"),
        ("kubernetes.*:x", "<kubernetes.*>:x"),
        ("a\\:b", "*:a_b"),
        ("a\\ b", "*:\"a b\""),
        ("at:12:30:01", "at:12_30_01"),
        ("user:er?or*", "user:wildcard er?or*/i"),
        ("roam~", "*:roam~1"),
        ("m:roaming~0.8", "m:roaming~1"),
        ("m:roam~2^3", "m:roam~2"),
        ("_index:logs", "index[\"logs\"]"),
        ("_id:7f", "ids[\"7f\"]"),
        (
            "@timestamp:[now-1d/d TO 2026-11-20]",
            "time[2026-11-19T00:00:00.000Z 2026-11-21T00:00:00.000Z)",
        ),
        ("NOT a", "(-*:a)"),
        ("!a", "(-*:a)"),
        ("NOT NOT a", "*:a"),
        ("((a))", "*:a"),
        ("Größe:ÄRGER", "Größe:ärger"),
        ("user:\"\"", "user:=''"),
        ("a AND b", "(+*:a +*:b)"),
        ("a && b", "(+*:a +*:b)"),
        ("a OR b", "(*:a *:b)"),
        ("a || b", "(*:a *:b)"),
        ("a AND NOT b", "(+*:a -*:b)"),
        ("level:error AND *", "level:error"),
    ];
    check(&Options::lucene(), false, &cases);
    check(&Options::logdrive(), false, &cases);
}

#[test]
fn lucene_combines_in_its_own_way() {
    let cases = [
        ("", "NONE"),
        ("  ", "NONE"),
        ("a b", "(*:a *:b)"),
        ("a +b", "*:b"),
        ("a OR b AND c", "(+*:b +*:c)"),
        ("a -b", "(*:a -*:b)"),
        ("a AND (NOT b)", "(+*:a +(-*:b))"),
        ("foo ..", "*:foo"),
        ("..", "NONE"),
        ("\"..\"", "NONE"),
        ("*4272*", "*:wildcard *4272*/i"),
        ("erro*", "*:prefix erro/i"),
        ("a\\**", "*:prefix a*/i"),
        ("user_id=4711", "*:user_id_4711"),
    ];
    check(&Options::lucene(), false, &cases);
    let and = Options { default_operator: Operator::And, ..Options::lucene() };
    check(&and, false, &[("a b", "(+*:a +*:b)"), ("a b OR c", "*:a"), ("a -b", "(+*:a -*:b)")]);
    let two = Options { minimum_should: Some("2".to_owned()), ..Options::lucene() };
    check(&two, false, &[("a b c", "(*:a *:b *:c)~2")]);
    let fields = vec![(Target::Path("x".to_owned()), 1.0), (Target::Path("y".to_owned()), 1.0)];
    let fields = Options { fields, ..Options::lucene() };
    check(
        &fields,
        false,
        &[
            ("a", "(x:a y:a)"),
            ("z:a", "z:a"),
            ("*", "((x:exists <x.*>:exists) (y:exists <y.*>:exists))"),
        ],
    );
}

#[test]
fn our_language() {
    let cases = [
        ("", "ALL"),
        ("a b", "(+*:a +*:b)"),
        ("a OR b c", "(*:a (+*:b +*:c))"),
        ("error -debug OR warn", "((+*:error -*:debug) *:warn)"),
        ("-debug", "(-*:debug)"),
        ("service=checkout-api", "service:='checkout-api'"),
        ("service=\"a b\"", "service:='a b'"),
        ("service==x", "service:='x'"),
        ("service!=x", "(-service:='x')"),
        ("service=check*", "service:wildcard check*"),
        ("status>=500", "status:[='500' *]"),
        ("status<500 level:warn", "(+status:[* '500'] +level:warn)"),
        ("*4272*", "*:part 4272/i"),
        ("message:*4272*", "message:part 4272/i"),
        ("*a-b*", "*:part a-b/i"),
        ("10.20.*", "*:part 10.20./i"),
        ("checkout-ap*", "*:\"checkout ap*\""),
        ("erro*", "*:prefix erro/i"),
        ("*rror", "*:wildcard *rror/i"),
        ("e*r", "*:wildcard e*r/i"),
        ("\"->\"", "*:part ->/i"),
        ("_index:*logs*", "index[\"*logs*\"]"),
    ];
    check(&Options::logdrive(), false, &cases);
}

#[test]
fn errors_point_at_the_place() {
    let cases = [
        ("foo:(a", "4..5 the group that begins here has no closing `)`"),
        ("a)", "1..2 `)` closes no group"),
        ("\"abc", "0..4 the phrase that begins here has no closing `\"`"),
        ("a AND", "2..5 expected a term after `AND`"),
        ("AND a", "0..3 `AND` needs a term before it"),
        ("a OR OR b", "2..4 expected a term after `OR`"),
        ("a NOT", "2..5 expected a term after `NOT`"),
        ("(a AND )", "3..6 expected a term after `AND`"),
        ("level:", "0..5 expected a value after `level:`"),
        ("level:>", "6..7 expected a value after `>`"),
        ("roam~2.5", "4..8 expected 0, 1 or 2 after `~`: how many characters may differ"),
        ("\"a b\"~x", "5..6 expected a whole number after `~`: how far the words may be moved"),
        ("a^x", "1..2 expected a number after `^`; a literal one is `\\^`"),
        ("a]", "1..2 unexpected `]`: write `\\]` or put it in quotes"),
        ("s:[1 2]", "5..6 expected `TO` between the two ends of the range"),
        ("s:[1 TO", "2..7 expected a value or `*` as the end of the range"),
        ("s:[1 TO 2", "2..9 the range that begins here has no closing `]` or `}`"),
        ("a\\", "1..2 the `\\` at the end escapes nothing: write `\\\\`"),
        (
            "@timestamp:soon",
            "11..15 failed to parse date field [soon] with format \
             [strict_date_optional_time||epoch_millis]",
        ),
        ("ä AND", "3..6 expected a term after `AND`"),
    ];
    check(&Options::lucene(), false, &cases);
    check(&Options::logdrive(), false, &cases);
    let deep = format!("{}a", "(".repeat(10_000));
    let error = read(&deep, &Options::lucene(), false).unwrap_err();
    assert!(error.reason.starts_with("the query is nested too deeply"), "{error}");
    let error = read(&"a ".repeat(10_000), &Options::lucene(), false).unwrap_err();
    assert!(error.reason.starts_with("too many clauses"), "{error}");
}

#[test]
fn simple_query_strings() {
    let cases = [
        ("", "NONE"),
        ("a b", "(*:a *:b)"),
        ("a + b", "(+*:a +*:b)"),
        ("a | b + c", "(+(*:a *:b) +*:c)"),
        ("a -b", "(*:a (-*:b))"),
        ("\"a b\"~2 c*", "(*:\"a b\"~2 *:prefix c/i)"),
        ("\"a b", "(*:a *:b)"),
        ("(a + b) | c", "((+*:a +*:b) *:c)"),
        ("(a b", "(*:a *:b)"),
        ("a ) b", "(*:a *:b)"),
        ("a AND b", "(*:a *:and *:b)"),
        ("*", "ALL"),
        ("a\\", "NONE"),
        ("level:error", "*:level_error"),
        ("roam~2", "*:roam~2"),
        ("roam~", "*:roam~1"),
    ];
    check(&Options::lucene(), true, &cases);
    let deep = read(&"(".repeat(10_000), &Options::lucene(), true).unwrap_err();
    assert!(deep.reason.starts_with("the query is nested too deeply"));
}

proptest! {
    #[test]
    fn nothing_panics_and_spans_lie_in_the_text(
        text in "\\PC{0,40}",
        near in "([a-z*?]{1,3}|[0-9.]{1,3}|[()\\[\\]{}\"/:=<>~^+!&|\\\\-]| |AND |OR |NOT | TO |@timestamp:|_index:){0,20}",
    ) {
        for text in [&text, &near] {
            for options in [Options::lucene(), Options::logdrive()] {
                if let Err(error) = read(text, &options, false) {
                    let (from, to) = error.span.unwrap_or((0, 0));
                    prop_assert!(from <= to && to <= text.len(), "{text}: {error:?}");
                    prop_assert!(text.is_char_boundary(from) && text.is_char_boundary(to));
                }
                let _ = read(text, &options, true);
            }
        }
    }

    #[test]
    fn a_plain_word_means_itself(word in "[a-z0-9_]{1,12}") {
        for options in [Options::lucene(), Options::logdrive()] {
            let query = read(&word, &options, false).unwrap();
            prop_assert_eq!(show(&query), format!("*:{word}"));
        }
    }
}
