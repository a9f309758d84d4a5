//! Links of N:N relationships, and what our own writer makes of changes.

use std::collections::HashMap;

use compact_str::CompactString;
use keepstep::codec::{
    DataverseOrigin, DecodeCode, DecoderSettings, NotExpressible, Relationships, encode_dataverse,
    encode_dataverse_links,
};
use keepstep::model::change::{Change, Image, Notification, Operation, Version};
use keepstep::model::decimal::Decimal;
use keepstep::model::entity::{
    Attribute, AttributeKind, EntityDefinition, Intersect, IntersectSide,
};
use keepstep::model::record::{EntityName, RecordId, link_id};
use keepstep::model::value::{Lookup, Ticks, Value};
use proptest::prelude::*;
use uuid::Uuid;

use super::dataverse::{ID, envelope, reference};
use super::{decode_with, strategy};

fn intersect(entity: &str, relationship: &str, first: &str, second: &str) -> EntityDefinition {
    let side = |entity: &str, attribute: &str| IntersectSide {
        entity: EntityName::new(entity),
        attribute: attribute.into(),
    };
    let second_attribute = if first == second { "entityidtwo" } else { "secondid" };
    EntityDefinition {
        name: EntityName::new(entity),
        primary_id: format!("{entity}id").into(),
        intersect: Some(Intersect {
            relationship: relationship.into(),
            first: side(first, "firstid"),
            second: side(second, second_attribute),
        }),
        attributes: vec![],
    }
}

fn settings() -> DecoderSettings {
    let definitions = [
        intersect(
            "contactopportunities",
            "contactopportunities_Association",
            "contact",
            "opportunity",
        ),
        intersect("accountpeers", "accountpeers_association", "account", "account"),
    ];
    DecoderSettings { relationships: Relationships::of(&definitions), ..DecoderSettings::default() }
}

fn id(number: u128) -> RecordId {
    RecordId(Uuid::from_u128(number))
}

fn message(
    message: &str,
    relationship: &str,
    role: &str,
    target: (&str, u128),
    related: &[(&str, u128)],
) -> String {
    let reference = |(entity, number): (&str, u128)| reference(entity, &id(number).canonical());
    let related: Vec<String> = related.iter().copied().map(reference).collect();
    let input = format!(
        r#"{{"key":"Target","value":{}}},{{"key":"Relationship","value":{{"__type":"Relationship:x","PrimaryEntityRole":{role},"SchemaName":"{relationship}"}}}},{{"key":"RelatedEntities","value":[{}]}}"#,
        reference(target),
        related.join(",")
    );
    envelope(message, &input, "", "none", "00000000-0000-0000-0000-000000000000")
}

fn decode(json: &str) -> Result<Notification, DecodeCode> {
    decode_with(settings(), json.as_bytes()).map_err(|error| error.code)
}

fn ids(notification: Notification) -> Vec<RecordId> {
    match notification {
        Notification::Change(change) => vec![change.record_id],
        Notification::Changes(changes) => {
            changes.into_iter().map(|change| change.record_id).collect()
        }
        other => panic!("{other:?}"),
    }
}

const NAME: &str = "contactopportunities_association";

#[test]
fn one_message_makes_many_links() {
    let json = message(
        "Associate",
        NAME,
        "null",
        ("contact", 1),
        &[("opportunity", 2), ("opportunity", 3)],
    );
    let Ok(Notification::Changes(changes)) = decode(&json) else { panic!("two changes") };
    assert_eq!(changes.len(), 2);
    let expected = link_id("contactopportunities", id(1), id(3));
    assert_eq!(changes[1].record_id, expected);
    assert_eq!(changes[1].entity.as_str(), "contactopportunities");
    assert_eq!((changes[1].operation, changes[1].image), (Operation::Create, Image::Full));
    let sides = [("firstid".into(), Value::Guid(id(1))), ("secondid".into(), Value::Guid(id(3)))];
    assert_eq!(changes[1].attributes, sides);
    assert!(changes[1].changed_at.is_some() && changes[1].organization_id.is_some());
}

#[test]
fn a_link_has_one_id_from_whichever_side_it_was_made() {
    let from_first = message("Associate", NAME, "null", ("contact", 1), &[("opportunity", 2)]);
    let from_second = message("Disassociate", NAME, "null", ("opportunity", 2), &[("contact", 1)]);
    let Ok(Notification::Change(made)) = decode(&from_first) else { panic!("a change") };
    let Ok(Notification::Change(removed)) = decode(&from_second) else { panic!("a change") };
    assert_eq!((made.operation, removed.operation), (Operation::Create, Operation::Delete));
    assert_eq!(made.record_id, removed.record_id);
}

