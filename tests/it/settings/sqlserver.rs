//! SQL Server in the settings: what it has, what others have not, and its smaller batches.

use std::path::PathBuf;
use std::time::Duration;

use keepstep::app::settings::Settings;
use keepstep::app::settings::destination::DatabaseSettings;
use keepstep::app::settings::mistake::Mistake;
use keepstep::app::settings::secret::SecretReference;

use super::{only_mistake, replaced};

const POSTGRES: &str = "kind = \"postgres\"\nurl = \"env:PGURL\"";

/// The base with SQL Server at the other end, and these further lines of its destination.
fn sqlserver(lines: &str) -> Result<Settings, Vec<Mistake>> {
    replaced(
        POSTGRES,
        &format!("kind = \"sqlserver\"\nconnection_string = \"file:secrets/crm\"\n{lines}"),
    )
}

/// The same, with further lines in its profile.
fn with(lines: &str) -> Result<Settings, Vec<Mistake>> {
    let kind = "kind = \"sqlserver\"\nconnection_string = \"env:CRM\"";
    let text = super::BASE.replace(POSTGRES, kind);
    super::read(&format!("{text}{lines}\n"))
}

#[test]
fn what_is_not_written_has_its_default() {
    let settings = sqlserver("").unwrap();
    assert_eq!(
        settings.destinations["pg"].database,
        DatabaseSettings::SqlServer {
            connection_string: SecretReference::File(PathBuf::from("/etc/keepstep/secrets/crm")),
            access_token: None,
            certificate_authorities: None,
            trust_server_certificate: false,
            command_timeout: Duration::from_secs(60),
        }
    );
    let profile = &settings.profiles[0].profile;
    assert_eq!(profile.layout.schema, "dbo");
    assert!(profile.layout.metadata, "the layout of Data Export Service");
    assert_eq!(profile.batch.changes, 2_000);
}

#[test]
fn what_is_written_counts() {
    let settings = sqlserver(
        "access_token = \"file:token\"\nca = \"ca.pem\"\ntrust_server_certificate = \
         true\ncommand_timeout_s = 5\nconnections = 9",
    )
    .unwrap();
    assert_eq!(
        settings.destinations["pg"].database,
        DatabaseSettings::SqlServer {
            connection_string: SecretReference::File(PathBuf::from("/etc/keepstep/secrets/crm")),
            access_token: Some(SecretReference::File(PathBuf::from("/etc/keepstep/token"))),
            certificate_authorities: Some(PathBuf::from("/etc/keepstep/ca.pem")),
            trust_server_certificate: true,
            command_timeout: Duration::from_secs(5),
        }
    );
    assert_eq!(settings.destinations["pg"].connections, 9);
}

#[test]
fn batches_stay_below_the_locks_of_a_whole_table() {
    for inside in [1, 2_000] {
        let settings = with(&format!("batch_changes = {inside}")).unwrap();
        assert_eq!(settings.profiles[0].profile.batch.changes, inside);
    }
    for outside in [0, 2_001] {
        let mistake = only_mistake(with(&format!("batch_changes = {outside}")));
        assert!(mistake.contains("write a whole number from 1 to 2000"), "{mistake}");
    }
}

#[test]
fn a_command_takes_a_second_to_an_hour() {
    for (seconds, valid) in [(0, false), (1, true), (3_600, true), (3_601, false)] {
        let settings = sqlserver(&format!("command_timeout_s = {seconds}"));
        assert_eq!(settings.is_ok(), valid, "{seconds}");
    }
}

#[test]
fn what_is_of_no_use_is_refused_by_name() {
    for key in ["url = \"env:X\"", "path = \"x\"", "durability = \"full\""] {
        let name = key.split(' ').next().unwrap();
        let mistake = only_mistake(sqlserver(key));
        let expected = format!("{name}: is of no use with kind = \"sqlserver\"");
        assert!(mistake.contains(&expected), "{mistake}");
    }
    for key in [
        "connection_string = \"env:X\"",
        "access_token = \"env:X\"",
        "trust_server_certificate = false",
        "command_timeout_s = 60",
    ] {
        let name = key.split(' ').next().unwrap();
        for (kind, rest) in
            [("postgres", "url = \"env:PGURL\""), ("sqlite", "path = \"crm.sqlite\"")]
        {
            let from = format!("kind = {kind:?}\n{rest}");
            let mistake = only_mistake(replaced(&from, &format!("{from}\n{key}")));
            let expected = format!("{name}: is of no use with kind = {kind:?}");
            assert!(mistake.contains(&expected), "{mistake}");
        }
    }
    let file = "kind = \"sqlite\"\npath = \"crm.sqlite\"";
    let mistake = only_mistake(replaced(file, &format!("{file}\nca = \"ca.pem\"")));
    assert!(mistake.contains("ca: is of no use with kind = \"sqlite\""), "{mistake}");
}

#[test]
fn the_connection_string_is_a_secret_and_must_be_named() {
    let mistake = only_mistake(replaced(POSTGRES, "kind = \"sqlserver\""));
    assert!(mistake.contains("connection_string: is missing"), "{mistake}");
    assert!(mistake.contains("env:NAME"), "{mistake}");
    let literal = "kind = \"sqlserver\"\nconnection_string = \"Server=h;Password=hunter2\"";
    let mistakes = replaced(POSTGRES, literal).unwrap_err();
    let printed: String = mistakes.iter().map(ToString::to_string).collect();
    assert!(printed.contains("only the place of a secret may stand here"), "{printed}");
    assert!(!printed.contains("hunter2"), "{printed}");
}
