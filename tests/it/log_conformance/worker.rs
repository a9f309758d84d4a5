//! A member that works as a pipeline does, and the ledger that two of them share.
//!
//! The ledger stands for the destination: a lane starts where it says, and what a lane enters
//! counts only if nobody else entered it first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use keepstep::log::{Feed, FeedLimits, GroupEvent, Log, Member};
use keepstep::model::position::{NextOffset, Topic, TopicPartition};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

use super::scene::{ROOMY, Scene, numbers};

/// What is known of one partition.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Who started a lane on it last and has not ended it.
    pub owner: Option<&'static str>,
    /// The numbers of the records that were entered, in order.
    pub numbers: Vec<u32>,
    next: i64,
}

/// See the module.
#[derive(Default)]
pub struct Ledger {
    pages: Mutex<BTreeMap<TopicPartition, Page>>,
    changed: Notify,
}

impl Ledger {
    /// Waits until the pages are as wanted.
    pub async fn until(
        &self,
        scene: &Scene,
        what: &str,
        wanted: impl Fn(&BTreeMap<TopicPartition, Page>) -> bool,
    ) {
        let waiting = async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                changed.as_mut().enable();
                if wanted(&self.pages.lock().unwrap()) {
                    return;
                }
                changed.await;
            }
        };
        let outcome = tokio::time::timeout(scene.patience, waiting).await;
        assert!(outcome.is_ok(), "waited in vain for {what}: {:?}", self.pages.lock().unwrap());
    }

    /// Waits until every partition of a topic has exactly these numbers.
    pub async fn until_complete(&self, scene: &Scene, topic: &Topic, partitions: u32, count: u32) {
        let complete = |pages: &BTreeMap<TopicPartition, Page>| {
            (0..partitions).all(|partition| {
                let page = pages.get(&TopicPartition::new(topic, partition));
                page.is_some_and(|page| page.numbers.len() >= count as usize)
            })
        };
        self.until(scene, "all records", complete).await;
        for (it, page) in &*self.pages.lock().unwrap() {
            assert_eq!(page.numbers, (0..count).collect::<Vec<_>>(), "{it}");
        }
    }

    /// Waits until each of these members has as many partitions as stated.
    pub async fn until_shared(&self, scene: &Scene, shares: &[(&'static str, usize)]) {
        let shared = |pages: &BTreeMap<TopicPartition, Page>| {
            shares.iter().all(|(name, share)| {
                pages.values().filter(|page| page.owner == Some(name)).count() == *share
            })
        };
        self.until(scene, &format!("shares {shares:?}"), shared).await;
    }

    fn page<R>(&self, of: &TopicPartition, act: impl FnOnce(&mut Page) -> R) -> R {
        let answer = act(self.pages.lock().unwrap().entry(of.clone()).or_default());
        self.changed.notify_waiters();
        answer
    }
}

/// See the module.
pub struct Worker {
    task: JoinSet<Option<Box<dyn Member>>>,
    order: oneshot::Sender<End>,
}

/// How a worker ends.
enum End {
    Leave,
    Die,
}

impl Worker {
    /// Joins a group and starts to work.
    pub async fn start(
        name: &'static str,
        log: &dyn Log,
        group: &str,
        topics: &[&Topic],
        ledger: &Arc<Ledger>,
    ) -> Self {
        let topics: Vec<Topic> = topics.iter().map(|topic| (*topic).clone()).collect();
        let limits = FeedLimits { bytes: ROOMY.bytes };
        let member = log.join(group, &topics, limits).await.unwrap();
        let (order, ordered) = oneshot::channel();
        let task = JoinSet::from_iter([work(name, member, Arc::clone(ledger), ordered)]);
        Self { task, order }
    }

    /// Leaves in good order.
    pub async fn leave(self, scene: &Scene) {
        assert!(self.end(scene, End::Leave).await.is_none());
    }

    /// Stops its lanes at once and hands the member over, to be killed.
    pub async fn die(self, scene: &Scene) -> Box<dyn Member> {
        self.end(scene, End::Die).await.unwrap()
    }

    async fn end(mut self, scene: &Scene, end: End) -> Option<Box<dyn Member>> {
        assert!(self.order.send(end).is_ok(), "the worker ended before its time");
        scene.soon("the worker's end", self.task.join_next()).await.unwrap().unwrap()
    }
}

async fn work(
    name: &'static str,
    mut member: Box<dyn Member>,
    ledger: Arc<Ledger>,
    mut ordered: oneshot::Receiver<End>,
) -> Option<Box<dyn Member>> {
    let mut lanes: BTreeMap<TopicPartition, JoinSet<()>> = BTreeMap::new();
    let mut leaving = false;
    loop {
        let event = tokio::select! {
            end = &mut ordered, if !leaving => match end {
                Ok(End::Leave) => {
                    leaving = true;
                    member.leave();
                    continue;
                }
                Ok(End::Die) | Err(_) => return Some(member),
            },
            event = member.next() => event.unwrap(),
        };
        match event {
            Some(GroupEvent::Assigned(feeds)) => {
                for feed in feeds {
                    let it = feed.topic_partition().clone();
                    let lane = JoinSet::from_iter([lane(name, feed, Arc::clone(&ledger))]);
                    assert!(lanes.insert(it.clone(), lane).is_none(), "{it} assigned twice");
                }
            }
            Some(GroupEvent::Revoked { partitions, done }) => {
                stop(&mut lanes, &partitions).await;
                let _ = done.send(());
            }
            Some(GroupEvent::Lost { partitions }) => stop(&mut lanes, &partitions).await,
            None => {
                assert!(lanes.is_empty(), "left with lanes that nobody revoked");
                return None;
            }
        }
    }
}

/// Waits for lanes, whose feeds have ended.
async fn stop(lanes: &mut BTreeMap<TopicPartition, JoinSet<()>>, partitions: &[TopicPartition]) {
    for it in partitions {
        let lane = lanes.remove(it).unwrap_or_else(|| panic!("{it} taken away but never given"));
        lane.join_all().await;
    }
}

async fn lane(name: &'static str, mut feed: Box<dyn Feed>, ledger: Arc<Ledger>) {
    let it = feed.topic_partition().clone();
    let mut next = ledger.page(&it, |page| {
        page.owner = Some(name);
        page.next
    });
    feed.start(NextOffset(next)).await.unwrap();
    while let Some(chunk) = feed.next().await.unwrap() {
        let first = chunk.records[0].offset.0;
        assert!(first >= next, "{it}: offset {first} came after {next}");
        let entered = ledger.page(&it, |page| {
            let mine = page.owner == Some(name) && page.next == next;
            if mine {
                page.numbers.extend(numbers(&chunk.records));
                page.next = chunk.records.last().unwrap().offset.next().0;
            }
            mine
        });
        if !entered {
            return;
        }
        next = chunk.records.last().unwrap().offset.next().0;
    }
    ledger.page(&it, |page| {
        if page.owner == Some(name) {
            page.owner = None;
        }
    });
}
