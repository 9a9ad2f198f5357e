//! Bad and odd bodies, and what becomes of them.

use model::batch::BatchBuilder;
use model::id::{IndexName, Tenant};
use model::time::Timestamp;
use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { document_bytes_max: 1000, documents_max: 50 };

fn builder() -> BatchBuilder {
    BatchBuilder::new(Tenant::default(), None, Timestamp(1))
}

/// Each item as `op index/id = source` or `op index/id ! kind: reason`.
fn look(body: &[u8], default_index: Option<&str>) -> Vec<String> {
    let parsed = bulk(body, default_index, &LIMITS, builder()).unwrap();
    let of = |name: Option<&str>| name.unwrap_or("-").to_owned();
    parsed
        .items
        .iter()
        .map(|item| match item {
            Item::Kept { op, record } => {
                let record = &parsed.batch.records()[*record as usize];
                let index = parsed.batch.index_of(record);
                let id = of(record.id.as_deref());
                format!("{} {index}/{id} = {}", op.name(), parsed.batch.source(record))
            }
            Item::Same(same) => format!("{} {}/{} =", same.op.name(), same.index, same.id),
            Item::Failed(failed) => {
                let (index, id) = (of(failed.index.as_deref()), of(failed.id.as_deref()));
                let ItemFault { kind, reason, .. } = &failed.fault;
                format!("{} {index}/{id} ! {kind}: {reason}", failed.op.name())
            }
        })
        .collect()
}

#[test]
fn what_real_clients_send_is_taken() {
    let cases: &[(&str, &[&str])] = &[
        ("{\"create\":{\"_index\":\"a\"}}\n{\"m\":1}\n", &["create a/- = {\"m\":1}"]),
        (
            "{\"index\":{\"_index\": \"logs-sys\", \"_id\":\"idx\"}}\n{}",
            &["index logs-sys/idx = {}"],
        ),
        ("{\"create\":{ }}\r\n{\"m\":1}\r\n", &["create d/- = {\"m\":1}"]),
        ("{\"create\":{\"_index\":\"a\",\"_type\":\"_doc\"}}\n{}\n", &["create a/- = {}"]),
        (
            "{\"index\":{\"_id\":null,\"_index\":\"a\",\"routing\":null,\"pipeline\":null}}\n{}\n",
            &["index a/- = {}"],
        ),
        ("{\"index\":{\"_index\":\"a\"},\"attempts\":0}\n{}\n", &["index a/- = {}"]),
        ("{\"attempts\":[{}],\"index\":{\"_index\":\"a\"}}\n{}\n", &["index a/- = {}"]),
        (
            "{\"create\":{\"dynamic_templates\":{\"x\":\"y\"},\"_id\":7}}\n{}\n",
            &["create d/7 = {}"],
        ),
        ("{\"create\":{\"_index\":\"\\u0061\"}}\n{}\n", &["create a/- = {}"]),
        (
            "\n\n{\"create\":{}}\n{\"n\":1}\n\n{\"create\":{}}\n{\"n\":2}\n{\"create\":{\"_id\":\"x\"}}\n{}\n",
            &["create d/- = {\"n\":1}", "create d/- = {\"n\":2}", "create d/x = {}"],
        ),
    ];
    for (body, want) in cases {
        assert_eq!(look(body.as_bytes(), Some("d")), *want, "{body}");
    }
}

