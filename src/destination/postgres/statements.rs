//! Text of the statements that write a batch, from the fence to the commit.
//!
//! Pure: the same batch gives the same text, pinned by golden files. Everything is one text of
//! several statements: PostgreSQL reads such a text whole before it does any of it, so it never
//! waits for its client between the fence and the commit, and the first statement that fails ends
//! them all. No record's content is ever in the text; that travels by COPY alone.

use super::ddl::table_name;
use super::held_statements;
use super::own_ddl::own_table;
use super::quote;
use super::shape::Shape;
use super::table_statements::{TableStatements, alive};
use crate::destination::own_tables::name as own;
use crate::model::batch::Batch;
use crate::model::checkpoint::{CursorMove, Fence, LaneId, OwnerToken};
use crate::model::mapping::Mapping;
use crate::model::mutation::Mutations;
use crate::model::profile::ProfileId;
use crate::model::record::EntityName;
use crate::model::table::{ID, Table};

/// What a statement is for; its answer is read accordingly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Begins the transaction.
    Begin,
    /// Moves the cursors, or looks at them.
    Fence,
    /// Notes which rows of the batch's table of this number are about to be deleted.
    LogDeletes(usize),
    /// Deletes rows of the batch's table of this number.
    Delete(usize),
    /// Remembers deletes.
    Tombstones(usize),
    /// Updates rows to images that patches were merged into.
    UpdateMerged(usize),
    /// Inserts such images where there is no row.
    InsertMerged(usize),
    /// Inserts or updates rows to images.
    Images(usize),
    /// Changes rows by patches; answers how many.
    Patches(usize),
    /// Makes and revises held changes.
    Hold,
    /// Closes held changes.
    Release,
    /// Asks constraints that would be asked at the commit.
    Constraints,
    /// Ends the transaction.
    End,
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// What was done stays.
    Commit,
    /// It was a trial: nothing stays.
    RollBack,
}

impl Ending {
    /// Adds the statements. A trial asks for what a commit would have asked for.
    fn add_to(self, statements: &mut Vec<Statement>) {
        let text = match self {
            Self::Commit => "COMMIT",
            Self::RollBack => {
                let constraints = "SET CONSTRAINTS ALL IMMEDIATE".to_owned();
                statements.push(Statement::new(Step::Constraints, constraints));
                ROLL_BACK
            }
        };
        statements.push(Statement::new(Step::End, text.to_owned()));
    }
}

/// Ends a transaction, if one is open, as if it had not been.
pub(super) const ROLL_BACK: &str = "ROLLBACK";

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    /// What it is for.
    pub step: Step,
    /// Its text, without a semicolon.
    pub text: String,
}

impl Statement {
    /// A statement.
    pub(super) fn new(step: Step, text: String) -> Self {
        Self { step, text }
    }
}

/// One table of a batch, as the statements need it.
pub(super) struct TableWork<'a> {
    /// The entity.
    pub entity: &'a EntityName,
    /// Its table.
    pub table: &'a Table,
    /// Whether its changes have versions.
    pub versioned: bool,
    /// What the changes have in common.
    pub shape: &'a Shape,
    /// Full name of the staging table that holds them.
    pub staging: String,
}

/// What the fence compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    /// Owner and offset, as it must be.
    All,
    /// The owner only: a fault.
    Token,
    /// Nothing: a fault.
    Nothing,
}

impl Compare {
    /// What the faults that are built in leave of it.
    pub(super) fn of(mutations: Mutations) -> Self {
        match (mutations.fence_off(), mutations.token_only()) {
            (true, _) => Self::Nothing,
            (false, true) => Self::Token,
            (false, false) => Self::All,
        }
    }
}

/// Begins a transaction. The isolation level is stated, for a server's default may differ and the
/// fence must see what others committed; whether it may write is left to the server.
pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// Joins statements to the text that is sent.
pub(super) fn joined(statements: &[Statement]) -> String {
    let mut text = String::new();
    for statement in statements {
        text.push_str(&statement.text);
        text.push_str(";\n");
    }
    text
}

