//! Which keys are there, of which types? Read from the defaults.

use toml_edit::{Item, TableLike, Value};

/// A key with a value.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// Dotted path.
    pub(super) path: String,
    /// Type of the value.
    pub(super) kind: Kind,
    /// The default, as it stands in the file.
    pub(super) default: String,
}

/// Types of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Whole,
    Number,
    Boolean,
    List,
    Time,
    Section,
}

impl Kind {
    pub(super) fn of(item: &Item) -> Kind {
        match item {
            Item::Value(value) => Kind::of_value(value),
            Item::ArrayOfTables(_) => Kind::List,
            Item::Table(_) | Item::None => Kind::Section,
        }
    }

    pub(super) fn of_value(value: &Value) -> Kind {
        match value {
            Value::String(_) => Kind::Text,
            Value::Integer(_) => Kind::Whole,
            Value::Float(_) => Kind::Number,
            Value::Boolean(_) => Kind::Boolean,
            Value::Array(_) => Kind::List,
            Value::Datetime(_) => Kind::Time,
            Value::InlineTable(_) => Kind::Section,
        }
    }

    /// As a person would say it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Text => "a text in quotes",
            Kind::Whole => "a whole number",
            Kind::Number => "a number",
            Kind::Boolean => "`true` or `false`",
            Kind::List => "a list in brackets",
            Kind::Time => "a time",
            Kind::Section => "a section",
        }
    }
}

/// All keys with values, in the order of the file.
pub(super) fn keys(table: &dyn TableLike) -> Vec<Known> {
    let mut out = Vec::new();
    collect(table, "", &mut out);
    out
}

fn collect(table: &dyn TableLike, prefix: &str, out: &mut Vec<Known>) {
    for (key, item) in table.iter() {
        let path = join(prefix, key);
        match item.as_table_like() {
            Some(section) => collect(section, &path, out),
            None => {
                let default = item.to_string().trim().to_owned();
                out.push(Known { path, kind: Kind::of(item), default });
            }
        }
    }
}

pub(super) fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") }
}
