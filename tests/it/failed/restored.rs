//! A destination that was set back to an older state, under lanes and a compactor at work: the list
//! becomes what the destination holds, without a person, and is rebuilt at no other time.

use keepstep::model::layout::{Existing, Layout, Widen};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keepstep::codec::{DecoderSettings, encode_change};
use keepstep::destination::desk::{Desk as _, LaneRequest, RequestState};
use keepstep::destination::faulty::{Fault, Faulty, Opinion};
use keepstep::destination::memory::MemoryDestination;
use keepstep::failed::compactor::{CompactorParts, ListedProfile, run};
use keepstep::failed::comparison::{Comparison, ComparisonParts, Step};
use keepstep::log::embedded::{EmbeddedLog, EmbeddedSettings};
use keepstep::log::{Log, NewRecord};
use keepstep::metrics::Metrics;
use keepstep::model::batcher::BatchLimits;
use keepstep::model::cell::Cell;
use keepstep::model::change::{Change, Image, Operation, Version};
use keepstep::model::checkpoint::LaneId;
use keepstep::model::mapping::UnknownAttribute;
use keepstep::model::mutation::Mutations;
use keepstep::model::position::{Topic, TopicPartition};
use keepstep::model::profile::{Profile, ProfileEntity, Start};
use keepstep::model::record::{EntityName, RecordId};
use keepstep::model::value::Value;
use keepstep::pipeline::memory_budget::MemoryBudget;
use keepstep::pipeline::status::StatusBoard;
use keepstep::pipeline::{Definitions, Pipeline, PipelineParts};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::{open_entries, profile};
use crate::simulation::source::mapping;

/// What the destination refuses while it refuses anything.
const BAD: i32 = 666;
/// Longest wait for anything, in the test's own time.
const PATIENCE: Duration = Duration::from_secs(600);

struct Scene {
    folder: TempDir,
    log: EmbeddedLog,
    destination: MemoryDestination,
    refusing: Arc<AtomicBool>,
    metrics: Metrics,
    stop: watch::Sender<bool>,
    running: JoinSet<()>,
}

fn topic() -> Topic {
    Topic::new("crm.contoso.alpha")
}

impl Scene {
    async fn new() -> Self {
        let log = EmbeddedLog::in_memory(EmbeddedSettings::new(Arc::new(|| 1_700_000_000_000)));
        log.create_topic(&topic(), 1, false).await.unwrap();
        log.create_topic(&profile().failed_topic(), 1, true).await.unwrap();
        Self {
            folder: TempDir::new().unwrap(),
            log,
            destination: MemoryDestination::default(),
            refusing: Arc::new(AtomicBool::new(true)),
            metrics: Metrics::new().unwrap(),
            stop: watch::Sender::new(false),
            running: JoinSet::new(),
        }
    }

    fn list(&self) -> PathBuf {
        self.folder.path().join("failed.sqlite")
    }

