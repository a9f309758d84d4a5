//! The handle by which the failed-record list counts what it is made of.

use prometheus::IntCounter;

use super::Metrics;

/// The metrics of one profile's failed-record list.
#[derive(Clone, Debug)]
pub struct FailedListMetrics {
    read: IntCounter,
    unreadable: IntCounter,
    rebuilds: IntCounter,
}

impl Metrics {
    /// The metrics of a profile's failed-record list.
    pub fn failed_list(&self, profile: &str) -> FailedListMetrics {
        FailedListMetrics {
            read: self.dead_letters_read.with_label_values(&[profile]),
            unreadable: self.dead_letters_unreadable.with_label_values(&[profile]),
            rebuilds: self.failed_list_rebuilds.with_label_values(&[profile]),
        }
    }
}

impl FailedListMetrics {
    /// Counts dead letters that were read, and records that are none.
    pub fn count(&self, read: u64, unreadable: u64) {
        self.read.inc_by(read);
        self.unreadable.inc_by(unreadable);
    }

    /// Counts a rebuild that nobody asked for.
    pub fn count_rebuild(&self) {
        self.rebuilds.inc();
    }
}
