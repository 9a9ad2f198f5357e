//! What does a power cut leave at each single place? Every operation of a script on disk, store or
//! catalog is the last one once, with several images of what was not synced.
//!
//! After it the catalog is as before or as after the step, nothing acknowledged is lost or
//! doubled, and all garbage goes.

use index::catalog::{Checkpoint, PublishedBatch};
use index::engine::DeleteRequest;
use index::read::SplitMeta;
use model::id::{IndexName, Tenant};
use model::time::Timestamp;
use platform::sim::{Leaves, World};

use super::clients::Clients;
use super::machine::{DAY_NS, Machine, Node, contents};

const IMAGES: [Leaves; 6] =
    [Leaves::Nothing, Leaves::Everything, Leaves::Some, Leaves::Some, Leaves::Some, Leaves::Some];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    /// A group of batches into the log, with a new segment.
    Commit,
    /// A roll: built, stored, published, and the log cut behind it.
    Publish,
    /// A merge, and the objects of its inputs collected.
    Merge,
    /// Splits whose time is over, and their objects collected.
    Expire,
    /// Documents hidden.
    Delete,
    /// A split written anew without them, and the old object collected.
    Erase,
}

type State = (Vec<SplitMeta>, (Checkpoint, Vec<PublishedBatch>));

fn state(machine: &Machine) -> State {
    let catalog = machine.catalog();
    let mut splits = catalog.splits().unwrap();
    // Not the same in every run.
    splits.iter_mut().for_each(|split| split.object_bytes = 0);
    (splits, catalog.checkpoint().unwrap())
}

fn send(machine: &Machine, node: &Node, clients: &mut Clients, batches: usize) {
    let mut numbers = Vec::new();
    let mut sent = Vec::new();
    while sent.len() < batches {
        let (at, batch) = clients.next(&machine.world, machine.now());
        if !numbers.contains(&at) {
            numbers.push(at);
            sent.push(batch);
        }
    }
    let outcomes = node.ingest.lock().unwrap().submit(sent);
    for (at, outcome) in numbers.into_iter().zip(&outcomes) {
        if !machine.world.is_off() {
            clients.hear(at, outcome);
        }
    }
}

fn delete(machine: &Machine, node: &Node, clients: &mut Clients) {
    let before = clients.acknowledged_batches();
    let below = clients.delete(&machine.world);
    let deleted = node.index.delete(DeleteRequest {
        id: node.index.reserve_deletion(),
        tenant: Tenant::default(),
        indexes: vec![IndexName::new("logs")],
        query: Some(below.to_string()),
        at: Timestamp(machine.now()),
    });
    if deleted.is_ok() && !machine.world.is_off() {
        clients.deleted(below, &before);
    }
}

/// What comes before the step that is cut.
fn prepare(step: Step, machine: &Machine, node: &Node, clients: &mut Clients) {
    send(machine, node, clients, 3);
    if step == Step::Publish || step == Step::Commit {
        return;
    }
    for _ in 0..6 {
        send(machine, node, clients, 2);
        node.index.flush();
        while node.index.publish_once().unwrap() {}
    }
    if step == Step::Erase {
        delete(machine, node, clients);
    }
    if step == Step::Expire {
        machine.clock.advance(8 * DAY_NS);
        clients.latest = machine.now();
    }
}

/// The step; when the power goes off in it, all that follows fails.
fn take(step: Step, machine: &Machine, node: &Node, clients: &mut Clients) {
    match step {
        Step::Commit => {
            for _ in 0..12 {
                send(machine, node, clients, 3);
            }
        }
        Step::Publish => {
            node.index.flush();
            let _ = node.index.publish_once();
            node.ingest.lock().unwrap().submit(Vec::new());
        }
        Step::Merge => {
            let _ = node.index.merge_once();
            let _ = node.index.collect_garbage_once();
        }
        Step::Delete => delete(machine, node, clients),
        Step::Erase => {
            let _ = node.index.erase_once();
            let _ = node.index.collect_garbage_once();
        }
        Step::Expire => {
            let _ = node.index.expire_once();
            let _ = node.index.collect_garbage_once();
        }
    }
}

