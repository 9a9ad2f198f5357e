//! What does taking in cost? Bytes a CPU second until all is merged, bytes kept, time to search.

use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use platform::clock;
use serde_json::json;

use super::corpus::Bulk;
use super::process::{bytes_below, cpu_seconds};
use super::report::{MB, Report};
use crate::program::Server;

const CONNECTIONS: usize = 2;
const SETTLE_TIMEOUT: Duration = Duration::from_secs(900);
const POLL: Duration = Duration::from_millis(200);
/// So long must nothing happen: longer than the merger's interval.
const QUIET: Duration = Duration::from_secs(8);
/// A server that does nothing still wakes up: this share of a core is rest.
const REST_CPU_SHARE: f64 = 0.03;

pub(super) fn measure(
    server: &Server,
    bulk: &Bulk,
    data: &Path,
    report: &mut Report,
) -> Result<()> {
    let pid = server.program.pid();
    let cpu_before = cpu_seconds(pid)?;
    let began = Instant::now();
    send(server, bulk)?;
    let acked = Instant::now();
    let searchable_s = wait_for_all(server, bulk.docs, acked)?;
    let raw_mb = report.raw_bytes() as f64 / MB;
    let sent_s = (acked - began).as_secs_f64();
    settle(server)?;
    let cpu_s = cpu_seconds(pid)? - cpu_before;
    let per_cpu = format!("{:.1} ({cpu_s:.0} CPU s)", raw_mb / cpu_s);
    report.row("raw MB per CPU second, until merged and settled", per_cpu, "≥ 30");
    let wall = format!("{:.1} ({sent_s:.0} s)", raw_mb / sent_s);
    report.row("raw MB a second, until the last ack, 2 connections", wall, "–");
    let kept = bytes_below(data)?;
    let share =
        format!("{:.3} ({:.1} MB)", kept as f64 / report.raw_bytes() as f64, kept as f64 / MB);
    report.row("bytes kept per raw byte, whole data directory", share, "≤ 0.070");
    report.row("all searchable after the last ack, s", format!("{searchable_s:.2}"), "≤ 1");
    let splits = server.metric("logdrive_splits")?;
    report.row("splits", format!("{splits:.0}"), "–");
    Ok(())
}

fn send(server: &Server, bulk: &Bulk) -> Result<()> {
    let (give, take) = sync_channel::<Vec<u8>>(CONNECTIONS);
    let take = Arc::new(Mutex::new(take));
    std::thread::scope(|scope| {
        // The senders alone hold the other end: when all have failed, giving fails, too.
        let senders: Vec<_> = (0..CONNECTIONS)
            .map(|_| take.clone())
            .map(|take| scope.spawn(move || send_all(server, &take)))
            .collect();
        drop(take);
        let given = bulk.for_each_request(|body| give.send(body).context("no sender is left"));
        drop(give);
        for sender in senders {
            sender.join().map_err(|_| anyhow!("a sender failed"))??;
        }
        given
    })
}

fn send_all(server: &Server, bodies: &Mutex<Receiver<Vec<u8>>>) -> Result<()> {
    loop {
        let next = bodies.lock().map_err(|_| anyhow!("the other sender failed"))?.recv();
        match next {
            Ok(body) => send_one(server, &body)?,
            Err(_) => return Ok(()),
        }
    }
}

/// One request, again for as long as the server is full: that is how clients behave.
fn send_one(server: &Server, body: &[u8]) -> Result<()> {
    loop {
        match server.post("/_bulk?filter_path=errors", body) {
            Ok(answer) if answer.contains("\"errors\":false") => return Ok(()),
            Ok(answer) => {
                let shown: String = answer.chars().take(500).collect();
                bail!("a document was refused: {shown}")
            }
            Err(error) if error.to_string().contains("answered 429") => clock::pause(POLL),
            Err(error) => return Err(error),
        }
    }
}

fn wait_for_all(server: &Server, docs: u64, acked: Instant) -> Result<f64> {
    loop {
        let found = server.count(&json!({"match_all": {}}))?;
        if found >= docs {
            if found > docs {
                bail!("{found} documents are there, but {docs} were sent");
            }
            return Ok(acked.elapsed().as_secs_f64());
        }
        if acked.elapsed() > SETTLE_TIMEOUT {
            bail!("only {found} of {docs} documents can be found");
        }
    }
}

/// Waits until everything is published and nothing is built or merged any more.
fn settle(server: &Server) -> Result<()> {
    let pid = server.program.pid();
    let began = Instant::now();
    let state = || -> Result<[f64; 4]> {
        Ok([
            server.metric("logdrive_live_records")?,
            server.metric("logdrive_splits")?,
            server.metric("logdrive_merged_splits_total")?,
            server.metric("logdrive_published_records_total")?,
        ])
    };
    loop {
        let (before, cpu, since) = (state()?, cpu_seconds(pid)?, Instant::now());
        while since.elapsed() < QUIET {
            clock::pause(POLL);
        }
        let used = (cpu_seconds(pid)? - cpu) / since.elapsed().as_secs_f64();
        let after = state()?;
        if after == before && after[0] == 0.0 && used < REST_CPU_SHARE {
            return Ok(());
        }
        if began.elapsed() > SETTLE_TIMEOUT {
            bail!("the server does not come to rest: {before:?} {after:?}, {used:.2} cores in use");
        }
    }
}
