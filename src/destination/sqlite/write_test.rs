//! SQLite's limits, made small enough to be met: the length of a text and of a row, the size of
//! the file, the right to write it.

use std::sync::Arc;

use rusqlite::limits::Limit;
use uuid::Uuid;

use super::*;
use crate::destination::sqlite::SqliteSettings;
use crate::destination::sqlite::activate::{ensure_table, upgrade_own_tables};
use crate::destination::sqlite::clock::Clock;
use crate::destination::sqlite::open::{Missing, open};
use crate::destination::{RejectedRecord, WriteError};
use crate::model::batch::TableBatch;
use crate::model::cell::Cell;
use crate::model::change::Version;
use crate::model::checkpoint::{CursorMove, LaneId, OwnerToken, Scope};
use crate::model::entity::{Attribute, AttributeKind, EntityDefinition};
use crate::model::failure::{Cause, Rejection};
use crate::model::mapping::{Effect, Fitted, Mapping, UnknownAttribute};
use crate::model::mutation::Mutations;
use crate::model::net_change::NetChange;
use crate::model::position::{Offset, Topic, TopicPartition};
use crate::model::profile::ProfileId;
use crate::model::record::{EntityName, RecordId};
use crate::model::table::Table;

const LIMIT_BYTES: i32 = 100_000;

fn mapping() -> Arc<Mapping> {
    let attribute = |name: &str| Attribute {
        name: name.into(),
        kind: AttributeKind::Memo,
        labels: Vec::new(),
        origin: crate::model::entity::Origin::default(),
    };
    let definition = EntityDefinition {
        name: EntityName::new("account"),
        primary_id: "".into(),
        intersect: None,
        attributes: ["a", "b"].map(attribute).into(),
    };
    let table = Table::of(&definition, "dbo", None);
    Arc::new(Mapping::new(&definition, table, true, UnknownAttribute::Stop))
}

/// A file with one table, one row, and a lane that nobody owns but the nil token.
fn file() -> (tempfile::TempDir, Connection) {
    let folder = tempfile::tempdir().unwrap();
    let settings = SqliteSettings::new(folder.path().join("destination.db"));
    let connection = open(&settings, Missing::Create).unwrap();
    upgrade_own_tables(&connection).unwrap();
    ensure_table(&connection, &mapping().table).unwrap();
    let text = format!("INSERT INTO account (Id, versionnumber) VALUES ('{}', 1)", record());
    connection.execute_batch(&text).unwrap();
    let start = "INSERT INTO keepstep_checkpoint VALUES ('p', 't', 0, '', 0, ?1, 0, 0, 0, 0)";
    connection.execute(start, [Uuid::nil().hyphenated().to_string()]).unwrap();
    (folder, connection)
}

fn record() -> RecordId {
    RecordId(Uuid::from_u128(7))
}

/// What a change with texts of these lengths is answered.
fn write_to(
    connection: &mut Connection,
    effect: fn(Vec<(u16, Cell)>) -> Effect,
    lengths: [usize; 2],
) -> Result<Written, Stop> {
    let lane = LaneId {
        profile: ProfileId::new("p").unwrap(),
        topic_partition: TopicPartition::new(&Topic::new("t"), 0),
    };
    let step = CursorMove { scope: Scope::All, from: NextOffset(0), to: NextOffset(1) };
    let token = OwnerToken(Uuid::nil());
    let fence = Fence { lane, token, moves: vec![step], splits: Vec::new(), fingerprint: None };
    let cells = (0..).zip(lengths).map(|(column, length)| {
        (column, Cell::Text(compact_str::CompactString::from("x".repeat(length))))
    });
    let change = Fitted {
        record_id: record(),
        version: Some(Version(2)),
        effect: effect(cells.collect()),
        dropped_attributes: 0,
    };
    let changes = vec![NetChange::of(change, Offset(0))];
    let tables = vec![TableBatch { mapping: mapping(), changes }];
    let means = Means { clock: &Clock::default(), mutations: Mutations::default() };
    let batch = Batch { tables, ..Batch::default() };
    let tried = try_out(connection, means, &fence, &batch);
    let written = write(connection, means, &fence, &batch);
    let told = |stop: &Stop| format!("{stop:?}");
    assert_eq!(tried.as_ref().err().map(told), written.as_ref().err().map(told), "the trial");
    written
}

/// The same in a file whose texts and rows have a limit.
fn written(effect: fn(Vec<(u16, Cell)>) -> Effect, lengths: [usize; 2]) -> Result<Written, Stop> {
    let (_folder, mut connection) = file();
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LIMIT_BYTES).unwrap();
    write_to(&mut connection, effect, lengths)
}

fn image(cells: Vec<(u16, Cell)>) -> Effect {
    Effect::Image { create: false, cells }
}

fn patch(cells: Vec<(u16, Cell)>) -> Effect {
    Effect::Patch { cells }
}

#[test]
fn a_text_beyond_the_limit_is_rejected_in_its_column() {
    for effect in [image, patch] {
        let expected = RejectedRecord {
            entity: Some(EntityName::new("account")),
            record_id: Some(record()),
            rejection: Rejection::in_column(
                "b",
                Cause::Refused { code: "SQLITE_TOOBIG (18)".into() },
            ),
        };
        match written(effect, [10, 100_001]) {
            Err(Stop::Rejected(rejected)) => assert_eq!(rejected, vec![expected]),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_row_beyond_the_limit_is_rejected_as_a_whole() {
    for effect in [image, patch] {
        match written(effect, [60_000, 60_000]) {
            Err(Stop::Rejected(rejected)) => {
                assert_eq!(rejected.len(), 1);
                assert_eq!(rejected[0].record_id, Some(record()));
                let code = "SQLITE_TOOBIG (18)".into();
                assert_eq!(rejected[0].rejection, Rejection::of(Cause::Refused { code }));
            }
            other => panic!("{other:?}"),
        }
        assert!(written(effect, [60_000, 10_000]).is_ok());
    }
}

/// Refused now, with this code; the same write works after `end`.
fn is_outage(begin: &str, end: &str, code: &str) {
    let (_folder, mut connection) = file();
    connection.execute_batch(begin).unwrap();
    let stop = write_to(&mut connection, image, [100_000, 100_000]).unwrap_err();
    match stop.into_write_error("x") {
        WriteError::Retry(trouble) => assert_eq!(trouble.code, code),
        other => panic!("{other:?}"),
    }
    connection.execute_batch(end).unwrap();
    write_to(&mut connection, image, [100_000, 100_000]).unwrap();
}

#[test]
fn a_full_disk_is_an_outage() {
    is_outage(
        "PRAGMA max_page_count = 1",
        "PRAGMA max_page_count = 4000000000",
        "SQLITE_FULL (13)",
    );
}

#[test]
fn a_lost_right_to_write_is_an_outage() {
    is_outage("PRAGMA query_only = 1", "PRAGMA query_only = 0", "SQLITE_READONLY (8)");
}
