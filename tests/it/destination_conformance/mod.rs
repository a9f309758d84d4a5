//! The contract of `keepstep::destination`, as cases that every destination must pass.
//!
//! Written against the trait alone; what else a case needs of a database stands in
//! [`laboratory`]. A destination joins with one laboratory and one line: [`conforms`]. With the
//! feature `mutations`, [`every_mutation_is_caught`] proves that the cases notice the faults that
//! can be built into that very adapter.

pub mod held_up;
pub mod laboratory;
pub mod outcome;
pub mod printed;
pub mod scene;

mod basics;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

#[cfg(feature = "mutations")]
use keepstep::model::mutation::Mutation;
use keepstep::model::mutation::Mutations;

use laboratory::{Abilities, Laboratory};
use outcome::Outcome;
use scene::Scene;

/// Longest time that one case may take.
const LONGEST_CASE: Duration = Duration::from_secs(120);

/// One case.
struct Case {
    name: &'static str,
    /// Whether a kind of database can be asked.
    applies: fn(&Abilities) -> bool,
    run: fn(Scene) -> Pin<Box<dyn Future<Output = Outcome> + Send>>,
}

/// A case that every database can be asked.
const fn case(
    name: &'static str,
    run: fn(Scene) -> Pin<Box<dyn Future<Output = Outcome> + Send>>,
) -> Case {
    Case { name, applies: |_| true, run }
}

/// All cases.
const CASES: &[Case] = &[case("a batch is written and read back", |scene| {
    Box::pin(basics::a_batch_is_written_and_read_back(scene))
})];

/// Runs every case, each on a database of its own, and panics with the list of those that failed.
/// Answers the names of the cases that this kind of database cannot be asked.
pub async fn conforms(laboratory: &dyn Laboratory) -> Vec<&'static str> {
    let failures = failures(laboratory, Mutations::default(), usize::MAX).await;
    assert!(
        failures.is_empty(),
        "{} fails {} of {} cases:\n\n{}",
        laboratory.name(),
        failures.len(),
        CASES.len(),
        failures.join("\n\n")
    );
    let abilities = laboratory.abilities();
    CASES.iter().filter(|case| !(case.applies)(&abilities)).map(|case| case.name).collect()
}

/// The faults that can be built into an adapter.
#[cfg(feature = "mutations")]
const MUTATIONS: &[Mutation] = &[
    Mutation::FenceOff,
    Mutation::TokenOnly,
    Mutation::GuardOff,
    Mutation::CheckpointBeforeWrite,
    Mutation::CheckpointOutsideTransaction,
    Mutation::PatchAsImage,
    Mutation::TombstoneForgotten,
];

/// Panics with the list of faults that can be built into this adapter and make no case fail.
#[cfg(feature = "mutations")]
pub async fn every_mutation_is_caught(laboratory: &dyn Laboratory) {
    let mut survivors = Vec::new();
    for mutation in MUTATIONS {
        if failures(laboratory, Mutations::with(*mutation), 1).await.is_empty() {
            survivors.push(mutation);
        }
    }
    assert!(survivors.is_empty(), "{} passes with {survivors:?} built in", laboratory.name());
}

/// What the cases found, until `most` of them failed.
async fn failures(laboratory: &dyn Laboratory, mutations: Mutations, most: usize) -> Vec<String> {
    let abilities = laboratory.abilities();
    let mut failures = Vec::new();
    for case in CASES.iter().filter(|case| (case.applies)(&abilities)) {
        let database = laboratory.new_database().await;
        let scene = Scene::new(database, abilities, mutations);
        let outcome = match tokio::time::timeout(LONGEST_CASE, (case.run)(scene)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(format!("not done after {LONGEST_CASE:?}")),
        };
        if let Err(why) = outcome {
            failures.push(format!("case \"{}\": {why}", case.name));
        }
        if failures.len() >= most {
            break;
        }
    }
    failures
}
