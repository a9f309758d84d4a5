//! Writes a batch: the fence first, then every net change, in one transaction.

use rusqlite::{CachedStatement, Connection, params};

use super::apply::TableWriter;
use super::cell_text::{Scratch, TextBytes};
use super::statements::FenceGuard;
use super::stop::Stop;
use super::writer::{Means, in_transaction, in_trial};
use super::{held, statements};
use crate::destination::Written;
use crate::model::batch::Batch;
use crate::model::checkpoint::Fence;
use crate::model::mutation::Mutations;
use crate::model::position::NextOffset;

/// Moves the cursors and makes every change, or does neither.
///
/// # Errors
/// [`Stop::Fenced`], [`Stop::Rejected`] with every record that cannot be written, [`Stop::Table`],
/// or what SQLite says.
pub(super) fn write(
    connection: &mut Connection,
    means: Means<'_>,
    fence: &Fence,
    batch: &Batch,
) -> Result<Written, Stop> {
    let mutations = means.mutations;
    if mutations.checkpoint_before_write() {
        in_transaction(connection, |inner| move_cursors(inner, fence, mutations))?;
        return in_transaction(connection, |inner| apply(inner, means, fence, batch));
    }
    if mutations.checkpoint_outside_transaction() {
        let written = in_transaction(connection, |inner| apply(inner, means, fence, batch))?;
        in_transaction(connection, |inner| move_cursors(inner, fence, mutations))?;
        return Ok(written);
    }
    in_transaction(connection, |inner| {
        move_cursors(inner, fence, mutations)?;
        apply(inner, means, fence, batch)
    })
}

/// Does what [`write()`] does, up to the commit, and rolls it back.
///
/// # Errors
/// Those of [`write()`].
pub(super) fn try_out(
    connection: &mut Connection,
    means: Means<'_>,
    fence: &Fence,
    batch: &Batch,
) -> Result<Written, Stop> {
    in_trial(connection, |inner| {
        move_cursors(inner, fence, means.mutations)?;
        apply(inner, means, fence, batch)
    })
}

/// The fence of promise G2: each cursor stands where the lane left it, or nothing happens. New
/// cursors are made of the one for all before it moves.
fn move_cursors(connection: &Connection, fence: &Fence, mutations: Mutations) -> Result<(), Stop> {
    let guard = match (mutations.fence_off(), mutations.token_only()) {
        (true, _) => FenceGuard::None,
        (_, true) => FenceGuard::Owner,
        _ => FenceGuard::OwnerAndOffset,
    };
    for split in &fence.splits {
        let mut make = connection.prepare_cached(&statements::split_cursor())?;
        bind_cursor(&mut make, fence, split.entity.as_str(), split.next)?;
        if make.raw_execute()? != 1 {
            return Err(Stop::Fenced);
        }
    }
    for step in &fence.moves {
        // An idle lane only looks: a write would cost a commit for nothing.
        let holds = if step.from == step.to && guard == FenceGuard::OwnerAndOffset {
            let mut look = connection.prepare_cached(&statements::look_at_cursor())?;
            bind_cursor(&mut look, fence, step.scope.as_str(), step.from)?;
            look.raw_query().next()?.is_some()
        } else {
            let mut step_on = connection.prepare_cached(&statements::move_cursor(guard))?;
            bind_cursor(&mut step_on, fence, step.scope.as_str(), step.from)?;
            step_on.raw_bind_parameter(7, step.to.0)?;
            let last = fence.fingerprint;
            step_on.raw_bind_parameter(8, last.map(|last| last.offset.0))?;
            step_on.raw_bind_parameter(9, last.map(|last| last.timestamp_ms))?;
            step_on.raw_bind_parameter(10, last.map(|last| last.length_bytes))?;
            step_on.raw_bind_parameter(11, last.map(|last| last.crc))?;
            step_on.raw_execute()? == 1
        };
        if !holds {
            return Err(Stop::Fenced);
        }
    }
    Ok(())
}

fn bind_cursor(
    statement: &mut CachedStatement<'_>,
    fence: &Fence,
    entity: &str,
    next: NextOffset,
) -> rusqlite::Result<()> {
    let lane = &fence.lane;
    let mut scratch = Scratch::default();
    statement.raw_bind_parameter(1, lane.profile.as_str())?;
    statement.raw_bind_parameter(2, lane.topic_partition.topic.as_str())?;
    statement.raw_bind_parameter(3, lane.topic_partition.partition.0)?;
    statement.raw_bind_parameter(4, entity)?;
    statement.raw_bind_parameter(5, TextBytes(scratch.uuid(fence.token.0)))?;
    statement.raw_bind_parameter(6, next.0)
}

fn apply(
    connection: &Connection,
    means: Means<'_>,
    fence: &Fence,
    batch: &Batch,
) -> Result<Written, Stop> {
    let mut written = Written::default();
    let mut rejected = Vec::new();
    let now = super::apply::now(connection)?;
    for table in &batch.tables {
        let mut writer = TableWriter::new(connection, &fence.lane, table, now, means.mutations)?;
        for change in &table.changes {
            match writer.apply(change) {
                // A statement that fails undoes itself alone, so the others can be tried. Only a
                // trigger that rolls everything back leaves no transaction to try them in.
                Err(Stop::Rejected(mut records)) => {
                    rejected.append(&mut records);
                    if connection.is_autocommit() {
                        return Err(Stop::Rejected(rejected));
                    }
                }
                other => other?,
            }
        }
        written.tables.push(writer.counts());
    }
    if !rejected.is_empty() {
        return Err(Stop::Rejected(rejected));
    }
    held::hold_and_release(connection, means.clock, &fence.lane, batch)?;
    Ok(written)
}

/// Whether an entity of the lane's profile has any tombstone.
pub(super) fn any_tombstone(
    connection: &Connection,
    profile: &str,
    entity: &str,
) -> Result<bool, Stop> {
    let mut statement = connection.prepare_cached(&statements::any_tombstone())?;
    Ok(statement.exists(params![profile, entity])?)
}

#[cfg(test)]
#[path = "write_test.rs"]
mod tests;
