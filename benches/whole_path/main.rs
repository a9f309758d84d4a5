//! The whole path beside the database's own limit, in one run, alternating.
//!
//! `make bench` starts a Kafka and a PostgreSQL and runs every case; `make bench
//! BENCH=postgres-wide` those whose name begins so. The cases `sqlserver-…` need a server from
//! outside, which `KEEPSTEP_TEST_SQLSERVER_URL` names. `KEEPSTEP_BENCH_ROUNDS` (default 5) and
//! `KEEPSTEP_BENCH_SCALE` (default 1.0: a share of the changes) make it shorter.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bench may stop at the first surprise, and speaks on standard output"
)]
#![allow(missing_docs, unreachable_pub, reason = "nothing here is anybody's interface")]

mod bare_postgres;
mod bare_sqlite;
mod bare_sqlserver;
mod case;
mod failed_list;
mod keepstep;
mod poison;
mod process;
mod recovery;
mod report;
mod rows;
mod sqlite;
mod sqlserver;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ::keepstep::log::kafka::{KafkaLog, KafkaSettings};
use ::keepstep::log::{Log, NewRecord};
use ::keepstep::model::position::Topic;
use bare_postgres::CopyBatch;
use case::{PARTITIONS, Work};
use keepstep::{Orders, Run};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use report::Measured;
use rows::{ENTITY, Layout};

/// keepstep's default number of connections.
const CONNECTIONS: usize = 4;

struct Bench {
    kafka: String,
    postgres: String,
    sqlserver: Option<String>,
    folder: PathBuf,
    rounds: usize,
    scale: f64,
    topics: usize,
    runs: usize,
}

/// Makes the work of a case.
type MakeWork = fn(&mut Bench) -> Work<CopyBatch>;

fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run `make bench`"))
}

fn number(name: &str, default: f64) -> f64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

