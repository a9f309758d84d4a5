//! The log: partitioned, ordered, replayable.
//!
//! One narrow seam shaped like Kafka, with two implementations: `kafka` for production and
//! `embedded` for one machine, tests and the simulation. Topic administration, transactions and
//! tuning stay out of it. What must hold on both is written at each method, and one conformance
//! suite runs on both.
//!
//! Rebalances are messages with an answer: [`Member::next`] hands out feeds and asks for them back.
//! A [`Feed`] lives exactly as long as its assignment; its end *is* the message "this partition is
//! no longer yours".

use async_trait::async_trait;
use bytes::Bytes;
use compact_str::CompactString;
use tokio::sync::oneshot;

use crate::model::dead_letter::OriginalRecord;
use crate::model::position::{NextOffset, Offset, Topic, TopicPartition};

pub mod embedded;
pub mod kafka;

/// One record as it lies on the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// Its offset.
    pub offset: Offset,
    /// When it was appended (or what its producer said), ms since 1970.
    pub timestamp_ms: i64,
    /// Its key, if it has one.
    pub key: Option<Bytes>,
    /// Its payload; `None` is a null payload, which is not an empty one.
    pub payload: Option<Bytes>,
    /// Its headers, in order; a header without value is an empty value.
    pub headers: Vec<(CompactString, Bytes)>,
}

impl From<&LogRecord> for OriginalRecord {
    fn from(record: &LogRecord) -> Self {
        Self {
            key: record.key.clone(),
            payload: record.payload.clone(),
            headers: record.headers.clone(),
            timestamp_ms: record.timestamp_ms,
        }
    }
}

impl LogRecord {
    /// Bytes of key, payload and headers.
    pub fn size_bytes(&self) -> usize {
        content_bytes(self.key.as_ref(), self.payload.as_ref(), &self.headers)
    }
}

/// One record to append.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRecord {
    /// Partition; by default the one of the key ([`partition_of`]).
    pub partition: Option<u32>,
    /// Key.
    pub key: Option<Bytes>,
    /// Payload.
    pub payload: Option<Bytes>,
    /// Headers.
    pub headers: Vec<(CompactString, Bytes)>,
    /// Time, ms since 1970; by default the log's clock.
    pub timestamp_ms: Option<i64>,
}

impl NewRecord {
    /// Bytes of key, payload and headers.
    pub fn size_bytes(&self) -> usize {
        content_bytes(self.key.as_ref(), self.payload.as_ref(), &self.headers)
    }
}

fn content_bytes(
    key: Option<&Bytes>,
    payload: Option<&Bytes>,
    headers: &[(CompactString, Bytes)],
) -> usize {
    let headers: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    key.map_or(0, Bytes::len) + payload.map_or(0, Bytes::len) + headers
}

/// Several records of one partition, in order.
#[derive(Debug)]
pub struct Chunk {
    /// The records; never empty; offsets ascend and may have holes.
    pub records: Vec<LogRecord>,
}

/// What a topic is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// Number of partitions.
    pub partitions: u32,
    /// Whether the log may drop older records of a key; `None` if the log does not say.
    pub compacted: Option<bool>,
}

/// What a partition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The oldest offset that can still be read.
    pub start: NextOffset,
    /// The offset that the next appended record gets.
    pub end: NextOffset,
}

/// How much a member may hold in memory for lanes that have not asked for it yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedLimits {
    /// Bytes over all partitions. One record beyond it is always allowed, or nothing would move.
    pub bytes: usize,
}

/// What happens to a member of a group.
pub enum GroupEvent {
    /// These partitions are the member's from now on. Nothing is delivered before [`Feed::start`].
    /// May be empty.
    Assigned(Vec<Box<dyn Feed>>),
    /// These partitions are taken away. Their feeds have ended. The log waits for `done` (sent or
    /// dropped), up to its session time-out; the next owner starts then.
    Revoked {
        /// The partitions.
        partitions: Vec<TopicPartition>,
        /// The answer.
        done: oneshot::Sender<()>,
    },
    /// These partitions were taken away without asking; another owner may already be at work.
    Lost {
        /// The partitions.
        partitions: Vec<TopicPartition>,
    },
}

