//! Which clauses does a query string have? Recursive descent over the grammar of the module.

use super::combine::{Item, Modifier, combine};
use super::lower;
use super::scan::{Scan, Word, error};
use super::{Dialect, Operator, Options};
use crate::ast::{Literal, Query, Target};
use crate::clause::{Clauses, Ends, target};
use crate::error::QueryError;

/// Characters that end a word.
const STOPS: &str = "()\"[]{}^~";
/// Those that end a name before a value as well.
const NAME_STOPS: &str = "()\"[]{}^~:";
/// Those of our own language.
const OUR_NAME_STOPS: &str = "()\"[]{}^~:=<>";

/// Fields, and how much they count.
pub(super) type Weighted = (Target, f32);

pub(super) struct Parser<'a, 'b, 'c> {
    pub(super) scan: Scan<'a>,
    pub(super) options: &'a Options,
    pub(super) clauses: &'b mut Clauses<'c>,
}

pub(super) fn parse(
    text: &str,
    options: &Options,
    clauses: &mut Clauses<'_>,
    depth: usize,
) -> Result<Query, QueryError> {
    let mut parser = Parser { scan: Scan { text, at: 0 }, options, clauses };
    let items = parser.sequence(&options.fields, depth, None)?;
    let empty = match options.dialect {
        Dialect::Lucene => Query::None,
        Dialect::Logdrive => Query::All,
    };
    Ok(combine(items, options, options.minimum_should.as_deref())?.unwrap_or(empty))
}

