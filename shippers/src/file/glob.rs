//! Which files are meant? Patterns over paths, and the walk that finds what matches.
//!
//! `*` and `?` stay inside one name, `[a-z]` and `[!a-z]` are one character, `**` is any number of
//! directories. Knows nothing of what is in the files. Directories behind symbolic links are
//! entered where the pattern names them, not by `**`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A deeper tree is not walked.
const DEPTH_MAX: usize = 64;

/// A pattern for paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<Part>,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// `**`
    AnyDepth,
    /// A name without special characters.
    Name(String),
    /// A name with some.
    Glob(Vec<char>),
}

impl Pattern {
    /// Reads a pattern; a relative one begins at `base`.
    ///
    /// # Errors
    /// A text that says what is wrong and where.
    pub fn parse(text: &str, base: &Path) -> Result<Self, String> {
        if text.is_empty() {
            return Err(
                "the pattern is empty; name a file or a pattern like `/var/log/*.log`".into()
            );
        }
        let absolute = match text.starts_with('/') {
            true => text.to_owned(),
            false => format!("{}/{text}", base.display()),
        };
        let mut parts = Vec::new();
        for name in absolute.split('/').filter(|n| !n.is_empty() && *n != ".") {
            parts.push(part(name).map_err(|e| format!("the pattern `{text}` {e}"))?);
        }
        // `dir/**` means all files below.
        if parts.last() == Some(&Part::AnyDepth) {
            parts.push(Part::Glob(vec!['*']));
        }
        Ok(Self { parts, text: text.to_owned() })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether an absolute path matches.
    pub fn matches(&self, path: &Path) -> bool {
        let names: Vec<_> = path
            .components()
            .filter_map(|c| match c {
                std::path::Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
                _ => None,
            })
            .collect();
        matches_parts(&self.parts, &names)
    }

    /// All regular files that match, in the order of their names, at most `files_max`. What cannot
    /// be read is given to `problem`.
    pub fn walk(
        &self,
        files_max: usize,
        problem: &mut dyn FnMut(&Path, &io::Error),
    ) -> Vec<PathBuf> {
        let mut walk = Walk { found: Vec::new(), files_max, problem };
        walk.step(Path::new("/"), &self.parts, 0);
        walk.found
    }
}

fn part(name: &str) -> Result<Part, String> {
    if name == "**" {
        return Ok(Part::AnyDepth);
    }
    if !name.contains(['*', '?', '[']) {
        return Ok(Part::Name(name.to_owned()));
    }
    let chars: Vec<char> = name.chars().collect();
    let mut at = 0;
    while at < chars.len() {
        if chars[at] == '[' {
            at = class_end(&chars, at).ok_or("has a `[` without its `]`")?;
        }
        at += 1;
    }
    Ok(Part::Glob(chars))
}

/// Index of the `]` that ends the class that begins at `open`.
fn class_end(chars: &[char], open: usize) -> Option<usize> {
    let mut at = open + 1;
    if matches!(chars.get(at), Some('!' | '^')) {
        at += 1;
    }
    // A `]` right at the start is a member.
    at += 1;
    (at..chars.len()).find(|i| chars[*i] == ']')
}

fn matches_parts(parts: &[Part], names: &[String]) -> bool {
    match parts.split_first() {
        None => names.is_empty(),
        Some((Part::AnyDepth, rest)) => {
            (0..=names.len()).any(|skip| matches_parts(rest, &names[skip..]))
        }
        Some((part, rest)) => match names.split_first() {
            Some((name, others)) => matches_name(part, name) && matches_parts(rest, others),
            None => false,
        },
    }
}

fn matches_name(part: &Part, name: &str) -> bool {
    match part {
        Part::AnyDepth => true,
        Part::Name(wanted) => wanted == name,
        // Hidden files only where the pattern says so.
        Part::Glob(glob) if name.starts_with('.') && glob.first() != Some(&'.') => false,
        Part::Glob(glob) => glob_matches(glob, &name.chars().collect::<Vec<_>>()),
    }
}

/// Linear in pattern times name: at a mismatch only the last `*` takes one more.
fn glob_matches(glob: &[char], name: &[char]) -> bool {
    let (mut g, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match glob.get(g) {
            Some('*') => {
                star = Some((g + 1, n));
                g += 1;
                continue;
            }
            Some('[') => {
                if let Some(end) =
                    class_end(glob, g).filter(|e| in_class(&glob[g + 1..*e], name[n]))
                {
                    (g, n) = (end + 1, n + 1);
                    continue;
                }
            }
            Some(c) if *c == '?' || *c == name[n] => {
                (g, n) = (g + 1, n + 1);
                continue;
            }
            _ => {}
        }
        let Some((after, taken)) = star else { return false };
        star = Some((after, taken + 1));
        (g, n) = (after, taken + 1);
    }
    glob[g..].iter().all(|c| *c == '*')
}

fn in_class(class: &[char], c: char) -> bool {
    let negated = matches!(class.first(), Some('!' | '^'));
    let members = &class[usize::from(negated)..];
    let mut at = 0;
    let mut found = false;
    while at < members.len() {
        if members.get(at + 1) == Some(&'-') && at + 2 < members.len() {
            found |= (members[at]..=members[at + 2]).contains(&c);
            at += 3;
        } else {
            found |= members[at] == c;
            at += 1;
        }
    }
    found != negated
}

struct Walk<'p> {
    found: Vec<PathBuf>,
    files_max: usize,
    problem: &'p mut dyn FnMut(&Path, &io::Error),
}

