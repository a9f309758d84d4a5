//! Activation: binds a profile's tables and partitions before anything is read.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::PipelineParts;
use super::schema::{Activated, Mappings, Schema};
use crate::destination::{ActivatedEntity, Activation, DestinationError, LeftOver};
use crate::log::{Log, LogError, TopicDescription};
use crate::model::mapping::Mapping;
use crate::model::position::{NextOffset, Topic, TopicPartition};
use crate::model::profile::{Profile, Start};

/// Why a profile could not be activated.
#[derive(Debug, thiserror::Error)]
pub enum ActivationError {
    /// The log could not be asked.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The destination could not be prepared.
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// A topic is not there.
    #[error("topic {0} is not there. Create it, or mend the profile's topic or entities")]
    NoTopic(Topic),
    /// A compacted topic may drop the older of two patches.
    #[error(
        "topic {0} is compacted, which may drop changes that a later one does not repeat. \
         Use a topic with retention by time or size, or declare images_only if it carries no patches"
    )]
    Compacted(Topic),
}

impl ActivationError {
    /// Whether it ends by itself.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Log(error) => error.retry,
            Self::Destination(error) => matches!(error, DestinationError::Retry(_)),
            Self::NoTopic(_) | Self::Compacted(_) => false,
        }
    }
}

/// What the profile needs of the destination, from what the log says of its topics.
///
/// # Errors
/// If a topic is missing or compacted, or the log cannot be asked.
pub async fn plan(
    log: &dyn Log,
    profile: &Profile,
    mappings: &[Arc<Mapping>],
) -> Result<Activation, ActivationError> {
    let mut described: BTreeMap<Topic, TopicDescription> = BTreeMap::new();
    for topic in profile.topics() {
        let description = log.describe(&topic).await?;
        let description = description.ok_or_else(|| ActivationError::NoTopic(topic.clone()))?;
        if description.compacted == Some(true) && !profile.images_only {
            return Err(ActivationError::Compacted(topic));
        }
        described.insert(topic, description);
    }
    let mut entities = Vec::with_capacity(mappings.len());
    for mapping in mappings {
        let entity = profile.entities.iter().find(|entity| entity.name == mapping.entity.as_str());
        let Some(entity) = entity else { continue };
        let partitions = described.get(&entity.topic).map_or(0, |topic| topic.partitions);
        entities.push(ActivatedEntity {
            mapping: Arc::clone(mapping),
            topic: entity.topic.clone(),
            partitions,
        });
    }
    let starts = starts(log, profile, &described).await?;
    Ok(Activation {
        profile: profile.id.clone(),
        entities,
        starts,
        layout: profile.layout.clone(),
        existing: profile.existing,
    })
}

async fn starts(
    log: &dyn Log,
    profile: &Profile,
    described: &BTreeMap<Topic, TopicDescription>,
) -> Result<Vec<(TopicPartition, NextOffset)>, LogError> {
    let mut starts = Vec::new();
    for (topic, description) in described {
        for partition in 0..description.partitions {
            let topic_partition = TopicPartition::new(topic, partition);
            let start = match profile.start {
                Start::Earliest => log.bounds(&topic_partition).await?.start,
                Start::Latest => log.bounds(&topic_partition).await?.end,
                Start::Time(time_ms) => log.offset_for_time(&topic_partition, time_ms).await?,
            };
            starts.push((topic_partition, start));
        }
    }
    Ok(starts)
}

/// Plans and activates.
pub(super) async fn activate(
    parts: &PipelineParts,
    mappings: Mappings,
) -> Result<Activated, ActivationError> {
    let activation = plan(parts.log.as_ref(), &parts.profile, &mappings).await?;
    let answer = parts.destination.activate(&activation).await?;
    for LeftOver { entity, columns } in &answer.left_over {
        tracing::info!(%entity, ?columns, "columns that no attribute has any more are left alone");
    }
    let refused = answer.refused.into_iter();
    let refused = refused.map(|refused| (refused.entity, refused.trouble.to_string())).collect();
    let entities = activation.entities.into_iter();
    let partitions = entities.map(|entity| (entity.topic, entity.partitions)).collect();
    Ok(Activated { schema: Schema { mappings, refused }, partitions })
}
