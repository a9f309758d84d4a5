//! The embedded log: a partitioned log in this process, in memory or on disk.
//!
//! On disk it is the log of a one-machine installation and of the demo: one SQLite file, one
//! consuming process, any number of appending ones. In memory it is for tests and the simulation:
//! without threads and clock of its own, the same calls under paused time give the same run. It
//! promises what [`crate::log`] asks of every log. Its groups live in one process only, and what
//! lies in one of its partitions is never changed.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use self::board::Board;
use self::coordinator::Coordinator;
use self::disk::DiskStore;
use self::limits::{check_records, check_topic, place};
use self::member::EmbeddedMember;
use self::store::{Alteration, PlacedRecord, Read, ReadLimits, Store};
use self::store_memory::MemoryStore;
use super::{Bounds, FeedLimits, Log, LogError, LogRecord, Member, NewRecord, TopicDescription};
use crate::model::position::{NextOffset, Offset, Topic, TopicPartition};

mod assignment;
mod board;
mod coordinator;
mod disk;
mod feed;
mod group;
mod hooks;
pub mod limits;
mod member;
mod record_batch;
mod store;
mod store_memory;
mod tenure;

/// Tells the time, ms since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Which records a log drops by itself, oldest first. Nothing by default. Looked at when records are
/// appended to a partition; its newest records always stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Those older than this, in ms.
    pub age_ms: Option<i64>,
    /// Those beyond so many bytes of a partition.
    pub partition_bytes: Option<u64>,
}

impl Retention {
    /// Whether the oldest record goes.
    fn drops(self, oldest_ms: i64, bytes: u64, now_ms: i64) -> bool {
        self.age_ms.is_some_and(|age_ms| oldest_ms < now_ms.saturating_sub(age_ms))
            || self.partition_bytes.is_some_and(|most| bytes > most)
    }
}

/// Settings of an embedded log.
#[derive(Clone)]
pub struct EmbeddedSettings {
    /// Gives records their time.
    pub clock: Clock,
    /// How long a member has to give a partition back before the next owner starts.
    pub session_timeout: Duration,
    /// What is dropped by itself.
    pub retention: Retention,
    /// What an append on disk survives.
    pub durability: Durability,
}

/// What an acknowledged append on disk survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The death of the process at any instant. A loss of power may take the last appends with it,
    /// never what came before them (SQLite's `synchronous=NORMAL`).
    #[default]
    Normal,
    /// The loss of power too; each append waits for the disk (`synchronous=FULL`).
    Full,
}

/// What a log on disk is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// To join groups, and all else. Only one process at a time can.
    Consume,
    /// To append and to read at positions, beside any other process.
    Append,
}

impl EmbeddedSettings {
    /// The defaults, with this clock: 10 s to give partitions back, nothing dropped.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            session_timeout: Duration::from_secs(10),
            retention: Retention::default(),
            durability: Durability::default(),
        }
    }
}

/// What all handles, members and feeds of one log share.
struct Shared {
    store: Arc<dyn Store>,
    board: Arc<Board>,
    coordinator: Arc<Coordinator>,
    clock: Clock,
    /// Whether members may join here.
    mode: OpenMode,
    /// Records without key and partition so far; they are spread evenly.
    keyless: AtomicU64,
}

/// A handle on an embedded log. Clones share it.
#[derive(Clone)]
pub struct EmbeddedLog {
    shared: Arc<Shared>,
    client_id: Arc<str>,
}

impl EmbeddedLog {
    /// An empty log in memory.
    pub fn in_memory(settings: EmbeddedSettings) -> Self {
        let board = Arc::<Board>::default();
        let clock = Arc::clone(&settings.clock);
        let store = MemoryStore::new(Arc::clone(&board), clock, settings.retention);
        Self::over(Arc::new(store), board, OpenMode::Consume, settings)
    }

    /// Opens the log in a folder; makes both if they are not there. When the last handle, member
    /// and feed is dropped, the log is closed, which waits for appends under way.
    ///
    /// # Errors
    /// If another process consumes the log and `mode` is [`OpenMode::Consume`], the log is of a
    /// later version, or the folder cannot be written.
    pub async fn open(
        folder: impl Into<PathBuf>,
        mode: OpenMode,
        settings: EmbeddedSettings,
    ) -> Result<Self, LogError> {
        let folder = folder.into();
        let what = format!("opening the log in {}", folder.display());
        let opening = tokio::task::spawn_blocking(move || {
            let board = Arc::<Board>::default();
            let store = DiskStore::open(&folder, mode, &settings, Arc::clone(&board))?;
            Ok(Self::over(Arc::new(store), board, mode, settings))
        });
        opening.await.unwrap_or_else(|_| {
            Err(limits::refusal(what, "STOPPING", "The process is about to stop"))
        })
    }