    /// Starts a pipeline and a compactor that compares so often.
    fn start(&mut self, compare_period: Duration) {
        let refusing = Arc::clone(&self.refusing);
        let inner = Arc::new(self.destination.clone());
        let faulty = Faulty::new(
            inner,
            Box::new(|_| Fault::None),
            Arc::new(|_: &_, _: &_| ()),
            Mutations::default(),
        );
        let faulty = faulty.with_judge(Arc::new(move |_, net| {
            let cells = net.image.iter().flat_map(|image| &image.cells);
            let bad = cells.into_iter().any(|(_, cell)| *cell == Cell::Integer(BAD));
            if bad && refusing.load(Ordering::Relaxed) { Opinion::Refused } else { Opinion::Fine }
        }));
        let parts = PipelineParts {
            profile: Arc::new(Profile {
                id: profile(),
                name: "restored".to_owned(),
                layout: Layout::plain("dbo", None),
                existing: Existing::Adopt,
                keep_deleted: false,
                widen: Widen::default(),
                entities: vec![ProfileEntity {
                    name: "alpha".into(),
                    versioned: true,
                    topic: topic(),
                }],
                unknown_attributes: UnknownAttribute::Stop,
                images_only: false,
                start: Start::Earliest,
                batch: BatchLimits {
                    changes: 100,
                    bytes: 1 << 20,
                    linger: Duration::from_millis(20),
                },
                retry_count: 0,
                retry_interval: Duration::from_secs(1),
                drain: Duration::from_secs(3),
            }),
            definitions: Definitions::fixed(vec![mapping("alpha", true)]),
            decoder: Arc::new(DecoderSettings::default()),
            log: Arc::new(self.log.clone()),
            destination: Arc::new(faulty),
            budget: MemoryBudget::new(1 << 20),
            status: Arc::<StatusBoard>::default(),
            metrics: Arc::new(self.metrics.profile("crm", ["alpha"])),
            clock: Arc::new(|| 1_700_000_000_100),
            seed: 1,
            mutations: Mutations::default(),
        };
        let pipeline = Pipeline::new(parts).run(self.stop.subscribe());
        self.running.spawn(async { pipeline.await.unwrap() });
        let compactor = CompactorParts {
            path: self.list(),
            profiles: vec![ListedProfile {
                id: profile(),
                metrics: self.metrics.failed_list("crm"),
                topics: vec![topic()],
                destination: Arc::new(self.destination.clone()),
            }],
            log: Arc::new(self.log.clone()),
            decoder: Arc::new(DecoderSettings::default()),
            keep_resolved_days: 30,
            clock_us: Arc::new(|| 1_700_000_000_000_000),
            takeover_period: Duration::from_millis(20),
            compare_period,
        };
        self.running.spawn(run(compactor, self.stop.subscribe()));
    }

    async fn end(&mut self) {
        self.stop.send_replace(true);
        while let Some(ended) = self.running.join_next().await {
            ended.unwrap();
        }
    }

    async fn append(&self, changes: &[Change]) {
        let record = |change: &Change| NewRecord {
            key: Some(change.record_id.canonical().into_bytes().into()),
            payload: Some(encode_change(change).into()),
            ..NewRecord::default()
        };
        self.log.append(&topic(), changes.iter().map(record).collect()).await.unwrap();
    }

    /// Gives the held change at an offset up, as a person does.
    async fn dismiss(&self, number: u128, offset: i64) {
        let record_id = RecordId(Uuid::from_u128(number)).canonical();
        let body = format!(
            r#"{{"kind":"dismiss","entity":"alpha","record_id":"{record_id}","offset":{offset}}}"#
        );
        let lane = LaneId { profile: profile(), topic_partition: TopicPartition::new(&topic(), 0) };
        let request = LaneRequest {
            id: Uuid::from_u128(1),
            lane,
            body,
            state: RequestState::Asked,
            progress: String::new(),
            asked_at_us: 0,
        };
        self.destination.put_requests(&profile(), &[request]).await.unwrap();
    }

    /// The offsets of what the destination holds.
    fn held(&self) -> BTreeSet<i64> {
        let open = |state: &keepstep::destination::memory::MemoryState| {
            let open = state.held.values().filter(|held| held.open);
            open.map(|held| held.key.offset.0).collect()
        };
        self.destination.look(open)
    }

    /// Whether the dead-letter topic has everything.
    fn is_told(&self) -> bool {
        self.destination.look(|state| state.held.values().all(|held| !held.is_unpublished()))
    }

    /// The offsets of what the list has open, where there is one change of each record.
    fn listed(&self) -> BTreeSet<i64> {
        if !self.list().exists() {
            return BTreeSet::new();
        }
        open_entries(&self.list()).iter().map(|entry| entry.head.position.offset.0).collect()
    }

    fn rebuilds(&self) -> String {
        let name = "keepstep_failed_list_rebuilds_total{profile=\"crm\"} ";
        let text = self.metrics.render().unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().to_owned()
    }

    async fn when(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(
                Instant::now() < deadline,
                "{what}: held {:?}, listed {:?}",
                self.held(),
                self.listed()
            );
            sleep(Duration::from_millis(50)).await; // between two looks, up to the deadline
        }
    }
}

