//! What the server answers, and what becomes of the batch then.

use std::fs;
use std::time::Duration;

use super::server::Behaviour;
use super::world::World;
use crate::send::Step;
use crate::spool::{Spool, SpoolError};

fn one_batch(lines: &str) -> World {
    let mut w = World::new();
    w.append("app.log", lines);
    w.poll();
    w.flush();
    w
}

#[test]
fn failures_are_waited_out_and_nothing_is_doubled() {
    for (behaviour, at_least) in [
        (Behaviour::DropBefore, 0),
        (Behaviour::DropAfter, 0),
        (Behaviour::Status(500, ""), 0),
        (Behaviour::Status(408, ""), 0),
        (Behaviour::Status(429, "retry-after: 7\r\n"), 7000),
        (Behaviour::Status(503, "retry-after: 9999\r\n"), 300_000),
        (Behaviour::Status(401, ""), 15_000),
        (Behaviour::Status(404, ""), 15_000),
        (Behaviour::Status(400, ""), 15_000),
        (Behaviour::Gibberish, 15_000),
    ] {
        let mut w = one_batch("a\nb\n");
        w.server.script([behaviour.clone()]);
        let Step::Wait(pause) = w.send() else { panic!("{behaviour:?} is no success") };
        assert!(pause >= Duration::from_millis(at_least), "{behaviour:?}: {pause:?}");
        assert!(
            pause <= Duration::from_millis(at_least.max(15_000) * 2),
            "{behaviour:?}: {pause:?}"
        );
        assert_eq!(w.waiting(), 1);
        w.expect(&["a", "b"]);
    }
}

#[test]
fn the_back_off_grows_to_its_limit() {
    let mut w = one_batch("a\n");
    w.server.script(std::iter::repeat_n(Behaviour::Status(503, ""), 20));
    let mut pauses = Vec::new();
    for _ in 0..20 {
        let Step::Wait(pause) = w.send() else { panic!("it never works") };
        pauses.push(pause.as_millis());
    }
    assert!(pauses[0] >= 100 && pauses[0] <= 200, "{pauses:?}");
    assert!(pauses[19] >= 15_000 && pauses[19] <= 30_000, "{pauses:?}");
    w.expect(&["a"]);
}

#[test]
fn the_request_is_what_the_server_expects() {
    let mut w = World::new();
    w.settings.index = "a b".into();
    w.settings.headers.insert("authorization".into(), "Bearer x".into());
    w.append("app.log", "a\n");
    w.expect(&["a"]);
    let request = &w.server.requests()[0];
    assert!(
        request.starts_with("post /api/v1/ingest?index=a%20b&ack=durable http/1.1"),
        "{request}"
    );
    for header in ["content-type: application/x-ndjson", "authorization: bearer x"] {
        assert!(request.contains(header), "{request}");
    }
}

#[test]
fn a_batch_that_is_too_large_is_halved_until_it_fits() {
    let mut w = World::new();
    w.settings.batch.batch_bytes_max = 1 << 20;
    let text: String = (0..50).map(|i| format!("line {i}\n")).collect();
    w.append("app.log", &text);
    w.append("big.log", &format!("{}\nafter\n", "x".repeat(70_000)));
    w.server.limit(1000);
    w.settle();
    let mut got = w.server.messages();
    assert!(w.server.requests().len() > 30);
    got.sort();
    let mut want: Vec<_> = text.lines().chain(["after"]).map(str::to_owned).collect();
    want.sort();
    assert_eq!(got, want);
    let rejected =
        fs::read_to_string(format!("{}/rejected.ndjson", w.settings.state)).expect("there");
    assert_eq!(rejected.lines().count(), 1);
    assert!(rejected.contains("xxxx") && rejected.contains("413"), "{rejected}");
}

#[test]
fn a_small_line_is_not_given_up_for_a_limit() {
    let mut w = one_batch("a\n");
    w.server.script([Behaviour::Status(413, "")]);
    assert!(matches!(w.send(), Step::Wait(_)));
    w.expect(&["a"]);
}

