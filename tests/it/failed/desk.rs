//! The commands that reach a destination: dismiss and rebuild, on a real SQLite file.

use std::sync::Arc;

use keepstep::destination::desk::{Desk as _, RequestState, WhichRequests};
use keepstep::destination::sqlite::{SqliteDestination, SqliteSettings};
use keepstep::destination::{ActivatedEntity, Activation, Destination, WhichHeld};
use keepstep::log::Log as _;
use keepstep::log::embedded::{EmbeddedLog, EmbeddedSettings, OpenMode};
use keepstep::model::batch::Batch;
use keepstep::model::checkpoint::{CursorMove, Fence, LaneId, OwnerToken, Scope};
use keepstep::model::held::{Hold, Release, ReleaseReason};
use keepstep::model::layout::{Existing, Layout};
use keepstep::model::mutation::Mutations;
use keepstep::model::position::{NextOffset, Topic, TopicPartition};
use serde_json::json;
use uuid::Uuid;

use super::commands::Place;
use super::{held, open_entries, profile, resolved_entries, waiting};
use crate::destination_conformance::scene;

/// The place's destination with three held changes of two accounts, and its log with their topic.
pub(super) struct Scene {
    pub place: Place,
    pub destination: SqliteDestination,
    pub lane: LaneId,
    token: OwnerToken,
}

impl Scene {
    pub(super) async fn new() -> Self {
        let place = Place::new();
        let settings = EmbeddedSettings::new(Arc::new(|| 1_700_000_000_000));
        let log = EmbeddedLog::open(place.path("log"), OpenMode::Append, settings).await.unwrap();
        let topic = Topic::new("crm.contoso.account");
        log.create_topic(&topic, 4, false).await.unwrap();
        assert_eq!(log.describe(&topic).await.unwrap().unwrap().partitions, 4);
        let sqlite = SqliteSettings::new(place.path("crm.sqlite"));
        let destination = SqliteDestination::start(sqlite, Mutations::default()).unwrap();
        let starts = (0..4).map(|number| (TopicPartition::new(&topic, number), NextOffset::ZERO));
        let entity = ActivatedEntity {
            mapping: scene::letters("account", true),
            topic: topic.clone(),
            partitions: 4,
        };
        let activation = Activation {
            profile: profile(),
            entities: vec![entity],
            starts: starts.collect(),
            layout: Layout::plain("main", None),
            existing: Existing::Refuse,
        };
        destination.activate(&activation).await.unwrap();
        let topic_partition = TopicPartition::new(&topic, 3);
        let lane = LaneId { profile: profile(), topic_partition };
        let token = OwnerToken(Uuid::from_u128(5));
        destination.take(&lane, token).await.unwrap();
        let scene = Self { place, destination, lane, token };
        let holds = [held(1, 10, 0), waiting(held(1, 11, 0)), held(2, 12, 0)].map(|held| Hold {
            key: held.key,
            creates: held.creates,
            version: None,
            cause: held.cause,
            attempt: 0,
        });
        let batch = Batch { holds: holds.to_vec(), ..Batch::default() };
        scene.write(batch, 0, 20).await;
        scene
    }

    async fn write(&self, batch: Batch, from: i64, to: i64) {
        let (from, to) = (NextOffset(from), NextOffset(to));
        let fence = Fence {
            lane: self.lane.clone(),
            token: self.token,
            moves: vec![CursorMove { scope: Scope::All, from, to }],
            splits: vec![],
            fingerprint: None,
        };
        self.destination.write(&fence, &Arc::new(batch)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_asks_the_destination_and_nothing_else() {
    let scene = Scene::new().await;
    let said = scene.place.fine(&["failed", "rebuild"]);
    assert_eq!(said, "3 changes held in 4 lanes, 0 changes of the list ended\n");
    let open = open_entries(&scene.place.list());
    assert_eq!(open.iter().map(|entry| entry.changes).collect::<Vec<_>>(), [2, 1]);
    // One is released, and its release published, while nobody looks at the topic.
    let release = Release { key: held(2, 12, 0).key, reason: ReleaseReason::Superseded };
    scene.write(Batch { releases: vec![release], ..Batch::default() }, 20, 21).await;
    let all = scene.destination.held(&scene.lane, WhichHeld::All, None, 10).await.unwrap();
    let last = all.into_iter().find(|held| !held.open).unwrap();
    scene.destination.mark_published(&scene.lane, &[(last.key, last.revision)]).await.unwrap();
    let said = scene.place.fine(&["failed", "rebuild"]);
    assert_eq!(said, "2 changes held in 4 lanes, 1 change of the list ended\n");
    assert_eq!(open_entries(&scene.place.list()).len(), 1);
    let ended = resolved_entries(&scene.place.list())[0].ended.clone().unwrap();
    assert_eq!(ended.reason, "not_held");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dismissal_is_asked_of_the_lane_for_every_change_of_the_record() {
    let scene = Scene::new().await;
    scene.place.fine(&["failed", "rebuild"]);
    let record = Uuid::from_u128(1).to_string();
    let said = scene.place.fine(&[
        "failed", "dismiss", "--entity", "account", "--record", &record, "--reason", "merged",
    ]);
    assert!(said.starts_with("asked to dismiss 2 changes;"), "{said}");
    let requests = scene.destination.requests(&profile(), WhichRequests::All).await.unwrap();
    let mut bodies: Vec<serde_json::Value> = requests
        .iter()
        .map(|request| {
            assert_eq!((&request.lane, request.state), (&scene.lane, RequestState::Asked));
            serde_json::from_str(&request.body).unwrap()
        })
        .collect();
    bodies.sort_by_key(|body| body["offset"].as_i64());
    let expected = |offset: i64| {
        json!({
            "kind": "dismiss", "entity": "account", "record_id": record, "offset": offset,
            "reason": "merged",
        })
    };
    assert_eq!(bodies, [expected(10), expected(11)]);
    // The list waits for the lane's word.
    assert_eq!(open_entries(&scene.place.list()).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_without_the_topic_closes_nothing() {
    let scene = Scene::new().await;
    scene.place.fine(&["failed", "rebuild"]);
    std::fs::remove_dir_all(scene.place.path("log")).unwrap();
    let answer = scene.place.run(&["failed", "rebuild"]);
    assert_eq!(answer.code, Some(1));
    assert!(answer.err.contains("there is no topic crm.contoso.account"), "{}", answer.err);
    assert_eq!(open_entries(&scene.place.list()).len(), 2);
}
