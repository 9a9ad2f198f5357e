//! How does a request's body become lines? Inflating within a limit, then splitting. No I/O.
//!
//! Does not know what a line means.

mod inflate;
mod lines;

pub(crate) use inflate::{Encoding, InflateError, inflate};
pub use lines::{Line, Lines};
