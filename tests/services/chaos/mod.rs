//! Chaos on real parts: nothing is lost, nothing is applied twice, and the failed-record list is true.
//!
//! Three `keepstep run` processes copy from a real Kafka to a real database, by way of proxies,
//! while one change in a hundred cannot be written. Processes are killed and frozen, servers die,
//! connections are cut and held up, a column is renamed, the dead-letter topic takes nothing. When
//! that is over, every table is as a serial replay makes it, what is held is exactly what cannot be
//! written, and no content was seen anywhere it may not be.
//!
//! `KEEPSTEP_CHAOS_SECONDS` says how long the faults go on (default 90), `KEEPSTEP_CHAOS_SEED`
//! repeats what is published and which faults come; `make chaos` runs ten minutes.
#![expect(
    clippy::disallowed_methods,
    reason = "settings of a run, and a publisher that ends with it"
)]

mod canary;
pub mod database;
mod fault;
pub mod judge;
pub mod proxy;
mod scene;
pub mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use database::Database;
use fault::{Done, Faults};
use judge::{Constraint, Open, Place, judge};
use keepstep::log::{Log, NewRecord};
use keepstep::model::position::Topic;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use scene::{Scene, TOPIC};
use source::{Canaries, Sent, Source};
use uuid::Uuid;

use crate::scene::servers::Servers;

/// Changes that are appended at once, and how often.
const BURST: usize = 40;
const BURST_EVERY: Duration = Duration::from_millis(100);

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// What is on the log, where.
type Published = Arc<Mutex<BTreeMap<Place, Sent>>>;

/// Publishes until it is told to end.
struct Publisher {
    source: Source,
    log: Arc<dyn Log>,
    published: Published,
    count: Arc<AtomicUsize>,
    end: Arc<AtomicBool>,
}

impl Publisher {
    async fn run(mut self) {
        let mut ticks = tokio::time::interval(BURST_EVERY);
        while !self.end.load(Ordering::Relaxed) {
            ticks.tick().await;
            let sent: Vec<Sent> = (0..BURST).map(|_| self.source.next()).collect();
            let records: Vec<NewRecord> =
                sent.iter().map(|sent| self.source.record(sent)).collect();
            // A broker that is away: the producer tries again by itself, for a while.
            let places = self.log.append(&Topic::new(TOPIC), records).await;
            let places = places.expect("the log takes the records");
            let mut published = self.published.lock().unwrap();
            published
                .extend(places.iter().map(|(partition, offset)| (*partition, offset.0)).zip(sent));
            self.count.store(published.len(), Ordering::Relaxed);
        }
    }
}

/// The whole run, on a broker of its own and this database.
#[expect(clippy::print_stdout, reason = "the story of a run, for who looks into it")]
pub async fn loses_nothing_applies_nothing_twice_and_the_list_is_true(
    servers: Arc<Servers>,
    database: Arc<dyn Database>,
) {
    let seed = number("KEEPSTEP_CHAOS_SEED").unwrap_or_else(rand::random);
    let seconds = number("KEEPSTEP_CHAOS_SECONDS").unwrap_or(90);
    let what = format!("{}, seed {seed}, {seconds} seconds", database.name());
    println!("{what} (KEEPSTEP_CHAOS_SEED={seed} repeats it)");
    let mut rng = SmallRng::seed_from_u64(seed);
    let canaries = Canaries::of(&mut rng);
    let mut scene = Scene::start(servers, database).await;
    let publisher = Publisher {
        source: Source::new(rng.random(), canaries.clone()),
        log: scene.servers.log(),
        published: Published::default(),
        count: Arc::default(),
        end: Arc::default(),
    };
    let (published, count) = (Arc::clone(&publisher.published), Arc::clone(&publisher.count));
    let end = Arc::clone(&publisher.end);
    let publishing = tokio::spawn(publisher.run());
    let published_so_far = || count.load(Ordering::Relaxed);
    let mut faults = Faults::new(SmallRng::seed_from_u64(rng.random()));
    let over = Instant::now() + Duration::from_secs(seconds);
    // A slow machine needs longer for the first of each kind.
    while Instant::now() < over || !faults.were_all() {
        // Somewhere in the middle of what comes next.
        let wanted = scene.settled().await + rng.random_range(1..1_000);
        scene.wait("copying so far", async |scene| scene.settled().await >= wanted).await;
        faults.next(&mut scene, published_so_far).await;
        scene.keep_metrics().await;
    }
    end.store(true, Ordering::Relaxed);
    publishing.await.expect("publishes");
    let published = published.lock().unwrap().clone();
    let report = assess(&mut scene, &published, &canaries, faults.done).await;
    println!("{report}");
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("chaos.txt");
    std::fs::write(file, format!("{what}\n{report}\n")).unwrap();
    if !report.is_clean() {
        panic!("{}", report.details);
    }
    for member in std::mem::take(&mut scene.members) {
        member.stop();
    }
}

/// What came out.
struct Report {
    done: Done,
    changes: usize,
    found: usize,
    lost: usize,
    twice: i64,
    false_entries: usize,
    /// What is wrong, in words.
    details: String,
}

impl Report {
    fn is_clean(&self) -> bool {
        let Done { kills, freezes, outages } = self.done;
        let tried = kills > 0 && freezes > 0 && outages > 0 && self.found > 0;
        tried
            && self.lost == 0
            && self.twice == 0
            && self.false_entries == 0
            && self.details.is_empty()
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "changes {}", self.changes)?;
        writeln!(f, "kills {}", self.done.kills)?;
        writeln!(f, "freezes {}", self.done.freezes)?;
        writeln!(f, "outages {}", self.done.outages)?;
        writeln!(f, "poison found {}", self.found)?;
        writeln!(f, "lost {}", self.lost)?;
        writeln!(f, "twice {}", self.twice)?;
        write!(f, "false entries {}", self.false_entries)
    }
}

