//! What a profile wants beside the tables of its entities, and what it does with tables that are
//! there already.
//!
//! The layout is that of Data Export Service databases: up to six metadata tables with the labels
//! of choices, and a log of deletes, all in the profile's schema and under its prefix. Pure.

use compact_str::{CompactString, format_compact};

/// Name of the log of deletes, without a prefix.
pub const DELETE_LOG: &str = "DeleteLog";
/// When a row that is kept after its delete was deleted; null for a live row.
pub const SINK_DELETED_ON: &str = "SinkDeletedOn";

/// What stands beside the tables of the entities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Database schema of all tables of the profile.
    pub schema: CompactString,
    /// Prefix of their names.
    pub prefix: Option<CompactString>,
    /// Whether there are metadata tables, filled from the entity definitions, and where the
    /// database has such things, the table types and procedures that clean-up scripts look for.
    pub metadata: bool,
    /// Whether each delete that takes a row away is noted in [`DELETE_LOG`].
    pub delete_log: bool,
}

impl Layout {
    /// The tables of the entities alone.
    pub fn plain(schema: &str, prefix: Option<&str>) -> Self {
        Self {
            schema: CompactString::new(schema),
            prefix: prefix.map(CompactString::new),
            metadata: false,
            delete_log: false,
        }
    }

    /// A name with the prefix: `<prefix>_<name>`, without a prefix no underscore.
    pub fn name(&self, name: &str) -> CompactString {
        prefixed(self.prefix.as_deref(), name)
    }
}

/// A name with a prefix: `<prefix>_<name>`, without a prefix no underscore.
pub fn prefixed(prefix: Option<&str>, name: &str) -> CompactString {
    match prefix {
        Some(prefix) => format_compact!("{prefix}_{name}"),
        None => CompactString::new(name),
    }
}

/// What a delete leaves behind beside its tombstone.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Deletes {
    /// The log of deletes that gets a line for each row that goes: its table's name, prefix
    /// included, in the schema of the entity's table.
    pub logged_in: Option<CompactString>,
    /// Whether the row stays, marked with the time in [`SINK_DELETED_ON`].
    pub keep_row: bool,
}

/// How far columns that are there may be widened, to take what their attributes bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Widen {
    /// As far as the database can.
    #[default]
    All,
    /// Texts alone: a number of another size or scale makes a database write every row anew.
    Texts,
    /// Not at all.
    Nothing,
}

/// What an activation does with a table that is there already, holds rows, and was not filled by
/// this profile. An empty one that fits is always used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Existing {
    /// It stands in the way, and nothing is done to it.
    #[default]
    Refuse,
    /// Its rows stay, and are kept in step from now on.
    Adopt,
    /// Its rows go, once, in the transaction that binds the table to the profile.
    Truncate,
}
