//! The contract of every log, on the mock cluster.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keepstep::log::kafka::{AssignmentStrategy, KafkaLog};
use keepstep::log::{Log, Member};
use keepstep::model::position::{NextOffset, Topic, TopicPartition};

use super::cluster::Cluster;
use crate::log_conformance::conforms;
use crate::log_conformance::laboratory::{Abilities, Laboratory, TestedLog};

struct Mock {
    cluster: Cluster,
    assignment: AssignmentStrategy,
}

#[async_trait]
impl Laboratory for Mock {
    fn name(&self) -> &'static str {
        "log on the mock cluster"
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            // It always answers "the end".
            offset_for_time: false,
            // It has no admin requests, and no isolation of transactions.
            trim: false,
            holes: false,
            recreate: false,
            add_partitions: false,
            restart: false,
            kill: false,
        }
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(40)
    }

    fn quiet(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn cases_at_once(&self) -> usize {
        // The mock lets every new group wait for 3 s.
        16
    }

    async fn new_log(&self) -> Arc<dyn TestedLog> {
        Arc::new(OnMock { cluster: self.cluster.clone(), assignment: self.assignment })
    }
}

struct OnMock {
    cluster: Cluster,
    assignment: AssignmentStrategy,
}

#[async_trait]
impl TestedLog for OnMock {
    async fn open(&self) -> Arc<dyn Log> {
        let mut settings = self.cluster.settings();
        settings.assignment = self.assignment;
        Arc::new(KafkaLog::open(settings).unwrap())
    }

    async fn create_topic(&self, name: &str, partitions: u32) -> Topic {
        self.cluster.topic(name, partitions)
    }

    async fn restart(&self) {
        unreachable!("the mock keeps nothing");
    }

    async fn kill(&self, _: Box<dyn Member>) {
        unreachable!("the threads of a member cannot be killed within one process");
    }

    async fn trim(&self, _: &TopicPartition, _: NextOffset) {
        unreachable!("the mock has no admin requests");
    }

    async fn recreate(&self, _: &Topic) {
        unreachable!("the mock has no admin requests");
    }

    async fn add_partitions(&self, _: &Topic, _: u32) {
        unreachable!("the mock has no admin requests");
    }

    async fn leave_hole(&self, _: &TopicPartition) {
        unreachable!("the mock shows what was aborted");
    }
}

/// What only the real broker can be asked.
const LEFT_OUT: [&str; 7] = [
    "a time leads to an offset",
    "holes are passed over",
    "the partitions of a dead member pass on",
    "a trimmed place is an error",
    "a topic made anew is not mistaken for the old one",
    "added partitions are assigned",
    "a restart loses nothing",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_log_on_the_mock_conforms_with_cooperative_members() {
    let assignment = AssignmentStrategy::CooperativeSticky;
    assert_eq!(conforms(&Mock { cluster: Cluster::start(), assignment }).await, LEFT_OUT);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_on_the_mock_conforms_with_eager_members() {
    let assignment = AssignmentStrategy::Range;
    assert_eq!(conforms(&Mock { cluster: Cluster::start(), assignment }).await, LEFT_OUT);
}
