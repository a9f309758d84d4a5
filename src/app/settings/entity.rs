//! `entities` of a profile: names alone, or tables with more.

use compact_str::CompactString;

use super::reader::TableReader;
use super::reading::{Complaint, Field, Reading, TextOrTable};
use super::topic_template::{TopicTemplate, is_topic_name};
use crate::model::position::Topic;
use crate::model::profile::ProfileEntity;

const HEADING: (&str, &str) = (
    "[[profile.entities]]",
    "One entity of a profile, where its name alone is not enough: `entities = [\"account\", { name = \
     \"contact\", versioned = false }]`.",
);

/// Longest logical name of an entity.
const LONGEST_NAME: usize = 128;
/// Most entities of one profile.
const MOST_ENTITIES: usize = 1_000;

/// What an entity has that says nothing of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Defaults<'a> {
    /// Whether it is versioned.
    pub versioned: bool,
    /// Where its topic's name comes from; `None` if that is wrong itself.
    pub template: Option<&'a TopicTemplate>,
}

/// Reads the entities of a profile.
pub(super) fn read_all(
    reading: &mut Reading,
    place: &str,
    items: Vec<TextOrTable<'_>>,
    defaults: Defaults<'_>,
) -> Option<Vec<ProfileEntity>> {
    let mut entities: Vec<ProfileEntity> = Vec::new();
    let mut complete = true;
    if items.len() > MOST_ENTITIES {
        let what = format!("has {} entities", items.len());
        let hint = format!("split it into profiles of up to {MOST_ENTITIES} entities");
        reading.note(None, place, Complaint::new(what, hint));
    }
    for (at, item) in items.into_iter().enumerate() {
        let place = format!("{place}, entity {}", at + 1);
        let (line, entity) = match item {
            TextOrTable::Text(line, name) => {
                let entity = named(&name, defaults);
                let noted = entity.map_err(|complaint| reading.note(Some(line), &place, complaint));
                (line, noted.ok().flatten())
            }
            TextOrTable::Table(found) => {
                let line = found.line;
                let mut table = TableReader::new(reading, HEADING, &place, Some(found));
                let entity = read(&mut table, defaults);
                table.finish();
                (line, entity)
            }
        };
        let Some(entity) = entity else {
            complete = false;
            continue;
        };
        if entities.iter().any(|other| other.name == entity.name) {
            let what = format!("{} is named twice", entity.name);
            reading.note(Some(line), &place, Complaint::new(what, "remove one of them"));
        }
        entities.push(entity);
    }
    complete.then_some(entities)
}

/// Reads one entity that is a table.
pub(super) fn read(
    table: &mut TableReader<'_, '_>,
    defaults: Defaults<'_>,
) -> Option<ProfileEntity> {
    let name = table.text(Field::required("name", "a logical name", "Its logical name."), |text| {
        check_name(text).map(|()| CompactString::new(text))
    });
    let versioned = table.optional_flag(
        "versioned",
        "Whether every change of it carries a row version; by default what the profile says.",
    );
    let topic = table.text(
        Field::optional(
            "topic",
            "a topic",
            "Its topic; by default what the profile's template says.",
        ),
        |text| check_topic(text).map(|()| Topic::new(text)),
    );
    let name = name?;
    if table.is_set("topic") {
        let versioned = versioned.unwrap_or(defaults.versioned);
        return Some(ProfileEntity { name, versioned, topic: topic? });
    }
    let entity = named(&name, defaults);
    let mut entity = entity.map_err(|complaint| table.mistake("name", complaint)).ok()??;
    entity.versioned = versioned.unwrap_or(defaults.versioned);
    Some(entity)
}

/// The entity of a name alone; `None` if the template is wrong, which is a mistake of its own.
fn named(name: &str, defaults: Defaults<'_>) -> Result<Option<ProfileEntity>, Complaint> {
    check_name(name)?;
    let Some(template) = defaults.template else {
        return Ok(None);
    };
    let topic = template.topic(name).map_err(|error| {
        Complaint::new(format!("the name of its topic is too long: {error}"), "shorten the topic")
    })?;
    let versioned = defaults.versioned;
    Ok(Some(ProfileEntity { name: CompactString::new(name), versioned, topic }))
}

fn check_name(name: &str) -> Result<(), Complaint> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(fits) {
        return Err(Complaint::new(
            format!("{name:?} is no logical name of an entity"),
            format!("write 1 to {LONGEST_NAME} lower-case letters, digits and underscores"),
        ));
    }
    if name == "activitypointer" {
        return Err(Complaint::new(
            "activitypointer stands for all activities and cannot be copied",
            "name the concrete activities (email, phonecall, task, appointment, …)",
        ));
    }
    Ok(())
}

pub(super) fn check_topic(topic: &str) -> Result<(), Complaint> {
    if is_topic_name(topic) {
        return Ok(());
    }
    let hint = "write 1 to 249 letters, digits, dots, underscores and hyphens";
    Err(Complaint::new(format!("{topic:?} is no name of a topic"), hint))
}
