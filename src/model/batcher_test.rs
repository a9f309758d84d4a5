//! Limits and borders of a batch.

use super::*;
use crate::model::change::{Change, Image, Operation, Version};
use crate::model::entity::{Attribute, AttributeKind, EntityDefinition};
use crate::model::mapping::UnknownAttribute;
use crate::model::record::EntityName;
use crate::model::table::Table;
use crate::model::value::Value;
use uuid::Uuid;

fn mapping(entity: &str) -> Arc<Mapping> {
    let attribute = Attribute {
        name: "name".into(),
        kind: AttributeKind::Memo,
        labels: Vec::new(),
        origin: crate::model::entity::Origin::default(),
    };
    let definition = EntityDefinition {
        name: EntityName::new(entity),
        primary_id: "id".into(),
        intersect: None,
        attributes: vec![attribute],
    };
    let table = Table::of(&definition, "dbo", None);
    Arc::new(Mapping::new(&definition, table, true, UnknownAttribute::Stop))
}

fn piece(mapping: &Arc<Mapping>, record: u128, version: i64, operation: Operation) -> Piece {
    let change = Change {
        organization_id: None,
        entity: mapping.entity.clone(),
        record_id: RecordId(Uuid::from_u128(record)),
        operation,
        image: Image::Full,
        version: Some(Version(version)),
        changed_at: None,
        attributes: vec![("name".into(), Value::Text("a text of some length, on the heap".into()))],
        correlation_id: None,
        payload_reference: None,
    };
    (Arc::clone(mapping), mapping.apply(change).unwrap())
}

fn limits() -> BatchLimits {
    BatchLimits { changes: 3, bytes: 1 << 20, linger: Duration::from_millis(50) }
}

#[test]
fn ends_by_count_bytes_and_age() {
    let (contact, now) = (mapping("contact"), Instant::now());
    let mut batcher = Batcher::new(limits(), Mutations::default());
    assert_eq!(batcher.deadline(), None);
    for record in 0..3 {
        assert!(!batcher.is_full());
        batcher.push(piece(&contact, record, 1, Operation::Create), Offset(0), now).unwrap();
    }
    assert!(batcher.is_full());
    assert_eq!(batcher.deadline(), Some(now + Duration::from_millis(50)));
    assert_eq!(batcher.take().change_count, 3);
    assert!(batcher.is_empty());
    assert_eq!(batcher.deadline(), None);

    let narrow = BatchLimits { bytes: 1, ..limits() };
    let mut batcher = Batcher::new(narrow, Mutations::default());
    batcher.push(piece(&contact, 1, 1, Operation::Create), Offset(0), now).unwrap();
    assert!(batcher.is_full());
    assert!(batcher.take().memory_bytes > 30);
}

#[test]
fn one_change_per_record_and_tables_in_one_order() {
    let (contact, account, now) = (mapping("contact"), mapping("account"), Instant::now());
    let mut batcher = Batcher::new(limits(), Mutations::default());
    batcher.push(piece(&contact, 1, 1, Operation::Create), Offset(0), now).unwrap();
    batcher.push(piece(&account, 1, 1, Operation::Create), Offset(1), now).unwrap();
    batcher.push(piece(&contact, 1, 2, Operation::Update), Offset(2), now).unwrap();
    batcher.push(piece(&contact, 1, 1, Operation::Update), Offset(3), now).unwrap();
    let batch = batcher.take();
    let names: Vec<&str> = batch.tables.iter().map(|table| table.mapping.entity.as_str()).collect();
    assert_eq!(names, ["account", "contact"]);
    assert_eq!(batch.tables[1].changes.len(), 1);
    assert_eq!((batch.change_count, batch.superseded_count), (4, 1));
}

#[test]
fn the_changes_of_one_notification_stay_together() {
    let (link, now) = (mapping("accountleads"), Instant::now());
    let mut batcher = Batcher::new(limits(), Mutations::default());
    batcher.push(piece(&link, 1, 1, Operation::Create), Offset(0), now).unwrap();
    let pieces = |version| {
        vec![
            piece(&link, 1, version, Operation::Create),
            piece(&link, 2, version, Operation::Create),
        ]
    };
    let back = batcher.push_all(pieces(2), Offset(1), now).unwrap_err();
    assert_eq!(back.len(), 2);
    assert_eq!(batcher.take().change_count, 1);
    batcher.push_all(back, Offset(1), now).unwrap();
    assert_eq!(batcher.take().tables[0].changes.len(), 2);
}

#[test]
fn changes_of_one_notification_that_contradict_each_other_fit_no_batch() {
    let (contact, now) = (mapping("contact"), Instant::now());
    let mut patch = piece(&contact, 1, 9, Operation::Update);
    if let Effect::Image { cells, .. } = patch.1.effect {
        patch.1.effect = Effect::Patch { cells };
    }
    let pieces = vec![piece(&contact, 1, 5, Operation::Delete), patch];
    let mut batcher = Batcher::new(limits(), Mutations::default());
    assert!(batcher.push_all(pieces, Offset(0), now).is_err());
    assert!(batcher.is_empty());
}
