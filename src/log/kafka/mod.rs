//! The log on a Kafka-compatible cluster: Apache Kafka, Redpanda, Azure Event Hubs.
//!
//! The only files that know rdkafka. What they promise beyond the trait: a place that is not on a
//! topic any more is an error and never a silent jump; nothing waits for a slow lane but its own
//! partition; certificates are verified; no secret and no record content leaves through errors or
//! log lines. They must never decide what was done: the group's offsets are for lag tools only.
//!
//! Facts about librdkafka that the code rests on (2.12): a partition with a queue of its own keeps
//! it over rebalances and its limits count per partition; records of before a seek or pause are
//! thrown away by version; one fetch per broker is under way at a time.

mod admin;
mod appender;
mod chunk;
mod failure;
mod feed;
mod group_context;
mod group_thread;
mod member;
mod observer;
mod properties;
mod reader;
mod settings;
mod slot;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{IsError, KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use tokio::sync::{mpsc, oneshot};

pub use self::admin::Making;
use self::appender::Appender;
use self::group_context::GroupContext;
use self::group_thread::GroupThread;
use self::member::{KafkaMember, Wishes};
use self::reader::Reader;
pub use self::settings::{
    AssignmentStrategy, KafkaSettings, Sasl, SaslMechanism, Secret, Tls, reserved,
};
use self::slot::Common;
use super::{
    Bounds, FeedLimits, Log, LogError, LogRecord, Member, NewRecord, TopicDescription, partition_of,
};
use crate::model::position::{NextOffset, Offset, Topic, TopicPartition};

/// How long the number of partitions of a topic is remembered for appends. It is fixed for a
/// topic's life; this only bounds how long a topic made anew is taken for the old one.
const PARTITIONS_KNOWN: Duration = Duration::from_mins(1);
/// Events that a member has not asked for yet.
const EVENTS: usize = 16;

/// A Kafka cluster as a log. Connects when first used.
pub struct KafkaLog {
    settings: KafkaSettings,
    reader: Reader,
    appender: Appender,
    partitions: Mutex<HashMap<Topic, (u32, Instant)>>,
    /// Where the next record without key and partition goes.
    turn: AtomicU32,
}

impl KafkaLog {
    /// Takes the settings; asks nothing of the cluster yet.
    ///
    /// # Errors
    /// If a setting or property cannot be used; names it.
    pub fn open(settings: KafkaSettings) -> Result<Self, LogError> {
        settings.check()?;
        let reader = Reader::new(&properties::reader(&settings)?, settings.request_timeout)?;
        let appender = Appender::new(properties::producer(&settings)?, settings.record_max_bytes);
        Ok(Self {
            settings,
            reader,
            appender,
            partitions: Mutex::new(HashMap::new()),
            turn: AtomicU32::new(0),
        })
    }

    /// Number of partitions of a topic; `None` if there is no such topic.
    async fn count_partitions(&self, topic: &Topic) -> Result<Option<u32>, LogError> {
        let what = format!("cannot look at topic {topic}");
        let name = topic.clone();
        let answer = self.reader.ask(what.clone(), move |consumer, timeout| {
            let metadata = consumer.fetch_metadata(Some(name.as_str()), timeout)?;
            let Some(found) = metadata.topics().first() else { return Ok(None) };
            match found.error().filter(IsError::is_error).map(RDKafkaErrorCode::from) {
                None | Some(RDKafkaErrorCode::LeaderNotAvailable) => {
                    Ok(u32::try_from(found.partitions().len()).ok().filter(|count| *count > 0))
                }
                Some(RDKafkaErrorCode::UnknownTopicOrPartition) => Ok(None),
                Some(code) => Err(KafkaError::MetadataFetch(code)),
            }
        });
        answer.await
    }

    /// The same for an append, from memory where it is recent and has partition `at_least`.
    async fn partitions_of(&self, topic: &Topic, at_least: u32) -> Result<u32, LogError> {
        let known = {
            let partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
            partitions.get(topic).copied()
        };
        if let Some((count, at)) = known
            && at.elapsed() < PARTITIONS_KNOWN
            && at_least < count
        {
            return Ok(count);
        }
        let Some(count) = self.count_partitions(topic).await? else { return Err(no_topic(topic)) };
        let mut partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        partitions.retain(|_, (_, at)| at.elapsed() < PARTITIONS_KNOWN);
        partitions.insert(topic.clone(), (count, Instant::now()));
        Ok(count)
    }
}

#[async_trait]
impl Log for KafkaLog {
    async fn describe(&self, topic: &Topic) -> Result<Option<TopicDescription>, LogError> {
        let Some(partitions) = self.count_partitions(topic).await? else { return Ok(None) };
        Ok(Some(TopicDescription { partitions, compacted: self.is_compacted(topic).await }))
    }

