//! Mistakes, each with its hint; keys that are not known, and secrets that must not be there.

use std::path::PathBuf;

use keepstep::app::settings::mistake::Mistakes;

use super::{only_mistake, read, replaced, with};

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
  hint: write a path or a list of paths, or name a metadata_topic
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