#[test]
fn the_role_tells_the_sides_of_an_entity_related_to_itself() {
    let json = |role: &str| {
        message("Associate", "accountpeers_association", role, ("account", 1), &[("account", 2)])
    };
    let from_first = vec![link_id("accountpeers", id(1), id(2))];
    let from_second = vec![link_id("accountpeers", id(2), id(1))];
    assert_eq!(ids(decode(&json("0")).unwrap()), from_first);
    assert_eq!(ids(decode(&json("\"0\"")).unwrap()), from_first);
    assert_eq!(ids(decode(&json("1")).unwrap()), from_second);
    assert_eq!(decode(&json("null")), Err(DecodeCode::Missing));
    assert_eq!(decode(&json("2")), Err(DecodeCode::OutOfRange));
}

#[test]
fn links_of_other_relationships_are_not_ours() {
    let json = message(
        "Associate",
        "contact_customer_accounts",
        "null",
        ("contact", 1),
        &[("account", 2)],
    );
    let relationship = CompactString::new("contact_customer_accounts");
    assert_eq!(decode(&json), Ok(Notification::OtherLinks { relationship }));
}

#[test]
fn links_between_the_wrong_entities_are_refused() {
    let json = message("Associate", NAME, "null", ("contact", 1), &[("lead", 2)]);
    assert_eq!(decode(&json), Err(DecodeCode::Contradiction));
}

#[test]
fn links_have_a_limit() {
    let many = |count: usize| vec![("opportunity", 2); count];
    let json = message("Associate", NAME, "null", ("contact", 1), &many(4_096));
    assert_eq!(ids(decode(&json).unwrap()).len(), 4_096);
    let json = message("Associate", NAME, "null", ("contact", 1), &many(4_097));
    assert_eq!(decode(&json), Err(DecodeCode::TooMany));
}

fn origin() -> DataverseOrigin {
    DataverseOrigin {
        organization_id: Uuid::from_u128(9),
        organization_name: "orgmadeup".into(),
        user_id: Uuid::from_u128(8),
        business_unit_id: Uuid::from_u128(7),
        post_image_alias: Some("whole".into()),
    }
}

/// A definition in which `creditlimit` is money and all else is unknown.
fn contact() -> EntityDefinition {
    EntityDefinition {
        name: EntityName::new("contact"),
        primary_id: "contactid".into(),
        intersect: None,
        attributes: vec![Attribute {
            name: "creditlimit".into(),
            kind: AttributeKind::Money { precision: 2 },
            labels: Vec::new(),
            origin: keepstep::model::entity::Origin::default(),
        }],
    }
}

/// What a value is after the journey: this wire has no types for text, ids and times, and no
/// fractions of a millisecond.
fn on_the_wire(value: Value) -> Value {
    let date = |ticks: Ticks| Value::Untyped(format!("/Date({})/", ticks.to_unix_ms()).into());
    match value {
        Value::Text(text) => Value::Untyped(text),
        Value::Guid(id) => Value::Untyped(id.canonical().into()),
        Value::Timestamp(ticks) => date(ticks),
        Value::Date(days) => {
            Value::Untyped(format!("/Date({})/", i64::from(days) * 86_400_000).into())
        }
        Value::Long(number) => i32::try_from(number).map_or(Value::Long(number), Value::Integer),
        Value::Decimal(number) if number.scale() == 0 => i64::try_from(number.unscaled())
            .map_or(Value::Decimal(number), |number| on_the_wire(Value::Long(number))),
        Value::Bytes(bytes) if bytes.is_empty() => Value::Choices([].into()),
        other => other,
    }
}

proptest! {
    #[test]
    fn what_we_write_is_read_back(
        value in strategy::value(),
        operation in prop::sample::select(vec![Operation::Create, Operation::Update]),
        image in prop::sample::select(vec![Image::Full, Image::Patch]),
        version in prop::option::of(any::<i64>()),
    ) {
        prop_assume!(!matches!(value, Value::Double(_)));
        let image = if operation == Operation::Create { Image::Full } else { image };
        let change = Change {
            organization_id: Some(Uuid::from_u128(5)),
            entity: EntityName::new("contact"),
            record_id: RecordId(ID.parse().unwrap()),
            operation,
            image,
            version: version.map(Version),
            changed_at: Ticks::from_unix_ms(1_700_000_000_123),
            attributes: vec![
                ("some/attribute".into(), value),
                ("creditlimit".into(), Value::Decimal("5.00".parse().unwrap())),
            ],
            correlation_id: Some(Uuid::from_u128(6)),
            payload_reference: None,
        };
        let json = encode_dataverse(&change, &contact(), &origin()).unwrap();
        let _: serde_json::Value = serde_json::from_str(&json).unwrap();
        let settings = DecoderSettings {
            post_image_alias: Some("whole".into()),
            ..DecoderSettings::default()
        };
        let decoded = decode_with(settings, json.as_bytes()).unwrap();
        let mut expected = change;
        for (_, value) in &mut expected.attributes {
            *value = on_the_wire(std::mem::replace(value, Value::Null));
        }
        prop_assert_eq!(decoded, Notification::Change(expected));
    }
}

