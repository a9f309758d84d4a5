//! The command line as a person meets it: the built binary, its output and its exit codes.

mod definitions;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use keepstep::log::embedded::{EmbeddedLog, EmbeddedSettings, OpenMode};
use keepstep::log::{Log as _, NewRecord};
use keepstep::model::position::Topic;

use crate::place::{Place, settings};

/// Longest wait for anything that must happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Settings of the places here.
fn plain() -> String {
    let rest = "[http]\nlisten = \"127.0.0.1:0\"\n\n[telemetry]\nformat = \"json\"\n";
    settings("[\"account\", \"contact\"]", rest)
}

fn place() -> Place {
    Place::with(&plain())
}

/// What a query answers in the place's database.
fn rows(place: &Place, query: &str) -> Vec<String> {
    let database = rusqlite::Connection::open(place.path("crm.sqlite")).unwrap();
    let Ok(mut statement) = database.prepare(query) else {
        return Vec::new();
    };
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

/// A `keepstep run` in the background. It is killed when it is dropped.
struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Running {
    fn start(place: &Place) -> Self {
        let mut child = place.command(&["run"]).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = sync_channel(10_000);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines, seen: Vec::new() }
    }

    /// Waits for a log line that contains `text`.
    fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(_) => panic!("no line with {text:?} in\n{}", self.seen.join("\n")),
            }
        }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    fn end(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

async fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(20)).await; // between two looks, up to the deadline
    }
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn account(number: u128, version: u64, name: &str) -> String {
    let id = uuid::Uuid::from_u128(number);
    format!(
        r#"{{"entity":"account","record_id":"{id}","operation":"create","image":"full","row_version":{version},"attributes":{{"name":"{name}"}}}}"#
    )
}

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let help = place().run(&["--help"]);
    assert_eq!(help.code, Some(0));
    for word in [
        "run",
        "check",
        "schema",
        "adopt",
        "produce",
        "inspect",
        "relay",
        "failed",
        "resync",
        "resume",
        "status",
        "Exit codes",
        "--config",
    ] {
        assert!(help.out.contains(word), "{word} is not in\n{}", help.out);
    }
    assert!(help.out.lines().all(|line| line.chars().count() <= 100), "{}", help.out);
}

#[test]
fn wrong_settings_are_told_all_at_once() {
    let place = Place::with("[log]\nkind = \"kafak\"\n[limits]\nmemory_mb = 1\n");
    for command in [&["run"][..], &["check"], &["schema"], &["inspect", "t"], &["relay", "a", "b"]]
    {
        let answer = place.run(command);
        assert_eq!(answer.code, Some(2), "{command:?}");
        assert_eq!(
            answer.err,
            "error: 2 mistakes in keepstep.toml\n\
             line 2: log, kind: \"kafak\" is not known\n\
             \x20 hint: did you mean \"kafka\"? Known are \"kafka\" or \"embedded\"\n\
             line 4: limits, memory_mb: 1 is out of range\n\
             \x20 hint: write a whole number from 16 to 65536\n",
        );
    }
}

#[test]
fn files_that_are_missing_are_named() {
    let place = place();
    let answer = place.run(&["check", "--config", "other.toml"]);
    assert_eq!(answer.code, Some(2));
    assert!(answer.err.contains("other.toml\nthe file cannot be read: entity not found\n  hint: "));
    let place = Place::with(&plain().replace("\"contact\"]", "\"contact\", \"lead\"]"));
    let answer = place.run(&["check"]);
    assert_eq!(answer.code, Some(2));
    assert!(
        answer.err.contains("profile \"crm\", entities: lead has no definition\n  hint: add its"),
        "{}",
        answer.err
    );
    let place = Place::with(&plain().replace("DEFINITIONS", "nowhere"));
    let answer = place.run(&["schema"]);
    assert!(answer.err.contains("nowhere cannot be read: entity not found"), "{}", answer.err);
}

