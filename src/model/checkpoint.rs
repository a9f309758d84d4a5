//! How far a lane has come, per entity, and the fence that keeps it true.
//!
//! One cursor stands for all entities of a topic's partition until one differs (paused, added
//! later, replayed); that one then has a cursor of its own. A lane reads from the lowest and
//! applies a change only at or above its entity's cursor.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::position::{NextOffset, Offset, TopicPartition};
use super::profile::ProfileId;
use super::record::EntityName;

/// A lane by name: one partition of one profile.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId {
    /// The profile.
    pub profile: ProfileId,
    /// The partition.
    pub topic_partition: TopicPartition,
}

impl std::fmt::Display for LaneId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.profile, self.topic_partition)
    }
}

/// Random token of whoever took a lane last. It ends zombies early; safety does not rest on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerToken(pub Uuid);

/// What a cursor speaks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// All entities that have no cursor of their own.
    All,
    /// One entity.
    Entity(EntityName),
}

impl Scope {
    /// As the destination's table stores it: an empty text stands for all.
    pub fn as_str(&self) -> &str {
        match self {
            Self::All => "",
            Self::Entity(name) => name.as_str(),
        }
    }

    /// From the stored text.
    pub fn from_stored(text: &str) -> Self {
        if text.is_empty() { Self::All } else { Self::Entity(EntityName::new(text)) }
    }
}

/// What the last settled record looked like, to notice a topic that was made anew (promise G10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Its offset.
    pub offset: Offset,
    /// Its time on the log, ms since 1970.
    pub timestamp_ms: i64,
    /// Bytes of key and payload together.
    pub length_bytes: u32,
    /// CRC-32 of key and payload.
    pub crc: u32,
}

impl Fingerprint {
    /// Says that no record is known: whatever lies on the log is as it should be.
    pub const FORGOTTEN: Self =
        Self { offset: Offset(-1), timestamp_ms: 0, length_bytes: 0, crc: 0 };
}

/// How far one scope has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// What it speaks for.
    pub scope: Scope,
    /// The next offset to apply.
    pub next: NextOffset,
    /// The last record before `next` that was read, if any was.
    pub fingerprint: Option<Fingerprint>,
}

/// All cursors of a lane. Always has one for [`Scope::All`].
///
/// An entity that is [paused](Self::pause) here stands back: its cursor does not move, and its
/// changes are left for later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    cursors: Vec<Cursor>,
    paused: BTreeSet<EntityName>,
    /// Paused entities whose cursor the destination does not have yet.
    splits: BTreeSet<EntityName>,
}

/// A cursor of its own for an entity that had none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CursorSplit {
    /// The entity.
    pub entity: EntityName,
    /// Where its cursor stands from then on.
    pub next: NextOffset,
}

/// A move of one cursor, by compare-and-set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CursorMove {
    /// Which cursor.
    pub scope: Scope,
    /// Where it must stand.
    pub from: NextOffset,
    /// Where it goes.
    pub to: NextOffset,
}

/// What must hold for a batch to be written, and what holds afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The lane.
    pub lane: LaneId,
    /// Its token.
    pub token: OwnerToken,
    /// Cursors to move; all of them or none. Never empty.
    pub moves: Vec<CursorMove>,
    /// Cursors to make in the same transaction, owned by the same token. One that is there already
    /// is put to this offset.
    pub splits: Vec<CursorSplit>,
    /// The last record read before the new cursors.
    pub fingerprint: Option<Fingerprint>,
}

impl Checkpoint {
    /// A checkpoint of these cursors; `None` without one for [`Scope::All`].
    pub fn new(cursors: Vec<Cursor>) -> Option<Self> {
        let complete = cursors.iter().any(|cursor| cursor.scope == Scope::All);
        complete.then_some(Self { cursors, paused: BTreeSet::new(), splits: BTreeSet::new() })
    }

    /// The checkpoint of a lane that has not come anywhere: nothing is settled.
    pub fn beginning() -> Self {
        let all = Cursor { scope: Scope::All, next: NextOffset::ZERO, fingerprint: None };
        Self { cursors: vec![all], paused: BTreeSet::new(), splits: BTreeSet::new() }
    }

