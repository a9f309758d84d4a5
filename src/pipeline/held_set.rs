//! The held records of one lane, and what that means for its next batch.
//!
//! The lane's owner alone holds and releases changes of its partition, in fenced transactions. So
//! what it read at its take and did since is the whole truth, and no batch has to ask the
//! destination. The promise (G8): while a record is held, its later changes are held too; only an
//! image or a delete that is not lower in version takes their place. Pure.

mod plans;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use compact_str::CompactString;

use super::holding::{is_own, superseding_version, waits};
use crate::model::batch::Batch;
use crate::model::change::Version;
use crate::model::failure::Cause;
use crate::model::held::{
    HeldCause, HeldChange, HeldKey, Hold, MAX_HELD_PER_RECORD, Release, ReleaseReason,
};
use crate::model::mutation::Mutations;
use crate::model::net_change::NetChange;
use crate::model::record::{EntityName, RecordId};

/// Most held changes of one lane; with more of them the lane stops, for something is very wrong.
pub(super) const MAX_HELD_PER_LANE: usize = 200_000;

/// Held changes that are released at once at the end of a replay.
const RELEASED_AT_ONCE: usize = 1_000;

/// A record whose net change may or may not take the place of what is held.
pub(super) type Doubt = (EntityName, RecordId);

/// How held changes are tried again by themselves.
#[derive(Clone, Copy, Debug)]
pub(super) struct RetryRule {
    /// How many times; 0 for never.
    pub(super) count: u32,
    /// How long between two tries.
    pub(super) interval: Duration,
}

impl RetryRule {
    /// Nothing is tried again by itself.
    pub(super) const NONE: Self = Self { count: 0, interval: Duration::ZERO };
}

/// One open held change.
#[derive(Clone, Debug)]
struct Entry {
    key: HeldKey,
    version: Option<Version>,
    creates: bool,
    cause: CompactString,
    attempt: u32,
    /// Whether it may be right the next time: the database refused it, not we; or it waited only
    /// for what is no longer held before it.
    may_pass: bool,
    /// Whether the database refused it, and may take it another time.
    refused: bool,
    /// Whether later changes of its record are not kept, so that trying again would be wrong.
    overflown: bool,
    /// Whether it ends with a replay of its entity.
    met_again: bool,
}

impl Entry {
    fn of(hold: &Hold) -> Self {
        let code = hold.cause.code.as_str();
        Self {
            key: hold.key.clone(),
            version: hold.version,
            creates: hold.creates,
            cause: hold.cause.code.clone(),
            attempt: hold.attempt,
            may_pass: code == Cause::REFUSED || code == HeldCause::WAITS,
            refused: code == Cause::REFUSED,
            overflown: code == HeldCause::TOO_MANY,
            met_again: code == HeldCause::MET_AGAIN,
        }
    }

