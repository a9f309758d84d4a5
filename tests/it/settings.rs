//! The settings file: defaults, ranges at their borders, and every mistake with its hint.

use std::path::{Path, PathBuf};

use keepstep::app::settings::Settings;
use keepstep::app::settings::destination::DatabaseSettings;
use keepstep::app::settings::log::LogSettings;
use keepstep::app::settings::mistake::{Mistake, Mistakes};
use keepstep::destination::sqlite::Durability;
use keepstep::model::profile::Start;

const BASE: &str = r#"
[log]
kind = "embedded"
dir = "log"

[destination.pg]
kind = "postgres"
url = "env:PGURL"

[destination.file]
kind = "sqlite"
path = "crm.sqlite"

[[profile]]
id = "crm"
name = "CRM"
destination = "pg"
organization = "contoso"
entities = ["account", "contact"]
definitions = "definitions"
"#;

fn read(text: &str) -> Result<Settings, Vec<Mistake>> {
    Settings::read(text, Path::new("/etc/keepstep"))
}

/// The base with further lines in its profile.
fn with(lines: &str) -> Result<Settings, Vec<Mistake>> {
    read(&format!("{BASE}{lines}\n"))
}

/// The base with one text replaced.
fn replaced(from: &str, to: &str) -> Result<Settings, Vec<Mistake>> {
    assert!(BASE.contains(from), "{from}");
    read(&BASE.replace(from, to))
}

fn only_mistake(settings: Result<Settings, Vec<Mistake>>) -> String {
    let mistakes = settings.expect_err("there is a mistake");
    assert_eq!(mistakes.len(), 1, "{mistakes:#?}");
    mistakes[0].to_string()
}

#[test]
fn what_is_not_written_has_its_default() {
    let settings = read(BASE).unwrap();
    let profile = &settings.profiles[0];
    assert_eq!(profile.profile.schema, "public");
    assert_eq!(profile.profile.prefix, None);
    assert_eq!(profile.profile.start, Start::Earliest);
    assert_eq!(profile.profile.batch.changes, 5_000);
    assert_eq!(profile.profile.batch.bytes, 8 * 1024 * 1024);
    assert_eq!(profile.profile.batch.linger.as_millis(), 50);
    assert_eq!((profile.profile.retry_count, profile.profile.retry_interval.as_secs()), (12, 5));
    assert_eq!(settings.memory_bytes, 128 * 1024 * 1024);
    assert_eq!(settings.listen.unwrap().to_string(), "127.0.0.1:9187");
    assert_eq!(settings.destinations["pg"].connections, 4);
    let topics: Vec<&str> =
        profile.profile.entities.iter().map(|entity| entity.topic.as_str()).collect();
    assert_eq!(topics, ["crm.contoso.account", "crm.contoso.contact"]);
}

