//! What the numbers of SQL Server that can reach keepstep mean, at each moment.

use super::super::numbers::BABELFISH_UNKNOWN;
use super::Meaning::{Fatal, Rejected, Retry, Table, Unclear};
use super::*;

const MOMENTS: [Moment; 4] =
    [Moment::Activating, Moment::Asking, Moment::Before, Moment::Committing];

fn server(number: u32, class: u8) -> Failure {
    Failure::Server(ServerError { number, class, state: 1, line: 1 })
}

fn meanings(failure: &Failure) -> [Meaning; 4] {
    MOMENTS.map(|moment| classify(failure, moment).meaning)
}

/// Number, class, and what it means while activating, asking, before the commit was sent, after.
type Line = (u32, u8, [Meaning; 4]);

const AGAIN: [Meaning; 4] = [Retry, Retry, Retry, Retry];
const LOST: [Meaning; 4] = [Retry, Retry, Retry, Unclear];
const RIGHT: [Meaning; 4] = [Fatal, Retry, Retry, Retry];
const RECORD: [Meaning; 4] = [Fatal, Fatal, Rejected, Rejected];
const TABLE: [Meaning; 4] = [Fatal, Fatal, Table, Table];
const PERSON: [Meaning; 4] = [Fatal, Fatal, Fatal, Fatal];

/// Classes as sys.messages has them.
const NUMBERS: &[Line] = &[
    (2628, 16, RECORD),                        // truncation, with the column named
    (8152, 16, RECORD),                        // truncation
    (8115, 16, RECORD),                        // arithmetic overflow
    (220, 16, RECORD),                         // overflow of a small integer
    (232, 16, RECORD),                         // overflow of a type
    (241, 16, RECORD),                         // no date
    (242, 16, RECORD),                         // date out of range
    (245, 16, RECORD),                         // conversion
    (248, 16, RECORD),                         // overflow of int
    (8114, 16, RECORD),                        // conversion between types
    (8169, 16, RECORD),                        // no uniqueidentifier
    (515, 16, RECORD),                         // NULL
    (547, 16, RECORD),                         // constraint
    (511, 16, RECORD),                         // row over 8,060 bytes
    (1946, 16, RECORD),                        // index entry too long
    (2627, 14, RECORD),                        // unique constraint
    (2601, 14, RECORD),                        // unique index
    (3609, 16, RECORD),                        // the transaction ended in a trigger
    (33504, 16, RECORD),                       // row-level security
    (4815, 16, RECORD),                        // bulk: column length
    (4863, 16, RECORD),                        // bulk: truncation
    (50_000, 16, RECORD),                      // RAISERROR of a trigger
    (51_234, 16, RECORD),                      // THROW of a trigger
    (2_147_483_647, 16, RECORD),               // the highest
    (BABELFISH_UNKNOWN, 16, RECORD),           // Babelfish, whatever it was
    (207, 16, TABLE),                          // no column
    (208, 16, TABLE),                          // no object
    (213, 16, TABLE),                          // another number of columns
    (206, 16, TABLE),                          // type clash
    (271, 16, TABLE),                          // computed column
    (544, 16, TABLE),                          // identity column
    (468, 16, TABLE),                          // collations
    (1205, 13, AGAIN),                         // deadlock
    (1222, 16, AGAIN),                         // lock time-out
    (3960, 16, AGAIN),                         // conflict of snapshots
    (8645, 17, AGAIN),                         // no memory in time
    (701, 17, AGAIN),                          // no memory
    (9002, 17, AGAIN),                         // log full
    (1105, 17, AGAIN),                         // filegroup full
    (40544, 20, LOST),                         // Azure: full, and the connection ends with it
    (40544, 16, AGAIN),                        // Azure: full
    (1204, 19, AGAIN),                         // out of locks
    (40550, 16, AGAIN),                        // Azure: too many locks
    (40552, 16, AGAIN),                        // Azure: too much log
    (229, 14, RIGHT),                          // object right
    (230, 14, RIGHT),                          // column right
    (262, 14, RIGHT),                          // database right
    (916, 14, RIGHT),                          // may not enter the database
    (18456, 14, RIGHT),                        // login failed
    (18487, 14, RIGHT),                        // password expired
    (4060, 11, RIGHT),                         // cannot open the database
    (40615, 14, RIGHT),                        // Azure: firewall
    (40613, 17, LOST),                         // Azure: not available
    (40501, 20, LOST),                         // Azure: busy
    (40197, 17, LOST),                         // Azure: service error
    (40540, 20, LOST),                         // Azure: aborted
    (40143, 16, LOST),                         // Azure: service error
    (10928, 20, LOST),                         // Azure: limit reached
    (10929, 16, LOST),                         // Azure: too busy
    (49918, 16, LOST),                         // Azure: no resources
    (49919, 16, LOST),                         // Azure: too many operations
    (49920, 16, LOST),                         // Azure: too many operations
    (4221, 16, LOST),                          // secondary behind
    (3906, 16, LOST),                          // read-only
    (233, 20, LOST),                           // pipe ended
    (6005, 10, LOST),                          // shutdown
    (976, 14, LOST),                           // replica not accessible
    (824, 24, [Fatal, Fatal, Fatal, Unclear]), // damaged page
    (605, 21, [Fatal, Fatal, Fatal, Unclear]), // damaged page
    (102, 15, PERSON),                         // syntax
    (156, 15, PERSON),                         // syntax
    (40549, 16, AGAIN),                        // Azure: a transaction too long
    (40551, 16, AGAIN),                        // Azure: too much of tempdb
    (40553, 16, AGAIN),                        // Azure: too much memory
    (10936, 16, LOST),                         // Azure: the elastic pool is too busy
    (18401, 14, LOST),                         // the instance is being upgraded
    (921, 14, LOST),                           // not recovered yet
    (926, 14, LOST),                           // could not be recovered
    (8672, 16, PERSON),                        // one row changed twice
    (2812, 16, TABLE),                         // no procedure
    (4701, 16, TABLE),                         // no object to empty
    (21_999, 16, PERSON),                      // not known
    (21_999, 14, RIGHT),                       // not known, of rights
    (21_999, 17, AGAIN),                       // not known, of resources
    (21_999, 19, AGAIN),                       // not known, of resources
    (21_999, 20, LOST),                        // not known, ends the connection
    (21_999, 25, LOST),                        // not known, ends the connection
];

