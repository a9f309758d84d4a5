//! Tests that need nothing but this machine's memory and disk.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::too_many_lines,
    clippy::cast_possible_truncation,
    clippy::unused_async,
    reason = "a test may stop at the first surprise, and nothing in it is anybody's interface"
)]

mod adopt;
mod bad_input;
mod cli;
mod codec;
mod dashboards;
mod definitions;
mod demo;
mod destination_conformance;
mod destination_memory;
mod destination_sqlite;
mod destination_sqlserver;
mod documents;
mod embedded_log;
mod failed;
mod fuzz_corpus;
mod house;
mod kafka_mock;
mod log_conformance;
mod pipeline;
mod place;
mod relay;
mod settings;
mod simulation;
mod tds_server;
