//! Held changes, one by one: the plainest statement of what every adapter does in sets.

use crate::destination::WhichHeld;
use crate::model::batch::Batch;
use crate::model::checkpoint::LaneId;
use crate::model::held::{HeldChange, HeldKey, Hold, Release, Revision};

use super::state::MemoryState;

impl MemoryState {
    /// Makes the holds and releases of a batch. `clock_us` tells the time.
    pub(super) fn hold_and_release(
        &mut self,
        lane: &LaneId,
        batch: &Batch,
        clock_us: impl Fn() -> i64,
    ) {
        for hold in &batch.holds {
            self.hold(lane, hold, clock_us());
        }
        for release in &batch.releases {
            self.release(lane, release, clock_us());
        }
    }

    fn hold(&mut self, lane: &LaneId, hold: &Hold, now_us: i64) {
        let key = (lane.clone(), hold.key.clone());
        let before = self.held.get(&key);
        let held = HeldChange {
            key: hold.key.clone(),
            version: hold.version,
            creates: hold.creates,
            cause: hold.cause.clone(),
            attempt: hold.attempt,
            held_at_us: before.map_or(now_us, |before| before.held_at_us),
            revision: next_revision(before, now_us),
            open: true,
            published: before.and_then(|before| before.published),
        };
        self.held.insert(key, held);
    }

    fn release(&mut self, lane: &LaneId, release: &Release, now_us: i64) {
        let key = (lane.clone(), release.key.clone());
        if let Some(held) = self.held.get_mut(&key)
            && held.open
        {
            held.revision = next_revision(Some(held), now_us);
            held.open = false;
            held.cause = release.reason.into();
        }
    }

    pub(super) fn held_of(
        &self,
        lane: &LaneId,
        which: WhichHeld,
        after: Option<&HeldKey>,
        limit: usize,
    ) -> Vec<HeldChange> {
        let mine = self.held.iter().filter(|((of, _), _)| of == lane).map(|(_, held)| held);
        mine.filter(|held| which == WhichHeld::All || held.is_unpublished())
            .filter(|held| after.is_none_or(|after| held.key > *after))
            .take(limit)
            .cloned()
            .collect()
    }

    pub(super) fn mark_published(&mut self, lane: &LaneId, published: &[(HeldKey, Revision)]) {
        for (key, revision) in published {
            let key = (lane.clone(), key.clone());
            let Some(held) = self.held.get_mut(&key) else { continue };
            held.published = held.published.max(Some(*revision));
            if !held.open && !held.is_unpublished() {
                self.held.remove(&key);
            }
        }
    }
}

fn next_revision(before: Option<&HeldChange>, now_us: i64) -> Revision {
    Revision(before.map_or(now_us, |before| now_us.max(before.revision.0 + 1)))
}
