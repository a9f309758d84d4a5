//! Who is to blame for an error of a statement on a profile's table: a record, or the table.

use rusqlite::Connection;

use super::classify::{Class, STORED_VALUE, is_general, judge, named_column};
use super::statements::{self, ImageGuard};
use super::stop::Stop;
use crate::model::failure::{Cause, Rejection};
use crate::model::mapping::Mapping;
use crate::model::net_change::NetChange;

/// One change on its way into its table.
#[derive(Clone, Copy)]
pub(super) struct Blame<'a> {
    /// To look whether the table is as it should be.
    pub connection: &'a Connection,
    /// The table.
    pub mapping: &'a Mapping,
    /// The change.
    pub change: &'a NetChange,
}

impl Blame<'_> {
    /// Puts the blame for what SQLite said where it belongs; `column` is the one at hand.
    pub(super) fn put(self, stop: Stop, column: Option<u16>) -> Stop {
        let Stop::Database(error) = stop else {
            return stop;
        };
        let (entity, table) = (&self.mapping.entity, &self.mapping.table);
        let judged = judge(&error, "");
        let on_record = match judged.class {
            Class::Reject => true,
            // What is no fault of the table is one of its triggers, checks or computed columns,
            // which cannot cope with this record.
            Class::Table => is_general(&error) && self.table_is_whole(),
            // A version that keepstep cannot have written, in this record's row.
            Class::Fatal if judged.trouble.code == STORED_VALUE => true,
            Class::Retry | Class::Fatal => return Stop::Database(error),
        };
        if !on_record {
            return Stop::Table(entity.clone(), error);
        }
        let at_hand = column.map(|column| table.columns[usize::from(column)].name.as_str());
        let cause = Cause::Refused { code: judged.trouble.code };
        let rejection = match at_hand.or_else(|| named_column(&error, table)) {
            Some(column) => Rejection::in_column(column, cause),
            None => Rejection::of(cause),
        };
        Stop::rejected(entity, self.change, rejection)
    }

    /// Whether rows of this table can be written and deleted at all, as far as names go.
    fn table_is_whole(self) -> bool {
        let table = &self.mapping.table;
        let texts =
            [statements::image(table, ImageGuard::None), statements::delete_row(table, true)];
        texts.iter().all(|text| self.connection.prepare(text).is_ok())
    }
}
