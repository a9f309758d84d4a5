//! PostgreSQL as the conformance suite sees it. Late and lost requests are made on the wire.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use keepstep::destination::Destination;
use keepstep::destination::postgres::{LONGEST_NAME_BYTES, MOST_COLUMNS, PostgresDestination};
use keepstep::model::checkpoint::{Fingerprint, LaneId, OwnerToken};
use keepstep::model::mutation::Mutations;
use keepstep::model::position::Offset;
use keepstep::model::profile::ProfileId;
use keepstep::model::record::RecordId;
use keepstep::model::table::{ColumnType, Table};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::server::{Databases, TestDatabase};
use super::wire::{Mischief, Wire};
use crate::destination_conformance::laboratory::{
    Abilities, Database, Laboratory, Moments, Stall, StoredCursor, StoredRow, StoredTombstone,
    Tamper,
};

/// Makes databases on the tests' server.
#[derive(Default)]
pub struct PostgresLaboratory {
    databases: Arc<Databases>,
}

#[async_trait]
impl Laboratory for PostgresLaboratory {
    fn name(&self) -> &'static str {
        "PostgreSQL"
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            has_schema: true,
            longest_name_bytes: LONGEST_NAME_BYTES,
            names_ignore_case: false,
            most_columns: Some(MOST_COLUMNS),
            takes_any_name: true,
            moments: Moments::ALL,
        }
    }

    async fn new_database(&self) -> Arc<dyn Database> {
        let database = self.databases.lend().await;
        Arc::new(PostgresDatabase { database, wires: Mutex::default() })
    }
}

struct PostgresDatabase {
    database: TestDatabase,
    /// They last as long as the database.
    wires: Mutex<Vec<Arc<Wire>>>,
}

impl PostgresDatabase {
    async fn open_by_wire(
        &self,
        mutations: Mutations,
        mischief: Mischief,
    ) -> (Arc<dyn Destination>, Arc<Wire>) {
        let server = SocketAddr::from(([127, 0, 0, 1], self.database.config().get_ports()[0]));
        let wire = Arc::new(Wire::to(server, mischief).await);
        self.wires.lock().await.push(Arc::clone(&wire));
        let settings = self.database.settings(Some(wire.port));
        (Arc::new(PostgresDestination::new(settings, mutations).unwrap()), wire)
    }

    async fn execute(&self, text: &str) {
        self.database.plain().await.execute(text).await;
    }
}

struct Hold(Arc<Wire>);

#[async_trait]
impl Stall for Hold {
    async fn reached(&self) {
        self.0.held().await;
    }

