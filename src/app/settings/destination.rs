//! `[destination.<name>]`: the databases that are kept in step.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::reader::TableReader;
use super::reading::{Complaint, Field, Found, Reading};
use super::secret::SecretReference;
use crate::destination::sqlite::Durability;

const HEADING: (&str, &str) = (
    "[destination.<name>]",
    "A database that is kept in step. The name is yours; profiles refer to it.",
);

/// One database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationSettings {
    /// Which database, and how to reach it.
    pub database: DatabaseSettings,
    /// Most connections at a time.
    pub connections: usize,
}

/// Which database, and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseSettings {
    /// PostgreSQL.
    Postgres {
        /// Where the URL is (`postgres://user:password@host/database`).
        url: SecretReference,
        /// Certificates of the authorities to trust; by default those of the system.
        certificate_authorities: Option<PathBuf>,
    },
    /// A SQLite file.
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Whether a commit survives a power cut.
        durability: Durability,
    },
}

impl DatabaseSettings {
    /// Whether a profile that says nothing has metadata tables here: reports of the old service's
    /// users read them in SQL Server.
    pub fn has_metadata(&self) -> bool {
        false
    }

    /// The schema of a profile that names none; SQLite has no schemas.
    pub fn default_schema(&self) -> &'static str {
        match self {
            Self::Postgres { .. } => "public",
            Self::Sqlite { .. } => "main",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Postgres,
    Sqlite,
}

/// Reads every `[destination.<name>]`.
pub(super) fn read_all(
    reading: &mut Reading,
    found: Option<Found<'_>>,
) -> BTreeMap<String, Option<DestinationSettings>> {
    let mut names = TableReader::new(reading, ("[destination]", ""), "destination", found);
    let tables = names.named_tables();
    tables
        .into_iter()
        .map(|(name, found)| {
            let place = format!("destination.{name}");
            let settings = read(reading, &place, Some(found));
            (name, settings)
        })
        .collect()
}

/// Reads one `[destination.<name>]`.
pub(super) fn read(
    reading: &mut Reading,
    place: &str,
    found: Option<Found<'_>>,
) -> Option<DestinationSettings> {
    let mut table = TableReader::new(reading, HEADING, place, found);
    let kinds = [("postgres", Kind::Postgres), ("sqlite", Kind::Sqlite)];
    let kind = table.choice("kind", &kinds, None, "Which database it is.");
    let url = table.secret(
        "url",
        "For PostgreSQL: where its URL is (`postgres://user:password@host:5432/database`). It is \
         read anew for each connection.",
    );
    let ca = table.path(Field::optional(
        "ca",
        "a path",
        "For PostgreSQL: PEM file with the authorities to trust, instead of those of the system.",
    ));
    let path = table.path(Field::optional(
        "path",
        "a path",
        "For SQLite: the file. Relative paths begin at the settings file.",
    ));
    let durability = table.choice(
        "durability",
        &[("normal", Durability::Normal), ("full", Durability::Full)],
        Some("normal"),
        "For SQLite: with `normal` a power cut may take back the last commits, whole ones only, \
         which are then written again from the log; `full` syncs the disk at every commit.",
    );
    let connections = table.whole(
        "connections",
        1..=64,
        4,
        "Most connections to the database at a time. SQLite has one writer whatever is set.",
    );
    check_kind(&mut table, kind);
    table.finish();
    let database = match kind? {
        Kind::Postgres => DatabaseSettings::Postgres { url: url?, certificate_authorities: ca },
        Kind::Sqlite => DatabaseSettings::Sqlite { path: path?, durability: durability? },
    };
    Some(DestinationSettings { database, connections: usize::try_from(connections).ok()? })
}

fn check_kind(table: &mut TableReader<'_, '_>, kind: Option<Kind>) {
    let Some(kind) = kind else {
        return;
    };
    let (word, needed, foreign): (_, _, &[&str]) = match kind {
        Kind::Postgres => ("postgres", "url", &["path", "durability"]),
        Kind::Sqlite => ("sqlite", "path", &["url", "ca"]),
    };
    if !table.is_set(needed) {
        let hint = match kind {
            Kind::Postgres => "write \"env:NAME\" or \"file:PATH\", where the URL is",
            Kind::Sqlite => "write the path of the database file",
        };
        table.mistake(needed, Complaint::new("is missing", hint));
    }
    for key in foreign {
        if table.is_set(key) {
            let what = format!("is of no use with kind = {word:?}");
            table.mistake(key, Complaint::new(what, "remove it"));
        }
    }
}
