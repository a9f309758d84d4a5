//! What goes wrong on the way, and what lanes do not do.

use std::time::Instant;

use keepstep::log::kafka::AssignmentStrategy;
use keepstep::log::kafka::KafkaLog;
use keepstep::log::{FeedLimits, GroupEvent, Log, NewRecord};
use keepstep::model::position::{Topic, TopicPartition};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr as Error};

use super::cluster::Cluster;
use super::reading::{Told, append, read, soon, start};

const ROOMY: FeedLimits = FeedLimits { bytes: 4 * 1024 * 1024 };

fn only(topic: &Topic) -> TopicPartition {
    TopicPartition::new(topic, 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_that_go_and_come_back_lose_nothing() {
    let cluster = Cluster::start();
    let (log, topic) = (cluster.log(), cluster.topic("down", 1));
    append(&log, &only(&topic), 0..500, 100).await;
    let mut told = Told::join(&log, &topic, ROOMY).await;
    let mut feed = told.assigned().await.remove(0);
    start(&mut *feed).await;
    assert_eq!(read(&mut *feed, 500).await, (0..500).collect::<Vec<_>>());

    cluster.controls().broker_down(-1).unwrap();
    let refused = tokio::time::timeout(std::time::Duration::from_secs(2), feed.next()).await;
    assert!(refused.is_err(), "an outage is no error of a feed: {refused:?}");
    cluster.controls().broker_up(-1).unwrap();
    append(&log, &only(&topic), 500..900, 100).await;
    assert_eq!(read(&mut *feed, 400).await, (500..900).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_single_requests_are_passed_over() {
    const TRANSPORT: Error = Error::RD_KAFKA_RESP_ERR__TRANSPORT;
    let cluster = Cluster::start();
    let (log, topic) = (cluster.log(), cluster.topic("errors", 2));
    let partitions = [only(&topic), TopicPartition::new(&topic, 1)];
    for (request, errors) in [
        (RDKafkaApiKey::JoinGroup, [Error::RD_KAFKA_RESP_ERR_NOT_COORDINATOR, TRANSPORT]),
        (RDKafkaApiKey::SyncGroup, [Error::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, TRANSPORT]),
        (
            RDKafkaApiKey::FindCoordinator,
            [Error::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, TRANSPORT],
        ),
        (RDKafkaApiKey::Fetch, [Error::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, TRANSPORT]),
        (RDKafkaApiKey::Produce, [Error::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, TRANSPORT]),
        (RDKafkaApiKey::OffsetCommit, [Error::RD_KAFKA_RESP_ERR_NOT_COORDINATOR, TRANSPORT]),
    ] {
        cluster.controls().request_errors(request, &errors);
    }
    for it in &partitions {
        append(&log, it, 0..700, 100).await;
    }
    let mut told = Told::join(&log, &topic, ROOMY).await;
    let mut feeds = told.assigned().await;
    for feed in &mut feeds {
        start(&mut **feed).await;
        assert_eq!(read(&mut **feed, 700).await, (0..700).collect::<Vec<_>>());
    }
    cluster.controls().request_errors(
        RDKafkaApiKey::Heartbeat,
        &[Error::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, TRANSPORT],
    );
    append(&log, &partitions[0], 700..800, 100).await;
    assert_eq!(read(&mut *feeds[0], 100).await, (700..800).collect::<Vec<_>>());
}

/// The group forgets the member: its partitions are lost, it joins again, the feeds are new.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_the_group_forgot_loses_its_partitions_and_gets_them_again() {
    let cluster = Cluster::start();
    let (log, topic) = (cluster.log(), cluster.topic("forgotten", 2));
    append(&log, &only(&topic), 0..50, 100).await;
    let mut told = Told::join(&log, &topic, ROOMY).await;
    let mut old = told.assigned().await;
    start(&mut *old[0]).await;
    read(&mut *old[0], 50).await;
    let unknown = [Error::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID; 1];
    cluster.controls().request_errors(RDKafkaApiKey::Heartbeat, &unknown);
    let lost = loop {
        match told.event().await.unwrap() {
            GroupEvent::Lost { partitions } => break partitions,
            GroupEvent::Assigned(feeds) => assert!(feeds.is_empty(), "assigned before lost"),
            GroupEvent::Revoked { partitions, .. } => panic!("asked for {partitions:?}"),
        }
    };
    assert_eq!(lost.len(), 2);
    for feed in &mut old {
        assert!(soon("the end of the feed", feed.next()).await.unwrap().is_none());
    }
    let mut new = told.assigned().await;
    append(&log, &only(&topic), 50..60, 100).await;
    start(&mut *new[0]).await;
    assert_eq!(read(&mut *new[0], 60).await, (0..60).collect::<Vec<_>>());
}

/// A lane that hangs holds the group up no longer than the deadline.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_that_is_not_answered_ends_by_itself() {
    let cluster = Cluster::start();
    let (log, topic) = (cluster.log(), cluster.topic("silent", 2));
    let mut first = Told::join(&log, &topic, ROOMY).await;
    assert_eq!(first.assigned().await.len(), 2);
    let mut second = Told::join(&log, &topic, ROOMY).await;
    // Held, neither sent nor dropped.
    let _unanswered = loop {
        if let GroupEvent::Revoked { partitions, done } = first.event().await.unwrap() {
            assert_eq!(partitions.len(), 1);
            break done;
        }
    };
    let asked = Instant::now();
    let got = second.assigned().await;
    assert_eq!(got.len(), 1);
    // Two thirds of the session of 6 s.
    assert!(asked.elapsed().as_secs_f64() > 3.9, "the answer was not awaited");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_dropped_leaves() {
    let cluster = Cluster::start();
    let (log, topic) = (cluster.log(), cluster.topic("dropped", 2));
    let mut first = Told::join(&log, &topic, ROOMY).await;
    first.assigned().await;
    let mut second = Told::join(&log, &topic, ROOMY).await;
    second.assigned().await;
    drop(first);
    assert_eq!(second.assigned().await.len(), 1);
}

/// While one partition is not asked for, the others go on, and it goes on afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn a_neglected_partition_is_parked_and_loses_nothing() {
    let limits = FeedLimits { bytes: 256 * 1024 };
    let cluster = Cluster::start();
    for assignment in [AssignmentStrategy::CooperativeSticky, AssignmentStrategy::Range] {
        let mut settings = cluster.settings();
        settings.assignment = assignment;
        let (log, topic) = (KafkaLog::open(settings).unwrap(), cluster.topic("parked", 2));
        let partitions = [only(&topic), TopicPartition::new(&topic, 1)];
        append(&log, &partitions[0], 0..1_000, 300).await;
        append(&log, &partitions[1], 0..3_000, 300).await;
        let mut told = Told::join(&log, &topic, limits).await;
        let mut feeds = told.assigned().await;
        start(&mut *feeds[0]).await;
        start(&mut *feeds[1]).await;
        assert_eq!(read(&mut *feeds[0], 1).await[0], 0);
        for round in 0..3 {
            if round > 0 {
                append(&log, &partitions[1], round * 3_000..(round + 1) * 3_000, 300).await;
            }
            let read = read(&mut *feeds[1], 3_000).await;
            assert_eq!(read, (round * 3_000..(round + 1) * 3_000).collect::<Vec<_>>());
        }
        // The first chunk was read before; what it held is not known here.
        let left = read_to(&mut *feeds[0], 999).await;
        assert!(left.is_sorted() && left.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{left:?}");
        assert!(left[0] > 0 && left[0] < 1_000);
    }
}

async fn read_to(feed: &mut dyn keepstep::log::Feed, last: u32) -> Vec<u32> {
    let mut all = Vec::new();
    while all.last() != Some(&last) {
        all.extend(read(feed, 1).await);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_are_told_to_the_group() {
    let cluster = Cluster::start();
    let (log, topic) = (cluster.log(), cluster.topic("told", 1));
    let mut member = log.join(topic.as_str(), std::slice::from_ref(&topic), ROOMY).await.unwrap();
    let assigned = soon("the partition", async {
        loop {
            match member.next().await.unwrap() {
                Some(GroupEvent::Assigned(feeds)) if !feeds.is_empty() => break feeds,
                _ => {}
            }
        }
    });
    assigned.await;
    member.commit(&[(only(&topic), keepstep::model::position::NextOffset(41))]);
    member.commit(&[(only(&topic), keepstep::model::position::NextOffset(42))]);
    member.leave();
    let leaving = async { while member.next().await.unwrap().is_some() {} };
    soon("the end", leaving).await;
    assert_eq!(cluster.committed(&topic), 42);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_must_mend_is_said_at_once() {
    let cluster = Cluster::start();
    let (log, topic) = (cluster.log(), cluster.topic("errors", 1));
    let missing = Topic::new("never.made");
    let error = log.join("group", &[topic.clone(), missing], ROOMY).await.err().unwrap();
    assert!(!error.retry && error.what.contains("never.made"), "{error}");
    assert!(error.hint.contains("create it"), "{error}");

    let record = NewRecord { payload: Some(vec![0; 1_048_588].into()), ..NewRecord::default() };
    let fits = NewRecord { payload: Some(vec![0; 10].into()), ..NewRecord::default() };
    let error = log.append(&topic, vec![fits, record]).await.unwrap_err();
    assert!(!error.retry && error.code == "MessageSizeTooLarge", "{error}");
    assert!(error.what.contains("record 1") && error.what.contains("1048588"), "{error}");
    let bounds = log.bounds(&only(&topic)).await.unwrap();
    assert_eq!(bounds.end.0, 0, "nothing is appended if something cannot be");

    let denied = Error::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    cluster.controls().topic_error(topic.as_str(), denied).unwrap();
    let error = log.describe(&topic).await.unwrap_err();
    assert!(!error.retry && error.hint.contains("DESCRIBE"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_to_brokers_that_are_down_time_out_with_a_hint() {
    let cluster = Cluster::start();
    let topic = cluster.topic("unreachable", 1);
    cluster.controls().broker_down(-1).unwrap();
    let mut settings = cluster.settings();
    settings.request_timeout = std::time::Duration::from_secs(2);
    settings.append_timeout = std::time::Duration::from_secs(2);
    let log = KafkaLog::open(settings).unwrap();
    let record = NewRecord::default();
    let start = Instant::now();
    let errors = [
        log.describe(&topic).await.unwrap_err(),
        log.bounds(&only(&topic)).await.unwrap_err(),
        log.read_at(&only(&topic), keepstep::model::position::Offset(0)).await.unwrap_err(),
        log.append(&topic, vec![record]).await.unwrap_err(),
    ];
    for error in errors {
        assert!(error.retry && error.hint.contains("broker"), "{error}");
    }
    assert!(start.elapsed().as_secs() < 20, "took {:?}", start.elapsed());
}
