//! Definition files: found, read, and looked at again.
//!
//! Bounded in number and size. Must never follow anything but the paths of the settings.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::app::settings::mistake::Mistake;
use crate::app::settings::profile::ProfileSettings;
use crate::model::entity::EntityDefinition;
use crate::model::entity_json::{DefinitionReader, MAX_DOCUMENT_BYTES};

/// Most files with definitions of one profile.
const MOST_FILES: usize = 2_000;

/// What files look like from outside: whether they changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp(Vec<(PathBuf, u64, Option<SystemTime>)>);

impl Stamp {
    /// The files of a profile as they are now; without those that cannot be looked at.
    pub(super) fn of(paths: &[PathBuf]) -> Self {
        let files = files(paths).unwrap_or_default();
        let look = |path: PathBuf| {
            let metadata = fs::metadata(&path).ok()?;
            Some((path, metadata.len(), metadata.modified().ok()))
        };
        Self(files.into_iter().filter_map(look).collect())
    }
}

/// Reads the definitions that a profile's files hold.
///
/// # Errors
/// The first mistake in them.
pub(super) fn read(profile: &ProfileSettings) -> Result<Vec<EntityDefinition>, Mistake> {
    let place = format!("profile \"{}\", definitions", profile.profile.id);
    let mistake = |what: String, hint: &str| Mistake {
        line: None,
        place: place.clone(),
        what,
        hint: hint.to_owned(),
    };
    let files = files(&profile.definitions).map_err(|(what, hint)| mistake(what, hint))?;
    let mut reader = DefinitionReader::default();
    for file in &files {
        let read = read_bounded(file, MAX_DOCUMENT_BYTES)
            .and_then(|document| reader.add(&document).map_err(|error| error.to_string()));
        read.map_err(|what| {
            mistake(
                format!("{}: {what}", file.display()),
                "write it as the Dataverse Web API answers (EntityDefinitions), or as the files in \
                 definitions/ are",
            )
        })?;
    }
    let definitions = reader.finish();
    definitions
        .map_err(|error| mistake(error.to_string(), "add the file that defines its relationship"))
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

/// A file of at most so many bytes.
///
/// # Errors
/// Why it cannot be read.
pub(in crate::app) fn read_bounded(path: &Path, longest: usize) -> Result<Vec<u8>, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {}", error.kind());
    let length = fs::metadata(path).map_err(unreadable)?.len();
    if usize::try_from(length).map_or(true, |length| length > longest) {
        return Err(format!("has {length} bytes, the limit is {longest}"));
    }
    fs::read(path).map_err(unreadable)
}
