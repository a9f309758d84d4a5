//! The checkpoint: cursors of entities, fingerprints, lanes that are apart, one that is lost.

use std::sync::Arc;

use keepstep::destination::DestinationError;
use keepstep::model::checkpoint::{Checkpoint, CursorSplit, Fence, Fingerprint, OwnerToken, Scope};
use keepstep::model::position::{NextOffset, Offset};
use keepstep::model::record::EntityName;

use super::fence::{is_fenced, one, records};
use super::laboratory::Tamper;
use super::outcome::{Outcome, equal, holds, refused, worked};
use super::scene::{self, Lane, Scene};

fn next_of(checkpoint: &Checkpoint, scope: &Scope) -> Option<i64> {
    let mut cursors = checkpoint.cursors().iter();
    cursors.find(|cursor| cursor.scope == *scope).map(|cursor| cursor.next.0)
}

/// The fingerprint of the last record is kept, and kept on where a batch has none.
pub async fn the_fingerprint_is_kept(scene: Scene) -> Outcome {
    let mapping = scene::letters("account", true);
    let mut lane = scene.lane(&scene::activation(&[&mapping])).await?;
    equal("before the first record", &lane.checkpoint.newest_fingerprint(), &None)?;
    let last = Fingerprint {
        offset: Offset(i64::MAX - 1),
        timestamp_ms: -1,
        length_bytes: u32::MAX,
        crc: u32::MAX,
    };
    let fence = |lane: &Lane, fingerprint| {
        let fence = lane.next_fence();
        Fence { fingerprint, ..fence }
    };
    for (number, fingerprint) in [(1, Some(last)), (2, None)] {
        let fence = fence(&lane, fingerprint);
        let written = lane.destination.write(&fence, &one(&mapping, number, 1)).await;
        worked("the write", written)?;
        lane = Lane::take(lane.destination, &lane.id).await?;
        let kept = lane.checkpoint.newest_fingerprint();
        equal(&format!("after record {number}"), &kept, &Some(last))?;
    }
    let newer = Fingerprint { offset: Offset(7), timestamp_ms: 5, length_bytes: 0, crc: 0 };
    let written = lane.destination.write(&fence(&lane, Some(newer)), &one(&mapping, 3, 1)).await;
    worked("the write", written)?;
    let stored = scene.cursor(&lane.id).await?.fingerprint;
    equal("the newer one", &stored, &Some(newer))
}

/// A fence makes a cursor for an entity that stands back, of the one for all, with its move or not
/// at all; one that is there is put where the fence says.
pub async fn a_fence_makes_cursors(scene: Scene) -> Outcome {
    let mapping = scene::letters("account", true);
    let lane = scene.lane(&scene::activation(&[&mapping])).await?;
    let last = Fingerprint { offset: Offset(4), timestamp_ms: 5, length_bytes: 6, crc: 7 };
    let fence = Fence { fingerprint: Some(last), ..lane.fence(5) };
    worked("the write", lane.destination.write(&fence, &one(&mapping, 1, 1)).await)?;
    let mut lane = Lane::take(lane.destination, &lane.id).await?;
    let contact = EntityName::new("contact");
    let newer = Fingerprint { offset: Offset(8), ..last };
    for (to, stands_at) in [(9, 5), (10, 2)] {
        let before = scene.database.cursors(&lane.id).await;
        let split = CursorSplit { entity: contact.clone(), next: NextOffset(stands_at) };
        let mut fence = Fence { splits: vec![split], fingerprint: Some(newer), ..lane.fence(to) };
        fence.moves.retain(|step| step.scope == Scope::All);
        let mut wrong = fence.clone();
        wrong.moves[0].from = NextOffset(3);
        let written = lane.destination.write(&wrong, &one(&mapping, 2, to)).await;
        is_fenced("a wrong fence with a new cursor", written)?;
        let tried = lane.destination.try_out(&fence, &one(&mapping, 2, to)).await;
        worked("a trial with a new cursor", tried)?;
        equal("the cursors after both", &scene.database.cursors(&lane.id).await, &before)?;
        worked("the write", lane.destination.write(&fence, &one(&mapping, 2, to)).await)?;
        let stored = scene.database.cursors(&lane.id).await;
        let found: Vec<_> = stored.iter().map(|it| (it.entity.as_str(), it.next)).collect();
        equal("the cursors", &found, &vec![("", to), ("contact", stands_at)])?;
        let owners = stored.iter().all(|cursor| cursor.owner == Some(lane.token));
        holds("the lane owns both", owners)?;
        // What was the last record of all when the entity fell back.
        let of_all = before.first().and_then(|cursor| cursor.fingerprint);
        equal("the new one's fingerprint", &stored[1].fingerprint, &of_all)?;
        lane = Lane::take(lane.destination, &lane.id).await?;
        let next = next_of(&lane.checkpoint, &Scope::Entity(contact.clone()));
        equal("the cursor taken", &next, &Some(stands_at))?;
    }
    Ok(())
}

