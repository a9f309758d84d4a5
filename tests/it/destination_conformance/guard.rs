//! The guard: every kind of change, on every state that a record can be in.

use std::sync::Arc;

use keepstep::model::mapping::{Fitted, Mapping};
use keepstep::model::record::RecordId;

use super::laboratory::Tamper;
use super::outcome::{Outcome, equal, worked};
use super::scene::{self, Scene};
use super::serial_model::{Did, Model};

/// Version of the change in the versioned table; others are below, equal, above.
const CHANGE: i64 = 50;

type Kind = fn(RecordId, Option<i64>) -> Fitted;

const KINDS: [(&str, Kind); 4] = [
    ("create", |id, version| scene::create(id, version, &[(0, scene::text("new"))])),
    // An update with a full image and a snapshot are the same to a destination.
    ("image", |id, version| scene::image(id, version, &[(1, scene::text("new"))])),
    ("patch", |id, version| scene::patch(id, version, &[(2, scene::text("new"))])),
    ("delete", scene::delete),
];

/// One record before the change.
#[derive(Clone, Copy, Debug)]
struct Start {
    tombstone: Option<i64>,
    row: Option<i64>,
    /// The row loses its version, as one that keepstep did not write.
    adopted: bool,
}

/// Every state that a versioned record can be in; a row stands only above its tombstone.
fn versioned_starts() -> Vec<Start> {
    let around = [None, Some(CHANGE - 10), Some(CHANGE), Some(CHANGE + 10)];
    let mut starts = Vec::new();
    for tombstone in around {
        for row in around {
            // One above, where both lie on the same side of the change.
            let row = if row.is_some() && row == tombstone { row.map(|row| row + 1) } else { row };
            if row.is_some() && row <= tombstone {
                continue;
            }
            starts.push(Start { tombstone, row, adopted: false });
            if row.is_some() {
                starts.push(Start { tombstone, row, adopted: true });
            }
        }
    }
    starts
}

fn unversioned_starts() -> Vec<Start> {
    let here = [None, Some(0)];
    let pairs = here.into_iter().flat_map(|tombstone| here.map(|row| (tombstone, row)));
    pairs.map(|(tombstone, row)| Start { tombstone, row, adopted: false }).collect()
}

/// Every kind of change on every state of a versioned record.
pub async fn versioned(scene: Scene) -> Outcome {
    every_kind_on(&scene, &scene::letters("versioned", true), &versioned_starts()).await
}

/// Every kind of change on every state of an unversioned record.
pub async fn unversioned(scene: Scene) -> Outcome {
    every_kind_on(&scene, &scene::letters("unversioned", false), &unversioned_starts()).await
}

async fn every_kind_on(scene: &Scene, mapping: &Arc<Mapping>, starts: &[Start]) -> Outcome {
    let mut lane = scene.lane(&scene::activation(&[mapping])).await?;
    let mut model = Model::new(mapping);
    let version = |version: i64| mapping.versioned.then_some(version);
    let mut records = Vec::new();
    for start in starts {
        for kind in KINDS {
            records.push((scene::record(records.len() as u128), *start, kind));
        }
    }
    let deletes = records.iter().filter_map(|(id, start, _)| {
        start.tombstone.map(|tombstone| scene::delete(*id, version(tombstone)))
    });
    let old = [(0, scene::text("old a")), (1, scene::text("old b")), (2, scene::text("old c"))];
    let creates = records
        .iter()
        .filter_map(|(id, start, _)| start.row.map(|row| scene::create(*id, version(row), &old)));
    for changes in [deletes.collect::<Vec<_>>(), creates.collect()] {
        model.apply_all(&changes);
        worked("making the start", lane.write(&scene::batch(mapping, changes)).await)?;
    }
    for (id, _, _) in records.iter().filter(|(_, start, _)| start.adopted) {
        let act = Tamper::RowWithoutVersion(mapping.table.clone(), *id);
        scene.database.tamper(act).await;
        model.rows.get_mut(id).ok_or("the start lacks a row")?.0 = None;
    }
    model.is_in("the start", &*scene.database).await?;

    let mut changes = Vec::new();
    for (id, start, (name, kind)) in &records {
        let change = kind(*id, version(CHANGE));
        let did = model.clone().apply(&change);
        if did == Did::NoBase {
            let rejected = lane.write(&scene::batch(mapping, vec![change])).await;
            super::patches::is_no_base(&rejected, mapping, *id)?;
            continue;
        }
        changes.push((format!("{name} on {start:?}"), change));
    }
    let only_changes: Vec<Fitted> = changes.iter().map(|(_, change)| change.clone()).collect();
    let expected = model.apply_all(&only_changes);
    let written = lane.write(&scene::batch(mapping, only_changes)).await;
    let written = worked("the write", written)?;
    let rows = scene.database.rows(&mapping.table).await;
    for (combination, change) in &changes {
        let actual = rows.iter().find(|row| row.id == change.record_id);
        let actual = actual.map(|row| (row.version, row.cells.clone()));
        equal(combination, &actual, &model.rows.get(&change.record_id).cloned())?;
    }
    model.is_in("after all changes", &*scene.database).await?;
    equal("the counts", &written.tables, &vec![expected])
}
