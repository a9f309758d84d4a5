//! What went wrong, in terms that hold nothing of a record.
//!
//! The driver's errors carry the server's messages, which quote values. Here they are reduced to
//! numbers and names, and thrown away.

use tiberius::error::IoErrorKind;

use super::numbers;

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The server answered an error.
    Server(ServerError),
    /// The connection broke, or could not be made.
    Connection,
    /// No answer, or no free connection, in time.
    TimedOut,
    /// TLS cannot be agreed upon, or the server's certificate is not trusted.
    Tls,
    /// The file of the authorities to trust cannot be used.
    BadAuthorities,
    /// The connection string cannot be had; the text says where it should be.
    NoConnectionString(String),
    /// The connection string cannot be used; the text says why.
    BadConnectionString(String),
    /// There is no access token; the text says why.
    NoToken(String),
    /// The server sends its clients on and on.
    Redirected,
    /// The driver cannot send a row of a bulk load as it is.
    Bulk,
    /// The server said something that the protocol does not allow.
    Protocol,
}

/// An error that the server answered.
/// Source: MS-TDS, "ERROR" token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerError {
    /// Its number.
    pub number: u32,
    /// Its class (severity); from 20 on the server ends the connection.
    pub class: u8,
    /// Its state: where in the server it was raised.
    pub state: u8,
    /// The line of the batch or procedure that it happened at, from 1.
    pub line: u32,
}

/// Errors of this class and above end the connection.
/// Source: SQL Server documentation, "Database Engine Error Severities".
const ENDS_CONNECTION: u8 = 20;

impl ServerError {
    /// Whether the server ended the connection with it, or what is at its other end is no more
    /// what we need: a replica that was the primary, a database that moves.
    pub(super) fn ends_connection(&self) -> bool {
        self.class >= ENDS_CONNECTION || numbers::needs_another_connection(self.number)
    }
}

impl From<tiberius::error::Error> for Failure {
    fn from(error: tiberius::error::Error) -> Self {
        use tiberius::error::Error;
        match error {
            Error::Server(token) => Self::Server(ServerError {
                number: token.code(),
                class: token.class(),
                state: token.state(),
                line: token.line(),
            }),
            Error::Io { kind: IoErrorKind::TimedOut, .. } => Self::TimedOut,
            Error::Io { .. } => Self::Connection,
            Error::Tls(_) => Self::Tls,
            Error::Routing { .. } => Self::Redirected,
            Error::BulkInput(_) | Error::Encoding(_) => Self::Bulk,
            _ => Self::Protocol,
        }
    }
}

/// What the driver says, as a protocol error, when the server declines to encrypt.
const DECLINES_ENCRYPTION: &str = "Server does not allow the requested encryption level.";

impl Failure {
    /// A failure of connecting and signing in.
    pub(super) fn of_handshake(error: tiberius::error::Error) -> Self {
        match &error {
            tiberius::error::Error::Protocol(text) if text == DECLINES_ENCRYPTION => Self::Tls,
            _ => error.into(),
        }
    }

    /// Whether the session is as it was: the server answered an error and went on listening.
    pub(super) fn leaves_session(&self) -> bool {
        matches!(self, Self::Server(error) if !error.ends_connection())
    }
}
