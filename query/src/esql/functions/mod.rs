//! Which functions of values are there? Their names, what they take, what they give.
//!
//! A function sees the cells of one row; `CASE`, `COALESCE`, operators and aggregates are not here.

mod convert;
mod dates;
mod math;
mod multi;
mod text;

pub use convert::{convert, literal_to};
pub use dates::{Unit, add_span, round_to};
pub use text::regex;

use ::regex::Regex;
use jiff::tz::TimeZone;
use model::time::Timestamp;

use super::value::{Cell, Type};
use crate::dates::Formats;

/// What an argument must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Anything.
    Any,
    /// A number.
    Number,
    /// A whole number.
    Whole,
    /// Text.
    Text,
    /// A time.
    Date,
    /// An address.
    Ip,
    /// A number, boolean, text, time: what converts to numbers.
    Plain,
    /// A span of time.
    Span,
    /// The same type as the first.
    Same,
}

impl Kind {
    /// How errors name it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Any | Kind::Same => "any",
            Kind::Number => "numeric",
            Kind::Whole => "integer",
            Kind::Text => "string",
            Kind::Date => "datetime",
            Kind::Ip => "ip",
            Kind::Plain => "boolean or numeric or string or datetime",
            Kind::Span => "dateperiod or timeduration",
        }
    }

    /// Whether a type is of this kind. Null always is.
    pub fn takes(self, ty: Type) -> bool {
        ty == Type::Null
            || match self {
                Kind::Any | Kind::Same => !ty.is_span(),
                Kind::Number => ty.is_number(),
                Kind::Whole => ty.is_whole(),
                Kind::Text => ty.is_string(),
                Kind::Date => ty == Type::Date,
                Kind::Ip => ty == Type::Ip,
                Kind::Plain => {
                    ty.is_number() || ty.is_string() || matches!(ty, Type::Date | Type::Boolean)
                }
                Kind::Span => ty.is_span(),
            }
    }
}

/// What becomes of arguments with none or several values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Null when one has none or several.
    Single,
    /// The first argument may have several: the function is asked for each of its values.
    Each,
    /// The function sees them as they are.
    Raw,
}

/// The type of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returns {
    /// This.
    Is(Type),
    /// That of the first argument; text becomes a keyword.
    First,
    /// The one that holds those of all arguments.
    Common,
}

/// A function.
#[derive(Debug)]
pub struct Function {
    /// Its name, in capitals.
    pub name: &'static str,
    /// What it takes.
    pub args: &'static [Kind],
    /// How many of them may be left out, at the end.
    pub optional: usize,
    /// The last one may come again and again.
    pub variadic: bool,
    /// What becomes of none or several values.
    pub mode: Mode,
    /// What it gives.
    pub returns: Returns,
    /// Computes it.
    pub eval: fn(&Env<'_>, &[Cell]) -> Cell,
}

/// What was made of constant arguments once.
#[derive(Clone, Debug, Default)]
pub enum Prepared {
    /// Nothing.
    #[default]
    None,
    /// The pattern of `REPLACE`.
    Regex(Regex),
    /// The format of `DATE_FORMAT` and `DATE_PARSE`.
    Formats(Formats),
}

/// What a function knows besides its arguments.
#[derive(Clone, Copy, Debug)]
pub struct Env<'a> {
    /// The types of the arguments.
    pub types: &'a [Type],
    /// The type of the result.
    pub returns: Type,
    /// What was made of constant arguments.
    pub prepared: &'a Prepared,
    /// What `NOW()` is.
    pub now: Timestamp,
    /// The zone of calendars.
    pub zone: &'a TimeZone,
}

/// The function of a name, in any case.
pub fn find(name: &str) -> Option<&'static Function> {
    let name = name.to_ascii_uppercase();
    let name = match name.as_str() {
        "TO_STR" => "TO_STRING",
        "TO_INT" => "TO_INTEGER",
        "TO_DBL" => "TO_DOUBLE",
        "TO_BOOL" => "TO_BOOLEAN",
        "TO_DT" => "TO_DATETIME",
        other => other,
    };
    tables().into_iter().flatten().find(|f| f.name == name)
}

/// All names, for suggestions.
pub fn names() -> impl Iterator<Item = &'static str> {
    tables().into_iter().flatten().map(|f| f.name)
}

fn tables() -> [&'static [Function]; 5] {
    [math::TABLE, text::TABLE, convert::TABLE, dates::TABLE, multi::TABLE]
}

/// A function of single values with fixed types.
const fn simple(
    name: &'static str,
    args: &'static [Kind],
    returns: Returns,
    eval: fn(&Env<'_>, &[Cell]) -> Cell,
) -> Function {
    Function { name, args, optional: 0, variadic: false, mode: Mode::Single, returns, eval }
}

impl Function {
    const fn optional(mut self, count: usize) -> Self {
        self.optional = count;
        self
    }

    const fn variadic(mut self) -> Self {
        self.variadic = true;
        self
    }

    const fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Calls it for one row.
    pub fn call(&self, env: &Env<'_>, args: &mut [Cell]) -> Cell {
        match self.mode {
            Mode::Raw => (self.eval)(env, args),
            Mode::Single => {
                if args.iter().any(|c| matches!(c, Cell::Null | Cell::Multi(_))) {
                    return Cell::Null;
                }
                (self.eval)(env, args)
            }
            Mode::Each => {
                if args[1..].iter().any(|c| matches!(c, Cell::Null | Cell::Multi(_))) {
                    return Cell::Null;
                }
                match args.first().cloned() {
                    None | Some(Cell::Null) => Cell::Null,
                    Some(Cell::Multi(list)) => {
                        let mut out = Vec::with_capacity(list.len());
                        for value in list.iter() {
                            args[0] = value.clone();
                            out.extend_from_slice((self.eval)(env, args).values());
                        }
                        Cell::of_list(out)
                    }
                    Some(_) => (self.eval)(env, args),
                }
            }
        }
    }
}

/// Text as the longest that a function may make, in bytes.
const TEXT_BYTES_MAX: usize = 1 << 20;
