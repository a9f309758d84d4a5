//! The closed sets of words that labels can take.
//!
//! A label with a closed set cannot grow without bound, and its counters are bound in advance.

/// How an attempt to write a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchOutcome {
    /// Written, and the checkpoint with it.
    Written,
    /// The destination was not available; the same batch again.
    Retry,
    /// The answer was lost.
    Unclear,
    /// Another owner or another offset stood in the checkpoint.
    Fenced,
    /// A record was rejected.
    Rejected,
    /// A person must act.
    Fatal,
}

/// Why a change was passed over without effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// Its entity is not part of the profile.
    OtherEntity,
    /// The checkpoint of its entity is past it.
    Settled,
    /// It is a marker of an initial sync.
    Marker,
}

/// Why something is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryCause {
    /// The destination was not available.
    Destination,
    /// The answer of a commit was lost.
    Unclear,
    /// The log was not available.
    Log,
    /// A person must act; tried slowly meanwhile.
    Fatal,
}

/// What a lane is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneState {
    /// It asks the destination for its checkpoint.
    Taking,
    /// It reads and writes.
    Running,
    /// It waits to try again.
    Waiting,
    /// It stands still until a person acts.
    Stopped,
}

impl BatchOutcome {
    pub(super) const ALL: [(Self, &'static str); 6] = [
        (Self::Written, "written"),
        (Self::Retry, "retry"),
        (Self::Unclear, "unclear"),
        (Self::Fenced, "fenced"),
        (Self::Rejected, "rejected"),
        (Self::Fatal, "fatal"),
    ];
}

impl SkipReason {
    pub(super) const ALL: [(Self, &'static str); 3] =
        [(Self::OtherEntity, "other_entity"), (Self::Settled, "settled"), (Self::Marker, "marker")];
}

impl RetryCause {
    pub(super) const ALL: [(Self, &'static str); 4] = [
        (Self::Destination, "destination"),
        (Self::Unclear, "unclear"),
        (Self::Log, "log"),
        (Self::Fatal, "fatal"),
    ];
}

impl LaneState {
    pub(super) const ALL: [(Self, &'static str); 4] = [
        (Self::Taking, "taking"),
        (Self::Running, "running"),
        (Self::Waiting, "waiting"),
        (Self::Stopped, "stopped"),
    ];

    /// The word of the label.
    pub fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_stands_at_its_enum_value() {
        assert!(BatchOutcome::ALL.iter().enumerate().all(|(at, (word, _))| *word as usize == at));
        assert!(SkipReason::ALL.iter().enumerate().all(|(at, (word, _))| *word as usize == at));
        assert!(RetryCause::ALL.iter().enumerate().all(|(at, (word, _))| *word as usize == at));
        assert!(LaneState::ALL.iter().enumerate().all(|(at, (word, _))| *word as usize == at));
    }
}
