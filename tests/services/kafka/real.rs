//! What only a real broker shows.

use std::time::{Duration, Instant};

use keepstep::log::kafka::{AssignmentStrategy, KafkaLog};
use keepstep::log::{Feed, FeedLimits, GroupEvent, Log, Member, NewRecord};
use keepstep::model::position::{NextOffset, Offset, Topic, TopicPartition};

use tokio::task::JoinSet;

use super::again::{Again, role, say};
use super::broker::{Broker, End, variable};

const ROOMY: FeedLimits = FeedLimits { bytes: 4 * 1024 * 1024 };
const SOON: Duration = Duration::from_secs(30);

async fn soon<T>(what: &str, wait: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(SOON, wait).await;
    outcome.unwrap_or_else(|_| panic!("waited {SOON:?} in vain for {what}"))
}

async fn join(log: &dyn Log, topic: &Topic) -> Box<dyn Member> {
    log.join(topic.as_str(), std::slice::from_ref(topic), ROOMY).await.unwrap()
}

/// Polls until `count` partitions are the member's; gives back at once what is asked for.
async fn assigned(member: &mut dyn Member, count: usize) -> Vec<Box<dyn Feed>> {
    let mut feeds: Vec<Box<dyn Feed>> = Vec::new();
    while feeds.len() < count {
        match soon("an event", member.next()).await.unwrap().expect("the member left") {
            GroupEvent::Assigned(more) => feeds.extend(more),
            GroupEvent::Revoked { partitions, .. } | GroupEvent::Lost { partitions } => {
                feeds.retain(|feed| !partitions.contains(feed.topic_partition()));
            }
        }
    }
    feeds
}

async fn leave(mut member: Box<dyn Member>) {
    member.leave();
    soon("the end", async { while member.next().await.unwrap().is_some() {} }).await;
}

fn only(topic: &Topic) -> TopicPartition {
    TopicPartition::new(topic, 0)
}

