//! Which data streams are there? Making, showing and deleting them, their lifecycles, and rolling
//! over.

use axum::Router;
use axum::response::Response;
use axum::routing::MethodFilter;
use meta::rollover::{self, Asked, Size};
use meta::stream;
use model::meta::MetaKind;
use serde_json::{Value as Json, json};

use super::call::Call;
use super::error::ApiError;
use super::indexes::{Indexes, LOOKUP_PARAMS};
use super::templates::{MASTER_PARAMS, acknowledged};
use super::{Api, endpoint, made, reply};

pub(super) fn routes() -> Router<Api> {
    let (get, put) = (MethodFilter::GET, MethodFilter::PUT);
    let (post, delete) = (MethodFilter::POST, MethodFilter::DELETE);
    let one = endpoint(get, "data_stream", show)
        .merge(endpoint(put, "data_stream", create))
        .merge(endpoint(delete, "data_stream", remove));
    let lifecycle = endpoint(get, "data_stream", lifecycle)
        .merge(endpoint(put, "data_stream", set_lifecycle))
        .merge(endpoint(delete, "data_stream", unset_lifecycle));
    Router::new()
        .route("/_data_stream", endpoint(get, "data_stream", show))
        .route("/_data_stream/{name}", one)
        .route("/_data_stream/_stats", endpoint(get, "data_stream", stats))
        .route("/_data_stream/{name}/_stats", endpoint(get, "data_stream", stats))
        .route("/_data_stream/{name}/_lifecycle", lifecycle)
        .route("/{index}/_rollover", endpoint(post, "rollover", roll_over))
        .route("/{index}/_rollover/{name}", endpoint(post, "rollover", roll_over))
}

fn hidden(call: &Call) -> bool {
    call.params.list("expand_wildcards").iter().any(|v| v == "hidden" || v == "all")
}

async fn show(api: Api, call: Call) -> Result<Response, ApiError> {
    let known = ["include_defaults", "verbose"];
    call.params.only(&call.path, &[&MASTER_PARAMS, &LOOKUP_PARAMS, &known])?;
    let state = api.registry.state();
    let found = stream::find(&state, &call.part_list("name"), hidden(&call))?;
    let uuid = |name: &str| api.registry.uuid(name);
    let shown: Vec<Json> =
        found.iter().map(|(name, _)| stream::shown(&state, name, &uuid)).collect();
    reply::json(&call, json!({ "data_streams": shown }))
}

async fn create(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&MASTER_PARAMS])?;
    let name = call.part("name").to_owned();
    api.update(move |draft| stream::create(draft, &name)).await?;
    acknowledged(&call)
}

async fn remove(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&MASTER_PARAMS, &LOOKUP_PARAMS])?;
    let state = api.registry.state();
    let found = stream::find(&state, &call.part_list("name"), hidden(&call))?;
    let names: Vec<String> = found.iter().map(|(name, _)| (*name).to_owned()).collect();
    let backing = found.iter().flat_map(|(_, s)| s.indices.iter().map(|i| i.name.clone()));
    made::delete_records(&api, backing.collect()).await?;
    api.update(move |draft| {
        names.iter().for_each(|name| draft.delete(MetaKind::DataStream, name));
        Ok(())
    })
    .await?;
    acknowledged(&call)
}

