//! What do the chosen hits look like? Their ids, sources, sort values and requested fields.
//!
//! Reads only the records of the page, grouped by split.

use std::collections::HashMap;
use std::sync::Arc;

use index::read::{Snapshot, SplitReader};
use model::id::{IndexName, RecordSeq};
use model::time::Timestamp;

use super::document::{Document, Meta, WantedFields, fields, wanted_fields};
use super::order::{Candidate, Order, Place};
use crate::answer::Hit;
use crate::error::QueryError;
use crate::leaf::{LeafError, LiveView};
use crate::request::SearchRequest;

/// What the request wants of each hit.
#[derive(Debug)]
pub struct Wanted {
    source: bool,
    fields: WantedFields,
    /// The source is needed, be it only for a while.
    reads_source: bool,
}

impl Wanted {
    /// Of a request.
    ///
    /// # Errors
    /// A format is unknown.
    pub fn new(request: &SearchRequest) -> Result<Self, QueryError> {
        let source = !request.source.off;
        Ok(Self {
            source,
            fields: wanted_fields(&request.fields)?,
            reads_source: source || request.highlight.is_some(),
        })
    }

    /// Takes away the sources that were only read for something else.
    pub fn finish(&self, hits: &mut [Hit]) {
        if !self.source {
            hits.iter_mut().for_each(|hit| hit.source = None);
        }
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
    let sources = wanted.reads_source || !wanted.fields.is_empty();
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
    let meta =
        Meta { index: outline.index.as_str(), id: &outline.id, seq: candidate.seq, timestamp };
    let mut found = match (wanted.fields.is_empty(), &source) {
        (false, Some(source)) => fields(&Document::parse(source), meta, &wanted.fields),
        _ => Default::default(),
    };
    if let Some((field, value)) = order.group(candidate) {
        found.insert(field.to_owned(), serde_json::json!([value]));
    }
    Hit {
        fields: (!found.is_empty()).then_some(found),
        index: outline.index,
        id: outline.id,
        seq: RecordSeq(candidate.seq),
        timestamp,
        source: source.filter(|_| wanted.reads_source),
        sort: order.json(candidate),
        highlight: None,
        said: Box::default(),
    }
}
