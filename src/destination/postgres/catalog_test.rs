//! Which columns that exist already are good enough.

use super::*;
use crate::model::layout::{Deletes, Widen};

fn found(type_name: &str, modifier: i32) -> FoundColumn {
    FoundColumn { type_name: type_name.to_owned(), modifier }
}

/// The modifier of `numeric(precision, scale)`.
fn numeric(precision: i32, scale: i32) -> FoundColumn {
    found("numeric", ((precision << 16) | scale) + 4)
}

#[test]
fn wider_columns_fit_and_narrower_ones_are_widened() {
    let widen = Fit::Widen;
    let text = |units| ColumnType::Text { max_units: units };
    let decimal = |scale| ColumnType::Decimal { scale };
    for (wanted, there, expected) in [
        (text(Some(100)), found("varchar", 104), Fit::Fits),
        (text(Some(100)), found("varchar", 204), Fit::Fits),
        (text(Some(100)), found("varchar", 103), widen(text(Some(100)))),
        (text(Some(100)), found("varchar", -1), Fit::Fits),
        (text(Some(100)), found("text", -1), Fit::Fits),
        (text(None), found("varchar", 4004), widen(text(None))),
        (text(None), found("varchar", -1), Fit::Fits),
        (text(Some(10)), found("bpchar", 104), Fit::Misfit),
        (decimal(2), numeric(38, 2), Fit::Fits),
        (decimal(2), numeric(40, 4), Fit::Fits),
        (decimal(2), numeric(38, 4), Fit::Fits),
        (decimal(4), numeric(38, 2), widen(decimal(4))),
        (decimal(2), numeric(10, 4), widen(decimal(4))),
        (decimal(2), numeric(1000, 900), Fit::Fits),
        (decimal(4), numeric(40, 2), Fit::Misfit),
        (decimal(2), found("numeric", -1), Fit::Fits),
        (decimal(2), found("float8", -1), Fit::Misfit),
        (ColumnType::Timestamp, found("timestamp", 3), Fit::Fits),
        (ColumnType::Timestamp, found("timestamp", -1), Fit::Fits),
        (ColumnType::Timestamp, found("timestamp", 0), Fit::Misfit),
        (ColumnType::Timestamp, found("timestamptz", -1), Fit::Misfit),
        (ColumnType::Integer, found("int4", -1), Fit::Fits),
        (ColumnType::Integer, found("int8", -1), Fit::Fits),
        (ColumnType::Long, found("int4", -1), widen(ColumnType::Long)),
        (ColumnType::Long, found("int8", -1), Fit::Fits),
        (ColumnType::Boolean, found("bool", -1), Fit::Fits),
        (ColumnType::Guid, found("uuid", -1), Fit::Fits),
        (ColumnType::Guid, found("text", -1), Fit::Misfit),
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

#[test]
fn every_misfit_of_a_table_is_told() {
    let mut columns = HashMap::new();
    columns.insert("Id".to_owned(), found("text", -1));
    columns.insert("c0".to_owned(), found("varchar", 104));
    columns.insert("c1".to_owned(), found("int4", -1));
    let there = FoundTable { columns, ordinary: true, keyed: false, owned: true };
    let codes: Vec<_> =
        misfits(&table(3, "t"), &there).into_iter().map(|trouble| trouble.code).collect();
    assert_eq!(codes, ["key_not_unique", "column_type", "column_type"]);
    let missing: Vec<_> =
        missing_columns(&table(3, "t"), &there).into_iter().map(|column| column.name).collect();
    assert_eq!(missing, ["SinkCreatedOn", "SinkModifiedOn", "c2", "versionnumber"]);
}

#[test]
fn limits_are_told_at_their_border() {
    let mut twice = table(2, "t");
    twice.columns[0].name = "ctid".into();
    twice.columns[1].name = "Id".into();
    let codes: Vec<_> = beyond_limits(&twice).into_iter().map(|trouble| trouble.code).collect();
    assert_eq!(codes, ["name_taken", "name_taken"]);
    assert_eq!(beyond_limits(&table(MOST - 4, &"x".repeat(63))), []);
    assert_eq!(beyond_limits(&table(MOST - 3, "t"))[0].code, "column_count");
    assert_eq!(beyond_limits(&table(1, &"x".repeat(64)))[0].code, "name_length");
    assert_eq!(beyond_limits(&table(1, ""))[0].code, "name_length");
}

const MOST: usize = ddl::MOST_COLUMNS;
