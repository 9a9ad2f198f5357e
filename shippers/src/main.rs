//! The command line of `logdrive-shipper`. Knows nothing of how lines are shipped.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use crossbeam_channel::bounded;
use platform::clock::SystemClock;
use platform::rng::SystemRng;
use shippers::file::tailer::Pass;
use shippers::run::{Environment, Summary, run};
use shippers::settings::Settings;
use shippers::{settings_file, spool};

/// Ships log files to a logdrive server: every line once, through rotation, outages and crashes.
#[derive(Debug, Parser)]
#[command(name = "logdrive-shipper", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Follow files and ship their lines.
    Run(RunArgs),
    /// Print how far each file was shipped.
    Status {
        /// The state directory.
        #[arg(long)]
        state: PathBuf,
    },
    /// Print the settings file with every key, its meaning and its default.
    Config,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// A settings file; see `logdrive-shipper config`. The other options win over it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Files to read: patterns with `*`, `?`, `[a-z]` and `**`, in quotes.
    #[arg(long, value_name = "GLOB", num_args = 1..)]
    path: Vec<String>,
    /// Files not to read.
    #[arg(long, value_name = "GLOB", num_args = 1..)]
    exclude: Vec<String>,
    /// The server: `http://host:9200`.
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Directory for the spool and the checkpoint.
    #[arg(long, value_name = "DIR")]
    state: Option<String>,
    /// Index that the lines go to.
    #[arg(long, value_name = "NAME")]
    index: Option<String>,
    /// Further fields of every record.
    #[arg(long, value_name = "K=V", num_args = 1..)]
    field: Vec<String>,
    /// Read all files to their end, wait until the server has every line, print what was shipped.
    #[arg(long)]
    once: bool,
}

fn main() -> ExitCode {
    if let Some(reason) = platform::cpu::unfit() {
        eprintln!("error: {reason}");
        return ExitCode::FAILURE;
    }
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,ureq=warn,rustls=warn"));
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(std::io::stderr)
        .init();
    let outcome = match Cli::parse().command {
        Command::Run(args) => ship(&args),
        Command::Status { state } => status(&state),
        Command::Config => {
            print(settings_file::SHIPPED);
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            let text = format!("logdrive-shipper: {e:#}\n");
            let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn ship(args: &RunArgs) -> anyhow::Result<()> {
    let settings = settings(args)?;
    let pass = if args.once { Pass::Once } else { Pass::Follow };
    let environment = Environment {
        clock: Arc::new(SystemClock),
        rng: Arc::new(SystemRng),
        host_name: host_name(),
        stop: stop_signals()?,
    };
    tracing::info!(path = ?settings.path, to = settings.to, index = settings.index, "shipping");
    let summary = run(&settings, pass, environment)?;
    if args.once {
        print(&report(&summary));
        if summary.waiting > 0 {
            bail!(
                "stopped with {} batches not yet sent; start again to send them",
                summary.waiting
            );
        }
        return Ok(());
    }
    tracing::info!(lines = summary.lines, waiting = summary.waiting, "stopped");
    Ok(())
}

fn settings(args: &RunArgs) -> anyhow::Result<Settings> {
    let mut settings = match &args.config {
        None => settings_file::defaults(),
        Some(file) => {
            let name = file.display().to_string();
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read the settings file `{name}`"))?;
            settings_file::read(&name, &text).map_err(anyhow::Error::msg)?
        }
    };
    if !args.path.is_empty() {
        settings.path.clone_from(&args.path);
    }
    settings.exclude.extend(args.exclude.iter().cloned());
    for (given, setting) in [
        (&args.to, &mut settings.to),
        (&args.state, &mut settings.state),
        (&args.index, &mut settings.index),
    ] {
        if let Some(given) = given {
            setting.clone_from(given);
        }
    }
    for field in &args.field {
        let (key, value) = field
            .split_once('=')
            .with_context(|| format!("`--field {field}` has no `=`: write `--field key=value`"))?;
        settings.fields.insert(key.to_owned(), value.into());
    }
    let problems = settings.problems();
    if !problems.is_empty() {
        bail!("{}", problems.join("\nlogdrive-shipper: "));
    }
    Ok(settings)
}

/// A channel that gets a message on SIGTERM and SIGINT.
fn stop_signals() -> anyhow::Result<crossbeam_channel::Receiver<()>> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT])
        .context("cannot listen for signals")?;
    let (tell, told) = bounded(1);
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for _ in signals.forever() {
                tracing::info!("told to stop: what was read is kept in the spool");
                let _ = tell.try_send(());
            }
        })
        .context("cannot start a thread")?;
    Ok(told)
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::fs::read_to_string("/etc/hostname"));
    match name.map(|n| n.trim().to_owned()) {
        Ok(name) if !name.is_empty() => name,
        _ => "localhost".to_owned(),
    }
}

fn report(summary: &Summary) -> String {
    let mut out = format!(
        "shipped {} lines ({} bytes) of {} files in {:.3} s; rejected {}\n",
        summary.lines,
        summary.bytes,
        summary.files,
        summary.elapsed.as_secs_f64(),
        summary.rejected
    );
    if summary.rejected > 0 {
        out.push_str("the rejected lines are in `rejected.ndjson` in the state directory\n");
    }
    for copy in &summary.copies {
        out.push_str(&format!("not read, a copy of another file: {}\n", copy.display()));
    }
    out
}

fn status(state: &Path) -> anyhow::Result<()> {
    let contents = spool::peek(state)
        .with_context(|| format!("`{}` is not a state directory", state.display()))?;
    let mut positions = contents.positions;
    positions.sort_by(|a, b| a.path.cmp(&b.path));
    let mut out = String::new();
    for position in &positions {
        out.push_str(&format!(
            "{:>14}  inode {:<10}  {}\n",
            position.offset, position.node.ino, position.path
        ));
    }
    out.push_str(&format!(
        "{} files confirmed; {} batches ({} bytes) wait in the spool\n",
        positions.len(),
        contents.batches,
        contents.batch_bytes
    ));
    print(&out);
    Ok(())
}

/// To standard output; a reader that has gone is no fault.
fn print(text: &str) {
    let _ = std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes());
}
