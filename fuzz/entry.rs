//! What each fuzz target does with its input, and what must hold whatever the input is.
//!
//! The targets hand their bytes to these functions, and so does the test that replays the corpus,
//! so that both mean the same. Nothing here may panic but an assertion.

use std::sync::Arc;

use bytes::Bytes;
use keepstep::codec::contract::{Contract, SINGLE_OBJECT};
use keepstep::codec::{
    Decoder, DecoderSettings, Relationships, encode_change, encode_change_json, encode_marker,
    encode_marker_json,
};
use keepstep::model::change::{Change, Notification, SnapshotMarker};
use keepstep::model::entity_json::read_definitions;

/// An intersect entity, so that links are read too.
const INTERSECT: &str = r#"{
  "LogicalName": "links", "IsIntersect": true, "PrimaryIdAttribute": "linkid",
  "ManyToManyRelationships": [{
    "SchemaName": "a_b", "IntersectEntityName": "links",
    "Entity1LogicalName": "a", "Entity1IntersectAttribute": "aid",
    "Entity2LogicalName": "b", "Entity2IntersectAttribute": "bid"
  }],
  "Attributes": [
    {"LogicalName": "linkid", "AttributeType": "Uniqueidentifier"},
    {"LogicalName": "aid", "AttributeType": "Uniqueidentifier"},
    {"LogicalName": "bid", "AttributeType": "Uniqueidentifier"}
  ]
}"#;

/// Bare Avro under each schema, and framed bytes as they are.
pub fn decode_avro(data: &[u8]) {
    for contract in Contract::ALL {
        let framed = [&SINGLE_OBJECT[..], &contract.fingerprint(), data].concat();
        check(DecoderSettings::default(), &framed);
    }
    check(DecoderSettings::default(), data);
}

/// JSON of our own shape.
pub fn decode_json(data: &[u8]) {
    check(DecoderSettings::default(), data);
}

/// Execution contexts, with and without images.
pub fn decode_dataverse(data: &[u8]) {
    let relationships = read_definitions(INTERSECT.as_bytes())
        .map(|all| Relationships::of(&all))
        .unwrap_or_default();
    let without = DecoderSettings { relationships, ..DecoderSettings::default() };
    let with = DecoderSettings {
        post_image_alias: Some("post".into()),
        pre_image_alias: Some("pre".into()),
        ..without.clone()
    };
    check(without, data);
    check(with, data);
}

/// Entity definitions in either shape.
pub fn definitions(data: &[u8]) {
    match read_definitions(data) {
        Ok(definitions) => {
            for definition in definitions {
                assert!(definition.attributes.iter().any(|it| it.name == definition.primary_id));
            }
        }
        Err(error) => assert!(error.to_string().len() < 2_000, "an error has a limit"),
    }
}

fn check(settings: DecoderSettings, payload: &[u8]) {
    let mut decoder = Decoder::new(Arc::new(settings));
    match decoder.decode(&[], &Bytes::copy_from_slice(payload)) {
        Ok(Notification::Change(change)) => check_change(&change),
        Ok(Notification::Changes(changes)) => changes.iter().for_each(check_change),
        Ok(Notification::Marker(marker)) => check_marker(&marker),
        Ok(Notification::OtherLinks { relationship }) => assert!(relationship.len() <= 128),
        Err(error) => {
            assert!(error.detail.len() <= 300, "an error has a limit");
            assert!(!error.detail.contains(char::is_control), "an error is one line");
        }
    }
}

/// Whatever was decoded can be written in our own encodings and means the same. (Compared as text,
/// for a float that is no number equals nothing.)
fn check_change(change: &Change) {
    let expected = format!("{:?}", Notification::Change(change.clone()));
    assert_eq!(again(encode_change(change)), expected);
    assert_eq!(again(encode_change_json(change).into_bytes()), expected);
}

fn check_marker(marker: &SnapshotMarker) {
    let expected = format!("{:?}", Notification::Marker(marker.clone()));
    assert_eq!(again(encode_marker(marker)), expected);
    assert_eq!(again(encode_marker_json(marker).into_bytes()), expected);
}

fn again(payload: Vec<u8>) -> String {
    // What is written may be longer than what was read.
    let settings = DecoderSettings { max_payload_bytes: usize::MAX, ..DecoderSettings::default() };
    match Decoder::new(Arc::new(settings)).decode(&[], &Bytes::from(payload)) {
        Ok(notification) => format!("{notification:?}"),
        Err(error) => error.to_string(),
    }
}
