//! Whose is a file that no stream has? Binds lost streams, holds copies back, begins new streams.
//!
//! Knows nothing of reading in turns. Every decision compares contents; names only say whether two
//! short contents may be taken for one.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::super::fingerprint::{HEAD_BYTES_MAX, Match, Stat, compare, fill_at, read_at};
use super::super::stream::{Form, Open, Stream};
use super::super::{gzip, kin};
use super::{Found, Held, Pass, SEARCH_SCANS, Tailer, ms_to_ns};

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// A stream was found in it.
    Bound,
    /// It is a copy of this stream's file.
    Hold(u64),
    /// The next scan knows more.
    Later,
    /// Nothing of it is known.
    New,
    /// Nothing is in it.
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copy {
    Yes,
    No,
    /// The other file is changing just now.
    Unclear,
}

/// A file that is being decided on.
struct Candidate<'a> {
    found: &'a Found,
    file: File,
    stat: Stat,
    /// Its first (uncompressed) bytes.
    head: Vec<u8>,
    stem: String,
}

/// Streams by the stems of their names.
type Stems = HashMap<String, Vec<u64>>;

impl Tailer {
    /// Decides on every file that no stream has claimed.
    pub(super) fn admit(&mut self, files: &mut [Found], now_ns: i64) {
        let mut stems = Stems::new();
        for (id, stream) in &self.streams {
            note_stems(&mut stems, *id, stream);
        }
        self.held.values_mut().for_each(|h| h.scan_seen = false);
        for found in files.iter().filter(|f| !f.claimed && f.stat.size > 0) {
            let node = (found.stat.node.dev, found.stat.node.ino);
            match self.admit_one(found, &mut stems, now_ns) {
                Ok(Verdict::Later) => {
                    self.unsettled = true;
                    self.hold(found, None, now_ns);
                }
                Ok(Verdict::Hold(of)) => self.hold(found, Some(of), now_ns),
                Ok(Verdict::Bound | Verdict::New) => {
                    self.unsettled = true;
                    self.held.remove(&node);
                }
                Ok(Verdict::Nothing) => {}
                Err(e) => self.report(&found.path, &e),
            }
        }
        self.held.retain(|_, h| h.scan_seen);
    }

    fn admit_one(&mut self, found: &Found, stems: &mut Stems, now_ns: i64) -> io::Result<Verdict> {
        if self.is_known_copy(found) {
            return Ok(self.held_verdict(found));
        }
        let file = File::open(&found.path)?;
        let stat = Stat::of(&file.metadata()?);
        if !stat.node.same(&found.stat.node) {
            return Ok(Verdict::Later);
        }
        let head = match found.form {
            Form::Plain => read_at(&file, 0, HEAD_BYTES_MAX)?,
            Form::Gzip => gzip::head(file.try_clone()?)?,
        };
        if head.is_empty() {
            return Ok(Verdict::Nothing);
        }
        let candidate = Candidate { found, stat, head, stem: kin::stem(&found.path), file };
        match self.seek_stream(&candidate, now_ns)? {
            Verdict::New => {}
            verdict => return Ok(verdict),
        }
        match self.seek_original(&candidate, stems, now_ns)? {
            Verdict::New => {}
            verdict => return Ok(verdict),
        }
        self.begin(candidate, stems, now_ns)
    }

    /// Whether a compressed file was found to be a copy, and neither it nor that has changed.
    fn is_known_copy(&self, found: &Found) -> bool {
        let node = (found.stat.node.dev, found.stat.node.ino);
        let held = self.held.get(&node).filter(|_| found.form == Form::Gzip);
        held.is_some_and(|h| {
            let original = h.of.and_then(|id| self.streams.get(&id));
            h.stat == found.stat && original.is_some_and(|s| !s.is_missing())
        })
    }

    fn held_verdict(&self, found: &Found) -> Verdict {
        let node = (found.stat.node.dev, found.stat.node.ino);
        self.held.get(&node).and_then(|h| h.of).map_or(Verdict::Later, Verdict::Hold)
    }

