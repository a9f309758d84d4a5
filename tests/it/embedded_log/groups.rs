//! What groups on the embedded log do beyond the contract: time-outs to the second, ids, zombies,
//! redelivery, and that a run repeats itself.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keepstep::log::embedded::EmbeddedLog;
use keepstep::log::{Feed, FeedLimits, GroupEvent, Log, LogRecord, Member};
use keepstep::model::position::{NextOffset, Offset, Topic, TopicPartition};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::{in_memory, payloads, write};

const LIMITS: FeedLimits = FeedLimits { bytes: 1_000_000 };
/// Time that passes without anything happening, under paused time.
const LONG: Duration = Duration::from_secs(60);

async fn log_with(partitions: u32) -> (EmbeddedLog, Topic) {
    let (log, topic) = (in_memory(), Topic::new("t"));
    log.create_topic(&topic, partitions, false).await.unwrap();
    (log, topic)
}

async fn join(log: &EmbeddedLog, topic: &Topic) -> Box<dyn Member> {
    log.join("g", std::slice::from_ref(topic), LIMITS).await.unwrap()
}

async fn assigned(member: &mut dyn Member) -> Vec<Box<dyn Feed>> {
    match member.next().await.unwrap() {
        Some(GroupEvent::Assigned(feeds)) => feeds,
        _ => panic!("no assignment"),
    }
}

async fn nothing(member: &mut dyn Member) {
    assert!(timeout(LONG, member.next()).await.is_err(), "nothing was to happen");
}

