//! Which file holds which stream, and whose turn is it? Finds, binds and reads files.
//!
//! One [`Tailer::scan`] decides by content:
//! 1. A stream with an open file stays there while the content agrees, wherever the name went.
//! 2. A stream without one looks at the file with its inode, then at all files that no other has.
//!    So it follows a rename, the copy that `copytruncate` made, and the `.gz` of it.
//! 3. A file that is nobody's and a copy of one that is being read is held back: the stream moves
//!    there when its own file is cut. A copy that is too short to be sure is held for a while only.
//! 4. Any other file is a new stream, read from its beginning.
//!
//! Knows nothing of spools and servers; what was read goes into the caller's batch.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::time::Timestamp;
use platform::clock::Clock;
use platform::rng::Rng;
use platform::telemetry::{self, Metric};

use super::fingerprint::{Match, Position, Stat};
use super::glob::Pattern;
use super::stream::{Form, Open, Place, Stream, Turn, TurnContext};
use crate::batch::Builder;
use crate::settings::{FileSettings, Settings};

mod admit;

/// Whether files may still grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// They are followed.
    Follow,
    /// They are read to their present end, once.
    Once,
}

/// Problems of single files are told once each, so many at most are remembered.
const PROBLEMS_MAX: usize = 4096;
/// Scans in which a lost stream is looked for before a short file may be something else.
const SEARCH_SCANS: u32 = 2;

/// What one call did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Lines added to the batch.
    pub lines: u64,
    /// Bytes of files dealt with.
    pub bytes: u64,
    /// There is more to read now.
    pub more: bool,
    /// Files were found, lost or wait for a decision: another scan may give more.
    pub unsettled: bool,
}

/// Follows files.
#[derive(Debug)]
pub struct Tailer {
    include: Vec<Pattern>,
    exclude: Vec<Exclusion>,
    settings: FileSettings,
    pass: Pass,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    streams: BTreeMap<u64, Stream>,
    held: HashMap<(u64, u64), Held>,
    /// The stream that had the last turn.
    cursor: u64,
    buffer: Vec<u8>,
    problems: HashSet<PathBuf>,
    forgotten: Vec<u64>,
    unsettled: bool,
    /// Open files at the last scan, and what was opened since.
    open_files: usize,
}

#[derive(Clone, Debug)]
enum Exclusion {
    Path(Pattern),
    Name(Pattern),
}

/// A file that is held back as the copy of another.
#[derive(Clone, Debug)]
struct Held {
    path: PathBuf,
    since_ns: i64,
    warned: bool,
    scan_seen: bool,
    /// The stream it is a copy of, once that is known.
    of: Option<u64>,
    stat: Stat,
}

/// A file as a scan found it.
#[derive(Clone, Debug)]
struct Found {
    path: PathBuf,
    stat: Stat,
    form: Form,
    claimed: bool,
}

