//! What was read but not confirmed? Batches on disk, and the checkpoint behind them.
//!
//! ```text
//! DIR/lock                      held by the running shipper
//! DIR/checkpoint                how far the server confirmed; checkpoint.previous
//! DIR/spool/0000000000000007    a batch (see `entry`), sent in the order of the names
//! DIR/spool/0000000000000007.0  its first half, after the server found it too large; then .1, .00
//! DIR/spool/damaged/            entries that could not be read
//! DIR/rejected.ndjson           lines that the server refused for good
//! ```
//! A batch is durable here before it is sent. The files were read as far as the checkpoint says,
//! then as far as the entries say, in order. On a confirmation the checkpoint moves first, then the
//! entry goes; what a crash leaves of it is removed at the next start. Knows nothing of HTTP.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use platform::clock::Clock;
use platform::disk::{DirLock, Disk, RealDisk};
use platform::rng::{Rng, ulid};
use platform::telemetry::{self, Metric};

use crate::batch::Batch;
use crate::file::fingerprint::Position;

pub mod checkpoint;
pub mod entry;
mod rejected;
#[cfg(test)]
mod tests;

use checkpoint::Checkpoint;
use entry::{ENTRY_BYTES_MAX, Entry, Header};

/// Why the spool cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Another shipper has it.
    #[error(
        "the state directory `{dir}` is in use by another shipper (process {holder}): stop it, or \
         give this one another `--state`"
    )]
    InUse {
        /// The directory.
        dir: String,
        /// The other process, if it said.
        holder: String,
    },
    /// The file system refuses.
    #[error("cannot use `{path}`: {source}")]
    Io {
        /// What was being used.
        path: String,
        /// Why not.
        source: io::Error,
    },
}

/// What was found at the start.
#[derive(Debug)]
pub struct Recovered {
    /// How far the files were read.
    pub positions: Vec<Position>,
    /// Batches that wait to be sent.
    pub waiting: usize,
    /// What was repaired.
    pub notes: Vec<String>,
}

/// Whether a batch could be halved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halving {
    /// Its two halves are in its place.
    Done,
    /// It holds one line only.
    TooSmall,
}

/// The batches on disk.
#[derive(Debug)]
pub struct Spool {
    dir: PathBuf,
    compression_level: i32,
    rejected_bytes_max: u64,
    inner: Mutex<Inner>,
    _lock: DirLock,
}

#[derive(Debug)]
struct Inner {
    /// Names and lengths, in order.
    entries: Vec<(String, u64)>,
    bytes: u64,
    next: u64,
    checkpoint: Checkpoint,
}

impl Spool {
    /// Opens or creates the spool in `dir`, and repairs it.
    ///
    /// # Errors
    /// [`SpoolError::InUse`], or what the file system says.
    pub fn open(
        dir: &Path,
        compression_level: i32,
        rejected_bytes_max: u64,
    ) -> Result<(Self, Recovered), SpoolError> {
        let spool_dir = dir.join("spool");
        fs::create_dir_all(&spool_dir).map_err(at(&spool_dir))?;
        let lock = DirLock::take(dir).map_err(|e| match e.kind() {
            io::ErrorKind::WouldBlock => SpoolError::InUse {
                dir: dir.display().to_string(),
                holder: DirLock::holder(dir).map_or("unknown".into(), |p| p.to_string()),
            },
            _ => at(dir)(e),
        })?;
        let (checkpoint, mut notes) = Checkpoint::load(dir).map_err(at(dir))?;
        let mut positions = checkpoint.positions.clone();
        let entries = recover(&spool_dir, &checkpoint.acked, &mut notes, &mut |entry| {
            positions.extend(entry.header.positions.into_iter().map(|p| (p.stream, p)));
        })
        .map_err(at(&spool_dir))?;
        let names = entries.iter().map(|(n, _)| n.as_str()).chain([checkpoint.acked.as_str()]);
        let next = names.filter_map(sequence).max().map_or(0, |n| n + 1);
        let bytes = entries.iter().map(|(_, len)| len).sum();
        telemetry::set(Metric::ShipperSpoolBytes, bytes as i64);
        let recovered = Recovered {
            positions: positions.into_values().collect(),
            waiting: entries.len(),
            notes,
        };
        let inner = Mutex::new(Inner { entries, bytes, next, checkpoint });
        let dir = dir.to_owned();
        Ok((Self { dir, compression_level, rejected_bytes_max, inner, _lock: lock }, recovered))
    }

