//! How do the strings of several splits become one's? Dictionaries are joined and ordinals mapped;
//! templates are joined, and slots taken over as they are.

use std::ops::Range;
use std::sync::Arc;

use crate::read::chunks::Decoded;
use crate::read::core::Core;
use crate::read::{Dictionary, ReadError, SplitReader, Templates};
use crate::split::template::{Cut, RAW, SlotLetters, TemplateList, TemplateTable};
use crate::split::text::{Anew, TextChunk, TextData, TextView};
use crate::split::write::{Chunk, dictionary_bytes, push_hex, template_bytes};
use crate::split::{ColumnInfo, Encoding, Role};

/// Strings of a merged column: what is known of all, and the values of the present group.
pub(crate) enum MergedStrings {
    /// Ordinals.
    Dict {
        /// How many strings.
        terms: usize,
        /// The dictionary.
        bytes: Vec<u8>,
        /// For each input the merged ordinal of each of its own.
        maps: Vec<Vec<u32>>,
        /// The values.
        ords: Vec<u32>,
        /// Nothing is stored: the column follows another one.
        follows: bool,
    },
    /// Templates.
    Text(Box<MergedTexts>),
    /// Hexadecimal digits.
    Hex {
        /// Bytes a value.
        width: usize,
        /// The values.
        bytes: Vec<u8>,
    },
}

/// Texts of a merged column.
pub(crate) struct MergedTexts {
    list: TemplateList,
    table: TemplateTable,
    finals: Vec<u32>,
    counts: Vec<u64>,
    letters: SlotLetters,
    /// For each input the merged number of each of its templates; `None` for those that are cut
    /// anew.
    maps: Vec<Vec<u32>>,
    dictionaries: Vec<Option<Arc<Dictionary>>>,
    templates: Vec<Option<Arc<Templates>>>,
    data: TextData,
    cut: Cut,
    text: Vec<u8>,
    /// The chunk of each input that was read last: runs of several inputs take turns.
    views: Vec<Option<(Arc<TextChunk>, Arc<TextView>)>>,
}

impl MergedStrings {
    /// Joins what describes the strings of the inputs' columns.
    pub(crate) fn join(
        readers: &[Arc<SplitReader>],
        inputs: &[Option<u32>],
        info: &ColumnInfo,
    ) -> Result<Self, ReadError> {
        let present = || {
            let columns = inputs.iter().enumerate();
            columns.filter_map(|(input, column)| Some((input, (*column)?)))
        };
        let own = |(input, column): (usize, u32)| &readers[input].footer().columns[column as usize];
        let first = present().next().map(|p| (own(p).encoding, own(p).terms));
        if let Some((Encoding::Hex, digits)) = first
            && present().all(|p| own(p).encoding == Encoding::Hex && own(p).terms == digits)
        {
            return Ok(MergedStrings::Hex { width: digits as usize / 2, bytes: Vec::new() });
        }
        let dictionaries =
            present().all(|p| matches!(own(p).encoding, Encoding::Dict | Encoding::Derived));
        if dictionaries {
            let joined = join_dictionaries(readers, inputs)?;
            if let MergedStrings::Dict { terms, .. } = &joined
                && (info.role == Role::Index || *terms < 256 || (*terms as u64) * 2 <= info.values)
            {
                return Ok(joined);
            }
        }
        Ok(MergedStrings::Text(Box::new(join_texts(readers, inputs)?)))
    }

    /// How they are kept, and the number that goes with it.
    pub(crate) fn encoding(&self) -> (Encoding, u32) {
        match self {
            MergedStrings::Dict { terms, .. } => (Encoding::Dict, *terms as u32),
            MergedStrings::Text(texts) => (Encoding::Text, texts.list.keys.len() as u32),
            MergedStrings::Hex { width, .. } => (Encoding::Hex, *width as u32 * 2),
        }
    }

    /// Strings of the dictionary.
    pub(crate) fn terms(&self) -> usize {
        match self {
            MergedStrings::Dict { terms, .. } => *terms,
            _ => 0,
        }
    }

    /// The merged ordinal of an input's.
    pub(crate) fn ord(&self, input: usize, ord: u32) -> u32 {
        match self {
            MergedStrings::Dict { maps, .. } => maps[input][ord as usize],
            _ => 0,
        }
    }

    /// Makes the column follow another one.
    pub(crate) fn follow(&mut self, map: &[u32]) {
        if let MergedStrings::Dict { bytes, follows, .. } = self {
            map.iter().for_each(|ord| bytes.extend_from_slice(&ord.to_le_bytes()));
            *follows = true;
        }
    }

