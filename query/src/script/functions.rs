//! Which functions and methods have scripts? Those of `Math`, of `expression`, and of texts and
//! times.

use model::time::Timestamp;

use super::ast::Expr;
use super::eval::Value;

/// A function of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Function {
    Abs,
    Max,
    Min,
    Floor,
    Ceil,
    Round,
    Rint,
    Sqrt,
    Cbrt,
    Pow,
    Exp,
    Expm1,
    Ln,
    Log10,
    Log1p,
    Log2,
    LogOf,
    Signum,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Atan2,
    Sinh,
    Cosh,
    Tanh,
    Hypot,
    ToDegrees,
    ToRadians,
    IsNan,
    IsInfinite,
    IsFinite,
}

impl Function {
    /// By its name in either language.
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "abs" => Function::Abs,
            "max" => Function::Max,
            "min" => Function::Min,
            "floor" => Function::Floor,
            "ceil" => Function::Ceil,
            "round" => Function::Round,
            "rint" => Function::Rint,
            "sqrt" => Function::Sqrt,
            "cbrt" => Function::Cbrt,
            "pow" => Function::Pow,
            "exp" => Function::Exp,
            "expm1" => Function::Expm1,
            "log" | "ln" => Function::Ln,
            "log10" => Function::Log10,
            "log1p" => Function::Log1p,
            "log2" => Function::Log2,
            "logn" => Function::LogOf,
            "signum" | "sign" => Function::Signum,
            "sin" => Function::Sin,
            "cos" => Function::Cos,
            "tan" => Function::Tan,
            "asin" => Function::Asin,
            "acos" => Function::Acos,
            "atan" => Function::Atan,
            "atan2" => Function::Atan2,
            "sinh" => Function::Sinh,
            "cosh" => Function::Cosh,
            "tanh" => Function::Tanh,
            "hypot" => Function::Hypot,
            "toDegrees" => Function::ToDegrees,
            "toRadians" => Function::ToRadians,
            "isNaN" => Function::IsNan,
            "isInfinite" => Function::IsInfinite,
            "isFinite" => Function::IsFinite,
            _ => return None,
        })
    }

    /// Whether it takes so many arguments.
    pub fn takes(self, arguments: usize) -> bool {
        match self {
            Function::Max
            | Function::Min
            | Function::Pow
            | Function::LogOf
            | Function::Atan2
            | Function::Hypot => arguments == 2,
            _ => arguments == 1,
        }
    }

    /// Of its arguments, whose number was checked.
    pub fn of_numbers(self, args: &[Value]) -> Result<Value, String> {
        let number = |at: usize| {
            let value = args.get(at).unwrap_or(&Value::Null);
            value.number().ok_or_else(|| format!("a function needs numbers, got {}", value.kind()))
        };
        let (a, b) = (number(0)?, if args.len() > 1 { number(1)? } else { 0.0 });
        // Whole numbers stay whole where Java's do.
        match (self, args) {
            (Function::Abs, [Value::Int(v)]) => return Ok(Value::Int(v.wrapping_abs())),
            (Function::Max, [Value::Int(a), Value::Int(b)]) => return Ok(Value::Int(*a.max(b))),
            (Function::Min, [Value::Int(a), Value::Int(b)]) => return Ok(Value::Int(*a.min(b))),
            (Function::Round, _) => return Ok(Value::Int((a + 0.5).floor() as i64)),
            (Function::IsNan, _) => return Ok(Value::Bool(a.is_nan())),
            (Function::IsInfinite, _) => return Ok(Value::Bool(a.is_infinite())),
            (Function::IsFinite, _) => return Ok(Value::Bool(a.is_finite())),
            _ => {}
        }
        Ok(Value::Float(self.of_doubles(a, b)))
    }

    fn of_doubles(self, a: f64, b: f64) -> f64 {
        match self {
            Function::Abs => a.abs(),
            // Not a number is the answer wherever it is an argument, as in Java.
            Function::Max | Function::Min if a.is_nan() || b.is_nan() => f64::NAN,
            Function::Max => a.max(b),
            Function::Min => a.min(b),
            Function::Floor => a.floor(),
            Function::Ceil => a.ceil(),
            Function::Rint | Function::Round => a.round_ties_even(),
            Function::Sqrt => a.sqrt(),
            Function::Cbrt => a.cbrt(),
            Function::Pow => a.powf(b),
            Function::Exp => a.exp(),
            Function::Expm1 => a.exp_m1(),
            Function::Ln => a.ln(),
            Function::Log10 => a.log10(),
            Function::Log1p => a.ln_1p(),
            Function::Log2 => a.log2(),
            Function::LogOf => b.ln() / a.ln(),
            Function::Signum if a == 0.0 || a.is_nan() => a,
            Function::Signum => a.signum(),
            Function::Sin => a.sin(),
            Function::Cos => a.cos(),
            Function::Tan => a.tan(),
            Function::Asin => a.asin(),
            Function::Acos => a.acos(),
            Function::Atan => a.atan(),
            Function::Atan2 => a.atan2(b),
            Function::Sinh => a.sinh(),
            Function::Cosh => a.cosh(),
            Function::Tanh => a.tanh(),
            Function::Hypot => a.hypot(b),
            Function::ToDegrees => a.to_degrees(),
            Function::ToRadians => a.to_radians(),
            Function::IsNan | Function::IsInfinite | Function::IsFinite => f64::NAN,
        }
    }
}