    /// Makes a batch durable, at the end.
    ///
    /// # Errors
    /// What the file system says; nothing of the batch is then in the spool.
    pub fn push(&self, batch: &Batch, clock: &dyn Clock, rng: &dyn Rng) -> io::Result<()> {
        let header = Header {
            id: ulid(clock.now_ns(), rng),
            lines: batch.lines,
            raw_bytes: batch.body.len() as u64,
            source_bytes: batch.source_bytes,
            positions: batch.positions.values().cloned().collect(),
        };
        let payload = zstd::bulk::compress(&batch.body, self.compression_level)?;
        let name = {
            let mut inner = self.inner();
            inner.next += 1;
            format!("{:016x}", inner.next - 1)
        };
        let bytes = entry::encode(&header, &payload);
        self.write(&name, &bytes)?;
        RealDisk.sync_dir(&self.spool_dir())?;
        self.update(|inner| inner.entries.push((name, bytes.len() as u64)));
        Ok(())
    }

    /// The batch whose turn it is.
    ///
    /// # Errors
    /// What the file system says. A damaged entry is set aside, which is an error once, and the
    /// next one has its turn.
    pub fn oldest(&self) -> io::Result<Option<Entry>> {
        let Some((name, _)) = self.inner().entries.first().cloned() else { return Ok(None) };
        let dir = self.spool_dir();
        match read_entry(&dir, &name)? {
            Ok(entry) => Ok(Some(entry)),
            Err(reason) => {
                set_aside(&dir, &name)?;
                self.update(|inner| inner.entries.retain(|(n, _)| *n != name));
                telemetry::count_by(Metric::ShipperDropped, "reason", "damaged_spool", 1);
                let text =
                    format!("the spool entry `{name}` {reason}: set aside, its lines are lost");
                Err(io::Error::new(io::ErrorKind::InvalidData, text))
            }
        }
    }

    /// Moves the checkpoint behind a confirmed batch and removes it.
    ///
    /// # Errors
    /// What the file system says; the batch is then still there.
    pub fn acked(&self, entry: &Entry) -> io::Result<()> {
        let mut next = self.inner().checkpoint.clone();
        next.acked.clone_from(&entry.name);
        next.positions.extend(entry.header.positions.iter().map(|p| (p.stream, p.clone())));
        next.save(&self.dir)?;
        self.inner().checkpoint = next;
        match fs::remove_file(self.spool_dir().join(&entry.name)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        self.update(|inner| inner.entries.retain(|(n, _)| *n != entry.name));
        Ok(())
    }

    /// Puts two halves with ids of their own in the place of a batch that was never taken.
    ///
    /// # Errors
    /// What the file system says; the whole batch or both halves are there.
    pub fn halve(&self, entry: &Entry) -> io::Result<Halving> {
        let body = decompress(entry)?;
        let half = entry.header.lines / 2;
        if half == 0 {
            return Ok(Halving::TooSmall);
        }
        let mut ends = body.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(i, _)| i + 1);
        let cut = ends.nth(half as usize - 1).unwrap_or(body.len());
        let (first, second) = body.split_at(cut);
        let share = |part: &[u8]| {
            let whole = body.len().max(1) as u128;
            (u128::from(entry.header.source_bytes) * part.len() as u128 / whole) as u64
        };
        // Only the second half moves the positions.
        let parts = [
            ("0", first, half, share(first), Vec::new()),
            (
                "1",
                second,
                entry.header.lines - half,
                entry.header.source_bytes - share(first),
                entry.header.positions.clone(),
            ),
        ];
        let base = if entry.name.contains('.') { "" } else { "." };
        let mut halves = Vec::new();
        for (suffix, part, lines, source_bytes, positions) in parts {
            let header = Header {
                id: format!("{}-{suffix}", entry.header.id),
                lines,
                raw_bytes: part.len() as u64,
                source_bytes,
                positions,
            };
            let payload = zstd::bulk::compress(part, self.compression_level)?;
            let bytes = entry::encode(&header, &payload);
            let name = format!("{}{base}{suffix}", entry.name);
            self.write(&name, &bytes)?;
            halves.push((name, bytes.len() as u64));
        }
        let dir = self.spool_dir();
        RealDisk.sync_dir(&dir)?;
        // From here on the halves count; before, a start finds the whole one and drops them.
        fs::remove_file(dir.join(&entry.name))?;
        RealDisk.sync_dir(&dir)?;
        self.update(|inner| {
            inner.entries.retain(|(n, _)| *n != entry.name);
            inner.entries.splice(0..0, halves);
        });
        Ok(Halving::Done)
    }

