//! The Kafka adapter on librdkafka's own mock cluster: real rebalances and faults within this
//! process, without a broker. What the mock answers wrongly is left to `tests/services`.

pub mod cluster;
mod conformance;
mod faults;
mod reading;
