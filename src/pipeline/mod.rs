//! A pipeline: one export profile, running in this process.
//!
//! Data flows one way: `log` hands a feed per partition to a [`lane`]; the lane decodes and fits
//! ([`intake`]), collects batches (`model::batcher`), and has them written ([`writer`]); the
//! destination's checkpoint says how far it came. One task owns the group membership and all
//! lanes; a lane lives exactly as long as its assignment; a stop is a revoke of everything.
//!
//! Safety rests on the destination's fence and guard alone. Draining at a rebalance only saves
//! work: whatever a lane did not settle, the partition's next owner reads again.
//!
//! This room knows the traits of `log` and `destination`, never an adapter.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::{Instant, interval, sleep, sleep_until};

use crate::log::{Feed, FeedLimits, GroupEvent, Member};
use crate::metrics::RetryCause;
use crate::model::backoff::Backoff;
use crate::model::checkpoint::LaneId;
use crate::model::position::{Topic, TopicPartition};

pub mod activation;
mod breaker;
mod gap;
mod held_set;
mod holding;
mod intake;
mod isolation;
mod lane;
mod latency;
pub mod memory_budget;
mod mend;
mod outbox;
mod pace;
mod parts;
mod pauses;
mod reading;
mod rejected;
mod replay;
mod requests;
mod retry;
mod schema;
pub mod status;
mod tenure;
mod writer;

use breaker::Breaker;
use held_set::{HeldSet, RetryRule};
use intake::Intake;
use lane::{Lane, LaneEnd};
use pace::Pace;
use pauses::Pauses;
use replay::Replays;
use requests::Desks;
use schema::{Schema, SchemaKeeper};
use status::LaneState;

pub use activation::ActivationError;
pub use latency::LatencyHistogram;
pub use parts::{Clock, PipelineError, PipelineParts};
pub use schema::{Definitions, Mappings};

/// How often the group's offsets are told to the log, and the lag is measured.
const COMMIT_PERIOD: Duration = Duration::from_secs(2);
/// First and longest wait between tries against an outage.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// Share of the memory budget that the log may hold for lanes that have not asked for it yet.
const FEED_SHARE: usize = 4;

/// Ends when a stop is asked for, or when nobody is left who could ask.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the asker is gone: that is a stop, too.
    drop(stop.wait_for(|stop| *stop).await);
}

/// A lane that runs, as its pipeline sees it.
struct RunningLane {
    tenant: Tenant,
    closing: watch::Sender<bool>,
    schema: watch::Sender<Arc<Schema>>,
    abort: AbortHandle,
}

/// Number of an assignment: a partition may come back before the end of its last lane is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tenant(u64);

/// How a lane ended, and which one.
type Ended = (TopicPartition, Tenant, LaneEnd);

/// One export profile, running.
pub struct Pipeline {
    parts: PipelineParts,
    rng: SmallRng,
    lanes: BTreeMap<TopicPartition, RunningLane>,
    running: JoinSet<Ended>,
    tenants: u64,
    partitions: BTreeMap<Topic, u32>,
    measuring: JoinSet<()>,
    desks: Desks,
    schema: SchemaKeeper,
}

impl Pipeline {
    /// A pipeline that does not run yet.
    pub fn new(parts: PipelineParts) -> Self {
        let rng = SmallRng::seed_from_u64(parts.seed);
        let schema = SchemaKeeper::new(parts.definitions.clone());
        Self {
            parts,
            rng,
            lanes: BTreeMap::new(),
            running: JoinSet::new(),
            tenants: 0,
            partitions: BTreeMap::new(),
            measuring: JoinSet::new(),
            desks: Desks::default(),
            schema,
        }
    }

