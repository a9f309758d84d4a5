//! Values of attributes, as the SDK's types look in JSON.

use crate::codec::json::text::Text;
use compact_str::CompactString;
use uuid::Uuid;

use crate::codec::error::{DecodeCode, DecodeError, Name};
use crate::codec::json::cursor::{JsonCursor, Kind};
use crate::codec::json::number::number_value;
use crate::codec::limit::checked_name;
use crate::model::decimal::Decimal;
use crate::model::instant_text::parse_instant;
use crate::model::record::RecordId;
use crate::model::value::{Lookup, Value};

/// Reads the value of one attribute.
pub(super) fn value(cursor: &mut JsonCursor<'_>) -> Result<Value, DecodeError> {
    match cursor.kind()? {
        Kind::Null => cursor.null().map(|_| Value::Null),
        Kind::Boolean => cursor.boolean().map(Value::Boolean),
        Kind::Text => Ok(Value::Untyped(CompactString::from(cursor.text()?))),
        Kind::Number => number(cursor),
        Kind::Array => list(cursor),
        Kind::Object => Object::read(cursor)?.value(cursor),
    }
}

fn number(cursor: &mut JsonCursor<'_>) -> Result<Value, DecodeError> {
    let text = cursor.number()?;
    number_value(text).ok_or_else(|| too_long(cursor))
}

fn too_long(cursor: &JsonCursor<'_>) -> DecodeError {
    cursor.error(DecodeCode::OutOfRange, "a number of at most 38 digits is expected")
}

/// A list is a multi-select choice (options) or binary content (numbers).
fn list(cursor: &mut JsonCursor<'_>) -> Result<Value, DecodeError> {
    let mut options = Vec::new();
    let mut bytes = Vec::new();
    let mut first = cursor.begin_array()?;
    while cursor.element(&mut first)? {
        match cursor.kind()? {
            Kind::Object if bytes.is_empty() => match Object::read(cursor)?.value(cursor)? {
                Value::Choice(option) => options.push(option),
                _ => return Err(cursor.error(DecodeCode::WrongType, "options are expected")),
            },
            Kind::Number if options.is_empty() => {
                let byte = cursor.number()?.parse().map_err(|_| {
                    cursor.error(DecodeCode::OutOfRange, "a number from 0 to 255 is expected")
                })?;
                bytes.push(byte);
            }
            _ => {
                let expected = "a list holds options, or the numbers of bytes";
                return Err(cursor.error(DecodeCode::WrongType, expected));
            }
        }
    }
    if bytes.is_empty() {
        Ok(Value::Choices(options.into_boxed_slice()))
    } else {
        Ok(Value::Bytes(bytes.into_boxed_slice()))
    }
}

/// A value within an object.
#[derive(Debug, Default)]
enum Scalar<'a> {
    #[default]
    Null,
    Boolean(bool),
    Number(&'a str),
    Text(Text<'a>),
    /// An object or a list, passed over.
    Nested,
}

/// An object in place of a value: whatever of it any known type needs.
#[derive(Debug, Default)]
struct Object<'a> {
    /// `Money` of `Money:http://schemas.microsoft.com/xrm/2011/Contracts`.
    type_name: Option<Text<'a>>,
    id: Option<Uuid>,
    logical_name: Option<Text<'a>>,
    value: Scalar<'a>,
}

impl<'a> Object<'a> {
    fn read(cursor: &mut JsonCursor<'a>) -> Result<Self, DecodeError> {
        let mut object = Self::default();
        let mut members = cursor.begin_object()?;
        while let Some(member) = cursor.member(&mut members)? {
            match &*member {
                "__type" => object.type_name = Some(cursor.text_to_colon()?),
                "Id" => object.id = guid(cursor)?,
                "LogicalName" => object.logical_name = optional_text(cursor)?,
                "Value" | "__value" => object.value = scalar(cursor)?,
                _ => cursor.skip()?,
            }
        }
        Ok(object)
    }

