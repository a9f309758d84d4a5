//! One world: its members, its faults, its end.
#![expect(clippy::disallowed_methods, reason = "members, zombies and replicas have no owner")]

mod fault;
mod list;
mod person;
mod process;
mod seen;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use keepstep::destination::faulty::Faulty;
use keepstep::log::Log;
use keepstep::log::embedded::{EmbeddedLog, EmbeddedSettings};
use keepstep::model::batcher::BatchLimits;
use keepstep::model::checkpoint::LaneId;
use keepstep::model::mutation::Mutations;
use keepstep::model::position::{NextOffset, Topic, TopicPartition};
use keepstep::model::profile::ProfileId;
use keepstep::pipeline::status::LaneState;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::{Duration, Instant, sleep};

use fault::{fault_script, judge};
use process::Process;
pub(super) use seen::Seen;

use super::oracle::Oracle;
use super::source::{Published, Source};
use super::store::Store;

/// How long things go wrong.
const TROUBLE: Duration = Duration::from_secs(60);
/// How long the world has to settle afterwards.
const CALM: Duration = Duration::from_secs(3_600);

pub(super) struct Outcome {
    pub(super) problems: Vec<String>,
    pub(super) trace: Vec<String>,
    pub(super) seen: Seen,
}

/// What a seed decides before anything runs.
pub(super) struct World {
    seed: u64,
    partitions: u32,
    changes: usize,
    limits: BatchLimits,
    drain: Duration,
    memory_bytes: usize,
    fault_share: f64,
    poison_share: f64,
    /// Whether the dead-letter topic is missing until it is calm.
    list_away: bool,
    may_fall_back: bool,
    /// Whether the destination is a real SQLite file.
    sqlite: bool,
    /// Entities of the profile at first; the third comes later in some worlds.
    entities: usize,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        Self {
            seed,
            partitions: rng.random_range(1..5),
            changes: rng.random_range(50..400),
            limits: BatchLimits {
                changes: rng.random_range(1..60),
                bytes: rng.random_range(500..60_000),
                linger: Duration::from_millis(rng.random_range(0..200)),
            },
            drain: Duration::from_millis(rng.random_range(0..3_000)),
            memory_bytes: rng.random_range(2_000..100_000),
            fault_share: if rng.random_bool(0.9) { rng.random_range(0.0..0.5) } else { 0.0 },
            poison_share: if rng.random_bool(0.8) { rng.random_range(0.0..0.15) } else { 0.0 },
            list_away: rng.random_bool(0.2),
            may_fall_back: rng.random_bool(0.5),
            sqlite: seed % 10 == 9,
            entities: rng.random_range(2..4),
        }
    }
}

/// What the parts of a running world share.
struct Stage {
    world: World,
    log: EmbeddedLog,
    store: Store,
    destination: Arc<dyn keepstep::destination::Destination>,
    oracle: Arc<Oracle>,
    trouble: Arc<AtomicBool>,
    clock: keepstep::pipeline::Clock,
    trace: Arc<Mutex<Vec<String>>>,
    seen: Arc<Mutex<Seen>>,
    topic: Topic,
    mutations: Mutations,
    next_seed: AtomicU64,
}

pub(super) fn run(world: World, mutations: Mutations) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async move { Stage::new(world, mutations).play().await })
}