    /// Lets an entity stand back from here on. Where it has no cursor of its own, it gets one.
    pub fn pause(&mut self, entity: &EntityName) {
        let own = Scope::Entity(entity.clone());
        if !self.cursors.iter().any(|cursor| cursor.scope == own)
            && let Some(all) = self.cursors.iter().find(|cursor| cursor.scope == Scope::All)
        {
            let cursor = Cursor { scope: own, next: all.next, fingerprint: all.fingerprint };
            self.cursors.push(cursor);
            self.splits.insert(entity.clone());
        }
        self.paused.insert(entity.clone());
    }

    /// Whether changes of `entity` are left for later.
    pub fn is_paused(&self, entity: &str) -> bool {
        !self.paused.is_empty() && self.paused.contains(entity)
    }

    /// The cursors that the next write has to make.
    pub fn splits(&self) -> Vec<CursorSplit> {
        let is_new = |cursor: &&Cursor| match &cursor.scope {
            Scope::All => false,
            Scope::Entity(entity) => self.splits.contains(entity),
        };
        let new = self.cursors.iter().filter(is_new);
        new.filter_map(|cursor| match &cursor.scope {
            Scope::All => None,
            Scope::Entity(entity) => {
                Some(CursorSplit { entity: entity.clone(), next: cursor.next })
            }
        })
        .collect()
    }

    fn moves(&self, cursor: &Cursor) -> bool {
        match &cursor.scope {
            Scope::All => true,
            Scope::Entity(entity) => !self.paused.contains(entity),
        }
    }

    /// Where the changes of an entity go on: its own cursor, or that for all.
    pub fn next_of(&self, entity: &str) -> NextOffset {
        let of = |wanted: &str| self.cursors.iter().find(|cursor| cursor.scope.as_str() == wanted);
        of(entity).or_else(|| of("")).map_or(NextOffset::ZERO, |cursor| cursor.next)
    }

    /// The entities that read this offset again while others are beyond it, paused ones left out.
    pub fn behind(&self, offset: Offset) -> impl Iterator<Item = &EntityName> {
        self.cursors.iter().filter_map(move |cursor| match &cursor.scope {
            Scope::Entity(entity) if !cursor.next.covers(offset) && self.moves(cursor) => {
                Some(entity)
            }
            _ => None,
        })
    }

    /// The moves of a fence that leaves every cursor where it is.
    pub fn standing(&self) -> Vec<CursorMove> {
        let is_stored = |cursor: &&Cursor| match &cursor.scope {
            Scope::All => true,
            Scope::Entity(entity) => !self.splits.contains(entity),
        };
        let stay = |cursor: &Cursor| CursorMove {
            scope: cursor.scope.clone(),
            from: cursor.next,
            to: cursor.next,
        };
        self.cursors.iter().filter(is_stored).map(stay).collect()
    }

    /// What puts the cursors of these entities, each on its own, to other places: back for a
    /// replay, or forward to end one. All other cursors stay.
    pub fn put(&self, places: &[(EntityName, NextOffset)]) -> (Vec<CursorMove>, Vec<CursorSplit>) {
        let (mut moves, mut splits) = (self.standing(), Vec::new());
        for (entity, next) in places {
            let own = moves.iter_mut().find(|step| step.scope.as_str() == entity.as_str());
            match own {
                Some(own) => own.to = *next,
                None => splits.push(CursorSplit { entity: entity.clone(), next: *next }),
            }
        }
        (moves, splits)
    }

    /// The cursors, in no particular order.
    pub fn cursors(&self) -> &[Cursor] {
        &self.cursors
    }

    /// Where the lane starts to read: the lowest cursor that is not paused.
    pub fn lowest(&self) -> NextOffset {
        let moving = self.cursors.iter().filter(|cursor| self.moves(cursor));
        moving.map(|cursor| cursor.next).min().unwrap_or(NextOffset::ZERO)
    }

    /// The lowest cursor of all: what the log must still hold.
    pub fn lowest_of_all(&self) -> NextOffset {
        self.cursors.iter().map(|cursor| cursor.next).min().unwrap_or(NextOffset::ZERO)
    }

    /// The fingerprint that belongs to the furthest cursor: the newest record known.
    pub fn newest_fingerprint(&self) -> Option<Fingerprint> {
        let with = self.cursors.iter().filter_map(|cursor| cursor.fingerprint);
        let known = with.filter(|fingerprint| *fingerprint != Fingerprint::FORGOTTEN);
        known.max_by_key(|fingerprint| fingerprint.offset)
    }

