//! How far did the server confirm? The checkpoint file and the one before it.
//!
//! ```text
//! logdrive-shipper-checkpoint 1 CRC32C-IN-HEX
//! {"acked": NAME-OF-THE-LAST-ENTRY, "positions": [ … ]}
//! ```
//! Written whole under another name, synced, then renamed; the last one stays as
//! `checkpoint.previous` until the next. Knows nothing of spool entries but their names.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use platform::disk::{Disk, RealDisk};
use serde::{Deserialize, Serialize};

use crate::file::fingerprint::Position;

const NAME: &str = "checkpoint";
const PREVIOUS: &str = "checkpoint.previous";
const TITLE: &str = "logdrive-shipper-checkpoint 1";

/// How far the server confirmed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the last confirmed entry.
    pub acked: String,
    /// By stream.
    pub positions: BTreeMap<u64, Position>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    acked: String,
    positions: Vec<Position>,
}

impl Checkpoint {
    /// Replaces the checkpoint in `dir`.
    ///
    /// # Errors
    /// What the file system says; the old one is then still there.
    pub fn save(&self, dir: &Path) -> io::Result<()> {
        let stored = Stored {
            acked: self.acked.clone(),
            positions: self.positions.values().cloned().collect(),
        };
        let body = serde_json::to_string(&stored).expect("a checkpoint is plain data");
        let path = dir.join(NAME);
        let temporary = dir.join("checkpoint.tmp");
        let mut file = File::create(&temporary)?;
        write!(file, "{TITLE} {:08x}\n{body}\n", crc32c::crc32c(body.as_bytes()))?;
        file.sync_data()?;
        match fs::rename(&path, dir.join(PREVIOUS)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        fs::rename(&temporary, &path)?;
        RealDisk.sync_dir(dir)
    }

    /// Reads the checkpoint in `dir`, or the one before it, and says what was wrong. A damaged file
    /// is set aside under a name ending in `.damaged`.
    ///
    /// # Errors
    /// What the file system says; a missing file is no error.
    pub fn load(dir: &Path) -> io::Result<(Self, Vec<String>)> {
        let mut notes = Vec::new();
        for name in [NAME, PREVIOUS] {
            let path = dir.join(name);
            let bytes = match fs::read(&path) {
                Ok(bytes) => bytes,
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            };
            match Self::parse(&bytes) {
                Ok(checkpoint) => return Ok((checkpoint, notes)),
                Err(reason) => {
                    let aside = dir.join(format!("{name}.damaged"));
                    fs::rename(&path, &aside)?;
                    notes.push(format!(
                        "`{}` {reason}: set aside as `{}`; lines since the state before it may be \
                         sent again",
                        path.display(),
                        aside.display()
                    ));
                }
            }
        }
        Ok((Self::default(), notes))
    }

    /// The newest checkpoint in `dir` that can be read; changes nothing.
    ///
    /// # Errors
    /// What the file system says; a missing file is no error.
    pub fn peek(dir: &Path) -> io::Result<Self> {
        for name in [NAME, PREVIOUS] {
            match fs::read(dir.join(name)).map(|bytes| Self::parse(&bytes)) {
                Ok(Ok(checkpoint)) => return Ok(checkpoint),
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        Ok(Self::default())
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "is not text".to_owned())?;
        let (title, rest) = text.split_once('\n').ok_or("has no title")?;
        let crc = title.strip_prefix(TITLE).ok_or("has an unknown title")?.trim();
        let body = rest.strip_suffix('\n').ok_or("is cut off")?;
        if u32::from_str_radix(crc, 16) != Ok(crc32c::crc32c(body.as_bytes())) {
            return Err("has a wrong checksum".into());
        }
        let stored: Stored = serde_json::from_str(body).map_err(|e| format!("is bad: {e}"))?;
        let positions = stored.positions.into_iter().map(|p| (p.stream, p)).collect();
        Ok(Self { acked: stored.acked, positions })
    }
}
