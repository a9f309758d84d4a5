//! An entity or a reference to one, as targets and images hold them.

use crate::codec::json::text::Text;
use compact_str::CompactString;
use uuid::Uuid;

use super::value::{guid, optional_text, value};
use crate::codec::error::{DecodeCode, DecodeError, Name};
use crate::codec::json::cursor::{JsonCursor, Kind, Mark};
use crate::codec::limit::{MAX_ATTRIBUTES, checked_name};
use crate::model::change::Version;
use crate::model::table::VERSION_NUMBER;
use crate::model::value::Value;

/// Attributes that a list is made for at first; a sparse update has fewer.
const USUAL_ATTRIBUTES: usize = 24;

/// An `Entity` or an `EntityReference`.
#[derive(Debug, Default)]
pub(super) struct Body<'a> {
    /// The record's entity.
    pub logical_name: Option<Text<'a>>,
    /// The record; `None` for the empty GUID of a record that has no id yet.
    pub id: Option<Uuid>,
    /// The row version, of the body or of its `versionnumber` attribute.
    pub version: Option<Version>,
    /// The attributes without `versionnumber`; `None` for a reference.
    pub attributes: Option<Vec<(CompactString, Value)>>,
}

/// Reads an entity or a reference. Those of images have no `__type`.
pub(super) fn body<'a>(cursor: &mut JsonCursor<'a>) -> Result<Body<'a>, DecodeError> {
    let mut body = Body::default();
    let mut row_version = None;
    let mut members = cursor.begin_object()?;
    while let Some(member) = cursor.member(&mut members)? {
        match &*member {
            "__type" => {
                let type_name = cursor.text_to_colon()?;
                if !matches!(&*type_name, "Entity" | "EntityReference") {
                    return Err(DecodeError::new(
                        DecodeCode::UnknownType,
                        format_args!("a record of type {}", Name(&type_name)),
                    ));
                }
            }
            "Attributes" => body.attributes(cursor)?,
            "Id" => body.id = guid(cursor)?,
            "LogicalName" => body.logical_name = optional_text(cursor)?,
            "RowVersion" => row_version = digits(cursor)?,
            _ => cursor.skip()?,
        }
    }
    body.version = row_version.or(body.version);
    Ok(body)
}

impl<'a> Body<'a> {
    fn attributes(&mut self, cursor: &mut JsonCursor<'a>) -> Result<(), DecodeError> {
        let mut attributes = Vec::with_capacity(USUAL_ATTRIBUTES);
        pairs(cursor, |name, cursor| {
            checked_name(&name)?;
            if *name == *VERSION_NUMBER {
                self.version = digits(cursor)?;
                return Ok(());
            }
            if attributes.len() == MAX_ATTRIBUTES {
                return Err(cursor.error(DecodeCode::TooMany, "more attributes than the limit"));
            }
            let value = value(cursor).map_err(|error| error.in_attribute(&name))?;
            attributes.push((CompactString::from(name), value));
            Ok(())
        })?;
        self.attributes = Some(attributes);
        Ok(())
    }
}

/// A row version as a number or as text of digits; anything else is none.
fn digits(cursor: &mut JsonCursor<'_>) -> Result<Option<Version>, DecodeError> {
    let number = match cursor.kind()? {
        Kind::Number => cursor.number()?.parse().ok(),
        Kind::Text => cursor.text()?.parse().ok(),
        _ => {
            cursor.skip()?;
            None
        }
    };
    Ok(number.map(Version))
}

/// Hands out the pairs of a collection (`[{"key": ..., "value": ...}]`) with the cursor at the
/// value, which `each` must read or pass over. Null is an empty collection. Says whether there was
/// any pair.
pub(super) fn pairs<'a>(
    cursor: &mut JsonCursor<'a>,
    mut each: impl FnMut(Text<'a>, &mut JsonCursor<'a>) -> Result<(), DecodeError>,
) -> Result<bool, DecodeError> {
    if cursor.null()? {
        return Ok(false);
    }
    let mut any = false;
    let mut elements = cursor.begin_array()?;
    while cursor.element(&mut elements)? {
        any = true;
        let mut key = None;
        // Where the value stands, if it came before its key.
        let mut early: Option<Mark> = None;
        let mut members = cursor.begin_object()?;
        let mut handed_out = false;
        while let Some(member) = cursor.member(&mut members)? {
            match &*member {
                "key" if key.is_none() => key = Some(cursor.text()?),
                "value" if early.is_none() && !handed_out => match &key {
                    Some(key) => {
                        each(key.clone(), cursor)?;
                        handed_out = true;
                    }
                    None => {
                        early = Some(cursor.mark());
                        cursor.skip()?;
                    }
                },
                "key" | "value" => {
                    return Err(cursor.error(DecodeCode::Repeated, "one key and one value"));
                }
                _ => cursor.skip()?,
            }
        }
        let Some(key) = key else {
            return Err(cursor.error(DecodeCode::Missing, "the key of a pair"));
        };
        if let Some(early) = early {
            let end = cursor.mark();
            cursor.rewind(early);
            each(key, cursor)?;
            cursor.rewind(end);
        } else if !handed_out {
            return Err(cursor.error(DecodeCode::Missing, "the value of a pair"));
        }
    }
    Ok(any)
}
