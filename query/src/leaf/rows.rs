//! Which rows of a split match a query? Combinations, special fields, and the choice of fields.
//!
//! Every step is told which rows are still open and looks only at those.

use std::collections::BTreeSet;
use std::sync::Arc;

use index::read::{Column, ColumnKind, FieldInfo, RowSet, SplitReader};
use model::record::{TIMESTAMP_FIELD, Value};
use model::time::{TimeRange, Timestamp};

use super::column::Memo;
use super::run::{LeafError, Run};
use super::scan::{for_each_block, times_of};
use crate::ast::Target;
use crate::plan::{BoolNode, FieldNode, IndexPatterns, Node, glob};
use crate::test::{Kind, ValueTest, View};

/// One split under one search.
#[derive(Clone, Copy)]
pub struct SplitEval<'a> {
    /// The open split.
    pub reader: &'a SplitReader,
    /// Paths of the text fields by the settings.
    pub text_fields: &'a [String],
    /// The search.
    pub run: &'a Run,
    /// What is known of its tests in this split.
    pub memo: &'a Memo,
}

impl<'a> SplitEval<'a> {
    /// The rows of this time and these indexes that match.
    ///
    /// # Errors
    /// The split cannot be read, or the search was stopped.
    pub fn matching(
        &self,
        node: &Node,
        time: TimeRange,
        indexes: &IndexPatterns,
    ) -> Result<RowSet, LeafError> {
        let within = RowSet::range(self.reader.docs(), self.reader.rows_in(time)?);
        self.prefetch((&[node], indexes), (&[], false), &within)?;
        self.matching_of(node, indexes, &within)
    }

    /// The rows of `within` of these indexes that match.
    ///
    /// # Errors
    /// The split cannot be read, or the search was stopped.
    pub fn matching_of(
        &self,
        node: &Node,
        indexes: &IndexPatterns,
        within: &RowSet,
    ) -> Result<RowSet, LeafError> {
        if indexes.is_all() {
            return self.rows(node, within);
        }
        let within = self.index_rows(|name| indexes.matches(name), within)?;
        self.rows(node, &within)
    }

    /// Has read, in one wave, what queries and these fields need for the rows.
    ///
    /// # Errors
    /// The split cannot be read.
    pub fn prefetch(
        &self,
        (nodes, indexes): (&[&Node], &IndexPatterns),
        (fields, times): (&[&str], bool),
        within: &RowSet,
    ) -> Result<(), LeafError> {
        if within.is_empty() {
            return Ok(());
        }
        let mut wanted = Wanted::default();
        let names = self.reader.indexes();
        wanted.indexes =
            !indexes.is_all() && !names.iter().all(|name| indexes.matches(name.as_str()));
        nodes.iter().for_each(|node| self.add_paths(node, &mut wanted));
        for path in fields {
            match *path {
                TIMESTAMP_FIELD => {}
                "_index" => wanted.indexes = true,
                path => wanted.paths.extend(self.resolve(path).map(|(info, _)| &*info.path)),
            }
        }
        let mut columns = Vec::new();
        if wanted.indexes {
            columns.push(self.reader.index_column()?);
        }
        for path in wanted.paths {
            columns.extend(self.reader.columns(path)?);
        }
        let columns: Vec<&Column> = columns.iter().map(Arc::as_ref).collect();
        Ok(self.reader.prefetch(&columns, times, within)?)
    }

    /// The rows of `within` that can match, as far as the groups' filters tell: they lie at the end of
    /// the object, which is at hand. What cannot match is neither fetched nor read.
    ///
    /// # Errors
    /// The split cannot be read, or the search was stopped.
    pub fn possible(&self, node: &Node, within: &RowSet) -> Result<RowSet, LeafError> {
        match node {
            Node::None => Ok(RowSet::none(within.docs())),
            Node::Field(FieldNode { target: Target::Path(path), test }) => {
                let Some((info, view)) = self.resolve(path) else {
                    return Ok(within.clone());
                };
                let columns = self.reader.columns(&info.path)?;
                self.may_pass((info, &columns), (test, view), within)
            }
            Node::Bool(b) => {
                let mut out = within.clone();
                for part in &b.must {
                    if out.is_empty() {
                        return Ok(out);
                    }
                    out = self.possible(part, &out)?;
                }
                if b.minimum_should > 0 && !b.should.is_empty() && !out.is_empty() {
                    let mut some = RowSet::none(within.docs());
                    for part in &b.should {
                        some.or(&self.possible(part, &out)?);
                    }
                    out = some;
                }
                Ok(out)
            }
            _ => Ok(within.clone()),
        }
    }

