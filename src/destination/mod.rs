//! The destination: the database that is kept in step.
//!
//! One small trait, one adapter per database, one conformance suite for all of them. The contract:
//!
//! - **All or nothing.** [`Destination::write`] moves the checkpoint and makes every change of the
//!   batch in one transaction, or does neither.
//! - **The fence.** The first statement that touches a shared table moves every cursor by
//!   compare-and-set (`SET next = to WHERE profile, topic, partition, entity AND owner = token AND
//!   next = from`). Anything but one row each: nothing happens and the answer is
//!   [`WriteError::Fenced`].
//! - **The guard.** Parts of a net change apply in the order delete, image, patch. Versioned: an
//!   image at its guard ≥ the row's version and > the tombstone's; a delete at ≥ the row's; a patch
//!   cell at > the row's version as it was before the patch. Unversioned: a create always, another
//!   image where there is a row or no tombstone, a patch where there is a row, a delete always. A
//!   delete leaves a tombstone with the higher of both versions, whether there was a row or not;
//!   one that the guard drops, for the row is newer, leaves none. A row without a version (adopted)
//!   counts as older than any. A patch without row and without tombstone is rejected as "no base";
//!   after a tombstone it is dropped and counted. Unversioned changes leave `versionnumber` null
//!   and tombstones of version 0. Tombstones stay when their record comes back.
//! - **The log of deletes**, where the table wants one ([`crate::model::layout::Deletes`]): a line
//!   for each row that a delete takes away, in the same transaction and under the same guard, with
//!   the delete's version; unversioned with the row's own, or 0. Deletes that find no row, or a
//!   newer one, leave no line.
//! - **Rows that stay** after their delete, where the table keeps them (`keep_row`): the delete sets
//!   `SinkDeletedOn` and, versioned, the row's version to its own, instead of taking the row away.
//!   Such a row counts as none: for patches, for later deletes, for the tombstone of a delete, for
//!   images that ask whether there is a row, and in counts. An image that applies clears
//!   `SinkDeletedOn` and starts `SinkCreatedOn` anew.
//! - **Held changes** ([`crate::model::held`]) are kept in the same transaction: `holds` are made
//!   or revised, `releases` close them. Every hold and release gives a change its next revision:
//!   the destination's clock in µs, or one more than before where that is higher. Rows of released
//!   changes stay until their release is published.
//! - **Counts are exact.** Written: rows that an image or a patch made or changed, each once.
//!   Deleted: rows that were there and went. Superseded: of each net change the delete, if a newer
//!   row stood, and image and patch together, if nothing of them applied; a delete that found no
//!   row is none.
//! - **Safe to repeat**, for the fence refuses the repetition.
//! - **Safe to drop at any await.** A connection whose call did not finish is thrown away.
//! - **Nothing shared is locked while the server waits for its client.** Staging is private to the
//!   connection and loaded before the fence is touched; from the fence to the commit everything is
//!   sent as one.
//! - **Errors** carry codes and names of our own, never a database's message: those quote values.

use std::sync::Arc;

use async_trait::async_trait;
use compact_str::CompactString;

use crate::model::batch::Batch;
use crate::model::checkpoint::{Checkpoint, Fence, LaneId, OwnerToken};
use crate::model::failure::Rejection;
use crate::model::held::{HeldChange, HeldKey, Revision};
use crate::model::layout::{Existing, Layout};
use crate::model::mapping::Mapping;
use crate::model::position::{NextOffset, Topic, TopicPartition};
use crate::model::profile::ProfileId;
use crate::model::record::{EntityName, RecordId};

pub mod desk;
pub mod faulty;
pub mod fitting;
pub mod memory;
pub mod own_tables;
pub mod postgres;
mod shape;
pub mod sqlite;
pub mod sqlserver;
pub mod survey;

/// What a profile wants to find in the destination before it writes.
#[derive(Clone, Debug)]
pub struct Activation {
    /// The profile.
    pub profile: ProfileId,
    /// Its entities.
    pub entities: Vec<ActivatedEntity>,
    /// Every partition of every topic, with the offset at which a lane without a checkpoint starts.
    pub starts: Vec<(TopicPartition, NextOffset)>,
    /// What stands beside the tables of the entities.
    pub layout: Layout,
    /// What to do with tables that are there already.
    pub existing: Existing,
}

