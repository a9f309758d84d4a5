//! The failed-record list with a million entries: how long it takes to be made and read.

use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;

use ::keepstep::failed::ListError;
use ::keepstep::failed::change::{ChangeKey, ChangeType, KnownChange, LastHold};
use ::keepstep::failed::export::{Format, begin, write};
use ::keepstep::failed::list::{Filter, Step};
use ::keepstep::failed::store::{Progress, Reader, Store};
use ::keepstep::model::held::{HeldCause, Revision};
use ::keepstep::model::position::{Offset, Topic, TopicPartition};
use ::keepstep::model::profile::ProfileId;
use ::keepstep::model::record::{EntityName, RecordId};
use uuid::Uuid;

/// Changes of one transaction, about a chunk of the dead-letter topic.
const CHUNK: usize = 2_000;
/// Entries of a page.
const PAGE: u64 = 100;

/// Makes a list of so many entries in `folder`, reads it, and prints the rates.
pub fn run(folder: &Path, entries: usize) {
    let path = folder.join("failed.sqlite");
    for file in ["failed.sqlite", "failed.sqlite-wal", "failed.sqlite-shm"] {
        let _absent = std::fs::remove_file(folder.join(file));
    }
    let profile = ProfileId::new("bench").unwrap();
    let mut store = Store::open(&path).unwrap();
    let began = Instant::now();
    let mut at = 0;
    while at < entries {
        let changes: Vec<KnownChange> = (at..entries.min(at + CHUNK)).map(change).collect();
        at += changes.len();
        let progress = Progress { next_offset: i64::try_from(at).unwrap(), ..Progress::default() };
        store.apply(&profile, changes, Some(&progress)).unwrap();
    }
    say("made", entries, began);
    let began = Instant::now();
    let reader = Reader::open(&path).unwrap().unwrap();
    let mut shown = 0;
    let page = reader.entries(&profile, &Filter::default(), None, |_| {
        shown += 1;
        Ok::<_, ListError>(if shown == PAGE { Step::Enough } else { Step::Next })
    });
    assert!(page.unwrap().is_some());
    println!("failed-list: first page of {PAGE} in {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    for (name, format) in [("lines", Format::Lines), ("csv", Format::Csv), ("json", Format::Json)] {
        let began = Instant::now();
        let file = std::fs::File::create(folder.join("failed.export")).unwrap();
        let mut out = BufWriter::new(file);
        begin(format, &mut out).unwrap();
        let mut count = 0;
        let copied = reader.entries(&profile, &Filter::default(), None, |entry| {
            write(format, &profile, entry, &mut out).unwrap();
            count += 1;
            Ok::<_, ListError>(Step::Next)
        });
        copied.unwrap();
        out.flush().unwrap();
        assert_eq!(count, entries);
        say(&format!("exported as {name}"), entries, began);
    }
    let began = Instant::now();
    let summary = reader.summary(&profile, &Filter::default()).unwrap();
    assert_eq!(summary.lines.len(), 1);
    say("summed up", entries, began);
}

fn say(what: &str, entries: usize, began: Instant) {
    let rate = entries as f64 / began.elapsed().as_secs_f64();
    println!("failed-list: {entries} entries {what} at {rate:.0}/s");
}

/// A held change of a record of its own; ids are spread as those of a source are.
fn change(number: usize) -> KnownChange {
    let spread = (number as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let lane = TopicPartition::new(&Topic::new("crm.contoso.account"), (number % 12) as u32);
    let offset = i64::try_from(number).unwrap();
    let at_us = 1_714_564_800_000_000 + offset;
    KnownChange {
        key: ChangeKey {
            entity: Some(EntityName::new("account")),
            record_id: Some(RecordId(Uuid::from_u128(spread))),
            position: lane.at(Offset(offset)),
        },
        held_at_us: at_us,
        hold: Some(LastHold {
            revision: Revision(at_us),
            revised_at_us: at_us,
            cause: HeldCause {
                code: "text_too_long".into(),
                column: Some("name".into()),
                detail: "text of 161 UTF-16 units is longer than the column's 160".to_owned(),
            },
            attempt: 0,
        }),
        release: None,
        change_type: Some(ChangeType::Update),
        notified_at_ms: Some(at_us / 1_000),
        content_kept: true,
    }
}
