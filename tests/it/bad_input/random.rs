//! Bytes by chance under keys by chance: none makes a pipeline stop, and what is no change is held.

use std::sync::Arc;

use keepstep::codec::{Decoder, encode_change};
use keepstep::log::NewRecord;
use keepstep::model::mapping::UnknownAttribute;
use keepstep::model::value::Value;
use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

use super::case::{CANARY, change, dataverse_text, good, json_text};
use super::scene::{Kind, VERSIONED, decoder_settings, run};

/// A key by chance, or one that is fit.
fn key() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop_oneof![
        Just(None),
        vec(any::<u8>(), 0..50).prop_map(Some),
        any::<u128>().prop_map(|id| Some(Uuid::from_u128(id).to_string().into_bytes())),
    ]
}

/// Bytes by chance, some behind the marks of an encoding.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let fingerprint = keepstep::codec::Contract::ChangeNotification.fingerprint();
    let marks = vec![
        Vec::new(),
        [&keepstep::codec::contract::SINGLE_OBJECT[..], &fingerprint].concat(),
        vec![0, 0, 0, 0, 7],
        b"{".to_vec(),
        b"{\"entity\":\"thing\",".to_vec(),
        b"{\"MessageName\":\"".to_vec(),
    ];
    let behind = vec(any::<u8>(), 0..200);
    (prop::sample::select(marks), behind).prop_map(|(marks, behind)| [marks, behind].concat())
}

/// What is done to one byte of a sound change.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Altered(u8),
    PutIn(u8),
    CutOff,
}

fn damage() -> impl Strategy<Value = (usize, prop::sample::Index, Damage)> {
    let damage = prop_oneof![
        any::<u8>().prop_map(Damage::Altered),
        any::<u8>().prop_map(Damage::PutIn),
        Just(Damage::CutOff),
    ];
    (0..3_usize, any::<prop::sample::Index>(), damage)
}

/// A sound change of that record in one of the encodings, damaged.
fn damaged(id: Uuid, encoding: usize, place: prop::sample::Index, damage: Damage) -> Vec<u8> {
    let mut bytes = match encoding {
        0 => {
            let attributes = [("name", Value::Text(CANARY.into())), ("big", Value::Long(7))];
            encode_change(&change(id, &attributes))
        }
        1 => json_text(id, &format!(r#"{{"name":"{CANARY}","amount":1.5}}"#), "").into_bytes(),
        _ => {
            let pair = format!(r#"{{"key":"name","value":"{CANARY}"}}"#);
            dataverse_text("Update", id, &pair).into_bytes()
        }
    };
    let at = place.index(bytes.len());
    match damage {
        Damage::Altered(byte) => bytes[at] = byte,
        Damage::PutIn(byte) => bytes.insert(at, byte),
        Damage::CutOff => bytes.truncate(at),
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn bytes_by_chance(records in vec((key(), payload()), 1..40), sqlite in 0..4_u8) {
        check(records, if sqlite == 0 { Kind::Sqlite } else { Kind::Memory });
    }

    #[test]
    fn damage_by_chance(damages in vec(damage(), 1..40)) {
        // A record each: a later image of the same one would take the place of what is held.
        let records = damages.into_iter().enumerate().map(|(at, (encoding, place, damage))| {
            let id = Uuid::from_u128(9 << 64 | at as u128);
            (Some(id.to_string().into_bytes()), damaged(id, encoding, place, damage))
        });
        check(records.collect(), Kind::Memory);
    }
}

/// Runs them with a good change behind each.
fn check(records: Vec<(Option<Vec<u8>>, Vec<u8>)>, kind: Kind) {
    let mut decoder = Decoder::new(Arc::new(decoder_settings()));
    let no_change: Vec<bool> = records
        .iter()
        .map(|(_, payload)| decoder.decode(&[], &payload.clone().into()).is_err())
        .collect();
    let on_the_log = records.into_iter().enumerate().flat_map(|(at, (key, payload))| {
        let record = NewRecord {
            key: key.map(Into::into),
            payload: Some(payload.into()),
            ..NewRecord::default()
        };
        [record, good(at).0]
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let left = runtime.block_on(run(kind, on_the_log.collect(), UnknownAttribute::Drop));
    assert!(!left.said.contains(CANARY), "{}", left.said);
    for (at, no_change) in no_change.into_iter().enumerate() {
        let good = (VERSIONED.to_owned(), good(at).1.to_string());
        assert!(left.rows.contains_key(&good), "the good change {at}");
        if no_change {
            assert!(left.held.contains_key(&(2 * at)), "record {at}");
        }
    }
}
