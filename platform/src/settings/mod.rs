//! How are settings read? Defaults, then a TOML file, then the environment; each overrides.
//!
//! The defaults are a complete TOML text: what it holds is what exists. A file may set any part of
//! it. A variable `LOGDRIVE_INGEST__WAL__SEGMENT_BYTES` sets `ingest.wal.segment_bytes`.
//! Everything else is an error that names the place, the key and the nearest key there is. Knows
//! nothing of what the settings mean.

mod known;
mod nearest;
mod overlay;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use thiserror::Error;
use toml_edit::{Document, DocumentMut};

/// What variables that set something begin with.
pub const ENVIRONMENT_PREFIX: &str = "LOGDRIVE_";

/// Where settings come from.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// TOML with every key.
    pub defaults: &'a str,
    /// Name and content of the user's file, if there is one.
    pub file: Option<(&'a Path, &'a str)>,
    /// Variables; those without the prefix are passed over.
    pub environment: &'a [(String, String)],
}

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nowhere but in the defaults.
    Defaults,
    /// In the file.
    File {
        /// Its name.
        name: PathBuf,
        /// From 1.
        line: usize,
    },
    /// In a variable.
    Environment {
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Defaults => write!(f, "defaults"),
            Place::File { name, line } => write!(f, "{}:{line}", name.display()),
            Place::Environment { name } => write!(f, "environment variable {name}"),
        }
    }
}

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{place}: {problem}")]
pub struct SettingsError {
    /// Where it is.
    pub place: Place,
    /// What is wrong with which key, and what would be right.
    pub problem: String,
}

/// Settings, and where each was set.
#[derive(Clone, Debug)]
pub struct Loaded<T> {
    /// The settings.
    pub settings: T,
    /// Places of those that are not the defaults.
    pub origins: Origins,
}

/// Where each key was set.
#[derive(Clone, Debug, Default)]
pub struct Origins(BTreeMap<String, Place>);

impl Origins {
    /// Where the value of `key` (a dotted path) comes from.
    pub fn place(&self, key: &str) -> Place {
        let mut key = key;
        loop {
            match (self.0.get(key), key.rfind(['.', '['])) {
                (Some(place), _) => return place.clone(),
                (None, Some(end)) => key = &key[..end],
                (None, None) => return Place::Defaults,
            }
        }
    }

    /// That the value of `key` makes no sense: for checks across keys.
    pub fn error(&self, key: &str, wrong: impl fmt::Display) -> SettingsError {
        SettingsError { place: self.place(key), problem: format!("`{key}` {wrong}") }
    }
}

/// This process's variables that begin with [`ENVIRONMENT_PREFIX`].
pub fn environment() -> Vec<(String, String)> {
    let named = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        let ours = name.starts_with(ENVIRONMENT_PREFIX);
        ours.then(|| (name, value.to_string_lossy().into_owned()))
    });
    let mut variables: Vec<_> = named.collect();
    variables.sort();
    variables
}

/// Reads settings from their sources.
///
/// # Errors
/// The first key that is unknown, of the wrong type, or whose value `T` refuses.
pub fn load<T: DeserializeOwned>(sources: &Sources<'_>) -> Result<Loaded<T>, SettingsError> {
    let defaults = sources.defaults.parse::<DocumentMut>();
    let mut merged = defaults.map_err(|error| SettingsError {
        place: Place::Defaults,
        problem: format!("not TOML: {error}"),
    })?;
    let known = known::keys(merged.as_table());
    let mut origins = Origins::default();
    if let Some((name, text)) = sources.file {
        let document = Document::parse(text).map_err(|error| syntax_error(name, text, &error))?;
        let file = overlay::File { name, text, known: &known };
        file.lay_over(document.as_table(), merged.as_table_mut(), "", &mut origins)?;
    }
    for (name, value) in sources.environment {
        overlay::variable(name, value, &known, merged.as_table_mut(), &mut origins)?;
    }
    let reader = toml_edit::de::Deserializer::from(merged);
    let settings = serde_path_to_error::deserialize(reader).map_err(|error| {
        let key = error.path().to_string();
        let wrong = error.into_inner();
        origins.error(&key, format_args!("cannot be used: {}", wrong.message()))
    })?;
    Ok(Loaded { settings, origins })
}

fn syntax_error(name: &Path, text: &str, error: &toml_edit::TomlError) -> SettingsError {
    let line = error.span().map_or(1, |span| overlay::line_of(text, span.start));
    let place = Place::File { name: name.to_owned(), line };
    SettingsError { place, problem: error.message().replace('\n', ", ") }
}
