//! The tables of a log on disk, and how its file is opened.
//!
//! It promises that a file of a later version, or one that is no log, is refused before anything is
//! changed in it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior};

use super::error::sqlite_error;
use super::lock::wait_for_turn;
use crate::log::LogError;
use crate::log::embedded::Durability;
use crate::log::embedded::limits::refusal;

/// Name of the file.
const DATABASE_FILE: &str = "log.db";
/// How long to wait for other processes that write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The write-ahead log is cut back to this when it has been longer.
const WAL_LIMIT_BYTES: u32 = 64 * 1024 * 1024;
/// Version of the tables below.
const VERSION: i64 = 1;

/// A topic made anew has another `id`, and so have its partitions: ids are never used twice.
/// `record_batch` grows at its end; the index leads from offsets and times to places.
const TABLES: &str = "
CREATE TABLE log_version (version INTEGER NOT NULL);
CREATE TABLE topic (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    partitions INTEGER NOT NULL,
    compacted INTEGER NOT NULL
);
CREATE TABLE topic_partition (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    start_offset INTEGER NOT NULL DEFAULT 0,
    end_offset INTEGER NOT NULL DEFAULT 0,
    stored_bytes INTEGER NOT NULL DEFAULT 0,
    UNIQUE (topic_id, number)
);
CREATE TABLE record_batch (
    id INTEGER PRIMARY KEY,
    partition_id INTEGER NOT NULL,
    first_offset INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    newest_ms INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    records BLOB NOT NULL
);
CREATE UNIQUE INDEX record_batch_place
    ON record_batch (partition_id, first_offset, next_offset, newest_ms);
CREATE TABLE group_offset (
    group_name TEXT NOT NULL,
    topic_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    PRIMARY KEY (group_name, topic_id, number)
) WITHOUT ROWID;
";

/// The database file of the log in `folder`.
pub(super) fn database_file(folder: &Path) -> PathBuf {
    folder.join(DATABASE_FILE)
}

/// Opens the log in `folder` for writing, and makes it if there is none.
pub(super) fn open_for_writing(
    folder: &Path,
    durability: Durability,
) -> Result<Connection, LogError> {
    let what = format!("opening the log in {}", folder.display());
    std::fs::create_dir_all(folder).map_err(|error| {
        let hint = "Choose a folder that this process may write, or make it";
        refusal(what.as_str(), &format!("{:?}", error.kind()), hint)
    })?;
    // SQLite does not make a new file safely for many at once: turning the write-ahead log on does
    // not wait for others.
    let _turn = wait_for_turn(folder)?;
    let path = database_file(folder);
    let failed = |error: rusqlite::Error| sqlite_error(&what, &path, &error);
    let mut connection = Connection::open(&path).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    check_version(&connection, &what, &path)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    let synchronous = match durability {
        Durability::Normal => "NORMAL",
        Durability::Full => "FULL",
    };
    connection.pragma_update(None, "synchronous", synchronous).map_err(failed)?;
    connection.pragma_update(None, "journal_size_limit", WAL_LIMIT_BYTES).map_err(failed)?;
    make_tables(&mut connection).map_err(failed)?;
    check_version(&connection, &what, &path)?;
    Ok(connection)
}

/// Opens the log's file once more, to read.
pub(super) fn open_for_reading(folder: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database_file(folder), flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn make_tables(connection: &mut Connection) -> Result<(), rusqlite::Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if version(&transaction)?.is_none() {
        transaction.execute_batch(TABLES)?;
        transaction.execute("INSERT INTO log_version (version) VALUES (?1)", [VERSION])?;
    }
    transaction.commit()
}

/// The version of the tables; `None` if there are none.
fn version(connection: &Connection) -> Result<Option<i64>, rusqlite::Error> {
    if !connection.table_exists(None, "log_version")? {
        return Ok(None);
    }
    connection.query_one("SELECT version FROM log_version", [], |row| row.get(0)).optional()
}

fn check_version(connection: &Connection, what: &str, path: &Path) -> Result<(), LogError> {
    let failed = |error: rusqlite::Error| sqlite_error(what, path, &error);
    let tables = "SELECT count(*) FROM sqlite_schema WHERE type = 'table'";
    match version(connection).map_err(failed)? {
        Some(VERSION) => Ok(()),
        Some(found) => {
            let hint = format!(
                "{} has version {found}, this keepstep knows {VERSION}; use the keepstep that \
                 wrote it, or a later one",
                path.display()
            );
            Err(refusal(what, "UNKNOWN_LOG_VERSION", hint))
        }
        None => {
            let count: i64 = connection.query_one(tables, [], |row| row.get(0)).map_err(failed)?;
            if count == 0 {
                return Ok(());
            }
            let hint = format!("{} is some other database; choose another folder", path.display());
            Err(refusal(what, "NOT_A_LOG", hint))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_is_told_what_an_append_must_survive() {
        for (durability, expected) in [(Durability::Normal, 1), (Durability::Full, 2)] {
            let folder = tempfile::TempDir::new().unwrap();
            let connection = open_for_writing(folder.path(), durability).unwrap();
            let pragma = |name: &str| {
                connection.query_one(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0))
            };
            assert_eq!(pragma("synchronous"), Ok(expected));
            assert_eq!(pragma("journal_size_limit"), Ok(WAL_LIMIT_BYTES.into()));
        }
    }

    #[test]
    fn a_reader_cannot_write() {
        let folder = tempfile::TempDir::new().unwrap();
        drop(open_for_writing(folder.path(), Durability::Normal).unwrap());
        let reader = open_for_reading(folder.path()).unwrap();
        assert!(reader.execute("DELETE FROM topic", []).is_err());
    }
}
