//! Keeps a company's own SQL database in step with its CRM: change notifications on a
//! Kafka-compatible log become rows, in order, exactly once.

pub mod app;
pub mod codec;
pub mod destination;
pub mod failed;
pub mod log;
pub mod metrics;
pub mod model;
pub mod pipeline;