#[tokio::test]
async fn changes_become_rows_while_others_produce_and_inspect() {
    let place = place();
    let check = place.run(&["check"]);
    assert_eq!((check.code, check.err.as_str()), (Some(0), ""));
    assert!(check.out.contains("topic crm.contoso.account will be made with 4 partitions"));
    assert!(!place.path("log").exists(), "a check makes nothing");

    let mut running = Running::start(&place);
    let listening = running.wait_for("listening for");
    running.wait_for("profile activated");
    std::fs::write(place.path("a.jsonl"), [account(1, 1, "One"), account(2, 2, "Two")].join("\n"))
        .unwrap();
    let produced = place.run(&["produce", "a.jsonl"]);
    assert_eq!((produced.code, produced.err.as_str()), (Some(0), ""));
    assert_eq!(produced.out, "2 notifications appended\n  crm.contoso.account             2\n");
    wait("rows", || rows(&place, "SELECT name FROM account ORDER BY name") == ["One", "Two"]).await;

    let more = place.run_with(&["produce", "--to", "crm.contoso.account"], &account(1, 3, "Eins"));
    assert_eq!(more.code, Some(0));
    wait("an update", || rows(&place, "SELECT name FROM account ORDER BY name") == ["Eins", "Two"])
        .await;

    let shown = place.run(&["inspect", "crm.contoso.account"]);
    assert_eq!(shown.code, Some(0));
    assert_eq!(shown.out.lines().count(), 3);
    assert!(!shown.out.contains("Eins"), "contents are hidden");
    let shown = place.run(&["inspect", "crm.contoso.account", "--json", "--show-content"]);
    assert!(shown.out.contains("\"attributes\":{\"name\":\"Eins\"}"), "{}", shown.out);

    let address = listening.split("\"address\":\"").nth(1).unwrap().split('"').next().unwrap();
    wait("readiness", || get(address, "/readyz").contains("200 OK")).await;
    let metrics = get(address, "/metrics");
    let written = "keepstep_changes_written_total{entity=\"account\",profile=\"crm\"} 3";
    assert!(metrics.contains(written), "{metrics}");

    let second = place.run(&["run"]);
    assert_eq!(second.code, Some(1));
    assert!(second.err.contains("error: ") && second.err.contains("hint: "), "{}", second.err);
    let check = place.run(&["check"]);
    assert_eq!(check.code, Some(0), "{}{}", check.out, check.err);

    running.signal("TERM");
    assert_eq!(running.end(), Some(0));
    running.wait_for("stopped; everything written is committed");
}

/// A table that somebody emptied is filled again from the log, and `status` tells of it.
#[tokio::test]
async fn what_the_log_holds_is_written_again_on_demand() {
    let place = place();
    let mut running = Running::start(&place);
    running.wait_for("profile activated");
    let lines: Vec<String> = (1..=50).map(|number| account(number, 1, "Name")).collect();
    std::fs::write(place.path("a.jsonl"), lines.join("\n")).unwrap();
    assert_eq!(place.run(&["produce", "a.jsonl"]).code, Some(0));
    let names = "SELECT name FROM account";
    wait("rows", || rows(&place, names).len() == 50).await;
    let database = rusqlite::Connection::open(place.path("crm.sqlite")).unwrap();
    database.busy_timeout(PATIENCE).unwrap();
    database.execute("DELETE FROM account", []).unwrap();
    let nothing = place.run(&["resync", "--from", "2100-01-01T00:00:00Z"]);
    assert_eq!((nothing.code, nothing.err.as_str()), (Some(0), ""));
    assert!(nothing.out.starts_with("the log holds nothing from there on"), "{}", nothing.out);
    let again = place.run(&["resync", "--from", "start", "--entity", "account"]);
    assert_eq!((again.code, again.err.as_str()), (Some(0), ""));
    let expected = "up to 50 changes to be read again in 4 lanes, for account\n\
                    50 rows written, 0 deleted, 0 changes superseded by newer rows, 0 failed\n";
    assert_eq!(again.out, expected);
    assert_eq!(rows(&place, names).len(), 50);
    let stopped = place.run(&["resync", "--stop"]);
    assert_eq!(stopped.out, "no replay runs; nothing was asked\n");
    // Written about every five seconds.
    let said = || {
        let status = place.run(&["status"]).out;
        let line = status.lines().find(|line| line.starts_with("account ")).map(str::to_owned);
        line.unwrap_or_default().split_whitespace().take(3).collect::<Vec<_>>().join(" ")
    };
    wait("the status", || said() == "account running 100").await;
    running.signal("TERM");
    assert_eq!(running.end(), Some(0));
}

#[tokio::test]
async fn tables_of_the_printed_schema_need_no_right_to_create() {
    let place = place();
    let schema = place.run(&["schema"]);
    assert_eq!(schema.code, Some(0));
    let database = rusqlite::Connection::open(place.path("crm.sqlite")).unwrap();
    database.execute_batch("PRAGMA journal_mode=WAL").unwrap();
    database.execute_batch(&schema.out).unwrap();
    drop(database);
    let check = place.run(&["check"]);
    assert_eq!(check.code, Some(0), "{}{}", check.out, check.err);
    assert!(check.out.contains("ok       table account"), "{}", check.out);
    assert_eq!(place.run_with(&["produce"], &account(1, 1, "One")).code, Some(0));
    let mut running = Running::start(&place);
    running.wait_for("profile activated");
    wait("a row", || rows(&place, "SELECT name FROM account") == ["One"]).await;
    running.signal("INT");
    assert_eq!(running.end(), Some(0));
}

