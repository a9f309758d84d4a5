//! Writes a batch: the fence first, then every net change, in one transaction.

use rusqlite::{CachedStatement, Connection, params};

use super::apply::TableWriter;
use super::cell_text::{Scratch, TextBytes};
use super::statements::{self, FenceGuard};
use super::stop::Stop;
use super::writer::in_transaction;
use crate::destination::Written;
use crate::model::batch::Batch;
use crate::model::checkpoint::{CursorMove, Fence};
use crate::model::mutation::Mutations;

/// Moves the cursors and makes every change, or does neither.
///
/// # Errors
/// [`Stop::Fenced`], [`Stop::Rejected`], or what SQLite says.
pub(super) fn write(
    connection: &Connection,
    fence: &Fence,
    batch: &Batch,
    mutations: Mutations,
) -> Result<Written, Stop> {
    if mutations.checkpoint_before_write() {
        in_transaction(connection, |inner| move_cursors(inner, fence, mutations))?;
        return in_transaction(connection, |inner| apply(inner, fence, batch, mutations));
    }
    if mutations.checkpoint_outside_transaction() {
        let written = in_transaction(connection, |inner| apply(inner, fence, batch, mutations))?;
        in_transaction(connection, |inner| move_cursors(inner, fence, mutations))?;
        return Ok(written);
    }
    in_transaction(connection, |inner| {
        move_cursors(inner, fence, mutations)?;
        apply(inner, fence, batch, mutations)
    })
}

/// The fence of promise G2: each cursor stands where the lane left it, or nothing happens.
fn move_cursors(connection: &Connection, fence: &Fence, mutations: Mutations) -> Result<(), Stop> {
    let guard = match (mutations.fence_off(), mutations.token_only()) {
        (true, _) => FenceGuard::None,
        (_, true) => FenceGuard::Owner,
        _ => FenceGuard::OwnerAndOffset,
    };
    for step in &fence.moves {
        // An idle lane only looks: a write would cost a commit for nothing.
        let holds = if step.from == step.to && guard == FenceGuard::OwnerAndOffset {
            let mut look = connection.prepare_cached(&statements::look_at_cursor())?;
            bind_cursor(&mut look, fence, step)?;
            look.raw_query().next()?.is_some()
        } else {
            let mut step_on = connection.prepare_cached(&statements::move_cursor(guard))?;
            bind_cursor(&mut step_on, fence, step)?;
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
    step: &CursorMove,
) -> rusqlite::Result<()> {
    let lane = &fence.lane;
    let mut scratch = Scratch::default();
    statement.raw_bind_parameter(1, lane.profile.as_str())?;
    statement.raw_bind_parameter(2, lane.topic_partition.topic.as_str())?;
    statement.raw_bind_parameter(3, lane.topic_partition.partition.0)?;
    statement.raw_bind_parameter(4, step.scope.as_str())?;
    statement.raw_bind_parameter(5, TextBytes(scratch.uuid(fence.token.0)))?;
    statement.raw_bind_parameter(6, step.from.0)
}

fn apply(
    connection: &Connection,
    fence: &Fence,
    batch: &Batch,
    mutations: Mutations,
) -> Result<Written, Stop> {
    let mut written = Written::default();
    let now = super::apply::now(connection)?;
    for table in &batch.tables {
        let mut writer = TableWriter::new(connection, &fence.lane, table, now, mutations)?;
        for change in &table.changes {
            writer.apply(change)?;
        }
        written.tables.push(writer.counts());
    }
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
