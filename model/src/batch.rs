//! What is the bounded unit of the pipeline? A batch: records that are acknowledged together.
//!
//! One text buffer holds every source and every unescaped string, one list every field, one
//! dictionary every path: no allocation per field. Offsets are 32 bits, so a batch holds less
//! than 4 GiB; the ingest tier's request limit is far below.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::id::{BatchId, IndexName, Tenant};
use crate::json::{self, DocumentError};
use crate::record::{Field, Record, Value};
use crate::time::Timestamp;

/// The most text a batch can hold, in bytes.
pub const BATCH_TEXT_BYTES_MAX: usize = 2 << 30;

/// Records that are acknowledged together, of one tenant.
#[derive(Debug)]
pub struct Batch {
    /// Whose records.
    pub tenant: Tenant,
    /// The client's name of the batch.
    pub id: Option<BatchId>,
    /// When the server read it.
    pub received: Timestamp,
    indexes: Vec<IndexName>,
    paths: Vec<Arc<str>>,
    records: Vec<Record>,
    fields: Vec<Field>,
    text: String,
}

impl Batch {
    /// The records, in the order of the request.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The distinct index names; `Record::index` points here.
    pub fn indexes(&self) -> &[IndexName] {
        &self.indexes
    }

    /// The index of a record.
    pub fn index_of(&self, record: &Record) -> &IndexName {
        &self.indexes[record.index as usize]
    }

    /// The distinct field paths; the path numbers of [`Batch::fields`] point here.
    pub fn paths(&self) -> &[Arc<str>] {
        &self.paths
    }

    /// The number of a path in this batch, if any record has it.
    pub fn path_id(&self, path: &str) -> Option<u32> {
        self.paths.iter().position(|p| &**p == path).map(|at| at as u32)
    }

    /// The very bytes of the document.
    pub fn source(&self, record: &Record) -> &str {
        &self.text[record.source.0 as usize..record.source.1 as usize]
    }

    /// (path number, value) of every field of the record, in document order.
    pub fn fields<'a>(&'a self, record: &Record) -> impl Iterator<Item = (u32, Value<'a>)> + 'a {
        self.fields[record.fields.0 as usize..record.fields.1 as usize]
            .iter()
            .map(|f| (f.path, f.value(&self.text)))
    }

    /// The values of one path of the record.
    pub fn values<'a>(
        &'a self,
        record: &Record,
        path: u32,
    ) -> impl Iterator<Item = Value<'a>> + 'a {
        self.fields(record).filter(move |(p, _)| *p == path).map(|(_, v)| v)
    }

    /// Keeps the records for which there is a true, by their order.
    pub fn retain(&mut self, kept: &[bool]) {
        let mut kept = kept.iter();
        self.records.retain(|_| kept.next().copied().unwrap_or(true));
    }

    /// Bytes of the documents as they came in, without separators.
    pub fn raw_bytes(&self) -> u64 {
        self.records.iter().map(|r| u64::from(r.source.1 - r.source.0)).sum()
    }

    /// Bytes of memory that the batch holds.
    pub fn memory_bytes(&self) -> u64 {
        (self.text.capacity()
            + self.fields.capacity() * size_of::<Field>()
            + self.records.capacity() * size_of::<Record>()
            + self.paths.iter().map(|p| p.len() + 32).sum::<usize>()) as u64
    }
}

/// Builds a [`Batch`] document by document.
#[derive(Debug)]
pub struct BatchBuilder {
    batch: Batch,
    path_ids: HashMap<Arc<str>, u32>,
    index_ids: HashMap<IndexName, u32>,
    scratch: json::Scratch,
}

impl BatchBuilder {
    /// An empty batch; `received` stands in for missing timestamps.
    pub fn new(tenant: Tenant, id: Option<BatchId>, received: Timestamp) -> Self {
        Self {
            batch: Batch {
                tenant,
                id,
                received,
                indexes: Vec::new(),
                paths: Vec::new(),
                records: Vec::new(),
                fields: Vec::new(),
                text: String::new(),
            },
            path_ids: HashMap::new(),
            index_ids: HashMap::new(),
            scratch: json::Scratch::default(),
        }
    }

    /// Makes room for `bytes` of documents.
    pub fn reserve(&mut self, bytes: usize) {
        self.batch.text.reserve(bytes);
    }

    /// Adds one JSON document. On an error the batch is as it was before.
    ///
    /// # Errors
    /// The source is not UTF-8, not JSON, not an object, or nested too deeply; the error names
    /// the byte.
    pub fn push(
        &mut self,
        index: &IndexName,
        id: Option<&str>,
        source: &[u8],
    ) -> Result<(), DocumentError> {
        self.add(index, id, source, false)
    }

    /// The same for a document that must have a time.
    ///
    /// # Errors
    /// As [`BatchBuilder::push`], and there is no time.
    pub fn push_timed(
        &mut self,
        index: &IndexName,
        id: Option<&str>,
        source: &[u8],
    ) -> Result<(), DocumentError> {
        self.add(index, id, source, true)
    }

    fn add(
        &mut self,
        index: &IndexName,
        id: Option<&str>,
        source: &[u8],
        timed: bool,
    ) -> Result<(), DocumentError> {
        let source = std::str::from_utf8(source)
            .map_err(|e| DocumentError::NotUtf8 { at: e.valid_up_to() })?;
        let (text_at, fields_at) = (self.batch.text.len(), self.batch.fields.len());
        if text_at + source.len() * 2 > BATCH_TEXT_BYTES_MAX {
            return Err(DocumentError::BatchFull { limit_bytes: BATCH_TEXT_BYTES_MAX });
        }
        self.batch.text.push_str(source);
        let mut visitor = json::Flattener {
            text: &mut self.batch.text,
            base: text_at,
            source,
            fields: &mut self.batch.fields,
            paths: &mut self.batch.paths,
            path_ids: &mut self.path_ids,
            scratch: &mut self.scratch,
        };
        let found = match visitor.run() {
            Ok(None) if timed => Err(DocumentError::NoTime { bytes: source.len() }),
            ran => ran,
        };
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                self.batch.text.truncate(text_at);
                self.batch.fields.truncate(fields_at);
                return Err(error);
            }
        };
        let index = self.index_id(index);
        self.batch.records.push(Record {
            timestamp: found.unwrap_or(self.batch.received),
            timestamp_inferred: found.is_none(),
            index,
            id: id.map(Box::from),
            source: (text_at as u32, (text_at + source.len()) as u32),
            fields: (fields_at as u32, self.batch.fields.len() as u32),
        });
        Ok(())
    }

    fn index_id(&mut self, index: &IndexName) -> u32 {
        if let Some(id) = self.index_ids.get(index) {
            return *id;
        }
        let id = self.batch.indexes.len() as u32;
        self.batch.indexes.push(index.clone());
        self.index_ids.insert(index.clone(), id);
        id
    }

    /// How many documents the batch holds.
    pub fn len(&self) -> usize {
        self.batch.records.len()
    }

    /// Whether the batch holds no document.
    pub fn is_empty(&self) -> bool {
        self.batch.records.is_empty()
    }

    /// The finished batch.
    pub fn finish(mut self) -> Batch {
        self.batch.text.shrink_to_fit();
        self.batch.fields.shrink_to_fit();
        self.batch
    }
}
