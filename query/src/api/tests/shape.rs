//! Shapes of JSON: filters of sources and responses, failed shards, nested mappings, uuids.

use proptest::prelude::*;

use super::*;
use crate::answer::{Hit, SearchAnswer, ShardFailure, Shards, TailEvent};
use crate::api::fields::FieldType;
use crate::api::hits::Presentation;
use crate::api::search::Found;
use crate::api::stream::{Events, Lines};
use crate::error::{ErrorKind, QueryError};
use crate::request::SourceFilter;

#[test]
fn sources_are_filtered_by_path() {
    let document = json!({
        "a": {"b": 1, "c": {"d": 2}}, "a.e": 3, "list": [{"x": 1, "y": 2}, {"x": 3}, 4], "z": null,
    });
    let cases: [(&[&str], &[&str], Json); 9] = [
        (&[], &[], document.clone()),
        (&["a"], &[], json!({"a": {"b": 1, "c": {"d": 2}}})),
        (&["a.*"], &[], json!({"a": {"b": 1, "c": {"d": 2}}, "a.e": 3})),
        (&["a.c"], &[], json!({"a": {"c": {"d": 2}}})),
        (&["*.d", "z"], &[], json!({"a": {"c": {"d": 2}}, "z": null})),
        (&["list.x"], &[], json!({"list": [{"x": 1}, {"x": 3}]})),
        (
            &[],
            &["a.c", "list.y"],
            json!({"a": {"b": 1}, "a.e": 3, "list": [{"x": 1}, {"x": 3}, 4], "z": null}),
        ),
        (&["a"], &["a.c.*"], json!({"a": {"b": 1, "c": {}}})),
        (&["*"], &["*"], json!({})),
    ];
    for (includes, excludes, want) in cases {
        let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        let filter =
            SourceFilter { off: false, includes: owned(includes), excludes: owned(excludes) };
        assert_eq!(filter::filter_source(document.clone(), &filter), want, "{filter:?}");
    }
}

#[test]
fn responses_are_filtered_by_path() {
    let response = json!({
        "took": 1, "errors": true,
        "items": [{"create": {"status": 201, "error": {"type": "t", "reason": "r"}}}, {"create": {"status": 409}}],
    });
    let cases = [
        ("took", json!({"took": 1})),
        (
            "errors,items.*.status",
            json!({"errors": true, "items": [{"create": {"status": 201}}, {"create": {"status": 409}}]}),
        ),
        ("items.*.error.type", json!({"items": [{"create": {"error": {"type": "t"}}}]})),
        ("**.reason", json!({"items": [{"create": {"error": {"reason": "r"}}}]})),
        ("-items", json!({"took": 1, "errors": true})),
        (
            "items,-items.create.error,-**.status",
            json!({"items": [{"create": {}}, {"create": {}}]}),
        ),
        ("t*", json!({"took": 1})),
        ("absent", json!({})),
    ];
    for (spec, want) in cases {
        assert_eq!(filter::filter_response(response.clone(), spec), want, "{spec}");
    }
}

#[test]
fn many_stars_stay_cheap() {
    let mut json = json!(1);
    for _ in 0..100 {
        json = json!({ "a": json });
    }
    let spec = format!("{}x", "**.".repeat(100));
    assert_eq!(filter::filter_response(json, &spec), json!({}));
}

#[test]
fn a_name_that_is_value_and_object_stays_well_formed() {
    let types = [
        ("a", FieldType::Keyword),
        ("a-b", FieldType::Long),
        ("a.b", FieldType::Long),
        ("a.b.c", FieldType::Double),
        ("d.type", FieldType::Keyword),
        ("d.type.x", FieldType::Boolean),
        ("e..f", FieldType::Long),
        ("properties.properties", FieldType::Text),
    ];
    let deep = vec!["x"; 5_000].join(".");
    let mut fields = types.to_vec();
    fields.push((&deep, FieldType::Long));
    let mut got = mapping::properties(serde_json::Map::new(), fields.into_iter());
    assert_eq!(got.remove(&deep), Some(json!({"type": "long"})));
    let long = json!({"type": "long"});
    let keyword = json!({"type": "keyword"});
    assert_eq!(
        Json::Object(got),
        json!({
            "a": keyword, "a-b": long, "a.b": long, "a.b.c": {"type": "double"},
            "d": {"properties": {"type": keyword, "type.x": {"type": "boolean"}}},
            "e..f": long,
            "properties": {"properties": {"properties": {"type": "text"}}},
        })
    );
}

fn hit(id: &str, source: &str) -> Hit {
    Hit {
        index: IndexName::new("i"),
        id: id.to_owned(),
        seq: RecordSeq(7),
        timestamp: Timestamp(0),
        source: Some(source.to_owned()),
        sort: vec![json!(5)],
        fields: json!({"f": [1]}).as_object().cloned(),
        highlight: None,
        said: Default::default(),
    }
}

