//! Which key did they mean? The nearest one there is, by edits.

use super::known::Known;

/// What to say of an unknown key or section: the nearest, or else what its section holds.
pub(super) fn suggestion(path: &str, known: &[Known]) -> String {
    let mut all: Vec<&str> = known.iter().map(|k| k.path.as_str()).collect();
    for key in known {
        all.extend(key.path.match_indices('.').map(|(end, _)| &key.path[..end]));
    }
    match nearest(path, &all) {
        Some(near) => format!("did you mean `{near}`?"),
        None => content(path, known),
    }
}

/// The key with a value that `path` most likely stands for.
pub(super) fn nearest_value<'a>(path: &str, known: &'a [Known]) -> Option<&'a str> {
    nearest(path, &known.iter().map(|k| k.path.as_str()).collect::<Vec<_>>())
}

/// What the section of `path` holds.
pub(super) fn content(path: &str, known: &[Known]) -> String {
    let paths = known.iter().map(|k| k.path.as_str());
    let (section, _) = split(path);
    let mut there: Vec<String> = paths
        .filter_map(|p| match section {
            "" => p.split('.').next(),
            _ => p.strip_prefix(section)?.strip_prefix('.')?.split('.').next(),
        })
        .map(|key| format!("`{key}`"))
        .collect();
    there.dedup();
    match (section, there.is_empty()) {
        ("", _) => format!("the sections are {}", there.join(", ")),
        (_, false) => format!("`{section}` holds {}", there.join(", ")),
        (_, true) => {
            let sections = content("", known);
            format!("there is no `{section}`; {sections}")
        }
    }
}

/// The path that `path` most likely stands for.
fn nearest<'a>(path: &str, paths: &[&'a str]) -> Option<&'a str> {
    let (_, last) = split(path);
    let whole = paths.iter().map(|p| (edits(path, p), *p)).min()?;
    if whole.0 <= close(last) {
        return Some(whole.1);
    }
    // The right key under the wrong section.
    let elsewhere = paths.iter().find(|p| split(p).1 == last);
    elsewhere.copied()
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

/// How many edits are a slip of the fingers for a word of this length.
fn close(word: &str) -> usize {
    1 + word.chars().count() / 4
}

/// Edits (insert, remove, replace, swap of neighbours) from one text to the other.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (a, b, expected) in [
            ("", "", 0),
            ("abc", "", 3),
            ("listen", "lisen", 1),
            ("listen", "litsen", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!((edits(a, b), edits(b, a)), (expected, expected), "{a} {b}");
        }
    }
}
