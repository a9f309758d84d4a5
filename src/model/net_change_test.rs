//! Coalescing against a serial replay, over every start state of a small world.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::model::record::RecordId;
use uuid::Uuid;

type Columns = BTreeMap<u16, i32>;

/// The ten-line serial model of promise G3: one record's row and tombstone.
#[derive(Clone, Debug, PartialEq)]
struct World {
    row: Option<(i64, Columns)>,
    tombstone: Option<i64>,
    versioned: bool,
    no_base: bool,
}

impl World {
    fn apply(&mut self, fitted: &Fitted) {
        let version = fitted.version.unwrap_or(UNVERSIONED).0;
        let row_version = self.row.as_ref().map(|row| row.0);
        let versioned = self.versioned;
        match &fitted.effect {
            Effect::Delete if !versioned || row_version.is_none_or(|row| version >= row) => {
                self.row = None;
                self.tombstone = self.tombstone.max(Some(version));
            }
            Effect::Delete => {}
            Effect::Image { create, cells } => {
                let applies = if versioned {
                    row_version.is_none_or(|row| version >= row) && Some(version) > self.tombstone
                } else {
                    *create || row_version.is_some() || self.tombstone.is_none()
                };
                if applies {
                    self.row = Some((version, cells.iter().map(column).collect()));
                }
            }
            Effect::Patch { cells } => match &mut self.row {
                Some(row) if !versioned || version > row.0 => {
                    row.0 = version;
                    row.1.extend(cells.iter().map(column));
                }
                Some(_) => {}
                None => self.no_base |= self.tombstone.is_none(),
            },
        }
    }

    /// What every adapter does with a net change: delete, image, patch, each guarded apart.
    fn apply_net(&mut self, net: &NetChange) {
        let fitted = |version: Version, effect| Fitted {
            record_id: net.record_id,
            version: self.versioned.then_some(version),
            effect,
            dropped_attributes: 0,
        };
        let delete = net.delete.map(|version| fitted(version, Effect::Delete));
        let image = net.image.as_ref().map(|part| {
            let effect = Effect::Image { create: part.create, cells: part.cells.clone() };
            (fitted(part.guard, effect), part.version)
        });
        if let Some(delete) = delete {
            self.apply(&delete);
        }
        if let Some((image, version)) = image {
            let before = self.row.clone();
            self.apply(&image);
            let same = before.as_ref().is_some_and(|row| row.0 == image.version.map_or(0, |v| v.0));
            if (same || self.row != before)
                && let Some(row) = &mut self.row
            {
                row.0 = version.0;
            }
        }
        let Some(patch) = &net.patch else { return };
        match &mut self.row {
            Some(row) if !self.versioned || patch.version.0 > row.0 => {
                let before = row.0;
                row.0 = patch.version.0;
                for (at, version, cell) in &patch.cells {
                    if !self.versioned || version.0 > before {
                        let (at, value) = column(&(*at, cell.clone()));
                        row.1.insert(at, value);
                    }
                }
            }
            Some(_) => {}
            None => self.no_base |= self.tombstone.is_none(),
        }
    }
}

fn column((at, cell): &(u16, Cell)) -> (u16, i32) {
    match cell {
        Cell::Integer(value) => (*at, *value),
        other => panic!("the test has integers only, not {other:?}"),
    }
}

fn changes(versioned: bool) -> impl Strategy<Value = Vec<Fitted>> {
    let change = (0..4_u8, 1..7_i64, prop::collection::btree_map(0..3_u16, 0..100_i32, 0..3));
    prop::collection::vec(change, 1..8).prop_map(move |changes| {
        let fitted = |(kind, version, cells): (u8, i64, Columns)| {
            let cells = cells.into_iter().map(|(at, value)| (at, Cell::Integer(value))).collect();
            let effect = match kind {
                0 => Effect::Delete,
                1 => Effect::Image { create: false, cells },
                2 => Effect::Image { create: true, cells },
                _ => Effect::Patch { cells },
            };
            let version = versioned.then_some(Version(version));
            Fitted { record_id: RecordId(Uuid::nil()), version, effect, dropped_attributes: 0 }
        };
        changes.into_iter().map(fitted).collect()
    })
}

/// Every state that a row and its tombstone can have before the batch.
fn starts(versioned: bool) -> Vec<World> {
    let mut starts = Vec::new();
    for row in 0..8_i64 {
        for tombstone in 0..8_i64 {
            // A row stands only above its tombstone.
            if versioned && row > 0 && tombstone >= row {
                continue;
            }
            let columns = Columns::from([(0, -1), (1, -2), (2, -3)]);
            starts.push(World {
                row: (row > 0).then_some((if versioned { row } else { 0 }, columns)),
                tombstone: (tombstone > 0).then_some(if versioned { tombstone } else { 0 }),
                versioned,
                no_base: false,
            });
        }
    }
    starts
}

fn agrees_with_the_serial_replay(changes: &[Fitted], versioned: bool) {
    let mut nets: Vec<NetChange> = Vec::new();
    for (offset, fitted) in (0..).map(Offset).zip(changes) {
        match nets.last_mut() {
            None => nets.push(NetChange::of(fitted.clone(), offset)),
            Some(net) => {
                if let Merge::Border(fitted) = net.merge(fitted.clone(), offset) {
                    nets.push(NetChange::of(fitted, offset));
                }
            }
        }
    }
    for start in starts(versioned) {
        let (mut serial, mut coalesced) = (start.clone(), start.clone());
        for fitted in changes {
            serial.apply(fitted);
        }
        for net in &nets {
            coalesced.apply_net(net);
        }
        if serial.no_base {
            // A rejected change stops the lane; what is rejected may depend on the batch's border
            // (a later image may settle it), so only worlds without one must agree exactly.
            continue;
        }
        assert_eq!(coalesced, serial, "from {start:?} by {nets:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn versioned_changes_coalesce_as_they_replay(changes in changes(true)) {
        agrees_with_the_serial_replay(&changes, true);
    }

    #[test]
    fn unversioned_changes_coalesce_as_they_replay(changes in changes(false)) {
        agrees_with_the_serial_replay(&changes, false);
    }
}

#[test]
fn growing_versions_never_end_a_batch_but_after_a_bare_delete() {
    let fitted = |version: i64, effect| Fitted {
        record_id: RecordId(Uuid::nil()),
        version: Some(Version(version)),
        effect,
        dropped_attributes: 0,
    };
    let image = |create| Effect::Image { create, cells: vec![(0, Cell::Integer(1))] };
    let mut net = NetChange::of(fitted(1, image(true)), Offset(0));
    assert_eq!(net.merge(fitted(2, Effect::Patch { cells: vec![] }), Offset(1)), Merge::Done);
    assert_eq!(net.merge(fitted(3, Effect::Delete), Offset(2)), Merge::Done);
    assert_eq!(net.merge(fitted(4, image(true)), Offset(3)), Merge::Done);
    assert_eq!(net.merge(fitted(5, Effect::Patch { cells: vec![] }), Offset(4)), Merge::Done);
    assert_eq!(net.offsets().map(|offset| offset.0).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(net.merge(fitted(6, image(false)), Offset(5)), Merge::Done);
    assert_eq!(net.offsets().map(|offset| offset.0).collect::<Vec<_>>(), [5]);
}
