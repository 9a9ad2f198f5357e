//! The log against its model: what was acknowledged comes back, in order, and nothing else.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use model::id::{BatchId, NodeId, RecordSeq, WalSeq};
use model::time::Timestamp;
use model::wire::Ack;
use platform::disk::{Disk, RealDisk};
use proptest::prelude::*;

use super::frame::Stretch;
use super::log::{Log, Place, segment_name};
use super::*;
use crate::dedupe::Dedupe;
use crate::tests::{Applied, Bench, Faulty, NODE, Remember, batch, source, until};
use crate::{KnownBatch, Recovered};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Submits one batch after the other and stops; gives what the sink got.
fn fill(bench: &Bench, batches: usize) -> Vec<Applied> {
    runtime().block_on(async {
        let running = bench.start();
        for n in 0..batches {
            let texts = [format!("line {n}"), format!("noise {n} {}", noise(n))];
            let texts: Vec<_> = texts.iter().map(String::as_str).collect();
            let got = running.ingest.submit(batch(None, &texts), Ack::Durable).await.unwrap();
            assert_eq!(got.accepted, 2);
        }
        running.ingest.stop().await;
        running.sink.all()
    })
}

/// Text that does not compress to nothing.
fn noise(n: usize) -> String {
    let mut state = n as u64 + 1;
    (0..n % 40 * 80)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'a' + (state >> 59) as u8 % 26)
        })
        .collect()
}

fn segments(dir: &Path) -> Vec<String> {
    RealDisk.list(dir).unwrap().into_iter().map(|(name, _)| name).collect()
}

fn replay(dir: &Path, checkpoint: u64) -> (Vec<Applied>, Replayed) {
    let sink = Remember::default();
    let place = Place { disk: Arc::new(RealDisk), dir: dir.to_owned(), node: NODE };
    let dedupe = Dedupe::new(100, 100);
    let from = (WalSeq(checkpoint), RecordSeq(0));
    let replayed = Replay::new(place, from, &dedupe, &sink).run().unwrap();
    (sink.all(), replayed)
}

#[test]
fn what_was_acknowledged_comes_back_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(dir.path());
    let first = fill(&bench, 30);
    assert_eq!(first.iter().map(|a| a.0).collect::<Vec<_>>(), (1..=30).collect::<Vec<_>>());
    assert!(first.iter().all(|a| a.1 == (a.0 - 1) * 2));
    assert!(segments(dir.path()).len() > 1);

    bench.checkpoint = 10;
    let running = bench.start();
    let want = Recovered { frames: 20, records: 40, ..Recovered::default() };
    assert_eq!(running.recovered, want);
    assert_eq!(running.sink.all(), first[10..]);
    let next = runtime().block_on(async {
        let got = running.ingest.submit(batch(None, &["new"]), Ack::Durable).await.unwrap();
        running.ingest.stop().await;
        got
    });
    assert_eq!((next.seq, next.first_record), (WalSeq(31), RecordSeq(60)));
    let (all, replayed) = replay(dir.path(), 0);
    assert_eq!(all.len(), 31);
    assert_eq!(all[..30], first);
    assert_eq!((replayed.next, replayed.next_record), (WalSeq(32), RecordSeq(61)));
}

#[test]
fn numbers_go_on_behind_the_catalog_when_the_log_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(dir.path());
    (bench.checkpoint, bench.next_record) = (70, 900);
    let applied = fill(&bench, 1);
    assert_eq!((applied[0].0, applied[0].1), (71, 900));
}

