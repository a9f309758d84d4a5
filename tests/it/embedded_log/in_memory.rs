//! The log in memory, under paused time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keepstep::log::embedded::EmbeddedLog;
use keepstep::log::{Log, Member};
use keepstep::model::position::{NextOffset, Topic, TopicPartition};

use super::in_memory;
use crate::log_conformance::conforms;
use crate::log_conformance::laboratory::{Abilities, Laboratory, TestedLog};

struct Memory;

#[async_trait]
impl Laboratory for Memory {
    fn name(&self) -> &'static str {
        "embedded log in memory"
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            offset_for_time: true,
            trim: true,
            holes: true,
            recreate: true,
            add_partitions: true,
            restart: false,
            kill: true,
        }
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn quiet(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn cases_at_once(&self) -> usize {
        1
    }

    async fn new_log(&self) -> Arc<dyn TestedLog> {
        Arc::new(MemoryLog(in_memory()))
    }
}

struct MemoryLog(EmbeddedLog);

#[async_trait]
impl TestedLog for MemoryLog {
    async fn open(&self) -> Arc<dyn Log> {
        Arc::new(self.0.clone())
    }

    async fn create_topic(&self, name: &str, partitions: u32) -> Topic {
        let topic = Topic::new(name);
        self.0.create_topic(&topic, partitions, false).await.unwrap();
        topic
    }

    async fn restart(&self) {
        unreachable!("memory keeps nothing");
    }

    async fn kill(&self, member: Box<dyn Member>) {
        drop(member);
    }

    async fn trim(&self, topic_partition: &TopicPartition, before: NextOffset) {
        self.0.trim(topic_partition, before).await.unwrap();
    }

    async fn recreate(&self, topic: &Topic) {
        self.0.recreate_topic(topic).await.unwrap();
    }

    async fn add_partitions(&self, topic: &Topic, partitions: u32) {
        self.0.add_partitions(topic, partitions).await.unwrap();
    }

    async fn leave_hole(&self, topic_partition: &TopicPartition) {
        self.0.leave_hole(topic_partition, 2).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_log_in_memory_conforms() {
    assert_eq!(conforms(&Memory).await, ["a restart loses nothing"]);
}
