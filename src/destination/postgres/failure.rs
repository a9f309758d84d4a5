//! What went wrong, in terms that hold nothing of a record.
//!
//! The driver's errors carry the server's messages, which quote values. Here they are reduced to
//! codes, names and numbers, and thrown away.

use std::error::Error as _;

use compact_str::CompactString;
use tokio_postgres::Error;
use tokio_postgres::error::Severity;

use crate::destination::own_tables::TableKey;

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The server answered an error.
    Server(ServerError),
    /// The connection broke, or could not be made.
    Connection,
    /// No answer, or no free connection, in time.
    TimedOut,
    /// The server's certificate is not trusted, or does not name the host.
    Untrusted,
    /// The server offers no TLS, or another one than we can speak.
    NoTls,
    /// The file of the authorities to trust cannot be used.
    BadAuthorities,
    /// The server asks for a password, or for a way to sign in that the URL gives no means for.
    SignIn,
    /// The URL cannot be had; the text says where it should be.
    NoUrl(String),
    /// The URL cannot be used; the text says why.
    BadUrl(String),
    /// The server said something that the protocol does not allow.
    Protocol,
}

/// An error that the server answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerError {
    /// Its SQLSTATE.
    pub state: CompactString,
    /// Whether the server ended the connection with it.
    pub ends_connection: bool,
    /// The table it names.
    pub table: Option<Box<TableKey>>,
    /// The column it names.
    pub column: Option<CompactString>,
    /// Number of the row of a COPY, from 1, that it happened at.
    pub copy_row: Option<u64>,
    /// Whether a statement RAISE in a function of the database's made it, a trigger's for one.
    pub raised: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if let Some(database) = error.as_db_error() {
            let severe =
                matches!(database.parsed_severity(), Some(Severity::Fatal | Severity::Panic));
            return Self::Server(ServerError {
                state: CompactString::new(database.code().code()),
                ends_connection: severe,
                table: database.schema().zip(database.table()).map(|(schema, name)| {
                    Box::new(TableKey { schema: schema.to_owned(), name: name.to_owned() })
                }),
                column: database.column().map(CompactString::new),
                copy_row: database.where_().and_then(copy_row),
                // The name of the server's own routine; no text of anybody's.
                raised: database.routine() == Some("exec_stmt_raise"),
            });
        }
        if error.is_closed() {
            return Self::Connection;
        }
        of_driver(&error)
    }
}

/// What the driver itself found; it has no public word for it but the cause and a fixed text.
fn of_driver(error: &Error) -> Failure {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(tls) = inner.downcast_ref::<openssl::ssl::Error>() {
            let untrusted = tls.ssl_error().is_some_and(|stack| {
                stack.errors().iter().any(|one| one.reason() == Some("certificate verify failed"))
            });
            return match (untrusted, tls.io_error().is_some()) {
                (true, _) => Failure::Untrusted,
                (false, true) => Failure::Connection,
                (false, false) => Failure::NoTls,
            };
        }
        if inner.is::<std::io::Error>() {
            return Failure::Connection;
        }
        cause = inner.source();
    }
    match error.to_string() {
        text if text.starts_with("error performing TLS handshake") => Failure::NoTls,
        text if text.starts_with("authentication error") => Failure::SignIn,
        text if text.starts_with("invalid configuration") => Failure::SignIn,
        text if text.starts_with("timeout") => Failure::TimedOut,
        _ => Failure::Protocol,
    }
}

/// The number in `COPY table, line 17, column c1: …`, whatever the language around it.
fn copy_row(context: &str) -> Option<u64> {
    let rest = context.lines().find_map(|line| line.strip_prefix("COPY "))?;
    let (_, rest) = rest.split_once(", ")?;
    let digits: String = rest
        .chars()
        .skip_while(|letter| !letter.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_row_of_a_copy_is_read_in_any_language() {
        assert_eq!(copy_row("COPY keepstep_stage_1, line 17, column c1"), Some(17));
        assert_eq!(copy_row("COPY keepstep_stage_1, Zeile 4, Spalte c1: »9«"), Some(4));
        assert_eq!(copy_row("SQL function \"x\" statement 1\nCOPY s, line 2"), Some(2));
        assert_eq!(copy_row("PL/pgSQL function x() line 3 at RAISE"), None);
    }
}
