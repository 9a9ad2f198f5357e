//! How are the strings of a column gathered? As numbers of distinct strings while those are few,
//! else cut into templates and slots.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::split::Encoding;
use crate::split::template::{Cut, RAW, SlotLetters, TemplateList, TemplateTable};
use crate::split::text::{TextData, render};
use crate::split::write::{dictionary_bytes, template_bytes};

/// Distinct strings, numbered as they come.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Interner {
    /// The number of a string.
    pub(crate) fn add(&mut self, text: &[u8]) -> u32 {
        let hash = self.hasher.hash_one(text);
        let (bytes, ends) = (&self.bytes, &self.ends);
        if let Some(id) = self.table.find(hash, |id| slice(bytes, ends, *id) == text) {
            return *id;
        }
        let id = self.ends.len() as u32;
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len() as u32);
        let (bytes, ends, hasher) = (&self.bytes, &self.ends, &self.hasher);
        self.table.insert_unique(hash, id, |id| hasher.hash_one(slice(bytes, ends, *id)));
        id
    }

    /// The string of a number.
    pub(crate) fn get(&self, id: u32) -> &[u8] {
        slice(&self.bytes, &self.ends, id)
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The numbers in the order of their strings.
    pub(crate) fn sorted(&self) -> Vec<u32> {
        let mut out: Vec<u32> = (0..self.ends.len() as u32).collect();
        out.sort_unstable_by(|a, b| self.get(*a).cmp(self.get(*b)));
        out
    }
}

fn slice<'a>(bytes: &'a [u8], ends: &[u32], id: u32) -> &'a [u8] {
    let from = if id == 0 { 0 } else { ends[id as usize - 1] as usize };
    &bytes[from..ends[id as usize] as usize]
}

/// Strings are looked at again when so many are distinct.
const FEW: usize = 1024;
/// A dictionary holds at most so many bytes of strings.
const DICTIONARY_BYTES_MAX: usize = 64 << 20;

/// Gathers strings.
#[derive(Debug)]
pub(crate) enum Strings {
    /// By number of a dictionary.
    Dict(Interner, Vec<u32>),
    /// By template; the numbers are those of the table.
    Text(Box<Texts>),
}

/// Texts that are cut.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    pub(crate) table: TemplateTable,
    pub(crate) data: TextData,
    cut: Cut,
}

impl Texts {
    /// Adds a text.
    pub(crate) fn push(&mut self, text: &str) {
        self.cut.of(text);
        let template = self.table.add(&self.cut.key, 1);
        self.data.push(template, text, &self.cut.slots);
    }
}

impl Strings {
    /// No strings yet; `text` when they are known to be texts.
    pub(crate) fn new(text: bool) -> Self {
        if text {
            Strings::Text(Box::default())
        } else {
            Strings::Dict(Interner::default(), Vec::new())
        }
    }

    /// Adds a string.
    pub(crate) fn push(&mut self, text: &str) {
        match self {
            Strings::Text(texts) => texts.push(text),
            Strings::Dict(interner, ids) => {
                let before = interner.len();
                ids.push(interner.add(text.as_bytes()));
                let distinct = interner.len();
                if distinct > before && distinct >= FEW && distinct.is_power_of_two() {
                    let many = distinct * 2 > ids.len();
                    if many || interner.bytes.len() > DICTIONARY_BYTES_MAX {
                        *self = Strings::Text(Box::new(cut_all(interner, ids)));
                    }
                }
            }
        }
    }

    /// Leaves the dictionary: a string came that is too long for one.
    pub(crate) fn leave_dictionary(&mut self) {
        if let Strings::Dict(interner, ids) = self {
            *self = Strings::Text(Box::new(cut_all(interner, ids)));
        }
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        match self {
            Strings::Text(texts) => texts.data.len(),
            Strings::Dict(_, ids) => ids.len(),
        }
    }

    /// Chooses the final form.
    pub(crate) fn finish(self, dictionary: bool) -> FinalStrings {
        match self {
            Strings::Dict(interner, ids) if dictionary || dictionary_pays(&interner, &ids) => {
                let sorted = interner.sorted();
                let mut finals = vec![0; sorted.len()];
                for (ord, id) in sorted.iter().enumerate() {
                    finals[*id as usize] = ord as u32;
                }
                let terms: Vec<&[u8]> = sorted.iter().map(|id| interner.get(*id)).collect();
                FinalStrings::Dict {
                    terms: terms.len() as u32,
                    bytes: dictionary_bytes(terms.into_iter()),
                    ords: ids.into_iter().map(|id| finals[id as usize]).collect(),
                }
            }
            Strings::Dict(interner, ids) => finish_texts(cut_all(&interner, &ids)),
            Strings::Text(texts) => finish_texts(*texts),
        }
    }
}

/// Strings in their final form.
pub(crate) enum FinalStrings {
    Dict { terms: u32, bytes: Vec<u8>, ords: Vec<u32> },
    Text { list: TemplateList, bytes: Vec<u8>, data: TextData },
    Hex { digits: u32, bytes: Vec<u8> },
}

