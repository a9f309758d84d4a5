//! The broker of the chaos.

#[path = "../services/kafka/broker.rs"]
pub mod broker;
