//! Why a change cannot be written, in words of our own.
//!
//! A cause names codes, limits, sizes and columns, never the value: no record content may leave
//! through an error (promise G11). The set is closed, so that metrics and documents can list it.

use compact_str::CompactString;

use super::position::Position;
use super::record::{EntityName, RecordId};

/// Why a change was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The notification could not be decoded.
    #[error("the notification could not be decoded: {0}")]
    Undecodable(CompactString),
    /// The key on the log is not the record id in canonical text.
    #[error("the key on the log is not the record's id in lower-case text")]
    KeyMismatch,
    /// The notification has no payload.
    #[error("the notification has no payload")]
    NullPayload,
    /// The source stripped the content because it was too big for the log.
    #[error("the source stripped the content because it was larger than its limit")]
    Stripped,
    /// A text is longer than its column.
    #[error("text of {size_units} UTF-16 units is longer than the column's {limit_units}")]
    TextTooLong {
        /// The column's limit in UTF-16 units.
        limit_units: u32,
        /// The text's length in UTF-16 units.
        size_units: usize,
    },
    /// A text holds U+0000, which not every database can store.
    #[error("text holds the character U+0000")]
    TextHasNul,
    /// A number does not fit its column.
    #[error("number does not fit the column's type {column_type}")]
    NumberOutOfRange {
        /// The column's type.
        column_type: &'static str,
    },
    /// A time lies outside the years that the column can hold.
    #[error("time lies outside the years 1 to 9999")]
    TimeOutOfRange,
    /// The value's type does not fit the column's.
    #[error("a value of type {kind} does not fit the column's type {column_type}")]
    WrongType {
        /// The value's kind.
        kind: &'static str,
        /// The column's type.
        column_type: &'static str,
    },
    /// The notification has an attribute that the entity's definition lacks.
    #[error("the entity's definition has no such attribute")]
    UnknownAttribute,
    /// The same attribute stands twice in one notification.
    #[error("the attribute stands twice in the notification")]
    RepeatedAttribute,
    /// The entity is declared versioned and the change has no version.
    #[error("the entity is declared versioned and the change has no row version")]
    VersionMissing,
    /// The entity is declared unversioned and the change has a version.
    #[error("the entity is declared unversioned and the change has a row version")]
    VersionUnexpected,
    /// A patch where only images are expected.
    #[error("a patch on a topic that is declared to carry images only (images_only)")]
    UnexpectedPatch,
    /// One notification says two things of one record that cannot both be meant.
    #[error("one notification holds changes of one record that contradict each other")]
    Contradiction,
    /// A patch whose record is not in the table, and was not deleted either.
    #[error("a patch has no row to change")]
    NoBase,
    /// The database refused the value.
    #[error("the database refused it with code {code}")]
    Refused {
        /// The database's error code.
        code: CompactString,
    },
}

impl Cause {
    /// The code of [`Cause::Refused`].
    pub const REFUSED: &str = "refused";

    /// A short stable word for metrics and lists.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Undecodable(_) => "undecodable",
            Self::KeyMismatch => "key_mismatch",
            Self::NullPayload => "null_payload",
            Self::Stripped => "stripped",
            Self::TextTooLong { .. } => "text_too_long",
            Self::TextHasNul => "text_has_nul",
            Self::NumberOutOfRange { .. } => "number_out_of_range",
            Self::TimeOutOfRange => "time_out_of_range",
            Self::WrongType { .. } => "wrong_type",
            Self::UnknownAttribute => "unknown_attribute",
            Self::RepeatedAttribute => "repeated_attribute",
            Self::VersionMissing => "version_missing",
            Self::VersionUnexpected => "version_unexpected",
            Self::UnexpectedPatch => "unexpected_patch",
            Self::Contradiction => "contradiction",
            Self::NoBase => "no_base",
            Self::Refused { .. } => Self::REFUSED,
        }
    }
}

/// A cause and the column it is about, where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Column or attribute, where the cause is about one.
    pub column: Option<CompactString>,
    /// Why.
    pub cause: Cause,
}

impl Rejection {
    /// A cause about the whole change.
    pub fn of(cause: Cause) -> Self {
        Self { column: None, cause }
    }

    /// A cause about one column.
    pub fn in_column(column: &str, cause: Cause) -> Self {
        Self { column: Some(CompactString::new(column)), cause }
    }
}

/// A rejected change: where it is, what it is about as far as known, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedChange {
    /// Where the change lies on the log.
    pub position: Position,
    /// Its entity, if it could be read.
    pub entity: Option<EntityName>,
    /// Its record, if it could be read.
    pub record_id: Option<RecordId>,
    /// Why.
    pub rejection: Rejection,
}

impl std::fmt::Display for RejectedChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "change at {} rejected", self.position)?;
        if let (Some(entity), Some(id)) = (&self.entity, self.record_id) {
            write!(f, " (record {entity} {id})")?;
        }
        if let Some(column) = &self.rejection.column {
            write!(f, ", column {column}")?;
        }
        write!(f, ": {}", self.rejection.cause)
    }
}
