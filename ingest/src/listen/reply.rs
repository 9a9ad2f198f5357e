//! How is a bulk request or a single document answered when it was taken? Compact JSON with the
//! keys in Elasticsearch's order: clients search these bytes literally.

use std::sync::Arc;

use model::batch::Batch;
use model::id::{NodeId, RecordSeq};
use serde_json::value::RawValue;

use super::filter_path::Filter;
use crate::parse::{FailedItem, Item, Op, SameItem};

/// What an answer is made from.
pub(super) struct Answered {
    pub(super) batch: Arc<Batch>,
    pub(super) items: Vec<Item>,
    pub(super) node: NodeId,
    /// Number of the batch's first record.
    pub(super) first_record: RecordSeq,
    pub(super) took_ms: u64,
}

/// The values of an item that `filter_path` can leave out, under the item's action.
const LEAVES: [&[&str]; 12] = [
    &["_index"],
    &["_id"],
    &["_version"],
    &["result"],
    &["_shards", "total"],
    &["_shards", "successful"],
    &["_shards", "failed"],
    &["_seq_no"],
    &["_primary_term"],
    &["status"],
    &["error", "type"],
    &["error", "reason"],
];

/// Which of [`LEAVES`] are shown for the items of one action.
type Shown = [bool; LEAVES.len()];

const OPS: [Op; 4] = [Op::Index, Op::Create, Op::Update, Op::Delete];

/// The answer to a bulk request.
pub(super) fn bulk(answered: &Answered, filter: &Filter) -> Vec<u8> {
    let failed = answered.items.iter().any(|i| matches!(i, Item::Failed(_)));
    let mut out = Vec::with_capacity(64 + answered.items.len() * 192);
    out.push(b'{');
    if filter.shows(&["took"]) {
        raw(&mut out, &format!("\"took\":{},", answered.took_ms));
    }
    if filter.shows(&["errors"]) {
        raw(&mut out, &format!("\"errors\":{failed},"));
    }
    if filter.keeps_list("items") {
        let shown = OPS.map(|op| shown(filter, &["items", op.name()]));
        raw(&mut out, "\"items\":[");
        for item in &answered.items {
            let op = match item {
                Item::Kept { op, .. } => *op,
                Item::Same(same) => same.op,
                Item::Failed(failed) => failed.op,
            };
            raw(&mut out, &format!("{{\"{}\":", op.name()));
            let shown = &shown[OPS.iter().position(|o| *o == op).unwrap_or(0)];
            match item {
                Item::Kept { record, .. } => kept(&mut out, answered, *record, shown),
                Item::Same(same) => same_item(&mut out, same, shown),
                Item::Failed(item) => failed_item(&mut out, item, shown),
            }
            raw(&mut out, "},");
        }
        close(&mut out, b']');
        out.push(b',');
    }
    close(&mut out, b'}');
    out
}

/// The answer to a single document: the item without its action; no status inside.
pub(super) fn document(answered: &Answered, filter: &Filter) -> Vec<u8> {
    let mut shown = shown(filter, &[]);
    shown[9] = false;
    let mut out = Vec::with_capacity(192);
    match answered.items.first() {
        Some(Item::Same(same)) => same_item(&mut out, same, &shown),
        _ => kept(&mut out, answered, 0, &shown),
    }
    out
}

fn shown(filter: &Filter, under: &[&str]) -> Shown {
    LEAVES.map(|leaf| filter.shows(&[under, leaf].concat()))
}

fn kept(out: &mut Vec<u8>, answered: &Answered, at: u32, shown: &Shown) {
    let batch = &answered.batch;
    let record = &batch.records()[at as usize];
    let seq = RecordSeq(answered.first_record.0 + u64::from(at));
    out.push(b'{');
    if shown[0] {
        member(out, "_index", Some(batch.index_of(record).as_str()));
    }
    if shown[1] {
        match record.id.as_deref() {
            Some(id) => member(out, "_id", Some(id)),
            None => member(out, "_id", Some(&answered.node.document_id(seq))),
        }
    }
    plain(out, shown[2], "\"_version\":1,");
    plain(out, shown[3], "\"result\":\"created\",");
    shards(out, shown);
    if shown[7] {
        raw(out, &format!("\"_seq_no\":{},", seq.0));
    }
    plain(out, shown[8], "\"_primary_term\":1,");
    plain(out, shown[9], "\"status\":201,");
    close(out, b'}');
}

/// What is under an `_id` already is, for Elasticsearch, its next version.
fn same_item(out: &mut Vec<u8>, item: &SameItem, shown: &Shown) {
    out.push(b'{');
    if shown[0] {
        member(out, "_index", Some(&item.index));
    }
    if shown[1] {
        member(out, "_id", Some(&item.id));
    }
    plain(out, shown[2], "\"_version\":2,");
    plain(out, shown[3], "\"result\":\"updated\",");
    shards(out, shown);
    plain(out, shown[9], "\"status\":200,");
    close(out, b'}');
}

fn shards(out: &mut Vec<u8>, shown: &Shown) {
    if shown[4] || shown[5] || shown[6] {
        raw(out, "\"_shards\":{");
        plain(out, shown[4], "\"total\":1,");
        plain(out, shown[5], "\"successful\":1,");
        plain(out, shown[6], "\"failed\":0,");
        close(out, b'}');
        out.push(b',');
    }
}

fn failed_item(out: &mut Vec<u8>, item: &FailedItem, shown: &Shown) {
    out.push(b'{');
    if shown[0] {
        member(out, "_index", item.index.as_deref());
    }
    if shown[1] {
        member(out, "_id", item.id.as_deref());
    }
    if shown[9] {
        raw(out, &format!("\"status\":{},", item.fault.status));
    }
    if shown[10] || shown[11] {
        raw(out, "\"error\":{");
        if shown[10] {
            member(out, "type", Some(item.fault.kind));
        }
        if shown[11] {
            member(out, "reason", Some(&item.fault.reason));
        }
        close(out, b'}');
        out.push(b',');
    }
    close(out, b'}');
}

fn raw(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn plain(out: &mut Vec<u8>, shown: bool, text: &str) {
    if shown {
        raw(out, text);
    }
}

fn member(out: &mut Vec<u8>, name: &str, value: Option<&str>) {
    let value: Box<RawValue> =
        serde_json::value::to_raw_value(&value).expect("a string or null is always JSON");
    raw(out, &format!("\"{name}\":{},", value.get()));
}

/// Ends an object or list; every value before wrote a comma behind itself.
fn close(out: &mut Vec<u8>, end: u8) {
    if out.last() == Some(&b',') {
        out.pop();
    }
    out.push(end);
}
