//! The settings file: raw text in, valid settings out, every mistake at once.
//!
//! Promises: what comes out is complete and within its ranges, so that nobody checks it again; a
//! mistake names its line, table and key and says what to write instead; unknown keys are refused
//! with the nearest known one. A setting is defined by the one call that reads it, and
//! `docs/settings.md` is generated from these calls. Must never hold or print a secret: only the
//! place of one.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use self::destination::{DatabaseSettings, DestinationSettings};
use self::log::LogSettings;
use self::mistake::{Mistake, Mistakes};
use self::notifications::NotificationSettings;
use self::process::{FailedListSettings, TelemetrySettings};
use self::profile::ProfileSettings;
use self::reader::TableReader;
use self::reading::{Complaint, Found, Reading};
use self::secret::SecretReference;

pub mod destination;
mod entity;
pub mod log;
pub mod mistake;
pub mod notifications;
pub mod process;
pub mod profile;
mod reader;
mod reading;
pub mod reference;
pub mod secret;
mod source;
mod topic_template;

pub use self::topic_template::is_topic_name;

/// Longest settings file, in bytes.
const LONGEST_FILE: u64 = 4 * 1024 * 1024;
/// Most profiles of one file.
const MOST_PROFILES: usize = 100;

/// Everything that the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where the notifications are.
    pub log: LogSettings,
    /// The databases, by name.
    pub destinations: BTreeMap<String, DestinationSettings>,
    /// The profiles, in the order of the file. May be empty: some commands need none.
    pub profiles: Vec<ProfileSettings>,
    /// How notifications are read.
    pub notifications: NotificationSettings,
    /// The failed-record list.
    pub failed_list: FailedListSettings,
    /// Bytes of changes that may be held in memory.
    pub memory_bytes: u64,
    /// Where the HTTP server listens, unless it is off.
    pub listen: Option<SocketAddr>,
    /// What is written to standard error.
    pub telemetry: TelemetrySettings,
}

impl Settings {
    /// Reads a settings file. Relative paths in it begin at its folder.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn load(path: &Path) -> Result<Self, Mistakes> {
        let whole_file = |what: String, hint: &str| {
            let mistake = Mistake { line: None, place: String::new(), what, hint: hint.to_owned() };
            Mistakes::new(path.to_owned(), vec![mistake])
        };
        let unreadable = |error: std::io::Error| {
            let hint =
                "name another file with --config; examples/keepstep.toml is one to begin with";
            whole_file(format!("the file cannot be read: {}", error.kind()), hint)
        };
        let length = std::fs::metadata(path).map_err(unreadable)?.len();
        if length > LONGEST_FILE {
            let what = format!("the file has {length} bytes");
            return Err(whole_file(what, "a settings file has at most 4 MiB"));
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::read(&text, folder).map_err(|list| Mistakes::new(path.to_owned(), list))
    }

    /// Reads the text of a settings file that lies in `folder`.
    ///
    /// # Errors
    /// Every mistake in it.
    pub fn read(text: &str, folder: &Path) -> Result<Self, Vec<Mistake>> {
        let mut reading = Reading::new(text);
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let line = error.span().map(|span| reading.line(span.start));
            // The error's own text would repeat the line, which may hold a secret.
            let complaint = Complaint::new(error.message(), "correct the TOML on this line");
            reading.note(line, "", complaint);
        }
        let table = Found { line: 1, table: document.into_inner() };
        let settings = read_document(&mut reading, table);
        match settings {
            Some(mut settings) if reading.mistakes.is_empty() => {
                settings.begin_paths_at(folder);
                Ok(settings)
            }
            _ => Err(reading.mistakes),
        }
    }

    /// Relative paths begin at the folder of the settings file.
    fn begin_paths_at(&mut self, folder: &Path) {
        let begin = |path: &mut PathBuf| *path = folder.join(&*path);
        let begin_secret = |secret: &mut SecretReference| {
            if let SecretReference::File(path) = secret {
                begin(path);
            }
        };
        match &mut self.log {
            LogSettings::Embedded { directory, .. } => begin(directory),
            LogSettings::Kafka(kafka) => {
                kafka.certificate_authorities.iter_mut().for_each(begin);
                kafka.sasl.iter_mut().for_each(|sasl| begin_secret(&mut sasl.password));
            }
        }
        for destination in self.destinations.values_mut() {
            match &mut destination.database {
                DatabaseSettings::Sqlite { path, .. } => begin(path),
                DatabaseSettings::SqlServer {
                    connection_string,
                    access_token,
                    certificate_authorities,
                    ..
                } => {
                    begin_secret(connection_string);
                    access_token.iter_mut().for_each(begin_secret);
                    certificate_authorities.iter_mut().for_each(begin);
                }
                DatabaseSettings::Postgres { url, certificate_authorities } => {
                    begin_secret(url);
                    certificate_authorities.iter_mut().for_each(begin);
                }
            }
        }
        begin(&mut self.failed_list.path);
        self.notifications.schemas.iter_mut().for_each(|(_, path)| begin(path));
        for profile in &mut self.profiles {
            profile.definitions.iter_mut().for_each(begin);
        }
    }
}

