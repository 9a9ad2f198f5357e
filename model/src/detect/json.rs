//! What does a JSON line say of its time and level? Reads the well-known keys of one object.
//!
//! Knows nothing of the other fields, which are skipped without being built.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{Context, Detected, Level, whole};
use crate::record::Value;
use crate::time::Timestamp;

/// Keys of the time, the surest first.
const TIME_KEYS: [&str; 4] = ["@timestamp", "timestamp", "time", "ts"];
const LEVEL_KEYS: [&str; 5] = ["log.level", "level", "severity", "lvl", "loglevel"];

/// `None` when the line is not one JSON object.
pub(super) fn detect(line: &str, context: &Context) -> Option<Detected> {
    let mut deserializer = serde_json::Deserializer::from_str(line);
    let seed = Probe { context, depth: Depth::Top };
    let found = seed.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(Detected { time: found.time.map(|t| t.1), level: found.level.map(|l| l.1) })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Top,
    /// Inside `"log": {…}`.
    Log,
}

#[derive(Default)]
struct Found {
    /// Rank of the key, and what it said.
    time: Option<(usize, Timestamp)>,
    level: Option<(usize, Level)>,
}

struct Probe<'c> {
    context: &'c Context,
    depth: Depth,
}

impl<'de> DeserializeSeed<'de> for Probe<'_> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Probe<'_> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
        let mut found = Found::default();
        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
            if self.depth == Depth::Log {
                match (key.as_ref(), map.next_value::<Scalar<'de>>()?) {
                    ("level", value) => keep(&mut found.level, 0, read_level(&value)),
                    _ => continue,
                }
                continue;
            }
            if let Some(rank) = TIME_KEYS.iter().position(|k| *k == key) {
                let value = map.next_value::<Scalar<'de>>()?;
                keep(&mut found.time, rank, read_time(&value, self.context));
            } else if let Some(rank) = LEVEL_KEYS.iter().position(|k| *k == key) {
                let value = map.next_value::<Scalar<'de>>()?;
                keep(&mut found.level, rank, read_level(&value));
            } else if key == "log" {
                if let MaybeLog(Some(level)) = map.next_value_seed(LogSeed(self.context))? {
                    keep(&mut found.level, 0, Some(level));
                }
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

fn keep<T>(slot: &mut Option<(usize, T)>, rank: usize, value: Option<T>) {
    if let Some(value) = value
        && slot.as_ref().is_none_or(|(known, _)| rank < *known)
    {
        *slot = Some((rank, value));
    }
}

fn read_time(value: &Scalar<'_>, context: &Context) -> Option<Timestamp> {
    match value {
        Scalar::Text(text) => {
            let own = || whole(text, context);
            // Without a zone the context's holds, so the other reader goes first.
            own().or_else(|| Timestamp::parse(text))
        }
        Scalar::Int(n) => Timestamp::from_value(&Value::Int(*n)).filter(|t| plausible(*t)),
        Scalar::Float(f) => Timestamp::from_value(&Value::Float(*f)).filter(|t| plausible(*t)),
        Scalar::Other => None,
    }
}

/// A `time` of 0.25 or 17 is a duration, not a moment of 1970.
fn plausible(time: Timestamp) -> bool {
    time.0 > 946_684_800 * crate::time::NS_PER_S
}

fn read_level(value: &Scalar<'_>) -> Option<Level> {
    match value {
        Scalar::Text(text) => Level::from_name(text.trim().as_bytes()),
        Scalar::Int(n) => Level::from_number(*n),
        _ => None,
    }
}

struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(ScalarVisitor)? {
            Scalar::Text(text) => Ok(Text(text)),
            _ => Ok(Text(Cow::Borrowed(""))),
        }
    }
}

enum Scalar<'a> {
    Text(Cow<'a, str>),
    Int(i64),
    Float(f64),
    Other,
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(v)))
    }

    fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(v.to_owned())))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Int(v))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(v).map_or(Scalar::Other, Scalar::Int))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Float(v))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

/// The level inside `"log": {…}`, or nothing when `log` is not an object.
struct MaybeLog(Option<Level>);

struct LogSeed<'c>(&'c Context);

impl<'de> DeserializeSeed<'de> for LogSeed<'_> {
    type Value = MaybeLog;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<MaybeLog, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for LogSeed<'_> {
    type Value = MaybeLog;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<MaybeLog, A::Error> {
        let found = Probe { context: self.0, depth: Depth::Log }.visit_map(map)?;
        Ok(MaybeLog(found.level.map(|l| l.1)))
    }

    fn visit_str<E>(self, _: &str) -> Result<MaybeLog, E> {
        Ok(MaybeLog(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<MaybeLog, E> {
        Ok(MaybeLog(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<MaybeLog, E> {
        Ok(MaybeLog(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<MaybeLog, E> {
        Ok(MaybeLog(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<MaybeLog, E> {
        Ok(MaybeLog(None))
    }

    fn visit_unit<E>(self) -> Result<MaybeLog, E> {
        Ok(MaybeLog(None))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<MaybeLog, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(MaybeLog(None))
    }
}
