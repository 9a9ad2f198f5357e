//! Does every request get the answer that Elasticsearch gives? The scenarios of
//! `tests/es_compat/*.yml`, against our server or the one that `LOGDRIVE_COMPAT_URL` names.
//!
//! `tests/es_compat/README.md` describes the files. `docs/elasticsearch.md` is held to them: each
//! of its rows is shown by a step, and each step that is for us alone belongs to a row that says so.

mod document;
mod expect;
mod format;
mod path;
mod run;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use format::{File, Only};

use crate::support::Server;

/// Files that run at once.
const THREADS: usize = 4;
/// The scenarios are at least so many steps: it only grows.
const STEPS_MIN: usize = 800;

/// A file of scenarios, read.
pub struct Scenario {
    /// The file's name without `.yml`; the prefix of its indexes, with `-` for `_`.
    pub name: String,
    pub file: File,
}

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/es_compat")
}

/// All scenarios by name, or why one cannot be read.
fn read() -> Vec<Result<Scenario, String>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(dir())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yml"))
        .collect();
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.replace("${i}", &name.replace('_', "-"));
        // Only `true` and `false` are booleans: `n` and `no` are names here.
        let options = serde_saphyr::options! { strict_booleans: true };
        let file = serde_saphyr::from_str_with_options::<File>(&text, options)
            .map_err(|e| format!("{name}.yml cannot be read: {e}"))?;
        file.check().map_err(|e| format!("{name}.yml: {e}"))?;
        Ok(Scenario { name, file })
    };
    paths.into_iter().map(read).collect()
}

/// The scenarios; fails when one cannot be read.
fn scenarios() -> Vec<Scenario> {
    read().into_iter().collect::<Result<Vec<_>, _>>().unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn scenarios_are_answered_as_elasticsearch_answers() {
    let wanted = std::env::var("LOGDRIVE_COMPAT_FILE").unwrap_or_default();
    let foreign = std::env::var("LOGDRIVE_COMPAT_URL").ok();
    let dir = tempfile::tempdir().unwrap();
    let server = foreign.is_none().then(|| Server::start(dir.path()));
    // What is not answered yet is `only: elasticsearch`; this shows what of it is by now.
    let as_elasticsearch = std::env::var_os("LOGDRIVE_COMPAT_STRICT").is_some();
    let url = server.as_ref().map(|server| server.url().to_owned()).or(foreign);
    let target = run::Target {
        url: url.unwrap_or_default().trim_end_matches('/').to_owned(),
        ours: server.is_some(),
        skipped: match server.is_some() && !as_elasticsearch {
            true => Only::Elasticsearch,
            false => Only::Logdrive,
        },
    };
    let read = read();
    let next = AtomicUsize::new(0);
    let done = Mutex::new((0, Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(scenario) = read.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (steps, failures) = match scenario {
                        Ok(scenario) if !scenario.name.contains(&wanted) => continue,
                        Ok(scenario) => run::run(scenario, &target),
                        Err(error) => (0, vec![error.clone()]),
                    };
                    let mut done = done.lock().unwrap();
                    done.0 += steps;
                    done.1.extend(failures);
                }
            });
        }
    });
    let (steps, mut failures) = done.into_inner().unwrap();
    failures.sort();
    for failure in &failures {
        eprintln!("\n✗ {failure}");
    }
    let names: Vec<&str> = failures.iter().filter_map(|f| f.lines().next()).collect();
    assert!(names.is_empty(), "{} of {steps} steps failed:\n  {}", names.len(), names.join("\n  "));
    eprintln!("{steps} steps");
    assert!(!wanted.is_empty() || steps >= STEPS_MIN, "only {steps} steps");
}
