//! Writes a batch: staging first, then everything from the fence to the commit as one batch of the
//! server.
//!
//! Promises: nothing shared is touched before all staging is loaded; the outcome is "unclear" if
//! and only if the commit may have reached the server and its answer is not known.

use std::time::Duration;

use tiberius::{Row, SqlBulkCopyOption, ToSql};

use super::blame::{Blow, Obstacle, Place};
use super::classify::Moment;
use super::connection::Connection;
use super::encode::{Encoder, LongText};
use super::failure::{Failure, ServerError};
use super::shape::Shape;
use super::staging::{self, Need, Stage};
use super::statements::{
    self, ANSWER, Compare, DONE, Ending, FAILED, FENCED, NO_BASE, Parameters, Script, Step,
    TableWork,
};
use crate::destination::{TableCounts, Written};
use crate::model::batch::{Batch, TableBatch};
use crate::model::checkpoint::Fence;
use crate::model::mutation::Mutations;
use crate::model::record::RecordId;

/// One write, under way.
pub(super) struct Write<'a> {
    /// The fence.
    pub fence: &'a Fence,
    /// The batch.
    pub batch: &'a Batch,
    /// What the changes of each of its tables have in common.
    pub shapes: Vec<Shape>,
    /// Faults built in.
    pub mutations: Mutations,
    /// How it ends.
    pub ending: Ending,
}

impl Write<'_> {
    /// Writes on this connection.
    pub(super) async fn run(&self, connection: &mut Connection) -> Result<Written, Obstacle> {
        let trial = self.ending == Ending::RollBack;
        if self.mutations.checkpoint_before_write() && !trial {
            self.cursors_alone(connection, Compare::of(self.mutations)).await?;
        }
        let written = if self.batch.is_empty() {
            self.without_changes(connection).await?
        } else {
            self.with_changes(connection).await?
        };
        if self.mutations.checkpoint_outside_transaction() && !trial {
            self.cursors_alone(connection, Compare::Nothing).await?;
        }
        Ok(written)
    }

    /// Moves the cursors in a transaction of their own.
    async fn cursors_alone(
        &self,
        connection: &mut Connection,
        compare: Compare,
    ) -> Result<(), Obstacle> {
        let script = statements::cursors_only(self.fence, compare, Ending::Commit);
        send(connection, &script).await.map(drop)
    }

    /// Looks at the cursors, or moves them; there is nothing else to do.
    async fn without_changes(&self, connection: &mut Connection) -> Result<Written, Obstacle> {
        let elsewhere = self.mutations.checkpoint_before_write()
            || self.mutations.checkpoint_outside_transaction();
        if elsewhere {
            return Ok(Written::default());
        }
        let compare = Compare::of(self.mutations);
        let idle = self.fence.splits.is_empty()
            && self.fence.moves.iter().all(|step| step.from == step.to);
        match (idle, compare) {
            (true, Compare::Nothing) => {}
            (true, _) => {
                let (text, parameters) = statements::look_at_cursors(self.fence, compare);
                let answer = ask(connection, &text, &parameters).await;
                let answer = answer.map_err(|failure| at(Moment::Before, Place::Own, failure))?;
                read(&answer, &Script::default())?;
            }
            (false, _) => {
                let script = statements::cursors_only(self.fence, compare, self.ending);
                send(connection, &script).await?;
            }
        }
        Ok(Written::default())
    }

    async fn with_changes(&self, connection: &mut Connection) -> Result<Written, Obstacle> {
        self.stage(connection).await?;
        let script = {
            let works = self.works(connection)?;
            statements::burst(self.fence, &works, self.batch, self.mutations, self.ending)
        };
        let counts = send(connection, &script).await?;
        if self.ending == Ending::Commit {
            let tables = self.batch.tables.iter().map(|table| &table.mapping.table);
            connection.stages.emptied(tables);
        }
        Ok(self.written(&script, &counts))
    }

    /// Loads every staging table.
    async fn stage(&self, connection: &mut Connection) -> Result<(), Obstacle> {
        let needs: Vec<Need<'_>> = (self.batch.tables.iter().zip(&self.shapes))
            .map(|(table, shape)| Need { table: &table.mapping.table, columns: &shape.columns })
            .collect();
        if let Some(text) = connection.stages.prepare(&needs) {
            let prepared = connection.batch(&text).await;
            prepared.map_err(|failure| at(Moment::Before, Place::Batch, failure))?;
        }
        for (number, (table, shape)) in self.batch.tables.iter().zip(&self.shapes).enumerate() {
            load(connection, table, shape).await.map_err(|(failure, record_id)| {
                let (moment, place) = (Moment::Before, Place::Table(number));
                Obstacle::Failed(Blow { moment, place, failure, record_id })
            })?;
        }
        Ok(())
    }

    /// The tables, with the staging tables that hold their changes.
    pub(super) fn works<'b>(
        &'b self,
        connection: &'b Connection,
    ) -> Result<Vec<TableWork<'b>>, Obstacle> {
        let staged = |table: &TableBatch| connection.stages.of(&table.mapping.table);
        let work = |(table, shape): (&'b TableBatch, &'b Shape)| {
            let missing = || at(Moment::Before, Place::Batch, Failure::Protocol);
            let stage: &'b Stage = staged(table).ok_or_else(missing)?;
            Ok(TableWork {
                entity: &table.mapping.entity,
                table: &table.mapping.table,
                versioned: table.mapping.versioned,
                shape,
                staging: &stage.name,
                staged: &stage.columns,
            })
        };
        self.batch.tables.iter().zip(&self.shapes).map(work).collect()
    }

    /// Counts, from the answer.
    fn written(&self, script: &Script, counts: &[u64]) -> Written {
        let mut tables: Vec<TableCounts> = (self.batch.tables.iter().zip(&self.shapes))
            .map(|(table, shape)| TableCounts {
                entity: table.mapping.entity.clone(),
                written: 0,
                deleted: 0,
                superseded: match self.mutations.tombstone_forgotten() {
                    true => shape.parts.upserts,
                    false => shape.parts.deletes + shape.parts.upserts,
                },
            })
            .collect();
        for (statement, count) in script.statements.iter().zip(counts) {
            match statement.step {
                Step::Fence
                | Step::Split
                | Step::Log(_)
                | Step::Base(_)
                | Step::Hold
                | Step::Release
                | Step::Empty
                | Step::End => {}
                Step::Delete(at) => tables[at].deleted += count,
                Step::UpdateTombstones(at) | Step::InsertTombstones(at) => {
                    settle(&mut tables[at], *count);
                }
                Step::UpdateImages(at) | Step::InsertImages(at) | Step::Patches(at) => {
                    tables[at].written += count;
                    settle(&mut tables[at], *count);
                }
            }
        }
        Written { tables }
    }
}

