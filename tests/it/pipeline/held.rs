//! What cannot be written is held with its cause and stops nobody (G4, G5); what fails alike as a
//! whole pauses its entity (G6).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keepstep::destination::faulty::Opinion;
use keepstep::log::NewRecord;
use keepstep::model::cell::Cell;
use keepstep::model::change::{Change, Image, Operation};
use keepstep::model::checkpoint::Scope;
use keepstep::model::held::{HeldChange, MAX_HELD_PER_RECORD};
use keepstep::model::mutation::Mutations;
use keepstep::model::position::{NextOffset, Offset};
use keepstep::model::record::EntityName;
use keepstep::model::value::Value;

use super::{Scene, change, record, records};

/// A rejected change is held, and its neighbours are written; the held one's cause and record.
async fn held_at_3(rejected: NewRecord, partitions: u32) -> HeldChange {
    let mut scene = Scene::new(partitions).await;
    scene.append(records(0..3)).await;
    scene.append(vec![rejected]).await;
    scene.append(records(10..13)).await;
    scene.start();
    scene.settled(7).await;
    assert_eq!(scene.rows(), 6);
    let held = scene.held();
    assert_eq!(held.len(), 1, "{held:?}");
    assert_eq!(held[0].key.offset, Offset(3));
    // Started again it is held still, once.
    scene.end().await.unwrap();
    scene.start();
    scene.when(|board| board.lanes().values().any(|lane| lane.held == 1)).await;
    assert_eq!(scene.held(), held);
    held[0].clone()
}

#[tokio::test(start_paused = true)]
async fn a_change_that_does_not_fit_is_held_with_record_column_and_cause() {
    let mut wrong = change("alpha", 9, 1);
    wrong.attributes = vec![("n2".into(), Value::Text("SECRET".into()))];
    let held = held_at_3(record(&wrong), 1).await;
    assert_eq!(held.key.record_id, Some(wrong.record_id));
    assert_eq!(
        (held.cause.code.as_str(), held.cause.column.as_deref()),
        ("wrong_type", Some("n2"))
    );
    assert!(!format!("{held:?}").contains("SECRET"), "{held:?}");

    let mut unversioned = change("alpha", 9, 1);
    unversioned.version = None;
    assert_eq!(held_at_3(record(&unversioned), 1).await.cause.code, "version_missing");

    let mut patch = change("alpha", 9, 1);
    (patch.operation, patch.image) = (Operation::Update, Image::Patch);
    assert_eq!(held_at_3(record(&patch), 1).await.cause.code, "no_base");
}

