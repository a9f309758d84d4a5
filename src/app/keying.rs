//! Gives notifications the key that order rests on: the record's id, in canonical text.
//!
//! Used by those who append: `produce` and `relay`. A notification of one record keeps its bytes;
//! one that carries several links is split, one notification per link, in our own Avro, for each
//! link is a record with a key of its own. A marker goes to every partition. Must never change what
//! a notification says.

use std::sync::Arc;

use bytes::Bytes;
use compact_str::CompactString;

use crate::codec::{CONTENT_TYPE, DecodeError, Decoder, DecoderSettings, encode_change};
use crate::log::NewRecord;
use crate::model::change::{Change, Notification};
use crate::model::record::EntityName;

/// What a notification becomes on a keyed topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keyed {
    /// These records, in this order, each with its key.
    Records(Vec<(EntityName, NewRecord)>),
    /// This record once in every partition of the entity's topic, without a key.
    EveryPartition(EntityName, NewRecord),
    /// Nothing: links of a relationship that no definition knows.
    Nothing,
}

/// Decodes notifications to find out their keys.
#[derive(Debug)]
pub struct Keyer {
    decoder: Decoder,
}

impl Keyer {
    /// A keyer that decodes with these settings.
    pub fn new(settings: Arc<DecoderSettings>) -> Self {
        Self { decoder: Decoder::new(settings) }
    }

    /// What the notification becomes.
    ///
    /// # Errors
    /// If it cannot be decoded.
    pub fn key(
        &mut self,
        headers: &[(CompactString, Bytes)],
        payload: &Bytes,
    ) -> Result<Keyed, DecodeError> {
        Ok(match self.decoder.decode(headers, payload)? {
            Notification::Change(change) => {
                Keyed::Records(vec![as_it_is(&change, headers, payload)])
            }
            Notification::Changes(changes) => match changes.as_slice() {
                [change] => Keyed::Records(vec![as_it_is(change, headers, payload)]),
                several => {
                    Keyed::Records(several.iter().map(|change| anew(change, headers)).collect())
                }
            },
            Notification::Marker(marker) => Keyed::EveryPartition(
                marker.entity,
                record(None, payload.clone(), headers.to_vec()),
            ),
            Notification::OtherLinks { .. } => Keyed::Nothing,
        })
    }
}

fn as_it_is(
    change: &Change,
    headers: &[(CompactString, Bytes)],
    payload: &Bytes,
) -> (EntityName, NewRecord) {
    let record = record(Some(change), payload.clone(), headers.to_vec());
    (change.entity.clone(), record)
}

/// The change in our own Avro; a header that names the old encoding would be a lie.
fn anew(change: &Change, headers: &[(CompactString, Bytes)]) -> (EntityName, NewRecord) {
    let headers = headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(CONTENT_TYPE));
    let payload = Bytes::from(encode_change(change));
    (change.entity.clone(), record(Some(change), payload, headers.cloned().collect()))
}

fn record(
    change: Option<&Change>,
    payload: Bytes,
    headers: Vec<(CompactString, Bytes)>,
) -> NewRecord {
    let key = change.map(|change| Bytes::from(change.record_id.canonical()));
    NewRecord { key, payload: Some(payload), headers, ..NewRecord::default() }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::codec::encode_marker;
    use crate::model::change::{Image, Operation, SnapshotMarker, SnapshotPhase};
    use crate::model::record::RecordId;

    fn keyer() -> Keyer {
        Keyer::new(Arc::new(DecoderSettings::default()))
    }

    fn change() -> Change {
        Change {
            organization_id: None,
            entity: EntityName::new("contact"),
            record_id: RecordId(Uuid::from_u128(7)),
            operation: Operation::Delete,
            image: Image::Full,
            version: None,
            changed_at: None,
            attributes: Vec::new(),
            correlation_id: None,
            payload_reference: None,
        }
    }

    #[test]
    fn one_change_keeps_its_bytes_and_headers() {
        let payload = Bytes::from(encode_change(&change()));
        let headers = vec![(CompactString::new("source"), Bytes::from_static(b"x"))];
        let Keyed::Records(records) = keyer().key(&headers, &payload).unwrap() else {
            panic!("not a record");
        };
        let (entity, record) = &records[0];
        assert_eq!(entity.as_str(), "contact");
        assert_eq!(record.key.as_deref(), Some(b"00000000-0000-0000-0000-000000000007".as_slice()));
        assert_eq!((record.payload.as_ref(), &record.headers), (Some(&payload), &headers));
    }

    #[test]
    fn a_marker_goes_everywhere_without_a_key() {
        let marker = SnapshotMarker {
            organization_id: None,
            entity: EntityName::new("contact"),
            phase: SnapshotPhase::Begin,
            sync_id: Uuid::nil(),
            marked_at: None,
        };
        let payload = Bytes::from(encode_marker(&marker));
        let Keyed::EveryPartition(entity, record) = keyer().key(&[], &payload).unwrap() else {
            panic!("not for every partition");
        };
        assert_eq!((entity.as_str(), record.key), ("contact", None));
    }

    #[test]
    fn what_cannot_be_decoded_has_no_key() {
        assert!(keyer().key(&[], &Bytes::from_static(b"nonsense")).is_err());
    }
}
