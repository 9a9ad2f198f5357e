//! What does the log hold at start? Reads the segments, cuts torn tails, names damage, gives every
//! intact frame after the checkpoint to the sink.
//!
//! Frames are told by their checksum and rising position, so what lies behind damage is found
//! again. What is unreadable at the end of the last segment is a torn write: it was never
//! acknowledged. Anything else that is missing is reported with file and byte.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::id::{NodeId, RecordSeq, WalSeq};
use model::live::{Sequenced, Sink};
use platform::disk::Disk;

use super::frame::{self, Frame, Header, Stretch};
use super::log::{Place, Sealed, parse_segment_name};
use super::payload;
use crate::dedupe::{Dedupe, Placed};
use crate::error::IngestError;

/// What a start found in the write-ahead log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Frames after the checkpoint that were given to the sink.
    pub frames: u64,
    /// Records in them.
    pub records: u64,
    /// Frames that were left out because their batch id was known.
    pub duplicates: u64,
    /// Bytes of torn writes that were cut off; nothing in them was acknowledged.
    pub cut_bytes: u64,
    /// What is lost, with file and byte, readable.
    pub damaged: Vec<String>,
}

/// Where the log goes on after a replay.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) sealed: Vec<Sealed>,
    pub(crate) next: WalSeq,
    pub(crate) next_record: RecordSeq,
    pub(crate) report: Recovered,
}

/// A replay in progress.
pub(crate) struct Replay<'a> {
    place: Place,
    checkpoint: WalSeq,
    dedupe: &'a Dedupe,
    sink: &'a dyn Sink,
    /// The last position that was seen.
    last: WalSeq,
    next_record: RecordSeq,
    sealed: Vec<Sealed>,
    report: Recovered,
}

/// A segment file, and the one after it.
struct Segment {
    path: PathBuf,
    first: WalSeq,
    /// First position of the next segment; frames from there on are void.
    end: Option<WalSeq>,
}

impl<'a> Replay<'a> {
    /// A replay of the frames after `checkpoint`; records are numbered from `next_record` at least.
    pub(crate) fn new(
        place: Place,
        (checkpoint, next_record): (WalSeq, RecordSeq),
        dedupe: &'a Dedupe,
        sink: &'a dyn Sink,
    ) -> Self {
        Self {
            place,
            checkpoint,
            dedupe,
            sink,
            last: WalSeq(0),
            next_record,
            sealed: Vec::new(),
            report: Recovered::default(),
        }
    }

    /// Reads all segments in order.
    ///
    /// # Errors
    /// A file cannot be read, or was written by another node or a newer program.
    pub(crate) fn run(mut self) -> Result<Replayed, IngestError> {
        let segments = self.list()?;
        if let Some(oldest) = segments.first() {
            self.last = WalSeq(oldest.first.0.saturating_sub(1));
            if oldest.first > self.checkpoint.next() {
                let name = oldest.path.display();
                let lost = lost(self.checkpoint.next(), oldest.first, self.checkpoint);
                self.report.damaged.push(format!("before `{name}`: {lost}"));
            }
        }
        for segment in &segments {
            self.segment(segment)?;
        }
        self.make_durable()?;
        let next = self.last.max(self.checkpoint).next();
        let Self { sealed, next_record, report, .. } = self;
        Ok(Replayed { sealed, next, next_record, report })
    }

    /// Syncs what was replayed. A process that died between writing and syncing leaves frames that
    /// are readable and yet not on the disk; from now on their batch ids count as taken.
    fn make_durable(&self) -> Result<(), IngestError> {
        let Place { disk, dir, .. } = &self.place;
        let unpublished = self.sealed.iter().filter(|s| s.last > self.checkpoint);
        for segment in unpublished {
            let synced = disk.open_append(&segment.path).and_then(|mut file| file.sync_data());
            let path = &segment.path;
            synced.map_err(|source| IngestError::Sync { path: path.clone(), source })?;
        }
        if !self.sealed.is_empty() {
            let synced = disk.sync_dir(dir);
            synced.map_err(|source| IngestError::Sync { path: dir.clone(), source })?;
        }
        Ok(())
    }

    fn list(&self) -> Result<Vec<Segment>, IngestError> {
        let dir = &self.place.dir;
        let names = self
            .place
            .disk
            .list(dir)
            .map_err(|source| IngestError::Read { path: dir.clone(), source })?;
        let mut firsts: Vec<_> =
            names.iter().filter_map(|(n, _)| Some((parse_segment_name(n)?, n))).collect();
        firsts.sort();
        let ends = firsts.iter().skip(1).map(|(first, _)| Some(*first)).chain([None]);
        let segments = firsts.iter().zip(ends);
        Ok(segments
            .map(|((first, name), end)| Segment { path: dir.join(name), first: *first, end })
            .collect())
    }

    fn segment(&mut self, segment: &Segment) -> Result<(), IngestError> {
        let path = &segment.path;
        let bytes = self
            .place
            .disk
            .read(path)
            .map_err(|source| IngestError::Read { path: path.clone(), source })?;
        let mut good_end = self.check_header(path, frame::read_segment_header(&bytes))?;
        let mut unreadable = None;
        let mut frames = 0;
        for stretch in frame::scan(&bytes, WalSeq(segment.first.0.saturating_sub(1))) {
            match stretch {
                Stretch::Unreadable { from, to } => unreadable = Some((from, to)),
                // Refused after a failed sync; the next segment took its place.
                Stretch::Frame { frame, .. } if segment.end.is_some_and(|e| frame.seq >= e) => {
                    break;
                }
                Stretch::Frame { at, frame } => {
                    self.gap(segment, unreadable.take().unwrap_or((at, at)), frame.seq);
                    self.frame(segment, at, &frame);
                    good_end = at + frame::FRAME_HEADER_BYTES + frame.payload.len();
                    frames += 1;
                }
            }
        }
        let len = self.end(segment, (good_end, bytes.len()), frames);
        if let Some(len) = len {
            let last = segment.end.map_or(self.last, |end| WalSeq(end.0 - 1));
            self.sealed.push(Sealed { path: path.clone(), last, len });
        }
        Ok(())
    }

