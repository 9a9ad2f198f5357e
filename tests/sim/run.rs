//! What happens in one seed's life? Batches, steps of the engine, faults, jumps of the clock,
//! crashes, in an order that the seed decides; and what must hold all the while.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use index::engine::DeleteRequest;
use index::read::Snapshot;
use model::id::{IndexName, Tenant};
use model::time::Timestamp;
use platform::sim::{Between, Leaves, World};

use super::clients::Clients;
use super::machine::{DAY_NS, Machine, NOON, Node, contents};

const STEPS: u64 = 70;
/// A loop that gets this far without an end never ends.
const TRIES_MAX: u32 = 500;

/// A snapshot that a query holds, with what it must see.
type Held = (Snapshot, Vec<(u64, u64)>);

/// One run.
pub struct Run {
    machine: Machine,
    node: Mutex<Option<Arc<Node>>>,
    clients: Mutex<Clients>,
    faults: Mutex<u64>,
    /// A query that takes its time: what it holds, and what it saw at first.
    query: Mutex<Option<Held>>,
    publishing: AtomicBool,
    keeping: AtomicBool,
    sending: AtomicBool,
    crashes: Mutex<u64>,
    /// Damage that a torn write left in the log; it is there until its segment goes.
    torn: Mutex<HashSet<String>>,
}

/// What a run was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    pub trace: u64,
    pub operations: u64,
    pub crashes: u64,
    pub acknowledged: u64,
}

impl Ran {
    /// Adds what another run did.
    pub fn add(&mut self, other: Self) {
        self.operations += other.operations;
        self.crashes += other.crashes;
        self.acknowledged += other.acknowledged;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

/// Lives one seed's life; says what went wrong, with the trace.
pub fn run(seed: u64, keep_log: bool) -> Ran {
    let world = World::new(seed);
    if keep_log {
        world.keep_log();
    }
    let run = Arc::new(Run {
        machine: Machine::new(world.clone()),
        node: Mutex::default(),
        clients: Mutex::default(),
        faults: Mutex::default(),
        query: Mutex::default(),
        publishing: AtomicBool::default(),
        keeping: AtomicBool::default(),
        sending: AtomicBool::default(),
        crashes: Mutex::default(),
        torn: Mutex::default(),
    });
    let between: Arc<dyn Between> = run.clone();
    world.set_between(Arc::downgrade(&between));
    let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run.live()));
    for line in world.log() {
        println!("{line}");
    }
    if let Err(panic) = lived {
        eprintln!("seed {seed} fails; LOGDRIVE_SIM_SEED={seed} runs it alone");
        std::panic::resume_unwind(panic);
    }
    let crashes = *lock(&run.crashes);
    let acknowledged = lock(&run.clients).acknowledged() as u64;
    Ran { trace: world.trace(), operations: world.operations(), crashes, acknowledged }
}

/// Marks a simulated thread as busy; `None` when it is.
struct Busy<'a>(&'a AtomicBool);

