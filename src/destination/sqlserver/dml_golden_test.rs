//! Pins the text of the statements that write batches. `make golden` writes the files anew; read
//! the difference.

use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use super::shape::Shape;
use super::staging;
use super::statements::{self, Compare, Ending, Parameters, TableWork};
use crate::model::batch::{Batch, TableBatch};
use crate::model::cell::Cell;
use crate::model::change::Version;
use crate::model::checkpoint::{
    CursorMove, CursorSplit, Fence, Fingerprint, LaneId, OwnerToken, Scope,
};
use crate::model::entity::{Attribute, AttributeKind, EntityDefinition};
use crate::model::entity_json::read_definitions;
use crate::model::failure::{Cause, Rejection};
use crate::model::held::{HeldCause, HeldKey, Hold, Release, ReleaseReason};
use crate::model::layout::Deletes;
use crate::model::mapping::{Effect, Fitted, Mapping, UnknownAttribute};
use crate::model::mutation::Mutations;
use crate::model::net_change::NetChange;
use crate::model::position::{NextOffset, Offset, Topic, TopicPartition};
use crate::model::profile::ProfileId;
use crate::model::record::{EntityName, RecordId};
use crate::model::table::Table;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares a golden file, or writes it: batches of the server.
fn pinned(name: &str, batches: &[String]) {
    let path = project().join("tests/golden/sqlserver").join(name);
    let text: String = batches
        .iter()
        .map(|batch| format!("{};\nGO\n\n", batch.trim_end_matches([';', '\n'])))
        .collect();
    if std::env::var_os("KEEPSTEP_UPDATE_DOCUMENTS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "{} is out of step; `make golden` writes it anew", path.display());
}

/// One column of each type, and names that would break out if they could.
fn mapping(versioned: bool, deletes: Deletes) -> Arc<Mapping> {
    let attribute = |name: &str, kind| Attribute {
        name: name.into(),
        kind,
        labels: Vec::new(),
        origin: crate::model::entity::Origin::default(),
    };
    let definition = EntityDefinition {
        name: EntityName::new("acc'ount"),
        primary_id: "".into(),
        intersect: None,
        attributes: vec![
            attribute("name", AttributeKind::Text { max_length: Some(160) }),
            attribute("description", AttributeKind::Memo),
            attribute("statecode", AttributeKind::Choice { option_set: None, options: Vec::new() }),
            attribute("importsequence", AttributeKind::BigInt),
            attribute("donotphone", AttributeKind::Boolean),
            attribute("createdon", AttributeKind::DateTime),
            attribute("revenue", AttributeKind::Money { precision: 2 }),
            attribute("ownerid", AttributeKind::Lookup { targets: Vec::new() }),
            attribute("x]; DROP TABLE y; --'", AttributeKind::Integer),
        ],
    };
    let mut table = Table::of(&definition, "crm", Some("hq"));
    table.deletes = deletes;
    Arc::new(Mapping::new(&definition, table, versioned, UnknownAttribute::Stop))
}

fn fence() -> Fence {
    let step = |scope, from| CursorMove { scope, from: NextOffset(from), to: NextOffset(900) };
    Fence {
        lane: LaneId {
            profile: ProfileId::new("head-quarters").unwrap(),
            topic_partition: TopicPartition::new(&Topic::new("it's a \\topic"), 3),
        },
        token: OwnerToken(Uuid::from_u128(7)),
        moves: vec![step(Scope::All, 800), step(Scope::Entity(EntityName::new("lead")), 750)],
        splits: Vec::new(),
        fingerprint: Some(Fingerprint {
            offset: Offset(899),
            timestamp_ms: 1_700_000_000_000,
            length_bytes: 321,
            crc: 4_000_000_000,
        }),
    }
}

fn image() -> Effect {
    Effect::Image { create: false, cells: vec![(0, Cell::Text("a".into()))] }
}

fn patch(columns: &[u16]) -> Effect {
    Effect::Patch { cells: columns.iter().map(|column| (*column, Cell::Null)).collect() }
}

fn table_batch(mapping: &Arc<Mapping>, records: Vec<Vec<Effect>>) -> TableBatch {
    let mut changes = Vec::new();
    for (record, effects) in (1..).zip(records) {
        let mut version = 10;
        let mut fitted = effects.into_iter().map(|effect| {
            version += 1;
            let version = mapping.versioned.then_some(Version(version));
            let record_id = RecordId(Uuid::from_u128(record));
            Fitted { record_id, version, effect, dropped_attributes: 0 }
        });
        let mut net = NetChange::of(fitted.next().unwrap(), Offset(800));
        for further in fitted {
            net.merge(further, Offset(801));
        }
        changes.push(net);
    }
    TableBatch { mapping: Arc::clone(mapping), changes }
}

/// The staging table and the batch of changes of records, each record's merged into one.
fn burst(mapping: &Arc<Mapping>, records: Vec<Vec<Effect>>) -> Vec<String> {
    let table = table_batch(mapping, records);
    let shape = Shape::of(&table);
    let staging = "#keepstep_stage_1";
    let work = TableWork {
        entity: &mapping.entity,
        table: &mapping.table,
        versioned: mapping.versioned,
        shape: &shape,
        staging,
        staged: &shape.columns,
    };
    let (batch, mutations) = (Batch::default(), Mutations::default());
    let script = statements::burst(&fence(), &[work], &batch, mutations, Ending::Commit);
    vec![staging::create(&mapping.table, &shape.columns, staging), script.text()]
}

/// Every part that a net change can have, but for patches of several versions.
fn every_part() -> Vec<Vec<Effect>> {
    vec![
        vec![Effect::Delete],
        vec![image()],
        vec![image(), patch(&[1])],
        vec![patch(&[0, 2])],
        vec![patch(&[0, 2])],
    ]
}

#[test]
fn golden_versioned_batches() {
    let mapping = mapping(true, Deletes::default());
    let alone = every_part().into_iter().filter(|record| record.len() == 1).collect();
    pinned("versioned_uniform.sql", &burst(&mapping, alone));
    pinned("versioned_sparse.sql", &burst(&mapping, every_part()));
    let layered = vec![vec![patch(&[0]), patch(&[8])], vec![patch(&[2])], vec![image()]];
    pinned("versioned_layered.sql", &burst(&mapping, layered));
}

#[test]
fn golden_unversioned_batch() {
    let create = Effect::Image { create: true, cells: vec![(6, Cell::Null)] };
    let records = vec![
        vec![Effect::Delete, create],
        vec![image(), patch(&[1])],
        vec![patch(&[0]), patch(&[3])],
        vec![patch(&[1])],
    ];
    pinned("unversioned.sql", &burst(&mapping(false, Deletes::default()), records));
}

#[test]
fn golden_logged_and_kept_deletes() {
    let log = Some("hq_DeleteLog".into());
    let records = || vec![vec![Effect::Delete], vec![image()], vec![patch(&[0])]];
    for (name, versioned) in [("deletes_versioned.sql", true), ("deletes_unversioned.sql", false)] {
        let logged = Deletes { logged_in: log.clone(), keep_row: false };
        let mut all = burst(&mapping(versioned, logged), records());
        let kept = Deletes { logged_in: log.clone(), keep_row: true };
        all.extend(burst(&mapping(versioned, kept), records()));
        pinned(name, &all);
    }
}

#[test]
fn golden_cursors() {
    let fence = fence();
    let splits = vec![CursorSplit { entity: EntityName::new("it's"), next: NextOffset(800) }];
    let making = Fence { splits, ..fence.clone() };
    let all = [
        statements::cursors_only(&fence, Compare::All, Ending::Commit).text(),
        statements::cursors_only(&making, Compare::All, Ending::RollBack).text(),
        statements::look_at_cursors(&fence, Compare::All).0,
    ];
    pinned("cursors.sql", &all);
}

#[test]
fn parameters_have_a_limit_and_values_beyond_it_stand_in_the_text() {
    let mut parameters = Parameters::default();
    let names: Vec<String> = (0..2_002).map(|value| parameters.add(value)).collect();
    assert_eq!((&*names[0], &*names[1_999]), ("@P1", "@P2000"));
    assert_eq!(names[2_000..], ["2000", "2001"]);
    assert_eq!(parameters.values(), (0..2_000).collect::<Vec<i64>>());
}

#[test]
fn golden_holds_and_releases() {
    let key = |offset, entity: Option<&str>, record: Option<u128>| HeldKey {
        offset: Offset(offset),
        entity: entity.map(EntityName::new),
        record_id: record.map(|record| RecordId(Uuid::from_u128(record))),
    };
    let (known, unknown) = (key(7, Some("account"), Some(1)), key(8, None, None));
    let rejection = Rejection::in_column("it's a \\", Cause::TextHasNul);
    let hold = |key: &HeldKey, version, cause| Hold {
        key: key.clone(),
        version,
        creates: true,
        cause,
        attempt: 2,
    };
    let batch = Batch {
        holds: vec![
            hold(&unknown, None, HeldCause::waits()),
            hold(&known, Some(Version(-3)), HeldCause::from(&rejection)),
        ],
        releases: vec![Release { key: known.clone(), reason: ReleaseReason::Superseded }],
        ..Batch::default()
    };
    let (fence, mutations) = (fence(), Mutations::default());
    let texts = [Ending::Commit, Ending::RollBack]
        .map(|ending| statements::burst(&fence, &[], &batch, mutations, ending).text());
    pinned("held.sql", &texts);
}

#[test]
fn a_line_of_the_text_tells_its_step() {
    let mapping = mapping(true, Deletes::default());
    let table = table_batch(&mapping, every_part());
    let shape = Shape::of(&table);
    let work = TableWork {
        entity: &mapping.entity,
        table: &mapping.table,
        versioned: true,
        shape: &shape,
        staging: "#keepstep_stage_1",
        staged: &shape.columns,
    };
    let splits = vec![CursorSplit { entity: EntityName::new("lead"), next: NextOffset(800) }];
    let (fence, batch) = (Fence { splits, ..fence() }, Batch::default());
    let script = statements::burst(&fence, &[work], &batch, Mutations::default(), Ending::Commit);
    let mut expected = None;
    for (number, line) in (1..).zip(script.text().lines()) {
        if let Some(step) = line.strip_prefix("SET @step = ") {
            let at: usize = step.trim_end_matches(';').parse().unwrap();
            expected = Some(script.statements[at].step);
        } else if line == "END TRY" {
            expected = None;
        }
        assert_eq!(script.step_of_line(number), expected, "line {number}: {line}");
    }
}

/// Every definition that is shipped, with every part of a change.
#[test]
fn golden_batches_of_definitions() {
    for file in std::fs::read_dir(project().join("definitions")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let definition = read_definitions(&std::fs::read(&path).unwrap()).unwrap().remove(0);
        let mut table = Table::of(&definition, "dbo", None);
        table.deletes.logged_in = Some("DeleteLog".into());
        let width = u16::try_from(table.columns.len()).unwrap();
        let mapping = Arc::new(Mapping::new(&definition, table, true, UnknownAttribute::Stop));
        let records = vec![
            vec![Effect::Delete],
            vec![image()],
            vec![image(), patch(&[1])],
            vec![patch(&[0])],
            vec![patch(&(1..width).collect::<Vec<_>>())],
        ];
        let name = path.file_stem().unwrap().to_str().unwrap();
        pinned(&format!("batch_{name}.sql"), &burst(&mapping, records));
    }
}
