//! How do a segment's header and its frames look on disk? Pure functions over bytes.
//!
//! Does not know what a payload means. Layout: see [`super`].

use model::id::{NodeId, RecordSeq, WalSeq};

/// First bytes of every segment.
const SEGMENT_MAGIC: &[u8; 8] = b"LOGDRWAL";
/// The format that this program writes.
pub(crate) const FORMAT_VERSION: u32 = 1;
/// Length of a segment's header.
pub(crate) const SEGMENT_HEADER_BYTES: usize = 32;
/// First bytes of every frame.
const FRAME_MAGIC: &[u8; 4] = b"WALf";
/// Length of a frame's header.
pub(crate) const FRAME_HEADER_BYTES: usize = 40;
/// The payload is one zstd frame. The only flag there is.
const FLAG_ZSTD: u32 = 1;
/// The furthest that positions can be apart across damage; more is no frame of ours.
const SEQ_JUMP_MAX: u64 = 1 << 32;

/// A payload that is ready to be framed.
#[derive(Debug)]
pub(crate) struct Encoded {
    /// Compressed.
    pub(crate) payload: Vec<u8>,
    /// Length before compression.
    pub(crate) raw_bytes: u32,
    pub(crate) records: u32,
}

impl Encoded {
    /// Bytes of the frame in the log.
    pub(crate) fn frame_bytes(&self) -> usize {
        FRAME_HEADER_BYTES + self.payload.len()
    }
}

/// A frame that is intact.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) seq: WalSeq,
    pub(crate) first_record: RecordSeq,
    pub(crate) records: u32,
    pub(crate) raw_bytes: u32,
    pub(crate) payload: &'a [u8],
}

/// What a segment's first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    Good {
        node: NodeId,
        first: WalSeq,
    },
    /// Intact, but of another format.
    OtherVersion(u32),
    Damaged,
}

pub(crate) fn segment_header(node: NodeId, first: WalSeq) -> [u8; SEGMENT_HEADER_BYTES] {
    let mut out = [0; SEGMENT_HEADER_BYTES];
    out[..8].copy_from_slice(SEGMENT_MAGIC);
    out[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    out[12..16].copy_from_slice(&node.0.to_le_bytes());
    out[16..24].copy_from_slice(&first.0.to_le_bytes());
    let crc = crc32c::crc32c(&out[..28]);
    out[28..].copy_from_slice(&crc.to_le_bytes());
    out
}

pub(crate) fn read_segment_header(bytes: &[u8]) -> Header {
    let Some(bytes) = bytes.get(..SEGMENT_HEADER_BYTES) else { return Header::Damaged };
    if &bytes[..8] != SEGMENT_MAGIC || u32_at(bytes, 28) != crc32c::crc32c(&bytes[..28]) {
        return Header::Damaged;
    }
    match u32_at(bytes, 8) {
        FORMAT_VERSION => {
            Header::Good { node: NodeId(u32_at(bytes, 12)), first: WalSeq(u64_at(bytes, 16)) }
        }
        other => Header::OtherVersion(other),
    }
}

/// Appends a frame to `out`.
pub(crate) fn write_frame(
    out: &mut Vec<u8>,
    seq: WalSeq,
    first_record: RecordSeq,
    encoded: &Encoded,
) {
    let at = out.len();
    let payload_bytes =
        u32::try_from(encoded.payload.len()).expect("the codec keeps payloads below 4 GiB");
    out.extend_from_slice(FRAME_MAGIC);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&payload_bytes.to_le_bytes());
    out.extend_from_slice(&FLAG_ZSTD.to_le_bytes());
    out.extend_from_slice(&seq.0.to_le_bytes());
    out.extend_from_slice(&first_record.0.to_le_bytes());
    out.extend_from_slice(&encoded.records.to_le_bytes());
    out.extend_from_slice(&encoded.raw_bytes.to_le_bytes());
    out.extend_from_slice(&encoded.payload);
    let crc = crc32c::crc32c(&out[at + 8..]);
    out[at + 4..at + 8].copy_from_slice(&crc.to_le_bytes());
}

/// The frame at `at` and where it ends; `None` when there is no intact frame after `last`.
pub(crate) fn read_frame(bytes: &[u8], at: usize, last: WalSeq) -> Option<(Frame<'_>, usize)> {
    let rest = bytes.get(at..)?;
    let header = rest.get(..FRAME_HEADER_BYTES)?;
    if &header[..4] != FRAME_MAGIC {
        return None;
    }
    let length = FRAME_HEADER_BYTES.checked_add(u32_at(header, 8) as usize)?;
    let frame = rest.get(..length)?;
    let seq = u64_at(header, 16);
    // The cheap tests go before the checksum: text that imitates a frame's first bytes fails them.
    let plausible = seq > last.0 && seq - last.0 <= SEQ_JUMP_MAX && u32_at(header, 12) == FLAG_ZSTD;
    if !plausible || u32_at(header, 4) != crc32c::crc32c(&frame[8..]) {
        return None;
    }
    let frame = Frame {
        seq: WalSeq(seq),
        first_record: RecordSeq(u64_at(header, 24)),
        records: u32_at(header, 32),
        raw_bytes: u32_at(header, 36),
        payload: &frame[FRAME_HEADER_BYTES..],
    };
    Some((frame, at + length))
}