    /// Forgets the values.
    pub(crate) fn clear(&mut self) {
        match self {
            MergedStrings::Dict { ords, .. } => ords.clear(),
            MergedStrings::Text(texts) => texts.data.clear(),
            MergedStrings::Hex { bytes, .. } => bytes.clear(),
        }
    }

    /// Takes over a run of an input's values.
    pub(crate) fn take(
        &mut self,
        (input, column): (usize, u32),
        core: &Core,
        values: &Decoded,
        run: Range<usize>,
    ) -> Result<(), ReadError> {
        match (self, values) {
            (MergedStrings::Dict { maps, ords, .. }, Decoded::Ords(list)) => {
                let map = &maps[input];
                list.for_each(run, |_, ord| ords.push(map[ord as usize]));
                Ok(())
            }
            (MergedStrings::Hex { width, bytes }, Decoded::Hex(list, _)) => {
                bytes.extend_from_slice(&list[run.start * *width..run.end * *width]);
                Ok(())
            }
            (MergedStrings::Text(texts), values) => texts
                .take(input, values, run)
                .ok_or_else(|| core.bad(format!("texts of column {column}: malformed"))),
            _ => Err(core.bad(format!("column {column} is of another kind"))),
        }
    }

    /// The values.
    pub(crate) fn chunk(&self) -> Chunk<'_> {
        match self {
            MergedStrings::Dict { follows: true, .. } | MergedStrings::Dict { terms: 1, .. } => {
                Chunk::None
            }
            MergedStrings::Dict { ords, .. } if ords.is_empty() => Chunk::None,
            MergedStrings::Dict { ords, .. } => Chunk::Ords(ords),
            MergedStrings::Hex { bytes, .. } if bytes.is_empty() => Chunk::None,
            MergedStrings::Hex { width, bytes } => Chunk::Hex(bytes, *width),
            MergedStrings::Text(texts) if texts.data.len() == 0 => Chunk::None,
            MergedStrings::Text(texts) => {
                Chunk::Texts(&texts.data, 0..texts.data.len(), &texts.list)
            }
        }
    }

    /// The bytes of dictionary or templates.
    pub(crate) fn finish(self) -> Option<Vec<u8>> {
        match self {
            MergedStrings::Dict { bytes, .. } => Some(bytes),
            MergedStrings::Text(texts) => {
                Some(template_bytes(&texts.list, &texts.counts, &texts.letters))
            }
            MergedStrings::Hex { .. } => None,
        }
    }
}

fn join_dictionaries(
    readers: &[Arc<SplitReader>],
    inputs: &[Option<u32>],
) -> Result<MergedStrings, ReadError> {
    let mut lists: Vec<Option<Arc<Dictionary>>> = Vec::new();
    for (reader, column) in readers.iter().zip(inputs) {
        lists.push(column.map(|c| reader.core().dictionary(c)).transpose()?);
    }
    let mut all: Vec<&str> = Vec::new();
    for list in lists.iter().flatten() {
        all.extend((0..list.len() as u32).map(|ord| list.get(ord)));
    }
    all.sort_unstable();
    all.dedup();
    let map = |list: &Arc<Dictionary>| {
        // Both are sorted: one pass.
        let mut at = 0;
        let find = |ord: u32| {
            let term = list.get(ord);
            while all[at] != term {
                at += 1;
            }
            at as u32
        };
        (0..list.len() as u32).map(find).collect()
    };
    Ok(MergedStrings::Dict {
        terms: all.len(),
        bytes: dictionary_bytes(all.iter().map(|t| t.as_bytes())),
        maps: lists.iter().map(|l| l.as_ref().map_or_else(Vec::new, map)).collect(),
        ords: Vec::new(),
        follows: false,
    })
}

