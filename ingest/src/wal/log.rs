//! Which files is the log? Appends groups, undoes failed ones, rolls and removes segments.
//!
//! Knows bytes and positions, not batches. Whatever fails, the object stays usable: the next
//! group tries again with a fresh segment.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use model::id::{NodeId, WalSeq};
use platform::clock::seconds_since;
use platform::disk::{Disk, DiskFile};
use platform::telemetry::{self, Metric};

use super::frame::{self, SEGMENT_HEADER_BYTES};
use crate::error::Refusal;

/// A segment that is no longer written.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    pub(crate) path: PathBuf,
    /// The last position that can be in it.
    pub(crate) last: WalSeq,
    pub(crate) len: u64,
}

#[derive(Debug)]
struct Active {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    first: WalSeq,
    /// Up to here everything is synced.
    len: u64,
}

/// The directory of segments.
#[derive(Debug)]
pub(crate) struct Log {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    node: NodeId,
    segment_bytes: u64,
    sealed: VecDeque<Sealed>,
    active: Option<Active>,
    next: WalSeq,
    bytes: Arc<AtomicU64>,
}

/// The file name of the segment that begins with a position.
pub(crate) fn segment_name(first: WalSeq) -> String {
    format!("wal-{:016x}.log", first.0)
}

/// The position in a segment's file name.
pub(crate) fn parse_segment_name(name: &str) -> Option<WalSeq> {
    let hex = name.strip_prefix("wal-")?.strip_suffix(".log")?;
    let lower = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if hex.len() != 16 || !hex.bytes().all(lower) {
        return None;
    }
    u64::from_str_radix(hex, 16).ok().map(WalSeq)
}

/// Where the log lies and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) node: NodeId,
}

impl Log {
    /// A log that goes on behind the given segments.
    pub(crate) fn new(place: Place, segment_bytes: u64, sealed: Vec<Sealed>, next: WalSeq) -> Self {
        let Place { disk, dir, node } = place;
        let bytes = Arc::new(AtomicU64::new(0));
        let sealed = sealed.into();
        let log = Self { disk, dir, node, segment_bytes, sealed, active: None, next, bytes };
        log.count_bytes();
        log
    }

    /// Bytes of all segments.
    pub(crate) fn bytes(&self) -> Arc<AtomicU64> {
        self.bytes.clone()
    }

    /// The position that the next frame gets.
    pub(crate) fn next(&self) -> WalSeq {
        self.next
    }

    /// Appends a group of `frames` frames and syncs it. After an error nothing of it counts.
    pub(crate) fn append(&mut self, group: &[u8], frames: u64) -> Result<(), Refusal> {
        let done = self.write(group);
        if let Err(refusal) = &done {
            telemetry::count_by(Metric::WalErrors, "reason", refusal.label(), 1);
            tracing::warn!(%refusal, frames, "a group was not written to the write-ahead log");
        } else {
            self.next = WalSeq(self.next.0 + frames);
            telemetry::count(Metric::WalWrittenBytes, group.len() as u64);
        }
        self.count_bytes();
        done
    }

    fn write(&mut self, group: &[u8]) -> Result<(), Refusal> {
        if self.active.as_ref().is_some_and(|a| a.len >= self.segment_bytes) {
            self.seal();
        }
        let mut active = match self.active.take() {
            Some(active) => active,
            None => self.create()?,
        };
        if let Err(error) = active.file.append(group) {
            self.undo(active);
            return Err(Refusal::from_io("write failed", &error));
        }
        let start = Instant::now();
        let synced = active.file.sync_data();
        telemetry::observe(Metric::WalFsyncSeconds, seconds_since(start));
        if let Err(error) = synced {
            // After a failed sync the kernel may have dropped the pages and say "synced" next
            // time: nothing more may be acknowledged from this file.
            let _ = active.file.truncate(active.len);
            self.abandon(active);
            return Err(Refusal::from_io("fdatasync failed", &error));
        }
        active.len += group.len() as u64;
        self.active = Some(active);
        Ok(())
    }

    /// Cuts the remains of a failed write, so that they neither precede the next group nor come
    /// back at a replay; a segment that cannot be cut is left behind.
    fn undo(&mut self, mut active: Active) {
        let cut = active.file.truncate(active.len).and_then(|()| active.file.sync_data());
        match cut {
            Ok(()) => self.active = Some(active),
            Err(error) => {
                tracing::warn!(%error, path = %active.path.display(), "cannot cut the segment");
                self.abandon(active);
            }
        }
    }

    fn seal(&mut self) {
        if let Some(active) = self.active.take() {
            self.abandon(active);
        }
    }

    fn abandon(&mut self, active: Active) {
        let Active { path, first, len, .. } = active;
        if first < self.next {
            self.sealed.push_back(Sealed { path, last: WalSeq(self.next.0 - 1), len });
        } else if let Err(error) = self.disk.remove(&path) {
            // It holds nothing that counts; the next segment has its name and removes it.
            tracing::warn!(%error, path = %path.display(), "cannot remove the segment");
        }
    }

    fn create(&mut self) -> Result<Active, Refusal> {
        let path = self.dir.join(segment_name(self.next));
        self.try_create(&path).map_err(|error| {
            // Half a segment would stand in the way of the next try.
            let _ = self.disk.remove(&path);
            let what = format!("cannot create `{}`", path.display());
            Refusal::from_io(&what, &error)
        })
    }

    fn try_create(&mut self, path: &Path) -> io::Result<Active> {
        let mut file = match self.disk.create(path) {
            // Left behind by a failure: the name says that all of it is void.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.disk.remove(path)?;
                self.sealed.retain(|s| s.path != path);
                self.disk.create(path)?
            }
            other => other?,
        };
        file.append(&frame::segment_header(self.node, self.next))?;
        self.disk.sync_dir(&self.dir)?;
        let len = SEGMENT_HEADER_BYTES as u64;
        Ok(Active { file, path: path.to_owned(), first: self.next, len })
    }

    /// Removes the segments of which every frame is at or below the checkpoint.
    pub(crate) fn drop_published(&mut self, checkpoint: WalSeq) {
        if self.next.0 - 1 <= checkpoint.0
            && self.active.as_ref().is_some_and(|a| a.first < self.next)
        {
            self.seal();
        }
        let mut removed = 0;
        while let Some(oldest) = self.sealed.front().filter(|s| s.last <= checkpoint) {
            match self.disk.remove(&oldest.path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    telemetry::count_by(Metric::WalErrors, "reason", "remove", 1);
                    let path = oldest.path.display();
                    tracing::warn!(%error, %path, "cannot remove the segment");
                    break;
                }
            }
            self.sealed.pop_front();
            removed += 1;
        }
        if removed == 0 {
            return;
        }
        // A removal that is not durable costs a second replay of published frames, no more.
        if let Err(error) = self.disk.sync_dir(&self.dir) {
            telemetry::count_by(Metric::WalErrors, "reason", "sync_dir", 1);
            tracing::warn!(%error, dir = %self.dir.display(), "cannot sync the directory");
        }
        self.count_bytes();
    }

    fn count_bytes(&self) {
        let active = self.active.as_ref().map_or(0, |a| a.len);
        let bytes = active + self.sealed.iter().map(|s| s.len).sum::<u64>();
        self.bytes.store(bytes, Ordering::Relaxed);
        telemetry::set(Metric::WalBytes, bytes as i64);
    }
}
