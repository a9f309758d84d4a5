//! The real server of the tests, and databases on it.
//!
//! Making a database takes long and so does dropping one; so they are emptied and used again, and
//! dropped when the last of their users is gone.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keepstep::destination::postgres::{PostgresDestination, PostgresSettings};
use keepstep::model::mutation::Mutations;
use tokio::task::JoinSet;
use tokio_postgres::{Client, Config, NoTls};

/// Longest time that the server may take for anything here.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The variable that names the server.
const VARIABLE: &str = "KEEPSTEP_TEST_POSTGRES_URL";

/// The URL of the server.
pub fn server_url() -> String {
    #[expect(clippy::disallowed_methods, reason = "the variable is the tests' own")]
    let url = std::env::var(VARIABLE);
    url.unwrap_or_else(|_| {
        panic!("{VARIABLE} is not set: run `make test`, or scripts/with-services --postgres -- …")
    })
}

/// A plain connection of the tests, past the adapter.
pub struct Plain {
    pub client: Client,
    _talk: JoinSet<()>,
}

impl Plain {
    /// Connects.
    pub async fn connect(config: &Config) -> Self {
        let (client, connection) = tokio::time::timeout(PATIENCE, config.connect(NoTls))
            .await
            .expect("the server answers in time")
            .expect("the server lets the tests in");
        let mut talk = JoinSet::new();
        talk.spawn(async move { drop(connection.await) });
        Self { client, _talk: talk }
    }

    /// Runs statements.
    pub async fn execute(&self, text: &str) {
        self.client.batch_execute(text).await.unwrap_or_else(|error| panic!("{text}: {error:?}"));
    }
}

/// Databases to use again.
#[derive(Default)]
pub struct Databases {
    free: Mutex<Vec<String>>,
    made: Mutex<Vec<String>>,
}

impl Databases {
    /// An empty database.
    pub async fn lend(self: &Arc<Self>) -> TestDatabase {
        let free = self.free.lock().unwrap().pop();
        let name = match free {
            Some(name) => {
                empty(&name).await;
                name
            }
            None => {
                let name = unique_name();
                self.made.lock().unwrap().push(name.clone());
                let server = Plain::connect(&config("")).await;
                server.execute(&format!("CREATE DATABASE \"{name}\"")).await;
                name
            }
        };
        TestDatabase { name, databases: Arc::clone(self) }
    }
}

impl Drop for Databases {
    fn drop(&mut self) {
        let made = std::mem::take(self.made.get_mut().unwrap());
        // A runtime of its own, for the test's may be gone.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let server = Plain::connect(&config("")).await;
                for name in made {
                    server.execute(&format!("DROP DATABASE \"{name}\" WITH (FORCE)")).await;
                }
            });
        });
        drop(dropping.join());
    }
}

fn unique_name() -> String {
    let unique = uuid::Uuid::new_v4().simple().to_string();
    format!("keepstep_test_{unique}")
}

/// Ends everybody else's connections and drops every schema.
async fn empty(name: &str) {
    let database = Plain::connect(&config(name)).await;
    database
        .execute("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
        .await;
    let rows = database
        .client
        .query("SELECT nspname::text FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'", &[])
        .await
        .unwrap();
    for row in rows {
        let schema: String = row.get(0);
        let schema = schema.replace('"', "\"\"");
        database.execute(&format!("DROP SCHEMA \"{schema}\" CASCADE")).await;
    }
    database.execute("CREATE SCHEMA public").await;
}

/// The server's settings with another database; with the URL's own where it is empty.
fn config(database: &str) -> Config {
    let mut config: Config = server_url().parse().expect("the URL of the tests' server");
    if !database.is_empty() {
        config.dbname(database);
    }
    config
}

/// A database of a test.
pub struct TestDatabase {
    name: String,
    databases: Arc<Databases>,
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        self.databases.free.lock().unwrap().push(std::mem::take(&mut self.name));
    }
}

impl TestDatabase {
    /// A database of its own for one test.
    pub async fn new() -> Self {
        Arc::new(Databases::default()).lend().await
    }

    /// How the driver reaches it.
    pub fn config(&self) -> Config {
        config(&self.name)
    }

    /// A plain connection to it.
    pub async fn plain(&self) -> Plain {
        Plain::connect(&self.config()).await
    }

    /// Its URL, by way of `port` on this machine if one is given.
    pub fn url(&self, port: Option<u16>) -> String {
        let config = self.config();
        self.url_as(
            config.get_user().unwrap_or_default(),
            std::str::from_utf8(config.get_password().unwrap_or_default()).unwrap(),
            port,
        )
    }

    /// Its URL for another user.
    pub fn url_as(&self, user: &str, password: &str, port: Option<u16>) -> String {
        let port = port.unwrap_or_else(|| self.config().get_ports()[0]);
        format!("postgres://{user}:{password}@127.0.0.1:{port}/{}", self.name)
    }

    /// Settings of an adapter on it.
    pub fn settings(&self, port: Option<u16>) -> PostgresSettings {
        let url = self.url(port);
        PostgresSettings::new(Arc::new(move || Ok(url.clone())))
    }

    /// An adapter on it.
    pub fn open(&self, mutations: Mutations) -> PostgresDestination {
        PostgresDestination::new(self.settings(None), mutations).unwrap()
    }
}

/// A number that no other test of this process has.
pub fn unique_number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
