//! How rare is a word, and how long are texts? Counted in all records of the searched indexes, so
//! that a score does not depend on how records lie in splits.
//!
//! Knows no queries: only the tokens that are asked for.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use index::read::{Column, ColumnKind, LiveBatch, RowSet, Snapshot, Split};
use model::record::Value;
use rayon::ThreadPool;
use rayon::prelude::*;

use super::count;
use super::plan::Token;
use crate::erase::kept_rows;
use crate::leaf::{Count, LeafError, LiveView, Memo, Run, SplitEval};
use crate::plan::{IndexPatterns, Node};
use crate::search::PartialCache;
use crate::test::View;

/// The strings of one field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FieldStats {
    /// How many records have some.
    pub docs: u64,
    /// How many tokens they have.
    pub tokens: u64,
}

/// What scores need to know of all records.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stats {
    fields: HashMap<String, FieldStats>,
    /// How many records have a token in a field, by the token's number.
    found: HashMap<(usize, String), u64>,
}

impl Stats {
    /// The strings of a field.
    pub fn field(&self, path: &str) -> FieldStats {
        self.fields.get(path).copied().unwrap_or_default()
    }

    /// How many records have a token in a field.
    pub fn found(&self, token: usize, path: &str) -> u64 {
        self.found.get(&(token, path.to_owned())).copied().unwrap_or(0)
    }

    fn add(&mut self, other: Stats) {
        for (path, more) in other.fields {
            let field = self.fields.entry(path).or_default();
            field.docs += more.docs;
            field.tokens += more.tokens;
        }
        for (key, more) in other.found {
            *self.found.entry(key).or_default() += more;
        }
    }
}

/// Where statistics are counted.
#[derive(Clone, Copy)]
pub struct Whole<'a> {
    /// The indexes that are searched.
    pub indexes: &'a IndexPatterns,
    /// All records.
    pub snapshot: &'a Snapshot,
    /// What is known of splits: they never change.
    pub known: Option<&'a PartialCache>,
}

/// Counts in a snapshot. Splits that cannot be read are left out: the search itself says so.
///
/// # Errors
/// The search was stopped.
pub fn collect(
    tokens: &[Token],
    whole: Whole<'_>,
    (run, pool): (&Run, &ThreadPool),
) -> Result<Stats, LeafError> {
    let mut out = each_segment(
        whole,
        |batch| of_live(tokens, (whole, batch), run),
        |split| of_split(tokens, (whole, split), run),
        pool,
    )?;
    // How long texts are is asked only of fields that have one of the tokens somewhere.
    out.found.retain(|_, found| *found > 0);
    let paths: BTreeSet<&str> = out.found.keys().map(|(_, path)| path.as_str()).collect();
    let fields = each_segment(
        whole,
        |batch| Ok(fields_of_live(&paths, (whole, batch))),
        |split| fields_of_split(&paths, (whole, split), run),
        pool,
    )?;
    out.fields = fields.fields;
    Ok(out)
}

