//! What was asked on the command line? `logdrive server`, and what talks to a running one.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use logdrive::{cli, server};

/// Batches, rolls and merges free what other threads allocated, in large pieces: memory goes back to
/// the system soon, and decoding asks for it without a system call.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Parser)]
#[command(
    name = "logdrive",
    version,
    about = "A centralized log pipeline and search engine",
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server: ingest, index and search in one process
    Server(server::Args),
    /// Find lines
    Search(cli::search::Args),
    /// Follow new lines
    Tail(cli::tail::Args),
    /// Look into a split's object, or check it
    Split(cli::split::Args),
    /// Make a lost catalog anew from the objects
    Catalog(cli::catalog::Args),
    /// Write the log files of a small shop with an incident in it
    DemoTraffic(cli::demo_traffic::Args),
}

fn main() -> ExitCode {
    if let Some(reason) = platform::cpu::unfit() {
        eprintln!("error: {reason}");
        return ExitCode::FAILURE;
    }
    let run = match Cli::parse().command {
        Command::Server(args) => server::run(args),
        Command::Search(args) => cli::search::run(args),
        Command::Tail(args) => cli::tail::run(args),
        Command::Split(args) => cli::split::run(args),
        Command::Catalog(args) => cli::catalog::run(args),
        Command::DemoTraffic(args) => cli::demo_traffic::run(args),
    };
    run.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
