//! Which rows of a column pass a test? Each kind of column in its own way.
//!
//! Knows no combinations of queries.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use hashbrown::HashMap;
use index::read::{Column, ColumnKind, FieldInfo, RowSet};
use model::record::Value;

use super::dict::{Ords, passing_ords};
use super::plan::TextPlan;
use super::rows::SplitEval;
use super::run::LeafError;
use super::scan::for_each_value;
use super::text::{TextTest, count_texts, filtered_by, plan_texts};
use crate::test::{Kind, ValueTest, View};

/// What was found out about tests in one split, for the time of a search.
#[derive(Debug, Default)]
pub struct Memo {
    known: RefCell<HashMap<(u64, View, String), Known>>,
}

#[derive(Clone, Debug)]
enum Known {
    Ords(Rc<Ords>),
    Texts(Rc<TextPlan>),
}

impl SplitEval<'_> {
    /// The rows of `within` in which one value of the column passes.
    pub(crate) fn column_rows(
        &self,
        (info, column): (&FieldInfo, &Column),
        (test, view): (&ValueTest, View),
        within: &RowSet,
    ) -> Result<RowSet, LeafError> {
        self.run.check()?;
        if within.is_empty() {
            return Ok(within.clone());
        }
        if matches!(test.kind(), Kind::Exists) {
            return Ok(column.rows_with_value(within)?);
        }
        match column.kind() {
            ColumnKind::Int => self.int_rows(column, (test, view), within),
            ColumnKind::Float => self.float_rows(column, (test, view), within),
            ColumnKind::Bool => {
                let passes = |v| test.matches(Value::Bool(v), view);
                match (passes(false), passes(true)) {
                    (false, false) => Ok(RowSet::none(within.docs())),
                    (true, true) => Ok(column.rows_with_value(within)?),
                    (_, wanted) => self.bool_value_rows(column, wanted, within),
                }
            }
            ColumnKind::Dict | ColumnKind::Text => {
                match self.known((info, column), (test, view))? {
                    Known::Ords(ords) if ords.count == 0 => Ok(RowSet::none(within.docs())),
                    Known::Ords(ords) if ords.count == ords.wanted.len() => {
                        Ok(column.rows_with_value(within)?)
                    }
                    Known::Ords(ords) => Ok(column.rows_with_ords(&ords.wanted, within)?),
                    Known::Texts(plan) => {
                        self.text_rows(TextTest { column, test, view }, &plan, within)
                    }
                }
            }
        }
    }

    fn bool_value_rows(
        &self,
        column: &Column,
        wanted: bool,
        within: &RowSet,
    ) -> Result<RowSet, LeafError> {
        let mut out = RowSet::none(within.docs());
        for_each_value(column, Column::bools, (within, self.run), |row, v| {
            if v == wanted {
                out.insert(row);
            }
        })?;
        Ok(out)
    }

    /// What is known of a test before rows are looked at; found out once.
    fn known(
        &self,
        (info, column): (&FieldInfo, &Column),
        (test, view): (&ValueTest, View),
    ) -> Result<Known, LeafError> {
        let key = (test.id(), view, info.path.clone());
        if let Some(known) = self.memo.known.borrow().get(&key) {
            return Ok(known.clone());
        }
        let known = match column.kind() {
            ColumnKind::Dict => {
                let dictionary = column.dictionary()?;
                Known::Ords(Rc::new(passing_ords(&dictionary, (test, view), self.run)?))
            }
            _ => Known::Texts(Rc::new(plan_texts(column, test, view)?)),
        };
        self.memo.known.borrow_mut().insert(key, known.clone());
        Ok(known)
    }

    /// The rows of `within` that can pass, as far as the groups' filters tell; nothing else is read.
    pub(crate) fn may_pass(
        &self,
        (info, columns): (&FieldInfo, &[Arc<Column>]),
        (test, view): (&ValueTest, View),
        within: &RowSet,
    ) -> Result<RowSet, LeafError> {
        let mut out = RowSet::none(within.docs());
        for column in columns {
            if column.kind() != ColumnKind::Text {
                return Ok(within.clone());
            }
            let Known::Texts(plan) = self.known((info, column), (test, view))? else {
                return Ok(within.clone());
            };
            let Some(token) = filtered_by(&plan) else { return Ok(within.clone()) };
            out.or(&column.rows_that_may_hold(token, within)?);
        }
        Ok(out)
    }

    /// How many rows of the whole split pass, when that is known without looking at rows, or at
    /// those alone that have a token in a slot.
    pub(crate) fn count_of(
        &self,
        (info, column): (&FieldInfo, &Arc<Column>),
        (test, view): (&ValueTest, View),
    ) -> Result<Option<Count>, LeafError> {
        if column.kind() != ColumnKind::Text || !column.is_single() {
            return Ok(None);
        }
        let Known::Texts(plan) = self.known((info, column), (test, view))? else {
            return Ok(None);
        };
        let counted = count_texts(&plan, column.templates()?.as_ref());
        Ok(counted.map(|(sure, slots)| match slots {
            false => Count::Known(sure),
            true => Count::Slots(sure, column.clone(), plan),
        }))
    }
}

/// How many rows of a split pass a test.
pub(crate) enum Count {
    /// So many.
    Known(u64),
    /// So many, and those that [`SplitEval::slot_count`] finds.
    Slots(u64, Arc<Column>, Rc<TextPlan>),
}
