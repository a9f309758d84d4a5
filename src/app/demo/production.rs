//! Appends what the organisation says to the log: as fast as it goes, at a given rate, or, for the
//! last changes, live.
//!
//! A backlog shows how fast the pipeline is, live changes show how soon it is done: so the last
//! changes wait until the backlog is written and then come at a steady rate.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::generation::{Chunk, Ends};
use super::organisation::Kept;
use crate::app::connect::OpenLog;
use crate::app::failure::Failure;
use crate::model::position::{Offset, Topic, TopicPartition};
use crate::pipeline::LatencyHistogram;
use crate::pipeline::status::{StatusBoard, Totals};

/// Partitions of every topic.
pub(super) const PARTITIONS: u32 = 4;
/// Live changes in a second.
pub(super) const LIVE_PER_SECOND: u64 = 2_000;

/// Time that a pace may make good.
const MOST_MADE_GOOD: Duration = Duration::from_millis(50);

/// How many records are on the log, and whether more will come. Shared with who watches.
#[derive(Debug, Default)]
pub(super) struct Produced {
    records: AtomicU64,
}

impl Produced {
    /// Records on the log.
    pub(super) fn get(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    fn add(&self, count: u64) {
        self.records.fetch_add(count, Ordering::Relaxed);
    }
}

/// Appends chunks.
pub(super) struct Production {
    pub(super) log: OpenLog,
    pub(super) topics: BTreeMap<Kept, Topic>,
    pub(super) board: Arc<StatusBoard>,
    pub(super) produced: Arc<Produced>,
    /// Changes per second, all along.
    pub(super) rate: Option<u64>,
}

/// What was measured when the live changes began.
#[derive(Clone, Debug)]
pub(super) struct LiveBegin {
    /// When that was.
    pub(super) at: Instant,
    /// What was written before.
    pub(super) totals: Totals,
    /// Times from append to commit of everything before.
    pub(super) latency: LatencyHistogram,
}

impl Production {
    /// Makes the topics and says how far each partition has come.
    ///
    /// # Errors
    /// If the log cannot do it.
    pub(super) async fn prepare(&self) -> Result<Ends, Failure> {
        let mut ends = Ends::new();
        for (kept, topic) in &self.topics {
            self.log.ensure_topic(topic).await?;
            for partition in 0..PARTITIONS {
                let bounds = self.log.log().bounds(&TopicPartition::new(topic, partition)).await?;
                let end = u64::try_from(bounds.end.0).unwrap_or(0);
                ends.insert((*kept, partition), end);
                self.produced.add(end);
            }
        }
        Ok(ends)
    }

    /// Appends every chunk; gives what was measured when the live changes began, if there were any.
    ///
    /// # Errors
    /// If the log cannot be written, or holds something else than the sequence.
    pub(super) async fn run(
        &self,
        mut chunks: mpsc::Receiver<Chunk>,
    ) -> Result<Option<LiveBegin>, Failure> {
        let mut live = None;
        let mut pace = self.rate.map(Pace::new);
        while let Some(chunk) = chunks.recv().await {
            for (kept, partition, payload) in &chunk.expected {
                self.check(*kept, *partition, payload).await?;
            }
            if chunk.count == 0 {
                continue;
            }
            if chunk.live && live.is_none() && self.rate.is_none() {
                written(&self.board, self.produced.get()).await;
                live = Some(LiveBegin {
                    at: Instant::now(),
                    totals: self.board.totals(),
                    latency: self.board.latency(),
                });
                pace = Some(Pace::new(LIVE_PER_SECOND));
            }
            if let Some(pace) = &mut pace {
                pace.wait(chunk.count).await;
            }
            for (kept, records) in chunk.records {
                if let Some(topic) = self.topics.get(&kept) {
                    let count = records.len() as u64;
                    self.log.log().append(topic, records).await?;
                    self.produced.add(count);
                }
            }
        }
        Ok(live)
    }

    /// The last record of a partition must be the one that the sequence has there.
    async fn check(&self, kept: Kept, partition: u32, payload: &[u8]) -> Result<(), Failure> {
        let Some(topic) = self.topics.get(&kept) else {
            return Ok(());
        };
        let topic_partition = TopicPartition::new(topic, partition);
        let last = self.log.log().bounds(&topic_partition).await?.end.0 - 1;
        let found = self.log.log().read_at(&topic_partition, Offset(last)).await?;
        if found.is_some_and(|record| record.payload.is_some_and(|found| found == payload)) {
            return Ok(());
        }
        Err(Failure::new(
            format!("{topic_partition}@{last} is not what this demo says there"),
            "something else was appended, or another version of keepstep began it: start anew \
             with --fresh",
        ))
    }
}

/// Waits until everything that was produced is written.
pub(super) async fn written(board: &StatusBoard, produced: u64) {
    let mut notices = board.subscribe();
    while settled(board) < produced {
        if notices.changed().await.is_err() {
            return;
        }
    }
}

/// Records that are settled in the database, over all lanes.
pub(super) fn settled(board: &StatusBoard) -> u64 {
    let lanes = board.settled();
    lanes.iter().map(|(_, next)| u64::try_from(next.0).unwrap_or(0)).sum()
}

/// Holds a rate.
#[derive(Debug)]
struct Pace {
    per_second: u64,
    next_at: Instant,
}

impl Pace {
    fn new(per_second: u64) -> Self {
        Self { per_second: per_second.max(1), next_at: Instant::now() }
    }

    /// Waits until so many changes may come. Of time that was lost only a little is made good.
    async fn wait(&mut self, count: u64) {
        sleep_until(self.next_at).await;
        let wait = Duration::from_nanos(1_000_000_000 / self.per_second)
            .saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
        let earliest = Instant::now().checked_sub(MOST_MADE_GOOD);
        self.next_at = earliest.map_or(self.next_at, |earliest| self.next_at.max(earliest)) + wait;
    }
}
