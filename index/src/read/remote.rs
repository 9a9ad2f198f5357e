//! How is a split read whose object lies in a bucket? Its tail from a pinned local file, the rest by
//! ranges through a cache on disk, fetched in one wave.
//!
//! Everything blocks on the store and is not for the async runtime's threads. The runtime must be
//! driven by threads of its own. Does not know what the bytes mean: readers check checksums, and
//! say [`Remote::discard`] when they differ.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::{Bytes, BytesMut};
use model::id::SplitId;
use platform::object_store::{ObjectStore, StoreError};
use platform::telemetry::{self, Metric};

use self::disk::{DiskCache, Kind};
use self::fetch::Fetcher;
use self::file::{Form, Name};
use self::flight::{Flights, Outcome, Pilot};
use self::spans::{Span, align, coalesce, cut, subtract};
use super::object::check_inside;
use super::{ObjectBytes, ReadError, SplitMeta};
use crate::settings::Settings;
use crate::split::object_key;

mod disk;
mod fetch;
mod file;
mod flight;
mod spans;

/// What is taken for the tail of a split that does not know how long it is.
const TAIL_BYTES_UNKNOWN: u64 = 64 << 10;
/// How often a range is looked for when others drop it again before it is read.
const ATTEMPTS_MAX: usize = 8;

/// What all remote objects share: the caches on disk and what is on its way.
#[derive(Debug)]
pub(super) struct Remote {
    runtime: tokio::runtime::Handle,
    fetcher: Fetcher,
    flights: Arc<Flights>,
    ranges: DiskCache,
    tails: DiskCache,
    block_bytes: u64,
    gap_bytes_max: u64,
    get_bytes_max: u64,
}

/// Where fetched bytes are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Ranges,
    Tails,
}

impl Remote {
    /// Caches in `dir`, which exists. What lies there already is used; what the caches did not
    /// write, or did not finish, is removed.
    ///
    /// # Errors
    /// The directory cannot be read or swept.
    pub(super) fn open(
        store: Arc<dyn ObjectStore>,
        runtime: tokio::runtime::Handle,
        dir: &Path,
        settings: &Settings,
    ) -> std::io::Result<Arc<Self>> {
        let remote = &settings.remote;
        let block_bytes = remote.block_bytes.max(1);
        let out = Self {
            runtime,
            fetcher: Fetcher::new(store, remote),
            flights: Arc::default(),
            ranges: DiskCache::new(Kind::Ranges, dir, settings.cache_bytes_max),
            tails: DiskCache::new(Kind::Tails, dir, settings.pinned_bytes_max),
            block_bytes,
            gap_bytes_max: remote.gap_bytes_max,
            get_bytes_max: remote.get_bytes_max.max(block_bytes),
        };
        out.sweep(dir)?;
        Ok(Arc::new(out))
    }