#[test]
fn published_segments_are_removed_and_the_log_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(dir.path());
    fill(&bench, 30);
    let before = segments(dir.path()).len();
    let running = bench.start();
    running.publish.send_replace(WalSeq(15));
    until("some segments are removed", || segments(dir.path()).len() < before);
    let (rest, _) = replay(dir.path(), 15);
    assert_eq!(rest.len(), 15);
    running.publish.send_replace(WalSeq(30));
    until("all segments are removed", || segments(dir.path()).is_empty());
    let runtime = runtime();
    let submit = |text: &'static str| {
        runtime.block_on(running.ingest.submit(batch(None, &[text]), Ack::Durable)).unwrap()
    };
    assert_eq!(submit("a").seq, WalSeq(31));
    assert_eq!(segments(dir.path()), [segment_name(WalSeq(31))]);
    // A published segment goes also while it is the one being written.
    running.publish.send_replace(WalSeq(31));
    until("the active segment is removed", || segments(dir.path()).is_empty());
    assert_eq!(submit("b").seq, WalSeq(32));
    runtime.block_on(running.ingest.stop());
    bench.checkpoint = 31;
    assert_eq!(bench.start().sink.sources(), [source("b")]);
}

#[test]
fn a_newest_segment_that_holds_nothing_does_not_stop_the_start() {
    let header = frame::segment_header(NODE, WalSeq(11));
    let cases: [(&[u8], u64); 5] = [
        (b"", 0),
        (b"LOGDRW", 6),
        (&header, 0),
        (&[0; 5000], 5000),
        (b"\xffgarbage WALf garbage WALf and more garbage than a header has room for", 70),
    ];
    for (content, cut_bytes) in cases {
        let dir = tempfile::tempdir().unwrap();
        let bench = Bench::new(dir.path());
        let first = fill(&bench, 10);
        fs::write(dir.path().join(segment_name(WalSeq(11))), content).unwrap();
        fs::write(dir.path().join("wal-notes.log"), b"not a segment").unwrap();
        let running = bench.start();
        let want = Recovered { frames: 10, records: 20, cut_bytes, ..Recovered::default() };
        assert_eq!(running.recovered, want, "{content:?}");
        assert_eq!(running.sink.all(), first);
        runtime().block_on(async {
            let got = running.ingest.submit(batch(None, &["new"]), Ack::Durable).await.unwrap();
            assert_eq!(got.seq, WalSeq(11));
            running.ingest.stop().await;
        });
        assert_eq!(replay(dir.path(), 0).0.len(), 11);
    }
}

#[test]
fn a_torn_tail_is_cut_once() {
    let dir = tempfile::tempdir().unwrap();
    let first = fill(&Bench::new(dir.path()), 10);
    let newest = dir.path().join(segments(dir.path()).pop().unwrap());
    let whole = fs::metadata(&newest).unwrap().len();
    let mut file = RealDisk.open_append(&newest).unwrap();
    file.append(b"WALf and the beginning of a frame").unwrap();
    let (applied, replayed) = replay(dir.path(), 0);
    assert_eq!(applied, first);
    assert_eq!((replayed.report.cut_bytes, replayed.report.damaged), (33, vec![]));
    assert_eq!(fs::metadata(&newest).unwrap().len(), whole);
    assert_eq!(replay(dir.path(), 0).1.report.cut_bytes, 0);
}

#[test]
fn damage_in_the_middle_is_reported_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let first = fill(&Bench::new(dir.path()), 30);
    let path = dir.path().join(&segments(dir.path())[0]);
    let mut bytes = fs::read(&path).unwrap();
    let stretches = frame::scan(&bytes, WalSeq(0));
    let Stretch::Frame { at, frame } = stretches[3] else { panic!("a frame") };
    let len = frame::FRAME_HEADER_BYTES + frame.payload.len();
    bytes[at + 50] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let (applied, replayed) = replay(dir.path(), 0);
    let want: Vec<_> = first.iter().filter(|a| a.0 != 4).cloned().collect();
    assert_eq!(applied, want);
    let said =
        format!("`{}`: {len} unreadable bytes at byte {at}: frame 4 is lost", path.display());
    assert_eq!(replayed.report.damaged, [said]);
    assert_eq!(replayed.report.cut_bytes, 0);
    // Below the checkpoint the same damage costs nothing.
    let said = replay(dir.path(), 4).1.report.damaged.concat();
    assert!(said.ends_with("no unpublished frame is lost"), "{said}");

    // A segment that is missing altogether.
    let second = dir.path().join(&segments(dir.path())[1]);
    fs::remove_file(second).unwrap();
    let (_, replayed) = replay(dir.path(), 0);
    assert_eq!(replayed.report.damaged.len(), 2, "{:?}", replayed.report);
    fs::remove_file(path).unwrap();
    let (_, replayed) = replay(dir.path(), 0);
    assert!(replayed.report.damaged[0].contains("frames 1 to "), "{:?}", replayed.report);
}