#[tokio::test(start_paused = true)]
async fn an_attribute_that_the_definition_lacks_pauses_its_entity_alone() {
    let mut scene = Scene::new(1).await;
    scene.append(records(0..3)).await;
    let mut unknown = change("alpha", 9, 1);
    unknown.attributes = vec![("stranger".into(), Value::Null)];
    scene.append(vec![record(&unknown)]).await;
    scene.append(records(10..13)).await;
    scene.append((0..4).map(|number| record(&change("gamma", number, 1))).collect()).await;
    scene.start();
    scene.when(|board| board.lanes().values().any(|lane| !lane.paused.is_empty())).await;
    scene.settled(11).await;
    let status = scene.status.lanes().into_values().next().unwrap();
    let why = &status.paused[&EntityName::new("alpha")];
    assert!(why.contains("attribute stranger") && why.contains("crm.org/0@3"), "{why}");
    // Three of alpha, four of gamma; the rest of alpha waits at its own cursor.
    assert_eq!((scene.rows(), scene.held().len()), (7, 0));
    let cursors = scene.destination.look(keepstep::destination::memory::MemoryState::checkpoints);
    let own = Scope::Entity(EntityName::new("alpha"));
    let of_alpha = cursors.iter().find(|((_, scope), _)| *scope == own).unwrap();
    assert_eq!(*of_alpha.1, NextOffset(3));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_decoded_is_held_under_its_key() {
    let null = NewRecord { payload: None, ..record(&change("alpha", 9, 1)) };
    let held = held_at_3(null, 1).await;
    assert_eq!(held.cause.code, "null_payload");
    assert_eq!(held.key.record_id, Some(change("alpha", 9, 1).record_id));
    let garbage =
        NewRecord { payload: Some("\u{1}SECRET".into()), ..record(&change("alpha", 9, 1)) };
    let held = held_at_3(garbage, 1).await;
    assert_eq!(held.cause.code, "undecodable");
    assert!(!format!("{held:?}").contains("SECRET"), "{held:?}");
}

#[tokio::test(start_paused = true)]
async fn keys_must_be_the_record_id_where_there_is_more_than_one_partition() {
    let good = record(&change("alpha", 9, 1));
    for key in [None, Some("0F8FAD5B-D9CB-469F-A165-70867728950E".into()), Some("".into())] {
        let wrong = NewRecord { key, ..good.clone() };
        assert_eq!(held_at_3(wrong, 2).await.cause.code, "key_mismatch");
    }
    let mut scene = Scene::new(1).await;
    scene.append(vec![NewRecord { key: None, ..good }]).await;
    scene.start();
    scene.settled(1).await;
    assert_eq!(scene.rows(), 1);
}

/// Where every entity of a topic stands back, nothing is read that nobody would take.
#[tokio::test(start_paused = true)]
async fn a_lane_whose_entities_all_stand_back_reads_nothing_on() {
    let mut scene = Scene::new(1).await;
    let unknown = |entity: &str| {
        let mut unknown = change(entity, 9, 1);
        unknown.attributes = vec![("stranger".into(), Value::Null)];
        record(&unknown)
    };
    scene.append(vec![unknown("alpha"), unknown("gamma")]).await;
    scene.append(records(10..110)).await;
    scene.start();
    scene.when(|board| board.lanes().values().any(|lane| lane.paused.len() == 2)).await;
    // Longer than offsets without a change stay unsettled.
    tokio::time::sleep(std::time::Duration::from_secs(20)).await; // paused time
    let cursors = scene.destination.look(keepstep::destination::memory::MemoryState::checkpoints);
    let all = cursors.iter().find(|((_, scope), _)| *scope == Scope::All).unwrap();
    assert!(*all.1 <= NextOffset(1), "{cursors:?}");
    assert_eq!(scene.rows(), 0);
}

/// A thousand bad changes of one entity, then good ones of another: how many are held when the
/// good ones are written.
async fn held_of_a_broken_producer(mutations: Mutations) -> usize {
    let mut scene = Scene::new(1).await;
    scene.mutations = mutations;
    let bad = (0..1_000).map(|number| {
        let mut bad = change("alpha", number, 1);
        bad.attributes = vec![("n0".into(), Value::Text("SECRET".into()))];
        record(&bad)
    });
    scene.append(bad.collect()).await;
    scene.append((0..5).map(|number| record(&change("gamma", number, 1))).collect()).await;
    scene.start();
    scene.settled(1_005).await;
    assert_eq!(scene.rows(), 5);
    scene.held().len()
}

#[tokio::test(start_paused = true)]
async fn an_entity_whose_changes_are_all_bad_is_paused_and_floods_no_list() {
    let held = held_of_a_broken_producer(Mutations::default()).await;
    assert!((100..=500).contains(&held), "{held}");
}

#[cfg(feature = "mutations")]
#[tokio::test(start_paused = true)]
async fn without_the_breaker_the_list_is_flooded() {
    let off = Mutations::with(keepstep::model::mutation::Mutation::BreakerOff);
    assert_eq!(held_of_a_broken_producer(off).await, 1_000);
}

/// One record that is a whole bad net change has more changes than may be held: what was left out
/// must be told, or a retry would pass over it (G4, G7).
#[tokio::test(start_paused = true)]
async fn more_changes_than_a_record_may_hold_leave_a_mark_and_no_retry() {
    let mut scene = Scene::new(1).await;
    let patches = (0..150).map(|version| {
        let mut patch = change("alpha", 9, version + 1);
        (patch.operation, patch.image) = (Operation::Update, Image::Patch);
        record(&patch)
    });
    scene.append(patches.collect()).await;
    scene.start();
    scene.settled(150).await;
    let held = scene.held();
    assert_eq!(held.len(), MAX_HELD_PER_RECORD);
    let causes: Vec<&str> = held.iter().map(|held| held.cause.code.as_str()).collect();
    assert_eq!((causes[0], causes[1]), ("no_base", "waits"));
    assert_eq!(causes[MAX_HELD_PER_RECORD - 1], "too_many");
    // An image takes the place of all of them.
    scene.append(vec![record(&change("alpha", 9, 1_000))]).await;
    scene.settled(151).await;
    assert_eq!((scene.held().len(), scene.rows()), (0, 1));
}

/// A create and a later image of one record in one batch are held as the later one alone, which
/// without versions must not forget that it makes the record: it is written after a delete.
#[tokio::test(start_paused = true)]
async fn a_retried_image_keeps_the_create_whose_place_it_took() {
    let mut scene = Scene::new(1).await;
    let refusing = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&refusing);
    scene.judge = Some(Arc::new(move |_, net| {
        let cells = net.image.iter().flat_map(|image| &image.cells);
        let bad = cells.into_iter().any(|(_, cell)| *cell == Cell::Integer(666));
        if bad && asked.load(Ordering::Relaxed) { Opinion::Refused } else { Opinion::Fine }
    }));
    scene.start();
    let of_gamma = |operation, number| {
        let attributes = vec![("n0".into(), Value::Integer(number))];
        record(&Change { operation, attributes, ..change("gamma", 1, 0) })
    };
    scene.append(vec![of_gamma(Operation::Create, 1), of_gamma(Operation::Delete, 1)]).await;
    scene.settled(2).await;
    scene.append(vec![of_gamma(Operation::Create, 2), of_gamma(Operation::Snapshot, 666)]).await;
    scene.settled(4).await;
    assert_eq!((scene.rows(), scene.held().len()), (0, 1));
    refusing.store(false, Ordering::Relaxed);
    scene.when(|_| scene.held().is_empty()).await;
    assert_eq!(scene.rows(), 1);
}

