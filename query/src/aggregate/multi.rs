//! Which combinations of values are the most frequent? `multi_terms`.

use hashbrown::HashMap;

use super::Planned;
use super::answer::Writer;
use super::buckets::ordered;
use super::choice::KeyFormat;
use super::collect::{Block, Buckets, Collector};
use super::key::Key;
use super::more::{At, More};
use super::partial::{Bucket, Partial};
use super::terms::{check_order, own_error};
use super::tuples::{By, Part, Tuples};
use crate::error::QueryError;
use crate::leaf::LeafError;
use crate::plan::Node;
use crate::request::MultiTermsAgg;
use crate::tree::{Object, Tree};

/// A planned `multi_terms`.
#[derive(Debug)]
pub(super) struct MultiTerms {
    agg: MultiTermsAgg,
    parts: Vec<Part>,
    missing: Vec<Option<Key>>,
    formats: Vec<KeyFormat>,
}

impl MultiTerms {
    /// Of a request.
    ///
    /// # Errors
    /// An order or format makes no sense.
    pub(super) fn new(agg: &MultiTermsAgg, subs: &[Planned]) -> Result<Self, QueryError> {
        check_order(&agg.order, subs)?;
        let part = |term: &crate::request::MultiTerm| Part {
            field: term.field.clone(),
            by: By::Values,
            missing: term.missing.is_some(),
        };
        let formats = agg.terms.iter().map(|term| KeyFormat::new(term.format.as_deref()));
        Ok(Self {
            parts: agg.terms.iter().map(part).collect(),
            missing: agg.terms.iter().map(|t| t.missing.as_ref().map(Key::of_json)).collect(),
            formats: formats.collect::<Result<_, _>>()?,
            agg: agg.clone(),
        })
    }
}

impl More for MultiTerms {
    fn reads<'p>(&'p self, fields: &mut Vec<&'p str>, _: &mut Vec<&'p Node>) {
        fields.extend(self.parts.iter().map(|part| part.field.as_str()));
    }

    fn collector<'a>(
        &'a self,
        at: &At<'a, '_>,
    ) -> Result<Option<Box<dyn Collector + 'a>>, LeafError> {
        let tuples = Tuples::open(&self.parts, at.segment)?;
        Ok(Some(Box::new(Combined { tuples, buckets: at.nested()?, missing: &self.missing })))
    }

    fn write(
        &self,
        writer: &mut Writer,
        planned: &Planned,
        partial: Partial,
        out: &mut Object,
    ) -> Result<(), QueryError> {
        let Partial::Keyed(map) = partial else { return Ok(()) };
        let agg = &self.agg;
        let list = map.into_iter().filter(|(_, bucket)| bucket.docs >= agg.min_doc_count);
        let buckets = ordered(&agg.order, &planned.subs, list.collect());
        let rest: u64 = buckets.iter().skip(agg.size).map(|(_, b)| b.docs).sum();
        let mut list = Vec::with_capacity(buckets.len().min(agg.size));
        for (key, bucket) in buckets.into_iter().take(agg.size) {
            let Key::Tuple(keys) = key else { continue };
            let values: Vec<_> = keys
                .iter()
                .zip(&self.formats)
                .map(|(key, format)| format.value(key, true))
                .collect();
            let texts: Vec<_> = values
                .iter()
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                .collect();
            let mut head = Object::with_capacity(3 + planned.subs.len());
            head.push("key", values);
            head.push("key_as_string", texts.join("|"));
            writer.counted(&mut head, (&planned.subs, own_error(agg.shows_error)), bucket)?;
            list.push(Tree::Object(head));
        }
        out.push("doc_count_error_upper_bound", 0);
        out.push("sum_other_doc_count", writer.scaled(rest));
        out.push("buckets", Tree::List(list));
        Ok(())
    }
}

/// Buckets by combination.
struct Combined<'a> {
    tuples: Tuples<'a>,
    buckets: Buckets<'a>,
    missing: &'a [Option<Key>],
}

impl Collector for Combined<'_> {
    fn collect(&mut self, block: &Block) -> Result<(), LeafError> {
        self.tuples.load(block)?;
        for (at, (row, parent)) in block.rows.iter().zip(&block.buckets).enumerate() {
            let ids = self.tuples.ids(at, *parent)?.len();
            self.buckets.grow(self.tuples.len())?;
            for id in 0..ids {
                self.buckets.add(*row, self.tuples.found(id))?;
            }
        }
        self.buckets.flush()
    }

    fn finish(&mut self, parents: usize) -> Result<Vec<Partial>, LeafError> {
        let buckets = self.buckets.finish()?;
        let keys = self.tuples.keys(0..self.tuples.len() as u32, self.missing)?;
        let mut out: Vec<HashMap<Key, Bucket>> = (0..parents).map(|_| HashMap::new()).collect();
        for ((parent, key), bucket) in keys.into_iter().zip(buckets) {
            // The stand-in for no value can be a value as well.
            out[parent as usize].entry(key).or_default().merge(bucket);
        }
        Ok(out.into_iter().map(Partial::Keyed).collect())
    }
}
