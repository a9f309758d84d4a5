//! The staging tables of a connection: their columns, their text, which are there.
//!
//! Promises: a staging table holds what its batch fills and little else. Columns that no change of
//! a batch fills are left out, for columns of fixed length take their room in every row, filled or
//! not. The set of a table only ever grows, so that it settles after a few batches. Pure: what is
//! to be sent comes out as text, in a plain batch, for what a parameterised one makes is gone at
//! its end.

use crate::model::table::{ColumnType, Table};

/// Most staging tables of one connection; beyond it those that were not used for longest go.
const MOST_STAGING_TABLES: usize = 32;

/// Longest text that is staged in a column with a length: the driver tells longer ones to the
/// server as columns without.
const LONGEST_SHORT_UNITS: u32 = 2_000;

/// What is staged of the changes of a table. `kind` and `id` always are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StagedColumns {
    /// The version of the row afterwards; for a delete its own.
    pub version: bool,
    /// The version that an image is guarded by, lower than its own where patches were merged in.
    pub guard: bool,
    /// Where on the log a delete lies.
    pub record_offset: bool,
    /// Which columns a patch names, a byte each.
    pub present: bool,
    /// Version of each of a patch's cells, eight bytes each.
    pub versions: bool,
    /// The table's columns, ascending.
    pub cells: Vec<u16>,
}

impl StagedColumns {
    /// Whether a table of these columns can hold what `needed` asks for.
    pub(super) fn covers(&self, needed: &Self) -> bool {
        self.union(needed) == *self
    }

    /// The columns of both.
    pub(super) fn union(&self, other: &Self) -> Self {
        let mut cells: Vec<u16> = self.cells.iter().chain(&other.cells).copied().collect();
        cells.sort_unstable();
        cells.dedup();
        Self {
            version: self.version || other.version,
            guard: self.guard || other.guard,
            record_offset: self.record_offset || other.record_offset,
            present: self.present || other.present,
            versions: self.versions || other.versions,
            cells,
        }
    }

    /// Names and types of the control columns that are there, in the order in which `encode`
    /// writes them.
    fn control(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        [
            (true, "kind", "tinyint NOT NULL"),
            (true, "id", "uniqueidentifier NOT NULL"),
            (self.version, "version", "bigint NULL"),
            (self.guard, "guard", "bigint NULL"),
            (self.record_offset, "record_offset", "bigint NULL"),
            // Bytes, not letters: what a code page makes of letters is the database's choice.
            (self.present, "present", "varbinary(1024) NULL"),
            (self.versions, "versions", "varbinary(max) NULL"),
        ]
        .into_iter()
        .filter_map(|(there, name, type_text)| there.then_some((name, type_text)))
    }

    /// Number of columns.
    pub(super) fn count(&self) -> usize {
        self.control().count() + self.cells.len()
    }

    /// Names of all columns, in the order in which `encode` writes them.
    pub(super) fn names(&self) -> Vec<String> {
        let control = self.control().map(|(name, _)| name.to_owned());
        control.chain(self.cells.iter().map(|column| cell_name(*column))).collect()
    }
}

/// Name of the staging column of a table's column; by number, so that no name of the source meets
/// one of ours.
pub(super) fn cell_name(column: u16) -> String {
    format!("c{column}")
}

/// The type of a staged cell: its column's, as far as the driver sends that as it is.
fn type_text(column_type: ColumnType) -> String {
    match column_type {
        ColumnType::Text { max_units: Some(units) } if units <= LONGEST_SHORT_UNITS => {
            format!("nvarchar({}) COLLATE DATABASE_DEFAULT", units.max(1))
        }
        ColumnType::Text { .. } => "nvarchar(max) COLLATE DATABASE_DEFAULT".to_owned(),
        other => super::ddl::type_text(other),
    }
}

