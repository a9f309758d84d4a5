//! The relay: every notification once and in order, whatever instant it is ended at.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use compact_str::CompactString;
use keepstep::app::failure::Failure;
use keepstep::app::relay::{RelayOrder, RelayReport, relay};
use keepstep::app::shutdown::stop_pair;
use keepstep::codec::{Decoder, DecoderSettings, Relationships};
use keepstep::log::embedded::{EmbeddedLog, EmbeddedSettings};
use keepstep::log::{
    Bounds, FeedLimits, Log, LogError, LogRecord, Member, NewRecord, TopicDescription,
};
use keepstep::model::change::Notification;
use keepstep::model::entity::{EntityDefinition, Intersect, IntersectSide};
use keepstep::model::position::{NextOffset, Offset, Topic, TopicPartition};
use keepstep::model::profile::Start;
use keepstep::model::record::{EntityName, RecordId, link_id};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use std::sync::Mutex;
use tokio::sync::Notify;
use uuid::Uuid;

const TARGET_PARTITIONS: u32 = 3;

/// How an append goes wrong.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    /// A part is appended, then an error that ends the relay.
    Error,
    /// A part is appended, then an error that ends by itself.
    Outage,
    /// A part is appended, and no answer ever comes: the process is killed meanwhile.
    Killed,
}

/// A log whose appends to the target go wrong now and then: of each partition a beginning of what
/// was given is appended.
struct UnreliableLog {
    inner: EmbeddedLog,
    chance: Mutex<SmallRng>,
    reliable: AtomicBool,
    hangs: Notify,
}

impl UnreliableLog {
    fn mishap(&self) -> Option<(Mishap, u64)> {
        let mut chance = self.chance.lock().unwrap();
        if self.reliable.load(Ordering::Relaxed) || chance.random_range(0..3) == 0 {
            return None;
        }
        let mishaps = [Mishap::Error, Mishap::Outage, Mishap::Killed];
        Some((mishaps[chance.random_range(0..3)], chance.random()))
    }
}

#[async_trait]
impl Log for UnreliableLog {
    async fn describe(&self, topic: &Topic) -> Result<Option<TopicDescription>, LogError> {
        self.inner.describe(topic).await
    }

    async fn bounds(&self, topic_partition: &TopicPartition) -> Result<Bounds, LogError> {
        self.inner.bounds(topic_partition).await
    }

    async fn offset_for_time(
        &self,
        topic_partition: &TopicPartition,
        time_ms: i64,
    ) -> Result<NextOffset, LogError> {
        self.inner.offset_for_time(topic_partition, time_ms).await
    }

    async fn read_at(
        &self,
        topic_partition: &TopicPartition,
        offset: Offset,
    ) -> Result<Option<LogRecord>, LogError> {
        self.inner.read_at(topic_partition, offset).await
    }

    async fn append(
        &self,
        topic: &Topic,
        records: Vec<NewRecord>,
    ) -> Result<Vec<(u32, Offset)>, LogError> {
        let Some((mishap, seed)) = self.mishap() else {
            return self.inner.append(topic, records).await;
        };
        let mut chance = SmallRng::seed_from_u64(seed);
        let mut by_partition: BTreeMap<u32, Vec<NewRecord>> = BTreeMap::new();
        for record in records {
            let key = record.key.clone().unwrap_or_default();
            let hashed = keepstep::log::partition_of(&key, TARGET_PARTITIONS);
            by_partition.entry(record.partition.unwrap_or(hashed)).or_default().push(record);
        }
        for mut records in by_partition.into_values() {
            records.truncate(chance.random_range(0..=records.len()));
            self.inner.append(topic, records).await?;
        }
        let retry = match mishap {
            Mishap::Error => false,
            Mishap::Outage => true,
            Mishap::Killed => {
                self.hangs.notify_one();
                std::future::pending().await
            }
        };
        Err(LogError {
            retry,
            what: "appending".to_owned(),
            code: "TEST".to_owned(),
            hint: "nothing".to_owned(),
        })
    }

    async fn join(
        &self,
        group: &str,
        topics: &[Topic],
        limits: FeedLimits,
    ) -> Result<Box<dyn Member>, LogError> {
        self.inner.join(group, topics, limits).await
    }
}

