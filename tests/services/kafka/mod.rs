//! The Kafka adapter against the real broker that `scripts/with-services --kafka` starts.

mod again;
pub mod broker;
mod conformance;
mod memory;
mod real;
mod security;