#[tokio::test]
async fn what_a_profile_made_can_be_taken_away_and_nothing_else() {
    let place = place();
    let database = rusqlite::Connection::open(place.path("crm.sqlite")).unwrap();
    database.execute_batch("CREATE TABLE theirs (id INTEGER); CREATE TABLE accounts (id)").unwrap();
    let mut running = Running::start(&place);
    running.wait_for("profile activated");
    running.signal("INT");
    assert_eq!(running.end(), Some(0));
    let names = || -> Vec<String> {
        let text = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'keepstep%' ORDER BY name";
        let mut asking = database.prepare(text).unwrap();
        asking.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    // SQLite cannot drop what it reads the name of: the query answers with the script.
    let take_away = |arguments: &[&str]| {
        let query = place.run(arguments);
        assert_eq!(query.code, Some(0), "{}", query.err);
        let mut asking = database.prepare(&query.out).unwrap();
        let lines = asking.query_map([], |row| row.get::<_, String>(0)).unwrap();
        let script: String = lines.map(|line| line.unwrap() + "\n").collect();
        database.execute_batch(&script).unwrap();
    };
    assert_eq!(names(), ["account", "accounts", "contact", "theirs"]);
    take_away(&["schema", "--clean-up", "--entity", "contact"]);
    assert_eq!(names(), ["account", "accounts", "theirs"]);
    take_away(&["schema", "--clean-up"]);
    assert_eq!(names(), ["accounts", "theirs"]);
    for table in ["object_registry", "checkpoint"] {
        let text = format!("SELECT count(*) FROM keepstep_{table}");
        assert_eq!(database.query_row(&text, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
    }
    let unknown = place.run(&["schema", "--clean-up", "--entity", "lead"]);
    assert_eq!(unknown.code, Some(2));
}

#[test]
fn a_wrong_line_is_named_and_everything_before_it_is_appended() {
    let place = place();
    let input =
        [account(1, 1, "One"), account(2, 2, "Two"), "{\"secret\":1}".to_owned()].join("\n");
    let answer = place.run_with(&["produce", "-"], &input);
    assert_eq!(answer.code, Some(1));
    assert!(answer.out.starts_with("2 notifications appended\n"), "{}", answer.out);
    assert!(answer.err.starts_with("error: line 3 is no notification: "), "{}", answer.err);
    assert!(answer.err.contains("go on with --from-line 3"), "{}", answer.err);
    let input = input.replace("{\"secret\":1}", &account(3, 3, "Three"));
    let answer = place.run_with(&["produce", "-", "--from-line", "3"], &input);
    assert!(answer.out.starts_with("1 notification appended\n"), "{}", answer.out);
    let lead = account(1, 1, "x").replace("\"account\"", "\"lead\"");
    let answer = place.run_with(&["produce"], &lead);
    assert!(answer.err.contains("no profile has that entity"), "{}", answer.err);
}

#[tokio::test]
async fn a_topic_without_keys_is_refused_and_relayed() {
    let raw =
        plain().replace("[\"account\", \"contact\"]", "[{ name = \"account\", topic = \"raw\" }]");
    let place = Place::with(&raw);
    let settings = EmbeddedSettings::new(Arc::new(|| 1_000));
    let log = EmbeddedLog::open(place.path("log"), OpenMode::Append, settings).await.unwrap();
    let topic = Topic::new("raw");
    log.create_topic(&topic, 2, false).await.unwrap();
    let keyless = (1..=6).map(|version| NewRecord {
        partition: Some(u32::try_from(version % 2).unwrap()),
        payload: Some(Bytes::from(account(version, u64::try_from(version).unwrap(), "x"))),
        ..NewRecord::default()
    });
    log.append(&topic, keyless.collect()).await.unwrap();
    drop(log);

    let refused = place.run(&["run"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("topic raw has 2 partitions"), "{}", refused.err);
    assert!(refused.err.contains("`keepstep relay raw TARGET`"), "{}", refused.err);
    let check = place.run(&["check"]);
    assert_eq!(check.code, Some(1));
    assert!(check.out.contains("PROBLEM  topic raw has 2 partitions"), "{}", check.out);

    let relayed = place.run(&["relay", "raw", "keyed", "--until-end"]);
    assert_eq!((relayed.code, relayed.err.as_str()), (Some(0), ""));
    assert!(relayed.out.contains("relaying raw (2 partitions) to keyed (4 partitions)"));
    assert!(relayed.out.ends_with("6 records read, 6 notifications written\n"), "{}", relayed.out);
    let keyed = std::fs::read_to_string(place.path("keepstep.toml")).unwrap();
    let keyed = keyed.replace("topic = \"raw\"", "topic = \"keyed\"");
    std::fs::write(place.path("keepstep.toml"), keyed).unwrap();
    let mut running = Running::start(&place);
    running.wait_for("profile activated");
    wait("rows", || rows(&place, "SELECT Id FROM account").len() == 6).await;
}

#[test]
fn a_pipe_that_closes_is_no_fault() {
    let place = place();
    let mut child = place.command(&["schema"]).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
