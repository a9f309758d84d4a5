//! Bytes to changes and back, against references that share no code with the codec.

mod avro;
mod dataverse;
mod dataverse_links;
mod dead_letter;
mod hostile;
mod json;
mod reference;
mod samples;
mod strategy;

use std::sync::Arc;

use bytes::Bytes;
use keepstep::codec::{DecodeError, Decoder, DecoderSettings};
use keepstep::model::change::Notification;

/// Decodes a payload without headers under default settings.
fn decode(payload: &[u8]) -> Result<Notification, DecodeError> {
    decode_with(DecoderSettings::default(), payload)
}

fn decode_with(settings: DecoderSettings, payload: &[u8]) -> Result<Notification, DecodeError> {
    Decoder::new(Arc::new(settings)).decode(&[], &Bytes::copy_from_slice(payload))
}
