//! What do clients set up besides records? Rows of metadata, what keeps them, and what the other
//! parts ask of them: where a write goes, and how long an index is kept.

use std::fmt::Debug;

use thiserror::Error;

use crate::id::{IndexName, Tenant};

/// The kinds of metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum MetaKind {
    IndexTemplate,
    ComponentTemplate,
    LegacyTemplate,
    LifecyclePolicy,
    DataStream,
    Index,
    Pipeline,
    Script,
    Cluster,
}

impl MetaKind {
    /// All kinds.
    pub const ALL: [MetaKind; 9] = [
        MetaKind::IndexTemplate,
        MetaKind::ComponentTemplate,
        MetaKind::LegacyTemplate,
        MetaKind::LifecyclePolicy,
        MetaKind::DataStream,
        MetaKind::Index,
        MetaKind::Pipeline,
        MetaKind::Script,
        MetaKind::Cluster,
    ];

    /// The name under which it is kept.
    pub fn as_str(self) -> &'static str {
        match self {
            MetaKind::IndexTemplate => "index_template",
            MetaKind::ComponentTemplate => "component_template",
            MetaKind::LegacyTemplate => "template",
            MetaKind::LifecyclePolicy => "ilm_policy",
            MetaKind::DataStream => "data_stream",
            MetaKind::Index => "index",
            MetaKind::Pipeline => "pipeline",
            MetaKind::Script => "script",
            MetaKind::Cluster => "cluster",
        }
    }

    /// The kind of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// One thing that a client set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaRow {
    /// What it is.
    pub kind: MetaKind,
    /// Its name; unique within the kind.
    pub name: String,
    /// JSON.
    pub body: String,
    /// How often it was set, from 1.
    pub version: u64,
}

/// A change of the metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetaChange {
    /// Sets a row.
    Put(MetaRow),
    /// Takes one out; one that is not there is no error.
    Delete(MetaKind, String),
}

/// Why metadata cannot be read or kept.
#[derive(Debug, Error)]
#[error("metadata: {reason}")]
pub struct MetaError {
    /// What happened.
    pub reason: String,
}

/// Keeps metadata.
pub trait MetaStore: Send + Sync + Debug {
    /// All rows of a tenant.
    ///
    /// # Errors
    /// They cannot be read.
    fn load(&self, tenant: &Tenant) -> Result<Vec<MetaRow>, MetaError>;

    /// Makes all changes, or none; durable when it returns.
    ///
    /// # Errors
    /// They could not be made durable.
    fn change(&self, tenant: &Tenant, changes: &[MetaChange]) -> Result<(), MetaError>;
}

/// Why a request about names or metadata is refused, in Elasticsearch's words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct Fault {
    /// HTTP status.
    pub status: u16,
    /// Elasticsearch's name of the kind.
    pub kind: &'static str,
    /// What is wrong.
    pub reason: String,
    /// The index that it is about.
    pub index: Option<String>,
}

impl Fault {
    /// A fault that is about no index.
    pub fn new(status: u16, kind: &'static str, reason: impl Into<String>) -> Self {
        Self { status, kind, reason: reason.into(), index: None }
    }

    /// A bad argument: 400.
    pub fn argument(reason: impl Into<String>) -> Self {
        Self::new(400, "illegal_argument_exception", reason)
    }

    /// An index that is not there: 404.
    pub fn no_such_index(name: &str) -> Self {
        let reason = format!("no such index [{name}]");
        Self { index: Some(name.into()), ..Self::new(404, "index_not_found_exception", reason) }
    }

    /// A name that no index can have: 400.
    pub fn index_name(name: &str, fault: &str) -> Self {
        let reason = format!("Invalid index name [{name}], {fault}");
        Self { index: Some(name.into()), ..Self::new(400, "invalid_index_name_exception", reason) }
    }
}

/// What a write asks of the name that it gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct WriteAsk {
    /// The document may only be created.
    pub create: bool,
    /// The name must be an alias.
    pub require_alias: bool,
    /// The name must be a data stream.
    pub require_data_stream: bool,
}

/// Where a write goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteTarget {
    /// The index.
    pub index: IndexName,
    /// It belongs to a data stream: its documents must have a time.
    pub data_stream: bool,
}

/// Knows what the names of writes mean.
pub trait WriteNames: Send + Sync {
    /// The index that a write to `name` goes to; makes what the name stands for if it must.
    ///
    /// # Errors
    /// Nothing can be written under that name, or not so.
    fn target(&self, name: &str, ask: WriteAsk) -> Result<WriteTarget, Fault>;

    /// Whether an ingest pipeline exists.
    fn has_pipeline(&self, name: &str) -> bool;
}

/// Every name is an index.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainNames;

impl WriteNames for PlainNames {
    fn target(&self, name: &str, _: WriteAsk) -> Result<WriteTarget, Fault> {
        match crate::id::index_name_fault(name) {
            Some(fault) => Err(Fault::index_name(name, fault)),
            None => Ok(WriteTarget { index: IndexName::new(name), data_stream: false }),
        }
    }

    fn has_pipeline(&self, _: &str) -> bool {
        false
    }
}

/// Knows how long indexes are kept, as clients said.
pub trait Lifetimes: Send + Sync + Debug {
    /// Days; `None` when no client said anything.
    fn days_of(&self, index: &IndexName) -> Option<u32>;
}
