#![expect(clippy::single_range_in_vec_init, reason = "lists of one range are meant")]

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use model::id::Tenant;
use model::time::{TimeRange, Timestamp};
use platform::object_store::Body;
use platform::object_store::counting::Counting;
use platform::object_store::faulty::{Call, Fault, Faulty};
use platform::object_store::memory::MemoryStore;
use platform::object_store::retrying::{Policy, Retrying};

use super::*;
use crate::settings::test_settings;

const KB: u64 = 1 << 10;
const LEN: u64 = 1000 * KB + 123;
const TAIL: u64 = 40 * KB;

fn content(seed: u64) -> Bytes {
    static OBJECTS: LazyLock<Vec<Bytes>> = LazyLock::new(|| {
        let byte = |seed: u64, at: u64| (at.wrapping_mul(2_654_435_761) >> 7 ^ seed) as u8;
        (0..4).map(|seed| (0..LEN).map(|at| byte(seed, at)).collect()).collect()
    });
    OBJECTS[seed as usize].clone()
}

fn meta(seed: u64, tail_bytes: u64) -> SplitMeta {
    SplitMeta {
        id: SplitId::new(format!("SPLIT{seed}")),
        tenant: Tenant::default(),
        time: TimeRange { from: Timestamp(1), to: Timestamp(2) },
        bucket: Timestamp(0),
        docs: 1,
        raw_bytes: 2,
        object_bytes: LEN,
        tail_bytes,
        indexes: Vec::new(),
        created: Timestamp(4),
        merges: 0,
        origin: crate::read::Origin::default(),
        deletions: Vec::new(),
    }
}

/// A bucket in memory that fails by a script, with the server's counting and retries around it.
struct Bench {
    runtime: tokio::runtime::Runtime,
    faulty: Arc<Faulty>,
    counting: Arc<Counting>,
    dir: tempfile::TempDir,
    settings: Settings,
    /// What was asked for.
    ranges: Arc<Mutex<Vec<Span>>>,
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| Fault::None)
    }

    fn with(script: impl Fn(&Call) -> Fault + Send + Sync + 'static) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let memory = MemoryStore::new();
        for seed in 0..4 {
            let key = object_key(&meta(seed, 0).id);
            runtime.block_on(memory.put(&key, Body::Bytes(content(seed)))).unwrap();
        }
        let ranges: Arc<Mutex<Vec<Span>>> = Arc::default();
        let asked = ranges.clone();
        let faulty = Arc::new(Faulty::new(Arc::new(memory), move |call| {
            asked.lock().unwrap().extend(call.range.clone());
            script(call)
        }));
        let counting = Arc::new(Counting::new(faulty.clone()));
        let (dir, settings) = (tempfile::tempdir().unwrap(), test_settings());
        Self { runtime, faulty, counting, dir, settings, ranges }
    }

    fn open(&self) -> Arc<Remote> {
        let ms = Duration::from_millis;
        let policy = Policy { retries_max: 3, pause_first: ms(1), pause_max: ms(2) };
        let store = Arc::new(Retrying::new(self.counting.clone(), policy));
        let handle = self.runtime.handle().clone();
        Remote::open(store, handle, self.dir.path(), &self.settings).unwrap()
    }

    fn gets(&self) -> u64 {
        self.counting.counts().now().gets
    }

    /// The ranges asked for since the last time.
    fn asked(&self) -> Vec<Span> {
        let mut asked = std::mem::take(&mut *self.ranges.lock().unwrap());
        asked.sort_by_key(|span| span.start);
        asked
    }

    fn files(&self, extension: &str) -> Vec<std::path::PathBuf> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap().map(|e| e.unwrap().path());
        let mut out: Vec<_> =
            entries.filter(|p| p.extension().is_some_and(|e| e == extension)).collect();
        out.sort();
        out
    }
}

fn check_read(object: &RemoteObject, seed: u64, range: Span) {
    let wanted = content(seed).slice(range.start as usize..range.end as usize);
    assert!(object.read(range.clone()).unwrap() == wanted, "{range:?}");
}

