//! What becomes of tables and columns that are there.

use std::sync::Arc;

use keepstep::destination::{Activated, Activation};
use keepstep::model::cell::Cell;
use keepstep::model::entity::AttributeKind;
use keepstep::model::layout::Existing;
use keepstep::model::mapping::Mapping;

use super::laboratory::Tamper;
use super::outcome::{Outcome, equal, holds, worked};
use super::scene::{self, Lane, Scene, attribute, text};

async fn activate(scene: &Scene, activation: &Activation) -> Outcome<Activated> {
    worked("the activation", scene.open().await.activate(activation).await)
}

fn refused(activated: &Activated) -> Vec<(&str, &str)> {
    let refused = activated.refused.iter();
    refused.map(|one| (one.entity.as_str(), one.trouble.code.as_str())).collect()
}

/// A table that is there with rows is somebody's, until a person says what shall become of it; and
/// nothing is emptied twice (F30, P4).
pub async fn tables_that_are_there(scene: Scene) -> Outcome {
    let (account, contact) = (scene::letters("account", true), scene::letters("contact", true));
    let with = |existing| {
        let both = scene::activation(&[&account, &contact]);
        Activation { existing, ..both }
    };
    // Empty tables are used whatever is said.
    equal("refused at first", &activate(&scene, &with(Existing::Refuse)).await?.refused, &vec![])?;
    let mut lane = scene.lane(&with(Existing::Refuse)).await?;
    for mapping in [&account, &contact] {
        let row = scene::create(scene::record(1), Some(1), &[(0, text("old"))]);
        worked("a row", lane.write(&scene::batch(mapping, vec![row])).await)?;
    }
    // The profile's own are neither refused nor emptied.
    for existing in [Existing::Refuse, Existing::Truncate, Existing::Adopt] {
        equal("refused of its own", &activate(&scene, &with(existing)).await?.refused, &vec![])?;
    }
    let rows = async || scene.database.rows(&account.table).await.len();
    equal("own rows", &rows().await, &1)?;

    let forget = async || scene.database.tamper(Tamper::Unregistered(account.table.clone())).await;
    forget().await;
    let answer = activate(&scene, &with(Existing::Refuse)).await?;
    equal("refused", &refused(&answer), &vec![("account", "table_has_rows")])?;
    equal("rows of the refused table", &rows().await, &1)?;
    // Its neighbour goes on.
    let mut lane = Lane::take(scene.open().await, &lane.id).await?;
    let row = scene::create(scene::record(2), Some(1), &[(0, text("new"))]);
    worked("the neighbour's row", lane.write(&scene::batch(&contact, vec![row])).await)?;

    equal("adopted", &activate(&scene, &with(Existing::Adopt)).await?.refused, &vec![])?;
    equal("rows of the adopted table", &rows().await, &1)?;
    forget().await;
    equal("emptied", &activate(&scene, &with(Existing::Truncate)).await?.refused, &vec![])?;
    equal("rows of the emptied table", &rows().await, &0)?;
    let mut lane = Lane::take(scene.open().await, &lane.id).await?;
    let row = scene::create(scene::record(3), Some(1), &[(0, text("new"))]);
    worked("a row after that", lane.write(&scene::batch(&account, vec![row])).await)?;
    activate(&scene, &with(Existing::Truncate)).await?;
    equal("rows that came later", &rows().await, &1)
}

fn one(kind: AttributeKind) -> Arc<Mapping> {
    scene::mapping("account", true, vec![attribute("a", kind)])
}