async fn records(feed: &mut dyn Feed) -> Option<Vec<LogRecord>> {
    feed.next().await.unwrap().map(|chunk| chunk.records)
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_waited_for_until_the_session_time_out() {
    let (log, topic) = log_with(2).await;
    let mut first = join(&log, &topic).await;
    let feeds = assigned(&mut *first).await;
    assert_eq!(feeds.len(), 2);
    let began = Instant::now();
    let mut second = join(&log, &topic).await;
    assert!(assigned(&mut *second).await.is_empty());
    let Some(GroupEvent::Revoked { partitions, done }) = first.next().await.unwrap() else {
        panic!("nothing was asked back");
    };
    assert_eq!(partitions.len(), 1);
    assert_eq!(assigned(&mut *second).await.len(), 1);
    assert_eq!(began.elapsed(), Duration::from_secs(10));
    assert!(done.send(()).is_err(), "nobody waits any more");
    nothing(&mut *first).await;
    nothing(&mut *second).await;
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_not_polled_loses_everything_after_the_session_time_out() {
    let (log, topic) = log_with(2).await;
    let mut first = join(&log, &topic).await;
    let mut feeds = assigned(&mut *first).await;
    let mut second = join(&log, &topic).await;
    assert!(assigned(&mut *second).await.is_empty());
    assert_eq!(assigned(&mut *second).await.len(), 2);
    for feed in &mut feeds {
        assert!(records(&mut **feed).await.is_none());
    }
    let lost = first.next().await.unwrap();
    assert!(matches!(lost, Some(GroupEvent::Lost { partitions }) if partitions.len() == 2));
    let Some(GroupEvent::Revoked { done, .. }) = second.next().await.unwrap() else {
        panic!("the group does not take it back");
    };
    drop(done);
    assert!(assigned(&mut *first).await.is_empty());
    assert_eq!(assigned(&mut *first).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_member_is_gone_at_once_and_its_feeds_end() {
    let (log, topic) = log_with(2).await;
    let mut first = join(&log, &topic).await;
    let mut feeds = assigned(&mut *first).await;
    let mut second = join(&log, &topic).await;
    assert!(assigned(&mut *second).await.is_empty());
    let began = Instant::now();
    drop(first);
    assert_eq!(assigned(&mut *second).await.len(), 2);
    for feed in &mut feeds {
        feed.start(NextOffset::ZERO).await.unwrap();
        assert!(records(&mut **feed).await.is_none());
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    drop(second);
    assert_eq!(log.members("g"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn ids_carry_the_clients_name_and_sort_by_age() {
    let (log, topic) = log_with(1).await;
    let (worker, other) = (log.client("worker"), log.client("aide"));
    let mut members = Vec::new();
    for client in [&worker, &other, &worker] {
        members.push(join(client, &topic).await);
    }
    assert_eq!(log.members("g"), ["aide-000002", "worker-000001", "worker-000003"]);
    members.remove(0);
    assert_eq!(other.members("g"), ["aide-000002", "worker-000003"]);
    assert_eq!(log.members("another"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_zombie_reads_on_beside_the_new_owner_until_it_is_told() {
    let (log, topic) = log_with(1).await;
    let it = TopicPartition::new(&topic, 0);
    let mut zombie = join(&log.client("zombie"), &topic).await;
    let mut old = assigned(&mut *zombie).await.remove(0);
    old.start(NextOffset::ZERO).await.unwrap();
    let mut owner = join(&log.client("owner"), &topic).await;
    assert!(assigned(&mut *owner).await.is_empty());

    assert!(!log.expire_member("g", "nobody"));
    assert!(log.expire_member("g", "zombie-000001"));
    assert_eq!(log.members("g"), ["owner-000002"]);
    let mut new = assigned(&mut *owner).await.remove(0);
    new.start(NextOffset::ZERO).await.unwrap();
    write(&log, &it, &["a", "b"]).await;
    assert_eq!(payloads(&records(&mut *old).await.unwrap()), ["a", "b"]);
    assert_eq!(payloads(&records(&mut *new).await.unwrap()), ["a", "b"]);
    nothing(&mut *zombie).await;
    zombie.commit(&[(it.clone(), NextOffset(1))]);
    assert_eq!(log.committed("g", &it).await.unwrap(), None, "a zombie's word counts for nothing");
    owner.commit(&[(it.clone(), NextOffset(2))]);
    assert_eq!(log.committed("g", &it).await.unwrap(), Some(NextOffset(2)));

    assert!(!log.tell_lost("g", "owner-000002"), "no zombie");
    assert!(log.tell_lost("g", "zombie-000001"));
    assert!(records(&mut *old).await.is_none());
    let lost = zombie.next().await.unwrap();
    assert!(matches!(lost, Some(GroupEvent::Lost { partitions }) if partitions == [it]));
    assert!(assigned(&mut *zombie).await.is_empty());
    assert_eq!(log.members("g"), ["owner-000002", "zombie-000001"]);
}

#[tokio::test(start_paused = true)]
async fn redelivery_takes_feeds_back_even_while_they_wait() {
    let (log, topic) = log_with(1).await;
    let it = TopicPartition::new(&topic, 0);
    write(&log, &it, &["a", "b", "c"]).await;
    let mut member = join(&log, &topic).await;
    let mut feed = assigned(&mut *member).await.remove(0);
    log.redeliver(&it, NextOffset(1));
    assert!(timeout(LONG, feed.next()).await.is_err(), "nothing comes before the start");
    feed.start(NextOffset::ZERO).await.unwrap();
    assert_eq!(payloads(&records(&mut *feed).await.unwrap()), ["a", "b", "c"]);
    // The feed is looked at first, and waits.
    let hook = async { log.redeliver(&it, NextOffset(1)) };
    let (again, ()) = tokio::join!(biased; records(&mut *feed), hook);
    assert_eq!(payloads(&again.unwrap()), ["b", "c"]);
    log.redeliver(&it, NextOffset(9));
    assert!(timeout(LONG, feed.next()).await.is_err(), "never forwards");
}

#[tokio::test(start_paused = true)]
async fn groups_do_not_disturb_each_other() {
    let (log, topic) = log_with(1).await;
    write(&log, &TopicPartition::new(&topic, 0), &["a"]).await;
    for group in ["g", "h"] {
        let topics = [topic.clone()];
        let mut member = log.join(group, &topics, LIMITS).await.unwrap();
        let mut feed = assigned(&mut *member).await.remove(0);
        feed.start(NextOffset::ZERO).await.unwrap();
        assert_eq!(payloads(&records(&mut *feed).await.unwrap()), ["a"]);
    }
}

/// Writes down what happens, and when.
#[derive(Clone)]
struct Trace {
    began: Instant,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Trace {
    fn note(&self, what: &str) {
        let at = self.began.elapsed().as_millis();
        self.lines.lock().unwrap().push(format!("{at} {what}"));
    }
}

/// Reads a partition from its beginning until it is taken away.
async fn lane(name: usize, mut feed: Box<dyn Feed>) -> String {
    feed.start(NextOffset::ZERO).await.unwrap();
    let mut read = Vec::new();
    while let Some(records) = records(&mut *feed).await {
        read.extend(payloads(&records));
    }
    format!("{name} read {} {read:?}", feed.topic_partition())
}

/// A member with one lane per partition, until it is asked to leave.
async fn work(
    name: usize,
    mut member: Box<dyn Member>,
    mut leave: oneshot::Receiver<()>,
    trace: Trace,
) {
    let mut lanes: JoinSet<String> = JoinSet::new();
    let mut leaving = false;
    loop {
        let told = tokio::select! {
            biased;
            _ = &mut leave, if !leaving => {
                leaving = true;
                member.leave();
                continue;
            }
            Some(read) = lanes.join_next() => {
                trace.note(&read.unwrap());
                continue;
            }
            told = member.next() => told.unwrap(),
        };
        match told {
            Some(GroupEvent::Assigned(feeds)) => {
                feeds.into_iter().for_each(|feed| drop(lanes.spawn(lane(name, feed))));
            }
            Some(GroupEvent::Revoked { partitions, .. }) => {
                trace.note(&format!("{name} returns {partitions:?}"));
            }
            Some(GroupEvent::Lost { .. }) => panic!("nobody dies here"),
            None => return trace.note(&format!("{name} has left")),
        }
    }
}

/// Three members come and go while records arrive.
async fn run() -> Vec<String> {
    let (log, topic) = log_with(5).await;
    let trace = Trace { began: Instant::now(), lines: Arc::default() };
    let mut members = JoinSet::new();
    let mut leaves = VecDeque::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(25));
    for number in 0..40_u32 {
        ticks.tick().await;
        write(&log, &TopicPartition::new(&topic, number % 5), &[&number.to_string()]).await;
        if [0, 6, 12].contains(&number) {
            let (leave, asked) = oneshot::channel();
            let member = join(&log, &topic).await;
            members.spawn(work(members.len(), member, asked, trace.clone()));
            leaves.push_back(leave);
        }
        if [24, 29, 38].contains(&number) {
            leaves.pop_front().unwrap().send(()).unwrap();
        }
    }
    members.join_all().await;
    let lines = trace.lines.lock().unwrap();
    lines.clone()
}

#[tokio::test(start_paused = true)]
async fn the_same_calls_give_the_same_run() {
    let first = run().await;
    assert!(first.len() > 15, "{first:#?}");
    for _ in 0..5 {
        assert_eq!(run().await, first);
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiting_feed_outside_the_bounds_says_so() {
    let (log, topic) = log_with(1).await;
    let it = TopicPartition::new(&topic, 0);
    write(&log, &it, &["a"]).await;
    let mut member = join(&log, &topic).await;
    let mut feed = assigned(&mut *member).await.remove(0);
    feed.start(NextOffset(2)).await.unwrap();
    let error = feed.next().await.unwrap_err();
    assert_eq!((error.retry, error.code.as_str()), (false, "OFFSET_OUT_OF_RANGE"));
    feed.start(NextOffset(1)).await.unwrap();
    let hook = async {
        write(&log, &it, &["b", "c"]).await;
        log.trim(&it, NextOffset(2)).await.unwrap();
    };
    let (outcome, ()) = tokio::join!(biased; feed.next(), hook);
    assert_eq!(outcome.unwrap_err().code, "OFFSET_OUT_OF_RANGE");
    assert_eq!(log.read_at(&it, Offset(0)).await.unwrap().unwrap().offset, Offset(2));
}
