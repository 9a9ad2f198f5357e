//! How far is one stream of lines, and what comes next in it? Reads one file.
//!
//! Knows nothing of other files: which file a stream is found in is decided by
//! [`super::tailer`]. Whatever is read is taken only after the file was compared with the stream's
//! fingerprints once more, so that a file that was cut and rewritten in between never mixes in.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use model::time::Timestamp;

use super::fingerprint::{
    Fingerprint, HEAD_BYTES_MAX, Match, Node, Position, Stat, TAIL_BYTES_MAX, compare, fill_at,
    read_at,
};
use super::gzip::{End, GzipReader};
use super::lines::{AtEnd, Cutter};
use crate::batch::Builder;
use crate::record;

/// Lines that were written one after the other, wherever they are now.
#[derive(Debug)]
pub(crate) struct Stream {
    pub position: Position,
    /// The bytes of `position.tail`, once a file was compared.
    tail: Vec<u8>,
    /// Where it is now.
    pub place: Place,
    pub open: Option<Open>,
    /// What the file was when it was last compared.
    pub seen: Option<Stat>,
    /// There is something to read, as far as is known.
    pub more: bool,
    /// The file was looked at up to here; what is between this and the offset is no line yet.
    pub examined: u64,
    /// When it last grew, nanoseconds since 1970.
    pub grown_ns: i64,
    /// Lines of it were shipped by this process.
    pub shipped: bool,
    /// The position changed without a record: a file was renamed or finished.
    pub hint_changed: bool,
}

/// Where a stream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the file at this path.
    At(PathBuf, Form),
    /// In the open file only: it was removed, or renamed to a path that no pattern matches.
    Unlinked,
    /// Not found since this time, in so many scans.
    Missing { since_ns: i64, scans: u32 },
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    Gzip,
}

#[derive(Debug)]
pub(crate) enum Open {
    Plain(File),
    Gzip(Box<GzipReader>),
}

/// What one turn of reading gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// So many lines and bytes of the file.
    Read { lines: u64, bytes: u64 },
    /// The file is not this stream any more.
    Lost,
}

/// What is the same for every turn.
pub(crate) struct TurnContext<'a> {
    pub line_bytes_max: usize,
    pub close_inactive_ns: i64,
    pub now: Timestamp,
    /// Nothing more will be written to any file.
    pub final_pass: bool,
    pub buffer: &'a mut Vec<u8>,
}

impl Stream {
    /// A stream that nothing was read of.
    pub fn new(id: u64, path: &Path, form: Form, node: Node) -> Self {
        let position = Position {
            stream: id,
            path: path.to_string_lossy().into_owned(),
            offset: 0,
            head: Fingerprint::EMPTY,
            tail: Fingerprint::EMPTY,
            node,
            finished: None,
        };
        let mut stream = Self::resumed(position, 0);
        stream.place = Place::At(path.to_owned(), form);
        stream
    }

    /// A stream whose file is still to be found.
    pub fn resumed(position: Position, now_ns: i64) -> Self {
        Self {
            position,
            tail: Vec::new(),
            place: Place::Missing { since_ns: now_ns, scans: 0 },
            open: None,
            seen: None,
            more: false,
            examined: 0,
            grown_ns: now_ns,
            shipped: false,
            hint_changed: false,
        }
    }

