//! Which names may objects have? The rules that hold for every store. Knows no store.

use std::ops::Range;

use super::StoreError;

/// Longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 512;

/// Checks a key: parts of `A-Z a-z 0-9 . _ -` with `/` between them; no part is empty or begins
/// with a dot (so that no key climbs out of a directory or hides in it).
///
/// # Errors
/// `Refused`, naming what is wrong.
pub fn check_key(operation: &'static str, key: &str) -> Result<(), StoreError> {
    let wrong = if key.len() > KEY_BYTES_MAX {
        format!("keys are at most {KEY_BYTES_MAX} bytes long")
    } else if let Some(part) = key.split('/').find(|p| p.is_empty() || p.starts_with('.')) {
        format!("part `{part}` is empty or begins with a dot")
    } else {
        match key.chars().find(|c| !is_allowed(*c)) {
            Some(c) => format!("`{}` is not allowed in keys", c.escape_default()),
            None => return Ok(()),
        }
    };
    Err(StoreError::refused(operation, key, wrong))
}

/// Checks the beginning of keys, as `list` takes it: like a key, but it may be empty and end
/// anywhere.
///
/// # Errors
/// `Refused`, naming what is wrong.
pub fn check_prefix(operation: &'static str, prefix: &str) -> Result<(), StoreError> {
    match prefix {
        "" => Ok(()),
        _ => check_key(operation, prefix.strip_suffix('/').unwrap_or(prefix))
            .map_err(|_| StoreError::refused(operation, prefix, "no key can begin like that")),
    }
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-')
}

/// The part `range` of an object of `bytes`; all of it for `None`.
pub(super) fn within(
    key: &str,
    range: Option<Range<u64>>,
    bytes: u64,
) -> Result<Range<u64>, StoreError> {
    match range {
        None => Ok(0..bytes),
        Some(range) if range.start <= range.end && range.end <= bytes => Ok(range),
        Some(range) => Err(out_of_range(key, &range)),
    }
}

pub(super) fn out_of_range(key: &str, range: &Range<u64>) -> StoreError {
    StoreError::Range { key: key.to_owned(), from: range.start, to: range.end }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_below_their_root() {
        for good in ["a", "a/b-c_d.e", "splits/01ABC.split", "A.B/c..d"] {
            assert!(check_key("get", good).is_ok(), "{good}");
        }
        let long = "x".repeat(KEY_BYTES_MAX + 1);
        for bad in ["", "/a", "a/", "a//b", "..", "a/../b", ".tmp/x", "a b", "ä", "a\0", &long] {
            assert!(
                matches!(check_key("get", bad), Err(StoreError::Refused { .. })),
                "{bad} must be refused"
            );
        }
    }

    #[test]
    fn prefixes_may_end_anywhere() {
        for good in ["", "a", "a/", "a/b"] {
            assert!(check_prefix("list", good).is_ok(), "{good}");
        }
        for bad in ["/", "a//", "../", "a/.", "a b"] {
            assert!(check_prefix("list", bad).is_err(), "{bad}");
        }
    }
}
