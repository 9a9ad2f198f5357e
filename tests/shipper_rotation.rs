//! Does every line arrive exactly once, while its file is rotated and the shipper killed?

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::support::{Dice, Server, shipper, wait_until};

const LINES: u64 = 200_000;
/// The writer never gets further ahead of the server than this, so that rotations and kills meet
/// the shipper at work, behind and idle.
const AHEAD_MAX: u64 = 30_000;
const INDEX: &str = "rotation";

/// The log's writer: appends numbered lines, rotates by turns.
struct Writer {
    dir: PathBuf,
    file: File,
    next: u64,
    rotations: u64,
}

impl Writer {
    fn new(dir: &Path) -> Self {
        let file = open_log(dir);
        Self { dir: dir.to_owned(), file, next: 0, rotations: 0 }
    }

    fn write(&mut self, lines: u64) {
        let mut text = String::new();
        for n in self.next..(self.next + lines).min(LINES) {
            let width = (n % 97) as usize;
            text.push_str(&format!("2026-11-20T14:03:00Z INFO number {n} {:x<width$}\n", ""));
        }
        self.next = (self.next + lines).min(LINES);
        self.file.write_all(text.as_bytes()).unwrap();
    }

    /// By turns: renamed, with some lines written by the old handle after it; copied and cut.
    fn rotate(&mut self) {
        self.rotations += 1;
        let log = self.dir.join("app.log");
        let rotated = self.dir.join(format!("app.log.{}", self.rotations));
        if self.rotations % 2 == 1 {
            std::fs::rename(&log, rotated).unwrap();
            self.write(100);
            self.file = open_log(&self.dir);
        } else {
            std::fs::copy(&log, rotated).unwrap();
            self.file.set_len(0).unwrap();
        }
    }
}

fn open_log(dir: &Path) -> File {
    OpenOptions::new().append(true).create(true).open(dir.join("app.log")).unwrap()
}

fn write_settings(dir: &Path, url: &str) -> PathBuf {
    let path = dir.join("shipper.toml");
    let dir = dir.display();
    let text = format!(
        "path = [\"{dir}/logs/app.log*\"]\nto = \"{url}\"\nstate = \"{dir}/state\"\n\
         index = \"{INDEX}\"\n[files]\npoll_interval_ms = 20\n\
         [batch]\nbatch_bytes_max = 131072\nflush_interval_ms = 20\n\
         [send]\nback_off_first_ms = 10\nback_off_max_ms = 100\n"
    );
    std::fs::write(&path, text).unwrap();
    path
}

fn start_shipper(settings: &Path) -> Child {
    shipper()
        .args(["run", "--config"])
        .arg(settings)
        .env("RUST_LOG", "error")
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

fn kill(mut child: Child) {
    // A shipper that ended by itself is a fault; kill(2) would not tell.
    assert_eq!(child.try_wait().unwrap(), None, "the shipper ended by itself");
    child.kill().unwrap();
    child.wait().unwrap();
}

fn arrived(server: &Server) -> u64 {
    // Before the first batch there is no index; all of it is asked for.
    server.count(json!({ "match_all": {} }))
}

/// How often each number is there.
fn times_found(server: &Server) -> Vec<u32> {
    let answer = server.get(&format!("/api/v1/search?q=*&index={INDEX}"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let mut times = vec![0; LINES as usize];
    for line in answer.body.lines() {
        let hit: Value = serde_json::from_str(line).unwrap();
        let message = hit["_source"]["message"].as_str().unwrap_or_else(|| panic!("{line}"));
        let number = message.split(' ').nth(3).and_then(|n| n.parse::<usize>().ok());
        times[number.unwrap_or_else(|| panic!("a line that nobody wrote: {message}"))] += 1;
    }
    times
}

#[test]
fn every_line_arrives_exactly_once() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    let server = Server::start(&dir.path().join("server"));
    let settings = write_settings(dir.path(), server.url());
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut writer = Writer::new(&logs);
    let mut child = start_shipper(&settings);
    let mut kills = 0;
    while writer.next < LINES {
        writer.write(200 + dice.roll(2_000));
        if dice.roll(5) == 0 {
            writer.rotate();
        }
        if dice.roll(5) == 0 {
            kill(child);
            kills += 1;
            if dice.roll(2) == 0 {
                // Rotations while no shipper runs.
                writer.write(50);
                writer.rotate();
                writer.write(1_000);
                writer.rotate();
            }
            child = start_shipper(&settings);
        }
        wait_until("the shipper to keep up", 120, || arrived(&server) + AHEAD_MAX >= writer.next);
    }
    wait_until("the last line", 120, || arrived(&server) >= LINES);
    kill(child);
    // Whatever an unconfirmed batch left behind is sent again now, and must not be there twice.
    let mut once = shipper();
    once.args(["run", "--once", "--config"]).arg(&settings);
    let output = once.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(kills >= 15 && writer.rotations >= 30, "{kills} kills, {} turns", writer.rotations);
    wait_until("no line less", 60, || arrived(&server) >= LINES);
    let wrong: Vec<_> =
        times_found(&server).iter().copied().enumerate().filter(|(_, times)| *times != 1).collect();
    assert!(
        wrong.is_empty(),
        "{} lines not once, as {:?}",
        wrong.len(),
        &wrong[..wrong.len().min(5)]
    );
}
