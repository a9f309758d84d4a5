//! `keepstep resync --failed`: tries records again that could not be written.
//!
//! The failed-record list says which lanes are meant; the lanes themselves try what they hold, so a
//! list that is behind asks a lane too many or too few, and never changes a row.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::ResyncArguments;
use crate::app::cli::asked::{Question, all_done, destination_of, said};
use crate::app::cli::failed::{profile_of, reader};
use crate::app::cli::output::Output;
use crate::app::cli::text::counted;
use crate::app::failure::Failure;
use crate::app::settings::Settings;
use crate::destination::desk::LaneRequest;
use crate::failed::list::{Filter, Step};
use crate::failed::store::Reader;
use crate::model::position::TopicPartition;
use crate::model::profile::ProfileId;
use crate::model::record::{EntityName, RecordId};

/// Runs the command.
pub(super) async fn run(
    arguments: &ResyncArguments,
    settings_path: &Path,
    output: &mut Output,
) -> Result<(), Failure> {
    let settings = Settings::load(settings_path)?;
    let profile = profile_of(&settings, arguments.profile.as_deref())?;
    let id = &profile.profile.id;
    let meant = meant(&reader(&settings)?, id, arguments)?;
    if meant.records == 0 {
        return output.line("no such records on the list; nothing was asked");
    }
    output.line(&format!(
        "{} meant, in {}",
        counted(meant.records, "record"),
        counted(u64::try_from(meant.lanes.len()).unwrap_or(u64::MAX), "lane")
    ))?;
    let destination = destination_of(&settings, profile)?;
    let question = Question::new(id, meant.lanes, &body(arguments));
    if arguments.no_wait {
        question.put(destination.desk()).await?;
        return output.line("asked; `keepstep failed list` shows what is still open");
    }
    let Some(answers) = question.ask(destination.desk(), output).await? else {
        return Ok(());
    };
    output.line(&format!(
        "{} scheduled to be tried again; `keepstep failed list` shows what is still open",
        counted(scheduled(&answers), "record")
    ))?;
    all_done(&answers)
}

/// What the list has of the records that are wanted.
#[derive(Debug, Default)]
struct Meant {
    records: u64,
    lanes: BTreeSet<TopicPartition>,
}

fn meant(
    reader: &Reader,
    profile: &ProfileId,
    arguments: &ResyncArguments,
) -> Result<Meant, Failure> {
    let filter = Filter {
        entity: arguments.entity.as_deref().map(EntityName::new),
        cause: arguments.cause.clone(),
        ..Filter::default()
    };
    let mut meant = Meant::default();
    reader.entries(profile, &filter, None, |entry| {
        if arguments.record.is_none() || entry.head.record_id == arguments.record {
            let position = &entry.head.position;
            meant.records += 1;
            meant.lanes.insert(TopicPartition::new(&position.topic, position.partition.0));
        }
        Ok::<_, Failure>(Step::Next)
    })?;
    Ok(meant)
}

fn body(arguments: &ResyncArguments) -> Value {
    json!({
        "kind": "retry",
        "entity": arguments.entity,
        "cause": arguments.cause,
        "record_id": arguments.record.map(RecordId::canonical),
    })
}

/// How many records the lanes will try.
fn scheduled(answers: &[LaneRequest]) -> u64 {
    let records = |request| said(request, "records").and_then(|records| records.as_u64());
    answers.iter().filter_map(records).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_names_what_is_wanted_and_nothing_else() {
        let mut arguments =
            ResyncArguments { failed: true, profile: Some("crm".to_owned()), ..Default::default() };
        let all = json!({"kind": "retry", "entity": null, "cause": null, "record_id": null});
        assert_eq!(body(&arguments), all);
        arguments.entity = Some("account".to_owned());
        arguments.cause = Some("text_too_long".to_owned());
        // Lanes know ids in their canonical text.
        let upper = "0F8FAD5B-D9CB-469F-A165-70867728950E";
        arguments.record = Some(upper.parse().unwrap());
        let one = json!({
            "kind": "retry", "entity": "account", "cause": "text_too_long",
            "record_id": upper.to_lowercase(),
        });
        assert_eq!(body(&arguments), one);
    }
}
