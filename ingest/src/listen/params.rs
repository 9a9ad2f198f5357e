//! Which query parameters does a request have? Known by name, checked by value.

use axum::extract::Query;
use axum::http::Uri;

use super::failure::Failure;
use crate::parse::clip;

/// The query parameters of a request.
#[derive(Clone, Debug)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads them; one that `known` does not list is an error that names it.
    pub(super) fn parse(uri: &Uri, known: &[&str]) -> Result<Self, Failure> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(|e| {
            Failure::argument(format!("bad query string: {}", clip(&e.to_string())))
        })?;
        if let Some((name, _)) = pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            return Err(Failure::argument(format!(
                "request [{}] contains unrecognized parameter: [{}]",
                clip(uri.path()),
                clip(name)
            )));
        }
        Ok(Self(pairs))
    }

    /// The last value under a name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The value under a name, of which only some are possible.
    pub(super) fn one_of(
        &self,
        name: &str,
        possible: &[&'static str],
    ) -> Result<Option<&'static str>, Failure> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match possible.iter().find(|p| **p == value) {
            Some(found) => Ok(Some(found)),
            None => Err(Failure::argument(format!(
                "Unknown value for {name}: [{}], possible are [{}]",
                clip(value),
                possible.join(", ")
            ))),
        }
    }
}
