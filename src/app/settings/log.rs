//! `[log]`: where the notifications are.

use std::path::PathBuf;
use std::time::Duration;

use super::reader::TableReader;
use super::reading::{Complaint, Field, Found, Reading};
use super::secret::SecretReference;
use crate::log::embedded::Durability;
use crate::log::kafka::{self, SaslMechanism};

const HEADING: (&str, &str) = (
    "[log]",
    "The log that holds the notifications: a Kafka-compatible broker, or the embedded log, which is \
     a folder on this machine.",
);
const PROPERTIES: (&str, &str) = (
    "[log.properties]",
    "Further properties of librdkafka, by their own names, for `kind = \"kafka\"` only. Passwords \
     and what keepstep sets itself are refused.",
);

/// Where the notifications are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogSettings {
    /// On Kafka-compatible brokers.
    Kafka(Box<KafkaBrokers>),
    /// In a folder of this machine.
    Embedded {
        /// The folder.
        directory: PathBuf,
        /// Number of partitions of a topic that is made because it is not there.
        partitions: u32,
        /// Whether an append survives a power cut.
        durability: Durability,
        /// How long records are kept; for ever without it.
        retention: Option<Duration>,
    },
}

/// How to reach Kafka-compatible brokers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaBrokers {
    /// `host:port`, at least one.
    pub brokers: Vec<String>,
    /// After how much silence a process is taken for dead.
    pub session_timeout: Duration,
    /// How the connection is secured.
    pub security: Security,
    /// Who logs in, where the security asks for it.
    pub sasl: Option<Sasl>,
    /// Certificates of the authorities to trust; by default those of the system.
    pub certificate_authorities: Option<PathBuf>,
    /// Further properties of librdkafka.
    pub properties: Vec<(String, String)>,
}

/// How the connection to a broker is secured, in Kafka's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Not at all.
    Plaintext,
    /// TLS.
    Ssl,
    /// A log-in without TLS.
    SaslPlaintext,
    /// A log-in over TLS.
    SaslSsl,
}

/// A log-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sasl {
    /// How user and password are sent.
    pub mechanism: SaslMechanism,
    /// Who.
    pub user: String,
    /// Where the password is.
    pub password: SecretReference,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Kafka,
    Embedded,
}

/// Reads `[log]` and `[log.properties]`.
pub(super) fn read(reading: &mut Reading, found: Option<Found<'_>>) -> Option<LogSettings> {
    let mut table = TableReader::new(reading, HEADING, "log", found);
    let kinds = [("kafka", Kind::Kafka), ("embedded", Kind::Embedded)];
    let kind = table.choice(
        "kind",
        &kinds,
        None,
        "A Kafka-compatible broker (Apache Kafka, Redpanda, Azure Event Hubs), or a log in a folder \
         of this machine with one consuming process.",
    );
    let embedded = read_embedded(&mut table);
    let brokers = read_brokers(&mut table);
    let session_timeout_s = table.whole(
        "session_timeout_s",
        6..=300,
        30,
        "For Kafka: after how much silence the group takes this process for dead and gives its \
         partitions away.",
    );
    let security = table.choice(
        "security",
        &[
            ("plaintext", Security::Plaintext),
            ("ssl", Security::Ssl),
            ("sasl_plaintext", Security::SaslPlaintext),
            ("sasl_ssl", Security::SaslSsl),
        ],
        Some("plaintext"),
        "How the connection to the brokers is secured. Certificates are always verified.",
    );
    let ca = table.path(Field::optional(
        "ca",
        "a path",
        "PEM file with the authorities to trust, instead of those of the system.",
    ));
    let sasl = read_sasl(&mut table, security);
    let properties = table.table("properties");
    check_kind(&mut table, kind);
    table.finish();
    let properties = read_properties(reading, properties);
    match kind? {
        Kind::Embedded => embedded,
        Kind::Kafka => Some(LogSettings::Kafka(Box::new(KafkaBrokers {
            brokers: brokers?,
            session_timeout: Duration::from_secs(session_timeout_s),
            security: security?,
            sasl,
            certificate_authorities: ca,
            properties,
        }))),
    }
}

/// What belongs to `kind = "embedded"`.
fn read_embedded(table: &mut TableReader<'_, '_>) -> Option<LogSettings> {
    let directory = table.path(Field::optional(
        "dir",
        "a path",
        "The folder of the embedded log. Relative paths begin at the settings file.",
    ));
    let partitions = table.whole(
        "partitions",
        1..=256,
        4,
        "For the embedded log: number of partitions of a topic that `produce`, `relay` or `run` \
         make because it is not there. It never changes afterwards.",
    );
    let durability = table.choice(
        "durability",
        &[("normal", Durability::Normal), ("full", Durability::Full)],
        Some("normal"),
        "For the embedded log: with `normal` a power cut may take the last appends; `full` waits \
         for the disk at every append.",
    );
    let retention_hours = table.optional_whole(
        "retention_hours",
        1..=876_000,
        "For the embedded log: how long records are kept. Without it they are kept for ever.",
    );
    Some(LogSettings::Embedded {
        directory: directory?,
        partitions: u32::try_from(partitions).ok()?,
        durability: durability?,
        retention: retention_hours.map(|hours| Duration::from_secs(hours * 3_600)),
    })
}

