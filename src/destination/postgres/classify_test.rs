//! Every class of SQLSTATE that matters, at each moment.

use super::*;

fn server(state: &str) -> Failure {
    Failure::Server(ServerError { state: state.into(), ..ServerError::default() })
}

fn ended(state: &str) -> Failure {
    let error = ServerError { state: state.into(), ends_connection: true, ..Default::default() };
    Failure::Server(error)
}

#[test]
fn codes_mean_what_the_table_says() {
    use Meaning::{Fatal, Rejected, Retry, Unclear};
    // State, meaning before the commit was sent, meaning after.
    let table = [
        ("08000", Retry, Retry),
        ("08001", Retry, Retry),
        ("08003", Retry, Retry),
        ("08006", Retry, Retry),
        ("08007", Retry, Unclear),
        ("08P01", Retry, Retry),
        ("0A000", Fatal, Fatal),
        ("21000", Fatal, Fatal),
        ("22001", Rejected, Rejected),
        ("22003", Rejected, Rejected),
        ("22P05", Rejected, Rejected),
        ("23502", Rejected, Rejected),
        ("23503", Rejected, Rejected),
        ("23505", Rejected, Rejected),
        ("23514", Rejected, Rejected),
        ("25006", Retry, Retry),
        ("25P02", Retry, Retry),
        ("25P03", Retry, Retry),
        ("28000", Fatal, Fatal),
        ("28P01", Fatal, Fatal),
        ("3D000", Fatal, Fatal),
        ("3F000", Fatal, Fatal),
        ("40001", Retry, Retry),
        ("40003", Retry, Unclear),
        ("40P01", Retry, Retry),
        ("42501", Fatal, Fatal),
        ("42601", Fatal, Fatal),
        ("42703", Fatal, Fatal),
        ("42P01", Fatal, Fatal),
        ("42P10", Fatal, Fatal),
        ("44000", Rejected, Rejected),
        ("53000", Retry, Retry),
        ("53100", Retry, Retry),
        ("53200", Retry, Retry),
        ("53300", Retry, Retry),
        ("53400", Retry, Retry),
        ("54000", Rejected, Rejected),
        ("54001", Fatal, Fatal),
        ("54011", Fatal, Fatal),
        ("55000", Retry, Retry),
        ("55006", Retry, Retry),
        ("55P03", Retry, Retry),
        ("57014", Retry, Retry),
        ("57P01", Retry, Retry),
        ("57P02", Retry, Retry),
        ("57P03", Retry, Retry),
        ("57P04", Fatal, Fatal),
        ("57P05", Retry, Retry),
        ("58000", Retry, Retry),
        ("58030", Retry, Retry),
        ("F0001", Retry, Retry),
        ("P0001", Rejected, Rejected),
        ("XX000", Retry, Retry),
        ("XX001", Fatal, Fatal),
        ("XX002", Fatal, Fatal),
        // Unknown: fatal, the stated default.
        ("99999", Fatal, Fatal),
        ("", Fatal, Fatal),
    ];
    for (state, before, committing) in table {
        let meaning = |moment| classify(&server(state), moment).meaning;
        assert_eq!(meaning(Moment::Before), before, "{state} before the commit");
        assert_eq!(meaning(Moment::Committing), committing, "{state} with the commit sent");
        let connecting = if before == Rejected { Fatal } else { before };
        assert_eq!(meaning(Moment::Connecting), connecting, "{state} while connecting");
    }
}

#[test]
fn what_ends_the_connection_after_the_commit_was_sent_is_unclear() {
    for state in ["57P01", "57P02", "25P03", "XX000", "42501"] {
        assert_eq!(classify(&ended(state), Moment::Committing).meaning, Meaning::Unclear);
        assert_ne!(classify(&ended(state), Moment::Before).meaning, Meaning::Unclear);
    }
}

#[test]
fn a_lost_connection_is_unclear_only_once_the_commit_was_sent() {
    for failure in [Failure::Connection, Failure::TimedOut, Failure::Protocol] {
        assert_eq!(classify(&failure, Moment::Connecting).meaning, Meaning::Retry);
        assert_eq!(classify(&failure, Moment::Before).meaning, Meaning::Retry);
        assert_eq!(classify(&failure, Moment::Committing).meaning, Meaning::Unclear);
    }
}

#[test]
fn what_only_a_person_can_mend_is_fatal() {
    for failure in [
        Failure::Untrusted,
        Failure::NoTls,
        Failure::BadAuthorities,
        Failure::SignIn,
        Failure::NoUrl("env:X".to_owned()),
        Failure::BadUrl("sslmode".to_owned()),
    ] {
        assert_eq!(classify(&failure, Moment::Connecting).meaning, Meaning::Fatal, "{failure:?}");
    }
}
