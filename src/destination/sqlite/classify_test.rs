//! Every code that SQLite knows, and what it means.

use crate::model::layout::{Deletes, Widen};
use rusqlite::Error;

use super::*;
use crate::model::table::{Column, ColumnType};

/// Every primary code, then the extended ones of SQLite's documentation, with the name that is
/// shown: their own, or their primary's.
const EXPECTED: &[(i32, Class, &str)] = &[
    (1, Class::Table, "SQLITE_ERROR"),
    (2, Class::Fatal, "SQLITE_INTERNAL"),
    (3, Class::Retry, "SQLITE_PERM"),
    (4, Class::Retry, "SQLITE_ABORT"),
    (5, Class::Retry, "SQLITE_BUSY"),
    (6, Class::Retry, "SQLITE_LOCKED"),
    (7, Class::Retry, "SQLITE_NOMEM"),
    (8, Class::Retry, "SQLITE_READONLY"),
    (9, Class::Retry, "SQLITE_INTERRUPT"),
    (10, Class::Retry, "SQLITE_IOERR"),
    (11, Class::Fatal, "SQLITE_CORRUPT"),
    (12, Class::Fatal, "SQLITE_NOTFOUND"),
    (13, Class::Retry, "SQLITE_FULL"),
    (14, Class::Retry, "SQLITE_CANTOPEN"),
    (15, Class::Retry, "SQLITE_PROTOCOL"),
    (16, Class::Fatal, "SQLITE_EMPTY"),
    (17, Class::Retry, "SQLITE_SCHEMA"),
    (18, Class::Reject, "SQLITE_TOOBIG"),
    (19, Class::Reject, "SQLITE_CONSTRAINT"),
    (20, Class::Table, "SQLITE_MISMATCH"),
    (21, Class::Fatal, "SQLITE_MISUSE"),
    (22, Class::Fatal, "SQLITE_NOLFS"),
    (23, Class::Retry, "SQLITE_AUTH"),
    (24, Class::Fatal, "SQLITE_FORMAT"),
    (25, Class::Fatal, "SQLITE_RANGE"),
    (26, Class::Fatal, "SQLITE_NOTADB"),
    // Not errors; if they ever came, the default.
    (27, Class::Retry, "SQLITE"),
    (28, Class::Retry, "SQLITE"),
    (100, Class::Retry, "SQLITE"),
    (101, Class::Retry, "SQLITE"),
    (ffi::SQLITE_ERROR_MISSING_COLLSEQ, Class::Table, "SQLITE_ERROR_MISSING_COLLSEQ"),
    (ffi::SQLITE_ERROR_RETRY, Class::Retry, "SQLITE_ERROR_RETRY"),
    (ffi::SQLITE_ERROR_SNAPSHOT, Class::Retry, "SQLITE_ERROR_SNAPSHOT"),
    (ffi::SQLITE_ABORT_ROLLBACK, Class::Retry, "SQLITE_ABORT_ROLLBACK"),
    (ffi::SQLITE_BUSY_RECOVERY, Class::Retry, "SQLITE_BUSY_RECOVERY"),
    (ffi::SQLITE_BUSY_SNAPSHOT, Class::Retry, "SQLITE_BUSY_SNAPSHOT"),
    (ffi::SQLITE_BUSY_TIMEOUT, Class::Retry, "SQLITE_BUSY_TIMEOUT"),
    (ffi::SQLITE_LOCKED_SHAREDCACHE, Class::Retry, "SQLITE_LOCKED_SHAREDCACHE"),
    (ffi::SQLITE_LOCKED_VTAB, Class::Retry, "SQLITE_LOCKED"),
    (ffi::SQLITE_READONLY_RECOVERY, Class::Retry, "SQLITE_READONLY_RECOVERY"),
    (ffi::SQLITE_READONLY_CANTLOCK, Class::Retry, "SQLITE_READONLY_CANTLOCK"),
    (ffi::SQLITE_READONLY_ROLLBACK, Class::Retry, "SQLITE_READONLY_ROLLBACK"),
    (ffi::SQLITE_READONLY_DBMOVED, Class::Retry, "SQLITE_READONLY_DBMOVED"),
    (ffi::SQLITE_READONLY_CANTINIT, Class::Retry, "SQLITE_READONLY_CANTINIT"),
    (ffi::SQLITE_READONLY_DIRECTORY, Class::Retry, "SQLITE_READONLY_DIRECTORY"),
    (ffi::SQLITE_IOERR_READ, Class::Retry, "SQLITE_IOERR_READ"),
    (ffi::SQLITE_IOERR_SHORT_READ, Class::Retry, "SQLITE_IOERR_SHORT_READ"),
    (ffi::SQLITE_IOERR_WRITE, Class::Retry, "SQLITE_IOERR_WRITE"),
    (ffi::SQLITE_IOERR_FSYNC, Class::Retry, "SQLITE_IOERR_FSYNC"),
    (ffi::SQLITE_IOERR_DIR_FSYNC, Class::Retry, "SQLITE_IOERR_DIR_FSYNC"),
    (ffi::SQLITE_IOERR_TRUNCATE, Class::Retry, "SQLITE_IOERR_TRUNCATE"),
    (ffi::SQLITE_IOERR_FSTAT, Class::Retry, "SQLITE_IOERR_FSTAT"),
    (ffi::SQLITE_IOERR_UNLOCK, Class::Retry, "SQLITE_IOERR"),
    (ffi::SQLITE_IOERR_RDLOCK, Class::Retry, "SQLITE_IOERR"),
    (ffi::SQLITE_IOERR_DELETE, Class::Retry, "SQLITE_IOERR"),
    (ffi::SQLITE_IOERR_NOMEM, Class::Retry, "SQLITE_IOERR_NOMEM"),
    (ffi::SQLITE_IOERR_ACCESS, Class::Retry, "SQLITE_IOERR_ACCESS"),
    (ffi::SQLITE_IOERR_LOCK, Class::Retry, "SQLITE_IOERR_LOCK"),
    (ffi::SQLITE_IOERR_CLOSE, Class::Retry, "SQLITE_IOERR"),
    (ffi::SQLITE_IOERR_SHMOPEN, Class::Retry, "SQLITE_IOERR_SHMOPEN"),
    (ffi::SQLITE_IOERR_SHMSIZE, Class::Retry, "SQLITE_IOERR_SHMSIZE"),
    (ffi::SQLITE_IOERR_SHMLOCK, Class::Retry, "SQLITE_IOERR"),
    (ffi::SQLITE_IOERR_SHMMAP, Class::Retry, "SQLITE_IOERR_SHMMAP"),
    (ffi::SQLITE_IOERR_SEEK, Class::Retry, "SQLITE_IOERR"),
    (ffi::SQLITE_IOERR_MMAP, Class::Retry, "SQLITE_IOERR_MMAP"),
    (ffi::SQLITE_IOERR_GETTEMPPATH, Class::Retry, "SQLITE_IOERR"),
    (ffi::SQLITE_IOERR_VNODE, Class::Retry, "SQLITE_IOERR"),
    (ffi::SQLITE_IOERR_AUTH, Class::Retry, "SQLITE_IOERR_AUTH"),
    (ffi::SQLITE_IOERR_BEGIN_ATOMIC, Class::Retry, "SQLITE_IOERR"),
    (ffi::SQLITE_IOERR_COMMIT_ATOMIC, Class::Retry, "SQLITE_IOERR"),
    (ffi::SQLITE_IOERR_DATA, Class::Fatal, "SQLITE_IOERR_DATA"),
    (ffi::SQLITE_IOERR_CORRUPTFS, Class::Fatal, "SQLITE_IOERR_CORRUPTFS"),
    (ffi::SQLITE_CORRUPT_VTAB, Class::Fatal, "SQLITE_CORRUPT"),
    (ffi::SQLITE_CORRUPT_SEQUENCE, Class::Fatal, "SQLITE_CORRUPT"),
    (ffi::SQLITE_CORRUPT_INDEX, Class::Fatal, "SQLITE_CORRUPT_INDEX"),
    (ffi::SQLITE_CANTOPEN_ISDIR, Class::Fatal, "SQLITE_CANTOPEN_ISDIR"),
    (ffi::SQLITE_CANTOPEN_FULLPATH, Class::Retry, "SQLITE_CANTOPEN"),
    (ffi::SQLITE_CANTOPEN_CONVPATH, Class::Retry, "SQLITE_CANTOPEN"),
    (ffi::SQLITE_CANTOPEN_SYMLINK, Class::Fatal, "SQLITE_CANTOPEN_SYMLINK"),
    (ffi::SQLITE_CONSTRAINT_CHECK, Class::Reject, "SQLITE_CONSTRAINT_CHECK"),
    (ffi::SQLITE_CONSTRAINT_COMMITHOOK, Class::Fatal, "SQLITE_CONSTRAINT_COMMITHOOK"),
    (ffi::SQLITE_CONSTRAINT_FOREIGNKEY, Class::Reject, "SQLITE_CONSTRAINT_FOREIGNKEY"),
    (ffi::SQLITE_CONSTRAINT_FUNCTION, Class::Reject, "SQLITE_CONSTRAINT_FUNCTION"),
    (ffi::SQLITE_CONSTRAINT_NOTNULL, Class::Reject, "SQLITE_CONSTRAINT_NOTNULL"),
    (ffi::SQLITE_CONSTRAINT_PRIMARYKEY, Class::Reject, "SQLITE_CONSTRAINT_PRIMARYKEY"),
    (ffi::SQLITE_CONSTRAINT_TRIGGER, Class::Reject, "SQLITE_CONSTRAINT_TRIGGER"),
    (ffi::SQLITE_CONSTRAINT_UNIQUE, Class::Reject, "SQLITE_CONSTRAINT_UNIQUE"),
    (ffi::SQLITE_CONSTRAINT_VTAB, Class::Reject, "SQLITE_CONSTRAINT"),
    (ffi::SQLITE_CONSTRAINT_ROWID, Class::Reject, "SQLITE_CONSTRAINT_ROWID"),
    (ffi::SQLITE_CONSTRAINT_PINNED, Class::Reject, "SQLITE_CONSTRAINT"),
    (ffi::SQLITE_CONSTRAINT_DATATYPE, Class::Table, "SQLITE_CONSTRAINT_DATATYPE"),
    (ffi::SQLITE_AUTH_USER, Class::Retry, "SQLITE_AUTH"),
    (999, Class::Retry, "SQLITE"),
    (-1, Class::Retry, "SQLITE"),
];

