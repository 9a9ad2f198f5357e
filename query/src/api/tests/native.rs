//! Our own endpoints: export, histogram, following.

use super::*;
use tokio_stream::StreamExt;

#[tokio::test(flavor = "multi_thread")]
async fn exports_are_lines_of_json() {
    let server = Server::filled();
    let reply = server.get("/api/v1/search?q=login&index=audit-*").await;
    assert_eq!(reply.headers["content-type"], "application/x-ndjson");
    let lines: Vec<Json> = reply.text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{}", reply.text);
    // Newest first; the line break inside of its source is gone.
    assert_eq!(lines[0]["_source"]["message"], "login of bob");
    assert_eq!(lines[0]["_index"], "audit-1");
    assert!(lines[0]["_id"].is_string());
    let cases = [
        ("q=", 6),
        ("q=*", 6),
        ("", 6),
        ("q=&limit=2", 2),
        ("q=&limit=0", 0),
        ("q=user=ann", 1),
        ("q=took%3E=1", 1),
        ("q=*nnecti*", 2),
        ("q=connection+-refused", 1),
        ("q=&since=45m", 3),
        ("q=&since=2026-11-20T14:10:00Z&until=2026-11-20T14:20:00Z", 3),
        ("q=&until=now-1h", 1),
        ("q=nothing_has_this", 0),
    ];
    for (params, count) in cases {
        let reply = server.get(&format!("/api/v1/search?{params}")).await;
        assert_eq!(reply.status, StatusCode::OK, "{params}: {}", reply.text);
        assert_eq!(reply.text.lines().count(), count, "{params}: {}", reply.text);
    }
    let oldest = server.get("/api/v1/search?order=asc&limit=1").await.json();
    assert_eq!(oldest["_source"]["took"], 1.5);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_name_the_place_and_the_remedy() {
    let server = Server::filled();
    let takes = "it takes q, since, until, index, limit, order";
    let cases = [
        ("search?q=a+AND+(b", 400, "the group that begins here has no closing `)`".to_owned()),
        (
            "search?q=a&size=5",
            400,
            format!("request [/api/v1/search] contains unrecognized parameter: [size]; {takes}"),
        ),
        ("search?order=up", 400, "`order` must be asc or desc, got `up`".to_owned()),
        ("search?limit=-1", 400, "`limit` must be a whole number, got `-1`".to_owned()),
        ("search?index=absent", 404, "no such index [absent]".to_owned()),
        ("histogram?buckets=0", 400, "`buckets` must be 1 to 10000, got `0`".to_owned()),
        ("tail?q=a:", 400, "expected a value after `a:`".to_owned()),
    ];
    for (path, status, reason) in cases {
        let reply = server.get(&format!("/api/v1/{path}")).await;
        assert_eq!(reply.error(), (status, reason), "{path}");
    }
    let span = server.get("/api/v1/search?q=a+AND+(b").await.json();
    assert_eq!(span["error"]["span"], json!([6, 7]));
    let since = server.get("/api/v1/search?since=soon").await.error().1;
    assert!(since.starts_with("cannot read the time `soon`"), "{since}");
    let order = server.get("/api/v1/search?since=1m&until=1h").await.error().1;
    assert!(order.contains("is not before `until`"), "{order}");
}

#[tokio::test(flavor = "multi_thread")]
async fn histograms_count_over_time() {
    let server = Server::filled();
    let json = server.get("/api/v1/histogram?buckets=5").await.json();
    assert_eq!((&json["total"], &json["interval_ms"]), (&json!(6), &json!(300_000)));
    let counts: Vec<u64> =
        json["buckets"].as_array().unwrap().iter().map(|b| b["count"].as_u64().unwrap()).collect();
    assert_eq!(counts, [1, 1, 1, 1, 1, 1]);
    assert_eq!(json["buckets"][0]["time"], "2026-11-20T14:00:00.000Z");
    let some =
        server.get("/api/v1/histogram?q=connection&since=2h&until=now&buckets=2").await.json();
    assert_eq!((&some["total"], &some["interval_ms"]), (&json!(2), &json!(3_600_000)));
    let none = server.get("/api/v1/histogram?q=nothing_has_this").await.json();
    assert_eq!(none["total"], 0);
}

/// The next event with data: its name and its data.
async fn event(
    body: &mut (impl tokio_stream::Stream<Item = Result<axum::body::Bytes, axum::Error>> + Unpin),
    buffer: &mut String,
) -> (String, Json) {
    loop {
        while let Some((event, rest)) = buffer.clone().split_once("\n\n") {
            *buffer = rest.to_owned();
            let line = |name: &str| event.lines().find_map(|l| l.strip_prefix(name));
            if let Some(data) = line("data: ") {
                let name = line("event: ").unwrap_or_default().to_owned();
                return (name, serde_json::from_str(data).unwrap());
            }
        }
        let chunk = body.next().await.expect("the stream goes on").unwrap();
        buffer.push_str(std::str::from_utf8(&chunk).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_lines_are_followed() {
    let server = Server::filled();
    let request = Request::get("/api/v1/tail?q=refused&index=shop").body(Body::empty()).unwrap();
    let response = server.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body().into_data_stream();
    let mut buffer = String::new();
    let greeting = body.next().await.unwrap().unwrap();
    assert!(greeting.starts_with(b": following"));
    server.add("audit-1", &[r#"{"message":"refused elsewhere"}"#]);
    server.add("shop", &[r#"{"message":"all well"}"#, "{\"message\":\n\"refused again\"}"]);
    let (name, hit) = event(&mut body, &mut buffer).await;
    assert_eq!((name.as_str(), &hit["_source"]["message"]), ("", &json!("refused again")));
}
