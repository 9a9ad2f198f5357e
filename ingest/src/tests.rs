//! What do the tests of this crate share? A sink that remembers, a disk that fails on demand, a
//! running ingest in a directory.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use model::batch::{Batch, BatchBuilder};
use model::id::{BatchId, IndexName, NodeId, RecordSeq, Tenant, WalSeq};
use model::live::{Sequenced, Sink};
use model::time::Timestamp;
use platform::clock::{ManualClock, pause};
use platform::disk::{Disk, DiskFile, RealDisk};
use tokio::sync::watch;

use crate::{Environment, Ingest, KnownBatch, Recovered, Settings, wal};

pub(crate) const NODE: NodeId = NodeId(0xabc);

/// Waits until something holds; fails when it does not within a minute.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..30_000 {
        if holds() {
            return;
        }
        pause(Duration::from_millis(2));
    }
    panic!("waited a minute for: {what}");
}

/// A door that threads wait at.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    closed: Mutex<bool>,
    moved: Condvar,
}

impl Gate {
    pub(crate) fn set(&self, closed: bool) {
        *self.closed.lock().unwrap() = closed;
        self.moved.notify_all();
    }

    fn pass(&self) {
        let mut closed = self.closed.lock().unwrap();
        while *closed {
            closed = self.moved.wait(closed).unwrap();
        }
    }
}

/// What a sink was given: position, first record, sources.
pub(crate) type Applied = (u64, u64, Vec<String>);

/// Remembers everything.
#[derive(Debug, Default)]
pub(crate) struct Remember {
    applied: Mutex<Vec<Applied>>,
    pub(crate) gate: Gate,
}

impl Remember {
    pub(crate) fn all(&self) -> Vec<Applied> {
        self.applied.lock().unwrap().clone()
    }

    pub(crate) fn sources(&self) -> Vec<String> {
        self.all().into_iter().flat_map(|(_, _, sources)| sources).collect()
    }
}

impl Sink for Remember {
    fn apply(&self, batch: Sequenced) {
        self.gate.pass();
        let sources = batch.batch.records().iter().map(|r| batch.batch.source(r).to_owned());
        let sources = sources.collect();
        self.applied.lock().unwrap().push((batch.seq.0, batch.first_record.0, sources));
    }
}

/// Which operations of [`Faulty`] fail.
#[derive(Debug)]
pub(crate) struct Faults {
    /// Bytes that can still be appended before "no space"; negative for no limit.
    pub(crate) room: AtomicI64,
    pub(crate) sync: AtomicBool,
    pub(crate) truncate: AtomicBool,
    pub(crate) create: AtomicBool,
    pub(crate) remove: AtomicBool,
    /// Syncs that were asked for.
    pub(crate) asked: AtomicU64,
    pub(crate) gate: Gate,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            room: AtomicI64::new(-1),
            sync: AtomicBool::default(),
            truncate: AtomicBool::default(),
            create: AtomicBool::default(),
            remove: AtomicBool::default(),
            asked: AtomicU64::default(),
            gate: Gate::default(),
        }
    }
}

impl Faults {
    pub(crate) fn heal(&self) {
        self.room.store(-1, Ordering::SeqCst);
        for fault in [&self.sync, &self.truncate, &self.create, &self.remove] {
            fault.store(false, Ordering::SeqCst);
        }
    }
}

/// The real disk, failing on demand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faulty(pub(crate) Arc<Faults>);

#[derive(Debug)]
struct FaultyFile(Box<dyn DiskFile>, Arc<Faults>);

fn fail_if(fault: &AtomicBool) -> io::Result<()> {
    if fault.load(Ordering::SeqCst) {
        return Err(io::Error::other("made to fail"));
    }
    Ok(())
}