    fn sweep(&self, dir: &Path) -> std::io::Result<()> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            if meta.is_dir() {
                let path = entry.path();
                tracing::warn!(path = %path.display(), "a directory in the cache is left alone");
                continue;
            }
            found.push((meta.modified()?, entry.file_name(), meta.len()));
        }
        found.sort();
        for (_, file, bytes) in found {
            let name = file.to_str().and_then(Name::parse);
            let kept = name.is_some_and(|name| match name.form {
                Form::Tail(_) => self.tails.restore(name, bytes),
                Form::Whole | Form::Part(_) => self.ranges.restore(name, bytes),
            });
            if !kept {
                std::fs::remove_file(dir.join(file))?;
            }
        }
        Ok(())
    }

    /// Opens an object: its tail is there afterwards.
    ///
    /// # Errors
    /// The tail cannot be had.
    pub(super) fn object(self: &Arc<Self>, meta: &SplitMeta) -> Result<RemoteObject, ReadError> {
        let source = Source { split: meta.id.clone(), len: meta.object_bytes };
        let tail = self.tail(&source, tail_bytes(meta))?;
        Ok(RemoteObject { remote: self.clone(), source, tail })
    }

    fn tail(self: &Arc<Self>, object: &Source, bytes: u64) -> Result<Bytes, ReadError> {
        let span = object.len - bytes..object.len;
        if span.is_empty() {
            return Ok(Bytes::new());
        }
        for _ in 0..ATTEMPTS_MAX {
            if let Some(tail) = self.tail_at_hand(object, &span) {
                telemetry::count(Metric::CacheHits, 1);
                return Ok(tail);
            }
            let landed = self.obtain(object, std::slice::from_ref(&span), Place::Tails)?;
            let holds =
                |(found, _): &&(Span, Bytes)| found.start <= span.start && found.end == span.end;
            if let Some((found, bytes)) = landed.iter().find(holds) {
                return Ok(bytes.slice((span.start - found.start) as usize..));
            }
            // Another thread landed it between the two looks.
        }
        Err(object.failed(object.lost(&span)))
    }

    fn tail_at_hand(&self, object: &Source, span: &Span) -> Option<Bytes> {
        // Asked first also when the whole object is at hand, so that it counts as used.
        if let Some((found, bytes)) = self.tails.find(&object.split, span.start, object.len) {
            if found == *span {
                return Some(bytes);
            }
            self.tails.forget(&object.split);
        }
        let (found, bytes) = self.ranges.find(&object.split, span.start, object.len)?;
        if found.end != object.len {
            return None;
        }
        let tail = Bytes::copy_from_slice(&bytes[(span.start - found.start) as usize..]);
        Some(self.keep(object, span, tail, Place::Tails))
    }

    /// Has the bytes of `wanted` brought where they are not on disk: one wave of requests, each
    /// block by one thread only. Gives what was fetched.
    fn obtain(
        self: &Arc<Self>,
        object: &Source,
        wanted: &[Span],
        place: Place,
    ) -> Result<Vec<(Span, Bytes)>, ReadError> {
        let mut out = Vec::new();
        let mut others_failed = false;
        for _ in 0..ATTEMPTS_MAX {
            let (mine, others) = self.plan(object, wanted, place);
            telemetry::count(Metric::CacheMisses, mine.len() as u64);
            let own = mine.iter().map(|pilot| (pilot.flight().clone(), true));
            let flights: Vec<_> =
                own.chain(others.into_iter().map(|flight| (flight, false))).collect();
            if !flights.is_empty() {
                telemetry::count(Metric::ReadWaves, 1);
            }
            for pilot in mine {
                self.runtime.spawn(self.clone().bring(object.clone(), pilot, place));
            }
            let mut again = false;
            for (flight, own) in flights {
                match flight.wait() {
                    Outcome::Done(bytes) => out.push((flight.span.clone(), bytes)),
                    // It may have been old when this thread joined it: a try of its own is due.
                    Outcome::Failed(_) if !own && !others_failed => {
                        (others_failed, again) = (true, true);
                    }
                    Outcome::Failed(error) => return Err(object.failed(error)),
                    Outcome::Abandoned => again = true,
                }
            }
            if !again {
                return Ok(out);
            }
        }
        Err(object.failed(object.lost(&(wanted[0].start..wanted[wanted.len() - 1].end))))
    }

    /// What this thread fetches, and what others fetch already.
    fn plan(
        &self,
        object: &Source,
        wanted: &[Span],
        place: Place,
    ) -> (Vec<Pilot>, Vec<Arc<flight::Flight>>) {
        let mut board = self.flights.board(&object.split);
        // Looked at while the board is held: a flight lands on disk before it leaves the board.
        let held = match place {
            Place::Ranges => self.ranges.covered(&object.split, wanted),
            Place::Tails => self.tails.covered(&object.split, wanted),
        };
        let missing = subtract(wanted, held);
        let others = board.with(&missing);
        let rest = subtract(&missing, others.iter().map(|f| f.span.clone()).collect());
        let requests: Vec<Span> = match place {
            Place::Ranges => coalesce(rest, self.gap_bytes_max)
                .iter()
                .flat_map(|span| cut(span, self.get_bytes_max))
                .collect(),
            Place::Tails if rest.is_empty() => rest,
            Place::Tails => wanted.to_vec(),
        };
        let failed = Arc::new(AtomicBool::new(false));
        (requests.into_iter().map(|span| board.start(span, &failed)).collect(), others)
    }

    /// Fetches and keeps one range, for all that wait for it.
    async fn bring(self: Arc<Self>, object: Source, pilot: Pilot, place: Place) {
        let span = pilot.flight().span.clone();
        let key = object_key(&object.split);
        // Held until the bytes lie on disk: it bounds the memory of the ranges on their way.
        let permit = self.fetcher.permit().await;
        if pilot.is_pointless() {
            return pilot.land(Outcome::Abandoned);
        }
        let bytes = match self.fetcher.get(&key, &span).await {
            Ok(bytes) => bytes,
            Err(error) => return pilot.land(Outcome::Failed(error)),
        };
        // A panic or a stopping runtime drops the pilot, which tells those that wait.
        let remote = self.clone();
        let kept = tokio::task::spawn_blocking(move || {
            let bytes = remote.keep(&object, &span, bytes, place);
            pilot.land(Outcome::Done(bytes));
        });
        if let Err(error) = kept.await {
            tracing::error!(%error, "keeping a fetched range failed");
        }
        drop(permit);
    }

    /// Writes fetched bytes to disk. When that fails they are only not kept.
    fn keep(&self, object: &Source, span: &Span, bytes: Bytes, place: Place) -> Bytes {
        let at = (span, object.len);
        let kept = match place {
            Place::Ranges => self.ranges.insert(&object.split, at, &bytes),
            Place::Tails => self.tails.insert(&object.split, at, &bytes),
        };
        kept.unwrap_or_else(|error| {
            telemetry::count(Metric::CacheWriteErrors, 1);
            tracing::warn!(%error, split = %object.split, "the cache on disk cannot be written");
            bytes
        })
    }

    /// Takes over a file that was just built, and pins its tail.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn adopt(self: &Arc<Self>, meta: &SplitMeta, built: &Path) -> std::io::Result<()> {
        let mapped = file::open_whole(built, meta.object_bytes)?;
        let bytes = tail_bytes(meta);
        let from = meta.object_bytes - bytes;
        if bytes > 0 {
            let tail = Bytes::from_owner(mapped).slice(from as usize..);
            let place = (&(from..meta.object_bytes), meta.object_bytes);
            self.tails.insert(&meta.id, place, &tail)?;
        }
        self.ranges.adopt(&meta.id, built)
    }

    /// Drops what is cached of a split that is gone, or whose cached bytes are wrong.
    pub(super) fn discard(&self, split: &SplitId) {
        self.ranges.forget(split);
        self.tails.forget(split);
    }

    /// Drops what is cached of splits that nobody knows any more.
    pub(super) fn retain(&self, known: &dyn Fn(&SplitId) -> bool) {
        self.ranges.retain(known);
        self.tails.retain(known);
    }

    /// The store.
    pub(super) fn store(&self) -> &Arc<dyn ObjectStore> {
        self.fetcher.store()
    }
}

