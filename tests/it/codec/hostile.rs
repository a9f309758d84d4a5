//! Input that means harm, or was damaged: every cut of every sample, deep nesting, huge counts.

use std::sync::Arc;

use bytes::Bytes;
use keepstep::codec::{
    DecodeCode, Decoder, DecoderSettings, contract, encode_change, encode_change_json,
};
use keepstep::model::change::{Change, Image, Operation};
use keepstep::model::record::{EntityName, RecordId};
use keepstep::model::value::Value;
use uuid::Uuid;

use super::dataverse::{ID, envelope};
use super::{decode, decode_with};

fn change(attributes: Vec<(compact_str::CompactString, Value)>) -> Change {
    Change {
        organization_id: Some(Uuid::from_u128(1)),
        entity: EntityName::new("account"),
        record_id: RecordId(Uuid::from_u128(2)),
        operation: Operation::Create,
        image: Image::Full,
        version: None,
        changed_at: None,
        attributes,
        correlation_id: None,
        payload_reference: None,
    }
}

fn code(payload: &[u8]) -> DecodeCode {
    decode(payload).unwrap_err().code
}

fn update(attributes: &str) -> String {
    let target = format!(
        r#"{{"key":"Target","value":{{"__type":"Entity:x","Attributes":[{attributes}],"LogicalName":"account"}}}}"#
    );
    envelope("Update", &target, "", "account", ID)
}

