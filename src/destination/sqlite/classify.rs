//! What an error of SQLite means for a batch. Pure.
//!
//! Never a message: SQLite's quote statements, names and values. A code, its name, and what to do.

use rusqlite::ffi;

use crate::destination::Trouble;

/// What to do after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// It ends by itself: the same batch again.
    Retry,
    /// The record cannot be written.
    Reject,
    /// A person must act.
    Fatal,
}

/// One line of the table below.
struct Line {
    code: i32,
    name: &'static str,
    class: Class,
    hint: &'static str,
}

const fn line(code: i32, name: &'static str, class: Class, hint: &'static str) -> Line {
    Line { code, name, class, hint }
}

const LOCKED: &str = "Another program holds the database; keepstep tries again by itself.";
const DISK: &str = "Look at the disk and at the file's folder; keepstep tries again by itself.";
const MEMORY: &str = "The machine is short of memory; keepstep tries again by itself.";
const RIGHTS: &str = "Give the user that runs keepstep the right to write the file and its folder (SQLite makes a \
     -wal and a -shm file beside it).";
const DAMAGED: &str = "Restore the file from a backup (the lanes then go on from its checkpoint), \
                       or remove it and start anew.";
const GONE: &str = "A table or a column that keepstep writes is not there any more: bring it back, \
                    or restart keepstep so that the activation makes it, then re-sync.";
const FAULT: &str = "This is a fault of keepstep; please report it with this code.";
const REFUSED: &str = "The record is named; a constraint, trigger or limit refuses it.";

