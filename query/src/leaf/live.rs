//! Which records of a live batch match a query? By looking at each, with paths resolved once.
//!
//! Knows no splits; the meaning of every test is `query::test`'s.

use index::read::LiveBatch;
use model::batch::Batch;
use model::id::{NodeId, RecordSeq};
use model::record::{Record, TIMESTAMP_FIELD, Value};
use model::time::TimeRange;

use super::rows::view_of;
use super::run::{LeafError, Run};
use super::scan::BLOCK_ROWS;
use crate::ast::Target;
use crate::plan::{FieldNode, IndexPatterns, Node, glob};
use crate::test::{Kind, ValueTest, View};

/// A batch, and what names and kinds its records have outside of it.
#[derive(Clone, Copy)]
pub struct LiveView<'a> {
    /// The records.
    pub batch: &'a Batch,
    /// Number of the first record.
    pub first: RecordSeq,
    /// Names the generated `_id`s.
    pub node: NodeId,
    /// Paths of the text fields.
    pub text_fields: &'a [String],
}

impl<'a> LiveView<'a> {
    /// Of a snapshot's batch.
    pub fn new(live: &'a LiveBatch, node: NodeId, text_fields: &'a [String]) -> Self {
        Self { batch: &live.batch.batch, first: live.batch.first_record, node, text_fields }
    }

    /// The number of the record at a position.
    pub fn seq(&self, at: u32) -> RecordSeq {
        RecordSeq(self.first.0 + u64::from(at))
    }

    /// The `_id` of the record at a position.
    pub fn id(&self, at: u32) -> String {
        match &self.batch.records()[at as usize].id {
            Some(id) => id.to_string(),
            None => self.node.document_id(self.seq(at)),
        }
    }

    /// The number of the path that a name means here, and how its strings are looked at.
    pub fn resolve(&self, path: &str) -> Option<(u32, View)> {
        if let Some(id) = self.batch.path_id(path) {
            return Some((id, view_of(self.text_fields, path)));
        }
        let base = path.strip_suffix(".keyword")?;
        Some((self.batch.path_id(base)?, View::Keyword))
    }

    /// The positions of the records of this time and these indexes that match, rising.
    ///
    /// # Errors
    /// The search was stopped.
    pub fn matching(
        &self,
        node: &Node,
        (time, indexes): (TimeRange, &IndexPatterns),
        run: &Run,
    ) -> Result<Vec<u32>, LeafError> {
        let node = self.prepare(node);
        let wanted: Vec<bool> =
            self.batch.indexes().iter().map(|n| indexes.matches(n.as_str())).collect();
        let mut out = Vec::new();
        if node.matches_nothing() || !wanted.contains(&true) {
            return Ok(out);
        }
        for (at, record) in self.batch.records().iter().enumerate() {
            if at.is_multiple_of(BLOCK_ROWS) {
                run.check()?;
            }
            if time.contains(record.timestamp)
                && wanted[record.index as usize]
                && self.passes(&node, at as u32, record)
            {
                out.push(at as u32);
            }
        }
        Ok(out)
    }

