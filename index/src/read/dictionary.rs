//! What strings does a column have? Sorted dictionaries, and templates of texts.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use model::token::fold;

use crate::split::codec::{take_bytes, take_number, take_up_to};
use crate::split::template::{Key, Letters, SLOT, abuts};

/// Sorted, distinct strings; an ordinal is a position.
#[derive(Debug)]
pub struct Dictionary {
    text: String,
    ends: Vec<u32>,
    lower: OnceLock<Lower>,
}

/// For searches whatever the case.
#[derive(Debug)]
struct Lower {
    text: Vec<u8>,
    /// Strings with other characters than ASCII's, which fold in ways of their own.
    others: Vec<u32>,
}

impl Dictionary {
    pub(crate) fn read(bytes: &mut &[u8], terms: usize) -> Option<Self> {
        let (lists, ends) = read_terms(bytes, terms)?;
        Some(Self { text: String::from_utf8(lists).ok()?, ends, lower: OnceLock::new() })
            .filter(|d| (0..d.ends.len()).all(|at| d.text.is_char_boundary(d.ends[at] as usize)))
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.text.len() * 2 + self.ends.len() * 4
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The string of an ordinal; "" beyond the last.
    pub fn get(&self, ord: u32) -> &str {
        let at = ord as usize;
        let from = if at == 0 { 0 } else { self.ends.get(at - 1).map_or(0, |e| *e as usize) };
        self.ends.get(at).map_or("", |to| &self.text[from..*to as usize])
    }

    /// The ordinal of a string, or that of the first one after it.
    pub fn find(&self, text: &str) -> Result<u32, u32> {
        let at = self.first(|term| term >= text);
        if self.get(at) == text && (at as usize) < self.len() { Ok(at) } else { Err(at) }
    }

    /// The ordinals of the strings that begin so.
    pub fn prefix(&self, prefix: &str) -> Range<u32> {
        let from = self.first(|term| term >= prefix);
        let to = self.first(|term| term >= prefix && !term.starts_with(prefix));
        from..to.max(from)
    }

    /// The first ordinal whose string passes; those after it pass too.
    fn first(&self, passes: impl Fn(&str) -> bool) -> u32 {
        let (mut low, mut high) = (0, self.len() as u32);
        while low < high {
            let middle = low + (high - low) / 2;
            if passes(self.get(middle)) { high = middle } else { low = middle + 1 }
        }
        low
    }

    /// Calls `visit` with the ordinal of each string that holds the folded ASCII fragment,
    /// whatever the case; much faster than looking at each string.
    pub fn for_each_containing(&self, fragment: &str, visit: &mut dyn FnMut(u32)) {
        let lower = self.lower.get_or_init(|| Lower {
            text: self.text.as_bytes().to_ascii_lowercase(),
            others: (0..self.len() as u32).filter(|ord| !self.get(*ord).is_ascii()).collect(),
        });
        let mut from = 0;
        let finder = memchr::memmem::Finder::new(fragment.as_bytes());
        while let Some(at) = lower.text.get(from..).and_then(|rest| finder.find(rest)) {
            let at = from + at;
            let ord = self.ends.partition_point(|end| *end as usize <= at);
            let Some(end) = self.ends.get(ord).map(|end| *end as usize) else { break };
            if at + fragment.len() <= end {
                visit(ord as u32);
                from = end;
            } else {
                from = at + 1;
            }
            if fragment.is_empty() && from >= lower.text.len() {
                break;
            }
        }
        for ord in &lower.others {
            let term = self.get(*ord);
            let found = term.to_ascii_lowercase().contains(fragment);
            if !found && fold(term).contains(fragment) {
                visit(*ord);
            }
        }
    }
}

/// The templates of a text column: a text is piece 0, slot 0, piece 1, slot 1, …, last piece.
///
/// A slot holds exactly one token, as the tokenizer cuts it, that has an ASCII digit; a token of a
/// piece has none. So static tokens and slot tokens are all tokens. Template 0 is the raw one: no
/// pieces but two empty ones around a slot that holds a whole text of any kind.
#[derive(Debug)]
pub struct Templates {
    pub(crate) keys: Arc<[Key]>,
    counts: Vec<u64>,
    /// Of each slot, for each template.
    letters: Vec<Vec<Letters>>,
    /// Templates with a slot that touches another token.
    abutting: Vec<u32>,
    /// All keys, ASCII letters in lower case, and where each ends.
    folded: Vec<u8>,
    ends: Vec<usize>,
    /// All keys without the marks of their slots, and where each piece ends.
    plain: String,
    pieces: Vec<u32>,
    /// For each template the number of pieces before its first.
    firsts: Vec<u32>,
}

impl Templates {
    /// The raw template.
    pub const RAW: u32 = crate::split::template::RAW;

