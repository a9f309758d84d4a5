//! The cases that write to the SQL Server that `KEEPSTEP_TEST_SQLSERVER_URL` names, from Kafka.

use std::time::{Duration, Instant};

use crate::bare_sqlserver::{self, BareTable, TokenBatch};
use crate::case::{self, Work};
use crate::keepstep::{Orders, Run};
use crate::report::Measured;
use crate::rows::{ENTITY, Layout};
use crate::{Bench, CONNECTIONS};

/// An ADO.NET connection string.
pub const VARIABLE: &str = "KEEPSTEP_TEST_SQLSERVER_URL";

/// Longest time until nobody uses a database any more.
const PATIENCE: Duration = Duration::from_secs(60);

/// A database of the bench's own, gone with this.
struct BenchDatabase {
    server: String,
    name: String,
    url: String,
}

impl BenchDatabase {
    fn new(server: &str) -> Self {
        let name = format!("keepstep_bench_{}", uuid::Uuid::new_v4().simple());
        let url = bare_sqlserver::with_database(server, &name);
        Self { server: bare_sqlserver::with_database(server, "master"), name, url }
    }

    /// Makes it anew.
    async fn renew(&self) {
        self.remove().await;
        let mut server = bare_sqlserver::connect(&self.server).await;
        bare_sqlserver::execute(&mut server, &format!("CREATE DATABASE {}", self.name)).await;
    }

    /// Drops it as soon as the last connection to it is gone.
    async fn remove(&self) {
        let mut server = bare_sqlserver::connect(&self.server).await;
        let text = format!("DROP DATABASE IF EXISTS {}", self.name);
        let started = Instant::now();
        while let Err(error) = bare_sqlserver::try_execute(&mut server, &text).await {
            assert!(started.elapsed() < PATIENCE, "dropping {}: {error}", self.name);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for BenchDatabase {
    fn drop(&mut self) {
        // On a runtime of its own, for a case that panics leaves this one half-way.
        std::thread::scope(|scope| {
            let removing = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(self.remove());
            });
            drop(removing.join());
        });
    }
}

/// The cases, in the order of those of PostgreSQL; fewer changes, as the server may be anywhere.
pub fn work(bench: &Bench, name: &str) -> Work<TokenBatch> {
    match name {
        "sqlserver-narrow" => case::inserts(Layout::narrow(), bench.count(200_000), None),
        "sqlserver-wide" => case::inserts_then_updates(Layout::wide(), bench.count(20_000)),
        _ => case::mix(Layout::narrow(), bench.count(50_000), bench.count(100_000)),
    }
}

impl Bench {
    /// The bare program and keepstep, in turn, on one connection and on several.
    pub async fn sqlserver_case(&mut self, name: &str, server: &str) -> Measured {
        let work = work(self, name);
        let mut measured = Measured::new(name);
        let database = BenchDatabase::new(server);
        measured.engine = Some(bare_sqlserver::engine(&database.server).await);
        let definition = self.definition(&work.layout);
        let topic = self.topic(&[work.before.clone(), work.records.clone()].concat()).await;
        let table = BareTable::of(&work.layout);
        for round in 0..self.rounds {
            let mut best: f64 = 0.0;
            // One after the other, for a server from outside may have other work, too.
            for connections in [1, CONNECTIONS] {
                database.renew().await;
                let took = bare(&database.url, &table, &work, connections).await;
                let rate = work.records.len() as f64 / took.as_secs_f64();
                best = best.max(rate);
                if connections == 1 {
                    measured.limit.push(rate);
                }
                println!("{name} round {round}: bare, {connections} connections: {rate:.0}/s");
                database.renew().await;
                let orders = Orders {
                    log: self.kafka.clone(),
                    destination: database.url.clone(),
                    entities: vec![(ENTITY.to_owned(), topic.clone())],
                    profile: format!("bench-{round}-{connections}-{}", self.topics),
                    connections,
                    versioned: work.versioned,
                    definition: definition.clone(),
                    begin: work.before.len() as u64,
                    end: (work.before.len() + work.records.len()) as u64,
                    linger_ms: 50,
                };
                let run = tokio::task::spawn_blocking(move || orders.run()).await.unwrap();
                let Run { rate, cpu_us_per_change, peak_rss_mb, .. } = run;
                println!(
                    "{name} round {round}: keepstep, {connections} connections: {rate:.0}/s, \
                     {cpu_us_per_change:.2} µs, {peak_rss_mb:.0} MB"
                );
                if connections == 1 {
                    measured.one.push(rate);
                } else {
                    measured.rates.push(rate);
                    measured.cpu_us.push(cpu_us_per_change);
                }
                measured.rss_mb.push(peak_rss_mb);
            }
            measured.best.push(best);
        }
        measured
    }
}

/// The bare program in an empty database: what comes before the clock, then what is measured.
async fn bare(
    url: &str,
    table: &BareTable,
    work: &Work<TokenBatch>,
    connections: usize,
) -> Duration {
    let mut client = bare_sqlserver::connect(url).await;
    bare_sqlserver::execute(&mut client, &table.prepare()).await;
    bare_sqlserver::run(url, table, &work.lanes_before, 1).await;
    bare_sqlserver::execute(&mut client, "UPDATE bare_fence SET next_offset = 0").await;
    drop(client);
    bare_sqlserver::run(url, table, &work.lanes, connections).await
}
