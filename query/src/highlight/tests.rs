//! Marks of documents: every kind of query, every option, and every error of the request.

use std::sync::Arc;

use model::id::{IndexName, RecordSeq};
use model::time::Timestamp;
use serde_json::json;

use super::*;
use crate::elastic::Reader;
use crate::search::tests::{api_settings, free_run};

fn read(query: &Json, highlight: &Json) -> Result<Highlighter, QueryError> {
    let body = json!({ "query": query, "highlight": highlight }).to_string();
    let search = Reader::new(Timestamp(0), &api_settings()).search(body.as_bytes())?;
    let highlight = search.request.highlight.unwrap_or_default();
    Highlighter::new(&highlight, &search.request.query)
}

fn mark(document: &Json, query: &Json, highlight: &Json) -> Json {
    let mut hits = vec![Hit {
        index: IndexName::new("i"),
        id: String::new(),
        seq: RecordSeq(0),
        timestamp: Timestamp(0),
        source: Some(document.to_string()),
        sort: Vec::new(),
        fields: None,
        highlight: None,
        said: Default::default(),
    }];
    let highlighter = read(query, highlight).unwrap();
    let text_fields: Arc<[String]> = ["message".to_owned(), "body".to_owned()].into();
    highlighter.apply(&mut hits, &text_fields, &free_run()).unwrap();
    hits.remove(0).highlight.map_or(Json::Null, |marked| Json::Object(*marked))
}

fn document() -> Json {
    json!({
        "@timestamp": "2026-11-20T14:00:00Z",
        "message": "Connection refused by db-1, connection closed",
        "log": {"level": "error"},
        "path": "/var/log/app.log",
        "status": 500,
        "tags": ["error", "web server", "x"],
        "body": null,
    })
}

#[test]
fn every_kind_of_query_marks_what_it_finds() {
    let marked = "<em>Connection</em> refused by db-1, <em>connection</em> closed";
    let refused = "Connection <em>refused</em> by db-1, connection closed";
    let cases = [
        (json!({"match": {"message": "connection"}}), json!({"message": [marked]})),
        (json!({"term": {"message": "connection"}}), json!({"message": [marked]})),
        (json!({"terms": {"message": ["connection", "x"]}}), json!({"message": [marked]})),
        (json!({"prefix": {"message": "conn"}}), json!({"message": [marked]})),
        (json!({"wildcard": {"message": "c*tion"}}), json!({"message": [marked]})),
        (json!({"regexp": {"message": "refu[a-z]+"}}), json!({"message": [refused]})),
        (
            json!({"match_phrase": {"message": "connection refused"}}),
            json!({"message": ["<em>Connection refused</em> by db-1, connection closed"]}),
        ),
        (
            json!({"match_phrase": {"message": {"query": "refused connection", "slop": 4}}}),
            json!({"message": ["<em>Connection</em> <em>refused</em> by db-1, <em>connection</em> closed"]}),
        ),
        (
            json!({"match_phrase_prefix": {"message": "refused b"}}),
            json!({"message": ["Connection <em>refused by</em> db-1, connection closed"]}),
        ),
        (json!({"query_string": {"query": "refused OR level:x"}}), json!({"message": [refused]})),
        (
            json!({"multi_match": {"query": "error", "type": "best_fields", "lenient": true}}),
            json!({"log.level": ["<em>error</em>"], "tags": ["<em>error</em>"]}),
        ),
        (json!({"term": {"log.level": "error"}}), json!({"log.level": ["<em>error</em>"]})),
        (json!({"prefix": {"log.level": "err"}}), json!({"log.level": ["<em>error</em>"]})),
        (json!({"wildcard": {"path": "*app*"}}), json!({"path": ["<em>/var/log/app.log</em>"]})),
        (
            json!({"match_phrase": {"path": "/var/log/app.log"}}),
            json!({"path": ["<em>/var/log/app.log</em>"]}),
        ),
        (json!({"match": {"tags": "server"}}), json!({"tags": ["web <em>server</em>"]})),
        (
            json!({"term": {"log.level.keyword": "error"}}),
            json!({"log.level.keyword": ["<em>error</em>"]}),
        ),
        (json!({"range": {"status": {"gte": 1}}}), Json::Null),
        (json!({"range": {"message": {"gte": "a"}}}), Json::Null),
        (json!({"exists": {"field": "message"}}), Json::Null),
        (json!({"match": {"status": 500}}), Json::Null),
        (json!({"match": {"@timestamp": "2026-11-20T14:00:00Z"}}), Json::Null),
        (json!({"match_all": {}}), Json::Null),
        (
            json!({"bool": {
                "must": [{"match": {"message": "by"}}], "should": [{"match": {"message": "closed"}}],
                "filter": {"match": {"message": "db"}}, "must_not": [{"match": {"message": "refused"}}],
                "minimum_should_match": 1,
            }}),
            json!({"message": ["Connection refused <em>by</em> <em>db</em>-1, connection <em>closed</em>"]}),
        ),
    ];
    for (query, want) in cases {
        let highlight = json!({"fields": {"*": {}}, "fragment_size": 2_147_483_647});
        assert_eq!(mark(&document(), &query, &highlight), want, "{query}");
    }
}

