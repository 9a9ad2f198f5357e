//! Which column does a name mean? Lookups, patterns, and what was probably meant.

use super::{Analyzer, Column};
use crate::esql::plan::FieldKind;
use crate::esql::tree::Span;
use crate::esql::value::Type;
use crate::plan::glob;

/// Suggestions for names are looked for among so many.
const SUGGESTED_MAX: usize = 2_000;

impl Analyzer<'_> {
    /// The column of a name; a problem is noted when there is none.
    pub(super) fn lookup(&mut self, name: &str, span: Span) -> Option<Column> {
        if let Some(column) = self.columns.iter().find(|c| c.name == name) {
            return Some(column.clone());
        }
        if let Some(column) = self.keyword_column(name) {
            return Some(column);
        }
        let names = self.columns.iter().map(|c| c.name.as_str());
        let what = format!("Unknown column [{name}]{}", suggestion(name, names));
        self.problem(span, what);
        None
    }

    /// `message.keyword`: the whole text of a text field, where no field has this name.
    fn keyword_column(&mut self, name: &str) -> Option<Column> {
        let base = name.strip_suffix(".keyword")?;
        if !self.stages.is_empty() {
            return None;
        }
        let wanted = FieldKind::Path(base.to_owned());
        let field = self.fields.iter().find(|f| f.kind == wanted && f.ty.is_string())?;
        let slot = field.slot;
        // The field itself must still be what the name means.
        self.columns.iter().any(|c| c.slot == slot && c.name == base).then_some(())?;
        Some(Column { name: name.to_owned(), ty: Type::Keyword, slot })
    }

    /// The positions of the columns that a name or pattern means.
    fn matching(&mut self, pattern: &str, span: Span) -> Vec<usize> {
        if !pattern.contains('*') {
            if self.lookup(pattern, span).is_none() {
                return Vec::new();
            }
            if let Some(at) = self.columns.iter().position(|c| c.name == pattern) {
                return vec![at];
            }
            let Some(column) = self.keyword_column(pattern) else { return Vec::new() };
            self.columns.push(column);
            return vec![self.columns.len() - 1];
        }
        let found: Vec<usize> =
            (0..self.columns.len()).filter(|at| glob(pattern, &self.columns[*at].name)).collect();
        if found.is_empty() && pattern != "*" {
            self.problem(span, format!("No matches found for pattern [{pattern}]"));
        }
        found
    }

    /// `KEEP`: a column that several patterns mean stands where the most exact of them does.
    pub(super) fn keep(&mut self, patterns: &[(String, Span)]) {
        let mut kept: Vec<(usize, u8)> = Vec::new();
        for (pattern, span) in patterns {
            let weight = match pattern.as_str() {
                "*" => 4,
                p if p.contains('*') => 3,
                _ => 1,
            };
            for at in self.matching(pattern, *span) {
                match kept.iter().position(|(other, _)| *other == at) {
                    Some(place) if kept[place].1 >= weight => {
                        kept.remove(place);
                        kept.push((at, weight));
                    }
                    Some(_) => {}
                    None => kept.push((at, weight)),
                }
            }
        }
        self.columns = kept.into_iter().map(|(at, _)| self.columns[at].clone()).collect();
    }

    /// `DROP`.
    pub(super) fn drop(&mut self, patterns: &[(String, Span)]) {
        let mut gone = Vec::new();
        for (pattern, span) in patterns {
            gone.extend(self.matching(pattern, *span));
        }
        let mut at = 0;
        self.columns.retain(|_| {
            at += 1;
            !gone.contains(&(at - 1))
        });
    }

    /// `RENAME`.
    pub(super) fn rename(&mut self, pairs: &[(String, String, Span)]) {
        for (old, new, span) in pairs {
            let Some(column) = self.lookup(old, *span) else { continue };
            if old == new {
                continue;
            }
            self.columns.retain(|c| c.name != *new);
            match self.columns.iter_mut().find(|c| c.name == *old) {
                Some(shown) => shown.name.clone_from(new),
                None => self.set_column(new, column.ty, column.slot),
            }
        }
    }
}

/// `, did you mean [x]?` of the names that are near, best first.
pub(super) fn suggestion<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> String {
    let mut near: Vec<(f64, &str)> = names
        .take(SUGGESTED_MAX)
        .filter(|other| other.len() < 200 && name.len() < 200)
        .map(|other| (similarity(name, other), other))
        .filter(|(score, _)| *score > 0.5)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    near.truncate(5);
    match near.as_slice() {
        [] => String::new(),
        [(_, one)] => format!(", did you mean [{one}]?"),
        several => {
            let names: Vec<&str> = several.iter().map(|(_, name)| *name).collect();
            format!(", did you mean any of [{}]?", names.join(", "))
        }
    }
}

/// 1 less the share of characters that must change.
fn similarity(a: &str, b: &str) -> f64 {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = before + usize::from(x != y);
            before = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(before + 1);
        }
    }
    1.0 - row[b.len()] as f64 / a.len().max(b.len()).max(1) as f64
}