    /// As it is handed to a retry, which finds its own cause.
    fn hold(&self) -> Hold {
        Hold {
            key: self.key.clone(),
            version: self.version,
            creates: self.creates,
            cause: if self.met_again { HeldCause::met_again() } else { HeldCause::waits() },
            attempt: self.attempt,
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct HeldSet {
    /// Per record, ascending by position. Those without a record hold up nobody.
    records: HashMap<RecordId, Vec<Entry>>,
    nameless: BTreeSet<HeldKey>,
    /// Those that end with a replay of their entity.
    met_again: BTreeSet<HeldKey>,
    count: usize,
    /// How many of each entity; those whose entity is not known under the empty name.
    of_entity: BTreeMap<CompactString, usize>,
    due: BTreeSet<(Instant, RecordId)>,
    /// The records of `due`.
    planned: HashSet<RecordId>,
    /// A fault built in: what a newer change has taken the place of is tried all the same.
    overtaken: Vec<Hold>,
    /// The record that is being tried; what comes of it is not known yet.
    tried: Option<RecordId>,
    rule: RetryRule,
    mutations: Mutations,
}

impl HeldSet {
    pub(super) fn new(rule: RetryRule, mutations: Mutations) -> Self {
        Self {
            records: HashMap::new(),
            nameless: BTreeSet::new(),
            met_again: BTreeSet::new(),
            count: 0,
            of_entity: BTreeMap::new(),
            due: BTreeSet::new(),
            planned: HashSet::new(),
            overtaken: Vec::new(),
            tried: None,
            rule,
            mutations,
        }
    }

    /// How many changes are held.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// How many changes of each entity are held; those whose entity is not known under the empty
    /// name.
    pub(super) fn of_entity(&self) -> &BTreeMap<CompactString, usize> {
        &self.of_entity
    }

    /// Takes what the destination keeps; released ones are passed over.
    pub(super) fn load(&mut self, held: &[HeldChange], now: Instant) {
        for change in held.iter().filter(|change| change.open) {
            self.insert(Entry::of(&change.as_hold()));
            self.plan_retry(change.key.record_id, now);
        }
    }

    /// Decides what of a batch may be written while these records are held: what must wait becomes
    /// a hold, what takes the place of held changes releases them.
    ///
    /// Answers the records of which it cannot be told whether the change is newer than what is
    /// held, for that could not be read: only if it has an effect, it takes its place.
    pub(super) fn gate(&self, batch: &mut Batch) -> Vec<Doubt> {
        let mut doubts = Vec::new();
        if self.count == 0 && batch.holds.is_empty() {
            return doubts;
        }
        let Batch { tables, holds, releases, .. } = batch;
        for table in tables.iter_mut() {
            let entity = &table.mapping.entity;
            table.changes.retain_mut(|net| {
                // What is read again after its own hold, by a replay, is no longer held if it can
                // be written now; what is held further on says nothing of it.
                let own = || self.of(entity, net.record_id).filter(|entry| is_own(net, &entry.key));
                let first = net.first_offset;
                let earlier =
                    || self.of(entity, net.record_id).filter(move |it| it.key.offset < first);
                let release = |entry: &Entry, reason| Release { key: entry.key.clone(), reason };
                if earlier().next().is_none() || self.mutations.held_ignored() {
                    releases.extend(own().map(|entry| release(entry, ReleaseReason::Written)));
                    return true;
                }
                if !self.supersedes(net, earlier()) {
                    holds.extend(waits(net, entity));
                    return false;
                }
                let creates = earlier().any(|entry| entry.creates);
                if table.mapping.versioned && earlier().any(|entry| entry.version.is_none()) {
                    doubts.push((entity.clone(), net.record_id));
                }
                releases.extend(earlier().map(|entry| release(entry, ReleaseReason::Superseded)));
                releases.extend(own().map(|entry| release(entry, ReleaseReason::Written)));
                if let Some(image) = &mut net.image {
                    image.create |= creates;
                }
                true
            });
        }
        tables.retain(|table| !table.changes.is_empty());
        holds.sort_by(|a, b| a.key.cmp(&b.key));
        self.cap(holds);
        doubts
    }

    /// What a written batch has held and released.
    pub(super) fn settle(&mut self, batch: &Batch, now: Instant) {
        if batch.retried.is_some() {
            self.tried = None;
        }
        for release in &batch.releases {
            let superseded = release.reason == ReleaseReason::Superseded;
            if superseded && self.mutations.retry_after_newer() {
                self.overtaken.extend(self.held(&release.key));
            }
            self.remove(&release.key);
            // What waited behind it is the first of its record now.
            self.plan_retry(release.key.record_id, now + self.rule.interval);
        }
        for hold in &batch.holds {
            self.remove(&hold.key);
            self.insert(Entry::of(hold));
            self.plan_retry(hold.key.record_id, now + self.rule.interval);
        }
    }

    fn held(&self, key: &HeldKey) -> Option<Hold> {
        let entries = self.records.get(&key.record_id?)?;
        entries.iter().find(|entry| entry.key == *key).map(Entry::hold)
    }

    /// Whether this change is held.
    pub(super) fn contains(&self, key: &HeldKey) -> bool {
        match key.record_id {
            Some(id) => {
                self.records.get(&id).is_some_and(|held| held.iter().any(|entry| entry.key == *key))
            }
            None => self.nameless.contains(key),
        }
    }

    /// Held changes of a record. One whose entity could not be read is held for every entity.
    fn of(&self, entity: &EntityName, record_id: RecordId) -> impl Iterator<Item = &Entry> {
        let entries = self.records.get(&record_id).map(Vec::as_slice).unwrap_or_default();
        entries.iter().filter(move |entry| {
            entry.key.entity.as_ref().is_none_or(|held_entity| held_entity == entity)
        })
    }

    fn supersedes<'a>(
        &self,
        net: &NetChange,
        mut earlier: impl Iterator<Item = &'a Entry>,
    ) -> bool {
        let Some(version) = superseding_version(net) else { return false };
        self.mutations.older_releases()
            || earlier.all(|entry| entry.version.is_none_or(|held| held <= version))
    }

    /// At most so many held changes of a record: the last that finds room says that more came, and
    /// goes on saying it when it is held anew. Whoever adds holds to a batch calls this before the
    /// batch is written; the holds ascend by key. Safe to repeat.
    pub(super) fn cap(&self, holds: &mut Vec<Hold>) {
        let mut counts: HashMap<RecordId, usize> = HashMap::new();
        holds.retain_mut(|hold| {
            let Some(record_id) = hold.key.record_id else { return true };
            let entries = self.records.get(&record_id).map(Vec::as_slice).unwrap_or_default();
            if let Some(entry) = entries.iter().find(|entry| entry.key == hold.key) {
                if entry.overflown {
                    hold.cause = HeldCause::too_many();
                }
                return true;
            }
            let count = counts.entry(record_id).or_insert(entries.len());
            *count += 1;
            if *count == MAX_HELD_PER_RECORD {
                hold.cause = HeldCause::too_many();
            }
            *count <= MAX_HELD_PER_RECORD
        });
    }

    /// Held changes that ended with the replay of their entity, some at a time.
    pub(super) fn ended_with_replays(&self, is_over: impl Fn(&EntityName) -> bool) -> Vec<Release> {
        let over = self.met_again.iter().filter(|key| key.entity.as_ref().is_some_and(&is_over));
        let release =
            |key: &HeldKey| Release { key: key.clone(), reason: ReleaseReason::Superseded };
        over.take(RELEASED_AT_ONCE).map(release).collect()
    }

    fn insert(&mut self, entry: Entry) {
        self.count += 1;
        *self.of_entity.entry(entity_name(&entry.key)).or_default() += 1;
        if entry.met_again {
            self.met_again.insert(entry.key.clone());
        }
        let Some(record_id) = entry.key.record_id else {
            self.nameless.insert(entry.key);
            return;
        };
        let entries = self.records.entry(record_id).or_default();
        let at = entries.partition_point(|before| before.key < entry.key);
        entries.insert(at, entry);
    }

    fn remove(&mut self, key: &HeldKey) {
        self.met_again.remove(key);
        let Some(record_id) = key.record_id else {
            let removed = usize::from(self.nameless.remove(key));
            return self.forget(key, removed);
        };
        if let Some(entries) = self.records.get_mut(&record_id) {
            let before = entries.len();
            entries.retain(|entry| entry.key != *key);
            let removed = before - entries.len();
            if entries.is_empty() {
                self.records.remove(&record_id);
            }
            self.forget(key, removed);
        }
    }

    /// Takes what was removed out of the counts.
    fn forget(&mut self, key: &HeldKey, removed: usize) {
        self.count -= removed;
        let name = entity_name(key);
        if let Some(count) = self.of_entity.get_mut(&name) {
            *count -= removed;
            if *count == 0 {
                self.of_entity.remove(&name);
            }
        }
    }
}

fn entity_name(key: &HeldKey) -> CompactString {
    key.entity.as_ref().map_or_else(CompactString::default, |entity| entity.as_str().into())
}

#[cfg(test)]
#[path = "held_set_test.rs"]
mod tests;
