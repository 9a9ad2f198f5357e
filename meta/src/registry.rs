//! Who holds the metadata? The [`Registry`]: the state in memory, its changes made durable first.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use model::id::Tenant;
use model::meta::{Fault, MetaChange, MetaError, MetaKind, MetaRow, MetaStore};
use model::time::Timestamp;
use platform::clock::Clock;
use serde::Serialize;

use crate::indices::IndexEntry;
use crate::names::index_uuid;
use crate::retain::Days;
use crate::settings::Limits;
use crate::state::{Entry, Parsed, State};
use crate::template;

/// Knows which indexes have records.
pub trait Labels: Send + Sync {
    /// Whether there are records of an index.
    fn has(&self, index: &str) -> bool;
}

/// The metadata of a tenant.
pub struct Registry {
    store: Arc<dyn MetaStore>,
    limits: Limits,
    clock: Arc<dyn Clock>,
    cluster: String,
    tenant: Tenant,
    state: RwLock<Arc<State>>,
    /// Held by the one change that is being made.
    changing: Mutex<()>,
    labels: OnceLock<Arc<dyn Labels>>,
    pub(crate) days: Mutex<Days>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registry {
    /// Reads what is kept; `cluster` is the unique name that indexes' ids are made from.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(
        store: Arc<dyn MetaStore>,
        limits: Limits,
        clock: Arc<dyn Clock>,
        cluster: &str,
    ) -> Result<Self, MetaError> {
        let tenant = Tenant::default();
        let mut rows = store.load(&tenant)?;
        for (name, body) in template::built_in() {
            let kind = MetaKind::IndexTemplate;
            if !rows.iter().any(|r| r.kind == kind && r.name == name) {
                let (name, body) = (name.to_owned(), body.to_string());
                rows.push(MetaRow { kind, name, body, version: 0 });
            }
        }
        let (mut state, damaged) = State::new(rows);
        for row in damaged {
            tracing::error!(row, "metadata is left out: it cannot be read");
        }
        if state.cluster().get("stack.templates.enabled") == Some("false") {
            forget_built_in(&mut state);
        }
        Ok(Self {
            store,
            limits,
            clock,
            cluster: cluster.to_owned(),
            tenant,
            state: RwLock::new(Arc::new(state)),
            changing: Mutex::default(),
            labels: OnceLock::new(),
            days: Mutex::default(),
        })
    }

    /// Tells who knows which indexes have records; once.
    pub fn set_labels(&self, labels: Arc<dyn Labels>) {
        let _ = self.labels.set(labels);
    }

    pub(crate) fn has_records(&self, index: &str) -> bool {
        self.labels.get().is_some_and(|labels| labels.has(index))
    }

    /// What is set up now.
    pub fn state(&self) -> Arc<State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        Timestamp(self.clock.now_ns())
    }

    /// The unique id of an index.
    pub fn uuid(&self, index: &str) -> String {
        index_uuid(&self.cluster, index)
    }

    /// Makes changes, all or none; they are durable when this returns. Blocks on the disk.
    ///
    /// # Errors
    /// What `change` says, a limit is reached, or the changes cannot be kept.
    pub fn update<T>(
        &self,
        change: impl FnOnce(&mut Draft) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let _changing = lock(&self.changing);
        let mut draft = self.draft();
        let done = change(&mut draft)?;
        let Draft { mut state, changes, .. } = draft;
        if changes.is_empty() {
            return Ok(done);
        }
        let (count, bytes) = state.size();
        let before = self.state().size();
        let Limits { entries_max, bytes_max } = self.limits;
        if (count > entries_max && count > before.0) || (bytes > bytes_max && bytes > before.1) {
            return Err(Fault::argument(format!(
                "too much metadata: {count} entries of {bytes} bytes, the limits are \
                 `meta.entries_max` = {entries_max} and `meta.bytes_max` = {bytes_max}; delete \
                 what is not needed, or raise them"
            )));
        }
        self.store.change(&self.tenant, &changes).map_err(|error| {
            tracing::error!(%error, "metadata could not be kept");
            Fault::new(500, "process_cluster_event_exception", error.to_string())
        })?;
        state.derive();
        if state.cluster().get("stack.templates.enabled") == Some("false") {
            forget_built_in(&mut state);
        }
        state.version += 1;
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
        Ok(done)
    }

    /// What could be changed, without changing it: for answers to what would be.
    pub fn draft(&self) -> Draft {
        Draft {
            state: (*self.state()).clone(),
            changes: Vec::new(),
            now: self.now(),
            cluster: self.cluster.clone(),
        }
    }
}

/// Takes out the templates that nobody changed.
fn forget_built_in(state: &mut State) {
    for (name, _) in template::built_in() {
        if state.get(MetaKind::IndexTemplate, name).is_some_and(|e| e.version == 0) {
            state.remove(MetaKind::IndexTemplate, name);
        }
    }
}

/// Changes that are being made.
#[derive(Debug)]
pub struct Draft {
    state: State,
    changes: Vec<MetaChange>,
    now: Timestamp,
    cluster: String,
}

impl Draft {
    /// The state with the changes so far.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The time of the change.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The unique id of an index.
    pub fn uuid(&self, index: &str) -> String {
        index_uuid(&self.cluster, index)
    }

    /// Sets a row.
    ///
    /// # Errors
    /// The body cannot be kept.
    pub fn put(&mut self, kind: MetaKind, name: &str, body: &impl Serialize) -> Result<(), Fault> {
        let bad = |reason: &str| Fault::argument(format!("[{name}] cannot be kept: {reason}"));
        let text = serde_json::to_string(body).map_err(|e| bad(&e.to_string()))?;
        let parsed = Parsed::of(kind, &text).ok_or_else(|| bad("its body makes no sense"))?;
        let version = self.state.get(kind, name).map_or(0, |e| e.version) + 1;
        let row = MetaRow { kind, name: name.to_owned(), body: text.clone(), version };
        self.changes.push(MetaChange::Put(row));
        self.state.put(kind, name.to_owned(), Entry { text: text.into(), version, parsed });
        Ok(())
    }

    /// Takes a row out.
    pub fn delete(&mut self, kind: MetaKind, name: &str) {
        if self.state.remove(kind, name) {
            self.changes.push(MetaChange::Delete(kind, name.to_owned()));
        }
    }

    /// What is set of an index; an index that nobody made gets an entry of what templates say.
    pub fn index_entry(&self, name: &str) -> IndexEntry {
        match self.state.index(name) {
            Some(entry) => entry.clone(),
            None => IndexEntry {
                created_ms: self.now.millis(),
                aliases: self.state.aliases_of(name),
                ..IndexEntry::default()
            },
        }
    }

    /// The indexes and data streams that were given an alias.
    pub fn members_of(&self, alias: &str) -> BTreeSet<String> {
        let streams = self.state.streams().filter(|(_, s)| s.aliases.contains_key(alias));
        let indices = self.state.indices().filter(|(_, i)| i.aliases.contains_key(alias));
        let names = streams.map(|(name, _)| name).chain(indices.map(|(name, _)| name));
        names.map(str::to_owned).collect()
    }
}
