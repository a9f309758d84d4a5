//! Bad input, whole: each case lies on the log before a good change of the same partition, runs
//! through a real pipeline into the twin in memory and into SQLite, and ends as its table says: as
//! a held change with the right cause, or as a row with the stated value. Never a panic, never a
//! stall, and nothing of the content in what keepstep says or keeps. A definition or a setting that
//! is bad ends as a refused start.

mod case;
mod definitions;
mod encodings;
mod names;
mod numbers;
mod random;
mod records;
mod scene;
mod texts;
mod times;

use keepstep::model::mapping::UnknownAttribute;

use case::{CANARY, Case, End, good};
use scene::{Kind, Left, run};

/// Runs the cases into both destinations and checks the end of each.
async fn check(cases: Vec<Case>) {
    for kind in [Kind::Memory, Kind::Sqlite] {
        let goods = (0..cases.len()).map(good);
        let records =
            cases.iter().zip(goods).flat_map(|(case, (good, _))| [case.record(), good]).collect();
        let left = run(kind, records, UnknownAttribute::Stop).await;
        assert!(left.paused.is_empty(), "{kind:?}: {:?}", left.paused);
        assert!(!left.said.contains(CANARY), "{kind:?}: content is told: {}", left.said);
        let wrong: Vec<String> = cases
            .iter()
            .enumerate()
            .filter_map(|(at, case)| {
                let wrong = wrong(&left, at, case)?;
                Some(format!("{kind:?}, {}: {wrong}", case.name))
            })
            .collect();
        assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    }
}

/// What is wrong with the end of the case at this place, if anything is.
fn wrong(left: &Left, at: usize, case: &Case) -> Option<String> {
    let good = (scene::VERSIONED.to_owned(), good(at).1.hyphenated().to_string());
    if left.rows.get(&good).and_then(|row| row.get("name")).is_none_or(|name| name != "good") {
        return Some("the good change behind it is not written".to_owned());
    }
    let key = (case.entity.to_owned(), case.id.hyphenated().to_string());
    let row = left.rows.get(&key);
    let held = left.held.get(&(2 * at)).map_or(&[][..], Vec::as_slice);
    let (column, code, words) = match &case.end {
        End::Held(code, words) => (None, code, words),
        End::HeldIn(column, code, words) => (Some(*column), code, words),
        End::Nothing => {
            let nothing = row.is_none() && held.is_empty();
            return (!nothing).then(|| format!("row {row:?}, held {held:?}"));
        }
        End::Row(columns) => {
            let (Some(row), []) = (row, held) else {
                return Some(format!("row {row:?}, held {held:?}"));
            };
            let other = columns.iter().find(|(name, text)| row.get(*name) != text.as_ref());
            return other
                .map(|(name, text)| format!("{name} is {:?}, not {text:?}", row.get(*name)));
        }
    };
    let [hold] = held else {
        return Some(format!("row {row:?}, held {held:?}"));
    };
    let cause = &hold.cause;
    let right = cause.code == *code
        && cause.detail.contains(words.as_str())
        && (column.is_none() || cause.column.as_deref() == column)
        && hold.key.record_id.map(|id| id.0) == case.known_as
        && row.is_none();
    (!right).then(|| format!("row {row:?}, {hold:?}"))
}