#[test]
fn partial_answers_say_what_is_missing() {
    let failed = vec![ShardFailure {
        split: "01ABC".to_owned(),
        index: "shop".to_owned(),
        kind: "i_o_exception",
        reason: "lost".to_owned(),
    }];
    let shards = Shards { total: 2, failed: failed.clone() };
    let answer = SearchAnswer { hits: vec![hit("1", "{}")], shards, ..SearchAnswer::default() };
    let found = Found { answer, inner: Vec::new(), scroll_id: None };
    let text = hits::render(&found, &Presentation::default()).unwrap();
    let answer = found.answer;
    let json: Json = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&json["_shards"]["successful"], &json["_shards"]["failed"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(json["_shards"]["failures"][0]["reason"]["reason"], "lost");
    let hit = json!({
        "_index": "i", "_id": "1", "_score": null, "_source": {}, "fields": {"f": [1]}, "sort": [5],
    });
    assert_eq!(json["hits"], json!({"max_score": null, "hits": [hit]}));
    assert!(hits::check_shards(&answer.shards, true).is_ok());
    assert_eq!(hits::check_shards(&answer.shards, false).unwrap_err().status, 503);
    let all = Shards { total: 1, failed };
    assert_eq!(hits::check_shards(&all, true).unwrap_err().reason, "all shards failed: lost");
}

#[test]
fn a_damaged_source_is_an_error_not_bad_json() {
    let answer = SearchAnswer { hits: vec![hit("1", "{\"a\":")], ..SearchAnswer::default() };
    let found = Found { answer, inner: Vec::new(), scroll_id: None };
    let error = hits::render(&found, &Presentation::default()).unwrap_err();
    assert!(error.reason.starts_with("the source of document [1] of [i] is damaged"));
}

#[tokio::test]
async fn an_export_ends_with_its_error() {
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    sender.send(Ok(hit("2", "{\n\"a\":\"x\\ny\"}"))).await.unwrap();
    sender.send(Err(QueryError::of(ErrorKind::Overloaded, "too much"))).await.unwrap();
    sender.send(Ok(hit("3", "{}"))).await.unwrap();
    let body = Body::from_stream(Lines::new(receiver, Some(hit("1", "{}")), 10));
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let lines: Vec<Json> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert_eq!(lines[1], json!({"_index": "i", "_id": "2", "_source": {"a": "x\ny"}}));
    assert_eq!(lines[2]["error"]["type"], "circuit_breaking_exception");
    assert_eq!(lines[2]["status"], 429);
    // The other side sees that nobody reads any more.
    assert!(sender.is_closed());
}

#[tokio::test]
async fn lost_lines_are_told() {
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    sender.send(TailEvent::Dropped(5)).await.unwrap();
    sender.send(TailEvent::Hit(hit("1", "{}"))).await.unwrap();
    drop(sender);
    let body = Body::from_stream(Events::new(receiver));
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let want = "event: dropped\ndata: {\"dropped\":5}\n\ndata: {\"_index\":\"i\",\"_id\":\"1\",\"_source\":{}}\n\n";
    assert_eq!(text.split_once("\n\n").unwrap(), (": following", want));
}

#[test]
fn an_index_keeps_its_uuid() {
    let one = meta::names::index_uuid("c", "shop");
    assert_eq!(one, meta::names::index_uuid("c", "shop"));
    assert_eq!(one.len(), 22);
    assert_ne!(one, meta::names::index_uuid("c", "shop2"));
    assert_ne!(one, meta::names::index_uuid("d", "shop"));
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![Just(Json::Null), any::<i32>().prop_map(Json::from)];
    leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Json::from),
            prop::collection::vec(("[ab.]{0,3}", inner), 0..3)
                .prop_map(|list| Json::Object(list.into_iter().collect())),
        ]
    })
}

/// Whether every path and value of `small` is in `large`; lists may have lost elements.
fn within(small: &Json, large: &Json) -> bool {
    match (small, large) {
        (Json::Object(s), Json::Object(l)) => {
            s.iter().all(|(k, v)| l.get(k).is_some_and(|l| within(v, l)))
        }
        (Json::Array(s), Json::Array(l)) => s.iter().all(|v| l.iter().any(|l| within(v, l))),
        (s, l) => s == l,
    }
}

proptest! {
    #[test]
    fn filters_only_take_away(json in any_json(), spec in "[ab.*,-]{0,12}") {
        let paths: Vec<String> = spec.split(',').map(str::to_owned).collect();
        let filter = SourceFilter { off: false, includes: paths.clone(), excludes: Vec::new() };
        prop_assert!(within(&filter::filter_source(json.clone(), &filter), &json));
        let filter = SourceFilter { off: false, includes: Vec::new(), excludes: paths };
        prop_assert!(within(&filter::filter_source(json.clone(), &filter), &json));
        let kept = filter::filter_response(json.clone(), &spec);
        let empty = Json::Object(Default::default());
        prop_assert!(kept == empty || within(&kept, &json));
    }
}
