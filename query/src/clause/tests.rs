//! `minimum_should_match`, targets, and the special fields.

use model::time::{TimeRange, Timestamp};

use super::*;
use crate::ast::Bound;
use crate::dates::Dates;

const LIMITS: Limits = Limits { depth_max: 10, clauses_max: 10, regex_bytes_max: 20 };

fn with<T>(run: impl FnOnce(&mut Clauses<'_>) -> T) -> T {
    let dates = Dates::at(Timestamp::parse("2026-11-20T14:00:00Z").unwrap());
    let mut budget = Budget::new(LIMITS);
    run(&mut Clauses { dates: &dates, mismatch: Mismatch::Fail, budget: &mut budget })
}

fn range(from: &str, to: &str) -> Query {
    let at = |text: &str| Timestamp::parse(text).unwrap();
    Query::Time(TimeRange { from: at(from), to: at(to) })
}

fn path(path: &str) -> Target {
    Target::Path(path.to_owned())
}

fn text(text: &str) -> Literal {
    Literal::Text(text.to_owned())
}

#[test]
fn minimum_should_match_in_all_its_forms() {
    let cases = [
        ("2", 4, Ok(2)),
        ("9", 4, Ok(9)),
        ("-1", 4, Ok(3)),
        ("-9", 4, Ok(0)),
        ("75%", 4, Ok(3)),
        ("75%", 3, Ok(2)),
        ("-25%", 4, Ok(3)),
        ("-25%", 3, Ok(3)),
        ("2<75%", 2, Ok(2)),
        ("2<75%", 4, Ok(3)),
        ("2<-25% 9<-3", 12, Ok(9)),
        ("x", 4, Err(())),
        ("2<", 4, Err(())),
        ("", 4, Err(())),
        ("%", 4, Err(())),
    ];
    for (spec, count, want) in cases {
        assert_eq!(minimum(spec, count).map_err(|_| ()), want, "{spec} of {count}");
    }
}

#[test]
fn field_names_of_queries() {
    let cases = [
        ("message", path("message")),
        ("message^2.5", path("message^2.5")),
        ("a^b", path("a^b")),
        ("*", Target::Any),
        ("kubernetes.*", Target::Pattern("kubernetes.*".to_owned())),
    ];
    for (name, want) in cases {
        assert_eq!(target(name), want, "{name}");
    }
    let cases = [
        ("message^2.5", path("message"), 2.5),
        ("a^b", path("a^b"), 1.0),
        ("*^3", Target::Any, 3.0),
        ("a^-1", path("a^-1"), 1.0),
        ("a^inf", path("a^inf"), 1.0),
    ];
    for (name, want, boost) in cases {
        assert_eq!(weighted(name), (want, boost), "{name}");
    }
}

#[test]
fn the_record_s_own_time_becomes_a_range() {
    let ends = |lower: Option<(&str, bool)>, upper: Option<(&str, bool)>| Ends {
        lower: lower.map(|(v, i)| (text(v), i)),
        upper: upper.map(|(v, i)| (text(v), i)),
    };
    let read = |ends: Ends| with(|c| c.range(path("@timestamp"), &ends)).unwrap();
    assert_eq!(
        read(ends(Some(("2026-11-20", true)), Some(("2026-11-21", false)))),
        range("2026-11-20", "2026-11-21")
    );
    assert_eq!(
        read(ends(Some(("2026-11-20", false)), Some(("2026-11-21", true)))),
        range("2026-11-21", "2026-11-22")
    );
    assert_eq!(
        read(ends(Some(("now-1d/d", true)), Some(("now-1d/d", true)))),
        range("2026-11-19", "2026-11-20")
    );
    assert_eq!(read(ends(None, None)), Query::All);
    assert_eq!(read(ends(Some(("now", true)), Some(("now-1d", true)))), Query::None);
    let day = with(|c| c.term(path("@timestamp"), text("2026-11-20"), false)).unwrap();
    assert_eq!(day, range("2026-11-20", "2026-11-21"));
}

#[test]
fn other_fields_compare_times_where_one_is_meant() {
    let lower = |value: Literal| {
        let ends = Ends { lower: Some((value, true)), upper: None };
        match with(|c| c.range(path("at"), &ends)).unwrap() {
            Query::Field(FieldQuery { test: Test::Range { lower, .. }, .. }) => lower,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(lower(text("2026")), Bound::Included(text("2026")));
    assert_eq!(lower(Literal::Int(5)), Bound::Included(Literal::Int(5)));
    assert_eq!(lower(text("nowhere")), Bound::Included(text("nowhere")));
    let at = |t: &str| Timestamp::parse(t).unwrap();
    assert_eq!(
        lower(text("now-1d")),
        Bound::Included(Literal::Time(at("2026-11-19T14:00:00Z"), "now-1d".to_owned()))
    );
    assert_eq!(
        lower(text("2026-11-20")),
        Bound::Included(Literal::Time(at("2026-11-20"), "2026-11-20".to_owned()))
    );
}

#[test]
fn index_and_id_are_queries_of_their_own() {
    let index = |p: &str| Query::Index(vec![p.to_owned()]);
    assert_eq!(with(|c| c.term(path("_index"), text("logs"), false)).unwrap(), index("logs"));
    assert_eq!(
        with(|c| c.terms(path("_id"), vec![text("a"), text("b")])).unwrap(),
        Query::Ids(vec!["a".to_owned(), "b".to_owned()])
    );
    let prefix = |field: &str| {
        let text = TextTest { text: "lo".to_owned(), fold: false };
        with(|c| c.pattern(path(field), Pattern::Prefix, text)).map_err(|e| e.reason)
    };
    assert_eq!(prefix("_index").unwrap(), index("lo*"));
    assert_eq!(
        prefix("@timestamp").unwrap_err(),
        "can only use prefix queries on keyword and text fields - not on [@timestamp]"
    );
    assert_eq!(with(|c| c.exists(path("@timestamp"))).unwrap(), Query::All);
}

#[test]
fn numbers_that_are_no_single_token_are_compared_as_numbers_too() {
    let words = with(|c| c.words(path("ms"), "-1.5", &Needed::Any)).unwrap();
    let tokens = vec![vec!["1".to_owned(), "5".to_owned()]];
    let term = Test::Term(TermTest { value: Literal::Float(-1.5), fold: false });
    assert_eq!(
        words,
        Query::best_of(
            vec![
                Query::field("ms", Test::Words { words: tokens, minimum: 1 }),
                Query::field("ms", term)
            ],
            0.0
        )
    );
}

#[test]
fn limits_hold() {
    let many = with(|c| c.words(Target::Any, &"a ".repeat(20), &Needed::Any));
    assert!(many.unwrap_err().reason.starts_with("too many clauses"));
    let long = TextTest { text: "x".repeat(21), fold: false };
    let long = with(|c| c.pattern(Target::Any, Pattern::Regexp, long));
    assert!(long.unwrap_err().reason.contains("over the allowed maximum of [20] bytes"));
    assert!(Budget::new(LIMITS).nest(11).is_err());
    assert!(Budget::new(LIMITS).nest(10).is_ok());
}

#[test]
fn trivial_combinations_become_the_clause() {
    let field = || Query::field("a", Test::Exists);
    let cases = [
        (BoolQuery::default(), Query::All),
        (
            BoolQuery { must: vec![field(), Query::All.constant(0.0)], ..BoolQuery::default() },
            field(),
        ),
        (
            BoolQuery { must_not: vec![field()], ..BoolQuery::default() },
            field().negate().constant(0.0),
        ),
        (BoolQuery { should: vec![field()], minimum_should: 1, ..BoolQuery::default() }, field()),
        (BoolQuery { minimum_should: 1, ..BoolQuery::default() }, Query::None),
        (
            BoolQuery { must: vec![field()], should: vec![Query::None], ..BoolQuery::default() },
            field(),
        ),
    ];
    for (query, want) in cases {
        assert_eq!(boolean(query.clone()), want, "{query:?}");
    }
}
