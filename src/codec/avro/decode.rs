//! Reads bare Avro under our own schemas, version 1, by hand.
//!
//! A general Avro reader builds a tree of named values first and costs many times as much; the
//! tests hold this one against such a reader. Promises: the whole input is read or refused, no
//! name of up to 24 bytes takes an allocation, and no length takes memory before it is checked.

use compact_str::CompactString;
use uuid::Uuid;

use super::cursor::AvroCursor;
use crate::codec::entity_names::EntityNames;
use crate::codec::error::{DecodeCode, DecodeError, Name};
use crate::codec::limit::{MAX_ATTRIBUTES, MAX_NAME_BYTES, MAX_REFERENCE_BYTES};
use crate::model::change::{Change, Image, Operation, SnapshotMarker, SnapshotPhase, Version};
use crate::model::decimal::Decimal;
use crate::model::record::{EntityName, RecordId};
use crate::model::value::{Lookup, Ticks, Value};

/// Fewest bytes of an attribute: the length of its name and the index of its value's type.
const MIN_ATTRIBUTE_BYTES: usize = 2;
/// Members of the value union.
const VALUE_MEMBERS: usize = 15;

/// Reads one `ChangeNotification`. `base` is how many bytes of framing came before, for errors.
pub(in crate::codec) fn decode_change(
    bytes: &[u8],
    base: usize,
    names: &mut EntityNames,
) -> Result<Change, DecodeError> {
    let mut reader = Reader::new(bytes);
    reader.change(names).map_err(|code| reader.error(code, base))
}

/// Reads one `SnapshotMarker`.
pub(in crate::codec) fn decode_marker(
    bytes: &[u8],
    base: usize,
    names: &mut EntityNames,
) -> Result<SnapshotMarker, DecodeError> {
    let mut reader = Reader::new(bytes);
    reader.marker(names).map_err(|code| reader.error(code, base))
}

/// A cursor that remembers what it is reading, for errors.
struct Reader<'a> {
    cursor: AvroCursor<'a>,
    field: &'static str,
    attribute: Option<&'a str>,
}

