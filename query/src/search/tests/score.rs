//! Scores against the plainest BM25 over the documents, in double precision, whatever holds them.

use std::collections::BTreeMap;

use super::corpus::Corpus;
use super::naive::{Doc, star};
use super::*;
use crate::ast::{Function, Functions, Join, Scored, Scoring};
use crate::request::Ranking;
use crate::score::bm25::kept_length;

/// The documents that statistics are of.
struct Statistics<'d> {
    docs: &'d [Doc],
}

fn tokens(text: &str) -> Vec<String> {
    model::token::tokens(text).map(|t| t.into_owned()).collect()
}

/// The tokens of each string of a path.
fn strings(doc: &Doc, path: &str) -> Vec<Vec<String>> {
    let values = doc.values.iter().filter(|(p, _)| p == path);
    values.filter_map(|(_, v)| v.as_str().map(tokens)).collect()
}

fn occurrences(tokens: &[String], word: &[String], prefix: bool) -> usize {
    let fits = |window: &&[String]| match prefix {
        false => **window == *word,
        true => {
            let last = word.len() - 1;
            window[..last] == word[..last] && window[last].starts_with(word[last].as_str())
        }
    };
    if word.is_empty() { 0 } else { tokens.windows(word.len()).filter(fits).count() }
}

impl Statistics<'_> {
    fn score(&self, doc: &Doc, query: &Query, boost: f64) -> Option<f64> {
        if !doc.matches(query) {
            return None;
        }
        let sum =
            |list: &[Query]| -> f64 { list.iter().filter_map(|q| self.score(doc, q, boost)).sum() };
        Some(match query {
            Query::Field(field) => self.field(doc, field, boost),
            Query::Bool(b) if b.must.is_empty() && b.should.is_empty() && b.must_not.is_empty() => {
                boost
            }
            Query::Bool(b) => sum(&b.must) + sum(&b.should),
            Query::Scored(scored) => self.scored(doc, scored, boost),
            _ => boost,
        })
    }

    fn scored(&self, doc: &Doc, scored: &Scored, boost: f64) -> f64 {
        let inner = |boost| self.score(doc, &scored.query, boost).unwrap();
        match &scored.scoring {
            Scoring::Times(times) => inner(boost * f64::from(*times)),
            Scoring::Constant(score) => boost * f64::from(*score),
            Scoring::Best(tie) => {
                let Query::Bool(b) = &scored.query else { return inner(boost) };
                let each = b.should.iter().filter_map(|q| self.score(doc, q, boost));
                let each: Vec<f64> = each.collect();
                let most = each.iter().copied().fold(f64::MIN, f64::max);
                most + (each.iter().sum::<f64>() - most) * f64::from(*tie)
            }
            Scoring::Less(negative, times) => {
                inner(boost) * if doc.matches(negative) { f64::from(*times) } else { 1.0 }
            }
            Scoring::Functions(functions) => {
                let each = functions.list.iter().filter(|(query, _)| doc.matches(query));
                let each = each.map(|(_, function)| match function {
                    Function::Weight(weight) => f64::from(*weight),
                    other => panic!("{other:?}"),
                });
                let each: Vec<f64> = each.collect();
                inner(boost) * if each.is_empty() { 1.0 } else { each.iter().sum() }
            }
        }
    }

    fn field(&self, doc: &Doc, field: &FieldQuery, boost: f64) -> f64 {
        let words: Vec<(Vec<String>, bool)> = match &field.test {
            Test::Words { words, .. } => words.iter().map(|w| (w.clone(), false)).collect(),
            Test::Phrase { tokens, prefix, slop: 0 } => vec![(tokens.clone(), *prefix)],
            Test::Phrase { .. } => panic!("sloppy"),
            _ => return boost,
        };
        if matches!(&field.target, Target::Path(path) if path.ends_with(".keyword")) {
            return boost;
        }
        let mut best = f64::MIN;
        let paths: std::collections::BTreeSet<&String> =
            doc.values.iter().map(|(p, _)| p).collect();
        for path in paths.into_iter().filter(|p| *p != "@timestamp") {
            let meant = match &field.target {
                Target::Path(name) => name == path,
                Target::Pattern(pattern) => star(pattern, path),
                Target::Any => true,
            };
            let one = |string: bool| {
                let values =
                    doc.values.iter().filter(|(p, v)| p == path && v.is_string() == string);
                let values: Vec<_> = values.cloned().collect();
                let query = Query::Field(FieldQuery {
                    target: Target::Path(path.clone()),
                    test: field.test.clone(),
                });
                Doc { values, ..doc.clone() }.matches(&query)
            };
            if meant && one(false) {
                best = best.max(boost);
            }
            if meant && one(true) {
                best = best.max(self.words(doc, path, &words, boost));
            }
        }
        best
    }

    fn words(&self, doc: &Doc, path: &str, words: &[(Vec<String>, bool)], boost: f64) -> f64 {
        let with: Vec<Vec<Vec<String>>> =
            self.docs.iter().map(|d| strings(d, path)).filter(|s| !s.is_empty()).collect();
        let all: usize = with.iter().flatten().map(Vec::len).sum();
        let average = all as f64 / with.len() as f64;
        let here = strings(doc, path);
        let length = kept_length(here.iter().map(Vec::len).sum::<usize>() as u32);
        let mut score = 0.0;
        for (word, prefix) in words {
            let often: usize = here.iter().map(|text| occurrences(text, word, *prefix)).sum();
            if often == 0 {
                continue;
            }
            let mut rare = 0.0;
            for (at, token) in word.iter().enumerate() {
                let begins = *prefix && at + 1 == word.len();
                let token = std::slice::from_ref(token);
                let has =
                    |d: &&Vec<Vec<String>>| d.iter().any(|t| occurrences(t, token, begins) > 0);
                let (n, all) = (with.iter().filter(has).count() as f64, with.len() as f64);
                rare += (1.0 + (all - n + 0.5) / (n + 0.5)).ln();
            }
            let often = often as f64;
            let norm = 1.2 * (0.25 + 0.75 * f64::from(length) / average);
            score += boost * 2.2 * rare * often / (often + norm);
        }
        score
    }
}

