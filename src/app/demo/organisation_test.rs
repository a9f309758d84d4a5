//! The organisation, looked at from outside: deterministic, exact, and as varied as it says.

use std::collections::{BTreeMap, BTreeSet};

use super::organisation::{Item, Kept, Organisation, Shown};
use super::shipped::definitions;
use crate::model::change::{Change, Image, Operation};
use crate::model::value::Value;

fn all(seed: u64, changes: u64) -> (Vec<(Kept, Change)>, usize, Organisation) {
    let mut organisation = Organisation::new(&definitions().unwrap(), seed, changes);
    let (mut said, mut markers, mut items) = (Vec::new(), 0, Vec::new());
    loop {
        organisation.next(&mut items);
        for item in items.drain(..) {
            match item {
                Item::Change(kept, change) => said.push((kept, change)),
                Item::Marker(..) => markers += 1,
            }
        }
        if organisation.is_over() {
            return (said, markers, organisation);
        }
    }
}

#[test]
fn the_number_of_changes_is_exact_and_the_seed_decides() {
    for changes in [100, 101, 5_000] {
        let (said, _, organisation) = all(1, changes);
        assert_eq!(said.len() as u64, changes);
        assert_eq!(organisation.said().changes(), changes);
    }
    assert!(all(7, 3_000).0 == all(7, 3_000).0);
    assert!(all(7, 3_000).0 != all(8, 3_000).0);
}

#[test]
fn everything_that_was_promised_happens() {
    let (said, markers, _) = all(1, 30_000);
    assert_eq!(markers, 2 * 4, "begin and end of each versioned entity");
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut count = |what: String| *counts.entry(what).or_default() += 1;
    let mut deleted = BTreeSet::new();
    let mut per_record: BTreeMap<_, usize> = BTreeMap::new();
    for (kept, change) in &said {
        count(format!("{kept:?} {}", change.operation.as_str()));
        *per_record.entry(change.record_id).or_default() += 1;
        match change.operation {
            Operation::Delete => drop(deleted.insert(change.record_id)),
            Operation::Create if deleted.contains(&change.record_id) => {
                count(format!("{kept:?} again"));
            }
            Operation::Update => count(format!("{:?} update", change.image)),
            _ => {}
        }
        assert_eq!(change.version.is_some(), kept.is_versioned());
        for (name, value) in &change.attributes {
            if change.image == Image::Patch && *value == Value::Null {
                count("cleared".to_owned());
            }
            if let (true, Value::Lookup(lookup)) = (name == "parentcustomerid", value) {
                count(format!("customer {}", lookup.entity));
            }
            count(value.kind().to_owned());
        }
    }
    for what in [
        "Product snapshot",
        "Account snapshot",
        "Account create",
        "Account update",
        "Account delete",
        "Account again",
        "Contact create",
        "Contact update",
        "Contact delete",
        "Contact again",
        "Opportunity snapshot",
        "Opportunity create",
        "Opportunity delete",
        "Line snapshot",
        "Line create",
        "Line delete",
        "Link create",
        "Link delete",
        "Link again",
        "Full update",
        "Patch update",
        "cleared",
        "customer account",
        "customer contact",
        "multi-choice",
        "choice",
        "decimal",
        "double",
        "date",
        "timestamp",
        "guid",
        "long",
        "integer",
        "boolean",
        "text",
        "lookup",
        "null",
    ] {
        assert!(counts.get(what).is_some_and(|count| *count >= 3), "{what}: {counts:#?}");
    }
    assert!(per_record.values().any(|count| *count > 400), "no record is hot");
}

#[test]
fn what_must_be_shown_has_one_cell_per_column() {
    let (_, _, organisation) = all(3, 4_000);
    let tables = organisation.expected_tables();
    assert_eq!(tables.len(), 6);
    for table in tables {
        let columns = table.columns();
        let mut last = String::new();
        let ids = (0..).map_while(|row| table.id(row));
        for (row, id) in ids.enumerate() {
            let cells = table.cells(row);
            assert_eq!(cells.len(), columns.len());
            assert_eq!(cells[0], Shown::Text(id.clone().into()));
            assert!(id > last, "sorted");
            last = id;
        }
        assert!(!last.is_empty(), "{} has rows", table.name());
    }
}
