//! Which samples, words, categories and addresses? The options of `top_hits`, significance,
//! samplers, `categorize_text`, `ip_range` and `ip_prefix`.

use std::net::{IpAddr, Ipv6Addr};

use serde_json::Value as Json;

use super::super::json::{boolean, list, scalar};
use super::super::{Reader, Search, body};
use super::{Options, keys};
use crate::aggregate::ip_number;
use crate::error::QueryError;
use crate::request::{
    BucketAgg, CategorizeAgg, Heuristic, IpPrefixAgg, IpRange, IpRangeAgg, RandomSamplerAgg,
    SamplerAgg, SignificantAgg, TopHitsAgg,
};

/// The most hits of a bucket.
const HITS_MAX: usize = 100;
/// The most filters of a `categorize_text`.
const FILTERS_MAX: usize = 64;

/// Reads an aggregation of this module; `None` when the type is another.
pub(super) fn read(
    reader: &mut Reader,
    o: &Options<'_>,
    depth: usize,
) -> Result<Option<BucketAgg>, QueryError> {
    Ok(Some(match o.ty {
        "top_hits" => BucketAgg::TopHits(Box::new(top_hits(reader, o)?)),
        "significant_terms" => BucketAgg::Significant(significant(reader, o, depth)?),
        "significant_text" => BucketAgg::Significant(significant(reader, o, depth)?),
        "sampler" => BucketAgg::Sampler(sampler(o)?),
        "diversified_sampler" => BucketAgg::Sampler(diversified(o)?),
        "random_sampler" => BucketAgg::RandomSampler(random_sampler(reader, o)?),
        "categorize_text" => BucketAgg::Categorize(categorize(o)?),
        "ip_range" => BucketAgg::IpRange(ip_range(o)?),
        "ip_prefix" => BucketAgg::IpPrefix(ip_prefix(o)?),
        _ => return Ok(None),
    }))
}

fn top_hits(reader: &mut Reader, o: &Options<'_>) -> Result<TopHitsAgg, QueryError> {
    let mut search = Search::default();
    search.request.size = 3;
    for (key, value) in o.map {
        match key.as_str() {
            "explain" if boolean(value) == Some(false) => {}
            "explain" => {
                return Err(QueryError::illegal(format!(
                    "[explain] of [top_hits] in [{}] is not supported in this version",
                    o.name
                )));
            }
            "from"
            | "size"
            | "sort"
            | "_source"
            | "fields"
            | "docvalue_fields"
            | "stored_fields"
            | "version"
            | "seq_no_primary_term"
            | "highlight"
            | "script_fields"
            | "track_scores" => {
                body::take(reader, &mut search, key, value)?;
            }
            _ => {
                return Err(QueryError::parsing(format!(
                    "Unknown key for a value in [{}]: [{key}].",
                    o.name
                )));
            }
        }
    }
    body::settle(&mut search)?;
    let end = search.request.from.saturating_add(search.request.size);
    if end > HITS_MAX {
        return Err(QueryError::illegal(format!(
            "Top hits result window is too large, the top hits aggregator [{}]'s from + size must \
             be less than or equal to: [{HITS_MAX}] but was [{end}]. This limit can be set by \
             changing the [index.max_inner_result_window] index level setting.",
            o.name
        )));
    }
    let Search { request, version, seq_no, scores, .. } = search;
    Ok(TopHitsAgg { request, version, seq_no, scores })
}

fn significant(
    reader: &mut Reader,
    o: &Options<'_>,
    depth: usize,
) -> Result<SignificantAgg, QueryError> {
    let words = o.ty == "significant_text";
    let mut known = vec![
        "field",
        "size",
        "min_doc_count",
        "include",
        "exclude",
        "background_filter",
        "jlh",
        "chi_square",
        "mutual_information",
        "gnd",
        "percentage",
    ];
    if words {
        known.extend(["filter_duplicate_text", "source_fields"]);
    }
    for unsupported in ["script_heuristic", "p_value"] {
        if o.get(unsupported).is_some() {
            return Err(QueryError::illegal(format!(
                "[{unsupported}] of [{}] in [{}] is not supported: use [jlh], [chi_square], \
                 [mutual_information], [gnd] or [percentage]",
                o.ty, o.name
            )));
        }
    }
    o.only(&known, &["shard_size", "shard_min_doc_count", "execution_hint"])?;
    let field = o.field()?;
    if let Some(fields) = o.get("source_fields")
        && list(fields) != [Json::from(field.as_str())]
    {
        return Err(o.bad("source_fields", fields, "the one field that is looked at"));
    }
    let background = match o.get("background_filter") {
        Some(filter) => Some(super::super::query::query(reader, filter, depth + 1)?),
        None => None,
    };
    Ok(SignificantAgg {
        field,
        words,
        size: keys::size(o, 10)?,
        min_doc_count: o.count("min_doc_count", 0)?.unwrap_or(3),
        choice: keys::choice(o)?,
        background,
        heuristic: heuristic(o)?,
        filter_duplicates: words && o.flag("filter_duplicate_text", false)?,
    })
}

