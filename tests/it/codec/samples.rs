//! Stored bytes of every released version of the schemas, and what they must mean for ever.
//!
//! If one of these tests fails, a schema or a reader changed in a way that notifications on
//! somebody's log would not survive. The files are never made anew.

use apache_avro::rabin::Rabin;
use apache_avro::types::Value as Avro;
use keepstep::codec::{decode_entity_metadata, encode_entity_metadata};
use keepstep::model::change::{
    Change, Image, Notification, Operation, SnapshotMarker, SnapshotPhase, Version,
};
use keepstep::model::entity::AttributeKind;
use keepstep::model::entity_json::read_definitions;
use keepstep::model::record::{EntityName, RecordId, link_id};
use keepstep::model::value::{Lookup, Ticks, Value};
use uuid::{Uuid, uuid};

use super::{decode, reference};

const RECORD: Uuid = uuid!("0f8fad5b-d9cb-469f-a165-70867728950e");
const OTHER: Uuid = uuid!("7c9e6679-7425-40de-944b-e07fc1f90ae7");
const ORGANIZATION: Uuid = uuid!("e4eaaaf2-d142-11e1-b3e4-080027620cdd");
/// 2024-05-01T12:00:00.1234567Z.
const TICKS: i64 = 638_501_616_001_234_567;

