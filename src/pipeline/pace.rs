//! How large the batches of a lane may be just now.
//!
//! A batch that does not get through, again and again, may be more than the destination can take at
//! once: within the time of a command, within its log, without a deadlock. So the lane tries smaller
//! ones, down to one change, and larger ones again when that has gone well for a while. An outage
//! looks the same at first and costs little: the first batches after it are smaller.

use crate::model::batcher::BatchLimits;

/// So many batches are written at one size before the next larger one is tried.
const CALM_BATCHES: u32 = 64;

/// The limits of a lane's batches.
#[derive(Debug)]
pub(super) struct Pace {
    /// What the profile allows.
    full: BatchLimits,
    /// How often that was halved.
    halvings: u32,
    /// Batches written since.
    calm: u32,
}

impl Pace {
    /// As large as the profile allows.
    pub(super) fn new(full: BatchLimits) -> Self {
        Self { full, halvings: 0, calm: 0 }
    }

    /// The limits to read by now; at least one change.
    pub(super) fn limits(&self) -> BatchLimits {
        BatchLimits {
            changes: (self.full.changes >> self.halvings).max(1),
            bytes: (self.full.bytes >> self.halvings).max(1),
            linger: self.full.linger,
        }
    }

    /// A batch did not get through: the next ones are half as large. Whether they can be.
    pub(super) fn shrink(&mut self) -> bool {
        self.calm = 0;
        let shrinks = self.limits().changes > 1;
        self.halvings += u32::from(shrinks);
        shrinks
    }

    /// A batch was written; whether the next ones may be larger.
    pub(super) fn written(&mut self) -> bool {
        if self.halvings == 0 {
            return false;
        }
        self.calm += 1;
        let grows = self.calm == CALM_BATCHES;
        if grows {
            self.calm = 0;
            self.halvings -= 1;
        }
        grows
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn down_to_one_change_and_up_again() {
        let full = BatchLimits { changes: 1_000, bytes: 1 << 20, linger: Duration::ZERO };
        let mut pace = Pace::new(full);
        for changes in [500, 250, 125, 62, 31, 15, 7, 3, 1] {
            assert!(pace.shrink());
            assert_eq!(pace.limits().changes, changes);
        }
        assert!(!pace.shrink() && !pace.shrink(), "there is nothing smaller than one");
        assert_eq!(pace.limits().changes, 1);
        assert_eq!(pace.limits().bytes, (1 << 20) >> 9);
        let grown = (0..9 * CALM_BATCHES).filter(|_| pace.written()).count();
        assert_eq!((grown, pace.limits()), (9, full));
        assert!(!pace.written(), "it is as large as it may be");
    }

    #[test]
    fn a_failure_begins_the_calm_anew() {
        let full = BatchLimits { changes: 8, bytes: 8, linger: Duration::ZERO };
        let mut pace = Pace::new(full);
        assert!(pace.shrink());
        (1..CALM_BATCHES).for_each(|_| assert!(!pace.written()));
        assert!(pace.shrink());
        assert!(!pace.written());
        assert_eq!(pace.limits().changes, 2);
    }
}
