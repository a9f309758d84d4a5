//! keepstep's side: the bench starts itself anew as a process that runs one pipeline, just as
//! `keepstep run` puts it together, and measures that process from outside.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use keepstep::codec::DecoderSettings;
use keepstep::destination::Destination;
use keepstep::destination::postgres::{PostgresDestination, PostgresSettings};
use keepstep::destination::sqlite::{SqliteDestination, SqliteSettings};
use keepstep::destination::sqlserver::{SqlServerDestination, SqlServerSettings};
use keepstep::log::Log;
use keepstep::log::embedded::{EmbeddedLog, EmbeddedSettings, OpenMode};
use keepstep::log::kafka::{KafkaLog, KafkaSettings};
use keepstep::metrics::Metrics;
use keepstep::model::batcher::BatchLimits;
use keepstep::model::entity_json::read_definitions;
use keepstep::model::mapping::{Mapping, UnknownAttribute};
use keepstep::model::mutation::Mutations;
use keepstep::model::position::Topic;
use keepstep::model::profile::{Profile, ProfileEntity, ProfileId, Start};
use keepstep::model::table::Table;
use keepstep::pipeline::memory_budget::MemoryBudget;
use keepstep::pipeline::status::StatusBoard;
use keepstep::pipeline::{Definitions, Pipeline, PipelineParts};

use crate::bare_postgres::CopyBatch;
use crate::bare_sqlserver::TokenBatch;
use crate::case::BareBatch as _;
use crate::process;

/// What a child process is told, one line of text each, in this order.
#[derive(Clone)]
pub struct Orders {
    /// Brokers, or the folder of the embedded log.
    pub log: String,
    /// URL of PostgreSQL, connection string of SQL Server, or the SQLite file.
    pub destination: String,
    /// Entities, each with its topic; the first one is measured.
    pub entities: Vec<(String, String)>,
    pub profile: String,
    pub connections: usize,
    pub versioned: bool,
    /// File with the definition.
    pub definition: String,
    /// Changes before the clock runs.
    pub begin: u64,
    /// Changes on the topic when everything is settled.
    pub end: u64,
    pub linger_ms: u64,
}

/// What a run cost.
#[derive(Clone, Copy, Default)]
pub struct Run {
    pub rate: f64,
    pub cpu_us_per_change: f64,
    pub peak_rss_mb: f64,
    pub p50_ms: u64,
    pub p99_ms: u64,
}

/// A running child.
pub struct Running {
    child: Child,
    input: ChildStdin,
    output: BufReader<std::process::ChildStdout>,
}

const ORDERS: &str = "KEEPSTEP_BENCH_ORDERS";

impl Orders {
    fn text(&self) -> String {
        let entities = self.entities.iter().map(|(entity, topic)| format!("{entity}={topic}"));
        let entities: Vec<String> = entities.collect();
        [
            &self.log,
            &self.destination,
            &entities.join(" "),
            &self.profile,
            &self.connections.to_string(),
            &self.versioned.to_string(),
            &self.definition,
            &self.begin.to_string(),
            &self.end.to_string(),
            &self.linger_ms.to_string(),
        ]
        .map(String::as_str)
        .join("\n")
    }

    fn parse(text: &str) -> Self {
        let mut lines = text.lines().map(ToOwned::to_owned);
        let mut next = || lines.next().expect("an order");
        Self {
            log: next(),
            destination: next(),
            entities: next().split(' ').map(pair).collect(),
            profile: next(),
            connections: next().parse().expect("a number"),
            versioned: next() == "true",
            definition: next(),
            begin: next().parse().expect("a number"),
            end: next().parse().expect("a number"),
            linger_ms: next().parse().expect("a number"),
        }
    }

    fn is_sqlserver(&self) -> bool {
        !self.destination.starts_with('/') && !self.destination.starts_with("postgres")
    }

    /// Starts a child that copies until `end` changes are settled.
    pub fn start(&self) -> Running {
        let program = std::env::current_exe().expect("the bench itself");
        let mut child = Command::new(program)
            .env(ORDERS, self.text())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Running { child, input, output }
    }

    /// Runs a child to the end.
    pub fn run(&self) -> Run {
        self.start().finish()
    }
}

fn pair(text: &str) -> (String, String) {
    let (entity, topic) = text.split_once('=').expect("an entity and its topic");
    (entity.to_owned(), topic.to_owned())
}

impl Running {
    /// Ends a child that has no end of its own.
    pub fn kill(mut self) {
        self.child.kill().expect("the child runs");
        self.child.wait().expect("the child ends");
    }

    /// Waits for the end; the child then waits until it was measured.
    pub fn finish(mut self) -> Run {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the child says how it went");
        let numbers: Vec<f64> =
            line.split_whitespace().map(|text| text.parse().expect("a number")).collect();
        let [changes, seconds, settled, p50_ms, p99_ms] = numbers[..] else {
            panic!("the child ended early: {line:?}")
        };
        let pid = self.child.id();
        let cpu_us_per_change = process::cpu_s(pid) * 1e6 / settled;
        let peak_rss_mb = process::peak_rss_mb(pid);
        writeln!(self.input, "thank you").expect("the child listens");
        self.child.wait().expect("the child ends");
        let (p50_ms, p99_ms) = (p50_ms as u64, p99_ms as u64);
        Run { rate: changes / seconds, cpu_us_per_change, peak_rss_mb, p50_ms, p99_ms }
    }
}

