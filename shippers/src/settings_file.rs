//! What does a settings file say? Reads it over the defaults, and finds what is wrong where.
//!
//! The defaults are the shipped `config/shipper.toml`, so every key stands there with its meaning.
//! Knows nothing of what the settings do.

use std::fmt::Write as _;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::settings::Settings;

/// The shipped file: every key, its meaning, its default.
pub const SHIPPED: &str = include_str!("../../config/shipper.toml");

/// Tables whose keys are the user's own.
const OPEN_TABLES: [&str; 2] = ["fields", "headers"];

/// The shipped defaults.
pub fn defaults() -> Settings {
    toml::from_str(SHIPPED).expect("the shipped settings file is tested")
}

/// Reads `text`, the content of `file`, over the defaults.
///
/// # Errors
/// All that is wrong, a line each: `FILE:LINE: …`, with the key and the nearest known one.
pub fn read(file: &str, text: &str) -> Result<Settings, String> {
    let user = DeTable::parse(text).map_err(|e| {
        let line = e.span().map_or(1, |s| line_of(text, s.start));
        format!("{file}:{line}: {}", e.message())
    })?;
    let shipped = DeTable::parse(SHIPPED).expect("the shipped settings file is tested");
    let mut check = Check { file, text, problems: String::new() };
    check.table("", user.get_ref(), shipped.get_ref());
    if !check.problems.is_empty() {
        return Err(check.problems.trim_end().to_owned());
    }
    let overlay: toml::Table = toml::from_str(text).map_err(|e| format!("{file}: {e}"))?;
    let mut merged: toml::Table =
        toml::from_str(SHIPPED).expect("the shipped settings file is tested");
    merge(&mut merged, overlay);
    merged.try_into().map_err(|e: toml::de::Error| format!("{file}: {}", e.message()))
}

struct Check<'a> {
    file: &'a str,
    text: &'a str,
    problems: String,
}

impl Check<'_> {
    fn table(&mut self, prefix: &str, user: &DeTable<'_>, known: &DeTable<'_>) {
        for (key, value) in user {
            let name = key.get_ref().as_ref();
            let full = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
            let Some((_, default)) = known.iter().find(|(k, _)| k.get_ref().as_ref() == name)
            else {
                let near = nearest(name, known.keys().map(|k| k.get_ref().as_ref()));
                let near = near.map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
                self.problem(key.span().start, &format!("unknown key `{full}`{near}"));
                continue;
            };
            self.value(&full, value, default);
        }
    }

    fn value(&mut self, full: &str, value: &Spanned<DeValue<'_>>, default: &Spanned<DeValue<'_>>) {
        match (value.get_ref(), default.get_ref()) {
            (DeValue::Table(user), DeValue::Table(_)) if OPEN_TABLES.contains(&full) => {
                self.open_table(full, user);
            }
            (DeValue::Table(user), DeValue::Table(known)) => self.table(full, user, known),
            (DeValue::Array(items), DeValue::Array(_)) => {
                for item in items.iter().filter(|i| !i.get_ref().is_str()) {
                    let got = item.get_ref().type_str();
                    let text = format!("`{full}` must hold strings, not {got}");
                    self.problem(item.span().start, &text);
                }
            }
            (DeValue::Integer(n), DeValue::Integer(_)) => {
                let negative = n.as_str().starts_with('-');
                if negative && full != "time_zone_offset_minutes" {
                    let text = format!("`{full}` must not be negative: `{}`", n.as_str());
                    self.problem(value.span().start, &text);
                }
            }
            (user, known) if user.same_type(known) => {
                if full == "ack" && !matches!(user.as_str(), Some("durable" | "stored")) {
                    let text = format!(
                        "`ack` must be `durable` or `stored`, not `{}`",
                        user.as_str().unwrap_or_default()
                    );
                    self.problem(value.span().start, &text);
                }
            }
            (user, known) => {
                let text = format!(
                    "`{full}` must be of type {}, not {}",
                    known.type_str(),
                    user.type_str()
                );
                self.problem(value.span().start, &text);
            }
        }
    }

    /// Headers are strings; fields may be numbers and booleans, too.
    fn open_table(&mut self, full: &str, user: &DeTable<'_>) {
        for (key, value) in user {
            let (name, value_type) = (key.get_ref().as_ref(), value.get_ref().type_str());
            let plain = ["string", "integer", "float", "boolean"].contains(&value_type);
            if value_type == "string" || (plain && full == "fields") {
                continue;
            }
            let wanted = if full == "fields" { "a string, number or boolean" } else { "a string" };
            let text = format!("`{full}.\"{name}\"` must be {wanted}, not {value_type}");
            self.problem(value.span().start, &text);
        }
    }

    fn problem(&mut self, at: usize, text: &str) {
        let line = line_of(self.text, at);
        let _ = writeln!(self.problems, "{}:{line}: {text}", self.file);
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().filter(|b| **b == b'\n').count() + 1
}

