//! Whether a column that is there can take what its attribute brings, and what to do if not.
//!
//! Promises: a column is only ever widened, never narrowed, never dropped, and never given another
//! type that could read old values differently; every dialect decides alike. The bounds: texts to
//! unbounded, whole numbers from 32 to 64 bits, decimals to 38 digits. Pure: a dialect says what it
//! found, asks, and writes what is answered.

use super::{LeftOver, Trouble};
use crate::model::layout::{SINK_DELETED_ON, Widen};
use crate::model::record::EntityName;
use crate::model::table::{
    Column, ColumnType, ID, SINK_CREATED_ON, SINK_MODIFIED_ON, Table, VERSION_NUMBER,
};

/// Most digits of a decimal column.
pub const MOST_DIGITS: u8 = 38;

/// The type of a column that is there, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundType {
    /// A GUID.
    Guid,
    /// Text of at most so many units (or more of them than UTF-16 units); `None` is unbounded.
    Text {
        /// Longest text.
        max_units: Option<u32>,
    },
    /// 32-bit whole number.
    Integer,
    /// 64-bit whole number.
    Long,
    /// Yes or no.
    Boolean,
    /// A moment, as finely as the dialect's layout asks.
    Timestamp,
    /// Exact decimal.
    Decimal {
        /// Digits in all; `None` for as many as there are, on both sides of the point.
        digits: Option<u8>,
        /// Digits after the point.
        scale: u8,
    },
    /// A type that takes every value as it is.
    Anything,
    /// Any other.
    Other,
}

/// What to do about a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Nothing: it takes the values. (Of a number with more digits before the point than a column
    /// of more digits after it leaves room for, the database rejects that record alone.)
    Fits,
    /// It becomes this type, which holds all that it held.
    Widen(ColumnType),
    /// It would have to become this type, and the profile does not allow it.
    Narrow(ColumnType),
    /// It cannot become what it must be without changing what is in it.
    Misfit,
}

impl Fit {
    /// What of it the profile allows.
    pub fn within(self, widen: Widen) -> Self {
        match (self, widen) {
            (Self::Widen(to), Widen::Nothing) => Self::Narrow(to),
            (Self::Widen(to), Widen::Texts) if !matches!(to, ColumnType::Text { .. }) => {
                Self::Narrow(to)
            }
            (fit, _) => fit,
        }
    }
}

/// What to do about a column of type `found` that must take values of type `wanted`.
///
/// A scale that grows takes digits from before the point: a value that has them makes the database
/// refuse the change of type, and nothing is lost.
pub fn fit(wanted: ColumnType, found: FoundType) -> Fit {
    match (wanted, found) {
        (_, FoundType::Anything)
        | (ColumnType::Guid, FoundType::Guid)
        | (ColumnType::Boolean, FoundType::Boolean)
        | (ColumnType::Timestamp, FoundType::Timestamp)
        | (ColumnType::Integer, FoundType::Integer | FoundType::Long)
        | (ColumnType::Long, FoundType::Long)
        | (ColumnType::Text { .. }, FoundType::Text { max_units: None }) => Fit::Fits,
        (ColumnType::Long, FoundType::Integer) => Fit::Widen(wanted),
        (ColumnType::Text { max_units }, FoundType::Text { max_units: Some(there) }) => {
            if max_units.is_some_and(|units| units <= there) {
                Fit::Fits
            } else {
                Fit::Widen(wanted)
            }
        }
        (ColumnType::Decimal { scale }, FoundType::Decimal { digits, scale: there }) => {
            match digits {
                None => Fit::Fits,
                Some(digits) if there >= scale && digits >= MOST_DIGITS => Fit::Fits,
                Some(digits) if digits > MOST_DIGITS || there > digits => Fit::Misfit,
                Some(_) => Fit::Widen(ColumnType::Decimal { scale: scale.max(there) }),
            }
        }
        _ => Fit::Misfit,
    }
}

/// The columns of a table that belong to no attribute; `None` if there are none. `same` compares
/// names as the database does.
pub fn left_over<'a>(
    entity: &EntityName,
    table: &Table,
    found: impl Iterator<Item = &'a str>,
    same: impl Fn(&str, &str) -> bool,
) -> Option<LeftOver> {
    let system = [ID, SINK_CREATED_ON, SINK_MODIFIED_ON, VERSION_NUMBER];
    let known = |name: &str| {
        let mut columns = table.columns.iter().map(|column| column.name.as_str());
        columns.any(|column| same(column, name))
            || system.iter().any(|column| same(column, name))
            || (table.deletes.keep_row && same(SINK_DELETED_ON, name))
    };
    let columns: Vec<String> = found.filter(|name| !known(name)).map(str::to_owned).collect();
    (!columns.is_empty()).then(|| LeftOver { entity: entity.clone(), columns })
}

/// The column as it must become to take what it must; `None` if nothing is to be done, or allowed.
pub fn wider(column: Column, found: FoundType, widen: Widen) -> Option<Column> {
    match fit(column.column_type, found).within(widen) {
        Fit::Widen(column_type) => Some(Column { column_type, ..column }),
        Fit::Fits | Fit::Narrow(_) | Fit::Misfit => None,
    }
}

/// A column that is there, in the words of its dialect: names quoted, its type as it is spelt.
pub struct Spelt<'a> {
    /// The table.
    pub table: &'a str,
    /// The column.
    pub column: &'a str,
    /// The type that it has.
    pub found: &'a str,
}

