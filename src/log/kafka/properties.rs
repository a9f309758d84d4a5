//! The properties that each of our clients gives to librdkafka. Pure, apart from looking for the
//! system's CA file.
//!
//! Every default that differs from librdkafka's has its reason beside it.

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use super::settings::{KafkaSettings, refused};
use crate::log::{FeedLimits, LogError};

/// What all clients have in common.
fn common(settings: &KafkaSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    // By default rdkafka asks a logger that we do not use.
    config.set_log_level(RDKafkaLogLevel::Info);
    config
        .set("bootstrap.servers", &settings.brokers)
        .set("client.id", &settings.client_id)
        // Azure drops idle connections after 240 s without telling; firewalls do alike.
        .set("socket.keepalive.enable", "true")
        .set("connections.max.idle.ms", "180000")
        .set("metadata.max.age.ms", "180000")
        .set("topic.metadata.refresh.interval.ms", "60000")
        // A broker that restarts is found again within a second or two.
        .set("reconnect.backoff.ms", "100")
        .set("reconnect.backoff.max.ms", "2000")
        .set("allow.auto.create.topics", "false");
    let protocol = match (&settings.tls, &settings.sasl) {
        (None, None) => "plaintext",
        (Some(_), None) => "ssl",
        (None, Some(_)) => "sasl_plaintext",
        (Some(_), Some(_)) => "sasl_ssl",
    };
    config.set("security.protocol", protocol);
    if let Some(tls) = &settings.tls {
        let given = tls.ca_path.as_ref().map(|path| path.to_string_lossy().into_owned());
        config
            .set("ssl.ca.location", given.unwrap_or_else(system_authorities))
            .set("enable.ssl.certificate.verification", "true")
            .set("ssl.endpoint.identification.algorithm", "https");
    }
    if let Some(sasl) = &settings.sasl {
        config
            .set("sasl.mechanism", sasl.mechanism.name())
            .set("sasl.username", &sasl.user)
            .set("sasl.password", sasl.password.expose());
    }
    config
}

/// Where the system keeps the authorities it trusts. Our OpenSSL is built in and does not know;
/// `SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured, which librdkafka's own search is not aware of.
fn system_authorities() -> String {
    let found = openssl_probe::probe();
    found
        .cert_file
        .or_else(|| found.cert_dir.into_iter().next())
        .map_or_else(|| "probe".to_owned(), |path| path.to_string_lossy().into_owned())
}

/// Lays the operator's own properties over ours, and has librdkafka check names and values.
fn with_extras(
    mut config: ClientConfig,
    settings: &KafkaSettings,
) -> Result<ClientConfig, LogError> {
    for (name, value) in &settings.properties {
        if name == "debug" {
            config.set_log_level(RDKafkaLogLevel::Debug);
            let ours = config.get("debug").map(|contexts| format!("{contexts},"));
            config.set(name, ours.unwrap_or_default() + value);
        } else {
            config.set(name, value);
        }
    }
    match config.create_native_config() {
        Ok(_) => Ok(config),
        Err(rdkafka::error::KafkaError::ClientConfig(_, _, name, _)) => Err(refused(
            &name,
            "librdkafka does not know it or does not take its value; see its CONFIGURATION.md",
        )),
        Err(_) => Err(refused("properties", "a name or value holds the character U+0000")),
    }
}

/// How much librdkafka may hold for one partition, so that all partitions together stay within the
/// member's limits: its queue limits count per partition once partitions have queues of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PartitionShare {
    /// No new fetch while the queue holds this many bytes, KiB.
    pub(super) queued_kib: usize,
    /// No new fetch while the queue holds this many records; each costs about 350 bytes of
    /// librdkafka's own.
    pub(super) queued_records: usize,
    /// The most that one fetch brings for a partition, bytes (or one batch of the producer's).
    pub(super) fetch_bytes: usize,
    /// The most that one fetch brings for all partitions of a broker, bytes.
    pub(super) response_bytes: usize,
}

/// Shares the limits out. A queue may be at its limit when one more fetch arrives, so both together
/// get about half of the share; the other half is what librdkafka adds to small records.
pub(super) fn partition_share(limits: FeedLimits, partitions: usize) -> PartitionShare {
    let share = limits.bytes / partitions.max(1);
    let fetch_bytes = (share / 4).clamp(16 * 1024, 1024 * 1024);
    PartitionShare {
        queued_kib: (share / 4 / 1024).clamp(1, 2_000_000),
        queued_records: (share / 2048).clamp(8, 1_000_000),
        fetch_bytes,
        response_bytes: (limits.bytes / 4).clamp(fetch_bytes, 16 * 1024 * 1024),
    }
}

/// A member of a group.
///
/// # Errors
/// If an extra property is not known or not valid.
pub(super) fn member(
    settings: &KafkaSettings,
    group: &str,
    share: PartitionShare,
) -> Result<ClientConfig, LogError> {
    let mut config = reading(settings);
    config
        .set("group.id", group)
        .set("group.protocol", "classic")
        .set("partition.assignment.strategy", settings.assignment.name())
        .set("session.timeout.ms", settings.session_timeout.as_millis().to_string())
        // The thread of a member always polls; librdkafka only wants it to be the longer one.
        .set("max.poll.interval.ms", poll_interval_ms(settings).to_string())
        .set("heartbeat.interval.ms", heartbeat_ms(settings).to_string())
        // Nothing may be skipped in silence: a place that is gone is an error of its feed.
        .set("auto.offset.reset", "error")
        .set("queued.max.messages.kbytes", share.queued_kib.to_string())
        .set("queued.min.messages", share.queued_records.to_string())
        .set("fetch.message.max.bytes", share.fetch_bytes.to_string())
        .set("fetch.max.bytes", share.response_bytes.to_string())
        // librdkafka wants the line above to be no lower; consumers use it for nothing else. A
        // record larger than a fetch still comes: brokers send at least one.
        .set("message.max.bytes", "1000")
        // By default librdkafka stops fetching a full partition for a second.
        .set("fetch.queue.backoff.ms", "10")
        // One fetch per broker is under way at a time: while one waits for idle partitions, a busy
        // one that was just full must wait with it.
        .set("fetch.wait.max.ms", "20")
        // For one line of its log, see `Observer`.
        .set("debug", "metadata")
        .set_log_level(RDKafkaLogLevel::Debug);
    with_extras(config, settings)
}

