//! One rotation after the other, each in the order in which it goes wrong elsewhere.

use std::fs;

use super::world::{World, gzipped};
use crate::file::tailer::Pass;

/// A text of more than any fingerprint.
fn long(tag: &str) -> String {
    (0..60).map(|i| format!("{tag} line {i:04} xxxxxxxxxxxxxxxxx\n")).collect()
}

fn expect_texts(world: &mut World, texts: &[&str]) {
    let all = texts.concat();
    world.expect(&all.lines().collect::<Vec<_>>());
}

#[test]
fn a_file_that_grows() {
    let mut w = World::new();
    w.append("app.log", "a\nb\nhal");
    w.expect(&["a", "b"]);
    w.append("app.log", "f\r\n\nx\n");
    w.expect(&["a", "b", "half", "", "x"]);
    w.crash();
    w.append("app.log", "y\n");
    w.expect(&["a", "b", "half", "", "x", "y"]);
}

#[test]
fn records_say_where_they_are_from() {
    let mut w = World::new();
    w.append("app.log", "first\nsecond\n");
    w.poll();
    w.rename("app.log", "app.log.1");
    w.append("app.log.1", "third\n");
    w.settle();
    let path = w.path("app.log").display().to_string();
    let got: Vec<_> = w.server.records();
    let places: Vec<_> = got
        .iter()
        .map(|r| (r["log"]["file"]["path"].clone(), r["log"]["offset"].clone()))
        .collect();
    assert_eq!(places, [0, 6, 13].map(|at| (path.clone().into(), at.into())));
    assert_eq!(got[0]["host"]["name"], "here");
}

#[test]
fn renamed_while_open_closed_and_down() {
    for (closed, down) in [(false, false), (true, false), (false, true)] {
        let mut w = World::new();
        let (a, b, c) = (long("a"), long("b"), long("c"));
        w.append("app.log", &a);
        w.settle();
        if closed {
            w.advance_ms(120_000);
            w.poll();
        }
        if down {
            w.crash();
        }
        w.append("app.log", &b);
        w.rename("app.log", "app.log.1");
        w.append("app.log", &c);
        // The old writer still has the file.
        w.append("app.log.1", "late\n");
        expect_texts(&mut w, &[&a, &b, &c, "late\n"]);
    }
}

#[test]
fn a_renamed_file_that_no_pattern_matches_is_read_to_its_end() {
    let mut w = World::new();
    w.settings.path = vec![format!("{}/logs/*.log", w.dir.path().display())];
    w.append("app.log", "a\n");
    w.settle();
    w.rename("app.log", "app.old");
    w.append("app.log", "new\n");
    w.append("app.old", "late\nunfinished");
    w.expect(&["a", "late", "new"]);
    w.advance_ms(120_000);
    w.expect(&["a", "late", "new", "unfinished"]);
}

#[test]
fn a_removed_file_is_read_to_its_end() {
    let mut w = World::new();
    w.append("app.log", "a\n");
    w.settle();
    w.append("app.log", "b\n");
    w.remove("app.log");
    w.expect(&["a", "b"]);
}

#[test]
fn copytruncate_while_up_and_down_read_whole_and_in_part() {
    for (down, before) in [(false, 0), (true, 0), (false, 1), (true, 1), (false, 2), (true, 2)] {
        for texts in [[long("a"), long("b"), long("c")], ["a\n".into(), "b\n".into(), "c\n".into()]]
        {
            let mut w = World::new();
            let [a, b, c] = texts;
            w.append("app.log", &a);
            match before {
                0 => {}
                1 => drop(w.poll()),
                _ => w.settle(),
            }
            w.append("app.log", &b);
            if down {
                w.crash();
            }
            w.copytruncate("app.log", "app.log.1");
            w.append("app.log", &c);
            expect_texts(&mut w, &[&a, &b, &c]);
        }
    }
}

#[test]
fn a_copy_is_not_read_twice_while_both_are_there() {
    let mut w = World::new();
    let a = long("a");
    w.append("app.log", &a);
    w.settle();
    // Half a copy, then all of it.
    fs::write(w.path("app.log.1"), &a.as_bytes()[..a.len() / 2]).expect("written");
    expect_texts(&mut w, &[&a]);
    assert_eq!(w.held(), 1);
    w.copy("app.log", "app.log.1");
    expect_texts(&mut w, &[&a]);
    w.append("app.log", "more\n");
    expect_texts(&mut w, &[&a, "more\n"]);
    w.copytruncate("app.log", "app.log.1");
    w.append("app.log", "fresh\n");
    w.crash();
    expect_texts(&mut w, &[&a, "more\n", "fresh\n"]);
}

#[test]
fn same_lines_in_two_logs_are_two_logs() {
    let mut w = World::new();
    w.append("one.log", "started\n");
    w.append("two.log", "started\n");
    w.append("sub/one.log", "started\n");
    w.settle();
    w.advance_ms(20_000);
    w.expect(&["started", "started", "started"]);
    w.remove("one.log");
    w.append("three.log", "started\n");
    w.expect(&["started"; 4]);
    w.crash();
    w.expect(&["started"; 4]);
}

#[test]
fn the_same_first_lines_again_after_a_rename() {
    let mut w = World::new();
    let banner = long("banner");
    w.append("app.log", &banner);
    w.append("app.log", "one\n");
    w.settle();
    w.rename("app.log", "app.log.1");
    w.append("app.log", &banner);
    expect_texts(&mut w, &[&banner, "one\n", &banner]);
    w.append("app.log", "two\n");
    w.crash();
    expect_texts(&mut w, &[&banner, "one\n", &banner, "two\n"]);
}

