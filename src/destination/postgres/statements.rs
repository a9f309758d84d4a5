//! Text of the statements that write a batch, from the fence to the commit.
//!
//! Pure: the same batch gives the same text, pinned by golden files. Everything is one text of
//! several statements: PostgreSQL reads such a text whole before it does any of it, so it never
//! waits for its client between the fence and the commit, and the first statement that fails ends
//! them all. No record's content is ever in the text; that travels by COPY alone.

use super::ddl::{own_table, table_name};
use super::quote;
use super::shape::Shape;
use super::table_statements::TableStatements;
use crate::destination::own_tables::name as own;
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
    /// Ends the transaction.
    Commit,
}

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

/// Everything from the fence to the commit, for tables whose staging is loaded.
pub(super) fn burst(
    fence: &Fence,
    tables: &[TableWork<'_>],
    mutations: Mutations,
) -> Vec<Statement> {
    let mut statements = Vec::new();
    if !mutations.checkpoint_before_write() && !mutations.checkpoint_outside_transaction() {
        statements.push(Statement::new(Step::Fence, move_cursors(fence, Compare::of(mutations))));
    }
    for (at, work) in tables.iter().enumerate() {
        TableStatements { at, work, lane: &fence.lane, mutations }.add_to(&mut statements);
    }
    statements.push(Statement::new(Step::Commit, "COMMIT".to_owned()));
    statements
}

/// A whole transaction that moves the cursors and does nothing else.
pub(super) fn cursors_only(fence: &Fence, compare: Compare) -> Vec<Statement> {
    vec![
        Statement::new(Step::Begin, BEGIN.to_owned()),
        Statement::new(Step::Fence, move_cursors(fence, compare)),
        Statement::new(Step::Commit, "COMMIT".to_owned()),
    ]
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
        "WITH moved AS (UPDATE {} AS c SET next_offset = m.destination{fingerprint}, updated_at = now() FROM {} WHERE {} RETURNING 1) SELECT {} FROM moved",
        own_table(own::CHECKPOINT),
        moves(&fence.moves),
        fence_condition(fence, compare),
        if compare == Compare::Nothing { "count(*)".to_owned() } else { all_or_error(fence) },
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

/// The rows of the checkpoint table that belong to a lane.
fn lane_condition(alias: &str, lane: &LaneId) -> String {
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

/// The first of the record ids in `$1` that has neither row nor tombstone. Changes nothing.
pub(super) fn first_without_base(mapping: &Mapping, profile: &ProfileId) -> String {
    let id = quote::name(ID);
    format!(
        "SELECT s.id FROM unnest($1::uuid[]) WITH ORDINALITY AS s (id, place) WHERE NOT EXISTS (SELECT FROM {} AS e WHERE e.{id} = s.id) AND NOT EXISTS (SELECT FROM {} AS d WHERE d.record_id = s.id AND d.entity = {} AND d.profile = {}) ORDER BY s.place LIMIT 1",
        table_name(&mapping.table),
        own_table(own::TOMBSTONE),
        quote::text(mapping.entity.as_str()),
        quote::text(profile.as_str()),
    )
}
