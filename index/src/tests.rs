//! Splits against a simple model: what goes in comes out, by every way of reading.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use model::batch::{Batch, BatchBuilder};
use model::id::{IndexName, NodeId, RecordSeq, Tenant, WalSeq};
use model::live::Sequenced;
use model::record::Value;
use model::time::{TimeRange, Timestamp};
use model::token;
use platform::clock::ManualClock;
use platform::disk::Mapped;
use platform::rng::SeededRng;
use proptest::prelude::*;
use tantivy_columnar::DynamicColumn;

use crate::build::BuiltSplit;
use crate::catalog::Checkpoint;
use crate::live::{Roll, summarise};
use crate::merge;
use crate::publish::Builder;
use crate::read::{FieldInfo, RowSet, SplitReader, TokenClass};
use crate::settings::{Settings, test_settings};
use crate::split;

const NODE: NodeId = NodeId(9);

fn batch(docs: &[(String, Option<String>, &str)], received: i64) -> Arc<Batch> {
    let mut builder = BatchBuilder::new(Tenant::default(), None, Timestamp(received));
    for (source, id, index) in docs {
        builder.push(&IndexName::new(*index), id.as_deref(), source.as_bytes()).unwrap();
    }
    Arc::new(builder.finish())
}

fn roll(batches: Vec<Arc<Batch>>) -> Roll {
    let mut first = 1;
    let mut out = Vec::new();
    for (at, batch) in batches.into_iter().enumerate() {
        let records = batch.records().len() as u64;
        let seq = WalSeq(at as u64 + 1);
        out.push(Arc::new(summarise(Sequenced { seq, first_record: RecordSeq(first), batch })));
        first += records;
    }
    Roll { batches: out, checkpoint: Checkpoint::default() }
}

fn build(settings: &Settings, dir: &Path, roll: &Roll, threads: usize) -> Vec<BuiltSplit> {
    let (clock, rng) = (ManualClock::at(5), SeededRng::new(dir.as_os_str().len() as u64));
    let builder = Builder { settings, staging: dir, threads, clock: &clock, rng: &rng };
    builder.build(roll).unwrap()
}

fn open(built: &BuiltSplit) -> SplitReader {
    let object = Mapped::open(&built.path).unwrap();
    SplitReader::open(built.meta.id.clone(), NODE, object).unwrap()
}

/// What a record is, read back by every way there is.
#[derive(Debug, PartialEq)]
struct Seen {
    time: i64,
    seq: u64,
    source: String,
    id: String,
    index: String,
    /// path → values, printed, sorted.
    values: BTreeMap<String, Vec<String>>,
    text_tokens: BTreeSet<String>,
    column_tokens: BTreeSet<String>,
}

fn expected(settings: &Settings, roll: &Roll) -> Vec<Seen> {
    let batches = || roll.batches.iter().map(|b| &*b.batch.batch);
    let texts = crate::build::text_paths(settings, batches());
    let mut out = Vec::new();
    for live in &roll.batches {
        let batch = &live.batch.batch;
        for (number, record) in batch.records().iter().enumerate() {
            let seq = live.batch.first_record.0 + number as u64;
            let mut seen = Seen {
                time: record.timestamp.0,
                seq,
                source: batch.source(record).to_owned(),
                id: record
                    .id
                    .as_deref()
                    .map_or_else(|| NODE.document_id(RecordSeq(seq)), str::to_owned),
                index: batch.index_of(record).to_string(),
                values: BTreeMap::new(),
                text_tokens: BTreeSet::new(),
                column_tokens: BTreeSet::new(),
            };
            for (path, value) in batch.fields(record) {
                let path = batch.paths()[path as usize].to_string();
                if path == "@timestamp" || value == Value::Null {
                    continue;
                }
                if let Value::Str(text) = value {
                    let is_text = texts.contains(&path);
                    let set = if is_text { &mut seen.text_tokens } else { &mut seen.column_tokens };
                    set.extend(token::tokens(text).map(|t| t.into_owned()));
                }
                seen.values.entry(path).or_default().push(printed(&value));
            }
            seen.values.values_mut().for_each(|v| v.sort());
            out.push(seen);
        }
    }
    out.sort_by_key(|s| (s.time, s.seq));
    out
}

fn printed(value: &Value<'_>) -> String {
    match value {
        Value::Str(text) => format!("s:{text}"),
        Value::Bool(b) => format!("b:{b}"),
        other => format!("n:{:?}", other.as_f64().unwrap_or(f64::NAN)),
    }
}

fn column_values(column: &DynamicColumn, row: u32) -> Vec<String> {
    match column {
        DynamicColumn::Str(c) => c
            .term_ords(row)
            .map(|ord| {
                let mut text = String::new();
                c.ord_to_str(ord, &mut text).unwrap();
                format!("s:{text}")
            })
            .collect(),
        DynamicColumn::Bool(c) => c.values_for_doc(row).map(|b| format!("b:{b}")).collect(),
        DynamicColumn::I64(c) => {
            c.values_for_doc(row).map(|n| format!("n:{:?}", n as f64)).collect()
        }
        DynamicColumn::F64(c) => c.values_for_doc(row).map(|n| format!("n:{n:?}")).collect(),
        other => panic!("unexpected column {other:?}"),
    }
}

