//! What does a script mean? Its statements and expressions, with every name resolved.

use super::ast::{Arithmetic, Cast, Compare, Expr, Statement};
use super::functions::{Function, Method};
use super::lex::{Token, tokens};
use super::moving::Moving;
use super::{Context, Lang};
use crate::error::QueryError;

/// The deepest nesting of expressions and blocks.
const DEPTH_MAX: usize = 60;
/// The most operators and members in one script: a chain of them is as deep as it is long.
const OPERATORS_MAX: usize = 500;

/// Reads the words of one script.
pub struct Parser<'s> {
    tokens: Vec<(Token, usize)>,
    at: usize,
    lang: Lang,
    context: Context,
    known: Vec<&'s str>,
    locals: Vec<String>,
    fields: Vec<String>,
    depth: usize,
    operators: usize,
}

type Parsed<T> = Result<T, QueryError>;

impl<'s> Parser<'s> {
    /// Of a source; `known` are the names of variables and parameters.
    pub fn new(source: &str, lang: Lang, context: Context, known: Vec<&'s str>) -> Parsed<Self> {
        let (locals, fields) = (Vec::new(), Vec::new());
        let tokens = tokens(source)?;
        let (at, depth, operators) = (0, 0, 0);
        Ok(Self { tokens, at, lang, context, known, locals, fields, depth, operators })
    }

    /// The whole script: its statements, and the fields that it names.
    pub fn script(mut self) -> Parsed<(Vec<Statement>, Vec<String>)> {
        let statements = self.statements(true)?;
        match self.peek() {
            Token::End if statements.is_empty() => Err(self.error("the script is empty")),
            Token::End => Ok((statements, self.fields)),
            _ => Err(self.unexpected()),
        }
    }