    fn value(self, cursor: &JsonCursor<'_>) -> Result<Value, DecodeError> {
        let wrong = || cursor.error(DecodeCode::WrongType, "the type's value is expected");
        let type_name = self.type_name.as_deref().unwrap_or_default();
        match (type_name, self.value) {
            ("EntityReference", _) => reference(self.id, self.logical_name, cursor),
            ("OptionSetValue" | "Money" | "BooleanManagedProperty", Scalar::Null) => {
                Ok(Value::Null)
            }
            ("OptionSetValue", Scalar::Number(text)) => {
                text.parse().map(Value::Choice).map_err(|_| {
                    cursor.error(DecodeCode::OutOfRange, "the number of an option is expected")
                })
            }
            ("Money", Scalar::Number(text)) => {
                text.parse::<Decimal>().map(Value::Decimal).map_err(|_| too_long(cursor))
            }
            ("BooleanManagedProperty", Scalar::Boolean(flag)) => Ok(Value::Boolean(flag)),
            ("Guid", Scalar::Text(text)) => {
                text.parse::<RecordId>().map(Value::Guid).map_err(|_| wrong())
            }
            ("DateTime", Scalar::Text(text)) => {
                parse_instant(&text).map(Value::Timestamp).ok_or_else(|| {
                    let expected = "a moment in the years 1 to 9999 is expected";
                    cursor.error(DecodeCode::OutOfRange, expected)
                })
            }
            // The participants of an activity are records of their own; the column stays empty.
            ("EntityCollection", _) => Ok(Value::Null),
            ("OptionSetValue" | "Money" | "BooleanManagedProperty" | "Guid" | "DateTime", _) => {
                Err(wrong())
            }
            ("", _) => Err(cursor.error(DecodeCode::UnknownType, "an object without __type")),
            _ => Err(DecodeError::new(
                DecodeCode::UnknownType,
                format_args!("a value of type {}", Name(type_name)),
            )),
        }
    }
}

fn reference(
    id: Option<Uuid>,
    entity: Option<Text<'_>>,
    cursor: &JsonCursor<'_>,
) -> Result<Value, DecodeError> {
    let Some(id) = id.map(RecordId) else {
        return Err(cursor.error(DecodeCode::Missing, "the id of a reference"));
    };
    match entity {
        Some(entity) => {
            checked_name(&entity)?;
            let entity = CompactString::from(entity);
            Ok(Value::Lookup(Box::new(Lookup { id, entity })))
        }
        None => Ok(Value::Guid(id)),
    }
}

fn scalar<'a>(cursor: &mut JsonCursor<'a>) -> Result<Scalar<'a>, DecodeError> {
    Ok(match cursor.kind()? {
        Kind::Null => {
            cursor.null()?;
            Scalar::Null
        }
        Kind::Boolean => Scalar::Boolean(cursor.boolean()?),
        Kind::Number => Scalar::Number(cursor.number()?),
        Kind::Text => Scalar::Text(cursor.text()?),
        Kind::Array | Kind::Object => {
            cursor.skip()?;
            Scalar::Nested
        }
    })
}

/// A GUID as text; `None` for null and for the empty GUID.
pub(super) fn guid(cursor: &mut JsonCursor<'_>) -> Result<Option<Uuid>, DecodeError> {
    if cursor.null()? {
        return Ok(None);
    }
    let text = cursor.text()?;
    match Uuid::try_parse(&text) {
        Ok(id) => Ok(Some(id).filter(|id| !id.is_nil())),
        Err(_) => Err(cursor.error(DecodeCode::WrongType, "a GUID is expected")),
    }
}

