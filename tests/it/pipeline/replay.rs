//! Replays: entities whose cursor a person puts back, to write again what the log holds.

use keepstep::destination::desk::RequestState;
use keepstep::log::NewRecord;
use keepstep::model::change::Operation;
use keepstep::model::position::{NextOffset, TopicPartition};
use serde_json::{Value, json};

use super::{Scene, change, record, records};

fn replay(entity: Option<&str>, from: &Value) -> String {
    json!({ "kind": "replay", "entity": entity, "from": from }).to_string()
}

/// Twenty records of the versioned entity and ten of the other one, all written.
async fn written() -> Scene {
    let mut scene = Scene::new(1).await;
    scene.append(records(0..20)).await;
    scene.append((0..10).map(|number| record(&change("gamma", number, 1))).collect()).await;
    scene.start();
    scene.settled(30).await;
    assert_eq!(scene.rows(), 30);
    scene
}

/// Empties the tables, as a person may.
fn truncate(scene: &Scene) {
    let mut state = scene.destination.state();
    state.rows.clear();
    scene.destination.restore(state);
}

fn counts(progress: &str) -> [u64; 4] {
    let progress: Value = serde_json::from_str(progress).unwrap();
    ["written", "deleted", "superseded", "failed"].map(|name| progress[name].as_u64().unwrap())
}

#[tokio::test(start_paused = true)]
async fn what_the_log_holds_is_written_again_and_live_changes_go_on() {
    let scene = written().await;
    truncate(&scene);
    scene.ask(&[&replay(None, &json!("start"))]).await;
    scene.append(vec![record(&change("alpha", 100, 1))]).await;
    let answers = scene.answers().await;
    assert_eq!(answers[0].0, RequestState::Done, "{answers:?}");
    assert_eq!(counts(&answers[0].1)[1..], [0, 0, 0]);
    assert!((30..=31).contains(&counts(&answers[0].1)[0]), "{answers:?}");
    scene.settled(31).await;
    assert_eq!(scene.rows(), 31);
}

