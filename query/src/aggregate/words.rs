//! Which parts of texts do rows have? Buckets by what a text is cut into, for significant words and
//! categories.

use std::fmt::Debug;

use hashbrown::{HashMap, HashSet};
use model::token::tokens;

use super::cardinality::hash_text;
use super::choice::Chooser;
use super::collect::{Block, Collector, distinct};
use super::key::Key;
use super::keyed::{KeyTable, RawKey, Texts};
use super::more::At;
use super::partial::{Bucket, Partial};
use super::source::FieldValues;
use super::stats::Stats;
use crate::leaf::{LeafError, Run};

/// How texts are cut.
pub(super) trait Cut: Debug + Send + Sync {
    /// Gives the parts of a text.
    fn cut(&self, text: &str, part: &mut dyn FnMut(&str));
}

/// Into words.
#[derive(Debug)]
pub(super) struct IntoWords;

impl Cut for IntoWords {
    fn cut(&self, text: &str, part: &mut dyn FnMut(&str)) {
        tokens(text).for_each(|word| part(&word));
    }
}

/// Names numbered as they come.
struct Names<'a> {
    seen: HashMap<Box<str>, u64>,
    list: Vec<Box<str>>,
    run: &'a Run,
}

impl Names<'_> {
    fn ord(&mut self, text: &str) -> Result<u64, LeafError> {
        if let Some(ord) = self.seen.get(text) {
            return Ok(*ord);
        }
        self.run.charge(2 * text.len() + 80)?;
        let ord = self.list.len() as u64;
        self.list.push(text.into());
        self.seen.insert(text.into(), ord);
        Ok(ord)
    }
}

impl Texts for Names<'_> {
    fn each(&self, ords: &[u64], visit: &mut dyn FnMut(u64, &str)) {
        for ord in ords {
            if let Some(text) = self.list.get(*ord as usize) {
                visit(*ord, text);
            }
        }
    }
}

/// Words of a row in a run that stood in another record before do not count.
const RUN_WORDS: usize = 6;

/// Runs of words that were seen.
#[derive(Default)]
struct Runs {
    seen: HashSet<u64>,
}

impl Runs {
    /// Keeps the words that are in no run that was seen; notes the runs of these words.
    fn keep(&mut self, words: &mut Vec<u64>, run: &Run) -> Result<(), LeafError> {
        let hash = |part: &[u64]| {
            let bytes: Vec<u8> = part.iter().flat_map(|word| word.to_le_bytes()).collect();
            super::cardinality::hash(5, &bytes)
        };
        let hashes: Vec<u64> = words.windows(RUN_WORDS).map(hash).collect();
        let mut known = vec![false; words.len()];
        for (at, hash) in hashes.iter().enumerate() {
            if self.seen.contains(hash) {
                known[at..at + RUN_WORDS].fill(true);
            }
        }
        run.charge(hashes.len() * 16)?;
        self.seen.extend(hashes);
        let mut known = known.into_iter();
        words.retain(|_| known.next() == Some(false));
        Ok(())
    }
}

/// What is collected of texts.
pub(super) struct Wanted<'a> {
    pub(super) cut: &'a dyn Cut,
    /// Which parts.
    pub(super) choice: Option<&'a Chooser>,
    /// Runs of words count once.
    pub(super) once: bool,
    /// The longest text of each bucket is noted, in a last nested part.
    pub(super) lengths: bool,
}

/// Buckets by part.
pub(super) struct Words<'a> {
    field: FieldValues<'a>,
    wanted: Wanted<'a>,
    names: Names<'a>,
    /// By name: whether it may be a bucket.
    allowed: Vec<bool>,
    runs: Option<Runs>,
    rows: Vec<u32>,
    /// Row, name, and bytes of the text.
    found: Vec<(u32, u64, u32)>,
    table: KeyTable<'a>,
    lengths: Vec<u32>,
    chosen: Vec<u32>,
    run: &'a Run,
}

