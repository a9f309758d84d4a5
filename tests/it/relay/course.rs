//! What a relay does from its beginning to its end.

use std::collections::BTreeSet;

use bytes::Bytes;
use keepstep::app::relay::{RelayOrder, relay};
use keepstep::app::shutdown::stop_pair;
use keepstep::log::{Log, LogRecord, NewRecord};
use keepstep::model::position::{NextOffset, Offset, TopicPartition};
use keepstep::model::profile::Start;
use keepstep::model::record::{RecordId, link_id};
use uuid::Uuid;

use super::{Scene, associate, change, decoder, record_id};

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
