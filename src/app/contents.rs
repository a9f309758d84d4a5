//! The files that the settings name: entity definitions and schemas.
//!
//! Read once, at the start, with every mistake reported together. Bounded in number and size.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::settings::Settings;
use super::settings::mistake::{Mistake, Mistakes};
use super::settings::profile::ProfileSettings;
use crate::codec::{Contract, DecoderSettings, Relationships, SchemaId};
use crate::model::entity::EntityDefinition;
use crate::model::entity_json::{DefinitionReader, MAX_DOCUMENT_BYTES};
use crate::model::mapping::Mapping;
use crate::model::profile::Profile;
use crate::model::table::Table;

/// Most files with definitions of one profile.
const MOST_FILES: usize = 2_000;
/// Largest schema, in bytes.
const LARGEST_SCHEMA: usize = 1024 * 1024;

/// What stands in the files.
#[derive(Clone, Debug)]
pub struct Contents {
    /// How notifications are decoded.
    pub decoder: Arc<DecoderSettings>,
    /// How the changes of each profile fit their tables, in the order of the settings; one mapping
    /// per entity of the profile.
    pub mappings: Vec<Vec<Arc<Mapping>>>,
}

impl Contents {
    /// Reads the files that the settings at `path` name.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn load(settings: &Settings, path: &Path) -> Result<Self, Mistakes> {
        let mut mistakes = Vec::new();
        let mut definitions: Vec<EntityDefinition> = Vec::new();
        let mut mappings = Vec::new();
        for profile in &settings.profiles {
            let found = read_definitions(profile, &mut mistakes);
            mappings.push(map(&profile.profile, &found, &mut mistakes));
            definitions.extend(found);
        }
        let decoder = DecoderSettings {
            max_payload_bytes: settings.notifications.max_bytes,
            schemas: read_schemas(&settings.notifications.schemas, &mut mistakes),
            relationships: Relationships::of(&definitions),
            post_image_alias: settings.notifications.post_image_alias.clone(),
            pre_image_alias: settings.notifications.pre_image_alias.clone(),
        };
        if mistakes.is_empty() {
            Ok(Self { decoder: Arc::new(decoder), mappings })
        } else {
            Err(Mistakes::new(path.to_owned(), mistakes))
        }
    }
}

fn read_definitions(
    profile: &ProfileSettings,
    mistakes: &mut Vec<Mistake>,
) -> Vec<EntityDefinition> {
    let place = format!("profile \"{}\", definitions", profile.profile.id);
    let mut note = |what: String, hint: &str| {
        mistakes.push(Mistake { line: None, place: place.clone(), what, hint: hint.to_owned() });
    };
    let files = match files(&profile.definitions) {
        Ok(files) => files,
        Err((what, hint)) => {
            note(what, hint);
            return Vec::new();
        }
    };
    let mut reader = DefinitionReader::default();
    for file in &files {
        let read = read_bounded(file, MAX_DOCUMENT_BYTES)
            .and_then(|document| reader.add(&document).map_err(|error| error.to_string()));
        if let Err(what) = read {
            note(
                format!("{}: {what}", file.display()),
                "write it as the Dataverse Web API answers (EntityDefinitions), or as the files in \
                 definitions/ are",
            );
            // A reader that met an error is of no more use; what came before still is.
            return Vec::new();
        }
    }
    match reader.finish() {
        Ok(definitions) => definitions,
        Err(error) => {
            note(error.to_string(), "add the file that defines its relationship");
            Vec::new()
        }
    }
}

/// The files that are named, and the `.json` files of the folders that are named, sorted.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, (String, &'static str)> {
    let unreadable = |path: &Path, error: std::io::Error| {
        let what = format!("{} cannot be read: {}", path.display(), error.kind());
        (what, "name a file or a folder that is there; relative paths begin at the settings file")
    };
    let mut files = Vec::new();
    for path in paths {
        if !fs::metadata(path).map_err(|error| unreadable(path, error))?.is_dir() {
            files.push(path.clone());
            continue;
        }
        let mut found = Vec::new();
        for entry in fs::read_dir(path).map_err(|error| unreadable(path, error))? {
            let file = entry.map_err(|error| unreadable(path, error))?.path();
            if file.extension().is_some_and(|extension| extension == "json") {
                found.push(file);
            }
            if found.len() > MOST_FILES {
                let what = format!("{} has more than {MOST_FILES} files", path.display());
                return Err((what, "name the files that are needed one by one"));
            }
        }
        if found.is_empty() {
            let what = format!("{} has no .json file", path.display());
            return Err((what, "put one JSON file per entity into it"));
        }
        found.sort();
        files.append(&mut found);
    }
    Ok(files)
}

fn read_bounded(path: &Path, longest: usize) -> Result<Vec<u8>, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {}", error.kind());
    let length = fs::metadata(path).map_err(unreadable)?.len();
    if usize::try_from(length).map_or(true, |length| length > longest) {
        return Err(format!("has {length} bytes, the limit is {longest}"));
    }
    fs::read(path).map_err(unreadable)
}

/// One mapping per entity of the profile, in its order.
fn map(
    profile: &Profile,
    definitions: &[EntityDefinition],
    mistakes: &mut Vec<Mistake>,
) -> Vec<Arc<Mapping>> {
    let known: BTreeMap<&str, &EntityDefinition> =
        definitions.iter().map(|definition| (definition.name.as_str(), definition)).collect();
    let mut mappings = Vec::new();
    for entity in &profile.entities {
        let Some(definition) = known.get(entity.name.as_str()) else {
            // Without any definition the reason was noted already.
            if !known.is_empty() {
                let names: Vec<&str> = known.keys().copied().take(20).collect();
                mistakes.push(Mistake {
                    line: None,
                    place: format!("profile \"{}\", entities", profile.id),
                    what: format!("{} has no definition", entity.name),
                    hint: format!(
                        "add its JSON file to definitions; those that are there define {}",
                        names.join(", ")
                    ),
                });
            }
            continue;
        };
        let layout = &profile.layout;
        let mut table = Table::of(definition, &layout.schema, layout.prefix.as_deref());
        table.deletes = profile.deletes();
        let mapping = Mapping::new(definition, table, entity.versioned, profile.unknown_attributes);
        mappings.push(Arc::new(mapping));
    }
    mappings
}

fn read_schemas(
    schemas: &[(SchemaId, PathBuf)],
    mistakes: &mut Vec<Mistake>,
) -> HashMap<SchemaId, Contract> {
    let mut known = HashMap::new();
    for (id, path) in schemas {
        let contract = read_bounded(path, LARGEST_SCHEMA).and_then(|bytes| {
            let text = String::from_utf8(bytes).map_err(|_| "is no text".to_owned())?;
            Contract::recognise(&text).map_err(|error| error.to_string())
        });
        match contract {
            Ok(contract) => {
                known.insert(*id, contract);
            }
            Err(what) => mistakes.push(Mistake {
                line: None,
                place: format!("notifications.schemas, {id}"),
                what: format!("{}: {what}", path.display()),
                hint: "name a file with the schema's text as the registry returns it".to_owned(),
            }),
        }
    }
    known
}
