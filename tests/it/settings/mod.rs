//! The settings file: defaults, ranges at their borders, and every mistake with its hint.

mod borders;
mod log;
mod mistakes;
mod sqlserver;

use std::path::{Path, PathBuf};

use keepstep::app::settings::Settings;
use keepstep::app::settings::destination::DatabaseSettings;
use keepstep::app::settings::log::LogSettings;
use keepstep::app::settings::mistake::Mistake;
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
    assert_eq!(profile.profile.layout.schema, "public");
    assert_eq!(profile.profile.layout.prefix, None);
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
