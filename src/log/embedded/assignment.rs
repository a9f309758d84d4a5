//! Who of a group gets which partition: a pure function.
//!
//! It promises that every partition of a subscribed topic has exactly one owner, that owners of the
//! same topics differ by at most one partition, and that as few partitions move as that allows.
//! It must never depend on anything but its arguments: same group, same answer.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::position::{Topic, TopicPartition};

/// Members by id, each with the topics it reads.
pub(super) type Subscriptions = BTreeMap<String, BTreeSet<Topic>>;

/// Owner of every partition.
pub(super) type Owners = BTreeMap<TopicPartition, String>;

/// Shares the partitions of `topics` out. Partitions without an owner go round robin, in the order
/// of topic and number, to the members in the order of their ids; then the fullest members give
/// their last partitions to the emptiest until that makes nothing more even.
pub(super) fn assign(
    members: &Subscriptions,
    topics: &BTreeMap<Topic, u32>,
    before: &Owners,
) -> Owners {
    let mut owned: BTreeMap<&str, BTreeSet<TopicPartition>> =
        members.keys().map(|id| (id.as_str(), BTreeSet::new())).collect();
    let mut free = Vec::new();
    for (topic, partitions) in topics {
        for it in (0..*partitions).map(|partition| TopicPartition::new(topic, partition)) {
            let owner = before.get(&it).filter(|id| reads(members, id, topic));
            match owner.and_then(|id| owned.get_mut(id.as_str())) {
                Some(partitions) => {
                    partitions.insert(it);
                }
                None => free.push(it),
            }
        }
    }
    for it in free {
        let to = emptiest(members, &owned, &it.topic);
        if let Some(partitions) = to.and_then(|id| owned.get_mut(id)) {
            partitions.insert(it);
        }
    }
    while even_out(members, &mut owned) {}
    owned
        .into_iter()
        .flat_map(|(id, partitions)| partitions.into_iter().map(move |it| (it, id.to_owned())))
        .collect()
}

fn reads(members: &Subscriptions, id: &str, topic: &Topic) -> bool {
    members.get(id).is_some_and(|topics| topics.contains(topic))
}

/// The member with the fewest partitions among those that read `topic`.
fn emptiest<'a>(
    members: &'a Subscriptions,
    owned: &BTreeMap<&str, BTreeSet<TopicPartition>>,
    topic: &Topic,
) -> Option<&'a str> {
    let readers = members.iter().filter(|(_, topics)| topics.contains(topic));
    readers
        .map(|(id, _)| id.as_str())
        .min_by_key(|id| (owned.get(*id).map_or(0, BTreeSet::len), *id))
}

/// Moves one partition to where it makes the shares more even; `false` if none does. Each move
/// makes the sum of squares of the shares smaller, so this comes to an end.
fn even_out(members: &Subscriptions, owned: &mut BTreeMap<&str, BTreeSet<TopicPartition>>) -> bool {
    let mut fullest: Vec<(usize, &str)> =
        owned.iter().map(|(id, partitions)| (partitions.len(), *id)).collect();
    fullest.sort_unstable_by(|a, b| b.cmp(a));
    for (size, id) in fullest {
        let movable = owned.get(id).into_iter().flatten().rev().find_map(|it| {
            let to = emptiest(members, owned, &it.topic)?;
            (owned.get(to)?.len() + 1 < size).then(|| (it.clone(), to))
        });
        if let Some((partition, to)) = movable {
            if let Some(from) = owned.get_mut(id) {
                from.remove(&partition);
            }
            if let Some(partitions) = owned.get_mut(to) {
                partitions.insert(partition);
            }
            return true;
        }
    }
    false
}

#[cfg(test)]
#[path = "assignment_test.rs"]
mod tests;
