//! What do SQL's own forms of expressions mean? `CASE WHEN`, `CAST`, `INTERVAL`, and functions under
//! the names that SQL has for them.

use crate::error::QueryError;
use crate::esql::parse::Parser;
use crate::esql::parse::expr::span_of;
use crate::esql::parse::lexer::Token;
use crate::esql::tree::{Arithmetic, Compare, Expr, ExprKind, Span};
use crate::esql::value::{Cell, Type};

type Parsed<T> = Result<T, QueryError>;

/// Functions that differ in the name alone.
const SAME: [(&str, &str); 24] = [
    ("LCASE", "TO_LOWER"),
    ("LOWER", "TO_LOWER"),
    ("UCASE", "TO_UPPER"),
    ("UPPER", "TO_UPPER"),
    ("CHAR_LENGTH", "LENGTH"),
    ("CHARACTER_LENGTH", "LENGTH"),
    ("OCTET_LENGTH", "BYTE_LENGTH"),
    ("IFNULL", "COALESCE"),
    ("ISNULL", "COALESCE"),
    ("NVL", "COALESCE"),
    ("IIF", "CASE"),
    ("CEILING", "CEIL"),
    ("POWER", "POW"),
    ("SIGN", "SIGNUM"),
    ("DEGREES", "TO_DEGREES"),
    ("RADIANS", "TO_RADIANS"),
    ("QUERY", "QSTR"),
    ("HISTOGRAM", "BUCKET"),
    ("CURRENT_TIMESTAMP", "NOW"),
    ("DATEDIFF", "DATE_DIFF"),
    ("TIMESTAMP_DIFF", "DATE_DIFF"),
    ("TIMESTAMPDIFF", "DATE_DIFF"),
    ("STDDEV", "STDDEV_POP"),
    ("DATETIME_PARSE", "DATE_PARSE"),
];

/// Functions that give a part of a time.
const PARTS: [(&str, &str); 29] = [
    ("YEAR", "YEAR"),
    ("MONTH", "MONTH_OF_YEAR"),
    ("MONTH_OF_YEAR", "MONTH_OF_YEAR"),
    ("QUARTER", "QUARTER"),
    ("DAY", "DAY_OF_MONTH"),
    ("DOM", "DAY_OF_MONTH"),
    ("DAY_OF_MONTH", "DAY_OF_MONTH"),
    ("DAYOFMONTH", "DAY_OF_MONTH"),
    ("DOY", "DAY_OF_YEAR"),
    ("DAY_OF_YEAR", "DAY_OF_YEAR"),
    ("DAYOFYEAR", "DAY_OF_YEAR"),
    ("ISO_DAY_OF_WEEK", "DAY_OF_WEEK"),
    ("IDOW", "DAY_OF_WEEK"),
    ("ISODOW", "DAY_OF_WEEK"),
    ("ISO_WEEK_OF_YEAR", "ISO_WEEK_OF_YEAR"),
    ("ISOWEEK", "ISO_WEEK_OF_YEAR"),
    ("IW", "ISO_WEEK_OF_YEAR"),
    ("ISOWEEKOFYEAR", "ISO_WEEK_OF_YEAR"),
    ("HOUR", "HOUR_OF_DAY"),
    ("HOUR_OF_DAY", "HOUR_OF_DAY"),
    ("MINUTE", "MINUTE_OF_HOUR"),
    ("MINUTE_OF_HOUR", "MINUTE_OF_HOUR"),
    ("MINUTE_OF_DAY", "MINUTE_OF_DAY"),
    ("SECOND", "SECOND_OF_MINUTE"),
    ("SECOND_OF_MINUTE", "SECOND_OF_MINUTE"),
    ("SECOND_OF_DAY", "SECOND_OF_DAY"),
    ("EPOCH", "INSTANT_SECONDS"),
    ("EPOCH_DAY", "EPOCH_DAY"),
    ("NANO_OF_SECOND", "NANO_OF_SECOND"),
];

