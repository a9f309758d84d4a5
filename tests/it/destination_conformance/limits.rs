//! Every type at its limits, read back past the adapter.

use keepstep::destination::{RejectedRecord, WriteError};
use keepstep::model::cell::Cell;
use keepstep::model::decimal::Decimal;
use keepstep::model::entity::AttributeKind;
use keepstep::model::failure::{Cause, Rejection};
use keepstep::model::mapping::{Effect, Fitted};
use keepstep::model::record::RecordId;
use keepstep::model::value::Ticks;
use std::time::{Duration, Instant};
use uuid::Uuid;

use super::laboratory::Moments;
use super::outcome::{Outcome, equal, refused, worked};
use super::scene::{self, Scene, attribute, text};
use super::serial_model::Model;

/// All cells worth a look, by the kind of their attribute.
fn limits(moments: Moments) -> Vec<(AttributeKind, Vec<Cell>)> {
    let nines = Decimal::new(10_i128.pow(38) - 1, 0).expect("38 digits");
    let decimal = |unscaled: i128, scale| {
        let decimal = Decimal::new(unscaled, scale).expect("a decimal of the case");
        Cell::Decimal(decimal)
    };
    let nines_of = |scale| {
        vec![
            decimal(nines.unscaled(), scale),
            decimal(-nines.unscaled(), scale),
            decimal(0, scale),
            decimal(1, scale),
            decimal(-1, scale),
            decimal(10_i128.pow(20), scale),
            decimal(i128::from(i64::MAX) + 1, scale),
        ]
    };
    let moment =
        |unix_ms| Cell::Timestamp(Ticks::from_unix_ms(unix_ms).expect("a year of four digits"));
    vec![
        (AttributeKind::Boolean, vec![Cell::Boolean(true), Cell::Boolean(false)]),
        (AttributeKind::Integer, [i32::MIN, -1, 0, 1, i32::MAX].map(Cell::Integer).into()),
        (
            AttributeKind::BigInt,
            [i64::MIN, -(1 << 53) - 1, -1, 0, 1, (1 << 53) + 1, i64::MAX].map(Cell::Long).into(),
        ),
        (AttributeKind::Decimal { precision: 0 }, nines_of(0)),
        (AttributeKind::Money { precision: 4 }, nines_of(4)),
        (AttributeKind::Decimal { precision: 10 }, nines_of(10)),
        (
            AttributeKind::DateTime,
            // The first and the last millisecond of the calendar, and around its corners.
            [
                moments.first_ms,
                moments.first_ms + 1,
                -1,
                0,
                1,
                951_782_400_000,
                1_709_164_800_999,
                moments.last_ms,
            ]
            .map(moment)
            .into(),
        ),
        (
            AttributeKind::Guid,
            [0, 1, u128::MAX, 0x0f8f_ad5b_d9cb_469f_a165_7086_7728_950e]
                .map(|number| Cell::Guid(RecordId(Uuid::from_u128(number))))
                .into(),
        ),
        (AttributeKind::Text { max_length: Some(4_000) }, texts(4_000)),
        (
            AttributeKind::Text { max_length: Some(1) },
            vec![text(""), text("x"), text("ä"), text("中")],
        ),
        (AttributeKind::Memo, texts(300_000)),
    ]
}

fn texts(longest: usize) -> Vec<Cell> {
    let mut texts: Vec<String> = [
        "",
        " ",
        "  spaces around  ",
        "a'b\"c`d[e]f;g--h/*i*/",
        "\t\r\n\u{1}\u{1f}\u{7f}",
        "back\\slash\\N \\. \\x41",
        "%s ? $1 :name @p {} NULL null",
        "äöüßé中文한국어עבריתعربي",
        // Beyond the basic plane, joined, combining, right to left, not normalised, at the edge.
        "😀👩\u{200d}👩\u{200d}👧\u{200d}👦🇩🇪𝔘𠜎",
        "e\u{301} ≠ é, a\u{328}\u{301}",
        "\u{202e}abc\u{202c}\u{feff}\u{fffd}\u{ffff}\u{10ffff}",
        "1",
        "1.0",
        "1e3",
        "0x10",
        "true",
        "2024-01-02",
    ]
    .map(str::to_owned)
    .into();
    // Longest in UTF-16 units, of one, two and four bytes each.
    texts.push("x".repeat(longest));
    texts.push("ä".repeat(longest));
    texts.push("😀".repeat(longest / 2));
    texts.iter().map(|each| text(each)).collect()
}

