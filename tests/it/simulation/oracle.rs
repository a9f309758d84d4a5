//! The oracle: what must hold at every commit and at the end.
//!
//! It shares no code with batches, pipelines or destinations: it replays what was published, one
//! change after the other, up to the checkpoint, and compares.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use keepstep::model::change::{Change, Image, Operation};
use keepstep::model::checkpoint::{LaneId, Scope};
use keepstep::model::dead_letter::DeadLetter;
use keepstep::model::position::NextOffset;
use keepstep::model::record::{EntityName, RecordId};

use super::serial::{HeldChanges, Record, Replay, beginnings, said};
use super::source::{ENTITIES, Poison, Published};
use super::store::{Store, Stored};

/// How far each entity of a lane has ever come, and whether it was put back since. Belongs to the
/// destination's state, and falls back with it.
#[derive(Clone, Default)]
pub(super) struct Furthest {
    next: BTreeMap<(LaneId, &'static str), usize>,
    put_back: BTreeSet<(LaneId, &'static str)>,
}

pub(super) struct Oracle {
    published: Published,
    store: Store,
    replays: Mutex<BTreeMap<(LaneId, &'static str), Replay>>,
    furthest: Mutex<Furthest>,
    problems: Arc<Mutex<Vec<String>>>,
}

impl Oracle {
    pub(super) fn new(published: Published, store: Store) -> Self {
        Self {
            published,
            store,
            replays: Mutex::default(),
            furthest: Mutex::default(),
            problems: Arc::default(),
        }
    }

    pub(super) fn published(&self) -> Published {
        Arc::clone(&self.published)
    }

    pub(super) fn furthest(&self) -> Furthest {
        self.furthest.lock().unwrap().clone()
    }

    /// The destination is what it was then.
    pub(super) fn falls_back(&self, furthest: Furthest) {
        *self.furthest.lock().unwrap() = furthest;
    }

    pub(super) fn problem(&self, text: String) {
        self.problems.lock().unwrap().push(text);
    }

    pub(super) fn problems(&self) -> Vec<String> {
        self.problems.lock().unwrap().clone()
    }

    /// G1–G4 at a commit: the tables hold exactly what the changes below the checkpoint say.
    pub(super) fn check_lane(&self, lane: &LaneId) {
        let stored = self.store.read();
        for (entity, versioned) in &ENTITIES[..3] {
            if !stored.bound.iter().any(|bound| bound == entity) {
                continue;
            }
            let own = stored.cursors.get(&(lane.clone(), Scope::Entity(EntityName::new(entity))));
            let all = stored.cursors.get(&(lane.clone(), Scope::All));
            if let Some(cursor) = own.or(all) {
                self.compare(&stored, lane, entity, *versioned, *cursor);
            }
        }
    }

    fn compare(
        &self,
        stored: &Stored,
        lane: &LaneId,
        entity: &'static str,
        versioned: bool,
        cursor: NextOffset,
    ) {
        let published = self.published.lock().unwrap();
        let nothing = Vec::new();
        let changes = published.get(&lane.topic_partition).unwrap_or(&nothing);
        let mut replays = self.replays.lock().unwrap();
        let replay = replays.entry((lane.clone(), entity)).or_default();
        let cursor = usize::try_from(cursor.0).unwrap();
        if cursor > changes.len() {
            return self.problem(format!("{lane}: checkpoint {cursor} lies beyond the log"));
        }
        let (next, was_put_back) = self.reached(lane, entity, cursor);
        if cursor < next && !versioned {
            // Rows pass through old values until the replay is at its end.
            return;
        }
        replay.to(next, changes, entity, versioned);
        let held = HeldChanges::of(stored, lane, Some(entity));
        for (id, plain) in &replay.records {
            let key = (entity.to_owned(), *id);
            let row = stored.rows.get(&key).map(|row| (row.0, said(entity, &row.1)));
            let tombstone = stored.tombstones.get(&key).copied();
            let found = Record { row, tombstone, unread: false };
            let was_bad = changes[..next]
                .iter()
                .any(|(change, poison)| change.record_id == *id && *poison != Poison::Fine);
            let fits = |expected: &Record| found.is(expected, was_bad);
            let any_of = |changes| beginnings(*id, changes, entity, versioned).iter().any(fits);
            let is_true = match held.first(*id) {
                // What a replay met again is held behind what was written before; and a value that
                // was put into a change has the version of the one without it.
                Some(_) if was_put_back => any_of(&changes[..next]),
                None if was_bad && cursor < next => any_of(&changes[..next]),
                None => fits(plain),
                Some(first) => any_of(&changes[..first]),
            };
            if !is_true {
                self.problem(format!(
                    "{lane} at {next}: {entity} {id} is {}, and the changes below say {}; held are \
                     {:?} of{}",
                    brief(&found),
                    brief(plain),
                    held.records.get(id),
                    history(*id, entity, &changes[..next])
                ));
            }
        }
        // Nothing that no change below the checkpoint made.
        let of_lane = changes.iter().map(|(change, _)| change.record_id);
        for id in of_lane.collect::<BTreeSet<_>>() {
            let is_there = stored.rows.contains_key(&(entity.to_owned(), id));
            if is_there && !replay.records.contains_key(&id) {
                self.problem(format!("{lane} at {next}: {entity} {id} is there too early"));
            }
        }
    }

    /// How far an entity has ever come, and whether it was put back.
    fn reached(&self, lane: &LaneId, entity: &'static str, cursor: usize) -> (usize, bool) {
        let mut furthest = self.furthest.lock().unwrap();
        let key = (lane.clone(), entity);
        let next = furthest.next.entry(key.clone()).or_default();
        *next = cursor.max(*next);
        let next = *next;
        if cursor < next {
            furthest.put_back.insert(key.clone());
        }
        (next, furthest.put_back.contains(&key))
    }

    /// G5, G7 and G8 when everything is calm: what is held began with something bad, and the
    /// dead-letter topic says the same as the destination.
    pub(super) fn check_held(&self, lanes: &[LaneId], listed: Option<&BTreeSet<String>>) {
        let stored = self.store.read();
        let published = self.published.lock().unwrap();
        for lane in lanes {
            let Some(changes) = published.get(&lane.topic_partition) else { continue };
            for (id, offsets) in HeldChanges::of(&stored, lane, None).records {
                // What was composed with something bad is held with it.
                if offsets.iter().all(|offset| changes[*offset].1 == Poison::Fine) {
                    self.problem(format!("{lane}: {id} is held at {offsets:?}: nothing is bad"));
                }
            }
            self.check_nothing_is_skipped(&stored, lane, changes);
        }
        drop(published);
        if let Some(listed) = listed {
            self.check_listed(listed);
        }
    }

    /// G4 when everything is calm: what was bad is held, or something that came later and had an
    /// effect, whatever the bad one said, took its place.
    fn check_nothing_is_skipped(
        &self,
        stored: &Stored,
        lane: &LaneId,
        changes: &[(Change, Poison)],
    ) {
        let held = HeldChanges::of(stored, lane, None).records;
        for (at, (bad, poison)) in changes.iter().enumerate() {
            let unreadable = match poison {
                Poison::Garbled | Poison::Empty => true,
                Poison::TooBig if stored.bound.iter().any(|it| bad.entity.as_str() == it) => false,
                // The destination may have taken it when it was tried again.
                _ => continue,
            };
            if held.get(&bad.record_id).is_some_and(|offsets| offsets.contains(&at)) {
                continue;
            }
            // An old version that comes again after a newer one has no effect, however bad it is.
            let is_void = changes[..at].iter().any(|(it, poison)| {
                *poison == Poison::Fine
                    && it.record_id == bad.record_id
                    && it.entity == bad.entity
                    && it.version > bad.version
            });
            if is_void && !unreadable {
                continue;
            }
            let concerns = |change: &Change| {
                change.record_id == bad.record_id && (unreadable || change.entity == bad.entity)
            };
            let takes_its_place = |(later, (change, _)): (usize, &(Change, Poison))| {
                let whole = change.operation == Operation::Delete || change.image == Image::Full;
                let before = changes[..later].iter().filter(|(it, poison)| {
                    *poison == Poison::Fine
                        && it.record_id == change.record_id
                        && it.entity == change.entity
                });
                whole && before.into_iter().all(|(it, _)| it.version <= change.version)
            };
            let mut later = changes.iter().enumerate().skip(at + 1);
            if !later.any(|it| concerns(&it.1.0) && takes_its_place(it)) {
                let id = bad.record_id;
                let entity = &bad.entity;
                let of_record = history(id, entity.as_str(), changes);
                self.problem(format!("{lane}: {entity} {id} at {at} is skipped of{of_record}"));
            }
        }
    }

    /// G7: what a list has open is what the destination holds.
    pub(super) fn check_listed(&self, listed: &BTreeSet<String>) {
        let stored = self.store.read();
        let open: BTreeSet<String> = stored
            .held
            .iter()
            .filter(|(_, held)| held.open)
            .map(|(lane, held)| DeadLetter::of(lane, held, None).key())
            .collect();
        if open != *listed {
            let (more, less): (Vec<_>, Vec<_>) =
                (listed.difference(&open).collect(), open.difference(listed).collect());
            self.problem(format!("the list has {more:?} too many and lacks {less:?}"));
        }
    }

    /// Whether every lane of `partitions` is settled to the end of what was published.
    pub(super) fn is_settled(&self, lanes: &[LaneId]) -> bool {
        let published = self.published.lock().unwrap();
        let cursors = self.store.read().cursors;
        lanes.iter().all(|lane| {
            let end = published.get(&lane.topic_partition).map_or(0, Vec::len);
            let mut of_lane = cursors.iter().filter(|((of, _), _)| of == lane).peekable();
            of_lane.peek().is_some() && of_lane.all(|(_, next)| usize::try_from(next.0) == Ok(end))
        })
    }
}

/// The changes of a record, each in a few words.
fn history(id: RecordId, entity: &str, changes: &[(Change, Poison)]) -> String {
    let all = changes.iter().enumerate();
    let mine = all.filter(|(_, (it, _))| it.record_id == id && it.entity.as_str() == entity);
    mine.map(|(offset, (change, poison))| {
        let version = change.version.map_or(0, |version| version.0);
        format!(" {offset}:{:?} {:?} v{version} {poison:?};", change.operation, change.image)
    })
    .collect()
}

fn brief(record: &Record) -> String {
    let row = record.row.as_ref().map(|(version, texts)| {
        let texts: Vec<String> =
            texts.iter().map(|(name, text)| format!("{name}={text:.8}")).collect();
        format!("v{version} {}", texts.join(" "))
    });
    format!("[{} tombstone {:?}]", row.unwrap_or_else(|| "no row".to_owned()), record.tombstone)
}
