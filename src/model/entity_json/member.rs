//! Members of the JSON objects of entity definitions, each of the type that it must have.
//!
//! A member that is null is absent: the Web API writes null for what has no value.

use serde_json::{Map, Value};

use super::Problem;

/// A JSON object.
pub(super) type Object = Map<String, Value>;

/// A member that is there.
pub(super) fn member<'a>(members: &'a Object, field: &str) -> Option<&'a Value> {
    members.get(field).filter(|value| !value.is_null())
}

/// Text that must be there.
pub(super) fn text<'a>(members: &'a Object, field: &'static str) -> Result<&'a str, Problem> {
    optional_text(members, field)?.ok_or(Problem::Missing(field))
}

/// Text.
pub(super) fn optional_text<'a>(
    members: &'a Object,
    field: &'static str,
) -> Result<Option<&'a str>, Problem> {
    match member(members, field) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Problem::WrongType { field, expected: "text" }),
    }
}

/// A list.
pub(super) fn list<'a>(
    members: &'a Object,
    field: &'static str,
) -> Result<Option<&'a [Value]>, Problem> {
    match member(members, field) {
        None => Ok(None),
        Some(Value::Array(items)) => Ok(Some(items)),
        Some(_) => Err(Problem::WrongType { field, expected: "a list" }),
    }
}

/// A whole number.
pub(super) fn number(members: &Object, field: &'static str) -> Result<Option<i64>, Problem> {
    match member(members, field) {
        None => Ok(None),
        Some(value) => {
            value.as_i64().map(Some).ok_or(Problem::WrongType { field, expected: "a whole number" })
        }
    }
}

/// An object.
pub(super) fn object<'a>(value: &'a Value, field: &'static str) -> Result<&'a Object, Problem> {
    value.as_object().ok_or(Problem::WrongType { field, expected: "an object" })
}
