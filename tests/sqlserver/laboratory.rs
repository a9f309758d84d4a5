//! SQL Server as the conformance suite sees it.
//!
//! What another engine that speaks its language cannot do is told by the same question that the
//! adapter asks, and stands in one place, so that nothing is skipped unseen.

use std::sync::Arc;

use async_trait::async_trait;
use keepstep::destination::Destination;
use keepstep::destination::sqlserver::{LONGEST_NAME_UNITS, MOST_COLUMNS};
use keepstep::model::checkpoint::{Fingerprint, LaneId, OwnerToken};
use keepstep::model::mutation::Mutations;
use keepstep::model::position::Offset;
use keepstep::model::profile::ProfileId;
use keepstep::model::record::RecordId;
use keepstep::model::table::{ColumnType, Table};
use tiberius::Row;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::server::{Databases, Plain, TestDatabase};
use crate::destination_conformance::laboratory::{
    Abilities, Database, Laboratory, Moments, StoredCursor, StoredRow, StoredTombstone, Tamper,
};

/// Makes databases on the tests' server.
pub struct SqlServerLaboratory {
    databases: Arc<Databases>,
    /// Whether it is Babelfish for PostgreSQL.
    babelfish: bool,
}

async fn is_babelfish(plain: &mut Plain) -> bool {
    let question = "SELECT CASE WHEN @@VERSION LIKE '%Babelfish%' THEN 1 ELSE 0 END AS it";
    plain.rows(question).await[0].get::<i32, _>(0) == Some(1)
}

/// What `keepstep schema` prints, as this server reads it: Babelfish reads no closing bracket within
/// a name, and takes one in double quotes.
pub async fn as_it_reads(ddl: &str, plain: &mut Plain) -> String {
    if !is_babelfish(plain).await {
        return ddl.to_owned();
    }
    let key = |line: &str| {
        let (before, rest) = line.split_once("CONSTRAINT [EPK[")?;
        let (name, after) = rest.split_once("] PRIMARY KEY")?;
        let name = name.replace("]]", "]");
        Some(format!("{before}CONSTRAINT \"EPK[{name}\" PRIMARY KEY{after}"))
    };
    ddl.lines().map(|line| key(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

impl SqlServerLaboratory {
    /// Asks the server what it is.
    pub async fn new() -> Self {
        let babelfish = is_babelfish(&mut Plain::connect("master").await).await;
        Self { databases: Arc::default(), babelfish }
    }

    /// The cases that this engine cannot be asked.
    pub fn cases_not_asked(&self) -> Vec<&'static str> {
        match self.babelfish {
            // It reads no closing bracket within a name, and cuts names at 63 bytes.
            true => vec!["hostile columns", "hostile tables"],
            false => Vec::new(),
        }
    }
}

#[async_trait]
impl Laboratory for SqlServerLaboratory {
    fn name(&self) -> &'static str {
        if self.babelfish { "SQL Server (Babelfish)" } else { "SQL Server" }
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            has_schema: true,
            longest_name_bytes: LONGEST_NAME_UNITS,
            names_ignore_case: true,
            most_columns: Some(MOST_COLUMNS),
            takes_any_name: !self.babelfish,
            // `datetime`: from 1753 on, in steps of 1/300 s.
            moments: Moments {
                first_ms: -6_847_804_800_000,
                last_ms: 253_402_300_799_998,
                stored: stored_ms,
            },
        }
    }

    async fn new_database(&self) -> Arc<dyn Database> {
        let database = self.databases.lend().await;
        let plain = Mutex::new(database.plain().await);
        Arc::new(SqlServerDatabase { plain, database })
    }
}

/// The nearest 1/300 s, as `datetime` stores it, in whole milliseconds, as it shows it.
fn stored_ms(unix_ms: i64) -> i64 {
    let (days, of_day) = (unix_ms.div_euclid(86_400_000), unix_ms.rem_euclid(86_400_000));
    let steps = (of_day * 3 + 5) / 10;
    days * 86_400_000 + (steps * 20 + 3) / 6
}

struct SqlServerDatabase {
    /// Gone before the database is.
    plain: Mutex<Plain>,
    database: TestDatabase,
}

impl SqlServerDatabase {
    async fn rows_of(&self, text: &str) -> Vec<Row> {
        self.plain.lock().await.rows(text).await
    }

    async fn execute(&self, text: &str) {
        self.plain.lock().await.execute(text).await;
    }
}

fn quoted(name: &str) -> String {
    format!("[{}]", name.replace(']', "]]"))
}

