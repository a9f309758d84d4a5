//! Memory stays within the limits of the feeds, whatever lies on the log and whoever asks.
//! Measured in a process of its own: what else runs in this one would be counted too.

use std::time::Duration;

use keepstep::log::{Feed, FeedLimits, GroupEvent, Log, Member, NewRecord};
use keepstep::model::position::{NextOffset, Topic};
use tokio::task::JoinSet;

use super::again::{Again, role, say};
use super::broker::Broker;

/// A quarter of the smallest process budget that one would choose.
const LIMITS: FeedLimits = FeedLimits { bytes: 8 * 1024 * 1024 };
const RECORDS: usize = 400_000;
const RECORD_BYTES: usize = 300;
/// The limits, librdkafka's share of small records (as much again), and what any process needs. The
/// backlog has 120 MB.
const MOST_MB: u64 = 32;

async fn backlog(broker: &Broker) -> Topic {
    let topic = broker.topic("backlog", 4, &[]).await;
    let log = broker.log();
    let batch: Vec<NewRecord> = (0..5_000)
        .map(|n| NewRecord {
            partition: Some(n % 4),
            payload: Some(vec![7; RECORD_BYTES].into()),
            ..NewRecord::default()
        })
        .collect();
    for _ in 0..RECORDS / batch.len() {
        log.append(&topic, batch.clone()).await.unwrap();
    }
    topic
}

async fn join(broker: &Broker, topics: &[Topic]) -> (Box<dyn Member>, Vec<Box<dyn Feed>>) {
    let group = topics[0].as_str();
    let mut member = broker.log().join(group, topics, LIMITS).await.unwrap();
    loop {
        let event = tokio::time::timeout(Duration::from_secs(30), member.next()).await.unwrap();
        if let GroupEvent::Assigned(mut feeds) = event.unwrap().unwrap() {
            for feed in &mut feeds {
                feed.start(NextOffset::ZERO).await.unwrap();
            }
            return (member, feeds);
        }
    }
}

/// The most memory that this process ever had, MB.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() / 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_that_nobody_asks_for_stays_on_the_broker() {
    let broker = Broker::shared();
    if let Some(topic) = role() {
        let (mut member, _feeds) = join(&broker, &[Topic::new(&topic)]).await;
        // librdkafka reads ahead as far as it may; two seconds would do for all of it.
        drop(tokio::time::timeout(Duration::from_secs(2), member.next()).await);
        say(&format!("PEAK {}", peak_mb()));
        return;
    }
    let topic = backlog(&broker).await;
    let name = "kafka::memory::a_backlog_that_nobody_asks_for_stays_on_the_broker";
    let mut holder = Again::start(name, topic.as_str(), &[]);
    let peak: u64 = holder.says("PEAK").await.parse().unwrap();
    assert!(peak < MOST_MB, "{peak} MB");
    holder.passes().await;
}

/// The worst of neighbours: a record now and then that nobody asks for, each in the same answer of
/// the broker as many others, which it would keep in memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_neglected_partition_does_not_hold_what_the_others_have_done_with() {
    let broker = Broker::shared();
    if let Some(topics) = role() {
        let (busy, idle) = topics.split_once(' ').unwrap();
        let (_member, feeds) = join(&broker, &[Topic::new(busy), Topic::new(idle)]).await;
        say("READS");
        let (idle, busy): (Vec<_>, Vec<_>) =
            feeds.into_iter().partition(|feed| feed.topic_partition().topic.as_str() == idle);
        let lanes: JoinSet<usize> = busy.into_iter().map(count_quarter).collect();
        assert_eq!(lanes.join_all().await.into_iter().sum::<usize>(), RECORDS);
        drop(idle);
        say(&format!("PEAK {}", peak_mb()));
        return;
    }
    let (busy, idle) = (backlog(&broker).await, broker.topic("idle", 1, &[]).await);
    let name = "kafka::memory::a_neglected_partition_does_not_hold_what_the_others_have_done_with";
    let log = broker.log();
    // The first append connects, and takes longer than the reading.
    log.append(&idle, vec![NewRecord::default()]).await.unwrap();
    let mut reader = Again::start(name, &format!("{busy} {idle}"), &[]);
    reader.says("READS").await;
    let trickle = || async {
        for _ in 0..250_000 {
            log.append(&idle, vec![NewRecord::default()]).await.unwrap();
        }
    };
    let peak = tokio::select! {
        peak = reader.says("PEAK") => peak,
        _ = async { tokio::join!(trickle(), trickle(), trickle(), trickle()) } => {
            panic!("the reader takes too long")
        }
    };
    let peak: u64 = peak.parse().unwrap();
    assert!(peak < MOST_MB, "{peak} MB");
    reader.passes().await;
}

async fn count_quarter(mut feed: Box<dyn Feed>) -> usize {
    let mut count = 0;
    while count < RECORDS / 4 {
        count += feed.next().await.unwrap().unwrap().records.len();
    }
    count
}
