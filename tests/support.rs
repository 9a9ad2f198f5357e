//! How do tests start the real programs? A server on a free port, a shipper, requests, waiting.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A running `logdrive server`; killed when dropped.
pub struct Server {
    child: Child,
    url: String,
    log: Arc<Mutex<Vec<String>>>,
}

/// The answer to a request: status and body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
    pub headers: Vec<(String, String)>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|e| panic!("no JSON ({e}): {} {}", self.status, self.body))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// A file of another program of the workspace, beside the server's.
fn binary(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_logdrive")).with_file_name(name);
    assert!(path.exists(), "{name} is not built: run the tests with `cargo xtask test`");
    path
}

/// The shipper's program.
pub fn shipper() -> Command {
    Command::new(binary("logdrive-shipper"))
}

/// The server's program, for its other commands.
pub fn logdrive() -> Command {
    Command::new(env!("CARGO_BIN_EXE_logdrive"))
}

/// The shared corpus, if this checkout has it; says so when it has not.
pub fn corpus(test: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    if path.join("loghub").is_dir() {
        return Some(path);
    }
    eprintln!("skipped: {test} needs ../shared/corpus, which is not here");
    None
}

/// Waits until `done`, without sleeping; fails with what was waited for.
pub fn wait_until(what: &str, timeout_s: u64, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(timeout_s), "waited in vain for {what}");
        std::thread::yield_now();
    }
}

impl Server {
    /// Starts a server on `dir` and waits until it takes requests.
    pub fn start(dir: &Path) -> Self {
        Self::start_with(dir, &[])
    }

    /// The same with settings: (`LOGDRIVE_SECTION__KEY`, value).
    pub fn start_with(dir: &Path, settings: &[(&str, &str)]) -> Self {
        Self::try_start(dir, settings).unwrap_or_else(|log| panic!("server did not start:\n{log}"))
    }

    /// The same; gives what the server said when it ended instead.
    pub fn try_start(dir: &Path, settings: &[(&str, &str)]) -> Result<Self, String> {
        let mut child = logdrive()
            .arg("server")
            .args(["--listen", "127.0.0.1:0", "--data-dir"])
            .arg(dir)
            .envs(settings.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let log = Arc::new(Mutex::new(Vec::new()));
        let (found, url) = std::sync::mpsc::sync_channel(1);
        let lines = log.clone();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if let Some(url) = line.trim().strip_prefix("listens") {
                    let _ = found.try_send(url.trim().to_owned());
                }
                lines.lock().unwrap().push(line);
            }
        });
        match url.recv_timeout(Duration::from_secs(120)) {
            Ok(url) => {
                let server = Self { child, url, log };
                wait_until("the server to be ready", 60, || server.get("/readyz").status == 200);
                Ok(server)
            }
            Err(_) => {
                let _ = child.kill();
                let status = child.wait().unwrap();
                Err(format!("{status}\n{}", log.lock().unwrap().join("\n")))
            }
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the server has said so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and its exit code.
    pub fn stop(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }

    pub fn get(&self, path: &str) -> Answer {
        request("GET", &format!("{}{path}", self.url), &[], None)
    }

    pub fn post(&self, path: &str, body: &[u8]) -> Answer {
        let headers = [("content-type", "application/json")];
        request("POST", &format!("{}{path}", self.url), &headers, Some(body))
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        request(method, &format!("{}{path}", self.url), headers, Some(body))
    }

    /// `_search` with a body; must succeed.
    pub fn search(&self, body: Value) -> Value {
        let answer = self.post("/_search", body.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    /// `_count` with a query; must succeed.
    pub fn count(&self, query: Value) -> u64 {
        let body = serde_json::json!({ "query": query }).to_string();
        let answer = self.post("/_count", body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["count"].as_u64().unwrap()
    }

    /// The most memory that was resident, as the system counts it; 0 where it does not tell.
    pub fn peak_memory_bytes(&self) -> u64 {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|l| l.trim().strip_suffix(" kB"));
        kib.and_then(|kib| kib.trim().parse::<u64>().ok()).unwrap_or(0) << 10
    }

    /// The value of a metric without labels.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").body;
        let line = text.lines().find(|l| l.split(' ').next() == Some(name));
        line.and_then(|l| l.rsplit(' ').next()).and_then(|v| v.parse().ok()).unwrap_or(0.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the server said:\n{}", self.log());
        }
    }
}

/// A request; connection errors give status 0.
pub fn request(method: &str, url: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Answer {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(Duration::from_secs(120)))
        .build()
        .into();
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let sent = match body {
        Some(body) => agent.run(request.body(body).unwrap()),
        None => agent.run(request.body(()).unwrap()),
    };
    match sent {
        Ok(mut response) => {
            let headers = response.headers().iter();
            let headers = headers
                .map(|(n, v)| (n.to_string(), v.to_str().unwrap_or("").to_owned()))
                .collect();
            let status = response.status().as_u16();
            let body = response.body_mut().with_config().limit(1 << 30).read_to_string();
            match body {
                Ok(body) => Answer { status, body, headers },
                Err(error) => Answer { status: 0, body: error.to_string(), headers },
            }
        }
        Err(error) => Answer { status: 0, body: error.to_string(), headers: Vec::new() },
    }
}

/// Repeatable pseudo-random numbers.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}