fn literal(text: &str) -> String {
    format!("N'{}'", text.replace('\'', "''"))
}

fn full_name(table: &Table) -> String {
    format!("{}.{}", quoted(&table.schema), quoted(&table.name))
}

/// A column as the suite prints it. Its type shows in the text: 1 is no "true", and a double shows
/// no zeros at its end.
fn printed(name: &str, column_type: ColumnType) -> String {
    let name = quoted(name);
    match column_type {
        ColumnType::Timestamp => format!("CONVERT(nvarchar(30), {name}, 121)"),
        ColumnType::Guid => format!("LOWER(CAST({name} AS nvarchar(36)))"),
        ColumnType::Text { .. } => name,
        ColumnType::Boolean => {
            format!("CASE {name} WHEN 1 THEN N'true' WHEN 0 THEN N'false' END")
        }
        _ => format!("CAST({name} AS nvarchar(50))"),
    }
}

fn ms(name: &str) -> String {
    format!("DATEDIFF_BIG(millisecond, '19700101', {name})")
}

fn text(row: &Row, at: usize) -> Option<String> {
    row.get::<&str, _>(at).map(str::to_owned)
}

#[async_trait]
impl Database for SqlServerDatabase {
    async fn open(&self, mutations: Mutations) -> Arc<dyn Destination> {
        Arc::new(self.database.open(mutations))
    }

    async fn rows(&self, table: &Table) -> Vec<StoredRow> {
        let mut columns = vec!["[Id]".to_owned(), "[versionnumber]".to_owned()];
        columns.extend(["[SinkCreatedOn]", "[SinkModifiedOn]"].map(ms));
        columns.extend(table.columns.iter().map(|one| printed(&one.name, one.column_type)));
        let named: Vec<String> =
            columns.iter().enumerate().map(|(at, column)| format!("{column} AS x{at}")).collect();
        let text_of = format!("SELECT {} FROM {}", named.join(", "), full_name(table));
        let rows = self.rows_of(&text_of).await;
        let mut rows: Vec<StoredRow> = rows
            .iter()
            .map(|row| StoredRow {
                id: RecordId(row.get::<Uuid, _>(0).unwrap()),
                version: row.get(1),
                created_ms: row.get(2),
                modified_ms: row.get(3),
                cells: (4..columns.len()).map(|at| text(row, at)).collect(),
            })
            .collect();
        rows.sort_by_key(|row| row.id);
        rows
    }

    async fn lines(&self, schema: &str, table: &str, columns: &[&str]) -> Vec<Vec<Option<String>>> {
        let key = literal(&format!("{}.{}", quoted(schema), quoted(table)));
        let types = format!(
            "SELECT c.name, CASE WHEN t.name = N'bit' THEN 1 ELSE 0 END FROM sys.columns AS c JOIN sys.types AS t ON t.user_type_id = c.user_type_id WHERE c.object_id = OBJECT_ID({key})"
        );
        let found: Vec<(String, bool)> = (self.rows_of(&types).await.iter())
            .map(|row| (text(row, 0).unwrap(), row.get::<i32, _>(1) == Some(1)))
            .collect();
        if found.is_empty() {
            return Vec::new();
        }
        let printed = |name: &&str| {
            let is_bit = found.iter().any(|(found, bit)| found.eq_ignore_ascii_case(name) && *bit);
            let name = quoted(name);
            match is_bit {
                true => format!("CASE {name} WHEN 1 THEN N'true' WHEN 0 THEN N'false' END"),
                false => format!("CAST({name} AS nvarchar(max))"),
            }
        };
        let columns: Vec<String> = columns.iter().map(printed).collect();
        let named: Vec<String> =
            columns.iter().enumerate().map(|(at, column)| format!("{column} AS x{at}")).collect();
        let full_name = format!("{}.{}", quoted(schema), quoted(table));
        let rows = self.rows_of(&format!("SELECT {} FROM {full_name}", named.join(", "))).await;
        let cells = |row: &Row| (0..columns.len()).map(|at| text(row, at)).collect();
        let mut lines: Vec<Vec<Option<String>>> = rows.iter().map(cells).collect();
        lines.sort();
        lines
    }

    async fn columns(&self, table: &Table) -> Vec<String> {
        let (schema, name) = (literal(&table.schema), literal(&table.name));
        let rows = self
            .rows_of(&format!("SELECT COLUMN_NAME FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME = {name} ORDER BY ORDINAL_POSITION"))
            .await;
        rows.iter().map(|row| text(row, 0).unwrap()).collect()
    }

