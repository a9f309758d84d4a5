//! What an error means for the lane: one pure function.
//!
//! Whether a batch may have been written depends on the moment: an answer that is lost after the
//! commit was sent leaves that open, an error that the server answered never does, unless it ended
//! the connection with it. A right that a running lane has lost is an outage, for it ran before; at
//! an activation it is a person's business. A code that stands nowhere here is the record's if a
//! RAISE of the database's own functions (a trigger) made it, and else fatal: it is shown to a
//! person and tried again slowly, and nothing is ever skipped for it.
//! Source of the codes: PostgreSQL documentation, appendix "PostgreSQL Error Codes".

use super::failure::{Failure, ServerError};

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

const WAIT: &str = "It ends by itself; keepstep tries again.";

/// Judges.
pub(super) fn classify(failure: &Failure, moment: Moment) -> Verdict {
    let lost = if moment == Moment::Committing { Meaning::Unclear } else { Meaning::Retry };
    let verdict = |meaning, hint| Verdict { meaning, hint };
    match failure {
        Failure::Server(error) if error.ends_connection && moment == Moment::Committing => {
            verdict(lost, "The server ended the connection; keepstep looks what became of it.")
        }
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
            "The answer was no PostgreSQL protocol: check what listens at the address of the URL.",
        ),
        Failure::Untrusted => verdict(
            Meaning::Fatal,
            "The server's certificate is not trusted or names another host: name its authority \
             with sslrootcert, or the host as the certificate has it.",
        ),
        Failure::NoTls => verdict(
            Meaning::Fatal,
            "The server offers no TLS that fits: switch it on there, or write sslmode=disable \
             into the URL if the line is safe.",
        ),
        Failure::BadAuthorities => verdict(
            Meaning::Fatal,
            "The file of the authorities to trust cannot be read or holds no certificate.",
        ),
        Failure::SignIn => verdict(
            Meaning::Fatal,
            "The server wants another way to sign in: check user and password in the URL.",
        ),
        Failure::NoUrl(_) | Failure::BadUrl(_) => {
            verdict(Meaning::Fatal, "Correct the URL of the destination.")
        }
    }
}

/// Judges by SQLSTATE: the code first, then its class.
fn of_server(error: &ServerError, moment: Moment) -> Verdict {
    let class = error.state.get(..2).unwrap_or_default();
    let of_raise = || error.raised.then_some((Meaning::Rejected, TRIGGER));
    let known = by_code(&error.state).or_else(|| by_class(class)).or_else(of_raise);
    let (meaning, hint) = known.unwrap_or((
        Meaning::Fatal,
        "keepstep does not know this code: look it up in PostgreSQL's documentation and in the \
         server's log.",
    ));
    let of_a_right = error.state == "42501" || class == "28";
    let meaning = match (meaning, moment) {
        (Meaning::Retry, Moment::Activating) if of_a_right => Meaning::Fatal,
        // Nobody sent a record, so none is to blame, and no table of theirs.
        (Meaning::Rejected | Meaning::Table, Moment::Activating | Moment::Asking) => Meaning::Fatal,
        (Meaning::Unclear, Moment::Activating | Moment::Asking | Moment::Before) => Meaning::Retry,
        (meaning, _) => meaning,
    };
    Verdict { meaning, hint }
}

const TRIGGER: &str = "A trigger of the table refuses the record.";

