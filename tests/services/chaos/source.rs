//! A source whose records change, and one change in a hundred of which cannot be written.
//!
//! Only images say `note`, so that no later patch of the same batch can mend what the database
//! refuses: what must be held does not depend on where batches end.

use std::collections::BTreeSet;

use bytes::Bytes;
use keepstep::codec::encode_change;
use keepstep::log::NewRecord;
use keepstep::model::change::{Change, Image, Operation, Version};
use keepstep::model::record::{EntityName, RecordId};
use keepstep::model::value::Value;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use uuid::Uuid;

/// Entities, and whether each is versioned. They share one topic.
pub const ENTITIES: [(&str, bool); 3] = [("alpha", true), ("beta", true), ("gamma", false)];
/// Most UTF-16 units of the column `name`.
pub(super) const NAME_UNITS: usize = 20;
/// How the notes begin that the database refuses.
pub const REFUSED_NOTE: &str = "forbidden";
/// Records per entity at the beginning: few, so that they are hot.
const RECORDS: u128 = 500;
/// Of so many changes one is poison.
const ONE_IN: u32 = 100;

/// What is wrong with a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Poison {
    /// A text that is longer than its column.
    TooLong,
    /// A number that does not fit its column.
    OutOfRange,
    /// Only the database knows: a constraint, or a trigger.
    Refused,
    /// Bytes that say nothing.
    Garbled,
    /// No payload.
    Empty,
    /// A patch of a record that nobody has seen.
    NoBase,
    /// The key is another record's.
    WrongKey,
}

impl Poison {
    const ALL: [Self; 7] = [
        Self::TooLong,
        Self::OutOfRange,
        Self::Refused,
        Self::Garbled,
        Self::Empty,
        Self::NoBase,
        Self::WrongKey,
    ];

    /// The cause that the list must name.
    pub(super) fn cause(self) -> &'static str {
        match self {
            Self::TooLong => "text_too_long",
            Self::OutOfRange => "number_out_of_range",
            Self::Refused => "refused",
            Self::Garbled => "undecodable",
            Self::Empty => "null_payload",
            Self::NoBase => "no_base",
            Self::WrongKey => "key_mismatch",
        }
    }
}

/// A change as it was published.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    /// As the source meant it.
    pub(super) change: Change,
    pub(super) poison: Option<Poison>,
    /// The id that it travels under.
    pub(super) key: RecordId,
}

/// What stands in every poison record and must be seen nowhere.
#[derive(Clone, Debug)]
pub(super) struct Canaries {
    /// In texts, bytes and headers.
    pub(super) text: String,
    /// A number that no column takes.
    pub(super) number: i64,
}

impl Canaries {
    /// Those of one run.
    pub(super) fn of(rng: &mut SmallRng) -> Self {
        Self {
            text: format!("canary{:016x}", rng.random::<u64>()),
            number: rng.random_range(1_000_000_000_000_000..9_000_000_000_000_000),
        }
    }

    /// As they would be seen.
    pub(super) fn texts(&self) -> Vec<String> {
        vec![self.text.clone(), self.number.to_string()]
    }
}

/// See the module.
pub(super) struct Source {
    rng: SmallRng,
    canaries: Canaries,
    /// Records that the source has now.
    live: BTreeSet<(usize, u128)>,
    /// Numbers of records that only poison has named so far, per entity.
    next_unseen: u128,
    pool: [Vec<u128>; ENTITIES.len()],
    version: i64,
}

impl Source {
    pub(super) fn new(seed: u64, canaries: Canaries) -> Self {
        let pool = std::array::from_fn(|_| (0..RECORDS).collect());
        let rng = SmallRng::seed_from_u64(seed);
        Self { rng, canaries, live: BTreeSet::new(), next_unseen: RECORDS, pool, version: 0 }
    }

    /// What happens next.
    pub(super) fn next(&mut self) -> Sent {
        self.version += 1;
        let poison = (self.rng.random_range(0..ONE_IN) == 0)
            .then(|| Poison::ALL[self.rng.random_range(0..Poison::ALL.len())]);
        let entity = self.rng.random_range(0..ENTITIES.len());
        let known = self.pool[entity][self.rng.random_range(0..self.pool[entity].len())];
        match poison {
            Some(Poison::NoBase) => {
                let number = self.unseen();
                // The source has it, and changes it again later.
                self.pool[entity].push(number);
                self.live.insert((entity, number));
                let change = self.change(entity, number, Operation::Update, Image::Patch);
                Sent { key: change.record_id, change, poison }
            }
            Some(Poison::WrongKey) => {
                let number = self.unseen();
                let change = self.change(entity, number, Operation::Create, Image::Full);
                Sent { change, poison, key: id(entity, known) }
            }
            _ => self.change_of(entity, known, poison),
        }
    }