    /// Gives the length of the good header: 0 when it is damaged.
    fn check_header(&self, path: &Path, header: Header) -> Result<usize, IngestError> {
        let ours = self.place.node.0;
        match header {
            Header::Damaged => Ok(0),
            Header::OtherVersion(found) => {
                Err(IngestError::NewerFormat { path: path.to_owned(), found })
            }
            Header::Good { node, .. } if node.0 != ours => {
                Err(IngestError::ForeignNode { path: path.to_owned(), found: node.0, ours })
            }
            Header::Good { .. } => Ok(frame::SEGMENT_HEADER_BYTES),
        }
    }

    /// Reports what is missing before a frame.
    fn gap(&mut self, segment: &Segment, (from, to): (usize, usize), seq: WalSeq) {
        let expected = self.last.next();
        if from == to && seq == expected {
            return;
        }
        let lost = lost(expected, seq, self.checkpoint);
        self.report.damaged.push(format!(
            "`{}`: {} unreadable bytes at byte {from}: {lost}",
            segment.path.display(),
            to - from,
        ));
    }

    fn frame(&mut self, segment: &Segment, at: usize, frame: &Frame<'_>) {
        self.last = frame.seq;
        let after = frame.first_record.0.saturating_add(u64::from(frame.records));
        self.next_record = self.next_record.max(RecordSeq(after));
        if frame.seq <= self.checkpoint {
            return;
        }
        let batch = match payload::decode(frame) {
            Ok(batch) => batch,
            Err(error) => {
                self.report.damaged.push(format!(
                    "`{}`: frame {} at byte {at} is lost: {error}",
                    segment.path.display(),
                    frame.seq.0,
                ));
                return;
            }
        };
        if let Some(id) = &batch.id {
            if self.dedupe.is_done(id) {
                self.report.duplicates += 1;
                return;
            }
            let accepted = u64::from(frame.records);
            let placed = Placed { seq: frame.seq, first_record: frame.first_record, accepted };
            self.dedupe.insert(id, placed, batch.received.0);
        }
        self.report.frames += 1;
        self.report.records += u64::from(frame.records);
        let (seq, first_record) = (frame.seq, frame.first_record);
        self.sink.apply(Sequenced { seq, first_record, batch: Arc::new(batch) });
    }

    /// Settles what lies behind the last frame that counts. Gives the length of the file, or
    /// `None` when it was removed.
    fn end(
        &mut self,
        segment: &Segment,
        (good_end, len): (usize, usize),
        frames: u64,
    ) -> Option<u64> {
        let expected = self.last.next();
        if let Some(end) = segment.end.filter(|end| *end > expected) {
            let lost = lost(expected, end, self.checkpoint);
            self.report.damaged.push(format!(
                "`{}`: {} unreadable bytes at byte {good_end}: {lost}",
                segment.path.display(),
                len - good_end,
            ));
            self.last = WalSeq(end.0 - 1);
            return Some(len as u64);
        }
        let disk = &self.place.disk;
        if frames == 0 {
            self.report.cut_bytes += (len - good_end) as u64;
            return match disk.remove(&segment.path) {
                Ok(()) => None,
                Err(error) => {
                    let path = segment.path.display();
                    tracing::warn!(%error, %path, "cannot remove the segment");
                    Some(len as u64)
                }
            };
        }
        if good_end < len {
            self.report.cut_bytes += (len - good_end) as u64;
            let cut = disk.open_append(&segment.path).and_then(|mut file| {
                file.truncate(good_end as u64)?;
                file.sync_data()
            });
            if let Err(error) = cut {
                tracing::warn!(%error, path = %segment.path.display(), "cannot cut the segment");
                return Some(len as u64);
            }
        }
        Some(good_end as u64)
    }
}

/// Position of the first frame that the log in `dir` may still hold, and the number of the node
/// that wrote it; `None` when there is no log.
///
/// # Errors
/// The directory or its first segment cannot be read.
pub fn first_segment(
    disk: &dyn Disk,
    dir: &Path,
) -> Result<Option<(WalSeq, Option<NodeId>)>, IngestError> {
    let read = |source, path: &Path| IngestError::Read { path: path.to_owned(), source };
    let names = match disk.list(dir) {
        Ok(names) => names,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(read(source, dir)),
    };
    let first = names.iter().filter_map(|(n, _)| Some((parse_segment_name(n)?, n))).min();
    let Some((first, name)) = first else { return Ok(None) };
    let path = dir.join(name);
    let bytes = disk.read(&path).map_err(|source| read(source, &path))?;
    let node = match frame::read_segment_header(&bytes) {
        Header::Good { node, .. } => Some(node),
        Header::OtherVersion(_) | Header::Damaged => None,
    };
    Ok(Some((first, node)))
}

/// Says which of the positions from `from` up to `to` (not in it) are lost.
fn lost(from: WalSeq, to: WalSeq, checkpoint: WalSeq) -> String {
    let from = from.max(checkpoint.next());
    match to.0.saturating_sub(from.0) {
        0 => "no unpublished frame is lost".to_owned(),
        1 => format!("frame {} is lost", from.0),
        _ => format!("frames {} to {} are lost", from.0, to.0 - 1),
    }
}
