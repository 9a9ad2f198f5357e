//! What can be set? The shipper's settings, as `config/shipper.toml` documents them.
//!
//! Knows nothing of where they come from; see [`crate::settings_file`].

use std::collections::BTreeMap;

use model::wire::Ack;
use serde::Deserialize;

const PAUSE_MS_MAX: u64 = 86_400_000;
const PIECE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Everything that can be set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Files to read: patterns with `*`, `?`, `[a-z]` and `**`.
    pub path: Vec<String>,
    /// Files not to read: patterns; without a `/` they mean the file's name.
    pub exclude: Vec<String>,
    /// URL of the server.
    pub to: String,
    /// Directory of the spool and the checkpoint.
    pub state: String,
    /// Index that the lines go to.
    pub index: String,
    /// What the server must have done before a line counts as delivered.
    pub ack: Ack,
    /// `host.name` of the records; empty for the system's own.
    pub host_name: String,
    /// Minutes east of UTC of timestamps without a zone.
    pub time_zone_offset_minutes: i32,
    /// Further fields of every record.
    pub fields: BTreeMap<String, serde_json::Value>,
    /// Further HTTP headers of every request.
    pub headers: BTreeMap<String, String>,
    /// How files are followed.
    pub files: FileSettings,
    /// How lines are put together.
    pub batch: BatchSettings,
    /// What is kept on disk.
    pub spool: SpoolSettings,
    /// How batches are sent.
    pub send: SendSettings,
}

/// How files are followed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSettings {
    /// Milliseconds between two looks at the files.
    pub poll_interval_ms: u64,
    /// Bytes read from one file before the next one has its turn.
    pub read_bytes_max: usize,
    /// A longer line is cut into parts.
    pub line_bytes_max: usize,
    /// A file without new lines for this long is closed; the unfinished last line of a renamed or
    /// removed one is then taken as a line.
    pub close_inactive_ms: u64,
    /// How long a file that looks like the copy of another (`copytruncate`) is held back when it is
    /// too short to be sure.
    pub copy_wait_ms: u64,
    /// How long the position of a file that is gone is kept.
    pub forget_after_ms: u64,
    /// Files looked at in all; further ones are not read, which is reported.
    pub files_max: usize,
    /// Files open at the same time.
    pub open_files_max: usize,
}

/// How lines are put together.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchSettings {
    /// Bytes of one batch before compression; at most one record more.
    pub batch_bytes_max: usize,
    /// Milliseconds that a line waits for others.
    pub flush_interval_ms: u64,
    /// zstd's level.
    pub compression_level: i32,
}

/// What is kept on disk.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpoolSettings {
    /// Bytes of batches that wait for the server; when they are reached, reading waits.
    pub spool_bytes_max: u64,
    /// Bytes of `rejected.ndjson`; when they are reached, the older half goes.
    pub rejected_bytes_max: u64,
}

/// How batches are sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendSettings {
    /// Milliseconds to connect.
    pub connect_timeout_ms: u64,
    /// Milliseconds for one request and its answer.
    pub request_timeout_ms: u64,
    /// Milliseconds before the second try.
    pub back_off_first_ms: u64,
    /// Milliseconds before a later try, at most.
    pub back_off_max_ms: u64,
    /// Milliseconds before a batch is tried again that the server refuses as a whole (a wrong URL,
    /// a missing right).
    pub refused_wait_ms: u64,
    /// Milliseconds of a server's `Retry-After` that are obeyed, at most.
    pub retry_after_max_ms: u64,
}

impl Settings {
    /// What is wrong with the values, as texts that say the remedy.
    pub fn problems(&self) -> Vec<String> {
        let mut out = Vec::new();
        let mut need = |good: bool, text: &str| {
            if !good {
                out.push(text.to_owned());
            }
        };
        need(!self.path.is_empty(), "there is nothing to read: give `path` (`--path GLOB`)");
        need(!self.to.is_empty(), "there is no server: give `to` (`--to http://host:9200`)");
        need(!self.state.is_empty(), "there is no state directory: give `state` (`--state DIR`)");
        let http = self.to.starts_with("http://") || self.to.starts_with("https://");
        need(http || self.to.is_empty(), "`to` must begin with `http://` or `https://`");
        need(!self.index.is_empty(), "`index` must not be empty");
        let minutes = -14 * 60..=14 * 60;
        need(
            minutes.contains(&self.time_zone_offset_minutes),
            "`time_zone_offset_minutes` must lie between -840 and 840",
        );
        need(self.files.poll_interval_ms >= 1, "`files.poll_interval_ms` must be at least 1");
        need(self.files.read_bytes_max >= 1024, "`files.read_bytes_max` must be at least 1024");
        need(self.files.line_bytes_max >= 64, "`files.line_bytes_max` must be at least 64");
        need(self.files.files_max >= 1, "`files.files_max` must be at least 1");
        need(self.files.open_files_max >= 1, "`files.open_files_max` must be at least 1");
        need(self.batch.batch_bytes_max >= 1024, "`batch.batch_bytes_max` must be at least 1024");
        let level = 1..=19;
        need(
            level.contains(&self.batch.compression_level),
            "`batch.compression_level` must lie between 1 and 19",
        );
        need(self.send.request_timeout_ms >= 1, "`send.request_timeout_ms` must be at least 1");
        need(self.send.connect_timeout_ms >= 1, "`send.connect_timeout_ms` must be at least 1");
        need(self.send.back_off_first_ms >= 1, "`send.back_off_first_ms` must be at least 1");
        self.check_limits(&mut need);
        for key in self.fields.keys() {
            if is_reserved(key) {
                out.push(format!(
                    "the field `{key}` is written by the shipper itself: choose another name"
                ));
            }
        }
        out
    }

    /// Values beyond all use, which would overflow a clock or memory.
    fn check_limits(&self, need: &mut dyn FnMut(bool, &str)) {
        let (files, send) = (&self.files, &self.send);
        for (key, ms) in [
            ("files.poll_interval_ms", files.poll_interval_ms),
            ("batch.flush_interval_ms", self.batch.flush_interval_ms),
            ("send.connect_timeout_ms", send.connect_timeout_ms),
            ("send.request_timeout_ms", send.request_timeout_ms),
            ("send.back_off_first_ms", send.back_off_first_ms),
            ("send.back_off_max_ms", send.back_off_max_ms),
            ("send.refused_wait_ms", send.refused_wait_ms),
            ("send.retry_after_max_ms", send.retry_after_max_ms),
        ] {
            need(ms <= PAUSE_MS_MAX, &format!("`{key}` must be at most {PAUSE_MS_MAX} (a day)"));
        }
        for (key, bytes) in [
            ("files.read_bytes_max", files.read_bytes_max),
            ("files.line_bytes_max", files.line_bytes_max),
            ("batch.batch_bytes_max", self.batch.batch_bytes_max),
        ] {
            need(bytes <= PIECE_BYTES_MAX, &format!("`{key}` must be at most {PIECE_BYTES_MAX}"));
        }
    }
}

fn is_reserved(key: &str) -> bool {
    let own = ["@timestamp", "message", "log", "host", "event"];
    let own_dotted = ["host.name", "event.ingested"];
    key.is_empty() || own.contains(&key) || own_dotted.contains(&key) || key.starts_with("log.")
}
