//! The held records of a lane: what waits, what goes, what is tried again.

use std::sync::Arc;

use super::*;
use crate::model::batch::TableBatch;
use crate::model::cell::Cell;
use crate::model::entity::{Attribute, AttributeKind, EntityDefinition};
use crate::model::held::Revision;
use crate::model::mapping::{Effect, Fitted, Mapping, UnknownAttribute};
use crate::model::position::Offset;
use crate::model::table::Table;

fn mapping() -> Arc<Mapping> {
    let attribute = |name: &str, kind| Attribute {
        name: name.into(),
        kind,
        labels: Vec::new(),
        origin: crate::model::entity::Origin::default(),
    };
    let definition = EntityDefinition {
        name: EntityName::new("account"),
        primary_id: "accountid".into(),
        intersect: None,
        attributes: vec![
            attribute("accountid", AttributeKind::Guid),
            attribute("n", AttributeKind::Integer),
        ],
    };
    let table = Table::of(&definition, "dbo", None);
    Arc::new(Mapping::new(&definition, table, true, UnknownAttribute::Stop))
}

fn record(number: u128) -> RecordId {
    RecordId(uuid::Uuid::from_u128(number))
}

fn net(id: RecordId, offset: i64, version: i64, effect: Effect) -> NetChange {
    let fitted =
        Fitted { record_id: id, version: Some(Version(version)), effect, dropped_attributes: 0 };
    NetChange::of(fitted, Offset(offset))
}

fn image() -> Effect {
    Effect::Image { create: false, cells: vec![(1, Cell::Integer(7))] }
}

fn patch() -> Effect {
    Effect::Patch { cells: vec![(1, Cell::Integer(7))] }
}

fn batch(changes: Vec<NetChange>) -> Batch {
    Batch { tables: vec![TableBatch { mapping: mapping(), changes }], ..Batch::default() }
}

fn held(offset: i64, id: Option<RecordId>, version: Option<i64>, code: &str) -> HeldChange {
    HeldChange {
        key: HeldKey {
            offset: Offset(offset),
            entity: version.map(|_| EntityName::new("account")),
            record_id: id,
        },
        version: version.map(Version),
        creates: false,
        cause: HeldCause { code: code.into(), column: None, detail: String::new() },
        attempt: 0,
        held_at_us: 0,
        revision: Revision(1),
        open: true,
        published: None,
    }
}

const RULE: RetryRule = RetryRule { count: 2, interval: Duration::from_secs(5) };

fn set(all: &[HeldChange]) -> HeldSet {
    let mut set = HeldSet::new(RULE, Mutations::default());
    set.load(all, Instant::now());
    set
}

fn offsets(holds: &[Hold]) -> Vec<i64> {
    holds.iter().map(|hold| hold.key.offset.0).collect()
}

#[test]
fn a_patch_waits_behind_a_held_change_and_others_go_on() {
    let set = set(&[held(3, Some(record(1)), Some(5), "refused")]);
    let mut batch = batch(vec![net(record(1), 8, 6, patch()), net(record(2), 9, 7, patch())]);
    set.gate(&mut batch);
    assert_eq!(batch.tables[0].changes.len(), 1);
    assert_eq!(batch.tables[0].changes[0].record_id, record(2));
    assert_eq!(offsets(&batch.holds), [8]);
    assert_eq!(batch.holds[0].cause, HeldCause::waits());
    assert!(batch.releases.is_empty());
}

#[test]
fn an_image_or_a_delete_takes_the_place_of_what_is_held() {
    for effect in [image(), Effect::Delete] {
        let set = set(&[
            held(3, Some(record(1)), Some(5), "refused"),
            held(4, Some(record(1)), Some(6), "waits"),
        ]);
        let mut batch = batch(vec![net(record(1), 8, 6, effect)]);
        set.gate(&mut batch);
        assert_eq!(batch.tables[0].changes.len(), 1);
        let released: Vec<i64> = batch.releases.iter().map(|it| it.key.offset.0).collect();
        assert_eq!(released, [3, 4]);
        let mut set = set;
        set.settle(&batch, Instant::now());
        assert_eq!(set.len(), 0);
    }
}

#[test]
fn an_image_that_is_lower_in_version_waits() {
    let set = set(&[held(3, Some(record(1)), Some(9), "no_base")]);
    let mut batch = batch(vec![net(record(1), 8, 8, image())]);
    set.gate(&mut batch);
    assert!(batch.tables.is_empty() && batch.releases.is_empty());
    assert_eq!(offsets(&batch.holds), [8]);
}