/// One column of each kind, one row for each value, and a row of nulls only.
pub async fn every_type_at_its_limits(scene: Scene) -> Outcome {
    let moments = scene.abilities.moments;
    let limits = limits(moments);
    let attributes = (0..).zip(&limits);
    let attributes = attributes
        .map(|(number, (kind, _))| attribute(&format!("column_{number}"), kind.clone()))
        .collect();
    let mapping = scene::mapping("limits", true, attributes);
    let mut lane = scene.lane(&scene::activation(&[&mapping])).await?;
    let mut model = Model::of_moments(&mapping, moments);
    let mut changes: Vec<Fitted> = vec![scene::create(scene::record(0), Some(i64::MIN + 1), &[])];
    for (column, (_, cells)) in (0..).zip(&limits) {
        for cell in cells {
            let id = scene::record(changes.len() as u128);
            changes.push(scene::create(id, Some(i64::MAX - 1), &[(column, cell.clone())]));
        }
    }
    // One row with every column filled.
    let full: Vec<(u16, Cell)> =
        (0..).zip(&limits).map(|(column, (_, cells))| (column, cells[0].clone())).collect();
    changes.push(scene::create(scene::record(changes.len() as u128), Some(0), &full));
    model.apply_all(&changes);
    worked("the write", lane.write(&scene::batch(&mapping, changes.clone())).await)?;
    model.is_in("inserted", &*scene.database).await?;

    // The same values by patches, each on the row that had another; then nulls over them.
    let shifted = |change: &Fitted, column: u16, cell: &Cell, version: i64| {
        scene::patch(change.record_id, Some(version), &[(column, cell.clone())])
    };
    let mut patches = Vec::new();
    let mut nulls = Vec::new();
    let mut at = 1;
    for (column, (_, cells)) in (0..).zip(&limits) {
        for number in 0..cells.len() {
            let other = &cells[(number + 1) % cells.len()];
            patches.push(shifted(&changes[at], column, other, i64::MAX));
            nulls.push(scene::image(
                changes[at].record_id,
                Some(i64::MAX),
                &[(column, Cell::Null)],
            ));
            at += 1;
        }
    }
    for (what, changes) in [("patched", patches), ("cleared", nulls)] {
        model.apply_all(&changes);
        worked(what, lane.write(&scene::batch(&mapping, changes)).await)?;
        model.is_in(what, &*scene.database).await?;
    }
    Ok(())
}

/// Record ids at their limits: nothing orders or compares them in another way.
pub async fn ids_at_their_limits(scene: Scene) -> Outcome {
    let mapping = scene::letters("account", true);
    let mut lane = scene.lane(&scene::activation(&[&mapping])).await?;
    let mut model = Model::new(&mapping);
    let ids = [0, 1, u128::MAX, 1 << 127, 0xff << 120, 0x0f8f_ad5b_d9cb_469f_a165_7086_7728_950e];
    let ids = ids.map(|number| RecordId(Uuid::from_u128(number)));
    for version in 1..=3 {
        let changes: Vec<Fitted> = ids
            .iter()
            .map(|id| match version {
                1 => scene::create(*id, Some(1), &[(0, text("made"))]),
                2 => scene::patch(*id, Some(2), &[(1, text("changed"))]),
                _ => scene::delete(*id, Some(3)),
            })
            .collect();
        model.apply_all(&changes);
        worked("the write", lane.write(&scene::batch(&mapping, changes)).await)?;
        model.is_in(&format!("version {version}"), &*scene.database).await?;
    }
    Ok(())
}

/// The same record written again leaves when it came and changes when it was last written.
pub async fn the_sink_columns_tell_first_and_last(scene: Scene) -> Outcome {
    let mapping = scene::letters("account", true);
    let mut lane = scene.lane(&scene::activation(&[&mapping])).await?;
    let id = scene::record(1);
    let mut seen = Vec::new();
    let changes = [
        scene::create(id, Some(1), &[(0, text("a"))]),
        scene::image(id, Some(2), &[(0, text("b"))]),
        scene::patch(id, Some(3), &[(0, text("c"))]),
    ];
    for change in changes {
        worked("the write", lane.write(&scene::batch(&mapping, vec![change])).await)?;
        let rows = scene.database.rows(&mapping.table).await;
        let row = rows.first().ok_or("there is no row")?;
        seen.push((row.created_ms, row.modified_ms));
        // Until this clock, which is the database's too, shows another millisecond or ten: a
        // database may store less exactly than it counts.
        let shown = Instant::now();
        while shown.elapsed() < Duration::from_millis(10) {
            tokio::task::yield_now().await;
        }
    }
    super::outcome::holds(
        &format!("created stays and modified grows: {seen:?}"),
        seen.iter().all(|(created, _)| *created == seen[0].0)
            && (seen[0].0.is_none() || seen.windows(2).all(|two| two[0].1 < two[1].1)),
    )
}