impl Tailer {
    /// Follows what `settings` name, from `positions` on.
    ///
    /// # Errors
    /// A pattern that cannot be read.
    pub fn new(
        settings: &Settings,
        positions: Vec<Position>,
        pass: Pass,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, String> {
        let base = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        let include = settings.path.iter().map(|p| Pattern::parse(p, &base));
        let exclude = settings.exclude.iter().map(|text| match text.contains('/') {
            true => Pattern::parse(text, &base).map(Exclusion::Path),
            false => Pattern::parse(text, Path::new("/")).map(Exclusion::Name),
        });
        let files = settings.files.clone();
        let now_ns = clock.now_ns();
        // Room for a whole line of the greatest length, so that every turn moves on.
        let buffer = vec![0; files.read_bytes_max.max(files.line_bytes_max + 4)];
        let streams =
            positions.into_iter().map(|p| (p.stream, Stream::resumed(p, now_ns))).collect();
        Ok(Self {
            include: include.collect::<Result<_, _>>()?,
            exclude: exclude.collect::<Result<_, _>>()?,
            settings: files,
            pass,
            clock,
            rng,
            streams,
            held: HashMap::new(),
            cursor: 0,
            buffer,
            problems: HashSet::new(),
            forgotten: Vec::new(),
            unsettled: false,
            open_files: 0,
        })
    }

    /// One scan and one round of reading: the step that everything else is made of.
    pub fn poll_once(&mut self, out: &mut Builder) -> Progress {
        self.scan();
        self.read_round(out)
    }

    /// Looks at the files, and decides which stream is where.
    pub fn scan(&mut self) {
        self.unsettled = false;
        let now_ns = self.clock.now_ns();
        let mut files = self.find_files();
        self.recheck(&mut files, now_ns);
        self.admit(&mut files, now_ns);
        self.look_after(now_ns);
        telemetry::set(Metric::ShipperFiles, self.streams.len() as i64);
    }

    /// Gives every stream that has something to read one turn, or until the batch is full.
    pub fn read_round(&mut self, out: &mut Builder) -> Progress {
        let mut progress = Progress::default();
        let after = (Bound::Excluded(self.cursor), Bound::Unbounded);
        let upto = (Bound::Unbounded, Bound::Included(self.cursor));
        let ids: Vec<u64> = self
            .streams
            .range::<u64, _>(after)
            .chain(self.streams.range::<u64, _>(upto))
            .filter(|(_, s)| s.more)
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            if out.is_full() {
                break;
            }
            self.cursor = id;
            self.read_one(id, out, &mut progress);
        }
        telemetry::count(Metric::ShipperReadLines, progress.lines);
        telemetry::count(Metric::ShipperReadBytes, progress.bytes);
        progress.more = self.streams.values().any(|s| s.more);
        progress.unsettled = self.unsettled;
        progress
    }

    /// Streams of which lines were read.
    pub fn shipped_files(&self) -> usize {
        self.streams.values().filter(|s| s.shipped).count()
    }

    /// Files held back as copies of others.
    pub fn held_files(&self) -> Vec<PathBuf> {
        let mut out: Vec<_> =
            self.held.values().filter(|h| h.of.is_some()).map(|h| h.path.clone()).collect();
        out.sort();
        out
    }