fn plain(operation: Operation) -> Change {
    Change {
        organization_id: None,
        entity: EntityName::new("contact"),
        record_id: id(1),
        operation,
        image: Image::Full,
        version: None,
        changed_at: None,
        attributes: vec![],
        correlation_id: None,
        payload_reference: None,
    }
}

#[test]
fn types_look_as_captured() {
    let mut change = plain(Operation::Create);
    let lookup = Lookup { id: id(2), entity: "account".into() };
    change.attributes = vec![
        ("creditlimit".into(), Value::Decimal(Decimal::new(500, 2).unwrap())),
        ("statecode".into(), Value::Choice(1)),
        ("parentcustomerid".into(), Value::Lookup(Box::new(lookup))),
        ("birthdate".into(), Value::Date(1)),
    ];
    let json = encode_dataverse(&change, &contact(), &origin()).unwrap();
    let contracts = r"http:\/\/schemas.microsoft.com\/xrm\/2011\/Contracts";
    for part in [
        format!(r#"{{"key":"creditlimit","value":{{"__type":"Money:{contracts}","Value":5.00}}}}"#),
        format!(
            r#"{{"key":"statecode","value":{{"__type":"OptionSetValue:{contracts}","Value":1}}}}"#
        ),
        format!(
            r#"{{"__type":"EntityReference:{contracts}","Id":"{}","KeyAttributes":[],"LogicalName":"account","Name":null,"RowVersion":null}}"#,
            id(2)
        ),
        r#"{"key":"birthdate","value":"\/Date(86400000)\/"}"#.to_owned(),
        r#""InputParameters":[{"key":"Target","value":{"__type":"Entity:"#.to_owned(),
    ] {
        assert!(json.contains(&part), "{part}\n{json}");
    }
    let envelope: HashMap<String, serde_json::Value> = serde_json::from_str(&json).unwrap();
    assert_eq!(envelope["MessageName"], "Create");
    assert_eq!(envelope["OutputParameters"][0]["value"], id(1).canonical());
}

#[test]
fn deletes_and_stripped_changes_are_read_back() {
    let read = |change: &Change| {
        let json = encode_dataverse(change, &contact(), &origin()).unwrap();
        let mut expected = change.clone();
        expected.organization_id = Some(Uuid::from_u128(9));
        assert_eq!(decode(&json), Ok(Notification::Change(expected)));
    };
    read(&plain(Operation::Delete));
    let mut stripped = plain(Operation::Create);
    stripped.payload_reference = Some(format!("dataverse:contact({})", id(1)).into());
    read(&stripped);
}

#[test]
fn links_are_read_back() {
    let definition = intersect("contactopportunities", NAME, "contact", "opportunity");
    for operation in [Operation::Create, Operation::Delete] {
        let links: Vec<Change> = (2..5)
            .map(|other| Change {
                entity: definition.name.clone(),
                record_id: link_id("contactopportunities", id(1), id(other)),
                organization_id: Some(Uuid::from_u128(9)),
                attributes: vec![
                    ("firstid".into(), Value::Guid(id(1))),
                    ("secondid".into(), Value::Guid(id(other))),
                ],
                ..plain(operation)
            })
            .collect();
        let json = encode_dataverse_links(&links, &definition, &origin()).unwrap();
        assert_eq!(decode(&json), Ok(Notification::Changes(links.clone())));
        let json = encode_dataverse(&links[0], &definition, &origin()).unwrap();
        assert_eq!(decode(&json), Ok(Notification::Change(links[0].clone())));
    }
}

#[test]
fn what_has_no_place_in_a_context_is_an_error() {
    let encode = |change: &Change, origin: &DataverseOrigin| {
        encode_dataverse(change, &contact(), origin).unwrap_err()
    };
    assert_eq!(encode(&plain(Operation::Snapshot), &origin()), NotExpressible::Snapshot);
    let without = DataverseOrigin { post_image_alias: None, ..origin() };
    assert_eq!(encode(&plain(Operation::Update), &without), NotExpressible::NoAlias);
    let mut float = plain(Operation::Create);
    float.attributes = vec![("x".into(), Value::Double(f64::NAN))];
    assert_eq!(encode(&float, &origin()), NotExpressible::NotFinite("x".into()));
    let definition = intersect("contactopportunities", NAME, "contact", "opportunity");
    let links = [plain(Operation::Delete)];
    assert_eq!(encode_dataverse_links(&links, &definition, &origin()), Err(NotExpressible::Sides));
}