#[test]
fn every_code_is_judged() {
    for (code, class, name) in EXPECTED {
        let judged = judge_code(*code, "x");
        let expected = (*class, format!("{name} ({code})"));
        assert_eq!((judged.class, judged.trouble.code.to_string()), expected);
        assert!(!judged.trouble.hint.is_empty());
    }
    for line in LINES {
        assert!(EXPECTED.iter().any(|(code, ..)| *code == line.code), "{} has no test", line.name);
    }
}

fn failure(code: i32, message: &str) -> Error {
    Error::SqliteFailure(ffi::Error::new(code), Some(message.to_owned()))
}

#[test]
fn no_message_of_the_database_gets_through() {
    let error = failure(ffi::SQLITE_CONSTRAINT_UNIQUE, "UNIQUE constraint failed: secret");
    let judged = judge(&error, "writing a batch");
    assert!(!format!("{judged:?}{}", judged.trouble).contains("secret"));
}

#[test]
fn a_column_is_named_where_it_is_one_of_ours() {
    let column = |name: &str| Column { name: name.into(), column_type: ColumnType::Long };
    let columns = ["a", "b"].map(column).into();
    let table = Table {
        schema: "dbo".into(),
        name: "account".into(),
        columns,
        deletes: Deletes::default(),
        widen: Widen::default(),
    };
    let (unique, not_null) = (ffi::SQLITE_CONSTRAINT_UNIQUE, ffi::SQLITE_CONSTRAINT_NOTNULL);
    for (code, message, expected) in [
        (unique, "UNIQUE constraint failed: account.b", Some("b")),
        (unique, "UNIQUE constraint failed: Account.A", Some("a")),
        (not_null, "NOT NULL constraint failed: account.a", Some("a")),
        (not_null, "NOT NULL constraint failed: account.theirs", None),
        (unique, "UNIQUE constraint failed: account.a, account.b", None),
        (unique, "UNIQUE constraint failed: index 'account.a'", None),
        (ffi::SQLITE_CONSTRAINT_CHECK, "CHECK constraint failed: account.a", None),
    ] {
        assert_eq!(named_column(&failure(code, message), &table), expected, "{message}");
    }
}

#[test]
fn stored_values_and_paths_are_fatal() {
    for (error, code) in [
        (Error::QueryReturnedNoRows, "no_rows"),
        (Error::InvalidPath("x".into()), "path"),
        (Error::IntegralValueOutOfRange(0, 1), "stored_value"),
        (Error::InvalidQuery, "library"),
    ] {
        let judged = judge(&error, "x");
        assert_eq!((judged.class, judged.trouble.code.as_str()), (Class::Fatal, code));
    }
}
