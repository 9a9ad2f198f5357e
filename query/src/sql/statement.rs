//! What does a statement say? SQL to its clauses, with expressions as ES|QL has them.
//!
//! ```text
//! statement := "SELECT" ("DISTINCT" | "ALL")? ("TOP" number)? item ("," item)*
//!              ("FROM" table)? ("WHERE" expr)? ("GROUP" "BY" expr ("," expr)*)?
//!              ("HAVING" expr)? ("ORDER" "BY" key ("," key)*)? ("LIMIT" (number | "ALL"))?
//!            | "SHOW" "TABLES" ("LIKE"? text)? | "SHOW" "COLUMNS" ("FROM" | "IN") table
//!            | ("DESCRIBE" | "DESC") table
//! item      := "*" | expr ("AS"? name)?
//! ```

use crate::error::QueryError;
use crate::esql::parse::lexer::Token;
use crate::esql::parse::{Dialect, Params, Parser};
use crate::esql::tree::{Expr, SortItem, Span};

type Parsed<T> = Result<T, QueryError>;

/// A statement.
#[derive(Clone, Debug)]
pub enum Statement {
    /// `SELECT`.
    Select(Box<Select>),
    /// `SHOW TABLES`: of names that match a pattern.
    Tables(Option<String>),
    /// `SHOW COLUMNS`, `DESCRIBE`: of these indexes, named at this place.
    Columns(Vec<String>, Span),
}

/// The clauses of a `SELECT`.
#[derive(Clone, Debug)]
pub struct Select {
    /// Every row once.
    pub distinct: bool,
    /// What is selected.
    pub items: Vec<Item>,
    /// Index patterns with their place.
    pub from: Option<(Vec<String>, Span)>,
    /// A name for the table.
    pub alias: Option<String>,
    /// `WHERE`.
    pub condition: Option<Expr>,
    /// `GROUP BY`.
    pub groups: Vec<Expr>,
    /// `HAVING`.
    pub having: Option<Expr>,
    /// `ORDER BY`.
    pub order: Vec<SortItem>,
    /// `LIMIT` or `TOP`.
    pub limit: Option<usize>,
}

/// One item of a `SELECT`.
#[derive(Clone, Debug)]
pub enum Item {
    /// `*`
    Star(Span),
    /// An expression with the name that it is given.
    Expr(Expr, Option<String>),
}

/// Words that end an item.
const ENDS: [&str; 12] = [
    "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "AS", "UNION", "JOIN", "INNER", "LEFT",
    "ON",
];

/// Reads a statement.
///
/// # Errors
/// It is malformed; the error has line and column.
pub fn parse(text: &str, params: &Params) -> Result<Statement, QueryError> {
    Parser::new(text, Dialect::Sql, params).statement()
}

impl Parser<'_> {
    fn statement(&mut self) -> Parsed<Statement> {
        let statement = if self.word("SELECT")? {
            Statement::Select(Box::new(self.select()?))
        } else if self.word("SHOW")? {
            if self.word("TABLES")? {
                Statement::Tables(self.table_pattern()?)
            } else if self.word("COLUMNS")? {
                if !self.word("FROM")? {
                    self.expect_word("IN")?;
                }
                let (names, span) = self.table()?;
                Statement::Columns(names, span)
            } else {
                return self.mismatch("{'COLUMNS', 'TABLES'}");
            }
        } else if self.word("DESCRIBE")? || self.word("DESC")? {
            let (names, span) = self.table()?;
            Statement::Columns(names, span)
        } else {
            return self.mismatch("{'DESC', 'DESCRIBE', 'SELECT', 'SHOW'}");
        };
        self.sign(";")?;
        match self.lexer.peek()?.0 {
            Token::End => Ok(statement),
            _ => self.mismatch("<EOF>"),
        }
    }

    fn select(&mut self) -> Parsed<Select> {
        let distinct = self.word("DISTINCT")?;
        if !distinct {
            self.word("ALL")?;
        }
        let mut limit = if self.word("TOP")? { Some(self.count()?) } else { None };
        let mut items = vec![self.item()?];
        while self.sign(",")? {
            items.push(self.item()?);
        }
        let (mut from, mut alias) = (None, None);
        if self.word("FROM")? {
            from = Some(self.table()?);
            let named = self.word("AS")?;
            alias = self.alias(named)?;
        }
        let condition = if self.word("WHERE")? { Some(self.expression()?) } else { None };
        let mut groups = Vec::new();
        if self.word("GROUP")? {
            self.expect_word("BY")?;
            groups.push(self.expression()?);
            while self.sign(",")? {
                groups.push(self.expression()?);
            }
        }
        let having = if self.word("HAVING")? { Some(self.expression()?) } else { None };
        let mut order = Vec::new();
        if self.word("ORDER")? {
            self.expect_word("BY")?;
            loop {
                let expr = self.expression()?;
                let (descending, nulls_first) = self.direction()?;
                order.push(SortItem { expr, descending, nulls_first });
                if !self.sign(",")? {
                    break;
                }
            }
        }
        if self.word("LIMIT")? && !self.word("ALL")? {
            limit = Some(self.count()?);
        }
        Ok(Select { distinct, items, from, alias, condition, groups, having, order, limit })
    }

    fn count(&mut self) -> Parsed<usize> {
        match self.lexer.peek()?.0 {
            Token::Number(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                self.lexer.take()?;
                Ok(digits.parse().unwrap_or(usize::MAX))
            }
            _ => self.mismatch("INTEGER_VALUE"),
        }
    }

    fn item(&mut self) -> Parsed<Item> {
        let from = self.here();
        if self.sign("*")? {
            return Ok(Item::Star((from, self.lexer.at)));
        }
        let expr = self.expression()?;
        let named = self.word("AS")?;
        let name = self.alias(named)?;
        Ok(Item::Expr(expr, name))
    }

    /// The name that follows, which must be there when `named`.
    fn alias(&mut self, named: bool) -> Parsed<Option<String>> {
        match self.lexer.peek()?.0 {
            Token::Name(name) => {
                self.lexer.take()?;
                Ok(Some(name))
            }
            Token::Word(word) if named || !ENDS.iter().any(|e| word.eq_ignore_ascii_case(e)) => {
                self.lexer.take()?;
                Ok(Some(word))
            }
            _ if named => self.mismatch("{identifier}"),
            _ => Ok(None),
        }
    }

    /// Index patterns: a name, quoted where it has other signs than letters and digits.
    fn table(&mut self) -> Parsed<(Vec<String>, Span)> {
        let from = self.here();
        let text = match self.lexer.peek()?.0 {
            Token::Name(name) => {
                self.lexer.take()?;
                name
            }
            Token::Word(_) => self.qualified()?,
            _ => return self.mismatch("{identifier}"),
        };
        let span = (from, self.lexer.at);
        let names = text.split(',').map(str::trim).filter(|n| !n.is_empty());
        let names: Vec<String> = names.map(str::to_owned).collect();
        if names.is_empty() {
            return self.fail(span, "an index pattern is empty");
        }
        Ok((names, span))
    }

    /// The pattern of `SHOW TABLES`, in the index patterns' form.
    fn table_pattern(&mut self) -> Parsed<Option<String>> {
        if self.word("LIKE")? {
            return match self.lexer.peek()?.0 {
                Token::Text(text) => {
                    self.lexer.take()?;
                    Ok(Some(text.replace('%', "*")))
                }
                _ => self.mismatch("STRING"),
            };
        }
        match self.lexer.peek()?.0 {
            Token::Name(_) | Token::Word(_) => Ok(Some(self.table()?.0.join(","))),
            _ => Ok(None),
        }
    }
}
