//! The formats of the list, letter by letter.

use std::path::PathBuf;

use keepstep::failed::ListError;
use keepstep::failed::change::{ChangeType, KnownChange};
use keepstep::failed::export::{Format, begin, write};
use keepstep::failed::list::{Filter, Step};
use keepstep::failed::store::{Reader, Store};
use keepstep::model::dead_letter::DeadLetter;
use keepstep::model::held::{HeldCause, HeldChange, HeldKey, ReleaseReason};
use keepstep::model::position::Offset;
use keepstep::model::record::EntityName;

use super::{held, lane, letter, original, profile, released, waiting};

/// Entries with everything, with nothing, and with names that try to break out.
fn changes() -> Vec<KnownChange> {
    let mut whole = held(1, 10, 0);
    whole.attempt = 3;
    let whole = DeadLetter::of(&lane(), &whole, Some(original(1)));
    let mut hostile = held(2, 11, 1);
    hostile.key.entity = Some(EntityName::new("=HYPERLINK(\"x\"),\r\nEntity: y"));
    hostile.cause.column = Some("a,\"b\"\n".into());
    let nothing = HeldChange {
        key: HeldKey { offset: Offset(12), entity: None, record_id: None },
        cause: HeldCause { code: "undecodable".into(), column: None, detail: String::new() },
        ..held(3, 12, 2)
    };
    let mut initial = original(4);
    initial.timestamp_ms = 1_704_067_200_000; // 2024-01-01T00:00:00Z
    let initial = DeadLetter::of(&lane(), &held(4, 13, 3), Some(initial));
    vec![
        KnownChange::of(&whole, Some(ChangeType::Update)),
        KnownChange::of(&letter(&waiting(held(1, 14, 9))), None),
        KnownChange::of(&letter(&hostile), None),
        KnownChange::of(&letter(&nothing), None),
        KnownChange::of(&initial, Some(ChangeType::TriggerInitialExport)),
        KnownChange::of(&letter(&held(5, 15, 0)), None),
        KnownChange::of(&letter(&released(held(5, 15, 0), ReleaseReason::Dismissed, 7)), None),
        KnownChange::of(&letter(&released(held(6, 16, 0), ReleaseReason::Superseded, 8)), None),
    ]
}

fn exported(format: Format, resolved: bool) -> String {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("failed.sqlite");
    Store::open(&list).unwrap().apply(&profile(), changes(), None).unwrap();
    let mut out = Vec::new();
    begin(format, &mut out).unwrap();
    let reader = Reader::open(&list).unwrap().unwrap();
    let filter = Filter { resolved, ..Filter::default() };
    let copied = reader.entries(&profile(), &filter, None, |entry| {
        write(format, &profile(), entry, &mut out).unwrap();
        Ok::<_, ListError>(Step::Next)
    });
    copied.unwrap();
    String::from_utf8(out).unwrap()
}

fn is_golden(name: &str, text: &str) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/golden/failed", name].iter().collect();
    if std::env::var_os("KEEPSTEP_UPDATE_DOCUMENTS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, golden, "{} is out of step; `make golden` writes it anew", path.display());
}

#[test]
fn golden_lines_of_the_old_service() {
    // F70: labels, order, time and line, letter by letter.
    let lines = exported(Format::Lines, false);
    let whole = "Entity: account, RecordId: 00000000-0000-0000-0000-000000000001, NotificationTime: \
                 5/1/2024 11:59:59 AM, ChangeType: Update, FailureReason: column name: text of 161 \
                 UTF-16 units is longer than the column's 160";
    assert!(lines.lines().any(|line| line == whole), "{lines}");
    let nothing = "Entity: N/A, RecordId: N/A, NotificationTime: , ChangeType: N/A, FailureReason: \
                   undecodable";
    assert!(lines.lines().any(|line| line == nothing), "{lines}");
    assert!(lines.contains("NotificationTime: 1/1/2024 12:00:00 AM, ChangeType: Trigger Initial"));
    assert_eq!(lines.lines().count(), 4, "one line an entry, whatever names hold: {lines}");
    is_golden("open.txt", &lines);
}

#[test]
fn golden_comma_separated_values() {
    let csv = exported(Format::Csv, false);
    assert_eq!(csv.lines().count(), 5, "{csv}");
    assert!(csv.contains("\"'=HYPERLINK(\"\"x\"\")"), "no cell begins a formula: {csv}");
    is_golden("open.csv", &csv);
    is_golden("resolved.csv", &exported(Format::Csv, true));
}

#[test]
fn golden_json_lines() {
    let lines = exported(Format::Json, false);
    let objects: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), 4);
    let whole = objects.iter().find(|object| object["attempt"] == 3).unwrap();
    assert_eq!((&whole["changes"], &whole["cause"]), (&2.into(), &"text_too_long".into()));
    is_golden("open.jsonl", &lines);
    is_golden("resolved.jsonl", &exported(Format::Json, true));
}
