//! Text of the statements that write a batch, from the fence to the commit.
//!
//! Pure: the same batch gives the same text, pinned by golden files. Everything is one batch of
//! the server: it has all of it before it begins with any, so it never waits for its client between
//! the fence and the commit. Whatever fails is caught there: the transaction is rolled back, and the
//! answer is the step at which it happened and the number of the error, without a message. No
//! record's content is ever in the text; that travels into staging alone. What differs from batch
//! to batch, as offsets do, is a parameter: the text stays the same, so the server keeps its plans.

use super::held_statements::{self, CLOCK};
use super::own_ddl::{lane_condition, own_table};
use super::quote;
use super::shape::Shape;
use super::staging::{self, StagedColumns};
use super::table_statements::TableStatements;
use crate::destination::own_tables::name as own;
use crate::model::batch::Batch;
use crate::model::checkpoint::{CursorMove, Fence};
use crate::model::mutation::Mutations;
use crate::model::record::EntityName;
use crate::model::table::Table;

/// What a statement is for; its count is read accordingly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Moves the cursors, or looks at them.
    Fence,
    /// Makes cursors.
    Split,
    /// Notes deletes of the batch's table of this number in the log of deletes.
    Log(usize),
    /// Deletes rows, or marks them as deleted.
    Delete(usize),
    /// Remembers deletes that were not remembered before.
    InsertTombstones(usize),
    /// Remembers the other ones.
    UpdateTombstones(usize),
    /// Updates rows to images.
    UpdateImages(usize),
    /// Inserts images where there is no row.
    InsertImages(usize),
    /// Changes rows by patches.
    Patches(usize),
    /// Looks for patches without a row.
    Base(usize),
    /// Makes and revises held changes.
    Hold,
    /// Closes held changes.
    Release,
    /// Empties staging tables.
    Empty,
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

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    /// What it is for.
    pub step: Step,
    /// Its text, without a semicolon.
    pub text: String,
}

/// One batch of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Script {
    /// What comes before the transaction and touches nothing shared.
    pub before: Vec<String>,
    /// The transaction, without its beginning.
    pub statements: Vec<Statement>,
    /// Values of the parameters `@P1` …, in order.
    pub parameters: Parameters,
}

/// Most parameters of a statement; the server takes 2,100, of which two are taken for text and types.
/// Source: SQL Server documentation, "Maximum capacity specifications".
const MOST_PARAMETERS: usize = 2_000;

/// Values that differ between batches whose text is the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters(Vec<i64>);

impl Parameters {
    /// Adds one; what stands for it in the text: its name, or itself where there are too many.
    pub(super) fn add(&mut self, value: i64) -> String {
        if self.0.len() == MOST_PARAMETERS {
            return value.to_string();
        }
        self.0.push(value);
        format!("@P{}", self.0.len())
    }

