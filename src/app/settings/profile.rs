//! `[[profile]]`: what one administrator wants copied where.
//!
//! Names, defaults and ranges are those of Data Export Service where it had them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use compact_str::CompactString;

use super::destination::{DatabaseSettings, DestinationSettings};
use super::entity;
use super::reader::TableReader;
use super::reading::{Complaint, Field, Found, Reading, nearest};
use super::source;
use super::topic_template::{self, TemplateError, TopicTemplate};
use crate::model::layout::{Existing, Layout, Widen};
use crate::model::position::Topic;
use crate::model::profile::{Profile, ProfileId};

const HEADING: (&str, &str) =
    ("[[profile]]", "An export profile: what is copied where. There may be several.");

/// Schema of keepstep's own tables, where no profile may write.
const OWN_SCHEMA: &str = "keepstep";
/// Longest name of a profile, in characters.
const LONGEST_NAME: usize = 200;
/// Longest schema, in characters: the shortest limit of the databases.
const LONGEST_SCHEMA: usize = 63;
/// A prefix has fewer characters than this.
const PREFIX_LIMIT: usize = 15;

/// A profile and what surrounds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileSettings {
    /// The profile itself.
    pub profile: Profile,
    /// Name of its destination.
    pub destination: String,
    /// Files and folders with the definitions of its entities. Empty only beside a topic.
    pub definitions: Vec<PathBuf>,
    /// The topic with definitions of its entities.
    pub metadata_topic: Option<Topic>,
}

/// The destinations of the file, by name; `None` for one that has mistakes.
pub(super) type Destinations = BTreeMap<String, Option<DestinationSettings>>;

/// Where the profile writes.
struct Target<'a> {
    destination: Option<String>,
    schema: Option<CompactString>,
    prefix: Option<CompactString>,
    database: Option<&'a DatabaseSettings>,
}

/// What stands beside the tables of the profile, and what it does with what is there.
struct Beside {
    metadata: Option<bool>,
    delete_log: bool,
    existing: Option<Existing>,
    keep_deleted: Option<bool>,
    widen: Option<Widen>,
}

/// Reads one `[[profile]]`, the `number`th of the file from 1.
pub(super) fn read(
    reading: &mut Reading,
    number: usize,
    found: Option<Found<'_>>,
    destinations: &Destinations,
) -> Option<ProfileSettings> {
    let mut place = format!("profile {number}");
    let mut table = TableReader::new(reading, HEADING, &place, found);
    let id = read_id(&mut table);
    if let Some(id) = &id {
        place = format!("profile \"{id}\"");
        table.set_place(place.clone());
    }
    let name = read_name(&mut table);
    let target = read_target(&mut table, destinations);
    let template = read_template(&mut table);
    let versioned = table.flag(
        "versioned",
        true,
        "Whether every change carries the source's row version. Dataverse's own endpoint sends \
         none: write false for it.",
    );
    let form = "a list of names, or of tables { name, versioned, topic }";
    let entities = table.texts_or_tables(Field::required(
        "entities",
        form,
        "The entities to copy, by logical name.",
    ));
    if table.is_set("entities") && entities.as_ref().is_some_and(Vec::is_empty) {
        let complaint = Complaint::new("is an empty list", format!("write {form}"));
        table.mistake("entities", complaint);
    }
    let (definitions, metadata_topic) = read_definitions(&mut table);
    let source = source::read(&mut table, target.database);
    let (retry_count, retry_interval) = read_failures(&mut table);
    let beside = read_beside(&mut table, target.database);
    table.finish();
    let defaults = entity::Defaults { versioned, template: template.as_ref() };
    let entities = entity::read_all(reading, &place, entities?, defaults);
    let profile = Profile {
        id: id?,
        name: name?,
        layout: Layout {
            schema: target.schema?,
            prefix: target.prefix,
            metadata: beside.metadata?,
            delete_log: beside.delete_log,
        },
        existing: beside.existing?,
        keep_deleted: beside.keep_deleted?,
        widen: beside.widen?,
        entities: entities?,
        unknown_attributes: source.unknown_attributes?,
        images_only: source.images_only,
        start: source.start?,
        batch: source.batch?,
        retry_count: u32::try_from(retry_count).unwrap_or(u32::MAX),
        retry_interval,
        drain: source.drain,
    };
    Some(ProfileSettings {
        profile,
        destination: target.destination?,
        definitions: definitions?.into_iter().map(PathBuf::from).collect(),
        metadata_topic,
    })
}

