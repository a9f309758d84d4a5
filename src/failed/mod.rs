//! The failed-record list: what administrators see of the changes that could not be written.
//!
//! [`compactor`] reads a profile's dead-letter topic into a SQLite file ([`store`]); [`list`],
//! [`summary`] and [`export`] read that file; [`rebuild`] makes it equal to what the destination
//! holds, and [`comparison`] notices when that is needed. Promises: dead letters in any order and any number of times make the same list; the
//! topic's offsets move in the transactions of the entries, so that a kill at any instant loses and
//! doubles nothing; reading takes the same memory for ten entries and a million. Record content
//! stays on the topic: it must never reach the file, an error or any output (promise G11). The
//! truth about what is open is the destination's `held_change`; this list follows it.

pub mod advice;
pub mod change;
pub mod compactor;
pub mod comparison;
pub mod entry;
pub mod export;
pub mod list;
pub mod lock;
pub mod rebuild;
pub mod store;
pub mod summary;

/// Something that the failed-record list could not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {code}. {hint}")]
pub struct ListError {
    /// Whether trying again later can help.
    pub retry: bool,
    /// What was to be done, and to what.
    pub what: String,
    /// SQLite's or the system's error by name; never content.
    pub code: String,
    /// What to do next.
    pub hint: String,
}
