//! What must be in the tables and on the list, by a serial replay of a few lines.
//!
//! Batch borders may decide how far back a held record stands: what was composed with something bad
//! in one batch shares its fate. So of a held record the row must be one that the record has had,
//! and everything since must be held or made void by something held. Of any other record there is
//! one right row. It shares no code with batches, pipelines or destinations.

use std::collections::{BTreeMap, BTreeSet};

use keepstep::model::change::{Image, Operation};
use keepstep::model::value::Value;
use uuid::Uuid;

use super::source::{Poison, Sent};

/// Partition and offset.
pub type Place = (u32, i64);

/// A row: version, the four numbers, name and note.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    pub version: Option<i64>,
    pub numbers: [Option<i32>; 4],
    pub texts: [Option<String>; 2],
}

/// A held change, as the destination keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    pub place: Place,
    pub record: Uuid,
    pub cause: String,
    pub detail: String,
}

/// Whether the database still refuses what it refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Constraint {
    Stands,
    Dropped,
}

/// What is wrong.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Changes that are neither in the table nor held.
    pub(super) lost: Vec<String>,
    /// Entries that should not be on the list.
    pub(super) false_entries: Vec<String>,
}

/// A record after some of its changes.
#[derive(Clone, Debug, Default)]
struct State {
    row: Option<Row>,
    /// Something since the last image or delete could not be written.
    held: bool,
}

impl State {
    fn meet(&mut self, sent: &Sent, constraint: Constraint) {
        let bad = sent.poison.is_some_and(|poison| is_bad(poison, constraint));
        let change = &sent.change;
        match (change.operation, change.image) {
            _ if bad => self.held = true,
            (Operation::Delete, _) => *self = Self::default(),
            (_, Image::Full) => *self = Self { row: Some(Row::default()), held: false },
            (_, Image::Patch) => {}
        }
        if self.held {
            return;
        }
        if let Some(row) = &mut self.row {
            row.version = change.version.map(|version| version.0);
            change.attributes.iter().for_each(|(name, value)| row.set(name, value));
        }
    }
}

impl Row {
    fn set(&mut self, name: &str, value: &Value) {
        match (name, value) {
            ("name", Value::Text(text)) => self.texts[0] = Some(text.to_string()),
            ("note", Value::Text(text)) => self.texts[1] = Some(text.to_string()),
            (number, value) => {
                let at: usize = number[1..].parse().expect("n and a number");
                self.numbers[at] = match value {
                    Value::Integer(value) => Some(*value),
                    _ => None,
                };
            }
        }
    }
}

fn is_bad(poison: Poison, constraint: Constraint) -> bool {
    poison != Poison::Refused || constraint == Constraint::Stands
}

/// The changes of one record, in order, and where each lies.
type History<'a> = Vec<(Place, &'a Sent)>;

/// Judges all tables and everything that is held.
pub(super) fn judge(
    sent: &BTreeMap<Place, Sent>,
    tables: &BTreeMap<String, BTreeMap<Uuid, Row>>,
    open: &[Open],
    constraint: Constraint,
    refusals: &[&str],
) -> Verdict {
    let mut histories: BTreeMap<(&str, Uuid), History<'_>> = BTreeMap::new();
    for (place, it) in sent {
        let of = (it.change.entity.as_str(), it.change.record_id.0);
        histories.entry(of).or_default().push((*place, it));
    }
    let mut verdict = Verdict::default();
    let mut held: BTreeMap<Uuid, BTreeMap<Place, &Open>> = BTreeMap::new();
    for it in open {
        verdict.false_entries.extend(false_cause(sent.get(&it.place), it, refusals));
        held.entry(it.record).or_default().insert(it.place, it);
    }
    for ((entity, id), history) in &histories {
        let row = tables.get(*entity).and_then(|table| table.get(id));
        let nothing = BTreeMap::new();
        let held = held.get(id).unwrap_or(&nothing);
        let places: BTreeSet<Place> = held.keys().copied().collect();
        let (lost, wrong) = one_record(history, row, &places, constraint);
        let said = |what: &str| format!("{entity} {id}: {what}{}", told(history, row, &places));
        verdict.lost.extend(lost.map(said));
        verdict.false_entries.extend(wrong.map(said));
    }
    for (entity, table) in tables {
        let unknown = table.keys().filter(|id| !histories.contains_key(&(entity.as_str(), **id)));
        verdict.false_entries.extend(unknown.map(|id| format!("{entity} {id}: nobody sent it")));
    }
    verdict
}

/// What is lost of one record, and why its entry is false.
fn one_record<'a>(
    history: &History<'_>,
    row: Option<&Row>,
    held: &BTreeSet<Place>,
    constraint: Constraint,
) -> (Option<&'a str>, Option<&'a str>) {
    let states = |constraint| {
        let mut states = vec![State::default()];
        for (_, sent) in history {
            let mut state = states[states.len() - 1].clone();
            state.meet(sent, constraint);
            states.push(state);
        }
        states
    };
    let now = states(constraint);
    let end = &now[now.len() - 1];
    let Some(first) = history.iter().position(|(place, _)| held.contains(place)) else {
        let right = !end.held && row == end.row.as_ref();
        return ((!right).then_some("the row is not as replayed, and nothing is held"), None);
    };
    if !end.held {
        return (None, Some("it is held, and nothing bad came since its last image or delete"));
    }
    // Rows that it had while the constraint stood count as well.
    let before = states(Constraint::Stands);
    let whole = (0..=first).any(|after| {
        let had = [&now[after].row, &before[after].row].contains(&&row.cloned());
        had && (after..history.len()).all(|at| {
            held.contains(&history[at].0)
                || history[at + 1..]
                    .iter()
                    .any(|(place, sent)| held.contains(place) && sent.change.image == Image::Full)
        })
    });
    ((!whole).then_some("a change is neither in the row nor held"), None)
}

