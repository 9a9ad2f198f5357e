//! What does a full text function ask of the search? `MATCH`, `:`, `QSTR`, `KQL`.
//!
//! Rows cannot be asked: the search's answer becomes a column of the source.

use super::expr::{Typed, null};
use super::{Analyzer, Fatal};
use crate::ast::Query;
use crate::clause::{Budget, Clauses, Mismatch, Needed, target};
use crate::dates::Dates;
use crate::esql::plan::{Ex, FieldKind};
use crate::esql::tree::{Expr, ExprKind, Span};
use crate::esql::value::Type;
use crate::syntax::{self, Options};

impl Analyzer<'_> {
    /// `MATCH`, `:`, `QSTR`, `KQL`: what the search itself answers.
    pub(super) fn full_text(&mut self, name: &str, args: &[Expr], span: Span) -> Fatal<Typed> {
        let shown = if name == ":" {
            "[:] operator".to_owned()
        } else {
            format!("[{}] function", name.to_ascii_uppercase())
        };
        if !self.stages.is_empty() || !self.of_records || self.groups.is_some() {
            let what = format!("{shown} cannot be used after STATS or LIMIT, or without FROM");
            self.problem(span, what);
            return Ok(null());
        }
        let whole = matches!(name.to_ascii_uppercase().as_str(), "QSTR" | "KQL");
        if args.len() != if whole { 1 } else { 2 } {
            let lower = name.to_ascii_lowercase();
            let count = if whole { "one argument" } else { "two arguments" };
            let what = format!("error building [{lower}]: expects exactly {count}");
            return self.malformed(span, &what);
        }
        let asked = &args[args.len() - 1];
        let ExprKind::Literal(value, ty) = &asked.kind else {
            let what = format!(
                "{} argument of [{}] must be a constant, received [{}]",
                if whole { "first" } else { "second" },
                self.shown(span),
                self.shown(asked.span)
            );
            self.problem(span, what);
            return Ok(null());
        };
        let text = value.print(*ty);
        let mut budget = Budget::new(self.settings.limits);
        let dates = Dates { zone: self.context.zone.clone(), ..Dates::at(self.context.now) };
        let mut clauses =
            Clauses { dates: &dates, mismatch: Mismatch::NoMatch, budget: &mut budget };
        let query: Query = match name.to_ascii_uppercase().as_str() {
            "QSTR" => syntax::parse(&text, &Options::lucene(), &mut clauses, 0)?,
            "KQL" => syntax::parse(&kql(&text), &Options::logdrive(), &mut clauses, 0)?,
            other => {
                let ExprKind::Column(field) = &args[0].kind else {
                    let what = format!(
                        "{shown} cannot operate on [{}], which is not a field from \
                        an index mapping",
                        self.shown(args[0].span)
                    );
                    self.problem(args[0].span, what);
                    return Ok(null());
                };
                let field = match self.lookup(field, args[0].span) {
                    Some(column) => self.path_of(column.slot, field),
                    None => return Ok(null()),
                };
                let Some(path) = field else {
                    let what = format!(
                        "{shown} cannot operate on [{}], which is not a field from \
                        an index mapping",
                        self.shown(args[0].span)
                    );
                    self.problem(args[0].span, what);
                    return Ok(null());
                };
                match other {
                    "MATCH_PHRASE" => clauses.phrase(target(&path), &text, (0, false))?,
                    _ => clauses.words(target(&path), &text, &Needed::Any)?,
                }
            }
        };
        let slot = self.source_field(FieldKind::Matches(Box::new(query)), Type::Boolean);
        Ok((Ex::Slot(slot), Type::Boolean))
    }

    /// The path of a source column; `name` may be its `.keyword`.
    fn path_of(&self, slot: usize, name: &str) -> Option<String> {
        match &self.fields.iter().find(|f| f.slot == slot)?.kind {
            FieldKind::Path(path) if format!("{path}.keyword") == name => Some(name.to_owned()),
            FieldKind::Path(path) => Some(path.clone()),
            FieldKind::Time => Some("@timestamp".to_owned()),
            FieldKind::Index => Some("_index".to_owned()),
            FieldKind::Id => Some("_id".to_owned()),
            _ => None,
        }
    }
}

/// A KQL text in the words of our own language: `and`, `or`, `not` may be small there.
fn kql(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    let mut quoted = false;
    let mut escaped = false;
    let finish = |word: &mut String, out: &mut String| {
        match word.to_ascii_lowercase().as_str() {
            upper @ ("and" | "or" | "not") => out.push_str(&upper.to_ascii_uppercase()),
            _ => out.push_str(word),
        }
        word.clear();
    };
    for c in text.chars() {
        if quoted || escaped || c == '\\' || c == '"' {
            finish(&mut word, &mut out);
            quoted = if c == '"' && !escaped { !quoted } else { quoted };
            escaped = c == '\\' && !escaped;
            out.push(c);
        } else if c.is_whitespace() || matches!(c, '(' | ')') {
            finish(&mut word, &mut out);
            out.push(c);
        } else {
            word.push(c);
        }
    }
    finish(&mut word, &mut out);
    out
}
