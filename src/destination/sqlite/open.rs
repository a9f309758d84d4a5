//! Opens the file as keepstep wants it.

use std::io::ErrorKind;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::stop::Stop;
use super::{Durability, SqliteSettings};
use crate::destination::Trouble;

/// Memory for pages of the file, in KiB: wide enough for the upper parts of the key's index.
const CACHE_KIB: i64 = 32_768;

/// Pages in the write-ahead log after which they go to the file, at the end of a commit. A random
/// key touches a page of the index each; the longer the log, the fewer times each is written.
const CHECKPOINT_PAGES: i64 = 16_384;

/// Most prepared statements kept. Patches have one for each set of columns.
const KEPT_STATEMENTS: usize = 256;

/// Whether a missing file is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// It is made: only an activation may.
    Create,
    /// It is an error: its checkpoint would be missing too.
    Refuse,
}

/// Opens the file in WAL mode.
///
/// # Errors
/// What SQLite says, or a refusal where the file system cannot do WAL.
pub(super) fn open(settings: &SqliteSettings, missing: Missing) -> Result<Connection, Stop> {
    let connection = open_plainly(settings, missing)?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(Stop::Refused(Trouble {
            what: format!("switching {} to a write-ahead log", settings.path.display()),
            code: "journal_mode".into(),
            hint: "The file system cannot do it (a network share?); put the file on a local disk."
                .to_owned(),
        }));
    }
    let synchronous = match settings.durability {
        Durability::Normal => "NORMAL",
        Durability::Full => "FULL",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.set_prepared_statement_cache_capacity(KEPT_STATEMENTS);
    Ok(connection)
}

/// Opens the file and changes nothing in it.
///
/// # Errors
/// What SQLite says.
pub(super) fn open_plainly(
    settings: &SqliteSettings,
    missing: Missing,
) -> Result<Connection, Stop> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if missing == Missing::Create {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let connection = Connection::open_with_flags(&settings.path, flags)
        .map_err(|error| not_there(&settings.path, missing).map_or(error.into(), Stop::Refused))?;
    connection.busy_timeout(settings.busy_timeout)?;
    // A quoted name that is unknown is an error, never a text.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    Ok(connection)
}

/// What is to be said where SQLite could not open a file for it is none, or it or its folder is
/// not there. Everything else that is in the way may end by itself.
fn not_there(path: &Path, missing: Missing) -> Option<Trouble> {
    let trouble = |hint: &str| Trouble {
        what: format!("opening {}", path.display()),
        code: "SQLITE_CANTOPEN (14)".into(),
        hint: hint.to_owned(),
    };
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
        return Some(trouble("The path is a folder; name a file."));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let (needed, hint) = match missing {
        Missing::Refuse => (path, "The file was there at the activation: bring it back."),
        Missing::Create => (folder, "Make the folder of the file, or name another path."),
    };
    let looked = std::fs::metadata(needed);
    let gone = looked
        .is_err_and(|error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory));
    gone.then(|| trouble(hint))
}

/// Which file a path means now. An open file that was moved or deleted is another one.
pub(super) fn identity(path: &Path) -> Option<(u64, u64)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.dev(), metadata.ino()))
    }
    #[cfg(not(unix))]
    {
        // Elsewhere an open file can be neither moved nor deleted.
        path.exists().then_some((0, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durability_is_what_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        for (durability, expected) in [(Durability::Normal, 1), (Durability::Full, 2)] {
            let settings = SqliteSettings {
                durability,
                ..SqliteSettings::new(folder.path().join("destination.db"))
            };
            let connection = open(&settings, Missing::Create).unwrap();
            let pragma = |name| connection.pragma_query_value(None, name, |row| row.get(0));
            assert_eq!(pragma("synchronous"), Ok(expected));
            assert_eq!(pragma("wal_autocheckpoint"), Ok(CHECKPOINT_PAGES));
        }
    }

    #[test]
    fn memory_has_no_write_ahead_log() {
        let settings = SqliteSettings::new(":memory:");
        let stop = open(&settings, Missing::Create).map(|_| ()).unwrap_err();
        assert!(matches!(stop, Stop::Refused(trouble) if trouble.code == "journal_mode"));
    }
}