/// Primary and extended result codes; an extended code that is not here counts as its primary.
const LINES: &[Line] = &[
    line(ffi::SQLITE_ERROR, "SQLITE_ERROR", Class::Fatal, GONE),
    line(ffi::SQLITE_ERROR_RETRY, "SQLITE_ERROR_RETRY", Class::Retry, LOCKED),
    line(ffi::SQLITE_ERROR_SNAPSHOT, "SQLITE_ERROR_SNAPSHOT", Class::Retry, LOCKED),
    line(ffi::SQLITE_INTERNAL, "SQLITE_INTERNAL", Class::Fatal, FAULT),
    line(ffi::SQLITE_PERM, "SQLITE_PERM", Class::Fatal, RIGHTS),
    line(ffi::SQLITE_ABORT, "SQLITE_ABORT", Class::Retry, LOCKED),
    line(ffi::SQLITE_BUSY, "SQLITE_BUSY", Class::Retry, LOCKED),
    line(ffi::SQLITE_BUSY_RECOVERY, "SQLITE_BUSY_RECOVERY", Class::Retry, LOCKED),
    line(ffi::SQLITE_BUSY_SNAPSHOT, "SQLITE_BUSY_SNAPSHOT", Class::Retry, LOCKED),
    line(ffi::SQLITE_BUSY_TIMEOUT, "SQLITE_BUSY_TIMEOUT", Class::Retry, LOCKED),
    line(ffi::SQLITE_LOCKED, "SQLITE_LOCKED", Class::Retry, LOCKED),
    line(ffi::SQLITE_NOMEM, "SQLITE_NOMEM", Class::Retry, MEMORY),
    line(ffi::SQLITE_READONLY, "SQLITE_READONLY", Class::Fatal, RIGHTS),
    line(ffi::SQLITE_READONLY_RECOVERY, "SQLITE_READONLY_RECOVERY", Class::Fatal, RIGHTS),
    line(ffi::SQLITE_READONLY_DBMOVED, "SQLITE_READONLY_DBMOVED", Class::Fatal, DAMAGED),
    line(ffi::SQLITE_READONLY_DIRECTORY, "SQLITE_READONLY_DIRECTORY", Class::Fatal, RIGHTS),
    line(ffi::SQLITE_INTERRUPT, "SQLITE_INTERRUPT", Class::Retry, LOCKED),
    line(ffi::SQLITE_IOERR, "SQLITE_IOERR", Class::Retry, DISK),
    line(ffi::SQLITE_IOERR_READ, "SQLITE_IOERR_READ", Class::Retry, DISK),
    line(ffi::SQLITE_IOERR_WRITE, "SQLITE_IOERR_WRITE", Class::Retry, DISK),
    line(ffi::SQLITE_IOERR_FSYNC, "SQLITE_IOERR_FSYNC", Class::Retry, DISK),
    line(ffi::SQLITE_IOERR_NOMEM, "SQLITE_IOERR_NOMEM", Class::Retry, MEMORY),
    line(ffi::SQLITE_IOERR_CORRUPTFS, "SQLITE_IOERR_CORRUPTFS", Class::Fatal, DAMAGED),
    line(ffi::SQLITE_CORRUPT, "SQLITE_CORRUPT", Class::Fatal, DAMAGED),
    line(ffi::SQLITE_NOTFOUND, "SQLITE_NOTFOUND", Class::Fatal, FAULT),
    line(ffi::SQLITE_FULL, "SQLITE_FULL", Class::Retry, "The disk is full; make room."),
    line(ffi::SQLITE_CANTOPEN, "SQLITE_CANTOPEN", Class::Fatal, CANNOT_OPEN),
    line(ffi::SQLITE_PROTOCOL, "SQLITE_PROTOCOL", Class::Retry, LOCKED),
    line(ffi::SQLITE_EMPTY, "SQLITE_EMPTY", Class::Fatal, FAULT),
    line(ffi::SQLITE_SCHEMA, "SQLITE_SCHEMA", Class::Retry, LOCKED),
    line(ffi::SQLITE_TOOBIG, "SQLITE_TOOBIG", Class::Reject, REFUSED),
    line(ffi::SQLITE_CONSTRAINT, "SQLITE_CONSTRAINT", Class::Reject, REFUSED),
    line(ffi::SQLITE_CONSTRAINT_CHECK, "SQLITE_CONSTRAINT_CHECK", Class::Reject, REFUSED),
    line(ffi::SQLITE_CONSTRAINT_FOREIGNKEY, "SQLITE_CONSTRAINT_FOREIGNKEY", Class::Reject, REFUSED),
    line(ffi::SQLITE_CONSTRAINT_NOTNULL, "SQLITE_CONSTRAINT_NOTNULL", Class::Reject, REFUSED),
    line(ffi::SQLITE_CONSTRAINT_TRIGGER, "SQLITE_CONSTRAINT_TRIGGER", Class::Reject, REFUSED),
    line(ffi::SQLITE_CONSTRAINT_UNIQUE, "SQLITE_CONSTRAINT_UNIQUE", Class::Reject, REFUSED),
    line(ffi::SQLITE_CONSTRAINT_DATATYPE, "SQLITE_CONSTRAINT_DATATYPE", Class::Reject, REFUSED),
    line(ffi::SQLITE_MISMATCH, "SQLITE_MISMATCH", Class::Reject, REFUSED),
    line(ffi::SQLITE_MISUSE, "SQLITE_MISUSE", Class::Fatal, FAULT),
    line(ffi::SQLITE_NOLFS, "SQLITE_NOLFS", Class::Fatal, "The file system holds no larger file."),
    line(ffi::SQLITE_AUTH, "SQLITE_AUTH", Class::Fatal, RIGHTS),
    line(ffi::SQLITE_FORMAT, "SQLITE_FORMAT", Class::Fatal, DAMAGED),
    line(ffi::SQLITE_RANGE, "SQLITE_RANGE", Class::Fatal, FAULT),
    line(ffi::SQLITE_NOTADB, "SQLITE_NOTADB", Class::Fatal, NOT_A_DATABASE),
];

const CANNOT_OPEN: &str = "Make the folder of the file, and give the user that runs keepstep the \
                           right to write it.";
const NOT_A_DATABASE: &str =
    "The file is no SQLite database, or it is encrypted: name another one.";

/// An error, judged: what to do, and how to say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    /// What to do.
    pub class: Class,
    /// How to say it.
    pub trouble: Trouble,
}