    pub(crate) fn read(bytes: &mut &[u8], terms: usize) -> Option<Self> {
        let (text, ends) = read_terms(bytes, terms)?;
        let mut keys = vec![Key::from(&[SLOT][..])];
        let mut abutting = Vec::new();
        let mut from = 0;
        for end in ends {
            let key = &text[from..end as usize];
            let pieces = key.split(|b| *b == SLOT).map(|piece| std::str::from_utf8(piece).ok());
            if abuts(&pieces.collect::<Option<Vec<_>>>()?) {
                abutting.push(keys.len() as u32);
            }
            keys.push(key.into());
            from = end as usize;
        }
        let counts = (0..keys.len()).map(|_| take_number(bytes)).collect::<Option<_>>()?;
        let mut letters = vec![vec![Letters::ALL]];
        for key in keys.iter().skip(1) {
            let number = |_| Some(Letters(u32::try_from(take_number(bytes)?).ok()?));
            letters.push((0..key.slots).map(number).collect::<Option<_>>()?);
        }
        Some(Self { abutting, ..Self::of(keys, counts, letters) })
    }

    fn of(keys: Vec<Key>, counts: Vec<u64>, letters: Vec<Vec<Letters>>) -> Self {
        let (mut folded, mut ends) = (Vec::new(), Vec::with_capacity(keys.len()));
        let (mut plain, mut pieces) = (String::new(), vec![0]);
        let mut firsts = Vec::with_capacity(keys.len());
        for key in &keys {
            firsts.push(pieces.len() as u32 - 1);
            for piece in key.split(|b| *b == SLOT) {
                plain.push_str(std::str::from_utf8(piece).unwrap_or_default());
                pieces.push(plain.len() as u32);
            }
            folded.extend(key.iter().map(u8::to_ascii_lowercase));
            // What is looked for does not lie over a border.
            folded.push(SLOT);
            ends.push(folded.len());
        }
        let (keys, abutting) = (keys.into(), Vec::new());
        Self { keys, counts, letters, abutting, folded, ends, plain, pieces, firsts }
    }

