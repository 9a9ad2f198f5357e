//! Which parameters does a URL have? Reading them, and refusing those that nobody knows.

use super::error::ApiError;

/// Parameters that every endpoint takes.
const COMMON: [&str; 7] =
    ["pretty", "human", "error_trace", "filter_path", "format", "source", "source_content_type"];

/// The parameters of a URL, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    pub(super) fn new(list: Vec<(String, String)>) -> Self {
        Self(list)
    }

    /// The last value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A boolean; a parameter without a value is true.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some("true" | "") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(ApiError::illegal(format!(
                "Failed to parse value [{other}] of [{name}] as only [true] or [false] are allowed."
            ))),
        }
    }

    /// The parts of a parameter between commas.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let parts = self.get(name).into_iter().flat_map(|value| value.split(','));
        parts.map(str::trim).filter(|p| !p.is_empty()).map(str::to_owned).collect()
    }

    /// Fails when there is a parameter that is in none of the lists.
    pub(super) fn only(&self, path: &str, known: &[&[&str]]) -> Result<(), ApiError> {
        let unknown: Vec<String> = self
            .unknown(known)
            .filter(|name| !COMMON.contains(name))
            .map(|name| format!("[{name}]"))
            .collect();
        match unknown.len() {
            0 => Ok(()),
            1 => Err(ApiError::illegal(format!(
                "request [{path}] contains unrecognized parameter: {}",
                unknown[0]
            ))),
            _ => Err(ApiError::illegal(format!(
                "request [{path}] contains unrecognized parameters: {}",
                unknown.join(", ")
            ))),
        }
    }

    /// The same for our own endpoints: the error says what there is.
    pub(super) fn only_these(&self, path: &str, known: &[&str]) -> Result<(), ApiError> {
        match self.unknown(&[known]).next() {
            None => Ok(()),
            Some(name) => Err(ApiError::illegal(format!(
                "request [{path}] contains unrecognized parameter: [{name}]; it takes {}",
                known.join(", ")
            ))),
        }
    }

    fn unknown<'a>(&'a self, known: &'a [&[&str]]) -> impl Iterator<Item = &'a str> {
        let mut seen = Vec::new();
        self.0.iter().map(|(name, _)| name.as_str()).filter(move |name| {
            let new = !seen.contains(name);
            seen.push(name);
            new && !known.iter().any(|list| list.contains(name))
        })
    }
}