fn heuristic(o: &Options<'_>) -> Result<Heuristic, QueryError> {
    let names = ["jlh", "chi_square", "mutual_information", "gnd", "percentage"];
    let mut named = names.iter().filter(|name| o.get(name).is_some());
    let (first, second) = (named.next(), named.next());
    if let (Some(first), Some(second)) = (first, second) {
        return Err(QueryError::parsing(format!(
            "[{}] of [{}] names two measures: [{first}] and [{second}]",
            o.ty, o.name
        )));
    }
    let Some(name) = first else { return Ok(Heuristic::Jlh) };
    let none = Json::Null;
    let of = Options::new(o.name, name, o.get(name).unwrap_or(&none))?;
    let both = ["include_negatives", "background_is_superset"];
    of.only(
        match *name {
            "chi_square" | "mutual_information" => &both,
            "gnd" => &both[1..],
            _ => &[],
        },
        &[],
    )?;
    let negatives = of.flag("include_negatives", false)?;
    let superset = of.flag("background_is_superset", true)?;
    Ok(match *name {
        "chi_square" => Heuristic::ChiSquare { negatives, superset },
        "mutual_information" => Heuristic::MutualInformation { negatives, superset },
        "gnd" => Heuristic::Gnd { superset },
        "percentage" => Heuristic::Percentage,
        _ => Heuristic::Jlh,
    })
}

fn shard_size(o: &Options<'_>) -> Result<usize, QueryError> {
    Ok(usize::try_from(o.count("shard_size", 0)?.unwrap_or(100)).unwrap_or(usize::MAX))
}

fn sampler(o: &Options<'_>) -> Result<SamplerAgg, QueryError> {
    o.only(&["shard_size"], &[])?;
    Ok(SamplerAgg { shard_size: shard_size(o)?, diverse: None })
}

fn diversified(o: &Options<'_>) -> Result<SamplerAgg, QueryError> {
    o.only(&["field", "shard_size", "max_docs_per_value"], &["execution_hint"])?;
    let most = o.count("max_docs_per_value", 0)?.unwrap_or(1);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    Ok(SamplerAgg { shard_size: shard_size(o)?, diverse: Some((o.field()?, most)) })
}

fn random_sampler(reader: &Reader, o: &Options<'_>) -> Result<RandomSamplerAgg, QueryError> {
    o.only(&["probability", "seed", "shard_seed"], &[])?;
    let probability = o.float("probability")?.ok_or_else(|| {
        QueryError::illegal("Required [probability]: the share of documents of a [random_sampler]")
    })?;
    if !(probability > 0.0 && probability <= 0.5 || probability == 1.0) {
        return Err(QueryError::illegal(format!(
            "[probability] must be between 0.0 and 0.5 or exactly 1.0, was [{probability}]"
        )));
    }
    let seed = match o.get("seed") {
        Some(value) => super::super::json::integer(value)
            .filter(|seed| i32::try_from(*seed).is_ok())
            .ok_or_else(|| o.bad("seed", value, "a whole number of 32 bits"))?,
        // Another one for each request.
        None => i64::from((reader.dates.now.0 / 1000) as i32),
    };
    Ok(RandomSamplerAgg { probability, seed })
}

fn categorize(o: &Options<'_>) -> Result<CategorizeAgg, QueryError> {
    o.only(
        &[
            "field",
            "size",
            "min_doc_count",
            "similarity_threshold",
            "categorization_filters",
            "max_matched_tokens",
        ],
        &["shard_size", "shard_min_doc_count", "max_unique_tokens"],
    )?;
    let similarity = o.count("similarity_threshold", 1)?.unwrap_or(70);
    if similarity > 100 {
        return Err(QueryError::illegal(format!(
            "[similarity_threshold] must be in the range [1, 100] in [{}], found [{similarity}]",
            o.name
        )));
    }
    let filters = match o.get("categorization_filters") {
        Some(filters) => super::super::json::strings("categorization_filters", filters)?,
        None => Vec::new(),
    };
    if filters.len() > FILTERS_MAX {
        return Err(o.bad("categorization_filters", &Json::Null, "at most 64 filters"));
    }
    let tokens_max = o.count("max_matched_tokens", 1)?.unwrap_or(100).min(100);
    Ok(CategorizeAgg {
        field: o.field()?,
        size: keys::size(o, 10)?,
        min_doc_count: o.count("min_doc_count", 0)?.unwrap_or(1),
        similarity: similarity as f64,
        filters,
        tokens_max: tokens_max as usize,
    })
}

