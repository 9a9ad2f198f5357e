//! How does a file of scenarios run? Its documents, its steps in order, and no trace left behind.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::{Map, Value as Json, json};

use super::Scenario;
use super::expect::differences;
use super::format::{Documents, Encoding, File, Only, Step};
use super::path::find;
use crate::support::{Answer, request};

/// How long a step with `until` is repeated.
const UNTIL_TIMEOUT: Duration = Duration::from_secs(60);
/// The most of an answer that a failure shows.
const SHOWN_BYTES_MAX: usize = 4000;

/// The server that is asked.
pub struct Target {
    pub url: String,
    /// Logdrive, and not a real Elasticsearch.
    pub ours: bool,
    /// Steps that are only for this server do not run.
    pub skipped: Only,
}

/// A request, ready to be sent.
struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    /// The body as a person reads it.
    shown: String,
}

impl Request {
    fn send(&self, target: &Target) -> Answer {
        let headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let url = format!("{}{}", target.url, self.path);
        request(&self.method, &url, &headers, self.body.as_deref())
    }
}

/// Values that steps have named.
type Names = BTreeMap<String, Json>;

/// Runs a file; how many steps ran, and what failed.
pub fn run(scenario: &Scenario, target: &Target) -> (usize, Vec<String>) {
    let index = scenario.name.replace('_', "-");
    let mut names = Names::new();
    if let Err(error) = prepare(&scenario.file, &index, target) {
        return (0, vec![format!("{}.yml: {error}", scenario.name)]);
    }
    let (mut ran, mut failures) = (0, Vec::new());
    for (at, step) in scenario.file.steps.iter().enumerate() {
        if step.only == Some(target.skipped) {
            continue;
        }
        ran += 1;
        if let Err(failure) = run_step(step, &mut names, target) {
            let title = match step.name.as_str() {
                "" => String::new(),
                name => format!(" ({name})"),
            };
            failures.push(format!("{}.yml step {}{title}\n{failure}", scenario.name, at + 1));
        }
    }
    if !target.ours {
        clean(&index, target);
    }
    (ran, failures)
}

/// Removes what a file leaves, on a server that others use too.
fn clean(index: &str, target: &Target) {
    for path in [
        format!("/_data_stream/{index}*"),
        format!("/{index}*?expand_wildcards=all"),
        format!("/_index_template/{index}*"),
        format!("/_template/{index}*"),
        format!("/_component_template/{index}*"),
        format!("/_ingest/pipeline/{index}*"),
        format!("/_ilm/policy/{index}"),
    ] {
        request("DELETE", &format!("{}{path}", target.url), &[], None);
    }
}

/// The types that every document has here without being told: strings are keywords, but the
/// fields of `index.text_fields`.
fn template(index: &str, file: &File) -> Json {
    let mut properties = Map::new();
    for text in ["message", "error.stack_trace", "event.original"] {
        properties.insert(text.to_owned(), json!({ "type": "text" }));
    }
    properties.insert("@timestamp".to_owned(), json!({ "type": "date" }));
    properties.extend(file.mappings.clone());
    json!({
        "index_patterns": [format!("{index}*")],
        "priority": 1,
        "template": {
            "settings": { "number_of_shards": 1, "number_of_replicas": 0 },
            "mappings": {
                "dynamic_templates": [{
                    "strings": { "match_mapping_type": "string", "mapping": { "type": "keyword" } },
                }],
                "date_detection": false,
                "properties": properties,
            },
        },
    })
}

fn prepare(file: &File, index: &str, target: &Target) -> Result<(), String> {
    let send = |method: &str, path: &str, kind: &str, body: &str| {
        let url = format!("{}{path}", target.url);
        let answer = request(method, &url, &[("content-type", kind)], Some(body.as_bytes()));
        match answer.status {
            200..300 if !answer.body.contains("\"errors\":true") => Ok(()),
            status => Err(format!("{method} {path}: {status} {}", cut(&answer.body))),
        }
    };
    if !target.ours {
        clean(index, target);
        let template = template(index, file).to_string();
        let path = format!("/_index_template/{index}-of-the-scenario");
        send("PUT", &path, "application/json", &template)?;
    }
    let named = match &file.docs {
        Documents::Own(docs) if docs.is_empty() => return Ok(()),
        Documents::Own(docs) => BTreeMap::from([(index.to_owned(), docs.clone())]),
        Documents::Named(named) => named.clone(),
    };
    let mut body = String::new();
    for (name, docs) in named {
        for (at, doc) in docs.into_iter().enumerate() {
            let mut doc = doc;
            let id = doc.remove("_id").unwrap_or_else(|| (at + 1).to_string().into());
            let action = json!({ "create": { "_index": name, "_id": id } });
            body.push_str(&format!("{action}\n{}\n", Json::Object(doc)));
        }
    }
    send("POST", "/_bulk?refresh=true", "application/x-ndjson", &body)
}

fn run_step(step: &Step, names: &mut Names, target: &Target) -> Result<(), String> {
    let request = build(step, names).map_err(|e| format!("  the step is wrong: {e}"))?;
    let expected = with_names(step, names)?;
    let began = Instant::now();
    loop {
        let answer = request.send(target);
        let wrong = differences(&expected, &answer);
        if wrong.is_empty() {
            return keep(step, &answer, names);
        }
        if !step.until || began.elapsed() > UNTIL_TIMEOUT {
            return Err(format!(
                "  {} {}\n  {}\n  → {} {}\n  - {}",
                request.method,
                request.path,
                cut(&request.shown),
                answer.status,
                cut(&answer.body),
                wrong.join("\n  - ")
            ));
        }
    }
}

