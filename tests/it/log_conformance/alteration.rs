//! What happens to a log beside appends: trimming, topics made anew or widened, restarts.

use keepstep::log::GroupEvent;
use keepstep::model::position::{NextOffset, Offset, TopicPartition};

use super::reader::Reader;
use super::scene::{ROOMY, Scene, after, append, bounds, numbers, only};

/// Offsets without records are no gap.
pub async fn holes_are_passed_over(scene: Scene) {
    let log = scene.tested.open().await;
    let topic = scene.tested.create_topic("holes", 1).await;
    let it = only(&topic);
    append(&*log, &it, 0..3).await;
    scene.tested.leave_hole(&it).await;
    let (_, hole_end) = bounds(&*log, &it).await;
    assert!(hole_end > 3);
    append(&*log, &it, 3..6).await;
    let behind = log.read_at(&it, Offset(3)).await.unwrap().unwrap();
    assert!(behind.offset >= Offset(hole_end));
    assert_eq!(numbers(std::slice::from_ref(&behind)), [3]);
    let mut reader = Reader::join(&*log, topic.as_str(), &[&topic], ROOMY).await;
    let mut feed = scene.soon("the partition", reader.assigned(1)).await.remove(0);
    feed.start(NextOffset(3)).await.unwrap();
    assert_eq!(scene.read(&mut *feed, 3).await[0], behind);
    feed.start(NextOffset::ZERO).await.unwrap();
    let records = scene.read(&mut *feed, 6).await;
    assert_eq!(numbers(&records), (0..6).collect::<Vec<_>>());
    scene.tested.leave_hole(&it).await;
    scene.never("a hole at the end was delivered", feed.next()).await;
    append(&*log, &it, 6..7).await;
    assert_eq!(numbers(&scene.read(&mut *feed, 1).await), [6]);
    reader.gone(&scene).await;
}

/// Retention overtakes a reader: it is told, and can go on where records are left.
pub async fn a_trimmed_place_is_an_error(scene: Scene) {
    let log = scene.tested.open().await;
    let topic = scene.tested.create_topic("trimmed", 1).await;
    let it = only(&topic);
    append(&*log, &it, 0..50).await;
    append(&*log, &it, 50..100).await;
    let mut reader = Reader::join(&*log, topic.as_str(), &[&topic], ROOMY).await;
    let mut feed = scene.soon("the partition", reader.assigned(1)).await.remove(0);
    scene.tested.trim(&it, NextOffset(60)).await;
    assert_eq!(bounds(&*log, &it).await, (60, 100));
    for offset in [0, 59, 60] {
        let first = log.read_at(&it, Offset(offset)).await.unwrap().unwrap();
        assert_eq!(first.offset, Offset(60));
    }
    feed.start(NextOffset(10)).await.unwrap();
    let error = scene.soon("the error", feed.next()).await.unwrap_err();
    assert!(!error.retry, "waiting does not help: {error}");
    assert!(error.what.contains(topic.as_str()) && error.what.contains("10"), "{error}");
    feed.start(NextOffset(60)).await.unwrap();
    let records = scene.read(&mut *feed, 40).await;
    assert_eq!(numbers(&records), (60..100).collect::<Vec<_>>());

    scene.tested.trim(&it, after(&records)).await;
    assert_eq!(bounds(&*log, &it).await, (100, 100));
    append(&*log, &it, 100..101).await;
    assert_eq!(numbers(&scene.read(&mut *feed, 1).await), [100]);
    reader.gone(&scene).await;
}

