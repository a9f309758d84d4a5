//! `docs/settings.md`, generated from the calls that read the settings.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::reading::{Fallback, Reading, Section, TextOrTable};
use super::{destination, entity, log, notifications, process, profile};

/// Every table of the settings file with its keys, as Markdown.
pub fn settings_reference() -> String {
    let mut text = String::from(
        "# Settings\n\n\
         One TOML file, `keepstep.toml` in the working folder unless `--config` names another. \
         Mistakes are reported all at once; unknown keys are refused. Relative paths begin at the \
         folder of the file. Secrets are never written into it, only where they are: `env:NAME` \
         (an environment variable) or `file:PATH` (a file; a line end at its end is not part of \
         it). `examples/keepstep.toml` is a file to begin with.\n\n\
         This page is generated from the code that reads the file.\n",
    );
    for section in sections() {
        write_section(&mut text, &section);
    }
    text
}

/// Reads one empty table of each kind, only to learn what it asks for.
fn sections() -> Vec<Section> {
    let mut reading = Reading::new("");
    log::read(&mut reading, None);
    destination::read(&mut reading, "", None);
    profile::read(&mut reading, 1, None, &BTreeMap::new());
    let defaults = entity::Defaults { versioned: true, template: None };
    let item = TextOrTable::Table(super::Found { line: 1, table: toml::de::DeTable::default() });
    entity::read_all(&mut reading, "", vec![item], defaults);
    notifications::read(&mut reading, None);
    process::read_failed_list(&mut reading, None);
    process::read_limits(&mut reading, None);
    process::read_http(&mut reading, None);
    process::read_telemetry(&mut reading, None);
    reading.sections
}

fn write_section(text: &mut String, section: &Section) {
    // Writing to a String cannot fail.
    let _ = write!(text, "\n## `{}`\n\n{}\n", section.heading, section.doc);
    if section.fields.is_empty() {
        return;
    }
    text.push_str("\n| key | default | what it is |\n| --- | --- | --- |\n");
    for field in &section.fields {
        let default = match &field.fallback {
            Fallback::Required => "required".to_owned(),
            Fallback::Absent => "none".to_owned(),
            Fallback::Value(value) => format!("`{value}`"),
        };
        let form = field.form.replace('|', "\\|");
        let _ = writeln!(text, "| `{}` | {default} | {} ({form}) |", field.name, field.doc);
    }
}
