//! A member of a consumer group on the embedded log.
//!
//! It turns what the coordinator has to tell into the events of the trait, one at a time, and only
//! when asked. Dropped, it is gone from the group at once, and its feeds end.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::Shared;
use super::feed::EmbeddedFeed;
use super::group::Told;
use super::tenure::ByteShare;
use crate::log::{Feed, FeedLimits, GroupEvent, LogError, Member};
use crate::model::position::{NextOffset, Topic, TopicPartition};

/// See the module.
pub(super) struct EmbeddedMember {
    shared: Arc<Shared>,
    group: String,
    id: String,
    changed: Arc<Notify>,
    share: Arc<ByteShare>,
}

impl EmbeddedMember {
    pub(super) fn join(
        shared: &Arc<Shared>,
        client_id: &str,
        group: &str,
        topics: &[Topic],
        limits: FeedLimits,
    ) -> Self {
        let (id, changed) = shared.coordinator.join(group, client_id, topics);
        shared.store.consuming(true);
        tracing::debug!(group, member = id, "member joins");
        Self {
            shared: Arc::clone(shared),
            group: group.to_owned(),
            id,
            changed,
            share: Arc::new(ByteShare::new(limits.bytes)),
        }
    }

    fn event(&self, told: Told) -> Option<GroupEvent> {
        match told {
            Told::Assigned(partitions) => {
                let feeds = partitions.into_iter().map(|(topic_partition, tenure)| {
                    Box::new(EmbeddedFeed::new(
                        topic_partition,
                        Arc::clone(&self.shared.store),
                        &self.shared.board,
                        tenure,
                        Arc::clone(&self.share),
                    )) as Box<dyn Feed>
                });
                Some(GroupEvent::Assigned(feeds.collect()))
            }
            Told::Revoked { partitions, done } => Some(GroupEvent::Revoked { partitions, done }),
            Told::Lost(partitions) => Some(GroupEvent::Lost { partitions }),
            Told::Left => None,
        }
    }
}

#[async_trait]
impl Member for EmbeddedMember {
    async fn next(&mut self) -> Result<Option<GroupEvent>, LogError> {
        tokio::task::coop::consume_budget().await;
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            let mut topics_changed = std::pin::pin!(self.shared.board.topics_changed().notified());
            // From here on no notice is missed.
            changed.as_mut().enable();
            topics_changed.as_mut().enable();
            if let Some(told) = self.shared.coordinator.next_told(&self.group, &self.id) {
                return Ok(self.event(told));
            }
            // Any order would do; a fixed one makes runs repeatable.
            tokio::select! {
                biased;
                () = changed => {}
                () = topics_changed => {}
            }
        }
    }

    fn commit(&self, offsets: &[(TopicPartition, NextOffset)]) {
        let owned = self.shared.coordinator.owned(&self.group, &self.id, offsets);
        if owned.len() < offsets.len() {
            let refused = offsets.len() - owned.len();
            tracing::debug!(group = self.group, refused, "offsets of partitions of others refused");
        }
        self.shared.store.commit(&self.group, &owned);
    }

    fn leave(&mut self) {
        self.shared.coordinator.change(&self.group, |group| group.leave(&self.id));
    }
}

impl Drop for EmbeddedMember {
    fn drop(&mut self) {
        self.shared.coordinator.change(&self.group, |group| group.remove(&self.id));
        self.shared.store.consuming(false);
        tracing::debug!(group = self.group, member = self.id, "member is gone");
    }
}
