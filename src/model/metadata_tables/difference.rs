//! What must change so that the rows of a table's owners are the wanted ones.

use std::collections::HashMap;

use super::{MetadataRow, MetadataTable};
use crate::model::cell::Cell;

/// Rows to take away, then rows to put in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// Keys of rows that are no longer wanted, or not as they are; each once.
    pub delete: Vec<Vec<Cell>>,
    /// Rows that are missing, in the order in which they are wanted.
    pub insert: Vec<MetadataRow>,
}

impl Difference {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.delete.is_empty() && self.insert.is_empty()
    }
}

/// Compares the rows that are wanted of some owners with all rows that they have. Rows that agree
/// stay as they are; of several with one key, which a table with an identity allows, none does.
pub fn difference(
    table: &MetadataTable,
    wanted: &[MetadataRow],
    found: &[MetadataRow],
) -> Difference {
    let key_of = |row: &MetadataRow| row[..table.key_columns.min(row.len())].to_vec();
    let mut there: HashMap<Vec<Cell>, Option<&MetadataRow>> = HashMap::new();
    for row in found {
        there.entry(key_of(row)).and_modify(|one| *one = None).or_insert(Some(row));
    }
    let mut insert = Vec::new();
    for row in wanted {
        let key = key_of(row);
        if there.get(&key).is_some_and(|same| *same == Some(row)) {
            there.remove(&key);
        } else {
            insert.push(row.clone());
        }
    }
    // In the order in which they were found, so that the same case does the same.
    let mut delete = Vec::new();
    for row in found {
        let key = key_of(row);
        if there.remove(&key).is_some() {
            delete.push(key);
        }
    }
    Difference { delete, insert }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::metadata_tables::TARGET;

    fn row(attribute: &str, entity: &str, key: Option<&str>) -> MetadataRow {
        let text = |text: &str| Cell::Text(text.into());
        vec![text("account"), text(attribute), text(entity), key.map_or(Cell::Null, text)]
    }

    #[test]
    fn only_what_differs_changes() {
        let wanted = [row("a", "x", Some("xid")), row("b", "y", Some("yid")), row("c", "z", None)];
        assert!(difference(&TARGET, &wanted, &wanted).is_empty());
        assert_eq!(difference(&TARGET, &wanted, &[]).insert, wanted);
        let found = [row("b", "y", None), row("a", "x", Some("xid")), row("d", "x", None)];
        let found = difference(&TARGET, &wanted, &found);
        assert_eq!(
            found.delete,
            [row("b", "y", None)[..3].to_vec(), row("d", "x", None)[..3].to_vec()]
        );
        assert_eq!(found.insert, [wanted[1].clone(), wanted[2].clone()]);
    }

    #[test]
    fn what_stands_twice_becomes_one() {
        let wanted = [row("a", "x", None)];
        let found = [wanted[0].clone(), wanted[0].clone()];
        let found = difference(&TARGET, &wanted, &found);
        assert_eq!((found.delete.len(), found.insert.len()), (1, 1));
    }
}