fn merge(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(known)), toml::Value::Table(new)) => merge(known, new),
            (_, value) => drop(into.insert(key, value)),
        }
    }
}

/// The known key with the fewest changes, if it is near at all.
fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let limit = name.chars().count().max(3) / 2;
    let scored = known.map(|k| (changes(name, k), k));
    scored.filter(|(n, _)| *n <= limit).min().map(|(_, k)| k)
}

/// Levenshtein's distance.
fn changes(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_beyond_use_are_refused() {
        let mut settings = defaults();
        settings.files.poll_interval_ms = u64::MAX;
        settings.batch.batch_bytes_max = usize::MAX;
        settings.fields.insert("log.level".into(), "x".into());
        let problems = settings.problems().join("\n");
        for key in ["files.poll_interval_ms", "batch.batch_bytes_max", "log.level"] {
            assert!(problems.contains(&format!("`{key}`")), "{problems}");
        }
    }

    #[test]
    fn a_file_needs_only_what_differs() {
        let text = "path = [\"/l/*\"]\nack = \"stored\"\n[files]\npoll_interval_ms = 7\n\
                    [fields]\n\"service.name\" = \"shop\"\nn = 3\n";
        let settings = read("s.toml", text).expect("good");
        assert_eq!(settings.path, ["/l/*"]);
        assert_eq!(settings.files.poll_interval_ms, 7);
        assert_eq!(settings.files.line_bytes_max, defaults().files.line_bytes_max);
        assert_eq!(settings.ack, model::wire::Ack::Stored);
        assert_eq!(settings.fields["n"], 3);
    }

    #[test]
    fn every_fault_is_named_with_its_line() {
        for (text, want) in [
            ("\npth = []", "s.toml:2: unknown key `pth`; did you mean `path`?"),
            (
                "[files]\n\nline_byte_max = 1",
                "s.toml:3: unknown key `files.line_byte_max`; did you mean `line_bytes_max`?",
            ),
            ("[zzzzzzzz]\nx = 1", "s.toml:1: unknown key `zzzzzzzz`"),
            ("index = 3", "s.toml:1: `index` must be of type string, not integer"),
            ("path = [\n\"a\",\n3]", "s.toml:3: `path` must hold strings, not integer"),
            (
                "[send]\nback_off_max_ms = -1",
                "s.toml:2: `send.back_off_max_ms` must not be negative: `-1`",
            ),
            ("ack = \"sync\"", "s.toml:1: `ack` must be `durable` or `stored`, not `sync`"),
            ("[headers]\nx = 3", "s.toml:2: `headers.\"x\"` must be a string, not integer"),
            (
                "[fields]\nx.y = 3",
                "s.toml:2: `fields.\"x\"` must be a string, number or boolean, not table",
            ),
            ("send = 3", "s.toml:1: `send` must be of type table, not integer"),
            ("a = \n", "s.toml:1:"),
        ] {
            let got = read("s.toml", text).expect_err(text);
            assert!(got.starts_with(want), "{text}: {got}");
        }
    }

    #[test]
    fn the_defaults_lack_only_what_nobody_else_can_know() {
        let problems = defaults().problems();
        assert_eq!(problems.len(), 3, "{problems:?}");
    }
}
