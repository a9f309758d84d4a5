//! What an operator may say about Kafka, and what only we may say.
//!
//! Plain data: nothing here connects anywhere. A setting that a promise rests on (who commits,
//! where reading starts, whether certificates are verified) is ours alone and is refused as an
//! extra property; everything else of librdkafka may be set by its own name.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::log::LogError;

/// A text that must not be shown. `Debug` prints `***`; there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret text.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the one place that hands it to librdkafka.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How user and password are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaslMechanism {
    /// `PLAIN`; also Azure Event Hubs, with the user `$ConnectionString`.
    Plain,
    /// `SCRAM-SHA-256`.
    ScramSha256,
    /// `SCRAM-SHA-512`.
    ScramSha512,
}

impl SaslMechanism {
    /// The name that Kafka knows.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// A login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sasl {
    /// How it is sent.
    pub mechanism: SaslMechanism,
    /// The user.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// TLS to the brokers. Certificates and host names are always verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// PEM file of the authorities to trust; the system's by default.
    pub ca_path: Option<PathBuf>,
}

/// How the members of a group share the partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AssignmentStrategy {
    /// Partitions that do not move are read on while others do.
    #[default]
    CooperativeSticky,
    /// Every rebalance takes all partitions away first (`range`). All members must agree.
    Range,
}

impl AssignmentStrategy {
    /// The name that Kafka knows.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::CooperativeSticky => "cooperative-sticky",
            Self::Range => "range",
        }
    }
}

/// Everything about a Kafka cluster that the operator decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaSettings {
    /// Brokers to start from: `host:port`, several with commas.
    pub brokers: String,
    /// TLS; `None` is plain text.
    pub tls: Option<Tls>,
    /// Login; `None` for brokers that ask for none.
    pub sasl: Option<Sasl>,
    /// The name that brokers log for us.
    pub client_id: String,
    /// After how much silence the group takes a member for dead. Kafka allows 6 s to 30 min by
    /// default, Event Hubs 6 s to 5 min.
    pub session_timeout: Duration,
    /// How members share the partitions.
    pub assignment: AssignmentStrategy,
    /// How long one question to the cluster may take, broker restarts included.
    pub request_timeout: Duration,
    /// How long to wait for a topic's configuration, which not every cluster tells.
    pub config_timeout: Duration,
    /// How long an append may take, broker restarts included.
    pub append_timeout: Duration,
    /// Size of the largest record that is appended, bytes. Not above the broker's
    /// `message.max.bytes`; Event Hubs: 1,000,000.
    pub record_max_bytes: usize,
    /// Other librdkafka properties by name, for all clients.
    pub properties: BTreeMap<String, String>,
}

impl KafkaSettings {
    /// Settings for brokers without TLS or login, everything else by default.
    pub fn new(brokers: &str) -> Self {
        Self {
            brokers: brokers.to_owned(),
            tls: None,
            sasl: None,
            client_id: "keepstep".to_owned(),
            session_timeout: Duration::from_secs(30),
            assignment: AssignmentStrategy::default(),
            request_timeout: Duration::from_secs(15),
            config_timeout: Duration::from_secs(5),
            append_timeout: Duration::from_mins(2),
            record_max_bytes: 1_048_588,
            properties: BTreeMap::new(),
        }
    }

    /// How long a member waits for its lanes to give partitions back. Below the session time-out,
    /// so that a lane that hangs cannot hold up the group for longer than a dead member would.
    pub(super) fn revoke_deadline(&self) -> Duration {
        self.session_timeout.mul_f64(2.0 / 3.0)
    }

    /// Refuses what cannot work, with the name of the setting and the reason.
    ///
    /// # Errors
    /// At the first setting that is refused.
    pub(super) fn check(&self) -> Result<(), LogError> {
        if self.brokers.trim().is_empty() {
            return Err(refused("brokers", "name at least one broker as host:port"));
        }
        if self.session_timeout < Duration::from_secs(1) {
            return Err(refused("session_timeout", "one second is the least"));
        }
        if !(1_000..=100_000_000).contains(&self.record_max_bytes) {
            return Err(refused("record_max_bytes", "choose 1,000 to 100,000,000 bytes"));
        }
        let taken = self.properties.keys().find_map(|key| Some((key, reserved(key)?)));
        match taken {
            Some((key, reason)) => Err(refused(key, reason)),
            None => Ok(()),
        }
    }
}

