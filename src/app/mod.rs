//! The composition root: settings, command line, and the one place that chooses adapters.
//!
//! This room knows all others; none knows it.

mod bounded_listener;
pub mod check;
pub mod cli;
pub mod connect;
pub mod contents;
pub mod definitions;
pub mod demo;
pub mod failure;
pub mod http;
pub mod input;
pub mod keying;
pub mod keys;
pub mod relay;
pub mod run;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