    fn peek(&self) -> &Token {
        // The last one is the end, and is never passed.
        &self.tokens[self.at].0
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.peek(), Token::Sign(other) if *other == sign)
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.is(sign);
        if found {
            self.next();
        }
        found
    }

    fn expect(&mut self, sign: &str) -> Parsed<()> {
        if self.take(sign) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn take_name(&mut self, name: &str) -> bool {
        let found = matches!(self.peek(), Token::Name(other) if other == name);
        if found {
            self.next();
        }
        found
    }

    fn error(&self, reason: impl Into<String>) -> QueryError {
        let from = self.tokens[self.at].1;
        QueryError::parsing(reason).at(from, from + 1)
    }

    fn unexpected(&self) -> QueryError {
        let from = self.tokens[self.at].1;
        let what = match self.peek() {
            Token::End => "unexpected end of script".to_owned(),
            Token::Sign(sign) => format!("invalid sequence of tokens near ['{sign}']"),
            Token::Name(name) => format!("invalid sequence of tokens near ['{name}']"),
            Token::Text(text) => format!("invalid sequence of tokens near ['{text}']"),
            Token::Int(n) => format!("invalid sequence of tokens near ['{n}']"),
            Token::Float(n) => format!("invalid sequence of tokens near ['{n}']"),
        };
        self.error(format!("{what} at offset {from}"))
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error(format!("it is nested more than {DEPTH_MAX} levels deep")));
        }
        let out = read(self);
        self.depth -= 1;
        out
    }

    /// Statements up to the end or a closing brace; the `last` of a script gives its value.
    fn statements(&mut self, last: bool) -> Parsed<Vec<Statement>> {
        let mut out = Vec::new();
        loop {
            while self.take(";") {}
            if self.is("}") || *self.peek() == Token::End {
                return Ok(out);
            }
            if let Some(Statement::Return(_)) = out.last() {
                return Err(self.error("nothing can come after what the script gives back"));
            }
            out.push(self.deeper(|p| p.statement(last))?);
            let block = matches!(out.last(), Some(Statement::If(..)));
            if !block && !self.is(";") && !self.is("}") && *self.peek() != Token::End {
                return Err(self.unexpected());
            }
        }
    }

    fn statement(&mut self, last: bool) -> Parsed<Statement> {
        if self.lang == Lang::Expression {
            return Ok(Statement::Return(self.expr()?));
        }
        let Token::Name(name) = self.peek().clone() else {
            return Ok(Statement::Return(self.expr()?));
        };
        match name.as_str() {
            "return" => {
                self.next();
                Ok(Statement::Return(self.expr()?))
            }
            "if" => {
                self.next();
                self.expect("(")?;
                let condition = self.expr()?;
                self.expect(")")?;
                let yes = self.block(last)?;
                let no = if self.take_name("else") { self.block(last)? } else { Vec::new() };
                Ok(Statement::If(condition, yes, no))
            }
            "for" | "while" | "do" | "try" | "throw" | "new" | "continue" | "break" => Err(self
                .error(format!(
                    "[{name}] is not supported in this version: scripts are expressions, `if` and \
                     `return`"
                ))),
            _ => match (Cast::of(&name), self.tokens.get(self.at + 1)) {
                (Some(cast), Some((Token::Name(local), _))) => {
                    let local = local.clone();
                    self.next();
                    self.next();
                    self.expect("=")?;
                    let value = self.expr()?;
                    if self.locals.contains(&local) {
                        let reason = format!("variable [{local}] is already defined");
                        return Err(self.error(reason));
                    }
                    self.locals.push(local);
                    let value = Expr::Cast(cast, Box::new(value));
                    Ok(Statement::Let(self.locals.len() - 1, value))
                }
                _ => Ok(Statement::Return(self.expr()?)),
            },
        }
    }

    fn block(&mut self, last: bool) -> Parsed<Vec<Statement>> {
        if !self.take("{") {
            let one = self.deeper(|p| p.statement(last))?;
            self.take(";");
            return Ok(vec![one]);
        }
        let locals = self.locals.len();
        let out = self.deeper(|p| p.statements(last))?;
        // Places of locals are not used again: another branch has others.
        self.locals[locals..].iter_mut().for_each(String::clear);
        self.expect("}")?;
        Ok(out)
    }

    fn expr(&mut self) -> Parsed<Expr> {
        self.deeper(|p| {
            let condition = p.or()?;
            if p.take("?:") {
                return Ok(Expr::Elvis(Box::new(condition), Box::new(p.expr()?)));
            }
            if p.take("?") {
                let yes = p.expr()?;
                p.expect(":")?;
                let no = p.expr()?;
                return Ok(Expr::Choose(Box::new(condition), Box::new(yes), Box::new(no)));
            }
            Ok(condition)
        })
    }

    fn count_operator(&mut self) -> Parsed<()> {
        self.operators += 1;
        match self.operators > OPERATORS_MAX {
            true => Err(self.error(format!("it has more than {OPERATORS_MAX} operators"))),
            false => Ok(()),
        }
    }

    /// A chain of operators of one rank, from the left.
    fn chain(
        &mut self,
        signs: &[&str],
        part: fn(&mut Self) -> Parsed<Expr>,
        join: impl Fn(&str, Box<Expr>, Box<Expr>) -> Expr,
    ) -> Parsed<Expr> {
        let mut left = part(self)?;
        while let Some(sign) = signs.iter().find(|sign| self.is(sign)) {
            self.count_operator()?;
            self.next();
            let right = part(self)?;
            left = join(sign, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn or(&mut self) -> Parsed<Expr> {
        self.chain(&["||"], Self::and, |_, a, b| Expr::Or(a, b))
    }

    fn and(&mut self) -> Parsed<Expr> {
        self.chain(&["&&"], Self::equality, |_, a, b| Expr::And(a, b))
    }

    fn equality(&mut self) -> Parsed<Expr> {
        self.chain(&["==", "!=", "===", "!=="], Self::relation, |sign, a, b| {
            let how = if sign.starts_with('!') { Compare::Unequal } else { Compare::Equal };
            Expr::Compare(how, a, b)
        })
    }

    fn relation(&mut self) -> Parsed<Expr> {
        self.chain(&["<", "<=", ">", ">="], Self::sum, |sign, a, b| {
            let how = match sign {
                "<" => Compare::Less,
                "<=" => Compare::LessOrEqual,
                ">" => Compare::Greater,
                _ => Compare::GreaterOrEqual,
            };
            Expr::Compare(how, a, b)
        })
    }

    fn sum(&mut self) -> Parsed<Expr> {
        self.chain(&["+", "-"], Self::product, |sign, a, b| {
            let how = if sign == "+" { Arithmetic::Add } else { Arithmetic::Subtract };
            Expr::Arithmetic(how, a, b)
        })
    }

    fn product(&mut self) -> Parsed<Expr> {
        self.chain(&["*", "/", "%"], Self::unary, |sign, a, b| {
            let how = match sign {
                "*" => Arithmetic::Multiply,
                "/" => Arithmetic::Divide,
                _ => Arithmetic::Remainder,
            };
            Expr::Arithmetic(how, a, b)
        })
    }

    fn unary(&mut self) -> Parsed<Expr> {
        self.deeper(|p| {
            if p.take("-") {
                return Ok(Expr::Negative(Box::new(p.unary()?)));
            }
            if p.take("+") {
                return p.unary();
            }
            if p.take("!") {
                return Ok(Expr::Not(Box::new(p.unary()?)));
            }
            if let (true, Some((Token::Name(name), _)), Some((Token::Sign(")"), _))) =
                (p.is("("), p.tokens.get(p.at + 1), p.tokens.get(p.at + 2))
                && let Some(cast) = Cast::of(name)
                && !p.locals.contains(name)
            {
                (0..3).for_each(|_| {
                    p.next();
                });
                return Ok(Expr::Cast(cast, Box::new(p.unary()?)));
            }
            p.postfix()
        })
    }

    fn postfix(&mut self) -> Parsed<Expr> {
        let mut value = self.primary()?;
        while self.take(".") {
            self.count_operator()?;
            let name = self.name()?;
            let args = if self.is("(") { Some(self.args()?) } else { None };
            let method = Method::of(&name, args.as_deref());
            let method = method.ok_or_else(|| self.unknown(&format!("the member [{name}]")))?;
            value = Expr::Method(method, Box::new(value), args.unwrap_or_default());
        }
        Ok(value)
    }

    fn unknown(&self, what: &str) -> QueryError {
        self.error(format!("{what} is not supported in this version, or does not exist"))
    }

    fn name(&mut self) -> Parsed<String> {
        match self.next() {
            Token::Name(name) => Ok(name),
            _ => {
                self.at = self.at.saturating_sub(1);
                Err(self.unexpected())
            }
        }
    }

    fn args(&mut self) -> Parsed<Vec<Expr>> {
        self.expect("(")?;
        let mut out = Vec::new();
        if self.take(")") {
            return Ok(out);
        }
        loop {
            out.push(self.expr()?);
            if self.take(")") {
                return Ok(out);
            }
            self.expect(",")?;
        }
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let from = self.at;
        match self.next() {
            Token::Int(n) if self.lang == Lang::Expression => Ok(Expr::Float(n as f64)),
            Token::Int(n) => Ok(Expr::Int(n)),
            Token::Float(n) => Ok(Expr::Float(n)),
            Token::Text(text) => Ok(Expr::Text(text)),
            Token::Sign("(") => {
                let inner = self.expr()?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Name(name) => self.named(&name, from),
            _ => {
                self.at = from;
                Err(self.unexpected())
            }
        }
    }

    fn named(&mut self, name: &str, from: usize) -> Parsed<Expr> {
        match name {
            "true" => return Ok(Expr::Bool(true)),
            "false" => return Ok(Expr::Bool(false)),
            "null" => return Ok(Expr::Null),
            _ => {}
        }
        if let Some(at) = self.locals.iter().position(|local| local == name) {
            return Ok(Expr::Local(at));
        }
        if self.lang == Lang::Expression && self.known.contains(&name) && !self.is("(") {
            return Ok(Expr::Param(name.to_owned()));
        }
        match (name, self.context) {
            ("params", _) => self.param(),
            ("doc", Context::Record) => self.doc(),
            ("_value", Context::Record) => Ok(Expr::Current),
            ("values", Context::Window) => self.window(),
            ("MovingFunctions", Context::Window) => self.moving(),
            ("Math", _) => {
                self.expect(".")?;
                let name = self.name()?;
                match name.as_str() {
                    "PI" => Ok(Expr::Float(std::f64::consts::PI)),
                    "E" => Ok(Expr::Float(std::f64::consts::E)),
                    name => self.call(name),
                }
            }
            (name, _) if self.lang == Lang::Expression && self.is("(") => self.call(name),
            ("Double" | "Long" | "Integer" | "Float", _) if self.is(".") => self.of_class(name),
            _ => {
                self.at = from;
                Err(self.error(match self.lang {
                    Lang::Painless => format!("cannot resolve symbol [{name}]"),
                    Lang::Expression => format!("Unknown variable [{name}]"),
                }))
            }
        }
    }

    /// `params.name`, `params['name']`, `params.get('name')`.
    fn param(&mut self) -> Parsed<Expr> {
        if self.take("[") {
            let Token::Text(name) = self.next() else {
                return Err(self.error("the name of a parameter must be a string"));
            };
            self.expect("]")?;
            return Ok(Expr::Param(name));
        }
        if !self.take("?.") {
            self.expect(".")?;
        }
        let name = self.name()?;
        if !self.is("(") {
            return Ok(Expr::Param(name));
        }
        let mut args = self.args()?.into_iter();
        match (name.as_str(), args.next(), args.next(), args.next()) {
            ("get", Some(Expr::Text(name)), None, None) => Ok(Expr::Param(name)),
            ("getOrDefault", Some(Expr::Text(name)), Some(other), None) => {
                Ok(Expr::Elvis(Box::new(Expr::Param(name)), Box::new(other)))
            }
            ("containsKey", Some(Expr::Text(name)), None, None) => {
                let (given, null) = (Box::new(Expr::Param(name)), Box::new(Expr::Null));
                Ok(Expr::Compare(Compare::Unequal, given, null))
            }
            _ => Err(self.unknown(&format!("the method [{name}] of [params]"))),
        }
    }

    /// `doc['field'].value`, `.size()`, `.length`, `.empty`, `.isEmpty()`; `doc.containsKey('f')`.
    fn doc(&mut self) -> Parsed<Expr> {
        if self.take(".") {
            let name = self.name()?;
            if name != "containsKey" {
                return Err(self.unknown(&format!("the member [{name}] of [doc]")));
            }
            let args = self.args()?;
            return match args.as_slice() {
                // Every field can be in a record: records have no fixed fields.
                [Expr::Text(field)] => {
                    self.field(field.clone());
                    Ok(Expr::Bool(true))
                }
                _ => Err(self.error("[containsKey] needs the name of a field")),
            };
        }
        self.expect("[")?;
        let Token::Text(field) = self.next() else {
            return Err(self.error("the name of a field must be a string: `doc['name']`"));
        };
        self.expect("]")?;
        let at = self.field(field);
        if self.lang == Lang::Expression && !self.is(".") {
            return Ok(Expr::Doc(at));
        }
        self.expect(".")?;
        let name = self.name()?;
        let called = self.is("(");
        if called && !self.args()?.is_empty() {
            return Err(self.unknown(&format!("the member [{name}] with arguments")));
        }
        let size = Expr::DocSize(at);
        match (name.as_str(), called) {
            ("value", false) | ("getValue" | "first", true) => Ok(Expr::Doc(at)),
            ("size", true) | ("length" | "count", false) => Ok(size),
            ("count", true) if self.lang == Lang::Expression => Ok(size),
            ("empty", false) | ("isEmpty" | "empty", true) => {
                Ok(Expr::Compare(Compare::Equal, Box::new(size), Box::new(Expr::Int(0))))
            }
            _ => Err(self.unknown(&format!("the member [{name}] of a field"))),
        }
    }

    fn field(&mut self, field: String) -> usize {
        match self.fields.iter().position(|other| *other == field) {
            Some(at) => at,
            None => {
                self.fields.push(field);
                self.fields.len() - 1
            }
        }
    }

    /// `values.length`, `values.size()`, `values[i]`.
    fn window(&mut self) -> Parsed<Expr> {
        if self.take("[") {
            let at = self.expr()?;
            self.expect("]")?;
            return Ok(Expr::WindowAt(Box::new(at)));
        }
        self.expect(".")?;
        let name = self.name()?;
        match name.as_str() {
            "length" => Ok(Expr::WindowLength),
            _ => Err(self.unknown(&format!("the member [{name}] of [values]"))),
        }
    }

    /// `MovingFunctions.name(values, …)`.
    fn moving(&mut self) -> Parsed<Expr> {
        self.expect(".")?;
        let name = self.name()?;
        let function =
            Moving::of(&name).ok_or_else(|| self.unknown(&format!("[MovingFunctions.{name}]")))?;
        self.expect("(")?;
        if !self.take_name("values") {
            return Err(self.error(format!(
                "the first argument of [MovingFunctions.{name}] must be `values`"
            )));
        }
        let mut args = Vec::new();
        while self.take(",") {
            args.push(self.expr()?);
        }
        self.expect(")")?;
        if args.len() != function.arguments() {
            return Err(self.error(format!(
                "[MovingFunctions.{name}] takes [{}] arguments after `values`, got [{}]",
                function.arguments(),
                args.len()
            )));
        }
        Ok(Expr::Moving(function, args))
    }

    fn call(&mut self, name: &str) -> Parsed<Expr> {
        let function =
            Function::of(name).ok_or_else(|| self.unknown(&format!("the function [{name}]")))?;
        let args = self.args()?;
        if !function.takes(args.len()) {
            return Err(self.error(format!("[{name}] does not take [{}] arguments", args.len())));
        }
        Ok(Expr::Call(function, args))
    }

    /// `Double.NaN`, `Double.isNaN(x)`, `Long.MAX_VALUE` and their like.
    fn of_class(&mut self, class: &str) -> Parsed<Expr> {
        self.expect(".")?;
        let name = self.name()?;
        match (class, name.as_str()) {
            ("Double" | "Float", "isNaN" | "isInfinite" | "isFinite") => self.call(&name),
            ("Double" | "Float", "NaN") => Ok(Expr::Float(f64::NAN)),
            ("Double", "MAX_VALUE") => Ok(Expr::Float(f64::MAX)),
            ("Double" | "Float", "POSITIVE_INFINITY") => Ok(Expr::Float(f64::INFINITY)),
            ("Double" | "Float", "NEGATIVE_INFINITY") => Ok(Expr::Float(f64::NEG_INFINITY)),
            ("Long", "MAX_VALUE") => Ok(Expr::Int(i64::MAX)),
            ("Long", "MIN_VALUE") => Ok(Expr::Int(i64::MIN)),
            ("Integer", "MAX_VALUE") => Ok(Expr::Int(i64::from(i32::MAX))),
            ("Integer", "MIN_VALUE") => Ok(Expr::Int(i64::from(i32::MIN))),
            _ => Err(self.unknown(&format!("[{class}.{name}]"))),
        }
    }
}
