//! What is there beside what the query matches? `global`, and counts of all records for other
//! aggregations.

use super::Planned;
use super::answer::Writer;
use super::more::{At, More, Role};
use super::partial::Partial;
use crate::error::QueryError;
use crate::leaf::LeafError;
use crate::plan::Node;
use crate::tree::Object;

/// `global`.
#[derive(Debug)]
pub(super) struct Global;

impl More for Global {
    fn role(&self) -> Role {
        Role::Whole
    }

    fn reads<'p>(&'p self, _: &mut Vec<&'p str>, _: &mut Vec<&'p Node>) {}

    fn over(&self, at: &At<'_, '_>) -> Result<Option<Partial>, LeafError> {
        at.bucket_of(at.rows).map(Some)
    }

    fn write(
        &self,
        writer: &mut Writer,
        planned: &Planned,
        partial: Partial,
        out: &mut Object,
    ) -> Result<(), QueryError> {
        writer.single(planned, partial, out)
    }
}

/// An aggregation of all records, or of those that a query matches, for another one.
#[derive(Debug)]
pub(super) struct Hidden(pub(super) Option<Node>);

impl More for Hidden {
    fn role(&self) -> Role {
        Role::Hidden
    }

    fn empty(&self, subs: &[Planned]) -> Partial {
        super::more::one_bucket(0, super::empty(subs))
    }

    fn reads<'p>(&'p self, _: &mut Vec<&'p str>, nodes: &mut Vec<&'p Node>) {
        nodes.extend(&self.0);
    }

    fn over(&self, at: &At<'_, '_>) -> Result<Option<Partial>, LeafError> {
        match &self.0 {
            None => at.bucket_of(at.rows).map(Some),
            Some(node) => at.bucket_of(&at.segment.passing(node, at.rows)?).map(Some),
        }
    }

    fn write(
        &self,
        _: &mut Writer,
        _: &Planned,
        _: Partial,
        _: &mut Object,
    ) -> Result<(), QueryError> {
        Ok(())
    }
}
