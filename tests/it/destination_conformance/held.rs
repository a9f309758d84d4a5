//! Held changes: made and released with the rows, told once each revision, read in pages.

use std::sync::Arc;

use keepstep::destination::{WhichHeld, WriteError};
use keepstep::model::batch::Batch;
use keepstep::model::change::Version;
use keepstep::model::failure::{Cause, Rejection};
use keepstep::model::held::{
    HeldCause, HeldChange, HeldKey, Hold, Release, ReleaseReason, Revision,
};
use keepstep::model::position::Offset;
use keepstep::model::record::{EntityName, RecordId};
use uuid::Uuid;

use super::outcome::{Outcome, equal, holds, refused, worked};
use super::scene::{self, Lane, Scene, text};

/// Later than any clock that was never set shows, in µs since 1970.
const YEAR_2023_US: i64 = 1_672_531_200_000_000;

/// The change of a record of `account`.
pub fn key(offset: i64, number: u128) -> HeldKey {
    HeldKey {
        offset: Offset(offset),
        entity: Some(EntityName::new("account")),
        record_id: Some(scene::record(number)),
    }
}

/// A hold for this cause.
pub fn hold(key: &HeldKey, cause: HeldCause, attempt: u32) -> Hold {
    Hold { key: key.clone(), version: Some(Version(7)), creates: true, cause, attempt }
}

fn no_base() -> HeldCause {
    HeldCause::from(&Rejection::of(Cause::NoBase))
}

fn release(key: &HeldKey, reason: ReleaseReason) -> Release {
    Release { key: key.clone(), reason }
}

/// A batch of holds and releases alone.
pub fn batch(holds: Vec<Hold>, releases: Vec<Release>) -> Arc<Batch> {
    Arc::new(Batch { holds, releases, ..Batch::default() })
}

/// All held changes of a lane, or the unpublished ones.
pub async fn held(lane: &Lane, which: WhichHeld) -> Outcome<Vec<HeldChange>> {
    worked("reading held changes", lane.destination.held(&lane.id, which, None, 10_000).await)
}

/// The one held change of a lane.
async fn only(lane: &Lane) -> Outcome<HeldChange> {
    let mut all = held(lane, WhichHeld::All).await?;
    equal("held changes", &all.len(), &1)?;
    Ok(all.remove(0))
}

async fn mark(lane: &Lane, key: &HeldKey, revision: Revision) -> Outcome {
    let marked = lane.destination.mark_published(&lane.id, &[(key.clone(), revision)]).await;
    worked("marking as published", marked)
}

/// A lane on an empty table.
async fn lane(scene: &Scene) -> Outcome<Lane> {
    scene.lane(&scene::activation(&[&scene::letters("account", true)])).await
}

