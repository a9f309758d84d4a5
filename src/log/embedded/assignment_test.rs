//! Shares, moves and their limits.

use super::*;
use proptest::prelude::*;

fn topics(counts: &[(&str, u32)]) -> BTreeMap<Topic, u32> {
    counts.iter().map(|(name, count)| (Topic::new(name), *count)).collect()
}

fn members(ids: &[&str], names: &[&str]) -> Subscriptions {
    let names: BTreeSet<Topic> = names.iter().map(|name| Topic::new(name)).collect();
    ids.iter().map(|id| ((*id).to_owned(), names.clone())).collect()
}

fn shares(owners: &Owners) -> BTreeMap<&str, usize> {
    let mut shares = BTreeMap::new();
    for id in owners.values() {
        *shares.entry(id.as_str()).or_default() += 1;
    }
    shares
}

fn moved(before: &Owners, after: &Owners) -> usize {
    before.iter().filter(|(partition, id)| after.get(*partition) != Some(*id)).count()
}

#[test]
fn a_new_group_is_dealt_round_robin() {
    let owners = assign(&members(&["a", "b"], &["t"]), &topics(&[("t", 4)]), &Owners::new());
    let ids: Vec<&str> = owners.values().map(String::as_str).collect();
    assert_eq!(ids, ["a", "b", "a", "b"]);
}

#[test]
fn a_second_member_gets_half_and_nothing_else_moves() {
    let topics = topics(&[("t", 12)]);
    let before = assign(&members(&["a"], &["t"]), &topics, &Owners::new());
    let after = assign(&members(&["a", "b"], &["t"]), &topics, &before);
    assert_eq!(shares(&after), BTreeMap::from([("a", 6), ("b", 6)]));
    assert_eq!(moved(&before, &after), 6);
}

#[test]
fn when_a_member_goes_only_its_partitions_move() {
    let topics = topics(&[("t", 7), ("u", 2)]);
    let before = assign(&members(&["a", "b", "c"], &["t", "u"]), &topics, &Owners::new());
    let after = assign(&members(&["a", "c"], &["t", "u"]), &topics, &before);
    assert_eq!(moved(&before, &after), 3);
    assert_eq!(shares(&after), BTreeMap::from([("a", 5), ("c", 4)]));
}

#[test]
fn added_partitions_move_nothing_that_has_an_owner() {
    let group = members(&["a", "b"], &["t"]);
    let before = assign(&group, &topics(&[("t", 4)]), &Owners::new());
    let after = assign(&group, &topics(&[("t", 6)]), &before);
    assert_eq!(moved(&before, &after), 0);
    assert_eq!(shares(&after), BTreeMap::from([("a", 3), ("b", 3)]));
}

#[test]
fn a_member_gets_nothing_of_a_topic_that_it_does_not_read() {
    let mut group = members(&["a"], &["t"]);
    group.extend(members(&["b"], &["u"]));
    let owners = assign(&group, &topics(&[("t", 3), ("u", 1)]), &Owners::new());
    assert_eq!(shares(&owners), BTreeMap::from([("a", 3), ("b", 1)]));
    let nobody = assign(&members(&["b"], &["u"]), &topics(&[("t", 3)]), &Owners::new());
    assert!(nobody.is_empty());
}

proptest! {
    /// Everything has an owner, shares are even, and no more moves than evenness asks for.
    #[test]
    fn shares_are_whole_even_and_sticky(
        steps in prop::collection::vec((prop::collection::btree_set(0_u8..6, 1..6), 1_u32..40), 1..8),
    ) {
        let mut before = Owners::new();
        let mut count = 0;
        for (ids, partitions) in steps {
            count = partitions.max(count);
            let ids: Vec<String> = ids.iter().map(|id| format!("m{id}")).collect();
            let group = members(&ids.iter().map(String::as_str).collect::<Vec<_>>(), &["t"]);
            let after = assign(&group, &topics(&[("t", count)]), &before);
            prop_assert_eq!(after.len(), count as usize);
            let (least, most) = (count as usize / ids.len(), (count as usize).div_ceil(ids.len()));
            let mut surplus = 0;
            for id in &ids {
                let share = after.values().filter(|owner| *owner == id).count();
                prop_assert!((least..=most).contains(&share));
                let had = before.values().filter(|owner| *owner == id).count();
                surplus += had.saturating_sub(least);
            }
            let staying = before.iter().filter(|(_, id)| ids.contains(id));
            let stay_moved = staying.filter(|(it, id)| after.get(*it) != Some(*id)).count();
            prop_assert!(stay_moved <= surplus);
            before = after;
        }
    }
}
