//! What does the process count? Metric names, their values, and Prometheus' text form.
//!
//! Names are enum variants; every component reports what it received, sent and dropped (with the
//! reason), and the time it spent. Counting never allocates except for a label's first use.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

macro_rules! metrics {
    ($($variant:ident = $name:literal, $kind:ident, $help:literal;)*) => {
        /// Every metric of the project.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Metric {
            $(#[doc = $help] $variant,)*
        }

        const DESCRIPTIONS: &[(Metric, &str, Kind, &str)] = &[
            $((Metric::$variant, $name, Kind::$kind, $help),)*
        ];
    };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    /// Seconds, in [`BUCKETS_S`].
    Histogram,
}

metrics! {
    IngestRequests = "logdrive_ingest_requests_total", Counter, "Ingest requests received, by protocol";
    IngestReceivedRecords = "logdrive_ingest_received_records_total", Counter, "Records made durable";
    IngestReceivedBytes = "logdrive_ingest_received_bytes_total", Counter, "Bytes of the documents made durable";
    IngestRejectedRecords = "logdrive_ingest_rejected_records_total", Counter, "Records refused for good, by reason";
    IngestRefusedRequests = "logdrive_ingest_refused_requests_total", Counter, "Requests refused whole, by reason";
    IngestDuplicateBatches = "logdrive_ingest_duplicate_batches_total", Counter, "Batches whose id was known";
    IngestInFlightBytes = "logdrive_ingest_in_flight_bytes", Gauge, "Bytes of requests being taken in";
    IngestSeconds = "logdrive_ingest_seconds", Histogram, "From a request's last byte to its acknowledgement";
    WalBytes = "logdrive_wal_bytes", Gauge, "Bytes of the write-ahead log on disk";
    WalWrittenBytes = "logdrive_wal_written_bytes_total", Counter, "Bytes written to the write-ahead log";
    WalFsyncSeconds = "logdrive_wal_fsync_seconds", Histogram, "Time of one fdatasync of the write-ahead log";
    WalQueueDepth = "logdrive_wal_queue_depth", Gauge, "Batches that wait for the write-ahead log";
    WalErrors = "logdrive_wal_errors_total", Counter, "Failed writes and syncs of the write-ahead log, by reason";
    LiveRecords = "logdrive_live_records", Gauge, "Records searchable in memory, not yet published";
    LiveBytes = "logdrive_live_bytes", Gauge, "Memory of the records not yet published";
    BuildQueueDepth = "logdrive_build_queue_depth", Gauge, "Rolls that wait for a builder";
    BuildSeconds = "logdrive_build_seconds", Histogram, "Time to build one split";
    PublishSeconds = "logdrive_publish_seconds", Histogram, "Time to upload and publish one roll";
    PublishErrors = "logdrive_publish_errors_total", Counter, "Failed tries to publish, by reason";
    PublishedRecords = "logdrive_published_records_total", Counter, "Records published in splits";
    Splits = "logdrive_splits", Gauge, "Published splits";
    SplitBytes = "logdrive_split_bytes", Gauge, "Bytes of the published splits";
    MergeSeconds = "logdrive_merge_seconds", Histogram, "Time of one merge";
    MergedSplits = "logdrive_merged_splits_total", Counter, "Splits replaced by merges";
    MergesAwaited = "logdrive_merges_awaited_total", Counter, "Merges that publishing waited for, because too many splits wait";
    ExpiredSplits = "logdrive_expired_splits_total", Counter, "Splits dropped by retention";
    DeletedRecords = "logdrive_deleted_records_total", Counter, "Records hidden by deletions";
    ErasedRecords = "logdrive_erased_records_total", Counter, "Deleted records whose splits were written anew without them";
    StoreRequests = "logdrive_object_store_requests_total", Counter, "Object store requests, by operation";
    StoreErrors = "logdrive_object_store_errors_total", Counter, "Failed object store requests, by operation";
    StoreReadBytes = "logdrive_object_store_read_bytes_total", Counter, "Bytes read from the object store";
    StoreWrittenBytes = "logdrive_object_store_written_bytes_total", Counter, "Bytes written to the object store";
    StoreSeconds = "logdrive_object_store_seconds", Histogram, "Time of one object store request";
    ReadGets = "logdrive_read_gets_total", Counter, "Range requests to the object store for searches and merges, second ones too";
    ReadWaves = "logdrive_read_waves_total", Counter, "Waits of searches and merges for the object store: requests at once count as one";
    ReadBytes = "logdrive_read_bytes_total", Counter, "Bytes that these requests brought";
    ReadGetSeconds = "logdrive_read_get_seconds", Histogram, "Time of one such request, with the second one where there was one";
    ReadHedges = "logdrive_read_hedges_total", Counter, "Second requests for a range whose first was slow, by whose answer counted";
    ReadErrors = "logdrive_read_errors_total", Counter, "Reads of splits that failed because of the object store";
    CacheHits = "logdrive_cache_hits_total", Counter, "Reads of remote splits that the cache on disk answered";
    CacheMisses = "logdrive_cache_misses_total", Counter, "Ranges of remote splits that had to be fetched";
    CacheEvictions = "logdrive_cache_evictions_total", Counter, "Files that the cache on disk dropped for its budget, by kind";
    CacheDamaged = "logdrive_cache_damaged_total", Counter, "Files of the cache on disk that were not whole, by kind";
    CacheWriteErrors = "logdrive_cache_write_errors_total", Counter, "Fetched ranges that could not be written to the cache on disk";
    CacheBytes = "logdrive_cache_bytes", Gauge, "Bytes of ranges and whole splits in the cache on disk";
    CachePinnedBytes = "logdrive_cache_pinned_bytes", Gauge, "Bytes of tails of remote splits on disk";
    SearchRequests = "logdrive_search_requests_total", Counter, "Search requests, by endpoint";
    SearchErrors = "logdrive_search_errors_total", Counter, "Search requests that failed, by type";
    SearchSeconds = "logdrive_search_seconds", Histogram, "Time of one search request";
    PartialHits = "logdrive_partial_cache_hits_total", Counter, "Counts and aggregations of a split that were known";
    PartialMisses = "logdrive_partial_cache_misses_total", Counter, "Counts and aggregations of a split that were found out";
    PartialBytes = "logdrive_partial_cache_bytes", Gauge, "Bytes of known counts and aggregations of splits";
    ColumnHits = "logdrive_column_cache_hits_total", Counter, "Parts of splits that were decoded already when a search needed them";
    ColumnMisses = "logdrive_column_cache_misses_total", Counter, "Parts of splits that a search had to decode";
    ColumnBytes = "logdrive_column_cache_bytes", Gauge, "Bytes of decoded parts of splits";
    SearchQueueDepth = "logdrive_search_queue_depth", Gauge, "Searches that run or wait";
    SearchContexts = "logdrive_search_contexts", Gauge, "Scrolls and points in time that are open";
    AsyncSearches = "logdrive_async_searches", Gauge, "Asynchronous searches that run or are kept";
    TailClients = "logdrive_tail_clients", Gauge, "Clients that follow new lines";
    TailDropped = "logdrive_tail_dropped_total", Counter, "Lines not sent to a client that reads too slowly";
    ShipperReadBytes = "logdrive_shipper_read_bytes_total", Counter, "Bytes read from sources";
    ShipperReadLines = "logdrive_shipper_read_lines_total", Counter, "Lines read from sources";
    ShipperSentBatches = "logdrive_shipper_sent_batches_total", Counter, "Batches acknowledged by the server";
    ShipperSentLines = "logdrive_shipper_sent_lines_total", Counter, "Lines acknowledged by the server";
    ShipperRetries = "logdrive_shipper_retries_total", Counter, "Tries that failed, by reason";
    ShipperDropped = "logdrive_shipper_dropped_lines_total", Counter, "Lines given up, by reason";
    ShipperSpoolBytes = "logdrive_shipper_spool_bytes", Gauge, "Bytes waiting in the spool";
    ShipperFiles = "logdrive_shipper_files", Gauge, "Files being followed";
}

