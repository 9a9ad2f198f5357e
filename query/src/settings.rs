//! What can be set of the query part? Limits of the executor and of the HTTP interface.
//!
//! Plain data; the defaults are in the shipped configuration file.

use serde::Deserialize;

/// Settings of searches.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The most buckets that the aggregations of one search may make.
    pub buckets_max: usize,
    /// How many searches run at once; more wait, and past as many again are refused.
    pub concurrent_max: usize,
    /// Threads that search; 0 means one a core.
    pub threads: usize,
    /// The most memory that all running searches may hold, in bytes.
    pub memory_bytes_max: u64,
    /// Memory for what splits answered to counts and aggregations, in bytes; 0 keeps nothing.
    pub partial_cache_bytes_max: u64,
    /// How many lines wait for a client that follows new lines, before some are left out.
    pub tail_queue_hits_max: usize,
    /// The longest that a search may take, in milliseconds; a request may ask for less.
    pub timeout_ms: u64,
    /// The HTTP interface.
    pub api: ApiSettings,
}

/// Settings of the search interface over HTTP.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiSettings {
    /// The version of Elasticsearch that clients are told.
    pub version: String,
    /// The name of the cluster that clients are told.
    pub cluster_name: String,
    /// The most that `from` + `size` may be.
    pub result_window_max: usize,
    /// How deep queries and aggregations may be nested.
    pub query_depth_max: usize,
    /// How many clauses a query, and how many aggregations a search, may have.
    pub clauses_max: usize,
    /// How many searches one `_msearch` may hold.
    pub msearch_max: usize,
    /// The longest regular expression, in bytes.
    pub regex_bytes_max: usize,
    /// The largest request body, in bytes.
    pub body_bytes_max: usize,
    /// What is kept between requests.
    pub contexts: ContextSettings,
}

/// Settings of what is kept between requests.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContextSettings {
    /// How many scrolls and points in time may be open.
    pub open_max: usize,
    /// The longest that one of them, or an asynchronous search, may be kept unasked, in milliseconds.
    pub keep_alive_ms_max: u64,
    /// How many asynchronous searches may run or be kept.
    pub async_max: usize,
    /// Memory for the answers of asynchronous searches, and as much for the requests of scrolls, in
    /// bytes.
    pub bytes_max: usize,
}
