//! Do the lines of the syslog daemons arrive, each once? rsyslog with omelasticsearch and
//! syslog-ng with elasticsearch-http, from a socket and from a file.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{fill, port, tools};
use crate::support::{Server, wait_until};

const LINES: usize = 300;

/// A daemon; ended when dropped.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where Debian's packages are unpacked; says so where there are none.
fn debian(test: &str) -> Option<PathBuf> {
    let root = tools().join("debian/root");
    if root.is_dir() {
        return Some(root);
    }
    let apt = Command::new("apt-get").arg("--version").stdout(Stdio::null()).status();
    assert!(apt.is_err(), "the daemons are not there: run the tests with `cargo xtask test`");
    eprintln!("skipped: {test} needs Debian's packages");
    None
}

/// A daemon's program with the libraries of its packages.
fn daemon(root: &Path, name: &str, said: &Path) -> Command {
    let mut command = Command::new(root.join("usr/sbin").join(name));
    let libraries = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib/syslog-ng"];
    let libraries = libraries.map(|below| root.join(below).display().to_string());
    let file = std::fs::File::create(said).unwrap();
    command.env("LD_LIBRARY_PATH", libraries.join(":"));
    command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
    command
}

/// The only directory below one.
fn only_directory(dir: &Path) -> PathBuf {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let directories: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    assert_eq!(directories.len(), 1, "{directories:?}");
    directories[0].clone()
}

/// Starts a daemon in `dir`, writes lines to its socket and its file, and looks for them.
fn lines_arrive(index: &str, dir: &Path, server: &Server, start: impl Fn(&Path) -> Command) {
    let socket = dir.join("socket");
    let mut file = std::fs::File::create(dir.join("lines.log")).unwrap();
    let said = dir.join("said");
    let _daemon = Daemon(start(&said).spawn().unwrap());
    let told = || std::fs::read_to_string(&said).unwrap_or_default();
    wait_until("the daemon's socket", 60, || socket.exists());
    let mut logger = Command::new("logger")
        .arg("--socket")
        .arg(&socket)
        .args(["--priority", "local0.warning", "--tag", "app", "--socket-errors=on"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = logger.stdin.take().unwrap();
    for n in 0..LINES {
        writeln!(to, "line {n} of \"the\" socket").unwrap();
        writeln!(file, "line {n} of the file\twith a tab").unwrap();
    }
    drop(to);
    assert!(logger.wait().unwrap().success());
    let count = || {
        let answer = server.get(&format!("/{index}/_count?ignore_unavailable=true"));
        answer.json()["count"].as_u64().unwrap_or(0)
    };
    let mut said_before = 0;
    wait_until(&format!("the lines of {index}"), 120, || {
        let count = count();
        if count > said_before {
            said_before = count;
        }
        count >= 2 * LINES as u64
    });
    let found = server.get(&format!("/{index}/_search?size=10000&track_total_hits=true")).json();
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for hit in found["hits"]["hits"].as_array().unwrap() {
        let source = &hit["_source"];
        assert!(source["@timestamp"].as_str().is_some_and(|t| t.starts_with("20")), "{source}");
        let message = source["message"].as_str().unwrap().trim().to_owned();
        if message.contains("socket") {
            assert_eq!(source["severity"], "warning", "{source}");
            assert_eq!(source["program"], "app", "{source}");
        }
        *times.entry(message).or_default() += 1;
    }
    for n in 0..LINES {
        for line in
            [format!("line {n} of \"the\" socket"), format!("line {n} of the file\twith a tab")]
        {
            assert_eq!(times.get(&line), Some(&1), "{line}\n{}", told());
        }
    }
    assert_eq!(times.len(), 2 * LINES, "{}", told());
}

#[test]
fn rsyslog_ships_every_line_once() {
    let Some(root) = debian("rsyslog") else { return };
    let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::start(data.path());
    let at = dir.path().display().to_string();
    let config = dir.path().join("rsyslog.conf");
    fill("syslog/rsyslog.conf", &config, &[("DIR", &at), ("PORT", port(server.url()))]);
    lines_arrive("rsyslog", dir.path(), &server, |said| {
        let mut command = daemon(&root, "rsyslogd", said);
        command.env("RSYSLOG_MODDIR", root.join("usr/lib/x86_64-linux-gnu/rsyslog"));
        command.arg("-n").arg("-f").arg(&config).arg("-i").arg(dir.path().join("pid"));
        command
    });
    let errors = std::fs::read_to_string(dir.path().join("errors.json")).unwrap_or_default();
    assert_eq!(errors, "");
}

#[test]
fn syslog_ng_ships_every_line_once() {
    let Some(root) = debian("syslog-ng") else { return };
    let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::start(data.path());
    let at = dir.path().display().to_string();
    let config = dir.path().join("syslog-ng.conf");
    let values = [("DIR", &*at), ("PORT", port(server.url())), ("ROOT", root.to_str().unwrap())];
    fill("syslog/syslog-ng.conf", &config, &values);
    let modules = only_directory(&root.join("usr/lib/syslog-ng"));
    lines_arrive("syslog-ng", dir.path(), &server, |said| {
        let mut command = daemon(&root, "syslog-ng", said);
        command.args(["--foreground", "--stderr", "--no-caps", "--cfgfile"]).arg(&config);
        command.arg(format!("--module-path={}", modules.display()));
        for (option, file) in
            [("--persist-file", "persist"), ("--control", "control"), ("--pidfile", "pid")]
        {
            command.arg(option).arg(dir.path().join(file));
        }
        command
    });
}
