//! Which indexes are there, for a person? `_cat/indices`.

use axum::response::Response;

use super::super::Api;
use super::super::call::Call;
use super::super::error::ApiError;
use super::super::indexes::{Indexes, LOOKUP_PARAMS, Lookup};
use super::super::made::created_ms;
use super::{Cell, Column, PARAMS, more, respond, shown};

const COLUMNS: [Column; 18] = [
    shown("health", "h", "current health status"),
    shown("status", "s", "open/close status"),
    shown("index", "i,idx", "index name"),
    shown("uuid", "id,uuid", "index uuid"),
    shown("pri", "p,shards.primary,shardsPrimary", "number of primary shards"),
    shown("rep", "r,shards.replica,shardsReplica", "number of replica shards"),
    shown("docs.count", "dc,docsCount", "available docs"),
    shown("docs.deleted", "dd,docsDeleted", "deleted docs"),
    more("creation.date", "cd", "index creation date (millisecond value)"),
    more("creation.date.string", "cds", "index creation date (as string)"),
    shown("store.size", "ss,storeSize", "store size of primaries & replicas"),
    shown("pri.store.size", "", "store size of primaries"),
    shown("dataset.size", "", "total size of dataset"),
    more("segments.count", "sc,segmentsCount", "number of segments"),
    more("pri.segments.count", "", "number of segments"),
    more("search.throttled", "sth", "indicates if the index is search throttled"),
    more("refresh.listeners", "rli,refreshListeners", "number of pending refresh listeners"),
    more("memory.total", "tm,memoryTotal", "total used memory"),
];

/// `GET /_cat/indices`, `GET /_cat/indices/{index}`.
pub(super) async fn indices(api: Api, call: Call) -> Result<Response, ApiError> {
    let known = ["health", "pri", "include_unloaded_segments"];
    call.params.only(&call.path, &[&LOOKUP_PARAMS, &PARAMS, &known])?;
    let indexes = Indexes::of(&api, &api.searcher.snapshot(&api.tenant()));
    let found = indexes.resolve(&call.indexes, Lookup::about_all(&call.params)?)?;
    let mut rows = Vec::with_capacity(found.len());
    match call.params.get("health") {
        None | Some("green") => {}
        Some("yellow" | "red") => return respond(&call, &COLUMNS, rows),
        Some(other) => {
            let reason = format!("unknown cluster health status [{other}]");
            return Err(ApiError::illegal(reason));
        }
    }
    for (name, stats) in found {
        let closed = indexes.state.index(&name).is_some_and(|index| index.closed);
        let created = created_ms(&indexes.state, &name);
        let date = created.map(|ms| model::time::Timestamp::from_millis(ms).rfc3339_millis());
        rows.push(vec![
            "green".into(),
            if closed { "close" } else { "open" }.into(),
            name.clone().into(),
            api.registry.uuid(&name).into(),
            1.into(),
            0.into(),
            stats.docs.into(),
            0.into(),
            created.map_or(Cell::None, |ms| Cell::Number(ms as f64)),
            date.map_or(Cell::None, Cell::from),
            Cell::Bytes(stats.bytes),
            Cell::Bytes(stats.bytes),
            Cell::Bytes(stats.bytes),
            stats.segments.into(),
            stats.segments.into(),
            "false".into(),
            0.into(),
            Cell::Bytes(0),
        ]);
    }
    respond(&call, &COLUMNS, rows)
}
