//! The only place that chooses adapters: settings in, a log or a destination out.
//!
//! Adding a destination means one arm here.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::failure::Failure;
use super::settings::destination::{DatabaseSettings, DestinationSettings};
use super::settings::log::{KafkaBrokers, LogSettings, Security};
use super::settings::secret::SecretReference;
use crate::destination::postgres::{PostgresDestination, PostgresSettings};
use crate::destination::sqlite::{SqliteDestination, SqliteSettings};
use crate::destination::sqlserver::{
    Credential, KeptToken, SqlServerDestination, SqlServerSettings,
};
use crate::destination::{Activation, Destination};
use crate::log::embedded::{EmbeddedLog, EmbeddedSettings, OpenMode, Retention};
use crate::log::kafka::{KafkaLog, KafkaSettings, Making, Sasl, Secret, Tls};
use crate::log::{Log, LogError, TopicDescription};
use crate::model::layout::Layout;
use crate::model::mutation::Mutations;
use crate::model::position::Topic;
use crate::model::profile::ProfileId;
use crate::model::record::EntityName;

/// What a command wants of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogRole {
    /// To join groups. Of the embedded log only one process at a time can.
    Consumes,
    /// To append and to look.
    Appends,
}

/// A log that is open.
#[derive(Clone)]
pub enum OpenLog {
    /// On Kafka-compatible brokers.
    Kafka(Arc<KafkaLog>),
    /// In a folder; topics that are not there are made with so many partitions.
    Embedded(Arc<EmbeddedLog>, u32),
}

impl OpenLog {
    /// Opens the log of the settings.
    ///
    /// # Errors
    /// If a secret cannot be had, a setting cannot be used, or the folder is in use.
    pub async fn open(settings: &LogSettings, role: LogRole) -> Result<Self, Failure> {
        match settings {
            LogSettings::Kafka(brokers) => {
                Ok(Self::Kafka(Arc::new(KafkaLog::open(kafka_settings(brokers)?)?)))
            }
            LogSettings::Embedded { directory, partitions, durability, retention } => {
                let mut embedded = EmbeddedSettings::new(Arc::new(now_ms));
                embedded.durability = *durability;
                embedded.retention =
                    Retention { age_ms: retention.map(in_ms), partition_bytes: None };
                let mode = match role {
                    LogRole::Consumes => OpenMode::Consume,
                    LogRole::Appends => OpenMode::Append,
                };
                let log = EmbeddedLog::open(directory.clone(), mode, embedded).await?;
                Ok(Self::Embedded(Arc::new(log), *partitions))
            }
        }
    }

    /// The log.
    pub fn log(&self) -> Arc<dyn Log> {
        match self {
            Self::Kafka(log) => Arc::<KafkaLog>::clone(log),
            Self::Embedded(log, _) => Arc::<EmbeddedLog>::clone(log),
        }
    }

    /// The topic, which the embedded log makes if it is not there.
    ///
    /// # Errors
    /// If a broker does not have it: topics are made by those who run it.
    pub async fn ensure_topic(&self, topic: &Topic) -> Result<TopicDescription, Failure> {
        if let Some(description) = self.log().describe(topic).await? {
            return Ok(description);
        }
        match self {
            Self::Kafka(_) => Err(no_topic(topic)),
            Self::Embedded(log, partitions) => {
                log.create_topic(topic, *partitions, false).await?;
                Ok(TopicDescription { partitions: *partitions, compacted: Some(false) })
            }
        }
    }

    /// A topic with entity definitions, which the embedded log makes if it is not there.
    ///
    /// # Errors
    /// If a broker does not have it: it is made by those who run it.
    pub async fn ensure_metadata_topic(&self, topic: &Topic) -> Result<(), Failure> {
        if self.log().describe(topic).await?.is_some() {
            return Ok(());
        }
        match self {
            Self::Kafka(_) => Err(no_metadata_topic(topic)),
            Self::Embedded(log, _) => Ok(log.create_topic(topic, 1, true).await?),
        }
    }

    /// The dead-letter topic of a profile, which is made if it is not there.
    ///
    /// # Errors
    /// If a broker does not have it and refuses to make it; says how it is made.
    pub async fn ensure_failed_topic(&self, profile: &ProfileId) -> Result<(), Failure> {
        let topic = profile.failed_topic();
        if self.log().describe(&topic).await?.is_some() {
            return Ok(());
        }
        match self {
            Self::Kafka(log) => make_failed_topic(log, &topic, Making::Do).await,
            Self::Embedded(log, _) => Ok(log.create_topic(&topic, 1, true).await?),
        }
    }
}

/// Makes a dead-letter topic on a broker, or asks whether it could be made.
///
/// # Errors
/// If the broker refuses it, or does not answer; says how it is made.
pub async fn make_failed_topic(
    log: &KafkaLog,
    topic: &Topic,
    making: Making,
) -> Result<(), Failure> {
    log.make_compacted(topic, making).await.map_err(|error| no_failed_topic(topic, &error))
}

/// A dead-letter topic that is missing on a broker, and how to make it.
fn no_failed_topic(topic: &Topic, error: &LogError) -> Failure {
    Failure::new(
        format!("there is no dead-letter topic {topic}, and it cannot be made ({})", error.code),
        format!(
            "rows are written without it, but what cannot be written is not published; create it: \
             kafka-topics.sh --bootstrap-server HOST:PORT --create --topic {topic} --partitions 1 \
             --config cleanup.policy=compact"
        ),
    )
}

