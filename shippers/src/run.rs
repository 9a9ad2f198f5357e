//! Who runs when? One thread reads files into the spool, one sends what is there.
//!
//! The two meet in the spool and wake each other through channels of one place. When the spool is
//! full, reading waits. Knows nothing of the command line.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender as Channel, TrySendError, bounded, select};
use model::time::Timestamp;
use platform::clock::Clock;
use platform::rng::Rng;

use crate::batch::{Batch, Builder};
use crate::file::tailer::{Pass, Progress, Tailer};
use crate::record::Recorder;
use crate::send::{Delivered, Sender, Step, is_disk_full};
use crate::settings::Settings;
use crate::spool::{Spool, SpoolError};

/// How long the request under way may still take when the shipper is stopped.
const STOP_GRACE: Duration = Duration::from_secs(3);
/// Before another try to write to a failing disk.
const DISK_WAIT: Duration = Duration::from_secs(1);

/// Why the shipper could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The state directory cannot be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// A pattern cannot be read.
    #[error("{0}")]
    Pattern(String),
    /// The system refuses a thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] std::io::Error),
}

/// What was shipped.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Files that lines were read of.
    pub files: usize,
    /// Lines that the server has.
    pub lines: u64,
    /// Bytes of them as they stood in the files, without line ends.
    pub bytes: u64,
    /// Lines that the server refused for good.
    pub rejected: u64,
    /// Files that were not read because they are copies of others.
    pub copies: Vec<std::path::PathBuf>,
    /// Batches that still wait in the spool.
    pub waiting: usize,
    /// Wall time.
    pub elapsed: Duration,
}

/// What the shipper takes from outside.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub rng: Arc<dyn Rng>,
    /// `host.name` where the settings have none.
    pub host_name: String,
    /// A message, or its other end's closing, means: stop.
    pub stop: Receiver<()>,
}

/// Runs until told to stop; with [`Pass::Once`] until all is read and confirmed.
///
/// # Errors
/// Only at the start; later troubles are logged and waited out.
pub fn run(
    settings: &Settings,
    pass: Pass,
    environment: Environment,
) -> Result<Summary, StartError> {
    let started = Instant::now();
    let (spool, recovered) = Spool::open(
        Path::new(&settings.state),
        settings.batch.compression_level,
        settings.spool.rejected_bytes_max,
    )?;
    recovered.notes.iter().for_each(|note| tracing::error!("{note}"));
    tracing::info!(
        state = settings.state,
        streams = recovered.positions.len(),
        batches = recovered.waiting,
        "state read"
    );
    let Environment { clock, rng, host_name, stop } = environment;
    let tailer =
        Tailer::new(settings, recovered.positions, pass, Arc::clone(&clock), Arc::clone(&rng))
            .map_err(StartError::Pattern)?;
    let host = if settings.host_name.is_empty() { &host_name } else { &settings.host_name };
    let builder = Builder::new(Recorder::new(settings, host), settings.batch.batch_bytes_max);
    let spool = Arc::new(spool);
    let delivered = Arc::new(Delivered::default());
    let sender = Sender::new(settings, Arc::clone(&rng), Arc::clone(&delivered));
    let link = start_sender(sender, Arc::clone(&spool)).map_err(StartError::Thread)?;
    let mut reader =
        Reader { settings, pass, clock, rng, stop, spool, tailer, builder, link, stopping: false };
    reader.run();
    let spool = Arc::clone(&reader.spool);
    let summary = Summary {
        files: reader.tailer.shipped_files(),
        copies: reader.tailer.held_files(),
        lines: delivered.lines.load(Ordering::Relaxed),
        bytes: delivered.bytes.load(Ordering::Relaxed),
        rejected: delivered.rejected.load(Ordering::Relaxed),
        waiting: spool.waiting(),
        elapsed: started.elapsed(),
    };
    Ok(summary)
}

/// The sending thread, seen from the reading one.
struct Link {
    /// There is a new batch.
    wake: Channel<()>,
    /// A batch has left the spool.
    moved: Receiver<()>,
    stopping: Arc<AtomicBool>,
    /// Closed when the thread ends.
    ended: Receiver<()>,
    thread: JoinHandle<()>,
}

/// Fills the one place of a wake-up channel; if it is full, the other side wakes anyway.
fn nudge(channel: &Channel<()>) {
    match channel.try_send(()) {
        Ok(()) | Err(TrySendError::Full(())) | Err(TrySendError::Disconnected(())) => {}
    }
}

fn start_sender(mut sender: Sender, spool: Arc<Spool>) -> std::io::Result<Link> {
    let (wake, woken) = bounded::<()>(1);
    let (tell_moved, moved) = bounded::<()>(1);
    let (alive, ended) = bounded::<()>(1);
    let stopping = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&stopping);
    let thread = std::thread::Builder::new().name("send".into()).spawn(move || {
        let _alive = alive;
        while !stop.load(Ordering::Relaxed) {
            let step = sender.step(&spool);
            match step {
                Step::Moved => nudge(&tell_moved),
                // Ends when the reader ends, too.
                Step::Idle => {
                    if woken.recv().is_err() {
                        return;
                    }
                }
                Step::Wait(pause) => wait(&woken, pause, &stop),
            }
        }
    })?;
    Ok(Link { wake, moved, stopping, ended, thread })
}

