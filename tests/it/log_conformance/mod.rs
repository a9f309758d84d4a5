//! The contract of `keepstep::log`, as cases that every log must pass.
//!
//! Written against the traits alone; what else a case needs of a log stands in [`laboratory`]. A log
//! joins with one laboratory and one line: [`conforms`]. Each case has topics and groups of its
//! own, so that cases may run beside each other on one broker.

pub mod laboratory;

mod alteration;
mod delivery;
mod membership;
mod reader;
mod reading;
mod scene;
mod worker;

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;

use tokio::task::JoinSet;

use laboratory::{Abilities, Laboratory};
use scene::Scene;

/// Longest time for one case, as a multiple of the log's patience.
const LONGEST_CASE: u32 = 10;

/// One case. It panics where the log breaks its word.
struct Case {
    name: &'static str,
    /// Whether a kind of log can be asked.
    applies: fn(&Abilities) -> bool,
    run: fn(Scene) -> Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// A case that every log can be asked.
const fn case(
    name: &'static str,
    run: fn(Scene) -> Pin<Box<dyn Future<Output = ()> + Send>>,
) -> Case {
    Case { name, applies: |_| true, run }
}

/// A case that needs an ability.
const fn case_if(
    applies: fn(&Abilities) -> bool,
    name: &'static str,
    run: fn(Scene) -> Pin<Box<dyn Future<Output = ()> + Send>>,
) -> Case {
    Case { name, applies, run }
}

/// All cases.
const CASES: &[Case] = &[
    case("a topic is described", |scene| Box::pin(reading::a_topic_is_described(scene))),
    case("records come back as they were", |scene| {
        Box::pin(reading::records_come_back_as_they_were(scene))
    }),
    case("appends say where records lie", |scene| {
        Box::pin(reading::appends_say_where_records_lie(scene))
    }),
    case("appends at once do not mix up", |scene| {
        Box::pin(reading::appends_at_once_do_not_mix_up(scene))
    }),
    case("a record is read at its position", |scene| {
        Box::pin(reading::a_record_is_read_at_its_position(scene))
    }),
    case_if(
        |it| it.offset_for_time,
        "a time leads to an offset",
        |scene| Box::pin(reading::a_time_leads_to_an_offset(scene)),
    ),
    case_if(
        |it| it.holes,
        "holes are passed over",
        |scene| Box::pin(alteration::holes_are_passed_over(scene)),
    ),
    case("records come in order from the start", |scene| {
        Box::pin(delivery::records_come_in_order_from_the_start(scene))
    }),
    case("delivery starts anywhere and anew", |scene| {
        Box::pin(delivery::delivery_starts_anywhere_and_anew(scene))
    }),
    case("a dropped wait loses nothing", |scene| {
        Box::pin(delivery::a_dropped_wait_loses_nothing(scene))
    }),
    case("chunks keep to the limits", |scene| Box::pin(delivery::chunks_keep_to_the_limits(scene))),
    case("one member reads many topics", |scene| {
        Box::pin(delivery::one_member_reads_many_topics(scene))
    }),
    case("two members share and lose nothing", |scene| {
        Box::pin(membership::two_members_share_and_lose_nothing(scene))
    }),
    case("a late answer holds the next owner back", |scene| {
        Box::pin(membership::a_late_answer_holds_the_next_owner_back(scene))
    }),
    case("a member without partitions is a member", |scene| {
        Box::pin(membership::a_member_without_partitions_is_a_member(scene))
    }),
    case_if(
        |it| it.kill,
        "the partitions of a dead member pass on",
        |scene| Box::pin(membership::the_partitions_of_a_dead_member_pass_on(scene)),
    ),
    case_if(
        |it| it.trim,
        "a trimmed place is an error",
        |scene| Box::pin(alteration::a_trimmed_place_is_an_error(scene)),
    ),
    case_if(
        |it| it.recreate,
        "a topic made anew is not mistaken for the old one",
        |scene| Box::pin(alteration::a_topic_made_anew_is_not_mistaken(scene)),
    ),
    case_if(
        |it| it.add_partitions,
        "added partitions are assigned",
        |scene| Box::pin(alteration::added_partitions_are_assigned(scene)),
    ),
    case_if(
        |it| it.restart,
        "a restart loses nothing",
        |scene| Box::pin(alteration::a_restart_loses_nothing(scene)),
    ),
];

/// Runs every case and panics with the names of those that failed; what each found stands in the
/// test's output before. Answers the names of the cases that this kind of log cannot be asked.
pub async fn conforms(laboratory: &dyn Laboratory) -> Vec<&'static str> {
    let abilities = laboratory.abilities();
    let longest = laboratory.patience() * LONGEST_CASE;
    let mut waiting = CASES.iter().filter(|case| (case.applies)(&abilities));
    let mut running = JoinSet::new();
    let mut names = HashMap::new();
    let mut failed = Vec::new();
    loop {
        while running.len() < laboratory.cases_at_once() {
            let Some(case) = waiting.next() else { break };
            let scene = Scene::new(laboratory.new_log().await, laboratory);
            let task = running.spawn(tokio::time::timeout(longest, (case.run)(scene)));
            names.insert(task.id(), case.name);
        }
        match running.join_next_with_id().await {
            None => break,
            Some(Ok((_, Ok(())))) => {}
            Some(Ok((id, Err(_)))) => failed.push(format!("{}: not done in time", names[&id])),
            Some(Err(error)) => failed.push(format!("{}: panicked", names[&error.id()])),
        }
    }
    failed.sort_unstable();
    assert!(failed.is_empty(), "{} fails: {failed:#?}", laboratory.name());
    CASES.iter().filter(|case| !(case.applies)(&abilities)).map(|case| case.name).collect()
}
