//! Which HTTP requests bring records? One file a protocol; the only module here that knows axum.
//!
//! Every answer is JSON; every failure has Elasticsearch's form, also on the native path. The
//! header `X-Elastic-Product` is the server's to add.

mod body;
mod elastic;
mod failure;
mod filter_path;
mod media;
mod native;
mod params;
mod reply;

#[cfg(test)]
mod tests;

use crate::Ingest;

/// The routes of all protocols.
pub(crate) fn router(ingest: Ingest) -> axum::Router {
    axum::Router::new().merge(elastic::routes()).merge(native::routes()).with_state(ingest)
}
