//! A log on which appends go wrong.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use keepstep::log::embedded::EmbeddedLog;
use keepstep::log::{
    Bounds, FeedLimits, Log, LogError, LogRecord, Member, NewRecord, TopicDescription,
};
use keepstep::model::position::{NextOffset, Offset, Topic, TopicPartition};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use std::sync::Mutex;
use tokio::sync::Notify;

use super::TARGET_PARTITIONS;

/// How an append goes wrong.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    /// A part is appended, then an error that ends the relay.
    Error,
    /// A part is appended, then an error that ends by itself.
    Outage,
    /// A part is appended, and no answer ever comes: the process is killed meanwhile.
    Killed,
}

/// A log whose appends to the target go wrong now and then: of each partition a beginning of what
/// was given is appended.
pub(super) struct UnreliableLog {
    pub(super) inner: EmbeddedLog,
    pub(super) chance: Mutex<SmallRng>,
    pub(super) reliable: AtomicBool,
    pub(super) hangs: Notify,
}

impl UnreliableLog {
    fn mishap(&self) -> Option<(Mishap, u64)> {
        let mut chance = self.chance.lock().unwrap();
        if self.reliable.load(Ordering::Relaxed) || chance.random_range(0..3) == 0 {
            return None;
        }
        let mishaps = [Mishap::Error, Mishap::Outage, Mishap::Killed];
        Some((mishaps[chance.random_range(0..3)], chance.random()))
    }
}

#[async_trait]
impl Log for UnreliableLog {
    async fn describe(&self, topic: &Topic) -> Result<Option<TopicDescription>, LogError> {
        self.inner.describe(topic).await
    }

    async fn bounds(&self, topic_partition: &TopicPartition) -> Result<Bounds, LogError> {
        self.inner.bounds(topic_partition).await
    }

    async fn offset_for_time(
        &self,
        topic_partition: &TopicPartition,
        time_ms: i64,
    ) -> Result<NextOffset, LogError> {
        self.inner.offset_for_time(topic_partition, time_ms).await
    }

    async fn read_at(
        &self,
        topic_partition: &TopicPartition,
        offset: Offset,
    ) -> Result<Option<LogRecord>, LogError> {
        self.inner.read_at(topic_partition, offset).await
    }

    async fn append(
        &self,
        topic: &Topic,
        records: Vec<NewRecord>,
    ) -> Result<Vec<(u32, Offset)>, LogError> {
        let Some((mishap, seed)) = self.mishap() else {
            return self.inner.append(topic, records).await;
        };
        let mut chance = SmallRng::seed_from_u64(seed);
        let mut by_partition: BTreeMap<u32, Vec<NewRecord>> = BTreeMap::new();
        for record in records {
            let key = record.key.clone().unwrap_or_default();
            let hashed = keepstep::log::partition_of(&key, TARGET_PARTITIONS);
            by_partition.entry(record.partition.unwrap_or(hashed)).or_default().push(record);
        }
        for mut records in by_partition.into_values() {
            records.truncate(chance.random_range(0..=records.len()));
            self.inner.append(topic, records).await?;
        }
        let retry = match mishap {
            Mishap::Error => false,
            Mishap::Outage => true,
            Mishap::Killed => {
                self.hangs.notify_one();
                std::future::pending().await
            }
        };
        Err(LogError {
            retry,
            what: "appending".to_owned(),
            code: "TEST".to_owned(),
            hint: "nothing".to_owned(),
        })
    }

    async fn join(
        &self,
        group: &str,
        topics: &[Topic],
        limits: FeedLimits,
    ) -> Result<Box<dyn Member>, LogError> {
        self.inner.join(group, topics, limits).await
    }
}