    async fn bounds(&self, topic_partition: &TopicPartition) -> Result<Bounds, LogError> {
        let what = format!("cannot ask for the bounds of {topic_partition}");
        let of = topic_partition.clone();
        let (start, end) = self
            .reader
            .ask(what, move |consumer, timeout| {
                consumer.fetch_watermarks(of.topic.as_str(), number(of.partition.0), timeout)
            })
            .await?;
        Ok(Bounds { start: NextOffset(start), end: NextOffset(end) })
    }

    async fn offset_for_time(
        &self,
        topic_partition: &TopicPartition,
        time_ms: i64,
    ) -> Result<NextOffset, LogError> {
        let what = format!("cannot ask for an offset of {topic_partition} by time");
        let of = topic_partition.clone();
        let found = self.reader.ask(what, move |consumer, timeout| {
            let mut list = TopicPartitionList::new();
            // Negative times have another meaning for Kafka.
            let time = KafkaOffset::Offset(time_ms.max(0));
            list.add_partition_offset(of.topic.as_str(), number(of.partition.0), time)?;
            let answer = consumer.offsets_for_times(list, timeout)?;
            let element = answer
                .elements()
                .into_iter()
                .next()
                .map(|element| element.error().map(|()| element.offset()));
            element.transpose()
        });
        match found.await? {
            Some(KafkaOffset::Offset(offset)) => Ok(NextOffset(offset)),
            _ => Ok(self.bounds(topic_partition).await?.end),
        }
    }

    async fn read_at(
        &self,
        topic_partition: &TopicPartition,
        offset: Offset,
    ) -> Result<Option<LogRecord>, LogError> {
        self.reader.read_at(topic_partition, offset).await
    }

    async fn append(
        &self,
        topic: &Topic,
        records: Vec<NewRecord>,
    ) -> Result<Vec<(u32, Offset)>, LogError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let highest = records.iter().filter_map(|record| record.partition).max().unwrap_or(0);
        let count = self.partitions_of(topic, highest).await?;
        if highest >= count {
            let what = format!("cannot append to {topic}/{highest}");
            return Err(failure::of_code(what, RDKafkaErrorCode::UnknownPartition));
        }
        let choose = |record: &NewRecord| match (record.partition, &record.key) {
            (Some(partition), _) => partition,
            (None, Some(key)) => partition_of(key, count),
            (None, None) => self.turn.fetch_add(1, Ordering::Relaxed) % count.max(1),
        };
        let records: Vec<(u32, NewRecord)> =
            records.into_iter().map(|record| (choose(&record), record)).collect();
        self.appender.append(topic, records).await
    }

    async fn join(
        &self,
        group: &str,
        topics: &[Topic],
        limits: FeedLimits,
    ) -> Result<Box<dyn Member>, LogError> {
        let mut partitions = 0_usize;
        for topic in topics {
            let count = self.count_partitions(topic).await?.ok_or_else(|| no_topic(topic))?;
            partitions += count as usize;
        }
        let share = properties::partition_share(limits, partitions);
        let config = properties::member(&self.settings, group, share)?;
        let debug = self.settings.properties.contains_key("debug");
        let (events, received) = mpsc::channel(EVENTS);
        let wishes = Arc::new(Wishes::default());
        let (joined, answer) = oneshot::channel();
        let (group, topics) = (group.to_owned(), topics.to_vec());
        let revoke_deadline = self.settings.revoke_deadline();
        let asked = Arc::clone(&wishes);
        let thread = std::thread::Builder::new().name("kafka-group".to_owned()).spawn(move || {
            let context = GroupContext::new(format!("member of {group}"), debug);
            let created = config.create_with_context(context).and_then(
                |mut consumer: BaseConsumer<GroupContext>| {
                    let thread = std::thread::current();
                    consumer.set_nonempty_callback(move || thread.unpark());
                    let names: Vec<&str> = topics.iter().map(Topic::as_str).collect();
                    consumer.subscribe(&names)?;
                    Ok(consumer)
                },
            );
            let consumer = match created {
                Ok(consumer) => Arc::new(consumer),
                Err(error) => {
                    drop(joined.send(Err(failure::of_creation("member", &error))));
                    return;
                }
            };
            drop(joined.send(Ok(())));
            let common = Arc::new(Common::new(std::thread::current(), limits));
            GroupThread::new(consumer, common, events, asked, revoke_deadline).run();
        });
        let thread = thread.map_err(|error| failure::of_thread(&error))?.thread().clone();
        let gone = || failure::of_code("cannot join the group", RDKafkaErrorCode::Fail);
        answer.await.unwrap_or_else(|_| Err(gone()))?;
        Ok(Box::new(KafkaMember { events: received, wishes, thread }))
    }
}

/// The error of a topic that does not exist.
fn no_topic(topic: &Topic) -> LogError {
    failure::of_code(format!("cannot use topic {topic}"), RDKafkaErrorCode::UnknownTopicOrPartition)
}

/// Kafka's partitions are signed.
fn number(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}
