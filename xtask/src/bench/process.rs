//! What has a process used? CPU time and memory, from `/proc`; bytes of a directory.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// CPU seconds (user and system) of the process so far.
pub(super) fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the process has ended")?;
    // The name in brackets may hold spaces; the fields after it are numbered from 3.
    let (_, rest) = stat.rsplit_once(") ").context("/proc/PID/stat has no name")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let ticks = |at: usize| -> Result<f64> {
        Ok(fields.get(at - 3).context("/proc/PID/stat is short")?.parse::<f64>()?)
    };
    Ok((ticks(14)? + ticks(15)?) / rustix::param::clock_ticks_per_second() as f64)
}

/// The most resident memory the process has had.
pub(super) fn peak_bytes(pid: u32) -> Result<u64> {
    status_bytes(pid, "VmHWM:")
}

/// Its resident memory now.
pub(super) fn resident_bytes(pid: u32) -> Result<u64> {
    status_bytes(pid, "VmRSS:")
}

/// What of it is its own now, not mapped from files.
pub(super) fn own_bytes(pid: u32) -> Result<u64> {
    status_bytes(pid, "RssAnon:")
}

fn status_bytes(pid: u32, name: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|l| l.trim().strip_suffix(" kB")).context("no memory in the status")?;
    Ok(kib.trim().parse::<u64>()? * 1024)
}

/// Bytes of all files below `dir`.
pub(super) fn bytes_below(dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        bytes += if meta.is_dir() { bytes_below(&entry.path())? } else { meta.len() };
    }
    Ok(bytes)
}
