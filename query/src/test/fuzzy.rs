//! Is a text nearly another? The edits between them, up to a few, and what a near text must hold.
//!
//! Two characters that have changed places are one edit where that is allowed, and are not edited
//! again (Lucene's automata count so).

use crate::ast::FuzzyTest;

/// A text to be near to.
#[derive(Clone, Debug)]
pub struct Fuzzy {
    /// What was asked.
    pub test: FuzzyTest,
    chars: Vec<char>,
}

impl Fuzzy {
    /// Of a test.
    pub fn new(test: &FuzzyTest) -> Self {
        Self { chars: test.text.chars().collect(), test: test.clone() }
    }

    /// Whether the text is near enough.
    pub fn matches(&self, text: &str) -> bool {
        self.edits(text).is_some()
    }

    /// How many edits the text is away, if not too many.
    pub fn edits(&self, text: &str) -> Option<u8> {
        if text == self.test.text {
            return Some(0);
        }
        let (have, most) = (self.chars.len(), usize::from(self.test.edits));
        // A character has at most four bytes.
        if text.len() + most < have || text.len() > 4 * (have + most) {
            return None;
        }
        let other: Vec<char> = text.chars().collect();
        if have.abs_diff(other.len()) > most {
            return None;
        }
        let same = self.chars.iter().zip(&other).take_while(|(a, b)| a == b).count();
        if same < self.test.prefix.min(have) {
            return None;
        }
        distance((&self.chars[same..], &other[same..]), most, self.test.transpositions)
    }

    /// Folded fragments of ASCII token characters of which every near text that is not the text
    /// itself holds one; `None` where they cannot be told.
    pub fn fragments(&self) -> Option<Vec<String>> {
        let text = self.test.text.as_str();
        let pieces = usize::from(self.test.edits) + 1;
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if text.len() < pieces || pieces > 3 || !text.bytes().all(word) {
            return None;
        }
        // An edit spoils one piece, but a change of places over a border spoils two.
        let text = text.to_ascii_lowercase();
        let at = |piece: usize| text.len() * piece / pieces;
        let mut out: Vec<String> = (0..pieces).map(|p| text[at(p)..at(p + 1)].to_owned()).collect();
        if self.test.transpositions {
            let swapped = |from: usize, to: usize, borders: &[usize]| {
                let mut bytes = text.as_bytes()[from..to].to_vec();
                borders.iter().for_each(|border| bytes.swap(border - from - 1, border - from));
                String::from_utf8(bytes).unwrap_or_default()
            };
            for border in 1..pieces {
                out.push(swapped(at(border - 1), at(border + 1), &[at(border)]));
            }
            if pieces == 3 {
                out.push(swapped(0, text.len(), &[at(1), at(2)]));
            }
        }
        Some(out)
    }
}

/// The edits between two texts, up to `most`.
fn distance((a, b): (&[char], &[char]), most: usize, swaps: bool) -> Option<u8> {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, c) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, d) in b.iter().enumerate() {
            let mut edits = (last[j] + usize::from(c != d)).min(last[j + 1] + 1).min(row[j] + 1);
            if swaps && i > 0 && j > 0 && *c == b[j - 1] && a[i - 1] == *d {
                edits = edits.min(before[j - 1] + 1);
            }
            row.push(edits);
        }
        let least = row.iter().chain(if swaps { last.as_slice() } else { &[] }).min();
        if least.is_none_or(|least| *least > most) {
            return None;
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().filter(|edits| **edits <= most).and_then(|edits| u8::try_from(*edits).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fuzzy(text: &str, edits: u8, prefix: usize, transpositions: bool) -> Fuzzy {
        let text = text.to_owned();
        Fuzzy::new(&FuzzyTest { text, edits, prefix, transpositions, token: true })
    }

    #[test]
    fn edits_are_counted() {
        let cases = [
            ("error", "error", 2, 0, true, Some(0)),
            ("error", "eror", 2, 0, true, Some(1)),
            ("error", "erorr", 2, 0, true, Some(1)),
            ("error", "erorr", 2, 0, false, Some(2)),
            ("error", "erorr", 1, 0, false, None),
            ("error", "rrror", 1, 1, true, None),
            ("error", "rrror", 1, 0, true, Some(1)),
            ("error", "er", 2, 0, true, None),
            ("ca", "abc", 2, 0, true, None),
            ("größe", "grosse", 2, 0, true, None),
            ("größe", "grösse", 2, 0, true, Some(2)),
            ("", "ab", 2, 0, true, Some(2)),
        ];
        for (a, b, most, prefix, swaps, want) in cases {
            assert_eq!(fuzzy(a, most, prefix, swaps).edits(b), want, "{a} {b} {most}");
        }
    }

    proptest! {
        #[test]
        fn what_is_near_holds_a_fragment(
            a in "[ab1]{2,7}", b in "[ab1]{0,8}", edits in 1u8..3, swaps in any::<bool>()
        ) {
            let fuzzy = fuzzy(&a, edits, 0, swaps);
            if let (true, Some(fragments)) = (a != b && fuzzy.matches(&b), fuzzy.fragments()) {
                prop_assert!(fragments.iter().any(|f| b.contains(f.as_str())), "{a} {b} {fragments:?}");
            }
        }
    }
}
