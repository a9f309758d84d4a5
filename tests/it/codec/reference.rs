//! The general Avro library as the reference: changes from its values, and its values from changes.
//! It knows the schema files and nothing of our reader.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use keepstep::model::change::{Change, Image, Operation, SnapshotMarker, SnapshotPhase, Version};
use keepstep::model::decimal::Decimal;
use keepstep::model::record::{EntityName, RecordId};
use keepstep::model::value::{Lookup, Ticks, Value};
use uuid::Uuid;

pub fn schema(file: &str) -> Schema {
    let path = format!("{}/schemas/{file}.avsc", env!("CARGO_MANIFEST_DIR"));
    Schema::parse_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What the reference makes of bare Avro; `None` if it refuses it, or leaves some of it unread.
pub fn read(schema: &Schema, bytes: &[u8]) -> Option<Avro> {
    let mut rest = bytes;
    let value = GenericDatumReader::builder(schema).build().unwrap().read_value(&mut rest).ok()?;
    rest.is_empty().then_some(value)
}

pub fn write(schema: &Schema, value: Avro) -> Vec<u8> {
    GenericDatumWriter::builder(schema).build().unwrap().write_value_to_vec(value).unwrap()
}

/// A record's fields, checked against their names.
fn fields<const N: usize>(value: Avro, names: [&str; N]) -> [Avro; N] {
    let Avro::Record(fields) = value else { panic!("a record: {value:?}") };
    assert!(fields.iter().map(|(name, _)| name.as_str()).eq(names), "{fields:?}");
    fields.into_iter().map(|(_, value)| value).collect::<Vec<_>>().try_into().unwrap()
}

fn text(value: Avro) -> String {
    let Avro::String(text) = value else { panic!("text: {value:?}") };
    text
}

fn uuid(value: Avro) -> Uuid {
    let Avro::Fixed(16, bytes) = value else { panic!("a GUID: {value:?}") };
    Uuid::from_slice(&bytes).unwrap()
}

fn long(value: Avro) -> i64 {
    let Avro::Long(number) = value else { panic!("a long: {value:?}") };
    number
}

fn int(value: Avro) -> i32 {
    let Avro::Int(number) = value else { panic!("an int: {value:?}") };
    number
}

fn symbol(value: Avro) -> String {
    let Avro::Enum(_, symbol) = value else { panic!("an enum: {value:?}") };
    symbol
}

fn optional(value: Avro) -> Option<Avro> {
    match value {
        Avro::Union(0, _) => None,
        Avro::Union(_, inner) => Some(*inner),
        other => panic!("a union: {other:?}"),
    }
}

pub fn to_change(value: Avro) -> Change {
    let [
        entity,
        record_id,
        operation,
        image,
        row_version,
        changed_at,
        organization_id,
        correlation_id,
        payload_reference,
        attributes,
    ] = fields(
        value,
        [
            "entity",
            "record_id",
            "operation",
            "image",
            "row_version",
            "changed_at",
            "organization_id",
            "correlation_id",
            "payload_reference",
            "attributes",
        ],
    );
    let Avro::Array(attributes) = attributes else { panic!("a list: {attributes:?}") };
    Change {
        organization_id: optional(organization_id).map(uuid),
        entity: EntityName::new(&text(entity)),
        record_id: RecordId(uuid(record_id)),
        operation: match symbol(operation).as_str() {
            "create" => Operation::Create,
            "update" => Operation::Update,
            "delete" => Operation::Delete,
            "snapshot" => Operation::Snapshot,
            other => panic!("{other}"),
        },
        image: match symbol(image).as_str() {
            "full" => Image::Full,
            "patch" => Image::Patch,
            other => panic!("{other}"),
        },
        version: optional(row_version).map(long).map(Version),
        changed_at: optional(changed_at).map(|ticks| Ticks::new(long(ticks)).unwrap()),
        attributes: attributes
            .into_iter()
            .map(|attribute| {
                let [name, value] = fields(attribute, ["name", "value"]);
                (text(name).into(), to_value(value))
            })
            .collect(),
        correlation_id: optional(correlation_id).map(uuid),
        payload_reference: optional(payload_reference).map(|reference| text(reference).into()),
    }
}

pub fn to_marker(value: Avro) -> SnapshotMarker {
    let [entity, phase, sync_id, marked_at, organization_id] =
        fields(value, ["entity", "phase", "sync_id", "marked_at", "organization_id"]);
    SnapshotMarker {
        organization_id: optional(organization_id).map(uuid),
        entity: EntityName::new(&text(entity)),
        phase: match symbol(phase).as_str() {
            "begin" => SnapshotPhase::Begin,
            "end" => SnapshotPhase::End,
            other => panic!("{other}"),
        },
        sync_id: uuid(sync_id),
        marked_at: optional(marked_at).map(|ticks| Ticks::new(long(ticks)).unwrap()),
    }
}

fn to_value(value: Avro) -> Value {
    let Avro::Union(index, value) = value else { panic!("a union: {value:?}") };
    match (index, *value) {
        (0, Avro::Null) => Value::Null,
        (1, Avro::Boolean(flag)) => Value::Boolean(flag),
        (2, value) => Value::Integer(int(value)),
        (3, value) => Value::Long(long(value)),
        (4, Avro::Double(number)) => Value::Double(number),
        (5, value) => {
            let [unscaled, scale] = fields(value, ["unscaled", "scale"]);
            let Avro::Bytes(unscaled) = unscaled else { panic!("bytes: {unscaled:?}") };
            let negative = unscaled[0] & 0x80 != 0;
            let start = if negative { -1 } else { 0 };
            let unscaled =
                unscaled.iter().fold(start, |number: i128, byte| (number << 8) | i128::from(*byte));
            Value::Decimal(Decimal::new(unscaled, u8::try_from(int(scale)).unwrap()).unwrap())
        }
        (6, value) => Value::Text(text(value).into()),
        (7, value) => Value::Guid(RecordId(uuid(value))),
        (8, value) => {
            let [ticks] = fields(value, ["ticks"]);
            Value::Timestamp(Ticks::new(long(ticks)).unwrap())
        }
        (9, value) => {
            let [days] = fields(value, ["days"]);
            Value::Date(int(days))
        }
        (10, Avro::Bytes(bytes)) => Value::Bytes(bytes.into()),
        (11, value) => {
            let [id, entity] = fields(value, ["id", "entity"]);
            Value::Lookup(Box::new(Lookup { id: RecordId(uuid(id)), entity: text(entity).into() }))
        }
        (12, value) => {
            let [option] = fields(value, ["value"]);
            Value::Choice(int(option))
        }
        (13, value) => {
            let [options] = fields(value, ["values"]);
            let Avro::Array(options) = options else { panic!("a list: {options:?}") };
            Value::Choices(options.into_iter().map(int).collect())
        }
        (14, value) => {
            let [content] = fields(value, ["text"]);
            Value::Untyped(text(content).into())
        }
        (index, other) => panic!("member {index}: {other:?}"),
    }
}

fn record<const N: usize>(fields: [(&str, Avro); N]) -> Avro {
    Avro::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn fixed(id: Uuid) -> Avro {
    Avro::Fixed(16, id.as_bytes().to_vec())
}

fn union(value: Option<Avro>) -> Avro {
    match value {
        None => Avro::Union(0, Box::new(Avro::Null)),
        Some(value) => Avro::Union(1, Box::new(value)),
    }
}

pub fn of_change(change: &Change) -> Avro {
    let operation = match change.operation {
        Operation::Create => 0,
        Operation::Update => 1,
        Operation::Delete => 2,
        Operation::Snapshot => 3,
    };
    let image = if change.image == Image::Full { (0, "full") } else { (1, "patch") };
    let attributes = change.attributes.iter().map(|(name, value)| {
        record([("name", Avro::String(name.to_string())), ("value", of_value(value))])
    });
    record([
        ("entity", Avro::String(change.entity.to_string())),
        ("record_id", fixed(change.record_id.0)),
        ("operation", Avro::Enum(operation, change.operation.as_str().to_owned())),
        ("image", Avro::Enum(image.0, image.1.to_owned())),
        ("row_version", union(change.version.map(|version| Avro::Long(version.0)))),
        ("changed_at", union(change.changed_at.map(|ticks| Avro::Long(ticks.get())))),
        ("organization_id", union(change.organization_id.map(fixed))),
        ("correlation_id", union(change.correlation_id.map(fixed))),
        (
            "payload_reference",
            union(change.payload_reference.as_ref().map(|text| Avro::String(text.to_string()))),
        ),
        ("attributes", Avro::Array(attributes.collect())),
    ])
}

fn of_value(value: &Value) -> Avro {
    let (index, value) = match value {
        Value::Null => (0, Avro::Null),
        Value::Boolean(flag) => (1, Avro::Boolean(*flag)),
        Value::Integer(number) => (2, Avro::Int(*number)),
        Value::Long(number) => (3, Avro::Long(*number)),
        Value::Double(number) => (4, Avro::Double(*number)),
        Value::Decimal(number) => {
            // All sixteen bytes, which no writer that is thrifty would do, but may.
            let unscaled = Avro::Bytes(number.unscaled().to_be_bytes().to_vec());
            let scale = Avro::Int(i32::from(number.scale()));
            (5, record([("unscaled", unscaled), ("scale", scale)]))
        }
        Value::Text(content) => (6, Avro::String(content.to_string())),
        Value::Guid(id) => (7, fixed(id.0)),
        Value::Timestamp(ticks) => (8, record([("ticks", Avro::Long(ticks.get()))])),
        Value::Date(days) => (9, record([("days", Avro::Int(*days))])),
        Value::Bytes(bytes) => (10, Avro::Bytes(bytes.to_vec())),
        Value::Lookup(lookup) => {
            let entity = Avro::String(lookup.entity.to_string());
            (11, record([("id", fixed(lookup.id.0)), ("entity", entity)]))
        }
        Value::Choice(option) => (12, record([("value", Avro::Int(*option))])),
        Value::Choices(options) => {
            let options = options.iter().map(|option| Avro::Int(*option)).collect();
            (13, record([("values", Avro::Array(options))]))
        }
        Value::Untyped(content) => (14, record([("text", Avro::String(content.to_string()))])),
    };
    Avro::Union(index, Box::new(value))
}
