//! How soon a pipeline is itself again after PostgreSQL was gone: a server of this case's own is
//! killed under constant load and started again after a while (`KEEPSTEP_BENCH_OUTAGE_S`, 60 by
//! default). The clock runs from the first connection that the new server takes until changes are
//! committed at the full rate: nine tenths of the rate at which the middle of what had piled up was
//! written.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use ::keepstep::log::kafka::{KafkaLog, KafkaSettings};
use ::keepstep::log::{Log as _, NewRecord};
use ::keepstep::model::position::Topic;
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

use crate::bare_postgres::CopyBatch;
use crate::keepstep::Orders;
use crate::report::{Aim, Aimed};
use crate::rows::{ENTITY, Layout};
use crate::{Bench, CONNECTIONS, case, number};

/// Changes a second that come in, before, during and after the outage.
const LOAD: usize = 4_000;
/// Changes of one append of the load.
const CHUNK: usize = 100;
/// How long the load runs before the outage.
const BEFORE: Duration = Duration::from_secs(5);
/// Between two looks at the checkpoint.
const LOOK: Duration = Duration::from_millis(20);
/// The stretch over which a rate is taken.
const WINDOW: Duration = Duration::from_millis(500);
/// Share of the middle's rate that counts as full.
const FULL: f64 = 0.9;
/// Longest wait for what must happen.
const PATIENCE: Duration = Duration::from_secs(180);

/// A PostgreSQL of this case alone, for it is killed. It ends however this process ends.
struct Server {
    guard: Child,
    life: Option<ChildStdin>,
    variables: BTreeMap<String, String>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.life = None;
        drop(self.guard.wait());
    }
}

fn script(name: &str) -> String {
    format!("{}/scripts/{name}", env!("CARGO_MANIFEST_DIR"))
}

impl Server {
    fn start() -> Self {
        let mut guard = Command::new(script("with-services"))
            .args(["--postgres", "--", "sh", "-c"])
            .arg("env | grep ^KEEPSTEP_TEST_POSTGRES; echo ready; cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("scripts/with-services starts");
        let life = guard.stdin.take();
        let output = BufReader::new(guard.stdout.take().expect("piped"));
        let lines = output.lines().map(|line| line.expect("text"));
        let pairs = lines.take_while(|line| line != "ready").filter_map(|line| {
            line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
        });
        Self { guard, life, variables: pairs.collect() }
    }

    fn url(&self) -> String {
        self.variables["KEEPSTEP_TEST_POSTGRES_URL"].clone()
    }

    async fn order(&self, verb: &str) {
        let mut command = Command::new(script("postgres"));
        command.args([verb, &self.variables["KEEPSTEP_TEST_POSTGRES_DIR"]]);
        let run = move || command.status().expect("the script runs");
        let status = tokio::task::spawn_blocking(run).await.expect("no panic");
        assert!(status.success(), "postgres {verb}: {status}");
    }
}

async fn connection(url: &str) -> Option<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.ok()?;
    tokio::spawn(connection);
    Some(client)
}

/// How many changes the checkpoint has passed.
async fn settled(client: &Client) -> Option<u64> {
    let text = "SELECT coalesce(sum(next_offset), 0)::bigint FROM keepstep.checkpoint";
    let row = client.query_one(text, &[]).await.ok()?;
    u64::try_from(row.get::<_, i64>(0)).ok()
}

/// Sends the records at the load's rate, and ends before the last one when it is told.
async fn load(kafka: String, topic: String, records: Vec<NewRecord>) {
    let log = KafkaLog::open(KafkaSettings::new(&kafka)).unwrap();
    let started = Instant::now();
    for (at, chunk) in (0_u32..).zip(records.chunks(CHUNK)) {
        log.append(&Topic::new(&topic), chunk.to_vec()).await.unwrap();
        let next =
            Duration::from_secs(1) * u32::try_from(CHUNK).unwrap() / u32::try_from(LOAD).unwrap();
        tokio::time::sleep_until((started + next * (at + 1)).into()).await;
    }
}

/// Seconds after the first moment, and how many changes were settled by then.
type Samples = Vec<(f64, u64)>;

