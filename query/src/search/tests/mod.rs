//! Searches over live batches, over splits and over both, against the plainest evaluator.

mod aggs;
mod buckets;
mod corpus;
mod esql;
mod faults;
mod limits;
mod more_buckets;
mod naive;
mod pages;
mod pipelines;
mod samples;
mod score;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use index::read::Snapshot;
use model::time::{NS_PER_MS, TimeRange, Timestamp};
use platform::clock::ManualClock;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::execute::{Task, execute};
use super::page::{Wanted, page};
use super::within;
use crate::aggregate;
use crate::answer::{Hit, SearchAnswer};
use crate::ast::{
    BoolQuery, Bound, FieldQuery, FuzzyTest, Literal, Query, Target, TermTest, Test, TextTest,
};
use crate::error::QueryError;
use crate::leaf::{Memory, Run};
use crate::request::{NumericType, SearchRequest, SortBy, SortKey, SortMode, TrackTotal};
use corpus::{Corpus, SERVICES, START_MS, WORDS};
use naive::Doc;

/// A run without limits.
pub(crate) fn free_run() -> Run {
    let memory = Arc::new(Memory::new(u64::MAX));
    Run::new(Arc::new(AtomicBool::new(false)), Arc::new(ManualClock::at(0)), 1, memory, 10_000)
}

pub(super) fn pool() -> &'static rayon::ThreadPool {
    static POOL: OnceLock<rayon::ThreadPool> = OnceLock::new();
    POOL.get_or_init(|| rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap())
}

pub(crate) fn api_settings() -> crate::settings::ApiSettings {
    limits::settings().api
}

/// Live, in splits, and half of each.
pub(super) fn large_snapshots() -> &'static [Snapshot] {
    &large().snapshots
}

/// A search without admission.
pub(super) fn answer(
    snapshot: &Snapshot,
    request: &SearchRequest,
) -> Result<SearchAnswer, QueryError> {
    let task = Task::new(request)?;
    let wanted = Wanted::new(request)?;
    let run = free_run();
    let mut merged = execute(&task, snapshot, &run, pool())?;
    let max_score = task.max_score(&merged);
    let candidates = merged.candidates.split_off(request.from.min(merged.candidates.len()));
    let mut hits =
        page(snapshot, &candidates, (&task.order, &wanted), |_, error| panic!("{error}"));
    task.say((snapshot, &run), &candidates, &mut hits)?;
    wanted.finish(&mut hits);
    assert!(merged.shards.failed.is_empty(), "{:?}", merged.shards.failed);
    let total = task.total(&merged);
    let partials = std::mem::take(&mut merged.partials);
    let (answer, pending) = aggregate::answer_with_hits(&task.aggs, partials, run.buckets_max)?;
    within::fill((pending, &task.query), snapshot, &run, &mut |_, error| panic!("{error}"))?;
    Ok(SearchAnswer {
        terminated_early: task.terminated_early(&merged),
        total,
        hits,
        aggregations: Some(answer),
        max_score,
        ..SearchAnswer::default()
    })
}

fn small() -> &'static Corpus {
    static CORPUS: OnceLock<Corpus> = OnceLock::new();
    CORPUS.get_or_init(|| Corpus::new(240, 30, 1))
}

/// Large enough for the ways that look at dictionaries and tokens first.
fn large() -> &'static Corpus {
    static CORPUS: OnceLock<Corpus> = OnceLock::new();
    CORPUS.get_or_init(|| Corpus::new(24_000, 3_000, 2))
}

