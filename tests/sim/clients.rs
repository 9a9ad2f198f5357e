//! What do the clients know? Which documents they sent, and which were acknowledged.

use std::collections::BTreeMap;

use ingest::{Refusal, Submitted};
use model::batch::{Batch, BatchBuilder};
use model::id::{BatchId, IndexName, Tenant};
use model::time::Timestamp;
use platform::sim::World;

use super::machine::{DAY_NS, SHORT_DAYS};

#[derive(Clone, Debug)]
struct Sent {
    id: Option<String>,
    documents: Vec<Document>,
    acknowledged: bool,
}

#[derive(Clone, Debug)]
struct Document {
    n: u64,
    index: &'static str,
    at: i64,
    deleted: Deleted,
}

/// What a client knows of a deletion of its document.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Deleted {
    No,
    /// It was asked for: the document may be gone, and stay gone.
    Perhaps,
    /// The deletion was acknowledged after the document was.
    Yes,
}

/// All clients together.
#[derive(Default)]
pub struct Clients {
    sent: Vec<Sent>,
    documents: u64,
    /// The highest time that the clock ever showed.
    pub latest: i64,
}

impl Clients {
    /// A batch to send: a new one, or one with an id once more, whether it was acknowledged or
    /// not. Gives its number too.
    pub fn next(&mut self, world: &World, now: i64) -> (usize, Batch) {
        self.latest = self.latest.max(now);
        let mut again: Vec<usize> = Vec::new();
        for (at, sent) in self.sent.iter().enumerate() {
            let wanted = !sent.acknowledged || at % 7 == 0;
            if sent.id.is_some() && wanted {
                again.push(at);
            }
        }
        let at = match again.len() as u64 {
            n if n > 0 && world.one_in(3) => again[world.below(n) as usize],
            _ => self.fresh(world, now),
        };
        (at, self.batch(at, now))
    }

    fn fresh(&mut self, world: &World, now: i64) -> usize {
        let at = self.sent.len();
        let mut documents = Vec::new();
        for _ in 0..1 + world.below(4) {
            let index = if world.one_in(4) { "short-1" } else { "logs" };
            let late = if world.one_in(10) { world.below(3) as i64 * DAY_NS } else { 0 };
            let at = now - late - world.below(1_000_000_000) as i64;
            documents.push(Document { n: self.documents, index, at, deleted: Deleted::No });
            self.documents += 1;
        }
        let id = (!world.one_in(3)).then(|| format!("batch-{at}"));
        self.sent.push(Sent { id, documents, acknowledged: false });
        at
    }

    fn batch(&self, at: usize, now: i64) -> Batch {
        let sent = &self.sent[at];
        let id = sent.id.clone().map(BatchId::new);
        let mut builder = BatchBuilder::new(Tenant::default(), id, Timestamp(now));
        for Document { n, index, at, .. } in &sent.documents {
            let filler = "x".repeat(*n as usize % 5 * 40);
            let source = format!(
                r#"{{"@timestamp":"{}","n":{n},"message":"document {n} {filler}","level":"info"}}"#,
                Timestamp(*at)
            );
            builder.push(&IndexName::new(*index), None, source.as_bytes()).unwrap();
        }
        builder.finish()
    }

    /// Hears the outcome of a batch.
    pub fn hear(&mut self, at: usize, outcome: &Result<Submitted, Refusal>) {
        let sent = &mut self.sent[at];
        match outcome {
            Ok(done) => {
                assert_eq!(done.accepted, sent.documents.len() as u64, "{sent:?}");
                sent.acknowledged = true;
            }
            Err(Refusal::Internal { detail }) => panic!("{detail}"),
            Err(_) => {}
        }
    }

    /// A deletion of the documents of `logs` below a number is about to be asked for.
    pub fn delete(&mut self, world: &World) -> u64 {
        let below = world.below(self.documents + 1);
        self.each_below(below, |document, _| {
            if document.deleted == Deleted::No {
                document.deleted = Deleted::Perhaps;
            }
        });
        below
    }

    /// It was acknowledged: what was acknowledged before it began is gone.
    pub fn deleted(&mut self, below: u64, before: &[usize]) {
        self.each_below(below, |document, sent| {
            if before.contains(&sent) {
                document.deleted = Deleted::Yes;
            }
        });
    }

    /// The numbers of the batches that are acknowledged.
    pub fn acknowledged_batches(&self) -> Vec<usize> {
        (0..self.sent.len()).filter(|at| self.sent[*at].acknowledged).collect()
    }

    fn each_below(&mut self, below: u64, change: impl Fn(&mut Document, usize)) {
        for (at, sent) in self.sent.iter_mut().enumerate() {
            let documents = sent.documents.iter_mut();
            documents.filter(|d| d.index == "logs" && d.n < below).for_each(|d| change(d, at));
        }
    }

    /// Whether what is there is what must be: says what is wrong.
    pub fn check(&self, found: &[(u64, u64)]) -> Result<(), String> {
        let mut times: BTreeMap<u64, u32> = BTreeMap::new();
        let mut last = None;
        for (seq, n) in found {
            if last == Some(*seq) {
                return Err(format!("two records have the number {seq}"));
            }
            last = Some(*seq);
            *times.entry(*n).or_insert(0) += 1;
        }
        for sent in &self.sent {
            for document in &sent.documents {
                let found = times.remove(&document.n).unwrap_or(0);
                let end = document.at + i64::from(SHORT_DAYS) * DAY_NS;
                let expired = document.index == "short-1" && end < self.latest;
                let may_be_gone = expired || document.deleted != Deleted::No;
                if found > 1 {
                    return Err(format!("{document:?} of {sent:?} is there {found} times"));
                }
                if found > 0 && document.deleted == Deleted::Yes {
                    return Err(format!("{document:?} of {sent:?} is deleted and there"));
                }
                if found == 0 && sent.acknowledged && !may_be_gone {
                    return Err(format!("{document:?} of {sent:?} is lost"));
                }
            }
        }
        match times.first_key_value() {
            None => Ok(()),
            Some((n, _)) => Err(format!("document {n} was never sent")),
        }
    }

    /// How many documents are acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.sent.iter().filter(|s| s.acknowledged).map(|s| s.documents.len()).sum()
    }
}
