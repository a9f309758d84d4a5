//! The composition root: settings, command line, and the one place that chooses adapters.
//!
//! This room knows all others; none knows it.

pub mod settings;