/// One entity of an activation.
#[derive(Clone, Debug)]
pub struct ActivatedEntity {
    /// Entity and table.
    pub mapping: Arc<Mapping>,
    /// The topic that carries it.
    pub topic: Topic,
    /// Number of partitions of that topic, fixed for its life.
    pub partitions: u32,
}

/// What an activation made of an entity's table, as far as a person should know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activated {
    /// Entities whose tables cannot be used as they are. Nothing was bound, emptied or started for
    /// them; what was bound before stays bound. Their changes must wait until an activation takes
    /// them: the others go on.
    pub refused: Vec<Refused>,
    /// Columns that no attribute has any more, or never had. Nothing is done to them: they are
    /// null in new rows.
    pub left_over: Vec<LeftOver>,
}

/// An entity that an activation leaves out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The entity.
    pub entity: EntityName,
    /// What is wrong with its table, and what to do.
    pub trouble: Trouble,
}

/// Columns of a table that belong to no attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOver {
    /// The entity.
    pub entity: EntityName,
    /// Names of the columns.
    pub columns: Vec<String>,
}

/// Something about the destination that stands in the way, or did.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {code}. {hint}")]
pub struct Trouble {
    /// What was to be done, and to what.
    pub what: String,
    /// The database's error code or a name of ours; never a message of the database.
    pub code: CompactString,
    /// What to do next.
    pub hint: String,
}

/// Why an activation or a take failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    /// An outage: it ends by itself, try again.
    #[error("the destination is not available now: {0}")]
    Retry(Trouble),
    /// A person must act; trying again slowly is harmless.
    #[error("{0}")]
    Fatal(Trouble),
}

/// Why a batch was not written, as far as one can know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// An outage; nothing was written. Same batch again, after a wait.
    #[error("the destination is not available now: {0}")]
    Retry(Trouble),
    /// The answer was lost: it may or may not be written. Take, and go on from the checkpoint.
    #[error("it is not known whether the batch was written: {0}")]
    Unclear(Trouble),
    /// Another owner or another offset stands in the checkpoint. Take.
    #[error("another owner or another offset stands in the checkpoint")]
    Fenced,
    /// Records cannot be written; nothing was. Never empty. As many as the adapter could find with
    /// one try; where one has no record id, the culprit is some record of its entity, or of the
    /// batch, that only [`Destination::try_out`] can find.
    #[error("the destination rejects {} records", .0.len())]
    Rejected(Vec<RejectedRecord>),
    /// No change of this entity can be written as the table is now (a column or the table is gone,
    /// or has another type); nothing was. `None` where the database does not say which entity it
    /// is; [`Destination::try_out`] of one table at a time finds it.
    #[error("table of entity {}: {trouble}", .entity.as_ref().map_or("(unknown)", |name| name.as_str()))]
    Table {
        /// The entity.
        entity: Option<EntityName>,
        /// What is wrong with its table, and what to do.
        trouble: Trouble,
    },
    /// A person must act; nothing was written.
    #[error("{0}")]
    Fatal(Trouble),
}

/// A record that the destination refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedRecord {
    /// Its entity, where one is known to blame.
    pub entity: Option<EntityName>,
    /// The record, where one is known to blame.
    pub record_id: Option<RecordId>,
    /// Why.
    pub rejection: Rejection,
}

/// What a written batch did, per entity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Counts, in the batch's order of tables.
    pub tables: Vec<TableCounts>,
}

/// What a written batch did to one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableCounts {
    /// The entity.
    pub entity: EntityName,
    /// Rows inserted or updated.
    pub written: u64,
    /// Rows deleted.
    pub deleted: u64,
    /// Parts of net changes that the guard dropped.
    pub superseded: u64,
}

/// Which held changes are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhichHeld {
    /// All that are kept.
    All,
    /// Those whose newest state the dead-letter topic does not have. Asked after every batch that
    /// held or released something, so it must not read all the others.
    Unpublished,
}

