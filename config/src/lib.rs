//! What are the settings? The parts' own settings together, and whether they fit each other.
//!
//! `config/logdrive.toml` holds every key with its default and is built in. Knows nothing of how
//! files and variables are read: that is `platform::settings`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use platform::settings::{Loaded, Origins, SettingsError, Sources};
use serde::Deserialize;

#[cfg(test)]
mod tests;

/// The shipped file: every key, its meaning and its default.
pub const DEFAULTS: &str = include_str!("../logdrive.toml");

/// All settings of a server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The process.
    pub server: ServerSettings,
    /// How bytes become durable records.
    pub ingest: ingest::Settings,
    /// How records become searchable objects.
    pub index: index::Settings,
    /// What clients set up besides records.
    pub meta: meta::Limits,
    /// How questions are answered.
    pub query: query::settings::Settings,
    /// Where objects lie.
    pub store: platform::object_store::Settings,
}

/// Settings of the process.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    /// Address of the HTTP interface.
    pub listen: SocketAddr,
    /// Where the write-ahead log, the catalog and local objects lie.
    pub data_dir: PathBuf,
    /// Filter of the process's own log, as `tracing_subscriber::EnvFilter` reads it.
    pub log: String,
    /// How long a stopping server waits for requests that still run.
    pub shutdown_ms: u64,
}

/// The settings of a server, from the defaults, the user's file (its name and content) and
/// variables (as `platform::settings::environment` gives them), checked.
///
/// # Errors
/// The first setting that is unknown, of the wrong type, or makes no sense with the others.
pub fn load(
    file: Option<(&Path, &str)>,
    environment: &[(String, String)],
) -> Result<Settings, SettingsError> {
    let sources = Sources { defaults: DEFAULTS, file, environment };
    let Loaded { settings, origins } = platform::settings::load::<Settings>(&sources)?;
    check(&settings, &origins)?;
    Ok(settings)
}

/// Checks across keys, and those that each part makes for itself.
fn check(settings: &Settings, origins: &Origins) -> Result<(), SettingsError> {
    let Settings { server, ingest, index, meta, query, store } = settings;
    if server.data_dir.as_os_str().is_empty() {
        return Err(origins.error("server.data_dir", "is empty; name a directory"));
    }
    ingest.check().map_err(|error| match error {
        ingest::IngestError::Settings { key, fault } => {
            origins.error(&format!("ingest.{key}"), fault)
        }
        other => origins.error("ingest", other),
    })?;
    store.check().map_err(|(key, wrong)| origins.error(&format!("store.{key}"), wrong))?;
    let positive: [(&str, u64); 21] = [
        ("index.roll_raw_bytes", index.roll_raw_bytes),
        ("index.roll_age_ms", index.roll_age_ms),
        ("index.bucket_ms", index.bucket_ms),
        ("index.buckets_per_roll_max", index.buckets_per_roll_max as u64),
        ("index.group_rows", u64::from(index.group_rows)),
        ("index.column_cache_bytes_max", index.column_cache_bytes_max),
        ("index.open_splits_max", index.open_splits_max as u64),
        ("index.remote.block_bytes", index.remote.block_bytes),
        ("index.remote.get_bytes_max", index.remote.get_bytes_max),
        ("index.remote.concurrent_max", index.remote.concurrent_max as u64),
        ("index.remote.timeout_ms", index.remote.timeout_ms),
        ("index.merge.raw_bytes_max", index.merge.raw_bytes_max),
        ("index.merge.interval_ms", index.merge.interval_ms),
        ("meta.entries_max", meta.entries_max as u64),
        ("meta.bytes_max", meta.bytes_max as u64),
        ("query.buckets_max", query.buckets_max as u64),
        ("query.concurrent_max", query.concurrent_max as u64),
        ("query.memory_bytes_max", query.memory_bytes_max),
        ("query.tail_queue_hits_max", query.tail_queue_hits_max as u64),
        ("query.timeout_ms", query.timeout_ms),
        ("query.api.body_bytes_max", query.api.body_bytes_max as u64),
    ];
    if let Some((key, _)) = positive.iter().find(|(_, value)| *value == 0) {
        return Err(origins.error(key, "is 0, but must be at least 1"));
    }
    let levels = [
        ("index.zstd_level", index.zstd_level),
        ("index.merged_zstd_level", index.merged_zstd_level),
    ];
    if let Some((key, level)) = levels.iter().find(|(_, level)| !(1..=22).contains(level)) {
        let wrong = format!("is {level}, but zstd knows levels 1 to 22");
        return Err(origins.error(key, wrong));
    }
    if index.merge.factor == 1 {
        return Err(origins.error("index.merge.factor", "is 1; merge at least 2, or 0 for never"));
    }
    check_order(settings, origins)
}

/// Checks limits that must not be above other limits.
fn check_order(settings: &Settings, origins: &Origins) -> Result<(), SettingsError> {
    let Settings { ingest, index, .. } = settings;
    let at_most = [
        (
            ("ingest.document_bytes_max", ingest.document_bytes_max),
            ("ingest.body_bytes_max", ingest.body_bytes_max),
        ),
        (
            ("index.roll_raw_bytes", index.roll_raw_bytes),
            ("index.live_memory_bytes_max", index.live_memory_bytes_max),
        ),
        (
            ("index.remote.block_bytes", index.remote.block_bytes),
            ("index.remote.get_bytes_max", index.remote.get_bytes_max),
        ),
        (("index.remote.hedge_percent_max", index.remote.hedge_percent_max), ("100 %", 100)),
        (
            ("index.roll_raw_bytes", index.roll_raw_bytes),
            ("ingest.wal.bytes_max", ingest.wal.bytes_max),
        ),
    ];
    match at_most.iter().find(|((_, small), (_, large))| small > large) {
        Some(((key, small), (limit, large))) => {
            Err(origins.error(key, format!("is {small}, more than `{limit}` = {large}")))
        }
        None => Ok(()),
    }
}