#[test]
fn a_bad_document_costs_itself_only() {
    let good = "{\"create\":{}}\n{\"ok\":1}\n";
    let long = format!("{{\"m\":\"{}\"}}", "x".repeat(1000));
    let id = "i".repeat(513);
    let cases: &[(&str, &str)] = &[
        (
            "{\"create\":{}}\n{\"a\":\n",
            "create d/- ! document_parsing_exception: [1:5] failed to parse: EOF while parsing a value",
        ),
        (
            "{\"create\":{}}\n[1]\n",
            "create d/- ! document_parsing_exception: [1:1] failed to parse: document must be a JSON object, got an array",
        ),
        (
            "{\"create\":{}}\n\n",
            "create d/- ! document_parsing_exception: [1:1] failed to parse: document must be a JSON object, got nothing",
        ),
        (
            &format!("{{\"create\":{{}}}}\n{long}\n"),
            "create d/- ! document_parsing_exception: failed to parse: the document has 1008 bytes, the limit is `document_bytes_max` = 1000",
        ),
        (
            "{\"index\":{\"_index\":\"Logs\"}}\n{}\n",
            "index Logs/- ! invalid_index_name_exception: Invalid index name [Logs], must be lowercase",
        ),
        (
            "{\"index\":{\"_id\":\"\"}}\n{}\n",
            "index d/ ! illegal_argument_exception: if _id is specified it must not be empty",
        ),
        (
            &format!("{{\"index\":{{\"_id\":\"{id}\"}}}}\n{{}}\n"),
            &format!(
                "index d/{} ! illegal_argument_exception: id [{}…] is too long, must be no longer than 512 bytes but was: 513",
                &id[..512],
                &id[..256]
            ),
        ),
        (
            "{\"index\":{\"_id\":\"a\\u0000\"}}\n{}\n",
            "index d/a\0 ! illegal_argument_exception: id [a\\0] must not contain control characters",
        ),
        (
            "{\"update\":{\"_id\":\"1\"}}\n{\"doc\":{}}\n",
            "update d/1 ! illegal_argument_exception: logs are append-only: `update` (line 3) is not supported, only write ops with an op_type of create or index are",
        ),
        (
            "{\"delete\":{\"_id\":\"1\"}}\n",
            "delete d/1 ! illegal_argument_exception: logs are append-only: `delete` (line 3) is not supported, only write ops with an op_type of create or index are",
        ),
    ];
    for (bad, want) in cases {
        let body = format!("{good}{bad}{good}");
        let ok = "create d/- = {\"ok\":1}";
        assert_eq!(look(body.as_bytes(), Some("d")), [ok, want, ok], "{bad}");
    }
    let body = [good.as_bytes(), b"{\"create\":{}}\n{\"a\":\"\xff\"}\n"].concat();
    assert_eq!(
        look(&body, Some("d"))[1],
        "create d/- ! document_parsing_exception: [1:7] failed to parse: invalid UTF-8 at byte 6 of the document"
    );
}

#[test]
fn a_malformed_action_line_costs_one_item() {
    let good = "{\"create\":{}}\n{\"ok\":1}\n";
    let cases = [
        ("\"text\"\n{}\n", "expected START_OBJECT but found [VALUE_STRING]"),
        ("{}\n{}\n", "expected FIELD_NAME but found [END_OBJECT]"),
        ("[]\n{}\n", "expected START_OBJECT but found [START_ARRAY]"),
        ("7\n{}\n", "expected START_OBJECT but found [VALUE_NUMBER]"),
        (
            "{\"create\":\"x\"}\n{}\n",
            "expected START_OBJECT or END_OBJECT but found [VALUE_STRING]",
        ),
        ("{\"create\":null}\n{}\n", "expected START_OBJECT or END_OBJECT but found [VALUE_NULL]"),
        ("{\"create\":[]}\n{}\n", "expected START_OBJECT or END_OBJECT but found [START_ARRAY]"),
        (
            "{\"upsert\":{}}\n{}\n",
            "expected field [create], [delete], [index] or [update] but found [upsert]",
        ),
        (
            "{\"index\":{},\"create\":{}}\n{}\n",
            "expected one action but found [index] and [create]",
        ),
        ("{\"index\":{\"_id\":{}}}\n{}\n", "expected VALUE_STRING but found [START_OBJECT]"),
        (
            "{\"index\":{}\n{}\n",
            "expected JSON but at column 11 found: EOF while parsing an object",
        ),
        ("{\"index\":{}}}\n{}\n", "expected JSON but at column 13 found: trailing characters"),
        // The next line is an action line, so it is not the source of the malformed one.
        ("oops\n", "expected JSON but at column 1 found: expected value"),
    ];
    for (bad, want) in cases {
        let body = format!("{good}{bad}{good}");
        let ok = "create d/- = {\"ok\":1}";
        let want = format!(
            "index d/- ! illegal_argument_exception: Malformed action/metadata line [3], {want}"
        );
        assert_eq!(look(body.as_bytes(), Some("d")), [ok, &want, ok], "{bad}");
    }
    assert!(look(b"\xff\n{}\n", None)[0].contains("invalid UTF-8 at byte 0 of the line"));
}

