//! Rows that stay after their delete (P13): marked, out of every change's way, and back with an
//! image that may bring them back.

use std::sync::Arc;

use keepstep::model::layout::{DELETE_LOG, SINK_DELETED_ON};
use keepstep::model::mapping::{Fitted, Mapping};
use keepstep::model::table::{Column, ColumnType, Table};

use super::outcome::{Outcome, equal, holds, worked};
use super::scene::{self, Lane, Scene, text};

/// A scene with a row that stays, and how it is looked at.
struct Kept {
    scene: Scene,
    mapping: Arc<Mapping>,
    lane: Lane,
}

/// What the row is: version, text, whether it is marked.
type Row = (Option<i64>, Option<String>, bool);

impl Kept {
    /// A lane on a table that was made without the mark.
    async fn new(scene: Scene, versioned: bool) -> Outcome<Self> {
        let plain = scene::letters("account", versioned);
        drop(scene.activated(&scene::activation(&[&plain])).await?);
        let mapping = scene::kept(&plain);
        let mut activation = scene::activation(&[&mapping]);
        activation.layout.delete_log = true;
        let lane = scene.lane(&activation).await?;
        Ok(Self { scene, mapping, lane })
    }

    /// Writes one change; answers rows written, deleted, and parts superseded.
    async fn write(&mut self, change: Fitted) -> Outcome<(u64, u64, u64)> {
        let batch = scene::batch(&self.mapping, vec![change]);
        let written = worked("the write", self.lane.write(&batch).await)?;
        let counts = &written.tables[0];
        Ok((counts.written, counts.deleted, counts.superseded))
    }

    async fn row(&self) -> Outcome<(Row, Option<i64>)> {
        let mut table: Table = self.mapping.table.clone();
        let column_type = ColumnType::Timestamp;
        table.columns.push(Column { name: SINK_DELETED_ON.into(), column_type });
        let rows = self.scene.database.rows(&table).await;
        equal("rows", &rows.len(), &1)?;
        let (row, mark) = (&rows[0], &rows[0].cells[3]);
        holds("a mark is a time", mark.as_ref().is_none_or(|mark| mark.len() == 23))?;
        Ok(((row.version, row.cells[0].clone(), mark.is_some()), row.created_ms))
    }

    async fn is(&self, what: &str, version: Option<i64>, a: &str, deleted: bool) -> Outcome {
        equal(what, &self.row().await?.0, &(version, Some(a.to_owned()), deleted))
    }

    async fn lines(&self) -> usize {
        self.scene.database.lines("conformance", DELETE_LOG, &["RecordId"]).await.len()
    }
}

/// With versions.
pub async fn versioned(scene: Scene) -> Outcome {
    let record = scene::record(1);
    let image = |version, a: &str| scene::image(record, Some(version), &[(0, text(a))]);
    let mut kept = Kept::new(scene, true).await?;
    equal("the first image", &kept.write(image(5, "here")).await?, &(1, 0, 0))?;
    kept.is("the row", Some(5), "here", false).await?;
    let created = kept.row().await?.1;
    equal("a late delete", &kept.write(scene::delete(record, Some(4))).await?, &(0, 0, 1))?;
    kept.is("the row after a late delete", Some(5), "here", false).await?;
    equal("the delete", &kept.write(scene::delete(record, Some(7))).await?, &(0, 1, 0))?;
    kept.is("the row that stays", Some(7), "here", true).await?;
    let stones = kept.scene.database.tombstones(&kept.lane.id.profile).await;
    equal("tombstones", &stones.iter().map(|stone| stone.version).collect(), &vec![7])?;
    for (what, change, counts) in [
        ("another delete", scene::delete(record, Some(8)), (0, 0, 0)),
        ("a patch", scene::patch(record, Some(9), &[(0, text("patched"))]), (0, 0, 1)),
        ("an older image", image(7, "older"), (0, 0, 1)),
        ("one that the second delete buried", image(8, "buried"), (0, 0, 1)),
    ] {
        equal(what, &kept.write(change).await?, &counts)?;
        kept.is(what, Some(7), "here", true).await?;
    }
    equal("lines of the log", &kept.lines().await, &1)?;
    equal("a newer image", &kept.write(image(10, "back")).await?, &(1, 0, 0))?;
    kept.is("the row that is back", Some(10), "back", false).await?;
    let again = kept.row().await?.1;
    holds("it is a new one", again >= created)?;
    let patch = scene::patch(record, Some(11), &[(0, text("patched"))]);
    equal("a patch of it", &kept.write(patch).await?, &(1, 0, 0))?;
    equal("when it came", &kept.row().await?.1, &again)?;
    equal("its delete", &kept.write(scene::delete(record, Some(12))).await?, &(0, 1, 0))?;
    kept.is("the row at the end", Some(12), "patched", true).await?;
    equal("lines at the end", &kept.lines().await, &2)
}

/// Without versions.
pub async fn unversioned(scene: Scene) -> Outcome {
    let record = scene::record(1);
    let mut kept = Kept::new(scene, false).await?;
    let create = |a: &str| scene::create(record, None, &[(0, text(a))]);
    equal("the create", &kept.write(create("here")).await?, &(1, 0, 0))?;
    equal("the delete", &kept.write(scene::delete(record, None)).await?, &(0, 1, 0))?;
    kept.is("the row that stays", None, "here", true).await?;
    for (what, change, counts) in [
        ("another delete", scene::delete(record, None), (0, 0, 0)),
        ("a patch", scene::patch(record, None, &[(0, text("patched"))]), (0, 0, 1)),
        ("a snapshot", scene::image(record, None, &[(0, text("older"))]), (0, 0, 1)),
    ] {
        equal(what, &kept.write(change).await?, &counts)?;
        kept.is(what, None, "here", true).await?;
    }
    equal("a create", &kept.write(create("back")).await?, &(1, 0, 0))?;
    kept.is("the row that is back", None, "back", false).await?;
    let snapshot = scene::image(record, None, &[(0, text("snapshot"))]);
    equal("a snapshot of it", &kept.write(snapshot).await?, &(1, 0, 0))?;
    kept.is("the row at the end", None, "snapshot", false).await?;
    equal("lines of the log", &kept.lines().await, &1)
}
