//! One consumer group: who is in it, who holds what, and what each member is told next.
//!
//! A state machine without clock, tasks or waiting: the coordinator calls it, waits for answers and
//! gives time-outs. It promises that a partition is given to a member only after the one before has
//! answered, has been given up on or has died; and that only partitions that move are asked for.
//! Two members hold one partition only where real logs allow it too: a member that the group
//! believes dead ([`Group::expire`]) and that lives on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::oneshot;

use super::assignment::{Owners, Subscriptions, assign};
use super::tenure::Tenure;
use crate::model::position::{Topic, TopicPartition};

/// What the group knows of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TopicState {
    /// Which making of the topic this is.
    pub(super) generation: i64,
    /// Number of partitions.
    pub(super) partitions: u32,
}

/// All topics of a log.
pub(super) type Topics = BTreeMap<Topic, TopicState>;

/// Number of a revocation, unique in its group.
pub(super) type RevokeId = u64;

/// An answer to wait for.
pub(super) struct Awaited {
    pub(super) member: String,
    pub(super) revoke: RevokeId,
    pub(super) answer: oneshot::Receiver<()>,
}

/// What a member is told.
pub(super) enum Told {
    Assigned(Vec<(TopicPartition, Arc<Tenure>)>),
    Revoked { partitions: Vec<TopicPartition>, done: oneshot::Sender<()> },
    Lost(Vec<TopicPartition>),
    Left,
}

/// A request to give partitions back.
struct Revoke {
    partitions: BTreeSet<TopicPartition>,
    /// There until the member is told.
    done: Option<oneshot::Sender<()>>,
}

/// How the group sees a member.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It is one of the group.
    Counted,
    /// The group believes it dead; it has not noticed.
    Zombie,
    /// It is about to hear that it lost everything; then it is counted again.
    Expelled,
}

struct MemberState {
    topics: BTreeSet<Topic>,
    standing: Standing,
    leaving: bool,
    /// Whether it has been told of an assignment, be it empty.
    greeted: bool,
    granted: BTreeSet<TopicPartition>,
    held: BTreeMap<TopicPartition, Arc<Tenure>>,
    revokes: BTreeMap<RevokeId, Revoke>,
    lost: BTreeSet<TopicPartition>,
}

impl MemberState {
    fn takes_part(&self) -> bool {
        self.standing == Standing::Counted && !self.leaving
    }

    /// All feeds end, and all partitions are lost.
    fn lose_everything(&mut self) {
        self.held.values().for_each(|tenure| tenure.end());
        self.lost.extend(std::mem::take(&mut self.held).into_keys());
        self.revokes.clear();
        self.granted.clear();
        self.standing = Standing::Expelled;
    }

    /// Partitions that nobody else may have yet.
    fn busy(&self) -> impl Iterator<Item = &TopicPartition> {
        let asked = self.revokes.values().flat_map(|revoke| &revoke.partitions);
        self.granted.iter().chain(self.held.keys()).chain(asked)
    }
}

/// A consumer group.
#[derive(Default)]
pub(super) struct Group {
    topics: Arc<Topics>,
    members: BTreeMap<String, MemberState>,
    target: Owners,
    revokes: RevokeId,
    awaited: Vec<Awaited>,
}

impl Group {
    /// Whether nobody is left, zombies included.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Ids of those whom the group counts as members.
    pub(super) fn members(&self) -> Vec<String> {
        let counted = self.members.iter().filter(|(_, it)| it.standing == Standing::Counted);
        counted.map(|(id, _)| id.clone()).collect()
    }

    /// Whether the partition is this member's, as far as the group knows.
    pub(super) fn owns(&self, id: &str, topic_partition: &TopicPartition) -> bool {
        self.members.get(id).is_some_and(|member| {
            member.standing == Standing::Counted && member.busy().any(|it| it == topic_partition)
        })
    }

    /// Answers that must be waited for since the last call.
    pub(super) fn take_awaited(&mut self) -> Vec<Awaited> {
        std::mem::take(&mut self.awaited)
    }

    /// A member comes.
    pub(super) fn join(&mut self, id: String, topics: BTreeSet<Topic>) {
        let member = MemberState {
            topics,
            standing: Standing::Counted,
            leaving: false,
            greeted: false,
            granted: BTreeSet::new(),
            held: BTreeMap::new(),
            revokes: BTreeMap::new(),
            lost: BTreeSet::new(),
        };
        self.members.insert(id, member);
        self.settle();
    }

    /// A member wants to go, in good order.
    pub(super) fn leave(&mut self, id: &str) {
        let Some(member) = self.members.get_mut(id) else { return };
        member.leaving = true;
        if member.standing == Standing::Zombie {
            member.lose_everything();
        }
        self.settle();
    }

    /// A member is gone, without a word.
    pub(super) fn remove(&mut self, id: &str) {
        if let Some(mut member) = self.members.remove(id) {
            member.lose_everything();
            self.settle();
        }
    }

    /// The group takes a member for dead and gives its partitions away at once. The member goes on:
    /// its feeds deliver until [`Self::tell_lost`].
    pub(super) fn expire(&mut self, id: &str) -> bool {
        let counted =
            self.members.get_mut(id).filter(|member| member.standing == Standing::Counted);
        let Some(member) = counted else { return false };
        member.standing = Standing::Zombie;
        member.granted.clear();
        member.revokes.clear();
        self.settle();
        true
    }

    /// A member that was taken for dead hears of it.
    pub(super) fn tell_lost(&mut self, id: &str) -> bool {
        let zombie = self.members.get_mut(id).filter(|it| it.standing == Standing::Zombie);
        zombie.map(MemberState::lose_everything).is_some()
    }

