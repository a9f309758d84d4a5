//! The log on disk: one SQLite file with a write-ahead log, one table row per batch of records.
//!
//! It promises that what was acknowledged survives the death of the process, and with
//! [`Full`](super::Durability::Full) the loss of power; that a damaged batch is an error that names its place;
//! and that one process consumes while others may append. Nothing that blocks runs on the threads
//! of the async runtime.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use async_trait::async_trait;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use self::alter::find_topic;
use self::lock::ConsumerLock;
use self::reader::Readers;
use self::schema::{database_file, open_for_writing};
use self::writer::{AppendRequest, Request, Writer, WriterShared};
use super::board::Board;
use super::limits::refusal;
use super::record_batch::{BatchBuilder, EncodedBatch};
use super::store::{Alteration, PlacedRecord, Read, ReadLimits, Store};
use super::{EmbeddedSettings, OpenMode};
use crate::log::{LogError, TopicDescription};
use crate::model::position::{NextOffset, Offset, Topic, TopicPartition};

mod alter;
mod append;
mod error;
mod lock;
mod reader;
mod schema;
mod writer;

/// Requests that may wait for the writer; more wait in their callers.
const WAITING_REQUESTS: usize = 64;

/// See the module.
pub(super) struct DiskStore {
    /// Taken away when the store is dropped, which ends the writer.
    requests: Option<SyncSender<Request>>,
    permits: Arc<Semaphore>,
    writer: Option<JoinHandle<()>>,
    readers: Arc<Readers>,
    shared: Arc<WriterShared>,
    /// Let go after the writer has ended: fields go after [`Drop`].
    _lock: Option<ConsumerLock>,
}

impl DiskStore {
    /// Opens or makes the log in `folder`. Blocks.
    pub(super) fn open(
        folder: &Path,
        mode: OpenMode,
        settings: &EmbeddedSettings,
        board: Arc<Board>,
    ) -> Result<Self, LogError> {
        let connection = open_for_writing(folder, settings.durability)?;
        let lock = match mode {
            OpenMode::Consume => Some(ConsumerLock::take(folder)?),
            OpenMode::Append => None,
        };
        let shared = Arc::<WriterShared>::default();
        let writer = Writer {
            connection,
            file: database_file(folder),
            board,
            shared: Arc::clone(&shared),
            clock: Arc::clone(&settings.clock),
            retention: settings.retention,
            seen_version: None,
            failing: false,
        };
        writer.begin()?;
        // One more than there are permits: a wake needs none, and there is at most one.
        let (requests, from_callers) = sync_channel(WAITING_REQUESTS + 1);
        let thread = std::thread::Builder::new().name("log-writer".to_owned());
        let writer = thread.spawn(move || writer.run(&from_callers)).map_err(|error| {
            let hint = "The system gives no more threads to this process";
            refusal("starting the log's writer", &format!("{:?}", error.kind()), hint)
        })?;
        Ok(Self {
            requests: Some(requests),
            permits: Arc::new(Semaphore::new(WAITING_REQUESTS)),
            writer: Some(writer),
            readers: Arc::new(Readers::new(PathBuf::from(folder))),
            shared,
            _lock: lock,
        })
    }

    /// Hands a request to the writer, in turn, and waits for its answer. Dropped before the request
    /// is handed over, nothing happens; after that it is done all the same.
    async fn ask<T>(
        &self,
        what: &str,
        request: impl FnOnce(OwnedSemaphorePermit, oneshot::Sender<Result<T, LogError>>) -> Request,
    ) -> Result<T, LogError> {
        let gone =
            || refusal(what, "WRITER_GONE", "The log's writer has stopped; restart the process");
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| gone())?;
        let (answer, answered) = oneshot::channel();
        let requests = self.requests.as_ref().ok_or_else(gone)?;
        requests.try_send(request(permit, answer)).map_err(|_| gone())?;
        answered.await.unwrap_or_else(|_| Err(gone()))
    }
}

impl Drop for DiskStore {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(Err(_)) = self.writer.take().map(JoinHandle::join) {
            tracing::error!("the log's writer panicked; what it acknowledged is stored");
        }
    }
}

/// Records of one append, sorted into batches, and where each went.
struct Sorted {
    batches: Vec<(u32, EncodedBatch)>,
    /// Per record: its batch, and its number in it.
    places: Vec<(usize, i64)>,
}

