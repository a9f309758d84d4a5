//! `keepstep failed` as a person meets it.

use std::io::{BufRead as _, BufReader};
use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use keepstep::codec::encode_dead_letter;
use keepstep::failed::change::KnownChange;
use keepstep::failed::store::{Progress, Store};
use keepstep::log::embedded::{EmbeddedLog, EmbeddedSettings, OpenMode};
use keepstep::log::{Log as _, NewRecord};
use keepstep::model::dead_letter::DeadLetter;
use keepstep::model::held::ReleaseReason;

use super::{CANARY, apply, held, lane, letter, original, profile, released, waiting};
use crate::place;

/// Longest wait for anything that must happen, and between two looks.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
pub(super) const PAUSE: Duration = Duration::from_millis(50);

/// A place whose profile has the entity `account`.
pub(super) struct Place(place::Place);

impl Deref for Place {
    type Target = place::Place;

    fn deref(&self) -> &place::Place {
        &self.0
    }
}

impl Place {
    pub(super) fn new() -> Self {
        let settings = place::settings("[\"account\"]", "[http]\nlisten = \"off\"\n");
        Self(place::Place::with(&settings))
    }

    pub(super) fn list(&self) -> PathBuf {
        self.path("failed.sqlite")
    }

    pub(super) fn fine(&self, arguments: &[&str]) -> String {
        let answer = self.run(arguments);
        assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""), "{arguments:?}");
        answer.out
    }

    fn fill(&self) {
        let whole = DeadLetter::of(&lane(), &held(1, 10, 0), Some(original(1)));
        let ended = released(held(3, 12, 0), ReleaseReason::Superseded, 5);
        let letters = [
            whole,
            letter(&waiting(held(1, 11, 1))),
            letter(&held(2, 13, 2)),
            letter(&held(3, 12, 0)),
            letter(&ended),
        ];
        apply(&self.list(), &letters);
    }
}

#[test]
fn a_list_that_is_not_there_is_named() {
    let place = Place::new();
    for command in ["list", "summary", "export"] {
        let answer = place.run(&["failed", command]);
        assert_eq!(answer.code, Some(1));
        assert!(answer.err.contains("there is no failed-record list at "), "{}", answer.err);
        assert!(answer.err.contains("keepstep failed rebuild"), "{}", answer.err);
    }
    assert!(!place.list().exists(), "looking makes nothing");
}

