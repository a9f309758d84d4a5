//! What members are told, and when a partition may pass on.

use super::*;

const TOPIC: &str = "t";

fn topics(partitions: u32, generation: i64) -> Arc<Topics> {
    let state = TopicState { generation, partitions };
    Arc::new(BTreeMap::from([(Topic::new(TOPIC), state)]))
}

/// A group on one topic; keeps what is awaited and the answers that members owe.
struct Scene {
    group: Group,
    awaited: Vec<Awaited>,
    owed: BTreeMap<String, oneshot::Sender<()>>,
    tenures: BTreeMap<(String, u32), Arc<Tenure>>,
}

impl Scene {
    fn new(partitions: u32) -> Self {
        let mut group = Group::default();
        group.topics_are(&topics(partitions, 1));
        Self { group, awaited: Vec::new(), owed: BTreeMap::new(), tenures: BTreeMap::new() }
    }

    fn join(&mut self, id: &str) {
        self.group.join(id.to_owned(), BTreeSet::from([Topic::new(TOPIC)]));
    }

    /// Everything that a member is told now, as text.
    fn told(&mut self, id: &str) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(told) = self.group.next_told(id) {
            let numbers = |them: &[TopicPartition]| -> Vec<u32> {
                them.iter().map(|it| it.partition.0).collect()
            };
            all.push(match told {
                Told::Assigned(them) => {
                    let partitions: Vec<_> = them.iter().map(|(it, _)| it.clone()).collect();
                    let tenures = them.into_iter();
                    self.tenures.extend(
                        tenures.map(|(it, tenure)| ((id.to_owned(), it.partition.0), tenure)),
                    );
                    format!("assigned {:?}", numbers(&partitions))
                }
                Told::Revoked { partitions, done } => {
                    self.owed.insert(id.to_owned(), done);
                    format!("revoked {:?}", numbers(&partitions))
                }
                Told::Lost(partitions) => format!("lost {:?}", numbers(&partitions)),
                Told::Left => {
                    all.push("left".to_owned());
                    break;
                }
            });
        }
        self.awaited.extend(self.group.take_awaited());
        all
    }

    /// The member answers; the group hears of it.
    fn answer(&mut self, id: &str) {
        self.owed.remove(id).unwrap().send(()).unwrap();
        self.finish(true);
    }

    /// Every answer has come, or none in time.
    fn finish(&mut self, answered: bool) {
        self.awaited.extend(self.group.take_awaited());
        for mut it in std::mem::take(&mut self.awaited) {
            if answered && it.answer.try_recv().is_err() {
                self.awaited.push(it);
            } else {
                self.group.finish_revoke(&it.member, it.revoke, answered);
            }
        }
    }

    fn feed_ended(&self, id: &str, partition: u32) -> bool {
        self.tenures[&(id.to_owned(), partition)].ended()
    }
}

#[test]
fn the_first_member_gets_everything() {
    let mut scene = Scene::new(3);
    scene.join("a");
    assert_eq!(scene.told("a"), ["assigned [0, 1, 2]"]);
    assert_eq!(scene.told("a"), [""; 0]);
}

#[test]
fn a_second_member_waits_for_the_answer_and_only_what_moves_is_asked_for() {
    let mut scene = Scene::new(4);
    scene.join("a");
    scene.told("a");
    scene.join("b");
    assert_eq!(scene.told("b"), ["assigned []"]);
    assert!(!scene.feed_ended("a", 3), "a feed ends when its member is told");
    assert_eq!(scene.told("a"), ["revoked [2, 3]"]);
    assert!(scene.feed_ended("a", 3));
    assert!(!scene.feed_ended("a", 0));
    assert_eq!(scene.told("b"), [""; 0], "not before the answer");
    scene.answer("a");
    assert_eq!(scene.told("b"), ["assigned [2, 3]"]);
    assert_eq!(scene.told("a"), [""; 0]);
}

#[test]
fn an_answer_that_does_not_come_is_not_waited_for_for_ever() {
    let mut scene = Scene::new(2);
    scene.join("a");
    scene.told("a");
    scene.join("b");
    scene.told("b");
    assert_eq!(scene.told("a"), ["revoked [1]"]);
    scene.finish(false);
    assert_eq!(scene.told("b"), ["assigned [1]"]);
    assert!(!scene.feed_ended("a", 0), "it keeps what did not move");
}

#[test]
fn a_member_that_does_not_even_fetch_the_request_loses_everything_and_comes_back() {
    let mut scene = Scene::new(2);
    scene.join("a");
    scene.told("a");
    scene.join("b");
    scene.told("b");
    scene.finish(false);
    assert_eq!(scene.group.members(), ["b"]);
    assert!(scene.feed_ended("a", 0) && scene.feed_ended("a", 1));
    assert_eq!(scene.told("b"), ["assigned [0, 1]"]);
    assert_eq!(scene.told("a"), ["lost [0, 1]", "assigned []"]);
    assert_eq!(scene.group.members(), ["a", "b"]);
    assert_eq!(scene.told("b"), ["revoked [1]"]);
}

#[test]
fn a_request_that_nobody_fetched_is_taken_back_when_it_is_needless() {
    let mut scene = Scene::new(2);
    scene.join("a");
    scene.told("a");
    scene.join("b");
    scene.group.remove("b");
    assert_eq!(scene.told("a"), [""; 0]);
    assert!(!scene.feed_ended("a", 1));
    scene.finish(false);
    assert_eq!(scene.group.members(), ["a"], "the time-out of the old request is void");
}

