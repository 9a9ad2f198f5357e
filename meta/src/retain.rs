//! How long are the records of an index kept? As the delete phase of its policy, or the retention
//! of its data stream's lifecycle says, in whole days.

use std::collections::HashMap;

use model::id::IndexName;
use model::meta::Lifetimes;
use serde_json::Value as Json;

use crate::lifecycle::is_running;
use crate::registry::Registry;
use crate::state::State;
use crate::stream::{lifecycle_of, policy_of};
use crate::value::duration_ms;

const DAY_MS: i64 = 86_400_000;
/// Indexes whose days are remembered.
const KNOWN_MAX: usize = 65_536;

/// What was worked out for one version of the state.
#[derive(Debug, Default)]
pub(crate) struct Days {
    version: u64,
    known: HashMap<IndexName, Option<u32>>,
}

/// Records go by the time that they bear, and in whole days, so a shorter age keeps them a day.
fn days(ms: i64) -> u32 {
    u32::try_from(ms.saturating_add(DAY_MS - 1) / DAY_MS).unwrap_or(u32::MAX).max(1)
}

fn days_of(state: &State, index: &str) -> Option<u32> {
    let policy = policy_of(state, index).filter(|_| is_running(state));
    if let Some(policy) = policy {
        return state.policy(&policy)?.delete_after_ms.map(days);
    }
    let lifecycle = lifecycle_of(state, state.stream_of(index)?)?;
    if lifecycle["enabled"] == false {
        return None;
    }
    lifecycle.get("data_retention").and_then(Json::as_str).and_then(duration_ms).map(days)
}

impl Lifetimes for Registry {
    fn days_of(&self, index: &IndexName) -> Option<u32> {
        let state = self.state();
        let mut kept = self.days.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if kept.version != state.version || kept.known.len() >= KNOWN_MAX {
            *kept = Days { version: state.version, known: HashMap::new() };
        }
        if let Some(known) = kept.known.get(index) {
            return *known;
        }
        let found = days_of(&state, index.as_str());
        kept.known.insert(index.clone(), found);
        found
    }
}
