//! Do the sources keep the house's rules? Imports, first lines, words, lengths, paths.
//!
//! The rules are in `CONTRIBUTING.md` and `ARCHITECTURE.md`. An exception is an entry in a list
//! below with its reason; an entry that is no longer needed fails, so the lists only shrink.

mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use source::Source;

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

/// Longer files: path.
const LONG_FILES: &[&str] = &[];
/// Longer functions: path and name.
const LONG_FUNCTIONS: &[(&str, &str)] = &[];

/// Which of our crates each directory's crate may import (`.` is the root crate).
const IMPORTS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("platform", &[]),
    ("meta", &["model", "platform"]),
    ("shippers", &["model", "platform"]),
    ("ingest", &["model", "platform"]),
    ("index", &["model", "platform"]),
    ("query", &["model", "platform", "meta", "index"]),
    ("config", &["meta", "ingest", "index", "query", "platform"]),
    ("xtask", &["platform"]),
    (".", &["model", "platform", "meta", "ingest", "index", "query", "config"]),
];

/// Words that production code does not hold, and what to do instead.
const BANNED: &[(&str, &str)] = &[
    (".unwrap()", "give the error back, or `expect` with the proof"),
    ("todo!", "do it"),
    ("unimplemented!", "do it"),
    ("dbg!", "use tracing"),
    ("unbounded", "every queue is bounded"),
];
/// The same outside `platform`.
const BANNED_OUTSIDE_PLATFORM: &[(&str, &str)] = &[
    ("SystemTime::now", "use platform::clock::Clock"),
    ("sleep(", "wait for a condition, or use platform::clock"),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Files below the root for which `wanted`, relative, sorted; not what is built or hidden.
fn files(wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut todo = vec![root()];
    let mut found = Vec::new();
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let skipped = name.starts_with('.') && name != ".ci" && name != ".cargo"
                || matches!(name.as_str(), "target" | "logdrive-data");
            if path.is_dir() && !skipped {
                todo.push(path);
            } else if path.is_file() && wanted(&path) {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension().is_some_and(|e| extensions.iter().any(|x| e == *x))
}

/// Files with nothing but tests in them.
fn is_test_file(path: &Path) -> bool {
    let below = |dir: &str| path.components().any(|c| c.as_os_str() == dir);
    below("tests") || below("examples") || below("benches") || path.ends_with("tests.rs")
}

fn sources() -> Vec<(PathBuf, String)> {
    let found = files(|path| has_extension(path, &["rs"]));
    assert!(found.len() > 50, "the sources were not found: {found:?}");
    let read = |path: PathBuf| {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        (path, text)
    };
    found.into_iter().map(read).collect()
}

fn production() -> Vec<(PathBuf, Source)> {
    let ours = sources().into_iter().filter(|(path, _)| !is_test_file(path));
    ours.map(|(path, text)| (path, Source::production(&text))).collect()
}

/// Fails with all that is wrong.
fn none(wrong: Vec<String>, rule: &str) {
    assert!(wrong.is_empty(), "{rule}:\n  {}", wrong.join("\n  "));
}

#[test]
fn every_file_says_which_question_it_answers() {
    let wrong = sources()
        .into_iter()
        .filter(|(path, text)| {
            let inner_test =
                path.ends_with("tests.rs") || path.iter().skip(1).any(|p| p == "tests");
            !text.starts_with("//! ") && !inner_test
        })
        .map(|(path, _)| path.display().to_string())
        .collect();
    none(wrong, "files begin with `//! ` and the question that they answer");
}

#[test]
fn crates_import_only_what_the_table_allows() {
    let mut wrong = Vec::new();
    for (dir, allowed) in IMPORTS {
        let path = root().join(dir).join("Cargo.toml");
        let text = fs::read_to_string(&path).unwrap();
        for name in dependencies(&text) {
            let ours = IMPORTS.iter().any(|(crate_dir, _)| *crate_dir == name);
            // A crate may name itself for its tests, to turn its own features on.
            if ours && name != *dir && !allowed.contains(&name.as_str()) {
                wrong.push(format!("{}: may not import `{name}`", path.display()));
            }
        }
    }
    for (path, source) in production() {
        if path.starts_with("query") {
            for (line, code) in source.lines() {
                if names_of(code, "index::").any(|rest| !rest.starts_with("read")) {
                    wrong.push(format!("{}:{line}: only `index::read`: {code}", path.display()));
                }
            }
        }
    }
    none(wrong, "imports go down the table of ARCHITECTURE.md");
}

/// Names of the dependencies in a Cargo.toml, of all kinds but those for tests.
fn dependencies(toml: &str) -> BTreeSet<String> {
    let mut within = false;
    let mut names = BTreeSet::new();
    for line in toml.lines().map(str::trim) {
        if line.starts_with('[') {
            within = line.ends_with("dependencies]")
                && !line.contains("dev-dependencies")
                && !line.contains("workspace");
        } else if within && !line.is_empty() && !line.starts_with('#') {
            let name = line.split(['.', '=', ' ']).next().unwrap();
            names.insert(name.to_owned());
        }
    }
    names
}

/// What follows each `prefix` that begins a path: not `other::prefix` and not `my_prefix`.
fn names_of<'a>(code: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    code.match_indices(prefix).filter_map(move |(at, _)| {
        let before = code[..at].chars().next_back();
        let begins = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':');
        begins.then_some(&code[at + prefix.len()..])
    })
}