/// When the faults are over: waits until all is calm, judges, mends what can be mended, tries again
/// what is held, and judges again.
async fn assess(
    scene: &mut Scene,
    published: &BTreeMap<Place, Sent>,
    canaries: &Canaries,
    done: Done,
) -> Report {
    calm(scene, published.len()).await;
    let database = Arc::clone(&scene.database);
    let judged = async |constraint| {
        let (open, _) = database.held().await;
        judge(published, &database.rows().await, &open, constraint, database.refusals())
    };
    let first = judged(Constraint::Stands).await;
    let found = found(&scene.folder().join("failed.sqlite"), published);
    database.allow_all().await;
    scene.command(&["resync", "--failed"]).await;
    let mut last;
    // What was asked for is done a moment later; if it is not, that is what is wrong.
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut look = tokio::time::interval(Duration::from_millis(200));
    loop {
        look.tick().await;
        last = judged(Constraint::Dropped).await;
        let wrong = !last.lost.is_empty() || !last.false_entries.is_empty();
        if !wrong || Instant::now() > deadline {
            break;
        }
    }
    calm(scene, published.len()).await;
    let given_up = dismiss(scene, published).await;
    for format in ["lines", "csv", "json"] {
        let file = format!("export.{format}");
        scene.command(&["failed", "export", "--format", format, "--output", &file]).await;
    }
    scene.command(&["failed", "summary"]).await;
    scene.command(&["failed", "list", "--resolved"]).await;
    scene.command(&["status"]).await;
    scene.keep_metrics().await;
    let seen = seen(scene, canaries).await;
    let mut details = String::new();
    for (what, all) in [
        ("lost", &first.lost),
        ("false entry", &first.false_entries),
        ("lost after the cause was mended", &last.lost),
        ("false entry after the cause was mended", &last.false_entries),
        ("not dismissed", &given_up),
        ("content seen", &seen),
    ] {
        let shown = all.iter().take(5);
        shown.for_each(|text| writeln!(details, "{what}: {text}").unwrap());
    }
    Report {
        done,
        changes: published.len(),
        found,
        lost: first.lost.len() + last.lost.len(),
        twice: database.not_newer().await,
        false_entries: first.false_entries.len() + last.false_entries.len(),
        details,
    }
}

/// Waits until everything is settled, no entity is paused, all dead letters are sent, and the list
/// says what the destination holds.
async fn calm(scene: &mut Scene, published: usize) {
    calm_with(scene, published, |_| true).await;
}

/// The same, and something holds of what is held.
async fn calm_with(scene: &mut Scene, published: usize, holds: impl Fn(&[Open]) -> bool) {
    scene.wait("settling", async |scene| scene.settled().await >= published).await;
    let list = scene.folder().join("failed.sqlite");
    let same = async |scene: &Scene| {
        let (open, published) = scene.database.held().await;
        let held: BTreeSet<(Place, Uuid)> = open.iter().map(named).collect();
        published && listed(&list, "open = 1") == held && holds(&open)
    };
    scene.wait("the list saying what is held", same).await;
}

/// Gives up one record that nothing will mend; says if that did not work.
async fn dismiss(scene: &mut Scene, published: &BTreeMap<Place, Sent>) -> Vec<String> {
    let (open, _) = scene.database.held().await;
    let hopeless = open.iter().find(|it| it.cause == "key_mismatch");
    let Some(hopeless) = hopeless else { return Vec::new() };
    let entity = published[&hopeless.place].change.entity.as_str();
    let record = hopeless.record.to_string();
    let words = ["failed", "dismiss", "--entity", entity, "--record", &record];
    scene.command(&[&words[..], &["--reason", "nobody needs it"]].concat()).await;
    let gone = |open: &[Open]| open.iter().all(|it| it.record != hopeless.record);
    calm_with(scene, published.len(), gone).await;
    let dismissed = listed(&scene.folder().join("failed.sqlite"), "reason = 'dismissed'");
    let done = dismissed == BTreeSet::from([named(hopeless)]);
    (!done).then(|| format!("{entity} {record}")).into_iter().collect()
}

fn named(open: &Open) -> (Place, Uuid) {
    (open.place, open.record)
}

/// Changes on the list.
fn listed(list: &std::path::Path, which: &str) -> BTreeSet<(Place, Uuid)> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = rusqlite::Connection::open_with_flags(list, flags).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    let text =
        format!("SELECT \"partition\", \"offset\", record_id FROM held_change WHERE {which}");
    let mut statement = connection.prepare(&text).unwrap();
    let rows = statement.query_map([], |row| {
        let id: Vec<u8> = row.get(2)?;
        Ok(((row.get(0)?, row.get(1)?), Uuid::from_slice(&id).unwrap_or_default()))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// How many of the changes that cannot be written were ever on the list.
fn found(list: &std::path::Path, published: &BTreeMap<Place, Sent>) -> usize {
    let known: BTreeSet<Place> =
        listed(list, "1 = 1").into_iter().map(|(place, _)| place).collect();
    known
        .iter()
        .filter(|place| published.get(place).is_some_and(|sent| sent.poison.is_some()))
        .count()
}

/// Where content was seen: in files, in what was said, in our own tables.
async fn seen(scene: &Scene, canaries: &Canaries) -> Vec<String> {
    let mut texts = canaries.texts();
    texts.push(scene.database.password());
    let mut seen = canary::seen_in(scene.folder(), &texts);
    for (table, text) in scene.database.own_tables().await {
        let found = texts.iter().filter(|canary| canary::place(text.as_bytes(), canary).is_some());
        seen.extend(found.map(|canary| format!("table {table} holds {canary}")));
    }
    seen
}