#[test]
fn every_number_means_what_the_table_says() {
    for (number, class, expected) in NUMBERS {
        assert_eq!(meanings(&server(*number, *class)), *expected, "{number} of class {class}");
    }
}

#[test]
fn a_batch_that_asks_too_much_is_told_how_to_ask_less() {
    for number in [1204, 40549, 40550, 40551, 40552, 40553] {
        let hint = classify(&server(number, 16), Moment::Committing).hint;
        assert!(hint.contains("`batch_changes`"), "{number}: {hint}");
    }
}

#[test]
fn what_moves_the_database_away_costs_the_connection() {
    for number in [40613, 40501, 40197, 3906, 976, 233] {
        assert!(!server(number, 16).leaves_session(), "{number}");
    }
    for number in [1205, 1222, 2627, 547, 207, 229, 9002] {
        assert!(server(number, 16).leaves_session(), "{number}");
    }
    assert!(!server(1205, 20).leaves_session());
}

#[test]
fn failures_without_an_answer() {
    for failure in [Failure::Connection, Failure::TimedOut, Failure::Protocol] {
        assert_eq!(meanings(&failure), LOST, "{failure:?}");
    }
    assert_eq!(meanings(&Failure::Redirected), AGAIN);
    assert_eq!(meanings(&Failure::Bulk), RECORD);
    assert_eq!(meanings(&Failure::NoToken("file:x".to_owned())), RIGHT);
    for failure in [
        Failure::Tls,
        Failure::BadAuthorities,
        Failure::NoConnectionString("env:X".to_owned()),
        Failure::BadConnectionString("Server is missing".to_owned()),
    ] {
        assert_eq!(meanings(&failure), PERSON, "{failure:?}");
    }
}

#[test]
fn every_hint_is_a_sentence() {
    for (number, class, _) in NUMBERS {
        let hint = classify(&server(*number, *class), Moment::Before).hint;
        assert!(
            hint.ends_with('.') && hint.starts_with(char::is_uppercase)
                || hint.starts_with("keepstep"),
            "{hint}"
        );
    }
}
