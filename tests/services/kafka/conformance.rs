//! The contract of every log, on the real broker.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keepstep::log::kafka::AssignmentStrategy;
use keepstep::log::kafka::KafkaLog;
use keepstep::log::{Log, Member};
use keepstep::model::position::{NextOffset, Topic, TopicPartition};

use super::broker::{Broker, End};
use crate::log_conformance::conforms;
use crate::log_conformance::laboratory::{Abilities, Laboratory, TestedLog};

struct RealKafka {
    assignment: AssignmentStrategy,
}

#[async_trait]
impl Laboratory for RealKafka {
    fn name(&self) -> &'static str {
        "log on real Kafka"
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            offset_for_time: true,
            trim: true,
            holes: true,
            recreate: true,
            add_partitions: true,
            restart: false,
            kill: false,
        }
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(20)
    }

    fn quiet(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn cases_at_once(&self) -> usize {
        4
    }

    async fn new_log(&self) -> Arc<dyn TestedLog> {
        Arc::new(OnBroker { broker: Broker::shared(), assignment: self.assignment })
    }
}

struct OnBroker {
    broker: Broker,
    assignment: AssignmentStrategy,
}

#[async_trait]
impl TestedLog for OnBroker {
    async fn open(&self) -> Arc<dyn Log> {
        let mut settings = self.broker.settings();
        settings.assignment = self.assignment;
        // Topics get wider while they are read; the default would make the case wait for a minute.
        let often = "1000".to_owned();
        settings.properties.insert("topic.metadata.refresh.interval.ms".to_owned(), often);
        Arc::new(KafkaLog::open(settings).unwrap())
    }

    async fn create_topic(&self, name: &str, partitions: u32) -> Topic {
        self.broker.topic(name, partitions, &[]).await
    }

    async fn restart(&self) {
        unreachable!("all cases share the broker");
    }

    async fn kill(&self, _: Box<dyn Member>) {
        unreachable!("the threads of a member cannot be killed within one process");
    }

    async fn trim(&self, topic_partition: &TopicPartition, before: NextOffset) {
        self.broker.trim(topic_partition, before.0).await;
    }

    async fn recreate(&self, topic: &Topic) {
        self.broker.delete(topic).await;
        self.broker.create(topic, 1, &[]).await;
    }

    async fn add_partitions(&self, topic: &Topic, partitions: u32) {
        self.broker.widen(topic, partitions).await;
    }

    async fn leave_hole(&self, topic_partition: &TopicPartition) {
        let log = self.broker.log();
        let before = log.bounds(topic_partition).await.unwrap();
        self.broker.transaction(topic_partition, &["never", "seen"], End::Abort).await;
        // The broker writes the mark of the abort after its answer; the end lies behind it.
        while log.bounds(topic_partition).await.unwrap() == before {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_on_kafka_conforms_with_cooperative_members() {
    let assignment = AssignmentStrategy::CooperativeSticky;
    let left_out = conforms(&RealKafka { assignment }).await;
    assert_eq!(left_out, ["the partitions of a dead member pass on", "a restart loses nothing"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_on_kafka_conforms_with_eager_members() {
    let assignment = AssignmentStrategy::Range;
    let left_out = conforms(&RealKafka { assignment }).await;
    assert_eq!(left_out, ["the partitions of a dead member pass on", "a restart loses nothing"]);
}