/// Functions whose arguments stand otherwise here.
const SPECIAL: [&str; 20] = [
    "NULLIF",
    "MOD",
    "REPLACE",
    "LOCATE",
    "POSITION",
    "DATE_TRUNC",
    "DATETRUNC",
    "DATE_ADD",
    "DATEADD",
    "TIMESTAMP_ADD",
    "TIMESTAMPADD",
    "CURRENT_DATE",
    "TODAY",
    "CURDATE",
    "LOG",
    "LN",
    "FIRST",
    "LAST",
    "DATE_PART",
    "DATEPART",
];

fn part_of(name: &str) -> Option<&'static str> {
    PARTS.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, part)| *part)
}

fn text(value: &str, span: Span) -> Expr {
    Expr::new(ExprKind::Literal(Cell::text(value), Type::Keyword), span)
}

fn call(name: &str, args: Vec<Expr>) -> ExprKind {
    ExprKind::Call { name: name.to_owned(), args, distinct: false }
}

/// SQL's types by name.
fn type_of(name: &str) -> Option<Type> {
    Some(match name.to_ascii_uppercase().as_str() {
        "BOOLEAN" => Type::Boolean,
        "BYTE" | "TINYINT" | "SHORT" | "SMALLINT" | "INT" | "INTEGER" => Type::Integer,
        "LONG" | "BIGINT" => Type::Long,
        "FLOAT" | "HALF_FLOAT" | "SCALED_FLOAT" | "REAL" | "DOUBLE" => Type::Double,
        "KEYWORD" | "TEXT" | "VARCHAR" | "STRING" | "CHAR" => Type::Keyword,
        "DATETIME" | "TIMESTAMP" | "DATE" => Type::Date,
        "IP" => Type::Ip,
        _ => return None,
    })
}

