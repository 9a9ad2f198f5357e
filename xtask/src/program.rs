//! How are our programs started, asked and stopped? For the demonstration and the measurements.

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use platform::clock;
use serde_json::Value as Json;

const READY_TIMEOUT: Duration = Duration::from_secs(60);
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// A process of ours; stopped when dropped.
pub(crate) struct Program {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts `command`, with all it says in the file `log`.
    pub(crate) fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("cannot make `{}`", log.display()))?;
        let child = command
            // A Ctrl-C is for us; we stop our programs in the right order.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name: name.to_owned(), child, log: log.to_owned() })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error when the process has ended by itself.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} has ended ({status}): {}", self.name, self.last_words()),
        }
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait()?)
    }

    /// The end of what it said.
    pub(crate) fn last_words(&self) -> String {
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Asks the process to end (SIGTERM), and ends it if it does not.
    pub(crate) fn stop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
            if let Some(pid) = pid {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
            let began = Instant::now();
            while began.elapsed() < STOP_TIMEOUT && matches!(self.child.try_wait(), Ok(None)) {
                clock::pause(POLL);
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A running `logdrive server`.
pub(crate) struct Server {
    pub(crate) program: Program,
    pub(crate) url: String,
    agent: ureq::Agent,
}

impl Server {
    /// Starts the server at `program` on `data` and waits until it is ready.
    pub(crate) fn start(
        (program, settings): (&Path, &[(&str, &str)]),
        data: &Path,
        port: u16,
        log: &Path,
    ) -> Result<Self> {
        let mut command = Command::new(program);
        command.envs(settings.iter().copied());
        command.args(["server", "--listen", &format!("127.0.0.1:{port}"), "--data-dir"]).arg(data);
        let program = Program::start("logdrive server", &mut command, log)?;
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let mut server = Self { program, url: format!("http://127.0.0.1:{port}"), agent };
        let began = Instant::now();
        while server.get("/readyz").is_err() {
            server.program.check()?;
            if began.elapsed() > READY_TIMEOUT {
                bail!("the server is not ready; see `{}`", log.display());
            }
            clock::pause(POLL);
        }
        Ok(server)
    }

    pub(crate) fn get(&self, path: &str) -> Result<String> {
        let answer = self.agent.get(format!("{}{path}", self.url)).call()?;
        text(answer, path)
    }

    pub(crate) fn post(&self, path: &str, body: &[u8]) -> Result<String> {
        let request = self.agent.post(format!("{}{path}", self.url));
        text(request.header("content-type", "application/x-ndjson").send(body)?, path)
    }

    /// The answer of `_search` in all indexes.
    pub(crate) fn search(&self, body: &Json) -> Result<Json> {
        Ok(self.timed_search(body)?.0)
    }

    /// Answers a search, and says how long it took until the answer's last byte was there; what
    /// this program then makes of the answer does not count.
    pub(crate) fn timed_search(&self, body: &Json) -> Result<(Json, Duration)> {
        let request = self.agent.post(format!("{}/_search", self.url));
        let request = request.header("content-type", "application/json");
        let body = body.to_string();
        let began = Instant::now();
        let answer = text(request.send(body)?, "/_search")?;
        let took = began.elapsed();
        Ok((serde_json::from_str(&answer).context("the answer of _search is not JSON")?, took))
    }

    /// How many documents match.
    pub(crate) fn count(&self, query: &Json) -> Result<u64> {
        let answer = self.search(&serde_json::json!({
            "size": 0, "track_total_hits": true, "query": query,
        }))?;
        answer["hits"]["total"]["value"].as_u64().context("the answer of _search has no total")
    }

    /// The value of a metric, summed over its labels; 0 when there is none.
    pub(crate) fn metric(&self, name: &str) -> Result<f64> {
        let values = self.get("/metrics")?;
        let of_name = |line: &str| {
            let rest = line.strip_prefix(name)?;
            let value = rest.strip_prefix(' ').or_else(|| rest.split_once("} ").map(|(_, v)| v))?;
            (rest.starts_with([' ', '{'])).then(|| value.trim().parse::<f64>().ok()).flatten()
        };
        Ok(values.lines().filter_map(of_name).sum())
    }
}

fn text(mut answer: ureq::http::Response<ureq::Body>, path: &str) -> Result<String> {
    let body = answer.body_mut().with_config().limit(1 << 30).read_to_string()?;
    if !answer.status().is_success() {
        let shown: String = body.chars().take(400).collect();
        bail!("{path} answered {}: {shown}", answer.status());
    }
    Ok(body)
}

/// `first`, or the next port above it that is free.
pub(crate) fn free_port(first: u16) -> Result<u16> {
    (first..=first.saturating_add(100))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .with_context(|| format!("no port from {first} on is free"))
}
