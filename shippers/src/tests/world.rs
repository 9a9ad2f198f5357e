//! A shipper that is moved step by step, without threads and without waiting.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use platform::clock::{Clock, ManualClock};
use platform::rng::SeededRng;

use super::server::Server;
use crate::batch::Builder;
use crate::file::tailer::{Pass, Progress, Tailer};
use crate::record::Recorder;
use crate::send::{Delivered, Sender, Step};
use crate::settings::Settings;
use crate::spool::Spool;

/// The real time plus what the test adds, so that it agrees with the times of files.
#[derive(Debug, Default)]
pub struct Shifted(ManualClock);

impl Clock for Shifted {
    fn now_ns(&self) -> i64 {
        platform::clock::SystemClock.now_ns() + self.0.now_ns()
    }
}

pub struct World {
    pub dir: tempfile::TempDir,
    pub server: Server,
    pub settings: Settings,
    pub pass: Pass,
    clock: Arc<Shifted>,
    rng: Arc<SeededRng>,
    running: Option<Running>,
}

struct Running {
    spool: Spool,
    tailer: Tailer,
    builder: Builder,
    sender: Sender,
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("logs")).expect("made");
        let server = Server::start();
        let mut settings = crate::settings_file::defaults();
        settings.path = vec![format!("{}/logs/**/*", dir.path().display())];
        settings.state = dir.path().join("state").display().to_string();
        settings.to = server.url().to_owned();
        settings.batch.batch_bytes_max = 2048;
        let rng = Arc::new(SeededRng::new(1));
        Self {
            dir,
            server,
            settings,
            pass: Pass::Follow,
            clock: Arc::default(),
            rng,
            running: None,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("logs").join(name)
    }

    pub fn append(&self, name: &str, text: &str) {
        self.append_bytes(name, text.as_bytes());
    }

    pub fn append_bytes(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        let mut file = OpenOptions::new().append(true).create(true).open(path).expect("opened");
        file.write_all(bytes).expect("written");
    }

    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).expect("renamed");
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).expect("removed");
    }

    pub fn copy(&self, from: &str, to: &str) {
        fs::write(self.path(to), fs::read(self.path(from)).expect("read")).expect("written");
    }

    pub fn truncate(&self, name: &str) {
        let file = OpenOptions::new().write(true).open(self.path(name)).expect("opened");
        file.set_len(0).expect("cut");
    }

    pub fn copytruncate(&self, from: &str, to: &str) {
        self.copy(from, to);
        self.truncate(from);
    }

    pub fn gzip(&self, from: &str, to: &str) {
        fs::write(self.path(to), gzipped(&fs::read(self.path(from)).expect("read")))
            .expect("written");
    }

    pub fn advance_ms(&self, ms: i64) {
        self.clock.0.advance(ms * 1_000_000);
    }

    /// The process is gone; what was not durable is lost.
    pub fn crash(&mut self) {
        self.running = None;
    }

    fn running(&mut self) -> &mut Running {
        if self.running.is_none() {
            let state = Path::new(&self.settings.state);
            let (spool, recovered) = Spool::open(state, 1, 1 << 20).expect("a spool");
            assert_eq!(recovered.notes, Vec::<String>::new());
            let tailer = Tailer::new(
                &self.settings,
                recovered.positions,
                self.pass,
                self.clock.clone(),
                self.rng.clone(),
            );
            let recorder = Recorder::new(&self.settings, "here");
            self.running = Some(Running {
                spool,
                tailer: tailer.expect("a tailer"),
                builder: Builder::new(recorder, self.settings.batch.batch_bytes_max),
                sender: Sender::new(
                    &self.settings,
                    self.rng.clone(),
                    Arc::new(Delivered::default()),
                ),
            });
        }
        self.running.as_mut().expect("just made")
    }

    /// One scan and one round; full batches go to the spool.
    pub fn poll(&mut self) -> Progress {
        let running = self.running();
        let progress = running.tailer.poll_once(&mut running.builder);
        if running.builder.is_full() {
            self.flush();
        }
        progress
    }

    /// The batch goes to the spool as it is.
    pub fn flush(&mut self) {
        let (clock, rng) = (self.clock.clone(), self.rng.clone());
        let running = self.running();
        if !running.builder.is_empty() {
            let batch = running.builder.take();
            running.spool.push(&batch, &*clock, &*rng).expect("pushed");
        }
    }

    pub fn send(&mut self) -> Step {
        let running = self.running();
        running.sender.step(&running.spool)
    }

    pub fn note(&mut self) {
        let running = self.running();
        let (hints, forgotten) = (running.tailer.take_hints(), running.tailer.take_forgotten());
        running.spool.note(hints, &forgotten).expect("noted");
    }

    pub fn held(&mut self) -> usize {
        self.running().tailer.held_files().len()
    }

    pub fn waiting(&mut self) -> usize {
        self.running().spool.waiting()
    }

    /// Reads and sends until nothing moves any more.
    pub fn settle(&mut self) {
        let mut quiet = 0;
        for _ in 0..10_000 {
            let progress = self.poll();
            self.flush();
            let mut moved = false;
            while self.waiting() > 0 {
                moved |= self.send() == Step::Moved;
            }
            self.note();
            let news = moved || progress.lines > 0 || progress.more || progress.unsettled;
            quiet = if news { 0 } else { quiet + 1 };
            if quiet >= 3 {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    /// Everything settled, and the server has exactly these lines, in any order.
    pub fn expect(&mut self, want: &[&str]) {
        self.settle();
        let mut got = self.server.messages();
        got.sort();
        let mut want: Vec<String> = want.iter().map(|w| (*w).to_owned()).collect();
        want.sort();
        assert_eq!(got, want);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.server.stop();
    }
}

pub fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("to memory");
    encoder.finish().expect("to memory")
}
