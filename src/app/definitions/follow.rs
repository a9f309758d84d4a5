//! Looks for newer definitions while a profile runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::book::{DefinitionBook, Difference};
use super::files::{self, Stamp};
use super::published::{MetadataTopic, Published};
use crate::app::settings::profile::ProfileSettings;
use crate::pipeline::Mappings;

/// How often files and topic are looked at.
const PERIOD: Duration = Duration::from_secs(5);

/// What following the definitions of one profile takes.
pub struct FollowParts {
    /// The profile.
    pub settings: ProfileSettings,
    /// What is known so far.
    pub book: DefinitionBook,
    /// The topic with definitions, read up to what `book` knows.
    pub topic: Option<MetadataTopic>,
    /// Where newer mappings go.
    pub newer: watch::Sender<Mappings>,
}

/// Follows until it is dropped.
pub async fn follow(mut parts: FollowParts) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stamp = look(&parts.settings).await;
    let mut quiet = false;
    loop {
        ticks.tick().await;
        let now = look(&parts.settings).await;
        let mut news = false;
        if now != stamp {
            stamp = now;
            news |= parts.read_files().await;
        }
        news |= parts.read_topic(&mut quiet).await;
        if news {
            parts.tell();
        }
    }
}

/// What the files look like; in a thread where waiting for a disk is allowed.
async fn look(settings: &ProfileSettings) -> Stamp {
    let paths = settings.definitions.clone();
    tokio::task::spawn_blocking(move || Stamp::of(&paths)).await.unwrap_or_default()
}

impl FollowParts {
    async fn read_files(&mut self) -> bool {
        let settings = self.settings.clone();
        let read = tokio::task::spawn_blocking(move || files::read(&settings)).await;
        match read {
            Ok(Ok(definitions)) => {
                self.book.put_files(definitions);
                true
            }
            Ok(Err(mistake)) => {
                tracing::warn!(
                    profile.id = %self.settings.profile.id, error = mistake.what, hint = mistake.hint,
                    "definition files cannot be read; the former definitions stay"
                );
                false
            }
            Err(_panicked) => false,
        }
    }

    /// `quiet` says that the topic could not be read the last time: told once.
    async fn read_topic(&mut self, quiet: &mut bool) -> bool {
        let Some(topic) = &mut self.topic else { return false };
        let id = &self.settings.profile.id;
        match topic.read_on().await {
            Ok(published) => {
                *quiet = false;
                take_published(&mut self.book, id.as_str(), published)
            }
            Err(error) => {
                if !*quiet {
                    tracing::warn!(profile.id = %id, %error, "definitions cannot be read now");
                }
                *quiet = true;
                false
            }
        }
    }

    fn tell(&mut self) {
        let (mappings, differences) = self.book.mappings(&self.settings.profile);
        for Difference { entity, added, changed, removed } in &differences {
            tracing::info!(
                profile.id = %self.settings.profile.id, entity = %entity,
                added = added.join(", "), changed = changed.join(", "),
                "an entity has a newer definition"
            );
            if !removed.is_empty() {
                tracing::warn!(
                    profile.id = %self.settings.profile.id, entity = %entity,
                    removed = removed.join(", "),
                    "attributes are gone from a definition; their columns stay as they are"
                );
            }
        }
        if !differences.is_empty() {
            self.newer.send_replace(Arc::from(mappings));
        }
    }
}

/// Puts into the book what was published; whether it says anything of entities.
pub fn take_published(book: &mut DefinitionBook, profile: &str, published: Vec<Published>) -> bool {
    let mut any = false;
    for record in published {
        match record {
            Published::Defined(definition) => {
                book.put_published(*definition);
                any = true;
            }
            Published::Gone(key) => tracing::warn!(
                profile.id = profile,
                key,
                "a definition was withdrawn; its entity is copied by the former one"
            ),
            Published::Unreadable(position, why) => tracing::warn!(
                profile.id = profile, position = %position, error = why,
                "a definition cannot be read and is passed over; publish it again"
            ),
        }
    }
    any
}
