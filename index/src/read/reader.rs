//! How is one split read? Times, columns, tokens, texts and sources of an open object.
//!
//! Everything is checked against its checksum before it is used: sections when the split is
//! opened, blocks when they are decoded.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use model::id::{IndexName, NodeId, RecordSeq, SplitId};
use model::time::{TimeRange, Timestamp};
use platform::disk::Mapped;
use tantivy::directory::{FileSlice, OwnedBytes};
use tantivy::index::InvertedIndexReader;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Index, SegmentReader};
use tantivy_columnar::{ColumnValues, ColumnarReader, DynamicColumn, StrColumn};

use super::{FieldInfo, ReadError, RowSet, TokenClass};
use crate::build::{ID_COLUMN, INDEX_COLUMN, SEQ_COLUMN, TIME_COLUMN, column_name};
use crate::schema;
use crate::split::blocks::OpenBlock;
use crate::split::bundle::Bundle;
use crate::split::{self, Block, COLUMNS_SECTION, Footer, TANTIVY_SECTION, damaged};

/// An open split. Rows are numbered 0 … `docs` − 1 by rising time, then by rising sequence.
pub struct SplitReader {
    id: SplitId,
    node: NodeId,
    object: Mapped,
    footer: Footer,
    indexes: Vec<IndexName>,
    /// Fields by path, for readers; the footer's order is that of the column numbers.
    fields: Vec<FieldInfo>,
    field_ids: HashMap<String, usize>,
    columnar: ColumnarReader,
    times: Arc<dyn ColumnValues<i64>>,
    seqs: Arc<dyn ColumnValues<i64>>,
    index_ords: Arc<dyn ColumnValues<i64>>,
    ids: Option<StrColumn>,
    segment: SegmentReader,
    open_columns: Mutex<HashMap<String, Vec<DynamicColumn>>>,
}

impl std::fmt::Debug for SplitReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SplitReader({}, {} docs)", self.id, self.docs())
    }
}

impl SplitReader {
    /// Opens an object; `node` names the generated `_id`s.
    ///
    /// # Errors
    /// `Damaged`, with the place in the object.
    pub fn open(id: SplitId, node: NodeId, object: Mapped) -> Result<Self, ReadError> {
        let footer = split::read_footer(&id, &object)?;
        let whole = OwnedBytes::new(object.clone());
        let mut files = HashMap::new();
        let mut columns = None;
        for section in &footer.sections {
            let range = section.offset as usize..(section.offset + section.bytes) as usize;
            if crc32c::crc32c(&object[range.clone()]) != section.crc32c {
                let place = format!("section `{}` at byte {}", section.name, section.offset);
                return Err(damaged(&id, format!("{place}: checksum differs")));
            }
            let slice = FileSlice::new(Arc::new(whole.slice(range)));
            if section.name == COLUMNS_SECTION {
                columns = Some(slice);
            } else if let Some(name) = section.name.strip_prefix(TANTIVY_SECTION) {
                files.insert(PathBuf::from(name), slice);
            }
        }
        let columns = columns.ok_or_else(|| damaged(&id, "no section `columns`"))?;
        let columnar = ColumnarReader::open(columns).map_err(|e| damaged(&id, e.to_string()))?;
        let segment = open_segment(&id, Bundle::new(files))?;
        let numbers = |name: &str| number_column(&id, &columnar, name);
        let (times, seqs, index_ords) =
            (numbers(TIME_COLUMN)?, numbers(SEQ_COLUMN)?, numbers(INDEX_COLUMN)?);
        let ids = match open_columns(&id, &columnar, ID_COLUMN)?.pop() {
            Some(DynamicColumn::Str(ids)) => Some(ids),
            _ => None,
        };
        let mut fields = footer.fields.clone();
        fields.sort_by(|a, b| a.path.cmp(&b.path));
        let field_ids =
            footer.fields.iter().enumerate().map(|(at, f)| (f.path.clone(), at)).collect();
        Ok(Self {
            indexes: footer.meta.indexes.iter().map(|(name, _)| name.clone()).collect(),
            id,
            node,
            object,
            footer,
            fields,
            field_ids,
            columnar,
            times,
            seqs,
            index_ords,
            ids,
            segment,
            open_columns: Mutex::default(),
        })
    }

