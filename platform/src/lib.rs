//! What is not a pure function? Clock, processor, randomness, disk, object store, telemetry, settings.
//!
//! The only crate that names the real ones. Knows nothing of logs.

pub mod clock;
pub mod cpu;
pub mod disk;
#[cfg(feature = "inflate")]
pub mod inflate;
pub mod machine;
pub mod object_store;
pub mod rng;
#[cfg(feature = "settings")]
pub mod settings;
#[cfg(feature = "sim")]
pub mod sim;
pub mod telemetry;
pub mod terminal;
