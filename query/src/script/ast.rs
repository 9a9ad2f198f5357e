//! What is a script made of? Statements and expressions, with every name resolved.

use super::functions::{Function, Method};
use super::moving::Moving;

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// A local variable, by position, gets a value.
    Let(usize, Expr),
    /// The script ends with a value.
    Return(Expr),
    /// One of two blocks.
    If(Expr, Vec<Statement>, Vec<Statement>),
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    Text(String),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
    /// A variable or parameter.
    Param(String),
    /// A local variable.
    Local(usize),
    /// A field of the record, by position: its first value.
    Doc(usize),
    /// How many values the field has.
    DocSize(usize),
    /// The value that the script is run for.
    Current,
    /// How many numbers the window has.
    WindowLength,
    /// A number of the window.
    WindowAt(Box<Expr>),
    /// A function of the window's numbers, with further arguments.
    Moving(Moving, Vec<Expr>),
    /// Not, or the negative.
    Not(Box<Expr>),
    /// The negative.
    Negative(Box<Expr>),
    /// Of two numbers.
    Arithmetic(Arithmetic, Box<Expr>, Box<Expr>),
    /// Of two values.
    Compare(Compare, Box<Expr>, Box<Expr>),
    /// Both.
    And(Box<Expr>, Box<Expr>),
    /// Either.
    Or(Box<Expr>, Box<Expr>),
    /// One of two.
    Choose(Box<Expr>, Box<Expr>, Box<Expr>),
    /// The first unless it is null.
    Elvis(Box<Expr>, Box<Expr>),
    /// A conversion.
    Cast(Cast, Box<Expr>),
    /// A function of numbers.
    Call(Function, Vec<Expr>),
    /// A method of a value.
    Method(Method, Box<Expr>, Vec<Expr>),
}

/// `+`, `-`, `*`, `/`, `%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// `==`, `!=`, `<`, `<=`, `>`, `>=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Compare {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What a value is converted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Cast {
    Int,
    Long,
    Double,
    /// No conversion: `def`.
    None,
}

impl Cast {
    /// By the name of a type.
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "int" | "short" | "byte" | "char" | "Integer" => Cast::Int,
            "long" | "Long" => Cast::Long,
            "double" | "float" | "Double" | "Float" => Cast::Double,
            "def" | "boolean" | "String" | "Object" | "var" | "Number" => Cast::None,
            _ => return None,
        })
    }
}