const METRIC_COUNT: usize = DESCRIPTIONS.len();

/// Upper bounds of the histogram buckets, in seconds.
pub const BUCKETS_S: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

struct Histogram {
    buckets: [AtomicU64; BUCKETS_S.len() + 1],
    sum_ns: AtomicU64,
}

static COUNTERS: [AtomicU64; METRIC_COUNT] = [const { AtomicU64::new(0) }; METRIC_COUNT];
static GAUGES: [AtomicI64; METRIC_COUNT] = [const { AtomicI64::new(0) }; METRIC_COUNT];
static HISTOGRAMS: [Histogram; METRIC_COUNT] = [const {
    Histogram {
        buckets: [const { AtomicU64::new(0) }; BUCKETS_S.len() + 1],
        sum_ns: AtomicU64::new(0),
    }
}; METRIC_COUNT];
static LABELLED: Mutex<BTreeMap<(Metric, &'static str, &'static str), u64>> =
    Mutex::new(BTreeMap::new());

fn labelled() -> std::sync::MutexGuard<'static, BTreeMap<(Metric, &'static str, &'static str), u64>>
{
    LABELLED.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Adds to a counter without labels.
pub fn count(metric: Metric, by: u64) {
    COUNTERS[metric as usize].fetch_add(by, Ordering::Relaxed);
}

/// Adds to a counter under a label: `count_by(m, "reason", "too_large", 1)`.
pub fn count_by(metric: Metric, label: &'static str, value: &'static str, by: u64) {
    *labelled().entry((metric, label, value)).or_insert(0) += by;
}

/// Sets a gauge.
pub fn set(metric: Metric, value: i64) {
    GAUGES[metric as usize].store(value, Ordering::Relaxed);
}

/// Moves a gauge.
pub fn shift(metric: Metric, by: i64) {
    GAUGES[metric as usize].fetch_add(by, Ordering::Relaxed);
}

/// The value of a gauge.
pub fn gauge(metric: Metric) -> i64 {
    GAUGES[metric as usize].load(Ordering::Relaxed)
}

/// Notes a duration in a histogram.
pub fn observe(metric: Metric, seconds: f64) {
    let histogram = &HISTOGRAMS[metric as usize];
    let at = BUCKETS_S.iter().position(|b| seconds <= *b).unwrap_or(BUCKETS_S.len());
    histogram.buckets[at].fetch_add(1, Ordering::Relaxed);
    histogram.sum_ns.fetch_add((seconds * 1e9) as u64, Ordering::Relaxed);
}

/// All metrics whose name begins with `prefix`, in Prometheus' text form.
pub fn render(prefix: &str) -> String {
    let mut out = String::new();
    let labelled = labelled().clone();
    for (metric, name, kind, help) in DESCRIPTIONS.iter().filter(|d| d.1.starts_with(prefix)) {
        let _ = writeln!(out, "# HELP {name} {help}");
        match kind {
            Kind::Counter => {
                let _ = writeln!(out, "# TYPE {name} counter");
                render_counter(&mut out, *metric, name, &labelled);
            }
            Kind::Gauge => {
                let _ = writeln!(out, "# TYPE {name} gauge");
                let _ = writeln!(out, "{name} {}", gauge(*metric));
            }
            Kind::Histogram => {
                let _ = writeln!(out, "# TYPE {name} histogram");
                render_histogram(&mut out, *metric, name);
            }
        }
    }
    out
}

fn render_counter(
    out: &mut String,
    metric: Metric,
    name: &str,
    labelled: &BTreeMap<(Metric, &'static str, &'static str), u64>,
) {
    let plain = COUNTERS[metric as usize].load(Ordering::Relaxed);
    let mut any = false;
    for ((_, label, value), n) in labelled.iter().filter(|((m, _, _), _)| *m == metric) {
        any = true;
        let _ = writeln!(out, "{name}{{{label}=\"{value}\"}} {n}");
    }
    if plain > 0 || !any {
        let _ = writeln!(out, "{name} {plain}");
    }
}

fn render_histogram(out: &mut String, metric: Metric, name: &str) {
    let histogram = &HISTOGRAMS[metric as usize];
    let mut total = 0;
    for (bound, bucket) in BUCKETS_S.iter().zip(&histogram.buckets) {
        total += bucket.load(Ordering::Relaxed);
        let _ = writeln!(out, "{name}_bucket{{le=\"{bound}\"}} {total}");
    }
    total += histogram.buckets[BUCKETS_S.len()].load(Ordering::Relaxed);
    let _ = writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {total}");
    let sum = histogram.sum_ns.load(Ordering::Relaxed) as f64 / 1e9;
    let _ = writeln!(out, "{name}_sum {sum}\n{name}_count {total}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_rendered_as_prometheus_reads_it() {
        count_by(Metric::ShipperDropped, "reason", "too_long", 2);
        set(Metric::ShipperFiles, 3);
        observe(Metric::MergeSeconds, 0.002);
        observe(Metric::MergeSeconds, 99.0);
        let text = render("logdrive_");
        assert!(text.contains("logdrive_shipper_dropped_lines_total{reason=\"too_long\"} 2\n"));
        assert!(text.contains("# TYPE logdrive_shipper_files gauge\nlogdrive_shipper_files 3\n"));
        assert!(text.contains("logdrive_merge_seconds_bucket{le=\"0.0025\"} 1\n"));
        assert!(text.contains("logdrive_merge_seconds_bucket{le=\"+Inf\"} 2\n"));
    }
}
