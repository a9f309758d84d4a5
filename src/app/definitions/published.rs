//! The topic that carries entity definitions, one record per entity.
//!
//! Read by position, without a group: every process needs all of it. Promises: a record that cannot
//! be read is told with its position and passed over, and never ends the reading.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::codec::decode_entity_metadata;
use crate::log::{Bounds, Log, LogError, LogRecord};
use crate::model::entity::EntityDefinition;
use crate::model::position::{NextOffset, Offset, Position, Topic, TopicPartition};

/// Most records that are read at once; what is left is read the next time.
const MOST_RECORDS: usize = 10_000;

/// What a record of the topic says.
#[derive(Debug)]
pub enum Published {
    /// An entity's definition.
    Defined(Box<EntityDefinition>),
    /// The entity of this key is no longer defined.
    Gone(String),
    /// Nothing that is understood: where it lies, and why.
    Unreadable(Position, String),
}

/// See the module.
pub struct MetadataTopic {
    log: Arc<dyn Log>,
    topic: Topic,
    next: BTreeMap<TopicPartition, NextOffset>,
}

impl MetadataTopic {
    /// The topic, from its first record on.
    pub fn new(log: Arc<dyn Log>, topic: Topic) -> Self {
        Self { log, topic, next: BTreeMap::new() }
    }

    /// What was published since the last call.
    ///
    /// # Errors
    /// If the topic is not there or cannot be read; what was read before that is read again.
    pub async fn read_on(&mut self) -> Result<Vec<Published>, LogError> {
        let Some(description) = self.log.describe(&self.topic).await? else {
            return Err(LogError {
                retry: true,
                what: format!("reading the definitions on topic {}", self.topic),
                code: "no_topic".to_owned(),
                hint: "Create it, compacted and with one partition, or correct metadata_topic."
                    .to_owned(),
            });
        };
        let (mut published, mut next) = (Vec::new(), self.next.clone());
        for partition in 0..description.partitions {
            let topic_partition = TopicPartition::new(&self.topic, partition);
            let Bounds { start, end } = self.log.bounds(&topic_partition).await?;
            let mut at = next.get(&topic_partition).copied().unwrap_or(start);
            if at < start || at > end {
                // Its beginning was dropped, or the topic was made anew.
                at = start;
            }
            while at < end && published.len() < MOST_RECORDS {
                let record = self.log.read_at(&topic_partition, Offset(at.0)).await?;
                let Some(record) = record else { break };
                at = record.offset.next();
                published.push(said(&topic_partition, &record));
            }
            next.insert(topic_partition, at);
        }
        self.next = next;
        Ok(published)
    }
}

fn said(topic_partition: &TopicPartition, record: &LogRecord) -> Published {
    let Some(payload) = &record.payload else {
        let key = record.key.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        return Published::Gone(key.chars().take(128).filter(|it| !it.is_control()).collect());
    };
    match decode_entity_metadata(payload) {
        Ok(definition) => Published::Defined(Box::new(definition)),
        Err(error) => {
            let TopicPartition { topic, partition } = topic_partition.clone();
            let position = Position { topic, partition, offset: record.offset };
            Published::Unreadable(position, error.to_string())
        }
    }
}
