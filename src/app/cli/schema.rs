//! `keepstep schema`: prints all DDL, for database owners who grant no right to create.

use std::path::Path;

use clap::Args;

use super::load_whole;
use super::output::Output;
use crate::app::connect::{self, ddl};
use crate::app::contents::Contents;
use crate::app::failure::Failure;
use crate::app::settings::Settings;
use crate::app::settings::destination::DestinationSettings;
use crate::destination::{ActivatedEntity, Activation};
use crate::model::profile::Profile;
use crate::model::record::EntityName;

/// Print all DDL that a destination needs, to be run by its owner.
///
/// Every statement ends with a semicolon. It does not ask the database, and the log only for a
/// topic with definitions.
#[derive(Debug, Args)]
pub(super) struct SchemaArguments {
    /// Name of the destination in the settings; may be left out if there is only one.
    destination: Option<String>,

    /// Print instead what takes away everything that its profiles made, a script for each: for a
    /// person to read and to run while no keepstep does.
    #[arg(long)]
    clean_up: bool,

    /// With --clean-up: of this entity alone, so that it can be added anew.
    #[arg(long, value_name = "NAME", requires = "clean_up")]
    entity: Option<String>,
}

/// Runs the command.
pub(super) async fn run(
    arguments: SchemaArguments,
    settings_path: &Path,
    output: &mut Output,
) -> Result<(), Failure> {
    let (settings, mut contents) = load_whole(settings_path).await?;
    let name = choose(&settings, arguments.destination)?;
    let Some(destination) = settings.destinations.get(&name) else {
        return Err(unknown(&settings, &name));
    };
    if arguments.clean_up {
        let entity = arguments.entity.as_deref().map(EntityName::new);
        return clean_up(&settings, &name, destination, entity.as_ref(), output);
    }
    let entities = entities(&settings, &mut contents, &name);
    let Some(first) = settings.profiles.iter().find(|profile| profile.destination == name) else {
        let hint = "name it in a [[profile]]";
        return Err(Failure::usage(format!("no profile writes to {name}"), hint));
    };
    // Profiles share the own tables, so one activation of all entities makes everything once.
    let activation = Activation {
        profile: first.profile.id.clone(),
        entities,
        starts: Vec::new(),
        layout: first.profile.layout.clone(),
        existing: first.profile.existing,
    };
    output.line(&format!("-- keepstep {}: {name}", env!("CARGO_PKG_VERSION")))?;
    for statement in ddl(destination, &activation) {
        output.line(&format!("{};", statement.trim_end().trim_end_matches(';')))?;
    }
    Ok(())
}

/// Prints the scripts that take away what profiles made.
fn clean_up(
    settings: &Settings,
    name: &str,
    destination: &DestinationSettings,
    entity: Option<&EntityName>,
    output: &mut Output,
) -> Result<(), Failure> {
    let has = |profile: &Profile| match entity {
        Some(entity) => profile.entities.iter().any(|one| one.name == entity.as_str()),
        None => true,
    };
    let there = settings.profiles.iter().filter(|profile| profile.destination == name);
    let mut wanted =
        there.map(|profile| &profile.profile).filter(|profile| has(profile)).peekable();
    if wanted.peek().is_none() {
        let hint = "scripts are made for profiles and entities of the settings: put it back there";
        return Err(Failure::usage(format!("no profile writes that to {name}"), hint));
    }
    for profile in wanted {
        let what = entity.map_or_else(String::new, |entity| format!(", entity {entity}"));
        output.line(&format!("-- What profile {}{what} made in {name}.", profile.id))?;
        output.line("-- Stop keepstep before you run it. It cannot be undone.")?;
        for statement in connect::clean_up(destination, &profile.id, &profile.layout, entity) {
            output.line(&format!("{statement};"))?;
        }
        output.line("")?;
    }
    Ok(())
}

fn choose(settings: &Settings, name: Option<String>) -> Result<String, Failure> {
    if let Some(name) = name {
        return Ok(name);
    }
    let mut names = settings.destinations.keys();
    match (names.next(), names.next()) {
        (Some(only), None) => Ok(only.clone()),
        _ => Err(Failure::usage("which destination?", known(settings))),
    }
}

fn unknown(settings: &Settings, name: &str) -> Failure {
    Failure::usage(format!("there is no destination {name}"), known(settings))
}

fn known(settings: &Settings) -> String {
    let names: Vec<&str> = settings.destinations.keys().map(String::as_str).collect();
    match names.as_slice() {
        [] => "write a table [destination.NAME] in the settings".to_owned(),
        names => format!("the settings have {}", names.join(", ")),
    }
}

/// Every entity of every profile that writes there.
fn entities(settings: &Settings, contents: &mut Contents, name: &str) -> Vec<ActivatedEntity> {
    let mut entities = Vec::new();
    for (at, profile) in settings.profiles.iter().enumerate() {
        if profile.destination != name {
            continue;
        }
        let mappings = contents.mappings(at, &profile.profile);
        let with_topics = profile.profile.entities.iter().zip(mappings);
        entities.extend(with_topics.map(|(entity, mapping)| ActivatedEntity {
            mapping,
            topic: entity.topic.clone(),
            partitions: 0,
        }));
    }
    entities
}
