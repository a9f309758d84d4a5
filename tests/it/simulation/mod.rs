//! The simulation: one seed makes a world, and an oracle says whether the promises held in it.
//!
//! A world is an organisation that publishes changes, a log in memory, a destination in memory
//! that refuses, stalls, commits and loses the answer, lets requests arrive late and falls back to
//! older states (one world in ten writes to a real SQLite file instead, which falls back to
//! nothing), and processes that join, leave, die and live on as zombies. Time is Tokio's paused
//! time and every choice comes from the seed, so the same seed gives the same trace.
//!
//! `KEEPSTEP_TEST_SEED=4711 cargo test --release --features mutations --test it simulation::one_seed`
//! repeats one world; `KEEPSTEP_TEST_SEEDS=100000 … simulation::worlds` runs many.

mod oracle;
mod serial;
pub(crate) mod source;
mod store;
mod world;

use keepstep::model::mutation::Mutations;
use world::{World, run};

/// Worlds in `make test`.
const SEEDS: u64 = 500;

#[expect(clippy::disallowed_methods, reason = "a test's own settings")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn fail(seed: u64, problems: &[String]) -> ! {
    panic!(
        "world {seed} broke a promise:\n  {}\nrepeat it: KEEPSTEP_TEST_SEED={seed} cargo test --release \
         --features mutations --test it simulation::one_seed -- --nocapture",
        problems[..problems.len().min(5)].join("\n  ")
    );
}

#[test]
fn worlds_keep_the_promises() {
    let seeds = number("KEEPSTEP_TEST_SEEDS").unwrap_or(SEEDS);
    let mut seen = world::Seen::default();
    for seed in 0..seeds {
        let outcome = run(World::new(seed), Mutations::default());
        if !outcome.problems.is_empty() {
            fail(seed, &outcome.problems);
        }
        seen.add(&outcome.seen);
    }
    println!("{seeds} worlds: {seen:?}");
    // A simulation in which nothing goes wrong proves nothing.
    assert!(seen.everything_happened(), "{seen:?}");
}

/// Worlds in which something went wrong once that the first ones do not show: a retried image that
/// forgot its create, a delete beside what was held, two owners who fenced each other without end,
/// a bad image that came again after a newer delete.
#[test]
fn worlds_that_broke_a_promise_once() {
    for seed in [1_053, 2_463, 5_659, 15_149] {
        let outcome = run(World::new(seed), Mutations::default());
        if !outcome.problems.is_empty() {
            fail(seed, &outcome.problems);
        }
    }
}

#[test]
fn one_seed() {
    let seed = number("KEEPSTEP_TEST_SEED").unwrap_or(4_711);
    let outcome = run(World::new(seed), Mutations::default());
    for line in &outcome.trace {
        println!("{line}");
    }
    if !outcome.problems.is_empty() {
        fail(seed, &outcome.problems);
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [3, 17, 42] {
        let first = run(World::new(seed), Mutations::default());
        let second = run(World::new(seed), Mutations::default());
        assert_eq!(first.trace, second.trace);
        assert!(first.trace.len() > 20);
    }
}

#[cfg(feature = "mutations")]
mod mutations {
    use keepstep::model::mutation::{Mutation, Mutations};

    use super::world::{World, run};

    /// The seed that catches the fault, if one below `limit` does.
    fn caught_by(mutation: Mutation, limit: u64) -> Option<u64> {
        let broken =
            |seed: &u64| !run(World::new(*seed), Mutations::with(mutation)).problems.is_empty();
        (0..limit).find(broken)
    }

    /// Every fault that is built in on purpose is caught within so many seeds.
    #[test]
    fn every_mutation_is_caught() {
        let survivors: Vec<String> = [
            (Mutation::FenceOff, 60),
            (Mutation::TokenOnly, 1000),
            (Mutation::GuardOff, 10),
            (Mutation::CheckpointBeforeWrite, 20),
            (Mutation::CheckpointOutsideTransaction, 20),
            (Mutation::CoalescingDropsDelete, 20),
            (Mutation::PatchAsImage, 5),
            (Mutation::TombstoneForgotten, 5),
            (Mutation::BudgetIgnored, 20),
            (Mutation::StartAtEnd, 20),
            (Mutation::HeldIgnored, 60),
            (Mutation::OlderReleases, 500),
            (Mutation::OutboxForgetful, 100),
            (Mutation::ReleaseOutside, 100),
            (Mutation::RetryOfOne, 500),
            (Mutation::RetryAfterNewer, 100),
        ]
        .into_iter()
        .filter_map(|(mutation, limit)| match caught_by(mutation, limit) {
            Some(seed) => {
                println!("{mutation:?} is caught by seed {seed}");
                None
            }
            None => Some(format!("{mutation:?} survives {limit} seeds")),
        })
        .collect();
        assert!(survivors.is_empty(), "{survivors:#?}");
    }
}
