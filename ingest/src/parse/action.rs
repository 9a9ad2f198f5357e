//! What does an action line of a bulk request ask for?
//!
//! ```text
//! line   = "{" entry *("," entry) "}"
//! entry  = op ":" meta            ; exactly one of them
//!        / name ":" value         ; any other sibling is skipped (some clients send them)
//! op     = "create" / "index" / "update" / "delete"
//! meta   = "{" [ "_index" ":" text ] [ "_id" ":" text ] and anything else, which is skipped "}"
//! text   = a string, a number, or null for "not given"
//! ```

use std::borrow::Cow;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Unexpected, Visitor};

use super::clip;

/// What is to be done with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Add it; an existing `_id` would be replaced, but logs only grow.
    Index,
    /// Add it.
    Create,
    /// Change it: refused.
    Update,
    /// Remove it: refused.
    Delete,
}

impl Op {
    /// The key in actions and items.
    pub fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Index, Self::Create, Self::Update, Self::Delete]
            .into_iter()
            .find(|op| op.name() == name)
    }
}

/// An action line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Action<'a> {
    pub(crate) op: Op,
    pub(crate) index: Option<Cow<'a, str>>,
    pub(crate) id: Option<Cow<'a, str>>,
    pub(crate) pipeline: Option<Cow<'a, str>>,
    pub(crate) require_alias: Option<bool>,
    pub(crate) require_data_stream: Option<bool>,
}

impl Action<'_> {
    /// An action that names nothing.
    pub(crate) fn of(op: Op) -> Self {
        Self {
            op,
            index: None,
            id: None,
            pipeline: None,
            require_alias: None,
            require_data_stream: None,
        }
    }
}

/// Reads an action line; the error says what is expected and what is there.
pub(crate) fn parse_action(line: &[u8]) -> Result<Action<'_>, String> {
    let text = std::str::from_utf8(line)
        .map_err(|e| format!("invalid UTF-8 at byte {} of the line", e.valid_up_to()))?;
    let mut from = serde_json::Deserializer::from_str(text);
    let outer = Outer.deserialize(&mut from).and_then(|action| from.end().map(|()| action));
    outer.map_err(|error| {
        let said = error.to_string();
        let (reason, _) = said.rsplit_once(" at line ").unwrap_or((&said, ""));
        match error.classify() {
            serde_json::error::Category::Data => clip(reason).into_owned(),
            _ => format!("expected JSON but at column {} found: {}", error.column(), clip(reason)),
        }
    })
}

/// Elasticsearch's name of a JSON token.
fn token(found: Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "VALUE_BOOLEAN",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "VALUE_NUMBER",
        Unexpected::Unit => "VALUE_NULL",
        Unexpected::Seq => "START_ARRAY",
        Unexpected::Map => "START_OBJECT",
        _ => "VALUE_STRING",
    }
}

fn unexpected<E: Error>(wanted: &str, found: Unexpected<'_>) -> E {
    E::custom(format_args!("expected {wanted} but found [{}]", token(found)))
}

/// The scalar and array visits of a visitor that takes none of them.
macro_rules! refuse_others {
    ($wanted:literal: $($visit:ident($ty:ty) = $found:expr),*) => {
        $(fn $visit<E: Error>(self, _: $ty) -> Result<Self::Value, E> {
            Err(unexpected($wanted, $found))
        })*

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Err(unexpected($wanted, Unexpected::Unit))
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
            Err(unexpected($wanted, Unexpected::Seq))
        }
    };
}

struct Outer;

impl<'de> DeserializeSeed<'de> for Outer {
    type Value = Action<'de>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Action<'de>, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Outer {
    type Value = Action<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an action")
    }

    refuse_others!("START_OBJECT":
        visit_bool(bool) = Unexpected::Bool(true),
        visit_i64(i64) = Unexpected::Signed(0),
        visit_u64(u64) = Unexpected::Unsigned(0),
        visit_f64(f64) = Unexpected::Float(0.0),
        visit_str(&str) = Unexpected::Str("")
    );

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Action<'de>, A::Error> {
        const OPS: &str = "[create], [delete], [index] or [update]";
        let mut action: Option<Action<'de>> = None;
        let mut unknown = None;
        while let Some(Text(Some(key))) = map.next_key::<Text<'de>>()? {
            match (Op::parse(&key), &action) {
                (Some(op), None) => action = Some(map.next_value_seed(Meta(op))?),
                (Some(op), Some(first)) => {
                    return Err(A::Error::custom(format_args!(
                        "expected one action but found [{}] and [{}]",
                        first.op.name(),
                        op.name()
                    )));
                }
                (None, _) => {
                    map.next_value::<IgnoredAny>()?;
                    unknown.get_or_insert(key);
                }
            }
        }
        action.ok_or_else(|| match unknown {
            Some(name) => {
                A::Error::custom(format_args!("expected field {OPS} but found [{}]", clip(&name)))
            }
            None => A::Error::custom("expected FIELD_NAME but found [END_OBJECT]"),
        })
    }
}

struct Meta(Op);

impl<'de> DeserializeSeed<'de> for Meta {
    type Value = Action<'de>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Action<'de>, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Meta {
    type Value = Action<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an action's metadata")
    }

    refuse_others!("START_OBJECT or END_OBJECT":
        visit_bool(bool) = Unexpected::Bool(true),
        visit_i64(i64) = Unexpected::Signed(0),
        visit_u64(u64) = Unexpected::Unsigned(0),
        visit_f64(f64) = Unexpected::Float(0.0),
        visit_str(&str) = Unexpected::Str("")
    );

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Action<'de>, A::Error> {
        let mut action = Action::of(self.0);
        while let Some(Text(Some(key))) = map.next_key::<Text<'de>>()? {
            match &*key {
                "_index" => action.index = map.next_value::<Text<'de>>()?.0,
                "_id" => action.id = map.next_value::<Text<'de>>()?.0,
                "pipeline" => action.pipeline = map.next_value::<Text<'de>>()?.0,
                "require_alias" => action.require_alias = map.next_value::<Flag>()?.0,
                "require_data_stream" => action.require_data_stream = map.next_value::<Flag>()?.0,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(action)
    }
}

/// `true` or `false`, also as a string; nothing for any other value.
struct Flag(Option<bool>);

impl<'de> serde::Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(from)?;
        Ok(Self(match value.as_str() {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => value.as_bool(),
        }))
    }
}

/// A string or a number as text; nothing for null.
struct Text<'a>(Option<Cow<'a, str>>);

impl<'de> serde::Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a string")
    }

    fn visit_unit<E>(self) -> Result<Text<'de>, E> {
        Ok(Text(None))
    }

    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Some(Cow::Borrowed(v))))
    }

    fn visit_str<E>(self, v: &str) -> Result<Text<'de>, E> {
        Ok(Text(Some(Cow::Owned(v.to_owned()))))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Text<'de>, E> {
        Ok(Text(Some(Cow::Owned(v.to_string()))))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Text<'de>, E> {
        Ok(Text(Some(Cow::Owned(v.to_string()))))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Text<'de>, E> {
        Ok(Text(Some(Cow::Owned(v.to_string()))))
    }

    fn visit_bool<E: Error>(self, v: bool) -> Result<Text<'de>, E> {
        Err(unexpected("VALUE_STRING", Unexpected::Bool(v)))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, _: A) -> Result<Text<'de>, A::Error> {
        Err(unexpected("VALUE_STRING", Unexpected::Seq))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Text<'de>, A::Error> {
        Err(unexpected("VALUE_STRING", Unexpected::Map))
    }
}
