//! How does the command line talk to a server? Requests, and errors that a person can act on.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde_json::Value as Json;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest line of an answer.
const LINE_BYTES_MAX: u64 = 256 << 20;

/// Which server to ask.
#[derive(Clone, Debug, clap::Args)]
pub struct ServerArgs {
    /// URL of the server
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9200")]
    pub server: String,
}

/// A connection to one server.
#[derive(Debug)]
pub(super) struct Client {
    agent: ureq::Agent,
    server: String,
}

impl Client {
    pub(super) fn new(args: &ServerArgs) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .user_agent(concat!("logdrive/", env!("CARGO_PKG_VERSION")))
            .build();
        let server = match args.server.split_once("://") {
            Some(_) => args.server.trim_end_matches('/').to_owned(),
            None => format!("http://{}", args.server.trim_end_matches('/')),
        };
        Self { agent: config.new_agent(), server }
    }

    /// The lines of a streamed answer. `query` is what an error points into.
    pub(super) fn get_lines(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
        query: &str,
    ) -> Result<Lines> {
        let answer = self.ask(path, parameters, query)?;
        Ok(Lines { reader: BufReader::new(answer.into_body().into_reader()), line: Vec::new() })
    }

    /// An answer in JSON.
    pub(super) fn get(&self, path: &str, parameters: &[(&str, &str)], query: &str) -> Result<Json> {
        let mut answer = self.ask(path, parameters, query)?;
        let text = answer.body_mut().with_config().limit(LINE_BYTES_MAX).read_to_string()?;
        serde_json::from_str(&text).context("the answer is not JSON; is this a Logdrive server?")
    }

    fn ask(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
        query: &str,
    ) -> Result<ureq::http::Response<ureq::Body>> {
        let mut request = self.agent.get(format!("{}{path}", self.server));
        for (name, value) in parameters {
            request = request.query(name, value);
        }
        checked(request.call().map_err(|error| self.explain(&error))?, query)
    }

    fn explain(&self, error: &ureq::Error) -> anyhow::Error {
        let server = &self.server;
        match error {
            ureq::Error::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused => anyhow!(
                "no server answers at {server}; start one with `logdrive server`, or name another \
                 with --server URL"
            ),
            ureq::Error::HostNotFound => {
                anyhow!("the host of {server} is not known; correct --server")
            }
            ureq::Error::Timeout(_) => {
                anyhow!("{server} did not answer in time; is the server running and reachable?")
            }
            other => anyhow!("cannot ask {server}: {other}"),
        }
    }
}

/// The answer if it is a good one; otherwise the server's error, as a person reads it.
fn checked(
    mut answer: ureq::http::Response<ureq::Body>,
    query: &str,
) -> Result<ureq::http::Response<ureq::Body>> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let body = answer.body_mut().with_config().limit(1 << 20).read_to_string().unwrap_or_default();
    let error = serde_json::from_str::<Json>(&body).ok();
    match error.as_ref().and_then(|json| json.get("error")) {
        Some(error) => Err(anyhow!(error_text(error, query))),
        None => Err(anyhow!("the server answered {status}: {}", body.trim())),
    }
}

/// The server's reason, with a caret under the part of the query that it is about.
pub(super) fn error_text(error: &Json, query: &str) -> String {
    let reason = match error {
        Json::String(reason) => reason.as_str(),
        error => error["reason"].as_str().unwrap_or("the server gave no reason"),
    };
    let mut text = reason.to_owned();
    let span = error["span"].as_array().map(Vec::as_slice).unwrap_or_default();
    if let [from, to] = span
        && let (Some(from), Some(to)) = (from.as_u64(), to.as_u64())
    {
        let _ = write!(text, "\n{}", caret(query, from as usize, to as usize));
    }
    text
}

/// The query, and under it carets below its bytes `from..to`.
fn caret(query: &str, from: usize, to: usize) -> String {
    let columns = |end: usize| {
        let end = end.min(query.len());
        query.char_indices().take_while(|(at, _)| *at < end).count()
    };
    let (start, end) = (columns(from), columns(to).max(columns(from) + 1));
    let shown: String = query.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("  {shown}\n  {}{}", " ".repeat(start), "^".repeat(end - start))
}

/// The lines of an answer, as they come.
pub(super) struct Lines {
    reader: BufReader<ureq::BodyReader<'static>>,
    line: Vec<u8>,
}

impl Lines {
    /// The next line without its end; `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<&str>> {
        self.line.clear();
        let mut limited = std::io::Read::take(&mut self.reader, LINE_BYTES_MAX);
        let read = limited.read_until(b'\n', &mut self.line);
        if read.context("the connection to the server broke off")? == 0 {
            return Ok(None);
        }
        let line = std::str::from_utf8(&self.line).context("the answer is not UTF-8")?;
        Ok(Some(line.trim_end_matches(['\r', '\n'])))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn errors_point_at_the_part_of_the_query() {
        for (query, span, expected) in [
            ("level:(error", [6, 7], "why\n  level:(error\n        ^"),
            ("ü AND AND b", [7, 10], "why\n  ü AND AND b\n        ^^^"),
            ("abc", [3, 3], "why\n  abc\n     ^"),
            ("abc", [9, 12], "why\n  abc\n     ^"),
        ] {
            let error = json!({"type": "parsing_exception", "reason": "why", "span": span});
            assert_eq!(error_text(&error, query), expected);
        }
        assert_eq!(error_text(&json!({"reason": "why"}), "q"), "why");
        assert_eq!(error_text(&json!("plain"), "q"), "plain");
        assert_eq!(error_text(&json!({}), "q"), "the server gave no reason");
    }

    #[test]
    fn a_server_that_is_not_there_is_one_clear_line() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let client = Client::new(&ServerArgs { server: format!("{free}/") });
        let error = client.get("/", &[], "").unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "no server answers at http://{free}; start one with `logdrive server`, or name \
                 another with --server URL"
            )
        );
    }
}
