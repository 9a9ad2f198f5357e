//! Which values of a column are those of a row? What the shapes of the rows say, in a form that is
//! small and quick to ask.

use std::ops::Range;

use super::RowSet;
use crate::split::codec::Ords;

/// Where the values of a group's rows lie.
#[derive(Debug)]
pub(crate) enum Positions {
    /// No row has more than one value: which have one, and how many lie before each word of 64.
    Single(Vec<u64>, Vec<u32>),
    /// Row n has the values from entry n to entry n + 1.
    Many(Vec<u32>),
}

impl Positions {
    /// Of rows with these shapes, each with so many values.
    pub(crate) fn of(shapes: &Ords, counts: &[u32]) -> Self {
        if counts.iter().any(|count| *count > 1) {
            let mut starts = Vec::with_capacity(shapes.len() + 1);
            let mut sum = 0u32;
            starts.push(0);
            shapes.for_each(0..shapes.len(), |_, shape| {
                sum = sum.saturating_add(counts[shape as usize]);
                starts.push(sum);
            });
            return Positions::Many(starts);
        }
        let mut bits = vec![0u64; shapes.len().div_ceil(64)];
        shapes.for_each(0..shapes.len(), |row, shape| {
            bits[row / 64] |= u64::from(counts[shape as usize]) << (row % 64);
        });
        let mut before = Vec::with_capacity(bits.len() + 1);
        let mut sum = 0;
        for word in &bits {
            before.push(sum);
            sum += word.count_ones();
        }
        before.push(sum);
        Positions::Single(bits, before)
    }

    /// How many values there are.
    pub(crate) fn count(&self) -> usize {
        match self {
            Positions::Single(_, before) => before.last().map_or(0, |n| *n as usize),
            Positions::Many(starts) => starts.last().map_or(0, |n| *n as usize),
        }
    }

    /// How many values lie before a row.
    pub(crate) fn before(&self, row: u32) -> usize {
        let row = row as usize;
        match self {
            Positions::Single(bits, before) => match bits.get(row / 64) {
                Some(word) => {
                    let below = word & !(u64::MAX << (row % 64));
                    before[row / 64] as usize + below.count_ones() as usize
                }
                None => self.count(),
            },
            Positions::Many(starts) => starts.get(row).map_or(self.count(), |n| *n as usize),
        }
    }

    /// The values of a row.
    pub(crate) fn of_row(&self, row: u32) -> Range<usize> {
        let from = self.before(row);
        match self {
            Positions::Single(bits, _) => {
                let word = bits.get(row as usize / 64).copied().unwrap_or(0);
                from..from + (word >> (row % 64) & 1) as usize
            }
            Positions::Many(_) => from..self.before(row + 1),
        }
    }

    /// The row of a value.
    pub(crate) fn row(&self, value: u32) -> u32 {
        match self {
            Positions::Single(bits, before) => {
                let at = before.partition_point(|n| *n <= value).saturating_sub(1);
                let mut word = bits.get(at).copied().unwrap_or(0);
                for _ in before[at]..value {
                    word &= word.wrapping_sub(1);
                }
                at as u32 * 64 + word.trailing_zeros()
            }
            Positions::Many(starts) => {
                starts.partition_point(|start| *start <= value).saturating_sub(1) as u32
            }
        }
    }

    /// Marks `base` + row for each row with a value that passes.
    pub(crate) fn mark(&self, base: u32, passes: impl Fn(usize) -> bool, out: &mut RowSet) {
        match self {
            Positions::Single(bits, _) => {
                let mut value = 0;
                for (at, word) in bits.iter().enumerate() {
                    let (mut left, mut found) = (*word, 0u64);
                    while left != 0 {
                        let bit = left & left.wrapping_neg();
                        found |= if passes(value) { bit } else { 0 };
                        value += 1;
                        left ^= bit;
                    }
                    out.or_word(base + at as u32 * 64, found);
                }
            }
            Positions::Many(starts) => {
                for (row, run) in starts.windows(2).enumerate() {
                    if (run[0]..run[1]).any(|value| passes(value as usize)) {
                        out.insert(base + row as u32);
                    }
                }
            }
        }
    }

    /// Bytes in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        match self {
            Positions::Single(bits, before) => bits.len() * 8 + before.len() * 4,
            Positions::Many(starts) => starts.len() * 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_counting(
            shapes in prop::collection::vec(0u8..4, 1..300),
            counts in prop_oneof![
                prop::collection::vec(0u32..2, 4..5),
                prop::collection::vec(0u32..4, 4..5),
            ],
            base in 0u32..70,
        ) {
            let positions = Positions::of(&Ords::Narrow(shapes.clone()), &counts);
            let mut values = Vec::new();
            for (row, shape) in shapes.iter().enumerate() {
                let from = values.len();
                values.extend(vec![row as u32; counts[usize::from(*shape)] as usize]);
                prop_assert_eq!(positions.before(row as u32), from);
                prop_assert_eq!(positions.of_row(row as u32), from..values.len());
            }
            prop_assert_eq!(positions.count(), values.len());
            prop_assert_eq!(positions.before(shapes.len() as u32), values.len());
            for (value, row) in values.iter().enumerate() {
                prop_assert_eq!(positions.row(value as u32), *row);
            }
            let docs = base + shapes.len() as u32;
            let mut out = RowSet::none(docs);
            positions.mark(base, |value| value % 3 == 0, &mut out);
            let mut want = RowSet::none(docs);
            values.iter().enumerate().filter(|(v, _)| v % 3 == 0).for_each(|(_, r)| want.insert(base + r));
            prop_assert_eq!(out, want);
        }
    }
}