fn some_text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(WORDS).prop_map(str::to_owned),
        prop::sample::select(SERVICES).prop_map(str::to_owned),
        prop::sample::select(vec![
            "503",
            "200",
            "-7",
            "1.5",
            "true",
            "web",
            "err",
            "req",
            "a",
            "0000-",
            "6",
            "req=3",
            "f",
            "5-4",
            "2026-10-12T05:00:00Z",
            "",
            ".",
            "error: ",
            "timeout/GET",
            "user-3",
            "user-",
            "of web",
            "7 of",
            "user-15838 of api",
            "id=7",
            "d=7i",
            "\0a",
            "\n",
            "e 2\n",
            "ärger5",
            "Straße",
            "ärger",
            "5",
            "5k",
            "test1",
            "i1",
            "日本5語",
            "本5",
            "a_1-b",
            "1.2.3",
            ".4:5",
            "{0}",
            "req=req",
            "xxxxxx",
            "xx7",
            "٣",
        ])
        .prop_map(str::to_owned),
        // A run that is as long as a token may be, or longer.
        (250usize..305).prop_map(|n| "x".repeat(n)),
    ]
}

fn literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        some_text().prop_map(Literal::Text),
        prop::sample::select(vec![200, 404, 503, -7, 50, 900]).prop_map(Literal::Int),
        prop::sample::select(vec![1.5, 199.5, 404.0]).prop_map(Literal::Float),
        any::<bool>().prop_map(Literal::Bool),
    ]
}

fn time_literal() -> impl Strategy<Value = Literal> {
    (0i64..5 * 3600).prop_map(|s| {
        let at = Timestamp((START_MS + s * 1000) * NS_PER_MS);
        Literal::Time(at, at.rfc3339())
    })
}

fn bound() -> impl Strategy<Value = Bound> {
    prop_oneof![
        Just(Bound::Open),
        literal().prop_map(Bound::Included),
        literal().prop_map(Bound::Excluded),
        Just(Bound::Included(Literal::Time(
            Timestamp::parse("2026-10-15T02:00:00+02:00").unwrap(),
            "2026-10-15".to_owned(),
        ))),
    ]
}

fn word() -> impl Strategy<Value = Vec<String>> {
    some_text().prop_map(|t| model::token::tokens(&t).map(|t| t.into_owned()).collect())
}

fn text_test() -> impl Strategy<Value = TextTest> {
    (some_text(), any::<bool>()).prop_map(|(text, fold)| TextTest { text, fold })
}

fn fuzzy_test() -> impl Strategy<Value = FuzzyTest> {
    let texts = prop::sample::select(vec![
        "error", "eror", "timeuot", "refusd", "api", "usr_id", "größe", "1010", "req", "web", "DB",
        "user-3", "503", "true", "Error", "g", "",
    ]);
    (texts, 0u8..3, 0usize..3, any::<bool>(), any::<bool>()).prop_map(
        |(text, edits, prefix, transpositions, token)| {
            let text = if token { model::token::fold(text).into_owned() } else { text.to_owned() };
            let token = token && !text.contains('-') && !text.is_empty();
            FuzzyTest { text, edits, prefix, transpositions, token }
        },
    )
}

fn address_test() -> impl Strategy<Value = Test> {
    let text = |text: String| Literal::Text(text);
    prop_oneof![
        (0u8..4, 0u8..=255, 0u8..=32).prop_map(move |(a, b, bits)| Test::Term(TermTest {
            value: text(format!("10.{a}.0.{b}/{bits}")),
            fold: false,
        })),
        (0u8..4, 0u8..=255, 0u8..4, any::<bool>()).prop_map(move |(a, b, c, open)| Test::Range {
            lower: Bound::Included(text(format!("10.{a}.0.{b}"))),
            upper: match open {
                true => Bound::Open,
                false => Bound::Excluded(text(format!("10.{c}.0.9"))),
            },
        }),
    ]
}

