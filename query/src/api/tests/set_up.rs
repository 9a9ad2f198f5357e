use model::meta::{WriteAsk, WriteNames};

use super::*;

/// Requests with the status, and what is at some places of the answer (JSON pointers).
type Step<'a> = (&'a str, &'a str, Json, u16, &'a [(&'a str, Json)]);

impl Server {
    async fn steps(&self, steps: &[Step<'_>]) {
        for (method, path, body, status, places) in steps {
            let body = if body.is_null() { String::new() } else { body.to_string() };
            let reply = self.call(method.parse().unwrap(), path, body).await;
            let about = format!("{method} {path}: {} {}", reply.status, reply.text);
            assert_eq!(reply.status.as_u16(), *status, "{about}");
            for (place, want) in *places {
                let json = reply.json();
                let found = json.pointer(place).unwrap_or(&Json::Null);
                assert_eq!(found, want, "{place} of {about}");
            }
        }
    }

    /// Writes a document as ingest does: to where its name leads.
    fn write(&self, name: &str, create: bool, document: &str) -> Result<String, Fault> {
        let target = self.registry.target(name, WriteAsk { create, ..WriteAsk::default() })?;
        self.add(target.index.as_str(), &[document]);
        Ok(target.index.as_str().to_owned())
    }
}

fn ok() -> [(&'static str, Json); 1] {
    [("/acknowledged", json!(true))]
}

const DOC: &str = r#"{"@timestamp":"2026-11-20T14:00:00Z","message":"hello","level":"info"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn filebeat_sets_itself_up() {
    let server = Server::new();
    let fields: serde_json::Map<String, Json> =
        (0..2_000).map(|n| (format!("field_{n}"), json!({"type": "keyword"}))).collect();
    let template = json!({
        "index_patterns": ["filebeat-8.17.0"], "priority": 150, "data_stream": {},
        "template": {
            "settings": {"index": {"lifecycle": {"name": "filebeat"}, "mapping": {"total_fields": {"limit": 12500}}, "refresh_interval": "5s"}},
            "mappings": {"date_detection": false, "properties": fields},
        },
    });
    let policy = json!({"policy": {"phases": {
        "hot": {"actions": {"rollover": {"max_age": "30d", "max_size": "50gb"}}},
        "delete": {"min_age": "36h", "actions": {"delete": {}}},
    }}});
    let stream = "/_data_stream/filebeat-8.17.0";
    server
        .steps(&[
            ("GET", "/_license?human=false", Json::Null, 200, &[("/license/status", json!("active"))]),
            ("GET", "/_ilm/policy/filebeat", Json::Null, 404, &[
                ("/error/type", json!("resource_not_found_exception")),
                ("/error/reason", json!("Lifecycle policy not found: filebeat")),
            ]),
            ("PUT", "/_ilm/policy/filebeat", policy, 200, &ok()),
            ("GET", "/_ilm/policy/filebeat", Json::Null, 200, &[
                ("/filebeat/version", json!(1)),
                ("/filebeat/policy/phases/hot/min_age", json!("0ms")),
                ("/filebeat/policy/phases/delete/actions/delete", json!({"delete_searchable_snapshot": true})),
            ]),
            ("HEAD", "/_index_template/filebeat-8.17.0", Json::Null, 404, &[]),
            ("PUT", "/_index_template/filebeat-8.17.0", template, 200, &ok()),
            ("HEAD", "/_index_template/filebeat-8.17.0", Json::Null, 200, &[]),
            ("GET", "/_index_template/filebeat*", Json::Null, 200, &[
                ("/index_templates/0/name", json!("filebeat-8.17.0")),
                ("/index_templates/0/index_template/template/settings/index/mapping/total_fields/limit", json!("12500")),
                ("/index_templates/0/index_template/data_stream", json!({"hidden": false, "allow_custom_routing": false})),
                ("/index_templates/0/index_template/composed_of", json!([])),
            ]),
            ("GET", stream, Json::Null, 404, &[("/error/type", json!("index_not_found_exception"))]),
            ("PUT", stream, Json::Null, 200, &ok()),
            ("PUT", stream, Json::Null, 400, &[("/error/type", json!("resource_already_exists_exception"))]),
            ("GET", stream, Json::Null, 200, &[
                ("/data_streams/0/indices/0/index_name", json!(".ds-filebeat-8.17.0-2026.11.20-000001")),
                ("/data_streams/0/generation", json!(1)),
                ("/data_streams/0/template", json!("filebeat-8.17.0")),
                ("/data_streams/0/ilm_policy", json!("filebeat")),
                ("/data_streams/0/next_generation_managed_by", json!("Index Lifecycle Management")),
            ]),
            ("GET", "/filebeat-8.17.0/_search", Json::Null, 200, &[("/hits/total/value", json!(0))]),
            ("DELETE", "/_ilm/policy/filebeat", Json::Null, 400, &[("/error/type", json!("illegal_argument_exception"))]),
            ("DELETE", "/_index_template/filebeat-8.17.0", Json::Null, 400, &[("/error/type", json!("illegal_argument_exception"))]),
        ])
        .await;
    let backing = server.write("filebeat-8.17.0", true, DOC).unwrap();
    assert_eq!(backing, ".ds-filebeat-8.17.0-2026.11.20-000001");
    let fault = server.write("filebeat-8.17.0", false, DOC).unwrap_err();
    assert_eq!(
        (fault.status, fault.reason.as_str()),
        (400, "only write ops with an op_type of create are allowed in data streams")
    );
    let fault = server.write(&backing, true, DOC).unwrap_err();
    assert!(fault.reason.contains("target corresponding data stream [filebeat-8.17.0]"));
    let explain = format!("/indices/{backing}/policy");
    let field = "/.ds-filebeat-8.17.0-2026.11.20-000001/mappings/properties";
    server
        .steps(&[
            (
                "GET",
                "/filebeat-*/_search",
                Json::Null,
                200,
                &[("/hits/total/value", json!(1)), ("/hits/hits/0/_index", json!(backing))],
            ),
            ("GET", "/filebeat-8.17.0/_count", Json::Null, 200, &[("/count", json!(1))]),
            ("GET", "/.ds-*/_count", Json::Null, 200, &[("/count", json!(1))]),
            ("GET", "/_all/_count", Json::Null, 200, &[("/count", json!(1))]),
            (
                "GET",
                "/filebeat-8.17.0/_ilm/explain",
                Json::Null,
                200,
                &[(&explain, json!("filebeat"))],
            ),
            (
                "GET",
                "/filebeat-8.17.0/_mapping",
                Json::Null,
                200,
                &[
                    (&format!("{field}/field_7/type"), json!("keyword")),
                    (&format!("{field}/message/type"), json!("text")),
                ],
            ),
            (
                "POST",
                "/filebeat-8.17.0/_rollover",
                json!({"conditions": {"max_docs": 5}}),
                200,
                &[("/rolled_over", json!(false)), ("/conditions/[max_docs: 5]", json!(false))],
            ),
            (
                "POST",
                "/filebeat-8.17.0/_rollover",
                json!({"conditions": {"max_docs": 1}}),
                200,
                &[
                    ("/rolled_over", json!(true)),
                    ("/new_index", json!(".ds-filebeat-8.17.0-2026.11.20-000002")),
                ],
            ),
        ])
        .await;
    assert_eq!(
        server.write("filebeat-8.17.0", true, DOC).unwrap(),
        ".ds-filebeat-8.17.0-2026.11.20-000002"
    );
    let both = server.get("/filebeat-8.17.0/_count").await.json();
    assert_eq!(both["count"], 2);
    // 36 hours are kept as two whole days.
    use model::meta::Lifetimes;
    let days = |index: &str| server.registry.days_of(&IndexName::new(index));
    assert_eq!((days(&backing), days("other")), (Some(2), None));
    assert_eq!(server.post("/_ilm/stop", json!({})).await.status, StatusCode::OK);
    assert_eq!(days(&backing), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn logstash_rolls_over_by_an_alias() {
    let server = Server::new();
    let made = json!({"aliases": {"logstash": {"is_write_index": true}}});
    server
        .steps(&[
            ("HEAD", "/_index_template/ecs-logstash", Json::Null, 404, &[]),
            ("PUT", "/_index_template/ecs-logstash", json!({
                "index_patterns": ["ecs-logstash-*"], "priority": 200, "version": 80001,
                "template": {"mappings": {"dynamic_templates": [], "properties": {"geoip": {"properties": {"location": {"type": "geo_point"}}}}}},
            }), 200, &ok()),
            ("HEAD", "/logstash", Json::Null, 404, &[]),
            ("PUT", "/%3Clogstash-%7Bnow%2Fd%7D-000001%3E", made, 200, &[
                ("/index", json!("logstash-2026.11.20-000001")), ("/shards_acknowledged", json!(true)),
            ]),
            ("HEAD", "/logstash", Json::Null, 200, &[]),
            ("GET", "/_alias/logstash", Json::Null, 200, &[
                ("/logstash-2026.11.20-000001/aliases/logstash/is_write_index", json!(true)),
            ]),
            ("GET", "/logstash-2026.11.20-000001/_settings", Json::Null, 200, &[
                ("/logstash-2026.11.20-000001/settings/index/provided_name", json!("<logstash-{now/d}-000001>")),
                ("/logstash-2026.11.20-000001/settings/index/number_of_shards", json!("1")),
            ]),
        ])
        .await;
    assert_eq!(server.write("logstash", false, DOC).unwrap(), "logstash-2026.11.20-000001");
    server
        .steps(&[
            (
                "POST",
                "/logstash/_rollover?dry_run=true",
                Json::Null,
                200,
                &[("/rolled_over", json!(false)), ("/dry_run", json!(true))],
            ),
            (
                "POST",
                "/logstash/_rollover",
                Json::Null,
                200,
                &[
                    ("/old_index", json!("logstash-2026.11.20-000001")),
                    ("/new_index", json!("logstash-2026.11.20-000002")),
                    ("/rolled_over", json!(true)),
                ],
            ),
        ])
        .await;
    assert_eq!(server.write("logstash", false, DOC).unwrap(), "logstash-2026.11.20-000002");
    server
        .steps(&[
            ("GET", "/logstash/_count", Json::Null, 200, &[("/count", json!(2))]),
            ("GET", "/logstash*,-logstash-*1/_count", Json::Null, 200, &[("/count", json!(1))]),
            (
                "GET",
                "/%3Clogstash-%7Bnow%2Fd%7D-000002%3E/_count",
                Json::Null,
                200,
                &[("/count", json!(1))],
            ),
        ])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn templates_are_checked_as_there() {
    let server = Server::new();
    let bad = |reason: &str| [("/error/reason", json!(reason))];
    let template = |patterns: Json, more: Json| {
        let mut out = json!({ "index_patterns": patterns });
        out.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        out
    };
    server
        .steps(&[
            ("PUT", "/_component_template/c", json!({"template": {"settings": {"number_of_shards": 2}}}), 200, &ok()),
            ("PUT", "/_index_template/a", template(json!("a*"), json!({"priority": 5, "composed_of": ["c"]})), 200, &ok()),
            ("PUT", "/_index_template/a?create=true", template(json!("a*"), json!({})), 400, &bad("index template [a] already exists")),
            ("PUT", "/_index_template/b", template(json!(["ab*"]), json!({"priority": 5})), 400, &bad(
                "index template [b] has index patterns [ab*] matching patterns from existing templates [a] with patterns (a => [a*]) that have the same priority [5], multiple index templates may not match during index creation, please use a different priority",
            )),
            ("PUT", "/_index_template/b", template(json!(["b*"]), json!({"composed_of": ["x"]})), 400, &bad(
                "index_template [b] invalid, cause [index template [b] specifies component templates [x] that do not exist]",
            )),
            ("PUT", "/_index_template/b", json!({}), 400, &bad("Required [index_patterns]")),
            ("PUT", "/_index_template/b", template(json!(["b*"]), json!({"nonsense": 1})), 400, &[("/error/type", json!("x_content_parse_exception"))]),
            ("PUT", "/_index_template/B", template(json!(["b*"]), json!({})), 400, &bad(
                "index_template [B] invalid, cause [Validation Failed: 1: name must be lower cased;]",
            )),
            ("GET", "/_index_template/x", Json::Null, 404, &bad("index template matching [x] not found")),
            ("GET", "/_index_template/x*", Json::Null, 200, &[("/index_templates", json!([]))]),
            ("DELETE", "/_index_template/x", Json::Null, 404, &bad("index_template [x] missing")),
            ("DELETE", "/_component_template/c", Json::Null, 400, &bad(
                "component templates [c] cannot be removed as they are still in use by index templates [a]",
            )),
            ("GET", "/_component_template/c", Json::Null, 200, &[
                ("/component_templates/0/component_template/template/settings/index/number_of_shards", json!("2")),
            ]),
            ("POST", "/_index_template/_simulate_index/abc", Json::Null, 200, &[
                ("/template/settings/index/number_of_shards", json!("2")),
            ]),
            ("PUT", "/abc", Json::Null, 200, &ok()),
            ("GET", "/abc", Json::Null, 200, &[("/abc/settings/index/number_of_shards", json!("2"))]),
            ("DELETE", "/_index_template/a", Json::Null, 200, &ok()),
            ("DELETE", "/_component_template/c", Json::Null, 200, &ok()),
            ("GET", "/_template/t", Json::Null, 404, &[("", json!({}))]),
            ("PUT", "/_template/t", json!({"index_patterns": ["l-*"], "order": 1, "settings": {"index.hidden": true}}), 200, &ok()),
            ("GET", "/_template/t?flat_settings=true", Json::Null, 200, &[
                ("/t", json!({"order": 1, "index_patterns": ["l-*"], "settings": {"index.hidden": "true"}, "mappings": {}, "aliases": {}})),
            ]),
            ("HEAD", "/_template/t", Json::Null, 200, &[]),
            ("DELETE", "/_template/t", Json::Null, 200, &ok()),
            ("PUT", "/_data_stream/nothing", Json::Null, 400, &bad("no matching index template found for data stream [nothing]")),
            ("PUT", "/logs-app-prod", Json::Null, 400, &[("/error/type", json!("illegal_argument_exception"))]),
            ("PUT", "/_data_stream/logs-app-prod", Json::Null, 200, &ok()),
        ])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aliases_have_filters_and_one_write_index() {
    let server = Server::filled();
    let add = |more: Json| {
        let mut action = json!({"index": "shop", "alias": "errors"});
        action.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"actions": [{"add": action}]})
    };
    server
        .steps(&[
            (
                "POST",
                "/_aliases",
                add(json!({"filter": {"term": {"log.level": "error"}}})),
                200,
                &ok(),
            ),
            ("GET", "/errors/_count", Json::Null, 200, &[("/count", json!(1))]),
            (
                "GET",
                "/errors/_search",
                Json::Null,
                200,
                &[("/hits/total/value", json!(1)), ("/hits/hits/0/_index", json!("shop"))],
            ),
            // Named directly as well: all of it.
            ("GET", "/errors,shop/_count", Json::Null, 200, &[("/count", json!(3))]),
            ("GET", "/errors,audit-1/_count", Json::Null, 200, &[("/count", json!(4))]),
            ("GET", "/err*/_count", Json::Null, 200, &[("/count", json!(1))]),
            ("PUT", "/audit-*/_alias/all", Json::Null, 200, &ok()),
            ("PUT", "/shop/_alias/all", json!({"is_write_index": true}), 200, &ok()),
            ("GET", "/all/_count", Json::Null, 200, &[("/count", json!(6))]),
            (
                "PUT",
                "/audit-1/_alias/all",
                json!({"is_write_index": true}),
                500,
                &[(
                    "/error/reason",
                    json!("alias [all] has more than one write index [audit-1,shop]"),
                )],
            ),
            (
                "PUT",
                "/shop/_alias/audit-1",
                Json::Null,
                400,
                &[("/error/type", json!("invalid_alias_name_exception"))],
            ),
            (
                "GET",
                "/shop/_alias",
                Json::Null,
                200,
                &[
                    ("/shop/aliases/all", json!({"is_write_index": true})),
                    ("/shop/aliases/errors/filter", json!({"term": {"log.level": "error"}})),
                ],
            ),
            (
                "GET",
                "/_alias/none",
                Json::Null,
                404,
                &[("", json!({"error": "alias [none] missing", "status": 404}))],
            ),
            ("HEAD", "/_alias/none", Json::Null, 404, &[]),
            ("HEAD", "/_alias/all", Json::Null, 200, &[]),
            (
                "PUT",
                "/all",
                Json::Null,
                400,
                &[("/error/reason", json!("Invalid index name [all], already exists as alias"))],
            ),
            (
                "DELETE",
                "/all",
                Json::Null,
                400,
                &[("/error/type", json!("illegal_argument_exception"))],
            ),
            (
                "DELETE",
                "/shop/_alias/nothing",
                Json::Null,
                404,
                &[("/error/type", json!("aliases_not_found_exception"))],
            ),
            ("DELETE", "/shop/_alias/errors", Json::Null, 200, &ok()),
            (
                "GET",
                "/errors/_count",
                Json::Null,
                404,
                &[("/error/reason", json!("no such index [errors]"))],
            ),
            (
                "POST",
                "/_aliases",
                json!({"actions": []}),
                400,
                &[("/error/reason", json!("No action specified"))],
            ),
        ])
        .await;
    assert_eq!(server.write("all", false, DOC).unwrap(), "shop");
    let fault =
        server.registry.target("shop", WriteAsk { require_alias: true, ..WriteAsk::default() });
    assert_eq!(
        fault.unwrap_err().reason,
        "no such index [shop] and [require_alias] request flag is [true] and [shop] is not an alias"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn elastalert_makes_its_indexes() {
    let server = Server::filled();
    let mapping = json!({
        "numeric_detection": true, "date_detection": false,
        "dynamic_templates": [{"strings_as_keyword": {"mapping": {"ignore_above": 1024, "type": "keyword"}, "match_mapping_type": "string"}}],
        "properties": {"@timestamp": {"format": "date_optional_time", "type": "date"}, "match_body": {"enabled": "false", "type": "object"}},
    });
    server
        .steps(&[
            ("HEAD", "/elastalert_status", Json::Null, 404, &[]),
            (
                "PUT",
                "/elastalert_status",
                json!({"settings": {"number_of_shards": 1}}),
                200,
                &[("/index", json!("elastalert_status"))],
            ),
            ("HEAD", "/elastalert_status", Json::Null, 200, &[]),
            (
                "PUT",
                "/elastalert_status",
                Json::Null,
                400,
                &[("/error/type", json!("resource_already_exists_exception"))],
            ),
            ("PUT", "/elastalert_status/_mapping", mapping, 200, &ok()),
            (
                "GET",
                "/elastalert_status/_mapping",
                Json::Null,
                200,
                &[
                    ("/elastalert_status/mappings/numeric_detection", json!(true)),
                    (
                        "/elastalert_status/mappings/properties/@timestamp/format",
                        json!("date_optional_time"),
                    ),
                ],
            ),
            (
                "GET",
                "/elastalert_status/_mapping/field/@time*",
                Json::Null,
                200,
                &[
                    ("/elastalert_status/mappings/@timestamp/full_name", json!("@timestamp")),
                    (
                        "/elastalert_status/mappings/@timestamp/mapping/@timestamp/type",
                        json!("date"),
                    ),
                ],
            ),
            (
                "PUT",
                "/elastalert_status/_mapping",
                json!({"properties": {"@timestamp": {"type": "keyword"}}}),
                400,
                &[(
                    "/error/reason",
                    json!("mapper [@timestamp] cannot be changed from type [date] to [keyword]"),
                )],
            ),
            (
                "PUT",
                "/elastalert_status/_mapping",
                json!({"properties": {"x": {"type": "nonsense"}}}),
                400,
                &[("/error/type", json!("mapper_parsing_exception"))],
            ),
            // It exists without records.
            (
                "GET",
                "/elastalert_status/_search",
                Json::Null,
                200,
                &[("/hits/total/value", json!(0))],
            ),
            (
                "GET",
                "/_cat/indices/elastalert*?h=index,docs.count&format=json",
                Json::Null,
                200,
                &[("", json!([{"index": "elastalert_status", "docs.count": "0"}]))],
            ),
            (
                "PUT",
                "/elastalert_status/_settings",
                json!({"index": {"refresh_interval": "5s"}}),
                200,
                &ok(),
            ),
            (
                "GET",
                "/elastalert_status/_settings/index.refresh*?flat_settings=true",
                Json::Null,
                200,
                &[("/elastalert_status/settings", json!({"index.refresh_interval": "5s"}))],
            ),
            (
                "POST",
                "/elastalert_status/_close",
                Json::Null,
                200,
                &[("/indices/elastalert_status/closed", json!(true))],
            ),
            (
                "GET",
                "/elastalert_status/_search",
                Json::Null,
                400,
                &[("/error/type", json!("index_closed_exception"))],
            ),
            ("GET", "/_search", Json::Null, 200, &[("/hits/total/value", json!(6))]),
            ("POST", "/elastalert_status/_open", Json::Null, 200, &ok()),
            (
                "DELETE",
                "/elastalert*",
                Json::Null,
                400,
                &[("/error/reason", json!("Wildcard expressions or all indices are not allowed"))],
            ),
            ("DELETE", "/elastalert_status", Json::Null, 200, &ok()),
            (
                "DELETE",
                "/elastalert_status",
                Json::Null,
                404,
                &[("/error/type", json!("index_not_found_exception"))],
            ),
            (
                "GET",
                "/elastalert_status/_search",
                Json::Null,
                404,
                &[("/error/reason", json!("no such index [elastalert_status]"))],
            ),
            (
                "PUT",
                "/Upper",
                Json::Null,
                400,
                &[
                    ("/error/type", json!("invalid_index_name_exception")),
                    ("/error/reason", json!("Invalid index name [Upper], must be lowercase")),
                    ("/error/index", json!("Upper")),
                ],
            ),
            (
                "DELETE",
                "/shop",
                Json::Null,
                503,
                &[("/error/type", json!("process_cluster_event_timeout_exception"))],
            ),
        ])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelines_scripts_and_cluster_settings_are_kept() {
    let server = Server::new();
    let pipeline = json!({"description": "d", "processors": [{"set": {"field": "a", "value": 1}}]});
    let create = |name: &str| server.registry.target(name, WriteAsk::default());
    server
        .steps(&[
            ("GET", "/_ingest/pipeline/p", Json::Null, 404, &[("", json!({}))]),
            ("PUT", "/_ingest/pipeline/p", pipeline.clone(), 200, &ok()),
            ("GET", "/_ingest/pipeline/p*", Json::Null, 200, &[("/p", pipeline)]),
            (
                "PUT",
                "/_ingest/pipeline/q",
                json!({}),
                400,
                &[("/error/reason", json!("[processors] required property is missing"))],
            ),
            (
                "DELETE",
                "/_ingest/pipeline/q",
                Json::Null,
                404,
                &[("/error/reason", json!("pipeline [q] is missing"))],
            ),
            (
                "PUT",
                "/_scripts/s",
                json!({"script": {"lang": "painless", "source": "1"}}),
                200,
                &ok(),
            ),
            ("GET", "/_scripts/s", Json::Null, 200, &[("/script/lang", json!("painless"))]),
            ("DELETE", "/_scripts/s", Json::Null, 200, &ok()),
            ("GET", "/_scripts/s", Json::Null, 404, &[("/found", json!(false))]),
            (
                "PUT",
                "/_cluster/settings",
                json!({"persistent": {"action.auto_create_index": "-no*,+logs*"}}),
                200,
                &[("/persistent/action/auto_create_index", json!("-no*,+logs*"))],
            ),
            (
                "GET",
                "/_cluster/settings?flat_settings=true",
                Json::Null,
                200,
                &[
                    ("/persistent", json!({"action.auto_create_index": "-no*,+logs*"})),
                    ("/transient", json!({})),
                ],
            ),
            (
                "PUT",
                "/_cluster/settings",
                json!({"transient": {"no.such": 1}}),
                400,
                &[("/error/reason", json!("transient setting [no.such], not recognized"))],
            ),
        ])
        .await;
    assert!(server.registry.has_pipeline("p") && !server.registry.has_pipeline("q"));
    assert!(create("logs").is_ok());
    assert_eq!(
        create("nothing").unwrap_err().reason,
        "no such index [nothing] and [action.auto_create_index] contains [-no*] which forbids \
         automatic creation of the index"
    );
    assert_eq!(
        create("other").unwrap_err().reason,
        "no such index [other] and [action.auto_create_index] ([-no*,+logs*]) doesn't match"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_resolved_as_there() {
    let server = Server::filled();
    server
        .steps(&[
            ("PUT", "/secret", json!({"settings": {"hidden": true}}), 200, &[]),
            ("PUT", "/shut", Json::Null, 200, &[]),
            ("POST", "/shut/_close", Json::Null, 200, &[]),
            ("PUT", "/_data_stream/logs-app-prod", Json::Null, 200, &[]),
        ])
        .await;
    let backing = ".ds-logs-app-prod-2026.11.20-000001";
    type Case<'a> = (&'a str, Result<&'a [&'a str], (u16, &'a str)>);
    let cases: &[Case<'_>] = &[
        ("_all", Ok(&[backing, "audit-1", "shop"])),
        ("*", Ok(&[backing, "audit-1", "shop"])),
        ("*,-shop", Ok(&[backing, "audit-1"])),
        ("*,-s*,shop", Ok(&[backing, "audit-1", "shop"])),
        ("-shop,*", Err((404, "index_not_found_exception"))),
        ("logs*", Ok(&[backing])),
        (".ds-*", Ok(&[backing])),
        ("ds-*", Ok(&[])),
        ("secret", Ok(&["secret"])),
        ("se*", Ok(&[])),
        ("shut", Err((400, "index_closed_exception"))),
        ("shut?ignore_unavailable=true", Ok(&[])),
        ("*?expand_wildcards=open,hidden", Ok(&[backing, "audit-1", "secret", "shop"])),
        ("*?expand_wildcards=none", Ok(&[])),
        ("*?expand_wildcards=odd", Err((400, "illegal_argument_exception"))),
        ("nothing", Err((404, "index_not_found_exception"))),
        ("nothing?ignore_unavailable=true", Ok(&[])),
        (
            "nothing?ignore_unavailable=true&allow_no_indices=false",
            Err((404, "index_not_found_exception")),
        ),
        ("no*?allow_no_indices=false", Err((404, "index_not_found_exception"))),
        ("shop,no*?allow_no_indices=false", Err((404, "index_not_found_exception"))),
        ("%3Caudit-%7Bnow%2Fd%7Bd%7D%7D%3E?ignore_unavailable=true", Ok(&[])),
        ("%3Cshop%7B", Err((404, "index_not_found_exception"))),
        ("%3C%7Bnow%7B%3E", Err((400, "parse_exception"))),
        ("other:logs", Err((404, "no_such_remote_cluster_exception"))),
        ("_shop", Err((400, "invalid_index_name_exception"))),
    ];
    // Every found index has a record, so that the search shows which were searched.
    for name in ["secret", backing] {
        server.add(name, &[DOC]);
    }
    for (expression, want) in cases {
        let (names, params) = expression.split_once('?').unwrap_or((expression, ""));
        let body = json!({"size": 0, "aggs": {"i": {"terms": {"field": "_index", "size": 50, "order": {"_key": "asc"}}}}});
        let reply = server.post(&format!("/{names}/_search?{params}"), body).await;
        let json = reply.json();
        let got = match reply.status.as_u16() {
            200 => Ok(json["aggregations"]["i"]["buckets"]
                .as_array()
                .unwrap()
                .iter()
                .map(|b| b["key"].as_str().unwrap())
                .collect::<Vec<_>>()),
            status => Err((status, json["error"]["type"].as_str().unwrap())),
        };
        let want = want.map(<[&str]>::to_vec);
        assert_eq!(got, want, "{expression}: {}", reply.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_may_be_compressed() {
    use std::io::Write;
    let server = Server::new();
    let body = json!({"index_patterns": ["z-*"], "_meta": {"long": "x".repeat(50_000)}});
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(body.to_string().as_bytes()).unwrap();
    let request = |encoding: &str, bytes: Vec<u8>| {
        Request::put("/_index_template/z")
            .header("content-type", "application/json")
            .header("content-encoding", encoding)
            .body(Body::from(bytes))
            .unwrap()
    };
    let bytes = gzip.finish().unwrap();
    assert_eq!(server.send(request("gzip", bytes.clone())).await.status, StatusCode::OK);
    let cut = server.send(request("gzip", bytes[..bytes.len() / 2].to_vec())).await;
    assert_eq!(cut.error().0, 400);
    assert_eq!(server.send(request("br", bytes)).await.error().0, 415);
    // A small body that would be too large.
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    bomb.write_all(&vec![b' '; 200_000]).unwrap();
    assert_eq!(server.send(request("gzip", bomb.finish().unwrap())).await.error().0, 413);
}
