//! The feed of one partition: the async side of a [`Slot`].

use std::sync::Arc;

use async_trait::async_trait;

use super::slot::{Look, Slot};
use crate::log::{Chunk, Feed, LogError};
use crate::model::position::{NextOffset, TopicPartition};

/// Delivers what lies in librdkafka's queue of the partition.
pub(super) struct KafkaFeed {
    slot: Arc<Slot>,
}

impl KafkaFeed {
    pub(super) fn new(slot: Arc<Slot>) -> Self {
        Self { slot }
    }
}

#[async_trait]
impl Feed for KafkaFeed {
    fn topic_partition(&self) -> &TopicPartition {
        &self.slot.topic_partition
    }

    async fn start(&mut self, from: NextOffset) -> Result<(), LogError> {
        // No answer comes if the partition is taken away meanwhile; `next` tells that.
        self.slot.ask_to_start(from).await.unwrap_or(Ok(()))
    }

    async fn next(&mut self) -> Result<Option<Chunk>, LogError> {
        // A feed that always has records would otherwise never let its neighbours run.
        tokio::task::coop::consume_budget().await;
        loop {
            match self.slot.look()? {
                Look::Chunk(chunk) => return Ok(Some(chunk)),
                Look::Ended => return Ok(None),
                Look::Nothing => self.slot.arrived.notified().await,
            }
        }
    }
}
