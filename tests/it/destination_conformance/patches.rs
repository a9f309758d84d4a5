//! Patches: absent is unchanged, each cell guarded by its own version, never without a base.

use std::fmt::Debug;
use std::sync::Arc;

use keepstep::destination::{RejectedRecord, WriteError};
use keepstep::model::batch::{Batch, TableBatch};
use keepstep::model::cell::Cell;
use keepstep::model::entity::AttributeKind;
use keepstep::model::failure::{Cause, Rejection};
use keepstep::model::mapping::{Fitted, Mapping};
use keepstep::model::net_change::{Merge, NetChange};
use keepstep::model::position::Offset;
use keepstep::model::record::RecordId;

use super::outcome::{Outcome, equal, holds, refused, worked};
use super::scene::{self, Scene, text};
use super::serial_model::Model;

/// Demands that a write was rejected because this record has no base.
pub fn is_no_base<T: Debug + Clone>(
    result: &Result<T, WriteError>,
    mapping: &Arc<Mapping>,
    record_id: RecordId,
) -> Outcome {
    let error = refused("a patch without a base", result.clone())?;
    let expected = WriteError::Rejected(vec![RejectedRecord {
        entity: Some(mapping.entity.clone()),
        record_id: Some(record_id),
        rejection: Rejection::of(Cause::NoBase),
    }]);
    equal("the answer to a patch without a base", &error, &expected)
}

/// Several changes of one record as one net change.
fn merged(changes: &[Fitted]) -> Outcome<NetChange> {
    let mut net: Option<NetChange> = None;
    for (offset, change) in (0..).map(Offset).zip(changes) {
        match &mut net {
            None => net = Some(NetChange::of(change.clone(), offset)),
            Some(net) => {
                let done = net.merge(change.clone(), offset) == Merge::Done;
                holds(&format!("change {offset} of the case can be merged"), done)?;
            }
        }
    }
    net.ok_or_else(|| "the case has no change".to_owned())
}

fn batch_of(mapping: &Arc<Mapping>, changes: Vec<NetChange>) -> Arc<Batch> {
    let tables = vec![TableBatch { mapping: Arc::clone(mapping), changes }];
    Arc::new(Batch { tables, ..Batch::default() })
}

/// Merged changes on rows of every version below, between and above them.
async fn merged_on_rows(scene: &Scene, entity: &str, changes: &[Fitted]) -> Outcome {
    let mapping = scene::letters(entity, true);
    let mut lane = scene.lane(&scene::activation(&[&mapping])).await?;
    let mut model = Model::new(&mapping);
    let old = [(0, text("old")), (1, text("old")), (2, text("old"))];
    let versions: Vec<i64> = (0..=70).step_by(5).collect();
    let of = |number: usize, change: &Fitted| Fitted {
        record_id: scene::record(number as u128),
        ..change.clone()
    };
    let rows = versions.iter().enumerate();
    let rows: Vec<Fitted> = rows
        .map(|(number, version)| scene::create(scene::record(number as u128), Some(*version), &old))
        .collect();
    model.apply_all(&rows);
    worked("making the rows", lane.write(&scene::batch(&mapping, rows)).await)?;
    let mut nets = Vec::new();
    for number in 0..versions.len() {
        let changes: Vec<Fitted> = changes.iter().map(|change| of(number, change)).collect();
        for change in &changes {
            model.apply(change);
        }
        nets.push(merged(&changes)?);
    }
    worked("the write", lane.write(&batch_of(&mapping, nets)).await)?;
    model.is_in("merged changes", &*scene.database).await
}

/// Of several merged patches each cell is guarded by its own version.
pub async fn each_cell_has_its_version(scene: Scene) -> Outcome {
    let id = scene::record(0);
    let changes = [
        scene::patch(id, Some(20), &[(0, text("20")), (1, text("20"))]),
        scene::patch(id, Some(40), &[(1, text("40"))]),
        scene::patch(id, Some(60), &[(2, Cell::Null)]),
    ];
    merged_on_rows(&scene, "patched", &changes).await
}

/// A patch merged into an image applies with it, and alone where the image is too old.
pub async fn an_image_takes_its_patch_along(scene: Scene) -> Outcome {
    let id = scene::record(0);
    let changes = [
        scene::image(id, Some(20), &[(0, text("20"))]),
        scene::patch(id, Some(40), &[(1, text("40"))]),
        scene::patch(id, Some(60), &[(0, text("60"))]),
    ];
    merged_on_rows(&scene, "imaged", &changes).await
}

