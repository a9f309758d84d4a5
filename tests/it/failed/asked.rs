//! The commands that ask lanes for something, on a real SQLite file: the test is the lanes' owner.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use keepstep::destination::desk::{
    Desk as _, LaneRequest, RequestState, StoredLaneState, WhichRequests,
};
use keepstep::destination::sqlite::SqliteDestination;
use keepstep::model::checkpoint::LaneId;
use keepstep::model::dead_letter::DeadLetter;
use keepstep::model::position::TopicPartition;
use serde_json::{Value, json};
use uuid::Uuid;

use super::commands::{PATIENCE, PAUSE, Place};
use super::desk::Scene;
use super::{apply, held, profile};
use crate::place::Answer;

/// A command in the background. It is killed when it is dropped.
struct Running(Option<Child>);

impl Running {
    fn start(place: &Place, arguments: &[&str]) -> Self {
        let mut command = place.command(arguments);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(Some(command.spawn().unwrap()))
    }

    fn child(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }

    fn interrupt(&mut self) {
        let id = self.child().id().to_string();
        assert!(Command::new("kill").args(["-s", "INT", &id]).status().unwrap().success());
    }

    fn answer(mut self) -> Answer {
        self.0.take().unwrap().wait_with_output().unwrap().into()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ended = child.kill();
            let _reaped = child.wait();
        }
    }
}

/// Waits until so many requests lie on the desk.
async fn asked(destination: &SqliteDestination, count: usize) -> Vec<LaneRequest> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let requests = destination.requests(&profile(), WhichRequests::All).await.unwrap();
        if requests.len() == count {
            return requests;
        }
        assert!(Instant::now() < deadline, "{requests:?}");
        tokio::time::sleep(PAUSE).await; // between two looks, up to the deadline
    }
}

async fn finish(
    destination: &SqliteDestination,
    request: &LaneRequest,
    to: RequestState,
    progress: &str,
) {
    let request = (request.id, &request.lane);
    let moved = destination.move_request(request, RequestState::Asked, to, progress).await;
    assert!(moved.unwrap());
}

fn body(request: &LaneRequest) -> Value {
    serde_json::from_str(&request.body).unwrap()
}

fn lane_of(scene: &Scene, partition: u32) -> LaneId {
    let topic_partition = TopicPartition::new(&scene.lane.topic_partition.topic, partition);
    LaneId { topic_partition, ..scene.lane.clone() }
}

