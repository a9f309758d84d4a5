//! `keepstep define`: publishes entity definitions on a profile's topic for them.

use std::path::{Path, PathBuf};

use clap::Args;

use super::output::Output;
use super::text::counted;
use crate::app::connect::{LogRole, OpenLog};
use crate::app::definitions::read_bounded;
use crate::app::failure::Failure;
use crate::app::settings::Settings;
use crate::codec::encode_entity_metadata;
use crate::log::NewRecord;
use crate::model::entity_json::{DefinitionReader, MAX_DOCUMENT_BYTES};
use crate::model::position::Topic;

/// Publish entity definitions on a profile's metadata_topic.
///
/// Profiles that follow the topic add columns for what is new, while they run.
#[derive(Debug, Args)]
pub(super) struct DefineArguments {
    /// JSON files, as the Dataverse Web API answers or as the files in definitions/ are.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The profile; may be left out if only one has a metadata_topic.
    #[arg(long, value_name = "ID")]
    profile: Option<String>,
}

/// Runs the command.
pub(super) async fn run(
    arguments: DefineArguments,
    settings_path: &Path,
    output: &mut Output,
) -> Result<(), Failure> {
    let settings = Settings::load(settings_path)?;
    let topic = topic(&settings, arguments.profile.as_deref())?;
    let mut reader = DefinitionReader::default();
    for file in &arguments.files {
        let read = read_bounded(file, MAX_DOCUMENT_BYTES)
            .and_then(|document| reader.add(&document).map_err(|error| error.to_string()));
        read.map_err(|what| {
            let hint = "nothing was published; correct the file and run it again";
            Failure::usage(format!("{}: {what}", file.display()), hint)
        })?;
    }
    let definitions = reader.finish().map_err(|error| {
        Failure::usage(error.to_string(), "name the file that defines its relationship, too")
    })?;
    let log = OpenLog::open(&settings.log, LogRole::Appends).await?;
    log.ensure_metadata_topic(&topic).await?;
    let record = |definition| NewRecord {
        key: Some(Vec::from(name(definition).as_bytes()).into()),
        payload: Some(encode_entity_metadata(definition).into()),
        ..NewRecord::default()
    };
    log.log().append(&topic, definitions.iter().map(record).collect()).await?;
    for definition in &definitions {
        let attributes = u64::try_from(definition.attributes.len()).unwrap_or(u64::MAX);
        output.line(&format!("{}, {}", name(definition), counted(attributes, "attribute")))?;
    }
    let published = u64::try_from(definitions.len()).unwrap_or(u64::MAX);
    output.line(&format!("published {} on {topic}", counted(published, "definition")))
}

fn name(definition: &crate::model::entity::EntityDefinition) -> &str {
    definition.name.as_str()
}

fn topic(settings: &Settings, profile: Option<&str>) -> Result<Topic, Failure> {
    let named = settings
        .profiles
        .iter()
        .filter(|it| profile.is_none_or(|wanted| it.profile.id.as_str() == wanted));
    let mut topics: Vec<&Topic> = named.filter_map(|it| it.metadata_topic.as_ref()).collect();
    topics.dedup();
    match topics.as_slice() {
        [topic] => Ok((*topic).clone()),
        [] => Err(Failure::usage(
            "no profile has a topic for definitions",
            "write metadata_topic = \"NAME\" in its [[profile]]",
        )),
        _ => Err(Failure::usage("which profile?", "name one with --profile ID")),
    }
}
