//! What cells do records have in a column? Columns of splits and live batches, as the schema's types.
//!
//! Of a field only the values of the rows that are asked for are read.

use std::sync::Arc;

use hashbrown::HashMap;
use index::read::{Column, ColumnKind, Dictionary, RowSet, Values};
use model::record::Value;
use model::time::{NS_PER_MS, TimeRange};

use super::functions::convert;
use super::plan::{Field, FieldKind};
use super::value::{Cell, Type};
use crate::aggregate::source::Segment;
use crate::leaf::{LeafError, LiveView};
use crate::plan::{IndexPatterns, Node};

/// One column of a segment.
pub struct Reader<'a> {
    segment: Segment<'a>,
    ty: Type,
    kind: Kind<'a>,
}

enum Kind<'a> {
    /// Columns of a split, each with the texts of its dictionary that were needed.
    Columns(Vec<(Arc<Column>, Option<Texts>)>),
    Live(LiveView<'a>, u32),
    Index(Texts),
    LiveIndex(LiveView<'a>),
    Time,
    Id,
    Source,
    Fixed(Cell),
    Matches(RowSet),
}

/// Texts of a dictionary, shared by all cells that hold them.
struct Texts {
    dictionary: Arc<Dictionary>,
    made: HashMap<u32, Arc<str>>,
}

/// How many texts of a dictionary are kept.
const TEXTS_MAX: usize = 65_536;

impl Texts {
    fn of(column: &Column) -> Result<Self, LeafError> {
        Ok(Self { dictionary: column.dictionary()?, made: HashMap::new() })
    }

    fn get(&mut self, ord: u32) -> Arc<str> {
        if let Some(text) = self.made.get(&ord) {
            return text.clone();
        }
        let text: Arc<str> = self.dictionary.get(ord).into();
        if self.made.len() < TEXTS_MAX {
            self.made.insert(ord, text.clone());
        }
        text
    }
}

impl<'a> Reader<'a> {
    /// Opens a column; one that the segment has not is null everywhere.
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn open(segment: Segment<'a>, field: &Field) -> Result<Self, LeafError> {
        let kind = match (&field.kind, &segment) {
            (FieldKind::Time, _) => Kind::Time,
            (FieldKind::Id, _) => Kind::Id,
            (FieldKind::Source, _) => Kind::Source,
            (FieldKind::Fixed(cell), _) => Kind::Fixed(cell.clone()),
            (FieldKind::Index, Segment::Live(view, _)) => Kind::LiveIndex(*view),
            (FieldKind::Index, Segment::Split(eval)) => {
                let column = eval.reader.index_column()?;
                Kind::Index(Texts::of(&column)?)
            }
            (FieldKind::Path(path), Segment::Live(view, _)) => match view.resolve(path) {
                Some((id, _)) => Kind::Live(*view, id),
                None => Kind::Fixed(Cell::Null),
            },
            (FieldKind::Path(path), Segment::Split(eval)) => match eval.resolve(path) {
                Some((info, _)) => {
                    let mut columns = Vec::new();
                    for column in eval.reader.columns(&info.path)? {
                        let texts = match column.kind() {
                            ColumnKind::Dict => Some(Texts::of(&column)?),
                            _ => None,
                        };
                        columns.push((column, texts));
                    }
                    Kind::Columns(columns)
                }
                None => Kind::Fixed(Cell::Null),
            },
            (FieldKind::Matches(query), segment) => {
                let node = Node::of(query)?;
                let all = IndexPatterns::new(&[]);
                Kind::Matches(match segment {
                    Segment::Split(eval) => eval.matching(&node, TimeRange::ALL, &all)?,
                    Segment::Live(view, run) => {
                        let mut rows = RowSet::none(view.batch.records().len() as u32);
                        let found = view.matching(&node, (TimeRange::ALL, &all), run)?;
                        found.into_iter().for_each(|row| rows.insert(row));
                        rows
                    }
                })
            }
        };
        Ok(Self { segment, ty: field.ty, kind })
    }

    /// Whether a row may have more than one value.
    pub fn may_be_multi(&self) -> bool {
        match &self.kind {
            Kind::Columns(columns) => {
                columns.len() > 1 || columns.iter().any(|(column, _)| !column.is_single())
            }
            Kind::Live(..) => true,
            _ => false,
        }
    }

    /// The cells of rising, distinct rows.
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn load(&mut self, rows: &[u32]) -> Result<Vec<Cell>, LeafError> {
        let ty = self.ty;
        match &mut self.kind {
            Kind::Fixed(cell) => Ok(vec![cell.clone(); rows.len()]),
            Kind::Matches(set) => {
                Ok(rows.iter().map(|row| Cell::Bool(set.contains(*row))).collect())
            }
            Kind::Time => {
                let mut times = Vec::with_capacity(rows.len());
                self.segment.times(rows, &mut times)?;
                Ok(times.into_iter().map(|ns| Cell::Int(ns.div_euclid(NS_PER_MS))).collect())
            }
            Kind::Columns(columns) => {
                let Segment::Split(eval) = &self.segment else { return Ok(Vec::new()) };
                load_columns(columns, rows, (ty, eval.reader.docs()))
            }
            Kind::Live(view, path) => {
                let cell = |row: &u32| {
                    let record = &view.batch.records()[*row as usize];
                    let values = view.batch.values(record, *path);
                    let cells = values.map(|v| typed(v, ty)).filter(|c| !c.is_null());
                    sorted(cells.collect())
                };
                Ok(rows.iter().map(cell).collect())
            }
            Kind::LiveIndex(view) => {
                let name = |row: &u32| {
                    let record = &view.batch.records()[*row as usize];
                    Cell::text(view.batch.index_of(record).as_str())
                };
                Ok(rows.iter().map(name).collect())
            }
            Kind::Index(texts) => {
                let Segment::Split(eval) = &self.segment else { return Ok(Vec::new()) };
                let mut ords = Values::default();
                eval.reader.index_column()?.ords(rows, &mut ords)?;
                Ok(ords.values.iter().map(|ord| Cell::Text(texts.get(*ord))).collect())
            }
            Kind::Id => match &self.segment {
                Segment::Live(view, _) => {
                    Ok(rows.iter().map(|row| Cell::text(view.id(*row))).collect())
                }
                Segment::Split(eval) => {
                    let ids = rows.iter().map(|row| Ok(Cell::text(eval.reader.id(*row)?)));
                    ids.collect()
                }
            },
            Kind::Source => match &self.segment {
                Segment::Live(view, _) => {
                    let source =
                        |row: &u32| view.batch.source(&view.batch.records()[*row as usize]);
                    Ok(rows.iter().map(|row| Cell::text(source(row))).collect())
                }
                Segment::Split(eval) => {
                    let sources = eval.reader.sources(rows)?;
                    Ok(sources.into_iter().map(Cell::text).collect())
                }
            },
        }
    }
}

/// A record's value as a column's type has it.
fn typed(value: Value<'_>, ty: Type) -> Cell {
    let (cell, of) = match value {
        Value::Null => return Cell::Null,
        Value::Bool(v) => (Cell::Bool(v), Type::Boolean),
        Value::Int(v) => (Cell::Int(v), Type::Long),
        Value::Float(v) => (Cell::Double(v), Type::Double),
        Value::Str(text) => (Cell::text(text), Type::Keyword),
    };
    match (of, ty) {
        (Type::Keyword, Type::Text) => cell,
        _ => convert(&cell, of, ty),
    }
}

/// Several values as the columns of an index have them: in order, the same text once.
fn sorted(mut cells: Vec<Cell>) -> Cell {
    if cells.len() > 1 {
        cells.sort_by(Cell::order);
        cells.dedup_by(|a, b| matches!(a, Cell::Text(_)) && a == b);
    }
    Cell::of_list(cells)
}

fn load_columns(
    columns: &mut [(Arc<Column>, Option<Texts>)],
    rows: &[u32],
    of: (Type, u32),
) -> Result<Vec<Cell>, LeafError> {
    let mut pairs: Vec<(u32, Cell)> = Vec::with_capacity(rows.len());
    let several = columns.len() > 1;
    for (column, texts) in columns {
        load_column((column, texts.as_mut()), rows, of, &mut pairs)?;
    }
    if several {
        pairs.sort_by_key(|p| p.0);
    }
    let mut pairs = pairs.into_iter().peekable();
    let mut out = Vec::with_capacity(rows.len());
    for row in rows {
        let Some((_, first)) = pairs.next_if(|p| p.0 == *row) else {
            out.push(Cell::Null);
            continue;
        };
        let mut list = Vec::new();
        while let Some((_, next)) = pairs.next_if(|p| p.0 == *row) {
            list.push(next);
        }
        if list.is_empty() {
            out.push(first);
        } else {
            list.push(first);
            out.push(sorted(list));
        }
    }
    Ok(out)
}

fn load_column(
    (column, texts): (&Column, Option<&mut Texts>),
    rows: &[u32],
    (ty, docs): (Type, u32),
    out: &mut Vec<(u32, Cell)>,
) -> Result<(), LeafError> {
    match column.kind() {
        ColumnKind::Int => {
            let mut values = Values::default();
            column.ints(rows, &mut values)?;
            push(values, out, |v| typed(Value::Int(v), ty));
        }
        ColumnKind::Float => {
            let mut values = Values::default();
            column.floats(rows, &mut values)?;
            push(values, out, |v| typed(Value::Float(v), ty));
        }
        ColumnKind::Bool => {
            let mut values = Values::default();
            column.bools(rows, &mut values)?;
            push(values, out, |v| typed(Value::Bool(v), ty));
        }
        ColumnKind::Dict => {
            let Some(texts) = texts else { return Ok(()) };
            let mut values = Values::default();
            column.ords(rows, &mut values)?;
            push(values, out, |ord| match ty.is_string() {
                true => Cell::Text(texts.get(ord)),
                false => typed(Value::Str(&texts.get(ord)), ty),
            });
        }
        ColumnKind::Text => {
            let mut wanted = RowSet::none(docs);
            rows.iter().for_each(|row| wanted.insert(*row));
            column.for_each_text(&wanted, &mut |row, text| {
                out.push((row, typed(Value::Str(text), ty)));
                true
            })?;
        }
    }
    Ok(())
}

fn push<T: Copy>(values: Values<T>, out: &mut Vec<(u32, Cell)>, mut cell: impl FnMut(T) -> Cell) {
    let pairs = values.rows.iter().zip(&values.values);
    out.extend(pairs.map(|(row, v)| (*row, cell(*v))).filter(|p| !p.1.is_null()));
}
