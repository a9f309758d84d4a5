//! `keepstep demo`: the whole way of two hundred thousand changes, on this machine, with no server.

use std::path::PathBuf;

use clap::Args;

use crate::app::demo::{self, DemoOptions};
use crate::app::failure::Failure;

/// Carry a believable CRM into a SQLite file, and check every cell of it.
///
/// Interrupt it at any time: the same command goes on.
#[derive(Debug, Args)]
pub(super) struct DemoArguments {
    /// Number of changes.
    #[arg(
        long, value_name = "N", default_value_t = DemoOptions::DEFAULT_CHANGES,
        value_parser = clap::value_parser!(u64).range(DemoOptions::CHANGES)
    )]
    changes: u64,
    /// Folder for log and database.
    #[arg(long, value_name = "FOLDER", default_value = "demo-data")]
    dir: PathBuf,
    /// Another seed makes another CRM.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Changes per second; as fast as it goes without it.
    #[arg(
        long, value_name = "N",
        value_parser = clap::value_parser!(u64).range(DemoOptions::RATE)
    )]
    rate: Option<u64>,
    /// Remove the demo that was begun in the folder, and start anew.
    #[arg(long)]
    fresh: bool,
}

/// Runs the command.
pub(super) async fn run(arguments: DemoArguments) -> Result<(), Failure> {
    let DemoArguments { changes, dir, seed, rate, fresh } = arguments;
    demo::run(DemoOptions { changes, folder: dir, seed, rate, fresh }).await
}
