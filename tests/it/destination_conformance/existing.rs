//! Tables that are there already: what a survey tells of them, what becomes of their columns.

use std::sync::Arc;

use keepstep::destination::Activation;
use keepstep::destination::survey::Rows;
use keepstep::model::cell::Cell;
use keepstep::model::entity::AttributeKind;
use keepstep::model::layout::{Existing, Widen};
use keepstep::model::mapping::Mapping;

use super::laboratory::Tamper;
use super::outcome::{Outcome, equal, holds, worked};
use super::scene::{self, Lane, Scene, attribute, text};

fn with(existing: Existing, mappings: &[&Arc<Mapping>]) -> Activation {
    Activation { existing, ..scene::activation(mappings) }
}

/// Writes one row.
async fn put(lane: &mut Lane, mapping: &Arc<Mapping>, record: u128, version: i64) -> Outcome {
    let change = scene::image(scene::record(record), Some(version), &[(0, text("here"))]);
    worked("a write", lane.write(&scene::batch(mapping, vec![change])).await)?;
    Ok(())
}

/// What a source makes longer or finer becomes so in the table, and no value changes.
pub async fn columns_are_widened_and_keep_their_values(scene: Scene) -> Outcome {
    let of = |length, memo, number, precision| {
        let attributes = vec![
            attribute("longer", AttributeKind::Text { max_length: Some(length) }),
            attribute("unbounded", memo),
            attribute("number", number),
            attribute("finer", AttributeKind::Decimal { precision }),
        ];
        scene::mapping("account", true, attributes)
    };
    let short = AttributeKind::Text { max_length: Some(10) };
    let narrow = of(10, short.clone(), AttributeKind::Integer, 2);
    let wide = of(200, AttributeKind::Memo, AttributeKind::BigInt, 4);
    let decimal = |text: &str| Cell::Decimal(text.parse().expect("a decimal"));
    let mut lane = scene.lane(&scene::activation(&[&narrow])).await?;
    let (ten, old) = (text("0123456789"), scene::record(1));
    let cells = [(0, ten.clone()), (1, ten), (2, Cell::Integer(i32::MIN)), (3, decimal("-1.25"))];
    let batch = scene::batch(&narrow, vec![scene::create(old, Some(1), &cells)]);
    worked("the narrow write", lane.write(&batch).await)?;

    let findings = scene.open().await.check(&scene::activation(&[&wide])).await;
    let problems = findings.iter().filter(|finding| finding.problem.is_some());
    equal("problems of what can be widened", &problems.count(), &0)?;
    let mut lane = scene.lane(&scene::activation(&[&wide])).await?;
    let (long, longer) = ("\u{1f600}".repeat(100), "x".repeat(10_000));
    let cells =
        [(0, text(&long)), (1, text(&longer)), (2, Cell::Long(i64::MIN)), (3, decimal("0.1234"))];
    let batch = scene::batch(&wide, vec![scene::create(scene::record(2), Some(1), &cells)]);
    worked("the wide write", lane.write(&batch).await)?;
    let rows = scene.database.rows(&wide.table).await;
    let cells: Vec<_> = rows.into_iter().map(|row| row.cells).collect();
    let some = |text: &str| Some(text.to_owned());
    // A database without decimals of its own keeps the digits as they were written.
    let kept = cells.first().and_then(|cells| cells[3].clone()).unwrap_or_default();
    holds(&format!("the old decimal {kept}"), kept == "-1.25" || kept == "-1.2500")?;
    let expected = vec![
        vec![some("0123456789"), some("0123456789"), some("-2147483648"), Some(kept)],
        vec![some(&long), some(&longer), some("-9223372036854775808"), some("0.1234")],
    ];
    equal("the rows", &cells, &expected)?;
    // Back again: nothing is narrowed.
    let mut lane = scene.lane(&scene::activation(&[&narrow])).await?;
    let late = scene::patch(scene::record(2), Some(2), &[(2, Cell::Integer(7))]);
    worked("a narrow write", lane.write(&scene::batch(&narrow, vec![late])).await)?;
    let rows = scene.database.rows(&wide.table).await;
    equal("the long text", &rows.last().and_then(|row| row.cells[1].clone()), &some(&longer))
}

/// What a profile does not let be widened stays as it is, and its entity stands back.
pub async fn columns_are_widened_as_far_as_allowed(scene: Scene) -> Outcome {
    let of = |length, number, widen| {
        let attributes = vec![
            attribute("text", AttributeKind::Text { max_length: Some(length) }),
            attribute("number", number),
        ];
        let mut mapping = scene::mapping("account", true, attributes);
        Arc::get_mut(&mut mapping).expect("one owner").table.widen = widen;
        mapping
    };
    let (integer, long) = (AttributeKind::Integer, AttributeKind::BigInt);
    let narrow = of(10, integer.clone(), Widen::All);
    let mut lane = scene.lane(&scene::activation(&[&narrow])).await?;
    put(&mut lane, &narrow, 1, 1).await?;
    let wider = scene::activation(&[&of(20, long.clone(), Widen::All)]);
    let found = worked("the survey", scene.open().await.survey(&wider).await)?;
    // A database whose columns take everything has nothing to widen.
    let has_lengths = found.iter().any(|one| !one.narrow.is_empty());
    for (length, number, widen, allowed) in [
        (20, integer.clone(), Widen::Nothing, false),
        (10, long.clone(), Widen::Texts, false),
        (10, integer.clone(), Widen::Nothing, true),
        (20, integer, Widen::Texts, true),
        (20, long, Widen::All, true),
    ] {
        let what = format!("length {length}, {number:?}, {widen:?}");
        let wanted = scene::activation(&[&of(length, number, widen)]);
        let findings = scene.open().await.check(&wanted).await;
        let problems = findings.iter().filter(|finding| finding.problem.is_some()).count();
        let survey = worked("the survey", scene.open().await.survey(&wanted).await)?;
        let told: Vec<_> =
            survey.iter().flat_map(|one| &one.in_the_way).map(|one| &*one.code).collect();
        let activated = worked(&what, scene.open().await.activate(&wanted).await)?;
        let refused: Vec<_> = activated.refused.iter().map(|one| &*one.trouble.code).collect();
        let expected = if allowed || !has_lengths { Vec::new() } else { vec!["column_narrow"] };
        equal(&format!("{what}: what is refused"), &refused, &expected)?;
        equal(&format!("{what}: what the survey tells"), &told, &expected)?;
        equal(&format!("{what}: problems of the check"), &problems, &expected.len())?;
    }
    Ok(())
}

