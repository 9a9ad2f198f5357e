//! What is in a bulk request? Action lines, each but `delete` followed by its source line.
//!
//! # Framing
//!
//! - Blank lines before an action line are skipped.
//! - The line after an action is its source, whatever it holds, as in Elasticsearch; an action
//!   at the end without one is a fault of that item.
//! - After a malformed action line (Elasticsearch refuses the whole request there) the next line is
//!   taken as its source, and is not kept, if it is not itself a valid action line; so one bad
//!   line costs one item. The item is named `index`, because its own action is not known.
//! - `update` and `delete` are faults: logs are append-only. `update` has a source line.

use std::borrow::Cow;

use hashbrown::HashMap;
use model::batch::{Batch, BatchBuilder};
use model::meta::{PlainNames, WriteAsk, WriteNames, WriteTarget};

use super::action::{Action, Op, parse_action};
use super::fault::{ItemFault, Limits, TooManyDocuments, document_fault, too_long};
use super::{clip, id_fault, index_fault, no_pipeline};
use crate::frame::{Line, Lines};

/// Longer names are not looked up, only refused; date math makes names longer than indexes' are.
const NAME_BYTES_MAX: usize = 1024;

/// What became of one action, in the order of the request.
#[derive(Clone, Debug)]
pub enum Item {
    /// Kept, as this record of the batch.
    Kept {
        /// The action.
        op: Op,
        /// Position in the batch.
        record: u32,
    },
    /// Not kept again: the same document was under this `_id` already.
    Same(Box<SameItem>),
    /// Not kept.
    Failed(Box<FailedItem>),
}

/// An action whose very document is there already.
#[derive(Clone, Debug)]
pub struct SameItem {
    /// The action.
    pub op: Op,
    /// The index.
    pub index: String,
    /// The `_id`.
    pub id: String,
}

/// An action whose document is not kept.
#[derive(Clone, Debug)]
pub struct FailedItem {
    /// The action.
    pub op: Op,
    /// The index it named, or the default.
    pub index: Option<String>,
    /// The `_id` it named.
    pub id: Option<String>,
    /// Why.
    pub fault: ItemFault,
}

/// A parsed bulk request.
#[derive(Debug)]
pub struct ParsedBulk {
    /// The documents that are kept.
    pub batch: Batch,
    /// One item for each action.
    pub items: Vec<Item>,
}

/// Where documents go, unless their actions say otherwise.
#[derive(Clone, Copy)]
pub struct Writes<'a> {
    /// The index of actions that name none.
    pub default_index: Option<&'a str>,
    /// What names mean.
    pub names: &'a dyn WriteNames,
    /// What the request asks of all names.
    pub ask: WriteAsk,
    /// The pipeline of actions that name none.
    pub pipeline: Option<&'a str>,
}

/// Parses the body of a bulk request in which every name is an index; `default_index` is for
/// actions that name none.
///
/// # Errors
/// More documents than the limit.
pub fn bulk(
    body: &[u8],
    default_index: Option<&str>,
    limits: &Limits,
    builder: BatchBuilder,
) -> Result<ParsedBulk, TooManyDocuments> {
    let writes =
        Writes { default_index, names: &PlainNames, ask: WriteAsk::default(), pipeline: None };
    bulk_to(body, writes, limits, builder)
}

/// Parses the body of a bulk request.
///
/// # Errors
/// More documents than the limit.
pub fn bulk_to(
    body: &[u8],
    writes: Writes<'_>,
    limits: &Limits,
    builder: BatchBuilder,
) -> Result<ParsedBulk, TooManyDocuments> {
    let mut parser = Parser {
        lines: Lines::new(body),
        ahead: None,
        writes,
        limits,
        builder,
        items: Vec::new(),
        names: HashMap::new(),
    };
    parser.builder.reserve(body.len());
    parser.run()?;
    Ok(ParsedBulk { batch: parser.builder.finish(), items: parser.items })
}

struct Parser<'a> {
    lines: Lines<'a>,
    /// An action line that was looked at to find where the next item begins.
    ahead: Option<(Line<'a>, Action<'a>)>,
    writes: Writes<'a>,
    limits: &'a Limits,
    builder: BatchBuilder,
    items: Vec<Item>,
    /// Names whose meaning was asked.
    names: HashMap<(Cow<'a, str>, WriteAsk), Result<WriteTarget, ItemFault>>,
}

