//! Which rows? A set of row numbers of one split, in pages of one bit a row.
//!
//! A page that has no row, or every row, costs nothing: most searches leave out most pages, and a
//! split can have millions of rows.

use std::ops::Range;

/// Words of a page.
const PAGE_WORDS: usize = 512;
/// Rows of a page.
const PAGE_ROWS: u32 = 64 * PAGE_WORDS as u32;

/// A set of rows of a split with a fixed number of rows.
#[derive(Clone)]
pub struct RowSet {
    pages: Vec<Page>,
    docs: u32,
}

/// Some consecutive rows. What lies beyond the split's rows is never set.
#[derive(Clone)]
enum Page {
    None,
    All,
    Some(Box<[u64; PAGE_WORDS]>),
}

/// Rows of a set.
enum Rows {
    /// A run of them.
    Run(Range<u32>),
    /// Of the 64 from the first on those whose bit is set.
    Word(u32, u64),
}

impl Page {
    /// The bits of a page that has rows up to `rows` of its own.
    fn bits(&mut self, rows: u32) -> &mut [u64; PAGE_WORDS] {
        if !matches!(self, Page::Some(_)) {
            let mut bits = Box::new([0; PAGE_WORDS]);
            if matches!(self, Page::All) {
                mark(&mut bits[..], 0..rows);
            }
            *self = Page::Some(bits);
        }
        match self {
            Page::Some(bits) => bits,
            _ => unreachable!("it was given bits just above"),
        }
    }
}

/// Sets the bits of a run.
fn mark(words: &mut [u64], rows: Range<u32>) {
    for (at, mask) in masks(rows) {
        words[at] |= mask;
    }
}

/// The words of a run, each with the bits that lie in it.
fn masks(rows: Range<u32>) -> impl DoubleEndedIterator<Item = (usize, u64)> {
    let (first, last) = (rows.start / 64, rows.end.saturating_sub(1) / 64);
    let words = if rows.is_empty() { 0..0 } else { first..last + 1 };
    words.map(move |at| {
        let low = if at == first { u64::MAX << (rows.start % 64) } else { u64::MAX };
        let high = if at == last { u64::MAX >> (63 - (rows.end - 1) % 64) } else { u64::MAX };
        (at as usize, low & high)
    })
}

impl RowSet {
    /// No row of `docs`.
    pub fn none(docs: u32) -> Self {
        Self { pages: vec![Page::None; docs.div_ceil(PAGE_ROWS) as usize], docs }
    }

    /// Every row of `docs`.
    pub fn all(docs: u32) -> Self {
        Self { pages: vec![Page::All; docs.div_ceil(PAGE_ROWS) as usize], docs }
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
        self.count_in(0..self.docs)
    }

    /// Whether the set has no row.
    pub fn is_empty(&self) -> bool {
        !self.any_in(0..self.docs)
    }

    /// The rows of a page.
    fn rows_of(&self, page: usize) -> Range<u32> {
        let from = page as u32 * PAGE_ROWS;
        from..self.docs.min(from.saturating_add(PAGE_ROWS))
    }

    /// The bits of a page.
    fn bits(&mut self, page: usize) -> &mut [u64; PAGE_WORDS] {
        let rows = self.rows_of(page).len() as u32;
        self.pages[page].bits(rows)
    }

    /// The pages of a run, each with what of its own rows lies in the run.
    fn pages_in(
        &self,
        rows: Range<u32>,
    ) -> impl DoubleEndedIterator<Item = (usize, Range<u32>)> + use<> {
        let (from, to) = (rows.start, rows.end.min(self.docs));
        let pages = if from < to { from / PAGE_ROWS..(to - 1) / PAGE_ROWS + 1 } else { 0..0 };
        pages.map(move |page| {
            let base = page * PAGE_ROWS;
            (page as usize, from.saturating_sub(base)..(to - base).min(PAGE_ROWS))
        })
    }

    /// Adds a row below `docs`.
    pub fn insert(&mut self, row: u32) {
        self.or_word(row & !63, 1 << (row % 64));
    }

    /// Adds `first + n` for each bit n of the word.
    pub fn or_word(&mut self, first: u32, word: u64) {
        let shift = first % 64;
        self.or_at(first / 64, word << shift);
        if shift > 0 {
            self.or_at(first / 64 + 1, word >> (64 - shift));
        }
    }

    fn or_at(&mut self, word: u32, bits: u64) {
        let (page, at) = (word as usize / PAGE_WORDS, word as usize % PAGE_WORDS);
        match self.pages.get_mut(page) {
            Some(Page::Some(words)) => words[at] |= bits,
            Some(Page::None) if bits != 0 => self.bits(page)[at] |= bits,
            _ => {}
        }
    }

    /// Removes a row.
    pub fn remove(&mut self, row: u32) {
        let page = (row / PAGE_ROWS) as usize;
        if !matches!(self.pages.get(page), None | Some(Page::None)) {
            self.bits(page)[(row % PAGE_ROWS / 64) as usize] &= !(1 << (row % 64));
        }
    }