#[test]
fn production_code_holds_no_banned_words() {
    let mut wrong = Vec::new();
    for (path, source) in production() {
        let outside = if path.starts_with("platform") { &[] } else { BANNED_OUTSIDE_PLATFORM };
        for (line, code) in source.lines() {
            for (word, instead) in BANNED.iter().chain(outside) {
                if code.contains(word) {
                    wrong.push(format!("{}:{line}: `{word}`: {instead}", path.display()));
                }
            }
        }
    }
    none(wrong, "banned words");
}

#[test]
fn no_test_waits_for_time_to_pass() {
    let wrong = sources()
        .iter()
        .filter(|(path, _)| !path.starts_with("platform"))
        .flat_map(|(path, text)| {
            let source = Source::all(text);
            let lines = source.lines().filter(|(_, code)| code.contains("sleep("));
            lines.map(|(line, _)| format!("{}:{line}", path.display())).collect::<Vec<_>>()
        })
        .collect();
    none(wrong, "wait for a condition instead of sleeping");
}

#[test]
fn files_and_functions_are_short() {
    let mut wrong = Vec::new();
    let (mut long_files, mut long_functions) = (BTreeSet::new(), BTreeSet::new());
    for (path, source) in production() {
        let path = path.to_string_lossy().into_owned();
        let lines = source.lines().count();
        if lines > FILE_LINES_MAX {
            if !LONG_FILES.contains(&path.as_str()) {
                wrong.push(format!("{path}: {lines} lines, more than {FILE_LINES_MAX}"));
            }
            long_files.insert(path.clone());
        }
        for (name, lines) in source.functions() {
            if lines > FUNCTION_LINES_MAX {
                if !LONG_FUNCTIONS.contains(&(path.as_str(), name.as_str())) {
                    wrong.push(format!(
                        "{path}: `{name}` has {lines} lines, more than {FUNCTION_LINES_MAX}"
                    ));
                }
                long_functions.insert((path.clone(), name));
            }
        }
    }
    let gone = LONG_FILES.iter().filter(|file| !long_files.contains(**file));
    wrong.extend(gone.map(|file| format!("{file} is short now: take it from the list")));
    let gone = LONG_FUNCTIONS
        .iter()
        .filter(|(file, name)| !long_functions.contains(&((*file).to_owned(), (*name).to_owned())));
    wrong.extend(gone.map(|(file, name)| format!("{file}: `{name}` is short now: take it out")));
    none(wrong, "split what is too long");
}

#[test]
fn paths_that_the_architecture_names_exist() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let named: Vec<&str> = text.split('`').skip(1).step_by(2).filter(|n| is_path(n)).collect();
    assert!(named.len() > 10, "no paths were found: {named:?}");
    let wrong = named.iter().filter(|n| !root().join(n).exists());
    none(wrong.map(|n| (*n).to_owned()).collect(), "ARCHITECTURE.md names what is not there");
}

fn is_path(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let like_a_file = name.contains('/') || name.ends_with(".md") || name.ends_with(".toml");
    like_a_file && !name.starts_with('/') && !name.starts_with('_') && name.chars().all(plain)
}

#[test]
fn nothing_names_a_path_of_one_machine() {
    let here = root();
    let mut names = vec![here.display().to_string()];
    names.extend(here.parent().map(|p| p.join("shared").display().to_string()));
    names.extend(std::env::var("HOME").map(|home| format!("{home}/.cargo")));
    let text =
        |path: &Path| has_extension(path, &["rs", "toml", "md", "yaml", "yml", "sh", "json"]);
    let wrong = files(|path| text(path) || path.ends_with(".ci/run"))
        .into_iter()
        .filter(|path| {
            let text = fs::read_to_string(root().join(path)).unwrap_or_default();
            names.iter().any(|name| text.contains(name.as_str()))
        })
        .map(|path| path.display().to_string())
        .collect();
    none(wrong, "files name a path of this machine");
}
