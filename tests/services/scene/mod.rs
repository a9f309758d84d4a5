//! What tests with servers and processes of their own share: both are killed there, so no other
//! test may use them.

pub mod process;
pub mod servers;

use std::time::{Duration, Instant};

use process::Process;

/// Longest time that anything here may take.
pub const PATIENCE: Duration = Duration::from_secs(180);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Waits until something holds, as long as all processes run.
pub async fn wait(what: &str, processes: &mut [Process], mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    let mut look = tokio::time::interval(LOOK);
    while !holds().await {
        processes.iter_mut().for_each(Process::must_run);
        assert!(Instant::now() < deadline, "{what} did not happen in {PATIENCE:?}");
        look.tick().await;
    }
}
