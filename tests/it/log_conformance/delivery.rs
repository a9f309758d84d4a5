//! One member and its feeds.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use keepstep::log::{FeedLimits, GroupEvent, LogRecord, NewRecord};
use keepstep::model::position::{NextOffset, Offset, TopicPartition};

use super::reader::Reader;
use super::scene::{
    ROOMY, Scene, after, append, bounds, numbered, numbers, offsets, only, poll_once,
};

/// Nothing before the start; old records and new ones; then a clean end.
pub async fn records_come_in_order_from_the_start(scene: Scene) {
    let log = scene.tested.open().await;
    let topic = scene.tested.create_topic("order", 2).await;
    let partitions = [TopicPartition::new(&topic, 0), TopicPartition::new(&topic, 1)];
    for it in &partitions {
        append(&*log, it, 0..1_500).await;
    }
    let mut reader = Reader::join(&*log, topic.as_str(), &[&topic], ROOMY).await;
    let mut feeds = scene.soon("both partitions", reader.assigned(2)).await;
    assert_eq!(
        feeds.iter().map(|it| it.topic_partition()).collect::<Vec<_>>(),
        [&partitions[0], &partitions[1]]
    );
    scene.never("a record came before the start", feeds[0].next()).await;
    for feed in &mut feeds {
        feed.start(NextOffset::ZERO).await.unwrap();
        let records = scene.read(&mut **feed, 1_500).await;
        assert_eq!(numbers(&records), (0..1_500).collect::<Vec<_>>());
        assert_eq!(offsets(&records), (0..1_500).map(Offset).collect::<Vec<_>>());
    }
    scene.never("a record came twice", feeds[0].next()).await;
    for it in &partitions {
        append(&*log, it, 1_500..1_510).await;
    }
    for feed in &mut feeds {
        let records = scene.read(&mut **feed, 10).await;
        assert_eq!(numbers(&records), (1_500..1_510).collect::<Vec<_>>());
    }
    reader.commit(&[(partitions[0].clone(), NextOffset(1_510))]).await;

    reader.leave().await;
    let (revoked, done) = scene.soon("the farewell", reader.revoked()).await;
    assert_eq!(revoked, partitions);
    for feed in &mut feeds {
        for _ in 0..2 {
            let end = scene.soon("the end of the feed", feed.next()).await;
            assert!(end.unwrap().is_none(), "a feed that has ended stays so");
        }
    }
    done.send(()).unwrap();
    assert!(scene.soon("the member's end", reader.event()).await.is_none());
}

/// In the middle, at the end, forwards and back, also while records are fetched already.
pub async fn delivery_starts_anywhere_and_anew(scene: Scene) {
    let log = scene.tested.open().await;
    let topic = scene.tested.create_topic("seek", 1).await;
    append(&*log, &only(&topic), 0..3_000).await;
    let mut reader = Reader::join(&*log, topic.as_str(), &[&topic], ROOMY).await;
    let mut feed = scene.soon("the partition", reader.assigned(1)).await.remove(0);
    for from in [1_000_u32, 2_999, 0, 700, 10, 10] {
        feed.start(NextOffset(from.into())).await.unwrap();
        let records = scene.read(&mut *feed, 1).await;
        assert_eq!(numbers(&records)[0], from, "started at {from}");
    }
    // Back while a wait is under way, which may have fetched already.
    feed.start(NextOffset(2_000)).await.unwrap();
    poll_once(feed.next()).await;
    feed.start(NextOffset(5)).await.unwrap();
    let records = scene.read(&mut *feed, 2_995).await;
    assert_eq!(numbers(&records), (5..3_000).collect::<Vec<_>>());

    feed.start(after(&records)).await.unwrap();
    scene.never("a record came from before the end", feed.next()).await;
    append(&*log, &only(&topic), 3_000..3_001).await;
    assert_eq!(numbers(&scene.read(&mut *feed, 1).await), [3_000]);
    reader.gone(&scene).await;
}

