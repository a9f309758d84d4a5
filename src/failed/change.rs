//! What the list knows of one held change, and how dead letters add to it.
//!
//! Of holds the newest counts, of releases the newest counts, and the change is open while the hold
//! is the newer of both. So the order in which dead letters arrive, and how often, changes nothing.
//! Pure; holds no content.

use crate::model::change::{Change, Operation};
use crate::model::dead_letter::{DeadLetter, HeldState};
use crate::model::held::{HeldCause, Revision};
use crate::model::position::{Offset, Partition, Position, Topic};
use crate::model::record::{EntityName, RecordId};

/// What the source said that happened, in the old service's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeType {
    /// A record was created.
    New,
    /// A record was changed.
    Update,
    /// A record was deleted.
    Delete,
    /// A record of the initial sync.
    TriggerInitialExport,
}

impl ChangeType {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::New, Self::Update, Self::Delete, Self::TriggerInitialExport];

    /// Its words in lists and files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "New",
            Self::Update => "Update",
            Self::Delete => "Delete",
            Self::TriggerInitialExport => "Trigger Initial Export",
        }
    }

    /// From the stored words.
    pub fn from_stored(words: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == words)
    }

    /// What a change is.
    pub fn of(change: &Change) -> Self {
        match change.operation {
            Operation::Create => Self::New,
            Operation::Update => Self::Update,
            Operation::Delete => Self::Delete,
            Operation::Snapshot => Self::TriggerInitialExport,
        }
    }
}

/// Names one held change of a profile. In the order of the list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeKey {
    /// Its entity, where it could be read.
    pub entity: Option<EntityName>,
    /// Its record, where it could be read.
    pub record_id: Option<RecordId>,
    /// Where it lies.
    pub position: Position,
}

impl ChangeKey {
    /// As a text that [`Self::parse`] reads: the key on the dead-letter topic.
    pub fn text(&self) -> String {
        let entity = self.entity.as_ref().map_or("", |entity| entity.as_str());
        let record = self.record_id.map(RecordId::canonical).unwrap_or_default();
        format!("{entity}/{record}/{}", self.position)
    }

    /// From its text.
    pub fn parse(text: &str) -> Option<Self> {
        let (rest, offset) = text.rsplit_once('@')?;
        let (rest, partition) = rest.rsplit_once('/')?;
        let (rest, topic) = rest.rsplit_once('/')?;
        let (entity, record) = rest.rsplit_once('/')?;
        let record_id = match record {
            "" => None,
            id => Some(RecordId::from_canonical(id.as_bytes())?),
        };
        let position = Position {
            topic: Topic::new(topic),
            partition: Partition(partition.parse().ok()?),
            offset: Offset(offset.parse().ok()?),
        };
        let entity = Some(entity).filter(|entity| !entity.is_empty()).map(EntityName::new);
        Some(Self { entity, record_id, position })
    }
}

/// The newest hold of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastHold {
    /// Its revision.
    pub revision: Revision,
    /// When it was made, µs since 1970.
    pub revised_at_us: i64,
    /// Why.
    pub cause: HeldCause,
    /// How many times the change was tried again.
    pub attempt: u32,
}

/// The newest release of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRelease {
    /// Its revision.
    pub revision: Revision,
    /// When it was made, µs since 1970.
    pub released_at_us: i64,
    /// Why: a [`crate::model::held::ReleaseReason`], or [`NOT_HELD`].
    pub reason: String,
}

/// The reason of a release that only a rebuild found: the destination holds the change no more, and
/// no dead letter has said why.
pub const NOT_HELD: &str = "not_held";

/// What the list knows of one held change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownChange {
    /// Which.
    pub key: ChangeKey,
    /// When it was held first, µs since 1970.
    pub held_at_us: i64,
    /// Its newest hold, if one has been seen.
    pub hold: Option<LastHold>,
    /// Its newest release, if one has been seen.
    pub release: Option<LastRelease>,
    /// What the source said that happened, if the notification could be read.
    pub change_type: Option<ChangeType>,
    /// The notification's time on its topic, ms since 1970, where a dead letter has carried it.
    pub notified_at_ms: Option<i64>,
    /// Whether a dead letter carries the notification itself.
    pub content_kept: bool,
}

impl KnownChange {
    /// What one dead letter says. `change_type` is what its notification says, if it can be read.
    pub fn of(letter: &DeadLetter, change_type: Option<ChangeType>) -> Self {
        let key = ChangeKey {
            entity: letter.entity.clone(),
            record_id: letter.record_id,
            position: letter.position.clone(),
        };
        let (revision, at_us) = (letter.revision, letter.revised_at.to_unix_us());
        let (hold, release) = match letter.state {
            HeldState::Held => {
                let (cause, attempt) = (letter.cause.clone(), letter.attempt);
                (Some(LastHold { revision, revised_at_us: at_us, cause, attempt }), None)
            }
            HeldState::Released => {
                let reason = letter.cause.code.to_string();
                (None, Some(LastRelease { revision, released_at_us: at_us, reason }))
            }
        };
        Self {
            key,
            held_at_us: letter.held_at.to_unix_us(),
            hold,
            release,
            change_type,
            notified_at_ms: letter.original.as_ref().map(|original| original.timestamp_ms),
            content_kept: letter.original.is_some(),
        }
    }

    /// Whether it is held still.
    pub fn is_open(&self) -> bool {
        let held = self.hold.as_ref().map(|hold| hold.revision);
        held > self.release.as_ref().map(|release| release.revision)
    }

    /// Adds what is known from elsewhere of the same change.
    pub fn merge(&mut self, other: Self) {
        let newer = |ours: Option<Revision>, theirs: Option<Revision>| theirs > ours;
        let of_hold = |hold: &Option<LastHold>| hold.as_ref().map(|hold| hold.revision);
        let of_release = |release: &Option<LastRelease>| release.as_ref().map(|last| last.revision);
        if newer(of_hold(&self.hold), of_hold(&other.hold)) {
            self.hold = other.hold;
        }
        if newer(of_release(&self.release), of_release(&other.release)) {
            self.release = other.release;
        }
        self.held_at_us = self.held_at_us.min(other.held_at_us);
        self.change_type = self.change_type.or(other.change_type);
        self.notified_at_ms = self.notified_at_ms.or(other.notified_at_ms);
        self.content_kept |= other.content_kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_text() {
        let record = "0f8fad5b-d9cb-469f-a165-70867728950e";
        for text in [
            &format!("account/{record}/crm.contoso.account/3@4711"),
            "//crm.contoso.account/0@0",
            &format!("/{record}/t/1@2"),
            &format!("a/b@c/{record}/t/1@2"),
        ] {
            assert_eq!(ChangeKey::parse(text).unwrap().text(), *text);
        }
        for wrong in ["", "account", "a/b/t/1@2", "a//t/x@2", "a//t/1@x", "//t/1"] {
            assert_eq!(ChangeKey::parse(wrong), None, "{wrong}");
        }
    }
}
