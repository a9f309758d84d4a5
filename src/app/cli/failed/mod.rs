//! `keepstep failed`: the failed-record list, for the administrator.

use std::path::Path;

use clap::{Args, Subcommand, ValueEnum};

use self::dismiss::DismissArguments;
use self::export::ExportArguments;
use self::list::ListArguments;
use self::rebuild::RebuildArguments;
use self::summary::SummaryArguments;
use super::output::Output;
use super::text::parse_time;
use crate::app::failure::Failure;
use crate::app::settings::Settings;
use crate::app::settings::profile::ProfileSettings;
use crate::failed::list::Filter;
use crate::failed::store::Reader;
use crate::model::profile::ProfileId;
use crate::model::record::EntityName;

mod dismiss;
mod export;
mod list;
mod rebuild;
mod summary;

/// Show, download and settle records that could not be written.
#[derive(Debug, Subcommand)]
pub(super) enum FailedCommand {
    List(ListArguments),
    Summary(SummaryArguments),
    Export(ExportArguments),
    Dismiss(DismissArguments),
    Rebuild(RebuildArguments),
}

/// Which entries are meant.
#[derive(Debug, Args)]
struct FilterArguments {
    /// Id of the profile; may be left out if there is only one.
    #[arg(long, value_name = "ID")]
    profile: Option<String>,
    /// Only records of this entity.
    #[arg(long, value_name = "NAME")]
    entity: Option<String>,
    /// Only records with this cause (docs/failures.md lists them).
    #[arg(long, value_name = "CODE")]
    cause: Option<String>,
    /// Only records held first at or after this time (`2026-01-31T00:00:00Z`).
    #[arg(long, value_name = "TIME", value_parser = parse_us)]
    from: Option<i64>,
    /// Only records held first before this time.
    #[arg(long, value_name = "TIME", value_parser = parse_us)]
    to: Option<i64>,
    /// The history: records that were settled, instead of those that are open.
    #[arg(long)]
    resolved: bool,
}

/// How an answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// Columns for people.
    Table,
    /// One JSON document.
    Json,
    /// Comma-separated values.
    Csv,
}

fn parse_us(text: &str) -> Result<i64, String> {
    let unix_ms = parse_time(text).ok_or("write a time: 2026-01-31T00:00:00Z")?;
    Ok(unix_ms.saturating_mul(1_000))
}

impl FilterArguments {
    fn filter(&self) -> Filter {
        Filter {
            entity: self.entity.as_deref().map(EntityName::new),
            cause: self.cause.clone(),
            from_us: self.from,
            to_us: self.to,
            resolved: self.resolved,
        }
    }
}

/// Runs the command.
pub(super) async fn run(
    command: FailedCommand,
    settings_path: &Path,
    output: &mut Output,
) -> Result<(), Failure> {
    // The list needs no definitions, which an administrator may not have.
    let settings = Settings::load(settings_path)?;
    match command {
        FailedCommand::List(arguments) => list::run(&arguments, &settings, output),
        FailedCommand::Summary(arguments) => summary::run(&arguments, &settings, output),
        FailedCommand::Export(arguments) => export::run(&arguments, &settings, output),
        FailedCommand::Dismiss(arguments) => dismiss::run(&arguments, &settings, output).await,
        FailedCommand::Rebuild(arguments) => rebuild::run(&arguments, &settings, output).await,
    }
}

/// The profile that is meant.
pub(super) fn profile_of<'s>(
    settings: &'s Settings,
    id: Option<&str>,
) -> Result<&'s ProfileSettings, Failure> {
    let known = || {
        let ids = settings.profiles.iter().map(|profile| profile.profile.id.as_str());
        format!("the settings have {}", ids.collect::<Vec<_>>().join(", "))
    };
    match (id, settings.profiles.as_slice()) {
        (None, [only]) => Ok(only),
        (_, []) => Err(Failure::usage("there is no profile", "write a [[profile]]")),
        (None, _) => Err(Failure::usage("which profile? name it with --profile", known())),
        (Some(id), profiles) => {
            let found = profiles.iter().find(|profile| profile.profile.id.as_str() == id);
            found.ok_or_else(|| Failure::usage(format!("there is no profile {id}"), known()))
        }
    }
}

/// The list of the settings, to read.
pub(super) fn reader(settings: &Settings) -> Result<Reader, Failure> {
    let path = &settings.failed_list.path;
    Reader::open(path)?.ok_or_else(|| {
        let hint = "`keepstep run` makes it, and `keepstep failed rebuild` does without waiting; is \
                    path in [failed_list] the same for all of them?";
        Failure::new(format!("there is no failed-record list at {}", path.display()), hint)
    })
}

/// How many dead letters of a profile could not be read.
fn unreadable(reader: &Reader, profile: &ProfileId) -> Result<u64, Failure> {
    let progress = reader.progress(profile)?;
    Ok(progress.iter().map(|progress| u64::from(progress.unreadable)).sum())
}

/// A column of a table on a terminal: cut, and without control characters.
pub(super) fn column(text: &str, width: usize) -> String {
    let clean = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let mut cut: String = clean.take(width + 1).collect();
    if cut.chars().count() > width {
        cut = cut.chars().take(width - 1).collect();
        cut.push('…');
    }
    format!("{cut:width$}")
}
