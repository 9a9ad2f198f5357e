//! How often do words stand in the texts of a record? By dictionary and template where they tell,
//! else by reading the texts.
//!
//! Knows neither weights nor scores.

use hashbrown::HashMap;

use index::read::{Column, ColumnKind, RowSet, Templates, Values};
use model::record::Value;

use super::plan::{Counted, Term};
use crate::leaf::scan::BLOCK_ROWS;
use crate::leaf::{LeafError, LiveView, Run};
use crate::test::phrase::Tokenized;

/// What the texts of one field of a record hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// How many tokens.
    pub length: u32,
    /// How often each term stands there.
    pub frequency: Vec<f32>,
    /// How like the nearest token is, from 0 to 1: 1 but for fuzzy terms.
    pub likeness: Vec<f32>,
}

impl Counts {
    fn new(terms: usize) -> Self {
        Self { length: 0, frequency: vec![0.0; terms], likeness: vec![0.0; terms] }
    }

    fn clear(&mut self) {
        self.length = 0;
        self.frequency.fill(0.0);
        self.likeness.fill(0.0);
    }

    fn add(&mut self, other: &Counts) {
        self.length += other.length;
        for (mine, more) in self.frequency.iter_mut().zip(&other.frequency) {
            *mine += more;
        }
        for (mine, more) in self.likeness.iter_mut().zip(&other.likeness) {
            *mine = mine.max(*more);
        }
    }

    fn add_text(&mut self, text: &str, terms: &[Term]) {
        let text = Tokenized::new(text);
        self.length += text.count() as u32;
        for (at, term) in terms.iter().enumerate() {
            let (frequency, likeness) = match &term.how {
                Counted::Phrase(tokens, prefix, 0) => {
                    (text.occurrences(tokens, *prefix) as f32, 1.0)
                }
                Counted::Phrase(tokens, prefix, slop) => {
                    match text.sloppy(tokens, *prefix, *slop) {
                        // What counts as near counts at least as if it were as far as may be.
                        true => {
                            let least = 1.0 / (1.0 + *slop as f32);
                            (text.sloppy_frequency(tokens, *prefix, *slop).max(least), 1.0)
                        }
                        false => (0.0, 0.0),
                    }
                }
                Counted::Near(fuzzy) => match text.near(fuzzy) {
                    Some((count, edits)) => {
                        let length = fuzzy.test.text.chars().count().max(1) as f32;
                        (count as f32, (1.0 - f32::from(edits) / length).max(0.0))
                    }
                    None => (0.0, 0.0),
                },
            };
            if frequency > 0.0 {
                self.frequency[at] += frequency;
                self.likeness[at] = self.likeness[at].max(likeness);
            }
        }
    }
}

/// Calls `visit` with each row of the set that has strings, and what they hold.
///
/// # Errors
/// The split cannot be read, or the search was stopped.
pub fn for_each_row(
    column: &Column,
    terms: &[Term],
    (rows, run): (&RowSet, &Run),
    visit: &mut dyn FnMut(u32, &Counts),
) -> Result<(), LeafError> {
    match column.kind() {
        ColumnKind::Dict => by_dictionary(column, terms, (rows, run), visit),
        ColumnKind::Text => by_template(column, terms, (rows, run), visit),
        _ => Ok(()),
    }
}

/// Adds up what the values of a row hold, and hands it on with the next row.
struct Rows<'v> {
    at: Option<u32>,
    sum: Counts,
    visit: &'v mut dyn FnMut(u32, &Counts),
}

impl Rows<'_> {
    fn sum_of(&mut self, row: u32) -> &mut Counts {
        if self.at != Some(row) {
            self.finish();
            self.at = Some(row);
        }
        &mut self.sum
    }

    fn finish(&mut self) {
        if let Some(row) = self.at.take() {
            (self.visit)(row, &self.sum);
            self.sum.clear();
        }
    }
}

fn by_dictionary(
    column: &Column,
    terms: &[Term],
    (rows, run): (&RowSet, &Run),
    visit: &mut dyn FnMut(u32, &Counts),
) -> Result<(), LeafError> {
    let dictionary = column.dictionary()?;
    let mut known: HashMap<u32, Counts> = HashMap::new();
    let mut out = Rows { at: None, sum: Counts::new(terms.len()), visit };
    let mut values = Values::default();
    crate::leaf::scan::for_each_block(rows, run, |block| {
        values.clear();
        column.ords(block, &mut values)?;
        for (row, ord) in values.rows.iter().zip(&values.values) {
            let counts = known.entry(*ord).or_insert_with(|| {
                let mut counts = Counts::new(terms.len());
                counts.add_text(dictionary.get(*ord), terms);
                counts
            });
            out.sum_of(*row).add(counts);
        }
        Ok(())
    })?;
    out.finish();
    Ok(())
}