#[test]
fn a_tail_and_k_ranges_are_one_and_k_requests_and_none_when_warm() {
    let bench = Bench::new();
    let remote = bench.open();
    let object = remote.object(&meta(1, TAIL)).unwrap();
    assert_eq!(bench.asked(), [LEN - TAIL..LEN]);
    check_read(&object, 1, LEN - TAIL..LEN);
    check_read(&object, 1, LEN - 5..LEN - 2);
    assert_eq!(bench.gets(), 1, "the tail is there");
    // Three places; the first two ranges share a block, the next lies one block further.
    let ranges = [5 * KB..6 * KB, 10..20, 130 * KB..140 * KB, 400 * KB..401 * KB];
    object.prefetch(&ranges).unwrap();
    let near_tail = [900 * KB..970 * KB, LEN - 7..LEN];
    object.prefetch(&near_tail).unwrap();
    assert_eq!(
        bench.asked(),
        [0..192 * KB, 384 * KB..448 * KB, 896 * KB..LEN - TAIL],
        "in whole blocks, small gaps bridged, without the tail"
    );
    assert_eq!(bench.gets(), 4);
    for range in ranges.iter().chain(&near_tail) {
        check_read(&object, 1, range.clone());
    }
    object.prefetch(&ranges).unwrap();
    check_read(&object, 1, 0..192 * KB);
    assert_eq!(bench.gets(), 4, "what was fetched is not fetched again");
    // Across cached and missing blocks and into the tail.
    check_read(&object, 1, 0..LEN);
    assert_eq!(bench.asked(), [192 * KB..896 * KB], "the one cached block between is bridged");
    drop((object, remote));
    let remote = bench.open();
    let object = remote.object(&meta(1, TAIL)).unwrap();
    check_read(&object, 1, 0..LEN);
    assert_eq!(bench.gets(), 5, "files of the last run are used");
}

#[test]
fn an_unknown_tail_is_the_last_64_kib() {
    let bench = Bench::new();
    let object = bench.open().object(&meta(2, 0)).unwrap();
    assert_eq!(bench.asked(), [LEN - 64 * KB..LEN]);
    check_read(&object, 2, LEN - 64 * KB..LEN);
    // More of it comes as any other range.
    check_read(&object, 2, LEN - 100 * KB..LEN);
    assert_eq!(bench.asked(), [896 * KB..LEN - 64 * KB]);
    // Once its length is known, another is pinned.
    let object = bench.open().object(&meta(2, TAIL)).unwrap();
    check_read(&object, 2, 0..LEN);
    assert_eq!(bench.files("tail").len(), 1);
}

#[test]
fn long_ranges_come_in_parts_and_are_right_at_every_border() {
    let mut bench = Bench::new();
    bench.settings.remote.get_bytes_max = 256 * KB;
    let object = bench.open().object(&meta(3, TAIL)).unwrap();
    object.prefetch(&[0..LEN]).unwrap();
    let asked = bench.asked();
    assert_eq!(asked.len(), 5, "{asked:?}");
    for border in asked.iter().map(|span| span.start) {
        check_read(&object, 3, border.saturating_sub(3)..(border + 3).min(LEN));
    }
    assert_eq!(bench.gets(), 5);
    assert!(matches!(object.read(0..LEN + 1), Err(ReadError::Damaged { .. })));
    assert!(matches!(object.prefetch(&[LEN..LEN + 1]), Err(ReadError::Damaged { .. })));
}

#[test]
fn what_this_node_built_is_never_fetched_while_it_stays() {
    let mut bench = Bench::new();
    bench.settings.cache_bytes_max = LEN + 100 * KB;
    let remote = bench.open();
    let built = bench.dir.path().join("built");
    std::fs::write(&built, content(1)).unwrap();
    remote.adopt(&meta(1, TAIL), &built).unwrap();
    assert!(!built.exists());
    let object = remote.object(&meta(1, TAIL)).unwrap();
    check_read(&object, 1, 0..LEN);
    object.prefetch(&[0..LEN]).unwrap();
    assert_eq!(bench.gets(), 0);
    // Another split's ranges push the whole file out; the tail stays.
    let other = remote.object(&meta(2, TAIL)).unwrap();
    check_read(&other, 2, 0..128 * KB);
    assert_eq!(bench.files("split").len(), 0);
    assert_eq!(bench.gets(), 2);
    drop(object);
    let object = remote.object(&meta(1, TAIL)).unwrap();
    assert_eq!(bench.gets(), 2, "the tail was taken from the built file");
    check_read(&object, 1, 0..10);
    assert_eq!(bench.gets(), 3);
}