fn read_back(reader: &SplitReader) -> Vec<Seen> {
    let docs = reader.docs();
    let rows: Vec<u32> = (0..docs).rev().collect();
    let mut sources = reader.sources(&rows).unwrap();
    sources.reverse();
    let mut out: Vec<Seen> = (0..docs)
        .map(|row| Seen {
            time: reader.timestamp(row).0,
            seq: reader.seq(row).0,
            source: std::mem::take(&mut sources[row as usize]),
            id: reader.id(row).unwrap(),
            index: reader.indexes()[reader.index_ord(row) as usize].to_string(),
            values: BTreeMap::new(),
            text_tokens: BTreeSet::new(),
            column_tokens: BTreeSet::new(),
        })
        .collect();
    for field in reader.fields() {
        for column in reader.columns(&field.path).unwrap() {
            for row in 0..docs {
                let values = column_values(&column, row);
                if !values.is_empty() {
                    let seen = &mut out[row as usize];
                    seen.values.entry(field.path.clone()).or_default().extend(values);
                }
            }
        }
    }
    for (at, path) in reader.text_fields().iter().enumerate() {
        let all = RowSet::all(docs);
        reader
            .for_each_text(at, &all, &mut |row, text| {
                let values = &mut out[row as usize].values;
                values.entry(path.clone()).or_default().push(format!("s:{text}"));
                true
            })
            .unwrap();
    }
    let texts = (0..reader.text_fields().len()).map(TokenClass::Text);
    for class in texts.chain([TokenClass::Columns]) {
        let mut tokens = Vec::new();
        reader
            .for_each_token(class, "", &mut |t| {
                tokens.push(t.to_owned());
                true
            })
            .unwrap();
        for token in tokens {
            let rows = reader.token_rows(class, &token).unwrap();
            assert_eq!(rows.count(), reader.token_docs(class, &token).unwrap());
            for row in rows.iter() {
                let seen = &mut out[row as usize];
                let set = match class {
                    TokenClass::Columns => &mut seen.column_tokens,
                    TokenClass::Text(_) => &mut seen.text_tokens,
                };
                set.insert(token.clone());
            }
        }
    }
    for seen in &mut out {
        seen.values.values_mut().for_each(|v| v.sort());
    }
    out
}

fn small_blocks() -> Settings {
    Settings {
        block_bytes: 200,
        column_value_bytes_max: 64,
        text_fields: vec!["message".to_owned(), "error.stack".to_owned()],
        ..test_settings()
    }
}

