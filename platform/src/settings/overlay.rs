//! How does one source lie over another? Checks each key and value against the defaults.

use std::path::Path;

use toml_edit::{Item, TableLike, Value};

use super::known::{Kind, Known, join};
use super::nearest::{content, nearest_value, suggestion};
use super::{ENVIRONMENT_PREFIX, Origins, Place, SettingsError};

/// The user's file.
pub(super) struct File<'a> {
    pub(super) name: &'a Path,
    pub(super) text: &'a str,
    pub(super) known: &'a [Known],
}

impl File<'_> {
    /// Replaces in `merged` what `table`, the section `prefix`, sets.
    pub(super) fn lay_over(
        &self,
        table: &dyn TableLike,
        merged: &mut dyn TableLike,
        prefix: &str,
        origins: &mut Origins,
    ) -> Result<(), SettingsError> {
        for (key, item) in table.iter() {
            let path = join(prefix, key);
            let span = table.key(key).and_then(|k| k.span()).or_else(|| item.span());
            let line = span.map_or(1, |span| line_of(self.text, span.start));
            let place = Place::File { name: self.name.to_owned(), line };
            let Some(target) = merged.get_mut(key) else {
                return Err(unknown(place, &path, self.known));
            };
            match (item.as_table_like(), target.as_table_like_mut()) {
                (Some(section), Some(target)) => {
                    self.lay_over(section, target, &path, origins)?;
                }
                (None, None) => {
                    let value = item.clone().into_value().ok();
                    let value = value.and_then(|value| fit(value, target));
                    let Some(value) = value else {
                        return Err(self.wrong_type(place, &path, item, target));
                    };
                    *target = Item::Value(value);
                    origins.0.insert(path, place);
                }
                (_, target) => {
                    let (is, should) = match target {
                        Some(_) => (Kind::of(item).name(), Kind::Section.name()),
                        None => (Kind::Section.name(), self.kind(&path).name()),
                    };
                    let problem = format!("`{path}` is {is}, but must be {should}");
                    return Err(SettingsError { place, problem });
                }
            }
        }
        Ok(())
    }

    fn kind(&self, path: &str) -> Kind {
        self.known.iter().find(|k| k.path == path).map_or(Kind::Section, |k| k.kind)
    }

    fn wrong_type(&self, place: Place, path: &str, item: &Item, target: &Item) -> SettingsError {
        let is = match (Kind::of(item), Kind::of(target)) {
            (Kind::List, Kind::List) => "a list of something else",
            (kind, _) => kind.name(),
        };
        let default = self.known.iter().find(|k| k.path == path).map(|k| k.default.as_str());
        let problem = format!(
            "`{path}` is {is}, but must be {}, such as the default `{}`",
            Kind::of(target).name(),
            default.unwrap_or_default()
        );
        SettingsError { place, problem }
    }
}

/// The line, from 1, in which byte `at` of `text` lies.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|b| *b == b'\n').count()
}

fn unknown(place: Place, path: &str, known: &[Known]) -> SettingsError {
    let problem = format!("unknown key `{path}`; {}", suggestion(path, known));
    SettingsError { place, problem }
}

/// The value in the type of the default, if it can be.
fn fit(value: Value, default: &Item) -> Option<Value> {
    let default = default.as_value()?;
    match (&value, default) {
        (Value::Integer(whole), Value::Float(_)) => Some(Value::from(*whole.value() as f64)),
        (Value::Array(list), Value::Array(default)) => {
            let element = default.get(0).map(Kind::of_value);
            let fits = list.iter().all(|v| element.is_none_or(|kind| Kind::of_value(v) == kind));
            fits.then_some(value)
        }
        _ => (Kind::of_value(&value) == Kind::of_value(default)).then_some(value),
    }
}

/// Replaces in `merged` what one variable sets; passes over those that set nothing.
pub(super) fn variable(
    name: &str,
    text: &str,
    known: &[Known],
    merged: &mut dyn TableLike,
    origins: &mut Origins,
) -> Result<(), SettingsError> {
    let Some(rest) = name.strip_prefix(ENVIRONMENT_PREFIX).filter(|rest| rest.contains("__"))
    else {
        return Ok(());
    };
    let place = Place::Environment { name: name.to_owned() };
    let path = rest.to_ascii_lowercase().replace("__", ".");
    let Some(key) = known.iter().find(|k| k.path == path) else {
        let near = match nearest_value(&path, known) {
            Some(near) => format!("did you mean {}?", variable_name(near)),
            None => content(&path, known),
        };
        let problem = format!("there is no key `{path}`; {near}");
        return Err(SettingsError { place, problem });
    };
    let mut target: Option<&mut Item> = None;
    for part in path.split('.') {
        target = match target {
            None => merged.get_mut(part),
            Some(item) => item.as_table_like_mut().and_then(|table| table.get_mut(part)),
        };
    }
    let target = target.expect("`known` lists the keys of `merged`");
    let value = match key.kind {
        Kind::Text => Some(Value::from(text)),
        _ => text.trim().parse::<Value>().ok().and_then(|value| fit(value, target)),
    };
    let Some(value) = value else {
        let (should, default) = (key.kind.name(), &key.default);
        let problem =
            format!("`{path}` is `{text}`, but must be {should}, such as the default `{default}`");
        return Err(SettingsError { place, problem });
    };
    *target = Item::Value(value);
    origins.0.insert(path, place);
    Ok(())
}

/// The variable that sets `path`.
fn variable_name(path: &str) -> String {
    format!("{ENVIRONMENT_PREFIX}{}", path.to_ascii_uppercase().replace('.', "__"))
}