impl Parser<'_> {
    /// A word that begins a form of SQL's own; `None` when it is a name.
    pub(crate) fn sql_word(&mut self, word: &str, from: usize) -> Parsed<Option<Expr>> {
        let upper = word.to_ascii_uppercase();
        match upper.as_str() {
            "CASE" => {
                self.lexer.take()?;
                self.case_when(from).map(Some)
            }
            "INTERVAL" => {
                self.lexer.take()?;
                self.interval(from).map(Some)
            }
            "CURRENT_TIMESTAMP" => {
                self.lexer.take()?;
                self.make(call("NOW", Vec::new()), from).map(Some)
            }
            "CURRENT_DATE" => {
                self.lexer.take()?;
                self.today(from).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The start of the day.
    fn today(&mut self, from: usize) -> Parsed<Expr> {
        let day = self.make(ExprKind::Literal(Cell::Period(0, 1), Type::Period), from)?;
        let now = self.make(call("NOW", Vec::new()), from)?;
        self.make(call("DATE_TRUNC", vec![day, now]), from)
    }

    /// `CASE x? WHEN a THEN b … ELSE c END`
    fn case_when(&mut self, from: usize) -> Parsed<Expr> {
        let subject = if self.sees("WHEN")? { None } else { Some(self.expression()?) };
        let mut args = Vec::new();
        while self.word("WHEN")? {
            let at = self.here();
            let mut condition = self.expression()?;
            if let Some(subject) = &subject {
                let pair = (Box::new(subject.clone()), Box::new(condition));
                condition = self.make(ExprKind::Compare(Compare::Eq, pair.0, pair.1), at)?;
            }
            self.expect_word("THEN")?;
            args.push(condition);
            args.push(self.expression()?);
        }
        if args.is_empty() {
            return self.mismatch("'when'");
        }
        if self.word("ELSE")? {
            args.push(self.expression()?);
        }
        self.expect_word("END")?;
        self.make(call("CASE", args), from)
    }

    /// `INTERVAL '1' DAY`, `INTERVAL 1 DAY`
    fn interval(&mut self, from: usize) -> Parsed<Expr> {
        let negative = self.sign("-")?;
        let (token, span) = self.lexer.take()?;
        let (Token::Number(digits) | Token::Text(digits)) = token else {
            return self.fail(span, "a number must follow INTERVAL");
        };
        let (unit, unit_span) = self.lexer.take()?;
        let Token::Word(unit) = unit else {
            return self.fail(unit_span, "a unit such as DAY must follow the number of INTERVAL");
        };
        let count = digits.trim().parse::<i64>().ok().map(|n| if negative { -n } else { n });
        match count.and_then(|count| span_of(count, &unit)) {
            Some((cell, ty)) => self.make(ExprKind::Literal(cell, ty), from),
            None => self.fail(span, &format!("Invalid interval [{digits} {unit}]")),
        }
    }

    /// A function whose arguments are no plain list, or another here; what stands before the
    /// bracket is read.
    pub(crate) fn sql_call(&mut self, name: &str, from: usize) -> Parsed<Option<Expr>> {
        let upper = name.to_ascii_uppercase();
        match upper.as_str() {
            "CAST" | "TRY_CAST" => {
                let inner = self.expression()?;
                self.expect_word("AS")?;
                return self.cast_to(inner, from).map(Some);
            }
            "CONVERT" => {
                let inner = self.expression()?;
                self.expect(",")?;
                return self.cast_to(inner, from).map(Some);
            }
            "EXTRACT" => {
                let (token, span) = self.lexer.take()?;
                let Token::Word(field) = token else {
                    return self.fail(span, "a field such as YEAR must follow EXTRACT(");
                };
                self.expect_word("FROM")?;
                let date = self.expression()?;
                self.expect(")")?;
                let Some(part) = part_of(&field) else {
                    return self.fail(span, &format!("Unknown field [{field}] of EXTRACT"));
                };
                return self
                    .make(call("DATE_EXTRACT", vec![text(part, span), date]), from)
                    .map(Some);
            }
            _ => {}
        }
        let known = SAME.iter().find(|(n, _)| *n == upper).map(|(_, name)| *name);
        let special = SPECIAL.contains(&upper.as_str());
        let part = part_of(&upper);
        if known.is_none() && part.is_none() && !special {
            return Ok(None);
        }
        let mut args = Vec::new();
        if !self.sign(")")? {
            args.push(self.expression()?);
            while self.sign(",")? {
                args.push(self.expression()?);
            }
            self.expect(")")?;
        }
        if let Some(known) = known {
            return self.make(call(known, args), from).map(Some);
        }
        if let Some(part) = part {
            let span = (from, self.lexer.at);
            args.insert(0, text(part, span));
            return self.make(call("DATE_EXTRACT", args), from).map(Some);
        }
        self.special(&upper, args, from).map(Some)
    }

    fn cast_to(&mut self, inner: Expr, from: usize) -> Parsed<Expr> {
        let (token, span) = self.lexer.take()?;
        let ty = match &token {
            Token::Word(name) => type_of(name.strip_prefix("SQL_").unwrap_or(name)),
            _ => None,
        };
        let Some(ty) = ty else {
            let shown = &self.lexer.text[span.0..span.1];
            return self.fail(span, &format!("Does not recognize type [{shown}]"));
        };
        self.expect(")")?;
        self.make(ExprKind::Cast(Box::new(inner), ty), from)
    }

    fn special(&mut self, name: &str, mut args: Vec<Expr>, from: usize) -> Parsed<Expr> {
        let span = (from, self.lexer.at);
        let count = args.len();
        match (name, count) {
            ("NULLIF", 2) => {
                let (b, a) = (args.remove(1), args.remove(0));
                let equal = ExprKind::Compare(Compare::Eq, Box::new(a.clone()), Box::new(b));
                let equal = self.make(equal, from)?;
                let null = self.make(ExprKind::Literal(Cell::Null, Type::Null), from)?;
                self.make(call("CASE", vec![equal, null, a]), from)
            }
            ("MOD", 2) => {
                let (b, a) = (args.remove(1), args.remove(0));
                self.make(ExprKind::Arithmetic(Arithmetic::Mod, Box::new(a), Box::new(b)), from)
            }
            // SQL replaces a text, not a pattern.
            ("REPLACE", 3) => {
                let literal = |e: &Expr, with: fn(&str) -> String| match &e.kind {
                    ExprKind::Literal(Cell::Text(t), _) => Some(text(&with(t), e.span)),
                    _ => None,
                };
                let found = literal(&args[1], regex::escape);
                let with = literal(&args[2], |t| t.replace('\\', "\\\\").replace('$', "\\$"));
                let (Some(found), Some(with)) = (found, with) else {
                    return self.fail(span, "REPLACE takes constant texts to find and to put in");
                };
                args.splice(1.., [found, with]);
                self.make(call("REPLACE", args), from)
            }
            // SQL names the text that is looked for first.
            ("LOCATE" | "POSITION", 2 | 3) => {
                args.swap(0, 1);
                self.make(call("LOCATE", args), from)
            }
            ("CURRENT_DATE" | "TODAY" | "CURDATE", 0) => self.today(from),
            ("LOG" | "LN", 1) => self.make(call("LOG", args), from),
            ("FIRST" | "LAST", 1 | 2) => {
                if count == 1 {
                    let again = args[0].clone();
                    args.push(again);
                }
                self.make(call(name, args), from)
            }
            _ => self.special_of_dates(name, args, from),
        }
    }

    fn special_of_dates(&mut self, name: &str, mut args: Vec<Expr>, from: usize) -> Parsed<Expr> {
        let span = (from, self.lexer.at);
        let count = args.len();
        match (name, count) {
            ("DATE_TRUNC" | "DATETRUNC", 2) => {
                let unit = match &args[0].kind {
                    ExprKind::Literal(Cell::Text(unit), _) => span_of(1, unit),
                    ExprKind::Literal(cell, ty) if ty.is_span() => Some((cell.clone(), *ty)),
                    _ => None,
                };
                let Some((cell, ty)) = unit else {
                    return self.fail(args[0].span, "DATE_TRUNC needs a unit such as 'day'");
                };
                args[0] = Expr::new(ExprKind::Literal(cell, ty), args[0].span);
                self.make(call("DATE_TRUNC", args), from)
            }
            ("DATE_ADD" | "DATEADD" | "TIMESTAMP_ADD" | "TIMESTAMPADD", 3) => {
                let unit = match (&args[0].kind, &args[1].kind) {
                    (
                        ExprKind::Literal(Cell::Text(unit), _),
                        ExprKind::Literal(Cell::Int(n), _),
                    ) => span_of(*n, unit),
                    _ => None,
                };
                let Some((cell, ty)) = unit else {
                    return self.fail(span, "DATE_ADD needs a constant unit and a whole number");
                };
                let width = self.make(ExprKind::Literal(cell, ty), from)?;
                let date = Box::new(args.remove(2));
                self.make(ExprKind::Arithmetic(Arithmetic::Add, date, Box::new(width)), from)
            }
            ("DATE_PART" | "DATEPART", 2) => {
                let part = match &args[0].kind {
                    ExprKind::Literal(Cell::Text(name), _) => part_of(name),
                    _ => None,
                };
                let Some(part) = part else {
                    return self.fail(args[0].span, "DATE_PART needs a part such as 'year'");
                };
                args[0] = text(part, args[0].span);
                self.make(call("DATE_EXTRACT", args), from)
            }
            _ => {
                let what = format!("error building [{name}]: {count} arguments are not accepted");
                self.fail(span, &what)
            }
        }
    }
}
