//! Definitions and settings that mean harm, given to the built program: each is a refused start
//! that names the place. Names that no rule forbids are quoted, and make a table of that very name.

use crate::place::{Place, settings};

use super::case::CANARY;

/// A definition of the entity, its attributes in JSON after its id.
fn definition(entity: &str, attributes: &str) -> String {
    let id = serde_json::json!({"LogicalName": "xid", "AttributeType": "Uniqueidentifier"});
    let entity = serde_json::to_string(entity).unwrap();
    format!(
        r#"{{"LogicalName":{entity},"PrimaryIdAttribute":"xid","Attributes":[{id}{attributes}]}}"#
    )
}

/// One attribute of text.
fn attribute(name: &str) -> String {
    let attribute = serde_json::json!({"LogicalName": name, "AttributeType": "Memo"});
    format!(",{attribute}")
}

/// A place with this profile entity and this file of definitions.
fn place(entity: &str, definitions: &[u8]) -> Place {
    let entities = format!("[{}]", toml::Value::from(entity));
    let text = settings(&entities, "[http]\nlisten = \"off\"\n");
    let place = Place::with(&text.replace("DEFINITIONS", "hostile"));
    std::fs::create_dir(place.path("hostile")).unwrap();
    std::fs::write(place.path("hostile").join("x.json"), definitions).unwrap();
    place
}

/// Every command that starts refuses it, and says these words on a few plain lines.
fn refused(name: &str, place: &Place, words: &str) {
    for command in ["run", "check", "schema"] {
        let answer = place.run(&[command]);
        assert!(matches!(answer.code, Some(1 | 2)), "{name}, {command}: {:?}", answer.code);
        let told = answer.out + &answer.err;
        assert!(told.contains(words), "{name}, {command}: {told}");
        assert!(!told.contains("panicked") && !told.contains(CANARY), "{name}: {told}");
        assert!(told.len() < 4_000, "{name}: {} bytes", told.len());
        let plain = |letter: char| letter == '\n' || !letter.is_control() && letter != '\u{202e}';
        assert!(told.chars().all(plain), "{name}: {told:?}");
    }
    assert!(!place.path("crm.sqlite").exists(), "{name}: something was made");
}

#[test]
fn files_that_are_no_definitions() {
    let nested = [vec![b'['; 500_000], vec![b']'; 500_000]].concat();
    let many: String = (0..5_000).map(|number| attribute(&format!("a{number}"))).collect();
    let cases: [(&str, Vec<u8>, &str); 9] = [
        ("empty", Vec::new(), "no JSON"),
        ("cut", definition("x", &attribute("a"))[..60].into(), "no JSON"),
        ("nested deep", nested, "no JSON"),
        ("no UTF-8", b"{\"LogicalName\":\"\xff\"}".to_vec(), "no JSON"),
        ("half a surrogate pair", br#"{"LogicalName":"\ud83d"}"#.to_vec(), "no JSON"),
        ("text", CANARY.into(), "no JSON"),
        ("a text", format!("\"{CANARY}\"").into_bytes(), "the document must be"),
        ("an object of something else", format!(r#"{{"{CANARY}":1}}"#).into_bytes(), "LogicalName"),
        ("too many attributes", definition("x", &many).into_bytes(), "more than 4096 attributes"),
    ];
    for (name, file, words) in cases {
        refused(name, &place("x", &file), words);
    }
}

#[test]
fn names_that_cannot_be() {
    let long = "x".repeat(10_000);
    let names = ["a\0b", "a\nb", "a\u{1b}[2Jb", "a\u{202e}b", "a\u{200b}b", "A", "", long.as_str()];
    for name in names {
        let of_attribute = definition("x", &attribute(name));
        refused(name, &place("x", of_attribute.as_bytes()), "LogicalName of an attribute");
        let of_entity = definition(name, "");
        refused(name, &place("x", of_entity.as_bytes()), "LogicalName must have");
    }
    let twice = definition("x", &[attribute("a"), attribute("a")].concat());
    refused("twice", &place("x", twice.as_bytes()), "stands twice");
}

#[test]
fn names_that_are_reserved_or_collide_are_refused_before_anything_is_made() {
    for (name, entity, attributes, words) in [
        ("an own table", "keepstep_checkpoint", attribute("a"), "reserved"),
        ("SQLite's own", "sqlite_schema", attribute("a"), "reserved"),
        ("a system column", "x", attribute("id"), "has a column of that name already"),
    ] {
        let place = place(entity, definition(entity, &attributes).as_bytes());
        let answer = place.run(&["check"]);
        let told = answer.out + &answer.err;
        assert_eq!(answer.code, Some(1), "{name}: {told}");
        assert!(told.contains(words), "{name}: {told}");
    }
}

/// Names that would break out of a statement if they could.
const HOSTILE: [&str; 6] =
    ["x\"; drop table y; --", "x'; drop table y; --", "select", "a b", "é\u{301}😀", "$1"];

#[test]
fn attributes_that_would_break_out_are_columns_of_that_name() {
    let attributes: String = HOSTILE.iter().map(|name| attribute(name)).collect();
    let place = place("x", definition("x", &attributes).as_bytes());
    let schema = place.run(&["schema"]);
    assert_eq!(schema.code, Some(0), "{}", schema.err);
    let database = rusqlite::Connection::open_in_memory().unwrap();
    database.execute_batch(&schema.out).unwrap();
    let text = "SELECT name FROM pragma_table_xinfo('x')";
    let mut statement = database.prepare(text).unwrap();
    let columns = statement.query_map([], |row| row.get(0)).unwrap();
    let columns: Vec<String> = columns.map(Result::unwrap).collect();
    for name in HOSTILE {
        assert!(columns.iter().any(|column| column == name), "{name}: {columns:?}");
    }
}

#[test]
fn entities_that_would_break_out_are_no_setting() {
    for name in HOSTILE.into_iter().filter(|name| *name != "select") {
        refused(
            name,
            &place(name, definition(name, "").as_bytes()),
            "no logical name of an entity",
        );
    }
    refused("none", &place("", definition("x", "").as_bytes()), "no logical name of an entity");
}
