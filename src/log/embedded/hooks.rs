//! What tests and the simulation do to the log that users never do.
//!
//! These make happen on purpose what real logs do by accident: members that are taken for dead and
//! live on, records delivered twice, offsets without a record. No part of keepstep but its tests
//! calls them.

use super::EmbeddedLog;
use super::store::Alteration;
use crate::log::LogError;
use crate::model::position::{NextOffset, TopicPartition};

impl EmbeddedLog {
    /// The group takes this member for dead and gives its partitions away at once, without asking.
    /// The member has not noticed: its feeds keep delivering, it hears of nothing, its commits are
    /// refused. `false` if the group has no such member.
    pub fn expire_member(&self, group: &str, member_id: &str) -> bool {
        let coordinator = &self.shared.coordinator;
        coordinator.change(group, |it| it.expire(member_id)).unwrap_or(false)
    }

    /// Tells a member that [`Self::expire_member`] made a zombie what happened: its feeds end, its
    /// next event is `Lost`, and with that it is back in the group. `false` if it is no zombie.
    pub fn tell_lost(&self, group: &str, member_id: &str) -> bool {
        let coordinator = &self.shared.coordinator;
        coordinator.change(group, |it| it.tell_lost(member_id)).unwrap_or(false)
    }

    /// Delivers again: every feed of the partition that is further than `from` goes back there.
    pub fn redeliver(&self, topic_partition: &TopicPartition, from: NextOffset) {
        self.shared.coordinator.jump_back(topic_partition, from);
    }

    /// Leaves so many offsets out before the next record, as aborted transactions do.
    ///
    /// # Errors
    /// If there is no such partition, or the store cannot write.
    pub async fn leave_hole(
        &self,
        topic_partition: &TopicPartition,
        offsets: u32,
    ) -> Result<(), LogError> {
        let topic_partition = topic_partition.clone();
        self.shared.store.alter(Alteration::LeaveHole { topic_partition, offsets }).await
    }
}
