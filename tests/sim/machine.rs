//! What is a whole node in one thread? The real log, index and merger on a simulated disk, store,
//! catalog and clock; it boots, steps and crashes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use index::catalog::Catalog;
use index::catalog::memory::MemoryCatalog;
use index::catalog::sim::SimCatalog;
use index::catalog::sqlite::SqliteCatalog;
use index::read::deletion::WholeIndexes;
use index::read::{DeletedRows, Deletion, RowSet, Snapshot, SplitReader};
use index::settings::{MergeSettings, RetentionRule, test_settings};
use ingest::{KnownBatch, Recovered, SteppedIngest};
use model::id::Tenant;
use platform::clock::{Clock, ManualClock};
use platform::object_store::ObjectStore;
use platform::sim::{Leaves, SimDisk, SimStore, World};

/// Where the log lies on the simulated disk.
const WAL_DIR: &str = "/wal";
pub const NOON: i64 = 1_795_262_400_000_000_000;
pub const DAY_NS: i64 = 86_400_000_000_000;
/// Documents of indexes `short-*` are kept so long.
pub const SHORT_DAYS: u32 = 2;
/// Longer than all jumps of the clock together.
const BATCH_ID_WINDOW_S: u64 = 366 * 86_400;

/// What outlives a crash.
pub struct Machine {
    pub world: World,
    pub disk: SimDisk,
    pub store: Arc<SimStore>,
    pub clock: Arc<ManualClock>,
    catalog: Mutex<Kept>,
    dir: tempfile::TempDir,
}

/// Where the catalog is kept.
enum Kept {
    Memory(MemoryCatalog),
    /// The file, which gets a new name at every crash, and its open catalog.
    Sqlite(PathBuf, u32, Arc<SqliteCatalog>),
}

/// What does not.
pub struct Node {
    pub index: index::Index,
    pub ingest: Mutex<SteppedIngest>,
    pub recovered: Recovered,
}

/// A directory in memory where there is one: what is in it is lost at a crash anyway, so no sync
/// of it need reach a disk.
fn scratch() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap()
}

fn runtime() -> tokio::runtime::Handle {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    let build = || {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().unwrap()
    };
    RUNTIME.get_or_init(build).handle().clone()
}

fn index_settings() -> index::Settings {
    let mut settings = test_settings();
    settings.roll_raw_bytes = 700;
    settings.roll_age_ms = 5_000;
    settings.open_splits_max = 2;
    settings.cache_bytes_max = 20_000;
    settings.merge = MergeSettings {
        factor: 3,
        raw_bytes_max: 8_000,
        rewrites_max: 2,
        memory_bytes_max: 1 << 20,
        threads: 1,
        backlog_max: 0,
        interval_ms: 10,
    };
    settings.retention.rules =
        vec![RetentionRule { indexes: "short-*".to_owned(), days: Some(SHORT_DAYS), bytes_max: 0 }];
    settings
}

fn ingest_settings() -> ingest::Settings {
    ingest::Settings {
        request_bytes_max: 1 << 20,
        body_bytes_max: 4 << 20,
        document_bytes_max: 100_000,
        documents_max: 10_000,
        in_flight_bytes_max: 64 << 20,
        body_timeout_s: 30,
        queue_wait_ms: 10_000,
        stored_wait_s: 60,
        default_index: "logs".into(),
        batch_ids_max: 100_000,
        batch_id_window_s: BATCH_ID_WINDOW_S,
        document_ids_max: 1000,
        document_id_window_s: 3600,
        wal: ingest::wal::Settings {
            segment_bytes: 4096,
            bytes_max: 64 << 20,
            queue_batches_max: 64,
            group_bytes_max: 1 << 20,
            sync_interval_ms: 5,
            disk_reserve_bytes: 0,
        },
    }
}

impl Machine {
    /// A machine whose catalog is kept in memory: fast.
    pub fn new(world: World) -> Self {
        let catalog = Kept::Memory(MemoryCatalog::default());
        Self::with(world, scratch(), catalog)
    }

    /// A machine with the real catalog.
    pub fn with_sqlite(world: World) -> Self {
        let dir = scratch();
        let path = dir.path().join("catalog-0.sqlite");
        let catalog = Arc::new(SqliteCatalog::open(&path, &world).unwrap());
        Self::with(world, dir, Kept::Sqlite(path, 0, catalog))
    }

    fn with(world: World, dir: tempfile::TempDir, catalog: Kept) -> Self {
        Self {
            disk: SimDisk::new(world.clone()),
            store: Arc::new(SimStore::new(world.clone())),
            catalog: Mutex::new(catalog),
            clock: Arc::new(ManualClock::at(NOON)),
            world,
            dir,
        }
    }

    /// The catalog behind the faults.
    pub fn catalog(&self) -> Arc<dyn Catalog> {
        match &*self.catalog.lock().unwrap() {
            Kept::Memory(catalog) => Arc::new(catalog.clone()),
            Kept::Sqlite(_, _, catalog) => catalog.clone(),
        }
    }

    /// Opens the files of the catalog as they are now, not as a closed connection leaves them.
    fn reopen_catalog(&self) {
        let mut kept = self.catalog.lock().unwrap();
        let Kept::Sqlite(path, number, _) = &*kept else { return };
        let next = path.with_file_name(format!("catalog-{}.sqlite", number + 1));
        for suffix in ["", "-wal"] {
            let with = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
            if with(path).exists() {
                fs::copy(with(path), with(&next)).unwrap();
            }
        }
        let catalog = Arc::new(SqliteCatalog::open(&next, &self.world).unwrap());
        *kept = Kept::Sqlite(next, number + 1, catalog);
    }

