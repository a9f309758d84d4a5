//! Reading a log on disk: a few connections, used by turns, on threads that may block.
//!
//! Each read sees one state of the file. A batch whose check sum does not hold is an error with its
//! place; nothing behind it is delivered.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::alter::{Failure, StoredPartition, find_partition};
use super::error::sqlite_error;
use super::schema::{database_file, open_for_reading};
use crate::log::embedded::limits::{no_such_partition, refusal};
use crate::log::embedded::record_batch::open_batch;
use crate::log::embedded::store::{Read, ReadLimits};
use crate::log::{LogError, LogRecord};
use crate::model::position::{NextOffset, TopicPartition};

/// Connections for reading.
const READERS: usize = 4;

/// See the module.
#[derive(Debug)]
pub(super) struct Readers {
    folder: PathBuf,
    idle: Mutex<Vec<Connection>>,
    turns: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, idle: Mutex::default(), turns: Arc::new(Semaphore::new(READERS)) }
    }

    /// Lets `read` look at one state of the log.
    ///
    /// A caller that stops asking for the answer keeps no turn from others: turns are taken in a
    /// task, which goes on by itself. Dropping the future ends what has not begun.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        what: String,
        read: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, LogError> {
        let stopped = |what: &str| LogError {
            retry: true,
            what: what.to_owned(),
            code: "STOPPING".to_owned(),
            hint: "The process is about to stop".to_owned(),
        };
        let readers = Arc::clone(self);
        let context = what.clone();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let turn = Arc::clone(&readers.turns).acquire_owned().await;
            let reading = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                readers.with_connection(read).map_err(|failure| match failure {
                    Failure::Refused(error) => error,
                    Failure::Database(error) => {
                        sqlite_error(&context, &database_file(&readers.folder), &error)
                    }
                })
            });
            reading.await
        });
        let answer = task.join_next().await;
        answer.and_then(|task| task.ok()?.ok()).unwrap_or_else(|| Err(stopped(&what)))
    }

    /// A connection that failed is not used again.
    fn with_connection<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = match idle().pop() {
            Some(connection) => connection,
            None => open_for_reading(&self.folder)?,
        };
        let transaction = connection.unchecked_transaction()?;
        let answer = read(&transaction);
        transaction.commit()?;
        if !matches!(answer, Err(Failure::Database(_))) {
            idle().push(connection);
        }
        answer
    }
}

fn partition(connection: &Connection, it: &TopicPartition) -> Result<StoredPartition, Failure> {
    find_partition(connection, it)?.ok_or_else(|| Failure::Refused(no_such_partition(it)))
}

/// Batches that hold offsets at or after one, in order.
fn batches_from(connection: &Connection) -> Result<CachedStatement<'_>, rusqlite::Error> {
    connection.prepare_cached(
        "SELECT first_offset, crc, records FROM record_batch
         WHERE partition_id = ?1 AND next_offset > ?2 AND first_offset >= coalesce(
             (SELECT first_offset FROM record_batch
              WHERE partition_id = ?1 AND first_offset <= ?2
              ORDER BY first_offset DESC LIMIT 1), 0)
         ORDER BY first_offset",
    )
}

/// The records of one stored batch, if it is whole.
fn batch_of(
    row: &Row<'_>,
    partition_id: i64,
    of: &TopicPartition,
) -> Result<Vec<LogRecord>, Failure> {
    let first_offset: i64 = row.get(0)?;
    let stored_sum: u32 = row.get(1)?;
    let blob = row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?;
    open_batch(blob, stored_sum, partition_id, first_offset).map_err(|error| {
        Failure::Refused(refusal(
            format!("reading {of} at offset {first_offset}"),
            &error.to_string(),
            "The stored batch that starts there cannot be read: it was written by a later version \
             or the disk has damaged it. Restore the log from a backup; or trim the partition \
             beyond this batch, and copy again what was in it",
        ))
    })
}

/// See `Store::read`.
pub(super) fn read(
    connection: &Connection,
    of: &TopicPartition,
    from: NextOffset,
    limits: ReadLimits,
) -> Result<Read, Failure> {
    let StoredPartition { id, topic_id, bounds } = partition(connection, of)?;
    let mut records: Vec<LogRecord> = Vec::new();
    let from = from.max(bounds.start);
    if from >= bounds.end {
        return Ok(Read { generation: topic_id, bounds, records });
    }
    let mut bytes = 0;
    let mut statement = batches_from(connection)?;
    let mut rows = statement.query((id, from.0))?;
    'batches: while records.len() < limits.records && (records.is_empty() || bytes < limits.bytes) {
        let Some(row) = rows.next()? else { break };
        let batch = match batch_of(row, id, of) {
            // What comes before the damage can be delivered; the next read meets the damage.
            Err(Failure::Refused(_)) if !records.is_empty() => break,
            opened => opened?,
        };
        for record in batch.into_iter().skip_while(|record| from.covers(record.offset)) {
            bytes += record.size_bytes();
            let full = records.len() >= limits.records || bytes > limits.bytes;
            if full && !records.is_empty() {
                break 'batches;
            }
            records.push(record);
        }
    }
    Ok(Read { generation: topic_id, bounds, records })
}

/// See `Store::offset_for_time`.
pub(super) fn offset_for_time(
    connection: &Connection,
    of: &TopicPartition,
    time_ms: i64,
) -> Result<NextOffset, Failure> {
    let StoredPartition { id, bounds, .. } = partition(connection, of)?;
    let mut statement = connection.prepare_cached(
        "SELECT first_offset, crc, records FROM record_batch
         WHERE partition_id = ?1 AND next_offset > ?2 AND newest_ms >= ?3 ORDER BY first_offset",
    )?;
    let mut rows = statement.query((id, bounds.start.0, time_ms))?;
    while let Some(row) = rows.next()? {
        let batch = batch_of(row, id, of)?;
        let left = batch.into_iter().filter(|record| !bounds.start.covers(record.offset));
        if let Some(found) = left.into_iter().find(|record| record.timestamp_ms >= time_ms) {
            return Ok(NextOffset(found.offset.0));
        }
    }
    Ok(bounds.end)
}

/// How far a group has come, as stored.
pub(super) fn committed(
    connection: &Connection,
    group: &str,
    of: &TopicPartition,
) -> Result<Option<NextOffset>, rusqlite::Error> {
    let mut statement = connection.prepare_cached(
        "SELECT next_offset FROM group_offset o JOIN topic t ON t.id = o.topic_id
         WHERE o.group_name = ?1 AND t.name = ?2 AND o.number = ?3",
    )?;
    let found = statement
        .query_one((group, of.topic.as_str(), of.partition.0), |row| row.get(0).map(NextOffset));
    found.optional()
}