#[test]
fn what_could_not_be_read_holds_up_its_key_in_every_entity() {
    let set =
        set(&[held(3, Some(record(1)), None, "undecodable"), held(4, None, None, "undecodable")]);
    assert_eq!(set.len(), 2);
    let mut patched = batch(vec![net(record(1), 8, 1, patch()), net(record(2), 9, 1, patch())]);
    set.gate(&mut patched);
    assert_eq!(offsets(&patched.holds), [8]);
    let mut replaced = batch(vec![net(record(1), 8, 1, image())]);
    set.gate(&mut replaced);
    assert_eq!(replaced.releases.len(), 1);
}

#[test]
fn a_record_has_at_most_so_many_held_changes() {
    let mut set = set(&[held(1, Some(record(1)), Some(1), "refused")]);
    let now = Instant::now();
    for offset in 2..200 {
        let mut batch = batch(vec![net(record(1), offset, offset, patch())]);
        set.gate(&mut batch);
        set.settle(&batch, now);
    }
    assert_eq!(set.len(), MAX_HELD_PER_RECORD);
    // Later changes are missing: to try again would leave them out.
    assert_eq!(set.next_due(now + RULE.interval * 2, |_| true), None);
    let mut batch = batch(vec![net(record(1), 300, 300, image())]);
    set.gate(&mut batch);
    set.settle(&batch, now);
    assert_eq!(set.len(), 0);
}

#[test]
fn what_the_database_refused_is_tried_again_so_many_times() {
    let mut set = set(&[
        held(3, Some(record(1)), Some(5), "refused"),
        held(4, Some(record(1)), Some(6), "waits"),
        held(5, Some(record(2)), Some(6), "text_too_long"),
    ]);
    let mut now = Instant::now();
    for attempt in 1..=RULE.count {
        let due = set.next_due(now, |_| true).expect("due");
        assert_eq!(offsets(&due), [3, 4]);
        assert_eq!(set.next_due(now, |_| true), None, "once until it is planned again");
        let again = Hold {
            attempt,
            cause: HeldCause { code: "refused".into(), column: None, detail: String::new() },
            ..due[0].clone()
        };
        set.settle(&Batch { holds: vec![again], ..Batch::default() }, now);
        assert_eq!(set.next_due(now, |_| true), None);
        now += RULE.interval;
    }
    assert_eq!(set.next_due(now + RULE.interval, |_| true), None, "no more tries");
    assert_eq!(set.retry_now(now, |_, _| true), 2, "unless a person asks");
    assert!(set.next_due(now, |_| true).is_some() && set.next_due(now, |_| true).is_some());
}

#[test]
fn a_take_in_between_brings_no_try_forward_and_forgets_none() {
    let all = [
        held(3, Some(record(1)), Some(5), "refused"),
        held(4, Some(record(2)), Some(6), "text_too_long"),
        held(5, Some(record(3)), Some(6), "text_too_long"),
    ];
    let (mut former, now) = (set(&all), Instant::now());
    let due = former.next_due(now, |_| true).expect("due");
    let cause = HeldCause { code: "refused".into(), column: None, detail: String::new() };
    let again = Hold { attempt: 1, cause, ..due[0].clone() };
    let batch = Batch { retried: Some(again.clone()), holds: vec![again], ..Batch::default() };
    former.settle(&batch, now);
    assert_eq!(former.retry_now(now, |_, cause| cause == "text_too_long"), 2);
    let tried = former.next_due(now, |_| true).expect("wanted");
    let mut anew = set(&all);
    anew.keep_plans(&former, now);
    let next = anew.next_due(now, |_| true).expect("the other one that is wanted");
    assert_ne!(offsets(&next), offsets(&tried));
    assert_eq!(anew.next_due(now, |_| true), None, "the first one waits for its interval");
    let later = now + RULE.interval;
    let left = [anew.next_due(later, |_| true), anew.next_due(later, |_| true)];
    let mut left: Vec<i64> = left.iter().flatten().flat_map(|holds| offsets(holds)).collect();
    left.sort_unstable();
    assert_eq!(left, [3, offsets(&tried)[0]], "nobody heard what came of the one that was tried");
}
