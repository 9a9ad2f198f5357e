//! Which records match? One split, or one live batch, under one planned query.

pub mod column;
mod dict;
pub mod live;
mod numbers;
mod plan;
pub mod rows;
pub mod run;
pub mod scan;
mod templates;
mod text;

pub(crate) use column::Count;
pub use column::Memo;
pub use live::LiveView;
pub use rows::SplitEval;
pub use run::{LeafError, Memory, Run};