fn each_segment(
    whole: Whole<'_>,
    live: impl Fn(&LiveBatch) -> Result<Stats, LeafError> + Sync,
    split: impl Fn(&Split) -> Result<Stats, LeafError> + Sync,
    pool: &ThreadPool,
) -> Result<Stats, LeafError> {
    let in_split = |split_: &Arc<Split>| {
        let mut names = split_.meta().indexes.iter().map(|(name, _)| name.as_str());
        match names.any(|name| whole.indexes.matches(name)) {
            true => split(split_),
            false => Ok(Stats::default()),
        }
    };
    let parts: Vec<Result<Stats, LeafError>> = pool.install(|| {
        let live = whole.snapshot.live.par_iter().map(|batch| live(batch));
        live.chain(whole.snapshot.splits.par_iter().with_max_len(1).map(in_split)).collect()
    });
    let mut out = Stats::default();
    for part in parts {
        match part {
            Ok(part) => out.add(part),
            Err(LeafError::Read(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(out)
}

/// The rows of a split that count.
fn counted_rows(
    whole: Whole<'_>,
    split: &Split,
    eval: &SplitEval<'_>,
) -> Result<RowSet, LeafError> {
    let mut all = RowSet::all(eval.reader.docs());
    if let Some(kept) = kept_rows(whole.snapshot, split, eval.reader)? {
        all.and(&kept);
    }
    eval.matching_of(&Node::All, whole.indexes, &all)
}

fn of_split(
    tokens: &[Token],
    (whole, split): (Whole<'_>, &Split),
    run: &Run,
) -> Result<Stats, LeafError> {
    run.check()?;
    let reader = split.open()?;
    let memo = Memo::default();
    let text_fields = &whole.snapshot.text_fields;
    let eval = SplitEval { reader: &reader, text_fields, run, memo: &memo };
    let within = counted_rows(whole, split, &eval)?;
    let mut out = Stats::default();
    if within.is_empty() {
        return Ok(out);
    }
    let all = within.count() == reader.docs();
    for (number, token) in tokens.iter().enumerate() {
        for (info, column, view) in eval.columns_of(token)? {
            if !is_text(&column, view) {
                continue;
            }
            run.check()?;
            let known = match all {
                true => eval.count_of((info, &column), (&token.test, view))?,
                false => None,
            };
            let found = match known {
                Some(Count::Known(count)) => count,
                Some(Count::Slots(sure, column, plan)) => sure + eval.slot_count(&column, &plan)?,
                None => {
                    let rows = eval.column_rows((info, &column), (&token.test, view), &within)?;
                    u64::from(rows.count())
                }
            };
            *out.found.entry((number, info.path.clone())).or_default() += found;
        }
    }
    Ok(out)
}

fn fields_of_split(
    paths: &BTreeSet<&str>,
    (whole, split): (Whole<'_>, &Split),
    run: &Run,
) -> Result<Stats, LeafError> {
    run.check()?;
    let reader = split.open()?;
    let memo = Memo::default();
    let text_fields = &whole.snapshot.text_fields;
    let eval = SplitEval { reader: &reader, text_fields, run, memo: &memo };
    let within = counted_rows(whole, split, &eval)?;
    let all = within.count() == reader.docs();
    let mut out = Stats::default();
    for path in paths {
        let known = whole.known.filter(|_| all);
        if let Some((docs, tokens)) = known.and_then(|known| known.field(split.meta(), path)) {
            out.fields.insert((*path).to_owned(), FieldStats { docs, tokens });
            continue;
        }
        let mut field = FieldStats::default();
        for column in reader.columns(path)? {
            if is_text(&column, View::Column) {
                run.check()?;
                field.docs += u64::from(column.rows_with_value(&within)?.count());
                field.tokens += count::tokens_of(&column, &within, run)?;
            }
        }
        if let Some(known) = known {
            known.keep_field(split.meta(), path, (field.docs, field.tokens));
        }
        out.fields.insert((*path).to_owned(), field);
    }
    Ok(out)
}

/// The positions of the records of a batch that count.
fn counted_records(whole: Whole<'_>, view: &LiveView<'_>) -> Vec<u32> {
    let names = view.batch.indexes().iter();
    let wanted: Vec<bool> = names.map(|name| whole.indexes.matches(name.as_str())).collect();
    let records = (0u32..).zip(view.batch.records());
    records.filter(|(_, record)| wanted[record.index as usize]).map(|(at, _)| at).collect()
}

fn fields_of_live(paths: &BTreeSet<&str>, (whole, batch): (Whole<'_>, &LiveBatch)) -> Stats {
    let view = LiveView::new(batch, whole.snapshot.node, &whole.snapshot.text_fields);
    let rows = counted_records(whole, &view);
    let mut out = Stats::default();
    for path in paths {
        let Some(id) = view.batch.path_id(path) else { continue };
        let mut field = FieldStats::default();
        for row in &rows {
            if let Some(counts) = count::of_record(&view, (*row, id), &[]) {
                field.docs += 1;
                field.tokens += u64::from(counts.length);
            }
        }
        out.fields.insert((*path).to_owned(), field);
    }
    out
}

fn of_live(
    tokens: &[Token],
    (whole, batch): (Whole<'_>, &LiveBatch),
    run: &Run,
) -> Result<Stats, LeafError> {
    let view = LiveView::new(batch, whole.snapshot.node, &whole.snapshot.text_fields);
    let rows = counted_records(whole, &view);
    let mut out = Stats::default();
    for (number, token) in tokens.iter().enumerate() {
        for (path, how) in view.paths_of(&token.target) {
            if how == View::Keyword {
                continue;
            }
            run.check()?;
            let has = |row: &&u32| {
                let record = &view.batch.records()[**row as usize];
                let mut values = view.batch.values(record, path);
                values.any(|v| matches!(v, Value::Str(_)) && token.test.matches(v, how))
            };
            let found = rows.iter().filter(has).count() as u64;
            let name = view.batch.paths()[path as usize].to_string();
            *out.found.entry((number, name)).or_default() += found;
        }
    }
    Ok(out)
}

/// Whether the strings of a column are scored by their words.
pub fn is_text(column: &Column, view: View) -> bool {
    matches!(column.kind(), ColumnKind::Dict | ColumnKind::Text) && view != View::Keyword
}
