//! Looks at a few records of a topic to see whether their keys are the record ids.
//!
//! Order per record rests on the key as soon as a topic has more than one partition. A sample finds
//! a topic that was never keyed (Dataverse's own endpoint to Event Hubs writes no keys); a single
//! wrong key later is found by its lane.

use std::sync::Arc;

use super::keying::{Keyed, Keyer};
use crate::codec::DecoderSettings;
use crate::log::{Log, LogError, LogRecord};
use crate::model::position::{Offset, Position, Topic, TopicPartition};

/// Records looked at in each partition: the oldest ones and the newest ones.
const OLDEST: i64 = 3;
const NEWEST: i64 = 3;

/// What is wrong with the key of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// It has none.
    Missing(Position),
    /// It is not the record's id.
    NotTheId(Position),
}

impl std::fmt::Display for KeyFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(position) => write!(f, "the record at {position} has no key"),
            Self::NotTheId(position) => {
                write!(f, "the key of the record at {position} is not the record's id")
            }
        }
    }
}

/// The first record in a sample whose key is not the record's id; `None` if all are well, the topic
/// is empty, or has one partition, where keys do not matter. What cannot be decoded is passed over.
///
/// # Errors
/// If the log cannot be read.
pub async fn key_fault(
    log: &dyn Log,
    topic: &Topic,
    partitions: u32,
    decoder: &Arc<DecoderSettings>,
) -> Result<Option<KeyFault>, LogError> {
    if partitions < 2 {
        return Ok(None);
    }
    let mut keyer = Keyer::new(Arc::clone(decoder));
    for partition in 0..partitions {
        let topic_partition = TopicPartition::new(topic, partition);
        let bounds = log.bounds(&topic_partition).await?;
        let (start, end) = (bounds.start.0, bounds.end.0);
        let newest = end.saturating_sub(NEWEST).max(start.saturating_add(OLDEST));
        let sample = (start..end.min(start.saturating_add(OLDEST))).chain(newest..end);
        for offset in sample {
            let Some(record) = log.read_at(&topic_partition, Offset(offset)).await? else {
                break;
            };
            let fault = fault_of(&mut keyer, &topic_partition, &record);
            if fault.is_some() {
                return Ok(fault);
            }
        }
    }
    Ok(None)
}

fn fault_of(
    keyer: &mut Keyer,
    topic_partition: &TopicPartition,
    record: &LogRecord,
) -> Option<KeyFault> {
    let Keyed::Records(records) = keyer.key(&record.headers, record.payload.as_ref()?).ok()? else {
        return None;
    };
    let position = topic_partition.at(record.offset);
    match (&record.key, records.as_slice()) {
        (None, _) => Some(KeyFault::Missing(position)),
        (Some(key), [(_, expected)]) if expected.key.as_ref() == Some(key) => None,
        (Some(_), _) => Some(KeyFault::NotTheId(position)),
    }
}
