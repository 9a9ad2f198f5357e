//! Could one file be a rotated form of another? Looks at names only.
//!
//! Rotation adds numbers, dates and endings to a name (`app.log.1`, `app-20261120.log.gz`). What is
//! left without them is the stem.

use std::path::Path;

/// Endings that rotation and compression add.
const ADDED: [&str; 8] = ["gz", "old", "bak", "orig", "copy", "prev", "save", "backup"];

/// The name of `path` without what rotation adds to names.
pub(crate) fn stem(path: &Path) -> String {
    let name = path.file_name().map(|n| n.to_string_lossy()).unwrap_or_default();
    let parts = name.split(['.', '-', '_', '~', ' ']);
    let kept: Vec<&str> = parts.filter(|p| !p.is_empty() && !is_added(p)).collect();
    kept.join(".")
}

fn is_added(part: &str) -> bool {
    // Also `20261120T140300Z` and `14:03`.
    let date = |c: char| c.is_ascii_digit() || matches!(c, 'T' | 'Z' | ':');
    ADDED.contains(&part)
        || (part.starts_with(|c: char| c.is_ascii_digit()) && part.chars().all(date))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_names_share_the_stem() {
        for (path, want) in [
            ("/l/app.log", "app.log"),
            ("/l/app.log.1", "app.log"),
            ("/old/app.log.12.gz", "app.log"),
            ("/l/app-20261120.log", "app.log"),
            ("/l/app.log-2026-11-20T14:03:00Z.gz", "app.log"),
            ("/l/app_1.log.old", "app.log"),
            ("/l/app1.log", "app1.log"),
            ("/l/0.log", "log"),
            ("/l/syslog", "syslog"),
        ] {
            assert_eq!(stem(Path::new(path)), want, "{path}");
        }
    }
}