#[test]
fn segments_of_others_stop_the_start_and_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(segment_name(WalSeq(1)));
    let start = || Bench::new(dir.path()).try_start().err().unwrap().to_string();
    fs::write(&path, frame::segment_header(NodeId(0xdef), WalSeq(1))).unwrap();
    assert!(start().contains("written by node 00000def, but this is node 00000abc"), "{}", start());
    let mut newer = frame::segment_header(NODE, WalSeq(1));
    newer[8] = 9;
    let crc = crc32c::crc32c(&newer[..28]);
    newer[28..].copy_from_slice(&crc.to_le_bytes());
    fs::write(&path, newer).unwrap();
    assert!(start().contains("has format version 9"), "{}", start());
    assert!(path.exists());
    let missing = Bench::new(&dir.path().join("none")).try_start().err().unwrap();
    assert!(missing.to_string().contains("the directory must exist"), "{missing}");
}

#[test]
fn a_batch_id_is_taken_once_also_across_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(dir.path());
    let known = |id: &str, at| KnownBatch { id: BatchId::new(id), accepted: 5, at: Timestamp(at) };
    bench.known = vec![known("published", 1_000)];
    let runtime = runtime();
    let running = bench.start();
    let submit = |running: &crate::tests::Running, id: &str, texts: &[&str]| {
        let batch = batch(Some(id), texts);
        let got = runtime.block_on(running.ingest.submit(batch, Ack::Durable)).unwrap();
        (got.accepted, got.duplicate)
    };
    assert_eq!(submit(&running, "published", &["x"]), (5, true));
    assert_eq!(submit(&running, "a", &["1", "2"]), (2, false));
    assert_eq!(submit(&running, "a", &["1", "2"]), (2, true));
    runtime.block_on(async {
        let both = [0, 1].map(|_| {
            let ingest = running.ingest.clone();
            tokio::spawn(async move { ingest.submit(batch(Some("b"), &["3"]), Ack::Durable).await })
        });
        let mut duplicates = Vec::new();
        for one in both {
            duplicates.push(one.await.unwrap().unwrap().duplicate);
        }
        duplicates.sort();
        assert_eq!(duplicates, [false, true]);
        running.ingest.stop().await;
    });
    assert_eq!(running.sink.sources(), ["1", "2", "3"].map(source));
    let again = bench.start();
    assert_eq!(submit(&again, "b", &["3"]), (1, true));
    assert_eq!(again.sink.sources(), ["1", "2", "3"].map(source));
}

