//! How long does a first answer take? Each kind of question with parameters of its own each time.

use anyhow::{Result, bail};
use serde_json::{Value as Json, json};

use super::corpus::Bulk;
use super::report::Report;
use crate::program::Server;

const VARIANTS: usize = 9;
const DAY: &str = "2026-11-20";

/// A row of the table: its name, its target, the searches, whether something must be found.
struct Kind {
    figure: &'static str,
    target: &'static str,
    searches: Vec<Json>,
}

pub(super) fn measure(server: &Server, bulk: &Bulk, report: &mut Report) -> Result<()> {
    // Connections, threads and code pages are warm on any server that is in use; data is not.
    server.search(&json!({"size": 0, "query": {"term": {"service.name": "warm-up"}}}))?;
    for kind in kinds(&Sample::new(&bulk.sample)) {
        if kind.searches.len() < 3 {
            bail!("the corpus is too small for `{}`; use more --docs", kind.figure);
        }
        let mut times_ms = Vec::new();
        let mut empty = 0;
        for search in &kind.searches {
            let (answer, took) = server.timed_search(search)?;
            times_ms.push(took.as_secs_f64() * 1000.0);
            empty += usize::from(is_empty(&answer));
        }
        // A search that finds nothing is easy; most must find something.
        if empty * 2 > kind.searches.len() {
            bail!("`{}`: {empty} of {} searches found nothing", kind.figure, times_ms.len());
        }
        times_ms.sort_by(f64::total_cmp);
        let median = times_ms[times_ms.len() / 2];
        let (least, most) = (times_ms[0], times_ms[times_ms.len() - 1]);
        report.row(kind.figure, format!("{median:.1} ({least:.1}–{most:.1})"), kind.target);
    }
    Ok(())
}

fn is_empty(answer: &Json) -> bool {
    let found = answer["hits"]["total"]["value"].as_u64().unwrap_or(0) > 0;
    let hits = answer["hits"]["hits"].as_array().is_some_and(|hits| !hits.is_empty());
    !found && !hits
}

/// Parameters from the corpus itself.
struct Sample<'a> {
    docs: &'a [Json],
}

impl<'a> Sample<'a> {
    fn new(docs: &'a [Json]) -> Self {
        Self { docs }
    }

    /// Distinct values of a field, spread over the corpus.
    fn values(&self, pointer: &str) -> Vec<&'a str> {
        let mut out: Vec<&str> = Vec::new();
        let step = (self.docs.len() / (VARIANTS * 8)).max(1);
        let found = self.docs.iter().step_by(step).filter_map(|d| d.pointer(pointer)?.as_str());
        for value in found {
            if out.len() < VARIANTS && !out.contains(&value) {
                out.push(value);
            }
        }
        out
    }

    /// Two words that follow each other in messages, without digits.
    fn phrases(&self) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        let step = (self.docs.len() / (VARIANTS * 8)).max(1);
        for doc in self.docs.iter().step_by(step) {
            let message = doc["message"].as_str().unwrap_or_default();
            let words: Vec<&str> = message.split(' ').collect();
            let plain = |w: &&str| w.len() > 2 && w.bytes().all(|b| b.is_ascii_alphabetic());
            let pair = words.windows(2).find(|pair| pair.iter().all(plain));
            let phrase = pair.map(|pair| pair.join(" "));
            out.extend(phrase.filter(|p| out.len() < VARIANTS && !out.contains(p)));
        }
        out
    }
}

/// A search without hits but with aggregations over a query.
fn counted(query: &Json, aggs: Json) -> Json {
    json!({"size": 0, "track_total_hits": true, "query": query, "aggs": aggs})
}

fn newest(size: usize, query: &Json) -> Json {
    json!({
        "size": size, "track_total_hits": false, "query": query,
        "sort": [{"@timestamp": "desc"}],
    })
}

/// The day but for its last seconds: a range of its own for each variant.
fn day(variant: usize) -> Json {
    range("00:00:00", &format!("23:59:{:02}", 59 - variant))
}

fn range(from: &str, to: &str) -> Json {
    json!({"range": {"@timestamp": {
        "gte": format!("{DAY}T{from}Z"), "lt": format!("{DAY}T{to}Z"),
    }}})
}

fn hour(variant: usize) -> Json {
    let from = 2 + 2 * variant;
    range(&format!("{from:02}:00:00"), &format!("{:02}:00:00", from + 1))
}

fn all_of(queries: &[&Json]) -> Json {
    json!({"bool": {"filter": queries}})
}

fn term(field: &str, value: &str) -> Json {
    json!({"term": {field: value}})
}

const EACH: std::ops::Range<usize> = 0..VARIANTS;

