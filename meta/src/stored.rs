//! What is kept as it is? Ingest pipelines and scripts.

use model::meta::{Fault, MetaKind};
use serde_json::Value as Json;

use crate::pattern::glob;
use crate::registry::Draft;
use crate::value::{object, strings};

/// `PUT /_ingest/pipeline/{name}`.
///
/// # Errors
/// It is no pipeline.
pub fn put_pipeline(draft: &mut Draft, name: &str, body: Json) -> Result<(), Fault> {
    let map = object(body, "pipeline")?;
    let parse = |reason: String| Err(Fault::new(400, "parse_exception", reason));
    const KEYS: [&str; 7] = [
        "description",
        "processors",
        "on_failure",
        "version",
        "_meta",
        "deprecated",
        "field_access_pattern",
    ];
    if let Some(key) = map.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return parse(format!(
            "pipeline [{name}] doesn't support one or more provided configuration parameters \
             [{key}]"
        ));
    }
    for list in ["processors", "on_failure"] {
        match map.get(list) {
            None if list == "on_failure" => {}
            None => return parse("[processors] required property is missing".to_owned()),
            Some(Json::Array(processors)) => {
                if list == "on_failure" && processors.is_empty() {
                    let what =
                        format!("pipeline [{name}] cannot have an empty on_failure option defined");
                    return parse(what);
                }
                let wrong = processors.iter().find(|p| {
                    p.as_object().is_none_or(|p| p.len() != 1 || !p.values().all(Json::is_object))
                });
                if wrong.is_some() {
                    return parse(format!(
                        "[{list}] each processor must be an object of one type with its options"
                    ));
                }
            }
            Some(_) => {
                return parse(format!(
                    "[{list}] property isn't a list, but of type [java.lang.String]"
                ));
            }
        }
    }
    draft.put(MetaKind::Pipeline, name, &Json::Object(map))
}

/// `DELETE /_ingest/pipeline/{name}`, patterns too.
///
/// # Errors
/// It is not there.
pub fn delete_pipelines(draft: &mut Draft, name: &str) -> Result<(), Fault> {
    let rows = draft.state().all(MetaKind::Pipeline).map(|(n, _)| n.to_owned());
    let found: Vec<String> = rows.filter(|n| glob(name, n)).collect();
    if found.is_empty() && name != "*" {
        let reason = format!("pipeline [{name}] is missing");
        return Err(Fault::new(404, "resource_not_found_exception", reason));
    }
    found.iter().for_each(|n| draft.delete(MetaKind::Pipeline, n));
    Ok(())
}

/// `PUT /_scripts/{id}`.
///
/// # Errors
/// It is no script.
pub fn put_script(draft: &mut Draft, id: &str, body: Json) -> Result<(), Fault> {
    let mut map = object(body, "stored script source")?;
    let Some(Json::Object(script)) = map.remove("script") else {
        return Err(Fault::argument("unexpected missing [script]; expected an object"));
    };
    let missing =
        |what: &str| Err(Fault::argument(format!("must specify {what} for stored script")));
    if script.get("lang").and_then(strings).is_none() {
        return missing("lang");
    }
    if script.get("source").is_none() {
        return missing("source");
    }
    draft.put(MetaKind::Script, id, &Json::Object(script))
}