fn by_template(
    column: &Column,
    terms: &[Term],
    (rows, run): (&RowSet, &Run),
    visit: &mut dyn FnMut(u32, &Counts),
) -> Result<(), LeafError> {
    run.check()?;
    let templates = column.templates()?;
    let mut known: HashMap<u32, Option<Counts>> = HashMap::new();
    let mut read = RowSet::none(rows.docs());
    let mut found: Vec<(u32, u32)> = Vec::with_capacity(rows.count() as usize);
    column.for_each_template(rows, &mut |row, id| {
        let counts = known.entry(id).or_insert_with(|| template_counts(&templates, id, terms));
        if counts.is_none() {
            read.insert(row);
        }
        found.push((row, id));
    })?;
    let mut out = Rows { at: None, sum: Counts::new(terms.len()), visit };
    for (row, id) in found {
        if let (false, Some(Some(counts))) = (read.contains(row), known.get(&id)) {
            out.sum_of(row).add(counts);
        }
    }
    out.finish();
    let (mut seen, mut stopped) = (0usize, Ok(()));
    column.for_each_text(&read, &mut |row, text| {
        seen += 1;
        if seen.is_multiple_of(BLOCK_ROWS) {
            stopped = run.check();
        }
        out.sum_of(row).add_text(text, terms);
        stopped.is_ok()
    })?;
    stopped?;
    out.finish();
    Ok(())
}

/// What every text of a template holds, where the template alone tells: each slot is one token, and
/// has a digit.
fn template_counts(templates: &Templates, id: u32, terms: &[Term]) -> Option<Counts> {
    if id == Templates::RAW {
        return None;
    }
    let pieces: Vec<&str> = templates.pieces(id).collect();
    let mut out = Counts::new(terms.len());
    if let [text] = pieces.as_slice() {
        out.add_text(text, terms);
        return Some(out);
    }
    let told = |term: &Term| match &term.how {
        Counted::Phrase(tokens, false, _) => {
            tokens.len() == 1 && !tokens[0].bytes().any(|b| b.is_ascii_digit())
        }
        _ => false,
    };
    if !terms.iter().all(told) {
        return None;
    }
    pieces.iter().for_each(|piece| out.add_text(piece, terms));
    out.length += pieces.len() as u32 - 1;
    Some(out)
}

/// How many tokens the strings of the rows have.
///
/// # Errors
/// The split cannot be read, or the search was stopped.
pub fn tokens_of(column: &Column, rows: &RowSet, run: &Run) -> Result<u64, LeafError> {
    let all = rows.count() == rows.docs();
    let mut sum = 0u64;
    match column.kind() {
        ColumnKind::Dict if all => {
            let dictionary = column.dictionary()?;
            let mut counts = vec![0u64; dictionary.len()];
            column.count_ords(0..rows.docs(), &mut counts)?;
            for (ord, count) in (0u32..).zip(counts) {
                sum += count * Tokenized::new(dictionary.get(ord)).count() as u64;
            }
            return Ok(sum);
        }
        ColumnKind::Text if all && column.templates()?.count(Templates::RAW) == 0 => {
            let templates = column.templates()?;
            for id in 0..templates.len() as u32 {
                let counts = template_counts(&templates, id, &[]);
                sum += templates.count(id) * counts.map_or(0, |c| u64::from(c.length));
            }
            return Ok(sum);
        }
        _ => {}
    }
    for_each_row(column, &[], (rows, run), &mut |_, counts| sum += u64::from(counts.length))?;
    Ok(sum)
}

/// What the strings of a field of a live record hold; `None` where there is none.
pub fn of_record(view: &LiveView<'_>, (at, path): (u32, u32), terms: &[Term]) -> Option<Counts> {
    let record = &view.batch.records()[at as usize];
    let mut out = None;
    for value in view.batch.values(record, path) {
        if let Value::Str(text) = value {
            out.get_or_insert_with(|| Counts::new(terms.len())).add_text(text, terms);
        }
    }
    out
}
