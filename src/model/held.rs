//! Held changes: what could not be written, and what is told of it.
//!
//! A held change is kept in the destination's own table, in the same transactions as the rows, so
//! that no change is ever in neither place (promise G4). It has no record content: where the change
//! lies on the log, what it is about, and why. Pure.

use compact_str::{CompactString, ToCompactString};

use super::change::Version;
use super::failure::Rejection;
use super::position::Offset;
use super::record::{EntityName, RecordId};

/// Most held changes of one record. Later ones are settled without a row of their own: then only
/// an image, a delete or a re-sync of the record helps.
pub const MAX_HELD_PER_RECORD: usize = 100;

/// One held change within its lane. A notification may carry several changes, so the offset alone
/// does not name one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeldKey {
    /// Where the change lies in the lane's partition.
    pub offset: Offset,
    /// Its entity, where it could be read.
    pub entity: Option<EntityName>,
    /// Its record: from the change itself, or from the key on the log where nothing else could be
    /// read.
    pub record_id: Option<RecordId>,
}

/// Why a change is held, in words of our own that hold no content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldCause {
    /// Short stable word, see `failure::Cause::code`.
    pub code: CompactString,
    /// Column or attribute, where the cause is about one.
    pub column: Option<CompactString>,
    /// The cause in words: codes, names, limits, sizes.
    pub detail: String,
}

impl HeldCause {
    /// The code of changes that wait behind another held change of their record.
    pub const WAITS: &str = "waits";

    /// The code of changes that the log no longer has.
    pub const GONE: &str = "gone";

    /// A change that cannot be tried again, for the log no longer has it.
    pub fn gone() -> Self {
        Self {
            code: CompactString::const_new(Self::GONE),
            column: None,
            detail: "the log no longer has the change; a full image of the record helps".to_owned(),
        }
    }

    /// The code of unreadable changes that a replay met again.
    pub const MET_AGAIN: &str = "met_again";

    /// A change that nobody could read, met again by the replay of an entity that it may belong to.
    /// It was settled before, and what settled it comes again, or it is released at the replay's
    /// end.
    pub fn met_again() -> Self {
        Self {
            code: CompactString::const_new(Self::MET_AGAIN),
            column: None,
            detail: "a replay has met it again, and it cannot be read; the entry ends with the                      replay"
                .to_owned(),
        }
    }

    /// The code of the last change that found room; later ones of its record are not kept.
    pub const TOO_MANY: &str = "too_many";

    /// The last change of a record that found room.
    pub fn too_many() -> Self {
        Self {
            code: CompactString::const_new(Self::TOO_MANY),
            column: None,
            detail: format!(
                "the record has {MAX_HELD_PER_RECORD} held changes; this one and later ones are \
                 not tried again"
            ),
        }
    }

    /// A change that waits behind another held one of its record.
    pub fn waits() -> Self {
        Self {
            code: CompactString::const_new(Self::WAITS),
            column: None,
            detail: "an earlier change of the record is held".to_owned(),
        }
    }
}

impl HeldCause {
    /// The codes that are not causes of a rejection.
    pub const OF_HOLDING: [&str; 4] = [Self::WAITS, Self::TOO_MANY, Self::GONE, Self::MET_AGAIN];
}

impl From<ReleaseReason> for HeldCause {
    fn from(reason: ReleaseReason) -> Self {
        let code = CompactString::const_new(reason.as_str());
        Self { code, column: None, detail: String::new() }
    }
}

impl From<&Rejection> for HeldCause {
    fn from(rejection: &Rejection) -> Self {
        Self {
            code: rejection.cause.code().to_compact_string(),
            column: rejection.column.clone(),
            detail: rejection.cause.to_string(),
        }
    }
}

/// A change to be held, or to be held on after another try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Which.
    pub key: HeldKey,
    /// Its version, where it has one that could be read.
    pub version: Option<Version>,
    /// Whether it may have brought the record into being. An image that takes its place then does
    /// so too: without versions, only a create applies after a delete.
    pub creates: bool,
    /// Why.
    pub cause: HeldCause,
    /// How many times it was tried again.
    pub attempt: u32,
}

/// Why a change is held no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseReason {
    /// A later image or delete of the record took its place.
    Superseded,
    /// It was tried again and written.
    Written,
    /// A person dismissed it.
    Dismissed,
}

impl ReleaseReason {
    /// The word in the own table, in dead letters and in lists.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Superseded => "superseded",
            Self::Written => "written",
            Self::Dismissed => "dismissed",
        }
    }
}

/// A held change to be released, in the transaction that makes it void.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Which.
    pub key: HeldKey,
    /// Why.
    pub reason: ReleaseReason,
}

/// Grows with each hold and each release of one change: the destination's clock in µs since 1970,
/// or one more than before where that is higher. Of two dead letters the higher revision holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub i64);

/// A held change as the destination keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldChange {
    /// Which.
    pub key: HeldKey,
    /// Its version, where it has one that could be read.
    pub version: Option<Version>,
    /// See [`Hold::creates`].
    pub creates: bool,
    /// Why it is held; for a released one its code is the reason of the release.
    pub cause: HeldCause,
    /// How many times it was tried again.
    pub attempt: u32,
    /// When it was held first, µs since 1970, by the destination's clock.
    pub held_at_us: i64,
    /// Its revision, which is also the time of its last change.
    pub revision: Revision,
    /// Whether it is held still. A released one stays until its release is published.
    pub open: bool,
    /// The revision that the dead-letter topic has acknowledged, if it has any.
    pub published: Option<Revision>,
}

impl HeldChange {
    /// As a change to be held, with its cause and attempts.
    pub fn as_hold(&self) -> Hold {
        Hold {
            key: self.key.clone(),
            version: self.version,
            creates: self.creates,
            cause: self.cause.clone(),
            attempt: self.attempt,
        }
    }

    /// Whether the dead-letter topic does not have its newest state.
    pub fn is_unpublished(&self) -> bool {
        self.published < Some(self.revision)
    }
}
