//! The composition root: settings, command line, and the one place that chooses adapters.
//!
//! This room knows all others; none knows it.

mod bounded_listener;
pub mod http;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
