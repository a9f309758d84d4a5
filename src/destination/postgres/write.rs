//! Writes a batch: staging first, then everything from the fence to the commit as one message.
//!
//! Promises: nothing shared is touched before all staging is loaded; the outcome is "unclear" if
//! and only if the commit may have reached the server and its answer is not known.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::SinkExt as _;
use tokio_postgres::{Client, CopyInSink};

use super::blame::{Blow, Obstacle, Place};
use super::burst::{self, Answer, Failed};
use super::classify::Moment;
use super::connection::{Connection, Need, Staging};
use super::ddl;
use super::encode::Encoder;
use super::failure::Failure;
use super::look::INVALID_TEXT_REPRESENTATION;
use super::shape::Shape;
use super::statements::{self, Compare, Ending, Statement, Step, TableWork};
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
    /// Longest time until an answer.
    pub answer_timeout: Duration,
}

impl Write<'_> {
    /// Writes on this connection; after an error it is of no more use.
    pub(super) async fn run(&self, connection: &mut Connection) -> Result<Written, Obstacle> {
        let trial = self.ending == Ending::RollBack;
        if self.mutations.checkpoint_before_write() && !trial {
            self.cursors_alone(connection, Compare::of(self.mutations)).await?;
        }
        let written = if self.batch.is_empty() {
            self.without_changes(connection).await?
        } else if self.batch.tables.is_empty() {
            self.without_rows(connection).await?
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
        connection: &Connection,
        compare: Compare,
    ) -> Result<(), Obstacle> {
        let statements = statements::cursors_only(self.fence, compare, Ending::Commit);
        self.send(connection, &statements).await.map(drop)
    }

    /// Holds and releases changes; there are no rows to write.
    async fn without_rows(&self, connection: &Connection) -> Result<Written, Obstacle> {
        let statements = statements::held_only(self.fence, self.batch, self.mutations, self.ending);
        self.send(connection, &statements).await?;
        Ok(Written::default())
    }

    /// Looks at the cursors, or moves them; there is nothing else to do.
    async fn without_changes(&self, connection: &Connection) -> Result<Written, Obstacle> {
        let elsewhere = self.mutations.checkpoint_before_write()
            || self.mutations.checkpoint_outside_transaction();
        if elsewhere {
            return Ok(Written::default());
        }
        let compare = Compare::of(self.mutations);
        let idle = self.fence.splits.is_empty()
            && self.fence.moves.iter().all(|step| step.from == step.to);
        let statements = match (idle, compare) {
            (true, Compare::Nothing) => return Ok(Written::default()),
            (true, _) => statements::look_at_cursors(self.fence, compare),
            (false, _) => statements::cursors_only(self.fence, compare, self.ending),
        };
        self.send(connection, &statements).await?;
        Ok(Written::default())
    }

    async fn with_changes(&self, connection: &mut Connection) -> Result<Written, Obstacle> {
        let shapes = &self.shapes;
        let needs: Vec<Need<'_>> = (self.batch.tables.iter().zip(shapes))
            .map(|(table, shape)| Need {
                table: &table.mapping.table,
                columns: &shape.columns,
                room: shape.room,
            })
            .collect();
        let preparing = connection.prepare(&needs);
        let prepared = tokio::time::timeout(self.answer_timeout, preparing).await;
        prepared
            .map_err(|_| before(Place::Batch, Failure::TimedOut))?
            .map_err(|(at, failure)| before(Place::Table(at), failure))?;
        connection.stages(shapes.iter().map(|shape| shape.order.len()).sum());
        let staged: Vec<&Staging> =
            needs.iter().filter_map(|need| connection.staged(need)).collect();
        let works: Vec<TableWork<'_>> = (self.batch.tables.iter().zip(shapes).zip(&staged))
            .map(|((table, shape), staging)| table_work(table, shape, staging))
            .collect();
        let statements =
            statements::burst(self.fence, &works, self.batch, self.mutations, self.ending);
        let client = &connection.client;
        let sink = self.load(client, shapes, &staged).await?;
        let answers = self.end_and_send(client, shapes, sink, &statements).await?;
        if self.ending == Ending::Commit {
            connection.committed();
        }
        Ok(self.written(shapes, &statements, &answers))
    }

    /// Begins, and loads every staging table; the COPY of the last is left open.
    async fn load(
        &self,
        client: &Client,
        shapes: &[Shape],
        staged: &[&Staging],
    ) -> Result<Sink, Obstacle> {
        let last = shapes.len() - 1;
        let mut at = 0;
        loop {
            let (table, shape) = (&self.batch.tables[at], &shapes[at]);
            let failed = |failure| self.in_copy(at, shape, failure);
            let loading = load_table(client, at == 0, table, shape, staged[at]);
            let mut sink = self.in_time(loading).await.map_err(failed)?;
            if at == last {
                return Ok(sink);
            }
            self.in_time(async { Ok(sink.as_mut().finish().await?) }).await.map_err(failed)?;
            at += 1;
        }
    }

    /// Ends the last COPY and sends the statements right behind it.
    async fn end_and_send(
        &self,
        client: &Client,
        shapes: &[Shape],
        mut sink: Sink,
        statements: &[Statement],
    ) -> Result<Vec<Answer>, Obstacle> {
        let text = statements::joined(statements);
        let last = shapes.len() - 1;
        let end = async {
            // An error that the server answers to the COPY ended the transaction before the fence;
            // if the line broke, nobody knows how far the rest came.
            sink.as_mut().finish().await.map_err(|error| match Failure::from(error) {
                Failure::Server(error) if !error.ends_connection => {
                    self.in_copy(last, &shapes[last], Failure::Server(error))
                }
                failure => committing(Place::Batch, failure),
            })
        };
        let send = async {
            let answers = burst::send(client, &text, statements.len()).await;
            answers.map_err(|failed| obstacle(statements, failed))
        };
        // Both to the end: after a failed COPY every statement fails, too, and only the first error
        // tells what it was.
        let both = async { tokio::join!(end, send) };
        match tokio::time::timeout(self.answer_timeout, both).await {
            Ok((ended, answers)) => ended.and(answers),
            Err(_) => Err(committing(Place::Batch, Failure::TimedOut)),
        }
    }

    /// Sends statements that are a transaction by themselves.
    async fn send(
        &self,
        connection: &Connection,
        statements: &[Statement],
    ) -> Result<Vec<Answer>, Obstacle> {
        let text = statements::joined(statements);
        let sending = burst::send(&connection.client, &text, statements.len());
        match tokio::time::timeout(self.answer_timeout, sending).await {
            Ok(answers) => answers.map_err(|failed| obstacle(statements, failed)),
            Err(_) => Err(committing(Place::Batch, Failure::TimedOut)),
        }
    }

    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::time::timeout(self.answer_timeout, work).await.unwrap_or(Err(Failure::TimedOut))
    }

    /// A failure of the COPY of a table, with the record that it happened at.
    fn in_copy(&self, at: usize, shape: &Shape, failure: Failure) -> Obstacle {
        let record_id = match &failure {
            Failure::Server(error) => {
                error.copy_row.and_then(|row| copied_record(&self.batch.tables[at], shape, row))
            }
            _ => None,
        };
        let (moment, place) = (Moment::Before, Place::Table(at));
        Obstacle::Failed(Blow { moment, place, failure, record_id })
    }

    /// Counts, from the answers.
    fn written(&self, shapes: &[Shape], statements: &[Statement], answers: &[Answer]) -> Written {
        let mut tables: Vec<TableCounts> = (self.batch.tables.iter().zip(shapes))
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
        for (statement, answer) in statements.iter().zip(answers) {
            match statement.step {
                Step::Begin
                | Step::Fence
                | Step::LogDeletes(_)
                | Step::Hold
                | Step::Release
                | Step::Constraints
                | Step::End => {}
                Step::Delete(at) => tables[at].deleted += answer.count,
                Step::Tombstones(at) => settle(&mut tables[at], answer.count),
                Step::UpdateMerged(at) | Step::InsertMerged(at) | Step::Images(at) => {
                    tables[at].written += answer.count;
                    settle(&mut tables[at], answer.count);
                }
                Step::Patches(at) => {
                    let cell = answer.rows.first().and_then(|row| row.first());
                    let applied = cell.and_then(Option::as_deref).and_then(|n| n.parse().ok());
                    tables[at].written += applied.unwrap_or(0);
                    settle(&mut tables[at], applied.unwrap_or(0));
                }
            }
        }
        Written { tables }
    }
}