fn main() {
    if keepstep::obey() {
        return;
    }
    let chosen: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let folder = std::env::current_dir().unwrap().join("target/bench");
    std::fs::create_dir_all(&folder).unwrap();
    let mut bench = Bench {
        kafka: env("KEEPSTEP_TEST_KAFKA"),
        postgres: env("KEEPSTEP_TEST_POSTGRES_URL"),
        sqlserver: std::env::var(sqlserver::VARIABLE).ok().filter(|text| !text.is_empty()),
        folder,
        rounds: number("KEEPSTEP_BENCH_ROUNDS", 5.0) as usize,
        scale: number("KEEPSTEP_BENCH_SCALE", 1.0),
        topics: 0,
        runs: 0,
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let cases: [(&str, MakeWork); 4] = [
        ("postgres-narrow", |bench| case::inserts(Layout::narrow(), bench.count(1_000_000), None)),
        ("postgres-wide", |bench| case::inserts_then_updates(Layout::wide(), bench.count(100_000))),
        ("postgres-mix", |bench| {
            case::mix(Layout::narrow(), bench.count(200_000), bench.count(500_000))
        }),
        ("postgres-wide-dataverse-json", |bench| {
            let layout = Layout::wide();
            let definition = layout.read_definition();
            case::inserts(layout, bench.count(100_000), Some(definition))
        }),
    ];
    let (mut measured, mut aimed) = (Vec::new(), Vec::new());
    let wanted = |name: &str| {
        chosen.is_empty() || chosen.iter().any(|chosen| name.starts_with(chosen.as_str()))
    };
    for (name, work) in cases {
        if wanted(name) {
            let work = work(&mut bench);
            measured.push(runtime.block_on(bench.postgres_case(name, &work)));
        }
    }
    for (name, layout) in [("sqlite-narrow", Layout::narrow()), ("sqlite-wide", Layout::wide())] {
        if wanted(name) {
            let count = bench.count(if name == "sqlite-narrow" { 500_000 } else { 50_000 });
            let rows = case::sqlite_inserts(layout, count);
            measured.push(runtime.block_on(bench.sqlite_case(name, &rows)));
        }
    }
    for name in ["sqlserver-narrow", "sqlserver-wide", "sqlserver-mix"] {
        match bench.sqlserver.clone() {
            _ if !wanted(name) => {}
            Some(server) => measured.push(runtime.block_on(bench.sqlserver_case(name, &server))),
            None => println!("{name}: left out, for {} is not set", sqlserver::VARIABLE),
        }
    }
    if wanted("latency") {
        measured.push(runtime.block_on(bench.latency_case()));
    }
    if wanted("failed-list") {
        failed_list::run(&bench.folder, bench.count(1_000_000));
    }
    if wanted("poison-1-percent") {
        aimed.extend(runtime.block_on(bench.poison_one_percent()));
    }
    if wanted("poison-one-entity") {
        aimed.push(runtime.block_on(bench.poison_one_entity()));
    }
    if wanted("recovery") {
        aimed.push(runtime.block_on(bench.recovery()));
    }
    report::report(&measured, &aimed);
}

impl Bench {
    fn count(&self, full: usize) -> usize {
        ((full as f64 * self.scale) as usize).max(20_000)
    }

    fn definition(&self, layout: &Layout) -> String {
        let path = self.folder.join("definition.json");
        std::fs::write(&path, layout.definition()).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A new topic with these records.
    async fn topic(&mut self, records: &[NewRecord]) -> String {
        self.topics += 1;
        let name = format!("bench.{}.{}", std::process::id(), self.topics);
        self.create_topic(&name).await;
        self.append(&name, records).await;
        name
    }

    async fn create_topic(&self, name: &str) {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &self.kafka).create().unwrap();
        let partitions = i32::try_from(PARTITIONS).unwrap();
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1))
            .set("message.timestamp.type", "LogAppendTime");
        let made = admin.create_topics([&topic], &AdminOptions::new()).await.unwrap();
        made.into_iter().for_each(|result| drop(result.unwrap()));
    }

    async fn append(&self, topic: &str, records: &[NewRecord]) {
        let log = KafkaLog::open(KafkaSettings::new(&self.kafka)).unwrap();
        for chunk in records.chunks(20_000) {
            log.append(&Topic::new(topic), chunk.to_vec()).await.unwrap();
        }
    }

    async fn fresh_database(&self) {
        let client = bare_postgres::connect(&self.postgres).await;
        let text = "DROP SCHEMA IF EXISTS keepstep CASCADE; DROP TABLE IF EXISTS account, poisoned, bare; CHECKPOINT";
        client.batch_execute(text).await.unwrap();
    }

    /// The postmaster, for the CPU of its children.
    async fn postmaster(&self) -> u32 {
        let client = bare_postgres::connect(&self.postgres).await;
        let row = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap();
        let backend: i32 = row.get(0);
        let stat = std::fs::read_to_string(format!("/proc/{backend}/stat")).unwrap();
        stat.rsplit(')').next().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    async fn postgres_case(&mut self, name: &str, work: &Work<CopyBatch>) -> Measured {
        let mut measured = Measured::new(name);
        let definition = self.definition(&work.layout);
        let topic = self.topic(&[work.before.clone(), work.records.clone()].concat()).await;
        let postmaster = self.postmaster().await;
        let table = case::bare_table(&work.layout);
        let changes = work.records.len() as f64;
        for round in 0..self.rounds {
            let mut best: f64 = 0.0;
            for connections in [1, 2, 4] {
                self.fresh_database().await;
                bare_postgres::prepare(&self.postgres, &table).await;
                bare_postgres::run(&self.postgres, &table, &work.lanes_before, 1).await;
                let client = bare_postgres::connect(&self.postgres).await;
                client.batch_execute("UPDATE bare_fence SET next = 0").await.unwrap();
                let took =
                    bare_postgres::run(&self.postgres, &table, &work.lanes, connections).await;
                let rate = changes / took.as_secs_f64();
                best = best.max(rate);
                if connections == 1 {
                    measured.limit.push(rate);
                }
                println!("{name} round {round}: bare, {connections} connections: {rate:.0}/s");
            }
            measured.best.push(best);
            for connections in [1, CONNECTIONS] {
                self.fresh_database().await;
                let orders = Orders {
                    log: self.kafka.clone(),
                    destination: self.postgres.clone(),
                    entities: vec![(ENTITY.to_owned(), topic.clone())],
                    profile: format!("bench-{round}-{connections}-{}", self.topics),
                    connections,
                    versioned: work.versioned,
                    definition: definition.clone(),
                    begin: work.before.len() as u64,
                    end: (work.before.len() + work.records.len()) as u64,
                    linger_ms: 50,
                };
                let database_cpu_s = process::children_cpu_s(postmaster);
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
                    let spent = process::children_cpu_s(postmaster) - database_cpu_s;
                    measured.database_cpu_s.push(spent);
                }
                measured.rss_mb.push(peak_rss_mb);
            }
        }
        measured
    }

    /// 2,000 changes a second for a while, after the lanes have begun.
    async fn latency_case(&mut self) -> Measured {
        let mut measured = Measured::new("latency");
        let work = case::inserts::<CopyBatch>(Layout::narrow(), 40_000, None);
        let definition = self.definition(&work.layout);
        let topic = self.topic(&work.records[..100]).await;
        self.fresh_database().await;
        let orders = Orders {
            log: self.kafka.clone(),
            destination: self.postgres.clone(),
            entities: vec![(ENTITY.to_owned(), topic.clone())],
            profile: "bench-latency".to_owned(),
            connections: CONNECTIONS,
            versioned: true,
            definition,
            begin: 100,
            end: work.records.len() as u64,
            linger_ms: 50,
        };
        let running = tokio::task::spawn_blocking(move || orders.start()).await.unwrap();
        self.wait_for_rows(100).await;
        let log = KafkaLog::open(KafkaSettings::new(&self.kafka)).unwrap();
        let started = Instant::now();
        for (at, chunk) in (0_u32..).zip(work.records[100..].chunks(20)) {
            log.append(&Topic::new(&topic), chunk.to_vec()).await.unwrap();
            tokio::time::sleep_until((started + Duration::from_millis(10) * (at + 1)).into()).await;
        }
        let run = tokio::task::spawn_blocking(move || running.finish()).await.unwrap();
        measured.latency_ms = Some((run.p50_ms, run.p99_ms));
        measured.rates.push(run.rate);
        measured.cpu_us.push(run.cpu_us_per_change);
        measured.rss_mb.push(run.peak_rss_mb);
        measured
    }

    async fn wait_for_rows(&self, rows: i64) {
        let client = bare_postgres::connect(&self.postgres).await;
        for _ in 0..600 {
            if let Ok(row) = client.query_one("SELECT count(*) FROM account", &[]).await
                && row.get::<_, i64>(0) >= rows
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("keepstep did not begin within a minute");
    }
}
