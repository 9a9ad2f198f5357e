//! What is in a native request? One JSON document a line; blank lines are skipped.

use model::batch::{Batch, BatchBuilder};
use model::id::IndexName;
use model::wire::Rejected;

use super::fault::{Limits, TooManyDocuments, document_fault, too_long};
use crate::frame::Lines;

/// Rejected lines that are listed; the others are only counted.
const REJECTED_LISTED_MAX: usize = 100;

/// A parsed native request.
#[derive(Debug)]
pub struct ParsedLines {
    /// The documents that are kept.
    pub batch: Batch,
    /// The first lines that are not, and why.
    pub rejected: Vec<Rejected>,
    /// How many lines are not kept in all.
    pub rejected_total: u64,
}

/// Parses one document a line, all for one index.
///
/// # Errors
/// More documents than the limit.
pub fn lines(
    body: &[u8],
    index: &IndexName,
    limits: &Limits,
    mut builder: BatchBuilder,
) -> Result<ParsedLines, TooManyDocuments> {
    let (mut rejected, mut rejected_total) = (Vec::new(), 0);
    builder.reserve(body.len());
    for (n, line) in Lines::new(body).filter(|line| !line.is_blank()).enumerate() {
        if n >= limits.documents_max {
            let documents_max = limits.documents_max;
            return Err(TooManyDocuments { documents_max, line: line.number });
        }
        let pushed = match too_long(line.bytes.len(), limits) {
            Some(fault) => Err(fault),
            None => builder.push(index, None, line.bytes).map_err(|e| document_fault(&e)),
        };
        if let Err(fault) = pushed {
            rejected_total += 1;
            if rejected.len() < REJECTED_LISTED_MAX {
                rejected.push(Rejected { line: line.number, reason: fault.reason });
            }
        }
    }
    Ok(ParsedLines { batch: builder.finish(), rejected, rejected_total })
}