/// A COPY that is open.
pub(super) type Sink = Pin<Box<CopyInSink<Bytes>>>;

/// Begins a COPY, and the transaction if asked to, and sends all rows; the COPY is left open.
pub(super) async fn load_table(
    client: &Client,
    begin: bool,
    table: &TableBatch,
    shape: &Shape,
    staging: &Staging,
) -> Result<Sink, Failure> {
    // The BEGIN is on its way together with the COPY.
    let begin =
        async { if begin { client.batch_execute(statements::BEGIN).await } else { Ok(()) } };
    let ((), sink) = tokio::try_join!(begin, client.copy_in(&staging.copy))?;
    let mut sink = Box::pin(sink);
    let mut encoder = Encoder::new(&staging.columns, shape, table.mapping.versioned);
    for at in &shape.order {
        if let Some(frame) = encoder.add(&table.changes[*at as usize]) {
            sink.feed(frame).await?;
        }
    }
    sink.feed(encoder.finish()).await?;
    Ok(sink)
}

/// Changes that had an effect are not superseded.
fn settle(counts: &mut TableCounts, applied: u64) {
    counts.superseded = counts.superseded.saturating_sub(applied);
}

fn before(place: Place, failure: Failure) -> Obstacle {
    Obstacle::Failed(Blow { moment: Moment::Before, place, failure, record_id: None })
}

