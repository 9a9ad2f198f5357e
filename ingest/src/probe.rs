//! What do fuzzers feed to the parts that nobody else calls with bytes? Segments and payloads of
//! the log, compressed bodies.

use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use model::id::{NodeId, RecordSeq, WalSeq};
use model::live::{Sequenced, Sink};
use platform::disk::Disk;
use platform::sim::{Leaves, SimDisk, World};

use crate::dedupe::Dedupe;
use crate::error::IngestError;
use crate::frame::{Encoding, InflateError, Lines, inflate};
use crate::wal::{self, Encoded, Place, Recovered};

const NODE: NodeId = NodeId(7);
const DIR: &str = "/wal";

/// Counts what a replay gives.
#[derive(Default)]
struct Count(Mutex<(u64, u64, WalSeq)>);

impl Sink for Count {
    fn apply(&self, batch: Sequenced) {
        let mut count = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        assert!(batch.seq > count.2, "positions rise");
        *count = (count.0 + 1, count.1 + batch.batch.records().len() as u64, batch.seq);
    }
}

fn replay(disk: &SimDisk, node: NodeId) -> Result<Recovered, IngestError> {
    let place = Place { disk: Arc::new(disk.clone()), dir: DIR.into(), node };
    let (sink, dedupe) = (Count::default(), Dedupe::new(1000, 1000));
    let from = (WalSeq(0), RecordSeq(0));
    let replayed = wal::Replay::new(place, from, &dedupe, &sink).run()?;
    let (frames, records, last) = *sink.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    assert_eq!((replayed.report.frames, replayed.report.records), (frames, records));
    assert!(replayed.next > last, "the log goes on behind what was replayed");
    Ok(replayed.report)
}

/// Replays a log of one segment with these bytes, twice: a replay leaves nothing for the next one
/// to cut, and a crash after it changes nothing.
///
/// # Errors
/// The segment is of another version.
///
/// # Panics
/// When the replay does not do what it must.
pub fn wal_segment(bytes: &[u8]) -> Result<Recovered, IngestError> {
    let disk = SimDisk::new(World::new(1));
    let path = Path::new(DIR).join("wal-0000000000000001.log");
    let written = disk.create(&path).and_then(|mut file| {
        file.append(bytes)?;
        file.sync_data()?;
        disk.sync_dir(Path::new(DIR))
    });
    written.expect("nothing fails in this world");
    // Whatever node the header names is this one.
    let named = bytes.get(12..16).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
    let node = named.map_or(NODE, NodeId);
    let first = replay(&disk, node)?;
    disk.crash(Leaves::Nothing);
    let second = replay(&disk, node)?;
    // A segment without any frame is removed, and may come back.
    assert!(second.cut_bytes == 0 || first.frames == 0, "{second:?} after {first:?}");
    assert_eq!((first.frames, first.records), (second.frames, second.records));
    Ok(first)
}

/// Replays a segment with one intact frame that holds this payload, which is not compressed yet.
///
/// # Panics
/// When the replay does not do what it must.
pub fn wal_payload(raw: &[u8], records: u32) -> Recovered {
    let payload = zstd::bulk::compress(raw, 1).expect("compressing into memory");
    let encoded = Encoded { payload, raw_bytes: raw.len() as u32, records };
    let mut segment = wal::segment_header(NODE, WalSeq(1)).to_vec();
    wal::write_frame(&mut segment, WalSeq(1), RecordSeq(0), &encoded);
    wal_segment(&segment).expect("the header is ours")
}

/// Inflates a body as the server does; `encoding` as in `Content-Encoding`.
///
/// # Errors
/// The reason, readable.
pub fn inflated(encoding: &str, body: &[u8], limit_bytes: u64) -> Result<Bytes, String> {
    let encoding = Encoding::parse(encoding)?;
    let body = Bytes::copy_from_slice(body);
    let out = inflate(encoding, body, limit_bytes, |_| Ok(()))
        .map_err(|e: InflateError| e.to_string())?;
    assert!(out.len() as u64 <= limit_bytes);
    Ok(out)
}

/// How many lines of a body are not blank.
pub fn line_count(body: &[u8]) -> usize {
    Lines::new(body).filter(|line| !line.is_blank()).count()
}
