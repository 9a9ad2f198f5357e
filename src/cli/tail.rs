//! `logdrive tail`: which lines come in now? Follows matching lines as the server takes them in.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Result, bail};
use jiff::tz::TimeZone;
use platform::terminal::{Output, output};
use serde_json::Value as Json;

use super::client::{Client, ServerArgs, error_text};
use super::line::{self, Colour};
use super::search::{finish, parse};

/// Follow new log lines.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Words, "phrases" and field:value, with AND, OR, NOT and parentheses
    #[arg(default_value = "*")]
    pub query: String,
    /// Only in these indexes, with * and commas
    #[arg(long, value_name = "NAME")]
    pub index: Option<String>,
    /// One JSON object a line, as when the output is piped
    #[arg(long)]
    pub json: bool,
    /// The server to ask.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Prints new lines until it is stopped.
///
/// # Errors
/// What the server says of the query, that there is no server, or that it went away.
pub fn run(args: Args) -> Result<ExitCode> {
    let client = Client::new(&args.server);
    let mut parameters = vec![("q", args.query.as_str())];
    parameters.extend(args.index.as_deref().map(|index| ("index", index)));
    let mut lines = client.get_lines("/api/v1/tail", &parameters, &args.query)?;
    let output = output();
    let shown = match (args.json || output == Output::Piped, output) {
        (true, _) => Shown::Json,
        (false, Output::Coloured) => Shown::Text(Colour::On),
        (false, _) => Shown::Text(Colour::Off),
    };
    let mut out = io::stdout().lock();
    let mut event = Event::default();
    let followed = (|| {
        while let Some(line) = lines.next()? {
            if let Some(event) = event.feed(line) {
                print(&event, &args.query, shown, &mut out)?;
            }
        }
        bail!("the server has ended the stream; is it stopping?")
    })();
    finish(followed)
}

#[derive(Clone, Copy)]
enum Shown {
    Json,
    Text(Colour),
}

/// A server-sent event: its kind (empty for a plain one) and its data.
#[derive(Debug, Default, PartialEq, Eq)]
struct Event {
    kind: String,
    data: String,
}

impl Event {
    /// Takes the next line of the stream; gives the event that it ends.
    fn feed(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let done = std::mem::take(self);
            return (!done.data.is_empty()).then_some(done);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.kind),
            "data" => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            // Comments keep the connection alive; ids and retry times are not for us.
            _ => {}
        }
        None
    }
}

fn print(event: &Event, query: &str, shown: Shown, out: &mut impl Write) -> Result<()> {
    match event.kind.as_str() {
        "error" => {
            let error = serde_json::from_str::<Json>(&event.data).unwrap_or_default();
            bail!("{}", error_text(error.get("error").unwrap_or(&error), query))
        }
        "" | "message" | "hit" => {
            let hit = parse(&event.data, query)?;
            match shown {
                Shown::Json => writeln!(out, "{}", event.data)?,
                Shown::Text(colour) => {
                    let zone = TimeZone::system();
                    writeln!(out, "{}", line::render(&hit["_source"], &zone, colour))?;
                }
            }
            Ok(out.flush()?)
        }
        // Said, but not among the lines.
        "dropped" => {
            let data = serde_json::from_str::<Json>(&event.data).unwrap_or_default();
            let lines = &data["dropped"];
            Ok(writeln!(io::stderr(), "{lines} lines were left out: this reader is too slow")?)
        }
        // Kinds of later servers.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_from_their_lines() {
        let stream = ": hello\n\ndata: {\"a\":1}\n\nevent: dropped\ndata: 5\n\ndata:x\ndata: y\n\n";
        let mut event = Event::default();
        let read: Vec<(String, String)> =
            stream.lines().filter_map(|line| event.feed(line)).map(|e| (e.kind, e.data)).collect();
        let expected = [("", "{\"a\":1}"), ("dropped", "5"), ("", "x\ny")];
        assert_eq!(read, expected.map(|(k, d)| (k.to_owned(), d.to_owned())));
    }

    #[test]
    fn hits_are_printed_and_errors_end_the_stream() {
        let mut out = Vec::new();
        let hit = Event { kind: String::new(), data: r#"{"_source":{"message":"m"}}"#.to_owned() };
        print(&hit, "q", Shown::Text(Colour::Off), &mut out).unwrap();
        print(&hit, "q", Shown::Json, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), format!("        m\n{}\n", hit.data));
        let error = Event {
            kind: "error".to_owned(),
            data: r#"{"error":{"reason":"too slow"}}"#.to_owned(),
        };
        let ended = print(&error, "q", Shown::Json, &mut Vec::new()).unwrap_err();
        assert_eq!(ended.to_string(), "too slow");
    }
}
