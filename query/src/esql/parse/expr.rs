//! What does an expression say? One parser of expressions for both languages.
//!
//! ```text
//! or     := and ("OR" and)*
//! and    := not ("AND" not)*
//! not    := "NOT" not | test
//! test   := sum (("==" | "!=" | "<" | "<=" | ">" | ">=") sum | "NOT"? "IN" "(" … ")"
//!           | "NOT"? "LIKE" text | "NOT"? "RLIKE" text | "IS" "NOT"? "NULL"
//!           | ":" constant | "NOT"? "BETWEEN" sum "AND" sum)?
//! sum    := product (("+" | "-") product)*
//! product:= unary (("*" | "/" | "%") unary)*
//! unary  := "-" unary | cast
//! cast   := primary ("::" type)*
//! ```

use super::lexer::{Dialect, Lexer, Token, error_at};
use super::params::{Params, whole_type};
use crate::error::QueryError;
use crate::esql::tree::{Arithmetic, Compare, Expr, ExprKind, Like, Span};
use crate::esql::value::{Cell, Type};

/// The deepest nesting of expressions.
pub const DEPTH_MAX: u32 = 100;
/// How deeply brackets may be nested: each level takes several calls of the parser.
const BRACKETS_MAX: u32 = 30;
/// The most expressions of a query.
const EXPRESSIONS_MAX: usize = 20_000;

/// Reads one query.
#[derive(Debug)]
pub struct Parser<'q> {
    pub(crate) lexer: Lexer<'q>,
    pub(crate) dialect: Dialect,
    params: &'q Params,
    next_param: usize,
    open: u32,
    count: usize,
}

pub(crate) type Parsed<T> = Result<T, QueryError>;

impl<'q> Parser<'q> {
    /// At the beginning of a query.
    pub fn new(text: &'q str, dialect: Dialect, params: &'q Params) -> Self {
        let lexer = Lexer::new(text, dialect);
        Self { lexer, dialect, params, next_param: 0, open: 0, count: 0 }
    }

    /// Something else stands here than is expected.
    pub(crate) fn mismatch<T>(&self, expected: &str) -> Parsed<T> {
        let (token, span) = self.lexer.peek()?;
        let shown = match token {
            Token::End => "<EOF>",
            _ => &self.lexer.text[span.0..span.1],
        };
        self.fail(span, &format!("mismatched input '{shown}' expecting {expected}"))
    }

    pub(crate) fn fail<T>(&self, span: Span, what: &str) -> Parsed<T> {
        Err(error_at(self.lexer.text, span, what))
    }

    /// Takes a sign if it is next.
    pub(crate) fn sign(&mut self, sign: &str) -> Parsed<bool> {
        let found = matches!(self.lexer.peek()?.0, Token::Sign(s) if s == sign);
        if found {
            self.lexer.take()?;
        }
        Ok(found)
    }

    pub(crate) fn expect(&mut self, sign: &str) -> Parsed<()> {
        if self.sign(sign)? { Ok(()) } else { self.mismatch(&format!("'{sign}'")) }
    }

    /// Whether this keyword is next.
    pub(crate) fn sees(&self, word: &str) -> Parsed<bool> {
        Ok(matches!(self.lexer.peek()?.0, Token::Word(w) if w.eq_ignore_ascii_case(word)))
    }

    /// Takes a keyword if it is next.
    pub(crate) fn word(&mut self, word: &str) -> Parsed<bool> {
        let found = self.sees(word)?;
        if found {
            self.lexer.take()?;
        }
        Ok(found)
    }

    pub(crate) fn expect_word(&mut self, word: &str) -> Parsed<()> {
        let word_shown = format!("'{}'", word.to_ascii_lowercase());
        if self.word(word)? { Ok(()) } else { self.mismatch(&word_shown) }
    }

    /// Makes an expression, within the limits.
    pub(crate) fn make(&mut self, kind: ExprKind, from: usize) -> Parsed<Expr> {
        let expr = Expr::new(kind, (from, self.lexer.at));
        self.count += 1;
        if expr.depth > DEPTH_MAX || self.count > EXPRESSIONS_MAX {
            let what = format!(
                "the expression is nested more than {DEPTH_MAX} levels deep, or the query has more \
                 than {EXPRESSIONS_MAX} expressions"
            );
            return self.fail(expr.span, &what);
        }
        Ok(expr)
    }

