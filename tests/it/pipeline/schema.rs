//! Definitions that change while lanes run.

use std::collections::BTreeMap;

use keepstep::model::cell::Cell;
use keepstep::model::entity::AttributeKind;

use super::*;
use crate::simulation::source::{mapping_of, mapping_with};

/// What the table of `alpha` has in a column, by record.
fn column(scene: &Scene, name: &str) -> BTreeMap<RecordId, Cell> {
    scene.destination.look(|state| {
        let rows = state.rows.iter().filter(|((table, _), _)| table == "alpha");
        rows.filter_map(|((_, id), row)| Some((*id, row.cells.get(name)?.clone()))).collect()
    })
}

fn with(number: u128, version: i64, attribute: &str, value: i32) -> NewRecord {
    let mut change = change("alpha", number, version);
    change.attributes.push((attribute.into(), Value::Integer(value)));
    record(&change)
}

#[tokio::test(start_paused = true)]
async fn an_entity_waits_for_its_definition_and_goes_on_by_itself() {
    let mut scene = Scene::new(1).await;
    scene.start();
    scene.append(records(0..10)).await;
    scene.append(vec![with(3, 2, "added", 5), record(&change("gamma", 1, 0))]).await;
    scene.append(vec![with(4, 2, "added", 6)]).await;
    scene.when(|board| board.lanes().values().any(|lane| !lane.paused.is_empty())).await;
    scene.settled_of("gamma", 13).await;
    assert!(column(&scene, "added").is_empty());
    let newer = vec![mapping_of("alpha", true, &["n0", "added", "n1"]), mapping("gamma", false)];
    let asked = tokio::time::Instant::now();
    scene.defined.send_replace(newer.into());
    let written = |lane: &LaneStatus| lane.entities[&EntityName::new("alpha")].written;
    scene.when(|board| board.lanes().values().any(|lane| written(lane) == 12)).await;
    // Not by the slow look at whoever stands back: at once.
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    let added: Vec<Cell> = column(&scene, "added").into_values().collect();
    assert_eq!(added, [Cell::Integer(5), Cell::Integer(6)]);
    assert_eq!(column(&scene, "n0").len(), 10);
    scene.when(|board| board.lanes().values().all(|lane| lane.paused.is_empty())).await;
    assert_eq!(scene.held(), []);
    scene.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_did_not_fit_is_tried_again_by_a_newer_definition() {
    let mut scene = Scene::new(1).await;
    scene.start();
    let mut large = change("alpha", 1, 1);
    large.attributes = vec![("n0".into(), Value::Long(i64::MAX))];
    scene.append(vec![record(&large)]).await;
    scene.when(|board| board.lanes().values().any(|lane| lane.held == 1)).await;
    // keepstep itself refused it, so nothing tries it again by itself.
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(scene.held().len(), 1);
    let newer =
        vec![mapping_with("alpha", true, &["n0"], AttributeKind::BigInt), mapping("gamma", false)];
    scene.defined.send_replace(newer.into());
    scene.when(|board| board.lanes().values().all(|lane| lane.held == 0)).await;
    assert_eq!(scene.held(), []);
    assert_eq!(column(&scene, "n0").into_values().collect::<Vec<_>>(), [Cell::Long(i64::MAX)]);
    scene.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn definitions_that_change_all_the_time_lose_and_repeat_nothing() {
    let mut scene = Scene::new(1).await;
    scene.start();
    for round in 0_i32..40 {
        let number = u128::try_from(round).unwrap();
        scene.append((0..25).map(|at| with(number * 25 + at, 1, "n2", round)).collect()).await;
        // The columns change their places with each.
        let numbers = if round % 2 == 0 { ["n2", "n0", "n3"] } else { ["n0", "n1", "n2"] };
        let newer = vec![mapping_of("alpha", true, &numbers), mapping("gamma", false)];
        scene.defined.send_replace(newer.into());
        scene
            .when(|board| board.settled().iter().any(|(_, at)| at.0 > i64::from(round) * 25))
            .await;
    }
    scene.settled(1_000).await;
    scene.end().await.unwrap();
    let rounds = column(&scene, "n2");
    let expected = (0..1_000).map(|number: u128| {
        let round = i32::try_from(number / 25).unwrap();
        (RecordId(Uuid::from_u128(number + 1)), Cell::Integer(round))
    });
    assert_eq!(rounds, expected.collect());
    assert_eq!(scene.status.totals().written, 1_000);
}
