//! What people ask at the desk is done by the lane that it is meant for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keepstep::destination::desk::RequestState;
use keepstep::destination::faulty::Opinion;
use keepstep::log::NewRecord;
use keepstep::model::change::{Image, Operation};

use super::{Scene, change, record, records};

#[tokio::test(start_paused = true)]
async fn what_people_ask_at_the_desk_is_done_by_the_lane() {
    let mut scene = Scene::new(1).await;
    let garbage = NewRecord { payload: Some("?".into()), ..record(&change("alpha", 9, 1)) };
    let mut patch = change("alpha", 10, 1);
    (patch.operation, patch.image) = (Operation::Update, Image::Patch);
    scene.append(vec![garbage, record(&patch)]).await;
    scene.start();
    scene.settled(2).await;
    assert_eq!(scene.held().len(), 2);
    let id = change("alpha", 9, 1).record_id.canonical();
    let dismiss = format!(r#"{{"kind":"dismiss","entity":null,"record_id":"{id}","offset":0}}"#);
    let wishes = [
        dismiss.as_str(),
        r#"{"kind":"retry","entity":"alpha","cause":"no_base","record_id":null}"#,
        r#"{"kind":"resume","entity":null}"#,
        r#"{"kind":"explode"}"#,
    ];
    scene.ask(&wishes).await;
    scene.when(|board| board.lanes().values().all(|lane| lane.held == 1)).await;
    let answers = scene.answers().await;
    let told: Vec<(RequestState, &str)> =
        answers.iter().map(|(state, progress)| (*state, progress.as_str())).collect();
    assert_eq!(
        told[..3],
        [
            (RequestState::Done, r#"{"dismissed":true}"#),
            (RequestState::Done, r#"{"records":1}"#),
            (RequestState::Done, r#"{"resumed":false}"#),
        ]
    );
    assert_eq!(told[3].0, RequestState::Refused);
    let left = scene.held();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].cause.code, "no_base");
    scene.when(|_| scene.held().first().is_some_and(|held| held.attempt == 1)).await;
}

/// A try takes the checkpoint anew, and with it what is held: the others were forgotten then.
#[tokio::test(start_paused = true)]
async fn all_records_that_a_person_wants_tried_are_tried() {
    let mut scene = Scene::new(1).await;
    let refusing = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&refusing);
    scene.judge = Some(Arc::new(move |_, _| match asked.load(Ordering::Relaxed) {
        true => Opinion::Refused,
        false => Opinion::Fine,
    }));
    scene.start();
    scene.append(records(0..5)).await;
    // All of their own tries fail.
    scene.when(|_| scene.held().len() == 5 && scene.held().iter().all(|it| it.attempt == 3)).await;
    refusing.store(false, Ordering::Relaxed);
    scene.ask(&[r#"{"kind":"retry","entity":null,"cause":null,"record_id":null}"#]).await;
    scene.when(|_| scene.held().is_empty()).await;
    assert_eq!(scene.rows(), 5);
    assert_eq!(scene.answers().await[0].1, r#"{"records":5}"#);
}
