//! Values of our own shape: bare ones, and objects whose one member names the type.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use compact_str::CompactString;
use uuid::Uuid;

use super::cursor::{JsonCursor, Kind};
use super::number::{finite, number_value};
use crate::codec::error::{DecodeCode, DecodeError, Name};
use crate::codec::limit::checked_name;
use crate::model::decimal::Decimal;
use crate::model::instant_text::parse_instant;
use crate::model::record::RecordId;
use crate::model::value::{Lookup, TICKS_PER_SECOND, Ticks, UNIX_EPOCH_DAYS, Value};

/// The field's value, or the error that names it.
pub(super) fn needed<T>(value: Option<T>, name: &str) -> Result<T, DecodeError> {
    value.ok_or_else(|| DecodeError::new(DecodeCode::Missing, format_args!("field {name}")))
}

/// A GUID in any usual spelling.
pub(super) fn guid(cursor: &mut JsonCursor<'_>) -> Result<Uuid, DecodeError> {
    let text = cursor.text()?;
    Uuid::try_parse(&text).map_err(|_| cursor.error(DecodeCode::WrongType, "a GUID is expected"))
}

/// A whole number that fits.
pub(super) fn whole<T: std::str::FromStr>(cursor: &mut JsonCursor<'_>) -> Result<T, DecodeError> {
    let text = cursor.number()?;
    text.parse().map_err(|_| {
        cursor.error(DecodeCode::OutOfRange, "a whole number that fits the type is expected")
    })
}

/// Ticks, or ISO 8601 text.
pub(super) fn timestamp(cursor: &mut JsonCursor<'_>) -> Result<Ticks, DecodeError> {
    let ticks = match cursor.kind()? {
        Kind::Number => Ticks::new(whole(cursor)?),
        _ => parse_instant(&cursor.text()?),
    };
    ticks.ok_or_else(|| {
        cursor.error(DecodeCode::OutOfRange, "a moment in the years 1 to 9999 is expected")
    })
}

/// Days since 1970, or `YYYY-MM-DD`.
fn date(cursor: &mut JsonCursor<'_>) -> Result<i32, DecodeError> {
    if cursor.kind()? == Kind::Number {
        return whole(cursor);
    }
    let text = cursor.text()?;
    let ticks = if text.len() == 10 { parse_instant(&text) } else { None };
    let days = ticks.map(|ticks| ticks.get() / (86_400 * TICKS_PER_SECOND) - UNIX_EPOCH_DAYS);
    days.and_then(|days| i32::try_from(days).ok())
        .ok_or_else(|| cursor.error(DecodeCode::OutOfRange, "a day as YYYY-MM-DD is expected"))
}

/// The value of an attribute.
pub(super) fn value(cursor: &mut JsonCursor<'_>) -> Result<Value, DecodeError> {
    match cursor.kind()? {
        Kind::Null => cursor.null().map(|_| Value::Null),
        Kind::Boolean => cursor.boolean().map(Value::Boolean),
        Kind::Number => {
            let text = cursor.number()?;
            number_value(text).ok_or_else(|| {
                cursor.error(DecodeCode::OutOfRange, "a number of at most 38 digits is expected")
            })
        }
        Kind::Text => Ok(Value::Untyped(CompactString::from(cursor.text()?))),
        Kind::Object => typed_value(cursor),
        Kind::Array => Err(cursor.error(DecodeCode::WrongType, "a value is expected, not a list")),
    }
}

/// `{"<type>": ...}`.
fn typed_value(cursor: &mut JsonCursor<'_>) -> Result<Value, DecodeError> {
    let mut members = cursor.begin_object()?;
    let Some(tag) = cursor.member(&mut members)? else {
        return Err(cursor.error(DecodeCode::Missing, "the name of a type is expected"));
    };
    let value = match &*tag {
        "boolean" => Value::Boolean(cursor.boolean()?),
        "int" => Value::Integer(whole(cursor)?),
        "long" => Value::Long(whole(cursor)?),
        "double" => Value::Double(double(cursor)?),
        "decimal" => Value::Decimal(decimal(cursor)?),
        "string" => Value::Text(CompactString::from(cursor.text()?)),
        "guid" => Value::Guid(RecordId(guid(cursor)?)),
        "timestamp" => Value::Timestamp(timestamp(cursor)?),
        "date" => Value::Date(date(cursor)?),
        "bytes" => Value::Bytes(bytes(cursor)?),
        "lookup" => Value::Lookup(Box::new(lookup(cursor)?)),
        "choice" => Value::Choice(whole(cursor)?),
        "choices" => Value::Choices(choices(cursor)?),
        "untyped" => Value::Untyped(CompactString::from(cursor.text()?)),
        other => {
            return Err(DecodeError::new(
                DecodeCode::UnknownType,
                format_args!("a value of type {}", Name(other)),
            ));
        }
    };
    match cursor.member(&mut members)? {
        None => Ok(value),
        Some(_) => Err(cursor.error(DecodeCode::UnknownField, "a value has one type only")),
    }
}

fn double(cursor: &mut JsonCursor<'_>) -> Result<f64, DecodeError> {
    let number = match cursor.kind()? {
        Kind::Number => finite(cursor.number()?),
        _ => match &*cursor.text()? {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
    };
    number.ok_or_else(|| cursor.error(DecodeCode::OutOfRange, "a float is expected"))
}

fn decimal(cursor: &mut JsonCursor<'_>) -> Result<Decimal, DecodeError> {
    let parsed = match cursor.kind()? {
        Kind::Number => cursor.number()?.parse(),
        _ => cursor.text()?.parse(),
    };
    parsed.map_err(|_| {
        cursor.error(DecodeCode::OutOfRange, "a decimal of at most 38 digits is expected")
    })
}

fn bytes(cursor: &mut JsonCursor<'_>) -> Result<Box<[u8]>, DecodeError> {
    let text = cursor.text()?;
    let decoded = BASE64.decode(text.as_bytes());
    decoded
        .map(Vec::into_boxed_slice)
        .map_err(|_| cursor.error(DecodeCode::Malformed, "base64 text is expected"))
}

fn lookup(cursor: &mut JsonCursor<'_>) -> Result<Lookup, DecodeError> {
    let (mut id, mut entity) = (None, None);
    let mut members = cursor.begin_object()?;
    while let Some(member) = cursor.member(&mut members)? {
        match &*member {
            "id" if id.is_none() => id = Some(RecordId(guid(cursor)?)),
            "entity" if entity.is_none() => {
                let name = cursor.text()?;
                checked_name(&name)?;
                entity = Some(CompactString::from(name));
            }
            _ => {
                let expected = "an id and an entity, once each, are expected";
                return Err(cursor.error(DecodeCode::UnknownField, expected));
            }
        }
    }
    Ok(Lookup { id: needed(id, "lookup, id")?, entity: needed(entity, "lookup, entity")? })
}

fn choices(cursor: &mut JsonCursor<'_>) -> Result<Box<[i32]>, DecodeError> {
    let mut values = Vec::new();
    let mut first = cursor.begin_array()?;
    while cursor.element(&mut first)? {
        values.push(whole(cursor)?);
    }
    Ok(values.into_boxed_slice())
}
