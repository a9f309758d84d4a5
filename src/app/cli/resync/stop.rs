//! `keepstep resync --stop`: ends replays before their end.

use std::path::Path;

use serde_json::Value;
use uuid::Uuid;

use super::ResyncArguments;
use crate::app::cli::asked::{Question, destination_of};
use crate::app::cli::failed::profile_of;
use crate::app::cli::output::Output;
use crate::app::cli::text::counted;
use crate::app::failure::Failure;
use crate::app::settings::Settings;
use crate::destination::desk::{Desk, LaneRequest, RequestState, WhichRequests};

/// Runs the command.
pub(super) async fn run(
    arguments: &ResyncArguments,
    settings_path: &Path,
    output: &mut Output,
) -> Result<(), Failure> {
    let settings = Settings::load(settings_path)?;
    let profile = profile_of(&settings, arguments.profile.as_deref())?;
    let (id, destination) = (&profile.profile.id, destination_of(&settings, profile)?);
    let desk = destination.desk();
    let replays = desk.requests(id, WhichRequests::Unfinished).await?.into_iter().filter(is_replay);
    let replays: Vec<LaneRequest> = replays.collect();
    if replays.is_empty() {
        return output.line("no replay runs; nothing was asked");
    }
    for request in &replays {
        ask_to_stop(desk, request).await?;
    }
    let lanes = counted(u64::try_from(replays.len()).unwrap_or(u64::MAX), "lane");
    if arguments.no_wait {
        return output.line(&format!("asked {lanes} to stop"));
    }
    let mut ids: Vec<Uuid> = replays.iter().map(|request| request.id).collect();
    ids.sort();
    ids.dedup();
    for one in ids {
        let requests = replays.iter().filter(|request| request.id == one).cloned().collect();
        if Question::asked_before(one, id, requests).answers(desk, output).await?.is_none() {
            return Ok(());
        }
    }
    output.line(&format!(
        "no replay runs any more in {lanes}; what has no versions was read to its end"
    ))
}

fn is_replay(request: &LaneRequest) -> bool {
    let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
    body.get("kind").is_some_and(|kind| kind == "replay")
}

/// One that nobody has begun is over at once; a lane is told of one that it runs.
async fn ask_to_stop(desk: &dyn Desk, request: &LaneRequest) -> Result<(), Failure> {
    let (name, progress) = ((request.id, &request.lane), request.progress.as_str());
    let never = (RequestState::Asked, RequestState::Stopped);
    let running = (RequestState::Running, RequestState::StopAsked);
    // It may have begun in between.
    if !desk.move_request(name, never.0, never.1, progress).await? {
        desk.move_request(name, running.0, running.1, progress).await?;
    }
    Ok(())
}