#[tokio::test(start_paused = true)]
async fn one_entity_is_written_again_from_an_offset_or_a_time() {
    let scene = written().await;
    truncate(&scene);
    scene.ask(&[&replay(Some("gamma"), &json!({ "offset": 25 }))]).await;
    let answers = scene.answers().await;
    assert_eq!((answers[0].0, counts(&answers[0].1)), (RequestState::Done, [5, 0, 0, 0]));
    assert_eq!(scene.rows(), 5);
    // Later than anything that the log holds: there is nothing to do.
    scene.ask(&[&replay(None, &json!({ "time_ms": 1_800_000_000_000_i64 }))]).await;
    let answers = scene.answers().await;
    assert_eq!((answers[1].0, counts(&answers[1].1)), (RequestState::Done, [0, 0, 0, 0]));
    // Every record has this time.
    scene.ask(&[&replay(Some("alpha"), &json!({ "time_ms": 1_700_000_000_000_i64 }))]).await;
    assert_eq!(counts(&scene.answers().await[2].1), [20, 0, 0, 0]);
    assert_eq!(scene.rows(), 25);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_replayed_is_refused_with_a_reason() {
    let scene = written().await;
    let partition = TopicPartition::new(&scene.topic, 0);
    scene.log.trim(&partition, NextOffset(9)).await.unwrap();
    let wishes = [replay(None, &json!({ "offset": 3 })), replay(Some("stranger"), &json!("start"))];
    scene.ask(&wishes.each_ref().map(String::as_str)).await;
    let answers = scene.answers().await;
    assert_eq!((answers[0].0, answers[1].0), (RequestState::Refused, RequestState::Refused));
    assert!(answers[0].1.contains("starts only at offset 9"), "{answers:?}");
    assert!(answers[1].1.contains("no such entity"), "{answers:?}");
}

/// The cursors stand back in the destination and the request on its desk: the next owner goes on.
#[tokio::test(start_paused = true)]
async fn a_replay_goes_on_after_a_crash_at_any_time() {
    for after_ms in [500, 1_000, 1_001, 1_010, 1_030, 1_100] {
        let mut scene = written().await;
        truncate(&scene);
        scene.ask(&[&replay(None, &json!("start"))]).await;
        tokio::time::sleep(std::time::Duration::from_millis(after_ms)).await; // paused time
        scene.running.shutdown().await;
        scene.start();
        let answers = scene.answers().await;
        assert_eq!(answers[0].0, RequestState::Done, "{after_ms} ms: {answers:?}");
        assert_eq!(scene.rows(), 30, "{after_ms} ms: {answers:?}");
    }
}

/// What has versions is skipped; what has none runs to its end, for its rows pass through old
/// values.
#[tokio::test(start_paused = true)]
async fn a_stop_skips_what_has_versions_and_nothing_else() {
    let scene = written().await;
    let mut gone = change("alpha", 3, 2);
    gone.operation = Operation::Delete;
    // Before the lane has begun.
    scene.ask(&[&replay(None, &json!("start"))]).await;
    scene.move_requests(RequestState::Asked, RequestState::StopAsked).await;
    scene.append(vec![record(&gone)]).await;
    let answers = scene.answers().await;
    assert_eq!(answers[0].0, RequestState::Stopped, "{answers:?}");
    scene.settled(31).await;
    assert_eq!(scene.rows(), 29);
}

/// A gap is mended by a person alone, who says where to start anew.
#[tokio::test(start_paused = true)]
async fn a_lane_with_a_gap_starts_anew_where_a_person_says() {
    let mut scene = written().await;
    scene.end().await.unwrap();
    scene.append(records(30..50)).await;
    let partition = TopicPartition::new(&scene.topic, 0);
    scene.log.trim(&partition, NextOffset(40)).await.unwrap();
    scene.start();
    assert!(scene.stopped().await.contains("keepstep resync --from start"));
    let wishes = [r#"{"kind":"resume","entity":null}"#, &replay(None, &json!("start"))];
    scene.ask(&wishes).await;
    let answers = scene.answers().await;
    assert_eq!((answers[0].0, answers[1].0), (RequestState::Refused, RequestState::Done));
    assert!(answers[0].1.contains("gap: re-sync needed"), "{answers:?}");
    assert_eq!(counts(&answers[1].1), [10, 0, 0, 0]);
    assert_eq!(scene.rows(), 40);
    scene.append(records(60..61)).await;
    scene.settled(51).await;
}

/// The places of held changes are another topic's then.
#[tokio::test(start_paused = true)]
async fn a_topic_made_anew_is_read_from_its_start_when_a_person_says_so() {
    let mut scene = written().await;
    let garbage = NewRecord { payload: Some("?".into()), ..record(&change("alpha", 9, 1)) };
    scene.append(vec![garbage]).await;
    scene.settled(31).await;
    assert_eq!(scene.held().len(), 1);
    scene.end().await.unwrap();
    scene.log.recreate_topic(&scene.topic).await.unwrap();
    scene.append(records(100..107)).await;
    scene.start();
    assert!(scene.stopped().await.contains("made anew"));
    scene.ask(&[&replay(None, &json!("start"))]).await;
    assert_eq!(scene.answers().await[0].0, RequestState::Done);
    assert_eq!((scene.rows(), scene.held().len()), (37, 0));
    // And it is known from now on.
    scene.end().await.unwrap();
    scene.start();
    scene.append(records(107..108)).await;
    scene.settled(8).await;
}

/// A gap that comes while a replay runs is nobody's wish: the replay ends, and no cursor moves.
#[tokio::test(start_paused = true)]
async fn a_gap_is_not_mended_by_a_replay_that_ran_before_it() {
    for begun in [true, false] {
        let mut scene = written().await;
        scene.end().await.unwrap();
        scene.append(records(30..50)).await;
        let partition = TopicPartition::new(&scene.topic, 0);
        scene.log.trim(&partition, NextOffset(40)).await.unwrap();
        let progress = json!({
            "from": 45, "to": { "alpha": 30 }, "begun": begun, "at": 45,
            "written": 0, "deleted": 0, "superseded": 0, "failed": 0,
        });
        scene.ask(&[&replay(None, &json!({ "offset": 45 }))]).await;
        scene.note(RequestState::Running, &progress.to_string()).await;
        scene.start();
        let answers = scene.answers().await;
        assert_eq!(answers[0].0, RequestState::Refused, "{answers:?}");
        assert!(answers[0].1.contains("gap: re-sync needed"), "{answers:?}");
        let cursors =
            scene.destination.look(keepstep::destination::memory::MemoryState::checkpoints);
        assert!(cursors.values().all(|next| *next == NextOffset(30)), "{cursors:?}");
        assert_eq!(scene.rows(), 30);
    }
}
