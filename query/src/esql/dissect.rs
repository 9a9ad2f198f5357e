//! Which parts of a text lie between which delimiters? `DISSECT`.
//!
//! ```text
//! pattern := text? (key text?)*       key := "%{" ("+" | "?")? name ("/" number)? "->"? "}"
//! ```

use super::value::Cell;

/// A compiled pattern.
#[derive(Debug)]
pub struct Dissect {
    /// What stands before the first key.
    lead: String,
    keys: Vec<Key>,
    names: Vec<String>,
    separator: String,
}

#[derive(Debug)]
struct Key {
    /// Which name, unless the part is skipped.
    name: Option<usize>,
    /// In what order parts of one name are put together.
    order: u32,
    /// The delimiter may come again and again.
    padded: bool,
    /// What stands after it.
    delimiter: String,
}

impl Dissect {
    /// Compiles a pattern; `separator` stands between the parts of one name.
    ///
    /// # Errors
    /// It is no pattern; the error is a text for the client.
    pub fn new(pattern: &str, separator: &str) -> Result<Self, String> {
        let bad = |why: &str| Err(format!("Invalid pattern for dissect: [{pattern}]: {why}"));
        let Some(first) = pattern.find("%{") else { return bad("it has no keys") };
        let mut out = Self {
            lead: pattern[..first].to_owned(),
            keys: Vec::new(),
            names: Vec::new(),
            separator: separator.to_owned(),
        };
        let mut rest = &pattern[first..];
        while let Some(body) = rest.strip_prefix("%{") {
            let Some(end) = body.find('}') else { return bad("a key is not closed") };
            let after = &body[end + 1..];
            let next = after.find("%{").unwrap_or(after.len());
            if next == 0 && !after.is_empty() {
                return bad("there is no delimiter between two keys");
            }
            match out.key(&body[..end], &after[..next]) {
                Ok(key) => out.keys.push(key),
                Err(why) => return bad(&why),
            }
            rest = &after[next..];
        }
        if out.names.is_empty() {
            return bad("it has no named keys");
        }
        Ok(out)
    }

    fn key(&mut self, text: &str, delimiter: &str) -> Result<Key, String> {
        let (text, padded) = match text.strip_suffix("->") {
            Some(text) => (text, true),
            None => (text, false),
        };
        if text.starts_with(['*', '&']) {
            return Err(format!("reference keys are not supported: [%{{{text}}}]"));
        }
        let delimiter = delimiter.to_owned();
        if text.is_empty() || text.starts_with('?') {
            return Ok(Key { name: None, order: 0, padded, delimiter });
        }
        let (name, appended) = match text.strip_prefix('+') {
            Some(name) => (name, true),
            None => (text, false),
        };
        let (name, order) = match name.rsplit_once('/') {
            Some((name, order)) if appended => match order.parse() {
                Ok(order) => (name, order),
                Err(_) => return Err(format!("[{order}] is no order")),
            },
            _ => (name, 0),
        };
        let known = self.names.iter().position(|n| n == name);
        let name = match known {
            Some(at) if appended => at,
            Some(_) => return Err(format!("the key [{name}] stands twice: append with `+`")),
            None => {
                self.names.push(name.to_owned());
                self.names.len() - 1
            }
        };
        Ok(Key { name: Some(name), order, padded, delimiter })
    }

    /// The names of the parts.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The parts of a text, in the order of [`Dissect::names`]; `None` when it does not match.
    pub fn parts(&self, text: &str) -> Option<Vec<Cell>> {
        let mut rest = text.strip_prefix(self.lead.as_str())?;
        let mut found: Vec<Vec<(u32, &str)>> = vec![Vec::new(); self.names.len()];
        for key in &self.keys {
            let (part, after) = if key.delimiter.is_empty() {
                (rest, "")
            } else {
                let end = rest.find(&key.delimiter)?;
                (&rest[..end], &rest[end + key.delimiter.len()..])
            };
            rest = after;
            while key.padded && !key.delimiter.is_empty() && rest.starts_with(&key.delimiter) {
                rest = &rest[key.delimiter.len()..];
            }
            if let Some(name) = key.name {
                found[name].push((key.order, part));
            }
        }
        let joined = found.into_iter().map(|mut parts| {
            parts.sort_by_key(|(order, _)| *order);
            let parts: Vec<&str> = parts.into_iter().map(|(_, part)| part).collect();
            Cell::text(parts.join(&self.separator))
        });
        Some(joined.collect())
    }
}
