//! The fence: who may write, from where, and what a lost answer costs.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Waker};

use keepstep::destination::{Destination, WriteError};
use keepstep::model::batch::Batch;
use keepstep::model::checkpoint::{CursorMove, Scope};
use keepstep::model::mapping::Mapping;
use keepstep::model::position::NextOffset;
use tokio::task::JoinSet;

use super::outcome::{Outcome, equal, holds, refused, worked};
use super::scene::{self, Lane, Scene, text};
use super::serial_model::Model;

/// A batch of one new record.
pub fn one(mapping: &Arc<Mapping>, number: u128, version: i64) -> Arc<Batch> {
    let cells = [(0, text(&format!("version {version}")))];
    scene::batch(mapping, vec![scene::image(scene::record(number), Some(version), &cells)])
}

/// Numbers and versions of the rows.
pub async fn records(scene: &Scene, mapping: &Arc<Mapping>) -> Vec<(u128, Option<i64>)> {
    let rows = scene.database.rows(&mapping.table).await;
    rows.iter()
        .map(|row| (row.id.0.as_u128() - scene::record(0).0.as_u128(), row.version))
        .collect()
}

/// Demands that a write was fenced.
pub fn is_fenced<T: std::fmt::Debug>(what: &str, result: Result<T, WriteError>) -> Outcome {
    equal(what, &refused(what, result)?, &WriteError::Fenced)
}

/// Whoever held the lane before writes nothing any more, on its own handle or another's.
pub async fn a_zombie_writes_nothing(scene: Scene) -> Outcome {
    let mapping = scene::letters("account", true);
    let activation = scene::activation(&[&mapping]);
    let mut zombie = scene.lane(&activation).await?;
    worked("its last write", zombie.write(&one(&mapping, 1, 1)).await)?;
    let mut heir = Lane::take(scene.open().await, &zombie.id).await?;
    is_fenced("the zombie's write", zombie.write(&one(&mapping, 2, 2)).await)?;
    // The same offset, for the heir has not written yet: only the token tells them apart.
    equal("the rows", &records(&scene, &mapping).await, &vec![(1, Some(1))])?;
    worked("the heir's write", heir.write(&one(&mapping, 3, 3)).await)?;
    is_fenced("the zombie's next write", zombie.write(&one(&mapping, 2, 2)).await)?;
    let mut again = Lane::take(Arc::clone(&heir.destination), &heir.id).await?;
    is_fenced("a zombie on the same handle", heir.write(&one(&mapping, 4, 4)).await)?;
    worked("the second heir's write", again.write(&one(&mapping, 5, 5)).await)?;
    let expected = vec![(1, Some(1)), (3, Some(3)), (5, Some(5))];
    equal("the rows at the end", &records(&scene, &mapping).await, &expected)?;
    equal("the checkpoint", &scene.cursor(&again.id).await?.next, &3)
}

/// The same fence holds once, whatever the batch is.
pub async fn a_fence_holds_once(scene: Scene) -> Outcome {
    let mapping = scene::letters("account", true);
    let lane = scene.lane(&scene::activation(&[&mapping])).await?;
    let fence = lane.next_fence();
    worked("the write", lane.destination.write(&fence, &one(&mapping, 1, 1)).await)?;
    let again = lane.destination.write(&fence, &one(&mapping, 2, 2)).await;
    is_fenced("the second write with one fence", again)?;
    let elsewhere = scene.open().await;
    let again = elsewhere.write(&fence, &Arc::new(Batch::default())).await;
    is_fenced("a third on another handle", again)?;
    equal("the rows", &records(&scene, &mapping).await, &vec![(1, Some(1))])?;
    equal("the checkpoint", &scene.cursor(&lane.id).await?.next, &1)
}

/// The right token at a wrong offset does not help.
pub async fn the_offset_must_be_right(scene: Scene) -> Outcome {
    let mapping = scene::letters("account", true);
    let mut lane = scene.lane(&scene::activation(&[&mapping])).await?;
    worked("the write", lane.write(&one(&mapping, 1, 1)).await)?;
    for from in [0, 2] {
        let mut fence = lane.next_fence();
        fence.moves[0].from = NextOffset(from);
        let written = lane.destination.write(&fence, &one(&mapping, 2, 2)).await;
        is_fenced(&format!("a write from {from} where 1 stands"), written)?;
    }
    equal("the rows", &records(&scene, &mapping).await, &vec![(1, Some(1))])
}

