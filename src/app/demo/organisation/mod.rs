//! A believable organisation, made of a seed: what it holds, what happens to it, and what a
//! database that is kept in step must show in the end.
//!
//! Promises: the same seed, size and definitions give the same changes in the same order, on any
//! machine; the number of changes is exactly the one asked for; what must be shown is computed from
//! the values themselves ([`plain`]) and never by the product's own batches, mapping or
//! destinations. Holds everything in memory: about 3 KB a record.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use compact_str::CompactString;
use uuid::Uuid;

use self::book::Book;
use self::dice::Dice;
use self::party::Party;
use self::phrases::Home;
use self::plain::Plain;
use crate::model::change::{Change, Image, Operation, SnapshotMarker, SnapshotPhase, Version};
use crate::model::entity::EntityDefinition;
use crate::model::record::RecordId;
use crate::model::value::{Ticks, Value};

mod book;
mod dice;
mod expectation;
mod field;
mod live;
mod maker;
mod making;
mod party;
mod phrases;
mod plain;
mod rules;
mod said;
mod words;

pub(super) use self::book::Kept;
pub(super) use self::expectation::ExpectedTable;
pub(super) use self::plain::Shown;
pub(super) use self::said::Said;

/// Raised whenever the same seed would give other changes than before: a demo that was begun by
/// another version of the generator cannot be continued.
pub(super) const GENERATOR_VERSION: u32 = 1;

/// Namespace of link ids, as `schemas/README.md` fixes it.
const LINK_NAMESPACE: Uuid = Uuid::from_u128(0x6b65_6570_7374_5570_8c1f_6c69_6e6b_0001);
/// Begin of the organisation's time: 6 January 2025, 08:00 UTC, in 100 ns since 1970.
const FIRST_MORNING: i64 = 1_736_150_400 * 10_000_000;
/// Ticks at 1970-01-01, as .NET counts them.
const TICKS_AT_1970: i64 = 621_355_968_000_000_000;
/// Most notifications that are kept back to come late.
const MOST_LATE: usize = 256;

/// Something that the organisation says.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// A record changed.
    Change(Kept, Change),
    /// A load begins or ends.
    Marker(Kept, SnapshotMarker),
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Begin,
    Load(usize),
    End,
    Live,
}

/// The organisation.
pub(super) struct Organisation {
    dice: Dice,
    /// The organisation's time, in 100 ns since 1970.
    now: i64,
    version: i64,
    organization_id: Uuid,
    sync_id: Uuid,
    changes: u64,
    said: Said,
    stage: Stage,
    books: Vec<Book>,
    /// Numbers of the fields that users change, per entity.
    editable: Vec<Vec<usize>>,
    /// The entities that the links link.
    sides: [Kept; 2],
    /// Ids of what is only referred to, per party.
    pools: Vec<Vec<Uuid>>,
    referrers: HashMap<Uuid, Vec<(Kept, Uuid, usize)>>,
    late: VecDeque<(Kept, Change)>,
    /// Records that change all the time.
    hot: Vec<(Kept, Uuid)>,
}

impl Organisation {
    /// An organisation to which so many changes will happen. The definitions come in the order of
    /// [`Kept::ALL`].
    pub(super) fn new(definitions: &[Arc<EntityDefinition>], seed: u64, changes: u64) -> Self {
        let mut dice = Dice::new(seed);
        let (organization_id, sync_id) = (dice.id(), dice.id());
        let pool = |party: Party| (0..party.pool_size()).map(|_| dice.id()).collect();
        let pools = Party::ALL.into_iter().map(pool).collect();
        let books: Vec<Book> = Kept::ALL
            .into_iter()
            .zip(definitions)
            .map(|(kept, definition)| Book::new(kept, Arc::clone(definition)))
            .collect();
        let editable = books.iter().map(|book| {
            let fields = book.fields.iter().enumerate();
            fields.filter(|(_, field)| field.is_editable()).map(|(at, _)| at).collect()
        });
        Self {
            now: FIRST_MORNING,
            version: 1_000_000,
            organization_id,
            sync_id,
            changes,
            said: Said::default(),
            stage: Stage::Begin,
            editable: editable.collect(),
            sides: sides(&books),
            books,
            pools,
            referrers: HashMap::new(),
            late: VecDeque::new(),
            hot: Vec::new(),
            dice,
        }
    }

    /// What happens next; nothing more once all changes have happened.
    pub(super) fn next(&mut self, items: &mut Vec<Item>) {
        items.clear();
        match self.stage {
            Stage::Begin => {
                self.markers(SnapshotPhase::Begin, items);
                self.stage = Stage::Load(0);
            }
            Stage::Load(number) => self.load(number, items),
            Stage::End => {
                self.markers(SnapshotPhase::End, items);
                self.choose_hot();
                self.stage = Stage::Live;
            }
            Stage::Live => {
                while items.is_empty() && !self.is_over() {
                    self.act(self.changes - self.said.changes(), items);
                }
            }
        }
    }

    /// How many records are there before anything happens.
    fn load_size(&self, kept: Kept) -> u64 {
        let per_mille = |share: u64| (self.changes * share / 1_000).max(1);
        match kept {
            Kept::Product => per_mille(1).min(400),
            Kept::Account => per_mille(30),
            Kept::Contact => per_mille(80),
            Kept::Opportunity => per_mille(50),
            Kept::Line => per_mille(80),
            Kept::Link => per_mille(30),
        }
    }

