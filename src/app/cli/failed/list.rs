//! `keepstep failed list`: a page of the list.

use clap::Args;
use serde_json::json;

use super::{FilterArguments, Shape, column, profile_of, reader, unreadable};
use crate::app::cli::output::Output;
use crate::app::cli::text::counted;
use crate::app::failure::Failure;
use crate::app::settings::Settings;
use crate::failed::change::ChangeKey;
use crate::failed::entry::Entry;
use crate::failed::export::{self, Format, object, reason, time_text};
use crate::failed::list::Step;
use crate::model::record::RecordId;

/// Most entries of one page.
const MOST_SHOWN: u64 = 10_000;

/// Show the records that could not be written, by entity and id.
#[derive(Debug, Args)]
pub(in crate::app::cli) struct ListArguments {
    #[command(flatten)]
    filter: FilterArguments,
    /// Show at most so many.
    #[arg(
        long, value_name = "N", default_value_t = 100,
        value_parser = clap::value_parser!(u64).range(1..=MOST_SHOWN)
    )]
    limit: u64,
    /// Go on after this key, which the page before named.
    #[arg(long, value_name = "KEY")]
    after: Option<String>,
    /// How to print it.
    #[arg(long, value_enum, default_value = "table")]
    format: Shape,
}

/// Runs the command.
pub(super) fn run(
    arguments: &ListArguments,
    settings: &Settings,
    output: &mut Output,
) -> Result<(), Failure> {
    let profile = profile_of(settings, arguments.filter.profile.as_deref())?;
    let id = &profile.profile.id;
    let after = match &arguments.after {
        None => None,
        Some(text) => Some(ChangeKey::parse(text).ok_or_else(|| {
            Failure::usage(format!("{text:?} is no key"), "copy it from the page before")
        })?),
    };
    let reader = reader(settings)?;
    let filter = arguments.filter.filter();
    let mut shown = 0;
    let mut objects = Vec::new();
    if arguments.format == Shape::Csv {
        export::begin(Format::Csv, output.writer())?;
    }
    let next = reader.entries(id, &filter, after.as_ref(), |entry| {
        match arguments.format {
            Shape::Table => {
                if shown == 0 {
                    output.line(&heading())?;
                }
                output.line(&line(entry, profile.profile.retry_count.into()))?;
            }
            Shape::Csv => export::write(Format::Csv, id, entry, output.writer())?,
            Shape::Json => objects.push(json!(object(id, entry))),
        }
        shown += 1;
        Ok::<_, Failure>(if shown == arguments.limit { Step::Enough } else { Step::Next })
    })?;
    let unreadable = unreadable(&reader, id)?;
    match arguments.format {
        Shape::Csv => {}
        Shape::Json => {
            let next = next.map(|key| key.text());
            let page = json!({"entries": objects, "next": next, "unreadable": unreadable});
            output.line(&page.to_string())?;
        }
        Shape::Table => {
            if shown == 0 {
                output.line("no such records on the list")?;
            }
            if let Some(next) = next {
                output.line(&format!("\nthere may be more: --after '{}'", column_free(&next)))?;
            }
            if unreadable > 0 {
                let records = counted(unreadable, "record");
                output.line(&format!(
                    "\n{records} of the dead-letter topic could not be read; `keepstep failed \
                     rebuild` makes sure that nothing is missing"
                ))?;
            }
        }
    }
    Ok(())
}

/// A key without control characters.
fn column_free(key: &ChangeKey) -> String {
    key.text().chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn heading() -> String {
    format!(
        "{:20}  {:24}  {:36}  {:19}  {:7}  {:7}  REASON",
        "SINCE", "ENTITY", "RECORD", "CAUSE", "RETRIES", "CHANGES"
    )
}

fn line(entry: &Entry, retry_count: u64) -> String {
    let since: String = time_text(entry.first_at_us).chars().take(19).collect();
    let entity = entry.head.entity.as_ref().map_or("(unknown)", |entity| entity.as_str());
    let record = match entry.head.record_id {
        Some(id) => RecordId::canonical(id),
        None => format!("at {}", entry.head.position),
    };
    let code = entry.cause.as_ref().map_or("", |cause| cause.code.as_str());
    let retries = match entry.attempt {
        0 => String::new(),
        attempt => format!("{attempt} of {}", retry_count.max(attempt.into())),
    };
    let mut words = reason(entry);
    if let Some(ended) = &entry.ended {
        let at: String = time_text(ended.at_us).chars().take(19).collect();
        words = format!("{} {at}Z; was: {words}", ended.reason);
    }
    let words: String =
        words.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    format!(
        "{since}Z  {}  {}  {}  {retries:7}  {:<7}  {words}",
        column(entity, 24),
        column(&record, 36),
        column(code, 19),
        entry.changes
    )
}
