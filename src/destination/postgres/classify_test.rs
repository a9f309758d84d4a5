//! What every SQLSTATE of PostgreSQL's appendix that can reach keepstep means, at each moment.

use super::Meaning::{Fatal, Rejected, Retry, Table, Unclear};
use super::*;

fn server(state: &str) -> Failure {
    Failure::Server(ServerError { state: state.into(), ..ServerError::default() })
}

fn ended(state: &str) -> Failure {
    let error = ServerError { state: state.into(), ends_connection: true, ..Default::default() };
    Failure::Server(error)
}

/// State, and what it means while activating, asking, before the commit was sent, and after.
type Line = (&'static str, [Meaning; 4]);

const OUTAGE: [Meaning; 4] = [Retry, Retry, Retry, Retry];
const LOST_RIGHT: [Meaning; 4] = [Fatal, Retry, Retry, Retry];
const OPEN: [Meaning; 4] = [Retry, Retry, Retry, Unclear];
const RECORD: [Meaning; 4] = [Fatal, Fatal, Rejected, Rejected];
const TABLE: [Meaning; 4] = [Fatal, Fatal, Table, Table];
const PERSON: [Meaning; 4] = [Fatal, Fatal, Fatal, Fatal];

/// Source: PostgreSQL documentation, appendix "PostgreSQL Error Codes". Left out: codes of
/// cursors, procedures and large objects, which nothing of keepstep's uses; those are unknown.
const CODES: &[Line] = &[
    ("08000", OUTAGE),     // connection_exception
    ("08003", OUTAGE),     // connection_does_not_exist
    ("08006", OUTAGE),     // connection_failure
    ("08001", OUTAGE),     // sqlclient_unable_to_establish_sqlconnection
    ("08004", OUTAGE),     // sqlserver_rejected_establishment_of_sqlconnection
    ("08P01", OUTAGE),     // protocol_violation
    ("08007", OPEN),       // transaction_resolution_unknown
    ("09000", RECORD),     // triggered_action_exception
    ("0A000", TABLE),      // feature_not_supported
    ("21000", PERSON),     // cardinality_violation
    ("22000", RECORD),     // data_exception
    ("2202E", RECORD),     // array_subscript_error
    ("22021", RECORD),     // character_not_in_repertoire
    ("22008", RECORD),     // datetime_field_overflow
    ("22012", RECORD),     // division_by_zero
    ("22005", RECORD),     // error_in_assignment
    ("22022", RECORD),     // indicator_overflow
    ("22015", RECORD),     // interval_field_overflow
    ("2201E", RECORD),     // invalid_argument_for_logarithm
    ("22018", RECORD),     // invalid_character_value_for_cast
    ("22007", RECORD),     // invalid_datetime_format
    ("22019", RECORD),     // invalid_escape_character
    ("22025", RECORD),     // invalid_escape_sequence
    ("22023", RECORD),     // invalid_parameter_value
    ("2201B", RECORD),     // invalid_regular_expression
    ("22009", RECORD),     // invalid_time_zone_displacement_value
    ("22004", RECORD),     // null_value_not_allowed
    ("22003", RECORD),     // numeric_value_out_of_range
    ("2200H", RECORD),     // sequence_generator_limit_exceeded
    ("22026", RECORD),     // string_data_length_mismatch
    ("22001", RECORD),     // string_data_right_truncation
    ("22011", RECORD),     // substring_error
    ("22024", RECORD),     // unterminated_c_string
    ("2200F", RECORD),     // zero_length_character_string
    ("22P01", RECORD),     // floating_point_exception
    ("22P02", RECORD),     // invalid_text_representation
    ("22P03", RECORD),     // invalid_binary_representation
    ("22P04", RECORD),     // bad_copy_file_format
    ("22P05", RECORD),     // untranslatable_character
    ("2200N", RECORD),     // invalid_xml_content
    ("22030", RECORD),     // duplicate_json_object_key_value
    ("22032", RECORD),     // invalid_json_text
    ("23000", RECORD),     // integrity_constraint_violation
    ("23001", RECORD),     // restrict_violation
    ("23502", RECORD),     // not_null_violation
    ("23503", RECORD),     // foreign_key_violation
    ("23505", RECORD),     // unique_violation
    ("23514", RECORD),     // check_violation
    ("23P01", RECORD),     // exclusion_violation
    ("25000", OUTAGE),     // invalid_transaction_state
    ("25001", OUTAGE),     // active_sql_transaction
    ("25002", OUTAGE),     // branch_transaction_already_active
    ("25006", OUTAGE),     // read_only_sql_transaction
    ("25P01", OUTAGE),     // no_active_sql_transaction
    ("25P02", OUTAGE),     // in_failed_sql_transaction
    ("25P03", OUTAGE),     // idle_in_transaction_session_timeout
    ("25P04", OUTAGE),     // transaction_timeout
    ("26000", OUTAGE),     // invalid_sql_statement_name
    ("27000", RECORD),     // triggered_data_change_violation
    ("28000", LOST_RIGHT), // invalid_authorization_specification
    ("28P01", LOST_RIGHT), // invalid_password
    ("38000", RECORD),     // external_routine_exception
    ("39P01", RECORD),     // trigger_protocol_violated
    ("3D000", PERSON),     // invalid_catalog_name
    ("3F000", TABLE),      // invalid_schema_name
    ("40000", OUTAGE),     // transaction_rollback
    ("40001", OUTAGE),     // serialization_failure
    ("40002", OUTAGE),     // transaction_integrity_constraint_violation
    ("40P01", OUTAGE),     // deadlock_detected
    ("40003", OPEN),       // statement_completion_unknown
    ("42000", TABLE),      // syntax_error_or_access_rule_violation
    ("42501", LOST_RIGHT), // insufficient_privilege
    ("42601", PERSON),     // syntax_error
    ("42602", TABLE),      // invalid_name
    ("42611", TABLE),      // invalid_column_definition
    ("42622", TABLE),      // name_too_long
    ("42701", TABLE),      // duplicate_column
    ("42702", TABLE),      // ambiguous_column
    ("42703", TABLE),      // undefined_column
    ("42704", TABLE),      // undefined_object
    ("42725", TABLE),      // ambiguous_function
    ("42803", TABLE),      // grouping_error
    ("42804", TABLE),      // datatype_mismatch
    ("42809", TABLE),      // wrong_object_type
    ("42830", TABLE),      // invalid_foreign_key
    ("42846", TABLE),      // cannot_coerce
    ("42883", TABLE),      // undefined_function
    ("428C9", TABLE),      // generated_always
    ("42939", TABLE),      // reserved_name
    ("42P01", TABLE),      // undefined_table
    ("42P02", TABLE),      // undefined_parameter
    ("42P10", TABLE),      // invalid_column_reference
    ("42P16", TABLE),      // invalid_table_definition
    ("42P17", TABLE),      // invalid_object_definition
    ("42P18", TABLE),      // indeterminate_datatype
    ("42P21", TABLE),      // collation_mismatch
    ("42P22", TABLE),      // indeterminate_collation
    ("44000", RECORD),     // with_check_option_violation
    ("45000", RECORD),     // of a user, as the SQL standard has it
    ("53000", OUTAGE),     // insufficient_resources
    ("53100", OUTAGE),     // disk_full
    ("53200", OUTAGE),     // out_of_memory
    ("53300", OUTAGE),     // too_many_connections
    ("53400", OUTAGE),     // configuration_limit_exceeded
    ("54000", RECORD),     // program_limit_exceeded
    ("54001", TABLE),      // statement_too_complex
    ("54011", TABLE),      // too_many_columns
    ("54023", TABLE),      // too_many_arguments
    ("55000", TABLE),      // object_not_in_prerequisite_state
    ("55006", OUTAGE),     // object_in_use
    ("55P02", OUTAGE),     // cant_change_runtime_param
    ("55P03", OUTAGE),     // lock_not_available
    ("55P04", OUTAGE),     // unsafe_new_enum_value_usage
    ("57000", OUTAGE),     // operator_intervention
    ("57014", OUTAGE),     // query_canceled
    ("57P01", OUTAGE),     // admin_shutdown
    ("57P02", OUTAGE),     // crash_shutdown
    ("57P03", OUTAGE),     // cannot_connect_now
    ("57P05", OUTAGE),     // idle_session_timeout
    ("57P04", PERSON),     // database_dropped
    ("58000", OUTAGE),     // system_error
    ("58030", OUTAGE),     // io_error
    ("58P01", OUTAGE),     // undefined_file
    ("58P02", OUTAGE),     // duplicate_file
    ("72000", OUTAGE),     // snapshot_too_old
    ("F0000", OUTAGE),     // config_file_error
    ("F0001", OUTAGE),     // lock_file_exists
    ("P0000", RECORD),     // plpgsql_error
    ("P0001", RECORD),     // raise_exception
    ("P0002", RECORD),     // no_data_found
    ("P0003", RECORD),     // too_many_rows
    ("P0004", RECORD),     // assert_failure
    ("XX000", OUTAGE),     // internal_error
    ("XX001", PERSON),     // data_corrupted
    ("XX002", PERSON),     // index_corrupted
    ("24000", PERSON),     // unknown here: fatal, the stated default
    ("HV000", PERSON),
    ("UE001", PERSON),
    ("99999", PERSON),
    ("", PERSON),
];

#[test]
fn codes_mean_what_the_table_says() {
    for (state, expected) in CODES {
        let moments = [Moment::Activating, Moment::Asking, Moment::Before, Moment::Committing];
        for (moment, expected) in moments.into_iter().zip(expected) {
            let verdict = classify(&server(state), moment);
            assert_eq!(verdict.meaning, *expected, "{state} at {moment:?}");
            assert!(verdict.hint.ends_with('.'), "{state}: {}", verdict.hint);
        }
    }
}

#[test]
fn a_code_of_a_triggers_own_is_the_records() {
    let raised = |state: &str| {
        let error = ServerError { state: state.into(), raised: true, ..ServerError::default() };
        classify(&Failure::Server(error), Moment::Committing).meaning
    };
    assert_eq!(raised("UE001"), Rejected);
    // Known ones keep their meaning: whoever raises a deadlock wants another try.
    assert_eq!(raised("40P01"), Retry);
    assert_eq!(raised("23514"), Rejected);
}

#[test]
fn what_ends_the_connection_after_the_commit_was_sent_is_unclear() {
    for state in ["57P01", "57P02", "25P03", "XX000", "42501"] {
        assert_eq!(classify(&ended(state), Moment::Committing).meaning, Unclear);
        assert_ne!(classify(&ended(state), Moment::Before).meaning, Unclear);
    }
}

#[test]
fn a_lost_connection_is_unclear_only_once_the_commit_was_sent() {
    for failure in [Failure::Connection, Failure::TimedOut, Failure::Protocol] {
        for moment in [Moment::Activating, Moment::Asking, Moment::Before] {
            assert_eq!(classify(&failure, moment).meaning, Retry);
        }
        assert_eq!(classify(&failure, Moment::Committing).meaning, Unclear);
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
        for moment in [Moment::Activating, Moment::Asking] {
            assert_eq!(classify(&failure, moment).meaning, Fatal, "{failure:?}");
        }
    }
}
