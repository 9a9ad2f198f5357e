//! `logdrive demo-traffic`: is there something to find? The logs of a small shop with an incident.
//!
//! Ten services write ten log formats. The same seed and time give the same bytes. Nothing here is
//! known to the rest of the program: the lines go the way of all others.

mod format;
mod shop;
mod story;

use std::collections::BinaryHeap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use platform::clock::{self, Clock, SystemClock};
use platform::rng::SeededRng;

use shop::{Line, SERVICES, Shop};
use story::Story;

/// Lines that an endless run writes at once, as the past.
const HISTORY_LINES: u64 = 20_000;
const HISTORY_NS: i64 = 3600 * 1_000_000_000;
/// The slowest request of the shop: its last line comes so long after its first.
const REQUEST_NS_MAX: i64 = 20 * 1_000_000_000;

/// Write the logs of a small shop in which something goes wrong.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Directory for the ten log files; lines are appended
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Other seeds, other traffic
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// So many lines over the last hour
    #[arg(long, default_value_t = HISTORY_LINES, conflicts_with = "endless")]
    pub lines: u64,
    /// The last hour, and then line after line as time goes on
    #[arg(long)]
    pub endless: bool,
    /// Lines a second, with --endless
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: u32,
}

/// Writes the files.
///
/// # Errors
/// The directory or a file in it cannot be written.
pub fn run(args: Args) -> Result<ExitCode> {
    let now_ns = SystemClock.now_ns();
    let mut files = Files::open(&args.out)?;
    let mut story = Story::new(now_ns - HISTORY_NS, now_ns - REQUEST_NS_MAX);
    let mut shop = Shop::new(SeededRng::new(args.seed));
    let lines = if args.endless { HISTORY_LINES } else { args.lines };
    let begins = format::rfc3339(story.incident_from_ns(), 0);
    write_past(&mut shop, &mut story, lines, &mut files)?;
    writeln!(
        io::stdout(),
        "{lines} lines of the shop's last hour are in {}/*.log; from {begins} on something is \
         wrong with its checkout",
        args.out.display()
    )?;
    if args.endless {
        write_present(&mut shop, args.rate, &mut files)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// One file a service.
struct Files(Vec<BufWriter<File>>);

impl Files {
    fn open(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir)
            .with_context(|| format!("cannot make the directory `{}`", dir.display()))?;
        let open = |service: &shop::Service| {
            let path = dir.join(format!("{}.log", service.name()));
            let file = OpenOptions::new().create(true).append(true).open(&path);
            file.map(BufWriter::new)
                .with_context(|| format!("cannot write to `{}`", path.display()))
        };
        Ok(Self(SERVICES.iter().map(open).collect::<Result<_>>()?))
    }

    fn flush(&mut self) -> Result<()> {
        Ok(self.0.iter_mut().try_for_each(BufWriter::flush)?)
    }
}

/// Where lines go, in the order of time.
trait Sink {
    fn write(&mut self, line: &Line) -> Result<()>;
}

impl Sink for Files {
    fn write(&mut self, line: &Line) -> Result<()> {
        let file = &mut self.0[line.service as usize];
        Ok(writeln!(file, "{}", line.text)?)
    }
}

/// Exactly `lines` lines, spread over the story's time.
fn write_past(shop: &mut Shop, story: &mut Story, lines: u64, sink: &mut impl Sink) -> Result<()> {
    let mut waiting: BinaryHeap<Line> = BinaryHeap::new();
    let (mut made, mut written) = (0, 0);
    while made < lines {
        let at_ns = story.at_ns(made, lines);
        story.tell(shop, made, lines);
        shop.request(at_ns);
        made += shop.drain(&mut waiting);
        written += write_until(at_ns, lines - written, &mut waiting, sink)?;
    }
    write_until(i64::MAX, lines - written, &mut waiting, sink)?;
    Ok(())
}

/// Writes what is due, at most `most` lines; gives how many.
fn write_until(
    at_ns: i64,
    most: u64,
    waiting: &mut BinaryHeap<Line>,
    sink: &mut impl Sink,
) -> Result<u64> {
    let mut written = 0;
    while written < most && waiting.peek().is_some_and(|line| line.at_ns <= at_ns) {
        if let Some(line) = waiting.pop() {
            sink.write(&line)?;
            written += 1;
        }
    }
    Ok(written)
}

/// `rate` lines a second, until the process is stopped.
fn write_present(shop: &mut Shop, rate: u32, files: &mut Files) -> Result<()> {
    let mut waiting = BinaryHeap::new();
    files.flush()?;
    loop {
        let now_ns = SystemClock.now_ns();
        shop.request(now_ns);
        let made = shop.drain(&mut waiting);
        clock::pause(Duration::from_secs_f64(made as f64 / f64::from(rate)));
        write_until(SystemClock.now_ns(), u64::MAX, &mut waiting, files)?;
        files.flush()?;
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = self.flush();
    }
}

#[cfg(test)]
mod tests;
