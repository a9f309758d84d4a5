//! `keepstep failed rebuild`: makes the list equal to what the destination holds.

use clap::Args;

use super::profile_of;
use crate::app::cli::output::Output;
use crate::app::cli::text::counted;
use crate::app::connect::{LogRole, OpenLog, now_ms, open_destination};
use crate::app::failure::Failure;
use crate::app::settings::Settings;
use crate::failed::rebuild::rebuild;
use crate::failed::store::Store;
use crate::model::checkpoint::LaneId;
use crate::model::position::TopicPartition;

/// Make the list equal to what the destination holds.
///
/// For a list that was lost, or after a destination was restored. May run beside `keepstep run`. The
/// history stays; an entry that the destination holds no more ends as `not_held`.
#[derive(Debug, Args)]
pub(in crate::app::cli) struct RebuildArguments {
    /// Id of the profile; may be left out if there is only one.
    #[arg(long, value_name = "ID")]
    profile: Option<String>,
}

/// Runs the command.
pub(super) async fn run(
    arguments: &RebuildArguments,
    settings: &Settings,
    output: &mut Output,
) -> Result<(), Failure> {
    let profile = profile_of(settings, arguments.profile.as_deref())?;
    let id = &profile.profile.id;
    let Some(destination) = settings.destinations.get(&profile.destination) else {
        let what = format!("there is no destination {}", profile.destination);
        return Err(Failure::usage(what, "correct the profile's destination"));
    };
    let destination = open_destination(destination)?;
    let log = OpenLog::open(&settings.log, LogRole::Appends).await?.log();
    let mut lanes = Vec::new();
    for topic in profile.profile.topics() {
        // Without its topic the lanes are not known, and their entries would be closed.
        let Some(description) = log.describe(&topic).await? else {
            let hint = "correct the profile, or run it once";
            return Err(Failure::new(format!("there is no topic {topic}"), hint));
        };
        lanes.extend((0..description.partitions).map(|partition| LaneId {
            profile: id.clone(),
            topic_partition: TopicPartition::new(&topic, partition),
        }));
    }
    let path = settings.failed_list.path.clone();
    let store = Store::open(&path)?;
    let now_us = now_ms().saturating_mul(1_000);
    let rebuilt = rebuild(store, &destination, id, &lanes, now_us).await?;
    output.line(&format!(
        "{} held in {}, {} of the list ended",
        counted(rebuilt.open, "change"),
        counted(u64::try_from(lanes.len()).unwrap_or(u64::MAX), "lane"),
        counted(rebuilt.closed, "change")
    ))
}