    /// Streams that are given up since the last call: their files are long gone.
    pub fn take_forgotten(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.forgotten)
    }

    /// Positions that changed since the last call other than by reading: renamed, finished.
    pub fn take_hints(&mut self) -> Vec<Position> {
        let changed = self.streams.values_mut().filter(|s| s.hint_changed && s.position.offset > 0);
        let take = |s: &mut Stream| {
            s.hint_changed = false;
            s.position.clone()
        };
        changed.map(take).collect()
    }

    fn find_files(&mut self) -> Vec<Found> {
        let max = self.settings.files_max;
        let mut paths: Vec<PathBuf> = Vec::new();
        let mut problems: Vec<(PathBuf, io::Error)> = Vec::new();
        for pattern in &self.include {
            let mut report = |path: &Path, e: &io::Error| {
                problems.push((path.to_owned(), io::Error::new(e.kind(), e.to_string())));
            };
            paths.extend(pattern.walk(max + 1, &mut report));
        }
        for (path, e) in problems {
            self.report(&path, &e);
        }
        paths.retain(|p| !self.exclude.iter().any(|e| e.matches(p)));
        paths.sort();
        paths.dedup();
        if paths.len() > max {
            let e = io::Error::other(format!("more than `files.files_max` = {max} files match"));
            self.report(&paths[max].clone(), &e);
            paths.truncate(max);
        }
        let mut nodes = HashSet::new();
        let mut files = Vec::new();
        for path in paths {
            let Ok(meta) = fs::metadata(&path) else { continue };
            let stat = Stat::of(&meta);
            if !meta.is_file() || !nodes.insert((stat.node.dev, stat.node.ino)) {
                continue;
            }
            let gzip = path.extension().is_some_and(|e| e == "gz");
            let form = if gzip { Form::Gzip } else { Form::Plain };
            files.push(Found { path, stat, form, claimed: false });
        }
        // A plain file is preferred to its compressed copy.
        files.sort_by_key(|f| f.form == Form::Gzip);
        files
    }

    /// Steps 1 and 2 by inode: streams that are where they were, or only renamed.
    fn recheck(&mut self, files: &mut [Found], now_ns: i64) {
        let by_node: HashMap<(u64, u64), usize> = files
            .iter()
            .enumerate()
            .map(|(i, f)| ((f.stat.node.dev, f.stat.node.ino), i))
            .collect();
        // After a restart the device may have another number.
        let by_ino: HashMap<u64, usize> =
            files.iter().enumerate().map(|(i, f)| (f.stat.node.ino, i)).collect();
        let mut problems = Vec::new();
        let mut open_files = 0;
        for stream in self.streams.values_mut() {
            let node = stream.position.node;
            let index = by_node.get(&(node.dev, node.ino)).or_else(|| by_ino.get(&node.ino));
            let found =
                index.map(|i| &mut files[*i]).filter(|f| !f.claimed && f.stat.node.same(&node));
            let was = stream.place.clone();
            if let Err(e) = recheck_one(stream, found, now_ns) {
                problems.push((stream.position.path.clone(), e));
            }
            if was != stream.place && stream.is_missing() {
                self.unsettled = true;
                note_lost(stream);
            }
            if open_files >= self.settings.open_files_max && stream.path().is_some() {
                stream.open = None;
            }
            open_files += usize::from(stream.open.is_some());
        }
        self.open_files = open_files;
        for (path, e) in problems {
            self.report(Path::new(&path), &e);
        }
    }

    /// Closes what is quiet, takes last lines, forgets what is long gone.
    fn look_after(&mut self, now_ns: i64) {
        let inactive_ns = ms_to_ns(self.settings.close_inactive_ms);
        let forget_ns = ms_to_ns(self.settings.forget_after_ms);
        let mut gone = Vec::new();
        for (id, stream) in &mut self.streams {
            let Place::Missing { since_ns, scans } = &mut stream.place else {
                stream.look_after(now_ns, inactive_ns);
                continue;
            };
            *scans += 1;
            self.unsettled |= *scans <= SEARCH_SCANS;
            let nothing = stream.position.offset == 0;
            if nothing || now_ns.saturating_sub(*since_ns) >= forget_ns {
                gone.push(*id);
            }
        }
        for id in gone {
            if self.streams.remove(&id).is_some_and(|s| s.position.offset > 0) {
                self.forgotten.push(id);
            }
        }
    }

    fn read_one(&mut self, id: u64, out: &mut Builder, progress: &mut Progress) {
        let now = Timestamp(self.clock.now_ns());
        let Some(mut stream) = self.streams.remove(&id) else { return };
        let outcome = self.open(&mut stream, now.0).and_then(|()| {
            let mut context = TurnContext {
                line_bytes_max: self.settings.line_bytes_max,
                close_inactive_ns: ms_to_ns(self.settings.close_inactive_ms),
                now,
                final_pass: self.pass == Pass::Once,
                buffer: &mut self.buffer,
            };
            stream.turn(&mut context, out)
        });
        match outcome {
            Ok(Turn::Read { lines, bytes }) => {
                progress.lines += lines;
                progress.bytes += bytes;
                if stream.path().is_some() && self.open_files > self.settings.open_files_max {
                    stream.open = None;
                    self.open_files -= 1;
                }
            }
            Ok(Turn::Lost) => {
                self.unsettled = true;
                note_lost(&stream);
                stream.lose(now.0);
            }
            Err(e) => {
                // Tried again when the file changes or at the next scan.
                stream.more = false;
                stream.seen = None;
                stream.open = None;
                self.report(Path::new(&stream.position.path), &e);
            }
        }
        self.streams.insert(id, stream);
    }

    /// Opens the file of a stream that was closed.
    fn open(&mut self, stream: &mut Stream, now_ns: i64) -> io::Result<()> {
        let Place::At(path, form) = stream.place.clone() else { return Ok(()) };
        if stream.open.is_some() {
            return Ok(());
        }
        let file = File::open(&path)?;
        self.open_files += 1;
        match form {
            Form::Plain => stream.adopt_plain(file, &path, now_ns)?,
            Form::Gzip => stream.adopt_gzip(file, &path, now_ns)?,
        };
        Ok(())
    }

    fn report(&mut self, path: &Path, e: &io::Error) {
        if self.problems.len() < PROBLEMS_MAX && self.problems.insert(path.to_owned()) {
            tracing::warn!(path = %path.display(), error = %e, "cannot read");
        }
    }
}

