//! SQLite's own limit: a bare program that writes the same rows, already made, with prepared
//! statements, the same batches, durability, fence, guard and tombstone look-up, and nothing else.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::rows::{Datum, Layout};

/// One row: id, version, cells.
pub type BareRow = (String, i64, Vec<Value>);

/// The row as keepstep's tables hold it.
pub fn row(id: uuid::Uuid, version: i64, row: &[Datum]) -> BareRow {
    let mut cells = Vec::new();
    for datum in row {
        match datum {
            Datum::Null => cells.push(Value::Null),
            Datum::NoLookup => cells.extend([Value::Null, Value::Null]),
            Datum::Text(text) => cells.push(Value::Text(text.clone())),
            Datum::Integer(number) => cells.push(Value::Integer(i64::from(*number))),
            Datum::Boolean(flag) => cells.push(Value::Integer(i64::from(*flag))),
            Datum::Cents(cents) => {
                cells.push(Value::Text(format!("{}.{:02}", cents / 100, cents % 100)));
            }
            Datum::UnixMs(_) => cells.push(Value::Text("2023-04-07 21:59:01.000".to_owned())),
            Datum::Own(id) => cells.push(Value::Text(id.hyphenated().to_string())),
            Datum::Lookup(id) => {
                cells.push(Value::Text(id.hyphenated().to_string()));
                cells.push(Value::Text("contact".to_owned()));
            }
        }
    }
    (id.hyphenated().to_string(), version, cells)
}

/// Writes all batches into a fresh file; the time from the first to the last.
pub fn run(file: &Path, layout: &Layout, batches: &[Vec<BareRow>]) -> Duration {
    let names: Vec<String> =
        layout.sql_columns().into_iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let connection = Connection::open(file).expect("opens");
    connection.pragma_update(None, "journal_mode", "WAL").expect("WAL");
    connection.pragma_update(None, "synchronous", "NORMAL").expect("durability");
    let columns = names.join(", ");
    connection
        .execute_batch(&format!(
            "CREATE TABLE bare (\"Id\" TEXT PRIMARY KEY, \"SinkCreatedOn\" TEXT, \"SinkModifiedOn\" TEXT,
               {columns}, versionnumber INTEGER);
             CREATE TABLE fence (lane INTEGER PRIMARY KEY, next INTEGER, owner TEXT);
             CREATE TABLE tombstone (record TEXT PRIMARY KEY, version INTEGER) WITHOUT ROWID;
             INSERT INTO fence VALUES (0, 0, 'me')"
        ))
        .expect("tables");
    let marks = vec!["?"; names.len()].join(", ");
    let sets: Vec<String> = names.iter().map(|name| format!("{name} = excluded.{name}")).collect();
    let upsert = format!(
        "INSERT INTO bare (\"Id\", versionnumber, \"SinkCreatedOn\", \"SinkModifiedOn\", {columns})
         SELECT ?1, ?2, ?3, ?4, {marks} WHERE NOT EXISTS
           (SELECT 1 FROM tombstone WHERE record = ?1 AND version >= ?2)
         ON CONFLICT (\"Id\") DO UPDATE SET \"SinkModifiedOn\" = excluded.\"SinkModifiedOn\", {},
           versionnumber = excluded.versionnumber
         WHERE bare.versionnumber IS NULL OR bare.versionnumber <= excluded.versionnumber",
        sets.join(", ")
    );
    let started = Instant::now();
    let mut next = 0;
    for batch in batches {
        connection.execute_batch("BEGIN IMMEDIATE").expect("begins");
        let end = next + batch.len();
        let moved = connection
            .prepare_cached(
                "UPDATE fence SET next = ? WHERE lane = 0 AND next = ? AND owner = 'me'",
            )
            .and_then(|mut fence| {
                fence.execute((i64::try_from(end).expect("few"), i64::try_from(next).expect("few")))
            })
            .expect("the fence");
        assert_eq!(moved, 1);
        next = end;
        let mut statement = connection.prepare_cached(&upsert).expect("prepares");
        let stamp = Value::Text("2023-04-07 21:59:01.000".to_owned());
        for (id, version, cells) in batch {
            let head =
                [Value::Text(id.clone()), Value::Integer(*version), stamp.clone(), stamp.clone()];
            let all = head.iter().chain(cells);
            statement.execute(params_from_iter(all)).expect("writes");
        }
        drop(statement);
        connection.execute_batch("COMMIT").expect("commits");
    }
    started.elapsed()
}