#[test]
fn a_batch_that_is_twice_in_the_log_is_replayed_once() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place { disk: Arc::new(RealDisk), dir: dir.path().to_owned(), node: NODE };
    let mut log = Log::new(place, 1 << 20, Vec::new(), WalSeq(1));
    for (n, id) in ["a", "b", "a"].into_iter().enumerate() {
        let mut group = Vec::new();
        let encoded = payload::encode(&batch(Some(id), &[id])).unwrap();
        frame::write_frame(&mut group, log.next(), RecordSeq(n as u64), &encoded);
        log.append(&group, 1).unwrap();
    }
    let (applied, replayed) = replay(dir.path(), 0);
    assert_eq!(applied.iter().map(|a| a.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((replayed.report.duplicates, replayed.next), (1, WalSeq(4)));
}

#[test]
fn no_space_is_refused_with_507_and_ends_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Faulty::default();
    let mut bench = Bench::new(dir.path());
    bench.disk = Arc::new(disk.clone());
    let running = bench.start();
    let runtime = runtime();
    let submit = |text: &str| {
        runtime.block_on(running.ingest.submit(batch(Some(text), &[text]), Ack::Durable))
    };
    // No room for the first segment's header, for a part of a frame, for nearly all of it.
    for (n, room) in [0, 10, 60, 100].into_iter().enumerate() {
        disk.0.room.store(room, Ordering::SeqCst);
        let refusal = submit(&format!("refused {n}")).unwrap_err();
        assert_eq!(refusal.status(), 507, "{refusal}");
        disk.0.heal();
        assert_eq!(submit(&format!("kept {n}")).unwrap().seq, WalSeq(n as u64 + 1));
    }
    // Under the same batch id the refused batch is taken now.
    assert!(!submit("refused 1").unwrap().duplicate);
    runtime.block_on(running.ingest.stop());
    let want = ["kept 0", "kept 1", "kept 2", "kept 3", "refused 1"].map(source);
    assert_eq!(running.sink.sources(), want);
    let again = bench.start();
    assert_eq!(again.sink.sources(), want);
    assert_eq!(again.recovered.damaged, Vec::<String>::new());
}

#[test]
fn nothing_is_acknowledged_after_a_failed_sync() {
    for truncate in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let disk = Faulty::default();
        let mut bench = Bench::new(dir.path());
        bench.disk = Arc::new(disk.clone());
        let running = bench.start();
        let runtime = runtime();
        let submit = |text: &str| {
            runtime.block_on(running.ingest.submit(batch(None, &[text]), Ack::Durable))
        };
        submit("before").unwrap();
        disk.0.sync.store(true, Ordering::SeqCst);
        disk.0.truncate.store(truncate, Ordering::SeqCst);
        for _ in 0..2 {
            let refusal = submit("refused").unwrap_err();
            assert_eq!(refusal.status(), 503, "{refusal}");
        }
        disk.0.heal();
        assert_eq!(submit("after").unwrap().seq, WalSeq(2));
        runtime.block_on(running.ingest.stop());
        let again = bench.start();
        assert_eq!(again.sink.sources(), ["before", "after"].map(source));
        assert_eq!(again.recovered.damaged, Vec::<String>::new());
    }
}

#[test]
fn batches_that_wait_share_one_sync() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Faulty::default();
    let mut bench = Bench::new(dir.path());
    bench.disk = Arc::new(disk.clone());
    let running = bench.start();
    runtime().block_on(async {
        disk.0.gate.set(true);
        let submit = |n: usize| {
            let ingest = running.ingest.clone();
            let batch = batch(None, &[&n.to_string()]);
            tokio::spawn(async move { ingest.submit(batch, Ack::Durable).await })
        };
        // The first batch waits for its sync; everything else queues up behind it.
        let mut tasks = vec![submit(0)];
        let asked = disk.0.clone();
        let wait = move || until("a sync", || asked.asked.load(Ordering::SeqCst) == 1);
        tokio::task::spawn_blocking(wait).await.unwrap();
        tasks.extend((1..41).map(submit));
        let ingest = running.ingest.clone();
        let wait = move || until("a queue", || ingest.queued() == 40);
        tokio::task::spawn_blocking(wait).await.unwrap();
        disk.0.gate.set(false);
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(disk.0.asked.load(Ordering::SeqCst), 2);
        running.ingest.stop().await;
    });
    assert_eq!(running.sink.all().len(), 41);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Good,
    NoSpace(i64),
    BadSync { truncate_fails: bool },
    NoCreate,
    NoRemove(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Good),
        1 => (0..300i64).prop_map(Step::NoSpace),
        1 => any::<bool>().prop_map(|truncate_fails| Step::BadSync { truncate_fails }),
        1 => Just(Step::NoCreate),
        1 => (0..300i64).prop_map(Step::NoRemove),
    ]
}

