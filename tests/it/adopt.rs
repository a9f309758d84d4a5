//! `keepstep adopt`: a database that is there already is looked at, and taken over with every row.

use rusqlite::Connection;

use crate::place::{Place, settings};

/// As another service left it: fewer columns than the definition has, and one more.
const LEFT_BEHIND: &str = "
    CREATE TABLE account (\"Id\" TEXT NOT NULL PRIMARY KEY, \"SinkCreatedOn\" TEXT,
        \"SinkModifiedOn\" TEXT, accountid TEXT, name NVARCHAR(100), statecode INT, oldfax TEXT,
        versionnumber BIGINT);
    INSERT INTO account (\"Id\", name, oldfax, versionnumber) VALUES
        ('00000000-0000-0000-0000-000000000001', 'One', '1', 7),
        ('00000000-0000-0000-0000-000000000002', 'Two', '2', NULL)";

fn place() -> Place {
    Place::with(&settings("[\"account\", \"contact\"]", "[http]\nlisten = \"off\"\n"))
}

fn database(place: &Place) -> Connection {
    Connection::open(place.path("crm.sqlite")).unwrap()
}

/// All that is in the database: how things were made, and the rows of `account`.
fn everything(place: &Place) -> Vec<String> {
    let database = database(place);
    let text = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL UNION ALL \
                SELECT concat_ws('|', \"Id\", name, oldfax, versionnumber) FROM account";
    let mut statement = database.prepare(text).unwrap();
    let lines = statement.query_map([], |row| row.get(0)).unwrap();
    lines.collect::<rusqlite::Result<_>>().unwrap()
}

#[test]
fn what_is_in_the_way_is_shown_and_nothing_changes() {
    let place = place();
    let text = "CREATE TABLE contact (\"Id\" TEXT, fullname REAL);
        CREATE TABLE contact_by_hand (a TEXT)";
    database(&place).execute_batch(&format!("{LEFT_BEHIND}; {text}")).unwrap();
    let before = everything(&place);
    let answer = place.run(&["adopt"]);
    assert_eq!((answer.code, answer.err.as_str()), (Some(1), ""), "{}", answer.out);
    for line in [
        "profile crm to file\n",
        "\naccount (entity account): 2 rows\n",
        "  fits     7 columns\n",
        "  leave    oldfax: no attribute has them\n",
        "\ncontact (entity contact): 0 rows\n",
        "  PROBLEM  using column fullname of table contact that is there: column_type\n",
        " in the way; nothing was changed\n",
    ] {
        assert!(answer.out.contains(line), "{line} is not in\n{}", answer.out);
    }
    assert_eq!(everything(&place), before);
    assert!(!place.path("log").exists(), "a look makes no log");

    // The others are taken over all the same.
    let answer = place.run(&["adopt", "--apply"]);
    assert_eq!((answer.code, answer.err.as_str()), (Some(1), ""), "{}", answer.out);
    assert!(answer.out.contains("\n1 table stands back; the others are ready\n"), "{}", answer.out);
    let bound = "SELECT group_concat(entity) FROM keepstep_object_registry";
    let bound: String = database(&place).query_row(bound, [], |row| row.get(0)).unwrap();
    assert_eq!(bound, "account");
}

#[test]
fn tables_are_taken_over_with_every_row() {
    let place = place();
    database(&place).execute_batch(LEFT_BEHIND).unwrap();
    let before = everything(&place);
    let look = place.run(&["adopt"]);
    assert_eq!((look.code, look.err.as_str()), (Some(0), ""), "{}", look.out);
    assert!(look.out.contains("  add      accountnumber TEXT, "), "{}", look.out);
    assert!(look.out.contains("contact (entity contact): is not there, and would be made\n"));
    assert!(look.out.ends_with("nothing was changed; next: keepstep adopt --apply\n"));
    assert_eq!(everything(&place), before);

    let done = place.run(&["adopt", "--apply"]);
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{}", done.out);
    assert!(done.out.contains("\n  adopted  1 table, every row kept\n"), "{}", done.out);
    assert!(done.out.contains("\n  made     1 new table, "), "{}", done.out);
    let rows: Vec<String> = before.into_iter().filter(|line| line.starts_with("0000")).collect();
    assert_eq!(rows.len(), 2);
    let after = everything(&place);
    assert!(rows.iter().all(|row| after.contains(row)), "{after:?}");

    // The profile does not ask for adoption; what is bound is its own now.
    let check = place.run(&["check"]);
    assert_eq!(check.code, Some(0), "{}{}", check.out, check.err);
    let again = place.run(&["adopt"]);
    assert_eq!(again.code, Some(0), "{}", again.out);
    let bound = "account (entity account): 2 rows, bound to profile crm, entity account\n";
    assert!(again.out.contains(bound), "{}", again.out);
    assert!(!again.out.contains("  add "), "{}", again.out);
    assert_eq!(everything(&place), after);
}

#[test]
fn without_adoption_a_table_with_rows_is_refused() {
    let place = place();
    database(&place).execute_batch(LEFT_BEHIND).unwrap();
    let check = place.run(&["check"]);
    assert_eq!(check.code, Some(1), "{}", check.out);
    for word in
        ["table_has_rows", "existing_tables = \"adopt\"", "`keepstep adopt`", "\"truncate\""]
    {
        assert!(check.out.contains(word), "{word} is not in\n{}", check.out);
    }
}
