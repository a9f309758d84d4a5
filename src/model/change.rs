//! A change: one notification, decoded.
//!
//! A change says what happened to one record. It is a full image (an absent attribute is null) or
//! a patch (an absent attribute is unchanged); the two are never confused (promise G8).

use compact_str::CompactString;
use uuid::Uuid;

use super::record::{EntityName, RecordId};
use super::value::{Ticks, Value};

/// The source's row version: only ever compared within one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub i64);

/// What happened to the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// It came into being.
    Create,
    /// It changed.
    Update,
    /// It was removed.
    Delete,
    /// It was read as it stands, by an initial sync or a re-sync.
    Snapshot,
}

impl Operation {
    /// The word of the schemas.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Snapshot => "snapshot",
        }
    }
}

/// What the attributes of a change mean when one is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Image {
    /// The whole record: absent means null.
    Full,
    /// Only what changed: absent means unchanged.
    Patch,
}

/// One decoded change of one record.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The organisation that the record belongs to, where the encoding says it.
    pub organization_id: Option<Uuid>,
    /// The record's entity.
    pub entity: EntityName,
    /// The record.
    pub record_id: RecordId,
    /// What happened.
    pub operation: Operation,
    /// How absent attributes are meant. Of no meaning for a delete.
    pub image: Image,
    /// The source's row version, for entities that are declared versioned.
    pub version: Option<Version>,
    /// When it happened in the source, if it says.
    pub changed_at: Option<Ticks>,
    /// Attributes by logical name, in the order of the notification.
    pub attributes: Vec<(CompactString, Value)>,
    /// The source's correlation id.
    pub correlation_id: Option<Uuid>,
    /// Where the content lies when it was too big for the log (claim check).
    pub payload_reference: Option<CompactString>,
}

/// Beginning or end of an initial sync of one entity; sent to every partition. Deletes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotMarker {
    /// The organisation.
    pub organization_id: Option<Uuid>,
    /// The entity that is being synchronised.
    pub entity: EntityName,
    /// Which end of the initial sync this is.
    pub phase: SnapshotPhase,
    /// One id for the whole initial sync.
    pub sync_id: Uuid,
    /// When it was written.
    pub marked_at: Option<Ticks>,
}

/// Which end of an initial sync a marker marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotPhase {
    /// Snapshots follow.
    Begin,
    /// All snapshots of this partition came before.
    End,
}

/// What one notification decodes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Notification {
    /// One change: the usual case, without an allocation for a list.
    Change(Change),
    /// Several changes at one position (links), in order; they are never split over batches.
    Changes(Vec<Change>),
    /// A marker of an initial sync.
    Marker(SnapshotMarker),
    /// Links of a relationship whose intersect entity is not known: skipped and counted, as the
    /// changes of an entity outside the profile are.
    OtherLinks {
        /// Schema name of the relationship.
        relationship: CompactString,
    },
}
