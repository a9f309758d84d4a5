//! What a feed and the coordinator share: whether the partition is still the member's.
//!
//! It promises that a feed hears of its end, and of a jump, at its next look or while it waits. It
//! knows nothing of groups or records.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::model::position::NextOffset;

/// No jump is asked for.
const NO_JUMP: i64 = -1;

/// One assignment of one partition to one member.
#[derive(Debug)]
pub(super) struct Tenure {
    /// Which making of the topic was assigned; a topic made anew has another.
    pub(super) generation: i64,
    ended: AtomicBool,
    jump: AtomicI64,
    changed: Notify,
}

impl Tenure {
    pub(super) fn new(generation: i64) -> Self {
        Self {
            generation,
            ended: AtomicBool::new(false),
            jump: AtomicI64::new(NO_JUMP),
            changed: Notify::new(),
        }
    }

    /// The partition is no longer the member's.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.changed.notify_waiters();
    }

    pub(super) fn ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// The feed is to go back to `to`, if it is further than that.
    pub(super) fn jump_back(&self, to: NextOffset) {
        self.jump.store(to.0.max(0), Ordering::Release);
        self.changed.notify_waiters();
    }

    /// The jump that is asked for, once.
    pub(super) fn take_jump(&self) -> Option<NextOffset> {
        let jump = self.jump.swap(NO_JUMP, Ordering::AcqRel);
        (jump != NO_JUMP).then_some(NextOffset(jump))
    }

    /// Told at every change.
    pub(super) fn changed(&self) -> &Notify {
        &self.changed
    }
}

/// How many bytes each feed of a member may read at once: the member's limit, shared evenly.
#[derive(Debug)]
pub(super) struct ByteShare {
    limit: usize,
    feeds: AtomicUsize,
}

impl ByteShare {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, feeds: AtomicUsize::new(0) }
    }

    pub(super) fn bytes(&self) -> usize {
        self.limit / self.feeds.load(Ordering::Relaxed).max(1)
    }

    pub(super) fn add_feed(&self) {
        self.feeds.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn remove_feed(&self) {
        self.feeds.fetch_sub(1, Ordering::Relaxed);
    }
}