fn value_test() -> impl Strategy<Value = Test> {
    let wildcard = || (prop::collection::vec(some_text(), 1..3), 0u8..8, any::<bool>());
    prop_oneof![
        Just(Test::Exists),
        (literal(), any::<bool>()).prop_map(|(value, fold)| Test::Term(TermTest { value, fold })),
        prop::collection::vec(literal(), 0..3).prop_map(Test::Terms),
        (prop::collection::vec(word(), 1..4), 1usize..3)
            .prop_map(|(words, minimum)| Test::Words { words, minimum }),
        (prop::collection::vec(word(), 1..3), 0u32..4).prop_map(|(words, slop)| Test::Phrase {
            tokens: words.concat(),
            prefix: false,
            slop
        }),
        (word(), word()).prop_filter_map("empty", |(a, b)| {
            let tokens = [a, b].concat();
            (!tokens.is_empty()).then_some(Test::Phrase { tokens, prefix: true, slop: 0 })
        }),
        (bound(), bound()).prop_map(|(lower, upper)| Test::Range { lower, upper }),
        fuzzy_test().prop_map(Test::Fuzzy),
        address_test(),
        text_test().prop_map(Test::Prefix),
        text_test().prop_map(Test::Substring),
        wildcard().prop_map(|(parts, stars, fold)| {
            let mut text = parts.join(if stars & 1 == 0 { "*" } else { "?" });
            if stars & 2 == 0 {
                text.insert(0, '*');
            }
            if stars & 4 == 0 {
                text.push('*');
            }
            Test::Wildcard(TextTest { text, fold })
        }),
        wildcard().prop_map(|(parts, stars, fold)| {
            let parts: Vec<String> = parts.iter().map(|p| regex::escape(p)).collect();
            let mut text = parts.join(if stars & 1 == 0 { ".*" } else { "|" });
            if stars & 2 == 0 {
                text.insert_str(0, ".*");
            }
            if stars & 4 == 0 {
                text.push_str("[a-f0-9]*");
            }
            Test::Regex(TextTest { text, fold })
        }),
    ]
}

fn target() -> impl Strategy<Value = Target> {
    let path = prop::sample::select(vec![
        "message",
        "message",
        "service",
        "service",
        "status",
        "latency",
        "ok",
        "trace.id",
        "created",
        "mixed",
        "user",
        "user",
        "note",
        "message.keyword",
        "user.keyword",
        "service.keyword",
        "nothing",
        "absent",
        "ip",
    ]);
    prop_oneof![
        6 => path.prop_map(|p| Target::Path(p.to_owned())),
        1 => prop::sample::select(vec!["s*", "*", "m*e", "m*", "trace.*", "*e*"]).prop_map(|p| Target::Pattern(p.to_owned())),
        3 => Just(Target::Any),
    ]
}

fn leaf() -> impl Strategy<Value = Query> {
    prop_oneof![
        8 => (target(), value_test()).prop_map(|(target, test)| Query::Field(FieldQuery { target, test })),
        1 => Just(Query::All),
        1 => (time_literal(), time_literal()).prop_map(|(a, b)| Query::field(
            "@timestamp",
            Test::Range { lower: Bound::Included(a), upper: Bound::Excluded(b) },
        )),
        1 => (0i64..4 * 3600, 1i64..3600).prop_map(|(from, len)| {
            let at = |s: i64| Timestamp((START_MS + s * 1000) * NS_PER_MS);
            Query::Time(TimeRange { from: at(from), to: at(from + len) })
        }),
        1 => prop::sample::select(vec!["logs-a", "logs-*", "none"])
            .prop_map(|p| Query::Index(vec![p.to_owned()])),
        1 => (0u64..300).prop_map(|n| {
            Query::Ids(vec![format!("id-{n}"), corpus::NODE.document_id(model::id::RecordSeq(n))])
        }),
    ]
}

pub(super) fn query() -> impl Strategy<Value = Query> {
    leaf().prop_recursive(3, 12, 4, |inner| {
        let list = || prop::collection::vec(inner.clone(), 0..3);
        (list(), list(), list(), 0usize..3).prop_map(|(must, should, must_not, minimum_should)| {
            Query::Bool(Box::new(BoolQuery { must, should, must_not, minimum_should }))
        })
    })
}

