//! Gaps are loud (G10): a lane whose log is not the one that its checkpoint speaks of stops.

use keepstep::model::position::{NextOffset, Topic, TopicPartition};

use super::{Scene, records};

#[tokio::test(start_paused = true)]
async fn a_log_trimmed_past_the_checkpoint_stops_the_lane() {
    let mut scene = Scene::new(1).await;
    scene.append(records(0..5)).await;
    scene.start();
    scene.settled(5).await;
    scene.end().await.unwrap();
    scene.append(records(5..20)).await;
    let partition = TopicPartition::new(&scene.topic, 0);
    scene.log.trim(&partition, NextOffset(9)).await.unwrap();
    scene.start();
    let reason = scene.stopped().await;
    assert!(reason.starts_with("gap: re-sync needed"), "{reason}");
    assert!(reason.contains("offset 5") && reason.contains("starts only at 9"), "{reason}");
    assert_eq!(scene.rows(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_topic_made_anew_stops_the_lane_whether_it_is_shorter_or_longer() {
    for appended in [2, 20] {
        let mut scene = Scene::new(1).await;
        scene.append(records(0..5)).await;
        scene.start();
        scene.settled(5).await;
        scene.end().await.unwrap();
        scene.log.recreate_topic(&scene.topic).await.unwrap();
        scene.append(records(100..100 + appended)).await;
        scene.start();
        let reason = scene.stopped().await;
        assert!(reason.contains("topic was made anew"), "{reason}");
        assert_eq!(scene.rows(), 5);
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_whose_partition_count_changed_is_refused() {
    let mut scene = Scene::new(1).await;
    scene.append(records(0..1)).await;
    scene.start();
    scene.settled(1).await;
    scene.end().await.unwrap();
    scene.log.add_partitions(&scene.topic, 2).await.unwrap();
    scene.start();
    let error = scene.running.join_next().await.unwrap().unwrap().unwrap_err();
    assert!(error.to_string().contains("partition"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_compacted_topic_is_refused() {
    let mut scene = Scene::new(1).await;
    scene.topic = Topic::new("compacted");
    scene.log.create_topic(&scene.topic, 1, true).await.unwrap();
    scene.start();
    let error = scene.running.join_next().await.unwrap().unwrap().unwrap_err();
    assert!(error.to_string().contains("compacted"), "{error}");
}
