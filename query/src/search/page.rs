//! What do the chosen hits look like? Their ids, sources, sort values and requested fields.
//!
//! Reads only the records of the page, grouped by split.

use std::collections::HashMap;
use std::sync::Arc;

use index::read::{Snapshot, SplitReader};
use jiff::tz::TimeZone;
use model::id::{IndexName, RecordSeq};
use model::record::TIMESTAMP_FIELD;
use model::time::Timestamp;
use serde_json::{Map, Value as Json};

use super::order::{Candidate, Order, Place};
use crate::answer::Hit;
use crate::dates::Formats;
use crate::error::QueryError;
use crate::leaf::{LeafError, LiveView};
use crate::plan::glob;
use crate::request::{FieldAndFormat, SearchRequest};

/// What the request wants of each hit.
#[derive(Debug)]
pub struct Wanted {
    source: bool,
    fields: Vec<(FieldAndFormat, Option<Formats>)>,
}

impl Wanted {
    /// Of a request.
    ///
    /// # Errors
    /// A format is unknown.
    pub fn new(request: &SearchRequest) -> Result<Self, QueryError> {
        let fields = request.fields.iter().map(|field| {
            Ok((field.clone(), field.format.as_deref().map(Formats::parse).transpose()?))
        });
        Ok(Self { source: !request.source.off, fields: fields.collect::<Result<_, QueryError>>()? })
    }
}

/// A hit before its source is read.
struct Outline {
    index: IndexName,
    id: String,
    source: Option<String>,
}

/// Reads the hits of a page, in the order of `candidates`. A split that cannot be read any more
/// leaves out its hits and is given to `failed`.
pub fn page(
    snapshot: &Snapshot,
    candidates: &[Candidate],
    (order, wanted): (&Order, &Wanted),
    mut failed: impl FnMut(u32, LeafError),
) -> Vec<Hit> {
    let sources = wanted.source || !wanted.fields.is_empty();
    let mut outlines: Vec<Option<Outline>> = candidates.iter().map(|_| None).collect();
    let mut by_split: HashMap<u32, Vec<(usize, u32)>> = HashMap::new();
    for (at, candidate) in candidates.iter().enumerate() {
        match candidate.place {
            Place::Live(batch, record) => {
                let live = &snapshot.live[batch as usize];
                let view = LiveView::new(live, snapshot.node, &snapshot.text_fields);
                outlines[at] = Some(live_outline(&view, record, sources));
            }
            Place::Split(split, row) => by_split.entry(split).or_default().push((at, row)),
        }
    }
    for (split, places) in by_split {
        let rows: Vec<u32> = places.iter().map(|p| p.1).collect();
        let read = snapshot.splits[split as usize]
            .open()
            .map_err(LeafError::from)
            .and_then(|reader| split_outlines(&reader, &rows, sources));
        match read {
            Ok(read) => {
                for ((at, _), outline) in places.into_iter().zip(read) {
                    outlines[at] = Some(outline);
                }
            }
            Err(error) => failed(split, error),
        }
    }
    candidates
        .iter()
        .zip(outlines)
        .filter_map(|(candidate, outline)| Some(hit(candidate, outline?, order, wanted)))
        .collect()
}

fn live_outline(view: &LiveView<'_>, record: u32, source: bool) -> Outline {
    let found = &view.batch.records()[record as usize];
    Outline {
        index: view.batch.index_of(found).clone(),
        id: view.id(record),
        source: source.then(|| view.batch.source(found).to_owned()),
    }
}

fn split_outlines(
    reader: &Arc<SplitReader>,
    rows: &[u32],
    source: bool,
) -> Result<Vec<Outline>, LeafError> {
    reader.prefetch_sources(rows)?;
    let sources = if source { reader.sources(rows)? } else { Vec::new() };
    let mut sources = sources.into_iter();
    let mut out = Vec::with_capacity(rows.len());
    for row in rows {
        out.push(Outline {
            index: index_of(reader, *row)?,
            id: reader.id(*row)?,
            source: sources.next(),
        });
    }
    Ok(out)
}

fn index_of(reader: &SplitReader, row: u32) -> Result<IndexName, LeafError> {
    let ord = reader.index_ord(row)? as usize;
    // An ordinal beyond the names is refused when the split is read.
    Ok(reader.indexes().get(ord).cloned().unwrap_or_else(|| IndexName::new("")))
}

fn hit(candidate: &Candidate, outline: Outline, order: &Order, wanted: &Wanted) -> Hit {
    let timestamp = Timestamp(candidate.time);
    let source = outline.source;
    Hit {
        fields: (!wanted.fields.is_empty())
            .then(|| fields(source.as_deref().unwrap_or("{}"), timestamp, &wanted.fields)),
        index: outline.index,
        id: outline.id,
        seq: RecordSeq(candidate.seq),
        timestamp,
        source: source.filter(|_| wanted.source),
        sort: order.json(candidate),
    }
}

/// The `fields` of a hit: every value of every path that a pattern names, as arrays.
fn fields(
    source: &str,
    timestamp: Timestamp,
    wanted: &[(FieldAndFormat, Option<Formats>)],
) -> Map<String, Json> {
    let mut flat: Vec<(String, Vec<Json>)> = Vec::new();
    if let Ok(source) = serde_json::from_str::<Json>(source) {
        flatten(&mut String::new(), &source, &mut flat);
    }
    let mut out = Map::new();
    for (field, formats) in wanted {
        if glob(&field.field, TIMESTAMP_FIELD) {
            let text = match formats {
                Some(formats) => formats.print(timestamp, &TimeZone::UTC),
                None => Formats::default().print(timestamp, &TimeZone::UTC),
            };
            out.insert(TIMESTAMP_FIELD.into(), Json::Array(vec![text.into()]));
        }
        let base = field.field.strip_suffix(".keyword");
        let own = flat.iter().any(|(path, _)| *path == field.field);
        for (path, values) in &flat {
            let name = match base {
                Some(base) if !own && path == base => &field.field,
                _ if glob(&field.field, path) => path,
                _ => continue,
            };
            if path != TIMESTAMP_FIELD {
                let values = values.iter().map(|v| printed(v, formats.as_ref())).collect();
                out.insert(name.clone(), Json::Array(values));
            }
        }
    }
    out
}

/// A time in the format asked for; any other value as it is.
fn printed(value: &Json, formats: Option<&Formats>) -> Json {
    let at = match (formats, value) {
        (Some(_), Json::String(text)) => Timestamp::parse(text),
        _ => None,
    };
    match (formats, at) {
        (Some(formats), Some(at)) => formats.print(at, &TimeZone::UTC).into(),
        _ => value.clone(),
    }
}

fn flatten(path: &mut String, value: &Json, out: &mut Vec<(String, Vec<Json>)>) {
    match value {
        Json::Null => {}
        Json::Array(list) => list.iter().for_each(|v| flatten(path, v, out)),
        Json::Object(map) => {
            for (key, value) in map {
                let before = path.len();
                if before > 0 {
                    path.push('.');
                }
                path.push_str(key);
                flatten(path, value, out);
                path.truncate(before);
            }
        }
        leaf => match out.iter_mut().find(|(p, _)| p == path) {
            Some((_, values)) => values.push(leaf.clone()),
            None => out.push((path.clone(), vec![leaf.clone()])),
        },
    }
}
