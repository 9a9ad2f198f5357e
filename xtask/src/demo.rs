//! `cargo xtask demo`: what does it look like? Everything started, with something to find in it.
//!
//! Server, shipper and a small shop that writes logs; then three searches with their answers.
//! Everything lies in `target/demo` and ends with this process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use platform::clock;
use serde_json::{Value as Json, json};

use crate::program::{Program, Server, free_port};
use crate::steps::{Steps, cargo, run as run_step, say, target};

/// Lines of the shop's past; see `logdrive demo-traffic`.
const HISTORY_LINES: u64 = 20_000;
const SHIPPED_TIMEOUT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(100);
/// Logs that machines have; each is shipped if it is there and can be read.
const MACHINE_LOGS: [&str; 6] = [
    "/var/log/*.log",
    "/var/log/syslog",
    "/var/log/messages",
    "/var/log/auth.log",
    "/var/log/*/*.log",
    "/var/log/installer/*",
];

/// Start everything on this machine, with something to find in it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// End after the searches instead of staying up
    #[arg(long)]
    once: bool,
    /// The first port to try
    #[arg(long, default_value_t = 9200)]
    port: u16,
}

/// Runs the demonstration.
///
/// # Errors
/// What did not start, or which search found nothing.
pub(crate) fn run(args: &Args) -> Result<()> {
    let stop = stop_signals()?;
    let mut steps = Steps::new(4);
    steps.next("build");
    run_step(
        &mut cargo(&["build", "--package", "logdrive", "--package", "logdrive-shippers", "--bins"]),
        "correct what the compiler names above",
    )?;
    steps.next("start");
    let mut demo = Demo::start(args.port)?;
    steps.next("wait until the shop's last hour is shipped");
    demo.wait_for_history(&stop)?;
    steps.next("search");
    demo.show()?;
    if args.once {
        return Ok(());
    }
    demo.invite()?;
    loop {
        match stop.recv_timeout(Duration::from_secs(1)) {
            Err(RecvTimeoutError::Timeout) => demo.check()?,
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                say("stopping")?;
                return Ok(());
            }
        }
    }
}

/// The running programs, in the order in which they are stopped.
struct Demo {
    writers: Vec<Program>,
    server: Server,
    logdrive: PathBuf,
    dir: PathBuf,
}

impl Demo {
    fn start(first_port: u16) -> Result<Self> {
        let programs = target().join("debug");
        let (logdrive, shipper) = (programs.join("logdrive"), programs.join("logdrive-shipper"));
        let dir = target().join("demo");
        if dir.exists() {
            fs::remove_dir_all(&dir)
                .with_context(|| format!("cannot clear `{}`", dir.display()))?;
        }
        let shop = dir.join("shop");
        fs::create_dir_all(&shop)?;
        let port = free_port(first_port)?;
        let log = dir.join("server.log");
        let server = Server::start((&logdrive, &[]), &dir.join("data"), port, &log)?;
        say(&format!("the server listens on {}", server.url))?;
        let mut writers = Vec::new();
        let mut traffic = Command::new(&logdrive);
        traffic.args(["demo-traffic", "--endless", "--out"]).arg(&shop);
        writers.push(Program::start("the shop", &mut traffic, &dir.join("shop.log"))?);
        let machine: Vec<String> = MACHINE_LOGS.iter().map(|glob| (*glob).to_owned()).collect();
        for (index, globs) in
            [("shop", vec![format!("{}/*.log", shop.display())]), ("machine", machine)]
        {
            let mut command = Command::new(&shipper);
            command.args(["run", "--to", &server.url, "--index", index, "--state"]);
            command.arg(dir.join(format!("shipper-{index}"))).arg("--path").args(globs);
            let log = dir.join(format!("shipper-{index}.log"));
            let name = format!("the shipper of `{index}`");
            writers.push(Program::start(&name, &mut command, &log)?);
        }
        Ok(Self { writers, server, logdrive, dir })
    }

    fn check(&mut self) -> Result<()> {
        self.server.program.check()?;
        self.writers.iter_mut().try_for_each(Program::check)
    }