impl Exclusion {
    fn matches(&self, path: &Path) -> bool {
        match self {
            Exclusion::Path(pattern) => pattern.matches(path),
            Exclusion::Name(pattern) => {
                path.file_name().is_some_and(|n| pattern.matches(&Path::new("/").join(n)))
            }
        }
    }
}

fn ms_to_ns(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1_000_000)
}

/// Says what is known when the file of a stream is not it any more.
fn note_lost(stream: &Stream) {
    let path = &stream.position.path;
    match stream.unread_bytes() {
        0 => tracing::debug!(path, offset = stream.position.offset, "file gone or cut"),
        bytes => tracing::info!(
            path,
            offset = stream.position.offset,
            bytes,
            "file gone or cut before its end; looking for its copy"
        ),
    }
}

/// Looks whether the stream is still where it was, or at `found`, the file with its inode.
fn recheck_one(stream: &mut Stream, found: Option<&mut Found>, now_ns: i64) -> io::Result<()> {
    if let Some(Open::Plain(file)) = &stream.open {
        let stat = Stat::of(&file.metadata()?);
        let known = stream.seen.is_some_and(|seen| stat.unchanged_since(&seen, now_ns));
        if !known {
            let outcome = super::fingerprint::compare(file, &stream.position)?;
            if !matches!(outcome, Match::Same(_)) {
                stream.lose(now_ns);
                return Ok(());
            }
            stream.note_seen(stat, now_ns);
            stream.more |= stat.size > stream.examined;
        }
        match found {
            Some(found) => {
                found.claimed = true;
                stream.place = Place::At(found.path.clone(), Form::Plain);
            }
            None => stream.place = Place::Unlinked,
        }
        return Ok(());
    }
    let Some(found) = found else {
        stream.lose(now_ns);
        return Ok(());
    };
    let at_home = stream.path().is_some();
    let unchanged = stream.seen.is_some_and(|seen| match found.form {
        Form::Plain => found.stat.unchanged_since(&seen, now_ns),
        Form::Gzip => found.stat == seen,
    });
    if at_home && unchanged {
        found.claimed = true;
        stream.place = Place::At(found.path.clone(), found.form);
        return Ok(());
    }
    stream.open = None;
    let file = match File::open(&found.path) {
        Ok(file) => file,
        Err(e) => {
            // It is this stream's by all that is known; nobody else may begin it.
            found.claimed = e.kind() != io::ErrorKind::NotFound;
            return Err(e);
        }
    };
    let opened = Stat::of(&file.metadata()?);
    if !opened.node.same(&found.stat.node) {
        // Renamed since it was listed; the next scan sees it.
        stream.lose(now_ns);
        return Ok(());
    }
    let outcome = match found.form {
        Form::Plain => stream.adopt_plain(file, &found.path, now_ns)?,
        Form::Gzip => stream.adopt_gzip(file, &found.path, now_ns)?,
    };
    match outcome {
        Match::Same(_) => found.claimed = true,
        _ => stream.lose(now_ns),
    }
    Ok(())
}
