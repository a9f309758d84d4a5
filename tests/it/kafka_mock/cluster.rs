//! A mock cluster.

use std::sync::Arc;
use std::time::Duration;

use keepstep::log::kafka::{KafkaLog, KafkaSettings};
use keepstep::model::position::Topic;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, DefaultProducerContext, Producer};
use rdkafka::{ClientConfig, TopicPartitionList};

/// A cluster of three brokers. Clones share it.
#[derive(Clone)]
pub struct Cluster {
    // The cluster lives in the client that started it; the handle of the cluster itself cannot be
    // given to another thread.
    host: Arc<BaseProducer>,
}

impl Cluster {
    /// Starts a cluster.
    pub fn start() -> Self {
        let host = ClientConfig::new().set("test.mock.num.brokers", "3").create().unwrap();
        Self { host: Arc::new(host) }
    }

    /// The cluster's controls.
    pub fn controls(&self) -> MockCluster<'_, DefaultProducerContext> {
        self.host.client().mock_cluster().unwrap()
    }

    /// Settings for it.
    pub fn settings(&self) -> KafkaSettings {
        let mut settings = KafkaSettings::new(&self.controls().bootstrap_servers());
        settings.session_timeout = Duration::from_secs(6);
        // The mock never answers this.
        settings.config_timeout = Duration::from_millis(100);
        settings
    }

    /// A log on it.
    pub fn log(&self) -> KafkaLog {
        KafkaLog::open(self.settings()).unwrap()
    }

    /// Makes a topic with a name of its own.
    pub fn topic(&self, name: &str, partitions: u32) -> Topic {
        let topic = Topic::new(&format!("{name}.{}", uuid::Uuid::new_v4().simple()));
        let count = i32::try_from(partitions).unwrap();
        self.controls().create_topic(topic.as_str(), count, 1).unwrap();
        topic
    }

    /// The offset that a topic's group of the same name has for partition 0.
    pub fn committed(&self, topic: &Topic) -> i64 {
        let mut config = ClientConfig::new();
        let consumer: BaseConsumer = config
            .set("bootstrap.servers", self.controls().bootstrap_servers())
            .set("group.id", topic.as_str())
            .create()
            .unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition(topic.as_str(), 0);
        let committed = consumer.committed_offsets(list, Duration::from_secs(20)).unwrap();
        committed.elements()[0].offset().to_raw().unwrap()
    }
}