    /// Starts the node: the catalog is read, the log replayed.
    pub fn boot(&self) -> Result<Node, String> {
        let catalog = SimCatalog::new(self.world.clone(), self.catalog());
        let environment = index::Environment {
            dir: self.dir.path().join("index"),
            catalog: Arc::new(catalog),
            store: self.store.clone(),
            runtime: runtime(),
            clock: self.clock.clone(),
            rng: Arc::new(self.world.clone()),
            threads: 1,
            batch_id_window_ms: BATCH_ID_WINDOW_S * 1000,
            deleted_rows: Arc::new(Below),
        };
        let index = index::Index::open(index_settings(), environment);
        let index = index.map_err(|e| e.to_string())?;
        let known = index.known_batches().iter();
        let known = known.map(|b| KnownBatch { id: b.id.clone(), accepted: b.accepted, at: b.at });
        let environment = ingest::Environment {
            wal_dir: PathBuf::from(WAL_DIR),
            disk: Arc::new(self.disk.clone()),
            clock: self.clock.clone(),
            node: index.node(),
            sink: index.sink(),
            checkpoint: index.checkpoint().wal,
            next_record: index.checkpoint().next_record,
            published: index.published(),
            known_batches: known.collect(),
            known_documents: Vec::new(),
        };
        let started = SteppedIngest::start(&ingest_settings(), environment);
        let (ingest, recovered) = started.map_err(|e| e.to_string())?;
        Ok(Node { index, ingest: Mutex::new(ingest), recovered })
    }

    /// What a crash leaves; the power is on again. Call it when the node is dropped.
    pub fn crash(&self, leaves: Leaves) {
        self.disk.crash(leaves);
        self.reopen_catalog();
        if leaves != Leaves::Everything {
            self.tear("staging", |_| true);
            // Finished copies are synced before they get their name.
            self.tear("cache", |name| !name.ends_with(".split"));
        }
        self.world.power_on();
    }

    /// Real files that nobody synced.
    fn tear(&self, dir: &str, torn: impl Fn(&str) -> bool) {
        let Ok(entries) = fs::read_dir(self.dir.path().join("index").join(dir)) else { return };
        let mut paths: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
        paths.sort();
        for path in paths.iter().filter(|p| torn(&p.file_name().unwrap().to_string_lossy())) {
            match self.world.below(3) {
                0 => fs::remove_file(path).unwrap(),
                1 => fs::write(path, vec![0; self.world.below(3000) as usize]).unwrap(),
                _ => {}
            }
        }
    }

    /// Keys of all objects, past all faults.
    pub fn objects(&self) -> Vec<String> {
        let listed = runtime().block_on(self.store.objects().list("")).unwrap();
        listed.into_iter().map(|o| o.key).collect()
    }

    /// Does something while nothing fails.
    pub fn calm<T>(&self, faults: u64, work: impl FnOnce() -> T) -> T {
        self.world.set_faults(0);
        let out = work();
        self.world.set_faults(faults);
        out
    }

    pub fn now(&self) -> i64 {
        self.clock.now_ns()
    }
}

/// Understands the query `n`: the documents whose number is below n.
#[derive(Debug)]
pub struct Below;

impl DeletedRows for Below {
    fn deleted_rows(
        &self,
        deletion: &Deletion,
        reader: &SplitReader,
        text_fields: &[String],
    ) -> Result<RowSet, String> {
        let whole = Deletion { query: None, ..deletion.clone() };
        let mut out = WholeIndexes.deleted_rows(&whole, reader, text_fields)?;
        let below: u64 = deletion.query.as_deref().unwrap_or_default().parse().unwrap();
        let rows: Vec<u32> = out.iter().collect();
        let sources = reader.sources(&rows).map_err(|error| error.to_string())?;
        for (row, source) in rows.iter().zip(sources) {
            if number(&source) >= below {
                out.remove(*row);
            }
        }
        Ok(out)
    }
}

/// The number in a document's source.
fn number(source: &str) -> u64 {
    let json: serde_json::Value = serde_json::from_str(source).unwrap();
    json["n"].as_u64().unwrap()
}

/// (number of the record, number in its document) of everything in a snapshot, in order.
pub fn contents(snapshot: &Snapshot) -> Result<Vec<(u64, u64)>, String> {
    let mut out = Vec::new();
    for live in &snapshot.live {
        let batch = &live.batch.batch;
        for (at, record) in batch.records().iter().enumerate() {
            out.push((live.batch.first_record.0 + at as u64, number(batch.source(record))));
        }
    }
    for split in &snapshot.splits {
        let reader = split.open().map_err(|e| e.to_string())?;
        let rows: Vec<u32> = match snapshot.kept_rows(split, &reader, &Below)? {
            Some(kept) => kept.iter().collect(),
            None => (0..reader.docs()).collect(),
        };
        let sources = reader.sources(&rows).map_err(|e| e.to_string())?;
        out.extend(
            rows.iter().zip(sources).map(|(row, s)| (reader.seq(*row).unwrap().0, number(&s))),
        );
    }
    out.sort_unstable();
    Ok(out)
}

impl Node {
    pub fn snapshot(&self) -> Snapshot {
        self.index.snapshot(&Tenant::default())
    }
}
