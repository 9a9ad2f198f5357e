//! Which keys may be buckets, and how are they written? `include`, `exclude`, partitions, formats.

use hashbrown::{HashMap, HashSet};
use jiff::tz::TimeZone;
use model::time::Timestamp;
use serde_json::Value as Json;

use super::key::Key;
use super::keyed::RawKey;
use super::print::Decimal;
use super::source::FieldValues;
use crate::dates::Formats;
use crate::error::QueryError;
use crate::leaf::{LeafError, Run};
use crate::request::{Choice, ChoiceOf};
use crate::test::Pattern;

/// A planned choice of keys.
#[derive(Debug)]
pub struct Chooser {
    include: Option<Set>,
    exclude: Option<Set>,
    partition: Option<(u32, u32)>,
}

#[derive(Debug)]
enum Set {
    Values(HashSet<Key>),
    Pattern(Pattern),
}

impl Set {
    fn new(of: &ChoiceOf) -> Result<Self, QueryError> {
        match of {
            ChoiceOf::Pattern(test) => Pattern::regex(test).map(Set::Pattern),
            ChoiceOf::Values(list) => Ok(Set::Values(list.iter().flat_map(keys_of).collect())),
        }
    }

    fn contains(&self, key: &Key) -> bool {
        match self {
            Set::Values(values) => values.contains(key),
            Set::Pattern(pattern) => match key {
                Key::Str(text) => pattern.matches(text),
                key => pattern.matches(&text_of(key)),
            },
        }
    }
}

/// The keys that a constant can mean: as text, as a number, as a boolean and as a time.
fn keys_of(value: &Json) -> Vec<Key> {
    let mut out = vec![Key::of_json(value)];
    match value {
        Json::String(text) => {
            out.extend(text.parse::<i64>().ok().map(Key::Int));
            out.extend(text.parse::<f64>().ok().filter(|v| v.is_finite()).map(Key::float));
            out.extend(text.parse::<bool>().ok().map(Key::Bool));
            out.extend(Timestamp::parse(text).map(Key::time));
        }
        Json::Number(number) => {
            out.push(Key::Str(number.to_string().into()));
            out.extend(number.as_i64().map(|ms| Key::time(Timestamp::from_millis(ms))));
            match number.as_i64() {
                Some(0) => out.push(Key::Bool(false)),
                Some(1) => out.push(Key::Bool(true)),
                _ => {}
            }
        }
        Json::Bool(v) => out.push(Key::Str(v.to_string().into())),
        _ => {}
    }
    out
}

/// A key as text.
fn text_of(key: &Key) -> String {
    match key {
        Key::Bool(v) => v.to_string(),
        Key::Time(ns) => Timestamp(*ns).rfc3339_millis(),
        Key::Str(text) => text.to_string(),
        key => key.json().to_string(),
    }
}

impl Chooser {
    /// Of a request; `None` when every key may be a bucket.
    ///
    /// # Errors
    /// An expression makes no sense.
    pub fn new(choice: &Choice) -> Result<Option<Self>, QueryError> {
        if *choice == Choice::default() {
            return Ok(None);
        }
        Ok(Some(Self {
            include: choice.include.as_ref().map(Set::new).transpose()?,
            exclude: choice.exclude.as_ref().map(Set::new).transpose()?,
            partition: choice.partition,
        }))
    }

    /// Whether a key may be a bucket.
    pub fn takes(&self, key: &Key) -> bool {
        self.include.as_ref().is_none_or(|set| set.contains(key))
            && self.exclude.as_ref().is_none_or(|set| !set.contains(key))
            && self.partition.is_none_or(|(number, count)| share_of(key, count) == number)
    }
}

/// The share of a key, of so many, as Elasticsearch cuts them.
fn share_of(key: &Key, count: u32) -> u32 {
    let count = i64::from(count.max(1));
    let hash = match key {
        Key::Str(text) => i64::from(murmur3(text.as_bytes(), 31)),
        Key::Bool(v) => mix64(u64::from(*v)),
        Key::Int(v) => mix64(*v as u64),
        Key::Time(ns) => mix64(Timestamp(*ns).millis() as u64),
        Key::Float(bits) => mix64(*bits),
        key => i64::from(murmur3(text_of(key).as_bytes(), 31)),
    };
    hash.rem_euclid(count) as u32
}

