//! What the settings name: entity definitions and schemas.
//!
//! Files are read once, at the start, with every mistake reported together; topics with definitions
//! after that, when the log is open. Bounded in number and size.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::connect::OpenLog;
use super::definitions::{
    self, DefinitionBook, MetadataTopic, missing, read_bounded, take_published,
};
use super::failure::Failure;
use super::settings::Settings;
use super::settings::mistake::{Mistake, Mistakes};
use crate::codec::{Contract, DecoderSettings, Relationships, SchemaId};
use crate::model::mapping::Mapping;
use crate::model::profile::Profile;

/// Largest schema, in bytes.
const LARGEST_SCHEMA: usize = 1024 * 1024;

/// What is known of each profile's entities, and how notifications are decoded.
#[derive(Clone, Debug)]
pub struct Contents {
    /// How notifications are decoded.
    pub decoder: Arc<DecoderSettings>,
    /// The definitions of each profile, in the order of the settings.
    pub books: Vec<DefinitionBook>,
}

impl Contents {
    /// Reads the files that the settings at `path` name.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn load(settings: &Settings, path: &Path) -> Result<Self, Mistakes> {
        let mut mistakes = Vec::new();
        let mut books = Vec::new();
        for profile in &settings.profiles {
            let mut book = DefinitionBook::default();
            match definitions::read_files(profile) {
                Ok(found) => {
                    book.put_files(found);
                    // What a topic defines is not known before it is read.
                    if profile.metadata_topic.is_none() {
                        mistakes.extend(missing(&book, &profile.profile));
                    }
                }
                Err(mistake) => mistakes.push(mistake),
            }
            books.push(book);
        }
        let decoder = DecoderSettings {
            max_payload_bytes: settings.notifications.max_bytes,
            schemas: read_schemas(&settings.notifications.schemas, &mut mistakes),
            relationships: relationships(&books),
            post_image_alias: settings.notifications.post_image_alias.clone(),
            pre_image_alias: settings.notifications.pre_image_alias.clone(),
        };
        if mistakes.is_empty() {
            Ok(Self { decoder: Arc::new(decoder), books })
        } else {
            Err(Mistakes::new(path.to_owned(), mistakes))
        }
    }

    /// Reads the topics with definitions that profiles name, each to its end; answers with one per
    /// profile, where it has one, to be read on from there.
    ///
    /// # Errors
    /// If one cannot be read, or an entity has no definition then.
    pub async fn complete(
        &mut self,
        settings: &Settings,
        log: &OpenLog,
    ) -> Result<Vec<Option<MetadataTopic>>, Failure> {
        let mut topics = Vec::new();
        for (profile, book) in settings.profiles.iter().zip(&mut self.books) {
            let Some(name) = &profile.metadata_topic else {
                topics.push(None);
                continue;
            };
            log.ensure_metadata_topic(name).await?;
            let mut topic = MetadataTopic::new(log.log(), name.clone());
            loop {
                let published = topic.read_on().await?;
                if published.is_empty() {
                    break;
                }
                take_published(book, profile.profile.id.as_str(), published);
            }
            if let Some(mistake) = missing(book, &profile.profile).into_iter().next() {
                let hint = format!(
                    "publish its definition on topic {name} (`keepstep define`), or {}",
                    mistake.hint
                );
                return Err(Failure::new(format!("{}: {}", mistake.place, mistake.what), hint));
            }
            topics.push(Some(topic));
        }
        let mut decoder = DecoderSettings::clone(&self.decoder);
        decoder.relationships = relationships(&self.books);
        self.decoder = Arc::new(decoder);
        Ok(topics)
    }

    /// How the changes of a profile fit its tables, one mapping per entity; `at` is the profile's
    /// place in the settings.
    pub fn mappings(&mut self, at: usize, profile: &Profile) -> Vec<Arc<Mapping>> {
        self.books.get_mut(at).map(|book| book.mappings(profile).0).unwrap_or_default()
    }
}

fn relationships(books: &[DefinitionBook]) -> Relationships {
    let definitions: Vec<_> = books.iter().flat_map(DefinitionBook::definitions).cloned().collect();
    Relationships::of(&definitions)
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