/// Makes a staging table.
pub(super) fn create(table: &Table, columns: &StagedColumns, name: &str) -> String {
    let control = columns.control().map(|(name, type_text)| format!("{name} {type_text}"));
    let cells = columns.cells.iter().map(|at| {
        let column_type = table.columns[usize::from(*at)].column_type;
        format!("{} {} NULL", cell_name(*at), type_text(column_type))
    });
    let columns: Vec<String> = control.chain(cells).collect();
    format!("CREATE TABLE {name} ({})", columns.join(", "))
}

/// Empties a staging table.
pub(super) fn empty(name: &str) -> String {
    format!("TRUNCATE TABLE {name}")
}

/// Puts a text into a staged cell that was left out of the bulk load: the text in `@P1`, the
/// record in `@P2`.
pub(super) fn put_text(name: &str, column: u16, kind: u8) -> String {
    format!("UPDATE {name} SET {} = @P1 WHERE id = @P2 AND kind = {kind}", cell_name(column))
}

/// A staging table of a connection.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub columns: StagedColumns,
    /// The table that it stages for, as it was when this one was made.
    table: Table,
    /// Whether something may be in it.
    loaded: bool,
    last_used: u64,
}

/// What a batch needs to stage the changes of one table.
pub(super) struct Need<'a> {
    /// The table.
    pub table: &'a Table,
    /// What is staged of its changes.
    pub columns: &'a StagedColumns,
}

/// The staging tables of a connection.
#[derive(Debug, Default)]
pub(super) struct Stages {
    stages: Vec<Stage>,
    made: u64,
    uses: u64,
}

