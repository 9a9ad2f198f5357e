//! What of the open splits is decoded already? One cache for all of them, with one byte budget.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use platform::telemetry::{self, Metric};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use super::column::{Dictionary, Templates};
use super::positions::Positions;
use crate::split::codec::Ords;
use crate::split::text::{Frame, Order, TextChunk};

/// What is cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// The values of a column in a group.
    Values(u32, u32),
    /// For each row of a group the number of values before it, for columns with this signature.
    Positions(u32, u32),
    /// A frame of texts of a column in a group.
    Frame(u32, u32, u32),
    /// The texts of a column in a group by template.
    Order(u32, u32),
    /// Times of a group.
    Times(u32),
    /// Record numbers of a group.
    Seqs(u32),
    /// Shapes of a group.
    Shapes(u32),
    /// Dictionary of a column.
    Dictionary(u32),
    /// Templates of a column.
    Templates(u32),
}

/// Decoded values.
#[derive(Clone, Debug)]
pub(crate) enum Decoded {
    Ints(Arc<Vec<i64>>),
    Floats(Arc<Vec<f64>>),
    Bools(Arc<Vec<bool>>),
    Ords(Arc<Ords>),
    Text(Arc<TextChunk>),
    /// Bytes of hexadecimal values, and how many each has.
    Hex(bytes::Bytes, usize),
    Frame(Arc<Frame>),
    Order(Arc<Order>),
    Positions(Arc<Positions>),
    Dictionary(Arc<Dictionary>),
    Templates(Arc<Templates>),
}

impl Decoded {
    fn bytes(&self) -> usize {
        match self {
            Decoded::Ints(list) => list.len() * 8,
            Decoded::Floats(list) => list.len() * 8,
            Decoded::Bools(list) => list.len(),
            Decoded::Ords(list) => list.bytes(),
            Decoded::Text(chunk) => chunk.memory_bytes(),
            Decoded::Hex(..) => 0,
            Decoded::Frame(frame) => frame.memory_bytes(),
            Decoded::Order(order) => order.memory_bytes(),
            Decoded::Positions(positions) => positions.memory_bytes(),
            Decoded::Dictionary(dictionary) => dictionary.memory_bytes(),
            Decoded::Templates(templates) => templates.memory_bytes(),
        }
    }
}

/// One decoded value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scalar {
    Int(i64),
    Float(f64),
    Bool(bool),
    Ord(u32),
}

impl Decoded {
    /// One of the values, of those that are no texts.
    pub(crate) fn one(&self, at: usize) -> Option<Scalar> {
        match self {
            Decoded::Ints(list) => list.get(at).copied().map(Scalar::Int),
            Decoded::Floats(list) => list.get(at).copied().map(Scalar::Float),
            Decoded::Bools(list) => list.get(at).copied().map(Scalar::Bool),
            Decoded::Ords(list) => (at < list.len()).then(|| Scalar::Ord(list.get(at))),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
struct ByBytes;

type Key = (u64, Part);

impl Weighter<Key, Decoded> for ByBytes {
    fn weight(&self, _: &Key, value: &Decoded) -> u64 {
        value.bytes() as u64 + 64
    }
}

/// The cache.
#[derive(Debug)]
pub struct ChunkCache {
    cache: Cache<Key, Decoded, ByBytes>,
    readers: AtomicU64,
    /// It is the one of searches, which the metrics show.
    shown: bool,
}

/// About how large a cached part is, in bytes.
const PART_BYTES: u64 = 64 << 10;

impl ChunkCache {
    /// A cache of at most so many bytes.
    pub fn new(bytes_max: u64) -> Self {
        let items = (bytes_max / PART_BYTES).max(16) as usize;
        // A part that is heavier than a shard is never kept: one shard, for the largest ones.
        let options = OptionsBuilder::new()
            .estimated_items_capacity(items)
            .weight_capacity(bytes_max)
            .shards(1)
            .build()
            .expect("both capacities are given");
        let cache = Cache::with_options(
            options,
            ByBytes,
            DefaultHashBuilder::default(),
            DefaultLifecycle::default(),
        );
        Self { cache, readers: AtomicU64::new(0), shown: false }
    }

    /// The same, and the metrics show what becomes of it.
    #[must_use]
    pub fn shown(self) -> Self {
        Self { shown: true, ..self }
    }

    /// A number for a reader's parts.
    pub(crate) fn reader(&self) -> u64 {
        self.readers.fetch_add(1, Ordering::Relaxed)
    }

    /// The part, decoded by `decode` when it is not there; done once for all that ask.
    pub(crate) fn get<E>(
        &self,
        reader: u64,
        part: Part,
        decode: impl FnOnce() -> Result<Decoded, E>,
    ) -> Result<Decoded, E> {
        let mut decoded = false;
        let found = self.cache.get_or_insert_with(&(reader, part), || {
            decoded = true;
            decode()
        });
        if self.shown {
            let metric = if decoded { Metric::ColumnMisses } else { Metric::ColumnHits };
            telemetry::count(metric, 1);
            if decoded {
                telemetry::set(Metric::ColumnBytes, self.bytes() as i64);
            }
        }
        found
    }

    /// The part, if it is there.
    pub(crate) fn peek(&self, reader: u64, part: Part) -> Option<Decoded> {
        self.cache.get(&(reader, part))
    }

    /// Forgets the parts of a reader.
    pub(crate) fn forget(&self, reader: u64) {
        self.cache.retain(|(owner, _), _| *owner != reader);
    }

    /// Bytes that are cached now.
    pub fn bytes(&self) -> u64 {
        self.cache.weight()
    }
}