fn matching<'d>(corpus: &'d Corpus, query: &Query) -> Vec<&'d Doc> {
    let mut out: Vec<&Doc> = corpus.docs.iter().filter(|d| d.matches(query)).collect();
    out.sort_by_key(|d| std::cmp::Reverse((d.time, d.seq)));
    out
}

/// The same hits, newest first, with the very sources, whatever holds the records.
fn check_hits(corpus: &Corpus, query: &Query) {
    let want = matching(corpus, query);
    let request = SearchRequest {
        query: query.clone(),
        size: 1_000_000,
        sort: vec![newest()],
        track_total: TrackTotal::All,
        ..SearchRequest::default()
    };
    for (layout, snapshot) in corpus.snapshots.iter().enumerate() {
        let got = answer(snapshot, &request).unwrap();
        assert_eq!(got.total.unwrap().value, want.len() as u64, "layout {layout}: {query:?}");
        assert_eq!(got.hits.len(), want.len(), "layout {layout}: {query:?}");
        for (hit, doc) in got.hits.iter().zip(&want) {
            assert_eq!(hit.seq.0, doc.seq, "layout {layout}: {query:?}");
            assert_eq!((hit.index.as_str(), &hit.id), (doc.index.as_str(), &doc.id));
            assert_eq!(hit.source.as_ref(), Some(&doc.source));
        }
        check_few(layout, snapshot, query, &want);
    }
}

