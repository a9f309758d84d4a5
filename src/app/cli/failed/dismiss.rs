//! `keepstep failed dismiss`: gives up what cannot be written, on purpose and with a reason.
//!
//! Leaves a request per held change on the destination's desk; the process that owns the change's
//! partition does it, in its own order with the rows.

use clap::{ArgGroup, Args};
use serde_json::json;
use uuid::Uuid;

use super::{profile_of, reader};
use crate::app::cli::output::Output;
use crate::app::cli::text::counted;
use crate::app::connect::open_destination;
use crate::app::failure::Failure;
use crate::app::settings::Settings;
use crate::destination::desk::{LaneRequest, RequestState};
use crate::failed::change::ChangeKey;
use crate::model::checkpoint::LaneId;
use crate::model::position::{Offset, Partition, Position, Topic, TopicPartition};
use crate::model::profile::ProfileId;
use crate::model::record::{EntityName, RecordId};

/// Longest reason, in characters.
const LONGEST_REASON: usize = 500;

/// Give up what is held of one record: it is not written, and leaves the list.
///
/// The row stays as it is. A later change of the record is written again as usual.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["record", "key"])))]
pub(in crate::app::cli) struct DismissArguments {
    /// Id of the profile; may be left out if there is only one.
    #[arg(long, value_name = "ID")]
    profile: Option<String>,
    /// The record's entity; leave it out if the list shows none.
    #[arg(long, value_name = "NAME", requires = "record")]
    entity: Option<String>,
    /// The record's id.
    #[arg(long, value_name = "GUID")]
    record: Option<RecordId>,
    /// The entry's key (`failed list --format json` shows it), where no record is known.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Why, for those who read it later. Write no record content here: it is stored.
    #[arg(long, value_name = "TEXT", value_parser = parse_reason)]
    reason: String,
}

fn parse_reason(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    if text.trim().is_empty() || length > LONGEST_REASON {
        return Err(format!("write 1 to {LONGEST_REASON} characters"));
    }
    Ok(text.to_owned())
}

/// Runs the command.
pub(super) async fn run(
    arguments: &DismissArguments,
    settings: &Settings,
    output: &mut Output,
) -> Result<(), Failure> {
    let profile = profile_of(settings, arguments.profile.as_deref())?;
    let id = &profile.profile.id;
    let wanted = wanted(arguments)?;
    let open = reader(settings)?.open_changes(id, &wanted)?;
    let meant: Vec<ChangeKey> = open
        .into_iter()
        .filter(|key| wanted.record_id.is_some() || key.position == wanted.position)
        .collect();
    if meant.is_empty() {
        let hint = "`keepstep failed list` shows what is open; entity and id must be those of the \
                    list";
        return Err(Failure::new("there is no such open entry on the list", hint));
    }
    let Some(destination) = settings.destinations.get(&profile.destination) else {
        let what = format!("there is no destination {}", profile.destination);
        return Err(Failure::usage(what, "correct the profile's destination"));
    };
    let requests: Vec<LaneRequest> =
        meant.iter().map(|key| request(id, key, &arguments.reason)).collect();
    open_destination(destination)?.desk().put_requests(id, &requests).await?;
    let count = counted(u64::try_from(requests.len()).unwrap_or(u64::MAX), "change");
    output.line(&format!(
        "asked to dismiss {count}; the process that owns the partition does it, and the list shows \
         it as dismissed then"
    ))
}

fn wanted(arguments: &DismissArguments) -> Result<ChangeKey, Failure> {
    if let Some(text) = &arguments.key {
        return ChangeKey::parse(text).ok_or_else(|| {
            let hint = "copy it from `keepstep failed list --format json`";
            Failure::usage(format!("{text:?} is no key"), hint)
        });
    }
    let nowhere = Position { topic: Topic::new(""), partition: Partition(0), offset: Offset(0) };
    let entity = arguments.entity.as_deref().map(EntityName::new);
    Ok(ChangeKey { entity, record_id: arguments.record, position: nowhere })
}

fn request(profile: &ProfileId, key: &ChangeKey, reason: &str) -> LaneRequest {
    let position = &key.position;
    let body = json!({
        "kind": "dismiss",
        "entity": key.entity.as_ref().map(EntityName::as_str),
        "record_id": key.record_id.map(RecordId::canonical),
        "offset": position.offset.0,
        "reason": reason,
    });
    LaneRequest {
        id: Uuid::new_v4(),
        lane: LaneId {
            profile: profile.clone(),
            topic_partition: TopicPartition {
                topic: position.topic.clone(),
                partition: position.partition,
            },
        },
        body: body.to_string(),
        state: RequestState::Asked,
        progress: String::new(),
        asked_at_us: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_goes_to_the_lane_of_the_position() {
        let key = ChangeKey::parse("account/0f8fad5b-d9cb-469f-a165-70867728950e/t/3@7").unwrap();
        let request = request(&ProfileId::new("crm").unwrap(), &key, "is gone \"there\"");
        assert_eq!(request.lane.to_string(), "crm:t/3");
        let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
        let expected = json!({
            "kind": "dismiss", "entity": "account", "offset": 7, "reason": "is gone \"there\"",
            "record_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn a_reason_has_a_limit() {
        assert!(parse_reason("x").is_ok() && parse_reason(&"ü".repeat(LONGEST_REASON)).is_ok());
        assert!(parse_reason(" ").is_err() && parse_reason(&"x".repeat(501)).is_err());
    }
}