fn intersect() -> EntityDefinition {
    let side = |entity: &str, attribute: &str| IntersectSide {
        entity: EntityName::new(entity),
        attribute: CompactString::new(attribute),
    };
    EntityDefinition {
        name: EntityName::new("contactleads"),
        primary_id: "contactleadid".into(),
        intersect: Some(Intersect {
            relationship: "contactleads_association".into(),
            first: side("contact", "contactid"),
            second: side("lead", "leadid"),
        }),
        attributes: Vec::new(),
    }
}

fn decoder() -> Arc<DecoderSettings> {
    let relationships = Relationships::of([&intersect()]);
    Arc::new(DecoderSettings { relationships, ..DecoderSettings::default() })
}

fn change(id: u128, version: u64) -> String {
    let id = Uuid::from_u128(id);
    format!(
        r#"{{"entity":"contact","record_id":"{id}","operation":"update","image":"patch","row_version":{version},"attributes":{{"firstname":"{version}"}}}}"#
    )
}

/// Dataverse's own message that a contact was associated with several leads.
fn associate(contact: u128, leads: &[u128]) -> String {
    let reference = |entity: &str, id: u128| {
        format!(
            r#"{{"__type":"EntityReference:http:\/\/schemas.microsoft.com\/xrm\/2011\/Contracts","Id":"{}","KeyAttributes":[],"LogicalName":"{entity}","Name":null,"RowVersion":null}}"#,
            Uuid::from_u128(id)
        )
    };
    let related: Vec<String> = leads.iter().map(|lead| reference("lead", *lead)).collect();
    format!(
        r#"{{"InputParameters":[{{"key":"Target","value":{}}},{{"key":"Relationship","value":{{"__type":"Relationship:http:\/\/schemas.microsoft.com\/xrm\/2011\/Contracts","PrimaryEntityRole":null,"SchemaName":"contactleads_association"}}}},{{"key":"RelatedEntities","value":[{}]}}],"MessageName":"Associate","OrganizationId":"00000000-0000-0000-0000-000000000009","PrimaryEntityId":"00000000-0000-0000-0000-000000000000","PrimaryEntityName":"none"}}"#,
        reference("contact", contact),
        related.join(",")
    )
}

struct Scene {
    log: EmbeddedLog,
    from: Topic,
    to: Topic,
}

impl Scene {
    async fn new(source_partitions: u32) -> Self {
        let log = EmbeddedLog::in_memory(EmbeddedSettings::new(Arc::new(|| 1_000)));
        let (from, to) = (Topic::new("raw"), Topic::new("keyed"));
        log.create_topic(&from, source_partitions, false).await.unwrap();
        log.create_topic(&to, TARGET_PARTITIONS, false).await.unwrap();
        Self { log, from, to }
    }

    async fn send(&self, partition: u32, payload: &str, timestamp_ms: i64) {
        let record = NewRecord {
            partition: Some(partition),
            payload: Some(Bytes::from(payload.to_owned())),
            timestamp_ms: Some(timestamp_ms),
            ..NewRecord::default()
        };
        self.log.append(&self.from, vec![record]).await.unwrap();
    }

    fn order(&self) -> RelayOrder {
        RelayOrder {
            from: self.from.clone(),
            to: self.to.clone(),
            start: None,
            until_end: true,
            leave_out: BTreeSet::new(),
            accept_gap: false,
        }
    }

    async fn relay(&self, order: &RelayOrder) -> Result<RelayReport, Failure> {
        let (_stopper, stop) = stop_pair();
        relay(&self.log, order, decoder(), stop, |_| {}).await
    }

    async fn target(&self) -> Vec<Vec<LogRecord>> {
        let mut partitions = Vec::new();
        for partition in 0..TARGET_PARTITIONS {
            let topic_partition = TopicPartition::new(&self.to, partition);
            let end = self.log.bounds(&topic_partition).await.unwrap().end.0;
            let mut records = Vec::new();
            for offset in 0..end {
                records.extend(self.log.read_at(&topic_partition, Offset(offset)).await.unwrap());
            }
            partitions.push(records);
        }
        partitions
    }
}

/// Partition, offset and part of the header that says where a record came from.
fn origin(record: &LogRecord) -> (u32, i64, u32) {
    let (_, value) =
        record.headers.iter().find(|(name, _)| name == "keepstep-relay-source").unwrap();
    let text = std::str::from_utf8(value).unwrap().strip_prefix("raw/").unwrap();
    let (partition, rest) = text.split_once('@').unwrap();
    let (offset, part) = rest.split_once('#').unwrap();
    let (part, _) = part.split_once('/').unwrap();
    (partition.parse().unwrap(), offset.parse().unwrap(), part.parse().unwrap())
}

