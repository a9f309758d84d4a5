//! An export profile: what one administrator wants copied where.
//!
//! Made only by `app::settings`, which checks every field; names, defaults and ranges follow the
//! old service where it had them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use compact_str::CompactString;

use super::batcher::BatchLimits;
use super::layout::{DELETE_LOG, Deletes, Existing, Layout, Widen};
use super::mapping::UnknownAttribute;
use super::position::Topic;
use super::record::EntityName;

/// Id of a profile: lower-case letters, digits and hyphens. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProfileId(Arc<str>);

impl ProfileId {
    /// Longest id, in characters; part of topic and group names.
    pub const MAX_LENGTH: usize = 64;

    /// A checked id; `None` if it is empty, too long, or has other characters.
    pub fn new(id: &str) -> Option<Self> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let valid = !id.is_empty() && id.len() <= Self::MAX_LENGTH && id.bytes().all(fits);
        valid.then(|| Self(Arc::from(id)))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Name of the profile's consumer group.
    pub fn group_id(&self) -> String {
        format!("keepstep.{}", self.0)
    }

    /// The profile's dead-letter topic.
    pub fn failed_topic(&self) -> Topic {
        Topic::new(&format!("keepstep.{}.failed", self.0))
    }

    /// Name of the consumer group that makes the failed-record list of that topic.
    pub fn failed_list_group_id(&self) -> String {
        format!("keepstep.{}.failed-list", self.0)
    }
}

impl fmt::Display for ProfileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a lane without a checkpoint starts when an entity is activated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Start {
    /// The oldest record that the log holds.
    #[default]
    Earliest,
    /// Only what comes after the activation.
    Latest,
    /// The first record at or after this time, ms since 1970.
    Time(i64),
}

/// One entity of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileEntity {
    /// Logical name.
    pub name: CompactString,
    /// Whether every change carries a row version.
    pub versioned: bool,
    /// The topic that carries it.
    pub topic: Topic,
}

/// What one administrator wants copied where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its id.
    pub id: ProfileId,
    /// Its name for people.
    pub name: String,
    /// Where the tables are, how their names begin, and what stands beside them.
    pub layout: Layout,
    /// What to do with tables that are there already.
    pub existing: Existing,
    /// Whether the row of a deleted record stays, marked as deleted.
    pub keep_deleted: bool,
    /// How far columns that are there may be widened.
    pub widen: Widen,
    /// Its entities; never empty, no name twice.
    pub entities: Vec<ProfileEntity>,
    /// What to do with attributes that a definition lacks.
    pub unknown_attributes: UnknownAttribute,
    /// Whether the topics carry full images and deletes only, so that they may be compacted; a
    /// patch is rejected then.
    pub images_only: bool,
    /// Where to start without a checkpoint.
    pub start: Start,
    /// Limits of a batch.
    pub batch: BatchLimits,
    /// How often a held change that the database refused is tried again by itself.
    pub retry_count: u32,
    /// How long between two of these tries.
    pub retry_interval: Duration,
    /// Longest time that a lane may take to write what it has when its partition is taken away.
    pub drain: Duration,
}

impl Profile {
    /// What its deletes leave behind.
    pub fn deletes(&self) -> Deletes {
        Deletes {
            logged_in: self.layout.delete_log.then(|| self.layout.name(DELETE_LOG)),
            keep_row: self.keep_deleted,
        }
    }

    /// The topics that the profile reads, each once.
    pub fn topics(&self) -> Vec<Topic> {
        let mut topics: Vec<Topic> =
            self.entities.iter().map(|entity| entity.topic.clone()).collect();
        topics.sort();
        topics.dedup();
        topics
    }

    /// The entities whose changes lie on this topic.
    pub fn entities_of(&self, topic: &Topic) -> impl Iterator<Item = EntityName> {
        let here = self.entities.iter().filter(move |entity| entity.topic == *topic);
        here.map(|entity| EntityName::new(&entity.name))
    }
}
