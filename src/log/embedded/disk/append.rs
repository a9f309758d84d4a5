//! The statements of an append, of retention, and of group offsets: all inside a transaction that
//! the writer begins and commits.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};

use super::alter::{Failure, find_topic};
use super::writer::AppendRequest;
use crate::log::LogError;
use crate::log::embedded::Retention;
use crate::log::embedded::limits::no_such_topic;
use crate::log::embedded::record_batch::check_sum;
use crate::model::position::{NextOffset, TopicPartition};

/// Batches that retention drops with one append, so that no append takes long.
const RETENTION_BATCHES: u32 = 64;

/// Stores the batches of one request; answers their first offsets. Refused requests write nothing.
pub(super) fn append_one(
    connection: &Connection,
    append: &AppendRequest,
    touched: &mut BTreeMap<TopicPartition, i64>,
) -> Result<Vec<i64>, Failure> {
    let topic = find_topic(connection, &append.topic)?
        .ok_or_else(|| Failure::Refused(no_such_topic(&append.topic)))?;
    if topic.partitions != append.partitions {
        return Err(Failure::Refused(LogError {
            retry: true,
            what: format!("appending to {}", append.topic),
            code: "TOPIC_CHANGED".to_owned(),
            hint: "Its number of partitions has just changed; try again".to_owned(),
        }));
    }
    let mut advance = connection.prepare_cached(
        "UPDATE topic_partition
         SET end_offset = end_offset + ?3, stored_bytes = stored_bytes + ?4
         WHERE topic_id = ?1 AND number = ?2 RETURNING id, end_offset",
    )?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO record_batch
             (partition_id, first_offset, next_offset, newest_ms, crc, records)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let mut first_offsets = Vec::with_capacity(append.batches.len());
    for (number, batch) in &append.batches {
        let bytes = i64::try_from(batch.blob.len()).unwrap_or(i64::MAX);
        let (partition_id, end): (i64, i64) = advance
            .query_one((topic.id, *number, batch.count, bytes), |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        let first = end - i64::from(batch.count);
        let sum = check_sum(&batch.blob, partition_id, first);
        insert.execute((partition_id, first, end, batch.newest_ms, sum, &batch.blob))?;
        touched.insert(TopicPartition::new(&append.topic, *number), partition_id);
        first_offsets.push(first);
    }
    Ok(first_offsets)
}

/// Drops the oldest batches of a partition while they are too old or too many; never the newest.
pub(super) fn retain(
    connection: &Connection,
    partition_id: i64,
    retention: Retention,
    now_ms: i64,
) -> Result<(), rusqlite::Error> {
    if retention == Retention::default() {
        return Ok(());
    }
    let mut oldest = connection.prepare_cached(
        "SELECT b.id, b.next_offset, b.newest_ms, length(b.records), p.stored_bytes
         FROM record_batch b JOIN topic_partition p ON p.id = b.partition_id
         WHERE b.partition_id = ?1 AND b.next_offset < p.end_offset
         ORDER BY b.first_offset LIMIT 1",
    )?;
    let mut delete = connection.prepare_cached("DELETE FROM record_batch WHERE id = ?1")?;
    let mut advance = connection.prepare_cached(
        "UPDATE topic_partition SET start_offset = ?2, stored_bytes = stored_bytes - ?3
         WHERE id = ?1",
    )?;
    for _ in 0..RETENTION_BATCHES {
        let found = oldest.query_one([partition_id], |row| {
            let stored_bytes: i64 = row.get(4)?;
            let goes = retention.drops(row.get(2)?, stored_bytes.max(0).cast_unsigned(), now_ms);
            Ok(if goes { Some((row.get(0)?, row.get(1)?, row.get(3)?)) } else { None })
        });
        let Some((id, next, bytes)) = found.optional()?.flatten() else { return Ok(()) };
        let (id, next, bytes): (i64, i64, i64) = (id, next, bytes);
        delete.execute([id])?;
        advance.execute((partition_id, next, bytes))?;
    }
    Ok(())
}

/// Stores how far groups have come. Partitions that are gone are passed over.
pub(super) fn put_offsets(
    connection: &Connection,
    offsets: &BTreeMap<(String, TopicPartition), NextOffset>,
) -> Result<(), rusqlite::Error> {
    let mut put = connection.prepare_cached(
        "INSERT INTO group_offset (group_name, topic_id, number, next_offset)
         SELECT ?1, id, ?3, ?4 FROM topic WHERE name = ?2 AND ?3 < partitions
         ON CONFLICT DO UPDATE SET next_offset = excluded.next_offset",
    )?;
    for ((group, it), next) in offsets {
        put.execute((group, it.topic.as_str(), it.partition.0, next.0))?;
    }
    Ok(())
}
