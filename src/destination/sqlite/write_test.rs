//! SQLite's limit on the length of a text and of a row, made small enough to be met.

use std::sync::Arc;

use rusqlite::limits::Limit;
use uuid::Uuid;

use super::*;
use crate::destination::RejectedRecord;
use crate::destination::sqlite::SqliteSettings;
use crate::destination::sqlite::activate::{ensure_table, upgrade_own_tables};
use crate::destination::sqlite::open::{Missing, open};
use crate::model::batch::TableBatch;
use crate::model::cell::Cell;
use crate::model::change::Version;
use crate::model::checkpoint::{LaneId, OwnerToken, Scope};
use crate::model::entity::{Attribute, AttributeKind, EntityDefinition};
use crate::model::failure::{Cause, Rejection};
use crate::model::mapping::{Effect, Fitted, Mapping, UnknownAttribute};
use crate::model::net_change::NetChange;
use crate::model::position::{NextOffset, Offset, Topic, TopicPartition};
use crate::model::profile::ProfileId;
use crate::model::record::{EntityName, RecordId};
use crate::model::table::Table;

const LIMIT_BYTES: i32 = 100_000;

fn mapping() -> Arc<Mapping> {
    let attribute =
        |name: &str| Attribute { name: name.into(), kind: AttributeKind::Memo, labels: Vec::new() };
    let definition = EntityDefinition {
        name: EntityName::new("account"),
        primary_id: "".into(),
        intersect: None,
        attributes: ["a", "b"].map(attribute).into(),
    };
    let table = Table::of(&definition, "dbo", None);
    Arc::new(Mapping::new(&definition, table, true, UnknownAttribute::Stop))
}

/// What a change with texts of these lengths is answered.
fn written(effect: fn(Vec<(u16, Cell)>) -> Effect, lengths: [usize; 2]) -> Result<Written, Stop> {
    let folder = tempfile::tempdir().unwrap();
    let settings = SqliteSettings::new(folder.path().join("destination.db"));
    let connection = open(&settings, Missing::Create).unwrap();
    let mapping = mapping();
    upgrade_own_tables(&connection).unwrap();
    ensure_table(&connection, &mapping.table).unwrap();
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LIMIT_BYTES).unwrap();
    let id = RecordId(Uuid::from_u128(7));
    let text = format!("INSERT INTO account (Id, versionnumber) VALUES ('{id}', 1)");
    connection.execute_batch(&text).unwrap();
    let lane = LaneId {
        profile: ProfileId::new("p").unwrap(),
        topic_partition: TopicPartition::new(&Topic::new("t"), 0),
    };
    let token = OwnerToken(Uuid::nil());
    let start = "INSERT INTO keepstep_checkpoint VALUES ('p', 't', 0, '', 0, ?1, 0, 0, 0, 0)";
    connection.execute(start, [token.0.hyphenated().to_string()]).unwrap();
    let step = CursorMove { scope: Scope::All, from: NextOffset(0), to: NextOffset(1) };
    let fence = Fence { lane, token, moves: vec![step], splits: Vec::new(), fingerprint: None };
    let cells = (0..).zip(lengths).map(|(column, length)| {
        (column, Cell::Text(compact_str::CompactString::from("x".repeat(length))))
    });
    let change = Fitted {
        record_id: id,
        version: Some(Version(2)),
        effect: effect(cells.collect()),
        dropped_attributes: 0,
    };
    let changes = vec![NetChange::of(change, Offset(0))];
    let tables = vec![TableBatch { mapping, changes }];
    write(&connection, &fence, &Batch { tables, ..Batch::default() }, Mutations::default())
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
            record_id: Some(RecordId(Uuid::from_u128(7))),
            rejection: Rejection::in_column(
                "b",
                Cause::Refused { code: "SQLITE_TOOBIG (18)".into() },
            ),
        };
        match written(effect, [10, 100_001]) {
            Err(Stop::Rejected(rejected)) => assert_eq!(rejected, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_row_beyond_the_limit_is_rejected_as_a_whole() {
    for effect in [image, patch] {
        match written(effect, [60_000, 60_000]) {
            Err(Stop::Rejected(rejected)) => {
                assert_eq!(rejected.record_id, Some(RecordId(Uuid::from_u128(7))));
                let code = "SQLITE_TOOBIG (18)".into();
                assert_eq!(rejected.rejection, Rejection::of(Cause::Refused { code }));
            }
            other => panic!("{other:?}"),
        }
        assert!(written(effect, [60_000, 10_000]).is_ok());
    }
}
