//! Pins the text of every statement. `make golden` writes the files anew; read the difference.

use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use super::ddl::Room;
use super::shape::Shape;
use super::statements::{self, Compare, Statement, TableWork};
use super::{activate, ddl};
use crate::destination::{ActivatedEntity, Activation};
use crate::model::batch::TableBatch;
use crate::model::cell::Cell;
use crate::model::change::Version;
use crate::model::checkpoint::{CursorMove, Fence, Fingerprint, LaneId, OwnerToken, Scope};
use crate::model::entity::{Attribute, AttributeKind, EntityDefinition};
use crate::model::mapping::{Effect, Fitted, Mapping, UnknownAttribute};
use crate::model::mutation::Mutations;
use crate::model::net_change::NetChange;
use crate::model::position::{NextOffset, Offset, Topic, TopicPartition};
use crate::model::profile::ProfileId;
use crate::model::record::{EntityName, RecordId};
use crate::model::table::Table;

/// Compares a golden file, or writes it.
fn pinned(name: &str, statements: &[String]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/postgres").join(name);
    let text: String = statements.iter().map(|statement| format!("{statement};\n\n")).collect();
    if std::env::var_os("KEEPSTEP_UPDATE_DOCUMENTS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "{} is out of step; `make golden` writes it anew", path.display());
}

fn texts(statements: Vec<Statement>) -> Vec<String> {
    statements.into_iter().map(|statement| statement.text).collect()
}

/// One column of each type, and names that would break out if they could.
fn mapping(entity: &str, versioned: bool) -> Arc<Mapping> {
    let attribute = |name: &str, kind| Attribute { name: name.into(), kind, labels: Vec::new() };
    let definition = EntityDefinition {
        name: EntityName::new(entity),
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
            attribute("x\"; DROP TABLE y; --", AttributeKind::Integer),
        ],
    };
    let table = Table::of(&definition, "crm", Some("hq"));
    Arc::new(Mapping::new(&definition, table, versioned, UnknownAttribute::Stop))
}

fn activation() -> Activation {
    let topic = Topic::new("crm.hq");
    let entity = |mapping| ActivatedEntity { mapping, topic: topic.clone(), partitions: 2 };
    Activation {
        profile: ProfileId::new("head-quarters").unwrap(),
        entities: vec![entity(mapping("account", true)), entity(mapping("contact", false))],
        starts: vec![(TopicPartition::new(&topic, 0), NextOffset(0))],
    }
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

fn change(record: u128, version: i64, effect: Effect, versioned: bool) -> Fitted {
    Fitted {
        record_id: RecordId(Uuid::from_u128(record)),
        version: versioned.then_some(Version(version)),
        effect,
        dropped_attributes: 0,
    }
}

fn image() -> Effect {
    Effect::Image { create: false, cells: vec![(0, Cell::Text("a".into()))] }
}

fn patch(columns: &[u16]) -> Effect {
    Effect::Patch { cells: columns.iter().map(|column| (*column, Cell::Null)).collect() }
}

/// Changes of records, each record's merged into one.
fn burst(mapping: &Arc<Mapping>, records: Vec<Vec<Effect>>) -> Vec<String> {
    let mut changes = Vec::new();
    for (record, effects) in (1..).zip(records) {
        let mut version = 10;
        let mut fitted = effects.into_iter().map(|effect| {
            version += 1;
            change(record, version, effect, mapping.versioned)
        });
        let mut net = NetChange::of(fitted.next().unwrap(), Offset(800));
        for further in fitted {
            net.merge(further, Offset(801));
        }
        changes.push(net);
    }
    let table = TableBatch { mapping: Arc::clone(mapping), changes };
    let shape = Shape::of(&table);
    let work = TableWork {
        entity: &mapping.entity,
        table: &mapping.table,
        versioned: mapping.versioned,
        shape: &shape,
        staging: ddl::in_session("keepstep_stage_1"),
    };
    let mut all = vec![shape.columns.copy_statement("keepstep_stage_1")];
    all.extend(texts(statements::burst(&fence(), &[work], Mutations::default())));
    all
}

#[test]
fn golden_schema() {
    pinned("schema.sql", &activate::everything(&activation()));
}

#[test]
fn golden_changes_of_tables() {
    let mapping = mapping("account", true);
    let added: Vec<_> = mapping.table.columns[5..].to_vec();
    pinned(
        "tables.sql",
        &[
            ddl::add_columns(&mapping.table, &added),
            ddl::create_staging(&mapping.table, "keepstep_stage_1", Room::Plain),
            ddl::create_staging(&mapping.table, "keepstep_stage_2", Room::Roomy),
            ddl::drop_staging("keepstep_stage_1"),
        ],
    );
}

#[test]
fn golden_cursors() {
    let fence = fence();
    let mut all = texts(statements::cursors_only(&fence, Compare::All));
    all.extend(texts(statements::look_at_cursors(&fence, Compare::All)));
    all.extend(statements::take(&fence.lane, fence.token));
    all.push(statements::first_without_base(&mapping("account", true), &fence.lane.profile));
    pinned("cursors.sql", &all);
}

#[test]
fn golden_versioned_burst() {
    let records = vec![
        vec![Effect::Delete],
        vec![image()],
        vec![image(), patch(&[1])],
        vec![patch(&[0, 2])],
        vec![patch(&[0, 2])],
    ];
    let uniform: Vec<Vec<Effect>> =
        records.iter().filter(|record| record.len() == 1).cloned().collect();
    pinned("versioned_uniform.sql", &burst(&mapping("account", true), uniform));
    pinned("versioned_sparse.sql", &burst(&mapping("account", true), records));
}

#[test]
fn golden_versioned_burst_of_merged_patches() {
    let records = vec![vec![patch(&[0]), patch(&[8])], vec![patch(&[2])]];
    pinned("versioned_layered.sql", &burst(&mapping("account", true), records));
}

#[test]
fn golden_unversioned_burst() {
    let create = Effect::Image { create: true, cells: vec![(6, Cell::Null)] };
    let records = vec![
        vec![Effect::Delete, create],
        vec![image(), patch(&[1])],
        vec![patch(&[0]), patch(&[3])],
        vec![patch(&[1])],
    ];
    pinned("unversioned.sql", &burst(&mapping("contact", false), records));
}
