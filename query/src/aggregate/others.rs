//! Which kinds of buckets live in files of their own? The choice among them when a request is planned.

use super::more::{More, Role};
use super::{
    Kind, Plan, Planned, addresses, adjacency, auto_date, categorize, composite, multi, rare,
    sampler, scope, significant, top_hits, variable,
};
use crate::error::QueryError;
use crate::request::BucketAgg;

/// Plans what lives in a file of its own.
pub(super) fn plan_bucket(
    (name, depth): (&str, usize),
    agg: &BucketAgg,
    subs: Plan,
) -> Result<Planned, QueryError> {
    let mut subs = subs;
    let more: Box<dyn More> = match agg {
        BucketAgg::Global if depth > 0 => {
            return Err(QueryError::illegal(format!(
                "Aggregation [{name}] cannot have a global sub-aggregation [global]. Global \
                 aggregations can only be defined as top level aggregations"
            )));
        }
        BucketAgg::Global => Box::new(scope::Global),
        BucketAgg::Composite(agg) => Box::new(composite::Composite::new(agg)?),
        BucketAgg::MultiTerms(agg) => Box::new(multi::MultiTerms::new(agg, &subs)?),
        BucketAgg::RareTerms(agg) => {
            let (rare, inner) = rare::RareTerms::new(agg, subs)?;
            subs = inner;
            Box::new(rare)
        }
        BucketAgg::Adjacency(agg) => Box::new(adjacency::Adjacency::new(agg)?),
        BucketAgg::AutoDate(agg) => Box::new(auto_date::AutoDate::new(agg)?),
        BucketAgg::VariableWidth(agg) => Box::new(variable::VariableWidth::new(agg)),
        BucketAgg::TopHits(agg) => Box::new(top_hits::TopHits::new(agg)?),
        BucketAgg::Significant(agg) => {
            let (significant, inner) = significant::Significant::new(agg, subs)?;
            subs = inner;
            Box::new(significant)
        }
        BucketAgg::Sampler(agg) => Box::new(sampler::Sampler(agg.clone())),
        BucketAgg::RandomSampler(_) if depth > 0 => {
            return Err(QueryError::illegal(format!(
                "[random_sampler] aggregation [{name}] can only be used at the top level"
            )));
        }
        BucketAgg::RandomSampler(agg) => Box::new(sampler::RandomSampler(agg.clone())),
        BucketAgg::Categorize(agg) => Box::new(categorize::Categorize::new(agg)?),
        BucketAgg::IpRange(agg) => Box::new(addresses::IpRanges(agg.clone())),
        BucketAgg::IpPrefix(agg) => Box::new(addresses::IpPrefixes(agg.clone())),
    };
    if more.role() == Role::Leaf && !subs.is_empty() {
        return Err(QueryError::illegal(format!(
            "Aggregator [{name}] of type [top_hits] cannot accept sub-aggregations"
        )));
    }
    Ok(Planned { name: name.to_owned(), kind: Kind::More(more), subs, meta: None, printer: None })
}
