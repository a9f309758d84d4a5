//! The failed-record list: what dead letters make of it, and how it is read.

mod asked;
mod commands;
mod compactor;
mod comparison;
mod desk;
mod export;
mod letters;
mod list;
mod rebuild;
mod restored;

use std::path::Path;

use bytes::Bytes;
use keepstep::failed::ListError;
use keepstep::failed::change::KnownChange;
use keepstep::failed::entry::Entry;
use keepstep::failed::list::{Filter, Step};
use keepstep::failed::store::{Reader, Store};
use keepstep::model::checkpoint::LaneId;
use keepstep::model::dead_letter::{DeadLetter, OriginalRecord};
use keepstep::model::held::{HeldCause, HeldChange, HeldKey, ReleaseReason, Revision};
use keepstep::model::position::{Offset, Topic, TopicPartition};
use keepstep::model::profile::ProfileId;
use keepstep::model::record::{EntityName, RecordId};
use uuid::Uuid;

/// 2024-05-01T12:00:00Z, µs since 1970.
const NOON_US: i64 = 1_714_564_800_000_000;
const MINUTE_US: i64 = 60_000_000;
const DAY_US: i64 = 24 * 60 * MINUTE_US;

fn profile() -> ProfileId {
    ProfileId::new("crm").unwrap()
}

fn lane() -> LaneId {
    let topic_partition = TopicPartition::new(&Topic::new("crm.contoso.account"), 3);
    LaneId { profile: profile(), topic_partition }
}

fn account() -> EntityName {
    EntityName::new("account")
}

/// The account with this number, changed at this offset, held so many minutes after noon.
fn held(number: u128, offset: i64, minute: i64) -> HeldChange {
    let held_at_us = NOON_US + minute * MINUTE_US;
    HeldChange {
        key: HeldKey {
            offset: Offset(offset),
            entity: Some(account()),
            record_id: Some(RecordId(Uuid::from_u128(number))),
        },
        creates: false,
        version: None,
        cause: HeldCause {
            code: "text_too_long".into(),
            column: Some("name".into()),
            detail: "text of 161 UTF-16 units is longer than the column's 160".to_owned(),
        },
        attempt: 0,
        held_at_us,
        revision: Revision(held_at_us),
        open: true,
        published: None,
    }
}

/// The same change, waiting behind another.
fn waiting(held: HeldChange) -> HeldChange {
    HeldChange { cause: HeldCause::waits(), ..held }
}

/// The same change, released so many minutes after noon.
fn released(held: HeldChange, reason: ReleaseReason, minute: i64) -> HeldChange {
    let revision = Revision(NOON_US + minute * MINUTE_US);
    HeldChange { cause: reason.into(), open: false, revision, ..held }
}

/// What lay on the log: an update of the account, with a text that must not get out.
fn original(number: u128) -> OriginalRecord {
    let id = Uuid::from_u128(number);
    let payload = format!(
        r#"{{"entity":"account","record_id":"{id}","operation":"update","image":"patch","attributes":{{"name":"{CANARY}"}}}}"#
    );
    OriginalRecord {
        key: Some(Bytes::from(id.to_string())),
        payload: Some(Bytes::from(payload)),
        headers: vec![("note".into(), Bytes::from_static(CANARY.as_bytes()))],
        timestamp_ms: NOON_US / 1_000 - 1,
    }
}

/// Stands in every payload.
const CANARY: &str = "canary-7f3d-personal";

fn letter(held: &HeldChange) -> DeadLetter {
    DeadLetter::of(&lane(), held, None)
}

fn apply(path: &Path, letters: &[DeadLetter]) {
    let changes = letters.iter().map(|letter| KnownChange::of(letter, None)).collect();
    Store::open(path).unwrap().apply(&profile(), changes, None).unwrap();
}

/// Every entry that a filter takes.
fn entries(path: &Path, filter: &Filter) -> Vec<Entry> {
    let mut entries = Vec::new();
    let reader = Reader::open(path).unwrap().expect("a list");
    let next = reader.entries(&profile(), filter, None, |entry| {
        entries.push(entry.clone());
        Ok::<_, ListError>(Step::Next)
    });
    assert_eq!(next, Ok(None));
    entries
}

fn open_entries(path: &Path) -> Vec<Entry> {
    entries(path, &Filter::default())
}

fn resolved_entries(path: &Path) -> Vec<Entry> {
    entries(path, &Filter { resolved: true, ..Filter::default() })
}

/// Fails if the canary is in a file of the folder.
fn no_canary_in(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
            assert!(!found, "content in {}", path.display());
        }
    }
}
