//! Reads our own shape as JSON (`schemas/README.md`), as people and simple producers write it.
//!
//! Strict where a slip would change the meaning: a member that the shape does not have, one that
//! stands twice and one that is missing are refused by name.

use super::text::Text;
use compact_str::CompactString;
use uuid::Uuid;

use super::cursor::{JsonCursor, Kind};
use super::value::{guid, needed, timestamp, value, whole};
use crate::codec::entity_names::EntityNames;
use crate::codec::error::{DecodeCode, DecodeError};
use crate::codec::limit::{MAX_ATTRIBUTES, MAX_REFERENCE_BYTES, checked_name};
use crate::model::change::{
    Change, Image, Notification, Operation, SnapshotMarker, SnapshotPhase, Version,
};
use crate::model::record::RecordId;
use crate::model::value::{Ticks, Value};

/// Members of the shape; each may stand once.
const MEMBERS: [&str; 13] = [
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
    "phase",
    "sync_id",
    "marked_at",
];

/// What was found so far.
#[derive(Default)]
struct Found<'a> {
    /// One bit per member of [`MEMBERS`].
    seen: u16,
    entity: Option<Text<'a>>,
    record_id: Option<Uuid>,
    operation: Option<Operation>,
    image: Option<Image>,
    version: Option<Version>,
    changed_at: Option<Ticks>,
    organization_id: Option<Uuid>,
    correlation_id: Option<Uuid>,
    payload_reference: Option<CompactString>,
    attributes: Vec<(CompactString, Value)>,
    phase: Option<SnapshotPhase>,
    sync_id: Option<Uuid>,
    marked_at: Option<Ticks>,
}

/// Reads one notification of our own shape.
pub(in crate::codec) fn decode_notification(
    cursor: &mut JsonCursor<'_>,
    names: &mut EntityNames,
) -> Result<Notification, DecodeError> {
    let mut found = Found::default();
    let mut members = cursor.begin_object()?;
    while let Some(name) = cursor.member(&mut members)? {
        found.member(&name, cursor).map_err(|error| error.in_field(&name))?;
    }
    cursor.end()?;
    found.notification(names)
}

impl<'a> Found<'a> {
    fn member(&mut self, name: &str, cursor: &mut JsonCursor<'a>) -> Result<(), DecodeError> {
        let Some(index) = MEMBERS.iter().position(|member| *member == name) else {
            return Err(cursor.error(DecodeCode::UnknownField, "the shape has no such field"));
        };
        if self.seen & (1 << index) != 0 {
            return Err(cursor.error(DecodeCode::Repeated, "the field stands twice"));
        }
        self.seen |= 1 << index;
        if cursor.null()? {
            return Ok(());
        }
        match name {
            "entity" => {
                let entity = cursor.text()?;
                checked_name(&entity)?;
                self.entity = Some(entity);
            }
            "record_id" => self.record_id = Some(guid(cursor)?),
            "operation" => self.operation = Some(word(cursor, operation)?),
            "image" => self.image = Some(word(cursor, image)?),
            "row_version" => self.version = Some(Version(whole(cursor)?)),
            "changed_at" => self.changed_at = Some(timestamp(cursor)?),
            "organization_id" => self.organization_id = Some(guid(cursor)?),
            "correlation_id" => self.correlation_id = Some(guid(cursor)?),
            "payload_reference" => self.payload_reference = Some(payload_reference(cursor)?),
            "attributes" => self.attributes = attributes(cursor)?,
            "phase" => self.phase = Some(word(cursor, phase)?),
            "sync_id" => self.sync_id = Some(guid(cursor)?),
            _ => self.marked_at = Some(timestamp(cursor)?),
        }
        Ok(())
    }