#[test]
fn relative_paths_begin_at_the_file() {
    let settings = read(BASE).unwrap();
    let directory = PathBuf::from("/etc/keepstep/log");
    let LogSettings::Embedded { directory: found, partitions: 4, retention: None, .. } =
        settings.log
    else {
        panic!("{:?}", settings.log);
    };
    assert_eq!(found, directory);
    let path = PathBuf::from("/etc/keepstep/crm.sqlite");
    assert_eq!(
        settings.destinations["file"].database,
        DatabaseSettings::Sqlite { path, durability: Durability::Normal }
    );
    assert_eq!(settings.profiles[0].definitions, [PathBuf::from("/etc/keepstep/definitions")]);
}

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
    assert_eq!(with("schema = \"crm2\"").unwrap().profiles[0].profile.schema, "crm2");
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
    assert_eq!(settings.profiles[0].profile.prefix.as_deref(), Some(longest.as_str()));
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
fn the_delete_log_is_refused_until_it_is_written() {
    // F13: a flag that is stored but not honoured would be a lie.
    assert!(with("write_delete_log = false").is_ok());
    let mistake = only_mistake(with("write_delete_log = true"));
    assert!(mistake.contains("the delete log is not written yet"), "{mistake}");
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_known_one() {
    for (lines, expected) in [
        (
            "retry_cuont = 3",
            "line 21: profile \"crm\", retry_cuont: there is no such setting\n  hint: did you mean retry_count?",
        ),
        ("colour = 3", "hint: remove it; docs/settings.md lists every setting"),
        (
            "[limit]\nmemory_mb = 64",
            "line 21: limit: there is no such setting\n  hint: did you mean limits?",
        ),
        (
            "[http]\nlisen = \"off\"",
            "http, lisen: there is no such setting\n  hint: did you mean listen?",
        ),
        ("unknown_attributes = \"dorp\"", "\"dorp\" is not known\n  hint: did you mean \"drop\"?"),
    ] {
        let mistake = only_mistake(with(lines));
        assert!(mistake.contains(expected), "{mistake}");
    }
    let mistake = only_mistake(replaced("destination = \"pg\"", "destination = \"pq\""));
    assert!(mistake.contains("there is no destination \"pq\"\n  hint: did you mean \"pg\"?"));
}

#[test]
fn a_literal_secret_is_refused_and_never_repeated() {
    let literal = "postgres://crm:hunter2@db/crm";
    let mistake = only_mistake(replaced("env:PGURL", literal));
    assert!(mistake.contains("destination.pg, url"), "{mistake}");
    assert!(mistake.contains("\"env:NAME\" or \"file:PATH\""), "{mistake}");
    assert!(!mistake.contains("hunter2"));
    // A line that is no TOML is not repeated either: it may hold a password.
    let broken = replaced("url = \"env:PGURL\"", "url = \"hunter2").unwrap_err();
    assert!(!broken.iter().any(|mistake| mistake.to_string().contains("hunter2")), "{broken:?}");
    let kafka = |line: &str| {
        let log = format!("kind = \"kafka\"\nbrokers = [\"b:9092\"]\n{line}");
        replaced("kind = \"embedded\"\ndir = \"log\"", &log)
    };
    let password = "security = \"sasl_ssl\"\nsasl_user = \"u\"\nsasl_password = \"hunter2\"";
    assert!(!only_mistake(kafka(password)).contains("hunter2"));
    let property = kafka("[log.properties]\n\"ssl.key.password\" = \"hunter2\"");
    let mistake = only_mistake(property);
    assert!(mistake.contains("ssl.key.password: may hold a secret"), "{mistake}");
    assert!(!mistake.contains("hunter2"));
}

#[test]
fn keys_of_the_other_kind_are_refused() {
    for (from, to, expected) in [
        (
            "dir = \"log\"",
            "dir = \"log\"\nbrokers = [\"b:1\"]",
            "brokers: is of no use with kind = \"embedded\"",
        ),
        ("dir = \"log\"", "", "log, dir: is missing"),
        (
            "url = \"env:PGURL\"",
            "url = \"env:PGURL\"\npath = \"x\"",
            "path: is of no use with kind = \"postgres\"",
        ),
        ("path = \"crm.sqlite\"", "", "destination.file, path: is missing"),
        ("kind = \"sqlite\"", "kind = \"mysql\"", "\"mysql\" is not known"),
    ] {
        let mistake = only_mistake(replaced(from, to));
        assert!(mistake.contains(expected), "{mistake}");
    }
}

#[test]
fn kafka_settings_are_checked() {
    let kafka = |lines: &str| {
        replaced("kind = \"embedded\"\ndir = \"log\"", &format!("kind = \"kafka\"\n{lines}"))
    };
    let LogSettings::Kafka(brokers) = kafka("brokers = \"b:9092\"").unwrap().log else {
        panic!("not Kafka");
    };
    assert_eq!(brokers.brokers, ["b:9092"]);
    for (lines, expected) in [
        ("", "log, brokers: is missing"),
        ("brokers = []", "brokers: is an empty list"),
        ("brokers = [\"b\"]", "\"b\" is no broker"),
        ("brokers = [\"b:0\"]", "\"b:0\" is no broker"),
        ("brokers = [\"b:1\"]\nsasl_user = \"u\"", "sasl_user: is of no use with this security"),
        (
            "brokers = [\"b:1\"]\nsecurity = \"sasl_ssl\"\nsasl_user = \"u\"",
            "sasl_password: is missing",
        ),
        (
            "brokers = [\"b:1\"]\n[log.properties]\n\"group.id\" = \"mine\"",
            "log.properties, group.id: is set by keepstep itself",
        ),
    ] {
        let mistake = only_mistake(kafka(lines));
        assert!(mistake.contains(expected), "{mistake}");
    }
}

#[test]
fn topics_and_entities_are_checked() {
    let entities = |list: &str| replaced("[\"account\", \"contact\"]", list);
    let settings =
        entities("[\"account\", { name = \"contact\", versioned = false, topic = \"c\" }]")
            .unwrap();
    let found = &settings.profiles[0].profile.entities;
    assert!(found[0].versioned && !found[1].versioned);
    assert_eq!(found[1].topic.as_str(), "c");
    for (list, expected) in [
        ("[]", "entities: is an empty list"),
        ("[\"Account\"]", "\"Account\" is no logical name of an entity"),
        ("[\"account\", \"account\"]", "account is named twice"),
        ("[\"activitypointer\"]", "name the concrete activities"),
        ("[3]", "entities, item 1: is a number"),
        ("[{ name = \"account\", topic = \"a b\" }]", "\"a b\" is no name of a topic"),
        ("[{ versioned = true }]", "name: is missing"),
        ("[{ name = \"account\", topik = \"a\" }]", "did you mean topic?"),
    ] {
        let mistake = only_mistake(entities(list));
        assert!(mistake.contains(expected), "{mistake}");
    }
    let shared = with("topic = \"all.{organization}\"").unwrap();
    assert_eq!(shared.profiles[0].profile.topics().len(), 1);
    assert!(only_mistake(with("topic = \"{entty}\"")).contains("there is no placeholder {entty}"));
    let mistake = only_mistake(replaced("organization = \"contoso\"\n", ""));
    assert!(mistake.contains("organization: is missing: the topic names {organization}"));
}

#[test]
fn a_start_is_an_end_of_the_topic_or_a_time() {
    for (text, expected) in [
        ("\"latest\"", Start::Latest),
        ("\"1970-01-01T00:00:01Z\"", Start::Time(1_000)),
        ("1970-01-01T01:00:01.5+01:00", Start::Time(1_500)),
    ] {
        assert_eq!(with(&format!("start = {text}")).unwrap().profiles[0].profile.start, expected);
    }
    assert!(only_mistake(with("start = \"yesterday\"")).contains("\"yesterday\" is no start"));
    assert!(only_mistake(with("start = \"2026-01-31\"")).contains("is no start"));
}

#[test]
fn a_batch_never_takes_more_than_half_of_the_memory() {
    let mistake = only_mistake(with("batch_bytes = 8388609\n[limits]\nmemory_mb = 16"));
    assert!(mistake.contains("is more than half of the memory"), "{mistake}");
    assert!(with("batch_bytes = 8388608\n[limits]\nmemory_mb = 16").is_ok());
}

#[test]
fn all_mistakes_are_reported_together_in_the_order_of_the_file() {
    let text = r#"
[log]
kind = "kafak"
dir = "log"

[destination.pg]
kind = "postgres"
url = "postgres://crm:hunter2@db/crm"

[[profile]]
id = "CRM"
destination = "pq"
organization = "contoso"
entities = ["account", "Contact"]
retry_count = 21
prefixx = "a"

[limits]
memory_mb = "128"

[htp]
listen = "off"
"#;
    let mistakes = read(text).unwrap_err();
    let printed = Mistakes::new(PathBuf::from("keepstep.toml"), mistakes).to_string();
    let expected = r#"11 mistakes in keepstep.toml
line 3: log, kind: "kafak" is not known
  hint: did you mean "kafka"? Known are "kafka" or "embedded"
line 8: destination.pg, url: holds a literal text; only the place of a secret may stand here
  hint: put the secret into an environment variable or a file and write "env:NAME" or "file:PATH"; if a password stood here, change it
line 10: profile 1, name: is missing
  hint: write a text of up to 200 characters
line 10: profile 1, definitions: is missing
  hint: write a path or a list of paths
line 11: profile 1, id: "CRM" is no id
  hint: write 1 to 64 lower-case letters, digits and hyphens
line 12: profile 1, destination: there is no destination "pq"
  hint: did you mean "pg"?
line 14: profile 1, entity 2: "Contact" is no logical name of an entity
  hint: write 1 to 128 lower-case letters, digits and underscores
line 15: profile 1, retry_count: 21 is out of range
  hint: write a whole number from 0 to 20
line 16: profile 1, prefixx: there is no such setting
  hint: did you mean prefix?
line 19: limits, memory_mb: is a text
  hint: write a whole number from 16 to 65536
line 21: htp: there is no such setting
  hint: did you mean http?"#;
    assert_eq!(printed, expected);
}

#[test]
fn no_more_than_fifty_mistakes_are_printed() {
    let lines: String = (0..60).map(|at| format!("wrong_key_number_{at} = 1\n")).collect();
    let mistakes = with(&lines).unwrap_err();
    let printed = Mistakes::new(PathBuf::from("k"), mistakes).to_string();
    assert!(printed.starts_with("60 mistakes in k\n"));
    assert!(printed.ends_with("\nand 10 more"));
    assert_eq!(printed.matches("hint:").count(), 50);
}
