//! Faults built in on purpose, so that the tests can prove that they would notice.
//!
//! Only with the cargo feature `mutations`; without it every question here is a constant `false`
//! and no release can hold one.

/// A fault that a test can switch on.
#[cfg(feature = "mutations")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// The checkpoint moves whatever stands there.
    FenceOff,
    /// The fence looks at the token only, not at the offset.
    TokenOnly,
    /// Rows change whatever their version is.
    GuardOff,
    /// The checkpoint moves in a transaction of its own, before the rows.
    CheckpointBeforeWrite,
    /// The checkpoint moves in a transaction of its own, after the rows, whatever stands there.
    CheckpointOutsideTransaction,
    /// A delete that meets another change of its record in the batch is lost.
    CoalescingDropsDelete,
    /// A patch clears what it does not name.
    PatchAsImage,
    /// A delete leaves no memory.
    TombstoneForgotten,
    /// A lane admits whatever it reads, whatever the budget says.
    BudgetIgnored,
    /// A lane starts at the end of its partition instead of the destination's checkpoint.
    StartAtEnd,
    /// A patch of a held record is written all the same.
    HeldIgnored,
    /// An image that is lower in version releases held changes.
    OlderReleases,
    /// What was not published before a crash is never sent.
    OutboxForgetful,
    /// Held changes are released in a transaction of their own, before the rows.
    ReleaseOutside,
    /// Only the first of several held changes is tried again, and all are released.
    RetryOfOne,
    /// A held change is tried again although a newer one has taken its place.
    RetryAfterNewer,
    /// Nothing ever looks systemic.
    BreakerOff,
}

/// The fault that is switched on, if any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mutations {
    #[cfg(feature = "mutations")]
    active: Option<Mutation>,
}

#[cfg(feature = "mutations")]
impl Mutations {
    /// With this fault.
    pub fn with(mutation: Mutation) -> Self {
        Self { active: Some(mutation) }
    }
}

/// One question per fault, a constant `false` without the feature.
impl Mutations {
    /// See `Mutation::FenceOff`.
    pub fn fence_off(self) -> bool {
        #[cfg(feature = "mutations")]
        return self.active == Some(Mutation::FenceOff);
        #[cfg(not(feature = "mutations"))]
        false
    }

    /// See `Mutation::TokenOnly`.
    pub fn token_only(self) -> bool {
        #[cfg(feature = "mutations")]
        return self.active == Some(Mutation::TokenOnly);
        #[cfg(not(feature = "mutations"))]
        false
    }

    /// See `Mutation::GuardOff`.
    pub fn guard_off(self) -> bool {
        #[cfg(feature = "mutations")]
        return self.active == Some(Mutation::GuardOff);
        #[cfg(not(feature = "mutations"))]
        false
    }

    /// See `Mutation::CheckpointBeforeWrite`.
    pub fn checkpoint_before_write(self) -> bool {
        #[cfg(feature = "mutations")]
        return self.active == Some(Mutation::CheckpointBeforeWrite);
        #[cfg(not(feature = "mutations"))]
        false
    }

    /// See `Mutation::CheckpointOutsideTransaction`.
    pub fn checkpoint_outside_transaction(self) -> bool {
        #[cfg(feature = "mutations")]
        return self.active == Some(Mutation::CheckpointOutsideTransaction);
        #[cfg(not(feature = "mutations"))]
        false
    }

    /// See `Mutation::CoalescingDropsDelete`.
    pub fn coalescing_drops_delete(self) -> bool {
        #[cfg(feature = "mutations")]
        return self.active == Some(Mutation::CoalescingDropsDelete);
        #[cfg(not(feature = "mutations"))]
        false
    }

    /// See `Mutation::PatchAsImage`.
    pub fn patch_as_image(self) -> bool {
        #[cfg(feature = "mutations")]
        return self.active == Some(Mutation::PatchAsImage);
        #[cfg(not(feature = "mutations"))]
        false
    }

    /// See `Mutation::TombstoneForgotten`.
    pub fn tombstone_forgotten(self) -> bool {
        #[cfg(feature = "mutations")]
        return self.active == Some(Mutation::TombstoneForgotten);
        #[cfg(not(feature = "mutations"))]
        false
    }

    /// See `Mutation::BudgetIgnored`.
    pub fn budget_ignored(self) -> bool {
        #[cfg(feature = "mutations")]
        return self.active == Some(Mutation::BudgetIgnored);
        #[cfg(not(feature = "mutations"))]
        false
    }

    /// See `Mutation::StartAtEnd`.
    pub fn start_at_end(self) -> bool {
        #[cfg(feature = "mutations")]
        return self.active == Some(Mutation::StartAtEnd);
        #[cfg(not(feature = "mutations"))]
        false
    }

    /// See `Mutation::HeldIgnored`.
    pub fn held_ignored(self) -> bool {
        #[cfg(feature = "mutations")]
        return self.active == Some(Mutation::HeldIgnored);
        #[cfg(not(feature = "mutations"))]
        false
    }

    /// See `Mutation::OlderReleases`.
    pub fn older_releases(self) -> bool {
        #[cfg(feature = "mutations")]
        return self.active == Some(Mutation::OlderReleases);
        #[cfg(not(feature = "mutations"))]
        false
    }

    /// See `Mutation::OutboxForgetful`.
    pub fn outbox_forgetful(self) -> bool {
        #[cfg(feature = "mutations")]
        return self.active == Some(Mutation::OutboxForgetful);
        #[cfg(not(feature = "mutations"))]
        false
    }

    /// See `Mutation::ReleaseOutside`.
    pub fn release_outside(self) -> bool {
        #[cfg(feature = "mutations")]
        return self.active == Some(Mutation::ReleaseOutside);
        #[cfg(not(feature = "mutations"))]
        false
    }

    /// See `Mutation::RetryOfOne`.
    pub fn retry_of_one(self) -> bool {
        #[cfg(feature = "mutations")]
        return self.active == Some(Mutation::RetryOfOne);
        #[cfg(not(feature = "mutations"))]
        false
    }

    /// See `Mutation::RetryAfterNewer`.
    pub fn retry_after_newer(self) -> bool {
        #[cfg(feature = "mutations")]
        return self.active == Some(Mutation::RetryAfterNewer);
        #[cfg(not(feature = "mutations"))]
        false
    }

    /// See `Mutation::BreakerOff`.
    pub fn breaker_off(self) -> bool {
        #[cfg(feature = "mutations")]
        return self.active == Some(Mutation::BreakerOff);
        #[cfg(not(feature = "mutations"))]
        false
    }
}
