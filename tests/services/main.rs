//! Tests against the servers that `scripts/with-services` starts. A missing server is a failure.
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

mod chaos;
mod commands;
mod dead_letters;
#[path = "../it/destination_conformance/mod.rs"]
mod destination_conformance;
mod kafka;
mod kills;
#[path = "../it/log_conformance/mod.rs"]
mod log_conformance;
mod postgres;
mod scene;
mod tsql;
