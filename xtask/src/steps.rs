//! How does a run show where it is? Numbered steps, and one thing to do when a step fails.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// The steps of one run.
pub(crate) struct Steps {
    done: usize,
    all: usize,
    began: Instant,
}

impl Steps {
    pub(crate) fn new(all: usize) -> Self {
        Self { done: 0, all, began: Instant::now() }
    }

    /// Says which step begins.
    pub(crate) fn next(&mut self, title: &str) {
        self.done += 1;
        let seconds = self.began.elapsed().as_secs();
        eprintln!("\n── {}/{} {title} ({seconds} s) ──", self.done, self.all);
    }
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// Cargo in the root of the repository.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    command.current_dir(root()).args(arguments);
    command
}

/// Whether there is what the build needs beside cargo.
///
/// # Errors
/// What is missing, and how to get it.
pub(crate) fn check_tools() -> Result<()> {
    let there = |tool: &str| {
        let mut command = Command::new(tool);
        command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    match ["cc", "make"].into_iter().find(|tool| !there(tool)) {
        None => Ok(()),
        Some(tool) => bail!(
            "the build needs `{tool}`, for zstd, SQLite and jemalloc; install it (on Debian: `apt install \
             build-essential`)"
        ),
    }
}

/// Runs to the end; `remedy` is the one thing to do when it fails.
pub(crate) fn run(command: &mut Command, remedy: &str) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot start `{name}`; {remedy}"))?;
    if !status.success() {
        bail!("{remedy}");
    }
    Ok(())
}

/// Prints to standard output; a closed pipe is an error like any other.
pub(crate) fn say(text: &str) -> Result<()> {
    Ok(writeln!(io::stdout(), "{text}")?)
}
