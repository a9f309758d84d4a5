//! A pipeline over the log and the destination in memory: gaps are loud (G10), a rejected change
//! is held and stops nobody, and what is not the profile's business is passed over.

use std::sync::Arc;
use std::time::Duration;

use keepstep::codec::{DecoderSettings, encode_change, encode_marker};
use keepstep::destination::desk::{Desk as _, LaneRequest, RequestState};
use keepstep::destination::memory::MemoryDestination;
use keepstep::log::embedded::{EmbeddedLog, EmbeddedSettings};
use keepstep::log::{Log, NewRecord};
use keepstep::metrics::Metrics;
use keepstep::model::batcher::BatchLimits;
use keepstep::model::change::{Change, Image, Operation, SnapshotMarker, SnapshotPhase, Version};
use keepstep::model::checkpoint::{LaneId, Scope};
use keepstep::model::held::HeldChange;
use keepstep::model::mapping::UnknownAttribute;
use keepstep::model::mutation::Mutations;
use keepstep::model::position::{NextOffset, Offset, Topic, TopicPartition};
use keepstep::model::profile::{Profile, ProfileEntity, ProfileId, Start};
use keepstep::model::record::{EntityName, RecordId};
use keepstep::model::value::Value;
use keepstep::pipeline::memory_budget::MemoryBudget;
use keepstep::pipeline::status::{LaneState, StatusBoard};
use keepstep::pipeline::{Pipeline, PipelineError, PipelineParts};
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::simulation::source::mapping;

/// One topic, one profile, one process at a time.
struct Scene {
    log: EmbeddedLog,
    destination: MemoryDestination,
    topic: Topic,
    status: Arc<StatusBoard>,
    running: JoinSet<Result<(), PipelineError>>,
    stop: watch::Sender<bool>,
    mutations: Mutations,
}

impl Scene {
    async fn new(partitions: u32) -> Self {
        let clock = Arc::new(|| 1_700_000_000_000);
        let scene = Self {
            log: EmbeddedLog::in_memory(EmbeddedSettings::new(clock)),
            destination: MemoryDestination::default(),
            topic: Topic::new("crm.org"),
            status: Arc::default(),
            running: JoinSet::new(),
            stop: watch::Sender::new(false),
            mutations: Mutations::default(),
        };
        scene.log.create_topic(&scene.topic, partitions, false).await.unwrap();
        scene
    }

    fn start(&mut self) {
        let entities = [("alpha", true), ("gamma", false)];
        let profile = Profile {
            id: ProfileId::new("test").unwrap(),
            name: "test".to_owned(),
            schema: "dbo".into(),
            prefix: None,
            entities: entities
                .map(|(name, versioned)| ProfileEntity {
                    name: name.into(),
                    versioned,
                    topic: self.topic.clone(),
                })
                .into(),
            unknown_attributes: UnknownAttribute::Stop,
            images_only: false,
            start: Start::Earliest,
            batch: BatchLimits { changes: 100, bytes: 1 << 20, linger: Duration::from_millis(20) },
            retry_count: 3,
            retry_interval: Duration::from_secs(1),
            drain: Duration::from_secs(3),
        };
        let names = entities.map(|(name, _)| name);
        let parts = PipelineParts {
            profile: Arc::new(profile),
            mappings: entities.map(|(name, versioned)| mapping(name, versioned)).into(),
            decoder: Arc::new(DecoderSettings::default()),
            log: Arc::new(self.log.clone()),
            destination: Arc::new(self.destination.clone()),
            budget: MemoryBudget::new(1 << 20),
            status: Arc::clone(&self.status),
            metrics: Arc::new(Metrics::new().unwrap().profile("test", names)),
            clock: Arc::new(|| 1_700_000_000_100),
            seed: 1,
            mutations: self.mutations,
        };
        self.stop.send_replace(false);
        self.running.spawn(Pipeline::new(parts).run(self.stop.subscribe()));
    }

    async fn end(&mut self) -> Result<(), PipelineError> {
        self.stop.send_replace(true);
        self.running.join_next().await.unwrap().unwrap()
    }

    async fn append(&self, records: Vec<NewRecord>) {
        self.log.append(&self.topic, records).await.unwrap();
    }

    /// Waits until partition 0 is settled up to `next`.
    async fn settled(&self, next: i64) {
        self.when(|board| board.settled().iter().any(|(_, at)| *at == NextOffset(next))).await;
    }

    /// Waits until a lane is stopped; why.
    async fn stopped(&self) -> String {
        let reason = |board: &StatusBoard| {
            board.lanes().into_values().find_map(|lane| match lane.state {
                LaneState::Stopped(reason) => Some(reason),
                _ => None,
            })
        };
        self.when(|board| reason(board).is_some()).await;
        reason(&self.status).unwrap()
    }