/// Whether these are lower-case letters, digits and underscores, as in every logical name.
fn looks_like_name(name: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.bytes().all(letters)
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { cursor: AvroCursor::new(bytes), field: "", attribute: None }
    }

    fn error(&self, code: DecodeCode, base: usize) -> DecodeError {
        let (field, offset) = (self.field, base + self.cursor.offset());
        match self.attribute {
            // In damaged bytes a name may begin or end in the middle of a value: what does not look
            // like a logical name is not repeated.
            Some(name) if !looks_like_name(name) => DecodeError::new(
                code,
                format_args!(
                    "field {field}, an attribute of {} bytes, at byte {offset}",
                    name.len()
                ),
            ),
            Some(name) => DecodeError::new(
                code,
                format_args!("field {field}, attribute {}, at byte {offset}", Name(name)),
            ),
            None => DecodeError::new(code, format_args!("field {field}, at byte {offset}")),
        }
    }

    fn change(&mut self, names: &mut EntityNames) -> Result<Change, DecodeCode> {
        let entity = self.entity(names)?;
        self.field = "record_id";
        let record_id = self.guid()?;
        self.field = "operation";
        let operation = match self.cursor.index(4)? {
            0 => Operation::Create,
            1 => Operation::Update,
            2 => Operation::Delete,
            _ => Operation::Snapshot,
        };
        self.field = "image";
        let image = if self.cursor.index(2)? == 0 { Image::Full } else { Image::Patch };
        self.field = "row_version";
        let version = if self.is_set()? { Some(Version(self.cursor.long()?)) } else { None };
        self.field = "changed_at";
        let changed_at = self.optional_ticks()?;
        self.field = "organization_id";
        let organization_id = self.optional_guid()?;
        self.field = "correlation_id";
        let correlation_id = self.optional_guid()?;
        self.field = "payload_reference";
        let payload_reference = self.payload_reference()?;
        self.field = "attributes";
        let attributes = self.attributes()?;
        self.end()?;
        Ok(Change {
            organization_id,
            entity,
            record_id,
            operation,
            image,
            version,
            changed_at,
            attributes,
            correlation_id,
            payload_reference,
        })
    }

    fn marker(&mut self, names: &mut EntityNames) -> Result<SnapshotMarker, DecodeCode> {
        let entity = self.entity(names)?;
        self.field = "phase";
        let phase =
            if self.cursor.index(2)? == 0 { SnapshotPhase::Begin } else { SnapshotPhase::End };
        self.field = "sync_id";
        let sync_id = self.guid()?.0;
        self.field = "marked_at";
        let marked_at = self.optional_ticks()?;
        self.field = "organization_id";
        let organization_id = self.optional_guid()?;
        self.end()?;
        Ok(SnapshotMarker { organization_id, entity, phase, sync_id, marked_at })
    }

    fn end(&mut self) -> Result<(), DecodeCode> {
        self.field = "end";
        if self.cursor.remaining() == 0 { Ok(()) } else { Err(DecodeCode::Trailing) }
    }

    #[inline]
    fn name(&mut self) -> Result<&'a str, DecodeCode> {
        let name = self.cursor.text()?;
        if (1..=MAX_NAME_BYTES).contains(&name.len()) {
            Ok(name)
        } else {
            Err(DecodeCode::NameLength)
        }
    }

    fn entity(&mut self, names: &mut EntityNames) -> Result<EntityName, DecodeCode> {
        self.field = "entity";
        Ok(names.get(self.name()?))
    }

    #[inline]
    fn guid(&mut self) -> Result<RecordId, DecodeCode> {
        Ok(RecordId(Uuid::from_bytes(*self.cursor.fixed::<16>()?)))
    }

    /// Which member of a union of null and one other it is.
    #[inline]
    fn is_set(&mut self) -> Result<bool, DecodeCode> {
        Ok(self.cursor.index(2)? == 1)
    }

    fn optional_guid(&mut self) -> Result<Option<Uuid>, DecodeCode> {
        if self.is_set()? { Ok(Some(self.guid()?.0)) } else { Ok(None) }
    }

    fn ticks(&mut self) -> Result<Ticks, DecodeCode> {
        Ticks::new(self.cursor.long()?).ok_or(DecodeCode::OutOfRange)
    }

    fn optional_ticks(&mut self) -> Result<Option<Ticks>, DecodeCode> {
        if self.is_set()? { Ok(Some(self.ticks()?)) } else { Ok(None) }
    }

    fn payload_reference(&mut self) -> Result<Option<CompactString>, DecodeCode> {
        if !self.is_set()? {
            return Ok(None);
        }
        let reference = self.cursor.text()?;
        if reference.len() > MAX_REFERENCE_BYTES {
            return Err(DecodeCode::OutOfRange);
        }
        Ok(Some(CompactString::new(reference)))
    }

    fn attributes(&mut self) -> Result<Vec<(CompactString, Value)>, DecodeCode> {
        let mut attributes = Vec::new();
        loop {
            self.attribute = None;
            let count = self.cursor.block(MIN_ATTRIBUTE_BYTES)?;
            if count == 0 {
                return Ok(attributes);
            }
            if count > MAX_ATTRIBUTES - attributes.len() {
                return Err(DecodeCode::TooMany);
            }
            attributes.reserve_exact(count);
            for _ in 0..count {
                self.attribute = None;
                let name = self.name()?;
                self.attribute = Some(name);
                let value = self.value()?;
                attributes.push((CompactString::new(name), value));
            }
        }
    }

    #[inline]
    fn value(&mut self) -> Result<Value, DecodeCode> {
        Ok(match self.cursor.index(VALUE_MEMBERS)? {
            0 => Value::Null,
            1 => Value::Boolean(self.cursor.boolean()?),
            2 => Value::Integer(self.cursor.int()?),
            3 => Value::Long(self.cursor.long()?),
            4 => Value::Double(f64::from_le_bytes(*self.cursor.fixed::<8>()?)),
            5 => Value::Decimal(self.decimal()?),
            6 => Value::Text(CompactString::new(self.cursor.text()?)),
            7 => Value::Guid(self.guid()?),
            8 => Value::Timestamp(self.ticks()?),
            9 => Value::Date(self.cursor.int()?),
            10 => Value::Bytes(self.cursor.bytes()?.into()),
            11 => {
                let id = self.guid()?;
                Value::Lookup(Box::new(Lookup { id, entity: CompactString::new(self.name()?) }))
            }
            12 => Value::Choice(self.cursor.int()?),
            13 => Value::Choices(self.choices()?),
            _ => Value::Untyped(CompactString::new(self.cursor.text()?)),
        })
    }

    fn decimal(&mut self) -> Result<Decimal, DecodeCode> {
        let unscaled = self.cursor.bytes()?;
        if unscaled.is_empty() || unscaled.len() > 16 {
            return Err(DecodeCode::OutOfRange);
        }
        // Two's complement: the sign fills the bytes in front.
        let mut wide = if unscaled[0] & 0x80 == 0 { [0x00; 16] } else { [0xff; 16] };
        wide[16 - unscaled.len()..].copy_from_slice(unscaled);
        let scale = u8::try_from(self.cursor.int()?).map_err(|_| DecodeCode::OutOfRange)?;
        Decimal::new(i128::from_be_bytes(wide), scale).ok_or(DecodeCode::OutOfRange)
    }

    fn choices(&mut self) -> Result<Box<[i32]>, DecodeCode> {
        let mut values = Vec::new();
        loop {
            let count = self.cursor.block(1)?;
            if count == 0 {
                return Ok(values.into_boxed_slice());
            }
            values.reserve_exact(count);
            for _ in 0..count {
                values.push(self.cursor.int()?);
            }
        }
    }
}
