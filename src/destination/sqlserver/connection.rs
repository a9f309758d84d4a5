//! Connections: how they are made, lent, and thrown away.
//!
//! Promises: at most the set number at a time; a connection whose call did not end well, or was
//! dropped, is never lent again; every wait for the server has a limit; the line is encrypted and
//! the certificate verified unless the settings say otherwise. Redirections (Azure's gateways) are
//! followed.

use std::time::Duration;

use deadpool::managed::{self, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult};
use tiberius::{AuthMethod, Client, Config, EncryptionLevel, Row};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt as _};

use super::connection_string::{self, Encryption, Target};
use super::failure::Failure;
use super::settings::SqlServerSettings;
use super::staging::Stages;

/// Most redirections of one connection.
const MOST_REDIRECTIONS: usize = 3;
/// Most addresses of one host that are called at once.
const MOST_ADDRESSES: usize = 16;
/// A connection that was idle for so long is not used again: gateways drop idle ones silently.
/// Source: Azure SQL documentation, "Connectivity architecture" (30 minutes).
const LONGEST_IDLE: Duration = Duration::from_secs(240);
/// Largest file of authorities, in bytes.
const LARGEST_BUNDLE: u64 = 4 * 1_048_576;

/// The driver's connection.
pub(super) type Driver = Client<Compat<TcpStream>>;

/// What the server at the other end is and can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capabilities {
    /// Its major version; SQL Server 2017 is 14.
    pub major_version: u32,
    /// Whether it is Azure SQL Database.
    pub azure: bool,
    /// Whether it is Babelfish for PostgreSQL, which speaks the language and is another engine.
    pub babelfish: bool,
    /// Whether readers do not wait for writers (READ_COMMITTED_SNAPSHOT).
    pub snapshot_reads: bool,
}

/// A connection and what was made on it.
pub(super) struct Connection {
    /// The driver's handle.
    pub driver: Driver,
    /// What is at the other end.
    pub capabilities: Capabilities,
    /// Its staging tables.
    pub stages: Stages,
    command_timeout: Duration,
    given_back: Instant,
}

impl Connection {
    /// Sends a batch of statements without parameters, and reads every result set.
    pub(super) async fn batch(&mut self, text: &str) -> Result<Vec<Vec<Row>>, Failure> {
        let asking = async { self.driver.simple_query(text).await?.into_results().await };
        in_time(self.command_timeout, asking).await
    }

    /// Sends a text with parameters (`@P1` …); all result sets.
    pub(super) async fn with_parameters(
        &mut self,
        text: &str,
        parameters: &[&dyn tiberius::ToSql],
    ) -> Result<Vec<Vec<Row>>, Failure> {
        if parameters.is_empty() {
            return self.batch(text).await;
        }
        let asking = async { self.driver.query(text, parameters).await?.into_results().await };
        in_time(self.command_timeout, asking).await
    }

    /// Sends one statement with parameters, and reads its rows.
    pub(super) async fn query(
        &mut self,
        text: &str,
        parameters: &[&dyn tiberius::ToSql],
    ) -> Result<Vec<Row>, Failure> {
        let answer = self.with_parameters(text, parameters).await?;
        Ok(answer.into_iter().next().unwrap_or_default())
    }

    /// Longest time that one command may take.
    pub(super) fn command_timeout(&self) -> Duration {
        self.command_timeout
    }
}

async fn in_time<T>(
    limit: Duration,
    asking: impl Future<Output = tiberius::Result<T>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit, asking).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Failure::TimedOut),
    }
}

/// Whom to believe that it is the server.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Trust {
    /// Certificates of the system's authorities.
    System,
    /// Those, and of the authorities of this file.
    Also(Vec<u8>),
    /// Any, for the line does not leave this machine.
    ThisMachine,
    /// Any, for the settings say so.
    Anybody,
}

/// Makes connections for the pool.
pub(super) struct Manager {
    settings: SqlServerSettings,
}

impl Manager {
    async fn connect(&self) -> Result<Connection, Failure> {
        let text = (self.settings.connection_string)().map_err(Failure::NoConnectionString)?;
        let target = connection_string::read(&text)
            .map_err(|error| Failure::BadConnectionString(error.to_string()))?;
        let trust = self.trust(&target).await?;
        let sign_in = self.sign_in(&target).await?;
        let (mut host, mut port) = (target.host.clone(), target.port);
        for _ in 0..=MOST_REDIRECTIONS {
            let config = self.config(&target, &trust, sign_in.clone(), (&host, port));
            let stream = reach(&host, port, target.all_addresses).await;
            let stream = stream.map_err(|_| Failure::Connection)?;
            stream.set_nodelay(true).map_err(|_| Failure::Connection)?;
            match Client::connect(config, stream.compat_write()).await {
                Ok(driver) => return self.begin(driver).await,
                Err(tiberius::error::Error::Routing { host: next, port: next_port }) => {
                    // What may be unprotected on this machine may not leave it.
                    if trust == Trust::ThisMachine && !is_loopback(&next) {
                        return Err(Failure::Redirected);
                    }
                    (host, port) = (next, next_port);
                }
                Err(error) => return Err(Failure::of_handshake(error)),
            }
        }
        Err(Failure::Redirected)
    }

