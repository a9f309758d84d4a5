//! Text of the statements of patches: they change the columns that they name, where there is a row.
//!
//! Pure, and pinned by golden files with the others of the table.

use super::{
    ANSWER, BY_KEY, ColumnType, KIND_BASED_PATCH, KIND_PATCH, NO_BASE, NO_VERSION, NOW, Parameters,
    PatchFlavour, Patches, SINK_MODIFIED_ON, Source, TableStatements, VERSION_NUMBER, cell_name,
    count, quote, row_not_newer,
};

impl TableStatements<'_> {
    pub(super) fn patch(&self, patches: &Patches) -> String {
        let mut set = vec![format!("{} = {NOW}", quote::name(SINK_MODIFIED_ON))];
        let named = |at: usize| patches.columns.iter().position(|named| usize::from(*named) == at);
        for at in 0..self.work.table.columns.len() {
            let column = self.column(at);
            match named(at) {
                Some(place) => {
                    set.push(format!("{column} = {}", self.patched(patches.flavour, at, place)));
                }
                None if self.mutations.patch_as_image() => set.push(format!("{column} = NULL")),
                None => {}
            }
        }
        if self.work.versioned {
            set.push(format!("{} = s.version", quote::name(VERSION_NUMBER)));
        }
        format!("UPDATE t SET {} {} {BY_KEY}", set.join(", "), self.patched_rows())
    }

    /// The staged patches that change a row, from the FROM on.
    fn patched_rows(&self) -> Source {
        let guard = match self.guarded() {
            true => format!(" AND {}", row_not_newer("< s.version")),
            false => String::new(),
        };
        let kinds = format!("s.kind IN ({KIND_PATCH}, {KIND_BASED_PATCH})");
        Source { from: self.joined(), condition: format!("{kinds}{}{guard}", self.alive("t")) }
    }

    /// Staged texts that are longer than their columns, of rows that are written: the record, the
    /// number of the table's column, the text's bytes and the column's. Blanks at the end are no
    /// part of a text that is too long. `None` where there are no texts. What is merged of patches
    /// of several versions is left out: of its cells some may be older than the row.
    pub(in super::super) fn too_long(&self) -> Option<String> {
        let parts = &self.work.shape.parts;
        let full_name = quote::text(&self.table());
        let texts: Vec<String> = (self.work.staged.cells.iter())
            .filter(|at| matches!(self.column_type(usize::from(**at)), ColumnType::Text { .. }))
            .map(|at| {
                let column = quote::text(&self.work.table.columns[usize::from(*at)].name);
                let cell = cell_name(*at);
                format!("({at}, CAST(DATALENGTH(RTRIM(s.{cell})) AS int), CAST(COL_LENGTH({full_name}, {column}) AS int))")
            })
            .collect();
        let mut sources = Vec::new();
        if parts.images + parts.merged > 0 {
            sources.extend([self.updated(), self.inserted()]);
        }
        if parts.flavour().is_some_and(|flavour| flavour != PatchFlavour::Layered) {
            sources.push(self.patched_rows());
        }
        let of_source = |Source { from, condition }: &Source| {
            format!(
                "SELECT s.id, v.place, v.bytes, v.most FROM {from} CROSS APPLY (VALUES {}) AS v (place, bytes, most) WHERE {condition} AND v.most > 0 AND v.bytes > v.most",
                texts.join(", "),
            )
        };
        let selects: Vec<String> = sources.iter().map(of_source).collect();
        (!texts.is_empty() && !selects.is_empty()).then(|| selects.join("\nUNION ALL\n"))
    }

    /// The staged patches that have neither row nor tombstone, from the FROM on.
    fn without_base(&self) -> String {
        format!(
            "FROM {} AS s WHERE s.kind = {KIND_PATCH} AND NOT {} AND NOT {}",
            self.work.staging,
            self.row_exists(),
            self.any_tombstone(),
        )
    }

    /// The records whose patch has neither row nor tombstone.
    pub(in super::super) fn records_without_base(&self) -> String {
        format!("SELECT s.id {}", self.without_base())
    }

    /// Gives up if a patch has neither row nor tombstone; looks only if not all applied. A patch
    /// merged into an image has its effect by the one or the other, never by both, so with such
    /// ones everything that was written is counted.
    pub(super) fn look_for_bases(
        &self,
        patches: &Patches,
        patched: usize,
        images: Option<[usize; 2]>,
        parameters: &mut Parameters,
    ) -> String {
        let parts = &self.work.shape.parts;
        let (applied, all) = match images {
            Some([updated, inserted]) if parts.merged > 0 && self.guarded() => (
                [updated, inserted, patched].map(count).join(" + "),
                parts.images + parts.merged + patches.alone,
            ),
            _ => (count(patched), patches.alone + patches.based),
        };
        let all = parameters.add(i64::try_from(all).unwrap_or(i64::MAX));
        format!(
            "IF {applied} < {all} AND EXISTS (SELECT 1 {})\nBEGIN ROLLBACK TRANSACTION; SELECT N'{NO_BASE}' AS {ANSWER}, {}; RETURN; END",
            self.without_base(),
            self.at,
        )
    }

    /// The value of a patched column: the staged cell, or the row's where the patch does not
    /// name the column or is older in it.
    fn patched(&self, flavour: PatchFlavour, at: usize, place: usize) -> String {
        let (column, mut cell) = (self.column(at), self.cell(at));
        let version = |place: usize| {
            let bytes = format!("SUBSTRING(s.versions, {}, 8)", 8 * place + 1);
            format!("CAST(CAST({bytes} AS binary(8)) AS bigint)")
        };
        let counts = match flavour {
            PatchFlavour::Uniform => return cell,
            PatchFlavour::Sparse => format!("SUBSTRING(s.present, {}, 1) = 0x01", place + 1),
            PatchFlavour::Layered if self.guarded() => format!(
                "{} > COALESCE(t.{}, {NO_VERSION})",
                version(place),
                quote::name(VERSION_NUMBER)
            ),
            PatchFlavour::Layered => format!("{} > {NO_VERSION}", version(place)),
        };
        if cell != "NULL" && matches!(self.column_type(at), ColumnType::Text { .. }) {
            // The column may have another collation than the database.
            cell.push_str(" COLLATE DATABASE_DEFAULT");
        }
        format!("CASE WHEN {counts} THEN {cell} ELSE t.{column} END")
    }
}