#[test]
fn the_list_is_shown_in_every_shape() {
    let place = Place::new();
    place.fill();
    let table = place.fine(&["failed", "list"]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert!(lines[0].starts_with("SINCE") && lines[0].ends_with("REASON"), "{table}");
    assert!(lines[1].starts_with("2024-05-01T12:00:00Z  account"), "{table}");
    assert!(
        lines[1].ends_with("column name: text of 161 UTF-16 units is longer than the column's 160")
    );
    let history = place.fine(&["failed", "list", "--resolved"]);
    assert!(history.contains("superseded 2024-05-01T12:05:00Z; was: column name"), "{history}");
    let page = place.fine(&["failed", "list", "--limit", "1", "--format", "json"]);
    let page: serde_json::Value = serde_json::from_str(&page).unwrap();
    assert_eq!(page["entries"].as_array().unwrap().len(), 1);
    assert_eq!(page["entries"][0]["changes"], 2);
    let next = page["next"].as_str().unwrap();
    let rest = place.fine(&["failed", "list", "--after", next, "--format", "json"]);
    let rest: serde_json::Value = serde_json::from_str(&rest).unwrap();
    assert_eq!(rest["entries"][0]["offset"], 13);
    assert_eq!(rest["next"], serde_json::Value::Null);
    let csv = place.fine(&["failed", "list", "--format", "csv"]);
    assert_eq!(csv.lines().count(), 3, "{csv}");
    let none = place.fine(&["failed", "list", "--cause", "refused"]);
    assert_eq!(none, "no such records on the list\n");
    for output in [table, history, csv] {
        assert!(!output.contains(CANARY));
    }
}

#[test]
fn a_summary_gives_advice() {
    let place = Place::new();
    place.fill();
    let table = place.fine(&["failed", "summary"]);
    assert!(table.contains("account                   text_too_long"), "{table}");
    assert!(table.contains("  text_too_long: Widen the column"), "{table}");
    let object = place.fine(&["failed", "summary", "--format", "json"]);
    let object: serde_json::Value = serde_json::from_str(&object).unwrap();
    assert_eq!(
        (&object["lines"][0]["records"], &object["lines"][0]["changes"]),
        (&2.into(), &3.into())
    );
    let csv = place.fine(&["failed", "summary", "--format", "csv"]);
    assert!(csv.contains("\naccount,text_too_long,2,3,2024-05-01T12:00:00.000Z,"), "{csv}");
}

#[test]
fn the_list_is_exported_to_a_new_file_only() {
    let place = Place::new();
    place.fill();
    let said = place.fine(&["failed", "export", "--output", "failed.txt"]);
    assert_eq!(said, "2 records written to failed.txt\n");
    let lines = std::fs::read_to_string(place.path("failed.txt")).unwrap();
    assert_eq!(lines, place.fine(&["failed", "export"]));
    assert!(lines.starts_with("Entity: account, RecordId: 00000000-"), "{lines}");
    let again = place.run(&["failed", "export", "--output", "failed.txt"]);
    assert_eq!(again.code, Some(1));
    assert!(again.err.contains("is not there yet"), "{}", again.err);
}

#[test]
fn unreadable_dead_letters_are_told() {
    let place = Place::new();
    let progress = Progress { unreadable: 3, next_offset: 3, ..Progress::default() };
    Store::open(&place.list()).unwrap().apply(&profile(), vec![], Some(&progress)).unwrap();
    let table = place.fine(&["failed", "list"]);
    assert!(table.contains("3 records of the dead-letter topic could not be read"), "{table}");
}

#[test]
fn wrong_wishes_are_refused() {
    let place = Place::new();
    place.fill();
    for (arguments, expected) in [
        (&["list", "--after", "x"][..], "is no key"),
        (&["list", "--profile", "other"], "there is no profile other"),
        (&["list", "--from", "yesterday"], "write a time"),
        (&["dismiss", "--reason", "gone"], "--record"),
        (&["dismiss", "--entity", "account", "--reason", "x"], "--record"),
        (
            &["dismiss", "--record", "00000000-0000-0000-0000-000000000001", "--reason", " "],
            "write 1 to",
        ),
    ] {
        let answer = place.run(&[&["failed"], arguments].concat());
        assert_eq!(answer.code, Some(2), "{arguments:?}: {}", answer.err);
        assert!(answer.err.contains(expected), "{arguments:?}: {}", answer.err);
    }
    let closed = "00000000-0000-0000-0000-000000000003";
    let gone = ["failed", "dismiss", "--entity", "account", "--record", closed, "--reason", "gone"];
    let answer = place.run(&gone);
    assert_eq!(answer.code, Some(1));
    assert!(answer.err.contains("there is no such open entry"), "{}", answer.err);
}

/// Peak of the process's memory so far, in KiB.
fn peak_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn two_hundred_thousand_entries_take_no_more_memory_than_ten_thousand() {
    let place = Place::new();
    let mut store = Store::open(&place.list()).unwrap();
    for thousands in 0..20_i64 {
        let numbers = thousands * 10_000..(thousands + 1) * 10_000;
        let letters = numbers.map(|at| letter(&held(u128::from(at.unsigned_abs()), at, 0)));
        let changes = letters.map(|letter| KnownChange::of(&letter, None)).collect();
        store.apply(&profile(), changes, None).unwrap();
    }
    let began = Instant::now();
    let mut export = place.command(&["failed", "export"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(export.stdout.take().unwrap()).lines();
    // The pipe holds a fraction of what is still to come, so the process is alive at both looks.
    assert_eq!(lines.by_ref().take(10_000).filter(Result::is_ok).count(), 10_000);
    let early = peak_kib(export.id());
    assert_eq!(lines.by_ref().take(180_000).filter(Result::is_ok).count(), 180_000);
    let late = peak_kib(export.id());
    assert_eq!(lines.filter(Result::is_ok).count(), 10_000);
    assert!(export.wait().unwrap().success());
    println!("200,000 lines in {:?}, peak {early} KiB, then {late} KiB", began.elapsed());
    assert!(late < early + 4 * 1_024, "{early} KiB after 10,000 lines, {late} after 190,000");
    let page = place.fine(&["failed", "list", "--limit", "5"]);
    assert!(page.contains("there may be more: --after 'account/"), "{page}");
    let summary = place.fine(&["failed", "summary"]);
    assert!(summary.contains("200,000"), "{summary}");
}

/// A `keepstep run` in the background. It is killed when it is dropped.
struct Running(Child);

impl Running {
    fn start(place: &Place) -> Self {
        let mut command = place.command(&["run"]);
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn stop(mut self) -> Option<i32> {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
        self.0.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn run_makes_the_topic_and_the_list() {
    let place = Place::new();
    let check = place.fine(&["check"]);
    assert!(!check.contains("PROBLEM") && !place.list().exists(), "{check}");
    let running = Running::start(&place);
    let settings = EmbeddedSettings::new(Arc::new(|| 1_700_000_000_000));
    let log = EmbeddedLog::open(place.path("log"), OpenMode::Append, settings).await.unwrap();
    let topic = profile().failed_topic();
    let deadline = Instant::now() + PATIENCE;
    while log.describe(&topic).await.unwrap().is_none() {
        assert!(Instant::now() < deadline, "the dead-letter topic is not made");
        tokio::time::sleep(PAUSE).await; // between two looks, up to the deadline
    }
    let letter = DeadLetter::of(&lane(), &held(1, 10, 0), Some(original(1)));
    let record = NewRecord {
        key: Some(Bytes::from(letter.key())),
        payload: Some(Bytes::from(encode_dead_letter(&letter))),
        ..NewRecord::default()
    };
    log.append(&topic, vec![record]).await.unwrap();
    let list = loop {
        let answer = place.run(&["failed", "export"]);
        if answer.out.contains("Entity: account") {
            break answer.out;
        }
        assert!(Instant::now() < deadline, "the list is not made");
        tokio::time::sleep(PAUSE).await; // between two looks, up to the deadline
    };
    assert!(list.contains("ChangeType: Update"), "{list}");
    assert!(!list.contains(CANARY));
    assert!(place.fine(&["check"]).contains("dead-letter topic keepstep.crm.failed"));
    assert_eq!(running.stop(), Some(0));
    super::no_canary_in(place.folder());
}
