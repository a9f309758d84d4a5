//! How the lanes of a pipeline are, for readiness, `status`, metrics and progress bars.
//!
//! Written once per batch, read by anybody; nothing waits for it and nothing is decided by it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use compact_str::CompactString;
use tokio::sync::watch;
use uuid::Uuid;

use super::latency::LatencyHistogram;
use crate::destination::TableCounts;
use crate::destination::desk::RequestState;
use crate::metrics::{LaneMetrics, LaneState as LaneStateLabel};
use crate::model::checkpoint::Checkpoint;
use crate::model::position::{NextOffset, TopicPartition};
use crate::model::record::EntityName;

/// What a lane is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaneState {
    /// It waits for its checkpoint.
    Taking,
    /// It copies.
    Running,
    /// The destination or the log is away; it tries again by itself. Why, and what to do.
    Waiting(String),
    /// It will not go on until a person acts. Why, and what to do.
    Stopped(String),
}

impl LaneState {
    fn label(&self) -> LaneStateLabel {
        match self {
            Self::Taking => LaneStateLabel::Taking,
            Self::Running => LaneStateLabel::Running,
            Self::Waiting(_) => LaneStateLabel::Waiting,
            Self::Stopped(_) => LaneStateLabel::Stopped,
        }
    }
}

/// One entity of a lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntityStatus {
    /// Rows inserted or updated since the lane was assigned.
    pub written: u64,
    /// Rows deleted since then.
    pub deleted: u64,
    /// Changes that newer rows or tombstones have dropped since then.
    pub superseded: u64,
    /// Changes that are held.
    pub held: usize,
    /// Where its changes go on, if it has a cursor of its own (paused, added, replayed).
    pub next: Option<NextOffset>,
    /// When a batch with changes of it was last written, ms since 1970.
    pub committed_ms: Option<i64>,
}

/// One lane, as it was after its last batch.
#[derive(Clone, Debug)]
pub struct LaneStatus {
    /// What it is doing.
    pub state: LaneState,
    /// Everything below is settled in the destination; `None` before the first take.
    pub settled: Option<NextOffset>,
    /// End of its partition when it was measured last.
    pub end: Option<NextOffset>,
    /// Time of the last settled record on the log, ms since 1970.
    pub settled_timestamp_ms: Option<i64>,
    /// Where changes go on that have no cursor of their own, in entities that do not stand back.
    pub next: Option<NextOffset>,
    /// Changes that are held.
    pub held: usize,
    /// The entities of its topic.
    pub entities: BTreeMap<EntityName, EntityStatus>,
    /// Entities that stand back, each with the reason.
    pub paused: BTreeMap<EntityName, String>,
    /// Why dead letters cannot be sent, while they cannot.
    pub outbox: Option<String>,
    /// Replays that the desk does not know the end of: where each stands, and its progress (JSON).
    pub replays: BTreeMap<Uuid, (RequestState, String)>,
}

/// What a pipeline has done since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Changes that were settled by batches.
    pub changes: u64,
    /// Batches written.
    pub batches: u64,
    /// Rows inserted or updated.
    pub written: u64,
    /// Rows deleted.
    pub deleted: u64,
    /// Changes and parts of changes that coalescing or the guard dropped.
    pub superseded: u64,
}

/// A lane on the board, with its gauges: they are shown as long as it is.
#[derive(Debug)]
struct Entry {
    status: LaneStatus,
    gauges: LaneMetrics,
}

impl Entry {
    fn state(&mut self, state: LaneState) {
        self.gauges.set_state(state.label());
        self.status.state = state;
    }

    fn show_lag(&self, now_ms: i64) {
        let (Some(settled), Some(end)) = (self.status.settled, self.status.end) else { return };
        let lag = u64::try_from(end.0.saturating_sub(settled.0)).unwrap_or(0);
        let age_ms = self.status.settled_timestamp_ms.map_or(0, |at| now_ms.saturating_sub(at));
        let age_ms = if lag == 0 { 0 } else { u64::try_from(age_ms).unwrap_or(0) };
        self.gauges.set_lag(lag, Duration::from_millis(age_ms));
    }
}

