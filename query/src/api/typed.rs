//! What are the aggregations of an answer called when their names tell their types? For
//! `typed_keys`: `sterms#name`.
//!
//! The request says the type; where it depends on the field's values, the answer does.

use serde_json::{Map, Value as Json};

/// The answers under their typed names, as `spec` (the request's `aggs`) asks for them.
pub(super) fn typed(answers: Map<String, Json>, spec: &Json) -> Map<String, Json> {
    let mut out = Map::new();
    for (name, mut answer) in answers {
        let Some(Json::Object(asked)) = spec.get(&name) else {
            out.insert(name, answer);
            continue;
        };
        let kind =
            asked.keys().find(|key| !matches!(key.as_str(), "aggs" | "aggregations" | "meta"));
        let Some(kind) = kind else { continue };
        let prefix = prefix(kind, &asked[kind.as_str()], &answer);
        if let Some(inner) = asked.get("aggs").or_else(|| asked.get("aggregations")) {
            nested(&mut answer, inner);
        }
        out.insert(format!("{prefix}#{name}"), answer);
    }
    out
}

/// Names what is in the buckets of an answer, or in the one bucket that it is.
fn nested(answer: &mut Json, spec: &Json) {
    let Json::Object(map) = answer else { return };
    match map.get_mut("buckets") {
        Some(Json::Array(list)) => list.iter_mut().for_each(|bucket| rename(bucket, spec)),
        Some(Json::Object(named)) => named.values_mut().for_each(|bucket| rename(bucket, spec)),
        _ => rename(answer, spec),
    }
}

fn rename(bucket: &mut Json, spec: &Json) {
    if let Json::Object(map) = bucket {
        let whole = std::mem::take(map);
        for (name, value) in whole {
            match spec.get(&name) {
                Some(_) => map.extend(typed(Map::from_iter([(name, value)]), spec)),
                None => {
                    map.insert(name, value);
                }
            }
        }
    }
}

fn prefix<'a>(kind: &'a str, options: &Json, answer: &Json) -> &'a str {
    let by_key = |texts, wholes, others, none| {
        let first = answer.get("buckets").and_then(|b| b.get(0)).and_then(|b| b.get("key"));
        match first {
            Some(Json::Number(n)) if n.is_f64() => others,
            Some(Json::Number(_) | Json::Bool(_)) => wholes,
            Some(_) => texts,
            None => none,
        }
    };
    match kind {
        "terms" => by_key("sterms", "lterms", "dterms", "umterms"),
        "rare_terms" => by_key("srareterms", "lrareterms", "srareterms", "umrareterms"),
        "significant_terms" => by_key("sigsterms", "siglterms", "sigsterms", "umsigterms"),
        "significant_text" => "sigsterms",
        "percentiles" if options.get("hdr").is_some() => "hdr_percentiles",
        "percentiles" => "tdigest_percentiles",
        "percentile_ranks" if options.get("hdr").is_some() => "hdr_percentile_ranks",
        "percentile_ranks" => "tdigest_percentile_ranks",
        "bucket_script"
        | "cumulative_sum"
        | "cumulative_cardinality"
        | "moving_fn"
        | "moving_avg"
        | "serial_diff"
        | "avg_bucket"
        | "sum_bucket"
        | "normalize"
        | "moving_percentiles" => "simple_value",
        "min_bucket" | "max_bucket" => "bucket_metric_value",
        "sampler" | "diversified_sampler" | "random_sampler" => "sampler",
        kind => kind,
    }
}
