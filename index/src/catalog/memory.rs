//! How does a simulation keep the catalog? In memory, as durable as the value that holds it.
//!
//! Passes the same suite as the others; every method is one transaction under one lock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::id::{NodeId, SplitId, Tenant};
use model::meta::{MetaChange, MetaError, MetaKind, MetaRow, MetaStore};
use model::time::Timestamp;

use super::{Catalog, CatalogError, Checkpoint, Deletions, Publication, PublishedBatch};
use crate::read::SplitMeta;
use crate::read::deletion::Deletion;

#[derive(Clone, Debug, Default)]
struct State {
    checkpoint: Checkpoint,
    splits: BTreeMap<SplitId, SplitMeta>,
    batches: BTreeMap<String, PublishedBatch>,
    garbage: BTreeSet<SplitId>,
    deletions: BTreeMap<u64, Deletion>,
    metadata: BTreeMap<(Tenant, MetaKind, String), MetaRow>,
}

/// A catalog in memory; clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryCatalog(Arc<Mutex<State>>);

impl MemoryCatalog {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn insert(state: &mut State, splits: &[SplitMeta]) {
    for split in splits {
        state.splits.insert(split.id.clone(), split.clone());
        state.garbage.remove(&split.id);
    }
}

impl Deletions for MemoryCatalog {
    fn delete(&self, deletion: &Deletion, splits: &[SplitMeta]) -> Result<(), CatalogError> {
        let mut state = self.state();
        if let Some(gone) = splits.iter().find(|meta| !state.splits.contains_key(&meta.id)) {
            return Err(CatalogError::Gone { split: gone.id.clone() });
        }
        for meta in splits {
            state.splits.insert(meta.id.clone(), meta.clone());
        }
        state.deletions.insert(deletion.id, deletion.clone());
        Ok(())
    }

    fn deletions(&self, forgotten: &[u64]) -> Result<Vec<Deletion>, CatalogError> {
        let mut state = self.state();
        state.deletions.retain(|id, _| !forgotten.contains(id));
        Ok(state.deletions.values().cloned().collect())
    }
}

impl Catalog for MemoryCatalog {
    fn identity(&self) -> Result<(NodeId, String), CatalogError> {
        Ok((NodeId(0x51e0), "memory".to_owned()))
    }

    fn splits(&self) -> Result<Vec<SplitMeta>, CatalogError> {
        Ok(self.state().splits.values().cloned().collect())
    }

    fn checkpoint(&self) -> Result<(Checkpoint, Vec<PublishedBatch>), CatalogError> {
        let state = self.state();
        let mut batches: Vec<PublishedBatch> = state.batches.values().cloned().collect();
        batches.sort_by_key(|b| b.at);
        Ok((state.checkpoint, batches))
    }

    fn stage(&self, splits: &[SplitId]) -> Result<(), CatalogError> {
        let mut state = self.state();
        for id in splits {
            if !state.splits.contains_key(id) {
                state.garbage.insert(id.clone());
            }
        }
        Ok(())
    }

    fn publish(&self, roll: &Publication) -> Result<(), CatalogError> {
        let mut state = self.state();
        insert(&mut state, &roll.splits);
        let Checkpoint { wal, next_record } = state.checkpoint;
        state.checkpoint = Checkpoint {
            wal: wal.max(roll.checkpoint.wal),
            next_record: next_record.max(roll.checkpoint.next_record),
        };
        for batch in &roll.batches {
            state.batches.insert(batch.id.as_str().to_owned(), batch.clone());
        }
        let Timestamp(oldest) = roll.forget_before;
        state.batches.retain(|_, batch| batch.at.0 >= oldest);
        Ok(())
    }

    fn replace(&self, old: &[SplitId], new: &[SplitMeta]) -> Result<(), CatalogError> {
        let mut state = self.state();
        if let Some(gone) = old.iter().find(|id| !state.splits.contains_key(id)) {
            return Err(CatalogError::Gone { split: gone.clone() });
        }
        for id in old {
            state.splits.remove(id);
            state.garbage.insert(id.clone());
        }
        insert(&mut state, new);
        Ok(())
    }

    fn garbage(&self, collected: &[SplitId]) -> Result<Vec<SplitId>, CatalogError> {
        let mut state = self.state();
        for id in collected {
            state.garbage.remove(id);
        }
        Ok(state.garbage.iter().cloned().collect())
    }
}

impl MetaStore for MemoryCatalog {
    fn load(&self, tenant: &Tenant) -> Result<Vec<MetaRow>, MetaError> {
        let state = self.state();
        let rows = state.metadata.iter().filter(|((of, _, _), _)| of == tenant);
        Ok(rows.map(|(_, row)| row.clone()).collect())
    }

    fn change(&self, tenant: &Tenant, changes: &[MetaChange]) -> Result<(), MetaError> {
        let mut state = self.state();
        for change in changes {
            match change {
                MetaChange::Put(row) => {
                    let key = (tenant.clone(), row.kind, row.name.clone());
                    state.metadata.insert(key, row.clone());
                }
                MetaChange::Delete(kind, name) => {
                    state.metadata.remove(&(tenant.clone(), *kind, name.clone()));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conforms() {
        let catalog = MemoryCatalog::default();
        super::super::conformance::check(&|| Box::new(catalog.clone()));
        super::super::conformance::check_metadata(&|| Box::new(catalog.clone()));
    }
}
