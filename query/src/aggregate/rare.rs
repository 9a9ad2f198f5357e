//! Which values are rare? `rare_terms`: exact, from the counts of all values.

use super::answer::Writer;
use super::buckets::ordered;
use super::collect::Collector;
use super::more::{At, More, Role};
use super::partial::{Bucket, Partial};
use super::slots::{Filters, Passing};
use super::terms::TermsPlan;
use super::{Kind, Plan, Planned, empty};
use crate::error::QueryError;
use crate::leaf::LeafError;
use crate::plan::Node;
use crate::request::{BucketOrder, RareTermsAgg, TermsAgg};
use crate::tree::{Object, Tree};

/// A planned `rare_terms`: the `terms` of all values are nested in it.
#[derive(Debug)]
pub(super) struct RareTerms {
    max_doc_count: u64,
}

impl RareTerms {
    /// Of a request, with what is nested in it.
    ///
    /// # Errors
    /// An expression or format makes no sense.
    pub(super) fn new(agg: &RareTermsAgg, subs: Plan) -> Result<(Self, Plan), QueryError> {
        let terms = TermsAgg {
            field: agg.field.clone(),
            min_doc_count: 1,
            missing: agg.missing.clone(),
            choice: agg.choice.clone(),
            format: agg.format.clone(),
            ..TermsAgg::default()
        };
        let inner = Planned::plain(Kind::Terms(Box::new(TermsPlan::new(&terms, &subs)?)), subs);
        Ok((Self { max_doc_count: agg.max_doc_count }, Plan::of(inner)))
    }
}

/// Hands rows on to what is nested.
pub(super) fn hand_on<'a>(at: &At<'a, '_>) -> Result<Option<Box<dyn Collector + 'a>>, LeafError> {
    Ok(Some(Box::new(Filters::new(vec![Passing::All], false, at.nested()?))))
}

/// The count of records and the buckets of the one aggregation in a bucket that is alone.
pub(super) fn inner_of(partial: Partial) -> Option<(u64, Partial)> {
    let Partial::Slots(mut slots) = partial else { return None };
    let mut bucket: Bucket = slots.pop()?;
    Some((bucket.docs, bucket.subs.pop()?))
}

/// The bucket of a kind that makes one.
pub(super) fn inner_of_single(partial: Partial) -> Bucket {
    match partial {
        Partial::Slots(mut slots) => slots.pop().unwrap_or_default(),
        _ => Bucket::default(),
    }
}

impl More for RareTerms {
    fn role(&self) -> Role {
        Role::Around
    }

    fn empty(&self, subs: &[Planned]) -> Partial {
        super::more::one_bucket(0, empty(subs))
    }

    fn reads<'p>(&'p self, _: &mut Vec<&'p str>, _: &mut Vec<&'p Node>) {}

    fn collector<'a>(
        &'a self,
        at: &At<'a, '_>,
    ) -> Result<Option<Box<dyn Collector + 'a>>, LeafError> {
        hand_on(at)
    }

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
        let inner = planned.subs.first();
        let Some(Planned { kind: Kind::Terms(plan), subs, .. }) = inner else { return Ok(()) };
        let Some((_, Partial::Keyed(map))) = inner_of(partial) else { return Ok(()) };
        let list = map.into_iter().filter(|(_, bucket)| bucket.docs <= self.max_doc_count);
        let order = [(BucketOrder::Count, false), (BucketOrder::Key, false)];
        let mut buckets = Vec::new();
        for (key, bucket) in ordered(&order, subs, list.collect()) {
            let mut head = Object::with_capacity(2 + subs.len());
            head.push("key", key.json());
            if let Some(text) = plan.format.text(&key) {
                head.push("key_as_string", text);
            }
            writer.bucket(&mut head, subs, bucket)?;
            buckets.push(Tree::Object(head));
        }
        out.push("buckets", Tree::List(buckets));
        Ok(())
    }
}
