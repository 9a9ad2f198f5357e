//! What does our own interface offer? Searches without a cap, a histogram, and following.

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::time::{TimeRange, Timestamp};
use serde_json::{Value as Json, json};

use super::call::Call;
use super::error::ApiError;
use super::indexes::{self, Lookup};
use super::params::Params;
use super::stream::{Events, Lines};
use super::{Api, hits, reply};
use crate::ast::Query;
use crate::clause::Limits;
use crate::dates::{Dates, Rounding, moment};
use crate::request::{
    Agg, AggKind, BucketOrder, DateHistogramAgg, Interval, Metric, MetricAgg, SearchRequest,
    SortBy, SortKey, TermsAgg, TrackTotal,
};
use crate::syntax::parse_search;

/// Widths of a histogram's buckets, in seconds.
const WIDTHS_S: [i64; 20] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200,
    86_400, 604_800, 2_592_000,
];
const BUCKETS_DEFAULT: u64 = 60;
const BUCKETS_MAX: u64 = 10_000;
/// How many values of the field `by` are counted in each bucket of a histogram.
const VALUES_MAX: usize = 20;

fn query(api: &Api, params: &Params) -> Result<Query, ApiError> {
    let limits = Limits {
        depth_max: api.settings.query_depth_max,
        clauses_max: api.settings.clauses_max,
        regex_bytes_max: api.settings.regex_bytes_max,
    };
    let text = params.get("q").unwrap_or_default();
    Ok(parse_search(text, &Dates::at(api.now()), limits)?)
}

/// The time between `since` and `until`; an `until` that names a day means to its end.
fn time(api: &Api, params: &Params) -> Result<TimeRange, ApiError> {
    let dates = Dates::at(api.now());
    let mut time = TimeRange::ALL;
    if let Some(since) = params.get("since") {
        time.from = moment(&dates, since, Rounding::Down)?;
    }
    if let Some(until) = params.get("until") {
        let last = moment(&dates, until, Rounding::Up)?;
        time.to = Timestamp(last.0.saturating_add(1));
    }
    if time.is_empty() {
        return Err(ApiError::illegal(format!(
            "`since` ({}) is not before `until` ({})",
            time.from, time.to
        )));
    }
    Ok(time)
}

fn number(params: &Params, name: &str) -> Result<Option<u64>, ApiError> {
    params
        .get(name)
        .map(|value| {
            value.parse().map_err(|_| {
                ApiError::illegal(format!("`{name}` must be a whole number, got `{value}`"))
            })
        })
        .transpose()
}

/// Query, time and indexes, as all endpoints here take them. A named index must be there.
fn request(api: &Api, params: &Params) -> Result<SearchRequest, ApiError> {
    let indexes = params.list("index");
    let snapshot = api.searcher.snapshot(&api.tenant());
    let (query, time) = (query(api, params)?, time(api, params)?);
    let mut request = SearchRequest { indexes, query, time, ..SearchRequest::default() };
    indexes::aim(api, &snapshot, &mut request, Lookup::default())?;
    Ok(request)
}

/// `GET /api/v1/search?q=&since=&until=&index=&limit=&order=`: NDJSON, newest first.
pub(super) async fn search(api: Api, call: Call) -> Result<Response, ApiError> {
    let params = &call.params;
    params.only_these(&call.path, &["q", "since", "until", "index", "limit", "order"])?;
    let descending = match params.get("order") {
        None | Some("desc") => true,
        Some("asc") => false,
        Some(other) => {
            return Err(ApiError::illegal(format!("`order` must be asc or desc, got `{other}`")));
        }
    };
    let limit = number(params, "limit")?;
    let mut request = request(&api, params)?;
    request.sort = vec![SortKey::new(SortBy::Time, descending)];
    request.track_total = TrackTotal::None;
    let limit = limit.unwrap_or(u64::MAX);
    request.size = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut hits = api.searcher.stream(&api.tenant(), request);
    // What fails before the first hit has a status of its own.
    let first = match limit {
        0 => None,
        _ => hits.recv().await.transpose()?,
    };
    let body = Body::from_stream(Lines::new(hits, first, limit));
    let kind = (header::CONTENT_TYPE, "application/x-ndjson");
    Ok((StatusCode::OK, [reply::PRODUCT, kind], body).into_response())
}