/// Looks at the checkpoint until `end` changes have passed it.
async fn watch(client: &Client, since: Instant, end: u64) -> Samples {
    let mut samples = Samples::new();
    loop {
        let now = settled(client).await.expect("the database answers");
        samples.push((since.elapsed().as_secs_f64(), now));
        if now >= end {
            return samples;
        }
        assert!(since.elapsed() < PATIENCE, "settled {now} of {end}");
        tokio::time::sleep(LOOK).await;
    }
}

/// The full rate, and when it was reached.
fn reached(samples: &Samples, backlog: u64) -> (f64, f64) {
    let first = samples[0].1;
    let when = |share: f64| {
        let wanted = first + (backlog as f64 * share) as u64;
        samples.iter().find(|(_, settled)| *settled >= wanted).expect("it was written").0
    };
    let (quarter, three) = (when(0.25), when(0.75));
    let full = backlog as f64 * 0.5 / (three - quarter).max(LOOK.as_secs_f64());
    let window = WINDOW.as_secs_f64().min(three - quarter).max(LOOK.as_secs_f64());
    let rate = |(at, (began, before)): (usize, &(f64, u64))| {
        let (ended, after) = samples[at..].iter().find(|(moment, _)| *moment >= began + window)?;
        Some((*began, (after - before) as f64 / (ended - began)))
    };
    let found = samples.iter().enumerate().filter_map(rate).find(|(_, rate)| *rate >= FULL * full);
    (full, found.expect("the middle was written at the full rate").0)
}

impl Bench {
    /// Seconds from the database's being back until the full rate.
    pub async fn recovery(&mut self) -> Aimed {
        let outage = Duration::from_secs_f64(number("KEEPSTEP_BENCH_OUTAGE_S", 60.0));
        let mut aimed = Aimed::new("recovery", Aim::SecondsAtMost(5.0));
        // The load goes on well beyond the server's start and what has piled up.
        let count = (BEFORE + outage * 2 + Duration::from_secs(20)).as_secs() as usize * LOAD;
        let work = case::inserts::<CopyBatch>(Layout::narrow(), count, None);
        let definition = self.definition(&work.layout);
        let topic = self.topic(&[]).await;
        let server = tokio::task::spawn_blocking(Server::start).await.unwrap();
        let orders = Orders {
            log: self.kafka.clone(),
            destination: server.url(),
            entities: vec![(ENTITY.to_owned(), topic.clone())],
            profile: format!("bench-recovery-{}", std::process::id()),
            connections: CONNECTIONS,
            versioned: true,
            definition,
            begin: 0,
            end: u64::MAX,
            linger_ms: 50,
        };
        let running = tokio::task::spawn_blocking(move || orders.start()).await.unwrap();
        let mut loading = JoinSet::new();
        loading.spawn(load(self.kafka.clone(), topic, work.records));
        tokio::time::sleep(BEFORE).await;
        let client = connection(&server.url()).await.expect("it runs");
        let before = settled(&client).await.expect("the lanes have begun");
        assert!(before > 0, "nothing was written before the outage");
        server.order("kill").await;
        tokio::time::sleep(outage).await;
        let (started, client) = tokio::join!(server.order("start"), async {
            loop {
                if let Some(client) = connection(&server.url()).await {
                    break client;
                }
                tokio::time::sleep(LOOK).await;
            }
        });
        let () = started;
        let back = Instant::now();
        let behind = settled(&client).await.expect("the checkpoint is kept");
        let backlog = (outage.as_secs_f64() * LOAD as f64) as u64;
        let samples = watch(&client, back, behind + backlog).await;
        let (full, after_s) = reached(&samples, backlog);
        println!(
            "recovery: after {:.0} s without a database, full rate ({full:.0}/s) {after_s:.2} s after \
             it was back; {backlog} changes written {:.2} s after it",
            outage.as_secs_f64(),
            samples.last().expect("samples").0
        );
        loading.shutdown().await;
        tokio::task::spawn_blocking(move || running.kill()).await.unwrap();
        aimed.ours.push(after_s);
        aimed
    }
}
