//! What is constant in texts, and what varies? A token with a digit varies; the rest of the text
//! is its template.
//!
//! The tokenizer is the one of queries, so a token of a text stands either wholly in its template
//! or wholly in a slot.

use hashbrown::HashMap;
use model::token::{is_token_char, spans};

/// Stands for a slot in a template's key; no UTF-8 text has this byte.
pub(crate) const SLOT: u8 = 0xff;
/// The template of a text that is kept whole, in its one slot.
pub(crate) const RAW: u32 = 0;
/// The most templates of a column of a split.
pub(crate) const TEMPLATES_MAX: usize = 60_000;

/// A text cut into template and slots.
#[derive(Debug, Default)]
pub(crate) struct Cut {
    /// The text with [`SLOT`] in place of each slot.
    pub(crate) key: Vec<u8>,
    /// Where the slots stood: from, to.
    pub(crate) slots: Vec<(u32, u32)>,
}

impl Cut {
    /// Cuts a text.
    pub(crate) fn of(&mut self, text: &str) {
        self.key.clear();
        self.slots.clear();
        let bytes = text.as_bytes();
        let mut copied = 0;
        for (from, to) in spans(text) {
            if bytes[from..to].iter().any(u8::is_ascii_digit) {
                self.key.extend_from_slice(&bytes[copied..from]);
                self.key.push(SLOT);
                self.slots.push((from as u32, to as u32));
                copied = to;
            }
        }
        self.key.extend_from_slice(&bytes[copied..]);
    }
}

/// Templates by key, with how many texts have each.
#[derive(Debug, Default)]
pub(crate) struct TemplateTable {
    ids: HashMap<Box<[u8]>, u32>,
    keys: Vec<Box<[u8]>>,
    counts: Vec<u64>,
}

impl TemplateTable {
    /// The number of a template, counted `times` more.
    pub(crate) fn add(&mut self, key: &[u8], times: u64) -> u32 {
        if let Some(id) = self.ids.get(key) {
            self.counts[*id as usize] += times;
            return *id;
        }
        let id = self.keys.len() as u32;
        self.ids.insert(key.into(), id);
        self.keys.push(key.into());
        self.counts.push(times);
        id
    }

    /// Counts a known template once more.
    pub(crate) fn count(&mut self, id: u32) {
        self.counts[id as usize] += 1;
    }

    /// The number of a known template.
    pub(crate) fn find(&self, key: &[u8]) -> Option<u32> {
        self.ids.get(key).copied()
    }

    /// The key of a number.
    pub(crate) fn key(&self, id: u32) -> &[u8] {
        &self.keys[id as usize]
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Numbers to the final ones, which are those of [`TemplateList`]; a template that does not
    /// pay becomes the raw one.
    pub(crate) fn finish(&self) -> (TemplateList, Vec<u32>) {
        let mut kept: Vec<u32> = (0..self.keys.len() as u32).collect();
        // One text alone is as short whole as with a template of its own.
        kept.retain(|id| self.counts[*id as usize] > 1);
        if kept.len() > TEMPLATES_MAX {
            kept.sort_by_key(|id| (std::cmp::Reverse(self.counts[*id as usize]), *id));
            kept.truncate(TEMPLATES_MAX);
        }
        // Neighbours are alike, which compression likes.
        kept.sort_by(|a, b| self.key(*a).cmp(self.key(*b)));
        let mut finals = vec![RAW; self.keys.len()];
        let mut list = TemplateList { keys: vec![[SLOT].into()] };
        for id in kept {
            finals[id as usize] = list.keys.len() as u32;
            list.keys.push(self.keys[id as usize].clone());
        }
        (list, finals)
    }
}

/// Whether a slot of a text with these pieces touches another token, so that text can cross its
/// border. Only the cut of a long run makes tokens that touch.
pub fn abuts(pieces: &[&str]) -> bool {
    let last = pieces.len().saturating_sub(1);
    pieces.iter().enumerate().any(|(at, piece)| match piece.is_empty() {
        true => at > 0 && at < last,
        false => {
            at > 0 && piece.chars().next().is_some_and(is_token_char)
                || at < last && piece.chars().next_back().is_some_and(is_token_char)
        }
    })
}

/// Which letters stand in a slot, whatever their case: a fragment with others is not in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Letters(pub(crate) u32);

const LETTERS: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'a'..=b'z' => 1 << (byte - b'a' as usize),
            b'A'..=b'Z' => 1 << (byte - b'A' as usize),
            b'0'..=b'9' => 0,
            b'_' => 1 << 26,
            // Not in ASCII, or in no slot.
            _ => 1 << 27,
        };
        byte += 1;
    }
    table
};

impl Letters {
    /// Any.
    pub(crate) const ALL: Letters = Letters((1 << 28) - 1);