/// The old feed delivers nothing of the new topic; the member gets the partition anew.
pub async fn a_topic_made_anew_is_not_mistaken(scene: Scene) {
    let log = scene.tested.open().await;
    let topic = scene.tested.create_topic("anew", 1).await;
    let it = only(&topic);
    append(&*log, &it, 0..10).await;
    let mut reader = Reader::join(&*log, topic.as_str(), &[&topic], ROOMY).await;
    let mut old = scene.soon("the partition", reader.assigned(1)).await.remove(0);
    old.start(NextOffset::ZERO).await.unwrap();
    scene.read(&mut *old, 10).await;

    scene.tested.recreate(&topic).await;
    append(&*log, &it, 1_000..1_020).await;
    assert_eq!(bounds(&*log, &it).await, (0, 20));
    let first = log.read_at(&it, Offset(0)).await.unwrap().unwrap();
    assert_eq!(numbers(&[first]), [1_000]);
    let outcome = scene.soon("the end of the old feed", old.next()).await;
    assert!(matches!(outcome, Ok(None) | Err(_)), "{outcome:?}");
    let mut new = scene.soon("the partition anew", reader.assigned(1)).await.remove(0);
    new.start(NextOffset(5)).await.unwrap();
    let records = scene.read(&mut *new, 15).await;
    assert_eq!(numbers(&records), (1_005..1_020).collect::<Vec<_>>());
    reader.gone(&scene).await;
}

/// A topic gets wider while a member reads it.
pub async fn added_partitions_are_assigned(scene: Scene) {
    let log = scene.tested.open().await;
    let topic = scene.tested.create_topic("wider", 1).await;
    append(&*log, &only(&topic), 0..10).await;
    let mut reader = Reader::join(&*log, topic.as_str(), &[&topic], ROOMY).await;
    let feed = scene.soon("the partition", reader.assigned(1)).await.remove(0);
    scene.tested.add_partitions(&topic, 3).await;
    assert_eq!(log.describe(&topic).await.unwrap().unwrap().partitions, 3);
    append(&*log, &TopicPartition::new(&topic, 2), 0..10).await;
    let mut feeds = vec![feed];
    while feeds.len() < 3 {
        match scene.soon("the new partitions", reader.event()).await.unwrap() {
            GroupEvent::Assigned(more) => feeds.extend(more),
            // A log may hand everything out afresh.
            GroupEvent::Revoked { partitions, .. } | GroupEvent::Lost { partitions } => {
                feeds.retain(|feed| !partitions.contains(feed.topic_partition()));
            }
        }
    }
    for feed in feeds.iter_mut().filter(|feed| feed.topic_partition().partition.0 != 1) {
        feed.start(NextOffset(3)).await.unwrap();
        assert_eq!(numbers(&scene.read(&mut **feed, 7).await), (3..10).collect::<Vec<_>>());
    }
    reader.gone(&scene).await;
}

/// Records, bounds and topics are there afterwards, and offsets go on.
pub async fn a_restart_loses_nothing(scene: Scene) {
    let topic = scene.tested.create_topic("restart", 2).await;
    let it = TopicPartition::new(&topic, 1);
    let (read, reached) = {
        let log = scene.tested.open().await;
        append(&*log, &it, 0..2_000).await;
        let mut reader = Reader::join(&*log, topic.as_str(), &[&topic], ROOMY).await;
        let mut feeds = scene.soon("both partitions", reader.assigned(2)).await;
        feeds[1].start(NextOffset::ZERO).await.unwrap();
        let records = scene.read(&mut *feeds[1], 700).await;
        let reached = after(&records);
        reader.commit(&[(it.clone(), reached)]).await;
        drop(feeds);
        reader.gone(&scene).await;
        (records.len(), reached)
    };
    scene.tested.restart().await;
    let log = scene.tested.open().await;
    assert_eq!(log.describe(&topic).await.unwrap().unwrap().partitions, 2);
    assert_eq!(bounds(&*log, &it).await, (0, 2_000));
    append(&*log, &it, 2_000..2_100).await;
    let mut reader = Reader::join(&*log, topic.as_str(), &[&topic], ROOMY).await;
    let mut feeds = scene.soon("both partitions", reader.assigned(2)).await;
    feeds[1].start(reached).await.unwrap();
    let records = scene.read(&mut *feeds[1], 2_100 - read).await;
    assert_eq!(numbers(&records), (0..2_100).skip(read).collect::<Vec<_>>());
    reader.gone(&scene).await;
}
