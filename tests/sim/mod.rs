//! Does the engine keep its promises whatever fails? Simulations of a whole node in one thread,
//! each from one seed.
//!
//! `LOGDRIVE_SIM_SEED=7` runs one seed and prints its trace (with `--nocapture`);
//! `LOGDRIVE_SIM_SEEDS=5000` runs so many.

mod clients;
mod machine;
mod run;

use std::env;

use run::Ran;

const SEEDS: u64 = 1000;

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
    let seeds = setting("LOGDRIVE_SIM_SEEDS").unwrap_or(SEEDS);
    let mut all = Ran::default();
    for seed in 0..seeds {
        let ran = run::run(seed, false);
        all.operations += ran.operations;
        all.crashes += ran.crashes;
        all.acknowledged += ran.acknowledged;
    }
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
