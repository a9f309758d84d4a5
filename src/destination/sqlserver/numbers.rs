//! The error numbers of SQL Server and Azure SQL that mean something to keepstep: one table.
//!
//! Sources: SQL Server documentation, "Database Engine events and errors" (sys.messages); Azure SQL
//! documentation, "Troubleshoot transient connection errors" and "Resource governance"; the lists of
//! transient errors of Microsoft.Data.SqlClient and of EF Core's SQL Server provider.

/// What errors have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// An outage that rolls back and leaves the connection as it is.
    Again,
    /// An outage of the connection or of the database behind it: another connection is needed, and
    /// after the commit was sent nobody knows.
    Lost,
    /// A right, a login or a database that a person grants.
    Right,
    /// A record's values.
    Record,
    /// A table's shape.
    Table,
    /// Only a person can tell.
    Person,
}

use Group::{Again, Lost, Person, Record, Right, Table};

const WAIT: &str = "It ends by itself; keepstep tries again.";
const RIGHT: &str = "The user lacks a right: `keepstep check` names what is missing.";
const LOGIN: &str = "The server refuses the login: check user, password or access token, that the \
                     login may enter the database, and that the database is there.";
const FIREWALL: &str = "The server's firewall refuses this machine's address: add a rule for it.";
const FULL: &str = "The database has no room left: make room; keepstep tries again.";
const SMALLER: &str = "The batch takes more of the server than it gives: lower `batch_changes`; \
                       keepstep tries again.";
const THROTTLED: &str = "The database is throttled or moves: it ends by itself, or take a larger \
                         service tier; keepstep tries again.";
const VALUE: &str = "The table's columns do not take the value.";
const CONSTRAINT: &str = "A constraint or index of the table refuses the record.";
const TRIGGER: &str = "A trigger of the table refuses the record.";
const OTHER_SHAPE: &str =
    "A table, column or index is missing or was changed: run `keepstep check`.";

/// The first number that a database's own RAISERROR and THROW may use.
const FIRST_OF_USERS: u32 = 50_000;

/// Something of that name exists already: an object, a column, a schema, an index, a type.
/// Source: SQL Server documentation, "Database engine events and errors".
pub(super) const EXISTS_ALREADY: [u32; 6] = [2714, 2705, 2759, 1913, 219, 15530];

/// What Babelfish for PostgreSQL answers for whatever it has no number of SQL Server's for: no
/// column, a bad conversion, a time-out of a lock. Trials find out whether one record is to blame,
/// or all are.
pub(super) const BABELFISH_UNKNOWN: u32 = 33_557_097;

/// What a number means, and what to do. `None` if keepstep does not know it.
pub(super) fn by_number(number: u32) -> Option<(Group, &'static str)> {
    of_connections(number)
        .or_else(|| of_rights(number))
        .or_else(|| of_load(number))
        .or_else(|| of_values(number))
        .or_else(|| of_tables(number))
        .or_else(|| of_users(number))
}

/// The connection, the instance or the database goes away, moves, or is not there yet.
fn of_connections(number: u32) -> Option<(Group, &'static str)> {
    Some(match number {
        // Transport errors that servers pass on: 64 and 233 pipe ended, 121 time-out, the rest are
        // Winsock's.
        64 | 121 | 233 | 10053 | 10054 | 10060 | 11001 => {
            (Lost, "Check that the server runs and that the network lets it be reached.")
        }
        // 615, 921, 922, 926, 927, 941, 942, 945, 952: a database that starts, recovers, moves, is
        // restored or offline. 976, 978, 979, 982, 983, 988: a replica that is not the primary.
        // 9001: its log is not available. 4221: a replica that is behind.
        615 | 921 | 922 | 924 | 926 | 927 | 941 | 942 | 945 | 952 | 976 | 978 | 979 | 982 | 983
        | 988 | 4221 | 9001 => (
            Lost,
            "The database starts, recovers, moves or is offline: see its \
                                       state; keepstep tries again.",
        ),
        // Read-only: a replica after a failover, or a database that was set so.
        3906 | 3908 => (
            Lost,
            "The database is read-only: a secondary, or full. keepstep goes on once it is \
             writable.",
        ),
        // 6005, 17142, 17187, 17197, 18401, 18451: the instance stops, starts, is paused or serves
        // administrators only. 17809: no connection left. 3980, 997: the request was aborted.
        997 | 3980 | 6005 | 17142 | 17187 | 17197 | 17809 | 18401 | 18451 => {
            (Lost, "The server stops, starts or takes no connections now; keepstep tries again.")
        }
        // Killed: by KILL, or for its class.
        596 => (Lost, "The session was ended by an administrator; keepstep tries again."),
        // Azure SQL: service errors, reconfiguration, throttling, limits of workers and sessions,
        // too many operations, a pool that resumes.
        10922 | 10928 | 10929 | 10930 | 10936 | 40020 | 40106 | 40143 | 40166 | 40189 | 40197
        | 40501 | 40540 | 40613 | 40623 | 40642 | 40648 | 40671 | 40675 | 42108 | 42109 | 49918
        | 49919 | 49920 => (Lost, THROTTLED),
        // No transaction to commit or to leave: what became of it, only the cursors say.
        3902 | 3903 => (
            Lost,
            "The transaction was ended by something else: see the triggers of \
                               the tables; keepstep looks what became of it.",
        ),
        // Damage.
        605 | 823 | 824 | 825 | 832 | 3624 | 8966 => {
            (Person, "The server reports damaged data: see its log, and restore from a backup.")
        }
        _ => return None,
    })
}

