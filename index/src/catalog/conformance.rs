//! What must every catalog do? One suite, run on each implementation by the tests.

use model::id::{BatchId, IndexName, RecordSeq, SplitId, Tenant, WalSeq};
use model::meta::{MetaChange, MetaKind, MetaRow, MetaStore};
use model::time::{TimeRange, Timestamp};

use super::{Catalog, CatalogError, Checkpoint, Publication, PublishedBatch};
use crate::read::{Deletion, Origin, SplitMeta};

/// A split's description, for tests.
pub fn meta(id: &str) -> SplitMeta {
    SplitMeta {
        id: SplitId::new(id),
        tenant: Tenant::default(),
        time: TimeRange { from: Timestamp(1), to: Timestamp(2) },
        bucket: Timestamp(0),
        docs: 1,
        raw_bytes: 2,
        object_bytes: 3,
        tail_bytes: 2,
        indexes: vec![(IndexName::new("logs"), 1)],
        created: Timestamp(4),
        merges: 0,
        origin: Origin::default(),
        deletions: Vec::new(),
    }
}

fn ids(names: &[&str]) -> Vec<SplitId> {
    names.iter().map(|n| SplitId::new(*n)).collect()
}

fn publication(splits: &[&str], wal: u64, batches: &[(&str, i64)], forget: i64) -> Publication {
    let batch = |(id, at): &(&str, i64)| PublishedBatch {
        id: BatchId::new(*id),
        accepted: 3,
        at: Timestamp(*at),
    };
    Publication {
        splits: splits.iter().map(|id| meta(id)).collect(),
        checkpoint: Checkpoint { wal: WalSeq(wal), next_record: RecordSeq(wal * 10) },
        batches: batches.iter().map(batch).collect(),
        forget_before: Timestamp(forget),
    }
}

fn published(catalog: &dyn Catalog) -> Vec<SplitId> {
    catalog.splits().expect("splits").into_iter().map(|s| s.id).collect()
}

/// Runs every check on an empty catalog; `open` opens the same one again.
///
/// # Panics
/// When the catalog does not do what it must.
pub fn check(open: &dyn Fn() -> Box<dyn Catalog>) {
    let catalog = open();
    let identity = catalog.identity().expect("identity");
    assert_eq!(catalog.checkpoint().expect("checkpoint"), (Checkpoint::default(), vec![]));
    catalog.stage(&ids(&["A", "B", "Z"])).expect("stage");
    let roll = publication(&["A", "B"], 7, &[("old", 1), ("new", 9)], 5);
    catalog.publish(&roll).expect("publish");

    // What was published without an answer is published again: nothing changes.
    catalog.stage(&ids(&["A", "B"])).expect("stage again");
    assert_eq!(catalog.garbage(&[]).expect("garbage"), ids(&["Z"]));
    catalog.publish(&roll).expect("publish again");
    assert_eq!(published(&*catalog), ids(&["A", "B"]));

    // A checkpoint never goes back.
    catalog.publish(&publication(&[], 3, &[], 5)).expect("publish nothing");
    drop(catalog);
    let catalog = open();
    let checkpoint = Checkpoint { wal: WalSeq(7), next_record: RecordSeq(70) };
    let (found, batches) = catalog.checkpoint().expect("checkpoint");
    assert_eq!(found, checkpoint);
    assert_eq!(batches.iter().map(|b| b.id.as_str()).collect::<Vec<_>>(), ["new"]);

    // All or nothing.
    let gone = catalog.replace(&ids(&["A", "X"]), &[meta("C")]);
    assert!(matches!(gone, Err(CatalogError::Gone { split }) if split.as_str() == "X"));
    assert_eq!(published(&*catalog), ids(&["A", "B"]));
    catalog.stage(&ids(&["C"])).expect("stage");
    catalog.replace(&ids(&["A", "B"]), &[meta("C")]).expect("replace");
    drop(catalog);
    let catalog = open();
    assert_eq!(catalog.identity().expect("identity"), identity);
    assert_eq!(catalog.splits().expect("splits"), [meta("C")]);
    assert_eq!(catalog.garbage(&[]).expect("garbage"), ids(&["A", "B", "Z"]));
    assert_eq!(catalog.garbage(&ids(&["A", "Z"])).expect("garbage"), ids(&["B"]));
    drop(catalog);
    assert_eq!(open().garbage(&[]).expect("garbage"), ids(&["B"]));
    check_deletions(open);
}

