//! How does a request's body become lines? Inflating within a limit, then splitting. No I/O.
//!
//! Does not know what a line means.

mod lines;

pub(crate) use platform::inflate::{Encoding, inflate};

/// Why a body cannot be inflated.
pub(crate) type InflateError = platform::inflate::InflateError<crate::error::Refusal>;
pub use lines::{Line, Lines};
