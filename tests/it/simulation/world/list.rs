//! The failed-record list of a world, when everything is calm.

use std::collections::BTreeMap;
use std::sync::Arc;

use keepstep::codec::decode_dead_letter;
use keepstep::failed::ListError;
use keepstep::failed::change::KnownChange;
use keepstep::failed::comparison::{Comparison, ComparisonParts, Step};
use keepstep::failed::entry::Entry;
use keepstep::failed::list::{Filter, Step as Next};
use keepstep::failed::store::{Progress, Reader, Store};
use keepstep::log::Log as _;
use keepstep::model::checkpoint::LaneId;
use keepstep::model::dead_letter::{DeadLetter, HeldState};
use keepstep::model::position::{NextOffset, Offset, TopicPartition};
use tokio::time::{Duration, Instant, sleep};

use super::{CALM, Process, Stage, profile_id};

impl Stage {
    /// What is held at the end, and whether the dead-letter topic tells the same.
    pub(super) async fn check_list(&self, lanes: &[LaneId], processes: &[Process]) {
        let end = Instant::now() + CALM;
        while self.store.read().held.iter().any(|(_, held)| held.is_unpublished()) {
            if Instant::now() > end {
                let states: Vec<_> =
                    processes.iter().map(|process| process.status.lanes()).collect();
                return self.oracle.problem(format!("not published in an hour: {states:?}"));
            }
            sleep(Duration::from_secs(1)).await;
        }
        let topic_partition = TopicPartition::new(&profile_id().failed_topic(), 0);
        let bounds = self.log.bounds(&topic_partition).await.unwrap();
        let mut newest: BTreeMap<String, DeadLetter> = BTreeMap::new();
        let mut letters = Vec::new();
        for offset in bounds.start.0..bounds.end.0 {
            let record = self.log.read_at(&topic_partition, Offset(offset)).await.unwrap().unwrap();
            let letter = decode_dead_letter(&record.payload.unwrap()).unwrap();
            let key = letter.key();
            letters.push(letter.clone());
            if newest.get(&key).is_none_or(|before| before.revision < letter.revision) {
                newest.insert(key, letter);
            }
        }
        self.count(|seen| seen.dead_letters += (bounds.end.0 - bounds.start.0).cast_unsigned());
        let open = newest.into_iter().filter(|(_, letter)| letter.state == HeldState::Held);
        let open = open.map(|(key, _)| key).collect();
        // After a fall-back the topic may tell of what was lost with the newer state.
        let falls_back = self.world.may_fall_back && !self.world.sqlite;
        self.oracle.check_held(lanes, (!falls_back).then_some(&open));
        if falls_back || self.world.seed.is_multiple_of(5) {
            self.check_file(letters, bounds.end, falls_back).await;
        }
    }

    /// The failed-record list, made of all dead letters and then compared with the destination, has
    /// open what the destination holds. Only a fall-back may make it wrong before.
    async fn check_file(&self, letters: Vec<DeadLetter>, end: NextOffset, falls_back: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("failed.sqlite");
        let changes: Vec<KnownChange> =
            letters.iter().map(|letter| KnownChange::of(letter, None)).collect();
        let progress = Progress { next_offset: end.0, ..Progress::default() };
        Store::open(&path).unwrap().apply(&profile_id(), changes, Some(&progress)).unwrap();
        let mut comparison = Comparison::new(ComparisonParts {
            path: path.clone(),
            profile: profile_id(),
            topics: vec![self.topic.clone()],
            destination: Arc::clone(&self.destination),
            log: Arc::new(self.log.clone()),
        });
        let mut step = Step::Doubtful;
        for _ in 0..3 {
            step = comparison.step(0).await.unwrap();
            if step != Step::Doubtful {
                break;
            }
        }
        if matches!(step, Step::Rebuilt(_)) && !falls_back {
            self.oracle.problem("the list was rebuilt, and nothing fell back".to_owned());
        }
        let reader = Reader::open(&path).unwrap().expect("it was made");
        let mut heads = Vec::new();
        let all = Filter::default();
        let add = |entry: &Entry| {
            heads.push(entry.head.clone());
            Ok::<_, ListError>(Next::Next)
        };
        reader.entries(&profile_id(), &all, None, add).unwrap();
        let changes =
            heads.iter().flat_map(|head| reader.open_changes(&profile_id(), head).unwrap());
        self.oracle.check_listed(&changes.map(|key| key.text()).collect());
    }
}
