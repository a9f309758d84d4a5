//! What was deleted stays deleted: tombstones outlive handles, and are their entity's alone.

use keepstep::model::batch::{Batch, TableBatch};
use keepstep::model::mapping::Fitted;
use keepstep::model::net_change::NetChange;
use keepstep::model::position::Offset;
use std::sync::Arc;

use super::outcome::{Outcome, equal, worked};
use super::scene::{self, Lane, Scene, text};
use super::serial_model::Model;

/// A deleted record stays away from every older change, also after all handles were closed.
pub async fn a_deleted_record_stays_deleted(scene: Scene) -> Outcome {
    for versioned in [true, false] {
        let mapping =
            scene::letters(if versioned { "versioned" } else { "unversioned" }, versioned);
        let activation = scene::activation(&[&mapping]);
        let version = |version: i64| versioned.then_some(version);
        let id = scene::record(1);
        let cells = [(0, text("back from the dead"))];
        let mut model = Model::new(&mapping);
        let mut changes = vec![
            scene::create(id, version(5), &cells),
            scene::delete(id, version(9)),
            scene::image(id, version(9), &cells),
            scene::patch(id, version(9), &cells),
            scene::image(id, version(4), &cells),
            scene::patch(id, version(30), &cells),
        ];
        if versioned {
            changes.push(scene::create(id, Some(9), &cells));
        }
        changes.push(scene::delete(id, version(7)));
        // A later life is one again, and its patches count.
        changes.push(scene::create(id, version(10), &cells));
        changes.push(scene::patch(id, version(11), &[(1, text("alive"))]));
        changes.push(scene::delete(id, version(12)));
        changes.push(scene::image(id, version(11), &cells));
        for (number, change) in changes.iter().enumerate() {
            // Every change comes through a new handle, as after a restart.
            let mut lane = scene.lane(&activation).await?;
            let expected = model.apply_all(std::slice::from_ref(change));
            let written = lane.write(&scene::batch(&mapping, vec![change.clone()])).await;
            let written = worked("the write", written)?;
            equal(&format!("counts of change {number}"), &written.tables, &vec![expected])?;
            model.is_in(&format!("after change {number}"), &*scene.database).await?;
        }
    }
    Ok(())
}

/// A delete of a record that never was is remembered too, at the highest version.
pub async fn a_delete_comes_before_its_record(scene: Scene) -> Outcome {
    let mapping = scene::letters("account", true);
    let mut lane = scene.lane(&scene::activation(&[&mapping])).await?;
    let mut model = Model::new(&mapping);
    let id = scene::record(1);
    for change in [
        scene::delete(id, Some(20)),
        scene::delete(id, Some(10)),
        scene::create(id, Some(15), &[(0, text("too late"))]),
        scene::delete(id, Some(30)),
        scene::create(id, Some(25), &[(0, text("too late"))]),
        scene::create(id, Some(31), &[(0, text("in time"))]),
    ] {
        let expected = model.apply_all(std::slice::from_ref(&change));
        let written = lane.write(&scene::batch(&mapping, vec![change])).await;
        equal("the counts", &worked("the write", written)?.tables, &vec![expected])?;
        model.is_in("the table", &*scene.database).await?;
    }
    Ok(())
}

/// The tombstones of one entity say nothing of another with the same record.
pub async fn tombstones_are_their_entitys(scene: Scene) -> Outcome {
    let (account, contact) = (scene::letters("account", true), scene::letters("contact", true));
    let mut lane = scene.lane(&scene::activation(&[&account, &contact])).await?;
    let id = scene::record(1);
    let gone = scene::delete(id, Some(9));
    let made = scene::create(id, Some(3), &[(0, text("alive"))]);
    worked("the delete", lane.write(&scene::batch(&account, vec![gone.clone()])).await)?;
    worked("the create", lane.write(&scene::batch(&contact, vec![made.clone()])).await)?;
    for (mapping, change) in [(&account, gone), (&contact, made)] {
        let mut model = Model::new(mapping);
        model.apply(&change);
        model.is_in(mapping.entity.as_str(), &*scene.database).await?;
    }
    Ok(())
}

/// A delete and a new life of the record in one net change, on rows and tombstones of all kinds.
pub async fn a_delete_and_a_create_at_once(scene: Scene) -> Outcome {
    for versioned in [true, false] {
        let mapping =
            scene::letters(if versioned { "versioned" } else { "unversioned" }, versioned);
        let mut lane = scene.lane(&scene::activation(&[&mapping])).await?;
        let version = |version: i64| versioned.then_some(version);
        let mut model = Model::new(&mapping);
        let id = |number: i64| scene::record(u128::from(number.unsigned_abs()));
        let old = [(0, text("old")), (1, text("old"))];
        // A row below, between, and above the two; and one that was deleted before.
        let mut starts: Vec<Fitted> =
            [5, 15, 25].map(|at| scene::create(id(at), version(at), &old)).into();
        starts.push(scene::delete(id(3), version(3)));
        starts.push(scene::delete(id(30), version(30)));
        model.apply_all(&starts);
        worked("making the start", lane.write(&scene::batch(&mapping, starts)).await)?;
        let mut changes = Vec::new();
        for number in [1, 3, 5, 15, 25, 30] {
            let delete = scene::delete(id(number), version(10));
            let create = scene::create(id(number), version(20), &[(0, text("new"))]);
            model.apply(&delete);
            model.apply(&create);
            let mut net = NetChange::of(delete, Offset(0));
            net.merge(create, Offset(1));
            changes.push(net);
        }
        let tables = vec![TableBatch { mapping: Arc::clone(&mapping), changes }];
        let batch = Arc::new(Batch { tables, ..Batch::default() });
        worked("the write", lane.write(&batch).await)?;
        model.is_in("delete and create", &*scene.database).await?;
    }
    Ok(())
}

/// Many deletes at once, half of records that are not there.
pub async fn many_deletes_at_once(scene: Scene) -> Outcome {
    let mapping = scene::letters("account", true);
    let mut lane: Lane = scene.lane(&scene::activation(&[&mapping])).await?;
    let mut model = Model::new(&mapping);
    let made: Vec<Fitted> =
        (0..500).map(|number| scene::create(scene::record(number * 2), Some(1), &[])).collect();
    let gone: Vec<Fitted> =
        (0..1_000).map(|number| scene::delete(scene::record(number), Some(2))).collect();
    for changes in [made, gone] {
        let expected = model.apply_all(&changes);
        let written = lane.write(&scene::batch(&mapping, changes)).await;
        equal("the counts", &worked("the write", written)?.tables, &vec![expected])?;
    }
    model.is_in("the table", &*scene.database).await
}
