//! The commands on a real broker and a real database: what they find, and what they leave.

use std::path::PathBuf;
use std::process::Command;

use bytes::Bytes;
use keepstep::log::{Log as _, NewRecord};
use keepstep::model::position::Topic;
use tempfile::TempDir;
use uuid::Uuid;

use crate::kafka::broker::{Broker, variable};
use crate::postgres::server::TestDatabase;
use crate::scene::process::Process;

/// How a command ended.
pub struct Answer {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// A folder with settings for one profile on the shared broker.
pub struct Place {
    pub folder: TempDir,
    url: String,
}

impl Place {
    fn new(topic: &Topic, url: &str) -> Self {
        Self::of("commands", topic, url)
    }

    /// With a profile of this id.
    pub fn of(profile: &str, topic: &Topic, url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            r#"
[log]
kind = "kafka"
brokers = ["{}"]

[destination.pg]
kind = "postgres"
url = "env:KEEPSTEP_TEST_URL"

[[profile]]
id = "{profile}"
name = "Commands"
destination = "pg"
topic = "{topic}"
entities = ["account"]
definitions = "{}"

[http]
listen = "off"
"#,
            variable("KEEPSTEP_TEST_KAFKA"),
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("definitions").display()
        );
        std::fs::write(folder.path().join("keepstep.toml"), text).unwrap();
        Self { folder, url: url.to_owned() }
    }

    /// Starts `keepstep run`; what it says goes to `output` in the folder.
    pub fn start(&self, output: &str) -> Process {
        let variables = [("KEEPSTEP_TEST_URL", self.url.as_str())];
        let settings = self.folder.path().join("keepstep.toml");
        Process::start_with(&settings, self.folder.path().join(output), &variables)
    }

    /// Runs a command to its end.
    pub async fn run(&self, arguments: &[&str]) -> Answer {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keepstep"));
        command.current_dir(self.folder.path()).env("KEEPSTEP_TEST_URL", &self.url).args(arguments);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        Answer {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn account(number: u128, version: u64) -> String {
    let id = Uuid::from_u128(number);
    format!(
        r#"{{"entity":"account","record_id":"{id}","operation":"create","image":"full","row_version":{version},"attributes":{{"name":"x"}}}}"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn check_finds_every_problem_of_broker_and_database() {
    let broker = Broker::shared();
    let database = TestDatabase::new().await;
    let missing = Topic::new("there.is.no.such.topic");
    let answer = Place::new(&missing, &database.url(None)).run(&["check"]).await;
    assert_eq!(answer.code, Some(1), "{}{}", answer.out, answer.err);
    assert!(answer.out.contains("PROBLEM  there is no topic there.is.no.such.topic"));
    assert!(answer.out.contains("kafka-topics.sh"), "{}", answer.out);

    let compacted = broker.topic("compacted", 2, &[("cleanup.policy", "compact")]).await;
    let answer = Place::new(&compacted, &database.url(None)).run(&["check"]).await;
    assert_eq!(answer.code, Some(1));
    assert!(answer.out.contains("is compacted"), "{}", answer.out);

    let fine = broker.topic("fine", 2, &[]).await;
    let answer = Place::new(&fine, &database.url(None)).run(&["check"]).await;
    assert_eq!(answer.code, Some(0), "{}{}", answer.out, answer.err);
    assert!(answer.out.contains(&format!("topic {fine}: 2 partitions, not compacted")));

    let wrong = database.url_as("nobody", "hunter2", None);
    let answer = Place::new(&fine, &wrong).run(&["check"]).await;
    assert_eq!(answer.code, Some(1), "{}", answer.out);
    assert!(answer.out.contains("PROBLEM"), "{}", answer.out);
    assert!(!answer.out.contains("hunter2") && !answer.err.contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyless_topic_is_refused_relayed_and_looked_at() {
    let broker = Broker::shared();
    let log = broker.log();
    let database = TestDatabase::new().await;
    let raw = broker.topic("raw", 3, &[]).await;
    let keyed = broker.topic("keyed", 2, &[]).await;
    let records = (1..=30_u32).map(|number| NewRecord {
        partition: Some(number % 3),
        payload: Some(Bytes::from(account(u128::from(number % 7 + 1), u64::from(number)))),
        ..NewRecord::default()
    });
    log.append(&raw, records.collect()).await.unwrap();

    let place = Place::new(&raw, &database.url(None));
    let refused = place.run(&["run"]).await;
    assert_eq!(refused.code, Some(1), "{}", refused.err);
    assert!(refused.err.contains(&format!("topic {raw} has 3 partitions")), "{}", refused.err);
    assert!(refused.err.contains("keepstep relay"), "{}", refused.err);

    let relay = ["relay", raw.as_str(), keyed.as_str(), "--until-end"];
    let relayed = place.run(&relay).await;
    assert_eq!(relayed.code, Some(0), "{}{}", relayed.out, relayed.err);
    assert!(
        relayed.out.ends_with("30 records read, 30 notifications written\n"),
        "{}",
        relayed.out
    );
    let again = place.run(&relay).await;
    assert!(again.out.ends_with("0 records read, 0 notifications written\n"), "{}", again.out);

    let place = Place::new(&keyed, &database.url(None));
    let check = place.run(&["check"]).await;
    assert_eq!(check.code, Some(0), "{}{}", check.out, check.err);
    let shown = place.run(&["inspect", keyed.as_str(), "--limit", "100"]).await;
    assert_eq!(shown.out.lines().count(), 30, "{}", shown.out);
    assert!(!shown.out.contains("KEY"), "{}", shown.out);
    let last = place.run(&["inspect", keyed.as_str(), "--last", "2", "--json"]).await;
    assert_eq!(last.out.lines().count(), 2, "{}", last.out);
    let since = ["inspect", keyed.as_str(), "--from", "2999-01-01T00:00:00Z"];
    assert!(place.run(&since).await.out.starts_with("nothing on "));
}
