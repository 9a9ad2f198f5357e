//! What does a developer run? `cargo xtask test`, `demo` and `bench`: one command each.

mod bench;
mod demo;
mod program;
mod steps;
mod test;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Developer's commands")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check the format and the lints, build, and run every test
    Test,
    /// Install what the tests need beside cargo: real servers and clients, below `target`
    Tools,
    /// Start everything on this machine, with something to find in it
    Demo(demo::Args),
    /// Measure ingest, storage, searches and the shipper against the targets
    Bench(bench::Args),
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let done = steps::check_tools().and_then(|()| match command {
        Command::Test => test::run_checks(),
        Command::Tools => tools::install().map(drop),
        Command::Demo(args) => demo::run(&args),
        Command::Bench(args) => bench::run(&args),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
