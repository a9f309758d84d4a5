//! `keepstep failed summary`: how many records there are by entity and cause, and what to do.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::json;

use super::{FilterArguments, Shape, column, profile_of, reader};
use crate::app::cli::output::Output;
use crate::app::cli::text::{counted, grouped};
use crate::app::failure::Failure;
use crate::app::settings::Settings;
use crate::failed::export::{csv_cell, time_text};
use crate::failed::summary::{Summary, SummaryLine};

/// Count the records by entity and cause, and say what to do about each cause.
#[derive(Debug, Args)]
pub(in crate::app::cli) struct SummaryArguments {
    #[command(flatten)]
    filter: FilterArguments,
    /// How to print it.
    #[arg(long, value_enum, default_value = "table")]
    format: Shape,
}

/// Runs the command.
pub(super) fn run(
    arguments: &SummaryArguments,
    settings: &Settings,
    output: &mut Output,
) -> Result<(), Failure> {
    let profile = profile_of(settings, arguments.filter.profile.as_deref())?;
    let reader = reader(settings)?;
    let summary = reader.summary(&profile.profile.id, &arguments.filter.filter())?;
    match arguments.format {
        Shape::Table => table(&summary, output),
        Shape::Json => {
            let lines: Vec<_> = summary.lines.iter().map(object).collect();
            let object = json!({"lines": lines, "other_entries": summary.other_entries});
            output.line(&object.to_string())
        }
        Shape::Csv => {
            output.line("entity,cause,records,changes,first_at,last_at,advice")?;
            for line in &summary.lines {
                output.line(&format!(
                    "{},{},{},{},{},{},{}",
                    csv_cell(line.entity.as_deref().unwrap_or("")),
                    csv_cell(&line.cause),
                    line.entries,
                    line.changes,
                    time_text(line.first_at_us),
                    time_text(line.last_at_us),
                    csv_cell(line.advice())
                ))?;
            }
            Ok(())
        }
    }
}

fn object(line: &SummaryLine) -> serde_json::Value {
    json!({
        "entity": line.entity, "cause": line.cause, "records": line.entries,
        "changes": line.changes, "first_at": time_text(line.first_at_us),
        "last_at": time_text(line.last_at_us), "advice": line.advice(),
    })
}

fn table(summary: &Summary, output: &mut Output) -> Result<(), Failure> {
    if summary.lines.is_empty() {
        return output.line("no such records on the list");
    }
    output.line(&format!(
        "{:24}  {:19}  {:>11}  {:>11}  SINCE",
        "ENTITY", "CAUSE", "RECORDS", "CHANGES"
    ))?;
    for line in &summary.lines {
        let since: String = time_text(line.first_at_us).chars().take(19).collect();
        output.line(&format!(
            "{}  {}  {:>11}  {:>11}  {since}Z",
            column(line.entity.as_deref().unwrap_or("(unknown)"), 24),
            column(&line.cause, 19),
            grouped(line.entries),
            grouped(line.changes)
        ))?;
    }
    if summary.other_entries > 0 {
        output.line(&format!("and {} of others", counted(summary.other_entries, "record")))?;
    }
    output.line("\nWhat to do:")?;
    let mut said = BTreeSet::new();
    for line in &summary.lines {
        if said.insert(&line.cause) {
            output.line(&format!("  {}: {}", column(&line.cause, 19).trim_end(), line.advice()))?;
        }
    }
    Ok(())
}
