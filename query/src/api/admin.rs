//! What can be done with indexes besides? Flushing and the like, which need no doing here; what
//! cannot be done with records that never change; analysis of text; who is asking.

use axum::Router;
use axum::response::Response;
use axum::routing::MethodFilter;
use serde_json::{Value as Json, json};

use super::call::Call;
use super::error::ApiError;
use super::indexes::{self, LOOKUP_PARAMS, Lookup};
use super::{Api, cluster, endpoint, reply};

/// The longest text that is analyzed, in tokens: as Elasticsearch's `index.analyze.max_token_count`.
const TOKENS_MAX: usize = 10_000;

pub(super) fn routes() -> Router<Api> {
    let (get, post) = (MethodFilter::GET, MethodFilter::POST);
    let both = get.or(post);
    let any = post.or(MethodFilter::PUT);
    let mut router = Router::new()
        .route("/_xpack", endpoint(get, "xpack", xpack))
        .route("/_xpack/usage", endpoint(get, "xpack", usage))
        .route("/_security/_authenticate", endpoint(get, "security", authenticate))
        .route("/_remote/info", endpoint(get, "remote", remote))
        .route("/_reindex", endpoint(post, "refused", refuse))
        .route("/{index}/_update/{id}", endpoint(post, "refused", refuse))
        .route("/{index}/_update_by_query", endpoint(post, "refused", refuse))
        .route("/{index}/_clone/{target}", endpoint(any, "refused", refuse))
        .route("/{index}/_shrink/{target}", endpoint(any, "refused", refuse))
        .route("/{index}/_split/{target}", endpoint(any, "refused", refuse));
    for prefix in ["", "/{index}"] {
        let at = |name: &str| format!("{prefix}/{name}");
        router = router
            .route(&at("_flush"), endpoint(both, "flush", done))
            .route(&at("_forcemerge"), endpoint(post, "forcemerge", done))
            .route(&at("_cache/clear"), endpoint(post, "cache", done))
            .route(&at("_analyze"), endpoint(both, "analyze", analyze));
    }
    router
}

/// `_flush`, `_forcemerge`, `_cache/clear`: what is acknowledged is durable, splits are merged by
/// themselves, caches are bounded.
async fn done(api: Api, call: Call) -> Result<Response, ApiError> {
    let known = [
        "force",
        "wait_if_ongoing",
        "max_num_segments",
        "only_expunge_deletes",
        "flush",
        "wait_for_completion",
        "fielddata",
        "fields",
        "query",
        "request",
        "index",
    ];
    call.params.only(&call.path, &[&LOOKUP_PARAMS, &known])?;
    let snapshot = api.searcher.snapshot(&api.tenant());
    let found = indexes::resolve(&api, &snapshot, &call.indexes, Lookup::about(&call.params)?)?;
    let shards = json!({ "total": found.len(), "successful": found.len(), "failed": 0 });
    reply::json(&call, json!({ "_shards": shards }))
}

/// Records are never changed, nor copied from one index to another.
async fn refuse(_: Api, call: Call) -> Result<Response, ApiError> {
    let verb = ["_reindex", "_update_by_query", "_update", "_clone", "_shrink", "_split"]
        .into_iter()
        .find(|verb| call.path.split('/').any(|part| part == *verb));
    let remedy = match verb {
        Some("_reindex") => "send the documents to the other index again",
        Some("_update" | "_update_by_query") => "send the document as a new one",
        _ => "an index has no shards whose number could change",
    };
    Err(ApiError::illegal(format!(
        "[{}] is not supported: log records are immutable; {remedy}",
        verb.unwrap_or("this")
    )))
}

/// `GET /_xpack`.
async fn xpack(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&["categories", "accept_enterprise"]])?;
    let on = json!({ "available": true, "enabled": true });
    let off = json!({ "available": false, "enabled": false });
    reply::json(
        &call,
        json!({
            "build": { "hash": env!("CARGO_PKG_VERSION"), "date": cluster::BUILD_DATE },
            "license": {
                "uid": api.cluster_uuid, "type": "basic", "mode": "basic", "status": "active",
            },
            "features": {
                "analytics": on, "data_streams": on, "ilm": on,
                "ccr": off, "enrich": off, "eql": off, "esql": off, "graph": off, "logstash": off,
                "ml": off, "monitoring": off, "rollup": off, "searchable_snapshots": off,
                "security": off, "slm": off, "sql": off, "transform": off, "watcher": off,
            },
            "tagline": "You know, for X",
        }),
    )
}

/// `GET /_xpack/usage`.
async fn usage(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&["master_timeout"]])?;
    let state = api.registry.state();
    let off = json!({ "available": false, "enabled": false });
    let streams = state.streams().count();
    let backing: usize = state.streams().map(|(_, stream)| stream.indices.len()).sum();
    let policies = state.all(model::meta::MetaKind::LifecyclePolicy).count();
    reply::json(
        &call,
        json!({
            "security": off, "monitoring": off, "watcher": off, "graph": off, "ml": off,
            "data_streams": {
                "available": true, "enabled": true, "data_streams": streams,
                "indices_count": backing,
            },
            "ilm": { "policy_count": policies, "policy_stats": [] },
        }),
    )
}

