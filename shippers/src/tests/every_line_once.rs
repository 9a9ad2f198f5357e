//! Any order of writing, rotating, crashing and failing: at the end every line is there once.

use std::fs;

use proptest::prelude::*;

use super::server::Behaviour;
use super::world::World;

/// What happens to the log, to the shipper and to the server.
#[derive(Clone, Debug)]
enum Event {
    Append {
        lines: usize,
        width: usize,
    },
    /// The beginning of a line; its end comes with the next writing.
    AppendHalf,
    Rename,
    CopyTruncate,
    /// The copy is made in two steps, and looked at in between.
    SlowCopyTruncate {
        first_part_percent: usize,
    },
    /// The newest rotated file that is not yet compressed.
    Compress {
        looked_at: bool,
    },
    Poll,
    Flush,
    Send,
    Crash,
    Pass {
        ms: i64,
    },
    Fail(Behaviour),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (1_usize..30, 0_usize..60).prop_map(|(lines, width)| Event::Append { lines, width }),
        1 => Just(Event::AppendHalf),
        2 => Just(Event::Rename),
        2 => Just(Event::CopyTruncate),
        1 => (1_usize..100).prop_map(|p| Event::SlowCopyTruncate { first_part_percent: p }),
        2 => any::<bool>().prop_map(|looked_at| Event::Compress { looked_at }),
        8 => Just(Event::Poll),
        3 => Just(Event::Flush),
        4 => Just(Event::Send),
        2 => Just(Event::Crash),
        1 => prop_oneof![Just(2_000_i64), Just(9_000), Just(61_000)]
            .prop_map(|ms| Event::Pass { ms }),
        2 => prop_oneof![
            Just(Behaviour::DropBefore),
            Just(Behaviour::DropAfter),
            Just(Behaviour::Status(503, "")),
            Just(Behaviour::Status(413, "")),
        ].prop_map(Event::Fail),
    ]
}

/// The log as its writer knows it.
struct Log {
    written: Vec<String>,
    rotated: usize,
    /// Rotated and not compressed.
    plain: Vec<String>,
    half: Option<String>,
}

impl Log {
    fn append(&mut self, w: &World, lines: usize, width: usize) {
        let mut text = String::new();
        for _ in 0..lines {
            let line = format!("line {} {}", self.written.len(), "x".repeat(width));
            // The first one may end a line that was begun.
            match self.half.take() {
                Some(half) => {
                    text.push_str(&format!("{line}\n"));
                    self.written.push(half + &line);
                }
                None => {
                    text.push_str(&format!("{line}\n"));
                    self.written.push(line);
                }
            }
        }
        w.append("app.log", &text);
    }

    fn rotated_name(&mut self) -> String {
        self.rotated += 1;
        let name = format!("app.log.{}", self.rotated);
        self.plain.push(name.clone());
        name
    }

    fn apply(&mut self, w: &mut World, event: &Event) {
        let empty = fs::metadata(w.path("app.log")).map_or(0, |m| m.len()) == 0;
        match event {
            Event::Append { lines, width } => self.append(w, *lines, *width),
            Event::AppendHalf if self.half.is_none() => {
                let half = format!("half {} ", self.written.len());
                w.append("app.log", &half);
                self.half = Some(half);
            }
            // A line that is cut by a rotation is two lines; that is the writer's choice.
            Event::Rename if !empty && self.half.is_none() => {
                let to = self.rotated_name();
                w.rename("app.log", &to);
            }
            Event::CopyTruncate if !empty && self.half.is_none() => {
                let to = self.rotated_name();
                w.copytruncate("app.log", &to);
            }
            Event::SlowCopyTruncate { first_part_percent } if !empty && self.half.is_none() => {
                let to = self.rotated_name();
                let bytes = fs::read(w.path("app.log")).expect("read");
                let part = bytes.len() * first_part_percent / 100;
                fs::write(w.path(&to), &bytes[..part]).expect("written");
                w.poll();
                w.append_bytes(&to, &bytes[part..]);
                w.poll();
                w.truncate("app.log");
            }
            Event::Compress { looked_at } => {
                if let Some(name) = self.plain.pop() {
                    w.gzip(&name, &format!("{name}.gz"));
                    if *looked_at {
                        w.poll();
                    }
                    w.remove(&name);
                }
            }
            Event::Poll => drop(w.poll()),
            Event::Flush => w.flush(),
            Event::Send => drop(w.send()),
            Event::Crash => w.crash(),
            Event::Pass { ms } => w.advance_ms(*ms),
            Event::Fail(behaviour) => w.server.script([behaviour.clone()]),
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_line_once(events in prop::collection::vec(event(), 1..60)) {
        let mut w = World::new();
        let mut log =
            Log { written: Vec::new(), rotated: 0, plain: Vec::new(), half: None };
        for event in &events {
            log.apply(&mut w, event);
        }
        if log.half.is_some() {
            log.append(&w, 1, 0);
        }
        w.settle();
        let mut got = w.server.messages();
        got.sort();
        let mut want = log.written.clone();
        want.sort();
        prop_assert_eq!(got, want);
    }
}