#[test]
fn options_count_for_all_fields_and_for_each() {
    let query = json!({"match": {"message": "connection"}});
    let phrase = json!({"match_phrase": {"message": "connection refused"}});
    let tagged = "[Connection] refused by db-1, [connection] closed";
    let cases = [
        (
            &query,
            json!({"fields": [{"message": {}}], "pre_tags": ["["], "post_tags": ["]"]}),
            json!({"message": [tagged]}),
        ),
        (
            &query,
            json!({"fields": {"message": {"pre_tags": ["["], "post_tags": "]"}}, "pre_tags": ["("]}),
            json!({"message": [tagged]}),
        ),
        (
            &phrase,
            json!({"fields": {"message": {"type": "plain"}}}),
            json!({"message": ["<em>Connection</em> <em>refused</em> by db-1, connection closed"]}),
        ),
        (
            &query,
            json!({"fields": {"message": {}}, "tags_schema": "styled"}),
            json!({"message": ["<em class=\"hlt1\">Connection</em> refused by db-1, <em class=\"hlt1\">connection</em> closed"]}),
        ),
        // Only what is asked of this field is marked, unless the request wants more.
        (&query, json!({"fields": {"tags": {}, "log.level": {}}}), Json::Null),
        (
            &json!({"match": {"message": "error"}}),
            json!({"fields": {"tags": {}, "log.*": {}}, "require_field_match": "false"}),
            json!({"tags": ["<em>error</em>"], "log.level": ["<em>error</em>"]}),
        ),
        (
            &query,
            json!({"fields": {"message": {"highlight_query": {"term": {"message": "closed"}}}}}),
            json!({"message": ["Connection refused by db-1, connection <em>closed</em>"]}),
        ),
        (
            &query,
            json!({"fields": {"log.level": {"no_match_size": 3}, "path": {}}}),
            json!({"log.level": ["error"]}),
        ),
        (&query, json!({"fields": {"message": {"max_analyzed_offset": 5}}}), Json::Null),
        (
            &json!({"match": {"message": "closed"}}),
            json!({"fields": {"body": {"matched_fields": ["message"], "no_match_size": 1}, "tags": {"matched_fields": ["log.level"]}}}),
            Json::Null,
        ),
    ];
    for (query, highlight, want) in cases {
        assert_eq!(mark(&document(), query, &highlight), want, "{highlight}");
    }
}

