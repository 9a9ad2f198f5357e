//! Do the inputs that fuzzing kept still pass? Every file of `fuzz/corpus` through its target, and
//! what a few simple mutations make of it.

use std::fs;
use std::path::{Path, PathBuf};

use platform::rng::{Rng, SeededRng};

#[path = "../fuzz/src/lib.rs"]
mod targets;

const MUTATIONS: u64 = 40;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

/// Flips, cuts, repeats.
fn mutate(bytes: &[u8], rng: &SeededRng) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..=rng.next_u64() % 3 {
        if out.is_empty() {
            return out;
        }
        let at = rng.next_u64() as usize % out.len();
        let end = at + rng.next_u64() as usize % (out.len() - at).min(40);
        match rng.next_u64() % 4 {
            0 => out[at] = rng.next_u64() as u8,
            1 => out.truncate(at),
            2 => drop(out.drain(at..end)),
            _ => {
                let piece = out[at..end].to_vec();
                out.splice(at..at, piece);
            }
        }
    }
    out
}

#[test]
fn every_kept_input_passes_its_target() {
    for (name, target) in targets::TARGETS {
        let dir = corpus().join(name);
        let mut files: Vec<PathBuf> =
            fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "no inputs in `{}`", dir.display());
        let rng = SeededRng::new(1);
        for file in files {
            let bytes = fs::read(&file).unwrap();
            println!("{}", file.display());
            target(&bytes);
            for _ in 0..MUTATIONS {
                target(&mutate(&bytes, &rng));
            }
        }
    }
}

#[test]
fn every_directory_of_the_corpus_has_its_target() {
    let names: Vec<&str> = targets::TARGETS.iter().map(|(name, _)| *name).collect();
    for entry in fs::read_dir(corpus()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(&name.as_str()), "no target `{name}`");
    }
}
