//! Tests against the SQL Server that `KEEPSTEP_TEST_SQLSERVER_URL` names, an ADO.NET connection
//! string: `make test-sqlserver`. A missing server is a failure, so they are no part of `make test`.
#![allow(
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::too_many_lines,
    clippy::cast_possible_truncation,
    clippy::unused_async,
    reason = "a test may stop at the first surprise, and nothing in it is anybody's interface"
)]

#[path = "../services/chaos/mod.rs"]
mod chaos;
#[path = "../it/destination_conformance/mod.rs"]
mod destination_conformance;
mod kafka;
mod laboratory;
mod old_database;
#[path = "../it/place.rs"]
mod place;
#[path = "../services/scene/mod.rs"]
mod scene;
mod server;
mod under_chaos;
mod volume;

use destination_conformance::conforms;
use laboratory::SqlServerLaboratory;

/// Cases that the engine cannot be asked, by what it lacks: none of SQL Server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlserver_conforms() {
    let laboratory = SqlServerLaboratory::new().await;
    let not_asked = conforms(&laboratory).await;
    assert_eq!(not_asked, laboratory.cases_not_asked());
}

#[cfg(feature = "mutations")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_mutation_of_sqlserver_is_caught() {
    let laboratory = SqlServerLaboratory::new().await;
    destination_conformance::every_mutation_is_caught(&laboratory).await;
}