    fn notification(self, names: &mut EntityNames) -> Result<Notification, DecodeError> {
        let entity = names.get(&needed(self.entity, "entity")?);
        if self.phase.is_some() || self.sync_id.is_some() {
            if self.operation.is_some() || self.record_id.is_some() {
                return Err(DecodeError::new(
                    DecodeCode::Contradiction,
                    format_args!("the fields of a marker and of a change stand together"),
                ));
            }
            return Ok(Notification::Marker(SnapshotMarker {
                organization_id: self.organization_id,
                entity,
                phase: needed(self.phase, "phase")?,
                sync_id: needed(self.sync_id, "sync_id")?,
                marked_at: self.marked_at,
            }));
        }
        let operation = needed(self.operation, "operation")?;
        let image = match (self.image, operation) {
            (None, Operation::Delete) => Image::Full,
            (image, _) => needed(image, "image")?,
        };
        Ok(Notification::Change(Change {
            organization_id: self.organization_id,
            entity,
            record_id: RecordId(needed(self.record_id, "record_id")?),
            operation,
            image,
            version: self.version,
            changed_at: self.changed_at,
            attributes: self.attributes,
            correlation_id: self.correlation_id,
            payload_reference: self.payload_reference,
        }))
    }
}

fn operation(word: &str) -> Option<Operation> {
    let all = [Operation::Create, Operation::Update, Operation::Delete, Operation::Snapshot];
    all.into_iter().find(|operation| operation.as_str() == word)
}

fn image(word: &str) -> Option<Image> {
    match word {
        "full" => Some(Image::Full),
        "patch" => Some(Image::Patch),
        _ => None,
    }
}

fn phase(word: &str) -> Option<SnapshotPhase> {
    match word {
        "begin" => Some(SnapshotPhase::Begin),
        "end" => Some(SnapshotPhase::End),
        _ => None,
    }
}

/// One of a set of words.
fn word<T>(cursor: &mut JsonCursor<'_>, read: fn(&str) -> Option<T>) -> Result<T, DecodeError> {
    let text = cursor.text()?;
    read(&text).ok_or_else(|| cursor.error(DecodeCode::OutOfRange, "none of the known words"))
}

fn payload_reference(cursor: &mut JsonCursor<'_>) -> Result<CompactString, DecodeError> {
    let text = cursor.text()?;
    if text.len() > MAX_REFERENCE_BYTES {
        return Err(cursor.error(DecodeCode::OutOfRange, "the reference is too long"));
    }
    Ok(CompactString::from(text))
}

/// A list of names and values, or an object of them.
fn attributes(cursor: &mut JsonCursor<'_>) -> Result<Vec<(CompactString, Value)>, DecodeError> {
    let mut attributes = Vec::new();
    let is_object = cursor.kind()? == Kind::Object;
    let mut first = if is_object { cursor.begin_object()? } else { cursor.begin_array()? };
    loop {
        let (name, value) = if is_object {
            let Some(name) = cursor.member(&mut first)? else {
                return Ok(attributes);
            };
            let value = value(cursor).map_err(|error| error.in_attribute(&name))?;
            (CompactString::from(name), value)
        } else {
            if !cursor.element(&mut first)? {
                return Ok(attributes);
            }
            attribute(cursor)?
        };
        checked_name(&name)?;
        if attributes.len() == MAX_ATTRIBUTES {
            return Err(cursor.error(DecodeCode::TooMany, "more attributes than the limit"));
        }
        attributes.push((name, value));
    }
}

/// `{"name": ..., "value": ...}`.
fn attribute(cursor: &mut JsonCursor<'_>) -> Result<(CompactString, Value), DecodeError> {
    let mut name = None;
    let mut found = None;
    let mut members = cursor.begin_object()?;
    while let Some(member) = cursor.member(&mut members)? {
        match &*member {
            "name" if name.is_none() => name = Some(CompactString::from(cursor.text()?)),
            "value" if found.is_none() => {
                let place = name.as_deref().unwrap_or_default();
                found = Some(value(cursor).map_err(|error| error.in_attribute(place))?);
            }
            _ => {
                let expected = "a name and a value, once each, are expected";
                return Err(cursor.error(DecodeCode::UnknownField, expected));
            }
        }
    }
    Ok((needed(name, "attributes, name")?, needed(found, "attributes, value")?))
}