    /// In order.
    pub(super) fn values(&self) -> &[i64] {
        &self.0
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
    /// Name of the staging table that holds them.
    pub staging: &'a str,
    /// The columns of the staging table.
    pub staged: &'a StagedColumns,
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

/// Name of the first column of an answer of ours. A trigger of somebody's may answer, too.
pub(super) const ANSWER: &str = "keepstep_answer";
/// The cursors do not stand where they must.
pub(super) const FENCED: &str = "fenced";
/// A patch may have no row; the number of its table follows.
pub(super) const NO_BASE: &str = "no_base";
/// A statement failed; its number, and number, class and state of the error follow.
pub(super) const FAILED: &str = "failed";
/// All was done; the count of each statement follows.
pub(super) const DONE: &str = "done";

/// The moment of the batch, as the sink columns take it.
pub(super) const NOW: &str = "@now";

/// The same for own tables, more finely.
pub(super) const MOMENT: &str = "@moment";

/// The variable that keeps how many rows a statement touched.
pub(super) fn count(statement: usize) -> String {
    format!("@n{statement}")
}

/// Gives up what was begun, and answers.
pub(super) fn give_up(answer: &str) -> String {
    format!("BEGIN ROLLBACK TRANSACTION; SELECT N'{answer}' AS {ANSWER}; RETURN; END")
}

impl Script {
    /// The text that is sent. After each statement its count is kept; of a statement that fails
    /// the number is. What fails leaves no transaction open: that is what XACT_ABORT is for, and
    /// the CATCH for what it spares, an error that a trigger raises.
    pub(super) fn text(&self) -> String {
        let counts: String =
            (0..self.statements.len()).map(|at| format!(", {} int", count(at))).collect();
        let mut text = format!(
            "SET NOCOUNT ON; SET XACT_ABORT ON;\nDECLARE @step int, {NOW} datetime = GETUTCDATE(), {MOMENT} datetime2(3) = SYSUTCDATETIME(), {CLOCK} bigint{counts};\n"
        );
        for statement in &self.before {
            text.push_str(&format!("{statement};\n"));
        }
        text.push_str("BEGIN TRY\nBEGIN TRANSACTION;\n");
        for (at, statement) in self.statements.iter().enumerate() {
            text.push_str(&format!("SET @step = {at};\n{};\n", statement.text));
            if statement.step.counts() {
                text.push_str(&format!("SET {} = @@ROWCOUNT;\n", count(at)));
            }
        }
        let counts: String =
            (0..self.statements.len()).map(|at| format!(", {}", count(at))).collect();
        text.push_str(&format!(
            "END TRY\nBEGIN CATCH\nIF @@TRANCOUNT > 0 ROLLBACK TRANSACTION;\nSELECT N'{FAILED}' AS {ANSWER}, @step, ERROR_NUMBER(), ERROR_SEVERITY(), ERROR_STATE();\nRETURN;\nEND CATCH;\nSELECT N'{DONE}' AS {ANSWER}{counts};\n"
        ));
        text
    }

    /// The step that a line of the text belongs to, counted from 1.
    pub(super) fn step_of_line(&self, line: u32) -> Option<Step> {
        let lines = |text: &str| text.matches('\n').count();
        // Two before the first statement, and two behind those that come before the transaction.
        let mut first = 5 + self.before.iter().map(|text| lines(text) + 1).sum::<usize>();
        for statement in &self.statements {
            let past = first + 2 + lines(&statement.text) + usize::from(statement.step.counts());
            if (first..past).contains(&usize::try_from(line).ok()?) {
                return Some(statement.step);
            }
            first = past;
        }
        None
    }

    /// Adds a statement; its number.
    pub(super) fn push(&mut self, step: Step, text: String) -> usize {
        self.statements.push(Statement { step, text });
        self.statements.len() - 1
    }

    fn end(&mut self, ending: Ending) {
        let text = match ending {
            Ending::Commit => "COMMIT TRANSACTION",
            Ending::RollBack => "ROLLBACK TRANSACTION",
        };
        self.push(Step::End, text.to_owned());
    }

    /// Moves every cursor of the fence, or ends the batch.
    fn move_cursors(&mut self, fence: &Fence, compare: Compare) {
        if !fence.splits.is_empty() {
            self.before.push(format!("DECLARE {ALL_BEFORE}"));
            // As that of all was before it is moved. Read before the fence, and right if the fence
            // holds: nobody else changed the row since this owner took it.
            self.before.push(format!(
                "SELECT @last_offset = a.last_offset, @last_timestamp_ms = a.last_timestamp_ms, @last_length_bytes = a.last_length_bytes, @last_crc = a.last_crc FROM {} AS a WHERE {} AND a.entity = N''",
                own_table(own::CHECKPOINT),
                lane_condition("a", &fence.lane),
            ));
        }
        let text = move_cursors(fence, compare, &mut self.parameters);
        self.push(Step::Fence, text);
        if !fence.splits.is_empty() {
            for text in make_cursors(fence, &mut self.parameters) {
                self.push(Step::Split, text);
            }
        }
    }
}

impl Step {
    /// Whether it says how many rows it touched. A text that looks first does so by itself.
    fn counts(self) -> bool {
        !matches!(
            self,
            Self::Fence | Self::UpdateTombstones(_) | Self::Base(_) | Self::Empty | Self::End
        )
    }
}

/// What is known of the last record before the cursor of all moves.
const ALL_BEFORE: &str =
    "@last_offset bigint, @last_timestamp_ms bigint, @last_length_bytes bigint, @last_crc bigint";

/// Everything from the fence to the commit, for tables whose staging is loaded. Of the batch it
/// takes what is held and released; without any there is no statement for it.
pub(super) fn burst(
    fence: &Fence,
    tables: &[TableWork<'_>],
    batch: &Batch,
    mutations: Mutations,
    ending: Ending,
) -> Script {
    let mut script = Script::default();
    if !mutations.checkpoint_before_write() && !mutations.checkpoint_outside_transaction() {
        script.move_cursors(fence, Compare::of(mutations));
    }
    for (at, work) in tables.iter().enumerate() {
        TableStatements { at, work, lane: &fence.lane, mutations }.add_to(&mut script);
    }
    if !batch.holds.is_empty() {
        script.before.extend(held_statements::list_holds(&batch.holds));
        for text in held_statements::hold(&fence.lane) {
            script.push(Step::Hold, text);
        }
    }
    if !batch.releases.is_empty() {
        script.before.extend(held_statements::list_releases(&batch.releases));
        script.push(Step::Release, held_statements::release(&fence.lane));
    }
    // A trial would only fill them again, and who looks for what was refused looks there.
    if ending == Ending::Commit {
        for work in tables {
            script.push(Step::Empty, staging::empty(work.staging));
        }
    }
    script.end(ending);
    script
}

/// A whole transaction that moves the cursors and does nothing else.
pub(super) fn cursors_only(fence: &Fence, compare: Compare, ending: Ending) -> Script {
    let mut script = Script::default();
    script.move_cursors(fence, compare);
    script.end(ending);
    script
}

/// Looks whether the cursors stand where they must, and changes nothing.
pub(super) fn look_at_cursors(fence: &Fence, compare: Compare) -> (String, Parameters) {
    let mut parameters = Parameters::default();
    let text = format!(
        "SELECT CASE WHEN COUNT(*) = {} THEN N'{DONE}' ELSE N'{FENCED}' END AS {ANSWER} FROM {} AS c WHERE {}",
        fence.moves.len(),
        own_table(own::CHECKPOINT),
        fence_condition(fence, compare, &mut parameters),
    );
    (text, parameters)
}

/// Moves every cursor of the fence, or gives up.
fn move_cursors(fence: &Fence, compare: Compare, parameters: &mut Parameters) -> String {
    let fingerprint = fence.fingerprint.map_or_else(String::new, |print| {
        format!(
            ", last_offset = {}, last_timestamp_ms = {}, last_length_bytes = {}, last_crc = {}",
            parameters.add(print.offset.0),
            parameters.add(print.timestamp_ms),
            parameters.add(print.length_bytes.into()),
            parameters.add(print.crc.into()),
        )
    });
    let mut place = |step: &CursorMove| {
        let to = parameters.add(step.to.0);
        format!(" WHEN {} THEN {to}", quote::text(step.scope.as_str()))
    };
    let places: String = fence.moves.iter().map(&mut place).collect();
    let give_up = match compare {
        Compare::Nothing => String::new(),
        _ => format!(";\nIF @@ROWCOUNT <> {} {}", fence.moves.len(), give_up(FENCED)),
    };
    format!(
        "UPDATE c SET next_offset = CASE c.entity{places} END{fingerprint}, updated_at = SYSUTCDATETIME() FROM {} AS c WHERE {}{give_up}",
        own_table(own::CHECKPOINT),
        fence_condition(fence, compare, parameters),
    )
}

/// The cursors of the fence, each by its key.
fn fence_condition(fence: &Fence, compare: Compare, parameters: &mut Parameters) -> String {
    let owner = match compare {
        Compare::All | Compare::Token => format!(" AND c.owner = '{}'", fence.token.0),
        Compare::Nothing => String::new(),
    };
    let cursors: Vec<String> = fence
        .moves
        .iter()
        .map(|step| {
            let entity = quote::text(step.scope.as_str());
            match compare {
                Compare::All => {
                    let from = parameters.add(step.from.0);
                    format!("(c.entity = {entity} AND c.next_offset = {from})")
                }
                Compare::Token | Compare::Nothing => format!("c.entity = {entity}"),
            }
        })
        .collect();
    format!("{}{owner} AND ({})", lane_condition("c", &fence.lane), cursors.join(" OR "))
}

/// Makes the cursors that the fence asks for, or puts them where it says.
fn make_cursors(fence: &Fence, parameters: &mut Parameters) -> Vec<String> {
    let table = own_table(own::CHECKPOINT);
    let lane = lane_condition("c", &fence.lane);
    let place = &fence.lane.topic_partition;
    let owner = fence.token.0;
    let texts = fence.splits.iter().flat_map(|split| {
        let (entity, next) = (quote::text(split.entity.as_str()), parameters.add(split.next.0));
        [
            format!(
                "UPDATE c SET next_offset = {next}, owner = '{owner}', last_offset = @last_offset, last_timestamp_ms = @last_timestamp_ms, last_length_bytes = @last_length_bytes, last_crc = @last_crc, updated_at = SYSUTCDATETIME() FROM {table} AS c WHERE {lane} AND c.entity = {entity}"
            ),
            format!(
                "INSERT INTO {table} (profile, topic, [partition], entity, next_offset, owner, last_offset, last_timestamp_ms, last_length_bytes, last_crc) SELECT {}, {}, {}, {entity}, {next}, '{owner}', @last_offset, @last_timestamp_ms, @last_length_bytes, @last_crc WHERE NOT EXISTS (SELECT 1 FROM {table} AS c WHERE {lane} AND c.entity = {entity})",
                quote::word(fence.lane.profile.as_str()),
                quote::text(place.topic.as_str()),
                place.partition,
            ),
        ]
    });
    texts.collect()
}