impl Stages {
    /// What is to be sent so that there is an empty staging table for each need; nothing where all
    /// are there. Once it was planned it counts as done: a connection on which it fails is of no
    /// more use.
    pub(super) fn prepare(&mut self, needs: &[Need<'_>]) -> Option<String> {
        self.uses += 1;
        let mut statements = Vec::new();
        for need in needs {
            self.prepare_one(need, &mut statements);
        }
        while self.stages.len() > MOST_STAGING_TABLES.max(needs.len()) {
            let oldest = self.stages.iter().enumerate().min_by_key(|(_, stage)| stage.last_used);
            let oldest = oldest.map_or(0, |(at, _)| at);
            let gone = self.stages.swap_remove(oldest);
            statements.push(format!("DROP TABLE {}", gone.name));
        }
        (!statements.is_empty()).then(|| statements.join(";\n"))
    }

    fn prepare_one(&mut self, need: &Need<'_>, statements: &mut Vec<String>) {
        let same = |stage: &Stage| {
            (&stage.table.schema, &stage.table.name) == (&need.table.schema, &need.table.name)
        };
        let mut columns = need.columns.clone();
        if let Some(at) = self.stages.iter().position(same) {
            let stage = &mut self.stages[at];
            if stage.table == *need.table && stage.columns.covers(need.columns) {
                if stage.loaded {
                    statements.push(empty(&stage.name));
                    stage.loaded = false;
                }
                stage.last_used = self.uses;
                return;
            }
            let gone = self.stages.swap_remove(at);
            statements.push(format!("DROP TABLE {}", gone.name));
            if gone.table == *need.table {
                columns = gone.columns.union(need.columns);
            }
        }
        self.made += 1;
        let name = format!("#keepstep_stage_{}", self.made);
        statements.push(create(need.table, &columns, &name));
        let (table, last_used) = (need.table.clone(), self.uses);
        self.stages.push(Stage { name, columns, table, loaded: false, last_used });
    }

    /// The staging table that was prepared for a table.
    pub(super) fn of(&self, table: &Table) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.table == *table)
    }

    /// Something is on its way into the staging table of a table.
    pub(super) fn loading(&mut self, table: &Table) {
        if let Some(stage) = self.stages.iter_mut().find(|stage| stage.table == *table) {
            stage.loaded = true;
        }
    }

    /// The transaction that ended with emptying those of these tables was committed. In others may
    /// still be what a rejected batch loaded.
    pub(super) fn emptied<'a>(&mut self, tables: impl Iterator<Item = &'a Table>) {
        for table in tables {
            if let Some(stage) = self.stages.iter_mut().find(|stage| stage.table == *table) {
                stage.loaded = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::layout::{Deletes, Widen};
    use crate::model::table::Column;

    fn table(name: &str, columns: u16) -> Table {
        let column = |at| Column {
            name: format!("a{at}").into(),
            column_type: ColumnType::Text { max_units: Some(5) },
        };
        Table {
            schema: "dbo".into(),
            name: name.into(),
            columns: (0..columns).map(column).collect(),
            deletes: Deletes::default(),
            widen: Widen::default(),
        }
    }

    fn cells(cells: &[u16]) -> StagedColumns {
        StagedColumns { cells: cells.to_vec(), ..StagedColumns::default() }
    }

    fn prepare(stages: &mut Stages, table: &Table, columns: &StagedColumns) -> Option<String> {
        let text = stages.prepare(&[Need { table, columns }]);
        stages.loading(table);
        text
    }

    #[test]
    fn a_staging_table_is_made_once_and_only_grows() {
        let (mut stages, table) = (Stages::default(), table("account", 9));
        let made = prepare(&mut stages, &table, &cells(&[0, 2])).unwrap();
        assert!(made.starts_with("CREATE TABLE #keepstep_stage_1 ("), "{made}");
        // A batch that was committed has emptied it; after another it is emptied first.
        stages.emptied(std::iter::once(&table));
        assert_eq!(prepare(&mut stages, &table, &cells(&[2])), None);
        let emptied = prepare(&mut stages, &table, &cells(&[0]));
        assert_eq!(emptied.as_deref(), Some("TRUNCATE TABLE #keepstep_stage_1"));
        let wider = StagedColumns { version: true, ..cells(&[1]) };
        let remade = prepare(&mut stages, &table, &wider).unwrap();
        assert!(
            remade.starts_with("DROP TABLE #keepstep_stage_1;\nCREATE TABLE #keepstep_stage_2")
        );
        let all = &stages.of(&table).unwrap().columns;
        assert_eq!(*all, StagedColumns { version: true, ..cells(&[0, 1, 2]) });
        assert_eq!(all.names(), ["kind", "id", "version", "c0", "c1", "c2"]);
    }

    #[test]
    fn a_commit_empties_those_that_it_filled_and_no_other() {
        let mut stages = Stages::default();
        let [first, second] = ["first", "second"].map(|name| table(name, 1));
        for table in [&first, &second] {
            prepare(&mut stages, table, &cells(&[0]));
        }
        stages.emptied(std::iter::once(&first));
        assert_eq!(prepare(&mut stages, &first, &cells(&[0])), None);
        let emptied = prepare(&mut stages, &second, &cells(&[0]));
        assert_eq!(emptied.as_deref(), Some("TRUNCATE TABLE #keepstep_stage_2"));
    }

    #[test]
    fn a_table_that_changed_is_staged_anew() {
        let mut stages = Stages::default();
        prepare(&mut stages, &table("account", 2), &cells(&[0]));
        let remade = prepare(&mut stages, &table("account", 3), &cells(&[2])).unwrap();
        assert!(remade.starts_with("DROP TABLE #keepstep_stage_1;\nCREATE"), "{remade}");
        assert!(stages.of(&table("account", 2)).is_none());
        assert_eq!(stages.of(&table("account", 3)).unwrap().columns, cells(&[2]));
    }

    #[test]
    fn those_not_used_for_longest_go() {
        let mut stages = Stages::default();
        for number in 0..MOST_STAGING_TABLES {
            prepare(&mut stages, &table(&format!("t{number}"), 1), &cells(&[0]));
        }
        prepare(&mut stages, &table("t0", 1), &cells(&[0]));
        let made = prepare(&mut stages, &table("new", 1), &cells(&[0])).unwrap();
        assert!(made.ends_with("DROP TABLE #keepstep_stage_2"), "{made}");
        assert!(stages.of(&table("t1", 1)).is_none() && stages.of(&table("t0", 1)).is_some());
    }
}
