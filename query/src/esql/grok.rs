//! Which parts of a text have which names? `GROK` with the usual library of patterns.
//!
//! The library is data; in place of look-around, which a search in linear time has not, its
//! patterns use word borders.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

use super::functions::convert;
use super::value::{Cell, Type};

/// The longest pattern after all names are written out, in bytes.
const PATTERN_BYTES_MAX: usize = 64 << 10;
/// How deeply patterns name each other.
const DEPTH_MAX: usize = 12;
/// The largest compiled pattern, in bytes.
const COMPILED_BYTES_MAX: usize = 10 << 20;

static LIBRARY: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    include_str!("grok_patterns.txt").lines().filter_map(|line| line.split_once(' ')).collect()
});

/// Compiled patterns.
#[derive(Debug)]
pub struct Grok {
    /// In order; the first that matches is taken.
    patterns: Vec<(Regex, Vec<usize>)>,
    fields: Vec<(String, Type)>,
}

/// What is known while a pattern is written out.
#[derive(Default)]
struct Writer {
    out: String,
    /// The field of each group, in order of appearance.
    groups: Vec<usize>,
    fields: Vec<(String, Type)>,
}

impl Grok {
    /// Compiles patterns such as `%{IP:client} %{NUMBER:bytes:int}`.
    ///
    /// # Errors
    /// A pattern has no such name, or is none; the error is a text for the client.
    pub fn new(texts: &[String]) -> Result<Self, String> {
        let mut fields = Vec::new();
        let mut patterns = Vec::new();
        for text in texts {
            let mut writer = Writer { fields, ..Writer::default() };
            writer.write(text, 0)?;
            let regex = regex::RegexBuilder::new(&writer.out)
                .size_limit(COMPILED_BYTES_MAX)
                .build()
                .map_err(|e| format!("Invalid GROK pattern [{text}]: [{e}]"))?;
            patterns.push((regex, writer.groups));
            fields = writer.fields;
        }
        Ok(Self { patterns, fields })
    }

    /// The names and types of the parts.
    pub fn fields(&self) -> &[(String, Type)] {
        &self.fields
    }

    /// The parts of a text, in the order of [`Grok::fields`]; `None` when nothing matches.
    pub fn parts(&self, text: &str) -> Option<Vec<Cell>> {
        let mut found = vec![Vec::new(); self.fields.len()];
        let (captures, groups) = self
            .patterns
            .iter()
            .find_map(|(regex, groups)| Some((regex.captures(text)?, groups)))?;
        for (at, field) in groups.iter().enumerate() {
            let Some(part) = captures.name(&group_name(at)) else { continue };
            let cell = convert(&Cell::text(part.as_str()), Type::Keyword, self.fields[*field].1);
            if !cell.is_null() {
                found[*field].push(cell);
            }
        }
        Some(found.into_iter().map(Cell::of_list).collect())
    }
}

fn group_name(at: usize) -> String {
    format!("g{at}")
}

impl Writer {
    fn write(&mut self, text: &str, depth: usize) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err(format!("Invalid GROK pattern: [{text}] is nested too deeply"));
        }
        let mut rest = text;
        while let Some(at) = next_special(rest) {
            self.out.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(body) = rest.strip_prefix("%{") {
                let Some(end) = body.find('}') else {
                    return Err(format!("Invalid GROK pattern [{text}]: `%{{` is not closed"));
                };
                self.named(&body[..end], text, depth)?;
                rest = &body[end + 1..];
            } else if let Some(body) = rest.strip_prefix("(?<")
                && !body.starts_with(['=', '!'])
                && let Some(end) = body.find('>')
            {
                self.open_group(&body[..end], Type::Keyword)?;
                rest = &body[end + 1..];
            } else {
                let step = rest.chars().next().map_or(1, char::len_utf8);
                self.out.push_str(&rest[..step]);
                rest = &rest[step..];
            }
            if self.out.len() > PATTERN_BYTES_MAX {
                return Err(format!(
                    "Invalid GROK pattern [{text}]: it is over {PATTERN_BYTES_MAX} bytes long"
                ));
            }
        }
        self.out.push_str(rest);
        Ok(())
    }

    /// `NAME`, `NAME:field`, `NAME:field:type`.
    fn named(&mut self, body: &str, text: &str, depth: usize) -> Result<(), String> {
        let mut parts = body.splitn(3, ':');
        let name = parts.next().unwrap_or("");
        let Some(pattern) = LIBRARY.get(name) else {
            return Err(format!(
                "Invalid GROK pattern [{text}]: [Unable to find pattern [{name}] in Grok's \
                 pattern dictionary]"
            ));
        };
        let field = parts.next().filter(|f| !f.is_empty());
        let ty = match parts.next() {
            None | Some("string" | "keyword") => Type::Keyword,
            Some("int" | "integer") => Type::Integer,
            Some("long") => Type::Long,
            Some("float" | "double") => Type::Double,
            Some("boolean") => Type::Boolean,
            Some(other) => {
                return Err(format!("Invalid GROK pattern [{text}]: unknown type [{other}]"));
            }
        };
        match field {
            Some(field) => self.open_group(field, ty)?,
            None => self.out.push_str("(?:"),
        }
        self.write(pattern, depth + 1)?;
        self.out.push(')');
        Ok(())
    }

    fn open_group(&mut self, field: &str, ty: Type) -> Result<(), String> {
        let known = self.fields.iter().position(|(name, _)| name == field);
        let at = match known {
            Some(at) if self.fields[at].1 != ty => {
                return Err(format!(
                    "Invalid GROK pattern: the attribute [{field}] is defined multiple times with \
                     different types"
                ));
            }
            Some(at) => at,
            None => {
                self.fields.push((field.to_owned(), ty));
                self.fields.len() - 1
            }
        };
        self.out.push_str(&format!("(?P<{}>", group_name(self.groups.len())));
        self.groups.push(at);
        Ok(())
    }
}

/// Where the next name, group or escaped character begins.
fn next_special(text: &str) -> Option<usize> {
    let mut at = 0;
    let bytes = text.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8),
            b'%' if bytes.get(at + 1) == Some(&b'{') => return Some(at),
            b'(' if text[at..].starts_with("(?<") => return Some(at),
            _ => at += 1,
        }
    }
    None
}