impl DiskFile for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let room = self.1.room.load(Ordering::SeqCst);
        if room < 0 {
            return self.0.append(bytes);
        }
        let fits = bytes.len().min(room as usize);
        self.0.append(&bytes[..fits])?;
        self.1.room.store(room - fits as i64, Ordering::SeqCst);
        if fits < bytes.len() {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.1.asked.fetch_add(1, Ordering::SeqCst);
        self.1.gate.pass();
        fail_if(&self.1.sync)?;
        self.0.sync_data()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        fail_if(&self.1.truncate)?;
        self.0.truncate(len)
    }
}

impl Disk for Faulty {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        fail_if(&self.0.create)?;
        Ok(Box::new(FaultyFile(RealDisk.create(path)?, self.0.clone())))
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(FaultyFile(RealDisk.open_append(path)?, self.0.clone())))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        RealDisk.read(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<(String, u64)>> {
        RealDisk.list(dir)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fail_if(&self.0.remove)?;
        RealDisk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.sync_dir(dir)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        RealDisk.free_bytes(path)
    }
}

pub(crate) fn settings() -> Settings {
    Settings {
        request_bytes_max: 1 << 20,
        body_bytes_max: 4 << 20,
        document_bytes_max: 100_000,
        documents_max: 10_000,
        in_flight_bytes_max: 64 << 20,
        body_timeout_s: 30,
        queue_wait_ms: 10_000,
        stored_wait_s: 60,
        default_index: "logs".into(),
        batch_ids_max: 1000,
        batch_id_window_s: 3600,
        document_ids_max: 1000,
        document_id_window_s: 3600,
        wal: wal::Settings {
            segment_bytes: 4096,
            bytes_max: 64 << 20,
            queue_batches_max: 64,
            group_bytes_max: 1 << 20,
            sync_interval_ms: 5,
            disk_reserve_bytes: 0,
        },
    }
}

/// How to start an ingest for a test.
pub(crate) struct Bench {
    pub(crate) dir: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) settings: Settings,
    pub(crate) checkpoint: u64,
    pub(crate) next_record: u64,
    pub(crate) known: Vec<KnownBatch>,
}

/// A started ingest, and what is around it.
pub(crate) struct Running {
    pub(crate) ingest: Ingest,
    pub(crate) recovered: Recovered,
    pub(crate) sink: Arc<Remember>,
    pub(crate) publish: watch::Sender<WalSeq>,
}

impl Bench {
    pub(crate) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            disk: Arc::new(RealDisk),
            settings: settings(),
            checkpoint: 0,
            next_record: 0,
            known: Vec::new(),
        }
    }

    pub(crate) fn try_start(&self) -> Result<Running, crate::IngestError> {
        let sink = Arc::new(Remember::default());
        let (publish, published) = watch::channel(WalSeq(self.checkpoint));
        let environment = Environment {
            wal_dir: self.dir.clone(),
            disk: self.disk.clone(),
            clock: Arc::new(ManualClock::at(1_000)),
            node: NODE,
            sink: sink.clone(),
            checkpoint: WalSeq(self.checkpoint),
            next_record: RecordSeq(self.next_record),
            published,
            known_batches: self.known.clone(),
            known_documents: Vec::new(),
        };
        let (ingest, recovered) = Ingest::start(self.settings.clone(), environment)?;
        Ok(Running { ingest, recovered, sink, publish })
    }

    pub(crate) fn start(&self) -> Running {
        self.try_start().unwrap()
    }
}

/// A batch with one document for each text.
pub(crate) fn batch(id: Option<&str>, texts: &[&str]) -> Batch {
    let mut builder = BatchBuilder::new(Tenant::default(), id.map(BatchId::new), Timestamp(1_000));
    for text in texts {
        let source = serde_json::json!({ "message": text }).to_string();
        builder.push(&IndexName::new("logs"), None, source.as_bytes()).unwrap();
    }
    builder.finish()
}

/// The source of [`batch`]'s document.
pub(crate) fn source(text: &str) -> String {
    serde_json::json!({ "message": text }).to_string()
}
