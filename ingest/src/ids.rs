//! Is a document with this `_id` known? The clients' ids, in a window of time and number.
//!
//! Names are kept as hashes of 128 bits, contents as hashes of 64. A request claims its ids all at
//! once or waits for the request that has claimed one of them, so two requests cannot both create a
//! document, and what was refused is not known. Knows no protocol.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;
use model::batch::Batch;
use model::id::IndexName;
use model::live::{Sequenced, Sink};
use model::time::{NS_PER_S, Timestamp};
use tokio::sync::watch;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// A document that was published before this start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDocument {
    /// Its index.
    pub index: IndexName,
    /// The client's `_id`.
    pub id: String,
    /// Its very bytes, hashed by [`content_hash`].
    pub content: u64,
    /// When it was published.
    pub at: Timestamp,
}

/// The hash of a document's bytes.
pub fn content_hash(source: &[u8]) -> u64 {
    xxh3_64(source)
}

fn index_hash(index: &str) -> u64 {
    xxh3_64(index.as_bytes())
}

fn key(index: &str, id: &str) -> u128 {
    let mut text = Vec::with_capacity(index.len() + id.len() + 1);
    text.extend_from_slice(index.as_bytes());
    text.push(0);
    text.extend_from_slice(id.as_bytes());
    xxh3_128(&text)
}

/// What is known of a document's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing, or the document has none.
    Nothing,
    /// A document with the same bytes.
    Same,
    /// A document with others.
    Other,
}

#[derive(Debug)]
struct Entry {
    index: u64,
    content: u64,
    /// When the document came in; not yet known to be kept while `claim` is there.
    at: i64,
    claim: Option<watch::Receiver<()>>,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<u128, Entry>,
    /// Documents that are kept, oldest first.
    order: VecDeque<(i64, u128)>,
}

/// The window of known documents.
#[derive(Debug)]
pub(crate) struct DocumentIds {
    state: Mutex<State>,
    documents_max: usize,
    window_ns: i64,
}

impl DocumentIds {
    pub(crate) fn new(documents_max: usize, window_s: u64) -> Arc<Self> {
        let window_ns = i64::try_from(window_s).unwrap_or(i64::MAX).saturating_mul(NS_PER_S);
        Arc::new(Self { state: Mutex::default(), documents_max, window_ns })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a document that was kept before this start.
    pub(crate) fn insert(&self, document: &KnownDocument) {
        let entry = Entry {
            index: index_hash(document.index.as_str()),
            content: document.content,
            at: document.at.0,
            claim: None,
        };
        self.keep(&mut self.state(), key(document.index.as_str(), &document.id), entry);
    }

    /// Notes the documents of a batch that is kept.
    pub(crate) fn insert_batch(&self, batch: &Batch) {
        let mut state = self.state();
        for record in batch.records() {
            let Some(id) = record.id.as_deref() else { continue };
            let index = batch.index_of(record).as_str();
            let entry = Entry {
                index: index_hash(index),
                content: content_hash(batch.source(record).as_bytes()),
                at: batch.received.0,
                claim: None,
            };
            self.keep(&mut state, key(index, id), entry);
        }
    }

    fn keep(&self, state: &mut State, key: u128, entry: Entry) {
        let at = entry.at;
        state.entries.insert(key, entry);
        state.order.push_back((at, key));
        while let Some((oldest, _)) = state.order.front() {
            let old = at.saturating_sub(*oldest) > self.window_ns;
            if !old && state.order.len() <= self.documents_max {
                break;
            }
            let Some((oldest, key)) = state.order.pop_front() else { break };
            let is_it = |e: &Entry| e.claim.is_none() && e.at == oldest;
            if state.entries.get(&key).is_some_and(is_it) {
                state.entries.remove(&key);
            }
        }
    }

    /// Forgets the documents of indexes: they are deleted.
    pub(crate) fn forget(&self, indexes: &[IndexName]) {
        let gone: Vec<u64> = indexes.iter().map(|name| index_hash(name.as_str())).collect();
        self.state().entries.retain(|_, e| e.claim.is_some() || !gone.contains(&e.index));
    }

    /// Claims the ids of a batch's documents that are not known; says of each document what is.
    /// Waits while another request has claimed one of them.
    pub(crate) async fn claim(self: &Arc<Self>, batch: &Batch) -> (Vec<Found>, Claimed) {
        let (ends, ended) = watch::channel(());
        let mut keys = Vec::new();
        loop {
            match self.take(batch, &ended, &mut keys) {
                Ok(found) => return (found, Claimed { ids: self.clone(), keys, _ends: ends }),
                // An error says that the other request has ended.
                Err(mut other) => drop(other.changed().await),
            }
        }
    }

    /// Claims all at once, or none when another request has claimed one of them.
    fn take(
        &self,
        batch: &Batch,
        ended: &watch::Receiver<()>,
        keys: &mut Vec<u128>,
    ) -> Result<Vec<Found>, watch::Receiver<()>> {
        let named: Vec<Option<(u128, &str)>> = batch
            .records()
            .iter()
            .map(|record| {
                let index = batch.index_of(record).as_str();
                record.id.as_deref().map(|id| (key(index, id), index))
            })
            .collect();
        let mut state = self.state();
        let claimed = |named: &(u128, &str)| state.entries.get(&named.0)?.claim.clone();
        if let Some(other) = named.iter().flatten().find_map(claimed) {
            return Err(other);
        }
        let at = batch.received.0;
        let mut out = Vec::with_capacity(named.len());
        for (record, named) in batch.records().iter().zip(named) {
            let Some((key, index)) = named else {
                out.push(Found::Nothing);
                continue;
            };
            let content = content_hash(batch.source(record).as_bytes());
            out.push(match state.entries.get(&key) {
                Some(known) if at.saturating_sub(known.at) <= self.window_ns => {
                    if known.content == content { Found::Same } else { Found::Other }
                }
                _ => {
                    let index = index_hash(index);
                    let entry = Entry { index, content, at, claim: Some(ended.clone()) };
                    state.entries.insert(key, entry);
                    keys.push(key);
                    Found::Nothing
                }
            });
        }
        Ok(out)
    }
}

/// The ids that a request has claimed; dropped without [`Claimed::done`] they are free again.
#[derive(Debug)]
pub(crate) struct Claimed {
    ids: Arc<DocumentIds>,
    keys: Vec<u128>,
    /// Dropped, it tells who waits.
    _ends: watch::Sender<()>,
}

impl Claimed {
    /// The documents of the batch are kept.
    pub(crate) fn done(mut self, batch: &Batch) {
        self.ids.insert_batch(batch);
        self.keys.clear();
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        let mut state = self.ids.state();
        for key in &self.keys {
            if state.entries.get(key).is_some_and(|entry| entry.claim.is_some()) {
                state.entries.remove(key);
            }
        }
    }
}

/// Notes the ids of what is replayed, and hands it on.
pub(crate) struct Noting<'a> {
    pub(crate) ids: &'a DocumentIds,
    pub(crate) sink: &'a dyn Sink,
}

