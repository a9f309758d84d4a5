//! `keepstep resume`: lets entities go on that were paused because their rejections looked systemic.
//!
//! Asks every lane of the profile; a lane that has nothing paused says so.

use std::collections::BTreeSet;
use std::path::Path;

use clap::Args;
use serde_json::{Value, json};

use super::asked::{Question, all_done, destination_of, said};
use super::failed::profile_of;
use super::output::Output;
use super::text::counted;
use crate::app::connect::{LogRole, OpenLog, no_topic};
use crate::app::failure::Failure;
use crate::app::settings::Settings;
use crate::destination::desk::LaneRequest;
use crate::model::position::TopicPartition;

/// Let paused entities go on, without waiting for the next probe.
///
/// `keepstep status` shows what is paused, and why. Ctrl-C ends the wait, not the request.
#[derive(Debug, Args)]
pub(super) struct ResumeArguments {
    /// Id of the profile; may be left out if there is only one.
    #[arg(long, value_name = "ID")]
    profile: Option<String>,
    /// Only this entity.
    #[arg(long, value_name = "NAME")]
    entity: Option<String>,
}

/// Runs the command.
pub(super) async fn run(
    arguments: &ResumeArguments,
    settings_path: &Path,
    output: &mut Output,
) -> Result<(), Failure> {
    let settings = Settings::load(settings_path)?;
    let profile = profile_of(&settings, arguments.profile.as_deref())?;
    let entity = arguments.entity.as_deref();
    if let Some(name) = entity
        && !profile.profile.entities.iter().any(|known| known.name == name)
    {
        let what = format!("profile {} has no entity {name:?}", profile.profile.id);
        return Err(Failure::usage(what, "`keepstep status` names the paused ones"));
    }
    let log = OpenLog::open(&settings.log, LogRole::Appends).await?.log();
    let mut lanes = BTreeSet::new();
    for topic in profile.profile.topics() {
        let description = log.describe(&topic).await?.ok_or_else(|| no_topic(&topic))?;
        let partitions = 0..description.partitions;
        lanes.extend(partitions.map(|partition| TopicPartition::new(&topic, partition)));
    }
    let destination = destination_of(&settings, profile)?;
    let count = counted(u64::try_from(lanes.len()).unwrap_or(u64::MAX), "lane");
    let question = Question::new(&profile.profile.id, lanes, &body(entity));
    output.line(&format!("asking {count}"))?;
    let Some(answers) = question.ask(destination.desk(), output).await? else {
        return Ok(());
    };
    output.line(&format!("{} of {count} had something to resume", resumed(&answers)))?;
    all_done(&answers)
}

fn body(entity: Option<&str>) -> Value {
    json!({"kind": "resume", "entity": entity})
}

/// How many lanes had something to resume.
fn resumed(answers: &[LaneRequest]) -> usize {
    answers.iter().filter(|request| said(request, "resumed") == Some(Value::Bool(true))).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_names_the_entity_or_none() {
        assert_eq!(body(None), json!({"kind": "resume", "entity": null}));
        assert_eq!(body(Some("account")), json!({"kind": "resume", "entity": "account"}));
    }
}