/// A replay puts an entity's cursor back, whether it has one of its own or not, and forward again
/// when it is given up; without a batch, behind the fence, and with the other cursors as they are.
pub async fn cursors_are_put_back(scene: Scene) -> Outcome {
    let mapping = scene::letters("account", true);
    let mut lane = scene.lane(&scene::activation(&[&mapping])).await?;
    for number in 1..=5 {
        worked("the write", lane.write(&one(&mapping, number, 1)).await)?;
    }
    let account = EntityName::new("account");
    for to in [2, 0, 4] {
        let mut fence = lane.fence(5);
        (fence.moves, fence.splits) = lane.checkpoint.put(&[(account.clone(), NextOffset(to))]);
        let mut wrong = fence.clone();
        wrong.token = OwnerToken(uuid::Uuid::new_v4());
        is_fenced("another's token", lane.destination.write(&wrong, &Arc::default()).await)?;
        worked("putting it back", lane.destination.write(&fence, &Arc::default()).await)?;
        lane = Lane::take(lane.destination, &lane.id).await?;
        let stands = (lane.checkpoint.next_of("account").0, lane.checkpoint.next_of("contact").0);
        equal("the cursors", &stands, &(to, 5))?;
    }
    // Read again to the end, it is one cursor again.
    worked("the write", lane.destination.write(&lane.fence(5), &one(&mapping, 5, 1)).await)?;
    lane = Lane::take(lane.destination, &lane.id).await?;
    equal("the cursors at the end", &lane.checkpoint.cursors().len(), &1)?;
    equal("where it stands", &lane.checkpoint.lowest(), &NextOffset(5))
}

/// An entity that comes later has a cursor of its own, until it has caught up.
pub async fn an_entity_has_its_own_cursor(scene: Scene) -> Outcome {
    let account = scene::letters("account", true);
    let contact = scene::letters("contact", true);
    let mut lane = scene.lane(&scene::activation(&[&account])).await?;
    for number in 1..=5 {
        worked("the write", lane.write(&one(&account, number, 1)).await)?;
    }
    let both = scene::activation(&[&account, &contact]);
    let lane = scene.lane(&both).await?;
    let of_contact = Scope::Entity(EntityName::new("contact"));
    equal("the cursor for all", &next_of(&lane.checkpoint, &Scope::All), &Some(5))?;
    equal("the entity's", &next_of(&lane.checkpoint, &of_contact), &Some(0))?;

    // Both must hold, or none moves.
    let mut fence = lane.fence(8);
    equal("cursors to move", &fence.moves.len(), &2)?;
    for wrong in 0..2 {
        let right = fence.moves[wrong].from;
        fence.moves[wrong].from = NextOffset(right.0 + 1);
        let written = lane.destination.write(&fence, &one(&contact, 1, 1)).await;
        is_fenced(&format!("a fence whose move {wrong} is wrong"), written)?;
        fence.moves[wrong].from = right;
    }
    let mut stored: Vec<_> = scene.database.cursors(&lane.id).await;
    stored.sort_by(|a, b| a.entity.cmp(&b.entity));
    let stored: Vec<_> =
        stored.iter().map(|cursor| (cursor.entity.as_str(), cursor.next)).collect();
    equal("the cursors", &stored, &vec![("", 5), ("contact", 0)])?;

    // It catches up, first behind the one for all, then with it.
    let mut lane = lane;
    for (to, moves) in [(3, 1), (5, 1)] {
        let fence = lane.fence(to);
        equal("cursors to move", &fence.moves.len(), &moves)?;
        let number = u128::from(to.unsigned_abs());
        worked("the write", lane.destination.write(&fence, &one(&contact, number, 1)).await)?;
        lane.checkpoint.advance(NextOffset(to), None);
    }
    let lane = Lane::take(scene.open().await, &lane.id).await?;
    equal("cursors after the fold", &lane.checkpoint.cursors().len(), &1)?;
    equal("cursors stored", &scene.database.cursors(&lane.id).await.len(), &1)?;
    equal("the other table", &records(&scene, &contact).await, &vec![(3, Some(1)), (5, Some(1))])?;
    // The activation that brought it does not bring it back.
    let lane = scene.lane(&both).await?;
    equal("cursors after another activation", &lane.checkpoint.cursors().len(), &1)
}

/// Lanes of other partitions know nothing of each other.
pub async fn lanes_are_apart(scene: Scene) -> Outcome {
    let mapping = scene::letters("account", true);
    let activation = scene::activation(&[&mapping]);
    let mut first = scene.lane(&activation).await?;
    let mut second =
        Lane::take(Arc::clone(&first.destination), &scene::lane_id(&activation, 1)).await?;
    for number in 0..3 {
        worked("the first lane", first.write(&one(&mapping, number, 1)).await)?;
    }
    worked("the second lane", second.write(&one(&mapping, 9, 1)).await)?;
    equal("the first", &scene.cursor(&first.id).await?.next, &3)?;
    equal("the second", &scene.cursor(&second.id).await?.next, &1)
}

/// A lane without a checkpoint is not guessed: neither at a take nor at an activation.
pub async fn a_lost_checkpoint_is_loud(scene: Scene) -> Outcome {
    let mapping = scene::letters("account", true);
    let activation = scene::activation(&[&mapping]);
    let mut lane = scene.lane(&activation).await?;
    worked("the write", lane.write(&one(&mapping, 1, 1)).await)?;
    scene.database.tamper(Tamper::CheckpointLost(lane.id.clone())).await;
    is_fenced("a write without a checkpoint", lane.write(&one(&mapping, 2, 2)).await)?;
    let token = lane.token;
    for id in [lane.id.clone(), scene::lane_id(&activation, 77)] {
        let taken =
            refused("a take without a checkpoint", lane.destination.take(&id, token).await)?;
        holds("it is fatal", matches!(taken, DestinationError::Fatal(_)))?;
    }
    let activated = scene.open().await.activate(&activation).await;
    let activated = refused("an activation without a checkpoint", activated)?;
    holds("it is fatal", matches!(activated, DestinationError::Fatal(_)))?;
    equal("cursors", &scene.database.cursors(&lane.id).await, &Vec::new())?;
    equal("the rows", &records(&scene, &mapping).await, &vec![(1, Some(1))])
}
