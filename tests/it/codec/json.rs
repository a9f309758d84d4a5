//! JSON of our own shape.

use keepstep::codec::{DecodeCode, encode_change_json, encode_marker_json};
use keepstep::model::change::{Change, Notification};
use keepstep::model::value::{Ticks, Value};
use proptest::prelude::*;

use super::{decode, strategy};

const ID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

/// A change whose attributes are `attributes`.
fn with(attributes: &str) -> Result<Change, DecodeCode> {
    let json = format!(
        r#"{{"entity":"account","record_id":"{ID}","operation":"update","image":"patch","attributes":{attributes}}}"#
    );
    match decode(json.as_bytes()) {
        Ok(Notification::Change(change)) => Ok(change),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.code),
    }
}

fn value(json: &str) -> Result<Value, DecodeCode> {
    let change = with(&format!(r#"[{{"name":"x","value":{json}}}]"#))?;
    let [(name, value)] = &change.attributes[..] else { panic!("one attribute") };
    assert_eq!(name, "x");
    assert_eq!(with(&format!(r#"{{"x":{json}}}"#))?.attributes, change.attributes);
    Ok(value.clone())
}

fn code(json: &str) -> DecodeCode {
    decode(json.as_bytes()).unwrap_err().code
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(change in strategy::change()) {
        let json = encode_change_json(&change);
        let general: serde_json::Value = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(&general["entity"], change.entity.as_str());
        let attributes = general["attributes"].as_array().unwrap();
        prop_assert_eq!(attributes.len(), change.attributes.len());
        prop_assert!(!json.contains('\n'));
        prop_assert_eq!(decode(json.as_bytes()).unwrap(), Notification::Change(change));
    }

    #[test]
    fn markers_likewise(marker in strategy::marker()) {
        let json = encode_marker_json(&marker);
        prop_assert_eq!(decode(json.as_bytes()).unwrap(), Notification::Marker(marker));
    }
}

#[test]
fn values_are_written_as_people_write_them() {
    assert_eq!(value("null"), Ok(Value::Null));
    assert_eq!(value("true"), Ok(Value::Boolean(true)));
    assert_eq!(value("5"), Ok(Value::Integer(5)));
    assert_eq!(value("1200.50"), Ok(Value::Decimal("1200.50".parse().unwrap())));
    assert_eq!(value("\"Contoso\""), Ok(Value::Untyped("Contoso".into())));
    assert_eq!(value(r#"{"long":5}"#), Ok(Value::Long(5)));
    assert_eq!(value(r#"{"decimal":1.10}"#), Ok(Value::Decimal("1.10".parse().unwrap())));
    assert_eq!(value(r#"{"double":"-Infinity"}"#), Ok(Value::Double(f64::NEG_INFINITY)));
    assert_eq!(value(r#"{"date":"1970-01-02"}"#), Ok(Value::Date(1)));
    assert_eq!(value(r#"{"date":-1}"#), Ok(Value::Date(-1)));
    assert_eq!(value(r#"{"bytes":"AP8="}"#), Ok(Value::Bytes([0, 255].into())));
    let ticks = Ticks::new(638_501_616_001_234_567).unwrap();
    assert_eq!(
        value(r#"{"timestamp":"2024-05-01T12:00:00.1234567Z"}"#),
        Ok(Value::Timestamp(ticks))
    );
    assert_eq!(value(r#"{"timestamp":638501616001234567}"#), Ok(Value::Timestamp(ticks)));
}

#[test]
fn values_that_are_none_are_refused() {
    for (json, expected) in [
        ("[]", DecodeCode::WrongType),
        ("{}", DecodeCode::Missing),
        (r#"{"int":2147483648}"#, DecodeCode::OutOfRange),
        (r#"{"int":1.5}"#, DecodeCode::OutOfRange),
        (r#"{"int":"1"}"#, DecodeCode::WrongType),
        (r#"{"money":1}"#, DecodeCode::UnknownType),
        (r#"{"int":1,"long":1}"#, DecodeCode::UnknownField),
        (r#"{"timestamp":"12:00"}"#, DecodeCode::OutOfRange),
        (r#"{"timestamp":-1}"#, DecodeCode::OutOfRange),
        (r#"{"date":"2024-02-30"}"#, DecodeCode::OutOfRange),
        (r#"{"date":"2024-02-03T00:00:00Z"}"#, DecodeCode::OutOfRange),
        (r#"{"bytes":"?"}"#, DecodeCode::Malformed),
        (r#"{"guid":"x"}"#, DecodeCode::WrongType),
        (r#"{"lookup":{"id":"x"}}"#, DecodeCode::WrongType),
        (r#"{"lookup":{"entity":"x"}}"#, DecodeCode::Missing),
        (r#"{"decimal":"1,5"}"#, DecodeCode::OutOfRange),
        (r#"{"string":"\ud800"}"#, DecodeCode::InvalidText),
        ("1e999", DecodeCode::OutOfRange),
    ] {
        assert_eq!(value(json), Err(expected), "{json}");
    }
}

#[test]
fn a_slip_in_the_shape_is_refused_by_name() {
    let change = |extra: &str| {
        format!(r#"{{"entity":"a","record_id":"{ID}","operation":"update","image":"full"{extra}}}"#)
    };
    assert!(decode(change("").as_bytes()).is_ok());
    assert_eq!(code(&change(r#","rowversion":1"#)), DecodeCode::UnknownField);
    assert_eq!(code(&change(r#","entity":"b""#)), DecodeCode::Repeated);
    assert_eq!(code(&change(r#","row_version":1.5"#)), DecodeCode::OutOfRange);
    assert_eq!(code(&change(r#","phase":"begin""#)), DecodeCode::Contradiction);
    assert_eq!(code(&(change("") + "{}")), DecodeCode::Trailing);
    assert_eq!(code(&change(",")), DecodeCode::Malformed);
    assert_eq!(code("{}"), DecodeCode::Missing);
    let error = decode(change(r#","rowversion":1"#).as_bytes()).unwrap_err();
    assert!(error.detail.contains("`rowversion`"), "{error}");
    let error = decode(br#"{"entity":"a","operation":"erase"}"#).unwrap_err();
    assert_eq!(error.code, DecodeCode::OutOfRange);
    assert!(error.detail.contains("`operation`") && !error.detail.contains("erase"), "{error}");
}

#[test]
fn only_a_delete_needs_no_image() {
    let change = |operation: &str| {
        format!(r#"{{"entity":"a","record_id":"{ID}","operation":"{operation}"}}"#)
    };
    assert!(decode(change("delete").as_bytes()).is_ok());
    for operation in ["create", "update", "snapshot"] {
        assert_eq!(code(&change(operation)), DecodeCode::Missing);
    }
}

#[test]
fn an_attribute_that_stands_twice_is_handed_on_for_the_mapping_to_refuse() {
    let change = with(r#"{"x":1,"x":2}"#).unwrap();
    assert_eq!(change.attributes.len(), 2);
}