/// Keeps what the step names.
fn keep(step: &Step, answer: &Answer, names: &mut Names) -> Result<(), String> {
    for (name, path) in &step.set {
        let json = serde_json::from_str(&answer.body).unwrap_or(Json::Null);
        match find(&json, path)? {
            Some(found) => names.insert(name.clone(), found),
            None => {
                return Err(format!("  set {name}: there is no {path} in {}", cut(&answer.body)));
            }
        };
    }
    Ok(())
}

/// The step's expectations, with the names' values put in.
fn with_names(step: &Step, names: &Names) -> Result<Step, String> {
    let map = |map: &Map<String, Json>| match put(&Json::Object(map.clone()), names) {
        Json::Object(map) => map,
        _ => Map::new(),
    };
    let lists = |each: &BTreeMap<String, Vec<Json>>| {
        let put = |list: &Vec<Json>| list.iter().map(|json| put(json, names)).collect();
        each.iter().map(|(k, v)| (put_text(k, names), put(v))).collect()
    };
    let paths = |paths: &super::format::OneOrMore<String>| {
        let each = paths.as_slice().iter().map(|path| put_text(path, names));
        super::format::OneOrMore::More(each.collect())
    };
    let error = step.error.as_ref().map(|error| {
        let text = |text: &Option<String>| text.as_ref().map(|text| put_text(text, names));
        super::format::ErrorIs {
            kind: text(&error.kind),
            reason: text(&error.reason),
            root_type: text(&error.root_type),
            root_reason: text(&error.root_reason),
        }
    });
    Ok(Step {
        matches: map(&step.matches),
        contains: map(&step.contains),
        buckets: lists(&step.buckets),
        is_true: paths(&step.is_true),
        is_false: paths(&step.is_false),
        exists: paths(&step.exists),
        absent: paths(&step.absent),
        text: step.text.as_ref().map(paths),
        error,
        ..step.clone()
    })
}

/// A value with `${name}` replaced; a text that is nothing else becomes the value itself.
fn put(json: &Json, names: &Names) -> Json {
    match json {
        Json::String(text) => {
            let whole = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
            match whole.and_then(|name| names.get(name)) {
                Some(value) => value.clone(),
                None => put_text(text, names).into(),
            }
        }
        Json::Array(list) => list.iter().map(|one| put(one, names)).collect(),
        Json::Object(map) => map.iter().map(|(k, v)| (put_text(k, names), put(v, names))).collect(),
        other => other.clone(),
    }
}

fn put_text(text: &str, names: &Names) -> String {
    let mut out = text.to_owned();
    for (name, value) in names {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        out = out.replace(&format!("${{{name}}}"), &value);
    }
    out
}

fn build(step: &Step, names: &Names) -> Result<Request, String> {
    let call = put_text(&step.call, names);
    let (method, path) = call.split_once(' ').unwrap_or(("GET", &call));
    let mut path = path.trim().replace(' ', "%20");
    for (name, value) in &step.params {
        let value = put(value, names);
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        path.push(if path.contains('?') { '&' } else { '?' });
        path.push_str(&format!("{}={}", escape(name), escape(&value)));
    }
    let line = |json: &Json| match put(json, names) {
        Json::String(text) => format!("{text}\n"),
        json => format!("{json}\n"),
    };
    let (text, kind) = match (&step.body, &step.ndjson, &step.raw) {
        (Some(body), ..) => (Some(put(body, names).to_string()), "application/json"),
        (_, Some(lines), _) => (Some(lines.iter().map(line).collect()), "application/x-ndjson"),
        (.., Some(raw)) => (Some(put_text(raw, names)), "application/json"),
        _ => (None, ""),
    };
    let mut headers: Vec<(String, String)> =
        step.headers.iter().map(|(k, v)| (k.to_ascii_lowercase(), put_text(v, names))).collect();
    if text.is_some() && !headers.iter().any(|(name, _)| name == "content-type") {
        headers.push(("content-type".to_owned(), kind.to_owned()));
    }
    let shown = text.clone().unwrap_or_default();
    let body = text.map(|text| encode(text.as_bytes(), step, &mut headers)).transpose();
    let body = body.map_err(|e| format!("the body cannot be compressed: {e}"))?;
    Ok(Request { method: method.to_owned(), path, headers, body, shown })
}

fn encode(
    body: &[u8],
    step: &Step,
    headers: &mut Vec<(String, String)>,
) -> std::io::Result<Vec<u8>> {
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    let Some(encoding) = &step.encoding else { return Ok(body.to_vec()) };
    let (name, bytes) = match encoding {
        Encoding::Gzip => {
            let mut to = GzEncoder::new(Vec::new(), Compression::fast());
            to.write_all(body)?;
            ("gzip", to.finish()?)
        }
        Encoding::Deflate => {
            let mut to = ZlibEncoder::new(Vec::new(), Compression::fast());
            to.write_all(body)?;
            ("deflate", to.finish()?)
        }
        Encoding::Zstd => ("zstd", zstd::encode_all(body, 1)?),
    };
    headers.push(("content-encoding".to_owned(), name.to_owned()));
    Ok(bytes)
}

/// Percent-encodes what is not plain in the parameters of a URL.
fn escape(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~*,:@".contains(&b);
    text.bytes()
        .map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

fn cut(text: &str) -> String {
    if text.len() <= SHOWN_BYTES_MAX {
        return text.trim_end().to_owned();
    }
    let end = (0..=SHOWN_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}… ({} bytes)", &text[..end], text.len())
}