/// Rows, holds and the checkpoint come together, and none of them without the others.
pub async fn holds_and_rows_commit_together(scene: Scene) -> Outcome {
    let mapping = scene::letters("account", true);
    let mut lane = lane(&scene).await?;
    let in_column =
        Rejection::in_column("name", Cause::TextTooLong { limit_units: 100, size_units: 4_321 });
    let rows = |changes| scene::batch(&mapping, changes);
    let good = scene::create(scene::record(1), Some(1), &[(0, text("a"))]);
    let with_hold = Arc::new(Batch {
        holds: vec![hold(&key(0, 2), HeldCause::from(&in_column), 0)],
        ..(*rows(vec![good])).clone()
    });
    worked("the write", lane.write(&with_hold).await)?;
    let first = only(&lane).await?;
    let expected = HeldChange {
        key: key(0, 2),
        version: Some(Version(7)),
        creates: true,
        cause: HeldCause {
            code: "text_too_long".into(),
            column: Some("name".into()),
            detail: "text of 4321 UTF-16 units is longer than the column's 100".to_owned(),
        },
        attempt: 0,
        held_at_us: first.held_at_us,
        revision: first.revision,
        open: true,
        published: None,
    };
    equal("the held change", &first, &expected)?;
    let clock = first.held_at_us > YEAR_2023_US && first.revision.0 > YEAR_2023_US;
    holds(&format!("both times come from a clock: {first:?}"), clock)?;

    let bad = scene::patch(scene::record(9), Some(1), &[(0, text("nowhere"))]);
    let rejected = Arc::new(Batch {
        holds: vec![hold(&key(1, 3), no_base(), 0)],
        releases: vec![release(&key(0, 2), ReleaseReason::Superseded)],
        ..(*rows(vec![bad])).clone()
    });
    refused("a write with a patch without a base", lane.write(&rejected).await)?;
    equal("held after a rejection", &held(&lane, WhichHeld::All).await?, &vec![first.clone()])?;
    equal("the checkpoint", &scene.cursor(&lane.id).await?.next, &1)?;

    // Without any row, and read by a handle that came later.
    worked("holds alone", lane.write(&batch(vec![hold(&key(1, 3), no_base(), 0)], vec![])).await)?;
    equal("the checkpoint", &scene.cursor(&lane.id).await?.next, &2)?;
    let later = scene.open().await;
    let read = worked("reading", later.held(&lane.id, WhichHeld::All, None, 10).await)?;
    let keys: Vec<_> = read.iter().map(|held| held.key.clone()).collect();
    equal("the keys", &keys, &vec![key(0, 2), key(1, 3)])?;
    equal("the first one", &read.first(), &Some(&first))
}

/// Whoever is fenced holds and releases nothing.
pub async fn a_fenced_write_holds_nothing(scene: Scene) -> Outcome {
    let mut zombie = lane(&scene).await?;
    worked("the hold", zombie.write(&batch(vec![hold(&key(0, 1), no_base(), 0)], vec![])).await)?;
    let before = held(&zombie, WhichHeld::All).await?;
    let heir = Lane::take(scene.open().await, &zombie.id).await?;
    let late = batch(
        vec![hold(&key(1, 2), no_base(), 0), hold(&key(0, 1), no_base(), 1)],
        vec![release(&key(0, 1), ReleaseReason::Written)],
    );
    let answer = refused("the zombie's write", zombie.write(&late).await)?;
    equal("the answer", &answer, &WriteError::Fenced)?;
    equal("what is held", &held(&heir, WhichHeld::All).await?, &before)
}

/// A change that is held again keeps the time of its first hold and gets a higher revision.
pub async fn holding_again_keeps_the_first_time(scene: Scene) -> Outcome {
    let mut lane = lane(&scene).await?;
    let key = key(0, 1);
    let again = |attempt, cause| batch(vec![hold(&key, cause, attempt)], vec![]);
    worked("the hold", lane.write(&again(0, no_base())).await)?;
    let mut before = only(&lane).await?;
    for attempt in 1..=20 {
        let cause = if attempt % 2 == 1 { HeldCause::waits() } else { no_base() };
        worked("another hold", lane.write(&again(attempt, cause.clone())).await)?;
        let now = only(&lane).await?;
        let newer = now.revision > before.revision;
        holds(&format!("{:?} is newer than {:?}", now.revision, before.revision), newer)?;
        let expected = HeldChange { cause, attempt, revision: now.revision, ..before };
        equal("held on", &now, &expected)?;
        before = now;
    }
    // Released, and held again before anyone was told.
    let released = batch(vec![], vec![release(&key, ReleaseReason::Written)]);
    worked("the release", lane.write(&released).await)?;
    let closed = only(&lane).await?;
    worked("another hold", lane.write(&again(0, no_base())).await)?;
    let now = only(&lane).await?;
    holds("it is newer than its release", now.revision > closed.revision)?;
    let expected = HeldChange {
        revision: now.revision,
        cause: no_base(),
        attempt: 0,
        open: true,
        ..before.clone()
    };
    equal("held after its release", &now, &expected)
}

