//! The desk: requests moved by compare-and-set, lane states said and read, profiles apart.

use std::sync::Arc;

use keepstep::destination::Destination;
use keepstep::destination::DestinationError;
use keepstep::destination::desk::{
    LaneRequest, MAX_OPEN_REQUESTS, RequestState, StoredLaneState, WhichRequests,
};
use keepstep::model::checkpoint::LaneId;
use keepstep::model::position::{Topic, TopicPartition};
use keepstep::model::profile::ProfileId;
use uuid::Uuid;

use super::outcome::{Outcome, equal, holds, refused, worked};
use super::scene::{self, Scene};

/// Longest time between saying and reading that a case can take, in µs.
const CASE_US: i64 = 300_000_000;

/// Text that would break out if it could.
const HOSTILE: &str = "{\"why\": \"it's \\\\ 中 😀 \\\"; DROP TABLE x; --\"}";

fn profile(name: &str) -> ProfileId {
    ProfileId::new(name).expect("a valid id")
}

fn lane(profile: &ProfileId, topic: &str, partition: u32) -> LaneId {
    LaneId {
        profile: profile.clone(),
        topic_partition: TopicPartition::new(&Topic::new(topic), partition),
    }
}

fn request(number: u128, lane: &LaneId) -> LaneRequest {
    LaneRequest {
        id: Uuid::from_u128(number),
        lane: lane.clone(),
        body: HOSTILE.to_owned(),
        state: RequestState::Asked,
        progress: String::new(),
        asked_at_us: 0,
    }
}

async fn desk(scene: &Scene) -> Outcome<Arc<dyn Destination>> {
    scene.activated(&scene::activation(&[&scene::letters("account", true)])).await
}

/// Requests as they are read, without the time of asking; the parts of one by lane.
async fn requests(at: &dyn Destination, profile: &ProfileId) -> Outcome<Vec<LaneRequest>> {
    let mut read =
        worked("reading requests", at.desk().requests(profile, WhichRequests::All).await)?;
    for request in &mut read {
        holds(&format!("{request:?} was asked at a time"), request.asked_at_us > 0)?;
        request.asked_at_us = 0;
    }
    read.sort_by(|left, right| (left.id, &left.lane).cmp(&(right.id, &right.lane)));
    Ok(read)
}

/// Requests are kept as they were put, once, and read by every handle.
pub async fn requests_are_kept(scene: Scene) -> Outcome {
    let destination = desk(&scene).await?;
    let (mine, other) = (scene::profile(), profile("other"));
    let lanes = [lane(&mine, "t", 0), lane(&mine, "t", 1), lane(&mine, "u", 0)];
    equal("requests before any", &requests(&*destination, &mine).await?, &vec![])?;
    let parts: Vec<LaneRequest> = lanes.iter().map(|lane| request(1, lane)).collect();
    worked("putting a request", destination.desk().put_requests(&mine, &parts).await)?;
    let foreign = vec![request(1, &lane(&other, "v", 0))];
    worked("putting another's", destination.desk().put_requests(&other, &foreign).await)?;
    let second = vec![request(2, &lanes[0])];
    worked("putting a second", scene.open().await.desk().put_requests(&mine, &second).await)?;
    let expected = [parts.clone(), second].concat();
    equal("the requests", &requests(&*scene.open().await, &mine).await?, &expected)?;
    equal("the other's", &requests(&*destination, &other).await?, &foreign)?;
    let order = worked("reading", destination.desk().requests(&mine, WhichRequests::All).await)?;
    equal("the newest comes last", &order.last().map(|last| last.id), &Some(Uuid::from_u128(2)))?;

    // Put again after one has moved: it stays as it is.
    let moved = destination.desk().move_request(
        (parts[0].id, &lanes[0]),
        RequestState::Asked,
        RequestState::Running,
        HOSTILE,
    );
    equal("moved", &worked("moving", moved.await)?, &true)?;
    worked("putting it again", destination.desk().put_requests(&mine, &parts).await)?;
    let mut expected = expected;
    expected[0].state = RequestState::Running;
    HOSTILE.clone_into(&mut expected[0].progress);
    equal("the requests", &requests(&*destination, &mine).await?, &expected)?;

    // Finished, it is read only by who wants all.
    let (from, to) = (RequestState::Running, RequestState::Done);
    let done = destination.desk().move_request((parts[0].id, &lanes[0]), from, to, "");
    equal("done", &worked("moving", done.await)?, &true)?;
    let open = destination.desk().requests(&mine, WhichRequests::Unfinished).await;
    let open = worked("reading what is open", open)?;
    let left: Vec<&LaneId> = open.iter().map(|request| &request.lane).collect();
    equal("open lanes", &left, &vec![&lanes[1], &lanes[2], &lanes[0]])?;
    equal("all", &requests(&*destination, &mine).await?.len(), &4)
}

