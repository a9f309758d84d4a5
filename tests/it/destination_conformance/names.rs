//! Names that would break out of a statement if they could, and names that are too long.

use std::sync::Arc;

use compact_str::CompactString;
use keepstep::destination::DestinationError;
use keepstep::model::entity::{AttributeKind, EntityDefinition};
use keepstep::model::mapping::{Mapping, UnknownAttribute};
use keepstep::model::record::EntityName;
use keepstep::model::table::Table;

use super::outcome::{Outcome, holds, refused, worked};
use super::scene::{self, Scene, attribute, text};
use super::serial_model::Model;

const HOSTILE: &[&str] = &[
    "select",
    "table",
    "order",
    "group",
    "user",
    "null",
    "rowid",
    "excluded",
    "t",
    "d",
    "r",
    "has space",
    " leading and trailing ",
    "double\"quote",
    "\"",
    "\"\"",
    "single'quote",
    "back`tick",
    "[bracket]",
    "]bracket[",
    "semi;colon",
    "comma,paren(s)",
    "x\"; DROP TABLE checkpoint; --",
    "-- comment",
    "/* comment */",
    "?1",
    "$1",
    ":name",
    "@name",
    "%s {} \\",
    "new\nline",
    "tab\tulator",
    "dot.dot",
    "äöü",
    "Ä",
    "名前",
    "имя",
    "😀",
    "e\u{301}",
    "1number",
    "123",
    "*",
    "",
];

fn mapping_of(
    schema: &str,
    prefix: Option<&str>,
    entity: &str,
    columns: &[String],
) -> Arc<Mapping> {
    let kind = || AttributeKind::Text { max_length: Some(100) };
    let definition = EntityDefinition {
        name: EntityName::new(entity),
        primary_id: CompactString::default(),
        intersect: None,
        attributes: columns.iter().map(|name| attribute(name, kind())).collect(),
    };
    let table = Table::of(&definition, schema, prefix);
    Arc::new(Mapping::new(&definition, table, true, UnknownAttribute::Stop))
}

/// A name of so many bytes, or the next shorter one of whole characters.
fn long_name(character: char, bytes: usize) -> String {
    std::iter::repeat_n(character, bytes.min(512) / character.len_utf8()).collect()
}

/// Writes, patches and deletes in one table and compares.
async fn works(scene: &Scene, mapping: &Arc<Mapping>) -> Outcome {
    works_filled(scene, mapping, 1).await
}

/// The same, with every so many columns filled.
async fn works_filled(scene: &Scene, mapping: &Arc<Mapping>, every: usize) -> Outcome {
    let what = format!("table {:?}.{:?}", mapping.table.schema, mapping.table.name);
    let mut lane = scene.lane(&scene::activation(&[mapping])).await?;
    let mut model = Model::new(mapping);
    let cells: Vec<_> = (0..mapping.table.columns.len())
        .step_by(every)
        .map(|at| (u16::try_from(at).unwrap_or(0), text(&format!("value {at}"))))
        .collect();
    let ids = [1, 2, 3].map(scene::record);
    let rounds = [
        ids.map(|id| scene::create(id, Some(1), &cells)).to_vec(),
        vec![
            scene::image(ids[0], Some(2), &cells[..1]),
            scene::patch(ids[1], Some(2), &cells[..1]),
            scene::delete(ids[2], Some(2)),
        ],
        ids.map(|id| scene::image(id, Some(1), &cells)).to_vec(),
    ];
    for changes in rounds {
        model.apply_all(&changes);
        worked(&what, lane.write(&scene::batch(mapping, changes)).await)?;
        model.is_in(&what, &*scene.database).await?;
    }
    Ok(())
}