#[test]
fn a_crash_between_the_halves_loses_nothing() {
    let mut w = World::new();
    w.settings.batch.batch_bytes_max = 1 << 20;
    let text: String = (0..20).map(|i| format!("line {i}\n")).collect();
    w.append("app.log", &text);
    w.server.limit(1000);
    w.poll();
    w.flush();
    for _ in 0..200 {
        let step = w.send();
        w.crash();
        if step == Step::Idle {
            break;
        }
    }
    w.expect(&text.lines().collect::<Vec<_>>());
}

#[test]
fn rejected_lines_are_kept_with_their_reason() {
    let mut w = one_batch("a\nb\nc\n");
    w.server.script([Behaviour::RejectLine(2)]);
    w.expect(&["a", "c"]);
    let rejected =
        fs::read_to_string(format!("{}/rejected.ndjson", w.settings.state)).expect("there");
    let line: serde_json::Value = serde_json::from_str(rejected.trim()).expect("one JSON line");
    assert_eq!(line["reason"], "told to");
    assert!(line["record"].as_str().expect("text").contains(r#""message":"b""#));
}

#[test]
fn a_kill_between_the_sending_and_the_receipt_doubles_nothing() {
    let mut w = one_batch("a\nb\n");
    w.server.script([Behaviour::DropAfter]);
    assert!(matches!(w.send(), Step::Wait(_)));
    w.crash();
    w.append("app.log", "c\n");
    w.rename("app.log", "app.log.1");
    w.expect(&["a", "b", "c"]);
}

#[test]
fn the_state_has_one_owner() {
    let mut w = one_batch("a\n");
    let state = std::path::Path::new(&w.settings.state).to_owned();
    let error = Spool::open(&state, 1, 1).expect_err("it is in use");
    assert!(matches!(&error, SpoolError::InUse { .. }));
    let text = error.to_string();
    assert!(text.contains(&std::process::id().to_string()) && text.contains("--state"), "{text}");
    w.crash();
    Spool::open(&state, 1, 1).expect("it is free again");
}

#[test]
fn the_threads_ship_everything_once_and_stop() {
    use crate::file::tailer::Pass;
    use crate::run::{Environment, run};
    let w = World::new();
    let text: String = (0..5000).map(|i| format!("line {i}\n")).collect();
    w.append("app.log", &text);
    w.server.script([Behaviour::DropAfter, Behaviour::Status(503, ""), Behaviour::DropBefore]);
    let mut settings = w.settings.clone();
    settings.send.back_off_first_ms = 1;
    // Two batches fit, so reading has to wait for sending.
    settings.spool.spool_bytes_max = 500;
    let (_keep, stop) = crossbeam_channel::bounded(1);
    let environment = Environment {
        clock: std::sync::Arc::new(platform::clock::SystemClock),
        rng: std::sync::Arc::new(platform::rng::SystemRng),
        host_name: "here".into(),
        stop,
    };
    let summary = run(&settings, Pass::Once, environment.clone()).expect("it runs");
    assert_eq!((summary.files, summary.lines, summary.rejected), (1, 5000, 0));
    assert_eq!(summary.bytes, text.len() as u64 - 5000);
    assert_eq!(summary.waiting, 0);
    let mut got = w.server.messages();
    got.sort();
    let mut want: Vec<_> = text.lines().map(str::to_owned).collect();
    want.sort();
    assert_eq!(got, want);
    let again = run(&settings, Pass::Once, environment.clone()).expect("it runs");
    assert_eq!((again.files, again.lines), (0, 0));
    // Without a server: told to stop, it keeps what it read.
    settings.to = "http://127.0.0.1:1".into();
    w.append("app.log", "last\n");
    let (tell, stop) = crossbeam_channel::bounded(1);
    let environment = Environment { stop, ..environment };
    let state = settings.state.clone();
    let thread = std::thread::spawn(move || run(&settings, Pass::Follow, environment));
    while !crate::spool::peek(std::path::Path::new(&state)).is_ok_and(|c| c.batches > 0) {
        std::thread::yield_now();
    }
    tell.send(()).expect("it listens");
    let summary = thread.join().expect("no panic").expect("it ran");
    assert_eq!((summary.lines, summary.waiting), (0, 1));
}
