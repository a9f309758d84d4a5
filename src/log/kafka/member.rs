//! The member of a group: the async side of its thread.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::log::{GroupEvent, LogError, Member};
use crate::model::position::{NextOffset, TopicPartition};

/// What a member asks of its thread. Bounded by the number of partitions: later wishes replace
/// earlier ones.
#[derive(Default)]
pub(super) struct Wishes {
    leave: AtomicBool,
    commits: Mutex<HashMap<TopicPartition, NextOffset>>,
}

impl Wishes {
    /// Whether the member wants to leave.
    pub(super) fn leave(&self) -> bool {
        self.leave.load(Ordering::Acquire)
    }

    /// The offsets to commit, each handed out once.
    pub(super) fn take_commits(&self) -> HashMap<TopicPartition, NextOffset> {
        std::mem::take(&mut *self.commits.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A member whose thread is running.
pub(super) struct KafkaMember {
    pub(super) events: mpsc::Receiver<Result<GroupEvent, LogError>>,
    pub(super) wishes: Arc<Wishes>,
    pub(super) thread: Thread,
}

#[async_trait]
impl Member for KafkaMember {
    async fn next(&mut self) -> Result<Option<GroupEvent>, LogError> {
        // The thread drops its end after the group was left.
        self.events.recv().await.transpose()
    }

    fn commit(&self, offsets: &[(TopicPartition, NextOffset)]) {
        let mut commits = self.wishes.commits.lock().unwrap_or_else(PoisonError::into_inner);
        commits.extend(offsets.iter().cloned());
    }

    fn leave(&mut self) {
        self.wishes.leave.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl Drop for KafkaMember {
    fn drop(&mut self) {
        // A member that is forgotten leaves too, or the group would wait for a dead one.
        self.leave();
    }
}
