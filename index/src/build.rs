//! How do sorted records become one split's file? Tokens, columns, texts and sources, in memory
//! bounded by the roll.
//!
//! Rows come in order (time, then sequence). Knows nothing of the catalog or the object store.

use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hashbrown::HashMap;
use model::batch::Batch;
use model::id::{IndexName, RecordSeq, SplitId, Tenant};
use model::record::{TIMESTAMP_FIELD, Value};
use model::time::{TimeRange, Timestamp};
use tantivy::Directory;
use tantivy::Index;
use tantivy::directory::RamDirectory;
use tantivy::index::SegmentComponent;
use tantivy::indexer::SingleSegmentIndexWriter;
use tantivy_columnar::{ColumnType, ColumnarWriter};
use thiserror::Error;

use crate::read::{FieldInfo, SplitMeta};
use crate::schema::{self, StringKind, TokenDocument};
use crate::settings::Settings;
use crate::split::blocks::{Hole, SourceWriter, TextWriter};
use crate::split::write::SectionWriter;
use crate::split::{COLUMNS_SECTION, Footer, TANTIVY_SECTION, bundle};

/// Column with the times.
pub(crate) const TIME_COLUMN: &str = "t";
/// Column with the record numbers.
pub(crate) const SEQ_COLUMN: &str = "s";
/// Column with the positions of the index names.
pub(crate) const INDEX_COLUMN: &str = "i";
/// Column with the clients' `_id`s.
pub(crate) const ID_COLUMN: &str = "d";

/// Texts shorter than this stay in the document.
const HOLE_BYTES_MIN: usize = 16;
/// tantivy's arena to begin with; it grows with the data.
const ARENA_BYTES: usize = 15_000_000;

/// The name of a field's column.
pub(crate) fn column_name(field: usize) -> String {
    format!("f{field}")
}

/// Why a split could not be built.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The file system.
    #[error("build of a split in `{path}`: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// tantivy.
    #[error("build of a split: {0}")]
    Tantivy(#[from] tantivy::TantivyError),
}

/// A finished file.
#[derive(Debug)]
pub struct BuiltSplit {
    /// Where it is.
    pub path: PathBuf,
    /// What the catalog will know of it.
    pub meta: SplitMeta,
}

/// Which split is being built.
#[derive(Clone, Debug)]
pub struct SplitSpec {
    /// Its name.
    pub id: SplitId,
    /// Whose records.
    pub tenant: Tenant,
    /// Start of its time bucket.
    pub bucket: Timestamp,
    /// Now.
    pub created: Timestamp,
    /// How often its records were rewritten.
    pub merges: u32,
}

/// How the paths and indexes of one batch map to the split's numbers. A number is given when the
/// first row needs it: what only other splits of the roll have is not listed in this one.
pub struct BatchMap {
    fields: Vec<Cell<u32>>,
    kinds: Arc<Vec<StringKind>>,
    indexes: Vec<Cell<u32>>,
}

/// No number yet.
const UNNUMBERED: u32 = u32::MAX;

/// One row to add.
pub struct Row<'a> {
    /// Its batch.
    pub batch: &'a Arc<Batch>,
    /// Position in the batch.
    pub record: usize,
    /// Its time.
    pub timestamp: Timestamp,
    /// Its number.
    pub seq: RecordSeq,
    /// The `_id` that the client gave.
    pub id: Option<&'a str>,
    /// The batch's map.
    pub map: &'a BatchMap,
}

/// Paths that must be text in this split: the settings' ones, and those with a string that is
/// too long for a column.
pub fn text_paths<'a>(
    settings: &Settings,
    batches: impl Iterator<Item = &'a Batch>,
) -> Vec<String> {
    let mut out = settings.text_fields.clone();
    for batch in batches {
        for record in batch.records() {
            for (path, value) in batch.fields(record) {
                let Value::Str(text) = value else { continue };
                let path = &*batch.paths()[path as usize];
                if text.len() > settings.column_value_bytes_max && !out.iter().any(|p| p == path) {
                    out.push(path.to_owned());
                }
            }
        }
    }
    out
}