/// Judges a result code, primary or extended. One that nobody knows is an outage: it is tried
/// again, seen, and skips nothing.
pub(super) fn judge_code(code: i32, what: &str) -> Judged {
    let exact = LINES.iter().find(|line| line.code == code);
    let primary = || LINES.iter().find(|line| line.code == code & 0xff);
    let (class, name, hint) = match exact.or_else(primary) {
        Some(line) => (line.class, line.name, line.hint),
        None => (Class::Retry, "SQLITE", "An unknown error; keepstep tries again by itself."),
    };
    let code = compact_str::format_compact!("{name} ({code})");
    Judged { class, trouble: Trouble { what: what.to_owned(), code, hint: hint.to_owned() } }
}

/// Judges an error of the library; `what` says what was done, and to what.
pub(super) fn judge(error: &rusqlite::Error, what: &str) -> Judged {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => judge_code(failure.extended_code, what),
        rusqlite::Error::SqlInputError { error, .. } => judge_code(error.extended_code, what),
        other => {
            let code = match other {
                rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::Utf8Error(..) => "stored_value",
                rusqlite::Error::QueryReturnedNoRows => "no_rows",
                rusqlite::Error::InvalidPath(_) | rusqlite::Error::NulError(_) => "path",
                _ => "library",
            };
            let hint = match code {
                "path" => "The path of the file cannot be given to SQLite; name another one.",
                "stored_value" | "no_rows" => {
                    "One of keepstep's own tables holds what keepstep never writes; restore it."
                }
                _ => FAULT,
            };
            let trouble = Trouble { what: what.to_owned(), code: code.into(), hint: hint.into() };
            Judged { class: Class::Fatal, trouble }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_primary_code_is_judged() {
        let expected = [
            (Class::Fatal, vec![1, 2, 3, 8, 11, 12, 14, 16, 21, 22, 23, 24, 25, 26]),
            (Class::Retry, vec![4, 5, 6, 7, 9, 10, 13, 15, 17]),
            (Class::Reject, vec![18, 19, 20]),
        ];
        for code in 1..=26 {
            let class = judge_code(code, "x").class;
            let (_, codes) = expected.iter().find(|(expected, _)| *expected == class).unwrap();
            assert!(codes.contains(&code), "{code} is {class:?}");
            assert!(LINES.iter().any(|line| line.code == code), "{code} has no line");
        }
    }

    #[test]
    fn extended_codes_are_judged_by_themselves_or_by_their_primary() {
        for (code, class, name) in [
            (ffi::SQLITE_BUSY_SNAPSHOT, Class::Retry, "SQLITE_BUSY_SNAPSHOT (517)"),
            (ffi::SQLITE_IOERR_SHORT_READ, Class::Retry, "SQLITE_IOERR (522)"),
            (ffi::SQLITE_IOERR_CORRUPTFS, Class::Fatal, "SQLITE_IOERR_CORRUPTFS (8458)"),
            (ffi::SQLITE_CONSTRAINT_PRIMARYKEY, Class::Reject, "SQLITE_CONSTRAINT (1555)"),
            (ffi::SQLITE_CONSTRAINT_UNIQUE, Class::Reject, "SQLITE_CONSTRAINT_UNIQUE (2067)"),
            (ffi::SQLITE_READONLY_DBMOVED, Class::Fatal, "SQLITE_READONLY_DBMOVED (1032)"),
            (ffi::SQLITE_CANTOPEN_ISDIR, Class::Fatal, "SQLITE_CANTOPEN (526)"),
            (ffi::SQLITE_CORRUPT_INDEX, Class::Fatal, "SQLITE_CORRUPT (779)"),
            (999, Class::Retry, "SQLITE (999)"),
        ] {
            let judged = judge_code(code, "x");
            assert_eq!((judged.class, judged.trouble.code.as_str()), (class, name));
        }
    }

    #[test]
    fn no_message_of_the_database_gets_through() {
        let secret = "UNIQUE constraint failed: secret".to_owned();
        let failure = ffi::Error::new(ffi::SQLITE_CONSTRAINT_UNIQUE);
        let error = rusqlite::Error::SqliteFailure(failure, Some(secret));
        let judged = judge(&error, "writing a batch");
        assert!(!format!("{judged:?}{}", judged.trouble).contains("secret"));
    }
}