    /// Takes over positions that changed other than by reading, where the server has confirmed as
    /// much, and drops those of forgotten streams.
    ///
    /// # Errors
    /// What the file system says.
    pub fn note(&self, hints: Vec<Position>, forgotten: &[u64]) -> io::Result<()> {
        let mut next = self.inner().checkpoint.clone();
        for hint in hints {
            let known = next.positions.get_mut(&hint.stream);
            if let Some(known) = known.filter(|k| k.offset == hint.offset) {
                *known = hint;
            }
        }
        forgotten.iter().for_each(|id| drop(next.positions.remove(id)));
        let mut inner = self.inner();
        if next != inner.checkpoint {
            next.save(&self.dir)?;
            inner.checkpoint = next;
        }
        Ok(())
    }

    /// Notes lines that the server refused for good: their numbers in the batch, from 1, and why.
    ///
    /// # Errors
    /// What the file system says.
    pub fn reject(&self, entry: &Entry, lines: &[(u64, String)]) -> io::Result<()> {
        rejected::note(&self.dir, self.rejected_bytes_max, &decompress(entry)?, lines)
    }

    /// Bytes of the batches that wait.
    pub fn bytes(&self) -> u64 {
        self.inner().bytes
    }

    /// Number of the batches that wait.
    pub fn waiting(&self) -> usize {
        self.inner().entries.len()
    }

    fn spool_dir(&self) -> PathBuf {
        self.dir.join("spool")
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, change: impl FnOnce(&mut Inner)) {
        let mut inner = self.inner();
        change(&mut inner);
        inner.bytes = inner.entries.iter().map(|(_, len)| len).sum();
        telemetry::set(Metric::ShipperSpoolBytes, inner.bytes as i64);
    }

    /// Writes an entry whole or not at all; the caller syncs the directory.
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let dir = self.spool_dir();
        let temporary = dir.join(format!("{name}.tmp"));
        let write = || {
            let mut file = File::create(&temporary)?;
            file.write_all(bytes)?;
            file.sync_data()?;
            fs::rename(&temporary, dir.join(name))
        };
        write().inspect_err(|_| {
            // Gives the space back when the disk is full.
            let _ = fs::remove_file(&temporary);
        })
    }
}

/// What a state directory holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// How far the server confirmed.
    pub positions: Vec<Position>,
    /// Batches that wait.
    pub batches: usize,
    /// Their bytes.
    pub batch_bytes: u64,
}

