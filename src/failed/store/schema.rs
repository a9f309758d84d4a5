//! The tables of the list's file, and how it is opened.
//!
//! A file of a later version, or one that is something else, is refused before anything is changed
//! in it.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior};

use crate::failed::ListError;

/// How long to wait for other processes that write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// The write-ahead log is cut back to this when it has been longer.
const WAL_LIMIT_BYTES: u32 = 64 * 1024 * 1024;
/// Memory that the writer keeps pages in: ids are spread, so each letter may touch any page.
const WRITER_CACHE_KIB: i32 = 32 * 1024;
/// Pages (of 4 KiB) of the write-ahead log after which it is copied back.
const CHECKPOINT_PAGES: u32 = 8_192;
/// Version of the tables below.
const VERSION: i64 = 1;

/// One row per held change; what could not be read is an empty text or blob. The index leads
/// through the open ones in the order of the list.
const TABLES: &str = "
CREATE TABLE list_version (version INTEGER NOT NULL);
CREATE TABLE held_change (
    profile TEXT NOT NULL,
    entity TEXT NOT NULL,
    record_id BLOB NOT NULL,
    topic TEXT NOT NULL,
    \"partition\" INTEGER NOT NULL,
    \"offset\" INTEGER NOT NULL,
    open INTEGER NOT NULL,
    held_at_us INTEGER NOT NULL,
    hold_revision INTEGER,
    revised_at_us INTEGER,
    cause TEXT,
    \"column\" TEXT,
    detail TEXT,
    attempt INTEGER,
    release_revision INTEGER,
    released_at_us INTEGER,
    reason TEXT,
    change_type TEXT,
    notified_at_ms INTEGER,
    content_kept INTEGER NOT NULL,
    PRIMARY KEY (profile, entity, record_id, topic, \"partition\", \"offset\")
) WITHOUT ROWID;
CREATE INDEX held_change_open ON held_change (profile) WHERE open = 1;
CREATE INDEX held_change_released ON held_change (released_at_us) WHERE open = 0;
CREATE TABLE progress (
    profile TEXT NOT NULL,
    \"partition\" INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    unreadable INTEGER NOT NULL,
    read_at_us INTEGER NOT NULL,
    PRIMARY KEY (profile, \"partition\")
) WITHOUT ROWID;
";

/// Opens the list in `path` for writing, and makes it if there is none.
pub(super) fn open_for_writing(path: &Path) -> Result<Connection, ListError> {
    let what = format!("opening the failed-record list {}", path.display());
    let failed = |error: rusqlite::Error| list_error(&what, path, &error);
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    check_version(&connection, &what, path)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(failed)?;
    connection.pragma_update(None, "journal_size_limit", WAL_LIMIT_BYTES).map_err(failed)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).map_err(failed)?;
    // Negative: in KiB.
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB).map_err(failed)?;
    make_tables(&mut connection).map_err(failed)?;
    check_version(&connection, &what, path)?;
    Ok(connection)
}

/// Opens the list in `path` to read; `None` if there is none.
pub(super) fn open_for_reading(path: &Path) -> Result<Option<Connection>, ListError> {
    if !path.exists() {
        return Ok(None);
    }
    let what = format!("opening the failed-record list {}", path.display());
    let failed = |error: rusqlite::Error| list_error(&what, path, &error);
    // The write-ahead log must be writable even for readers.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    connection.pragma_update(None, "query_only", true).map_err(failed)?;
    let made = check_version(&connection, &what, path)?;
    Ok(made.then_some(connection))
}

fn make_tables(connection: &mut Connection) -> Result<(), rusqlite::Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if version(&transaction)?.is_none() {
        transaction.execute_batch(TABLES)?;
        transaction.execute("INSERT INTO list_version (version) VALUES (?1)", [VERSION])?;
    }
    transaction.commit()
}

/// The version of the tables; `None` if there are none.
fn version(connection: &Connection) -> Result<Option<i64>, rusqlite::Error> {
    // The file is asked: what the connection remembers of its tables may be old.
    let table = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'list_version'";
    if !connection.prepare(table)?.exists([])? {
        return Ok(None);
    }
    connection.query_one("SELECT version FROM list_version", [], |row| row.get(0)).optional()
}