    /// Feeds of a partition, zombies' too.
    pub(super) fn tenures(&self, partition: &TopicPartition) -> impl Iterator<Item = &Arc<Tenure>> {
        self.members.values().filter_map(move |member| member.held.get(partition))
    }

    /// Topics came, were made anew, or got more partitions. True if that is news.
    pub(super) fn topics_are(&mut self, topics: &Arc<Topics>) -> bool {
        if Arc::ptr_eq(&self.topics, topics) || self.topics == *topics {
            return false;
        }
        let made_anew: BTreeSet<Topic> = self
            .topics
            .iter()
            .filter(|(topic, state)| {
                topics.get(*topic).is_none_or(|now| now.generation != state.generation)
            })
            .map(|(topic, _)| topic.clone())
            .collect();
        for member in self.members.values_mut().filter(|it| it.standing == Standing::Counted) {
            let gone = |it: &TopicPartition| made_anew.contains(&it.topic);
            for (partition, tenure) in member.held.extract_if(.., |partition, _| gone(partition)) {
                tenure.end();
                member.lost.insert(partition);
            }
            member.granted.retain(|it| !gone(it));
            for revoke in member.revokes.values_mut() {
                revoke.partitions.retain(|it| !gone(it));
            }
        }
        self.topics = Arc::clone(topics);
        self.settle();
        true
    }

    /// A revocation was answered, or its time is up.
    pub(super) fn finish_revoke(&mut self, id: &str, revoke: RevokeId, answered: bool) {
        let Some(member) = self.members.get_mut(id) else { return };
        let Some(revoke) = member.revokes.remove(&revoke) else { return };
        // A member that did not even fetch the request is dead to the group.
        if !answered && revoke.done.is_some() {
            member.lose_everything();
        }
        self.settle();
    }

    /// What the member is told next, if there is anything.
    pub(super) fn next_told(&mut self, id: &str) -> Option<Told> {
        self.count_again(id);
        let Some(member) = self.members.get_mut(id) else { return Some(Told::Left) };
        if member.standing == Standing::Zombie {
            return None;
        }
        if !member.lost.is_empty() {
            return Some(Told::Lost(std::mem::take(&mut member.lost).into_iter().collect()));
        }
        for revoke in member.revokes.values_mut() {
            if let Some(done) = revoke.done.take() {
                let partitions: Vec<_> = revoke.partitions.iter().cloned().collect();
                for tenure in partitions.iter().filter_map(|it| member.held.remove(it)) {
                    tenure.end();
                }
                return Some(Told::Revoked { partitions, done });
            }
        }
        if member.leaving {
            if member.revokes.is_empty() {
                self.members.remove(id);
                return Some(Told::Left);
            }
            return None;
        }
        if member.greeted && member.granted.is_empty() {
            return None;
        }
        member.greeted = true;
        let granted = std::mem::take(&mut member.granted);
        let topics = &self.topics;
        let tenures = granted.into_iter().map(|it| {
            let generation = topics.get(&it.topic).map_or(0, |state| state.generation);
            (it, Arc::new(Tenure::new(generation)))
        });
        let assigned: Vec<_> = tenures.collect();
        member.held.extend(assigned.iter().cloned());
        Some(Told::Assigned(assigned))
    }

    /// A member that was expelled and has come back to hear of it is one of the group again.
    fn count_again(&mut self, id: &str) {
        let expelled = self.members.get_mut(id).filter(|it| it.standing == Standing::Expelled);
        if let Some(member) = expelled {
            member.standing = Standing::Counted;
            member.greeted = false;
            self.settle();
        }
    }

    /// Works out who is to have what, asks back what moves, and grants what is free.
    fn settle(&mut self) {
        self.retarget();
        for (id, member) in &mut self.members {
            if member.standing != Standing::Counted {
                continue;
            }
            let target = &self.target;
            let stays = |it: &TopicPartition| target.get(it) == Some(id);
            member.granted.retain(stays);
            for revoke in member.revokes.values_mut().filter(|revoke| revoke.done.is_some()) {
                revoke.partitions.retain(|it| !stays(it));
            }
            member
                .revokes
                .retain(|_, revoke| revoke.done.is_none() || !revoke.partitions.is_empty());
            let asked: BTreeSet<TopicPartition> =
                member.revokes.values().flat_map(|it| it.partitions.iter().cloned()).collect();
            let held = member.held.keys();
            let moves: BTreeSet<TopicPartition> =
                held.filter(|it| !stays(it) && !asked.contains(*it)).cloned().collect();
            if moves.is_empty() {
                continue;
            }
            self.revokes += 1;
            let (done, answer) = oneshot::channel();
            let revoke = Revoke { partitions: moves, done: Some(done) };
            member.revokes.insert(self.revokes, revoke);
            self.awaited.push(Awaited { member: id.clone(), revoke: self.revokes, answer });
        }
        self.grant();
    }

    fn retarget(&mut self) {
        let taking_part = self.members.iter().filter(|(_, member)| member.takes_part());
        let subscriptions: Subscriptions =
            taking_part.map(|(id, member)| (id.clone(), member.topics.clone())).collect();
        let counts =
            self.topics.iter().map(|(topic, state)| (topic.clone(), state.partitions)).collect();
        self.target = assign(&subscriptions, &counts, &self.target);
    }

    fn grant(&mut self) {
        let counted = self.members.values().filter(|it| it.standing == Standing::Counted);
        let busy: BTreeSet<TopicPartition> = counted.flat_map(|it| it.busy().cloned()).collect();
        for (partition, id) in self.target.iter().filter(|(it, _)| !busy.contains(*it)) {
            if let Some(member) = self.members.get_mut(id) {
                member.granted.insert(partition.clone());
            }
        }
    }
}

#[cfg(test)]
#[path = "group_test.rs"]
mod tests;
