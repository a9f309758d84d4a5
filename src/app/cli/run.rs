//! `keepstep run`: copies changes from the log to the databases, until stopped.

use std::path::Path;

use super::load;
use crate::app::failure::{Exit, Failure};
use crate::app::run::{run as run_profiles, stop_deadline};
use crate::app::shutdown::{Ending, Signals, run_until_stopped, stop_pair};
use crate::app::telemetry;

/// Runs the command.
pub(super) async fn run(settings_path: &Path) -> Result<(), Failure> {
    let (settings, contents) = load(settings_path)?;
    telemetry::start(settings.telemetry);
    let signals = Signals::listen()?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        profiles = settings.profiles.len(),
        "starting"
    );
    let (stopper, stop) = stop_pair();
    let work = run_profiles(&settings, contents, stop);
    match run_until_stopped(signals, &stopper, stop_deadline(&settings), work).await {
        Ending::Done(outcome) => {
            outcome?;
            tracing::info!("stopped; everything written is committed, the rest is read again");
            Ok(())
        }
        Ending::SecondSignal => {
            tracing::warn!("ended at once; what was not committed is read again");
            Err(Failure::silent(Exit::Ended))
        }
        Ending::Deadline => {
            tracing::warn!("ended at the deadline; what was not committed is read again");
            Err(Failure::silent(Exit::Ended))
        }
    }
}