/// Looks at a state directory, also one that is in use, and changes nothing.
///
/// # Errors
/// What the file system says.
pub fn peek(dir: &Path) -> io::Result<Contents> {
    let checkpoint = Checkpoint::peek(dir)?;
    let files = RealDisk.list(&dir.join("spool"))?;
    let lens: Vec<u64> =
        files.iter().filter(|(name, _)| is_entry_name(name)).map(|(_, len)| *len).collect();
    Ok(Contents {
        positions: checkpoint.positions.into_values().collect(),
        batches: lens.len(),
        batch_bytes: lens.iter().sum(),
    })
}

fn decompress(entry: &Entry) -> io::Result<Vec<u8>> {
    let capacity = usize::try_from(entry.header.raw_bytes).unwrap_or(usize::MAX);
    zstd::bulk::decompress(&entry.payload, capacity.min(ENTRY_BYTES_MAX as usize))
}

fn at(path: &Path) -> impl Fn(io::Error) -> SpoolError + use<> {
    let path = path.display().to_string();
    move |source| SpoolError::Io { path: path.clone(), source }
}

fn sequence(name: &str) -> Option<u64> {
    u64::from_str_radix(name.get(..16)?, 16).ok()
}

/// `0000000000000007`, `0000000000000007.01`.
fn is_entry_name(name: &str) -> bool {
    let (number, path) = name.split_once('.').unwrap_or((name, ""));
    let path_good = name.len() == 16 || !path.is_empty();
    number.len() == 16
        && number.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        && path_good
        && path.bytes().all(|b| matches!(b, b'0' | b'1'))
}

/// The whole entry that a half came from has its name, shortened.
fn is_part_of(name: &str, whole: &str) -> bool {
    name.len() > whole.len() && name.starts_with(whole)
}

fn read_entry(dir: &Path, name: &str) -> io::Result<Result<Entry, String>> {
    let path = dir.join(name);
    let len = fs::metadata(&path)?.len();
    if len > ENTRY_BYTES_MAX {
        return Ok(Err(format!("is {len} bytes long, more than any entry")));
    }
    Ok(entry::decode(name, &fs::read(path)?))
}

fn set_aside(dir: &Path, name: &str) -> io::Result<()> {
    let aside = dir.join("damaged");
    fs::create_dir_all(&aside)?;
    fs::rename(dir.join(name), aside.join(name))
}

/// Clears the spool of what is done, unfinished or damaged; gives the good entries in order.
fn recover(
    dir: &Path,
    acked: &str,
    notes: &mut Vec<String>,
    good: &mut dyn FnMut(Entry),
) -> io::Result<Vec<(String, u64)>> {
    let mut kept: Vec<(String, u64)> = Vec::new();
    let mut damaged: Option<String> = None;
    for (name, len) in RealDisk.list(dir)? {
        let done = !acked.is_empty() && (name.as_str() <= acked || is_part_of(&name, acked));
        let unfinished_half = kept.last().is_some_and(|(whole, _)| is_part_of(&name, whole));
        if name.ends_with(".tmp") || (is_entry_name(&name) && (done || unfinished_half)) {
            fs::remove_file(dir.join(&name))?;
            continue;
        }
        if !is_entry_name(&name) {
            notes.push(format!("`{}` is not ours; left alone", dir.join(&name).display()));
            continue;
        }
        if let Some(first) = &damaged {
            // Never sent, for its turn comes later; read again from the files, in order.
            set_aside(dir, &name)?;
            notes.push(format!("`{name}` follows the damaged `{first}`: set aside, read again"));
            continue;
        }
        match read_entry(dir, &name)? {
            Ok(entry) => {
                good(entry);
                kept.push((name, len));
            }
            Err(reason) => {
                set_aside(dir, &name)?;
                notes.push(format!(
                    "the spool entry `{name}` {reason}: set aside in `{}`; its lines are read \
                     again",
                    dir.join("damaged").display()
                ));
                damaged = Some(name);
            }
        }
    }
    RealDisk.sync_dir(dir)?;
    Ok(kept)
}
