//! Looks at a few records of a topic to see whether their keys are the record ids.
//!
//! Order per record rests on the key as soon as a topic has more than one partition. A sample finds
//! a topic that was never keyed (Dataverse's own endpoint to Event Hubs writes no keys). Where only
//! some keys are wrong, their lanes hold those changes and nobody is stopped by them (promise G5).

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

/// The first record of a sample in which no key is the record's id; `None` if one is, if the topic is
/// empty, or has one partition, where keys do not matter. What cannot be decoded is passed over.
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
    let mut first = None;
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
            match fault_of(&mut keyer, &topic_partition, &record) {
                Verdict::Well => return Ok(None),
                Verdict::Wrong(fault) => first = first.or(Some(fault)),
                Verdict::Unknown => {}
            }
        }
    }
    Ok(first)
}

/// What one record says of the topic's keys.
enum Verdict {
    Well,
    Wrong(KeyFault),
    /// It cannot be decoded, or has no record.
    Unknown,
}

fn fault_of(keyer: &mut Keyer, topic_partition: &TopicPartition, record: &LogRecord) -> Verdict {
    let Some(payload) = &record.payload else { return Verdict::Unknown };
    let Ok(Keyed::Records(records)) = keyer.key(&record.headers, payload) else {
        return Verdict::Unknown;
    };
    let position = topic_partition.at(record.offset);
    match (&record.key, records.as_slice()) {
        (None, _) => Verdict::Wrong(KeyFault::Missing(position)),
        (Some(key), [(_, expected)]) if expected.key.as_ref() == Some(key) => Verdict::Well,
        (Some(_), _) => Verdict::Wrong(KeyFault::NotTheId(position)),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::codec::encode_change;
    use crate::log::NewRecord;
    use crate::log::embedded::{EmbeddedLog, EmbeddedSettings};
    use crate::model::change::{Change, Image, Operation};
    use crate::model::record::{EntityName, RecordId};

    fn record(number: u128, key: Option<&str>) -> NewRecord {
        let change = Change {
            organization_id: None,
            entity: EntityName::new("account"),
            record_id: RecordId(uuid::Uuid::from_u128(number)),
            operation: Operation::Create,
            image: Image::Full,
            version: None,
            changed_at: None,
            attributes: Vec::new(),
            correlation_id: None,
            payload_reference: None,
        };
        let own = change.record_id.canonical();
        let key = key.map(|key| if key == "own" { own.as_str() } else { key });
        NewRecord {
            partition: Some(1),
            key: key.map(|key| Bytes::from(key.to_owned())),
            payload: Some(Bytes::from(encode_change(&change))),
            ..NewRecord::default()
        }
    }

    async fn fault(keys: &[Option<&str>]) -> Option<KeyFault> {
        let log = EmbeddedLog::in_memory(EmbeddedSettings::new(Arc::new(|| 1_700_000_000_000)));
        let topic = Topic::new("t");
        log.create_topic(&topic, 2, false).await.unwrap();
        let records = keys.iter().zip(1..).map(|(key, number)| record(number, *key)).collect();
        log.append(&topic, records).await.unwrap();
        key_fault(&log, &topic, 2, &Arc::default()).await.unwrap()
    }

    /// One change with a wrong key at the end of a topic kept every process from starting.
    #[tokio::test]
    async fn single_wrong_keys_stop_nobody() {
        assert_eq!(fault(&[]).await, None);
        assert_eq!(fault(&[Some("own")]).await, None);
        assert_eq!(fault(&[Some("else"), None, Some("own")]).await, None);
        assert_eq!(fault(&[Some("own"), Some("own"), Some("else")]).await, None);
    }

    #[tokio::test]
    async fn a_topic_without_a_right_key_is_found() {
        let at = |offset| TopicPartition::new(&Topic::new("t"), 1).at(Offset(offset));
        assert_eq!(fault(&[None, None]).await, Some(KeyFault::Missing(at(0))));
        assert_eq!(fault(&[Some("else"), None]).await, Some(KeyFault::NotTheId(at(0))));
    }
}