impl Sink for Noting<'_> {
    fn apply(&self, batch: Sequenced) {
        self.ids.insert_batch(&batch.batch);
        self.sink.apply(batch);
    }
}

#[cfg(test)]
mod tests {
    use model::batch::BatchBuilder;
    use model::id::Tenant;

    use super::*;

    fn batch(at: i64, documents: &[(&str, Option<&str>, u32)]) -> Batch {
        let mut builder = BatchBuilder::new(Tenant::default(), None, Timestamp(at));
        for (index, id, n) in documents {
            let source = format!("{{\"n\":{n}}}");
            builder.push(&IndexName::new(*index), *id, source.as_bytes()).unwrap();
        }
        builder.finish()
    }

    async fn found(ids: &Arc<DocumentIds>, batch: &Batch) -> Vec<Found> {
        ids.claim(batch).await.0
    }

    #[tokio::test]
    async fn an_id_is_known_when_its_document_is_kept() {
        use Found::{Nothing, Other, Same};
        let ids = DocumentIds::new(10, 60);
        let first = batch(1, &[("a", Some("1"), 1), ("a", None, 1), ("b", Some("1"), 1)]);
        let (seen, claimed) = ids.claim(&first).await;
        assert_eq!(seen, [Nothing; 3]);
        // Refused: nothing is known.
        drop(claimed);
        let (seen, claimed) = ids.claim(&first).await;
        assert_eq!(seen, [Nothing; 3]);
        claimed.done(&first);
        let again = [("a", Some("1"), 1), ("a", Some("1"), 2), ("b", Some("2"), 1)];
        assert_eq!(found(&ids, &batch(2, &again)).await, [Same, Other, Nothing]);
        // Twice in one request.
        let twice = [("c", Some("1"), 1), ("c", Some("1"), 1), ("c", Some("1"), 2)];
        assert_eq!(found(&ids, &batch(3, &twice)).await, [Nothing, Same, Other]);
        // Deleted: what comes again is new.
        ids.forget(&[IndexName::new("a")]);
        let both = [("a", Some("1"), 1), ("b", Some("1"), 1)];
        assert_eq!(found(&ids, &batch(4, &both)).await, [Nothing, Same]);
    }

    #[tokio::test]
    async fn two_requests_never_both_create_a_document() {
        let ids = DocumentIds::new(1000, 60);
        let one = batch(1, &[("a", Some("1"), 1), ("a", Some("2"), 1)]);
        let other = batch(1, &[("a", Some("2"), 1), ("a", Some("3"), 1)]);
        for first_is_kept in [true, false] {
            ids.forget(&[IndexName::new("a")]);
            let (_, claimed) = ids.claim(&one).await;
            let waits = {
                let (ids, other) =
                    (ids.clone(), batch(1, &[("a", Some("2"), 1), ("a", Some("3"), 1)]));
                tokio::spawn(async move { ids.claim(&other).await.0 })
            };
            tokio::task::yield_now().await;
            assert!(!waits.is_finished());
            match first_is_kept {
                true => claimed.done(&one),
                false => drop(claimed),
            }
            let want = if first_is_kept { Found::Same } else { Found::Nothing };
            assert_eq!(waits.await.unwrap(), [want, Found::Nothing]);
        }
        drop(other);
    }

    #[tokio::test]
    async fn the_window_is_bounded_by_number_and_by_time() {
        let ids = DocumentIds::new(2, 10);
        for n in 1..=3 {
            let document = KnownDocument {
                index: IndexName::new("a"),
                id: n.to_string(),
                content: content_hash(b"{\"n\":1}"),
                at: Timestamp(n),
            };
            ids.insert(&document);
        }
        let all = [("a", Some("1"), 1), ("a", Some("2"), 1), ("a", Some("3"), 1)];
        use Found::{Nothing, Same};
        assert_eq!(found(&ids, &batch(4, &all)).await, [Nothing, Same, Same]);
        assert_eq!(ids.state().entries.len(), 2);
        let late = batch(11 * NS_PER_S, &all);
        assert_eq!(found(&ids, &late).await, [Nothing; 3]);
        let (_, claimed) = ids.claim(&late).await;
        claimed.done(&late);
        assert!(ids.state().order.len() <= 2 && ids.state().entries.len() <= 3);
    }
}
