//! The serial model: what one change after the other makes of a record, in a few lines.
//!
//! It shares no code with batches, pipelines or destinations.

use std::collections::{BTreeMap, BTreeSet};

use keepstep::model::change::{Change, Image, Operation};
use keepstep::model::checkpoint::LaneId;
use keepstep::model::record::{EntityName, RecordId};
use keepstep::model::value::Value;

use super::source::Poison;
use super::store::Stored;

/// One record, as the serial model has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Record {
    pub(super) row: Option<(i64, BTreeMap<String, String>)>,
    pub(super) tombstone: Option<i64>,
    /// Something that nobody could read came; it may have been a create.
    pub(super) unread: bool,
}

impl Record {
    /// Whether this is what was expected. A delete that was held and made void by a later image
    /// left no tombstone, and one that met no row, for what made it was held, left one: below a row
    /// that is not older a tombstone says nothing.
    pub(super) fn is(&self, expected: &Self, was_bad: bool) -> bool {
        let below = |stone: i64| self.row.as_ref().is_some_and(|row| row.0 >= stone);
        let says_nothing = |record: &Self| record.tombstone.is_none_or(below);
        self.row == expected.row
            && (self.tombstone == expected.tombstone
                || (was_bad && says_nothing(self) && says_nothing(expected)))
    }

    /// A change that nobody can read has no effect of its own: what comes later takes its place.
    pub(super) fn meet(&mut self, change: &Change, poison: Poison, versioned: bool) {
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
    pub(super) fn apply(&mut self, change: &Change, versioned: bool) {
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

pub(super) fn texts(change: &Change) -> BTreeMap<String, String> {
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
pub(super) fn said(entity: &str, cells: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let own_key = format!("{entity}id");
    let cells = cells.iter().filter(|(name, _)| **name != own_key);
    cells.map(|(name, text)| (name.clone(), text.clone())).collect()
}

/// What is held in one lane, by record.
pub(super) struct HeldChanges {
    pub(super) records: BTreeMap<RecordId, BTreeSet<usize>>,
}

impl HeldChanges {
    /// Those that stand in the way of this entity, or all.
    pub(super) fn of(stored: &Stored, lane: &LaneId, entity: Option<&str>) -> Self {
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
    pub(super) fn first(&self, id: RecordId) -> Option<usize> {
        self.records.get(&id).and_then(|offsets| offsets.first().copied())
    }
}

/// The record as each beginning of its changes makes it, from none of them to all. What came right
/// before a held change may have been composed with it in one batch, and shared its fate.
pub(super) fn beginnings(
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
pub(super) struct Replay {
    pub(super) next: usize,
    pub(super) records: BTreeMap<RecordId, Record>,
}

impl Replay {
    pub(super) fn to(
        &mut self,
        next: usize,
        changes: &[(Change, Poison)],
        entity: &str,
        versioned: bool,
    ) {
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
