//! Did the server take it? Sends the oldest batch of the spool, once a step.
//!
//! One batch is under way at a time, so lines arrive in the order in which they were read. A batch
//! leaves the spool only on a receipt. Knows nothing of files; how long to wait after a failure is
//! returned, not slept.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::wire::{Ack, BATCH_ID_HEADER, CONTENT_TYPE, INGEST_PATH, Receipt};
use platform::rng::Rng;
use platform::telemetry::{self, Metric};

use crate::settings::{SendSettings, Settings};
use crate::spool::entry::Entry;
use crate::spool::{Halving, Spool};

/// No answer that is read is longer.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;
/// A single record under this is never given up as too large: such a limit is a fault of a proxy's
/// settings, which somebody will set right.
const TOO_LARGE_BYTES_MIN: u64 = 64 * 1024;
/// So much of an answer is shown in a message.
const REASON_CHARS_MAX: usize = 300;

/// What a step did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// There was nothing to send.
    Idle,
    /// A batch was confirmed, halved or given up: go on at once.
    Moved,
    /// It did not work; wait before the next step.
    Wait(Duration),
}

/// What was delivered, for the summary.
#[derive(Debug, Default)]
pub struct Delivered {
    /// Batches confirmed.
    pub batches: AtomicU64,
    /// Lines that the server has.
    pub lines: AtomicU64,
    /// Bytes of them as they stood in the files.
    pub bytes: AtomicU64,
    /// Lines that the server refused for good.
    pub rejected: AtomicU64,
}

/// Sends batches to one server.
#[derive(Debug)]
pub struct Sender {
    agent: ureq::Agent,
    url: String,
    headers: BTreeMap<String, String>,
    settings: SendSettings,
    rng: Arc<dyn Rng>,
    /// Failures in a row.
    failures: u32,
    /// The reason last logged, so that a long outage is not a line a second.
    last_reason: String,
    delivered: Arc<Delivered>,
}