fn tail_bytes(meta: &SplitMeta) -> u64 {
    let bytes = if meta.tail_bytes == 0 { TAIL_BYTES_UNKNOWN } else { meta.tail_bytes };
    bytes.min(meta.object_bytes)
}

/// Which object.
#[derive(Clone, Debug)]
struct Source {
    split: SplitId,
    len: u64,
}

impl Source {
    fn failed(&self, source: StoreError) -> ReadError {
        telemetry::count(Metric::ReadErrors, 1);
        ReadError::Store { split: self.split.clone(), source }
    }

    /// The cache dropped a range again and again before it was read.
    fn lost(&self, span: &Span) -> StoreError {
        let (from, to) = (span.start, span.end);
        let reason = format!(
            "bytes {from}..{to} did not stay in the cache until they were read; raise \
             `index.cache_bytes_max`"
        );
        StoreError::Transient { operation: "get", key: object_key(&self.split), reason }
    }
}

/// One object in the bucket.
#[derive(Debug)]
pub struct RemoteObject {
    remote: Arc<Remote>,
    source: Source,
    /// The last bytes of the object.
    tail: Bytes,
}

impl RemoteObject {
    fn tail_from(&self) -> u64 {
        self.source.len - self.tail.len() as u64
    }

    /// Whole blocks of `range` without what the tail holds.
    fn blocks(&self, range: &Span) -> Span {
        align(range, self.remote.block_bytes, self.tail_from())
    }