    fn bad(&self, reason: impl std::fmt::Display) -> ReadError {
        damaged(&self.id, reason.to_string())
    }

    /// What the object says of itself.
    pub fn footer(&self) -> &Footer {
        &self.footer
    }

    /// How many rows.
    pub fn docs(&self) -> u32 {
        self.footer.meta.docs as u32
    }

    /// The time of a row.
    pub fn timestamp(&self, row: u32) -> Timestamp {
        Timestamp(self.times.get_val(row))
    }

    /// The times of `rows`, into `out` (which is as long).
    pub fn timestamps(&self, rows: Range<u32>, out: &mut [i64]) {
        self.times.get_range(u64::from(rows.start), out);
    }

    /// The rows whose time lies in `range`: one run, by binary search.
    pub fn rows_in(&self, range: TimeRange) -> Range<u32> {
        let first_at_or_after = |at: Timestamp| {
            let (mut low, mut high) = (0, self.docs());
            while low < high {
                let middle = low + (high - low) / 2;
                if self.times.get_val(middle) < at.0 { low = middle + 1 } else { high = middle }
            }
            low
        };
        let from = first_at_or_after(range.from);
        // `TimeRange::ALL` holds the last nanosecond too.
        let to = if range.to.0 == i64::MAX { self.docs() } else { first_at_or_after(range.to) };
        from..to.max(from)
    }

    /// The number of a row's record.
    pub fn seq(&self, row: u32) -> RecordSeq {
        RecordSeq(self.seqs.get_val(row) as u64)
    }

    /// Position of a row's index in [`SplitReader::indexes`].
    pub fn index_ord(&self, row: u32) -> u32 {
        self.index_ords.get_val(row) as u32
    }

    /// The index names of the split.
    pub fn indexes(&self) -> &[IndexName] {
        &self.indexes
    }

    /// The `_id` that the client gave a row's record.
    pub fn client_id(&self, row: u32) -> Result<Option<String>, ReadError> {
        let Some(ids) = &self.ids else { return Ok(None) };
        let Some(ord) = ids.term_ords(row).next() else { return Ok(None) };
        let mut out = String::new();
        ids.ord_to_str(ord, &mut out).map_err(|e| self.bad(e))?;
        Ok(Some(out))
    }

    /// The `_id` of a row: the client's, or the generated one.
    pub fn id(&self, row: u32) -> Result<String, ReadError> {
        let client = self.client_id(row)?;
        Ok(client.unwrap_or_else(|| self.node.document_id(self.seq(row))))
    }

    /// The rows of the record with this `_id`: none or more.
    pub fn rows_with_id(&self, id: &str) -> Result<Vec<u32>, ReadError> {
        let mut out = Vec::new();
        if let Some(ids) = &self.ids {
            let ord = ids.dictionary().term_ord(id.as_bytes()).map_err(|e| self.bad(e))?;
            if let Some(ord) = ord {
                out.extend((0..self.docs()).filter(|row| ids.term_ords(*row).any(|o| o == ord)));
            }
        }
        if let Some((node, seq)) = NodeId::parse_document_id(id)
            && node == self.node
        {
            let wanted = seq.0 as i64;
            let row = (0..self.docs()).find(|row| self.seqs.get_val(*row) == wanted);
            if let Some(row) = row
                && self.client_id(row)?.is_none()
            {
                out.push(row);
            }
        }
        Ok(out)
    }

    /// All fields, by path.
    pub fn fields(&self) -> &[FieldInfo] {
        &self.fields
    }

    /// One field.
    pub fn field(&self, path: &str) -> Option<&FieldInfo> {
        self.field_ids.get(path).map(|at| &self.footer.fields[*at])
    }