/// A frame with the number of the step as its text.
fn group(log: &Log, text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let encoded = payload::encode(&batch(None, &[text])).unwrap();
    frame::write_frame(&mut out, log.next(), RecordSeq(log.next().0), &encoded);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_fails_the_acknowledged_frames_come_back(
        steps in prop::collection::vec(step(), 1..24),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let disk = Faulty::default();
        let place = Place { disk: Arc::new(disk.clone()), dir: dir.path().to_owned(), node: NODE };
        let mut log = Log::new(place, 400, Vec::new(), WalSeq(1));
        let (mut acknowledged, mut last_good) = (Vec::new(), 0);
        for (n, step) in steps.iter().enumerate() {
            disk.0.heal();
            match step {
                Step::Good => {}
                Step::NoSpace(room) => disk.0.room.store(*room, Ordering::SeqCst),
                Step::BadSync { truncate_fails } => {
                    disk.0.sync.store(true, Ordering::SeqCst);
                    disk.0.truncate.store(*truncate_fails, Ordering::SeqCst);
                }
                Step::NoCreate => disk.0.create.store(true, Ordering::SeqCst),
                Step::NoRemove(room) => {
                    disk.0.remove.store(true, Ordering::SeqCst);
                    disk.0.truncate.store(true, Ordering::SeqCst);
                    disk.0.room.store(*room, Ordering::SeqCst);
                }
            }
            let text = n.to_string();
            if log.append(&group(&log, &text), 1).is_ok() {
                acknowledged.push(source(&text));
                last_good = n;
            }
        }
        drop(log);
        let (applied, replayed) = replay(dir.path(), 0);
        prop_assert_eq!(&replayed.report.damaged, &Vec::<String>::new());
        let got: Vec<_> = applied.into_iter().flat_map(|a| a.2).collect();
        // Frames that were refused at the very end may be there: nothing voids them yet.
        let after: Vec<_> = (last_good + 1..steps.len()).map(|n| source(&n.to_string())).collect();
        prop_assert!(got.len() >= acknowledged.len());
        prop_assert_eq!(&got[..acknowledged.len()], &acknowledged[..]);
        let extra = &got[acknowledged.len()..];
        prop_assert!(extra.iter().all(|e| after.contains(e)) || acknowledged.is_empty());
        prop_assert!(extra.len() <= 1);
    }
}

#[derive(Clone, Debug)]
enum Damage {
    Flip { at: prop::sample::Index, bits: u8 },
    Overwrite { at: prop::sample::Index, with: Vec<u8> },
    Cut { at: prop::sample::Index },
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), 1..=255u8).prop_map(|(at, bits)| Damage::Flip { at, bits }),
        (at(), prop::collection::vec(any::<u8>(), 1..300))
            .prop_map(|(at, with)| Damage::Overwrite { at, with }),
        at().prop_map(|at| Damage::Cut { at }),
    ]
}

impl Damage {
    /// Damages the bytes; gives the range that is not as it was.
    fn apply(&self, bytes: &mut Vec<u8>) -> std::ops::Range<usize> {
        let len = bytes.len();
        match self {
            Self::Flip { at, bits } => {
                let at = at.index(len);
                bytes[at] ^= bits;
                at..at + 1
            }
            Self::Overwrite { at, with } => {
                let at = at.index(len);
                let end = (at + with.len()).min(len);
                bytes[at..end].copy_from_slice(&with[..end - at]);
                at..end
            }
            Self::Cut { at } => {
                let at = at.index(len);
                bytes.truncate(at);
                at..len
            }
        }
    }
}

