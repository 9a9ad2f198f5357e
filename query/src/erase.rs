//! Which rows does a deletion take? Its stored query, read and searched as any other.
//!
//! Knows nothing of how deleted records go.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use index::read::{DeletedRows, Deletion, RowSet, Snapshot, Split, SplitReader};
use platform::clock::SystemClock;

use crate::clause::Limits;
use crate::elastic::{Reader, parse_json};
use crate::error::{ErrorKind, QueryError};
use crate::leaf::{LeafError, Memo, Memory, Run, SplitEval};
use crate::plan::{IndexPatterns, Node};

/// What a request was allowed to hold is no limit here: it was checked when it came.
const LIMITS: Limits = Limits { depth_max: 120, clauses_max: usize::MAX, regex_bytes_max: 1 << 20 };

/// Understands the queries of deletions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deletes;

impl DeletedRows for Deletes {
    fn deleted_rows(
        &self,
        deletion: &Deletion,
        reader: &SplitReader,
        text_fields: &[String],
    ) -> Result<RowSet, String> {
        rows(deletion, reader, text_fields).map_err(|error| error.to_string())
    }
}

fn rows(
    deletion: &Deletion,
    reader: &SplitReader,
    text_fields: &[String],
) -> Result<RowSet, LeafError> {
    let node = match &deletion.query {
        None => Node::All,
        Some(query) => {
            let mut body = Reader::with_limits(deletion.at, LIMITS, usize::MAX);
            Node::of(&body.query(&parse_json(query.as_bytes())?)?)?
        }
    };
    // Found once for a split; nobody waits who could leave.
    let memory = Arc::new(Memory::new(u64::MAX));
    let run =
        Run::new(Arc::new(AtomicBool::new(false)), Arc::new(SystemClock), i64::MAX, memory, 0);
    let memo = Memo::default();
    let eval = SplitEval { reader, text_fields, run: &run, memo: &memo };
    let names: Vec<String> = deletion.indexes.iter().map(|name| name.to_string()).collect();
    eval.matching(&node, model::time::TimeRange::ALL, &IndexPatterns::new(&names))
}

/// The rows of a split that are not deleted, or `None` where that is all.
///
/// # Errors
/// The split cannot be read.
pub fn kept_rows(
    snapshot: &Snapshot,
    split: &Split,
    reader: &SplitReader,
) -> Result<Option<Arc<RowSet>>, LeafError> {
    snapshot.kept_rows(split, reader, &Deletes).map_err(|reason| {
        let id = &split.meta().id;
        let reason = format!("split {id}: what is deleted of it cannot be told: {reason}");
        LeafError::Query(QueryError::of(ErrorKind::Internal, reason))
    })
}
