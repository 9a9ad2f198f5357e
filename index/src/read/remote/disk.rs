//! What of remote objects lies on the local disk? Files of pieces, the least recently used go first.
//!
//! The pieces of one object never overlap. A file is never changed: readers that hold its bytes
//! keep them when it goes. Knows no store.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use model::id::SplitId;
use platform::telemetry::{self, Metric};

use super::file::{self, Form, Name};
use super::spans::{Span, subtract};

/// Files that are kept mapped; a process may have 65,530 maps by Linux' default.
const MAPS_MAX: usize = 8192;

/// Which of the two caches: their budgets, metrics and file names differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Ranges and whole objects.
    Ranges,
    /// Tails.
    Tails,
}

impl Kind {
    fn label(self) -> &'static str {
        match self {
            Kind::Ranges => "range",
            Kind::Tails => "tail",
        }
    }

    fn gauge(self) -> Metric {
        match self {
            Kind::Ranges => Metric::CacheBytes,
            Kind::Tails => Metric::CachePinnedBytes,
        }
    }
}

/// Pieces of objects in files of one directory, within a budget.
#[derive(Debug)]
pub(super) struct DiskCache {
    kind: Kind,
    dir: PathBuf,
    bytes_max: u64,
    maps_max: usize,
    state: Mutex<State>,
    temporaries: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// Per object its pieces by their first byte.
    splits: HashMap<SplitId, BTreeMap<u64, Entry>>,
    /// Pieces by the time of their last use.
    order: BTreeMap<u64, (SplitId, u64)>,
    /// Pieces whose files are mapped, the oldest map first.
    maps: VecDeque<(SplitId, u64)>,
    clock: u64,
    bytes: u64,
}

#[derive(Debug)]
struct Entry {
    end: u64,
    form: Form,
    file_bytes: u64,
    used: u64,
    map: Option<Bytes>,
}

impl State {
    fn touch(&mut self, split: &SplitId, start: u64) {
        let Some(entry) = self.splits.get_mut(split).and_then(|s| s.get_mut(&start)) else {
            return;
        };
        self.clock += 1;
        let place = self.order.remove(&entry.used);
        entry.used = self.clock;
        self.order.insert(self.clock, place.unwrap_or_else(|| (split.clone(), start)));
    }

    fn add(&mut self, name: Name, end: u64, file_bytes: u64) {
        let start = match &name.form {
            Form::Whole => 0,
            Form::Part(span) | Form::Tail(span) => span.start,
        };
        self.clock += 1;
        self.bytes += file_bytes;
        self.order.insert(self.clock, (name.split.clone(), start));
        let entry = Entry { end, form: name.form, file_bytes, used: self.clock, map: None };
        self.splits.entry(name.split).or_default().insert(start, entry);
    }

    fn remove(&mut self, split: &SplitId, start: u64) -> Option<Form> {
        let pieces = self.splits.get_mut(split)?;
        let entry = pieces.remove(&start)?;
        if pieces.is_empty() {
            self.splits.remove(split);
        }
        self.order.remove(&entry.used);
        self.bytes -= entry.file_bytes;
        Some(entry.form)
    }

    /// The piece that holds byte `at`.
    fn holding(&self, split: &SplitId, at: u64) -> Option<(u64, &Entry)> {
        let (start, entry) = self.splits.get(split)?.range(..=at).next_back()?;
        (entry.end > at).then_some((*start, entry))
    }
}