fn fixture() -> &'static (tempfile::TempDir, Vec<Applied>) {
    static FIXTURE: std::sync::OnceLock<(tempfile::TempDir, Vec<Applied>)> =
        std::sync::OnceLock::new();
    FIXTURE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let applied = fill(&Bench::new(dir.path()), 60);
        (dir, applied)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn damage_costs_no_frame_but_those_that_it_hits(
        which in any::<prop::sample::Index>(),
        damage in damage(),
    ) {
        let (from, first) = fixture();
        let dir = tempfile::tempdir().unwrap();
        let names = segments(from.path());
        for name in &names {
            fs::copy(from.path().join(name), dir.path().join(name)).unwrap();
        }
        let which = which.index(names.len());
        let path = dir.path().join(&names[which]);
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        let hit = damage.apply(&mut bytes);
        fs::write(&path, &bytes).unwrap();
        let changed = |range: std::ops::Range<usize>| bytes.get(range.clone()) != whole.get(range);
        let lost: Vec<u64> = frame::scan(&whole, WalSeq(0))
            .into_iter()
            .filter_map(|stretch| match stretch {
                Stretch::Frame { at, frame } => {
                    let end = at + frame::FRAME_HEADER_BYTES + frame.payload.len();
                    let near = at < hit.end && hit.start < end;
                    (near && changed(at..end)).then_some(frame.seq.0)
                }
                Stretch::Unreadable { .. } => None,
            })
            .collect();
        let (applied, replayed) = replay(dir.path(), 0);
        let want: Vec<_> = first.iter().filter(|a| !lost.contains(&a.0)).cloned().collect();
        prop_assert_eq!(&applied, &want);
        let report = replayed.report;
        // Only what is missing at the very end may pass for a torn write.
        let torn = lost.last() == Some(&60);
        prop_assert!(lost.is_empty() || torn || !report.damaged.is_empty(), "{:?}", report);
        prop_assert_eq!(replay(dir.path(), 0).0, applied);
    }
}

/// Mounts a small file system, if this process may.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    fn mount(mib: u32) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={mib}m");
        let mount = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(dir.path())
            .stderr(std::process::Stdio::null())
            .status();
        mount.is_ok_and(|status| status.success()).then_some(Self(dir))
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_file_system_refuses_and_takes_again() {
    let Some(small) = Tmpfs::mount(8) else {
        println!("SKIPPED a_full_file_system_refuses_and_takes_again: mounting a tmpfs is refused");
        return;
    };
    let mut bench = Bench::new(small.0.path());
    bench.settings.wal.segment_bytes = 1 << 20;
    let running = bench.start();
    let runtime = runtime();
    let mut state = 1u64;
    let mut document = || {
        (0..60_000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                char::from(b'!' + (state >> 57) as u8 % 90)
            })
            .collect::<String>()
    };
    let submit =
        |text: &str| runtime.block_on(running.ingest.submit(batch(None, &[text]), Ack::Durable));
    let mut kept = Vec::new();
    let refusal = loop {
        let text = document();
        match submit(&text) {
            Ok(_) => kept.push(source(&text)),
            Err(refusal) => break refusal,
        }
        assert!(kept.len() < 1000, "8 MiB are never full");
    };
    assert_eq!(refusal.status(), 507, "{refusal}");
    assert!(kept.len() > 50);
    running.publish.send_replace(WalSeq(kept.len() as u64 / 2));
    until("space returns", || submit("small").is_ok());
    runtime.block_on(running.ingest.stop());
    kept.push(source("small"));
    assert_eq!(running.sink.sources(), kept);
    bench.checkpoint = kept.len() as u64 / 2;
    assert_eq!(bench.start().sink.sources(), kept[kept.len() / 2..]);
}

#[test]
fn a_segment_of_format_1_opens() {
    let dir = tempfile::tempdir().unwrap();
    let written = include_bytes!("../../../tests/formats/wal-v1.log");
    fs::write(dir.path().join(segment_name(WalSeq(7))), written).unwrap();
    let (applied, replayed) = replay(dir.path(), 6);
    let want: [Applied; 2] =
        [(7, 100, ["first", "second"].map(source).to_vec()), (8, 102, vec![source("third")])];
    assert_eq!(applied, want);
    let report = Recovered { frames: 2, records: 3, ..Recovered::default() };
    assert_eq!(replayed.report, report);
    assert_eq!((replayed.next, replayed.next_record), (WalSeq(9), RecordSeq(103)));
}