    pub fn is_missing(&self) -> bool {
        matches!(self.place, Place::Missing { .. })
    }

    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::At(path, _) => Some(path),
            _ => None,
        }
    }

    pub fn form(&self) -> Form {
        match &self.place {
            Place::At(_, form) => *form,
            _ => Form::Plain,
        }
    }

    /// In how many scans it was looked for.
    pub fn searched(&self) -> u32 {
        match &self.place {
            Place::Missing { scans, .. } => *scans,
            _ => 0,
        }
    }

    /// No writer has reason to write to it any more: it is not where it began.
    fn is_retired(&self) -> bool {
        self.path().is_none_or(|p| p.to_string_lossy() != self.position.path)
    }

    /// Takes `file`, which is at `path`, if its content is this stream's.
    pub fn adopt_plain(&mut self, file: File, path: &Path, now_ns: i64) -> io::Result<Match> {
        let stat = Stat::of(&file.metadata()?);
        let outcome = compare(&file, &self.position)?;
        if let Match::Same(tail) = &outcome {
            self.tail.clone_from(tail);
            self.open = Some(Open::Plain(file));
            self.settle(path, Form::Plain, stat, now_ns);
        }
        Ok(outcome)
    }

    /// The same for a compressed file.
    pub fn adopt_gzip(&mut self, file: File, path: &Path, now_ns: i64) -> io::Result<Match> {
        let stat = Stat::of(&file.metadata()?);
        if self.position.finished == Some(stat) {
            self.settle(path, Form::Gzip, stat, now_ns);
            self.more = false;
            return Ok(Match::Same(Vec::new()));
        }
        let mut reader = GzipReader::new(file)?;
        let outcome = reader.seek_to(&self.position);
        if let Match::Same(tail) = &outcome {
            self.tail.clone_from(tail);
            self.open = Some(Open::Gzip(Box::new(reader)));
            self.settle(path, Form::Gzip, stat, now_ns);
        }
        Ok(outcome)
    }

    fn settle(&mut self, path: &Path, form: Form, stat: Stat, now_ns: i64) {
        self.place = Place::At(path.to_owned(), form);
        self.note_seen(stat, now_ns);
        self.more = form == Form::Gzip || stat.size > self.position.offset;
    }

    /// Notes what the file is now, after a comparison.
    pub fn note_seen(&mut self, stat: Stat, now_ns: i64) {
        if self.seen.is_none_or(|s| s.size != stat.size) {
            self.grown_ns = now_ns;
        }
        if self.position.node != stat.node {
            self.position.node = stat.node;
            self.hint_changed = true;
        }
        self.seen = Some(stat);
    }

    pub fn lose(&mut self, now_ns: i64) {
        self.open = None;
        self.seen = None;
        self.more = false;
        if !self.is_missing() {
            self.place = Place::Missing { since_ns: now_ns, scans: 0 };
        }
    }

    /// Bytes of the file beyond what was read, as last seen.
    pub fn unread_bytes(&self) -> u64 {
        match (&self.place, self.seen) {
            (Place::At(_, Form::Gzip), _) | (_, None) => 0,
            (_, Some(seen)) => seen.size.saturating_sub(self.position.offset),
        }
    }

    /// Long without growth.
    pub fn is_inactive(&self, now_ns: i64, close_inactive_ns: i64) -> bool {
        now_ns.saturating_sub(self.grown_ns) >= close_inactive_ns
    }

    /// Closes a quiet file; before that, has the last line of one that nobody writes to taken.
    pub fn look_after(&mut self, now_ns: i64, close_inactive_ns: i64) {
        if self.more || !self.is_inactive(now_ns, close_inactive_ns) {
            return;
        }
        let half_gzip = self.form() == Form::Gzip && self.position.finished.is_none();
        if self.wants_last_line(now_ns, close_inactive_ns) || half_gzip {
            self.more = true;
            return;
        }
        self.open = None;
        if self.place == Place::Unlinked {
            self.lose(now_ns);
        }
    }

    /// Whether an unfinished last line should now be taken as it is.
    pub fn wants_last_line(&self, now_ns: i64, close_inactive_ns: i64) -> bool {
        self.is_retired() && self.unread_bytes() > 0 && self.is_inactive(now_ns, close_inactive_ns)
    }

    /// Reads the next piece into the batch.
    pub fn turn(&mut self, context: &mut TurnContext<'_>, out: &mut Builder) -> io::Result<Turn> {
        match self.open.take() {
            None => Ok(Turn::Lost),
            Some(Open::Plain(file)) => {
                let outcome = self.turn_plain(&file, context, out);
                self.open = Some(Open::Plain(file));
                outcome
            }
            Some(Open::Gzip(reader)) => Ok(self.turn_gzip(reader, context, out)),
        }
    }

    fn turn_plain(
        &mut self,
        file: &File,
        context: &mut TurnContext<'_>,
        out: &mut Builder,
    ) -> io::Result<Turn> {
        let mut buffer = std::mem::take(context.buffer);
        let result = fill_at(file, self.position.offset, &mut buffer).and_then(|filled| {
            let chunk = &buffer[..filled];
            if !self.still_holds(file, chunk)? {
                return Ok(Turn::Lost);
            }
            let at_file_end = filled < buffer.len();
            self.examined = self.position.offset + filled as u64;
            let last = context.final_pass
                || self.wants_last_line(context.now.0, context.close_inactive_ns);
            let at_end = if at_file_end && last { AtEnd::Take } else { AtEnd::Wait };
            let (lines, consumed) = self.take_lines(chunk, at_end, context, out);
            // What is left at the file's end is no line yet.
            self.more = !at_file_end || (out.is_full() && consumed < filled);
            if consumed > 0 {
                self.grown_ns = context.now.0;
            }
            Ok(Turn::Read { lines, bytes: consumed as u64 })
        });
        *context.buffer = buffer;
        result
    }

    /// Whether `chunk`, read at the offset, surely belongs to this stream.
    fn still_holds(&self, file: &File, chunk: &[u8]) -> io::Result<bool> {
        if self.position.offset == 0 {
            let again = read_at(file, 0, chunk.len().min(HEAD_BYTES_MAX))?;
            let size = file.metadata()?.len();
            return Ok(chunk.starts_with(&again) && size >= chunk.len() as u64);
        }
        let same = matches!(compare(file, &self.position)?, Match::Same(_));
        let size = file.metadata()?.len();
        Ok(same && size >= self.position.offset + chunk.len() as u64)
    }

    fn turn_gzip(
        &mut self,
        mut reader: Box<GzipReader>,
        context: &mut TurnContext<'_>,
        out: &mut Builder,
    ) -> Turn {
        let wanted = context.buffer.len();
        let (pending, end) = reader.peek(wanted);
        let at_end = match end {
            Some(_) if pending.len() > wanted => AtEnd::Wait,
            Some(End::Complete) => AtEnd::Take,
            Some(_) if context.final_pass => AtEnd::Take,
            Some(_) if self.is_inactive(context.now.0, context.close_inactive_ns) => AtEnd::Take,
            _ => AtEnd::Wait,
        };
        let end = end.filter(|_| pending.len() <= wanted).cloned();
        let piece = &pending[..pending.len().min(wanted)];
        let (lines, consumed) = self.take_lines(piece, at_end, context, out);
        let left = piece.len() - consumed;
        reader.consume(consumed);
        self.more = match end {
            None => true,
            Some(_) if left > 0 && out.is_full() => true,
            Some(End::Complete) => {
                self.position.finished = self.seen;
                self.hint_changed = true;
                false
            }
            Some(other) => {
                if at_end == AtEnd::Take {
                    let path = self.path().map(|p| p.display().to_string());
                    tracing::warn!(path, end = ?other, "a compressed file is not whole");
                    self.position.finished = self.seen;
                    self.hint_changed = true;
                }
                false
            }
        };
        if self.more {
            self.open = Some(Open::Gzip(reader));
        }
        Turn::Read { lines, bytes: consumed as u64 }
    }

    /// Adds the lines of `chunk` until the batch is full: lines added, bytes dealt with.
    fn take_lines(
        &mut self,
        chunk: &[u8],
        at_end: AtEnd,
        context: &TurnContext<'_>,
        out: &mut Builder,
    ) -> (u64, usize) {
        let mid_line = self.tail.last().is_some_and(|b| *b != b'\n');
        let mut cutter = Cutter::new(chunk, mid_line, context.line_bytes_max, at_end);
        let mut lines = 0;
        while !out.is_full() {
            let Some(line) = cutter.next() else { break };
            out.push(&record::Source {
                bytes: line.bytes,
                split: line.split,
                path: &self.position.path,
                offset: self.position.offset + line.start as u64,
                read_at: context.now,
            });
            lines += 1;
        }
        let consumed = cutter.consumed();
        self.advance(&chunk[..consumed]);
        if lines > 0 {
            self.shipped = true;
            out.moved(self.position.clone());
        }
        (lines, consumed)
    }

    fn advance(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.position.head.extend(bytes);
        self.position.offset += bytes.len() as u64;
        self.position.finished = None;
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL_BYTES_MAX)..]);
        let excess = self.tail.len().saturating_sub(TAIL_BYTES_MAX);
        self.tail.drain(..excess);
        self.position.tail = Fingerprint::of(&self.tail);
    }
}