/// Logins, databases and rights.
fn of_rights(number: u32) -> Option<(Group, &'static str)> {
    Some(match number {
        229 | 230 | 262 | 297 | 300 | 1088 | 2760 | 3704 | 15151 | 15247 => (Right, RIGHT),
        911 | 916 | 4060 | 4062 | 4063 | 4064 | 18452 | 18456 | 18461 | 18470 | 18486 | 18487
        | 18488 | 40532 | 40607 => (Right, LOGIN),
        40615 | 40914 | 47073 => (Right, FIREWALL),
        _ => return None,
    })
}

/// Locks, memory, room.
fn of_load(number: u32) -> Option<(Group, &'static str)> {
    Some(match number {
        1205 => (Again, "A deadlock with somebody else's transaction; keepstep tries again."),
        1222 => (
            Again,
            "Somebody else holds a lock for long: end what locks the table; keepstep tries again.",
        ),
        // 601, 617, 669, 2801: something moved under the statement. 3960, 3961, 3966: a conflict of
        // snapshots. 8628, 8645, 8651: no memory for the query in time. 13535: a clock that went
        // back under a temporal table. 41301 to 41325, 41839: memory-optimized tables.
        601 | 617 | 669 | 1203 | 1215 | 1216 | 1221 | 2801 | 3935 | 3947 | 3948 | 3950 | 3953
        | 3957 | 3960 | 3961 | 3966 | 8628 | 8645 | 8651 | 13535 | 41301 | 41302 | 41305
        | 41325 | 41839 => (Again, WAIT),
        // Log, filegroup, database, tempdb.
        1101 | 1104 | 1105 | 3958 | 9002 | 40544 | 41823 | 41840 => (Again, FULL),
        701 | 802 | 8902 => (Again, "The server lacks memory: see its load."),
        1204 | 40549 | 40550 | 40551 | 40552 | 40553 => (Again, SMALLER),
        _ => return None,
    })
}

/// What a record's values can meet.
fn of_values(number: u32) -> Option<(Group, &'static str)> {
    Some(match number {
        // Longer than the column.
        2628 | 8152 => (Record, VALUE),
        // Beyond the type.
        220 | 232 | 517 | 535 | 1007 | 8115 | 8134 => (Record, VALUE),
        // Not convertible.
        241 | 242 | 244 | 245 | 248 | 293 | 295 | 296 | 8114 | 8169 | 9807 => (Record, VALUE),
        // XML that cannot be read; a spatial or CLR type that refuses it.
        6522 | 9400..=9470 => (Record, VALUE),
        // NULL where none may be.
        515 => (Record, CONSTRAINT),
        // CHECK, foreign key; CHECK OPTION of a view; unique key and unique index; a predicate of
        // row-level security; a graph's edge.
        547 | 550 | 2601 | 2627 | 33504 => (Record, CONSTRAINT),
        // 511, 1946: larger than a page, or than an index takes. 7139: than replication takes.
        511 | 1946 | 7139 => {
            (Record, "The row is larger than a page of SQL Server, or a value than an index takes.")
        }
        // A row that the bulk load cannot take.
        4804 | 4815 | 4816 | 4863..=4867 => (Record, VALUE),
        // 512: a subquery of a trigger. 3609, 3616, 3930, 3998: it ended or doomed the transaction.
        512 | 3609 | 3616 | 3930 | 3998 => (Record, TRIGGER),
        _ => return None,
    })
}

/// What a table's shape can be.
fn of_tables(number: u32) -> Option<(Group, &'static str)> {
    Some(match number {
        // No such column, object, or as many columns; a name that is bound to nothing.
        207 | 208 | 213 | 2812 | 4104 | 4121 | 4413 | 4502 | 4701 | 4902 => (Table, OTHER_SHAPE),
        // Another type than ours; a column that takes no values.
        206 | 257 | 260 | 271 | 272 | 273 | 402 | 529 | 544 | 8101 | 8102 | 8116 | 13536
        | 13537 => (Table, OTHER_SHAPE),
        // Collations that do not meet; a column too many, a row too wide.
        446 | 451 | 457 | 468 | 1701 | 1702 => {
            (Table, "The table's collation or width is in the way: run `keepstep check`.")
        }
        // A view or table that takes no changes; a disabled index.
        4403 | 4404 | 4405 | 4406 | 4416 | 4418 | 4420 | 8197 | 8655 | 35379 => (
            Table,
            "The table takes no changes as it is: a view, or with an index that is disabled.",
        ),
        // Session settings that an indexed view or computed column wants.
        1934 | 1935 => (
            Table,
            "An index of the table wants other session settings than keepstep's: rebuild it with \
             the defaults of SQL Server.",
        ),
        // Syntax: a statement that this server cannot read. 137: a variable that is not there. 8003,
        // 8009: parameters. 8672: one row changed twice by one statement.
        102 | 105 | 137 | 156 | 170 | 195 | 319 | 8003 | 8009 | 8672 => {
            (Person, "Report it: the server cannot read a statement of keepstep's.")
        }
        _ => return None,
    })
}

/// Numbers that are not SQL Server's own.
fn of_users(number: u32) -> Option<(Group, &'static str)> {
    match number {
        BABELFISH_UNKNOWN => Some((Record, "Babelfish says no more; see its log.")),
        // Numbers of messages have an end, too (sys.messages).
        FIRST_OF_USERS.. => Some((Record, TRIGGER)),
        _ => None,
    }
}

/// Whether the connection is of no more use after this number, whatever its class.
pub(super) fn needs_another_connection(number: u32) -> bool {
    of_connections(number).is_some()
}
