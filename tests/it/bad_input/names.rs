//! Names on the log that mean harm. An entity that is in no profile is nobody's business; an
//! attribute that the definition lacks pauses its entity or is left out. Either way a name is never
//! part of a statement, and what is said of it is fit for a terminal.

use keepstep::codec::encode_change;
use keepstep::log::NewRecord;
use keepstep::model::change::Change;
use keepstep::model::mapping::UnknownAttribute;
use keepstep::model::record::EntityName;
use keepstep::model::value::Value;

use super::case::{CANARY, Case, End, change, good, row, undecodable};
use super::check;
use super::scene::{Kind, VERSIONED, run};

const HOSTILE: [&str; 16] = [
    "thing\"; DROP TABLE thing; --",
    "thing'; DROP TABLE thing; --",
    "thing; DELETE FROM thing",
    "thing\0",
    "\0",
    "select",
    "keepstep_checkpoint",
    "keepstep.checkpoint",
    "sqlite_schema",
    "THING",
    " thing",
    "../thing",
    "thing\u{202e}gnp",
    "\u{1b}[2Jthing",
    "new\nline",
    "%s{}$1?1",
];

fn of_entity(name: &str) -> impl FnOnce(uuid::Uuid) -> Vec<u8> {
    let entity = EntityName::new(name);
    move |id| {
        let change = change(id, &[("name", Value::Text(CANARY.into()))]);
        encode_change(&Change { entity, ..change })
    }
}

#[tokio::test]
async fn of_entities() {
    let mut cases: Vec<Case> = HOSTILE
        .iter()
        .map(|name| Case::bytes(&format!("{name:?}"), of_entity(name), End::Nothing))
        .collect();
    let long = "x".repeat(10_000);
    cases.push(Case::bytes("10,000 characters", of_entity(&long), undecodable("name_length")));
    cases.push(Case::bytes("no character", of_entity(""), undecodable("name_length")));
    check(cases).await;
}

#[tokio::test]
async fn of_attributes_that_break_the_limits() {
    let long = "x".repeat(10_000);
    check(vec![
        Case::avro("10,000 characters", &long, Value::Null, undecodable("name_length")),
        Case::json("10,000 characters in JSON", &long, "1", undecodable("name_length")),
        Case::dataverse("10,000 from Dataverse", &long, "1", undecodable("name_length")),
        Case::avro("no character", "", Value::Null, undecodable("name_length")),
        Case::json(
            "a wrong value of a hostile name",
            "a\\u202eb\\u001b",
            "[]",
            undecodable("`a\u{fffd}b\u{fffd}`"),
        ),
    ])
    .await;
}

/// One attribute of this name.
fn record(name: &str) -> NewRecord {
    Case::avro(name, name, Value::Text(CANARY.into()), row(&[])).record()
}

#[tokio::test(start_paused = true)]
async fn of_attributes_that_the_definition_lacks_pause_their_entity() {
    for name in HOSTILE {
        let records = vec![record(name), good(0).0];
        let left = run(Kind::Memory, records, UnknownAttribute::Stop).await;
        let [why] = &left.paused[..] else { panic!("{name:?}: {:?}", left.paused) };
        assert!(why.contains("has no attribute"), "{why}");
        let deceptive = |letter: char| letter.is_control() || letter == '\u{202e}';
        assert!(!why.contains(deceptive), "{name:?}: {why:?}");
        assert!(!left.said.contains(CANARY), "{}", left.said);
        assert!(left.rows.is_empty(), "{name:?}: {:?}", left.rows);
    }
}

#[tokio::test]
async fn of_attributes_that_the_definition_lacks_are_left_out() {
    for kind in [Kind::Memory, Kind::Sqlite] {
        let records = HOSTILE.iter().map(|name| record(name)).chain([good(0).0]).collect();
        let left = run(kind, records, UnknownAttribute::Drop).await;
        assert!(left.paused.is_empty() && left.held.is_empty(), "{kind:?}: {}", left.said);
        assert_eq!(left.rows.len(), HOSTILE.len() + 1, "{kind:?}");
        assert!(left.rows.keys().all(|(table, _)| table == VERSIONED), "{kind:?}");
    }
}
