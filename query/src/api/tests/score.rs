//! Scores, explanations and named queries as clients see them.

use serde_json::{Value as Json, json};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn hits_are_ranked_by_their_words() {
    let server = Server::filled();
    let body = json!({"query": {"match": {"message": "connection refused"}}});
    let json = server.post("/_search", body.clone()).await.json();
    let hits = json["hits"]["hits"].as_array().unwrap();
    assert_eq!(hits.len(), 2, "{json}");
    // Both words before one of them, although the other record is newer.
    assert_eq!(hits[0]["_source"]["message"], "Connection refused by db-1");
    assert_eq!(hits[1]["_source"]["message"], "connection closed");
    let score = |hit: &Json| hit["_score"].as_f64().unwrap();
    assert!(score(&hits[0]) > score(&hits[1]) && score(&hits[1]) > 0.0);
    assert_eq!(json["hits"]["max_score"], hits[0]["_score"]);
    assert!(hits[0].get("sort").is_none() && hits[0].get("_explanation").is_none());

    let mut enough = body.clone();
    enough["min_score"] = hits[0]["_score"].clone();
    let json = server.post("/_search", enough).await.json();
    assert_eq!(json["hits"]["total"]["value"], 1);
    let path = format!("/_count?min_score={}", score(&hits[0]));
    assert_eq!(server.post(&path, body.clone()).await.json()["count"], 1);
    let bad = server.post("/_count?min_score=x", body.clone()).await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);

    let mut sorted = body.clone();
    sorted["sort"] = json!([{"@timestamp": "asc"}]);
    let json = server.post("/_search", sorted.clone()).await.json();
    assert_eq!(json["hits"]["hits"][0]["_score"], Json::Null);
    let json = server.post("/_search?track_scores=true", sorted).await.json();
    let scored = json["hits"]["hits"].as_array().unwrap();
    let mut scored: Vec<f64> = scored.iter().map(score).collect();
    scored.sort_by(|a, b| b.total_cmp(a));
    assert_eq!(scored, hits.iter().map(score).collect::<Vec<_>>());

    let by_score = json!({"query": body["query"], "sort": ["_score", {"@timestamp": "asc"}]});
    let json = server.post("/_search", by_score).await.json();
    assert_eq!(json["hits"]["hits"][0]["sort"][0], hits[0]["_score"]);
    let rising = json!({"query": body["query"], "sort": [{"_score": "asc"}]});
    let json = server.post("/_search", rising).await.json();
    assert_eq!(json["hits"]["hits"][0]["_source"]["message"], "connection closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_count_nothing_and_constants_what_they_say() {
    let server = Server::filled();
    let range = json!({"range": {"@timestamp": {"gte": "2000-01-01"}}});
    let cases = [
        (json!({"match_all": {}}), 1.0),
        (json!({"match_all": {"boost": 1.5}}), 1.5),
        (range.clone(), 1.0),
        (json!({"bool": {"filter": range}}), 0.0),
        (json!({"bool": {"filter": range, "must": {"exists": {"field": "message"}}}}), 1.0),
        (json!({"constant_score": {"filter": range, "boost": 2.5}}), 2.5),
        (json!({"bool": {"must": [range, {"match_all": {}}], "boost": 2}}), 4.0),
        (json!({"bool": {"must_not": {"term": {"nothing": 1}}}}), 0.0),
        (json!({"function_score": {"weight": 3}}), 3.0),
        (
            json!({"boosting": {"positive": {"match_all": {}}, "negative": range, "negative_boost": 0.5}}),
            0.5,
        ),
    ];
    for (query, want) in cases {
        let json = server.post("/shop/_search", json!({"query": query})).await.json();
        assert_eq!(json["hits"]["max_score"], want, "{query}: {json}");
        assert_eq!(json["hits"]["hits"][0]["_score"], want, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hits_name_the_queries_that_they_match() {
    let server = Server::filled();
    let query = json!({"bool": {
        "should": [
            {"match": {"message": {"query": "connection", "_name": "c"}}},
            {"match_phrase": {"message": {"query": "connection refused", "_name": "r"}}},
        ],
        "filter": {"exists": {"field": "message", "_name": "has"}},
        "minimum_should_match": 1,
    }});
    let body = json!({"query": query});
    let json = server.post("/_search", body.clone()).await.json();
    let hits = &json["hits"]["hits"];
    assert_eq!(hits[0]["matched_queries"], json!(["has", "c", "r"]), "{json}");
    assert_eq!(hits[1]["matched_queries"], json!(["has", "c"]));
    let json = server.post("/_search?include_named_queries_score=true", body).await.json();
    let named = &json["hits"]["hits"][0]["matched_queries"];
    let sum = named["c"].as_f64().unwrap() + named["r"].as_f64().unwrap();
    assert!((sum - json["hits"]["hits"][0]["_score"].as_f64().unwrap()).abs() < 1e-6, "{json}");
    let plain = server.post("/_search", json!({"query": {"match_all": {}}})).await.json();
    assert!(plain["hits"]["hits"][0].get("matched_queries").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn scores_are_explained() {
    let server = Server::filled();
    let query = json!({"match": {"message": "connection"}});
    let body = json!({"query": query, "explain": true});
    let json = server.post("/_search", body).await.json();
    let hit = json["hits"]["hits"][0].clone();
    let why = &hit["_explanation"];
    assert_eq!(why["value"], hit["_score"]);
    assert_eq!(
        why["description"],
        "weight(message:connection in 0) [PerFieldSimilarity], result of:"
    );
    let parts = &why["details"][0]["details"];
    assert_eq!((&parts[0]["value"], &parts[0]["description"]), (&json!(2.2), &json!("boost")));
    assert_eq!(parts[1]["details"][0]["value"], 2);
    let product: f64 = (0..3).map(|at| parts[at]["value"].as_f64().unwrap()).product();
    assert!((product - hit["_score"].as_f64().unwrap()).abs() < 1e-5, "{why}");

    let id = hit["_id"].as_str().unwrap();
    let index = hit["_index"].as_str().unwrap();
    let path = format!("/{index}/_explain/{id}");
    let json = server.post(&path, json!({"query": query})).await.json();
    assert_eq!(
        (&json["matched"], &json["_id"], &json["_index"]),
        (&json!(true), &json!(id), &json!(index))
    );
    assert_eq!(json["explanation"]["description"], why["description"]);
    let other =
        server.post(&path, json!({"query": {"match": {"message": "nowhere"}}})).await.json();
    assert_eq!(other["matched"], false);
    assert_eq!(other["explanation"]["description"], "no matching clause");
    let get = server.get(&format!("{path}?q=message:connection")).await.json();
    assert_eq!(get["matched"], true);
    let absent = server.post(&format!("/{index}/_explain/absent"), json!({"query": query})).await;
    assert_eq!(absent.status, StatusCode::NOT_FOUND);
    assert_eq!(absent.json(), json!({"_index": index, "_id": "absent", "matched": false}));
    let nothing = server.call(Method::POST, &path, "").await;
    assert_eq!(nothing.status, StatusCode::BAD_REQUEST);
}