fn record_id(record: &LogRecord) -> RecordId {
    let payload = record.payload.as_ref().unwrap();
    match Decoder::new(decoder()).decode(&record.headers, payload).unwrap() {
        Notification::Change(change) => change.record_id,
        Notification::Changes(changes) if changes.len() == 1 => changes[0].record_id,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_keyless_topic_becomes_a_keyed_one() {
    let scene = Scene::new(1).await;
    for (version, id) in [7, 8, 7, 9].into_iter().zip(1..) {
        scene.send(0, &change(id, version), 50 + i64::try_from(version).unwrap()).await;
    }
    let report = scene.relay(&scene.order()).await.unwrap();
    assert_eq!((report.read, report.written), (4, 4));
    let records: Vec<LogRecord> = scene.target().await.into_iter().flatten().collect();
    assert_eq!(records.len(), 4);
    for record in &records {
        let expected = record_id(record).canonical();
        assert_eq!(record.key.as_deref(), Some(expected.as_bytes()));
        assert!(record.timestamp_ms > 50, "the time of the source is kept");
    }
    // A second run has nothing to do.
    let again = scene.relay(&scene.order()).await.unwrap();
    assert_eq!((again.read, again.written), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_notification_of_several_links_is_split() {
    let scene = Scene::new(1).await;
    scene.send(0, &associate(1, &[2, 3, 4]), 10).await;
    scene.send(0, &associate(1, &[5]), 11).await;
    let report = scene.relay(&scene.order()).await.unwrap();
    assert_eq!((report.read, report.written), (2, 4));
    let target = scene.target().await;
    let keys: BTreeSet<String> = target
        .iter()
        .flatten()
        .map(|record| String::from_utf8(record.key.clone().unwrap().to_vec()).unwrap())
        .collect();
    let id = |number: u128| RecordId(Uuid::from_u128(number));
    let expected: BTreeSet<String> = [2, 3, 4, 5]
        .map(|lead| link_id("contactleads", id(1), id(lead)).canonical())
        .into_iter()
        .collect();
    assert_eq!(keys, expected);
    assert!(
        target.iter().flatten().all(|record| {
            record.key.as_deref() == Some(record_id(record).canonical().as_bytes())
        })
    );
}

#[tokio::test(start_paused = true)]
async fn several_partitions_are_merged_by_time() {
    let scene = Scene::new(2).await;
    for (partition, version, time_ms) in [(1, 1, 10), (0, 2, 20), (1, 3, 30), (0, 4, 40)] {
        scene.send(partition, &change(7, version), time_ms).await;
    }
    scene.relay(&scene.order()).await.unwrap();
    let times: Vec<i64> =
        scene.target().await.into_iter().flatten().map(|record| record.timestamp_ms).collect();
    assert_eq!(times, [10, 20, 30, 40]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_decoded_stops_the_relay_until_it_is_left_out() {
    let scene = Scene::new(1).await;
    scene.send(0, &change(1, 1), 10).await;
    scene.send(0, "secret nonsense", 20).await;
    scene.send(0, &change(2, 2), 30).await;
    let failure = scene.relay(&scene.order()).await.unwrap_err();
    assert!(failure.what.starts_with("raw/0@1 has no record id"), "{failure}");
    assert!(failure.hint.contains("--leave-out 0@1"), "{failure}");
    assert!(!failure.to_string().contains("secret"));
    assert_eq!(scene.target().await.concat().len(), 1, "what comes before is written");
    let order = RelayOrder { leave_out: BTreeSet::from([(0, Offset(1))]), ..scene.order() };
    let report = scene.relay(&order).await.unwrap();
    assert_eq!((report.left_out, report.written), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_tells_nothing_needs_a_beginning() {
    let scene = Scene::new(1).await;
    scene.send(0, &change(1, 1), 10).await;
    let foreign =
        NewRecord { partition: Some(0), payload: Some(Bytes::new()), ..Default::default() };
    scene.log.append(&scene.to, vec![foreign]).await.unwrap();
    let failure = scene.relay(&scene.order()).await.unwrap_err();
    assert!(failure.hint.contains("--from"), "{failure}");
    let order = RelayOrder { start: Some(Start::Latest), ..scene.order() };
    assert_eq!(scene.relay(&order).await.unwrap().written, 0);
    let order = RelayOrder { start: Some(Start::Earliest), ..scene.order() };
    assert_eq!(scene.relay(&order).await.unwrap().written, 1);
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_loud() {
    let scene = Scene::new(1).await;
    for version in 1..=4 {
        scene.send(0, &change(1, version), 10).await;
    }
    scene.relay(&scene.order()).await.unwrap();
    scene.send(0, &change(1, 5), 10).await;
    scene.send(0, &change(1, 6), 10).await;
    scene.log.trim(&TopicPartition::new(&scene.from, 0), NextOffset(5)).await.unwrap();
    let failure = scene.relay(&scene.order()).await.unwrap_err();
    assert!(failure.what.contains("gap: raw/0 dropped its records 4 to 4"), "{failure}");
    let order = RelayOrder { accept_gap: true, ..scene.order() };
    assert_eq!(scene.relay(&order).await.unwrap().written, 1);
    scene.log.recreate_topic(&scene.from).await.unwrap();
    let failure = scene.relay(&scene.order()).await.unwrap_err();
    assert!(failure.what.contains("it was made anew"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn a_second_relay_ends_the_first() {
    let scene = Scene::new(2).await;
    let order = RelayOrder { until_end: false, ..scene.order() };
    let (_first_stopper, first_stop) = stop_pair();
    let (second_stopper, second_stop) = stop_pair();
    let first = relay(&scene.log, &order, decoder(), first_stop, |_| {});
    let second = async {
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        relay(&scene.log, &order, decoder(), second_stop, |_| {}).await
    };
    let stop = async {
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        second_stopper.stop();
    };
    let (first, second, ()) = tokio::join!(first, second, stop);
    assert!(first.unwrap_err().what.contains("another relay of it has started"));
    second.unwrap();
}

/// One world: a source of three partitions, appends that go wrong, kills; the relay is started
/// again until it is through.
async fn world(seed: u64) {
    let mut chance = SmallRng::seed_from_u64(seed);
    let scene = Scene::new(3).await;
    let mut expected: HashMap<(u32, i64, u32), ()> = HashMap::new();
    let mut next = [0_i64; 3];
    for number in 0..chance.random_range(1..120_u64) {
        let partition = chance.random_range(0..3_u32);
        let offset = &mut next[partition as usize];
        let parts = if chance.random_range(0..5) == 0 {
            let leads: Vec<u128> = (0..chance.random_range(1..4_u128))
                .map(|lead| u128::from(number) * 10 + lead + 100)
                .collect();
            scene.send(partition, &associate(1, &leads), chance.random_range(0..1_000)).await;
            u32::try_from(leads.len()).unwrap()
        } else {
            let payload = change(chance.random_range(0..7), number);
            scene.send(partition, &payload, chance.random_range(0..1_000)).await;
            1
        };
        expected.extend((1..=parts).map(|part| ((partition, *offset, part), ())));
        *offset += 1;
    }
    let unreliable = UnreliableLog {
        inner: scene.log.clone(),
        chance: Mutex::new(SmallRng::seed_from_u64(seed)),
        reliable: AtomicBool::new(false),
        hangs: Notify::new(),
    };
    let order = scene.order();
    for round in 0.. {
        unreliable.reliable.store(round > 20, Ordering::Relaxed);
        let (_stopper, stop) = stop_pair();
        let outcome = tokio::select! {
            outcome = relay(&unreliable, &order, decoder(), stop, |_| {}) => Some(outcome),
            () = unreliable.hangs.notified() => None,
        };
        match outcome {
            Some(Ok(_)) => break,
            Some(Err(failure)) => assert!(failure.what.contains("TEST"), "seed {seed}: {failure}"),
            None => {}
        }
    }
    for (partition, records) in scene.target().await.into_iter().enumerate() {
        let mut last: HashMap<u32, (i64, u32)> = HashMap::new();
        for record in records {
            let (source, offset, part) = origin(&record);
            assert!(
                expected.remove(&(source, offset, part)).is_some(),
                "seed {seed}: {source}@{offset}#{part} is there twice"
            );
            let before = last.insert(source, (offset, part));
            assert!(
                before < Some((offset, part)),
                "seed {seed}: in {partition}, {source}@{offset} comes after {before:?}"
            );
        }
    }
    assert!(expected.is_empty(), "seed {seed}: missing {expected:?}");
}

#[tokio::test(start_paused = true)]
async fn whatever_it_is_ended_by_nothing_is_lost_doubled_or_reordered() {
    for seed in 0..300 {
        world(seed).await;
    }
}
