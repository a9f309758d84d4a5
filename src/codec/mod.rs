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

pub use self::avro_encode::{encode_change, encode_change_into, encode_marker};
pub use self::contract::{Contract, ContractError, SchemaId};
pub use self::error::{DecodeCode, DecodeError};
pub use self::framing::CONTENT_TYPE;
pub use self::settings::{DecoderSettings, Relationships};

use self::entity_names::EntityNames;
use self::framing::{Frame, frame};
use crate::model::change::Notification;

mod avro_cursor;
mod avro_decode;
mod avro_encode;
pub mod contract;
mod entity_names;
mod error;
mod framing;
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
                avro_decode::decode_change(bytes, base, &mut self.names).map(Notification::Change)
            }
            Frame::Avro(Contract::SnapshotMarker, bytes, base) => {
                avro_decode::decode_marker(bytes, base, &mut self.names).map(Notification::Marker)
            }
            Frame::Json(_) => Err(DecodeError::new(
                DecodeCode::UnsupportedFormat,
                format_args!("JSON is not read yet: send Avro"),
            )),
        }
    }
}