    /// Adds the columns that a query reads.
    fn add_paths(&self, node: &Node, out: &mut Wanted<'a>) {
        let fields = self.reader.fields().iter();
        match node {
            Node::All | Node::None | Node::Time(_) | Node::TimeText(_) | Node::Ids(_) => {}
            Node::Index(_) | Node::IndexText(_) => out.indexes = true,
            Node::Bool(b) => {
                let parts = b.must.iter().chain(&b.should).chain(&b.must_not);
                parts.for_each(|part| self.add_paths(part, out));
            }
            Node::Field(field) => match &field.target {
                Target::Path(path) => {
                    out.paths.extend(self.resolve(path).map(|(info, _)| &*info.path));
                }
                Target::Pattern(pattern) => {
                    out.paths.extend(fields.map(|i| &*i.path).filter(|path| glob(pattern, path)));
                }
                Target::Any => {
                    let read = fields.filter(|info| any_looks_at(info, &field.test));
                    out.paths.extend(read.map(|info| &*info.path));
                }
            },
        }
    }

    /// The rows of `within` that match.
    ///
    /// # Errors
    /// The split cannot be read, or the search was stopped.
    pub fn rows(&self, node: &Node, within: &RowSet) -> Result<RowSet, LeafError> {
        self.run.check()?;
        let none = || RowSet::none(within.docs());
        if within.is_empty() {
            return Ok(none());
        }
        match node {
            Node::All => Ok(within.clone()),
            Node::None => Ok(none()),
            Node::Time(range) => {
                let mut out = within.clone();
                out.clip(if range.is_empty() { 0..0 } else { self.reader.rows_in(*range)? });
                Ok(out)
            }
            Node::TimeText(test) => self.time_text_rows(test, within),
            Node::Ids(ids) => {
                let mut out = none();
                for id in ids {
                    self.reader.rows_with_id(id)?.into_iter().for_each(|row| out.insert(row));
                }
                out.and(within);
                Ok(out)
            }
            Node::Index(patterns) => self.index_rows(|name| patterns.matches(name), within),
            Node::IndexText(test) => {
                self.index_rows(|name| test.matches(Value::Str(name), View::Keyword), within)
            }
            Node::Bool(node) => self.bool_rows(node, within),
            Node::Field(field) => self.field_rows(field, within),
        }
    }

    fn bool_rows(&self, node: &BoolNode, within: &RowSet) -> Result<RowSet, LeafError> {
        let mut out = within.clone();
        if node.minimum_should > node.should.len() {
            return Ok(RowSet::none(within.docs()));
        }
        for part in &node.must {
            out = self.rows(part, &out)?;
        }
        for part in &node.must_not {
            out.and_not(&self.rows(part, &out)?);
        }
        match node.minimum_should {
            0 => Ok(out),
            1 => {
                let mut found = RowSet::none(within.docs());
                for part in &node.should {
                    let new = self.rows(part, &out)?;
                    found.or(&new);
                    out.and_not(&new);
                }
                Ok(found)
            }
            minimum => {
                let mut counter = AtLeast::new(minimum, within.docs());
                for part in &node.should {
                    counter.add(&self.rows(part, &out)?);
                }
                Ok(counter.finish())
            }
        }
    }

    fn index_rows(
        &self,
        passes: impl Fn(&str) -> bool,
        within: &RowSet,
    ) -> Result<RowSet, LeafError> {
        let wanted: Vec<bool> = self.reader.indexes().iter().map(|n| passes(n.as_str())).collect();
        if wanted.iter().all(|w| *w) {
            return Ok(within.clone());
        }
        if !wanted.contains(&true) {
            return Ok(RowSet::none(within.docs()));
        }
        Ok(self.reader.index_column()?.rows_with_ords(&wanted, within)?)
    }

    fn time_text_rows(&self, test: &ValueTest, within: &RowSet) -> Result<RowSet, LeafError> {
        let mut out = RowSet::none(within.docs());
        let mut times = Vec::new();
        for_each_block(within, self.run, |rows| {
            times.clear();
            times_of(self.reader, rows, &mut times)?;
            for (row, ns) in rows.iter().zip(&times) {
                if test.matches(Value::Str(&Timestamp(*ns).rfc3339()), View::Column) {
                    out.insert(*row);
                }
            }
            Ok(())
        })?;
        Ok(out)
    }

    /// The field that a path means here, and how its strings are looked at.
    pub fn resolve(&self, path: &str) -> Option<(&'a FieldInfo, View)> {
        if let Some(field) = self.reader.field(path) {
            return Some((field, view_of(self.text_fields, path)));
        }
        let base = path.strip_suffix(".keyword")?;
        Some((self.reader.field(base)?, View::Keyword))
    }

    fn field_rows(&self, field: &FieldNode, within: &RowSet) -> Result<RowSet, LeafError> {
        match &field.target {
            Target::Path(path) => match self.resolve(path) {
                Some((info, view)) => self.one_field(info, (&field.test, view), within),
                None => Ok(RowSet::none(within.docs())),
            },
            Target::Pattern(pattern) => self.fields_rows(pattern, &field.test, within),
            Target::Any => self.any_rows(&field.test, within),
        }
    }

    fn fields_rows(
        &self,
        pattern: &str,
        test: &ValueTest,
        within: &RowSet,
    ) -> Result<RowSet, LeafError> {
        if matches!(test.kind(), Kind::Exists) && glob(pattern, TIMESTAMP_FIELD) {
            return Ok(within.clone());
        }
        let (mut open, mut out) = (within.clone(), RowSet::none(within.docs()));
        for info in self.reader.fields() {
            if glob(pattern, &info.path) && info.path != TIMESTAMP_FIELD {
                let view = view_of(self.text_fields, &info.path);
                let found = self.one_field(info, (test, view), &open)?;
                open.and_not(&found);
                out.or(&found);
            }
        }
        Ok(out)
    }