/// A request moves only from where it stands, one part alone.
pub async fn a_request_moves_by_compare_and_set(scene: Scene) -> Outcome {
    use RequestState::{Asked, Done, Refused, Running, StopAsked, Stopped};
    let destination = desk(&scene).await?;
    let mine = scene::profile();
    let lanes = [lane(&mine, "t", 0), lane(&mine, "t", 1)];
    let parts: Vec<LaneRequest> = lanes.iter().map(|lane| request(1, lane)).collect();
    worked("putting a request", destination.desk().put_requests(&mine, &parts).await)?;
    let mut stands = Asked;
    let walk = [Running, Running, StopAsked, Running, Stopped, Asked, Refused, Running, Done];
    for (step, to) in walk.into_iter().enumerate() {
        let said = format!("{{\"step\": {step}}}");
        for wrong in RequestState::ALL.into_iter().filter(|state| *state != stands) {
            let moved = destination.desk().move_request((parts[0].id, &lanes[0]), wrong, to, "no");
            equal(&format!("moved from {wrong:?}"), &worked("moving", moved.await)?, &false)?;
        }
        let moved = destination.desk().move_request((parts[0].id, &lanes[0]), stands, to, &said);
        equal(&format!("moved to {to:?}"), &worked("moving", moved.await)?, &true)?;
        stands = to;
        let read = requests(&*destination, &mine).await?;
        let expected = vec![
            LaneRequest { state: stands, progress: said, ..parts[0].clone() },
            parts[1].clone(),
        ];
        equal("the requests", &read, &expected)?;
    }
    for (id, lane) in [
        (Uuid::from_u128(9), lanes[1].clone()),
        (parts[1].id, lane(&mine, "t", 2)),
        (parts[1].id, lane(&mine, "T", 1)),
        (parts[1].id, lane(&profile("other"), "t", 1)),
    ] {
        let moved = destination.desk().move_request((id, &lane), Asked, Running, "");
        equal(&format!("moved {id} of {lane}"), &worked("moving", moved.await)?, &false)?;
    }
    Ok(())
}

/// A profile has a largest number of open requests; finished ones and other profiles' do not
/// count.
pub async fn open_requests_have_a_limit(scene: Scene) -> Outcome {
    let destination = desk(&scene).await?;
    let (mine, other) = (scene::profile(), profile("other"));
    let full: Vec<LaneRequest> = (0..u128::try_from(MAX_OPEN_REQUESTS).unwrap_or_default())
        .map(|number| request(number, &lane(&mine, "t", 0)))
        .collect();
    worked("as many as there may be", destination.desk().put_requests(&mine, &full).await)?;
    worked("the same again", destination.desk().put_requests(&mine, &full).await)?;
    let more = vec![request(1 << 64, &lane(&mine, "t", 0)), request(1, &lane(&mine, "t", 0))];
    let error = refused("one more", destination.desk().put_requests(&mine, &more).await)?;
    let is_limit =
        matches!(&error, DestinationError::Fatal(trouble) if trouble.code == "too_many_requests");
    holds(&format!("it is refused as too many: {error:?}"), is_limit)?;
    equal("requests kept", &requests(&*destination, &mine).await?.len(), &MAX_OPEN_REQUESTS)?;
    let theirs = vec![request(7, &lane(&other, "v", 0))];
    worked("another profile's", destination.desk().put_requests(&other, &theirs).await)?;
    let moved = destination.desk().move_request(
        (full[0].id, &full[0].lane),
        RequestState::Asked,
        RequestState::Done,
        "",
    );
    equal("one is finished", &worked("moving", moved.await)?, &true)?;
    worked("one more", destination.desk().put_requests(&mine, &more).await)?;
    equal("requests kept", &requests(&*destination, &mine).await?.len(), &(MAX_OPEN_REQUESTS + 1))
}

fn state(topic: &str, partition: u32, owner: &str, body: &str) -> StoredLaneState {
    StoredLaneState {
        topic_partition: TopicPartition::new(&Topic::new(topic), partition),
        owner: owner.into(),
        body: body.to_owned(),
        age_us: 0,
    }
}

async fn states(at: &dyn Destination, profile: &ProfileId) -> Outcome<Vec<StoredLaneState>> {
    let mut read = worked("reading lane states", at.desk().lane_states(profile).await)?;
    for state in &mut read {
        let recent = (0..CASE_US).contains(&state.age_us);
        holds(&format!("{state:?} was said just now"), recent)?;
        state.age_us = 0;
    }
    Ok(read)
}

/// What is said of a lane replaces what was, comes in the order of lanes, and leaves others alone.
pub async fn lane_states_are_said_and_read(scene: Scene) -> Outcome {
    let destination = desk(&scene).await?;
    let (mine, other) = (scene::profile(), profile("other"));
    equal("states before any", &states(&*destination, &mine).await?, &vec![])?;
    let said = [
        state("t", 10, "host:1", HOSTILE),
        state("t", 2, "host:1", "{}"),
        state("a", 3, "ho'st:\"1", "{\"lag\": 3}"),
    ];
    worked("saying", destination.desk().put_lane_states(&mine, &said).await)?;
    let theirs = vec![state("t", 2, "host:9", "{\"theirs\": true}")];
    worked("saying", destination.desk().put_lane_states(&other, &theirs).await)?;
    let mut expected = vec![said[2].clone(), said[1].clone(), said[0].clone()];
    let another = scene.open().await;
    equal("the states", &states(&*another, &mine).await?, &expected)?;
    expected[1] = state("t", 2, "host:2", "{\"lag\": 0}");
    let renewed = &expected[1..2];
    worked("saying anew", another.desk().put_lane_states(&mine, renewed).await)?;
    equal("the states", &states(&*destination, &mine).await?, &expected)?;
    worked("saying nothing", destination.desk().put_lane_states(&mine, &[]).await)?;
    equal("the states", &states(&*destination, &mine).await?, &expected)?;
    equal("the other's", &states(&*destination, &other).await?, &theirs)
}