/// Why a column cannot take what it must; `None` if it can, or will be widened. `type_text` spells
/// a type, `statement` what gives the column another one.
pub fn unfit(
    (column, found): (&Column, FoundType),
    widen: Widen,
    spelt: &Spelt<'_>,
    type_text: impl FnOnce(ColumnType) -> String,
    statement: impl FnOnce(Column) -> String,
) -> Option<Trouble> {
    match fit(column.column_type, found).within(widen) {
        Fit::Fits | Fit::Widen(_) => None,
        Fit::Misfit => Some(misfit(spelt, &type_text(column.column_type))),
        Fit::Narrow(column_type) => {
            Some(narrow(spelt, &statement(Column { column_type, ..column.clone() })))
        }
    }
}

/// The trouble of a column that cannot become what it must be.
fn misfit(Spelt { table, column, found }: &Spelt<'_>, wanted: &str) -> Trouble {
    Trouble {
        what: format!("writing to column {column} of table {table}, of type {found}"),
        code: "column_type".into(),
        hint: format!(
            "It must hold {wanted}, and becoming that could change what is in it: change it by \
             hand, rename it so that a new one is made, or name another schema or prefix."
        ),
    }
}

/// The trouble of a column that may not be widened; `statement` would do it.
fn narrow(Spelt { table, column, found }: &Spelt<'_>, statement: &str) -> Trouble {
    Trouble {
        what: format!("writing to column {column} of table {table}, of type {found}"),
        code: "column_narrow".into(),
        hint: format!(
            "It is too narrow, and `widen` of the profile does not let keepstep change it: let the \
             table's owner run {statement}; or allow it."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn decimal(digits: u8, scale: u8) -> FoundType {
        FoundType::Decimal { digits: Some(digits), scale }
    }

    const fn text(units: u32) -> ColumnType {
        ColumnType::Text { max_units: Some(units) }
    }

    const fn found_text(units: u32) -> FoundType {
        FoundType::Text { max_units: Some(units) }
    }

    const LONG_TEXT: ColumnType = ColumnType::Text { max_units: None };
    const TWO: ColumnType = ColumnType::Decimal { scale: 2 };
    const FOUR: ColumnType = ColumnType::Decimal { scale: 4 };

    #[test]
    fn a_profile_says_how_far() {
        let [text, number] = [text(100), ColumnType::Long].map(Fit::Widen);
        assert_eq!([text, number].map(|fit| fit.within(Widen::All)), [text, number]);
        let narrow = Fit::Narrow(ColumnType::Long);
        assert_eq!([text, number].map(|fit| fit.within(Widen::Texts)), [text, narrow]);
        let narrow = [self::text(100), ColumnType::Long].map(Fit::Narrow);
        assert_eq!([text, number].map(|fit| fit.within(Widen::Nothing)), narrow);
        for fit in [Fit::Fits, Fit::Misfit] {
            assert_eq!(fit.within(Widen::Nothing), fit);
        }
    }

    #[test]
    fn columns_are_widened_and_never_narrowed() {
        for (wanted, found, expected) in [
            (text(100), found_text(100), Fit::Fits),
            (text(100), found_text(200), Fit::Fits),
            (text(100), FoundType::Text { max_units: None }, Fit::Fits),
            (text(100), found_text(99), Fit::Widen(text(100))),
            (LONG_TEXT, found_text(4_000), Fit::Widen(LONG_TEXT)),
            (ColumnType::Long, FoundType::Integer, Fit::Widen(ColumnType::Long)),
            (ColumnType::Integer, FoundType::Long, Fit::Fits),
            (TWO, decimal(38, 2), Fit::Fits),
            (TWO, decimal(38, 4), Fit::Fits),
            (FOUR, decimal(38, 2), Fit::Widen(FOUR)),
            (TWO, decimal(20, 2), Fit::Widen(TWO)),
            // What stands after the point stays.
            (TWO, decimal(20, 4), Fit::Widen(FOUR)),
            (FOUR, decimal(20, 2), Fit::Widen(FOUR)),
            (TWO, decimal(40, 4), Fit::Fits),
            (FOUR, decimal(40, 2), Fit::Misfit),
            (TWO, FoundType::Decimal { digits: None, scale: 0 }, Fit::Fits),
        ] {
            assert_eq!(fit(wanted, found), expected, "{wanted:?} into {found:?}");
        }
    }

    #[test]
    fn other_types_do_not_fit() {
        let types = [
            (ColumnType::Guid, FoundType::Guid),
            (ColumnType::Boolean, FoundType::Boolean),
            (ColumnType::Timestamp, FoundType::Timestamp),
            (text(10), found_text(10)),
            (ColumnType::Integer, FoundType::Integer),
            (TWO, decimal(38, 2)),
        ];
        for (at, (wanted, own)) in types.into_iter().enumerate() {
            assert_eq!(fit(wanted, own), Fit::Fits);
            assert_eq!(fit(wanted, FoundType::Anything), Fit::Fits);
            assert_eq!(fit(wanted, FoundType::Other), Fit::Misfit);
            for (other, (_, found)) in types.into_iter().enumerate() {
                if other != at {
                    assert_eq!(fit(wanted, found), Fit::Misfit, "{wanted:?} into {found:?}");
                }
            }
        }
    }

    #[test]
    fn columns_without_an_attribute_are_told() {
        let table = Table {
            schema: "dbo".into(),
            name: "account".into(),
            columns: vec![Column { name: "name".into(), column_type: text(10) }],
            deletes: Default::default(),
            widen: Widen::default(),
        };
        let account = EntityName::new("account");
        let over = |found: &[&str]| {
            left_over(&account, &table, found.iter().copied(), str::eq_ignore_ascii_case)
        };
        assert_eq!(over(&["id", "Name", "versionnumber", "SinkCreatedOn", "SinkModifiedOn"]), None);
        let found = over(&["Id", "fax", "name", "Telex"]).unwrap();
        assert_eq!(
            (found.entity.as_str(), found.columns),
            ("account", vec!["fax".into(), "Telex".into()])
        );
    }
}
