//! Batches: several entities at once, wide rows, many rows, and random ones against the model.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keepstep::model::batch::{Batch, TableBatch};
use keepstep::model::batcher::{BatchLimits, Batcher};
use keepstep::model::cell::Cell;
use keepstep::model::decimal::Decimal;
use keepstep::model::entity::AttributeKind;
use keepstep::model::mapping::{Fitted, Mapping};
use keepstep::model::net_change::NetChange;
use keepstep::model::position::{NextOffset, Offset};
use keepstep::model::record::RecordId;
use keepstep::model::value::Ticks;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

use super::laboratory::Moments;
use super::outcome::{Outcome, equal, worked};
use super::scene::{self, Scene, attribute, text};
use super::serial_model::{Did, Model};

/// One batch over several tables: all of it, with counts for each; or, with a bad one, none of it.
pub async fn several_entities_at_once(scene: Scene) -> Outcome {
    let entities = [("account", true), ("contact", false), ("lead", true)];
    let mappings = entities.map(|(entity, versioned)| scene::letters(entity, versioned));
    let mut lane = scene.lane(&scene::activation(&mappings.each_ref())).await?;
    let mut models = mappings.each_ref().map(Model::new);
    let version = |mapping: &Arc<Mapping>, version| mapping.versioned.then_some(version);
    let batch = |changes: &[Vec<Fitted>]| {
        let tables = mappings.iter().zip(changes).map(|(mapping, changes)| TableBatch {
            mapping: Arc::clone(mapping),
            changes: (0..)
                .zip(changes)
                .map(|(offset, change)| NetChange::of(change.clone(), Offset(offset)))
                .collect(),
        });
        Arc::new(Batch { tables: tables.collect(), ..Batch::default() })
    };
    for round in 1..4_i64 {
        let changes: Vec<Vec<Fitted>> = (0..)
            .zip(&mappings)
            .map(|(at, mapping): (i64, _)| {
                let number =
                    |add: i64| scene::record(u128::from((round * 7 + at + add).unsigned_abs()));
                let cells = [(0, text(&format!("{} {round}", mapping.entity)))];
                let version = version(mapping, round);
                let mut changes = vec![
                    scene::create(number(0), version, &cells),
                    scene::delete(number(-6), version),
                    scene::create(number(2), version, &cells),
                ];
                changes.truncate(if at == 1 { 3 } else { 2 });
                changes
            })
            .collect();
        let bad = {
            let mut bad = changes.clone();
            let nowhere = scene::record(1_000);
            bad[2].push(scene::patch(nowhere, Some(round), &[(0, text("nowhere"))]));
            bad
        };
        let rejected = lane.write(&batch(&bad)).await;
        super::patches::is_no_base(&rejected, &mappings[2], scene::record(1_000))?;
        for model in &models {
            model.is_in("after a rejected batch", &*scene.database).await?;
        }
        let expected: Vec<_> = models
            .iter_mut()
            .zip(&changes)
            .map(|(model, changes)| model.apply_all(changes))
            .collect();
        let written = worked("the write", lane.write(&batch(&changes)).await)?;
        equal("the counts", &written.tables, &expected)?;
        for model in &models {
            model.is_in("after the batch", &*scene.database).await?;
        }
    }
    Ok(())
}

/// The kinds of a real wide entity, in turn.
fn kind(number: usize) -> AttributeKind {
    match number % 7 {
        0 => AttributeKind::Text { max_length: Some(100) },
        1 => AttributeKind::Integer,
        2 => AttributeKind::Money { precision: 2 },
        3 => AttributeKind::DateTime,
        4 => AttributeKind::Guid,
        5 => AttributeKind::Boolean,
        _ => AttributeKind::BigInt,
    }
}

fn cell(number: usize, moments: Moments, random: &mut StdRng) -> Cell {
    if random.random_bool(0.1) {
        return Cell::Null;
    }
    match number % 7 {
        0 => text(&format!("text {}", random.random::<u16>())),
        1 => Cell::Integer(random.random()),
        2 => {
            let money = Decimal::new(i128::from(random.random::<i64>()), 2);
            money.map_or(Cell::Null, Cell::Decimal)
        }
        3 => {
            let unix_ms = random.random_range(moments.first_ms..=moments.last_ms);
            Ticks::from_unix_ms(unix_ms).map_or(Cell::Null, Cell::Timestamp)
        }
        4 => Cell::Guid(RecordId(Uuid::from_u128(random.random()))),
        5 => Cell::Boolean(random.random()),
        _ => Cell::Long(random.random()),
    }
}

fn typed(entity: &str, versioned: bool, columns: usize) -> Arc<Mapping> {
    let attributes = (0..columns).map(|number| attribute(&format!("c{number}"), kind(number)));
    scene::mapping(entity, versioned, attributes.collect())
}

fn some_cells(
    columns: usize,
    share: f64,
    moments: Moments,
    random: &mut StdRng,
) -> Vec<(u16, Cell)> {
    let mut cells = Vec::new();
    for column in 0..columns {
        if random.random_bool(share) {
            cells.push((u16::try_from(column).unwrap_or(0), cell(column, moments, random)));
        }
    }
    cells
}

