use super::*;
use crate::file::fingerprint::{Fingerprint, Node};
use platform::clock::ManualClock;
use platform::rng::SeededRng;
use proptest::prelude::*;

fn position(stream: u64, offset: u64) -> Position {
    Position {
        stream,
        path: format!("/l/{stream}.log"),
        offset,
        head: Fingerprint::of(b"head"),
        tail: Fingerprint::of(b"tail"),
        node: Node { dev: 1, ino: stream, born_ns: 0 },
        finished: None,
    }
}

fn batch(stream: u64, offset: u64) -> Batch {
    Batch {
        body: format!("{{\"s\":{stream},\"o\":{offset}}}\n{{\"n\":2}}\n").into_bytes(),
        lines: 2,
        source_bytes: 10,
        positions: [(stream, position(stream, offset))].into(),
    }
}

fn open(dir: &Path) -> (Spool, Recovered) {
    Spool::open(dir, 1, 1 << 20).expect("a spool")
}

fn push(spool: &Spool, stream: u64, offset: u64) {
    let (clock, rng) = (ManualClock::at(0), SeededRng::new(offset));
    spool.push(&batch(stream, offset), &clock, &rng).expect("pushed");
}

fn offsets(recovered: &Recovered) -> Vec<(u64, u64)> {
    recovered.positions.iter().map(|p| (p.stream, p.offset)).collect()
}

fn entry_files(dir: &Path) -> Vec<String> {
    let listed = RealDisk.list(&dir.join("spool")).expect("listed");
    listed.into_iter().map(|(name, _)| name).collect()
}

#[test]
fn batches_come_back_in_order_after_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let (spool, recovered) = open(dir.path());
    assert_eq!((recovered.waiting, recovered.positions.len()), (0, 0));
    push(&spool, 1, 10);
    push(&spool, 2, 5);
    push(&spool, 1, 20);
    let first = spool.oldest().expect("read").expect("there");
    spool.acked(&first).expect("acked");
    drop(spool);
    let (spool, recovered) = open(dir.path());
    assert_eq!(offsets(&recovered), [(1, 20), (2, 5)]);
    assert_eq!((recovered.waiting, recovered.notes.len()), (2, 0));
    let second = spool.oldest().expect("read").expect("there");
    assert_eq!(second.header.positions, [position(2, 5)]);
    assert_ne!(second.header.id, first.header.id);
    push(&spool, 3, 1);
    assert_eq!(entry_files(dir.path()).len(), 3);
}

#[test]
fn an_entry_that_was_confirmed_is_not_sent_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let (spool, _) = open(dir.path());
    push(&spool, 1, 10);
    push(&spool, 1, 20);
    let entry = spool.oldest().expect("read").expect("there");
    let path = dir.path().join("spool").join(&entry.name);
    let bytes = fs::read(&path).expect("read");
    spool.acked(&entry).expect("acked");
    // As if the crash came between the checkpoint and the removal.
    fs::write(&path, bytes).expect("written");
    drop(spool);
    let (spool, recovered) = open(dir.path());
    assert_eq!(recovered.waiting, 1);
    assert_ne!(spool.oldest().expect("read").expect("there").name, entry.name);
}

/// Every way to cut the last entry: its positions are there whole or not at all.
#[test]
fn a_torn_last_entry_is_dropped_whole() {
    let dir = tempfile::tempdir().expect("a directory");
    let (spool, _) = open(dir.path());
    push(&spool, 1, 10);
    push(&spool, 1, 20);
    drop(spool);
    let name = entry_files(dir.path()).pop().expect("two");
    let path = dir.path().join("spool").join(&name);
    let whole = fs::read(&path).expect("read");
    for len in 0..whole.len() {
        fs::write(&path, &whole[..len]).expect("written");
        let (spool, recovered) = open(dir.path());
        assert_eq!(offsets(&recovered), [(1, 10)], "cut at {len}");
        assert_eq!((recovered.waiting, recovered.notes.len()), (1, 1), "cut at {len}");
        drop(spool);
    }
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x40;
        fs::write(&path, &flipped).expect("written");
        let (_spool, recovered) = open(dir.path());
        // The two reserved bytes are not looked at, but belong to the checksum.
        assert_eq!(offsets(&recovered), [(1, 10)], "flipped at {at}");
    }
}

#[test]
fn what_follows_a_damaged_entry_is_read_again_in_order() {
    let dir = tempfile::tempdir().expect("a directory");
    let (spool, _) = open(dir.path());
    for offset in [10, 20, 30] {
        push(&spool, 1, offset);
    }
    drop(spool);
    let name = entry_files(dir.path())[1].clone();
    fs::write(dir.path().join("spool").join(name), "LDSP rubbish").expect("written");
    let (_spool, recovered) = open(dir.path());
    assert_eq!(offsets(&recovered), [(1, 10)]);
    assert_eq!((recovered.waiting, recovered.notes.len()), (1, 2));
    assert_eq!(RealDisk.list(&dir.path().join("spool/damaged")).expect("listed").len(), 2);
}

