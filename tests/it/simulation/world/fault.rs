//! What goes wrong in the destination of a world, by its seed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use keepstep::destination::faulty::{Call, Fault, Judge, Opinion};
use keepstep::model::cell::Cell;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::{Duration, Instant};

use super::Seen;
use crate::simulation::source::REFUSED_VALUE;

pub(super) fn fault_script(
    seed: u64,
    share: f64,
    trouble: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
) -> impl FnMut(Call) -> Fault + Send {
    let mut rng = SmallRng::seed_from_u64(seed ^ 0xfa17);
    move |call| {
        if !trouble.load(Ordering::Relaxed) || !rng.random_bool(share) {
            return Fault::None;
        }
        let mut seen = seen.lock().unwrap();
        let time = Duration::from_millis(rng.random_range(1..20_000));
        match rng.random_range(0..4) {
            0 => {
                seen.refused += 1;
                Fault::Refuse
            }
            1 => {
                seen.unclear += 1;
                Fault::LoseAnswer
            }
            2 => Fault::Slow(time),
            _ if call == Call::Write => {
                seen.late += 1;
                Fault::ArriveLate(time)
            }
            _ => Fault::None,
        }
    }
}

/// The destination refuses one value now and then, and the table of one entity is broken for a
/// while.
pub(super) fn judge(seed: u64, started: Instant, trouble: Arc<AtomicBool>) -> Judge {
    let mut rng = SmallRng::seed_from_u64(seed ^ 0x1d6e);
    let (refuses, of) = (rng.random_range(1..8), rng.random_range(4..12));
    let broken = rng.random_bool(0.4).then(|| rng.random_range(0..45));
    Arc::new(move |mapping, net| {
        let second = started.elapsed().as_secs();
        let in_trouble = trouble.load(Ordering::Relaxed);
        let is_broken = in_trouble && broken.is_some_and(|at| (at..at + 10).contains(&second));
        if is_broken && mapping.entity.as_str() == "beta" {
            return Opinion::Broken;
        }
        let bad = Cell::Integer(REFUSED_VALUE);
        let image = net.image.iter().flat_map(|image| image.cells.iter().map(|(_, cell)| cell));
        let patch = net.patch.iter().flat_map(|patch| patch.cells.iter().map(|(.., cell)| cell));
        if second % of < refuses && image.chain(patch).any(|cell| *cell == bad) {
            return Opinion::Refused;
        }
        Opinion::Fine
    })
}