#[test]
fn damaged_files_are_fetched_again() {
    let bench = Bench::new();
    let remote = bench.open();
    let object = remote.object(&meta(1, TAIL)).unwrap();
    check_read(&object, 1, 0..10);
    drop((object, remote));
    let (tails, ranges) = (bench.files("tail"), bench.files("range"));
    assert_eq!((tails.len(), ranges.len(), bench.gets()), (1, 1, 2));
    for path in tails.iter().chain(&ranges) {
        let mut bytes = std::fs::read(path).unwrap();
        bytes[7] ^= 1;
        std::fs::write(path, bytes).unwrap();
    }
    std::fs::write(bench.dir.path().join("SPLIT1.0-9.range.3.tmp"), "torn").unwrap();
    std::fs::create_dir(bench.dir.path().join("lost+found")).unwrap();
    std::fs::write(bench.dir.path().join("SPLIT1.65536-131072.range"), "torn").unwrap();
    let remote = bench.open();
    assert_eq!(bench.files("tmp").len() + bench.files("range").len(), 1, "swept");
    let object = remote.object(&meta(1, TAIL)).unwrap();
    check_read(&object, 1, 0..10);
    assert_eq!(bench.gets(), 4);
    remote.discard(&meta(1, TAIL).id);
    assert_eq!(bench.files("tail").len() + bench.files("range").len(), 0);
    check_read(&object, 1, 0..10);
    assert_eq!(bench.gets(), 5);
}

#[test]
fn pinned_tails_keep_to_their_own_budget() {
    let mut bench = Bench::new();
    bench.settings.pinned_bytes_max = 2 * (TAIL + file::TRAILER_BYTES);
    let remote = bench.open();
    let first = remote.object(&meta(1, TAIL)).unwrap();
    for seed in [2, 1, 3] {
        remote.object(&meta(seed, TAIL)).unwrap();
    }
    assert_eq!(bench.files("tail").len(), 2);
    assert_eq!(bench.gets(), 3);
    remote.object(&meta(1, TAIL)).unwrap();
    assert_eq!(bench.gets(), 3, "1 was used after 2");
    remote.object(&meta(2, TAIL)).unwrap();
    assert_eq!(bench.gets(), 4);
    check_read(&first, 1, LEN - TAIL..LEN);
}

#[test]
fn a_cache_too_small_for_anything_still_reads() {
    let mut bench = Bench::new();
    bench.settings.cache_bytes_max = 1;
    bench.settings.pinned_bytes_max = 0;
    let remote = bench.open();
    let object = remote.object(&meta(1, TAIL)).unwrap();
    object.prefetch(&[0..10, 300 * KB..301 * KB, 600 * KB..601 * KB]).unwrap();
    check_read(&object, 1, 0..LEN);
    check_read(&object, 1, 300 * KB..301 * KB);
    // And so does one whose directory is gone.
    std::fs::remove_dir_all(bench.dir.path()).unwrap();
    check_read(&object, 1, 0..LEN);
    let object = remote.object(&meta(2, TAIL)).unwrap();
    check_read(&object, 2, 5..LEN);
    std::fs::create_dir(bench.dir.path()).unwrap();
}

#[test]
fn many_threads_that_want_the_same_fetch_it_once() {
    let open = Arc::new(AtomicBool::new(false));
    let gate = open.clone();
    // All requests stall until all threads have come.
    let bench = Bench::with(move |_| match gate.load(Ordering::SeqCst) {
        true => Fault::None,
        false => Fault::Stall,
    });
    let remote = bench.open();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let object = remote.object(&meta(1, TAIL)).unwrap();
                    check_read(&object, 1, 100 * KB..500 * KB);
                })
            })
            .collect();
        while bench.gets() == 0 {
            std::thread::yield_now();
        }
        open.store(true, Ordering::SeqCst);
        while threads.iter().any(|t| !t.is_finished()) {
            bench.faulty.release();
            std::thread::yield_now();
        }
    });
    assert_eq!(bench.asked(), [64 * KB..512 * KB, LEN - TAIL..LEN]);
}

