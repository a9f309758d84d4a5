//! What is asked of the cluster about topics beyond the trait: how one is kept, and to make the one
//! topic that is keepstep's own.
//!
//! Topics of notifications are made by those who run the cluster, who know how many partitions they
//! will ever need; they are never made here.

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::observer::Observer;
use super::{KafkaLog, failure, properties};
use crate::log::LogError;
use crate::model::position::Topic;

/// The cluster's own default number of copies.
const DEFAULT_COPIES: i32 = -1;

/// Whether a topic is to be made, or it is only asked if it could be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Making {
    /// It is made.
    Do,
    /// Nothing is changed.
    Try,
}

impl KafkaLog {
    /// Makes a compacted topic of one partition, or asks whether this user may. One that is there
    /// already is fine, however it is kept.
    ///
    /// # Errors
    /// If the cluster refuses it, or does not answer.
    pub async fn make_compacted(&self, topic: &Topic, making: Making) -> Result<(), LogError> {
        let what = format!("cannot make topic {topic}");
        let timeout = Some(self.settings.request_timeout);
        let options = AdminOptions::new()
            .request_timeout(timeout)
            .operation_timeout(timeout)
            .validate_only(making == Making::Try);
        let new = NewTopic::new(topic.as_str(), 1, TopicReplication::Fixed(DEFAULT_COPIES))
            .set("cleanup.policy", "compact");
        let admin = self.admin().await.map_err(|error| failure::of(what.clone(), &error))?;
        let answer = admin.create_topics([&new], &options).await;
        put_away(admin);
        let results = answer.map_err(|error| failure::of(what.clone(), &error))?;
        match results.into_iter().next() {
            Some(Ok(_)) | Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
            Some(Err((_, code))) => Err(failure::of_code(what, code)),
            None => Err(failure::of_code(what, RDKafkaErrorCode::Fail)),
        }
    }

    /// Whether the topic is compacted; `None` where the cluster does not tell us.
    pub(super) async fn is_compacted(&self, topic: &Topic) -> Option<bool> {
        let admin = self.admin().await.ok()?;
        let options = AdminOptions::new().request_timeout(Some(self.settings.config_timeout));
        let resource = ResourceSpecifier::Topic(topic.as_str());
        let described = admin.describe_configs([&resource], &options).await;
        put_away(admin);
        let configs = described.ok()?;
        let policy = configs.first()?.as_ref().ok()?.get("cleanup.policy")?.value.clone()?;
        Some(policy.split(',').any(|word| word.trim() == "compact"))
    }

    async fn admin(&self) -> Result<AdminClient<Observer>, KafkaError> {
        // The settings were checked when the log was opened.
        let config = properties::reader(&self.settings)
            .map_err(|_| KafkaError::AdminOpCreation("settings".to_owned()))?;
        let observer = Observer::new("admin", config.get("debug").is_some());
        let making = tokio::task::spawn_blocking(move || config.create_with_context(observer));
        making.await.unwrap_or_else(|_| Err(KafkaError::AdminOpCreation("thread".to_owned())))
    }
}

/// The destructor of a client waits for its thread.
fn put_away(admin: AdminClient<Observer>) {
    tokio::task::spawn_blocking(move || drop(admin));
}
