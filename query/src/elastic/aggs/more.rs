//! Which of the less common buckets? The options of composite, multi_terms and their like.

use serde_json::Value as Json;

use super::super::Reader;
use super::super::json::list;
use super::{Options, dates, keys};
use crate::ast::Query;
use crate::error::QueryError;
use crate::request::{
    AdjacencyAgg, AutoDateAgg, BucketAgg, CalendarUnit, CompositeAgg, CompositeBy, CompositeSource,
    MultiTerm, MultiTermsAgg, RareTermsAgg, VariableWidthAgg,
};

/// The most queries of an `adjacency_matrix`.
const FILTERS_MAX: usize = 1024;
/// The most fields of a `multi_terms`, and sources of a `composite`.
const PARTS_MAX: usize = 64;
/// The most buckets of a `variable_width_histogram`.
const WIDTHS_MAX: u64 = 50_000;
/// The most buckets of an `auto_date_histogram`: a hundredth of all buckets.
const AUTO_MAX: u64 = 655;

/// Reads an aggregation of this module; `None` when the type is another.
pub(super) fn read(
    reader: &mut Reader,
    o: &Options<'_>,
    depth: usize,
) -> Result<Option<BucketAgg>, QueryError> {
    Ok(Some(match o.ty {
        "global" => {
            o.only(&[], &[])?;
            BucketAgg::Global
        }
        "composite" => BucketAgg::Composite(composite(reader, o)?),
        "multi_terms" => BucketAgg::MultiTerms(multi_terms(o)?),
        "rare_terms" => BucketAgg::RareTerms(rare_terms(o)?),
        "adjacency_matrix" => BucketAgg::Adjacency(adjacency(reader, o, depth)?),
        "auto_date_histogram" => BucketAgg::AutoDate(auto_date(reader, o)?),
        "variable_width_histogram" => BucketAgg::VariableWidth(variable_width(o)?),
        _ => return Ok(None),
    }))
}

fn composite(reader: &Reader, o: &Options<'_>) -> Result<CompositeAgg, QueryError> {
    o.only(&["sources", "size", "after"], &[])?;
    let none = || QueryError::illegal("Composite [sources] cannot be null or empty");
    let mut sources: Vec<(String, CompositeSource)> = Vec::new();
    for part in list(o.get("sources").ok_or_else(none)?) {
        let one = part.as_object().filter(|map| map.len() == 1).and_then(|map| map.iter().next());
        let (name, body) =
            one.ok_or_else(|| o.bad("sources", part, "objects of one name and its source"))?;
        let of = body.as_object().filter(|map| map.len() == 1).and_then(|map| map.iter().next());
        let (ty, options) =
            of.ok_or_else(|| o.bad("sources", body, "an object such as `{\"terms\": {}}`"))?;
        if sources.iter().any(|(other, _)| other == name) {
            return Err(QueryError::illegal(format!(
                "Composite source names must be unique, found duplicates: [{name}]"
            )));
        }
        let source = source(reader, &Options::new(name, ty, options)?)?;
        sources.push((name.clone(), source));
    }
    if sources.is_empty() {
        return Err(none());
    }
    if sources.len() > PARTS_MAX {
        return Err(o.bad("sources", &Json::Null, "at most 64 sources"));
    }
    let after = match o.get("after") {
        None => None,
        Some(Json::Object(map)) => Some(map.iter().map(|(k, v)| (k.clone(), v.clone())).collect()),
        Some(other) => return Err(o.bad("after", other, "the `after_key` of an answer")),
    };
    Ok(CompositeAgg { sources, size: keys::size(o, 10)?, after })
}

/// Options of every source.
const SOURCE_OPTIONS: [&str; 5] = ["field", "missing_bucket", "missing_order", "order", "format"];

fn source(reader: &Reader, o: &Options<'_>) -> Result<CompositeSource, QueryError> {
    let only = |more: &[&str]| {
        let known: Vec<&str> = SOURCE_OPTIONS.iter().chain(more).copied().collect();
        o.only(&known, &["value_type"])
    };
    let by = match o.ty {
        "terms" => {
            only(&[])?;
            CompositeBy::Terms
        }
        "histogram" => {
            only(&["interval"])?;
            let interval = o.float("interval")?.filter(|width| *width > 0.0).ok_or_else(|| {
                QueryError::illegal(format!(
                    "[interval] must be greater than 0 for [histogram] source [{}]",
                    o.name
                ))
            })?;
            CompositeBy::Histogram(interval)
        }
        "date_histogram" => {
            only(&["fixed_interval", "calendar_interval", "interval", "offset", "time_zone"])?;
            let zone = o.text("time_zone")?;
            reader.dates.clone().with(o.text("format")?, zone)?;
            CompositeBy::Date {
                interval: dates::interval(o)?,
                offset_ns: dates::offset(o)?,
                time_zone: zone.map(str::to_owned),
            }
        }
        "geotile_grid" => {
            return Err(QueryError::illegal(
                "[geotile_grid] is not supported as a [composite] source: this is a store of logs \
                 and has no geo points",
            ));
        }
        ty => {
            return Err(QueryError::parsing(format!("invalid source type: {ty}")));
        }
    };
    let missing_bucket = o.flag("missing_bucket", false)?;
    let missing_first = match o.text("missing_order")?.map(str::to_ascii_lowercase).as_deref() {
        None | Some("default") => None,
        Some(_) if !missing_bucket => {
            return Err(QueryError::illegal(format!(
                "missing_order requires missing_bucket to be true for source [{}]",
                o.name
            )));
        }
        Some("first") => Some(true),
        Some("last") => Some(false),
        Some(other) => {
            return Err(QueryError::illegal(format!("Unknown missing order [{other}]")));
        }
    };
    let descending = o.get("order").map(|order| keys::direction_of(o, order)).transpose()?;
    Ok(CompositeSource {
        field: o.field()?,
        by,
        descending: descending.unwrap_or(false),
        missing_bucket,
        missing_first,
        format: o.text("format")?.map(str::to_owned),
    })
}

