//! What stands in a destination before a profile is activated, and what an activation would do.
//!
//! Answered by `Destination::survey`, for people who have a database already. Reading only: nothing
//! here, and nothing that answers it, may change anything.

use super::Trouble;
use crate::model::profile::ProfileId;
use crate::model::record::EntityName;

/// Rows that are counted one by one; of more, a database that has an estimate gives that.
pub const COUNTED_ROWS: u64 = 100_000;

/// How many rows a table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Exactly so many.
    Exactly(u64),
    /// About so many, as the database reckons, and more than [`COUNTED_ROWS`].
    About(u64),
}

/// A column that an activation would add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewColumn {
    /// Its name.
    pub name: String,
    /// Its type, as the database spells it.
    pub column_type: String,
}

/// A column that an activation would widen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Widening {
    /// Its name.
    pub name: String,
    /// Its type now, as the database spells it.
    pub from: String,
    /// Its type then.
    pub to: String,
}

/// One entity's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSurvey {
    /// The entity.
    pub entity: EntityName,
    /// The table's name in full, as the database writes it.
    pub table: String,
    /// How many rows it has; `None` if there is no such table, or it is no table.
    pub rows: Option<Rows>,
    /// Columns that fit as they are, the key among them.
    pub fits: usize,
    /// Columns that would be added; empty where the table would be made.
    pub missing: Vec<NewColumn>,
    /// Columns that would be widened.
    pub narrow: Vec<Widening>,
    /// Columns that no attribute has. Nothing would be done to them.
    pub left_over: Vec<String>,
    /// Profile and entity to which the table is bound already.
    pub bound_to: Option<(ProfileId, EntityName)>,
    /// What keeps the entity from being written: all of it, not only the first.
    pub in_the_way: Vec<Trouble>,
}

impl TableSurvey {
    /// A table of which nothing is known yet.
    pub(super) fn of(entity: &EntityName, table: String) -> Self {
        Self {
            entity: entity.clone(),
            table,
            rows: None,
            fits: 0,
            missing: Vec::new(),
            narrow: Vec::new(),
            left_over: Vec::new(),
            bound_to: None,
            in_the_way: Vec::new(),
        }
    }
}