/// Refuses what is no list of this version. Whether it is one: an empty file is none yet.
fn check_version(connection: &Connection, what: &str, path: &Path) -> Result<bool, ListError> {
    let failed = |error: rusqlite::Error| list_error(what, path, &error);
    let refused = |code: &str, hint: String| {
        Err(ListError { retry: false, what: what.to_owned(), code: code.to_owned(), hint })
    };
    let tables = "SELECT count(*) FROM sqlite_schema WHERE type = 'table'";
    // In one moment: another process may be making the tables.
    let moment = connection.unchecked_transaction().map_err(failed)?;
    match version(&moment).map_err(failed)? {
        Some(VERSION) => Ok(true),
        Some(found) => refused(
            "UNKNOWN_LIST_VERSION",
            format!(
                "It has version {found}, this keepstep knows {VERSION}; use the keepstep that \
                 wrote it, or a later one"
            ),
        ),
        None => {
            let count: i64 = moment.query_one(tables, [], |row| row.get(0)).map_err(failed)?;
            if count == 0 {
                return Ok(false);
            }
            let hint = "It is some other database; write another path in [failed_list]";
            refused("NOT_A_LIST", hint.to_owned())
        }
    }
}

/// SQLite's error in the words of the list. Codes only: SQLite's text quotes statements.
pub(in crate::failed) fn list_error(what: &str, path: &Path, error: &rusqlite::Error) -> ListError {
    let file = path.display();
    let (retry, code, hint) = match error.sqlite_error() {
        None => (
            false,
            "SQLITE_MISUSE".to_owned(),
            format!("{file} does not hold what this version expects; was it changed by hand?"),
        ),
        Some(failure) => {
            let (retry, hint) = match failure.code {
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                    (true, format!("Another process has been writing {file} for long; try again"))
                }
                ErrorCode::DiskFull => {
                    (true, format!("The disk of {file} is full; free some space"))
                }
                ErrorCode::SystemIoFailure | ErrorCode::CannotOpen => {
                    (true, format!("Look at the disk and the rights of {file} and its folder"))
                }
                ErrorCode::ReadOnly | ErrorCode::PermissionDenied => {
                    (true, format!("This process needs the right to write {file} and its folder"))
                }
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => (
                    false,
                    format!(
                        "{file} is damaged or no failed-record list; move it away, and `keepstep \
                         failed rebuild` makes it anew"
                    ),
                ),
                _ => (false, format!("Report this code; {file} was left as it was")),
            };
            (retry, format!("{:?} ({})", failure.code, failure.extended_code), hint)
        }
    };
    ListError { retry, what: what.to_owned(), code, hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strange_file_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.sqlite");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE a (b)").unwrap();
        assert_eq!(open_for_writing(&path).unwrap_err().code, "NOT_A_LIST");
        let later = folder.path().join("later.sqlite");
        let connection = open_for_writing(&later).unwrap();
        connection.execute("UPDATE list_version SET version = 2", []).unwrap();
        for error in [open_for_writing(&later).err(), open_for_reading(&later).err()] {
            assert_eq!(error.unwrap().code, "UNKNOWN_LIST_VERSION");
        }
        let text = folder.path().join("text.sqlite");
        std::fs::write(&text, "no database at all, but long enough to look at").unwrap();
        assert!(open_for_writing(&text).unwrap_err().hint.contains("failed rebuild"));
    }

    #[test]
    fn a_list_that_is_just_being_made_is_no_other_database() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..200 {
            let path = folder.path().join(format!("{number}.sqlite"));
            let made = path.clone();
            let maker = std::thread::spawn(move || open_for_writing(&made).map(drop));
            while open_for_reading(&path).unwrap().is_none() {}
            maker.join().unwrap().unwrap();
        }
    }

    #[test]
    fn a_reader_makes_nothing_and_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("failed.sqlite");
        assert!(open_for_reading(&path).unwrap().is_none());
        assert!(!path.exists());
        drop(open_for_writing(&path).unwrap());
        let reader = open_for_reading(&path).unwrap().unwrap();
        assert!(reader.execute("DELETE FROM held_change", []).is_err());
    }
}