    /// An expression.
    ///
    /// # Errors
    /// It is malformed or too large; the error names the place.
    pub fn expression(&mut self) -> Parsed<Expr> {
        self.open += 1;
        if self.open > BRACKETS_MAX {
            let (_, span) = self.lexer.peek()?;
            let what = format!("the expression is nested more than {BRACKETS_MAX} levels deep");
            return self.fail(span, &what);
        }
        let from = self.here();
        let mut list = vec![self.conjunction()?];
        while self.word("OR")? {
            list.push(self.conjunction()?);
        }
        self.open -= 1;
        self.combined(list, from, ExprKind::Or)
    }

    pub(crate) fn here(&mut self) -> usize {
        self.lexer.skip_space();
        self.lexer.at
    }

    fn combined(
        &mut self,
        mut list: Vec<Expr>,
        from: usize,
        kind: fn(Vec<Expr>) -> ExprKind,
    ) -> Parsed<Expr> {
        match list.len() {
            1 => Ok(list.swap_remove(0)),
            _ => self.make(kind(list), from),
        }
    }

    fn conjunction(&mut self) -> Parsed<Expr> {
        let from = self.here();
        let mut list = vec![self.negation()?];
        while self.word("AND")? {
            list.push(self.negation()?);
        }
        self.combined(list, from, ExprKind::And)
    }

    fn negation(&mut self) -> Parsed<Expr> {
        let from = self.here();
        let mut negations = 0_u32;
        while self.word("NOT")? {
            negations += 1;
            if negations > DEPTH_MAX {
                return self.fail((from, self.lexer.at), "too many times NOT");
            }
        }
        let mut expr = self.test()?;
        for _ in 0..negations {
            expr = self.make(ExprKind::Not(Box::new(expr)), from)?;
        }
        Ok(expr)
    }

    fn test(&mut self) -> Parsed<Expr> {
        let from = self.here();
        let left = self.sum()?;
        if let Some(compare) = self.comparison()? {
            let right = self.sum()?;
            return self.make(ExprKind::Compare(compare, Box::new(left), Box::new(right)), from);
        }
        if self.word("IS")? {
            let negated = self.word("NOT")?;
            self.expect_word("NULL")?;
            let test = self.make(ExprKind::IsNull(Box::new(left)), from)?;
            return self.negated(test, negated, from);
        }
        if self.dialect == Dialect::Esql && self.sign(":")? {
            let right = self.primary()?;
            let args = vec![left, right];
            let call = ExprKind::Call { name: ":".to_owned(), args, distinct: false };
            return self.make(call, from);
        }
        let mut ahead = self.lexer;
        let negated = match ahead.take()?.0 {
            Token::Word(w) if w.eq_ignore_ascii_case("NOT") => {
                let next = ahead.peek()?.0;
                let follows = ["IN", "LIKE", "RLIKE", "BETWEEN"];
                let is = |w: &str| follows.iter().any(|f| w.eq_ignore_ascii_case(f));
                matches!(next, Token::Word(w) if is(&w))
            }
            _ => false,
        };
        if negated {
            self.lexer = ahead;
        }
        if self.word("IN")? {
            let list = self.list_of_values()?;
            let test = self.make(ExprKind::In(Box::new(left), list), from)?;
            return self.negated(test, negated, from);
        }
        if self.word("RLIKE")? {
            let pattern = Like::Regex(self.pattern_text()?);
            let test = self.make(ExprKind::Like(Box::new(left), pattern), from)?;
            return self.negated(test, negated, from);
        }
        if self.word("LIKE")? {
            let mut pattern = self.pattern_text()?;
            if self.dialect == Dialect::Sql {
                pattern = self.sql_like(&pattern)?;
            }
            let like = ExprKind::Like(Box::new(left), Like::Wildcard(pattern));
            let test = self.make(like, from)?;
            return self.negated(test, negated, from);
        }
        if self.dialect == Dialect::Sql && self.word("BETWEEN")? {
            let lower = self.sum()?;
            self.expect_word("AND")?;
            let upper = self.sum()?;
            let above = ExprKind::Compare(Compare::Ge, Box::new(left.clone()), Box::new(lower));
            let below = ExprKind::Compare(Compare::Le, Box::new(left), Box::new(upper));
            let both = vec![self.make(above, from)?, self.make(below, from)?];
            let test = self.make(ExprKind::And(both), from)?;
            return self.negated(test, negated, from);
        }
        Ok(left)
    }