impl<'a> Busy<'a> {
    fn take(flag: &'a AtomicBool) -> Option<Self> {
        (!flag.swap(true, Ordering::SeqCst)).then(|| Self(flag))
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Between for Run {
    fn happen(&self) {
        let world = &self.machine.world;
        if *lock(&self.faults) == u64::MAX || !world.one_in(6) || world.is_off() {
            return;
        }
        let Some(node) = lock(&self.node).clone() else { return };
        match world.below(4) {
            0 | 1 => self.send(&node),
            2 => self.publish(&node),
            _ => self.keep(&node),
        }
    }
}

impl Run {
    fn live(&self) {
        let world = &self.machine.world;
        self.boot(false);
        for _ in 0..STEPS {
            let node = lock(&self.node).clone().unwrap();
            match world.below(36) {
                0..=9 => self.send(&node),
                10..=15 => {
                    if world.one_in(2) {
                        node.index.flush();
                    }
                    self.publish(&node);
                }
                16..=21 => self.keep(&node),
                22 => self.check(&node),
                23 | 32..=35 => self.query(&node),
                24 | 25 => self.move_clock(),
                26 => self.set_faults([0, 20, 100, 300][world.below(4) as usize]),
                27 => drop(self.machine.store.set_down(world.one_in(2))),
                28 | 29 => world.cut_at(Some(world.operations() + 1 + world.below(25))),
                30 => world.cut(),
                _ => {
                    drop(node);
                    self.crash(Leaves::Everything);
                    continue;
                }
            }
            drop(node);
            if world.is_off() {
                // Not only the power: a process may die between any two operations too.
                let all = [Leaves::Nothing, Leaves::Everything, Leaves::Some, Leaves::Some];
                self.crash(all[world.below(4) as usize]);
            }
        }
        self.end();
    }

    fn set_faults(&self, per_mille: u64) {
        *lock(&self.faults) = per_mille;
        self.machine.world.set_faults(per_mille);
    }

    fn move_clock(&self) {
        let world = &self.machine.world;
        let by = match world.below(4) {
            0 => world.below(10_000) as i64 * 1_000_000,
            1 => world.below(10) as i64 * 3_600_000_000_000,
            2 => -(world.below(10) as i64 * 3_600_000_000_000),
            _ => (world.below(7) as i64 - 3) * DAY_NS,
        };
        // Not out of the window of batch ids.
        if (self.machine.now() + by - NOON).abs() < 90 * DAY_NS {
            self.machine.clock.advance(by);
        }
        let mut clients = lock(&self.clients);
        clients.latest = clients.latest.max(self.machine.now());
        world.note("clock", &self.machine.now().to_string());
    }

    /// Boots until it works; then all must be there. Only what is torn can look like damage.
    fn boot(&self, mut torn: bool) {
        let world = &self.machine.world;
        for tries in 0.. {
            match self.machine.boot() {
                Ok(node) => {
                    let damaged = &node.recovered.damaged;
                    let mut known = lock(&self.torn);
                    assert!(torn || damaged.iter().all(|d| known.contains(d)), "{damaged:?}");
                    known.extend(damaged.iter().cloned());
                    drop(known);
                    let node = Arc::new(node);
                    *lock(&self.node) = Some(node.clone());
                    return self.check(&node);
                }
                Err(error) if world.is_off() => {
                    world.note("no boot", &error);
                    torn = true;
                    self.machine.crash(Leaves::Some);
                }
                Err(error) => {
                    assert!(*lock(&self.faults) > 0 && tries < TRIES_MAX, "no boot: {error}");
                    self.machine.crash(Leaves::Everything);
                    world.note("no boot", &error);
                    if tries > 3 {
                        self.set_faults(0);
                    }
                }
            }
        }
    }

    fn crash(&self, leaves: Leaves) {
        lock(&self.query).take();
        let node = lock(&self.node).take();
        drop(node);
        *lock(&self.crashes) += 1;
        self.machine.world.note("crash", &format!("{leaves:?}"));
        self.machine.crash(leaves);
        // Now and then the power goes again while the node starts.
        let world = &self.machine.world;
        if world.one_in(5) {
            world.cut_at(Some(world.operations() + 1 + world.below(12)));
        }
        self.boot(leaves == Leaves::Some);
    }

    fn send(&self, node: &Node) {
        let Some(_busy) = Busy::take(&self.sending) else { return };
        let world = &self.machine.world;
        let mut batches = Vec::new();
        for _ in 0..1 + world.below(3) {
            let next = lock(&self.clients).next(world, self.machine.now());
            if batches.iter().all(|(at, _)| *at != next.0) {
                batches.push(next);
            }
        }
        let (numbers, batches): (Vec<_>, Vec<_>) = batches.into_iter().unzip();
        let outcomes = node.ingest.lock().unwrap().submit(batches);
        for (at, outcome) in numbers.into_iter().zip(outcomes) {
            world.note("sent", &format!("{at}: {outcome:?}"));
            // Whoever answers after the power is off is not heard.
            if !world.is_off() {
                lock(&self.clients).hear(at, &outcome);
            }
        }
    }

    fn publish(&self, node: &Node) {
        let Some(_busy) = Busy::take(&self.publishing) else { return };
        let outcome = node.index.publish_once().map_err(|e| e.to_string());
        self.machine.world.note("published", &format!("{outcome:?}"));
    }

    fn keep(&self, node: &Node) {
        let Some(_busy) = Busy::take(&self.keeping) else { return };
        let (what, outcome) = match self.machine.world.below(6) {
            0 | 1 => ("merged", node.index.merge_once().map(usize::from)),
            4 => ("erased", node.index.erase_once().map(usize::from)),
            5 => return self.delete(node),
            2 => ("expired", node.index.expire_once()),
            _ => ("collected", node.index.collect_garbage_once()),
        };
        if let Err(error) = &outcome {
            assert!(!error.to_string().contains("damaged"), "{error}");
        }
        self.machine.world.note(what, &format!("{:?}", outcome.map_err(|e| e.to_string())));
    }

    /// Deletes some documents. Whoever calls it keeps others from changing splits.
    fn delete(&self, node: &Node) {
        let world = &self.machine.world;
        let Some(_busy) = Busy::take(&self.publishing) else { return };
        if !world.one_in(2) {
            return;
        }
        node.index.flush();
        while !world.is_off() && node.index.publish_once().is_ok_and(|published| published) {}
        if !node.snapshot().live.is_empty() {
            return;
        }
        let before = lock(&self.clients).acknowledged_batches();
        let below = lock(&self.clients).delete(world);
        let outcome = node.index.delete(DeleteRequest {
            id: node.index.reserve_deletion(),
            tenant: Tenant::default(),
            indexes: vec![IndexName::new("logs")],
            query: Some(below.to_string()),
            at: Timestamp(self.machine.now()),
        });
        let outcome = outcome.map(|d| d.records).map_err(|e| e.to_string());
        world.note("deleted", &format!("below {below}: {outcome:?}"));
        if outcome.is_ok() && !world.is_off() {
            lock(&self.clients).deleted(below, &before);
        }
    }

    /// While nothing fails: everything acknowledged is there once.
    fn check(&self, node: &Node) {
        let faults = std::mem::replace(&mut *lock(&self.faults), u64::MAX);
        let down = self.machine.store.set_down(false);
        let found = self.machine.calm(0, || contents(&node.snapshot()));
        self.machine.store.set_down(down);
        self.set_faults(faults);
        if self.machine.world.is_off() {
            return;
        }
        let found = found.unwrap_or_else(|e| panic!("not readable: {e}"));
        self.machine.world.note("check", &format!("{found:?}"));
        lock(&self.clients).check(&found).unwrap_or_else(|e| panic!("{e}"));
    }

    /// Begins a query, or ends one: it still sees what it saw.
    fn query(&self, node: &Node) {
        let held = lock(&self.query).take();
        let faults = std::mem::replace(&mut *lock(&self.faults), u64::MAX);
        let down = self.machine.store.set_down(false);
        self.machine.calm(0, || match held {
            Some((snapshot, seen)) => {
                assert_eq!(contents(&snapshot), Ok(seen), "a query's snapshot changed");
            }
            None => {
                let snapshot = node.snapshot();
                let seen = contents(&snapshot).unwrap();
                *lock(&self.query) = Some((snapshot, seen));
            }
        });
        self.machine.store.set_down(down);
        self.set_faults(faults);
    }

    /// The world calms down: everything is published and merged, and nothing else is left.
    fn end(&self) {
        self.machine.world.cut_at(None);
        self.set_faults(0);
        self.machine.store.set_down(false);
        lock(&self.query).take();
        self.settle();
        // Orphans of this run are collected at the next start.
        self.crash(Leaves::Everything);
        self.machine.world.cut_at(None);
        if self.machine.world.is_off() {
            self.crash(Leaves::Some);
        }
        self.settle();
        let splits = self.machine.catalog().splits().unwrap();
        let mut wanted: Vec<String> =
            splits.iter().map(|s| index::split::object_key(&s.id)).collect();
        wanted.sort();
        assert_eq!(self.machine.objects(), wanted, "objects that are no published splits");
        assert_eq!(self.machine.catalog().garbage(&[]).unwrap(), [], "garbage is left");
        assert_eq!(self.machine.disk.file_count(), 0, "segments of the log are left");
    }

    /// Steps until nothing is to be done.
    fn settle(&self) {
        let faults = std::mem::replace(&mut *lock(&self.faults), u64::MAX);
        let node = lock(&self.node).clone().unwrap();
        for tries in 0.. {
            assert!(tries < TRIES_MAX, "the engine does not come to rest");
            node.index.flush();
            let published = node.index.publish_once().unwrap();
            let merged = node.index.merge_once().unwrap();
            let erased = node.index.erase_once().unwrap();
            let expired = node.index.expire_once().unwrap();
            let collected = node.index.collect_garbage_once().unwrap();
            if !published && !merged && !erased && expired == 0 && collected == 0 {
                break;
            }
        }
        assert_eq!(node.ingest.lock().unwrap().submit(Vec::new()).len(), 0);
        *lock(&self.faults) = faults;
        assert!(node.snapshot().live.is_empty(), "records are left in memory");
        let deletions = node.index.deletions();
        assert!(deletions.iter().all(|d| d.finished.is_some()), "{deletions:?}");
        self.check(&node);
    }
}
