//! The real server of the tests, and databases on it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use keepstep::destination::sqlserver::{SqlServerDestination, SqlServerSettings};
use keepstep::model::mutation::Mutations;
use tiberius::{Client, Config, Row};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt as _};

/// Longest time that the server may take for anything here.
const PATIENCE: Duration = Duration::from_secs(60);

/// The variable that names the server.
const VARIABLE: &str = "KEEPSTEP_TEST_SQLSERVER_URL";

/// The connection string of the server.
fn whole() -> String {
    #[expect(clippy::disallowed_methods, reason = "the variable is the tests' own")]
    let text = std::env::var(VARIABLE);
    text.unwrap_or_else(|_| {
        panic!("{VARIABLE} is not set: it takes an ADO.NET connection string, see the README")
    })
}

/// A key of a part of a connection string.
fn key(part: &str) -> String {
    part.split('=').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// A connection string with another value for a key, which has these names.
fn with(text: &str, names: &[&str], value: &str) -> String {
    let others = text.split(';').filter(|part| !names.contains(&key(part).as_str()));
    let mut parts: Vec<String> = others.map(str::to_owned).collect();
    parts.push(format!("{}={value}", names[0]));
    parts.join(";")
}

/// The connection string of the server, with this database instead of its own.
fn connection_string(database: &str) -> String {
    with(&whole(), &["database", "initial catalog"], database)
}

/// A connection string that comes by way of a port of this machine.
pub fn through(port: u16, text: &str) -> String {
    let names = ["server", "data source", "address", "addr", "network address"];
    with(text, &names, &format!("tcp:127.0.0.1,{port}"))
}

/// Host and port of the server.
pub fn address() -> String {
    Config::from_ado_string(&whole()).unwrap().get_addr()
}

/// The password of the connection string.
pub fn password() -> String {
    let text = whole();
    let part = text.split(';').find(|part| ["password", "pwd"].contains(&key(part).as_str()));
    part.and_then(|part| part.split_once('=')).expect("a password").1.to_owned()
}

/// A plain connection of the tests, past the adapter.
pub struct Plain {
    client: Client<Compat<TcpStream>>,
}

impl Plain {
    /// Connects.
    pub async fn connect(database: &str) -> Self {
        let connecting = async {
            let mut config = Config::from_ado_string(&connection_string(database)).unwrap();
            config.trust_cert();
            let stream = TcpStream::connect(config.get_addr()).await.unwrap();
            stream.set_nodelay(true).unwrap();
            Client::connect(config, stream.compat_write()).await
        };
        let client = tokio::time::timeout(PATIENCE, connecting).await;
        Self { client: client.expect("the server answers in time").expect("the tests are let in") }
    }

    /// Runs a batch of statements.
    pub async fn try_execute(&mut self, text: &str) -> Result<(), tiberius::error::Error> {
        self.client.simple_query(text).await?.into_results().await.map(drop)
    }

    /// Runs a batch of statements.
    pub async fn execute(&mut self, text: &str) {
        self.try_execute(text).await.unwrap_or_else(|error| panic!("{text}: {error}"));
    }

    /// The rows that a batch answers first.
    pub async fn rows(&mut self, text: &str) -> Vec<Row> {
        let answer = self.client.simple_query(text).await;
        let answer = answer.unwrap_or_else(|error| panic!("{text}: {error}"));
        let rows = answer.into_first_result().await;
        rows.unwrap_or_else(|error| panic!("{text}: {error}"))
    }
}

/// Databases of their own for each case. Those that nobody uses any more are dropped when the
/// next is made, and at the end.
#[derive(Default)]
pub struct Databases {
    unused: Mutex<Vec<String>>,
}

impl Databases {
    /// An empty database.
    pub async fn lend(self: &Arc<Self>) -> TestDatabase {
        let mut server = Plain::connect("master").await;
        let unused = std::mem::take(&mut *self.unused.lock().unwrap());
        for name in unused {
            drop_database(&mut server, &name).await;
        }
        let name = format!("keepstep_test_{}", uuid::Uuid::new_v4().simple());
        server.execute(&format!("CREATE DATABASE {name}")).await;
        TestDatabase { name, databases: Arc::clone(self) }
    }
}

/// Drops a database as soon as the last connection to it is gone.
async fn drop_database(server: &mut Plain, name: &str) {
    let started = Instant::now();
    loop {
        match server.try_execute(&format!("DROP DATABASE {name}")).await {
            Ok(()) => return,
            Err(error) => assert!(started.elapsed() < PATIENCE, "dropping {name}: {error}"),
        }
    }
}

impl Drop for Databases {
    fn drop(&mut self) {
        let unused = std::mem::take(self.unused.get_mut().unwrap());
        // A runtime of its own, for the test's may be gone.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let mut server = Plain::connect("master").await;
                for name in unused {
                    drop_database(&mut server, &name).await;
                }
            });
        });
        drop(dropping.join());
    }
}

/// A database of a test.
pub struct TestDatabase {
    name: String,
    databases: Arc<Databases>,
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        self.databases.unused.lock().unwrap().push(std::mem::take(&mut self.name));
    }
}

impl TestDatabase {
    /// A plain connection to it.
    pub async fn plain(&self) -> Plain {
        Plain::connect(&self.name).await
    }

    /// The connection string that leads to it.
    pub fn connection_string(&self) -> String {
        connection_string(&self.name)
    }

    /// An adapter on it.
    pub fn open(&self, mutations: Mutations) -> SqlServerDestination {
        let text = self.connection_string();
        let mut settings = SqlServerSettings::new(Arc::new(move || Ok(text.clone())));
        settings.trust_server_certificate = true;
        SqlServerDestination::new(settings, mutations).unwrap()
    }
}
