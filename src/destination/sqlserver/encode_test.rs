//! What the driver is given, column by column.

use std::sync::Arc;

use super::*;
use crate::destination::sqlserver::shape::Shape;
use crate::model::batch::TableBatch;
use crate::model::change::Version;
use crate::model::entity::{Attribute, AttributeKind, EntityDefinition};
use crate::model::instant_text::parse_instant;
use crate::model::mapping::{Effect, Fitted, Mapping, UnknownAttribute};
use crate::model::position::Offset;
use crate::model::record::{EntityName, RecordId};

/// A column of each type.
fn mapping(versioned: bool) -> Arc<Mapping> {
    let attribute = |name: &str, kind| Attribute {
        name: name.into(),
        kind,
        labels: Vec::new(),
        origin: crate::model::entity::Origin::default(),
    };
    let definition = EntityDefinition {
        name: EntityName::new("account"),
        primary_id: "".into(),
        intersect: None,
        attributes: vec![
            attribute("a", AttributeKind::Text { max_length: Some(160) }),
            attribute("b", AttributeKind::Memo),
            attribute("c", AttributeKind::Integer),
            attribute("d", AttributeKind::BigInt),
            attribute("e", AttributeKind::Boolean),
            attribute("f", AttributeKind::DateTime),
            attribute("g", AttributeKind::Money { precision: 2 }),
            attribute("h", AttributeKind::Guid),
        ],
    };
    let table = Table::of(&definition, "dbo", None);
    Arc::new(Mapping::new(&definition, table, versioned, UnknownAttribute::Stop))
}

fn batch(versioned: bool, effects: Vec<Vec<Effect>>) -> TableBatch {
    let mut changes = Vec::new();
    for (record, effects) in (1..).zip(effects) {
        let mut version = 10;
        let mut fitted = effects.into_iter().map(|effect| {
            version += 1;
            let record_id = RecordId(Uuid::from_u128(record));
            let version = versioned.then_some(Version(version));
            Fitted { record_id, version, effect, dropped_attributes: 0 }
        });
        let mut net = NetChange::of(fitted.next().unwrap(), Offset(800));
        for further in fitted {
            net.merge(further, Offset(801));
        }
        changes.push(net);
    }
    TableBatch { mapping: mapping(versioned), changes }
}

/// Rows of cells, and what was set aside: column, row and length of each.
type Rows = (Vec<Vec<ColumnData<'static>>>, Vec<(u8, u16, usize)>);

fn rows(table: &TableBatch) -> Rows {
    let shape = Shape::of(table);
    let mapping = &table.mapping;
    let mut encoder = Encoder::new(&shape, &mapping.table, mapping.versioned);
    let mut all = Vec::new();
    for at in &shape.order {
        for row in encoder.rows(&table.changes[*at as usize]).into_iter().flatten() {
            all.push(row.into_iter().map(owned).collect());
        }
    }
    let long = encoder.long_texts.iter().map(|long| (long.kind, long.column, long.text.len()));
    (all, long.collect())
}

fn owned(datum: ColumnData<'_>) -> ColumnData<'static> {
    match datum {
        ColumnData::String(text) => {
            ColumnData::String(text.map(|text| Cow::Owned(text.into_owned())))
        }
        ColumnData::Binary(bytes) => {
            ColumnData::Binary(bytes.map(|bytes| Cow::Owned(bytes.into_owned())))
        }
        ColumnData::U8(value) => ColumnData::U8(value),
        ColumnData::I32(value) => ColumnData::I32(value),
        ColumnData::I64(value) => ColumnData::I64(value),
        ColumnData::Bit(value) => ColumnData::Bit(value),
        ColumnData::Guid(value) => ColumnData::Guid(value),
        ColumnData::Numeric(value) => ColumnData::Numeric(value),
        ColumnData::DateTime(value) => ColumnData::DateTime(value),
        other => panic!("never staged: {other:?}"),
    }
}

fn text(text: &str) -> ColumnData<'static> {
    ColumnData::String(Some(Cow::Owned(text.to_owned())))
}

fn id(record: u128) -> ColumnData<'static> {
    ColumnData::Guid(Some(Uuid::from_u128(record)))
}

fn bytes(bytes: &[u8]) -> ColumnData<'static> {
    ColumnData::Binary(Some(Cow::Owned(bytes.to_owned())))
}

#[test]
fn every_cell_has_its_columns_type() {
    let cells = vec![
        (0, Cell::Text("ä".into())),
        (1, Cell::Text("".into())),
        (2, Cell::Integer(-5)),
        (3, Cell::Long(7)),
        (4, Cell::Boolean(true)),
        (5, Cell::Timestamp(parse_instant("1900-01-02T00:00:00.5Z").unwrap())),
        (6, Cell::Decimal("-1.50".parse().unwrap())),
        (7, Cell::Guid(RecordId(Uuid::from_u128(9)))),
    ];
    let full = Effect::Image { create: true, cells };
    let empty = Effect::Image { create: false, cells: Vec::new() };
    let (found, _) = rows(&batch(false, vec![vec![full], vec![empty]]));
    let moment = DateTime::new(1, 150);
    assert_eq!(
        found[0],
        [
            ColumnData::U8(Some(KIND_CREATE)),
            id(1),
            text("ä"),
            text(""),
            ColumnData::I32(Some(-5)),
            ColumnData::I64(Some(7)),
            ColumnData::Bit(Some(true)),
            ColumnData::DateTime(Some(moment)),
            ColumnData::Numeric(Some(Numeric::new_with_scale(-150, 2))),
            id(9),
        ]
    );
    assert_eq!(
        found[1],
        [
            ColumnData::U8(Some(KIND_IMAGE)),
            id(2),
            ColumnData::String(None),
            ColumnData::String(None),
            ColumnData::I32(None),
            ColumnData::I64(None),
            ColumnData::Bit(None),
            ColumnData::DateTime(None),
            ColumnData::Numeric(None),
            ColumnData::Guid(None),
        ]
    );
}

