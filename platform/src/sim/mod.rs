//! What does the world do in a simulation? One seed decides what fails, what a power cut leaves,
//! and in which order things happen; the same seed is the same world.
//!
//! Knows nothing of logs. [`World`] is shared by the simulated parts: each of their operations
//! asks it first, so every operation has a number, and the power can be cut at any of them.

pub mod disk;
pub mod store;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

pub use disk::SimDisk;
pub use store::SimStore;

use crate::rng::Rng;

/// What becomes of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It works.
    Works,
    /// It fails and has no effect.
    FailsBefore,
    /// It has its effect, and the caller is told that it failed.
    FailsAfter,
    /// The power is off: no effect, and nothing works until it is on again.
    PowerOff,
}

/// What a power cut leaves of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaves {
    /// Nothing.
    Nothing,
    /// Everything: as when only the process dies.
    Everything,
    /// Some of it, torn, by chance.
    Some,
}

/// Something that happens between two operations: other threads, in a world with one.
pub trait Between: Send + Sync {
    /// May do anything but wait.
    fn happen(&self);
}

struct State {
    chance: u64,
    seed: u64,
    operations: u64,
    cut_at: Option<u64>,
    off: bool,
    faults_per_mille: u64,
    trace: u64,
    /// Sum over operations whose order is not fixed.
    unordered: u64,
    log: Option<Vec<String>>,
    between: Option<Weak<dyn Between>>,
}

/// One seed's world; cheap to clone.
#[derive(Clone)]
pub struct World(Arc<Mutex<State>>);

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "World(seed {}, {} operations)", self.state().seed, self.operations())
    }
}

/// A stable hash (FNV-1a, then mixed).
pub(crate) fn hash(parts: &[&[u8]]) -> u64 {
    let mut out = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        for byte in part.iter().chain(&[0xff]) {
            out = (out ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    mix(out)
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl World {
    /// A world in which nothing fails until it is told to.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            chance: mix(seed ^ 0x5eed),
            seed,
            operations: 0,
            cut_at: None,
            off: false,
            faults_per_mille: 0,
            trace: 0,
            unordered: 0,
            log: None,
            between: None,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&self, end: u64) -> u64 {
        self.next_u64() % end
    }

    /// Whether something happens that happens once in `n` times.
    pub fn one_in(&self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// How many of 1000 operations fail from now on.
    pub fn set_faults(&self, per_mille: u64) {
        self.state().faults_per_mille = per_mille;
    }

    /// Cuts the power at the operation with this number (see [`World::operations`]) instead of
    /// doing it; `None` takes the order back.
    pub fn cut_at(&self, operation: Option<u64>) {
        self.state().cut_at = operation;
    }

    /// Turns the power off now.
    pub fn cut(&self) {
        self.state().off = true;
    }

    /// Whether the power is off.
    pub fn is_off(&self) -> bool {
        self.state().off
    }

    /// Turns the power on.
    pub fn power_on(&self) {
        let mut state = self.state();
        (state.off, state.cut_at) = (false, None);
    }

    /// How many operations there were.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// What happens between operations; nothing any more when it is dropped.
    pub fn set_between(&self, between: Weak<dyn Between>) {
        self.state().between = Some(between);
    }

    /// Keeps the trace as text too.
    pub fn keep_log(&self) {
        self.state().log = Some(Vec::new());
    }

    /// The trace as text since [`World::keep_log`].
    pub fn log(&self) -> Vec<String> {
        self.state().log.clone().unwrap_or_default()
    }

    /// A number that is the same for two runs only if all that was noted is.
    pub fn trace(&self) -> u64 {
        let state = self.state();
        mix(state.trace ^ state.unordered)
    }

    /// Notes something that happened.
    pub fn note(&self, what: &str, of: &str) {
        let mut state = self.state();
        note(&mut state, what, of);
    }

    /// Asks what becomes of an operation that changes something.
    pub fn fate(&self, what: &str, of: &str) -> Fate {
        let between = self.state().between.clone();
        if let Some(between) = between.and_then(|b| b.upgrade()) {
            between.happen();
        }
        let mut state = self.state();
        if state.off {
            return Fate::PowerOff;
        }
        state.operations += 1;
        if state.cut_at == Some(state.operations) {
            state.off = true;
            note(&mut state, "power off instead of", what);
            return Fate::PowerOff;
        }
        let faults = state.faults_per_mille;
        let fate = match draw(&mut state) % 1000 {
            at if at >= faults => Fate::Works,
            at if at % 2 == 0 => Fate::FailsBefore,
            _ => Fate::FailsAfter,
        };
        let noted = match fate {
            Fate::Works => of.to_owned(),
            _ => format!("{of}: {fate:?}"),
        };
        note(&mut state, what, &noted);
        fate
    }

    /// Asks what becomes of the `count`th reading of something. Depends on that alone, so readers
    /// may come in any order.
    pub fn reading_fate(&self, of: &str, count: u64) -> Fate {
        let mut state = self.state();
        if state.off {
            return Fate::PowerOff;
        }
        let seed = state.seed.to_le_bytes();
        let hash = hash(&[&seed, of.as_bytes(), &count.to_le_bytes()]);
        let fails = hash % 1000 < state.faults_per_mille;
        state.unordered = state.unordered.wrapping_add(hash);
        if fails { Fate::FailsBefore } else { Fate::Works }
    }
}

fn draw(state: &mut State) -> u64 {
    state.chance = state.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mix(state.chance)
}

fn note(state: &mut State, what: &str, of: &str) {
    state.trace = hash(&[&state.trace.to_le_bytes(), what.as_bytes(), of.as_bytes()]);
    let number = state.operations;
    if let Some(log) = &mut state.log {
        log.push(format!("{number} {what} {of}"));
    }
}

impl Rng for World {
    fn next_u64(&self) -> u64 {
        draw(&mut self.state())
    }
}
