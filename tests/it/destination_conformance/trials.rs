//! Trials: the answer of a write without its traces; and rejections that name all they can.

use std::collections::BTreeSet;
use std::sync::Arc;

use keepstep::destination::{WhichHeld, WriteError};
use keepstep::model::batch::{Batch, TableBatch};
use keepstep::model::failure::{Cause, Rejection};
use keepstep::model::held::{HeldCause, Release, ReleaseReason};
use keepstep::model::mapping::{Fitted, Mapping};
use keepstep::model::net_change::NetChange;
use keepstep::model::position::Offset;
use keepstep::model::record::RecordId;

use super::held::{self, key};
use super::outcome::{Outcome, equal, holds, refused, worked};
use super::scene::{self, Lane, Scene, text};

fn waits(offset: i64, number: u128) -> keepstep::model::held::Hold {
    held::hold(&key(offset, number), HeldCause::waits(), 0)
}

/// A trial answers what the write would, and leaves rows, tombstones, cursors and held changes as
/// they are.
pub async fn a_trial_leaves_no_trace(scene: Scene) -> Outcome {
    let mapping = scene::letters("account", true);
    let mut lane = scene.lane(&scene::activation(&[&mapping])).await?;
    let first = Arc::new(Batch {
        holds: vec![waits(0, 8)],
        ..(*scene::batch(
            &mapping,
            vec![
                scene::create(scene::record(1), Some(1), &[(0, text("one"))]),
                scene::create(scene::record(2), Some(1), &[(0, text("two"))]),
            ],
        ))
        .clone()
    });
    worked("the first write", lane.write(&first).await)?;
    let state = async |lane: &Lane| -> Outcome<_> {
        let rows = scene.database.rows(&mapping.table).await;
        let tombstones = scene.database.tombstones(&scene::profile()).await;
        let cursors = scene.database.cursors(&lane.id).await;
        Ok((rows, tombstones, cursors, held::held(lane, WhichHeld::All).await?))
    };
    let before = state(&lane).await?;
    let everything = [
        scene::image(scene::record(1), Some(2), &[(1, text("other"))]),
        scene::delete(scene::record(2), Some(2)),
        scene::delete(scene::record(3), Some(2)),
        scene::create(scene::record(4), Some(2), &[(0, text("new"))]),
        scene::patch(scene::record(1), Some(3), &[(2, text("patched"))]),
    ];
    let good = Arc::new(Batch {
        holds: vec![waits(1, 9), held::hold(&key(0, 8), HeldCause::waits(), 1)],
        releases: vec![Release { key: key(0, 8), reason: ReleaseReason::Superseded }],
        // The last change is of a record that has one already: it stays out.
        ..(*scene::batch(&mapping, everything[..4].to_vec())).clone()
    });
    let no_base = scene::patch(scene::record(77), Some(2), &[(0, text("nowhere"))]);
    let bad = scene::batch(&mapping, [everything[1..].to_vec(), vec![no_base]].concat());
    let fence = lane.next_fence();
    for round in 0..3 {
        let tried = lane.destination.try_out(&fence, &good).await;
        worked(&format!("trial {round} of a good batch"), tried)?;
        equal("what is there after it", &state(&lane).await?, &before)?;
        let tried = lane.destination.try_out(&fence, &bad).await;
        super::patches::is_no_base(&tried, &mapping, scene::record(77))?;
        equal("what is there after a rejection", &state(&lane).await?, &before)?;
    }
    let mut wrong = fence.clone();
    wrong.moves[0].from.0 += 1;
    let answer =
        refused("a trial at a wrong offset", lane.destination.try_out(&wrong, &good).await)?;
    equal("its answer", &answer, &WriteError::Fenced)?;
    // Another handle that tries keeps nothing from this one, nor does a trial of its own.
    worked("another's trial", scene.open().await.try_out(&fence, &good).await)?;
    let written = worked("the write", lane.destination.write(&fence, &good).await)?;
    let counts = written.tables.first().map(|table| (table.written, table.deleted));
    equal("what it wrote", &counts, &Some((2, 1)))?;
    let answer = refused("a trial of the same", lane.destination.try_out(&fence, &good).await)?;
    equal("a trial of what is written", &answer, &WriteError::Fenced)
}

fn of_tables(tables: &[(&Arc<Mapping>, Vec<Fitted>)]) -> Arc<Batch> {
    let table = |(mapping, changes): &(&Arc<Mapping>, Vec<Fitted>)| TableBatch {
        mapping: Arc::clone(mapping),
        changes: changes.iter().map(|change| NetChange::of(change.clone(), Offset(0))).collect(),
    };
    let tables = tables.iter().filter(|(_, changes)| !changes.is_empty());
    Arc::new(Batch { tables: tables.map(table).collect(), ..Batch::default() })
}

