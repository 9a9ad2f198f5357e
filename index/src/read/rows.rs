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

    /// Adds `first + n` for each bit n of the word.
    pub fn or_word(&mut self, first: u32, word: u64) {
        let (at, shift) = (first as usize / 64, first % 64);
        if let Some(slot) = self.words.get_mut(at) {
            *slot |= word << shift;
        }
        if shift > 0
            && let Some(slot) = self.words.get_mut(at + 1)
        {
            *slot |= word >> (64 - shift);
        }
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
        let mut found = false;
        self.each_word_in(rows, |_, word| {
            found = word != 0;
            !found
        });
        found
    }

    /// How many rows of a run the set has.
    pub fn count_in(&self, rows: Range<u32>) -> u32 {
        let mut out = 0;
        self.each_word_in(rows, |_, word| {
            out += word.count_ones();
            true
        });
        out
    }

    /// The first row of the set at `row` or after it.
    pub fn first_from(&self, row: u32) -> Option<u32> {
        let first = row as usize / 64;
        let head = self.words.get(first)? & (u64::MAX << (row % 64));
        if head != 0 {
            return Some(first as u32 * 64 + head.trailing_zeros());
        }
        let rest = self.words[first + 1..].iter().position(|w| *w != 0)?;
        let at = first + 1 + rest;
        Some(at as u32 * 64 + self.words[at].trailing_zeros())
    }

    /// Appends the rows of the set in a run, rising.
    pub fn extend_into(&self, rows: Range<u32>, out: &mut Vec<u32>) {
        self.each_word_in(rows, |base, word| {
            if word == u64::MAX {
                out.extend(base..base + 64);
            } else {
                out.extend(Bits(word, base));
            }
            true
        });
    }

    /// Calls `visit` with the words of a run, cut to it, and the first row of each, until it says `false`.
    fn each_word_in(&self, rows: Range<u32>, mut visit: impl FnMut(u32, u64) -> bool) {
        let (from, to) = (rows.start, rows.end.min(self.docs));
        if from >= to {
            return;
        }
        let (first, last) = (from as usize / 64, (to - 1) as usize / 64);
        for at in first..=last {
            let low = if at == first { u64::MAX << (from % 64) } else { u64::MAX };
            let high = if at == last { u64::MAX >> (63 - (to - 1) % 64) } else { u64::MAX };
            if !visit(at as u32 * 64, self.words[at] & low & high) {
                return;
            }
        }
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
        let (from, to) = (rows.start, rows.end.min(self.docs));
        if from >= to {
            self.words.fill(0);
            return;
        }
        let (first, last) = (from as usize / 64, (to - 1) as usize / 64);
        self.words[..first].fill(0);
        self.words[last + 1..].fill(0);
        self.words[first] &= u64::MAX << (from % 64);
        self.words[last] &= u64::MAX >> (63 - (to - 1) % 64);
    }

    /// The rows, rising.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(at, word)| Bits(*word, at as u32 * 64))
    }

    /// The rows that lie in a run, rising.
    pub fn iter_in(&self, rows: Range<u32>) -> impl Iterator<Item = u32> + '_ {
        let (from, to) = (rows.start, rows.end.min(self.docs));
        let words = if from < to { from as usize / 64..to as usize / 64 + 1 } else { 0..0 };
        words.flat_map(move |at| {
            let mut word = self.words.get(at).copied().unwrap_or(0);
            let first = at as u32 * 64;
            if first < from {
                word &= u64::MAX << (from - first);
            }
            if to < first + 64 {
                word &= !(u64::MAX << (to - first));
            }
            Bits(word, first)
        })
    }

    /// Adds `first + n` for each n below `count` that passes.
    pub fn insert_where(&mut self, first: u32, count: usize, passes: impl Fn(usize) -> bool) {
        let mut at = 0;
        while at < count {
            let row = first as usize + at;
            let bits = (64 - row % 64).min(count - at);
            let mut word = 0u64;
            for bit in 0..bits {
                word |= u64::from(passes(at + bit)) << bit;
            }
            if let Some(slot) = self.words.get_mut(row / 64) {
                *slot |= word << (row % 64);
            }
            at += bits;
        }
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
            let inside: Vec<u32> =
                ma.iter().copied().filter(|r| (from..from + len).contains(r)).collect();
            prop_assert_eq!(sa.any_in(from..from + len), !inside.is_empty());
            prop_assert_eq!(sa.count_in(from..from + len) as usize, inside.len());
            let mut listed = vec![7];
            sa.extend_into(from..from + len, &mut listed);
            prop_assert_eq!(&listed[1..], &inside[..]);
            prop_assert_eq!(sa.first_from(from), ma.range(from..).next().copied());
            let full = RowSet::all(docs);
            prop_assert_eq!(full.first_from(from), (from < docs).then_some(from));
        }
    }
}
