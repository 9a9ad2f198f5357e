//! What type has an expression, and may it be asked? Expressions to typed ones over slots.

use std::sync::Arc;

use super::names::suggestion;
use super::{Analyzer, Fatal};
use crate::ast::TextTest;
use crate::esql::functions::{self, Function, Kind, Prepared, Returns, literal_to};
use crate::esql::plan::{Call, Ex};
use crate::esql::tree::{Arithmetic, Compare, Expr, ExprKind, Like, Span};
use crate::esql::value::{Cell, Type};
use crate::test::Pattern;

/// A typed expression.
pub(super) type Typed = (Ex, Type);

pub(super) const ORDINALS: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];

pub(super) fn null() -> Typed {
    (Ex::Const(Cell::Null), Type::Null)
}

/// `numeric` for every number: how errors of comparisons name types.
fn class(ty: Type) -> &'static str {
    if ty.is_number() { "numeric" } else { ty.name() }
}

impl Analyzer<'_> {
    /// Types an expression; problems are noted, and the result is then of no account.
    pub(super) fn expr(&mut self, e: &Expr) -> Fatal<Typed> {
        let (ex, ty) = self.typed(e)?;
        Ok((self.folded(ex), ty))
    }

    /// A constant when all parts are.
    fn folded(&self, ex: Ex) -> Ex {
        let mut constant = !matches!(ex, Ex::Const(_));
        ex.slots(&mut |_| constant = false);
        match constant {
            true => Ex::Const(ex.eval(&Default::default(), 0, &self.context)),
            false => ex,
        }
    }

    fn typed(&mut self, e: &Expr) -> Fatal<Typed> {
        Ok(match &e.kind {
            ExprKind::Literal(cell, ty) => (Ex::Const(cell.clone()), *ty),
            ExprKind::Column(name) => self.column(name, e.span),
            ExprKind::Star => {
                self.problem(e.span, "`*` is only an argument of COUNT");
                null()
            }
            ExprKind::Call { name, args, distinct } => {
                if let Some(done) = self.aggregate(name, args, *distinct, e.span)? {
                    return Ok(done);
                }
                self.call(name, args, e.span)?
            }
            ExprKind::Negate(inner) => self.negate(inner, e.span)?,
            ExprKind::Not(inner) => {
                let inner = self.condition(inner, e.span, "")?;
                (Ex::Not(Box::new(inner)), Type::Boolean)
            }
            ExprKind::And(list) | ExprKind::Or(list) => {
                let mut parts = Vec::with_capacity(list.len());
                for (at, part) in list.iter().enumerate() {
                    let ordinal = ORDINALS[usize::from(at > 0)];
                    parts.push(self.condition(part, e.span, ordinal)?);
                }
                let all = matches!(e.kind, ExprKind::And(_));
                (if all { Ex::And(parts) } else { Ex::Or(parts) }, Type::Boolean)
            }
            ExprKind::Compare(op, a, b) => self.comparison(*op, (a, b), e.span)?,
            ExprKind::Arithmetic(op, a, b) => self.arithmetic(*op, (a, b), e.span)?,
            ExprKind::In(value, list) => self.membership(value, list, e.span)?,
            ExprKind::Like(text, pattern) => self.like(text, pattern, e.span)?,
            ExprKind::IsNull(inner) => {
                let (ex, _) = self.expr(inner)?;
                (Ex::IsNull(Box::new(ex)), Type::Boolean)
            }
            ExprKind::Cast(inner, ty) => self.cast(inner, *ty, e.span)?,
        })
    }

    fn column(&mut self, name: &str, span: Span) -> Typed {
        if self.groups.is_some() {
            return self.group_column(name, span);
        }
        match self.lookup(name, span) {
            Some(column) => (Ex::Slot(column.slot), column.ty),
            None => null(),
        }
    }

    fn condition(&mut self, e: &Expr, whole: Span, ordinal: &str) -> Fatal<Ex> {
        let (ex, ty) = self.expr(e)?;
        if !matches!(ty, Type::Boolean | Type::Null) {
            let lead = if ordinal.is_empty() { String::new() } else { format!("{ordinal} ") };
            let what = format!(
                "{lead}argument of [{}] must be [boolean], found value [{}] type [{}]",
                self.shown(whole),
                self.shown(e.span),
                ty.name()
            );
            self.problem(whole, what);
        }
        Ok(ex)
    }

    fn negate(&mut self, inner: &Expr, span: Span) -> Fatal<Typed> {
        let (ex, ty) = self.expr(inner)?;
        if !ty.is_number() && !ty.is_span() && ty != Type::Null {
            let what = format!(
                "argument of [{}] must be [numeric, date_period or time_duration], found value \
                 [{}] type [{}]",
                self.shown(span),
                self.shown(inner.span),
                ty.name()
            );
            self.problem(span, what);
        }
        Ok((Ex::Negate(ty, Box::new(ex)), ty))
    }

    /// A constant text as the type of what it is compared with.
    pub(super) fn adapted(&mut self, (ex, ty): Typed, to: Type, e: &Expr) -> Typed {
        let wanted = matches!(to, Type::Date | Type::Ip | Type::Boolean);
        if !wanted || !ty.is_string() {
            return (ex, ty);
        }
        let Ex::Const(cell) = &ex else { return (ex, ty) };
        let each: Option<Vec<Cell>> =
            cell.values().iter().map(|c| literal_to(c.as_text()?, to)).collect();
        match each {
            Some(list) => (Ex::Const(Cell::of_list(list)), to),
            None => {
                let what = format!(
                    "Cannot convert string [{}] to [{}]",
                    cell.as_text().unwrap_or("null"),
                    to.name().to_ascii_uppercase()
                );
                self.problem(e.span, what);
                (Ex::Const(Cell::Null), to)
            }
        }
    }

    fn comparison(&mut self, op: Compare, (a, b): (&Expr, &Expr), span: Span) -> Fatal<Typed> {
        let (left, right) = (self.expr(a)?, self.expr(b)?);
        let left = self.adapted(left, right.1, a);
        let right = self.adapted(right, left.1, b);
        let (x, y) = (left.1, right.1);
        let ordered = !matches!(op, Compare::Eq | Compare::Ne);
        if x.common(y).is_none() {
            let what = format!(
                "first argument of [{}] is [{}] so second argument must also be [{}] but was [{}]",
                self.shown(span),
                class(x),
                class(x),
                y.name()
            );
            self.problem(span, what);
        } else if ordered && (x == Type::Boolean || y == Type::Boolean)
            || x.is_span()
            || y.is_span()
            || x == Type::Source
            || y == Type::Source
        {
            let (at, ty, ordinal) = if matches!(x, Type::Boolean) || x.is_span() {
                (a, x, "first")
            } else {
                (b, y, "second")
            };
            let what = format!(
                "{ordinal} argument of [{}] must be [numeric, keyword, text, ip or datetime], \
                 found value [{}] type [{}]",
                self.shown(span),
                self.shown(at.span),
                ty.name()
            );
            self.problem(span, what);
        }
        Ok((Ex::Compare(op, Box::new(left.0), Box::new(right.0)), Type::Boolean))
    }

    fn membership(&mut self, value: &Expr, list: &[Expr], span: Span) -> Fatal<Typed> {
        let mut left = self.expr(value)?;
        let mut items = Vec::with_capacity(list.len());
        for item in list {
            let typed = self.expr(item)?;
            left = self.adapted(left, typed.1, value);
            let (ex, ty) = self.adapted(typed, left.1, item);
            if left.1.common(ty).is_none() {
                let what = format!(
                    "{} argument of [{}] must be [{}], found value [{}] type [{}]",
                    ORDINALS.get(items.len() + 1).unwrap_or(&"last"),
                    self.shown(span),
                    left.1.name(),
                    self.shown(item.span),
                    ty.name()
                );
                self.problem(item.span, what);
            }
            items.push(ex);
        }
        Ok((Ex::In(Box::new(left.0), items), Type::Boolean))
    }

    fn arithmetic(&mut self, op: Arithmetic, (a, b): (&Expr, &Expr), span: Span) -> Fatal<Typed> {
        let (left, right) = (self.expr(a)?, self.expr(b)?);
        let moves = matches!(op, Arithmetic::Add | Arithmetic::Sub);
        // A constant text beside a span is a date.
        let left = if right.1.is_span() { self.adapted(left, Type::Date, a) } else { left };
        let ty = match (left.1, right.1) {
            (Type::Null, Type::Null) => Some(Type::Null),
            (Type::Date, y) if moves && (y.is_span() || y == Type::Null) => Some(Type::Date),
            (x, Type::Date) if op == Arithmetic::Add && (x.is_span() || x == Type::Null) => {
                Some(Type::Date)
            }
            (x, y) if moves && x == y && x.is_span() => Some(x),
            (x, y) => x.common(y).filter(|ty| ty.is_number()),
        };
        let Some(ty) = ty else {
            let (at, of, ordinal) = match left.1 {
                x if x.is_number() || x == Type::Date || x.is_span() => (b, right.1, "second"),
                x => (a, x, "first"),
            };
            let what = match (left.1, right.1) {
                (x, y)
                    if (x.is_number() || x == Type::Date || x.is_span())
                        && (y.is_number() || y == Type::Date || y.is_span()) =>
                {
                    format!(
                        "[{}] has arguments with incompatible types [{}] and [{}]",
                        op.sign(),
                        x.name(),
                        y.name()
                    )
                }
                _ => format!(
                    "{ordinal} argument of [{}] must be [{}], found value [{}] type [{}]",
                    self.shown(span),
                    if moves { "datetime or numeric" } else { "numeric" },
                    self.shown(at.span),
                    of.name()
                ),
            };
            self.problem(span, what);
            return Ok(null());
        };
        Ok((Ex::Arithmetic(op, ty, Box::new(left), Box::new(right)), ty))
    }

    fn like(&mut self, text: &Expr, pattern: &Like, span: Span) -> Fatal<Typed> {
        let (ex, ty) = self.expr(text)?;
        if !ty.is_string() && ty != Type::Null {
            let what = format!(
                "argument of [{}] must be [string], found value [{}] type [{}]",
                self.shown(span),
                self.shown(text.span),
                ty.name()
            );
            self.problem(span, what);
        }
        let (Like::Wildcard(raw) | Like::Regex(raw)) = pattern;
        let limit = self.settings.limits.regex_bytes_max;
        if raw.len() > limit {
            let what = format!("the pattern is over [{limit}] bytes long");
            return self.malformed(span, &what);
        }
        let test = TextTest { text: raw.clone(), fold: false };
        let compiled = match pattern {
            Like::Wildcard(_) => Pattern::wildcard(&test),
            Like::Regex(_) => Pattern::regex(&test),
        };
        match compiled {
            Ok(compiled) => {
                let pattern = Arc::new((compiled, pattern.clone()));
                Ok((Ex::Like(Box::new(ex), pattern), Type::Boolean))
            }
            Err(error) => self.malformed(span, &format!("Invalid pattern: {}", error.reason)),
        }
    }

    fn cast(&mut self, inner: &Expr, to: Type, span: Span) -> Fatal<Typed> {
        let (ex, from) = self.expr(inner)?;
        if to.is_span() {
            let cell = match &ex {
                Ex::Const(Cell::Text(text)) => literal_to(text, to),
                _ => None,
            };
            return match cell {
                Some(cell) => Ok((Ex::Const(cell), to)),
                None => {
                    let what = format!(
                        "argument of [{}] must be a constant text such as \"3 days\", found value \
                         [{}] type [{}]",
                        self.shown(span),
                        self.shown(inner.span),
                        from.name()
                    );
                    self.problem(span, what);
                    Ok(null())
                }
            };
        }
        let takes = match to {
            Type::Keyword | Type::Text => !from.is_span(),
            Type::Ip => from.is_string() || from == Type::Ip || from == Type::Null,
            Type::Null => false,
            _ => Kind::Plain.takes(from),
        };
        if !takes {
            let what = format!(
                "argument of [{}] must be convertible to [{}], found value [{}] type [{}]",
                self.shown(span),
                to.name(),
                self.shown(inner.span),
                from.name()
            );
            self.problem(span, what);
        }
        Ok((Ex::Convert(from, to, Box::new(ex)), to))
    }

    fn call(&mut self, name: &str, args: &[Expr], span: Span) -> Fatal<Typed> {
        match name.to_ascii_uppercase().as_str() {
            "CASE" => return self.case(args, span),
            "COALESCE" => return self.coalesce(args, span),
            "BUCKET" | "BIN" => return self.bucket(args, span),
            ":" | "MATCH" | "MATCH_PHRASE" | "QSTR" | "KQL" => {
                return self.full_text(name, args, span);
            }
            _ => {}
        }
        let Some(function) = functions::find(name).filter(|f| !f.name.starts_with('$')) else {
            let lower = name.to_ascii_lowercase();
            let names: Vec<String> = functions::names().map(str::to_ascii_lowercase).collect();
            let near = suggestion(&lower, names.iter().map(String::as_str));
            self.problem(span, format!("Unknown function [{name}]{near}"));
            return Ok(null());
        };
        let least = function.args.len() - function.optional;
        let most = if function.variadic { usize::MAX } else { function.args.len() };
        if !(least..=most).contains(&args.len()) {
            let words = ["zero", "one", "two", "three", "four"];
            let word = |n: usize| words.get(n).copied().unwrap_or("several");
            let expected = match (least, most) {
                (0, 0) => "doesn't expect any arguments".to_owned(),
                (1, 1) => "expects exactly one argument".to_owned(),
                (least, usize::MAX) => format!("expects at least {} arguments", word(least)),
                (least, most) if least == most => {
                    format!("expects exactly {} arguments", word(least))
                }
                (least, most) => format!("expects {} or {} arguments", word(least), word(most)),
            };
            let lower = name.to_ascii_lowercase();
            return self.malformed(span, &format!("error building [{lower}]: {expected}"));
        }
        let mut typed = Vec::with_capacity(args.len());
        for (at, arg) in args.iter().enumerate() {
            let kind = function.args[at.min(function.args.len() - 1)];
            let one = self.expr(arg)?;
            let wanted = match kind {
                Kind::Date => Type::Date,
                Kind::Ip => Type::Ip,
                _ => Type::Null,
            };
            typed.push(self.adapted(one, wanted, arg));
        }
        self.build(function, typed, (args, span))
    }

    /// A call, once its arguments are typed.
    pub(super) fn build(
        &mut self,
        function: &'static Function,
        typed: Vec<Typed>,
        (args, span): (&[Expr], Span),
    ) -> Fatal<Typed> {
        let mut common = Some(Type::Null);
        for (at, (_, ty)) in typed.iter().enumerate() {
            let kind = function.args[at.min(function.args.len() - 1)];
            let same = kind == Kind::Same || function.returns == Returns::Common;
            let before = common.unwrap_or(Type::Null);
            if same || at == 0 {
                common = before.common(*ty);
            }
            if kind.takes(*ty) && common.is_some() {
                continue;
            }
            let which = match typed.len() {
                1 => String::new(),
                _ => format!("{} ", ORDINALS.get(at).unwrap_or(&"last")),
            };
            let wanted = if same && at > 0 { before.name() } else { kind.name() };
            let shown = args.get(at).map_or(span, |a| a.span);
            let what = format!(
                "{which}argument of [{}] must be [{wanted}], found value [{}] type [{}]",
                self.shown(span),
                self.shown(shown),
                ty.name()
            );
            self.problem(span, what);
            return Ok(null());
        }
        let first = typed.first().map_or(Type::Null, |t| t.1);
        let keyword = |ty: Type| if ty.is_string() { Type::Keyword } else { ty };
        let returns = match function.returns {
            Returns::Is(ty) => ty,
            Returns::First => keyword(first),
            Returns::Common => keyword(common.unwrap_or(Type::Null)),
        };
        let widen = function.returns == Returns::Common && returns == Type::Double;
        let types: Vec<Type> = typed.iter().map(|t| t.1).collect();
        let args: Vec<Ex> = typed
            .into_iter()
            .map(|(ex, ty)| match widen && ty.is_whole() {
                true => Ex::Convert(ty, Type::Double, Box::new(ex)),
                false => ex,
            })
            .collect();
        let prepared = self.prepared(function, &args, span)?;
        let call = Call { function, args, types, returns, prepared };
        Ok((Ex::Call(Arc::new(call)), returns))
    }

    /// Patterns and formats that are constant are read once, and told when they are none.
    fn prepared(&mut self, function: &Function, args: &[Ex], span: Span) -> Fatal<Prepared> {
        let text = |at: usize| match args.get(at) {
            Some(Ex::Const(Cell::Text(text))) => Some(text.clone()),
            _ => None,
        };
        Ok(match (function.name, args.len()) {
            ("REPLACE", _) => match text(1).map(|t| functions::regex(&t)) {
                Some(Ok(regex)) => Prepared::Regex(regex),
                Some(Err(why)) => return self.malformed(span, &format!("Invalid pattern: {why}")),
                None => Prepared::None,
            },
            ("DATE_FORMAT" | "DATE_PARSE", 2) => match text(0) {
                Some(format) => match crate::dates::Formats::parse(&format) {
                    Ok(formats) => Prepared::Formats(formats),
                    Err(error) => {
                        self.problem(
                            span,
                            format!(
                                "invalid date pattern for [{}]: {}",
                                self.shown(span),
                                error.reason
                            ),
                        );
                        Prepared::None
                    }
                },
                None => Prepared::None,
            },
            _ => Prepared::None,
        })
    }

    /// Brings values to one type; a problem is noted when there is none.
    fn unified(&mut self, typed: Vec<Typed>, (args, span): (&[&Expr], Span)) -> (Vec<Ex>, Type) {
        let mut common = Type::Null;
        for (at, (_, ty)) in typed.iter().enumerate() {
            match common.common(*ty) {
                Some(ty) => common = ty,
                None => {
                    let what = format!(
                        "argument of [{}] must be [{}], found value [{}] type [{}]",
                        self.shown(span),
                        common.name(),
                        self.shown(args.get(at).map_or(span, |a| a.span)),
                        ty.name()
                    );
                    self.problem(span, what);
                }
            }
        }
        let common = if common == Type::Text { Type::Keyword } else { common };
        let widen = |(ex, ty): Typed| match common == Type::Double && ty.is_whole() {
            true => Ex::Convert(ty, Type::Double, Box::new(ex)),
            false => ex,
        };
        (typed.into_iter().map(widen).collect(), common)
    }

    fn case(&mut self, args: &[Expr], span: Span) -> Fatal<Typed> {
        if args.len() < 2 {
            return self.malformed(span, "error building [case]: expects at least two arguments");
        }
        let (mut conditions, mut values, mut shown) = (Vec::new(), Vec::new(), Vec::new());
        for pair in args.chunks(2) {
            match pair {
                [condition, value] => {
                    conditions.push(self.condition(condition, span, "first")?);
                    values.push(self.expr(value)?);
                    shown.push(value);
                }
                [value] => {
                    values.push(self.expr(value)?);
                    shown.push(value);
                }
                _ => {}
            }
        }
        let (mut values, ty) = self.unified(values, (&shown, span));
        let other = match values.len() > conditions.len() {
            true => values.pop().unwrap_or(Ex::Const(Cell::Null)),
            false => Ex::Const(Cell::Null),
        };
        let list = conditions.into_iter().zip(values).collect();
        Ok((Ex::Case(list, Box::new(other)), ty))
    }

    fn coalesce(&mut self, args: &[Expr], span: Span) -> Fatal<Typed> {
        if args.is_empty() {
            return self
                .malformed(span, "error building [coalesce]: expects at least one argument");
        }
        let typed = args.iter().map(|a| self.expr(a)).collect::<Fatal<Vec<_>>>()?;
        let shown: Vec<&Expr> = args.iter().collect();
        let (list, ty) = self.unified(typed, (&shown, span));
        Ok((Ex::Coalesce(list), ty))
    }
}