    /// Adds a run of rows; what lies beyond `docs` is left out.
    pub fn insert_range(&mut self, rows: Range<u32>) {
        for (page, rows) in self.pages_in(rows) {
            match rows.len() == self.rows_of(page).len() {
                true => self.pages[page] = Page::All,
                false if matches!(self.pages[page], Page::All) => {}
                false => mark(&mut self.bits(page)[..], rows),
            }
        }
    }

    /// Whether the row is in the set.
    pub fn contains(&self, row: u32) -> bool {
        self.any_in(row..row.saturating_add(1))
    }

    /// Whether a row of the run is in the set.
    pub fn any_in(&self, rows: Range<u32>) -> bool {
        self.rows_in(rows).any(|rows| match rows {
            Rows::Run(_) => true,
            Rows::Word(_, word) => word != 0,
        })
    }

    /// How many rows of a run the set has.
    pub fn count_in(&self, rows: Range<u32>) -> u32 {
        let count = |rows| match rows {
            Rows::Run(run) => run.len() as u32,
            Rows::Word(_, word) => word.count_ones(),
        };
        self.rows_in(rows).map(count).sum()
    }

    /// The first row of the set at `row` or after it.
    pub fn first_from(&self, row: u32) -> Option<u32> {
        self.iter_in(row..self.docs).next()
    }

    /// Appends the rows of the set in a run, rising.
    pub fn extend_into(&self, rows: Range<u32>, out: &mut Vec<u32>) {
        for rows in self.rows_in(rows) {
            match rows {
                Rows::Run(run) => out.extend(run),
                Rows::Word(first, u64::MAX) => out.extend(first..first + 64),
                Rows::Word(first, word) => out.extend(Bits(word, first)),
            }
        }
    }

    /// The rows of a run, cut to it.
    fn rows_in(&self, rows: Range<u32>) -> impl DoubleEndedIterator<Item = Rows> + '_ {
        self.pages_in(rows).flat_map(|(page, rows)| {
            let base = page as u32 * PAGE_ROWS;
            let (run, words) = match &self.pages[page] {
                Page::None => (None, None),
                Page::All => (Some(Rows::Run(base + rows.start..base + rows.end)), None),
                Page::Some(words) => (None, Some((words, rows))),
            };
            let of_word = move |words: &'_ [u64; PAGE_WORDS], (at, mask): (usize, u64)| {
                Rows::Word(base + at as u32 * 64, words[at] & mask)
            };
            let words = words.into_iter();
            let words =
                words.flat_map(move |(words, rows)| masks(rows).map(move |m| of_word(words, m)));
            run.into_iter().chain(words)
        })
    }

    /// Keeps what is in both.
    pub fn and(&mut self, other: &RowSet) {
        self.each_page(other, |mine, theirs, _| match (&mut *mine, theirs) {
            (Page::None, _) | (_, Page::All) => {}
            (_, Page::None) => *mine = Page::None,
            (Page::All, Page::Some(_)) => *mine = theirs.clone(),
            (Page::Some(a), Page::Some(b)) => {
                let mut any = 0;
                for (a, b) in a.iter_mut().zip(&b[..]) {
                    *a &= b;
                    any |= *a;
                }
                if any == 0 {
                    *mine = Page::None;
                }
            }
        });
    }

    /// Adds what is in the other.
    pub fn or(&mut self, other: &RowSet) {
        self.each_page(other, |mine, theirs, _| match (&mut *mine, theirs) {
            (Page::All, _) | (_, Page::None) => {}
            (Page::None, _) | (_, Page::All) => *mine = theirs.clone(),
            (Page::Some(a), Page::Some(b)) => a.iter_mut().zip(&b[..]).for_each(|(a, b)| *a |= b),
        });
    }

    /// Takes away what is in the other.
    pub fn and_not(&mut self, other: &RowSet) {
        self.each_page(other, |mine, theirs, rows| match theirs {
            Page::None => {}
            _ if matches!(mine, Page::None) => {}
            Page::All => *mine = Page::None,
            Page::Some(b) => {
                mine.bits(rows).iter_mut().zip(&b[..]).for_each(|(a, b)| *a &= !b);
            }
        });
    }

    /// Calls `visit` with each page, that of the other set, and how many rows the page has.
    fn each_page(&mut self, other: &RowSet, visit: impl Fn(&mut Page, &Page, u32)) {
        let mut left = self.docs;
        for (mine, theirs) in self.pages.iter_mut().zip(&other.pages) {
            visit(mine, theirs, left.min(PAGE_ROWS));
            left = left.saturating_sub(PAGE_ROWS);
        }
    }

    /// Keeps only the rows of the run.
    pub fn clip(&mut self, rows: Range<u32>) {
        self.and(&RowSet::range(self.docs, rows));
    }

    /// The rows, rising.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.iter_in(0..self.docs)
    }

    /// The rows that lie in a run, rising.
    pub fn iter_in(&self, rows: Range<u32>) -> impl Iterator<Item = u32> + '_ {
        self.rows_in(rows).flat_map(|rows| {
            let (run, word) = match rows {
                Rows::Run(run) => (run, Bits(0, 0)),
                Rows::Word(first, word) => (0..0, Bits(word, first)),
            };
            run.chain(word)
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
            self.or_at((row / 64) as u32, word << (row % 64));
            at += bits;
        }
    }

    /// The rows, falling.
    pub fn iter_rev(&self) -> impl Iterator<Item = u32> + '_ {
        self.rows_in(0..self.docs).rev().flat_map(|rows| {
            let (run, word) = match rows {
                Rows::Run(run) => (run, BitsDown(0, 0)),
                Rows::Word(first, word) => (0..0, BitsDown(word, first)),
            };
            run.rev().chain(word)
        })
    }

    /// The smallest run that holds all rows; empty when there is none.
    pub fn span(&self) -> Range<u32> {
        match (self.iter().next(), self.iter_rev().next()) {
            (Some(from), Some(last)) => from..last + 1,
            _ => 0..0,
        }
    }
}

