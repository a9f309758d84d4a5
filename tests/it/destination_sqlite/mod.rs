//! SQLite under the conformance suite, and what it alone promises.

use std::sync::Arc;

use async_trait::async_trait;
use keepstep::destination::Destination;
use keepstep::destination::sqlite::{SqliteDestination, SqliteSettings};
use keepstep::model::checkpoint::{Fingerprint, LaneId, OwnerToken};
use keepstep::model::mutation::Mutations;
use keepstep::model::position::Offset;
use keepstep::model::profile::ProfileId;
use keepstep::model::record::RecordId;
use keepstep::model::table::{ColumnType, Table};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params};
use uuid::Uuid;

use crate::destination_conformance::laboratory::{
    Abilities, Database, Laboratory, Moments, StoredCursor, StoredRow, StoredTombstone, Tamper,
};

mod blame;
mod file;
mod golden;
mod own;
mod own_tables;

struct SqliteLaboratory;

#[async_trait]
impl Laboratory for SqliteLaboratory {
    fn name(&self) -> &'static str {
        "SQLite"
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            has_schema: true,
            longest_name_bytes: 512,
            names_ignore_case: true,
            most_columns: Some(2_000),
            takes_any_name: true,
            moments: Moments::ALL,
        }
    }

    async fn new_database(&self) -> Arc<dyn Database> {
        Arc::new(SqliteDatabase { folder: tempfile::tempdir().unwrap() })
    }
}

struct SqliteDatabase {
    folder: tempfile::TempDir,
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl SqliteDatabase {
    fn settings(&self) -> SqliteSettings {
        SqliteSettings::new(self.folder.path().join("destination.db"))
    }

    fn connection(&self) -> Connection {
        let connection = Connection::open(self.settings().path).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        connection
    }

    fn execute(&self, text: &str) {
        self.connection().execute_batch(text).unwrap();
    }
}

/// A stored value as the suite prints it; one of a wrong storage class says so.
fn printed(value: ValueRef<'_>, column_type: ColumnType) -> Option<String> {
    let printed = match (column_type, value) {
        (_, ValueRef::Null) => return None,
        (ColumnType::Boolean, ValueRef::Integer(0)) => "false".to_owned(),
        (ColumnType::Boolean, ValueRef::Integer(1)) => "true".to_owned(),
        (ColumnType::Integer | ColumnType::Long, ValueRef::Integer(number)) => number.to_string(),
        (
            ColumnType::Guid
            | ColumnType::Text { .. }
            | ColumnType::Timestamp
            | ColumnType::Decimal { .. },
            ValueRef::Text(text),
        ) => std::str::from_utf8(text).unwrap().to_owned(),
        (_, other) => format!("{column_type:?} stored as {other:?}"),
    };
    Some(printed)
}

fn unix_ms(moment: Option<String>) -> Option<i64> {
    let moment = keepstep::model::instant_text::parse_instant(&moment?.replace(' ', "T"));
    Some(moment.unwrap().to_unix_ms())
}

#[async_trait]
impl Database for SqliteDatabase {
    async fn open(&self, mutations: Mutations) -> Arc<dyn Destination> {
        Arc::new(SqliteDestination::start(self.settings(), mutations).unwrap())
    }

    async fn rows(&self, table: &Table) -> Vec<StoredRow> {
        let names: Vec<String> = ["Id", "SinkCreatedOn", "SinkModifiedOn", "versionnumber"]
            .into_iter()
            .chain(table.columns.iter().map(|column| column.name.as_str()))
            .map(quoted)
            .collect();
        let text = format!("SELECT {} FROM {} ORDER BY 1", names.join(","), quoted(&table.name));
        let connection = self.connection();
        let mut statement = connection.prepare(&text).unwrap();
        let rows = statement.query_map([], |row| {
            let id: String = row.get(0)?;
            let cells = table.columns.iter().zip(4..);
            Ok(StoredRow {
                id: RecordId(Uuid::try_parse(&id).unwrap()),
                created_ms: unix_ms(row.get(1)?),
                modified_ms: unix_ms(row.get(2)?),
                version: row.get(3)?,
                cells: cells
                    .map(|(column, at)| Ok(printed(row.get_ref(at)?, column.column_type)))
                    .collect::<rusqlite::Result<_>>()?,
            })
        });
        rows.unwrap().collect::<rusqlite::Result<_>>().unwrap()
    }

    async fn columns(&self, table: &Table) -> Vec<String> {
        let connection = self.connection();
        let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)").unwrap();
        let names = statement.query_map(params![table.name.as_str()], |row| row.get(0)).unwrap();
        names.collect::<rusqlite::Result<_>>().unwrap()
    }

    async fn tombstones(&self, profile: &ProfileId) -> Vec<StoredTombstone> {
        let connection = self.connection();
        let text = "SELECT entity, record_id, version FROM keepstep_tombstone WHERE profile = ?1 \
                    ORDER BY entity, record_id";
        let mut statement = connection.prepare(text).unwrap();
        let rows = statement.query_map(params![profile.as_str()], |row| {
            let id: String = row.get(1)?;
            Ok(StoredTombstone {
                entity: row.get(0)?,
                record_id: RecordId(Uuid::try_parse(&id).unwrap()),
                version: row.get(2)?,
            })
        });
        rows.unwrap().collect::<rusqlite::Result<_>>().unwrap()
    }

