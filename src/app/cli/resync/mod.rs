//! `keepstep resync`: writes records again on purpose.
//!
//! Three ways: what is held is tried again (`--failed`), what the log holds is written again
//! (`--from`), and such a replay is stopped (`--stop`). Lanes do the work, whichever process owns
//! them; the command asks at the destination's desk and shows how they come along.

mod failed;
mod replay;
mod stop;

use std::path::Path;

use clap::{ArgGroup, Args};

use self::replay::From;
use super::output::Output;
use crate::app::failure::Failure;
use crate::model::record::RecordId;

/// Write records again: those that failed, or all that the log holds.
///
/// --failed tries the records of the failed-record list again: all held changes of a record in
/// order, or none. Correct the cause first (`keepstep failed summary` says how). --from writes again
/// what the log holds from there on; live changes of the same topics wait until it has caught up.
/// Ctrl-C ends the wait, not the request.
#[derive(Debug, Default, Args)]
#[command(group(ArgGroup::new("what").required(true)))]
pub(super) struct ResyncArguments {
    /// Only records of the failed-record list.
    #[arg(long, group = "what")]
    failed: bool,
    /// Everything from there on: `start`, an offset, or a time like 2026-01-31T09:00:00Z.
    #[arg(long, group = "what", value_name = "WHERE")]
    from: Option<From>,
    /// Stop the replays that run. Entities without versions run to their end.
    #[arg(long, group = "what")]
    stop: bool,
    /// Id of the profile; may be left out if there is only one.
    #[arg(long, value_name = "ID")]
    profile: Option<String>,
    /// Only records of this entity.
    #[arg(long, value_name = "NAME", conflicts_with = "stop")]
    entity: Option<String>,
    /// Only records with this cause (docs/failures.md lists them).
    #[arg(long, value_name = "CODE", conflicts_with_all = ["from", "stop"])]
    cause: Option<String>,
    /// Only the record with this id.
    #[arg(long, value_name = "GUID", conflicts_with_all = ["from", "stop"])]
    record: Option<RecordId>,
    /// Only this partition of the topics.
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["failed", "stop"])]
    partition: Option<u32>,
    /// Replay entities without versions, too: their rows pass through older values on the way.
    #[arg(long, conflicts_with_all = ["failed", "stop"])]
    yes: bool,
    /// Ask, and do not wait for the answer.
    #[arg(long)]
    no_wait: bool,
}

/// Runs the command.
pub(super) async fn run(
    arguments: &ResyncArguments,
    settings_path: &Path,
    output: &mut Output,
) -> Result<(), Failure> {
    match arguments.from {
        _ if arguments.stop => stop::run(arguments, settings_path, output).await,
        Some(from) => replay::run(arguments, from, settings_path, output).await,
        None => failed::run(arguments, settings_path, output).await,
    }
}