impl<'a> Parser<'a> {
    fn run(&mut self) -> Result<(), TooManyDocuments> {
        // Most requests repeat one action line byte for byte: it is parsed once.
        let mut known: Option<(&'a [u8], Action<'a>)> = None;
        while let Some((line, ahead)) = self.next_action_line() {
            if self.items.len() >= self.limits.documents_max {
                let documents_max = self.limits.documents_max;
                return Err(TooManyDocuments { documents_max, line: line.number });
            }
            let action = match (ahead, &known) {
                (Some(action), _) => Ok(action),
                (None, Some((bytes, action))) if *bytes == line.bytes => Ok(action.clone()),
                (None, _) => parse_action(line.bytes),
            };
            match action {
                Ok(action) => {
                    if action.id.is_none() {
                        known = Some((line.bytes, action.clone()));
                    }
                    self.item(line, action);
                }
                Err(fault) => self.malformed(line, &fault),
            }
        }
        Ok(())
    }

    fn next_action_line(&mut self) -> Option<(Line<'a>, Option<Action<'a>>)> {
        if let Some((line, action)) = self.ahead.take() {
            return Some((line, Some(action)));
        }
        self.lines.by_ref().find(|line| !line.is_blank()).map(|line| (line, None))
    }

    fn malformed(&mut self, line: Line<'a>, fault: &str) {
        let reason = format!("Malformed action/metadata line [{}], {fault}", line.number);
        let nameless = Action::of(Op::Index);
        self.fail(&nameless, ItemFault::argument(reason));
        if let Some(next) = self.lines.next()
            && let Ok(action) = parse_action(next.bytes)
        {
            self.ahead = Some((next, action));
        }
    }

    fn item(&mut self, line: Line<'a>, action: Action<'a>) {
        let source = match action.op {
            Op::Delete => None,
            _ => self.lines.next(),
        };
        match (action.op, source) {
            (Op::Update | Op::Delete, _) => {
                let name = action.op.name();
                let reason = format!(
                    "logs are append-only: `{name}` (line {}) is not supported, only write ops \
                     with an op_type of create or index are",
                    line.number
                );
                self.fail(&action, ItemFault::argument(reason));
            }
            (_, None) => {
                let reason =
                    format!("the action on line {} has no source line after it", line.number);
                self.fail(&action, ItemFault::argument(reason));
            }
            (_, Some(source)) => match self.push(&action, source) {
                Ok(()) => {
                    let record = self.builder.len() as u32 - 1;
                    self.items.push(Item::Kept { op: action.op, record });
                }
                Err(fault) => self.fail(&action, fault),
            },
        }
    }

    fn push(&mut self, action: &Action<'a>, source: Line<'a>) -> Result<(), ItemFault> {
        let name = match (&action.index, self.writes.default_index) {
            (Some(name), _) => name.clone(),
            (None, Some(name)) => Cow::Borrowed(name),
            (None, None) => {
                return Err(ItemFault {
                    status: 400,
                    kind: "action_request_validation_exception",
                    reason: "Validation Failed: 1: index is missing;".to_owned(),
                });
            }
        };
        let Writes { names, ask, pipeline, .. } = self.writes;
        let ask = WriteAsk {
            create: action.op == Op::Create,
            require_alias: action.require_alias.unwrap_or(ask.require_alias),
            require_data_stream: action.require_data_stream.unwrap_or(ask.require_data_stream),
        };
        let target = self.names.entry((name, ask)).or_insert_with_key(|(name, ask)| {
            match index_fault(name).filter(|_| name.len() > NAME_BYTES_MAX) {
                Some(fault) => Err(fault),
                None => names.target(name, *ask).map_err(ItemFault::from),
            }
        });
        let target = target.as_ref().map_err(Clone::clone)?;
        if let Some(pipeline) = action.pipeline.as_deref().or(pipeline)
            && pipeline != "_none"
            && !names.has_pipeline(pipeline)
        {
            return Err(no_pipeline(pipeline));
        }
        if let Some(fault) = action.id.as_deref().and_then(id_fault) {
            return Err(fault);
        }
        if let Some(fault) = too_long(source.bytes.len(), self.limits) {
            return Err(fault);
        }
        let (index, id) = (&target.index, action.id.as_deref());
        let pushed = match target.data_stream {
            true => self.builder.push_timed(index, id, source.bytes),
            false => self.builder.push(index, id, source.bytes),
        };
        pushed.map_err(|error| document_fault(&error))
    }

    fn fail(&mut self, action: &Action<'_>, fault: ItemFault) {
        let index = action.index.as_deref().or(self.writes.default_index);
        self.items.push(Item::Failed(Box::new(FailedItem {
            op: action.op,
            index: index.map(|name| clip(name).into_owned()),
            id: action.id.as_deref().map(|id| clip_id(id).to_owned()),
            fault,
        })));
    }
}

/// An `_id` is given back whole, unless it is longer than any `_id` can be.
fn clip_id(id: &str) -> &str {
    let end = (0..=512.min(id.len())).rev().find(|at| id.is_char_boundary(*at)).unwrap_or(0);
    &id[..end]
}