    fn negated(&mut self, test: Expr, negated: bool, from: usize) -> Parsed<Expr> {
        if negated { self.make(ExprKind::Not(Box::new(test)), from) } else { Ok(test) }
    }

    fn comparison(&mut self) -> Parsed<Option<Compare>> {
        let Token::Sign(sign) = self.lexer.peek()?.0 else { return Ok(None) };
        let compare = match (sign, self.dialect) {
            ("==", Dialect::Esql) | ("=", Dialect::Sql) => Compare::Eq,
            ("!=", _) | ("<>", Dialect::Sql) => Compare::Ne,
            ("<", _) => Compare::Lt,
            ("<=", _) => Compare::Le,
            (">", _) => Compare::Gt,
            (">=", _) => Compare::Ge,
            _ => return Ok(None),
        };
        self.lexer.take()?;
        Ok(Some(compare))
    }

    /// `( a, b, … )`
    fn list_of_values(&mut self) -> Parsed<Vec<Expr>> {
        self.expect("(")?;
        let mut list = vec![self.expression()?];
        while self.sign(",")? {
            list.push(self.expression()?);
        }
        self.expect(")")?;
        Ok(list)
    }

    fn pattern_text(&mut self) -> Parsed<String> {
        let expr = self.primary()?;
        match expr.kind {
            ExprKind::Literal(Cell::Text(text), _) => Ok(text.to_string()),
            _ => self.fail(expr.span, "a pattern must be a constant text"),
        }
    }