/// Rows as wide as a real contact, of every type, made, replaced and patched.
pub async fn rows_of_313_columns(scene: Scene) -> Outcome {
    const COLUMNS: usize = 313 - 4;
    let mapping = typed("contact", true, COLUMNS);
    let mut lane = scene.lane(&scene::activation(&[&mapping])).await?;
    let moments = scene.abilities.moments;
    let mut model = Model::of_moments(&mapping, moments);
    let mut random = StdRng::seed_from_u64(313);
    for version in 1..=3 {
        let changes: Vec<Fitted> = (0..200)
            .map(|number| {
                let id = scene::record(number);
                match version {
                    1 => {
                        scene::create(id, Some(1), &some_cells(COLUMNS, 0.5, moments, &mut random))
                    }
                    2 => scene::image(id, Some(2), &some_cells(COLUMNS, 1.0, moments, &mut random)),
                    _ => scene::patch(id, Some(3), &some_cells(COLUMNS, 0.1, moments, &mut random)),
                }
            })
            .collect();
        let expected = model.apply_all(&changes);
        let written = lane.write(&scene::batch(&mapping, changes)).await;
        equal("the counts", &worked("the write", written)?.tables, &vec![expected])?;
        model.is_in(&format!("version {version}"), &*scene.database).await?;
    }
    Ok(())
}

/// As many rows in one batch as a batch may have by default, and more.
pub async fn twenty_thousand_rows_at_once(scene: Scene) -> Outcome {
    let mapping = scene::letters("account", true);
    let mut lane = scene.lane(&scene::activation(&[&mapping])).await?;
    let mut model = Model::new(&mapping);
    for version in 1..=2 {
        let cells = [(0, text(&format!("version {version}")))];
        let changes: Vec<Fitted> = (0..20_000_u128)
            // Not in the order of their ids.
            .map(|number| scene::record(number * 7_919 % 20_011))
            .map(|id| scene::image(id, Some(version), &cells))
            .collect();
        let expected = model.apply_all(&changes);
        let written = lane.write(&scene::batch(&mapping, changes)).await;
        equal("the counts", &worked("the write", written)?.tables, &vec![expected])?;
    }
    model.is_in("the table", &*scene.database).await
}

/// A change as a source may send it: mostly newer than the last, sometimes late or repeated.
fn random_change(
    random: &mut StdRng,
    latest: &mut BTreeMap<RecordId, i64>,
    versioned: bool,
    columns: usize,
    moments: Moments,
) -> Fitted {
    let id = scene::record(random.random_range(0..24));
    let latest = latest.entry(id).or_insert(0);
    let version = match random.random_range(0..10) {
        0 => *latest,
        1 => (*latest - random.random_range(0..6)).max(0),
        _ => *latest + random.random_range(1..3),
    };
    *latest = version.max(*latest);
    let version = versioned.then_some(version);
    match random.random_range(0..10) {
        0 => scene::create(id, version, &some_cells(columns, 0.7, moments, random)),
        1..=2 => scene::image(id, version, &some_cells(columns, 0.7, moments, random)),
        3..=4 => scene::delete(id, version),
        _ => scene::patch(id, version, &some_cells(columns, 0.3, moments, random)),
    }
}

/// Random changes of two entities through the batcher equal their application one by one.
pub async fn random_batches_equal_the_model(scene: Scene) -> Outcome {
    const COLUMNS: usize = 7;
    const ROUNDS: u64 = 12;
    for seed in 0..ROUNDS {
        // Sometimes one of them only, and its cursor stands back: entities of their own a round.
        let mappings = [
            typed(&format!("versioned_{seed}"), true, COLUMNS),
            typed(&format!("unversioned_{seed}"), false, COLUMNS),
        ];
        let mut lane = scene.lane(&scene::activation(&mappings.each_ref())).await?;
        let moments = scene.abilities.moments;
        let mut models = mappings.each_ref().map(|mapping| Model::of_moments(mapping, moments));
        let mut latest = [BTreeMap::new(), BTreeMap::new()];
        let mut random = StdRng::seed_from_u64(seed);
        let limits = BatchLimits {
            changes: random.random_range(5..60),
            bytes: usize::MAX,
            linger: Duration::from_secs(1),
        };
        let mut batcher = Batcher::new(limits, scene.mutations);
        let start = lane.checkpoint.lowest();
        let mut settled = start;
        for step in 0..400 {
            let which = usize::from(random.random_bool(0.4));
            let mut model = models[which].clone();
            let mapping = &mappings[which];
            let change =
                random_change(&mut random, &mut latest[which], mapping.versioned, COLUMNS, moments);
            // A patch without a base stops a lane; here the source does not send one.
            if model.apply(&change) == Did::NoBase {
                continue;
            }
            models[which] = model;
            let offset = Offset(start.0 + step);
            let piece = (Arc::clone(mapping), change);
            let now = Instant::now();
            if let Err(piece) = batcher.push(piece, offset, now) {
                settle(&mut lane, &mut batcher, &mut settled, offset).await?;
                let pushed = batcher.push(piece, offset, now);
                pushed.map_err(|_| "an empty batch takes every change".to_owned())?;
            }
            if batcher.is_full() {
                settle(&mut lane, &mut batcher, &mut settled, Offset(offset.0 + 1)).await?;
                if random.random_bool(0.2) {
                    lane = scene::Lane::take(scene.open().await, &lane.id).await?;
                }
            }
        }
        settle(&mut lane, &mut batcher, &mut settled, Offset(start.0 + 400)).await?;
        for model in &models {
            model.is_in(&format!("seed {seed}"), &*scene.database).await?;
        }
    }
    Ok(())
}

/// Writes what the batcher holds; everything below `to` is settled then.
async fn settle(
    lane: &mut scene::Lane,
    batcher: &mut Batcher,
    settled: &mut NextOffset,
    to: Offset,
) -> Outcome {
    let batch = Arc::new(batcher.take());
    let to = NextOffset(to.0);
    if to == *settled {
        return Ok(());
    }
    let written = lane.destination.write(&lane.fence(to.0), &batch).await;
    worked("a random batch", written)?;
    lane.checkpoint.advance(to, None);
    *settled = to;
    Ok(())
}