#[test]
fn threads_with_overlapping_wishes_all_get_the_right_bytes() {
    // Each range fails the first time it is asked for.
    let seen: Mutex<HashSet<(String, Option<Span>)>> = Mutex::default();
    let bench = Bench::with(move |call| {
        let mut seen = seen.lock().unwrap();
        match seen.insert((call.key.clone(), call.range.clone())) {
            true if seen.len().is_multiple_of(2) => Fault::SlowDown,
            true => Fault::ShortBody,
            false => Fault::None,
        }
    });
    let remote = bench.open();
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let remote = &remote;
            scope.spawn(move || {
                for round in 0..20_u64 {
                    let seed = (thread + round) % 4;
                    let object = remote.object(&meta(seed, TAIL)).unwrap();
                    let at = (thread * 131 + round * 977) * KB % (LEN - 200 * KB);
                    object.prefetch(&[at..at + 3, at + 150 * KB..at + 190 * KB]).unwrap();
                    check_read(&object, seed, at..at + 200 * KB);
                    if round % 9 == 8 {
                        remote.discard(&meta(seed, TAIL).id);
                    }
                }
            });
        }
    });
}

#[test]
fn a_slow_request_is_sent_again_and_the_first_answer_counts() {
    let stalled = Arc::new(AtomicBool::new(false));
    let stall = stalled.clone();
    let mut bench = Bench::with(move |_| match stall.swap(false, Ordering::SeqCst) {
        true => Fault::Stall,
        false => Fault::None,
    });
    // Every request earns a second one: a busy machine's slow ones use up none that are needed.
    bench.settings.remote.hedge_percent_max = 100;
    let remote = bench.open();
    let object = remote.object(&meta(1, TAIL)).unwrap();
    for n in 0..40 {
        remote.ranges.forget(&object.source.split);
        check_read(&object, 1, n..n + 10);
    }
    let before = bench.gets();
    // Without a second request, a stalled one would fail after `timeout_ms`.
    for _ in 0..2 {
        remote.ranges.forget(&object.source.split);
        stalled.store(true, Ordering::SeqCst);
        check_read(&object, 1, 0..10);
    }
    assert_eq!(bench.gets() - before, 4);
    let metrics = telemetry::render("logdrive_read_hedges");
    assert!(metrics.contains("logdrive_read_hedges_total{won=\"second\"}"), "{metrics}");
}

#[test]
fn a_stalled_request_is_sent_anew_before_its_time_is_over() {
    let mut bench = Bench::with(|call| if call.number == 0 { Fault::Stall } else { Fault::None });
    bench.settings.remote.timeout_ms = 2_000;
    let object = bench.open().object(&meta(1, TAIL)).unwrap();
    check_read(&object, 1, LEN - 10..LEN);
    assert_eq!(bench.gets(), 2);
}

#[test]
fn hedges_are_at_most_five_percent_of_the_requests() {
    let bench = Bench::with(|_| Fault::None);
    let remote = bench.open();
    let object = remote.object(&meta(1, TAIL)).unwrap();
    for n in 0..300 {
        remote.ranges.forget(&object.source.split);
        check_read(&object, 1, n..n + 10);
    }
    let gets = bench.gets();
    assert!((301..=301 + 15).contains(&gets), "{gets}");
}

