//! Pins the text of every statement. `make golden` writes the files anew; read the difference.

use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use super::ddl::Room;
use super::held_statements::Wanted;
use super::shape::Shape;
use super::statements::{self, Compare, Ending, Statement, TableWork};
use super::table_statements::TableStatements;
use super::{
    activate, checks, ddl, desk_statements, held_statements, metadata, metadata_statements,
};
use crate::destination::{ActivatedEntity, Activation, WhichHeld};
use crate::model::batch::{Batch, TableBatch};
use crate::model::cell::Cell;
use crate::model::change::Version;
use crate::model::checkpoint::{
    CursorMove, CursorSplit, Fence, Fingerprint, LaneId, OwnerToken, Scope,
};
use crate::model::entity::{Attribute, AttributeKind, EntityDefinition};
use crate::model::entity_json::read_definitions;
use crate::model::failure::{Cause, Rejection};
use crate::model::held::{HeldCause, HeldKey, Hold, Release, ReleaseReason, Revision};
use crate::model::layout::{Deletes, Existing, Layout};
use crate::model::mapping::{Effect, Fitted, Mapping, UnknownAttribute};
use crate::model::mutation::Mutations;
use crate::model::net_change::NetChange;
use crate::model::position::{NextOffset, Offset, Topic, TopicPartition};
use crate::model::profile::ProfileId;
use crate::model::record::{EntityName, RecordId};
use crate::model::table::{
    Column, ColumnType, ID, SINK_CREATED_ON, SINK_MODIFIED_ON, Table, VERSION_NUMBER,
};

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares a golden file, or writes it.
fn pinned(name: &str, statements: &[String]) {
    let path = project().join("tests/golden/postgres").join(name);
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
    let attribute = |name: &str, kind| Attribute {
        name: name.into(),
        kind,
        labels: Vec::new(),
        origin: crate::model::entity::Origin::default(),
    };
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
        layout: Layout::plain("crm", Some("hq")),
        existing: Existing::Adopt,
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
    let batch = Batch::default();
    let mutations = Mutations::default();
    all.extend(texts(statements::burst(&fence(), &[work], &batch, mutations, Ending::Commit)));
    all
}

#[test]
fn golden_schema() {
    pinned("schema.sql", &activate::everything(&activation()));
}