impl Stage {
    fn new(world: World, mutations: Mutations) -> Self {
        let started = Instant::now();
        let clock: keepstep::pipeline::Clock = Arc::new(move || {
            1_700_000_000_000 + i64::try_from(started.elapsed().as_millis()).unwrap()
        });
        let log = EmbeddedLog::in_memory(EmbeddedSettings::new(Arc::clone(&clock)));
        let store = Store::new(world.sqlite, mutations);
        let published: Published = Arc::default();
        let oracle = Arc::new(Oracle::new(Arc::clone(&published), store.clone()));
        let trouble = Arc::new(AtomicBool::new(true));
        let trace: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let script =
            fault_script(world.seed, world.fault_share, Arc::clone(&trouble), Arc::clone(&seen));
        let observer = {
            let (oracle, trace, seen) =
                (Arc::clone(&oracle), Arc::clone(&trace), Arc::clone(&seen));
            Arc::new(move |fence: &keepstep::model::checkpoint::Fence, result: &Result<_, _>| {
                let moves: Vec<String> = fence
                    .moves
                    .iter()
                    .map(|step| format!("{}:{}→{}", step.scope.as_str(), step.from, step.to))
                    .collect();
                let outcome = match result {
                    Ok(_) => "written".to_owned(),
                    Err(error) => format!("{error}"),
                };
                let at_ms = started.elapsed().as_millis();
                trace.lock().unwrap().push(format!("{at_ms} {} {moves:?} {outcome}", fence.lane));
                let mut seen = seen.lock().unwrap();
                match result {
                    Ok(_) => seen.commits += 1,
                    Err(_) => seen.fenced += 1,
                }
                drop(seen);
                oracle.check_lane(&fence.lane);
            })
        };
        let destination =
            Faulty::new(store.destination(mutations), Box::new(script), observer, mutations)
                .with_judge(judge(world.seed, started, Arc::clone(&trouble)));
        let next_seed = AtomicU64::new(world.seed.wrapping_mul(1_000));
        Self {
            world,
            log,
            store,
            destination: Arc::new(destination),
            oracle,
            trouble,
            clock,
            trace,
            seen,
            topic: Topic::new("crm.org"),
            mutations,
            next_seed,
        }
    }

    async fn play(self) -> Outcome {
        let stage = Arc::new(self);
        stage.log.create_topic(&stage.topic, stage.world.partitions, false).await.unwrap();
        if !stage.world.list_away {
            stage.log.create_topic(&profile_id().failed_topic(), 1, true).await.unwrap();
        }
        let source = Source::new(
            stage.world.seed ^ 0x5093,
            stage.topic.clone(),
            stage.world.partitions,
            stage.world.poison_share,
            stage.oracle.published(),
        );
        let log: Arc<dyn Log> = Arc::new(stage.log.clone());
        let publishing = tokio::spawn(source.publish(log, stage.world.changes));
        let mut processes = stage.trouble().await;
        publishing.await.unwrap();
        stage.calm(&mut processes).await;
        for process in processes {
            process.pipeline.abort();
            // Aborted on purpose.
            drop(process.pipeline.await);
        }
        Outcome {
            problems: stage.oracle.problems(),
            trace: stage.trace.lock().unwrap().clone(),
            seen: stage.seen.lock().unwrap().clone(),
        }
    }

    fn tell(&self, what: String) {
        self.trace.lock().unwrap().push(what);
    }

    fn count(&self, what: impl FnOnce(&mut Seen)) {
        what(&mut self.seen.lock().unwrap());
    }

