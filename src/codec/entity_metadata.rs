//! Records of the topic with entity definitions: our Avro, or JSON as the Web API answers.

use super::avro::entity_metadata as avro;
use super::contract::SINGLE_OBJECT;
use super::error::DecodeError;
use crate::model::entity::EntityDefinition;
use crate::model::entity_json::{DefinitionError, DefinitionReader};

/// Largest record with a definition, in bytes.
pub const MAX_METADATA_BYTES: usize = 8 * 1_048_576;

/// Why a record says nothing of an entity.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// It is too large.
    #[error("{0} bytes, the limit is {MAX_METADATA_BYTES}")]
    TooLarge(usize),
    /// Its bytes are not what they should be.
    #[error("{0}")]
    Bytes(DecodeError),
    /// The definition cannot be used.
    #[error("{0}")]
    Definition(#[from] DefinitionError),
    /// There must be one.
    #[error("{0} definitions in one record: write one per record, keyed by entity")]
    NotOne(usize),
}

/// A definition as the payload of a record, keyed by the entity's logical name.
pub fn encode_entity_metadata(definition: &EntityDefinition) -> Vec<u8> {
    avro::encode(definition)
}

/// What a record says.
///
/// # Errors
/// [`MetadataError`] if it is no definition that can be used; nothing of it counts then.
pub fn decode_entity_metadata(payload: &[u8]) -> Result<EntityDefinition, MetadataError> {
    if payload.len() > MAX_METADATA_BYTES {
        return Err(MetadataError::TooLarge(payload.len()));
    }
    let mut reader = DefinitionReader::default();
    if payload.starts_with(&SINGLE_OBJECT) {
        reader.add_json(&avro::decode(payload).map_err(MetadataError::Bytes)?)?;
    } else {
        reader.add(payload)?;
    }
    let mut definitions = reader.finish()?;
    match (definitions.pop(), definitions.len()) {
        (Some(definition), 0) => Ok(definition),
        (None, _) => Err(MetadataError::NotOne(0)),
        (Some(_), others) => Err(MetadataError::NotOne(others + 1)),
    }
}
