//! `logdrive search`: which lines match? The newest, oldest of them first, or a histogram.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use jiff::tz::TimeZone;
use platform::terminal::{Output, output};
use serde_json::Value as Json;

use super::client::{Client, ServerArgs};
use super::histogram;
use super::line::{self, Colour};

/// Find log lines.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Words, "phrases" and field:value, with AND, OR, NOT and parentheses; * finds everything
    pub query: String,
    /// From this time on: an age (15m, 2h, 3d) or a time (2026-11-20T14:00:00Z)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Up to this time: an age or a time
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Only in these indexes, with * and commas
    #[arg(long, value_name = "NAME")]
    pub index: Option<String>,
    /// The newest so many; 0 for all, newest first
    #[arg(short = 'n', long, value_name = "LINES", default_value_t = 50)]
    pub number: u64,
    /// One JSON object a line, newest first, as when the output is piped
    #[arg(long)]
    pub json: bool,
    /// Lines over time and by level instead of the lines
    #[arg(long)]
    pub histogram: bool,
    /// The server to ask.
    #[command(flatten)]
    pub server: ServerArgs,
}

impl Args {
    /// What is asked for, as the server's parameters.
    pub(super) fn parameters(&self) -> Vec<(&str, &str)> {
        let optional = [("since", &self.since), ("until", &self.until), ("index", &self.index)];
        let set = optional.into_iter().filter_map(|(name, v)| Some((name, v.as_deref()?)));
        std::iter::once(("q", self.query.as_str())).chain(set).collect()
    }
}

/// Searches and prints.
///
/// # Errors
/// What the server says of the query, or that there is no server.
pub fn run(args: Args) -> Result<ExitCode> {
    let output = output();
    let colour = if output == Output::Coloured { Colour::On } else { Colour::Off };
    let json = args.json || output == Output::Piped;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let client = Client::new(&args.server);
    let printed = match args.histogram {
        // A histogram is for eyes also in a pipe; JSON only when asked for.
        true if args.json => histogram::print_json(&client, &args, &mut out),
        true => histogram::print(&client, &args, colour, &mut out),
        false => print_hits(&client, &args, json, colour, &mut out),
    };
    finish(printed.and_then(|()| Ok(out.flush()?)))
}

/// A reader that leaves early (`| head`) is no error.
pub(super) fn finish(printed: Result<()>) -> Result<ExitCode> {
    match printed {
        Err(error)
            if error
                .downcast_ref::<io::Error>()
                .is_some_and(|io| io.kind() == ErrorKind::BrokenPipe) =>
        {
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Err(error),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

fn print_hits(
    client: &Client,
    args: &Args,
    json: bool,
    colour: Colour,
    out: &mut impl Write,
) -> Result<()> {
    let limit = args.number.to_string();
    let mut parameters = args.parameters();
    if args.number > 0 {
        parameters.push(("limit", &limit));
    }
    let mut lines = client.get_lines("/api/v1/search", &parameters, &args.query)?;
    let zone = TimeZone::system();
    let mut held = Vec::new();
    let mut found = 0_u64;
    while let Some(line) = lines.next()? {
        if line.is_empty() {
            continue;
        }
        let hit = parse(line, &args.query)?;
        found += 1;
        if json {
            writeln!(out, "{line}")?;
        } else if args.number == 0 {
            writeln!(out, "{}", line::render(&hit["_source"], &zone, colour))?;
        } else {
            held.push(line::render(&hit["_source"], &zone, colour));
        }
    }
    for line in held.iter().rev() {
        writeln!(out, "{line}")?;
    }
    if found == 0 && !json {
        writeln!(io::stderr(), "no line matches `{}`{}", args.query, within(args))?;
    }
    Ok(())
}

/// A hit; an error line (the search failed when it had begun to answer) is an error.
pub(super) fn parse(line: &str, query: &str) -> Result<Json> {
    let hit: Json = serde_json::from_str(line).context("the answer is not JSON lines")?;
    match hit.get("error") {
        Some(error) if hit.get("_source").is_none() => {
            anyhow::bail!("{}", super::client::error_text(error, query))
        }
        _ => Ok(hit),
    }
}

fn within(args: &Args) -> String {
    match (&args.since, &args.until) {
        (None, None) => String::new(),
        (Some(since), None) => format!(" since {since}; try without --since"),
        (None, Some(until)) => format!(" until {until}; try without --until"),
        (Some(since), Some(until)) => format!(" between {since} and {until}"),
    }
}
