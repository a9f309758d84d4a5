//! The released versions of the notification schemas, known by their fingerprint.
//!
//! A fingerprint is the 64-bit Rabin fingerprint of the schema's canonical form, so it does not
//! change with documentation or layout. What a decoder reads is exactly what stands here; a schema
//! that a registry holds under some id must be one of these.

use std::fmt;

use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use uuid::Uuid;

/// First two bytes of Avro's single-object encoding; the fingerprint follows, little-endian.
pub const SINGLE_OBJECT: [u8; 2] = [0xc3, 0x01];
/// Bytes of the single-object framing.
pub(super) const SINGLE_OBJECT_BYTES: usize = 10;

/// Text of the schema of a change.
pub const CHANGE_NOTIFICATION: &str = include_str!("../../schemas/change_notification.avsc");
/// Text of the schema of a marker.
pub const SNAPSHOT_MARKER: &str = include_str!("../../schemas/snapshot_marker.avsc");
/// Text of the schema of an entity's definition.
pub const ENTITY_METADATA: &str = include_str!("../../schemas/entity_metadata.avsc");
/// Text of the schema of a dead letter.
pub const FAILED_RECORD: &str = include_str!("../../schemas/failed_record.avsc");

/// Fingerprint of `keepstep.v1.FailedRecord`, as it stands in the framing of a dead letter.
pub const FAILED_RECORD_FINGERPRINT: [u8; 8] = [0x42, 0x44, 0xbe, 0xa8, 0x90, 0xc6, 0xf1, 0x21];

/// Fingerprint of `keepstep.v1.EntityMetadata`, as it stands in the framing of a definition.
pub const ENTITY_METADATA_FINGERPRINT: [u8; 8] = [0xef, 0x0e, 0x01, 0x9f, 0xe2, 0x23, 0x73, 0xf5];

/// A schema of notifications that this version reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Contract {
    /// `keepstep.v1.ChangeNotification`.
    ChangeNotification,
    /// `keepstep.v1.SnapshotMarker`.
    SnapshotMarker,
}

impl Contract {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::ChangeNotification, Self::SnapshotMarker];

    /// The schema's fingerprint, as it stands in the framing.
    pub fn fingerprint(self) -> [u8; 8] {
        match self {
            Self::ChangeNotification => [0x2b, 0x92, 0x62, 0x77, 0xc6, 0x48, 0x86, 0x48],
            Self::SnapshotMarker => [0xde, 0xc5, 0x9b, 0xad, 0x2d, 0x10, 0x87, 0x75],
        }
    }

    /// The schema that a fingerprint stands for.
    pub(super) fn of(fingerprint: [u8; 8]) -> Option<Self> {
        Self::ALL.into_iter().find(|contract| contract.fingerprint() == fingerprint)
    }

    /// The schema that a text from a registry is.
    ///
    /// # Errors
    /// If it is no Avro schema, or not a released version of ours.
    pub fn recognise(schema: &str) -> Result<Self, ContractError> {
        let schema = Schema::parse_str(schema).map_err(|_| ContractError::NoSchema)?;
        let bytes = schema.fingerprint::<Rabin>().bytes;
        let fingerprint = bytes.first_chunk::<8>().copied().unwrap_or_default();
        Self::of(fingerprint).ok_or(ContractError::Unknown(Fingerprint(fingerprint)))
    }
}

/// Why a schema's text is not one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContractError {
    /// The text is no Avro schema.
    #[error("the text is no Avro schema; give the schema as the registry returns it")]
    NoSchema,
    /// A schema, but not one of ours.
    #[error(
        "the schema with fingerprint {0} is no released version of a keepstep notification; \
         producers must use the files in schemas/ unchanged"
    )]
    Unknown(Fingerprint),
}

/// A fingerprint, printed as hexadecimal digits in the order of the framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 8]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// Id under which a schema registry holds a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SchemaId {
    /// Confluent's numbers, in the payload's framing.
    Confluent(u32),
    /// Azure's ids of 32 hexadecimal digits, in the `content-type` header.
    Azure(Uuid),
}

impl fmt::Display for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Confluent(id) => write!(f, "{id}"),
            Self::Azure(id) => write!(f, "{}", id.simple()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_those_of_the_schemas() {
        assert_eq!(
            Contract::recognise(CHANGE_NOTIFICATION),
            Ok(Contract::ChangeNotification),
            "a released schema never changes; make a new version"
        );
        assert_eq!(Contract::recognise(SNAPSHOT_MARKER), Ok(Contract::SnapshotMarker));
        let failed_record = Schema::parse_str(FAILED_RECORD).unwrap();
        assert_eq!(failed_record.fingerprint::<Rabin>().bytes, FAILED_RECORD_FINGERPRINT);
    }

    #[test]
    fn other_schemas_are_refused() {
        assert_eq!(Contract::recognise("{"), Err(ContractError::NoSchema));
        assert!(matches!(Contract::recognise(FAILED_RECORD), Err(ContractError::Unknown(_))));
        assert!(matches!(Contract::recognise("\"string\""), Err(ContractError::Unknown(_))));
        // A renamed field is another contract, not a newer version of ours.
        let renamed = CHANGE_NOTIFICATION.replace("\"row_version\"", "\"rowversion\"");
        assert!(matches!(Contract::recognise(&renamed), Err(ContractError::Unknown(_))));
        // Documentation is no part of it.
        let undocumented = CHANGE_NOTIFICATION.replace("What happened", "Something");
        assert_eq!(Contract::recognise(&undocumented), Ok(Contract::ChangeNotification));
    }
}