/// A request that was held up and arrives after another owner has written, or has only taken.
pub async fn a_late_request_does_nothing(scene: Scene) -> Outcome {
    for heir_writes in [true, false] {
        let mapping = scene::letters(if heir_writes { "written" } else { "taken" }, true);
        let activation = scene::activation(&[&mapping]);
        let (destination, stall) = scene.database.open_stalling(scene.mutations).await;
        worked("the activation", destination.activate(&activation).await)?;
        let mut late = Lane::take(destination, &scene::lane_id(&activation, 0)).await?;
        let id = late.id.clone();
        let batch = one(&mapping, 1, 1);
        let mut requests = JoinSet::new();
        requests.spawn(async move { late.write(&batch).await });
        stall.reached().await;
        let mut heir = Lane::take(scene.open().await, &id).await?;
        let mut expected = Vec::new();
        if heir_writes {
            worked("the heir's write", heir.write(&one(&mapping, 2, 2)).await)?;
            expected.push((2, Some(2)));
        }
        stall.release().await;
        let answer = requests.join_next().await.ok_or("the late request is gone")?;
        is_fenced("the late request", worked("the late request's task", answer)?)?;
        equal("the rows", &records(&scene, &mapping).await, &expected)?;
        let next = scene.database.cursors(&id).await.iter().map(|cursor| cursor.next).min();
        equal("the checkpoint", &next, &Some(heir.checkpoint.lowest().0))?;
    }
    Ok(())
}

/// A database that falls back to an older state: the lane notices by the offset alone, for the
/// token was in the older state too.
pub async fn an_older_state_is_noticed(scene: Scene) -> Outcome {
    let mapping = scene::letters("account", true);
    let mut lane = scene.lane(&scene::activation(&[&mapping])).await?;
    worked("the write", lane.write(&one(&mapping, 1, 1)).await)?;
    scene.database.back_up().await;
    for version in 2..=4 {
        worked("the write", lane.write(&one(&mapping, 1, version)).await)?;
    }
    scene.database.set_back().await;
    equal("the older row", &records(&scene, &mapping).await, &vec![(1, Some(1))])?;
    is_fenced("the write after it", lane.write(&one(&mapping, 1, 5)).await)?;
    let mut lane = Lane::take(lane.destination, &lane.id).await?;
    equal("the checkpoint taken", &lane.checkpoint.lowest().0, &1)?;
    for version in 2..=5 {
        worked("the write", lane.write(&one(&mapping, 1, version)).await)?;
    }
    equal("the row at the end", &records(&scene, &mapping).await, &vec![(1, Some(5))])
}

/// The commit is done and its answer lost: a take says so, and nothing is done twice.
pub async fn a_lost_answer_is_found_by_a_take(scene: Scene) -> Outcome {
    let mapping = scene::letters("account", true);
    let activation = scene::activation(&[&mapping]);
    let destination = scene.database.open_losing_answer(scene.mutations).await;
    worked("the activation", destination.activate(&activation).await)?;
    let mut lane = Lane::take(destination, &scene::lane_id(&activation, 0)).await?;
    let fence = lane.next_fence();
    let unclear = refused("the write", lane.write(&one(&mapping, 1, 1)).await)?;
    holds(
        &format!("the answer is unclear and not {unclear:?}"),
        matches!(unclear, WriteError::Unclear(_)),
    )?;
    let mut lane = Lane::take(lane.destination, &lane.id).await?;
    equal("the checkpoint taken", &lane.checkpoint.lowest().0, &1)?;
    let again = lane.destination.write(&fence, &one(&mapping, 1, 1)).await;
    is_fenced("the same request again", again)?;
    worked("the next write", lane.write(&one(&mapping, 2, 2)).await)?;
    let expected = vec![(1, Some(1)), (2, Some(2))];
    equal("the rows", &records(&scene, &mapping).await, &expected)
}

/// A call dropped at any await was done whole or not at all, and a take tells which.
pub async fn a_dropped_call_is_whole_or_nothing(scene: Scene) -> Outcome {
    let mapping = scene::letters("account", true);
    let activation = scene::activation(&[&mapping]);
    let mut lane = scene.lane(&activation).await?;
    let mut model = Model::new(&mapping);
    let mut done = 0;
    for (round, polls) in (0..).zip([0, 1, 2, 3, 5, 8, 13, 40, 200, 1_000]) {
        let changes: Vec<_> = (0..100)
            .map(|at| {
                let cells = [(0, text(&format!("round {round}")))];
                scene::image(scene::record(at), Some(round), &cells)
            })
            .collect();
        let fence = lane.next_fence();
        let batch = scene::batch(&mapping, changes.clone());
        poll_and_drop(lane.destination.write(&fence, &batch), polls).await;
        let taken_by = if round % 2 == 0 { scene.open().await } else { lane.destination };
        lane = Lane::take(taken_by, &lane.id).await?;
        match lane.checkpoint.lowest().0 - done {
            0 => {}
            1 => {
                model.apply_all(&changes);
                done += 1;
            }
            other => return Err(format!("the checkpoint moved by {other}")),
        }
        let what = format!("round {round}, dropped after {polls} polls");
        model.is_in(&what, &*scene.database).await?;
    }
    // Calls that are not dropped work as ever.
    let change = scene::image(scene::record(1), Some(1_000), &[]);
    worked("the last write", lane.write(&scene::batch(&mapping, vec![change])).await)?;
    Ok(())
}

