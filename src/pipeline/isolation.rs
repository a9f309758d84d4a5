//! Finds the records of a batch that the destination refuses, by trial transactions (G5).
//!
//! The destination says only that some record is bad. Halves of the batch are tried out, and rolled
//! back, until each bad record stands alone: one bad record among n costs at most 2·log₂(n) + 1
//! trials. Where only a combination of records is refused (two records that claim one unique
//! value), the later one is found by the shortest beginning of the batch that fails. What a trial
//! cannot tell, because the destination is away, ends the search; nothing is guessed.

use std::sync::Arc;

use super::breaker::{FEWEST, SHARE_PERCENT};
use crate::destination::{Destination, RejectedRecord, WriteError};
use crate::model::batch::{Batch, TableBatch};
use crate::model::checkpoint::Fence;
use crate::model::failure::Rejection;
use crate::model::mutation::Mutations;
use crate::model::net_change::NetChange;
use crate::model::record::EntityName;

/// A net change within a batch: index of its table, and index in it.
pub(super) type Place = (usize, usize);

/// Records that were found, each with the reason.
pub(super) type Found = Vec<(Place, Rejection)>;

/// What a search came to.
pub(super) enum Isolated {
    /// These records are bad.
    Records(Found),
    /// So many of an entity are bad, and so few are not, that its table must be.
    Table(EntityName, Rejection),
    /// Nothing is refused any more: not each of them alone, nor all together.
    Nothing,
}

/// What one trial said of some net changes.
enum Trial {
    Fine,
    /// These are bad, for sure.
    Named(Found),
    /// One of them is bad, or several.
    Some(Rejection),
}

/// A search in one batch.
pub(super) struct Isolation<'a> {
    destination: &'a dyn Destination,
    fence: &'a Fence,
    batch: &'a Batch,
    mutations: Mutations,
    /// Records that were found to be fine.
    fine: usize,
    /// Trials so far.
    pub(super) trials: u32,
}

impl<'a> Isolation<'a> {
    pub(super) fn new(
        destination: &'a dyn Destination,
        fence: &'a Fence,
        batch: &'a Batch,
        mutations: Mutations,
    ) -> Self {
        Self { destination, fence, batch, mutations, fine: 0, trials: 0 }
    }

    /// The bad records among those that `blamed` may mean: all of its entity, or all of the batch.
    /// Nobody is blamed whom no trial has refused.
    ///
    /// # Errors
    /// What a trial said instead of an answer: an outage, a lost fence, a table that does not fit.
    pub(super) async fn find(&mut self, blamed: &RejectedRecord) -> Result<Isolated, WriteError> {
        let suspects = self.suspects(blamed);
        let mut found = Found::new();
        // Slices still to be looked at, the last one first; `failed` says that a trial refused it.
        let mut open = vec![(suspects.as_slice(), Some(blamed.rejection.clone()))];
        while let Some((slice, failed)) = open.pop() {
            if let Some(table) = self.looks_systemic(&found) {
                return Ok(table);
            }
            let failed = match failed {
                Some(rejection) => rejection,
                None => match self.trial(slice).await? {
                    Trial::Fine => continue,
                    Trial::Named(named) => {
                        found.extend(named);
                        continue;
                    }
                    Trial::Some(rejection) => rejection,
                },
            };
            if let [only] = slice {
                // A slice that is known to fail only by what was left over is tried itself.
                match self.trial(slice).await? {
                    Trial::Fine => {}
                    Trial::Named(named) => found.extend(named),
                    Trial::Some(rejection) => found.push((*only, rejection)),
                }
                continue;
            }
            let (left, right) = slice.split_at(slice.len() / 2);
            match self.trial(left).await? {
                // The fault must lie on the right.
                Trial::Fine => open.push((right, Some(failed))),
                Trial::Named(named) => {
                    found.extend(named);
                    open.push((right, None));
                }
                Trial::Some(rejection) => {
                    open.push((right, None));
                    open.push((left, Some(rejection)));
                }
            }
        }
        if found.is_empty() {
            match self.last_of_shortest(&suspects).await? {
                Some(last) => found.push(last),
                None => return Ok(Isolated::Nothing),
            }
        }
        found.sort_by_key(|(place, _)| *place);
        found.dedup_by_key(|(place, _)| *place);
        Ok(Isolated::Records(found))
    }