/// The lanes of one pipeline.
#[derive(Debug)]
pub struct StatusBoard {
    lanes: Mutex<BTreeMap<TopicPartition, Entry>>,
    totals: Mutex<Totals>,
    latency: Mutex<LatencyHistogram>,
    activated: AtomicBool,
    changed: watch::Sender<u64>,
}

impl Default for StatusBoard {
    fn default() -> Self {
        Self {
            lanes: Mutex::default(),
            totals: Mutex::default(),
            latency: Mutex::default(),
            activated: AtomicBool::new(false),
            changed: watch::Sender::new(0),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The data are plain values, each written whole: a panic elsewhere leaves them true.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A lane's own place on the board.
#[derive(Clone, Debug)]
pub struct LaneReporter {
    board: Arc<StatusBoard>,
    topic_partition: TopicPartition,
}

impl StatusBoard {
    /// Adds a lane that has just been assigned.
    pub fn add(
        self: &Arc<Self>,
        topic_partition: &TopicPartition,
        gauges: LaneMetrics,
        entities: impl Iterator<Item = EntityName>,
    ) -> LaneReporter {
        let status = LaneStatus {
            state: LaneState::Taking,
            settled: None,
            end: None,
            settled_timestamp_ms: None,
            next: None,
            held: 0,
            entities: entities.map(|entity| (entity, EntityStatus::default())).collect(),
            paused: BTreeMap::new(),
            outbox: None,
            replays: BTreeMap::new(),
        };
        gauges.set_state(status.state.label());
        lock(&self.lanes).insert(topic_partition.clone(), Entry { status, gauges });
        self.notify();
        LaneReporter { board: Arc::clone(self), topic_partition: topic_partition.clone() }
    }

    /// Removes a lane whose partition was taken away.
    pub fn remove(&self, topic_partition: &TopicPartition) {
        lock(&self.lanes).remove(topic_partition);
        self.notify();
    }

    /// Sets a lane's state.
    pub fn set(&self, topic_partition: &TopicPartition, state: LaneState) {
        if let Some(lane) = lock(&self.lanes).get_mut(topic_partition) {
            lane.state(state);
        }
        self.notify();
    }

    /// All lanes as they are.
    pub fn lanes(&self) -> BTreeMap<TopicPartition, LaneStatus> {
        lock(&self.lanes).iter().map(|(key, lane)| (key.clone(), lane.status.clone())).collect()
    }

    /// How far a lane has come with a replay.
    pub(super) fn replay(
        &self,
        topic_partition: &TopicPartition,
        id: Uuid,
    ) -> Option<(RequestState, String)> {
        lock(&self.lanes).get(topic_partition)?.status.replays.get(&id).cloned()
    }

    /// The desk knows the end of a replay.
    pub(super) fn forget_replay(&self, topic_partition: &TopicPartition, id: Uuid) {
        if let Some(lane) = lock(&self.lanes).get_mut(topic_partition) {
            lane.status.replays.remove(&id);
        }
    }

    /// How far each lane is settled, for the group's offsets.
    pub fn settled(&self) -> Vec<(TopicPartition, NextOffset)> {
        let lanes = lock(&self.lanes);
        lanes.iter().filter_map(|(key, lane)| Some((key.clone(), lane.status.settled?))).collect()
    }

    /// What was done since the start.
    pub fn totals(&self) -> Totals {
        *lock(&self.totals)
    }

    /// Time from append to commit of all changes so far.
    pub fn latency(&self) -> LatencyHistogram {
        lock(&self.latency).clone()
    }

    /// Whether the profile has been activated: from then on its pipeline copies, or would.
    pub fn is_activated(&self) -> bool {
        self.activated.load(Ordering::Relaxed)
    }

    /// Notes that the profile has been activated.
    pub fn set_activated(&self) {
        self.activated.store(true, Ordering::Relaxed);
        self.notify();
    }

    /// A notice of every change of the board.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The end of a partition, as just measured, at `now_ms` since 1970.
    pub fn measured(&self, topic_partition: &TopicPartition, end: NextOffset, now_ms: i64) {
        if let Some(lane) = lock(&self.lanes).get_mut(topic_partition) {
            lane.status.end = Some(end);
            lane.show_lag(now_ms);
        }
    }

    fn notify(&self) {
        self.changed.send_modify(|version| *version = version.wrapping_add(1));
    }
}

impl LaneReporter {
    /// The lane's state.
    pub fn state(&self, state: LaneState) {
        self.board.set(&self.topic_partition, state);
    }

    /// How many changes are held, all and of each entity.
    pub(super) fn held(&self, changes: usize, of_entity: &BTreeMap<CompactString, usize>) {
        if let Some(lane) = lock(&self.board.lanes).get_mut(&self.topic_partition) {
            lane.gauges.set_held(changes);
            lane.status.held = changes;
            for (name, entity) in &mut lane.status.entities {
                entity.held = of_entity.get(name.as_str()).copied().unwrap_or(0);
                lane.gauges.set_entity_held(name.as_str(), entity.held);
            }
        }
        self.board.notify();
    }

    /// What a batch did to its tables.
    pub(super) fn written(&self, tables: &[TableCounts], now_ms: i64) {
        if let Some(lane) = lock(&self.board.lanes).get_mut(&self.topic_partition) {
            for table in tables {
                let entity = lane.status.entities.entry(table.entity.clone()).or_default();
                entity.written += table.written;
                entity.deleted += table.deleted;
                entity.superseded += table.superseded;
                entity.committed_ms = Some(now_ms);
            }
        }
    }

    /// Where every entity goes on.
    pub(super) fn cursors(&self, checkpoint: &Checkpoint) {
        if let Some(lane) = lock(&self.board.lanes).get_mut(&self.topic_partition) {
            let all = checkpoint.next_of("");
            lane.status.next = Some(all);
            for (name, entity) in &mut lane.status.entities {
                let next = checkpoint.next_of(name.as_str());
                entity.next = Some(next).filter(|next| *next != all);
            }
        }
    }

    /// Which entities stand back, and why.
    pub(super) fn paused(&self, entities: &[(&EntityName, &str)]) {
        if let Some(lane) = lock(&self.board.lanes).get_mut(&self.topic_partition) {
            lane.gauges.set_paused(entities.len());
            let named =
                |(entity, why): &(&EntityName, &str)| ((*entity).clone(), (*why).to_owned());
            lane.status.paused = entities.iter().map(named).collect();
        }
        self.board.notify();
    }

    /// Why dead letters cannot be sent, while they cannot.
    pub(super) fn outbox(&self, why: Option<String>) {
        if let Some(lane) = lock(&self.board.lanes).get_mut(&self.topic_partition) {
            lane.status.outbox = why;
        }
        self.board.notify();
    }

    /// How far a replay has come.
    pub(super) fn replay(&self, id: Uuid, state: RequestState, progress: String) {
        if let Some(lane) = lock(&self.board.lanes).get_mut(&self.topic_partition) {
            lane.status.replays.insert(id, (state, progress));
        }
    }

    /// Where the lane stands after a take.
    pub fn taken(&self, next: NextOffset, end: NextOffset) {
        if let Some(lane) = lock(&self.board.lanes).get_mut(&self.topic_partition) {
            lane.state(LaneState::Running);
            lane.status.settled = Some(next);
            lane.status.end = Some(end);
        }
        self.board.notify();
    }

    /// A batch was written.
    pub fn settled(
        &self,
        next: NextOffset,
        timestamp_ms: Option<i64>,
        done: Totals,
        latencies_ms: &[(i64, u64)],
    ) {
        if let Some(lane) = lock(&self.board.lanes).get_mut(&self.topic_partition) {
            if lane.status.state != LaneState::Running {
                lane.state(LaneState::Running);
            }
            let status = &mut lane.status;
            status.settled = Some(next);
            status.end = status.end.max(Some(next));
            status.settled_timestamp_ms = timestamp_ms.or(status.settled_timestamp_ms);
        }
        {
            let mut totals = lock(&self.board.totals);
            totals.changes += done.changes;
            totals.batches += done.batches;
            totals.written += done.written;
            totals.deleted += done.deleted;
            totals.superseded += done.superseded;
        }
        let mut latency = lock(&self.board.latency);
        for (latency_ms, count) in latencies_ms {
            latency.add(*latency_ms, *count);
        }
        drop(latency);
        self.board.notify();
    }
}
