//! A rebuild makes the list equal to what the destination holds.

use std::path::Path;
use std::sync::Arc;

use keepstep::destination::Destination;
use keepstep::destination::memory::MemoryDestination;
use keepstep::failed::rebuild::{Rebuilt, rebuild};
use keepstep::failed::store::Store;
use keepstep::model::held::{HeldChange, ReleaseReason};
use keepstep::model::mutation::Mutations;

use super::{
    MINUTE_US, NOON_US, apply, held, lane, letter, open_entries, profile, released,
    resolved_entries, waiting,
};

fn destination(holds: &[HeldChange]) -> Arc<dyn Destination> {
    let destination = MemoryDestination::new(Mutations::default());
    let mut state = destination.state();
    for held in holds {
        state.held.insert((lane(), held.key.clone()), held.clone());
    }
    destination.restore(state);
    Arc::new(destination)
}

async fn rebuilt(list: &Path, holds: &[HeldChange]) -> Rebuilt {
    let store = Store::open(list).unwrap();
    let now_us = NOON_US + 100 * MINUTE_US;
    rebuild(store, &destination(holds), &profile(), &[lane()], now_us).await.unwrap()
}

/// Enough of them for several pages.
fn many() -> Vec<HeldChange> {
    (1..=2_500_i64).map(|at| held(u128::from(at.unsigned_abs()), at, at)).collect()
}

#[tokio::test]
async fn an_empty_list_gets_every_open_entry() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("failed.sqlite");
    let mut holds = many();
    holds[7] = released(holds[7].clone(), ReleaseReason::Superseded, 9_000);
    assert_eq!(rebuilt(&list, &holds).await, Rebuilt { open: 2_499, closed: 0 });
    assert_eq!((open_entries(&list).len(), resolved_entries(&list).len()), (2_499, 1));
    // The same as by the topic.
    let by_topic = folder.path().join("topic.sqlite");
    apply(&by_topic, &holds.iter().map(letter).collect::<Vec<_>>());
    assert_eq!(open_entries(&list), open_entries(&by_topic));
    assert_eq!(rebuilt(&list, &holds).await, Rebuilt { open: 2_499, closed: 0 });
    assert_eq!(open_entries(&list), open_entries(&by_topic));
}

#[tokio::test]
async fn what_the_destination_holds_no_more_ends() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("failed.sqlite");
    apply(&list, &[held(1, 10, 0), waiting(held(1, 11, 0)), held(2, 12, 0)].map(|h| letter(&h)));
    assert_eq!(rebuilt(&list, &[held(2, 12, 0)]).await, Rebuilt { open: 1, closed: 2 });
    assert_eq!(open_entries(&list).len(), 1);
    let ended = resolved_entries(&list)[0].ended.clone().unwrap();
    assert_eq!((ended.reason.as_str(), ended.at_us), ("not_held", NOON_US + 100 * MINUTE_US));
    // A late release says why after all; a later hold opens it again.
    apply(&list, &[letter(&released(held(1, 10, 0), ReleaseReason::Written, 200))]);
    assert_eq!(resolved_entries(&list)[0].ended.clone().unwrap().reason, "written");
    apply(&list, &[letter(&held(1, 10, 300))]);
    assert_eq!(open_entries(&list).len(), 2);
}

#[tokio::test]
async fn a_restored_destination_counts_more_than_older_releases() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("failed.sqlite");
    let before = held(1, 10, 0);
    apply(&list, &[letter(&before), letter(&released(before.clone(), ReleaseReason::Written, 5))]);
    assert_eq!(open_entries(&list), []);
    assert_eq!(rebuilt(&list, &[before]).await.open, 1);
    assert_eq!(open_entries(&list).len(), 1);
}

#[test]
fn what_comes_during_a_rebuild_stays() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("failed.sqlite");
    apply(&list, &[letter(&held(1, 10, 0)), letter(&held(2, 11, 0))]);
    let mut store = Store::open(&list).unwrap();
    let under_way = store.begin_rebuild(&profile()).unwrap();
    // The compactor adds a new entry and another try of a known one.
    let again = HeldChange { attempt: 1, ..held(1, 10, 1) };
    apply(&list, &[letter(&held(3, 12, 2)), letter(&again)]);
    assert_eq!(store.finish_rebuild(&under_way, NOON_US), Ok(1));
    let open: Vec<u128> =
        open_entries(&list).iter().map(|entry| entry.head.record_id.unwrap().0.as_u128()).collect();
    assert_eq!(open, [1, 3]);
}