/// The scene's two records in lane 3 on the list, and one more in lane 1.
async fn scene_with_list() -> Scene {
    let scene = Scene::new().await;
    scene.place.fine(&["failed", "rebuild"]);
    let letter = DeadLetter::of(&lane_of(&scene, 1), &held(7, 5, 0), None);
    apply(&scene.place.list(), &[letter]);
    scene
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_records_are_tried_by_the_lanes_that_hold_them() {
    let scene = scene_with_list().await;
    let running = Running::start(&scene.place, &["resync", "--failed"]);
    let requests = asked(&scene.destination, 2).await;
    let lanes: Vec<&LaneId> = requests.iter().map(|request| &request.lane).collect();
    assert_eq!(lanes, [&lane_of(&scene, 1), &lane_of(&scene, 3)]);
    assert_eq!(requests[0].id, requests[1].id);
    for request in &requests {
        let all = json!({"kind": "retry", "entity": null, "cause": null, "record_id": null});
        assert_eq!((body(request), request.state), (all, RequestState::Asked));
    }
    finish(&scene.destination, &requests[0], RequestState::Done, r#"{"records":1}"#).await;
    finish(&scene.destination, &requests[1], RequestState::Done, r#"{"records":2}"#).await;
    let answer = running.answer();
    assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""));
    assert_eq!(
        answer.out,
        "3 records meant, in 2 lanes\n3 records scheduled to be tried again; `keepstep failed \
         list` shows what is still open\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_wanted_is_asked_for() {
    let scene = scene_with_list().await;
    let record = Uuid::from_u128(7).to_string();
    let braced = format!("{{{}}}", record.to_uppercase());
    let said = scene.place.fine(&["resync", "--failed", "--record", &braced, "--no-wait"]);
    assert!(said.starts_with("1 record meant, in 1 lane\nasked; "), "{said}");
    let wanted = ["--entity", "account", "--cause", "text_too_long", "--no-wait"];
    let said = scene.place.fine(&[&["resync", "--failed"], &wanted[..]].concat());
    assert!(said.starts_with("3 records meant, in 2 lanes\n"), "{said}");
    for nothing in [["--entity", "contact"], ["--cause", "refused"], ["--record", &"0".repeat(32)]]
    {
        let said = scene.place.fine(&[&["resync", "--failed"], &nothing[..]].concat());
        assert_eq!(said, "no such records on the list; nothing was asked\n");
    }
    let requests = asked(&scene.destination, 3).await;
    let one = requests.iter().find(|request| body(request)["record_id"] == record).unwrap();
    assert_eq!(one.lane, lane_of(&scene, 1));
    let rest: Vec<Value> =
        requests.iter().filter(|request| request.id != one.id).map(body).collect();
    let expected = json!({
        "kind": "retry", "entity": "account", "cause": "text_too_long", "record_id": null,
    });
    assert_eq!(rest, [expected.clone(), expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_the_wait_and_not_the_request() {
    let scene = scene_with_list().await;
    let mut running = Running::start(&scene.place, &["resync", "--failed"]);
    asked(&scene.destination, 2).await;
    running.interrupt();
    let answer = running.answer();
    assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""));
    assert!(answer.out.ends_with("no longer waited for; the request goes on\n"), "{}", answer.out);
    let requests = scene.destination.requests(&profile(), WhichRequests::All).await.unwrap();
    assert!(requests.iter().all(|request| request.state == RequestState::Asked));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_lane_is_asked_to_resume() {
    let scene = Scene::new().await;
    let running = Running::start(&scene.place, &["resume", "--entity", "account"]);
    let requests = asked(&scene.destination, 4).await;
    for (partition, request) in (0..).zip(&requests) {
        assert_eq!(request.lane, lane_of(&scene, partition));
        assert_eq!(body(request), json!({"kind": "resume", "entity": "account"}));
        let progress = json!({"resumed": partition == 2}).to_string();
        finish(&scene.destination, request, RequestState::Done, &progress).await;
    }
    let answer = running.answer();
    assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""));
    assert_eq!(answer.out, "asking 4 lanes\n1 of 4 lanes had something to resume\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_told_with_its_reason() {
    let scene = Scene::new().await;
    let running = Running::start(&scene.place, &["resume"]);
    for request in asked(&scene.destination, 4).await {
        assert_eq!(body(&request), json!({"kind": "resume", "entity": null}));
        let why = r#"{"why":"this version does not know the request"}"#;
        finish(&scene.destination, &request, RequestState::Refused, why).await;
    }
    let answer = running.answer();
    assert_eq!(answer.code, Some(1));
    let expected = "4 lanes did not do it; crm.contoso.account/0 says: this version does not know";
    assert!(answer.err.contains(expected), "{}", answer.err);
}

#[test]
fn wrong_wishes_are_refused() {
    let place = Place::new();
    for (arguments, expected) in [
        (&["resync"][..], "--failed|--from <WHERE>|--stop"),
        (&["resync", "--from", "yesterday"], "an offset, or a time like"),
        (&["resync", "--from", "start", "--failed"], "cannot be used with"),
        (&["resync", "--from", "start", "--entity", "acount"], "has no entity acount"),
        (&["resync", "--failed", "--record", "x"], "--record"),
        (&["resync", "--failed", "--profile", "other"], "there is no profile other"),
        (&["resume", "--entity", "acount"], "profile crm has no entity \"acount\""),
        (&["status", "--profile", "other"], "there is no profile other"),
    ] {
        let answer = place.run(arguments);
        assert_eq!(answer.code, Some(2), "{arguments:?}: {}", answer.err);
        assert!(answer.err.contains(expected), "{arguments:?}: {}", answer.err);
    }
    let answer = place.run(&["resync", "--failed"]);
    assert_eq!(answer.code, Some(1));
    assert!(answer.err.contains("there is no failed-record list"), "{}", answer.err);
}

fn state(scene: &Scene, body: &Value) -> StoredLaneState {
    StoredLaneState {
        topic_partition: scene.lane.topic_partition.clone(),
        owner: "host:7".into(),
        body: body.to_string(),
        age_us: 0,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn status_shows_what_lanes_say() {
    let scene = Scene::new().await;
    let nobody = scene.place.fine(&["status"]);
    assert!(nobody.starts_with("no process has said how its lanes are"), "{nobody}");
    let said = json!({
        "state": "running", "reason": null, "settled": 20, "end": 1_020, "held": 3,
        "settled_ms": 1, "paused": {"account": "too many rejections"}, "outbox": null,
    });
    let states = [state(&scene, &said)];
    scene.destination.put_lane_states(&profile(), &states).await.unwrap();
    let shown = scene.place.fine(&["status"]);
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with("LANE") && lines[0].ends_with("OWNER"), "{shown}");
    assert!(lines[1].starts_with("crm.contoso.account/3  running "), "{shown}");
    assert!(lines[1].contains(" 1,000 ") && lines[1].ends_with("host:7"), "{shown}");
    assert_eq!(lines[2], "1 lane: lag 1,000 changes, held 3");
    assert_eq!(lines[4], "crm.contoso.account/3: account is paused: too many rejections");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_status_changes_until_it_is_interrupted() {
    let scene = Scene::new().await;
    let mut running = Running::start(&scene.place, &["status", "--watch"]);
    let mut lines = BufReader::new(running.child().stdout.take().unwrap()).lines();
    let mut next = |what: &str| {
        // Ends with the process, if not with the words.
        lines.by_ref().take(1_000).map(Result::unwrap).find(|line| line.contains(what)).unwrap()
    };
    next("no process has said");
    let taking = state(&scene, &json!({"state": "taking"}));
    scene.destination.put_lane_states(&profile(), &[taking]).await.unwrap();
    next("crm.contoso.account/3  taking ");
    let running_state = state(&scene, &json!({"state": "running", "later": {}}));
    scene.destination.put_lane_states(&profile(), &[running_state]).await.unwrap();
    next("crm.contoso.account/3  running ");
    running.interrupt();
    let answer = running.answer();
    assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""));
}
