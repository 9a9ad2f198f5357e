//! What value does a script give? Its statements, one after the other.

use std::cell::Cell;
use std::sync::Arc;

use model::time::Timestamp;
use serde_json::Value as Json;

use super::Lang;
use super::ast::{Arithmetic, Cast, Compare, Expr, Statement};

/// So many steps takes what one search computes in scripts at most.
const STEPS_MAX: u64 = 2_000_000_000;

/// A value.
#[derive(Clone, Debug)]
pub enum Value {
    /// None.
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A time, nanoseconds.
    Time(i64),
    /// Text.
    Text(Arc<str>),
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) | (Value::Time(a), Value::Time(b)) => a == b,
            (Value::Text(a), Value::Text(b)) => a == b,
            (Value::Float(_) | Value::Int(_), Value::Float(_) | Value::Int(_)) => {
                self.number() == other.number()
            }
            _ => false,
        }
    }
}

impl Value {
    /// Of a parameter; lists and objects are no values.
    pub fn of_json(json: &Json) -> Self {
        match json {
            Json::Bool(v) => Value::Bool(*v),
            Json::Number(n) => match n.as_i64() {
                Some(v) => Value::Int(v),
                None => Value::Float(n.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Value::Text(text.as_str().into()),
            Json::Null | Json::Array(_) | Json::Object(_) => Value::Null,
        }
    }

    /// As a double, if it is a number.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Int(v) => Some(*v as f64),
            Value::Float(v) => Some(*v),
            _ => None,
        }
    }

    /// As text.
    pub fn text(&self) -> Option<String> {
        Some(match self {
            Value::Null => return None,
            Value::Bool(v) => v.to_string(),
            Value::Int(v) => v.to_string(),
            Value::Float(v) => serde_json::json!(v).to_string(),
            Value::Time(ns) => Timestamp(*ns).rfc3339_millis(),
            Value::Text(text) => text.to_string(),
        })
    }

    /// What kind of value it is, for errors.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Time(_) => "a time",
            Value::Text(_) => "a string",
        }
    }
}

/// What a script is run with.
pub struct Env<'e> {
    /// A variable by name, before the script's own parameters.
    pub variable: &'e dyn Fn(&str) -> Option<Value>,
    /// The first value of a field by position, and how many it has.
    pub doc: &'e dyn Fn(usize) -> (Value, usize),
    /// The value that the script is run for.
    pub current: Value,
    /// The numbers of the window.
    pub window: &'e [f64],
    /// The steps of all runs so far.
    pub steps: &'e Cell<u64>,
}

impl<'e> Env<'e> {
    /// With nothing in it.
    pub fn new(steps: &'e Cell<u64>) -> Self {
        Self {
            variable: &|_| None,
            doc: &|_| (Value::Null, 0),
            current: Value::Null,
            window: &[],
            steps,
        }
    }
}

/// One run.
pub struct Run<'r> {
    /// What it is run with.
    pub env: &'r Env<'r>,
    /// The script's own parameters.
    pub params: &'r [(String, Value)],
    /// Its language.
    pub lang: Lang,
}

type Evaluated = Result<Value, String>;

