//! Do the pipelines of a level fit their place, and in which order are they computed? Each after
//! those that it looks at.

use super::super::print::Decimal;
use super::path::parse;
use super::{Stage, invalid};
use crate::error::{ErrorKind, QueryError};
use crate::request::{Agg, AggKind, BucketAgg, PipelineAgg, PipelineKind};

/// The pipelines among the aggregations of a level, in the order in which they are computed;
/// `parent` is the aggregation whose buckets they are in.
///
/// # Errors
/// One is in the wrong place, a path leads nowhere, or they wait for one another.
pub(in super::super) fn stages(
    aggs: &[(String, Agg)],
    parent: Option<&AggKind>,
) -> Result<Vec<Stage>, QueryError> {
    let mut out = Vec::new();
    for (name, agg) in aggs {
        let AggKind::Pipeline(pipeline) = &agg.kind else { continue };
        check_place(name, pipeline, parent)?;
        let paths = pipeline.paths.iter().map(|(variable, path)| {
            let parts = parse(path)?;
            check_path(name, pipeline, (path, &parts), aggs)?;
            Ok((variable.clone(), parts))
        });
        out.push(Stage {
            name: name.clone(),
            paths: paths.collect::<Result<_, QueryError>>()?,
            format: pipeline.format.as_deref().map(Decimal::parse).transpose()?,
            meta: agg.meta.clone(),
            agg: pipeline.clone(),
        });
    }
    ordered(out)
}

fn failed(reason: String) -> QueryError {
    QueryError::of(ErrorKind::Validation, format!("Validation Failed: 1: {reason};"))
}

/// Whether it may stand where it stands.
fn check_place(
    name: &str,
    pipeline: &PipelineAgg,
    parent: Option<&AggKind>,
) -> Result<(), QueryError> {
    let (kind, ty) = (&pipeline.kind, pipeline.kind.name());
    if kind.is_sibling() {
        return Ok(());
    }
    if !kind.needs_sequence() {
        return match parent {
            Some(_) => Ok(()),
            None => Err(failed(format!(
                "{ty} aggregation [{name}] must be declared inside of another aggregation"
            ))),
        };
    }
    let adds_up = matches!(kind, PipelineKind::CumulativeSum | PipelineKind::CumulativeCardinality);
    let min_doc_count = match parent {
        Some(AggKind::DateHistogram(date)) => date.min_doc_count,
        Some(AggKind::Histogram(histogram)) => histogram.min_doc_count,
        Some(AggKind::Bucket(BucketAgg::AutoDate(_))) => 0,
        _ => {
            return Err(failed(format!(
                "{ty} aggregation [{name}] must have a histogram, date_histogram or \
                 auto_date_histogram as parent"
            )));
        }
    };
    // Buckets without records add nothing.
    if min_doc_count > 0 && !adds_up {
        return Err(failed(format!(
            "parent histogram of {ty} aggregation [{name}] must have min_doc_count of 0"
        )));
    }
    Ok(())
}

/// Whether the names of a path are there.
fn check_path(
    name: &str,
    pipeline: &PipelineAgg,
    (path, parts): (&str, &[String]),
    aggs: &[(String, Agg)],
) -> Result<(), QueryError> {
    let find =
        |aggs: &'_ [(String, Agg)], name: &str| aggs.iter().position(|(other, _)| other == name);
    let adds_up = matches!(pipeline.kind, PipelineKind::CumulativeCardinality);
    let no_cardinality = || {
        invalid(format!(
            "buckets_path must reference a cardinality aggregation, got: [{path}] at aggregation \
             [{name}]"
        ))
    };
    if path == "_count" || path == "_key" {
        if adds_up {
            return Err(no_cardinality());
        }
        return match pipeline.kind.is_sibling() {
            false => Ok(()),
            true => Err(failed(format!(
                "buckets_path aggregation does not exist for aggregation [{name}]: {path}"
            ))),
        };
    }
    let Some(mut at) = find(aggs, &parts[0]) else {
        if pipeline.kind.is_sibling() {
            return Err(failed(format!(
                "buckets_path aggregation does not exist for aggregation [{name}]: {path}"
            )));
        }
        return Err(QueryError::illegal(format!("No aggregation found for path [{path}]")));
    };
    let mut level = aggs;
    let elements = path.split('>').count();
    for (element, text) in path.split('>').map(str::trim).enumerate().skip(1) {
        level = &level[at].1.aggs;
        let last = element + 1 == elements;
        let bare = text.split('[').next().unwrap_or(text);
        let named = match bare.rsplit_once('.') {
            Some((name, _)) if last && !name.is_empty() => name,
            _ => bare,
        };
        if last && matches!(named, "_count" | "_key" | "_bucket_count") {
            return Ok(());
        }
        at = find(level, named).ok_or_else(|| {
            QueryError::illegal(format!("No aggregation [{named}] found for path [{path}]"))
        })?;
    }
    match &level[at].1.kind {
        AggKind::Cardinality(_) if parts.len() == 1 => Ok(()),
        _ if adds_up => Err(no_cardinality()),
        _ => Ok(()),
    }
}

/// Each after those that it looks at, otherwise in the order of the request.
fn ordered(mut open: Vec<Stage>) -> Result<Vec<Stage>, QueryError> {
    let mut out = Vec::with_capacity(open.len());
    while !open.is_empty() {
        let waits = |stage: &Stage| {
            stage.paths.iter().any(|(_, path)| open.iter().any(|other| other.name == path[0]))
        };
        let Some(next) = open.iter().position(|stage| !waits(stage)) else {
            return Err(QueryError::illegal(format!(
                "Cyclical dependency found with pipeline aggregator [{}]",
                open[0].name
            )));
        };
        out.push(open.remove(next));
    }
    Ok(out)
}