/// Loads the staging table of a table.
///
/// # Errors
/// What failed, and the record that the driver could not send, if it is that.
async fn load(
    connection: &mut Connection,
    table: &TableBatch,
    shape: &Shape,
) -> Result<(), (Failure, Option<RecordId>)> {
    let mapping = &table.mapping;
    connection.stages.loading(&mapping.table);
    let limit = connection.command_timeout();
    let Connection { driver, stages, .. } = connection;
    let stage = stages.of(&mapping.table).ok_or((Failure::Protocol, None))?;
    let names = shape.columns.names();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut encoder = Encoder::new(shape, &mapping.table, mapping.versioned);
    let loading = async {
        // Nobody else sees the table: one lock for all of it, and pages are filled whole.
        let options = SqlBulkCopyOption::TableLock.into();
        let load = driver.bulk_insert_with_options(&stage.name, &names, options, &[]).await;
        let mut load = load.map_err(|error| (error.into(), None))?;
        for at in &shape.order {
            let change = &table.changes[*at as usize];
            for row in encoder.rows(change).into_iter().flatten() {
                let sent = load.send(row).await;
                sent.map_err(|error| match Failure::from(error) {
                    Failure::Bulk => (Failure::Bulk, Some(change.record_id)),
                    failure => (failure, None),
                })?;
            }
        }
        load.finalize().await.map_err(|error| (error.into(), None))?;
        Ok(())
    };
    in_time(limit, loading).await?;
    let (name, long_texts) = (stage.name.clone(), encoder.long_texts);
    for long in &long_texts {
        put(connection, &name, long).await.map_err(|failure| (failure, None))?;
    }
    Ok(())
}

