//! What is measured on? The bulk file that `generate.py` makes, and how it is cut into requests.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value as Json;

use crate::steps::run;

const REQUEST_BYTES: usize = 8 << 20;
const SEED: &str = "7";
const SAMPLE_EVERY: u64 = 997;

/// A corpus on disk.
pub(super) struct Bulk {
    path: PathBuf,
    /// Documents.
    pub(super) docs: u64,
    /// Bytes of the documents, without the action lines, with their line ends.
    pub(super) document_bytes: u64,
    /// Every so many-th document, for the parameters of searches.
    pub(super) sample: Vec<Json>,
}

fn generate(generator: &Path, out: &Path, docs: u64, more: &[&str]) -> Result<()> {
    let script = generator.join("generate.py");
    if !script.is_file() {
        bail!(
            "there is no `{}`; name the directory that holds generate.py and loghub/ with --corpus",
            script.display()
        );
    }
    // Under a temporary name first: what is there is complete.
    let unfinished = out.with_extension("unfinished");
    let mut command = Command::new("python3");
    command.arg(&script).args(["--seed", SEED, "--docs", &docs.to_string(), "--out"]);
    command.arg(&unfinished).args(more);
    run(&mut command, "install python3; the corpus is made by generate.py")?;
    Ok(fs::rename(&unfinished, out)?)
}

/// The corpus as `_bulk` takes it, made if it is not there.
pub(super) fn bulk(generator: &Path, dir: &Path, docs: u64) -> Result<Bulk> {
    let path = dir.join(format!("corpus-{docs}.bulk"));
    if !path.is_file() {
        generate(generator, &path, docs, &["--bulk", "logs"])?;
    }
    let (mut document_bytes, mut n, mut sample) = (0, 0, Vec::new());
    let mut lines = BufReader::with_capacity(1 << 20, File::open(&path)?);
    let mut line = Vec::new();
    while next_line(&mut lines, &mut line)? {
        if !next_line(&mut lines, &mut line)? {
            bail!("`{}` ends after an action; delete it", path.display());
        }
        document_bytes += line.len() as u64;
        if n % SAMPLE_EVERY == 0 {
            sample.push(serde_json::from_slice(&line)?);
        }
        n += 1;
    }
    if n != docs {
        bail!("`{}` holds {n} documents, not {docs}; delete it", path.display());
    }
    Ok(Bulk { path, docs, document_bytes, sample })
}

/// The messages of the corpus as a plain log file, made if it is not there.
pub(super) fn raw(generator: &Path, dir: &Path, docs: u64) -> Result<PathBuf> {
    let path = dir.join(format!("corpus-{docs}.log"));
    if !path.is_file() {
        generate(generator, &path, docs, &["--raw"])?;
    }
    Ok(path)
}

fn next_line(lines: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool> {
    line.clear();
    Ok(lines.read_until(b'\n', line)? > 0)
}

impl Bulk {
    /// Calls `send` with one request body after the other.
    pub(super) fn for_each_request(
        &self,
        mut send: impl FnMut(Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let file = File::open(&self.path)
            .with_context(|| format!("cannot read `{}`", self.path.display()))?;
        let mut lines = BufReader::with_capacity(1 << 20, file);
        let mut body = Vec::with_capacity(REQUEST_BYTES + (1 << 20));
        loop {
            let before = body.len();
            lines.read_until(b'\n', &mut body)?;
            lines.read_until(b'\n', &mut body)?;
            let ended = body.len() == before;
            if (ended || body.len() >= REQUEST_BYTES) && !body.is_empty() {
                send(std::mem::take(&mut body))?;
            }
            if ended {
                return Ok(());
            }
        }
    }
}