    /// Activates the profile in the destination, then copies until `stop` becomes true.
    ///
    /// Outages are waited for without an end, visibly (`status`, metrics).
    ///
    /// # Errors
    /// Only what a person must mend: see [`PipelineError`].
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), PipelineError> {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        while !*stop.borrow() {
            match self.activate_and_consume(&mut stop).await {
                Ok(()) => break,
                Err(PipelineError::Log(error)) if error.retry => {
                    tracing::warn!(profile.id = %self.parts.profile.id, %error, "the log is not available, trying again");
                    self.parts.metrics.count_retry(RetryCause::Log);
                }
                Err(PipelineError::Activation(error)) if error.is_outage() => {
                    tracing::warn!(profile.id = %self.parts.profile.id, %error, "cannot activate yet, trying again");
                    self.parts.metrics.count_retry(RetryCause::Destination);
                }
                Err(error) => return Err(error),
            }
            let wait = backoff.next_wait(self.rng.random());
            tokio::select! {
                biased;
                () = sleep(wait) => {}
                () = stopped(&mut stop) => {}
            }
        }
        Ok(())
    }

    async fn activate_and_consume(
        &mut self,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(), PipelineError> {
        let activate = self.schema.activate(&self.parts);
        tokio::select! {
            // A stop must not wait for a destination that is away.
            biased;
            () = stopped(stop) => return Ok(()),
            activated = activate => self.partitions = activated?,
        }
        self.parts.status.set_activated();
        let profile = &self.parts.profile;
        let limits = FeedLimits { bytes: self.parts.budget.limit_bytes() / FEED_SHARE };
        let topics = profile.topics();
        let mut member = self.parts.log.join(&profile.id.group_id(), &topics, limits).await?;
        let mut serving = JoinSet::new();
        serving.spawn(self.desks.clone().serve(self.parts.clone(), self.owner()));
        let result = self.consume(member.as_mut(), stop).await;
        serving.shutdown().await;
        self.lanes.clear();
        self.running.shutdown().await;
        self.measuring.shutdown().await;
        result
    }

    /// Names this process to those who read the lanes' states.
    fn owner(&self) -> String {
        format!("process {}", std::process::id())
    }

    /// The one loop that owns the membership and the lanes.
    async fn consume(
        &mut self,
        member: &mut dyn Member,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(), PipelineError> {
        let mut leaving = false;
        let mut commit = interval(COMMIT_PERIOD);
        loop {
            tokio::select! {
                // In order of urgency: the group must be answered first.
                biased;
                event = member.next() => match event? {
                    Some(event) => self.handle(event, member).await,
                    None => return Ok(()),
                },
                () = stopped(stop), if !leaving => {
                    leaving = true;
                    member.leave();
                }
                Some(ended) = self.running.join_next() => self.lane_ended(ended),
                schema = self.schema.follow(&self.parts) => {
                    for lane in self.lanes.values() {
                        lane.schema.send_replace(Arc::clone(&schema));
                    }
                }
                _ = commit.tick() => {
                    self.commit(member);
                    self.measure_lag();
                }
            }
        }
    }

    async fn handle(&mut self, event: GroupEvent, member: &mut dyn Member) {
        self.parts.metrics.count_rebalance();
        match event {
            GroupEvent::Assigned(feeds) => {
                for feed in feeds {
                    self.start_lane(feed);
                }
            }
            GroupEvent::Revoked { partitions, done } => {
                self.drain(&partitions).await;
                self.commit(member);
                for partition in &partitions {
                    self.parts.status.remove(partition);
                }
                // The log may have given up waiting; then there is nobody to tell.
                let _unheard = done.send(());
            }
            GroupEvent::Lost { partitions } => {
                for partition in &partitions {
                    if let Some(lane) = self.lanes.remove(partition) {
                        lane.abort.abort();
                    }
                    self.parts.status.remove(partition);
                }
            }
        }
    }

    fn start_lane(&mut self, feed: Box<dyn Feed>) {
        let topic_partition = feed.topic_partition().clone();
        let (closing, closing_seen) = watch::channel(false);
        let id = LaneId {
            profile: self.parts.profile.id.clone(),
            topic_partition: topic_partition.clone(),
        };
        let (topic, partition) = (&topic_partition.topic, topic_partition.partition.0);
        let gauges = self.parts.metrics.lane(topic.as_str(), partition);
        let entities = self.parts.profile.entities_of(topic);
        let mapped = self.schema.current();
        let (schema, schema_seen) = watch::channel(Arc::clone(&mapped));
        let intake = Intake::new(
            topic_partition.clone(),
            Arc::clone(&self.parts.decoder),
            &mapped.mappings,
            Arc::clone(&self.parts.metrics),
            self.partitions.get(topic) == Some(&1),
            self.parts.profile.images_only,
        );
        let lane = Lane {
            id,
            feed,
            parts: self.parts.clone(),
            closing: closing_seen,
            status: self.parts.status.add(&topic_partition, gauges, entities),
            rng: SmallRng::seed_from_u64(self.rng.random()),
            intake,
            held: Arc::new(HeldSet::new(RetryRule::NONE, self.parts.mutations)),
            breaker: Breaker::new(self.parts.mutations),
            pauses: Pauses::new(&mapped),
            schema: schema_seen,
            mapped,
            replays: Replays::default(),
            fruitless: 0,
            pace: Pace::new(self.parts.profile.batch),
            asks: self.desks.open(&topic_partition),
        };
        let key = topic_partition.clone();
        self.tenants += 1;
        let tenant = Tenant(self.tenants);
        let abort = self.running.spawn(async move { (key, tenant, lane.run().await) });
        let lane = RunningLane { tenant, closing, schema, abort };
        if let Some(former) = self.lanes.insert(topic_partition, lane) {
            former.abort.abort();
        }
    }

    /// Lets lanes write what they have, up to the profile's drain time, then ends them.
    async fn drain(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            if let Some(lane) = self.lanes.get(partition) {
                lane.closing.send_replace(true);
            }
        }
        let deadline = Instant::now() + self.parts.profile.drain;
        while partitions.iter().any(|partition| self.lanes.contains_key(partition)) {
            tokio::select! {
                biased;
                Some(ended) = self.running.join_next() => self.lane_ended(ended),
                () = sleep_until(deadline) => {
                    for partition in partitions {
                        if let Some(lane) = self.lanes.remove(partition) {
                            lane.abort.abort();
                        }
                    }
                }
            }
        }
    }

    fn lane_ended(&mut self, ended: Result<Ended, JoinError>) {
        let (partition, tenant, end) = match ended {
            Ok(ended) => ended,
            Err(error) if error.is_panic() => {
                tracing::error!(profile.id = %self.parts.profile.id, "a lane failed by a fault of this program; please report it");
                return self.forget_finished();
            }
            Err(_aborted) => return,
        };
        if self.lanes.get(&partition).is_none_or(|lane| lane.tenant != tenant) {
            return;
        }
        self.lanes.remove(&partition);
        if let LaneEnd::Stopped(reason) = end {
            tracing::error!(
                profile.id = %self.parts.profile.id, lane = %partition, reason = %reason,
                "lane stopped; nothing is lost, and nothing behind it is written"
            );
            self.parts.status.set(&partition, LaneState::Stopped(reason));
        }
    }

    /// After a panic the lane's name is unknown: every lane that has finished is the one.
    fn forget_finished(&mut self) {
        let finished = self.lanes.extract_if(.., |_, lane| lane.abort.is_finished());
        for (partition, _) in finished.collect::<Vec<_>>() {
            self.parts.status.set(&partition, LaneState::Stopped("internal fault".to_owned()));
        }
    }

    fn commit(&self, member: &dyn Member) {
        let settled = self.parts.status.settled();
        if !settled.is_empty() {
            member.commit(&settled);
        }
    }

    /// Measures how far each lane is behind, beside the work; one round at a time.
    fn measure_lag(&mut self) {
        while self.measuring.try_join_next().is_some() {}
        if !self.measuring.is_empty() {
            return;
        }
        let (log, status) = (Arc::clone(&self.parts.log), Arc::clone(&self.parts.status));
        let clock = Arc::clone(&self.parts.clock);
        self.measuring.spawn(async move {
            for topic_partition in status.lanes().into_keys() {
                if let Ok(bounds) = log.bounds(&topic_partition).await {
                    status.measured(&topic_partition, bounds.end, clock());
                }
            }
        });
    }
}