/// Without a row a delete leaves nothing but its tombstone, and ends what came before it all the
/// same; unless it is an old one that came again.
#[tokio::test(start_paused = true)]
async fn a_delete_without_a_row_ends_what_nobody_could_read() {
    let mut scene = Scene::new(1).await;
    scene.start();
    let deleted =
        |version| record(&Change { operation: Operation::Delete, ..change("alpha", 9, version) });
    let garbage = NewRecord { payload: Some("?".into()), ..record(&change("alpha", 9, 1)) };
    scene.append(vec![record(&change("alpha", 9, 3)), deleted(5)]).await;
    scene.settled(2).await;
    scene.append(vec![garbage]).await;
    scene.settled(3).await;
    scene.append(vec![deleted(5)]).await;
    scene.settled(4).await;
    assert_eq!(scene.held().len(), 2, "it may be older than what nobody could read");
    scene.append(vec![deleted(6)]).await;
    scene.settled(5).await;
    assert_eq!(scene.held(), []);
}

/// What stands behind something that nobody can read takes its place when the database takes it.
#[tokio::test(start_paused = true)]
async fn an_image_that_was_refused_behind_something_bad_is_tried_again() {
    for entity in ["alpha", "gamma"] {
        let mut scene = Scene::new(1).await;
        let refusing = Arc::new(AtomicBool::new(true));
        let asked = Arc::clone(&refusing);
        scene.judge = Some(Arc::new(move |_, net| {
            let refused = net.image.is_some() && asked.load(Ordering::Relaxed);
            if refused { Opinion::Refused } else { Opinion::Fine }
        }));
        let image = change(entity, 9, 5);
        let garbage = NewRecord { payload: Some("?".into()), ..record(&image) };
        let mut patch = change(entity, 9, 6);
        (patch.operation, patch.image) = (Operation::Update, Image::Patch);
        scene.append(vec![garbage]).await;
        scene.start();
        scene.settled(1).await;
        scene.append(vec![record(&image), record(&patch)]).await;
        scene.settled(3).await;
        scene.when(|_| scene.held().iter().any(|held| held.attempt == 2)).await;
        let causes: Vec<_> = scene.held().into_iter().map(|held| held.cause.code).collect();
        assert_eq!(causes, ["undecodable", "refused", "waits"]);
        refusing.store(false, Ordering::Relaxed);
        scene.when(|_| scene.held().is_empty()).await;
        assert_eq!(scene.rows(), 1);
    }
}
