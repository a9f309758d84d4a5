//! Pins the text of every statement. `make golden` writes the files anew; read the difference.

use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use super::ddl::Dialect;
use super::held_reading::Wanted;
use super::rights::{self, Securable};
use super::{
    activate, catalog, check, clean_up, ddl, des_objects, desk_statements, held_reading,
    metadata_statements, registry, survey, take,
};
use crate::destination::desk::{LaneRequest, RequestState};
use crate::destination::own_tables::{Plan, Registration, StartedCursor, TableKey};
use crate::destination::{ActivatedEntity, Activation, WhichHeld};
use crate::model::cell::Cell;
use crate::model::checkpoint::{LaneId, OwnerToken, Scope};
use crate::model::entity::{Attribute, AttributeKind, EntityDefinition};
use crate::model::held::{HeldKey, Revision};
use crate::model::layout::{Existing, Layout};
use crate::model::mapping::{Mapping, UnknownAttribute};
use crate::model::metadata_tables::{ATTRIBUTE, TARGET};
use crate::model::position::{NextOffset, Offset, Topic, TopicPartition};
use crate::model::profile::ProfileId;
use crate::model::record::{EntityName, RecordId};
use crate::model::table::Table;
use crate::model::value::Ticks;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares a golden file, or writes it.
fn pinned_text(name: &str, text: &str) {
    let path = project().join("tests/golden/sqlserver").join(name);
    if std::env::var_os("KEEPSTEP_UPDATE_DOCUMENTS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "{} is out of step; `make golden` writes it anew", path.display());
}

/// Statements that may stand in one batch.
fn pinned(name: &str, statements: &[String]) {
    let text: String = statements.iter().map(|statement| format!("{statement};\n\n")).collect();
    pinned_text(name, &text);
}

/// Statements each of which is a batch.
fn pinned_batches(name: &str, batches: &[String]) {
    let text: String = batches.iter().map(|batch| format!("{batch};\nGO\n\n")).collect();
    pinned_text(name, &text);
}

fn profile() -> ProfileId {
    ProfileId::new("head-quarters").unwrap()
}

/// One column of each type, and names that would break out if they could.
fn mapping(entity: &str) -> Arc<Mapping> {
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
            attribute("x]; DROP TABLE y; --'", AttributeKind::Integer),
        ],
    };
    let table = Table::of(&definition, "crm", Some("hq"));
    Arc::new(Mapping::new(&definition, table, true, UnknownAttribute::Stop))
}

fn layout() -> Layout {
    Layout { metadata: true, delete_log: true, ..Layout::plain("crm", Some("hq")) }
}

fn activation(mappings: Vec<Arc<Mapping>>, layout: Layout) -> Activation {
    let topic = Topic::new("crm.hq");
    let entity = |mapping| ActivatedEntity { mapping, topic: topic.clone(), partitions: 2 };
    Activation {
        profile: profile(),
        entities: mappings.into_iter().map(entity).collect(),
        starts: vec![(TopicPartition::new(&topic, 0), NextOffset(0))],
        layout,
        existing: Existing::Adopt,
    }
}

fn lane() -> LaneId {
    let topic = Topic::new("it's a \\topic");
    LaneId { profile: profile(), topic_partition: TopicPartition::new(&topic, 3) }
}

#[test]
fn golden_schema() {
    let all = activation(vec![mapping("account"), mapping("contact")], layout());
    pinned("schema.sql", &activate::everything(&all));
    let plain = Layout::plain("crm", Some("hq"));
    pinned("schema_plain.sql", &activate::everything(&activation(vec![mapping("account")], plain)));
}

/// What the procedures hold stands in texts of the schema, where no parser looks at it.
#[test]
fn golden_procedures() {
    let texts = des_objects::procedures(&layout()).into_iter().map(|(_, text)| text);
    pinned_batches("procedures.sql", &texts.collect::<Vec<_>>());
}

#[test]
fn golden_definitions() {
    for file in std::fs::read_dir(project().join("definitions")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let definition = crate::model::entity_json::read_definitions(&bytes).unwrap().remove(0);
        let table = Table::of(&definition, "dbo", None);
        let mut statements = vec![ddl::create_table(&table, Dialect::SqlServer)];
        statements.extend(des_objects::create_table_types(&table));
        let name = format!("definition_{}.sql", path.file_stem().unwrap().to_str().unwrap());
        pinned(&name, &statements);
    }
}

#[test]
fn golden_changes_of_tables() {
    let table = &mapping("account").table;
    let added: Vec<_> = table.columns[5..].to_vec();
    let mut all = ddl::add_columns(table, &added);
    all.extend(added.iter().map(|column| ddl::widen_column(table, column, Dialect::SqlServer)));
    pinned("tables.sql", &all);
}

