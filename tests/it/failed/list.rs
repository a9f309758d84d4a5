//! What the list says of records, page by page.

use keepstep::failed::ListError;
use keepstep::failed::change::KnownChange;
use keepstep::failed::list::{Filter, Step};
use keepstep::failed::store::{Reader, Store};
use keepstep::model::held::{HeldCause, HeldChange, HeldKey, ReleaseReason};
use keepstep::model::position::Offset;
use keepstep::model::record::EntityName;

use super::{
    DAY_US, MINUTE_US, NOON_US, account, apply, entries, held, letter, open_entries, profile,
    released, resolved_entries, waiting,
};

#[test]
fn a_record_has_one_open_entry_headed_by_what_does_not_wait() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("failed.sqlite");
    let third = HeldChange { attempt: 3, ..held(1, 12, 2) };
    let letters = [waiting(held(1, 10, 0)), waiting(held(1, 11, 1)), third, held(2, 13, 3)];
    apply(&list, &letters.map(|held| letter(&held)));
    let open = open_entries(&list);
    assert_eq!(open.len(), 2);
    assert_eq!((open[0].head.position.offset, open[0].changes), (Offset(12), 3));
    assert_eq!(open[0].cause.as_ref().unwrap().code, "text_too_long");
    assert_eq!(open[0].attempt, 3);
    assert_eq!(open[0].first_at_us, NOON_US);
    assert_eq!(open[0].last_at_us, NOON_US + 2 * MINUTE_US);
    assert_eq!(open[1].changes, 1);
}

#[test]
fn a_record_leaves_when_its_last_change_is_released_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("failed.sqlite");
    let (first, second) = (held(1, 10, 0), waiting(held(1, 11, 1)));
    apply(&list, &[letter(&first), letter(&second)]);
    apply(&list, &[letter(&released(first, ReleaseReason::Superseded, 5))]);
    assert_eq!(open_entries(&list)[0].changes, 1);
    apply(&list, &[letter(&released(second, ReleaseReason::Written, 6))]);
    assert_eq!(open_entries(&list), []);
    let history = resolved_entries(&list);
    assert_eq!(history.len(), 1);
    let ended = history[0].ended.as_ref().unwrap();
    assert_eq!((ended.reason.as_str(), ended.at_us), ("written", NOON_US + 6 * MINUTE_US));
    // The history still says why it was held.
    assert_eq!(history[0].cause.as_ref().unwrap().code, "text_too_long");
    apply(&list, &[letter(&held(1, 20, 30))]);
    assert_eq!((open_entries(&list).len(), resolved_entries(&list).len()), (1, 1));
}

#[test]
fn what_has_no_record_is_an_entry_each() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("failed.sqlite");
    let unknown = |offset: i64| {
        let key = HeldKey { offset: Offset(offset), entity: None, record_id: None };
        let cause = HeldCause { code: "undecodable".into(), ..held(1, 1, 1).cause };
        letter(&HeldChange { key, cause, ..held(1, offset, 0) })
    };
    apply(&list, &[unknown(1), unknown(2), letter(&held(1, 3, 0))]);
    let offsets: Vec<i64> =
        open_entries(&list).iter().map(|entry| entry.head.position.offset.0).collect();
    assert_eq!(offsets, [1, 2, 3]);
}

#[test]
fn filters_take_what_they_name() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("failed.sqlite");
    let mut contact = held(7, 20, 10);
    contact.key.entity = Some(EntityName::new("contact"));
    contact.cause.code = "refused".into();
    apply(&list, &[held(1, 10, 0), held(2, 11, 5), contact].map(|held| letter(&held)));
    let count = |filter: Filter| entries(&list, &filter).len();
    assert_eq!(count(Filter::default()), 3);
    assert_eq!(count(Filter { entity: Some(account()), ..Filter::default() }), 2);
    assert_eq!(count(Filter { entity: Some(EntityName::new("lead")), ..Filter::default() }), 0);
    assert_eq!(count(Filter { cause: Some("refused".to_owned()), ..Filter::default() }), 1);
    let five = NOON_US + 5 * MINUTE_US;
    assert_eq!(count(Filter { from_us: Some(five), ..Filter::default() }), 2);
    assert_eq!(count(Filter { to_us: Some(five), ..Filter::default() }), 1);
    let reader = Reader::open(&list).unwrap().unwrap();
    let summary = reader.summary(&profile(), &Filter::default()).unwrap();
    let lines: Vec<_> = summary
        .lines
        .iter()
        .map(|line| (line.entity.as_deref().unwrap(), line.cause.as_str(), line.entries))
        .collect();
    assert_eq!(lines, [("account", "text_too_long", 2), ("contact", "refused", 1)]);
    assert!(summary.lines[1].advice().contains("database's code"));
}

#[test]
fn pages_hold_every_entry_once() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("failed.sqlite");
    let mut letters: Vec<_> = (1..=25).map(|n| letter(&held(n, 100, 0))).collect();
    letters.extend((1..=25).map(|n| letter(&waiting(held(n, 101, 1)))));
    apply(&list, &letters);
    for size in [1, 7, 25, 26] {
        let reader = Reader::open(&list).unwrap().unwrap();
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let mut count = 0;
            let visit = |entry: &keepstep::failed::entry::Entry| {
                seen.push(entry.head.record_id.unwrap().0.as_u128());
                count += 1;
                Ok::<_, ListError>(if count == size { Step::Enough } else { Step::Next })
            };
            after = reader.entries(&profile(), &Filter::default(), after.as_ref(), visit).unwrap();
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, (1..=25).collect::<Vec<u128>>(), "pages of {size}");
    }
}

#[test]
fn what_ended_is_kept_for_its_days() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("failed.sqlite");
    let old = released(held(1, 10, 0), ReleaseReason::Written, 1);
    let young = released(held(2, 11, 0), ReleaseReason::Written, 60);
    apply(&list, &[letter(&held(1, 10, 0)), letter(&old), letter(&young), letter(&held(3, 12, 0))]);
    let mut store = Store::open(&list).unwrap();
    // The clock stands at 30 days and two minutes after noon.
    let now_us = NOON_US + 30 * DAY_US + 2 * MINUTE_US;
    assert_eq!(store.drop_released(now_us - 30 * DAY_US), Ok((1, false)));
    assert_eq!(store.drop_released(now_us - 30 * DAY_US), Ok((0, false)));
    assert_eq!((resolved_entries(&list).len(), open_entries(&list).len()), (1, 1));
}

#[test]
fn a_long_history_is_dropped_part_by_part() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("failed.sqlite");
    let letters: Vec<_> = (1..=12_000_i64)
        .map(|at| letter(&released(held(1, at, 0), ReleaseReason::Written, 1)))
        .map(|letter| KnownChange::of(&letter, None))
        .collect();
    let mut store = Store::open(&list).unwrap();
    store.apply(&profile(), letters, None).unwrap();
    let parts: Vec<_> = (0..3).map(|_| store.drop_released(NOON_US + DAY_US).unwrap()).collect();
    assert_eq!(parts, [(5_000, true), (5_000, true), (2_000, false)]);
}

#[test]
fn profiles_do_not_see_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("failed.sqlite");
    apply(&list, &[letter(&held(1, 10, 0))]);
    let other = keepstep::model::profile::ProfileId::new("other").unwrap();
    let reader = Reader::open(&list).unwrap().unwrap();
    let none = reader.entries(&other, &Filter::default(), None, |_| -> Result<Step, ListError> {
        panic!("an entry of another profile")
    });
    assert_eq!(none, Ok(None));
}