/// A released change tells why, once; what is not held is passed over.
pub async fn a_release_says_why(scene: Scene) -> Outcome {
    let mut lane = lane(&scene).await?;
    let reasons = [ReleaseReason::Superseded, ReleaseReason::Written, ReleaseReason::Dismissed];
    let keys: Vec<HeldKey> = (0..4).map(|offset| key(offset, 1)).collect();
    let in_column = Rejection::in_column("a", Cause::TextHasNul);
    let all = keys.iter().map(|key| hold(key, HeldCause::from(&in_column), 3)).collect();
    worked("the holds", lane.write(&batch(all, vec![])).await)?;
    let before = held(&lane, WhichHeld::All).await?;
    let releases: Vec<Release> =
        keys.iter().zip(reasons).map(|(key, reason)| release(key, reason)).collect();
    let with_unknown = [releases.clone(), vec![release(&key(0, 77), reasons[0])]].concat();
    worked("the releases", lane.write(&batch(vec![], with_unknown)).await)?;
    let after = held(&lane, WhichHeld::All).await?;
    equal("held changes", &after.len(), &4)?;
    for ((before, after), reason) in before.iter().zip(&after).zip(reasons) {
        holds("a release is a newer revision", after.revision > before.revision)?;
        let expected = HeldChange {
            cause: HeldCause { code: reason.as_str().into(), column: None, detail: String::new() },
            revision: after.revision,
            open: false,
            ..before.clone()
        };
        equal("the released change", after, &expected)?;
    }
    equal("the one that is held still", &after.last(), &before.last())?;
    worked("the same releases again", lane.write(&batch(vec![], releases)).await)?;
    equal("what they changed", &held(&lane, WhichHeld::All).await?, &after)?;
    // Of one batch the holds come first.
    let last = &keys[3];
    let both = batch(vec![hold(last, no_base(), 4)], vec![release(last, ReleaseReason::Dismissed)]);
    worked("hold and release at once", lane.write(&both).await)?;
    let open = held(&lane, WhichHeld::All).await?.iter().filter(|held| held.open).count();
    equal("open changes", &open, &0)
}

/// A released change stays until its release is published; then it is forgotten.
pub async fn a_release_stays_until_it_is_published(scene: Scene) -> Outcome {
    let mut lane = lane(&scene).await?;
    let key = key(0, 1);
    worked("the hold", lane.write(&batch(vec![hold(&key, no_base(), 0)], vec![])).await)?;
    let first = only(&lane).await?;
    equal("unpublished", &held(&lane, WhichHeld::Unpublished).await?, &vec![first.clone()])?;
    mark(&lane, &key, first.revision).await?;
    equal("unpublished", &held(&lane, WhichHeld::Unpublished).await?, &vec![])?;
    let published = HeldChange { published: Some(first.revision), ..first.clone() };
    equal("the open change", &only(&lane).await?, &published)?;
    mark(&lane, &key, first.revision).await?;
    equal("marked twice", &only(&lane).await?, &published)?;

    let releases = vec![release(&key, ReleaseReason::Superseded)];
    worked("the release", lane.write(&batch(vec![], releases)).await)?;
    let released = only(&lane).await?;
    equal("what is published of it", &released.published, &Some(first.revision))?;
    equal("unpublished", &held(&lane, WhichHeld::Unpublished).await?, &vec![released.clone()])?;
    mark(&lane, &key, first.revision).await?;
    equal("an older mark", &only(&lane).await?, &released)?;
    mark(&lane, &key, released.revision).await?;
    equal("what is kept", &held(&lane, WhichHeld::All).await?, &vec![])?;
    mark(&lane, &key, released.revision).await?;
    equal("marked when forgotten", &held(&lane, WhichHeld::All).await?, &vec![])?;

    // Held once more, as by a replay: a reader of the topic must take it for newer.
    worked("another hold", lane.write(&batch(vec![hold(&key, no_base(), 0)], vec![])).await)?;
    let again = only(&lane).await?;
    holds(
        &format!("{again:?} is newer than what was forgotten, {released:?}"),
        again.revision > released.revision && again.open && again.published.is_none(),
    )
}

