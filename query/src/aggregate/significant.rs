//! Which values are more frequent here than elsewhere? `significant_terms` and `significant_text`:
//! the counts of a bucket against those of all records, or of those that a query matches.

use hashbrown::HashMap;

use super::answer::Writer;
use super::choice::Chooser;
use super::collect::Collector;
use super::key::Key;
use super::more::{At, More, Role, one_bucket};
use super::partial::{Bucket, Partial};
use super::rare::{hand_on, inner_of};
use super::scope::Hidden;
use super::scores::{Counts, score};
use super::terms::TermsPlan;
use super::words::{IntoWords, Wanted, Words};
use super::{Kind, Plan, Planned, empty};
use crate::error::QueryError;
use crate::leaf::LeafError;
use crate::plan::Node;
use crate::request::{SignificantAgg, TermsAgg};
use crate::tree::{Object, Tree};

/// A planned `significant_terms` or `significant_text`: the counts of all values or words are nested
/// in it.
#[derive(Debug)]
pub(super) struct Significant {
    agg: SignificantAgg,
    /// Where the counts of all records are.
    background: usize,
}

impl Significant {
    /// Of a request, with what is nested in it.
    ///
    /// # Errors
    /// An expression makes no sense.
    pub(super) fn new(agg: &SignificantAgg, subs: Plan) -> Result<(Self, Plan), QueryError> {
        let inner = counted(agg, subs)?;
        Ok((Self { agg: agg.clone(), background: 0 }, Plan::of(inner)))
    }
}

/// The counts of all values or words.
fn counted(agg: &SignificantAgg, subs: Plan) -> Result<Planned, QueryError> {
    let kind = match agg.words {
        true => Kind::More(Box::new(Frequencies {
            field: agg.field.clone(),
            choice: Chooser::new(&agg.choice)?,
            once: agg.filter_duplicates,
        })),
        false => {
            let terms = TermsAgg {
                field: agg.field.clone(),
                min_doc_count: 1,
                choice: agg.choice.clone(),
                ..TermsAgg::default()
            };
            Kind::Terms(Box::new(TermsPlan::new(&terms, &[])?))
        }
    };
    Ok(Planned::plain(kind, subs))
}

impl More for Significant {
    fn role(&self) -> Role {
        Role::Around
    }

    fn empty(&self, subs: &[Planned]) -> Partial {
        one_bucket(0, empty(subs))
    }

    fn reads<'p>(&'p self, _: &mut Vec<&'p str>, _: &mut Vec<&'p Node>) {}

    fn background(&mut self, at: usize) -> Result<Option<Planned>, QueryError> {
        self.background = at;
        let node = self.agg.background.as_ref().map(Node::of).transpose()?;
        let inner = counted(&self.agg, Plan::default())?;
        Ok(Some(Planned::plain(Kind::More(Box::new(Hidden(node))), Plan::of(inner))))
    }

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
        let Some((docs, Partial::Keyed(map))) = inner_of(partial) else { return Ok(()) };
        let subs = planned.answered();
        let nothing = (0, HashMap::new());
        let (all_docs, all) = match writer.backgrounds.get(self.background) {
            Some(bucket) => match bucket.subs.first() {
                Some(Partial::Keyed(all)) => (bucket.docs, all),
                _ => (bucket.docs, &nothing.1),
            },
            None => (nothing.0, &nothing.1),
        };
        let mut found: Vec<(f64, u64, Key, Bucket)> = Vec::new();
        for (key, bucket) in map {
            let all_with = all.get(&key).map_or(0, |bucket| bucket.docs);
            let counts = Counts {
                with: bucket.docs as f64,
                docs: docs as f64,
                all_with: all_with as f64,
                all_docs: all_docs as f64,
            };
            let score = score(self.agg.heuristic, counts);
            if score > 0.0 && bucket.docs >= self.agg.min_doc_count {
                found.push((score, all_with, key, bucket));
            }
        }
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.2.cmp(&b.2)));
        out.push("doc_count", writer.scaled(docs));
        out.push("bg_count", all_docs);
        let mut list = Vec::with_capacity(found.len().min(self.agg.size));
        for (score, all_with, key, bucket) in found.into_iter().take(self.agg.size) {
            let mut head = Object::with_capacity(4 + subs.len());
            head.push("key", key.json());
            let extra = vec![("score", score.into()), ("bg_count", all_with.into())];
            writer.counted(&mut head, (subs, extra), bucket)?;
            list.push(Tree::Object(head));
        }
        out.push("buckets", Tree::List(list));
        Ok(())
    }
}

/// How many records have each word of a text.
#[derive(Debug)]
struct Frequencies {
    field: String,
    choice: Option<Chooser>,
    once: bool,
}

impl More for Frequencies {
    fn role(&self) -> Role {
        Role::Buckets
    }

    fn reads<'p>(&'p self, fields: &mut Vec<&'p str>, _: &mut Vec<&'p Node>) {
        fields.push(&self.field);
    }

    fn collector<'a>(
        &'a self,
        at: &At<'a, '_>,
    ) -> Result<Option<Box<dyn Collector + 'a>>, LeafError> {
        let wanted = Wanted {
            cut: &IntoWords,
            choice: self.choice.as_ref(),
            once: self.once,
            lengths: false,
        };
        Ok(Some(Box::new(Words::new(at, &self.field, wanted)?)))
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
