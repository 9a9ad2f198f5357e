//! What does a search answer when the object store fails? What it can, and which split is missing.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use index::live::Roll;
use index::publish::Builder;
use index::read::cache::ReaderCache;
use index::read::{Snapshot, Split};
use index::settings::test_settings;
use index::split::object_key;
use platform::object_store::counting::Counting;
use platform::object_store::faulty::{Call, Fault, Faulty};
use platform::object_store::memory::MemoryStore;
use platform::object_store::retrying::{Policy, Retrying};
use platform::object_store::{Body, ObjectStore};
use platform::rng::SeededRng;

use super::corpus::{NODE, live, records};
use super::*;
use crate::merge::Merged;

/// Splits in a bucket in memory that fails by a script; nothing of them is cached.
struct Bucket {
    snapshot: Snapshot,
    fault: Arc<Mutex<Script>>,
    counting: Arc<Counting>,
    _dir: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

type Script = Box<dyn Fn(&Call) -> Fault + Send>;

impl Bucket {
    fn new(timeout_ms: u64) -> Self {
        let (dir, runtime) =
            (tempfile::tempdir().unwrap(), tokio::runtime::Runtime::new().unwrap());
        let (staging, copies) = (dir.path().join("staging"), dir.path().join("copies"));
        std::fs::create_dir_all(&staging).unwrap();
        std::fs::create_dir_all(&copies).unwrap();
        let memory = Arc::new(MemoryStore::new());
        let fault: Arc<Mutex<Script>> = Arc::new(Mutex::new(Box::new(|_| Fault::None)));
        let script = fault.clone();
        let faulty = Faulty::new(memory.clone(), move |call| (script.lock().unwrap())(call));
        let counting = Arc::new(Counting::new(Arc::new(faulty)));
        let ms = Duration::from_millis;
        let policy = Policy { retries_max: 3, pause_first: ms(1), pause_max: ms(2) };
        let store = Arc::new(Retrying::new(counting.clone(), policy));
        let mut settings = test_settings();
        settings.remote.timeout_ms = timeout_ms;
        let cache = ReaderCache::new(store, runtime.handle().clone(), NODE, &copies, &settings);
        let cache = Arc::new(cache.unwrap());
        let (clock, rng) = (ManualClock::at(5), SeededRng::new(77));
        let builder = Builder {
            settings: &settings,
            staging: &staging,
            threads: 1,
            node: NODE,
            clock: &clock,
            rng: &rng,
        };
        let mut splits = Vec::new();
        for batch in records(120, 30, 5).0 {
            let roll = Roll { batches: vec![live(&batch)], checkpoint: Default::default() };
            for built in builder.build(&roll).unwrap() {
                let key = object_key(&built.meta.id);
                runtime.block_on(memory.put(&key, Body::File(built.path))).unwrap();
                splits.push(Arc::new(Split::new(built.meta, cache.clone())));
            }
        }
        let snapshot = Snapshot {
            splits,
            live: Vec::new(),
            deletions: Arc::default(),
            node: NODE,
            text_fields: ["message".to_owned()].into(),
        };
        Self { snapshot, fault, counting, _dir: dir, _runtime: runtime }
    }

    fn fail(&self, script: impl Fn(&Call) -> Fault + Send + 'static) {
        *self.fault.lock().unwrap() = Box::new(script);
    }

    /// A search for everything.
    fn search(&self) -> Merged {
        let request =
            SearchRequest { size: 1000, track_total: TrackTotal::All, ..SearchRequest::default() };
        execute(&Task::new(&request).unwrap(), &self.snapshot, &free_run(), pool()).unwrap()
    }
}

#[test]
fn a_fault_that_passes_changes_nothing() {
    let passing =
        [Fault::SlowDown, Fault::Throttled, Fault::Reset, Fault::LostAnswer, Fault::ShortBody];
    for fault in passing {
        let bucket = Bucket::new(60_000);
        // Each object twice.
        let failed: Mutex<HashMap<String, u32>> = Mutex::default();
        bucket.fail(move |call| {
            let mut failed = failed.lock().unwrap();
            let times = failed.entry(call.key.clone()).or_insert(0);
            *times += 1;
            if *times <= 2 { fault } else { Fault::None }
        });
        let found = bucket.search();
        assert!(found.shards.failed.is_empty(), "{fault:?}: {:?}", found.shards.failed);
        assert_eq!((found.count, found.partly), (120, false), "{fault:?}");
        let gets = bucket.counting.counts().now().gets;
        // Two that failed, the tail, and the columns that the order needs.
        let splits = bucket.snapshot.splits.len() as u64;
        assert!((4 * splits..=5 * splits).contains(&gets), "{fault:?}: {gets} for {splits}");
    }
}

#[test]
fn a_fault_that_stays_leaves_out_the_split_and_names_it() {
    let faults = [
        (Fault::SlowDown, "503"),
        (Fault::Throttled, "429"),
        (Fault::Reset, "reset"),
        (Fault::Stall, "index.remote.timeout_ms"),
        (Fault::ShortBody, "bytes came instead of"),
        (Fault::WrongRange, "split"),
        (Fault::ExpiredCredentials, "ExpiredToken"),
        (Fault::Forbidden, "403"),
        (Fault::Missing, "does not exist"),
    ];
    for (fault, words) in faults {
        let bucket = Bucket::new(if fault == Fault::Stall { 2_000 } else { 60_000 });
        let bad = bucket.snapshot.splits[2].meta().clone();
        let key = object_key(&bad.id);
        bucket.fail(move |call| if call.key == key { fault } else { Fault::None });
        let found = bucket.search();
        let failed = &found.shards.failed;
        assert_eq!(failed.len(), 1, "{fault:?}: {failed:?}");
        assert_eq!(failed[0].split, bad.id.as_str());
        assert!(failed[0].reason.contains(words), "{fault:?}: {}", failed[0].reason);
        assert!(failed[0].reason.contains(bad.id.as_str()), "{}", failed[0].reason);
        assert_eq!((found.count, found.partly), (120 - bad.docs, true), "{fault:?}");
        assert_eq!(found.shards.total as usize, bucket.snapshot.splits.len());
        // The store is well again, and so is the search.
        bucket.fail(|_| Fault::None);
        let found = bucket.search();
        assert_eq!((found.count, found.shards.failed.len()), (120, 0), "{fault:?}");
    }
}
