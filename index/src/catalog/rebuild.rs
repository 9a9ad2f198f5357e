//! Which splits are published, when only their objects are left? The catalog is made anew from what
//! the objects say of themselves.
//!
//! A record lies in one published split. Objects may lie there besides that were never published
//! or were replaced and not collected yet; they hold records that a newer object holds as well.
//! Newest first, an object counts unless its records are taken already. Of a roll that was never
//! published some parts may lie there: the log still holds all of it then.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use model::id::{NodeId, SplitId, WalSeq};

use super::Checkpoint;
use crate::read::{ReadError, SplitMeta, SplitReader};

/// What the catalog must hold.
#[derive(Debug, Default)]
pub struct Rebuilt {
    /// The number of the node that built the splits.
    pub node: NodeId,
    /// How far the log is published.
    pub checkpoint: Checkpoint,
    /// The splits.
    pub splits: Vec<SplitMeta>,
    /// Objects that are not needed, and why.
    pub garbage: Vec<(SplitId, &'static str)>,
    /// Splits of other nodes than most, which stay where they are: a catalog is one node's.
    pub foreign: Vec<SplitId>,
}

/// Runs of record numbers, from the first to just behind the last.
#[derive(Debug, Default)]
struct Taken(BTreeMap<u64, u64>);

impl Taken {
    fn holds_any(&self, runs: &[(u64, u64)]) -> bool {
        runs.iter()
            .any(|(from, to)| self.0.range(..to).next_back().is_some_and(|(_, end)| end > from))
    }

    fn add(&mut self, runs: &[(u64, u64)]) {
        for (mut from, mut to) in runs.iter().copied() {
            // Neighbours become one run.
            while let Some((start, end)) =
                self.0.range(..=to).next_back().map(|(a, b)| (*a, *b)).filter(|(_, b)| *b >= from)
            {
                self.0.remove(&start);
                (from, to) = (from.min(start), to.max(end));
            }
            self.0.insert(from, to);
        }
    }
}

/// The record numbers of a split, as runs.
fn records(reader: &SplitReader) -> Result<Vec<(u64, u64)>, ReadError> {
    let mut taken = Taken::default();
    for group in 0..reader.core().groups() {
        let mut seqs: Vec<u64> = reader.core().seqs(group)?.iter().map(|seq| *seq as u64).collect();
        seqs.sort_unstable();
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for seq in seqs {
            match runs.last_mut() {
                Some((_, to)) if *to == seq => *to = seq.saturating_add(1),
                _ => runs.push((seq, seq.saturating_add(1))),
            }
        }
        taken.add(&runs);
    }
    Ok(taken.0.into_iter().collect())
}

/// The number of the node that most splits are of.
fn node_of(splits: &[(SplitMeta, Arc<SplitReader>)]) -> NodeId {
    let mut counts: HashMap<NodeId, usize> = HashMap::new();
    splits.iter().for_each(|(meta, _)| *counts.entry(meta.origin.node).or_default() += 1);
    counts.into_iter().max_by_key(|(node, count)| (*count, node.0)).map_or(NodeId(0), |c| c.0)
}

/// A merged split, or the parts of a roll.
struct Unit {
    /// How many parts the roll has; 0 for a merged split.
    parts: usize,
    splits: Vec<(SplitMeta, Vec<(u64, u64)>)>,
}

impl Unit {
    fn name(&self) -> &str {
        self.splits.iter().map(|(meta, _)| meta.id.as_str()).max().unwrap_or_default()
    }

    fn checkpoint(&self) -> Checkpoint {
        self.splits.iter().map(|(meta, _)| meta.origin.checkpoint).max().unwrap_or_default()
    }
}

/// What is decided so far.
#[derive(Default)]
struct Decided {
    out: Rebuilt,
    merged: Taken,
    rolled: Taken,
}

impl Decided {
    fn take(&mut self, unit: Unit) {
        for (meta, runs) in unit.splits {
            if unit.parts > 0 && self.merged.holds_any(&runs) {
                self.out.garbage.push((meta.id, REPLACED));
                continue;
            }
            let taken = if unit.parts > 0 { &mut self.rolled } else { &mut self.merged };
            taken.add(&runs);
            self.out.checkpoint = self.out.checkpoint.max(meta.origin.checkpoint);
            self.out.splits.push(meta);
        }
    }

    fn refuse(&mut self, unit: Unit, why: &'static str) {
        self.out.garbage.extend(unit.splits.into_iter().map(|(meta, _)| (meta.id, why)));
    }

    fn overlaps(&self, unit: &Unit) -> bool {
        let mut splits = unit.splits.iter();
        splits.any(|(_, runs)| {
            self.rolled.holds_any(runs) || unit.parts == 0 && self.merged.holds_any(runs)
        })
    }
}

const REPLACED: &str = "a newer split holds its records";
const UNPUBLISHED: &str = "a part of a roll that was never published";

/// Decides which of the objects are published splits. `log_from` is the first frame that the log
/// still holds.
///
/// # Errors
/// An object cannot be read.
pub fn rebuild(
    splits: Vec<(SplitMeta, Arc<SplitReader>)>,
    log_from: Option<WalSeq>,
) -> Result<Rebuilt, ReadError> {
    let node = node_of(&splits);
    let mut decided = Decided::default();
    decided.out.node = node;
    let mut rolls: HashMap<SplitId, Unit> = HashMap::new();
    let mut units = Vec::new();
    for (meta, reader) in splits {
        if meta.origin.node != node {
            decided.out.foreign.push(meta.id);
            continue;
        }
        let runs = records(&reader)?;
        match meta.origin.roll.clone() {
            None => units.push(Unit { parts: 0, splits: vec![(meta, runs)] }),
            Some((roll, parts)) => {
                let parts = parts.max(1) as usize;
                let unit = rolls.entry(roll).or_insert(Unit { parts, splits: Vec::new() });
                unit.splits.push((meta, runs));
            }
        }
    }
    units.extend(rolls.into_values());
    // Names rise with time: a merge is newer than what it replaces.
    units.sort_by(|a, b| b.name().cmp(a.name()));
    let (whole, cut): (Vec<Unit>, Vec<Unit>) =
        units.into_iter().partition(|unit| unit.splits.len() >= unit.parts);
    for unit in whole {
        match decided.overlaps(&unit) {
            true => decided.refuse(unit, REPLACED),
            false => decided.take(unit),
        }
    }
    // Parts are missing: they were merged or expired since, or they were never written.
    for unit in cut {
        let reached = decided.out.checkpoint;
        let in_log = log_from.is_some_and(|from| from.0 <= reached.wal.0 + 1);
        match unit.checkpoint() > reached && in_log {
            _ if decided.overlaps(&unit) => decided.refuse(unit, REPLACED),
            true => decided.refuse(unit, UNPUBLISHED),
            false => decided.take(unit),
        }
    }
    Ok(decided.out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn runs_equal_a_set_of_numbers(
            added in prop::collection::vec((0u64..60, 1u64..8), 0..20),
            probe in (0u64..60, 1u64..8),
        ) {
            let mut taken = Taken::default();
            let mut model = std::collections::BTreeSet::new();
            for (from, len) in added {
                taken.add(&[(from, from + len)]);
                model.extend(from..from + len);
            }
            let (from, len) = probe;
            let want = (from..from + len).any(|n| model.contains(&n));
            prop_assert_eq!(taken.holds_any(&[(from, from + len)]), want);
            let numbers: Vec<u64> = taken.0.iter().flat_map(|(a, b)| *a..*b).collect();
            prop_assert_eq!(numbers, model.into_iter().collect::<Vec<_>>());
        }
    }
}