/// Every way to cut the checkpoint: the one before it is used, and it is told.
#[test]
fn a_damaged_checkpoint_falls_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let (spool, _) = open(dir.path());
    for offset in [10, 20] {
        push(&spool, 1, offset);
        let entry = spool.oldest().expect("read").expect("there");
        spool.acked(&entry).expect("acked");
    }
    drop(spool);
    let path = dir.path().join("checkpoint");
    let whole = fs::read(&path).expect("read");
    for len in 0..whole.len() {
        fs::write(&path, &whole[..len]).expect("written");
        let (_spool, recovered) = open(dir.path());
        assert_eq!(offsets(&recovered), [(1, 10)], "cut at {len}");
        assert_eq!(recovered.notes.len(), 1, "cut at {len}");
    }
    for name in ["checkpoint", "checkpoint.previous"] {
        fs::write(dir.path().join(name), "rubbish").expect("written");
    }
    let (_spool, recovered) = open(dir.path());
    assert_eq!((offsets(&recovered).len(), recovered.notes.len()), (0, 2));
}

#[test]
fn foreign_and_unfinished_files_do_no_harm() {
    let dir = tempfile::tempdir().expect("a directory");
    let (spool, _) = open(dir.path());
    push(&spool, 1, 10);
    drop(spool);
    for name in ["0000000000000009.tmp", "README", "0000000000000000.2"] {
        fs::write(dir.path().join("spool").join(name), "x").expect("written");
    }
    let (_spool, recovered) = open(dir.path());
    assert_eq!((recovered.waiting, recovered.notes.len()), (1, 2));
    assert_eq!(entry_files(dir.path()).len(), 3);
}

#[test]
fn the_rejected_file_is_bounded() {
    let dir = tempfile::tempdir().expect("a directory");
    let (spool, _) = Spool::open(dir.path(), 1, 2000).expect("a spool");
    push(&spool, 1, 10);
    let entry = spool.oldest().expect("read").expect("there");
    for i in 0..200 {
        spool
            .reject(&entry, &[(1, format!("reason {i}")), (99, "no such line".into())])
            .expect("noted");
    }
    let len = |name: &str| fs::metadata(dir.path().join(name)).expect("there").len();
    assert!(len("rejected.ndjson") + len("rejected.ndjson.1") < 2500);
}

#[derive(Clone, Debug)]
enum Op {
    Push,
    Ack,
    Halve,
    Restart,
}

proptest! {
    /// Against a plain list: what was pushed and not confirmed waits, line by line, in order.
    #[test]
    fn the_spool_is_a_durable_queue(
        ops in prop::collection::vec(
            prop_oneof![Just(Op::Push), Just(Op::Ack), Just(Op::Halve), Just(Op::Restart)],
            1..40,
        )
    ) {
        let dir = tempfile::tempdir().expect("a directory");
        let (mut spool, _) = open(dir.path());
        let mut pushed: Vec<String> = Vec::new();
        let mut confirmed: Vec<String> = Vec::new();
        let lines = |body: &[u8]| -> Vec<String> {
            String::from_utf8_lossy(body).lines().map(str::to_owned).collect()
        };
        for (i, op) in ops.iter().enumerate() {
            let oldest = spool.oldest().expect("read");
            match (op, oldest) {
                (Op::Push, _) => {
                    push(&spool, 1, i as u64);
                    pushed.extend(lines(&batch(1, i as u64).body));
                }
                (Op::Ack, Some(entry)) => {
                    spool.acked(&entry).expect("acked");
                    confirmed.extend(lines(&decompress(&entry).expect("zstd")));
                }
                (Op::Halve, Some(entry)) => drop(spool.halve(&entry).expect("halved")),
                (Op::Restart, _) => {
                    drop(spool);
                    let (again, recovered) = open(dir.path());
                    prop_assert_eq!(recovered.notes.len(), 0);
                    spool = again;
                }
                _ => {}
            }
        }
        drop(spool);
        let (spool, recovered) = open(dir.path());
        let want = ops.iter().rposition(|o| matches!(o, Op::Push)).map(|i| (1, i as u64));
        prop_assert_eq!(offsets(&recovered), want.into_iter().collect::<Vec<_>>());
        while let Some(entry) = spool.oldest().expect("read") {
            spool.acked(&entry).expect("acked");
            confirmed.extend(lines(&decompress(&entry).expect("zstd")));
        }
        prop_assert_eq!(confirmed, pushed);
        prop_assert_eq!(spool.bytes(), 0);
    }

    #[test]
    fn no_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        prop_assert!(entry::decode("x", &bytes).is_err());
    }
}
