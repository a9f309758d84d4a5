//! The result codes of SQLite and what each means for a batch: data, and a stated default.

use rusqlite::ffi;

/// What to do after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// An outage: it ends by itself, or a person ends it. The same batch again.
    Retry,
    /// The record cannot be written.
    Reject,
    /// The table is not as keepstep made it; where it is one of keepstep's own, a person must act.
    Table,
    /// A person must act.
    Fatal,
}

/// One code.
#[derive(Debug)]
pub(super) struct Line {
    /// Primary or extended.
    pub code: i32,
    /// Its name in SQLite's documentation.
    pub name: &'static str,
    /// What to do.
    pub class: Class,
    /// What to do next, for a person.
    pub hint: &'static str,
}

const fn line(code: i32, name: &'static str, class: Class, hint: &'static str) -> Line {
    Line { code, name, class, hint }
}

/// Codes that nobody knows are an outage: the batch is tried again, seen, and skips nothing.
pub(super) const UNKNOWN: Line =
    line(0, "SQLITE", Class::Retry, "An unknown error; keepstep tries again by itself.");

const LOCKED: &str = "Another program holds the database; keepstep tries again by itself.";
const DISK: &str = "Look at the disk and at the file's folder; keepstep tries again by itself.";
const FULL: &str = "The disk is full; make room. keepstep tries again by itself.";
const MEMORY: &str = "The machine is short of memory; keepstep tries again by itself.";
const RIGHTS: &str = "Give the user that runs keepstep the right to write the file and its folder \
                      (SQLite makes a -wal and a -shm file beside it); keepstep tries again by \
                      itself.";
const DAMAGED: &str = "Restore the file from a backup (the lanes then go on from its checkpoint), \
                       or remove it and start anew.";
const CHANGED: &str = "A table or a column that keepstep writes is gone or has another type: bring \
                       it back, or restart keepstep so that the activation makes what is missing; \
                       what it held needs a re-sync.";
const FAULT: &str = "This is a fault of keepstep; please report it with this code.";
const REFUSED: &str = "The record is named; a constraint, trigger or limit refuses it.";
const NO_FILE: &str = "The path is a folder or a link that SQLite does not follow; name a file.";
const NOT_A_DATABASE: &str =
    "The file is no SQLite database, or it is encrypted: name another one.";
const NO_LARGER: &str = "The file system holds no larger file; move the file to another one.";