/// If this process is a child: does its work and says so.
pub fn obey() -> bool {
    let Ok(text) = std::env::var(ORDERS) else { return false };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(work(Orders::parse(&text)));
    true
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("this century")
}

async fn log(orders: &Orders) -> Arc<dyn Log> {
    if orders.log.starts_with('/') {
        let settings = EmbeddedSettings::new(Arc::new(now_ms));
        let opened = EmbeddedLog::open(&orders.log, OpenMode::Consume, settings).await;
        return Arc::new(opened.expect("opens"));
    }
    Arc::new(KafkaLog::open(KafkaSettings::new(&orders.log)).expect("opens"))
}

fn destination(orders: &Orders) -> Arc<dyn Destination> {
    if orders.destination.starts_with('/') {
        let settings = SqliteSettings::new(&orders.destination);
        return Arc::new(SqliteDestination::start(settings, Mutations::default()).expect("starts"));
    }
    let url = orders.destination.clone();
    if orders.is_sqlserver() {
        let mut settings = SqlServerSettings::new(Arc::new(move || Ok(url.clone())));
        settings.connections = orders.connections;
        settings.trust_server_certificate = true;
        let destination = SqlServerDestination::new(settings, Mutations::default());
        return Arc::new(destination.expect("a pool"));
    }
    let mut settings = PostgresSettings::new(Arc::new(move || Ok(url.clone())));
    settings.connections = orders.connections;
    Arc::new(PostgresDestination::new(settings, Mutations::default()).expect("a pool"))
}

async fn work(orders: Orders) {
    let text = std::fs::read(&orders.definition).expect("the definition");
    let definitions = read_definitions(&text).expect("definitions");
    let versioned = orders.versioned;
    let (schema, batch_changes) = match orders.is_sqlserver() {
        true => ("dbo", TokenBatch::CHANGES),
        false => ("public", CopyBatch::CHANGES),
    };
    let entity = |(name, topic): &(String, String)| {
        let topic = Topic::new(topic);
        ProfileEntity { name: name.as_str().into(), versioned, topic }
    };
    let entities: Vec<ProfileEntity> = orders.entities.iter().map(entity).collect();
    let profile = Profile {
        id: ProfileId::new(&orders.profile).expect("an id"),
        name: "bench".to_owned(),
        layout: keepstep::model::layout::Layout::plain(schema, None),
        existing: keepstep::model::layout::Existing::Refuse,
        keep_deleted: false,
        widen: keepstep::model::layout::Widen::default(),
        entities: entities.clone(),
        unknown_attributes: UnknownAttribute::Stop,
        start: Start::Earliest,
        images_only: false,
        batch: BatchLimits {
            changes: batch_changes,
            bytes: 8 << 20,
            linger: Duration::from_millis(orders.linger_ms),
        },
        retry_count: 0,
        retry_interval: Duration::ZERO,
        drain: Duration::from_secs(10),
    };
    let mapping = |entity: &ProfileEntity| {
        let definition = definitions.iter().find(|it| it.name.as_str() == entity.name);
        let definition = definition.expect("a definition of each entity");
        let table = Table::of(definition, schema, None);
        Arc::new(Mapping::new(definition, table, versioned, UnknownAttribute::Stop))
    };
    let status: Arc<StatusBoard> = Arc::default();
    let metrics = Metrics::new().expect("metrics");
    let parts = PipelineParts {
        profile: Arc::new(profile),
        definitions: Definitions::fixed(entities.iter().map(mapping).collect()),
        decoder: Arc::new(DecoderSettings::default()),
        log: log(&orders).await,
        destination: destination(&orders),
        budget: MemoryBudget::new(128 << 20),
        status: Arc::clone(&status),
        metrics: Arc::new(metrics.profile("bench", entities.iter().map(|it| it.name.as_str()))),
        clock: Arc::new(now_ms),
        seed: 1,
        mutations: Mutations::default(),
    };
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let pipeline = tokio::spawn(Pipeline::new(parts).run(stopped));
    let report = watch(&status, &entities[0].topic, orders.begin, orders.end).await;
    println!("{report}");
    let thanked = tokio::task::spawn_blocking(|| {
        std::io::stdin().read_line(&mut String::new()).expect("the parent answers")
    });
    thanked.await.expect("the parent answers");
    stop.send_replace(true);
    pipeline.await.expect("no panic").expect("no error");
}

/// Changes and seconds between the first batch and the last, all changes settled, p50 and p99.
async fn watch(status: &Arc<StatusBoard>, topic: &Topic, begin: u64, end: u64) -> String {
    let mut notices = status.subscribe();
    let mut first: Option<(Instant, u64)> = None;
    loop {
        notices.changed().await.expect("the board is there");
        let lanes = status.settled().into_iter().filter(|(lane, _)| lane.topic == *topic);
        let changes = lanes.map(|(_, next)| next.0.unsigned_abs()).sum();
        if changes <= begin {
            let stopped = status.lanes().into_iter().find(|(_, lane)| {
                matches!(lane.state, keepstep::pipeline::status::LaneState::Stopped(_))
            });
            assert!(stopped.is_none(), "{stopped:?}");
            continue;
        }
        let (since, base) = *first.get_or_insert((Instant::now(), changes));
        if changes >= end {
            let latency = status.latency();
            let percentile = |percent| latency.percentile_ms(percent).unwrap_or(0);
            return format!(
                "{} {} {changes} {} {}",
                changes - base,
                since.elapsed().as_secs_f64(),
                percentile(50),
                percentile(99)
            );
        }
    }
}