#[test]
fn times_are_rounded_as_the_server_rounds_them() {
    // The examples of its documentation, then the ends of the calendar and of a day.
    for (text, days, parts) in [
        ("1998-01-01T23:59:59.999Z", 35_795, 0),
        ("1998-01-01T23:59:59.995Z", 35_794, 25_919_999),
        ("1998-01-01T23:59:59.996Z", 35_794, 25_919_999),
        ("1998-01-01T23:59:59.997Z", 35_794, 25_919_999),
        ("1998-01-01T23:59:59.998Z", 35_794, 25_919_999),
        ("1998-01-01T23:59:59.992Z", 35_794, 25_919_998),
        ("1998-01-01T23:59:59.994Z", 35_794, 25_919_998),
        ("1998-01-01T23:59:59.990Z", 35_794, 25_919_997),
        ("1998-01-01T23:59:59.991Z", 35_794, 25_919_997),
        ("1900-01-01T00:00:00Z", 0, 0),
        ("1753-01-01T00:00:00Z", -53_690, 0),
        ("9999-12-31T23:59:59.998Z", 2_958_463, 25_919_999),
    ] {
        let found = moment(parse_instant(text).unwrap());
        assert_eq!(found, Some(DateTime::new(days, parts)), "{text}");
    }
}

#[test]
fn parts_of_a_change_are_rows_of_their_own() {
    let image = Effect::Image { create: false, cells: vec![(0, Cell::Text("x".into()))] };
    let patch = |column, cell| Effect::Patch { cells: vec![(column, cell)] };
    let (found, _) = rows(&batch(
        true,
        vec![
            vec![image, patch(2, Cell::Integer(1))],
            vec![patch(2, Cell::Integer(2)), patch(0, Cell::Null)],
            vec![Effect::Delete],
        ],
    ));
    let number = |value: i64| ColumnData::I64(Some(value));
    let versions = |versions: [i64; 2]| {
        bytes(&versions.iter().flat_map(|version| version.to_be_bytes()).collect::<Vec<_>>())
    };
    let none = || ColumnData::I64(None);
    assert_eq!(
        found,
        [
            // The image with its patch in it, and the patch: version, guard, offset, versions, cells.
            vec![
                ColumnData::U8(Some(KIND_IMAGE)),
                id(1),
                number(12),
                number(11),
                none(),
                ColumnData::Binary(None),
                text("x"),
                ColumnData::I32(Some(1))
            ],
            vec![
                ColumnData::U8(Some(KIND_BASED_PATCH)),
                id(1),
                number(12),
                none(),
                none(),
                versions([i64::MIN, 12]),
                ColumnData::String(None),
                ColumnData::I32(Some(1))
            ],
            vec![
                ColumnData::U8(Some(KIND_PATCH)),
                id(2),
                number(12),
                none(),
                none(),
                versions([12, 11]),
                ColumnData::String(None),
                ColumnData::I32(Some(2))
            ],
            vec![
                ColumnData::U8(Some(KIND_DELETE)),
                id(3),
                number(11),
                none(),
                number(800),
                ColumnData::Binary(None),
                ColumnData::String(None),
                ColumnData::I32(None)
            ],
        ]
    );
}

#[test]
fn flags_tell_which_columns_a_patch_names() {
    let patch = |cells: Vec<(u16, Cell)>| vec![Effect::Patch { cells }];
    let one = patch(vec![(0, Cell::Null), (4, Cell::Boolean(true))]);
    let other = patch(vec![(2, Cell::Integer(1))]);
    let (found, _) = rows(&batch(true, vec![one, other]));
    assert_eq!(found[0][3], bytes(&[1, 0, 1]));
    assert_eq!(found[1][3], bytes(&[0, 1, 0]));
}

#[test]
fn texts_that_no_bulk_load_carries_are_set_aside() {
    let image = |text: String| {
        vec![Effect::Image { create: false, cells: vec![(1, Cell::Text(text.into()))] }]
    };
    let at_limit = "x".repeat(LONGEST_BULK_UNITS);
    // Two bytes each, one unit each.
    let bytes_only = "é".repeat(LONGEST_BULK_UNITS);
    let beyond = "x".repeat(LONGEST_BULK_UNITS + 1);
    let table = batch(true, vec![image(at_limit), image(bytes_only), image(beyond)]);
    let (found, long) = rows(&table);
    assert_eq!(long, [(KIND_IMAGE, 1, LONGEST_BULK_UNITS + 1)]);
    assert_eq!(found[2][3], ColumnData::String(None));
    assert_ne!(found[1][3], ColumnData::String(None));
}
