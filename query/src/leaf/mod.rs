//! Which records match? One split, or one live batch, under one planned query.

pub mod column;
pub mod live;
pub mod rows;
pub mod run;
pub mod scan;
mod text;
mod tokens;

pub use live::LiveView;
pub use rows::SplitEval;
pub use run::{LeafError, Memory, Run};