/// Encodes records in batches per partition, in the order given. Gives other tasks a turn between
/// batches, for a large append takes long.
async fn sort(records: Vec<PlacedRecord>) -> Sorted {
    let mut sorted = Sorted { batches: Vec::new(), places: vec![(0, 0); records.len()] };
    let mut by_partition: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (index, record) in records.iter().enumerate() {
        by_partition.entry(record.partition).or_default().push(index);
    }
    for (partition, indexes) in by_partition {
        let mut builder = BatchBuilder::default();
        let mut number = 0;
        for index in indexes {
            let PlacedRecord { record, timestamp_ms, .. } = &records[index];
            if builder.is_full_for(record) {
                sorted.batches.push((partition, std::mem::take(&mut builder).finish()));
                number = 0;
                tokio::task::coop::consume_budget().await;
            }
            builder.push(record, *timestamp_ms);
            sorted.places[index] = (sorted.batches.len(), number);
            number += 1;
        }
        sorted.batches.push((partition, builder.finish()));
        tokio::task::coop::consume_budget().await;
    }
    sorted
}

#[async_trait]
impl Store for DiskStore {
    async fn describe(&self, topic: &Topic) -> Result<Option<TopicDescription>, LogError> {
        let topic = topic.clone();
        let read = self.readers.read(format!("describing {topic}"), move |connection| {
            Ok(find_topic(connection, &topic)?)
        });
        Ok(read.await?.map(|found| TopicDescription {
            partitions: found.partitions,
            compacted: Some(found.compacted),
        }))
    }

    async fn alter(&self, alteration: Alteration) -> Result<(), LogError> {
        let request = |permit, answer| Request::Alter { alteration, answer, _permit: permit };
        self.ask("changing topics", request).await
    }

    async fn append(
        &self,
        topic: &Topic,
        partitions: u32,
        records: Vec<PlacedRecord>,
    ) -> Result<Vec<(u32, Offset)>, LogError> {
        let Sorted { batches, places } = sort(records).await;
        let numbers: Vec<u32> = batches.iter().map(|(partition, _)| *partition).collect();
        let topic = topic.clone();
        let request = |permit, answer| {
            Request::Append(AppendRequest { topic, partitions, batches, answer, _permit: permit })
        };
        let first_offsets = self.ask("appending", request).await?;
        let place =
            |(batch, number): (usize, i64)| (numbers[batch], Offset(first_offsets[batch] + number));
        Ok(places.into_iter().map(place).collect())
    }

    async fn read(
        &self,
        topic_partition: &TopicPartition,
        from: NextOffset,
        limits: ReadLimits,
    ) -> Result<Read, LogError> {
        let of = topic_partition.clone();
        let read = self.readers.read(format!("reading {of}"), move |connection| {
            reader::read(connection, &of, from, limits)
        });
        read.await
    }

    async fn offset_for_time(
        &self,
        topic_partition: &TopicPartition,
        time_ms: i64,
    ) -> Result<NextOffset, LogError> {
        let of = topic_partition.clone();
        let read = self.readers.read(format!("searching {of} for a time"), move |connection| {
            reader::offset_for_time(connection, &of, time_ms)
        });
        read.await
    }

    fn commit(&self, group: &str, offsets: &[(TopicPartition, NextOffset)]) {
        let mut unstored = self.shared.unstored();
        for (topic_partition, next) in offsets {
            unstored.insert((group.to_owned(), topic_partition.clone()), *next);
        }
    }

    async fn committed(
        &self,
        group: &str,
        topic_partition: &TopicPartition,
    ) -> Result<Option<NextOffset>, LogError> {
        let key = (group.to_owned(), topic_partition.clone());
        if let Some(next) = self.shared.unstored().get(&key) {
            return Ok(Some(*next));
        }
        let read = self.readers.read(format!("reading how far {group} has come"), move |it| {
            Ok(reader::committed(it, &key.0, &key.1)?)
        });
        read.await
    }

    fn consuming(&self, consuming: bool) {
        let consumers = &self.shared.consumers;
        if consuming {
            consumers.fetch_add(1, Ordering::AcqRel);
        } else {
            consumers.fetch_sub(1, Ordering::AcqRel);
        }
        if let Some(requests) = &self.requests
            && !self.shared.woken.swap(true, Ordering::AcqRel)
        {
            // There is room for it; without a writer there is nobody to wake.
            let _ = requests.try_send(Request::Wake);
        }
    }
}
