//! Names in SQLite: how they are quoted, which are refused, and what the own tables are called.
//!
//! A name is quoted always and cut never. SQLite takes two names that differ only in the case of
//! ASCII letters for one, so keys and collisions are judged without it.

use crate::destination::Trouble;
use crate::destination::own_tables::{OWN_SCHEMA, TableKey};
use crate::model::layout::SINK_DELETED_ON;
use crate::model::table::{ID, SINK_CREATED_ON, SINK_MODIFIED_ON, Table, VERSION_NUMBER};

/// Longest name of a table or column, in bytes: 128 characters of any script. SQLite has no limit
/// of its own.
pub(super) const LONGEST_NAME_BYTES: usize = 512;

/// Most columns of a table, system columns included: SQLite's own limit (`SQLITE_MAX_COLUMN`).
pub(super) const MOST_COLUMNS: usize = 2_000;

/// The system columns that every table has.
pub(super) const SYSTEM_COLUMNS: [&str; 4] =
    [ID, SINK_CREATED_ON, SINK_MODIFIED_ON, VERSION_NUMBER];

/// `name` as an identifier in a statement.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Name of one of the own tables in this database.
pub(super) fn own_table(name: &str) -> String {
    format!("{OWN_SCHEMA}_{name}")
}

/// What the registry knows a table by. SQLite has no schemas.
pub(super) fn table_key(table: &Table) -> TableKey {
    TableKey { schema: String::new(), name: table.name.as_str().to_ascii_lowercase() }
}

/// Refuses a table whose names SQLite cannot hold.
///
/// # Errors
/// The first name that cannot be, or the number of columns.
pub(super) fn check_names(table: &Table) -> Result<(), Trouble> {
    let refused = |what: String, code: &str, hint: &str| Trouble {
        what,
        code: code.into(),
        hint: hint.to_owned(),
    };
    let key = table_key(table);
    let reserved = ["sqlite_", "keepstep_"].iter().any(|prefix| key.name.starts_with(prefix));
    if reserved {
        return Err(refused(
            format!("naming table {}", table.name),
            "name_reserved",
            "Names that begin with sqlite_ or keepstep_ are reserved; give the profile a prefix.",
        ));
    }
    let columns = table.columns.iter().map(|column| column.name.as_str());
    for name in std::iter::once(table.name.as_str()).chain(columns.clone()) {
        if name.is_empty() || name.len() > LONGEST_NAME_BYTES || name.contains('\0') {
            return Err(refused(
                format!("naming a table or column of {} bytes in {}", name.len(), key.name),
                "name_impossible",
                "A name has 1 to 512 bytes and no character U+0000; rename it in the source.",
            ));
        }
    }
    let deleted_on = table.deletes.keep_row.then_some(SINK_DELETED_ON);
    let mut seen: std::collections::HashSet<String> =
        SYSTEM_COLUMNS.into_iter().chain(deleted_on).map(str::to_ascii_lowercase).collect();
    let seen_system = seen.len();
    for name in columns {
        if !seen.insert(name.to_ascii_lowercase()) {
            return Err(refused(
                format!("naming column {name} of table {}", table.name),
                "column_name_taken",
                "The table has a column of that name already (SQLite ignores case); leave the \
                 attribute out of the definition.",
            ));
        }
    }
    let count = table.columns.len() + seen_system;
    if count > MOST_COLUMNS {
        return Err(refused(
            format!("making table {} of {count} columns", table.name),
            "too_many_columns",
            "SQLite holds 2000 columns in a table; leave attributes out of the definition.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert_eq, proptest};

    use super::*;
    use crate::model::table::{Column, ColumnType};

    fn table(name: &str, columns: &[&str]) -> Table {
        let column = |name: &&str| Column { name: (*name).into(), column_type: ColumnType::Long };
        Table {
            schema: "dbo".into(),
            name: name.into(),
            columns: columns.iter().map(column).collect(),
            deletes: crate::model::layout::Deletes::default(),
            widen: crate::model::layout::Widen::default(),
        }
    }

    #[test]
    fn quoting_leaves_no_way_out() {
        assert_eq!(quoted("a"), "\"a\"");
        assert_eq!(quoted("a\"; DROP TABLE b; --"), "\"a\"\"; DROP TABLE b; --\"");
    }

    proptest! {
        /// What SQLite itself makes of it: one table, and one column, of that very name.
        #[test]
        fn nothing_breaks_out(name in "[ a\"'`;(),.\\[\\]\\\\?$é\n-]{1,12}") {
            let database = rusqlite::Connection::open_in_memory().unwrap();
            let quoted = quoted(&name);
            database.execute_batch(&format!("CREATE TABLE {quoted} ({quoted} TEXT)")).unwrap();
            let text = "SELECT s.name, x.name FROM sqlite_schema s, pragma_table_xinfo(s.name) x";
            let mut statement = database.prepare(text).unwrap();
            let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            let found: Vec<(String, String)> = found.map(Result::unwrap).collect();
            prop_assert_eq!(found, [(name.clone(), name)]);
        }
    }

    #[test]
    fn impossible_names_are_refused() {
        let long = "x".repeat(LONGEST_NAME_BYTES + 1);
        for (table, code) in [
            (table("sqlite_account", &["a"]), "name_reserved"),
            (table("Keepstep_Checkpoint", &["a"]), "name_reserved"),
            (table("", &["a"]), "name_impossible"),
            (table("account", &["a\0b"]), "name_impossible"),
            (table("account", &[&long]), "name_impossible"),
            (table(&long, &["a"]), "name_impossible"),
            (table("account", &["id"]), "column_name_taken"),
            (table("account", &["a", "A"]), "column_name_taken"),
            (table("account", &["a"; 3]), "column_name_taken"),
        ] {
            assert_eq!(check_names(&table).unwrap_err().code, code);
        }
        assert_eq!(check_names(&table(&long[1..], &[&long[1..]])), Ok(()));
    }

    #[test]
    fn two_thousand_columns_are_the_limit() {
        let names: Vec<String> = (0..1_997).map(|number| format!("c{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(check_names(&table("account", &names[1..])), Ok(()));
        assert_eq!(check_names(&table("account", &names)).unwrap_err().code, "too_many_columns");
    }
}