    /// Step 2: is it one of the streams whose file is gone? The longest one that agrees is it.
    fn seek_stream(&mut self, candidate: &Candidate<'_>, now_ns: i64) -> io::Result<Verdict> {
        let found = candidate.found;
        let path = found.path.to_string_lossy();
        let mut missing: Vec<&mut Stream> = self
            .streams
            .values_mut()
            .filter(|s| s.is_missing() && s.position.offset > 0)
            .filter(|s| !s.position.node.same(&candidate.stat.node))
            .collect();
        missing.sort_by_key(|s| std::cmp::Reverse(s.position.offset));
        let mut verdict = Verdict::New;
        for stream in missing {
            let position = &stream.position;
            let sibling =
                kin::stem(Path::new(&position.path)) == candidate.stem && position.path != path;
            let long = position.head.bytes as usize == HEAD_BYTES_MAX;
            let too_short = candidate.head.len() < position.head.bytes as usize;
            if too_short {
                if sibling && stream.searched() < SEARCH_SCANS {
                    verdict = Verdict::Later;
                }
                continue;
            }
            if !(sibling || long) || !position.head.is_prefix_of(&candidate.head) {
                continue;
            }
            let file = candidate.file.try_clone()?;
            let outcome = match found.form {
                Form::Plain => stream.adopt_plain(file, &found.path, now_ns)?,
                Form::Gzip => stream.adopt_gzip(file, &found.path, now_ns)?,
            };
            match outcome {
                Match::Same(_) => return Ok(Verdict::Bound),
                // A copy that is being made.
                Match::Shorter if sibling => {
                    let node = (found.stat.node.dev, found.stat.node.ino);
                    let since = self.held.get(&node).map_or(now_ns, |h| h.since_ns);
                    let wait_ns = match self.pass {
                        Pass::Follow => ms_to_ns(self.settings.copy_wait_ms),
                        Pass::Once => 0,
                    };
                    if now_ns - since < wait_ns || stream.searched() < SEARCH_SCANS {
                        verdict = Verdict::Later;
                    }
                }
                _ => {}
            }
        }
        Ok(verdict)
    }

    /// Step 3: is it a copy of a file that is being read?
    fn seek_original(
        &self,
        candidate: &Candidate<'_>,
        stems: &Stems,
        now_ns: i64,
    ) -> io::Result<Verdict> {
        let path = candidate.found.path.to_string_lossy();
        for id in stems.get(&candidate.stem).into_iter().flatten() {
            let Some(stream) = self.streams.get(id).filter(|s| !s.is_missing()) else { continue };
            // A copy is never made onto the path that is written to.
            if stream.position.path == path {
                continue;
            }
            match is_copy(candidate, stream)? {
                Copy::Yes if self.holds_back(candidate, stream, now_ns) => {
                    return Ok(Verdict::Hold(*id));
                }
                Copy::Yes | Copy::No => {}
                Copy::Unclear => return Ok(Verdict::Later),
            }
        }
        Ok(Verdict::New)
    }

    /// Whether a copy is held back for good, or still for a while. Two files with the same few
    /// lines may be two logs; no line is lost for that.
    fn holds_back(&self, candidate: &Candidate<'_>, stream: &Stream, now_ns: i64) -> bool {
        let parent = candidate.found.path.parent();
        let beside = Path::new(&stream.position.path).parent() == parent
            || stream.path().and_then(Path::parent) == parent;
        let long = candidate.head.len() == HEAD_BYTES_MAX;
        if candidate.found.form == Form::Gzip || (beside && long) {
            return true;
        }
        let node = (candidate.stat.node.dev, candidate.stat.node.ino);
        let since_ns = self.held.get(&node).map_or(now_ns, |h| h.since_ns);
        match self.pass {
            Pass::Once => beside,
            Pass::Follow => now_ns - since_ns < ms_to_ns(self.settings.copy_wait_ms),
        }
    }

    /// Step 4.
    fn begin(
        &mut self,
        candidate: Candidate<'_>,
        stems: &mut Stems,
        now_ns: i64,
    ) -> io::Result<Verdict> {
        let mut id = self.rng.next_u64();
        while id == 0 || self.streams.contains_key(&id) {
            id = self.rng.next_u64();
        }
        let Candidate { found, file, stat, .. } = candidate;
        let mut stream = Stream::new(id, &found.path, found.form, stat.node);
        match found.form {
            Form::Plain => stream.adopt_plain(file, &found.path, now_ns)?,
            Form::Gzip => stream.adopt_gzip(file, &found.path, now_ns)?,
        };
        tracing::debug!(path = %found.path.display(), "new file");
        note_stems(stems, id, &stream);
        self.streams.insert(id, stream);
        Ok(Verdict::New)
    }

