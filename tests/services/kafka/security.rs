//! TLS and login on the broker's SASL_SSL listener.

use std::time::{Duration, Instant};

use keepstep::log::kafka::{KafkaLog, KafkaSettings, Sasl, SaslMechanism, Secret, Tls};
use keepstep::log::{FeedLimits, Log, LogError, NewRecord};

use super::again::{Again, role};
use super::broker::{Broker, variable};

/// Settings for the listener, with this CA file or none.
fn settings(ca: Option<String>, password: &str) -> KafkaSettings {
    let mut settings = KafkaSettings::new(&variable("KEEPSTEP_TEST_KAFKA_SASL_SSL"));
    settings.tls = Some(Tls { ca_path: ca.map(Into::into) });
    settings.sasl = Some(Sasl {
        mechanism: SaslMechanism::Plain,
        user: variable("KEEPSTEP_TEST_KAFKA_USER"),
        password: Secret::new(password.to_owned()),
    });
    settings
}

async fn works(settings: KafkaSettings) {
    let topic = Broker::shared().topic("secured", 1, &[]).await;
    let log = KafkaLog::open(settings).unwrap();
    log.append(&topic, vec![NewRecord::default()]).await.unwrap();
    assert_eq!(log.describe(&topic).await.unwrap().unwrap().compacted, Some(false));
    let limits = FeedLimits { bytes: 1024 * 1024 };
    let mut member = log.join(topic.as_str(), std::slice::from_ref(&topic), limits).await.unwrap();
    let assigned = tokio::time::timeout(Duration::from_secs(20), member.next());
    assert!(assigned.await.unwrap().unwrap().is_some());
}

/// Every kind of call says the same, well before its time is up.
async fn refused(settings: &KafkaSettings, code: &str, hint: &str) {
    let topic = Broker::shared().topic("refused", 1, &[]).await;
    let log = KafkaLog::open(settings.clone()).unwrap();
    let start = Instant::now();
    let it = keepstep::model::position::TopicPartition::new(&topic, 0);
    let limits = FeedLimits { bytes: 1024 * 1024 };
    let errors: [LogError; 4] = [
        log.describe(&topic).await.unwrap_err(),
        log.read_at(&it, keepstep::model::position::Offset(0)).await.unwrap_err(),
        log.append(&topic, vec![NewRecord::default()]).await.unwrap_err(),
        log.join(topic.as_str(), std::slice::from_ref(&topic), limits).await.err().unwrap(),
    ];
    for error in errors {
        assert!(!error.retry && error.code == code && error.hint.contains(hint), "{error}");
        let password = settings.sasl.as_ref().map(|sasl| format!("{:?}", sasl.password));
        assert_eq!(password.as_deref(), Some("***"));
    }
    assert!(start.elapsed() < Duration::from_secs(15), "took {:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_authority_and_password_work() {
    let ca = variable("KEEPSTEP_TEST_KAFKA_CA");
    works(settings(Some(ca), &variable("KEEPSTEP_TEST_KAFKA_PASSWORD"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_authority_is_refused() {
    let ca = variable("KEEPSTEP_TEST_KAFKA_WRONG_CA");
    let settings = settings(Some(ca), &variable("KEEPSTEP_TEST_KAFKA_PASSWORD"));
    refused(&settings, "SSL", "CA file").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_systems_authorities_do_not_vouch_for_the_tests_broker() {
    refused(&settings(None, &variable("KEEPSTEP_TEST_KAFKA_PASSWORD")), "SSL", "CA file").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_refused() {
    let ca = variable("KEEPSTEP_TEST_KAFKA_CA");
    refused(&settings(Some(ca), "open sesame"), "Authentication", "password").await;
}

/// With no CA file given, what `SSL_CERT_FILE` names is trusted, as anywhere on the system.
#[tokio::test(flavor = "multi_thread")]
async fn the_systems_authorities_are_found() {
    if role().is_some() {
        works(settings(None, &variable("KEEPSTEP_TEST_KAFKA_PASSWORD"))).await;
        return;
    }
    let ca = variable("KEEPSTEP_TEST_KAFKA_CA");
    let name = "kafka::security::the_systems_authorities_are_found";
    Again::start(name, "trusting", &[("SSL_CERT_FILE", &ca)]).passes().await;
}

#[test]
fn a_ca_file_that_is_none_is_named_at_once() {
    let missing = settings(Some("/nonexistent/ca.pem".to_owned()), "any");
    let error = KafkaLog::open(missing).err().unwrap();
    assert!(!error.retry && error.hint.contains("CA file"), "{error}");
}
