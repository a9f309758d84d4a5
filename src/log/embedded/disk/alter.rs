//! Topics and partitions on disk: statements inside a transaction that someone else begins.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};

use crate::log::Bounds;
use crate::log::LogError;
use crate::log::embedded::group::{TopicState, Topics};
use crate::log::embedded::limits::{
    MAX_TOPICS, exists_otherwise, fewer_partitions, no_such_partition, no_such_topic,
    too_many_topics,
};
use crate::log::embedded::store::Alteration;
use crate::model::position::{NextOffset, Topic, TopicPartition};

/// Why a transaction cannot go on.
pub(super) enum Failure {
    /// The request cannot be met; nothing was written for it.
    Refused(LogError),
    /// The database failed.
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

/// A topic as it is stored.
pub(super) struct StoredTopic {
    pub(super) id: i64,
    pub(super) partitions: u32,
    pub(super) compacted: bool,
}

/// A partition as it is stored.
pub(super) struct StoredPartition {
    pub(super) id: i64,
    pub(super) topic_id: i64,
    pub(super) bounds: Bounds,
}

pub(super) fn find_topic(
    connection: &Connection,
    topic: &Topic,
) -> Result<Option<StoredTopic>, rusqlite::Error> {
    let mut statement =
        connection.prepare_cached("SELECT id, partitions, compacted FROM topic WHERE name = ?1")?;
    let found = statement.query_one([topic.as_str()], |row| {
        Ok(StoredTopic { id: row.get(0)?, partitions: row.get(1)?, compacted: row.get(2)? })
    });
    found.optional()
}

pub(super) fn find_partition(
    connection: &Connection,
    it: &TopicPartition,
) -> Result<Option<StoredPartition>, rusqlite::Error> {
    let mut statement = connection.prepare_cached(
        "SELECT p.id, p.topic_id, p.start_offset, p.end_offset
         FROM topic t JOIN topic_partition p ON p.topic_id = t.id
         WHERE t.name = ?1 AND p.number = ?2",
    )?;
    let found = statement.query_one((it.topic.as_str(), it.partition.0), |row| {
        let bounds = Bounds { start: NextOffset(row.get(2)?), end: NextOffset(row.get(3)?) };
        Ok(StoredPartition { id: row.get(0)?, topic_id: row.get(1)?, bounds })
    });
    found.optional()
}

/// All topics, and where each partition stands, with the making of its topic.
pub(super) struct Survey {
    pub(super) topics: Topics,
    pub(super) partitions: Vec<(TopicPartition, i64, Bounds)>,
}

/// Reads what there is.
pub(super) fn survey(connection: &Connection) -> Result<Survey, rusqlite::Error> {
    let mut names = BTreeMap::new();
    let mut topics = Topics::new();
    let mut statement = connection.prepare_cached("SELECT id, name, partitions FROM topic")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let generation: i64 = row.get(0)?;
        let topic = Topic::new(row.get_ref(1)?.as_str()?);
        topics.insert(topic.clone(), TopicState { generation, partitions: row.get(2)? });
        names.insert(generation, topic);
    }
    let mut partitions = Vec::new();
    let mut statement = connection
        .prepare_cached("SELECT topic_id, number, start_offset, end_offset FROM topic_partition")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let generation: i64 = row.get(0)?;
        if let Some(topic) = names.get(&generation) {
            let at = Bounds { start: NextOffset(row.get(2)?), end: NextOffset(row.get(3)?) };
            partitions.push((TopicPartition::new(topic, row.get(1)?), generation, at));
        }
    }
    Ok(Survey { topics, partitions })
}

/// Makes one change.
pub(super) fn alter(connection: &Connection, alteration: &Alteration) -> Result<(), Failure> {
    match alteration {
        Alteration::Create { topic, partitions, compacted } => {
            create(connection, topic, *partitions, *compacted)
        }
        Alteration::Recreate { topic } => {
            let found = existing(connection, topic)?;
            for statement in [
                "DELETE FROM record_batch WHERE partition_id IN
                     (SELECT id FROM topic_partition WHERE topic_id = ?1)",
                "DELETE FROM topic_partition WHERE topic_id = ?1",
                "DELETE FROM group_offset WHERE topic_id = ?1",
                "DELETE FROM topic WHERE id = ?1",
            ] {
                connection.execute(statement, [found.id])?;
            }
            create(connection, topic, found.partitions, found.compacted)
        }
        Alteration::Grow { topic, partitions } => {
            let found = existing(connection, topic)?;
            if found.partitions > *partitions {
                return Err(Failure::Refused(fewer_partitions(topic)));
            }
            connection.execute(
                "UPDATE topic SET partitions = ?2 WHERE id = ?1",
                (found.id, *partitions),
            )?;
            Ok(add_partitions(connection, found.id, found.partitions..*partitions)?)
        }
        Alteration::Trim { topic_partition, before } => trim(connection, topic_partition, *before),
        Alteration::LeaveHole { topic_partition, offsets } => {
            let id = find_partition(connection, topic_partition)?
                .ok_or_else(|| Failure::Refused(no_such_partition(topic_partition)))?
                .id;
            connection.execute(
                "UPDATE topic_partition SET end_offset = end_offset + ?2 WHERE id = ?1",
                (id, *offsets),
            )?;
            Ok(())
        }
    }
}

fn existing(connection: &Connection, topic: &Topic) -> Result<StoredTopic, Failure> {
    find_topic(connection, topic)?.ok_or_else(|| Failure::Refused(no_such_topic(topic)))
}

fn create(
    connection: &Connection,
    topic: &Topic,
    partitions: u32,
    compacted: bool,
) -> Result<(), Failure> {
    if let Some(found) = find_topic(connection, topic)? {
        let same = found.partitions == partitions && found.compacted == compacted;
        return if same { Ok(()) } else { Err(Failure::Refused(exists_otherwise(topic))) };
    }
    let count: u32 = connection.query_one("SELECT count(*) FROM topic", [], |row| row.get(0))?;
    if count >= MAX_TOPICS {
        return Err(Failure::Refused(too_many_topics(topic)));
    }
    connection.execute(
        "INSERT INTO topic (name, partitions, compacted) VALUES (?1, ?2, ?3)",
        (topic.as_str(), partitions, compacted),
    )?;
    Ok(add_partitions(connection, connection.last_insert_rowid(), 0..partitions)?)
}

fn add_partitions(
    connection: &Connection,
    topic_id: i64,
    numbers: std::ops::Range<u32>,
) -> Result<(), rusqlite::Error> {
    let mut statement = connection
        .prepare_cached("INSERT INTO topic_partition (topic_id, number) VALUES (?1, ?2)")?;
    for number in numbers {
        statement.execute((topic_id, number))?;
    }
    Ok(())
}

/// Whole batches go; the start hides what is left of a batch before it.
fn trim(
    connection: &Connection,
    topic_partition: &TopicPartition,
    before: NextOffset,
) -> Result<(), Failure> {
    let found = find_partition(connection, topic_partition)?
        .ok_or_else(|| Failure::Refused(no_such_partition(topic_partition)))?;
    let before = before.clamp(found.bounds.start, found.bounds.end);
    connection.execute(
        "UPDATE topic_partition SET start_offset = ?2, stored_bytes = stored_bytes - coalesce(
             (SELECT sum(length(records)) FROM record_batch
              WHERE partition_id = ?1 AND next_offset <= ?2), 0)
         WHERE id = ?1",
        (found.id, before.0),
    )?;
    connection.execute(
        "DELETE FROM record_batch WHERE partition_id = ?1 AND next_offset <= ?2",
        (found.id, before.0),
    )?;
    Ok(())
}