/// How the server answered.
#[derive(Debug)]
enum Answer {
    Taken(Receipt),
    /// Later: the reason for the metric, the text, how long the server wants us to wait.
    Later(&'static str, String, Option<Duration>),
    /// Too large as a whole.
    TooLarge(String),
    /// As a whole never, unless something is set right.
    Refused(String),
}

impl Sender {
    /// For these settings.
    pub fn new(settings: &Settings, rng: Arc<dyn Rng>, delivered: Arc<Delivered>) -> Self {
        let send = settings.send.clone();
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_millis(send.connect_timeout_ms)))
            .timeout_global(Some(Duration::from_millis(send.request_timeout_ms)))
            .user_agent(concat!("logdrive-shipper/", env!("CARGO_PKG_VERSION")))
            .build();
        let ack = match settings.ack {
            Ack::Durable => "durable",
            Ack::Stored => "stored",
        };
        let base = settings.to.trim_end_matches('/');
        let index = percent_encode(&settings.index);
        Self {
            agent: config.into(),
            url: format!("{base}{INGEST_PATH}?index={index}&ack={ack}"),
            headers: settings.headers.clone(),
            settings: send,
            rng,
            failures: 0,
            last_reason: String::new(),
            delivered,
        }
    }

    /// Sends the oldest batch, if there is one.
    pub fn step(&mut self, spool: &Spool) -> Step {
        let entry = match spool.oldest() {
            Ok(Some(entry)) => entry,
            Ok(None) => return Step::Idle,
            Err(e) => return self.later("spool", format!("cannot read the spool: {e}"), None),
        };
        match self.post(&entry) {
            Answer::Taken(receipt) => self.confirm(spool, &entry, &receipt),
            Answer::Later(kind, reason, wait) => self.later(kind, reason, wait),
            Answer::TooLarge(reason) => self.halve(spool, &entry, reason),
            Answer::Refused(reason) => self.refused(&reason),
        }
    }

    fn refused(&self, reason: &str) -> Step {
        telemetry::count_by(Metric::ShipperRetries, "reason", "refused", 1);
        let wait_ms = self.settings.refused_wait_ms;
        let url = &self.url;
        tracing::error!(
            url,
            reason,
            wait_ms,
            "the server refuses the batch; it is kept and tried again"
        );
        Step::Wait(self.jitter(wait_ms))
    }

    fn post(&self, entry: &Entry) -> Answer {
        let mut request = self
            .agent
            .post(&self.url)
            .header("content-type", CONTENT_TYPE)
            .header("content-encoding", "zstd")
            .header(BATCH_ID_HEADER, &entry.header.id);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let mut response = match request.send(&entry.payload[..]) {
            Ok(response) => response,
            Err(ureq::Error::BadUri(e)) => return Answer::Refused(format!("bad url: {e}")),
            Err(ureq::Error::Http(e)) => return Answer::Refused(format!("bad request: {e}")),
            Err(e) => return Answer::Later("connection", e.to_string(), None),
        };
        let status = response.status().as_u16();
        let wait = response
            .headers()
            .get("retry-after")
            .and_then(|v| v.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let body = match body {
            Ok(body) => body,
            Err(e) => return Answer::Later("connection", format!("answer cut off: {e}"), wait),
        };
        classify(status, &body, wait)
    }

    fn confirm(&mut self, spool: &Spool, entry: &Entry, receipt: &Receipt) -> Step {
        if receipt.rejected_total > 0 {
            let lines: Vec<_> =
                receipt.rejected.iter().map(|r| (r.line, r.reason.clone())).collect();
            let first = lines.first().map(|l| l.1.clone()).unwrap_or_default();
            tracing::warn!(
                batch = entry.header.id,
                rejected = receipt.rejected_total,
                first,
                "the server refused lines for good; see `rejected.ndjson`"
            );
            self.note_rejected(spool, entry, &lines);
        }
        if let Err(e) = spool.acked(entry) {
            return self.later("spool", format!("cannot move the checkpoint: {e}"), None);
        }
        if self.failures > 0 {
            tracing::info!(url = self.url, tries = self.failures, "the server takes batches again");
        }
        self.failures = 0;
        self.last_reason.clear();
        self.count_delivered(entry, receipt.rejected_total.min(entry.header.lines));
        Step::Moved
    }

    fn count_delivered(&self, entry: &Entry, rejected: u64) {
        let lines = entry.header.lines - rejected;
        telemetry::count(Metric::ShipperSentBatches, 1);
        telemetry::count(Metric::ShipperSentLines, lines);
        telemetry::count_by(Metric::ShipperDropped, "reason", "rejected", rejected);
        self.delivered.batches.fetch_add(1, Ordering::Relaxed);
        self.delivered.lines.fetch_add(lines, Ordering::Relaxed);
        self.delivered.bytes.fetch_add(entry.header.source_bytes, Ordering::Relaxed);
        self.delivered.rejected.fetch_add(rejected, Ordering::Relaxed);
    }

    fn halve(&mut self, spool: &Spool, entry: &Entry, reason: String) -> Step {
        match spool.halve(entry) {
            Ok(Halving::Done) => {
                tracing::info!(lines = entry.header.lines, reason, "batch too large: halved");
                Step::Moved
            }
            Ok(Halving::TooSmall) if entry.header.raw_bytes < TOO_LARGE_BYTES_MIN => {
                self.refused(&reason)
            }
            Ok(Halving::TooSmall) => {
                tracing::warn!(reason, "the server takes no line of this length; given up");
                self.note_rejected(spool, entry, &[(1, reason)]);
                match spool.acked(entry) {
                    Ok(()) => self.count_delivered(entry, entry.header.lines),
                    Err(e) => return self.later("spool", e.to_string(), None),
                }
                Step::Moved
            }
            Err(e) => self.later("spool", format!("cannot halve a batch: {e}"), None),
        }
    }

    fn note_rejected(&self, spool: &Spool, entry: &Entry, lines: &[(u64, String)]) {
        if let Err(e) = spool.reject(entry, lines) {
            tracing::error!(error = %e, "cannot write `rejected.ndjson`");
        }
    }

    fn later(&mut self, kind: &'static str, reason: String, wait: Option<Duration>) -> Step {
        telemetry::count_by(Metric::ShipperRetries, "reason", kind, 1);
        self.failures = self.failures.saturating_add(1);
        let doublings = (self.failures - 1).min(20);
        let doubled = self.settings.back_off_first_ms.saturating_mul(1 << doublings);
        let wait = match wait {
            Some(asked) => {
                let max = Duration::from_millis(self.settings.retry_after_max_ms);
                asked.min(max) + self.jitter(self.settings.back_off_first_ms)
            }
            None => self.jitter(doubled.min(self.settings.back_off_max_ms)),
        };
        if reason == self.last_reason {
            tracing::debug!(url = self.url, reason, ?wait, "still not sent");
        } else {
            tracing::warn!(url = self.url, reason, ?wait, "not sent; tried again");
            self.last_reason = reason;
        }
        Step::Wait(wait)
    }

    /// Between half of `ms` and all of it, so that many shippers do not come at once.
    fn jitter(&self, ms: u64) -> Duration {
        let half = ms / 2;
        Duration::from_millis(half + self.rng.next_u64() % (ms - half + 1))
    }
}

fn classify(status: u16, body: &[u8], wait: Option<Duration>) -> Answer {
    match status {
        200..=299 => match serde_json::from_slice(body) {
            Ok(receipt) => Answer::Taken(receipt),
            Err(_) => Answer::Refused(format!(
                "status {status} without a receipt; is this a logdrive server? {}",
                excerpt(body)
            )),
        },
        413 => Answer::TooLarge(format!("status 413: {}", excerpt(body))),
        429 => Answer::Later("busy", format!("status 429: {}", excerpt(body)), wait),
        408 | 500..=599 => {
            Answer::Later("server", format!("status {status}: {}", excerpt(body)), wait)
        }
        _ => Answer::Refused(format!("status {status}: {}", excerpt(body))),
    }
}

fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    text.chars().filter(|c| !c.is_control()).take(REASON_CHARS_MAX).collect()
}

fn percent_encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Whether the spool refused because the disk is full or failing; the caller waits and tries again.
pub(crate) fn is_disk_full(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