    async fn when(&self, holds: impl Fn(&StatusBoard) -> bool) {
        let mut changed = self.status.subscribe();
        let waiting = async {
            while !holds(&self.status) {
                changed.changed().await.unwrap();
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(600), waiting).await;
        assert!(waited.is_ok(), "{:?}", self.status.lanes());
    }

    /// Open held changes.
    fn held(&self) -> Vec<HeldChange> {
        self.destination.look(|state| state.held.values().filter(|it| it.open).cloned().collect())
    }

    fn rows(&self) -> usize {
        self.destination.look(|state| state.rows.len())
    }
}

fn change(entity: &str, record: u128, version: i64) -> Change {
    Change {
        organization_id: None,
        entity: EntityName::new(entity),
        record_id: RecordId(Uuid::from_u128(record + 1)),
        operation: Operation::Create,
        image: Image::Full,
        version: (entity == "alpha").then_some(Version(version)),
        changed_at: None,
        attributes: vec![("n0".into(), Value::Integer(7))],
        correlation_id: None,
        payload_reference: None,
    }
}

fn record(change: &Change) -> NewRecord {
    NewRecord {
        partition: Some(0),
        key: Some(change.record_id.canonical().into_bytes().into()),
        payload: Some(encode_change(change).into()),
        ..NewRecord::default()
    }
}

fn records(numbers: std::ops::Range<u128>) -> Vec<NewRecord> {
    numbers.map(|number| record(&change("alpha", number, 1))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_log_trimmed_past_the_checkpoint_stops_the_lane() {
    let mut scene = Scene::new(1).await;
    scene.append(records(0..5)).await;
    scene.start();
    scene.settled(5).await;
    scene.end().await.unwrap();
    scene.append(records(5..20)).await;
    let partition = TopicPartition::new(&scene.topic, 0);
    scene.log.trim(&partition, NextOffset(9)).await.unwrap();
    scene.start();
    let reason = scene.stopped().await;
    assert!(reason.starts_with("gap: re-sync needed"), "{reason}");
    assert!(reason.contains("offset 5") && reason.contains("starts only at 9"), "{reason}");
    assert_eq!(scene.rows(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_topic_made_anew_stops_the_lane_whether_it_is_shorter_or_longer() {
    for appended in [2, 20] {
        let mut scene = Scene::new(1).await;
        scene.append(records(0..5)).await;
        scene.start();
        scene.settled(5).await;
        scene.end().await.unwrap();
        scene.log.recreate_topic(&scene.topic).await.unwrap();
        scene.append(records(100..100 + appended)).await;
        scene.start();
        let reason = scene.stopped().await;
        assert!(reason.contains("topic was made anew"), "{reason}");
        assert_eq!(scene.rows(), 5);
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_whose_partition_count_changed_is_refused() {
    let mut scene = Scene::new(1).await;
    scene.append(records(0..1)).await;
    scene.start();
    scene.settled(1).await;
    scene.end().await.unwrap();
    scene.log.add_partitions(&scene.topic, 2).await.unwrap();
    scene.start();
    let error = scene.running.join_next().await.unwrap().unwrap().unwrap_err();
    assert!(error.to_string().contains("partition"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_compacted_topic_is_refused() {
    let mut scene = Scene::new(1).await;
    scene.topic = Topic::new("compacted");
    scene.log.create_topic(&scene.topic, 1, true).await.unwrap();
    scene.start();
    let error = scene.running.join_next().await.unwrap().unwrap().unwrap_err();
    assert!(error.to_string().contains("compacted"), "{error}");
}

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

#[tokio::test(start_paused = true)]
async fn strangers_and_markers_are_passed_over_and_settled() {
    let mut scene = Scene::new(1).await;
    let marker = SnapshotMarker {
        organization_id: None,
        entity: EntityName::new("alpha"),
        phase: SnapshotPhase::Begin,
        sync_id: Uuid::from_u128(1),
        marked_at: None,
    };
    let marker = NewRecord { payload: Some(encode_marker(&marker).into()), ..NewRecord::default() };
    scene.append(vec![record(&change("stranger", 1, 1)), marker]).await;
    scene.start();
    scene.settled(2).await;
    assert_eq!(scene.rows(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stop_writes_what_was_read() {
    let mut scene = Scene::new(1).await;
    scene.start();
    scene.when(|board| board.settled().len() == 1).await;
    scene.append(records(0..30)).await;
    // Far less than the linger: the lane has read, and not written.
    tokio::time::timeout(Duration::from_millis(5), scene.settled(30)).await.unwrap_err();
    scene.end().await.unwrap();
    assert_eq!(scene.rows(), 30);
}
