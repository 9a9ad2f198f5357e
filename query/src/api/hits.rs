//! What does a search response look like? Elasticsearch's JSON, with the sources spliced in as
//! they came.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json, json};

use super::error::ApiError;
use super::filter::filter_source;
use crate::answer::{Hit, Relation, SearchAnswer, Shards};
use crate::request::SourceFilter;
use crate::tree::Object;

/// What of an answer is shown, and how.
#[derive(Clone, Debug, Default)]
pub(super) struct Presentation {
    pub(super) source: SourceFilter,
    pub(super) version: bool,
    pub(super) seq_no: bool,
    /// Each hit has a score; otherwise it is null.
    pub(super) scores: bool,
    /// The best score is told: only when scores are the order.
    pub(super) max_score: bool,
    /// `hits.total` is a number.
    pub(super) total_as_int: bool,
    /// A status inside of the body, for `_msearch`.
    pub(super) status: Option<u16>,
}

#[derive(Serialize)]
struct Body<'a> {
    took: u64,
    timed_out: bool,
    _shards: Json,
    hits: Hits<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aggregations: Option<&'a Object>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
}

#[derive(Serialize)]
struct Hits<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<Json>,
    max_score: Option<f64>,
    hits: Vec<Shown<'a>>,
}

/// One hit as JSON.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    _index: &'a str,
    _id: &'a str,
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
    #[serde(skip_serializing_if = "<[Json]>::is_empty")]
    sort: &'a [Json],
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

fn shown<'a>(hit: &'a Hit, as_: &Presentation) -> Result<Shown<'a>, ApiError> {
    Ok(Shown {
        _index: hit.index.as_str(),
        _id: &hit.id,
        _version: as_.version.then_some(1),
        _seq_no: as_.seq_no.then_some(hit.seq.0),
        _primary_term: as_.seq_no.then_some(1),
        _score: Some(as_.scores.then_some(1.0)),
        _source: source(hit, &as_.source)?,
        fields: hit.fields.as_ref(),
        sort: &hit.sort,
    })
}

/// One hit of our own streams: `{"_index":…,"_id":…,"_source":{…}}` on one line.
pub(super) fn line(hit: &Hit) -> String {
    let shown = Shown {
        _index: hit.index.as_str(),
        _id: &hit.id,
        _version: None,
        _seq_no: None,
        _primary_term: None,
        _score: None,
        _source: source(hit, &SourceFilter::default()).ok().flatten(),
        fields: None,
        sort: &[],
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
        let each = shards.failed.iter().enumerate().map(|(at, failure)| {
            json!({
                "shard": at,
                "index": failure.split,
                "node": Json::Null,
                "reason": { "type": "i_o_exception", "reason": failure.reason },
            })
        });
        out["failures"] = each.collect();
    }
    out
}

/// Fails when nothing could be read, or when not all could and the client wants all or nothing.
pub(super) fn check_shards(shards: &Shards, partial: bool) -> Result<(), ApiError> {
    let Some(first) = shards.failed.first() else { return Ok(()) };
    let all = shards.failed.len() >= shards.total as usize;
    if partial && !all {
        return Ok(());
    }
    let what = if all { "all shards failed" } else { "Partial shards failure" };
    let reason = format!("{what}: {}", first.reason);
    Err(ApiError::new(503, "search_phase_execution_exception", reason))
}

/// The response to a search.
///
/// # Errors
/// A source is damaged.
pub(super) fn render(answer: &SearchAnswer, as_: &Presentation) -> Result<String, ApiError> {
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
    let body = Body {
        took: answer.took_ms,
        timed_out: answer.timed_out,
        _shards: shards(&answer.shards),
        hits: Hits { total, max_score: (as_.max_score && !hits.is_empty()).then_some(1.0), hits },
        aggregations: answer.aggregations.as_ref(),
        status: as_.status,
    };
    serde_json::to_string(&body).map_err(|e| ApiError::internal(&e))
}