/// `GET /_security/_authenticate`: there are no users.
async fn authenticate(_: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[])?;
    let realm = json!({ "name": "__anonymous", "type": "__anonymous" });
    reply::json(
        &call,
        json!({
            "username": "_anonymous", "roles": ["superuser"], "full_name": Json::Null,
            "email": Json::Null, "metadata": {}, "enabled": true,
            "authentication_realm": realm, "lookup_realm": realm,
            "authentication_type": "anonymous",
        }),
    )
}

/// `GET /_remote/info`: there are no remote clusters.
async fn remote(_: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[])?;
    reply::json(&call, json!({}))
}

/// How a text is cut into tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Analysis {
    /// As text fields are.
    Standard,
    /// At spaces alone.
    Whitespace,
    /// Not at all.
    Keyword,
}

/// `GET|POST /_analyze`, `/{index}/_analyze`.
async fn analyze(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&["index"]])?;
    if !call.indexes.is_empty() {
        let snapshot = api.searcher.snapshot(&api.tenant());
        indexes::resolve(&api, &snapshot, &call.indexes, Lookup::about(&call.params)?)?;
    }
    let Json::Object(body) = call.required_json()? else {
        return Err(ApiError::new(400, "parse_exception", "the body must be an object"));
    };
    let (mut texts, mut how) = (Vec::new(), Analysis::Standard);
    for (key, value) in &body {
        match (key.as_str(), value) {
            ("text", Json::String(text)) => texts.push(text.clone()),
            ("text", Json::Array(list)) => {
                texts.extend(list.iter().filter_map(Json::as_str).map(str::to_owned));
            }
            ("analyzer" | "tokenizer", Json::String(name)) => how = analysis(key, name)?,
            ("field", Json::String(_)) => {}
            ("explain", Json::Bool(false)) => {}
            ("filter", Json::Array(list)) if list.iter().all(|f| f == "lowercase") => {}
            ("char_filter", Json::Array(list)) if list.is_empty() => {}
            _ => {
                let reason = format!("[{key}] is not supported by this [_analyze] with [{value}]");
                return Err(ApiError::illegal(reason));
            }
        }
    }
    if texts.is_empty() {
        let reason = "Validation Failed: 1: text is missing;";
        return Err(ApiError::new(400, "action_request_validation_exception", reason));
    }
    let mut tokens = Vec::new();
    let (mut before, mut position) = (0, 0);
    for text in &texts {
        tokenize(text, how, (before, &mut position), &mut tokens)?;
        // Texts of a list lie one position apart, as Elasticsearch's values do.
        before += text.encode_utf16().count() + 1;
        position += 100;
    }
    reply::json(&call, json!({ "tokens": tokens }))
}

fn analysis(key: &str, name: &str) -> Result<Analysis, ApiError> {
    match name {
        "standard" | "default" | "lowercase" => Ok(Analysis::Standard),
        "whitespace" => Ok(Analysis::Whitespace),
        "keyword" => Ok(Analysis::Keyword),
        other => {
            let reason = format!("failed to find global {key} [{other}]");
            Err(ApiError::illegal(reason))
        }
    }
}

fn tokenize(
    text: &str,
    how: Analysis,
    (before, position): (usize, &mut usize),
    out: &mut Vec<Json>,
) -> Result<(), ApiError> {
    let spans: Box<dyn Iterator<Item = (usize, usize)>> = match how {
        Analysis::Standard => Box::new(model::token::spans(text)),
        Analysis::Keyword => Box::new(std::iter::once((0, text.len()))),
        Analysis::Whitespace => Box::new(text.split_whitespace().map(|word| {
            let at = word.as_ptr() as usize - text.as_ptr() as usize;
            (at, at + word.len())
        })),
    };
    // Offsets count as Java's strings do.
    let (mut at, mut units) = (0, before);
    for (from, to) in spans {
        if out.len() >= TOKENS_MAX {
            return Err(ApiError::new(
                500,
                "illegal_state_exception",
                format!(
                    "The number of tokens produced by calling _analyze has exceeded the allowed \
                 maximum of [{TOKENS_MAX}]. This limit can be set by changing the \
                 [index.analyze.max_token_count] index level setting."
                ),
            ));
        }
        units += text[at..from].encode_utf16().count();
        let start = units;
        units += text[from..to].encode_utf16().count();
        at = to;
        let word = &text[from..to];
        let (token, ty) = match how {
            Analysis::Standard => {
                let digits = word.bytes().all(|b| b.is_ascii_digit());
                (model::token::fold(word).into_owned(), if digits { "<NUM>" } else { "<ALPHANUM>" })
            }
            Analysis::Whitespace | Analysis::Keyword => (word.to_owned(), "word"),
        };
        out.push(json!({
            "token": token, "start_offset": start, "end_offset": units, "type": ty,
            "position": *position,
        }));
        *position += 1;
    }
    Ok(())
}