/// Runs a step with the power cut at an operation; gives the states before and after, and the
/// numbers of the operations.
fn run(step: Step, machine: &Machine, cut_at: Option<u64>, clients: &mut Clients) -> Told {
    let node = machine.boot().unwrap();
    prepare(step, machine, &node, clients);
    let (before, from) = (state(machine), machine.world.operations());
    machine.world.cut_at(cut_at);
    take(step, machine, &node, clients);
    Told { before, from, after: state(machine), to: machine.world.operations() }
}

struct Told {
    before: State,
    after: State,
    from: u64,
    to: u64,
}

fn check_contents(machine: &Machine, node: &Node, clients: &Clients, what: &str) {
    let found = contents(&node.snapshot()).unwrap_or_else(|e| panic!("{what}: {e}"));
    clients.check(&found).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert!(!machine.world.is_off());
}

fn settle(machine: &Machine, clients: &Clients, what: &str) {
    let node = machine.boot().unwrap();
    check_contents(machine, &node, clients, what);
    node.index.flush();
    while node.index.publish_once().unwrap() {}
    while node.index.erase_once().unwrap() {}
    while node.index.merge_once().unwrap() {}
    while node.index.collect_garbage_once().unwrap() > 0 {}
    node.ingest.lock().unwrap().submit(Vec::new());
    check_contents(machine, &node, clients, what);
    let splits = machine.catalog().splits().unwrap();
    let mut wanted: Vec<String> = splits.iter().map(|s| index::split::object_key(&s.id)).collect();
    wanted.sort();
    assert_eq!(machine.objects(), wanted, "{what}: objects");
    assert_eq!(machine.catalog().garbage(&[]).unwrap(), [], "{what}: garbage");
    assert_eq!(machine.disk.file_count(), 0, "{what}: segments of the log");
}

fn check(step: Step, operations_min: u64) {
    for sqlite in [false, true] {
        let machine = |seed| match sqlite {
            false => Machine::new(World::new(seed)),
            true => Machine::with_sqlite(World::new(seed)),
        };
        let mut images = 0;
        let whole = run(step, &machine(1), None, &mut Clients::default());
        assert!(whole.to - whole.from >= operations_min, "{step:?}: {}", whole.to - whole.from);
        assert_eq!(whole.before == whole.after, step == Step::Commit, "{step:?} does nothing");
        for cut in whole.from + 1..=whole.to {
            for leaves in IMAGES {
                let what = format!("{step:?}, cut at operation {cut}, {leaves:?}, image {images}");
                let machine = machine(1);
                let mut clients = Clients::default();
                let told = run(step, &machine, Some(cut), &mut clients);
                assert!(machine.world.is_off(), "{what}");
                assert_eq!(told.before, whole.before, "{what}");
                let legal = [&whole.before, &whole.after];
                assert!(legal.contains(&&told.after), "{what}: {:?}", told.after);
                // Another image of what was not synced each time.
                for _ in 0..images {
                    machine.world.below(2);
                }
                machine.crash(leaves);
                assert!(legal.contains(&&state(&machine)), "{what}: reopened");
                settle(&machine, &clients, &what);
                images += 1;
            }
        }
        println!("{step:?}: {images} crash images, sqlite: {sqlite}");
    }
}

#[test]
fn a_commit_cut_at_any_place_keeps_what_was_acknowledged() {
    check(Step::Commit, 24);
}

#[test]
fn a_publication_cut_at_any_place_took_place_or_did_not() {
    check(Step::Publish, 4);
}

#[test]
fn a_merge_cut_at_any_place_took_place_or_did_not() {
    check(Step::Merge, 5);
}

#[test]
fn an_expiry_cut_at_any_place_took_place_or_did_not() {
    check(Step::Expire, 3);
}

#[test]
fn a_deletion_cut_at_any_place_took_place_or_did_not() {
    check(Step::Delete, 1);
}

#[test]
fn an_erasure_cut_at_any_place_took_place_or_did_not() {
    check(Step::Erase, 4);
}