    /// Those of a column whose values are each one slot.
    pub(crate) fn one_slot(values: u64) -> Self {
        let keys = [(); 2].map(|()| Key::from(&[SLOT][..])).into();
        let letters = vec![vec![Letters::ALL], vec![Letters::of(b"abcdef")]];
        Self::of(keys, vec![0, values], letters)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let slots = self.letters.iter().map(|l| l.len() * 4 + 24).sum::<usize>();
        self.keys.iter().map(|k| 3 * k.len() + 40).sum::<usize>() + slots + 4 * self.pieces.len()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many values of the split have it.
    pub fn count(&self, template: u32) -> u64 {
        self.counts.get(template as usize).copied().unwrap_or(0)
    }

    /// The letters that stand in a slot.
    pub fn letters(&self, template: u32, slot: usize) -> Letters {
        let of = self.letters.get(template as usize).and_then(|slots| slots.get(slot));
        of.copied().unwrap_or(Letters::ALL)
    }

    /// Those with a slot that touches another token, rising.
    pub fn abutting(&self) -> &[u32] {
        &self.abutting
    }

    /// Calls `visit` with each template whose static text holds the text, which is ASCII in lower
    /// case, whatever the case there.
    pub fn each_with(&self, text: &str, mut visit: impl FnMut(u32)) {
        let finder = memchr::memmem::Finder::new(text.as_bytes());
        let (mut from, mut id) = (0, 0);
        while let Some(at) = self.folded.get(from..).and_then(|rest| finder.find(rest)) {
            id += self.ends[id..].partition_point(|end| *end <= from + at);
            let Some(end) = self.ends.get(id) else { return };
            visit(id as u32);
            from = *end;
        }
    }

    /// Whether one slot of the template can hold the text.
    pub fn a_slot_may_hold(&self, template: u32, text: Letters) -> bool {
        let of = self.letters.get(template as usize);
        of.is_none_or(|slots| slots.iter().any(|letters| letters.hold(text)))
    }

    /// The pieces: one more than there are slots.
    pub fn pieces(&self, template: u32) -> impl Iterator<Item = &str> + Clone {
        let first = self.firsts.get(template as usize).copied().unwrap_or(0) as usize;
        let count = self.letters.get(template as usize).map_or(0, |of| of.len() + 1);
        let ends = self.pieces.get(first..first + count + 1).unwrap_or_default();
        ends.windows(2).map(|w| self.plain.get(w[0] as usize..w[1] as usize).unwrap_or_default())
    }
}

/// The most bytes of strings that are read.
const TERMS_BYTES_MAX: usize = 1 << 30;

/// Strings one after the other, and where each ends.
fn read_terms(bytes: &mut &[u8], terms: usize) -> Option<(Vec<u8>, Vec<u32>)> {
    let count = take_up_to(bytes, terms)?;
    let mut lengths = Vec::with_capacity(count.min(bytes.len()));
    let (mut total, mut rests) = (0usize, 0usize);
    for _ in 0..count {
        let shared = take_up_to(bytes, TERMS_BYTES_MAX)?;
        let rest = take_up_to(bytes, TERMS_BYTES_MAX)?;
        total = total.checked_add(shared)?.checked_add(rest)?;
        rests = rests.checked_add(rest)?;
        lengths.push((shared, rest));
    }
    if total > TERMS_BYTES_MAX {
        return None;
    }
    let mut rests = take_bytes(bytes, rests)?;
    let mut out: Vec<u8> = Vec::with_capacity(total);
    let mut ends = Vec::with_capacity(count);
    let mut before = 0;
    for (shared, rest) in lengths {
        let from = out.len();
        if shared > from - before {
            return None;
        }
        out.extend_from_within(before..before + shared);
        out.extend_from_slice(take_bytes(&mut rests, rest)?);
        ends.push(out.len() as u32);
        before = from;
    }
    Some((out, ends))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split::write::dictionary_bytes;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_a_sorted_list(
            terms in prop::collection::btree_set("[a-cA-CäK]{0,4}", 0..40),
            probe in "[a-cA-CäK]{0,3}",
        ) {
            let terms: Vec<String> = terms.into_iter().collect();
            let bytes = dictionary_bytes(terms.iter().map(|t| t.as_bytes()));
            let dictionary = Dictionary::read(&mut &bytes[..], terms.len()).unwrap();
            for (ord, term) in terms.iter().enumerate() {
                prop_assert_eq!(dictionary.get(ord as u32), term);
            }
            let want = terms.binary_search(&probe).map(|a| a as u32).map_err(|a| a as u32);
            prop_assert_eq!(dictionary.find(&probe), want);
            let with: Vec<u32> = (0..terms.len() as u32)
                .filter(|o| terms[*o as usize].starts_with(&probe)).collect();
            prop_assert_eq!(dictionary.prefix(&probe).collect::<Vec<_>>(), with);
            let probe = probe.to_ascii_lowercase();
            if probe.is_ascii() {
                let mut found = Vec::new();
                dictionary.for_each_containing(&probe, &mut |ord| found.push(ord));
                found.sort_unstable();
                let with: Vec<u32> = (0..terms.len() as u32)
                    .filter(|o| !probe.is_empty() && fold(&terms[*o as usize]).contains(&probe))
                    .collect();
                if !probe.is_empty() {
                    prop_assert_eq!(found, with);
                }
            }
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Dictionary::read(&mut &bytes[..], 100);
            let _ = Templates::read(&mut &bytes[..], 100);
        }
    }
}
