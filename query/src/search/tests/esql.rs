//! Queries in pipes and in SQL over live records, splits and both, against the plainest evaluator.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::corpus::Corpus;
use super::naive::Doc;
use super::{free_run, large, pool, small};
use crate::esql::parse::{Dialect, Params};
use crate::esql::query::Prepared;
use crate::esql::run::Ground;
use crate::esql::show;
use crate::esql::tests::rows::{scope, settings};
use crate::sql::{Sql, Window};

/// The values of a query, the same over every way in which the records are kept.
fn answer(corpus: &Corpus, text: &str) -> Json {
    let mut out: Option<Json> = None;
    let prepared = Prepared::new(text, &Params::default(), settings())
        .unwrap_or_else(|e| panic!("{text}: {}", e.reason));
    let scope = scope(prepared.indexes().unwrap().0);
    for (at, snapshot) in corpus.snapshots.iter().enumerate() {
        let run = free_run();
        let table = prepared
            .answer(Ground { snapshot, run: &run, pool: pool() }, &scope)
            .unwrap_or_else(|e| panic!("{text} over {at}: {}", e.reason));
        assert!(!table.is_partial);
        let got = show::values(&table, false);
        match &out {
            None => out = Some(got),
            Some(want) => assert_eq!(&got, want, "{text} over {at}"),
        }
    }
    out.unwrap()
}

/// The values of a field of a document, without nulls, each text once.
fn cells(doc: &Doc, path: &str) -> Vec<Json> {
    let mut values: Vec<Json> = Vec::new();
    for value in doc.of(path) {
        if !(value.is_null() || value.is_string() && values.contains(&value)) {
            values.push(value);
        }
    }
    values
}

/// Single values only: several, and none, are null.
fn single(doc: &Doc, path: &str) -> Option<Json> {
    match cells(doc, path).as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    }
}