    async fn tombstones(&self, profile: &ProfileId) -> Vec<StoredTombstone> {
        let rows = self
            .rows_of(&format!(
                "SELECT entity, record_id, version FROM keepstep.tombstone WHERE profile = '{profile}'"
            ))
            .await;
        let mut stones: Vec<StoredTombstone> = rows
            .iter()
            .map(|row| StoredTombstone {
                entity: text(row, 0).unwrap(),
                record_id: RecordId(row.get(1).unwrap()),
                version: row.get(2).unwrap(),
            })
            .collect();
        stones.sort();
        stones
    }

    async fn cursors(&self, lane: &LaneId) -> Vec<StoredCursor> {
        let place = &lane.topic_partition;
        let rows = self
            .rows_of(&format!("SELECT entity, next_offset, owner, last_offset, last_timestamp_ms, last_length_bytes, last_crc FROM keepstep.[checkpoint] WHERE profile = '{}' AND topic = {} AND [partition] = {} ORDER BY entity", lane.profile, literal(place.topic.as_str()), place.partition))
            .await;
        rows.iter()
            .map(|row| StoredCursor {
                entity: text(row, 0).unwrap(),
                next: row.get(1).unwrap(),
                owner: row.get::<Uuid, _>(2).map(OwnerToken),
                fingerprint: row.get::<i64, _>(3).map(|offset| Fingerprint {
                    offset: Offset(offset),
                    timestamp_ms: row.get(4).unwrap(),
                    length_bytes: row.get::<i64, _>(5).unwrap().try_into().unwrap(),
                    crc: row.get::<i64, _>(6).unwrap().try_into().unwrap(),
                }),
            })
            .collect()
    }

    async fn back_up(&self) {
        let mut plain = self.plain.lock().await;
        for (at, table) in tables(&mut plain).await.into_iter().enumerate() {
            plain
                .execute(&format!("SELECT {} INTO kept_{at} FROM {}", table.columns, table.name))
                .await;
        }
    }

    async fn set_back(&self) {
        let mut plain = self.plain.lock().await;
        let mut text = "SET XACT_ABORT ON; BEGIN TRANSACTION;\n".to_owned();
        for (at, Stored { name, columns }) in tables(&mut plain).await.into_iter().enumerate() {
            text += &format!(
                "DELETE FROM {name};\nINSERT INTO {name} ({columns}) SELECT {columns} FROM kept_{at};\n"
            );
        }
        plain.execute(&(text + "COMMIT TRANSACTION")).await;
    }

    async fn tamper(&self, act: Tamper) {
        let text = match act {
            Tamper::RowWithoutVersion(table, id) => {
                format!("UPDATE {} SET versionnumber = NULL WHERE Id = '{id}'", full_name(&table))
            }
            Tamper::CheckpointLost(lane) => format!(
                "DELETE FROM keepstep.[checkpoint] WHERE profile = '{}' AND topic = {} AND [partition] = {}",
                lane.profile,
                literal(lane.topic_partition.topic.as_str()),
                lane.topic_partition.partition
            ),
            Tamper::Unregistered(table) => format!(
                "DELETE FROM keepstep.object_registry WHERE table_name = {}",
                literal(table.name.as_str())
            ),
            Tamper::OwnTablesNewer => {
                "UPDATE keepstep.schema_version SET version = version + 1".to_owned()
            }
            Tamper::ColumnDropped(table, column) => {
                format!("ALTER TABLE {} DROP COLUMN {}", full_name(&table), quoted(&column))
            }
            Tamper::TableDropped(table) => format!("DROP TABLE {}", full_name(&table)),
        };
        self.execute(&text).await;
    }
}

/// A table of the database, as it is written.
struct Stored {
    name: String,
    columns: String,
}

/// Every table that is not a copy, in an order that stays the same, with the columns that the
/// server does not fill itself.
async fn tables(plain: &mut Plain) -> Vec<Stored> {
    let text_of = "SELECT s.name, t.name, c.name FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id JOIN sys.columns AS c ON c.object_id = t.object_id WHERE t.name NOT LIKE 'kept[_]%' AND c.is_computed = 0 ORDER BY s.name, t.name, c.column_id";
    let mut tables: Vec<Stored> = Vec::new();
    for row in plain.rows(text_of).await {
        let [schema, table, column] = [0, 1, 2].map(|at| quoted(&text(&row, at).unwrap()));
        let name = format!("{schema}.{table}");
        match tables.last_mut().filter(|last| last.name == name) {
            Some(last) => last.columns += &format!(", {column}"),
            None => tables.push(Stored { name, columns: column }),
        }
    }
    tables
}
