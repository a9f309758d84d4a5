//! `[destination.<name>]`: the databases that are kept in step.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

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
    /// SQL Server or Azure SQL Database.
    SqlServer {
        /// Where the ADO.NET connection string is.
        connection_string: SecretReference,
        /// Where access tokens of Microsoft Entra are, which something else keeps fresh.
        access_token: Option<SecretReference>,
        /// Certificates of the authorities to trust besides those of the system.
        certificate_authorities: Option<PathBuf>,
        /// Whether the server's certificate is taken as it is.
        trust_server_certificate: bool,
        /// Longest time that one command may take.
        command_timeout: Duration,
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
        matches!(self, Self::SqlServer { .. })
    }

    /// The schema of a profile that names none; SQLite has no schemas.
    pub fn default_schema(&self) -> &'static str {
        match self {
            Self::Postgres { .. } => "public",
            Self::SqlServer { .. } => "dbo",
            Self::Sqlite { .. } => "main",
        }
    }

    /// How many changes a transaction may have, and how many it has if nothing is said. SQL Server
    /// locks a whole table once a statement holds 5,000 locks in it: a row and its page are two.
    /// Source: SQL Server documentation, "Lock escalation".
    pub fn batch_changes(&self) -> (RangeInclusive<u64>, u64) {
        match self {
            Self::SqlServer { .. } => (1..=2_000, 2_000),
            Self::Postgres { .. } | Self::Sqlite { .. } => BATCH_CHANGES,
        }
    }
}

/// What holds for databases that do not lock whole tables for many rows.
pub(super) const BATCH_CHANGES: (RangeInclusive<u64>, u64) = (1..=100_000, 5_000);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Postgres,
    SqlServer,
    Sqlite,
}

/// What only SQL Server has.
struct SqlServerKeys {
    connection_string: Option<SecretReference>,
    access_token: Option<SecretReference>,
    trust_server_certificate: bool,
    command_timeout: Duration,
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
    let kinds =
        [("postgres", Kind::Postgres), ("sqlserver", Kind::SqlServer), ("sqlite", Kind::Sqlite)];
    let kind = table.choice("kind", &kinds, None, "Which database it is.");
    let url = table.secret(
        "url",
        "For PostgreSQL: where its URL is (`postgres://user:password@host:5432/database`). It is \
         read anew for each connection.",
    );
    let sql_server = read_sqlserver(&mut table);
    let ca = table.path(Field::optional(
        "ca",
        "a path",
        "For PostgreSQL: PEM file with the authorities to trust, instead of those of the system. \
         For SQL Server: besides those of the system.",
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
        Kind::SqlServer => DatabaseSettings::SqlServer {
            connection_string: sql_server.connection_string?,
            access_token: sql_server.access_token,
            certificate_authorities: ca,
            trust_server_certificate: sql_server.trust_server_certificate,
            command_timeout: sql_server.command_timeout,
        },
        Kind::Sqlite => DatabaseSettings::Sqlite { path: path?, durability: durability? },
    };
    Some(DestinationSettings { database, connections: usize::try_from(connections).ok()? })
}

fn read_sqlserver(table: &mut TableReader<'_, '_>) -> SqlServerKeys {
    let connection_string = table.secret(
        "connection_string",
        "For SQL Server and Azure SQL Database: where its ADO.NET connection string is \
         (`Server=tcp:host,1433;Database=crm;User ID=keepstep;Password=...;Encrypt=True`), as Data \
         Export Service took it. It is read anew for each connection.",
    );
    let access_token = table.secret(
        "access_token",
        "For SQL Server: where an access token of Microsoft Entra for \
         `https://database.windows.net/` is, instead of user and password. Something else must \
         keep it fresh: tokens live about an hour, and one is read anew for each connection.",
    );
    let trust_server_certificate = table.flag(
        "trust_server_certificate",
        false,
        "For SQL Server: whether any certificate of the server will do. Whoever sits on the line \
         can then read and change everything; name its authority with `ca` instead.",
    );
    let command_timeout_s = table.whole(
        "command_timeout_s",
        1..=3_600,
        60,
        "For SQL Server: the seconds that one command may take. What takes longer is given up \
         together with its connection, and tried again.",
    );
    let command_timeout = Duration::from_secs(command_timeout_s);
    SqlServerKeys { connection_string, access_token, trust_server_certificate, command_timeout }
}

/// Keys of one kind that are of no use with another.
const OF_POSTGRES: &[&str] = &["url"];
const OF_SQL_SERVER: &[&str] =
    &["connection_string", "access_token", "trust_server_certificate", "command_timeout_s"];
const OF_SERVERS: &[&str] = &["ca"];
const OF_SQLITE: &[&str] = &["path", "durability"];

fn check_kind(table: &mut TableReader<'_, '_>, kind: Option<Kind>) {
    let Some(kind) = kind else {
        return;
    };
    let (word, needed, hint, foreign) = match kind {
        Kind::Postgres => (
            "postgres",
            "url",
            "write \"env:NAME\" or \"file:PATH\", where the URL is",
            [OF_SQL_SERVER, OF_SQLITE],
        ),
        Kind::SqlServer => (
            "sqlserver",
            "connection_string",
            "write \"env:NAME\" or \"file:PATH\", where the connection string is",
            [OF_POSTGRES, OF_SQLITE],
        ),
        Kind::Sqlite => {
            ("sqlite", "path", "write the path of the database file", [OF_POSTGRES, OF_SQL_SERVER])
        }
    };
    if !table.is_set(needed) {
        table.mistake(needed, Complaint::new("is missing", hint));
    }
    let of_servers = if kind == Kind::Sqlite { OF_SERVERS } else { &[] };
    for key in foreign.into_iter().flatten().chain(of_servers) {
        if table.is_set(key) {
            let what = format!("is of no use with kind = {word:?}");
            table.mistake(key, Complaint::new(what, "remove it"));
        }
    }
}