async fn in_time<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, (Failure, Option<RecordId>)>>,
) -> Result<T, (Failure, Option<RecordId>)> {
    tokio::time::timeout(limit, work).await.unwrap_or(Err((Failure::TimedOut, None)))
}

/// Puts a text that the bulk load left out into its place.
async fn put(connection: &mut Connection, name: &str, long: &LongText<'_>) -> Result<(), Failure> {
    let text = staging::put_text(name, long.column, long.kind);
    connection.query(&text, &[&long.text, &long.id]).await.map(drop)
}

/// Sends a whole transaction; answers the count of each of its statements.
async fn send(connection: &mut Connection, script: &Script) -> Result<Vec<u64>, Obstacle> {
    match ask(connection, &script.text(), &script.parameters).await {
        Ok(answer) => read(&answer, script),
        // The server gives up a batch that it cannot compile where it stands; the line tells where.
        Err(Failure::Server(error)) => {
            let place = script.step_of_line(error.line).map_or(Place::Batch, place_of);
            Err(at(Moment::Committing, place, Failure::Server(error)))
        }
        Err(failure) => Err(at(Moment::Committing, Place::Batch, failure)),
    }
}

async fn ask(
    connection: &mut Connection,
    text: &str,
    parameters: &Parameters,
) -> Result<Vec<Vec<Row>>, Failure> {
    let values: Vec<&dyn ToSql> =
        parameters.values().iter().map(|value| -> &dyn ToSql { value }).collect();
    connection.with_parameters(text, &values).await
}

/// Reads the answer to a script.
fn read(answer: &[Vec<Row>], script: &Script) -> Result<Vec<u64>, Obstacle> {
    let unreadable = || at(Moment::Committing, Place::Batch, Failure::Protocol);
    let ours = |row: &&Row| row.columns().first().is_some_and(|column| column.name() == ANSWER);
    let row = answer.iter().rev().find_map(|rows| rows.first().filter(ours));
    let row = row.ok_or_else(unreadable)?;
    let number = |place: usize| row.try_get::<i32, _>(place).ok().flatten();
    match row.try_get::<&str, _>(0).ok().flatten() {
        Some(DONE) => {
            let count = |place| number(place).and_then(|count| u64::try_from(count).ok());
            Ok((1..=script.statements.len()).map(|place| count(place).unwrap_or(0)).collect())
        }
        Some(FENCED) => Err(Obstacle::Fenced),
        Some(NO_BASE) => {
            let table = number(1).and_then(|table| usize::try_from(table).ok());
            Err(Obstacle::NoBase(table.ok_or_else(unreadable)?))
        }
        Some(FAILED) => {
            let step = number(1).and_then(|step| usize::try_from(step).ok());
            let step = step.and_then(|step| script.statements.get(step));
            let place = step.map_or(Place::Batch, |statement| place_of(statement.step));
            let error = ServerError {
                number: number(2).and_then(|it| u32::try_from(it).ok()).ok_or_else(unreadable)?,
                class: number(3).and_then(|it| u8::try_from(it).ok()).ok_or_else(unreadable)?,
                state: number(4).and_then(|it| u8::try_from(it).ok()).unwrap_or(0),
                line: 0,
            };
            Err(at(Moment::Committing, place, Failure::Server(error)))
        }
        _ => Err(unreadable()),
    }
}

/// Where a step is at work.
fn place_of(step: Step) -> Place {
    match step {
        Step::Log(at)
        | Step::Delete(at)
        | Step::UpdateImages(at)
        | Step::InsertImages(at)
        | Step::Patches(at)
        | Step::Base(at) => Place::Table(at),
        Step::UpdateTombstones(_)
        | Step::InsertTombstones(_)
        | Step::Fence
        | Step::Split
        | Step::Hold
        | Step::Release => Place::Own,
        Step::Empty | Step::End => Place::Batch,
    }
}

/// Changes that had an effect are not superseded.
fn settle(counts: &mut TableCounts, applied: u64) {
    counts.superseded = counts.superseded.saturating_sub(applied);
}

fn at(moment: Moment, place: Place, failure: Failure) -> Obstacle {
    Obstacle::Failed(Blow { moment, place, failure, record_id: None })
}
