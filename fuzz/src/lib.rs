//! What is fuzzed? One function a parser or file format: takes any bytes, panics when a promise is
//! broken. The fuzz targets call them with new inputs, the tests with the kept ones.

use ingest::parse::{Item, Limits};
use model::batch::BatchBuilder;
use model::id::{BatchId, IndexName, Tenant};
use model::time::Timestamp;
use model::wire::Receipt;
use query::ApiSettings;
use query::dates::Dates;
use query::elastic::{Reader, split_msearch};

/// A target's name and function.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 9] = [
    ("wal_segment", wal_segment),
    ("wal_payload", wal_payload),
    ("wire", wire),
    ("bulk", bulk),
    ("document", document),
    ("query_string", query_string),
    ("search_body", search_body),
    ("split", split),
    ("split_part", split_part),
];

const NOW: Timestamp = Timestamp(1_795_262_400_000_000_000);
const LIMITS: Limits = Limits { document_bytes_max: 10_000, documents_max: 1000 };
const INFLATED_BYTES_MAX: u64 = 1 << 20;

fn builder() -> BatchBuilder {
    BatchBuilder::new(Tenant::default(), Some(BatchId::new("b")), NOW)
}

/// A segment of the write-ahead log with any bytes; when the first byte is odd its checksums are
/// put right, so that what is behind them is reached.
pub fn wal_segment(bytes: &[u8]) {
    let Some((choice, segment)) = bytes.split_first() else { return };
    let mut segment = segment.to_vec();
    if choice % 2 == 1 {
        repair(&mut segment);
    }
    // A segment of another version stops the start; that is no fault.
    let _ = ingest::probe::wal_segment(&segment);
}

fn repair(segment: &mut [u8]) {
    if segment.len() < 32 {
        return;
    }
    let crc = crc32c::crc32c(&segment[..28]);
    segment[28..32].copy_from_slice(&crc.to_le_bytes());
    let mut at = 32;
    while let Some(header) = segment.get(at..at + 40) {
        let payload = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
        let end = (at + 40).saturating_add(payload as usize).min(segment.len());
        let crc = crc32c::crc32c(&segment[at + 8..end]);
        segment[at + 4..at + 8].copy_from_slice(&crc.to_le_bytes());
        at = end;
    }
}

/// The payload of an intact frame; the first byte says how many records the frame promises.
pub fn wal_payload(bytes: &[u8]) {
    let Some((records, raw)) = bytes.split_first() else { return };
    let report = ingest::probe::wal_payload(raw, u32::from(*records));
    assert!(report.frames == 0 || report.records == u64::from(*records));
}

/// The native protocol: the first byte chooses the compression of the body that follows, which is
/// one document a line; and what a server answers.
pub fn wire(bytes: &[u8]) {
    let Some((choice, body)) = bytes.split_first() else { return };
    let encoding = ["identity", "gzip", "zstd", "deflate"][usize::from(choice % 4)];
    if let Ok(body) = ingest::probe::inflated(encoding, body, INFLATED_BYTES_MAX) {
        let index = IndexName::new("logs");
        if let Ok(parsed) = ingest::parse::lines(&body, &index, &LIMITS, builder()) {
            let lines = ingest::probe::line_count(&body) as u64;
            let kept = parsed.batch.records().len() as u64;
            assert_eq!(kept + parsed.rejected_total, lines, "every line is accounted for");
        }
    }
    if let Ok(receipt) = serde_json::from_slice::<Receipt>(body) {
        let text = serde_json::to_vec(&receipt).expect("a receipt is JSON");
        assert_eq!(serde_json::from_slice::<Receipt>(&text).expect("the same"), receipt);
    }
}

/// The body of a `_bulk` request.
pub fn bulk(bytes: &[u8]) {
    for default in [None, Some("logs")] {
        let Ok(parsed) = ingest::parse::bulk(bytes, default, &LIMITS, builder()) else { continue };
        let kept = parsed.items.iter().filter(|item| matches!(item, Item::Kept { .. })).count();
        assert_eq!(kept, parsed.batch.records().len(), "an item for every document");
    }
}

/// One document: what is kept is the very bytes, and fields lie inside of them.
pub fn document(bytes: &[u8]) {
    let mut builder = builder();
    if builder.push(&IndexName::new("logs"), None, bytes).is_err() {
        assert_eq!(builder.finish().records().len(), 0);
        return;
    }
    let batch = builder.finish();
    let record = &batch.records()[0];
    assert_eq!(batch.source(record).as_bytes(), bytes);
    for (path, value) in batch.fields(record) {
        let _ = (&batch.paths()[path as usize], value);
    }
    serde_json::from_slice::<&serde_json::value::RawValue>(bytes).expect("what is kept is JSON");
}

fn settings() -> ApiSettings {
    ApiSettings {
        version: "8.0.0".to_owned(),
        cluster_name: "fuzz".to_owned(),
        result_window_max: 10_000,
        query_depth_max: 30,
        clauses_max: 1024,
        msearch_max: 100,
        regex_bytes_max: 1000,
        body_bytes_max: 10 << 20,
        contexts: Default::default(),
    }
}

/// A search in our own language, and as `query_string` and `simple_query_string`.
pub fn query_string(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let settings = settings();
    let limits = query::clause::Limits {
        depth_max: settings.query_depth_max,
        clauses_max: settings.clauses_max,
        regex_bytes_max: settings.regex_bytes_max,
    };
    let _ = query::syntax::parse_search(text, &Dates::at(NOW), limits);
    for kind in ["query_string", "simple_query_string"] {
        let body = serde_json::json!({ "query": { kind: { "query": text } } }).to_string();
        let _ = Reader::new(NOW, &settings).search(body.as_bytes());
    }
}

/// The body of a `_search`, `_count` or `_msearch` request.
pub fn search_body(bytes: &[u8]) {
    let settings = settings();
    let mut reader = Reader::new(NOW, &settings);
    if let Ok(search) = reader.search(bytes) {
        let _ = reader.check(&search);
    }
    let _ = Reader::new(NOW, &settings).count(bytes);
    for search in split_msearch(bytes, settings.msearch_max).into_iter().flatten().flatten() {
        let _ = Reader::new(NOW, &settings).search(&search.body);
    }
}

/// A split's object.
pub fn split(bytes: &[u8]) {
    // A damaged object is an error that names the place, never a panic.
    let _ = index::split::verify(bytes);
}

/// A part of a split, behind its checksum.
pub fn split_part(bytes: &[u8]) {
    index::probe::split_part(bytes);
}