    /// Whether a change of `entity` at `offset` is settled already.
    pub fn covers(&self, entity: &str, offset: Offset) -> bool {
        let mut all = NextOffset::ZERO;
        for cursor in &self.cursors {
            match &cursor.scope {
                Scope::All => all = cursor.next,
                Scope::Entity(name) if name.as_str() == entity => {
                    return cursor.next.covers(offset);
                }
                Scope::Entity(_) => {}
            }
        }
        all.covers(offset)
    }

    /// The moves that settle everything below `to`: cursors already there stay.
    pub fn moves_to(&self, to: NextOffset) -> Vec<CursorMove> {
        let behind = self.cursors.iter().filter(|cursor| cursor.next < to && self.moves(cursor));
        behind
            .map(|cursor| CursorMove { scope: cursor.scope.clone(), from: cursor.next, to })
            .collect()
    }

    /// The checkpoint after `moves_to(to)` was written.
    pub fn advance(&mut self, to: NextOffset, fingerprint: Option<Fingerprint>) {
        self.splits.clear();
        let paused = &self.paused;
        let moves = |cursor: &&mut Cursor| match &cursor.scope {
            Scope::All => true,
            Scope::Entity(entity) => !paused.contains(entity),
        };
        for cursor in self.cursors.iter_mut().filter(moves).filter(|cursor| cursor.next < to) {
            cursor.next = to;
            cursor.fingerprint = fingerprint.or(cursor.fingerprint);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(all: i64, contact: i64) -> Checkpoint {
        let cursor = |scope, next| Cursor { scope, next: NextOffset(next), fingerprint: None };
        Checkpoint::new(vec![
            cursor(Scope::All, all),
            cursor(Scope::Entity(EntityName::new("contact")), contact),
        ])
        .unwrap()
    }

    #[test]
    fn an_entity_that_stands_back_is_read_again_alone() {
        let mut checkpoint = checkpoint(10, 4);
        assert_eq!(checkpoint.lowest(), NextOffset(4));
        assert!(checkpoint.covers("account", Offset(9)));
        assert!(!checkpoint.covers("contact", Offset(4)));
        assert_eq!(checkpoint.moves_to(NextOffset(7)).len(), 1);
        checkpoint.advance(NextOffset(7), None);
        assert_eq!(checkpoint.lowest(), NextOffset(7));
        assert_eq!(checkpoint.moves_to(NextOffset(12)).len(), 2);
    }

    #[test]
    fn a_paused_entity_stands_back_and_the_others_go_on() {
        let mut checkpoint = checkpoint(10, 10);
        let account = EntityName::new("account");
        checkpoint.pause(&account);
        assert!(checkpoint.is_paused("account"));
        let split = CursorSplit { entity: account.clone(), next: NextOffset(10) };
        assert_eq!(checkpoint.splits(), [split]);
        assert_eq!(checkpoint.moves_to(NextOffset(12)).len(), 2);
        checkpoint.advance(NextOffset(12), None);
        assert_eq!(checkpoint.splits(), []);
        assert_eq!(
            (checkpoint.lowest(), checkpoint.lowest_of_all()),
            (NextOffset(12), NextOffset(10))
        );
        assert!(!checkpoint.covers("account", Offset(10)));
        assert!(checkpoint.covers("contact", Offset(11)));
    }

    #[test]
    fn an_entity_is_put_back_alone_with_or_without_a_cursor_of_its_own() {
        let (account, contact) = (EntityName::new("account"), EntityName::new("contact"));
        let checkpoint = checkpoint(10, 4);
        assert_eq!(checkpoint.next_of("contact"), NextOffset(4));
        assert_eq!(checkpoint.next_of("account"), NextOffset(10));
        let (moves, splits) =
            checkpoint.put(&[(account.clone(), NextOffset(3)), (contact.clone(), NextOffset(2))]);
        let step =
            |scope, from, to| CursorMove { scope, from: NextOffset(from), to: NextOffset(to) };
        assert_eq!(moves, [step(Scope::All, 10, 10), step(Scope::Entity(contact), 4, 2)]);
        assert_eq!(splits, [CursorSplit { entity: account, next: NextOffset(3) }]);
    }

    #[test]
    fn without_a_cursor_for_all_there_is_no_checkpoint() {
        assert_eq!(Checkpoint::new(Vec::new()), None);
    }
}