    fn wait_for_history(&mut self, stop: &Receiver<()>) -> Result<()> {
        let began = Instant::now();
        loop {
            self.check()?;
            let lines = self.server.count(&json!({"match_all": {}}))?;
            if lines >= HISTORY_LINES {
                return say(&format!("{lines} lines are searchable"));
            }
            if began.elapsed() > SHIPPED_TIMEOUT {
                bail!("only {lines} lines arrived; see the logs in `{}`", self.dir.display());
            }
            if stop.try_recv().is_ok() {
                bail!("stopped");
            }
            clock::pause(POLL);
        }
    }

    /// Three searches: the error, its course, and whom it hits.
    fn show(&self) -> Result<()> {
        say("\nSomething is wrong with the checkout. Which errors are there?")?;
        self.logdrive(&["search", "payment failed gateway", "--index", "shop", "-n", "3"])?;
        say("\nSince when?")?;
        self.logdrive(&["search", "log.level:error", "--index", "shop", "--histogram"])?;
        say("\nWhich files hold the errors of the incident?")?;
        let body = json!({
            "size": 0,
            "query": {"query_string": {"query": "certificate OR \"circuit breaker\" OR 502 OR 503"}},
            "aggs": {"files": {"terms": {"field": "log.file.path", "size": 5}}},
        });
        say(&format!(
            "$ curl -s {}/shop/_search -H 'content-type: application/json' -d '{body}'",
            self.server.url
        ))?;
        let answer = self.server.search(&body)?;
        let files = answer["aggregations"]["files"]["buckets"].as_array();
        let files =
            files.filter(|f| !f.is_empty()).context("the search for files found nothing")?;
        for bucket in files {
            let path = bucket["key"].as_str().unwrap_or_default();
            let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy();
            say(&format!("{:>9}  {name}", bucket["doc_count"]))?;
        }
        Ok(())
    }

    /// Runs one of the program's commands as a person would, and shows it.
    fn logdrive(&self, arguments: &[&str]) -> Result<()> {
        let quoted: Vec<String> = arguments.iter().map(|a| shell_word(a)).collect();
        say(&format!("$ logdrive {} --server {}", quoted.join(" "), self.server.url))?;
        let mut command = Command::new(&self.logdrive);
        command.args(arguments).args(["--server", &self.server.url]).stderr(Stdio::inherit());
        if !arguments.contains(&"--histogram") {
            // The first bytes say whether there is an answer; shown as they are.
            let output = command.output()?;
            let text = String::from_utf8_lossy(&output.stdout);
            if !output.status.success() || text.trim().is_empty() {
                bail!("the search found nothing: {}", String::from_utf8_lossy(&output.stderr));
            }
            return show_hits(&text);
        }
        let status = command.status()?;
        match status.success() {
            true => Ok(()),
            false => bail!("the search failed ({status})"),
        }
    }

    fn invite(&self) -> Result<()> {
        let (url, dir) = (&self.server.url, self.dir.display());
        let program = self.logdrive.display();
        say(&format!(
            "\nThe shop goes on writing to {dir}/shop. Try:\n  \
               {program} tail error --server {url}\n  \
               {program} search 'trace OR CertificateExpiredException' -n 20 --server {url}\n  \
               curl -s '{url}/_cat/indices?v'\n\
             The cause is in what checkout logs at its start; find it. Ctrl-C ends everything."
        ))
    }
}

/// Hits as they came through the pipe (JSON), as a terminal would show them.
fn show_hits(lines: &str) -> Result<()> {
    for line in lines.lines().rev() {
        let hit: Json = serde_json::from_str(line)?;
        let source = &hit["_source"];
        let time = source["@timestamp"].as_str().unwrap_or_default();
        let path = source["log"]["file"]["path"].as_str().unwrap_or_default();
        let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy();
        let level = source["log"]["level"].as_str().unwrap_or_default().to_uppercase();
        let message = source["message"].as_str().unwrap_or_default();
        say(&format!("{time} {level:<5} {name}  {message}"))?;
    }
    Ok(())
}

fn shell_word(word: &str) -> String {
    match word.contains([' ', '"', '*', '(']) {
        true => format!("'{word}'"),
        false => word.to_owned(),
    }
}

fn stop_signals() -> Result<Receiver<()>> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])
        .context("cannot listen for signals")?;
    let (tell, told) = sync_channel(1);
    std::thread::spawn(move || {
        for _ in signals.forever() {
            let _ = tell.try_send(());
        }
    });
    Ok(told)
}
