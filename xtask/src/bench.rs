//! `cargo xtask bench`: how fast, how small? Every row of the targets' table, measured.
//!
//! The corpus goes over HTTP into a fresh release server; then it rests; then it is asked. Each
//! kind of question is asked with several parameters, each for the first time: no answer can come
//! from a cache of answers.

mod corpus;
mod ingest;
mod process;
mod queries;
mod report;
mod shipper;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::program::{Server, free_port};
use crate::steps::{Steps, cargo, root, run as run_step, say, target};
use report::Report;

/// What is measured are first answers, not what splits are known to answer.
const FIRST_ANSWERS: [(&str, &str); 1] = [("LOGDRIVE_QUERY__PARTIAL_CACHE_BYTES_MAX", "0")];

/// Measure ingest, storage, searches and the shipper against the targets.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Documents of the corpus
    #[arg(long, default_value_t = 1_000_000)]
    docs: u64,
    /// Directory with generate.py and loghub/
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// Also write the table to this file
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Leave out the shipper
    #[arg(long)]
    server_only: bool,
    /// Leave the server's data in target/bench for a closer look
    #[arg(long)]
    keep: bool,
}

/// Measures everything and prints the table.
///
/// # Errors
/// What is missing, or what went wrong on the way.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut steps = Steps::new(6);
    steps.next("corpus");
    let dir = target().join("bench");
    fs::create_dir_all(&dir)?;
    let generator = args.corpus.clone().unwrap_or_else(|| root().join("../shared/corpus"));
    let bulk = corpus::bulk(&generator, &dir, args.docs)?;
    steps.next("build");
    run_step(
        &mut cargo(&["build", "--release", "--package", "logdrive", "--bins"]),
        "correct what the compiler names above",
    )?;
    run_step(
        &mut cargo(&["build", "--profile", "shipper", "--package", "logdrive-shippers", "--bins"]),
        "correct what the compiler names above",
    )?;
    let data = dir.join("data");
    if data.exists() {
        fs::remove_dir_all(&data).with_context(|| format!("cannot clear `{}`", data.display()))?;
    }
    let program = target().join("release/logdrive");
    let log = dir.join("server.log");
    let server = Server::start((&program, &FIRST_ANSWERS), &data, free_port(9300)?, &log)?;
    let mut report = Report::new(args.docs, bulk.document_bytes);
    steps.next("ingest until merged and settled");
    ingest::measure(&server, &bulk, &data, &mut report)?;
    steps.next("searches");
    queries::measure(&server, &bulk, &mut report)?;
    let pid = server.program.pid();
    report.rows_of_memory(process::peak_bytes(pid)?, process::own_bytes(pid)?);
    drop(server);
    steps.next("shipper");
    if !args.server_only {
        shipper::measure(&generator, &dir, args.docs, &mut report)?;
    }
    steps.next("result");
    let table = report.table();
    say(&table)?;
    if let Some(file) = &args.write {
        fs::write(file, &table).with_context(|| format!("cannot write `{}`", file.display()))?;
    }
    if !args.keep {
        fs::remove_dir_all(&data)?;
    }
    Ok(())
}
