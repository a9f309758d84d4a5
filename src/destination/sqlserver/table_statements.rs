//! Text of the statements that write the changes of one table, out of its staging table.
//!
//! Pure, and pinned by golden files. The order is that of the contract: delete, tombstone, image,
//! patch. Each statement states its guard in full, so that it can be read alone.
//!
//! Every join starts from the staged rows and finds the table's by key: other plans would read the
//! whole table, and wait for rows that other lanes have locked. Where deleted rows are kept, a row
//! that is marked so counts as none.

use super::ddl::table_name;
use super::encode::{KIND_BASED_PATCH, KIND_CREATE, KIND_DELETE, KIND_IMAGE, KIND_PATCH};
use super::own_ddl::own_table;
use super::quote;
use super::staging::cell_name;
use super::statements::{ANSWER, MOMENT, NO_BASE, NOW, Parameters, Script, Step, TableWork, count};
use crate::destination::own_tables::name as own;
use crate::destination::shape::{PatchFlavour, Patches};
use crate::model::checkpoint::LaneId;
use crate::model::layout::SINK_DELETED_ON;
use crate::model::mutation::Mutations;
use crate::model::net_change::UNVERSIONED;
use crate::model::table::{ColumnType, ID, SINK_CREATED_ON, SINK_MODIFIED_ON, VERSION_NUMBER};

mod patch;

/// The plan that every statement asks for: see the module. It is the best whatever the batch holds,
/// so it is not made anew when the server has counted the staged rows again.
/// Source: SQL Server documentation, "Query hints (Transact-SQL)".
const BY_KEY: &str = "OPTION (LOOP JOIN, FORCE ORDER, KEEPFIXED PLAN)";

/// Longest name of an entity that the log of deletes takes, in UTF-16 units.
const LOGGED_ENTITY_UNITS: usize = 64;

/// Below every version: of a row that has none, and of a cell that a patch does not name.
const NO_VERSION: &str = "CAST(-9223372036854775808 AS bigint)";

/// The statements of one table.
pub(super) struct TableStatements<'a> {
    /// The table's number in the batch.
    pub at: usize,
    /// The table.
    pub work: &'a TableWork<'a>,
    /// The lane that writes.
    pub lane: &'a LaneId,
    /// Faults built in.
    pub mutations: Mutations,
}