/// Longer texts and finer numbers find room, and what was there stays (F58, P8).
pub async fn columns_become_wider(scene: Scene) -> Outcome {
    let kinds = |length, precision| {
        vec![
            attribute("text", AttributeKind::Text { max_length: length }),
            attribute("amount", AttributeKind::Money { precision }),
        ]
    };
    let number = |digits: &str| Cell::Decimal(digits.parse().expect("a number"));
    let narrow = scene::mapping("account", true, kinds(Some(5), 2));
    let mut lane = scene.lane(&scene::activation(&[&narrow])).await?;
    let row = scene::create(scene::record(1), Some(1), &[(0, text("short")), (1, number("1.25"))]);
    worked("a short row", lane.write(&scene::batch(&narrow, vec![row])).await)?;
    for (length, precision, digits, words) in [
        (Some(9), 4, "1.2525", "not short"),
        (Some(4_001), 4, "1.2526", "longer than it was"),
        // And back: nothing is narrowed.
        (Some(5), 4, "1.2527", "short"),
    ] {
        let wide = scene::mapping("account", true, kinds(length, precision));
        let activated = activate(&scene, &scene::activation(&[&wide])).await?;
        equal("refused", &refused(&activated), &vec![])?;
        let mut lane = Lane::take(scene.open().await, &lane.id).await?;
        let cells = [(0, text(words)), (1, number(digits))];
        let row = scene::image(scene::record(2), Some(2), &cells);
        worked("a longer row", lane.write(&scene::batch(&wide, vec![row])).await)?;
        let rows = scene.database.rows(&wide.table).await;
        let found: Vec<_> = rows[1].cells.iter().map(Option::as_deref).collect();
        equal("what came", &found, &vec![Some(words), Some(digits)])?;
        equal("what was there", &rows[0].cells[0].as_deref(), &Some("short"))?;
    }
    Ok(())
}

/// A column that would read old values differently is left alone, and so is its entity; the others
/// go on.
pub async fn another_type_is_its_entitys_trouble(scene: Scene) -> Outcome {
    let number = one(AttributeKind::Integer);
    let mut lane = scene.lane(&scene::activation(&[&number])).await?;
    let row = scene::create(scene::record(1), Some(1), &[(0, Cell::Integer(7))]);
    worked("a number", lane.write(&scene::batch(&number, vec![row])).await)?;
    let words = one(AttributeKind::Text { max_length: Some(10) });
    let contact = scene::letters("contact", true);
    let both = scene::activation(&[&words, &contact]);
    let findings = scene.open().await.check(&both).await;
    let told = findings.iter().any(|finding| {
        finding.problem.as_ref().is_some_and(|problem| problem.code == "column_type")
    });
    holds(&format!("a check tells it: {findings:?}"), told)?;
    for _ in 0..2 {
        let activated = activate(&scene, &both).await?;
        equal("refused", &refused(&activated), &vec![("account", "column_type")])?;
        holds("it says what to do", !activated.refused[0].trouble.hint.is_empty())?;
    }
    let rows = scene.database.rows(&number.table).await;
    equal("what was there", &rows[0].cells, &vec![Some("7".to_owned())])?;
    let mut lane = Lane::take(scene.open().await, &lane.id).await?;
    let row = scene::create(scene::record(1), Some(1), &[(0, text("goes on"))]);
    worked("the neighbour's row", lane.write(&scene::batch(&contact, vec![row])).await)?;
    let back = activate(&scene, &scene::activation(&[&number, &contact])).await?;
    equal("refused once it is right again", &refused(&back), &vec![])
}

/// An attribute that is gone leaves its column and a word of it (F59).
pub async fn columns_without_an_attribute_are_told(scene: Scene) -> Outcome {
    let three = scene::letters("account", true);
    let first = activate(&scene, &scene::activation(&[&three])).await?;
    equal("left over at first", &first.left_over, &vec![])?;
    let one = scene::mapping("account", true, vec![attribute("b", AttributeKind::Memo)]);
    let columns = scene.database.columns(&three.table).await;
    let answer = activate(&scene, &scene::activation(&[&one])).await?;
    equal("left over", &answer.left_over.len(), &1)?;
    let left_over = &answer.left_over[0];
    equal("of entity", &left_over.entity.as_str(), &"account")?;
    equal("columns", &left_over.columns, &vec!["a".to_owned(), "c".to_owned()])?;
    equal("all that there are", &scene.database.columns(&three.table).await, &columns)
}
