//! Members that come, go, answer late and die.

use std::sync::Arc;

use keepstep::log::Log;
use keepstep::model::position::{NextOffset, Topic, TopicPartition};

use super::reader::Reader;
use super::scene::{ROOMY, Scene, append, numbers};
use super::worker::{Ledger, Worker};

async fn append_to_all(
    log: &dyn Log,
    topic: &Topic,
    partitions: u32,
    numbers: std::ops::Range<u32>,
) {
    for partition in 0..partitions {
        append(log, &TopicPartition::new(topic, partition), numbers.clone()).await;
    }
}

/// A second member comes, gets its half, and goes, while records arrive.
pub async fn two_members_share_and_lose_nothing(scene: Scene) {
    let (log, other) = (scene.tested.open().await, scene.tested.open().await);
    let topic = scene.tested.create_topic("shared", 4).await;
    let ledger = Arc::new(Ledger::default());
    append_to_all(&*log, &topic, 4, 0..700).await;
    let first = Worker::start("first", &*log, topic.as_str(), &[&topic], &ledger).await;
    ledger.until_shared(&scene, &[("first", 4)]).await;
    let second = Worker::start("second", &*other, topic.as_str(), &[&topic], &ledger).await;
    append_to_all(&*log, &topic, 4, 700..800).await;
    ledger.until_shared(&scene, &[("first", 2), ("second", 2)]).await;
    append_to_all(&*log, &topic, 4, 800..900).await;
    ledger.until_complete(&scene, &topic, 4, 900).await;
    first.leave(&scene).await;
    append_to_all(&*log, &topic, 4, 900..950).await;
    ledger.until_shared(&scene, &[("second", 4)]).await;
    ledger.until_complete(&scene, &topic, 4, 950).await;
    second.leave(&scene).await;
    ledger.until_shared(&scene, &[("first", 0), ("second", 0)]).await;
}

/// The next owner starts after the answer, not before.
pub async fn a_late_answer_holds_the_next_owner_back(scene: Scene) {
    let (log, other) = (scene.tested.open().await, scene.tested.open().await);
    let topic = scene.tested.create_topic("late", 2).await;
    append_to_all(&*log, &topic, 2, 0..10).await;
    let mut first = Reader::join(&*log, topic.as_str(), &[&topic], ROOMY).await;
    let mut feeds = scene.soon("both partitions", first.assigned(2)).await;
    for feed in &mut feeds {
        feed.start(NextOffset::ZERO).await.unwrap();
        scene.read(&mut **feed, 10).await;
    }
    let mut second = Reader::join(&*other, topic.as_str(), &[&topic], ROOMY).await;
    let (moving, done) = scene.soon("the request", first.revoked()).await;
    for feed in feeds.iter_mut().filter(|feed| moving.contains(feed.topic_partition())) {
        assert!(scene.soon("the end of the feed", feed.next()).await.unwrap().is_none());
    }
    scene.never("the next owner did not wait for the answer", second.assigned(1)).await;
    done.send(()).unwrap();
    let mut feed = scene.soon("the partition", second.assigned(1)).await.remove(0);
    feed.start(NextOffset(4)).await.unwrap();
    assert_eq!(numbers(&scene.read(&mut *feed, 6).await), (4..10).collect::<Vec<_>>());
    second.gone(&scene).await;
    first.gone(&scene).await;
}

/// Two members, one partition: the one without takes over when another goes.
pub async fn a_member_without_partitions_is_a_member(scene: Scene) {
    let log = scene.tested.open().await;
    let topic = scene.tested.create_topic("idle", 1).await;
    let ledger = Arc::new(Ledger::default());
    let first = Worker::start("first", &*log, topic.as_str(), &[&topic], &ledger).await;
    ledger.until_shared(&scene, &[("first", 1)]).await;
    let other = scene.tested.open().await;
    let second = Worker::start("second", &*other, topic.as_str(), &[&topic], &ledger).await;
    append_to_all(&*log, &topic, 1, 0..20).await;
    ledger.until_complete(&scene, &topic, 1, 20).await;
    first.leave(&scene).await;
    append_to_all(&*log, &topic, 1, 20..40).await;
    ledger.until_shared(&scene, &[("second", 1)]).await;
    ledger.until_complete(&scene, &topic, 1, 40).await;
    second.leave(&scene).await;
}

/// Nobody says goodbye.
pub async fn the_partitions_of_a_dead_member_pass_on(scene: Scene) {
    let (log, other) = (scene.tested.open().await, scene.tested.open().await);
    let topic = scene.tested.create_topic("dead", 4).await;
    let ledger = Arc::new(Ledger::default());
    append_to_all(&*log, &topic, 4, 0..300).await;
    let first = Worker::start("first", &*log, topic.as_str(), &[&topic], &ledger).await;
    let second = Worker::start("second", &*other, topic.as_str(), &[&topic], &ledger).await;
    ledger.until_shared(&scene, &[("first", 2), ("second", 2)]).await;
    let member = first.die(&scene).await;
    append_to_all(&*log, &topic, 4, 300..400).await;
    scene.tested.kill(member).await;
    ledger.until_shared(&scene, &[("second", 4)]).await;
    append_to_all(&*log, &topic, 4, 400..450).await;
    ledger.until_complete(&scene, &topic, 4, 450).await;
    second.leave(&scene).await;
}