/// A delete, an image and a patch of one record in one net change.
pub async fn a_delete_an_image_and_a_patch_at_once(scene: Scene) -> Outcome {
    let id = scene::record(0);
    let changes = [
        scene::delete(id, Some(20)),
        scene::create(id, Some(40), &[(0, text("40"))]),
        scene::patch(id, Some(60), &[(1, text("60"))]),
    ];
    merged_on_rows(&scene, "reborn", &changes).await
}

/// A batch with one patch without a base writes nothing and moves nothing.
pub async fn without_a_base_nothing_is_written(scene: Scene) -> Outcome {
    let mapping = scene::letters("account", true);
    let mut lane = scene.lane(&scene::activation(&[&mapping])).await?;
    let first = scene::create(scene::record(1), Some(1), &[(0, text("stays"))]);
    let newer = scene::create(scene::record(6), Some(5), &[(0, text("newer"))]);
    worked("the first write", lane.write(&scene::batch(&mapping, vec![first, newer])).await)?;
    let before = scene.database.rows(&mapping.table).await;
    let changes = vec![
        scene::image(scene::record(1), Some(2), &[(0, text("changed"))]),
        // Its image would not apply and its patch would: one patch that does, as one is without.
        scene::image(scene::record(6), Some(4), &[(0, text("late"))]),
        scene::patch(scene::record(6), Some(7), &[(0, text("patched"))]),
        scene::create(scene::record(2), Some(2), &[(0, text("new"))]),
        scene::delete(scene::record(3), Some(2)),
        scene::patch(scene::record(4), Some(2), &[(0, text("nowhere"))]),
        scene::create(scene::record(5), Some(2), &[(0, text("new"))]),
    ];
    let rejected = lane.write(&scene::batch(&mapping, changes)).await;
    is_no_base(&rejected, &mapping, scene::record(4))?;
    equal("the rows", &scene.database.rows(&mapping.table).await, &before)?;
    equal("tombstones", &scene.database.tombstones(&scene::profile()).await, &Vec::new())?;
    equal("the checkpoint", &scene.cursor(&lane.id).await?.next, &1)?;
    // The lane is as good as before: it may write the others.
    let good = scene::create(scene::record(2), Some(2), &[(0, text("new"))]);
    worked("the next write", lane.write(&scene::batch(&mapping, vec![good])).await).map(|_| ())
}

/// Patches of few columns each, all different, over a table of 300.
pub async fn sparse_over_a_wide_table(scene: Scene) -> Outcome {
    let attributes = (0..300).map(|number| {
        let kind = AttributeKind::Text { max_length: Some(100) };
        scene::attribute(&format!("column_{number}"), kind)
    });
    let mapping = scene::mapping("wide", true, attributes.collect());
    let mut lane = scene.lane(&scene::activation(&[&mapping])).await?;
    let mut model = Model::new(&mapping);
    let full: Vec<(u16, Cell)> =
        (0..300).map(|column| (column, text(&format!("old {column}")))).collect();
    let rows = (0..300).map(|number| scene::create(scene::record(number), Some(1), &full));
    let rows: Vec<Fitted> = rows.collect();
    model.apply_all(&rows);
    worked("making the rows", lane.write(&scene::batch(&mapping, rows)).await)?;
    for round in 0..3_u16 {
        let patches = (0..300_u16).map(|number| {
            let mut columns = [number, (number * 7 + round) % 300, (number * 13 + 5) % 300];
            columns.sort_unstable();
            let mut cells: Vec<(u16, Cell)> =
                columns.iter().map(|column| (*column, text(&format!("new {round}")))).collect();
            cells.dedup_by_key(|(column, _)| *column);
            if number % 10 == 0 {
                cells[0].1 = Cell::Null;
            }
            scene::patch(scene::record(u128::from(number)), Some(2 + i64::from(round)), &cells)
        });
        let patches: Vec<Fitted> = patches.collect();
        let expected = model.apply_all(&patches);
        let written = lane.write(&scene::batch(&mapping, patches)).await;
        equal("the counts", &worked("the patches", written)?.tables, &vec![expected])?;
        model.is_in("sparse patches", &*scene.database).await?;
    }
    Ok(())
}

/// A patch that names no column still moves the row's version.
pub async fn an_empty_patch_moves_the_version(scene: Scene) -> Outcome {
    let mapping = scene::letters("account", true);
    let mut lane = scene.lane(&scene::activation(&[&mapping])).await?;
    let mut model = Model::new(&mapping);
    let id = scene::record(1);
    let changes = [scene::create(id, Some(1), &[(0, text("a"))]), scene::patch(id, Some(5), &[])];
    for change in changes {
        model.apply(&change);
        worked("the write", lane.write(&scene::batch(&mapping, vec![change])).await)?;
    }
    model.is_in("an empty patch", &*scene.database).await
}