impl Walk<'_> {
    fn step(&mut self, dir: &Path, parts: &[Part], depth: usize) {
        if depth > DEPTH_MAX || self.found.len() >= self.files_max {
            return;
        }
        let Some((part, rest)) = parts.split_first() else { return };
        match part {
            Part::Name(name) => self.enter(&dir.join(name), rest, depth),
            Part::Glob(_) => {
                for (name, _) in self.names(dir) {
                    if matches_name(part, &name.to_string_lossy()) {
                        self.enter(&dir.join(name), rest, depth);
                    }
                }
            }
            Part::AnyDepth => {
                self.step(dir, rest, depth + 1);
                for (name, is_dir) in self.names(dir) {
                    if is_dir {
                        self.step(&dir.join(name), parts, depth + 1);
                    }
                }
            }
        }
    }

    fn enter(&mut self, path: &Path, rest: &[Part], depth: usize) {
        if !rest.is_empty() {
            return self.step(path, rest, depth + 1);
        }
        match fs::metadata(path) {
            Ok(meta) if meta.is_file() && self.found.len() < self.files_max => {
                self.found.push(path.to_owned());
            }
            Ok(_) => {}
            Err(e) => self.report(path, &e),
        }
    }

    /// Names in `dir`, sorted, and whether each is a real directory.
    fn names(&mut self, dir: &Path) -> Vec<(std::ffi::OsString, bool)> {
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(e) => {
                self.report(dir, &e);
                return Vec::new();
            }
        };
        let mut out: Vec<_> = entries
            .filter_map(Result::ok)
            .map(|e| (e.file_name(), e.file_type().is_ok_and(|t| t.is_dir())))
            .collect();
        out.sort();
        out
    }

    fn report(&mut self, path: &Path, e: &io::Error) {
        // Files come and go; a pattern may begin in a file.
        if !matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
            (self.problem)(path, e);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, path: &str, want: bool) {
        let pattern = Pattern::parse(pattern, Path::new("/base")).expect("a pattern");
        assert_eq!(pattern.matches(Path::new(path)), want, "{pattern:?} {path}");
    }

    #[test]
    fn patterns() {
        check("/var/log/*.log", "/var/log/a.log", true);
        check("/var/log/*.log", "/var/log/a.log.1", false);
        check("/var/log/*.log", "/var/log/x/a.log", false);
        check("/var/log/*", "/var/log/.hidden", false);
        check("/var/log/**/*.log", "/var/log/a.log", true);
        check("/var/log/**/*.log", "/var/log/x/y/a.log", true);
        check("/var/log/**", "/var/log/x/y", true);
        check("/var/log/app?.log", "/var/log/app1.log", true);
        check("/var/log/app?.log", "/var/log/app.log", false);
        check("/l/[a-c]x[!0-9]", "/l/bxz", true);
        check("/l/[a-c]x[!0-9]", "/l/bx1", false);
        check("/l/[]]", "/l/]", true);
        check("*.log", "/base/a.log", true);
        check("./x/../a", "/base/x/a", false);
        check("/a*b*c", "/aXbbYc", true);
        check("/a*b*c", "/aXbbY", false);
        check("/ä?.log", "/äö.log", true);
    }

    #[test]
    fn a_bad_pattern_says_why() {
        let e = Pattern::parse("/var/[a.log", Path::new("/")).expect_err("no `]`");
        assert_eq!(e, "the pattern `/var/[a.log` has a `[` without its `]`");
        assert!(Pattern::parse("", Path::new("/")).is_err());
    }

    #[test]
    fn the_walk_finds_what_matches() {
        let dir = tempfile::tempdir().expect("a directory");
        for name in ["a.log", "b.txt", "x/c.log", "x/y/d.log", ".h.log"] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, "x").expect("written");
        }
        std::os::unix::fs::symlink(dir.path().join("x"), dir.path().join("link")).expect("linked");
        for (pattern, want) in [
            ("*.log", vec!["a.log"]),
            ("**/*.log", vec!["a.log", "x/c.log", "x/y/d.log"]),
            ("x/**", vec!["x/c.log", "x/y/d.log"]),
            ("link/*.log", vec!["link/c.log"]),
            ("nothing/*.log", vec![]),
            ("a.log/x", vec![]),
        ] {
            let pattern = Pattern::parse(pattern, dir.path()).expect("a pattern");
            let mut found = pattern.walk(100, &mut |p, e| panic!("{}: {e}", p.display()));
            found.sort();
            let want: Vec<_> = want.iter().map(|w| dir.path().join(w)).collect();
            assert_eq!(found, want, "{}", pattern.text());
        }
    }
}