impl DiskCache {
    /// An empty cache with files in `dir`.
    pub(super) fn new(kind: Kind, dir: &Path, bytes_max: u64) -> Self {
        Self {
            kind,
            dir: dir.to_owned(),
            bytes_max,
            maps_max: MAPS_MAX,
            state: Mutex::default(),
            temporaries: AtomicU64::new(0),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, name: &Name) -> PathBuf {
        self.dir.join(name.text())
    }

    fn temporary(&self, name: &Name) -> PathBuf {
        let n = self.temporaries.fetch_add(1, Ordering::Relaxed);
        self.dir.join(format!("{}.{n}.tmp", name.text()))
    }

    /// Takes up a file that lies in the directory, least recently used first; `false` when it
    /// cannot be right. Its content is checked when it is first mapped.
    pub(super) fn restore(&self, name: Name, file_bytes: u64) -> bool {
        let end = match &name.form {
            Form::Whole => file_bytes,
            Form::Part(span) | Form::Tail(span) => {
                if span.end - span.start + file::TRAILER_BYTES != file_bytes {
                    return false;
                }
                span.end
            }
        };
        let mut state = self.state();
        let start = match &name.form {
            Form::Whole => 0,
            Form::Part(span) | Form::Tail(span) => span.start,
        };
        let held = covered(&state, &name.split, std::slice::from_ref(&(start..end)));
        if end == 0 || !held.is_empty() {
            return false;
        }
        state.add(name, end, file_bytes);
        self.shrink(&mut state);
        true
    }

    /// The piece that holds byte `at` of an object of `object_bytes`, and where it lies. A file
    /// that is not whole is dropped.
    pub(super) fn find(
        &self,
        split: &SplitId,
        at: u64,
        object_bytes: u64,
    ) -> Option<(Span, Bytes)> {
        let (span, name) = {
            let mut state = self.state();
            let (start, entry) = state.holding(split, at)?;
            let span = start..entry.end;
            let name = Name { split: split.clone(), form: entry.form.clone() };
            let map = entry.map.clone();
            state.touch(split, start);
            match map {
                Some(map) => return Some((span, map)),
                None => (span, name),
            }
        };
        // Not under the lock: checking reads the whole piece.
        let opened = match &name.form {
            Form::Whole => file::open_whole(&self.path(&name), object_bytes).map(Bytes::from_owner),
            Form::Part(span) | Form::Tail(span) => {
                file::open_piece(&self.path(&name), span, object_bytes)
            }
        };
        match opened {
            Ok(map) => {
                self.keep_map(split, span.start, &map);
                Some((span, map))
            }
            Err(error) => {
                let file = name.text();
                tracing::warn!(%error, file, "a file of the cache is not whole: dropped");
                telemetry::count_by(Metric::CacheDamaged, "kind", self.kind.label(), 1);
                self.drop_piece(split, span.start);
                None
            }
        }
    }

    fn keep_map(&self, split: &SplitId, start: u64, map: &Bytes) {
        let mut state = self.state();
        let entry = state.splits.get_mut(split).and_then(|s| s.get_mut(&start));
        let Some(entry) = entry.filter(|entry| entry.map.is_none()) else { return };
        entry.map = Some(map.clone());
        state.maps.push_back((split.clone(), start));
        while state.maps.len() > self.maps_max {
            let Some((split, start)) = state.maps.pop_front() else { break };
            if let Some(entry) = state.splits.get_mut(&split).and_then(|s| s.get_mut(&start)) {
                entry.map = None;
            }
        }
    }

    fn drop_piece(&self, split: &SplitId, start: u64) {
        let mut state = self.state();
        if let Some(form) = state.remove(split, start) {
            let _ = fs::remove_file(self.path(&Name { split: split.clone(), form }));
        }
        telemetry::set(self.kind.gauge(), state.bytes as i64);
    }

    /// What of `wanted` is there.
    pub(super) fn covered(&self, split: &SplitId, wanted: &[Span]) -> Vec<Span> {
        covered(&self.state(), split, wanted)
    }

    /// Writes bytes of an object and gives them back mapped. What is there already is not written
    /// again; then the bytes come back as they are.
    ///
    /// # Errors
    /// The file system's; the bytes are not kept then.
    pub(super) fn insert(
        &self,
        split: &SplitId,
        (span, object_bytes): (&Span, u64),
        bytes: &Bytes,
    ) -> io::Result<Bytes> {
        let wanted = std::slice::from_ref(span);
        let pieces = subtract(wanted, self.covered(split, wanted));
        for piece in &pieces {
            let form = match self.kind {
                Kind::Ranges => Form::Part(piece.clone()),
                Kind::Tails => Form::Tail(piece.clone()),
            };
            let name = Name { split: split.clone(), form };
            let inside = (piece.start - span.start) as usize..(piece.end - span.start) as usize;
            let place = (piece, object_bytes);
            file::write(&self.path(&name), &self.temporary(&name), place, &bytes[inside])?;
            self.take_in(name, piece, piece.end - piece.start + file::TRAILER_BYTES);
        }
        match self.find(split, span.start, object_bytes) {
            Some((found, map)) if found == *span => Ok(map),
            _ => Ok(bytes.clone()),
        }
    }

    /// Takes over a finished file that holds a whole object, or removes it when it is larger than
    /// the budget.
    ///
    /// # Errors
    /// The file system's.
    pub(super) fn adopt(&self, split: &SplitId, finished: &Path) -> io::Result<()> {
        let bytes = fs::metadata(finished)?.len();
        if bytes > self.bytes_max {
            return fs::remove_file(finished);
        }
        let name = Name { split: split.clone(), form: Form::Whole };
        self.forget(split);
        file::keep_whole(finished, &self.path(&name))?;
        self.take_in(name, &(0..bytes), bytes);
        Ok(())
    }

    /// Notes a file that was just written, unless another came first.
    fn take_in(&self, name: Name, span: &Span, file_bytes: u64) {
        let mut state = self.state();
        let held = covered(&state, &name.split, std::slice::from_ref(span));
        match held.as_slice() {
            [] => state.add(name, span.end, file_bytes),
            // Of the same name: the file was replaced by its like.
            [same] if same == span => {}
            _ => {
                let _ = fs::remove_file(self.path(&name));
            }
        }
        self.shrink(&mut state);
    }

    /// Drops what was used longest ago until the rest fits; the newest piece stays.
    fn shrink(&self, state: &mut State) {
        while state.bytes > self.bytes_max && state.order.len() > 1 {
            let Some((_, (split, start))) = state.order.pop_first() else { break };
            if let Some(form) = state.remove(&split, start) {
                telemetry::count_by(Metric::CacheEvictions, "kind", self.kind.label(), 1);
                let _ = fs::remove_file(self.path(&Name { split, form }));
            }
        }
        telemetry::set(self.kind.gauge(), state.bytes as i64);
    }

    /// Drops all pieces of an object.
    pub(super) fn forget(&self, split: &SplitId) {
        let starts: Vec<u64> =
            self.state().splits.get(split).map_or(Vec::new(), |s| s.keys().copied().collect());
        for start in starts {
            self.drop_piece(split, start);
        }
    }

    /// Drops the pieces of all objects but those that `known` says.
    pub(super) fn retain(&self, known: &dyn Fn(&SplitId) -> bool) {
        let gone: Vec<SplitId> =
            self.state().splits.keys().filter(|split| !known(split)).cloned().collect();
        gone.iter().for_each(|split| self.forget(split));
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> u64 {
        self.state().bytes
    }
}

fn covered(state: &State, split: &SplitId, wanted: &[Span]) -> Vec<Span> {
    let Some(pieces) = state.splits.get(split) else { return Vec::new() };
    let mut out = Vec::new();
    for span in wanted {
        let before = pieces.range(..=span.start).next_back().map(|(start, _)| *start);
        let within = pieces.range(before.unwrap_or(span.start)..span.end);
        let overlaps = within.filter(|(_, entry)| entry.end > span.start);
        out.extend(overlaps.map(|(start, entry)| *start..entry.end));
    }
    out
}

#[cfg(test)]
mod tests;