#[test]
fn a_grant_that_nobody_fetched_passes_on_without_asking() {
    let mut scene = Scene::new(2);
    scene.join("a");
    scene.join("b");
    scene.group.remove("a");
    assert_eq!(scene.told("b"), ["assigned [0, 1]"]);
}

#[test]
fn leaving_revokes_what_is_left_and_ends_after_the_answer() {
    let mut scene = Scene::new(2);
    scene.join("a");
    scene.join("b");
    scene.told("a");
    scene.told("b");
    scene.group.leave("a");
    assert_eq!(scene.told("a"), ["revoked [0]"]);
    assert_eq!(scene.told("b"), [""; 0]);
    scene.answer("a");
    assert_eq!(scene.told("a"), ["left"]);
    assert_eq!(scene.told("b"), ["assigned [0]"]);
    scene.group.leave("b");
    scene.told("b");
    scene.answer("b");
    assert_eq!(scene.told("b"), ["left"]);
    assert!(scene.group.is_empty());
}

#[test]
fn leaving_with_nothing_ends_at_once_and_twice_is_once() {
    let mut scene = Scene::new(1);
    scene.join("a");
    scene.join("b");
    scene.told("a");
    assert_eq!(scene.told("b"), ["assigned []"]);
    scene.group.leave("b");
    scene.group.leave("b");
    assert_eq!(scene.told("b"), ["left"]);
    assert_eq!(scene.told("b"), ["left"]);
}

#[test]
fn a_leaving_member_that_never_fetches_does_not_keep_its_partitions() {
    let mut scene = Scene::new(1);
    scene.join("a");
    scene.told("a");
    scene.group.leave("a");
    scene.join("b");
    scene.finish(false);
    assert_eq!(scene.told("b"), ["assigned [0]"]);
    assert_eq!(scene.told("a"), ["lost [0]", "left"]);
}

#[test]
fn a_member_that_dies_is_not_waited_for() {
    let mut scene = Scene::new(2);
    scene.join("a");
    scene.join("b");
    scene.told("a");
    scene.told("b");
    scene.group.remove("a");
    assert!(scene.feed_ended("a", 0));
    assert_eq!(scene.told("b"), ["assigned [0]"]);
}

#[test]
fn a_zombie_goes_on_until_it_is_told() {
    let mut scene = Scene::new(2);
    scene.join("a");
    scene.join("b");
    scene.told("a");
    scene.told("b");
    let partition = TopicPartition::new(&Topic::new(TOPIC), 0);
    assert!(scene.group.owns("a", &partition));
    assert!(scene.group.expire("a"));
    assert!(!scene.group.expire("a"), "once");
    assert!(!scene.group.owns("a", &partition));
    assert_eq!(scene.told("b"), ["assigned [0]"]);
    assert!(!scene.feed_ended("a", 0));
    assert_eq!(scene.told("a"), [""; 0]);
    assert!(scene.group.tell_lost("a"));
    assert!(!scene.group.tell_lost("b"), "no zombie");
    assert!(scene.feed_ended("a", 0));
    assert_eq!(scene.told("a"), ["lost [0]", "assigned []"]);
    assert_eq!(scene.told("b"), ["revoked [1]"]);
}

#[test]
fn a_zombie_that_is_asked_for_partitions_owes_nothing_any_more() {
    let mut scene = Scene::new(2);
    scene.join("a");
    scene.told("a");
    scene.join("b");
    scene.told("b");
    scene.group.expire("a");
    assert_eq!(scene.told("b"), ["assigned [0, 1]"]);
    scene.finish(false);
    assert!(!scene.feed_ended("a", 1), "the time-out of the old request is void");
    scene.group.leave("a");
    assert_eq!(scene.told("a"), ["lost [0, 1]", "left"]);
}

#[test]
fn a_topic_made_anew_is_lost_and_assigned_again() {
    let mut scene = Scene::new(2);
    scene.join("a");
    scene.told("a");
    assert!(scene.group.topics_are(&topics(2, 2)));
    assert!(scene.feed_ended("a", 0));
    assert_eq!(scene.told("a"), ["lost [0, 1]", "assigned [0, 1]"]);
    assert_eq!(scene.tenures[&("a".to_owned(), 0)].generation, 2);
    assert!(!scene.group.topics_are(&topics(2, 2)), "no news");
}

#[test]
fn added_partitions_are_assigned_and_nothing_else_is_touched() {
    let mut scene = Scene::new(2);
    scene.join("a");
    scene.told("a");
    scene.group.topics_are(&topics(3, 1));
    assert_eq!(scene.told("a"), ["assigned [2]"]);
    assert!(!scene.feed_ended("a", 0));
}

#[test]
fn a_topic_that_comes_later_is_assigned_then() {
    let mut group = Group::default();
    group.join("a".to_owned(), BTreeSet::from([Topic::new(TOPIC)]));
    assert!(matches!(group.next_told("a"), Some(Told::Assigned(them)) if them.is_empty()));
    group.topics_are(&topics(1, 1));
    assert!(matches!(group.next_told("a"), Some(Told::Assigned(them)) if them.len() == 1));
}
