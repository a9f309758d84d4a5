//! The statements of the bare program: those that any writer needs that keeps the same promises.

use super::{DELETE, IMAGE, PATCH, STAGE, TokenBatch};
use crate::case::PATCHED;
use crate::rows::{Kind, Layout};

/// The columns of the bare program's table, with their SQL types, after id and version.
#[derive(Clone)]
pub struct BareTable {
    columns: Vec<(String, &'static str)>,
    patched: Vec<String>,
}

/// Finds rows by key: other plans would read the whole table for each batch.
const BY_KEY: &str = "OPTION (LOOP JOIN, FORCE ORDER, KEEPFIXED PLAN)";
const OWNER: &str = "00000000-0000-0000-0000-000000000001";

impl BareTable {
    pub fn of(layout: &Layout) -> Self {
        let mut columns = Vec::new();
        for (name, kind) in &layout.columns {
            let sql = match kind {
                Kind::Text => "nvarchar(200)",
                Kind::Integer => "int",
                Kind::Boolean => "bit",
                Kind::Money => "decimal(38,2)",
                Kind::Time => "datetime",
                Kind::Lookup | Kind::Own => "uniqueidentifier",
            };
            columns.push((name.clone(), sql));
            if *kind == Kind::Lookup {
                columns.push((format!("{name}_entitytype"), "nvarchar(128)"));
            }
        }
        let patched = PATCHED.map(|at| layout.columns[at].0.clone()).to_vec();
        Self { columns, patched }
    }

    fn list(&self, form: impl Fn(&str, &str) -> String) -> String {
        self.columns.iter().map(|(name, sql)| form(name, sql)).collect::<Vec<_>>().join(", ")
    }

    /// Makes the tables.
    pub fn prepare(&self) -> String {
        let columns = self.list(|name, sql| format!("[{name}] {sql} NULL"));
        let fence: Vec<String> = (0..64).map(|lane| format!("({lane}, 0, '{OWNER}')")).collect();
        format!(
            "CREATE TABLE bare ([Id] uniqueidentifier NOT NULL, [SinkCreatedOn] datetime NULL,
               [SinkModifiedOn] datetime NULL, {columns}, versionnumber bigint NULL,
               CONSTRAINT bare_key PRIMARY KEY CLUSTERED ([Id]));
             CREATE TABLE bare_fence (lane int NOT NULL PRIMARY KEY, next_offset bigint, owner uniqueidentifier);
             CREATE TABLE bare_tombstone (record uniqueidentifier NOT NULL PRIMARY KEY, version bigint);
             INSERT INTO bare_fence VALUES {};",
            fence.join(", ")
        )
    }

    /// What a connection needs.
    pub fn stage(&self) -> String {
        let columns = self.list(|name, sql| format!("[{name}] {sql} NULL"));
        format!(
            "SET XACT_ABORT ON; SET NOCOUNT ON; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
             CREATE TABLE {STAGE} (kind tinyint NOT NULL, id uniqueidentifier NOT NULL,
               version bigint NULL, {columns});"
        )
    }

    /// Names of the staged columns.
    pub fn staged(&self) -> Vec<String> {
        let first = ["kind", "id", "version"].into_iter().map(str::to_owned);
        first.chain(self.columns.iter().map(|(name, _)| name.clone())).collect()
    }

    /// Everything of one batch after its rows are staged. Parameters: the lane, and where its fence
    /// stands before and after; the number of deletes.
    pub fn apply(&self, batch: &TokenBatch) -> String {
        let mut text = format!(
            "SET NOCOUNT ON; SET XACT_ABORT ON; DECLARE @now datetime = GETUTCDATE();
             BEGIN TRANSACTION;
             UPDATE bare_fence SET next_offset = @P3 WHERE lane = @P1 AND next_offset = @P2 AND owner = '{OWNER}';
             IF @@ROWCOUNT <> 1 BEGIN ROLLBACK TRANSACTION; RAISERROR('fenced', 16, 1); RETURN; END;\n"
        );
        let joined = format!("{STAGE} AS s JOIN bare AS t ON t.[Id] = s.id");
        if batch.deletes > 0 {
            text += &format!(
                "DELETE t FROM {joined} WHERE s.kind = {DELETE} AND t.versionnumber <= s.version {BY_KEY};
                 INSERT INTO bare_tombstone SELECT s.id, s.version FROM {STAGE} AS s WHERE s.kind = {DELETE}
                   AND NOT EXISTS (SELECT 1 FROM bare_tombstone AS d WHERE d.record = s.id) {BY_KEY};
                 IF @@ROWCOUNT < @P4 UPDATE d SET version = s.version
                   FROM {STAGE} AS s JOIN bare_tombstone AS d ON d.record = s.id
                   WHERE s.kind = {DELETE} AND d.version < s.version {BY_KEY};\n"
            );
        }
        if batch.images {
            let names = self.list(|name, _| format!("[{name}]"));
            let values = self.list(|name, _| format!("s.[{name}]"));
            let sets = self.list(|name, _| format!("[{name}] = s.[{name}]"));
            let alive = "NOT EXISTS (SELECT 1 FROM bare_tombstone AS d WHERE d.record = s.id AND d.version >= s.version)";
            text += &format!(
                "UPDATE t SET [SinkModifiedOn] = @now, {sets}, versionnumber = s.version FROM {joined}
                   WHERE s.kind = {IMAGE} AND t.versionnumber <= s.version AND {alive} {BY_KEY};
                 INSERT INTO bare ([Id], [SinkCreatedOn], [SinkModifiedOn], {names}, versionnumber)
                   SELECT s.id, @now, @now, {values}, s.version FROM {STAGE} AS s WHERE s.kind = {IMAGE}
                   AND NOT EXISTS (SELECT 1 FROM bare AS e WHERE e.[Id] = s.id) AND {alive} {BY_KEY};\n"
            );
        }
        if batch.patches {
            let sets: Vec<String> =
                self.patched.iter().map(|name| format!("[{name}] = s.[{name}]")).collect();
            text += &format!(
                "UPDATE t SET [SinkModifiedOn] = @now, {}, versionnumber = s.version FROM {joined}
                   WHERE s.kind = {PATCH} AND t.versionnumber < s.version {BY_KEY};\n",
                sets.join(", ")
            );
        }
        text + &format!("TRUNCATE TABLE {STAGE};\nCOMMIT TRANSACTION;")
    }
}
