//! Where the chaos happens: servers, three processes with a proxy each, and all that they leave.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use keepstep::model::position::Topic;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::database::Database;
use super::proxy::Proxy;
use super::source::{ENTITIES, NAME_UNITS};
use crate::scene::process::Process;
use crate::scene::servers::Servers;
use crate::scene::{PATIENCE, wait};

/// Processes of the group.
pub(super) const MEMBERS: usize = 3;
/// After so much silence the group takes a process for dead: the least that the settings allow.
pub(super) const SESSION: Duration = Duration::from_secs(6);
pub(super) const TOPIC: &str = "crm.org.all";
/// The dead-letter topic of the profile.
pub(super) const FAILED_TOPIC: &str = "keepstep.chaos.failed";
const PARTITIONS: u32 = 4;

pub(super) struct Scene {
    pub(super) servers: Arc<Servers>,
    /// Where the changes go.
    pub(super) database: Arc<dyn Database>,
    /// Everything that keepstep writes.
    folder: TempDir,
    /// Passwords, which are nobody's output.
    secrets: TempDir,
    /// Between the processes and the broker.
    pub(super) broker_proxy: Proxy,
    /// Between each process and the database.
    pub(super) database_proxies: Vec<Proxy>,
    pub(super) members: Vec<Process>,
    started: usize,
}

impl Drop for Scene {
    /// Who looks for the reason of a failure needs what the processes said.
    #[expect(clippy::print_stderr, reason = "a test that fails says where to look")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.keep_folder();
            eprintln!("what the processes said lies in {}", self.folder().display());
        }
    }
}

impl Scene {
    /// Topics, tables and processes.
    pub(super) async fn start(servers: Arc<Servers>, database: Arc<dyn Database>) -> Self {
        let address = |name| -> SocketAddr { servers.variable(name).parse().expect("an address") };
        let front = address("KEEPSTEP_TEST_KAFKA_FRONT");
        let broker_proxy = Proxy::start(front.port(), address("KEEPSTEP_TEST_KAFKA_BEHIND")).await;
        let mut database_proxies = Vec::new();
        for _ in 0..MEMBERS {
            database_proxies.push(Proxy::start(0, database.address()).await);
        }
        let (folder, secrets) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut scene = Self {
            servers,
            database,
            folder,
            secrets,
            broker_proxy,
            database_proxies,
            members: Vec::new(),
            started: 0,
        };
        scene.settings();
        scene.servers.broker().create(&Topic::new(TOPIC), PARTITIONS, &[]).await;
        let compact = [("cleanup.policy", "compact")];
        scene.servers.broker().create(&Topic::new(FAILED_TOPIC), 1, &compact).await;
        let ddl = scene.command(&["schema"]).await;
        scene.database.make(&ddl).await;
        for number in 0..MEMBERS {
            let process = scene.member(number);
            scene.members.push(process);
        }
        scene
    }

    /// Definitions, and a settings file for each process.
    fn settings(&self) {
        let definitions = self.folder.path().join("definitions");
        std::fs::create_dir_all(&definitions).unwrap();
        for (entity, _) in ENTITIES {
            std::fs::write(definitions.join(format!("{entity}.json")), definition(entity)).unwrap();
        }
        for number in 0..MEMBERS {
            let port = self.database_proxies[number].port();
            let secret = self.secrets.path().join(format!("secret-{number}"));
            let destination = self.database.settings(port, &secret);
            let brokers = self.servers.variable("KEEPSTEP_TEST_KAFKA_FRONT");
            let text = settings(brokers, &destination, number);
            std::fs::write(self.settings_of(number), text).unwrap();
        }
    }

