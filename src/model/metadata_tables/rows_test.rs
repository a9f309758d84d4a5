//! Rows of the metadata tables, case by case.

use super::*;
use crate::model::entity::{Label, Origin};
use crate::model::record::EntityName;

fn option(value: i32, state: Option<i32>, labels: &[(i32, &str)]) -> ChoiceOption {
    let label =
        |(language, text): &(i32, &str)| Label { language: *language, text: (*text).into() };
    ChoiceOption { value, state, labels: labels.iter().map(label).collect() }
}

fn choice(name: &str, type_name: &str, options: Vec<ChoiceOption>) -> Attribute {
    let kind = AttributeKind::Choice { option_set: Some("set_of_its_own".into()), options };
    let origin = Origin { type_name: type_name.into(), ..Origin::default() };
    Attribute { origin, ..Attribute::new(name, kind) }
}

fn entity(name: &str, attributes: Vec<Attribute>) -> EntityDefinition {
    EntityDefinition {
        name: EntityName::new(name),
        primary_id: format!("{name}id").into(),
        intersect: None,
        attributes,
    }
}

/// The rows of one table, printed: texts plainly, flags as 0 and 1, null as a hyphen.
fn printed(table: &MetadataTable, definitions: &[&EntityDefinition]) -> Vec<String> {
    let all = metadata_rows(definitions);
    let made = all.iter().find(|made| made.table == table).unwrap();
    let cell = |cell: &Cell| match cell {
        Cell::Null => "-".to_owned(),
        Cell::Boolean(flag) => i32::from(*flag).to_string(),
        Cell::Integer(number) => number.to_string(),
        Cell::Long(number) => number.to_string(),
        Cell::Text(text) => text.to_string(),
        Cell::Timestamp(ticks) => ticks.to_unix_ms().to_string(),
        other => panic!("{other:?}"),
    };
    let row = |row: &MetadataRow| row.iter().map(cell).collect::<Vec<_>>().join(" ");
    made.rows.iter().map(row).collect()
}

#[test]
fn each_option_has_a_row_for_each_language_and_flag() {
    let labels = [(1033, "Hot"), (1031, "Heiß")];
    let own = choice("rating", "Picklist", vec![option(1, None, &labels)]);
    let account = entity("account", vec![own]);
    assert_eq!(
        printed(&OPTION_SET, &[&account]),
        [
            "account rating 1 0 1033 Hot",
            "account rating 1 0 1031 Heiß",
            "account rating 1 1 1033 Hot",
            "account rating 1 1 1031 Heiß",
        ]
    );
    assert_eq!(printed(&GLOBAL_OPTION_SET, &[&account]), [""; 0]);
}

#[test]
fn states_reasons_booleans_and_shared_sets_have_their_tables() {
    let english = [(1033, "x")];
    let mut shared = choice("budget", "Picklist", vec![option(7, None, &english)]);
    shared.origin.global_option_set = true;
    let mut yes = Attribute::new("isprivate", AttributeKind::Boolean);
    yes.origin.boolean_options =
        vec![option(0, None, &[(1033, "No")]), option(1, None, &[(1033, "Yes")])];
    let reasons = vec![option(3, Some(1), &english), option(4, None, &english)];
    let several = AttributeKind::Choices { options: vec![option(5, None, &english)] };
    let lead = entity(
        "lead",
        vec![
            choice("statecode", "State", vec![option(0, None, &english)]),
            choice("statuscode", "Status", reasons),
            shared.clone(),
            yes,
            Attribute::new("interests", several),
        ],
    );
    let other = entity("contact", vec![Attribute { name: "money".into(), ..shared }]);
    let both = [&lead, &other];
    assert_eq!(printed(&STATE, &both), ["lead 0 0 1033 x", "lead 0 1 1033 x"]);
    // A reason that does not say its state has no place.
    assert_eq!(printed(&STATUS, &both), ["lead 1 3 0 1033 x", "lead 1 3 1 1033 x"]);
    // Shared by both, and there once.
    assert_eq!(
        printed(&GLOBAL_OPTION_SET, &both),
        ["set_of_its_own 7 0 1033 x", "set_of_its_own 7 1 1033 x"]
    );
    assert_eq!(
        printed(&OPTION_SET, &both),
        [
            "lead isprivate 0 0 1033 No",
            "lead isprivate 0 1 1033 No",
            "lead isprivate 1 0 1033 Yes",
            "lead isprivate 1 1 1033 Yes",
            "lead interests 5 0 1033 x",
            "lead interests 5 1 1033 x",
        ]
    );
    let owners = |table: &MetadataTable| {
        let all = metadata_rows(&both);
        all.into_iter().find(|made| made.table == table).unwrap().owners
    };
    assert_eq!(owners(&GLOBAL_OPTION_SET), ["set_of_its_own"]);
    // An entity without options owns its rows, too: those of yesterday must go.
    assert_eq!(owners(&STATE), ["lead", "contact"]);
}

#[test]
fn a_lookup_names_the_keys_of_its_targets() {
    let targets = vec!["account".into(), "unheard_of".into(), "task".into()];
    let lookup = Attribute::new("parentcustomerid", AttributeKind::Lookup { targets });
    let (contact, account) = (
        entity("contact", vec![lookup]),
        EntityDefinition { primary_id: "theaccountid".into(), ..entity("account", vec![]) },
    );
    assert_eq!(
        printed(&TARGET, &[&contact, &account]),
        [
            "contact parentcustomerid account theaccountid",
            "contact parentcustomerid unheard_of unheard_ofid",
            "contact parentcustomerid task activityid",
        ]
    );
}

#[test]
fn attributes_tell_what_the_definition_says() {
    let mut owner = Attribute::new("ownerid", AttributeKind::Lookup { targets: vec![] });
    owner.origin.type_name = "Owner".into();
    owner.origin.metadata_id = Some(uuid::Uuid::from_u128(1));
    let account = entity(
        "account",
        vec![
            owner,
            Attribute::new("revenue", AttributeKind::Money { precision: 2 }),
            Attribute::new("versionnumber", AttributeKind::BigInt),
            Attribute::new("interests", AttributeKind::Choices { options: vec![] }),
            Attribute::new("entityimage", AttributeKind::Image),
        ],
    );
    assert_eq!(
        printed(&ATTRIBUTE, &[&account]),
        [
            "account ownerid Owner 9 - - 00000000-0000-0000-0000-000000000001 -",
            "account revenue Money 8 - - - 2",
            "account versionnumber BigInt 18 - - - -",
            "account interests MultiSelectPicklist 17 - - - -",
        ]
    );
}

#[test]
fn what_is_too_long_is_cut_or_left_out() {
    let label = format!("{}😀", "x".repeat(349));
    let long = "n".repeat(65);
    let options = || vec![option(1, None, &[(1033, &label)])];
    let account = entity(
        "account",
        vec![
            choice("rating", "Picklist", options()),
            choice(&long, "Picklist", options()),
            choice("odd", "Picklist", vec![option(1, None, &[(1033, "a\0b")])]),
        ],
    );
    let rows = printed(&OPTION_SET, &[&account]);
    // Half of a character is none.
    assert_eq!(rows[0], format!("account rating 1 0 1033 {}", "x".repeat(349)));
    assert_eq!(rows[2..], ["account odd 1 0 1033 a", "account odd 1 1 1033 a"]);
    assert!(printed(&ATTRIBUTE, &[&account]).iter().all(|row| !row.contains(&long)));
}
