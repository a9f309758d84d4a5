//! The clock of held changes.
//!
//! SQLite has no clock of its own: it reads this machine's, to the millisecond. A change that is
//! released, published, forgotten and held again within one must still get a higher revision, so
//! the clock never falls behind a revision that was forgotten here.

use std::sync::atomic::{AtomicI64, Ordering};

use rusqlite::Connection;

use super::held_statements;
use super::stop::Stop;
use crate::model::held::Revision;

/// Tells the time in µs since 1970.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// It tells no earlier time than this.
    floor_us: AtomicI64,
}

impl Clock {
    /// The time.
    ///
    /// # Errors
    /// What SQLite says.
    pub(super) fn now_us(&self, connection: &Connection) -> Result<i64, Stop> {
        let mut statement = connection.prepare_cached(held_statements::clock_us())?;
        let now_us: i64 = statement.query_row([], |row| row.get(0))?;
        Ok(now_us.max(self.floor_us.load(Ordering::Relaxed)))
    }

    /// A change of this revision is forgotten.
    pub(super) fn forgotten(&self, revision: Revision) {
        self.floor_us.fetch_max(revision.0.saturating_add(1), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_after_what_was_forgotten() {
        let connection = Connection::open_in_memory().unwrap();
        let clock = Clock::default();
        let now_us = clock.now_us(&connection).unwrap();
        assert!(now_us > 1_700_000_000_000_000 && now_us % 1_000 == 0, "{now_us}");
        let later = Revision(now_us + 3_600_000_000);
        clock.forgotten(later);
        clock.forgotten(Revision(now_us));
        assert_eq!(clock.now_us(&connection).unwrap(), later.0 + 1);
    }
}