/// `GET /api/v1/tail?q=&index=`: server-sent events.
pub(super) async fn tail(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only_these(&call.path, &["q", "index"])?;
    let query = query(&api, &call.params)?;
    // The index may come into being while it is followed.
    let mut indexes = call.params.list("index");
    // Those of data streams have names of their own.
    let streams = indexes.iter().filter(|name| !name.starts_with(['-', '.', '<']));
    let backing: Vec<String> = streams.map(|name| format!(".ds-{name}-*")).collect();
    indexes.extend(backing);
    let events = Events::new(api.searcher.tail(&api.tenant(), query, indexes));
    let headers = [
        reply::PRODUCT,
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    Ok((StatusCode::OK, headers, Body::from_stream(events)).into_response())
}

fn edge(metric: Metric) -> Agg {
    let kind = AggKind::Metric(MetricAgg { metric, field: "@timestamp".to_owned(), missing: None });
    Agg { kind, aggs: Vec::new(), meta: None }
}

/// First and last time of what matches, in nanoseconds; `None` when nothing does.
async fn span(api: &Api, request: &SearchRequest) -> Result<Option<(i64, i64)>, ApiError> {
    let mut request = request.clone();
    request.aggs =
        vec![("from".to_owned(), edge(Metric::Min)), ("to".to_owned(), edge(Metric::Max))];
    let answer = api.searcher.search(&api.tenant(), request).await?;
    hits::check_shards(&answer.shards, true)?;
    let aggs = answer.aggregations.unwrap_or_default().into_json();
    let ms = |name: &str| aggs.get(name)?.get("value")?.as_f64().map(|ms| ms as i64);
    let ns = |ms: i64| Timestamp::from_millis(ms).0;
    Ok(ms("from").zip(ms("to")).map(|(from, to)| (ns(from), ns(to).saturating_add(1))))
}

/// `GET /api/v1/histogram?q=&since=&until=&index=&buckets=&by=`: counts over time in about so
/// many buckets, of a width that people like; in each the commonest values of the field `by`.
pub(super) async fn histogram(api: Api, call: Call) -> Result<Response, ApiError> {
    let params = &call.params;
    params.only_these(&call.path, &["q", "since", "until", "index", "buckets", "by"])?;
    let buckets = number(params, "buckets")?.unwrap_or(BUCKETS_DEFAULT);
    if !(1..=BUCKETS_MAX).contains(&buckets) {
        return Err(ApiError::illegal(format!(
            "`buckets` must be 1 to {BUCKETS_MAX}, got `{buckets}`"
        )));
    }
    let mut request = request(&api, params)?;
    request.size = 0;
    request.track_total = TrackTotal::All;
    let (mut from, mut to) = (request.time.from.0, request.time.to.0);
    if from == i64::MIN || to == i64::MAX {
        let Some(found) = span(&api, &request).await? else {
            let empty = json!({ "total": 0, "interval_ms": Json::Null, "buckets": [] });
            return reply::json(&call, empty);
        };
        from = if from == i64::MIN { found.0 } else { from };
        to = if to == i64::MAX { found.1.max(from) } else { to };
    }
    let width_ns = width_ns(to.saturating_sub(from), buckets);
    let histogram = DateHistogramAgg {
        field: "@timestamp".to_owned(),
        interval: Interval::Fixed(width_ns),
        offset_ns: 0,
        time_zone: None,
        min_doc_count: 0,
        extended_bounds: None,
        hard_bounds: None,
        format: None,
        keyed: false,
    };
    let kind = AggKind::DateHistogram(histogram);
    let by: Vec<_> = params.get("by").map(values).into_iter().collect();
    request.aggs = vec![("t".to_owned(), Agg { kind, aggs: by, meta: None })];
    let answer = api.searcher.search(&api.tenant(), request).await?;
    hits::check_shards(&answer.shards, true)?;
    let found = answer.aggregations.unwrap_or_default().into_json();
    let list = found.get("t").and_then(|t| t.get("buckets")).and_then(Json::as_array);
    let list: Vec<Json> = list.into_iter().flatten().map(bucket).collect();
    let total = answer.total.map_or(0, |t| t.value);
    let body = json!({
        "total": total,
        "interval_ms": width_ns / model::time::NS_PER_MS,
        "timed_out": answer.timed_out,
        "_shards": hits::shards(&answer.shards),
        "buckets": list,
    });
    reply::json(&call, body)
}

/// The most frequent values of a field, under the name `by`.
fn values(field: &str) -> (String, Agg) {
    let terms = TermsAgg {
        field: field.to_owned(),
        size: VALUES_MAX,
        order: vec![(BucketOrder::Count, true), (BucketOrder::Key, false)],
        min_doc_count: 1,
        missing: None,
    };
    ("by".to_owned(), Agg { kind: AggKind::Terms(terms), aggs: Vec::new(), meta: None })
}

fn bucket(b: &Json) -> Json {
    let mut out = json!({
        "time": b["key_as_string"], "time_ms": b["key"], "count": b["doc_count"],
    });
    if let Some(values) = b["by"]["buckets"].as_array() {
        let value = |v: &Json| json!({ "key": v["key"], "count": v["doc_count"] });
        out["by"] = values.iter().map(value).collect();
    }
    out
}

/// The narrowest liked width of which so many cover the span.
fn width_ns(span_ns: i64, buckets: u64) -> i64 {
    let needed = i128::from(span_ns) / i128::from(buckets);
    let second = i128::from(model::time::NS_PER_S);
    let liked = WIDTHS_S.iter().map(|s| i128::from(*s) * second).find(|w| *w >= needed);
    // Wider ones are whole months of thirty days.
    let month = 2_592_000 * second;
    let width = liked.unwrap_or_else(|| (needed / month + 1) * month);
    i64::try_from(width).unwrap_or(i64::MAX)
}