/// A lane gives up waiting all the time, at any moment.
pub async fn a_dropped_wait_loses_nothing(scene: Scene) {
    let log = scene.tested.open().await;
    let topic = scene.tested.create_topic("dropped", 1).await;
    append(&*log, &only(&topic), 0..2_000).await;
    let mut reader = Reader::join(&*log, topic.as_str(), &[&topic], ROOMY).await;
    let mut feed = scene.soon("the partition", reader.assigned(1)).await.remove(0);
    feed.start(NextOffset::ZERO).await.unwrap();
    let reading = async {
        let mut records = Vec::new();
        let mut tries = 0_u64;
        while records.len() < 4_000 {
            if tries == 20 {
                append(&*log, &only(&topic), 2_000..4_000).await;
            }
            let wait = Duration::from_micros(tries % 50 * 20);
            tries += 1;
            if let Ok(chunk) = tokio::time::timeout(wait, feed.next()).await {
                records.extend(chunk.unwrap().unwrap().records);
            }
        }
        records
    };
    let records = scene.soon("all records, a little at a time", reading).await;
    assert_eq!(numbers(&records), (0..4_000).collect::<Vec<_>>());
    // A record that arrives between a look that found nothing and the next wait.
    for number in 4_000..4_020 {
        poll_once(feed.next()).await;
        append(&*log, &only(&topic), number..number + 1).await;
        assert_eq!(numbers(&scene.read(&mut *feed, 1).await), [number]);
    }
    reader.gone(&scene).await;
}

/// Small chunks under a small limit, and one record that is larger than the limit.
pub async fn chunks_keep_to_the_limits(scene: Scene) {
    const LIMIT: usize = 10_000;
    let log = scene.tested.open().await;
    let topic = scene.tested.create_topic("limits", 1).await;
    let sized = |number: u32, bytes: usize| NewRecord {
        payload: Some(Bytes::from(vec![b'x'; bytes])),
        ..numbered(0, number)
    };
    let small = (0..100).map(|number| sized(number, 1_000));
    let records: Vec<_> = small.clone().chain([sized(100, 100_000)]).chain(small).collect();
    log.append(&topic, records).await.unwrap();
    let limits = FeedLimits { bytes: LIMIT };
    let mut reader = Reader::join(&*log, topic.as_str(), &[&topic], limits).await;
    let mut feed = scene.soon("the partition", reader.assigned(1)).await.remove(0);
    feed.start(NextOffset::ZERO).await.unwrap();
    let mut next = NextOffset::ZERO;
    while next < NextOffset(201) {
        let chunk = scene.soon("the next chunk", feed.next()).await.unwrap().unwrap();
        let bytes: usize = chunk.records.iter().map(LogRecord::size_bytes).sum();
        assert!(bytes <= LIMIT || chunk.records.len() == 1, "{bytes} bytes at once");
        assert_eq!(chunk.records[0].offset, next.offset());
        next = after(&chunk.records);
    }
    reader.gone(&scene).await;
}

/// Eight topics with two partitions each.
pub async fn one_member_reads_many_topics(scene: Scene) {
    let log = scene.tested.open().await;
    let (mut topics, mut firsts) = (Vec::new(), BTreeMap::new());
    for number in 0..8_u32 {
        let topic = scene.tested.create_topic(&format!("many-{number}"), 2).await;
        for partition in 0..2 {
            let first = number * 1_000 + partition * 100;
            let it = TopicPartition::new(&topic, partition);
            append(&*log, &it, first..first + 10).await;
            firsts.insert(it, first);
        }
        topics.push(topic);
    }
    let names: Vec<_> = topics.iter().collect();
    let mut reader = Reader::join(&*log, topics[0].as_str(), &names, ROOMY).await;
    let mut feeds = scene.soon("all partitions", reader.assigned(16)).await;
    for feed in &mut feeds {
        let it = feed.topic_partition().clone();
        feed.start(NextOffset(1)).await.unwrap();
        let records = scene.read(&mut **feed, 9).await;
        let first = firsts[&it];
        assert_eq!(numbers(&records), (first + 1..first + 10).collect::<Vec<_>>(), "{it}");
        assert_eq!(bounds(&*log, &it).await, (0, 10));
    }
    reader.leave().await;
    let mut revoked = 0;
    while let Some(event) = scene.soon("the farewell", reader.event()).await {
        if let GroupEvent::Revoked { partitions, .. } = event {
            revoked += partitions.len();
        }
    }
    assert_eq!(revoked, 16);
}
