//! What does a shipper cost? Its size, its memory at rest, and how fast it reads a large file.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use platform::clock;

use super::corpus;
use super::process::{cpu_seconds, peak_bytes, resident_bytes};
use super::report::{MB, Report};
use crate::program::{Program, Server, free_port};
use crate::steps::target;

const POLL: Duration = Duration::from_millis(20);
const REST: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(600);

pub(super) fn measure(generator: &Path, dir: &Path, docs: u64, report: &mut Report) -> Result<()> {
    let log = corpus::raw(generator, dir, docs)?;
    let shipper = target().join("shipper/logdrive-shipper");
    let binary = fs::metadata(&shipper).context("the shipper is not built")?.len();
    report.row("shipper: binary, MB", format!("{:.1}", binary as f64 / MB), "≤ 12");
    let data = dir.join("shipped");
    let state = dir.join("shipper-state");
    for old in [&data, &state] {
        if old.exists() {
            fs::remove_dir_all(old)?;
        }
    }
    let program = target().join("release/logdrive");
    let said = dir.join("shipped.log");
    let server = Server::start((&program, &[]), &data, free_port(9400)?, &said)?;
    let start = |name: &str, once: bool| {
        let mut command = Command::new(&shipper);
        command.args(["run", "--to", &server.url, "--index", "shipped", "--state"]).arg(&state);
        command.arg("--path").arg(&log);
        if once {
            command.arg("--once");
        }
        Program::start("the shipper", &mut command, &dir.join(format!("shipper-{name}.log")))
    };
    let mut once = start("once", true)?;
    let (pid, began) = (once.pid(), Instant::now());
    let (mut cpu_s, mut peak) = (0.0, 0);
    // What the process used is gone with it; the last look before its end counts.
    while once.check().is_ok() {
        cpu_s = cpu_seconds(pid).unwrap_or(cpu_s);
        peak = peak_bytes(pid).unwrap_or(peak);
        if began.elapsed() > TIMEOUT {
            bail!("the shipper does not come to an end");
        }
        clock::pause(POLL);
    }
    let wall_s = began.elapsed().as_secs_f64();
    if !once.wait()?.success() {
        bail!("the shipper failed: {}", once.last_words());
    }
    let file_mb = fs::metadata(&log)?.len() as f64 / MB;
    let speed = format!("{:.0} ({:.0} a second of time)", file_mb / cpu_s, file_mb / wall_s);
    report.row("shipper: MB per CPU second, file to ack", speed, "≥ 100");
    report.row("shipper: peak resident memory, MB", format!("{:.1}", peak as f64 / MB), "≤ 40");
    let mut following = start("rest", false)?;
    let began = Instant::now();
    while began.elapsed() < REST {
        following.check()?;
        clock::pause(POLL);
    }
    let rest = resident_bytes(following.pid())? as f64 / MB;
    report.row("shipper: resident memory at rest, MB", format!("{rest:.1}"), "≤ 15");
    drop((following, server));
    fs::remove_dir_all(&data)?;
    Ok(fs::remove_dir_all(&state)?)
}
