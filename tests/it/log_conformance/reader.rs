//! A member that is polled all the time by a task of its own, while the case looks at its feeds.

use keepstep::log::{Feed, FeedLimits, GroupEvent, Log, Member};
use keepstep::model::position::{NextOffset, Topic, TopicPartition};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::scene::Scene;

/// What a case wants of the member.
enum Order {
    Leave,
    Commit(Vec<(TopicPartition, NextOffset)>),
}

/// See the module. Dropped, the member is dropped.
pub struct Reader {
    events: mpsc::Receiver<GroupEvent>,
    orders: mpsc::Sender<Order>,
    _task: JoinSet<()>,
}

impl Reader {
    /// Joins a group.
    pub async fn join(log: &dyn Log, group: &str, topics: &[&Topic], limits: FeedLimits) -> Self {
        let topics: Vec<Topic> = topics.iter().map(|topic| (*topic).clone()).collect();
        let member = log.join(group, &topics, limits).await.unwrap();
        let (to_case, events) = mpsc::channel(64);
        let (orders, from_case) = mpsc::channel(64);
        let task = JoinSet::from_iter([poll(member, from_case, to_case)]);
        Self { events, orders, _task: task }
    }

    /// Begins to leave.
    pub async fn leave(&self) {
        self.orders.send(Order::Leave).await.unwrap();
    }

    /// Says how far the group has come.
    pub async fn commit(&self, offsets: &[(TopicPartition, NextOffset)]) {
        self.orders.send(Order::Commit(offsets.to_vec())).await.unwrap();
    }

    /// The next event; `None` when the member has left.
    pub async fn event(&mut self) -> Option<GroupEvent> {
        self.events.recv().await
    }

    /// Waits until `count` partitions were assigned; answers their feeds in order.
    pub async fn assigned(&mut self, count: usize) -> Vec<Box<dyn Feed>> {
        let mut feeds: Vec<Box<dyn Feed>> = Vec::new();
        while feeds.len() < count {
            match self.event().await {
                Some(GroupEvent::Assigned(more)) => feeds.extend(more),
                Some(GroupEvent::Revoked { partitions, .. } | GroupEvent::Lost { partitions }) => {
                    feeds.retain(|feed| !partitions.contains(feed.topic_partition()));
                }
                None => panic!("the member left instead of getting {count} partitions"),
            }
        }
        feeds.sort_by(|a, b| a.topic_partition().cmp(b.topic_partition()));
        feeds
    }

    /// Waits until partitions are taken away by asking; the answer is the case's to give.
    pub async fn revoked(&mut self) -> (Vec<TopicPartition>, oneshot::Sender<()>) {
        loop {
            match self.event().await {
                Some(GroupEvent::Revoked { mut partitions, done }) if !partitions.is_empty() => {
                    partitions.sort();
                    return (partitions, done);
                }
                Some(GroupEvent::Lost { partitions }) => panic!("lost {partitions:?} unasked"),
                Some(_) => {}
                None => panic!("the member left"),
            }
        }
    }

    /// Leaves in good order and waits for the end.
    pub async fn gone(mut self, scene: &Scene) {
        self.leave().await;
        scene.soon("the member to leave", async { while self.event().await.is_some() {} }).await;
    }
}

/// Polls until the member has left. What the member says while the case is busy is kept.
async fn poll(
    mut member: Box<dyn Member>,
    mut orders: mpsc::Receiver<Order>,
    events: mpsc::Sender<GroupEvent>,
) {
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Leave) => member.leave(),
                Some(Order::Commit(offsets)) => member.commit(&offsets),
                None => return,
            },
            event = member.next() => {
                let Some(event) = event.unwrap() else { return };
                if events.send(event).await.is_err() {
                    return;
                }
            }
        }
    }
}