fn read_id(table: &mut TableReader<'_, '_>) -> Option<ProfileId> {
    let field = Field::required(
        "id",
        "1 to 64 lower-case letters, digits and hyphens",
        "Its id: part of the consumer group's name and key of its checkpoints. Never change it.",
    );
    let form = field.form.clone();
    table.text(field, |text| {
        let complaint = || Complaint::new(format!("{text:?} is no id"), format!("write {form}"));
        ProfileId::new(text).ok_or_else(complaint)
    })
}

fn read_name(table: &mut TableReader<'_, '_>) -> Option<String> {
    let field = Field::required("name", "a text of up to 200 characters", "Its name for people.");
    table.text(field, |text| {
        let length = text.chars().count();
        let valid = !text.trim().is_empty() && length <= LONGEST_NAME;
        let hint = format!("write 1 to {LONGEST_NAME} characters");
        let complaint = || Complaint::new(format!("has {length} characters"), hint);
        valid.then(|| text.to_owned()).ok_or_else(complaint)
    })
}

fn read_target<'a>(table: &mut TableReader<'_, '_>, destinations: &'a Destinations) -> Target<'a> {
    let field = Field::required("destination", "a name", "Name of its [destination.<name>].");
    let destination = table.text(field, |text| {
        if destinations.contains_key(text) {
            return Ok(text.to_owned());
        }
        let known = destinations.keys().map(String::as_str);
        let hint = match nearest(text, known) {
            Some(name) => format!("did you mean {name:?}?"),
            None => format!("write a table [destination.{text}]"),
        };
        Err(Complaint::new(format!("there is no destination {text:?}"), hint))
    });
    let database = destination
        .as_deref()
        .and_then(|name| destinations.get(name)?.as_ref())
        .map(|settings| &settings.database);
    let field = Field::optional(
        "schema",
        "letters and digits",
        "Database schema of its tables; by default `public` in PostgreSQL and `dbo` in SQL Server. SQLite has \
         none.",
    );
    let sqlite = matches!(database, Some(DatabaseSettings::Sqlite { .. }));
    let schema = table.text(field, |text| check_schema(text, sqlite));
    let prefix = table.text(
        Field::optional(
            "prefix",
            "fewer than 15 letters and digits",
            "Begins the name of each table, followed by an underscore.",
        ),
        check_prefix,
    );
    let default = database.map(|database| CompactString::new(database.default_schema()));
    let schema = if table.is_set("schema") { schema } else { default };
    Target { destination, schema, prefix, database }
}

fn check_schema(text: &str, sqlite: bool) -> Result<CompactString, Complaint> {
    let alphanumeric = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if text.is_empty() || text.len() > LONGEST_SCHEMA || !alphanumeric {
        let hint = format!("write 1 to {LONGEST_SCHEMA} letters and digits");
        return Err(Complaint::new(format!("{text:?} is no name of a schema"), hint));
    }
    if text.eq_ignore_ascii_case(OWN_SCHEMA) {
        let what = "is the schema of keepstep's own tables";
        return Err(Complaint::new(what, "write another schema"));
    }
    if sqlite {
        return Err(Complaint::new("SQLite has no schemas", "remove it, or use prefix"));
    }
    Ok(CompactString::new(text))
}

fn check_prefix(text: &str) -> Result<CompactString, Complaint> {
    let alphanumeric = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if text.is_empty() || text.len() >= PREFIX_LIMIT || !alphanumeric {
        let hint = format!("write 1 to {} letters and digits, or remove it", PREFIX_LIMIT - 1);
        return Err(Complaint::new(format!("{text:?} is no prefix"), hint));
    }
    Ok(CompactString::new(text))
}