fn document() -> impl Strategy<Value = (String, Option<String>, &'static str)> {
    let text = prop_oneof![
        "[a-c]{1,3}( [a-c0-9_]{1,4}){0,6}",
        Just("GET /api \"quoted\" \\ back\tslash and more text".to_owned()),
        Just("x".repeat(300)),
        "\\PC{0,30}",
    ];
    let value = prop_oneof![
        text.clone().prop_map(serde_json::Value::from),
        any::<i32>().prop_map(serde_json::Value::from),
        (-1e6f64..1e6).prop_map(serde_json::Value::from),
        any::<bool>().prop_map(serde_json::Value::from),
        Just(serde_json::Value::Null),
        Just(serde_json::json!([])),
        Just(serde_json::json!({"deep": ["a b", 1, {"er": "z"}]})),
    ];
    let field = prop_oneof![
        Just("message"),
        Just("error.stack"),
        Just("a"),
        Just("a.b"),
        Just("n\u{0}ul"),
        Just("")
    ];
    (
        prop::collection::vec((field, value), 0..6),
        prop::option::of(0i64..5),
        prop::option::of("[a-z]{1,4}"),
        prop_oneof![Just("i1"), Just("i2"), Just("i3")],
        any::<bool>(),
    )
        .prop_map(|(fields, day, id, index, spaced)| {
            // Written by hand: keys may repeat, and spacing must come back.
            let gap = if spaced { " " } else { "" };
            let mut parts = Vec::new();
            if let Some(day) = day {
                parts.push(format!("\"@timestamp\":{gap}\"2026-11-2{day}T10:00:0{day}Z\""));
            }
            for (key, value) in fields {
                let key = serde_json::Value::from(key);
                parts.push(format!("{key}:{gap}{value}"));
            }
            (format!("{{{gap}{}{gap}}}", parts.join(&format!(",{gap}"))), id, index)
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_goes_in_comes_out(
        batches in prop::collection::vec(prop::collection::vec(document(), 1..12), 1..5),
        threads in 1usize..3,
    ) {
        let settings = small_blocks();
        let dir = tempfile::tempdir().unwrap();
        let received = Timestamp::parse("2026-11-21T00:00:00Z").unwrap().0;
        let roll = roll(batches.iter().map(|b| batch(b, received)).collect());
        let want = expected(&settings, &roll);
        let built = build(&settings, dir.path(), &roll, threads);
        let mut got = Vec::new();
        let mut inputs = Vec::new();
        for split in &built {
            let reader = open(split);
            let width = settings.bucket_ms as i64 * 1_000_000;
            prop_assert!(split.meta.time.from >= split.meta.bucket);
            prop_assert!(split.meta.time.to.0 <= split.meta.bucket.0 + width);
            prop_assert!(split.meta.indexes.iter().all(|(_, docs)| *docs > 0));
            let values = |f: &FieldInfo| f.strings + f.ints + f.floats + f.bools;
            prop_assert!(reader.fields().iter().all(|f| values(f) > 0 && !f.indexes.is_empty()));
            prop_assert!(split::verify(&std::fs::read(&split.path).unwrap()).unwrap().faults.is_empty());
            got.extend(read_back(&reader));
            inputs.push((split.meta.clone(), Arc::new(reader)));
        }
        got.sort_by_key(|s| (s.time, s.seq));
        prop_assert_eq!(&got, &want);

        // The same rows, merged into one split of whatever buckets.
        let (clock, rng) = (ManualClock::at(6), SeededRng::new(77));
        let builder = Builder { settings: &settings, staging: dir.path(), threads, clock: &clock, rng: &rng };
        let merged = merge::merge(&builder, &inputs).unwrap();
        prop_assert_eq!(merged.meta.docs as usize, want.len());
        let reader = open(&merged);
        let mut got = read_back(&reader);
        // A field that is text in one input is text in the merged split for all.
        for (got, want) in got.iter_mut().zip(&want) {
            let both = |s: &Seen| s.text_tokens.union(&s.column_tokens).cloned().collect::<BTreeSet<_>>();
            prop_assert_eq!(both(got), both(want));
            got.text_tokens = want.text_tokens.clone();
            got.column_tokens = want.column_tokens.clone();
        }
        prop_assert_eq!(&got, &want);
        for from in -1..6i64 {
            let day = Timestamp::parse("2026-11-20T10:00:00Z").unwrap().0 + from * 86_401_000_000_000;
            let range = TimeRange { from: Timestamp(day), to: Timestamp(day + 86_401_000_000_000) };
            let rows = reader.rows_in(range);
            let count = want.iter().filter(|s| range.contains(Timestamp(s.time))).count();
            prop_assert_eq!(rows.len(), count);
        }
    }

    #[test]
    fn any_flipped_byte_is_found_and_nothing_panics(at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let settings = small_blocks();
        let dir = tempfile::tempdir().unwrap();
        let docs: Vec<_> = (0..20)
            .map(|n| (format!(r#"{{"message":"line {n} of a longer text","n":{n},"k":"v{n}"}}"#), None, "i1"))
            .collect();
        let built = build(&settings, dir.path(), &roll(vec![batch(&docs, 1)]), 1);
        let mut bytes = std::fs::read(&built[0].path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let sound = split::verify(&bytes).is_ok_and(|r| r.faults.is_empty());
        prop_assert!(!sound, "byte {} bit {}", at, bit);
        let path = dir.path().join("damaged");
        std::fs::write(&path, &bytes).unwrap();
        let opened = SplitReader::open(built[0].meta.id.clone(), NODE, Mapped::open(&path).unwrap());
        if let Ok(reader) = opened {
            // The flipped byte lies in a block: reading that block is an error.
            let rows: Vec<u32> = (0..reader.docs()).collect();
            prop_assert!(reader.sources(&rows).is_err());
        }
    }
}

#[test]
fn a_torn_object_is_an_error_at_every_length() {
    let dir = tempfile::tempdir().unwrap();
    let docs = vec![(r#"{"message":"one line of text","n":1}"#.to_owned(), None, "i1")];
    let built = build(&test_settings(), dir.path(), &roll(vec![batch(&docs, 1)]), 1);
    let bytes = std::fs::read(&built[0].path).unwrap();
    for len in 0..bytes.len() {
        assert!(split::verify(&bytes[..len]).is_err(), "{len} of {} bytes", bytes.len());
    }
}

#[test]
fn stray_times_do_not_make_a_split_each() {
    let settings = Settings { buckets_per_roll_max: 8, ..test_settings() };
    let dir = tempfile::tempdir().unwrap();
    let docs: Vec<_> = (0..200)
        .map(|n| (format!(r#"{{"@timestamp":{},"n":{n}}}"#, n * 40 * 86_400), None, "i1"))
        .collect();
    let built = build(&settings, dir.path(), &roll(vec![batch(&docs, 1)]), 1);
    assert!(built.len() <= 8, "{}", built.len());
    assert_eq!(built.iter().map(|b| b.meta.docs).sum::<u64>(), 200);
}