impl PartialEq for RowSet {
    fn eq(&self, other: &Self) -> bool {
        self.docs == other.docs && self.iter().eq(other.iter())
    }
}

impl Eq for RowSet {}

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

    /// Rows, many of them where pages begin and end.
    fn row() -> impl Strategy<Value = u32> {
        let near = |at: u32| at - 70..at + 70;
        prop_oneof![0u32..300, near(PAGE_ROWS), near(2 * PAGE_ROWS), near(3 * PAGE_ROWS)]
    }

    /// Single rows and runs of them.
    fn runs() -> impl Strategy<Value = Vec<Range<u32>>> {
        let len =
            prop_oneof![6 => Just(1u32), 1 => 1u32..300, 1 => Just(PAGE_ROWS), 1 => 1u32..100_000];
        prop::collection::vec((row(), len).prop_map(|(from, len)| from..from + len), 0..12)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn equals_a_set_of_numbers(
            docs in row().prop_map(|docs| docs + 1),
            (a, b) in (runs(), runs()),
            removed in prop::collection::vec(row(), 0..4),
            (from, to) in (row(), row()),
        ) {
            let run = from..to.max(from);
            let make = |runs: &[Range<u32>]| {
                let (mut set, mut model) = (RowSet::none(docs), BTreeSet::new());
                for rows in runs {
                    match rows.len() {
                        1 if rows.start < docs => set.insert(rows.start),
                        _ => set.insert_range(rows.clone()),
                    }
                    model.extend(rows.start..rows.end.min(docs));
                }
                for row in removed.iter().filter(|row| **row < docs) {
                    set.remove(*row);
                    model.remove(row);
                }
                (set, model)
            };
            let ((sa, ma), (sb, mb)) = (make(&a), make(&b));
            let check = |s: &RowSet, want: Vec<u32>| {
                assert_eq!(s.count() as usize, want.len());
                assert_eq!(s.is_empty(), want.is_empty());
                assert_eq!(s.span(), want.first().map_or(0..0, |f| *f..want[want.len() - 1] + 1));
                assert!(s.iter().eq(want.iter().copied()));
                assert!(s.iter_rev().eq(want.iter().rev().copied()));
                let mut one_by_one = RowSet::none(docs);
                want.iter().for_each(|row| one_by_one.insert(*row));
                assert_eq!(s, &one_by_one);
            };
            check(&sa, ma.iter().copied().collect());
            let mut s = sa.clone(); s.and(&sb);
            check(&s, ma.intersection(&mb).copied().collect());
            let mut s = sa.clone(); s.or(&sb);
            check(&s, ma.union(&mb).copied().collect());
            let mut s = sa.clone(); s.and_not(&sb);
            check(&s, ma.difference(&mb).copied().collect());
            let inside: Vec<u32> = ma.range(run.clone()).copied().collect();
            let mut s = sa.clone(); s.clip(run.clone());
            check(&s, inside.clone());
            check(&RowSet::all(docs), (0..docs).collect());
            let mut s = sa.clone();
            s.insert_where(run.start, run.end.min(docs).saturating_sub(run.start) as usize, |at| at % 3 == 0);
            check(&s, ma.iter().copied().chain(run.clone().step_by(3).filter(|row| *row < docs))
                .collect::<BTreeSet<_>>().into_iter().collect());
            let mut s = sb.clone();
            s.or_word(run.start, 0b1011);
            check(&s, mb.iter().copied().chain([0, 1, 3].map(|n| run.start + n).into_iter().filter(|row| *row < docs.next_multiple_of(64)))
                .collect::<BTreeSet<_>>().into_iter().filter(|row| *row < docs).collect());
            prop_assert_eq!(sa.any_in(run.clone()), !inside.is_empty());
            prop_assert_eq!(sa.count_in(run.clone()) as usize, inside.len());
            let mut listed = vec![7];
            sa.extend_into(run.clone(), &mut listed);
            prop_assert_eq!(&listed[1..], &inside[..]);
            prop_assert!(sa.iter_in(run).eq(inside));
            prop_assert_eq!(sa.first_from(from), ma.range(from..).next().copied());
            prop_assert_eq!(sa.contains(from), ma.contains(&from));
            let full = RowSet::all(docs);
            prop_assert_eq!(full.first_from(from), (from < docs).then_some(from));
        }
    }
}
