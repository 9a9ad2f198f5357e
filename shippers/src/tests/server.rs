//! A server in the test's process that keeps what it is sent, knows batch ids again, and fails
//! where it is told to.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use model::wire::{Receipt, Rejected};

/// What to do with the next request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Take it and say so.
    Take,
    /// Close the connection before anything is kept.
    DropBefore,
    /// Keep it, then close the connection without an answer.
    DropAfter,
    /// Answer with this status and these headers.
    Status(u16, &'static str),
    /// Take all but the line with this number.
    RejectLine(u64),
    /// Take it, answer with something that is no receipt.
    Gibberish,
}

#[derive(Debug, Default)]
struct State {
    script: VecDeque<Behaviour>,
    body_bytes_max: Option<usize>,
    batches: HashMap<String, Receipt>,
    records: Vec<serde_json::Value>,
    requests: Vec<String>,
    stopped: bool,
}

/// The server; its thread ends when it is stopped.
#[derive(Clone, Debug)]
pub struct Server {
    url: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.lock().expect("the lock").stopped {
                    return;
                }
                serve(stream, &shared);
            }
        });
        Self { url, state }
    }

    pub fn stop(&self) {
        if let Ok(mut state) = self.state.lock() {
            state.stopped = true;
        }
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// What becomes of the next requests; then all are taken.
    pub fn script(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        self.state.lock().expect("the lock").script.extend(behaviours);
    }

    /// Larger bodies, uncompressed, are answered by 413.
    pub fn limit(&self, body_bytes_max: usize) {
        self.state.lock().expect("the lock").body_bytes_max = Some(body_bytes_max);
    }

    pub fn records(&self) -> Vec<serde_json::Value> {
        self.state.lock().expect("the lock").records.clone()
    }

    pub fn messages(&self) -> Vec<String> {
        let text = |r: serde_json::Value| r["message"].as_str().expect("a message").to_owned();
        self.records().into_iter().map(text).collect()
    }

    /// First lines and headers of the requests so far.
    pub fn requests(&self) -> Vec<String> {
        self.state.lock().expect("the lock").requests.clone()
    }
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a clone"));
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line.to_ascii_lowercase());
    }
    let header = |name: &str| {
        let line = head.lines().find(|l| l.starts_with(&format!("{name}:")))?;
        Some(line.split_once(':').expect("a colon").1.trim().to_owned())
    };
    let len: usize = header("content-length").expect("a length").parse().expect("a number");
    let mut body = vec![0; len];
    reader.read_exact(&mut body).expect("the body");
    let id = header(model::wire::BATCH_ID_HEADER).expect("a batch id");
    assert_eq!(header("content-encoding").as_deref(), Some("zstd"));
    let body = zstd::stream::decode_all(&body[..]).expect("zstd");
    let mut state = state.lock().expect("the lock");
    state.requests.push(head);
    let behaviour = match state.script.pop_front().unwrap_or(Behaviour::Take) {
        // What was taken once is not too large the next time.
        Behaviour::Status(413, _) if state.batches.contains_key(&id) => Behaviour::Take,
        other => other,
    };
    let answer = |stream: &mut TcpStream, status: u16, headers: &str, body: &str| {
        let len = body.len();
        let text = format!(
            "HTTP/1.1 {status} X\r\ncontent-length: {len}\r\nconnection: close\r\n{headers}\r\n{body}"
        );
        let _ = stream.write_all(text.as_bytes());
    };
    match behaviour {
        Behaviour::DropBefore => {}
        Behaviour::Status(status, headers) => answer(&mut stream, status, headers, "told to"),
        _ if state.body_bytes_max.is_some_and(|max| body.len() > max) => {
            answer(&mut stream, 413, "", "too large");
        }
        Behaviour::Take => {
            let receipt = keep(&mut state, id, &body, None);
            answer(&mut stream, 200, "", &serde_json::to_string(&receipt).expect("JSON"));
        }
        Behaviour::RejectLine(line) => {
            let receipt = keep(&mut state, id, &body, Some(line));
            answer(&mut stream, 200, "", &serde_json::to_string(&receipt).expect("JSON"));
        }
        Behaviour::DropAfter => drop(keep(&mut state, id, &body, None)),
        Behaviour::Gibberish => {
            keep(&mut state, id, &body, None);
            answer(&mut stream, 200, "", "<html>hello</html>");
        }
    }
}

fn keep(state: &mut State, id: String, body: &[u8], reject: Option<u64>) -> Receipt {
    if let Some(known) = state.batches.get(&id) {
        return Receipt { duplicate: true, ..known.clone() };
    }
    let text = std::str::from_utf8(body).expect("text");
    let mut receipt =
        Receipt { accepted: 0, rejected: Vec::new(), rejected_total: 0, duplicate: false };
    for (i, line) in text.lines().enumerate() {
        let line_number = i as u64 + 1;
        if reject == Some(line_number) {
            receipt.rejected_total += 1;
            receipt.rejected.push(Rejected { line: line_number, reason: "told to".into() });
            continue;
        }
        state.records.push(serde_json::from_str(line).expect("JSON"));
        receipt.accepted += 1;
    }
    state.batches.insert(id, receipt.clone());
    receipt
}
