//! The Kafka adapter against the real broker that `scripts/with-services --kafka` starts.

mod broker;
mod conformance;
