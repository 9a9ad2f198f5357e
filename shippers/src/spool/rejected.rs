//! Where do lines go that the server refused for good? Into `rejected.ndjson`, with the reason.
//!
//! Bounded: at half its limit the file becomes `rejected.ndjson.1`, in the place of the last one.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

const NAME: &str = "rejected.ndjson";
/// A longer record is cut here; it is kept for looking at, not for sending again.
const RECORD_BYTES_MAX: usize = 64 * 1024;

/// Appends the `lines` (numbers from 1, reasons) of `body`.
pub(super) fn note(
    dir: &Path,
    bytes_max: u64,
    body: &[u8],
    lines: &[(u64, String)],
) -> io::Result<()> {
    let path = dir.join(NAME);
    if fs::metadata(&path).is_ok_and(|m| m.len() >= bytes_max / 2) {
        fs::rename(&path, dir.join(format!("{NAME}.1")))?;
    }
    let records: Vec<&[u8]> = body.split(|b| *b == b'\n').collect();
    let mut out = Vec::new();
    for (number, reason) in lines {
        let index = usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
        let record = records.get(index).copied().unwrap_or_default();
        let record = String::from_utf8_lossy(&record[..record.len().min(RECORD_BYTES_MAX)]);
        let line = serde_json::json!({ "reason": reason, "record": record });
        out.extend_from_slice(line.to_string().as_bytes());
        out.push(b'\n');
        if out.len() as u64 >= bytes_max / 2 {
            break;
        }
    }
    OpenOptions::new().append(true).create(true).open(path)?.write_all(&out)
}
