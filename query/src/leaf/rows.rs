//! Which rows of a split match a query? Combinations, special fields, and the choice of fields.
//!
//! Every step is told which rows are still open and looks only at those.

use index::read::{FieldInfo, RowSet, SplitReader, TokenClass};
use model::record::{TIMESTAMP_FIELD, Value};
use model::time::TimeRange;

use super::run::{LeafError, Run};
use super::scan::for_each_block;
use crate::ast::Target;
use crate::plan::{BoolNode, FieldNode, IndexPatterns, Node, glob};
use crate::test::{Kind, ValueTest, View};

/// One split under one search.
#[derive(Clone, Copy)]
pub struct SplitEval<'a> {
    /// The open split.
    pub reader: &'a SplitReader,
    /// Paths of the text fields by the settings; a split may keep more fields as texts.
    pub text_fields: &'a [String],
    /// The search.
    pub run: &'a Run,
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
        let mut within = RowSet::range(self.reader.docs(), self.reader.rows_in(time));
        if !indexes.is_all() {
            within = self.index_rows(|name| indexes.matches(name), &within)?;
        }
        self.rows(node, &within)
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
                out.clip(if range.is_empty() { 0..0 } else { self.reader.rows_in(*range) });
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
        let mut out = RowSet::none(within.docs());
        if !wanted.contains(&true) {
            return Ok(out);
        }
        for_each_block(within, self.run, |rows| {
            for row in rows {
                let ord = self.reader.index_ord(*row) as usize;
                if wanted.get(ord).copied().unwrap_or(false) {
                    out.insert(*row);
                }
            }
            Ok(())
        })?;
        Ok(out)
    }

    fn time_text_rows(&self, test: &ValueTest, within: &RowSet) -> Result<RowSet, LeafError> {
        let mut out = RowSet::none(within.docs());
        for_each_block(within, self.run, |rows| {
            for row in rows {
                let text = self.reader.timestamp(*row).rfc3339();
                if test.matches(Value::Str(&text), View::Column) {
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
        self.run.check()?;
        let mut out = RowSet::none(within.docs());
        if info.text
            && let Some(at) = self.text_position(&info.path)
        {
            out = self.text_rows(at, (test, view), within)?;
        }
        for column in self.reader.columns(&info.path)? {
            out.or(&self.column_rows(&info.path, &column, (test, view), within)?);
        }
        Ok(out)
    }

    /// Position of a text field in the split.
    pub fn text_position(&self, path: &str) -> Option<usize> {
        self.reader.text_fields().iter().position(|p| p == path)
    }

    /// The rows of `within` in which a value of any field passes.
    fn any_rows(&self, test: &ValueTest, within: &RowSet) -> Result<RowSet, LeafError> {
        if matches!(test.kind(), Kind::Exists) {
            return Ok(within.clone());
        }
        let mut out = RowSet::none(within.docs());
        let mut open = within.clone();
        for (at, path) in self.reader.text_fields().iter().enumerate() {
            let view = view_of(self.text_fields, path);
            let found = self.text_rows(at, (test, view), &open)?;
            open.and_not(&found);
            out.or(&found);
        }
        let found = self.any_column_rows(test, &open)?;
        open.and_not(&found);
        out.or(&found);
        let (numbers, bools) = (test.wants_numbers(), test.wants_bools());
        for info in self.reader.fields() {
            let wanted = numbers && info.ints + info.floats > 0 || bools && info.bools > 0;
            if !wanted || info.path == TIMESTAMP_FIELD {
                continue;
            }
            for column in self.reader.columns(&info.path)? {
                if !matches!(column, tantivy_columnar::DynamicColumn::Str(_)) {
                    let found =
                        self.column_rows(&info.path, &column, (test, View::Column), &open)?;
                    open.and_not(&found);
                    out.or(&found);
                }
            }
        }
        Ok(out)
    }

    fn any_column_rows(&self, test: &ValueTest, within: &RowSet) -> Result<RowSet, LeafError> {
        let class = TokenClass::Columns;
        if let Some(rows) = self.exact(class, (test.kind(), View::Column), within)? {
            return Ok(rows);
        }
        let mut open = match self.candidates(class, test.kind(), within)? {
            Some(rows) => rows,
            None => within.clone(),
        };
        let mut out = RowSet::none(within.docs());
        for info in self.reader.fields() {
            if info.text || info.strings == 0 || info.path == TIMESTAMP_FIELD || open.is_empty() {
                continue;
            }
            for column in self.reader.columns(&info.path)? {
                if matches!(column, tantivy_columnar::DynamicColumn::Str(_)) {
                    let found =
                        self.column_rows(&info.path, &column, (test, View::Column), &open)?;
                    open.and_not(&found);
                    out.or(&found);
                }
            }
        }
        Ok(out)
    }
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
