//! `keepstep status`: how entities and lanes of a profile are, as the lanes' owners last said.
//!
//! Reads the destination's desk only, so it works from anywhere and disturbs nobody. A version that
//! says more, less or something else is shown as far as it is understood: nothing here fails on it.

mod entity;
mod lane;

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use clap::Args;
use tokio::time::sleep;

use super::asked::{LOOK_PERIOD, destination_of};
use super::failed::profile_of;
use super::output::Output;
use crate::app::connect::now_ms;
use crate::app::failure::Failure;
use crate::app::settings::Settings;
use crate::app::shutdown::Signals;
use crate::destination::desk::StoredLaneState;

/// Clears a terminal and goes to its first line.
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

/// Show how entities and lanes are: what was written, how far behind, what is held, and why.
///
/// Rows and changes count since their lanes were assigned to the processes that own them now.
#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    /// Id of the profile; may be left out if there is only one.
    #[arg(long, value_name = "ID")]
    profile: Option<String>,
    /// Show it again every second, until Ctrl-C.
    #[arg(long)]
    watch: bool,
}

/// Runs the command.
pub(super) async fn run(
    arguments: &StatusArguments,
    settings_path: &Path,
    output: &mut Output,
) -> Result<(), Failure> {
    let settings = Settings::load(settings_path)?;
    let profile = profile_of(&settings, arguments.profile.as_deref())?;
    let (id, destination) = (&profile.profile.id, destination_of(&settings, profile)?);
    if !arguments.watch {
        let states = destination.desk().lane_states(id).await?;
        return lines(&states, now_ms()).iter().try_for_each(|line| output.line(line));
    }
    let mut signals = Signals::listen()?;
    let repaints = std::io::stdout().is_terminal();
    loop {
        let states = tokio::select! {
            biased;
            _ = signals.next() => return Ok(()),
            states = destination.desk().lane_states(id) => states,
        };
        // Whoever watches an outage wants to see its end, too.
        let lines = match states {
            Ok(states) => lines(&states, now_ms()),
            Err(error) => vec![Failure::from(error).to_string()],
        };
        if repaints {
            output.writer().write_all(CLEAR.as_bytes())?;
        }
        lines.iter().try_for_each(|line| output.line(line))?;
        if !repaints {
            output.line("")?;
        }
        output.flush()?;
        tokio::select! {
            biased;
            _ = signals.next() => return Ok(()),
            () = sleep(LOOK_PERIOD) => {}
        }
    }
}

/// Both tables, and the reasons below.
fn lines(states: &[StoredLaneState], now_ms: i64) -> Vec<String> {
    if states.is_empty() {
        let line = "no process has said how its lanes are; `keepstep run` does";
        return vec![line.to_owned()];
    }
    let mut lines = entity::table(states, now_ms);
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines.extend(lane::table(states, now_ms));
    lines
}