/// Where the next intact frame begins, at or after `from`.
pub(crate) fn find_frame(bytes: &[u8], from: usize, last: WalSeq) -> Option<usize> {
    memchr::memmem::find_iter(bytes.get(from..)?, FRAME_MAGIC)
        .map(|offset| from + offset)
        .find(|at| read_frame(bytes, *at, last).is_some())
}

/// A stretch of a segment: bytes that are no frame, or a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stretch<'a> {
    Frame { at: usize, frame: Frame<'a> },
    Unreadable { from: usize, to: usize },
}

/// Splits a segment, without its header when that is intact, into frames and what is between.
pub(crate) fn scan(bytes: &[u8], before: WalSeq) -> Vec<Stretch<'_>> {
    let mut out = Vec::new();
    let mut last = before;
    let mut at = match read_segment_header(bytes) {
        Header::Damaged => 0,
        _ => SEGMENT_HEADER_BYTES,
    };
    while at < bytes.len() {
        if let Some((frame, end)) = read_frame(bytes, at, last) {
            out.push(Stretch::Frame { at, frame });
            last = frame.seq;
            at = end;
        } else {
            let to = find_frame(bytes, at + 1, last).unwrap_or(bytes.len());
            out.push(Stretch::Unreadable { from: at, to });
            at = to;
        }
    }
    out
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut out = [0; 4];
    out.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(out)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut out = [0; 8];
    out.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn segment(payloads: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
        let mut out = segment_header(NodeId(3), WalSeq(1)).to_vec();
        let mut ends = Vec::new();
        for (n, payload) in payloads.iter().enumerate() {
            let encoded = Encoded { payload: payload.clone(), raw_bytes: 9, records: 2 };
            let n = n as u64;
            write_frame(&mut out, WalSeq(n + 1), RecordSeq(2 * n), &encoded);
            ends.push(out.len());
        }
        (out, ends)
    }

    fn found(bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
        scan(bytes, WalSeq(0))
            .into_iter()
            .filter_map(|s| match s {
                Stretch::Frame { frame, .. } => Some((frame.seq.0, frame.payload.to_vec())),
                Stretch::Unreadable { .. } => None,
            })
            .collect()
    }

    #[test]
    fn a_segment_header_comes_back_and_any_flipped_bit_is_seen() {
        let header = segment_header(NodeId(7), WalSeq(99));
        let good = Header::Good { node: NodeId(7), first: WalSeq(99) };
        assert_eq!(read_segment_header(&header), good);
        for bit in 0..header.len() * 8 {
            let mut bad = header;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read_segment_header(&bad), Header::Damaged, "bit {bit}");
        }
    }

    #[test]
    fn text_that_imitates_a_frame_is_no_frame() {
        let (mut bytes, _) = segment(&[b"WALfWALfWALf".repeat(50)]);
        let whole = bytes.len();
        bytes[whole - 1] ^= 1;
        assert_eq!(found(&bytes), []);
        assert!(matches!(
            scan(&bytes, WalSeq(0))[..],
            [Stretch::Unreadable { from: SEGMENT_HEADER_BYTES, to }] if to == whole
        ));
    }

    proptest! {
        #[test]
        fn a_damaged_byte_costs_its_own_frame_only(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..8),
            position in any::<prop::sample::Index>(),
            flip in 1..=255u8,
        ) {
            let (mut bytes, ends) = segment(&payloads);
            let at = position.index(bytes.len());
            bytes[at] ^= flip;
            let hit = (at >= SEGMENT_HEADER_BYTES)
                .then(|| ends.iter().position(|end| at < *end).unwrap());
            let want: Vec<_> = payloads
                .into_iter()
                .enumerate()
                .filter(|(n, _)| Some(*n) != hit)
                .map(|(n, payload)| (n as u64 + 1, payload))
                .collect();
            prop_assert_eq!(found(&bytes), want);
        }

        #[test]
        fn a_cut_keeps_every_whole_frame(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..8),
            position in any::<prop::sample::Index>(),
        ) {
            let (bytes, ends) = segment(&payloads);
            let cut = position.index(bytes.len() + 1);
            let whole = ends.iter().filter(|end| **end <= cut).count();
            let got = found(&bytes[..cut]);
            prop_assert_eq!(got.len(), whole);
            prop_assert!(got.iter().zip(&payloads).all(|((_, a), b)| a == b));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let stretches = scan(&bytes, WalSeq(0));
            prop_assert!(stretches.len() <= bytes.len());
        }
    }
}
