//! A batch that the destination cannot take at once is written in smaller ones.

use std::time::Duration;

use keepstep::destination::faulty::Fault;
use keepstep::pipeline::status::LaneState;

use super::{Scene, records};

async fn all_is_written(most: usize, fault: Fault) {
    let mut scene = Scene::new(1).await;
    scene.too_many = Some((most, fault));
    scene.append(records(0..250)).await;
    scene.start();
    scene.settled(250).await;
    assert_eq!((scene.rows(), scene.held().len()), (250, 0));
    scene.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_as_an_outage_each_time_gets_through_in_smaller_batches() {
    for most in [1, 2, 7, 60] {
        all_is_written(most, Fault::Refuse).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_unclear_each_time_gets_through_in_smaller_batches() {
    // By the time it arrives, the fence does not hold any more.
    for most in [1, 7, 60] {
        all_is_written(most, Fault::ArriveLate(Duration::from_secs(3_600))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_change_that_does_not_get_through_stands_alone_and_is_never_passed_over() {
    let mut scene = Scene::new(1).await;
    scene.too_many = Some((0, Fault::Refuse));
    scene.append(records(0..20)).await;
    scene.start();
    scene
        .when(|board| {
            board.lanes().values().any(|lane| matches!(lane.state, LaneState::Waiting(_)))
        })
        .await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!((scene.rows(), scene.held().len()), (0, 0));
    scene.end().await.unwrap();
    scene.too_many = None;
    scene.start();
    scene.settled(20).await;
    assert_eq!(scene.rows(), 20);
}