    /// Paths of the text fields; the positions are those of [`TokenClass::Text`].
    pub fn text_fields(&self) -> &[String] {
        &self.footer.text_fields
    }

    /// The columns of a field, one per type (`I64`, `F64`, `Bool`, `Str`; numbers of both kinds
    /// in one field are one `F64` or `I64` column). Text fields have none for their strings.
    pub fn columns(&self, path: &str) -> Result<Vec<DynamicColumn>, ReadError> {
        let Some(field) = self.field_ids.get(path) else { return Ok(Vec::new()) };
        let mut open = self.open_columns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(columns) = open.get(path) {
            return Ok(columns.clone());
        }
        let columns = open_columns(&self.id, &self.columnar, &column_name(*field))?;
        open.insert(path.to_owned(), columns.clone());
        Ok(columns)
    }

    fn tokens(&self, class: TokenClass) -> Result<Arc<InvertedIndexReader>, ReadError> {
        let field = match class {
            TokenClass::Columns => schema::COLUMNS_FIELD,
            TokenClass::Text(position) => schema::text_field(position),
        };
        self.inverted(field)
    }

    fn inverted(&self, field: Field) -> Result<Arc<InvertedIndexReader>, ReadError> {
        if field.field_id() as usize > self.footer.text_fields.len() {
            return Ok(Arc::new(InvertedIndexReader::empty(IndexRecordOption::Basic)));
        }
        self.segment.inverted_index(field).map_err(|e| self.bad(e))
    }

    /// How many rows hold the folded token; cheap.
    pub fn token_docs(&self, class: TokenClass, token: &str) -> Result<u32, ReadError> {
        let reader = self.tokens(class)?;
        let info = reader.terms().get(token.as_bytes()).map_err(|e| self.bad(e))?;
        Ok(info.map_or(0, |i| i.doc_freq))
    }

    /// The rows that hold the folded token.
    pub fn token_rows(&self, class: TokenClass, token: &str) -> Result<RowSet, ReadError> {
        let mut out = RowSet::none(self.docs());
        let reader = self.tokens(class)?;
        let info = reader.terms().get(token.as_bytes()).map_err(|e| self.bad(e))?;
        let Some(info) = info else { return Ok(out) };
        let mut postings = reader
            .read_block_postings_from_terminfo(&info, IndexRecordOption::Basic)
            .map_err(|e| self.bad(e))?;
        loop {
            let docs = postings.docs();
            if docs.is_empty() {
                return Ok(out);
            }
            for doc in docs {
                out.insert(*doc);
            }
            postings.advance();
        }
    }