fn create(number: u128, version: i64, value: i32) -> Change {
    Change {
        organization_id: None,
        entity: EntityName::new("alpha"),
        record_id: RecordId(Uuid::from_u128(number)),
        operation: Operation::Create,
        image: Image::Full,
        version: Some(Version(version)),
        changed_at: None,
        attributes: vec![("n0".into(), Value::Integer(value))],
        correlation_id: None,
        payload_reference: None,
    }
}

/// Has no base, so that it is held.
fn patch(number: u128, version: i64) -> Change {
    Change { operation: Operation::Update, image: Image::Patch, ..create(number, version, 1) }
}

#[tokio::test(start_paused = true)]
async fn the_list_follows_a_destination_that_was_set_back() {
    let mut scene = Scene::new().await;
    scene.start(Duration::from_secs(60));
    scene.append(&[patch(1, 1)]).await;
    scene
        .when("the first is listed", |it| it.listed() == BTreeSet::from([0]) && it.is_told())
        .await;
    let older = scene.destination.state();
    // Its release by a person will be lost, and so will the hold of the second.
    scene.dismiss(1, 0).await;
    scene.append(&[create(2, 1, BAD), create(3, 1, 7)]).await;
    scene
        .when("the second is listed", |it| it.listed() == BTreeSet::from([1]) && it.is_told())
        .await;
    assert_eq!(scene.rebuilds(), "0");
    // The table takes the second by now, so it is not held again.
    scene.refusing.store(false, Ordering::Relaxed);
    scene.destination.restore(older);
    scene.when("the lane goes on", |it| it.destination.look(|state| state.rows.len()) == 2).await;
    assert_eq!(scene.held(), BTreeSet::from([0]));
    scene.when("the list is true", |it| it.listed() == it.held()).await;
    assert_eq!(scene.rebuilds(), "1");
    // It stays so, and is told of what comes.
    scene.append(&[patch(4, 1), create(1, 2, 8)]).await;
    scene.when("the list goes on", |it| it.listed() == BTreeSet::from([3]) && it.is_told()).await;
    assert_eq!(scene.held(), BTreeSet::from([3]));
    sleep(Duration::from_secs(3_600)).await; // some sixty comparisons, in the test's own time
    assert_eq!((scene.listed(), scene.rebuilds().as_str()), (BTreeSet::from([3]), "1"));
    scene.end().await;
}

/// Holds and releases come and go all the time, and the list is compared all the time.
#[tokio::test(start_paused = true)]
async fn a_busy_list_is_never_rebuilt() {
    let mut scene = Scene::new().await;
    scene.start(Duration::from_millis(10));
    let mut comparison = Comparison::new(ComparisonParts {
        path: scene.list(),
        profile: profile(),
        topics: vec![topic()],
        destination: Arc::new(scene.destination.clone()),
        log: Arc::new(scene.log.clone()),
    });
    let (mut doubts, mut agreements) = (0, 0);
    for round in 2..2_000_u32 {
        // As often as it takes to meet some of them on their way.
        if round > 150 && doubts >= 5 {
            break;
        }
        // A new hold, the release of an older one, and a record that is bad every other time.
        let value = if round % 2 == 0 { BAD } else { 7 };
        let changes = [
            patch(round.into(), 1),
            create((round - 2).into(), 2, 7),
            create(1_000 + u128::from(round % 5), round.into(), value),
        ];
        scene.append(&changes).await;
        for _ in 0..12 {
            match comparison.step(0).await.unwrap() {
                Step::Agrees => agreements += 1,
                Step::Doubtful => doubts += 1,
                Step::Rebuilt(rebuilt) => panic!("round {round}: {rebuilt:?}"),
            }
            sleep(Duration::from_millis(2)).await; // the pace of the test's own time
        }
    }
    scene.when("everything is told", Scene::is_told).await;
    let settled = timeout(PATIENCE, async {
        while comparison.step(0).await.unwrap() != Step::Agrees {
            sleep(Duration::from_millis(50)).await; // between two looks, up to the deadline
        }
    });
    settled.await.unwrap();
    assert!(doubts >= 5 && agreements > 100, "{doubts} doubts, {agreements} agreements");
    assert_eq!(scene.rebuilds(), "0");
    scene.end().await;
}
