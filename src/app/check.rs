//! Tries everything that the settings name, changes nothing, and reports every problem.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::connect::{
    LogRole, OpenLog, make_failed_topic, no_metadata_topic, no_topic, open_destination,
};
use super::contents::Contents;
use super::failure::Failure;
use super::keys::key_fault;
use super::settings::Settings;
use super::settings::destination::{DatabaseSettings, DestinationSettings};
use super::settings::log::LogSettings;
use super::settings::profile::ProfileSettings;
use crate::codec::DecoderSettings;
use crate::destination::{ActivatedEntity, Activation};
use crate::log::Log;
use crate::log::kafka::Making;
use crate::model::mapping::Mapping;
use crate::model::position::{NextOffset, Topic, TopicPartition};
use crate::model::profile::{ProfileId, Start};

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is well.
    Fine(String),
    /// It is not: what is wrong, and what to do.
    Problem(String, String),
    /// Rows are written without it, but something else is missing: what, and what to do.
    Advice(String, String),
}

/// What was tried under one heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The heading.
    pub heading: String,
    /// What was tried, in order.
    pub findings: Vec<Finding>,
}

impl Section {
    fn new(heading: String) -> Self {
        Self { heading, findings: Vec::new() }
    }

    fn fine(&mut self, what: impl Into<String>) {
        self.findings.push(Finding::Fine(what.into()));
    }

    fn problem(&mut self, failure: Failure) {
        self.findings.push(Finding::Problem(failure.what, failure.hint));
    }
}

/// Topics that are fit to be read, with their number of partitions.
pub type Topics = BTreeMap<Topic, u32>;

/// Tries everything.
pub async fn check(settings: &Settings, contents: &mut Contents) -> Vec<Section> {
    let mut sections = Vec::new();
    let (section, log, topics) = check_log(settings, contents).await;
    sections.push(section);
    for (at, profile) in settings.profiles.iter().enumerate() {
        let Some(destination) = settings.destinations.get(&profile.destination) else {
            continue;
        };
        let log = log.as_deref();
        let mappings = contents.mappings(at, &profile.profile);
        sections.push(check_profile(profile, &mappings, destination, log, &topics).await);
    }
    for (name, destination) in &settings.destinations {
        if !settings.profiles.iter().any(|profile| profile.destination == *name) {
            let database = database_of(destination);
            let mut section = Section::new(format!("destination {name} ({database})"));
            section.fine("not tried: no profile writes to it");
            sections.push(section);
        }
    }
    sections
}

async fn check_log(
    settings: &Settings,
    contents: &mut Contents,
) -> (Section, Option<Arc<dyn Log>>, Topics) {
    let topics: BTreeSet<Topic> =
        settings.profiles.iter().flat_map(|profile| profile.profile.topics()).collect();
    let mut fit = Topics::new();
    let heading = match &settings.log {
        LogSettings::Kafka(kafka) => format!("log (kafka at {})", kafka.brokers.join(", ")),
        LogSettings::Embedded { directory, .. } => {
            format!("log (embedded in {})", directory.display())
        }
    };
    let mut section = Section::new(heading);
    if let LogSettings::Embedded { directory, partitions, .. } = &settings.log
        && !directory.is_dir()
    {
        // Opening it would make it, and a check changes nothing.
        section.fine("is not there yet; `keepstep run` and `keepstep produce` make it");
        for topic in topics {
            section.fine(format!("topic {topic} will be made with {partitions} partitions"));
            fit.insert(topic, *partitions);
        }
        return (section, None, fit);
    }
    let open = match OpenLog::open(&settings.log, LogRole::Appends).await {
        Ok(open) => open,
        Err(failure) => {
            section.problem(failure);
            return (section, None, fit);
        }
    };
    let log = open.log();
    for name in settings.profiles.iter().filter_map(|profile| profile.metadata_topic.as_ref()) {
        match log.describe(name).await {
            Ok(Some(_)) => section.fine(format!("topic {name} with definitions")),
            Ok(None) => section.problem(no_metadata_topic(name)),
            Err(error) => section.problem(error.into()),
        }
    }
    if section.findings.iter().all(|finding| matches!(finding, Finding::Fine(_)))
        && let Err(failure) = contents.complete(settings, &open).await
    {
        section.problem(failure);
    }
    for topic in topics {
        let images_only = images_only(settings, &topic);
        let decoder = &contents.decoder;
        match check_topic(&mut section, &open, &topic, images_only, decoder).await {
            Ok(partitions) => {
                fit.extend(partitions.map(|partitions| (topic, partitions)));
            }
            Err(failure) => {
                section.problem(failure);
                section.fine("further topics were not tried");
                break;
            }
        }
    }
    for profile in &settings.profiles {
        check_failed_topic(&mut section, &open, &profile.profile.id).await;
    }
    (section, Some(log), fit)
}

/// Looks at the dead-letter topic of a profile.
async fn check_failed_topic(section: &mut Section, open: &OpenLog, profile: &ProfileId) {
    let topic = profile.failed_topic();
    match (open.log().describe(&topic).await, open) {
        (Ok(Some(description)), _) if description.compacted == Some(false) => {
            section.findings.push(Finding::Advice(
                format!("dead-letter topic {topic} is not compacted"),
                format!(
                    "its retention must outlast the failed records; better: kafka-configs.sh \
                     --bootstrap-server HOST:PORT --alter --topic {topic} --add-config \
                     cleanup.policy=compact"
                ),
            ));
        }
        (Ok(Some(_)), _) => section.fine(format!("dead-letter topic {topic}")),
        (Ok(None), OpenLog::Embedded(..)) => {
            section.fine(format!("dead-letter topic {topic} will be made"));
        }
        (Ok(None), OpenLog::Kafka(log)) => {
            match make_failed_topic(log, &topic, Making::Try).await {
                Ok(()) => section.fine(format!("dead-letter topic {topic} will be made")),
                Err(missing) => {
                    section.findings.push(Finding::Advice(missing.what, missing.hint));
                }
            }
        }
        (Err(error), _) => section.problem(error.into()),
    }
}