/// Text, or null.
pub(super) fn optional_text<'a>(
    cursor: &mut JsonCursor<'a>,
) -> Result<Option<Text<'a>>, DecodeError> {
    if cursor.null()? { Ok(None) } else { cursor.text().map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Value, DecodeCode> {
        let mut cursor = JsonCursor::new(json.as_bytes()).unwrap();
        let value = value(&mut cursor).and_then(|value| cursor.end().map(|()| value));
        value.map_err(|error| error.code)
    }

    fn typed(name: &str, rest: &str) -> Result<Value, DecodeCode> {
        read(&format!(
            r#"{{"__type":"{name}:http:\/\/schemas.microsoft.com\/xrm\/2011\/Contracts",{rest}}}"#
        ))
    }

    #[test]
    fn every_type_of_column() {
        let id = RecordId("0f8fad5b-d9cb-469f-a165-70867728950e".parse().unwrap());
        let decimal = |text: &str| Ok(Value::Decimal(text.parse().unwrap()));
        assert_eq!(read("null"), Ok(Value::Null));
        assert_eq!(read("true"), Ok(Value::Boolean(true)));
        assert_eq!(read("987654321"), Ok(Value::Integer(987_654_321)));
        assert_eq!(read("9007199254740993"), Ok(Value::Long(9_007_199_254_740_993)));
        assert_eq!(read("1.0000000000"), decimal("1.0000000000"));
        assert_eq!(read(r#""\/Date(1)\/""#), Ok(Value::Untyped("/Date(1)/".into())));
        assert_eq!(typed("Money", r#""Value":2154.32"#), decimal("2154.32"));
        assert_eq!(typed("Money", r#""Value":5"#), decimal("5"));
        assert_eq!(typed("Money", r#""Value":null"#), Ok(Value::Null));
        assert_eq!(typed("OptionSetValue", r#""Value":257760001"#), Ok(Value::Choice(257_760_001)));
        assert_eq!(
            typed(
                "EntityReference",
                &format!(
                    r#""Id":"{id}","KeyAttributes":[],"LogicalName":"account","Name":null,"RowVersion":null"#
                )
            ),
            Ok(Value::Lookup(Box::new(Lookup { id, entity: "account".into() })))
        );
        assert_eq!(
            typed("EntityReference", &format!(r#""Id":"{id}","LogicalName":null"#)),
            Ok(Value::Guid(id))
        );
        assert_eq!(
            typed("EntityCollection", r#""Entities":[{"Attributes":[]}],"EntityName":"x""#),
            Ok(Value::Null)
        );
        assert_eq!(
            typed("BooleanManagedProperty", r#""CanBeChanged":true,"Value":false"#),
            Ok(Value::Boolean(false))
        );
    }

    #[test]
    fn lists_are_options_or_bytes() {
        let option =
            |number: i32| format!(r#"{{"__type":"OptionSetValue:http://x","Value":{number}}}"#);
        assert_eq!(
            read(&format!("[{},{}]", option(3), option(1))),
            Ok(Value::Choices([3, 1].into()))
        );
        assert_eq!(read("[0,255]"), Ok(Value::Bytes([0, 255].into())));
        assert_eq!(read("[]"), Ok(Value::Choices([].into())));
        assert_eq!(read("[256]"), Err(DecodeCode::OutOfRange));
        assert_eq!(read(&format!("[{},1]", option(3))), Err(DecodeCode::WrongType));
        assert_eq!(read(&format!("[1,{}]", option(3))), Err(DecodeCode::WrongType));
        let pair = r#"[{"__type":"KeyValuePairOfstringstring:#System.Collections.Generic","key":"a","value":"b"}]"#;
        assert_eq!(read(pair), Err(DecodeCode::UnknownType));
    }

    #[test]
    fn forms_of_other_tools_are_understood() {
        let id = "0f8fad5b-d9cb-469f-a165-70867728950e";
        assert_eq!(
            read(&format!(r##"{{"__type":"Guid:#System","__value":"{id}"}}"##)),
            Ok(Value::Guid(RecordId(id.parse().unwrap())))
        );
        assert!(matches!(
            read(r##"{"__type":"DateTime:#System","__value":"\/Date(1608015600000)\/"}"##),
            Ok(Value::Timestamp(ticks)) if ticks.to_unix_ms() == 1_608_015_600_000
        ));
        // The name of the type may come last.
        assert_eq!(read(r#"{"Value":1,"__type":"OptionSetValue:x"}"#), Ok(Value::Choice(1)));
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        let mut cursor = JsonCursor::new(br#"{"__type":"Point:http://x","X":1}"#).unwrap();
        let error = value(&mut cursor).unwrap_err();
        assert_eq!(error.code, DecodeCode::UnknownType);
        assert!(error.detail.contains("`Point`"), "{error}");
        assert_eq!(read(r#"{"Value":1}"#), Err(DecodeCode::UnknownType));
        assert_eq!(typed("AliasedValue", r#""Value":{"a":[1]}"#), Err(DecodeCode::UnknownType));
        assert_eq!(typed("Money", r#""Value":"5""#), Err(DecodeCode::WrongType));
        assert_eq!(typed("OptionSetValue", r#""Value":1.5"#), Err(DecodeCode::OutOfRange));
        assert_eq!(typed("EntityReference", r#""LogicalName":"a""#), Err(DecodeCode::Missing));
    }
}