/// Builds one split.
pub struct SplitBuilder {
    spec: SplitSpec,
    path: PathBuf,
    out: SectionWriter,
    text_fields: Vec<String>,
    columns: ColumnarWriter,
    index: SingleSegmentIndexWriter<TokenDocument>,
    ram: RamDirectory,
    texts: Vec<TextWriter>,
    sources: SourceWriter,
    fields: FieldTable,
    indexes: Vec<(IndexName, u64)>,
    rows: u32,
    raw_bytes: u64,
    time: Option<(Timestamp, Timestamp)>,
    /// Of the row being added: its holes, and the text fields that had a value.
    holes: Vec<Hole>,
    had_text: Vec<u32>,
}

struct FieldTable {
    infos: Vec<FieldInfo>,
    names: Vec<String>,
    ids: HashMap<Arc<str>, u32>,
    /// The index that was last noted for each field: saves a search per value.
    last_index: Vec<u32>,
}

impl SplitBuilder {
    /// Begins a split in a new file of `dir`; `text_fields` as [`text_paths`] gives them.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn create(
        spec: SplitSpec,
        dir: &Path,
        text_fields: Vec<String>,
        settings: &Settings,
    ) -> Result<Self, BuildError> {
        let path = dir.join(format!("{}.split", spec.id));
        let out = SectionWriter::create(&path)
            .map_err(|source| BuildError::Io { path: path.clone(), source })?;
        let ram = RamDirectory::create();
        let index = Index::builder()
            .schema(schema::schema(text_fields.len()))
            .tokenizers(schema::tokenizers())
            .single_segment_index_writer(ram.clone(), ARENA_BYTES)?;
        let mut columns = ColumnarWriter::default();
        for name in [TIME_COLUMN, SEQ_COLUMN, INDEX_COLUMN] {
            columns.record_column_type(name, ColumnType::I64, false);
        }
        let level = settings.zstd_level;
        Ok(Self {
            texts: text_fields
                .iter()
                .map(|_| TextWriter::new(settings.block_bytes, level))
                .collect(),
            sources: SourceWriter::new(settings.block_bytes, level),
            spec,
            path,
            out,
            text_fields,
            columns,
            index,
            ram,
            fields: FieldTable {
                infos: Vec::new(),
                names: Vec::new(),
                ids: HashMap::new(),
                last_index: Vec::new(),
            },
            indexes: Vec::new(),
            rows: 0,
            raw_bytes: 0,
            time: None,
            holes: Vec::new(),
            had_text: Vec::new(),
        })
    }

    /// Prepares a batch whose records are about to come.
    pub fn map(&self, batch: &Batch) -> BatchMap {
        let kind = |path: &Arc<str>| match self.text_fields.iter().position(|t| **t == **path) {
            _ if **path == *TIMESTAMP_FIELD => StringKind::None,
            Some(position) => StringKind::Text(position),
            None => StringKind::Column,
        };
        BatchMap {
            kinds: Arc::new(batch.paths().iter().map(kind).collect()),
            fields: vec![Cell::new(UNNUMBERED); batch.paths().len()],
            indexes: vec![Cell::new(UNNUMBERED); batch.indexes().len()],
        }
    }

    fn index_ord(&mut self, index: &IndexName) -> u32 {
        if let Some(at) = self.indexes.iter().position(|(name, _)| name == index) {
            return at as u32;
        }
        self.indexes.push((index.clone(), 0));
        self.indexes.len() as u32 - 1
    }

    /// Adds a row; rows come by rising time, then sequence.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn push(&mut self, row: &Row<'_>) -> Result<(), BuildError> {
        let record = &row.batch.records()[row.record];
        let number = self.rows;
        let index = &row.map.indexes[record.index as usize];
        if index.get() == UNNUMBERED {
            index.set(self.index_ord(row.batch.index_of(record)));
        }
        let index = index.get();
        self.indexes[index as usize].1 += 1;
        self.columns.record_numerical(number, TIME_COLUMN, row.timestamp.0);
        self.columns.record_numerical(number, SEQ_COLUMN, row.seq.0 as i64);
        self.columns.record_numerical(number, INDEX_COLUMN, i64::from(index));
        if let Some(id) = row.id {
            self.columns.record_str(number, ID_COLUMN, id);
        }
        let source = row.batch.source(record);
        self.holes.clear();
        self.had_text.clear();
        self.push_fields(row, number, index, source).map_err(|e| self.io(e))?;
        self.index.add_document(TokenDocument {
            batch: row.batch.clone(),
            record: row.record,
            kinds: row.map.kinds.clone(),
        })?;
        self.holes.sort_unstable_by_key(|h| h.at);
        let holes = std::mem::take(&mut self.holes);
        let pushed = self.sources.push(number, source, &holes, &mut self.out);
        self.holes = holes;
        pushed.map_err(|e| self.io(e))?;
        self.raw_bytes += source.len() as u64;
        let from = self.time.map_or(row.timestamp, |(from, _)| from);
        self.time = Some((from, row.timestamp));
        self.rows += 1;
        Ok(())
    }

    fn push_fields(
        &mut self,
        row: &Row<'_>,
        number: u32,
        index: u32,
        source: &str,
    ) -> io::Result<()> {
        let record = &row.batch.records()[row.record];
        for (path, value) in row.batch.fields(record) {
            let kind = row.map.kinds[path as usize];
            if kind == StringKind::None {
                continue;
            }
            if value == Value::Null {
                continue;
            }
            let field = &row.map.fields[path as usize];
            if field.get() == UNNUMBERED {
                let path = &row.batch.paths()[path as usize];
                field.set(self.fields.id(path, matches!(kind, StringKind::Text(_))));
            }
            let field = field.get();
            self.fields.note(field, &value, index);
            let name = &self.fields.names[field as usize];
            match value {
                Value::Null => {}
                Value::Bool(b) => self.columns.record_bool(number, name, b),
                Value::Int(n) => self.columns.record_numerical(number, name, n),
                Value::Float(f) => self.columns.record_numerical(number, name, f),
                Value::Str(text) => match kind {
                    StringKind::Text(position) => {
                        self.texts[position].push(number, text, &mut self.out)?;
                        self.dig(source, text, position as u32);
                    }
                    _ => self.columns.record_str(number, name, text),
                },
            }
        }
        Ok(())
    }

    /// Takes the first text of a text field out of the document.
    fn dig(&mut self, source: &str, text: &str, text_field: u32) {
        if self.had_text.contains(&text_field) {
            return;
        }
        self.had_text.push(text_field);
        if text.len() < HOLE_BYTES_MIN {
            return;
        }
        let inside = (text.as_ptr() as usize).checked_sub(source.as_ptr() as usize);
        let (at, bytes) = match inside.filter(|at| at + text.len() < source.len() && *at > 0) {
            Some(at) => (at - 1, text.len() + 2),
            None => {
                let Ok(literal) = serde_json::to_string(text) else { return };
                let Some(at) = source.find(&literal) else { return };
                (at, literal.len())
            }
        };
        let apart = |h: &Hole| at + bytes <= h.at as usize || (h.at + h.bytes) as usize <= at;
        if self.holes.iter().all(apart) {
            self.holes.push(Hole { at: at as u32, bytes: bytes as u32, text_field });
        }
    }

    fn io(&self, source: io::Error) -> BuildError {
        BuildError::Io { path: self.path.clone(), source }
    }

    /// Rows so far.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Writes what is left and syncs the file. There must be a row.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self) -> Result<BuiltSplit, BuildError> {
        let path = self.path.clone();
        let io = |source| BuildError::Io { path: path.clone(), source };
        let mut texts = Vec::with_capacity(self.texts.len());
        for writer in std::mem::take(&mut self.texts) {
            texts.push(writer.finish(&mut self.out).map_err(io)?);
        }
        let sources = self.sources.finish(&mut self.out).map_err(io)?;
        let mut columns = Vec::new();
        self.columns.serialize(self.rows, None, &mut columns).map_err(io)?;
        drop(self.columns);
        self.out.section(COLUMNS_SECTION, &columns).map_err(io)?;
        drop(columns);
        let index = self.index.finalize()?;
        for (name, bytes) in tantivy_files(&index, &self.ram)? {
            let kept = bundle::bundled_bytes(&name, &bytes);
            let name = format!("{TANTIVY_SECTION}{}", name.display());
            self.out.section(&name, kept).map_err(io)?;
        }
        let (from, last) = self.time.unwrap_or_default();
        let mut meta = SplitMeta {
            id: self.spec.id,
            tenant: self.spec.tenant,
            time: TimeRange { from, to: Timestamp(last.0.saturating_add(1)) },
            bucket: self.spec.bucket,
            docs: u64::from(self.rows),
            raw_bytes: self.raw_bytes,
            object_bytes: 0,
            tail_bytes: 0,
            indexes: self.indexes,
            created: self.spec.created,
            merges: self.spec.merges,
        };
        let footer = Footer {
            meta: meta.clone(),
            text_fields: self.text_fields,
            fields: self.fields.infos,
            sections: Vec::new(),
            texts,
            sources,
        };
        meta.object_bytes = self.out.finish(footer).map_err(io)?;
        Ok(BuiltSplit { path: self.path, meta })
    }
}

