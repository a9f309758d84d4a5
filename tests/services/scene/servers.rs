//! A Kafka and a PostgreSQL, or one of them, of one test alone, for it kills them.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;

use keepstep::log::Log;
use keepstep::log::kafka::{KafkaLog, KafkaSettings};
use tokio_postgres::{Client, NoTls};

use super::PATIENCE;
use crate::kafka::broker::Broker;

/// Which of the two.
#[derive(Clone, Copy, Debug)]
pub enum Server {
    Broker,
    Database,
}

/// The servers. They end when this is dropped, and however the test's process ends.
pub struct Servers {
    guard: Child,
    life: Option<ChildStdin>,
    variables: BTreeMap<String, String>,
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.life = None;
        drop(self.guard.wait());
    }
}

fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name)
}

impl Servers {
    /// Starts these.
    pub fn start(which: &[Server]) -> Self {
        let option = |server: &Server| match server {
            Server::Broker => "--kafka",
            Server::Database => "--postgres",
        };
        let mut guard = Command::new(script("with-services"))
            .args(which.iter().map(option))
            .args(["--", "sh", "-c"])
            .arg("env | grep ^KEEPSTEP_TEST_; echo ready; cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("scripts/with-services starts");
        let life = guard.stdin.take();
        let output = BufReader::new(guard.stdout.take().expect("piped"));
        let lines = output.lines().map(|line| line.expect("text"));
        let variables: BTreeMap<String, String> = lines
            .take_while(|line| line != "ready")
            .filter_map(|line| {
                line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
            })
            .collect();
        Self { guard, life, variables }
    }

    /// One of the variables that the scripts print.
    pub fn variable(&self, name: &str) -> &str {
        self.variables.get(name).unwrap_or_else(|| panic!("scripts/with-services gives {name}"))
    }

    /// Where the broker is.
    pub fn brokers(&self) -> &str {
        self.variable("KEEPSTEP_TEST_KAFKA")
    }

    /// Where the database is.
    pub fn url(&self) -> &str {
        self.variable("KEEPSTEP_TEST_POSTGRES_URL")
    }

    /// The broker, to give it orders.
    pub fn broker(&self) -> Broker {
        Broker::at(self.brokers().to_owned())
    }

    /// The log, to append to while the broker comes and goes.
    pub fn log(&self) -> Arc<dyn Log> {
        let mut settings = KafkaSettings::new(self.brokers());
        settings.append_timeout = PATIENCE;
        Arc::new(KafkaLog::open(settings).unwrap())
    }

    /// A connection; `None` while the database is away.
    pub async fn client(&self) -> Option<Client> {
        let (client, connection) = tokio_postgres::connect(self.url(), NoTls).await.ok()?;
        #[expect(clippy::disallowed_methods, reason = "it ends with its client")]
        tokio::spawn(connection);
        Some(client)
    }

    /// SIGKILL, and up again.
    pub async fn restart(&self, server: Server) {
        self.kill(server).await;
        self.bring_back(server).await;
    }

    /// SIGKILL.
    pub async fn kill(&self, server: Server) {
        self.order(server, "kill").await;
    }

    /// Starts it again, on what it kept.
    pub async fn bring_back(&self, server: Server) {
        self.order(server, "start").await;
    }

    async fn order(&self, server: Server, verb: &'static str) {
        let (script_name, folder) = match server {
            Server::Broker => ("kafka", "KEEPSTEP_TEST_KAFKA_DIR"),
            Server::Database => ("postgres", "KEEPSTEP_TEST_POSTGRES_DIR"),
        };
        let mut command = Command::new(script(script_name));
        command.args([verb, self.variable(folder)]);
        let run = move || command.status().expect("the script runs");
        let status = tokio::task::spawn_blocking(run).await.expect("no panic");
        assert!(status.success(), "{script_name} {verb}: {status}");
    }
}