/// Of several records without a base, over two tables, one answer names all of a table at least;
/// and what a trial says, the write says too.
pub async fn a_rejection_names_all_that_it_can(scene: Scene) -> Outcome {
    let mappings = [scene::letters("account", true), scene::letters("contact", true)];
    let mut lane = scene.lane(&scene::activation(&[&mappings[0], &mappings[1]])).await?;
    let of_table = |table: u128| -> Vec<Fitted> {
        let change = |number: u128| {
            let id = scene::record(table * 1_000 + number);
            let cells = [(u16::try_from(number % 3).unwrap_or(0), text("x"))];
            match number % 4 {
                0 => scene::patch(id, Some(2), &cells),
                1 => scene::create(id, Some(2), &cells),
                2 => scene::delete(id, Some(2)),
                _ => scene::patch(id, Some(3), &cells[..0]),
            }
        };
        (0..40).map(change).collect()
    };
    let mut left = [of_table(1), of_table(2)];
    let without_base = |changes: &[Fitted]| -> BTreeSet<RecordId> {
        let patches = changes.iter().filter(|change| {
            matches!(change.effect, keepstep::model::mapping::Effect::Patch { .. })
        });
        patches.map(|change| change.record_id).collect()
    };
    let expected = [without_base(&left[0]), without_base(&left[1])];
    equal("patches of the case", &(expected[0].len(), expected[1].len()), &(20, 20))?;
    let mut named = [BTreeSet::new(), BTreeSet::new()];
    for round in 0..=2 {
        let batch = of_tables(&[(&mappings[0], left[0].clone()), (&mappings[1], left[1].clone())]);
        let tried = lane.destination.try_out(&lane.next_fence(), &batch).await;
        let written = lane.write(&batch).await;
        equal("the trial's answer", &tried, &written)?;
        let rejected = match written {
            Ok(_) => break,
            Err(WriteError::Rejected(rejected)) => rejected,
            Err(other) => return Err(format!("round {round}: {other:?}")),
        };
        holds("one answer for each table at most", round < 2 && !rejected.is_empty())?;
        for record in rejected {
            let at =
                mappings.iter().position(|mapping| Some(&mapping.entity) == record.entity.as_ref());
            let (at, id) = at.zip(record.record_id).ok_or("a rejection without a name")?;
            equal("the cause", &record.rejection, &Rejection::of(Cause::NoBase))?;
            holds(&format!("{id} is named once"), named[at].insert(id))?;
        }
        for (left, named) in left.iter_mut().zip(&named) {
            left.retain(|change| !named.contains(&change.record_id));
        }
    }
    equal("the records named", &named, &expected)?;
    let rows = scene.database.rows(&mappings[1].table).await.len();
    equal("rows written without them", &rows, &10)
}

/// What a rejected batch had on its way to one table is in no later batch, whatever was committed
/// for another table in between.
pub async fn a_rejection_leaves_nothing_for_later(scene: Scene) -> Outcome {
    let mappings = [scene::letters("account", true), scene::letters("contact", true)];
    let mut lane = scene.lane(&scene::activation(&[&mappings[0], &mappings[1]])).await?;
    let images = |table: u128, version: i64| -> Vec<Fitted> {
        let image = |number| {
            scene::image(scene::record(table * 100 + number), Some(version), &[(0, text("x"))])
        };
        (0..3).map(image).collect()
    };
    let no_base = scene::patch(scene::record(999), Some(9), &[(0, text("nowhere"))]);
    let rejected = of_tables(&[
        (&mappings[0], [images(1, 9), vec![no_base]].concat()),
        (&mappings[1], images(2, 9)),
    ]);
    let answer = refused("the batch with a bad patch", lane.write(&rejected).await)?;
    holds("it is rejected", matches!(answer, WriteError::Rejected(_)))?;
    for (table, mapping) in (1..).zip(&mappings) {
        let written =
            worked("a batch", lane.write(&scene::batch(mapping, images(table, 1))).await)?;
        equal("rows written", &written.tables[0].written, &3)?;
        let rows = scene.database.rows(&mapping.table).await;
        let versions: Vec<_> = rows.iter().map(|row| row.version).collect();
        equal("versions", &versions, &vec![Some(1); 3])?;
    }
    Ok(())
}
