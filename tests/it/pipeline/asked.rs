//! What people ask at the desk is done by the lane that it is meant for.

use keepstep::destination::desk::RequestState;
use keepstep::log::NewRecord;
use keepstep::model::change::{Image, Operation};

use super::{Scene, change, record};

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
