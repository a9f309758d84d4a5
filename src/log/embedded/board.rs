//! The notice board of a log: which topics there are, and where each partition stands.
//!
//! Stores write on it after every change, feeds and members wait at it. It promises that whoever
//! looked before a change is woken by it. It is never the truth about records: a feed that is
//! woken reads the store.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::group::Topics;
use crate::log::Bounds;
use crate::model::position::TopicPartition;

/// Where a partition stands, and the bell that its feeds wait for.
#[derive(Debug, Default)]
pub(super) struct Tail {
    seen: Mutex<Option<(i64, Bounds)>>,
    version: AtomicU64,
    changed: Notify,
}

impl Tail {
    /// Goes up with every change.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Told at every change.
    pub(super) fn changed(&self) -> &Notify {
        &self.changed
    }

    fn set(&self, generation: i64, bounds: Bounds) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.replace((generation, bounds)) != Some((generation, bounds)) {
            self.version.fetch_add(1, Ordering::Release);
            self.changed.notify_waiters();
        }
    }
}

#[derive(Debug, Default)]
struct State {
    topics: Arc<Topics>,
    tails: BTreeMap<TopicPartition, Arc<Tail>>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Board {
    state: Mutex<State>,
    topics_changed: Notify,
}

impl Board {
    /// All topics as last heard.
    pub(super) fn topics(&self) -> Arc<Topics> {
        Arc::clone(&self.lock().topics)
    }

    /// Told when topics come, grow or are made anew.
    pub(super) fn topics_changed(&self) -> &Notify {
        &self.topics_changed
    }

    /// The notices of one partition.
    pub(super) fn tail(&self, topic_partition: &TopicPartition) -> Arc<Tail> {
        Arc::clone(self.lock().tails.entry(topic_partition.clone()).or_default())
    }

    /// These are all topics now.
    pub(super) fn set_topics(&self, topics: Topics) {
        let mut state = self.lock();
        if *state.topics != topics {
            state.topics = Arc::new(topics);
            self.topics_changed.notify_waiters();
        }
    }

    /// A partition has changed. Only those that a feed ever asked for are kept.
    pub(super) fn set_bounds(&self, topic_partition: &TopicPartition, generation: i64, to: Bounds) {
        if let Some(tail) = self.lock().tails.get(topic_partition) {
            tail.set(generation, to);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
