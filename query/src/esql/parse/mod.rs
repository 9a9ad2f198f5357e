//! What does an ES|QL query say? Text to commands; errors with line and column.
//!
//! ```text
//! query   := source ("|" command)*
//! source  := "FROM" pattern ("," pattern)* ("METADATA" name ("," name)*)? | "ROW" fields
//!          | "SHOW" "INFO"
//! command := "WHERE" expr | "EVAL" fields | "STATS" aggs? ("BY" fields)? | "SORT" keys
//!          | "LIMIT" number | "KEEP" names | "DROP" names | "RENAME" (old "AS" new),…
//!          | "DISSECT" expr text ("APPEND_SEPARATOR" "=" text)? | "GROK" expr text,…
//!          | "MV_EXPAND" name
//! fields  := (name "=")? expr ("," …)*        aggs := fields, each with "WHERE" expr
//! ```

pub mod expr;
pub mod lexer;
pub mod params;

pub use expr::Parser;
pub use lexer::{Dialect, place};
pub use params::Params;

use crate::error::QueryError;
use crate::esql::tree::{Command, CommandKind, Expr, ExprKind, Named, SortItem, Span};
use crate::esql::value::Cell;
use expr::Parsed;
use lexer::Token;

/// The most commands of a query.
const COMMANDS_MAX: usize = 500;
const COMMAND_NAMES: &str = "{'dissect', 'drop', 'enrich', 'eval', 'grok', 'keep', 'limit', \
                             'mv_expand', 'rename', 'sort', 'stats', 'where'}";

/// Reads a query.
///
/// # Errors
/// It is malformed, or over a limit; the error names line and column.
pub fn parse(text: &str, params: &Params) -> Result<Vec<Command>, QueryError> {
    Parser::new(text, Dialect::Esql, params).query()
}