/// The acknowledgement of an older revision publishes no newer one.
pub async fn an_older_mark_publishes_nothing_newer(scene: Scene) -> Outcome {
    let mut lane = lane(&scene).await?;
    let key = key(0, 1);
    let mut revisions = Vec::new();
    for attempt in 0..3 {
        let one = batch(vec![hold(&key, no_base(), attempt)], vec![]);
        worked("the hold", lane.write(&one).await)?;
        revisions.push(only(&lane).await?.revision);
    }
    for (marked, expected, unpublished) in [(1, 1, 1), (0, 1, 1), (2, 2, 0), (1, 2, 0)] {
        mark(&lane, &key, revisions[marked]).await?;
        let now = only(&lane).await?;
        equal("what is published", &now.published, &Some(revisions[expected]))?;
        let left = held(&lane, WhichHeld::Unpublished).await?.len();
        equal("unpublished", &left, &unpublished)?;
    }
    Ok(())
}

/// Keys with and without entity and record are told apart, and come in one order.
pub async fn what_is_unknown_is_a_key_too(scene: Scene) -> Outcome {
    let mut lane = lane(&scene).await?;
    let entities = [None, Some("account"), Some("a'b\"c\\; --"), Some("中"), Some("zzz")];
    let records = [None, Some(RecordId(Uuid::from_u128(1))), Some(RecordId(Uuid::max()))];
    let mut keys = Vec::new();
    for offset in [0, 9, 10, i64::MAX] {
        for entity in entities {
            let entity = entity.map(EntityName::new);
            keys.extend(records.map(|record_id| HeldKey {
                offset: Offset(offset),
                entity: entity.clone(),
                record_id,
            }));
        }
    }
    let hold = |(number, key): (u32, &HeldKey)| Hold {
        key: key.clone(),
        version: (number % 2 == 0).then_some(Version(i64::MIN + i64::from(number))),
        creates: number % 3 == 0,
        cause: HeldCause {
            code: "undecodable".into(),
            column: None,
            detail: format!("it's \\ number {number} 😀"),
        },
        attempt: number,
    };
    let all: Vec<Hold> = (0..).zip(&keys).map(hold).collect();
    // Made in another order than they are read.
    let mut shuffled = all.clone();
    shuffled.reverse();
    worked("the holds", lane.write(&batch(shuffled, vec![])).await)?;
    let mut expected = all;
    expected.sort_by(|left, right| left.key.cmp(&right.key));
    let read = held(&lane, WhichHeld::All).await?;
    let as_hold = |held: &HeldChange| Hold {
        key: held.key.clone(),
        version: held.version,
        creates: held.creates,
        cause: held.cause.clone(),
        attempt: held.attempt,
    };
    equal("what was read", &read.iter().map(as_hold).collect::<Vec<_>>(), &expected)?;
    // Each is released and forgotten without the others.
    for (gone, held_one) in read.iter().enumerate() {
        let one = vec![release(&held_one.key, ReleaseReason::Dismissed)];
        worked("the release", lane.write(&batch(vec![], one)).await)?;
        let released = held(&lane, WhichHeld::All).await?.into_iter().find(|held| !held.open);
        let released = released.ok_or("nothing was released")?;
        equal("the released key", &released.key, &held_one.key)?;
        mark(&lane, &held_one.key, released.revision).await?;
        equal("what is left", &held(&lane, WhichHeld::All).await?, &read[gone + 1..].to_vec())?;
    }
    Ok(())
}

