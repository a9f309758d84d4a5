//! Text of the statements that write the changes of one table, out of its staging table.
//!
//! Pure, and pinned by golden files. The order is that of the contract: delete, tombstone, image,
//! patch. Each statement states its guard in full, so that it can be read alone.

use std::collections::HashMap;

use super::copy_columns::cell_name;
use super::ddl::table_name;
use super::encode::{
    KIND_BASED_PATCH, KIND_CREATE, KIND_DELETE, KIND_IMAGE, KIND_MERGED, KIND_PATCH,
};
use super::own_ddl::own_table;
use super::quote;
use super::statements::{Statement, Step, TableWork};
use crate::destination::own_tables::name as own;
use crate::destination::shape::{PatchFlavour, Patches};
use crate::model::checkpoint::LaneId;
use crate::model::layout::SINK_DELETED_ON;
use crate::model::metadata_tables::logged_name;
use crate::model::mutation::Mutations;
use crate::model::net_change::UNVERSIONED;
use crate::model::table::{ID, SINK_CREATED_ON, SINK_MODIFIED_ON, Table, VERSION_NUMBER};

/// The time that goes into the sink columns. In a sub-select, so that it is computed once.
const STAMP: &str = "(SELECT (now() AT TIME ZONE 'UTC')::timestamp(3))";

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
    pub(super) fn add_to(&self, statements: &mut Vec<Statement>) {
        let (at, shape) = (self.at, &self.work.shape.parts);
        let mut add = |step, text| statements.push(Statement::new(step, text));
        if shape.deletes > 0 {
            if let Some(log) = &self.work.table.deletes.logged_in {
                add(Step::LogDeletes(at), self.log_deletes(log));
            }
            add(Step::Delete(at), self.delete());
            if !self.mutations.tombstone_forgotten() {
                add(Step::Tombstones(at), self.remember());
            }
        }
        if shape.merged > 0 {
            add(Step::UpdateMerged(at), self.update_merged());
            add(Step::InsertMerged(at), self.insert_merged());
        }
        if shape.images > 0 {
            add(Step::Images(at), self.upsert_images());
        }
        if let Some(patches) = &shape.patches {
            add(Step::Patches(at), self.patch(patches));
        }
    }

    fn table(&self) -> String {
        table_name(self.work.table)
    }

    fn guarded(&self) -> bool {
        self.work.versioned && !self.mutations.guard_off()
    }

    /// A column of the target.
    fn column(&self, at: usize) -> String {
        quote::name(&self.work.table.columns[at].name)
    }

    /// Which rows of the table go for which staged deletes.
    fn deleted(&self) -> String {
        let guard = if self.guarded() {
            format!(" AND {}", self.row_not_newer("<= s.version"))
        } else {
            String::new()
        };
        let alive = self.alive("t");
        format!("s.kind = {KIND_DELETE} AND t.{} = s.id{alive}{guard}", quote::name(ID))
    }

    /// A further condition: the row is not one that was kept after its delete.
    fn alive(&self, alias: &str) -> String {
        alive(self.work.table, alias)
    }

    /// A line for each row that is about to go.
    fn log_deletes(&self, log: &str) -> String {
        let version = if self.work.versioned {
            "s.version".to_owned()
        } else {
            format!("coalesce(t.{}, {})", quote::name(VERSION_NUMBER), UNVERSIONED.0)
        };
        format!(
            "INSERT INTO {} (\"EntityName\", \"RecordId\", \"SinkDeleteTime\", \"VersionNumber\") SELECT {}, t.{}::text, {STAMP}, {version} FROM {} AS t JOIN {} AS s ON {}",
            quote::qualified(&self.work.table.schema, log),
            quote::text(&logged_name(self.work.entity.as_str())),
            quote::name(ID),
            self.table(),
            self.work.staging,
            self.deleted(),
        )
    }

    fn delete(&self) -> String {
        if self.work.table.deletes.keep_row {
            let version = match self.work.versioned {
                true => format!(", {} = s.version", quote::name(VERSION_NUMBER)),
                false => String::new(),
            };
            return format!(
                "UPDATE {} AS t SET {} = {STAMP}, {} = {STAMP}{version} FROM {} AS s WHERE {}",
                self.table(),
                quote::name(SINK_DELETED_ON),
                quote::name(SINK_MODIFIED_ON),
                self.work.staging,
                self.deleted(),
            );
        }
        format!(
            "DELETE FROM {} AS t USING {} AS s WHERE {}",
            self.table(),
            self.work.staging,
            self.deleted(),
        )
    }

    /// A row that is still there after the deletes is newer than its delete, which leaves nothing.
    fn remember(&self) -> String {
        let version =
            if self.work.versioned { "s.version".to_owned() } else { UNVERSIONED.0.to_string() };
        let newer =
            if self.guarded() { format!(" AND NOT {}", self.row_exists()) } else { String::new() };
        format!(
            "INSERT INTO {} AS d (profile, entity, record_id, version, topic, partition, \"offset\", deleted_at) SELECT {}, {}, s.id, {version}, {}, {}, s.record_offset, now() FROM {} AS s WHERE s.kind = {KIND_DELETE}{newer} ON CONFLICT (record_id, entity, profile) DO UPDATE SET version = greatest(d.version, excluded.version), topic = excluded.topic, partition = excluded.partition, \"offset\" = excluded.\"offset\", deleted_at = excluded.deleted_at",
            own_table(own::TOMBSTONE),
            quote::text(self.lane.profile.as_str()),
            quote::text(self.work.entity.as_str()),
            quote::text(self.lane.topic_partition.topic.as_str()),
            self.lane.topic_partition.partition,
            self.work.staging,
        )
    }

    /// Which staged images are written.
    fn images_condition(&self) -> String {
        if self.guarded() {
            format!("s.kind = {KIND_IMAGE} AND NOT {}", self.tombstone("s.version"))
        } else if self.work.versioned {
            format!("s.kind = {KIND_IMAGE}")
        } else {
            format!(
                "s.kind IN ({KIND_IMAGE}, {KIND_CREATE}) AND (s.kind = {KIND_CREATE} OR NOT {} OR {})",
                self.any_tombstone(),
                self.row_exists()
            )
        }
    }

    /// Ids of the staged images that break one of these CHECKs. `types` are those of the table's
    /// columns as the database has them, by name: a value is looked at as it would be stored.
    /// `None` if a column's type is not known.
    pub(super) fn images_that_break(
        &self,
        checks: &[String],
        types: &HashMap<String, String>,
    ) -> Option<String> {
        let version = if self.work.versioned { "s.version" } else { "NULL" }.to_owned();
        let mut cells = vec![
            (ID, "s.id".to_owned()),
            (SINK_CREATED_ON, STAMP.to_owned()),
            (SINK_MODIFIED_ON, STAMP.to_owned()),
        ];
        if self.work.table.deletes.keep_row {
            cells.push((SINK_DELETED_ON, "NULL".to_owned()));
        }
        for (at, column) in self.work.table.columns.iter().enumerate() {
            cells.push((column.name.as_str(), format!("s.{}", cell_name(at))));
        }
        cells.push((VERSION_NUMBER, version));
        let mut row = Vec::with_capacity(cells.len());
        for (name, value) in cells {
            row.push(format!("{value}::{} AS {}", types.get(name)?, quote::name(name)));
        }
        let broken: Vec<String> =
            checks.iter().map(|check| format!("({check}) IS FALSE")).collect();
        Some(format!(
            "SELECT t.{} FROM (SELECT {} FROM {} AS s WHERE {}) AS t WHERE {}",
            quote::name(ID),
            row.join(", "),
            self.work.staging,
            self.images_condition(),
            broken.join(" OR ")
        ))
    }

    fn upsert_images(&self) -> String {
        let condition = self.images_condition();
        let guard = if self.guarded() {
            let version = quote::name(VERSION_NUMBER);
            format!(" WHERE {}", self.row_not_newer(&format!("<= excluded.{version}")))
        } else {
            String::new()
        };
        let columns = (0..self.work.table.columns.len()).map(|at| self.column(at));
        let set: String = [quote::name(SINK_MODIFIED_ON)]
            .into_iter()
            .chain(columns)
            .chain([quote::name(VERSION_NUMBER)])
            .map(|name| format!("{name} = excluded.{name}"))
            .chain(self.returned("excluded."))
            .collect::<Vec<_>>()
            .join(", ");
        format!(
            "{} WHERE {condition} ON CONFLICT ({}) DO UPDATE SET {set}{guard}",
            self.insert(),
            quote::name(ID)
        )
    }

    /// What an image does to a row that was kept after its delete: it begins anew. `new` stands
    /// before the name of the column with the present; without one, it is the stamp.
    fn returned(&self, new: &str) -> Option<String> {
        let (created, deleted) = (quote::name(SINK_CREATED_ON), quote::name(SINK_DELETED_ON));
        let now = if new.is_empty() { STAMP.to_owned() } else { format!("{new}{created}") };
        self.work.table.deletes.keep_row.then(|| {
            format!(
                "{created} = CASE WHEN t.{deleted} IS NULL THEN t.{created} ELSE {now} END, {deleted} = NULL"
            )
        })
    }

    /// An image with patches merged in leaves a higher version than it is guarded by, which an
    /// upsert cannot express; there are few, so two statements do it.
    fn update_merged(&self) -> String {
        let cells = (0..self.work.table.columns.len())
            .map(|at| format!(", {} = s.{}", self.column(at), cell_name(at)))
            .chain(self.returned("").map(|set| format!(", {set}")))
            .collect::<String>();
        let guard = if self.guarded() {
            format!(
                " AND {} AND NOT {}",
                self.row_not_newer("<= s.guard"),
                self.tombstone("s.guard")
            )
        } else {
            String::new()
        };
        format!(
            "UPDATE {} AS t SET {} = {STAMP}{cells}, {} = s.version FROM {} AS s WHERE s.kind = {KIND_MERGED} AND t.{} = s.id{guard}",
            self.table(),
            quote::name(SINK_MODIFIED_ON),
            quote::name(VERSION_NUMBER),
            self.work.staging,
            quote::name(ID),
        )
    }

    fn insert_merged(&self) -> String {
        let guard = if self.guarded() {
            format!(" AND NOT {}", self.tombstone("s.guard"))
        } else {
            String::new()
        };
        format!(
            "{} WHERE s.kind = {KIND_MERGED} AND NOT {}{guard}",
            self.insert(),
            self.row_exists_where("")
        )
    }

    /// An insert of whole images, up to its condition.
    fn insert(&self) -> String {
        let mut names = vec![ID, SINK_CREATED_ON, SINK_MODIFIED_ON]
            .into_iter()
            .map(quote::name)
            .collect::<Vec<_>>();
        let mut values = vec!["s.id".to_owned(), STAMP.to_owned(), STAMP.to_owned()];
        for at in 0..self.work.table.columns.len() {
            names.push(self.column(at));
            values.push(format!("s.{}", cell_name(at)));
        }
        names.push(quote::name(VERSION_NUMBER));
        values.push(if self.work.versioned { "s.version" } else { "NULL" }.to_owned());
        format!(
            "INSERT INTO {} AS t ({}) SELECT {} FROM {} AS s",
            self.table(),
            names.join(", "),
            values.join(", "),
            self.work.staging
        )
    }

    /// Changes rows and answers how many; raises an error if a patch has neither row nor
    /// tombstone, which is looked for only if not all that stand alone applied.
    fn patch(&self, patches: &Patches) -> String {
        let (alone, alive) = (patches.alone, self.alive("t"));
        let mut set = format!("{} = {STAMP}", quote::name(SINK_MODIFIED_ON));
        let named = |at: usize| patches.columns.iter().position(|named| usize::from(*named) == at);
        for at in 0..self.work.table.columns.len() {
            let column = self.column(at);
            match named(at) {
                Some(place) => {
                    set.push_str(&format!(
                        ", {column} = {}",
                        self.patched(patches.flavour, at, place)
                    ));
                }
                None if self.mutations.patch_as_image() => {
                    set.push_str(&format!(", {column} = NULL"));
                }
                None => {}
            }
        }
        if self.work.versioned {
            set.push_str(&format!(", {} = s.version", quote::name(VERSION_NUMBER)));
        }
        let guard = if self.guarded() {
            format!(" AND {}", self.row_not_newer("< s.version"))
        } else {
            String::new()
        };
        format!(
            "WITH patched AS (UPDATE {} AS t SET {set} FROM {} AS s WHERE s.kind IN ({KIND_PATCH}, {KIND_BASED_PATCH}) AND t.{} = s.id{alive}{guard} RETURNING s.kind), counted AS (SELECT count(*) AS n, count(*) FILTER (WHERE kind = {KIND_PATCH}) AS alone FROM patched) SELECT CASE WHEN alone = {alone} THEN n WHEN NOT EXISTS (SELECT FROM {} AS s WHERE s.kind = {KIND_PATCH} AND NOT {} AND NOT {}) THEN n ELSE ('keepstep found a patch without a row; patches that applied: ' || n)::bigint END FROM counted",
            self.table(),
            self.work.staging,
            quote::name(ID),
            self.work.staging,
            self.row_exists(),
            self.any_tombstone(),
        )
    }

    /// The value of a patched column: the staged cell, or the row's where the patch does not
    /// name the column or is older in it.
    fn patched(&self, flavour: PatchFlavour, at: usize, place: usize) -> String {
        let (column, cell) = (self.column(at), cell_name(at));
        let counts = match flavour {
            PatchFlavour::Uniform => return format!("s.{cell}"),
            PatchFlavour::Sparse => format!("get_bit(s.present, {place}) = 1"),
            PatchFlavour::Layered if self.guarded() => format!(
                "s.versions[{}] > coalesce(t.{}, {NO_VERSION})",
                place + 1,
                quote::name(VERSION_NUMBER)
            ),
            PatchFlavour::Layered => format!("s.versions[{}] > {NO_VERSION}", place + 1),
        };
        format!("CASE WHEN {counts} THEN s.{cell} ELSE t.{column} END")
    }

    /// The row has no version, or one that compares so.
    fn row_not_newer(&self, comparison: &str) -> String {
        let version = quote::name(VERSION_NUMBER);
        format!("(t.{version} IS NULL OR t.{version} {comparison})")
    }

    fn row_exists(&self) -> String {
        self.row_exists_where(&self.alive("e"))
    }

    fn row_exists_where(&self, condition: &str) -> String {
        let id = quote::name(ID);
        format!("EXISTS (SELECT FROM {} AS e WHERE e.{id} = s.id{condition})", self.table())
    }

    fn any_tombstone(&self) -> String {
        format!(
            "EXISTS (SELECT FROM {} AS d WHERE d.record_id = s.id AND d.entity = {} AND d.profile = {})",
            own_table(own::TOMBSTONE),
            quote::text(self.work.entity.as_str()),
            quote::text(self.lane.profile.as_str()),
        )
    }

    /// A tombstone that keeps out what has this version.
    fn tombstone(&self, version: &str) -> String {
        let any = self.any_tombstone();
        let open = any.strip_suffix(')').unwrap_or(&any);
        format!("{open} AND d.version >= {version})")
    }
}

/// Below every version: of a row that has none, and of a cell that a patch does not name.
const NO_VERSION: &str = "'-9223372036854775808'::bigint";

/// A further condition: the row is not one that was kept after its delete.
pub(super) fn alive(table: &Table, alias: &str) -> String {
    match table.deletes.keep_row {
        true => format!(" AND {alias}.{} IS NULL", quote::name(SINK_DELETED_ON)),
        false => String::new(),
    }
}
