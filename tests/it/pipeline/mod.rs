//! A pipeline over the log and the destination in memory.

mod asked;
mod gaps;
mod held;
mod pace;
mod replay;
mod schema;

use keepstep::model::layout::{Existing, Layout, Widen};
use std::sync::Arc;
use std::time::Duration;

use keepstep::codec::{DecoderSettings, encode_change, encode_marker};
use keepstep::destination::Destination;
use keepstep::destination::desk::{Desk as _, LaneRequest, RequestState, WhichRequests};
use keepstep::destination::faulty::{Fault, Faulty, Judge};
use keepstep::destination::memory::MemoryDestination;
use keepstep::log::embedded::{EmbeddedLog, EmbeddedSettings};
use keepstep::log::{Log, NewRecord};
use keepstep::metrics::Metrics;
use keepstep::model::batcher::BatchLimits;
use keepstep::model::change::{Change, Image, Operation, SnapshotMarker, SnapshotPhase, Version};
use keepstep::model::checkpoint::LaneId;
use keepstep::model::held::HeldChange;
use keepstep::model::mapping::UnknownAttribute;
use keepstep::model::mutation::Mutations;
use keepstep::model::position::{NextOffset, Topic, TopicPartition};
use keepstep::model::profile::{Profile, ProfileEntity, ProfileId, Start};
use keepstep::model::record::{EntityName, RecordId};
use keepstep::model::value::Value;
use keepstep::pipeline::memory_budget::MemoryBudget;
use keepstep::pipeline::status::{LaneState, LaneStatus, StatusBoard};
use keepstep::pipeline::{Definitions, Mappings, Pipeline, PipelineError, PipelineParts};
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::simulation::source::mapping;

/// The entities of the profile, and whether each is versioned.
const ENTITIES: [(&str, bool); 2] = [("alpha", true), ("gamma", false)];

/// One topic, one profile, one process at a time.
struct Scene {
    log: EmbeddedLog,
    destination: MemoryDestination,
    topic: Topic,
    status: Arc<StatusBoard>,
    running: JoinSet<Result<(), PipelineError>>,
    stop: watch::Sender<bool>,
    mutations: Mutations,
    /// Where newer definitions are put in.
    defined: watch::Sender<Mappings>,
    definitions: Definitions,
    /// What the destination refuses.
    judge: Option<Judge>,
    /// More net changes than that it does not take at once.
    too_many: Option<(usize, Fault)>,
}

impl Scene {
    async fn new(partitions: u32) -> Self {
        let clock = Arc::new(|| 1_700_000_000_000);
        let entities = ENTITIES.map(|(name, versioned)| mapping(name, versioned));
        let (defined, definitions) = Definitions::changing(entities.into());
        let scene = Self {
            log: EmbeddedLog::in_memory(EmbeddedSettings::new(clock)),
            destination: MemoryDestination::default(),
            topic: Topic::new("crm.org"),
            status: Arc::default(),
            running: JoinSet::new(),
            stop: watch::Sender::new(false),
            mutations: Mutations::default(),
            defined,
            definitions,
            judge: None,
            too_many: None,
        };
        scene.log.create_topic(&scene.topic, partitions, false).await.unwrap();
        scene
    }

    fn start(&mut self) {
        let profile = Profile {
            id: ProfileId::new("test").unwrap(),
            name: "test".to_owned(),
            layout: Layout::plain("dbo", None),
            existing: Existing::Adopt,
            keep_deleted: false,
            widen: Widen::default(),
            entities: ENTITIES
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
        let names = ENTITIES.map(|(name, _)| name);
        let parts = PipelineParts {
            profile: Arc::new(profile),
            definitions: self.definitions.clone(),
            decoder: Arc::new(DecoderSettings::default()),
            log: Arc::new(self.log.clone()),
            destination: self.judged(),
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

    fn judged(&self) -> Arc<dyn Destination> {
        if self.judge.is_none() && self.too_many.is_none() {
            return Arc::new(self.destination.clone());
        }
        let (inner, observer) = (Arc::new(self.destination.clone()), Arc::new(|_: &_, _: &_| ()));
        let mut faulty = Faulty::new(inner, Box::new(|_| Fault::None), observer, self.mutations);
        if let Some(judge) = &self.judge {
            faulty = faulty.with_judge(Arc::clone(judge));
        }
        if let Some((most, fault)) = self.too_many {
            faulty = faulty.with_most(most, fault);
        }
        Arc::new(faulty)
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

    /// Waits until an entity of partition 0 is settled up to `next`.
    async fn settled_of(&self, entity: &str, next: i64) {
        let goes_on = |lane: &LaneStatus| {
            let own = lane.entities.get(&EntityName::new(entity)).and_then(|it| it.next);
            own.or(lane.next) == Some(NextOffset(next))
        };
        self.when(|board| board.lanes().values().any(goes_on)).await;
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

    /// Puts wishes on the desk, for partition 0.
    async fn ask(&self, wishes: &[&str]) {
        let profile = ProfileId::new("test").unwrap();
        let asked = self.destination.requests(&profile, WhichRequests::All).await.unwrap().len();
        let request = |(number, body): (usize, &&str)| LaneRequest {
            id: Uuid::from_u128((asked + number + 1) as u128),
            lane: LaneId {
                profile: profile.clone(),
                topic_partition: TopicPartition::new(&self.topic, 0),
            },
            body: (*body).to_owned(),
            state: RequestState::Asked,
            progress: String::new(),
            asked_at_us: 0,
        };
        let requests: Vec<LaneRequest> = wishes.iter().enumerate().map(request).collect();
        self.destination.put_requests(&profile, &requests).await.unwrap();
    }

    /// Waits until every request is finished; how each ended.
    async fn answers(&self) -> Vec<(RequestState, String)> {
        let profile = ProfileId::new("test").unwrap();
        let deadline = tokio::time::Instant::now() + Duration::from_secs(600);
        loop {
            let mut answers =
                self.destination.requests(&profile, WhichRequests::All).await.unwrap();
            if answers.iter().all(|request| request.state.is_finished()) {
                answers.sort_by_key(|request| request.id);
                return answers.into_iter().map(|it| (it.state, it.progress)).collect();
            }
            assert!(tokio::time::Instant::now() < deadline, "{answers:?}");
            tokio::time::sleep(Duration::from_millis(100)).await; // between two looks, up to the deadline
        }
    }

    /// Notes on every request what a lane would.
    async fn note(&self, to: RequestState, progress: &str) {
        let profile = ProfileId::new("test").unwrap();
        for request in self.destination.requests(&profile, WhichRequests::All).await.unwrap() {
            let name = (request.id, &request.lane);
            let noted = self.destination.move_request(name, request.state, to, progress).await;
            assert!(noted.unwrap());
        }
    }

    /// Moves all requests on, as a command does.
    async fn move_requests(&self, from: RequestState, to: RequestState) {
        let profile = ProfileId::new("test").unwrap();
        for request in self.destination.requests(&profile, WhichRequests::All).await.unwrap() {
            let name = (request.id, &request.lane);
            let moved = self.destination.move_request(name, from, to, &request.progress).await;
            assert!(moved.unwrap() || request.state != from);
        }
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
