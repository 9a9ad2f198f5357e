//! How does a batch become the payload of a frame, and a batch again? Layout: see [`super`].
//!
//! Does not know where the payload lies. Decoding never trusts a length: every read is checked,
//! and every error names the byte of the decompressed payload.

use model::batch::{Batch, BatchBuilder};
use model::id::{BatchId, IndexName, Tenant};
use model::time::Timestamp;
use thiserror::Error;

use super::frame::{Encoded, Frame};
use crate::error::Refusal;

/// zstd's fastest regular level: the log is written once and read after a crash.
const ZSTD_LEVEL: i32 = 1;
/// The longest payload before compression: the frame keeps its length in 32 bits.
const RAW_BYTES_MAX: u64 = u32::MAX as u64;

/// Why an intact frame has no readable payload.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum PayloadError {
    #[error("the payload does not decompress: {0}")]
    Zstd(String),
    #[error("the payload ends inside {what} at byte {at}")]
    Short { what: &'static str, at: usize },
    #[error("bad {what} at byte {at} of the payload")]
    Bad { what: &'static str, at: usize },
}

/// Encodes and compresses a batch.
pub(crate) fn encode(batch: &Batch) -> Result<Encoded, Refusal> {
    let raw = encode_raw(batch);
    let too_large =
        |bytes: usize| Refusal::TooLarge { bytes: bytes as u64, limit_bytes: RAW_BYTES_MAX };
    let raw_bytes = u32::try_from(raw.len()).map_err(|_| too_large(raw.len()))?;
    let records = u32::try_from(batch.records().len()).map_err(|_| too_large(raw.len()))?;
    let payload = zstd::bulk::compress(&raw, ZSTD_LEVEL)
        .map_err(|e| Refusal::WalFailed { detail: format!("zstd: {e}") })?;
    if payload.len() as u64 > RAW_BYTES_MAX {
        return Err(too_large(payload.len()));
    }
    Ok(Encoded { payload, raw_bytes, records })
}

fn encode_raw(batch: &Batch) -> Vec<u8> {
    let mut out = Vec::with_capacity(batch.raw_bytes() as usize + batch.records().len() * 8 + 256);
    put_text(&mut out, batch.tenant.as_str());
    put_optional(&mut out, batch.id.as_ref().map(BatchId::as_str));
    out.extend_from_slice(&batch.received.0.to_le_bytes());
    put_number(&mut out, batch.indexes().len() as u64);
    for index in batch.indexes() {
        put_text(&mut out, index.as_str());
    }
    put_number(&mut out, batch.records().len() as u64);
    for record in batch.records() {
        put_number(&mut out, u64::from(record.index));
        put_optional(&mut out, record.id.as_deref());
        put_text(&mut out, batch.source(record));
    }
    out
}

/// Rebuilds the batch of a frame.
pub(crate) fn decode(frame: &Frame<'_>) -> Result<Batch, PayloadError> {
    let raw = zstd::bulk::decompress(frame.payload, frame.raw_bytes as usize)
        .map_err(|e| PayloadError::Zstd(e.to_string()))?;
    decode_raw(&raw, frame.records as usize)
}

fn decode_raw(raw: &[u8], records: usize) -> Result<Batch, PayloadError> {
    let mut from = Reader { raw, at: 0 };
    let tenant = Tenant::new(from.text("the tenant")?);
    let id = from.optional("the batch id")?.map(BatchId::new);
    let received = Timestamp(from.i64("the time of arrival")?);
    let mut builder = BatchBuilder::new(tenant, id, received);
    builder.reserve(raw.len());
    let mut indexes = Vec::new();
    for _ in 0..from.count("the number of indexes")? {
        indexes.push(IndexName::new(from.text("an index name")?));
    }
    if from.count("the number of records")? != records {
        return Err(from.bad("number of records"));
    }
    for _ in 0..records {
        let index = from.number("an index")?;
        let Some(index) = usize::try_from(index).ok().and_then(|n| indexes.get(n)) else {
            return Err(from.bad("index"));
        };
        let id = from.optional("a document's id")?;
        let source = from.bytes("a document")?;
        builder.push(index, id, source).map_err(|_| from.bad("document"))?;
    }
    if from.at != raw.len() {
        return Err(from.bad("end"));
    }
    Ok(builder.finish())
}

/// LEB128: seven bits a byte, the lowest first.
fn put_number(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// 0 for none, otherwise the length plus one.
fn put_optional(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        None => out.push(0),
        Some(text) => {
            put_number(out, text.len() as u64 + 1);
            out.extend_from_slice(text.as_bytes());
        }
    }
}

struct Reader<'a> {
    raw: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn bad(&self, what: &'static str) -> PayloadError {
        PayloadError::Bad { what, at: self.at }
    }

    fn take(&mut self, len: u64, what: &'static str) -> Result<&'a [u8], PayloadError> {
        let short = PayloadError::Short { what, at: self.at };
        let len = usize::try_from(len).map_err(|_| short.clone())?;
        let end = self.at.checked_add(len).ok_or_else(|| short.clone())?;
        let bytes = self.raw.get(self.at..end).ok_or(short)?;
        self.at = end;
        Ok(bytes)
    }

    fn number(&mut self, what: &'static str) -> Result<u64, PayloadError> {
        let mut n = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1, what)?[0];
            n |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(n);
            }
        }
        Err(self.bad("number"))
    }

    /// A number of things of which each takes at least one byte.
    fn count(&mut self, what: &'static str) -> Result<usize, PayloadError> {
        let n = self.number(what)?;
        match usize::try_from(n) {
            Ok(n) if n <= self.raw.len() - self.at => Ok(n),
            _ => Err(PayloadError::Short { what, at: self.at }),
        }
    }

    fn i64(&mut self, what: &'static str) -> Result<i64, PayloadError> {
        let mut out = [0; 8];
        out.copy_from_slice(self.take(8, what)?);
        Ok(i64::from_le_bytes(out))
    }

    fn bytes(&mut self, what: &'static str) -> Result<&'a [u8], PayloadError> {
        let len = self.number(what)?;
        self.take(len, what)
    }

    fn text(&mut self, what: &'static str) -> Result<&'a str, PayloadError> {
        let bytes = self.bytes(what)?;
        std::str::from_utf8(bytes).map_err(|_| self.bad(what))
    }

    fn optional(&mut self, what: &'static str) -> Result<Option<&'a str>, PayloadError> {
        match self.number(what)? {
            0 => Ok(None),
            n => {
                let bytes = self.take(n - 1, what)?;
                std::str::from_utf8(bytes).map(Some).map_err(|_| self.bad(what))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use model::id::{RecordSeq, WalSeq};
    use proptest::prelude::*;

    use super::*;
    use crate::wal::frame;

    #[derive(Clone, Debug)]
    struct Plain {
        batch_id: Option<String>,
        received: i64,
        records: Vec<(u8, Option<String>, String)>,
    }

    fn plain() -> impl Strategy<Value = Plain> {
        let record = (0..4u8, prop::option::of("[ -~é]{0,12}"), "[ -~é\n\"\\\\]{0,40}");
        (prop::option::of("[!-~]{1,20}"), any::<i64>(), prop::collection::vec(record, 0..12))
            .prop_map(|(batch_id, received, records)| Plain { batch_id, received, records })
    }

    fn build(plain: &Plain) -> Batch {
        let id = plain.batch_id.clone().map(BatchId::from);
        let mut builder = BatchBuilder::new(Tenant::new("t"), id, Timestamp(plain.received));
        for (index, id, message) in &plain.records {
            let source = serde_json::json!({ "message": message, "n": index }).to_string();
            let index = IndexName::new(format!("index-{index}"));
            builder.push(&index, id.as_deref(), source.as_bytes()).unwrap();
        }
        builder.finish()
    }

    fn look(batch: &Batch) -> Vec<String> {
        let mut out = vec![format!("{} {:?} {:?}", batch.tenant, batch.id, batch.received)];
        out.extend(batch.records().iter().map(|r| {
            let fields: Vec<_> = batch.fields(r).collect();
            let source = batch.source(r);
            format!("{} {:?} {:?} {source} {fields:?}", batch.index_of(r), r.id, r.timestamp)
        }));
        out
    }

    proptest! {
        #[test]
        fn a_batch_comes_back(plain in plain()) {
            let batch = build(&plain);
            let encoded = encode(&batch).unwrap();
            let mut bytes = Vec::new();
            frame::write_frame(&mut bytes, WalSeq(5), RecordSeq(70), &encoded);
            let (frame, end) = frame::read_frame(&bytes, 0, WalSeq(0)).unwrap();
            prop_assert_eq!(end, encoded.frame_bytes());
            prop_assert_eq!((frame.seq, frame.first_record), (WalSeq(5), RecordSeq(70)));
            prop_assert_eq!(look(&decode(&frame).unwrap()), look(&batch));
        }

        #[test]
        fn a_cut_payload_is_an_error(plain in plain(), at in any::<prop::sample::Index>()) {
            let batch = build(&plain);
            let raw = encode_raw(&batch);
            prop_assert!(decode_raw(&raw[..at.index(raw.len())], plain.records.len()).is_err());
        }

        #[test]
        fn any_bytes_are_decoded_without_a_panic(
            raw in prop::collection::vec(any::<u8>(), 0..200),
            records in 0..5usize,
        ) {
            let _ = decode_raw(&raw, records);
        }
    }

    #[test]
    fn lengths_that_lie_are_named() {
        let cases: [(&[u8], &str); 5] = [
            (b"", "the payload ends inside the tenant at byte 0"),
            (
                b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                "the payload ends inside the tenant at byte 10",
            ),
            (
                b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80",
                "bad number at byte 10 of the payload",
            ),
            (b"\x01\xff", "bad the tenant at byte 2 of the payload"),
            (
                b"\x01t\x0012345678\xff\xff\xff\xff\x0f",
                "the payload ends inside the number of indexes at byte 16",
            ),
        ];
        for (raw, want) in cases {
            assert_eq!(decode_raw(raw, 0).unwrap_err().to_string(), want);
        }
    }
}