/// The error of a setting that is refused. The value is not in it: it may be a secret.
pub(super) fn refused(name: &str, hint: &str) -> LogError {
    LogError {
        retry: false,
        what: format!("the Kafka setting {name} cannot be used"),
        code: "InvalidConfig".to_owned(),
        hint: hint.to_owned(),
    }
}

/// Why a property may not be set by name; `None` if it may.
pub fn reserved(property: &str) -> Option<&'static str> {
    const SETTING: &str = "it has a setting of its own; use that";
    const READING: &str = "where reading starts and what is committed is kept in the destination";
    const MEMORY: &str = "it is derived from the memory budget";
    const VERIFIED: &str = "certificates and host names are always verified; set the CA path";
    const APPEND: &str = "an append must be durable and in order before it is answered";
    Some(match property {
        "bootstrap.servers"
        | "metadata.broker.list"
        | "security.protocol"
        | "sasl.mechanism"
        | "sasl.mechanisms"
        | "sasl.username"
        | "sasl.password"
        | "ssl.ca.location"
        | "client.id"
        | "session.timeout.ms"
        | "partition.assignment.strategy"
        | "message.max.bytes"
        | "message.timeout.ms"
        | "delivery.timeout.ms" => SETTING,
        "group.id" | "group.protocol" | "group.remote.assignor" => {
            "the group's name is keepstep.<profile id>, its protocol is classic"
        }
        "enable.auto.commit"
        | "auto.commit.enable"
        | "enable.auto.offset.store"
        | "auto.offset.reset"
        | "isolation.level"
        | "offset.store.method"
        | "enable.partition.eof"
        | "check.crcs" => READING,
        "queued.min.messages"
        | "queued.max.messages.kbytes"
        | "fetch.message.max.bytes"
        | "max.partition.fetch.bytes"
        | "fetch.max.bytes"
        | "receive.message.max.bytes" => MEMORY,
        "enable.ssl.certificate.verification" | "ssl.endpoint.identification.algorithm" => VERIFIED,
        "enable.idempotence"
        | "acks"
        | "request.required.acks"
        | "transactional.id"
        | "max.in.flight"
        | "max.in.flight.requests.per.connection" => APPEND,
        "log.queue" | "plugin.library.paths" | "test.mock.num.brokers" => {
            "keepstep needs it as it is"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let mut settings = KafkaSettings::new("broker:9092");
        settings.sasl = Some(Sasl {
            mechanism: SaslMechanism::ScramSha512,
            user: "someone".to_owned(),
            password: Secret::new("open sesame".to_owned()),
        });
        let text = format!("{settings:?}");
        assert!(text.contains("someone") && !text.contains("sesame"), "{text}");
    }

    #[test]
    fn properties_that_promises_rest_on_are_refused_without_their_value() {
        for name in [
            "enable.auto.commit",
            "auto.offset.reset",
            "enable.ssl.certificate.verification",
            "sasl.password",
            "acks",
            "queued.max.messages.kbytes",
        ] {
            let mut settings = KafkaSettings::new("broker:9092");
            settings.properties.insert(name.to_owned(), "sesame".to_owned());
            let error = settings.check().unwrap_err();
            assert!(error.what.contains(name) && !error.retry, "{error}");
            assert!(!error.to_string().contains("sesame"), "{error}");
        }
    }

    #[test]
    fn other_properties_are_let_through() {
        let mut settings = KafkaSettings::new("broker:9092");
        settings.properties.insert("compression.type".to_owned(), "zstd".to_owned());
        assert!(settings.check().is_ok());
    }

    #[test]
    fn limits_are_checked() {
        assert!(KafkaSettings::new(" ").check().is_err());
        let mut settings = KafkaSettings::new("broker:9092");
        settings.session_timeout = Duration::from_millis(999);
        assert!(settings.check().is_err());
        settings = KafkaSettings::new("broker:9092");
        settings.record_max_bytes = 999;
        assert!(settings.check().is_err());
    }
}