    /// Whom to believe that it is the server.
    async fn trust(&self, target: &Target) -> Result<Trust, Failure> {
        let wrong = |text: &str| Err(Failure::BadConnectionString(text.to_owned()));
        let here = is_loopback(&target.host);
        match &self.settings.certificate_authorities {
            _ if target.encryption == Encryption::Off && !here => {
                wrong("Encrypt=False is for servers on this machine alone: write Encrypt=True")
            }
            _ if target.encryption == Encryption::Off => Ok(Trust::ThisMachine),
            _ if self.settings.trust_server_certificate => Ok(Trust::Anybody),
            Some(path) => Ok(Trust::Also(bundle(path).await?)),
            None if target.trust_server_certificate && here => Ok(Trust::ThisMachine),
            None if target.trust_server_certificate => wrong(
                "TrustServerCertificate=True takes any server for yours: name its authority with \
                 ca, or write trust_server_certificate = true into the destination's settings",
            ),
            None => Ok(Trust::System),
        }
    }

    fn config(
        &self,
        target: &Target,
        trust: &Trust,
        sign_in: AuthMethod,
        (host, port): (&str, u16),
    ) -> Config {
        let mut config = Config::new();
        config.host(host);
        config.port(port);
        config.database(&target.database);
        config.application_name("keepstep");
        config.encryption(match target.encryption {
            Encryption::Required => EncryptionLevel::Required,
            Encryption::Strict => EncryptionLevel::Strict,
            // The driver's `Off` still encrypts the sign-in, with a certificate to be verified.
            Encryption::Off => EncryptionLevel::NotSupported,
        });
        match trust {
            Trust::System => {}
            Trust::Also(bundle) => config.trust_cert_ca_bundle(bundle.clone()),
            Trust::ThisMachine | Trust::Anybody => config.trust_cert(),
        }
        if let Some(name) = &target.host_in_certificate {
            config.hostname_in_certificate(name);
        }
        config.handshake_timeout(Some(self.settings.connect_timeout));
        config.command_timeout(Some(self.settings.command_timeout));
        config.authentication(sign_in);
        config
    }

    async fn sign_in(&self, target: &Target) -> Result<AuthMethod, Failure> {
        match (&self.settings.credential, &target.login) {
            (Some(_), Some(_)) => Err(Failure::BadConnectionString(
                "It has a password, and the settings have access_token: remove one.".to_owned(),
            )),
            (Some(credential), None) => {
                let token = credential.access_token().await.map_err(Failure::NoToken)?;
                Ok(AuthMethod::aad_token(token))
            }
            (None, Some((user, password))) => Ok(AuthMethod::sql_server(user, password)),
            (None, None) if target.wants_token => Err(Failure::NoToken(
                "name where access tokens are with access_token in the destination's settings"
                    .to_owned(),
            )),
            (None, None) => {
                Err(Failure::BadConnectionString("User ID and Password are missing".to_owned()))
            }
        }
    }

    async fn begin(&self, driver: Driver) -> Result<Connection, Failure> {
        let unknown = Capabilities {
            major_version: 0,
            azure: false,
            babelfish: false,
            snapshot_reads: false,
        };
        let mut connection = Connection {
            driver,
            capabilities: unknown,
            stages: Stages::default(),
            command_timeout: self.settings.command_timeout,
            given_back: Instant::now(),
        };
        let lock_timeout_ms = self.settings.lock_timeout.as_millis();
        connection.batch(&format!("{SESSION} SET LOCK_TIMEOUT {lock_timeout_ms};")).await?;
        let answer = connection.batch(PROBE).await?;
        let row = answer.first().and_then(|rows| rows.first()).ok_or(Failure::Protocol)?;
        connection.capabilities = probed(row)?;
        Ok(connection)
    }
}

/// What every session sets: any error ends its transaction whole, and the settings without which
/// SQL Server refuses to write where there are computed columns or filtered indexes.
/// Source: SQL Server documentation, "SET options that affect results".
const SESSION: &str = "SET XACT_ABORT ON; SET NOCOUNT ON; SET ANSI_NULLS ON; SET ANSI_PADDING ON; SET ANSI_WARNINGS ON; SET ARITHABORT ON; SET CONCAT_NULL_YIELDS_NULL ON; SET QUOTED_IDENTIFIER ON; SET NUMERIC_ROUNDABORT OFF; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;";