    /// The wildcard pattern that a pattern of `%` and `_` means.
    fn sql_like(&mut self, pattern: &str) -> Parsed<String> {
        let escape = match self.word("ESCAPE")? {
            true => {
                let text = self.pattern_text()?;
                let mut chars = text.chars();
                match (chars.next(), chars.next()) {
                    (Some(c), None) => Some(c),
                    _ => {
                        let span = (self.lexer.at, self.lexer.at);
                        return self.fail(span, "A character not a string required for escaping");
                    }
                }
            }
            false => None,
        };
        let mut out = String::new();
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            let literal = if Some(c) == escape { chars.next() } else { None };
            match (literal, c) {
                (None, '%') => out.push('*'),
                (None, '_') => out.push('?'),
                (literal, c) => {
                    let c = literal.unwrap_or(c);
                    if matches!(c, '*' | '?' | '\\') {
                        out.push('\\');
                    }
                    out.push(c);
                }
            }
        }
        Ok(out)
    }

    fn sum(&mut self) -> Parsed<Expr> {
        let from = self.here();
        let mut left = self.product()?;
        loop {
            let op = match self.lexer.peek()?.0 {
                Token::Sign("+") => Arithmetic::Add,
                Token::Sign("-") => Arithmetic::Sub,
                _ => return Ok(left),
            };
            self.lexer.take()?;
            let right = self.product()?;
            left = self.make(ExprKind::Arithmetic(op, Box::new(left), Box::new(right)), from)?;
        }
    }

    fn product(&mut self) -> Parsed<Expr> {
        let from = self.here();
        let mut left = self.unary()?;
        loop {
            let op = match self.lexer.peek()?.0 {
                Token::Sign("*") => Arithmetic::Mul,
                Token::Sign("/") => Arithmetic::Div,
                Token::Sign("%") => Arithmetic::Mod,
                _ => return Ok(left),
            };
            self.lexer.take()?;
            let right = self.unary()?;
            left = self.make(ExprKind::Arithmetic(op, Box::new(left), Box::new(right)), from)?;
        }
    }

    fn unary(&mut self) -> Parsed<Expr> {
        let from = self.here();
        let mut signs = 0_u32;
        let mut negative = false;
        loop {
            if self.sign("-")? {
                negative = !negative;
            } else if !self.sign("+")? {
                break;
            }
            signs += 1;
            if signs > DEPTH_MAX {
                return self.fail((from, self.lexer.at), "too many signs");
            }
        }
        if negative && let (Token::Number(text), _) = self.lexer.peek()? {
            // So that the least number can be written.
            self.lexer.take()?;
            let number = self.number(&format!("-{text}"), from)?;
            return self.casts(number, from);
        }
        let expr = self.primary()?;
        let expr = self.casts(expr, from)?;
        if negative { self.make(ExprKind::Negate(Box::new(expr)), from) } else { Ok(expr) }
    }

    fn casts(&mut self, mut expr: Expr, from: usize) -> Parsed<Expr> {
        while self.sign("::")? {
            let (token, span) = self.lexer.take()?;
            let Token::Word(name) = &token else {
                return self.fail(span, "a type must follow `::`");
            };
            let Some(ty) = Type::parse(name) else {
                return self.fail(span, &format!("Unknown data type named [{name}]"));
            };
            expr = self.make(ExprKind::Cast(Box::new(expr), ty), from)?;
        }
        Ok(expr)
    }

    /// A number, with a unit of time if one follows.
    fn number(&mut self, text: &str, from: usize) -> Parsed<Expr> {
        let (cell, ty) = match text.parse::<i64>() {
            Ok(v) => (Cell::Int(v), whole_type(v)),
            Err(_) => match text.parse::<f64>() {
                Ok(v) if v.is_finite() => (Cell::Double(v), Type::Double),
                _ => {
                    let what = format!("Number [{text}] is too large");
                    return self.fail((from, self.lexer.at), &what);
                }
            },
        };
        if self.dialect == Dialect::Esql
            && let (Cell::Int(v), (Token::Word(unit), _)) = (&cell, self.lexer.peek()?)
            && let Some((cell, ty)) = span_of(*v, &unit)
        {
            self.lexer.take()?;
            return self.make(ExprKind::Literal(cell, ty), from);
        }
        self.make(ExprKind::Literal(cell, ty), from)
    }

    pub(crate) fn primary(&mut self) -> Parsed<Expr> {
        let from = self.here();
        let (token, span) = self.lexer.peek()?;
        match token {
            Token::Number(text) => {
                self.lexer.take()?;
                self.number(&text, from)
            }
            Token::Text(text) => {
                self.lexer.take()?;
                self.make(ExprKind::Literal(Cell::text(text), Type::Keyword), from)
            }
            Token::Param(name) => {
                self.lexer.take()?;
                let (cell, ty) = self.param(&name, span)?;
                self.make(ExprKind::Literal(cell, ty), from)
            }
            Token::Sign("(") => {
                self.lexer.take()?;
                let inner = self.expression()?;
                self.expect(")")?;
                Ok(Expr { span: (from, self.lexer.at), ..inner })
            }
            Token::Sign("[") if self.dialect == Dialect::Esql => {
                self.lexer.take()?;
                self.array(from)
            }
            Token::Sign("-" | "+") => self.unary(),
            Token::Word(_) | Token::Name(_) => self.name_or_call(from),
            _ => self.mismatch(
                "{QUOTED_STRING, INTEGER_LITERAL, DECIMAL_LITERAL, 'false', '(', 'not', 'null', \
                 '?', 'true', '+', '-', UNQUOTED_IDENTIFIER, QUOTED_IDENTIFIER}",
            ),
        }
    }

    /// What stands for a `?`.
    fn param(&mut self, name: &str, span: Span) -> Parsed<(Cell, Type)> {
        let found = if name.is_empty() {
            self.next_param += 1;
            self.params.at(self.next_param - 1)
        } else if let Ok(position) = name.parse::<usize>() {
            self.params.at(position.wrapping_sub(1))
        } else {
            self.params.named(name)
        };
        match found {
            Some(found) => Ok(found),
            None if name.is_empty() => {
                let what = format!("Not enough actual parameters {}", self.params.len());
                self.fail(span, &what)
            }
            None if name.bytes().all(|b| b.is_ascii_digit()) => {
                let what = format!(
                    "No parameter is defined for position {name}, did you mean any position \
                     between 1 and {}?",
                    self.params.len()
                );
                self.fail(span, &what)
            }
            None => self.fail(span, &format!("Unknown query parameter [{name}]")),
        }
    }

    /// `[1, 2, 3]`: several values.
    fn array(&mut self, from: usize) -> Parsed<Expr> {
        let (mut cells, mut ty) = (Vec::new(), Type::Null);
        loop {
            let item = self.unary()?;
            let ExprKind::Literal(cell, of) = item.kind else {
                return self.fail(item.span, "an array holds constants only");
            };
            ty = match ty.common(of) {
                Some(ty) if of != Type::Null => ty,
                _ => return self.fail(item.span, "the values of an array must be of one type"),
            };
            cells.push(cell);
            if !self.sign(",")? {
                break;
            }
        }
        self.expect("]")?;
        if ty == Type::Double {
            cells.iter_mut().for_each(|c| {
                if let Cell::Int(v) = c {
                    *c = Cell::Double(*v as f64);
                }
            });
        }
        self.make(ExprKind::Literal(Cell::of_list(cells), ty), from)
    }

    fn name_or_call(&mut self, from: usize) -> Parsed<Expr> {
        if let (Token::Word(word), _) = self.lexer.peek()? {
            let constant = match word.to_ascii_uppercase().as_str() {
                "NULL" => Some((Cell::Null, Type::Null)),
                "TRUE" => Some((Cell::Bool(true), Type::Boolean)),
                "FALSE" => Some((Cell::Bool(false), Type::Boolean)),
                _ => None,
            };
            if let Some((cell, ty)) = constant {
                self.lexer.take()?;
                return self.make(ExprKind::Literal(cell, ty), from);
            }
            let mut ahead = self.lexer;
            ahead.take()?;
            if matches!(ahead.peek()?.0, Token::Sign("(")) {
                self.lexer = ahead;
                self.lexer.take()?;
                return self.call(word, from);
            }
            if self.dialect == Dialect::Sql
                && let Some(expr) = self.sql_word(&word, from)?
            {
                return Ok(expr);
            }
        }
        let name = self.qualified()?;
        self.make(ExprKind::Column(name), from)
    }

    /// A name with dots.
    pub(crate) fn qualified(&mut self) -> Parsed<String> {
        if self.dialect == Dialect::Esql {
            return match self.lexer.name(false)? {
                Some((name, _)) => Ok(name),
                None => self.mismatch("{UNQUOTED_IDENTIFIER, QUOTED_IDENTIFIER}"),
            };
        }
        let mut out = String::new();
        loop {
            match self.lexer.peek()?.0 {
                Token::Word(part) | Token::Name(part) => out.push_str(&part),
                _ => return self.mismatch("{identifier}"),
            }
            self.lexer.take()?;
            if !self.sign(".")? {
                return Ok(out);
            }
            out.push('.');
        }
    }

    fn call(&mut self, name: String, from: usize) -> Parsed<Expr> {
        if self.dialect == Dialect::Sql
            && let Some(expr) = self.sql_call(&name, from)?
        {
            return Ok(expr);
        }
        let distinct = self.dialect == Dialect::Sql && self.word("DISTINCT")?;
        let mut args = Vec::new();
        if !self.sign(")")? {
            loop {
                let at = self.here();
                if self.sign("*")? {
                    args.push(self.make(ExprKind::Star, at)?);
                } else {
                    args.push(self.expression()?);
                }
                if !self.sign(",")? {
                    break;
                }
            }
            self.expect(")")?;
        }
        self.make(ExprKind::Call { name, args, distinct }, from)
    }
}

/// A span of time from a number and its unit.
pub fn span_of(count: i64, unit: &str) -> Option<(Cell, Type)> {
    let unit = unit.to_ascii_lowercase();
    let ms = match unit.as_str() {
        "ms" | "millisecond" | "milliseconds" => 1,
        "s" | "sec" | "second" | "seconds" => 1_000,
        "min" | "minute" | "minutes" | "m" => 60_000,
        "h" | "hour" | "hours" => 3_600_000,
        _ => 0,
    };
    if ms > 0 {
        return Some((Cell::Int(count.checked_mul(ms)?), Type::Duration));
    }
    let count = i32::try_from(count).ok()?;
    let (months, days) = match unit.as_str() {
        "d" | "day" | "days" => (0, count),
        "w" | "week" | "weeks" => (0, count.checked_mul(7)?),
        "mo" | "month" | "months" => (count, 0),
        "q" | "quarter" | "quarters" => (count.checked_mul(3)?, 0),
        "y" | "yr" | "year" | "years" => (count.checked_mul(12)?, 0),
        _ => return None,
    };
    Some((Cell::Period(months, days), Type::Period))
}