#[test]
fn an_action_at_the_end_has_no_source() {
    for (body, line) in [("{\"create\":{}}", 1), ("{\"create\":{}}\n{}\n{\"index\":{}}\n", 3)] {
        let got = look(body.as_bytes(), Some("d"));
        let want = format!(
            "illegal_argument_exception: the action on line {line} has no source line after it"
        );
        assert!(got.last().unwrap().ends_with(&want), "{got:?}");
    }
}

#[test]
fn without_a_default_an_index_is_required() {
    assert_eq!(
        look(b"{\"create\":{}}\n{}\n{\"create\":{\"_index\":\"a\"}}\n{}\n", None),
        [
            "create -/- ! action_request_validation_exception: Validation Failed: 1: index is missing;",
            "create a/- = {}"
        ]
    );
}

#[test]
fn too_many_documents_are_refused_whole() {
    let body = "{\"create\":{}}\n{}\n".repeat(51);
    let refused = bulk(body.as_bytes(), Some("d"), &LIMITS, builder()).unwrap_err();
    assert_eq!(refused, TooManyDocuments { documents_max: 50, line: 101 });
    let body = "{}\n".repeat(51);
    let refused = lines(body.as_bytes(), &IndexName::new("d"), &LIMITS, builder()).unwrap_err();
    assert_eq!(refused, TooManyDocuments { documents_max: 50, line: 51 });
}

#[test]
fn native_lines_are_kept_or_listed() {
    let body = b"{\"n\":1}\n\noops\n{\"n\":2}\r\n{\"x\":\"\xff\"}\n[]";
    let parsed = lines(body, &IndexName::new("d"), &LIMITS, builder()).unwrap();
    assert_eq!(parsed.batch.records().len(), 2);
    assert_eq!(parsed.rejected_total, 3);
    let listed: Vec<_> = parsed.rejected.iter().map(|r| (r.line, &*r.reason)).collect();
    assert_eq!(
        listed,
        [
            (3, "[1:1] failed to parse: expected value"),
            (5, "[1:7] failed to parse: invalid UTF-8 at byte 6 of the document"),
            (6, "[1:1] failed to parse: document must be a JSON object, got an array"),
        ]
    );
    let limits = Limits { documents_max: 1000, ..LIMITS };
    let many = lines("x\n".repeat(150).as_bytes(), &IndexName::new("d"), &limits, builder());
    let many = many.unwrap();
    assert_eq!((many.rejected.len(), many.rejected_total), (100, 150));
}

fn piece() -> impl Strategy<Value = &'static [u8]> {
    prop::sample::select(vec![
        &b"{\"create\":{}}\n"[..],
        b"{\"index\":{\"_index\":\"a\"}}\n",
        b"{\"delete\":{}}\n",
        b"{\"update\":{}}\n",
        b"{\"m\":\"x\"}\n",
        b"{\"m\":\n",
        b"\n",
        b"\xff\n",
        b"[",
        b"\"",
        b"{}\r\n",
    ])
}

proptest! {
    #[test]
    fn any_body_is_parsed_without_a_panic_and_nothing_is_made_up(
        pieces in prop::collection::vec(piece(), 0..40),
    ) {
        let body = pieces.concat();
        let parsed = bulk(&body, Some("d"), &LIMITS, builder()).unwrap();
        let kept = parsed.items.iter().filter(|i| matches!(i, Item::Kept { .. })).count();
        prop_assert_eq!(kept, parsed.batch.records().len());
        for record in parsed.batch.records() {
            let source = parsed.batch.source(record).as_bytes();
            prop_assert!(crate::frame::Lines::new(&body).any(|line| line.bytes == source));
        }
    }
}
