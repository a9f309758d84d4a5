//! The parts of a kill test: servers of its own, processes, and what stands in the tables.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use keepstep::log::Log;
use keepstep::log::embedded::{EmbeddedLog, EmbeddedSettings, OpenMode};
use keepstep::model::position::Topic;
use tempfile::TempDir;
use tokio_postgres::Client;
use uuid::Uuid;

use super::published::{ENTITIES, Published, Row};
use crate::scene::process::Process;
use crate::scene::servers::{Server, Servers};
use crate::scene::wait;

const TOPIC: &str = "crm.org.all";
const PARTITIONS: u32 = 4;

fn definition(entity: &str) -> String {
    let columns: String = (0..4)
        .map(|at| format!(r#",{{"LogicalName":"n{at}","AttributeType":"Integer"}}"#))
        .collect();
    format!(
        r#"{{"LogicalName":"{entity}","EntitySetName":"{entity}s","PrimaryIdAttribute":"{entity}id",
            "Attributes":[{{"LogicalName":"{entity}id","AttributeType":"Uniqueidentifier"}}{columns}]}}"#
    )
}

/// A folder with definitions and a settings file that begins with `head`.
fn settings(head: &str, folder: &TempDir) -> PathBuf {
    let definitions = folder.path().join("definitions");
    std::fs::create_dir_all(&definitions).unwrap();
    let mut entities = Vec::new();
    for (entity, versioned) in ENTITIES {
        std::fs::write(definitions.join(format!("{entity}.json")), definition(entity)).unwrap();
        entities.push(format!("{{ name = \"{entity}\", versioned = {versioned} }}"));
    }
    let text = format!(
        r#"{head}

[[profile]]
id = "kills"
name = "Killed in the middle"
destination = "here"
topic = "{TOPIC}"
entities = [{}]
definitions = "definitions"
batch_changes = 200

[http]
listen = "off"

[telemetry]
level = "error"
"#,
        entities.join(", ")
    );
    let path = folder.path().join("keepstep.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// A Kafka and a PostgreSQL of this test alone, and a folder for the processes.
pub(super) struct Served {
    servers: Servers,
    /// Written once: a process may read it at any time.
    settings: PathBuf,
    _folder: TempDir,
}

impl Served {
    pub(super) async fn start() -> Self {
        let servers = Servers::start(&[Server::Broker, Server::Database]);
        servers.broker().create(&Topic::new(TOPIC), PARTITIONS, &[]).await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("url"), servers.url()).unwrap();
        let head = format!(
            "[log]\nkind = \"kafka\"\nbrokers = [\"{}\"]\n\n[destination.here]\nkind = \"postgres\"\nurl = \"file:url\"",
            servers.brokers()
        );
        let settings = settings(&head, &folder);
        let served = Self { servers, settings, _folder: folder };
        served.watch_updates().await;
        served
    }

    pub(super) fn topic(&self) -> Topic {
        Topic::new(TOPIC)
    }

    pub(super) fn log(&self) -> Arc<dyn Log> {
        self.servers.log()
    }

    /// Starts a process of the group.
    pub(super) fn keepstep(&self) -> Process {
        Process::start(&self.settings)
    }

    pub(super) async fn restart(&self, server: Server) {
        self.servers.restart(server).await;
    }

    async fn client(&self) -> Option<Client> {
        self.servers.client().await
    }

    /// A table of the versioned entity that notes every update which was not newer.
    async fn watch_updates(&self) {
        let client = self.client().await.expect("the database answers");
        let text = "CREATE TABLE alpha (\"Id\" uuid NOT NULL, \"SinkCreatedOn\" timestamp(3),
              \"SinkModifiedOn\" timestamp(3), alphaid uuid, n0 int, n1 int, n2 int, n3 int,
              versionnumber bigint, CONSTRAINT \"EPK[public].[alpha]\" PRIMARY KEY (\"Id\"));
            CREATE TABLE not_newer (id uuid);
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
              IF NEW.versionnumber <= OLD.versionnumber THEN INSERT INTO not_newer VALUES (OLD.\"Id\"); END IF;
              RETURN NEW; END $$;
            CREATE TRIGGER note BEFORE UPDATE ON alpha FOR EACH ROW EXECUTE FUNCTION note();";
        client.batch_execute(text).await.expect("the trigger is made");
    }

    pub(super) async fn updates_that_were_not_newer(&self) -> i64 {
        let client = self.client().await.expect("the database answers");
        client.query_one("SELECT count(*) FROM not_newer", &[]).await.unwrap().get(0)
    }

    /// Changes that the checkpoints have passed; `None` while the database is away.
    async fn try_settled(&self) -> Option<usize> {
        let text = "SELECT coalesce(sum(next_offset), 0)::bigint FROM keepstep.checkpoint WHERE entity = ''";
        let row = self.client().await?.query_one(text, &[]).await.ok()?;
        usize::try_from(row.get::<_, i64>(0)).ok()
    }

    pub(super) async fn settled(&self) -> usize {
        self.try_settled().await.unwrap_or(0)
    }

    pub(super) async fn wait_settled(&self, wanted: usize, processes: &mut [Process]) {
        wait("copying so far", processes, async || self.settled().await >= wanted).await;
    }

    /// Every table, row by row, against the serial replay.
    pub(super) async fn compare(&self, published: &Published) {
        let client = self.client().await.expect("the database answers");
        for (entity, _) in ENTITIES {
            let text = format!("SELECT \"Id\", versionnumber, n0, n1, n2, n3 FROM {entity}");
            let rows = client.query(&text, &[]).await.unwrap();
            let found = rows.into_iter().map(|row| {
                let cells = [row.get(2), row.get(3), row.get(4), row.get(5)];
                (row.get::<_, Uuid>(0), (row.get(1), cells))
            });
            same(entity, &found.collect(), &published.replayed(entity));
        }
    }
}

fn same(entity: &str, found: &BTreeMap<Uuid, Row>, expected: &BTreeMap<Uuid, Row>) {
    let ids = found.keys().chain(expected.keys());
    let different = ids.filter(|id| found.get(id) != expected.get(id)).collect::<Vec<_>>();
    assert!(
        different.is_empty(),
        "{} records of {entity} differ; the first: {} is {:?} and must be {:?}",
        different.len(),
        different[0],
        found.get(different[0]),
        expected.get(different[0])
    );
    assert!(!expected.is_empty());
}

/// The embedded log and SQLite, in one folder.
pub(super) struct OneMachine {
    folder: TempDir,
}

impl OneMachine {
    pub(super) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(super) fn topic(&self) -> Topic {
        Topic::new(TOPIC)
    }

    /// The log, to append to beside the process that consumes it.
    pub(super) async fn log(&self) -> Arc<dyn Log> {
        let settings = EmbeddedSettings::new(Arc::new(|| 1_700_000_000_000));
        let folder = self.folder.path().join("log");
        std::fs::create_dir_all(&folder).unwrap();
        let log = EmbeddedLog::open(&folder, OpenMode::Append, settings).await.unwrap();
        log.create_topic(&self.topic(), PARTITIONS, false).await.unwrap();
        Arc::new(log)
    }

    pub(super) fn keepstep(&self) -> Process {
        let head = format!(
            "[log]\nkind = \"embedded\"\ndir = \"log\"\npartitions = {PARTITIONS}\n\n[destination.here]\nkind = \"sqlite\"\npath = \"crm.sqlite\""
        );
        Process::start(&settings(&head, &self.folder))
    }

    fn database(&self) -> Option<rusqlite::Connection> {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let file = self.folder.path().join("crm.sqlite");
        let connection = rusqlite::Connection::open_with_flags(file, flags).ok()?;
        connection.busy_timeout(Duration::from_secs(5)).ok()?;
        Some(connection)
    }

    pub(super) fn settled(&self) -> usize {
        let text =
            "SELECT coalesce(sum(next_offset), 0) FROM keepstep_checkpoint WHERE entity = ''";
        let settled: Option<i64> = self
            .database()
            .and_then(|database| database.query_row(text, [], |row| row.get(0)).ok());
        settled.and_then(|settled| usize::try_from(settled).ok()).unwrap_or(0)
    }

    pub(super) async fn wait_settled(&self, wanted: usize, process: &mut Process) {
        let processes = std::slice::from_mut(process);
        wait("copying so far", processes, async || self.settled() >= wanted).await;
    }

    pub(super) fn compare(&self, published: &Published) {
        let database = self.database().expect("the file is there");
        for (entity, _) in ENTITIES {
            let text = format!("SELECT \"Id\", versionnumber, n0, n1, n2, n3 FROM {entity}");
            let mut statement = database.prepare(&text).unwrap();
            let rows = statement.query_map([], |row| {
                let id: String = row.get(0)?;
                let cells = [row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?];
                Ok((Uuid::parse_str(&id).expect("an id"), (row.get(1)?, cells)))
            });
            let found = rows.unwrap().map(Result::unwrap).collect();
            same(entity, &found, &published.replayed(entity));
        }
    }
}
