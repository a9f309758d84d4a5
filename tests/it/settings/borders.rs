//! Values at the borders of what they may be, and what two profiles may not share.

use super::{only_mistake, replaced, with};

#[test]
fn numbers_end_at_their_borders() {
    // F11, F12, and our own.
    for (key, low, high) in [
        ("retry_count", 0, 20),
        ("retry_interval_s", 0, 3_600),
        ("batch_changes", 1, 100_000),
        ("batch_bytes", 65_536, 67_108_864),
        ("batch_linger_ms", 0, 60_000),
        ("drain_ms", 0, 30_000),
    ] {
        for inside in [low, high] {
            assert!(with(&format!("{key} = {inside}")).is_ok(), "{key} = {inside}");
        }
        for outside in [low - 1, high + 1] {
            let mistake = only_mistake(with(&format!("{key} = {outside}")));
            let expected = format!(
                "line 21: profile \"crm\", {key}: {outside} is out of range\n  hint: write a whole \
                 number from {low} to {high}"
            );
            assert_eq!(mistake, expected);
        }
    }
    for (table, key, low, high) in [
        ("limits", "memory_mb", 16, 65_536),
        ("destination.x", "connections", 1, 64),
        ("notifications", "max_bytes", 1_024, 16_777_216),
    ] {
        let table = match table {
            "destination.x" => format!("[{table}]\nkind = \"sqlite\"\npath = \"x\""),
            other => format!("[{other}]"),
        };
        for (number, valid) in [(low - 1, false), (low, true), (high, true), (high + 1, false)] {
            let settings = with(&format!("{table}\n{key} = {number}"));
            assert_eq!(settings.is_ok(), valid, "{key} = {number}");
        }
    }
}

#[test]
fn a_schema_is_alphanumeric() {
    // F9.
    assert_eq!(with("schema = \"crm2\"").unwrap().profiles[0].profile.layout.schema, "crm2");
    for wrong in ["", "a-b", "a.b", "a b", "schéma", "keepstep", "KeepStep"] {
        let mistake = only_mistake(with(&format!("schema = {wrong:?}")));
        assert!(mistake.contains("schema"), "{mistake}");
    }
    let file = replaced("destination = \"pg\"", "destination = \"file\"\nschema = \"crm\"");
    assert!(only_mistake(file).contains("SQLite has no schemas"));
}

#[test]
fn a_prefix_has_fewer_than_15_letters_and_digits() {
    // F10.
    let longest = "x".repeat(14);
    let settings = with(&format!("prefix = \"{longest}\"")).unwrap();
    assert_eq!(settings.profiles[0].profile.layout.prefix.as_deref(), Some(longest.as_str()));
    for wrong in ["x".repeat(15), "a_b".to_owned(), "a-b".to_owned(), String::new()] {
        assert!(only_mistake(with(&format!("prefix = \"{wrong}\""))).contains("is no prefix"));
    }
}

#[test]
fn a_profile_needs_a_name_and_a_destination() {
    // F7.
    for line in ["name = \"CRM\"\n", "destination = \"pg\"\n", "id = \"crm\"\n"] {
        let key = line.split(' ').next().unwrap();
        let mistake = only_mistake(replaced(line, ""));
        assert!(mistake.contains(&format!("{key}: is missing")), "{mistake}");
    }
    assert!(only_mistake(replaced("\"CRM\"", "\" \"")).contains("name: has 1 characters"));
}

#[test]
fn two_profiles_never_share_an_id_a_name_or_a_table() {
    // F8, and the owner of a table.
    let second = |id: &str, name: &str, prefix: &str| {
        with(&format!(
            "[[profile]]\nid = \"{id}\"\nname = \"{name}\"\ndestination = \"pg\"\ndefinitions = \
             \"d\"\ntopic = \"t\"\nentities = [\"contact\"]\nprefix = \"{prefix}\"\n"
        ))
    };
    assert!(second("other", "Other", "b").is_ok());
    assert!(only_mistake(second("crm", "Other", "b")).contains("the id is taken"));
    assert!(
        only_mistake(second("other", "CRM", "b")).contains("the name is that of profile \"crm\"")
    );
    let text = second("other", "Other", "b").map(|_| ());
    assert!(text.is_ok());
    let same_table = with(
        "[[profile]]\nid = \"b\"\nname = \"B\"\ndestination = \"pg\"\ndefinitions = \"d\"\ntopic = \
         \"t\"\nentities = [\"contact\"]\nschema = \"PUBLIC\"\n",
    );
    let mistake = only_mistake(same_table);
    assert!(mistake.contains("its table of contact is that of profile \"crm\""), "{mistake}");
}

#[test]
fn what_stands_beside_the_tables_is_chosen() {
    let beside = |lines: &str| with(lines).unwrap().profiles[0].profile.layout.clone();
    assert_eq!((beside("").metadata, beside("").delete_log), (false, false));
    assert!(beside("write_delete_log = true").delete_log, "F13");
    assert!(beside("layout = \"des\"").metadata);
    let mistake = only_mistake(with("layout = \"other\""));
    assert!(mistake.contains("layout"), "{mistake}");
}

#[test]
fn a_batch_never_takes_more_than_half_of_the_memory() {
    let mistake = only_mistake(with("batch_bytes = 8388609\n[limits]\nmemory_mb = 16"));
    assert!(mistake.contains("is more than half of the memory"), "{mistake}");
    assert!(with("batch_bytes = 8388608\n[limits]\nmemory_mb = 16").is_ok());
}