impl FieldTable {
    fn id(&mut self, path: &Arc<str>, text: bool) -> u32 {
        if let Some(id) = self.ids.get(path) {
            return *id;
        }
        let id = self.infos.len() as u32;
        self.ids.insert(path.clone(), id);
        self.names.push(column_name(id as usize));
        self.infos.push(FieldInfo { path: path.to_string(), text, ..FieldInfo::default() });
        self.last_index.push(u32::MAX);
        id
    }

    fn note(&mut self, field: u32, value: &Value<'_>, index: u32) {
        let info = &mut self.infos[field as usize];
        info.note(value);
        if self.last_index[field as usize] != index {
            self.last_index[field as usize] = index;
            if let Err(at) = info.indexes.binary_search(&index) {
                info.indexes.insert(at, index);
            }
        }
    }
}

impl FieldInfo {
    /// Counts a value.
    pub fn note(&mut self, value: &Value<'_>) {
        match value {
            Value::Null => {}
            Value::Bool(_) => self.bools += 1,
            Value::Int(_) => self.ints += 1,
            Value::Float(_) => self.floats += 1,
            Value::Str(_) => self.strings += 1,
        }
    }
}

const COMPONENTS: [SegmentComponent; 6] = [
    SegmentComponent::Terms,
    SegmentComponent::Postings,
    SegmentComponent::Positions,
    SegmentComponent::FastFields,
    SegmentComponent::FieldNorms,
    SegmentComponent::Store,
];

/// The files of tantivy's one segment and its `meta.json`.
fn tantivy_files(index: &Index, ram: &RamDirectory) -> Result<Vec<(PathBuf, Vec<u8>)>, BuildError> {
    let mut names = vec![PathBuf::from("meta.json")];
    for segment in index.searchable_segments()? {
        names.extend(COMPONENTS.map(|c| segment.relative_path(c)));
    }
    names.sort();
    let mut out = Vec::new();
    for name in names {
        if !ram.exists(&name).map_err(tantivy::TantivyError::from)? {
            continue;
        }
        let bytes = if name.as_os_str() == "meta.json" {
            ram.atomic_read(&name).map_err(tantivy::TantivyError::from)?
        } else {
            let slice = ram.open_read(&name).map_err(tantivy::TantivyError::from)?;
            let bytes = slice.read_bytes();
            bytes.map_err(|source| BuildError::Io { path: name.clone(), source })?.to_vec()
        };
        out.push((name, bytes));
    }
    Ok(out)
}
