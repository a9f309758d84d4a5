//! The embedded log: the contract of every log, and what is its own.

mod in_memory;
mod on_disk;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use keepstep::log::embedded::Clock;

/// A clock that moves one ms at every look.
fn counting_clock() -> Clock {
    let now_ms = AtomicI64::new(1_700_000_000_000);
    Arc::new(move || now_ms.fetch_add(1, Ordering::Relaxed))
}
