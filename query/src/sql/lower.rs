//! Which commands does a `SELECT` mean? Clauses to the commands that ES|QL has.
//!
//! Every selected item becomes a column `$0`, `$1`, …; the names that it is shown under stand beside.

use super::statement::{Item, Select};
use crate::error::{ErrorKind, QueryError};
use crate::esql::analyze::{Schema, contains_aggregate};
use crate::esql::parse::place;
use crate::esql::tree::{Command, CommandKind, Expr, ExprKind, Named, SortItem, Span};
use crate::esql::value::Cell;

/// Commands with the names of their columns.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// The commands.
    pub commands: Vec<Command>,
    /// The names of the columns.
    pub names: Vec<String>,
}

struct Lowering<'a> {
    text: &'a str,
    commands: Vec<Command>,
    /// Selected names and what they stand for.
    aliases: Vec<(String, Expr)>,
    table: Option<&'a str>,
    /// The grouped expressions, without their places.
    groups: Vec<Expr>,
    aggs: Vec<Named>,
}

/// Lowers a `SELECT` over these fields; `limit` is how many rows are wanted.
///
/// # Errors
/// A number in `ORDER BY` or `GROUP BY` names no item, or `*` is among aggregates.
pub fn lower(
    text: &str,
    select: &Select,
    schema: &Schema,
    limit: usize,
) -> Result<Lowered, QueryError> {
    let mut items = Vec::new();
    for item in &select.items {
        match item {
            Item::Expr(expr, name) => items.push((expr.clone(), name.clone())),
            Item::Star(span) => {
                let columns = schema
                    .fields
                    .iter()
                    .map(|field| (Expr::new(ExprKind::Column(field.path.clone()), *span), None));
                items.extend(columns);
            }
        }
    }
    let aliases = items.iter().filter_map(|(expr, name)| Some((name.clone()?, expr.clone())));
    let lowering = Lowering {
        text,
        commands: Vec::new(),
        aliases: aliases.collect(),
        table: select.alias.as_deref(),
        groups: Vec::new(),
        aggs: Vec::new(),
    };
    lowering.select(select, items, limit)
}

/// Whether a `SELECT` gives rows in the order of the records, newest first.
pub fn is_plain(select: &Select) -> bool {
    let aggregates = select.items.iter().any(|item| match item {
        Item::Expr(expr, _) => contains_aggregate(expr),
        Item::Star(_) => false,
    });
    !aggregates
        && !select.distinct
        && select.groups.is_empty()
        && select.having.is_none()
        && select.order.is_empty()
        && select.from.is_some()
}

fn column(name: &str, span: Span) -> Expr {
    Expr::new(ExprKind::Column(name.to_owned()), span)
}

fn named(name: String, expr: Expr) -> Named {
    Named { name, expr, filter: None }
}

/// An expression without its places, to compare it.
fn bare(e: &Expr) -> Expr {
    Expr { span: (0, 0), ..mapped(e, &mut |_| None) }
}

/// The expression with some parts replaced, and all places gone.
fn mapped(e: &Expr, replace: &mut dyn FnMut(&Expr) -> Option<Expr>) -> Expr {
    if let Some(other) = replace(e) {
        return other;
    }
    let mut each =
        |list: &[Expr]| -> Vec<Expr> { list.iter().map(|x| mapped(x, replace)).collect() };
    let kind = match &e.kind {
        ExprKind::Literal(..) | ExprKind::Column(_) | ExprKind::Star => e.kind.clone(),
        ExprKind::Call { name, args, distinct } => {
            ExprKind::Call { name: name.clone(), args: each(args), distinct: *distinct }
        }
        ExprKind::And(list) => ExprKind::And(each(list)),
        ExprKind::Or(list) => ExprKind::Or(each(list)),
        ExprKind::Negate(x) => ExprKind::Negate(Box::new(mapped(x, replace))),
        ExprKind::Not(x) => ExprKind::Not(Box::new(mapped(x, replace))),
        ExprKind::IsNull(x) => ExprKind::IsNull(Box::new(mapped(x, replace))),
        ExprKind::Like(x, like) => ExprKind::Like(Box::new(mapped(x, replace)), like.clone()),
        ExprKind::Cast(x, ty) => ExprKind::Cast(Box::new(mapped(x, replace)), *ty),
        ExprKind::Compare(op, a, b) => {
            ExprKind::Compare(*op, Box::new(mapped(a, replace)), Box::new(mapped(b, replace)))
        }
        ExprKind::Arithmetic(op, a, b) => {
            ExprKind::Arithmetic(*op, Box::new(mapped(a, replace)), Box::new(mapped(b, replace)))
        }
        ExprKind::In(x, list) => {
            let value = Box::new(mapped(x, replace));
            ExprKind::In(value, list.iter().map(|x| mapped(x, replace)).collect())
        }
    };
    Expr::new(kind, e.span)
}