/// Every primary code, and the extended ones that mean something else than their primary or have
/// a name worth showing. An extended code that is not here counts as its primary.
pub(super) const LINES: &[Line] = &[
    line(ffi::SQLITE_ERROR, "SQLITE_ERROR", Class::Table, CHANGED),
    line(ffi::SQLITE_ERROR_MISSING_COLLSEQ, "SQLITE_ERROR_MISSING_COLLSEQ", Class::Table, CHANGED),
    line(ffi::SQLITE_ERROR_RETRY, "SQLITE_ERROR_RETRY", Class::Retry, LOCKED),
    line(ffi::SQLITE_ERROR_SNAPSHOT, "SQLITE_ERROR_SNAPSHOT", Class::Retry, LOCKED),
    line(ffi::SQLITE_INTERNAL, "SQLITE_INTERNAL", Class::Fatal, FAULT),
    line(ffi::SQLITE_PERM, "SQLITE_PERM", Class::Retry, RIGHTS),
    line(ffi::SQLITE_ABORT, "SQLITE_ABORT", Class::Retry, LOCKED),
    line(ffi::SQLITE_ABORT_ROLLBACK, "SQLITE_ABORT_ROLLBACK", Class::Retry, LOCKED),
    line(ffi::SQLITE_BUSY, "SQLITE_BUSY", Class::Retry, LOCKED),
    line(ffi::SQLITE_BUSY_RECOVERY, "SQLITE_BUSY_RECOVERY", Class::Retry, LOCKED),
    line(ffi::SQLITE_BUSY_SNAPSHOT, "SQLITE_BUSY_SNAPSHOT", Class::Retry, LOCKED),
    line(ffi::SQLITE_BUSY_TIMEOUT, "SQLITE_BUSY_TIMEOUT", Class::Retry, LOCKED),
    line(ffi::SQLITE_LOCKED, "SQLITE_LOCKED", Class::Retry, LOCKED),
    line(ffi::SQLITE_LOCKED_SHAREDCACHE, "SQLITE_LOCKED_SHAREDCACHE", Class::Retry, LOCKED),
    line(ffi::SQLITE_NOMEM, "SQLITE_NOMEM", Class::Retry, MEMORY),
    line(ffi::SQLITE_READONLY, "SQLITE_READONLY", Class::Retry, RIGHTS),
    line(ffi::SQLITE_READONLY_RECOVERY, "SQLITE_READONLY_RECOVERY", Class::Retry, RIGHTS),
    line(ffi::SQLITE_READONLY_CANTLOCK, "SQLITE_READONLY_CANTLOCK", Class::Retry, RIGHTS),
    line(ffi::SQLITE_READONLY_ROLLBACK, "SQLITE_READONLY_ROLLBACK", Class::Retry, RIGHTS),
    line(ffi::SQLITE_READONLY_DBMOVED, "SQLITE_READONLY_DBMOVED", Class::Retry, DISK),
    line(ffi::SQLITE_READONLY_CANTINIT, "SQLITE_READONLY_CANTINIT", Class::Retry, RIGHTS),
    line(ffi::SQLITE_READONLY_DIRECTORY, "SQLITE_READONLY_DIRECTORY", Class::Retry, RIGHTS),
    line(ffi::SQLITE_INTERRUPT, "SQLITE_INTERRUPT", Class::Retry, LOCKED),
    line(ffi::SQLITE_IOERR, "SQLITE_IOERR", Class::Retry, DISK),
    line(ffi::SQLITE_IOERR_READ, "SQLITE_IOERR_READ", Class::Retry, DISK),
    line(ffi::SQLITE_IOERR_SHORT_READ, "SQLITE_IOERR_SHORT_READ", Class::Retry, DISK),
    line(ffi::SQLITE_IOERR_WRITE, "SQLITE_IOERR_WRITE", Class::Retry, DISK),
    line(ffi::SQLITE_IOERR_FSYNC, "SQLITE_IOERR_FSYNC", Class::Retry, DISK),
    line(ffi::SQLITE_IOERR_DIR_FSYNC, "SQLITE_IOERR_DIR_FSYNC", Class::Retry, DISK),
    line(ffi::SQLITE_IOERR_TRUNCATE, "SQLITE_IOERR_TRUNCATE", Class::Retry, DISK),
    line(ffi::SQLITE_IOERR_FSTAT, "SQLITE_IOERR_FSTAT", Class::Retry, DISK),
    line(ffi::SQLITE_IOERR_LOCK, "SQLITE_IOERR_LOCK", Class::Retry, DISK),
    line(ffi::SQLITE_IOERR_NOMEM, "SQLITE_IOERR_NOMEM", Class::Retry, MEMORY),
    line(ffi::SQLITE_IOERR_ACCESS, "SQLITE_IOERR_ACCESS", Class::Retry, RIGHTS),
    line(ffi::SQLITE_IOERR_SHMOPEN, "SQLITE_IOERR_SHMOPEN", Class::Retry, RIGHTS),
    line(ffi::SQLITE_IOERR_SHMSIZE, "SQLITE_IOERR_SHMSIZE", Class::Retry, FULL),
    line(ffi::SQLITE_IOERR_SHMMAP, "SQLITE_IOERR_SHMMAP", Class::Retry, DISK),
    line(ffi::SQLITE_IOERR_MMAP, "SQLITE_IOERR_MMAP", Class::Retry, DISK),
    line(ffi::SQLITE_IOERR_AUTH, "SQLITE_IOERR_AUTH", Class::Retry, RIGHTS),
    line(ffi::SQLITE_IOERR_DATA, "SQLITE_IOERR_DATA", Class::Fatal, DAMAGED),
    line(ffi::SQLITE_IOERR_CORRUPTFS, "SQLITE_IOERR_CORRUPTFS", Class::Fatal, DAMAGED),
    line(ffi::SQLITE_CORRUPT, "SQLITE_CORRUPT", Class::Fatal, DAMAGED),
    line(ffi::SQLITE_CORRUPT_INDEX, "SQLITE_CORRUPT_INDEX", Class::Fatal, DAMAGED),
    line(ffi::SQLITE_NOTFOUND, "SQLITE_NOTFOUND", Class::Fatal, FAULT),
    line(ffi::SQLITE_FULL, "SQLITE_FULL", Class::Retry, FULL),
    // A file or a folder that is not there is told from this one where the file is opened.
    line(ffi::SQLITE_CANTOPEN, "SQLITE_CANTOPEN", Class::Retry, RIGHTS),
    line(ffi::SQLITE_CANTOPEN_ISDIR, "SQLITE_CANTOPEN_ISDIR", Class::Fatal, NO_FILE),
    line(ffi::SQLITE_CANTOPEN_SYMLINK, "SQLITE_CANTOPEN_SYMLINK", Class::Fatal, NO_FILE),
    line(ffi::SQLITE_PROTOCOL, "SQLITE_PROTOCOL", Class::Retry, LOCKED),
    line(ffi::SQLITE_EMPTY, "SQLITE_EMPTY", Class::Fatal, FAULT),
    line(ffi::SQLITE_SCHEMA, "SQLITE_SCHEMA", Class::Retry, LOCKED),
    line(ffi::SQLITE_TOOBIG, "SQLITE_TOOBIG", Class::Reject, REFUSED),
    line(ffi::SQLITE_CONSTRAINT, "SQLITE_CONSTRAINT", Class::Reject, REFUSED),
    line(ffi::SQLITE_CONSTRAINT_CHECK, "SQLITE_CONSTRAINT_CHECK", Class::Reject, REFUSED),
    // Only trials deny a commit, and they know it.
    line(ffi::SQLITE_CONSTRAINT_COMMITHOOK, "SQLITE_CONSTRAINT_COMMITHOOK", Class::Fatal, FAULT),
    line(ffi::SQLITE_CONSTRAINT_FOREIGNKEY, "SQLITE_CONSTRAINT_FOREIGNKEY", Class::Reject, REFUSED),
    line(ffi::SQLITE_CONSTRAINT_FUNCTION, "SQLITE_CONSTRAINT_FUNCTION", Class::Reject, REFUSED),
    line(ffi::SQLITE_CONSTRAINT_NOTNULL, "SQLITE_CONSTRAINT_NOTNULL", Class::Reject, REFUSED),
    line(ffi::SQLITE_CONSTRAINT_PRIMARYKEY, "SQLITE_CONSTRAINT_PRIMARYKEY", Class::Reject, REFUSED),
    line(ffi::SQLITE_CONSTRAINT_TRIGGER, "SQLITE_CONSTRAINT_TRIGGER", Class::Reject, REFUSED),
    line(ffi::SQLITE_CONSTRAINT_UNIQUE, "SQLITE_CONSTRAINT_UNIQUE", Class::Reject, REFUSED),
    line(ffi::SQLITE_CONSTRAINT_ROWID, "SQLITE_CONSTRAINT_ROWID", Class::Reject, REFUSED),
    // keepstep writes each column in its one type, so the column has another one.
    line(ffi::SQLITE_CONSTRAINT_DATATYPE, "SQLITE_CONSTRAINT_DATATYPE", Class::Table, CHANGED),
    line(ffi::SQLITE_MISMATCH, "SQLITE_MISMATCH", Class::Table, CHANGED),
    line(ffi::SQLITE_MISUSE, "SQLITE_MISUSE", Class::Fatal, FAULT),
    line(ffi::SQLITE_NOLFS, "SQLITE_NOLFS", Class::Fatal, NO_LARGER),
    line(ffi::SQLITE_AUTH, "SQLITE_AUTH", Class::Retry, RIGHTS),
    line(ffi::SQLITE_FORMAT, "SQLITE_FORMAT", Class::Fatal, DAMAGED),
    line(ffi::SQLITE_RANGE, "SQLITE_RANGE", Class::Fatal, FAULT),
    line(ffi::SQLITE_NOTADB, "SQLITE_NOTADB", Class::Fatal, NOT_A_DATABASE),
];