fn address(text: &str) -> Result<u128, QueryError> {
    let parsed: Option<IpAddr> = text.trim().parse().ok();
    parsed
        .map(ip_number)
        .ok_or_else(|| QueryError::illegal(format!("'{text}' is not an IP string literal.")))
}

/// The first address of a network, and the first after it.
fn network(mask: &str) -> Result<(u128, Option<u128>), QueryError> {
    let bad = || {
        QueryError::illegal(format!("invalid IP prefix [{mask}]: expected such as `10.0.0.0/8`"))
    };
    let (base, length) = mask.split_once('/').ok_or_else(bad)?;
    let number = address(base)?;
    let is_v4 = Ipv6Addr::from_bits(number).to_ipv4_mapped().is_some();
    let most = if is_v4 { 32 } else { 128 };
    let length: u32 = length.parse().ok().filter(|length| *length <= most).ok_or_else(bad)?;
    let free = most - length;
    let first = if free == 128 { 0 } else { number >> free << free };
    let count = 1u128.checked_shl(free);
    Ok((first, count.and_then(|count| first.checked_add(count))))
}

fn ip_range(o: &Options<'_>) -> Result<IpRangeAgg, QueryError> {
    o.only(&["field", "ranges", "keyed", "missing"], &["value_type"])?;
    let none =
        || QueryError::illegal(format!("No [ranges] specified for the [{}] aggregation", o.name));
    let json = o.get("ranges").ok_or_else(none)?;
    let Json::Array(list) = json else { return Err(o.bad("ranges", json, "an array")) };
    if list.is_empty() {
        return Err(none());
    }
    let mut ranges = Vec::with_capacity(list.len());
    for range in list {
        ranges.push(one_range(o, range)?);
    }
    let missing = o.text("missing")?.map(address).transpose()?;
    Ok(IpRangeAgg { field: o.field()?, ranges, keyed: o.flag("keyed", false)?, missing })
}

fn one_range(o: &Options<'_>, range: &Json) -> Result<IpRange, QueryError> {
    let map = range.as_object().ok_or_else(|| o.bad("ranges", range, "objects"))?;
    let mut out = IpRange { key: None, from: None, to: None };
    for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
        let text = || scalar(value).ok_or_else(|| o.bad("ranges", value, "addresses"));
        match key.as_str() {
            "key" => out.key = Some(text()?),
            "from" => out.from = Some(address(&text()?)?),
            "to" => out.to = Some(address(&text()?)?),
            "mask" => {
                let mask = text()?;
                let (from, to) = network(&mask)?;
                (out.from, out.to) = (Some(from), to);
                out.key.get_or_insert(mask);
            }
            _ => return Err(QueryError::parsing(format!("[{}] unknown field [{key}]", o.ty))),
        }
    }
    // The name that is given counts, wherever it stands.
    if let Some(key) = map.get("key").and_then(scalar) {
        out.key = Some(key);
    }
    Ok(out)
}

fn ip_prefix(o: &Options<'_>) -> Result<IpPrefixAgg, QueryError> {
    o.only(
        &["field", "prefix_length", "is_ipv6", "append_prefix_length", "min_doc_count", "keyed"],
        &[],
    )?;
    let is_ipv6 = o.flag("is_ipv6", false)?;
    let (most, kind) = if is_ipv6 { (128, "IPv6") } else { (32, "IPv4") };
    let length = o.count("prefix_length", 0)?.ok_or_else(|| {
        QueryError::illegal("Required [prefix_length]: the bits of an [ip_prefix]")
    })?;
    let length = u8::try_from(length).ok().filter(|length| *length <= most).ok_or_else(|| {
        QueryError::illegal(format!(
            "[prefix_length] must be in range [0, {most}] while value is [{length}] for {kind} \
             addresses"
        ))
    })?;
    Ok(IpPrefixAgg {
        field: o.field()?,
        length,
        is_ipv6,
        append_length: o.flag("append_prefix_length", false)?,
        min_doc_count: o.count("min_doc_count", 1)?.unwrap_or(1),
        keyed: o.flag("keyed", false)?,
    })
}