/// One table with all hostile names as columns.
pub async fn hostile_columns(scene: Scene) -> Outcome {
    let mut columns: Vec<String> =
        HOSTILE.iter().filter(|name| !name.is_empty()).map(|name| (*name).to_owned()).collect();
    if scene.abilities.names_ignore_case {
        // `Ä` and `ä` stay two names where only ASCII letters are taken for one another.
        columns.sort_unstable();
        columns.dedup_by_key(|name| name.to_ascii_lowercase());
    }
    for character in ['x', 'ü', '名', '😀'] {
        columns.push(long_name(character, scene.abilities.longest_name_bytes));
    }
    works(&scene, &mapping_of("conformance", None, "hostile", &columns)).await
}

/// Hostile names for tables, entities, schemas and prefixes.
pub async fn hostile_tables(scene: Scene) -> Outcome {
    let columns = ["a".to_owned(), "b".to_owned()];
    for name in HOSTILE.iter().filter(|name| !name.is_empty()) {
        works(&scene, &mapping_of("conformance", None, name, &columns)).await?;
    }
    let long = long_name('ü', scene.abilities.longest_name_bytes);
    works(&scene, &mapping_of("conformance", None, &long, &columns)).await?;
    let names = ["x\"; DROP SCHEMA keepstep; --", "has space", "名前", "select"];
    for (number, name) in names.iter().enumerate() {
        // An entity each: a profile keeps an entity in one table.
        let entity = |place: &str| format!("{place}_{number}");
        works(&scene, &mapping_of(name, None, &entity("in_schema"), &columns)).await?;
        let prefixed = mapping_of("conformance", Some(name), &entity("prefixed"), &columns);
        works(&scene, &prefixed).await?;
    }
    // None of them did anything to the others, nor to the own tables.
    let star = mapping_of("conformance", None, "*", &columns);
    let columns = scene.database.columns(&star.table).await;
    holds("the columns are those of the layout", columns.is_empty() || columns.len() == 6)
}

/// One byte too long, or empty, is refused at activation and not cut.
pub async fn impossible_names_are_refused(scene: Scene) -> Outcome {
    let limit = scene.abilities.longest_name_bytes;
    let good = ["a".to_owned()];
    let mut wrong = vec![
        mapping_of("conformance", None, "empty_column", &[String::new()]),
        mapping_of("conformance", None, "nul_column", &["a\0b".to_owned()]),
    ];
    if limit < usize::MAX {
        let long = "x".repeat(limit + 1);
        wrong.push(mapping_of("conformance", None, &long, &good));
        wrong.push(mapping_of("conformance", None, "long_column", &[long]));
    }
    for column in ["Id", "SinkCreatedOn", "SinkModifiedOn"] {
        wrong.push(mapping_of("conformance", None, "system_column", &[column.to_owned()]));
    }
    wrong.push(mapping_of("conformance", None, "twice", &["a".to_owned(), "a".to_owned()]));
    if let Some(most) = scene.abilities.most_columns {
        let columns: Vec<String> = (0..most - 3).map(|number| format!("c{number}")).collect();
        wrong.push(mapping_of("conformance", None, "many", &columns));
    }
    for mapping in &wrong {
        let what =
            format!("table {} with {} columns", mapping.table.name, mapping.table.columns.len());
        let activated = scene.open().await.activate(&scene::activation(&[mapping])).await;
        let error = refused(&what, activated)?;
        holds(&format!("{what} is fatal: {error:?}"), matches!(error, DestinationError::Fatal(_)))?;
    }
    // The refusals left nothing behind that stands in the way.
    works(&scene, &mapping_of("conformance", None, "good", &good)).await
}

/// As many columns as the database holds; a quarter of them filled, for a table may have more
/// columns than a row has room for.
pub async fn as_many_columns_as_there_can_be(scene: Scene) -> Outcome {
    let Some(most) = scene.abilities.most_columns else {
        return Ok(());
    };
    let columns: Vec<String> = (0..most - 4).map(|number| format!("column_{number}")).collect();
    works_filled(&scene, &mapping_of("conformance", None, "widest", &columns), 4).await
}
