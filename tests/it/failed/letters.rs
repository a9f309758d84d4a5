//! Dead letters in any order, and any number of times, make the same list.

use keepstep::failed::change::KnownChange;
use keepstep::failed::store::Store;
use keepstep::model::dead_letter::DeadLetter;
use keepstep::model::held::{HeldChange, ReleaseReason};
use proptest::prelude::*;
use proptest::sample::Index;

use super::{
    held, lane, letter, open_entries, original, profile, released, resolved_entries, waiting,
};

/// The life of one change: held, tried again a few times, perhaps released, perhaps held once more.
fn life(number: u128, offset: i64) -> impl Strategy<Value = Vec<DeadLetter>> {
    (0..4_i64, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        move |(retries, ends, again, waits)| {
            let first = held(number, offset, offset);
            let first = if waits { waiting(first) } else { first };
            let original = (!waits).then(|| original(number));
            let mut letters = vec![DeadLetter::of(&lane(), &first, original)];
            let later = |change: &HeldChange, minute: i64| HeldChange {
                revision: keepstep::model::held::Revision(change.held_at_us + minute),
                ..change.clone()
            };
            for retry in 1..=retries {
                let attempt = u32::try_from(retry).unwrap();
                letters.push(letter(&HeldChange { attempt, ..later(&first, retry) }));
            }
            if ends {
                letters.push(letter(&released(first.clone(), ReleaseReason::Written, offset + 60)));
                if again {
                    letters.push(letter(&later(&first, 7_200_000_000)));
                }
            }
            letters
        },
    )
}

fn lives() -> impl Strategy<Value = Vec<DeadLetter>> {
    let life = |at: i64| life(u128::from(at.unsigned_abs() % 3 + 1), at);
    (life(1), life(2), life(3), life(4), life(5), life(6))
        .prop_map(|(a, b, c, d, e, f)| [a, b, c, d, e, f].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_order_and_repetition_gives_the_same_list(
        letters in lives(),
        order in prop::collection::vec(any::<Index>(), 0..60),
        cuts in prop::collection::vec(any::<Index>(), 0..4),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let plain = folder.path().join("plain.sqlite");
        super::apply(&plain, &letters);
        // Repetitions anywhere, then each letter once more, last one first; in several batches.
        let mut mixed: Vec<DeadLetter> =
            order.iter().map(|index| index.get(&letters).clone()).collect();
        mixed.extend(letters.iter().rev().cloned());
        let other = folder.path().join("other.sqlite");
        let mut store = Store::open(&other).unwrap();
        let mut begins: Vec<usize> = cuts.iter().map(|cut| cut.index(mixed.len())).collect();
        begins.extend([0, mixed.len()]);
        begins.sort_unstable();
        for pair in begins.windows(2) {
            let batch = &mixed[pair[0]..pair[1]];
            let changes = batch.iter().map(|letter| KnownChange::of(letter, None)).collect();
            store.apply(&profile(), changes, None).unwrap();
        }
        prop_assert_eq!(open_entries(&plain), open_entries(&other));
        prop_assert_eq!(resolved_entries(&plain), resolved_entries(&other));
        // One open entry per record.
        let mut records: Vec<_> =
            open_entries(&plain).into_iter().map(|entry| entry.head.record_id).collect();
        let count = records.len();
        records.dedup();
        prop_assert_eq!(records.len(), count);
    }
}
