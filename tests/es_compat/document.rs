//! Is every row of `docs/elasticsearch.md` true? The scenarios show it.

use std::collections::{BTreeMap, BTreeSet};

use super::format::{OneOrMore, Only};
use super::{Scenario, dir, scenarios};

/// What a row says of a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Supported,
    Differs,
    Refused,
}

/// Rows by id, read from the tables: `| id | thing | status | … |`.
fn rows() -> BTreeMap<String, Status> {
    let path = dir().join("../../docs/elasticsearch.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut out = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [id, _, status, notes] = cells[..] else {
            panic!("a row has four cells: {line}");
        };
        let id = id.trim_matches('`').to_owned();
        let status = match status {
            "supported" => Status::Supported,
            "differs" => Status::Differs,
            "refused" => Status::Refused,
            other => panic!("`{id}`: the status {other} is none of supported, differs, refused"),
        };
        let notes = notes.trim_end_matches('|').trim();
        assert!(
            status == Status::Supported || !notes.is_empty(),
            "`{id}`: a row that is not `supported` says how, or why"
        );
        assert!(out.insert(id.clone(), status).is_none(), "`{id}` stands twice");
    }
    assert!(out.len() > 100, "the rows were not found");
    out
}

/// What is wrong with the rows that one file covers; notes those that it shows.
fn check(
    Scenario { name, file }: &Scenario,
    rows: &BTreeMap<String, Status>,
    shown: &mut BTreeSet<String>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for id in &file.covers {
        match rows.get(id) {
            None => wrong.push(format!("{name}.yml covers `{id}`, which is no row")),
            Some(Status::Supported) => {
                shown.insert(id.clone());
            }
            Some(status) => {
                wrong.push(format!("{name}.yml: `{id}` is {status:?}: let the step cover it"));
            }
        }
    }
    for (at, step) in file.steps.iter().enumerate() {
        let at = format!("{name}.yml step {}", at + 1);
        let covers: &OneOrMore<String> = &step.covers;
        for id in covers.as_slice() {
            let Some(status) = rows.get(id) else {
                wrong.push(format!("{at} covers `{id}`, which is no row"));
                continue;
            };
            match (status, step.only) {
                (_, Some(Only::Elasticsearch)) => continue,
                (Status::Refused, _) if !step.refused() => {
                    wrong.push(format!("{at}: `{id}` is refused, but the step expects success"));
                }
                (Status::Refused, None) => {
                    wrong.push(format!("{at}: `{id}` is refused by us alone: `only: logdrive`"));
                }
                (Status::Supported, Some(Only::Logdrive)) => {
                    wrong.push(format!("{at}: `{id}` is supported, so `only: logdrive` is wrong"));
                }
                (Status::Differs, None) => {}
                _ => {
                    shown.insert(id.clone());
                }
            }
        }
        if step.only == Some(Only::Logdrive) && covers.as_slice().is_empty() {
            wrong.push(format!("{at}: what is for us alone covers a row that says so"));
        }
    }
    wrong
}

#[test]
fn every_row_of_the_document_is_shown() {
    let rows = rows();
    let mut shown = BTreeSet::new();
    let mut wrong: Vec<String> =
        scenarios().iter().flat_map(|scenario| check(scenario, &rows, &mut shown)).collect();
    for (id, status) in rows.iter().filter(|(id, _)| !shown.contains(*id)) {
        wrong.push(match status {
            Status::Supported => format!("`{id}` is shown by no scenario"),
            Status::Differs => format!("`{id}` differs: show how by a step with `only: logdrive`"),
            Status::Refused => format!("`{id}` is refused: show the error by a step"),
        });
    }
    assert!(wrong.is_empty(), "docs/elasticsearch.md and the scenarios:\n  {}", wrong.join("\n  "));
}