fn deletion(id: u64, erased: u64) -> Deletion {
    Deletion {
        id,
        tenant: Tenant::default(),
        indexes: vec![IndexName::new("logs")],
        query: Some("{}".to_owned()),
        at: Timestamp(5),
        records: 7,
        splits: 1,
        erased,
        finished: None,
    }
}

/// The split `C` is published.
fn check_deletions(open: &dyn Fn() -> Box<dyn Catalog>) {
    let catalog = open();
    assert_eq!(catalog.deletions(&[]).expect("deletions"), []);
    let marked = |id: &str, marks: &[u64]| SplitMeta { deletions: marks.to_vec(), ..meta(id) };
    // All or nothing.
    let gone = catalog.delete(&deletion(1, 0), &[marked("C", &[1]), marked("X", &[1])]);
    assert!(matches!(gone, Err(CatalogError::Gone { split }) if split.as_str() == "X"));
    assert_eq!(catalog.splits().expect("splits"), [meta("C")]);
    assert_eq!(catalog.deletions(&[]).expect("deletions"), []);

    catalog.delete(&deletion(1, 0), &[marked("C", &[1])]).expect("delete");
    catalog.delete(&deletion(2, 0), &[]).expect("delete");
    catalog.delete(&deletion(1, 3), &[]).expect("note");
    drop(catalog);
    let catalog = open();
    assert_eq!(catalog.splits().expect("splits"), [marked("C", &[1])]);
    assert_eq!(catalog.deletions(&[]).expect("deletions"), [deletion(1, 3), deletion(2, 0)]);
    assert_eq!(catalog.deletions(&[1]).expect("deletions"), [deletion(2, 0)]);
    drop(catalog);
    assert_eq!(open().deletions(&[]).expect("deletions"), [deletion(2, 0)]);
}

/// Runs every check on empty metadata; `open` opens the same again.
///
/// # Panics
/// When the store does not do what it must.
pub fn check_metadata(open: &dyn Fn() -> Box<dyn MetaStore>) {
    let (ours, other) = (Tenant::default(), Tenant::new("other"));
    let row = |kind, name: &str, body: &str, version| MetaRow {
        kind,
        name: name.to_owned(),
        body: body.to_owned(),
        version,
    };
    let store = open();
    assert_eq!(store.load(&ours).expect("load"), []);
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20));
    let template = row(MetaKind::IndexTemplate, "t", &long, 1);
    let rows = [template.clone(), row(MetaKind::Pipeline, "t", "{}", 1)];
    let puts: Vec<_> = rows.iter().cloned().map(MetaChange::Put).collect();
    store.change(&ours, &puts).expect("change");
    drop(store);
    let store = open();
    assert_eq!(store.load(&ours).expect("load"), rows);
    assert_eq!(store.load(&other).expect("load"), []);
    let again = row(MetaKind::Pipeline, "t", "[]", 2);
    let gone = |kind| MetaChange::Delete(kind, "t".to_owned());
    store.change(&other, &[gone(MetaKind::Pipeline)]).expect("change");
    let changes =
        [gone(MetaKind::IndexTemplate), gone(MetaKind::Script), MetaChange::Put(again.clone())];
    store.change(&ours, &changes).expect("change");
    drop(store);
    assert_eq!(open().load(&ours).expect("load"), [again]);
}