    /// The time in which everything goes wrong.
    async fn trouble(self: &Arc<Self>) -> Vec<Process> {
        let mut rng = SmallRng::seed_from_u64(self.world.seed ^ 0xc4a0);
        let mut processes = vec![self.start("p0", self.world.entities)];
        let mut entities = self.world.entities;
        let mut fallbacks = Vec::new();
        let mut zombies: Vec<String> = Vec::new();
        let group = profile_id().group_id();
        let end = Instant::now() + TROUBLE;
        let mut count = 1;
        while Instant::now() < end {
            sleep(Duration::from_millis(rng.random_range(100..8_000))).await;
            let chosen = rng.random_range(0..processes.len().max(1));
            match rng.random_range(0..100) {
                0..30 if processes.len() < 3 => {
                    processes.push(self.start(&format!("p{count}"), entities));
                    count += 1;
                }
                30..42 if !processes.is_empty() => {
                    self.count(|seen| seen.kills += 1);
                    let process = processes.swap_remove(chosen);
                    self.tell(format!("kill {}", process.name));
                    process.pipeline.abort();
                }
                42..52 if !processes.is_empty() => {
                    self.count(|seen| seen.leaves += 1);
                    self.tell(format!("stop {}", processes[chosen].name));
                    processes.swap_remove(chosen).stop.send_replace(true);
                }
                52..70 if !processes.is_empty() => {
                    let prefix = format!("{}-", processes[chosen].name);
                    let members = self.log.members(&group);
                    if let Some(member) = members.iter().find(|id| id.starts_with(&prefix)) {
                        self.count(|seen| seen.zombies += 1);
                        self.tell(format!("zombie {member}"));
                        self.log.expire_member(&group, member);
                        zombies.push(member.clone());
                        if rng.random_bool(0.5) {
                            let (log, member, group) =
                                (self.log.clone(), member.clone(), group.clone());
                            let after = Duration::from_millis(rng.random_range(0..20_000));
                            tokio::spawn(async move {
                                sleep(after).await;
                                log.tell_lost(&group, &member);
                            });
                        }
                    }
                }
                70..78 if self.world.may_fall_back && !self.world.sqlite => {
                    // A replica that lags a little takes over.
                    self.count(|seen| seen.fallbacks += 1);
                    let Some(memory) = self.store.memory().cloned() else { continue };
                    let (older, lag_ms) = (memory.state(), rng.random_range(1..6_000));
                    let furthest = self.oracle.furthest();
                    let stage = Arc::clone(self);
                    fallbacks.push(tokio::spawn(async move {
                        sleep(Duration::from_millis(lag_ms)).await;
                        stage.tell("the destination falls back".to_owned());
                        memory.restore(older);
                        stage.oracle.falls_back(furthest);
                    }));
                }
                78..86 => {
                    self.count(|seen| seen.redeliveries += 1);
                    let partition = rng.random_range(0..self.world.partitions);
                    let topic_partition = TopicPartition::new(&self.topic, partition);
                    self.log.redeliver(&topic_partition, NextOffset(rng.random_range(0..30)));
                }
                86..90 if entities < 3 && !self.world.may_fall_back => {
                    // The profile gets another entity: everybody is started anew with it.
                    self.count(|seen| seen.added_entities += 1);
                    entities = 3;
                    self.tell("an entity is added".to_owned());
                    for process in processes.drain(..) {
                        process.stop.send_replace(true);
                    }
                    sleep(Duration::from_secs(25)).await;
                    processes.push(self.start(&format!("p{count}"), entities));
                    count += 1;
                }
                90..98 => self.ask_for_a_replay(&mut rng).await,
                98..100 => self.stop_replays().await,
                _ => {}
            }
        }
        for fallback in fallbacks {
            fallback.await.unwrap();
        }
        // Every zombie hears of it in the end.
        for member in zombies {
            self.log.tell_lost(&group, &member);
        }
        if entities < 3 && processes.is_empty() {
            processes.push(self.start(&format!("p{count}"), entities));
        } else if processes.is_empty() {
            processes.push(self.start(&format!("p{count}"), 3));
        }
        processes
    }

    /// Faults stop; everything must settle, stay true, and stay true when late requests arrive.
    async fn calm(&self, processes: &mut [Process]) {
        self.trouble.store(false, Ordering::Relaxed);
        self.tell("calm".to_owned());
        let lanes = self.lanes();
        self.log.create_topic(&profile_id().failed_topic(), 1, true).await.unwrap();
        let end = Instant::now() + CALM;
        while !self.oracle.is_settled(&lanes) || !self.all_answered().await {
            if Instant::now() > end {
                let states: Vec<_> =
                    processes.iter().map(|process| process.status.lanes()).collect();
                return self.oracle.problem(format!("not settled in an hour: {states:?}"));
            }
            sleep(Duration::from_secs(1)).await;
        }
        sleep(Duration::from_secs(40)).await;
        for lane in &lanes {
            self.oracle.check_lane(lane);
        }
        self.check_list(&lanes, processes).await;
        if !self.oracle.is_settled(&lanes) {
            self.oracle.problem("a late request moved a checkpoint back".to_owned());
        }
        for process in processes {
            for (partition, lane) in process.status.lanes() {
                if let LaneState::Stopped(reason) = lane.state {
                    self.oracle.problem(format!("{partition} stopped: {reason}"));
                }
            }
        }
    }

    fn lanes(&self) -> Vec<LaneId> {
        (0..self.world.partitions)
            .map(|partition| LaneId {
                profile: profile_id(),
                topic_partition: TopicPartition::new(&self.topic, partition),
            })
            .collect()
    }
}

fn profile_id() -> ProfileId {
    ProfileId::new("sim").unwrap()
}
