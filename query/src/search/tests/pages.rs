//! Filters of hits, collapsing, slices, early ends, and pages that continue after the last hit,
//! against the plainest evaluator.

use std::collections::HashSet;

use super::*;
use crate::request::{Agg, AggKind, Metric, MetricAgg, Slice};
use crate::search::order::Position;

pub(super) fn search(
    snapshot: &Snapshot,
    request: &SearchRequest,
    after: Option<Position>,
) -> SearchAnswer {
    let mut task = Task::new(request).unwrap();
    if let Some(after) = after {
        task.resume(after);
    }
    let wanted = Wanted::new(request).unwrap();
    super::super::answer(snapshot, (&task, request.from), (&wanted, None), &free_run(), pool())
        .unwrap()
}

fn seqs(answer: &SearchAnswer) -> Vec<u64> {
    answer.hits.iter().map(|hit| hit.seq.0).collect()
}

fn count_agg() -> Vec<(String, Agg)> {
    let metric = MetricAgg::new(Metric::ValueCount, "@timestamp");
    vec![("n".into(), Agg { kind: AggKind::Metric(metric), aggs: Vec::new(), meta: None })]
}

/// What a field of a document collapses under.
fn group(doc: &Doc, field: &str) -> String {
    doc.of(field).first().map_or("none".to_owned(), |v| match v.as_f64() {
        Some(number) => format!("n{number}"),
        None => v.to_string(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn aggregations_see_what_the_filter_of_the_hits_leaves_out(
        query in query(),
        filter in query(),
        with_aggs in any::<bool>(),
        size in 0usize..20,
    ) {
        let all = matching(small(), &query);
        let want: Vec<u64> =
            all.iter().filter(|d| d.matches(&filter)).map(|d| d.seq).collect();
        let request = SearchRequest {
            query,
            post_filter: Some(filter),
            size,
            sort: vec![newest()],
            track_total: TrackTotal::All,
            aggs: if with_aggs { count_agg() } else { Vec::new() },
            ..SearchRequest::default()
        };
        for snapshot in &small().snapshots {
            let got = search(snapshot, &request, None);
            prop_assert_eq!(got.total.unwrap().value, want.len() as u64);
            prop_assert_eq!(seqs(&got), &want[..size.min(want.len())]);
            if with_aggs {
                let aggs = got.aggregations.unwrap().into_json();
                prop_assert_eq!(aggs["n"]["value"].as_u64(), Some(all.len() as u64));
            }
        }
    }

    #[test]
    fn one_hit_of_each_value_is_the_first(
        query in query(),
        keys in prop::collection::vec(sort_key(), 0..3),
        field in prop::sample::select(vec!["ok", "user", "absent", "latency", "trace.id"]),
        from in 0usize..4,
        size in 1usize..40,
    ) {
        let mut want = matching(small(), &query);
        let total = want.len() as u64;
        want.sort_by(|a, b| naive_order(&keys, a, b));
        let mut seen = HashSet::new();
        let firsts = want.iter().filter(|d| seen.insert(group(d, field)));
        let want: Vec<u64> = firsts.map(|d| d.seq).skip(from).take(size).collect();
        let request = SearchRequest {
            query,
            sort: if keys.is_empty() { vec![newest()] } else { keys.clone() },
            from,
            size,
            collapse: Some(field.to_owned()),
            track_total: TrackTotal::All,
            ..SearchRequest::default()
        };
        for (layout, snapshot) in small().snapshots.iter().enumerate() {
            let got = search(snapshot, &request, None);
            prop_assert_eq!(seqs(&got), &want[..], "layout {}: {:?}", layout, keys);
            prop_assert_eq!(got.total.unwrap().value, total);
        }
        let about = SearchRequest { track_total: TrackTotal::None, ..request };
        for snapshot in &small().snapshots {
            prop_assert_eq!(seqs(&search(snapshot, &about, None)), &want[..]);
        }
    }

    #[test]
    fn slices_are_a_partition(query in query(), max in 2u64..6, size in 1usize..300) {
        let mut want: Vec<u64> = matching(small(), &query).iter().map(|d| d.seq).collect();
        want.sort_unstable();
        for snapshot in &small().snapshots {
            let mut all = Vec::new();
            for id in 0..max {
                let request = SearchRequest {
                    query: query.clone(),
                    slice: Some(Slice { id, max }),
                    size: 1000,
                    track_total: TrackTotal::All,
                    ..SearchRequest::default()
                };
                let got = search(snapshot, &request, None);
                prop_assert_eq!(got.total.unwrap().value, got.hits.len() as u64);
                let few = SearchRequest { size, track_total: TrackTotal::None, ..request };
                let few = seqs(&search(snapshot, &few, None));
                let whole = seqs(&got);
                prop_assert_eq!(&few[..], &whole[..size.min(whole.len())]);
                all.extend(whole);
            }
            all.sort_unstable();
            prop_assert_eq!(&all, &want);
        }
    }

    #[test]
    fn a_search_that_may_end_early_counts_so_many(
        query in query(),
        at_most in 1u64..60,
        size in 0usize..80,
        with_aggs in any::<bool>(),
        track in any::<bool>(),
    ) {
        let all = matching(small(), &query).len() as u64;
        let known: HashSet<u64> = matching(small(), &query).iter().map(|d| d.seq).collect();
        let request = SearchRequest {
            query,
            terminate_after: at_most,
            size,
            track_total: if track { TrackTotal::All } else { TrackTotal::default() },
            aggs: if with_aggs { count_agg() } else { Vec::new() },
            ..SearchRequest::default()
        };
        for snapshot in &small().snapshots {
            let got = search(snapshot, &request, None);
            let want = all.min(at_most);
            let total = got.total.unwrap();
            prop_assert_eq!((total.value, total.relation), (want, crate::answer::Relation::Eq));
            prop_assert_eq!(got.terminated_early, Some(all >= at_most));
            prop_assert_eq!(got.hits.len() as u64, want.min(size as u64));
            prop_assert!(seqs(&got).iter().all(|seq| known.contains(seq)));
            if with_aggs {
                let aggs = got.aggregations.unwrap().into_json();
                prop_assert_eq!(aggs["n"]["value"].as_u64(), Some(want));
            }
        }
    }

    #[test]
    fn pages_that_continue_after_the_last_hit_are_the_whole(
        query in query(),
        keys in prop::collection::vec(sort_key(), 0..3),
        scan in any::<bool>(),
        size in 1usize..60,
    ) {
        let keys = if keys.is_empty() { vec![newest()] } else { keys };
        let keys = if scan { vec![SortKey::new(SortBy::Scan, true)] } else { keys };
        let naive = if scan { Vec::new() } else { keys.clone() };
        let mut want = matching(small(), &query);
        want.sort_by(|a, b| naive_order(&naive, a, b));
        let want: Vec<u64> = want.iter().map(|d| d.seq).collect();
        for (layout, snapshot) in small().snapshots.iter().enumerate() {
            let request = SearchRequest {
                query: query.clone(),
                sort: keys.clone(),
                size,
                track_total: TrackTotal::None,
                ..SearchRequest::default()
            };
            let (mut got, mut after) = (Vec::new(), None);
            loop {
                let page = search(snapshot, &request, after.take());
                got.extend(seqs(&page));
                prop_assert!(got.len() <= want.len(), "layout {layout}: {keys:?}");
                match page.position {
                    Some(position) => after = Some(position),
                    None => break,
                }
            }
            prop_assert_eq!(&got, &want, "layout {}: {:?}", layout, keys);
        }
    }
}

#[test]
fn each_segment_tells_how_long_it_took() {
    let request = SearchRequest { profile: true, aggs: count_agg(), ..SearchRequest::default() };
    for snapshot in &small().snapshots {
        let got = search(snapshot, &request, None);
        let found: u64 = got.profile.iter().map(|spent| spent.matching).sum();
        assert_eq!(found, small().docs.len() as u64);
        assert!(got.profile.iter().all(|spent| !spent.segment.is_empty()));
    }
}

#[test]
fn a_field_of_several_values_collapses_nothing() {
    let request = SearchRequest { collapse: Some("service".into()), ..SearchRequest::default() };
    for snapshot in &small().snapshots {
        let error = answer(snapshot, &request).unwrap_err();
        assert!(error.reason.contains("the collapse field must be single valued"), "{error}");
    }
}