impl Parser<'_> {
    fn query(&mut self) -> Parsed<Vec<Command>> {
        let mut out = vec![self.source_command()?];
        loop {
            match self.lexer.peek()?.0 {
                Token::End => return Ok(out),
                Token::Sign("|") => {
                    self.lexer.take()?;
                }
                _ => return self.mismatch("{<EOF>, '|'}"),
            }
            if out.len() >= COMMANDS_MAX {
                let span = (self.lexer.at, self.lexer.at);
                return self
                    .fail(span, &format!("the query has more than {COMMANDS_MAX} commands"));
            }
            out.push(self.command()?);
        }
    }

    fn source_command(&mut self) -> Parsed<Command> {
        let from = self.here();
        let kind = if self.word("FROM")? {
            self.from()?
        } else if self.word("ROW")? {
            CommandKind::Row(self.fields(false)?)
        } else if self.word("SHOW")? {
            self.expect_word("INFO")?;
            CommandKind::ShowInfo
        } else {
            return self.mismatch("{'explain', 'from', 'row', 'show'}");
        };
        Ok(Command { kind, span: (from, self.lexer.at) })
    }

    fn from(&mut self) -> Parsed<CommandKind> {
        let mut patterns = Vec::new();
        loop {
            let (text, span) = self.lexer.source()?;
            if text.contains(':') {
                return self.fail(span, &format!("no such remote cluster: [{text}]"));
            }
            patterns.extend(text.split(',').map(str::trim).map(str::to_owned));
            if !self.sign(",")? {
                break;
            }
        }
        if patterns.iter().any(String::is_empty) {
            let span = (self.lexer.at, self.lexer.at);
            return self.fail(span, "an index pattern is empty");
        }
        let mut metadata = Vec::new();
        let bracket = matches!(self.lexer.peek()?.0, Token::Sign("["));
        if bracket {
            self.lexer.take()?;
        }
        if self.word("METADATA")? {
            loop {
                let Some(found) = self.lexer.name(false)? else {
                    return self.mismatch("UNQUOTED_SOURCE");
                };
                metadata.push(found);
                if !self.sign(",")? {
                    break;
                }
            }
            if bracket {
                self.expect("]")?;
            }
        } else if bracket {
            return self.mismatch("'metadata'");
        }
        Ok(CommandKind::From { patterns, metadata })
    }

    fn command(&mut self) -> Parsed<Command> {
        let from = self.here();
        let (Token::Word(word), span) = self.lexer.peek()? else {
            return self.mismatch(COMMAND_NAMES);
        };
        let mut rest = self.lexer;
        rest.take()?;
        let before = std::mem::replace(&mut self.lexer, rest);
        let kind = match word.to_ascii_uppercase().as_str() {
            "WHERE" => CommandKind::Where(self.expression()?),
            "EVAL" => CommandKind::Eval(self.fields(false)?),
            "STATS" => self.stats()?,
            "SORT" => self.sort()?,
            "LIMIT" => self.limit()?,
            "KEEP" => CommandKind::Keep(self.names(true)?),
            "DROP" => CommandKind::Drop(self.names(true)?),
            "RENAME" => self.rename()?,
            "DISSECT" => self.dissect()?,
            "GROK" => self.grok()?,
            "MV_EXPAND" => match self.lexer.name(false)? {
                Some((name, span)) => CommandKind::Expand(name, span),
                None => return self.mismatch("{UNQUOTED_IDENTIFIER, QUOTED_IDENTIFIER}"),
            },
            "ENRICH" | "LOOKUP" | "INLINESTATS" | "CHANGE_POINT" | "FORK" | "COMPLETION"
            | "RERANK" | "SAMPLE" => {
                let what = format!("[{}] is not supported here", word.to_ascii_uppercase());
                return self.fail(span, &what);
            }
            _ => {
                self.lexer = before;
                return self.mismatch(COMMAND_NAMES);
            }
        };
        Ok(Command { kind, span: (from, self.lexer.at) })
    }

    /// `name = expr` or `expr`, between commas; with `filters` each may have `WHERE`.
    fn fields(&mut self, filters: bool) -> Parsed<Vec<Named>> {
        let mut out = Vec::new();
        loop {
            let mut named = self.field()?;
            if filters && self.word("WHERE")? {
                named.filter = Some(self.expression()?);
                let text = self.lexer.text[named.expr.span.0..self.lexer.at].trim_end();
                if named.name == self.lexer.text[named.expr.span.0..named.expr.span.1] {
                    named.name = text.to_owned();
                }
            }
            out.push(named);
            if !self.sign(",")? {
                return Ok(out);
            }
        }
    }

    fn field(&mut self) -> Parsed<Named> {
        let before = self.lexer;
        if let Some((name, _)) = self.lexer.name(false)?
            && matches!(self.lexer.peek()?.0, Token::Sign("="))
        {
            self.lexer.take()?;
            let expr = self.expression()?;
            return Ok(Named { name, expr, filter: None });
        }
        self.lexer = before;
        let expr = self.expression()?;
        let name = match &expr.kind {
            ExprKind::Column(name) => name.clone(),
            _ => self.lexer.text[expr.span.0..expr.span.1].to_owned(),
        };
        Ok(Named { name, expr, filter: None })
    }

    fn stats(&mut self) -> Parsed<CommandKind> {
        let mut aggs = Vec::new();
        let mut by = Vec::new();
        if !self.sees("BY")? {
            aggs = self.fields(true)?;
        }
        if self.word("BY")? {
            by = self.fields(false)?;
        }
        Ok(CommandKind::Stats { aggs, by })
    }

    fn sort(&mut self) -> Parsed<CommandKind> {
        let mut keys = Vec::new();
        loop {
            let expr = self.expression()?;
            let (descending, nulls_first) = self.direction()?;
            keys.push(SortItem { expr, descending, nulls_first });
            if !self.sign(",")? {
                return Ok(CommandKind::Sort(keys));
            }
        }
    }

    /// `ASC | DESC`, `NULLS FIRST | LAST`: whether descending, whether nulls come first.
    pub(crate) fn direction(&mut self) -> Parsed<(bool, bool)> {
        let descending = !self.word("ASC")? && self.word("DESC")?;
        let mut nulls_first = descending && self.dialect == Dialect::Esql;
        if self.word("NULLS")? {
            nulls_first = self.word("FIRST")?;
            if !nulls_first {
                self.expect_word("LAST")?;
            }
        }
        Ok((descending, nulls_first))
    }

    fn limit(&mut self) -> Parsed<CommandKind> {
        let expr = self.primary()?;
        match expr.kind {
            ExprKind::Literal(Cell::Int(v), _) if v >= 0 => {
                Ok(CommandKind::Limit(usize::try_from(v).unwrap_or(usize::MAX)))
            }
            _ => {
                let shown = &self.lexer.text[expr.span.0..expr.span.1];
                let what = format!(
                    "value of [limit {shown}] must be a non negative integer, found value [{shown}]"
                );
                self.fail(expr.span, &what)
            }
        }
    }

    fn names(&mut self, stars: bool) -> Parsed<Vec<(String, Span)>> {
        let mut out = Vec::new();
        loop {
            match self.lexer.name(stars)? {
                Some(found) => out.push(found),
                None => return self.mismatch("{ID_PATTERN, '?'}"),
            }
            if !self.sign(",")? {
                return Ok(out);
            }
        }
    }

    fn rename(&mut self) -> Parsed<CommandKind> {
        let mut out = Vec::new();
        loop {
            let Some((old, span)) = self.lexer.name(false)? else {
                return self.mismatch("ID_PATTERN");
            };
            self.expect_word("AS")?;
            let Some((new, _)) = self.lexer.name(false)? else {
                return self.mismatch("ID_PATTERN");
            };
            out.push((old, new, span));
            if !self.sign(",")? {
                return Ok(CommandKind::Rename(out));
            }
        }
    }

    fn text(&mut self) -> Parsed<String> {
        match self.lexer.peek()?.0 {
            Token::Text(text) => {
                self.lexer.take()?;
                Ok(text)
            }
            _ => self.mismatch("QUOTED_STRING"),
        }
    }

    /// The text that `DISSECT` and `GROK` take apart: a name, or an expression before the pattern.
    fn taken_apart(&mut self) -> Parsed<Expr> {
        self.primary()
    }

    fn dissect(&mut self) -> Parsed<CommandKind> {
        let expr = self.taken_apart()?;
        let pattern = self.text()?;
        let mut separator = String::new();
        if let (Token::Word(option), span) = self.lexer.peek()? {
            if !option.eq_ignore_ascii_case("APPEND_SEPARATOR") {
                let what =
                    format!("Invalid option for dissect: [{option}], expected [append_separator]");
                return self.fail(span, &what);
            }
            self.lexer.take()?;
            self.expect("=")?;
            separator = self.text()?;
        }
        Ok(CommandKind::Dissect(expr, pattern, separator))
    }

    fn grok(&mut self) -> Parsed<CommandKind> {
        let expr = self.taken_apart()?;
        let mut patterns = vec![self.text()?];
        while self.sign(",")? {
            patterns.push(self.text()?);
        }
        Ok(CommandKind::Grok(expr, patterns))
    }
}
