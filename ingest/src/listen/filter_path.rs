//! Which parts of an answer does the client want? `filter_path`: comma-separated dotted paths with
//! `*` in names and `**` for any number of names; with `-` in front, what it does not want.

use model::pattern::matches_pattern as glob;

/// The longest path of our answers has 4 names; a pattern with more than twice as many and their
/// `**` matches none of them.
const PATTERN_NAMES_MAX: usize = 16;

/// A parsed `filter_path`.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    wanted: Vec<Vec<String>>,
    unwanted: Vec<Vec<String>>,
}

impl Filter {
    pub(super) fn parse(text: Option<&str>) -> Self {
        let mut filter = Self::default();
        for part in text.unwrap_or("").split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let (list, pattern) = match part.strip_prefix('-') {
                Some(pattern) => (&mut filter.unwanted, pattern),
                None => (&mut filter.wanted, part),
            };
            let mut names: Vec<String> = pattern.split('.').map(str::to_owned).collect();
            names.dedup_by(|a, b| a == "**" && b == "**");
            list.push(names);
        }
        filter
    }

    /// Whether the value at a path is in the answer.
    pub(super) fn shows(&self, path: &[&str]) -> bool {
        let in_list = |list: &[Vec<String>]| list.iter().any(|p| covers(p, path));
        (self.wanted.is_empty() || in_list(&self.wanted)) && !in_list(&self.unwanted)
    }

    /// Whether the list under a name is in the answer, be it with empty items.
    pub(super) fn keeps_list(&self, name: &str) -> bool {
        let begins = |p: &Vec<String>| p.first().is_some_and(|n| n == "**" || glob(n, name));
        let wanted = self.wanted.is_empty() || self.wanted.iter().any(begins);
        wanted && !self.unwanted.iter().any(|p| covers(p, &[name]))
    }
}

/// Whether the pattern names the path or something that holds it.
fn covers(pattern: &[String], path: &[&str]) -> bool {
    if pattern.len() > PATTERN_NAMES_MAX {
        return false;
    }
    match (pattern.split_first(), path.split_first()) {
        (None, _) => true,
        (Some((any, rest)), None) => any == "**" && rest.is_empty(),
        (Some((name, rest)), Some((first, others))) => {
            if name == "**" {
                covers(rest, path) || covers(pattern, others)
            } else {
                glob(name, first) && covers(rest, others)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_chosen_as_elasticsearch_does() {
        let status: &[&str] = &["items", "create", "status"];
        let kind: &[&str] = &["items", "create", "error", "type"];
        let cases: [(&str, &[&str], bool); 14] = [
            ("", status, true),
            ("errors,items.*.error,items.*.status", status, true),
            ("errors,items.*.error,items.*.status", kind, true),
            ("errors,items.*.error,items.*.status", &["took"], false),
            ("items.*.error.type", kind, true),
            ("items.*.error.type", &["items", "create", "error", "reason"], false),
            ("items.cre*.sta*us", status, true),
            ("items.index.status", status, false),
            ("**.status", status, true),
            ("**.type", status, false),
            ("items", kind, true),
            ("-items.*.status", status, false),
            ("-items.*.status", kind, true),
            ("items,-**.error", kind, false),
        ];
        for (filter, path, want) in cases {
            assert_eq!(Filter::parse(Some(filter)).shows(path), want, "{filter} {path:?}");
        }
    }

    #[test]
    fn the_list_of_items_stays_when_any_of_it_is_wanted() {
        let cases = [
            ("", true),
            ("errors,items.*.error", true),
            ("**.error", true),
            ("errors", false),
            ("-items", false),
            ("-items.*.status", true),
        ];
        for (filter, want) in cases {
            assert_eq!(Filter::parse(Some(filter)).keeps_list("items"), want, "{filter}");
        }
    }

    #[test]
    fn a_hostile_pattern_ends() {
        let filter = Filter::parse(Some(&"**.a".repeat(5000)));
        assert!(!filter.shows(&["items", "create", "status"]));
        assert!(!Filter::parse(Some(&"**.*.".repeat(8))).shows(&["a", "b", "c"]));
        assert!(glob(&"*".repeat(50_000), "status"));
        assert!(!glob(&"*a".repeat(50_000), "aaaa"));
    }
}
