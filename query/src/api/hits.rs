//! What does a search response look like? Elasticsearch's JSON, with the sources spliced in as
//! they came.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json, json};

use super::count::described;
use super::error::ApiError;
use super::filter::filter_source;
use super::search::Found;
use super::typed::typed;
use crate::answer::{Hit, Relation, SearchAnswer, Shards};
use crate::request::{SearchRequest, SourceFilter};
use crate::score::Explanation;
use crate::score::bm25::printed;
use crate::tree::Object;

/// What of an answer is shown, and how.
#[derive(Clone, Debug)]
pub(super) struct Presentation<'a> {
    pub(super) source: SourceFilter,
    /// Hits tell their `_id`s.
    pub(super) ids: bool,
    pub(super) version: bool,
    pub(super) seq_no: bool,
    /// Each hit has a score; otherwise it is null.
    pub(super) scores: bool,
    /// The best score is told: only when scores are the order.
    pub(super) max_score: bool,
    /// `hits.total` is a number.
    pub(super) total_as_int: bool,
    /// The point in time that was searched.
    pub(super) pit_id: Option<&'a str>,
    /// How the hits within hits are shown, in their order.
    pub(super) inner: Vec<Presentation<'a>>,
    /// The names of aggregations tell their types, which these requests say.
    pub(super) typed: Option<&'a Json>,
    /// It is told how long this took.
    pub(super) profiled: Option<&'a SearchRequest>,
    /// A status inside of the body, for `_msearch`.
    pub(super) status: Option<u16>,
    /// Named queries have their scores.
    pub(super) named_scores: bool,
}

impl Default for Presentation<'_> {
    fn default() -> Self {
        Self {
            source: SourceFilter::default(),
            ids: true,
            version: false,
            seq_no: false,
            scores: false,
            max_score: false,
            total_as_int: false,
            pit_id: None,
            inner: Vec::new(),
            typed: None,
            profiled: None,
            status: None,
            named_scores: false,
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    _scroll_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pit_id: Option<&'a str>,
    took: u64,
    timed_out: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    terminated_early: Option<bool>,
    _shards: Json,
    hits: Hits<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aggregations: Option<Aggregations<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Aggregations<'a> {
    Plain(&'a Object),
    Typed(Map<String, Json>),
}

#[derive(Serialize)]
struct Hits<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<Json>,
    max_score: Option<f64>,
    hits: Vec<Shown<'a>>,
}

/// The hits within a hit.
#[derive(Serialize)]
struct Inner<'a> {
    hits: Hits<'a>,
}

/// One hit as JSON.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    _index: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    _id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    _version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    _seq_no: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    _primary_term: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    _score: Option<Option<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    _source: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<&'a Map<String, Json>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    highlight: Option<&'a Map<String, Json>>,
    #[serde(skip_serializing_if = "<[Json]>::is_empty")]
    sort: &'a [Json],
    #[serde(skip_serializing_if = "Option::is_none")]
    matched_queries: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    _explanation: Option<Json>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    inner_hits: BTreeMap<&'a str, Inner<'a>>,
}

/// The named queries that a hit matches, if there are any.
fn matched(hit: &Hit, scores: bool) -> Option<Json> {
    let named = &hit.said.matched;
    if named.is_empty() {
        return None;
    }
    Some(match scores {
        true => named.iter().map(|(name, score)| (name.clone(), json!(printed(*score)))).collect(),
        false => named.iter().map(|(name, _)| json!(name)).collect(),
    })
}

fn damaged(hit: &Hit, error: &serde_json::Error) -> ApiError {
    let reason =
        format!("the source of document [{}] of [{}] is damaged: {error}", hit.id, hit.index);
    ApiError::new(500, "search_phase_execution_exception", reason)
}

/// The source as it came, or what the filter leaves of it.
fn source(hit: &Hit, filter: &SourceFilter) -> Result<Option<Box<RawValue>>, ApiError> {
    let Some(text) = hit.source.as_ref().filter(|_| !filter.off) else { return Ok(None) };
    if filter.includes.is_empty() && filter.excludes.is_empty() {
        return RawValue::from_string(text.clone()).map(Some).map_err(|e| damaged(hit, &e));
    }
    let document: Json = serde_json::from_str(text).map_err(|e| damaged(hit, &e))?;
    let kept = filter_source(document, filter).to_string();
    RawValue::from_string(kept).map(Some).map_err(|e| damaged(hit, &e))
}

fn shown<'a>(hit: &'a Hit, as_: &Presentation<'_>) -> Result<Shown<'a>, ApiError> {
    Ok(Shown {
        _index: hit.index.as_str(),
        _id: as_.ids.then_some(&*hit.id),
        _version: as_.version.then_some(1),
        _seq_no: as_.seq_no.then_some(hit.seq.0),
        _primary_term: as_.seq_no.then_some(1),
        _score: Some(hit.said.score.filter(|_| as_.scores).map(printed)),
        _source: source(hit, &as_.source)?,
        fields: hit.fields.as_ref(),
        highlight: hit.highlight.as_deref(),
        sort: &hit.sort,
        inner_hits: BTreeMap::new(),
        matched_queries: matched(hit, as_.named_scores),
        _explanation: hit.said.explanation.as_ref().map(Explanation::json),
    })
}

/// One hit of our own streams: `{"_index":…,"_id":…,"_source":{…}}` on one line.
pub(super) fn line(hit: &Hit) -> String {
    let shown = Shown {
        _index: hit.index.as_str(),
        _id: Some(&hit.id),
        _version: None,
        _seq_no: None,
        _primary_term: None,
        _score: None,
        _source: source(hit, &SourceFilter::default()).ok().flatten(),
        fields: None,
        highlight: None,
        sort: &[],
        inner_hits: BTreeMap::new(),
        matched_queries: None,
        _explanation: None,
    };
    let text = serde_json::to_string(&shown).unwrap_or_default();
    // A line break of the source's own layout; inside of strings there are only escaped ones.
    text.replace(['\n', '\r'], " ")
}

