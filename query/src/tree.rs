//! What does an answer of thousands of buckets look like? JSON whose objects are lists of members:
//! cheap to make and to write, and searched by few.
//!
//! Knows nothing of what it says.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value as Json};

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// An object.
    Object(Object),
    /// A list.
    List(Vec<Tree>),
    /// Anything.
    Json(Json),
    /// What is put there when the rest is known; null until then.
    Later(Arc<OnceLock<Tree>>),
}

/// A JSON object: members in the order in which they are written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object(Vec<(Cow<'static, str>, Tree)>);

impl Object {
    /// Without members, with room for so many.
    pub fn with_capacity(members: usize) -> Self {
        Self(Vec::with_capacity(members))
    }

    /// Adds a member; one of that name must not be there.
    pub fn push(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Tree>) {
        self.0.push((name.into(), value.into()));
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a member, in the place of one of that name among the first few; there must be none among
    /// the others.
    pub fn put(
        &mut self,
        first: usize,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Tree>,
    ) {
        let (name, value) = (name.into(), value.into());
        match self.0.iter_mut().take(first).find(|(other, _)| *other == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    /// The member of a name; of several the last.
    pub fn get(&self, name: &str) -> Option<&Tree> {
        self.0.iter().rev().find(|(other, _)| other == name).map(|(_, value)| value)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Tree> {
        self.0.iter_mut().rev().find(|(other, _)| other == name).map(|(_, value)| value)
    }

    /// The members, in order.
    pub fn members(&self) -> impl Iterator<Item = (&str, &Tree)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// As an object that can be searched; of members of one name the last counts.
    pub fn into_json(self) -> Map<String, Json> {
        self.0.into_iter().map(|(name, value)| (name.into_owned(), value.into_json())).collect()
    }
}

impl Tree {
    /// As JSON that can be searched.
    pub fn into_json(self) -> Json {
        match self {
            Tree::Object(object) => Json::Object(object.into_json()),
            Tree::List(list) => list.into_iter().map(Tree::into_json).collect(),
            Tree::Json(json) => json,
            Tree::Later(later) => later.get().cloned().map_or(Json::Null, Tree::into_json),
        }
    }
}

impl IntoIterator for Object {
    type Item = (Cow<'static, str>, Tree);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<T: Into<Json>> From<T> for Tree {
    fn from(value: T) -> Self {
        Tree::Json(value.into())
    }
}

impl From<Object> for Tree {
    fn from(object: Object) -> Self {
        Tree::Object(object)
    }
}

impl FromIterator<(Cow<'static, str>, Tree)> for Object {
    fn from_iter<I: IntoIterator<Item = (Cow<'static, str>, Tree)>>(members: I) -> Self {
        Self(members.into_iter().collect())
    }
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Tree::Object(object) => object.serialize(to),
            Tree::List(list) => list.serialize(to),
            Tree::Json(json) => json.serialize(to),
            Tree::Later(later) => later.get().serialize(to),
        }
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_what_can_be_searched() {
        let mut inner = Object::default();
        inner.push("a", 1);
        inner.put(1, "b", "x\"y");
        inner.put(1, "a", 2.5);
        assert_eq!((inner.len(), inner.is_empty()), (2, false));
        let mut outer = Object::with_capacity(2);
        outer.push("list", Tree::List(vec![Tree::Object(inner), Json::Null.into(), true.into()]));
        outer.push(String::from("empty"), Object::default());
        let written = serde_json::to_string(&outer).unwrap();
        assert_eq!(written, r#"{"list":[{"a":2.5,"b":"x\"y"},null,true],"empty":{}}"#);
        assert_eq!(
            Json::Object(outer.into_json()),
            serde_json::from_str::<Json>(&written).unwrap()
        );
        assert_eq!(Tree::from(json!({"k": [1]})).into_json(), json!({"k": [1]}));
    }
}