    fn settings_of(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("keepstep-{number}.toml"))
    }

    /// Another process in the place of one that is gone. Each has a file of its own for what it says.
    pub(super) fn member(&mut self, number: usize) -> Process {
        self.started += 1;
        let output = self.folder.path().join(format!("{number}-{}.log", self.started));
        Process::start_into(&self.settings_of(number), output)
    }

    /// SIGKILL for a member, and another one in its place.
    pub(super) fn replace(&mut self, number: usize) {
        self.members[number].kill();
        self.members[number] = self.member(number);
    }

    /// A command as a person gives it; what it says stays in the folder. It must end well.
    pub(super) async fn command(&self, arguments: &[&str]) -> String {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_keepstep"));
        command.args(["--config"]).arg(self.settings_of(0)).args(arguments);
        command.current_dir(self.folder.path());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = [&output.stdout[..], &output.stderr[..]].concat();
        let file = self.folder.path().join(format!("command-{}", uuid::Uuid::new_v4()));
        std::fs::write(file, &said).unwrap();
        let said = String::from_utf8_lossy(&said);
        assert!(
            output.status.success(),
            "keepstep {arguments:?} ended with {}: {said}",
            output.status
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Changes that every entity is settled up to; none while the database is away.
    pub(super) async fn settled(&self) -> usize {
        let settled = self.database.settled().await.unwrap_or_default();
        settled.values().map(|next| usize::try_from(*next).unwrap()).sum()
    }

    /// Waits until something holds while all processes run.
    pub(super) async fn wait(&mut self, what: &str, mut holds: impl AsyncFnMut(&Self) -> bool) {
        let mut members = std::mem::take(&mut self.members);
        let scene = &*self;
        wait(what, &mut members, async || holds(scene).await).await;
        self.members = members;
    }

    /// Waits until every process says that it is ready.
    pub(super) async fn wait_ready(&mut self) {
        let mut members = std::mem::take(&mut self.members);
        for (number, member) in members.iter_mut().enumerate() {
            let deadline = Instant::now() + PATIENCE;
            let mut look = tokio::time::interval(Duration::from_millis(50));
            while !answer_of(member, "/readyz").await.starts_with("HTTP/1.1 200") {
                member.must_run();
                assert!(Instant::now() < deadline, "member {number} does not become ready");
                look.tick().await;
            }
        }
        self.members = members;
    }

    /// What all members say at `/metrics`, kept in the folder.
    pub(super) async fn keep_metrics(&self) {
        for member in &self.members {
            let file = self.folder.path().join(format!("metrics-{}", uuid::Uuid::new_v4()));
            std::fs::write(file, answer_of(member, "/metrics").await).unwrap();
        }
    }

    /// Leaves the folder for who looks into it.
    pub(super) fn keep_folder(&mut self) {
        self.folder.disable_cleanup(true);
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// What a process answers; nothing while it cannot.
async fn answer_of(member: &Process, path: &str) -> String {
    let said = member.said();
    let Some((_, rest)) = said.split_once("listening for /metrics, /healthz and /readyz") else {
        return String::new();
    };
    let Some(address) = rest.split_whitespace().find_map(|word| word.strip_prefix("address="))
    else {
        return String::new();
    };
    let ask = async {
        let mut connection = TcpStream::connect(address).await.ok()?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    };
    let answer = tokio::time::timeout(Duration::from_secs(5), ask).await;
    answer.ok().flatten().unwrap_or_default()
}

fn definition(entity: &str) -> String {
    let numbers: String = (0..4)
        .map(|at| format!(r#",{{"LogicalName":"n{at}","AttributeType":"Integer"}}"#))
        .collect();
    format!(
        r#"{{"LogicalName":"{entity}","EntitySetName":"{entity}s","PrimaryIdAttribute":"{entity}id",
            "Attributes":[{{"LogicalName":"{entity}id","AttributeType":"Uniqueidentifier"}}{numbers},
            {{"LogicalName":"name","AttributeType":"String","MaxLength":{NAME_UNITS}}},
            {{"LogicalName":"note","AttributeType":"Memo","MaxLength":2000}}]}}"#
    )
}

fn settings(brokers: &str, destination: &str, number: usize) -> String {
    let entities: Vec<String> = ENTITIES
        .iter()
        .map(|(name, versioned)| format!("{{ name = \"{name}\", versioned = {versioned} }}"))
        .collect();
    format!(
        r#"
[log]
kind = "kafka"
brokers = ["{brokers}"]
session_timeout_s = {}

[destination.here]
{destination}

[[profile]]
id = "chaos"
name = "Chaos on real parts"
destination = "here"
topic = "{TOPIC}"
entities = [{}]
definitions = "definitions"
batch_changes = 200
retry_count = 5
retry_interval_s = 2

[http]
listen = "127.0.0.1:0"

[telemetry]
level = "{}"
"#,
        SESSION.as_secs(),
        entities.join(", "),
        // One says all it can: nothing of it may be content.
        if number == 0 { "trace" } else { "info" },
    )
}
