//! Which values do the `?` of a query stand for? Positional and named parameters.

use serde_json::Value as Json;

use crate::error::QueryError;
use crate::esql::value::{Cell, Type};

/// The values of a request, in order.
#[derive(Clone, Debug, Default)]
pub struct Params {
    list: Vec<(Option<String>, Cell, Type)>,
}

/// The constant that a JSON value is.
pub fn constant(json: &Json) -> Option<(Cell, Type)> {
    Some(match json {
        Json::Null => (Cell::Null, Type::Null),
        Json::Bool(v) => (Cell::Bool(*v), Type::Boolean),
        Json::String(text) => (Cell::text(text.as_str()), Type::Keyword),
        Json::Number(n) => match n.as_i64() {
            Some(v) => (Cell::Int(v), whole_type(v)),
            None => (Cell::Double(n.as_f64()?), Type::Double),
        },
        _ => return None,
    })
}

/// The type of a whole constant.
pub fn whole_type(v: i64) -> Type {
    if i32::try_from(v).is_ok() { Type::Integer } else { Type::Long }
}

impl Params {
    /// Reads `params`: values, or objects with one name and value each. SQL's older form
    /// `{"type": …, "value": …}` is read too.
    ///
    /// # Errors
    /// It is no list, or an entry is none of these; named and unnamed are mixed.
    pub fn read(json: &Json) -> Result<Self, QueryError> {
        let Json::Array(list) = json else {
            return Err(QueryError::parsing("[params] must be an array"));
        };
        let mut out = Vec::with_capacity(list.len());
        for entry in list {
            let (name, value) = match entry {
                Json::Object(map) if map.contains_key("type") && map.contains_key("value") => {
                    (None, map.get("value"))
                }
                Json::Object(map) if map.len() == 1 => {
                    let (name, value) = map.iter().next().unzip();
                    let value = match value {
                        Some(Json::Object(inner)) if inner.contains_key("value") => {
                            inner.get("value")
                        }
                        other => other,
                    };
                    (name.cloned(), value)
                }
                other => (None, Some(other)),
            };
            let constant = value.and_then(constant).ok_or_else(|| {
                QueryError::parsing(format!(
                    "Cannot parse [params] entry [{entry}]: give a value or {{\"name\": value}}"
                ))
            })?;
            out.push((name, constant.0, constant.1));
        }
        let named = out.iter().filter(|p| p.0.is_some()).count();
        if named != 0 && named != out.len() {
            return Err(QueryError::parsing(
                "Params cannot contain both named and unnamed parameters",
            ));
        }
        Ok(Self { list: out })
    }

    /// The value at a position, from 0.
    pub fn at(&self, position: usize) -> Option<(Cell, Type)> {
        self.list.get(position).map(|(_, cell, ty)| (cell.clone(), *ty))
    }

    /// The value of a name.
    pub fn named(&self, name: &str) -> Option<(Cell, Type)> {
        let found = self.list.iter().find(|p| p.0.as_deref() == Some(name));
        found.map(|(_, cell, ty)| (cell.clone(), *ty))
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}