/// A topic that is missing on a broker, and how to make it.
pub fn no_topic(topic: &Topic) -> Failure {
    Failure::new(
        format!("there is no topic {topic}"),
        format!(
            "create it with as many partitions as it will ever need: kafka-topics.sh \
             --bootstrap-server HOST:PORT --create --topic {topic} --partitions 12"
        ),
    )
}

/// A topic for definitions that is missing, and how to make it.
pub fn no_metadata_topic(topic: &Topic) -> Failure {
    Failure::new(
        format!("there is no topic {topic} with definitions"),
        format!(
            "`keepstep define` makes it on the embedded log; on brokers: kafka-topics.sh \
             --bootstrap-server HOST:PORT --create --topic {topic} --partitions 1 --config \
             cleanup.policy=compact"
        ),
    )
}

fn kafka_settings(brokers: &KafkaBrokers) -> Result<KafkaSettings, Failure> {
    let mut settings = KafkaSettings::new(&brokers.brokers.join(","));
    settings.session_timeout = brokers.session_timeout;
    settings.properties = brokers.properties.iter().cloned().collect();
    if matches!(brokers.security, Security::Ssl | Security::SaslSsl) {
        settings.tls = Some(Tls { ca_path: brokers.certificate_authorities.clone() });
    }
    if let Some(sasl) = &brokers.sasl {
        let password = sasl.password.resolve().map_err(|error| {
            let hint = "set it, or correct sasl_password in [log]";
            Failure::new(format!("the password of the log: {error}"), hint)
        })?;
        settings.sasl = Some(Sasl {
            mechanism: sasl.mechanism,
            user: sasl.user.clone(),
            password: Secret::new(password.expose().to_owned()),
        });
    }
    Ok(settings)
}

/// A destination that is ready to be used; it connects when it is first asked.
///
/// # Errors
/// If it cannot be made at all.
pub fn open_destination(settings: &DestinationSettings) -> Result<Arc<dyn Destination>, Failure> {
    match &settings.database {
        DatabaseSettings::Sqlite { path, durability } => {
            let mut sqlite = SqliteSettings::new(path);
            sqlite.durability = *durability;
            let destination = SqliteDestination::start(sqlite, Mutations::default());
            let destination = destination.map_err(|error| {
                let what = format!("no thread for {}: {}", path.display(), error.kind());
                Failure::new(what, "end other processes on this machine")
            })?;
            Ok(Arc::new(destination))
        }
        DatabaseSettings::SqlServer {
            connection_string,
            access_token,
            certificate_authorities,
            trust_server_certificate,
            command_timeout,
        } => {
            let mut sqlserver = SqlServerSettings::new(asked_anew(connection_string));
            sqlserver.credential = access_token.as_ref().map(|token| {
                let kept: Arc<dyn Credential> = Arc::new(KeptToken::new(asked_anew(token)));
                kept
            });
            sqlserver.certificate_authorities.clone_from(certificate_authorities);
            sqlserver.trust_server_certificate = *trust_server_certificate;
            sqlserver.command_timeout = *command_timeout;
            sqlserver.connections = settings.connections;
            Ok(Arc::new(SqlServerDestination::new(sqlserver, Mutations::default())?))
        }
        DatabaseSettings::Postgres { url, certificate_authorities } => {
            let mut postgres = PostgresSettings::new(asked_anew(url));
            postgres.certificate_authorities.clone_from(certificate_authorities);
            postgres.connections = settings.connections;
            Ok(Arc::new(PostgresDestination::new(postgres, Mutations::default())?))
        }
    }
}

/// A secret that is read each time that it is asked for; the error says where it should be.
fn asked_anew(
    reference: &SecretReference,
) -> Arc<dyn Fn() -> Result<String, String> + Send + Sync> {
    let reference = reference.clone();
    Arc::new(move || {
        let secret = reference.resolve().map_err(|error| error.to_string())?;
        Ok(secret.expose().to_owned())
    })
}

/// All DDL that an activation needs, in the order in which it must be run.
pub fn ddl(settings: &DestinationSettings, activation: &Activation) -> Vec<String> {
    match &settings.database {
        DatabaseSettings::Sqlite { .. } => SqliteDestination::schema(activation),
        DatabaseSettings::SqlServer { .. } => SqlServerDestination::schema(activation),
        DatabaseSettings::Postgres { .. } => PostgresDestination::schema(activation),
    }
}

/// A script that takes away what a profile made, or one entity of it, in the order in which it must
/// be run.
pub fn clean_up(
    settings: &DestinationSettings,
    profile: &ProfileId,
    layout: &Layout,
    entity: Option<&EntityName>,
) -> Vec<String> {
    match &settings.database {
        DatabaseSettings::Sqlite { .. } => SqliteDestination::clean_up(profile, layout, entity),
        DatabaseSettings::SqlServer { .. } => {
            SqlServerDestination::clean_up(profile, layout, entity)
        }
        DatabaseSettings::Postgres { .. } => PostgresDestination::clean_up(profile, layout, entity),
    }
}

/// The wall clock, ms since 1970. The one place that reads it; everything else is told the time.
pub fn now_ms() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "the composition root hands the clock on")]
    let now = SystemTime::now();
    in_ms(now.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn in_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
