//! The comparison takes nothing that is under way for a difference, and misses none.

use std::sync::Arc;

use bytes::Bytes;
use keepstep::destination::memory::MemoryDestination;
use keepstep::failed::change::KnownChange;
use keepstep::failed::comparison::{Comparison, ComparisonError, ComparisonParts, Step};
use keepstep::failed::rebuild::Rebuilt;
use keepstep::failed::store::{Progress, Store};
use keepstep::log::embedded::{EmbeddedLog, EmbeddedSettings};
use keepstep::log::{Log, NewRecord};
use keepstep::model::held::{HeldChange, ReleaseReason, Revision};
use keepstep::model::position::Topic;
use tempfile::TempDir;

use super::{
    MINUTE_US, NOON_US, held, lane, letter, open_entries, profile, released, resolved_entries,
};

/// A list, a destination and a dead-letter topic, each of which is told what it has.
struct Bench {
    folder: TempDir,
    log: EmbeddedLog,
    destination: MemoryDestination,
    comparison: Comparison,
    /// How much of the topic the list has read.
    read: i64,
}

impl Bench {
    async fn new() -> Self {
        Self::of(vec![lane().topic_partition.topic]).await
    }

    /// Of a profile with these topics.
    async fn of(topics: Vec<Topic>) -> Self {
        let log = EmbeddedLog::in_memory(EmbeddedSettings::new(Arc::new(|| 1_700_000_000_000)));
        log.create_topic(&lane().topic_partition.topic, 4, false).await.unwrap();
        log.create_topic(&profile().failed_topic(), 1, true).await.unwrap();
        let (folder, destination) = (TempDir::new().unwrap(), MemoryDestination::default());
        let comparison = Comparison::new(ComparisonParts {
            path: folder.path().join("failed.sqlite"),
            profile: profile(),
            topics,
            destination: Arc::new(destination.clone()),
            log: Arc::new(log.clone()),
        });
        Self { folder, log, destination, comparison, read: 0 }
    }

    /// The destination keeps exactly these.
    fn keeps(&self, changes: &[HeldChange]) {
        let mut state = self.destination.state();
        state.held.clear();
        for held in changes {
            state.held.insert((lane(), held.key.clone()), held.clone());
        }
        self.destination.restore(state);
    }

    /// A dead letter comes to the topic.
    async fn append(&self) {
        let record = NewRecord { payload: Some(Bytes::from("a letter")), ..NewRecord::default() };
        self.log.append(&profile().failed_topic(), vec![record]).await.unwrap();
    }

    /// The list reads the next dead letter.
    fn reads(&mut self, held: &HeldChange) {
        self.read += 1;
        let progress = Progress { next_offset: self.read, ..Progress::default() };
        let mut store = Store::open(&self.folder.path().join("failed.sqlite")).unwrap();
        let known = KnownChange::of(&letter(held), None);
        store.apply(&profile(), vec![known], Some(&progress)).unwrap();
    }

    /// The list and the topic know this, as in all that follows.
    async fn knows(&mut self, held: &HeldChange) {
        self.append().await;
        self.reads(held);
    }

    async fn step(&mut self) -> Step {
        self.comparison.step(NOON_US + 100 * MINUTE_US).await.unwrap()
    }

    fn open(&self) -> Vec<u128> {
        let open = open_entries(&self.folder.path().join("failed.sqlite"));
        open.iter().map(|entry| entry.head.record_id.unwrap().0.as_u128()).collect()
    }
}

/// The account with this number, changed at the offset of that number.
fn numbered(number: i64) -> HeldChange {
    held(u128::from(number.unsigned_abs()), number, number)
}

/// Its dead letter is on the topic.
fn published(held: HeldChange) -> HeldChange {
    HeldChange { published: Some(held.revision), ..held }
}

#[tokio::test]
async fn what_both_say_is_right() {
    let mut bench = Bench::new().await;
    assert_eq!(bench.step().await, Step::Agrees);
    for number in [1, 2, 3] {
        bench.knows(&numbered(number)).await;
    }
    bench.keeps(&[1, 2, 3].map(|number| published(numbered(number))));
    assert_eq!(bench.step().await, Step::Agrees);
}