    /// Calls `visit` with every token that begins with `prefix` until it says `false`.
    pub fn for_each_token(
        &self,
        class: TokenClass,
        prefix: &str,
        visit: &mut dyn FnMut(&str) -> bool,
    ) -> Result<(), ReadError> {
        let reader = self.tokens(class)?;
        let mut stream =
            reader.terms().range().ge(prefix.as_bytes()).into_stream().map_err(|e| self.bad(e))?;
        while stream.advance() {
            let key = stream.key();
            if !key.starts_with(prefix.as_bytes()) {
                return Ok(());
            }
            let token = std::str::from_utf8(key).map_err(|e| self.bad(e))?;
            if !visit(token) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn open_block(&self, block: &Block) -> Result<OpenBlock, ReadError> {
        OpenBlock::open(&self.object, block).map_err(|e| self.bad(e))
    }

    fn malformed(&self, block: &Block) -> ReadError {
        self.bad(format!("block at byte {}: malformed", block.offset))
    }

    /// Calls `visit` with each string value of the text field in `rows`, in rising order, until
    /// it says `false`. Decodes only the blocks that hold such rows.
    pub fn for_each_text(
        &self,
        text_field: usize,
        rows: &RowSet,
        visit: &mut dyn FnMut(u32, &str) -> bool,
    ) -> Result<(), ReadError> {
        for block in self.footer.texts.get(text_field).map_or(&[][..], Vec::as_slice) {
            if !rows.any_in(block.first_row..block.last_row.saturating_add(1)) {
                continue;
            }
            let open = self.open_block(block)?;
            let docs = self.docs();
            let mut inside = true;
            let more = open.texts(block.first_row, &mut |row, text| {
                inside &= row < docs;
                !inside || !rows.contains(row) || visit(row, text)
            });
            match more.filter(|_| inside) {
                Some(true) => {}
                Some(false) => return Ok(()),
                None => return Err(self.malformed(block)),
            }
        }
        Ok(())
    }

    /// The very bytes of the documents in `rows` (any order, each decoded block used once).
    pub fn sources(&self, rows: &[u32]) -> Result<Vec<String>, ReadError> {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_unstable_by_key(|at| rows[*at]);
        let texts = self.first_texts(rows)?;
        let mut out = vec![String::new(); rows.len()];
        let mut order = order.into_iter().peekable();
        while let Some(first) = order.peek() {
            let row = rows[*first];
            let at = self.footer.sources.partition_point(|b| b.last_row < row);
            let block = self.footer.sources.get(at).filter(|b| b.first_row <= row);
            let block = block.ok_or_else(|| self.bad(format!("row {row} has no source")))?;
            let open = self.open_block(block)?;
            let stored = open.sources().ok_or_else(|| self.malformed(block))?;
            while let Some(at) = order.next_if(|at| rows[*at] <= block.last_row) {
                let stored = stored.get((rows[at] - block.first_row) as usize);
                let stored = stored.ok_or_else(|| self.malformed(block))?;
                let mut fill = Vec::with_capacity(stored.holes.len());
                for (_, text_field) in &stored.holes {
                    let text = texts.get(&(rows[at], *text_field));
                    fill.push(text.map(String::as_str).ok_or_else(|| self.malformed(block))?);
                }
                out[at] = stored.restore(&fill).ok_or_else(|| self.malformed(block))?;
            }
        }
        Ok(out)
    }

    /// The first value of every text field of the rows.
    fn first_texts(&self, rows: &[u32]) -> Result<HashMap<(u32, usize), String>, ReadError> {
        let mut wanted = RowSet::none(self.docs());
        for row in rows {
            if *row >= self.docs() {
                return Err(self.bad(format!("there is no row {row}")));
            }
            wanted.insert(*row);
        }
        let mut out = HashMap::new();
        for text_field in 0..self.footer.text_fields.len() {
            self.for_each_text(text_field, &wanted, &mut |row, text| {
                out.entry((row, text_field)).or_insert_with(|| text.to_owned());
                true
            })?;
        }
        Ok(out)
    }
}

fn open_segment(id: &SplitId, bundle: Bundle) -> Result<SegmentReader, ReadError> {
    let open = || -> tantivy::Result<SegmentReader> {
        let mut index = Index::open(bundle)?;
        index.set_tokenizers(schema::tokenizers());
        let segments = index.searchable_segments()?;
        match segments.first() {
            Some(segment) => SegmentReader::open(segment),
            None => Err(tantivy::TantivyError::InternalError("no segment".to_owned())),
        }
    };
    open().map_err(|e| damaged(id, e.to_string()))
}

fn open_columns(
    id: &SplitId,
    columnar: &ColumnarReader,
    name: &str,
) -> Result<Vec<DynamicColumn>, ReadError> {
    let handles = columnar.read_columns(name).map_err(|e| damaged(id, e.to_string()))?;
    handles.iter().map(|h| h.open().map_err(|e| damaged(id, e.to_string()))).collect()
}

fn number_column(
    id: &SplitId,
    columnar: &ColumnarReader,
    name: &str,
) -> Result<Arc<dyn ColumnValues<i64>>, ReadError> {
    match open_columns(id, columnar, name)?.pop() {
        Some(DynamicColumn::I64(column)) => Ok(column.values),
        _ => Err(damaged(id, format!("no column `{name}`"))),
    }
}