fn read_document(reading: &mut Reading, document: Found<'_>) -> Option<Settings> {
    let mut root = TableReader::new(reading, ("", ""), "", Some(document));
    let log_table = root.table("log");
    let destination_tables = root.table("destination");
    let profile_tables = root.tables("profile");
    let notifications_table = root.table("notifications");
    let failed_list_table = root.table("failed_list");
    let limits_table = root.table("limits");
    let http_table = root.table("http");
    let telemetry_table = root.table("telemetry");
    root.finish();
    let log = log::read(reading, log_table);
    let destinations = destination::read_all(reading, destination_tables);
    let notifications = notifications::read(reading, notifications_table);
    let failed_list = process::read_failed_list(reading, failed_list_table);
    let memory_bytes = process::read_limits(reading, limits_table);
    let listen = process::read_http(reading, http_table);
    let telemetry = process::read_telemetry(reading, telemetry_table);
    if profile_tables.len() > MOST_PROFILES {
        let what = format!("there are {} profiles", profile_tables.len());
        let hint = format!("run several processes with up to {MOST_PROFILES} profiles each");
        reading.note(None, "profile", Complaint::new(what, hint));
    }
    let mut profiles = Vec::new();
    let mut lines = Vec::new();
    for (at, found) in profile_tables.into_iter().enumerate() {
        lines.push(found.line);
        profiles.push(profile::read(reading, at + 1, Some(found), &destinations));
    }
    check_profiles(reading, &profiles, &lines, memory_bytes);
    Some(Settings {
        log: log?,
        destinations: destinations
            .into_iter()
            .map(|(name, settings)| settings.map(|settings| (name, settings)))
            .collect::<Option<_>>()?,
        profiles: profiles.into_iter().collect::<Option<_>>()?,
        notifications: notifications?,
        failed_list: failed_list?,
        memory_bytes,
        listen,
        telemetry: telemetry?,
    })
}

/// What no profile can know alone.
fn check_profiles(
    reading: &mut Reading,
    profiles: &[Option<ProfileSettings>],
    lines: &[usize],
    memory_bytes: u64,
) {
    for (at, profile) in profiles.iter().enumerate() {
        let Some(this) = profile else {
            continue;
        };
        let place = format!("profile \"{}\"", this.profile.id);
        let line = lines.get(at).copied();
        for other in profiles[..at].iter().flatten() {
            if let Some(complaint) = clash(this, other) {
                reading.note(line, &place, complaint);
            }
        }
        let batch_bytes = u64::try_from(this.profile.batch.bytes).unwrap_or(u64::MAX);
        if batch_bytes > memory_bytes / 2 {
            let what = format!("batch_bytes = {batch_bytes} is more than half of the memory");
            let hint = "lower batch_bytes, or raise memory_mb in [limits]";
            reading.note(line, &place, Complaint::new(what, hint));
        }
    }
}

/// Why two profiles cannot stand in one file.
fn clash(this: &ProfileSettings, other: &ProfileSettings) -> Option<Complaint> {
    let (a, b) = (&this.profile, &other.profile);
    if a.id == b.id {
        return Some(Complaint::new("the id is taken by an earlier profile", "write another id"));
    }
    if a.name == b.name {
        let what = format!("the name is that of profile \"{}\"", b.id);
        return Some(Complaint::new(what, "write another name"));
    }
    let same_place = this.destination == other.destination
        && a.layout.schema.eq_ignore_ascii_case(&b.layout.schema)
        && a.layout.name("").eq_ignore_ascii_case(&b.layout.name(""));
    let shared = a
        .entities
        .iter()
        .find(|entity| same_place && b.entities.iter().any(|other| other.name == entity.name))?;
    Some(Complaint::new(
        format!("its table of {} is that of profile \"{}\"", shared.name, b.id),
        "give one of them another schema, prefix or destination: a table has one owner",
    ))
}
