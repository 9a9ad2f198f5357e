//! Which buckets of `terms` are in the answer? Its plan, its keys without records, and how it is
//! written.

use hashbrown::HashMap;

use super::answer::Writer;
use super::buckets::{order_is_known, ordered};
use super::choice::{Chooser, KeyFormat};
use super::key::Key;
use super::partial::{Bucket, Partial};
use super::{Kind, Plan, Planned};
use crate::error::QueryError;
use crate::request::{BucketOrder, TermsAgg};
use crate::tree::{Object, Tree};

/// A planned `terms`.
#[derive(Debug)]
pub(super) struct TermsPlan {
    pub(super) agg: TermsAgg,
    /// Which keys; `None` for all.
    pub(super) choice: Option<Chooser>,
    /// The key of no value.
    pub(super) missing: Option<Key>,
    pub(super) format: KeyFormat,
    /// Where the keys of all records are, when buckets without records are asked for.
    pub(super) background: Option<usize>,
}

impl TermsPlan {
    /// Of a request.
    ///
    /// # Errors
    /// An order, expression or format makes no sense.
    pub(super) fn new(agg: &TermsAgg, subs: &[Planned]) -> Result<Self, QueryError> {
        check_order(&agg.order, subs)?;
        Ok(Self {
            choice: Chooser::new(&agg.choice)?,
            missing: agg.missing.as_ref().map(Key::of_json),
            format: KeyFormat::new(agg.format.as_deref())?,
            background: None,
            agg: agg.clone(),
        })
    }

    /// Whether a key may be a bucket.
    pub(super) fn takes(&self, key: &Key) -> bool {
        self.choice.as_ref().is_none_or(|choice| choice.takes(key))
    }

    /// The key of no value, if it may be a bucket.
    pub(super) fn missing_key(&self) -> Option<&Key> {
        self.missing.as_ref().filter(|key| self.takes(key))
    }

    /// The same keys, counted for all records.
    pub(super) fn of_all(&self) -> Result<Planned, QueryError> {
        let agg = TermsAgg { order: Vec::new(), min_doc_count: 1, ..self.agg.clone() };
        Ok(Planned::plain(Kind::Terms(Box::new(Self::new(&agg, &[])?)), Plan::default()))
    }
}

/// A metric that buckets are ordered by must be nested in them.
///
/// # Errors
/// It is not.
pub(super) fn check_order(
    order: &[(BucketOrder, bool)],
    subs: &[Planned],
) -> Result<(), QueryError> {
    for (by, _) in order {
        if let BucketOrder::Metric(path) = by
            && !order_is_known(subs, path)
        {
            let name = path.split(['>', '.', '[']).next().unwrap_or_default();
            return Err(QueryError::illegal(match subs.iter().any(|sub| sub.name == name) {
                false => format!(
                    "Invalid aggregation order path [{path}]. The provided aggregation [{name}] \
                     either does not exist, or is a pipeline aggregation and cannot be used to \
                     sort the buckets."
                ),
                true => format!(
                    "Invalid aggregation order path [{path}]. It leads to no number of the \
                     aggregation [{name}]: name a metric, a property of one, or a bucket that is \
                     alone"
                ),
            }));
        }
    }
    Ok(())
}

/// The error of a bucket's count, where it is asked for: counts are exact.
pub(super) fn own_error(shown: bool) -> Vec<(&'static str, Tree)> {
    match shown {
        true => vec![("doc_count_error_upper_bound", 0.into())],
        false => Vec::new(),
    }
}

impl Writer {
    pub(super) fn terms(
        &mut self,
        plan: &TermsPlan,
        planned: &Planned,
        mut map: HashMap<Key, Bucket>,
        out: &mut Object,
    ) -> Result<(), QueryError> {
        let all = plan.background.and_then(|at| self.backgrounds.get(at)?.subs.first());
        if let Some(Partial::Keyed(all)) = all {
            for key in all.keys() {
                if !map.contains_key(key) {
                    map.insert(key.clone(), Bucket::default());
                }
            }
        }
        let agg = &plan.agg;
        let list = map.into_iter().filter(|(_, bucket)| bucket.docs >= agg.min_doc_count);
        let buckets = ordered(&agg.order, &planned.subs, list.collect());
        let rest: u64 = buckets.iter().skip(agg.size).map(|(_, b)| b.docs).sum();
        let mut list = Vec::with_capacity(buckets.len().min(agg.size));
        for (key, bucket) in buckets.into_iter().take(agg.size) {
            let mut head = Object::with_capacity(2 + planned.subs.len());
            head.push("key", key.json());
            if let Some(text) = plan.format.text(&key) {
                head.push("key_as_string", text);
            }
            self.counted(&mut head, (&planned.subs, own_error(agg.shows_error)), bucket)?;
            list.push(Tree::Object(head));
        }
        out.push("doc_count_error_upper_bound", 0);
        out.push("sum_other_doc_count", self.scaled(rest));
        out.push("buckets", Tree::List(list));
        Ok(())
    }
}