    /// The rows of `within` in which one value of the field passes.
    ///
    /// # Errors
    /// The split cannot be read, or the search was stopped.
    pub fn one_field(
        &self,
        info: &FieldInfo,
        (test, view): (&ValueTest, View),
        within: &RowSet,
    ) -> Result<RowSet, LeafError> {
        let mut out = RowSet::none(within.docs());
        let mut open = within.clone();
        for column in self.reader.columns(&info.path)? {
            let found = self.column_rows((info, &column), (test, view), &open)?;
            open.and_not(&found);
            out.or(&found);
        }
        Ok(out)
    }

    /// The rows of `within` in which a value of any field passes.
    fn any_rows(&self, test: &ValueTest, within: &RowSet) -> Result<RowSet, LeafError> {
        if matches!(test.kind(), Kind::Exists) {
            return Ok(within.clone());
        }
        let mut out = RowSet::none(within.docs());
        let mut open = within.clone();
        for info in self.reader.fields() {
            for (column, view) in self.any_columns(info, test)? {
                if open.is_empty() {
                    return Ok(out);
                }
                let found = self.column_rows((info, &column), (test, view), &open)?;
                open.and_not(&found);
                out.or(&found);
            }
        }
        Ok(out)
    }

    /// The columns that a test looks at, and how their strings are looked at.
    pub(crate) fn columns_of(&self, field: &FieldNode) -> Result<Vec<FieldColumn<'a>>, LeafError> {
        let mut out = Vec::new();
        match &field.target {
            Target::Path(path) => {
                if let Some((info, view)) = self.resolve(path) {
                    let columns = self.reader.columns(&info.path)?;
                    out.extend(columns.into_iter().map(|column| (info, column, view)));
                }
            }
            Target::Pattern(pattern) => {
                for info in self.reader.fields() {
                    if glob(pattern, &info.path) && info.path != TIMESTAMP_FIELD {
                        let view = view_of(self.text_fields, &info.path);
                        let columns = self.reader.columns(&info.path)?;
                        out.extend(columns.into_iter().map(|column| (info, column, view)));
                    }
                }
            }
            Target::Any => {
                for info in self.reader.fields() {
                    let columns = self.any_columns(info, &field.test)?;
                    out.extend(columns.into_iter().map(|(column, view)| (info, column, view)));
                }
            }
        }
        Ok(out)
    }

    /// The columns of a field that a test of any field looks at.
    fn any_columns(
        &self,
        info: &FieldInfo,
        test: &ValueTest,
    ) -> Result<Vec<(Arc<Column>, View)>, LeafError> {
        if !any_looks_at(info, test) {
            return Ok(Vec::new());
        }
        let view = view_of(self.text_fields, &info.path);
        let looked_at = |column: &Arc<Column>| match column.kind() {
            ColumnKind::Dict | ColumnKind::Text => true,
            ColumnKind::Int | ColumnKind::Float => test.wants_numbers(),
            ColumnKind::Bool => test.wants_bools(),
        };
        let columns = self.reader.columns(&info.path)?.into_iter();
        Ok(columns.filter(looked_at).map(|column| (column, view)).collect())
    }
}

/// A column of a field, and how its strings are looked at.
pub(crate) type FieldColumn<'a> = (&'a FieldInfo, Arc<Column>, View);

/// What a search reads of a split.
#[derive(Default)]
struct Wanted<'a> {
    indexes: bool,
    paths: BTreeSet<&'a str>,
}

/// Whether a test of any field looks at values of this one.
fn any_looks_at(info: &FieldInfo, test: &ValueTest) -> bool {
    let numbers = test.wants_numbers() && info.ints + info.floats > 0;
    let bools = test.wants_bools() && info.bools > 0;
    (info.strings > 0 || numbers || bools)
        && info.path != TIMESTAMP_FIELD
        && !matches!(test.kind(), Kind::Exists)
}

/// How the strings of a path are looked at.
pub fn view_of(text_fields: &[String], path: &str) -> View {
    if text_fields.iter().any(|p| p == path) { View::Text } else { View::Column }
}

/// Rows that are in at least so many of several sets.
pub(crate) struct AtLeast {
    minimum: usize,
    counts: Vec<u16>,
}

impl AtLeast {
    pub(crate) fn new(minimum: usize, docs: u32) -> Self {
        Self { minimum, counts: vec![0; docs as usize] }
    }

    pub(crate) fn add(&mut self, rows: &RowSet) {
        for row in rows.iter() {
            let count = &mut self.counts[row as usize];
            *count = count.saturating_add(1);
        }
    }

    pub(crate) fn finish(self) -> RowSet {
        let mut out = RowSet::none(self.counts.len() as u32);
        for (row, count) in self.counts.iter().enumerate() {
            if usize::from(*count) >= self.minimum {
                out.insert(row as u32);
            }
        }
        out
    }
}