#[tokio::test]
async fn what_the_destination_has_lost_is_noticed() {
    let mut bench = Bench::new().await;
    for number in [1, 2, 3] {
        bench.knows(&numbered(number)).await;
    }
    bench.keeps(&[published(held(2, 2, 2))]);
    assert_eq!(bench.step().await, Step::Doubtful);
    assert_eq!(bench.open(), [1, 2, 3]);
    assert_eq!(bench.step().await, Step::Rebuilt(Rebuilt { open: 1, closed: 2 }));
    assert_eq!(bench.open(), [2]);
    assert_eq!(bench.step().await, Step::Agrees);
}

#[tokio::test]
async fn a_release_that_the_destination_has_lost_is_noticed() {
    let mut bench = Bench::new().await;
    bench.knows(&held(1, 10, 0)).await;
    bench.knows(&released(held(1, 10, 0), ReleaseReason::Dismissed, 5)).await;
    bench.keeps(&[published(held(1, 10, 0))]);
    assert_eq!(bench.step().await, Step::Doubtful);
    assert_eq!(bench.step().await, Step::Rebuilt(Rebuilt { open: 1, closed: 0 }));
    assert_eq!(bench.open(), [1]);
    assert_eq!(bench.step().await, Step::Agrees);
}

/// As when a dead letter could not be read, or the list's file was lost.
#[tokio::test]
async fn a_hold_that_the_list_never_heard_of_is_noticed() {
    let mut bench = Bench::new().await;
    bench.knows(&held(1, 10, 0)).await;
    bench.keeps(&[published(held(1, 10, 0)), published(held(2, 11, 1))]);
    assert_eq!(bench.step().await, Step::Doubtful);
    assert_eq!(bench.step().await, Step::Rebuilt(Rebuilt { open: 2, closed: 0 }));
    assert_eq!(bench.open(), [1, 2]);
}

#[tokio::test]
async fn a_hold_on_its_way_is_no_difference() {
    let mut bench = Bench::new().await;
    bench.keeps(&[held(1, 10, 0)]);
    assert_eq!(bench.step().await, Step::Agrees, "it is not published");
    bench.append().await;
    bench.keeps(&[published(held(1, 10, 0))]);
    assert_eq!(bench.step().await, Step::Doubtful);
    assert_eq!(bench.step().await, Step::Doubtful, "the list has not read it");
    bench.reads(&held(1, 10, 0));
    assert_eq!(bench.step().await, Step::Agrees);
    assert_eq!(bench.step().await, Step::Agrees);
}

#[tokio::test]
async fn a_hold_that_was_released_meanwhile_is_no_difference() {
    let mut bench = Bench::new().await;
    let hold = held(1, 10, 0);
    bench.append().await;
    bench.keeps(&[published(hold.clone())]);
    assert_eq!(bench.step().await, Step::Doubtful);
    bench.append().await;
    bench.reads(&hold);
    bench.reads(&released(hold.clone(), ReleaseReason::Written, 1));
    // And held once more, of which the list has not heard.
    bench.keeps(&[published(held(1, 10, 2))]);
    assert_eq!(bench.step().await, Step::Agrees);
}

#[tokio::test]
async fn a_release_on_its_way_is_no_difference() {
    let mut bench = Bench::new().await;
    let hold = held(1, 10, 0);
    let release = released(hold.clone(), ReleaseReason::Written, 1);
    bench.knows(&hold).await;
    bench.keeps(&[HeldChange { published: Some(hold.revision), ..release.clone() }]);
    assert_eq!(bench.step().await, Step::Agrees, "it is kept until its release is published");
    bench.keeps(&[]);
    bench.append().await;
    assert_eq!(bench.step().await, Step::Doubtful);
    assert_eq!(bench.step().await, Step::Doubtful, "the list has not read it");
    bench.reads(&release);
    assert_eq!(bench.step().await, Step::Agrees);
    assert_eq!(bench.open(), []);
}

#[tokio::test]
async fn a_change_that_is_held_again_meanwhile_is_no_difference() {
    let mut bench = Bench::new().await;
    bench.knows(&held(1, 10, 0)).await;
    bench.keeps(&[]);
    bench.append().await;
    assert_eq!(bench.step().await, Step::Doubtful);
    bench.append().await;
    bench.reads(&released(held(1, 10, 0), ReleaseReason::Written, 1));
    bench.reads(&held(1, 10, 2));
    bench.keeps(&[published(held(1, 10, 2))]);
    assert_eq!(bench.step().await, Step::Agrees);
    assert_eq!(bench.step().await, Step::Agrees);
}

