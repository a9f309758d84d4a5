//! What an installation may set about a SQL Server destination. Never prints its secrets.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::credential::Credential;

/// Where the connection string comes from. Asked for each new connection, so that a rotated
/// password needs no restart; the error says where the secret should be, never what it is.
pub type ConnectionStringSource = Arc<dyn Fn() -> Result<String, String> + Send + Sync>;

/// How to reach a SQL Server destination, and how long to wait for it.
#[derive(Clone)]
pub struct SqlServerSettings {
    /// An ADO.NET connection string, as Data Export Service took it.
    pub connection_string: ConnectionStringSource,
    /// Gives access tokens of Microsoft Entra, instead of user and password.
    pub credential: Option<Arc<dyn Credential>>,
    /// PEM file of the authorities to trust, instead of those of the system.
    pub certificate_authorities: Option<PathBuf>,
    /// Whether the server's certificate is taken as it is, whatever it says.
    pub trust_server_certificate: bool,
    /// Most connections at a time.
    pub connections: usize,
    /// Longest time to connect and to sign in, redirections included.
    pub connect_timeout: Duration,
    /// Longest time that one command may take, its answer included.
    pub command_timeout: Duration,
    /// Longest time that a lane waits for a free connection.
    pub answer_timeout: Duration,
    /// Longest time that a statement waits for a lock.
    pub lock_timeout: Duration,
}

impl SqlServerSettings {
    /// The defaults, with this source of the connection string.
    pub fn new(connection_string: ConnectionStringSource) -> Self {
        Self {
            connection_string,
            credential: None,
            certificate_authorities: None,
            trust_server_certificate: false,
            connections: 4,
            connect_timeout: Duration::from_secs(30),
            command_timeout: Duration::from_secs(60),
            answer_timeout: Duration::from_secs(120),
            lock_timeout: Duration::from_secs(10),
        }
    }
}

impl fmt::Debug for SqlServerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlServerSettings")
            .field("connection_string", &"***")
            .field("credential", &self.credential.as_ref().map(|_| "***"))
            .field("certificate_authorities", &self.certificate_authorities)
            .field("trust_server_certificate", &self.trust_server_certificate)
            .field("connections", &self.connections)
            .field("connect_timeout", &self.connect_timeout)
            .field("command_timeout", &self.command_timeout)
            .field("answer_timeout", &self.answer_timeout)
            .field("lock_timeout", &self.lock_timeout)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_never_print_their_secrets() {
        let source: ConnectionStringSource = Arc::new(|| Ok("Password=hunter2".to_owned()));
        let printed = format!("{:?}", SqlServerSettings::new(source));
        assert!(printed.contains("***") && !printed.contains("hunter2"), "{printed}");
    }
}
