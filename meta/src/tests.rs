//! The registry over a store in memory: limits, and what is kept.

use std::sync::{Arc, Mutex};

use model::id::{IndexName, Tenant};
use model::meta::{
    Lifetimes, MetaChange, MetaError, MetaKind, MetaRow, MetaStore, WriteAsk, WriteNames,
};
use platform::clock::ManualClock;
use serde_json::{Value as Json, json};

use crate::{Fault, Limits, Registry, cluster, lifecycle, stored, stream, template};

/// Rows in memory, as the catalog keeps them.
#[derive(Debug, Default)]
struct Rows(Mutex<Vec<MetaRow>>);

impl MetaStore for Rows {
    fn load(&self, _: &Tenant) -> Result<Vec<MetaRow>, MetaError> {
        Ok(self.0.lock().unwrap().clone())
    }

    fn change(&self, _: &Tenant, changes: &[MetaChange]) -> Result<(), MetaError> {
        let mut rows = self.0.lock().unwrap();
        for change in changes {
            let (kind, name) = match change {
                MetaChange::Put(row) => (row.kind, &row.name),
                MetaChange::Delete(kind, name) => (*kind, name),
            };
            rows.retain(|row| row.kind != kind || row.name != *name);
            if let MetaChange::Put(row) = change {
                rows.push(row.clone());
            }
        }
        Ok(())
    }
}

fn open(rows: &Arc<Rows>, limits: Limits) -> Registry {
    let clock = Arc::new(ManualClock::at(1_795_186_800_000_000_000));
    Registry::open(rows.clone(), limits, clock, "cluster").unwrap()
}

const LIMITS: Limits = Limits { entries_max: 8, bytes_max: 4_096 };

fn pipeline(registry: &Registry, name: &str, description: &str) -> Result<(), Fault> {
    let body = json!({"description": description, "processors": []});
    registry.update(|draft| stored::put_pipeline(draft, name, body))
}

#[test]
fn too_much_is_refused_and_less_is_always_taken() {
    let registry = open(&Arc::default(), LIMITS);
    // Three templates are there from the start.
    for n in 0..5 {
        pipeline(&registry, &format!("p{n}"), "").unwrap();
    }
    let fault = pipeline(&registry, "p5", "").unwrap_err();
    assert!(fault.reason.contains("`meta.entries_max` = 8"), "{}", fault.reason);
    assert!(!registry.has_pipeline("p5"));
    let fault = pipeline(&registry, "p4", &"x".repeat(5_000)).unwrap_err();
    assert!(fault.reason.contains("`meta.bytes_max` = 4096"), "{}", fault.reason);
    pipeline(&registry, "p4", "y").unwrap();
    registry.update(|draft| stored::delete_pipelines(draft, "p*")).unwrap();
    pipeline(&registry, "p5", "").unwrap();
}

#[test]
fn what_is_set_up_is_there_when_it_is_opened_again() {
    let rows = Arc::<Rows>::default();
    let registry = open(&rows, LIMITS);
    let policy = |days: &str| json!({"policy": {"phases": {"delete": {"min_age": days, "actions": {"delete": {}}}}}});
    registry.update(|draft| lifecycle::put(draft, "p", policy("7d"))).unwrap();
    registry.update(|draft| lifecycle::put(draft, "p", policy("3d"))).unwrap();
    let body = json!({
        "index_patterns": ["s-*"], "data_stream": {},
        "template": {"settings": {"lifecycle.name": "p"}},
    });
    registry.update(|draft| template::put(draft, "s", body, false)).unwrap();
    let ask = WriteAsk { create: true, ..WriteAsk::default() };
    let target = registry.target("s-1", ask).unwrap();
    assert!(target.data_stream);
    registry.update(|draft| stream::roll(draft, "s-1")).unwrap();
    drop(registry);
    let registry = open(&rows, LIMITS);
    let again = registry.target("s-1", ask).unwrap();
    assert_eq!(again.index, IndexName::new(".ds-s-1-2026.11.20-000002"));
    assert_eq!(registry.state().get(MetaKind::LifecyclePolicy, "p").unwrap().version, 2);
    let days = |index: &str| registry.days_of(&IndexName::new(index));
    assert_eq!((days(target.index.as_str()), days("s-1"), days("t")), (Some(3), Some(3), None));
    let own = stream::lifecycle(&json!({"data_retention": "12h"})).unwrap();
    registry
        .update(|draft| {
            let mut stream = draft.state().stream("s-1").unwrap().clone();
            stream.lifecycle = Some(own);
            draft.put(MetaKind::DataStream, "s-1", &stream)?;
            template::put(draft, "s", json!({"index_patterns": ["s-*"], "data_stream": {}}), false)
        })
        .unwrap();
    assert_eq!(days(target.index.as_str()), Some(1));
}

#[test]
fn a_change_that_cannot_be_kept_changes_nothing() {
    #[derive(Debug)]
    struct Broken;
    impl MetaStore for Broken {
        fn load(&self, _: &Tenant) -> Result<Vec<MetaRow>, MetaError> {
            let kind = MetaKind::DataStream;
            let row = |name: &str, body: &str| MetaRow {
                kind,
                name: name.to_owned(),
                body: body.to_owned(),
                version: 1,
            };
            Ok(vec![row("damaged", "{\"generation\": -1}")])
        }

        fn change(&self, _: &Tenant, _: &[MetaChange]) -> Result<(), MetaError> {
            Err(MetaError { reason: "the disk is full".to_owned() })
        }
    }
    let clock = Arc::new(ManualClock::at(0));
    let registry = Registry::open(Arc::new(Broken), LIMITS, clock, "cluster").unwrap();
    // A row that makes no sense is left out.
    assert_eq!(registry.state().streams().count(), 0);
    let fault = pipeline(&registry, "p", "").unwrap_err();
    assert_eq!((fault.status, fault.reason.contains("disk is full")), (500, true));
    assert!(!registry.has_pipeline("p"));
}

#[test]
fn built_in_templates_can_be_turned_off() {
    let rows = Arc::<Rows>::default();
    let registry = open(&rows, LIMITS);
    let is_stream = |registry: &Registry| {
        registry
            .target("logs-a-b", WriteAsk { create: true, ..WriteAsk::default() })
            .unwrap()
            .data_stream
    };
    let off: Json = json!({"persistent": {"stack.templates.enabled": false}});
    registry.update(|draft| cluster::put(draft, off)).unwrap();
    assert!(!is_stream(&registry));
    assert!(!is_stream(&open(&rows, LIMITS)));
    let on: Json = json!({"persistent": {"stack.templates.enabled": null}});
    registry.update(|draft| cluster::put(draft, on)).unwrap();
    assert!(is_stream(&open(&rows, LIMITS)));
}