/// MurmurHash3 of 32 bits.
fn murmur3(bytes: &[u8], seed: u32) -> i32 {
    let mix = |k: u32| k.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let word = |part: &[u8]| part.iter().rev().fold(0u32, |word, b| word << 8 | u32::from(*b));
    let mut hash = seed;
    let chunks = bytes.chunks_exact(4);
    let rest = chunks.remainder();
    for chunk in chunks {
        hash = (hash ^ mix(word(chunk))).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    if !rest.is_empty() {
        hash ^= mix(word(rest));
    }
    hash ^= bytes.len() as u32;
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    (hash ^ hash >> 16) as i32
}

/// David Stafford's variant 9 of the 64-bit mix.
fn mix64(value: u64) -> i64 {
    let z = (value ^ value >> 32).wrapping_mul(0x4cd6_944c_5cc2_0b6d);
    let z = (z ^ z >> 29).wrapping_mul(0xfc12_c5b1_9d32_59e9);
    (z ^ z >> 32) as i64
}

/// What is known of the keys of one segment.
pub struct Chosen<'a> {
    chooser: &'a Chooser,
    /// By ordinal: 0 when it was not asked yet, 1 for no, 2 for yes.
    ords: Vec<u8>,
    others: HashMap<RawKey, bool>,
    run: &'a Run,
}

impl<'a> Chosen<'a> {
    /// Nothing yet.
    pub fn new(chooser: &'a Chooser, run: &'a Run) -> Self {
        Self { chooser, ords: Vec::new(), others: HashMap::new(), run }
    }

    /// Whether a key of the field may be a bucket; `missing` is the key of no value.
    ///
    /// # Errors
    /// The memory limit is reached.
    pub fn takes(
        &mut self,
        key: RawKey,
        (field, missing): (&FieldValues<'_>, Option<&Key>),
    ) -> Result<bool, LeafError> {
        if let RawKey::Ord(ord) = key {
            let at = ord as usize;
            if at >= self.ords.len() {
                let wanted = field.terms().unwrap_or(0).max(at + 1).next_power_of_two();
                self.run.charge(wanted - self.ords.len())?;
                self.ords.resize(wanted, 0);
            }
            if self.ords[at] == 0 {
                let mut takes = false;
                field.texts(&[ord], |_, text| {
                    takes = self.chooser.takes(&Key::Str(text.into()));
                });
                self.ords[at] = 1 + u8::from(takes);
            }
            return Ok(self.ords[at] == 2);
        }
        if let Some(takes) = self.others.get(&key) {
            return Ok(*takes);
        }
        let takes = match key.plain(missing) {
            Some(key) => self.chooser.takes(&key),
            None => false,
        };
        self.run.charge(40)?;
        self.others.insert(key, takes);
        Ok(takes)
    }
}

/// How the keys of a field are written beside their plain form.
#[derive(Debug, Default)]
pub struct KeyFormat {
    times: Formats,
    numbers: Option<Decimal>,
    /// The request named a format.
    named: bool,
    zone: Option<TimeZone>,
}

impl KeyFormat {
    /// Of a `format` option: of times, or of numbers.
    ///
    /// # Errors
    /// It is neither.
    pub fn new(format: Option<&str>) -> Result<Self, QueryError> {
        let Some(format) = format else { return Ok(Self::default()) };
        let numbers = match format.contains(['#', '0']) {
            true => Decimal::parse(format),
            false => Err(QueryError::illegal(format!("Malformed pattern \"{format}\""))),
        };
        match (Formats::parse(format), numbers) {
            (Ok(times), numbers) => {
                Ok(Self { times, numbers: numbers.ok(), named: true, zone: None })
            }
            (Err(_), Ok(numbers)) => {
                Ok(Self { numbers: Some(numbers), named: true, ..Self::default() })
            }
            (Err(error), Err(_)) => Err(error),
        }
    }