    async fn lines(&self, _: &str, table: &str, columns: &[&str]) -> Vec<Vec<Option<String>>> {
        let connection = self.connection();
        let names: Vec<String> = columns.iter().map(|name| format!("\"{name}\"")).collect();
        let Ok(mut statement) =
            connection.prepare(&format!("SELECT {} FROM \"{table}\"", names.join(", ")))
        else {
            return Vec::new();
        };
        let rows = statement.query_map([], |row| {
            let cell = |(at, name): (usize, &&str)| {
                Ok(match row.get_ref(at)? {
                    ValueRef::Null => None,
                    ValueRef::Integer(flag) if name.starts_with("Is") => {
                        Some((flag == 1).to_string())
                    }
                    ValueRef::Integer(number) => Some(number.to_string()),
                    ValueRef::Text(text) => Some(String::from_utf8(text.to_vec()).unwrap()),
                    other => panic!("no cell of a line: {other:?}"),
                })
            };
            columns.iter().enumerate().map(cell).collect::<rusqlite::Result<Vec<_>>>()
        });
        let mut lines: Vec<_> = rows.unwrap().collect::<rusqlite::Result<_>>().unwrap();
        lines.sort();
        lines
    }

    async fn cursors(&self, lane: &LaneId) -> Vec<StoredCursor> {
        let connection = self.connection();
        let text = "SELECT entity, next_offset, owner, last_offset, last_timestamp_ms, \
                    last_length_bytes, last_crc FROM keepstep_checkpoint \
                    WHERE profile = ?1 AND topic = ?2 AND partition = ?3 ORDER BY entity";
        let mut statement = connection.prepare(text).unwrap();
        let at = &lane.topic_partition;
        let lane = params![lane.profile.as_str(), at.topic.as_str(), at.partition.0];
        let rows = statement.query_map(lane, |row| {
            let owner: Option<String> = row.get(2)?;
            let last_offset: Option<i64> = row.get(3)?;
            let fingerprint = match last_offset {
                Some(offset) => Some(Fingerprint {
                    offset: Offset(offset),
                    timestamp_ms: row.get(4)?,
                    length_bytes: row.get(5)?,
                    crc: row.get(6)?,
                }),
                None => None,
            };
            Ok(StoredCursor {
                entity: row.get(0)?,
                next: row.get(1)?,
                owner: owner.map(|owner| OwnerToken(Uuid::try_parse(&owner).unwrap())),
                fingerprint,
            })
        });
        rows.unwrap().collect::<rusqlite::Result<_>>().unwrap()
    }

    async fn back_up(&self) {
        let copy = self.folder.path().join("kept.db");
        let _ = std::fs::remove_file(&copy);
        self.connection().execute("VACUUM INTO ?1", params![copy.to_str().unwrap()]).unwrap();
    }

    async fn set_back(&self) {
        let connection = self.connection();
        let copy = self.folder.path().join("kept.db");
        connection.execute("ATTACH ?1 AS kept", params![copy.to_str().unwrap()]).unwrap();
        let mut text = "SELECT name FROM sqlite_schema WHERE type = 'table'".to_owned();
        let tables: Vec<String> = {
            let mut statement = connection.prepare(&text).unwrap();
            let names = statement.query_map([], |row| row.get(0)).unwrap();
            names.collect::<rusqlite::Result<_>>().unwrap()
        };
        text = "BEGIN IMMEDIATE;".to_owned();
        for table in tables {
            let table = quoted(&table);
            text += &format!("DELETE FROM main.{table};");
            text += &format!("INSERT INTO main.{table} SELECT * FROM kept.{table};");
        }
        connection.execute_batch(&(text + "COMMIT;")).unwrap();
    }

    async fn tamper(&self, act: Tamper) {
        match act {
            Tamper::RowWithoutVersion(table, id) => self.execute(&format!(
                "UPDATE {} SET versionnumber = NULL WHERE Id = '{id}'",
                quoted(&table.name)
            )),
            Tamper::CheckpointLost(lane) => self.execute(&format!(
                "DELETE FROM keepstep_checkpoint WHERE profile = '{}' AND partition = {}",
                lane.profile, lane.topic_partition.partition
            )),
            Tamper::Unregistered(table) => self.execute(&format!(
                "DELETE FROM keepstep_object_registry WHERE table_name = '{}'",
                table.name
            )),
            Tamper::OwnTablesNewer => {
                self.execute("UPDATE keepstep_schema_version SET version = version + 1");
            }
            Tamper::ColumnDropped(table, column) => self.execute(&format!(
                "ALTER TABLE {} DROP COLUMN {}",
                quoted(&table.name),
                quoted(&column)
            )),
            Tamper::TableDropped(table) => {
                self.execute(&format!("DROP TABLE {}", quoted(&table.name)));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_conforms() {
    let not_run = crate::destination_conformance::conforms(&SqliteLaboratory).await;
    assert_eq!(not_run, [""; 0], "every case applies");
}

#[cfg(feature = "mutations")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_built_into_sqlite_is_caught() {
    crate::destination_conformance::every_mutation_is_caught(&SqliteLaboratory).await;
}
