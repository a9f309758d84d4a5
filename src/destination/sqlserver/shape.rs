//! What the changes of one table ask of SQL Server, seen before anything is sent.
//!
//! Beside what every database asks: which columns the staging table needs, in which order the
//! server compares ids, and which times no `datetime` holds. Pure.

use super::staging::StagedColumns;
use crate::destination::RejectedRecord;
use crate::destination::shape::{Parts, PatchFlavour, Watch, in_order};
use crate::model::batch::TableBatch;
use crate::model::cell::Cell;
use crate::model::failure::{Cause, Rejection};
use crate::model::record::RecordId;
use crate::model::value::Ticks;

/// The first millisecond of `datetime`, 1753-01-01, in ms since 1970.
/// Source: SQL Server documentation, "datetime (Transact-SQL)".
const FIRST_MS: i64 = -6_847_804_800_000;
/// The last that is not rounded beyond it, 9999-12-31 23:59:59.998, in ms since 1970: the next is
/// nearer to the year 10000 than to .997, the last of `datetime`.
const LAST_MS: i64 = 253_402_300_799_998;

/// What the changes of one table have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// What they consist of.
    pub parts: Parts,
    /// What is staged of them.
    pub columns: StagedColumns,
    /// The changes in the order in which the server compares their ids.
    pub order: Vec<u32>,
    /// Records with a time that no `datetime` holds.
    pub refused: Vec<RejectedRecord>,
}

impl Shape {
    /// Looks at every cell once.
    pub(super) fn of(table: &TableBatch) -> Self {
        let mut times = Times { table, change: 0, refused: Vec::new() };
        let parts = Parts::of(table, &mut times);
        let flavour = parts.flavour();
        let columns = StagedColumns {
            version: table.mapping.versioned,
            guard: parts.merged > 0,
            record_offset: parts.deletes > 0,
            present: flavour == Some(PatchFlavour::Sparse),
            versions: flavour == Some(PatchFlavour::Layered),
            cells: parts.filled.clone(),
        };
        let refused = times.refused;
        Self { parts, columns, order: in_order(table, in_server_order), refused }
    }
}

/// An id as the server compares `uniqueidentifier`: the last group first, then the others from
/// behind, of the first three the bytes from behind, too.
/// Source: SQL Server documentation, "Comparing GUID and uniqueidentifier values".
fn in_server_order(RecordId(id): RecordId) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = id.into_bytes();
    [k, l, m, n, o, p, i, j, h, g, f, e, d, c, b, a]
}

/// Whether a `datetime` holds it.
fn is_datetime(ticks: Ticks) -> bool {
    (FIRST_MS..=LAST_MS).contains(&ticks.to_unix_ms())
}

/// Looks at times.
struct Times<'a> {
    table: &'a TableBatch,
    change: usize,
    refused: Vec<RejectedRecord>,
}

impl Watch for Times<'_> {
    fn row(&mut self, change: usize) {
        self.change = change;
    }

    fn cell(&mut self, column: u16, cell: &Cell) {
        let Cell::Timestamp(ticks) = cell else { return };
        if is_datetime(*ticks) {
            return;
        }
        let record_id = Some(self.table.changes[self.change].record_id);
        // One cause per record is enough.
        if self.refused.last().is_some_and(|last| last.record_id == record_id) {
            return;
        }
        let mapping = &self.table.mapping;
        let name = &mapping.table.columns[usize::from(column)].name;
        let rejection = Rejection::in_column(name, Cause::TimeOutOfRange);
        let entity = Some(mapping.entity.clone());
        self.refused.push(RejectedRecord { entity, record_id, rejection });
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::model::instant_text::parse_instant;

    #[test]
    fn ids_are_compared_as_the_server_does() {
        // Ascending, as documented: the bytes count in the order 10 to 15, 8, 9, 7, 6, 5, 4, 3 to 0.
        let ids = [
            "01000000-0000-0000-0000-000000000000",
            "00000001-0000-0000-0000-000000000000",
            "00000000-0100-0000-0000-000000000000",
            "00000000-0001-0000-0000-000000000000",
            "00000000-0000-0100-0000-000000000000",
            "00000000-0000-0001-0000-000000000000",
            "00000000-0000-0000-0001-000000000000",
            "00000000-0000-0000-0100-000000000000",
            "00000000-0000-0000-0000-000000000001",
            "00000000-0000-0000-0000-010000000000",
        ];
        let keys: Vec<_> =
            ids.iter().map(|id| in_server_order(RecordId(Uuid::parse_str(id).unwrap()))).collect();
        assert!(keys.is_sorted(), "{keys:?}");
    }

    #[test]
    fn the_years_of_datetime() {
        for (text, fits) in [
            ("1752-12-31T23:59:59.999Z", false),
            ("1753-01-01T00:00:00Z", true),
            ("9999-12-31T23:59:59.998Z", true),
            ("9999-12-31T23:59:59.999Z", false),
        ] {
            assert_eq!(is_datetime(parse_instant(text).unwrap()), fits, "{text}");
        }
    }
}
