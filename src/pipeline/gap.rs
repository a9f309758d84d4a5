//! Is the log still the one that the checkpoint speaks of? (promise G10)
//!
//! A log that was trimmed past the checkpoint, that ends before it, or whose record before it is
//! another one (the topic was made anew) has a gap; going on would silently skip changes.

use crate::log::{Bounds, Log, LogError, LogRecord};
use crate::model::checkpoint::{Checkpoint, Fingerprint};
use crate::model::position::TopicPartition;

/// Why a lane cannot go on from its checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "gap: re-sync needed. {what}. `keepstep resync --from start` writes what the log holds; what it \
     does not hold must come from the source again"
)]
pub(super) struct Gap {
    /// What is not as it was.
    what: String,
    /// Whether the log is another one, of which nothing that is known is true.
    pub(super) made_anew: bool,
}

impl Gap {
    fn trimmed(what: String) -> Self {
        Self { what, made_anew: false }
    }

    fn made_anew(what: String) -> Self {
        Self { what, made_anew: true }
    }
}

/// The fingerprint of a record.
pub(super) fn fingerprint(record: &LogRecord) -> Fingerprint {
    let mut crc = crc32fast::Hasher::new();
    let mut length_bytes: u32 = 0;
    for part in [&record.key, &record.payload].into_iter().flatten() {
        crc.update(part);
        length_bytes = length_bytes.saturating_add(u32::try_from(part.len()).unwrap_or(u32::MAX));
    }
    Fingerprint {
        offset: record.offset,
        timestamp_ms: record.timestamp_ms,
        length_bytes,
        crc: crc.finalize(),
    }
}

/// Whether a partition whose log holds `bounds` can be read from `checkpoint`.
pub(super) fn check_bounds(checkpoint: &Checkpoint, bounds: Bounds) -> Result<(), Gap> {
    let next = checkpoint.lowest_of_all();
    if bounds.start > next {
        return Err(Gap::trimmed(format!(
            "the checkpoint is at offset {next}, and the log starts only at {}: what lay between is gone by retention",
            bounds.start
        )));
    }
    let furthest = checkpoint.cursors().iter().map(|cursor| cursor.next).max().unwrap_or(next);
    if bounds.end < furthest {
        return Err(Gap::made_anew(format!(
            "the checkpoint is at offset {furthest}, and the log ends at {}: the topic was made anew or lost records",
            bounds.end
        )));
    }
    Ok(())
}

/// Compares the log with the checkpoint before anything is read.
pub(super) async fn check(
    log: &dyn Log,
    topic_partition: &TopicPartition,
    checkpoint: &Checkpoint,
) -> Result<Result<Bounds, Gap>, LogError> {
    let bounds = log.bounds(topic_partition).await?;
    if let Err(gap) = check_bounds(checkpoint, bounds) {
        return Ok(Err(gap));
    }
    let Some(known) = checkpoint.newest_fingerprint() else { return Ok(Ok(bounds)) };
    if known.offset < bounds.start.offset() {
        return Ok(Ok(bounds));
    }
    let found = log.read_at(topic_partition, known.offset).await?;
    match found {
        // Compaction may have taken that very record; another one there is another topic.
        Some(record) if record.offset == known.offset && fingerprint(&record) != known => {
            Ok(Err(Gap::made_anew(format!(
                "the record at offset {} is not the one that was read there: the topic was made anew",
                known.offset
            ))))
        }
        _ => Ok(Ok(bounds)),
    }
}