    /// The part of the object that is at hand from `at` on, up to `end` at most.
    fn at_hand(&self, at: u64, end: u64, landed: &[(Span, Bytes)]) -> Option<Bytes> {
        let part = |span: &Span, bytes: &Bytes| {
            let to = span.end.min(end);
            bytes.slice((at - span.start) as usize..(to - span.start) as usize)
        };
        if at >= self.tail_from() {
            return Some(part(&(self.tail_from()..self.source.len), &self.tail));
        }
        if let Some((span, bytes)) = landed.iter().find(|(span, _)| span.contains(&at)) {
            return Some(part(span, bytes));
        }
        let (span, bytes) = self.remote.ranges.find(&self.source.split, at, self.source.len)?;
        Some(part(&span, &bytes))
    }

    /// The bytes of a range from what is at hand; otherwise the first byte that is missing.
    fn gather(&self, range: &Span, landed: &[(Span, Bytes)]) -> Result<Bytes, u64> {
        let first = self.at_hand(range.start, range.end, landed).ok_or(range.start)?;
        if first.len() as u64 == range.end - range.start {
            return Ok(first);
        }
        let mut out = BytesMut::with_capacity((range.end - range.start) as usize);
        out.extend_from_slice(&first);
        while range.start + (out.len() as u64) < range.end {
            let at = range.start + out.len() as u64;
            out.extend_from_slice(&self.at_hand(at, range.end, landed).ok_or(at)?);
        }
        Ok(out.freeze())
    }
}

impl ObjectBytes for RemoteObject {
    fn len(&self) -> u64 {
        self.source.len
    }

    fn is_fetched(&self) -> bool {
        true
    }

    fn read(&self, range: Range<u64>) -> Result<Bytes, ReadError> {
        check_inside(&self.source.split, &range, self.source.len)?;
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let mut landed = Vec::new();
        for _ in 0..ATTEMPTS_MAX {
            match self.gather(&range, &landed) {
                Ok(bytes) => {
                    if landed.is_empty() && range.start < self.tail_from() {
                        telemetry::count(Metric::CacheHits, 1);
                    }
                    return Ok(bytes);
                }
                Err(missing) => {
                    let wanted = self.blocks(&(missing..range.end));
                    landed.extend(self.remote.obtain(&self.source, &[wanted], Place::Ranges)?);
                }
            }
        }
        Err(self.source.failed(self.source.lost(&range)))
    }

    fn prefetch(&self, ranges: &[Range<u64>]) -> Result<(), ReadError> {
        for range in ranges {
            check_inside(&self.source.split, range, self.source.len)?;
        }
        let ranges = ranges.iter().filter(|range| !range.is_empty());
        let wanted = coalesce(ranges.map(|range| self.blocks(range)).collect(), 0);
        if wanted.is_empty() {
            return Ok(());
        }
        self.remote.obtain(&self.source, &wanted, Place::Ranges).map(drop)
    }
}

#[cfg(test)]
mod tests;