    fn load(&mut self, number: usize, items: &mut Vec<Item>) {
        let kept = Kept::ALL[number];
        self.now += self.dice.within(10_000..=90_000);
        let size = self.load_size(kept);
        if self.books[kept.number()].len() as u64 >= size || self.is_over() {
            let next = number + 1;
            self.stage = if next < Kept::ALL.len() { Stage::Load(next) } else { Stage::End };
            return;
        }
        match kept {
            Kept::Link => self.associate(items),
            // An initial sync beside live changes needs versions; without them records are made.
            kept if kept.is_versioned() => self.create(kept, Operation::Snapshot, items),
            kept => self.create(kept, Operation::Create, items),
        }
    }

    fn choose_hot(&mut self) {
        let wanted = [
            (Kept::Account, 0),
            (Kept::Account, 1),
            (Kept::Contact, 0),
            (Kept::Opportunity, 0),
            (Kept::Opportunity, 1),
            (Kept::Line, 0),
        ];
        let found = wanted
            .into_iter()
            .filter_map(|(kept, number)| Some((kept, self.books[kept.number()].seat(number)?)));
        self.hot = found.collect();
    }

    fn markers(&mut self, phase: SnapshotPhase, items: &mut Vec<Item>) {
        for book in self.books.iter().filter(|book| book.kept.is_versioned()) {
            let marker = SnapshotMarker {
                organization_id: Some(self.organization_id),
                entity: book.name.clone(),
                phase,
                sync_id: self.sync_id,
                marked_at: Ticks::new(self.now + TICKS_AT_1970),
            };
            items.push(Item::Marker(book.kept, marker));
        }
    }

    /// Says that a record changed, as it stands in its book now.
    fn say(
        &mut self,
        kept: Kept,
        id: Uuid,
        operation: Operation,
        image: Image,
        touched: &[usize],
        items: &mut Vec<Item>,
    ) {
        let version = kept.is_versioned().then(|| {
            self.version += 1;
            self.version
        });
        self.said.count(operation, image);
        let correlation_id = self.dice.id();
        let attributes = match (operation, image) {
            (Operation::Delete, _) if kept != Kept::Link => Vec::new(),
            (Operation::Delete, _) => self.attributes(kept, id, None),
            (_, Image::Full) => self.attributes(kept, id, None),
            (_, Image::Patch) => self.attributes(kept, id, Some(touched)),
        };
        if let (Some(version), Some(record)) = (version, self.books[kept.number()].record_mut(id)) {
            record.version = version;
        }
        let change = Change {
            organization_id: Some(self.organization_id),
            entity: self.books[kept.number()].name.clone(),
            record_id: RecordId(id),
            operation,
            image,
            version: version.map(Version),
            changed_at: Ticks::new(self.now + TICKS_AT_1970),
            attributes,
            correlation_id: Some(correlation_id),
            payload_reference: None,
        };
        let may_repeat = version.is_some() && operation != Operation::Snapshot;
        if may_repeat && self.late.len() < MOST_LATE && self.dice.chance(30) {
            self.late.push_back((kept, change.clone()));
        }
        items.push(Item::Change(kept, change));
    }

    /// Attributes of a record: the touched ones, or all that are set. A full image may name an empty
    /// field or leave it out; both mean null.
    fn attributes(
        &mut self,
        kept: Kept,
        id: Uuid,
        touched: Option<&[usize]>,
    ) -> Vec<(CompactString, Value)> {
        let book = &self.books[kept.number()];
        let Some(record) = book.record(id) else {
            return Vec::new();
        };
        let attribute = |at: usize| {
            let field = &book.fields[at];
            (field.name.clone(), record.values[at].to_value(&field.kind))
        };
        if let Some(touched) = touched {
            return touched.iter().map(|at| attribute(*at)).collect();
        }
        let mut attributes = Vec::with_capacity(record.values.len());
        for (at, value) in record.values.iter().enumerate() {
            let named =
                *value != Plain::Nothing || (book.fields[at].has_column() && self.dice.chance(40));
            if named {
                attributes.push(attribute(at));
            }
        }
        attributes
    }

    fn currency(&self, home: Home) -> Plain {
        let pool = &self.pools[Party::Currency as usize];
        let id = pool.get(home.number() % pool.len().max(1));
        id.map_or(Plain::Nothing, |id| Plain::Link(*id, Party::Currency))
    }

    fn link_id(&self, first: Uuid, second: Uuid) -> Uuid {
        let name = format!("{}/{first}/{second}", self.books[Kept::Link.number()].name);
        Uuid::new_v5(&LINK_NAMESPACE, name.as_bytes())
    }
}

/// What the links link, as the definition of the intersect entity says.
fn sides(books: &[Book]) -> [Kept; 2] {
    let intersect =
        books.get(Kept::Link.number()).and_then(|book| book.definition.intersect.as_ref());
    let kept = |entity: &str| Party::of(entity).and_then(Kept::of);
    intersect
        .and_then(|intersect| {
            Some([kept(intersect.first.entity.as_str())?, kept(intersect.second.entity.as_str())?])
        })
        .unwrap_or([Kept::Contact, Kept::Opportunity])
}