/// A client that answers questions and reads single records; its group is never joined.
///
/// # Errors
/// If an extra property is not known or not valid.
pub(super) fn reader(settings: &KafkaSettings) -> Result<ClientConfig, LogError> {
    let mut config = reading(settings);
    config
        .set("group.id", format!("{}.reader", settings.client_id))
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "true")
        .set("fetch.message.max.bytes", "65536")
        .set("fetch.wait.max.ms", "10");
    with_extras(config, settings)
}

/// The producer.
///
/// # Errors
/// If an extra property is not known or not valid.
pub(super) fn producer(settings: &KafkaSettings) -> Result<ClientConfig, LogError> {
    let mut config = common(settings);
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("message.max.bytes", settings.record_max_bytes.to_string())
        .set("delivery.timeout.ms", settings.append_timeout.as_millis().to_string())
        // Event Hubs may take 20 s and more.
        .set("request.timeout.ms", settings.append_timeout.as_millis().min(60_000).to_string())
        // Appends come in batches already; waiting for more only adds to the latency.
        .set("linger.ms", "1")
        .set("queue.buffering.max.kbytes", "32768")
        .set("queue.buffering.max.messages", "100000");
    config.remove("allow.auto.create.topics");
    with_extras(config, settings)
}

fn reading(settings: &KafkaSettings) -> ClientConfig {
    let mut config = common(settings);
    config
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("isolation.level", "read_committed")
        // A damaged batch must not be taken for a good one.
        .set("check.crcs", "true");
    config
}

fn poll_interval_ms(settings: &KafkaSettings) -> u128 {
    settings.session_timeout.as_millis().max(300_000)
}

fn heartbeat_ms(settings: &KafkaSettings) -> u128 {
    (settings.session_timeout.as_millis() / 3).clamp(100, 3_000)
}

#[cfg(test)]
mod tests {
    use super::super::settings::{Sasl, SaslMechanism, Secret, Tls};
    use super::*;

    #[test]
    fn the_share_follows_budget_and_partitions() {
        let mib = 1024 * 1024;
        for (bytes, partitions, kib, records, fetch) in [
            (32 * mib, 1, 8_192, 16_384, mib),
            (32 * mib, 12, 682, 1_365, 32 * mib / 12 / 4),
            (32 * mib, 64, 128, 256, 128 * 1024),
            (mib, 64, 4, 8, 16 * 1024),
            (0, 0, 1, 8, 16 * 1024),
        ] {
            let share = partition_share(FeedLimits { bytes }, partitions);
            assert_eq!(
                (share.queued_kib, share.queued_records, share.fetch_bytes),
                (kib, records, fetch),
                "{bytes} bytes, {partitions} partitions"
            );
        }
    }

    #[test]
    fn tls_and_login_make_the_protocol() {
        let login = Sasl {
            mechanism: SaslMechanism::Plain,
            user: "$ConnectionString".to_owned(),
            password: Secret::new("Endpoint=sb://x".to_owned()),
        };
        let tls = Tls { ca_path: Some("/etc/ca.pem".into()) };
        for (with_tls, with_login, expected) in [
            (false, false, "plaintext"),
            (true, false, "ssl"),
            (false, true, "sasl_plaintext"),
            (true, true, "sasl_ssl"),
        ] {
            let mut settings = KafkaSettings::new("broker:9092");
            settings.tls = with_tls.then(|| tls.clone());
            settings.sasl = with_login.then(|| login.clone());
            let config = common(&settings);
            assert_eq!(config.get("security.protocol"), Some(expected));
            let verified = config.get("enable.ssl.certificate.verification");
            assert_eq!(verified, with_tls.then_some("true"));
        }
    }

    #[test]
    fn every_client_gets_properties_that_librdkafka_takes() {
        let settings = KafkaSettings::new("broker:9092");
        let share = partition_share(FeedLimits { bytes: 1 << 25 }, 12);
        assert!(member(&settings, "keepstep.one", share).is_ok());
        assert!(reader(&settings).is_ok());
        assert!(producer(&settings).is_ok());
    }

    #[test]
    fn an_unknown_property_is_named_but_not_its_value() {
        let mut settings = KafkaSettings::new("broker:9092");
        settings.properties.insert("compresion.type".to_owned(), "sesame".to_owned());
        let error = producer(&settings).unwrap_err().to_string();
        assert!(error.contains("compresion.type") && !error.contains("sesame"), "{error}");
    }

    #[test]
    fn an_invalid_value_is_named_by_its_property_only() {
        let mut settings = KafkaSettings::new("broker:9092");
        settings.properties.insert("compression.type".to_owned(), "sesame".to_owned());
        let error = producer(&settings).unwrap_err().to_string();
        assert!(error.contains("compression.type") && !error.contains("sesame"), "{error}");
    }
}
