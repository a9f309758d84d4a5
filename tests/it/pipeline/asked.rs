//! What people ask at the desk is done by the lane that it is meant for.

use std::time::Duration;

use keepstep::destination::desk::{Desk as _, LaneRequest, RequestState};
use keepstep::log::NewRecord;
use keepstep::model::change::{Image, Operation};
use keepstep::model::checkpoint::LaneId;
use keepstep::model::position::TopicPartition;
use keepstep::model::profile::ProfileId;
use uuid::Uuid;

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
    let profile = ProfileId::new("test").unwrap();
    let ask = |number: u128, body: &str| LaneRequest {
        id: Uuid::from_u128(number),
        lane: LaneId {
            profile: profile.clone(),
            topic_partition: TopicPartition::new(&scene.topic, 0),
        },
        body: body.to_owned(),
        state: RequestState::Asked,
        progress: String::new(),
        asked_at_us: 0,
    };
    let id = change("alpha", 9, 1).record_id.canonical();
    let dismiss = format!(r#"{{"kind":"dismiss","entity":null,"record_id":"{id}","offset":0}}"#);
    let requests = [
        ask(1, &dismiss),
        ask(2, r#"{"kind":"retry","entity":"alpha","cause":"no_base","record_id":null}"#),
        ask(3, r#"{"kind":"resume","entity":null}"#),
        ask(4, r#"{"kind":"explode"}"#),
    ];
    scene.destination.put_requests(&profile, &requests).await.unwrap();
    scene.when(|board| board.lanes().values().all(|lane| lane.held == 1)).await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(600);
    let answers = loop {
        let answers = scene.destination.requests(&profile).await.unwrap();
        if answers.iter().all(|request| request.state.is_finished()) {
            break answers;
        }
        assert!(tokio::time::Instant::now() < deadline, "{answers:?}");
        tokio::time::sleep(Duration::from_millis(100)).await; // between two looks, up to the deadline
    };
    let told: Vec<(RequestState, &str)> =
        answers.iter().map(|request| (request.state, request.progress.as_str())).collect();
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
