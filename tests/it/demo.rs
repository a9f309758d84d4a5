//! `keepstep demo` as a stranger runs it: the program itself, its words, its exit code.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;

/// Longest time that a demo of this size may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(120);
const CHANGES: &str = "5000";
const GOOD: &str = "5,000 changes, every cell as expected";

fn demo(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keepstep"));
    command.args(["demo", "--changes", CHANGES, "--dir"]).arg(folder).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a demo to its end.
fn run(folder: &Path, arguments: &[&str]) -> Ran {
    Ran::of(demo(folder, arguments).output().unwrap())
}

/// What a demo said.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    fn last_line(&self) -> &str {
        self.stdout.lines().last().unwrap_or("")
    }

    fn assert_good(&self) {
        assert_eq!((self.code, self.last_line()), (Some(0), GOOD), "{self:#?}");
    }
}

/// A demo that is under way: slow enough to be caught in the middle.
struct UnderWay {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStderr>>,
}

impl UnderWay {
    /// Starts one and waits until it has written something, but not all.
    fn start(folder: &Path) -> Self {
        let mut child = demo(folder, &["--rate", "1500"]).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut under_way = Self { child, lines };
        let begun = Instant::now();
        loop {
            let line = under_way.lines.next().expect("ended early").unwrap();
            assert!(begun.elapsed() < DEADLINE, "{line}");
            if line.contains(" written ") && !line.contains(" written 0 ") {
                return under_way;
            }
        }
    }

    fn signal(&self, name: &str) {
        let process = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &process]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end.
    fn end(mut self) -> Ran {
        let stderr: Vec<String> = self.lines.map(Result::unwrap).collect();
        let stdout = std::io::read_to_string(self.child.stdout.take().unwrap()).unwrap();
        let code = self.child.wait().unwrap().code();
        Ran { code, stdout, stderr: stderr.join("\n") }
    }
}

fn records_on_the_log(folder: &Path) -> i64 {
    let log = Connection::open(folder.join("log/log.db")).unwrap();
    log.query_row("SELECT sum(end_offset) FROM topic_partition", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_demo_ends_with_every_cell_as_expected() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("crm");
    let first = run(&folder, &[]);
    first.assert_good();
    for words in [
        "append to commit",
        "crm.sqlite",
        "SELECT name",
        "inspect --config",
        "adv_contact_opportunity",
        "came back",
    ] {
        assert!(first.stdout.contains(words), "{words}: {first:#?}");
    }
    assert!(first.stderr.lines().all(|line| line.contains("produced")), "{first:#?}");
    // 5,000 changes and two markers for each of four entities on each of four partitions.
    assert_eq!(records_on_the_log(&folder), 5_032);

    let again = run(&folder, &[]);
    again.assert_good();
    assert!(again.stdout.contains("Going on"), "{again:#?}");
    assert_eq!(records_on_the_log(&folder), 5_032);

    let other = run(&folder, &["--seed", "9"]);
    assert_eq!(other.code, Some(2), "{other:#?}");
    assert!(other.stderr.contains("--seed 1 --changes 5000"), "{other:#?}");
    assert!(other.stderr.contains("--fresh"), "{other:#?}");
    run(&folder, &["--seed", "9", "--fresh"]).assert_good();
}

#[test]
fn a_demo_that_was_killed_goes_on_and_ends_right() {
    let scratch = tempfile::tempdir().unwrap();
    let under_way = UnderWay::start(scratch.path());
    // Nobody else may work there meanwhile, nor clear it away.
    for arguments in [&[][..], &["--fresh"]] {
        let second = run(scratch.path(), arguments);
        assert_eq!(second.code, Some(1), "{second:#?}");
        assert!(second.stderr.contains("LOG_IN_USE"), "{second:#?}");
    }
    under_way.signal("KILL");
    assert_eq!(under_way.end().code, None);
    let halfway = records_on_the_log(scratch.path());
    assert!((1..5_032).contains(&halfway), "{halfway}");

    let second = run(scratch.path(), &[]);
    assert!(second.stdout.contains("Going on"), "{second:#?}");
    second.assert_good();
    assert_eq!(records_on_the_log(scratch.path()), 5_032);
}

#[test]
fn a_demo_stops_cleanly_when_it_is_asked_and_goes_on() {
    let scratch = tempfile::tempdir().unwrap();
    for signal in ["INT", "TERM"] {
        let under_way = UnderWay::start(scratch.path());
        under_way.signal(signal);
        let stopped = under_way.end();
        assert_eq!(stopped.code, Some(0), "{stopped:#?}");
        let last = stopped.last_line();
        assert!(last.starts_with("stopped at "), "{stopped:#?}");
        assert!(last.ends_with("run the same command to go on"), "{stopped:#?}");
    }
    run(scratch.path(), &[]).assert_good();
}

#[test]
fn a_log_with_something_else_on_it_is_not_gone_on_with() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    run(folder, &[]).assert_good();
    let log = Connection::open(folder.join("log/log.db")).unwrap();
    // The folder now says that it holds another demo than its log does.
    let demo = folder.join("demo.json");
    let text = std::fs::read_to_string(&demo).unwrap().replace("\"seed\":1", "\"seed\":2");
    std::fs::write(&demo, text).unwrap();
    drop(log);
    let other = run(folder, &["--seed", "2"]);
    assert_eq!(other.code, Some(1), "{other:#?}");
    assert!(other.stderr.contains("--fresh"), "{other:#?}");
}

