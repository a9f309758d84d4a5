//! Collects changes into batches: by count, bytes and age.
//!
//! Pure: time is an argument. What cannot be composed exactly ends the batch (see
//! `model::net_change`), and so does a limit. The caller closes the batch and pushes again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch::{Batch, TableBatch};
use super::mapping::{Effect, Fitted, Mapping, memory_bytes};
use super::mutation::Mutations;
use super::net_change::{Merge, NetChange};
use super::position::Offset;
use super::record::RecordId;

/// Limits of one batch. A batch ends when the first of them is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Most changes.
    pub changes: usize,
    /// Most bytes in memory. A single notification beyond it still makes a batch of its own.
    pub bytes: usize,
    /// Longest time that the first change waits for others.
    pub linger: Duration,
}

/// One change, fitted, and the mapping that it was fitted by.
pub type Piece = (Arc<Mapping>, Fitted);

/// Collects changes into a batch.
#[derive(Debug)]
pub struct Batcher {
    limits: BatchLimits,
    open: Batch,
    index: HashMap<(usize, RecordId), usize>,
    opened_at: Option<Instant>,
    mutations: Mutations,
}

impl Batcher {
    /// An empty batcher.
    pub fn new(limits: BatchLimits, mutations: Mutations) -> Self {
        let (open, index) = (Batch::default(), HashMap::new());
        Self { limits, open, index, opened_at: None, mutations }
    }

    /// Goes on by other limits.
    pub fn limit(&mut self, limits: BatchLimits) {
        self.limits = limits;
    }

    /// Whether the open batch holds no change.
    pub fn is_empty(&self) -> bool {
        self.open.change_count == 0
    }

    /// Whether a limit is reached and the batch should be closed.
    pub fn is_full(&self) -> bool {
        self.open.change_count >= self.limits.changes || self.open.memory_bytes >= self.limits.bytes
    }

    /// When the batch must be closed at the latest; `None` while it is empty.
    pub fn deadline(&self) -> Option<Instant> {
        self.opened_at.map(|opened_at| opened_at + self.limits.linger)
    }

    /// Bytes of the open batch, as the budget counts them.
    pub fn memory_bytes(&self) -> usize {
        self.open.memory_bytes
    }

    /// Adds the only change of a notification.
    ///
    /// # Errors
    /// Gives the change back if it has to start a new batch. Into an empty batch every change goes.
    pub fn push(&mut self, piece: Piece, offset: Offset, now: Instant) -> Result<(), Piece> {
        let (mapping, fitted) = piece;
        let table = self.table(&mapping);
        let added_bytes = fitted_bytes(&fitted);
        if let Some(at) = self.index.get(&(table, fitted.record_id)) {
            if self.mutations.coalescing_drops_delete() && fitted.effect == Effect::Delete {
                return Ok(());
            }
            match self.open.tables[table].changes[*at].merge(fitted, offset) {
                Merge::Done => {}
                Merge::Superseded => self.open.superseded_count += 1,
                Merge::Border(fitted) => return Err((mapping, fitted)),
            }
        } else {
            let changes = &mut self.open.tables[table].changes;
            self.index.insert((table, fitted.record_id), changes.len());
            changes.push(NetChange::of(fitted, offset));
        }
        self.open.change_count += 1;
        self.open.memory_bytes += added_bytes;
        self.opened_at.get_or_insert(now);
        Ok(())
    }

    /// Adds all changes of one notification, which must not be split over batches.
    ///
    /// # Errors
    /// Gives them all back, untouched, if one has to start a new batch; in an empty batch that
    /// means that they contradict each other and can never be written together.
    pub fn push_all(
        &mut self,
        pieces: Vec<Piece>,
        offset: Offset,
        now: Instant,
    ) -> Result<(), Vec<Piece>> {
        if !self.is_empty() && pieces.iter().any(|piece| self.holds(piece)) {
            return Err(pieces);
        }
        if !compose_alone(&pieces, offset) {
            return Err(pieces);
        }
        for piece in pieces {
            if let Err(piece) = self.push(piece, offset, now) {
                return Err(vec![piece]);
            }
        }
        Ok(())
    }

    /// Closes the batch and starts an empty one.
    pub fn take(&mut self) -> Batch {
        self.index.clear();
        self.opened_at = None;
        let mut batch = std::mem::take(&mut self.open);
        batch.tables.retain(|table| !table.changes.is_empty());
        batch.tables.sort_by(|a, b| a.mapping.entity.cmp(&b.mapping.entity));
        batch
    }

    fn holds(&self, (mapping, fitted): &Piece) -> bool {
        let table = self.open.tables.iter().position(|table| Arc::ptr_eq(&table.mapping, mapping));
        table.is_some_and(|table| self.index.contains_key(&(table, fitted.record_id)))
    }

    /// Index of the mapping's table; few per batch, so a walk is the fastest search.
    fn table(&mut self, mapping: &Arc<Mapping>) -> usize {
        let tables = &mut self.open.tables;
        if let Some(at) = tables.iter().position(|table| Arc::ptr_eq(&table.mapping, mapping)) {
            return at;
        }
        tables.push(TableBatch { mapping: Arc::clone(mapping), changes: Vec::new() });
        tables.len() - 1
    }
}

/// Whether the changes of one notification can be composed without anything before them.
fn compose_alone(pieces: &[Piece], offset: Offset) -> bool {
    let mut seen: HashMap<(&str, RecordId), NetChange> = HashMap::new();
    for (mapping, fitted) in pieces {
        match seen.entry((mapping.entity.as_str(), fitted.record_id)) {
            std::collections::hash_map::Entry::Vacant(slot) => {
                slot.insert(NetChange::of(fitted.clone(), offset));
            }
            std::collections::hash_map::Entry::Occupied(mut slot) => {
                if let Merge::Border(_) = slot.get_mut().merge(fitted.clone(), offset) {
                    return false;
                }
            }
        }
    }
    true
}

/// Bytes that a change adds to a batch, an estimate from above of what it allocates.
pub fn fitted_bytes(fitted: &Fitted) -> usize {
    let cells = match &fitted.effect {
        Effect::Delete => 0,
        Effect::Image { cells, .. } | Effect::Patch { cells } => memory_bytes(cells),
    };
    cells + size_of::<NetChange>() + 64
}

#[cfg(test)]
#[path = "batcher_test.rs"]
mod tests;