/// Held changes are read in pages that miss none and repeat none.
pub async fn pages_follow_each_other(scene: Scene) -> Outcome {
    const KEPT: i64 = 2_000;
    let mut lane = lane(&scene).await?;
    let keys: Vec<HeldKey> = (0..KEPT)
        .map(|number| HeldKey {
            record_id: (number % 3 != 0).then(|| scene::record(number.unsigned_abs().into())),
            ..key(number / 5, 0)
        })
        .enumerate()
        .map(|(at, key)| HeldKey {
            entity: Some(EntityName::new(&format!("entity {}", at % 5))),
            ..key
        })
        .collect();
    let all = keys.iter().map(|key| hold(key, no_base(), 0)).collect();
    worked("the holds", lane.write(&batch(all, vec![])).await)?;
    let everything = held(&lane, WhichHeld::All).await?;
    equal("held changes", &everything.len(), &keys.len())?;
    let every_third = everything.iter().step_by(3);
    let published: Vec<_> = every_third.map(|held| (held.key.clone(), held.revision)).collect();
    let marked = lane.destination.mark_published(&lane.id, &published).await;
    worked("marking many as published", marked)?;
    for (which, expected) in [
        (WhichHeld::All, held(&lane, WhichHeld::All).await?),
        (WhichHeld::Unpublished, held(&lane, WhichHeld::Unpublished).await?),
    ] {
        let count = if which == WhichHeld::All { 2_000 } else { 1_333 };
        equal(&format!("{which:?}"), &expected.len(), &count)?;
        let mut pages: Vec<HeldChange> = Vec::new();
        loop {
            let after = pages.last().map(|held| held.key.clone());
            let page = lane.destination.held(&lane.id, which, after.as_ref(), 700).await;
            let page = worked("a page", page)?;
            holds("a page is no longer than asked", page.len() <= 700)?;
            if page.is_empty() {
                break;
            }
            pages.extend(page);
        }
        equal(&format!("{which:?} in pages"), &pages, &expected)?;
    }
    Ok(())
}

/// Lanes do not see each other's held changes, nor those of other profiles.
pub async fn held_changes_are_their_lanes(scene: Scene) -> Outcome {
    let activation = scene::activation(&[&scene::letters("account", true)]);
    let mut first = scene.lane(&activation).await?;
    let second = scene::lane_id(&activation, 1);
    let mut second = Lane::take(Arc::clone(&first.destination), &second).await?;
    let key = key(0, 1);
    let one = batch(vec![hold(&key, no_base(), 0)], vec![]);
    worked("the hold", first.write(&one).await)?;
    equal("what the other lane holds", &held(&second, WhichHeld::All).await?, &vec![])?;
    worked("the same key in the other", second.write(&one).await)?;
    let before = only(&first).await?;
    let releases = vec![release(&key, ReleaseReason::Written)];
    worked("its release", second.write(&batch(vec![], releases)).await)?;
    mark(&second, &key, only(&second).await?.revision).await?;
    equal("the first lane's", &only(&first).await?, &before)?;
    equal("the second lane's", &held(&second, WhichHeld::All).await?, &vec![])?;
    let mut stranger = first.id.clone();
    stranger.profile = keepstep::model::profile::ProfileId::new("stranger").ok_or("no profile")?;
    let read = first.destination.held(&stranger, WhichHeld::All, None, 10).await;
    equal("what a stranger holds", &worked("reading", read)?, &vec![])
}

/// A database that falls back to an older state has the held changes of that state.
pub async fn they_fall_back_with_the_rows(scene: Scene) -> Outcome {
    let mut lane = lane(&scene).await?;
    worked("the hold", lane.write(&batch(vec![hold(&key(0, 1), no_base(), 0)], vec![])).await)?;
    let before = only(&lane).await?;
    scene.database.back_up().await;
    let releases = vec![release(&key(0, 1), ReleaseReason::Superseded)];
    worked("a release", lane.write(&batch(vec![hold(&key(1, 2), no_base(), 0)], releases)).await)?;
    equal("held changes", &held(&lane, WhichHeld::All).await?.len(), &2)?;
    scene.database.set_back().await;
    equal("held in the older state", &only(&lane).await?, &before)
}