impl Run<'_> {
    /// Runs statements; without a `return` they give null.
    pub fn script(&self, statements: &[Statement]) -> Evaluated {
        let mut locals = Vec::new();
        Ok(self.statements(statements, &mut locals)?.unwrap_or(Value::Null))
    }

    fn statements(
        &self,
        statements: &[Statement],
        locals: &mut Vec<Value>,
    ) -> Result<Option<Value>, String> {
        for statement in statements {
            match statement {
                Statement::Return(expr) => return self.expr(expr, locals).map(Some),
                Statement::Let(at, expr) => {
                    let value = self.expr(expr, locals)?;
                    if locals.len() <= *at {
                        locals.resize(at + 1, Value::Null);
                    }
                    locals[*at] = value;
                }
                Statement::If(condition, yes, no) => {
                    let chosen = if self.truth(condition, locals)? { yes } else { no };
                    if let Some(value) = self.statements(chosen, locals)? {
                        return Ok(Some(value));
                    }
                }
            }
        }
        Ok(None)
    }

    fn spend(&self, steps: usize) -> Result<(), String> {
        let spent = self.env.steps.get().saturating_add(steps as u64);
        self.env.steps.set(spent);
        if spent > STEPS_MAX {
            return Err("the scripts of this search do too much; use fewer buckets".to_owned());
        }
        Ok(())
    }

    fn truth(&self, expr: &Expr, locals: &[Value]) -> Result<bool, String> {
        match (self.expr(expr, locals)?, self.lang) {
            (Value::Bool(v), _) => Ok(v),
            (Value::Int(v), Lang::Expression) => Ok(v != 0),
            (Value::Float(v), Lang::Expression) => Ok(v != 0.0),
            (other, _) => Err(format!("a condition must be a boolean, got {}", other.kind())),
        }
    }

    fn number(&self, expr: &Expr, locals: &[Value]) -> Result<f64, String> {
        let value = self.expr(expr, locals)?;
        value.number().ok_or_else(|| format!("expected a number, got {}", value.kind()))
    }

    fn all(&self, exprs: &[Expr], locals: &[Value]) -> Result<Vec<Value>, String> {
        exprs.iter().map(|expr| self.expr(expr, locals)).collect()
    }

    fn expr(&self, expr: &Expr, locals: &[Value]) -> Evaluated {
        self.spend(1)?;
        Ok(match expr {
            Expr::Int(v) => Value::Int(*v),
            Expr::Float(v) => Value::Float(*v),
            Expr::Text(text) => Value::Text(text.as_str().into()),
            Expr::Bool(v) => Value::Bool(*v),
            Expr::Null => Value::Null,
            Expr::Param(name) => self.param(name),
            Expr::Local(at) => locals.get(*at).cloned().unwrap_or(Value::Null),
            Expr::Doc(at) => self.doc(*at)?,
            Expr::DocSize(at) => Value::Int((self.env.doc)(*at).1 as i64),
            Expr::Current => self.env.current.clone(),
            Expr::WindowLength => Value::Int(self.env.window.len() as i64),
            Expr::WindowAt(at) => {
                let at = self.number(at, locals)?;
                let found = self.env.window.get(at as usize).filter(|_| at >= 0.0);
                Value::Float(*found.ok_or_else(|| {
                    format!("index {at} out of bounds for length {}", self.env.window.len())
                })?)
            }
            Expr::Moving(function, args) => {
                self.spend(self.env.window.len() * 4)?;
                let args = self.all(args, locals)?;
                Value::Float(function.of_window(self.env.window, &args)?)
            }
            Expr::Not(inner) => Value::Bool(!self.truth(inner, locals)?),
            Expr::Negative(inner) => match self.expr(inner, locals)? {
                Value::Int(v) => Value::Int(v.wrapping_neg()),
                Value::Float(v) => Value::Float(-v),
                other => return Err(format!("cannot take the negative of {}", other.kind())),
            },
            Expr::Arithmetic(how, a, b) => {
                arithmetic(*how, &self.expr(a, locals)?, &self.expr(b, locals)?)?
            }
            Expr::Compare(how, a, b) => {
                Value::Bool(compare(*how, &self.expr(a, locals)?, &self.expr(b, locals)?)?)
            }
            Expr::And(a, b) => Value::Bool(self.truth(a, locals)? && self.truth(b, locals)?),
            Expr::Or(a, b) => Value::Bool(self.truth(a, locals)? || self.truth(b, locals)?),
            Expr::Choose(condition, yes, no) => {
                let chosen = if self.truth(condition, locals)? { yes } else { no };
                self.expr(chosen, locals)?
            }
            Expr::Elvis(a, b) => match self.expr(a, locals)? {
                Value::Null => self.expr(b, locals)?,
                value => value,
            },
            Expr::Cast(cast, inner) => converted(*cast, self.expr(inner, locals)?)?,
            Expr::Call(function, args) => function.of_numbers(&self.all(args, locals)?)?,
            Expr::Method(method, value, args) => {
                let value = self.expr(value, locals)?;
                method.of_value(&value, &self.all(args, locals)?)?
            }
        })
    }

    fn param(&self, name: &str) -> Value {
        let given = (self.env.variable)(name);
        let own = || self.params.iter().find(|(other, _)| other == name).map(|(_, v)| v.clone());
        match (given.or_else(own).unwrap_or(Value::Null), self.lang) {
            (Value::Int(v), Lang::Expression) => Value::Float(v as f64),
            (value, _) => value,
        }
    }

    fn doc(&self, at: usize) -> Evaluated {
        let double = self.lang == Lang::Expression;
        match (self.env.doc)(at) {
            // An expression sees nothing as 0.
            (_, 0) if double => Ok(Value::Float(0.0)),
            (_, 0) => Err("A document doesn't have a value for a field! Use \
                           doc[<field>].size()==0 to check if a document is missing a field!"
                .to_owned()),
            (Value::Int(v), _) if double => Ok(Value::Float(v as f64)),
            (Value::Time(ns), _) if double => Ok(Value::Float(Timestamp(ns).millis() as f64)),
            (value, _) => Ok(value),
        }
    }
}