/// One thing that [`Destination::check`] tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was tried, and on what.
    pub what: String,
    /// `None` if it is well, else what is wrong and what to do.
    pub problem: Option<Trouble>,
}

/// A database that is kept in step. See the module for the contract.
#[async_trait]
pub trait Destination: Send + Sync {
    /// Where people and processes leave word for each other.
    fn desk(&self) -> &dyn desk::Desk;

    /// Tries everything that the activation will need (connection, rights one by one, tables, own
    /// tables) and changes nothing. Every problem is reported, not only the first.
    async fn check(&self, activation: &Activation) -> Vec<Finding>;

    /// Looks at the table of each entity, in the activation's order, and tells what an activation
    /// would find and do, as if its tables were to be adopted. Changes nothing.
    ///
    /// # Errors
    /// If the database cannot be asked, or the own tables are of a newer version than this program
    /// knows.
    async fn survey(
        &self,
        activation: &Activation,
    ) -> Result<Vec<survey::TableSurvey>, DestinationError>;

    /// Creates or upgrades the own tables, creates tables, adds missing columns and widens those
    /// that are too narrow ([`fitting`]), binds each table to its profile, topic and partition
    /// count, and writes the checkpoint of every partition of a topic that is new to the profile.
    /// An entity that is new on a topic that is not gets a cursor of its own at its start. Fills
    /// the metadata tables and makes the log of deletes where [`Layout`] wants them. Idempotent;
    /// existing objects need no right to create. Nothing is dropped or narrowed, ever.
    ///
    /// What stands in the way of one entity alone is answered, not an error: a table of its name
    /// that holds rows, was never bound to the profile and is not to be adopted or emptied; a
    /// column of another type; a column that the database does not let be added or widened.
    /// Nothing of such an entity is bound; the others are.
    ///
    /// # Errors
    /// Fatal when a table belongs to another profile or topic, an entity to another table, a
    /// partition count differs, a partition of a known topic has lost its checkpoint, a name or
    /// the number of columns is beyond the database's limit, a table cannot be made, or the own
    /// tables are of a newer version than this program knows.
    async fn activate(&self, activation: &Activation) -> Result<Activated, DestinationError>;

    /// Writes `token` as the owner of all the lane's cursors and returns them. Whoever held the
    /// lane before is fenced from then on.
    ///
    /// # Errors
    /// Fatal when the lane has no checkpoint: it was lost, and guessing one could skip changes.
    async fn take(&self, lane: &LaneId, token: OwnerToken) -> Result<Checkpoint, DestinationError>;

    /// Writes a batch and moves the checkpoint. An empty batch with a fence whose cursors stay
    /// where they are is how an idle lane looks whether it still owns its partition.
    ///
    /// The batch is shared, for an adapter may work on it in a thread of its own, and go on when
    /// the caller has dropped its call.
    async fn write(&self, fence: &Fence, batch: &Arc<Batch>) -> Result<Written, WriteError>;

    /// Does everything that [`Self::write`] does, and rolls it back: a trial transaction, to find
    /// out which of many records the database refuses, or whether a change has an effect. Answers
    /// what `write` would, and leaves no trace.
    async fn try_out(&self, fence: &Fence, batch: &Arc<Batch>) -> Result<Written, WriteError>;

    /// Held changes of a lane: open ones, and released ones whose release is not published yet;
    /// ascending by key, those after `after`, at most `limit` of them.
    async fn held(
        &self,
        lane: &LaneId,
        which: WhichHeld,
        after: Option<&HeldKey>,
        limit: usize,
    ) -> Result<Vec<HeldChange>, DestinationError>;

    /// The dead-letter topic has acknowledged these revisions. A change that was revised since
    /// stays unpublished; one that is released and published is forgotten. Safe to repeat, and
    /// needs no fence: an older revision never replaces a newer one.
    async fn mark_published(
        &self,
        lane: &LaneId,
        published: &[(HeldKey, Revision)],
    ) -> Result<(), DestinationError>;
}