fn read_template(table: &mut TableReader<'_, '_>) -> Option<TopicTemplate> {
    let text = |text: &str| Ok(text.to_owned());
    let namespace = table.text(
        Field::with_default("namespace", "a text", "crm", "For `{namespace}` in the topic."),
        text,
    );
    let organization = table.text(
        Field::optional("organization", "a text", "For `{organization}` in the topic."),
        text,
    );
    let template = table.text(
        Field::with_default(
            "topic",
            "a text with {namespace}, {organization}, {entity}",
            topic_template::DEFAULT,
            "The topic of each entity. Without `{entity}` all entities share one topic.",
        ),
        text,
    );
    match TopicTemplate::new(&template?, &namespace?, organization.as_deref()) {
        Ok(template) => Some(template),
        Err(TemplateError::NoOrganization) => {
            let complaint = Complaint::new(
                "is missing: the topic names {organization}",
                "write organization, or a topic without it",
            );
            table.mistake("organization", complaint);
            None
        }
        Err(error) => {
            let hint = "topics have 1 to 249 letters, digits, dots, underscores and hyphens; \
                        placeholders are {namespace}, {organization} and {entity}";
            table.mistake("topic", Complaint::new(error.to_string(), hint));
            None
        }
    }
}

/// Files, and a topic; one of them must be there.
fn read_definitions(table: &mut TableReader<'_, '_>) -> (Option<Vec<String>>, Option<Topic>) {
    let definitions = table.texts(Field::optional(
        "definitions",
        "a path or a list of paths",
        "JSON files with the definitions of the entities, or folders of such files. They are \
         looked at again every few seconds: a new attribute gets its column while changes flow.",
    ));
    let topic = table.text(
        Field::optional(
            "metadata_topic",
            "a topic",
            "A compacted topic with definitions (`entity_metadata` records, see schemas/), read \
             before anything is copied and followed from then on. Of an entity that files define, \
             too, the topic's definition counts.",
        ),
        |text| entity::check_topic(text).map(|()| Topic::new(text)),
    );
    if !table.is_set("definitions") && !table.is_set("metadata_topic") {
        let hint = "write a path or a list of paths, or name a metadata_topic";
        table.mistake("definitions", Complaint::new("is missing", hint));
    }
    let definitions = if table.is_set("definitions") { definitions } else { Some(Vec::new()) };
    (definitions, topic)
}

fn read_failures(table: &mut TableReader<'_, '_>) -> (u64, Duration) {
    let count = table.whole(
        "retry_count",
        0..=20,
        12,
        "How often a held change that the database refused is tried again by itself. Changes that \
         keepstep itself refuses are not: they would be refused again.",
    );
    let interval_s =
        table.whole("retry_interval_s", 0..=3_600, 5, "Seconds between two of these tries.");
    (count, Duration::from_secs(interval_s))
}

fn read_beside(table: &mut TableReader<'_, '_>, database: Option<&DatabaseSettings>) -> Beside {
    let delete_log = table.flag(
        "write_delete_log",
        false,
        "Whether each delete that takes a row away adds one to the table `DeleteLog`.",
    );
    let default =
        if database.is_some_and(DatabaseSettings::has_metadata) { "des" } else { "plain" };
    let metadata = table.choice(
        "layout",
        &[("plain", false), ("des", true)],
        Some(default),
        "What stands beside the tables of the entities: nothing, or what Data Export Service had, \
         six tables with the labels of choices and the targets of lookups. The latter is the \
         default in SQL Server, the former elsewhere.",
    );
    let existing = table.choice(
        "existing_tables",
        &[
            ("refuse", Existing::Refuse),
            ("adopt", Existing::Adopt),
            ("truncate", Existing::Truncate),
        ],
        Some("refuse"),
        "What to do, once, with a table that holds rows which this profile did not write: refuse \
         it, keep its rows in step from now on, or empty it. An empty table that fits is always \
         used.",
    );
    let keep_deleted = table.choice(
        "deleted_rows",
        &[("remove", false), ("keep", true)],
        Some("remove"),
        "What becomes of the row of a deleted record: it goes, or it stays and its column \
         `SinkDeletedOn` says when it was deleted.",
    );
    let widen = table.choice(
        "widen",
        &[("all", Widen::All), ("texts", Widen::Texts), ("nothing", Widen::Nothing)],
        Some("all"),
        "Which columns that are there become wider when their attributes do: all; those of text; \
         or none. An entity for which that is not enough is \
         paused, and the reason names the statement.",
    );
    Beside { metadata, delete_log, existing, keep_deleted, widen }
}
