//! What of a Rust file is code, what production code, and where do its functions end?
//!
//! A scanner of braces, not a parser: enough for sources that rustfmt has laid out.

/// A file's code without comments, and with the content of strings blanked.
pub struct Source {
    lines: Vec<String>,
}

impl Source {
    /// All code of a file.
    pub fn all(text: &str) -> Self {
        Self { lines: blank(text).lines().map(str::to_owned).collect() }
    }

    /// The same without items that are only there for tests.
    pub fn production(text: &str) -> Self {
        let mut code = blank(text);
        while let Some(at) = test_attribute(&code) {
            let end = item_end(&code, at);
            let blanked: String =
                code[at..end].chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
            code.replace_range(at..end, &blanked);
        }
        Self { lines: code.lines().map(str::to_owned).collect() }
    }

    /// Lines with code: their number, from 1, and text.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.lines.iter().enumerate();
        numbered.map(|(n, line)| (n + 1, line.trim())).filter(|(_, line)| !line.is_empty())
    }

    /// Functions with a body: name, and lines of code from the signature to the last brace.
    pub fn functions(&self) -> Vec<(String, usize)> {
        let code = self.lines.join("\n");
        let mut found = Vec::new();
        for (at, _) in code.match_indices("fn ") {
            let begins = at == 0 || !is_word(code[..at].chars().next_back());
            let name: String = code[at + 3..].chars().take_while(|c| is_word(Some(*c))).collect();
            if !begins || name.is_empty() {
                continue;
            }
            let end = item_end(&code, at);
            if code[at..end].ends_with('}') {
                let lines = code[at..end].lines().filter(|line| !line.trim().is_empty()).count();
                found.push((name, lines));
            }
        }
        found
    }
}

fn is_word(c: Option<char>) -> bool {
    c.is_some_and(|c| c.is_alphanumeric() || c == '_')
}

/// Where the next item for tests only begins.
fn test_attribute(code: &str) -> Option<usize> {
    ["#[cfg(test)]", "#[cfg(any(test,", "#[test]"].iter().filter_map(|a| code.find(a)).min()
}

/// The end of the item that begins at `at`: its `;` or the brace that closes it.
fn item_end(code: &str, at: usize) -> usize {
    let (mut braces, mut others) = (0_i32, 0_i32);
    for (offset, c) in code[at..].char_indices() {
        match c {
            '(' | '[' => others += 1,
            ')' | ']' => others -= 1,
            '{' => braces += 1,
            '}' => {
                braces -= 1;
                // `match x { … }` as a default of an item does not occur; a lower depth means
                // that the item was the last of its block.
                if braces <= 0 && others <= 0 {
                    return at + offset + usize::from(braces == 0);
                }
            }
            ';' if braces == 0 && others == 0 => return at + offset + 1,
            _ => {}
        }
    }
    code.len()
}

/// The text with comments and the content of strings and characters replaced by spaces.
fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = skipped_bytes(rest, is_word(out.chars().next_back()));
        match skipped {
            0 => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
            bytes => {
                // A string stays a value: its quotes remain.
                let quoted = !rest.starts_with("//") && !rest.starts_with("/*");
                let kept = |(at, c): (usize, char)| match c {
                    '\n' => '\n',
                    _ if quoted && (at == 0 || at + 1 == bytes) => '"',
                    _ => ' ',
                };
                out.extend(rest[..bytes].char_indices().map(kept));
                rest = &rest[bytes..];
            }
        }
    }
    out
}

/// How many bytes at the start of `rest` are a comment, a string or a character; 0 for code.
fn skipped_bytes(rest: &str, after_word: bool) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return rest.find("*/").map_or(rest.len(), |end| end + 2);
    }
    if rest.starts_with('"') {
        return string_bytes(rest);
    }
    if !after_word && let Some(raw) = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r')) {
        let hashes = raw.bytes().take_while(|b| *b == b'#').count();
        if raw[hashes..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let start = rest.len() - raw.len() + hashes + 1;
            return rest[start..].find(&close).map_or(rest.len(), |e| start + e + close.len());
        }
    }
    if let Some(after) = rest.strip_prefix('\'') {
        let end = match after.strip_prefix('\\') {
            Some(escaped) => {
                escaped.char_indices().skip(1).find(|(_, c)| *c == '\'').map(|(e, _)| e + 1)
            }
            None => {
                after.chars().next().map(char::len_utf8).filter(|e| after[*e..].starts_with('\''))
            }
        };
        // Otherwise it is a lifetime.
        return end.map_or(0, |end| end + 2);
    }
    0
}

fn string_bytes(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[test]
fn comments_and_strings_are_no_code() {
    for (text, expected) in [
        ("let a = \"dbg!\"; // todo!", "let a = \"    \";"),
        ("let a = r#\"x\"y\"#; b", "let a = \"      \"; b"),
        ("let c = '\"'; dbg!{c}", "let c = \" \"; dbg!{c}"),
        ("let c = '\\''; d", "let c = \"  \"; d"),
        ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
        ("/* { */ }", "}"),
        ("b\"\\\"{\" }", "b\"   \" }"),
    ] {
        let source = Source::all(text);
        let code: Vec<&str> = source.lines().map(|(_, code)| code).collect();
        assert_eq!(code, [expected], "{text}");
    }
}

#[test]
fn what_is_for_tests_is_no_production_code() {
    let text = "fn a() {\n    x();\n}\n\n#[cfg(test)]\nmod tests {\n    fn b() { y(); }\n}\n#[cfg(test)]\nuse z;\nfn c() {}\n";
    let source = Source::production(text);
    let lines: Vec<usize> = source.lines().map(|(n, _)| n).collect();
    assert_eq!(lines, [1, 2, 3, 11]);
    let expected = [("a".to_owned(), 3), ("c".to_owned(), 1)];
    assert_eq!(source.functions(), expected);
}

#[test]
fn functions_end_at_their_own_brace() {
    let text = "trait T {\n    fn declared(&self) -> [u8; 4];\n    fn given(&self) {\n        if a {\n            b\n        }\n\n        // c\n    }\n}\n";
    assert_eq!(Source::all(text).functions(), [("given".to_owned(), 5)]);
}