impl FinalStrings {
    /// How they are kept, and the number that goes with it.
    pub(crate) fn encoding(&self) -> (Encoding, u32) {
        match self {
            FinalStrings::Dict { terms, .. } => (Encoding::Dict, *terms),
            FinalStrings::Text { list, .. } => (Encoding::Text, list.keys.len() as u32),
            FinalStrings::Hex { digits, .. } => (Encoding::Hex, *digits),
        }
    }
}

fn text_of(bytes: &[u8]) -> &str {
    // Only strings go in.
    std::str::from_utf8(bytes).unwrap_or_default()
}

fn cut_all(interner: &Interner, ids: &[u32]) -> Texts {
    let mut out = Texts::default();
    let mut known: Vec<Option<u32>> = vec![None; interner.len()];
    let mut slots: Vec<(u64, u64)> = vec![(0, 0); interner.len()];
    for id in ids {
        let at = *id as usize;
        match known[at] {
            Some(template) => {
                out.table.count(template);
                out.data.push_again(template, slots[at]);
            }
            None => {
                let from = out.data.bytes.len() as u64;
                out.push(text_of(interner.get(*id)));
                known[at] = out.data.templates.last().copied();
                slots[at] = (from, out.data.bytes.len() as u64);
            }
        }
    }
    out
}

/// Whether a dictionary is shorter than templates, by a rough count of bytes.
fn dictionary_pays(interner: &Interner, ids: &[u32]) -> bool {
    let distinct = interner.len();
    if distinct < 256 || distinct * 16 < ids.len() {
        return true;
    }
    let mut cut = Cut::default();
    let mut keys = TemplateTable::default();
    let mut slots = vec![0u32; distinct];
    for (id, slot) in slots.iter_mut().enumerate() {
        cut.of(text_of(interner.get(id as u32)));
        keys.add(&cut.key, 1);
        *slot = cut.slots.iter().map(|(from, to)| to - from + 1).sum();
    }
    let bits = |n: usize| f64::from(usize::BITS - n.leading_zeros());
    let in_slots: f64 = ids.iter().map(|id| f64::from(slots[*id as usize])).sum();
    let text = in_slots * 0.42 + ids.len() as f64 * bits(keys.len()) / 10.0;
    let dict = interner.bytes.len() as f64 * 0.32 + ids.len() as f64 * bits(distinct) / 8.0;
    dict <= text * 1.1
}

/// The shortest texts that are kept as hexadecimal digits.
const HEX_DIGITS_MIN: usize = 16;

fn finish_texts(texts: Texts) -> FinalStrings {
    let Texts { table, data, .. } = texts;
    if let Some((digits, bytes)) = hex_bytes(&table, &data) {
        return FinalStrings::Hex { digits, bytes };
    }
    let (list, finals) = table.finish();
    let mut counts = vec![0u64; list.keys.len()];
    let mut out = data;
    let raw = |id: u32| finals[id as usize] == RAW;
    if out.templates.iter().any(|id| raw(*id)) {
        let mut whole = TextData::default();
        let mut text = Vec::new();
        for at in 0..out.len() {
            let id = out.templates[at];
            if raw(id) {
                text.clear();
                render(table.key(id), out.value(at), &mut text);
                whole.push_slots(RAW, &text);
            } else {
                whole.push_slots(finals[id as usize], out.value(at));
            }
        }
        out = whole;
    } else {
        out.templates.iter_mut().for_each(|id| *id = finals[*id as usize]);
    }
    let mut letters = SlotLetters::of(&list);
    for at in 0..out.len() {
        let id = out.templates[at];
        counts[id as usize] += 1;
        if id != RAW {
            letters.add(id, out.value(at));
        }
    }
    FinalStrings::Text { bytes: template_bytes(&list, &counts, &letters), list, data: out }
}

/// The bytes of all values, when each is one run of as many lower-case digits.
fn hex_bytes(table: &TemplateTable, data: &TextData) -> Option<(u32, Vec<u8>)> {
    if table.len() != 1 || table.key(0) != [crate::split::template::SLOT] {
        return None;
    }
    let digits = data.value(0).len().checked_sub(1)?;
    if digits < HEX_DIGITS_MIN || digits % 2 != 0 || data.bytes.len() != (digits + 1) * data.len() {
        return None;
    }
    let mut out = Vec::with_capacity(digits / 2 * data.len());
    for at in 0..data.len() {
        let value = data.value(at);
        if value.len() != digits + 1 {
            return None;
        }
        parse_hex(&value[..digits], &mut out)?;
    }
    Some((digits as u32, out))
}

/// Appends the bytes of lower-case digits.
pub(crate) fn parse_hex(digits: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = digits.as_chunks::<2>();
    for [high, low] in pairs {
        out.push(digit(*high)? << 4 | digit(*low)?);
    }
    rest.is_empty().then_some(())
}
