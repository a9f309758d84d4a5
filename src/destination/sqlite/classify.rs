//! What an error of SQLite means for a batch. Pure.
//!
//! Never a message: SQLite's quote statements, names and values. A code, its name, and what to do.

use rusqlite::ffi;

pub(super) use super::codes::Class;
use super::codes::{LINES, UNKNOWN};
use crate::destination::Trouble;
use crate::model::table::Table;

/// An error, judged: what to do, and how to say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    /// What to do.
    pub class: Class,
    /// How to say it.
    pub trouble: Trouble,
}

/// The code of a stored value that keepstep never writes.
pub(super) const STORED_VALUE: &str = "stored_value";

/// Judges a result code, primary or extended.
pub(super) fn judge_code(code: i32, what: &str) -> Judged {
    let exact = LINES.iter().find(|line| line.code == code);
    let primary = || LINES.iter().find(|line| line.code == code & 0xff);
    let line = exact.or_else(primary).unwrap_or(&UNKNOWN);
    let code = compact_str::format_compact!("{} ({code})", line.name);
    let trouble = Trouble { what: what.to_owned(), code, hint: line.hint.to_owned() };
    Judged { class: line.class, trouble }
}

/// Judges an error of the library; `what` says what was done, and to what.
pub(super) fn judge(error: &rusqlite::Error, what: &str) -> Judged {
    if let Some(code) = code_of(error) {
        return judge_code(code, what);
    }
    let code = match error {
        rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::Utf8Error(..) => STORED_VALUE,
        rusqlite::Error::QueryReturnedNoRows => "no_rows",
        rusqlite::Error::InvalidPath(_) | rusqlite::Error::NulError(_) => "path",
        _ => "library",
    };
    let hint = match code {
        "path" => "The path of the file cannot be given to SQLite; name another one.",
        STORED_VALUE | "no_rows" => {
            "One of keepstep's own tables holds what keepstep never writes; restore it."
        }
        _ => "This is a fault of keepstep; please report it with this code.",
    };
    let trouble = Trouble { what: what.to_owned(), code: code.into(), hint: hint.into() };
    Judged { class: Class::Fatal, trouble }
}

/// The extended code, where SQLite gave one.
fn code_of(error: &rusqlite::Error) -> Option<i32> {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => Some(failure.extended_code),
        rusqlite::Error::SqlInputError { error, .. } => Some(error.extended_code),
        _ => None,
    }
}

/// Whether it is the error that stands for everything without a code of its own: names that are
/// not there, and functions that fail on a value.
pub(super) fn is_general(error: &rusqlite::Error) -> bool {
    code_of(error) == Some(ffi::SQLITE_ERROR)
}

/// Whether a commit was denied by the hook of a trial.
pub(super) fn is_denied_commit(error: &rusqlite::Error) -> bool {
    code_of(error) == Some(ffi::SQLITE_CONSTRAINT_COMMITHOOK)
}

/// Whether another program holds a lock.
pub(super) fn is_locked(error: &rusqlite::Error) -> bool {
    let primary = code_of(error).map(|code| code & 0xff);
    matches!(primary, Some(ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED))
}

/// The one column of this table that a constraint names. Compared with the names that keepstep
/// knows, so nothing of SQLite's message gets out.
pub(super) fn named_column<'t>(error: &rusqlite::Error, table: &'t Table) -> Option<&'t str> {
    let rusqlite::Error::SqliteFailure(failure, Some(message)) = error else {
        return None;
    };
    let failed = match failure.extended_code {
        ffi::SQLITE_CONSTRAINT_NOTNULL => message.strip_prefix("NOT NULL constraint failed: "),
        ffi::SQLITE_CONSTRAINT_UNIQUE => message.strip_prefix("UNIQUE constraint failed: "),
        _ => None,
    }?;
    let columns = table.columns.iter().map(|column| column.name.as_str());
    columns
        .into_iter()
        .find(|column| failed.eq_ignore_ascii_case(&format!("{}.{column}", table.name)))
}

#[cfg(test)]
#[path = "classify_test.rs"]
mod tests;
