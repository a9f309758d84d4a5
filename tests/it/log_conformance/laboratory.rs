//! What the suite asks of a log beside the traits: to make topics, and to do to it what the world
//! does.
//!
//! A log joins the suite with one [`Laboratory`]. The suite never asks a log for what its
//! abilities leave out; the log's own test states which cases that excludes, so that nothing is
//! skipped unseen.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keepstep::log::{Log, Member};
use keepstep::model::position::{NextOffset, Topic, TopicPartition};

/// Makes logs of one kind.
#[async_trait]
pub trait Laboratory: Send + Sync {
    /// Name of the kind, for failures.
    fn name(&self) -> &'static str;

    /// What this kind of log can do.
    fn abilities(&self) -> Abilities;

    /// How long to wait for what must come: longer than any rebalance or restart takes.
    fn patience(&self) -> Duration;

    /// How long to wait to see that nothing comes.
    fn quiet(&self) -> Duration;

    /// How many cases may run beside each other.
    fn cases_at_once(&self) -> usize;

    /// A log for one case. It may be shared with others as long as topics have different names and
    /// [`TestedLog::restart`] disturbs nobody.
    async fn new_log(&self) -> Arc<dyn TestedLog>;
}

/// What a kind of log can do.
#[derive(Clone, Copy, Debug)]
pub struct Abilities {
    /// It answers `offset_for_time` rightly.
    pub offset_for_time: bool,
    /// [`TestedLog::trim`].
    pub trim: bool,
    /// [`TestedLog::leave_hole`].
    pub holes: bool,
    /// [`TestedLog::recreate`].
    pub recreate: bool,
    /// [`TestedLog::add_partitions`].
    pub add_partitions: bool,
    /// [`TestedLog::restart`].
    pub restart: bool,
    /// [`TestedLog::kill`].
    pub kill: bool,
}

/// A log under test.
#[async_trait]
pub trait TestedLog: Send + Sync {
    /// A handle as another process would have, where the log allows that.
    async fn open(&self) -> Arc<dyn Log>;

    /// Makes a topic; answers its full name, which no other case uses.
    async fn create_topic(&self, name: &str, partitions: u32) -> Topic;

    /// Stops the log and starts it again on what it keeps. The case has dropped all handles,
    /// members and feeds before.
    async fn restart(&self);

    /// Lets a member die without a word.
    async fn kill(&self, member: Box<dyn Member>);

    /// Drops the records before an offset.
    async fn trim(&self, topic_partition: &TopicPartition, before: NextOffset);

    /// Makes a topic anew, with the same name and number of partitions.
    async fn recreate(&self, topic: &Topic);

    /// Raises the number of partitions.
    async fn add_partitions(&self, topic: &Topic, partitions: u32);

    /// Leaves out at least one offset before the next record.
    async fn leave_hole(&self, topic_partition: &TopicPartition);
}