/// A method or property of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Method {
    /// The value itself: `toInstant()`, `doubleValue()`.
    Same,
    DoubleValue,
    LongValue,
    IntValue,
    Millis,
    Year,
    Month,
    DayOfMonth,
    DayOfWeek,
    Hour,
    Minute,
    Second,
    Length,
    Contains,
    StartsWith,
    EndsWith,
    ToLowerCase,
    ToUpperCase,
    ToText,
    Equals,
}

impl Method {
    /// By its name; without arguments it is a property.
    pub fn of(name: &str, args: Option<&[Expr]>) -> Option<Self> {
        let one = args.is_some_and(|args| args.len() == 1);
        Some(match (name, args.is_none_or(<[Expr]>::is_empty)) {
            ("toInstant", true) => Method::Same,
            ("doubleValue" | "floatValue", true) => Method::DoubleValue,
            ("longValue", true) => Method::LongValue,
            ("intValue", true) => Method::IntValue,
            ("toEpochMilli" | "millis" | "getMillis", true) => Method::Millis,
            ("year" | "getYear", true) => Method::Year,
            ("monthValue" | "getMonthValue", true) => Method::Month,
            ("dayOfMonth" | "getDayOfMonth", true) => Method::DayOfMonth,
            ("dayOfWeek" | "getDayOfWeek" | "dayOfWeekEnum" | "getDayOfWeekEnum", true) => {
                Method::DayOfWeek
            }
            ("hour" | "getHour" | "hourOfDay", true) => Method::Hour,
            ("minute" | "getMinute" | "minuteOfHour", true) => Method::Minute,
            ("second" | "getSecond" | "secondOfMinute", true) => Method::Second,
            ("length", true) if args.is_some() => Method::Length,
            ("toLowerCase", true) => Method::ToLowerCase,
            ("toUpperCase", true) => Method::ToUpperCase,
            ("toString", true) => Method::ToText,
            ("contains", false) if one => Method::Contains,
            ("startsWith", false) if one => Method::StartsWith,
            ("endsWith", false) if one => Method::EndsWith,
            ("equals", false) if one => Method::Equals,
            _ => return None,
        })
    }

    /// Of a value and the arguments.
    pub fn of_value(self, value: &Value, args: &[Value]) -> Result<Value, String> {
        let wrong = || format!("a method does not fit {}", value.kind());
        let text_pair = || match (value, args) {
            (Value::Text(text), [Value::Text(other)]) => Ok((text, other)),
            _ => Err(wrong()),
        };
        let number = || value.number().ok_or_else(wrong);
        Ok(match self {
            Method::Same => value.clone(),
            Method::DoubleValue => Value::Float(number()?),
            Method::LongValue => Value::Int(number()? as i64),
            Method::IntValue => Value::Int(i64::from(number()? as i32)),
            Method::Millis => match value {
                Value::Time(ns) => Value::Int(Timestamp(*ns).millis()),
                _ => return Err(wrong()),
            },
            Method::Year
            | Method::Month
            | Method::DayOfMonth
            | Method::DayOfWeek
            | Method::Hour
            | Method::Minute
            | Method::Second => match value {
                Value::Time(ns) => Value::Int(self.of_time(*ns)),
                _ => return Err(wrong()),
            },
            Method::Length => match value {
                Value::Text(text) => Value::Int(text.encode_utf16().count() as i64),
                _ => return Err(wrong()),
            },
            Method::Contains => {
                let (text, other) = text_pair()?;
                Value::Bool(text.contains(&**other))
            }
            Method::StartsWith => {
                let (text, other) = text_pair()?;
                Value::Bool(text.starts_with(&**other))
            }
            Method::EndsWith => {
                let (text, other) = text_pair()?;
                Value::Bool(text.ends_with(&**other))
            }
            Method::ToLowerCase => match value {
                Value::Text(text) => Value::Text(text.to_lowercase().into()),
                _ => return Err(wrong()),
            },
            Method::ToUpperCase => match value {
                Value::Text(text) => Value::Text(text.to_uppercase().into()),
                _ => return Err(wrong()),
            },
            Method::ToText => Value::Text(value.text().ok_or_else(wrong)?.into()),
            Method::Equals => Value::Bool(Some(value) == args.first()),
        })
    }

    fn of_time(self, ns: i64) -> i64 {
        let Ok(at) = jiff::Timestamp::from_nanosecond(i128::from(ns)) else { return 0 };
        let at = jiff::tz::TimeZone::UTC.to_datetime(at);
        i64::from(match self {
            Method::Year => return i64::from(at.year()),
            Method::Month => at.month(),
            Method::DayOfMonth => at.day(),
            Method::DayOfWeek => at.weekday().to_monday_one_offset(),
            Method::Hour => at.hour(),
            Method::Minute => at.minute(),
            _ => at.second(),
        })
    }
}