async fn stats(api: Api, call: Call) -> Result<Response, ApiError> {
    let known = ["human", "forbid_closed_indices"];
    call.params.only(&call.path, &[&MASTER_PARAMS, &LOOKUP_PARAMS, &known])?;
    let snapshot = api.searcher.snapshot(&api.tenant());
    let indexes = Indexes::of(&api, &snapshot);
    let found = stream::find(&indexes.state, &call.part_list("name"), hidden(&call))?;
    let (mut count, mut total) = (0, 0);
    let mut each = Vec::new();
    for (name, stream) in found {
        let of = |index: &str| stream.indices.iter().any(|i| i.name == index);
        let bytes: u64 = stream.indices.iter().map(|i| indexes.known.stats(&i.name).bytes).sum();
        let splits = snapshot.splits.iter().map(|s| s.meta());
        let newest = splits
            .filter(|m| m.indexes.iter().any(|(n, _)| of(n.as_str())))
            .map(|m| m.time.to.0 - 1)
            .chain(
                snapshot
                    .live
                    .iter()
                    .filter(|l| l.batch.batch.indexes().iter().any(|n| of(n.as_str())))
                    .map(|l| l.time.to.0 - 1),
            )
            .max();
        count += stream.indices.len();
        total += bytes;
        each.push(json!({
            "data_stream": name,
            "backing_indices": stream.indices.len(),
            "store_size_bytes": bytes,
            "maximum_timestamp": newest.map_or(0, |ns| model::time::Timestamp(ns).millis()),
        }));
    }
    let shards = json!({ "total": count, "successful": count, "failed": 0 });
    reply::json(
        &call,
        json!({
            "_shards": shards, "data_stream_count": each.len(), "backing_indices": count,
            "total_store_size_bytes": total, "data_streams": each,
        }),
    )
}

async fn lifecycle(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&MASTER_PARAMS, &LOOKUP_PARAMS, &["include_defaults"]])?;
    let state = api.registry.state();
    let found = stream::find(&state, &call.part_list("name"), hidden(&call))?;
    let each = found.iter().map(|(name, _)| match stream::lifecycle_of(&state, name) {
        Some(own) => json!({ "name": name, "lifecycle": own }),
        None => json!({ "name": name }),
    });
    reply::json(&call, json!({ "data_streams": each.collect::<Vec<_>>() }))
}

async fn set_lifecycle(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&MASTER_PARAMS, &LOOKUP_PARAMS])?;
    let own = stream::lifecycle(&call.json()?.unwrap_or_else(|| json!({})))?;
    change_lifecycles(&api, &call, Some(own)).await?;
    acknowledged(&call)
}

async fn unset_lifecycle(api: Api, call: Call) -> Result<Response, ApiError> {
    call.params.only(&call.path, &[&MASTER_PARAMS, &LOOKUP_PARAMS])?;
    change_lifecycles(&api, &call, None).await?;
    acknowledged(&call)
}

async fn change_lifecycles(api: &Api, call: &Call, own: Option<Json>) -> Result<(), ApiError> {
    let (names, hidden) = (call.part_list("name"), hidden(call));
    api.update(move |draft| {
        let found = stream::find(draft.state(), &names, hidden)?;
        let found: Vec<_> = found.into_iter().map(|(n, s)| (n.to_owned(), s.clone())).collect();
        for (name, mut stream) in found {
            stream.lifecycle.clone_from(&own);
            draft.put(MetaKind::DataStream, &name, &stream)?;
        }
        Ok(())
    })
    .await
}

/// `POST /{target}/_rollover[/{new}]`.
async fn roll_over(api: Api, call: Call) -> Result<Response, ApiError> {
    let known = ["dry_run", "lazy", "wait_for_active_shards", "target_failure_store"];
    call.params.only(&call.path, &[&MASTER_PARAMS, &known])?;
    if call.params.flag("lazy")? == Some(true) {
        return Err(ApiError::illegal("[lazy] is not supported: roll over at once"));
    }
    let new_name = Some(call.part("name")).filter(|name| !name.is_empty());
    let asked = Asked {
        target: call.part("index").to_owned(),
        new_name: new_name.map(str::to_owned),
        dry_run: call.params.flag("dry_run")?.unwrap_or(false),
        body: call.json()?,
    };
    let known = Indexes::of(&api, &api.searcher.snapshot(&api.tenant())).known;
    let answer = api
        .update(move |draft| {
            let size = |name: &str| {
                let stats = known.stats(name);
                Size { docs: stats.docs, bytes: stats.bytes }
            };
            rollover::roll_over(draft, &known.names, asked, &size)
        })
        .await?;
    reply::json(&call, answer)
}