#[test]
fn long_values_are_cut_into_pieces() {
    let text = "The first sentence says nothing. Then an error came. It was a timeout of the \
                pool. Nobody saw it! Later another error came, with words that go on and on and on \
                until the end of this very long sentence.\nAnd a line with error";
    let document = json!({ "message": text });
    let query = json!({"match": {"message": "error timeout"}});
    let cases = [
        (
            json!({"fragment_size": 40}),
            json!([
                "Then an <em>error</em> came.",
                "It was a <em>timeout</em> of the pool.",
                "Later another <em>error</em> came, with words that",
                "And a line with <em>error</em>",
            ]),
        ),
        (
            json!({"fragment_size": 40, "number_of_fragments": 1}),
            json!(["It was a <em>timeout</em> of the pool."]),
        ),
        (
            json!({"fragment_size": 40, "number_of_fragments": 2, "order": "score"}),
            json!(["It was a <em>timeout</em> of the pool.", "Then an <em>error</em> came."]),
        ),
        (
            json!({"fragment_size": 90, "number_of_fragments": 1}),
            json!([
                "Then an <em>error</em> came. It was a <em>timeout</em> of the pool. Nobody saw it!"
            ]),
        ),
        (
            json!({"boundary_scanner": "word"}),
            json!(["<em>error</em>", "<em>timeout</em>", "<em>error</em>", "<em>error</em>",]),
        ),
    ];
    for (options, want) in cases {
        let got = mark(&document, &query, &json!({"fields": {"message": options}}));
        assert_eq!(got["message"], want, "{options}");
    }
    for whole in [json!({"number_of_fragments": 0}), json!({"fragment_size": 2_147_483_647})] {
        let got = mark(&document, &query, &json!({"fields": {"message": whole}}));
        let plain = got["message"][0].as_str().unwrap().replace("<em>", "").replace("</em>", "");
        assert_eq!((plain.as_str(), got["message"].as_array().unwrap().len()), (text, 1));
    }
    let several = json!({"message": ["an error", "no", "error again"]});
    for fragments in [0, 5] {
        let highlight = json!({"fields": {"message": {}}, "number_of_fragments": fragments});
        let got = mark(&several, &query, &highlight);
        assert_eq!(got["message"], json!(["an <em>error</em>", "<em>error</em> again"]));
    }
}

#[test]
fn html_is_escaped_around_the_tags() {
    let document = json!({"message": "<b> \"error\" & 'more' a/b"});
    let query = json!({"match": {"message": "error"}});
    let got = mark(&document, &query, &json!({"fields": {"message": {}}, "encoder": "html"}));
    let want = "&lt;b&gt; &quot;<em>error</em>&quot; &amp; &#x27;more&#x27; a&#x2F;b";
    assert_eq!(got["message"][0], want);
}

#[test]
fn marks_stay_within_characters() {
    let document = json!({"message": "Größe 日本 ärger🦀 ÄRGER. Straße"});
    let query = json!({"query_string": {"query": "message:(ärger OR größe)"}});
    for size in 1..40 {
        let highlight =
            json!({"fields": {"message": {"fragment_size": size, "no_match_size": size}}});
        let got = mark(&document, &query, &highlight);
        let all = got["message"].to_string();
        assert!(all.contains("<em>ärger</em>") && all.contains("<em>Größe</em>"), "{size}: {all}");
        let none = mark(&document, &json!({"match": {"message": "x"}}), &highlight);
        assert!(none["message"][0].is_string(), "{size}: {none}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let cases = [
        (json!({"fields": {"a": {"foo": 1}}}), "[highlight_field] unknown field [foo]"),
        (json!({"foo": 1}), "[highlight] unknown field [foo]"),
        (json!({"type": "foo", "fields": {}}), "unknown highlighter type [foo]"),
        (json!({"tags_schema": "foo"}), "Unknown tag schema [foo]"),
        (json!({"encoder": "foo"}), "Unknown encoder [foo]"),
        (json!({"fragment_size": -1}), "[fragment_size] must not be negative, got [-1]"),
        (json!({"fields": 3}), "cannot read [fields] [3]: expected an object of fields"),
        (json!({"fields": {"a": {"highlight_query": {"foo": {}}}}}), "unknown query [foo]"),
    ];
    for (highlight, reason) in cases {
        let error = read(&json!({"match_all": {}}), &highlight).unwrap_err();
        assert_eq!(error.reason, reason, "{highlight}");
    }
}