fn arithmetic(how: Arithmetic, a: &Value, b: &Value) -> Evaluated {
    if let (Value::Int(a), Value::Int(b)) = (a, b) {
        return Ok(Value::Int(match how {
            Arithmetic::Add => a.wrapping_add(*b),
            Arithmetic::Subtract => a.wrapping_sub(*b),
            Arithmetic::Multiply => a.wrapping_mul(*b),
            Arithmetic::Divide | Arithmetic::Remainder if *b == 0 => {
                return Err("/ by zero".to_owned());
            }
            Arithmetic::Divide => a.wrapping_div(*b),
            Arithmetic::Remainder => a.wrapping_rem(*b),
        }));
    }
    if let (Arithmetic::Add, true) =
        (how, matches!(a, Value::Text(_)) || matches!(b, Value::Text(_)))
    {
        let text = |v: &Value| v.text().unwrap_or_else(|| "null".to_owned());
        return Ok(Value::Text((text(a) + &text(b)).into()));
    }
    match (a.number(), b.number()) {
        (Some(a), Some(b)) => Ok(Value::Float(match how {
            Arithmetic::Add => a + b,
            Arithmetic::Subtract => a - b,
            Arithmetic::Multiply => a * b,
            Arithmetic::Divide => a / b,
            Arithmetic::Remainder => a % b,
        })),
        _ => Err(format!("cannot compute with {} and {}", a.kind(), b.kind())),
    }
}

fn compare(how: Compare, a: &Value, b: &Value) -> Result<bool, String> {
    let (left, right) = match (how, a, b) {
        (Compare::Equal, ..) => return Ok(a == b),
        (Compare::Unequal, ..) => return Ok(a != b),
        (_, Value::Int(x), Value::Int(y)) | (_, Value::Time(x), Value::Time(y)) => {
            return Ok(match how {
                Compare::Less => x < y,
                Compare::LessOrEqual => x <= y,
                Compare::Greater => x > y,
                _ => x >= y,
            });
        }
        _ => match (a.number(), b.number()) {
            (Some(x), Some(y)) => (x, y),
            _ => return Err(format!("cannot compare {} with {}", a.kind(), b.kind())),
        },
    };
    Ok(match how {
        Compare::Less => left < right,
        Compare::LessOrEqual => left <= right,
        Compare::Greater => left > right,
        _ => left >= right,
    })
}

fn converted(cast: Cast, value: Value) -> Evaluated {
    let number = || value.number().ok_or_else(|| format!("cannot cast {}", value.kind()));
    Ok(match (cast, &value) {
        (Cast::None, _) => value,
        (Cast::Int, Value::Int(v)) => Value::Int(i64::from(*v as i32)),
        (Cast::Int, _) => Value::Int(i64::from(number()? as i32)),
        (Cast::Long, Value::Int(v)) => Value::Int(*v),
        (Cast::Long, _) => Value::Int(number()? as i64),
        (Cast::Double, _) => Value::Float(number()?),
    })
}