/// What a condition of one field asks, and what it is for a document (three-valued).
#[derive(Clone, Debug)]
enum Condition {
    Service(&'static str),
    Latency(&'static str, i64),
    Ok(bool),
    Null(&'static str, bool),
    Prefix(&'static str),
    In(Vec<i64>),
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

impl Condition {
    fn text(&self) -> String {
        match self {
            Condition::Service(name) => format!("service == \"{name}\""),
            Condition::Latency(op, n) => format!("latency {op} {n}"),
            Condition::Ok(v) => format!("ok == {v}"),
            Condition::Null(path, true) => format!("{path} IS NULL"),
            Condition::Null(path, false) => format!("{path} IS NOT NULL"),
            Condition::Prefix(text) => format!("STARTS_WITH(user, \"{text}\")"),
            Condition::In(list) => {
                let list: Vec<String> = list.iter().map(i64::to_string).collect();
                format!("latency IN ({})", list.join(", "))
            }
            Condition::Not(c) => format!("NOT ({})", c.text()),
            Condition::And(a, b) => format!("({} AND {})", a.text(), b.text()),
            Condition::Or(a, b) => format!("({} OR {})", a.text(), b.text()),
        }
    }

    fn holds(&self, doc: &Doc) -> Option<bool> {
        match self {
            Condition::Service(name) => Some(single(doc, "service")? == json!(name)),
            Condition::Latency(op, n) => {
                let v = single(doc, "latency")?.as_i64()?;
                Some(match *op {
                    "<" => v < *n,
                    ">=" => v >= *n,
                    "!=" => v != *n,
                    _ => v == *n,
                })
            }
            Condition::Ok(want) => Some(single(doc, "ok")?.as_bool()? == *want),
            Condition::Null(path, null) => Some(cells(doc, path).is_empty() == *null),
            Condition::Prefix(text) => Some(single(doc, "user")?.as_str()?.starts_with(text)),
            Condition::In(list) => {
                let v = single(doc, "latency")?.as_i64()?;
                Some(list.contains(&v))
            }
            Condition::Not(c) => c.holds(doc).map(|v| !v),
            Condition::And(a, b) => match (a.holds(doc), b.holds(doc)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Condition::Or(a, b) => match (a.holds(doc), b.holds(doc)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
        }
    }
}

fn condition() -> impl Strategy<Value = Condition> {
    let leaf = prop_oneof![
        prop::sample::select(vec!["api", "web", "db-1", "none"]).prop_map(Condition::Service),
        (prop::sample::select(vec!["<", ">=", "!=", "=="]), -100i64..900)
            .prop_map(|(op, n)| Condition::Latency(op, n)),
        any::<bool>().prop_map(Condition::Ok),
        (prop::sample::select(vec!["service", "latency", "trace.id", "status"]), any::<bool>())
            .prop_map(|(path, null)| Condition::Null(path, null)),
        prop::sample::select(vec!["user-", "user-1", "x"]).prop_map(Condition::Prefix),
        prop::collection::vec(-100i64..900, 1..4).prop_map(Condition::In),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|c| Condition::Not(Box::new(c))),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| Condition::And(Box::new(a), Box::new(b))),
            (inner.clone(), inner).prop_map(|(a, b)| Condition::Or(Box::new(a), Box::new(b))),
        ]
    })
}

/// The documents that match, newest first.
fn matching<'c>(corpus: &'c Corpus, condition: &Condition) -> Vec<&'c Doc> {
    let mut docs: Vec<&Doc> =
        corpus.docs.iter().filter(|d| condition.holds(d) == Some(true)).collect();
    docs.sort_by_key(|d| std::cmp::Reverse((d.time, d.seq)));
    docs
}

fn check(corpus: &Corpus, condition: &Condition) {
    let text = condition.text();
    let docs = matching(corpus, condition);
    let count = answer(corpus, &format!("FROM * | WHERE {text} | STATS COUNT(*)"));
    assert_eq!(count, json!([[docs.len()]]), "{text}");
    // Rows: the newest, the oldest, and by a computed column.
    let ids =
        |docs: &mut dyn Iterator<Item = &&Doc>| -> Json { docs.map(|d| json!([d.id])).collect() };
    let newest = format!("FROM * METADATA _id | WHERE {text} | KEEP _id | LIMIT 20");
    assert_eq!(answer(corpus, &newest), ids(&mut docs.iter().take(20)), "{newest}");
    let oldest =
        format!("FROM * METADATA _id | WHERE {text} | SORT @timestamp | KEEP _id | LIMIT 20");
    let mut rising = docs.clone();
    rising.sort_by_key(|d| (d.time, d.seq));
    assert_eq!(answer(corpus, &oldest), ids(&mut rising.iter().take(20)), "{oldest}");
    let doubled = |d: &Doc| single(d, "latency").and_then(|v| v.as_i64()).map(|v| v * 2);
    let sorted = format!(
        "FROM * METADATA _id | WHERE {text} | EVAL twice = latency * 2 | SORT twice DESC NULLS LAST \
         | KEEP _id, twice | LIMIT 15"
    );
    let mut by_value = docs.clone();
    by_value.sort_by_key(|d| std::cmp::Reverse(doubled(d).map_or(i64::MIN, |v| v)));
    let want: Json = by_value.iter().take(15).map(|d| json!([d.id, doubled(d)])).collect();
    assert_eq!(answer(corpus, &sorted), want, "{sorted}");
    groups(corpus, &text, &docs);
}

/// Groups by a field with several values, with aggregates of another.
fn groups(corpus: &Corpus, text: &str, docs: &[&Doc]) {
    let query = format!(
        "FROM * | WHERE {text} | STATS c = COUNT(*), s = SUM(latency), lo = MIN(latency), \
         hi = MAX(latency), some = COUNT(*) WHERE latency > 100 BY service"
    );
    let mut names: Vec<Option<String>> = Vec::new();
    for doc in docs {
        match of_service(doc) {
            list if list.is_empty() => names.push(None),
            list => names.extend(list.into_iter().map(Some)),
        }
    }
    names.sort_by_key(|n| (n.is_none(), n.clone()));
    names.dedup();
    let row = |name: &Option<String>| -> Json {
        let of = |d: &&&Doc| match name {
            None => of_service(d).is_empty(),
            Some(name) => of_service(d).contains(name),
        };
        let inside: Vec<&&Doc> = docs.iter().filter(of).collect();
        let numbers: Vec<i64> =
            inside.iter().flat_map(|d| cells(d, "latency")).filter_map(|v| v.as_i64()).collect();
        let sum = (!numbers.is_empty()).then(|| numbers.iter().sum::<i64>());
        let some = numbers.iter().filter(|n| **n > 100).count();
        json!([inside.len(), sum, numbers.iter().min(), numbers.iter().max(), some, name])
    };
    let want: Json = names.iter().map(row).collect();
    assert_eq!(answer(corpus, &query), want, "{query}");
}

fn of_service(doc: &Doc) -> Vec<String> {
    let mut out: Vec<String> =
        cells(doc, "service").iter().filter_map(|v| v.as_str().map(str::to_owned)).collect();
    out.sort();
    out.dedup();
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn conditions_over_few_records(condition in condition()) {
        check(small(), &condition);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn conditions_over_many_records(condition in condition()) {
        check(large(), &condition);
    }
}

#[test]
fn fields_of_several_kinds_are_text() {
    let texts = |v: &Json| match v {
        Json::String(text) => text.clone(),
        Json::Number(n) if n.is_f64() => format!("{:?}", n.as_f64().unwrap()),
        other => other.to_string(),
    };
    let corpus = small();
    let mut want: Vec<String> =
        corpus.docs.iter().flat_map(|d| cells(d, "mixed")).map(|v| texts(&v)).collect();
    want.sort();
    want.dedup();
    let want: Vec<Json> = want.into_iter().map(|t| json!([t])).collect();
    let got = answer(corpus, "FROM * | WHERE mixed IS NOT NULL | STATS BY mixed");
    assert_eq!(got, json!(want));
}

#[test]
fn whole_rows_come_back() {
    let corpus = small();
    let got = answer(
        corpus,
        "FROM logs-* METADATA _id, _index, _source | SORT _id | LIMIT 400 | KEEP _id, _index, \
         latency, trace.id, _source",
    );
    let mut docs: Vec<&Doc> = corpus.docs.iter().filter(|d| d.index.starts_with("logs-")).collect();
    docs.sort_by(|a, b| a.id.cmp(&b.id));
    let source = |doc: &Doc| serde_json::from_str::<Json>(&doc.source).unwrap();
    let cell = |doc: &Doc, path: &str| single(doc, path).unwrap_or(Json::Null);
    let want: Json = docs
        .iter()
        .map(|d| json!([d.id, d.index, cell(d, "latency"), cell(d, "trace.id"), source(d)]))
        .collect();
    assert_eq!(got, want);
}

#[test]
fn full_text_is_the_searchs() {
    let corpus = small();
    let pairs = [
        ("message : \"timeout\"", "MATCH(message, \"timeout\")"),
        ("QSTR(\"message:timeout\")", "message : \"timeout\""),
        (
            "KQL(\"message:timeout and service:web\")",
            "message : \"timeout\" AND QSTR(\"service:web\")",
        ),
        ("message : \"timeout\" OR latency > 100", "latency > 100 OR MATCH(message, \"timeout\")"),
        ("NOT message : \"timeout\"", "NOT QSTR(\"message:timeout\")"),
    ];
    for (a, b) in pairs {
        let count = |text: &str| answer(corpus, &format!("FROM * | WHERE {text} | STATS COUNT(*)"));
        let (a_count, b_count) = (count(a), count(b));
        assert_eq!(a_count, b_count, "{a} and {b}");
        assert_ne!(a_count, json!([[0]]), "{a}");
    }
}

#[test]
fn buckets_of_time() {
    let corpus = small();
    let got = answer(
        corpus,
        "FROM * | STATS c = COUNT(*) BY hour = BUCKET(@timestamp, 1 hour) | SORT hour",
    );
    let mut hours: std::collections::BTreeMap<i64, u64> = Default::default();
    for doc in &corpus.docs {
        *hours.entry(doc.time.div_euclid(3_600_000_000_000)).or_default() += 1;
    }
    let want: Json = hours
        .iter()
        .map(|(h, n)| json!([n, crate::esql::value::print_date(h * 3_600_000)]))
        .collect();
    assert_eq!(got, want);
}

fn sql(corpus: &Corpus, text: &str, size: usize) -> Vec<Json> {
    let mut all: Option<Vec<Json>> = None;
    let mut settings = settings();
    settings.dialect = Dialect::Sql;
    let sql = Sql::new(text, &Params::default(), settings)
        .unwrap_or_else(|e| panic!("{text}: {}", e.reason));
    let scope = scope(sql.indexes().unwrap().0);
    for snapshot in &corpus.snapshots {
        let (mut rows, mut window) = (Vec::new(), Window { size, ..Window::default() });
        loop {
            let run = free_run();
            let answer = sql
                .answer(Ground { snapshot, run: &run, pool: pool() }, &scope, window)
                .unwrap_or_else(|e| panic!("{text}: {}", e.reason));
            assert!(answer.table.page.rows <= size);
            if let Json::Array(list) = show::values(&answer.table, false) {
                rows.extend(list);
            }
            match answer.next {
                Some(next) => window = next,
                None => break,
            }
        }
        match &all {
            None => all = Some(rows),
            Some(want) => assert_eq!(&rows, want, "{text}"),
        }
    }
    all.unwrap()
}

#[test]
fn sql_pages_give_every_row_once() {
    let corpus = small();
    let mut docs: Vec<&Doc> = corpus.docs.iter().collect();
    docs.sort_by_key(|d| std::cmp::Reverse((d.time, d.seq)));
    let want: Vec<Json> =
        docs.iter().map(|d| json!([single(d, "latency"), single(d, "ok")])).collect();
    for size in [7, 50, 1000] {
        assert_eq!(sql(corpus, "SELECT latency, ok FROM \"*\"", size), want);
    }
    let limited = sql(corpus, "SELECT latency, ok FROM \"*\" LIMIT 30", 7);
    assert_eq!(limited, want[..30]);
    let mut latencies: Vec<i64> =
        docs.iter().filter_map(|d| single(d, "latency")?.as_i64()).filter(|n| *n > 0).collect();
    latencies.sort_unstable();
    let sorted = sql(corpus, "SELECT latency FROM \"*\" WHERE latency > 0 ORDER BY latency", 11);
    assert_eq!(sorted, latencies.iter().map(|n| json!([n])).collect::<Vec<_>>());
}

#[test]
fn sql_and_pipes_agree() {
    let corpus = small();
    let cases = [
        (
            "SELECT COUNT(*) FROM \"*\" WHERE latency BETWEEN 0 AND 100",
            "FROM * | WHERE latency >= 0 AND latency <= 100 | STATS COUNT(*)",
        ),
        (
            "SELECT ok, COUNT(*) c, AVG(latency) FROM \"*\" GROUP BY ok ORDER BY 2 DESC, 1",
            "FROM * | STATS c = COUNT(*), a = AVG(latency) BY ok | SORT c DESC, ok | KEEP ok, c, a",
        ),
        (
            "SELECT ok, SUM(latency) FROM \"*\" GROUP BY ok HAVING COUNT(*) > 80 ORDER BY ok",
            "FROM * | STATS n = COUNT(*), s = SUM(latency) BY ok | WHERE n > 80 | SORT ok | KEEP ok, s",
        ),
        (
            "SELECT HISTOGRAM(\"@timestamp\", INTERVAL 1 HOUR) AS h, COUNT(*) FROM \"*\" GROUP BY h ORDER BY h",
            "FROM * | STATS c = COUNT(*) BY h = BUCKET(@timestamp, 1 hour) | SORT h | KEEP h, c",
        ),
        ("SELECT COUNT(DISTINCT user) FROM \"*\"", "FROM * | STATS COUNT_DISTINCT(user)"),
        ("SELECT DISTINCT ok FROM \"*\" ORDER BY ok", "FROM * | STATS BY ok | SORT ok"),
        (
            "SELECT CASE WHEN latency > 10 THEN 'a' ELSE 'b' END k, MAX(latency) FROM \"*\" GROUP BY k ORDER BY k",
            "FROM * | STATS m = MAX(latency) BY k = CASE(latency > 10, \"a\", \"b\") | SORT k | KEEP k, m",
        ),
        (
            "SELECT COUNT(*) FROM \"logs-*\" WHERE user LIKE 'user-1%'",
            "FROM logs-* | WHERE user LIKE \"user-1*\" | STATS COUNT(*)",
        ),
        (
            "SELECT COUNT(*) FROM \"*\" WHERE MATCH(message, 'timeout') AND NOT QUERY('service:web')",
            "FROM * | WHERE message : \"timeout\" AND NOT QSTR(\"service:web\") | STATS COUNT(*)",
        ),
    ];
    for (statement, pipes) in cases {
        assert_eq!(json!(sql(corpus, statement, 1000)), answer(corpus, pipes), "{statement}");
    }
}
