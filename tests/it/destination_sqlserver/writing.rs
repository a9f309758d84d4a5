//! A whole write before a server that fails at each of its steps.

use std::sync::Arc;

use keepstep::destination::WriteError;
use keepstep::model::batch::Batch;

use super::scene::{impatient, lane, settings, told};
use crate::destination_conformance::scene::{self, Lane, text};
use crate::tds_server::tokens::{Value, one_row};
use crate::tds_server::{Asked, Counts, On, Reaction, Server};

/// The batch that commits.
const COMMIT: On = On::Batch("COMMIT TRANSACTION");

/// A batch whose rows fill several packets.
fn batch() -> Arc<Batch> {
    let cell = || text(&"content-of-a-record ".repeat(5));
    let change = |number| scene::image(scene::record(number), Some(2), &[(0, cell())]);
    scene::batch(&scene::letters("account", true), (1..=100).map(change).collect())
}

fn word(error: &WriteError) -> String {
    let all = format!("{error} {error:?}");
    assert!(!all.contains("content-of-a-record"), "{all}");
    match error {
        WriteError::Retry(trouble) => format!("retry {}", told(trouble)),
        WriteError::Unclear(trouble) => format!("unclear {}", told(trouble)),
        WriteError::Fatal(trouble) => format!("fatal {}", told(trouble)),
        WriteError::Fenced => "fenced".to_owned(),
        WriteError::Table { entity, trouble } => {
            let entity = entity.as_ref().map_or("?", |entity| entity.as_str());
            format!("table {entity} {}", told(trouble))
        }
        WriteError::Rejected(rejected) => {
            assert!(rejected.iter().all(|record| record.record_id.is_none()), "{rejected:?}");
            format!("rejected {}", rejected[0].rejection.cause)
        }
    }
}

async fn written(lane: &mut Lane) -> String {
    match lane.write(&batch()).await {
        Ok(_) => "written".to_owned(),
        Err(error) => word(&error),
    }
}

async fn tried(lane: &Lane) -> String {
    match lane.destination.try_out(&lane.next_fence(), &batch()).await {
        Ok(_) => "tried".to_owned(),
        Err(error) => word(&error),
    }
}

fn failed(number: i32, class: i32) -> Reaction {
    Reaction::Tokens(one_row(&[
        ("keepstep_answer", Value::Text("failed".to_owned())),
        ("", Value::Int(1)),
        ("", Value::Int(number)),
        ("", Value::Int(class)),
        ("", Value::Int(1)),
    ]))
}

#[tokio::test]
async fn rows_travel_first_and_then_one_batch_does_all_the_rest() {
    let server = Server::start().await;
    let mut lane = lane(settings(&server));
    for _ in 0..2 {
        assert_eq!(written(&mut lane).await, "written");
    }
    assert_eq!(server.counts(), Counts { accepted: 1, ended: 0 });
    // The staging table is made once.
    assert_eq!(server.batches("CREATE TABLE #").len(), 1);
    let asked = server.asked();
    let batches: Vec<&String> = asked
        .iter()
        .filter_map(|asked| if let Asked::Batch(text) = asked { Some(text) } else { None })
        .collect();
    assert!(batches.iter().all(|text| !text.contains("content-of-a-record")), "{batches:?}");
    let last = batches.last().unwrap();
    assert!(last.contains("BEGIN TRANSACTION") && last.contains("COMMIT TRANSACTION"), "{last}");
    let loads: Vec<usize> = asked
        .iter()
        .filter_map(|asked| if let Asked::Bulk { bytes } = asked { Some(*bytes) } else { None })
        .collect();
    assert_eq!(loads.len(), 2);
    assert!(loads.iter().all(|bytes| *bytes > 100 * 100 * 2), "{loads:?}");
}

#[tokio::test]
async fn an_answer_that_is_lost_after_the_commit_was_sent_leaves_it_open() {
    use Reaction::{Cut, CutAfter, Garbage, Stall};
    for (reaction, expected) in [
        (Cut, "connection_lost"),
        (CutAfter(3), "connection_lost"),
        (CutAfter(20), "connection_lost"),
        (Stall, "timed_out"),
        (Garbage(vec![0xFF; 64]), ""),
        (Reaction::error(40501, 20), "40501"),
        (Reaction::error(40197, 17), "40197"),
        (Reaction::error(21_999, 20), "21999"),
    ] {
        let server = Server::start().await;
        let mut lane = lane(impatient(&server));
        server.on(COMMIT, reaction.clone());
        let outcome = written(&mut lane).await;
        assert!(outcome.starts_with(&format!("unclear {expected}")), "{reaction:?}: {outcome}");
        server.ended(1).await;
        assert_eq!(written(&mut lane).await, "written", "{reaction:?}");
        assert_eq!(server.counts().accepted, 2, "{reaction:?}");
    }
}