impl Parser<'_, '_, '_> {
    /// Clauses up to the end, or up to the `)` of the group that was opened at `open`.
    fn sequence(
        &mut self,
        fields: &[Weighted],
        depth: usize,
        open: Option<usize>,
    ) -> Result<Vec<Item>, QueryError> {
        self.clauses.budget.nest(depth).map_err(|e| e.at(self.scan.at, self.scan.text.len()))?;
        let mut items = Vec::new();
        loop {
            self.scan.skip_space();
            match (self.scan.peek(), open) {
                (None, None) => return Ok(items),
                (None, Some(at)) => {
                    return Err(error(
                        "the group that begins here has no closing `)`",
                        (at, at + 1),
                    ));
                }
                (Some(')'), Some(_)) => {
                    self.scan.take(")");
                    return Ok(items);
                }
                (Some(')'), None) => {
                    return Err(error("`)` closes no group", self.scan.here()));
                }
                _ => {}
            }
            items.push(self.item(fields, depth, items.is_empty())?);
        }
    }

    fn item(&mut self, fields: &[Weighted], depth: usize, first: bool) -> Result<Item, QueryError> {
        let from = self.scan.at;
        let operator = if self.scan.take_keyword("AND") || self.scan.take("&&") {
            Some(Operator::And)
        } else if self.scan.take_keyword("OR") || self.scan.take("||") {
            Some(Operator::Or)
        } else {
            None
        };
        let mut last = (from, self.scan.at);
        if operator.is_some() && first {
            let word = &self.scan.text[last.0..last.1];
            return Err(error(format!("`{word}` needs a term before it"), last));
        }
        let mut modifier = Modifier::None;
        loop {
            self.scan.skip_space();
            let at = self.scan.at;
            if self.scan.take_keyword("NOT") || self.scan.take("-") || self.scan.take("!") {
                modifier = match modifier {
                    Modifier::Prohibited => Modifier::None,
                    _ => Modifier::Prohibited,
                };
            } else if self.scan.take("+") {
                if modifier == Modifier::None {
                    modifier = Modifier::Required;
                }
            } else {
                break;
            }
            last = (at, self.scan.at);
        }
        let mut peek = self.scan;
        let nothing = matches!(peek.peek(), None | Some(')'))
            || peek.take_keyword("AND")
            || peek.take_keyword("OR")
            || peek.take("&&")
            || peek.take("||");
        if nothing && last.1 > last.0 {
            let word = &self.scan.text[last.0..last.1];
            return Err(error(format!("expected a term after `{word}`"), last));
        }
        let query = self.clause(fields, depth)?;
        Ok(Item { operator, modifier, query })
    }

    /// A value, or a field with its value.
    fn clause(&mut self, fields: &[Weighted], depth: usize) -> Result<Option<Query>, QueryError> {
        let ours = self.options.dialect == Dialect::Logdrive;
        let mut ahead = self.scan;
        if ahead.peek() == Some('/') && ahead.regex().is_some() {
            return self.value(fields, depth);
        }
        let name = ahead.word(if ours { OUR_NAME_STOPS } else { NAME_STOPS })?;
        if name.text.is_empty() {
            return self.value(fields, depth);
        }
        if ahead.take(":") {
            self.scan = ahead;
            return self.field(&name, depth);
        }
        if !ours {
            return self.value(fields, depth);
        }
        let negated = ahead.take("!=");
        if negated || ahead.take("=") {
            self.scan = ahead;
            self.scan.take("=");
            let word = self.word_or_phrase(&name)?;
            let query = lower::exact(self, target(&name.text), &word)?;
            let query = query.times(self.boost()?);
            return Ok(Some(if negated { query.negate() } else { query }));
        }
        if matches!(ahead.peek(), Some('<' | '>')) {
            self.scan = ahead;
            let targets = [(target(&name.text), 1.0)];
            return self.value(&targets, depth);
        }
        self.value(fields, depth)
    }

    fn field(&mut self, name: &Word, depth: usize) -> Result<Option<Query>, QueryError> {
        self.scan.skip_space();
        if matches!(self.scan.peek(), None | Some(')')) {
            return Err(error(format!("expected a value after `{}:`", name.text), name.span));
        }
        if name.text == "_exists_" {
            let word = self.word_or_phrase(name)?;
            let boost = self.boost()?;
            let query = self.clauses.exists(target(&word.text))?;
            return Ok(Some(query.constant(1.0).times(boost)));
        }
        let targets = [(target(&name.text), 1.0)];
        self.value(&targets, depth)
    }

    fn word_or_phrase(&mut self, after: &Word) -> Result<Word, QueryError> {
        self.scan.skip_space();
        if self.scan.take("\"") {
            return self.scan.phrase();
        }
        let word = self.scan.word(STOPS)?;
        if word.span.0 == word.span.1 {
            return Err(error(format!("expected a value after `{}`", after.text), after.span));
        }
        Ok(word)
    }

    fn value(&mut self, fields: &[Weighted], depth: usize) -> Result<Option<Query>, QueryError> {
        let from = self.scan.at;
        let query = self.bare_value(fields, depth).map_err(|e| match e.span {
            Some(_) => e,
            None => e.at(from, self.scan.at),
        })?;
        let boost = self.boost()?;
        Ok(query.map(|query| query.times(boost)))
    }

    fn bare_value(
        &mut self,
        fields: &[Weighted],
        depth: usize,
    ) -> Result<Option<Query>, QueryError> {
        let at = self.scan.at;
        match self.scan.peek() {
            Some('(') => {
                self.scan.take("(");
                let items = self.sequence(fields, depth + 1, Some(at))?;
                combine(items, self.options, None)
            }
            Some('"') => {
                self.scan.take("\"");
                let word = self.scan.phrase()?;
                let slop = self.slop()?;
                lower::phrase(self, fields, &word, slop)
            }
            Some('[' | '{') => {
                let ends = self.range()?;
                lower::range(self, fields, &ends).map(Some)
            }
            Some('<' | '>') => {
                let ends = self.comparison()?;
                lower::range(self, fields, &ends).map(Some)
            }
            Some('/') => match self.scan.regex() {
                Some(word) => lower::regex(self, fields, &word).map(Some),
                None => self.word(fields),
            },
            _ => self.word(fields),
        }
    }

    fn word(&mut self, fields: &[Weighted]) -> Result<Option<Query>, QueryError> {
        let word = self.scan.word(STOPS)?;
        if word.span.0 == word.span.1 {
            let here = self.scan.here();
            let c = &self.scan.text[here.0..here.1];
            return Err(match c {
                "" => error("expected a term", here),
                c => error(format!("unexpected `{c}`: write `\\{c}` or put it in quotes"), here),
            });
        }
        if self.scan.peek() == Some('~') {
            self.scan.take("~");
            let number = self.scan.number();
            let edits = lower::edits(number, &word.text, &self.options.edits)
                .map_err(|e| e.at(word.span.1, self.scan.at))?;
            return lower::fuzzy(self, fields, &word, &edits).map(Some);
        }
        lower::word(self, fields, &word)
    }

    fn slop(&mut self) -> Result<u32, QueryError> {
        let at = self.scan.at;
        if !self.scan.take("~") {
            return Ok(self.options.phrase_slop);
        }
        let number = self.scan.number();
        number.parse().map_err(|_| {
            error(
                "expected a whole number after `~`: how far the words may be moved",
                (at, self.scan.at),
            )
        })
    }

    fn boost(&mut self) -> Result<f32, QueryError> {
        let at = self.scan.at;
        if !self.scan.take("^") {
            return Ok(1.0);
        }
        match self.scan.number().parse::<f32>() {
            Ok(boost) if boost.is_finite() => Ok(boost),
            _ => Err(error(
                "expected a number after `^`; a literal one is `\\^`",
                (at, self.scan.at),
            )),
        }
    }

    fn comparison(&mut self) -> Result<Ends, QueryError> {
        let from = self.scan.at;
        let lower = self.scan.take(">");
        if !lower {
            self.scan.take("<");
        }
        let included = self.scan.take("=");
        let sign =
            Word { span: (from, self.scan.at), ..word_of(&self.scan.text[from..self.scan.at]) };
        let word = self.word_or_phrase(&sign)?;
        let end = Some((Literal::Text(word.text), included));
        Ok(if lower { Ends { lower: end, upper: None } } else { Ends { lower: None, upper: end } })
    }

    fn range(&mut self) -> Result<Ends, QueryError> {
        let from = self.scan.at;
        let lower_in = self.scan.take("[");
        if !lower_in {
            self.scan.take("{");
        }
        let lower = self.bound(from)?;
        self.scan.skip_space();
        if !self.scan.take_keyword("TO") {
            let reason = "expected `TO` between the two ends of the range";
            return Err(error(reason, self.scan.here()));
        }
        let upper = self.bound(from)?;
        self.scan.skip_space();
        let upper_in = self.scan.take("]");
        if !upper_in && !self.scan.take("}") {
            let reason = "the range that begins here has no closing `]` or `}`";
            return Err(error(reason, (from, self.scan.at)));
        }
        Ok(Ends {
            lower: lower.map(|text| (Literal::Text(text), lower_in)),
            upper: upper.map(|text| (Literal::Text(text), upper_in)),
        })
    }

    /// One end of a range; `None` is open.
    fn bound(&mut self, from: usize) -> Result<Option<String>, QueryError> {
        self.scan.skip_space();
        if self.scan.take("\"") {
            return self.scan.phrase().map(|word| Some(word.text));
        }
        let word = self.scan.word("]}[{\"()")?;
        if word.text.is_empty() {
            let reason = "expected a value or `*` as the end of the range";
            return Err(error(reason, (from, self.scan.here().1)));
        }
        Ok((word.text != "*" || word.wildcards == 0).then_some(word.text))
    }
}

fn word_of(text: &str) -> Word {
    Word { text: text.to_owned(), pattern: text.to_owned(), wildcards: 0, span: (0, 0) }
}