/// Asks what the server is.
const PROBE: &str = "SELECT CAST(SERVERPROPERTY('ProductMajorVersion') AS int), CAST(SERVERPROPERTY('EngineEdition') AS int), CAST(CASE WHEN @@VERSION LIKE '%Babelfish%' THEN 1 ELSE 0 END AS int), CAST(COALESCE((SELECT is_read_committed_snapshot_on FROM sys.databases WHERE name = DB_NAME()), 0) AS int)";

/// Azure SQL Database, as `EngineEdition` says it.
const AZURE_EDITION: i32 = 5;

fn probed(row: &Row) -> Result<Capabilities, Failure> {
    let number = |at: usize| row.try_get::<i32, _>(at).map_err(Failure::from);
    Ok(Capabilities {
        major_version: number(0)?.and_then(|it| u32::try_from(it).ok()).unwrap_or(0),
        azure: number(1)? == Some(AZURE_EDITION),
        babelfish: number(2)? == Some(1),
        snapshot_reads: number(3)? == Some(1),
    })
}

/// Whether nothing leaves this machine on the way to the host.
fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Connects to the host: to one of its addresses after the other, or to all at once.
async fn reach(host: &str, port: u16, all_addresses: bool) -> std::io::Result<TcpStream> {
    if !all_addresses {
        return TcpStream::connect((host, port)).await;
    }
    let addresses = tokio::net::lookup_host((host, port)).await?.take(MOST_ADDRESSES);
    let calls: Vec<_> = addresses.map(|address| Box::pin(TcpStream::connect(address))).collect();
    if calls.is_empty() {
        return Err(std::io::ErrorKind::NotFound.into());
    }
    futures_util::future::select_ok(calls).await.map(|(stream, _)| stream)
}

/// Reads the certificates of the authorities to trust.
async fn bundle(path: &std::path::Path) -> Result<Vec<u8>, Failure> {
    let length = tokio::fs::metadata(path).await.map_err(|_| Failure::BadAuthorities)?.len();
    if length > LARGEST_BUNDLE {
        return Err(Failure::BadAuthorities);
    }
    let bundle = tokio::fs::read(path).await.map_err(|_| Failure::BadAuthorities)?;
    // Looked at here: of the driver's mistakes this one is not told from an outage.
    match openssl::x509::X509::stack_from_pem(&bundle) {
        Ok(certificates) if !certificates.is_empty() => Ok(bundle),
        _ => Err(Failure::BadAuthorities),
    }
}

impl managed::Manager for Manager {
    /// A place in the pool: empty while its connection is lent, and after it was thrown away.
    type Type = Option<Connection>;
    type Error = Failure;

    async fn create(&self) -> Result<Option<Connection>, Failure> {
        let connecting = tokio::time::timeout(self.settings.connect_timeout, self.connect());
        connecting.await.unwrap_or(Err(Failure::TimedOut)).map(Some)
    }

    async fn recycle(&self, place: &mut Option<Connection>, _: &Metrics) -> RecycleResult<Failure> {
        match place {
            Some(connection) if connection.given_back.elapsed() < LONGEST_IDLE => Ok(()),
            _ => Err(RecycleError::Backend(Failure::Connection)),
        }
    }
}

/// The connections of a destination.
pub(super) struct Connections {
    pool: Pool<Manager>,
    wait: Duration,
}

impl Connections {
    /// None is made yet.
    ///
    /// # Errors
    /// Never in practice: the pool refuses limits of time that it has no clock for, and gets none.
    pub(super) fn new(settings: SqlServerSettings) -> Result<Self, managed::BuildError> {
        let (most, wait) = (settings.connections.max(1), settings.answer_timeout);
        // The connection used last is lent first: its staging tables are the likeliest to fit.
        let pool = Pool::builder(Manager { settings })
            .max_size(most)
            .queue_mode(managed::QueueMode::Lifo)
            .build()?;
        Ok(Self { pool, wait })
    }

    /// Lends a connection, waiting for a free one. Making one is a large future: boxed, so that
    /// whoever asks is not.
    pub(super) async fn lend(&self) -> Result<Lease, Failure> {
        let mut place = match tokio::time::timeout(self.wait, Box::pin(self.pool.get())).await {
            Ok(Ok(place)) => place,
            Ok(Err(PoolError::Backend(failure))) => return Err(failure),
            Ok(Err(_)) => return Err(Failure::Connection),
            Err(_) => return Err(Failure::TimedOut),
        };
        let connection = place.take().ok_or(Failure::Connection)?;
        Ok(Lease { connection, place })
    }
}

/// A connection that is lent. Dropping it closes it; its place in the pool is then filled anew.
pub(super) struct Lease {
    /// The connection.
    pub connection: Connection,
    place: Object<Manager>,
}

impl Lease {
    /// Gives the connection back, for its call ended well.
    pub(super) fn give_back(self) {
        let Self { mut connection, mut place } = self;
        connection.given_back = Instant::now();
        *place = Some(connection);
    }
}
