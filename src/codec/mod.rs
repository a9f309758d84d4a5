//! Bytes to changes and back.
//!
//! [`Decoder`] turns the payload of a notification into changes, whatever the encoding (see
//! `schemas/README.md`); the `encode` functions write what producers send. Promises: no input makes
//! it panic, overflow the stack or take memory beyond the limits of [`limit`]; a value arrives as
//! exactly as it was written; an error names the place and quotes no content. Must never do I/O:
//! schemas and relationships are settings, not look-ups.

use std::sync::Arc;

use bytes::Bytes;
use compact_str::CompactString;

pub use self::avro::dead_letter::{decode_dead_letter, encode_dead_letter};
pub use self::avro::encode::{encode_change, encode_change_into, encode_marker};
pub use self::contract::{Contract, ContractError, SchemaId};
pub use self::dataverse::encode::{
    DataverseOrigin, NotExpressible, encode_dataverse, encode_dataverse_links,
};
pub use self::entity_metadata::{
    MAX_METADATA_BYTES, MetadataError, decode_entity_metadata, encode_entity_metadata,
};
pub use self::error::{DecodeCode, DecodeError};
pub use self::framing::CONTENT_TYPE;
pub use self::json::encode::{encode_change_json, encode_marker_json};
pub use self::settings::{DecoderSettings, Relationships};

use self::dataverse::context::decode_context;
use self::entity_names::EntityNames;
use self::framing::{Frame, frame};
use self::json::cursor::JsonCursor;
use self::json::decode::decode_notification;
use crate::model::change::Notification;

mod avro;
pub mod contract;
mod dataverse;
mod entity_metadata;
mod entity_names;
mod error;
mod framing;
mod json;
pub mod limit;
mod settings;

/// Decodes the notifications of one lane. Cheap to make; keeps names that it has met.
#[derive(Debug)]
pub struct Decoder {
    settings: Arc<DecoderSettings>,
    names: EntityNames,
}

impl Decoder {
    /// A decoder with no memory of names yet.
    pub fn new(settings: Arc<DecoderSettings>) -> Self {
        Self { settings, names: EntityNames::default() }
    }

    /// What the notification says.
    ///
    /// # Errors
    /// [`DecodeError`] if it says nothing that is understood; nothing of it may be applied then.
    pub fn decode(
        &mut self,
        headers: &[(CompactString, Bytes)],
        payload: &Bytes,
    ) -> Result<Notification, DecodeError> {
        if payload.len() > self.settings.max_payload_bytes {
            return Err(DecodeError::new(
                DecodeCode::TooLarge,
                format_args!(
                    "payload of {} bytes, the limit is {}: raise it in the settings",
                    payload.len(),
                    self.settings.max_payload_bytes
                ),
            ));
        }
        match frame(headers, payload, &self.settings.schemas)? {
            Frame::Avro(Contract::ChangeNotification, bytes, base) => {
                avro::decode::decode_change(bytes, base, &mut self.names).map(Notification::Change)
            }
            Frame::Avro(Contract::SnapshotMarker, bytes, base) => {
                avro::decode::decode_marker(bytes, base, &mut self.names).map(Notification::Marker)
            }
            Frame::Json(bytes) => self.decode_json(bytes),
        }
    }

    /// Dataverse's members are in Pascal case, ours are not.
    fn decode_json(&mut self, bytes: &[u8]) -> Result<Notification, DecodeError> {
        let mut cursor = JsonCursor::new(bytes)?;
        let start = cursor.mark();
        let mut members = cursor.begin_object()?;
        let first = cursor.member(&mut members)?;
        let first = first.as_deref().unwrap_or_default();
        cursor.rewind(start);
        if first == "__type" || first.starts_with(|first: char| first.is_ascii_uppercase()) {
            decode_context(&mut cursor, &self.settings, &mut self.names)
        } else {
            decode_notification(&mut cursor, &mut self.names)
        }
    }
}