impl TableStatements<'_> {
    /// Adds what the changes need, in order.
    pub(super) fn add_to(&self, script: &mut Script) {
        let (at, parts) = (self.at, &self.work.shape.parts);
        if parts.deletes > 0 {
            if let Some(log) = &self.work.table.deletes.logged_in {
                script.push(Step::Log(at), self.log_deletes(log));
            }
            script.push(Step::Delete(at), self.delete());
            if !self.mutations.tombstone_forgotten() {
                let made = script.push(Step::InsertTombstones(at), self.insert_tombstones());
                let text = self.update_tombstones(made, script);
                script.push(Step::UpdateTombstones(at), text);
            }
        }
        let images = (parts.images + parts.merged > 0).then(|| {
            let updated = script.push(Step::UpdateImages(at), self.update_images());
            [updated, script.push(Step::InsertImages(at), self.insert_images())]
        });
        if let Some(patches) = &parts.patches {
            let patched = script.push(Step::Patches(at), self.patch(patches));
            if patches.alone > 0 {
                let text = self.look_for_bases(patches, patched, images, &mut script.parameters);
                script.push(Step::Base(at), text);
            }
        }
    }

    fn table(&self) -> String {
        table_name(self.work.table)
    }

    fn guarded(&self) -> bool {
        self.work.versioned && !self.mutations.guard_off()
    }

    fn keeps_rows(&self) -> bool {
        self.work.table.deletes.keep_row
    }

    /// A column of the target.
    fn column(&self, at: usize) -> String {
        quote::name(&self.work.table.columns[at].name)
    }

    /// What is staged for a column; null where no change of the batch fills it.
    fn cell(&self, at: usize) -> String {
        let staged = |column: &u16| usize::from(*column) == at;
        match self.work.staged.cells.iter().find(|column| staged(column)) {
            Some(column) => format!("s.{}", cell_name(*column)),
            None => "NULL".to_owned(),
        }
    }

    /// The staged rows and the table's, as the target of a statement.
    fn joined(&self) -> String {
        format!(
            "{} AS s JOIN {} AS t ON t.{} = s.id",
            self.work.staging,
            self.table(),
            quote::name(ID)
        )
    }

    /// Which staged deletes take a row away.
    fn delete_condition(&self) -> String {
        let alive = self.alive("t");
        let guard = if self.guarded() {
            format!(" AND {}", row_not_newer("<= s.version"))
        } else {
            String::new()
        };
        format!("s.kind = {KIND_DELETE}{alive}{guard}")
    }

    /// A further condition: the row is not one that was kept after its delete.
    fn alive(&self, alias: &str) -> String {
        match self.keeps_rows() {
            true => format!(" AND {alias}.{} IS NULL", quote::name(SINK_DELETED_ON)),
            false => String::new(),
        }
    }

    fn log_deletes(&self, log: &str) -> String {
        let version = if self.work.versioned {
            "s.version".to_owned()
        } else {
            format!("COALESCE(t.{}, {})", quote::name(VERSION_NUMBER), UNVERSIONED.0)
        };
        let mut units_left = LOGGED_ENTITY_UNITS;
        let entity: String = (self.work.entity.as_str().chars())
            .take_while(|letter| {
                let fits = letter.len_utf16() <= units_left;
                units_left = units_left.saturating_sub(letter.len_utf16());
                fits
            })
            .collect();
        format!(
            "INSERT INTO {} ([EntityName], [RecordId], [SinkDeleteTime], [VersionNumber]) SELECT {}, LOWER(CAST(s.id AS nvarchar(36))), {NOW}, {version} FROM {} WHERE {} {BY_KEY}",
            quote::qualified(&self.work.table.schema, log),
            quote::text(&entity),
            self.joined(),
            self.delete_condition(),
        )
    }

    fn delete(&self) -> String {
        let (joined, condition) = (self.joined(), self.delete_condition());
        if !self.keeps_rows() {
            return format!("DELETE t FROM {joined} WHERE {condition} {BY_KEY}");
        }
        let version = match self.work.versioned {
            true => format!(", {} = s.version", quote::name(VERSION_NUMBER)),
            false => String::new(),
        };
        format!(
            "UPDATE t SET {} = {NOW}, {} = {NOW}{version} FROM {joined} WHERE {condition} {BY_KEY}",
            quote::name(SINK_DELETED_ON),
            quote::name(SINK_MODIFIED_ON),
        )
    }

    /// Which staged deletes leave a tombstone: a row that is still there after the deletes is newer
    /// than its delete, which leaves nothing.
    fn remembered(&self) -> String {
        let newer = match self.guarded() {
            true => format!(" AND NOT {}", self.row_exists()),
            false => String::new(),
        };
        format!("s.kind = {KIND_DELETE}{newer}")
    }

    fn tombstone_version(&self) -> String {
        if self.work.versioned { "s.version".to_owned() } else { UNVERSIONED.0.to_string() }
    }

    /// Brings tombstones up to date that were there before those that statement `made` made: mostly
    /// there are none, and it is not even looked for them.
    fn update_tombstones(&self, made: usize, script: &mut Script) -> String {
        let version = self.tombstone_version();
        let place = &self.lane.topic_partition;
        let deletes = i64::try_from(self.work.shape.parts.deletes).unwrap_or(i64::MAX);
        let deletes = script.parameters.add(deletes);
        let (made, updated) = (count(made), count(script.statements.len()));
        format!(
            "IF {made} < {deletes}\nBEGIN\nUPDATE d SET version = CASE WHEN d.version > {version} THEN d.version ELSE {version} END, topic = {}, [partition] = {}, [offset] = s.record_offset, deleted_at = {MOMENT} FROM {} AS s JOIN {} AS d ON {} WHERE {} AND NOT (d.[offset] = s.record_offset AND d.deleted_at = {MOMENT} AND d.[partition] = {} AND d.topic = {}) {BY_KEY};\nSET {updated} = @@ROWCOUNT;\nEND",
            quote::text(place.topic.as_str()),
            place.partition,
            self.work.staging,
            own_table(own::TOMBSTONE),
            self.of_tombstone(),
            self.remembered(),
            place.partition,
            quote::text(place.topic.as_str()),
        )
    }

    fn insert_tombstones(&self) -> String {
        let place = &self.lane.topic_partition;
        format!(
            "INSERT INTO {} (profile, entity, record_id, version, topic, [partition], [offset], deleted_at) SELECT {}, {}, s.id, {}, {}, {}, s.record_offset, {MOMENT} FROM {} AS s WHERE {} AND NOT {} {BY_KEY}",
            own_table(own::TOMBSTONE),
            quote::word(self.lane.profile.as_str()),
            quote::text(self.work.entity.as_str()),
            self.tombstone_version(),
            quote::text(place.topic.as_str()),
            place.partition,
            self.work.staging,
            self.remembered(),
            self.any_tombstone(),
        )
    }

    /// Which staged rows are images.
    fn images(&self) -> String {
        match self.work.versioned {
            true => format!("s.kind = {KIND_IMAGE}"),
            false => format!("s.kind IN ({KIND_IMAGE}, {KIND_CREATE})"),
        }
    }

    /// The version by which images are guarded: lower than the one that they leave where patches
    /// were merged in.
    fn guard(&self) -> &'static str {
        if self.work.shape.parts.merged > 0 { "s.guard" } else { "s.version" }
    }

    /// A further condition on images whose record may have been deleted before.
    fn not_deleted_before(&self) -> String {
        if self.guarded() {
            format!(" AND NOT {}", self.tombstone(self.guard()))
        } else if self.work.versioned {
            String::new()
        } else {
            format!(" AND (s.kind = {KIND_CREATE} OR NOT {})", self.any_tombstone())
        }
    }

    fn update_images(&self) -> String {
        let mut set = Vec::with_capacity(self.work.table.columns.len() + 4);
        let deleted_on = quote::name(SINK_DELETED_ON);
        if self.keeps_rows() {
            let created_on = quote::name(SINK_CREATED_ON);
            set.push(format!(
                "{created_on} = CASE WHEN t.{deleted_on} IS NULL THEN t.{created_on} ELSE {NOW} END"
            ));
            set.push(format!("{deleted_on} = NULL"));
        }
        set.push(format!("{} = {NOW}", quote::name(SINK_MODIFIED_ON)));
        for at in 0..self.work.table.columns.len() {
            set.push(format!("{} = {}", self.column(at), self.cell(at)));
        }
        let version = if self.work.versioned { "s.version" } else { "NULL" };
        set.push(format!("{} = {version}", quote::name(VERSION_NUMBER)));
        format!("UPDATE t SET {} {} {BY_KEY}", set.join(", "), self.updated())
    }

    /// The staged images that change a row, from the FROM on.
    fn updated(&self) -> Source {
        let deleted_on = quote::name(SINK_DELETED_ON);
        // Without versions an image applies wherever there is a row.
        let guard = match (self.guarded(), self.keeps_rows()) {
            (true, keeps) => {
                let newer = row_not_newer(&format!("<= {}", self.guard()));
                let row = match keeps {
                    true => format!("(t.{deleted_on} IS NOT NULL OR {newer})"),
                    false => newer,
                };
                format!(" AND {row}{}", self.not_deleted_before())
            }
            (false, true) if !self.work.versioned => format!(
                " AND (t.{deleted_on} IS NULL OR s.kind = {KIND_CREATE} OR NOT {})",
                self.any_tombstone()
            ),
            (false, _) => String::new(),
        };
        Source { from: self.joined(), condition: format!("{}{guard}", self.images()) }
    }

    fn insert_images(&self) -> String {
        let own = [ID, SINK_CREATED_ON, SINK_MODIFIED_ON];
        let mut names: Vec<String> = own.into_iter().map(quote::name).collect();
        let mut values = vec!["s.id".to_owned(), NOW.to_owned(), NOW.to_owned()];
        // Also what is null in the whole batch: a column may have a default of somebody's.
        for at in 0..self.work.table.columns.len() {
            names.push(self.column(at));
            values.push(self.cell(at));
        }
        names.push(quote::name(VERSION_NUMBER));
        values.push(if self.work.versioned { "s.version" } else { "NULL" }.to_owned());
        format!(
            "INSERT INTO {} ({}) SELECT {} {} {BY_KEY}",
            self.table(),
            names.join(", "),
            values.join(", "),
            self.inserted(),
        )
    }

    /// The staged images that make a row, from the FROM on.
    fn inserted(&self) -> Source {
        let id = quote::name(ID);
        let condition = format!(
            "{} AND NOT EXISTS (SELECT 1 FROM {} AS e WHERE e.{id} = s.id){}",
            self.images(),
            self.table(),
            self.not_deleted_before(),
        );
        Source { from: format!("{} AS s", self.work.staging), condition }
    }

    fn column_type(&self, at: usize) -> ColumnType {
        self.work.table.columns[at].column_type
    }

    fn row_exists(&self) -> String {
        let id = quote::name(ID);
        format!(
            "EXISTS (SELECT 1 FROM {} AS e WHERE e.{id} = s.id{})",
            self.table(),
            self.alive("e")
        )
    }

    /// The tombstone of a staged row's record.
    fn of_tombstone(&self) -> String {
        format!(
            "d.record_id = s.id AND d.entity = {} AND d.profile = {}",
            quote::text(self.work.entity.as_str()),
            quote::word(self.lane.profile.as_str()),
        )
    }

    fn any_tombstone(&self) -> String {
        let table = own_table(own::TOMBSTONE);
        format!("EXISTS (SELECT 1 FROM {table} AS d WHERE {})", self.of_tombstone())
    }

    /// A tombstone that keeps out what has this version.
    fn tombstone(&self, version: &str) -> String {
        let table = own_table(own::TOMBSTONE);
        let of_record = self.of_tombstone();
        format!("EXISTS (SELECT 1 FROM {table} AS d WHERE {of_record} AND d.version >= {version})")
    }
}

/// The staged rows that a statement writes.
struct Source {
    /// Where they are, with the rows of the table that they meet.
    from: String,
    /// Which of them.
    condition: String,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FROM {} WHERE {}", self.from, self.condition)
    }
}

/// The row has no version, or one that compares so.
fn row_not_newer(comparison: &str) -> String {
    let version = quote::name(VERSION_NUMBER);
    format!("(t.{version} IS NULL OR t.{version} {comparison})")
}
