//! The records of one entity as they are now, and those that are gone.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use super::dice::Dice;
use super::field::{Field, fields};
use super::party::Party;
use super::phrases::Home;
use super::plain::Plain;
use super::rules::Rules;
use crate::model::entity::EntityDefinition;
use crate::model::record::EntityName;

/// The entities whose records the organisation keeps, in the order in which they are loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::app::demo) enum Kept {
    /// Things sold.
    Product,
    /// Firms.
    Account,
    /// People.
    Contact,
    /// Deals.
    Opportunity,
    /// Things sold in a deal.
    Line,
    /// Links of a many-to-many relationship.
    Link,
}

impl Kept {
    /// All of them.
    pub(in crate::app::demo) const ALL: [Self; 6] =
        [Self::Product, Self::Account, Self::Contact, Self::Opportunity, Self::Line, Self::Link];

    /// Its number.
    pub(super) fn number(self) -> usize {
        self as usize
    }

    /// The one whose records a party is.
    pub(super) fn of(party: Party) -> Option<Self> {
        match party {
            Party::Product => Some(Self::Product),
            Party::Account => Some(Self::Account),
            Party::Contact => Some(Self::Contact),
            Party::Opportunity => Some(Self::Opportunity),
            _ => None,
        }
    }

    /// Whether its changes carry a row version. Those in Dataverse's own encoding never do.
    pub(in crate::app::demo) fn is_versioned(self) -> bool {
        !matches!(self, Self::Contact | Self::Link)
    }
}

/// One record as it is now.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// Its values, one per field.
    pub(super) values: Vec<Plain>,
    /// Version of its last change.
    pub(super) version: i64,
    /// Where it is at home.
    pub(super) home: Home,
    /// Its place among the living.
    seat: usize,
}

/// A record that was deleted and not made again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gone {
    /// Its id.
    pub(super) id: Uuid,
    /// For a link: what it linked.
    pub(super) sides: Option<[Uuid; 2]>,
}

/// The records of one entity.
#[derive(Clone, Debug)]
pub(super) struct Book {
    pub(super) kept: Kept,
    pub(super) name: EntityName,
    pub(super) definition: Arc<EntityDefinition>,
    pub(super) fields: Vec<Field>,
    pub(super) rules: Rules,
    records: HashMap<Uuid, Record>,
    /// Ids of the living, in an order that only the dice know.
    seats: Vec<Uuid>,
    pub(super) gone: Vec<Gone>,
}

impl Book {
    /// No records yet.
    pub(super) fn new(kept: Kept, definition: Arc<EntityDefinition>) -> Self {
        let fields = fields(&definition);
        Self {
            kept,
            name: definition.name.clone(),
            rules: Rules::of(&fields),
            fields,
            definition,
            records: HashMap::new(),
            seats: Vec::new(),
            gone: Vec::new(),
        }
    }

    /// Number of the field of that name.
    pub(super) fn field(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }

    /// The record of that id.
    pub(super) fn record(&self, id: Uuid) -> Option<&Record> {
        self.records.get(&id)
    }

    /// The same, to be changed.
    pub(super) fn record_mut(&mut self, id: Uuid) -> Option<&mut Record> {
        self.records.get_mut(&id)
    }

    /// A record, to be changed by the rules of its entity.
    pub(super) fn open(&mut self, id: Uuid) -> Option<(&[Field], &Rules, &mut Record)> {
        let record = self.records.get_mut(&id)?;
        Some((&self.fields, &self.rules, record))
    }

    /// All records, in the order of their ids.
    pub(super) fn sorted(&self) -> Vec<(&Uuid, &Record)> {
        let mut records: Vec<_> = self.records.iter().collect();
        records.sort_unstable_by_key(|(id, _)| **id);
        records
    }

    /// Number of living records.
    pub(super) fn len(&self) -> usize {
        self.seats.len()
    }

    /// One of the living, if there are any.
    pub(super) fn pick(&self, dice: &mut Dice) -> Option<Uuid> {
        (!self.seats.is_empty()).then(|| *dice.pick(&self.seats))
    }

    /// The living record that came first, or second, and so on, as long as none was removed.
    pub(super) fn seat(&self, number: usize) -> Option<Uuid> {
        self.seats.get(number).copied()
    }

    /// Adds a record.
    pub(super) fn insert(&mut self, id: Uuid, values: Vec<Plain>, home: Home) {
        let record = Record { values, version: 0, home, seat: self.seats.len() };
        self.seats.push(id);
        self.records.insert(id, record);
    }

    /// Takes a record out of the book.
    pub(super) fn remove(&mut self, id: Uuid) {
        let Some(record) = self.records.remove(&id) else {
            return;
        };
        self.seats.swap_remove(record.seat);
        if let Some(moved) = self.seats.get(record.seat)
            && let Some(moved) = self.records.get_mut(moved)
        {
            moved.seat = record.seat;
        }
        self.gone.push(Gone { id, sides: self.sides(&record) });
    }

    /// What a link links.
    fn sides(&self, record: &Record) -> Option<[Uuid; 2]> {
        let intersect = self.definition.intersect.as_ref()?;
        let side = |attribute: &str| match record.values.get(self.field(attribute)?)? {
            Plain::Id(id) => Some(*id),
            _ => None,
        };
        Some([side(&intersect.first.attribute)?, side(&intersect.second.attribute)?])
    }
}