    /// The same in a zone.
    pub fn with_zone(mut self, zone: TimeZone) -> Self {
        self.zone = Some(zone);
        self
    }

    /// A time as text.
    pub fn time(&self, ns: i64) -> String {
        self.times.print(Timestamp(ns), self.zone.as_ref().unwrap_or(&TimeZone::UTC))
    }

    /// A number as text, when there is a format for numbers.
    pub fn number(&self, number: f64) -> Option<String> {
        self.numbers.as_ref().map(|numbers| numbers.print(number))
    }

    /// The `key_as_string` of a key, if it has one.
    pub fn text(&self, key: &Key) -> Option<String> {
        match key {
            Key::Bool(v) => Some(v.to_string()),
            Key::Time(ns) => Some(self.time(*ns)),
            Key::Int(v) => self.number(*v as f64),
            Key::Float(bits) => self.number(f64::from_bits(*bits)),
            Key::Str(_) | Key::Null | Key::Tuple(_) => None,
        }
    }

    /// A key where keys are values of any kind: a boolean stays one, a time is its text where a
    /// format says how or `times` asks for it.
    pub fn value(&self, key: &Key, times: bool) -> Json {
        match key {
            Key::Bool(v) => Json::from(*v),
            Key::Time(ns) if times || self.named => self.time(*ns).into(),
            key => match self.text(key) {
                Some(text) if self.named => text.into(),
                _ => key.json(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ast::TextTest;

    fn pattern(text: &str) -> Option<ChoiceOf> {
        Some(ChoiceOf::Pattern(TextTest { text: text.to_owned(), fold: false }))
    }

    #[test]
    fn keys_are_chosen_by_value_pattern_and_share() {
        let values = |json: Json| Some(ChoiceOf::Values(json.as_array().unwrap().clone()));
        let text = |text: &str| Key::Str(text.into());
        type Case = (Option<ChoiceOf>, Option<ChoiceOf>, Key, bool);
        let cases: [Case; 12] = [
            (pattern("ap.*"), None, text("api"), true),
            (pattern("ap.*"), None, text("web-api"), false),
            (pattern("ap.*"), pattern("api"), text("api"), false),
            (None, pattern("api"), text("web"), true),
            (values(json!(["a", "5"])), None, Key::Int(5), true),
            (values(json!([5])), None, text("5"), true),
            (values(json!([1.5])), None, Key::float(1.5), true),
            (values(json!(["true"])), None, Key::Bool(true), true),
            (None, values(json!([1])), Key::Bool(true), false),
            (values(json!(["2026-11-20"])), None, Key::Time(1_795_132_800_000_000_000), true),
            (pattern("4.."), None, Key::Int(404), true),
            (values(json!(["a"])), None, text("b"), false),
        ];
        for (include, exclude, key, want) in cases {
            let choice = Choice { include, exclude, partition: None };
            let chooser = Chooser::new(&choice).unwrap().unwrap();
            assert_eq!(chooser.takes(&key), want, "{choice:?} {key:?}");
        }
        assert!(Chooser::new(&Choice::default()).unwrap().is_none());
        assert!(Chooser::new(&Choice { include: pattern("("), ..Choice::default() }).is_err());
    }

    #[test]
    fn every_key_is_in_one_share() {
        let is_in = |key: &Key, number: u32| {
            let choice = Choice { partition: Some((number, 7)), ..Choice::default() };
            Chooser::new(&choice).unwrap().unwrap().takes(key)
        };
        for at in 0..200i64 {
            for key in [Key::Int(at - 100), Key::Str(format!("key-{at}").into())] {
                assert_eq!((0..7).filter(|n| is_in(&key, *n)).count(), 1, "{key:?}");
            }
        }
        // The published values of the hash.
        assert_eq!(murmur3(b"", 0), 0);
        assert_eq!(murmur3(b"hello", 0), 0x248b_fa47);
        assert_eq!(murmur3(b"hello, world", 0), 0x149b_bb7f);
    }
}