/// Changes the database of a finished demo, and expects the next look at it to say what.
fn tampered(finished: &Path, tamper: impl FnOnce(&Connection) -> String) -> Ran {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("copy");
    copy(finished, &folder);
    let database = Connection::open(folder.join("crm.sqlite")).unwrap();
    let named = tamper(&database);
    drop(database);
    let ran = run(&folder, &[]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.stdout.contains(&named), "{named}: {ran:#?}");
    assert_eq!(ran.last_line(), "5,000 changes, 1 difference", "{ran:#?}");
    ran
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_database_that_was_tampered_with_is_found_out() {
    let scratch = tempfile::tempdir().unwrap();
    let finished = scratch.path().join("finished");
    run(&finished, &[]).assert_good();
    let one = |database: &Connection, query: &str| -> String {
        database.query_row(query, [], |row| row.get(0)).unwrap()
    };
    let some = "SELECT Id FROM account ORDER BY Id LIMIT 1 OFFSET 7";

    let ran = tampered(&finished, |database| {
        let id = one(database, some);
        database.execute("UPDATE account SET name = 'Nobody' WHERE Id = ?1", [&id]).unwrap();
        format!("row {id}, name: \"Nobody\" instead of ")
    });
    assert!(ran.stdout.contains("--fresh"), "{ran:#?}");
    tampered(&finished, |database| {
        // The same digits, but as a number: the type of a cell counts.
        let query = "SELECT Id FROM opportunityproduct WHERE versionnumber > 0 LIMIT 1";
        let id = one(database, query);
        let update =
            "UPDATE opportunityproduct SET quantity = CAST(quantity AS BLOB) WHERE Id = ?1";
        database.execute(update, [&id]).unwrap();
        format!("row {id}, quantity: ")
    });
    tampered(&finished, |database| {
        let id = one(database, some);
        database.execute("DELETE FROM account WHERE Id = ?1", [&id]).unwrap();
        format!("row {id} is missing")
    });
    tampered(&finished, |database| {
        let id = "ffffffff-ffff-4fff-bfff-ffffffffffff";
        database.execute("INSERT INTO contact (Id) VALUES (?1)", [id]).unwrap();
        format!("row {id} is there, but no such record ever was")
    });
    tampered(&finished, |database| {
        let query = "SELECT record_id FROM keepstep_tombstone WHERE entity = 'contact' AND NOT \
                     EXISTS (SELECT 1 FROM contact WHERE Id = record_id) LIMIT 1";
        let id = one(database, query);
        database.execute("INSERT INTO contact (Id) VALUES (?1)", [&id]).unwrap();
        format!("row {id} is there, but the record was deleted")
    });
    tampered(&finished, |database| {
        database.execute_batch("CREATE TABLE competitor (Id TEXT)").unwrap();
        "no such table is expected".to_owned()
    });
    tampered(&finished, |database| {
        database.execute_batch("ALTER TABLE product ADD COLUMN colour TEXT").unwrap();
        "no column colour is expected".to_owned()
    });
}
