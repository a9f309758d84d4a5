//! The destination PostgreSQL, against a real server.

mod case;
mod checks;
mod held;
mod laboratory;
mod locks;
mod outage;
mod rights;
pub mod server;
mod tls;
mod under_chaos;
mod wire;

use crate::destination_conformance::conforms;
use laboratory::PostgresLaboratory;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_conforms() {
    let not_asked = conforms(&PostgresLaboratory::default()).await;
    assert_eq!(not_asked, Vec::<&str>::new());
}

#[cfg(feature = "mutations")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_mutation_of_postgres_is_caught() {
    crate::destination_conformance::every_mutation_is_caught(&PostgresLaboratory::default()).await;
}