fn scoring_test() -> impl Strategy<Value = Test> {
    let word = || {
        prop::sample::select(vec![
            "error", "timeout", "refused", "get", "api", "10", "größe", "user_id", "7", "req",
            "web", "user", "503", "3", "true", "x1y", "nowhere",
        ])
        .prop_map(str::to_owned)
    };
    prop_oneof![
        4 => (prop::collection::vec(word(), 1..4), 1usize..3).prop_map(|(words, minimum)| {
            let words: Vec<_> = words.into_iter().map(|w| vec![w]).collect();
            Test::Words { minimum: minimum.min(words.len()), words }
        }),
        1 => (word(), word()).prop_map(|(a, b)| Test::Words { words: vec![vec![a, b]], minimum: 1 }),
        2 => (prop::collection::vec(word(), 1..3), any::<bool>())
            .prop_map(|(tokens, prefix)| Test::Phrase { tokens, prefix, slop: 0 }),
        1 => Just(Test::Term(TermTest { value: Literal::Text("web".to_owned()), fold: false })),
        1 => Just(Test::Exists),
    ]
}

fn scoring_query() -> impl Strategy<Value = Query> {
    let leaf = prop_oneof![
        8 => (target(), scoring_test())
            .prop_map(|(target, test)| Query::Field(FieldQuery { target, test })),
        1 => Just(Query::All),
        1 => Just(Query::Index(vec!["logs-*".to_owned()])),
    ];
    leaf.prop_recursive(3, 10, 3, |inner| {
        let list = || prop::collection::vec(inner.clone(), 0..3);
        prop_oneof![
            3 => (list(), list(), list(), 0usize..3).prop_map(|(must, should, must_not, minimum_should)| {
                Query::Bool(Box::new(BoolQuery { must, should, must_not, minimum_should }))
            }),
            1 => (inner.clone(), 1u8..9).prop_map(|(q, n)| q.times(f32::from(n) / 2.0)),
            1 => (inner.clone(), 0u8..3).prop_map(|(q, n)| q.constant(f32::from(n))),
            1 => (prop::collection::vec(inner.clone(), 2..4), 0u8..3)
                .prop_map(|(list, tie)| Query::best_of(list, f32::from(tie) / 2.0)),
            1 => (inner.clone(), inner.clone())
                .prop_map(|(q, negative)| q.counted(Scoring::Less(negative, 0.25))),
            1 => (inner.clone(), inner.clone(), inner).prop_map(|(q, a, b)| {
                let list = vec![(a, Function::Weight(3.0)), (b, Function::Weight(0.5))];
                let functions = Functions { list, join: Join::Sum, boost: Join::Multiply, most: f32::MAX };
                q.counted(Scoring::Functions(functions))
            }),
        ]
    })
}

