//! Processes that are killed in the middle, on real parts.
//!
//! Two `keepstep run` processes copy from a real Kafka to a real PostgreSQL and are killed (SIGKILL)
//! after random numbers of commits, while changes go on coming; broker and database are killed and
//! started again in between. In the end every table equals a serial replay of what was published,
//! and a trigger in the database has seen no update whose version was not higher. The same for the
//! embedded log and SQLite with one process.
//!
//! `KEEPSTEP_TEST_KILLS` says how many kills (default 5).
#![expect(clippy::disallowed_methods, reason = "publishers end with their test")]

mod published;
mod scene;

use published::Published;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use scene::{OneMachine, Served};

use crate::scene::servers::Server;

/// Changes that are published while processes are killed.
const CHANGES: usize = 20_000;

fn kills() -> u64 {
    let kills = std::env::var("KEEPSTEP_TEST_KILLS").ok();
    kills.map_or(5, |text| text.parse().expect("KEEPSTEP_TEST_KILLS is a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_on_kafka_and_postgres_lose_nothing_and_apply_nothing_twice() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut rng = SmallRng::seed_from_u64(seed);
    let servers = Served::start().await;
    let published = Published::new(seed, CHANGES);
    let publishing = tokio::spawn(published.clone().publish(servers.log(), servers.topic()));
    let mut processes = vec![servers.keepstep(), servers.keepstep()];
    let (mut kills_done, total) = (0, kills());
    while kills_done < total {
        let settled = servers.settled().await;
        let left = published.len() - settled;
        let more = rng.random_range(1..(left / (total - kills_done) as usize / 2).max(2));
        servers.wait_settled(settled + more, &mut processes).await;
        let at = rng.random_range(0..processes.len());
        processes[at].kill();
        kills_done += 1;
        match kills_done % 3 {
            1 => servers.restart(Server::Database).await,
            2 => servers.restart(Server::Broker).await,
            _ => {}
        }
        processes[at] = servers.keepstep();
    }
    publishing.await.expect("publishes");
    servers.wait_settled(published.len(), &mut processes).await;
    servers.compare(&published).await;
    assert_eq!(servers.updates_that_were_not_newer().await, 0);
    println!("{kills_done} kills, {} changes, every row as replayed", published.len());
    for process in processes {
        process.stop();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_on_the_embedded_log_and_sqlite_lose_nothing_and_apply_nothing_twice() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut rng = SmallRng::seed_from_u64(seed);
    let machine = OneMachine::new();
    let published = Published::new(seed, CHANGES);
    let mut process = machine.keepstep();
    let publishing = tokio::spawn(published.clone().publish(machine.log().await, machine.topic()));
    let total = kills();
    for done in 0..total {
        let settled = machine.settled();
        let left = published.len() - settled;
        let more = rng.random_range(1..(left / (total - done) as usize / 2).max(2));
        machine.wait_settled(settled + more, &mut process).await;
        process.kill();
        process = machine.keepstep();
    }
    publishing.await.expect("publishes");
    machine.wait_settled(published.len(), &mut process).await;
    machine.compare(&published);
    process.stop();
}