    /// Resolves a query's names for this batch.
    pub fn prepare<'q>(&self, node: &'q Node) -> LiveNode<'q> {
        match node {
            Node::All => LiveNode::All,
            Node::None => LiveNode::None,
            Node::Time(range) => LiveNode::Time(*range),
            Node::TimeText(test) => LiveNode::TimeText(test),
            Node::Ids(ids) => LiveNode::Ids(ids),
            Node::Index(patterns) => {
                let names = self.batch.indexes().iter();
                LiveNode::Index(names.map(|n| patterns.matches(n.as_str())).collect())
            }
            Node::IndexText(test) => {
                let names = self.batch.indexes().iter();
                let passes = |n: &str| test.matches(Value::Str(n), View::Keyword);
                LiveNode::Index(names.map(|n| passes(n.as_str())).collect())
            }
            Node::Bool(b) => {
                let all = |list: &'q [Node]| list.iter().map(|n| self.prepare(n)).collect();
                LiveNode::Bool {
                    must: all(&b.must),
                    should: all(&b.should),
                    must_not: all(&b.must_not),
                    minimum: b.minimum_should,
                }
            }
            Node::Field(field) => self.prepare_field(field),
        }
    }

    fn prepare_field<'q>(&self, field: &'q FieldNode) -> LiveNode<'q> {
        let exists = matches!(field.test.kind(), Kind::Exists);
        let paths = self.batch.paths();
        let mut views = vec![None; paths.len()];
        match &field.target {
            Target::Path(path) => match self.resolve(path) {
                Some((id, view)) => {
                    return LiveNode::Path { path: id, view, test: &field.test };
                }
                None => return LiveNode::None,
            },
            Target::Pattern(pattern) if exists && glob(pattern, TIMESTAMP_FIELD) => {
                return LiveNode::All;
            }
            Target::Any if exists => return LiveNode::All,
            Target::Pattern(pattern) => {
                for (path, view) in paths.iter().zip(&mut views) {
                    if glob(pattern, path) && &**path != TIMESTAMP_FIELD {
                        *view = Some(view_of(self.text_fields, path));
                    }
                }
            }
            Target::Any => {
                for (path, view) in paths.iter().zip(&mut views) {
                    if &**path != TIMESTAMP_FIELD {
                        *view = Some(view_of(self.text_fields, path));
                    }
                }
            }
        }
        if views.iter().all(Option::is_none) {
            return LiveNode::None;
        }
        LiveNode::Paths { views, any: field.target == Target::Any, test: &field.test }
    }

    /// The numbers of the paths that a test of fields looks at, and how their strings are looked at.
    pub fn paths_of(&self, target: &Target) -> Vec<(u32, View)> {
        let wanted = |path: &str| match target {
            Target::Pattern(pattern) => glob(pattern, path),
            _ => true,
        };
        match target {
            Target::Path(path) => self.resolve(path).into_iter().collect(),
            _ => (0u32..)
                .zip(self.batch.paths())
                .filter(|(_, path)| &***path != TIMESTAMP_FIELD && wanted(path))
                .map(|(id, path)| (id, view_of(self.text_fields, path)))
                .collect(),
        }
    }

    /// Whether the record at a position matches.
    pub fn passes(&self, node: &LiveNode<'_>, at: u32, record: &Record) -> bool {
        match node {
            LiveNode::All => true,
            LiveNode::None => false,
            LiveNode::Time(range) => range.contains(record.timestamp) && !range.is_empty(),
            LiveNode::TimeText(test) => {
                test.matches(Value::Str(&record.timestamp.rfc3339()), View::Column)
            }
            LiveNode::Ids(ids) => {
                let id = self.id(at);
                ids.contains(&id)
            }
            LiveNode::Index(wanted) => wanted[record.index as usize],
            LiveNode::Bool { must, should, must_not, minimum } => {
                let passes = |n: &&LiveNode<'_>| self.passes(n, at, record);
                must.iter().all(|n| passes(&n))
                    && !must_not.iter().any(|n| passes(&n))
                    && (*minimum == 0
                        || should.iter().filter(passes).take(*minimum).count() >= *minimum)
            }
            LiveNode::Path { path, view, test } => {
                self.batch.values(record, *path).any(|v| test.matches(v, *view))
            }
            LiveNode::Paths { views, any, test } => {
                self.batch.fields(record).any(|(path, value)| {
                    views[path as usize].is_some_and(|view| {
                        if *any { test.matches_any(value, view) } else { test.matches(value, view) }
                    })
                })
            }
        }
    }
}

/// A query with its names resolved for one batch.
pub enum LiveNode<'q> {
    /// Every record.
    All,
    /// No record.
    None,
    /// Records of this time.
    Time(TimeRange),
    /// Records whose time, as text, passes.
    TimeText(&'q ValueTest),
    /// Records with one of these `_id`s.
    Ids(&'q [String]),
    /// By position of the index.
    Index(Vec<bool>),
    /// A combination.
    Bool {
        /// All of these.
        must: Vec<LiveNode<'q>>,
        /// Some of these.
        should: Vec<LiveNode<'q>>,
        /// None of these.
        must_not: Vec<LiveNode<'q>>,
        /// How many of `should`.
        minimum: usize,
    },
    /// A test of one path.
    Path {
        /// Its number.
        path: u32,
        /// How its strings are looked at.
        view: View,
        /// The test.
        test: &'q ValueTest,
    },
    /// A test of several paths.
    Paths {
        /// By number of the path.
        views: Vec<Option<View>>,
        /// Any field was asked for.
        any: bool,
        /// The test.
        test: &'q ValueTest,
    },
}

impl LiveNode<'_> {
    /// Whether it is sure that no record of the batch matches.
    fn matches_nothing(&self) -> bool {
        match self {
            LiveNode::None => true,
            LiveNode::Index(wanted) => !wanted.contains(&true),
            LiveNode::Bool { must, should, minimum, .. } => {
                let possible = should.iter().filter(|n| !n.matches_nothing()).count();
                must.iter().any(LiveNode::matches_nothing) || possible < *minimum
            }
            _ => false,
        }
    }
}
