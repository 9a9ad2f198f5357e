//! How do sorted records become one split's file? Shapes, columns and texts, in memory bounded by
//! the roll.
//!
//! Rows come in order (time, then sequence). Knows nothing of the catalog or the object store.

mod plan;
pub(crate) mod strings;

use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use model::batch::Batch;
use model::id::{IndexName, RecordSeq, SplitId, Tenant};
use model::record::{TIMESTAMP_FIELD, Value};
use model::time::{TimeRange, Timestamp};
use thiserror::Error;

use crate::read::{FieldInfo, Origin, SplitMeta};
use crate::settings::Settings;
use crate::split::shape::{self, LITERAL, TIME};
use crate::split::write::{Description, GroupRows, ObjectWriter, shape_bytes};
use crate::split::{Role, Type};
use plan::{FinalColumn, derive};
use strings::Strings;

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
    /// Document and values of a record do not fit.
    #[error("build of a split: the values of record {seq:?} are not those of its document")]
    Document {
        /// Its number.
        seq: RecordSeq,
    },
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
    /// Where its records come from.
    pub origin: Origin,
}

/// How the indexes of one batch map to the split's numbers. A number is given when the first row
/// needs it: what only other splits of the roll have is not listed in this one.
pub struct BatchMap {
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

/// The values of a column.
#[derive(Debug)]
enum Data {
    Bools(Vec<bool>),
    Ints(Vec<i64>),
    Floats(Vec<f64>),
    Strings(Strings),
}

impl Data {
    fn len(&self) -> usize {
        match self {
            Data::Bools(list) => list.len(),
            Data::Ints(list) => list.len(),
            Data::Floats(list) => list.len(),
            Data::Strings(strings) => strings.len(),
        }
    }
}

#[derive(Debug)]
struct Column {
    path: Arc<str>,
    role: Role,
    data: Data,
    /// How many values lie before each group that was begun.
    cuts: Vec<usize>,
}

/// A shape, with the columns of its values in order.
#[derive(Debug)]
struct Shape {
    skeleton: Box<[u8]>,
    columns: Vec<u32>,
}

/// Builds one split.
pub struct SplitBuilder {
    spec: SplitSpec,
    path: PathBuf,
    out: ObjectWriter,
    text_fields: Vec<String>,
    column_value_bytes_max: usize,
    group_rows: usize,
    columns: Vec<Column>,
    column_ids: HashMap<(Arc<str>, Role, Type), u32>,
    shapes: Vec<Shape>,
    shape_ids: HashMap<Box<[u8]>, u32>,
    /// Which shapes are in which indexes.
    shape_indexes: HashSet<(u32, u32)>,
    last_shape_index: (u32, u32),
    times: Vec<i64>,
    seqs: Vec<i64>,
    row_shapes: Vec<u32>,
    indexes: Vec<(IndexName, u64)>,
    raw_bytes: u64,
    /// Of the row being added.
    skeleton: Vec<u8>,
    leaves: Vec<Mark>,
}

/// How a value is put back, and where its literal stands.
#[derive(Clone, Copy, Debug)]
struct Mark {
    mark: u8,
    from: u32,
    to: u32,
}

/// The column of indexes is the first.
const INDEX_COLUMN: usize = 0;

impl SplitBuilder {
    /// Begins a split in a new file of `dir`.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn create(spec: SplitSpec, dir: &Path, settings: &Settings) -> Result<Self, BuildError> {
        let path = dir.join(format!("{}.split", spec.id));
        let group_rows = settings.group_rows.max(1);
        let out = ObjectWriter::create(&path, settings.zstd_level, group_rows)
            .map_err(|source| BuildError::Io { path: path.clone(), source })?;
        let index = Column {
            path: "".into(),
            role: Role::Index,
            data: Data::Strings(Strings::new(false)),
            cuts: vec![0],
        };
        Ok(Self {
            spec,
            path,
            out,
            text_fields: settings.text_fields.clone(),
            column_value_bytes_max: settings.column_value_bytes_max,
            group_rows: group_rows as usize,
            columns: vec![index],
            column_ids: HashMap::new(),
            shapes: Vec::new(),
            shape_ids: HashMap::new(),
            shape_indexes: HashSet::new(),
            last_shape_index: (UNNUMBERED, UNNUMBERED),
            times: Vec::new(),
            seqs: Vec::new(),
            row_shapes: Vec::new(),
            indexes: Vec::new(),
            raw_bytes: 0,
            skeleton: Vec::new(),
            leaves: Vec::new(),
        })
    }