    /// Those of a text.
    pub fn of(text: &[u8]) -> Self {
        Self(text.iter().fold(0, |all, byte| all | LETTERS[usize::from(*byte)]))
    }

    /// Those of both.
    pub(crate) fn add(&mut self, other: Letters) {
        self.0 |= other.0;
    }

    /// Whether the text can stand in the slot, as far as its letters tell.
    pub fn may_hold(self, text: &str) -> bool {
        self.hold(Self::of(text.as_bytes()))
    }

    /// Whether these have all of the other.
    pub fn hold(self, other: Letters) -> bool {
        other.0 & !self.0 == 0
    }
}

/// The letters of each slot of each template.
#[derive(Clone, Debug, Default)]
pub(crate) struct SlotLetters(pub(crate) Vec<Vec<Letters>>);

impl SlotLetters {
    /// None yet.
    pub(crate) fn of(list: &TemplateList) -> Self {
        Self(list.keys.iter().map(|key| vec![Letters::default(); slots_of(key)]).collect())
    }

    /// Adds a value whose slots come one after the other, each with "\n" after it.
    pub(crate) fn add(&mut self, template: u32, slots: &[u8]) {
        let known = self.0[template as usize].iter_mut();
        for (letters, slot) in known.zip(slots.split(|b| *b == b'\n')) {
            letters.add(Letters::of(slot));
        }
    }
}

/// The templates of a column: the raw one, then sorted ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TemplateList {
    pub(crate) keys: Vec<Box<[u8]>>,
}

impl TemplateList {
    /// How many slots a template has.
    pub(crate) fn slots(&self, id: u32) -> usize {
        slots_of(&self.keys[id as usize])
    }
}

/// How many slots a key has.
pub(crate) fn slots_of(key: &[u8]) -> usize {
    memchr::memchr_iter(SLOT, key).count()
}

/// The key of a template, with its slots counted.
#[derive(Debug)]
pub(crate) struct Key {
    text: Box<[u8]>,
    pub(crate) slots: u32,
}

impl From<&[u8]> for Key {
    fn from(text: &[u8]) -> Self {
        Self { text: text.into(), slots: slots_of(text) as u32 }
    }
}

impl std::ops::Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::token::tokens;
    use proptest::prelude::*;

    fn cut(text: &str) -> (String, Vec<String>) {
        let mut cut = Cut::default();
        cut.of(text);
        let key = cut.key.iter().flat_map(|b| if *b == SLOT { b"<*>".to_vec() } else { vec![*b] });
        let slots = cut.slots.iter().map(|(a, b)| text[*a as usize..*b as usize].to_owned());
        (String::from_utf8(key.collect()).unwrap(), slots.collect())
    }

    #[test]
    fn tokens_with_a_digit_vary() {
        let cases: &[(&str, &str, &[&str])] = &[
            ("", "", &[]),
            ("no digit here", "no digit here", &[]),
            ("took 15 ms", "took <*> ms", &["15"]),
            ("10.2.3.4:80", "<*>.<*>.<*>.<*>:<*>", &["10", "2", "3", "4", "80"]),
            ("x1", "<*>", &["x1"]),
            ("user_7 ok", "<*> ok", &["user_7"]),
            ("Größe2 größe", "<*> größe", &["Größe2"]),
            ("a\0b1", "a\0<*>", &["b1"]),
        ];
        for (text, key, slots) in cases {
            assert_eq!(
                cut(text),
                ((*key).to_owned(), slots.iter().map(|s| (*s).to_owned()).collect())
            );
        }
    }

    proptest! {
        #[test]
        fn slots_and_pieces_hold_all_tokens(text in "[a-z0-9_ .äÄ日\\x00\n]{0,40}") {
            let mut cut = Cut::default();
            cut.of(&text);
            let slots: Vec<_> = cut.slots.iter().map(|(a, b)| &text[*a as usize..*b as usize]).collect();
            let mut rebuilt = Vec::new();
            let mut next = slots.iter();
            let mut all = Vec::new();
            for (at, piece) in cut.key.split(|b| *b == SLOT).enumerate() {
                if at > 0 {
                    let slot = next.next().unwrap();
                    prop_assert_eq!(tokens(slot).count(), 1);
                    all.extend(tokens(slot).map(|t| t.into_owned()));
                    rebuilt.extend_from_slice(slot.as_bytes());
                }
                all.extend(tokens(std::str::from_utf8(piece).unwrap()).map(|t| t.into_owned()));
                rebuilt.extend_from_slice(piece);
            }
            prop_assert_eq!(String::from_utf8(rebuilt).unwrap(), text.clone());
            prop_assert_eq!(all, tokens(&text).map(|t| t.into_owned()).collect::<Vec<_>>());
        }
    }
}
