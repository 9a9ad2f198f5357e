//! Which tokens does a group of rows not have? A binary fuse filter over the tokens of its text
//! columns: a token that it does not know is in none of them.
//!
//! ```text
//! filter: seed u64 | segment length u32 | its mask u32 | segments' length u32 | fingerprints
//! ```
//! A key is the xxh3 of the folded token with the column's number as seed. One in 256 unknown
//! tokens is taken for a known one.

use model::token::{fold, tokens};
use xorf::{BinaryFuse8, BinaryFuse8Ref, DmaSerializable, Filter, FilterRef};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::text::TokenSink;

const DESCRIPTOR_BYTES: usize = 20;

/// The key of a folded token.
pub(crate) fn key(column: u32, token: &[u8]) -> u64 {
    xxh3_64_with_seed(token, u64::from(column))
}

/// Gathers the keys of a group.
#[derive(Debug, Default)]
pub(crate) struct FilterBuilder {
    column: u32,
    keys: Vec<u64>,
    lower: Vec<u8>,
}

impl FilterBuilder {
    /// What follows is of this column.
    pub(crate) fn column(&mut self, column: u32) {
        self.column = column;
    }

    /// A token that is folded already.
    pub(crate) fn folded(&mut self, token: &[u8]) {
        self.keys.push(key(self.column, token));
    }

    /// The finished filter, empty when there are no keys; the builder is empty then.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        self.keys.sort_unstable();
        self.keys.dedup();
        if self.keys.is_empty() {
            return Vec::new();
        }
        // Fails only for keys that are not distinct; without a filter every token may be there.
        let filter = BinaryFuse8::try_from_iterator(self.keys.iter().copied());
        self.keys.clear();
        let Ok(filter) = filter else { return Vec::new() };
        let mut out = vec![0; DESCRIPTOR_BYTES];
        filter.dma_copy_descriptor_to(&mut out);
        out.extend_from_slice(filter.dma_fingerprints());
        out
    }
}

impl TokenSink for FilterBuilder {
    fn slot(&mut self, token: &[u8]) {
        if token.is_ascii() {
            if token.iter().any(u8::is_ascii_uppercase) {
                self.lower.clear();
                self.lower.extend_from_slice(token);
                self.lower.make_ascii_lowercase();
                self.keys.push(key(self.column, &self.lower));
            } else {
                self.keys.push(key(self.column, token));
            }
        } else if let Ok(token) = std::str::from_utf8(token) {
            self.keys.push(key(self.column, fold(token).as_bytes()));
        }
    }

    fn raw(&mut self, text: &[u8]) {
        if let Ok(text) = std::str::from_utf8(text) {
            for token in tokens(text) {
                self.keys.push(key(self.column, token.as_bytes()));
            }
        }
    }
}

/// Whether the filter may know the key. No filter, or a malformed one, may know all.
pub(crate) fn may_hold(filter: &[u8], key: u64) -> bool {
    let Some((descriptor, fingerprints)) = filter.split_at_checked(DESCRIPTOR_BYTES) else {
        return true;
    };
    let number = |at: usize| {
        let bytes: [u8; 4] = descriptor[at..at + 4].try_into().unwrap_or_default();
        u64::from(u32::from_le_bytes(bytes))
    };
    let (segment, mask, segments) = (number(8), number(12), number(16));
    // The last place that is looked at: two segments after the first, anywhere in its segment.
    let last = (segments.saturating_sub(1) + 2 * segment) | mask;
    let inside =
        segment.is_power_of_two() && mask == segment - 1 && last < fingerprints.len() as u64;
    !inside || BinaryFuse8Ref::from_dma(descriptor, fingerprints).contains(&key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_tokens_are_known_and_few_others() {
        for count in [1usize, 2, 10, 1000, 50_000] {
            let mut builder = FilterBuilder::default();
            builder.column(3);
            for n in 0..count {
                builder.slot(format!("ID{n}").as_bytes());
                builder.slot(format!("ID{n}").as_bytes());
            }
            builder.raw("some Words 7".as_bytes());
            let filter = builder.finish();
            let holds = |column: u32, token: &str| may_hold(&filter, key(column, token.as_bytes()));
            assert!((0..count).all(|n| holds(3, &format!("id{n}"))));
            assert!(["some", "words", "7"].iter().all(|t| holds(3, t)));
            let wrong = (0..10_000).filter(|n| holds(3, &format!("other{n}"))).count();
            assert!(wrong < 200, "{wrong} of 10000 unknown tokens are taken for known ones");
            let wrong = (0..10_000).filter(|n| holds(4, &format!("id{n}"))).count();
            assert!(wrong < 200, "{wrong} of 10000 tokens of another column");
        }
    }

    #[test]
    fn a_filter_that_is_none_may_hold_all() {
        assert!(may_hold(&[], 7) && may_hold(&[0; 19], 7) && may_hold(&[0xff; 40], 7));
        assert!(FilterBuilder::default().finish().is_empty());
    }

    #[test]
    fn no_lengths_lead_out_of_a_filter() {
        for segment in [0u32, 1, 2, 3, 4, 8] {
            for (segments, bytes) in (0..40u32).flat_map(|s| (0..60usize).map(move |b| (s, b))) {
                let mut filter = vec![0x5a; 8];
                for number in [segment, segment.wrapping_sub(1), segments] {
                    filter.extend_from_slice(&number.to_le_bytes());
                }
                filter.resize(DESCRIPTOR_BYTES + bytes, 0x5a);
                for key in 0..200u64 {
                    let _ = may_hold(&filter, key.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                }
            }
        }
    }
}