    /// Prepares a batch whose records are about to come.
    pub fn map(&self, batch: &Batch) -> BatchMap {
        BatchMap { indexes: vec![Cell::new(UNNUMBERED); batch.indexes().len()] }
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
    /// Values and document of the record do not fit.
    pub fn push(&mut self, row: &Row<'_>) -> Result<(), BuildError> {
        let record = &row.batch.records()[row.record];
        let number = self.times.len();
        if number > 0 && number.is_multiple_of(self.group_rows) {
            self.columns.iter_mut().for_each(|c| c.cuts.push(c.data.len()));
        }
        let index = &row.map.indexes[record.index as usize];
        if index.get() == UNNUMBERED {
            index.set(self.index_ord(row.batch.index_of(record)));
        }
        let index = index.get();
        self.indexes[index as usize].1 += 1;
        if let Data::Strings(Strings::Dict(interner, ids)) = &mut self.columns[INDEX_COLUMN].data {
            if interner.len() <= index as usize {
                interner.add(row.batch.index_of(record).as_str().as_bytes());
            }
            ids.push(index);
        }
        let shape = self.push_document(row)?;
        if self.last_shape_index != (shape, index) {
            self.last_shape_index = (shape, index);
            self.shape_indexes.insert((shape, index));
        }
        self.times.push(row.timestamp.0);
        self.seqs.push(row.seq.0 as i64);
        self.row_shapes.push(shape);
        self.raw_bytes += row.batch.source(record).len() as u64;
        Ok(())
    }

    fn push_document(&mut self, row: &Row<'_>) -> Result<u32, BuildError> {
        let record = &row.batch.records()[row.record];
        let source = row.batch.source(record);
        self.leaves.clear();
        let (leaves, skeleton) = (&mut self.leaves, &mut self.skeleton);
        let fits =
            shape::take_apart(row.batch, record, row.id.is_some(), skeleton, |mark, literal, _| {
                let from = literal.as_ptr() as usize - source.as_ptr() as usize;
                let (from, to) = (from as u32, (from + literal.len()) as u32);
                leaves.push(Mark { mark, from, to });
            });
        if !fits {
            return Err(BuildError::Document { seq: row.seq });
        }
        let shape = match self.shape_ids.get(self.skeleton.as_slice()) {
            Some(shape) => *shape,
            None => self.new_shape(row),
        };
        let mut columns = self.shapes[shape as usize].columns.iter();
        let mut column = || columns.next().map_or(INDEX_COLUMN, |c| *c as usize);
        if let Some(id) = row.id {
            push_text(&mut self.columns[column()].data, id, usize::MAX);
        }
        let values = row.batch.fields(record).filter(|(_, v)| *v != Value::Null);
        for (leaf, (_, value)) in self.leaves.iter().zip(values) {
            if leaf.mark == TIME {
                continue;
            }
            match (&mut self.columns[column()].data, value) {
                (Data::Bools(list), Value::Bool(v)) => list.push(v),
                (Data::Ints(list), Value::Int(v)) => list.push(v),
                (Data::Floats(list), Value::Float(v)) => list.push(v),
                (data, Value::Str(text)) => push_text(data, text, self.column_value_bytes_max),
                _ => return Err(BuildError::Document { seq: row.seq }),
            }
            if leaf.mark == LITERAL {
                let literal = &source[leaf.from as usize..leaf.to as usize];
                push_text(&mut self.columns[column()].data, literal, self.column_value_bytes_max);
            }
        }
        Ok(shape)
    }

    fn new_shape(&mut self, row: &Row<'_>) -> u32 {
        let record = &row.batch.records()[row.record];
        let mut columns = Vec::new();
        if row.id.is_some() {
            columns.push(self.column(&"".into(), Role::Id, Type::Str));
        }
        let values = row.batch.fields(record).filter(|(_, v)| *v != Value::Null);
        for (at, (path, value)) in values.enumerate() {
            let mark = self.leaves.get(at).map_or(TIME, |m| m.mark);
            if mark == TIME {
                continue;
            }
            let path = row.batch.paths()[path as usize].clone();
            columns.push(self.column(&path, Role::Value, Type::of(value)));
            if mark == LITERAL {
                columns.push(self.column(&path, Role::Literal, Type::Str));
            }
        }
        let shape = self.shapes.len() as u32;
        let skeleton: Box<[u8]> = self.skeleton.as_slice().into();
        self.shape_ids.insert(skeleton.clone(), shape);
        self.shapes.push(Shape { skeleton, columns });
        shape
    }

    fn column(&mut self, path: &Arc<str>, role: Role, of: Type) -> u32 {
        if let Some(id) = self.column_ids.get(&(path.clone(), role, of)) {
            return *id;
        }
        let id = self.columns.len() as u32;
        let text = role == Role::Value && self.text_fields.iter().any(|t| **t == **path);
        let data = match of {
            Type::Bool => Data::Bools(Vec::new()),
            Type::Int => Data::Ints(Vec::new()),
            Type::Float => Data::Floats(Vec::new()),
            Type::Str => Data::Strings(Strings::new(text)),
        };
        let groups = self.times.len() / self.group_rows + 1;
        self.columns.push(Column { path: path.clone(), role, data, cuts: vec![0; groups] });
        self.column_ids.insert((path.clone(), role, of), id);
        id
    }

    fn io(&self, source: io::Error) -> BuildError {
        BuildError::Io { path: self.path.clone(), source }
    }

    /// Rows so far.
    pub fn rows(&self) -> u32 {
        self.times.len() as u32
    }

    /// Writes the file and syncs it. There must be a row.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self) -> Result<BuiltSplit, BuildError> {
        let fields = self.fields();
        let counts = self.counts_by_shape();
        let mut columns: Vec<FinalColumn> =
            std::mem::take(&mut self.columns).into_iter().map(FinalColumn::of).collect();
        derive(&mut columns, &counts);
        self.write_groups(&columns).map_err(|e| self.io(e))?;
        let (from, last) = (self.times[0], self.times[self.times.len() - 1]);
        let mut indexes = self.indexes;
        indexes.sort_by(|a, b| a.0.as_str().cmp(b.0.as_str()));
        let mut meta = SplitMeta {
            id: self.spec.id,
            tenant: self.spec.tenant,
            time: TimeRange { from: Timestamp(from), to: Timestamp(last.saturating_add(1)) },
            bucket: self.spec.bucket,
            docs: self.times.len() as u64,
            raw_bytes: self.raw_bytes,
            object_bytes: 0,
            tail_bytes: 0,
            indexes,
            created: self.spec.created,
            merges: self.spec.merges,
            origin: self.spec.origin,
            deletions: Vec::new(),
        };
        let shapes = self.shapes.iter().map(|s| (&*s.skeleton, s.columns.as_slice()));
        let description = Description {
            meta: meta.clone(),
            fields,
            columns: columns.into_iter().map(FinalColumn::info).collect(),
            shapes: shape_bytes(shapes),
        };
        let written = self.out.finish(description);
        let (object, tail) =
            written.map_err(|source| BuildError::Io { path: self.path.clone(), source })?;
        (meta.object_bytes, meta.tail_bytes) = (object, tail);
        Ok(BuiltSplit { path: self.path, meta })
    }