#[test]
fn faults_that_pass_are_survived_and_the_others_name_split_and_object() {
    let passing =
        [Fault::SlowDown, Fault::Throttled, Fault::Reset, Fault::LostAnswer, Fault::ShortBody];
    for fault in passing {
        let bench = Bench::with(move |call| if call.number % 4 < 3 { fault } else { Fault::None });
        let object = bench.open().object(&meta(1, TAIL)).unwrap();
        check_read(&object, 1, 0..10);
        assert_eq!(bench.gets(), 8, "{fault:?}");
    }
    let for_good = [Fault::ExpiredCredentials, Fault::Forbidden, Fault::Missing, Fault::Stall];
    for fault in passing.into_iter().chain(for_good) {
        let failing = Arc::new(AtomicBool::new(true));
        let fails = failing.clone();
        let mut bench = Bench::with(move |_| match fails.load(Ordering::SeqCst) {
            true => fault,
            false => Fault::None,
        });
        if fault == Fault::Stall {
            bench.settings.remote.timeout_ms = 1_000;
        }
        let remote = bench.open();
        let names_it = |error: ReadError| {
            let named = matches!(&error, ReadError::Store { split, .. } if *split == meta(1, 0).id);
            let text = error.to_string();
            assert!(named && text.starts_with("split SPLIT1: "), "{fault:?}: {text}");
            assert!(text.contains("`splits/SPLIT1.split`"), "{fault:?}: {text}");
        };
        names_it(remote.object(&meta(1, TAIL)).unwrap_err());
        failing.store(false, Ordering::SeqCst);
        let object = remote.object(&meta(1, TAIL)).unwrap();
        check_read(&object, 1, 300 * KB..301 * KB);
        failing.store(true, Ordering::SeqCst);
        names_it(object.read(0..10).unwrap_err());
        names_it(object.prefetch(&[0..10, 600 * KB..601 * KB]).unwrap_err());
        check_read(&object, 1, 300 * KB..301 * KB);
        failing.store(false, Ordering::SeqCst);
        check_read(&object, 1, 0..LEN);
    }
}

#[test]
fn who_joined_a_request_that_failed_tries_once_more_alone() {
    let failing = Arc::new(AtomicBool::new(true));
    let fails = failing.clone();
    let mut bench = Bench::with(move |_| match fails.load(Ordering::SeqCst) {
        true => Fault::Stall,
        false => Fault::None,
    });
    bench.settings.remote.timeout_ms = 1_000;
    let remote = bench.open();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| remote.object(&meta(1, TAIL)).map(drop));
        // Both its tries have begun, and stall.
        while bench.gets() < 2 {
            std::thread::yield_now();
        }
        failing.store(false, Ordering::SeqCst);
        let second = remote.object(&meta(1, TAIL)).unwrap();
        check_read(&second, 1, 0..LEN);
        assert!(first.join().unwrap().is_err());
    });
}

#[test]
fn who_joined_a_request_that_was_refused_asks_for_itself() {
    let (operation, key) = ("get", "k".to_owned());
    let reason = "status 400, ExpiredToken: the provided token has expired".to_owned();
    let errors = [
        StoreError::Refused { operation, key: key.clone(), reason: reason.clone() },
        StoreError::Transient { operation, key: key.clone(), reason },
        StoreError::NotFound { key },
    ];
    for error in errors {
        let bench = Bench::new();
        let remote = bench.open();
        let object = remote.object(&meta(1, TAIL)).unwrap();
        let before = bench.gets();
        // Another thread's request that was sent while the store still refused.
        let old = {
            let span = object.blocks(&(0..10));
            remote.flights.board(&object.source.split).start(span, &Arc::default())
        };
        let known = Arc::strong_count(old.flight());
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| check_read(&object, 1, 0..10));
            while Arc::strong_count(old.flight()) == known {
                std::thread::yield_now();
            }
            old.land(Outcome::Failed(error));
            reader.join().unwrap();
        });
        assert_eq!(bench.gets() - before, 1);
    }
}

#[test]
fn after_a_failure_the_rest_of_the_wave_is_not_asked_for() {
    let failing = Arc::new(AtomicBool::new(false));
    let fails = failing.clone();
    let mut bench = Bench::with(move |_| match fails.load(Ordering::SeqCst) {
        true => Fault::Forbidden,
        false => Fault::None,
    });
    bench.settings.remote.concurrent_max = 1;
    bench.settings.remote.get_bytes_max = 64 * KB;
    let object = bench.open().object(&meta(1, TAIL)).unwrap();
    failing.store(true, Ordering::SeqCst);
    object.prefetch(&[0..LEN]).unwrap_err();
    assert_eq!(bench.gets(), 2);
    failing.store(false, Ordering::SeqCst);
    check_read(&object, 1, 0..LEN);
}

#[test]
fn a_stopped_runtime_is_an_error_and_no_hang() {
    let bench = Bench::new();
    let remote = bench.open();
    let object = remote.object(&meta(1, TAIL)).unwrap();
    bench.runtime.shutdown_background();
    let error = object.read(0..10).unwrap_err().to_string();
    assert!(error.contains("the process stops"), "{error}");
    check_read(&object, 1, LEN - 10..LEN);
}