/// `_shards` of a response.
pub(super) fn shards(shards: &Shards) -> Json {
    let failed = shards.failed.len();
    let mut out = json!({
        "total": shards.total,
        "successful": (shards.total as usize).saturating_sub(failed),
        "skipped": 0,
        "failed": failed,
    });
    if failed > 0 {
        out["failures"] = failures(shards);
    }
    out
}

fn failures(shards: &Shards) -> Json {
    let each = shards.failed.iter().enumerate().map(|(at, failure)| {
        json!({
            "shard": at,
            "index": failure.index,
            "node": NODE,
            "reason": { "type": failure.kind, "reason": failure.reason },
        })
    });
    each.collect()
}

/// What the one node is called where Elasticsearch names one.
const NODE: &str = "logdrive";

/// Fails when nothing could be read, or when not all could and the client wants all or nothing.
pub(super) fn check_shards(shards: &Shards, partial: bool) -> Result<(), ApiError> {
    let Some(first) = shards.failed.first() else { return Ok(()) };
    let all = shards.failed.len() >= shards.total as usize;
    if partial && !all {
        return Ok(());
    }
    let what = if all { "all shards failed" } else { "Partial shards failure" };
    let reason = format!("{what}: {}", first.reason);
    let root = json!({ "type": first.kind, "reason": first.reason });
    Err(ApiError::new(503, "search_phase_execution_exception", reason).in_phase(
        "query",
        root,
        failures(shards),
    ))
}

/// `hits` of an answer.
fn hits<'a>(answer: &'a SearchAnswer, as_: &Presentation<'_>) -> Result<Hits<'a>, ApiError> {
    let total = answer.total.map(|total| {
        let relation = match total.relation {
            Relation::Eq => "eq",
            Relation::Gte => "gte",
        };
        match as_.total_as_int {
            true => json!(total.value),
            false => json!({ "value": total.value, "relation": relation }),
        }
    });
    let total = total.or_else(|| as_.total_as_int.then(|| json!(-1)));
    let hits = answer.hits.iter().map(|hit| shown(hit, as_)).collect::<Result<Vec<_>, _>>()?;
    Ok(Hits { total, max_score: answer.max_score.filter(|_| as_.max_score).map(printed), hits })
}

/// The response to a search.
///
/// # Errors
/// A source is damaged.
pub(super) fn render(found: &Found, as_: &Presentation<'_>) -> Result<String, ApiError> {
    let answer = &found.answer;
    let mut hits = hits(answer, as_)?;
    for (hit, lists) in hits.hits.iter_mut().zip(&found.inner) {
        for ((name, inner), as_) in lists.iter().zip(&as_.inner) {
            hit.inner_hits.insert(name, Inner { hits: self::hits(inner, as_)? });
        }
    }
    let aggregations = answer.aggregations.as_ref().map(|aggs| match as_.typed {
        None => Aggregations::Plain(aggs),
        Some(spec) => Aggregations::Typed(typed(aggs.clone().into_json(), spec)),
    });
    let body = Body {
        _scroll_id: found.scroll_id.as_deref(),
        pit_id: as_.pit_id,
        took: answer.took_ms,
        timed_out: answer.timed_out,
        terminated_early: answer.terminated_early,
        _shards: shards(&answer.shards),
        hits,
        aggregations,
        profile: as_.profiled.map(|request| profile(answer, request)),
        status: as_.status,
    };
    serde_json::to_string(&body).map_err(|e| ApiError::internal(&e))
}

/// `profile`: each segment as a shard.
fn profile(answer: &SearchAnswer, request: &SearchRequest) -> Json {
    let description = described(&request.query);
    let shards = answer.profile.iter().enumerate().map(|(at, spent)| {
        let query = json!({
            "type": "BooleanQuery",
            "description": description,
            "time_in_nanos": spent.query_ns,
            "breakdown": {
                "match": 0, "match_count": 0, "next_doc": spent.query_ns,
                "next_doc_count": spent.matching, "advance": 0, "advance_count": 0, "score": 0,
                "score_count": 0, "build_scorer": 0, "build_scorer_count": 1, "create_weight": 0,
                "create_weight_count": 1, "shallow_advance": 0, "shallow_advance_count": 0,
                "compute_max_score": 0, "compute_max_score_count": 0, "set_min_competitive_score": 0,
                "set_min_competitive_score_count": 0, "count_weight": 0, "count_weight_count": 0,
            },
        });
        let collector = json!({
            "name": "QueryPhaseCollector",
            "reason": "search_query_phase",
            "time_in_nanos": spent.hits_ns + spent.aggs_ns,
            "children": [
                {
                    "name": "TopFieldCollector", "reason": "search_top_hits",
                    "time_in_nanos": spent.hits_ns,
                },
            ],
        });
        let aggregations: Vec<Json> = request.aggs.iter().map(|(name, _)| json!({
            "type": "Aggregator",
            "description": name,
            "time_in_nanos": spent.aggs_ns,
            "breakdown": { "collect": spent.aggs_ns, "collect_count": spent.matching },
        })).collect();
        json!({
            "id": format!("[{NODE}][{}][{at}]", spent.segment),
            "node_id": NODE,
            "shard_id": at,
            "index": spent.segment,
            "cluster": "(local)",
            "searches": [{ "query": [query], "rewrite_time": 0, "collector": [collector] }],
            "aggregations": aggregations,
        })
    });
    json!({ "shards": shards.collect::<Vec<_>>() })
}
