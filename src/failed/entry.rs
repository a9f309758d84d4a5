//! One entry of the list: a record that is not as its source says, or once was not.
//!
//! An entry stands for all held changes of one record; a change whose record could not be read is an
//! entry of its own. Its head is the first change that does not merely wait behind another. Pure.

use super::change::{ChangeKey, ChangeType, KnownChange, LastRelease};
use crate::model::held::HeldCause;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its head: the change to look at.
    pub head: ChangeKey,
    /// Why the head is held; `None` in the history, if only the release was seen.
    pub cause: Option<HeldCause>,
    /// How many times the head was tried again.
    pub attempt: u32,
    /// How many changes of the record are held, the head among them.
    pub changes: u64,
    /// When the first of them was held, µs since 1970.
    pub first_at_us: i64,
    /// When the last of them was held or revised, µs since 1970.
    pub last_at_us: i64,
    /// What the source said that happened, where known.
    pub change_type: Option<ChangeType>,
    /// The head's time on its topic, ms since 1970, where known.
    pub notified_at_ms: Option<i64>,
    /// Whether the dead-letter topic has the notification itself, or its position only.
    pub content_kept: bool,
    /// How it ended; `None` while it is open.
    pub ended: Option<Ended>,
}

/// How an entry ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The reason of the last release.
    pub reason: String,
    /// When that was, µs since 1970.
    pub at_us: i64,
}

impl Entry {
    /// The entry of a first change.
    pub(super) fn begin(change: KnownChange) -> Self {
        let at_us = last_at_us(&change);
        let ended = ended(&change);
        let (cause, attempt) = match change.hold {
            Some(hold) => (Some(hold.cause), hold.attempt),
            None => (None, 0),
        };
        Self {
            head: change.key,
            cause,
            attempt,
            changes: 1,
            first_at_us: change.held_at_us,
            last_at_us: at_us,
            change_type: change.change_type,
            notified_at_ms: change.notified_at_ms,
            content_kept: change.content_kept,
            ended,
        }
    }

    /// Whether a change, the next in the order of keys, belongs to it.
    pub(super) fn is_of(&self, key: &ChangeKey) -> bool {
        key.record_id.is_some()
            && (&key.entity, key.record_id) == (&self.head.entity, self.head.record_id)
    }

    /// Adds the next change of the record.
    pub(super) fn add(&mut self, change: KnownChange) {
        let changes = self.changes + 1;
        let first_at_us = self.first_at_us.min(change.held_at_us);
        let last_at_us = self.last_at_us.max(last_at_us(&change));
        let ours = self.ended.take();
        let latest = ours.into_iter().chain(ended(&change)).max_by_key(|ended| ended.at_us);
        let waits = |cause: Option<&HeldCause>| cause.is_none_or(|c| c.code == HeldCause::WAITS);
        let theirs = change.hold.as_ref().map(|hold| &hold.cause);
        if waits(self.cause.as_ref()) && !waits(theirs) {
            *self = Self::begin(change);
        }
        (self.changes, self.ended) = (changes, latest);
        (self.first_at_us, self.last_at_us) = (first_at_us, last_at_us);
    }
}

fn last_at_us(change: &KnownChange) -> i64 {
    let held = change.hold.as_ref().map(|hold| hold.revised_at_us);
    held.unwrap_or(change.held_at_us)
}

fn ended(change: &KnownChange) -> Option<Ended> {
    let LastRelease { released_at_us, reason, .. } = change.release.clone()?;
    (!change.is_open()).then_some(Ended { reason, at_us: released_at_us })
}
