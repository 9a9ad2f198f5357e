//! Do the real clients of Elasticsearch work unchanged? Each is started against the real server.
//!
//! The scripts and settings are in `tests/clients`, the programs are installed by `cargo xtask
//! test`. A case of something that the server does not have yet names it, and must fail: when it
//! works, the mark goes.

mod elastalert;
mod scripts;
mod syslog;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The longest that a client may take.
const TIMEOUT_S: u32 = 180;

/// Where the real clients are installed.
fn tools() -> PathBuf {
    match std::env::var_os("LOGDRIVE_TEST_TOOLS") {
        Some(dir) => dir.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools"),
    }
}

/// A file of `tests/clients`.
fn ours(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// A program of the environment of one generation of Python clients.
fn python(generation: &str, program: &str) -> Command {
    client(&tools().join(format!("python-{generation}/bin/{program}")))
}

/// A client's program: it ends by itself, or after [`TIMEOUT_S`].
fn client(program: &Path) -> Command {
    let there = program.components().count() == 1 || program.exists();
    assert!(there, "{} is not there: run the tests with `cargo xtask test`", program.display());
    let mut command = Command::new("timeout");
    command.arg(TIMEOUT_S.to_string()).arg(program);
    command.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null());
    command
}

/// Runs to the end; what it said when it failed.
fn outcome(command: &mut Command) -> Result<Output, String> {
    let output = command.output().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
    if output.status.success() {
        return Ok(output);
    }
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    Err(format!("{}\n{}\n{}", output.status, said(&output.stdout), said(&output.stderr)))
}

/// Writes a file of `tests/clients` with the names between `%` put in.
fn fill(name: &str, to: &Path, values: &[(&str, &str)]) {
    let mut text = std::fs::read_to_string(ours(name)).unwrap();
    for (key, value) in values {
        text = text.replace(&format!("%{key}%"), value);
    }
    std::fs::write(to, text).unwrap();
}

/// Something that a client is used for, and what of the server it still waits for.
struct Case {
    name: &'static str,
    missing: Option<&'static str>,
}

const fn works(name: &'static str) -> Case {
    Case { name, missing: None }
}

const fn misses(name: &'static str, feature: &'static str) -> Case {
    Case { name, missing: Some(feature) }
}

/// What went wrong with the cases of one client; fails with all of it.
fn check(client: &str, cases: &[Case], run: impl Fn(&str) -> Result<(), String>) {
    let mut wrong = Vec::new();
    for case in cases {
        match (run(case.name), case.missing) {
            (Ok(()), None) | (Err(_), Some(_)) => {}
            (Err(error), None) => wrong.push(format!("{client} {}: {error}", case.name)),
            (Ok(()), Some(feature)) => wrong.push(format!(
                "{client} {}: works by now; [{feature}] is no longer missing",
                case.name
            )),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The port of a URL.
fn port(url: &str) -> &str {
    url.rsplit(':').next().unwrap_or_default()
}