/// A failover may put the destination's clock back, so that its revisions are lower than those that
/// the list has from the lost state.
#[tokio::test]
async fn revisions_lower_than_the_lost_ones_are_followed_after_a_rebuild() {
    let mut bench = Bench::new().await;
    let lost = held(1, 10, 50);
    bench.knows(&lost).await;
    bench.keeps(&[]);
    assert_eq!(bench.step().await, Step::Doubtful);
    assert_eq!(bench.step().await, Step::Rebuilt(Rebuilt { open: 0, closed: 1 }));
    // Held again, at a lower revision: the list passes it over until the next look.
    let again = held(1, 10, 20);
    bench.knows(&again).await;
    assert_eq!(bench.open(), []);
    bench.keeps(&[published(again.clone())]);
    assert_eq!(bench.step().await, Step::Doubtful);
    assert_eq!(bench.step().await, Step::Rebuilt(Rebuilt { open: 1, closed: 0 }));
    assert_eq!(bench.open(), [1]);
    // From here on the list goes by the destination's own revisions.
    bench.knows(&released(again, ReleaseReason::Written, 21)).await;
    assert_eq!(bench.open(), []);
    bench.keeps(&[]);
    assert_eq!(bench.step().await, Step::Agrees);
}

/// The release of a change at a lower revision than the list has, not published yet.
#[tokio::test]
async fn a_rebuild_ends_what_is_released_at_a_lower_revision() {
    let mut bench = Bench::new().await;
    bench.knows(&held(1, 10, 50)).await;
    bench.knows(&held(2, 11, 50)).await;
    bench.keeps(&[released(held(1, 10, 0), ReleaseReason::Written, 1)]);
    assert_eq!(bench.step().await, Step::Doubtful);
    assert_eq!(bench.step().await, Step::Rebuilt(Rebuilt { open: 0, closed: 2 }));
    assert_eq!(
        (bench.open(), resolved_entries(&bench.folder.path().join("failed.sqlite")).len()),
        (vec![], 2)
    );
}

#[tokio::test]
async fn what_is_held_before_a_suspect_meanwhile_does_not_hide_it() {
    let mut bench = Bench::new().await;
    let suspects = [published(held(1, 10, 0)), published(held(2, 20, 0))];
    bench.knows(&held(1, 10, 0)).await;
    bench.keeps(&suspects);
    assert_eq!(bench.step().await, Step::Doubtful);
    let between = published(held(3, 15, 1));
    bench.keeps(&[&suspects[..], &[between]].concat());
    assert_eq!(bench.step().await, Step::Rebuilt(Rebuilt { open: 3, closed: 0 }));
}

#[tokio::test]
async fn without_its_topics_nothing_is_compared() {
    let mut bench = Bench::of(vec![Topic::new("crm.contoso.contact")]).await;
    bench.knows(&held(1, 10, 0)).await;
    let error = bench.comparison.step(NOON_US).await.unwrap_err();
    assert!(
        matches!(error, ComparisonError::NoTopic(topic) if topic.as_str() == "crm.contoso.contact")
    );
    assert_eq!(bench.open(), [1]);
}

#[tokio::test]
async fn entries_of_lanes_that_the_profile_has_no_more_prove_nothing() {
    let mut bench = Bench::of(Vec::new()).await;
    bench.knows(&held(1, 10, 0)).await;
    assert_eq!(bench.step().await, Step::Agrees);
}

/// Enough of them for several pages, with a difference in each.
#[tokio::test]
async fn a_long_list_is_compared_page_by_page() {
    let mut bench = Bench::new().await;
    let all: Vec<HeldChange> = (1..=2_500).map(numbered).collect();
    let known = all.iter().map(|held| KnownChange::of(&letter(held), None)).collect();
    let mut store = Store::open(&bench.folder.path().join("failed.sqlite")).unwrap();
    store.apply(&profile(), known, None).unwrap();
    let mut kept: Vec<HeldChange> = all.into_iter().map(published).collect();
    bench.keeps(&kept);
    assert_eq!(bench.step().await, Step::Agrees);
    kept.remove(2_400);
    bench.keeps(&kept);
    assert_eq!(bench.step().await, Step::Doubtful);
    assert_eq!(bench.step().await, Step::Rebuilt(Rebuilt { open: 2_499, closed: 1 }));
    // One more, with a higher revision than any.
    kept.push(published(HeldChange { revision: Revision(NOON_US * 2), ..held(9_999, 9_999, 0) }));
    bench.keeps(&kept);
    assert_eq!(bench.step().await, Step::Doubtful);
    assert_eq!(bench.step().await, Step::Rebuilt(Rebuilt { open: 2_500, closed: 0 }));
}
