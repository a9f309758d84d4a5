//! What an error means for the lane: one pure function.
//!
//! Whether a batch may have been written depends on the moment: an answer that is lost after the
//! commit was sent leaves that open, an error that the server answered never does, unless it ended
//! the connection with it. A right that a running lane has lost is an outage, for it ran before; at
//! an activation it is a person's business. A number that stands nowhere is judged by its class;
//! what then is still unknown is shown to a person and tried again slowly, and nothing is ever
//! skipped for it.

use super::failure::{Failure, ServerError};
use super::numbers::{Group, by_number};

/// The moment at which something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// While a profile was activated or checked.
    Activating,
    /// While a connection was made, or a lane asked for something beside its batches: no record
    /// is to blame, and nothing can have been written.
    Asking,
    /// Before the commit was sent: nothing can have been written.
    Before,
    /// After the commit was sent.
    Committing,
}

/// What it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// An outage: the same again, later.
    Retry,
    /// Nobody knows whether it was written.
    Unclear,
    /// A record is to blame.
    Rejected,
    /// A table is to blame: none of its records can be written.
    Table,
    /// A person must act.
    Fatal,
}

/// What an error means, and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// What it means.
    pub meaning: Meaning,
    /// What to do, in a sentence.
    pub hint: &'static str,
}

/// Judges.
pub(super) fn classify(failure: &Failure, moment: Moment) -> Verdict {
    let lost = meaning(Group::Lost, moment);
    let verdict = |meaning, hint| Verdict { meaning, hint };
    match failure {
        Failure::Server(error) => of_server(error, moment),
        Failure::Connection => {
            verdict(lost, "Check that the server runs and that the network lets it be reached.")
        }
        Failure::TimedOut => verdict(
            lost,
            "The server is slow or hangs, or all connections are busy: look at its load and locks.",
        ),
        Failure::Protocol => verdict(
            lost,
            "The answer was no TDS: check what listens at the server's address and port.",
        ),
        Failure::Redirected => verdict(
            Meaning::Retry,
            "The gateway sends its clients in a circle: it ends by itself, or the server's name is \
             wrong.",
        ),
        Failure::Tls => verdict(
            Meaning::Fatal,
            "TLS failed: the server offers none, or its certificate is not trusted or names \
             another host: name its authority with `ca`, or the host as the certificate has it.",
        ),
        Failure::BadAuthorities => verdict(
            Meaning::Fatal,
            "The file of the authorities to trust cannot be read or holds no certificate.",
        ),
        Failure::NoConnectionString(_) | Failure::BadConnectionString(_) => {
            verdict(Meaning::Fatal, "Correct the connection string of the destination.")
        }
        // Whoever keeps the token fresh may be late: a lane that ran before waits for it.
        Failure::NoToken(_) => verdict(
            meaning(Group::Right, moment),
            "Let an access token of Microsoft Entra be where the settings say.",
        ),
        Failure::Bulk => verdict(
            meaning(Group::Record, moment),
            "The driver cannot carry a value of the record to its column.",
        ),
    }
}

fn of_server(error: &ServerError, moment: Moment) -> Verdict {
    if error.ends_connection() && moment == Moment::Committing {
        let hint = "The server ended the connection; keepstep looks what became of it.";
        return Verdict { meaning: Meaning::Unclear, hint };
    }
    let known = by_number(error.number).or_else(|| by_class(error.class));
    let (group, hint) = known.unwrap_or((
        Group::Person,
        "keepstep does not know this number: look it up in SQL Server's documentation of errors \
         (sys.messages) and in the server's log.",
    ));
    Verdict { meaning: meaning(group, moment), hint }
}

/// What a group means at a moment.
fn meaning(group: Group, moment: Moment) -> Meaning {
    let of_a_batch = matches!(moment, Moment::Before | Moment::Committing);
    match group {
        Group::Again => Meaning::Retry,
        Group::Lost if moment == Moment::Committing => Meaning::Unclear,
        Group::Right if moment == Moment::Activating => Meaning::Fatal,
        Group::Lost | Group::Right => Meaning::Retry,
        // Nobody sent a record, so none is to blame, and no table of theirs.
        Group::Record if of_a_batch => Meaning::Rejected,
        Group::Table if of_a_batch => Meaning::Table,
        Group::Record | Group::Table | Group::Person => Meaning::Fatal,
    }
}

/// What a class (severity) means where the number says nothing.
/// Source: SQL Server documentation, "Database Engine Error Severities".
fn by_class(class: u8) -> Option<(Group, &'static str)> {
    Some(match class {
        14 => (Group::Right, "The user lacks a right: `keepstep check` names what is missing."),
        17..=19 => (Group::Again, "The server lacks something, or has an error: see its log."),
        20.. => (Group::Lost, "The server ended the connection: see its log."),
        _ => return None,
    })
}

#[cfg(test)]
#[path = "classify_test.rs"]
mod tests;
