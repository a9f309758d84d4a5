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

mod activation;
mod basics;
mod batches;
mod beside;
mod checkpoint;
mod desk;
mod existing;
mod fence;
mod guard;
pub mod held;
mod kept_rows;
mod layout;
mod limits;
mod names;
mod patches;
mod serial_model;
mod tombstones;
mod trials;

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
    run: Run,
}

type Run = fn(Scene) -> Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A case that every database can be asked.
const fn case(name: &'static str, run: Run) -> Case {
    Case { name, applies: |_| true, run }
}

/// A case for databases whose tables someone else can change.
const fn of_schema(name: &'static str, run: Run) -> Case {
    Case { name, applies: |abilities| abilities.has_schema, run }
}

/// A case for databases whose names may hold any character.
const fn of_any_name(name: &'static str, run: Run) -> Case {
    Case { name, applies: |abilities| abilities.takes_any_name, run }
}

/// All cases.
const CASES: &[Case] = &[
    case("a batch is written and read back", |scene| {
        Box::pin(basics::a_batch_is_written_and_read_back(scene))
    }),
    case("every type at its limits", |scene| Box::pin(limits::every_type_at_its_limits(scene))),
    case("record ids at their limits", |scene| Box::pin(limits::ids_at_their_limits(scene))),
    case("texts around every threshold", |scene| {
        Box::pin(limits::texts_around_every_threshold(scene))
    }),
    case("the ends of the calendar", |scene| Box::pin(limits::the_ends_of_the_calendar(scene))),
    case("the sink columns tell first and last", |scene| {
        Box::pin(limits::the_sink_columns_tell_first_and_last(scene))
    }),
    case("the guard, versioned", |scene| Box::pin(guard::versioned(scene))),
    case("the guard, unversioned", |scene| Box::pin(guard::unversioned(scene))),
    case("each cell of merged patches has its version", |scene| {
        Box::pin(patches::each_cell_has_its_version(scene))
    }),
    case("an image takes its patch along", |scene| {
        Box::pin(patches::an_image_takes_its_patch_along(scene))
    }),
    case("a delete, an image and a patch at once", |scene| {
        Box::pin(patches::a_delete_an_image_and_a_patch_at_once(scene))
    }),
    case("without a base nothing is written", |scene| {
        Box::pin(patches::without_a_base_nothing_is_written(scene))
    }),
    case("patches sparse over a wide table", |scene| {
        Box::pin(patches::sparse_over_a_wide_table(scene))
    }),
    case("an empty patch moves the version", |scene| {
        Box::pin(patches::an_empty_patch_moves_the_version(scene))
    }),
    case("a zombie writes nothing", |scene| Box::pin(fence::a_zombie_writes_nothing(scene))),
    case("a fence holds once", |scene| Box::pin(fence::a_fence_holds_once(scene))),
    case("the offset must be right", |scene| Box::pin(fence::the_offset_must_be_right(scene))),
    case("a late request does nothing", |scene| {
        Box::pin(fence::a_late_request_does_nothing(scene))
    }),
    case("an older state is noticed", |scene| Box::pin(fence::an_older_state_is_noticed(scene))),
    case("a lost answer is found by a take", |scene| {
        Box::pin(fence::a_lost_answer_is_found_by_a_take(scene))
    }),
    case("a dropped call is whole or nothing", |scene| {
        Box::pin(fence::a_dropped_call_is_whole_or_nothing(scene))
    }),
    case("a fight for a lane writes once", |scene| {
        Box::pin(fence::a_fight_for_a_lane_writes_once(scene))
    }),
    case("an idle lane looks", |scene| Box::pin(fence::an_idle_lane_looks(scene))),
    case("the fingerprint is kept", |scene| Box::pin(checkpoint::the_fingerprint_is_kept(scene))),
    case("an entity has its own cursor", |scene| {
        Box::pin(checkpoint::an_entity_has_its_own_cursor(scene))
    }),
    case("a fence makes cursors", |scene| Box::pin(checkpoint::a_fence_makes_cursors(scene))),
    case("cursors are put back", |scene| Box::pin(checkpoint::cursors_are_put_back(scene))),
    case("lanes are apart", |scene| Box::pin(checkpoint::lanes_are_apart(scene))),
    case("a lost checkpoint is loud", |scene| {
        Box::pin(checkpoint::a_lost_checkpoint_is_loud(scene))
    }),
    case("a deleted record stays deleted", |scene| {
        Box::pin(tombstones::a_deleted_record_stays_deleted(scene))
    }),
    case("a delete comes before its record", |scene| {
        Box::pin(tombstones::a_delete_comes_before_its_record(scene))
    }),
    case("tombstones are their entity's", |scene| {
        Box::pin(tombstones::tombstones_are_their_entitys(scene))
    }),
    case("a delete and a create at once", |scene| {
        Box::pin(tombstones::a_delete_and_a_create_at_once(scene))
    }),
    case("many deletes at once", |scene| Box::pin(tombstones::many_deletes_at_once(scene))),
    case("deletes are logged once", |scene| Box::pin(beside::deletes_are_logged_once(scene))),
    case("metadata follows the definitions", |scene| {
        Box::pin(beside::metadata_follows_the_definitions(scene))
    }),
    case("holds and rows commit together", |scene| {
        Box::pin(held::holds_and_rows_commit_together(scene))
    }),
    case("a fenced write holds nothing", |scene| {
        Box::pin(held::a_fenced_write_holds_nothing(scene))
    }),
    case("holding again keeps the first time", |scene| {
        Box::pin(held::holding_again_keeps_the_first_time(scene))
    }),
    case("a release says why", |scene| Box::pin(held::a_release_says_why(scene))),
    case("a release stays until it is published", |scene| {
        Box::pin(held::a_release_stays_until_it_is_published(scene))
    }),
    case("an older mark publishes nothing newer", |scene| {
        Box::pin(held::an_older_mark_publishes_nothing_newer(scene))
    }),
    case("what is unknown is a key too", |scene| {
        Box::pin(held::what_is_unknown_is_a_key_too(scene))
    }),
    case("pages of held changes follow each other", |scene| {
        Box::pin(held::pages_follow_each_other(scene))
    }),
    case("held changes are their lane's", |scene| {
        Box::pin(held::held_changes_are_their_lanes(scene))
    }),
    case("held changes fall back with the rows", |scene| {
        Box::pin(held::they_fall_back_with_the_rows(scene))
    }),
    case("a trial leaves no trace", |scene| Box::pin(trials::a_trial_leaves_no_trace(scene))),
    case("a rejection names all that it can", |scene| {
        Box::pin(trials::a_rejection_names_all_that_it_can(scene))
    }),
    case("a rejection leaves nothing for later", |scene| {
        Box::pin(trials::a_rejection_leaves_nothing_for_later(scene))
    }),
    case("requests are kept", |scene| Box::pin(desk::requests_are_kept(scene))),
    case("a request moves by compare-and-set", |scene| {
        Box::pin(desk::a_request_moves_by_compare_and_set(scene))
    }),
    case("open requests have a limit", |scene| Box::pin(desk::open_requests_have_a_limit(scene))),
    case("lane states are said and read", |scene| {
        Box::pin(desk::lane_states_are_said_and_read(scene))
    }),
    case("several entities at once", |scene| Box::pin(batches::several_entities_at_once(scene))),
    case("rows of 313 columns", |scene| Box::pin(batches::rows_of_313_columns(scene))),
    case("twenty thousand rows at once", |scene| {
        Box::pin(batches::twenty_thousand_rows_at_once(scene))
    }),
    case("random batches equal the model", |scene| {
        Box::pin(batches::random_batches_equal_the_model(scene))
    }),
    of_any_name("hostile columns", |scene| Box::pin(names::hostile_columns(scene))),
    of_any_name("hostile tables", |scene| Box::pin(names::hostile_tables(scene))),
    of_schema("impossible names are refused", |scene| {
        Box::pin(names::impossible_names_are_refused(scene))
    }),
    of_schema("as many columns as there can be", |scene| {
        Box::pin(names::as_many_columns_as_there_can_be(scene))
    }),
    case("a table has one owner", |scene| Box::pin(activation::a_table_has_one_owner(scene))),
    case("activation is idempotent", |scene| Box::pin(activation::activation_is_idempotent(scene))),
    case("activations at once agree", |scene| {
        Box::pin(activation::activations_at_once_agree(scene))
    }),
    case("lanes start where they should", |scene| {
        Box::pin(activation::lanes_start_where_they_should(scene))
    }),
    case("columns are added and never dropped", |scene| {
        Box::pin(activation::columns_are_added_and_never_dropped(scene))
    }),
    of_schema("newer own tables are refused", |scene| {
        Box::pin(activation::newer_own_tables_are_refused(scene))
    }),
    of_schema("what someone dropped is its table's trouble", |scene| {
        Box::pin(activation::what_someone_dropped_is_its_tables_trouble(scene))
    }),
    of_schema("a check changes nothing", |scene| {
        Box::pin(activation::a_check_changes_nothing(scene))
    }),
    case("tables that are there are kept, emptied or refused", |scene| {
        Box::pin(layout::tables_that_are_there(scene))
    }),
    of_schema("columns become wider", |scene| Box::pin(layout::columns_become_wider(scene))),
    of_schema("a column of another type is its entity's trouble", |scene| {
        Box::pin(layout::another_type_is_its_entitys_trouble(scene))
    }),
    of_schema("columns without an attribute are told", |scene| {
        Box::pin(layout::columns_without_an_attribute_are_told(scene))
    }),
    case("rows stay after their delete, versioned", |scene| Box::pin(kept_rows::versioned(scene))),
    case("rows stay after their delete, unversioned", |scene| {
        Box::pin(kept_rows::unversioned(scene))
    }),
    case("a survey tells and changes nothing", |scene| {
        Box::pin(existing::a_survey_tells_and_changes_nothing(scene))
    }),
    case("columns are widened and keep their values", |scene| {
        Box::pin(existing::columns_are_widened_and_keep_their_values(scene))
    }),
    case("columns are widened as far as allowed", |scene| {
        Box::pin(existing::columns_are_widened_as_far_as_allowed(scene))
    }),
    of_schema("columns come last and stay for ever", |scene| {
        Box::pin(existing::columns_come_last_and_stay_for_ever(scene))
    }),
    case("everything survives reopening", |scene| {
        Box::pin(activation::everything_survives_reopening(scene))
    }),
];

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
