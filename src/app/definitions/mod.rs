//! Where entity definitions come from, and how newer ones reach profiles that run.
//!
//! Files that the settings name, and a compacted topic with one record per entity. Both are read
//! before anything is copied, and looked at again every few seconds. What cannot be read is said
//! in the log with its place, once, and what was known before stays.

mod book;
mod files;
mod follow;
mod published;

pub use book::{DefinitionBook, Difference};
pub(super) use files::read_bounded;
pub use follow::{FollowParts, follow, take_published};
pub use published::{MetadataTopic, Published};

use super::settings::mistake::Mistake;
use super::settings::profile::ProfileSettings;
use crate::model::entity::EntityDefinition;
use crate::model::profile::Profile;

/// Reads the definitions that a profile's files hold.
///
/// # Errors
/// The first mistake in them.
pub fn read_files(profile: &ProfileSettings) -> Result<Vec<EntityDefinition>, Mistake> {
    if profile.definitions.is_empty() {
        return Ok(Vec::new());
    }
    files::read(profile)
}

/// The entities of a profile that nothing defines, each as a mistake of its settings.
pub fn missing(book: &DefinitionBook, profile: &Profile) -> Vec<Mistake> {
    let known: Vec<&str> = book.definitions().map(|it| it.name.as_str()).take(20).collect();
    let mistake = |name: crate::model::record::EntityName| Mistake {
        line: None,
        place: format!("profile \"{}\", entities", profile.id),
        what: format!("{name} has no definition"),
        hint: match known.as_slice() {
            [] => "add its JSON file to definitions".to_owned(),
            known => format!(
                "add its JSON file to definitions; those that are there define {}",
                known.join(", ")
            ),
        },
    };
    book.missing(profile).into_iter().map(mistake).collect()
}