fn ranked(query: &Query, size: usize) -> SearchRequest {
    SearchRequest {
        query: query.clone(),
        size,
        track_total: TrackTotal::All,
        ..SearchRequest::default()
    }
}

/// The scores of all that matches, the best first, are those of the plainest BM25.
fn check_scores(corpus: &Corpus, query: &Query) {
    let statistics = Statistics { docs: &corpus.docs };
    let want: BTreeMap<u64, f64> = matching(corpus, query)
        .into_iter()
        .map(|doc| (doc.seq, statistics.score(doc, query, 1.0).unwrap()))
        .collect();
    let mut first: Option<Vec<(u64, f32)>> = None;
    for (layout, snapshot) in corpus.snapshots.iter().enumerate() {
        let got = answer(snapshot, &ranked(query, 1_000_000)).unwrap();
        assert_eq!(got.hits.len(), want.len(), "layout {layout}: {query:?}");
        let found: Vec<(u64, f32)> =
            got.hits.iter().map(|hit| (hit.seq.0, hit.said.score.unwrap())).collect();
        for (seq, score) in &found {
            let wanted = want[seq];
            let near = (f64::from(*score) - wanted).abs() <= 1e-4 * wanted.abs().max(1e-2);
            assert!(near, "layout {layout}: {seq} has {score} instead of {wanted}: {query:?}");
        }
        let place = |hit: &Hit| (hit.said.score.unwrap(), hit.timestamp, hit.seq);
        assert!(got.hits.windows(2).all(|w| place(&w[0]) >= place(&w[1])), "{query:?}");
        assert_eq!(got.max_score, found.first().map(|(_, score)| *score), "{query:?}");
        match &first {
            None => first = Some(found),
            Some(first) => assert_eq!(*first, found, "layout {layout}: {query:?}"),
        }
        // In another order the same is the best.
        let ranking = Ranking { track: true, best: true, ..Ranking::default() };
        let request = SearchRequest {
            sort: vec![newest()],
            track_total: TrackTotal::None,
            ranking,
            ..ranked(query, 3)
        };
        let sorted = answer(snapshot, &request).unwrap();
        assert_eq!(sorted.max_score, got.max_score, "layout {layout}: {query:?}");
        // The first of them alone, and those with enough.
        let few = answer(snapshot, &ranked(query, 5)).unwrap();
        let hits: Vec<u64> = few.hits.iter().map(|hit| hit.seq.0).collect();
        let all: Vec<u64> = first.as_ref().unwrap().iter().map(|(seq, _)| *seq).collect();
        assert_eq!(hits, all[..all.len().min(5)], "layout {layout}: {query:?}");
        let Some((_, least)) = first.as_ref().unwrap().get(all.len() / 2) else { continue };
        let ranking = Ranking { min_score: Some(*least), ..Ranking::default() };
        let enough = first.as_ref().unwrap().iter().filter(|(_, score)| score >= least).count();
        for size in [0, 5] {
            let request = SearchRequest { ranking: ranking.clone(), ..ranked(query, size) };
            let got = answer(snapshot, &request).unwrap();
            assert_eq!(got.total.unwrap().value, enough as u64, "layout {layout}: {query:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 100, ..ProptestConfig::default() })]

    #[test]
    fn scores_are_those_of_the_plainest_bm25(query in scoring_query()) {
        check_scores(small(), &query);
    }
}

#[test]
fn scores_of_much_are_the_same_in_every_layout() {
    for (path, text) in
        [("message", "timeout"), ("message", "error 10"), ("user", "web 3"), ("service", "web api")]
    {
        let words: Vec<Vec<String>> = tokens(text).into_iter().map(|t| vec![t]).collect();
        let query = Query::field(path, Test::Words { words, minimum: 1 });
        let mut first = None;
        for snapshot in &large().snapshots {
            let got = answer(snapshot, &ranked(&query, 50)).unwrap();
            let got: Vec<(u64, f32)> =
                got.hits.iter().map(|hit| (hit.seq.0, hit.said.score.unwrap())).collect();
            assert_eq!(got.len(), 50, "{text}");
            assert_eq!(*first.get_or_insert_with(|| got.clone()), got, "{text}");
        }
    }
}

#[test]
fn constant_scores_cost_nothing_and_are_in_the_order_of_time() {
    let term = Query::field(
        "service",
        Test::Term(TermTest { value: Literal::Text("web".into()), fold: false }),
    );
    let cases = [
        (Query::All, 1.0),
        (term.clone().times(2.0), 2.0),
        (term.clone().constant(0.0), 0.0),
        (
            Query::Bool(Box::new(BoolQuery {
                must: vec![Query::All, term.clone()],
                ..BoolQuery::default()
            })),
            2.0,
        ),
        (term.clone().negate().constant(0.0), 0.0),
    ];
    for (query, score) in cases {
        let task = Task::new(&ranked(&query, 10)).unwrap();
        assert!(task.order.by_time() == Some(true), "{query:?}");
        let want: Vec<u64> = matching(small(), &query).iter().take(10).map(|d| d.seq).collect();
        for snapshot in &small().snapshots {
            let got = answer(snapshot, &ranked(&query, 10)).unwrap();
            let hits: Vec<u64> = got.hits.iter().map(|hit| hit.seq.0).collect();
            assert_eq!((hits, got.max_score), (want.clone(), Some(score)), "{query:?}");
            assert!(got.hits.iter().all(|hit| hit.said.score == Some(score)), "{query:?}");
        }
    }
    // In another order nothing is scored unless that is asked.
    let sorted = SearchRequest { sort: vec![newest()], ..ranked(&term, 10) };
    assert!(Task::new(&sorted).unwrap().rank.scorer.is_none());
    assert!(
        Task::new(&SearchRequest { sort: vec![newest()], ..ranked(&term, 0) })
            .unwrap()
            .rank
            .scorer
            .is_none()
    );
}

#[test]
fn hits_say_which_named_queries_they_match_and_why() {
    let word = |word: &str, name: &str| {
        Query::field("message", Test::Words { words: vec![vec![word.to_owned()]], minimum: 1 })
            .named(Some(name.to_owned()))
    };
    let query = Query::any_of(vec![word("error", "e"), word("timeout", "t")]);
    for sort in [Vec::new(), vec![newest()]] {
        let ranking = Ranking { explain: true, track: true, named: true, ..Ranking::default() };
        let request = SearchRequest { ranking, sort, ..ranked(&query, 20) };
        for snapshot in &small().snapshots {
            let got = answer(snapshot, &request).unwrap();
            assert_eq!(got.hits.len(), 20);
            for hit in &got.hits {
                let doc = small().docs.iter().find(|doc| doc.seq == hit.seq.0).unwrap();
                let names: Vec<&str> =
                    hit.said.matched.iter().map(|(name, _)| name.as_str()).collect();
                let wanted = [("e", "error"), ("t", "timeout")];
                let wanted =
                    wanted.into_iter().filter(|(name, text)| doc.matches(&word(text, name)));
                assert_eq!(names, wanted.map(|(name, _)| name).collect::<Vec<_>>());
                let why = hit.said.explanation.as_ref().unwrap();
                assert_eq!(Some(why.value), hit.said.score);
                let parts: f32 = hit.said.matched.iter().map(|(_, score)| score).sum();
                assert!((parts - why.value).abs() < 1e-5);
            }
        }
    }
}

#[test]
fn pages_in_the_order_of_scores_are_the_whole() {
    let words = ["error", "timeout", "10"].map(|word| vec![word.to_owned()]);
    let query = Query::field("message", Test::Words { words: words.to_vec(), minimum: 1 });
    for snapshot in &small().snapshots {
        let all: Vec<u64> = answer(snapshot, &ranked(&query, 1_000))
            .unwrap()
            .hits
            .iter()
            .map(|h| h.seq.0)
            .collect();
        assert!(all.len() > 50);
        let (mut got, mut after) = (Vec::new(), None);
        loop {
            let page = pages::search(snapshot, &ranked(&query, 17), after.take());
            got.extend(page.hits.iter().map(|hit| hit.seq.0));
            match page.position {
                Some(position) if !page.hits.is_empty() => after = Some(position),
                _ => break,
            }
        }
        assert_eq!(got, all);
        let last = SortKey::new(SortBy::Sequence, true);
        let sort = vec![SortKey::new(SortBy::Score, true), last];
        let mut request = SearchRequest { sort, ..ranked(&query, 17) };
        let mut got = Vec::new();
        while let Some(hit) = answer(snapshot, &request).unwrap().hits.last() {
            request.search_after = Some(hit.sort.clone());
            got.push(hit.seq.0);
        }
        assert_eq!(got.len(), all.len().div_ceil(17));
    }
}
