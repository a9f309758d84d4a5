//! That anything works at all.

use super::outcome::{Outcome, equal, worked};
use super::scene::{self, Scene};

/// One image goes in and is read back.
pub async fn a_batch_is_written_and_read_back(scene: Scene) -> Outcome {
    let mapping = scene::letters("account", true);
    let mut lane = scene.lane(&scene::activation(&[&mapping])).await?;
    let change = scene::create(scene::record(1), Some(7), &[(0, scene::text("first"))]);
    let written = worked("the write", lane.write(&scene::batch(&mapping, vec![change])).await)?;
    equal("rows written", &written.tables.first().map(|table| table.written), &Some(1))?;
    let rows = scene.database.rows(&mapping.table).await;
    let found: Vec<_> = rows.iter().map(|row| (row.id, row.version, row.cells.clone())).collect();
    equal(
        "the table",
        &found,
        &vec![(scene::record(1), Some(7), vec![Some("first".into()), None, None])],
    )
}
