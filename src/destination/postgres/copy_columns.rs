//! Which columns of a staging table a COPY fills.
//!
//! A wide table's batch leaves most columns null; those that no change of the batch fills are left
//! out. The set of a staging table only ever grows, so that it settles after a few batches and one
//! prepared COPY serves from then on. Pure.

use super::ddl;

/// Columns of a staging table beside the cells: what the statements need to know of a change.
pub(super) const CONTROL: &[(&str, &str)] = &[
    ("kind", "smallint"),
    ("id", "uuid"),
    ("version", "bigint"),
    ("guard", "bigint"),
    ("record_offset", "bigint"),
    ("present", "bytea"),
    ("versions", "bigint[]"),
];

/// Name of the staging column of a table's column; by number, so that no name of the source meets
/// one of ours.
pub(super) fn cell_name(column: usize) -> String {
    format!("c{column}")
}

/// The columns that a COPY fills. `kind` and `id` are always among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CopyColumns {
    /// The version of the row afterwards; for a delete its own.
    pub version: bool,
    /// The version that an image with patches merged in is guarded by.
    pub guard: bool,
    /// Where on the log a delete lies.
    pub record_offset: bool,
    /// Which columns a patch names, a bit each.
    pub present: bool,
    /// Version of each of a patch's cells.
    pub versions: bool,
    /// The table's columns, ascending.
    pub cells: Vec<u16>,
}

impl CopyColumns {
    /// Whether a COPY of these columns can carry what `needed` asks for.
    pub(super) fn covers(&self, needed: &Self) -> bool {
        self.union(needed) == *self
    }

    /// The columns of both.
    pub(super) fn union(&self, other: &Self) -> Self {
        let mut cells: Vec<u16> = self.cells.iter().chain(&other.cells).copied().collect();
        cells.sort_unstable();
        cells.dedup();
        Self {
            version: self.version || other.version,
            guard: self.guard || other.guard,
            record_offset: self.record_offset || other.record_offset,
            present: self.present || other.present,
            versions: self.versions || other.versions,
            cells,
        }
    }

    /// Number of columns.
    pub(super) fn count(&self) -> usize {
        let optional = [self.version, self.guard, self.record_offset, self.present, self.versions];
        2 + optional.iter().filter(|there| **there).count() + self.cells.len()
    }

    /// The COPY statement, in the order in which `encode` writes.
    pub(super) fn copy_statement(&self, staging: &str) -> String {
        let mut names = vec!["kind".to_owned(), "id".to_owned()];
        let optional = [
            (self.version, "version"),
            (self.guard, "guard"),
            (self.record_offset, "record_offset"),
            (self.present, "present"),
            (self.versions, "versions"),
        ];
        names.extend(
            optional.iter().filter(|(there, _)| *there).map(|(_, name)| (*name).to_owned()),
        );
        names.extend(self.cells.iter().map(|column| cell_name(usize::from(*column))));
        format!(
            "COPY {} ({}) FROM STDIN (FORMAT binary)",
            ddl::in_session(staging),
            names.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_only_grows() {
        let narrow = CopyColumns { version: true, cells: vec![1, 5], ..CopyColumns::default() };
        let other = CopyColumns { present: true, cells: vec![0, 5], ..CopyColumns::default() };
        assert!(!narrow.covers(&other));
        let both = narrow.union(&other);
        assert!(both.covers(&narrow) && both.covers(&other));
        assert_eq!(both.cells, [0, 1, 5]);
        assert_eq!(both.count(), 7);
    }
}
