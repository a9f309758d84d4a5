//! The destination in memory under the conformance suite.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use keepstep::destination::Destination;
use keepstep::destination::faulty::{Fault, Faulty};
use keepstep::destination::memory::{MemoryDestination, MemoryState};
use keepstep::model::cell::Cell;
use keepstep::model::checkpoint::LaneId;
use keepstep::model::metadata_tables::{DELETE_LOG_TABLE, METADATA_TABLES};
use keepstep::model::mutation::Mutations;
use keepstep::model::profile::ProfileId;
use keepstep::model::record::RecordId;
use keepstep::model::table::Table;

use crate::destination_conformance::laboratory::{
    Abilities, Database, Laboratory, Moments, StoredCursor, StoredRow, StoredTombstone, Tamper,
};
use crate::destination_conformance::printed::printed;

struct MemoryLaboratory;

#[async_trait]
impl Laboratory for MemoryLaboratory {
    fn name(&self) -> &'static str {
        "the destination in memory"
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            has_schema: false,
            longest_name_bytes: usize::MAX,
            names_ignore_case: false,
            most_columns: None,
            takes_any_name: true,
            moments: Moments::ALL,
        }
    }

    async fn new_database(&self) -> Arc<dyn Database> {
        Arc::new(MemoryDatabase::default())
    }
}

#[derive(Default)]
struct MemoryDatabase {
    destination: MemoryDestination,
    kept: Mutex<MemoryState>,
}

impl MemoryDatabase {
    fn change(&self, act: impl FnOnce(&mut MemoryState)) {
        let mut state = self.destination.state();
        act(&mut state);
        self.destination.restore(state);
    }
}

#[async_trait]
impl Database for MemoryDatabase {
    async fn open(&self, mutations: Mutations) -> Arc<dyn Destination> {
        // The two faults of a checkpoint in a transaction of its own need two requests.
        let inner = Arc::new(self.destination.with_mutations(mutations));
        Arc::new(Faulty::new(inner, Box::new(|_| Fault::None), Arc::new(|_, _| {}), mutations))
    }

    async fn rows(&self, table: &Table) -> Vec<StoredRow> {
        let state = self.destination.state();
        let mine = state.rows.iter().filter(|((name, _), _)| *name == table.name.as_str());
        mine.map(|((_, id), row)| StoredRow {
            id: *id,
            // The twin has no sink columns.
            created_ms: None,
            modified_ms: None,
            version: row.version.map(|version| version.0),
            cells: table
                .columns
                .iter()
                .map(|column| row.cells.get(column.name.as_str()).and_then(printed))
                .collect(),
        })
        .collect()
    }

    async fn columns(&self, _table: &Table) -> Vec<String> {
        Vec::new()
    }

    async fn tombstones(&self, profile: &ProfileId) -> Vec<StoredTombstone> {
        let state = self.destination.state();
        let mine = state.tombstones.iter().filter(|((of, ..), _)| of == profile);
        mine.map(|((_, entity, record_id), tombstone)| StoredTombstone {
            entity: entity.to_string(),
            record_id: *record_id,
            version: tombstone.version.map_or(0, |version| version.0),
        })
        .collect()
    }

    async fn lines(&self, _: &str, table: &str, columns: &[&str]) -> Vec<Vec<Option<String>>> {
        let state = self.destination.state();
        let mut tables = METADATA_TABLES.into_iter().chain([&DELETE_LOG_TABLE]);
        let made = tables.find(|made| made.name == table).unwrap();
        let print = |row: &Vec<Cell>| {
            let cell = |name: &&str| {
                let at = made.columns.iter().position(|column| column.name == *name).unwrap();
                match &row[at] {
                    Cell::Null => None,
                    Cell::Text(text) => Some(text.to_string()),
                    Cell::Integer(number) => Some(number.to_string()),
                    Cell::Long(number) => Some(number.to_string()),
                    Cell::Boolean(flag) => Some(flag.to_string()),
                    other => panic!("no cell of a line: {other:?}"),
                }
            };
            columns.iter().map(cell).collect()
        };
        let rows = state.beside.get(table).map(Vec::as_slice).unwrap_or_default();
        let mut lines: Vec<Vec<_>> = rows.iter().map(print).collect();
        lines.sort();
        lines
    }

    async fn cursors(&self, lane: &LaneId) -> Vec<StoredCursor> {
        let state = self.destination.state();
        let mine = state.cursors.iter().filter(|((of, _), _)| of == lane);
        mine.map(|((_, scope), cursor)| StoredCursor {
            entity: scope.as_str().to_owned(),
            next: cursor.next.0,
            owner: cursor.owner,
            fingerprint: cursor.fingerprint,
        })
        .collect()
    }

    async fn back_up(&self) {
        *self.kept.lock().unwrap() = self.destination.state();
    }

    async fn set_back(&self) {
        self.destination.restore(self.kept.lock().unwrap().clone());
    }

    async fn tamper(&self, act: Tamper) {
        match act {
            Tamper::RowWithoutVersion(table, id) => self.change(|state| {
                let rows: &mut BTreeMap<(String, RecordId), _> = &mut state.rows;
                rows.get_mut(&(table.name.to_string(), id)).unwrap().version = None;
            }),
            Tamper::CheckpointLost(lane) => self.change(|state| {
                state.cursors.retain(|(of, _), _| *of != lane);
            }),
            Tamper::Unregistered(table) => self.change(|state| state.forget_table(&table.name)),
            other => panic!("the twin has no schema for {other:?}"),
        }
    }
}

#[tokio::test]
async fn memory_conforms() {
    let not_run = crate::destination_conformance::conforms(&MemoryLaboratory).await;
    let of_schema = [
        "impossible names are refused",
        "as many columns as there can be",
        "newer own tables are refused",
        "what someone dropped is its table's trouble",
        "a check changes nothing",
        "columns become wider",
        "a column of another type is its entity's trouble",
        "columns without an attribute are told",
        "columns come last and stay for ever",
    ];
    assert_eq!(not_run, of_schema, "the twin has no schema that anyone could change");
}

#[cfg(feature = "mutations")]
#[tokio::test]
async fn every_fault_built_into_the_twin_is_caught() {
    crate::destination_conformance::every_mutation_is_caught(&MemoryLaboratory).await;
}
