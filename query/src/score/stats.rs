//! How rare is a word, and how long are texts? Counted in all records of the searched indexes, so
//! that a score does not depend on how records lie in splits.
//!
//! Knows no queries: only the tokens that are asked for.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use index::read::{Column, ColumnKind, LiveBatch, RowSet, Snapshot, Split};
use model::record::Value;
use rayon::ThreadPool;
use rayon::prelude::*;

use super::count;
use super::plan::Token;
use crate::erase::kept_rows;
use crate::leaf::{Count, LeafError, LiveView, Memo, Run, SplitEval};
use crate::plan::{IndexPatterns, Node};
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

/// Counts in a snapshot. Splits that cannot be read are left out: the search itself says so.
///
/// # Errors
/// The search was stopped.
pub fn collect(
    tokens: &[Token],
    indexes: &IndexPatterns,
    snapshot: &Snapshot,
    (run, pool): (&Run, &ThreadPool),
) -> Result<Stats, LeafError> {
    let mut out = Stats::default();
    let live = |batch: &std::sync::Arc<LiveBatch>| of_live(tokens, indexes, (snapshot, batch), run);
    let split = |split: &std::sync::Arc<Split>| {
        let mut names = split.meta().indexes.iter().map(|(name, _)| name.as_str());
        match names.any(|name| indexes.matches(name)) {
            true => of_split(tokens, indexes, (snapshot, split), run),
            false => Ok(Stats::default()),
        }
    };
    let parts: Vec<Result<Stats, LeafError>> = pool.install(|| {
        let live = snapshot.live.par_iter().map(live);
        live.chain(snapshot.splits.par_iter().with_max_len(1).map(split)).collect()
    });
    for part in parts {
        match part {
            Ok(part) => out.add(part),
            Err(LeafError::Read(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(out)
}

fn of_split(
    tokens: &[Token],
    indexes: &IndexPatterns,
    (snapshot, split): (&Snapshot, &Split),
    run: &Run,
) -> Result<Stats, LeafError> {
    run.check()?;
    let reader = split.open()?;
    let memo = Memo::default();
    let eval = SplitEval { reader: &reader, text_fields: &snapshot.text_fields, run, memo: &memo };
    let mut all = RowSet::all(reader.docs());
    if let Some(kept) = kept_rows(snapshot, split, &reader)? {
        all.and(&kept);
    }
    let within = eval.matching_of(&Node::All, indexes, &all)?;
    let mut out = Stats::default();
    if within.is_empty() {
        return Ok(out);
    }
    let whole = within.count() == reader.docs();
    for (number, token) in tokens.iter().enumerate() {
        for (info, column, view) in eval.columns_of(token)? {
            if !is_text(&column, view) {
                continue;
            }
            run.check()?;
            if let Entry::Vacant(field) = out.fields.entry(info.path.clone()) {
                field.insert(FieldStats {
                    docs: u64::from(column.rows_with_value(&within)?.count()),
                    tokens: count::tokens_of(&column, &within, run)?,
                });
            }
            let known = match whole {
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

/// Whether the strings of a column are scored by their words.
pub fn is_text(column: &Column, view: View) -> bool {
    matches!(column.kind(), ColumnKind::Dict | ColumnKind::Text) && view != View::Keyword
}

fn of_live(
    tokens: &[Token],
    indexes: &IndexPatterns,
    (snapshot, batch): (&Snapshot, &LiveBatch),
    run: &Run,
) -> Result<Stats, LeafError> {
    run.check()?;
    let view = LiveView::new(batch, snapshot.node, &snapshot.text_fields);
    let wanted: Vec<bool> =
        view.batch.indexes().iter().map(|name| indexes.matches(name.as_str())).collect();
    let rows: Vec<u32> = (0u32..)
        .zip(view.batch.records())
        .filter(|(_, record)| wanted[record.index as usize])
        .map(|(at, _)| at)
        .collect();
    let mut out = Stats::default();
    for (number, token) in tokens.iter().enumerate() {
        for (path, how) in view.paths_of(&token.target) {
            if how == View::Keyword {
                continue;
            }
            run.check()?;
            let name = view.batch.paths()[path as usize].to_string();
            if !out.fields.contains_key(&name) {
                let mut field = FieldStats::default();
                for row in &rows {
                    if let Some(counts) = count::of_record(&view, (*row, path), &[]) {
                        field.docs += 1;
                        field.tokens += u64::from(counts.length);
                    }
                }
                out.fields.insert(name.clone(), field);
            }
            let has = |row: &&u32| {
                let record = &view.batch.records()[**row as usize];
                let mut values = view.batch.values(record, path);
                values.any(|v| matches!(v, Value::Str(_)) && token.test.matches(v, how))
            };
            let found = rows.iter().filter(has).count() as u64;
            *out.found.entry((number, name)).or_default() += found;
        }
    }
    Ok(out)
}