fn sample(name: &str) -> Vec<u8> {
    let path = format!("{}/schemas/samples/v1/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn ticks() -> Ticks {
    Ticks::new(TICKS).unwrap()
}

fn every_type() -> Change {
    let lookup = Lookup { id: RecordId(OTHER), entity: "contact".into() };
    let long_name = "new_an_attribute_whose_name_is_longer_than_most";
    let attributes = [
        ("address1_fax", Value::Null),
        ("creditonhold", Value::Boolean(true)),
        ("numberofemployees", Value::Integer(-250)),
        ("entityimage_timestamp", Value::Long(638_501_616_000_000_001)),
        ("address1_latitude", Value::Double(-47.123_456)),
        ("revenue", Value::Decimal("-1234567890123456789.0123".parse().unwrap())),
        ("name", Value::Text("Contoso Żółć 😀".into())),
        ("processid", Value::Guid(RecordId(OTHER))),
        ("lastonholdtime", Value::Timestamp(ticks())),
        ("anniversary", Value::Date(-1)),
        ("entityimage", Value::Bytes([0, 1, 254, 255].into())),
        ("primarycontactid", Value::Lookup(Box::new(lookup))),
        ("statecode", Value::Choice(1)),
        ("new_interests", Value::Choices([100_000_000, 3, -1].into())),
        (long_name, Value::Untyped("/Date(1608015600000)/".into())),
    ];
    Change {
        organization_id: Some(ORGANIZATION),
        entity: EntityName::new("account"),
        record_id: RecordId(RECORD),
        operation: Operation::Update,
        image: Image::Patch,
        version: Some(Version(7_301_442)),
        changed_at: Some(ticks()),
        attributes: attributes.map(|(name, value)| (name.into(), value)).to_vec(),
        correlation_id: Some(OTHER),
        payload_reference: None,
    }
}

fn least(operation: Operation) -> Change {
    Change {
        organization_id: None,
        entity: EntityName::new("contact"),
        record_id: RecordId(RECORD),
        operation,
        image: Image::Full,
        version: None,
        changed_at: None,
        attributes: vec![],
        correlation_id: None,
        payload_reference: None,
    }
}

fn referenced() -> Change {
    let reference = "https://content.example/0f8fad5b";
    Change { payload_reference: Some(reference.into()), ..least(Operation::Snapshot) }
}

fn marker() -> SnapshotMarker {
    SnapshotMarker {
        organization_id: Some(ORGANIZATION),
        entity: EntityName::new("account"),
        phase: SnapshotPhase::End,
        sync_id: OTHER,
        marked_at: Some(ticks()),
    }
}

fn record(fields: Vec<(&str, Avro)>) -> Avro {
    Avro::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn text(content: &str) -> Avro {
    Avro::String(content.to_owned())
}

fn guid(id: Uuid) -> Avro {
    Avro::Fixed(16, id.as_bytes().to_vec())
}

fn null() -> Avro {
    Avro::Union(0, Box::new(Avro::Null))
}

fn some(value: Avro) -> Avro {
    Avro::Union(1, Box::new(value))
}

fn entity_metadata() -> Avro {
    let label = |language, content| {
        record(vec![("language", Avro::Int(language)), ("text", text(content))])
    };
    let side =
        |entity, attribute| record(vec![("entity", text(entity)), ("attribute", text(attribute))]);
    let option = record(vec![
        ("value", Avro::Int(2)),
        ("state", some(Avro::Int(1))),
        ("labels", Avro::Array(vec![label(1033, "Inactive"), label(1031, "Inaktiv")])),
    ]);
    let attribute = record(vec![
        ("name", text("statuscode")),
        ("kind", text("Status")),
        ("max_length", null()),
        ("precision", some(Avro::Int(2))),
        ("targets", Avro::Array(vec![text("account")])),
        ("option_set", some(text("contact_statuscode"))),
        ("options", Avro::Array(vec![option])),
        ("labels", Avro::Array(vec![label(1033, "Status Reason")])),
        ("global_option_set", Avro::Boolean(true)),
        ("metadata_id", some(guid(ORGANIZATION))),
    ]);
    let id = |name| {
        record(vec![
            ("name", text(name)),
            ("kind", text("Uniqueidentifier")),
            ("max_length", null()),
            ("precision", null()),
            ("targets", Avro::Array(vec![])),
            ("option_set", null()),
            ("options", Avro::Array(vec![])),
            ("labels", Avro::Array(vec![])),
            ("global_option_set", Avro::Boolean(false)),
            ("metadata_id", null()),
        ])
    };
    let ids = ["contactopportunityid", "contactid", "opportunityid"].map(id);
    record(vec![
        ("entity", text("contactopportunities")),
        ("organization_id", some(guid(ORGANIZATION))),
        ("defined_at", some(Avro::Long(TICKS))),
        ("primary_id", text("contactopportunityid")),
        (
            "intersect",
            some(record(vec![
                ("relationship", text("contactopportunities_association")),
                ("first", side("contact", "contactid")),
                ("second", side("opportunity", "opportunityid")),
            ])),
        ),
        ("attributes", Avro::Array(ids.into_iter().chain([attribute]).collect())),
    ])
}

fn failed_record() -> Avro {
    let header = record(vec![
        ("name", text("content-type")),
        ("value", Avro::Bytes(b"application/json".to_vec())),
    ]);
    record(vec![
        ("profile_id", text("warehouse")),
        ("entity", some(text("account"))),
        ("record_id", some(guid(RECORD))),
        ("topic", text("keepstep.contoso.account")),
        ("partition", Avro::Int(3)),
        ("offset", Avro::Long(4_711)),
        ("revision", Avro::Long(1_714_564_800_123_456)),
        ("state", Avro::Enum(0, "held".to_owned())),
        ("cause", text("text_too_long")),
        ("column", some(text("name"))),
        ("detail", some(text("text of 161 UTF-16 units is longer than the column's 160"))),
        ("attempt", Avro::Int(2)),
        ("held_at", Avro::Long(TICKS)),
        ("revised_at", Avro::Long(TICKS + 1)),
        (
            "original",
            some(record(vec![
                ("key", some(Avro::Bytes(b"0f8fad5b-d9cb-469f-a165-70867728950e".to_vec()))),
                ("payload", some(Avro::Bytes(b"{}".to_vec()))),
                ("headers", Avro::Array(vec![header])),
                ("timestamp_ms", Avro::Long(1_714_564_800_123)),
            ])),
        ),
    ])
}

#[test]
fn changes_of_version_1() {
    for (name, expected) in [
        ("change_every_type.avro", every_type()),
        ("change_every_type.json", every_type()),
        ("change_delete.avro", least(Operation::Delete)),
        ("change_delete.json", least(Operation::Delete)),
        ("change_referenced.avro", referenced()),
    ] {
        assert_eq!(decode(&sample(name)), Ok(Notification::Change(expected)), "{name}");
    }
}

#[test]
fn markers_of_version_1() {
    for name in ["snapshot_marker.avro", "snapshot_marker.json"] {
        assert_eq!(decode(&sample(name)), Ok(Notification::Marker(marker())), "{name}");
    }
}

#[test]
fn no_cut_of_a_sample_is_a_notification() {
    for name in [
        "change_every_type.avro",
        "change_every_type.json",
        "change_delete.avro",
        "change_delete.json",
        "change_referenced.avro",
        "snapshot_marker.avro",
        "snapshot_marker.json",
    ] {
        let bytes = sample(name);
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "{name} cut to {length} bytes");
        }
    }
}