/// Codes that mean something else than their class.
fn by_code(state: &str) -> Option<(Meaning, &'static str)> {
    Some(match state {
        // transaction_resolution_unknown, statement_completion_unknown
        "08007" | "40003" => (Meaning::Unclear, "keepstep looks what became of it."),
        // read_only_sql_transaction
        "25006" => (
            Meaning::Retry,
            "The database is read-only: a standby, or full. keepstep goes on once it is writable.",
        ),
        // invalid_sql_statement_name: what the session had prepared is gone
        "26000" => (
            Meaning::Retry,
            "The session lost its prepared statements: a pooler between must hand out whole \
             sessions.",
        ),
        // invalid_schema_name
        "3F000" => (Meaning::Table, "The table's schema does not exist: give it its name back."),
        // insufficient_privilege
        "42501" => (
            Meaning::Retry,
            "The user lacks a right: `keepstep check` names the GRANT that is missing.",
        ),
        // syntax_error
        "42601" => (Meaning::Fatal, "Report it: the server cannot read a statement of keepstep's."),
        // program_limit_exceeded: a row too big for a page, a key too big for an index
        "54000" => (
            Meaning::Rejected,
            "The row is larger than a page of PostgreSQL, or a value than an index takes.",
        ),
        // object_not_in_prerequisite_state
        "55000" => (
            Meaning::Table,
            "The table takes no changes as it is: a view, or published without a replica identity.",
        ),
        // object_in_use, lock_not_available
        "55006" | "55P03" => (
            Meaning::Retry,
            "Somebody else holds the table: end what locks it; keepstep tries again.",
        ),
        // disk_full
        "53100" => (Meaning::Retry, "The server's disk is full: make room; keepstep tries again."),
        // too_many_connections
        "53300" => (
            Meaning::Retry,
            "The server has no connection left: raise max_connections or lower `connections`.",
        ),
        // query_canceled
        "57014" => (
            Meaning::Retry,
            "The server cancelled it, or it took longer than the statement time-out: look at its \
             load and locks.",
        ),
        // database_dropped
        "57P04" => (Meaning::Fatal, "The database was dropped: restore it, or name another."),
        // data_corrupted, index_corrupted
        "XX001" | "XX002" => (
            Meaning::Fatal,
            "The server reports damaged data: see its log, and restore from a backup.",
        ),
        _ => return None,
    })
}

/// Classes of codes.
fn by_class(class: &str) -> Option<(Meaning, &'static str)> {
    Some(match class {
        // Connection exception.
        "08" => (Meaning::Retry, WAIT),
        // Triggered action exception; triggered data change violation; external routine (invocation)
        // exception; unhandled exception of a user's; PL/pgSQL error: raise_exception, assert_failure.
        "09" | "27" | "38" | "39" | "45" | "P0" => (Meaning::Rejected, TRIGGER),
        // Feature not supported.
        "0A" => (
            Meaning::Table,
            "The server does not know something that keepstep needs: version 12 or newer, tables \
             of the ordinary kind.",
        ),
        // Data exception.
        "22" => (Meaning::Rejected, "The table's columns do not take the value."),
        // Integrity constraint violation; check option violation.
        "23" | "44" => (Meaning::Rejected, "A constraint of the table refuses the record."),
        // Invalid transaction state.
        "25" => (Meaning::Retry, WAIT),
        // Invalid authorization.
        "28" => (
            Meaning::Retry,
            "The server refuses the user: check user and password in the URL, and pg_hba.conf.",
        ),
        // Invalid catalog name.
        "3D" => (Meaning::Fatal, "The database of the URL does not exist: create it."),
        // Transaction rollback: deadlock, serialization.
        "40" => (Meaning::Retry, WAIT),
        // Syntax error or access rule violation: an object is missing or is not what it was.
        "42" => (
            Meaning::Table,
            "A table, column or index is missing or was changed: run `keepstep check`.",
        ),
        // Insufficient resources.
        "53" => (Meaning::Retry, "The server lacks memory, disk or connections."),
        // Program limit exceeded, but for the row that is too big.
        "54" => (Meaning::Table, "A limit of PostgreSQL: export fewer attributes of the entity."),
        // Object not in prerequisite state.
        "55" => (Meaning::Retry, WAIT),
        // Operator intervention: shutdown, crash, starting up.
        "57" => (Meaning::Retry, "The server stops or starts; keepstep tries again."),
        // System error.
        "58" => (Meaning::Retry, "The server's system fails: see its log."),
        // Snapshot failure.
        "72" => (Meaning::Retry, WAIT),
        // Configuration file error.
        "F0" => (Meaning::Retry, "The server's configuration is being changed: see its log."),
        // Internal error.
        "XX" => (Meaning::Retry, "An internal error of the server: see its log."),
        _ => return None,
    })
}

#[cfg(test)]
#[path = "classify_test.rs"]
mod tests;