#[test]
fn no_cut_of_a_payload_is_a_payload() {
    let change = change(vec![
        ("name".into(), Value::Text("zł 😀".into())),
        ("revenue".into(), Value::Decimal("-12.50".parse().unwrap())),
        ("interests".into(), Value::Choices([1, 2, 3].into())),
    ]);
    let json = encode_change_json(&change).into_bytes();
    let dataverse = update(r#"{"key":"name","value":"zł \ud83d\ude00"},{"key":"x","value":[]}"#);
    for payload in [encode_change(&change), json, dataverse.into_bytes()] {
        assert!(decode(&payload).is_ok());
        for length in 0..payload.len() {
            assert!(decode(&payload[..length]).is_err(), "cut to {length} of {}", payload.len());
        }
        let longer = [&payload[..], b"0"].concat();
        assert_eq!(code(&longer), DecodeCode::Trailing);
    }
}

#[test]
fn the_size_of_a_payload_has_a_limit() {
    let payload = encode_change(&change(vec![("x".into(), Value::Bytes(vec![7; 2_000].into()))]));
    let settings =
        |max_payload_bytes| DecoderSettings { max_payload_bytes, ..DecoderSettings::default() };
    assert!(decode_with(settings(payload.len()), &payload).is_ok());
    let error = decode_with(settings(payload.len() - 1), &payload).unwrap_err();
    assert_eq!(error.code, DecodeCode::TooLarge);
    assert_eq!(code(&vec![b'{'; 1_048_577]), DecodeCode::TooLarge);
}

#[test]
fn the_number_of_attributes_has_a_limit() {
    let attributes = |count: usize| vec![("x".into(), Value::Null); count];
    assert!(decode(&encode_change(&change(attributes(4_096)))).is_ok());
    assert!(decode(encode_change_json(&change(attributes(4_096))).as_bytes()).is_ok());
    let pairs = |count: usize| update(&vec![r#"{"key":"x","value":1}"#; count].join(","));
    assert!(decode(pairs(4_096).as_bytes()).is_ok());

    let many = change(attributes(4_097));
    assert_eq!(code(&encode_change(&many)), DecodeCode::TooMany);
    assert_eq!(code(encode_change_json(&many).as_bytes()), DecodeCode::TooMany);
    assert_eq!(code(pairs(4_097).as_bytes()), DecodeCode::TooMany);
}

#[test]
fn names_have_a_length() {
    for (length, fits) in [(0, false), (1, true), (128, true), (129, false)] {
        let name = "x".repeat(length);
        let with_name = change(vec![(name.as_str().into(), Value::Null)]);
        let of_name = Change { entity: EntityName::new(&name), ..change(vec![]) };
        let pair = update(&format!(r#"{{"key":"{name}","value":1}}"#));
        for payload in [
            encode_change(&with_name),
            encode_change(&of_name),
            encode_change_json(&with_name).into_bytes(),
            encode_change_json(&of_name).into_bytes(),
            pair.into_bytes(),
        ] {
            match decode(&payload) {
                Ok(_) => assert!(fits, "{length}"),
                Err(error) => {
                    assert!(!fits && error.code == DecodeCode::NameLength, "{length}: {error}");
                }
            }
        }
    }
}

#[test]
fn a_reference_to_a_payload_has_a_length() {
    for (length, fits) in [(2_048, true), (2_049, false)] {
        let reference = Some("x".repeat(length).into());
        let change = Change { payload_reference: reference, ..change(vec![]) };
        assert_eq!(decode(&encode_change(&change)).is_ok(), fits);
        assert_eq!(decode(encode_change_json(&change).as_bytes()).is_ok(), fits);
    }
}

#[test]
fn nesting_has_a_limit_wherever_it_is() {
    let deep = [vec![b'['; 500_000], vec![b']'; 500_000]].concat();
    let deep = String::from_utf8(deep).unwrap();
    let value = update(&format!(r#"{{"key":"x","value":{{"__type":"Money:x","Value":{deep}}}}}"#));
    let unknown = update("").replace(r#""Mode":1"#, &format!(r#""Mode":{deep}"#));
    let early = update(&format!(r#"{{"value":{deep},"key":"x"}}"#));
    for payload in [value, unknown, early] {
        assert_eq!(code(payload.as_bytes()), DecodeCode::TooDeep);
    }
    let list = update(&format!(r#"{{"key":"x","value":{deep}}}"#));
    assert_eq!(code(list.as_bytes()), DecodeCode::WrongType);
}

#[test]
fn a_count_that_the_payload_cannot_hold_takes_no_memory() {
    // entity "a", id 0, create, full, five nulls; then counts of 2^62 items.
    let head = [&[2, b'a'][..], &[0; 16], &[0, 0, 0, 0, 0, 0, 0]].concat();
    let huge = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00];
    let options = [&[2, 2, b'x', 26][..], &huge].concat();
    let text = [&[2, 2, b'x', 12][..], &huge].concat();
    for tail in [huge.to_vec(), options, text] {
        let fingerprint = contract::Contract::ChangeNotification.fingerprint();
        let payload = [&contract::SINGLE_OBJECT[..], &fingerprint, &head, &tail].concat();
        assert_eq!(code(&payload), DecodeCode::Truncated);
    }
}

#[test]
fn numbers_outside_of_their_type_are_refused() {
    let head = [&[2, b'a'][..], &[0; 16], &[0, 0, 0, 0, 0, 0, 0]].concat();
    let nine = [9_u8; 17];
    let lowest = [&[32, 0x80][..], &[0; 15], &[0]].concat(); // -2^127
    let cases: [&[u8]; 8] = [
        &[16, 1],                                                          // tick -1
        &[16, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01], // tick 2^62
        &[4, 0x80, 0x80, 0x80, 0x80, 0x10],                                // int 2^31
        &[10, 0, 0],                                                       // decimal without digits
        &[10, 2, 1, 78],                                                   // scale 39
        &[10, 2, 1, 1],                                                    // scale -1
        &[&[10, 34][..], &nine, &[0]].concat(),                            // decimal of 17 bytes
        &[&[10][..], &lowest].concat(),                                    // decimal of 39 digits
    ];
    for value in cases {
        let fingerprint = contract::Contract::ChangeNotification.fingerprint();
        let attribute = [&[2, 2, b'x'][..], value, &[0]].concat();
        let payload = [&contract::SINGLE_OBJECT[..], &fingerprint, &head, &attribute].concat();
        assert_eq!(code(&payload), DecodeCode::OutOfRange, "{value:x?}");
    }
}

#[test]
fn a_byte_order_mark_is_accepted_once() {
    let json = encode_change_json(&change(vec![]));
    assert!(decode(format!("\u{feff}{json}").as_bytes()).is_ok());
    assert_eq!(code(format!("\u{feff}\u{feff}{json}").as_bytes()), DecodeCode::UnknownFormat);
}

#[test]
fn an_error_never_quotes_content() {
    // Damage at every place of content; the content itself must not come back.
    let secret = "Zeppelin4711";
    let json = encode_change_json(&change(vec![("name".into(), Value::Text(secret.into()))]));
    let dataverse = update(&format!(r#"{{"key":"name","value":"{secret}"}}"#));
    for payload in [json.into_bytes(), dataverse.into_bytes()] {
        for at in 0..payload.len() {
            for byte in [b'"', b'\\', b'x', 0] {
                let mut damaged = payload.clone();
                damaged[at] = byte;
                if let Err(error) = decode(&damaged) {
                    assert!(!error.to_string().contains("Zeppelin"), "{error}");
                    assert!(error.to_string().len() < 400);
                }
            }
        }
    }
}

#[test]
fn a_decoder_goes_on_after_an_error() {
    let mut decoder = Decoder::new(Arc::new(DecoderSettings::default()));
    let good = Bytes::from(encode_change(&change(vec![])));
    let bad = good.slice(..good.len() - 1);
    assert!(decoder.decode(&[], &good).is_ok());
    assert!(decoder.decode(&[], &bad).is_err());
    assert!(decoder.decode(&[], &good).is_ok());
}
