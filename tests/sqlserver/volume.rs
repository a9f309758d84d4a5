//! As many rows as one asks for: `KEEPSTEP_TEST_ROWS`, 20,000 unless told.
//!
//! Read back by sums and counts past the adapter. What a batch took at the beginning and at the end
//! is printed, for a statement that reads the whole table shows there first.

use std::sync::Arc;
use std::time::{Duration, Instant};

use keepstep::model::cell::Cell;
use keepstep::model::entity::AttributeKind;
use keepstep::model::mapping::{Fitted, Mapping};
use keepstep::model::mutation::Mutations;
use keepstep::model::record::RecordId;
use uuid::Uuid;

use crate::destination_conformance::scene::{self, Lane, attribute, text};
use crate::server::{Databases, Plain};

/// Changes of a batch: the most that the settings take for SQL Server.
const BATCH_CHANGES: u64 = 2_000;

fn rows_wanted() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the variable is the tests' own")]
    let wanted = std::env::var("KEEPSTEP_TEST_ROWS");
    let wanted = wanted.map_or(20_000, |text| text.parse().expect("KEEPSTEP_TEST_ROWS: a number"));
    assert!((1_000..=10_000_000).contains(&wanted), "KEEPSTEP_TEST_ROWS: 1,000 to 10,000,000");
    wanted
}

/// Ids that lie all over the key, as those of a source do.
fn id(number: u64) -> RecordId {
    let spread = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    RecordId(Uuid::from_u128(spread))
}

fn mapping() -> Arc<Mapping> {
    let attributes = vec![
        attribute("name", AttributeKind::Text { max_length: Some(160) }),
        attribute("number", AttributeKind::Integer),
        attribute("revenue", AttributeKind::Money { precision: 2 }),
        attribute("flag", AttributeKind::Boolean),
    ];
    scene::mapping("volume", true, attributes)
}

fn image(number: u64) -> Fitted {
    let cells = [
        (0, text(&format!("record {number}"))),
        (1, Cell::Integer(i32::try_from(number).unwrap())),
        (2, Cell::Decimal(format!("{number}.25").parse().unwrap())),
        (3, Cell::Boolean(number % 2 == 0)),
    ];
    scene::create(id(number), Some(1), &cells)
}

/// Writes what is made of some records; the time that each batch took.
async fn write(
    lane: &mut Lane,
    mapping: &Arc<Mapping>,
    records: impl Iterator<Item = u64>,
    change: fn(u64) -> Fitted,
) -> Vec<Duration> {
    let records: Vec<u64> = records.collect();
    let mut took = Vec::new();
    for chunk in records.chunks(usize::try_from(BATCH_CHANGES).unwrap()) {
        let batch = scene::batch(mapping, chunk.iter().map(|number| change(*number)).collect());
        let begun = Instant::now();
        lane.write(&batch).await.unwrap_or_else(|error| panic!("{error:?}"));
        took.push(begun.elapsed());
    }
    took
}

/// Middle of the first and of the last tenth.
fn first_and_last(took: &[Duration]) -> String {
    let tenth = took.len().div_ceil(10);
    let middle = |part: &[Duration]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part[part.len() / 2]
    };
    let (first, last) = (middle(&took[..tenth]), middle(&took[took.len() - tenth..]));
    format!("a batch took {first:?} at first and {last:?} at last")
}

async fn numbers(plain: &mut Plain, what: &str) -> Vec<i64> {
    let rows = plain.rows(&format!("SELECT {what} FROM conformance.volume")).await;
    (0..rows[0].len()).map(|at| rows[0].get::<i64, _>(at).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_rows_are_inserted_changed_and_deleted() {
    let count = rows_wanted();
    let databases = Arc::new(Databases::default());
    let database = databases.lend().await;
    let mapping = mapping();
    let activation = scene::activation(&[&mapping]);
    let destination = Arc::new(database.open(Mutations::default()));
    keepstep::destination::Destination::activate(&*destination, &activation).await.unwrap();
    let mut lane = Lane::take(destination, &scene::lane_id(&activation, 0)).await.unwrap();
    let begun = Instant::now();
    let took = write(&mut lane, &mapping, 0..count, image).await;
    println!("{count} rows inserted in {:?}; {}", begun.elapsed(), first_and_last(&took));
    let patch = |number| scene::patch(id(number), Some(2), &[(1, Cell::Integer(-1))]);
    let took = write(&mut lane, &mapping, (0..count).step_by(10), patch).await;
    println!("every tenth changed; {}", first_and_last(&took));
    let delete = |number| scene::delete(id(number), Some(3));
    let took = write(&mut lane, &mapping, (5..count).step_by(100), delete).await;
    println!("every hundredth deleted; {}", first_and_last(&took));
    // The first ones once more: older than what is there, and than what was deleted.
    write(&mut lane, &mapping, 0..1_000, image).await;

    let deleted = |number: &u64| number % 100 == 5;
    let left: Vec<u64> = (0..count).filter(|number| !deleted(number)).collect();
    let changed = count.div_ceil(10);
    let sum = |of: &dyn Fn(u64) -> u64| i64::try_from(left.iter().map(|it| of(*it)).sum::<u64>());
    let mut plain = database.plain().await;
    let found = numbers(
        &mut plain,
        "COUNT_BIG(*), SUM(CAST(LEN(name) AS bigint)), SUM(CAST(revenue * 100 AS bigint)), \
         SUM(CAST(flag AS bigint)), SUM(CAST(CASE number WHEN -1 THEN 1 ELSE 0 END AS bigint)), \
         SUM(CASE number WHEN -1 THEN 0 ELSE CAST(number AS bigint) END)",
    )
    .await;
    let digits = |number: u64| format!("record {number}").len() as u64;
    let unchanged = |number: u64| if number % 10 == 0 { 0 } else { number };
    let expected = [
        i64::try_from(left.len()),
        sum(&digits),
        sum(&|number| number * 100 + 25),
        sum(&|number| u64::from(number % 2 == 0)),
        i64::try_from(changed),
        sum(&unchanged),
    ];
    assert_eq!(found, expected.map(Result::unwrap));
    let buried = plain.rows("SELECT COUNT_BIG(*) FROM keepstep.tombstone").await;
    let expected = (0..count).filter(deleted).count();
    assert_eq!(buried[0].get::<i64, _>(0), Some(i64::try_from(expected).unwrap()));
}
