//! Changes of every kind, for property tests.

use compact_str::CompactString;
use keepstep::model::change::{Change, Image, Operation, SnapshotMarker, SnapshotPhase, Version};
use keepstep::model::decimal::Decimal;
use keepstep::model::record::{EntityName, RecordId};
use keepstep::model::value::{Lookup, Ticks, Value};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use uuid::Uuid;

/// The last tick of the year 9999.
const LAST_TICK: i64 = 3_155_378_975_999_999_999;

pub fn uuid() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

pub fn ticks() -> impl Strategy<Value = Ticks> {
    let edges = prop::sample::select(vec![0, 1, LAST_TICK]);
    prop_oneof![edges, 0..=LAST_TICK].prop_map(|ticks| Ticks::new(ticks).unwrap())
}

pub fn name() -> impl Strategy<Value = CompactString> {
    prop_oneof!["[a-z_][a-z0-9_]{0,30}", "[a-zé]{60,64}"].prop_map(CompactString::from)
}

pub fn decimal() -> impl Strategy<Value = Decimal> {
    let most = 10_i128.pow(38) - 1;
    let unscaled = prop_oneof![
        prop::sample::select(vec![0, -1, 127, 128, -128, -129, 255, 256, most, -most]),
        any::<i64>().prop_map(i128::from),
        -most..=most,
    ];
    (unscaled, 0..=38_u8).prop_map(|(unscaled, scale)| Decimal::new(unscaled, scale).unwrap())
}

/// Every kind of value; floats are numbers, so that values can be compared.
pub fn value() -> impl Strategy<Value = Value> {
    let text = || any::<String>().prop_map(CompactString::from);
    let float = any::<f64>().prop_filter("a number", |number| !number.is_nan());
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        any::<i32>().prop_map(Value::Integer),
        any::<i64>().prop_map(Value::Long),
        float.prop_map(Value::Double),
        decimal().prop_map(Value::Decimal),
        text().prop_map(Value::Text),
        uuid().prop_map(|id| Value::Guid(RecordId(id))),
        ticks().prop_map(Value::Timestamp),
        any::<i32>().prop_map(Value::Date),
        vec(any::<u8>(), 0..40).prop_map(|bytes| Value::Bytes(bytes.into())),
        (uuid(), name()).prop_map(|(id, entity)| {
            Value::Lookup(Box::new(Lookup { id: RecordId(id), entity }))
        }),
        any::<i32>().prop_map(Value::Choice),
        vec(any::<i32>(), 0..6).prop_map(|options| Value::Choices(options.into())),
        text().prop_map(Value::Untyped),
    ]
}

pub fn change() -> impl Strategy<Value = Change> {
    let operation = prop::sample::select(vec![
        Operation::Create,
        Operation::Update,
        Operation::Delete,
        Operation::Snapshot,
    ]);
    let image = prop::sample::select(vec![Image::Full, Image::Patch]);
    let reference = any::<String>().prop_map(CompactString::from);
    (
        (name(), uuid(), operation, image),
        (option::of(any::<i64>()), option::of(ticks())),
        (option::of(uuid()), option::of(uuid()), option::of(reference)),
        vec((name(), value()), 0..20),
    )
        .prop_map(
            |((entity, id, operation, image), (version, changed_at), ids, attributes)| Change {
                organization_id: ids.0,
                entity: EntityName::new(&entity),
                record_id: RecordId(id),
                operation,
                image,
                version: version.map(Version),
                changed_at,
                attributes,
                correlation_id: ids.1,
                payload_reference: ids.2,
            },
        )
}

pub fn marker() -> impl Strategy<Value = SnapshotMarker> {
    let phase = prop::sample::select(vec![SnapshotPhase::Begin, SnapshotPhase::End]);
    (name(), phase, uuid(), option::of(ticks()), option::of(uuid())).prop_map(
        |(entity, phase, sync_id, marked_at, organization_id)| SnapshotMarker {
            organization_id,
            entity: EntityName::new(&entity),
            phase,
            sync_id,
            marked_at,
        },
    )
}
