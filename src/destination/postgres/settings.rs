//! What an installation may set about a PostgreSQL destination. Never prints its URL.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Where the URL comes from. Asked for each new connection, so that a rotated password needs no
/// restart; the error says where the secret should be, never what it is.
pub type UrlSource = Arc<dyn Fn() -> Result<String, String> + Send + Sync>;

/// How to reach a PostgreSQL destination, and how long to wait for it.
#[derive(Clone)]
pub struct PostgresSettings {
    /// `postgres://user:password@host:5432/database`, with the usual parameters after a `?`:
    /// `sslmode` (`disable`, `prefer`, `require`, `verify-ca`, `verify-full`), `sslrootcert`, and
    /// those that tokio-postgres knows. Without `sslmode` it is `verify-full`, and for a host on
    /// this machine (loopback, Unix socket), where nothing leaves it, `disable`.
    pub url: UrlSource,
    /// PEM file of the authorities to trust, instead of those of the system. `sslrootcert` in the
    /// URL goes before it.
    pub certificate_authorities: Option<PathBuf>,
    /// Most connections at a time.
    pub connections: usize,
    /// Longest time to connect and to sign in.
    pub connect_timeout: Duration,
    /// Longest time that the server may work on one statement.
    pub statement_timeout: Duration,
    /// Longest time that an answer may take, waiting for a free connection included. A server that
    /// is reachable and hangs is given up then.
    pub answer_timeout: Duration,
    /// Longest time that a change of a table waits for those who use the table.
    pub lock_timeout: Duration,
}

impl PostgresSettings {
    /// The defaults, with this source of the URL.
    pub fn new(url: UrlSource) -> Self {
        Self {
            url,
            certificate_authorities: None,
            connections: 4,
            connect_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(60),
            answer_timeout: Duration::from_secs(120),
            lock_timeout: Duration::from_secs(5),
        }
    }
}

impl fmt::Debug for PostgresSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresSettings")
            .field("url", &"***")
            .field("certificate_authorities", &self.certificate_authorities)
            .field("connections", &self.connections)
            .field("connect_timeout", &self.connect_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .field("answer_timeout", &self.answer_timeout)
            .field("lock_timeout", &self.lock_timeout)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_never_print_their_url() {
        let url: UrlSource = Arc::new(|| Ok("postgres://u:hunter2@host/db".to_owned()));
        let printed = format!("{:?}", PostgresSettings::new(url));
        assert!(printed.contains("***") && !printed.contains("hunter2"), "{printed}");
    }
}