fn join_texts(
    readers: &[Arc<SplitReader>],
    inputs: &[Option<u32>],
) -> Result<MergedTexts, ReadError> {
    let mut table = TemplateTable::default();
    let mut cut = Cut::default();
    let mut dictionaries = Vec::new();
    let mut templates = Vec::new();
    for (reader, column) in readers.iter().zip(inputs) {
        let (mut dictionary, mut list) = (None, None);
        if let Some(column) = column {
            let core = reader.core();
            let info = core.column(*column);
            match info.encoding {
                Encoding::Dict | Encoding::Derived => {
                    let terms = core.dictionary(*column)?;
                    let each = (info.values / u64::from(info.terms.max(1))).max(1);
                    for ord in 0..terms.len() as u32 {
                        cut.of(terms.get(ord));
                        table.add(&cut.key, each);
                    }
                    dictionary = Some(terms);
                }
                _ => {
                    let known = core.templates(*column)?;
                    for (id, key) in known.keys.iter().enumerate().skip(1) {
                        table.add(key, known.count(id as u32));
                    }
                    if known.count(RAW) > 0 {
                        count_raw(core, *column, &mut cut, &mut table)?;
                    }
                    list = Some(known);
                }
            }
        }
        dictionaries.push(dictionary);
        templates.push(list);
    }
    let (list, finals) = table.finish();
    let map = |templates: &Option<Arc<Templates>>| match templates {
        None => Vec::new(),
        Some(known) => {
            let of = |key: &[u8]| table.find(key).map_or(RAW, |id| finals[id as usize]);
            // The raw one is cut anew.
            known.keys.iter().map(|key| of(key)).collect()
        }
    };
    let maps: Vec<Vec<u32>> = templates.iter().map(map).collect();
    let mut letters = SlotLetters::of(&list);
    for (known, map) in templates.iter().zip(&maps) {
        let Some(known) = known else { continue };
        for (id, merged) in (0u32..).zip(map).skip(1).filter(|(_, merged)| **merged != RAW) {
            let of = letters.0[*merged as usize].iter_mut();
            of.enumerate().for_each(|(slot, l)| l.add(known.letters(id, slot)));
        }
    }
    Ok(MergedTexts {
        maps,
        counts: vec![0; list.keys.len()],
        letters,
        list,
        finals,
        table,
        dictionaries,
        templates,
        data: TextData::default(),
        cut: Cut::default(),
        text: Vec::new(),
        views: vec![None; readers.len()],
    })
}

/// Counts the templates of texts that were kept whole: together there may be more of one.
fn count_raw(
    core: &Core,
    column: u32,
    cut: &mut Cut,
    table: &mut TemplateTable,
) -> Result<(), ReadError> {
    let templates = core.templates(column)?;
    for group in 0..core.groups() {
        let Decoded::Text(chunk) = core.values(column, group)? else { continue };
        let view = TextView::new(chunk.clone(), templates.keys.clone(), Box::new(Anew));
        for at in 0..chunk.ids().len() {
            if chunk.ids().get(at) != RAW {
                continue;
            }
            let mut count = |text: &[u8]| {
                cut.of(std::str::from_utf8(text).unwrap_or_default());
                table.add(&cut.key, 1);
            };
            view.slots(at, &mut count)
                .map_err(|_| core.bad(format!("texts of column {column}: malformed")))?;
        }
    }
    Ok(())
}

impl MergedTexts {
    fn take(&mut self, input: usize, values: &Decoded, run: Range<usize>) -> Option<()> {
        match values {
            Decoded::Ords(list) => {
                let dictionary = self.dictionaries[input].clone()?;
                for at in run {
                    self.push(dictionary.get(list.get(at)));
                }
            }
            Decoded::Hex(bytes, width) => {
                let mut text = Vec::with_capacity(width * 2);
                for at in run {
                    text.clear();
                    push_hex(bytes.get(at * width..(at + 1) * width)?, &mut text);
                    self.push(std::str::from_utf8(&text).ok()?);
                }
            }
            Decoded::Text(chunk) => {
                let templates = self.templates[input].clone()?;
                let open = self.views.get_mut(input)?;
                let view = match open {
                    Some((known, view)) if Arc::ptr_eq(known, chunk) => view.clone(),
                    _ => {
                        let keys = templates.keys.clone();
                        let view = Arc::new(TextView::new(chunk.clone(), keys, Box::new(Anew)));
                        *open = Some((chunk.clone(), view.clone()));
                        view
                    }
                };
                if run.end == chunk.ids().len() {
                    // The rest of it: the next run is of another group.
                    *open = None;
                }
                for at in run {
                    let id = chunk.ids().get(at);
                    let merged = self.maps[input].get(id as usize).copied()?;
                    if id == RAW || merged == RAW {
                        let mut text = std::mem::take(&mut self.text);
                        text.clear();
                        view.text(at, &mut text).ok()?;
                        self.push(std::str::from_utf8(&text).ok()?);
                        self.text = text;
                        continue;
                    }
                    self.counts[merged as usize] += 1;
                    self.data.begin(merged);
                    let data = &mut self.data;
                    view.slots(at, |slot| data.slot(slot)).ok()?;
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// Cuts a text anew.
    fn push(&mut self, text: &str) {
        self.cut.of(text);
        let id = self.table.find(&self.cut.key).map_or(RAW, |id| self.finals[id as usize]);
        self.counts[id as usize] += 1;
        if id == RAW {
            self.data.push_raw(text);
        } else {
            self.data.push(id, text, &self.cut.slots);
            self.letters.add(id, self.data.value(self.data.len() - 1));
        }
    }
}