/// New attributes become columns behind all others; the columns of removed ones stay, are null in
/// new rows, and are told.
pub async fn columns_come_last_and_stay_for_ever(scene: Scene) -> Outcome {
    let letter = |name: &str| attribute(name, AttributeKind::Text { max_length: Some(100) });
    let old = scene::mapping("account", true, vec![letter("b"), letter("gone")]);
    let new = scene::mapping("account", true, vec![letter("a"), letter("b")]);
    let mut lane = scene.lane(&scene::activation(&[&old])).await?;
    let change = scene::create(scene::record(1), Some(1), &[(0, text("b")), (1, text("kept"))]);
    worked("the write", lane.write(&scene::batch(&old, vec![change])).await)?;
    let activated = scene.open().await.activate(&scene::activation(&[&new])).await;
    let left_over = worked("the activation", activated)?.left_over;
    let names: Vec<_> =
        left_over.iter().map(|one| (one.entity.as_str(), one.columns.join(","))).collect();
    equal("what is left over", &names, &vec![("account", "gone".to_owned())])?;
    let columns = scene.database.columns(&old.table).await;
    equal("the last column", &columns.last().map(String::as_str), &Some("a"))?;
    let mut lane = Lane::take(scene.open().await, &lane.id).await?;
    let change = scene::create(scene::record(2), Some(1), &[(0, text("a"))]);
    worked("the write", lane.write(&scene::batch(&new, vec![change])).await)?;
    let rows = scene.database.rows(&old.table).await;
    let gone: Vec<_> = rows.iter().map(|row| row.cells[1].as_deref()).collect();
    equal("the column that is left over", &gone, &vec![Some("kept"), None])
}

/// A survey tells what an activation will do, and does nothing.
pub async fn a_survey_tells_and_changes_nothing(scene: Scene) -> Outcome {
    let letter =
        |name: &str, length| attribute(name, AttributeKind::Text { max_length: Some(length) });
    let old = scene::mapping("account", true, vec![letter("a", 10), letter("gone", 10)]);
    let new = scene::mapping("account", true, vec![letter("a", 20), letter("b", 10)]);
    let contact = scene::letters("contact", true);
    let wanted = with(Existing::Refuse, &[&new, &contact]);
    let survey = || async { worked("the survey", scene.open().await.survey(&wanted).await) };
    let empty = survey().await?;
    holds("nothing is there", empty.iter().all(|one| one.rows.is_none()))?;
    equal("what is in the way", &empty.iter().map(|one| one.in_the_way.len()).sum(), &0_usize)?;
    let mut lane = scene.lane(&scene::activation(&[&old])).await?;
    put(&mut lane, &old, 1, 1).await?;
    put(&mut lane, &old, 2, 1).await?;
    for bound in [true, false] {
        let before = (
            scene.database.columns(&old.table).await,
            scene.database.rows(&old.table).await,
            scene.database.cursors(&lane.id).await,
        );
        let found = survey().await?;
        let [account, contact] = found.as_slice() else {
            return Err(format!("one survey per entity, and not {found:?}"));
        };
        equal("contact", &contact.rows, &None)?;
        equal("rows", &account.rows, &Some(Rows::Exactly(2)))?;
        equal("bound", &account.bound_to.is_some(), &bound)?;
        equal("in the way", &account.in_the_way, &vec![])?;
        if scene.abilities.has_schema {
            let missing: Vec<_> = account.missing.iter().map(|new| new.name.as_str()).collect();
            equal("missing", &missing, &vec!["b"])?;
            equal("left over", &account.left_over, &vec!["gone".to_owned()])?;
            // A database whose texts have no length has nothing to widen.
            let narrow: Vec<_> = account.narrow.iter().map(|one| one.name.as_str()).collect();
            holds("narrow", narrow.is_empty() || narrow == ["a"])?;
            equal("fits", &(account.fits + narrow.len()), &5)?;
        }
        let after = (
            scene.database.columns(&old.table).await,
            scene.database.rows(&old.table).await,
            scene.database.cursors(&lane.id).await,
        );
        equal("the database", &after, &before)?;
        scene.database.tamper(Tamper::Unregistered(old.table.clone())).await;
    }
    let mut thief = scene::activation(&[&contact]);
    drop(scene.activated(&thief).await?);
    thief.profile = keepstep::model::profile::ProfileId::new("thief").expect("a valid id");
    let found = worked("the survey", scene.open().await.survey(&thief).await)?;
    let codes: Vec<_> =
        found.iter().flat_map(|one| &one.in_the_way).map(|one| &*one.code).collect();
    equal("what the thief is told", &codes, &vec!["table_bound_to_other_profile"])
}
