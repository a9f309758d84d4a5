//! Rights in the database: how they are asked for, and how they are given.
//!
//! Pure.

use std::fmt;

use super::quote;
use crate::destination::own_tables::TableKey;

/// What the statements of a batch do with a table.
pub(super) const OF_ROWS: &[&str] = &["SELECT", "INSERT", "UPDATE", "DELETE"];

/// What a right is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Securable<'a> {
    /// The database of the connection.
    Database,
    /// A schema in it.
    Schema(&'a str),
    /// A table in it.
    Table(&'a TableKey),
}

impl fmt::Display for Securable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database => f.write_str("the database"),
            Self::Schema(schema) => write!(f, "schema {}", quote::name(schema)),
            Self::Table(key) => write!(f, "table {}", quote::key(key)),
        }
    }
}

/// Whether the user has the right: 1, or 0, also where the thing is not there or not to be seen.
pub(super) fn ask(on: &Securable<'_>, right: &str) -> String {
    let (name, class) = match on {
        Securable::Database => ("QUOTENAME(DB_NAME())".to_owned(), "DATABASE"),
        Securable::Schema(schema) => (quote::text(&quote::name(schema)), "SCHEMA"),
        Securable::Table(key) => (quote::text(&quote::key(key)), "OBJECT"),
    };
    format!(
        "SELECT ISNULL(HAS_PERMS_BY_NAME({name}, {}, {}), 0) AS granted",
        quote::text(class),
        quote::text(right)
    )
}

/// The statement that gives it to a user, whose name is quoted.
pub(super) fn grant(on: &Securable<'_>, right: &str, user: &str) -> String {
    match on {
        Securable::Database => format!("GRANT {right} TO {user}"),
        Securable::Schema(schema) => {
            format!("GRANT {right} ON SCHEMA::{} TO {user}", quote::name(schema))
        }
        Securable::Table(key) => format!("GRANT {right} ON {} TO {user}", quote::key(key)),
    }
}