    async fn release(&self) {
        self.0.release();
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn full_name(table: &Table) -> String {
    format!("{}.{}", quoted(&table.schema), quoted(&table.name))
}

/// A column as the suite prints it. Its type shows in the text: 1 is no "true", and a double shows
/// no zeros at its end.
fn printed(name: &str, column_type: ColumnType) -> String {
    match column_type {
        ColumnType::Timestamp => {
            format!("to_char({}, 'YYYY-MM-DD HH24:MI:SS.MS')", quoted(name))
        }
        _ => format!("{}::text", quoted(name)),
    }
}

const MS: &str = "(extract(epoch FROM {} AT TIME ZONE 'UTC') * 1000)::bigint";

#[async_trait]
impl Database for PostgresDatabase {
    async fn open(&self, mutations: Mutations) -> Arc<dyn Destination> {
        Arc::new(self.database.open(mutations))
    }

    async fn open_stalling(&self, mutations: Mutations) -> (Arc<dyn Destination>, Box<dyn Stall>) {
        let (destination, wire) = self.open_by_wire(mutations, Mischief::HoldBurst).await;
        (destination, Box::new(Hold(wire)))
    }

    async fn open_losing_answer(&self, mutations: Mutations) -> Arc<dyn Destination> {
        self.open_by_wire(mutations, Mischief::LoseAnswer).await.0
    }

    async fn rows(&self, table: &Table) -> Vec<StoredRow> {
        let mut columns = vec!["\"Id\"".to_owned(), "versionnumber".to_owned()];
        columns
            .extend(["\"SinkCreatedOn\"", "\"SinkModifiedOn\""].map(|name| MS.replace("{}", name)));
        columns.extend(table.columns.iter().map(|one| printed(&one.name, one.column_type)));
        let text = format!("SELECT {} FROM {} ORDER BY 1", columns.join(", "), full_name(table));
        let rows = self.database.plain().await.client.query(&text, &[]).await.unwrap();
        rows.iter()
            .map(|row| StoredRow {
                id: RecordId(row.get(0)),
                version: row.get(1),
                created_ms: row.get(2),
                modified_ms: row.get(3),
                cells: (4..columns.len()).map(|at| row.get(at)).collect(),
            })
            .collect()
    }

    async fn columns(&self, table: &Table) -> Vec<String> {
        let text = "SELECT column_name::text FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2 ORDER BY ordinal_position";
        let (schema, name) = (table.schema.as_str(), table.name.as_str());
        let plain = self.database.plain().await;
        let rows = plain.client.query(text, &[&schema, &name]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    async fn tombstones(&self, profile: &ProfileId) -> Vec<StoredTombstone> {
        let text = "SELECT entity, record_id, version FROM keepstep.tombstone WHERE profile = $1 ORDER BY 1, 2";
        let plain = self.database.plain().await;
        let rows = plain.client.query(text, &[&profile.as_str()]).await.unwrap();
        rows.iter()
            .map(|row| StoredTombstone {
                entity: row.get(0),
                record_id: RecordId(row.get::<_, Uuid>(1)),
                version: row.get(2),
            })
            .collect()
    }

    async fn lines(&self, schema: &str, table: &str, columns: &[&str]) -> Vec<Vec<Option<String>>> {
        let names: Vec<String> = columns.iter().map(|name| format!("\"{name}\"::text")).collect();
        let text = format!("SELECT {} FROM \"{schema}\".\"{table}\"", names.join(", "));
        let plain = self.database.plain().await;
        let rows = plain.client.query(&text, &[]).await.unwrap_or_default();
        let cells = |row: &tokio_postgres::Row| (0..columns.len()).map(|at| row.get(at)).collect();
        let mut lines: Vec<Vec<Option<String>>> = rows.iter().map(cells).collect();
        lines.sort();
        lines
    }

    async fn cursors(&self, lane: &LaneId) -> Vec<StoredCursor> {
        let text = "SELECT entity, next_offset, owner, last_offset, last_timestamp_ms, last_length_bytes, last_crc FROM keepstep.checkpoint WHERE profile = $1 AND topic = $2 AND partition = $3 ORDER BY 1";
        let place = &lane.topic_partition;
        let partition = i32::try_from(place.partition.0).unwrap();
        let plain = self.database.plain().await;
        let (profile, topic) = (lane.profile.as_str(), place.topic.as_str());
        let rows = plain.client.query(text, &[&profile, &topic, &partition]).await.unwrap();
        rows.iter()
            .map(|row| StoredCursor {
                entity: row.get(0),
                next: row.get(1),
                owner: row.get::<_, Option<Uuid>>(2).map(OwnerToken),
                fingerprint: row.get::<_, Option<i64>>(3).map(|offset| Fingerprint {
                    offset: Offset(offset),
                    timestamp_ms: row.get(4),
                    length_bytes: row.get::<_, i64>(5).try_into().unwrap(),
                    crc: row.get::<_, i64>(6).try_into().unwrap(),
                }),
            })
            .collect()
    }

    async fn back_up(&self) {
        let plain = self.database.plain().await;
        plain.execute("DROP SCHEMA IF EXISTS kept CASCADE; CREATE SCHEMA kept").await;
        for (at, table) in tables(&plain.client).await.into_iter().enumerate() {
            plain.execute(&format!("CREATE TABLE kept.t{at} AS TABLE {table}")).await;
        }
    }

    async fn set_back(&self) {
        let plain = self.database.plain().await;
        let mut text = "BEGIN;".to_owned();
        for (at, table) in tables(&plain.client).await.into_iter().enumerate() {
            text += &format!("DELETE FROM {table}; INSERT INTO {table} TABLE kept.t{at};");
        }
        plain.execute(&(text + "COMMIT")).await;
    }

    async fn tamper(&self, act: Tamper) {
        match act {
            Tamper::RowWithoutVersion(table, id) => {
                self.execute(&format!(
                    "UPDATE {} SET versionnumber = NULL WHERE \"Id\" = '{id}'",
                    full_name(&table)
                ))
                .await;
            }
            Tamper::CheckpointLost(lane) => {
                self.execute(&format!(
                    "DELETE FROM keepstep.checkpoint WHERE profile = '{}' AND topic = '{}' AND partition = {}",
                    lane.profile, lane.topic_partition.topic, lane.topic_partition.partition
                ))
                .await;
            }
            Tamper::Unregistered(table) => {
                self.execute(&format!(
                    "DELETE FROM keepstep.object_registry WHERE table_name = '{}'",
                    table.name
                ))
                .await;
            }
            Tamper::OwnTablesNewer => {
                self.execute("UPDATE keepstep.schema_version SET version = version + 1").await;
            }
            Tamper::ColumnDropped(table, column) => {
                self.execute(&format!(
                    "ALTER TABLE {} DROP COLUMN {}",
                    full_name(&table),
                    quoted(&column)
                ))
                .await;
            }
            Tamper::TableDropped(table) => {
                self.execute(&format!("DROP TABLE {}", full_name(&table))).await;
            }
        }
    }
}

/// Every table that is not a copy, in an order that stays the same.
async fn tables(client: &tokio_postgres::Client) -> Vec<String> {
    let text = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN ('kept', 'pg_catalog', 'information_schema') ORDER BY 1";
    client.query(text, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}