#[test]
fn rotated_logs_with_one_banner_found_at_the_first_start() {
    let mut w = World::new();
    let banner = long("banner");
    w.append("app.log", &format!("{banner}now\n"));
    w.append("app.log.1", &format!("{banner}before\n"));
    fs::write(w.path("app.log.2.gz"), gzipped(format!("{banner}long ago\n").as_bytes()))
        .expect("gz");
    expect_texts(&mut w, &[&banner, "now\n", &banner, "before\n", &banner, "long ago\n"]);
}

#[test]
fn truncated_and_written_anew_beyond_the_old_offset() {
    let mut w = World::new();
    w.append("app.log", "old one\nold two\n");
    w.settle();
    w.truncate("app.log");
    let fresh = long("fresh");
    w.append("app.log", &fresh);
    expect_texts(&mut w, &["old one\nold two\n", &fresh]);
}

#[test]
fn rotated_and_compressed() {
    // Read before: not at all, in part, whole; the plain file goes before or after the scan.
    for before in 0..3 {
        for down in [false, true] {
            for scan_between in [false, true] {
                let mut w = World::new();
                let (a, b) = (long("a"), long("b"));
                w.append("app.log", &a);
                if before == 2 {
                    w.settle();
                } else if before == 1 {
                    w.poll();
                    w.flush();
                }
                if down {
                    w.crash();
                }
                w.rename("app.log", "app.log.1");
                w.append("app.log", &b);
                w.gzip("app.log.1", "app.log.1.gz");
                if scan_between {
                    w.poll();
                }
                w.remove("app.log.1");
                expect_texts(&mut w, &[&a, &b]);
                w.advance_ms(120_000);
                w.rename("app.log.1.gz", "app.log.2.gz");
                expect_texts(&mut w, &[&a, &b]);
                w.crash();
                expect_texts(&mut w, &[&a, &b]);
            }
        }
    }
}

#[test]
fn a_compressed_file_that_is_still_being_written() {
    let mut w = World::new();
    let a = long("a");
    let whole = gzipped(a.as_bytes());
    fs::write(w.path("old.log.gz"), &whole[..whole.len() / 2]).expect("written");
    w.settle();
    fs::write(w.path("old.log.gz"), &whole).expect("written");
    expect_texts(&mut w, &[&a]);
}

#[test]
fn a_compressed_file_that_is_cut_off_is_read_as_far_as_it_goes() {
    let mut w = World::new();
    let a: String = (0..20_000).map(|i| format!("line {}\n", i * 7919 % 100_003)).collect();
    let whole = gzipped(a.as_bytes());
    fs::write(w.path("old.log.gz"), &whole[..whole.len() - 20]).expect("written");
    w.settle();
    w.advance_ms(120_000);
    w.settle();
    let got = w.server.messages();
    assert!(got.len() > 15_000, "{} lines", got.len());
    assert!(got.iter().zip(a.lines()).all(|(g, want)| want.starts_with(g.as_str())));
    w.crash();
    w.settle();
    assert_eq!(w.server.messages().len(), got.len());
}

#[test]
fn once_takes_the_last_line_and_ends() {
    let mut w = World::new();
    w.pass = Pass::Once;
    w.append("a.log", "a\nb");
    fs::write(w.path("b.log.gz"), gzipped(b"c\nd")).expect("written");
    fs::write(w.path("not.gz"), b"not gzip").expect("written");
    w.append("empty.log", "");
    w.expect(&["a", "b", "c", "d"]);
    w.crash();
    w.expect(&["a", "b", "c", "d"]);
}

#[test]
fn long_lines_and_odd_bytes() {
    let mut w = World::new();
    w.settings.files.line_bytes_max = 64;
    w.settings.files.read_bytes_max = 1024;
    let line = "0123456789".repeat(20);
    w.append("a.log", &format!("{line}\nshort\n"));
    w.append_bytes("b.log", b"bad \xff byte\nnul \0 byte\n");
    w.settle();
    let got = w.server.messages();
    let joined: String = got.iter().filter(|m| m.starts_with(char::is_numeric)).cloned().collect();
    assert_eq!(joined, line);
    assert!(got.contains(&"short".into()) && got.contains(&"nul \0 byte".into()));
    let flagged: Vec<_> = w.server.records().iter().map(|r| r["log"]["flags"].clone()).collect();
    assert_eq!(flagged.iter().filter(|f| f[0] == "split").count(), 4);
    assert_eq!(flagged.iter().filter(|f| f[0] == "invalid_utf8").count(), 1);
}

#[test]
fn excluded_and_too_many() {
    let mut w = World::new();
    w.settings.exclude = vec!["*.tmp".into(), format!("{}/logs/x/**", w.dir.path().display())];
    w.settings.files.files_max = 2;
    for name in ["a.log", "b.tmp", "c.log", "d.log", "x/e.log"] {
        w.append(name, &format!("{name}\n"));
    }
    w.expect(&["a.log", "c.log"]);
}

#[test]
fn few_open_files_are_enough_for_many() {
    let mut w = World::new();
    w.settings.files.open_files_max = 3;
    let names: Vec<String> = (0..20).map(|i| format!("s{i}x.log")).collect();
    for round in 0..3 {
        for name in &names {
            w.append(name, &format!("{name} {round}\n"));
        }
        w.settle();
        assert_eq!(w.server.messages().len(), 20 * (round + 1));
    }
}

#[test]
fn what_is_gone_for_long_is_forgotten() {
    let mut w = World::new();
    w.append("a.log", "a\n");
    w.append("b.log", "b\n");
    w.settle();
    w.remove("a.log");
    w.advance_ms(120_000);
    w.settle();
    w.advance_ms(2 * 86_400_000);
    w.settle();
    w.crash();
    let state = std::path::Path::new(&w.settings.state);
    let contents = crate::spool::peek(state).expect("a state");
    assert_eq!(contents.positions.len(), 1);
}
