//! The text of every statement, pinned: a change of it shows as a difference to be read.

use std::fmt::Write as _;
use std::path::Path;

use keepstep::destination::WhichHeld;
use keepstep::destination::sqlite::statements::{FenceGuard, ImageGuard, PatchGuard};
use keepstep::destination::sqlite::{
    ddl, desk_statements, held_statements, metadata_statements, statements,
};
use keepstep::model::entity_json::read_definitions;
use keepstep::model::layout::{Deletes, Widen};
use keepstep::model::metadata_tables::{DELETE_LOG_TABLE, METADATA_TABLES};
use keepstep::model::table::{Column, ColumnType, Table};

/// Compares a golden file with what the code says; `make golden` writes it anew.
fn is_golden(name: &str, texts: &[(&str, String)]) {
    let mut expected = String::new();
    for (title, text) in texts {
        write!(expected, "-- {title}\n{text};\n\n").unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/sqlite").join(name);
    if std::env::var_os("KEEPSTEP_UPDATE_DOCUMENTS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{} differs; `make golden` writes it anew, then read the difference",
        path.display()
    );
}

fn table(name: &str, columns: &[(&str, ColumnType)]) -> Table {
    let column = |(name, column_type): &(&str, ColumnType)| Column {
        name: (*name).into(),
        column_type: *column_type,
    };
    Table {
        schema: "crm".into(),
        name: name.into(),
        columns: columns.iter().map(column).collect(),
        deletes: Deletes::default(),
        widen: Widen::default(),
    }
}

fn every_type() -> Table {
    table(
        "crm_account",
        &[
            ("accountid", ColumnType::Guid),
            ("name", ColumnType::Text { max_units: Some(160) }),
            ("description", ColumnType::Text { max_units: None }),
            ("statecode", ColumnType::Integer),
            ("entityimage_timestamp", ColumnType::Long),
            ("donotemail", ColumnType::Boolean),
            ("createdon", ColumnType::Timestamp),
            ("revenue", ColumnType::Decimal { scale: 2 }),
            ("exchangerate", ColumnType::Decimal { scale: 10 }),
        ],
    )
}

#[test]
fn golden_tables() {
    let every_type = every_type();
    let hostile = table("x\"; DROP TABLE y; --", &[("a\"b", ColumnType::Long)]);
    let mut texts = vec![
        ("a table of every type", ddl::create_table(&every_type)),
        ("a column that came later", ddl::add_column(&every_type, &every_type.columns[7])),
        ("hostile names", ddl::create_table(&hostile)),
    ];
    texts.extend(ddl::own_tables_step(0).into_iter().map(|text| ("own tables, version 1", text)));
    texts.extend(ddl::own_tables_step(1).into_iter().map(|text| ("own tables, version 2", text)));
    is_golden("tables.sql", &texts);
}

#[test]
fn golden_own_statements() {
    is_golden(
        "own_statements.sql",
        &[
            ("the fence", statements::move_cursor(FenceGuard::OwnerAndOffset)),
            ("a cursor of an entity's own", statements::split_cursor()),
            ("an idle lane looks", statements::look_at_cursor()),
            ("take: fold", statements::fold_cursors()),
            ("take", statements::take_cursors()),
            ("activation: cursors", statements::cursors_of_profile()),
            ("activation: start a cursor", statements::start_cursor()),
            ("activation: the registry", statements::registry()),
            ("activation: register", statements::register()),
            ("activation: retire", statements::retire()),
            ("activation: version", statements::own_version()),
            ("activation: set the version", statements::set_own_version()),
            ("activation: what is there", statements::what_is_there().to_owned()),
            ("activation: its columns", statements::columns_of_table().to_owned()),
            ("the present", statements::now().to_owned()),
            ("whether an entity has tombstones", statements::any_tombstone()),
            ("whether a record has one", statements::tombstone()),
            ("leave a tombstone", statements::bury()),
        ],
    );
}

#[test]
fn golden_held_statements() {
    is_golden(
        "held_statements.sql",
        &[
            ("the clock", held_statements::clock_us().to_owned()),
            ("hold", held_statements::hold()),
            ("release", held_statements::release()),
            ("held", held_statements::held(WhichHeld::All)),
            ("held and not published", held_statements::held(WhichHeld::Unpublished)),
            ("mark as published", held_statements::publish()),
            ("forget what is released and published", held_statements::forget()),
        ],
    );
}

#[test]
fn golden_desk_statements() {
    is_golden(
        "desk_statements.sql",
        &[
            ("put a request", desk_statements::put_request()),
            ("how many are open", desk_statements::open_requests()),
            ("forget finished ones", desk_statements::forget_requests()),
            ("requests", desk_statements::requests()),
            ("move a request", desk_statements::move_request()),
            ("say how a lane is", desk_statements::put_lane_state()),
            ("forget stale ones", desk_statements::forget_lane_states()),
            ("how lanes are", desk_statements::lane_states()),
        ],
    );
}

#[test]
fn golden_row_statements() {
    let small = table("account", &[("name", ColumnType::Long), ("a\"b", ColumnType::Long)]);
    is_golden(
        "row_statements.sql",
        &[
            ("delete, versioned", statements::delete_row(&small, true)),
            ("delete, unversioned", statements::delete_row(&small, false)),
            ("image, unguarded", statements::image(&small, ImageGuard::None)),
            ("image, versioned", statements::image(&small, ImageGuard::Row)),
            (
                "image, versioned, where there are tombstones",
                statements::image(&small, ImageGuard::RowAndTombstone),
            ),
            (
                "image that is no create, unversioned, where there are tombstones",
                statements::image(&small, ImageGuard::RowOrNoTombstone),
            ),
            ("patch, versioned", statements::patch(&small, &[0, 1], PatchGuard::RowOlder)),
            ("patch, unversioned", statements::patch(&small, &[1], PatchGuard::None)),
            ("patch of no column", statements::patch(&small, &[], PatchGuard::RowOlder)),
            ("a row's version", statements::row_version(&small)),
        ],
    );
}

/// What stands beside the tables of the entities, and what deletes leave behind.
#[test]
fn golden_layout_statements() {
    let mut texts = Vec::new();
    for table in METADATA_TABLES.into_iter().chain([&DELETE_LOG_TABLE]) {
        let name = format!("crm_{}", table.name);
        texts.push(("a table", metadata_statements::create(table, &name)));
        if table.key_columns > 0 {
            texts.push(("its rows", metadata_statements::select(table, &name)));
            texts.push(("rows go", metadata_statements::delete(table, &name)));
            texts.push(("rows come", metadata_statements::insert(table, &name)));
        }
    }
    let plain = table("account", &[("name", ColumnType::Long)]);
    let deletes = Deletes { logged_in: Some("crm_DeleteLog".into()), keep_row: true };
    let kept = Table { deletes, ..plain.clone() };
    let log = |table, versioned| {
        metadata_statements::log_delete(table, "crm_DeleteLog", versioned, versioned)
    };
    texts.extend([
        ("a delete is noted, versioned", log(&plain, true)),
        ("a delete is noted, unversioned", log(&plain, false)),
        ("a table whose rows stay", ddl::create_table(&kept)),
        ("a delete is noted, the row stays", log(&kept, true)),
        ("a delete, the row stays, versioned", statements::delete_row(&kept, true)),
        ("a delete, the row stays, unversioned", statements::delete_row(&kept, false)),
        ("an image, versioned", statements::image(&kept, ImageGuard::RowAndTombstone)),
        ("an image, unversioned", statements::image(&kept, ImageGuard::RowOrNoTombstone)),
        ("a patch", statements::patch(&kept, &[0], PatchGuard::RowOlder)),
        ("a row's version", statements::row_version(&kept)),
        ("whether a table has rows", statements::any_row(&plain)),
    ]);
    is_golden("layout_statements.sql", &texts);
}

/// Every definition that is shipped: its table, and the statements of its rows.
#[test]
fn golden_definitions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("definitions");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let definition = read_definitions(&bytes).unwrap().remove(0);
        let table = Table::of(&definition, "dbo", None);
        let all: Vec<u16> = (0..).take(table.columns.len()).collect();
        let name = path.file_stem().unwrap().to_str().unwrap();
        is_golden(
            &format!("definition_{name}.sql"),
            &[
                ("the table", ddl::create_table(&table)),
                ("delete", statements::delete_row(&table, true)),
                ("image", statements::image(&table, ImageGuard::RowAndTombstone)),
                ("patch of one column", statements::patch(&table, &[0], PatchGuard::RowOlder)),
                ("patch of all columns", statements::patch(&table, &all, PatchGuard::RowOlder)),
            ],
        );
    }
}
