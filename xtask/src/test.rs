//! `cargo xtask test`: is everything in order? The same checks here and in continuous integration.

use anyhow::Result;

use crate::steps::{Steps, cargo, run};
use crate::tools;

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
    let tools = tools::install()?;
    steps.next("tests");
    run(
        cargo(&["test", "--workspace"])
            .env("LOGDRIVE_TEST_RCLONE", tools.join("bin/rclone"))
            .env("LOGDRIVE_TEST_TOOLS", &tools),
        "correct the test that failed above; run it alone with `cargo test --workspace NAME`",
    )
}