impl Lowering<'_> {
    fn push(&mut self, kind: CommandKind) {
        self.commands.push(Command { kind, span: (0, 0) });
    }

    fn problem<T>(&self, span: Span, what: &str) -> Result<T, QueryError> {
        let reason = format!("Found 1 problem\n{}: {what}", place(self.text, span.0));
        Err(QueryError::of(ErrorKind::Verification, reason))
    }

    /// Names of items and of the table are replaced by what they stand for.
    fn resolved(&self, e: &Expr) -> Expr {
        let prefix = self.table.map(|t| format!("{t}."));
        mapped(e, &mut |part| {
            let ExprKind::Column(name) = &part.kind else { return None };
            if let Some((_, expr)) = self.aliases.iter().find(|(alias, _)| alias == name) {
                return Some(Expr { span: part.span, ..expr.clone() });
            }
            let rest = name.strip_prefix(prefix.as_deref()?)?;
            Some(column(rest, part.span))
        })
    }

    /// The item that a number means, else the expression itself.
    fn by_number(&self, e: &Expr, items: &[(Expr, Option<String>)]) -> Result<Expr, QueryError> {
        match &e.kind {
            ExprKind::Literal(Cell::Int(n), _) => {
                let at = usize::try_from(*n).ok().and_then(|n| n.checked_sub(1));
                match at.and_then(|at| items.get(at)) {
                    Some((expr, _)) => Ok(self.resolved(expr)),
                    None => {
                        let what = format!(
                            "Invalid ordinal [{n}] specified in clause (valid range is [1, {}])",
                            items.len()
                        );
                        self.problem(e.span, &what)
                    }
                }
            }
            _ => Ok(self.resolved(e)),
        }
    }

    /// Grouped expressions become the groups' columns.
    fn grouped(&self, e: &Expr) -> Expr {
        mapped(e, &mut |part| {
            let at = self.groups.iter().position(|g| bare(part) == *g)?;
            Some(column(&format!("$g{at}"), part.span))
        })
    }

    /// The column of an expression over groups, which is computed with the groups or after them.
    fn over_groups(&mut self, name: String, e: &Expr) -> Named {
        let expr = self.grouped(e);
        if contains_aggregate(&expr) {
            self.aggs.push(named(name.clone(), expr));
            let column = column(&name, e.span);
            return named(name, column);
        }
        named(name, expr)
    }

    /// The names that items are shown under.
    fn names(&self, items: &[(Expr, Option<String>)]) -> Vec<String> {
        items
            .iter()
            .map(|(expr, name)| match (name, &expr.kind) {
                (Some(name), _) => name.clone(),
                (None, ExprKind::Column(path)) => path.clone(),
                _ => self.text.get(expr.span.0..expr.span.1).unwrap_or("").to_owned(),
            })
            .collect()
    }

    /// Where the rows come from.
    fn start(&mut self, select: &Select) {
        match &select.from {
            Some((patterns, span)) => {
                let kind = CommandKind::From { patterns: patterns.clone(), metadata: Vec::new() };
                self.commands.push(Command { kind, span: *span });
            }
            None => {
                let null = ExprKind::Literal(Cell::Null, crate::esql::value::Type::Null);
                let row = named("$row".to_owned(), Expr::new(null, (0, 0)));
                self.push(CommandKind::Row(vec![row]));
            }
        }
    }

    fn select(
        mut self,
        select: &Select,
        items: Vec<(Expr, Option<String>)>,
        limit: usize,
    ) -> Result<Lowered, QueryError> {
        let names = self.names(&items);
        self.start(select);
        if let Some(condition) = &select.condition {
            let condition = self.resolved(condition);
            self.push(CommandKind::Where(condition));
        }
        let resolved: Vec<Expr> = items.iter().map(|(expr, _)| self.resolved(expr)).collect();
        let mut order = Vec::with_capacity(select.order.len());
        for key in &select.order {
            order.push(SortItem { expr: self.by_number(&key.expr, &items)?, ..key.clone() });
        }
        let having = select.having.as_ref().map(|e| self.resolved(e));
        let aggregates = !select.groups.is_empty()
            || having.is_some()
            || resolved.iter().any(contains_aggregate)
            || order.iter().any(|key| contains_aggregate(&key.expr));
        if aggregates {
            let mut groups = Vec::with_capacity(select.groups.len());
            for group in &select.groups {
                groups.push(self.by_number(group, &items)?);
            }
            self.aggregate(groups, &resolved, having, &mut order);
        } else {
            let columns = resolved.iter().enumerate();
            let fields: Vec<Named> =
                columns.map(|(at, expr)| named(format!("${at}"), expr.clone())).collect();
            self.push(CommandKind::Eval(fields));
        }
        if select.distinct {
            // Afterwards there are only the selected columns.
            let by: Vec<Named> = (0..names.len())
                .map(|at| named(format!("${at}"), column(&format!("${at}"), (0, 0))))
                .collect();
            self.push(CommandKind::Stats { aggs: Vec::new(), by });
            for key in &mut order {
                let wanted = bare(&key.expr);
                if let Some(at) = resolved.iter().position(|e| bare(e) == wanted) {
                    key.expr = column(&format!("${at}"), key.expr.span);
                }
            }
        }
        if !order.is_empty() {
            self.push(CommandKind::Sort(order));
        }
        self.push(CommandKind::Limit(limit));
        let kept = (0..names.len()).map(|at| (format!("${at}"), (0, 0))).collect();
        self.push(CommandKind::Keep(kept));
        Ok(Lowered { commands: self.commands, names })
    }

    fn aggregate(
        &mut self,
        groups: Vec<Expr>,
        resolved: &[Expr],
        having: Option<Expr>,
        order: &mut [SortItem],
    ) {
        let by: Vec<Named> = groups
            .iter()
            .enumerate()
            .map(|(at, expr)| named(format!("$g{at}"), expr.clone()))
            .collect();
        self.groups = groups.iter().map(bare).collect();
        let columns: Vec<Named> = resolved
            .iter()
            .enumerate()
            .map(|(at, expr)| self.over_groups(format!("${at}"), expr))
            .collect();
        let having = having.map(|e| self.over_groups("$having".to_owned(), &e));
        for (at, key) in order.iter_mut().enumerate() {
            key.expr = self.over_groups(format!("$order{at}"), &key.expr).expr;
        }
        let aggs = std::mem::take(&mut self.aggs);
        if aggs.is_empty() && by.is_empty() {
            // Nothing but constants: one row.
            let count =
                ExprKind::Call { name: "COUNT".to_owned(), args: Vec::new(), distinct: false };
            let count = named("$count".to_owned(), Expr::new(count, (0, 0)));
            self.push(CommandKind::Stats { aggs: vec![count], by });
        } else {
            self.push(CommandKind::Stats { aggs, by });
        }
        if let Some(having) = having {
            self.push(CommandKind::Where(having.expr));
        }
        self.push(CommandKind::Eval(columns));
    }
}