fn committing(place: Place, failure: Failure) -> Obstacle {
    Obstacle::Failed(Blow { moment: Moment::Committing, place, failure, record_id: None })
}

pub(super) fn table_work<'a>(
    table: &'a TableBatch,
    shape: &'a Shape,
    staging: &Staging,
) -> TableWork<'a> {
    TableWork {
        entity: &table.mapping.entity,
        table: &table.mapping.table,
        versioned: table.mapping.versioned,
        shape,
        staging: ddl::in_session(&staging.name),
    }
}

/// The record whose part was the COPY's row of this number, from 1.
fn copied_record(table: &TableBatch, shape: &Shape, row: u64) -> Option<RecordId> {
    let mut rows = 0;
    let at = shape.order.iter().find(|at| {
        let change = &table.changes[**at as usize];
        let parts = [change.delete.is_some(), change.image.is_some(), change.patch.is_some()];
        rows += parts.iter().map(|there| u64::from(*there)).sum::<u64>();
        rows >= row
    })?;
    Some(table.changes[*at as usize].record_id)
}

/// What a failed statement means. Two of them fail on purpose, with a text that is no number.
fn obstacle(statements: &[Statement], failed: Failed) -> Obstacle {
    let step = statements.get(failed.statement).map(|statement| statement.step);
    let on_purpose = matches!(&failed.failure, Failure::Server(error)
        if error.state == INVALID_TEXT_REPRESENTATION && !error.ends_connection);
    let place = match step {
        Some(Step::Fence) if on_purpose => return Obstacle::Fenced,
        Some(Step::Patches(at)) if on_purpose => return Obstacle::NoBase(at),
        Some(
            Step::LogDeletes(at)
            | Step::Delete(at)
            | Step::Tombstones(at)
            | Step::UpdateMerged(at)
            | Step::InsertMerged(at)
            | Step::Images(at)
            | Step::Patches(at),
        ) => Place::Table(at),
        Some(Step::Fence | Step::Hold | Step::Release) => Place::Own,
        Some(Step::Begin | Step::Constraints | Step::End) | None => Place::Batch,
    };
    committing(place, failed.failure)
}
