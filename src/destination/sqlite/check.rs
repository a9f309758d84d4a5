//! Tries everything that an activation will need, and changes nothing.
//!
//! What can be tried by doing it is done in a transaction that is rolled back. Where the file is
//! not there yet only its folder can be looked at.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::activate::{ensure_table, read_plan, upgrade_own_tables};
use super::open::{Missing, open_plainly};
use super::stop::Stop;
use super::{SqliteSettings, metadata, names};
use crate::destination::own_tables::Plan;
use crate::destination::{Activation, DestinationError, Finding, Trouble};

/// Everything that was tried, in order.
pub(super) fn findings(settings: &SqliteSettings, activation: &Activation) -> Vec<Finding> {
    let path = settings.path.display();
    if !settings.path.exists() {
        let folder = Finding {
            what: format!("the folder of {path}, which will be made"),
            problem: folder_problem(settings),
        };
        let tables = activation.entities.iter().map(|entity| {
            let table = &entity.mapping.table;
            let problem = names::check_names(table).err();
            Finding { what: format!("the names of table {}", table.name), problem }
        });
        return std::iter::once(folder).chain(tables).collect();
    }
    let mut findings = Vec::new();
    let opened = open_plainly(settings, Missing::Refuse);
    let Some(connection) = note(&mut findings, format!("opening {path}"), opened) else {
        return findings;
    };
    let what = format!("writing to {path}");
    let transaction = Transaction::new_unchecked(&connection, TransactionBehavior::Immediate);
    if let Some(trial) = note(&mut findings, what, transaction.map_err(Stop::from)) {
        try_activation(&mut findings, &trial, activation);
        // Dropped, and so rolled back.
    }
    findings
}

fn try_activation(findings: &mut Vec<Finding>, trial: &Connection, activation: &Activation) {
    let own = upgrade_own_tables(trial);
    let own_works = note(findings, "keepstep's own tables".to_owned(), own).is_some();
    for entity in &activation.entities {
        let table = &entity.mapping.table;
        let ensured = ensure_table(trial, table);
        note(findings, format!("table {}", table.name), ensured);
        if own_works {
            // Alone, so that one refusal does not hide the next.
            let alone = Activation { entities: vec![entity.clone()], ..activation.clone() };
            let bound = read_plan(trial, &alone, &[]).and_then(without_refusal);
            note(findings, format!("the binding of table {}", table.name), bound);
        }
    }
    if own_works {
        let together = read_plan(trial, activation, &[]);
        note(findings, "the bindings together, and the checkpoints".to_owned(), together);
    }
    if activation.layout.metadata || activation.layout.delete_log {
        let beside = metadata::lay_out(trial, activation);
        note(findings, "the metadata tables and the log of deletes".to_owned(), beside);
    }
}

fn without_refusal(plan: Plan) -> Result<(), Stop> {
    plan.refused.into_iter().next().map_or(Ok(()), |refused| Err(Stop::Refused(refused.trouble)))
}

/// Notes what was tried and how it went.
fn note<T>(findings: &mut Vec<Finding>, what: String, outcome: Result<T, Stop>) -> Option<T> {
    let (value, problem) = match outcome {
        Ok(value) => (Some(value), None),
        Err(stop) => match stop.into_destination_error(&what) {
            DestinationError::Retry(trouble) | DestinationError::Fatal(trouble) => {
                (None, Some(trouble))
            }
        },
    };
    findings.push(Finding { what, problem });
    value
}

fn folder_problem(settings: &SqliteSettings) -> Option<Trouble> {
    let folder = match settings.path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => std::path::Path::new("."),
    };
    let trouble = |code: &str, hint: &str| {
        Some(Trouble {
            what: format!("looking at the folder {}", folder.display()),
            code: code.into(),
            hint: hint.to_owned(),
        })
    };
    match std::fs::metadata(folder) {
        Ok(metadata) if !metadata.is_dir() => {
            trouble("no_folder", "It is a file; name another path for the database.")
        }
        Ok(metadata) if metadata.permissions().readonly() => {
            trouble("folder_readonly", "Give the user that runs keepstep the right to write it.")
        }
        Ok(_) => None,
        Err(_) => trouble("no_folder", "Make it, or name another path for the database."),
    }
}