    fn over(
        store: Arc<dyn Store>,
        board: Arc<Board>,
        mode: OpenMode,
        settings: EmbeddedSettings,
    ) -> Self {
        let coordinator = Coordinator::new(Arc::clone(&board), settings.session_timeout);
        let shared = Shared {
            store,
            board,
            coordinator: Arc::new(coordinator),
            clock: settings.clock,
            mode,
            keyless: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared), client_id: Arc::from("member") }
    }

    /// A handle on the same log whose members carry this name in their ids: `<name>-000001` and so
    /// on, counted over all members that ever joined.
    #[must_use]
    pub fn client(&self, name: &str) -> Self {
        Self { shared: Arc::clone(&self.shared), client_id: Arc::from(name) }
    }

    /// Ids of the members that a group counts, sorted.
    pub fn members(&self, group: &str) -> Vec<String> {
        self.shared.coordinator.members(group)
    }

    /// Makes a topic, if it is not there just so already. `compacted` is only remembered: this log
    /// never drops a record because its key came again.
    ///
    /// # Errors
    /// If name or number of partitions break the [`limits`], or a topic of that name is there and
    /// is not the same.
    pub async fn create_topic(
        &self,
        topic: &Topic,
        partitions: u32,
        compacted: bool,
    ) -> Result<(), LogError> {
        check_topic(topic, partitions)?;
        let topic = topic.clone();
        self.shared.store.alter(Alteration::Create { topic, partitions, compacted }).await
    }

    /// Makes a topic anew: the same name and partitions, no records, offsets from 0. Members lose
    /// its partitions and get them again.
    ///
    /// # Errors
    /// If there is no such topic.
    pub async fn recreate_topic(&self, topic: &Topic) -> Result<(), LogError> {
        self.shared.store.alter(Alteration::Recreate { topic: topic.clone() }).await
    }

    /// Raises the number of partitions of a topic to `partitions`.
    ///
    /// # Errors
    /// If there is no such topic, it has more already, or the number breaks the [`limits`].
    pub async fn add_partitions(&self, topic: &Topic, partitions: u32) -> Result<(), LogError> {
        check_topic(topic, partitions)?;
        self.shared.store.alter(Alteration::Grow { topic: topic.clone(), partitions }).await
    }

    /// Drops every record before `before`; offsets outside the bounds are taken as the nearest
    /// bound.
    ///
    /// # Errors
    /// If there is no such partition.
    pub async fn trim(
        &self,
        topic_partition: &TopicPartition,
        before: NextOffset,
    ) -> Result<(), LogError> {
        let topic_partition = topic_partition.clone();
        self.shared.store.alter(Alteration::Trim { topic_partition, before }).await
    }

    /// How far a group has come, as it last said; written lazily.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn committed(
        &self,
        group: &str,
        topic_partition: &TopicPartition,
    ) -> Result<Option<NextOffset>, LogError> {
        self.shared.store.committed(group, topic_partition).await
    }

    async fn read(
        &self,
        topic_partition: &TopicPartition,
        from: NextOffset,
    ) -> Result<Read, LogError> {
        let limits = ReadLimits { records: 1, bytes: 0 };
        self.shared.store.read(topic_partition, from, limits).await
    }
}

#[async_trait]
impl Log for EmbeddedLog {
    async fn describe(&self, topic: &Topic) -> Result<Option<TopicDescription>, LogError> {
        self.shared.store.describe(topic).await
    }

    async fn bounds(&self, topic_partition: &TopicPartition) -> Result<Bounds, LogError> {
        Ok(self.read(topic_partition, NextOffset(i64::MAX)).await?.bounds)
    }

    async fn offset_for_time(
        &self,
        topic_partition: &TopicPartition,
        time_ms: i64,
    ) -> Result<NextOffset, LogError> {
        self.shared.store.offset_for_time(topic_partition, time_ms).await
    }

    async fn read_at(
        &self,
        topic_partition: &TopicPartition,
        offset: Offset,
    ) -> Result<Option<LogRecord>, LogError> {
        Ok(self.read(topic_partition, NextOffset(offset.0)).await?.records.pop())
    }

    async fn append(
        &self,
        topic: &Topic,
        records: Vec<NewRecord>,
    ) -> Result<Vec<(u32, Offset)>, LogError> {
        check_records(topic, &records)?;
        let description = self.describe(topic).await?;
        let partitions = description.ok_or_else(|| limits::no_such_topic(topic))?.partitions;
        let now_ms = (self.shared.clock)();
        let spread = || self.shared.keyless.fetch_add(1, Ordering::Relaxed);
        let mut placed = Vec::with_capacity(records.len());
        for record in records {
            let partition = place(topic, &record, partitions, spread)?;
            let timestamp_ms = record.timestamp_ms.unwrap_or(now_ms);
            placed.push(PlacedRecord { partition, timestamp_ms, record });
        }
        self.shared.store.append(topic, partitions, placed).await
    }

    async fn join(
        &self,
        group: &str,
        topics: &[Topic],
        limits: FeedLimits,
    ) -> Result<Box<dyn Member>, LogError> {
        if self.shared.mode == OpenMode::Append {
            let hint = "This handle is for appending and reading only; open the log for consuming";
            return Err(limits::refusal(format!("joining {group}"), "NOT_A_CONSUMER", hint));
        }
        let member = EmbeddedMember::join(&self.shared, &self.client_id, group, topics, limits);
        Ok(Box::new(member))
    }
}