/// Texts around every length at which a driver or a server changes how it takes them: pages, short
/// and long types, what a bulk load carries. In UTF-16 units; of one to four bytes each.
pub async fn texts_around_every_threshold(scene: Scene) -> Outcome {
    let attributes = [
        ("memo", AttributeKind::Memo),
        ("short", AttributeKind::Text { max_length: Some(4_000) }),
        ("unbounded", AttributeKind::Text { max_length: None }),
    ];
    let attributes = attributes.map(|(name, kind)| attribute(name, kind));
    let mapping = scene::mapping("thresholds", true, attributes.into());
    let mut lane = scene.lane(&scene::activation(&[&mapping])).await?;
    let mut model = Model::new(&mapping);
    let mut changes = Vec::new();
    for threshold in [2_000, 4_000, 8_000, 16_384, 32_767, 65_535, 131_072] {
        for length in threshold - 1..=threshold + 1 {
            for letter in ["x", "\u{e9}", "\u{4e2d}", "\u{1f600}"] {
                let units = letter.encode_utf16().count();
                let long = text(&letter.repeat(length / units));
                let mut cells = vec![(0, long.clone())];
                if length <= 4_000 {
                    cells.extend([(1, long.clone()), (2, long)]);
                }
                let id = scene::record(changes.len() as u128);
                changes.push(scene::create(id, Some(1), &cells));
            }
        }
    }
    model.apply_all(&changes);
    worked("the write", lane.write(&scene::batch(&mapping, changes.clone())).await)?;
    model.is_in("inserted", &*scene.database).await?;
    // Each of them once more, by a patch, in the place of another.
    let others = changes.iter().cycle().skip(5);
    let patches: Vec<Fitted> = (changes.iter().zip(others))
        .map(|(change, other)| match &other.effect {
            Effect::Image { cells, .. } => scene::patch(change.record_id, Some(2), cells),
            _ => unreachable!("the case makes images only"),
        })
        .collect();
    model.apply_all(&patches);
    worked("the patches", lane.write(&scene::batch(&mapping, patches)).await)?;
    model.is_in("patched", &*scene.database).await
}

/// The ends of a source's calendar: a moment that the database does not store is its record's
/// fault, named with its column, and the others can be written without it.
pub async fn the_ends_of_the_calendar(scene: Scene) -> Outcome {
    let attributes = ["before", "after"].map(|name| attribute(name, AttributeKind::DateTime));
    let mapping = scene::mapping("calendar", true, attributes.into());
    let mut lane = scene.lane(&scene::activation(&[&mapping])).await?;
    let moments = scene.abilities.moments;
    let (mut good, mut bad, mut expected) = (Vec::new(), Vec::new(), Vec::new());
    for (number, (column, unix_ms)) in (0..).zip([
        (0, Moments::ALL.first_ms),
        (0, moments.first_ms - 1),
        (0, moments.first_ms),
        (1, moments.last_ms),
        (1, moments.last_ms + 1),
        (1, Moments::ALL.last_ms),
    ]) {
        // No source can say what is outside its own calendar.
        let Some(ticks) = Ticks::from_unix_ms(unix_ms) else { continue };
        let id = scene::record(number);
        let image = scene::image(id, Some(1), &[(column, Cell::Timestamp(ticks))]);
        if (moments.first_ms..=moments.last_ms).contains(&unix_ms) {
            good.push(image);
            continue;
        }
        bad.push(image);
        let name = &mapping.table.columns[usize::from(column)].name;
        expected.push(RejectedRecord {
            entity: Some(mapping.entity.clone()),
            record_id: Some(id),
            rejection: Rejection::in_column(name, Cause::TimeOutOfRange),
        });
    }
    if !bad.is_empty() {
        let all = scene::batch(&mapping, [good.clone(), bad].concat());
        for answer in [
            refused("a trial", lane.destination.try_out(&lane.next_fence(), &all).await)?,
            refused("a write", lane.write(&all).await)?,
        ] {
            equal("the answer", &answer, &WriteError::Rejected(expected.clone()))?;
        }
        equal("rows", &scene.database.rows(&mapping.table).await.len(), &0)?;
    }
    let mut model = Model::of_moments(&mapping, moments);
    model.apply_all(&good);
    worked("the others", lane.write(&scene::batch(&mapping, good)).await)?;
    model.is_in("the others", &*scene.database).await
}
