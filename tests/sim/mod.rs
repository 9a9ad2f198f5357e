//! Does the engine keep its promises whatever fails? Simulations of a whole node in one thread,
//! each from one seed.
//!
//! `LOGDRIVE_SIM_SEED=7` runs one seed and prints its trace (with `--nocapture`);
//! `LOGDRIVE_SIM_SEEDS=5000` runs so many, from `LOGDRIVE_SIM_FIRST` (0) on.

mod clients;
mod crash_images;
mod machine;
mod run;

use std::env;
use std::sync::atomic::{AtomicU64, Ordering};

use run::Ran;

const SEEDS: u64 = 500;

fn setting(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is `{text}`, not a number")))
}

#[test]
fn no_acknowledged_document_is_lost_or_doubled_whatever_fails() {
    if let Some(seed) = setting("LOGDRIVE_SIM_SEED") {
        println!("{:?}", run::run(seed, true));
        return;
    }
    let first = setting("LOGDRIVE_SIM_FIRST").unwrap_or(0);
    let seeds = setting("LOGDRIVE_SIM_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(first);
    let work = || {
        let mut all = Ran::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + seeds {
                return all;
            }
            all.add(run::run(seed, false));
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let mut all = Ran::default();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            all.add(thread.join().unwrap());
        }
    });
    println!("{seeds} seeds: {all:?}");
    // The runs are not empty.
    assert!(all.crashes > seeds && all.acknowledged > 10 * seeds, "{all:?}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    let traces: Vec<u64> = (0..20).map(|seed| run::run(seed, false).trace).collect();
    for (seed, trace) in traces.iter().enumerate() {
        assert_eq!(run::run(seed as u64, false).trace, *trace, "seed {seed}");
    }
    let mut distinct = traces.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), traces.len());
}
