//! Relays that are ended at any instant, and started again until they are through.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use keepstep::app::relay::relay;
use keepstep::app::shutdown::stop_pair;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use std::sync::Mutex;
use tokio::sync::Notify;

use super::unreliable_log::UnreliableLog;
use super::{Scene, associate, change, decoder, origin};

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