fn texts(records: &[keepstep::log::LogRecord]) -> Vec<String> {
    let text = |record: &keepstep::log::LogRecord| record.payload.as_ref().unwrap().to_vec();
    records.iter().map(|record| String::from_utf8(text(record)).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_committed_transactions_are_seen() {
    let broker = Broker::shared();
    let (log, topic) = (broker.log(), broker.topic("transactions", 1, &[]).await);
    let it = only(&topic);
    broker.transaction(&it, &["a", "b"], End::Commit).await;
    broker.transaction(&it, &["x", "y"], End::Abort).await;
    broker.transaction(&it, &["c"], End::Commit).await;
    let mut member = join(&log, &topic).await;
    let mut feed = assigned(&mut *member, 1).await.remove(0);
    feed.start(NextOffset::ZERO).await.unwrap();
    let mut records = Vec::new();
    while records.len() < 3 {
        records.extend(soon("records", feed.next()).await.unwrap().unwrap().records);
    }
    assert_eq!(texts(&records), ["a", "b", "c"]);
    // Each transaction ends with a mark, which has an offset.
    assert_eq!(records.iter().map(|it| it.offset.0).collect::<Vec<_>>(), [0, 1, 6]);
    let behind = log.read_at(&it, Offset(2)).await.unwrap().unwrap();
    assert_eq!(behind, records[2]);
    assert_eq!(log.read_at(&it, Offset(7)).await.unwrap(), None);
    leave(member).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compaction_is_seen() {
    let (broker, log) = (Broker::shared(), Broker::shared().log());
    for (policy, compacted) in [("delete", false), ("compact", true), ("compact,delete", true)] {
        let topic = broker.topic("policy", 1, &[("cleanup.policy", policy)]).await;
        let described = log.describe(&topic).await.unwrap().unwrap();
        assert_eq!(described.compacted, Some(compacted), "{policy}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_topic_does_not_take_is_refused_with_a_hint() {
    let (broker, log) = (Broker::shared(), Broker::shared().log());
    let small = broker.topic("small", 1, &[("max.message.bytes", "2000")]).await;
    let record = NewRecord { payload: Some(vec![7; 5_000].into()), ..NewRecord::default() };
    let error = log.append(&small, vec![record]).await.unwrap_err();
    assert!(!error.retry && error.hint.contains("message.max.bytes"), "{error}");
    let compacted = broker.topic("keyless", 1, &[("cleanup.policy", "compact")]).await;
    let error = log.append(&compacted, vec![NewRecord::default()]).await.unwrap_err();
    assert!(!error.retry && error.hint.contains("needs a key"), "{error}");
    // The producer is as good as before.
    let fits = NewRecord { key: Some("k".into()), ..NewRecord::default() };
    assert_eq!(log.append(&compacted, vec![fits]).await.unwrap(), [(0, Offset(0))]);
}

/// The other members get the partitions at once, not after the session of 6 s.
#[tokio::test(flavor = "multi_thread")]
async fn leaving_is_prompt() {
    let broker = Broker::shared();
    for assignment in [AssignmentStrategy::CooperativeSticky, AssignmentStrategy::Range] {
        let topic = broker.topic("leaving", 2, &[]).await;
        let mut settings = broker.settings();
        settings.assignment = assignment;
        let log = KafkaLog::open(settings).unwrap();
        let mut first = join(&log, &topic).await;
        assigned(&mut *first, 2).await;
        let mut second = join(&log, &topic).await;
        let second_has_one = async {
            tokio::select! {
                feeds = assigned(&mut *second, 1) => feeds,
                never = async { loop { drop(first.next().await.unwrap()) } } => never,
            }
        };
        second_has_one.await;
        let start = Instant::now();
        leave(first).await;
        let left = start.elapsed();
        let more = if matches!(assignment, AssignmentStrategy::Range) { 2 } else { 1 };
        assigned(&mut *second, more).await;
        // The next heartbeat of the one that stays tells it, every 2 s.
        assert!(start.elapsed() < Duration::from_secs(5), "took {:?}", start.elapsed());
        assert!(left < Duration::from_secs(1), "the one that left took {left:?}");
        leave(second).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_disagree_are_told_so() {
    let broker = Broker::shared();
    let topic = broker.topic("disagree", 1, &[]).await;
    let log = broker.log();
    let mut first = join(&log, &topic).await;
    assigned(&mut *first, 1).await;
    let mut settings = broker.settings();
    settings.assignment = AssignmentStrategy::Range;
    let mut second = join(&KafkaLog::open(settings).unwrap(), &topic).await;
    let error = soon("the error", second.next()).await.err().unwrap();
    assert!(!error.retry && error.code == "InconsistentGroupProtocol", "{error}");
    soon("the end", async { while second.next().await.unwrap().is_some() {} }).await;
    leave(first).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_the_broker_does_not_allow_is_said() {
    let broker = Broker::shared();
    let topic = broker.topic("session", 1, &[]).await;
    let mut settings = broker.settings();
    // The broker allows half an hour.
    settings.session_timeout = Duration::from_mins(45);
    let error_of = async |member: &mut Box<dyn Member>| loop {
        if let Err(error) = member.next().await {
            return error;
        }
    };
    let mut member = join(&KafkaLog::open(settings).unwrap(), &topic).await;
    let error = soon("the error", error_of(&mut member)).await;
    assert!(!error.retry && error.hint.contains("session time-out"), "{error}");
}

/// Nobody says goodbye: the process of the first member is killed.
#[tokio::test(flavor = "multi_thread")]
async fn the_partitions_of_a_killed_process_pass_on() {
    let broker = Broker::shared();
    let log = broker.log();
    if let Some(topic) = role() {
        let mut member = join(&log, &Topic::new(&topic)).await;
        let _feeds = assigned(&mut *member, 2).await;
        say("HAS BOTH");
        loop {
            drop(member.next().await.unwrap());
        }
    }
    let topic = broker.topic("killed", 2, &[]).await;
    let name = "kafka::real::the_partitions_of_a_killed_process_pass_on";
    let mut first = Again::start(name, topic.as_str(), &[]);
    soon("the first member", first.says("HAS BOTH")).await;
    first.kill().await;
    let killed = Instant::now();
    let mut second = join(&log, &topic).await;
    let mut feeds = assigned(&mut *second, 2).await;
    // The session of the dead one is 6 s.
    assert!(killed.elapsed() < Duration::from_secs(15), "took {:?}", killed.elapsed());
    for feed in &mut feeds {
        feed.start(NextOffset::ZERO).await.unwrap();
    }
    leave(second).await;
}

/// The broker is killed and started again while a member reads and somebody appends.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_and_comes_back_loses_nothing() {
    let own = OwnBroker::start().await;
    let broker = own.broker().await;
    let topic = broker.topic("killed-broker", 2, &[]).await;
    let mut settings = broker.settings();
    // Longer than the outage; a shorter one would take the partitions away and give them back.
    settings.session_timeout = Duration::from_secs(60);
    let log = KafkaLog::open(settings).unwrap();
    let it = only(&topic);
    let numbered = |numbers: std::ops::Range<u32>| -> Vec<NewRecord> {
        let payload = |number: u32| Some(number.to_string().into());
        numbers
            .map(|n| NewRecord { partition: Some(0), payload: payload(n), ..NewRecord::default() })
            .collect()
    };
    log.append(&topic, numbered(0..1_000)).await.unwrap();
    let mut member = join(&log, &topic).await;
    let mut feeds = assigned(&mut *member, 2).await;
    feeds.sort_by_key(|feed| feed.topic_partition().clone());
    feeds[0].start(NextOffset::ZERO).await.unwrap();
    let mut records = Vec::new();
    let _polling = JoinSet::from_iter([async move {
        while let Some(event) = member.next().await.unwrap() {
            if let GroupEvent::Lost { partitions } = event {
                panic!("an outage took {partitions:?} away");
            }
        }
    }]);
    while records.len() < 1_000 {
        records.extend(soon("records", feeds[0].next()).await.unwrap().unwrap().records);
    }
    own.command("kill").await;
    let (appended, ()) =
        tokio::join!(log.append(&topic, numbered(1_000..2_000)), own.command("start"),);
    appended.unwrap();
    log.append(&topic, numbered(2_000..3_000)).await.unwrap();
    while records.len() < 3_000 {
        records.extend(soon("records", feeds[0].next()).await.unwrap().unwrap().records);
    }
    let expected: Vec<String> = (0..3_000).map(|number: u32| number.to_string()).collect();
    assert_eq!(texts(&records), expected);
    assert!(log.bounds(&it).await.unwrap().end >= NextOffset(3_000));
    own.command("remove").await;
}

/// A broker of a test's own, which it may kill.
struct OwnBroker {
    directory: String,
}

impl OwnBroker {
    async fn start() -> Self {
        let shared = variable("KEEPSTEP_TEST_KAFKA_DIR");
        let own = Self { directory: format!("{shared}-of-{}", std::process::id()) };
        own.command("start").await;
        own
    }

    async fn command(&self, verb: &str) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/kafka");
        let mut command = tokio::process::Command::new(script);
        let status = command.args([verb, &self.directory]).status().await.unwrap();
        assert!(status.success(), "scripts/kafka {verb} failed");
    }

    async fn broker(&self) -> Broker {
        let ports = tokio::fs::read_to_string(format!("{}/ports", self.directory)).await.unwrap();
        Broker::at(format!("127.0.0.1:{}", ports.split_whitespace().next().unwrap()))
    }
}

impl Drop for OwnBroker {
    /// Also when the test fails: no server outlives the tests.
    fn drop(&mut self) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/kafka");
        let _ = std::process::Command::new(script).args(["remove", &self.directory]).status();
    }
}