    fn write_groups(&mut self, columns: &[FinalColumn]) -> io::Result<()> {
        for group in 0..self.times.len().div_ceil(self.group_rows) {
            let from = group * self.group_rows;
            let to = (from + self.group_rows).min(self.times.len());
            let rows = GroupRows {
                times: &self.times[from..to],
                seqs: &self.seqs[from..to],
                shapes: &self.row_shapes[from..to],
            };
            self.out.group(&rows, columns.iter().map(|c| c.chunk(group)))?;
        }
        Ok(())
    }

    /// How many values each shape has in each column.
    fn counts_by_shape(&self) -> Vec<Vec<u32>> {
        let mut out = vec![vec![0; self.shapes.len()]; self.columns.len()];
        out[INDEX_COLUMN].fill(1);
        for (at, shape) in self.shapes.iter().enumerate() {
            for column in &shape.columns {
                out[*column as usize][at] += 1;
            }
        }
        out
    }

    fn fields(&self) -> Vec<FieldInfo> {
        let mut fields: Vec<FieldInfo> = Vec::new();
        let mut ids: HashMap<&str, usize> = HashMap::new();
        let mut of_column = vec![usize::MAX; self.columns.len()];
        for (number, column) in self.columns.iter().enumerate() {
            let own = column.role == Role::Value && *column.path != *TIMESTAMP_FIELD;
            if !own {
                continue;
            }
            let at = *ids.entry(&column.path).or_insert_with(|| {
                fields.push(FieldInfo {
                    path: column.path.to_string(),
                    text: self.text_fields.iter().any(|t| **t == *column.path),
                    ..FieldInfo::default()
                });
                fields.len() - 1
            });
            of_column[number] = at;
            let count = column.data.len() as u64;
            let field = &mut fields[at];
            match column.data {
                Data::Bools(_) => field.bools += count,
                Data::Ints(_) => field.ints += count,
                Data::Floats(_) => field.floats += count,
                Data::Strings(_) => field.strings += count,
            }
        }
        let mut names: Vec<u32> = (0..self.indexes.len() as u32).collect();
        names.sort_by(|a, b| {
            self.indexes[*a as usize].0.as_str().cmp(self.indexes[*b as usize].0.as_str())
        });
        let mut final_index = vec![0; names.len()];
        names.iter().enumerate().for_each(|(ord, id)| final_index[*id as usize] = ord as u32);
        for (shape, index) in &self.shape_indexes {
            for column in &self.shapes[*shape as usize].columns {
                if let Some(field) = fields.get_mut(of_column[*column as usize]) {
                    field.indexes.push(final_index[*index as usize]);
                }
            }
        }
        for field in &mut fields {
            field.indexes.sort_unstable();
            field.indexes.dedup();
        }
        fields
    }
}

fn push_text(data: &mut Data, text: &str, dictionary_value_bytes_max: usize) {
    if let Data::Strings(strings) = data {
        if text.len() > dictionary_value_bytes_max {
            strings.leave_dictionary();
        }
        strings.push(text);
    }
}