#[test]
fn golden_metadata() {
    let layout = Layout { schema: "it's".into(), ..layout() };
    let text = |text: &str| Cell::Text(text.into());
    let row = vec![text("account"), text("it's"), text("lead"), Cell::Null];
    let moment = Ticks::from_unix_ms(1_700_000_000_123).unwrap();
    let attribute = vec![
        text("account"),
        text("name"),
        text("String"),
        Cell::Integer(14),
        Cell::Long(7),
        Cell::Timestamp(moment),
        Cell::Null,
        Cell::Integer(2),
    ];
    let mut all = vec![
        metadata_statements::select(&TARGET, &layout, &["account", "it's"]),
        metadata_statements::select(&ATTRIBUTE, &layout, &[]),
    ];
    all.extend(metadata_statements::delete(&TARGET, &layout, &[row[..3].to_vec()]));
    all.extend(metadata_statements::insert(&TARGET, &layout, &[row]));
    all.extend(metadata_statements::insert(&ATTRIBUTE, &layout, &[attribute]));
    pinned("metadata.sql", &all);
}

#[test]
fn golden_catalog() {
    let table = TableKey { schema: "crm".to_owned(), name: "hq]'_account".to_owned() };
    pinned(
        "catalog.sql",
        &[
            catalog::find_table(&table),
            survey::some_rows(&mapping("account").table),
            survey::reckoned_rows(&mapping("account").table),
            catalog::schema_exists("it's"),
            registry::version(),
            registry::missing_tables(),
            registry::registrations(),
            registry::cursors(&profile()),
            des_objects::count_missing(&layout(), std::iter::once(&mapping("account").table)),
            check::DATABASE.to_owned(),
            rights::ask(&Securable::Database, "CREATE TABLE"),
            rights::ask(&Securable::Schema("it's]"), "ALTER"),
            rights::ask(&Securable::Table(&table), "SELECT"),
            rights::grant(&Securable::Database, "CREATE TABLE", "[user]"),
            rights::grant(&Securable::Schema("it's]"), "ALTER", "[user]"),
            rights::grant(&Securable::Table(&table), "SELECT", "[user]"),
        ],
    );
}

#[test]
fn golden_registry() {
    let table = TableKey { schema: "crm".to_owned(), name: "hq_account".to_owned() };
    let place = TopicPartition::new(&Topic::new("it's"), 1);
    let plan = Plan {
        register: vec![Registration {
            table: table.clone(),
            profile: profile(),
            entity: EntityName::new("account"),
            topic: place.topic.clone(),
            partitions: 2,
            active: true,
        }],
        retire: vec![table.clone()],
        truncate: vec![table],
        start: vec![StartedCursor {
            topic_partition: place,
            scope: Scope::Entity(EntityName::new("account")),
            next: NextOffset(7),
        }],
        ..Plan::default()
    };
    pinned("registry.sql", &registry::write(&profile(), &plan));
}

#[test]
fn golden_take_and_held_changes() {
    let key = |offset, entity: Option<&str>, record: Option<u128>| HeldKey {
        offset: Offset(offset),
        entity: entity.map(EntityName::new),
        record_id: record.map(|record| RecordId(Uuid::from_u128(record))),
    };
    let (known, unknown) = (key(7, Some("account"), Some(1)), key(8, None, None));
    let published = [(known.clone(), Revision(5)), (unknown, Revision(6)), (known, Revision(4))];
    let (lane, after) = (&lane(), Some(&published[0].0));
    let mut all = vec![
        take::statements(lane, OwnerToken(Uuid::from_u128(7))),
        held_reading::publish(lane, &published),
    ];
    for (which, after) in [(WhichHeld::All, None), (WhichHeld::Unpublished, after)] {
        all.push(held_reading::held(&Wanted { lane, which, after, limit: 100 }));
    }
    pinned_batches("lanes.sql", &all);
}

#[test]
fn golden_desk() {
    let request = |id| LaneRequest {
        id: Uuid::from_u128(id),
        lane: lane(),
        body: "{\"it's\": \"\\\\\"}".to_owned(),
        state: RequestState::Asked,
        progress: String::new(),
        asked_at_us: 0,
    };
    pinned_batches(
        "desk.sql",
        &[
            desk_statements::put_requests(&profile(), &[request(1), request(2)], 5_000),
            desk_statements::requests(),
            desk_statements::move_request(),
            desk_statements::put_lane_states(&profile(), 2, 5_000),
            desk_statements::put_lane_states(&profile(), 0, 5_000),
            desk_statements::lane_states(),
        ],
    );
}

#[test]
fn golden_clean_up() {
    let bare = Layout::plain("dbo", None);
    let long = EntityName::new(&"it's_".repeat(20));
    pinned("clean_up_profile.sql", &clean_up::whole_profile(&profile(), &layout()));
    pinned("clean_up_bare_profile.sql", &clean_up::whole_profile(&profile(), &bare));
    pinned("clean_up_entity.sql", &clean_up::one_entity(&profile(), &layout(), &long));
}
