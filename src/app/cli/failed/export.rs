//! `keepstep failed export`: the whole list as a file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{FilterArguments, profile_of, reader};
use crate::app::cli::output::Output;
use crate::app::cli::text::counted;
use crate::app::failure::Failure;
use crate::app::settings::Settings;
use crate::failed::export::{Format, begin, write};
use crate::failed::list::{Filter, Step};
use crate::failed::store::Reader;
use crate::model::profile::ProfileId;

/// Write every such record into a file or to standard output, a line each.
#[derive(Debug, Args)]
pub(in crate::app::cli) struct ExportArguments {
    #[command(flatten)]
    filter: FilterArguments,
    /// What the lines look like.
    #[arg(long, value_enum, default_value = "lines")]
    format: FileFormat,
    /// The file to make; without it standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FileFormat {
    /// `Entity: …, RecordId: …, NotificationTime: …, ChangeType: …, FailureReason: …`, as Data
    /// Export Service wrote them.
    Lines,
    /// Comma-separated values with a line of names.
    Csv,
    /// One JSON object a line.
    Json,
}

/// Runs the command.
pub(super) fn run(
    arguments: &ExportArguments,
    settings: &Settings,
    output: &mut Output,
) -> Result<(), Failure> {
    let profile = profile_of(settings, arguments.filter.profile.as_deref())?;
    let id = &profile.profile.id;
    let reader = reader(settings)?;
    let filter = arguments.filter.filter();
    let format = match arguments.format {
        FileFormat::Lines => Format::Lines,
        FileFormat::Csv => Format::Csv,
        FileFormat::Json => Format::Json,
    };
    let Some(path) = &arguments.output else {
        copy(&reader, id, &filter, format, output.writer())?;
        return Ok(());
    };
    let file = File::create_new(path).map_err(|error| {
        let what = format!("{} cannot be made: {}", path.display(), error.kind());
        Failure::new(what, "name a file that is not there yet")
    })?;
    let mut writer = BufWriter::new(file);
    let count = copy(&reader, id, &filter, format, &mut writer)?;
    writer.flush()?;
    output.line(&format!("{} written to {}", counted(count, "record"), path.display()))
}

fn copy(
    reader: &Reader,
    profile: &ProfileId,
    filter: &Filter,
    format: Format,
    out: &mut impl Write,
) -> Result<u64, Failure> {
    begin(format, out)?;
    let mut count = 0;
    reader.entries(profile, filter, None, |entry| {
        write(format, profile, entry, out)?;
        count += 1;
        Ok::<_, Failure>(Step::Next)
    })?;
    Ok(count)
}