    fn unseen(&mut self) -> u128 {
        self.next_unseen += 1;
        self.next_unseen
    }

    fn change_of(&mut self, entity: usize, number: u128, poison: Option<Poison>) -> Sent {
        let roll = self.rng.random_range(0..100);
        let is_live = self.live.contains(&(entity, number));
        let (operation, image) = match roll {
            _ if !is_live => (Operation::Create, Image::Full),
            0..10 => (Operation::Delete, Image::Full),
            10..70 => (Operation::Update, Image::Patch),
            _ => (Operation::Update, Image::Full),
        };
        match operation {
            Operation::Delete => self.live.remove(&(entity, number)),
            _ => self.live.insert((entity, number)),
        };
        let mut change = self.change(entity, number, operation, image);
        let mut poison = poison;
        if operation == Operation::Delete && !can_spoil_a_delete(poison) {
            poison = None;
        }
        let note = format!("{REFUSED_NOTE} {}", self.canaries.text);
        let long = format!("{}{}", self.canaries.text, "x".repeat(NAME_UNITS));
        match poison {
            Some(Poison::TooLong) => say(&mut change, "name", Value::Text(long.into())),
            Some(Poison::OutOfRange) => {
                say(&mut change, "n0", Value::Long(self.canaries.number));
                say(&mut change, "note", Value::Text(self.canaries.text.as_str().into()));
            }
            Some(Poison::Refused) => say(&mut change, "note", Value::Text(note.into())),
            _ => {}
        }
        Sent { key: change.record_id, change, poison }
    }

    fn change(
        &mut self,
        entity: usize,
        number: u128,
        operation: Operation,
        image: Image,
    ) -> Change {
        let (name, versioned) = ENTITIES[entity];
        let mut change = Change {
            organization_id: None,
            entity: EntityName::new(name),
            record_id: id(entity, number),
            operation,
            image,
            version: versioned.then_some(Version(self.version)),
            changed_at: None,
            attributes: Vec::new(),
            correlation_id: None,
            payload_reference: None,
        };
        if operation == Operation::Delete {
            return change;
        }
        let full = image == Image::Full;
        for at in 0..4 {
            if full || self.rng.random_range(0..4) == 0 {
                let value: i32 = self.rng.random_range(0..1_000);
                let value = if value > 100 { Value::Integer(value) } else { Value::Null };
                say(&mut change, &format!("n{at}"), value);
            }
        }
        if full {
            let number: u32 = self.rng.random();
            say(&mut change, "name", Value::Text(format!("name {number:x}").into()));
            say(&mut change, "note", Value::Text(format!("note {number}").into()));
        }
        change
    }

    /// As it lies on the log.
    pub(super) fn record(&self, sent: &Sent) -> NewRecord {
        let canary = || Bytes::from(self.canaries.text.clone());
        let mut record = NewRecord {
            key: Some(sent.key.canonical().into_bytes().into()),
            payload: Some(encode_change(&sent.change).into()),
            ..NewRecord::default()
        };
        match sent.poison {
            None => return record,
            Some(Poison::Empty) => record.payload = None,
            Some(Poison::Garbled) => {
                record.payload = Some(format!("\u{1}\u{2}{}\u{0}", self.canaries.text).into());
            }
            Some(_) => {}
        }
        record.headers.push(("trace".into(), canary()));
        record
    }
}

/// Whether a delete can be spoilt like this: it says nothing but its id.
fn can_spoil_a_delete(poison: Option<Poison>) -> bool {
    matches!(poison, None | Some(Poison::Garbled | Poison::Empty))
}

fn say(change: &mut Change, name: &str, value: Value) {
    change.attributes.retain(|(said, _)| said != name);
    change.attributes.push((name.into(), value));
}

/// No id is given twice, also not by two entities.
fn id(entity: usize, number: u128) -> RecordId {
    RecordId(Uuid::from_u128((entity as u128 + 1) << 64 | number))
}
