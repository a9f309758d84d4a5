//! The search for bad records, against a destination that never names one.

use std::collections::BTreeSet;
use std::sync::Mutex;

use async_trait::async_trait;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::destination::memory::MemoryDestination;
use crate::destination::{
    Activated, Activation, DestinationError, Finding, WhichHeld, Written, desk::Desk,
    survey::TableSurvey,
};
use crate::model::checkpoint::{Checkpoint, LaneId, OwnerToken};
use crate::model::entity::{Attribute, AttributeKind, EntityDefinition};
use crate::model::failure::Cause;
use crate::model::held::{HeldChange, HeldKey, Revision};
use crate::model::mapping::{Effect, Fitted, Mapping, UnknownAttribute};
use crate::model::position::{Offset, Topic, TopicPartition};
use crate::model::profile::ProfileId;
use crate::model::record::RecordId;
use crate::model::table::Table;

/// Refuses any batch with a bad record, or with two of a pair, and does not say which.
struct Picky {
    bad: BTreeSet<u128>,
    pair: Option<(u128, u128)>,
    inner: MemoryDestination,
    sizes: Mutex<Vec<usize>>,
}

#[async_trait]
impl Destination for Picky {
    fn desk(&self) -> &dyn Desk {
        self.inner.desk()
    }

    async fn check(&self, activation: &Activation) -> Vec<Finding> {
        self.inner.check(activation).await
    }

    async fn survey(&self, activation: &Activation) -> Result<Vec<TableSurvey>, DestinationError> {
        self.inner.survey(activation).await
    }

    async fn activate(&self, activation: &Activation) -> Result<Activated, DestinationError> {
        self.inner.activate(activation).await
    }

    async fn take(&self, lane: &LaneId, token: OwnerToken) -> Result<Checkpoint, DestinationError> {
        self.inner.take(lane, token).await
    }

    async fn write(&self, fence: &Fence, batch: &Arc<Batch>) -> Result<Written, WriteError> {
        self.inner.write(fence, batch).await
    }

    async fn try_out(&self, _fence: &Fence, batch: &Arc<Batch>) -> Result<Written, WriteError> {
        let ids: BTreeSet<u128> = batch
            .tables
            .iter()
            .flat_map(|table| table.changes.iter().map(|change| change.record_id.0.as_u128()))
            .collect();
        self.sizes.lock().unwrap().push(ids.len());
        let both = self.pair.is_some_and(|(a, b)| ids.contains(&a) && ids.contains(&b));
        if both || !ids.is_disjoint(&self.bad) {
            return Err(WriteError::Rejected(vec![blamed()]));
        }
        Ok(Written::default())
    }

    async fn held(
        &self,
        lane: &LaneId,
        which: WhichHeld,
        after: Option<&HeldKey>,
        limit: usize,
    ) -> Result<Vec<HeldChange>, DestinationError> {
        self.inner.held(lane, which, after, limit).await
    }

    async fn mark_published(
        &self,
        lane: &LaneId,
        published: &[(HeldKey, Revision)],
    ) -> Result<(), DestinationError> {
        self.inner.mark_published(lane, published).await
    }
}

fn blamed() -> RejectedRecord {
    let rejection = Rejection::of(Cause::Refused { code: "x".into() });
    RejectedRecord { entity: None, record_id: None, rejection }
}

fn batch(count: u128) -> Batch {
    let entity = EntityName::new("account");
    let id = Attribute {
        name: "accountid".into(),
        kind: AttributeKind::Guid,
        labels: Vec::new(),
        origin: crate::model::entity::Origin::default(),
    };
    let definition = EntityDefinition {
        name: entity,
        primary_id: "accountid".into(),
        intersect: None,
        attributes: vec![id],
    };
    let table = Table::of(&definition, "dbo", None);
    let mapping = Arc::new(Mapping::new(&definition, table, false, UnknownAttribute::Stop));
    let change = |number| {
        let fitted = Fitted {
            record_id: RecordId(Uuid::from_u128(number)),
            version: None,
            effect: Effect::Delete,
            dropped_attributes: 0,
        };
        NetChange::of(fitted, Offset(0))
    };
    let changes = (0..count).map(change).collect();
    Batch { tables: vec![TableBatch { mapping, changes }], ..Batch::default() }
}

fn fence() -> Fence {
    Fence {
        lane: LaneId {
            profile: ProfileId::new("p").unwrap(),
            topic_partition: TopicPartition::new(&Topic::new("t"), 0),
        },
        token: OwnerToken(Uuid::nil()),
        moves: Vec::new(),
        splits: Vec::new(),
        fingerprint: None,
    }
}

/// What is found, and in how many trials.
fn found(count: u128, bad: BTreeSet<u128>, pair: Option<(u128, u128)>) -> (Vec<u128>, u32) {
    let picky = Picky { bad, pair, inner: MemoryDestination::default(), sizes: Mutex::default() };
    let (fence, batch) = (fence(), batch(count));
    let mut isolation = Isolation::new(&picky, &fence, &batch, Mutations::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    match runtime.block_on(isolation.find(&blamed())).unwrap() {
        Isolated::Records(found) => {
            let ids = found
                .iter()
                .map(|((at, index), _)| batch.tables[*at].changes[*index].record_id.0.as_u128());
            (ids.collect(), isolation.trials)
        }
        Isolated::Table(..) | Isolated::Nothing => (Vec::new(), isolation.trials),
    }
}

#[test]
fn one_bad_record_costs_a_logarithm_of_trials() {
    for count in [1, 2, 3, 100, 1_000, 4_096] {
        for bad in [0, count / 3, count - 1] {
            let (ids, trials) = found(count, BTreeSet::from([bad]), None);
            assert_eq!(ids, [bad]);
            let most = 2 * count.next_power_of_two().ilog2() + 1;
            assert!(trials <= most, "{trials} trials among {count}, at most {most}");
        }
    }
}

#[test]
fn of_two_records_that_exclude_each_other_the_later_one_is_found() {
    assert_eq!(found(100, BTreeSet::new(), Some((10, 70))).0, [70]);
    assert_eq!(found(2, BTreeSet::new(), Some((0, 1))).0, [1]);
}

/// A batch was refused, and when it is searched the database takes all of it: blaming anybody then
/// would hold a record that is fine.
#[test]
fn nobody_is_blamed_for_what_is_refused_no_more() {
    for count in [1, 2, 100] {
        assert_eq!(found(count, BTreeSet::new(), None).0, [] as [u128; 0]);
    }
}

#[test]
fn a_table_in_which_everything_fails_is_not_searched_to_the_end() {
    let (ids, trials) = found(4_096, (0..4_096).collect(), None);
    assert_eq!(ids, [] as [u128; 0]);
    assert!(trials < 500, "{trials}");
}

proptest! {
    #[test]
    fn exactly_the_bad_records_are_found(
        bad in proptest::collection::btree_set(0_u128..300, 1..40),
    ) {
        let (ids, trials) = found(300, bad.clone(), None);
        let expected: Vec<u128> = bad.iter().copied().collect();
        prop_assert_eq!(ids, expected);
        prop_assert!(trials as usize <= bad.len() * 18);
    }
}