    fn hold(&mut self, found: &Found, of: Option<u64>, now_ns: i64) {
        let node = (found.stat.node.dev, found.stat.node.ino);
        let original = of.and_then(|id| self.streams.get(&id));
        let original = original.map(|s| s.position.path.clone()).unwrap_or_default();
        let held = self.held.entry(node).or_insert_with(|| Held {
            path: found.path.clone(),
            since_ns: now_ns,
            warned: false,
            scan_seen: true,
            of,
            stat: found.stat,
        });
        held.scan_seen = true;
        held.of = of;
        held.stat = found.stat;
        held.path.clone_from(&found.path);
        let long = now_ns - held.since_ns >= ms_to_ns(self.settings.copy_wait_ms);
        if long && of.is_some() && !held.warned && found.form == Form::Plain {
            held.warned = true;
            let path = found.path.display();
            tracing::warn!(%path, original, "not read: it is a copy of a file that is read");
        }
    }
}

fn note_stems(stems: &mut Stems, id: u64, stream: &Stream) {
    let first = kin::stem(Path::new(&stream.position.path));
    let now = stream.path().map(kin::stem);
    if let Some(now) = now.filter(|n| *n != first) {
        stems.entry(now).or_default().push(id);
    }
    stems.entry(first).or_default().push(id);
}

/// Whether the candidate's content is the beginning of what the stream's file holds.
fn is_copy(candidate: &Candidate<'_>, stream: &Stream) -> io::Result<Copy> {
    let reopened;
    let original = match (&stream.open, stream.path()) {
        (Some(Open::Plain(file)), _) => file,
        (Some(Open::Gzip(_)), _) => return is_copy_of_read(candidate, stream),
        (None, Some(path)) if stream.form() == Form::Plain => {
            let Ok(file) = File::open(path) else { return Ok(Copy::Unclear) };
            if !Stat::of(&file.metadata()?).node.same(&stream.position.node) {
                return Ok(Copy::Unclear);
            }
            reopened = file;
            &reopened
        }
        _ => return is_copy_of_read(candidate, stream),
    };
    let same = match candidate.found.form {
        Form::Plain => same_beginning(&candidate.file, original, &candidate.head)?,
        Form::Gzip => same_uncompressed(candidate.file.try_clone()?, original)?,
    };
    if same {
        return Ok(Copy::Yes);
    }
    // Different, or cut in this moment: then the stream will look for this file.
    let intact = stream.position.offset == 0
        || matches!(compare(original, &stream.position)?, Match::Same(_));
    Ok(if intact { Copy::No } else { Copy::Unclear })
}

/// The original is compressed: compares with what was read of it.
fn is_copy_of_read(candidate: &Candidate<'_>, stream: &Stream) -> io::Result<Copy> {
    let position = &stream.position;
    if position.offset == 0 || candidate.found.form == Form::Gzip {
        return Ok(Copy::No);
    }
    Ok(match compare(&candidate.file, position)? {
        Match::Same(_) => Copy::Yes,
        Match::Shorter if position.head.is_prefix_of(&candidate.head) => Copy::Yes,
        _ => Copy::No,
    })
}

/// Whether all of `copy`, as far as its beginning and its end tell, is the beginning of `original`.
fn same_beginning(copy: &File, original: &File, head: &[u8]) -> io::Result<bool> {
    let size = copy.metadata()?.len();
    if size == 0 || original.metadata()?.len() < size {
        return Ok(false);
    }
    let head = &head[..head.len().min(usize::try_from(size).unwrap_or(usize::MAX))];
    if read_at(original, 0, head.len())? != head {
        return Ok(false);
    }
    let end = size.min(HEAD_BYTES_MAX as u64);
    let ours = read_at(copy, size - end, end as usize)?;
    Ok(ours == read_at(original, size - end, end as usize)?)
}

/// Whether all of the uncompressed content is the beginning of `original`.
fn same_uncompressed(mut compressed: File, original: &File) -> io::Result<bool> {
    compressed.seek(SeekFrom::Start(0))?;
    let mut decoder = MultiGzDecoder::new(io::BufReader::new(compressed));
    let mut ours = vec![0; 64 * 1024];
    let mut theirs = vec![0; 64 * 1024];
    let mut at = 0;
    loop {
        let n = match decoder.read(&mut ours) {
            Ok(0) => return Ok(at > 0),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            // Still being written: a copy as far as it goes.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(at > 0),
            Err(_) => return Ok(false),
        };
        if fill_at(original, at, &mut theirs[..n])? < n || ours[..n] != theirs[..n] {
            return Ok(false);
        }
        at += n as u64;
    }
}
