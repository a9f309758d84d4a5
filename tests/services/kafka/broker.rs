//! The broker of the tests, and what the tests do to it beside the adapter: rdkafka's own admin
//! client and producers.

use std::time::Duration;

use keepstep::log::Log;
use keepstep::log::kafka::{KafkaLog, KafkaSettings};
use keepstep::model::position::{Topic, TopicPartition};
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset as KafkaOffset, TopicPartitionList};

/// How long the broker may take for one order.
const ORDER: Duration = Duration::from_secs(20);

/// A variable that `scripts/kafka env` prints.
#[expect(clippy::disallowed_methods, reason = "the test's broker is told by the environment")]
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: this test needs the broker that `make test` starts")
    })
}

/// Name for a topic or group that no other test and no earlier run uses.
pub fn unused(name: &str) -> String {
    format!("{name}.{}", uuid::Uuid::new_v4().simple())
}

/// A broker, reached without TLS.
#[derive(Clone)]
pub struct Broker {
    address: String,
}

impl Broker {
    /// The one that all tests share.
    pub fn shared() -> Self {
        Self::at(variable("KEEPSTEP_TEST_KAFKA"))
    }

    /// One at an address.
    pub fn at(address: String) -> Self {
        Self { address }
    }

    /// Settings for it, with the shortest session that it allows.
    pub fn settings(&self) -> KafkaSettings {
        let mut settings = KafkaSettings::new(&self.address);
        settings.session_timeout = Duration::from_secs(6);
        settings
    }

    /// The log on it.
    pub fn log(&self) -> KafkaLog {
        KafkaLog::open(self.settings()).unwrap()
    }

    /// A configuration for rdkafka itself.
    pub fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address);
        config
    }

    fn admin(&self) -> (AdminClient<DefaultClientContext>, AdminOptions) {
        let options =
            AdminOptions::new().operation_timeout(Some(ORDER)).request_timeout(Some(ORDER));
        (self.config().create().unwrap(), options)
    }

    /// Makes a topic of an unused name.
    pub async fn topic(&self, name: &str, partitions: u32, config: &[(&str, &str)]) -> Topic {
        let topic = Topic::new(&unused(name));
        self.create(&topic, partitions, config).await;
        topic
    }

    /// Makes a topic of this name.
    pub async fn create(&self, topic: &Topic, partitions: u32, config: &[(&str, &str)]) {
        let (admin, options) = self.admin();
        let count = i32::try_from(partitions).unwrap();
        let mut new = NewTopic::new(topic.as_str(), count, TopicReplication::Fixed(1));
        for (name, value) in config {
            new = new.set(name, value);
        }
        admin.create_topics([&new], &options).await.unwrap()[0].as_ref().unwrap();
        // The controller answers; the broker hears of it a moment later.
        while self.log().describe(topic).await.unwrap().is_none() {}
    }

    /// Sets the size of the largest record that a compacted topic takes.
    pub async fn limit(&self, topic: &Topic, bytes: u32) {
        let (admin, options) = self.admin();
        let bytes = bytes.to_string();
        let config = AlterConfig::new(ResourceSpecifier::Topic(topic.as_str()))
            .set("cleanup.policy", "compact")
            .set("max.message.bytes", &bytes);
        admin.alter_configs([&config], &options).await.unwrap()[0].as_ref().unwrap();
    }

    /// Deletes a topic and waits until the broker has forgotten it.
    pub async fn delete(&self, topic: &Topic) {
        let (admin, options) = self.admin();
        admin.delete_topics(&[topic.as_str()], &options).await.unwrap()[0].as_ref().unwrap();
    }

    /// Raises the number of partitions.
    pub async fn widen(&self, topic: &Topic, partitions: u32) {
        let (admin, options) = self.admin();
        let new = NewPartitions::new(topic.as_str(), partitions as usize);
        admin.create_partitions([&new], &options).await.unwrap()[0].as_ref().unwrap();
    }

    /// Drops the records before an offset.
    pub async fn trim(&self, it: &TopicPartition, before: i64) {
        let (admin, options) = self.admin();
        let mut list = TopicPartitionList::new();
        let offset = KafkaOffset::Offset(before);
        list.add_partition_offset(it.topic.as_str(), partition_of(it), offset).unwrap();
        let answer = admin.delete_records(&list, &options).await.unwrap();
        answer.elements()[0].error().unwrap();
    }

    /// Appends records in a transaction.
    pub async fn transaction(&self, it: &TopicPartition, payloads: &[&str], end: End) {
        let config = self.config();
        let (it, payloads) = (it.clone(), payloads.iter().map(|&text| text.to_owned()).collect());
        tokio::task::spawn_blocking(move || transact(config, &it, payloads, end)).await.unwrap();
    }
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug)]
pub enum End {
    Commit,
    Abort,
}

fn transact(mut config: ClientConfig, it: &TopicPartition, payloads: Vec<String>, end: End) {
    let producer: BaseProducer =
        config.set("transactional.id", unused("transaction")).create().unwrap();
    producer.init_transactions(ORDER).unwrap();
    producer.begin_transaction().unwrap();
    for payload in &payloads {
        let record = BaseRecord::<(), str>::to(it.topic.as_str())
            .partition(partition_of(it))
            .payload(payload);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    // An abort throws away what has not been sent; here it has to lie on the log.
    producer.flush(ORDER).unwrap();
    match end {
        End::Commit => producer.commit_transaction(ORDER).unwrap(),
        End::Abort => producer.abort_transaction(ORDER).unwrap(),
    }
}

fn partition_of(it: &TopicPartition) -> i32 {
    i32::try_from(it.partition.0).unwrap()
}