    /// Whether it is time to stop looking for single records.
    fn looks_systemic(&self, found: &Found) -> Option<Isolated> {
        let systemic = found.len() >= FEWEST
            && found.len() * 100 >= (found.len() + self.fine) * SHARE_PERCENT
            && !self.mutations.breaker_off();
        let ((at, _), rejection) = found.first().filter(|_| systemic)?;
        let entity = self.batch.tables[*at].mapping.entity.clone();
        let alike = found.iter().all(|((of, _), other)| of == at && other == rejection);
        alike.then(|| Isolated::Table(entity, rejection.clone()))
    }

    fn suspects(&self, blamed: &RejectedRecord) -> Vec<Place> {
        let mut places = Vec::new();
        for (at, table) in self.batch.tables.iter().enumerate() {
            if blamed.entity.as_ref().is_none_or(|entity| *entity == table.mapping.entity) {
                places.extend((0..table.changes.len()).map(|change| (at, change)));
            }
        }
        places
    }

    /// Every record is fine alone: the last one of the shortest beginning that fails, if one does.
    async fn last_of_shortest(
        &mut self,
        suspects: &[Place],
    ) -> Result<Option<(Place, Rejection)>, WriteError> {
        // What was refused a moment ago need not be now: a lock, a trigger, another's rows.
        let mut rejection = match self.trial(suspects).await? {
            Trial::Fine => return Ok(None),
            Trial::Named(named) => return Ok(named.into_iter().next()),
            Trial::Some(rejection) => rejection,
        };
        let (mut fine, mut fails) = (0, suspects.len());
        while fails - fine > 1 {
            let middle = fine + (fails - fine) / 2;
            match self.trial(&suspects[..middle]).await? {
                Trial::Fine => fine = middle,
                Trial::Named(named) => return Ok(named.into_iter().next()),
                Trial::Some(reason) => (fails, rejection) = (middle, reason),
            }
        }
        Ok(suspects.get(fine).map(|place| (*place, rejection)))
    }

    async fn trial(&mut self, places: &[Place]) -> Result<Trial, WriteError> {
        self.trials += 1;
        let batch = Arc::new(self.part(places));
        match self.destination.try_out(self.fence, &batch).await {
            Ok(_) => {
                self.fine += places.len();
                Ok(Trial::Fine)
            }
            Err(WriteError::Rejected(rejected)) => {
                let named = named(self.batch, &rejected);
                match rejected.into_iter().next() {
                    Some(first) if named.is_empty() => Ok(Trial::Some(first.rejection)),
                    _ => Ok(Trial::Named(named)),
                }
            }
            Err(other) => Err(other),
        }
    }

    /// A batch of these net changes alone.
    fn part(&self, places: &[Place]) -> Batch {
        let mut part = Batch::default();
        for (at, table) in self.batch.tables.iter().enumerate() {
            let of_table = places.iter().filter(|(table, _)| *table == at);
            let changes: Vec<NetChange> =
                of_table.map(|(_, change)| table.changes[*change].clone()).collect();
            if !changes.is_empty() {
                part.change_count += changes.len();
                part.tables.push(TableBatch { mapping: Arc::clone(&table.mapping), changes });
            }
        }
        part
    }
}

/// Where the records lie that the destination has named.
pub(super) fn named(batch: &Batch, rejected: &[RejectedRecord]) -> Found {
    let mut found = Found::new();
    for record in rejected {
        let Some(record_id) = record.record_id else { continue };
        for (at, table) in batch.tables.iter().enumerate() {
            if record.entity.as_ref().is_some_and(|entity| *entity != table.mapping.entity) {
                continue;
            }
            let place = table.changes.iter().position(|change| change.record_id == record_id);
            if let Some(change) = place {
                found.push(((at, change), record.rejection.clone()));
            }
        }
    }
    found
}

#[cfg(test)]
#[path = "isolation_test.rs"]
mod tests;