#[tokio::test]
async fn a_trial_never_leaves_anything_open() {
    let server = Server::start().await;
    let lane = lane(settings(&server));
    server.on(On::Batch("BEGIN TRANSACTION"), Reaction::Cut);
    assert_eq!(tried(&lane).await, "retry connection_lost");
    assert_eq!(tried(&lane).await, "tried");
    assert_eq!(server.batches("COMMIT TRANSACTION"), Vec::<String>::new());
}

#[tokio::test]
async fn what_breaks_before_the_commit_was_sent_is_tried_again_on_another_connection() {
    use Reaction::{Cut, Garbage, Stall};
    for (on, reaction, expected) in [
        (On::Batch("CREATE TABLE #"), Cut, "retry connection_lost"),
        (On::Batch("CREATE TABLE #"), Stall, "retry timed_out"),
        (On::Batch("CREATE TABLE #"), Reaction::error(40613, 17), "retry 40613"),
        (On::Batch("SELECT TOP 0"), Cut, "retry connection_lost"),
        (On::Batch("SELECT TOP 0"), Garbage(vec![0xFF; 64]), "retry"),
        (On::Batch("INSERT BULK"), Stall, "retry timed_out"),
        (On::Batch("INSERT BULK"), Reaction::error(1105, 17), "retry 1105"),
        (On::BulkBegins, Cut, "retry connection_lost"),
        (On::BulkBegins, Stall, "retry timed_out"),
        (On::BulkBegins, Reaction::error(9002, 17), "retry 9002"),
        (On::Bulk, Cut, "retry connection_lost"),
        (On::Bulk, Stall, "retry timed_out"),
        (On::Bulk, Reaction::CutAfter(6), "retry connection_lost"),
        (On::Bulk, Reaction::error(40552, 16), "retry 40552"),
        (On::Bulk, Reaction::error(4863, 16), "rejected"),
    ] {
        let server = Server::start().await;
        let mut lane = lane(impatient(&server));
        server.on(on, reaction.clone());
        let outcome = written(&mut lane).await;
        assert!(outcome.starts_with(expected), "{on:?} {reaction:?}: {outcome}");
        server.ended(1).await;
        assert_eq!(server.batches("COMMIT TRANSACTION"), Vec::<String>::new(), "{on:?}");
        assert_eq!(written(&mut lane).await, "written", "{on:?} {reaction:?}");
        assert_eq!(server.counts().accepted, 2, "{on:?} {reaction:?}");
    }
}

#[tokio::test]
async fn an_answer_that_says_no_keeps_the_connection() {
    let fenced = one_row(&[("keepstep_answer", Value::Text("fenced".to_owned()))]);
    for (reaction, expected) in [
        (Reaction::Tokens(fenced), "fenced"),
        (failed(1205, 13), "retry 1205"),
        (failed(1222, 16), "retry 1222"),
        (failed(9002, 17), "retry 9002"),
        (failed(229, 14), "retry 229"),
        (failed(2628, 16), "rejected the database refused it with code 2628"),
        (failed(547, 16), "rejected the database refused it with code 547"),
        (failed(207, 16), "table account 207"),
        (Reaction::error(207, 16), "table account 207"),
        (Reaction::error(1205, 13), "retry 1205"),
        (Reaction::error(102, 15), "fatal 102"),
    ] {
        let server = Server::start().await;
        let mut lane = lane(settings(&server));
        server.on(COMMIT, reaction.clone());
        let outcome = written(&mut lane).await;
        assert!(outcome.starts_with(expected), "{reaction:?}: {outcome}");
        assert_eq!(written(&mut lane).await, "written", "{reaction:?}");
        // What is wrong with a table is asked of the catalog, which this server does not have: the
        // connection is given up for the answer that does not fit, and another one is made.
        let made = if expected.starts_with("table") { 2 } else { 1 };
        assert_eq!(server.counts().accepted, made, "{reaction:?}");
    }
}

#[tokio::test]
async fn an_answer_that_says_nothing_is_no_success() {
    let server = Server::start().await;
    let mut lane = lane(settings(&server));
    server.on(COMMIT, Reaction::Tokens(crate::tds_server::tokens::done(0)));
    assert_eq!(written(&mut lane).await, "unclear protocol");
    server.ended(1).await;
}
