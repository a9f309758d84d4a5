//! Which columns that exist already are good enough.

use super::*;
use crate::model::layout::{Deletes, Widen};

fn found(type_name: &str, max_bytes: i32) -> FoundColumn {
    FoundColumn {
        name: String::new(),
        type_name: type_name.to_owned(),
        max_bytes,
        precision: 0,
        scale: 0,
        nullable: true,
        filled: false,
        has_default: false,
    }
}

fn decimal_of(precision: i32, scale: i32) -> FoundColumn {
    FoundColumn { precision, scale, ..found("decimal", 17) }
}

#[test]
fn columns_are_widened_where_that_is_enough() {
    let text = |units| ColumnType::Text { max_units: units };
    let decimal = |scale| ColumnType::Decimal { scale };
    let datetime2 = |scale| FoundColumn { scale, ..found("datetime2", 8) };
    for (wanted, there, expected) in [
        (text(Some(100)), found("nvarchar", 200), Fit::Fits),
        (text(Some(100)), found("nvarchar", -1), Fit::Fits),
        (text(Some(100)), found("nvarchar", 198), Fit::Widen(text(Some(100)))),
        (text(None), found("nvarchar", 8_000), Fit::Widen(text(None))),
        (text(Some(10)), found("varchar", 8_000), Fit::Misfit),
        (text(Some(10)), found("nchar", 20), Fit::Misfit),
        (text(None), found("ntext", 16), Fit::Misfit),
        (decimal(2), decimal_of(38, 2), Fit::Fits),
        (decimal(2), decimal_of(38, 10), Fit::Fits),
        (decimal(4), decimal_of(19, 2), Fit::Widen(decimal(4))),
        (decimal(2), found("money", 8), Fit::Misfit),
        (ColumnType::Timestamp, found("datetime", 8), Fit::Fits),
        (ColumnType::Timestamp, datetime2(3), Fit::Fits),
        (ColumnType::Timestamp, datetime2(2), Fit::Misfit),
        (ColumnType::Timestamp, found("date", 3), Fit::Misfit),
        (ColumnType::Integer, found("int", 4), Fit::Fits),
        (ColumnType::Integer, found("smallint", 2), Fit::Misfit),
        (ColumnType::Long, found("int", 4), Fit::Widen(ColumnType::Long)),
        (ColumnType::Long, found("timestamp", 8), Fit::Misfit),
        (ColumnType::Boolean, found("bit", 1), Fit::Fits),
        (ColumnType::Guid, found("uniqueidentifier", 16), Fit::Fits),
        (ColumnType::Guid, found("nvarchar", 72), Fit::Misfit),
    ] {
        assert_eq!(fit(wanted, found_type(&there)), expected, "{wanted:?} in {there:?}");
    }
}

fn table(columns: usize, name: &str) -> Table {
    let column = |at| Column { name: format!("c{at}").into(), column_type: ColumnType::Integer };
    Table {
        schema: "s".into(),
        name: name.into(),
        columns: (0..columns).map(column).collect(),
        deletes: Deletes::default(),
        widen: Widen::default(),
    }
}

fn there(columns: Vec<(&str, FoundColumn)>, ignores_case: bool) -> FoundTable {
    let mut there =
        FoundTable { ordinary: true, alterable: true, ignores_case, ..FoundTable::default() };
    there.columns = columns.into_iter().map(|(name, column)| (there.key(name), column)).collect();
    there
}

fn codes(troubles: Vec<Trouble>) -> Vec<String> {
    troubles.into_iter().map(|trouble| trouble.code.to_string()).collect()
}

#[test]
fn every_misfit_of_a_table_is_told() {
    let required = FoundColumn { nullable: false, ..found("int", 4) };
    let columns = vec![
        ("id", found("nvarchar", 72)),
        ("c0", found("float", 8)),
        ("C1", found("int", 4)),
        ("c3", FoundColumn { filled: true, ..found("int", 4) }),
        ("theirs", required.clone()),
        ("theirs_with_default", FoundColumn { has_default: true, ..required.clone() }),
        ("theirs_counted", FoundColumn { filled: true, ..required }),
    ];
    let mut there = there(columns, true);
    there.triggers = vec![("after".to_owned(), false), ("instead".to_owned(), true)];
    assert_eq!(
        codes(misfits(&table(4, "t"), &there)),
        [
            "key_not_unique",
            "column_type",
            "column_type",
            "column_filled",
            "column_required",
            "trigger_instead"
        ]
    );
    let missing: Vec<_> =
        missing_columns(&table(4, "t"), &there).into_iter().map(|column| column.name).collect();
    assert_eq!(missing, ["SinkCreatedOn", "SinkModifiedOn", "c2", "versionnumber"]);
    there.ordinary = false;
    assert_eq!(codes(misfits(&table(4, "t"), &there)), ["no_ordinary_table"]);
}

#[test]
fn names_are_told_apart_by_case_where_the_database_does() {
    let columns = || vec![("Id", found("uniqueidentifier", 16)), ("C0", found("int", 4))];
    let lacks = |ignores_case| {
        let missing = missing_columns(&table(1, "t"), &there(columns(), ignores_case));
        missing.iter().any(|column| column.name == "c0")
    };
    assert!(!lacks(true));
    assert!(lacks(false));
}

#[test]
fn limits_are_told_at_their_border() {
    let mut twice = table(2, "t");
    twice.columns[0].name = "versionNumber".into();
    twice.columns[1].name = "ID".into();
    assert_eq!(codes(beyond_limits(&twice)), ["name_taken", "name_taken"]);
    assert_eq!(beyond_limits(&table(MOST - 4, &"x".repeat(128))), []);
    assert_eq!(codes(beyond_limits(&table(MOST - 3, "t"))), ["column_count"]);
    assert_eq!(codes(beyond_limits(&table(1, &"x".repeat(129)))), ["name_length"]);
    assert_eq!(codes(beyond_limits(&table(1, ""))), ["name_length"]);
    let mut wide = table(460, "t");
    for column in &mut wide.columns {
        column.column_type = ColumnType::Decimal { scale: 2 };
    }
    assert_eq!(beyond_limits(&wide), []);
    let one_more = Column { name: "one_more".into(), ..wide.columns[0].clone() };
    wide.columns
        .extend((0..12).map(|at| Column { name: format!("x{at}").into(), ..one_more.clone() }));
    assert_eq!(codes(beyond_limits(&wide)), ["row_size"]);
}

const MOST: usize = ddl::MOST_COLUMNS;