fn read_brokers(table: &mut TableReader<'_, '_>) -> Option<Vec<String>> {
    let form = "a list of \"host:port\"";
    let field = Field::optional("brokers", form, "The brokers to begin with; one is enough.");
    let brokers = table.texts(field)?;
    let valid = |broker: &String| {
        let port = broker.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        port.is_some_and(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0))
    };
    if brokers.is_empty() {
        table.mistake("brokers", Complaint::new("is an empty list", format!("write {form}")));
    }
    if let Some(wrong) = brokers.iter().find(|broker| !valid(broker)) {
        let complaint = Complaint::new(format!("{wrong:?} is no broker"), format!("write {form}"));
        table.mistake("brokers", complaint);
    }
    Some(brokers)
}

fn read_sasl(table: &mut TableReader<'_, '_>, security: Option<Security>) -> Option<Sasl> {
    let mechanism = table.choice(
        "sasl_mechanism",
        &[
            ("PLAIN", SaslMechanism::Plain),
            ("SCRAM-SHA-256", SaslMechanism::ScramSha256),
            ("SCRAM-SHA-512", SaslMechanism::ScramSha512),
        ],
        Some("PLAIN"),
        "How to log in to the brokers.",
    );
    let user = table.text(
        Field::optional("sasl_user", "a text", "Who logs in (`$ConnectionString` at Event Hubs)."),
        |text| Ok(text.to_owned()),
    );
    let password =
        table.secret("sasl_password", "Where the password is. It is read when the process starts.");
    let wanted = matches!(security?, Security::SaslPlaintext | Security::SaslSsl);
    for key in ["sasl_user", "sasl_password"] {
        if wanted && !table.is_set(key) {
            let complaint = Complaint::new(
                "is missing",
                "a security with sasl logs in; write sasl_user and sasl_password",
            );
            table.mistake(key, complaint);
        }
    }
    for key in ["sasl_mechanism", "sasl_user", "sasl_password"] {
        if !wanted && table.is_set(key) {
            let hint = "write security = \"sasl_ssl\" (or \"sasl_plaintext\"), or remove it";
            table.mistake(key, Complaint::new("is of no use with this security", hint));
        }
    }
    Some(Sasl { mechanism: mechanism?, user: user?, password: password? })
}

/// Keys that belong to the other kind of log are mistakes, and so are those that are missing.
fn check_kind(table: &mut TableReader<'_, '_>, kind: Option<Kind>) {
    let Some(kind) = kind else {
        return;
    };
    let foreign: &[&str] = match kind {
        Kind::Kafka => &["dir", "partitions", "durability", "retention_hours"],
        Kind::Embedded => &[
            "brokers",
            "session_timeout_s",
            "security",
            "ca",
            "sasl_mechanism",
            "sasl_user",
            "sasl_password",
        ],
    };
    let (word, other) = match kind {
        Kind::Kafka => ("kafka", "embedded"),
        Kind::Embedded => ("embedded", "kafka"),
    };
    for key in foreign {
        if table.is_set(key) {
            let hint = format!("remove it, or write kind = {other:?}");
            table.mistake(key, Complaint::new(format!("is of no use with kind = {word:?}"), hint));
        }
    }
    if kind == Kind::Kafka && !table.is_set("brokers") {
        let hint = "write a list of \"host:port\"";
        table.mistake("brokers", Complaint::new("is missing", hint));
    }
    if kind == Kind::Embedded && !table.is_set("dir") {
        table.mistake("dir", Complaint::new("is missing", "write the folder of the embedded log"));
    }
}

fn read_properties(reading: &mut Reading, found: Option<Found<'_>>) -> Vec<(String, String)> {
    let mut table = TableReader::new(reading, PROPERTIES, "log.properties", found);
    let properties = table.named_texts();
    for (name, _) in &properties {
        let secret = ["password", "secret", "key.pem"].iter().any(|part| name.contains(part));
        let reserved = kafka::reserved(name);
        let complaint = match reserved {
            Some(reason) => Complaint::new("is set by keepstep itself", reason),
            None if secret => {
                Complaint::new("may hold a secret", "only sasl_password can be a secret so far")
            }
            None => continue,
        };
        table.mistake(name, complaint);
    }
    table.finish();
    properties
}
