//! Dead letters: what the dead-letter topic says of a held change, or of its release.
//!
//! A dead letter is made of a held change, its lane and the record that it came in; it says nothing
//! that these do not. Of two with one key the higher revision holds, so readers may see them in any
//! order and more than once. Record content is in [`DeadLetter::original`] and nowhere else. Pure.

use bytes::Bytes;
use compact_str::CompactString;

use super::checkpoint::LaneId;
use super::held::{HeldCause, HeldChange, Revision};
use super::position::Position;
use super::profile::ProfileId;
use super::record::{EntityName, RecordId};
use super::value::Ticks;

/// Longest words of a cause, in bytes; the rest is cut.
pub const MAX_DETAIL_BYTES: usize = 1_024;
/// Most headers of an original record; one with more is referred to by its position only.
pub const MAX_HEADERS: usize = 1_024;

/// Whether a change is held still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeldState {
    /// It is not in the table, and waits for something.
    Held,
    /// Something took its place, it was written after all, or a person dismissed it.
    Released,
}

/// A record as it lay on the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalRecord {
    /// Its key, if it had one.
    pub key: Option<Bytes>,
    /// Its payload; `None` is a null payload.
    pub payload: Option<Bytes>,
    /// Its headers, in order.
    pub headers: Vec<(CompactString, Bytes)>,
    /// Its time on the log, ms since 1970.
    pub timestamp_ms: i64,
}

/// One state of one held change, as the dead-letter topic carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The export profile.
    pub profile: ProfileId,
    /// Where the change lies on the log.
    pub position: Position,
    /// Its entity, where it could be read.
    pub entity: Option<EntityName>,
    /// Its record, where it could be read.
    pub record_id: Option<RecordId>,
    /// Which of the change's states it is.
    pub revision: Revision,
    /// Whether the change is held still.
    pub state: HeldState,
    /// Why it is held; of a release its code is the reason.
    pub cause: HeldCause,
    /// How many times it was tried again.
    pub attempt: u32,
    /// When it was held first.
    pub held_at: Ticks,
    /// When this state was made.
    pub revised_at: Ticks,
    /// The record that it came in; `None` for a release, when the log no longer has it, and when it
    /// is too large for the dead-letter topic: then the position refers to it.
    pub original: Option<OriginalRecord>,
}

impl DeadLetter {
    /// The dead letter of a held change of a lane. `original` is the record at its position, as far
    /// as it is at hand and may be sent; a release never carries it.
    pub fn of(lane: &LaneId, held: &HeldChange, original: Option<OriginalRecord>) -> Self {
        let mut cause = held.cause.clone();
        cut(&mut cause.detail);
        let original =
            original.filter(|original| held.open && original.headers.len() <= MAX_HEADERS);
        Self {
            profile: lane.profile.clone(),
            position: lane.topic_partition.at(held.key.offset),
            entity: held.key.entity.clone(),
            record_id: held.key.record_id,
            revision: held.revision,
            state: if held.open { HeldState::Held } else { HeldState::Released },
            cause,
            attempt: held.attempt,
            held_at: Ticks::nearest_to_unix_us(held.held_at_us),
            revised_at: Ticks::nearest_to_unix_us(held.revision.0),
            original,
        }
    }

    /// Its key on the dead-letter topic: `<entity>/<record id>/<topic>/<partition>@<offset>`. What
    /// is not known is empty. The same for all states of one change, for ever: the topic is
    /// compacted by it (`schemas/README.md`).
    pub fn key(&self) -> String {
        let entity = self.entity.as_ref().map_or("", |entity| entity.as_str());
        let record = self.record_id.map(RecordId::canonical).unwrap_or_default();
        format!("{entity}/{record}/{}", self.position)
    }
}

/// Cuts a detail to what a dead letter may carry.
fn cut(detail: &mut String) {
    let end = (0..=MAX_DETAIL_BYTES).rev().find(|at| detail.is_char_boundary(*at)).unwrap_or(0);
    if detail.len() > end {
        detail.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::model::held::{HeldKey, ReleaseReason};
    use crate::model::position::{Offset, Topic, TopicPartition};

    fn lane() -> LaneId {
        LaneId {
            profile: ProfileId::new("crm").unwrap(),
            topic_partition: TopicPartition::new(&Topic::new("crm.contoso.account"), 3),
        }
    }

    fn held() -> HeldChange {
        HeldChange {
            key: HeldKey {
                offset: Offset(4_711),
                entity: Some(EntityName::new("account")),
                record_id: Some(RecordId(Uuid::from_u128(7))),
            },
            creates: false,
            version: None,
            cause: HeldCause { code: "refused".into(), column: None, detail: "ü".repeat(1_000) },
            attempt: 2,
            held_at_us: 1_000_000,
            revision: Revision(2_000_001),
            open: true,
            published: None,
        }
    }

    fn original(headers: usize) -> OriginalRecord {
        let headers = vec![(CompactString::const_new("h"), Bytes::new()); headers];
        OriginalRecord { key: None, payload: None, headers, timestamp_ms: 5 }
    }

    #[test]
    fn a_dead_letter_says_what_the_held_change_says() {
        let letter = DeadLetter::of(&lane(), &held(), Some(original(MAX_HEADERS)));
        assert_eq!(letter.position.to_string(), "crm.contoso.account/3@4711");
        assert_eq!(letter.state, HeldState::Held);
        assert_eq!(
            (letter.held_at.to_unix_us(), letter.revised_at.to_unix_us()),
            (1_000_000, 2_000_001)
        );
        assert_eq!((letter.attempt, letter.revision), (2, Revision(2_000_001)));
        assert!(
            letter.cause.detail.len() <= MAX_DETAIL_BYTES && letter.cause.detail.starts_with('ü')
        );
        assert_eq!(letter.original, Some(original(MAX_HEADERS)));
        let too_many = DeadLetter::of(&lane(), &held(), Some(original(MAX_HEADERS + 1)));
        assert_eq!(too_many.original, None);
    }

    #[test]
    fn a_release_carries_no_content() {
        let released = HeldChange { open: false, cause: ReleaseReason::Written.into(), ..held() };
        let letter = DeadLetter::of(&lane(), &released, Some(original(0)));
        assert_eq!((letter.state, letter.original), (HeldState::Released, None));
        assert_eq!(letter.cause.code, "written");
    }

    #[test]
    fn the_key_is_the_same_for_all_states_of_one_change_only() {
        let letter = DeadLetter::of(&lane(), &held(), None);
        let expected = "account/00000000-0000-0000-0000-000000000007/crm.contoso.account/3@4711";
        assert_eq!(letter.key(), expected);
        let released =
            HeldChange { open: false, attempt: 9, revision: Revision(3_000_000), ..held() };
        assert_eq!(DeadLetter::of(&lane(), &released, None).key(), expected);
        let key = HeldKey { offset: Offset(1), entity: None, record_id: None };
        let unknown = DeadLetter::of(&lane(), &HeldChange { key, ..held() }, None);
        assert_eq!(unknown.key(), "//crm.contoso.account/3@1");
    }
}