#[test]
fn golden_clean_up() {
    let profile = ProfileId::new("head-quarters").unwrap();
    let layout = Layout { metadata: true, delete_log: true, ..Layout::plain("crm", Some("hq")) };
    let entity = EntityName::new("it's a $keepstep$");
    let mut all = super::PostgresDestination::clean_up(&profile, &layout, None);
    all.extend(super::PostgresDestination::clean_up(&profile, &layout, Some(&entity)));
    pinned("clean_up.sql", &all);
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

/// What stands beside the tables of the entities, and what deletes leave behind.
#[test]
fn golden_layout() {
    let layout = Layout { metadata: true, delete_log: true, ..Layout::plain("crm", Some("hq")) };
    let mut all = Vec::new();
    for table in metadata::wanted(&layout) {
        all.push(metadata_statements::create(table, &layout));
        if table.key_columns > 0 {
            all.push(metadata_statements::select(table, &layout));
            all.push(metadata_statements::delete(table, &layout));
            all.push(metadata_statements::insert(table, &layout));
        }
    }
    all.push(ddl::widen_columns(&mapping("account", true).table, &{
        let column = |name: &str, column_type| Column { name: name.into(), column_type };
        [
            column("name", ColumnType::Text { max_units: None }),
            column("revenue", ColumnType::Decimal { scale: 4 }),
            column("importsequence", ColumnType::Long),
        ]
    }));
    pinned("layout.sql", &all);
}

#[test]
fn golden_deletes() {
    let mut all = Vec::new();
    for (versioned, keep_row) in [(true, false), (false, false), (true, true), (false, true)] {
        let plain = mapping("account", versioned);
        let deletes = Deletes { logged_in: Some("hq_DeleteLog".into()), keep_row };
        let table = Table { deletes, ..plain.table.clone() };
        let unknown = UnknownAttribute::Stop;
        let mapping = Arc::new(Mapping::new(&plain.definition, table, versioned, unknown));
        if keep_row {
            all.push(ddl::create_table(&mapping.table));
        }
        let records = vec![vec![Effect::Delete], vec![image()], vec![patch(&[1])]];
        all.extend(burst(&mapping, records).into_iter().filter(|text| text.contains("account")));
    }
    pinned("deletes.sql", &all);
}

#[test]
fn golden_checks() {
    let fence = fence();
    let mut all = Vec::new();
    for versioned in [true, false] {
        let mapping = mapping("account", versioned);
        all.push(checks::catalog(&mapping.table));
        let table = TableBatch { mapping: Arc::clone(&mapping), changes: Vec::new() };
        let shape = Shape::of(&table);
        let staging = ddl::in_session("keepstep_stage_1");
        let (entity, table) = (&mapping.entity, &mapping.table);
        let work = TableWork { entity, table, versioned, shape: &shape, staging };
        let mutations = Mutations::default();
        let texts = TableStatements { at: 0, work: &work, lane: &fence.lane, mutations };
        let own = [ID, SINK_CREATED_ON, SINK_MODIFIED_ON, VERSION_NUMBER].into_iter();
        let names = own.chain(mapping.table.columns.iter().map(|column| column.name.as_str()));
        let types = names.map(|name| (name.to_owned(), "\"of\".type".to_owned())).collect();
        let broken = ["(statecode >= 0)".to_owned(), "(revenue IS NOT NULL)".to_owned()];
        all.push(texts.images_that_break(&broken, &types).unwrap());
    }
    pinned("checks.sql", &all);
}

#[test]
fn golden_cursors() {
    let fence = fence();
    let mut all = texts(statements::cursors_only(&fence, Compare::All, Ending::Commit));
    let splits = vec![CursorSplit { entity: EntityName::new("it's"), next: NextOffset(800) }];
    let making = Fence { splits, ..fence.clone() };
    all.extend(texts(statements::cursors_only(&making, Compare::All, Ending::Commit)));
    all.extend(texts(statements::look_at_cursors(&fence, Compare::All)));
    all.extend(statements::take(&fence.lane, fence.token));
    all.push(statements::without_base(&mapping("account", true), &fence.lane.profile));
    pinned("cursors.sql", &all);
}

#[test]
fn golden_held_changes() {
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
    let mut all = texts(statements::held_only(&fence, &batch, mutations, Ending::Commit));
    all.extend(texts(statements::held_only(&fence, &batch, mutations, Ending::RollBack)));
    let published = [(known.clone(), Revision(5)), (unknown, Revision(6)), (known, Revision(4))];
    all.extend(held_statements::publish(&fence.lane, &published));
    let (lane, after) = (&fence.lane, Some(&published[0].0));
    for (which, after) in [(WhichHeld::All, None), (WhichHeld::Unpublished, after)] {
        all.push(held_statements::held(&Wanted { lane, which, after, limit: 100 }));
    }
    pinned("held.sql", &all);
}

#[test]
fn golden_desk() {
    pinned(
        "desk.sql",
        &[
            desk_statements::count_open(),
            desk_statements::forget_finished(),
            desk_statements::put_requests(),
            desk_statements::requests(),
            desk_statements::move_request(),
            desk_statements::put_lane_states(),
            desk_statements::forget_stale_states(),
            desk_statements::lane_states(),
        ],
    );
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

/// Every definition that is shipped: its table, and a batch with every part of a change.
#[test]
fn golden_definitions() {
    for file in std::fs::read_dir(project().join("definitions")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let definition = read_definitions(&std::fs::read(&path).unwrap()).unwrap().remove(0);
        let table = Table::of(&definition, "dbo", None);
        let width = u16::try_from(table.columns.len()).unwrap();
        let create = ddl::create_table(&table);
        let mapping = Arc::new(Mapping::new(&definition, table, true, UnknownAttribute::Stop));
        let records = vec![
            vec![Effect::Delete],
            vec![image()],
            vec![image(), patch(&[1])],
            vec![patch(&[0])],
            vec![patch(&(1..width).collect::<Vec<_>>())],
        ];
        let mut all = vec![create];
        all.extend(burst(&mapping, records));
        let name = path.file_stem().unwrap().to_str().unwrap();
        pinned(&format!("definition_{name}.sql"), &all);
    }
}
