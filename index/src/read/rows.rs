//! Which rows? A set of row numbers of one split, one bit a row.

use std::ops::Range;

/// A set of rows of a split with a fixed number of rows.
#[derive(Clone, PartialEq, Eq)]
pub struct RowSet {
    words: Vec<u64>,
    docs: u32,
}

impl RowSet {
    /// No row of `docs`.
    pub fn none(docs: u32) -> Self {
        Self { words: vec![0; (docs as usize).div_ceil(64)], docs }
    }

    /// Every row of `docs`.
    pub fn all(docs: u32) -> Self {
        Self::range(docs, 0..docs)
    }

    /// The rows of a run.
    pub fn range(docs: u32, rows: Range<u32>) -> Self {
        let mut out = Self::none(docs);
        out.insert_range(rows);
        out
    }

    /// How many rows the split has.
    pub fn docs(&self) -> u32 {
        self.docs
    }

    /// How many rows the set has.
    pub fn count(&self) -> u32 {
        self.words.iter().map(|w| w.count_ones()).sum()
    }

    /// Whether the set has no row.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|w| *w == 0)
    }

    /// Adds a row below `docs`.
    pub fn insert(&mut self, row: u32) {
        self.words[row as usize / 64] |= 1 << (row % 64);
    }

    /// Removes a row.
    pub fn remove(&mut self, row: u32) {
        self.words[row as usize / 64] &= !(1 << (row % 64));
    }

    /// Adds a run of rows; what lies beyond `docs` is left out.
    pub fn insert_range(&mut self, rows: Range<u32>) {
        let (from, to) = (rows.start, rows.end.min(self.docs));
        if from >= to {
            return;
        }
        let (first, last) = (from as usize / 64, (to - 1) as usize / 64);
        for word in first..=last {
            let low = if word == first { u64::MAX << (from % 64) } else { u64::MAX };
            let high = if word == last { u64::MAX >> (63 - (to - 1) % 64) } else { u64::MAX };
            self.words[word] |= low & high;
        }
    }

    /// Whether the row is in the set.
    pub fn contains(&self, row: u32) -> bool {
        self.words.get(row as usize / 64).is_some_and(|w| w >> (row % 64) & 1 == 1)
    }

    /// Whether a row of the run is in the set.
    pub fn any_in(&self, rows: Range<u32>) -> bool {
        let (from, to) = (rows.start, rows.end.min(self.docs));
        if from >= to {
            return false;
        }
        let (first, last) = (from as usize / 64, (to - 1) as usize / 64);
        (first..=last).any(|word| {
            let low = if word == first { u64::MAX << (from % 64) } else { u64::MAX };
            let high = if word == last { u64::MAX >> (63 - (to - 1) % 64) } else { u64::MAX };
            self.words[word] & low & high != 0
        })
    }

    /// Keeps what is in both.
    pub fn and(&mut self, other: &RowSet) {
        for (a, b) in self.words.iter_mut().zip(&other.words) {
            *a &= b;
        }
    }

    /// Adds what is in the other.
    pub fn or(&mut self, other: &RowSet) {
        for (a, b) in self.words.iter_mut().zip(&other.words) {
            *a |= b;
        }
    }

    /// Takes away what is in the other.
    pub fn and_not(&mut self, other: &RowSet) {
        for (a, b) in self.words.iter_mut().zip(&other.words) {
            *a &= !b;
        }
    }

    /// Keeps only the rows of the run.
    pub fn clip(&mut self, rows: Range<u32>) {
        let keep = Self::range(self.docs, rows);
        self.and(&keep);
    }

    /// The rows, rising.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(at, word)| Bits(*word, at as u32 * 64))
    }

    /// The rows, falling.
    pub fn iter_rev(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().rev().flat_map(|(at, word)| BitsDown(*word, at as u32 * 64))
    }

    /// The smallest run that holds all rows; empty when there is none.
    pub fn span(&self) -> Range<u32> {
        match (self.iter().next(), self.iter_rev().next()) {
            (Some(from), Some(last)) => from..last + 1,
            _ => 0..0,
        }
    }
}

impl std::fmt::Debug for RowSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RowSet({} of {})", self.count(), self.docs)
    }
}

struct Bits(u64, u32);

impl Iterator for Bits {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.0 == 0 {
            return None;
        }
        let at = self.0.trailing_zeros();
        self.0 &= self.0 - 1;
        Some(self.1 + at)
    }
}

struct BitsDown(u64, u32);

impl Iterator for BitsDown {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.0 == 0 {
            return None;
        }
        let at = 63 - self.0.leading_zeros();
        self.0 &= !(1 << at);
        Some(self.1 + at)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_a_set_of_numbers(
            docs in 1u32..300,
            a in prop::collection::btree_set(0u32..300, 0..60),
            b in prop::collection::btree_set(0u32..300, 0..60),
            from in 0u32..300,
            len in 0u32..300,
        ) {
            let model = |s: &BTreeSet<u32>| s.iter().copied().filter(|r| *r < docs).collect::<BTreeSet<_>>();
            let (ma, mb) = (model(&a), model(&b));
            let make = |m: &BTreeSet<u32>| {
                let mut s = RowSet::none(docs);
                m.iter().for_each(|r| s.insert(*r));
                s
            };
            let (sa, sb) = (make(&ma), make(&mb));
            let check = |s: &RowSet, want: Vec<u32>| {
                assert_eq!(s.iter().collect::<Vec<_>>(), want);
                assert_eq!(s.iter_rev().collect::<Vec<_>>(), want.iter().rev().copied().collect::<Vec<_>>());
                assert_eq!(s.count() as usize, want.len());
                assert_eq!(s.is_empty(), want.is_empty());
            };
            let mut s = sa.clone(); s.and(&sb);
            check(&s, ma.intersection(&mb).copied().collect());
            let mut s = sa.clone(); s.or(&sb);
            check(&s, ma.union(&mb).copied().collect());
            let mut s = sa.clone(); s.and_not(&sb);
            check(&s, ma.difference(&mb).copied().collect());
            let mut s = sa.clone(); s.clip(from..from + len);
            check(&s, ma.iter().copied().filter(|r| (from..from + len).contains(r)).collect());
            check(&RowSet::all(docs), (0..docs).collect());
            let inside = ma.iter().any(|r| (from..from + len).contains(r));
            prop_assert_eq!(sa.any_in(from..from + len), inside);
        }
    }
}