fn kinds(sample: &Sample<'_>) -> Vec<Kind> {
    let mut kinds = hits(sample);
    kinds.extend(scans());
    kinds.extend(aggregations());
    kinds
}

fn hits(sample: &Sample<'_>) -> Vec<Kind> {
    let traces = sample.values("/trace/id");
    let services = sample.values("/service/name");
    vec![
        Kind {
            figure: "needle: one trace id in the day, ms",
            target: "≤ 2",
            searches: traces.iter().map(|t| newest(20, &term("trace.id", t))).collect(),
        },
        Kind {
            figure: "phrase, newest 20, ms",
            target: "≤ 4",
            searches: sample
                .phrases()
                .iter()
                .map(|p| newest(20, &json!({"match_phrase": {"message": p}})))
                .collect(),
        },
        Kind {
            figure: "newest 100 of service + level, ms",
            target: "≤ 8",
            searches: services
                .iter()
                .map(|s| term("service.name", s))
                .map(|s| newest(100, &all_of(&[&s, &term("log.level", "info")])))
                .collect(),
        },
        Kind {
            figure: "newest 500 of everything, ms",
            target: "≤ 15",
            searches: EACH.map(|v| newest(500, &day(v))).collect(),
        },
    ]
}

fn scans() -> Vec<Kind> {
    let messages = |name: &str, pattern: String| {
        counted(&json!({name: {"message": {"value": pattern}}}), json!({}))
    };
    vec![
        Kind {
            figure: "substring inside a token (`*4272*`), ms",
            target: "≤ 40",
            searches: EACH.map(|v| messages("wildcard", format!("*{}*", 4272 + 311 * v))).collect(),
        },
        Kind {
            figure: "regex over messages, ms",
            target: "≤ 40",
            searches: ["refused", "expired", "closed", "received", "failed"]
                .iter()
                .flat_map(|w| [format!(".*conn.*{w}.*"), format!(".*[0-9]+ .*{w}.*")])
                .map(|pattern| messages("regexp", pattern))
                .collect(),
        },
        Kind {
            figure: "count of a common word, ms",
            target: "≤ 2",
            searches: [
                "get", "post", "http", "info", "mozilla", "chrome", "error", "block", "root",
            ]
            .iter()
            .map(|w| counted(&json!({"match": {"message": w}}), json!({})))
            .collect(),
        },
    ]
}

fn aggregations() -> Vec<Kind> {
    let over_time = |interval: &str, aggs: Json| {
        json!({"t": {
            "date_histogram": {"field": "@timestamp", "fixed_interval": interval}, "aggs": aggs,
        }})
    };
    let levels = json!({"l": {"terms": {"field": "log.level"}}});
    let server_errors = json!({"range": {"http.response.status_code": {"gte": 500}}});
    let words =
        ["error", "failed", "session", "connection", "user", "block", "warn", "post", "root"];
    let discover = |word: &str| {
        let mut search = counted(&json!({"match": {"message": word}}), over_time("10m", json!({})));
        search["size"] = 500.into();
        search["sort"] = json!([{"@timestamp": "desc"}]);
        search
    };
    vec![
        Kind {
            figure: "histogram 5 min × level over the day, ms",
            target: "≤ 5",
            searches: EACH.map(|v| counted(&day(v), over_time("5m", levels.clone()))).collect(),
        },
        Kind {
            figure: "top 10 pods in an hour, ms",
            target: "≤ 3",
            searches: EACH
                .map(|v| {
                    counted(&hour(v), json!({"p": {"terms": {"field": "kubernetes.pod.name"}}}))
                })
                .collect(),
        },
        Kind {
            figure: "percentiles of a number by service, ms",
            target: "≤ 20",
            searches: EACH
                .map(|v| {
                    let percentiles = json!({"percentiles": {"field": "event.duration"}});
                    let by =
                        json!({"terms": {"field": "service.name"}, "aggs": {"p": percentiles}});
                    counted(&day(v), json!({"s": by}))
                })
                .collect(),
        },
        Kind {
            figure: "distinct client addresses, ms",
            target: "≤ 20",
            searches: EACH
                .map(|v| counted(&day(v), json!({"c": {"cardinality": {"field": "client.ip"}}})))
                .collect(),
        },
        Kind {
            figure: "histogram of 5xx, ms",
            target: "≤ 3",
            searches: EACH
                .map(|v| counted(&all_of(&[&server_errors, &day(v)]), over_time("5m", json!({}))))
                .collect(),
        },
        Kind {
            figure: "Discover: word + histogram + newest 500, ms",
            target: "≤ 30",
            searches: words.iter().map(|word| discover(word)).collect(),
        },
    ]
}
