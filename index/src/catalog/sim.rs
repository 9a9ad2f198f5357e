//! How does a catalog fail? Without a change, or after it, with no answer either way.

use std::sync::Arc;

use model::id::{NodeId, SplitId};
use platform::sim::{Fate, World};

use super::{Catalog, CatalogError, Checkpoint, Deletions, Publication, PublishedBatch};
use crate::read::SplitMeta;
use crate::read::deletion::Deletion;

/// A catalog that fails as the world says. What it keeps survives a power cut: every method of
/// the one inside is durable when it returns.
#[derive(Debug)]
pub struct SimCatalog {
    world: World,
    inner: Arc<dyn Catalog>,
}

impl SimCatalog {
    /// Puts `inner` into the world.
    pub fn new(world: World, inner: Arc<dyn Catalog>) -> Self {
        Self { world, inner }
    }

    fn ask<T>(
        &self,
        operation: &'static str,
        of: &str,
        effect: impl FnOnce() -> Result<T, CatalogError>,
    ) -> Result<T, CatalogError> {
        let lost =
            |reason: &str| Err(CatalogError::NoAnswer { operation, reason: reason.to_owned() });
        match self.world.fate(operation, of) {
            Fate::Works => effect(),
            Fate::FailsAfter => {
                effect()?;
                lost("simulated fault")
            }
            Fate::FailsBefore => lost("simulated fault"),
            Fate::PowerOff => lost("the power is off"),
        }
    }
}

fn names<'a>(ids: impl Iterator<Item = &'a SplitId>) -> String {
    ids.map(SplitId::as_str).collect::<Vec<_>>().join(" ")
}

impl Deletions for SimCatalog {
    fn delete(&self, deletion: &Deletion, splits: &[SplitMeta]) -> Result<(), CatalogError> {
        let of = format!("{} in {}", deletion.id, names(splits.iter().map(|s| &s.id)));
        self.ask("delete", &of, || self.inner.delete(deletion, splits))
    }

    fn deletions(&self, forgotten: &[u64]) -> Result<Vec<Deletion>, CatalogError> {
        self.ask("deletions", "", || self.inner.deletions(forgotten))
    }
}

impl Catalog for SimCatalog {
    fn identity(&self) -> Result<(NodeId, String), CatalogError> {
        self.ask("identity", "", || self.inner.identity())
    }

    fn splits(&self) -> Result<Vec<SplitMeta>, CatalogError> {
        self.ask("splits", "", || self.inner.splits())
    }

    fn checkpoint(&self) -> Result<(Checkpoint, Vec<PublishedBatch>), CatalogError> {
        self.ask("checkpoint", "", || self.inner.checkpoint())
    }

    fn stage(&self, splits: &[SplitId]) -> Result<(), CatalogError> {
        self.ask("stage", &names(splits.iter()), || self.inner.stage(splits))
    }

    fn publish(&self, roll: &Publication) -> Result<(), CatalogError> {
        let of = names(roll.splits.iter().map(|s| &s.id));
        let of = format!("{of} up to {}", roll.checkpoint.wal.0);
        self.ask("publish", &of, || self.inner.publish(roll))
    }

    fn replace(&self, old: &[SplitId], new: &[SplitMeta]) -> Result<(), CatalogError> {
        let of = format!("{} by {}", names(old.iter()), names(new.iter().map(|s| &s.id)));
        self.ask("replace", &of, || self.inner.replace(old, new))
    }

    fn garbage(&self, collected: &[SplitId]) -> Result<Vec<SplitId>, CatalogError> {
        self.ask("garbage", &names(collected.iter()), || self.inner.garbage(collected))
    }
}
