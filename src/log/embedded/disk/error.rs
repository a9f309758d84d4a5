//! SQLite's errors in the words of the log.
//!
//! Codes only, never SQLite's text or a statement: whatever they quote stays in.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::log::LogError;

/// `what` could not be done on the log in `path`.
pub(super) fn sqlite_error(what: &str, path: &Path, error: &rusqlite::Error) -> LogError {
    let file = path.display();
    let Some(failure) = error.sqlite_error() else {
        return LogError {
            retry: false,
            what: what.to_owned(),
            code: "SQLITE_MISUSE".to_owned(),
            hint: format!(
                "{file} does not hold what this version expects; was it changed by hand?"
            ),
        };
    };
    let (retry, hint) = match failure.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            (true, format!("Another process has been writing to {file} for long; try again"))
        }
        ErrorCode::DiskFull => (true, format!("The disk of {file} is full; free some space")),
        ErrorCode::SystemIoFailure | ErrorCode::CannotOpen => {
            (true, format!("Look at the disk and the rights of {file} and its folder"))
        }
        ErrorCode::OutOfMemory => (true, "There was no memory left; try again".to_owned()),
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => {
            (false, format!("This process needs the right to write {file} and its folder"))
        }
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => (
            false,
            format!("{file} is damaged or no log; restore it from a backup, or move it away"),
        ),
        _ => (false, format!("Report this code; {file} was left as it was")),
    };
    let code = format!("{:?} ({})", failure.code, failure.extended_code);
    LogError { retry, what: what.to_owned(), code, hint }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    #[test]
    fn what_passes_is_told_from_what_stays() {
        let of = |code| {
            let quoted = Some("near \"secret\": syntax error".to_owned());
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), quoted);
            sqlite_error("reading", Path::new("log.db"), &error)
        };
        for code in [ffi::SQLITE_BUSY, ffi::SQLITE_FULL, ffi::SQLITE_IOERR, ffi::SQLITE_CANTOPEN] {
            assert!(of(code).retry, "{code}");
        }
        for code in
            [ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB, ffi::SQLITE_READONLY, ffi::SQLITE_ERROR]
        {
            let error = of(code);
            assert!(!error.retry, "{code}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let misuse = sqlite_error("reading", Path::new("l.db"), &rusqlite::Error::InvalidQuery);
        assert!(misuse.hint.contains("l.db"));
    }
}