/// Why the cause of a held change is none that its record can have.
fn false_cause(sent: Option<&Sent>, open: &Open, refusals: &[&str]) -> Option<String> {
    let right = match sent.and_then(|sent| sent.poison) {
        Some(poison) => [poison.cause(), "waits"].contains(&open.cause.as_str()),
        // It waits, or was composed with what came after it.
        None => ["waits", "refused", "no_base"].contains(&open.cause.as_str()),
    };
    let known = sent.is_some_and(|sent| sent.change.record_id.0 == open.record);
    // Code of a constraint and of a trigger; any other is an outage's, or a table's.
    let ours = open.cause != "refused" || refusals.iter().any(|it| open.detail.contains(it));
    let fine = right && ours && (known || sent.is_some_and(|sent| sent.key.0 == open.record));
    let poison = sent.and_then(|sent| sent.poison);
    (!fine).then(|| {
        let Open { place, record, cause, detail } = open;
        format!("{record} at {place:?}: held for {cause} ({detail}), and its poison is {poison:?}")
    })
}

/// A record's story, for people.
fn told(history: &History<'_>, row: Option<&Row>, held: &BTreeSet<Place>) -> String {
    let mut text = format!("; row {row:?};");
    for (place, sent) in history.iter().rev().take(12).rev() {
        let Sent { change, poison, .. } = sent;
        let (operation, image) = (change.operation, change.image);
        let mark = if held.contains(place) { " HELD" } else { "" };
        let version = change.version.map_or(0, |version| version.0);
        text.push_str(&format!(" {place:?} v{version} {operation:?} {image:?} {poison:?}{mark};"));
    }
    text
}

#[cfg(test)]
mod tests {
    use keepstep::model::change::{Change, Version};
    use keepstep::model::record::{EntityName, RecordId};

    use super::*;

    const ID: Uuid = Uuid::from_u128(1);

    fn sent(version: i64, image: Image, poison: Option<Poison>) -> Sent {
        let change = Change {
            organization_id: None,
            entity: EntityName::new("alpha"),
            record_id: RecordId(ID),
            operation: Operation::Update,
            image,
            version: Some(Version(version)),
            changed_at: None,
            attributes: vec![("n0".into(), Value::Integer(i32::try_from(version).unwrap()))],
            correlation_id: None,
            payload_reference: None,
        };
        Sent { key: change.record_id, change, poison }
    }

    fn open(offset: i64, cause: &str, detail: &str) -> Open {
        Open { place: (0, offset), record: ID, cause: cause.to_owned(), detail: detail.to_owned() }
    }

    /// Lost changes and false entries; the row is as version `row` left it.
    fn judged(history: &[Sent], row: i64, open: &[Open]) -> (usize, usize) {
        let sent = history.iter().cloned().zip(0..).map(|(sent, at)| ((0, at), sent)).collect();
        let numbers = [Some(i32::try_from(row).unwrap()), None, None, None];
        let row = Row { version: Some(row), numbers, ..Row::default() };
        let tables = BTreeMap::from([("alpha".to_owned(), BTreeMap::from([(ID, row)]))]);
        let verdict = judge(&sent, &tables, open, Constraint::Stands, &["23514"]);
        (verdict.lost.len(), verdict.false_entries.len())
    }

    #[test]
    fn what_is_lost_and_what_is_false_is_found() {
        use Image::{Full, Patch};
        let fine = [sent(1, Full, None), sent(2, Patch, None)];
        assert_eq!(judged(&fine, 2, &[]), (0, 0));
        assert_eq!(judged(&fine, 1, &[]), (1, 0), "a patch is in neither");
        assert_eq!(judged(&fine, 2, &[open(1, "waits", "")]), (0, 1), "nothing is bad");

        let bad = Some(Poison::TooLong);
        let held = [sent(1, Full, None), sent(2, Patch, bad), sent(3, Patch, None)];
        let both = [open(1, "text_too_long", ""), open(2, "waits", "")];
        assert_eq!(judged(&held, 1, &both), (0, 0));
        assert_eq!(judged(&held, 1, &both[..1]), (1, 0), "what waits is lost");
        assert_eq!(judged(&held, 1, &[]), (1, 0), "what is bad is lost");
        assert_eq!(judged(&held, 3, &both), (1, 0), "a change overtook what is held");

        let mended = [sent(1, Full, bad), sent(2, Full, None)];
        assert_eq!(judged(&mended, 2, &[]), (0, 0));
        assert_eq!(
            judged(&mended, 2, &[open(0, "text_too_long", "")]),
            (0, 1),
            "it is right again"
        );
    }

    #[test]
    fn an_outage_is_no_cause() {
        let refused = [sent(1, Image::Full, None), sent(2, Image::Patch, Some(Poison::Refused))];
        assert_eq!(judged(&refused, 1, &[open(1, "refused", "code 23514")]), (0, 0));
        for code in ["57P01", "42703", "08006"] {
            assert_eq!(judged(&refused, 1, &[open(1, "refused", code)]), (0, 1), "{code}");
        }
        assert_eq!(judged(&refused, 1, &[open(1, "no_base", "")]), (0, 1));
    }
}
