//! How do rows flow into buckets? In blocks of (row, bucket), from each aggregation to those in it.
//!
//! Knows no particular aggregation.

use index::read::Values;

use super::partial::{Bucket, Partial};
use super::source::{FieldValues, Raw};
use crate::leaf::scan::BLOCK_ROWS;
use crate::leaf::{LeafError, Run};

/// Rows with the bucket of the aggregation above that each is in. Rows never fall; one that is in
/// several buckets stands there several times.
#[derive(Debug, Default)]
pub struct Block {
    /// The rows.
    pub rows: Vec<u32>,
    /// The bucket of each.
    pub buckets: Vec<u32>,
}

/// Collects one aggregation over one segment.
pub trait Collector {
    /// Takes in rows.
    ///
    /// # Errors
    /// The split cannot be read, a limit is reached, or the search was stopped.
    fn collect(&mut self, block: &Block) -> Result<(), LeafError>;

    /// What is known, for each of so many buckets of the aggregation above.
    ///
    /// # Errors
    /// As [`Collector::collect`].
    fn finish(&mut self, parents: usize) -> Result<Vec<Partial>, LeafError>;
}

/// The distinct rows of a block.
pub fn distinct(rows: &[u32], out: &mut Vec<u32>) {
    out.clear();
    out.extend_from_slice(rows);
    out.dedup();
}

/// The values of a field for blocks of rows, with their buffers.
pub struct BlockValues<'a> {
    /// The field.
    pub field: FieldValues<'a>,
    rows: Vec<u32>,
    values: Vec<(u32, Raw)>,
    /// What stands for no value.
    missing: Option<(u32, Raw)>,
}

impl<'a> BlockValues<'a> {
    /// Of a field.
    pub fn new(field: FieldValues<'a>) -> Self {
        Self { field, rows: Vec::new(), values: Vec::new(), missing: None }
    }

    /// The same with a value for rows that have none.
    pub fn or(mut self, missing: Option<Raw>) -> Self {
        self.missing = missing.map(|value| (0, value));
        self
    }

    /// Loads the values of a block; then [`BlockValues::of_pairs`] gives them.
    ///
    /// # Errors
    /// The split cannot be read, or the search was stopped.
    pub fn load(&mut self, block: &Block) -> Result<(), LeafError> {
        distinct(&block.rows, &mut self.rows);
        self.field.load(&self.rows, &mut self.values)
    }

    /// Each (row, bucket) of the block with the values of the row.
    pub fn of_pairs<'b>(
        &'b self,
        block: &'b Block,
    ) -> impl Iterator<Item = (u32, u32, &'b [(u32, Raw)])> + 'b {
        let (mut from, mut to) = (0, 0);
        let mut last = None;
        block.rows.iter().zip(&block.buckets).map(move |(row, bucket)| {
            let values = &self.values;
            if last != Some(*row) {
                last = Some(*row);
                while to < values.len() && values[to].0 < *row {
                    to += 1;
                }
                from = to;
                while to < values.len() && values[to].0 == *row {
                    to += 1;
                }
            }
            let found = &values[from..to];
            match &self.missing {
                Some(missing) if found.is_empty() => (*row, *bucket, std::slice::from_ref(missing)),
                _ => (*row, *bucket, found),
            }
        })
    }
}

/// Calls `visit` with each (row, bucket) of the block and the values of the row.
///
/// # Errors
/// Those of `visit`.
pub fn each_pair<T>(
    block: &Block,
    values: &Values<T>,
    mut visit: impl FnMut(u32, u32, &[T]) -> Result<(), LeafError>,
) -> Result<(), LeafError> {
    let pairs = block.rows.iter().zip(&block.buckets);
    if block.rows == values.rows && block.rows.is_sorted_by(|a, b| a < b) {
        // Each row once, with one value.
        for ((row, bucket), value) in pairs.zip(values.values.chunks(1)) {
            visit(*row, *bucket, value)?;
        }
        return Ok(());
    }
    let (mut from, mut to) = (0, 0);
    let mut last = None;
    for (row, bucket) in pairs {
        if last != Some(*row) {
            last = Some(*row);
            from = to + values.rows[to..].iter().take_while(|r| *r < row).count();
            to = from + values.rows[from..].iter().take_while(|r| *r == row).count();
        }
        visit(*row, *bucket, &values.values[from..to])?;
    }
    Ok(())
}

/// The buckets of one aggregation, with those nested in it.
pub struct Buckets<'a> {
    docs: Vec<u64>,
    subs: Vec<Box<dyn Collector + 'a>>,
    waiting: Block,
    run: &'a Run,
}

/// Memory of a bucket, about, in bytes.
const BUCKET_BYTES: usize = 96;

impl<'a> Buckets<'a> {
    /// No buckets; `subs` are nested in each.
    pub fn new(subs: Vec<Box<dyn Collector + 'a>>, run: &'a Run) -> Self {
        Self { docs: Vec::new(), subs, waiting: Block::default(), run }
    }

    /// Makes room for `count` buckets.
    ///
    /// # Errors
    /// The memory limit is reached.
    pub fn grow(&mut self, count: usize) -> Result<(), LeafError> {
        if count > self.docs.len() {
            self.run.charge((count - self.docs.len()) * BUCKET_BYTES)?;
            self.docs.resize(count, 0);
        }
        Ok(())
    }

    /// Puts a row into a bucket.
    ///
    /// # Errors
    /// As [`Collector::collect`], of the nested ones.
    pub fn add(&mut self, row: u32, bucket: u32) -> Result<(), LeafError> {
        self.docs[bucket as usize] += 1;
        if self.subs.is_empty() {
            return Ok(());
        }
        self.waiting.rows.push(row);
        self.waiting.buckets.push(bucket);
        if self.waiting.rows.len() >= BLOCK_ROWS {
            self.flush()?;
        }
        Ok(())
    }

    /// Hands the waiting rows to the nested aggregations. Needed before rows fall again.
    ///
    /// # Errors
    /// As [`Collector::collect`], of the nested ones.
    pub fn flush(&mut self) -> Result<(), LeafError> {
        self.run.check()?;
        for sub in &mut self.subs {
            sub.collect(&self.waiting)?;
        }
        self.waiting.rows.clear();
        self.waiting.buckets.clear();
        Ok(())
    }

    /// The finished buckets, by number.
    ///
    /// # Errors
    /// As [`Collector::finish`], of the nested ones.
    pub fn finish(&mut self) -> Result<Vec<Bucket>, LeafError> {
        self.flush()?;
        let docs = std::mem::take(&mut self.docs);
        let mut out: Vec<Bucket> =
            docs.iter().map(|docs| Bucket { docs: *docs, subs: Vec::new() }).collect();
        for sub in &mut self.subs {
            let partials = sub.finish(docs.len())?;
            out.iter_mut().zip(partials).for_each(|(bucket, partial)| bucket.subs.push(partial));
        }
        Ok(out)
    }
}
