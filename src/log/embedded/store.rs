//! What the embedded log needs of whatever keeps its records.
//!
//! Two stores keep to it: one in memory, one on disk. A store writes every change on the notice
//! board after it is made. It knows nothing of groups, feeds or keys.

use async_trait::async_trait;

use crate::log::{Bounds, LogError, LogRecord, NewRecord, TopicDescription};
use crate::model::position::{NextOffset, Offset, Topic, TopicPartition};

/// How much to read at once. One record is always read, however large.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadLimits {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

/// What a read found.
#[derive(Debug)]
pub(super) struct Read {
    /// Which making of the topic was read.
    pub(super) generation: i64,
    /// Where the partition stood.
    pub(super) bounds: Bounds,
    /// Records from the asked offset on; none if there are none now.
    pub(super) records: Vec<LogRecord>,
}

/// A record to append whose partition and time are settled.
#[derive(Debug)]
pub(super) struct PlacedRecord {
    pub(super) partition: u32,
    pub(super) timestamp_ms: i64,
    pub(super) record: NewRecord,
}

/// A change of what there is, beside appends.
#[derive(Clone, Debug)]
pub(super) enum Alteration {
    /// A topic that is not there yet, or is there just so.
    Create { topic: Topic, partitions: u32, compacted: bool },
    /// The topic loses everything and starts at 0.
    Recreate { topic: Topic },
    /// The topic has this many partitions from now on, never fewer than before.
    Grow { topic: Topic, partitions: u32 },
    /// Everything before the offset goes.
    Trim { topic_partition: TopicPartition, before: NextOffset },
    /// So many offsets are left out before the next record.
    LeaveHole { topic_partition: TopicPartition, offsets: u32 },
}

/// Keeps records.
#[async_trait]
pub(super) trait Store: Send + Sync {
    async fn describe(&self, topic: &Topic) -> Result<Option<TopicDescription>, LogError>;

    async fn alter(&self, alteration: Alteration) -> Result<(), LogError>;

    /// `partitions` is what the topic had when the records got their places; if it has another
    /// number now, they are refused, to be placed again.
    async fn append(
        &self,
        topic: &Topic,
        partitions: u32,
        records: Vec<PlacedRecord>,
    ) -> Result<Vec<(u32, Offset)>, LogError>;

    /// Reads at or after `from`, which may lie outside the bounds; says where they are.
    async fn read(
        &self,
        topic_partition: &TopicPartition,
        from: NextOffset,
        limits: ReadLimits,
    ) -> Result<Read, LogError>;

    async fn offset_for_time(
        &self,
        topic_partition: &TopicPartition,
        time_ms: i64,
    ) -> Result<NextOffset, LogError>;

    /// Keeps how far a group has come; lazily, and never waiting.
    fn commit(&self, group: &str, offsets: &[(TopicPartition, NextOffset)]);

    /// How far a group has come, as last kept.
    async fn committed(
        &self,
        group: &str,
        topic_partition: &TopicPartition,
    ) -> Result<Option<NextOffset>, LogError>;

    /// Whether someone waits for records, so that appends of other processes matter.
    fn consuming(&self, consuming: bool);
}