/// The same count without hits, and the same first hits where the count need not be exact.
fn check_few(layout: usize, snapshot: &Snapshot, query: &Query, want: &[&Doc]) {
    use crate::answer::Relation::{Eq, Gte};
    let all = want.len() as u64;
    let exact = (all, Eq);
    let about = if all > 3 { (3, Gte) } else { exact };
    for (size, track_total, total) in [
        (0, TrackTotal::All, Some(exact)),
        (0, TrackTotal::UpTo(3), Some(about)),
        (5, TrackTotal::All, Some(exact)),
        (5, TrackTotal::UpTo(3), Some(about)),
        (5, TrackTotal::None, None),
    ] {
        let request = SearchRequest {
            query: query.clone(),
            size,
            track_total,
            sort: vec![newest()],
            ..SearchRequest::default()
        };
        let got = answer(snapshot, &request).unwrap();
        let got_total = got.total.map(|t| (t.value, t.relation));
        assert_eq!(got_total, total, "layout {layout}, {size} {track_total:?}: {query:?}");
        let hits: Vec<u64> = got.hits.iter().map(|h| h.seq.0).collect();
        let first: Vec<u64> = want.iter().take(size).map(|d| d.seq).collect();
        assert_eq!(hits, first, "layout {layout}, {size} {track_total:?}: {query:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_query_finds_what_it_says(query in query()) {
        check_hits(small(), &query);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_query_finds_what_it_says_in_much(query in query()) {
        let corpus = large();
        let want = matching(corpus, &query);
        let request = SearchRequest {
            query: query.clone(),
            size: 20,
            sort: vec![newest()],
            track_total: TrackTotal::All,
            ..SearchRequest::default()
        };
        for (layout, snapshot) in corpus.snapshots.iter().enumerate() {
            let got = answer(snapshot, &request).unwrap();
            prop_assert_eq!(got.total.unwrap().value, want.len() as u64, "layout {}: {:?}", layout, query);
            let got: Vec<u64> = got.hits.iter().map(|h| h.seq.0).collect();
            let first: Vec<u64> = want.iter().take(20).map(|d| d.seq).collect();
            prop_assert_eq!(got, first, "layout {}: {:?}", layout, query);
            check_few(layout, snapshot, &query, &want);
        }
    }
}

#[test]
fn what_comes_first_is_found_step_by_step() {
    let corpus = large();
    let words = |text: &str| Test::Words { words: vec![vec![text.to_owned()]], minimum: 1 };
    let substring = |text: &str| Test::Substring(TextTest { text: text.to_owned(), fold: true });
    for query in [
        Query::All,
        Query::field("message", words("timeout")),
        Query::field("message", words("7")),
        Query::field("message", substring("out/")),
        Query::field("user", substring("8 of we")),
        Query::field("status", Test::Terms(vec![Literal::Int(503)])),
        Query::field("trace.id", words("00000000")),
    ] {
        let want = matching(corpus, &query);
        for descending in [true, false] {
            let by_time = SortKey::new(SortBy::Time, descending);
            let request = SearchRequest {
                query: query.clone(),
                sort: vec![by_time],
                size: 7,
                track_total: TrackTotal::UpTo(100),
                ..SearchRequest::default()
            };
            let mut first: Vec<u64> = want.iter().map(|d| d.seq).collect();
            if !descending {
                first.reverse();
            }
            first.truncate(7);
            for snapshot in &corpus.snapshots {
                let got = answer(snapshot, &request).unwrap();
                let hits: Vec<u64> = got.hits.iter().map(|h| h.seq.0).collect();
                assert_eq!(hits, first, "{query:?}");
                assert_eq!(got.total.unwrap().value, want.len().min(100) as u64, "{query:?}");
            }
        }
    }
}

fn newest() -> SortKey {
    SortKey::new(SortBy::Time, true)
}

fn sort_key() -> impl Strategy<Value = SortKey> {
    let by = prop_oneof![
        2 => Just(SortBy::Time),
        1 => Just(SortBy::Sequence),
        1 => Just(SortBy::Id),
        4 => prop::sample::select(vec!["service", "status", "latency", "ok", "message", "trace.id", "@timestamp", "mixed", "mixed", "user", "note", "absent", "_index"])
            .prop_map(|p| SortBy::Field(p.to_owned())),
    ];
    let mode = prop::sample::select(vec![
        SortMode::Edge,
        SortMode::Edge,
        SortMode::Min,
        SortMode::Max,
        SortMode::Avg,
        SortMode::Sum,
        SortMode::Median,
    ]);
    let numeric =
        prop::sample::select(vec![None, None, Some(NumericType::Long), Some(NumericType::Double)]);
    let missing = prop::sample::select(vec![json!("m"), json!("web"), json!(3), json!(1.5)]);
    let missing = prop::option::weighted(0.3, missing);
    (by, any::<bool>(), any::<bool>(), mode, numeric, missing).prop_map(
        |(by, descending, missing_first, mode, numeric, missing)| match by {
            SortBy::Field(_) => {
                SortKey { missing_first, mode, numeric, missing, ..SortKey::new(by, descending) }
            }
            by => SortKey { missing_first, ..SortKey::new(by, descending) },
        },
    )
}

/// The place of a value in the order of numbers, then texts.
fn naive_value(doc: &Doc, key: &SortKey) -> Option<(u8, f64, String)> {
    let of = |v: &Json| match v {
        Json::String(text) => (1, 0.0, text.clone()),
        Json::Bool(b) => (0, f64::from(u8::from(*b)), String::new()),
        v => (0, v.as_f64().unwrap(), String::new()),
    };
    let values: Vec<Json> = match &key.by {
        SortBy::Time | SortBy::Scan => vec![json!(doc.time.div_euclid(NS_PER_MS))],
        SortBy::Sequence => vec![json!(doc.seq)],
        SortBy::Score => panic!("scores are tested by themselves"),
        SortBy::Id => vec![json!(doc.id)],
        SortBy::Field(path) if path == "_index" => vec![json!(doc.index)],
        SortBy::Field(path) => doc.of(path),
    };
    let cast = |(kind, number, text): (u8, f64, String)| match key.numeric {
        Some(NumericType::Long) if kind == 0 => (kind, number.trunc(), text),
        _ => (kind, number, text),
    };
    let order = |a: &(u8, f64, String), b: &(u8, f64, String)| a.partial_cmp(b).unwrap();
    let mut numbers: Vec<f64> = values.iter().map(of).filter(|v| v.0 == 0).map(|v| v.1).collect();
    let count = numbers.len() as f64;
    numbers.sort_by(f64::total_cmp);
    let found = match key.mode {
        SortMode::Edge if key.descending => values.iter().map(of).max_by(order),
        SortMode::Max => values.iter().map(of).max_by(order),
        SortMode::Edge | SortMode::Min => values.iter().map(of).min_by(order),
        _ if numbers.is_empty() => None,
        mode => {
            let value = match mode {
                SortMode::Sum => numbers.iter().sum(),
                SortMode::Avg => numbers.iter().sum::<f64>() / count,
                _ => (numbers[(numbers.len() - 1) / 2] + numbers[numbers.len() / 2]) / 2.0,
            };
            let whole = values.iter().all(|v| !v.is_f64());
            Some((0, if whole { (value + 0.5_f64).floor() } else { value }, String::new()))
        }
    };
    found.or_else(|| key.missing.as_ref().map(of)).map(cast)
}

fn naive_order(keys: &[SortKey], a: &Doc, b: &Doc) -> std::cmp::Ordering {
    use std::cmp::Ordering;
    for key in keys {
        let absent = if key.missing_first { Ordering::Less } else { Ordering::Greater };
        let order = match (naive_value(a, key), naive_value(b, key)) {
            (None, None) => Ordering::Equal,
            (None, _) => absent,
            (_, None) => absent.reverse(),
            (Some(a), Some(b)) => {
                let order = a.partial_cmp(&b).unwrap();
                if key.descending { order.reverse() } else { order }
            }
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    let tie = (a.time, a.seq).cmp(&(b.time, b.seq));
    let rising = keys.first().is_some_and(|k| k.by == SortBy::Time && !k.descending);
    if rising { tie } else { tie.reverse() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, ..ProptestConfig::default() })]

    #[test]
    fn every_order_and_page(
        query in query(),
        keys in prop::collection::vec(sort_key(), 0..3),
        from in 0usize..20,
        size in 1usize..30,
    ) {
        let mut want = matching(small(), &query);
        want.sort_by(|a, b| naive_order(&keys, a, b));
        let want: Vec<u64> = want.iter().map(|d| d.seq).skip(from).take(size).collect();
        let request = SearchRequest {
            query,
            sort: if keys.is_empty() { vec![newest()] } else { keys.clone() },
            from,
            size,
            track_total: TrackTotal::None,
            ..SearchRequest::default()
        };
        for (layout, snapshot) in small().snapshots.iter().enumerate() {
            let got = answer(snapshot, &request).unwrap();
            let got: Vec<u64> = got.hits.iter().map(|h| h.seq.0).collect();
            prop_assert_eq!(&got, &want, "layout {}: {:?}", layout, keys);
        }
    }

    #[test]
    fn pages_by_search_after_are_the_whole(
        query in query(),
        first in prop::option::of(sort_key()),
        rising in any::<bool>(),
        size in 1usize..40,
    ) {
        // A last key that no two records share makes the pages exact.
        let last = SortKey::new(SortBy::Sequence, !rising);
        let keys: Vec<SortKey> = first.into_iter().chain([last]).collect();
        let mut want = matching(small(), &query);
        want.sort_by(|a, b| naive_order(&keys, a, b));
        let want: Vec<u64> = want.iter().map(|d| d.seq).collect();
        for (layout, snapshot) in small().snapshots.iter().enumerate() {
            let mut request = SearchRequest {
                query: query.clone(),
                sort: keys.clone(),
                size,
                ..SearchRequest::default()
            };
            let mut got: Vec<u64> = Vec::new();
            loop {
                let page = answer(snapshot, &request).unwrap().hits;
                let Some(last) = page.last() else { break };
                request.search_after = Some(last.sort.clone());
                got.extend(page.iter().map(|h: &Hit| h.seq.0));
                prop_assert!(got.len() <= want.len(), "layout {layout}: {keys:?}");
            }
            prop_assert_eq!(&got, &want, "layout {}: {:?}", layout, keys);
        }
    }

    #[test]
    fn a_stream_is_everything_in_the_order_of_time(query in query(), rising in any::<bool>()) {
        let mut want: Vec<u64> = matching(small(), &query).iter().map(|d| d.seq).collect();
        if rising {
            want.reverse();
        }
        let key = SortKey::new(SortBy::Time, !rising);
        let request = SearchRequest { query, sort: vec![key], ..SearchRequest::default() };
        for snapshot in &small().snapshots {
            let (to, mut from) = tokio::sync::mpsc::channel(1000);
            let (task, wanted) = (Task::new(&request).unwrap(), Wanted::new(&request).unwrap());
            let run = free_run();
            super::stream::Stream::new(&task, snapshot, &run, &wanted).send_all(&to);
            drop(to);
            let mut got = Vec::new();
            while let Some(hit) = from.blocking_recv() {
                let hit = hit.unwrap();
                prop_assert!(hit.source.is_some());
                got.push(hit.seq.0);
            }
            prop_assert_eq!(&got, &want);
        }
    }
}

#[test]
fn totals_say_whether_they_are_exact() {
    use crate::answer::Relation::{Eq, Gte};
    let all = small().docs.len() as u64;
    for (track, want) in [
        (TrackTotal::All, Some((all, Eq))),
        (TrackTotal::UpTo(all), Some((all, Eq))),
        (TrackTotal::UpTo(10), Some((10, Gte))),
        (TrackTotal::None, None),
    ] {
        for snapshot in &small().snapshots {
            let request = SearchRequest { track_total: track, ..SearchRequest::default() };
            let got = answer(snapshot, &request).unwrap();
            assert_eq!(got.total.map(|t| (t.value, t.relation)), want, "{track:?}");
            assert_eq!(got.hits.len(), 10);
        }
    }
}

#[test]
fn fields_are_arrays_by_path() {
    let doc = json!({
        "@timestamp": "2026-11-20T10:00:00.5Z", "a": {"b": [1, {"c": "x"}]}, "a.b": 2,
        "when": "2026-11-20T10:00:00+01:00",
    });
    let mut builder =
        model::batch::BatchBuilder::new(model::id::Tenant::default(), None, Timestamp(0));
    builder.push(&model::id::IndexName::new("i"), None, doc.to_string().as_bytes()).unwrap();
    let batch = Arc::new(builder.finish());
    let at = batch.records()[0].timestamp;
    let live = index::read::LiveBatch {
        batch: model::live::Sequenced {
            seq: model::id::WalSeq(1),
            first_record: model::id::RecordSeq(1),
            batch,
        },
        time: TimeRange { from: at, to: Timestamp(at.0 + 1) },
        fields: Vec::new(),
        index_docs: vec![1],
    };
    let snapshot = Snapshot {
        splits: Vec::new(),
        live: vec![Arc::new(live)],
        deletions: Arc::default(),
        node: corpus::NODE,
        text_fields: Vec::new().into(),
    };
    let field = |field: &str, format: Option<&str>| crate::request::FieldAndFormat {
        field: field.to_owned(),
        format: format.map(str::to_owned),
    };
    let request = SearchRequest {
        fields: vec![
            field("a.*", None),
            field("@timestamp", Some("epoch_millis")),
            field("when", Some("strict_date_optional_time")),
            field("a.b.c.keyword", None),
        ],
        source: crate::request::SourceFilter { off: true, ..Default::default() },
        ..SearchRequest::default()
    };
    let hit = answer(&snapshot, &request).unwrap().hits.remove(0);
    assert_eq!(hit.source, None);
    assert_eq!(
        Json::Object(hit.fields.unwrap()),
        json!({
            "a.b": [1, 2], "a.b.c": ["x"], "@timestamp": ["1795168800500"],
            "when": ["2026-11-20T09:00:00.000Z"], "a.b.c.keyword": ["x"],
        })
    );
}
