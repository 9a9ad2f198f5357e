//! Does a name match a pattern with `*`? The one matcher of names: indexes, paths of answers.

/// Whether `text` matches `pattern`, in which `*` stands for any run of characters.
pub fn matches_pattern(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or("");
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let cases = [
            ("*", "", true),
            ("*", "x", true),
            ("logs-*", "logs-a", true),
            ("logs-*", "log", false),
            ("*-prod", "a-prod", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c2b", false),
            ("ab*ba", "aba", false),
            ("", "", true),
            ("x", "xy", false),
        ];
        for (pattern, text, want) in cases {
            assert_eq!(matches_pattern(pattern, text), want, "{pattern} {text}");
        }
    }
}