/// Polls a future so many times, with others running in between, and drops it.
async fn poll_and_drop<F: Future>(future: F, polls: usize) {
    let mut future = Box::pin(future);
    for _ in 0..polls {
        // It may be ready at any poll; then the call was not dropped, which is fine too.
        let poll = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if poll.is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Several handles fight for one lane: every offset is written exactly once.
pub async fn a_fight_for_a_lane_writes_once(scene: Scene) -> Outcome {
    const OFFSETS: i64 = 24;
    let mapping = scene::letters("account", true);
    let activation = scene::activation(&[&mapping]);
    let id = scene::lane_id(&activation, 0);
    drop(scene.activated(&activation).await?);
    let mut fighters = JoinSet::new();
    for _ in 0..3 {
        let (destination, id) = (scene.open().await, id.clone());
        let mapping = Arc::clone(&mapping);
        fighters.spawn(async move { fight(destination, id, mapping, OFFSETS).await });
    }
    let mut written = 0;
    while let Some(fighter) = fighters.join_next().await {
        written += worked("a fighter's task", fighter)??;
    }
    equal("batches written", &written, &OFFSETS)?;
    let expected: Vec<_> =
        (0..OFFSETS).map(|at| (u128::from(at.unsigned_abs()), Some(at))).collect();
    equal("the rows", &records(&scene, &mapping).await, &expected)?;
    equal("the checkpoint", &scene.cursor(&id).await?.next, &OFFSETS)
}

/// Takes and writes until the lane is at `offsets`; answers how many batches it wrote.
async fn fight(
    destination: Arc<dyn Destination>,
    id: keepstep::model::checkpoint::LaneId,
    mapping: Arc<Mapping>,
    offsets: i64,
) -> Outcome<i64> {
    let mut written = 0;
    loop {
        let mut lane = Lane::take(Arc::clone(&destination), &id).await?;
        loop {
            let at = lane.checkpoint.lowest().0;
            if at >= offsets {
                return Ok(written);
            }
            let batch = one(&mapping, u128::from(at.unsigned_abs()), at);
            match lane.write(&batch).await {
                Ok(_) => written += 1,
                Err(WriteError::Fenced) => break,
                Err(other) => return Err(format!("a fighter's write failed: {other:?}")),
            }
            // Lets the others come between two writes.
            tokio::task::yield_now().await;
        }
    }
}

/// An idle lane looks whether it still owns its partition, and changes nothing by it.
pub async fn an_idle_lane_looks(scene: Scene) -> Outcome {
    let mapping = scene::letters("account", true);
    let mut lane = scene.lane(&scene::activation(&[&mapping])).await?;
    worked("the write", lane.write(&one(&mapping, 1, 1)).await)?;
    let before = scene.database.cursors(&lane.id).await;
    let nothing = Arc::new(Batch::default());
    let mut standing = lane.fence(1);
    let stay = CursorMove { scope: Scope::All, from: NextOffset(1), to: NextOffset(1) };
    standing.moves = vec![stay];
    for _ in 0..2 {
        let looked = worked("the look", lane.destination.write(&standing, &nothing).await)?;
        equal("what it wrote", &looked.tables, &Vec::new())?;
    }
    equal("the checkpoint", &scene.database.cursors(&lane.id).await, &before)?;
    let mut wrong = standing.clone();
    (wrong.moves[0].from, wrong.moves[0].to) = (NextOffset(0), NextOffset(0));
    let looked = lane.destination.write(&wrong, &nothing).await;
    is_fenced("a look at a wrong offset", looked)?;
    let heir = Lane::take(scene.open().await, &lane.id).await?;
    let looked = lane.destination.write(&standing, &nothing).await;
    is_fenced("a look after another took it", looked)?;
    // Offsets without changes are settled by an empty batch that moves.
    let moved = heir.destination.write(&heir.fence(9), &nothing).await;
    worked("an empty batch that moves", moved)?;
    equal("the checkpoint moved", &scene.cursor(&lane.id).await?.next, &9)
}