/// Something the log could not do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}: {code}. {hint}")]
pub struct LogError {
    /// Whether trying again later can help.
    pub retry: bool,
    /// What was to be done, and to what.
    pub what: String,
    /// The log's error by name; never record content.
    pub code: String,
    /// What to do next.
    pub hint: String,
}

/// One assigned partition.
#[async_trait]
pub trait Feed: Send {
    /// Which partition it is.
    fn topic_partition(&self) -> &TopicPartition;

    /// Starts delivery at `from`, or starts it anew there; what was read ahead is thrown away.
    /// Whether `from` lies within [`Log::bounds`] is for the caller to see; outside of them,
    /// [`Feed::next`] says so.
    ///
    /// # Errors
    /// If the log cannot seek; the feed then delivers nothing.
    async fn start(&mut self, from: NextOffset) -> Result<(), LogError>;

    /// Waits for the next records; `None` when the partition is no longer the member's, for ever.
    /// A chunk has at most [`FeedLimits::bytes`] bytes, or one record. Safe to drop at any await:
    /// nothing is lost by it.
    ///
    /// # Errors
    /// If the partition cannot be read on from here; nothing is skipped, and the next call tries
    /// again. With `retry == false` trying again does not help: stored records are damaged, or the
    /// place lies outside the partition's bounds (trimmed, or the topic was made anew).
    async fn next(&mut self) -> Result<Option<Chunk>, LogError>;
}

/// A member of a consumer group.
#[async_trait]
pub trait Member: Send {
    /// Waits for the next event; `None` once the member has left. Must be polled for the member to
    /// stay in the group. Safe to drop at any await.
    ///
    /// # Errors
    /// Only those after which the member is of no more use.
    async fn next(&mut self) -> Result<Option<GroupEvent>, LogError>;

    /// Tells the log how far the group has come. For lag tools only: lanes start from the
    /// destination's checkpoint. Refusals are normal during a rebalance and only logged.
    fn commit(&self, offsets: &[(TopicPartition, NextOffset)]);

    /// Begins to leave the group: [`Member::next`] then revokes what is left and ends.
    fn leave(&mut self);
}

/// A partitioned log.
#[async_trait]
pub trait Log: Send + Sync {
    /// Describes a topic; `None` if there is none of that name.
    async fn describe(&self, topic: &Topic) -> Result<Option<TopicDescription>, LogError>;

    /// Oldest and next offset of a partition.
    async fn bounds(&self, topic_partition: &TopicPartition) -> Result<Bounds, LogError>;

    /// Offset of the first record at or after a time (ms since 1970); the end if there is none.
    async fn offset_for_time(
        &self,
        topic_partition: &TopicPartition,
        time_ms: i64,
    ) -> Result<NextOffset, LogError>;

    /// The first record at or after `offset` that can be read; `None` if there is none now.
    async fn read_at(
        &self,
        topic_partition: &TopicPartition,
        offset: Offset,
    ) -> Result<Option<LogRecord>, LogError>;

    /// Appends in the given order per partition; answers when the log has all of them, durably as
    /// its settings say, with the partition and offset of each. On an error some may have been
    /// appended.
    async fn append(
        &self,
        topic: &Topic,
        records: Vec<NewRecord>,
    ) -> Result<Vec<(u32, Offset)>, LogError>;

    /// Joins a consumer group.
    async fn join(
        &self,
        group: &str,
        topics: &[Topic],
        limits: FeedLimits,
    ) -> Result<Box<dyn Member>, LogError>;
}

/// Partition of a key: murmur2 as Kafka's own clients compute it, so that every producer agrees.
pub fn partition_of(key: &[u8], partitions: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff) % partitions.max(1)
}

/// MurmurHash2, 32 bits, with the seed of Kafka's default partitioner.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the hash mixes in the low half of the length"
    )]
    let mut hash = 0x9747_b28c_u32 ^ data.len() as u32;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_kafka_does() {
        // Values of Kafka's own unit test (UtilsTest.testMurmur2).
        for (text, expected) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(text.as_bytes()).cast_signed(), expected, "{text}");
        }
    }
}