fn multi_terms(o: &Options<'_>) -> Result<MultiTermsAgg, QueryError> {
    o.only(
        &["terms", "size", "order", "min_doc_count", "show_term_doc_count_error"],
        &["shard_size", "shard_min_doc_count", "collect_mode"],
    )?;
    let few = || {
        QueryError::illegal(format!(
            "multi term aggregation must has at least 2 terms and at most {PARTS_MAX}. Found in \
             aggregation name [{}]",
            o.name
        ))
    };
    let Some(Json::Array(parts)) = o.get("terms") else { return Err(few()) };
    if !(2..=PARTS_MAX).contains(&parts.len()) {
        return Err(few());
    }
    let mut terms = Vec::with_capacity(parts.len());
    for part in parts {
        let o = Options::new(o.name, o.ty, part)?;
        o.only(
            &["field", "missing", "format", "value_type"],
            &["user_value_type_hint", "time_zone"],
        )?;
        terms.push(MultiTerm {
            field: o.field()?,
            missing: keys::missing_key(&o)?,
            format: o.text("format")?.map(str::to_owned),
        });
    }
    Ok(MultiTermsAgg {
        terms,
        size: keys::size(o, 10)?,
        order: keys::order(o)?,
        min_doc_count: o.count("min_doc_count", 1)?.unwrap_or(1),
        shows_error: o.flag("show_term_doc_count_error", false)?,
    })
}

fn rare_terms(o: &Options<'_>) -> Result<RareTermsAgg, QueryError> {
    o.only(
        &["field", "max_doc_count", "include", "exclude", "missing", "format", "value_type"],
        &["precision"],
    )?;
    let max_doc_count = o.count("max_doc_count", 1)?.unwrap_or(1);
    if max_doc_count > 100 {
        return Err(QueryError::illegal(format!(
            "[max_doc_count] must be smaller than or equal to 100 in [{}]",
            o.name
        )));
    }
    Ok(RareTermsAgg {
        field: o.field()?,
        max_doc_count,
        choice: keys::choice(o)?,
        missing: keys::missing_key(o)?,
        format: o.text("format")?.map(str::to_owned),
    })
}

fn adjacency(
    reader: &mut Reader,
    o: &Options<'_>,
    depth: usize,
) -> Result<AdjacencyAgg, QueryError> {
    o.only(&["filters", "separator"], &[])?;
    let Some(Json::Object(named)) = o.get("filters") else {
        return Err(QueryError::illegal(format!(
            "[filters] cannot be null or must be an object of queries by name: [{}]",
            o.name
        )));
    };
    if named.len() > FILTERS_MAX {
        return Err(QueryError::illegal(format!(
            "Number of filters is too large, must be less than or equal to: [{FILTERS_MAX}] but \
             was [{}]",
            named.len()
        )));
    }
    let mut filters: Vec<(String, Query)> = Vec::with_capacity(named.len());
    for (name, filter) in named {
        filters.push((name.clone(), super::super::query::query(reader, filter, depth + 1)?));
    }
    filters.sort_by(|(a, _), (b, _)| a.cmp(b));
    let separator = o.text("separator")?.unwrap_or("&").to_owned();
    Ok(AdjacencyAgg { filters, separator })
}

fn auto_date(reader: &Reader, o: &Options<'_>) -> Result<AutoDateAgg, QueryError> {
    o.only(
        &["field", "buckets", "minimum_interval", "time_zone", "format", "missing"],
        &["value_type"],
    )?;
    let dates = reader.dates.clone().with(o.text("format")?, o.text("time_zone")?)?;
    let buckets = o.count("buckets", 1)?.unwrap_or(10);
    if buckets > AUTO_MAX {
        return Err(QueryError::illegal(format!("buckets must be less than {AUTO_MAX}")));
    }
    let minimum = match o.text("minimum_interval")? {
        None => None,
        Some("second") => Some(CalendarUnit::Second),
        Some("minute") => Some(CalendarUnit::Minute),
        Some("hour") => Some(CalendarUnit::Hour),
        Some("day") => Some(CalendarUnit::Day),
        Some("month") => Some(CalendarUnit::Month),
        Some("year") => Some(CalendarUnit::Year),
        Some(_) => {
            return Err(QueryError::illegal(
                "minimum_interval must be one of [year, month, day, hour, minute, second]",
            ));
        }
    };
    Ok(AutoDateAgg {
        field: o.field()?,
        buckets: buckets as usize,
        minimum,
        time_zone: o.text("time_zone")?.map(str::to_owned),
        format: o.text("format")?.map(str::to_owned),
        missing: dates::missing(o, &dates)?,
    })
}

fn variable_width(o: &Options<'_>) -> Result<VariableWidthAgg, QueryError> {
    o.only(&["field", "buckets", "missing"], &["shard_size", "initial_buffer", "value_type"])?;
    let buckets = o.count("buckets", 1)?.unwrap_or(10);
    if buckets > WIDTHS_MAX {
        return Err(QueryError::illegal(format!(
            "buckets must be less than {WIDTHS_MAX} for [{}]",
            o.name
        )));
    }
    Ok(VariableWidthAgg {
        field: o.field()?,
        buckets: buckets as usize,
        missing: o.float("missing")?,
    })
}