/// All four in single-object framing: the fingerprint in front is that of today's schema file, and
/// the general library reads what follows.
#[test]
fn every_schema_still_reads_version_1() {
    for (schema, name, expected) in [
        ("change_notification", "change_every_type.avro", reference::of_change(&every_type())),
        ("entity_metadata", "entity_metadata.avro", entity_metadata()),
        ("failed_record", "failed_record.avro", failed_record()),
    ] {
        let bytes = sample(name);
        let schema = reference::schema(schema);
        assert_eq!(bytes[..2], [0xc3, 0x01], "{name}");
        assert_eq!(bytes[2..10], schema.fingerprint::<Rabin>().bytes, "{name}");
        let value = reference::read(&schema, &bytes[10..]).unwrap();
        if name.starts_with("change") {
            // The reference spells decimals longer; compare what they mean.
            assert_eq!(reference::to_change(value), reference::to_change(expected), "{name}");
        } else {
            assert_eq!(value, expected, "{name}");
        }
    }
}

/// The definition of the sample, and that writing it gives the sample but for what nobody here
/// knows: the organisation and the time.
#[test]
fn the_definition_of_version_1() {
    let bytes = sample("entity_metadata.avro");
    let definition = decode_entity_metadata(&bytes).unwrap();
    assert_eq!(definition.name.as_str(), "contactopportunities");
    let intersect = definition.intersect.as_ref().unwrap();
    assert_eq!(intersect.second.attribute, "opportunityid");
    let attribute = &definition.attributes[3];
    assert_eq!(attribute.type_name(), "Status");
    assert!(attribute.origin.global_option_set);
    assert_eq!(attribute.origin.metadata_id, Some(ORGANIZATION));
    let AttributeKind::Choice { option_set, options } = &attribute.kind else {
        panic!("{attribute:?}");
    };
    assert_eq!(option_set.as_deref(), Some("contact_statuscode"));
    assert_eq!((options[0].value, options[0].state), (2, Some(1)));
    assert_eq!(options[0].labels[1].text, "Inaktiv");
    let written = encode_entity_metadata(&definition);
    assert_eq!(decode_entity_metadata(&written).unwrap(), definition);
    for length in 0..bytes.len() {
        assert!(decode_entity_metadata(&bytes[..length]).is_err(), "cut to {length} bytes");
    }
}

/// Every definition that comes along survives the way over the topic.
#[test]
fn shipped_definitions_travel() {
    for file in ["account", "contact", "opportunity", "opportunityproduct", "product"] {
        let path = format!("{}/definitions/{file}.json", env!("CARGO_MANIFEST_DIR"));
        for definition in read_definitions(&std::fs::read(path).unwrap()).unwrap() {
            let written = encode_entity_metadata(&definition);
            let value = reference::read(&reference::schema("entity_metadata"), &written[10..]);
            assert!(matches!(value, Some(Avro::Record(_))), "{file}");
            assert_eq!(decode_entity_metadata(&written).unwrap(), definition, "{file}");
        }
    }
}

/// The example of `schemas/README.md`, worked out with another implementation of UUIDv5.
#[test]
fn ids_of_links_never_change() {
    let id = link_id("contactleads", RecordId(Uuid::from_u128(1)), RecordId(Uuid::from_u128(2)));
    assert_eq!(id.canonical(), "8ae957bd-4cbc-558f-bf5e-3e9cf9557c0b");
}
