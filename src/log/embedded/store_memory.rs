//! The log in memory: for tests and the simulation.
//!
//! Everything happens at once, under one lock: no threads, no waiting, no clock of its own, so that
//! the same calls give the same log. Nothing survives the process. Its size is bounded by
//! [`Retention`] alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::board::Board;
use super::group::TopicState;
use super::limits::{
    MAX_TOPICS, exists_otherwise, fewer_partitions, no_such_partition, no_such_topic,
    too_many_topics,
};
use super::store::{Alteration, PlacedRecord, Read, ReadLimits, Store};
use super::{Clock, Retention};
use crate::log::{Bounds, LogError, LogRecord, TopicDescription};
use crate::model::position::{NextOffset, Offset, Topic, TopicPartition};

#[derive(Debug)]
struct PartitionLog {
    records: BTreeMap<i64, LogRecord>,
    bounds: Bounds,
    bytes: u64,
}

impl Default for PartitionLog {
    fn default() -> Self {
        let bounds = Bounds { start: NextOffset::ZERO, end: NextOffset::ZERO };
        Self { records: BTreeMap::new(), bounds, bytes: 0 }
    }
}

impl PartitionLog {
    fn trim(&mut self, before: NextOffset) {
        let before = before.clamp(self.bounds.start, self.bounds.end);
        while let Some(oldest) = self.records.first_entry() {
            if before.0 <= *oldest.key() {
                break;
            }
            self.bytes -= stored_bytes(&oldest.remove());
        }
        self.bounds.start = before;
    }

    /// Drops the oldest records while they are too old or too many; never the newest.
    fn retain(&mut self, retention: Retention, now_ms: i64) {
        while self.records.len() > 1 {
            let Some(oldest) = self.records.values().next() else { return };
            if !retention.drops(oldest.timestamp_ms, self.bytes, now_ms) {
                return;
            }
            self.trim(oldest.offset.next());
        }
    }
}

#[derive(Debug)]
struct TopicLog {
    generation: i64,
    compacted: bool,
    partitions: Vec<PartitionLog>,
}

#[derive(Debug, Default)]
struct State {
    topics: BTreeMap<Topic, TopicLog>,
    generations: i64,
    committed: BTreeMap<(String, TopicPartition), NextOffset>,
}

/// See the module.
pub(super) struct MemoryStore {
    state: Mutex<State>,
    board: Arc<Board>,
    clock: Clock,
    retention: Retention,
}

impl MemoryStore {
    pub(super) fn new(board: Arc<Board>, clock: Clock, retention: Retention) -> Self {
        Self { state: Mutex::default(), board, clock, retention }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_bounds(&self, state: &State, topic: &Topic, partition: u32) {
        let Some(log) = state.topics.get(topic) else { return };
        if let Some(it) = log.partitions.get(partition as usize) {
            let topic_partition = TopicPartition::new(topic, partition);
            self.board.set_bounds(&topic_partition, log.generation, it.bounds);
        }
    }

    fn tell_topics(&self, state: &State) {
        let describe = |log: &TopicLog| TopicState {
            generation: log.generation,
            partitions: u32::try_from(log.partitions.len()).unwrap_or(u32::MAX),
        };
        let topics =
            state.topics.iter().map(|(topic, log)| (topic.clone(), describe(log))).collect();
        self.board.set_topics(topics);
        for (topic, log) in &state.topics {
            for partition in 0..describe(log).partitions {
                self.tell_bounds(state, topic, partition);
            }
        }
    }
}

impl State {
    fn topic(&mut self, topic: &Topic) -> Result<&mut TopicLog, LogError> {
        self.topics.get_mut(topic).ok_or_else(|| no_such_topic(topic))
    }

    /// A partition, and which making of its topic it belongs to.
    fn partition(&mut self, it: &TopicPartition) -> Result<(i64, &mut PartitionLog), LogError> {
        let topic = self.topics.get_mut(&it.topic).ok_or_else(|| no_such_partition(it))?;
        let partition = topic.partitions.get_mut(it.partition.0 as usize);
        partition.map(|log| (topic.generation, log)).ok_or_else(|| no_such_partition(it))
    }

    fn create(&mut self, topic: &Topic, partitions: u32, compacted: bool) -> Result<(), LogError> {
        if let Some(log) = self.topics.get(topic) {
            let same = log.partitions.len() == partitions as usize && log.compacted == compacted;
            return if same { Ok(()) } else { Err(exists_otherwise(topic)) };
        }
        if self.topics.len() >= MAX_TOPICS as usize {
            return Err(too_many_topics(topic));
        }
        self.generations += 1;
        let partitions = (0..partitions).map(|_| PartitionLog::default()).collect();
        let log = TopicLog { generation: self.generations, compacted, partitions };
        self.topics.insert(topic.clone(), log);
        Ok(())
    }

