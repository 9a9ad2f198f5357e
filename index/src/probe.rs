//! What do fuzzers feed to the decoders of a split, behind its checksums?

use std::sync::Arc;

use bytes::Bytes;

use crate::read::{Dictionary, Templates};
use crate::split::codec::{take_ints, take_ords, take_value};
use crate::split::filter::may_hold;
use crate::split::shape::parts;
use crate::split::text::{Anew, Needle, TextChunk, TextView};

const COUNT_MAX: usize = 5000;

/// Any bytes to the decoder that the first byte names.
pub fn split_part(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let rest = &mut &bytes[..];
    match choice % 7 {
        0 => {
            let ints = take_ints(rest, COUNT_MAX);
            assert!(ints.as_ref().is_none_or(|list| list.len() <= COUNT_MAX));
            let ints = ints.unwrap_or_default();
            for at in [0, ints.len() / 2, ints.len().saturating_sub(1), ints.len()] {
                let one = take_value(bytes, at);
                assert!(ints.is_empty() || one == ints.get(at).copied());
            }
        }
        1 => {
            if let Some(ords) = take_ords(rest, COUNT_MAX, 300) {
                assert!((0..ords.len()).all(|at| ords.get(at) < 300));
            }
        }
        2 => {
            if let Some(dictionary) = Dictionary::read(rest, COUNT_MAX) {
                for ord in 0..dictionary.len() as u32 {
                    let _ = dictionary.find(dictionary.get(ord));
                }
                dictionary.for_each_containing("a", &mut |ord| {
                    assert!((ord as usize) < dictionary.len());
                });
            }
        }
        3 => {
            if let Some(templates) = Templates::read(rest, COUNT_MAX) {
                for id in 0..templates.len() as u32 {
                    let _ = templates.pieces(id).count();
                }
            }
        }
        4 => drop(parts(bytes)),
        5 => drop(may_hold(bytes, 0x1234_5678_9abc_def0)),
        _ => texts(rest),
    }
}

/// Templates, then a chunk of texts.
fn texts(rest: &mut &[u8]) {
    let Some(templates) = Templates::read(rest, COUNT_MAX) else { return };
    let chunk = Bytes::copy_from_slice(rest);
    let Some(chunk) = TextChunk::open(&chunk, COUNT_MAX, templates.len()) else { return };
    let mut text = Vec::new();
    let view = TextView::new(Arc::new(chunk), templates.keys.clone(), Box::new(Anew));
    for at in 0..view.ids().len() {
        text.clear();
        let _ = view.text(at, &mut text);
        let _ = view.slots(at, |_| {});
    }
    for needle in [Needle::Token("a1"), Needle::Fragment("1", true)] {
        let mut visit = |value: u32| assert!((value as usize) < view.ids().len());
        let _ = view.find(&needle, &|_| true, &mut visit);
    }
}
