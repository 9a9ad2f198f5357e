//! What of the hits is to be marked? `highlight`, with options for all fields and for each.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::Reader;
use super::json::{bad, boolean, brief, integer, list, scalar, strings};
use crate::error::QueryError;
use crate::highlight::{Boundary, Highlight, HighlightField, Kind, Options};

/// The most fields and patterns of fields.
const FIELDS_MAX: usize = 1_000;
/// Tags of `tags_schema: styled`.
const STYLED: usize = 10;

/// Reads `highlight`.
///
/// # Errors
/// It is malformed, or has an option that is unknown.
pub(super) fn highlight(reader: &mut Reader, json: &Json) -> Result<Highlight, QueryError> {
    let Json::Object(map) = json else { return Err(bad("highlight", json, "an object")) };
    let mut common = Options::default();
    // The options of all fields come first, wherever they stand.
    for (key, value) in map {
        if key != "fields" && !take(reader, &mut common, key, value)? {
            return Err(QueryError::parsing(format!("[highlight] unknown field [{key}]")));
        }
    }
    let mut out = Highlight::default();
    for part in map.get("fields").map(list).unwrap_or_default() {
        let Json::Object(fields) = part else {
            return Err(bad("fields", part, "an object of fields"));
        };
        if matches!(map.get("fields"), Some(Json::Array(_))) && fields.len() != 1 {
            return Err(QueryError::parsing(
                "[highlight] [fields] can be a single object with any number of fields or an \
                 array where each entry is an object with a single field",
            ));
        }
        for (pattern, options) in fields {
            if out.fields.len() == FIELDS_MAX {
                return Err(QueryError::illegal(format!(
                    "[highlight] has more than {FIELDS_MAX} fields"
                )));
            }
            let options = field(reader, common.clone(), (pattern, options))?;
            out.fields.push(HighlightField { pattern: pattern.clone(), options });
        }
    }
    Ok(out)
}

fn field(
    reader: &mut Reader,
    mut out: Options,
    (name, json): (&str, &Json),
) -> Result<Options, QueryError> {
    let empty = Map::new();
    let options = match json {
        Json::Object(options) => options,
        Json::Null => &empty,
        other => return Err(bad(name, other, "an object of options")),
    };
    for (key, value) in options {
        match key.as_str() {
            "matched_fields" => out.matched_fields = strings(key, value)?,
            _ => {
                if !take(reader, &mut out, key, value)? {
                    return Err(QueryError::parsing(format!(
                        "[highlight_field] unknown field [{key}]"
                    )));
                }
            }
        }
    }
    Ok(out)
}

/// Takes an option; tells whether there is one of that name.
fn take(
    reader: &mut Reader,
    out: &mut Options,
    key: &str,
    value: &Json,
) -> Result<bool, QueryError> {
    match key {
        "pre_tags" => out.pre_tags = strings(key, value)?,
        "post_tags" => out.post_tags = strings(key, value)?,
        "tags_schema" => tags_schema(out, value)?,
        "fragment_size" => out.fragment_size = size(key, value)?,
        "number_of_fragments" => out.fragments = size(key, value)?,
        "no_match_size" => out.no_match_size = size(key, value)?,
        "require_field_match" => {
            out.require_field_match =
                boolean(value).ok_or_else(|| bad(key, value, "true or false"))?;
        }
        "order" => out.by_score = scalar(value).as_deref() == Some("score"),
        "highlight_query" if value.is_null() => {}
        "highlight_query" => out.query = Some(Arc::new(reader.query(value)?)),
        "encoder" => match value.as_str() {
            Some("html") => out.html = true,
            Some("default") => out.html = false,
            _ => {
                return Err(QueryError::illegal(format!("Unknown encoder [{}]", brief(value))));
            }
        },
        "type" => out.kind = highlighter(value)?,
        "boundary_scanner" => out.boundary = boundary(value)?,
        "max_analyzed_offset" => match integer(value) {
            Some(n) if n > 0 => out.analyzed_max = usize::try_from(n).ok(),
            Some(-1) => {}
            _ => {
                return Err(QueryError::illegal(format!(
                    "[max_analyzed_offset] must be a positive integer, or -1, got {}",
                    brief(value)
                )));
            }
        },
        // What cuts pieces a little differently, or says how they are found.
        "fragmenter"
        | "fragment_offset"
        | "phrase_limit"
        | "boundary_chars"
        | "boundary_max_scan"
        | "boundary_scanner_locale"
        | "force_source"
        | "options" => {}
        "use_explicit_field_order" => {}
        _ => return Ok(false),
    }
    Ok(true)
}

fn tags_schema(out: &mut Options, value: &Json) -> Result<(), QueryError> {
    match value.as_str() {
        Some("styled") => {
            out.pre_tags = (1..=STYLED).map(|n| format!("<em class=\"hlt{n}\">")).collect();
            out.post_tags = vec!["</em>".to_owned()];
        }
        Some("default") => {
            (out.pre_tags, out.post_tags) =
                (Options::default().pre_tags, Options::default().post_tags);
        }
        _ => {
            return Err(QueryError::illegal(format!("Unknown tag schema [{}]", brief(value))));
        }
    }
    Ok(())
}

fn highlighter(value: &Json) -> Result<Kind, QueryError> {
    match value.as_str() {
        Some("unified") => Ok(Kind::Unified),
        Some("plain") => Ok(Kind::Plain),
        Some("fvh" | "fast-vector-highlighter") => Ok(Kind::Fvh),
        _ => Err(QueryError::illegal(format!("unknown highlighter type [{}]", brief(value)))),
    }
}

fn boundary(value: &Json) -> Result<Boundary, QueryError> {
    match value.as_str().map(str::to_ascii_lowercase).as_deref() {
        Some("sentence" | "chars") => Ok(Boundary::Sentence),
        Some("word") => Ok(Boundary::Word),
        _ => Err(QueryError::illegal(format!("unknown boundary scanner [{}]", brief(value)))),
    }
}

fn size(key: &str, value: &Json) -> Result<usize, QueryError> {
    let number = integer(value).ok_or_else(|| bad(key, value, "a whole number"))?;
    usize::try_from(number)
        .map_err(|_| QueryError::illegal(format!("[{key}] must not be negative, got [{number}]")))
}
