//! What things are: pure data and pure rules.
//!
//! Nothing in this room does I/O, knows a clock, a channel or an async runtime; so nothing here
//! can fail for reasons outside its arguments. Every other room may use it; it uses none.

pub mod backoff;
pub mod batch;
pub mod batcher;
pub mod cell;
pub mod change;
pub mod checkpoint;
pub mod dead_letter;
pub mod decimal;
pub mod entity;
pub mod entity_json;
pub mod failure;
pub mod held;
pub mod instant_text;
pub mod layout;
pub mod mapping;
pub mod metadata_tables;
pub mod mutation;
pub mod net_change;
pub mod position;
pub mod profile;
pub mod record;
pub mod shown;
pub mod table;
pub mod value;
