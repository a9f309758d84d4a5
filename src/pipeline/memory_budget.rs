//! One budget in bytes for everything that lanes hold, over all pipelines of the process.
//!
//! Promise G9: a lane that asks for more than is left closes the batch that it has, or waits for
//! its write; a lane that holds nothing may always admit one record. So the process stays within
//! the budget plus one record per lane, whatever the backlog or the outage, and never gets stuck.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The budget. Share it by `Arc`.
#[derive(Debug)]
pub struct MemoryBudget {
    limit_bytes: usize,
    used_bytes: AtomicUsize,
}

/// Bytes reserved from a budget; given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: Arc<MemoryBudget>,
    bytes: usize,
}

impl MemoryBudget {
    /// A budget of so many bytes.
    pub fn new(limit_bytes: usize) -> Arc<Self> {
        Arc::new(Self { limit_bytes, used_bytes: AtomicUsize::new(0) })
    }

    /// Its limit.
    pub fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    /// Bytes reserved now. Above the limit by at most one record per lane.
    pub fn used_bytes(&self) -> usize {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// An empty reservation.
    pub fn reservation(self: &Arc<Self>) -> Reservation {
        Reservation { budget: Arc::clone(self), bytes: 0 }
    }
}

impl Reservation {
    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes `bytes` more if they are left; says whether it did.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let limit = self.budget.limit_bytes;
        let fits = |used: usize| used.checked_add(bytes).filter(|after| *after <= limit);
        let used = &self.budget.used_bytes;
        let grown = used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        if grown {
            self.bytes += bytes;
        }
        grown
    }

    /// Takes `bytes` more even if they are not left: for the one record that may always pass.
    pub fn force(&mut self, bytes: usize) {
        self.budget.used_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
    }

    /// All that is held, leaving an empty reservation.
    pub fn take(&mut self) -> Self {
        let bytes = std::mem::take(&mut self.bytes);
        Self { budget: Arc::clone(&self.budget), bytes }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.used_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_its_limit_and_gives_back() {
        let budget = MemoryBudget::new(100);
        let mut first = budget.reservation();
        assert!(first.grow(60));
        let mut second = budget.reservation();
        assert!(!second.grow(41));
        assert!(second.grow(40));
        let taken = first.take();
        drop(first);
        assert_eq!(budget.used_bytes(), 100);
        drop(taken);
        second.force(1_000);
        assert_eq!(budget.used_bytes(), 1_040);
        drop(second);
        assert_eq!(budget.used_bytes(), 0);
    }
}
