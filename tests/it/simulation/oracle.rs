//! The oracle: a serial model of a few lines, and what must hold at every commit and at the end.
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
use keepstep::model::value::Value;

use super::source::{ENTITIES, Poison, Published};
use super::store::{Store, Stored};

/// One record, as the serial model has it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Record {
    row: Option<(i64, BTreeMap<String, String>)>,
    tombstone: Option<i64>,
    /// Something that nobody could read came; it may have been a create.
    unread: bool,
}

impl Record {
    /// Whether this is what was expected. A delete that was held and made void by a later image
    /// left no tombstone, and one that met no row, for what made it was held, left one: below a row
    /// that is not older a tombstone says nothing.
    fn is(&self, expected: &Self, was_bad: bool) -> bool {
        let below = |stone: i64| self.row.as_ref().is_some_and(|row| row.0 >= stone);
        let says_nothing = |record: &Self| record.tombstone.is_none_or(below);
        self.row == expected.row
            && (self.tombstone == expected.tombstone
                || (was_bad && says_nothing(self) && says_nothing(expected)))
    }

    /// A change that nobody can read has no effect of its own: what comes later takes its place.
    fn meet(&mut self, change: &Change, poison: Poison, versioned: bool) {
        match poison {
            Poison::Garbled | Poison::Empty => self.unread = !versioned,
            _ if self.unread && change.image == Image::Full => {
                self.unread = false;
                let is_delete = change.operation == Operation::Delete;
                let operation = if is_delete { Operation::Delete } else { Operation::Create };
                self.apply(&Change { operation, ..change.clone() }, versioned);
            }
            _ => self.apply(change, versioned),
        }
    }

    /// Promise G3, in ten lines.
    fn apply(&mut self, change: &Change, versioned: bool) {
        let version = change.version.map_or(0, |version| version.0);
        let row_version = self.row.as_ref().map(|row| row.0);
        let newer_than_row = !versioned || row_version.is_none_or(|row| version >= row);
        match (change.operation, change.image) {
            (Operation::Delete, _) if newer_than_row => {
                self.row = None;
                self.tombstone = self.tombstone.max(Some(version));
            }
            (Operation::Delete, _) => {}
            (operation, Image::Full) => {
                let after_delete = match versioned {
                    true => Some(version) > self.tombstone,
                    false => {
                        operation == Operation::Create
                            || self.row.is_some()
                            || self.tombstone.is_none()
                    }
                };
                if newer_than_row && after_delete {
                    self.row = Some((version, texts(change)));
                }
            }
            (_, Image::Patch) => {
                if let Some(row) = &mut self.row
                    && (!versioned || version > row.0)
                {
                    row.0 = version;
                    row.1.extend(texts(change));
                }
            }
        }
        if let Some(row) = &mut self.row {
            row.1.retain(|_, text| text != "null");
        }
    }
}

fn texts(change: &Change) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::Null => "null".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Long(number) => number.to_string(),
        Value::Text(text) => text.to_string(),
        other => panic!("the source does not say {other:?}"),
    };
    change.attributes.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

/// The columns apart from the native key, which the source does not say.
fn said(entity: &str, cells: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let own_key = format!("{entity}id");
    let cells = cells.iter().filter(|(name, _)| **name != own_key);
    cells.map(|(name, text)| (name.clone(), text.clone())).collect()
}

/// What is held in one lane, by record.
struct HeldChanges {
    records: BTreeMap<RecordId, BTreeSet<usize>>,
}

impl HeldChanges {
    /// Those that stand in the way of this entity, or all.
    fn of(stored: &Stored, lane: &LaneId, entity: Option<&str>) -> Self {
        let mut held = Self { records: BTreeMap::new() };
        let open = stored.held.iter().filter(|(of, change)| of == lane && change.open);
        let concerns = |held: Option<&EntityName>| {
            held.is_none_or(|held| entity.is_none_or(|entity| held.as_str() == entity))
        };
        for (_, change) in open.filter(|(_, change)| concerns(change.key.entity.as_ref())) {
            let id = change.key.record_id.expect("every key is a record's id");
            let offset = usize::try_from(change.key.offset.0).unwrap();
            held.records.entry(id).or_default().insert(offset);
        }
        held
    }

    /// The first held change of a record.
    fn first(&self, id: RecordId) -> Option<usize> {
        self.records.get(&id).and_then(|offsets| offsets.first().copied())
    }
}

/// The record as each beginning of its changes makes it, from none of them to all. What came right
/// before a held change may have been composed with it in one batch, and shared its fate.
fn beginnings(
    id: RecordId,
    changes: &[(Change, Poison)],
    entity: &str,
    versioned: bool,
) -> Vec<Record> {
    let mut all = vec![Record::default()];
    let mine = changes
        .iter()
        .filter(|(change, _)| change.record_id == id && change.entity.as_str() == entity);
    for (change, poison) in mine {
        let mut record = all.last().cloned().unwrap_or_default();
        record.meet(change, *poison, versioned);
        all.push(record);
    }
    all
}

/// The serial model of one entity in one lane, up to its cursor.
#[derive(Default)]
struct Replay {
    next: usize,
    records: BTreeMap<RecordId, Record>,
}

impl Replay {
    fn to(&mut self, next: usize, changes: &[(Change, Poison)], entity: &str, versioned: bool) {
        if next < self.next {
            // The destination fell back to an older state.
            *self = Self::default();
        }
        for (change, poison) in &changes[self.next..next] {
            if change.entity.as_str() == entity {
                let record = self.records.entry(change.record_id).or_default();
                record.meet(change, *poison, versioned);
            }
        }
        self.next = next;
    }
}

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
        }
        drop(published);
        if let Some(listed) = listed {
            self.check_listed(listed);
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