impl<'a> Words<'a> {
    /// Over one segment.
    ///
    /// # Errors
    /// A column cannot be read.
    pub(super) fn new(at: &At<'a, '_>, field: &str, wanted: Wanted<'a>) -> Result<Self, LeafError> {
        let run = at.run();
        Ok(Self {
            field: at.field(field)?,
            names: Names { seen: HashMap::new(), list: Vec::new(), run },
            allowed: Vec::new(),
            runs: wanted.once.then(Runs::default),
            rows: Vec::new(),
            found: Vec::new(),
            table: KeyTable::new(at.nested()?, None, run),
            lengths: Vec::new(),
            chosen: Vec::new(),
            wanted,
            run,
        })
    }

    /// Cuts the texts of the rows.
    fn load(&mut self) -> Result<(), LeafError> {
        let (names, found, runs) = (&mut self.names, &mut self.found, &mut self.runs);
        let (allowed, wanted, run) = (&mut self.allowed, &self.wanted, self.run);
        found.clear();
        let mut parts = Vec::new();
        self.field.each_string(&self.rows, &mut |row, text| {
            parts.clear();
            let mut failed = Ok(());
            wanted.cut.cut(text, &mut |part| match names.ord(part) {
                Ok(ord) => parts.push(ord),
                Err(error) => failed = Err(error),
            });
            failed?;
            for name in &names.list[allowed.len()..] {
                let takes = |choice: &Chooser| choice.takes(&Key::Str(name.clone()));
                allowed.push(wanted.choice.is_none_or(takes));
            }
            if let Some(runs) = runs {
                runs.keep(&mut parts, run)?;
            }
            let parts = parts.iter().filter(|ord| allowed[**ord as usize]);
            found.extend(parts.map(|ord| (row, *ord, text.len() as u32)));
            Ok(())
        })?;
        found.sort_by_key(|(row, ..)| *row);
        Ok(())
    }
}

impl Collector for Words<'_> {
    fn collect(&mut self, block: &Block) -> Result<(), LeafError> {
        distinct(&block.rows, &mut self.rows);
        self.load()?;
        let mut from = 0;
        for (row, parent) in block.rows.iter().zip(&block.buckets) {
            while self.found.get(from).is_some_and(|(of, ..)| of < row) {
                from += 1;
            }
            self.chosen.clear();
            let of_row = self.found[from..].iter().take_while(|(of, ..)| of == row);
            for (_, ord, length) in of_row {
                let bucket = self.table.bucket(*parent, RawKey::Ord(*ord))?;
                if self.wanted.lengths {
                    let at = bucket as usize;
                    self.lengths.resize(self.lengths.len().max(at + 1), 0);
                    self.lengths[at] = self.lengths[at].max(*length);
                }
                self.chosen.push(bucket);
            }
            self.chosen.sort_unstable();
            self.chosen.dedup();
            let buckets = &mut self.table.buckets;
            self.chosen.iter().try_for_each(|bucket| buckets.add(*row, *bucket))?;
        }
        self.table.buckets.flush()
    }

    fn finish(&mut self, parents: usize) -> Result<Vec<Partial>, LeafError> {
        let mut out: Vec<HashMap<Key, Bucket>> = (0..parents).map(|_| HashMap::new()).collect();
        let list = self.table.finish_list(Some(&self.names), None)?;
        for (at, (parent, key, mut bucket)) in list.into_iter().enumerate() {
            if self.wanted.lengths {
                let mut stats = Stats::default();
                stats.add(self.lengths.get(at).copied().unwrap_or(0).into());
                bucket.subs.push(Partial::Stats(stats));
            }
            out[parent as usize].insert(key, bucket);
        }
        Ok(out.into_iter().map(Partial::Keyed).collect())
    }
}

/// A number of a part, the same everywhere.
pub(super) fn number_of(part: &str) -> u64 {
    hash_text(part)
}