/// Whether every profile that reads the topic says that it carries images only.
fn images_only(settings: &Settings, topic: &Topic) -> bool {
    let readers =
        settings.profiles.iter().filter(|profile| profile.profile.topics().contains(topic));
    readers.clone().count() > 0 && readers.into_iter().all(|profile| profile.profile.images_only)
}

/// Looks at one topic; `None` if a profile cannot read it.
async fn check_topic(
    section: &mut Section,
    open: &OpenLog,
    topic: &Topic,
    images_only: bool,
    decoder: &Arc<DecoderSettings>,
) -> Result<Option<u32>, Failure> {
    let log = open.log();
    let Some(description) = log.describe(topic).await? else {
        if let OpenLog::Embedded(_, partitions) = open {
            section.fine(format!("topic {topic} will be made with {partitions} partitions"));
            return Ok(Some(*partitions));
        }
        section.problem(no_topic(topic));
        return Ok(None);
    };
    let partitions = description.partitions;
    if description.compacted == Some(true) && !images_only {
        section.problem(Failure::new(
            format!("topic {topic} is compacted, which may drop changes that no later one repeats"),
            "use retention by time or size, or write images_only = true if it carries no patches",
        ));
        return Ok(None);
    }
    if let Some(fault) = key_fault(log.as_ref(), topic, partitions, decoder).await? {
        section.problem(Failure::new(
            format!("topic {topic} has {partitions} partitions, and {fault}"),
            format!(
                "`keepstep relay {topic} TARGET` writes a keyed topic; then name TARGET in the profile"
            ),
        ));
        return Ok(None);
    }
    let compacted = match description.compacted {
        Some(true) => ", compacted",
        Some(false) => ", not compacted",
        None => ", whether compacted the log does not say",
    };
    section.fine(format!("topic {topic}: {partitions} partitions{compacted}"));
    Ok(Some(partitions))
}

/// Looks at a profile's destination.
async fn check_profile(
    profile: &ProfileSettings,
    mappings: &[Arc<Mapping>],
    destination: &DestinationSettings,
    log: Option<&dyn Log>,
    topics: &Topics,
) -> Section {
    let (id, name) = (&profile.profile.id, &profile.destination);
    let database = database_of(destination);
    let mut section = Section::new(format!("profile {id} to {name} ({database})"));
    let open = match open_destination(destination) {
        Ok(open) => open,
        Err(failure) => {
            section.problem(failure);
            return section;
        }
    };
    let activation = match planned_activation(profile, mappings, log, topics).await {
        Ok(activation) => activation,
        Err(failure) => {
            section.problem(failure);
            return section;
        }
    };
    for finding in open.check(&activation).await {
        match finding.problem {
            None => section.fine(finding.what),
            Some(trouble) => section.findings.push(Finding::Problem(
                format!("{}: {}", finding.what, trouble.code),
                trouble.hint,
            )),
        }
    }
    section
}

/// What the profile will ask of its destination, as far as its topics are fit.
///
/// # Errors
/// If the log cannot be asked.
pub async fn planned_activation(
    profile: &ProfileSettings,
    mappings: &[Arc<Mapping>],
    log: Option<&dyn Log>,
    topics: &Topics,
) -> Result<Activation, Failure> {
    let mut entities = Vec::new();
    let mut starts = BTreeMap::new();
    for (entity, mapping) in profile.profile.entities.iter().zip(mappings) {
        // A topic that is not fit is a problem already said; its table can be looked at all the same.
        let partitions = topics.get(&entity.topic).copied();
        entities.push(ActivatedEntity {
            mapping: Arc::clone(mapping),
            topic: entity.topic.clone(),
            partitions: partitions.unwrap_or(1),
        });
        for partition in 0..partitions.unwrap_or(0) {
            let topic_partition = TopicPartition::new(&entity.topic, partition);
            let start = start(profile.profile.start, log, &topic_partition).await?;
            starts.insert(topic_partition, start);
        }
    }
    let starts = starts.into_iter().collect();
    Ok(Activation {
        profile: profile.profile.id.clone(),
        entities,
        starts,
        layout: profile.profile.layout.clone(),
        existing: profile.profile.existing,
    })
}

async fn start(
    start: Start,
    log: Option<&dyn Log>,
    topic_partition: &TopicPartition,
) -> Result<NextOffset, Failure> {
    let Some(log) = log else {
        return Ok(NextOffset::ZERO);
    };
    if log.describe(&topic_partition.topic).await?.is_none() {
        return Ok(NextOffset::ZERO);
    }
    Ok(match start {
        Start::Earliest => log.bounds(topic_partition).await?.start,
        Start::Latest => log.bounds(topic_partition).await?.end,
        Start::Time(time_ms) => log.offset_for_time(topic_partition, time_ms).await?,
    })
}

fn database_of(destination: &DestinationSettings) -> String {
    match &destination.database {
        DatabaseSettings::Postgres { .. } => "postgres".to_owned(),
        DatabaseSettings::SqlServer { .. } => "sqlserver".to_owned(),
        DatabaseSettings::Sqlite { path, .. } => format!("sqlite {}", path.display()),
    }
}