    fn alter(&mut self, alteration: &Alteration) -> Result<(), LogError> {
        match alteration {
            Alteration::Create { topic, partitions, compacted } => {
                self.create(topic, *partitions, *compacted)?;
            }
            Alteration::Recreate { topic } => {
                let generation = self.generations + 1;
                let log = self.topic(topic)?;
                log.generation = generation;
                log.partitions.iter_mut().for_each(|it| *it = PartitionLog::default());
                self.generations = generation;
                self.committed.retain(|(_, it), _| it.topic != *topic);
            }
            Alteration::Grow { topic, partitions } => {
                let log = self.topic(topic)?;
                if log.partitions.len() > *partitions as usize {
                    return Err(fewer_partitions(topic));
                }
                log.partitions.resize_with(*partitions as usize, PartitionLog::default);
            }
            Alteration::Trim { topic_partition, before } => {
                self.partition(topic_partition)?.1.trim(*before);
            }
            Alteration::LeaveHole { topic_partition, offsets } => {
                let (_, log) = self.partition(topic_partition)?;
                log.bounds.end = NextOffset(log.bounds.end.0 + i64::from(*offsets));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn describe(&self, topic: &Topic) -> Result<Option<TopicDescription>, LogError> {
        Ok(self.lock().topics.get(topic).map(|log| TopicDescription {
            partitions: u32::try_from(log.partitions.len()).unwrap_or(u32::MAX),
            compacted: Some(log.compacted),
        }))
    }

    async fn alter(&self, alteration: Alteration) -> Result<(), LogError> {
        let mut state = self.lock();
        state.alter(&alteration)?;
        self.tell_topics(&state);
        Ok(())
    }

    async fn append(
        &self,
        topic: &Topic,
        _partitions: u32,
        records: Vec<PlacedRecord>,
    ) -> Result<Vec<(u32, Offset)>, LogError> {
        let mut state = self.lock();
        let log = state.topic(topic)?;
        let mut positions = Vec::with_capacity(records.len());
        for PlacedRecord { partition, timestamp_ms, record } in records {
            let partition_log = log
                .partitions
                .get_mut(partition as usize)
                .ok_or_else(|| no_such_partition(&TopicPartition::new(topic, partition)))?;
            let offset = partition_log.bounds.end.offset();
            let record = LogRecord {
                offset,
                timestamp_ms,
                key: record.key,
                payload: record.payload,
                headers: record.headers,
            };
            partition_log.bytes += stored_bytes(&record);
            partition_log.records.insert(offset.0, record);
            partition_log.bounds.end = offset.next();
            positions.push((partition, offset));
        }
        let mut touched: Vec<u32> = positions.iter().map(|(partition, _)| *partition).collect();
        touched.sort_unstable();
        touched.dedup();
        for partition in touched {
            if let Some(it) = log.partitions.get_mut(partition as usize) {
                it.retain(self.retention, (self.clock)());
            }
            let topic_partition = TopicPartition::new(topic, partition);
            if let Some(it) = log.partitions.get(partition as usize) {
                self.board.set_bounds(&topic_partition, log.generation, it.bounds);
            }
        }
        Ok(positions)
    }

    async fn read(
        &self,
        topic_partition: &TopicPartition,
        from: NextOffset,
        limits: ReadLimits,
    ) -> Result<Read, LogError> {
        let mut state = self.lock();
        let (generation, log) = state.partition(topic_partition)?;
        let mut records: Vec<LogRecord> = Vec::new();
        let mut bytes = 0;
        for record in log.records.range(from.0..).map(|(_, record)| record) {
            bytes += record.size_bytes();
            let full = records.len() >= limits.records || bytes > limits.bytes;
            if full && !records.is_empty() {
                break;
            }
            records.push(record.clone());
        }
        Ok(Read { generation, bounds: log.bounds, records })
    }

    async fn offset_for_time(
        &self,
        topic_partition: &TopicPartition,
        time_ms: i64,
    ) -> Result<NextOffset, LogError> {
        let mut state = self.lock();
        let (_, log) = state.partition(topic_partition)?;
        let found = log.records.values().find(|record| record.timestamp_ms >= time_ms);
        Ok(found.map_or(log.bounds.end, |record| NextOffset(record.offset.0)))
    }

    fn commit(&self, group: &str, offsets: &[(TopicPartition, NextOffset)]) {
        let mut state = self.lock();
        for (topic_partition, next) in offsets {
            state.committed.insert((group.to_owned(), topic_partition.clone()), *next);
        }
    }

    async fn committed(
        &self,
        group: &str,
        topic_partition: &TopicPartition,
    ) -> Result<Option<NextOffset>, LogError> {
        let key = (group.to_owned(), topic_partition.clone());
        Ok(self.lock().committed.get(&key).copied())
    }

    fn consuming(&self, _consuming: bool) {}
}

fn stored_bytes(record: &LogRecord) -> u64 {
    record.size_bytes() as u64
}