/// Waits out `pause`, whatever new batches come; ends early when the shipper stops.
fn wait(woken: &Receiver<()>, pause: Duration, stop: &AtomicBool) {
    let until = Instant::now() + pause;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        match woken.recv_timeout(left) {
            Ok(()) if !stop.load(Ordering::Relaxed) => {}
            _ => return,
        }
    }
}

struct Reader<'s> {
    settings: &'s Settings,
    pass: Pass,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    stop: Receiver<()>,
    spool: Arc<Spool>,
    tailer: Tailer,
    builder: Builder,
    link: Link,
    stopping: bool,
}

impl Reader<'_> {
    fn run(&mut self) {
        // In one pass, two scans without news in a row end it.
        let mut quiet_scans = 0;
        while !self.stopping {
            self.tailer.scan();
            let progress = self.read_until_next_scan();
            self.note_hints();
            let news = progress.lines > 0 || progress.more || progress.unsettled;
            quiet_scans = if news { 0 } else { quiet_scans + 1 };
            if self.pass == Pass::Once && quiet_scans >= 2 {
                break;
            }
            if self.pass == Pass::Follow && !progress.more {
                self.rest();
            }
        }
        if self.pass == Pass::Once && !self.stopping {
            self.flush();
            self.wait_for_all();
            self.note_hints();
        }
        self.finish();
    }

    /// Reads in rounds until there is nothing more or it is time to look at the files again.
    fn read_until_next_scan(&mut self) -> Progress {
        let until = Instant::now() + Duration::from_millis(self.settings.files.poll_interval_ms);
        let mut total = Progress::default();
        loop {
            let progress = self.tailer.read_round(&mut self.builder);
            total.lines += progress.lines;
            total.more = progress.more;
            total.unsettled |= progress.unsettled;
            if self.builder.is_full() || self.is_old() {
                self.flush();
            }
            self.stopping |= self.stop_asked();
            if self.stopping || !progress.more || Instant::now() >= until {
                return total;
            }
        }
    }

    fn is_old(&self) -> bool {
        let now = Timestamp(self.clock.now_ns());
        let limit_ms = self.settings.batch.flush_interval_ms;
        let limit_ns = i64::try_from(limit_ms).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        !self.builder.is_empty() && self.builder.age_ns(now) >= limit_ns
    }

    fn stop_asked(&self) -> bool {
        !matches!(self.stop.try_recv(), Err(crossbeam_channel::TryRecvError::Empty))
    }

    /// Until the next scan, or until the batch is old enough.
    fn rest(&mut self) {
        let mut pause_ms = self.settings.files.poll_interval_ms;
        if !self.builder.is_empty() {
            pause_ms = pause_ms.min(self.settings.batch.flush_interval_ms).max(1);
        }
        self.pause(Duration::from_millis(pause_ms));
        if self.is_old() && !self.stopping {
            self.flush();
        }
    }

    fn pause(&mut self, pause: Duration) {
        if self.stop.recv_timeout(pause) != Err(crossbeam_channel::RecvTimeoutError::Timeout) {
            self.stopping = true;
        }
    }

    /// Makes the batch durable; waits as long as there is no room for it.
    fn flush(&mut self) {
        if self.builder.is_empty() {
            return;
        }
        let batch = self.builder.take();
        while !self.stopping {
            if self.spool.bytes() >= self.settings.spool.spool_bytes_max {
                self.wait_for_move();
                continue;
            }
            if self.push(&batch) {
                return;
            }
            self.pause(DISK_WAIT);
        }
        // Told to stop: what finds no room is read again at the next start.
        if self.spool.bytes() < self.settings.spool.spool_bytes_max {
            self.push(&batch);
        }
    }

    fn push(&mut self, batch: &Batch) -> bool {
        match self.spool.push(batch, &*self.clock, &*self.rng) {
            Ok(()) => {
                nudge(&self.link.wake);
                true
            }
            Err(e) if is_disk_full(&e) => {
                tracing::error!(
                    state = self.settings.state,
                    "the disk of the state is full; waiting"
                );
                false
            }
            Err(e) => {
                tracing::error!(error = %e, "cannot write to the spool; waiting");
                false
            }
        }
    }

    fn wait_for_move(&mut self) {
        let (moved, stop) = (&self.link.moved, &self.stop);
        self.stopping |= select! {
            recv(moved) -> _ => false,
            recv(stop) -> _ => true,
            default(DISK_WAIT) => false,
        };
    }

    fn wait_for_all(&mut self) {
        while self.spool.waiting() > 0 && !self.stopping {
            self.wait_for_move();
        }
    }

    fn note_hints(&mut self) {
        if self.spool.waiting() > 0 || !self.builder.is_empty() {
            return;
        }
        let (hints, forgotten) = (self.tailer.take_hints(), self.tailer.take_forgotten());
        if hints.is_empty() && forgotten.is_empty() {
            return;
        }
        if let Err(e) = self.spool.note(hints, &forgotten) {
            tracing::warn!(error = %e, "cannot write the checkpoint");
        }
    }

    /// What was read becomes durable; a request under way may end.
    fn finish(&mut self) {
        self.flush();
        self.link.stopping.store(true, Ordering::Relaxed);
        nudge(&self.link.wake);
        let _ = self.link.ended.recv_timeout(STOP_GRACE);
        if self.link.thread.is_finished() {
            tracing::debug!("sender ended");
        }
    }
}