/// Everything from the fence to the commit, for tables whose staging is loaded. Of the batch it
/// takes what is held and released; without any there is no statement for it.
pub(super) fn burst(
    fence: &Fence,
    tables: &[TableWork<'_>],
    batch: &Batch,
    mutations: Mutations,
    ending: Ending,
) -> Vec<Statement> {
    let mut statements = Vec::new();
    if !mutations.checkpoint_before_write() && !mutations.checkpoint_outside_transaction() {
        statements.push(Statement::new(Step::Fence, move_cursors(fence, Compare::of(mutations))));
    }
    for (at, work) in tables.iter().enumerate() {
        TableStatements { at, work, lane: &fence.lane, mutations }.add_to(&mut statements);
    }
    if !batch.holds.is_empty() {
        let text = held_statements::hold(&fence.lane, &batch.holds);
        statements.push(Statement::new(Step::Hold, text));
    }
    if !batch.releases.is_empty() {
        let text = held_statements::release(&fence.lane, &batch.releases);
        statements.push(Statement::new(Step::Release, text));
    }
    ending.add_to(&mut statements);
    statements
}

/// A whole transaction that moves the cursors and does nothing else.
pub(super) fn cursors_only(fence: &Fence, compare: Compare, ending: Ending) -> Vec<Statement> {
    let mut statements = vec![
        Statement::new(Step::Begin, BEGIN.to_owned()),
        Statement::new(Step::Fence, move_cursors(fence, compare)),
    ];
    ending.add_to(&mut statements);
    statements
}

/// A whole transaction of a batch that has no rows to write, only changes to hold or to release.
pub(super) fn held_only(
    fence: &Fence,
    batch: &Batch,
    mutations: Mutations,
    ending: Ending,
) -> Vec<Statement> {
    let mut statements = vec![Statement::new(Step::Begin, BEGIN.to_owned())];
    statements.extend(burst(fence, &[], batch, mutations, ending));
    statements
}

/// Looks whether the cursors stand where they must, and changes nothing: no lock, no log.
pub(super) fn look_at_cursors(fence: &Fence, compare: Compare) -> Vec<Statement> {
    let condition = fence_condition(fence, compare);
    let text = format!(
        "SELECT {} FROM {} AS c, {} WHERE {condition}",
        all_or_error(fence),
        own_table(own::CHECKPOINT),
        moves(&fence.moves),
    );
    vec![Statement::new(Step::Fence, text)]
}

/// Moves every cursor of the fence, or raises an error.
fn move_cursors(fence: &Fence, compare: Compare) -> String {
    let fingerprint = fence.fingerprint.map_or_else(String::new, |print| {
        format!(
            ", last_offset = {}, last_timestamp_ms = {}, last_length_bytes = {}, last_crc = {}",
            print.offset, print.timestamp_ms, print.length_bytes, print.crc
        )
    });
    format!(
        "WITH moved AS (UPDATE {} AS c SET next_offset = m.destination{fingerprint}, updated_at = now() FROM {} WHERE {} RETURNING 1){} SELECT {} FROM moved",
        own_table(own::CHECKPOINT),
        moves(&fence.moves),
        fence_condition(fence, compare),
        made_cursors(fence),
        if compare == Compare::Nothing { "count(*)".to_owned() } else { all_or_error(fence) },
    )
}

/// A further part of the statement that moves the cursors: makes those that the fence asks for,
/// as that of all was before it was moved.
fn made_cursors(fence: &Fence) -> String {
    if fence.splits.is_empty() {
        return String::new();
    }
    let rows: Vec<String> = fence
        .splits
        .iter()
        .map(|split| format!("({}, {}::bigint)", quote::text(split.entity.as_str()), split.next))
        .collect();
    let table = own_table(own::CHECKPOINT);
    format!(
        ", made AS (INSERT INTO {table} (profile, topic, partition, entity, next_offset, owner, last_offset, last_timestamp_ms, last_length_bytes, last_crc) SELECT a.profile, a.topic, a.partition, n.entity, n.next_offset, '{}'::uuid, a.last_offset, a.last_timestamp_ms, a.last_length_bytes, a.last_crc FROM {table} AS a, (VALUES {}) AS n (entity, next_offset) WHERE {} AND a.entity = '' ON CONFLICT (profile, topic, partition, entity) DO UPDATE SET next_offset = excluded.next_offset, owner = excluded.owner, last_offset = excluded.last_offset, last_timestamp_ms = excluded.last_timestamp_ms, last_length_bytes = excluded.last_length_bytes, last_crc = excluded.last_crc, updated_at = now())",
        fence.token.0,
        rows.join(", "),
        lane_condition("a", &fence.lane),
    )
}

/// The cursors as a table of values.
fn moves(moves: &[CursorMove]) -> String {
    let rows: Vec<String> = moves
        .iter()
        .map(|step| {
            let scope = quote::text(step.scope.as_str());
            format!("({scope}, {}::bigint, {}::bigint)", step.from, step.to)
        })
        .collect();
    format!("(VALUES {}) AS m (entity, origin, destination)", rows.join(", "))
}

fn fence_condition(fence: &Fence, compare: Compare) -> String {
    let lane = lane_condition("c", &fence.lane);
    let owner = format!(" AND c.owner = '{}'::uuid", fence.token.0);
    let (owner, offset) = match compare {
        Compare::All => (owner.as_str(), " AND c.next_offset = m.origin"),
        Compare::Token => (owner.as_str(), ""),
        Compare::Nothing => ("", ""),
    };
    format!("{lane} AND c.entity = m.entity{owner}{offset}")
}

/// The number of cursors found, or an error where it is not that of the fence. The text is for
/// whoever reads the server's log; counted in, so that no planner computes it beforehand.
fn all_or_error(fence: &Fence) -> String {
    let expected = fence.moves.len();
    format!(
        "CASE WHEN count(*) = {expected} THEN {expected} ELSE ('keepstep is fenced: another owner or offset stands in the checkpoint; cursors found: ' || count(*))::integer END"
    )
}

/// The rows of an own table that belong to a lane.
pub(super) fn lane_condition(alias: &str, lane: &LaneId) -> String {
    format!(
        "{alias}.profile = {} AND {alias}.topic = {} AND {alias}.partition = {}",
        quote::text(lane.profile.as_str()),
        quote::text(lane.topic_partition.topic.as_str()),
        lane.topic_partition.partition
    )
}

/// Takes a lane: cursors of an entity that stand where that of all stands are folded into it, the
/// rest gets the new owner and is answered.
pub(super) fn take(lane: &LaneId, token: OwnerToken) -> Vec<String> {
    let table = own_table(own::CHECKPOINT);
    let (cursor, all) = (lane_condition("c", lane), lane_condition("a", lane));
    vec![
        BEGIN.to_owned(),
        format!(
            "DELETE FROM {table} AS c USING {table} AS a WHERE {cursor} AND c.entity <> '' AND {all} AND a.entity = '' AND a.next_offset = c.next_offset"
        ),
        format!(
            "UPDATE {table} AS c SET owner = '{}'::uuid, updated_at = now() WHERE {cursor} RETURNING c.entity, c.next_offset, last_offset, last_timestamp_ms, last_length_bytes, last_crc",
            token.0
        ),
        "COMMIT".to_owned(),
    ]
}

/// The record ids of `$1` that have neither row nor tombstone, in their order. Changes nothing.
pub(super) fn without_base(mapping: &Mapping, profile: &ProfileId) -> String {
    let id = quote::name(ID);
    format!(
        "SELECT s.id FROM unnest($1::uuid[]) WITH ORDINALITY AS s (id, place) WHERE NOT EXISTS (SELECT FROM {} AS e WHERE e.{id} = s.id{}) AND NOT EXISTS (SELECT FROM {} AS d WHERE d.record_id = s.id AND d.entity = {} AND d.profile = {}) ORDER BY s.place",
        table_name(&mapping.table),
        alive(&mapping.table, "e"),
        own_table(own::TOMBSTONE),
        quote::text(mapping.entity.as_str()),
        quote::text(profile.as_str()),
    )
}
